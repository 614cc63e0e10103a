/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which content is fetched when. Requests of sessions come first: a thread of its own waits for
 * them, and the prefetching threads look for them between two commands, which are kept short. What
 * prefetch wants stands in a plan, a list of the newest messages that aren't here, from which the
 * threads take pieces; it is made again when something new arrived.
 */
#include "daemon/fetch/bodies.h"

#include "daemon/config/choice.h"
#include "daemon/config/habits.h"
#include "daemon/fetch/aside.h"
#include "daemon/fetch/fetcher.h"
#include "daemon/net/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Messages planned at a time; each plan is one look into an index. */
#define PLAN 4000

/* Of a large folder that is new here, the newest headers come before any bodies. */
#define HEADERS_FIRST        200
#define HEADERS_FIRST_ENOUGH 1000

/* Messages in one command: few enough that a request never waits long. */
#define PIECE_MIN       4
#define PIECE_MAX       400
#define PIECE_USEC_SLOW (800 * 1000)
#define PIECE_USEC_FAST (250 * 1000)

/* A connection with nothing to do is closed after this long. */
#define IDLE_SECONDS 60

/* Connections that may break one after the other before that is taken for the network's doing. */
#define BREAKS_MAX 24

#define BACKOFF_MIN 2
#define BACKOFF_MAX 300
/* A full disk is looked at more often: nobody is bothered by that. */
#define BACKOFF_NO_SPACE 30

/* What a session waits for. */
typedef struct {
    GPtrArray *jobs;      /* FetchJob, not taken yet */
    FetchExtract extract; /* of the one message; no section: contents are waited for */
    GBytes *octets;       /* of that */
    char *query;          /* what is searched for, or NULL, */
    gint64 folder;        /* where, */
    GArray *found;        /* and what was found: guint32 */
    int event_fd;         /* written to when it is done */
    gboolean done;
    GError *error;
    gint refs;
} Request;

typedef struct {
    FetchBodies *bodies;
    gboolean requests_only;
    pthread_t thread;
} Worker;

struct FetchBodies {
    AccountAccess access;
    Cache *cache;

    pthread_mutex_t lock;
    pthread_cond_t work; /* signalled on any change that may mean work */
    gboolean stop;
    gboolean online;
    NetCancel *cancel; /* of the present time online */
    char *reason;      /* why offline */
    GQueue requests;   /* Request */

    GArray *plan; /* CacheWanted, all of one folder */
    guint32 plan_uidvalidity;
    GQueue halves;     /* FetchJob: what broke a connection, before anything else */
    guint breaks;      /* connections that broke since something came */
    FetchAside *aside; /* what the provider doesn't give */
    guint planned;     /* how many of them have been taken */
    CacheContentState plan_state;
    gboolean planless;      /* nothing was wanted when the last plan was made */
    GHashTable *claimed;    /* messages under way */
    GHashTable *refused;    /* messages that are gone, until someone asks */
    GHashTable *headed;     /* folders whose newest headers have been planned */
    GHashTable *renumbered; /* folder -> how many connections had other numbers for it */
    guint busy;             /* threads that prefetch */
    gboolean failing;       /* the last thing a prefetching thread did failed */
    char *no_space;         /* why what came couldn't be kept: the disk is full; NULL: it could */
    guint wakes;            /* counted: each ends a back-off */

    FetchListener listener;
    gpointer listener_data;

    Worker *workers;
    guint n_workers;
};

/* ---- requests -------------------------------------------------------------------------------- */

static void free_body_job(gpointer job)
{
    fetch_job_free(job);
}

static Request *request_new(void)
{
    Request *request = g_new0(Request, 1);

    request->jobs = g_ptr_array_new_with_free_func(free_body_job);
    request->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    request->refs = 1;
    return request;
}

static void request_unref(Request *request)
{
    if (!g_atomic_int_dec_and_test(&request->refs))
        return;
    g_ptr_array_unref(request->jobs);
    close(request->event_fd);
    g_clear_error(&request->error);
    g_free(request->extract.section);
    g_clear_pointer(&request->octets, g_bytes_unref);
    g_clear_pointer(&request->found, g_array_unref);
    g_free(request->query);
    g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_unref)

/* Under the lock. */
static void request_done(Request *request, const GError *error)
{
    guint64 one = 1;

    if (request->done)
        return;
    request->done = TRUE;
    request->error = error ? g_error_copy(error) : NULL;
    if (write(request->event_fd, &one, sizeof one) < 0)
        g_warning("Waking a session: %s", g_strerror(errno));
}

static FetchJob *job_of(GPtrArray *jobs, const CacheFolder *folder, CacheContentState state)
{
    for (guint i = 0; i < jobs->len; i++) {
        FetchJob *job = jobs->pdata[i];
        if (job->folder == folder->id && job->items->len < PIECE_MAX)
            return job;
    }
    FetchJob *job = fetch_job_new(folder->id, folder->base_uidvalidity, state);
    g_ptr_array_add(jobs, job);
    return job;
}

static gboolean find_present(const CachePlacement *placement, gpointer data)
{
    CachePlacement *found = data;

    if (placement->base != CACHE_BASE_PRESENT)
        return TRUE;
    *found = *placement;
    return FALSE;
}

/* Adds what isn't here of `messages` to the request's jobs, by folder. FALSE: one of them is
 * nowhere upstream. */
static gboolean plan_request(FetchBodies *bodies, Request *request, const gint64 *messages,
                             gsize count, CacheContentState state, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(bodies->cache, CACHE_READ, error);

    if (!txn)
        return FALSE;
    for (gsize i = 0; i < count; i++) {
        CachePlacement found = {0};
        if (cache_content_state(txn, messages[i]) >= state)
            continue;
        if (!cache_placement_each_of(txn, messages[i], find_present, &found, error))
            return FALSE;
        if (found.folder == 0) {
            g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                                "The message is gone at the provider before it was fetched.");
            return FALSE;
        }
        CacheWanted wanted = {.message = messages[i],
                              .folder = found.folder,
                              .base_uid = found.base_uid,
                              .uid = found.uid};
        g_autoptr(CacheFolder) folder = cache_folder_get(txn, found.folder, error);
        if (!folder)
            return FALSE;
        g_array_append_val(job_of(request->jobs, folder, state)->items, wanted);
    }
    return TRUE;
}

static gboolean check_arrived(FetchBodies *bodies, const gint64 *messages, gsize count,
                              CacheContentState state, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(bodies->cache, CACHE_READ, error);

    for (gsize i = 0; txn && i < count; i++)
        if (cache_content_state(txn, messages[i]) < state) {
            g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                                "The provider doesn't give the message any more.");
            return FALSE;
        }
    return txn != NULL;
}

/* Queues it, unless upstream isn't to be used now. */
static gboolean queue_request(FetchBodies *bodies, Request *request, GError **error)
{
    gboolean online;

    pthread_mutex_lock(&bodies->lock);
    online = bodies->online && !bodies->stop;
    if (online) {
        g_atomic_int_inc(&request->refs);
        g_queue_push_tail(&bodies->requests, request);
        pthread_cond_broadcast(&bodies->work);
    } else {
        g_set_error(error, NET_ERROR, NET_ERROR_CONNECT, "Not here yet, and %s.",
                    bodies->reason ? bodies->reason : "the provider can't be reached now");
    }
    pthread_mutex_unlock(&bodies->lock);
    return online;
}

static gboolean await_request(FetchBodies *bodies, Request *request, NetCancel *cancel,
                              GError **error)
{
    struct pollfd fds[] = {{.fd = request->event_fd, .events = POLLIN},
                           {.fd = cancel ? net_cancel_fd(cancel) : -1, .events = POLLIN}};
    gboolean ok = FALSE;

    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&bodies->lock);
    if (!request->done) {
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED, "Cancelled.");
        g_ptr_array_set_size(request->jobs, 0);
    } else if (request->error) {
        g_propagate_error(error, g_error_copy(request->error));
    } else {
        ok = TRUE;
    }
    pthread_mutex_unlock(&bodies->lock);
    return ok;
}

gboolean fetch_content(FetchBodies *bodies, const gint64 *messages, gsize count,
                       CacheContentState state, NetCancel *cancel, GError **error)
{
    g_autoptr(Request) request = request_new();

    if (!plan_request(bodies, request, messages, count, state, error))
        return FALSE;
    if (request->jobs->len == 0)
        return TRUE;
    return queue_request(bodies, request, error) && await_request(bodies, request, cancel, error) &&
           check_arrived(bodies, messages, count, state, error);
}

GBytes *fetch_extract(FetchBodies *bodies, gint64 message, const FetchExtract *extract,
                      NetCancel *cancel, GError **error)
{
    g_autoptr(Request) request = request_new();

    request->extract = *extract;
    request->extract.section = g_strdup(extract->section);
    if (!plan_request(bodies, request, &message, 1, CACHE_CONTENT_FULL, error))
        return NULL;
    if (request->jobs->len == 0) {
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND, "The message is here now.");
        return NULL;
    }
    if (!queue_request(bodies, request, error) || !await_request(bodies, request, cancel, error))
        return NULL;
    return g_steal_pointer(&request->octets);
}

GArray *fetch_search(FetchBodies *bodies, gint64 folder, const char *query, NetCancel *cancel,
                     GError **error)
{
    g_autoptr(Request) request = request_new();

    request->query = g_strdup(query);
    request->folder = folder;
    if (!queue_request(bodies, request, error) || !await_request(bodies, request, cancel, error))
        return NULL;
    return g_steal_pointer(&request->found);
}

/* ---- the plan -------------------------------------------------------------------------------- */

static gint64 prefetch_since(const FetchBodies *bodies)
{
    int days = bodies->access.settings->prefetch_days;

    if (days == ACCOUNT_PREFETCH_ALL)
        return G_MININT64;
    return days == ACCOUNT_PREFETCH_HEADERS
               ? G_MAXINT64
               : net_clock_seconds(bodies->access.clock) - (gint64)days * 24 * 60 * 60;
}

/* Under the lock: keeps of `wanted` what nobody is fetching. TRUE: something is left. */
static gboolean set_plan(FetchBodies *bodies, CacheTxn *txn, GArray *wanted,
                         CacheContentState state)
{
    gint64 id = wanted && wanted->len ? g_array_index(wanted, CacheWanted, 0).folder : 0;
    g_autoptr(CacheFolder) folder = id ? cache_folder_get(txn, id, NULL) : NULL;

    g_array_set_size(bodies->plan, 0);
    bodies->planned = 0;
    bodies->plan_state = state;
    bodies->plan_uidvalidity = folder ? folder->base_uidvalidity : 0;
    for (guint i = 0; folder && i < wanted->len; i++) {
        const CacheWanted *item = &g_array_index(wanted, CacheWanted, i);
        if (!g_hash_table_contains(bodies->claimed, &item->message) &&
            !g_hash_table_contains(bodies->refused, &item->message) &&
            !fetch_aside_waits(bodies->aside, item->folder, 0) &&
            !fetch_aside_waits(bodies->aside, item->folder, item->uid))
            g_array_append_val(bodies->plan, *item);
    }
    return bodies->plan->len > 0;
}

static gboolean plan_folder(FetchBodies *bodies, CacheTxn *txn, gint64 folder,
                            CacheContentState state, gint64 since, guint limit)
{
    guint more = g_hash_table_size(bodies->claimed) + g_hash_table_size(bodies->refused) +
                 fetch_aside_size(bodies->aside);
    g_autoptr(GArray) wanted = cache_content_wanted(txn, folder, state, since, limit + more, NULL);

    return set_plan(bodies, txn, wanted, state);
}

/* Whether that much of the folder's messages is to be here before anyone asks. */
static gboolean is_planned(const FetchBodies *bodies, const CacheFolder *folder,
                           CacheContentState state)
{
    const AccountSettings *settings = bodies->access.settings;
    const char *name = folder->base_name ? folder->base_name : "";

    return folder->missing > 0 && !account_leaves_out(settings, name) &&
           (state == CACHE_CONTENT_HEADER || !account_keeps_headers(settings, name));
}

static gboolean plan_newest_headers(FetchBodies *bodies, CacheTxn *txn, GPtrArray *folders)
{
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = folders->pdata[i];
        if (folder->missing < HEADERS_FIRST_ENOUGH ||
            !is_planned(bodies, folder, CACHE_CONTENT_HEADER) ||
            g_hash_table_contains(bodies->headed, &folder->id))
            continue;
        g_hash_table_add(bodies->headed, g_memdup2(&folder->id, sizeof folder->id));
        if (plan_folder(bodies, txn, folder->id, CACHE_CONTENT_HEADER, G_MININT64, HEADERS_FIRST))
            return TRUE;
    }
    return FALSE;
}

/* Whether all folders are planned alike. */
static gboolean is_simple(const FetchBodies *bodies)
{
    return !bodies->access.settings->folders && !bodies->access.settings->headers_only;
}

/* Gmail's folder of all mail holds what the others do: what the others hold comes first. */
static gboolean plan_but_all(FetchBodies *bodies, CacheTxn *txn, GPtrArray *folders,
                             CacheContentState state, gint64 since)
{
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = folders->pdata[i];
        if (is_planned(bodies, folder, state) && folder->role != CACHE_ROLE_ALL &&
            plan_folder(bodies, txn, folder->id, state, since, PLAN))
            return TRUE;
    }
    return FALSE;
}

/* The folder with the newest first; where all of that is under way or can't be had, the others. */
static gboolean plan_content(FetchBodies *bodies, CacheTxn *txn, GPtrArray *folders,
                             CacheContentState state, gint64 since)
{
    Quirks quirks;

    if (since == G_MAXINT64)
        return FALSE;
    account_habits_get(bodies->access.habits, &quirks);
    if (quirks_have(&quirks, QUIRK_ALL_MAIL_LAST) &&
        plan_but_all(bodies, txn, folders, state, since))
        return TRUE;
    if (is_simple(bodies) && plan_folder(bodies, txn, 0, state, since, PLAN))
        return TRUE;
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = folders->pdata[i];
        if (is_planned(bodies, folder, state) &&
            plan_folder(bodies, txn, folder->id, state, since, PLAN))
            return TRUE;
    }
    return FALSE;
}

/* Under the lock: makes a plan; FALSE: nothing is wanted. */
static gboolean make_plan(FetchBodies *bodies)
{
    g_autoptr(CacheTxn) txn = cache_begin(bodies->cache, CACHE_READ, NULL);
    g_autoptr(GPtrArray) folders = txn ? cache_folder_list(txn, NULL) : NULL;
    gint64 since = prefetch_since(bodies);

    if (!folders || !fetch_aside_load(bodies->aside, txn))
        return FALSE;
    return plan_newest_headers(bodies, txn, folders) ||
           plan_content(bodies, txn, folders, CACHE_CONTENT_FULL, since) ||
           ((since != G_MININT64 || bodies->access.settings->headers_only) &&
            plan_content(bodies, txn, folders, CACHE_CONTENT_HEADER, G_MININT64));
}

/* Under the lock: whether prefetch has something to take. */
static gboolean have_plan(FetchBodies *bodies)
{
    if (!g_queue_is_empty(&bodies->halves) || bodies->planned < bodies->plan->len)
        return TRUE;
    if (bodies->planless)
        return FALSE;
    if (make_plan(bodies))
        return TRUE;
    bodies->planless = TRUE;
    return FALSE;
}

/* Under the lock: the next `count` of the plan as a job; NULL: none. What was refused before is asked
 * for by itself. */
static FetchJob *next_job(FetchBodies *bodies, guint count)
{
    if (!have_plan(bodies))
        return NULL;
    if (!g_queue_is_empty(&bodies->halves))
        return g_queue_pop_head(&bodies->halves);
    const CacheWanted *first = &g_array_index(bodies->plan, CacheWanted, bodies->planned);
    FetchJob *job = fetch_job_new(first->folder, bodies->plan_uidvalidity, bodies->plan_state);
    if (fetch_aside_has(bodies->aside, first->folder, 0))
        count = 1;
    while (bodies->planned < bodies->plan->len && job->items->len < count) {
        const CacheWanted *item = &g_array_index(bodies->plan, CacheWanted, bodies->planned);
        gboolean alone = fetch_aside_has(bodies->aside, item->folder, item->uid);
        if (alone && job->items->len > 0)
            break;
        bodies->planned++;
        if (g_hash_table_add(bodies->claimed, g_memdup2(&item->message, sizeof(gint64))))
            g_array_append_val(job->items, *item);
        job->keep_empty = alone && fetch_aside_is_old(bodies->aside, item->folder, item->uid);
        if (alone)
            break;
    }
    return job;
}

/* ---- the threads ----------------------------------------------------------------------------- */

/* Under the lock. */
static gboolean is_busy(FetchBodies *bodies)
{
    return !bodies->stop && bodies->online &&
           (bodies->busy > 0 || (!bodies->failing && have_plan(bodies)));
}

static void arrived(gpointer data)
{
    FetchBodies *bodies = data;

    pthread_mutex_lock(&bodies->lock);
    if (bodies->listener)
        bodies->listener(is_busy(bodies), bodies->no_space, bodies->listener_data);
    pthread_mutex_unlock(&bodies->lock);
}

/* Under the lock: nothing is claimed any more, and a new plan has to be made. With several threads
 * that is more than this one's own, which at worst fetches something twice. */
static void forget_claims(FetchBodies *bodies)
{
    FetchJob *job;

    while ((job = g_queue_pop_head(&bodies->halves)))
        fetch_job_free(job);
    g_hash_table_remove_all(bodies->claimed);
    g_array_set_size(bodies->plan, 0);
    bodies->planned = 0;
    bodies->planless = FALSE;
}

static FetchJob *half_of(const FetchJob *job, guint from, guint to)
{
    FetchJob *half = fetch_job_new(job->folder, job->uidvalidity, job->state);

    g_array_append_vals(half->items, &g_array_index(job->items, CacheWanted, from), to - from);
    return half;
}

/* The connection broke at the first of the rest: it is halved to the culprit, which is refused when
 * it has broken two by itself. */
static void halve_rest(FetchBodies *bodies, FetchOutcome *outcome, const GError *error)
{
    FetchJob *job = outcome->rest->len ? outcome->rest->pdata[0] : NULL;
    guint half = job ? job->items->len / 2 : 0;

    for (guint i = outcome->rest->len; i > 1; i--)
        g_queue_push_head(&bodies->halves, fetch_job_copy(outcome->rest->pdata[i - 1]));
    if (!job || job->items->len == 0)
        return;
    if (!imap_client_broke(error)) {
        g_queue_push_head(&bodies->halves, fetch_job_copy(job));
    } else if (half > 0) {
        g_queue_push_head(&bodies->halves, half_of(job, half, job->items->len));
        g_queue_push_head(&bodies->halves, half_of(job, 0, half));
    } else if (job->breaks == 0) {
        FetchJob *again = fetch_job_copy(job);
        again->breaks = 1;
        g_queue_push_head(&bodies->halves, again);
    } else {
        g_array_append_vals(outcome->refused, job->items->data, 1);
        g_free(outcome->words);
        outcome->words = g_strdup(error->message);
    }
}

/* Under the lock. */
static void note_renumbered(FetchBodies *bodies, gint64 folder)
{
    guint times = GPOINTER_TO_UINT(g_hash_table_lookup(bodies->renumbered, &folder));

    if (folder != 0)
        g_hash_table_insert(bodies->renumbered, g_memdup2(&folder, sizeof folder),
                            GUINT_TO_POINTER(times + 1));
}

/* Under the lock, which is given up while it is written: what was finished is claimed no more, what
 * is refused is set aside. `failure` ended it, or NULL. FALSE: that can't be written; it is asked for
 * again. */
static gboolean note_outcome(FetchBodies *bodies, FetchOutcome *outcome, const GError *failure,
                             GError **error)
{
    gboolean general = failure && g_error_matches(failure, FETCH_ERROR, FETCH_ERROR_REFUSED);

    if (outcome->finished->len > 0)
        bodies->breaks = 0;
    if (failure && !general)
        halve_rest(bodies, outcome, failure);
    note_renumbered(bodies, outcome->renumbered);
    outcome->renumbered = 0;
    pthread_mutex_unlock(&bodies->lock);
    gboolean ok =
        fetch_aside_write(bodies->aside, outcome, general ? failure->message : NULL, error);
    pthread_mutex_lock(&bodies->lock);
    for (guint i = 0; i < outcome->finished->len; i++)
        g_hash_table_remove(bodies->claimed,
                            &g_array_index(outcome->finished, CacheWanted, i).message);
    for (guint i = 0; i < outcome->refused->len; i++)
        g_hash_table_remove(bodies->claimed,
                            &g_array_index(outcome->refused, CacheWanted, i).message);
    if (general)
        forget_claims(bodies);
    if (!ok) /* another thread may have found nothing to do while these were claimed */
        bodies->planless = FALSE;
    outcome->closed = 0;
    g_array_set_size(outcome->finished, 0);
    g_array_set_size(outcome->refused, 0);
    g_ptr_array_set_size(outcome->rest, 0);
    return ok;
}

/* A copy of the request's n-th job, which stays for another try; NULL behind the last, or when the
 * session waits no more. */
static FetchJob *request_job(FetchBodies *bodies, Request *request, guint n)
{
    FetchJob *job = NULL;

    pthread_mutex_lock(&bodies->lock);
    if (n < request->jobs->len)
        job = fetch_job_copy(request->jobs->pdata[n]);
    pthread_mutex_unlock(&bodies->lock);
    return job;
}

static gboolean serve_extract(FetchBodies *bodies, Fetcher *fetcher, Request *request,
                              GError **error)
{
    g_autoptr(FetchJob) job = request_job(bodies, request, 0);
    if (!job)
        return TRUE;
    GBytes *octets = fetcher_extract(fetcher, job, &request->extract, error);
    pthread_mutex_lock(&bodies->lock);
    request->octets = octets;
    pthread_mutex_unlock(&bodies->lock);
    return octets != NULL;
}

static gboolean serve_search(FetchBodies *bodies, Fetcher *fetcher, Request *request,
                             GError **error)
{
    GArray *found = fetcher_search(fetcher, request->folder, request->query, error);

    pthread_mutex_lock(&bodies->lock);
    request->found = found;
    pthread_mutex_unlock(&bodies->lock);
    return found != NULL;
}

/* One session's request, whole. */
static gboolean serve_request(FetchBodies *bodies, Fetcher *fetcher, Request *request,
                              GError **error)
{
    FetchOutcome outcome;
    FetchJob *job;
    gboolean ok = TRUE;

    if (request->extract.section)
        return serve_extract(bodies, fetcher, request, error);
    if (request->query)
        return serve_search(bodies, fetcher, request, error);
    fetch_outcome_init(&outcome);
    for (guint n = 0; ok && (job = request_job(bodies, request, n)); n++)
        ok = fetcher_start(fetcher, job, &outcome, error);
    ok = ok && fetcher_finish(fetcher, &outcome, error);
    /* What can't be written is found again when it is fetched ahead, and is said then. */
    fetch_aside_write(bodies->aside, &outcome, NULL, NULL);
    if (ok && outcome.refused->len > 0) {
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                    "The provider doesn't give the message: %s", outcome.words);
        ok = FALSE;
    }
    fetch_outcome_clear(&outcome);
    return ok;
}

/* Longer commands are more efficient, shorter ones let a request in sooner. */
static guint adapt_piece(guint piece, gint64 usec)
{
    if (usec > PIECE_USEC_SLOW)
        return MAX(piece / 2, PIECE_MIN);
    return usec < PIECE_USEC_FAST ? MIN(piece * 2, PIECE_MAX) : piece;
}

/* Prefetches until there is nothing more, or something more urgent. */
static gboolean prefetch(FetchBodies *bodies, Fetcher *fetcher, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GError) unwritten = NULL;
    FetchOutcome outcome;
    guint piece = 32;
    gboolean ok = TRUE;

    fetch_outcome_init(&outcome);
    while (ok) {
        pthread_mutex_lock(&bodies->lock);
        gboolean written = note_outcome(bodies, &outcome, NULL, &unwritten);
        FetchJob *job =
            !written || bodies->stop || !bodies->online || !g_queue_is_empty(&bodies->requests)
                ? NULL
                : next_job(bodies, piece);
        pthread_mutex_unlock(&bodies->lock);
        if (!job)
            break;
        gint64 start = g_get_monotonic_time();
        ok = fetcher_start(fetcher, job, &outcome, &failure);
        piece = adapt_piece(piece, g_get_monotonic_time() - start);
    }
    ok = ok && fetcher_finish(fetcher, &outcome, &failure);
    pthread_mutex_lock(&bodies->lock);
    note_outcome(bodies, &outcome, failure, unwritten ? NULL : &unwritten);
    pthread_mutex_unlock(&bodies->lock);
    fetch_outcome_clear(&outcome);
    ok = ok && !unwritten;
    if (!ok)
        g_propagate_error(error,
                          unwritten ? g_steal_pointer(&unwritten) : g_steal_pointer(&failure));
    return ok;
}

/* Under the lock: waits for something to do; FALSE: the connection is to be closed, for nothing
 * has been asked of it for a while, or upstream isn't to be used any more. */
static gboolean wait_for_work(Worker *worker, Fetcher *fetcher)
{
    gboolean connected = fetcher_is_connected(fetcher);
    FetchBodies *bodies = worker->bodies;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    for (;;) {
        if (bodies->stop)
            return TRUE;
        if (connected && fetcher_is_cancelled(fetcher))
            return FALSE;
        if (bodies->online &&
            (!g_queue_is_empty(&bodies->requests) || (!worker->requests_only && have_plan(bodies))))
            return TRUE;
        if (!connected)
            pthread_cond_wait(&bodies->work, &bodies->lock);
        else if (pthread_cond_timedwait(&bodies->work, &bodies->lock, &until) == ETIMEDOUT)
            return FALSE;
    }
}

/* Does one thing: a request, or prefetching for a while. */
static gboolean work_once(Worker *worker, Fetcher *fetcher, Request *request, NetCancel *cancel,
                          GError **error)
{
    if (fetcher_is_connected(fetcher) && !fetcher_is_alive(fetcher))
        fetcher_disconnect(fetcher);
    if (!fetcher_is_connected(fetcher) && !fetcher_connect(fetcher, cancel, error))
        return FALSE;
    gboolean ok = request ? serve_request(worker->bodies, fetcher, request, error)
                          : prefetch(worker->bodies, fetcher, error);
    fetcher_rest(fetcher);
    return ok;
}

/* Under the lock: whether what comes can be kept. */
static void note_space(FetchBodies *bodies, gboolean ok, const GError *error)
{
    if (!ok && !g_error_matches(error, CACHE_ERROR, CACHE_ERROR_FULL))
        return;
    g_clear_pointer(&bodies->no_space, g_free);
    if (!ok)
        bodies->no_space = g_strdup(error->message);
}

/* After a failure: sleeps, longer each time, unless a request comes or upstream is set anew. */
static void back_off(Worker *worker, guint *seconds)
{
    FetchBodies *bodies = worker->bodies;
    struct timespec until;

    *seconds = CLAMP(*seconds * 2, BACKOFF_MIN, BACKOFF_MAX);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += *seconds;
    NetCancel *before = bodies->cancel;
    guint wakes = bodies->wakes;
    while (!bodies->stop && bodies->cancel == before && bodies->wakes == wakes &&
           g_queue_is_empty(&bodies->requests))
        if (pthread_cond_timedwait(&bodies->work, &bodies->lock, &until) == ETIMEDOUT)
            return;
}

/* What ends in the present time online, to connect by; NULL: upstream isn't to be used. */
static NetCancel *present_cancel(FetchBodies *bodies)
{
    pthread_mutex_lock(&bodies->lock);
    NetCancel *cancel = bodies->online && !bodies->stop ? net_cancel_ref(bodies->cancel) : NULL;
    pthread_mutex_unlock(&bodies->lock);
    return cancel;
}

/* Whether a failure is the connection's, not the request's: it was idle and may have been dropped
 * unnoticed, or the network has changed, or the machine has slept. */
static gboolean was_replaced(const NetCancel *before, const NetCancel *now, gboolean fresh,
                             const GError *error)
{
    return !fresh || now != before || g_error_matches(error, NET_ERROR, NET_ERROR_STALE);
}

/* A session's request that failed: once more over a new connection, where that may help. */
static gboolean request_again(Worker *worker, Fetcher *fetcher, Request *request,
                              const NetCancel *before, gboolean fresh, GError **error)
{
    g_autoptr(NetCancel) now = present_cancel(worker->bodies);

    if (!now || !was_replaced(before, now, fresh, *error))
        return FALSE;
    g_clear_error(error);
    fetcher_disconnect(fetcher);
    return work_once(worker, fetcher, request, now, error);
}

/* Under the lock, which is given up while it works. */
static void work(Worker *worker, Fetcher *fetcher, guint *backoff)
{
    FetchBodies *bodies = worker->bodies;
    g_autoptr(GError) error = NULL;
    Request *request = g_queue_pop_head(&bodies->requests);
    g_autoptr(NetCancel) cancel = net_cancel_ref(bodies->cancel);

    bodies->busy += !request;
    pthread_mutex_unlock(&bodies->lock);
    gboolean fresh = !fetcher_is_connected(fetcher);
    /* What can't be kept isn't fetched ahead. */
    gboolean ok = (request || cache_has_room(bodies->cache, &error)) &&
                  work_once(worker, fetcher, request, cancel, &error);
    if (!ok && request)
        ok = request_again(worker, fetcher, request, cancel, fresh, &error);
    if (!ok)
        fetcher_disconnect(fetcher);
    pthread_mutex_lock(&bodies->lock);
    bodies->busy -= !request;
    gboolean replaced = !request && !ok && was_replaced(cancel, bodies->cancel, TRUE, error);
    if (request) {
        request_done(request, error);
        request_unref(request);
    }
    gboolean refused = error && g_error_matches(error, FETCH_ERROR, FETCH_ERROR_REFUSED);
    gboolean halving =
        error && !request && imap_client_broke(error) && bodies->breaks++ < BREAKS_MAX;
    bodies->failing = !ok && !request && !refused && !halving && !replaced;
    note_space(bodies, ok, error);
    if (ok || refused || halving || replaced) {
        *backoff = 0;
        return;
    }
    g_debug("Fetching for %s: %s", bodies->access.settings->id, error->message);
    if (bodies->no_space)
        *backoff = MIN(*backoff, BACKOFF_NO_SPACE / 2);
    if (!request)
        back_off(worker, backoff);
}

static void *run_worker(void *data)
{
    Worker *worker = data;
    FetchBodies *bodies = worker->bodies;
    g_autoptr(Fetcher) fetcher = fetcher_new(&bodies->access, bodies->cache, arrived, bodies);
    guint backoff = 0;

    net_thread_name("fetch", bodies->access.settings->id);
    pthread_mutex_lock(&bodies->lock);
    while (!bodies->stop) {
        if (!wait_for_work(worker, fetcher)) {
            pthread_mutex_unlock(&bodies->lock);
            fetcher_disconnect(fetcher);
            pthread_mutex_lock(&bodies->lock);
            continue;
        }
        if (bodies->stop)
            break;
        work(worker, fetcher, &backoff);
        pthread_mutex_unlock(&bodies->lock);
        arrived(bodies);
        pthread_mutex_lock(&bodies->lock);
    }
    pthread_mutex_unlock(&bodies->lock);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static GHashTable *new_id_set(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

static void init_lock(FetchBodies *bodies)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&bodies->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&bodies->work, &attributes);
    pthread_condattr_destroy(&attributes);
}

FetchBodies *fetch_bodies_new(const AccountAccess *access, Cache *cache, guint fetchers)
{
    gboolean prefetches = access->settings->kind == ACCOUNT_IMAP;
    FetchBodies *bodies = g_new0(FetchBodies, 1);

    bodies->access = account_access_copy(access);
    bodies->cache = cache;
    init_lock(bodies);
    bodies->cancel = net_cancel_new();
    g_queue_init(&bodies->requests);
    g_queue_init(&bodies->halves);
    bodies->aside = fetch_aside_new(cache, &bodies->access);
    bodies->plan = g_array_new(FALSE, FALSE, sizeof(CacheWanted));
    bodies->claimed = new_id_set();
    bodies->refused = new_id_set();
    bodies->headed = new_id_set();
    bodies->renumbered = new_id_set();
    bodies->n_workers = fetchers + 1;
    bodies->workers = g_new0(Worker, bodies->n_workers);
    for (guint i = 0; i < bodies->n_workers; i++) {
        bodies->workers[i].bodies = bodies;
        bodies->workers[i].requests_only = i == 0 && (fetchers > 0 || !prefetches);
        pthread_create(&bodies->workers[i].thread, NULL, run_worker, &bodies->workers[i]);
    }
    return bodies;
}

/* Under the lock. */
static void fail_requests(FetchBodies *bodies)
{
    g_autoptr(GError) error =
        g_error_new(NET_ERROR, NET_ERROR_CANCELLED, "Not here yet, and %s.",
                    bodies->reason ? bodies->reason : "the provider can't be reached now");
    Request *request;

    while ((request = g_queue_pop_head(&bodies->requests))) {
        request_done(request, error);
        request_unref(request);
    }
}

void fetch_bodies_stop(FetchBodies *bodies)
{
    pthread_mutex_lock(&bodies->lock);
    bodies->stop = TRUE;
    net_cancel_trigger(bodies->cancel);
    fail_requests(bodies);
    pthread_cond_broadcast(&bodies->work);
    pthread_mutex_unlock(&bodies->lock);
}

void fetch_bodies_free(FetchBodies *bodies)
{
    if (!bodies)
        return;
    fetch_bodies_stop(bodies);
    for (guint i = 0; i < bodies->n_workers; i++)
        pthread_join(bodies->workers[i].thread, NULL);
    g_free(bodies->workers);
    forget_claims(bodies);
    fetch_aside_free(bodies->aside);
    g_array_unref(bodies->plan);
    g_hash_table_unref(bodies->claimed);
    g_hash_table_unref(bodies->refused);
    g_hash_table_unref(bodies->headed);
    g_hash_table_unref(bodies->renumbered);
    net_cancel_unref(bodies->cancel);
    account_access_clear(&bodies->access);
    pthread_cond_destroy(&bodies->work);
    pthread_mutex_destroy(&bodies->lock);
    g_free(bodies->reason);
    g_free(bodies->no_space);
    g_free(bodies);
}

/* Under the lock. */
static void begin_anew(FetchBodies *bodies)
{
    net_cancel_trigger(bodies->cancel);
    net_cancel_unref(bodies->cancel);
    bodies->cancel = net_cancel_new();
    pthread_cond_broadcast(&bodies->work);
}

void fetch_bodies_set_online(FetchBodies *bodies, gboolean online, const char *reason)
{
    pthread_mutex_lock(&bodies->lock);
    g_free(bodies->reason);
    bodies->reason = g_strdup(reason);
    if (bodies->online != online) {
        bodies->online = online;
        begin_anew(bodies);
        if (!online)
            fail_requests(bodies);
    }
    pthread_mutex_unlock(&bodies->lock);
}

void fetch_bodies_check(FetchBodies *bodies, NetDoubt doubt)
{
    pthread_mutex_lock(&bodies->lock);
    net_cancel_doubt(bodies->cancel, doubt);
    pthread_mutex_unlock(&bodies->lock);
}

void fetch_bodies_reconnect(FetchBodies *bodies)
{
    pthread_mutex_lock(&bodies->lock);
    begin_anew(bodies);
    pthread_mutex_unlock(&bodies->lock);
}

void fetch_bodies_wake(FetchBodies *bodies, gboolean everything)
{
    pthread_mutex_lock(&bodies->lock);
    fetch_aside_set_due(bodies->aside, everything);
    bodies->breaks = 0;
    bodies->planless = FALSE;
    bodies->failing = FALSE;
    bodies->wakes++;
    g_array_set_size(bodies->plan, 0);
    bodies->planned = 0;
    if (everything)
        g_hash_table_remove_all(bodies->refused);
    /* What couldn't be kept isn't wanted any more, so nobody finds out that there is room. */
    gboolean room = bodies->no_space && !have_plan(bodies);
    if (room)
        g_clear_pointer(&bodies->no_space, g_free);
    pthread_cond_broadcast(&bodies->work);
    pthread_mutex_unlock(&bodies->lock);
    if (room)
        arrived(bodies);
}

void fetch_bodies_set_listener(FetchBodies *bodies, FetchListener func, gpointer data)
{
    pthread_mutex_lock(&bodies->lock);
    bodies->listener = func;
    bodies->listener_data = data;
    pthread_mutex_unlock(&bodies->lock);
}

gboolean fetch_bodies_busy(FetchBodies *bodies)
{
    pthread_mutex_lock(&bodies->lock);
    gboolean busy = is_busy(bodies);
    pthread_mutex_unlock(&bodies->lock);
    return busy;
}

gint64 fetch_bodies_take_renumbered(FetchBodies *bodies)
{
    GHashTableIter iter;
    gpointer key, times;
    gint64 folder = 0;

    pthread_mutex_lock(&bodies->lock);
    g_hash_table_iter_init(&iter, bodies->renumbered);
    while (!folder && g_hash_table_iter_next(&iter, &key, &times))
        if (GPOINTER_TO_UINT(times) >= 2)
            folder = *(const gint64 *)key;
    g_hash_table_remove(bodies->renumbered, &folder);
    pthread_mutex_unlock(&bodies->lock);
    return folder;
}
