/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading keys for SORT and THREAD, and fields for FETCH. */
#include "daemon/serve/imap/keys.h"

#include "daemon/index/keys.h"
#include "daemon/serve/imap/demand.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

#include <stdlib.h>

/* One in so many is a straggler. */
#define FEW 8

typedef struct {
    ImapSession *session;
    ImapKeys *keys;
    const CacheText *kinds;
    GArray *order;    /* Place: the rows by message, */
    GArray *messages; /* gint64: and their messages */
    guint kind;       /* which is being read from segments, */
    guint worth;      /* where so many are in one */
    GArray *missing;  /* gint64: messages whose headers aren't here */
    gboolean ask;     /* for these */
    gboolean last_try;
    guint at; /* the row that a pass by UID has come to */
    GString *text;
    ImapDemand demand;
    GError *error;
} Read;

typedef struct {
    gint64 message;
    guint row;
} Place;

static void set_text(Read *read, guint row, guint kind, const char *text, gsize length)
{
    ImapKeys *keys = read->keys;
    keys->texts->pdata[row * keys->n_kinds + kind] =
        g_string_chunk_insert_len(keys->chunk, text, (gssize)length);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static gboolean read_key_rows(Read *read, const guint32 *uids, guint count, guint what,
                              CacheFetchFunc func)
{
    g_autoptr(CacheTxn) txn = cache_begin(read->session->account->cache, CACHE_READ, &read->error);
    return txn && cache_fetch(txn, (CacheSelection){read->session->view->folder, uids, count}, what,
                              func, read, &read->error);
}

static gboolean add_row(const CacheFetchRow *row, gpointer data)
{
    Read *read = data;
    const CachePlacement *placement = row->placement;
    ImapKeyRow added = {placement->message, placement->date, placement->size, placement->uid};
    g_array_append_val(read->keys->rows, added);
    return TRUE;
}

/* In one transaction: sizes may change, and the order is to be of one moment. */
static gboolean read_all_key_rows(Read *read, const GArray *uids)
{
    if (uids->len && !read_key_rows(read, &g_array_index(uids, guint32, 0), uids->len,
                                    CACHE_FETCH_NUMBERS, add_row))
        return FALSE;
    g_ptr_array_set_size(read->keys->texts, (int)(read->keys->rows->len * read->keys->n_kinds));
    return TRUE;
}

/* ---- segments -------------------------------------------------------------------------------- */

static int compare_row_messages(const void *a, const void *b)
{
    gint64 first = ((const Place *)a)->message, second = ((const Place *)b)->message;
    return (first > second) - (first < second);
}

static void order_by_message(Read *read)
{
    gboolean ascends = TRUE;
    gint64 last = 0;
    for (guint i = 0; i < read->keys->rows->len; i++) {
        Place place = {g_array_index(read->keys->rows, ImapKeyRow, i).message, i};
        ascends = ascends && place.message >= last;
        last = place.message;
        g_array_append_val(read->order, place);
    }
    if (!ascends)
        g_array_sort(read->order, compare_row_messages);
    for (guint i = 0; i < read->order->len; i++)
        g_array_append_val(read->messages, g_array_index(read->order, Place, i).message);
}

static void take_segment(const CacheTextSegment *segment, gpointer data)
{
    Read *read = data;
    for (guint i = 0; i < segment->count; i++)
        for (guint k = segment->wanted[i]; k < read->order->len; k++) {
            const Place *place = &g_array_index(read->order, Place, k);
            if (place->message != segment->messages[i])
                break;
            set_text(read, place->row, read->kind, segment->text + segment->starts[i],
                     segment->starts[i + 1] - segment->starts[i]);
        }
}

static gboolean read_segments(Read *read)
{
    const CacheTextQuery query = {.kind = read->kinds[read->kind],
                                  .share = {0, 1},
                                  .messages = (const gint64 *)(void *)read->messages->data,
                                  .n_messages = read->messages->len,
                                  .worth = read->worth};
    gint64 position = 0;
    while (position != G_MAXINT64) {
        g_autoptr(CacheTxn) txn =
            cache_begin(read->session->account->cache, CACHE_READ, &read->error);
        if (!txn || !cache_text_scan(txn, &query, &position, take_segment, read, &read->error))
            return FALSE;
    }
    return TRUE;
}

/* ---- headers --------------------------------------------------------------------------------- */

static gboolean key_list_is_complete(const ImapKeys *keys, guint row)
{
    for (guint kind = 0; kind < keys->n_kinds; kind++)
        if (!imap_keys_text(keys, row, kind))
            return FALSE;
    return TRUE;
}

static gboolean take_header(const CacheFetchRow *row, gpointer data)
{
    Read *read = data;
    while (g_array_index(read->keys->rows, ImapKeyRow, read->at).uid < row->placement->uid)
        read->at++;
    if (key_list_is_complete(read->keys, read->at))
        return TRUE;
    if (!row->header && !read->last_try) {
        if (read->ask)
            g_array_append_val(read->missing, row->placement->message);
        return TRUE;
    }
    for (guint kind = 0; kind < read->keys->n_kinds; kind++) {
        index_key(read->kinds[kind], row->header ? row->header : "", row->header_length,
                  read->text);
        set_text(read, read->at, kind, read->text->str, read->text->len);
    }
    return TRUE;
}

static gboolean read_headers(Read *read, const GArray *uids, guint first, gboolean last_try)
{
    read->last_try = last_try;
    read->at = first;
    g_array_set_size(read->missing, 0);
    return read_key_rows(read, &g_array_index(uids, guint32, 0), uids->len, CACHE_FETCH_HEADER,
                         take_header);
}

/* The next few rows from `*row` on that lack a text. */
static gboolean complete_slice(Read *read, guint *row)
{
    const ImapKeys *keys = read->keys;
    guint first = *row;
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (; *row < keys->rows->len && uids->len < IMAP_SLICE_MESSAGES; ++*row)
        if (!key_list_is_complete(keys, *row))
            g_array_append_val(uids, g_array_index(keys->rows, ImapKeyRow, *row).uid);
    if (!uids->len)
        return TRUE;
    imap_progress(read->session, first, keys->rows->len);
    if (!read_headers(read, uids, first, FALSE))
        return FALSE;
    if (!read->missing->len)
        return TRUE;
    imap_demand(read->session, &read->demand, &g_array_index(read->missing, gint64, 0),
                read->missing->len, CACHE_CONTENT_HEADER);
    return read_headers(read, uids, first, TRUE);
}

static gboolean complete_rows(Read *read)
{
    guint row = 0;
    while (row < read->keys->rows->len)
        if (!complete_slice(read, &row))
            return FALSE;
    return TRUE;
}

/* What was expunged meanwhile has no texts, and is passed over. */
static void drop_incomplete(ImapKeys *keys)
{
    guint kept = 0;
    for (guint row = 0; row < keys->rows->len; row++) {
        if (!key_list_is_complete(keys, row))
            continue;
        for (guint kind = 0; kind < keys->n_kinds; kind++)
            keys->texts->pdata[kept * keys->n_kinds + kind] = imap_keys_text(keys, row, kind);
        g_array_index(keys->rows, ImapKeyRow, kept++) = g_array_index(keys->rows, ImapKeyRow, row);
    }
    g_array_set_size(keys->rows, kept);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static gboolean read_stored(Read *read, const GArray *uids)
{
    if (!read_all_key_rows(read, uids))
        return FALSE;
    if (!read->keys->n_kinds)
        return TRUE;
    order_by_message(read);
    for (read->kind = 0; read->kind < read->keys->n_kinds; read->kind++)
        if (!read_segments(read))
            return FALSE;
    return TRUE;
}

static void read_init(Read *read, ImapSession *session, const CacheText *kinds, guint n_kinds,
                      ImapKeys *keys)
{
    *keys = (ImapKeys){.rows = g_array_new(FALSE, FALSE, sizeof(ImapKeyRow)),
                       .n_kinds = n_kinds,
                       .texts = g_ptr_array_new(),
                       .chunk = g_string_chunk_new(65536)};
    *read = (Read){.session = session,
                   .keys = keys,
                   .kinds = kinds,
                   .order = g_array_new(FALSE, FALSE, sizeof(Place)),
                   .messages = g_array_new(FALSE, FALSE, sizeof(gint64)),
                   .missing = g_array_new(FALSE, FALSE, sizeof(gint64)),
                   .text = g_string_new(NULL)};
}

/* Sets the answer if something failed. */
static gboolean read_end(Read *read, gboolean ok)
{
    if (!ok)
        imap_reply_error(read->session, read->error);
    g_array_unref(read->order);
    g_array_unref(read->messages);
    g_array_unref(read->missing);
    g_string_free(read->text, TRUE);
    g_clear_error(&read->error);
    imap_demand_clear(&read->demand);
    return ok;
}

gboolean imap_keys_read(ImapSession *session, const GArray *uids, const CacheText *kinds,
                        guint n_kinds, ImapKeys *keys)
{
    Read read;
    read_init(&read, session, kinds, n_kinds, keys);
    read.ask = TRUE;
    gboolean ok = read_stored(&read, uids) && complete_rows(&read);
    if (ok)
        drop_incomplete(keys);
    return read_end(&read, ok);
}

static gboolean lacks_few(const ImapKeys *keys)
{
    guint lacking = 0;
    for (guint row = 0; row < keys->rows->len; row++)
        lacking += !key_list_is_complete(keys, row);
    return lacking <= keys->rows->len / FEW;
}

gboolean imap_keys_read_stored(ImapSession *session, const GArray *uids, CacheText kind,
                               guint worth, ImapKeys *keys)
{
    Read read;
    read_init(&read, session, &kind, 1, keys);
    read.worth = worth;
    return read_end(&read, read_stored(&read, uids) && (!lacks_few(keys) || complete_rows(&read)));
}

void imap_keys_clear(ImapKeys *keys)
{
    g_clear_pointer(&keys->rows, g_array_unref);
    g_clear_pointer(&keys->texts, g_ptr_array_unref);
    g_clear_pointer(&keys->chunk, g_string_chunk_free);
}
