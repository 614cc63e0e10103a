/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Set-like stores: labels, names, threads. */
#include "cache/label.h"

#include "cache/private.h"

static const char SQL_SIBLINGS[] = "SELECT folder, uid FROM placement INDEXED BY placement_message"
                                   " WHERE message = ?1 AND folder <> ?2 AND alive";
static const char SQL_ROLE[] = "SELECT role FROM folder WHERE id = ?";
static const char SQL_TOUCH[] = "UPDATE placement SET modseq = ?3 WHERE folder = ?1 AND uid = ?2";
static const char SQL_FOLDERS[] =
    "SELECT DISTINCT folder FROM placement INDEXED BY placement_message"
    " WHERE message = ? AND alive ORDER BY folder";
static const char SQL_MESSAGES[] = "SELECT message FROM placement WHERE folder = ? AND alive";
static const char SQL_THREAD[] = "SELECT thread FROM message_thread WHERE message = ?";
static const char SQL_SET_THREAD[] =
    "INSERT OR REPLACE INTO message_thread (message, thread) VALUES (?, ?)";
static const char SQL_OF_THREAD[] = "SELECT message FROM message_thread WHERE thread = ?";
static const char SQL_ALL_NAMELESS[] =
    "INSERT OR IGNORE INTO message_nameless SELECT id FROM message"
    " WHERE id NOT IN (SELECT message FROM message_thread)";
static const char SQL_NONE_NAMELESS[] = "DELETE FROM message_nameless";
static const char SQL_ADD_NAMELESS[] = "INSERT OR IGNORE INTO message_nameless VALUES (?)";
static const char SQL_NAMED[] = "DELETE FROM message_nameless WHERE message = ?";
static const char SQL_FORGET_THREAD[] = "DELETE FROM message_thread WHERE message = ?";
static const char SQL_NAMELESS[] =
    "SELECT n.message, p.folder, p.base_uid FROM message_nameless n"
    " CROSS JOIN placement p INDEXED BY placement_message ON p.message = n.message"
    " WHERE p.base = 2 GROUP BY n.message ORDER BY p.folder, p.base_uid LIMIT ?";

/* ---- whether it is one --------------------------------------------------------------------- */

gboolean cache_is_set_like(CacheTxn *txn)
{
    if (txn->set_like == TXN_SET_LIKE_UNKNOWN) {
        g_autofree char *setting = cache_meta_get(txn, "set-like");
        txn->set_like = g_strcmp0(setting, "1") == 0 ? TXN_SET_LIKE : TXN_NOT_SET_LIKE;
    }
    return txn->set_like == TXN_SET_LIKE;
}

gboolean cache_set_set_like(CacheTxn *txn, gboolean set_like, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           cache_meta_set(txn, "set-like", set_like ? "1" : NULL, error) &&
           db_run(txn->db, error, set_like ? SQL_ALL_NAMELESS : SQL_NONE_NAMELESS);
}

static gboolean is_label(CacheRole role)
{
    return role != CACHE_ROLE_ALL && !cache_role_excludes_labels(role);
}

gboolean cache_folder_is_label(const CacheFolder *folder)
{
    return is_label(folder->role);
}

static CacheRole role_of(CacheTxn *txn, gint64 folder)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_ROLE, DB_INT(folder));
    return db_next(&query) ? (CacheRole)db_int(&query, 0) : CACHE_ROLE_NONE;
}

/* ---- where a message is -------------------------------------------------------------------- */

static GArray *read_numbers(DbQuery *query, GError **error)
{
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(gint64));

    while (db_next(query)) {
        gint64 number = db_int(query, 0);
        g_array_append_val(numbers, number);
    }
    return db_done(query, error) ? g_steal_pointer(&numbers) : NULL;
}

GArray *cache_message_folders(CacheTxn *txn, gint64 message, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_FOLDERS, DB_INT(message));
    return read_numbers(&query, error);
}

GArray *cache_folder_messages(CacheTxn *txn, gint64 folder, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_MESSAGES, DB_INT(folder));
    return read_numbers(&query, error);
}

/* A live placement, no more than is needed to find it. */
typedef struct {
    gint64 folder;
    guint32 uid;
} Place;

static GArray *siblings(CacheTxn *txn, gint64 message, gint64 folder, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(Place));
    g_auto(DbQuery) query = db_query(txn->db, SQL_SIBLINGS, DB_INT(message), DB_INT(folder));

    while (db_next(&query)) {
        Place place = {db_int(&query, 0), (guint32)db_int(&query, 1)};
        g_array_append_val(places, place);
    }
    return db_done(&query, error) ? g_steal_pointer(&places) : NULL;
}

gboolean label_touch(CacheTxn *txn, gint64 message, gint64 folder, GError **error)
{
    if (!is_label(role_of(txn, folder)))
        return TRUE;
    g_autoptr(GArray) places = siblings(txn, message, folder, error);

    for (guint i = 0; places && i < places->len; i++) {
        const Place *place = &g_array_index(places, Place, i);
        TxnFolder *other = txn_folder(txn, place->folder, error);
        guint64 modseq = txn_modseq(txn);
        if (!other || !db_run(txn->db, error, SQL_TOUCH, DB_INT(place->folder), DB_INT(place->uid),
                              DB_INT(modseq)))
            return FALSE;
        other->highestmodseq = (gint64)modseq;
        other->dirty = other->view_changed = TRUE;
    }
    return places != NULL;
}

gboolean label_touch_all(CacheTxn *txn, gint64 folder, GError **error)
{
    if (!cache_is_set_like(txn))
        return TRUE;
    g_autoptr(GArray) messages = cache_folder_messages(txn, folder, error);
    for (guint i = 0; messages && i < messages->len; i++)
        if (!label_touch(txn, g_array_index(messages, gint64, i), folder, error))
            return FALSE;
    return messages != NULL;
}

/* ---- flags are the message's --------------------------------------------------------------- */

typedef struct {
    CacheFlags from, to;
} FlagChange;

static gboolean change_flags(CacheTxn *txn, const FlagChange *change, CacheFlags *flags,
                             GError **error)
{
    const guint32 shared = ~(guint32)CACHE_DELETED;
    guint32 added = change->to.system & ~change->from.system & shared;
    guint32 removed = change->from.system & ~change->to.system & shared;

    flags->system = (flags->system | added) & ~removed;
    if (change->from.keywords == change->to.keywords)
        return TRUE;
    if (flags->keywords == change->from.keywords) {
        flags->keywords = change->to.keywords;
        return TRUE;
    }
    guint32 gone = cache_keywords_subtract(txn, change->from.keywords, change->to.keywords, error);
    guint32 left =
        gone == G_MAXUINT32 ? gone : cache_keywords_subtract(txn, flags->keywords, gone, error);
    flags->keywords =
        left == G_MAXUINT32 ? left : cache_keywords_union(txn, left, change->to.keywords, error);
    return flags->keywords != G_MAXUINT32;
}

gboolean label_spread_flags(CacheTxn *txn, const CachePlacement *then, const CachePlacement *now,
                            GError **error)
{
    FlagChange change = {then->flags, now->flags};
    g_autoptr(GArray) places = siblings(txn, now->message, now->folder, error);

    for (guint i = 0; places && i < places->len; i++) {
        const Place *place = &g_array_index(places, Place, i);
        CachePlacement row;
        if (!cache_placement_get(txn, place->folder, place->uid, &row, error) ||
            !change_flags(txn, &change, &row.flags, error) ||
            !cache_placement_put(txn, &row, error))
            return FALSE;
    }
    return places != NULL;
}

/* ---- changing labels ----------------------------------------------------------------------- */

/* One message while its labels are changed. */
typedef struct {
    CacheTxn *txn;
    CachePlacement row; /* where the client sees it */
    GArray *rows;       /* CachePlacement: all live ones */
    gboolean changed, gone;
} Labelling;

static gboolean collect_live(const CachePlacement *row, gpointer data)
{
    if (row->alive)
        g_array_append_val((GArray *)data, *row);
    return TRUE;
}

static gboolean leave(Labelling *labelling, gint64 folder, GError **error)
{
    for (guint i = 0; i < labelling->rows->len; i++) {
        CachePlacement *row = &g_array_index(labelling->rows, CachePlacement, i);
        if (row->folder != folder || !row->alive)
            continue;
        labelling->changed = TRUE;
        labelling->gone |= folder == labelling->row.folder;
        if (!placement_kill(labelling->txn, row, error))
            return FALSE;
    }
    return TRUE;
}

/* To spam and trash, and from there, a message is moved. */
static gboolean enter(Labelling *labelling, gint64 folder, GError **error)
{
    gboolean move = cache_role_excludes_labels(role_of(labelling->txn, folder)) ||
                    cache_role_excludes_labels(role_of(labelling->txn, labelling->row.folder));
    guint32 uid;

    for (guint i = 0; i < labelling->rows->len; i++)
        if (g_array_index(labelling->rows, CachePlacement, i).folder == folder)
            return TRUE;
    labelling->changed = TRUE;
    return copy_put(labelling->txn, &labelling->row, folder, move, &uid, error) &&
           (!move || leave(labelling, labelling->row.folder, error));
}

/* What is set by name stays, and what isn't one; the rest goes. */
static gboolean leave_others(Labelling *labelling, const GArray *labels, GError **error)
{
    for (guint i = 0; i < labelling->rows->len; i++) {
        gint64 folder = g_array_index(labelling->rows, CachePlacement, i).folder;
        if (folder == labelling->row.folder || holds_number(labels, folder))
            continue;
        if (is_label(role_of(labelling->txn, folder)) && !leave(labelling, folder, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean change_labels(Labelling *labelling, CacheFlagsMode mode, const GArray *labels,
                              GError **error)
{
    for (guint i = 0; i < labels->len; i++) {
        gint64 folder = g_array_index(labels, gint64, i);
        if (!(mode == CACHE_FLAGS_REMOVE ? leave(labelling, folder, error)
                                         : enter(labelling, folder, error)))
            return FALSE;
    }
    return mode != CACHE_FLAGS_SET || leave_others(labelling, labels, error);
}

static gboolean label_one(CacheTxn *txn, gint64 folder, guint32 uid, CacheFlagsMode mode,
                          const GArray *labels, guint64 unchanged_since, GArray *done,
                          GArray *modified, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    Labelling labelling = {.txn = txn, .rows = rows};

    if (!cache_placement_get(txn, folder, uid, &labelling.row, &failure) &&
        !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (failure || !labelling.row.alive)
        return TRUE;
    if (labelling.row.modseq > unchanged_since) {
        g_array_append_val(modified, uid);
        return TRUE;
    }
    if (!cache_placement_each_of(txn, labelling.row.message, collect_live, rows, error) ||
        !change_labels(&labelling, mode, labels, error))
        return FALSE;
    CacheLabelled result = {uid, labelling.row.message,
                            labelling.changed ? txn_modseq(txn) : labelling.row.modseq,
                            labelling.gone};
    g_array_append_val(done, result);
    return TRUE;
}

gboolean cache_label(CacheTxn *txn, gint64 folder, const guint32 *uids, gsize count,
                     CacheFlagsMode mode, const GArray *labels, guint64 unchanged_since,
                     GArray *done, GArray *modified, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    for (gsize i = 0; i < count; i++)
        if (!label_one(txn, folder, uids[i], mode, labels, unchanged_since, done, modified, error))
            return FALSE;
    return TRUE;
}

/* ---- names and threads --------------------------------------------------------------------- */

guint64 cache_message_thread(CacheTxn *txn, gint64 message)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_THREAD, DB_INT(message));
    return db_next(&query) ? (guint64)db_int(&query, 0) : 0;
}

gboolean cache_message_set_thread(CacheTxn *txn, gint64 message, guint64 thread, GError **error)
{
    return txn_writes(txn, FALSE, error) &&
           db_run(txn->db, error, SQL_SET_THREAD, DB_INT(message), DB_INT(thread));
}

GArray *cache_thread_messages(CacheTxn *txn, guint64 thread, GError **error)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_OF_THREAD, DB_INT(thread));
    return read_numbers(&query, error);
}

gboolean label_nameless(CacheTxn *txn, gint64 message, GError **error)
{
    return !cache_is_set_like(txn) || db_run(txn->db, error, SQL_ADD_NAMELESS, DB_INT(message));
}

gboolean label_forget(CacheTxn *txn, gint64 message, GError **error)
{
    return db_run(txn->db, error, SQL_NAMED, DB_INT(message)) &&
           db_run(txn->db, error, SQL_FORGET_THREAD, DB_INT(message));
}

GArray *cache_messages_nameless(CacheTxn *txn, guint limit, GError **error)
{
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(CacheNameless));
    g_auto(DbQuery) query = db_query(txn->db, SQL_NAMELESS, DB_INT(limit));

    while (db_next(&query)) {
        CacheNameless nameless = {db_int(&query, 0), db_int(&query, 1), (guint32)db_int(&query, 2)};
        g_array_append_val(messages, nameless);
    }
    return db_done(&query, error) ? g_steal_pointer(&messages) : NULL;
}

static gboolean collect(const CachePlacement *row, gpointer data)
{
    g_array_append_val((GArray *)data, *row);
    return TRUE;
}

/* A live row, rather one that is upstream; NULL: there is none. */
static const CachePlacement *find_live(const GArray *rows)
{
    const CachePlacement *found = NULL;

    for (guint i = 0; i < rows->len; i++) {
        const CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        if (row->alive && (!found || row->base != CACHE_BASE_NONE))
            found = row;
    }
    return found;
}

/* The flags of what was two messages: the one's, and what was changed of the other's. */
static gboolean join_flags(CacheTxn *txn, const GArray *one, const GArray *other, CacheFlags *flags,
                           GError **error)
{
    const CachePlacement *row = find_live(one), *changed = find_live(other);

    *flags = row ? row->flags : changed ? changed->flags : (CacheFlags){0};
    if (!row || !changed)
        return TRUE;
    FlagChange change = {changed->base == CACHE_BASE_NONE ? (CacheFlags){0} : changed->base_flags,
                         changed->flags};
    return change_flags(txn, &change, flags, error);
}

static gboolean put_all(CacheTxn *txn, GArray *rows, gint64 message, CacheFlags flags,
                        GError **error)
{
    for (guint i = 0; i < rows->len; i++) {
        CachePlacement *row = &g_array_index(rows, CachePlacement, i);
        guint32 deleted = row->flags.system & CACHE_DELETED;
        row->message = message;
        row->flags = flags;
        row->flags.system = (flags.system & ~(guint32)CACHE_DELETED) | deleted;
        if (!cache_placement_put(txn, row, error))
            return FALSE;
    }
    return TRUE;
}

/* Two messages turn out to be one. */
static gboolean join(CacheTxn *txn, gint64 younger, gint64 older, GError **error)
{
    g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(CachePlacement));
    CacheFlags flags;

    return cache_placement_each_of(txn, younger, collect, from, error) &&
           cache_placement_each_of(txn, older, collect, to, error) &&
           join_flags(txn, from, to, &flags, error) && put_all(txn, from, older, flags, error) &&
           put_all(txn, to, older, flags, error) && message_collect(txn, younger, error);
}

gboolean cache_message_name(CacheTxn *txn, gint64 message, const char *remote_id, guint64 thread,
                            GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    gint64 other = cache_message_by_remote_id(txn, remote_id, &failure);
    if (failure) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    gint64 stays = other && other < message ? other : message;
    if (other && other != message && !join(txn, MAX(other, message), stays, error))
        return FALSE;
    return cache_message_set_remote_id(txn, stays, remote_id, error) &&
           cache_message_set_thread(txn, stays, thread, error) &&
           db_run(txn->db, error, SQL_NAMED, DB_INT(stays));
}

gboolean cache_message_unname(CacheTxn *txn, gint64 message, GError **error)
{
    return cache_message_set_remote_id(txn, message, NULL, error) &&
           label_nameless(txn, message, error);
}
