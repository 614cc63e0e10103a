/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking at the Sent folder, and what comes of it. */
#include "daemon/relay/filing.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cache/change.h"
#include "cache/folder.h"
#include "cache/note.h"
#include "cache/set-like.h"
#include "cache/watch.h"
#include "daemon/index/render.h"
#include "daemon/relay/copies.h"
#include "daemon/relay/outcome.h"

/* Seconds. */
#define SETTLES           20   /* after which a provider that files has done so */
#define SETTLES_SLOW      120  /* one that did so the last time */
#define SETTLES_MICROSOFT 900  /* Microsoft's, where it matters whether something was sent */
#define RESEND            60   /* after which what is in doubt may go again */
#define UNREACHABLE       3600 /* after which nothing is known of what can't be looked at */
#define BODY_COMES        900  /* after which a body that isn't here doesn't come */
#define SKEW              600  /* that a provider's clock may be slow */
#define LOOK_AGAIN        60   /* between two rounds of sync that are asked for */
#define SOON              3
#define LATE              600
#define BATCH             20    /* entries at a time */
#define REMEMBERED        10000 /* entries whose second copies are noticed */

/* The note in the cache of what the provider did the last time. */
#define HABIT "files sent"
enum { HABIT_UNKNOWN, HABIT_PROVIDER, HABIT_POSTERN };

struct RelayFiling {
    RelayFilingOptions options;
    int fd;
    CacheWatch *watch;
    gint64 watched;  /* the folder */
    gboolean stale;  /* copies are to be looked for, whatever the watch says */
    gint64 look_not; /* Unix seconds: no look is asked for before */
};

/* The folder as one transaction sees it, and what it is compared with. */
typedef struct {
    RelayFiling *filing;
    CacheTxn *txn;
    gint64 folder;
    GHashTable *renamed;
} Sent;

RelayFiling *relay_filing_new(const RelayFilingOptions *options)
{
    RelayFiling *filing = g_new0(RelayFiling, 1);

    filing->options = *options;
    filing->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    filing->stale = TRUE;
    if (filing->fd < 0)
        g_error("relay: out of files");
    return filing;
}

void relay_filing_free(RelayFiling *filing)
{
    if (!filing)
        return;
    g_clear_pointer(&filing->watch, cache_unwatch);
    close(filing->fd);
    g_free(filing);
}

int relay_filing_fd(RelayFiling *filing)
{
    return filing->fd;
}

/* ---- the provider ---------------------------------------------------------------------------- */

static gboolean provider_files(const RelayFiling *filing)
{
    return account_habits_sent(filing->options.habits) == ACCOUNT_SENT_BY_PROVIDER;
}

static gboolean is_remote(const RelayFiling *filing)
{
    return filing->options.settings->kind == ACCOUNT_IMAP;
}

static gboolean is_microsoft(const RelayFiling *filing)
{
    g_autofree char *provider =
        filing->options.habits ? account_habits_provider(filing->options.habits) : NULL;

    return provider &&
           (g_str_has_prefix(provider, "outlook") || g_str_has_prefix(provider, "microsoft"));
}

static void remember(const Sent *sent, int habit)
{
    g_autoptr(GError) error = NULL;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    if (!cache_note_set(sent->txn, HABIT, habit, now, &error))
        g_debug("relay: %s", error->message);
}

/* Whether the cache shows what the provider had at `when`; else asks for that. */
static gboolean has_seen(RelayFiling *filing, gint64 when, gint64 now)
{
    const RelayFilingOptions *options = &filing->options;

    if (options->looked && options->looked(options->data) >= when)
        return TRUE;
    if (options->look && now >= filing->look_not) {
        options->look(options->data);
        filing->look_not = now + LOOK_AGAIN;
    }
    return FALSE;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static void sent_clear(Sent *sent)
{
    g_clear_pointer(&sent->txn, cache_end);
    g_clear_pointer(&sent->renamed, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sent, sent_clear)

static gboolean sent_begin(Sent *sent, CacheMode mode, GError **error)
{
    g_autoptr(CacheFolder) row = NULL;

    sent->txn = cache_begin(sent->filing->options.cache, mode, error);
    row = sent->txn ? cache_folder_with_role(sent->txn, CACHE_ROLE_SENT) : NULL;
    if (sent->txn && !row)
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND,
                            "the account has no Sent folder; it is put there as soon as there is "
                            "one");
    if (!row)
        return FALSE;
    sent->folder = row->id;
    sent->renamed = relay_copies_renamed(sent->txn, row->id, error);
    return sent->renamed != NULL;
}

static gboolean is_alike(const RelayCopyFound *copy)
{
    return copy->kind == RELAY_COPY_SAME || copy->kind == RELAY_COPY_REWRITTEN;
}

/* Copies that count, and whether some can't be told yet. */
typedef struct {
    guint there, of_provider, unknown;
} Tally;

static gboolean sent_tally(const Sent *sent, const RelayIdentity *identity, gint64 since,
                           Tally *tally, GError **error)
{
    g_autoptr(GArray) found =
        relay_copies_find(sent->txn, sent->folder, identity, sent->renamed, error);

    *tally = (Tally){0};
    for (guint i = 0; found && i < found->len; i++) {
        const RelayCopyFound *copy = &g_array_index(found, RelayCopyFound, i);
        gboolean alike = is_alike(copy);
        gboolean recent = !copy->made_here && copy->placement.date >= since;
        tally->there += alike;
        tally->of_provider += alike && recent;
        tally->unknown += copy->kind == RELAY_COPY_UNKNOWN && (!since || recent);
    }
    return found != NULL;
}

/* ---- filing ---------------------------------------------------------------------------------- */

void relay_filing_begin(RelayFiling *filing, QueueEntry *entry, gint64 now)
{
    gboolean waits =
        filing->options.settings->save_sent == ACCOUNT_SAVE_SENT_AUTO && is_remote(filing);

    if (filing->options.settings->save_sent == ACCOUNT_SAVE_SENT_NEVER ||
        entry->filing != QUEUE_FILING_NONE)
        return;
    entry->filing = QUEUE_FILING_DUE;
    entry->filing_due = now + (waits ? SETTLES : 0);
}

/* Whether a copy may be made of what isn't there. */
static gboolean may_make(RelayFiling *filing, const QueueEntry *entry, int habit, gint64 now)
{
    if (!is_remote(filing) || filing->options.settings->save_sent == ACCOUNT_SAVE_SENT_ALWAYS ||
        account_habits_sent(filing->options.habits) == ACCOUNT_SENT_BY_CLIENT ||
        habit == HABIT_POSTERN)
        return TRUE;
    gint64 settled = entry->accepted + (habit == HABIT_PROVIDER ? SETTLES_SLOW : SETTLES);
    return now >= settled && has_seen(filing, settled, now);
}

typedef enum { FILE_FAILED, FILE_DONE, FILE_LATER, FILE_MAKE } FileResult;

static FileResult decide(const Sent *sent, const QueueEntry *entry, gint64 now, GError **error)
{
    const RelayIdentity identity = {entry->message_id, entry->digest};
    gint64 habit = cache_note_get(sent->txn, HABIT);
    Tally tally;

    if (!sent_tally(sent, &identity, 0, &tally, error))
        return FILE_FAILED;
    if (tally.unknown > 0 && tally.there == 0 && now < entry->accepted + BODY_COMES)
        return FILE_LATER;
    if (tally.there > 0 || tally.unknown > 0)
        return FILE_DONE;
    return may_make(sent->filing, entry, (int)habit, now) ? FILE_MAKE : FILE_LATER;
}

/* What was found there tells who files. */
static void learn(RelayFiling *filing, const QueueEntry *entry)
{
    const RelayIdentity identity = {entry->message_id, entry->digest};
    g_auto(Sent) sent = {.filing = filing};
    Tally tally;

    if (!is_remote(filing) || !sent_begin(&sent, CACHE_WRITE, NULL) ||
        !sent_tally(&sent, &identity, 0, &tally, NULL) || tally.of_provider == 0)
        return;
    remember(&sent, HABIT_PROVIDER);
    cache_commit(g_steal_pointer(&sent.txn), NULL);
}

static gboolean append_copy(const Sent *sent, QueueEntry *entry, CacheContentWriter *writer,
                            const CacheRendered *rendered, GError **error)
{
    g_autoptr(GDateTime) local = g_date_time_new_now_local();
    gint16 zone = (gint16)(g_date_time_get_utc_offset(local) / G_TIME_SPAN_MINUTE);
    const CacheAppend append = {
        .flags = {CACHE_SEEN, 0}, .date = g_date_time_to_unix(local), .zone = zone};

    entry->filed_uid = cache_append(sent->txn, sent->folder, writer, rendered, append, error);
    return entry->filed_uid != 0;
}

/* Looks again, in the transaction that puts it there: a client may have done so just now. */
static FileResult make_copy(RelayFiling *filing, QueueEntry *entry, gint64 now, GError **error)
{
    g_auto(Sent) sent = {.filing = filing};
    g_autoptr(GBytes) message = queue_read(filing->options.queue, entry->id, 0, entry->size, error);
    g_autoptr(CacheContentWriter) writer = cache_content_writer_new(filing->options.cache);
    CacheRendered rendered = {0};
    gsize length = 0;
    const char *text = message ? g_bytes_get_data(message, &length) : NULL;

    if (!message || !cache_content_writer_add(writer, text, length, error))
        return FILE_FAILED;
    cache_content_writer_end(writer);
    render_message(text, length, TRUE, &rendered);
    FileResult result =
        sent_begin(&sent, CACHE_WRITE_FULL, error) ? decide(&sent, entry, now, error) : FILE_FAILED;
    if (result == FILE_MAKE) {
        gboolean ok = append_copy(&sent, entry, writer, &rendered, error);
        if (ok && is_remote(filing))
            remember(&sent, HABIT_POSTERN);
        result = ok && cache_commit(g_steal_pointer(&sent.txn), error) ? FILE_DONE : FILE_FAILED;
    }
    cache_rendered_clear(&rendered);
    return result;
}

/* From the queue's bytes, once. */
static gboolean identify(RelayFiling *filing, QueueEntry *entry, GError **error)
{
    g_auto(RelayIdentity) identity = {0};

    if (entry->digest)
        return TRUE;
    if (!relay_identity_read(filing->options.queue, entry, &identity, error))
        return FALSE;
    entry->message_id = g_steal_pointer(&identity.message_id);
    entry->digest = g_steal_pointer(&identity.digest);
    return TRUE;
}

static FileResult file_one(RelayFiling *filing, QueueEntry *entry, gint64 now, GError **error)
{
    g_auto(Sent) sent = {.filing = filing};

    if (!identify(filing, entry, error))
        return FILE_FAILED;
    if (provider_files(filing))
        return FILE_DONE;
    if (!sent_begin(&sent, CACHE_READ, error))
        return FILE_FAILED;
    FileResult result = decide(&sent, entry, now, error);
    sent_clear(&sent);
    if (result == FILE_DONE)
        learn(filing, entry);
    return result == FILE_MAKE ? make_copy(filing, entry, now, error) : result;
}

/* The longer it has taken, the rarer. */
static gint64 file_again(const QueueEntry *entry, gint64 now, FileResult result)
{
    gint64 elapsed = now - entry->accepted;
    guint failures = elapsed > 0 ? g_bit_storage((gulong)elapsed / 60) + 1 : 1;

    return now + (result == FILE_FAILED ? (gint64)relay_message_backoff(failures, g_random_double())
                                        : CLAMP(elapsed / 8, SOON, LATE));
}

#define NOT_FILED "It was sent, but its copy could not be put into the Sent folder yet: "

/* NULL: there is none (any more). What is said of how it was sent stays. */
static void say_trouble(QueueEntry *entry, const GError *error)
{
    if (error || (entry->last_error && g_str_has_prefix(entry->last_error, NOT_FILED)))
        g_clear_pointer(&entry->last_error, g_free);
    if (error)
        entry->last_error = g_strconcat(NOT_FILED, error->message, NULL);
}

/* FALSE: the queue can't be written. */
static gboolean file_entry(RelayFiling *filing, QueueEntry *entry, gint64 now)
{
    g_autoptr(GError) error = NULL;
    FileResult result = file_one(filing, entry, now, &error);

    /* Bytes that are gone can't be filed, now or later. */
    if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CORRUPT))
        result = FILE_DONE;
    say_trouble(entry, error);
    entry->filing = result == FILE_DONE ? QUEUE_FILING_DONE : QUEUE_FILING_DUE;
    entry->filing_due = result == FILE_DONE ? 0 : file_again(entry, now, result);
    filing->stale |= result == FILE_DONE;
    g_clear_error(&error);
    if (queue_update_filing(filing->options.queue, entry, &error))
        return TRUE;
    g_message("relay: %s", error->message);
    return FALSE;
}

/* ---- second copies --------------------------------------------------------------------------- */

/* How much speaks for keeping it. */
static int copy_rank(const RelayCopyFound *copy, const QueueEntry *entry)
{
    return 4 * !copy->made_here + 2 * (copy->placement.uid != entry->filed_uid) +
           (copy->placement.base != CACHE_BASE_NONE);
}

static const RelayCopyFound *best_copy(GArray *found, const QueueEntry *entry)
{
    const RelayCopyFound *best = NULL;

    for (guint i = 0; i < found->len; i++) {
        const RelayCopyFound *copy = &g_array_index(found, RelayCopyFound, i);
        if (is_alike(copy) && (!best || copy_rank(copy, entry) > copy_rank(best, entry)))
            best = copy;
    }
    return best;
}

/* In a set-like store two placements with a base are the same message. */
static gboolean is_superfluous(const Sent *sent, const RelayCopyFound *copy,
                               const RelayCopyFound *best)
{
    return copy != best && copy->kind == RELAY_COPY_SAME &&
           (copy->placement.base == CACHE_BASE_NONE || !cache_is_set_like(sent->txn));
}

/* Its flags are the remaining one's. */
static gboolean take_away(const Sent *sent, const RelayCopyFound *copy, const RelayCopyFound *best,
                          GError **error)
{
    const CacheSelection keep = {sent->folder, &best->placement.uid, 1};
    g_autoptr(GArray) changed = g_array_new(FALSE, FALSE, sizeof(CacheChange));
    g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
    CacheStore store = {CACHE_FLAGS_ADD, copy->placement.flags, G_MAXUINT64};

    store.flags.system &= ~(guint32)CACHE_DELETED;
    return cache_store(sent->txn, keep, store, changed, modified, error) &&
           cache_expunge(sent->txn, sent->folder, &copy->placement.uid, 1, TRUE, NULL, error);
}

/* *unsure: a body that isn't here may be another copy's. */
static gboolean join_copies(const Sent *sent, const QueueEntry *entry, gboolean *joined,
                            gboolean *unsure, GError **error)
{
    const RelayIdentity identity = {entry->message_id, entry->digest};
    g_autoptr(GArray) found =
        relay_copies_find(sent->txn, sent->folder, &identity, sent->renamed, error);
    const RelayCopyFound *best = found ? best_copy(found, entry) : NULL;

    for (guint i = 0; best && i < found->len; i++) {
        const RelayCopyFound *copy = &g_array_index(found, RelayCopyFound, i);
        *unsure |= copy->kind == RELAY_COPY_UNKNOWN;
        if (!is_superfluous(sent, copy, best))
            continue;
        if (!take_away(sent, copy, best, error))
            return FALSE;
        *joined = TRUE;
    }
    return found != NULL;
}

/* Whether one of the entries may have two; read-only, as most changes of the folder are nothing to
 * us. */
static gboolean has_doubles(RelayFiling *filing, GPtrArray *entries, GArray *doubled)
{
    g_auto(Sent) sent = {.filing = filing};

    if (!sent_begin(&sent, CACHE_READ, NULL))
        return FALSE;
    for (guint i = 0; i < entries->len; i++) {
        const QueueEntry *entry = g_ptr_array_index(entries, i);
        if (entry->message_id &&
            relay_copies_count(sent.txn, sent.folder, entry->message_id, sent.renamed) > 1)
            g_array_append_val(doubled, i);
    }
    return doubled->len > 0;
}

static gboolean join_doubles(RelayFiling *filing, GPtrArray *entries, GArray *doubled,
                             gboolean *unsure, GError **error)
{
    g_auto(Sent) sent = {.filing = filing};
    gboolean joined = FALSE;

    if (!sent_begin(&sent, CACHE_WRITE_FULL, error))
        return FALSE;
    for (guint i = 0; i < doubled->len; i++) {
        const QueueEntry *entry = g_ptr_array_index(entries, g_array_index(doubled, guint, i));
        if (!join_copies(&sent, entry, &joined, unsure, error))
            return FALSE;
    }
    return !joined || cache_commit(g_steal_pointer(&sent.txn), error);
}

/* Whether it has to be looked at again soon. */
static gboolean join_all(RelayFiling *filing)
{
    const RelayFilingOptions *options = &filing->options;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) doubled = g_array_new(FALSE, FALSE, sizeof(guint));
    gboolean unsure = FALSE;
    g_autoptr(GPtrArray) entries = queue_list_filing(options->queue, options->settings->id,
                                                     QUEUE_FILING_DONE, 0, REMEMBERED, &error);

    if (entries && entries->len > 0 && has_doubles(filing, entries, doubled))
        join_doubles(filing, entries, doubled, &unsure, &error);
    if (error)
        g_message("relay: second copies of sent mail are looked at again later: %s",
                  error->message);
    return unsure || error;
}

/* The folder that is Sent may be another one by now. */
static void watch_sent(RelayFiling *filing)
{
    g_autoptr(CacheTxn) txn = cache_begin(filing->options.cache, CACHE_READ, NULL);
    g_autoptr(CacheFolder) row = txn ? cache_folder_with_role(txn, CACHE_ROLE_SENT) : NULL;
    gint64 folder = row ? row->id : 0;

    if (folder == filing->watched)
        return;
    g_clear_pointer(&filing->watch, cache_unwatch);
    filing->watch = folder ? cache_watch_view(filing->options.cache, folder, filing->fd) : NULL;
    filing->watched = folder;
    filing->stale = TRUE;
}

/* ---- the work -------------------------------------------------------------------------------- */

static gboolean was_changed(RelayFiling *filing)
{
    guint64 count;

    return read(filing->fd, &count, sizeof count) > 0;
}

gint64 relay_filing_work(RelayFiling *filing, gint64 now)
{
    const RelayFilingOptions *options = &filing->options;
    g_autoptr(GPtrArray) due = queue_list_filing(options->queue, options->settings->id,
                                                 QUEUE_FILING_DUE, now, BATCH, NULL);
    gboolean again = FALSE;
    gint64 next;

    for (guint i = 0; due && i < due->len; i++)
        if (!file_entry(filing, g_ptr_array_index(due, i), now))
            return LOOK_AGAIN;
    if (options->settings->save_sent == ACCOUNT_SAVE_SENT_NEVER)
        return G_MAXINT64;
    watch_sent(filing);
    if (was_changed(filing) || filing->stale)
        again = join_all(filing);
    filing->stale = again;
    if (!due || !queue_next_filing(options->queue, options->settings->id, &next, NULL))
        return LOOK_AGAIN;
    gint64 wait = next == G_MAXINT64 ? G_MAXINT64 : MAX(next - now, 1);
    return again ? MIN(wait, SOON) : wait;
}

/* ---- doubt ----------------------------------------------------------------------------------- */

static gboolean seen_doubt(RelayFiling *filing, const QueueEntry *entry, Tally *tally)
{
    g_auto(RelayIdentity) identity = {0};
    g_auto(Sent) sent = {.filing = filing};

    return relay_identity_read(filing->options.queue, entry, &identity, NULL) &&
           identity.message_id && sent_begin(&sent, CACHE_READ, NULL) &&
           sent_tally(&sent, &identity, MAX(entry->submitted - SKEW, 1), tally, NULL);
}

RelayDoubt relay_filing_doubt(RelayFiling *filing, const QueueEntry *entry, gint64 now,
                              gint64 *when)
{
    gint64 settled = entry->doubt + (is_microsoft(filing) ? SETTLES_MICROSOFT : SETTLES);
    Tally tally;

    *when = MAX(now + SOON, entry->doubt + SETTLES);
    if (!is_remote(filing) ||
        account_habits_sent(filing->options.habits) == ACCOUNT_SENT_BY_CLIENT ||
        !seen_doubt(filing, entry, &tally))
        return RELAY_DOUBT_AGAIN;
    if (tally.of_provider > 0)
        return RELAY_DOUBT_SENT;
    if (now < entry->doubt + SETTLES)
        return RELAY_DOUBT_LATER;
    if (tally.unknown > 0 && now < entry->doubt + BODY_COMES)
        return RELAY_DOUBT_LATER;
    if (tally.unknown > 0)
        return RELAY_DOUBT_SENT;
    gboolean seen = has_seen(filing, MIN(settled, now), now);
    if ((seen && now >= MAX(settled, entry->doubt + RESEND)) || now >= entry->doubt + UNREACHABLE)
        return RELAY_DOUBT_AGAIN;
    return RELAY_DOUBT_LATER;
}
