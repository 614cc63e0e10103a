/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which user is at the other end of a connection: SO_PEERCRED, or the kernel's socket table by
 * sock_diag(7). */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/net/listen.h"
#include "daemon/net/stream.h"

static gboolean failed(const char *what, GError **error)
{
    g_set_error(error, NET_ERROR, NET_ERROR_IO, "can't find out who is connecting: %s", what);
    return FALSE;
}

/* Describes the peer's own socket: its local end is our remote end. */
static gboolean describe(int fd, struct inet_diag_req_v2 *request)
{
    struct sockaddr_storage ours, theirs;
    socklen_t ours_length = sizeof ours, theirs_length = sizeof theirs;
    if (getsockname(fd, (struct sockaddr *)&ours, &ours_length) < 0 ||
        getpeername(fd, (struct sockaddr *)&theirs, &theirs_length) < 0)
        return FALSE;
    memset(request, 0, sizeof *request);
    request->sdiag_family = (guint8)ours.ss_family;
    request->sdiag_protocol = IPPROTO_TCP;
    request->idiag_states = ~0u;
    request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (ours.ss_family == AF_INET) {
        const struct sockaddr_in *a = (const void *)&theirs, *b = (const void *)&ours;
        request->id.idiag_sport = a->sin_port;
        request->id.idiag_dport = b->sin_port;
        memcpy(request->id.idiag_src, &a->sin_addr, sizeof a->sin_addr);
        memcpy(request->id.idiag_dst, &b->sin_addr, sizeof b->sin_addr);
        return TRUE;
    }
    const struct sockaddr_in6 *a = (const void *)&theirs, *b = (const void *)&ours;
    request->id.idiag_sport = a->sin6_port;
    request->id.idiag_dport = b->sin6_port;
    memcpy(request->id.idiag_src, &a->sin6_addr, sizeof a->sin6_addr);
    memcpy(request->id.idiag_dst, &b->sin6_addr, sizeof b->sin6_addr);
    return ours.ss_family == AF_INET6;
}

/* Asks the kernel for exactly that socket. */
static gboolean look_up(int netlink, const struct inet_diag_req_v2 *wanted, uid_t *uid,
                        GError **error)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .body = *wanted,
    };
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } answer;
    if (send(netlink, &request, sizeof request, 0) < 0)
        return failed(g_strerror(errno), error);
    ssize_t length = recv(netlink, &answer, sizeof answer, 0);
    if (length < 0)
        return failed(g_strerror(errno), error);
    if (!NLMSG_OK(&answer.header, (gsize)length) ||
        answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
        return failed("its end of the connection is gone", error);
    const struct inet_diag_msg *message = NLMSG_DATA(&answer.header);
    /* A socket that its process has closed says user 0, and has no inode. */
    if (message->idiag_inode == 0)
        return failed("its end of the connection is closed", error);
    *uid = message->idiag_uid;
    return TRUE;
}

gboolean net_peer_uid(int fd, uid_t *uid, GError **error)
{
    struct inet_diag_req_v2 wanted;
    int domain = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
        return failed(g_strerror(errno), error);
    if (domain == AF_UNIX) {
        struct ucred peer;
        length = sizeof peer;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
            return failed(g_strerror(errno), error);
        *uid = peer.uid;
        return TRUE;
    }
    if (!describe(fd, &wanted))
        return failed("the connection is gone", error);
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0)
        return failed(g_strerror(errno), error);
    gboolean found = look_up(netlink, &wanted, uid, error);
    close(netlink);
    return found;
}
