/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A message that is a file: of a Maildir, whose name has its flags, or an EML file. */
#include "ui/posternctl/archive.h"
#include "ui/posternctl/import.h"

#include "daemon/proto/mime/date.h"
#include "daemon/proto/mime/header.h"

#include <string.h>
#include <sys/stat.h>

gboolean import_date_field(const char *data, gsize length, gint64 *date, gint32 *zone)
{
    ImapDateTime when;
    MimeField field;

    if (!mime_header_find(data, mime_header_length(data, length), "Date", &field) ||
        !mime_date_parse(field.value, field.value_length, &when))
        return FALSE;
    *date = when.time;
    *zone = when.zone;
    return TRUE;
}

GString *import_network_form(const char *data, gsize length)
{
    const char *end = data + length, *newline = length ? memchr(data, '\n', length) : NULL;

    if (!newline || (newline > data && newline[-1] == '\r'))
        return NULL;
    GString *out = g_string_sized_new(length + length / 30);
    for (const char *at = data; at < end;) {
        newline = memchr(at, '\n', (gsize)(end - at));
        const char *stop = newline ? newline : end;
        g_string_append_len(out, at, stop - at);
        if (newline)
            g_string_append(out, newline > data && newline[-1] == '\r' ? "\n" : "\r\n");
        at = newline ? newline + 1 : end;
    }
    return out;
}

/* ---- flags of a Maildir ------------------------------------------------------------------------ */

static void add_letter(const ImportSource *source, GPtrArray *flags, char letter)
{
    static const struct {
        char letter;
        const char *flag;
    } known[] = {{'D', "\\Draft"},    {'F', "\\Flagged"}, {'P', "$Forwarded"},
                 {'R', "\\Answered"}, {'S', "\\Seen"},    {'T', "\\Deleted"}};
    guint number = (guint)(letter - 'a');

    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if (known[i].letter == letter)
            g_ptr_array_add(flags, g_strdup(known[i].flag));
    if (g_ascii_islower(letter) && source->keywords && number < source->keywords->len &&
        source->keywords->pdata[number])
        g_ptr_array_add(flags, g_strdup(source->keywords->pdata[number]));
}

static void read_name_flags(const ImportSource *source, const char *name, GPtrArray *flags)
{
    static const char *const marks[] = {":2,", ";2,", "!2,"};
    const char *letters = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(marks) && !letters; i++)
        letters = g_strrstr(name, marks[i]);
    for (letters = letters ? letters + 3 : ""; *letters; letters++)
        add_letter(source, flags, *letters);
    g_auto(GStrv) more = g_strsplit(source->more ? source->more : "", " ", -1);
    for (char **word = more; *word; word++)
        if (**word)
            g_ptr_array_add(flags, g_strdup(*word));
}

/* ---- the message ------------------------------------------------------------------------------- */

/* What 'export' wrote says it in its name; a Maildir's file is as old as the message; an EML file is as
 * old as it happens to be. */
static void find_date(const ImportSource *source, const CtlArchiveName *own, ImportMessage *message)
{
    struct stat about;

    message->dated = TRUE;
    if (own) {
        message->date = own->date;
        message->zone = own->zone;
    } else if (source->keywords ||
               !import_date_field(message->data, message->length, &message->date, &message->zone)) {
        message->dated = stat(source->path, &about) == 0;
        message->date = message->dated ? about.st_mtime : 0;
    }
}

gboolean import_read_file(const ImportSource *source, ImportFunc func, gpointer data,
                          GError **error)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(source->path, FALSE, error);
    g_autofree char *name = g_path_get_basename(source->path);
    g_autoptr(GPtrArray) flags = g_ptr_array_new_with_free_func(g_free);
    ImportMessage message = {.folder = source->folder, .flags = flags};
    CtlArchiveName own;

    if (!file)
        return FALSE;
    message.data = g_mapped_file_get_contents(file);
    message.length = g_mapped_file_get_length(file);
    message.data = message.data ? message.data : "";
    gboolean is_own = ctl_archive_name_parse(name, &own) && own.size == message.length;
    g_autoptr(GString) changed = is_own ? NULL : import_network_form(message.data, message.length);
    if (changed) {
        message.data = changed->str;
        message.length = changed->len;
    }
    if (source->keywords)
        read_name_flags(source, name, flags);
    find_date(source, is_own ? &own : NULL, &message);
    return func(&message, data, error);
}
