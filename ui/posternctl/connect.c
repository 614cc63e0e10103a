/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl connect: for mutt's tunnel and mbsync's Tunnel. Asks the daemon only where the socket
 * isn't where it usually is.
 */
#include "ui/posternctl/ctl.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1;

    if (path && strlen(path) < sizeof address.sun_path &&
        (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0) {
        strcpy(address.sun_path, path);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

static gboolean write_all(int fd, const char *data, gsize length)
{
    while (length) {
        gssize n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        data += n;
        length -= (gsize)n;
    }
    return TRUE;
}

/* Moves what is there; FALSE at the end. */
static gboolean move(int from, int to)
{
    char buffer[65536];
    gssize n = read(from, buffer, sizeof buffer);

    if (n < 0)
        return errno == EINTR;
    return n > 0 && write_all(to, buffer, (gsize)n);
}

/* Until the daemon closes: a client that has said all may still want the answer. */
static void join(int fd)
{
    struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {fd, POLLIN, 0}};

    while (poll(fds, G_N_ELEMENTS(fds), -1) >= 0 || errno == EINTR) {
        if (fds[1].revents && !move(fd, STDOUT_FILENO))
            return;
        if (fds[0].revents && !move(STDIN_FILENO, fd)) {
            shutdown(fd, SHUT_WR);
            fds[0].fd = -1;
        }
    }
}

static char *ask_daemon(Ctl *ctl, const char *id, const char *protocol, GError **error)
{
    g_autoptr(GVariant) account = ctl_account(ctl, id, error);
    g_autoptr(GVariant) sockets = account ? ctl_child(account, "Sockets") : NULL;

    if (!sockets)
        return NULL;
    const char *path = ctl_string(sockets, protocol);
    if (!*path)
        ctl_fail(error, "the Unix sockets are off; set sockets=true in [listen] of postern.conf");
    return *path ? g_strdup(path) : NULL;
}

gboolean cmd_connect(Ctl *ctl, int argc, char **argv, GError **error)
{
    static const char *const protocols[] = {"imap", "pop3", "submission", NULL};
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");

    if (!ctl_parse(ctl, &(CtlUsage){NULL, 2, 2}, &argc, &argv, error))
        return FALSE;
    const char *protocol = argv[1], *id = argv[2];
    if (!g_strv_contains(protocols, protocol))
        return ctl_usage(error, "“%s” is none of imap, pop3 and submission", protocol);
    if (strchr(id, '/'))
        return ctl_fail(error, "there is no account %s", id);

    g_autofree char *file = g_strconcat(protocol, ".sock", NULL);
    g_autofree char *usual = runtime ? g_build_filename(runtime, "postern", id, file, NULL) : NULL;
    int fd = connect_to(usual);
    if (fd < 0) {
        g_autofree char *path = ask_daemon(ctl, id, protocol, error);
        if (!path)
            return FALSE;
        fd = connect_to(path);
        if (fd < 0)
            return ctl_fail(error, "%s doesn't answer: %s; 'posternctl status' may say why", path,
                            g_strerror(errno));
    }
    join(fd);
    close(fd);
    return TRUE;
}
