/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tries servers before an account is made of them: connects, secures, logs in, and leaves. Changes
 * nothing anywhere.
 */
#pragma once

#include "daemon/upstream/login.h"

typedef struct {
    UpstreamLogin login; /* without its user */
    char *const *users;  /* login names to try in this order, one try each; NULL-terminated */
} ProbeServer;

/*
 * Blocking. Gives the login name that was taken; the caller frees. NULL and `error`: a sentence that
 * names the server and the remedy. Another name is tried only where the server refused the one
 * before, so that no account is locked by a server that has other troubles.
 */
char *probe_incoming(const ProbeServer *server, GError **error);
char *probe_outgoing(const ProbeServer *server, GError **error);
