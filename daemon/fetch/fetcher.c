/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fetching content over one connection. */
#include "daemon/fetch/fetcher.h"

#include "daemon/index/render.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/proto/mime/bodystructure-told.h"
#include "daemon/upstream/connect.h"

/* What one transaction writes at most. */
#define BATCH_MESSAGES 200
#define BATCH_BYTES    (2 * 1024 * 1024)

/* Commands refused one after the other, without anything that came, until it isn't about messages. */
#define FRUITLESS_MAX 12

/* A connection that nothing was heard on for PROBE_AFTER_USEC is asked whether it still is one, and
 * has PROBE_SECONDS to answer: a dead one costs no more than connecting. */
#define PROBE_AFTER_USEC (5 * G_USEC_PER_SEC)
#define PROBE_SECONDS    5

/* Commands under way: while one is answered, the server prepares the next. */
#define PIPELINE 2

/* A message that has come and isn't in the cache yet. */
typedef struct {
    CacheWanted item;
    guint32 uidvalidity;        /* the epoch of its base UID */
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
    gint64 heard;      /* when it was last of use (of the clock) */
    gint64 selected;
    guint32 uidvalidity; /* of the selected folder */
    gint64 renumbered;   /* a folder whose numbers turned out to be others than the base's */
    guint fruitless;     /* refusals since something came */
    GQueue started;      /* Started */
    GHashTable *uids;    /* base UID -> CacheWanted, of what is under way */
    GHashTable *came;    /* messages that have come, of what is under way */
    GHashTable *too_big; /* and those that can't be stored: message (gint64) → why */
    GArray *batch;       /* Arrived */
    guint64 batch_bytes;
};

GQuark fetch_error_quark(void)
{
    return g_quark_from_static_string("fetch-error");
}

FetchJob *fetch_job_new(gint64 folder, guint32 uidvalidity, CacheContentState state)
{
    FetchJob *job = g_new0(FetchJob, 1);

    job->folder = folder;
    job->uidvalidity = uidvalidity;
    job->state = state;
    job->items = g_array_new(FALSE, FALSE, sizeof(CacheWanted));
    return job;
}

FetchJob *fetch_job_copy(const FetchJob *job)
{
    FetchJob *copy = g_new0(FetchJob, 1);

    *copy = *job;
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

static void free_header_job(gpointer job)
{
    fetch_job_free(job);
}

void fetch_outcome_init(FetchOutcome *outcome)
{
    outcome->finished = g_array_new(FALSE, FALSE, sizeof(CacheWanted));
    outcome->refused = g_array_new(FALSE, FALSE, sizeof(CacheWanted));
    outcome->rest = g_ptr_array_new_with_free_func(free_header_job);
    outcome->words = NULL;
    outcome->renumbered = 0;
}

void fetch_outcome_clear(FetchOutcome *outcome)
{
    g_clear_pointer(&outcome->finished, g_array_unref);
    g_clear_pointer(&outcome->refused, g_array_unref);
    g_clear_pointer(&outcome->rest, g_ptr_array_unref);
    g_clear_pointer(&outcome->words, g_free);
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
    fetcher->too_big = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
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
    g_hash_table_unref(fetcher->too_big);
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
    fetcher_rest(fetcher);
    return fetcher->imap != NULL;
}

void fetcher_lend(Fetcher *fetcher, ImapClient *imap)
{
    fetcher->imap = NULL; /* not ours to close */
    fetcher_disconnect(fetcher);
    fetcher->imap = imap;
}

void fetcher_rest(Fetcher *fetcher)
{
    fetcher->heard = net_clock_usec(fetcher->access.clock);
}

gboolean fetcher_is_alive(Fetcher *fetcher)
{
    g_autoptr(GError) error = NULL;

    if (net_clock_usec(fetcher->access.clock) - fetcher->heard < PROBE_AFTER_USEC ||
        imap_client_probe(fetcher->imap, PROBE_SECONDS, &error))
        return TRUE;
    g_debug("%s: the connection has died: %s", fetcher->access.settings->id, error->message);
    return FALSE;
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
    g_hash_table_remove_all(fetcher->too_big);
    g_array_set_size(fetcher->batch, 0);
    fetcher->batch_bytes = 0;
}

static CacheFolder *read_folder(Fetcher *fetcher, gint64 id, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(fetcher->cache, CACHE_READ, error);

    return txn ? cache_folder_get(txn, id, error) : NULL;
}

static gboolean renumbered(const CacheFolder *folder, GError **error)
{
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                "%s has been renumbered upstream; it is being read anew.", folder->base_name);
    return FALSE;
}

/* UIDs are used only in the epoch they are from: of the job, the base and the server. */
static gboolean select_folder(Fetcher *fetcher, gint64 id, guint32 uidvalidity, GError **error)
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
    if (uidvalidity != folder->base_uidvalidity)
        return renumbered(folder, error);
    if (fetcher->selected == id && fetcher->uidvalidity == uidvalidity)
        return TRUE;
    fetcher->selected = 0;
    what.name = folder->base_name;
    if (!imap_client_select(fetcher->imap, &what, &state, error))
        return FALSE;
    if (state.uidvalidity != uidvalidity) {
        fetcher->renumbered = id;
        return renumbered(folder, error);
    }
    fetcher->selected = id;
    fetcher->uidvalidity = uidvalidity;
    fetcher->fruitless = 0;
    return TRUE;
}

/* ---- what comes ------------------------------------------------------------------------------ */

/* Whether the row that it was fetched for still is that message: another epoch's UIDs mean others,
 * and a sync may have changed over since it was asked for. */
static gboolean is_still(CacheTxn *txn, const CacheWanted *item, guint32 uidvalidity)
{
    g_autoptr(CacheFolder) folder = cache_folder_get(txn, item->folder, NULL);
    CachePlacement row;

    return folder && folder->base_uidvalidity == uidvalidity &&
           cache_placement_by_base(txn, item->folder, item->base_uid, &row, NULL) &&
           row.message == item->message;
}

static gboolean write_arrived(CacheTxn *txn, Arrived *arrived, GError **error)
{
    g_autoptr(GError) reason = NULL;
    gint64 message = arrived->item.message;

    if (!is_still(txn, &arrived->item, arrived->uidvalidity))
        return TRUE;
    gboolean ok = arrived->writer ? cache_content_writer_finish(arrived->writer, txn, message,
                                                                &arrived->rendered, &reason)
                                  : cache_content_set_header(txn, message, arrived->header,
                                                             &arrived->rendered, &reason);

    /* Gone meanwhile: nobody wants it any more. */
    if (ok || g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* In one transaction. FALSE: nothing was written; *culprit is the arrival that it failed at, or how
 * many there are: none of them. */
static gboolean try_batch(Fetcher *fetcher, guint *culprit, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(fetcher->cache, CACHE_WRITE, error);

    *culprit = fetcher->batch->len;
    for (guint i = 0; txn && i < fetcher->batch->len; i++)
        if (!write_arrived(txn, &g_array_index(fetcher->batch, Arrived, i), error)) {
            *culprit = i;
            return FALSE;
        }
    return txn && cache_commit(g_steal_pointer(&txn), error);
}

/* What no database can hold is that message's trouble, not the others'. */
static void leave_out(Fetcher *fetcher, guint i, const char *words)
{
    gint64 message = g_array_index(fetcher->batch, Arrived, i).item.message;

    g_hash_table_remove(fetcher->came, &message);
    g_hash_table_insert(fetcher->too_big, g_memdup2(&message, sizeof message), g_strdup(words));
    g_array_remove_index(fetcher->batch, i);
}

static gboolean write_batch(Fetcher *fetcher, GError **error)
{
    GError *reason = NULL;
    guint culprit;

    if (fetcher->batch->len == 0)
        return TRUE;
    while (!try_batch(fetcher, &culprit, &reason)) {
        if (culprit == fetcher->batch->len ||
            !g_error_matches(reason, CACHE_ERROR, CACHE_ERROR_TOO_BIG)) {
            g_propagate_error(error, reason);
            return FALSE;
        }
        leave_out(fetcher, culprit, reason->message);
        g_clear_error(&reason);
    }
    g_array_set_size(fetcher->batch, 0);
    fetcher->batch_bytes = 0;
    fetcher->arrived(fetcher->data);
    return TRUE;
}

static gsize size_of(GBytes *bytes)
{
    return bytes ? g_bytes_get_size(bytes) : 0;
}

/* size: of its octets; what was rendered of them can be as much again. */
static gboolean add_to_batch(Fetcher *fetcher, Arrived *arrived, gsize size, GError **error)
{
    g_hash_table_add(fetcher->came, g_memdup2(&arrived->item.message, sizeof(gint64)));
    fetcher->fruitless = 0;
    g_array_append_val(fetcher->batch, *arrived);
    fetcher->batch_bytes +=
        size + size_of(arrived->rendered.envelope) + size_of(arrived->rendered.bodystructure);
    return (fetcher->batch->len < BATCH_MESSAGES && fetcher->batch_bytes < BATCH_BYTES) ||
           write_batch(fetcher, error);
}

static gboolean add_whole(Fetcher *fetcher, const CacheWanted *item, GBytes *bytes, GError **error)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    Arrived arrived = {.item = *item,
                       .uidvalidity = fetcher->uidvalidity,
                       .writer = cache_content_writer_new(fetcher->cache)};

    if (!cache_content_writer_add(arrived.writer, data, size, error)) {
        clear_arrived(&arrived);
        return FALSE;
    }
    cache_content_writer_end(arrived.writer);
    render_message(data ? data : "", size, TRUE, &arrived.rendered);
    return add_to_batch(fetcher, &arrived, size, error);
}

static gboolean add_header(Fetcher *fetcher, const CacheWanted *item, GBytes *bytes,
                           const ImapFetchData *fetch, GError **error)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    Arrived arrived = {
        .item = *item, .uidvalidity = fetcher->uidvalidity, .header = g_bytes_ref(bytes)};
    const ImapNode *told = imap_fetch_data_value(fetch, "BODYSTRUCTURE");

    render_message(data ? data : "", size, FALSE, &arrived.rendered);
    /* What is shown of messages whose bodies stay there; without it, they are fetched when asked. */
    if (told)
        arrived.rendered.bodystructure = mime_bodystructure_told(told);
    return add_to_batch(fetcher, &arrived, size, error);
}

/* Some servers give nothing in place of a message that they can't read now. That isn't the message,
 * unless it is all that they have said for long. */
static gboolean is_doubtful(Fetcher *fetcher, const CacheWanted *item, GBytes *bytes)
{
    const Started *started = g_queue_peek_head(&fetcher->started);
    CachePlacement row;

    if (bytes && (g_bytes_get_size(bytes) > 0 || (started && started->job->keep_empty)))
        return FALSE;
    g_autoptr(CacheTxn) txn = cache_begin(fetcher->cache, CACHE_READ, NULL);
    return !bytes || !txn ||
           !cache_placement_by_base(txn, item->folder, item->base_uid, &row, NULL) || row.size > 0;
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
    const CacheWanted *item = g_hash_table_lookup(fetcher->uids, GUINT_TO_POINTER(fetch.uid));
    if (!item || g_hash_table_contains(fetcher->came, &item->message))
        return TRUE;
    if (imap_fetch_data_section(&fetch, "", &bytes))
        return is_doubtful(fetcher, item, bytes) || add_whole(fetcher, item, bytes, error);
    if (imap_fetch_data_section(&fetch, "HEADER", &bytes) && bytes)
        return add_header(fetcher, item, bytes, &fetch, error);
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
                            g_memdup2(item, sizeof *item));
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

static gboolean start_whole(Fetcher *fetcher, FetchJob *job, gboolean again, GError **error)
{
    Started *started = g_new0(Started, 1);

    started->number = send_job(fetcher, job, error);
    started->job = job;
    started->again = again;
    /* What couldn't be sent is a part of the rest, see abandon(). */
    g_queue_push_tail(&fetcher->started, started);
    return started->number != 0;
}

static FetchJob *part_of(const FetchJob *job, guint from, guint to)
{
    FetchJob *part = fetch_job_new(job->folder, job->uidvalidity, job->state);

    part->keep_empty = job->keep_empty;
    part->breaks = job->breaks;
    for (guint i = from; i < to; i++)
        g_array_append_val(part->items, g_array_index(job->items, CacheWanted, i));
    return part;
}

static gsize set_length(const FetchJob *job)
{
    g_autoptr(ImapSet) set = imap_set_new();
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < job->items->len; i++)
        imap_set_add(set, g_array_index(job->items, CacheWanted, i).base_uid);
    imap_set_format(set, text);
    return text->len;
}

/* In as many commands as it takes for lines that aren't too long. */
static gboolean start_job(Fetcher *fetcher, FetchJob *job, gboolean again, GError **error)
{
    guint half = job->items->len / 2;

    if (half == 0 || set_length(job) <= IMAP_CLIENT_SET)
        return start_whole(fetcher, job, again, error);
    gboolean ok = start_job(fetcher, part_of(job, 0, half), again, error);
    ok = start_job(fetcher, part_of(job, half, job->items->len), again, ok ? error : NULL) && ok;
    fetch_job_free(job);
    return ok;
}

/* Asks once more for what didn't come: a message may be newer than what this connection knows of
 * the folder, which NOOP brings up to date. */
static gboolean ask_again(Fetcher *fetcher, FetchJob *rest, FetchOutcome *outcome, GError **error)
{
    if (imap_client_run(fetcher->imap, NULL, error, "NOOP"))
        return start_job(fetcher, rest, TRUE, error);
    g_ptr_array_add(outcome->rest, rest);
    return FALSE;
}

static void refuse(FetchOutcome *outcome, const CacheWanted *item, const char *words)
{
    g_array_append_val(outcome->refused, *item);
    g_free(outcome->words);
    outcome->words = g_strdup(words);
}

/* Sorts a finished job's messages: what came is finished, what can't be stored is refused. Gives the
 * others, or NULL. */
static FetchJob *sort_out(Fetcher *fetcher, const FetchJob *job, FetchOutcome *outcome)
{
    g_autoptr(FetchJob) rest = part_of(job, 0, 0);

    for (guint i = 0; i < job->items->len; i++) {
        const CacheWanted *item = &g_array_index(job->items, CacheWanted, i);
        gpointer uid = GUINT_TO_POINTER(item->base_uid);
        const char *too_big = g_hash_table_lookup(fetcher->too_big, &item->message);
        if (g_hash_table_remove(fetcher->came, &item->message))
            g_array_append_val(outcome->finished, *item);
        else if (too_big)
            refuse(outcome, item, too_big);
        else
            g_array_append_val(rest->items, *item);
        g_hash_table_remove(fetcher->too_big, &item->message);
        g_hash_table_remove(fetcher->uids, uid);
    }
    return rest->items->len > 0 ? g_steal_pointer(&rest) : NULL;
}

static gboolean note_there(const ImapResponse *response, gpointer data, GError **error)
{
    ImapSet *there = data;
    ImapFetchData fetch;

    if (response->name && g_str_equal(response->name, "FETCH") &&
        imap_fetch_data_parse(response, &fetch, NULL) && (fetch.got & IMAP_GOT_UID))
        imap_set_add(there, fetch.uid);
    return TRUE;
}

/* One message that the provider doesn't give: refused, if it is there; else it is gone, and the next
 * round finds that out. */
static gboolean refuse_one(Fetcher *fetcher, const FetchJob *job, FetchOutcome *outcome,
                           const ImapReply *reply, GError **error)
{
    const CacheWanted *item = &g_array_index(job->items, CacheWanted, 0);
    g_autoptr(ImapSet) there = imap_set_new();
    g_auto(ImapReply) answer = {0};

    if (!imap_client_run_with(fetcher->imap, note_there, there, &answer, error,
                              "UID FETCH %u (UID)", item->base_uid)) {
        g_ptr_array_add(outcome->rest, fetch_job_copy(job));
        return FALSE;
    }
    if (answer.cond == IMAP_COND_OK && !imap_set_contains(there, item->base_uid)) {
        g_array_append_val(outcome->finished, *item);
        return TRUE;
    }
    refuse(outcome, item,
           reply->cond != IMAP_COND_OK && reply->text && *reply->text
               ? reply->text
               : "the provider doesn't give it");
    return TRUE;
}

/* Nothing comes of any: that isn't about one message, but about the folder, or all of them: each is
 * found out about by itself. */
static gboolean is_general(Fetcher *fetcher, const ImapReply *reply)
{
    static const char *const codes[] = {"OVERQUOTA", "LIMIT", "UNAVAILABLE", "NOPERM", NULL};

    if (reply->cond == IMAP_COND_OK)
        return FALSE;
    fetcher->fruitless++;
    return (reply->code && g_strv_contains(codes, reply->code) && fetcher->fruitless >= 2) ||
           fetcher->fruitless >= FRUITLESS_MAX;
}

static gboolean split_job(Fetcher *fetcher, const FetchJob *job, GError **error)
{
    guint half = job->items->len / 2;

    gboolean ok = start_job(fetcher, part_of(job, 0, half), TRUE, error);
    return start_job(fetcher, part_of(job, half, job->items->len), TRUE, ok ? error : NULL) && ok;
}

/* Waits for the oldest command; its messages are in the cache then. What didn't come is asked for
 * again, then halved. */
static gboolean finish_oldest(Fetcher *fetcher, FetchOutcome *outcome, GError **error)
{
    Started *started = g_queue_peek_head(&fetcher->started);
    g_auto(ImapReply) reply = {0};

    if (!imap_client_finish(fetcher->imap, started->number, &reply, error) ||
        !write_batch(fetcher, error))
        return FALSE;
    g_autoptr(FetchJob) rest = sort_out(fetcher, started->job, outcome);
    const gint64 folder = started->job->folder;
    gboolean again = started->again;
    g_queue_pop_head(&fetcher->started);
    free_started(started);
    if (!rest)
        return TRUE;
    if (is_general(fetcher, &reply)) {
        outcome->closed = folder;
        g_set_error(error, FETCH_ERROR, FETCH_ERROR_REFUSED, "%s",
                    reply.text && *reply.text ? reply.text : "refused");
        return FALSE;
    }
    if (!again)
        return ask_again(fetcher, g_steal_pointer(&rest), outcome, error);
    if (rest->items->len == 1)
        return refuse_one(fetcher, rest, outcome, &reply, error);
    return split_job(fetcher, rest, error);
}

/* What has come and can't be written hasn't come. */
static void drop_batch(Fetcher *fetcher)
{
    for (guint i = 0; i < fetcher->batch->len; i++)
        g_hash_table_remove(fetcher->came, &g_array_index(fetcher->batch, Arrived, i).item.message);
    g_array_set_size(fetcher->batch, 0);
    fetcher->batch_bytes = 0;
}

/* The connection has failed, or the disk: what has come is kept, what is under way is the rest. */
static void abandon(Fetcher *fetcher, FetchOutcome *outcome)
{
    Started *started;

    if (!write_batch(fetcher, NULL))
        drop_batch(fetcher);
    while ((started = g_queue_pop_head(&fetcher->started))) {
        FetchJob *rest = sort_out(fetcher, started->job, outcome);
        if (rest)
            g_ptr_array_add(outcome->rest, rest);
        free_started(started);
    }
}

static gboolean finish_to(Fetcher *fetcher, guint left, FetchOutcome *outcome, GError **error)
{
    while (g_queue_get_length(&fetcher->started) > left)
        if (!finish_oldest(fetcher, outcome, error)) {
            abandon(fetcher, outcome);
            return FALSE;
        }
    return TRUE;
}

gboolean fetcher_finish(Fetcher *fetcher, FetchOutcome *outcome, GError **error)
{
    return finish_to(fetcher, 0, outcome, error);
}

/* The folder can't be selected, or isn't what it was: the next round finds out, this job ends. */
static gboolean is_about_folder(const GError *error)
{
    return g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED) ||
           g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND);
}

static gboolean begin_job(Fetcher *fetcher, FetchJob *job, FetchOutcome *outcome, GError **error)
{
    g_autoptr(FetchJob) owned = job;
    g_autoptr(GError) reason = NULL;

    if (select_folder(fetcher, job->folder, job->uidvalidity, &reason)) {
        if (start_job(fetcher, g_steal_pointer(&owned), FALSE, error))
            return TRUE;
    } else if (is_about_folder(reason)) {
        /* The round will see to the folder; whoever waits for these finds them missing. */
        outcome->renumbered = fetcher->renumbered;
        fetcher->renumbered = 0;
        g_array_append_vals(outcome->finished, job->items->data, job->items->len);
        return TRUE;
    } else {
        g_propagate_error(error, g_steal_pointer(&reason));
    }
    if (owned)
        g_ptr_array_add(outcome->rest, g_steal_pointer(&owned));
    abandon(fetcher, outcome);
    return FALSE;
}

gboolean fetcher_start(Fetcher *fetcher, FetchJob *job, FetchOutcome *outcome, GError **error)
{
    gboolean same = job->folder == fetcher->selected && job->uidvalidity == fetcher->uidvalidity;

    if (!finish_to(fetcher, same ? PIPELINE - 1 : 0, outcome, error)) {
        g_ptr_array_add(outcome->rest, job);
        return FALSE;
    }
    return begin_job(fetcher, job, outcome, error);
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

static gboolean check_still(Fetcher *fetcher, const FetchJob *job, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(fetcher->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    if (is_still(txn, &g_array_index(job->items, CacheWanted, 0), job->uidvalidity))
        return TRUE;
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                        "The folder has been renumbered upstream; it is being read anew.");
    return FALSE;
}

GBytes *fetcher_extract(Fetcher *fetcher, const FetchJob *job, const FetchExtract *extract,
                        GError **error)
{
    const CacheWanted *wanted = &g_array_index(job->items, CacheWanted, 0);
    Extraction extraction = {wanted->base_uid, extract, NULL};

    if (!select_folder(fetcher, job->folder, job->uidvalidity, error))
        return NULL;
    gboolean ok = imap_client_run_with(fetcher->imap, note_extract, &extraction, NULL, error,
                                       "UID FETCH %u (UID BODY.PEEK[%s]<%u.%u>)", wanted->base_uid,
                                       extract->section, extract->offset, extract->length);
    if (ok && !extraction.octets)
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                            "The provider doesn't give the message any more.");
    if (!ok || !extraction.octets || !check_still(fetcher, job, error))
        g_clear_pointer(&extraction.octets, g_bytes_unref);
    return extraction.octets;
}

/* ---- X-GM-RAW -------------------------------------------------------------------------------- */

GArray *fetcher_search(Fetcher *fetcher, gint64 folder, const char *query, GError **error)
{
    const char *keys = g_str_is_ascii(query) ? "X-GM-RAW" : "CHARSET UTF-8 X-GM-RAW";
    ImapSetIter iter;
    guint32 uid;

    g_autoptr(CacheFolder) row = read_folder(fetcher, folder, error);
    if (!row || !select_folder(fetcher, folder, row->base_uidvalidity, error))
        return NULL;
    g_autoptr(ImapSet) found = imap_client_search(fetcher->imap, keys, query, error);
    if (!found)
        return NULL;
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    imap_set_iter_init(&iter, found);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(uids, uid);
    return uids;
}
