/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the window follows, without its widgets: a daemon that comes, goes, comes again, and is slow to answer. */
#include "quiet.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

extern "C" {
#include "dbus/error.h"
#include "ui/window/call.h"
#include "ui/window/follower.h"
}

namespace
{

/* As much of posternd as is on the bus, under a connection of its own. */
class Daemon
{
  public:
    Daemon(const char *address, const char *state, guint messages)
    {
        connection = connect(address);
        server = g_dbus_object_manager_server_new(POSTERN_PATH);
        manager = postern_manager_skeleton_new();
        account = postern_account_skeleton_new();
        postern_account_set_id(account, "work");
        postern_account_set_state(account, state);
        postern_account_set_messages(account, messages);
        PosternObjectSkeleton *object = postern_object_skeleton_new(POSTERN_ACCOUNT_PATH "work");
        postern_object_skeleton_set_account(object, account);
        g_dbus_object_manager_server_export(server, G_DBUS_OBJECT_SKELETON(object));
        g_object_unref(object);
        g_dbus_object_manager_server_set_connection(server, connection);
        g_signal_connect(account, "handle-set-password", G_CALLBACK(on_password), this);
    }
    ~Daemon()
    {
        g_dbus_object_manager_server_set_connection(server, nullptr);
        if (g_dbus_interface_skeleton_get_connection(G_DBUS_INTERFACE_SKELETON(manager)))
            g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(manager));
        g_dbus_connection_close_sync(connection, nullptr, nullptr);
        g_object_unref(server);
        g_object_unref(manager);
        g_object_unref(account);
        g_object_unref(connection);
    }
    void export_manager()
    {
        EXPECT_TRUE(g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(manager), connection,
                                                     POSTERN_PATH, nullptr));
    }
    void own_name()
    {
        g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
            connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
            "RequestName", g_variant_new("(su)", POSTERN_BUS_NAME, 0), nullptr,
            G_DBUS_CALL_FLAGS_NONE, -1, nullptr, nullptr);
        EXPECT_NE(answer, nullptr);
    }
    Daemon &start()
    {
        export_manager();
        own_name();
        return *this;
    }
    static GDBusConnection *connect(const char *address)
    {
        auto flags = GDBusConnectionFlags(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION);
        g_autoptr(GError) error = nullptr;
        GDBusConnection *made =
            g_dbus_connection_new_for_address_sync(address, flags, nullptr, nullptr, &error);
        EXPECT_NE(made, nullptr) << error->message;
        return made;
    }

    PosternAccount *account;
    std::string password;

  private:
    static gboolean on_password(PosternAccount *account, GDBusMethodInvocation *call,
                                const char *password, gboolean outgoing, gpointer data)
    {
        ((Daemon *)data)->password = password;
        postern_account_complete_set_password(account, call);
        return TRUE;
    }
    GDBusConnection *connection;
    GDBusObjectManagerServer *server;
    PosternManager *manager;
};

/* What the window would show. */
class FollowerTest : public testing::Test
{
  protected:
    GTestDBus *bus = nullptr;
    GDBusConnection *connection = nullptr;
    Follower *follower = nullptr;
    PosternManager *manager = nullptr;
    GDBusObjectManager *objects = nullptr;
    int came = 0, went = 0;

    void SetUp() override
    {
        bus = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(bus);
        connection = Daemon::connect(address());
    }
    void TearDown() override
    {
        follower_free(follower);
        g_dbus_connection_close_sync(connection, nullptr, nullptr);
        g_object_unref(connection);
        g_test_dbus_down(bus);
        g_object_unref(bus);
    }
    const char *address()
    {
        return g_test_dbus_get_bus_address(bus);
    }
    void follow()
    {
        FollowerEvents events = {};
        events.came = [](PosternManager *manager, GDBusObjectManager *objects, gpointer data) {
            auto *test = (FollowerTest *)data;
            EXPECT_EQ(test->manager, nullptr) << "the last life has ended";
            test->manager = manager;
            test->objects = objects;
            test->came++;
        };
        events.went = [](gpointer data) {
            auto *test = (FollowerTest *)data;
            test->manager = nullptr;
            test->objects = nullptr;
            test->went++;
        };
        events.data = this;
        follower = follower_new(connection, &events);
    }
    bool until(const std::function<bool()> &happened)
    {
        gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        while (!happened() && g_get_monotonic_time() < deadline) {
            g_main_context_iteration(nullptr, FALSE);
            g_usleep(200);
        }
        return happened();
    }
    /* "idle 5", of the account; empty: there is none. */
    std::string shown()
    {
        g_autoptr(GDBusObject) object =
            objects ? g_dbus_object_manager_get_object(objects, POSTERN_ACCOUNT_PATH "work")
                    : nullptr;
        PosternAccount *account =
            object ? postern_object_peek_account(POSTERN_OBJECT(object)) : nullptr;
        if (!account || !postern_account_get_state(account))
            return "";
        return std::string(postern_account_get_state(account)) + " " +
               std::to_string(postern_account_get_messages(account));
    }
    bool shows(const std::string &what)
    {
        return until([&] { return shown() == what; });
    }
};

TEST_F(FollowerTest, SaysAtOnceThatThereIsNone)
{
    follow();
    EXPECT_TRUE(until([&] { return went == 1; }));
    Daemon daemon(address(), "idle", 5);
    daemon.start();
    EXPECT_TRUE(shows("idle 5"));
}

TEST_F(FollowerTest, EachLifeHasItsOwnAccountsWhichFollowIt)
{
    follow();
    for (guint life = 1; life < 6; life++) {
        {
            Daemon daemon(address(), "connecting", 0);
            daemon.start();
            EXPECT_TRUE(shows("connecting 0"));
            postern_account_set_messages(daemon.account, life);
            postern_account_set_state(daemon.account, "idle");
            EXPECT_TRUE(shows("idle " + std::to_string(life)));
            EXPECT_EQ(came, (int)life);
        }
        EXPECT_TRUE(until([&] { return manager == nullptr; }));
    }
}

/* Nobody saw it go: the next one has the name at once. */
TEST_F(FollowerTest, ADaemonThatIsReplacedWithinAMomentLeavesNothingBehind)
{
    follow();
    auto first = std::make_unique<Daemon>(address(), "connecting", 0);
    first->start();
    EXPECT_TRUE(shows("connecting 0"));
    Daemon second(address(), "idle", 7);
    second.start(); /* waits in the bus' queue for the name */
    first.reset();
    EXPECT_TRUE(shows("idle 7"));
    postern_account_set_messages(second.account, 8);
    EXPECT_TRUE(shows("idle 8"));
}

/* Dies while it is being asked. */
TEST_F(FollowerTest, ADaemonThatEndsBeforeItAnswersIsForgotten)
{
    follow();
    for (int turns = 0; turns < 12; turns++) {
        {
            Daemon daemon(address(), "connecting", 0);
            daemon.start();
            for (int i = 0; i < turns; i++)
                g_main_context_iteration(nullptr, FALSE);
        }
        Daemon next(address(), "idle", 100 + turns);
        next.start();
        EXPECT_TRUE(shows("idle " + std::to_string(100 + turns)));
    }
}

/* It has the name, but isn't ready: the first question fails. */
TEST_F(FollowerTest, ADaemonThatCanNotAnswerYetIsAskedAgain)
{
    follow();
    g_autoptr(GDBusConnection) early = Daemon::connect(address());
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        early, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", g_variant_new("(su)", POSTERN_BUS_NAME, 0), nullptr, G_DBUS_CALL_FLAGS_NONE,
        -1, nullptr, nullptr);
    gint64 later = g_get_monotonic_time() + G_USEC_PER_SEC / 2;
    until([&] { return g_get_monotonic_time() > later; });
    EXPECT_EQ(came, 0);
    GDBusObjectManagerServer *server = g_dbus_object_manager_server_new(POSTERN_PATH);
    g_dbus_object_manager_server_set_connection(server, early);
    EXPECT_TRUE(until([&] { return came == 1; }));
    g_dbus_object_manager_server_set_connection(server, nullptr);
    g_object_unref(server);
    g_dbus_connection_close_sync(early, nullptr, nullptr);
}

/* A dialog that was opened in an earlier life. */
TEST_F(FollowerTest, WhatADialogAsksInTheEndGoesToTheDaemonOfThen)
{
    follow();
    auto first = std::make_unique<Daemon>(address(), "auth-required", 1);
    first->start();
    ASSERT_TRUE(shows("auth-required 1"));
    g_autoptr(GDBusObject) object =
        g_dbus_object_manager_get_object(objects, POSTERN_ACCOUNT_PATH "work");
    g_autoptr(PosternAccount) account = postern_object_get_account(POSTERN_OBJECT(object));
    first.reset();
    Daemon second(address(), "auth-required", 2);
    second.start();
    ASSERT_TRUE(shows("auth-required 2"));
    static int answered;
    answered = 0;
    account_call(
        account, "SetPassword", g_variant_new("(sb)", "typed", FALSE), nullptr,
        [](GObject *source, GAsyncResult *result, gpointer) {
            g_autoptr(GError) error = nullptr;
            g_autoptr(GVariant) answer = call_finish(source, result, &error);
            EXPECT_TRUE(answer != nullptr) << error->message;
            answered++;
        },
        nullptr);
    EXPECT_TRUE(until([&] { return answered == 1; }));
    EXPECT_EQ(second.password, "typed");
}

} // namespace
