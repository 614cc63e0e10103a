/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folders: rows of the table `folder`, and what clients do to the tree of names. */
#include "cache/private.h"

#include "cache/floor.h"

#include <string.h>

#define LEVELS_MAX 64

/* As they were in version 5 of the schema; what came in 6, and in 11. */
#define COLUMNS_5                                                                                  \
    "id, name, delimiter, role, selectable, pushed, uidvalidity, uidnext, recent_uid,"             \
    " highestmodseq, modseq_floor, alive, unseen, deleted, missing, size, base_name, wire_name,"   \
    " remote_id, base_selectable, base_uidvalidity, base_uidnext, base_highestmodseq, flag_mask,"  \
    " keyword_mask, synced"
#define COLUMNS_6  ", rights"
#define COLUMNS_11 ", headless, failing, unread, unreadable"
#define COLUMNS    COLUMNS_5 COLUMNS_6 COLUMNS_11

static const char SQL_GET[] = "SELECT " COLUMNS " FROM folder WHERE id = ?";
static const char SQL_FIND[] = "SELECT " COLUMNS " FROM folder WHERE name = ?";
static const char SQL_FIND_BASE[] = "SELECT " COLUMNS " FROM folder WHERE base_name = ?";
static const char SQL_ROLE[] =
    "SELECT " COLUMNS " FROM folder WHERE role = ? AND name IS NOT NULL ORDER BY id LIMIT 1";
static const char SQL_LIST[] =
    "SELECT " COLUMNS " FROM folder ORDER BY coalesce(name, base_name), id";
static const char SQL_LIST_10[] =
    "SELECT " COLUMNS_5 COLUMNS_6 ", 0, 0, 0, 0 FROM folder ORDER BY coalesce(name, base_name), id";
static const char SQL_LIST_5[] =
    "SELECT " COLUMNS_5 ", 0, 0, 0, 0, 0 FROM folder ORDER BY coalesce(name, base_name), id";
static const char SQL_BELOW[] = "SELECT id, name FROM folder WHERE name > ?1 AND name < ?2";
static const char SQL_HAS_BELOW[] =
    "SELECT EXISTS (SELECT 1 FROM folder WHERE name > ?1 AND name < ?2)";
static const char *const SQL_DELIMITER[] = {
    "SELECT delimiter FROM folder WHERE delimiter <> 0 LIMIT 1",
    "SELECT delimiter FROM folder LIMIT 1"};
static const char SQL_INSERT[] =
    "INSERT INTO folder (name, delimiter, role, selectable, pushed, uidvalidity, uidnext,"
    " recent_uid, highestmodseq, modseq_floor, base_name, wire_name, remote_id, base_selectable,"
    " base_uidvalidity, base_uidnext, base_highestmodseq, flag_mask, keyword_mask, synced,"
    " rights) VALUES (?, ?, ?, ?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_UPDATE[] =
    "UPDATE folder SET name = ?2, delimiter = ?3, role = ?4, selectable = ?5, pushed = ?6,"
    " base_name = ?7, wire_name = ?8, remote_id = ?9, base_selectable = ?10,"
    " base_uidvalidity = ?11, base_uidnext = ?12, base_highestmodseq = ?13, flag_mask = ?14,"
    " keyword_mask = ?15, synced = ?16, rights = ?17 WHERE id = ?1";
static const char SQL_SET_UIDVALIDITY[] = "UPDATE folder SET uidvalidity = ?2 WHERE id = ?1";
static const char SQL_SET_RECENT[] = "UPDATE folder SET recent_uid = uidnext WHERE id = ?";
static const char SQL_RESTORE_RECENT[] = "UPDATE folder SET recent_uid = ?2 WHERE id = ?1";
static const char SQL_DELETE[] = "DELETE FROM folder WHERE id = ?";
static const char SQL_RETIRE[] =
    "INSERT INTO retired (name, uidvalidity) VALUES (?1, ?2) ON CONFLICT (name)"
    " DO UPDATE SET uidvalidity = max(uidvalidity, ?2)";
static const char SQL_RETIRED[] = "SELECT uidvalidity FROM retired WHERE name = ?";
static const char SQL_KILL_ALL[] =
    "UPDATE placement SET alive = 0, modseq = ?2 WHERE folder = ?1 AND alive";
static const char SQL_NEEDLESS[] =
    "SELECT uid, message FROM placement WHERE folder = ?1 AND NOT alive AND (?2 OR base = 0)"
    " AND NOT (?3 AND EXISTS (SELECT 1 FROM vanished v WHERE v.folder = placement.folder"
    " AND v.uid = placement.uid))"
    " AND NOT EXISTS (SELECT 1 FROM attempt_item i WHERE i.folder = placement.folder"
    " AND i.uid = placement.uid)";
static const char SQL_FORGET[] = "DELETE FROM placement WHERE folder = ? AND uid = ?";
static const char SQL_FORGET_TOMBSTONES[] = "DELETE FROM tombstone WHERE folder = ?";
static const char SQL_RAISE_FLOOR[] = "UPDATE folder SET modseq_floor = ?2 WHERE id = ?1";
static const char SQL_NEEDED[] =
    "SELECT EXISTS (SELECT 1 FROM placement WHERE folder = ?1)"
    " OR EXISTS (SELECT 1 FROM attempt WHERE source = ?1 OR target = ?1)";

/* ---- reading ------------------------------------------------------------------------------ */

void cache_folder_free(CacheFolder *folder)
{
    if (!folder)
        return;
    g_free(folder->name);
    g_free(folder->base_name);
    g_free(folder->wire_name);
    g_free(folder->remote_id);
    g_free(folder);
}

static CacheFolder *read_folder_row(DbQuery *query)
{
    CacheFolder *folder = g_new0(CacheFolder, 1);
    int i = 0;

    folder->id = db_int(query, i++);
    folder->name = g_strdup(db_column_text(query, i++));
    folder->delimiter = (char)db_int(query, i++);
    folder->role = (CacheRole)db_int(query, i++);
    folder->selectable = db_int(query, i++) != 0;
    folder->pushed = db_int(query, i++) != 0;
    folder->uidvalidity = (guint32)db_int(query, i++);
    folder->uidnext = (guint32)db_int(query, i++);
    folder->recent_uid = (guint32)db_int(query, i++);
    folder->highestmodseq = (guint64)db_int(query, i++);
    folder->modseq_floor = (guint64)db_int(query, i++);
    folder->exists = (guint32)db_int(query, i++);
    folder->unseen = (guint32)db_int(query, i++);
    folder->deleted = (guint32)db_int(query, i++);
    folder->missing = (guint32)db_int(query, i++);
    folder->size = (guint64)db_int(query, i++);
    folder->base_name = g_strdup(db_column_text(query, i++));
    folder->wire_name = g_strdup(db_column_text(query, i++));
    folder->remote_id = g_strdup(db_column_text(query, i++));
    folder->base_selectable = db_int(query, i++) != 0;
    folder->base_uidvalidity = (guint32)db_int(query, i++);
    folder->base_uidnext = (guint32)db_int(query, i++);
    folder->base_highestmodseq = (guint64)db_int(query, i++);
    folder->flag_mask = (guint32)db_int(query, i++);
    folder->keyword_mask = db_int(query, i++) != 0;
    folder->synced = db_int(query, i++);
    folder->rights = (guint32)db_int(query, i++);
    folder->headless = (guint32)db_int(query, i++);
    folder->failing = (guint32)db_int(query, i++);
    folder->unread = (guint32)db_int(query, i++);
    folder->unreadable = (guint32)db_int(query, i++);
    return folder;
}

gboolean folder_read_rows(Db *db, int version, GPtrArray *list, GError **error)
{
    const char *sql = version >= 11 ? SQL_LIST : version >= 6 ? SQL_LIST_10 : SQL_LIST_5;
    g_auto(DbQuery) query = db_query(db, sql);
    while (db_next(&query))
        g_ptr_array_add(list, read_folder_row(&query));
    return db_done(&query, error);
}

/* The one row of a query; NULL without error where there is none. */
static CacheFolder *read_one(CacheTxn *txn, const char *sql, DbValue key, GError **error)
{
    if (!counters_flush(txn, error))
        return NULL;
    g_auto(DbQuery) query = db_query(txn->db, sql, key);
    CacheFolder *folder = db_next(&query) ? read_folder_row(&query) : NULL;
    db_done(&query, error);
    return folder;
}

static CacheFolder *read_named(CacheTxn *txn, const char *sql, DbValue key, const char *name,
                               GError **error)
{
    g_autoptr(GError) failure = NULL;
    CacheFolder *folder = read_one(txn, sql, key, &failure);

    if (!folder && !failure)
        g_set_error(&failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "There is no folder %s", name);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return folder;
}

/* RFC 3501, 5.1: INBOX in any case is INBOX. */
static const char *inbox_folded(const char *name)
{
    return g_ascii_strcasecmp(name, "INBOX") == 0 ? "INBOX" : name;
}

CacheFolder *cache_folder_get(CacheTxn *txn, gint64 id, GError **error)
{
    char number[24];

    g_snprintf(number, sizeof number, "number %" G_GINT64_FORMAT, id);
    return read_named(txn, SQL_GET, DB_INT(id), number, error);
}

/* What is below INBOX may be named with that in any case, too. */
static CacheFolder *find_below_inbox(CacheTxn *txn, const char *name)
{
    const gsize length = strlen("INBOX");
    if (g_ascii_strncasecmp(name, "INBOX", length) != 0 || !name[length])
        return NULL;
    g_autofree char *folded = g_strconcat("INBOX", name + length, NULL);
    g_autoptr(CacheFolder) folder = read_one(txn, SQL_FIND, DB_TEXT(folded), NULL);
    return folder && folder->delimiter == name[length] ? g_steal_pointer(&folder) : NULL;
}

CacheFolder *cache_folder_find(CacheTxn *txn, const char *name, GError **error)
{
    g_autoptr(GError) failure = NULL;
    CacheFolder *folder = read_named(txn, SQL_FIND, DB_TEXT(inbox_folded(name)), name, &failure);
    if (g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        folder = find_below_inbox(txn, name);
    if (!folder)
        g_propagate_error(error, g_steal_pointer(&failure));
    return folder;
}

CacheFolder *cache_folder_find_base(CacheTxn *txn, const char *base_name, GError **error)
{
    return read_named(txn, SQL_FIND_BASE, DB_TEXT(inbox_folded(base_name)), base_name, error);
}

CacheFolder *cache_folder_with_role(CacheTxn *txn, CacheRole role)
{
    return read_one(txn, SQL_ROLE, DB_INT(role), NULL);
}

GPtrArray *cache_folder_list(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_folder_free);

    if (!counters_flush(txn, error) || !folder_read_rows(txn->db, G_MAXINT, list, error))
        return NULL;
    return g_steal_pointer(&list);
}

gboolean cache_folder_take_recent(CacheTxn *txn, gint64 id, guint32 *recent_uid, GError **error)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, id, error);

    if (!folder)
        return FALSE;
    *recent_uid = folder->recent_uid;
    return txn->mode == CACHE_READ || folder->recent_uid == folder->uidnext ||
           db_run(txn->db, error, SQL_SET_RECENT, DB_INT(id));
}

/* ---- names -------------------------------------------------------------------------------- */

static gboolean name_invalid(const char *name, const char *why, GError **error)
{
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "The folder name %s %s", name, why);
    return FALSE;
}

static gboolean check_name(const char *name, char delimiter, GError **error)
{
    guint levels = 1;

    if (!*name || strlen(name) > CACHE_FOLDER_NAME)
        return name_invalid("asked for", *name ? "is too long" : "is empty", error);
    if (!g_utf8_validate(name, -1, NULL))
        return name_invalid("asked for", "is not UTF-8", error);
    for (const char *c = name; *c; c++) {
        if ((guchar)*c < ' ' || *c == 0x7f)
            return name_invalid("asked for", "has control characters in it", error);
        if (!delimiter || *c != delimiter)
            continue;
        levels++;
        if (c == name || !c[1] || c[1] == delimiter)
            return name_invalid(name, "has an empty level", error);
    }
    return levels <= LEVELS_MAX || name_invalid(name, "has too many levels", error);
}

/* The name's last UIDVALIDITY, from folders that had it before; 0: none. */
static guint32 retired_uidvalidity(CacheTxn *txn, const char *name)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_RETIRED, DB_TEXT(name));
    return db_next(&query) ? (guint32)db_int(&query, 0) : 0;
}

static guint32 new_uidvalidity(CacheTxn *txn, GError **error)
{
    return floor_next(txn->cache->floor, g_get_real_time() / G_USEC_PER_SEC, error);
}

static gboolean renew_uidvalidity(CacheTxn *txn, gint64 id, GError **error)
{
    guint32 value = new_uidvalidity(txn, error);
    return value && db_run(txn->db, error, SQL_SET_UIDVALIDITY, DB_INT(id), DB_INT(value));
}

gboolean folders_renew(CacheTxn *txn, GError **error)
{
    g_autoptr(GPtrArray) all = cache_folder_list(txn, error);

    for (guint i = 0; all && i < all->len; i++)
        if (!renew_uidvalidity(txn, ((CacheFolder *)all->pdata[i])->id, error))
            return FALSE;
    return all != NULL;
}

gboolean folder_retire_name(CacheTxn *txn, const char *name, guint32 uidvalidity, GError **error)
{
    return db_run(txn->db, error, SQL_RETIRE, DB_TEXT(name), DB_INT(uidvalidity));
}

/* A folder leaves a name: whichever has it next must show a higher UIDVALIDITY. */
static gboolean retire_name(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    return !folder->name || folder_retire_name(txn, folder->name, folder->uidvalidity, error);
}

/* Gives the row its new name (NULL: none), and UIDVALIDITY where the name asks for one. Values are
 * unique, so an equal one is this folder's own, which comes back. */
static gboolean take_name(CacheTxn *txn, const CacheFolder *old, const char *name, GError **error)
{
    if (g_strcmp0(old->name, name) == 0)
        return TRUE;
    txn->list_changed = TRUE;
    if (!retire_name(txn, old, error))
        return FALSE;
    return !name || retired_uidvalidity(txn, name) <= old->uidvalidity ||
           renew_uidvalidity(txn, old->id, error);
}

/* ---- writing rows ------------------------------------------------------------------------- */

static gboolean update_row(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    return db_run(txn->db, error, SQL_UPDATE, DB_INT(folder->id), DB_TEXT(folder->name),
                  DB_INT(folder->delimiter), DB_INT(folder->role), DB_INT(folder->selectable),
                  DB_INT(folder->pushed), DB_TEXT(folder->base_name), DB_TEXT(folder->wire_name),
                  DB_TEXT(folder->remote_id), DB_INT(folder->base_selectable),
                  DB_INT(folder->base_uidvalidity), DB_INT(folder->base_uidnext),
                  DB_INT(folder->base_highestmodseq), DB_INT(folder->flag_mask),
                  DB_INT(folder->keyword_mask), DB_INT(folder->synced), DB_INT(folder->rights));
}

static gint64 insert_row(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    guint32 uidvalidity = new_uidvalidity(txn, error);
    gint64 modseq = (gint64)txn_modseq(txn);

    if (!uidvalidity ||
        !db_run(txn->db, error, SQL_INSERT, DB_TEXT(folder->name), DB_INT(folder->delimiter),
                DB_INT(folder->role), DB_INT(folder->selectable), DB_INT(folder->pushed),
                DB_INT(uidvalidity), DB_INT(modseq), DB_INT(0), DB_TEXT(folder->base_name),
                DB_TEXT(folder->wire_name), DB_TEXT(folder->remote_id),
                DB_INT(folder->base_selectable), DB_INT(folder->base_uidvalidity),
                DB_INT(folder->base_uidnext), DB_INT(folder->base_highestmodseq),
                DB_INT(folder->flag_mask), DB_INT(folder->keyword_mask), DB_INT(folder->synced),
                DB_INT(folder->rights)))
        return 0;
    txn->list_changed = TRUE;
    return sqlite3_last_insert_rowid(txn->db->handle);
}

gint64 folder_restore(CacheTxn *txn, const CacheFolder *folder, gboolean keep, GError **error)
{
    gint64 id = insert_row(txn, folder, error);

    if (!id || !keep)
        return id;
    if (!db_run(txn->db, error, SQL_SET_UIDVALIDITY, DB_INT(id), DB_INT(folder->uidvalidity)))
        return 0;
    floor_raise(txn->cache->floor, folder->uidvalidity);
    return id;
}

gboolean folder_restored(CacheTxn *txn, gint64 id, guint32 uidnext, guint32 recent_uid,
                         gboolean renew, GError **error)
{
    FolderCounters *folder = counters_of(txn, id, error);

    if (!folder)
        return FALSE;
    folder->uidnext = MAX(folder->uidnext, uidnext);
    folder->dirty = TRUE;
    return counters_flush(txn, error) &&
           db_run(txn->db, error, SQL_RAISE_FLOOR, DB_INT(id), DB_INT(folder->highestmodseq)) &&
           db_run(txn->db, error, SQL_RESTORE_RECENT, DB_INT(id), DB_INT(recent_uid)) &&
           (!renew || renew_uidvalidity(txn, id, error));
}

static gboolean name_taken(CacheTxn *txn, const char *sql, const char *name, gint64 but)
{
    g_autoptr(CacheFolder) other = name ? read_one(txn, sql, DB_TEXT(name), NULL) : NULL;
    return other && other->id != but;
}

static gboolean exists_error(const char *name, GError **error)
{
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_EXISTS, "There is a folder %s already", name);
    return FALSE;
}

/* Which dead rows of a folder go with it. */
typedef struct {
    gboolean bases;    /* also those that upstream has */
    gboolean vanished; /* also those that may return */
} Dropped;

/* Dead rows that nothing needs. */
static gboolean drop_placements(CacheTxn *txn, gint64 folder, Dropped which, GError **error)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    {
        g_auto(DbQuery) query = db_query(txn->db, SQL_NEEDLESS, DB_INT(folder), DB_INT(which.bases),
                                         DB_INT(!which.vanished));
        while (db_next(&query)) {
            gint64 uid = db_int(&query, 0), message = db_int(&query, 1);
            g_array_append_val(uids, uid);
            g_array_append_val(messages, message);
        }
        if (!db_done(&query, error))
            return FALSE;
    }
    for (guint i = 0; i < uids->len; i++)
        if (!db_run(txn->db, error, SQL_FORGET, DB_INT(folder),
                    DB_INT(g_array_index(uids, gint64, i))) ||
            !message_collect(txn, g_array_index(messages, gint64, i), error))
            return FALSE;
    return TRUE;
}

/* Takes all messages from the view. No expunged UIDs are kept: the folder can't be selected. */
static gboolean kill_placements(CacheTxn *txn, gint64 id, Dropped which, GError **error)
{
    if (!set_like_touch_all(txn, id, error))
        return FALSE;
    FolderCounters *folder = counters_of(txn, id, error);
    if (!folder || !db_run(txn->db, error, SQL_KILL_ALL, DB_INT(id), DB_INT(txn_modseq(txn))) ||
        !uids_clear(txn, id, error) || !problem_forget_fetches(txn, id, error) ||
        !db_run(txn->db, error, SQL_FORGET_TOMBSTONES, DB_INT(id)) ||
        !db_run(txn->db, error, SQL_RAISE_FLOOR, DB_INT(id), DB_INT(txn_modseq(txn))))
        return FALSE;
    folder->alive = folder->unseen = folder->deleted = folder->size = 0;
    folder->missing = folder->headless = folder->failing = 0;
    folder->highestmodseq = (gint64)txn_modseq(txn);
    folder->dirty = folder->view_changed = TRUE;
    return drop_placements(txn, id, which, error);
}

static gboolean row_needed(CacheTxn *txn, gint64 id)
{
    g_auto(DbQuery) query = db_query(txn->db, SQL_NEEDED, DB_INT(id));
    return db_next(&query) && db_int(&query, 0);
}

/* A row without names goes, unless an open attempt is still about it, or it may return with what has
 * vanished in it: then what upstream called it is still there. */
static gboolean drop_nameless(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    const Dropped which = {.bases = TRUE, .vanished = !folder->wire_name};

    if (!kill_placements(txn, folder->id, which, error))
        return FALSE;
    if (row_needed(txn, folder->id))
        return TRUE;
    counters_forget(txn, folder->id);
    return db_run(txn->db, error, SQL_DELETE, DB_INT(folder->id));
}

gboolean folder_drop_if_nameless(CacheTxn *txn, gint64 id, GError **error)
{
    g_autoptr(CacheFolder) folder = read_one(txn, SQL_GET, DB_INT(id), NULL);

    return !folder || folder->name || folder->base_name || drop_nameless(txn, folder, error);
}

/* ---- by sync ------------------------------------------------------------------------------ */

gint64 cache_folder_add(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    CacheFolder row = *folder;

    if (!txn_writes(txn, TRUE, error) || !counters_flush(txn, error))
        return 0;
    row.name = folder->name ? (char *)inbox_folded(folder->name) : NULL;
    row.base_name = folder->base_name ? (char *)inbox_folded(folder->base_name) : NULL;
    if (name_taken(txn, SQL_FIND_BASE, row.base_name, 0)) {
        exists_error(row.base_name, error);
        return 0;
    }
    if (name_taken(txn, SQL_FIND, row.name, 0))
        row.name = NULL;
    return insert_row(txn, &row, error);
}

gboolean cache_folder_update(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    CacheFolder row = *folder;

    if (!txn_writes(txn, FALSE, error))
        return FALSE;
    g_autoptr(CacheFolder) old = cache_folder_get(txn, folder->id, error);
    if (!old)
        return FALSE;
    row.name = folder->name ? (char *)inbox_folded(folder->name) : NULL;
    row.base_name = folder->base_name ? (char *)inbox_folded(folder->base_name) : NULL;
    if (g_strcmp0(old->name, row.name) != 0 && !txn_writes(txn, TRUE, error))
        return FALSE;
    if (name_taken(txn, SQL_FIND, row.name, row.id))
        return exists_error(row.name, error);
    if (name_taken(txn, SQL_FIND_BASE, row.base_name, row.id))
        return exists_error(row.base_name, error);
    if (old->role != row.role || old->selectable != row.selectable || old->rights != row.rights)
        txn->list_changed = TRUE;
    if (!take_name(txn, old, row.name, error) || !update_row(txn, &row, error))
        return FALSE;
    counters_forget(txn, row.id);
    return row.name || row.base_name || drop_nameless(txn, &row, error);
}

/* ---- by clients --------------------------------------------------------------------------- */

/* The delimiter of names that clients make: that of the folders there are. */
static char account_delimiter(CacheTxn *txn)
{
    for (guint i = 0; i < G_N_ELEMENTS(SQL_DELIMITER); i++) {
        g_auto(DbQuery) query = db_query(txn->db, SQL_DELIMITER[i]);
        if (db_next(&query))
            return (char)db_int(&query, 0);
    }
    return '/';
}

static gint64 make_one(CacheTxn *txn, const char *name, char delimiter, CacheRole role,
                       gboolean selectable, GError **error)
{
    g_autofree char *policy = cache_meta_get(txn, "new-folders");
    CacheFolder folder = {.name = (char *)name,
                          .delimiter = delimiter,
                          .role = role,
                          .selectable = selectable,
                          .pushed = g_strcmp0(policy, "local") != 0,
                          .flag_mask = 31,
                          .keyword_mask = TRUE};

    txn->pending |= folder.pushed;
    return insert_row(txn, &folder, error);
}

/* The levels above `name` that aren't there yet, from the top. */
static gboolean make_levels(CacheTxn *txn, const char *name, char delimiter, GError **error)
{
    for (const char *end = delimiter ? strchr(name, delimiter) : NULL; end;
         end = strchr(end + 1, delimiter)) {
        g_autofree char *level = g_strndup(name, (gsize)(end - name));
        if (!name_taken(txn, SQL_FIND, inbox_folded(level), 0) &&
            !make_one(txn, level, delimiter, CACHE_ROLE_NONE, FALSE, error))
            return FALSE;
    }
    return TRUE;
}

/* A name that only had children becomes a folder. */
static gint64 make_selectable(CacheTxn *txn, CacheFolder *folder, CacheRole role, GError **error)
{
    if (folder->selectable) {
        exists_error(folder->name, error);
        return 0;
    }
    folder->selectable = TRUE;
    folder->role = role;
    txn->list_changed = TRUE;
    txn->pending |= folder->pushed;
    return update_row(txn, folder, error) && renew_uidvalidity(txn, folder->id, error) ? folder->id
                                                                                       : 0;
}

gint64 cache_folder_create(CacheTxn *txn, const char *name, CacheRole role, GError **error)
{
    if (!txn_writes(txn, TRUE, error) || !counters_flush(txn, error))
        return 0;
    char delimiter = account_delimiter(txn);
    name = inbox_folded(name);
    if (!check_name(name, delimiter, error))
        return 0;
    g_autoptr(CacheFolder) there = read_one(txn, SQL_FIND, DB_TEXT(name), NULL);
    if (there)
        return make_selectable(txn, there, role, error);
    if (!make_levels(txn, name, delimiter, error))
        return 0;
    if (strcmp(name, "INBOX") == 0)
        role = CACHE_ROLE_INBOX;
    return make_one(txn, name, delimiter, role, TRUE, error);
}

/* Folders below `folder`: their numbers and names. */
static GPtrArray *folders_below(CacheTxn *txn, const CacheFolder *folder, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_folder_free);

    if (!folder->delimiter)
        return g_steal_pointer(&list);
    g_autofree char *from = g_strdup_printf("%s%c", folder->name, folder->delimiter);
    g_autofree char *upto = g_strdup_printf("%s%c", folder->name, folder->delimiter + 1);
    g_auto(DbQuery) query = db_query(txn->db, SQL_BELOW, DB_TEXT(from), DB_TEXT(upto));
    while (db_next(&query)) {
        CacheFolder *below = cache_folder_get(txn, db_int(&query, 0), error);
        if (!below)
            return NULL;
        g_ptr_array_add(list, below);
    }
    return db_done(&query, error) ? g_steal_pointer(&list) : NULL;
}

gboolean cache_folder_has_children(CacheTxn *txn, const CacheFolder *folder)
{
    if (!folder->name || !folder->delimiter)
        return FALSE;
    g_autofree char *from = g_strdup_printf("%s%c", folder->name, folder->delimiter);
    g_autofree char *upto = g_strdup_printf("%s%c", folder->name, folder->delimiter + 1);
    g_auto(DbQuery) query = db_query(txn->db, SQL_HAS_BELOW, DB_TEXT(from), DB_TEXT(upto));
    return db_next(&query) && db_int(&query, 0);
}

static gboolean client_may(CacheFolder *folder, GError **error)
{
    if (!folder)
        return FALSE;
    if (!folder->name) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The folder has been deleted");
        return FALSE;
    }
    return strcmp(folder->name, "INBOX") != 0 ||
           name_invalid("INBOX", "always stays (RFC 3501)", error);
}

gboolean cache_folder_delete(CacheTxn *txn, gint64 id, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, id, error);
    if (!client_may(folder, error))
        return FALSE;
    g_autoptr(GPtrArray) below = folders_below(txn, folder, error);
    if (!below)
        return FALSE;
    if (below->len && !folder->selectable) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_CHILDREN,
                    "The folder %s has others below it: delete those first", folder->name);
        return FALSE;
    }

    if (below->len) {
        folder->selectable = FALSE;
        folder->role = CACHE_ROLE_NONE;
        txn->list_changed = TRUE;
        if (!retire_name(txn, folder, error))
            return FALSE;
    } else {
        if (!take_name(txn, folder, NULL, error))
            return FALSE;
        g_clear_pointer(&folder->name, g_free);
    }
    /* Of one that upstream doesn't have nothing is to return. */
    if (!folder->base_name)
        g_clear_pointer(&folder->wire_name, g_free);
    txn->pending |= folder->pushed && folder->base_name;
    if (!update_row(txn, folder, error) ||
        !kill_placements(txn, id, (Dropped){.vanished = TRUE}, error))
        return FALSE;
    return folder->name || folder->base_name || drop_nameless(txn, folder, error);
}

static gboolean rename_row(CacheTxn *txn, CacheFolder *folder, const char *name, GError **error)
{
    if (!take_name(txn, folder, name, error))
        return FALSE;
    g_free(folder->name);
    folder->name = g_strdup(name);
    txn->pending |= folder->pushed;
    /* What upstream said was about the old name. */
    return problem_forget_name(txn, folder->id, error) && update_row(txn, folder, error);
}

/* What the folders below will be called; all are checked before the first is changed. */
static GPtrArray *names_below(CacheTxn *txn, const CacheFolder *folder, GPtrArray *below,
                              const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < below->len; i++) {
        CacheFolder *child = below->pdata[i];
        char *child_name = g_strconcat(name, child->name + strlen(folder->name), NULL);
        g_ptr_array_add(names, child_name);
        if (!check_name(child_name, folder->delimiter, error))
            return NULL;
        if (name_taken(txn, SQL_FIND, child_name, child->id)) {
            exists_error(child_name, error);
            return NULL;
        }
    }
    return g_steal_pointer(&names);
}

gboolean cache_folder_rename(CacheTxn *txn, gint64 id, const char *name, GError **error)
{
    if (!txn_writes(txn, TRUE, error))
        return FALSE;
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, id, error);
    if (!client_may(folder, error) || !check_name(name, folder->delimiter, error))
        return FALSE;
    if (name_taken(txn, SQL_FIND, inbox_folded(name), 0))
        return exists_error(name, error);
    g_autoptr(GPtrArray) below = folders_below(txn, folder, error);
    gsize length = strlen(folder->name);
    if (!below)
        return FALSE;
    if (folder->delimiter && strncmp(name, folder->name, length) == 0 &&
        name[length] == folder->delimiter)
        return name_invalid(name, "is below the folder itself", error);

    g_autoptr(GPtrArray) names = names_below(txn, folder, below, name, error);
    if (!names)
        return FALSE;
    for (guint i = 0; i < below->len; i++)
        if (!rename_row(txn, below->pdata[i], names->pdata[i], error))
            return FALSE;
    return make_levels(txn, name, folder->delimiter, error) && rename_row(txn, folder, name, error);
}
