/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads mbox files. How long a message is says, in this order: the "X-Postern:" line of what 'export'
 * wrote; Content-Length, where what follows it is the next message or the end (mboxcl, mboxcl2); else the
 * next "From " line after an empty one. What mail programs have added (Status, X-Mozilla-Status and
 * their like) becomes flags, and isn't part of the message.
 */
#include "ui/posternctl/archive.h"
#include "ui/posternctl/import.h"

#include "daemon/proto/mime/header.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct {
    const ImportSource *source;
    ImportQuoting quoting;
    const char *start, *end; /* of the file */
    gint64 modified;
    ImportFunc func;
    gpointer data;
} Mbox;

/* A message as it stands there. */
typedef struct {
    const char *from;          /* its "From " line */
    const char *header, *body; /* the body begins after the empty line */
    const char *end;           /* without the empty line behind it */
    const char *next;          /* the next "From " line, or the end */
    gboolean measured;         /* its Content-Length is right */
} Entry;

static const char *line_end(const char *at, const char *end)
{
    const char *newline = at < end ? memchr(at, '\n', (gsize)(end - at)) : NULL;
    return newline ? newline + 1 : end;
}

static gboolean has_time(const char *at, const char *end)
{
    for (; end - at >= 5; at++)
        if (g_ascii_isdigit(at[0]) && g_ascii_isdigit(at[1]) && at[2] == ':' &&
            g_ascii_isdigit(at[3]) && g_ascii_isdigit(at[4]))
            return TRUE;
    return FALSE;
}

/* "From ada@example.org Thu Jan  1 00:00:00 1970", Thunderbird's "From - …", or nothing behind it; not a
 * sentence that begins so. */
static gboolean is_from_line(const char *at, const char *end)
{
    if (end - at < 5 || memcmp(at, "From ", 5) != 0)
        return FALSE;
    const char *stop = line_end(at, end);
    const char *rest = at + 5;
    while (rest < stop && g_ascii_isspace(*rest))
        rest++;
    return rest == stop || *rest == '-' || has_time(rest, stop);
}

static gboolean is_empty_line(const char *at, const char *stop)
{
    return stop - at == 1 || (stop - at == 2 && *at == '\r');
}

/* ---- where messages end ------------------------------------------------------------------------ */

/* The number of a field, -1: there is none. */
static gint64 number_field(const Entry *entry, const char *name)
{
    MimeField field;

    if (!mime_header_find(entry->header, (gsize)(entry->body - entry->header), name, &field))
        return -1;
    g_autofree char *text = g_strndup(field.value, MIN(field.value_length, 20));
    char *end;
    gint64 number = (gint64)g_ascii_strtoull(text, &end, 10);
    return end > text && number >= 0 ? number : -1;
}

static gboolean find_end_by_length(const Mbox *mbox, Entry *entry)
{
    gint64 length = number_field(entry, "Content-Length");

    if (length < 0 || length > mbox->end - entry->body)
        return FALSE;
    const char *at = entry->body + length;
    entry->end = at;
    /* Line ends between messages: usually one. */
    while (at < mbox->end && (*at == '\n' || *at == '\r') && at - entry->end < 4)
        at++;
    if (at < mbox->end && !is_from_line(at, mbox->end))
        return FALSE;
    if (at < mbox->end && at[-1] != '\n')
        return FALSE;
    entry->next = at;
    return TRUE;
}

static void find_end_by_line(const Mbox *mbox, Entry *entry)
{
    const char *stop, *empty = NULL;

    for (const char *at = entry->body; at < mbox->end; at = stop) {
        stop = line_end(at, mbox->end);
        if (empty && is_from_line(at, mbox->end)) {
            entry->end = empty;
            entry->next = at;
            return;
        }
        empty = is_empty_line(at, stop) ? at : NULL;
    }
    entry->end = empty ? empty : mbox->end;
    entry->next = mbox->end;
}

static void find_entry(const Mbox *mbox, const char *from, Entry *entry)
{
    *entry = (Entry){.from = from, .header = line_end(from, mbox->end)};
    entry->body =
        entry->header + mime_header_length(entry->header, (gsize)(mbox->end - entry->header));
    entry->measured = find_end_by_length(mbox, entry);
    if (entry->measured)
        return;
    /* A header that no empty line ends is one up to the next message. */
    Entry whole = *entry;
    whole.body = whole.header;
    find_end_by_line(mbox, entry);
    find_end_by_line(mbox, &whole);
    if (whole.next < entry->body) {
        *entry = whole;
        entry->body = entry->end;
    }
}

/* ---- quoting ----------------------------------------------------------------------------------- */

/* How many ">" stand before "From "; 0: it is no such line, or has none. */
static gsize quotes_of(const char *at, const char *stop)
{
    const char *from = at;

    while (from < stop && *from == '>')
        from++;
    return stop - from >= 5 && memcmp(from, "From ", 5) == 0 ? (gsize)(from - at) : 0;
}

static void append_unquoted(GString *out, const char *at, const char *end, ImportQuoting quoting)
{
    const char *stop;

    for (; at < end; at = stop) {
        stop = line_end(at, end);
        gsize quotes = quoting == IMPORT_MBOXCL2 ? 0 : quotes_of(at, stop);
        gboolean drop = quotes == 1 || (quotes > 1 && quoting != IMPORT_MBOXO);
        g_string_append_len(out, at + drop, stop - at - drop);
    }
}

/* Where a message of known length has a bare "From " line in it, nothing is quoted in this file. */
static ImportQuoting guess_quoting(const Mbox *mbox)
{
    Entry entry;

    for (const char *at = mbox->start; at < mbox->end; at = entry.next) {
        const char *stop;
        find_entry(mbox, at, &entry);
        for (const char *line = entry.body; entry.measured && line < entry.end; line = stop) {
            stop = line_end(line, entry.end);
            if (stop - line >= 5 && memcmp(line, "From ", 5) == 0)
                return IMPORT_MBOXCL2;
        }
    }
    return IMPORT_MBOXRD;
}

/* ---- what programs have added ------------------------------------------------------------------ */

static void add_words(GPtrArray *flags, const MimeField *field)
{
    g_autofree char *text = g_strndup(field->value, field->value_length);
    g_auto(GStrv) words = g_strsplit_set(text, " ,\t\r\n", -1);

    for (char **word = words; *word; word++)
        if (**word)
            g_ptr_array_add(flags, g_strdup(*word));
}

static void add_status(GPtrArray *flags, const MimeField *field)
{
    static const struct {
        char letter;
        const char *flag;
    } letters[] = {{'R', "\\Seen"},
                   {'A', "\\Answered"},
                   {'F', "\\Flagged"},
                   {'T', "\\Draft"},
                   {'D', "\\Deleted"}};

    for (guint i = 0; i < G_N_ELEMENTS(letters); i++)
        if (field->value_length && memchr(field->value, letters[i].letter, field->value_length))
            g_ptr_array_add(flags, g_strdup(letters[i].flag));
}

#define MOZILLA_EXPUNGED 0x0008

static guint64 mozilla_status(const MimeField *field)
{
    g_autofree char *text = g_strndup(field->value, MIN(field->value_length, 8));
    return g_ascii_strtoull(text, NULL, 16);
}

static void add_mozilla(GPtrArray *flags, const MimeField *field)
{
    static const struct {
        guint bit;
        const char *flag;
    } bits[] = {
        {0x0001, "\\Seen"}, {0x0002, "\\Answered"}, {0x0004, "\\Flagged"}, {0x1000, "$Forwarded"}};
    guint64 status = mozilla_status(field);

    for (guint i = 0; i < G_N_ELEMENTS(bits); i++)
        if (status & bits[i].bit)
            g_ptr_array_add(flags, g_strdup(bits[i].flag));
}

static void pass_over(GPtrArray *flags, const MimeField *field)
{
}

static const struct {
    const char *name;
    void (*read)(GPtrArray *flags, const MimeField *field);
    gboolean leading; /* it counts only before the message's own fields */
} added[] = {
    {"Status", add_status, FALSE},
    {"X-Status", add_status, FALSE},
    {"X-Keywords", add_words, FALSE},
    {"X-UID", pass_over, FALSE},
    {"X-IMAP", pass_over, FALSE},
    {"X-IMAPbase", pass_over, FALSE},
    {"X-Mozilla-Status", add_mozilla, TRUE},
    {"X-Mozilla-Status2", pass_over, TRUE},
    {"X-Mozilla-Keys", add_words, TRUE},
};

/* Whether the field was added by a program; then it is read. */
static gboolean read_added(const MimeField *field, gboolean leading, GPtrArray *flags)
{
    for (guint i = 0; i < G_N_ELEMENTS(added); i++) {
        if (!mime_field_is(field, added[i].name) || (added[i].leading && !leading))
            continue;
        added[i].read(flags, field);
        return TRUE;
    }
    return FALSE;
}

static void read_header(const Entry *entry, ImportQuoting quoting, GPtrArray *flags, GString *out)
{
    const char *at = entry->header;
    gboolean leading = TRUE;
    MimeField field;

    while (at < entry->body && mime_field_next(&at, entry->body, &field) == MIME_FIELD_MORE) {
        gboolean length = entry->measured && mime_field_is(&field, "Content-Length");
        if (length || read_added(&field, leading, flags))
            continue;
        leading = FALSE;
        append_unquoted(out, field.line, field.line + field.line_length, quoting);
    }
    /* The empty line, and whatever else the header is. */
    if (at <= entry->body && entry->body > entry->header) {
        const char *empty = entry->body;
        if (empty > entry->header && empty[-1] == '\n')
            empty -= empty - 1 > entry->header && empty[-2] == '\r' ? 2 : 1;
        if (empty == entry->header || empty[-1] == '\n')
            g_string_append_len(out, empty, entry->body - empty);
    }
}

/* Thunderbird leaves what was deleted where it was until the folder is compacted; IMAP programs keep
 * their own notes as a first message. */
static gboolean is_no_mail(const Entry *entry)
{
    gsize length = (gsize)(entry->body - entry->header);
    MimeField field;

    if (mime_header_find(entry->header, length, "X-Mozilla-Status", &field) &&
        (mozilla_status(&field) & MOZILLA_EXPUNGED))
        return TRUE;
    return mime_header_find(entry->header, length, "Subject", &field) &&
           g_strstr_len(field.value, (gssize)field.value_length, "FOLDER INTERNAL DATA") &&
           (mime_header_find(entry->header, length, "X-IMAP", &field) ||
            mime_header_find(entry->header, length, "X-IMAPbase", &field));
}

/* ---- dates ------------------------------------------------------------------------------------- */

/* Of the "From " line: in UTC (RFC 4155); Thunderbird's "From - " in local time. */
static gboolean from_line_date(const Entry *entry, gint64 *date)
{
    g_autofree char *line = g_strndup(entry->from + 5, (gsize)(entry->header - entry->from) - 5);
    struct tm when = {.tm_isdst = -1};

    for (char *at = line; (at = strchr(at, ' ')); at++) {
        if (!strptime(at, " %a %b %d %H:%M:%S %Y", &when))
            continue;
        *date = g_str_has_prefix(line, "- ") ? mktime(&when) : timegm(&when);
        return TRUE;
    }
    return FALSE;
}

static void find_date(const Mbox *mbox, const Entry *entry, ImportMessage *message)
{
    message->dated = TRUE;
    if (!from_line_date(entry, &message->date) &&
        !import_date_field(message->data, message->length, &message->date, &message->zone))
        message->date = mbox->modified;
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* Of what 'export' wrote: its line, and what is behind it exactly. FALSE: it is something else. */
static gboolean read_own(const Mbox *mbox, const char *from, const char **next,
                         ImportMessage *message, GString *out)
{
    const char *at = line_end(from, mbox->end), *stop;
    CtlMboxLine about;

    for (guint lines = 0; lines < 4 && at < mbox->end; lines++, at = stop) {
        stop = line_end(at, mbox->end);
        g_autofree char *line = g_strndup(at, (gsize)(stop - at));
        if (!ctl_mbox_line_parse(line, &about)) {
            MimeField field;
            const char *position = at;
            if (mime_field_next(&position, stop, &field) != MIME_FIELD_MORE ||
                !read_added(&field, FALSE, message->flags))
                return FALSE;
            continue;
        }
        if (about.quoted > (guint64)(mbox->end - stop))
            return FALSE;
        append_unquoted(out, stop, stop + about.quoted, IMPORT_MBOXRD);
        at = stop + about.quoted;
        if (!about.quoted || at[-1] != '\n')
            at = line_end(at, mbox->end);
        *next = line_end(at, mbox->end);
        message->dated = TRUE;
        message->date = about.name.date;
        message->zone = about.name.zone;
        return out->len == about.name.size;
    }
    return FALSE;
}

static gboolean read_entry(const Mbox *mbox, const char *from, const char **next, GError **error)
{
    g_autoptr(GPtrArray) flags = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) changed = NULL;
    ImportMessage message = {.folder = mbox->source->folder, .flags = flags};
    Entry entry;

    if (!read_own(mbox, from, next, &message, out)) {
        g_string_truncate(out, 0);
        g_ptr_array_set_size(flags, 0);
        find_entry(mbox, from, &entry);
        *next = entry.next;
        if (is_no_mail(&entry))
            return TRUE;
        read_header(&entry, mbox->quoting, flags, out);
        append_unquoted(out, entry.body, entry.end, mbox->quoting);
        changed = import_network_form(out->str, out->len);
        message.data = out->str;
        message.length = out->len;
        find_date(mbox, &entry, &message);
    }
    message.data = changed ? changed->str : out->str;
    message.length = changed ? changed->len : out->len;
    return mbox->func(&message, mbox->data, error);
}

gboolean import_read_mbox(const ImportSource *source, ImportQuoting quoting, ImportFunc func,
                          gpointer data, GError **error)
{
    g_autoptr(GMappedFile) file = g_mapped_file_new(source->path, FALSE, error);
    struct stat about;

    if (!file)
        return FALSE;
    const char *start = g_mapped_file_get_contents(file);
    start = start ? start : "";
    Mbox mbox = {
        .source = source,
        .quoting = quoting,
        .start = start,
        .end = start + g_mapped_file_get_length(file),
        .modified = stat(source->path, &about) == 0 ? about.st_mtime : 0,
        .func = func,
        .data = data,
    };
    if (mbox.start < mbox.end && memcmp(start, "From ", MIN(5, mbox.end - start)) != 0)
        return ctl_fail(error, "%s isn't an mbox file: it doesn't begin with a “From ” line",
                        source->path);
    if (quoting == IMPORT_AUTO)
        mbox.quoting = guess_quoting(&mbox);
    for (const char *at = mbox.start; at < mbox.end;)
        if (!read_entry(&mbox, at, &at, error))
            return FALSE;
    return TRUE;
}
