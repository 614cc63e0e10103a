/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listening sockets: loopback TCP and Unix. */
#include "daemon/net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/net/stream.h"

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
} Address;

/* Fills a loopback address; its length, 0 where `host` isn't one. */
static socklen_t loopback_address(const char *host, guint16 port, Address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(port);
        return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127 ? sizeof address->v4 : 0;
    }
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons(port);
        return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr) ? sizeof address->v6 : 0;
    }
    return 0;
}

gboolean net_parse_listen_address(const char *text, char **host, guint16 *port, GError **error)
{
    const char *colon = strrchr(text, ':');
    guint64 number = 0;
    Address address;
    if (colon != NULL && g_ascii_string_to_unsigned(colon + 1, 10, 0, 65535, &number, NULL)) {
        gboolean bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
        const char *start = bracketed ? text + 1 : text;
        g_autofree char *name = g_strndup(start, (gsize)(colon - start) - (bracketed ? 1 : 0));
        if (loopback_address(name, (guint16)number, &address) > 0) {
            *host = g_steal_pointer(&name);
            *port = (guint16)number;
            return TRUE;
        }
    }
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE,
                "“%s” is not a loopback address and port; write 127.0.0.1:PORT or [::1]:PORT",
                text);
    return FALSE;
}

static int new_listener(const Address *address, socklen_t length)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0)
        return -1;
    if (address->any.sa_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &address->any, length) == 0 && listen(fd, 128) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int net_listen_tcp(const char *host, guint16 port, GError **error)
{
    Address address;
    socklen_t length = loopback_address(host, port, &address);
    g_return_val_if_fail(length > 0, -1);
    int fd = new_listener(&address, length);
    if (fd >= 0)
        return fd;
    if (errno == EADDRINUSE) {
        g_autofree char *holder = net_port_holder(host, port);
        g_set_error(
            error, NET_ERROR, NET_ERROR_BUSY,
            "port %u on %s is taken by %s; stop that program, or choose another port in the "
            "[listen] group of postern.conf",
            port, host, holder);
        return -1;
    }
    g_set_error(error, NET_ERROR, NET_ERROR_IO, "can't listen on %s port %u: %s%s", host, port,
                g_strerror(errno), errno == EACCES ? "; choose a port above 1023" : "");
    return -1;
}

/* A socket file that nobody listens on any more was left behind by a process that died. */
static gboolean is_stale(const Address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FALSE;
    gboolean stale = connect(fd, &address->any, sizeof address->local) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

int net_listen_unix(const char *path, GError **error)
{
    Address address = {.local.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.local.sun_path) {
        g_set_error(
            error, NET_ERROR, NET_ERROR_IO,
            "the path of the socket %s is longer than %zu characters; use a shorter data directory",
            path, sizeof address.local.sun_path - 1);
        return -1;
    }
    strcpy(address.local.sun_path, path);
    int fd = new_listener(&address, sizeof address.local);
    if (fd < 0 && errno == EADDRINUSE && is_stale(&address) && unlink(path) == 0)
        fd = new_listener(&address, sizeof address.local);
    if (fd < 0) {
        g_set_error(error, NET_ERROR, errno == EADDRINUSE ? NET_ERROR_BUSY : NET_ERROR_IO,
                    "can't listen on %s: %s", path, g_strerror(errno));
        return -1;
    }
    /* The directory is private already; this is for those who look. */
    chmod(path, 0600);
    return fd;
}

guint16 net_local_port(int fd)
{
    Address address;
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) < 0)
        return 0;
    if (address.any.sa_family == AF_INET)
        return ntohs(address.v4.sin_port);
    return address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : 0;
}
