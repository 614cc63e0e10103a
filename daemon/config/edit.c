/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A key file held as its lines. Only the lines that an edit is about are touched.
 */
#include "daemon/config/edit.h"

#include "daemon/config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Five seconds. */
#define LOCK_TRIES 250
#define LOCK_PAUSE 20000

struct ConfigEdit {
    char *path;
    char *original;    /* the text as it was read, or NULL: there was no file */
    int lock;          /* the file's directory, with a lock on it; -1: none */
    GPtrArray *lines;  /* char *, without line ends */
    GPtrArray *wanted; /* what was asked for, as lines to add by hand */
    char *wanted_group;
};

/* The file that `path` stands for, also where symbolic links lead to one that isn't there yet. */
static char *resolve(const char *path)
{
    g_autofree char *at = g_strdup(path);

    for (int hops = 0; hops < 40; hops++) {
        g_autofree char *target = g_file_read_link(at, NULL);
        if (!target)
            break;
        g_autofree char *dir = g_path_get_dirname(at);
        g_free(at);
        at = g_path_is_absolute(target) ? g_steal_pointer(&target)
                                        : g_build_filename(dir, target, NULL);
    }
    return g_steal_pointer(&at);
}

/* The directory is locked, since the file is replaced. Where there is none, or it can't be locked,
 * there is nothing to be kept from (*fd is -1). FALSE: somebody else goes on changing the file. */
static gboolean lock_file(const char *path, int *fd, GError **error)
{
    g_autofree char *target = resolve(path);
    g_autofree char *dir = g_path_get_dirname(target);

    *fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int tries = 0; *fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno == EWOULDBLOCK && tries < LOCK_TRIES) {
            g_usleep(LOCK_PAUSE);
            continue;
        }
        gboolean busy = errno == EWOULDBLOCK;
        close(*fd);
        *fd = -1;
        if (!busy)
            return TRUE;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
                    "%s is being changed by another program; try again", path);
        return FALSE;
    }
    return TRUE;
}

static void unlock_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

ConfigEdit *config_edit_open(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    int lock;

    /* What is saved is nobody else's: it would be trusted from then on. */
    if (!config_file_check_writers(path, error) || !lock_file(path, &lock, error))
        return NULL;
    if (!config_file_read(path, &text, &failure) &&
        !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        unlock_file(&lock);
        return NULL;
    }

    ConfigEdit *edit = g_new0(ConfigEdit, 1);
    edit->path = g_strdup(path);
    edit->lock = lock;
    edit->original = g_strdup(text);
    edit->lines = g_ptr_array_new_with_free_func(g_free);
    edit->wanted = g_ptr_array_new_with_free_func(g_free);
    /* What follows the last line end is a line only if there is something. */
    for (const char *at = text, *end; at && *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, '\n');
        g_ptr_array_add(edit->lines, g_strndup(at, (gsize)(end - at)));
    }
    return edit;
}

void config_edit_free(ConfigEdit *edit)
{
    if (!edit)
        return;
    unlock_file(&edit->lock);
    g_free(edit->path);
    g_free(edit->original);
    g_free(edit->wanted_group);
    g_ptr_array_unref(edit->lines);
    g_ptr_array_unref(edit->wanted);
    g_free(edit);
}

static const char *line_at(ConfigEdit *edit, guint i)
{
    return g_ptr_array_index(edit->lines, i);
}

/* The name in "[name]", or NULL; the caller frees. */
static char *header_name(const char *line)
{
    while (g_ascii_isspace(*line))
        line++;
    const char *end = *line == '[' ? strrchr(line, ']') : NULL;
    return end ? g_strndup(line + 1, (gsize)(end - line - 1)) : NULL;
}

static gboolean is_header_of(const char *line, const char *group)
{
    g_autofree char *name = header_name(line);
    return name && strcmp(name, group) == 0;
}

static gboolean is_comment(const char *line)
{
    return *line == '#';
}

static gboolean is_blank(const char *line)
{
    while (g_ascii_isspace(*line))
        line++;
    return *line == '\0';
}

static gboolean has_key(const char *line, const char *key)
{
    const char *equals = strchr(line, '=');

    if (is_comment(line) || !equals)
        return FALSE;
    g_autofree char *name = g_strndup(line, (gsize)(equals - line));
    return strcmp(g_strstrip(name), key) == 0;
}

/* Finds a group from line `i` on: the line of its header in *first, the line after its last in *end. */
static gboolean find_group(ConfigEdit *edit, const char *group, guint i, guint *first, guint *end)
{
    while (i < edit->lines->len && !is_header_of(line_at(edit, i), group))
        i++;
    if (i == edit->lines->len)
        return FALSE;
    *first = i++;
    for (; i < edit->lines->len; i++) {
        g_autofree char *next = header_name(line_at(edit, i));
        if (next)
            break;
    }
    *end = i;
    return TRUE;
}

/* Where a new line of the group goes: behind its last one, before the empty lines and comments that
 * lead over to the next group. */
static guint group_tail(ConfigEdit *edit, guint first, guint end)
{
    guint tail = end;

    if (end < edit->lines->len) {
        while (tail > first + 1 && is_comment(line_at(edit, tail - 1)))
            tail--;
        if (tail > first + 1 && !is_blank(line_at(edit, tail - 1)))
            tail = end; /* the comments belong to this group */
    }
    while (tail > first + 1 && is_blank(line_at(edit, tail - 1)))
        tail--;
    return tail;
}

static guint ensure_group(ConfigEdit *edit, const char *group)
{
    guint first, end;

    if (find_group(edit, group, 0, &first, &end))
        return group_tail(edit, first, end);
    if (edit->lines->len && !is_blank(line_at(edit, edit->lines->len - 1)))
        g_ptr_array_add(edit->lines, g_strdup(""));
    g_ptr_array_add(edit->lines, g_strdup_printf("[%s]", group));
    return edit->lines->len;
}

/* Notes a line for the message that tells what to add by hand. */
static void note(ConfigEdit *edit, const char *group, const char *line)
{
    if (g_strcmp0(edit->wanted_group, group) != 0) {
        g_free(edit->wanted_group);
        edit->wanted_group = g_strdup(group);
        g_ptr_array_add(edit->wanted, g_strdup_printf("[%s]", group));
    }
    g_ptr_array_add(edit->wanted, g_strdup(line));
}

static char *escape_value(const char *value)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_key_file_set_string(file, "g", "k", value);
    return g_key_file_get_value(file, "g", "k", NULL);
}

static gint last_with_key(ConfigEdit *edit, const char *group, const char *key)
{
    guint first, end;

    if (!find_group(edit, group, 0, &first, &end))
        return -1;
    for (guint i = end; i > first + 1; i--) {
        if (has_key(line_at(edit, i - 1), key))
            return (gint)i - 1;
    }
    return -1;
}

/* Takes out the lines that `goes` says, in one pass. */
static void remove_lines(ConfigEdit *edit, const gboolean *goes)
{
    GPtrArray *stays = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_set_free_func(edit->lines, NULL);
    for (guint i = 0; i < edit->lines->len; i++) {
        if (goes[i])
            g_free(g_ptr_array_index(edit->lines, i));
        else
            g_ptr_array_add(stays, g_ptr_array_index(edit->lines, i));
    }
    g_ptr_array_unref(edit->lines);
    edit->lines = stays;
}

/* All of them; of the first group of that name, which is the one that is set. */
static void remove_key(ConfigEdit *edit, const char *group, const char *key)
{
    g_autofree gboolean *goes = g_new0(gboolean, edit->lines->len + 1);
    guint first, end;

    if (!find_group(edit, group, 0, &first, &end))
        return;
    for (guint i = first + 1; i < end; i++)
        goes[i] = has_key(line_at(edit, i), key);
    remove_lines(edit, goes);
}

void config_edit_set(ConfigEdit *edit, const char *group, const char *key, const char *value)
{
    gint at = last_with_key(edit, group, key);

    if (!value) {
        remove_key(edit, group, key);
        g_autofree char *line = g_strdup_printf("# (without %s=)", key);
        note(edit, group, line);
        return;
    }

    g_autofree char *escaped = escape_value(value);
    g_autofree char *line = g_strdup_printf("%s=%s", key, escaped);
    note(edit, group, line);
    if (at >= 0) {
        g_free(g_ptr_array_index(edit->lines, (guint)at));
        g_ptr_array_index(edit->lines, (guint)at) = g_steal_pointer(&line);
        return;
    }
    guint tail = ensure_group(edit, group);
    g_ptr_array_insert(edit->lines, (gint)tail, g_steal_pointer(&line));
}

void config_edit_comment(ConfigEdit *edit, const char *group, const char *comment)
{
    guint tail = ensure_group(edit, group);
    g_ptr_array_insert(edit->lines, (gint)tail, g_strdup_printf("# %s", comment));
}

void config_edit_remove_group(ConfigEdit *edit, const char *group)
{
    g_autofree gboolean *goes = g_new0(gboolean, edit->lines->len + 1);
    guint first, end;

    for (guint at = 0; find_group(edit, group, at, &first, &end); at = end) {
        guint tail = group_tail(edit, first, end);
        while (tail < end && is_blank(line_at(edit, tail)))
            tail++;
        while (first > 0 && !goes[first - 1] && is_comment(line_at(edit, first - 1)))
            first--;
        for (guint i = first; i < tail; i++)
            goes[i] = TRUE;
    }
    remove_lines(edit, goes);
    g_autofree char *line = g_strdup_printf("# (without the group [%s])", group);
    note(edit, group, line);
}

static char *join(GPtrArray *lines)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < lines->len; i++) {
        g_string_append(text, g_ptr_array_index(lines, i));
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

char *config_edit_text(ConfigEdit *edit)
{
    return join(edit->lines);
}

/* Editors know no locks. */
static gboolean is_unchanged(ConfigEdit *edit)
{
    g_autoptr(GError) failure = NULL;
    g_autofree char *text = NULL;

    if (!config_file_read(edit->path, &text, &failure) &&
        !g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return FALSE;
    return g_strcmp0(text, edit->original) == 0;
}

gboolean config_edit_save(ConfigEdit *edit, GError **error)
{
    g_autofree char *text = join(edit->lines);
    g_autofree char *target = resolve(edit->path);
    g_autofree char *dir = g_path_get_dirname(target);
    g_autoptr(GError) failure = NULL;

    if (!is_unchanged(edit)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
                    "%s was changed by somebody else just now; try again", edit->path);
        return FALSE;
    }
    if (g_mkdir_with_parents(dir, 0700) == 0 &&
        g_file_set_contents_full(target, text, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &failure)) {
        g_chmod(target, 0600);
        unlock_file(&edit->lock);
        return TRUE;
    }
    if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOSPC)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                    "%s can't be written: the disk is full. Make room, and try again", edit->path);
        return FALSE;
    }
    g_autofree char *wanted = join(edit->wanted);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                "%s can't be written (%s). Change it by hand; this is how it should read:\n%s",
                edit->path, failure ? failure->message : g_strerror(errno), wanted);
    return FALSE;
}
