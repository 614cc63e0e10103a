/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Thunderbird's autoconfiguration files (draft-ietf-mailmaint-autoconfig): from XML to an offer. No
 * network: who fetched the file says whether it is to be trusted.
 */
#pragma once

#include "daemon/discover/offer.h"

/* The longest file that is read, in octets. libxml2 tells of each mistake what stands around it, which is a square of their count: a second at
 * most for so much. Real files have a tenth. */
#define AUTOCONFIG_MAX (64 * 1024)

/*
 * Reads a file that was fetched for `address`. What isn't known counts as absent; a server section
 * that lacks something, or would send a password in the clear, is left out alone. NULL and `error`
 * (G_IO_ERROR_INVALID_DATA): it isn't well-formed, has a document type, or names no usable incoming
 * server.
 */
DiscoverOffer *autoconfig_read(GBytes *xml, const DiscoverAddress *address, DiscoverSource source,
                               const char *origin, gboolean trusted, GError **error);
