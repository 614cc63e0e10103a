/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the cache costs, without a network: `bench-cache FOLDER-OF-MAILS [COUNT [DIR]]`. The mails
 * (files *.txt, as often as needed, each time with another header line) are put into a new cache in
 * DIR (default: a temporary one), by two threads, and read back in the ways sessions read.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cache/change.h"
#include "cache/content.h"
#include "cache/folder.h"
#include "cache/message.h"

#define BATCH 50
#define SLICE 500

static GPtrArray *mails; /* GBytes, line ends as in IMAP */
static Cache *cache;
static gint64 folder;
static guint count = 100000;
static gint64 *messages;
static gint next;
static guint64 total_bytes;

static double clock_start, cpu_start;

/* Of all threads, user's and system's: what other programs do shows less in it. */
static double cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec +
           usage.ru_stime.tv_usec / 1e6;
}

static void start(void)
{
    clock_start = g_get_monotonic_time() / 1e6;
    cpu_start = cpu();
}

static double elapsed(void)
{
    return g_get_monotonic_time() / 1e6 - clock_start;
}

static void report(const char *what)
{
    double seconds = elapsed(), busy = cpu() - cpu_start;
    printf("%-58s %9.1f ms %9.2f us each, %9.2f us CPU\n", what, seconds * 1e3,
           seconds * 1e6 / count, busy * 1e6 / count);
}

static long memory(const char *field)
{
    g_autofree char *text = NULL;
    g_file_get_contents("/proc/self/status", &text, NULL, NULL);
    const char *line = text ? strstr(text, field) : NULL;
    return line ? strtol(line + strlen(field), NULL, 10) : 0;
}

static void check(gboolean fine, GError *error)
{
    if (!fine)
        g_error("%s", error ? error->message : "failed");
}

static void load(const char *dir)
{
    g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);

    for (const char *name; listing && (name = g_dir_read_name(listing));) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *text = NULL;
        gsize length;
        if (g_file_test(path, G_FILE_TEST_IS_DIR))
            load(path);
        if (!g_str_has_suffix(name, ".txt") || !g_file_get_contents(path, &text, &length, NULL))
            continue;
        GByteArray *mail = g_byte_array_new();
        for (gsize i = 0; i < length; i++) {
            if (text[i] == '\n' && (!i || text[i - 1] != '\r'))
                g_byte_array_append(mail, (const guint8 *)"\r", 1);
            g_byte_array_append(mail, (const guint8 *)text + i, 1);
        }
        g_ptr_array_add(mails, g_byte_array_free_to_bytes(mail));
    }
}

/* What the first look at a folder gives: UIDs, flags, dates, hints of sizes. */
static void add_placements(void)
{
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < count;) {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, &error);
        check(txn != NULL, error);
        for (guint end = MIN(i + SLICE, count); i < end; i++) {
            CachePlacement row = {.folder = folder,
                                  .alive = TRUE,
                                  .date = 1000000000 + i * 60,
                                  .zone = 60,
                                  .size = 5000,
                                  .base = CACHE_BASE_PRESENT,
                                  .base_uid = i + 1};
            row.message = messages[i] = cache_message_new(txn, NULL, &error);
            check(cache_placement_put(txn, &row, &error), error);
        }
        check(cache_commit(g_steal_pointer(&txn), &error), error);
    }
}

static CacheContentWriter *take_in(guint i)
{
    gsize length;
    char extra[48];
    const char *data = g_bytes_get_data(mails->pdata[i % mails->len], &length);
    CacheContentWriter *writer = cache_content_writer_new(cache);
    int extra_length = g_snprintf(extra, sizeof extra, "X-Copy: %u\r\n", i);

    __atomic_add_fetch(&total_bytes, length + (gsize)extra_length, __ATOMIC_RELAXED);
    cache_content_writer_add(writer, extra, (gsize)extra_length, NULL);
    cache_content_writer_add(writer, data, length, NULL);
    cache_content_writer_end(writer);
    return writer;
}

static void *add_bodies(void *unused)
{
    g_autoptr(GError) error = NULL;
    char filler[500];
    guint first;

    memset(filler, 'e', sizeof filler);
    while ((first = (guint)g_atomic_int_add(&next, BATCH)) < count) {
        guint size = MIN(BATCH, count - first);
        CacheContentWriter *writers[BATCH];
        for (guint i = 0; i < size; i++)
            writers[i] = take_in(first + i);
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE, &error);
        for (guint i = 0; i < size; i++) {
            CacheRendered rendered = {.envelope = g_bytes_new(filler, 420),
                                      .bodystructure = g_bytes_new(filler, 120),
                                      .structure = g_bytes_new(filler, 60),
                                      .sent = 5,
                                      .message_id = g_strdup_printf("%u@example", first + i)};
            check(cache_content_writer_finish(writers[i], txn, messages[first + i], &rendered,
                                              &error),
                  error);
            cache_rendered_clear(&rendered);
        }
        check(cache_commit(g_steal_pointer(&txn), &error), error);
        for (guint i = 0; i < size; i++)
            cache_content_writer_free(writers[i]);
    }
    return NULL;
}

static gboolean take_row(const CacheFetchRow *row, gpointer data)
{
    *(guint64 *)data += row->envelope_length + row->header_length + row->placement->uid;
    return TRUE;
}

static void fetch(const char *what, guint items, const GArray *uids)
{
    guint64 sum = 0;

    start();
    for (guint i = 0; i < uids->len; i += 1000) { /* as sessions do, so that none reads for long */
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
        cache_fetch(
            txn,
            (CacheSelection){folder, &g_array_index(uids, guint32, i), MIN(1000, uids->len - i)},
            items, take_row, &sum, NULL);
    }
    report(what);
}

static void read_bodies(gboolean at_random)
{
    guint64 sum = 0;

    start();
    for (guint i = 0; i < count; i++) {
        guint which = at_random ? (guint)(((guint64)i * 7919 + 13) % count) : i;
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
        g_autoptr(GBytes) body = cache_content_read(txn, messages[which], 0, G_MAXSIZE, NULL);
        sum += g_bytes_get_size(body);
    }
    report(at_random ? "read whole messages, at random, one transaction each"
                     : "read whole messages, in order, one transaction each");
}

static void store(const GArray *uids)
{
    double longest = 0;

    start();
    for (guint i = 0; i < uids->len; i += SLICE) {
        double before = elapsed();
        g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, NULL);
        cache_store(
            txn,
            (CacheSelection){folder, &g_array_index(uids, guint32, i), MIN(SLICE, uids->len - i)},
            (CacheStore){CACHE_FLAGS_ADD, (CacheFlags){CACHE_SEEN, 0}, G_MAXUINT64}, done, modified,
            NULL);
        cache_commit(g_steal_pointer(&txn), NULL);
        longest = MAX(longest, elapsed() - before);
    }
    report("STORE +FLAGS (\\Seen), 500 at a time, durable");
    printf("%-58s %9.1f ms\n", "    the longest of these transactions", longest * 1e3);
}

/* What a session reads when it selects a folder with holes in it. */
static void holes(const GArray *uids)
{
    for (guint i = 0; i < uids->len; i += 3 * SLICE) {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, NULL);
        for (guint j = i; j < MIN(i + 3 * SLICE, uids->len); j += 3)
            cache_expunge(txn, folder, &g_array_index(uids, guint32, j), 1, TRUE, NULL, NULL);
        cache_commit(g_steal_pointer(&txn), NULL);
    }
    start();
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
    g_autoptr(GArray) left = cache_uids(txn, folder, NULL);
    report("cache_uids(), every third message expunged");
}

static void look(void)
{
    g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
    GArray *changed, *expunged;

    start();
    g_autoptr(GArray) uids = cache_uids(txn, folder, NULL);
    report("cache_uids()");
    start();
    cache_changes(txn, folder, 0, &changed, &expunged, NULL);
    report("cache_changes() from the beginning");
    g_array_unref(changed);
    g_array_unref(expunged);
    start();
    for (guint i = 0; i < count; i++) {
        g_autoptr(CacheTxn) again = cache_begin(cache, CACHE_READ, NULL);
        g_autoptr(CacheFolder) row = cache_folder_get(again, folder, NULL);
    }
    report("cache_folder_get(), one transaction each");
    cache_end(g_steal_pointer(&txn));

    fetch("cache_fetch(): uid and flags", CACHE_FETCH_FLAGS, uids);
    fetch("cache_fetch(): the whole placement", 0, uids);
    fetch("cache_fetch(): ENVELOPE and BODYSTRUCTURE",
          CACHE_FETCH_ENVELOPE | CACHE_FETCH_BODYSTRUCTURE, uids);
    fetch("cache_fetch(): header block", CACHE_FETCH_HEADER, uids);
    read_bodies(FALSE);
    read_bodies(TRUE);
    store(uids);
    holes(uids);
}

static void wanted(void)
{
    start();
    for (guint i = 0; i < count / 100; i++) {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, NULL);
        g_autoptr(GArray) list = cache_content_wanted(txn, 0, CACHE_CONTENT_FULL, 0, 100, NULL);
        g_assert(list->len == 100);
    }
    report("cache_content_wanted(), 100 at a time");
}

static void fill(void)
{
    pthread_t other;

    start();
    add_placements();
    report("new messages with their places, 500 at a time, durable");
    wanted();
    start();
    pthread_create(&other, NULL, add_bodies, NULL);
    add_bodies(NULL);
    pthread_join(other, NULL);
    double seconds = elapsed();
    report("contents, two threads, 50 at a time");
    printf("%-58s %9.0f /s %7.0f MB/s\n", "    that is", count / seconds,
           (double)total_bytes / 1e6 / seconds);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *temporary = argc > 3 ? NULL : g_dir_make_tmp("bench-cache-XXXXXX", NULL);
    const char *dir = argc > 3 ? argv[3] : temporary;

    if (argc < 2) {
        fprintf(stderr, "usage: bench-cache FOLDER-OF-MAILS [COUNT [DIR]]\n");
        return 2;
    }
    count = argc > 2 ? (guint)strtoul(argv[2], NULL, 10) : count;
    mails = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    load(argv[1]);
    check(mails->len > 0, NULL);
    messages = g_new(gint64, count);
    long before = memory("VmRSS:");
    cache = cache_open(dir, NULL, &error);
    check(cache != NULL, error);
    {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, &error);
        folder = cache_folder_create(txn, "INBOX", CACHE_ROLE_INBOX, &error);
        check(cache_commit(g_steal_pointer(&txn), &error), error);
    }
    fill();
    printf("%-58s %9.1f MB of %.1f MB\n", "on the disk", (double)cache_disk_size(cache) / 1e6,
           (double)total_bytes / 1e6);
    look();
    printf("%-58s %9.1f MB, before the cache was opened %.1f MB\n", "resident",
           (double)memory("VmRSS:") / 1024, (double)before / 1024);
    cache_close(cache);
    printf("the cache is in %s\n", dir);
    return 0;
}
