/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STORE and EXPUNGE: what clients do to messages where they are. */
#include "cache/private.h"
#include "cache/set-like.h"

static const char SQL_GET[] =
    "SELECT " PLACEMENT_COLUMNS " FROM placement WHERE folder = ? AND uid = ?";

static gboolean find_live(CacheTxn *txn, gint64 folder, guint32 uid, CachePlacement *placement,
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
        result = cache_keywords_union(txn, *keywords, edit->flags.keywords, error);
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

static gboolean store_one(CacheTxn *txn, gint64 folder, guint32 uid, Edit *edit,
                          guint64 unchanged_since, GArray *done, GArray *modified, GError **error)
{
    CachePlacement old, now;
    gboolean there;
    int state;

    if (!find_live(txn, folder, uid, &old, &state, &there, error))
        return FALSE;
    if (!there)
        return TRUE;
    if (old.modseq > unchanged_since) {
        g_array_append_val(modified, uid);
        return TRUE;
    }
    now = old;
    if (!edit_flags(txn, edit, &now.flags, error) ||
        (!cache_flags_equal(old.flags, now.flags) &&
         (!placement_rewrite(txn, &old, &now, state, error) ||
          (cache_is_set_like(txn) && !label_spread_flags(txn, &old, &now, error)))))
        return FALSE;
    CacheChange change = {uid, now.flags, now.modseq};
    g_array_append_val(done, change);
    return TRUE;
}

gboolean cache_store(CacheTxn *txn, gint64 folder, const guint32 *uids, gsize count,
                     CacheFlagsMode mode, CacheFlags flags, guint64 unchanged_since, GArray *done,
                     GArray *modified, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    guint32 rights = counters_rights(txn, folder);
    Edit edit = {.mode = mode,
                 .flags = flags,
                 .system = cache_rights_system_flags(rights),
                 .keywords = (rights & CACHE_RIGHT_WRITE) != 0};
    for (gsize i = 0; i < count; i++)
        if (!store_one(txn, folder, uids[i], &edit, unchanged_since, done, modified, error))
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

        if (!find_live(txn, folder, uids[i], &placement, &state, &there, error))
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
