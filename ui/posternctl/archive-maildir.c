/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Maildir of an archive: flags are letters in files' names, keywords as Dovecot has them. */
#include "ui/posternctl/archive-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTERS       26
#define KEYWORDS      "dovecot-keywords"
#define MORE_KEYWORDS "postern-keywords" /* of those that have no letter */

/* ---- what is there ----------------------------------------------------------------------------- */

static void scan_keywords(ArchiveFolder *folder)
{
    g_autofree char *path = g_build_filename(folder->full, KEYWORDS, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *space = strchr(*line, ' ');
        if (space)
            g_ptr_array_add(folder->keywords, g_strdup(space + 1));
    }
}

/* A file that isn't as long as its name says was cut off: it goes. */
static void scan_file(ArchiveFolder *folder, const char *cur, const char *name)
{
    g_autofree char *path = g_build_filename(cur, name, NULL);
    CtlArchiveName about;
    struct stat file;

    if (!ctl_archive_name_parse(name, &about) || about.uidvalidity != folder->about.uidvalidity)
        return;
    if (stat(path, &file) == 0 && (guint64)file.st_size == about.size)
        g_hash_table_insert(folder->files, GUINT_TO_POINTER(about.uid), g_strdup(name));
    else
        g_unlink(path);
}

gboolean archive_maildir_scan(ArchiveFolder *folder, GError **error)
{
    static const char *const parts[] = {"cur", "new", "tmp"};

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *path = g_build_filename(folder->full, parts[i], NULL);
        if (g_mkdir_with_parents(path, 0700) != 0)
            return archive_fail(path, error);
    }
    scan_keywords(folder);
    g_autofree char *cur = g_build_filename(folder->full, "cur", NULL);
    g_autoptr(GDir) dir = g_dir_open(cur, 0, error);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        scan_file(folder, cur, name);
    return dir != NULL;
}

/* ---- flags ------------------------------------------------------------------------------------- */

static gboolean write_keywords(ArchiveFolder *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder->full, KEYWORDS, NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < folder->keywords->len; i++)
        g_string_append_printf(text, "%u %s\n", i, (const char *)folder->keywords->pdata[i]);
    return g_file_set_contents(path, text->str, (gssize)text->len, error);
}

/* Its letter; 0: there are no more. */
static gboolean find_letter(ArchiveFolder *folder, const char *keyword, char *letter,
                            GError **error)
{
    guint at = 0;

    while (at < folder->keywords->len &&
           g_ascii_strcasecmp(folder->keywords->pdata[at], keyword) != 0)
        at++;
    *letter = at < LETTERS ? (char)('a' + at) : '\0';
    if (at < folder->keywords->len || at >= LETTERS)
        return TRUE;
    g_ptr_array_add(folder->keywords, g_strdup(keyword));
    return write_keywords(folder, error);
}

static const struct {
    const char *flag;
    char letter;
} letters[] = {{"\\Draft", 'D'},    {"\\Flagged", 'F'}, {"$Forwarded", 'P'},
               {"\\Answered", 'R'}, {"\\Seen", 'S'},    {"\\Deleted", 'T'}};

/* Its letter among those that all programs know; 0: it has none. */
static char common_letter(const char *flag)
{
    for (guint k = 0; k < G_N_ELEMENTS(letters); k++)
        if (g_ascii_strcasecmp(flag, letters[k].flag) == 0)
            return letters[k].letter;
    return '\0';
}

static int compare_chars(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

/* ":2,FSab" in order; keywords without a letter go to `more`. */
static char *flag_letters(ArchiveFolder *folder, const CtlRecord *record, GString *more,
                          GError **error)
{
    g_autofree const char **flags = ctl_record_flags(record);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; flags[i]; i++) {
        char letter = common_letter(flags[i]);
        if (!letter && flags[i][0] == '\\')
            continue;
        if (!letter && !find_letter(folder, flags[i], &letter, error))
            return NULL;
        if (letter)
            g_string_append_c(text, letter);
        else
            g_string_append_printf(more, "%s%s", more->len ? " " : "", flags[i]);
    }
    qsort(text->str, text->len, 1, compare_chars);
    return g_strconcat(":2,", text->str, NULL);
}

/* The last line about a name counts. */
static gboolean note_more(const ArchiveFolder *folder, const char *name, const char *more,
                          GError **error)
{
    g_autofree char *path = g_build_filename(folder->full, MORE_KEYWORDS, NULL);

    if (!*more && !g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    FILE *file = fopen(path, "ae");
    if (!file)
        return archive_fail(path, error);
    gboolean ok = fprintf(file, "%s\t%s\n", name, more) > 0;
    return (fclose(file) == 0 && ok) || archive_fail(path, error);
}

/* ---- messages ---------------------------------------------------------------------------------- */

static gboolean write_all(int fd, const char *data, gsize length)
{
    while (length > 0) {
        gssize n = write(fd, data, length);
        if (n < 0 && errno != EINTR)
            return FALSE;
        data += MAX(n, 0);
        length -= (gsize)MAX(n, 0);
    }
    return TRUE;
}

static gboolean write_file(const char *path, GBytes *content, gint64 date, GError **error)
{
    gsize length;
    const char *data = g_bytes_get_data(content, &length);
    const struct timespec times[] = {{.tv_sec = date}, {.tv_sec = date}};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return archive_fail(path, error);
    gboolean ok = write_all(fd, data, length) && futimens(fd, times) == 0;
    return (close(fd) == 0 && ok) || archive_fail(path, error);
}

/* The flags of a file that is there may have changed. */
static gboolean move_file(ArchiveFolder *folder, const char *from, const char *to, guint32 uid,
                          GError **error)
{
    g_autofree char *old = g_build_filename(folder->full, from, NULL);
    g_autofree char *new_path = g_build_filename(folder->full, "cur", to, NULL);

    if (strcmp(old, new_path) != 0 && g_rename(old, new_path) != 0)
        return archive_fail(new_path, error);
    g_hash_table_replace(folder->files, GUINT_TO_POINTER(uid), g_strdup(to));
    return TRUE;
}

gboolean archive_maildir_take(ArchiveFolder *folder, const CtlRecord *record, GError **error)
{
    guint32 uid = (guint32)ctl_record_number(record, "Uid");
    const char *there = g_hash_table_lookup(folder->files, GUINT_TO_POINTER(uid));
    g_autoptr(GString) more = g_string_new(NULL);
    g_autofree char *flags = flag_letters(folder, record, more, error);

    if (!flags || (!there && !record->content))
        return flags != NULL;
    const char *info = there ? strstr(there, ":2,") : NULL;
    g_autofree char *base = there ? g_strndup(there, info ? (gsize)(info - there) : strlen(there))
                                  : archive_name(folder, record);
    g_autofree char *name = g_strconcat(base, flags, NULL);
    g_autofree char *from =
        there ? g_build_filename("cur", there, NULL) : g_build_filename("tmp", base, NULL);
    g_autofree char *path = g_build_filename(folder->full, from, NULL);
    if (!there && !write_file(path, record->content, ctl_record_number(record, "Date"), error))
        return FALSE;
    return note_more(folder, base, more->str, error) && move_file(folder, from, name, uid, error);
}
