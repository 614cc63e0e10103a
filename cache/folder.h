/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Folders, view and base. A folder keeps its number (`id`) for life, through
 * renames on either side; numbers are never reused.
 */
#pragma once

#include "cache/cache.h"
#include "cache/rights.h"

typedef enum {
    CACHE_ROLE_NONE,
    CACHE_ROLE_INBOX,
    CACHE_ROLE_ALL, /* RFC 6154 */
    CACHE_ROLE_ARCHIVE,
    CACHE_ROLE_DRAFTS,
    CACHE_ROLE_FLAGGED,
    CACHE_ROLE_JUNK,
    CACHE_ROLE_SENT,
    CACHE_ROLE_TRASH,
    CACHE_ROLE_IMPORTANT, /* RFC 8457 */
} CacheRole;

/* Octets of a folder's name at most. */
#define CACHE_FOLDER_NAME 1024

/* One folder as one transaction sees it. Counts are maintained by the cache and read from one row.
 */
typedef struct {
    gint64 id;

    /* the view */
    char *name;     /* UTF-8, with `delimiter` between levels; NULL: deleted by a client */
    char delimiter; /* 0: a flat name space */
    CacheRole role;
    gboolean selectable;   /* FALSE: \Noselect, a name that only has children */
    gboolean pushed;       /* FALSE: local only, its differences are never sent */
    guint32 uidvalidity;   /* local */
    guint32 uidnext;       /* local: the next UID to give */
    guint32 recent_uid;    /* messages from this local UID on are \Recent to the next SELECT */
    guint64 highestmodseq; /* local */
    guint64 modseq_floor;  /* expunges at or below it have been forgotten (RFC 7162, 3.2.7) */
    guint32 exists;        /* live messages */
    guint32 unseen;        /* of these, without \Seen */
    guint32 deleted;       /* of these, with \Deleted */
    guint32 missing;       /* of these, whose content isn't (all) here */
    guint32 headless;      /* of these, of which not even the header is here */
    guint64 size;          /* of these, the sum of their sizes in bytes */

    /* the base */
    char *base_name;          /* as the view's name, as last seen upstream; NULL: not upstream */
    char *wire_name;          /* the name exactly as upstream spells it (modified UTF-7); or NULL */
    char *remote_id;          /* MAILBOXID (RFC 8474), or NULL */
    gboolean base_selectable; /* upstream it can be selected; FALSE: \Noselect there */
    guint32 base_uidvalidity; /* 0: never selected */
    guint32 base_uidnext;     /* as of the last complete pull */
    guint64 base_highestmodseq; /* as of the last complete pull; 0: none (NOMODSEQ) */
    guint32 flag_mask;          /* system flags that upstream keeps (PERMANENTFLAGS) */
    gboolean keyword_mask;      /* upstream keeps new keywords (PERMANENTFLAGS has \*) */
    gint64 synced;              /* Unix seconds of the last complete pull, 0: never */
    guint32 failing;    /* messages whose content upstream can't give: "fetch" in problem.h */
    guint32 unread;     /* messages upstream that it can't even list: "read" with a UID */
    guint32 unreadable; /* not 0: the folder as a whole can't be read: "read" without */
    guint32 rights;     /* as the provider has them, with where from; 0: not known */
} CacheFolder;

/*
 * A base name that begins so is none: the provider has given the folder's name to another one, and
 * where this one is now isn't known, or not written yet. The second where the view's name wasn't
 * upstream's. Nothing is sent for such a folder.
 */
#define CACHE_FOLDER_ASIDE         '\001'
#define CACHE_FOLDER_ASIDE_RENAMED '\002'

static inline gboolean cache_folder_steps_aside(const CacheFolder *folder)
{
    return folder->base_name && (folder->base_name[0] == CACHE_FOLDER_ASIDE ||
                                 folder->base_name[0] == CACHE_FOLDER_ASIDE_RENAMED);
}

/* What the user may do in it, so far as is known here: CACHE_RIGHT bits. */
static inline guint32 cache_folder_rights(const CacheFolder *folder)
{
    return (folder->rights & CACHE_RIGHTS_KNOWN ? folder->rights : G_MAXUINT32) & CACHE_RIGHTS_ALL;
}

void cache_folder_free(CacheFolder *folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheFolder, cache_folder_free)

/* By number, by view name (INBOX in any case), by base name. NULL: none (CACHE_ERROR_NOT_FOUND) or
 * failed. */
CacheFolder *cache_folder_get(CacheTxn *txn, gint64 id, GError **error);
CacheFolder *cache_folder_find(CacheTxn *txn, const char *name, GError **error);
CacheFolder *cache_folder_find_base(CacheTxn *txn, const char *base_name, GError **error);

/* All folders, also those that only view or only base have, by name; CacheFolder, freed with the
 * array. */
GPtrArray *cache_folder_list(CacheTxn *txn, GError **error);

/* Whether others stand below its name in the view. */
gboolean cache_folder_has_children(CacheTxn *txn, const CacheFolder *folder);

/* The folder with a role, or NULL without error where there is none. */
CacheFolder *cache_folder_with_role(CacheTxn *txn, CacheRole role);

/* ---- by clients: the view (need CACHE_WRITE_FULL) ------------------------------------------- */

/*
 * Makes a folder, with the levels above it where they are missing (not selectable); a name that had
 * a folder before gets a higher UIDVALIDITY. A name that can't be selected becomes selectable. It
 * is pushed unless meta "new-folders" is "local" (accounts whose provider has no folders). Gives
 * its number; 0 and EXISTS or INVALID on failure.
 */
gint64 cache_folder_create(CacheTxn *txn, const char *name, CacheRole role, GError **error);

/*
 * Takes a folder from the view, with the messages in it (never INBOX: INVALID). A folder with
 * children becomes not selectable, and one that is that already can't be deleted (CHILDREN; RFC
 * 3501, 6.3.4). The row stays, without a name, while the base or an open attempt needs it.
 */
gboolean cache_folder_delete(CacheTxn *txn, gint64 id, GError **error);

/* Renames a folder and those below it; levels above `name` are made. Not for INBOX (see change.h).
 */
gboolean cache_folder_rename(CacheTxn *txn, gint64 id, const char *name, GError **error);

/* Where the next SELECT begins to see \Recent: gives the old mark and moves it to UIDNEXT. In a
 * read transaction (EXAMINE) the mark stays. */
gboolean cache_folder_take_recent(CacheTxn *txn, gint64 id, guint32 *recent_uid, GError **error);

/* ---- by sync: the base --------------------------------------------------------------------- */

/*
 * A folder seen upstream for the first time: in the base and, unless `name` is taken, in the view.
 * All of the base's and the view's fields are taken from `folder` but id, uidvalidity, uidnext and
 * counts, which the cache gives. 0 and `error` on failure.
 */
gint64 cache_folder_add(CacheTxn *txn, const CacheFolder *folder, GError **error);

/*
 * Writes name, role, selectable, pushed, delimiter and every base field of `folder` to the row
 * `folder->id` (name or base_name may become NULL; a row with neither goes, with its placements; but
 * one that has wire_name stays as long as something that has vanished in it may return).
 * EXISTS where another row has the name. A name that was shown with a higher UIDVALIDITY before
 * gives the folder a new one.
 */
gboolean cache_folder_update(CacheTxn *txn, const CacheFolder *folder, GError **error);
