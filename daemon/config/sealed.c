/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The password goes to systemd-creds by its standard input, and is nowhere else in the clear. */
#include "daemon/config/sealed.h"

#include "daemon/words/words.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#define PROGRAM "systemd-creds"
#define DECRYPT PROGRAM " decrypt --user "

/* The credential's name is part of what is encrypted: a file of another account isn't accepted. */
static char *credential_name(const char *id)
{
    return g_strdup_printf("--name=postern-%s", id);
}

static char *sealed_path(const char *config_path, const char *id)
{
    g_autofree char *dir = g_path_get_dirname(config_path);
    g_autofree char *absolute = g_canonicalize_filename(dir, NULL);
    g_autofree char *name = g_strconcat(id, ".cred", NULL);

    return g_build_filename(absolute, "secrets", name, NULL);
}

/* What it said, in one line. */
static char *words_of(GBytes *said)
{
    gsize length = 0;
    const char *data = said ? g_bytes_get_data(said, &length) : NULL;

    return words_line(data ? data : "", (gssize)MIN(length, 400));
}

static GBytes *encrypt(const char *id, const char *password, GError **error)
{
    g_autofree char *name = credential_name(id);
    g_autoptr(GSubprocess) process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                             G_SUBPROCESS_FLAGS_STDERR_PIPE,
                         error, PROGRAM, "encrypt", "--user", name, "-", "-", NULL);
    g_autoptr(GBytes) input = g_bytes_new_static(password, strlen(password));
    g_autoptr(GBytes) output = NULL, said = NULL;
    g_autoptr(GError) failure = NULL;

    if (!process)
        return NULL;
    /* An older one ends before it has read the password: a broken pipe. */
    if (g_subprocess_communicate(process, input, NULL, &output, &said, &failure) &&
        g_subprocess_get_successful(process) && g_bytes_get_size(output) > 0)
        return g_steal_pointer(&output);
    g_autofree char *words = failure ? g_strdup(failure->message) : words_of(said);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                PROGRAM " can't encrypt for a user here, as that of systemd 256 or newer can: %s; "
                        "use --password-command",
                words);
    return NULL;
}

gboolean sealed_is_available(void)
{
    g_autofree char *program = g_find_program_in_path(PROGRAM);
    g_autoptr(GBytes) tried = program ? encrypt("test", "test", NULL) : NULL;

    return tried != NULL;
}

char *sealed_write(const char *config_path, const char *id, const char *password, GError **error)
{
    g_autofree char *path = sealed_path(config_path, id);
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *name = credential_name(id);
    g_autofree char *quoted = g_shell_quote(path);
    g_autoptr(GBytes) bytes = encrypt(id, password, error);
    gsize length;

    if (!bytes)
        return NULL;
    if (g_mkdir_with_parents(dir, 0700) != 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s can't be made: %s", dir,
                    g_strerror(errno));
        return NULL;
    }
    const char *data = g_bytes_get_data(bytes, &length);
    if (!g_file_set_contents_full(path, data, (gssize)length,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0600, error))
        return NULL;
    return g_strconcat(DECRYPT, name, " ", quoted, " -", NULL);
}

gboolean sealed_is_command(const char *command)
{
    return g_str_has_prefix(command, DECRYPT "--name=postern-");
}

void sealed_remove(const char *config_path, const char *id)
{
    g_autofree char *path = sealed_path(config_path, id);

    g_unlink(path);
}
