/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * providers.ini: what is known of providers beforehand. A group for each, and groups
 * [oauth2 NAME] for where one signs in. The user's own file beside postern.conf adds groups and
 * takes the place of those of the same name.
 */
#pragma once

#include "daemon/discover/offer.h"

typedef struct DiscoverTable DiscoverTable;

/* Reads the file at `path`, which is installed with the program, then the user's `own` (either may be
 * NULL or missing). NULL and `error`: one of them can't be read; the message names the file. */
DiscoverTable *discover_table_load(const char *path, const char *own, GError **error);
void discover_table_free(DiscoverTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiscoverTable, discover_table_free)

/* The provider of a mail domain, or of a host that takes mail (`mx`); its group's name, borrowed, or
 * NULL. */
const char *discover_table_by_domain(const DiscoverTable *table, const char *domain);
const char *discover_table_by_mx(const DiscoverTable *table, const char *mx);

/* What the table offers for an address at that provider. Its incoming servers may be empty: then
 * `hint` says why (the provider has no IMAP). */
DiscoverOffer *discover_table_offer(const DiscoverTable *table, const char *provider,
                                    const DiscoverAddress *address, DiscoverSource source);

/* A group [oauth2 NAME]'s key, or NULL; the caller frees. */
char *discover_table_oauth(const DiscoverTable *table, const char *name, const char *key);
