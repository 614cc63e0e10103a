/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small files beside the databases. */
#include "cache/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gboolean write_synced(int dir_fd, const char *name, const char *text)
{
    g_autofree char *fresh = g_strconcat(name, ".new", NULL);
    int fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return FALSE;
    gboolean done = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    done = close(fd) == 0 && done;
    return done && renameat(dir_fd, fresh, dir_fd, name) == 0 && fsync(dir_fd) == 0;
}

gboolean file_replace(const char *path, const char *text)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean done = dir_fd >= 0 && write_synced(dir_fd, name, text);
    int failure = errno;

    if (dir_fd >= 0)
        close(dir_fd);
    errno = failure;
    return done;
}

void file_replace_failed(const char *path, GError **error)
{
    int failure = errno;
    gboolean full = failure == ENOSPC || failure == EDQUOT || failure == EFBIG;

    g_set_error(error, CACHE_ERROR, full ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                "%s can't be written (%s)%s", path, g_strerror(failure),
                full ? ". Nothing was changed; free some space on that disk." : "");
}
