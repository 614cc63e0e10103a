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

gboolean file_make(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0) {
        close(fd);
        return TRUE;
    }
    int failure = errno;
    /* One that can't be written may still be read; SQLite finds that out. */
    gboolean there = access(path, F_OK) == 0;
    errno = failure;
    if (!there)
        file_replace_failed(path, error);
    return there;
}

gboolean file_has_room(const char *path)
{
    static const char little[8192];
    g_autofree char *dir = g_path_get_dirname(path);
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    gboolean full = fd < 0 && cache_errno_is_full(errno);

    if (fd < 0)
        return !full;
    full = write(fd, little, sizeof little) != (ssize_t)sizeof little && cache_errno_is_full(errno);
    close(fd);
    return !full;
}

gboolean file_rename(const char *from, const char *to, gboolean must, GError **error)
{
    if (rename(from, to) == 0 || (!must && errno == ENOENT))
        return TRUE;
    int failure = errno;
    CacheError kind = failure == ENOENT              ? CACHE_ERROR_NOT_FOUND
                      : cache_errno_is_full(failure) ? CACHE_ERROR_FULL
                                                     : CACHE_ERROR_FAILED;
    g_set_error(error, CACHE_ERROR, kind, "%s can't be renamed to %s (%s)", from, to,
                g_strerror(failure));
    return FALSE;
}

gboolean file_sync(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gboolean done = fd >= 0 && fsync(fd) == 0;
    int failure = errno;

    if (fd >= 0)
        close(fd);
    errno = failure;
    if (!done)
        file_replace_failed(path, error);
    return done;
}

void file_replace_failed(const char *path, GError **error)
{
    int failure = errno;
    gboolean full = cache_errno_is_full(failure);

    g_set_error(error, CACHE_ERROR, full ? CACHE_ERROR_FULL : CACHE_ERROR_FAILED,
                "%s can't be written (%s)%s", path, g_strerror(failure),
                full ? ". Nothing was changed; free some space on that disk." : "");
}
