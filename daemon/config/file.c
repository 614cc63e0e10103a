/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading what may be no file of text. See file.h. */
#include "daemon/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether others than the user (and root) can write it. What isn't there can't be. */
static gboolean others_can_write(const char *path, gboolean sticky_is_enough, mode_t *mode)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return FALSE;
    *mode = status.st_mode & 07777;
    if (sticky_is_enough && (status.st_mode & S_ISVTX))
        return FALSE;
    return (status.st_uid != getuid() && status.st_uid != 0) ||
           (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* The file holds commands: who can write it runs programs as the user. */
gboolean config_file_check_writers(const char *path, GError **error)
{
    g_autofree char *real = realpath(path, NULL);
    g_autofree char *dir = real ? g_path_get_dirname(real) : NULL;
    mode_t mode;

    const char *bad = real && others_can_write(real, FALSE, &mode) ? real
                      : dir && others_can_write(dir, TRUE, &mode)  ? dir
                                                                   : NULL;
    if (!bad)
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                "%s isn't used: others can write %s (mode %04o, or it is another user's), and it "
                "holds commands; run 'chmod go-w %s', and look whether it is as you left it",
                path, bad == real ? "it" : bad, mode, bad);
    return FALSE;
}

static gboolean fail_system(const char *path, int number, GError **error)
{
    const char *remedy = number == EACCES || number == EPERM ? "; mend its permissions (chmod 600)"
                         : number == ELOOP ? "; mend the symbolic links, which lead in a circle"
                         : number == ENXIO ? "; it is a socket: move it away"
                         : number == EIO   ? "; look after the disk, or put a copy of it there"
                                           : "";

    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(number), "%s can't be read: %s%s",
                path, g_strerror(number), remedy);
    return FALSE;
}

static gboolean fail(const char *path, int code, const char *why, GError **error)
{
    g_set_error(error, G_FILE_ERROR, code, "%s can't be read: %s", path, why);
    return FALSE;
}

/* One octet more than there may be, where there is. */
static gboolean read_all(int fd, GByteArray *bytes, const char *path, GError **error)
{
    guint8 piece[16384];
    ssize_t got;

    while ((got = read(fd, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_system(path, errno, error);
        g_byte_array_append(bytes, piece, (guint)got);
        if (bytes->len > CONFIG_FILE_MAX)
            return fail(path, G_FILE_ERROR_INVAL,
                        "it is longer than 1 MiB; look what has become of it, and put a copy of it "
                        "there",
                        error);
    }
    return TRUE;
}

static gboolean read_file(int fd, const char *path, char **text, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    struct stat status;

    if (fstat(fd, &status) < 0)
        return fail_system(path, errno, error);
    if (!S_ISREG(status.st_mode))
        return fail(path, S_ISDIR(status.st_mode) ? G_FILE_ERROR_ISDIR : G_FILE_ERROR_INVAL,
                    S_ISDIR(status.st_mode) ? "it is a folder; move it away"
                                            : "it is no file but a pipe or device; move it away",
                    error);
    if (!read_all(fd, bytes, path, error))
        return FALSE;
    if (bytes->len && memchr(bytes->data, 0, bytes->len))
        return fail(
            path, G_FILE_ERROR_INVAL,
            "it isn't text, or is damaged (it has NUL octets in it); put a copy of it there",
            error);
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    *text = (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
    return TRUE;
}

gboolean config_file_read(const char *path, char **text, GError **error)
{
    /* Opening a pipe waits for its other end, and a terminal could become ours. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return fail_system(path, errno, error);
    gboolean ok = read_file(fd, path, text, error);
    close(fd);
    return ok;
}
