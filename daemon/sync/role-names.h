/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What folders for sent mail, drafts, trash, junk and the archive are called by mail programs and providers,
 * in many languages: for servers that don't tell (no SPECIAL-USE, RFC 6154). A table, and how a name is
 * looked up in it. No folders: which of several has a role is decided in listing.c.
 */
#pragma once

#include "cache/folder.h"

/* Languages in the table (role-table.h). */
#define SYNC_ROLE_LANGUAGES 36

/* That a name is one of a role in the n-th language: 1 is the usual name, more is a rarer one. */
typedef struct {
    guint language;
    CacheRole role;
    guint rank;
} SyncRoleFit;

/* All that a name (of the last level alone, UTF-8) fits, or NULL; SyncRoleFit, of the table. */
const GArray *sync_role_fits(const char *name);
