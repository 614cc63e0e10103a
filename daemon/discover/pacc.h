/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * draft-ietf-mailmaint-pacc (02): a JSON document that the provider publishes and vouches for by a
 * digest in DNS. The draft may still change, so it is asked for on demand only.
 */
#pragma once

#include "daemon/discover/offer.h"
#include "daemon/web/web.h"

/* Blocking; NULL: there is none, or the digest isn't in DNS. */
DiscoverOffer *pacc_ask(const DiscoverAddress *address, const WebNetwork *network,
                        GCancellable *cancellable);

/* The offer in a document's octets; NULL and `error`: it can't be read or names no server. */
DiscoverOffer *pacc_read(GBytes *json, const DiscoverAddress *address, const char *origin,
                         GError **error);

/* Whether one of the TXT records names the document's digest: "v=UAAC1; a=sha256; d=BASE64". */
gboolean pacc_vouched(GBytes *json, char *const *records);
