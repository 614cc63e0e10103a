/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What it takes to get in at a provider's server, whatever its protocol. */
#pragma once

#include "daemon/config/habits.h"
#include "daemon/net/dial.h"
#include "daemon/proto/sasl/mechanism.h"

/* The mechanisms that one login has used, as SaslMechanism bits; 0: none. A protocol's own command with user
 * and password counts as LOGIN. */
typedef struct {
    guint first; /* the best of those that were offered */
    guint last;  /* the one that let in, or was refused */
} UpstreamTried;

/* All is borrowed. */
typedef struct {
    const NetEndpoint *endpoint;
    NetTlsClient *tls;
    const char *user;
    const char *secret; /* the password, or an access token; "" where none is needed */
    gboolean oauth2;    /* which of the two it is */
    guint mechanisms;   /* SaslMechanism bits: one of these and no other; 0: the best */
    guint *
        lacking; /* SaslMechanism bits that are offered, and that the server can't check this user's
                     * password by: found here, and kept by the caller from one connection to the next;
                     * 0 in the beginning; or NULL */
    UpstreamTried *tried;  /* is filled in, where the caller has cleared it before; or NULL */
    AccountHabits *habits; /* what is known of the server; NULL: nothing */
    guint timeout;         /* seconds that connecting may take, and a server be silent; 0: 60 */
    NetCancel *cancel;     /* ends everything that blocks */
} UpstreamLogin;
