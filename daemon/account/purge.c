/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes of an account, in the order that makes room first and forgets the mark last. */
#include "daemon/account/purge.h"

#include "daemon/account/paths.h"
#include "daemon/config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define ASKED ".asked"

/* ---- files ----------------------------------------------------------------------------------- */

static gboolean failed(const char *what, const char *path, GError **error)
{
    int failure = errno;

    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(failure), "%s can't be %s: %s", path,
                what, g_strerror(failure));
    return FALSE;
}

/* What was made, renamed or removed in it is on the disk then. */
static void sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static gboolean remove_file(const char *path, GError **error)
{
    return g_unlink(path) == 0 || errno == ENOENT || failed("removed", path, error);
}

/* ---- marks ----------------------------------------------------------------------------------- */

static char *marks_dir(const char *data_dir)
{
    return g_build_filename(data_dir, "purge", NULL);
}

static char *mark_path(const char *data_dir, const char *id, const char *suffix)
{
    g_autofree char *name = g_strconcat(id, suffix, NULL);
    return g_build_filename(data_dir, "purge", name, NULL);
}

gboolean account_purge_ask(const char *data_dir, const char *id, GError **error)
{
    g_autofree char *dir = marks_dir(data_dir);
    g_autofree char *path = mark_path(data_dir, id, ASKED);

    if (g_mkdir_with_parents(dir, 0700) != 0)
        return failed("made", dir, error);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed("made", path, error);
    close(fd);
    sync_dir(dir);
    sync_dir(data_dir);
    return TRUE;
}

void account_purge_decide(const char *data_dir, const char *id)
{
    g_autofree char *dir = marks_dir(data_dir);
    g_autofree char *asked = mark_path(data_dir, id, ASKED);
    g_autofree char *decided = mark_path(data_dir, id, "");

    if (g_rename(asked, decided) != 0)
        g_warning("%s: what is removed isn't marked so: %s", id, g_strerror(errno));
    sync_dir(dir);
}

void account_purge_take_back(const char *data_dir, const char *id)
{
    g_autofree char *dir = marks_dir(data_dir);
    g_autofree char *asked = mark_path(data_dir, id, ASKED);

    g_unlink(asked);
    sync_dir(dir);
}

gboolean account_purge_is_left(const char *data_dir, const char *id)
{
    g_autofree char *decided = mark_path(data_dir, id, "");

    return g_file_test(decided, G_FILE_TEST_EXISTS);
}

char **account_purges_left(const char *data_dir, AccountIsConfigured is_configured,
                           gconstpointer data)
{
    g_autofree char *dir = marks_dir(data_dir);
    g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    GPtrArray *ids = g_ptr_array_new();

    for (const char *name; listing && (name = g_dir_read_name(listing));)
        g_ptr_array_add(names, g_strdup(name));
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *id = g_strdup(names->pdata[i]);
        if (g_str_has_suffix(id, ASKED)) {
            id[strlen(id) - strlen(ASKED)] = '\0';
            if (is_configured(id, data)) {
                account_purge_take_back(data_dir, id);
                continue;
            }
            account_purge_decide(data_dir, id);
        }
        g_ptr_array_add(ids, g_steal_pointer(&id));
    }
    g_ptr_array_add(ids, NULL);
    return (char **)g_ptr_array_free(ids, FALSE);
}

/* ---- what goes ------------------------------------------------------------------------------- */

/* Out of the directory that goes. */
static gboolean keep_floor(const char *data_dir, const char *id, const char *dir, GError **error)
{
    g_autofree char *here = g_build_filename(dir, "uidvalidity", NULL);
    g_autofree char *kept = account_floor_path(data_dir, id);
    g_autofree char *kept_dir = g_path_get_dirname(kept);

    if (g_mkdir_with_parents(kept_dir, 0700) != 0)
        return failed("made", kept_dir, error);
    if (g_rename(here, kept) != 0 && errno != ENOENT)
        return failed("kept", here, error);
    sync_dir(kept_dir);
    return TRUE;
}

static gboolean remove_dir(const char *dir, GError **error)
{
    g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (const char *name; listing && (name = g_dir_read_name(listing));)
        g_ptr_array_add(names, g_build_filename(dir, name, NULL));
    for (guint i = 0; i < names->len; i++) {
        const char *path = names->pdata[i];
        gboolean is_dir =
            g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK);
        if (!(is_dir ? remove_dir(path, error) : remove_file(path, error)))
            return FALSE;
    }
    return g_rmdir(dir) == 0 || errno == ENOENT || failed("removed", dir, error);
}

/* "work.left-1795...": what owner.c put aside of those that had the name before; no account's own name
 * is like that. */
static gboolean is_left_of(const char *name, const char *id)
{
    const gsize length = strlen(id);

    if (strncmp(name, id, length) != 0 || !g_str_has_prefix(name + length, ACCOUNT_LEFT))
        return FALSE;
    name += length + strlen(ACCOUNT_LEFT);
    return *name != '\0' && name[strspn(name, "0123456789")] == '\0';
}

static gboolean remove_left(const char *data_dir, const char *id, GError **error)
{
    g_autofree char *accounts = g_build_filename(data_dir, "accounts", NULL);
    g_autoptr(GDir) listing = g_dir_open(accounts, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (const char *name; listing && (name = g_dir_read_name(listing));)
        if (is_left_of(name, id))
            g_ptr_array_add(names, g_build_filename(accounts, name, NULL));
    for (guint i = 0; i < names->len; i++)
        if (!remove_dir(names->pdata[i], error))
            return FALSE;
    return TRUE;
}

static gboolean forget_mail(Queue *queue, const char *id, GError **error)
{
    if (queue)
        return queue_forget(queue, id, error);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the queue of outgoing mail can't be opened");
    return FALSE;
}

gboolean account_purge_finish(const char *data_dir, const char *id, Queue *queue, GError **error)
{
    g_autofree char *dir = account_data_dir(data_dir, id);
    g_autofree char *decided = mark_path(data_dir, id, "");
    g_autofree char *marks = marks_dir(data_dir);

    if (!keep_floor(data_dir, id, dir, error) || !remove_dir(dir, error) ||
        !remove_left(data_dir, id, error) || !forget_mail(queue, id, error))
        return FALSE;
    secrets_forget(id);
    account_purge_take_back(data_dir, id);
    if (!remove_file(decided, error))
        return FALSE;
    sync_dir(marks);
    return TRUE;
}
