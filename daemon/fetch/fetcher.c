/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fetching content over one connection. */
#include "daemon/fetch/fetcher.h"

#include "daemon/index/render.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/upstream/connect.h"

/* What one transaction writes at most. */
#define BATCH_MESSAGES 200
#define BATCH_BYTES    (2 * 1024 * 1024)

/* Commands under way: while one is answered, the server prepares the next. */
#define PIPELINE 2

/* A message that has come and isn't in the cache yet. */
typedef struct {
    gint64 message;
    CacheContentWriter *writer; /* FULL */
    GBytes *header;             /* HEADER */
    CacheRendered rendered;
} Arrived;

typedef struct {
    guint number;
    FetchJob *job;
    gboolean again; /* asked a second time, after a NOOP */
} Started;

struct Fetcher {
    AccountAccess access;
    Cache *cache;
    void (*arrived)(gpointer data);
    gpointer data;

    ImapClient *imap;
    NetCancel *cancel; /* the connection's */
    gint64 selected;
    GQueue started;   /* Started */
    GHashTable *uids; /* base UID -> message, of what is under way */
    GHashTable *came; /* messages that have come, of what is under way */
    GArray *batch;    /* Arrived */
    guint64 batch_bytes;
};

FetchJob *fetch_job_new(gint64 folder, CacheContentState state)
{
    FetchJob *job = g_new0(FetchJob, 1);

    job->folder = folder;
    job->state = state;
    job->items = g_array_new(FALSE, FALSE, sizeof(CacheWanted));
    return job;
}

FetchJob *fetch_job_copy(const FetchJob *job)
{
    FetchJob *copy = g_new0(FetchJob, 1);

    copy->folder = job->folder;
    copy->state = job->state;
    copy->items = g_array_ref(job->items);
    return copy;
}

void fetch_job_free(FetchJob *job)
{
    if (!job)
        return;
    g_array_unref(job->items);
    g_free(job);
}

static void clear_arrived(gpointer data)
{
    Arrived *arrived = data;

    cache_content_writer_free(arrived->writer);
    g_clear_pointer(&arrived->header, g_bytes_unref);
    cache_rendered_clear(&arrived->rendered);
}

static void free_started(gpointer data)
{
    Started *started = data;

    fetch_job_free(started->job);
    g_free(started);
}

Fetcher *fetcher_new(const AccountAccess *access, Cache *cache, void (*arrived)(gpointer),
                     gpointer data)
{
    Fetcher *fetcher = g_new0(Fetcher, 1);

    fetcher->access = account_access_copy(access);
    fetcher->cache = cache;
    fetcher->arrived = arrived;
    fetcher->data = data;
    g_queue_init(&fetcher->started);
    fetcher->uids = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    fetcher->came = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    fetcher->batch = g_array_new(FALSE, TRUE, sizeof(Arrived));
    g_array_set_clear_func(fetcher->batch, clear_arrived);
    return fetcher;
}

void fetcher_free(Fetcher *fetcher)
{
    if (!fetcher)
        return;
    fetcher_disconnect(fetcher);
    g_hash_table_unref(fetcher->uids);
    g_hash_table_unref(fetcher->came);
    g_array_unref(fetcher->batch);
    account_access_clear(&fetcher->access);
    g_free(fetcher);
}

/* ---- connection ------------------------------------------------------------------------------ */

gboolean fetcher_is_connected(Fetcher *fetcher)
{
    return fetcher->imap != NULL;
}

gboolean fetcher_connect(Fetcher *fetcher, NetCancel *cancel, GError **error)
{
    fetcher->imap = upstream_connect_imap(&fetcher->access, cancel, error);
    if (fetcher->imap)
        fetcher->cancel = net_cancel_ref(cancel);
    return fetcher->imap != NULL;
}

gboolean fetcher_is_cancelled(Fetcher *fetcher)
{
    return fetcher->cancel && net_cancel_triggered(fetcher->cancel);
}

/* Drops what was under way, too. */
void fetcher_disconnect(Fetcher *fetcher)
{
    g_clear_pointer(&fetcher->imap, imap_client_close);
    g_clear_pointer(&fetcher->cancel, net_cancel_unref);
    fetcher->selected = 0;
    g_queue_clear_full(&fetcher->started, free_started);
    g_hash_table_remove_all(fetcher->uids);
    g_hash_table_remove_all(fetcher->came);
    g_array_set_size(fetcher->batch, 0);
    fetcher->batch_bytes = 0;
}

static CacheFolder *read_folder(Fetcher *fetcher, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(fetcher->cache, CACHE_READ, error);

    return txn ? cache_folder_get(txn, id, error) : NULL;
}

/* UIDs are used only in the epoch they are from. */
static gboolean select_folder(Fetcher *fetcher, gint64 id, GError **error)
{
    g_autoptr(CacheFolder) folder = read_folder(fetcher, id, error);
    ImapSelect what = {.read_only = TRUE};
    g_auto(ImapSelected) state = {0};

    if (!folder)
        return FALSE;
    if (!folder->base_name) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The folder is gone upstream.");
        return FALSE;
    }
    fetcher->selected = 0;
    what.name = folder->base_name;
    if (!imap_client_select(fetcher->imap, &what, &state, error))
        return FALSE;
    if (state.uidvalidity != folder->base_uidvalidity) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                    "%s has been renumbered upstream; it is being read anew.", folder->base_name);
        return FALSE;
    }
    fetcher->selected = id;
    return TRUE;
}

/* ---- what comes ------------------------------------------------------------------------------ */

static gboolean write_arrived(CacheTxn *txn, Arrived *arrived, GError **error)
{
    g_autoptr(GError) reason = NULL;
    gboolean ok = arrived->writer
                      ? cache_content_writer_finish(arrived->writer, txn, arrived->message,
                                                    &arrived->rendered, &reason)
                      : cache_content_set_header(txn, arrived->message, arrived->header,
                                                 &arrived->rendered, &reason);

    /* Gone meanwhile: nobody wants it any more. */
    if (ok || g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

static gboolean write_batch(Fetcher *fetcher, GError **error)
{
    if (fetcher->batch->len == 0)
        return TRUE;
    g_autoptr(CacheTxn) txn = cache_begin(fetcher->cache, CACHE_WRITE, error);
    if (!txn)
        return FALSE;
    for (guint i = 0; i < fetcher->batch->len; i++)
        if (!write_arrived(txn, &g_array_index(fetcher->batch, Arrived, i), error))
            return FALSE;
    if (!cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    g_array_set_size(fetcher->batch, 0);
    fetcher->batch_bytes = 0;
    fetcher->arrived(fetcher->data);
    return TRUE;
}

static gboolean add_to_batch(Fetcher *fetcher, Arrived *arrived, gsize size, GError **error)
{
    g_hash_table_add(fetcher->came, g_memdup2(&arrived->message, sizeof(gint64)));
    g_array_append_val(fetcher->batch, *arrived);
    fetcher->batch_bytes += size;
    return (fetcher->batch->len < BATCH_MESSAGES && fetcher->batch_bytes < BATCH_BYTES) ||
           write_batch(fetcher, error);
}

static gboolean add_whole(Fetcher *fetcher, gint64 message, GBytes *bytes, GError **error)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    Arrived arrived = {.message = message, .writer = cache_content_writer_new(fetcher->cache)};

    if (!cache_content_writer_add(arrived.writer, data, size, error)) {
        clear_arrived(&arrived);
        return FALSE;
    }
    cache_content_writer_end(arrived.writer);
    render_message(data ? data : "", size, TRUE, &arrived.rendered);
    return add_to_batch(fetcher, &arrived, size, error);
}

static void write_node(const ImapNode *node, GString *out);

/* Parts and addresses stand one behind the other, everything else has spaces between (RFC 3501, 9:
 * body-type-mpart, env-from). */
static void write_list(const ImapNode *list, GString *out)
{
    gboolean lists_only = TRUE;

    g_string_append_c(out, '(');
    for (const ImapNode *node = imap_node_first(list); node; node = imap_node_next(node)) {
        if (node != imap_node_first(list) && !(lists_only && node->kind == IMAP_NODE_LIST))
            g_string_append_c(out, ' ');
        lists_only = lists_only && node->kind == IMAP_NODE_LIST;
        write_node(node, out);
    }
    g_string_append_c(out, ')');
}

static void write_node(const ImapNode *node, GString *out)
{
    switch (node->kind) {
    case IMAP_NODE_LIST:
        write_list(node, out);
        break;
    case IMAP_NODE_NUMBER:
    case IMAP_NODE_NIL:
        g_string_append_len(out, node->text, (gssize)node->length);
        break;
    case IMAP_NODE_BAD:
        g_string_append(out, "NIL");
        break;
    default:
        imap_quote_append_string(out, node->text, node->length, FALSE);
    }
}

/* BODYSTRUCTURE as the server says it: what is shown of messages whose bodies stay there. */
static GBytes *bodystructure_of(const ImapFetchData *fetch)
{
    const ImapNode *value = imap_fetch_data_value(fetch, "BODYSTRUCTURE");

    if (!value || value->kind != IMAP_NODE_LIST)
        return NULL;
    GString *text = g_string_new(NULL);
    write_node(value, text);
    return g_string_free_to_bytes(text);
}

static gboolean add_header(Fetcher *fetcher, gint64 message, GBytes *bytes,
                           const ImapFetchData *fetch, GError **error)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    Arrived arrived = {.message = message, .header = g_bytes_ref(bytes)};

    render_message(data ? data : "", size, FALSE, &arrived.rendered);
    arrived.rendered.bodystructure = bodystructure_of(fetch);
    return add_to_batch(fetcher, &arrived, size, error);
}

static gboolean note_content(const ImapResponse *response, gpointer data, GError **error)
{
    Fetcher *fetcher = data;
    g_autoptr(GBytes) bytes = NULL;
    ImapFetchData fetch;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    if (!(fetch.got & IMAP_GOT_UID) || !(fetch.got & IMAP_GOT_BODY))
        return TRUE;
    const gint64 *message = g_hash_table_lookup(fetcher->uids, GUINT_TO_POINTER(fetch.uid));
    if (!message || g_hash_table_contains(fetcher->came, message))
        return TRUE;
    if (imap_fetch_data_section(&fetch, "", &bytes) && bytes)
        return add_whole(fetcher, *message, bytes, error);
    if (imap_fetch_data_section(&fetch, "HEADER", &bytes) && bytes)
        return add_header(fetcher, *message, bytes, &fetch, error);
    return TRUE;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static guint send_job(Fetcher *fetcher, const FetchJob *job, GError **error)
{
    g_autoptr(ImapSet) set = imap_set_new();
    g_autoptr(GString) text = g_string_new(" ");
    ImapClientCommand *command;

    for (guint i = 0; i < job->items->len; i++) {
        const CacheWanted *item = &g_array_index(job->items, CacheWanted, i);
        imap_set_add(set, item->base_uid);
        g_hash_table_insert(fetcher->uids, GUINT_TO_POINTER(item->base_uid),
                            g_memdup2(&item->message, sizeof(gint64)));
    }
    imap_set_format(set, text);
    /* Where bodies are to stay upstream, their structure comes along. */
    gboolean stays = fetcher->access.settings->prefetch_days != ACCOUNT_PREFETCH_ALL;
    g_string_append(text, job->state == CACHE_CONTENT_FULL ? " (UID BODY.PEEK[])"
                          : stays ? " (UID BODYSTRUCTURE BODY.PEEK[HEADER])"
                                  : " (UID BODY.PEEK[HEADER])");
    command = imap_client_command(fetcher->imap, "UID FETCH");
    imap_client_command_text(command, text->str);
    return imap_client_send_with(fetcher->imap, command, note_content, fetcher, error);
}

static gboolean start_job(Fetcher *fetcher, FetchJob *job, gboolean again, GError **error)
{
    Started *started = g_new0(Started, 1);

    started->number = send_job(fetcher, job, error);
    started->job = job;
    started->again = again;
    if (started->number == 0) {
        free_started(started);
        return FALSE;
    }
    g_queue_push_tail(&fetcher->started, started);
    return TRUE;
}

/* Asks once more for what didn't come: a message may be newer than what this connection knows of
 * the folder, which NOOP brings up to date. */
static gboolean ask_again(Fetcher *fetcher, FetchJob *rest, GError **error)
{
    g_autoptr(FetchJob) owned = rest;

    return imap_client_run(fetcher->imap, NULL, error, "NOOP") &&
           start_job(fetcher, g_steal_pointer(&owned), TRUE, error);
}

/* Sorts a finished job's messages: what came is finished, and so is, the second time, what didn't.
 * Gives what is to be asked for again, or NULL. */
static FetchJob *sort_out(Fetcher *fetcher, const Started *started, GArray *missing,
                          GArray *finished)
{
    g_autoptr(FetchJob) rest = fetch_job_new(started->job->folder, started->job->state);

    for (guint i = 0; i < started->job->items->len; i++) {
        const CacheWanted *item = &g_array_index(started->job->items, CacheWanted, i);
        gboolean came = g_hash_table_remove(fetcher->came, &item->message);
        g_hash_table_remove(fetcher->uids, GUINT_TO_POINTER(item->base_uid));
        if (!came && !started->again) {
            g_array_append_val(rest->items, *item);
            continue;
        }
        if (!came)
            g_array_append_val(missing, item->message);
        g_array_append_val(finished, item->message);
    }
    return rest->items->len > 0 ? g_steal_pointer(&rest) : NULL;
}

/* Waits for the oldest command; its messages are in the cache then. NO means that some can't be
 * had: those that didn't come. */
static gboolean finish_oldest(Fetcher *fetcher, GArray *missing, GArray *finished, GError **error)
{
    Started *started = g_queue_peek_head(&fetcher->started);
    g_auto(ImapReply) reply = {0};

    if (!imap_client_finish(fetcher->imap, started->number, &reply, error) ||
        !write_batch(fetcher, error))
        return FALSE;
    FetchJob *rest = sort_out(fetcher, started, missing, finished);
    g_queue_pop_head(&fetcher->started);
    free_started(started);
    return !rest || ask_again(fetcher, rest, error);
}

gboolean fetcher_finish(Fetcher *fetcher, GArray *missing, GArray *finished, GError **error)
{
    while (!g_queue_is_empty(&fetcher->started))
        if (!finish_oldest(fetcher, missing, finished, error))
            return FALSE;
    return TRUE;
}

static void give_up_job(const FetchJob *job, GArray *missing, GArray *finished)
{
    for (guint i = 0; i < job->items->len; i++) {
        gint64 message = g_array_index(job->items, CacheWanted, i).message;
        g_array_append_val(missing, message);
        g_array_append_val(finished, message);
    }
}

/* The folder can't be selected, or isn't what it was: the next round finds out, this job ends. */
static gboolean is_about_folder(const GError *error)
{
    return g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED) ||
           g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND);
}

gboolean fetcher_start(Fetcher *fetcher, FetchJob *job, GArray *missing, GArray *finished,
                       GError **error)
{
    g_autoptr(FetchJob) owned = job;
    g_autoptr(GError) reason = NULL;

    if (job->folder != fetcher->selected) {
        if (!fetcher_finish(fetcher, missing, finished, error))
            return FALSE;
        if (!select_folder(fetcher, job->folder, &reason)) {
            if (!is_about_folder(reason)) {
                g_propagate_error(error, g_steal_pointer(&reason));
                return FALSE;
            }
            give_up_job(job, missing, finished);
            return TRUE;
        }
    }
    while (g_queue_get_length(&fetcher->started) >= PIPELINE)
        if (!finish_oldest(fetcher, missing, finished, error))
            return FALSE;
    return start_job(fetcher, g_steal_pointer(&owned), FALSE, error);
}

/* ---- extracts -------------------------------------------------------------------------------- */

typedef struct {
    guint32 uid;
    const FetchExtract *extract;
    GBytes *octets;
} Extraction;

static gboolean note_extract(const ImapResponse *response, gpointer data, GError **error)
{
    Extraction *extraction = data;
    ImapFetchData fetch;
    GBytes *octets;

    if (!response->name || !g_str_equal(response->name, "FETCH"))
        return TRUE;
    if (!imap_fetch_data_parse(response, &fetch, error))
        return FALSE;
    if (fetch.uid != extraction->uid ||
        !imap_fetch_data_section(&fetch, extraction->extract->section, &octets))
        return TRUE;
    g_clear_pointer(&extraction->octets, g_bytes_unref);
    extraction->octets = octets ? octets : g_bytes_new(NULL, 0);
    if (g_bytes_get_size(extraction->octets) <= extraction->extract->length)
        return TRUE;
    g_clear_pointer(&extraction->octets, g_bytes_unref);
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "the server sent more of a message than it was asked for");
    return FALSE;
}

GBytes *fetcher_extract(Fetcher *fetcher, const CacheWanted *wanted, const FetchExtract *extract,
                        GError **error)
{
    Extraction extraction = {wanted->base_uid, extract, NULL};

    if (fetcher->selected != wanted->folder && !select_folder(fetcher, wanted->folder, error))
        return NULL;
    gboolean ok = imap_client_run_with(fetcher->imap, note_extract, &extraction, NULL, error,
                                       "UID FETCH %u (UID BODY.PEEK[%s]<%u.%u>)", wanted->base_uid,
                                       extract->section, extract->offset, extract->length);
    if (ok && !extraction.octets)
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                            "The provider doesn't give the message any more.");
    if (!ok)
        g_clear_pointer(&extraction.octets, g_bytes_unref);
    return extraction.octets;
}

/* ---- X-GM-RAW -------------------------------------------------------------------------------- */

static gboolean note_found(const ImapResponse *response, gpointer data, GError **error)
{
    ImapSet *found = data;

    if (!response->name || !g_str_equal(response->name, "SEARCH"))
        return TRUE;
    g_autoptr(ImapSearchData) search = imap_search_data_parse(response, error);
    if (search)
        imap_set_add_set(found, search->all);
    return search != NULL;
}

static gboolean run_search(Fetcher *fetcher, const char *query, ImapSet *found, GError **error)
{
    ImapClientCommand *command = imap_client_command(fetcher->imap, "UID SEARCH");

    if (!g_str_is_ascii(query))
        imap_client_command_text(command, " CHARSET UTF-8");
    imap_client_command_text(command, " X-GM-RAW");
    imap_client_command_string(command, query, strlen(query));
    return imap_client_run_command(fetcher->imap, command, note_found, found, NULL, error);
}

GArray *fetcher_search(Fetcher *fetcher, gint64 folder, const char *query, GError **error)
{
    g_autoptr(ImapSet) found = imap_set_new();
    ImapSetIter iter;
    guint32 uid;

    if (fetcher->selected != folder && !select_folder(fetcher, folder, error))
        return NULL;
    if (!run_search(fetcher, query, found, error))
        return NULL;
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    imap_set_iter_init(&iter, found);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(uids, uid);
    return uids;
}
