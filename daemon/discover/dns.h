/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the domain name system says of a domain's mail. Nothing here is authenticated (GLib doesn't
 * tell of DNSSEC), so nothing that is made of it is trusted.
 */
#pragma once

#include "daemon/discover/offer.h"

#include <gio/gio.h>

/* The most preferred host that takes the domain's mail (RFC 5321, 5.1), in lower case, or NULL; the
 * caller frees. `resolver` NULL: the system's. Blocking. */
char *dns_mx(GResolver *resolver, const char *domain, GCancellable *cancellable);

/* The servers that SRV records name (RFC 6186, RFC 8314, 5.1), or NULL. Blocking. */
DiscoverOffer *dns_srv(GResolver *resolver, const DiscoverAddress *address,
                       GCancellable *cancellable);

/* The strings of the domain's TXT records, each record's joined; NULL-terminated, the caller frees;
 * empty where there are none. Blocking. */
char **dns_txt(GResolver *resolver, const char *domain, GCancellable *cancellable);
