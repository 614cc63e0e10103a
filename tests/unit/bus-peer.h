// SPDX-License-Identifier: GPL-3.0-or-later
// A service of the desktop as this process plays it: a connection to a private bus that a thread of its own serves.
#pragma once

#include <gio/gio.h>
#include <thread>

class BusPeer
{
  public:
    explicit BusPeer(const char *address)
    {
        g_main_context_push_thread_default(context);
        connection = g_dbus_connection_new_for_address_sync(
            address,
            (GDBusConnectionFlags)(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION),
            nullptr, nullptr, nullptr);
    }

    // Before start(). `table` and `data` have to last longer than the peer.
    void serve(const char *path, GDBusInterfaceInfo *interface, const GDBusInterfaceVTable *table,
               gpointer data)
    {
        g_dbus_connection_register_object(connection, path, interface, table, data, nullptr,
                                          nullptr);
    }

    // From now on it is called.
    void start(const char *name)
    {
        g_variant_unref(g_dbus_connection_call_sync(
            connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
            "RequestName", g_variant_new("(su)", name, 0), nullptr, G_DBUS_CALL_FLAGS_NONE, -1,
            nullptr, nullptr));
        g_main_context_pop_thread_default(context);
        thread = std::thread([this] { g_main_loop_run(loop); });
    }

    ~BusPeer()
    {
        g_main_loop_quit(loop);
        thread.join();
        g_dbus_connection_close_sync(connection, nullptr, nullptr);
        g_object_unref(connection);
        g_main_loop_unref(loop);
        g_main_context_unref(context);
    }

    BusPeer(const BusPeer &) = delete;
    BusPeer &operator=(const BusPeer &) = delete;

    GDBusConnection *connection;

  private:
    GMainContext *context = g_main_context_new();
    GMainLoop *loop = g_main_loop_new(context, FALSE);
    std::thread thread;
};
