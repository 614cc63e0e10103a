/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tries servers before an account is made of them: connects, secures, logs in, and leaves. Changes
 * nothing anywhere.
 */
#pragma once

#include "daemon/net/dial.h"

typedef struct {
    const NetEndpoint *endpoint;
    char *const *users; /* login names to try in this order, one try each; NULL-terminated */
    const char *secret; /* the password, or an access token */
    gboolean oauth2;    /* which of the two it is */
    NetTlsClient *tls;
    guint timeout; /* seconds that each step may be silent */
    NetCancel *cancel;
} ProbeServer;

/*
 * Blocking. Gives the login name that was taken; the caller frees. NULL and `error`: a sentence that
 * names the server and the remedy. Another name is tried only where the server refused the one
 * before, so that no account is locked by a server that has other troubles.
 */
char *probe_incoming(const ProbeServer *server, GError **error);
char *probe_outgoing(const ProbeServer *server, GError **error);
