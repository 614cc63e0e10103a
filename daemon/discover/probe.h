/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tries servers before an account is made of them: connects, secures, logs in, and leaves. Changes
 * nothing anywhere.
 */
#pragma once

#include "daemon/upstream/login.h"

typedef struct {
    UpstreamLogin
        login; /* without its user; `mechanisms` are those that are to be used, 0: the best */
    char *const *users; /* login names to try in this order; NULL-terminated */
} ProbeServer;

/* How it let one in. */
typedef struct {
    char *user;      /* the login name that was taken; the caller frees */
    guint mechanism; /* the SaslMechanism bit that did; 0: none was needed */
    gboolean
        unexpected; /* it isn't the one that would be chosen: a better one is offered, but doesn't let in */
} ProbeResult;

/*
 * Blocking. FALSE and `error`: a sentence that names the server and the remedy. Another name is tried only where
 * the server refused the one before, so that no account is locked by a server that has other troubles.
 *
 * A server may offer SCRAM and have nothing to check this user's password by. Where it has refused SCRAM, the
 * password is shown to it once by PLAIN or LOGIN, on a connection of its own, and the names that come then go by
 * those alone: with two names three refusals at most. Not so where SCRAM was bound to the TLS channel: then
 * somebody in between may be the reason.
 */
gboolean probe_incoming(const ProbeServer *server, ProbeResult *result, GError **error);
gboolean probe_outgoing(const ProbeServer *server, ProbeResult *result, GError **error);
