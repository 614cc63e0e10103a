/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An mbox file of an archive (mboxrd: each line that begins with ">"s and "From " has one ">" more).
 * Before a message's own first line stand its flags, as other programs have them, and "X-Postern:",
 * which says how long it is, so that it can be taken out again exactly.
 */
#include "ui/posternctl/archive-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- what is there ----------------------------------------------------------------------------- */

/* Passes the message that begins here; FALSE: it isn't whole. */
static gboolean pass_message(ArchiveFolder *folder, FILE *file, char **line, gsize *room)
{
    CtlMboxLine about;

    while (getline(line, room, file) > 0) {
        if (!g_str_has_suffix(*line, "\n"))
            return FALSE;
        if (!ctl_mbox_line_parse(*line, &about))
            continue;
        if (fseeko(file, (off_t)about.quoted - 1, SEEK_CUR) != 0)
            return FALSE;
        int last = about.quoted ? fgetc(file) : fgetc(file);
        if (last == EOF || (last != '\n' && fgetc(file) != '\n') || fgetc(file) != '\n')
            return FALSE;
        if (about.name.uidvalidity == folder->about.uidvalidity)
            g_hash_table_insert(folder->files, GUINT_TO_POINTER(about.name.uid), NULL);
        return TRUE;
    }
    return FALSE;
}

/* What was cut off at the end goes. */
gboolean archive_mbox_scan(ArchiveFolder *folder, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(folder->full);
    char *line = NULL;
    gsize room = 0;
    off_t whole = 0;

    if (g_mkdir_with_parents(parent, 0700) != 0)
        return archive_fail(parent, error);
    int fd = open(folder->full, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(dup(fd), "re") : NULL;
    if (!file)
        return archive_fail(folder->full, error);
    while (pass_message(folder, file, &line, &room))
        whole = ftello(file);
    fclose(file);
    free(line);
    folder->fd = fd;
    return (ftruncate(fd, whole) == 0 && lseek(fd, whole, SEEK_SET) >= 0) ||
           archive_fail(folder->full, error);
}

/* ---- messages ---------------------------------------------------------------------------------- */

static gboolean needs_quote(const char *line, const char *end)
{
    while (line < end && *line == '>')
        line++;
    return end - line >= 5 && memcmp(line, "From ", 5) == 0;
}

static GString *quote(const char *data, gsize length)
{
    GString *out = g_string_sized_new(length + 16);
    const char *end = data + length;

    while (data < end) {
        const char *newline = memchr(data, '\n', (gsize)(end - data));
        const char *next = newline ? newline + 1 : end;
        if (needs_quote(data, next))
            g_string_append_c(out, '>');
        g_string_append_len(out, data, next - data);
        data = next;
    }
    return out;
}

/* "Status: RO", "X-Status: AF", "X-Keywords: Work". */
static void append_flags(GString *out, const CtlRecord *record)
{
    static const struct {
        const char *flag;
        char letter;
    } known[] = {{"\\Answered", 'A'}, {"\\Flagged", 'F'}, {"\\Draft", 'T'}, {"\\Deleted", 'D'}};
    g_autofree const char **flags = ctl_record_flags(record);
    g_autoptr(GString) status = g_string_new(NULL);
    g_autoptr(GString) keywords = g_string_new(NULL);
    gboolean seen = g_strv_contains(flags, "\\Seen");

    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_strv_contains(flags, known[i].flag))
            g_string_append_c(status, known[i].letter);
    for (guint i = 0; flags[i]; i++)
        if (flags[i][0] != '\\')
            g_string_append_printf(keywords, " %s", flags[i]);
    g_string_append_printf(out, "Status: %sO\n", seen ? "R" : "");
    if (status->len)
        g_string_append_printf(out, "X-Status: %s\n", status->str);
    if (keywords->len)
        g_string_append_printf(out, "X-Keywords:%s\n", keywords->str);
}

static GString *render(const ArchiveFolder *folder, const CtlRecord *record)
{
    gsize length;
    const char *data = g_bytes_get_data(record->content, &length);
    g_autofree char *name = archive_name(folder, record);
    time_t date = (time_t)ctl_record_number(record, "Date");
    GString *quoted = quote(data, length);
    GString *out = g_string_sized_new(quoted->len + 512);
    struct tm when;
    char stamp[64] = "Thu Jan  1 00:00:00 1970";

    if (gmtime_r(&date, &when))
        strftime(stamp, sizeof stamp, "%a %b %e %H:%M:%S %Y", &when);
    g_string_append_printf(out, "From MAILER-DAEMON %s\n", stamp);
    append_flags(out, record);
    g_string_append_printf(out, CTL_MBOX_LINE "%s Q=%" G_GSIZE_FORMAT "\n", name, quoted->len);
    g_string_append_len(out, quoted->str, (gssize)quoted->len);
    if (!quoted->len || quoted->str[quoted->len - 1] != '\n')
        g_string_append_c(out, '\n');
    g_string_append_c(out, '\n');
    g_string_free(quoted, TRUE);
    return out;
}

gboolean archive_mbox_take(ArchiveFolder *folder, const CtlRecord *record, GError **error)
{
    gpointer uid = GUINT_TO_POINTER((guint32)ctl_record_number(record, "Uid"));

    if (!record->content || g_hash_table_contains(folder->files, uid))
        return TRUE;
    g_autoptr(GString) text = render(folder, record);
    for (gsize at = 0; at < text->len;) {
        gssize n = write(folder->fd, text->str + at, text->len - at);
        if (n < 0 && errno != EINTR)
            return archive_fail(folder->full, error);
        at += (gsize)MAX(n, 0);
    }
    g_hash_table_insert(folder->files, uid, NULL);
    return TRUE;
}
