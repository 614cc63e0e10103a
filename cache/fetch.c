/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading many messages of a folder at once, in as few range scans as their UIDs allow. */
#include "cache/private.h"

/* UIDs further apart than this are read by separate queries: stepping over a row costs less than
 * starting a query. */
#define GAP_MAX 16

/* The identity's columns, the flags', and those of the rest of the placement that sessions ask for.
 */
#define I      "p.uid, p.message"
#define N      I ", p.size, p.date"
#define F      ", p.system, p.keywords, p.modseq, p.state"
#define P      N F ", p.zone, p.saved"
#define R      ", r.sent, r.sent_zone, r.envelope, r.bodystructure, r.structure"
#define NO_R   ", NULL, NULL, NULL, NULL, NULL"
#define M      ", m.remote_id, m.content"
#define H      M ", h.data"
#define JOIN_R " LEFT JOIN rendered r ON r.message = p.message"
#define JOIN_M " LEFT JOIN message m ON m.id = p.message"
#define JOIN_H JOIN_M " LEFT JOIN content_part h ON h.id = m.content << 20"
#define RANGE  " WHERE p.folder = ? AND p.uid >= ? AND p.uid <= ? AND p.alive ORDER BY p.uid"

static const char SQL_MESSAGES[] = "SELECT " I " FROM placement p" RANGE;
static const char SQL_NUMBERS[] = "SELECT " N " FROM placement p" RANGE;
static const char SQL_FLAGS[] = "SELECT " I ", 0, 0" F " FROM placement p" RANGE;

/* By what is asked for beyond the placement: renderings; nothing of the message, its row, or its
 * header too. */
static const char *const STATEMENTS[2][3] = {
    {"SELECT " P " FROM placement p" RANGE, "SELECT " P NO_R M " FROM placement p" JOIN_M RANGE,
     "SELECT " P NO_R H " FROM placement p" JOIN_H RANGE},
    {"SELECT " P R " FROM placement p" JOIN_R RANGE,
     "SELECT " P R M " FROM placement p" JOIN_R JOIN_M RANGE,
     "SELECT " P R H " FROM placement p" JOIN_R JOIN_H RANGE},
};

enum {
    COLUMN_UID,
    COLUMN_MESSAGE,
    COLUMN_SIZE,
    COLUMN_DATE,
    COLUMN_SYSTEM,
    COLUMN_KEYWORDS,
    COLUMN_MODSEQ,
    COLUMN_STATE,
    COLUMN_ZONE,
    COLUMN_SAVED,
    COLUMN_SENT,
    COLUMN_SENT_ZONE,
    COLUMN_ENVELOPE,
    COLUMN_BODYSTRUCTURE,
    COLUMN_STRUCTURE,
    COLUMN_REMOTE_ID,
    COLUMN_CONTENT,
    COLUMN_HEADER,
};

#define WANTS_RENDERED                                                                             \
    (CACHE_FETCH_ENVELOPE | CACHE_FETCH_BODYSTRUCTURE | CACHE_FETCH_STRUCTURE | CACHE_FETCH_SENT)

typedef struct {
    CacheTxn *txn;
    gint64 folder;
    guint what;
    const char *sql;
    GByteArray *header;
    CacheFetchFunc func;
    gpointer data;
} Fetch;

static const char *statement_for(guint what)
{
    if (what == CACHE_FETCH_MESSAGE)
        return SQL_MESSAGES;
    if (what == CACHE_FETCH_NUMBERS)
        return SQL_NUMBERS;
    if (what == CACHE_FETCH_FLAGS)
        return SQL_FLAGS;
    guint message = what & CACHE_FETCH_HEADER ? 2 : what & CACHE_FETCH_REMOTE_ID ? 1 : 0;
    return STATEMENTS[(what & WANTS_RENDERED) != 0][message];
}

static const void *read_blob(DbQuery *query, int column, gsize *length)
{
    const void *data = sqlite3_column_blob(query->statement, column);
    *length = (gsize)sqlite3_column_bytes(query->statement, column);
    return data;
}

/* A header is one part, unless it is enormous. */
static gboolean read_header(Fetch *fetch, DbQuery *query, CacheFetchRow *row, GError **error)
{
    gint64 content = db_int(query, COLUMN_CONTENT);

    if (!content)
        return TRUE;
    gsize length;
    const void *data = read_blob(query, COLUMN_HEADER, &length);
    g_byte_array_set_size(fetch->header, 0);
    if (!content_expand_header(fetch->txn, content, data, length, fetch->header, error))
        return FALSE;
    row->header = fetch->header->data ? (const char *)fetch->header->data : "";
    row->header_length = fetch->header->len;
    return TRUE;
}

static void read_placement(const Fetch *fetch, DbQuery *query, CachePlacement *placement)
{
    *placement = (CachePlacement){
        .folder = fetch->folder,
        .uid = (guint32)db_int(query, COLUMN_UID),
        .alive = TRUE,
        .message = db_int(query, COLUMN_MESSAGE),
    };
    if (fetch->what == CACHE_FETCH_MESSAGE)
        return;
    placement->size = (guint64)db_int(query, COLUMN_SIZE);
    placement->date = db_int(query, COLUMN_DATE);
    if (fetch->what == CACHE_FETCH_NUMBERS)
        return;
    placement->flags = (CacheFlags){(guint32)db_int(query, COLUMN_SYSTEM),
                                    (guint32)db_int(query, COLUMN_KEYWORDS)};
    placement->modseq = (guint64)db_int(query, COLUMN_MODSEQ);
    if (fetch->what == CACHE_FETCH_FLAGS)
        return;
    placement->zone = (gint16)db_int(query, COLUMN_ZONE);
    placement->saved = db_int(query, COLUMN_SAVED);
}

static gboolean read_fetch_row(Fetch *fetch, DbQuery *query, CachePlacement *placement,
                               CacheFetchRow *row, GError **error)
{
    *row = (CacheFetchRow){.placement = placement, .sent = G_MININT64};
    read_placement(fetch, query, placement);
    if (fetch->what == CACHE_FETCH_MESSAGE || fetch->what == CACHE_FETCH_NUMBERS)
        return TRUE;
    row->state = (CacheContentState)db_int(query, COLUMN_STATE);
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

/* `count` UIDs, as one range; *more: whether to go on after it. */
static gboolean fetch_run(Fetch *fetch, const guint32 *uids, gsize count, gboolean *more,
                          GError **error)
{
    g_auto(DbQuery) query = db_query(fetch->txn->db, fetch->sql, DB_INT(fetch->folder),
                                     DB_INT(uids[0]), DB_INT(uids[count - 1]));
    gsize next = 0;

    while (*more && db_next(&query)) {
        CachePlacement placement;
        CacheFetchRow row;
        guint32 uid = (guint32)db_int(&query, COLUMN_UID);
        while (next < count && uids[next] < uid)
            next++;
        if (next == count || uids[next] != uid)
            continue;
        if (!read_fetch_row(fetch, &query, &placement, &row, error))
            return FALSE;
        *more = fetch->func(&row, fetch->data);
    }
    return db_done(&query, error);
}

gboolean cache_fetch(CacheTxn *txn, CacheSelection messages, guint what, CacheFetchFunc func,
                     gpointer data, GError **error)
{
    g_autoptr(GByteArray) header = g_byte_array_new();
    Fetch fetch = {txn, messages.folder, what, statement_for(what), header, func, data};
    gboolean more = TRUE;

    for (gsize at = 0, run; at < messages.count && more; at += run) {
        run = run_length(messages.uids + at, messages.count - at);
        if (!fetch_run(&fetch, messages.uids + at, run, &more, error))
            return FALSE;
    }
    return TRUE;
}
