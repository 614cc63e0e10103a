/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Listening sockets as sources of the main loop.
 */
#include "daemon/serve/listeners.h"

#include "daemon/net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* The throttle of the Unix sockets comes after those of the keys of [listen]. */
#define SOCKET_KEY CONFIG_LISTEN_KEYS

#define COMPLAINT_SECONDS 60

/* What can't be listened on is tried again: so soon first, then twice as long each time, at most. */
#define RETRY_FIRST 1
#define RETRY_MOST  60

typedef struct {
    Listeners *listeners;
    guint key;   /* index into config_listen_keys, or SOCKET_KEY */
    int fd;      /* -1: listening failed, see `error` */
    guint watch; /* source */
    gboolean inherited;
    char *host; /* ports */
    guint16 port;
    char *path;    /* Unix sockets */
    char *account; /* Unix sockets: whose, its ID */
    ServeProtocol protocol;
    char *error;
} Listener;

struct Listeners {
    Sessions *sessions;
    char *run_dir;
    gboolean sockets;
    GPtrArray *all;    /* Listener */
    gint64 complained; /* of connections that were closed; monotonic, microseconds */
    guint unsaid;      /* how many were since, without a line in the log */
    ServeThrottle *throttles[CONFIG_LISTEN_KEYS + 1];
    int inherited[CONFIG_LISTEN_KEYS][4]; /* fds handed over by systemd; -1: none */
    guint retry;                          /* source; 0: there is nothing to be tried again */
    guint wait;                           /* seconds until it was to run */
    void (*changed)(gpointer data);       /* or NULL */
    gpointer data;
};

static const char *const protocols[] = {"imap", "pop3", "submission"};

static ServeProtocol protocol_of(const char *name)
{
    guint i = 0;
    while (strcmp(protocols[i], name) != 0)
        i++;
    return (ServeProtocol)i;
}

/* ---- accepting ----------------------------------------------------------------------------- */

/* Whoever is refused can't fill the log: a line a minute says how many there were. */
static void complain(Listener *listener, const char *why)
{
    Listeners *listeners = listener->listeners;
    const char *name = listener->path ? listener->path : config_listen_keys[listener->key].key;
    gint64 now = g_get_monotonic_time();

    if (listeners->complained && now - listeners->complained < COMPLAINT_SECONDS * G_USEC_PER_SEC) {
        listeners->unsaid++;
        return;
    }
    g_autofree char *others =
        listeners->unsaid ? g_strdup_printf("; so were %u others", listeners->unsaid) : NULL;
    g_warning("A connection to %s was closed: %s%s", name, why, others ? others : "");
    listeners->complained = now;
    listeners->unsaid = 0;
}

/* Only the user's own programs, and root, who could read the mail anyway. */
static gboolean peer_is_welcome(Listener *listener, int fd)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *why = NULL;
    uid_t uid;

    if (!net_peer_uid(fd, &uid, &error))
        why = g_strdup_printf("whose it is can't be determined: %s", error->message);
    else if (uid != getuid() && uid != 0)
        why = g_strdup_printf("it came from another user (uid %u)", (unsigned)uid);
    if (why)
        complain(listener, why);
    return !why;
}

static void welcome(Listener *listener, int fd)
{
    Listeners *listeners = listener->listeners;
    SessionKind kind = {
        .protocol = listener->protocol,
        .tls = listener->key != SOCKET_KEY && config_listen_keys[listener->key].tls,
        .listener = listener->key == SOCKET_KEY ? "socket" : config_listen_keys[listener->key].key,
        .throttle = listeners->throttles[listener->key],
        .account = listener->account,
    };
    int on = 1;

    if (!listener->path)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (peer_is_welcome(listener, fd))
        sessions_start(listeners->sessions, fd, &kind);
    else
        close(fd);
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer data);

static gboolean resume(gpointer data)
{
    Listener *listener = data;
    listener->watch = g_unix_fd_add(listener->fd, G_IO_IN, on_connection, listener);
    return G_SOURCE_REMOVE;
}

static gboolean on_connection(gint fd, GIOCondition condition, gpointer data)
{
    Listener *listener = data;

    /* A few at a time: the main loop has other things to do. */
    for (int i = 0; i < 16; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client >= 0) {
            welcome(listener, client);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) {
            /* Out of descriptors or memory: waiting connections would wake the loop for ever. */
            g_warning("A client can't be let in: %s; trying again in a second", g_strerror(errno));
            listener->watch = g_timeout_add_seconds(1, resume, listener);
            return G_SOURCE_REMOVE;
        }
        break;
    }
    return G_SOURCE_CONTINUE;
}

/* ---- a listener's life --------------------------------------------------------------------- */

static void listener_close(Listener *listener)
{
    if (listener->watch)
        g_source_remove(listener->watch);
    listener->watch = 0;
    /* A path that could not be listened on belongs to someone else. */
    if (listener->fd >= 0 && listener->path)
        g_unlink(listener->path);
    if (listener->fd >= 0 && !listener->inherited)
        close(listener->fd);
    listener->fd = -1;
}

static void listener_free(gpointer data)
{
    Listener *listener = data;

    listener_close(listener);
    g_free(listener->account);
    g_free(listener->host);
    g_free(listener->path);
    g_free(listener->error);
    g_free(listener);
}

static Listener *listener_add(Listeners *listeners, guint key, ServeProtocol protocol)
{
    Listener *listener = g_new0(Listener, 1);

    listener->listeners = listeners;
    listener->key = key;
    listener->protocol = protocol;
    listener->fd = -1;
    g_ptr_array_add(listeners->all, listener);
    return listener;
}

static const char *listener_name(const Listener *listener)
{
    return listener->path ? "Socket" : config_listen_keys[listener->key].key;
}

static gboolean retry_listening(gpointer data);

static void retry_in(Listeners *listeners, guint seconds)
{
    g_clear_handle_id(&listeners->retry, g_source_remove);
    listeners->wait = seconds;
    listeners->retry = g_timeout_add_seconds(seconds, retry_listening, listeners);
}

static int try_to_listen(const Listener *listener, GError **error)
{
    return listener->path ? net_listen_unix(listener->path, error)
                          : net_listen_tcp(listener->host, listener->port, error);
}

static void note_error(Listener *listener, const char *message)
{
    g_free(listener->error);
    listener->error = g_strconcat(message, "; it is tried again by itself", NULL);
}

/* Starts accepting on listener->fd, or notes why there is none. */
static void open_for_clients(Listener *listener, const GError *error)
{
    if (!error) {
        listener->watch = g_unix_fd_add(listener->fd, G_IO_IN, on_connection, listener);
        return;
    }
    note_error(listener, error->message);
    g_warning("%s: %s", listener_name(listener), listener->error);
    retry_in(listener->listeners, RETRY_FIRST);
}

/* Once more; TRUE: it is listened on now. */
static gboolean open_again(Listener *listener)
{
    g_autoptr(GError) error = NULL;

    listener->fd = try_to_listen(listener, &error);
    if (error) {
        note_error(listener, error->message);
        return FALSE;
    }
    g_clear_pointer(&listener->error, g_free);
    open_for_clients(listener, NULL);
    if (listener->path)
        g_message("Socket: %s is listened on now", listener->path);
    else
        g_message("%s: port %u on %s is free, and listened on now", listener_name(listener),
                  listener->port, listener->host);
    return TRUE;
}

static gboolean retry_listening(gpointer data)
{
    Listeners *listeners = data;
    gboolean left = FALSE;

    listeners->retry = 0;
    for (guint i = 0; i < listeners->all->len; i++) {
        Listener *listener = g_ptr_array_index(listeners->all, i);
        if (listener->fd < 0)
            left = !open_again(listener) || left;
    }
    if (left)
        retry_in(listeners, MIN(listeners->wait * 2, RETRY_MOST));
    if (listeners->changed)
        listeners->changed(listeners->data);
    return G_SOURCE_REMOVE;
}

static void collect_inherited(Listeners *listeners)
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);

    memset(listeners->inherited, 0xff, sizeof listeners->inherited);
    for (int i = 0; i < count; i++) {
        guint key = 0, slot = 0;
        while (key < CONFIG_LISTEN_KEYS && strcmp(config_listen_keys[key].key, names[i]) != 0)
            key++;
        while (key < CONFIG_LISTEN_KEYS && slot < 4 && listeners->inherited[key][slot] >= 0)
            slot++;
        if (key == CONFIG_LISTEN_KEYS || slot == 4) {
            g_warning("The inherited socket “%s” is not used: its name is no key of [listen]",
                      names[i]);
            close(SD_LISTEN_FDS_START + i);
            continue;
        }
        int fd = SD_LISTEN_FDS_START + i;
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        listeners->inherited[key][slot] = fd;
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

Listeners *listeners_new(Sessions *sessions, const char *run_dir)
{
    Listeners *listeners = g_new0(Listeners, 1);

    listeners->sessions = sessions;
    listeners->run_dir = g_strdup(run_dir);
    listeners->all = g_ptr_array_new_with_free_func(listener_free);
    for (guint i = 0; i <= CONFIG_LISTEN_KEYS; i++)
        listeners->throttles[i] = serve_throttle_new();
    collect_inherited(listeners);
    return listeners;
}

void listeners_held(const Listeners *listeners, guint16 ports[CONFIG_LISTEN_KEYS])
{
    for (guint key = 0; key < CONFIG_LISTEN_KEYS; key++) {
        int fd = listeners->inherited[key][0];
        ports[key] = fd >= 0 ? net_local_port(fd) : 0;
    }
}

void listeners_observe(Listeners *listeners, void (*changed)(gpointer data), gpointer data)
{
    listeners->changed = changed;
    listeners->data = data;
}

void listeners_close(Listeners *listeners)
{
    g_clear_handle_id(&listeners->retry, g_source_remove);
    g_ptr_array_set_size(listeners->all, 0);
}

void listeners_free(Listeners *listeners)
{
    g_clear_handle_id(&listeners->retry, g_source_remove);
    g_ptr_array_unref(listeners->all);
    for (guint i = 0; i <= CONFIG_LISTEN_KEYS; i++)
        serve_throttle_free(listeners->throttles[i]);
    g_free(listeners->run_dir);
    g_free(listeners);
}

/* ---- ports --------------------------------------------------------------------------------- */

/* Whether the configuration still wants this port. */
static gboolean still_wanted(const Listener *listener, const Config *config, gboolean tls)
{
    if (!config || (config_listen_keys[listener->key].tls && !tls))
        return FALSE;
    if (listener->inherited)
        return TRUE;
    const GPtrArray *addresses = config->listen[listener->key];
    for (guint i = 0; addresses && i < addresses->len; i++) {
        const ConfigAddress *address = g_ptr_array_index(addresses, i);
        if (address->port == listener->port && strcmp(address->host, listener->host) == 0)
            return listener->fd >= 0;
    }
    return FALSE;
}

static gboolean have_port(Listeners *listeners, guint key, const char *host, guint16 port)
{
    for (guint i = 0; i < listeners->all->len; i++) {
        const Listener *listener = g_ptr_array_index(listeners->all, i);
        if (listener->key == key && listener->port == port && g_strcmp0(listener->host, host) == 0)
            return TRUE;
    }
    return FALSE;
}

static void listen_on(Listeners *listeners, guint key, const ConfigAddress *address)
{
    g_autoptr(GError) error = NULL;

    if (have_port(listeners, key, address->host, address->port))
        return;
    Listener *listener =
        listener_add(listeners, key, protocol_of(config_listen_keys[key].protocol));
    listener->host = g_strdup(address->host);
    listener->port = address->port;
    listener->fd = try_to_listen(listener, &error);
    open_for_clients(listener, error);
}

static void listen_inherited(Listeners *listeners, guint key)
{
    for (guint slot = 0; slot < 4 && listeners->inherited[key][slot] >= 0; slot++) {
        int fd = listeners->inherited[key][slot];
        guint16 port = net_local_port(fd);
        const char *host =
            sd_is_socket_inet(fd, AF_INET6, SOCK_STREAM, -1, 0) > 0 ? "::1" : "127.0.0.1";
        if (have_port(listeners, key, host, port))
            continue;
        Listener *listener =
            listener_add(listeners, key, protocol_of(config_listen_keys[key].protocol));
        listener->inherited = TRUE;
        listener->host = g_strdup(host);
        listener->port = port;
        listener->fd = fd;
        open_for_clients(listener, NULL);
    }
}

void listeners_configure(Listeners *listeners, const Config *config, gboolean tls)
{
    for (guint i = listeners->all->len; i > 0; i--) {
        const Listener *listener = g_ptr_array_index(listeners->all, i - 1);
        if (listener->key != SOCKET_KEY && !still_wanted(listener, config, tls))
            g_ptr_array_remove_index_fast(listeners->all, i - 1);
    }
    listeners->sockets = config && config->sockets;
    for (guint key = 0; config && key < CONFIG_LISTEN_KEYS; key++) {
        if (config_listen_keys[key].tls && !tls)
            continue;
        /* What systemd doesn't hold of what the configuration says is listened on as well. */
        listen_inherited(listeners, key);
        for (guint i = 0; config->listen[key] && i < config->listen[key]->len; i++)
            listen_on(listeners, key, g_ptr_array_index(config->listen[key], i));
    }
}

/* ---- Unix sockets -------------------------------------------------------------------------- */

char *listeners_socket_path(const char *run_dir, const char *id, const char *protocol)
{
    g_autofree char *name = g_strconcat(protocol, ".sock", NULL);
    return g_build_filename(run_dir, id, name, NULL);
}

static gboolean has_sockets(Listeners *listeners, const char *id)
{
    for (guint i = 0; i < listeners->all->len; i++) {
        const Listener *listener = g_ptr_array_index(listeners->all, i);
        if (g_strcmp0(listener->account, id) == 0)
            return TRUE;
    }
    return FALSE;
}

static void add_sockets(Listeners *listeners, const char *id)
{
    g_autofree char *dir = g_build_filename(listeners->run_dir, id, NULL);

    if (g_mkdir_with_parents(dir, 0700) < 0)
        g_warning("%s can't be made: %s", dir, g_strerror(errno));
    for (guint i = 0; i < G_N_ELEMENTS(protocols); i++) {
        g_autoptr(GError) error = NULL;
        Listener *listener = listener_add(listeners, SOCKET_KEY, (ServeProtocol)i);
        listener->path = listeners_socket_path(listeners->run_dir, id, protocols[i]);
        listener->account = g_strdup(id);
        listener->fd = try_to_listen(listener, &error);
        open_for_clients(listener, error);
    }
}

static void remove_sockets(Listeners *listeners, const char *id)
{
    g_autofree char *dir = g_build_filename(listeners->run_dir, id, NULL);

    for (guint i = listeners->all->len; i > 0; i--) {
        const Listener *listener = g_ptr_array_index(listeners->all, i - 1);
        if (g_strcmp0(listener->account, id) == 0)
            g_ptr_array_remove_index_fast(listeners->all, i - 1);
    }
    g_rmdir(dir);
}

/* The ID of an account that has sockets and shouldn't; NULL: none. The caller frees. */
static char *find_unwanted(Listeners *listeners, const char *const *ids)
{
    for (guint i = 0; i < listeners->all->len; i++) {
        const Listener *listener = g_ptr_array_index(listeners->all, i);
        if (listener->account && (!listeners->sockets || !g_strv_contains(ids, listener->account)))
            return g_strdup(listener->account);
    }
    return NULL;
}

void listeners_set_accounts(Listeners *listeners, const char *const *ids)
{
    for (;;) {
        g_autofree char *id = find_unwanted(listeners, ids);
        if (!id)
            break;
        remove_sockets(listeners, id);
    }
    for (; listeners->sockets && *ids; ids++) {
        if (!has_sockets(listeners, *ids))
            add_sockets(listeners, *ids);
    }
}

/* ---- describing ---------------------------------------------------------------------------- */

static void listener_describe(GVariantBuilder *builder, const Listener *listener)
{
    const ConfigListenKey *key = &config_listen_keys[listener->key];

    g_variant_builder_open(builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(builder, "{sv}", "Name", g_variant_new_string(key->key));
    g_variant_builder_add(builder, "{sv}", "Protocol", g_variant_new_string(key->protocol));
    g_variant_builder_add(builder, "{sv}", "Host", g_variant_new_string(listener->host));
    g_variant_builder_add(builder, "{sv}", "Port", g_variant_new_uint16(listener->port));
    g_variant_builder_add(builder, "{sv}", "Security",
                          g_variant_new_string(key->tls ? "tls" : "starttls"));
    if (listener->error)
        g_variant_builder_add(builder, "{sv}", "Error", g_variant_new_string(listener->error));
    g_variant_builder_close(builder);
}

GVariant *listeners_describe(Listeners *listeners)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint key = 0; key < CONFIG_LISTEN_KEYS; key++) {
        for (guint i = 0; i < listeners->all->len; i++) {
            const Listener *listener = g_ptr_array_index(listeners->all, i);
            if (listener->key == key)
                listener_describe(&builder, listener);
        }
    }
    return g_variant_builder_end(&builder);
}

void listeners_problems(Listeners *listeners, GPtrArray *problems)
{
    for (guint i = 0; i < listeners->all->len; i++) {
        const Listener *listener = g_ptr_array_index(listeners->all, i);
        if (listener->error)
            g_ptr_array_add(problems, g_strdup(listener->error));
    }
}
