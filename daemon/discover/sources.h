/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where an address's configuration may stand: the URLs to ask, made of the address or of the host
 * that takes the domain's mail. Pure.
 */
#pragma once

#include "daemon/discover/offer.h"

/* The addresses of autoconfiguration files; the caller frees. Only https ones carry the address. */
char *sources_provider_url(const DiscoverAddress *address);
char *sources_well_known_url(const DiscoverAddress *address);
char *sources_plain_url(const DiscoverAddress *address);
char *sources_ispdb_url(const char *domain);
/* The file that the mail host's own domain offers for `address`. */
char *sources_hoster_url(const DiscoverAddress *address, const char *domain);
/* draft-ietf-mailmaint-pacc, and the TXT record that vouches for it. */
char *sources_pacc_url(const DiscoverAddress *address);

/*
 * The domains to ask about when `mx` takes the mail of `domain`: the host without its first label,
 * then its registrable domain (by the public suffix list), without doubles and without `domain`
 * itself. NULL-terminated, the caller frees; may be empty.
 */
char **sources_mx_domains(const char *mx, const char *domain);
