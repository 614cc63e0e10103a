/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Builds, connects and stops the parts of one account.
 */
#include "daemon/account/work.h"

#include "cache/attempt.h"
#include "cache/folder.h"
#include "cache/problem.h"
#include "daemon/account/kind.h"
#include "daemon/account/owner.h"
#include "daemon/account/paths.h"
#include "daemon/account/rebuild.h"
#include "daemon/account/trouble.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Connections of an account that fetch bodies; with sync and IDLE five, well below what providers
 * allow. */
#define FETCHERS 3

#define PENDING_LIMIT 100000

static void restore_floor(const char *data_dir, const char *id)
{
    g_autofree char *dir = account_data_dir(data_dir, id);
    g_autofree char *here = g_build_filename(dir, "uidvalidity", NULL);
    g_autofree char *kept = account_floor_path(data_dir, id);

    if (g_file_test(kept, G_FILE_TEST_EXISTS) && !g_file_test(here, G_FILE_TEST_EXISTS)) {
        g_mkdir_with_parents(dir, 0700);
        g_rename(kept, here);
    }
}

/* Says what the person can do about a cache that doesn't open. */
static void add_remedy(GError **error, const char *dir)
{
    if (g_error_matches(*error, CACHE_ERROR, CACHE_ERROR_CORRUPT))
        g_prefix_error(error,
                       "the cache in %s is damaged; stop posternd, move mail.db away and start it "
                       "again, the mail is then fetched anew: ",
                       dir);
    else if (g_error_matches(*error, CACHE_ERROR, CACHE_ERROR_FULL))
        g_prefix_error(error, "the disk that holds %s is full; make room on it: ", dir);
    else if (g_error_matches(*error, CACHE_ERROR, CACHE_ERROR_NEWER))
        g_prefix_error(error, "the cache in %s was made by a newer Postern; install that: ", dir);
    else
        g_prefix_error(error, "the cache in %s can't be opened: ", dir);
}

static gboolean open_cache(AccountWork *work, const AccountWorkContext *context, GError **error)
{
    const char *data_dir = context->data_dir;
    const AccountSettings *settings = work->settings;
    g_autofree char *dir = account_data_dir(data_dir, settings->id);
    g_autofree char *passwords = g_build_filename(dir, "local-passwords", NULL);

    if (!account_owner_enters(data_dir, settings, error))
        return FALSE;
    restore_floor(data_dir, settings->id);
    work->cache = rebuild_open(dir, context->progress, &work->notice, error);
    if (!work->cache) {
        if (!g_error_matches(*error, CACHE_ERROR, CACHE_ERROR_CANCELLED))
            add_remedy(error, dir);
        return FALSE;
    }
    if (!kind_prepare(work->cache, settings, error))
        return FALSE;
    work->verifiers = serve_verifiers_load(passwords, error);
    return work->verifiers != NULL;
}

static gboolean open_tls(AccountWork *work, GError **error)
{
    const AccountSettings *settings = work->settings;

    work->tls = net_tls_client_new(settings->tls_ca_file, error);
    if (!work->tls && settings->tls_ca_file)
        g_prefix_error(error, "tls-ca-file=%s can't be used: ", settings->tls_ca_file);
    if (!work->tls || !settings->tls_client_cert)
        return work->tls != NULL;
    if (net_tls_client_identify(work->tls, settings->tls_client_cert, error))
        return TRUE;
    g_prefix_error(error, "tls-client-cert: ");
    return FALSE;
}

static void watch_changes(AccountWork *work)
{
    work->changed_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    work->view_watch = cache_watch_view(work->cache, 0, work->changed_fd);
    work->pending_watch = cache_watch_pending(work->cache, work->changed_fd);
}

/* Beside these, sync, the thread that idles and the one that fetches what sessions ask for have a
 * connection each. */
static guint count_fetchers(AccountHabits *habits)
{
    Quirks quirks;

    account_habits_get(habits, &quirks);
    guint most = quirks.numbers[QUIRK_CONNECTIONS];
    return most ? (guint)CLAMP((int)most - 3, 0, FETCHERS) : FETCHERS;
}

/* What a copy in Sent depends on (relay/filing.h). */
static void look_upstream(gpointer sync)
{
    sync_now(sync);
}

static gint64 looked_upstream(gpointer sync)
{
    return sync_seen(sync);
}

static void start_threads(AccountWork *work, const AccountWorkContext *context)
{
    gboolean by_token = work->settings->oauth2_server != NULL;

    work->secrets = context->secrets;
    secrets_open(work->secrets, work->settings->id);
    work->access =
        (AccountAccess){.settings = work->settings,
                        .password = by_token ? oauth_tokens_password : secrets_password,
                        .refused = by_token              ? oauth_tokens_refused
                                   : work->settings->goa ? secrets_refused
                                                         : NULL,
                        .password_data = by_token ? (gpointer)context->tokens : context->secrets,
                        .tls = work->tls,
                        .gate = work->gate,
                        .habits = work->habits};

    /* Of other accounts everything is here once it is known of. */
    guint fetchers = work->settings->kind == ACCOUNT_IMAP ? count_fetchers(work->habits) : 0;

    work->bodies = fetch_bodies_new(&work->access, work->cache, fetchers);
    work->sync = sync_new(&work->access, work->cache, work->bodies, context->sync_report,
                          context->report_data);
    work->indexer = indexer_new(work->cache, work->settings->id);
    if (!work->settings->outgoing || !work->queue)
        return;
    const RelayFilingOptions filing = {
        .queue = work->queue,
        .cache = work->cache,
        .settings = work->settings,
        .habits = work->habits,
        .look = look_upstream,
        .looked = looked_upstream,
        .data = work->sync,
    };
    work->filing = relay_filing_new(&filing);
    work->copy = (RelayCopy){work->queue, work->cache, work->settings->outgoing->host};
    RelayOptions relay = {
        .access = work->access,
        .queue = work->queue,
        .report = context->relay_report,
        .report_data = context->report_data,
        .filing = work->filing,
        .failed = relay_copy_bounce,
        .failed_data = &work->copy,
    };
    work->relay = relay_new(&relay);
}

AccountWork *account_work_start(const AccountWorkContext *context, AccountSettings *settings,
                                GError **error)
{
    AccountWork *work = g_new0(AccountWork, 1);

    work->settings = account_settings_ref(settings);
    work->queue = context->queue;
    work->changed_fd = -1;
    work->gate = account_gate_new();
    work->habits = account_habits_new(settings);
    if (!open_tls(work, error) || !open_cache(work, context, error)) {
        account_work_stop(work);
        return NULL;
    }
    watch_changes(work);
    start_threads(work, context);

    work->serve = serve_account_new(settings, work->cache, work->bodies, work->verifiers);
    return work;
}

void account_work_stop(AccountWork *work)
{
    if (work->secrets)
        secrets_close(work->secrets, work->settings->id);
    /* Other accounts' sessions that read a message of this one now (URLFETCH) are soon done. */
    if (work->bodies)
        fetch_bodies_stop(work->bodies);
    g_clear_pointer(&work->serve, serve_account_unref_last);
    g_clear_pointer(&work->relay, relay_free);
    g_clear_pointer(&work->filing, relay_filing_free);
    g_clear_pointer(&work->sync, sync_free);
    g_clear_pointer(&work->bodies, fetch_bodies_free);
    g_clear_pointer(&work->indexer, indexer_free);
    g_clear_pointer(&work->view_watch, cache_unwatch);
    g_clear_pointer(&work->pending_watch, cache_unwatch);
    g_clear_pointer(&work->verifiers, serve_verifiers_unref);
    g_clear_pointer(&work->cache, cache_close);
    g_free(work->notice);
    g_clear_pointer(&work->tls, net_tls_client_unref);
    account_gate_unref(work->gate);
    account_habits_unref(work->habits);
    account_settings_unref(work->settings);
    if (work->changed_fd >= 0)
        close(work->changed_fd);
    g_free(work);
}

static gboolean is_loopback(const char *host)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    return address ? g_inet_address_get_is_loopback(address) : strcmp(host, "localhost") == 0;
}

/* Without a server there is none that can't be reached. */
static gboolean reachable(const NetEndpoint *endpoint, gboolean forced_offline, gboolean network)
{
    return !endpoint || (!forced_offline && (network || is_loopback(endpoint->host)));
}

void account_work_set_online(AccountWork *work, gboolean forced_offline, gboolean network)
{
    const AccountSettings *settings = work->settings;

    sync_set_online(work->sync, reachable(settings->incoming, forced_offline, network));
    if (work->relay)
        relay_set_online(work->relay, reachable(settings->outgoing, forced_offline, network));
}

/* A relay has a connection only while it sends, and a short time after; it isn't cut off where that
 * would send a message twice. */
static void check_relay(AccountWork *work)
{
    if (work->relay)
        relay_check(work->relay);
}

void account_work_check_connections(AccountWork *work)
{
    sync_check(work->sync);
    check_relay(work);
}

void account_work_reconnect(AccountWork *work)
{
    sync_reconnect(work->sync);
    check_relay(work);
}

/* ---- counting ------------------------------------------------------------------------------ */

static gboolean count_pending(const CachePlacement *placement, gpointer data)
{
    guint *count = data;
    return ++*count < PENDING_LIMIT;
}

static gboolean count_folder(AccountWork *work, CacheTxn *txn, const CacheFolder *folder,
                             AccountCounts *counts, GError **error)
{
    guint64 missing;

    if (!account_trouble_missing(txn, folder, work->settings, &missing, error))
        return FALSE;
    counts->missing += missing;
    counts->folders += folder->name != NULL;
    counts->messages += folder->name ? folder->exists : 0;
    counts->only_here += folder->pushed ? 0 : folder->exists;
    return TRUE;
}

static gboolean has_folder(const GPtrArray *folders, const char *name)
{
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = g_ptr_array_index(folders, i);
        if (g_strcmp0(folder->base_name, name) == 0)
            return TRUE;
    }
    return FALSE;
}

/* A folder that the user has given a use to, and that isn't there. What the provider has is known once INBOX is. */
static void find_missing_roles(const AccountSettings *settings, const GPtrArray *folders,
                               GStrvBuilder *troubles)
{
    static const char *const keys[ACCOUNT_ROLES] = {
        [ACCOUNT_ROLE_SENT] = "sent-folder",       [ACCOUNT_ROLE_DRAFTS] = "drafts-folder",
        [ACCOUNT_ROLE_TRASH] = "trash-folder",     [ACCOUNT_ROLE_JUNK] = "junk-folder",
        [ACCOUNT_ROLE_ARCHIVE] = "archive-folder",
    };

    if (settings->kind != ACCOUNT_IMAP || !has_folder(folders, "INBOX"))
        return;
    for (guint i = 0; i < ACCOUNT_ROLES; i++) {
        const char *name = settings->role_folders[i];
        if (!name || (has_folder(folders, name) && strcmp(name, "INBOX") != 0))
            continue;
        g_autofree char *sentence = g_strdup_printf(
            "%s=%s names no folder that can be used for it; 'posternctl folders %s' shows which "
            "there are, and 'posternctl account set %s %s=' lets the provider decide",
            keys[i], name, settings->id, settings->id, keys[i]);
        g_strv_builder_add(troubles, sentence);
    }
}

static gboolean count_in(AccountWork *work, CacheTxn *txn, AccountCounts *counts,
                         GStrvBuilder *troubles, GError **error)
{
    g_autoptr(GPtrArray) folders = cache_folder_list(txn, error);
    g_autoptr(AccountTrouble) trouble = folders ? account_trouble_read(txn, error) : NULL;

    if (!trouble)
        return FALSE;
    for (guint i = 0; i < folders->len; i++) {
        const CacheFolder *folder = g_ptr_array_index(folders, i);
        g_autofree char *sentence = account_trouble_of(trouble, folder);
        if (!count_folder(work, txn, folder, counts, error))
            return FALSE;
        if (sentence)
            g_strv_builder_add(troubles, sentence);
    }
    if (account_trouble_of_list(trouble))
        g_strv_builder_add(troubles, account_trouble_of_list(trouble));
    find_missing_roles(work->settings, folders, troubles);
    if (!cache_placement_each_pending(txn, 0, count_pending, &counts->changes, error))
        return FALSE;
    g_autoptr(GPtrArray) problems = cache_problem_list(txn, error);
    counts->problems = problems ? problems->len : 0;
    return problems != NULL;
}

gboolean account_work_counts(AccountWork *work, AccountCounts *counts, char ***troubles,
                             GError **error)
{
    g_autoptr(GStrvBuilder) sentences = g_strv_builder_new();

    *counts = (AccountCounts){0};
    g_autoptr(CacheTxn) txn = cache_begin(work->cache, CACHE_READ, error);
    if (!txn || !count_in(work, txn, counts, sentences, error))
        return FALSE;
    counts->bytes = cache_disk_size(work->cache);
    counts->last_sync = sync_last(work->sync);
    if (troubles)
        *troubles = g_strv_builder_end(sentences);
    return TRUE;
}
