/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One login at a time, and no second one with what was refused. */
#include "daemon/upstream/connect.h"

#include "daemon/config/gate.h"

#define TIMEOUT 60 /* seconds */

static ImapClient *log_in(const AccountAccess *access, const char *password, NetCancel *cancel,
                          GError **error)
{
    const AccountSettings *settings = access->settings;
    ImapClientOptions options = {.endpoint = settings->incoming,
                                 .tls = access->tls,
                                 .user = settings->user,
                                 .secret = password,
                                 .oauth2 = settings->oauth2,
                                 .timeout = TIMEOUT,
                                 .cancel = cancel};
    g_autoptr(GError) why = NULL;

    if (access->gate && !account_gate_check(access->gate, password, error))
        return NULL;
    ImapClient *client = imap_client_connect(&options, &why);
    if (client)
        return client;
    if (access->gate && g_error_matches(why, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_AUTH))
        account_gate_note_refusal(access->gate, password, why);
    g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}

ImapClient *upstream_connect_imap(const AccountAccess *access, NetCancel *cancel, GError **error)
{
    if (access->gate && !account_gate_enter(access->gate, cancel, error))
        return NULL;
    char *password = access->password(access->settings, FALSE, access->password_data, error);
    ImapClient *client = password ? log_in(access, password, cancel, error) : NULL;
    account_password_free(password);
    if (access->gate)
        account_gate_leave(access->gate);
    return client;
}
