/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Calls by the daemon's name. See account-call.h. */
#include "ui/window/account-call.h"

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

gboolean account_call_finish(GObject *source, GAsyncResult *result, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_with_unix_fd_list_finish(
        G_DBUS_CONNECTION(source), NULL, result, &failure);

    if (answer)
        return TRUE;
    g_dbus_error_strip_remote_error(failure);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}
