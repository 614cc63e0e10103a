/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a mail address to servers: asks every source at the same time and answers with what the best
 * one says. No password is involved, and nothing is changed anywhere.
 */
#pragma once

#include "daemon/discover/table.h"
#include "daemon/net/cancel.h"
#include "daemon/web/web.h"

#define DISCOVER_SECONDS 10

typedef struct {
    const DiscoverTable *table; /* or NULL */
    WebNetwork network;
    const char *
        proxy; /* as in NetEndpoint; NULL: the network's. With one no names are resolved here, so what is
                        * in DNS alone (MX, SRV, what vouches for PACC) isn't asked for */
    gboolean pacc;     /* ask for draft-ietf-mailmaint-pacc too */
    guint seconds;     /* for all of it; 0: DISCOVER_SECONDS */
    NetTlsClient *tls; /* for guesses, which are tried; NULL: nothing is guessed */
    NetCancel *cancel; /* or NULL */
} DiscoverOptions;

/*
 * Blocking. An answer counts as soon as every better source has spoken, after `seconds` at the latest;
 * what is under way then is stopped. NULL and `error`: G_IO_ERROR_INVALID_ARGUMENT (no mail address),
 * G_IO_ERROR_NOT_FOUND (nobody knows the domain; the message says what to do), G_IO_ERROR_CANCELLED.
 */
DiscoverOffer *discover(const char *address, const DiscoverOptions *options, GError **error);
