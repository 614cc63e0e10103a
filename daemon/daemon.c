/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puts the parts together. What can't be opened is told as a problem, and the rest goes on.
 */
#include "daemon/daemon.h"

#include "daemon/config/paths.h"
#include "daemon/net/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DAY           (24 * 3600)
#define SENT_KEPT     (7 * DAY)
#define PURGE_SECONDS DAY
#define OFFLINE_FLAG  "offline"
#define LOCK_NAME     "posternd.lock"

/* ---- the data directory -------------------------------------------------------------------- */

static gboolean make_private_dir(const char *path, GError **error)
{
    if (g_mkdir_with_parents(path, 0700) == 0 && g_chmod(path, 0700) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                "the directory %s can't be made private: %s", path, g_strerror(errno));
    return FALSE;
}

/* The lock ends with the process, however that ends. */
static int lock_dir(const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, LOCK_NAME, NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0)
        return fd;
    int failure = errno;
    if (fd >= 0 && (failure == EAGAIN || failure == EACCES) && fcntl(fd, F_GETLK, &lock) == 0 &&
        lock.l_type != F_UNLCK)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
                    "another posternd (pid %d) holds %s; stop it first, or use another --data-dir",
                    (int)lock.l_pid, dir);
    else
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(failure), "%s can't be locked: %s",
                    path, g_strerror(failure));
    if (fd >= 0)
        close(fd);
    return -1;
}

static char *absolute(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_commandline_arg(path);
    return g_file_get_path(file);
}

static void find_paths(Daemon *daemon, const char *config_path, const char *data_dir)
{
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");

    daemon->config_path = config_path ? absolute(config_path) : paths_config();
    daemon->data_dir = data_dir ? absolute(data_dir) : paths_data();
    daemon->run_dir = data_dir || !runtime ? g_build_filename(daemon->data_dir, "run", NULL)
                                           : g_build_filename(runtime, "postern", NULL);
}

/* ---- who is told ---------------------------------------------------------------------------- */

void daemon_observe(Daemon *daemon, const DaemonObserver *observer)
{
    daemon->observer = *observer;
}

static void tell_changed(Daemon *daemon)
{
    if (daemon->observer.changed)
        daemon->observer.changed(daemon->observer.data);
}

static void sessions_changed(gpointer data)
{
    const DaemonObserver *observer = &((Daemon *)data)->observer;

    if (observer->sessions_changed)
        observer->sessions_changed(observer->data);
}

static void listeners_changed(gpointer data)
{
    tell_changed(data);
}

/* ---- the network --------------------------------------------------------------------------- */

static void update_online(Daemon *daemon)
{
    accounts_set_online(daemon->accounts, daemon->forced_offline, daemon->network);
    tell_changed(daemon);
}

static void on_daemon_network(gboolean available, gpointer data)
{
    Daemon *daemon = data;

    if (available)
        oauth_tokens_check(daemon->tokens);
    if (daemon->network && available) {
        accounts_check_connections(daemon->accounts);
        return;
    }
    if (daemon->network == available)
        return;
    daemon->network = available;
    g_message("The network is %s", available ? "there" : "gone");
    update_online(daemon);
}

static void on_resumed(gpointer data)
{
    Daemon *daemon = data;

    g_message("The machine was asleep: connecting again");
    oauth_tokens_check(daemon->tokens);
    accounts_reconnect(daemon->accounts);
}

void daemon_set_forced_offline(Daemon *daemon, gboolean offline)
{
    g_autofree char *flag = g_build_filename(daemon->data_dir, OFFLINE_FLAG, NULL);
    g_autoptr(GError) error = NULL;

    if (daemon->forced_offline == offline)
        return;
    daemon->forced_offline = offline;
    if (!offline)
        g_unlink(flag);
    else if (!g_file_set_contents(flag, "", 0, &error))
        g_warning("The offline switch won't be kept over a restart: %s", error->message);
    g_message("%s by the user", offline ? "Taken offline" : "Back online");
    update_online(daemon);
}

static void watch_network(Daemon *daemon)
{
    g_autofree char *flag = g_build_filename(daemon->data_dir, OFFLINE_FLAG, NULL);
    const ChangesObserver observer = {on_daemon_network, on_resumed, daemon};

    daemon->forced_offline = g_file_test(flag, G_FILE_TEST_EXISTS);
    daemon->network = changes_network_available();
    daemon->changes = changes_new(&observer);
    accounts_set_online(daemon->accounts, daemon->forced_offline, daemon->network);
}

/* ---- the queue ----------------------------------------------------------------------------- */

static void purge_sent(Daemon *daemon)
{
    g_autoptr(GError) error = NULL;

    if (!queue_purge_sent(daemon->queue, g_get_real_time() / G_USEC_PER_SEC - SENT_KEPT, &error))
        g_warning("Old entries of the queue can't be removed: %s", error->message);
}

static void purge_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    purge_sent(data);
}

static gboolean on_purge(gpointer data)
{
    Daemon *daemon = data;
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);

    g_task_set_task_data(task, daemon, NULL);
    g_task_run_in_thread_sync(task, purge_thread);
    return G_SOURCE_CONTINUE;
}

/* A large queue, or one that is made anew, takes long: nobody but who needs it waits for it. */
static void *open_queue_thread(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    net_thread_name("queue", NULL);
    if (!queue_ready(daemon->queue, &error))
        g_warning("nothing can be sent: %s", error->message);
    else
        purge_sent(daemon);
    g_source_attach(daemon->queue_opened, NULL);
    return NULL;
}

static gboolean on_queue_opened(gpointer data)
{
    tell_changed(data);
    return G_SOURCE_REMOVE;
}

static void end_opening_queue(Daemon *daemon)
{
    if (!daemon->queue_opened)
        return;
    pthread_join(daemon->queue_thread, NULL);
    g_source_destroy(daemon->queue_opened);
    g_clear_pointer(&daemon->queue_opened, g_source_unref);
}

static void open_queue(Daemon *daemon)
{
    g_autofree char *path = g_build_filename(daemon->data_dir, "queue.db", NULL);
    g_autoptr(GError) error = NULL;

    daemon->queue = queue_open_later(path, &error);
    if (!daemon->queue) {
        daemon->queue_error = g_strdup_printf("nothing can be sent: the queue %s can't be used: %s",
                                              path, error->message);
        g_warning("%s", daemon->queue_error);
        return;
    }
    daemon->purge_timer = g_timeout_add_seconds(PURGE_SECONDS, on_purge, daemon);
    daemon->queue_opened = g_idle_source_new();
    g_source_set_callback(daemon->queue_opened, on_queue_opened, daemon, NULL);
    pthread_create(&daemon->queue_thread, NULL, open_queue_thread, daemon);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static ServeAccount *find_account(const char *login, gpointer data, GError **error)
{
    Daemon *daemon = data;
    return accounts_find_login(daemon->accounts, login, error);
}

/* ---- what posternctl sendmail left ----------------------------------------------------------- */

static gboolean dispatch_told(GSource *source, GSourceFunc callback, gpointer data)
{
    g_source_set_ready_time(source, -1);
    return callback(data);
}

static gboolean on_handed_told(gpointer data)
{
    tell_changed(data);
    return G_SOURCE_CONTINUE;
}

/* Called by the pickup's thread. */
static void pickup_changed(gpointer data)
{
    g_source_set_ready_time(((Daemon *)data)->handed_told, 0);
}

static void on_handed(GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                      gpointer data)
{
    if (event == G_FILE_MONITOR_EVENT_CREATED || event == G_FILE_MONITOR_EVENT_RENAMED ||
        event == G_FILE_MONITOR_EVENT_MOVED_IN)
        pickup_check(((Daemon *)data)->pickup);
}

/* Looks again where it runs: another configuration may be what the mail waits for. */
static void start_pickup(Daemon *daemon)
{
    static GSourceFuncs functions = {.dispatch = dispatch_told};
    const ServeDaemon serve = {
        .find_account = find_account, .queue = daemon->queue, .data = daemon};
    g_autofree char *path = paths_handed();
    g_autoptr(GFile) folder = g_file_new_for_path(path);

    if (daemon->pickup)
        pickup_check(daemon->pickup);
    if (daemon->pickup || !daemon->queue)
        return;
    daemon->handed_told = g_source_new(&functions, sizeof(GSource));
    g_source_set_callback(daemon->handed_told, on_handed_told, daemon, NULL);
    g_source_attach(daemon->handed_told, NULL);
    daemon->pickup = pickup_new(&serve, path, pickup_changed);
    /* A folder that isn't there yet is watched as well. */
    daemon->handed = g_file_monitor_directory(folder, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);
    if (daemon->handed)
        g_signal_connect(daemon->handed, "changed", G_CALLBACK(on_handed), daemon);
}

static void end_pickup(Daemon *daemon)
{
    g_clear_object(&daemon->handed);
    g_clear_pointer(&daemon->pickup, pickup_free);
    if (daemon->handed_told)
        g_source_destroy(daemon->handed_told);
    g_clear_pointer(&daemon->handed_told, g_source_unref);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

/* The certificate is made when there is something to serve for the first time. */
static void prepare_tls(Daemon *daemon)
{
    g_autofree char *dir = g_build_filename(daemon->data_dir, "tls", NULL);
    g_autoptr(GError) error = NULL;

    if (daemon->tls)
        return;
    g_clear_pointer(&daemon->tls_error, g_free);
    daemon->tls = net_tls_local(dir, &error);
    if (!daemon->tls) {
        daemon->tls_error =
            g_strdup_printf("clients can't use TLS: the certificate in %s can't be used: %s; move "
                            "that directory away and start posternd again",
                            dir, error->message);
        g_warning("%s", daemon->tls_error);
    }
    sessions_set_tls(daemon->sessions, daemon->tls);
}

/* ---- life ---------------------------------------------------------------------------------- */

Daemon *daemon_new(const char *config_path, const char *data_dir, GError **error)
{
    Daemon *daemon = g_new0(Daemon, 1);

    find_paths(daemon, config_path, data_dir);
    daemon->lock_fd = -1;
    if (!make_private_dir(daemon->data_dir, error) || !make_private_dir(daemon->run_dir, error) ||
        (daemon->lock_fd = lock_dir(daemon->data_dir, error)) < 0) {
        daemon_free(daemon);
        return NULL;
    }
    daemon->secrets = secrets_new(0);
    daemon->tokens = oauth_tokens_new(&(WebNetwork){0}, NULL, NULL);
    open_queue(daemon);
    g_autofree char *decoys = g_build_filename(daemon->data_dir, "login-decoys", NULL);
    serve_decoys_keep(decoys);

    ServeDaemon serve = {.find_account = find_account,
                         .queue = daemon->queue,
                         .queue_error = daemon->queue_error,
                         .data = daemon};
    daemon->sessions = sessions_new(&serve, sessions_changed, daemon);
    daemon->listeners = listeners_new(daemon->sessions, daemon->run_dir);
    listeners_observe(daemon->listeners, listeners_changed, daemon);
    daemon->accounts =
        accounts_new(daemon->data_dir, daemon->secrets, daemon->tokens, daemon->queue);
    accounts_connect(daemon->accounts, daemon->sessions, daemon->listeners);
    watch_network(daemon);
    return daemon;
}

void daemon_free(Daemon *daemon)
{
    g_clear_pointer(&daemon->changes, changes_free);
    g_clear_handle_id(&daemon->purge_timer, g_source_remove);
    end_pickup(daemon);
    g_clear_pointer(&daemon->sessions, sessions_free);
    g_clear_pointer(&daemon->listeners, listeners_free);
    g_clear_pointer(&daemon->accounts, accounts_free);
    g_clear_pointer(&daemon->tls, net_tls_server_unref);
    end_opening_queue(daemon);
    g_clear_pointer(&daemon->queue, queue_close);
    g_clear_pointer(&daemon->tokens, oauth_tokens_free);
    g_clear_pointer(&daemon->secrets, secrets_free);
    g_clear_pointer(&daemon->config, config_free);
    if (daemon->lock_fd >= 0)
        close(daemon->lock_fd);
    g_free(daemon->config_path);
    g_free(daemon->data_dir);
    g_free(daemon->run_dir);
    g_free(daemon->config_error);
    g_free(daemon->queue_error);
    g_free(daemon->tls_error);
    g_free(daemon);
}

/* Whether an account is enabled, so that there is something to serve. */
static gboolean has_work(const Daemon *daemon)
{
    for (guint i = 0; daemon->config && i < daemon->config->accounts->len; i++) {
        const ConfigAccount *account = g_ptr_array_index(daemon->config->accounts, i);
        if (account->settings && account->settings->enabled)
            return TRUE;
    }
    return FALSE;
}

static void use_config(Daemon *daemon, Config *config)
{
    guint16 held[CONFIG_LISTEN_KEYS];
    g_autoptr(GError) error = NULL;

    listeners_held(daemon->listeners, held);
    if (!config_complete_listen(config, held, &error))
        g_warning("%s", error->message);
    for (guint i = 0; i < config->warnings->len; i++)
        g_warning("%s", (const char *)g_ptr_array_index(config->warnings, i));
    for (guint i = 0; i < config->accounts->len; i++) {
        const ConfigAccount *account = g_ptr_array_index(config->accounts, i);
        if (account->error)
            g_warning("%s", account->error);
    }
    g_clear_pointer(&daemon->config, config_free);
    daemon->config = config;
}

gboolean daemon_reload(Daemon *daemon, AccountsDone done, gpointer data, GError **error)
{
    g_autoptr(GError) failure = NULL;
    Config *config = NULL;

    if (daemon->stopping)
        g_set_error(&failure, G_IO_ERROR, G_IO_ERROR_CLOSED, "posternd is just stopping");
    else
        config = config_load(daemon->config_path, &failure);
    g_clear_pointer(&daemon->config_error, g_free);
    if (!config) {
        daemon->config_error = g_strdup(failure->message);
        g_warning("%s", failure->message);
        g_propagate_error(error, g_steal_pointer(&failure));
        tell_changed(daemon);
        return FALSE;
    }
    use_config(daemon, config);
    if (has_work(daemon))
        prepare_tls(daemon);
    listeners_configure(daemon->listeners, has_work(daemon) ? daemon->config : NULL,
                        daemon->tls != NULL);
    accounts_apply(daemon->accounts, daemon->config, done, data);
    start_pickup(daemon);
    tell_changed(daemon);
    return TRUE;
}

void daemon_stop(Daemon *daemon, AccountsDone done, gpointer data)
{
    daemon->stopping = TRUE;
    listeners_close(daemon->listeners);
    sessions_stop(daemon->sessions);
    oauth_tokens_stop(daemon->tokens);
    accounts_apply(daemon->accounts, NULL, done, data);
}

char **daemon_problems(const Daemon *daemon)
{
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
    const char *const own[] = {daemon->config_error, daemon->queue_error, daemon->tls_error};

    for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
        if (own[i])
            g_ptr_array_add(problems, g_strdup(own[i]));
    }
    char *notice = daemon->queue ? queue_notice(daemon->queue) : NULL;
    if (notice)
        g_ptr_array_add(problems, notice);
    for (guint i = 0; daemon->config && i < daemon->config->warnings->len; i++)
        g_ptr_array_add(problems, g_strdup(g_ptr_array_index(daemon->config->warnings, i)));
    if (daemon->pickup)
        pickup_problems(daemon->pickup, problems);
    listeners_problems(daemon->listeners, problems);
    accounts_problems(daemon->accounts, problems);
    g_ptr_array_add(problems, NULL);
    return (char **)g_ptr_array_steal(problems, NULL);
}
