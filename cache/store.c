/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STORE and EXPUNGE: what clients do to messages where they are. */
#include "cache/private.h"
#include "cache/set-like.h"

static const char SQL_GET[] =
    "SELECT " PLACEMENT_COLUMNS " FROM placement WHERE folder = ? AND uid = ?";

static gboolean find_live_row(CacheTxn *txn, gint64 folder, guint32 uid, CachePlacement *placement,
                              int *state, gboolean *there, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_GET, DB_INT(folder), DB_INT(uid));

    *there = db_next(&query);
    if (*there) {
        placement_read(&query, placement);
        *state = (int)db_int(&query, PLACEMENT_COLUMN_STATE);
        *there = placement->alive;
    }
    return db_done(&query, error);
}

/* ---- flags -------------------------------------------------------------------------------- */

typedef struct {
    CacheFlagsMode mode;
    CacheFlags flags;
    guint32 system;             /* the system flags that can be changed, */
    gboolean keywords;          /* and whether keywords can */
    guint32 last_from, last_to; /* keyword sets: most messages have the same */
    gboolean last_known;
} Edit;

static gboolean edit_keywords(CacheTxn *txn, Edit *edit, guint32 *keywords, GError **error)
{
    guint32 result = edit->flags.keywords;

    if (!edit->keywords)
        return TRUE;
    if (edit->last_known && edit->last_from == *keywords) {
        *keywords = edit->last_to;
        return TRUE;
    }
    if (edit->mode == CACHE_FLAGS_ADD)
        result = keywords_add(txn, *keywords, edit->flags.keywords, error);
    else if (edit->mode == CACHE_FLAGS_REMOVE)
        result = cache_keywords_subtract(txn, *keywords, edit->flags.keywords, error);
    if (result == G_MAXUINT32)
        return FALSE;
    edit->last_from = *keywords;
    edit->last_to = *keywords = result;
    edit->last_known = TRUE;
    return TRUE;
}

static gboolean edit_flags(CacheTxn *txn, Edit *edit, CacheFlags *flags, GError **error)
{
    switch (edit->mode) {
    case CACHE_FLAGS_SET:
        flags->system = (flags->system & ~edit->system) | (edit->flags.system & edit->system);
        break;
    case CACHE_FLAGS_ADD:
        flags->system |= edit->flags.system & edit->system;
        break;
    case CACHE_FLAGS_REMOVE:
        flags->system &= ~(edit->flags.system & edit->system);
        break;
    }
    return edit_keywords(txn, edit, &flags->keywords, error);
}

/* A STORE on its way through the messages. */
typedef struct {
    CacheTxn *txn;
    gint64 folder;
    guint64 unchanged_since;
    Edit edit;
    GArray *done, *modified;
} Storing;

static gboolean write_store_flags(Storing *storing, const CachePlacement *old, CachePlacement *row,
                                  int state, GError **error)
{
    CacheTxn *txn = storing->txn;

    return cache_flags_equal(old->flags, row->flags) ||
           (placement_rewrite(txn, old, row, state, error) &&
            (!cache_is_set_like(txn) || label_spread_flags(txn, old, row, error)));
}

static gboolean store_one(Storing *storing, guint32 uid, GError **error)
{
    CachePlacement old, row;
    gboolean there;
    int state;

    if (!find_live_row(storing->txn, storing->folder, uid, &old, &state, &there, error))
        return FALSE;
    if (!there)
        return TRUE;
    if (old.modseq > storing->unchanged_since) {
        g_array_append_val(storing->modified, uid);
        return TRUE;
    }
    row = old;
    if (!edit_flags(storing->txn, &storing->edit, &row.flags, error) ||
        !write_store_flags(storing, &old, &row, state, error))
        return FALSE;
    CacheChange change = {uid, row.flags, row.modseq};
    g_array_append_val(storing->done, change);
    return TRUE;
}

gboolean cache_store(CacheTxn *txn, CacheSelection messages, CacheStore store, GArray *done,
                     GArray *modified, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    guint32 rights = counters_rights(txn, messages.folder);
    Storing storing = {txn,
                       messages.folder,
                       store.unchanged_since,
                       {.mode = store.mode,
                        .flags = store.flags,
                        .system = cache_rights_system_flags(rights),
                        .keywords = (rights & CACHE_RIGHT_WRITE) != 0},
                       done,
                       modified};
    for (gsize i = 0; i < messages.count; i++)
        if (!store_one(&storing, messages.uids[i], error))
            return FALSE;
    return TRUE;
}

/* ---- expunging ---------------------------------------------------------------------------- */

gboolean cache_expunge(CacheTxn *txn, gint64 folder, const guint32 *uids, gsize count,
                       gboolean force, GArray *gone, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    for (gsize i = 0; i < count; i++) {
        CachePlacement placement;
        gboolean there;
        int state;

        if (!find_live_row(txn, folder, uids[i], &placement, &state, &there, error))
            return FALSE;
        if (!there || (!force && !(placement.flags.system & CACHE_DELETED)))
            continue;
        if (!placement_kill(txn, &placement, error))
            return FALSE;
        if (gone)
            g_array_append_val(gone, uids[i]);
    }
    return TRUE;
}
