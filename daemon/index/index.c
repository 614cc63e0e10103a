/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The indexing thread. */
#include "daemon/index/index.h"

#include "daemon/index/keys.h"
#include "daemon/index/text.h"
#include "daemon/net/thread.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

/* Well behind the threads that people wait for, but not so far that it would hold the writer's lock
 * for long when the machine is busy, as it would with SCHED_IDLE. */
#define NICE 10

struct Indexer {
    Cache *cache;
    char *account;
    NetCancel *cancel;
    CacheWatch *watch;
    int wake_fd;
    pthread_t thread;
};

/* ---- one message ----------------------------------------------------------------------------- */

/* What the part's texts are made of; NULL without `error`: the message is gone. */
static GBytes *read_part(Cache *cache, CacheTextPart part, gint64 message, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    if (!txn)
        return NULL;
    GBytes *bytes = part == CACHE_TEXT_OF_HEADERS
                        ? cache_content_header(txn, message, &failure)
                        : cache_content_read(txn, message, 0, G_MAXINT32, &failure);
    if (!bytes && !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&failure));
    return bytes;
}

static void make_texts(CacheTextPart part, GBytes *bytes, MimeStop *stop, GString *const *texts)
{
    gsize length;
    const char *data = g_bytes_get_data(bytes, &length);
    data = data ? data : "";
    if (part == CACHE_TEXT_OF_BODIES) {
        index_text_body(data, length, stop, texts[CACHE_TEXT_BODY]);
        return;
    }
    index_text_header(data, length, stop, texts[CACHE_TEXT_HEADER]);
    for (int i = 0; i < CACHE_TEXT_KINDS; i++) {
        CacheText kind = (CacheText)i;
        if (index_is_key(kind))
            index_key(kind, data, length, texts[kind]);
        else if (index_text_field(kind))
            index_text_values(data, length, index_text_field(kind), stop, texts[kind]);
    }
}

static gboolean is_triggered(gpointer cancel)
{
    return net_cancel_triggered(cancel);
}

/* ---- one segment ----------------------------------------------------------------------------- */

static gboolean collect(Cache *cache, NetCancel *cancel, CacheTextPart part, const GArray *due,
                        CacheTextWriter *writer, guint *count, GError **error)
{
    GString *texts[CACHE_TEXT_KINDS];
    gboolean room = TRUE, ok = TRUE;
    MimeStop stop = {.stopped = is_triggered, .data = cancel};

    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        texts[kind] = g_string_new(NULL);
    for (guint i = 0; i < due->len && room && ok && !net_cancel_triggered(cancel); i++) {
        GError *failure = NULL;
        gint64 message = g_array_index(due, gint64, i);
        g_autoptr(GBytes) bytes = read_part(cache, part, message, &failure);
        if (bytes) {
            make_texts(part, bytes, &stop, texts);
            room = cache_text_writer_add(writer, message, texts);
            ++*count;
        } else if (failure) {
            g_propagate_error(error, failure);
            ok = FALSE;
        }
    }
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        g_string_free(texts[kind], TRUE);
    return ok;
}

static GArray *read_due(Cache *cache, CacheTextPart part, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    return txn ? cache_text_due(txn, part, error) : NULL;
}

static gboolean write_segment(Cache *cache, NetCancel *cancel, CacheTextPart part, gboolean *worked,
                              GError **error)
{
    guint count = 0;
    g_autoptr(CacheTextWriter) writer = cache_text_writer_new(cache, part);
    g_autoptr(GArray) due = read_due(cache, part, error);

    if (!due || !collect(cache, cancel, part, due, writer, &count, error))
        return FALSE;
    *worked = *worked || due->len > 0;
    if (!count || net_cancel_triggered(cancel))
        return TRUE;
    cache_text_writer_end(writer);
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE, error);
    return txn && cache_text_writer_store(writer, txn, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* ---- compaction ------------------------------------------------------------------------------ */

static gboolean is_stale(Cache *cache, gboolean *stale, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    *stale = txn && cache_text_stale(txn);
    return txn != NULL;
}

static gboolean compact(Cache *cache, NetCancel *cancel, gboolean *worked, GError **error)
{
    gint64 position = 0;

    if (!is_stale(cache, worked, error))
        return FALSE;
    while (*worked && position != G_MAXINT64 && !net_cancel_triggered(cancel)) {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE, error);
        if (!txn || !cache_text_compact(txn, &position, error) ||
            !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

/* ---- the thread ------------------------------------------------------------------------------ */

gboolean index_step(Cache *cache, NetCancel *cancel, gboolean *worked, GError **error)
{
    *worked = FALSE;
    if (!write_segment(cache, cancel, CACHE_TEXT_OF_HEADERS, worked, error) ||
        !write_segment(cache, cancel, CACHE_TEXT_OF_BODIES, worked, error))
        return FALSE;
    return *worked || compact(cache, cancel, worked, error);
}

static void sleep_until_woken(Indexer *indexer)
{
    struct pollfd fds[] = {{indexer->wake_fd, POLLIN, 0},
                           {net_cancel_fd(indexer->cancel), POLLIN, 0}};
    eventfd_t count;

    poll(fds, G_N_ELEMENTS(fds), -1);
    eventfd_read(indexer->wake_fd, &count);
}

static void *run(void *data)
{
    Indexer *indexer = data;

    net_thread_name("index", indexer->account);
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    while (!net_cancel_triggered(indexer->cancel)) {
        g_autoptr(GError) error = NULL;
        gboolean worked;
        /* What fails now (a full disk) is tried again when more content comes. */
        if (!index_step(indexer->cache, indexer->cancel, &worked, &error))
            g_warning("Searches stay slow, the text of messages can't be indexed: %s",
                      error->message);
        if (error || !worked)
            sleep_until_woken(indexer);
    }
    return NULL;
}

Indexer *indexer_new(Cache *cache, const char *account)
{
    Indexer *indexer = g_new0(Indexer, 1);

    indexer->cache = cache;
    indexer->account = g_strdup(account);
    indexer->cancel = net_cancel_new();
    indexer->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    indexer->watch = cache_watch_texts(cache, indexer->wake_fd);
    if (pthread_create(&indexer->thread, NULL, run, indexer) != 0)
        g_error("A thread for indexing can't be started");
    return indexer;
}

void indexer_free(Indexer *indexer)
{
    if (!indexer)
        return;
    net_cancel_trigger(indexer->cancel);
    pthread_join(indexer->thread, NULL);
    cache_unwatch(indexer->watch);
    close(indexer->wake_fd);
    net_cancel_unref(indexer->cancel);
    g_free(indexer->account);
    g_free(indexer);
}
