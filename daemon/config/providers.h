/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file providers.ini: where it is, and reading it. What its keys mean is said at its top; servers
 * for an address are looked up in daemon/discover/table.h, habits in habits.h.
 */
#pragma once

#include "daemon/net/dial.h"

/* The user's own beside postern.conf; the caller frees. */
char *providers_own_path(const char *config_path);

/* What is installed with the program: the table of the first data directory that has one. */
char *providers_path(void);

/* Reads the file at `path`, then the user's `own`, whose groups take the place of those of the same name
 * (either may be NULL or missing). NULL and `error`: one of them can't be read; the message names it. */
GKeyFile *providers_load(const char *path, const char *own, GError **error);

/* The group whose `incoming` names that server (on loopback: and port), the one with the address's domain
 * among several; NULL: none. The caller frees. */
char *providers_find(GKeyFile *table, const NetEndpoint *incoming, const char *address);
