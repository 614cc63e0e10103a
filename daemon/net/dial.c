/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connecting: resolving on a helper thread, then one address after the other, IPv6 and IPv4 in
 * turn. */
#include "daemon/net/dial.h"

#include "daemon/net/route.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long the desktop may think about its proxies. */
#define DESKTOP_SECONDS 5

/*
 * One look-up, shared by who waits for it and the thread that makes it. getaddrinfo() can't be
 * interrupted and may take half a minute, so the one who waits may go away earlier; whoever is last
 * frees.
 */
typedef struct {
    atomic_int refs;
    char *host;
    char port[8];
    int done_fd; /* eventfd, written to when result and addresses are there */
    int result;
    struct addrinfo *addresses;
} Lookup;

static void lookup_unref(Lookup *lookup)
{
    if (--lookup->refs > 0)
        return;
    if (lookup->addresses != NULL)
        freeaddrinfo(lookup->addresses);
    close(lookup->done_fd);
    g_free(lookup->host);
    g_free(lookup);
}

static void *lookup_thread(void *data)
{
    Lookup *lookup = data;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    lookup->result = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
    guint64 one = 1;
    ssize_t ignored = write(lookup->done_fd, &one, sizeof one);
    (void)ignored;
    lookup_unref(lookup);
    return NULL;
}

/* What waiting is bounded by, and ended by. */
typedef struct {
    gint64 deadline; /* monotonic microseconds */
    NetCancel *cancel;
    int doubt_fd; /* eventfd that watches it */
} Dialing;

static gboolean set_cancelled(const char *name, GError **error)
{
    g_set_error(error, NET_ERROR, NET_ERROR_CANCELLED, "%s: cancelled", name);
    return FALSE;
}

/* What was begun on another network comes to nothing, however long it is waited for. */
static gboolean is_begun_in_vain(const Dialing *dialing)
{
    guint64 count;
    ssize_t ignored = read(dialing->doubt_fd, &count, sizeof count);
    (void)ignored;
    return net_cancel_doubted(dialing->cancel) == NET_DOUBT_CHANGED;
}

/* Waits for `events` on `fd`; FALSE when cancelled or past `deadline`, or with STALE. */
static gboolean wait_fd(int fd, short events, const Dialing *dialing, gint64 deadline,
                        const char *name, GError **error)
{
    struct pollfd fds[3] = {{.fd = fd, .events = events},
                            {.fd = net_cancel_fd(dialing->cancel), .events = POLLIN},
                            {.fd = dialing->doubt_fd, .events = POLLIN}};
    for (;;) {
        gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        int n = left > 0 ? poll(fds, 3, (int)left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0 && fds[1].revents != 0)
            return set_cancelled(name, error);
        if (n > 0 && fds[2].revents != 0 && is_begun_in_vain(dialing)) {
            g_set_error(error, NET_ERROR, NET_ERROR_STALE, "%s: the network has changed", name);
            return FALSE;
        }
        if (n > 0 && fds[0].revents != 0)
            return TRUE;
        if (n > 0)
            continue;
        g_set_error(error, NET_ERROR, NET_ERROR_TIMEOUT, "%s does not answer", name);
        return FALSE;
    }
}

static Lookup *resolve(const NetEndpoint *endpoint, const Dialing *dialing, GError **error)
{
    Lookup *lookup = g_new0(Lookup, 1);
    lookup->refs = 2;
    lookup->host = g_strdup(endpoint->host);
    lookup->done_fd = eventfd(0, EFD_CLOEXEC);
    g_snprintf(lookup->port, sizeof lookup->port, "%u", endpoint->port);

    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&thread, &attributes, lookup_thread, lookup);
    pthread_attr_destroy(&attributes);
    if (failed != 0) {
        lookup->refs = 1;
        g_set_error(error, NET_ERROR, NET_ERROR_RESOLVE, "can't start a thread: %s",
                    g_strerror(failed));
    } else if (wait_fd(lookup->done_fd, POLLIN, dialing, dialing->deadline, endpoint->host,
                       error)) {
        /* It is the read, not poll(), that orders the thread's writes before what follows. */
        guint64 done;
        if (read(lookup->done_fd, &done, sizeof done) == sizeof done && lookup->result == 0)
            return lookup;
        g_set_error(error, NET_ERROR, NET_ERROR_RESOLVE, "no address for %s: %s", endpoint->host,
                    gai_strerror(lookup->result));
    }
    lookup_unref(lookup);
    return NULL;
}

/* IPv6 and IPv4 in turn, each in the resolver's order (RFC 8305, 4). */
static GPtrArray *interleave(struct addrinfo *addresses)
{
    GPtrArray *order = g_ptr_array_new();
    struct addrinfo *six = addresses, *four = addresses;
    gboolean want_six = TRUE;
    while (six != NULL || four != NULL) {
        while (six != NULL && six->ai_family != AF_INET6)
            six = six->ai_next;
        while (four != NULL && four->ai_family != AF_INET)
            four = four->ai_next;
        struct addrinfo **next = (want_six && six != NULL) || four == NULL ? &six : &four;
        if (*next == NULL)
            break;
        g_ptr_array_add(order, *next);
        *next = (*next)->ai_next;
        want_six = !want_six;
    }
    return order;
}

/* A peer that is gone without a word is noticed in less than two minutes: by probes while nothing is
 * sent, and by what isn't acknowledged. */
#define KEEPALIVE_IDLE     50 /* seconds */
#define KEEPALIVE_INTERVAL 15 /* seconds */
#define KEEPALIVE_PROBES   4
#define UNACKNOWLEDGED     110000 /* ms */

static void tune(int fd)
{
    const struct {
        int level, option, value;
    } options[] = {
        /* Commands are sent whole; waiting for more to fill a packet only delays them. */
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED},
    };

    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
}

static int connect_one(const struct addrinfo *address, const Dialing *dialing, gint64 deadline,
                       const char *name, GError **error)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        g_set_error(error, NET_ERROR, NET_ERROR_CONNECT, "%s: %s", name, g_strerror(errno));
        return -1;
    }
    int result = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (result == EINPROGRESS) {
        if (!wait_fd(fd, POLLOUT, dialing, deadline, name, error)) {
            close(fd);
            return -1;
        }
        socklen_t length = sizeof result;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &length);
    }
    if (result != 0) {
        g_set_error(error, NET_ERROR, NET_ERROR_CONNECT, "can't connect to %s: %s", name,
                    g_strerror(result));
        close(fd);
        return -1;
    }
    tune(fd);
    return fd;
}

/* Tries the addresses; each but the last gets a fair share of what is left of the time. */
static int connect_any(GPtrArray *order, const Dialing *dialing, const char *name, GError **error)
{
    g_autoptr(GError) last = NULL;
    for (guint i = 0; i < order->len; i++) {
        gint64 now = g_get_monotonic_time();
        gint64 until = now + (dialing->deadline - now) / (order->len - i);
        g_clear_error(&last);
        int fd = connect_one(order->pdata[i], dialing, until, name, &last);
        if (fd >= 0)
            return fd;
        if (g_error_matches(last, NET_ERROR, NET_ERROR_CANCELLED) ||
            g_error_matches(last, NET_ERROR, NET_ERROR_STALE))
            break;
    }
    if (last == NULL)
        g_set_error(error, NET_ERROR, NET_ERROR_RESOLVE, "%s has no address that can be used",
                    name);
    else
        g_propagate_error(error, g_steal_pointer(&last));
    return -1;
}

/* A connected socket, or -1. */
static int connect_to(const NetEndpoint *endpoint, const Dialing *dialing, const char *name,
                      GError **error)
{
    if (net_cancel_triggered(dialing->cancel)) {
        set_cancelled(name, error);
        return -1;
    }
    Lookup *lookup = resolve(endpoint, dialing, error);
    if (lookup == NULL)
        return -1;
    g_autoptr(GPtrArray) order = interleave(lookup->addresses);
    int fd = connect_any(order, dialing, name, error);
    lookup_unref(lookup);
    return fd;
}

/* The same, anew whenever the network changes. */
static int connect_on_any_network(const NetEndpoint *endpoint, Dialing *dialing, guint timeout,
                                  const char *name, GError **error)
{
    for (;;) {
        g_autoptr(GError) failure = NULL;

        dialing->deadline = g_get_monotonic_time() + (gint64)timeout * G_USEC_PER_SEC;
        int fd = connect_to(endpoint, dialing, name, &failure);
        if (fd >= 0)
            return fd;
        if (!g_error_matches(failure, NET_ERROR, NET_ERROR_STALE)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return -1;
        }
    }
}

/* Connects to the endpoint, or to the proxy, which isn't the server's yet. */
static NetStream *dial_first(const NetEndpoint *endpoint, const NetProxy *proxy, Dialing *dialing,
                             guint timeout, GError **error)
{
    g_autofree char *name = net_address_text(endpoint->host, endpoint->port);
    const NetEndpoint first = {.host = proxy ? proxy->host : endpoint->host,
                               .port = proxy ? proxy->port : endpoint->port};
    g_autofree char *there = net_address_text(first.host, first.port);
    g_autofree char *hop = g_strconcat(proxy ? "the proxy " : "", there, NULL);

    net_cancel_watch(dialing->cancel, dialing->doubt_fd);
    int fd = connect_on_any_network(&first, dialing, timeout, hop, error);
    if (fd < 0) {
        net_cancel_unwatch(dialing->cancel, dialing->doubt_fd);
        close(dialing->doubt_fd);
        return NULL;
    }
    NetStream *stream = net_stream_new(fd, name, dialing->cancel);
    net_stream_take_doubts(stream, dialing->doubt_fd);
    gint64 left = (dialing->deadline - g_get_monotonic_time()) / G_USEC_PER_SEC;
    net_stream_set_timeout(stream, (guint)MAX(left, 1));
    return stream;
}

static NetStream *dial_by(const NetEndpoint *endpoint, const NetProxy *proxy, NetTlsClient *tls,
                          guint timeout, NetCancel *cancel, GError **error)
{
    Dialing dialing = {.cancel = cancel, .doubt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    g_autoptr(NetStream) stream = dial_first(endpoint, proxy, &dialing, timeout, error);

    if (!stream)
        return NULL;
    net_stream_set_deadline(stream, proxy ? dialing.deadline : 0);
    if (proxy && !net_proxy_connect(proxy, stream, endpoint->host, endpoint->port, error))
        return NULL;
    net_stream_set_deadline(stream, 0);
    if (endpoint->security == NET_SECURITY_TLS &&
        !net_stream_start_tls(stream, tls, endpoint->host, error))
        return NULL;
    return g_steal_pointer(&stream);
}

NetStream *net_dial(const NetEndpoint *endpoint, NetTlsClient *tls, guint timeout,
                    NetCancel *cancel, GError **error)
{
    g_autoptr(GPtrArray) routes = net_routes(endpoint, DESKTOP_SECONDS, cancel, error);
    g_autoptr(GError) why = NULL;

    for (guint i = 0; routes && i < routes->len; i++) {
        guint left = MAX(timeout / (routes->len - i), 1);
        g_clear_error(&why);
        NetStream *stream = dial_by(endpoint, routes->pdata[i], tls, left, cancel, &why);
        if (stream)
            return stream;
        if (g_error_matches(why, NET_ERROR, NET_ERROR_CANCELLED))
            break;
    }
    if (why)
        g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}
