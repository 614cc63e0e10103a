/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls by the daemon's name. See call.h. */
#include "ui/window/call.h"

#include "dbus/error.h"

void account_call(PosternAccount *account, const char *method, GVariant *parameters,
                  GUnixFDList *files, GAsyncReadyCallback done, gpointer data)
{
    GDBusProxy *proxy = G_DBUS_PROXY(account);

    g_dbus_connection_call_with_unix_fd_list(g_dbus_proxy_get_connection(proxy), POSTERN_BUS_NAME,
                                             g_dbus_proxy_get_object_path(proxy),
                                             POSTERN_ACCOUNT_INTERFACE, method, parameters, NULL,
                                             G_DBUS_CALL_FLAGS_NONE, -1, files, NULL, done, data);
}

void outgoing_call(GDBusConnection *connection, gint64 id, const char *method,
                   GAsyncReadyCallback done, gpointer data)
{
    g_autofree char *path = g_strdup_printf("%s/%" G_GINT64_FORMAT, POSTERN_QUEUE_PATH, id);

    g_dbus_connection_call_with_unix_fd_list(connection, POSTERN_BUS_NAME, path,
                                             POSTERN_OUTGOING_INTERFACE, method, NULL, NULL,
                                             G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, done, data);
}

void manager_call(GDBusConnection *connection, const char *method, GVariant *parameters,
                  GCancellable *cancellable, GAsyncReadyCallback done, gpointer data)
{
    g_dbus_connection_call_with_unix_fd_list(
        connection, POSTERN_BUS_NAME, POSTERN_PATH, POSTERN_MANAGER_INTERFACE, method, parameters,
        NULL, G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, cancellable, done, data);
}

GVariant *call_finish(GObject *source, GAsyncResult *result, GError **error)
{
    GVariant *answer = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source),
                                                                       NULL, result, error);

    if (!answer && error)
        g_dbus_error_strip_remote_error(*error);
    return answer;
}
