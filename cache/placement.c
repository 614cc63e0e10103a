/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Placements: rows of the table `placement`, written so that all that is derived from them stays in
 * step: mod-sequences, expunged UIDs, the folder's counters, notices.
 */
#include "cache/private.h"
#include "cache/set-like.h"
#include "cache/vanished.h"

/* Rows that an iteration holds at a time: the statement is done with before the callback runs, so
 * that it may write. */
#define BATCH 256

#define SELECT "SELECT " PLACEMENT_COLUMNS " FROM placement "

static const char SQL_GET[] = SELECT "WHERE folder = ? AND uid = ?";
static const char SQL_BY_BASE[] = SELECT "WHERE folder = ? AND base_uid = ?";
static const char SQL_EACH[] =
    SELECT "WHERE folder = ?1 AND uid > ?2 AND uid <= ?3 ORDER BY uid LIMIT ?4";
static const char SQL_EACH_BASE[] =
    SELECT "INDEXED BY placement_base WHERE folder = ?1 AND base_uid > ?2 AND base_uid <= ?3 AND "
           "base_uid IS NOT NULL"
           " ORDER BY base_uid LIMIT ?4";
static const char SQL_NEWEST[] =
    SELECT "INDEXED BY placement_base WHERE folder = ? AND base_uid IS NOT NULL"
           " ORDER BY base_uid DESC LIMIT ?";
static const char SQL_EACH_PENDING[] =
    SELECT "INDEXED BY placement_pending WHERE " PLACEMENT_DIFFERS
           " AND folder = ?1 AND uid > ?2 AND uid <= ?3"
           " ORDER BY uid LIMIT ?4";
static const char SQL_EACH_OF[] = SELECT "INDEXED BY placement_message WHERE message = ?1 AND "
                                         "(folder, uid) > (?2, ?3) ORDER BY folder, uid LIMIT ?4";
static const char SQL_PUSHED_FOLDERS[] = "SELECT id FROM folder WHERE pushed ORDER BY id";
static const char SQL_INSERT[] =
    "INSERT INTO placement (" PLACEMENT_COLUMNS
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
static const char SQL_UPDATE[] =
    "UPDATE placement SET alive = ?3, system = ?4, keywords = ?5, modseq = ?6, message = ?7,"
    " state = ?8, size = ?9, date = ?10, zone = ?11, saved = ?12, from_folder = ?13,"
    " from_uid = ?14, base = ?15, base_uid = ?16, base_system = ?17, base_keywords = ?18"
    " WHERE folder = ?1 AND uid = ?2";
/* The indexes over what these leave alone aren't touched. */
static const char SQL_UPDATE_FLAGS[] =
    "UPDATE placement SET system = ?3, keywords = ?4, modseq = ?5, base_system = ?6,"
    " base_keywords = ?7 WHERE folder = ?1 AND uid = ?2";
static const char SQL_UPDATE_SYSTEM[] =
    "UPDATE placement SET system = ?3, modseq = ?4 WHERE folder = ?1 AND uid = ?2";
static const char SQL_UPDATE_BASE_FLAGS[] =
    "UPDATE placement SET base_system = ?3, base_keywords = ?4 WHERE folder = ?1 AND uid = ?2";
static const char SQL_REMOVE[] = "DELETE FROM placement WHERE folder = ? AND uid = ?";
static const char SQL_BURY[] = "INSERT INTO tombstone (folder, modseq, uid) VALUES (?, ?, ?)";
static const char SQL_EXHUME[] =
    "DELETE FROM tombstone WHERE folder = ? AND modseq = ? AND uid = ?";
static const char SQL_ATTEMPTED[] = "SELECT 1 FROM attempt_item WHERE folder = ? AND uid = ?";

/* ---- reading ------------------------------------------------------------------------------ */

void placement_read(DbQuery *query, CachePlacement *placement)
{
    int i = PLACEMENT_COLUMN_STATE + 1;

    placement->folder = db_int(query, 0);
    placement->uid = (guint32)db_int(query, 1);
    placement->alive = db_int(query, 2) != 0;
    placement->flags.system = (guint32)db_int(query, 3);
    placement->flags.keywords = (guint32)db_int(query, 4);
    placement->modseq = (guint64)db_int(query, 5);
    placement->message = db_int(query, 6);
    placement->size = (guint64)db_int(query, i++);
    placement->date = db_int(query, i++);
    placement->zone = (gint16)db_int(query, i++);
    placement->saved = db_int(query, i++);
    placement->from_folder = db_int(query, i++);
    placement->from_uid = (guint32)db_int(query, i++);
    placement->base = (CacheBase)db_int(query, i++);
    placement->base_uid = (guint32)db_int(query, i++);
    placement->base_flags.system = (guint32)db_int(query, i++);
    placement->base_flags.keywords = (guint32)db_int(query, i++);
}

/* Whether the row is there; *state is its message's. */
static gboolean placement_find(CacheTxn *txn, const char *sql, gint64 folder, guint32 uid,
                               CachePlacement *placement, int *state, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, sql, DB_INT(folder), DB_INT(uid));

    if (db_next(&query)) {
        placement_read(&query, placement);
        if (state)
            *state = (int)db_int(&query, PLACEMENT_COLUMN_STATE);
        return TRUE;
    }
    if (db_done(&query, error))
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "There is no such message");
    return FALSE;
}

gboolean cache_placement_get(CacheTxn *txn, gint64 folder, guint32 uid, CachePlacement *placement,
                             GError **error)
{
    return placement_find(txn, SQL_GET, folder, uid, placement, NULL, error);
}

gboolean cache_placement_by_base(CacheTxn *txn, gint64 folder, guint32 base_uid,
                                 CachePlacement *placement, GError **error)
{
    return placement_find(txn, SQL_BY_BASE, folder, base_uid, placement, NULL, error);
}

/* ---- iterating ---------------------------------------------------------------------------- */

typedef struct {
    const char *sql;
    gint64 key;           /* folder or message */
    gint64 after, after2; /* the last row's place */
    gboolean by_base;
    gboolean of_message; /* else `after2` is where it ends */
} Walk;

static guint placement_fill(CacheTxn *txn, Walk *walk, CachePlacement *rows, gboolean *sound,
                            GError **error)
{
    guint count = 0;
    g_auto(DbQuery) query = db_query(txn->db, walk->sql, DB_INT(walk->key), DB_INT(walk->after),
                                     DB_INT(walk->after2), DB_INT(BATCH));

    while (count < BATCH && db_next(&query))
        placement_read(&query, &rows[count++]);
    *sound = db_done(&query, error);
    if (!count)
        return 0;
    const CachePlacement *last = &rows[count - 1];
    if (walk->of_message) {
        walk->after = last->folder;
        walk->after2 = last->uid;
    } else {
        walk->after = walk->by_base ? last->base_uid : last->uid;
    }
    return count;
}

static gboolean walk_rows(CacheTxn *txn, Walk walk, CachePlacementFunc func, gpointer data,
                          gboolean *more, GError **error)
{
    g_autofree CachePlacement *rows = g_new(CachePlacement, BATCH);
    gboolean sound;
    guint count;

    *more = TRUE;
    do {
        count = placement_fill(txn, &walk, rows, &sound, error);
        for (guint i = 0; sound && i < count && *more; i++)
            *more = func(&rows[i], data);
    } while (sound && *more && count == BATCH);
    return sound;
}

gboolean cache_placement_each(CacheTxn *txn, gint64 folder, guint32 first, guint32 last,
                              CachePlacementFunc func, gpointer data, GError **error)
{
    gboolean more;
    Walk walk = {.sql = SQL_EACH, .key = folder, .after = (gint64)first - 1, .after2 = last};
    return walk_rows(txn, walk, func, data, &more, error);
}

gboolean cache_placement_each_base(CacheTxn *txn, gint64 folder, guint32 first, guint32 last,
                                   CachePlacementFunc func, gpointer data, GError **error)
{
    gboolean more;
    Walk walk = {SQL_EACH_BASE, folder, (gint64)first - 1, last, .by_base = TRUE};
    return walk_rows(txn, walk, func, data, &more, error);
}

GArray *cache_placement_newest(CacheTxn *txn, gint64 folder, guint count, GError **error)
{
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    g_auto(DbQuery) query = db_query(txn->db, SQL_NEWEST, DB_INT(folder), DB_INT(count));
    CachePlacement row;

    while (db_next(&query)) {
        placement_read(&query, &row);
        g_array_append_val(rows, row);
    }
    return db_done(&query, error) ? g_steal_pointer(&rows) : NULL;
}

gboolean cache_placement_each_of(CacheTxn *txn, gint64 message, CachePlacementFunc func,
                                 gpointer data, GError **error)
{
    gboolean more;
    Walk walk = {SQL_EACH_OF, message, 0, 0, .of_message = TRUE};
    return walk_rows(txn, walk, func, data, &more, error);
}

static GArray *pushed_folders(CacheTxn *txn, GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_auto(DbQuery) query = db_query(txn->db, SQL_PUSHED_FOLDERS);

    while (db_next(&query)) {
        gint64 id = db_int(&query, 0);
        g_array_append_val(ids, id);
    }
    return db_done(&query, error) ? g_steal_pointer(&ids) : NULL;
}

gboolean cache_placement_each_pending(CacheTxn *txn, gint64 folder, CachePlacementFunc func,
                                      gpointer data, GError **error)
{
    gboolean more = TRUE;
    Walk walk = {.sql = SQL_EACH_PENDING, .key = folder, .after2 = G_MAXUINT32};

    if (folder)
        return walk_rows(txn, walk, func, data, &more, error);
    g_autoptr(GArray) ids = pushed_folders(txn, error);
    for (guint i = 0; ids && i < ids->len && more; i++) {
        walk.key = g_array_index(ids, gint64, i);
        if (!walk_rows(txn, walk, func, data, &more, error))
            return FALSE;
    }
    return ids != NULL;
}

/* ---- what is derived ---------------------------------------------------------------------- */

void placement_count(FolderCounters *folder, const CachePlacement *placement, int state, int sign)
{
    if (!placement->alive)
        return;
    folder->alive += sign;
    folder->unseen += placement->flags.system & CACHE_SEEN ? 0 : sign;
    folder->deleted += placement->flags.system & CACHE_DELETED ? sign : 0;
    folder->missing += state < CACHE_CONTENT_FULL ? sign : 0;
    folder->headless += state == CACHE_CONTENT_NONE ? sign : 0;
    folder->size += sign * (gint64)placement->size;
    folder->dirty = TRUE;
}

static gboolean differs(const CachePlacement *placement)
{
    if (!placement->alive || placement->base == CACHE_BASE_NONE)
        return placement->alive != (placement->base != CACHE_BASE_NONE);
    return !cache_flags_equal(placement->flags, placement->base_flags);
}

gboolean placement_attempted(CacheTxn *txn, gint64 folder, guint32 uid)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_ATTEMPTED, DB_INT(folder), DB_INT(uid));
    return db_next(&query);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* One row on its way into the table. */
typedef struct {
    CachePlacement *now;
    CachePlacement old;
    gboolean had; /* `old` is there */
    int state, old_state;
    gboolean view_changed;
} Change;

static gboolean view_changes(const Change *change)
{
    if (!change->had || change->old.alive != change->now->alive)
        return change->now->alive || change->had;
    return change->now->alive && !cache_flags_equal(change->old.flags, change->now->flags);
}

static gboolean read_old(CacheTxn *txn, Change *change, GError **error)
{
    g_autoptr(GError) failure = NULL;
    CachePlacement *now = change->now;

    if (now->uid) {
        change->had = placement_find(txn, SQL_GET, now->folder, now->uid, &change->old,
                                     &change->old_state, &failure);
        if (failure && !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    if (change->had && change->old.message == now->message) {
        change->state = change->old_state;
        if (change->state == CACHE_CONTENT_FULL)
            now->size = change->old.size;
        return TRUE;
    }
    return message_state(txn, now->message, &change->state, &now->size, error);
}

/* The UID of a new row; one that is given must never have been given before. */
static gboolean take_uid(FolderCounters *folder, CachePlacement *now, GError **error)
{
    gint64 uid = now->uid ? now->uid : folder->uidnext;

    if (uid < folder->uidnext || uid >= G_MAXUINT32) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    uid >= G_MAXUINT32 ? "The folder's UIDs are used up"
                                       : "The UID %u has been used in this folder before",
                    now->uid);
        return FALSE;
    }
    now->uid = (guint32)uid;
    folder->uidnext = uid + 1;
    folder->dirty = TRUE;
    return TRUE;
}

#define ROW_VALUES(p, state)                                                                       \
    DB_INT((p)->folder), DB_INT((p)->uid), DB_INT((p)->alive), DB_INT((p)->flags.system),          \
        DB_INT((p)->flags.keywords), DB_INT((p)->modseq), DB_INT((p)->message), DB_INT(state),     \
        DB_INT((p)->size), DB_INT((p)->date), DB_INT((p)->zone), DB_INT((p)->saved),               \
        DB_INT((p)->from_folder), DB_INT((p)->from_uid), DB_INT((p)->base),                        \
        (p)->base == CACHE_BASE_PRESENT ? DB_INT((p)->base_uid) : DB_NULL,                         \
        DB_INT((p)->base_flags.system), DB_INT((p)->base_flags.keywords)

/* Nothing but flags and mod-sequence changes, as in most writes. */
static gboolean only_flags(const Change *change)
{
    const CachePlacement *a = &change->old, *b = change->now;

    return a->alive == b->alive && a->message == b->message && change->state == change->old_state &&
           a->size == b->size && a->date == b->date && a->zone == b->zone && a->saved == b->saved &&
           a->from_folder == b->from_folder && a->from_uid == b->from_uid && a->base == b->base &&
           (a->base != CACHE_BASE_PRESENT || a->base_uid == b->base_uid);
}

static gboolean write_placement_flags(CacheTxn *txn, const Change *change, GError **error)
{
    const CachePlacement *a = &change->old, *b = change->now;
    gboolean same_base = cache_flags_equal(a->base_flags, b->base_flags);

    if (same_base && a->flags.keywords == b->flags.keywords)
        return (a->flags.system == b->flags.system && a->modseq == b->modseq) ||
               db_run(txn->db, error, SQL_UPDATE_SYSTEM, DB_INT(b->folder), DB_INT(b->uid),
                      DB_INT(b->flags.system), DB_INT(b->modseq));
    if (cache_flags_equal(a->flags, b->flags) && a->modseq == b->modseq)
        return db_run(txn->db, error, SQL_UPDATE_BASE_FLAGS, DB_INT(b->folder), DB_INT(b->uid),
                      DB_INT(b->base_flags.system), DB_INT(b->base_flags.keywords));
    return db_run(txn->db, error, SQL_UPDATE_FLAGS, DB_INT(b->folder), DB_INT(b->uid),
                  DB_INT(b->flags.system), DB_INT(b->flags.keywords), DB_INT(b->modseq),
                  DB_INT(b->base_flags.system), DB_INT(b->base_flags.keywords));
}

static gboolean write_placement_row(CacheTxn *txn, const Change *change, GError **error)
{
    const CachePlacement *now = change->now;

    if (!keywords_keep(txn, now->flags.keywords, error) ||
        !keywords_keep(txn, now->base_flags.keywords, error))
        return FALSE;
    if (!change->had)
        return db_run(txn->db, error, SQL_INSERT, ROW_VALUES(now, change->state));
    if (only_flags(change))
        return write_placement_flags(txn, change, error);
    return db_run(txn->db, error, SQL_UPDATE, ROW_VALUES(now, change->state));
}

/* Expunged UIDs are remembered; the row's mod-sequence says under which, should it come back. */
static gboolean write_tombstone(CacheTxn *txn, const Change *change, GError **error)
{
    const CachePlacement *now = change->now;

    if (!now->alive && (!change->had || change->old.alive))
        return db_run(txn->db, error, SQL_BURY, DB_INT(now->folder), DB_INT(now->modseq),
                      DB_INT(now->uid));
    if (now->alive && change->had && !change->old.alive)
        return db_run(txn->db, error, SQL_EXHUME, DB_INT(now->folder), DB_INT(change->old.modseq),
                      DB_INT(now->uid));
    return TRUE;
}

/* Whether the message is in one folder more, or fewer. */
static gboolean labels_change(const Change *change)
{
    const CachePlacement *now = change->now;

    if (!change->had)
        return now->alive;
    return change->old.alive != now->alive || (now->alive && change->old.message != now->message);
}

/* What may have vanished is in the view again, or upstream. */
static gboolean returns(const Change *change)
{
    return change->had && !change->old.alive && change->old.base == CACHE_BASE_NONE &&
           (change->now->alive || change->now->base != CACHE_BASE_NONE);
}

static gboolean put(CacheTxn *txn, Change *change, GError **error)
{
    CachePlacement *now = change->now;
    FolderCounters *folder = counters_of(txn, now->folder, error);

    if (!folder)
        return FALSE;
    now->alive = now->alive != FALSE;
    change->view_changed = view_changes(change);
    /* A row that is dead from the start uses up a UID all the same. */
    gboolean numbered = change->view_changed || !change->had;
    if (!txn_writes(txn, numbered, error) || (!change->had && !take_uid(folder, now, error)))
        return FALSE;
    now->modseq = numbered ? txn_modseq(txn) : change->old.modseq;
    if (!write_placement_row(txn, change, error) || !write_tombstone(txn, change, error) ||
        (change->view_changed && !uids_note(txn, now->folder, now->uid, now->alive,
                                            (now->flags.system & CACHE_SEEN) != 0, error)))
        return FALSE;

    if (change->had)
        placement_count(folder, &change->old, change->old_state, -1);
    placement_count(folder, now, change->state, 1);
    if (numbered) {
        folder->highestmodseq = (gint64)now->modseq;
        folder->dirty = TRUE;
    }
    if (change->had && change->old.alive && !now->alive && folder->failing &&
        !problem_forget_fetch(txn, now->folder, now->uid, error))
        return FALSE;
    if (returns(change) && !cache_vanished_remove(txn, now->folder, now->uid, error))
        return FALSE;
    if (change->view_changed) {
        folder->view_changed = TRUE;
        txn->pending |= folder->pushed && differs(now);
    }
    return !labels_change(change) || !cache_is_set_like(txn) ||
           set_like_touch(txn, now->message, now->folder, error);
}

gboolean cache_placement_put(CacheTxn *txn, CachePlacement *placement, GError **error)
{
    Change change = {.now = placement};
    return txn_writes(txn, FALSE, error) && read_old(txn, &change, error) &&
           put(txn, &change, error);
}

gboolean placement_rewrite(CacheTxn *txn, const CachePlacement *old, CachePlacement *now, int state,
                           GError **error)
{
    Change change = {.now = now, .old = *old, .had = TRUE, .state = state, .old_state = state};
    return put(txn, &change, error);
}

static gboolean forget(CacheTxn *txn, const CachePlacement *placement, GError **error)
{
    return db_run(txn->db, error, SQL_REMOVE, DB_INT(placement->folder), DB_INT(placement->uid)) &&
           message_collect(txn, placement->message, error);
}

gboolean cache_placement_remove(CacheTxn *txn, gint64 folder, guint32 uid, GError **error)
{
    CachePlacement placement;

    if (!txn_writes(txn, FALSE, error) ||
        !placement_find(txn, SQL_GET, folder, uid, &placement, NULL, error))
        return FALSE;
    if (placement.alive || placement.base != CACHE_BASE_NONE ||
        placement_attempted(txn, folder, uid)) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "The message is still needed: it is here, or upstream, or on its way there");
        return FALSE;
    }
    /* A folder that has gone stays for what may return in it. */
    return forget(txn, &placement, error) &&
           (cache_vanished_any(txn, folder) || folder_drop_if_nameless(txn, folder, error));
}

gboolean placement_kill(CacheTxn *txn, CachePlacement *placement, GError **error)
{
    placement->alive = FALSE;
    if (!cache_placement_put(txn, placement, error))
        return FALSE;
    if (placement->base != CACHE_BASE_NONE ||
        placement_attempted(txn, placement->folder, placement->uid))
        return TRUE;
    return forget(txn, placement, error);
}
