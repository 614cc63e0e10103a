/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A note in the directory of an account that has left; another account finds it there. */
#include "daemon/account/owner.h"

#include "daemon/account/paths.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Who reads and writes the mail of these settings, and where. */
static char *owner_of(const AccountSettings *settings)
{
    g_autofree char *url =
        settings->incoming ? net_endpoint_to_string(settings->incoming) : g_strdup("local");

    return g_strdup_printf("%s %s\n", url, settings->user ? settings->user : "");
}

static char *note_path(const char *dir)
{
    return g_build_filename(dir, "left", NULL);
}

void account_owner_leaves(const char *data_dir, const AccountSettings *settings)
{
    g_autofree char *dir = account_data_dir(data_dir, settings->id);
    g_autofree char *note = note_path(dir), *owner = owner_of(settings);
    g_autoptr(GError) error = NULL;

    if (!g_file_test(dir, G_FILE_TEST_IS_DIR))
        return;
    if (!g_file_set_contents_full(note, owner, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error))
        g_warning("%s: whose mail it is that stays can't be noted: %s", settings->id,
                  error->message);
}

static gboolean move_file(const char *from, const char *to, GError **error)
{
    if (g_rename(from, to) == 0 || errno == ENOENT)
        return TRUE;
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s can't be moved to %s: %s",
                from, to, g_strerror(errno));
    return FALSE;
}

/* Clients may know numbers of the one that was here: those of the next are larger. */
static gboolean take_floor(const char *data_dir, const char *id, const char *dir, GError **error)
{
    g_autofree char *here = g_build_filename(dir, "uidvalidity", NULL);
    g_autofree char *kept = account_floor_path(data_dir, id);
    g_autofree char *kept_dir = g_path_get_dirname(kept);

    g_mkdir_with_parents(kept_dir, 0700);
    return move_file(here, kept, error);
}

static gboolean put_aside(const char *data_dir, const char *id, const char *dir, GError **error)
{
    g_autofree char *aside =
        g_strdup_printf("%s" ACCOUNT_LEFT "%" G_GINT64_FORMAT, dir, g_get_real_time());

    if (!take_floor(data_dir, id, dir, error) || !move_file(dir, aside, error))
        return FALSE;
    g_message("%s: another account had this name before; what was kept of it is now in %s, and "
              "nothing of that is sent",
              id, aside);
    return TRUE;
}

gboolean account_owner_enters(const char *data_dir, const AccountSettings *settings, GError **error)
{
    g_autofree char *dir = account_data_dir(data_dir, settings->id);
    g_autofree char *note = note_path(dir), *owner = owner_of(settings);
    g_autofree char *left = NULL;
    g_autoptr(GError) failure = NULL;

    if (!g_file_get_contents(note, &left, NULL, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    if (strcmp(left, owner) != 0)
        return put_aside(data_dir, settings->id, dir, error);
    g_unlink(note);
    return TRUE;
}
