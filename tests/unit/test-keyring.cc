/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a secret service may do when it is asked: give, ask its user, who says yes or no or nothing, have nothing,
 * fail, or be silent. The service is this process, on a bus of its own, with the interfaces of the standard.
 */
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "bus-peer.h"

extern "C" {
#include "daemon/config/config.h"
#include "daemon/config/secret.h"
}

// A question that a service never takes back is left behind, and all that it holds: there is no way to end it.
extern "C" const char *__asan_default_options(void);
extern "C" const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

namespace
{

const char *const XML = R"(<node>
<interface name="org.freedesktop.Secret.Service">
  <method name="OpenSession"><arg type="s" direction="in"/><arg type="v" direction="in"/>
    <arg type="v" direction="out"/><arg type="o" direction="out"/></method>
  <method name="SearchItems"><arg type="a{ss}" direction="in"/><arg type="ao" direction="out"/>
    <arg type="ao" direction="out"/></method>
  <method name="Unlock"><arg type="ao" direction="in"/><arg type="ao" direction="out"/>
    <arg type="o" direction="out"/></method>
  <method name="GetSecrets"><arg type="ao" direction="in"/><arg type="o" direction="in"/>
    <arg type="a{o(oayays)}" direction="out"/></method>
  <method name="ReadAlias"><arg type="s" direction="in"/><arg type="o" direction="out"/></method>
  <property name="Collections" type="ao" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Item">
  <property name="Locked" type="b" access="read"/><property name="Attributes" type="a{ss}" access="read"/>
  <property name="Label" type="s" access="read"/><property name="Created" type="t" access="read"/>
  <property name="Modified" type="t" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Prompt">
  <method name="Prompt"><arg type="s" direction="in"/></method><method name="Dismiss"/>
  <signal name="Completed"><arg type="b"/><arg type="v"/></signal>
</interface>
</node>)";

const char *const ITEM = "/org/freedesktop/secrets/collection/login/1";

enum class Does {
    GIVES,       /* what is unlocked */
    ASKS,        /* is locked; its user unlocks it when asked */
    DISMISSED,   /* its user says no */
    UNANSWERED,  /* its user says nothing, until the question is taken back */
    DEAF,        /* the same, and doesn't say that it was taken back */
    HAS_NONE,    /* is unlocked, and has no such thing */
    FAILS,       /* every question is answered by an error */
    IS_SILENT,   /* no question is answered */
    SEARCH_ONLY, /* finds, and is silent about secrets */
};

struct Service {
    Does does;
    bool unlocked;
    BusPeer peer; // the last, so that it goes first

    void give(GDBusMethodInvocation *invocation, const char *text)
    {
        g_dbus_method_invocation_return_value(invocation, g_variant_new_parsed(text));
    }

    void search(GDBusMethodInvocation *invocation)
    {
        if (does == Does::HAS_NONE)
            give(invocation, "(@ao [], @ao [])");
        else if (unlocked)
            g_dbus_method_invocation_return_value(invocation,
                                                  g_variant_new_parsed("([%o], @ao [])", ITEM));
        else
            g_dbus_method_invocation_return_value(invocation,
                                                  g_variant_new_parsed("(@ao [], [%o])", ITEM));
    }

    void prompt(GDBusMethodInvocation *invocation)
    {
        g_dbus_method_invocation_return_value(invocation, nullptr);
        if (does != Does::UNANSWERED && does != Does::DEAF)
            complete();
    }

    void complete()
    {
        unlocked = does == Does::ASKS;
        g_dbus_connection_emit_signal(peer.connection, nullptr, "/prompt",
                                      "org.freedesktop.Secret.Prompt", "Completed",
                                      unlocked ? g_variant_new_parsed("(false, <[%o]>)", ITEM)
                                               : g_variant_new_parsed("(true, <@ao []>)"),
                                      nullptr);
    }

    void get(GDBusMethodInvocation *invocation)
    {
        if (does == Does::SEARCH_ONLY)
            return;
        if (unlocked) {
            static const char secret[] = "lovelace";
            g_dbus_method_invocation_return_value(
                invocation,
                g_variant_new_parsed(
                    "({%o: (%o, @ay [], %@ay, 'text/plain')},)", ITEM,
                    "/org/freedesktop/secrets/session/1",
                    g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, secret, strlen(secret), 1)));
        } else
            give(invocation, "(@a{o(oayays)} {},)");
    }

    static void called(GDBusConnection *, const char *, const char *, const char *,
                       const char *method, GVariant *arguments, GDBusMethodInvocation *invocation,
                       gpointer data)
    {
        auto self = static_cast<Service *>(data);
        std::string name = method;
        if (self->does == Does::IS_SILENT)
            return;
        if (self->does == Does::FAILS)
            g_dbus_method_invocation_return_dbus_error(
                invocation, "org.freedesktop.DBus.Error.Failed", "the disk is gone");
        else if (name == "OpenSession") {
            const char *algorithm;
            g_variant_get_child(arguments, 0, "&s", &algorithm);
            if (std::string(algorithm) != "plain")
                g_dbus_method_invocation_return_dbus_error(
                    invocation, "org.freedesktop.DBus.Error.NotSupported", "plain only");
            else
                g_dbus_method_invocation_return_value(
                    invocation, g_variant_new("(vo)", g_variant_new_string(""),
                                              "/org/freedesktop/secrets/session/1"));
        } else if (name == "SearchItems")
            self->search(invocation);
        else if (name == "Unlock")
            g_dbus_method_invocation_return_value(invocation,
                                                  g_variant_new_parsed("(@ao [], %o)", "/prompt"));
        else if (name == "GetSecrets")
            self->get(invocation);
        else if (name == "ReadAlias")
            g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", "/"));
        else if (name == "Prompt")
            self->prompt(invocation);
        else {
            g_dbus_method_invocation_return_value(invocation, nullptr);
            if (name == "Dismiss" && self->does == Does::UNANSWERED)
                self->complete();
        }
    }

    static GVariant *property(GDBusConnection *, const char *, const char *, const char *,
                              const char *name, GError **, gpointer data)
    {
        auto self = static_cast<Service *>(data);
        std::string which = name;
        if (which == "Collections")
            return g_variant_new_parsed("@ao []");
        if (which == "Locked")
            return g_variant_new_boolean(!self->unlocked);
        if (which == "Attributes")
            return g_variant_new_parsed("@a{ss} {}");
        return which == "Label" ? g_variant_new_string("Postern") : g_variant_new_uint64(0);
    }

    Service(const char *address, Does what)
        : does(what), unlocked(what == Does::GIVES || what == Does::SEARCH_ONLY), peer(address)
    {
        GDBusNodeInfo *info = g_dbus_node_info_new_for_xml(XML, nullptr);
        static const char *const paths[] = {"/org/freedesktop/secrets", ITEM, "/prompt"};
        static const GDBusInterfaceVTable table = {called, property, nullptr, {}};
        for (guint i = 0; i < G_N_ELEMENTS(paths); i++)
            peer.serve(paths[i], info->interfaces[i], &table, this);
        g_dbus_node_info_unref(info);
        peer.start("org.freedesktop.secrets");
    }
};

class Keyring : public ::testing::Test
{
  protected:
    // It ends with the program: a question that is left behind holds its connection, for which stopping it waits.
    static void SetUpTestSuite()
    {
        bus = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(bus);
    }
    // The secret, or why there is none.
    std::string ask(guint seconds, int *code)
    {
        g_autoptr(Config) config = config_parse(
            "c", "[account work]\naddress=ada@example.org\nincoming=imaps://imap.example.org\n",
            nullptr);
        g_autoptr(Secrets) secrets = secrets_new(seconds);
        g_autoptr(GError) error = nullptr;
        char *found =
            secrets_password(config_find(config, "work")->settings, FALSE, secrets, &error);
        std::string said = found ? found : error->message;
        *code = error ? error->code : -1;
        account_password_free(found);
        return said;
    }

    static GTestDBus *bus;
};
GTestDBus *Keyring::bus;

TEST_F(Keyring, WhateverItDoesTheAccountGetsItsPasswordOrIsToldWhatToDo)
{
    const struct {
        Does does;
        guint seconds;
        int code;
        const char *said;
    } cases[] = {
        {Does::GIVES, 60, -1, "lovelace"},
        {Does::ASKS, 60, -1, "lovelace"},
        {Does::DISMISSED, 60, ACCOUNT_SECRET_LOCKED, "the keyring is locked"},
        {Does::UNANSWERED, 2, ACCOUNT_SECRET_LOCKED, ""},
        {Does::DEAF, 1, ACCOUNT_SECRET_LOCKED, "not answered for 1 s"},
        {Does::HAS_NONE, 60, ACCOUNT_SECRET_MISSING, "no password is stored"},
        {Does::FAILS, 60, ACCOUNT_SECRET_LOCKED, "the disk is gone"},
        {Does::IS_SILENT, 1, ACCOUNT_SECRET_LOCKED, "not answered for 1 s"},
        {Does::SEARCH_ONLY, 2, ACCOUNT_SECRET_LOCKED, "not answered for 2 s"},
    };
    for (const auto &item : cases) {
        Service service(g_test_dbus_get_bus_address(bus), item.does);
        int code;
        std::string said = ask(item.seconds, &code);
        EXPECT_NE(said.find(item.said), std::string::npos) << (int)item.does << ": " << said;
        EXPECT_EQ(code, item.code) << (int)item.does << ": " << said;
        if (code == ACCOUNT_SECRET_LOCKED) {
            EXPECT_NE(said.find("unlock it"), std::string::npos) << said;
        }
    }
}

} // namespace
