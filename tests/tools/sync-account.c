/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sync without the daemon around it, for tests and for trying things out:
 *
 *     sync-account URL USER PASSWORD DIRECTORY [PREFETCH-DAYS]
 *
 * Commands are lines on stdin with words separated by tabs; each is answered with lines and then
 * "ok" or "failed: why". See the table at the end.
 */
#include "cache/attempt.h"
#include "cache/change.h"
#include "cache/folder.h"
#include "cache/private.h"
#include "cache/problem.h"
#include "cache/subscription.h"
#include "daemon/config/config.h"
#include "daemon/config/habits.h"
#include "daemon/config/providers.h"
#include "daemon/index/render.h"
#include "daemon/proto/imap/set.h"
#include "daemon/sync/pending.h"
#include "daemon/sync/sync.h"
#include "tests/tools/count.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- dying at any step --------------------------------------------------------------------- */

/*
 * With POSTERN_ABORT_AT=N, or the command abort-at, the program is killed at the N-th step: before a commit, before commands
 * go out, and after they have. The linker puts these in the place of the real functions
 * (meson.build), so that nothing of it is in the daemon.
 */
gboolean __real_cache_commit(CacheTxn *txn, GError **error);
gboolean __wrap_cache_commit(CacheTxn *txn, GError **error);
CacheTxn *__real_cache_begin(Cache *cache, CacheMode mode, GError **error);
CacheTxn *__wrap_cache_begin(Cache *cache, CacheMode mode, GError **error);
void __real_cache_end(CacheTxn *txn);
void __wrap_cache_end(CacheTxn *txn);
gboolean __real_net_stream_flush(NetStream *stream, GError **error);
gboolean __wrap_net_stream_flush(NetStream *stream, GError **error);

static gint steps_left = -1;

/* With the command full-at, the N-th transaction from then on can't be written, as on a full disk. */
static gint commits_left = -1;

/* Whether the one that failed was sync's: it is said by the round; the fetchers try again. */
static gint failed_in_sync;

static void note_thread(void)
{
    char name[16] = "";

    pthread_getname_np(pthread_self(), name, sizeof name);
    g_atomic_int_set(&failed_in_sync, g_str_has_prefix(name, "sync"));
}

static void step(void)
{
    if (g_atomic_int_get(&steps_left) > 0 && g_atomic_int_dec_and_test(&steps_left))
        kill(getpid(), SIGKILL);
}

gboolean __wrap_cache_commit(CacheTxn *txn, GError **error)
{
    step();
    count_end(txn);
    if (g_atomic_int_get(&commits_left) > 0 && g_atomic_int_dec_and_test(&commits_left)) {
        cache_end(txn);
        note_thread();
        g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_FULL, "mail.db can't grow");
        return FALSE;
    }
    return __real_cache_commit(txn, error);
}

CacheTxn *__wrap_cache_begin(Cache *cache, CacheMode mode, GError **error)
{
    CacheTxn *txn = __real_cache_begin(cache, mode, error);

    if (txn)
        count_begin(txn);
    return txn;
}

void __wrap_cache_end(CacheTxn *txn)
{
    if (txn)
        count_end(txn);
    __real_cache_end(txn);
}

gboolean __wrap_net_stream_flush(NetStream *stream, GError **error)
{
    step();
    gboolean ok = __real_net_stream_flush(stream, error);
    step();
    return ok;
}

/* ---- what the tool has ---------------------------------------------------------------------- */

typedef struct {
    AccountSettings *settings;
    Cache *cache;
    FetchBodies *bodies;
    Sync *sync;
    NetClock *clock;
    const char *password;
    pthread_mutex_t lock; /* of what was reported last */
    AccountState state;
    double progress;
    char *message;
    gboolean full; /* that the disk is full was reported since full-at */
} Tool;

static char *give_password(const AccountSettings *settings, gboolean outgoing, gpointer data,
                           GError **error)
{
    return g_strdup(data);
}

static void report(AccountState state, double progress, const char *message, gpointer data)
{
    Tool *tool = data;

    pthread_mutex_lock(&tool->lock);
    tool->state = state;
    tool->full |= state == ACCOUNT_NO_SPACE;
    tool->progress = progress;
    g_free(tool->message);
    tool->message = g_strdup(message);
    pthread_mutex_unlock(&tool->lock);
    if (g_getenv("SYNC_REPORTS"))
        g_printerr("%.3f state %d %.0f%% %s\n", (double)g_get_monotonic_time() / G_USEC_PER_SEC,
                   state, progress * 100, message ? message : "");
}

static CacheFolder *find(CacheTxn *txn, const char *name, GError **error)
{
    return cache_folder_find(txn, name, error);
}

/* As the servers for mail programs do it: what the provider doesn't let the user do is refused here, too
 * (RFC 4314, 4). */
static gboolean allows(const CacheFolder *folder, guint32 needs, GError **error)
{
    if (!(needs & ~cache_folder_rights(folder)))
        return TRUE;
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "not allowed in %s", folder->name);
    return FALSE;
}

/* The same for setting or clearing flags. */
static gboolean allows_flags(const CacheFolder *folder, CacheFlags flags, GError **error)
{
    const CacheFlags kept = cache_rights_limit(cache_folder_rights(folder), flags);

    return cache_flags_equal(kept, flags) || allows(folder, CACHE_RIGHTS_FLAGS, error);
}

static guint32 system_flags(CacheTxn *txn, const char *words, CacheFlags *flags, GError **error)
{
    static const struct {
        const char *name;
        guint32 bit;
    } names[] = {{"\\Seen", CACHE_SEEN},
                 {"\\Flagged", CACHE_FLAGGED},
                 {"\\Answered", CACHE_ANSWERED},
                 {"\\Draft", CACHE_DRAFT},
                 {"\\Deleted", CACHE_DELETED}};
    g_auto(GStrv) split = g_strsplit(words, " ", -1);
    g_autoptr(GPtrArray) keywords = g_ptr_array_new();

    *flags = (CacheFlags){0};
    for (guint i = 0; split[i]; i++) {
        gboolean known = !*split[i];
        for (guint k = 0; k < G_N_ELEMENTS(names); k++)
            if (g_ascii_strcasecmp(split[i], names[k].name) == 0) {
                flags->system |= names[k].bit;
                known = TRUE;
            }
        if (!known)
            g_ptr_array_add(keywords, split[i]);
    }
    g_ptr_array_add(keywords, NULL);
    if (keywords->len > 1)
        flags->keywords = cache_keywords_intern(txn, (const char *const *)keywords->pdata, error);
    return flags->keywords != G_MAXUINT32;
}

static GArray *uids_of(const char *text)
{
    g_autoptr(ImapSet) set = imap_set_parse(text, strlen(text), 1000000, NULL);
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    ImapSetIter iter;
    guint32 uid;

    if (!set)
        return uids;
    imap_set_iter_init(&iter, set);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(uids, uid);
    return uids;
}

/* ---- commands ------------------------------------------------------------------------------ */

static gboolean do_sync(Tool *tool, char **words, GError **error)
{
    guint64 round = sync_now(tool->sync);

    return sync_wait_round(tool->sync, round, NULL, error);
}

static gboolean do_online(Tool *tool, char **words, GError **error)
{
    sync_set_online(tool->sync, g_str_equal(words[0], "online"));
    return TRUE;
}

static gboolean do_folders(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) folders = txn ? cache_folder_list(txn, error) : NULL;

    for (guint i = 0; folders && i < folders->len; i++) {
        const CacheFolder *folder = folders->pdata[i];
        if (folder->name)
            printf("%s\t%u\t%u\t%u\t%s\t%u\n", folder->name, folder->exists, folder->unseen,
                   folder->uidvalidity, folder->base_name ? folder->base_name : "",
                   folder->missing);
    }
    return folders != NULL;
}

static char *message_id(CacheTxn *txn, gint64 message)
{
    g_autoptr(GBytes) header = cache_content_header(txn, message, NULL);
    gsize length;
    const char *data = header ? g_bytes_get_data(header, &length) : NULL;

    return data ? render_message_id(data, length) : NULL;
}

/* uid, flags, keywords, base, base UID, digest of the bytes, Message-ID, date */
static gboolean do_list(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? find(txn, words[1], error) : NULL;
    g_autoptr(GArray) uids = folder ? cache_uids(txn, folder->id, error) : NULL;

    for (guint i = 0; uids && i < uids->len; i++) {
        guint32 uid = g_array_index(uids, guint32, i);
        CachePlacement row;
        if (!cache_placement_get(txn, folder->id, uid, &row, error))
            return FALSE;
        const char *const *keywords = cache_keywords_names(tool->cache, row.flags.keywords);
        g_autofree char *joined = keywords ? g_strjoinv(",", (char **)keywords) : g_strdup("");
        guint64 size = cache_content_size(txn, row.message, NULL);
        g_autoptr(GBytes) bytes = size ? cache_content_read(txn, row.message, 0, size, NULL) : NULL;
        g_autofree char *digest =
            bytes ? g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes) : g_strdup("-");
        g_autofree char *id = message_id(txn, row.message);
        printf("%u\t%u\t%s\t%d\t%u\t%s\t%s\t%" G_GINT64_FORMAT "\n", uid, row.flags.system, joined,
               row.base, row.base_uid, digest, id ? id : "", row.date);
    }
    return uids != NULL;
}

static gboolean do_store(Tool *tool, char **words, GError **error)
{
    g_autoptr(GArray) uids = uids_of(words[2]);
    g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
    g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
    CacheFlags flags;
    CacheFlagsMode mode = *words[3] == '+'   ? CACHE_FLAGS_ADD
                          : *words[3] == '-' ? CACHE_FLAGS_REMOVE
                                             : CACHE_FLAGS_SET;

    for (guint i = 0; i < uids->len; i += 500) {
        g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_WRITE_FULL, error);
        g_autoptr(CacheFolder) folder = txn ? find(txn, words[1], error) : NULL;
        if (!folder || !system_flags(txn, words[3] + (mode != CACHE_FLAGS_SET), &flags, error) ||
            !allows_flags(folder, flags, error) ||
            !cache_store(txn,
                         (CacheSelection){folder->id, &g_array_index(uids, guint32, i),
                                          MIN(500, uids->len - i)},
                         (CacheStore){mode, flags, G_MAXUINT64}, done, modified, error) ||
            !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

#define TAKING (CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE)

static gboolean do_copy(Tool *tool, char **words, GError **error)
{
    g_autoptr(GArray) uids = uids_of(words[2]);
    g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(guint32));
    gboolean move = g_str_equal(words[0], "move");

    for (guint i = 0; i < uids->len; i += 500) {
        g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_WRITE_FULL, error);
        g_autoptr(CacheFolder) folder = txn ? find(txn, words[1], error) : NULL;
        g_autoptr(CacheFolder) target = folder ? find(txn, words[3], error) : NULL;
        if (!target || !allows(target, CACHE_RIGHT_INSERT, error) ||
            (move && !allows(folder, TAKING, error)) ||
            !cache_copy(txn,
                        (CacheSelection){folder->id, &g_array_index(uids, guint32, i),
                                         MIN(500, uids->len - i)},
                        target->id, move, from, to, error) ||
            !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    for (guint i = 0; i < from->len; i++)
        printf("%u\t%u\n", g_array_index(from, guint32, i), g_array_index(to, guint32, i));
    return TRUE;
}

static gboolean do_expunge(Tool *tool, char **words, GError **error)
{
    g_autoptr(GArray) uids = uids_of(words[2]);

    for (guint i = 0; i < uids->len; i += 500) {
        g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_WRITE_FULL, error);
        g_autoptr(CacheFolder) folder = txn ? find(txn, words[1], error) : NULL;
        if (!folder || !allows(folder, TAKING, error) ||
            !cache_expunge(txn, folder->id, &g_array_index(uids, guint32, i),
                           MIN(500, uids->len - i), TRUE, NULL, error) ||
            !cache_commit(g_steal_pointer(&txn), error))
            return FALSE;
    }
    return TRUE;
}

static gboolean do_append(Tool *tool, char **words, GError **error)
{
    gsize length;
    g_autofree guchar *bytes = g_base64_decode(words[3], &length);
    g_autoptr(CacheContentWriter) writer = cache_content_writer_new(tool->cache);
    CacheRendered rendered;
    CacheFlags flags;

    if (!cache_content_writer_add(writer, bytes, length, error))
        return FALSE;
    render_message((char *)bytes, length, TRUE, &rendered);
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_WRITE_FULL, error);
    g_autoptr(CacheFolder) folder = txn ? find(txn, words[1], error) : NULL;
    guint32 uid = 0;
    if (folder && allows(folder, CACHE_RIGHT_INSERT, error) &&
        system_flags(txn, words[2], &flags, error))
        uid = cache_append(txn, folder->id, writer, &rendered,
                           (CacheAppend){flags, g_get_real_time() / G_USEC_PER_SEC, 0}, error);
    cache_rendered_clear(&rendered);
    if (uid == 0 || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    printf("%u\n", uid);
    return TRUE;
}

static gboolean do_folder(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_WRITE_FULL, error);
    gboolean ok;

    if (!txn)
        return FALSE;
    if (g_str_equal(words[0], "create")) {
        ok = cache_folder_create(txn, words[1], CACHE_ROLE_NONE, error) != 0;
    } else {
        g_autoptr(CacheFolder) folder = find(txn, words[1], error);
        ok = folder && (g_str_equal(words[0], "delete")
                            ? cache_folder_delete(txn, folder->id, error)
                            : cache_folder_rename(txn, folder->id, words[2], error));
    }
    return ok && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean do_need(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_READ, error);
    g_autoptr(CacheFolder) folder = txn ? find(txn, words[1], error) : NULL;
    CachePlacement row;

    if (!folder || !cache_placement_get(txn, folder->id, (guint32)atoi(words[2]), &row, error))
        return FALSE;
    g_clear_pointer(&txn, cache_end);
    return fetch_content(tool->bodies, &row.message, 1, CACHE_CONTENT_FULL, NULL, error);
}

/* state, progress, message: as the daemon would show them */
static gboolean do_state(Tool *tool, char **words, GError **error)
{
    pthread_mutex_lock(&tool->lock);
    printf("%d\t%.3f\t%s\n", tool->state, tool->progress, tool->message ? tool->message : "");
    pthread_mutex_unlock(&tool->lock);
    return TRUE;
}

static gboolean count(const CachePlacement *row, gpointer data)
{
    ++*(guint *)data;
    return TRUE;
}

/* The program is killed at the N-th step from now on; 0: not at all. */
static gboolean do_abort_at(Tool *tool, char **words, GError **error)
{
    g_atomic_int_set(&steps_left, atoi(words[1]));
    return TRUE;
}

/* The N-th transaction from now on fails; 0: none. */
static gboolean do_full_at(Tool *tool, char **words, GError **error)
{
    pthread_mutex_lock(&tool->lock);
    tool->full = FALSE;
    pthread_mutex_unlock(&tool->lock);
    g_atomic_int_set(&failed_in_sync, FALSE);
    g_atomic_int_set(&commits_left, atoi(words[1]));
    return TRUE;
}

/* How many transactions are left until one fails; whether that was sync's; whether a full disk was
 * reported since. */
static gboolean do_full(Tool *tool, char **words, GError **error)
{
    pthread_mutex_lock(&tool->lock);
    printf("%d\t%d\t%d\n", g_atomic_int_get(&commits_left), g_atomic_int_get(&failed_in_sync),
           tool->full);
    pthread_mutex_unlock(&tool->lock);
    return TRUE;
}

static gboolean do_subscribe(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_WRITE_FULL, error);

    return txn && cache_subscribe(txn, words[1], g_str_equal(words[0], "subscribe"), error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* All problems are to be tried again. */
static gboolean do_retry(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;

    g_clear_pointer(&txn, cache_end);
    for (guint i = 0; problems && i < problems->len; i++)
        if (!sync_retry_pending(tool->cache, ((CacheProblem *)problems->pdata[i])->id, error))
            return FALSE;
    return problems != NULL;
}

/* The clock is put forward by so many seconds. */
static gboolean do_advance(Tool *tool, char **words, GError **error)
{
    net_clock_advance(tool->clock, g_ascii_strtoll(words[1], NULL, 10));
    return TRUE;
}

/* No value of the database may be larger, as if it were as full as one can be. */
static gboolean do_largest(Tool *tool, char **words, GError **error)
{
    sqlite3_limit(tool->cache->writer->handle, SQLITE_LIMIT_LENGTH, atoi(words[1]));
    return TRUE;
}

/* pending rows, attempts, problems */
static gboolean do_pending(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) attempts = txn ? cache_attempt_list(txn, error) : NULL;
    g_autoptr(GPtrArray) problems = attempts ? cache_problem_list(txn, error) : NULL;
    guint pending = 0;

    if (!problems || !cache_placement_each_pending(txn, 0, count, &pending, error))
        return FALSE;
    printf("%u\t%u\t%u\n", pending, attempts->len, problems->len);
    for (guint i = 0; i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        printf("%s\t%" G_GINT64_FORMAT "\t%u\t%s\n", problem->operation, problem->folder,
               problem->uid, problem->text);
    }
    return TRUE;
}

/* Number, operation, folder, UID, seconds until the next try (-1: on demand), words. */
static gboolean do_problems(Tool *tool, char **words, GError **error)
{
    g_autoptr(CacheTxn) txn = cache_begin(tool->cache, CACHE_READ, error);
    g_autoptr(GPtrArray) problems = txn ? cache_problem_list(txn, error) : NULL;

    for (guint i = 0; problems && i < problems->len; i++) {
        const CacheProblem *problem = problems->pdata[i];
        g_autoptr(CacheFolder) folder = cache_folder_get(txn, problem->folder, NULL);
        const char *name = folder && folder->name ? folder->name : "";
        gint64 wait = problem->retry ? problem->retry - net_clock_seconds(tool->clock) : -1;
        printf("%" G_GINT64_FORMAT "\t%s\t%s\t%u\t%" G_GINT64_FORMAT "\t%s\n", problem->id,
               problem->operation, name, problem->uid, wait, problem->text);
    }
    return problems != NULL;
}

static gboolean do_problem(Tool *tool, char **words, GError **error)
{
    gint64 id = g_ascii_strtoll(words[1], NULL, 10);

    return g_str_equal(words[0], "retry-one") ? sync_retry_pending(tool->cache, id, error)
                                              : sync_give_up_pending(tool->cache, id, error);
}

/* Blocks, instructions, those of the longest transaction that writes, and how many of these there were. */
static gboolean do_work(Tool *tool, char **words, GError **error)
{
    CountedWork work = count_take();

    printf("%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT
           "\n",
           work.blocks, work.instructions, work.longest, work.writes);
    return TRUE;
}

static const struct {
    const char *name;
    guint words;
    gboolean (*run)(Tool *tool, char **words, GError **error);
} commands[] = {
    {"sync", 1, do_sync},
    {"online", 1, do_online},
    {"offline", 1, do_online},
    {"folders", 1, do_folders},
    {"list", 2, do_list},
    {"store", 4, do_store},
    {"copy", 4, do_copy},
    {"move", 4, do_copy},
    {"expunge", 3, do_expunge},
    {"append", 4, do_append},
    {"create", 2, do_folder},
    {"delete", 2, do_folder},
    {"rename", 3, do_folder},
    {"need", 3, do_need},
    {"pending", 1, do_pending},
    {"state", 1, do_state},
    {"retry", 1, do_retry},
    {"subscribe", 2, do_subscribe},
    {"unsubscribe", 2, do_subscribe},
    {"advance", 2, do_advance},
    {"largest", 2, do_largest},
    {"abort-at", 2, do_abort_at},
    {"full-at", 2, do_full_at},
    {"full", 1, do_full},
    {"problems", 1, do_problems},
    {"retry-one", 2, do_problem},
    {"give-up", 2, do_problem},
    {"work", 1, do_work},
};

static void run_line(Tool *tool, char *line)
{
    g_auto(GStrv) words = g_strsplit(g_strchomp(line), "\t", -1);
    g_autoptr(GError) error = NULL;
    gboolean ok = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_strcmp0(words[0], commands[i].name) == 0 && g_strv_length(words) == commands[i].words)
            ok = commands[i].run(tool, words, &error);
    if (ok)
        printf("ok\n");
    else
        printf("failed: %s\n", error ? error->message : "no such command");
    fflush(stdout);
}

/* As the configuration would give them, with the lines of POSTERN_SETTINGS, and what the table at
 * POSTERN_PROVIDERS knows. */
static AccountSettings *read_settings(const char *url, const char *user, GError **error)
{
    const char *more = g_getenv("POSTERN_SETTINGS");
    const char *table = g_getenv("POSTERN_PROVIDERS");
    g_autofree char *text = g_strdup_printf("[account test]\naddress=%s\nincoming=%s\n%s\n", user,
                                            url, more ? more : "");
    g_autoptr(GKeyFile) providers = table ? providers_load(table, NULL, error) : NULL;
    if (table && !providers)
        return NULL;
    g_autoptr(Config) config = config_parse("settings", text, error);
    const ConfigAccount *account = config ? config_find(config, "test") : NULL;

    if (account && account->settings) {
        account->settings->providers = g_steal_pointer(&providers);
        return account_settings_ref(account->settings);
    }
    g_set_error_literal(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                        account ? account->error : "no settings");
    return NULL;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Tool tool = {0};
    char *line = NULL;
    size_t size = 0;

    if (argc < 5) {
        fprintf(stderr, "usage: sync-account URL USER PASSWORD DIRECTORY [PREFETCH-DAYS]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&tool.lock, NULL);
    if (g_getenv("POSTERN_ABORT_AT"))
        steps_left = atoi(g_getenv("POSTERN_ABORT_AT"));
    tool.settings = read_settings(argv[1], argv[2], &error);
    if (tool.settings && argc > 5)
        tool.settings->prefetch_days = atoi(argv[5]);
    g_autoptr(NetTlsClient) tls = net_tls_client_new(NULL, NULL);
    tool.cache = tool.settings ? cache_open(argv[4], NULL, &error) : NULL;
    if (!tool.cache) {
        fprintf(stderr, "sync-account: %s\n", error->message);
        return 1;
    }
    tool.clock = net_clock_new();
    AccountAccess access = {.settings = tool.settings,
                            .password = give_password,
                            .password_data = argv[3],
                            .tls = tls,
                            .gate = account_gate_new(),
                            .habits = account_habits_new(tool.settings),
                            .clock = tool.clock};
    tool.bodies = fetch_bodies_new(&access, tool.cache, 2);
    tool.sync = sync_new(&access, tool.cache, tool.bodies, report, &tool);
    while (getline(&line, &size, stdin) > 0)
        run_line(&tool, line);
    free(line);
    sync_free(tool.sync);
    fetch_bodies_free(tool.bodies);
    cache_close(tool.cache);
    account_settings_unref(tool.settings);
    account_gate_unref(access.gate);
    account_habits_unref(access.habits);
    net_clock_unref(tool.clock);
    g_free(tool.message);
    pthread_mutex_destroy(&tool.lock);
    return 0;
}
