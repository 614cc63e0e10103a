/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the provider says its folders are: LIST, LSUB and STATUS, in as few commands as it knows. */
#pragma once

#include "daemon/sync/context.h"

typedef struct {
    char *name, *wire;
    char delimiter;
    guint attributes; /* ImapListAttr bits */
    gboolean subscribed;
    gboolean has_status;
    guint32 messages, uidnext, uidvalidity;
    guint64 highestmodseq; /* 0: not said */
    char *mailboxid;       /* or NULL */
    guint32 rights;        /* as in CacheFolder; 0: not said */
    CacheRole role;        /* set by roles.c */
    gint64 row;            /* for folders.c: the folder it turned out to be; 0: none yet */
} SyncListed;

typedef struct {
    GPtrArray *folders;       /* SyncListed; only names that exist */
    GPtrArray *subscriptions; /* char *: names, also of folders that don't exist; NULL: the server
                                 can't tell, they are kept here alone */
    gboolean incomplete;      /* there may be more folders than these: none is gone */
    char *refusal;       /* why the provider gives no list, or gave none of late; NULL: it does */
    guint unkept;        /* so many have a name that is too long to be kept */
    guint roles;         /* set by roles.c: a bit for each CacheRole that one of them has */
    gsize octets;        /* of all names */
    GHashTable *by_name; /* char * -> SyncListed, borrowed */
} SyncListing;

SyncListing *sync_listing_fetch(SyncContext *context, GError **error);
void sync_listing_free(SyncListing *listing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SyncListing, sync_listing_free)

SyncListed *sync_listing_find(const SyncListing *listing, const char *name);

/* Whether it can be selected. */
gboolean sync_listed_selectable(const SyncListed *listed);
