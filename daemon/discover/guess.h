/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The names that providers usually give their servers, tried: what answers there by TLS, with a
 * certificate for that name, in the right protocol, is an offer. Nothing is sent but a greeting.
 */
#pragma once

#include "daemon/discover/offer.h"

/* Blocking; NULL: none of the incoming ones answered. */
DiscoverOffer *guess_servers(const DiscoverAddress *address, NetTlsClient *tls, NetCancel *cancel);
