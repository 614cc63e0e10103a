/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The names that providers usually give their servers, tried: what answers there by TLS, with a
 * certificate for that name, in the right protocol, is an offer. Nothing is sent but a greeting.
 */
#pragma once

#include "daemon/discover/offer.h"

/* How the servers are reached. */
typedef struct {
    const char *proxy; /* as in NetEndpoint */
    NetTlsClient *tls;
    NetCancel *cancel;
} GuessRoute;

/* Blocking; NULL: none of the incoming ones answered, `error` says why the first didn't. */
DiscoverOffer *guess_servers(const DiscoverAddress *address, const GuessRoute *route,
                             GError **error);
