/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading many messages of a folder at once, in as few range scans as their UIDs allow. */
#include "cache/private.h"

/* UIDs further apart than this are read by separate queries: stepping over a row costs less than
 * starting a query. */
#define GAP_MAX 16

#define P                                                                                          \
    "p.folder, p.uid, p.alive, p.system, p.keywords, p.modseq, p.message, p.state, p.size, "       \
    "p.date,"                                                                                      \
    " p.zone, p.saved, p.from_folder, p.from_uid, p.base, p.base_uid, p.base_system,"              \
    " p.base_keywords"
#define R      ", r.sent, r.sent_zone, r.envelope, r.bodystructure, r.structure"
#define NO_R   ", NULL, NULL, NULL, NULL, NULL"
#define M      ", m.remote_id, c.id, c.header_size"
#define NO_M   ", NULL, NULL, NULL"
#define JOIN_R " LEFT JOIN rendered r ON r.message = p.message"
#define JOIN_M " LEFT JOIN message m ON m.id = p.message LEFT JOIN content c ON c.id = m.content"
#define RANGE  " WHERE p.folder = ? AND p.uid >= ? AND p.uid <= ? AND p.alive ORDER BY p.uid"

/* By what is asked for beyond the placement: nothing, renderings, the message, both; or its flags
 * alone. */
static const char SQL_FLAGS[] = "SELECT " PLACEMENT_FLAG_COLUMNS " FROM placement p" RANGE;
static const char SQL_PLAIN[] = "SELECT " P NO_R NO_M " FROM placement p" RANGE;
static const char SQL_RENDERED[] = "SELECT " P R NO_M " FROM placement p" JOIN_R RANGE;
static const char SQL_MESSAGE[] = "SELECT " P NO_R M " FROM placement p" JOIN_M RANGE;
static const char SQL_ALL[] = "SELECT " P R M " FROM placement p" JOIN_R JOIN_M RANGE;

enum {
    COLUMN_SENT = PLACEMENT_COLUMN_COUNT,
    COLUMN_SENT_ZONE,
    COLUMN_ENVELOPE,
    COLUMN_BODYSTRUCTURE,
    COLUMN_STRUCTURE,
    COLUMN_REMOTE_ID,
    COLUMN_CONTENT,
    COLUMN_HEADER_SIZE,
};

#define WANTS_RENDERED                                                                             \
    (CACHE_FETCH_ENVELOPE | CACHE_FETCH_BODYSTRUCTURE | CACHE_FETCH_STRUCTURE | CACHE_FETCH_SENT)
#define WANTS_MESSAGE (CACHE_FETCH_HEADER | CACHE_FETCH_REMOTE_ID)

typedef struct {
    CacheTxn *txn;
    guint what;
    const char *sql;
    GByteArray *header;
} Fetch;

static const char *statement_for(guint what)
{
    if (what == CACHE_FETCH_FLAGS)
        return SQL_FLAGS;
    if (what & WANTS_RENDERED)
        return what & WANTS_MESSAGE ? SQL_ALL : SQL_RENDERED;
    return what & WANTS_MESSAGE ? SQL_MESSAGE : SQL_PLAIN;
}

static const void *read_blob(DbQuery *query, int column, gsize *length)
{
    const void *data = sqlite3_column_blob(query->statement, column);
    *length = (gsize)sqlite3_column_bytes(query->statement, column);
    return data;
}

static gboolean read_header(Fetch *fetch, DbQuery *query, CacheFetchRow *row, GError **error)
{
    gint64 content = db_int(query, COLUMN_CONTENT);

    if (!content)
        return TRUE;
    g_byte_array_set_size(fetch->header, 0);
    if (!content_expand_header(fetch->txn, content, (guint64)db_int(query, COLUMN_HEADER_SIZE),
                               fetch->header, error))
        return FALSE;
    row->header = fetch->header->data ? (const char *)fetch->header->data : "";
    row->header_length = fetch->header->len;
    return TRUE;
}

static gboolean read_row(Fetch *fetch, DbQuery *query, CachePlacement *placement,
                         CacheFetchRow *row, GError **error)
{
    *row = (CacheFetchRow){.placement = placement, .sent = G_MININT64};
    row->state = (CacheContentState)db_int(query, PLACEMENT_COLUMN_STATE);
    if (fetch->what == CACHE_FETCH_FLAGS) {
        placement_read_flags(query, placement);
        return TRUE;
    }
    placement_read(query, placement);
    if (fetch->what & CACHE_FETCH_ENVELOPE)
        row->envelope = read_blob(query, COLUMN_ENVELOPE, &row->envelope_length);
    if (fetch->what & CACHE_FETCH_BODYSTRUCTURE)
        row->bodystructure = read_blob(query, COLUMN_BODYSTRUCTURE, &row->bodystructure_length);
    if (fetch->what & CACHE_FETCH_STRUCTURE)
        row->structure = read_blob(query, COLUMN_STRUCTURE, &row->structure_length);
    if (fetch->what & CACHE_FETCH_SENT &&
        sqlite3_column_type(query->statement, COLUMN_SENT) != SQLITE_NULL) {
        row->sent = db_int(query, COLUMN_SENT);
        row->sent_zone = (gint16)db_int(query, COLUMN_SENT_ZONE);
    }
    if (fetch->what & CACHE_FETCH_REMOTE_ID)
        row->remote_id = db_column_text(query, COLUMN_REMOTE_ID);
    return !(fetch->what & CACHE_FETCH_HEADER) || read_header(fetch, query, row, error);
}

/* How many of `uids` can be read as one range. */
static gsize run_length(const guint32 *uids, gsize count)
{
    gsize length = 1;

    while (length < count && uids[length] - uids[length - 1] <= GAP_MAX)
        length++;
    return length;
}

static gboolean fetch_run(Fetch *fetch, gint64 folder, const guint32 *uids, gsize count,
                          CacheFetchFunc func, gpointer data, gboolean *more, GError **error)
{
    g_auto(DbQuery) query = db_query(fetch->txn->db, fetch->sql, DB_INT(folder), DB_INT(uids[0]),
                                     DB_INT(uids[count - 1]));
    gsize next = 0;

    while (*more && db_next(&query)) {
        CachePlacement placement = {0};
        CacheFetchRow row;
        guint32 uid = (guint32)db_int(&query, 1);
        while (next < count && uids[next] < uid)
            next++;
        if (next == count || uids[next] != uid)
            continue;
        if (!read_row(fetch, &query, &placement, &row, error))
            return FALSE;
        *more = func(&row, data);
    }
    return db_done(&query, error);
}

gboolean cache_fetch(CacheTxn *txn, gint64 folder, const guint32 *uids, gsize count, guint what,
                     CacheFetchFunc func, gpointer data, GError **error)
{
    g_autoptr(GByteArray) header = g_byte_array_new();
    Fetch fetch = {txn, what, statement_for(what), header};
    gboolean more = TRUE;

    while (count > 0 && more) {
        gsize run = run_length(uids, count);
        if (!fetch_run(&fetch, folder, uids, run, func, data, &more, error))
            return FALSE;
        uids += run;
        count -= run;
    }
    return TRUE;
}
