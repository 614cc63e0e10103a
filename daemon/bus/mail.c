/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Search and Export of org.postern.Postern1.Account: messages as a stream (records.h). Import is in
 * import.c. Each call has a worker thread for as long as the other end takes, so there are few at once.
 */
#include "daemon/bus/mail.h"
#include "daemon/bus/private.h"
#include "daemon/bus/records.h"

#include "cache/set-like.h"
#include "daemon/net/stream.h"
#include "daemon/proto/imap/date.h"
#include "daemon/proto/imap/search-words.h"
#include "daemon/serve/imap/find.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#define STREAMS_MAX 8

/* What one transaction reads: the first lines of a search are to come at once. */
#define SLICE_MESSAGES 64
#define SLICE_BYTES    (1024 * 1024)

/* UIDs of Have, for each folder. */
#define HAVE_RANGES 1000000

/* What goes out, and how far it is. */
typedef struct {
    AccountWork *work;
    const BusAsk *ask;
    GString *out;
    gboolean content, header; /* what is wanted of each message */
    GHashTable *told;         /* messages (gint64) that were told of already; NULL: all are told */
    ImapSet *have;            /* of the folder that is being exported, or NULL */
    gboolean offline;         /* nothing more can be fetched now */
    guint messages, known, missing;
    GError *error; /* in the middle of rows */
} Mail;

static gboolean send_out(Mail *mail, GError **error)
{
    gboolean ok =
        record_write(mail->ask->fd, mail->work->stopping, mail->out->str, mail->out->len, error);
    g_string_truncate(mail->out, 0);
    return ok;
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* A message of a slice: its line, which isn't ended, and what is needed for its content. */
typedef struct {
    GString *line;
    gint64 message;
    guint64 size;
    CacheContentState state;
    gboolean known;
} Item;

static void item_free(Item *item)
{
    g_string_free(item->line, TRUE);
    g_free(item);
}

typedef struct {
    Mail *mail;
    const CacheFolder *folder;
    GPtrArray *items;
} Slice;

/* What makes folder and UID mean something to an archive. */
static void record_epoch(GString *line, const CacheFolder *folder)
{
    const char delimiter[] = {folder->delimiter, '\0'};

    record_text(line, "Delimiter", delimiter);
    record_number(line, "UidValidity", folder->uidvalidity);
}

static gboolean add_item(const CacheFetchRow *row, gpointer data)
{
    Slice *slice = data;
    Mail *mail = slice->mail;
    const CachePlacement *placement = row->placement;

    if (mail->told && !g_hash_table_add(mail->told, g_memdup2(&placement->message, sizeof(gint64))))
        return TRUE;
    Item *item = g_new0(Item, 1);
    item->line = g_string_sized_new(512);
    item->message = placement->message;
    item->size = placement->size;
    item->state = row->state;
    item->known = mail->have && imap_set_contains(mail->have, placement->uid);
    record_text(item->line, "Folder", slice->folder->name);
    record_number(item->line, "Uid", placement->uid);
    if (mail->content)
        record_epoch(item->line, slice->folder);
    record_placement(item->line, mail->work->cache, placement);
    if (mail->header)
        record_header(item->line, row->header, row->header_length);
    g_ptr_array_add(slice->items, item);
    return TRUE;
}

/* Item, by UID. */
static GPtrArray *read_slice(Mail *mail, const CacheFolder *folder, const guint32 *uids,
                             guint count, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(mail->work->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func((GDestroyNotify)item_free);
    Slice slice = {mail, folder, items};

    if (!txn || !cache_fetch(txn, (CacheSelection){folder->id, uids, count},
                             mail->header ? CACHE_FETCH_HEADER : 0, add_item, &slice, error))
        return NULL;
    return g_steal_pointer(&items);
}

/* Those whose content isn't here are asked for, all at once. One that is gone upstream says nothing
 * about the others. */
static void fetch_missing(Mail *mail, const GPtrArray *items)
{
    g_autoptr(GArray) missing = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < items->len; i++) {
        const Item *item = items->pdata[i];
        if (!item->known && item->state != CACHE_CONTENT_FULL)
            g_array_append_val(missing, item->message);
    }
    if (missing->len && !mail->offline &&
        !fetch_content(mail->work->bodies, (const gint64 *)(void *)missing->data, missing->len,
                       CACHE_CONTENT_FULL, mail->work->stopping, &error))
        mail->offline = !g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND);
}

/* Its first octets in the same transaction as its size; 0 and no error: it can't be had. */
static GBytes *read_first(Mail *mail, gint64 message, guint64 *size, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(mail->work->cache, CACHE_READ, error);

    if (!txn)
        return NULL;
    *size = cache_content_size(txn, message, &failure);
    GBytes *bytes = failure ? NULL : cache_content_read(txn, message, 0, SLICE_BYTES, &failure);
    if (!bytes && !g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&failure));
    return bytes;
}

/* What is behind the first octets, piece by piece: its line says how much will come. */
static gboolean send_rest(Mail *mail, gint64 message, guint64 from, guint64 size, GError **error)
{
    for (guint64 offset = from; offset < size; offset += SLICE_BYTES) {
        g_autoptr(CacheTxn) txn = cache_begin(mail->work->cache, CACHE_READ, error);
        g_autoptr(GBytes) bytes =
            txn ? cache_content_read(txn, message, offset, SLICE_BYTES, error) : NULL;
        if (!bytes) {
            g_prefix_error(error, "a message went away while it was given out; do it again: ");
            return FALSE;
        }
        g_clear_pointer(&txn, cache_end);
        gsize length;
        const char *data = g_bytes_get_data(bytes, &length);
        if (!record_write(mail->ask->fd, mail->work->stopping, data, length, error))
            return FALSE;
    }
    return TRUE;
}

/* The line is ended with the exact size: what the placement says is a hint until the content is here. */
static gboolean send_with_content(Mail *mail, Item *item, GError **error)
{
    guint64 size = 0;
    GError *failure = NULL;
    g_autoptr(GBytes) first = read_first(mail, item->message, &size, &failure);

    if (failure) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    mail->messages++;
    record_number(item->line, "Size", (gint64)(first ? size : item->size));
    record_true(item->line, first ? "Content" : "Missing");
    mail->missing += !first;
    record_end(item->line);
    g_string_append_len(mail->out, item->line->str, (gssize)item->line->len);
    if (!first)
        return TRUE;
    gsize length;
    const char *data = g_bytes_get_data(first, &length);
    g_string_append_len(mail->out, data, (gssize)length);
    if (mail->out->len < SLICE_BYTES && length == size)
        return TRUE;
    return send_out(mail, error) && send_rest(mail, item->message, length, size, error);
}

static gboolean send_item(Mail *mail, Item *item, GError **error)
{
    if (mail->content && !item->known)
        return send_with_content(mail, item, error);
    mail->messages++;
    mail->known += item->known;
    record_number(item->line, "Size", (gint64)item->size);
    if (item->known)
        record_true(item->line, "Known");
    record_end(item->line);
    g_string_append_len(mail->out, item->line->str, (gssize)item->line->len);
    return TRUE;
}

static gboolean send_slice(Mail *mail, const GPtrArray *items, gboolean backwards, GError **error)
{
    if (mail->content)
        fetch_missing(mail, items);
    for (guint i = 0; i < items->len; i++)
        if (!send_item(mail, items->pdata[backwards ? items->len - 1 - i : i], error))
            return FALSE;
    return send_out(mail, error);
}

/* ---- folders ----------------------------------------------------------------------------------- */

static int folder_rank(const CacheFolder *folder)
{
    return folder->role == CACHE_ROLE_INBOX ? 0 : folder->role == CACHE_ROLE_ALL ? 2 : 1;
}

/* INBOX first; last what holds all mail, where each message is in another folder, too. */
static int compare_folders(gconstpointer a, gconstpointer b)
{
    const CacheFolder *first = *(CacheFolder *const *)a, *second = *(CacheFolder *const *)b;
    int rank = folder_rank(first) - folder_rank(second);

    return rank ? rank : strcmp(first->name, second->name);
}

static gboolean is_named(const CacheFolder *folder, const char *pattern)
{
    if (strcmp(folder->name, pattern) == 0)
        return TRUE;
    if (folder->role == CACHE_ROLE_INBOX && g_ascii_strcasecmp(pattern, "INBOX") == 0)
        return TRUE;
    return strpbrk(pattern, "*?") && g_pattern_match_simple(pattern, folder->name);
}

static gboolean is_chosen(const CacheFolder *folder, const char *const *patterns, gboolean *used)
{
    gboolean chosen = !*patterns;

    if (!folder->name || !folder->selectable)
        return FALSE;
    for (guint i = 0; patterns[i]; i++) {
        if (!is_named(folder, patterns[i]))
            continue;
        used[i] = TRUE;
        chosen = TRUE;
    }
    return chosen;
}

/* The folders with these names, or whose names match these patterns (* and ?); none: all that hold mail.
 * CacheFolder, INBOX first. */
static GPtrArray *find_folders(Cache *cache, const char *const *patterns, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, error);
    g_autoptr(GPtrArray) all = txn ? cache_folder_list(txn, error) : NULL;
    g_autofree gboolean *used = g_new0(gboolean, g_strv_length((char **)patterns) + 1);

    if (!all)
        return NULL;
    g_autoptr(GPtrArray) chosen = g_ptr_array_new_with_free_func((GDestroyNotify)cache_folder_free);
    for (guint i = 0; i < all->len; i++) {
        if (!is_chosen(all->pdata[i], patterns, used))
            continue;
        const CacheFolder *folder = all->pdata[i];
        CacheFolder *copy = cache_folder_get(txn, folder->id, error);
        if (!copy)
            return NULL;
        g_ptr_array_add(chosen, copy);
    }
    for (guint i = 0; patterns[i]; i++)
        if (!used[i]) {
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_NOT_FOUND,
                        "there is no folder %s; 'posternctl folders' shows them", patterns[i]);
            return NULL;
        }
    g_ptr_array_sort(chosen, compare_folders);
    return g_steal_pointer(&chosen);
}

/* ---- Search ------------------------------------------------------------------------------------ */

/* The newest first. */
static gboolean tell_found(const CacheFolder *folder, const GArray *uids, gpointer data,
                           GError **error)
{
    Mail *mail = data;

    for (guint end = uids->len; end > 0;) {
        guint count = MIN(end, SLICE_MESSAGES);
        end -= count;
        g_autoptr(GPtrArray) items =
            read_slice(mail, folder, &g_array_index(uids, guint32, end), count, error);
        if (!items || !send_slice(mail, items, TRUE, error))
            return FALSE;
    }
    return TRUE;
}

static gint32 today(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    gint32 days = 0;

    imap_date_of((guint)g_date_time_get_year(now), (guint)g_date_time_get_month(now),
                 (guint)g_date_time_get_day_of_month(now), &days);
    return days;
}

static gboolean is_set_like(Cache *cache)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
    return txn && cache_is_set_like(txn);
}

static gboolean run_search(Mail *mail, const ImapSearchWords *words, guint *unsearched,
                           GError **error)
{
    g_autoptr(ImapSearchKey) key =
        imap_search_program_parse(words->program, &imap_limits_default, IMAP_MODE_UTF8, error);
    g_autoptr(GPtrArray) folders =
        key ? find_folders(mail->work->cache, (const char *const *)words->folders, error) : NULL;
    int fd = folders ? fcntl(mail->ask->fd, F_DUPFD_CLOEXEC, 0) : -1;
    const ImapFind find = {key, folders, tell_found, mail};

    if (!folders)
        return FALSE;
    if (fd < 0) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_FAILED,
                            "posternd has too many files open; try again later");
        return FALSE;
    }
    g_autoptr(NetStream) stream = net_stream_new(fd, "search", mail->work->stopping);
    return imap_find(mail->work->serve, stream, &find, unsearched, error);
}

static gpointer search_job(AccountWork *work, gpointer data, GError **error)
{
    const BusAsk *ask = data;
    g_autofree const char **given = g_variant_get_strv(ask->words, NULL);
    g_auto(ImapSearchWords) words = {0};
    Mail mail = {.work = work, .ask = ask, .header = TRUE};
    guint unsearched = 0;

    if (!imap_search_words_parse((const char *const *)given, today(), &words, error))
        return NULL;
    g_variant_lookup(ask->options, "Content", "b", &mail.content);
    if (!*words.folders && is_set_like(work->cache))
        mail.told = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    mail.out = g_string_new(NULL);
    gboolean ok = run_search(&mail, &words, &unsearched, error);
    g_string_free(mail.out, TRUE);
    g_clear_pointer(&mail.told, g_hash_table_unref);
    if (!ok)
        return NULL;
    const RecordCount counts[] = {
        {"Found", mail.messages}, {"Unsearched", unsearched}, {"Missing", mail.missing}};
    return record_summary(counts, G_N_ELEMENTS(counts));
}

/* ---- Export ------------------------------------------------------------------------------------ */

static void tell_folder(Mail *mail, const CacheFolder *folder)
{
    g_autoptr(GString) line = g_string_new(NULL);

    record_text(line, "Folder", folder->name);
    record_epoch(line, folder);
    record_text(line, "Role", bus_role_name(folder->role));
    record_number(line, "Messages", folder->exists);
    record_number(line, "Size", (gint64)folder->size);
    record_end(line);
    g_string_append_len(mail->out, line->str, (gssize)line->len);
}

static GArray *read_uids(Mail *mail, const CacheFolder *folder, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(mail->work->cache, CACHE_READ, error);
    return txn ? cache_uids(txn, folder->id, error) : NULL;
}

/* The folder's set of Have; *set is NULL where there is none. UIDs of another UIDVALIDITY mean other
 * messages. */
static gboolean read_have(GVariant *have, const CacheFolder *folder, ImapSet **set, GError **error)
{
    const char *text = NULL;
    char *uids;

    *set = NULL;
    if (!have || !g_variant_lookup(have, folder->name, "&s", &text) ||
        g_ascii_strtoull(text, &uids, 10) != folder->uidvalidity || *uids != ' ')
        return TRUE;
    *set = imap_set_parse(uids + 1, strlen(uids + 1), HAVE_RANGES, error);
    return *set != NULL;
}

static gboolean export_folder(Mail *mail, const CacheFolder *folder, GError **error)
{
    g_autoptr(GArray) uids = read_uids(mail, folder, error);

    if (!uids)
        return FALSE;
    for (guint at = 0; at < uids->len; at += SLICE_MESSAGES) {
        guint count = MIN(uids->len - at, SLICE_MESSAGES);
        g_autoptr(GPtrArray) items =
            read_slice(mail, folder, &g_array_index(uids, guint32, at), count, error);
        if (!items || !send_slice(mail, items, FALSE, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean export_folders(Mail *mail, const GPtrArray *folders, GError **error)
{
    g_autoptr(GVariant) have =
        g_variant_lookup_value(mail->ask->options, "Have", G_VARIANT_TYPE("a{ss}"));

    for (guint i = 0; i < folders->len; i++)
        tell_folder(mail, folders->pdata[i]);
    if (!send_out(mail, error))
        return FALSE;
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = folders->pdata[i];
        gboolean ok =
            read_have(have, folder, &mail->have, error) && export_folder(mail, folder, error);
        g_clear_pointer(&mail->have, imap_set_free);
        if (!ok)
            return FALSE;
    }
    return TRUE;
}

static gpointer export_job(AccountWork *work, gpointer data, GError **error)
{
    const BusAsk *ask = data;
    const char *const none[] = {NULL};
    g_autofree const char **wanted = NULL;
    Mail mail = {.work = work, .ask = ask, .content = TRUE};

    g_variant_lookup(ask->options, "Folders", "^a&s", &wanted);
    g_autoptr(GPtrArray) folders =
        find_folders(work->cache, wanted ? (const char *const *)wanted : none, error);
    if (!folders)
        return NULL;
    mail.out = g_string_new(NULL);
    gboolean ok = export_folders(&mail, folders, error);
    g_string_free(mail.out, TRUE);
    if (!ok)
        return NULL;
    const RecordCount counts[] = {
        {"Messages", mail.messages}, {"Known", mail.known}, {"Missing", mail.missing}};
    return record_summary(counts, G_N_ELEMENTS(counts));
}

/* ---- the methods ------------------------------------------------------------------------------- */

/* Runs a job with the descriptor that came along. */
static void stream(PosternAccount *object, GUnixFDList *files, GVariant *file, AccountJob job,
                   BusAsk *ask)
{
    Bus *bus = bus_of(object);
    g_autoptr(GError) error = NULL;

    ask->fd = files ? g_unix_fd_list_get(files, g_variant_get_handle(file), &error) : -1;
    if (ask->fd < 0) {
        bus_return(ask->invocation, POSTERN_ERROR_INVALID_ARGUMENT, "no file was passed along");
        return;
    }
    if (g_atomic_int_add(&bus->streams, 1) >= STREAMS_MAX) {
        g_atomic_int_add(&bus->streams, -1);
        close(ask->fd);
        bus_return(ask->invocation, POSTERN_ERROR_FAILED,
                   "%d searches, exports and imports are at work already; end one of them first",
                   STREAMS_MAX);
        return;
    }
    ask->running = &bus->streams;
    ask->words = ask->words ? g_variant_ref(ask->words) : NULL;
    ask->options = g_variant_ref(ask->options);
    bus_ask(object, job, ask);
}

static gboolean on_search(PosternAccount *object, GDBusMethodInvocation *invocation,
                          GUnixFDList *files, const char *const *words, GVariant *options,
                          GVariant *file, gpointer data)
{
    g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_new_strv(words, -1));

    stream(object, files, file, search_job,
           &(BusAsk){.invocation = invocation, .words = kept, .options = options});
    return TRUE;
}

static gboolean on_export(PosternAccount *object, GDBusMethodInvocation *invocation,
                          GUnixFDList *files, GVariant *options, GVariant *file, gpointer data)
{
    stream(object, files, file, export_job,
           &(BusAsk){.invocation = invocation, .options = options});
    return TRUE;
}

static gboolean on_import(PosternAccount *object, GDBusMethodInvocation *invocation,
                          GUnixFDList *files, GVariant *options, GVariant *file, gpointer data)
{
    stream(object, files, file, bus_import_job,
           &(BusAsk){.invocation = invocation, .refresh = TRUE, .options = options});
    return TRUE;
}

void bus_mail_connect(PosternAccount *object)
{
    g_signal_connect(object, "handle-search", G_CALLBACK(on_search), NULL);
    g_signal_connect(object, "handle-export", G_CALLBACK(on_export), NULL);
    g_signal_connect(object, "handle-import", G_CALLBACK(on_import), NULL);
}
