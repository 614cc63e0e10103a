/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lock that keeps a second process from a cache or queue: a file, held as long as it is open.
 */
#include "cache/private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void locked_error(int fd, const char *thing, GError **error)
{
    char pid[32] = "";
    ssize_t length = pread(fd, pid, sizeof pid - 1, 0);

    pid[MAX(length, 0)] = 0;
    g_strstrip(pid);
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCKED,
                "%s is in use by another Postern, process %s. Stop that one first.", thing,
                *pid ? pid : "unknown");
}

int lock_take(const char *path, const char *thing, GError **error)
{
    g_autofree char *pid = g_strdup_printf("%ld\n", (long)getpid());
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        g_set_error(error, CACHE_ERROR,
                    cache_errno_is_full(errno) ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                    "%s can't be opened (%s)", path, g_strerror(errno));
        return -1;
    }
    if (fcntl(fd, F_OFD_SETLK, &whole) < 0) {
        locked_error(fd, thing, error);
        close(fd);
        return -1;
    }
    /* Who holds it is for people only: a disk too full for a pid must not keep mail from them. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, strlen(pid), 0) < 0)
        g_debug("%s: %s", path, g_strerror(errno));
    return fd;
}
