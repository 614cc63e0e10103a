/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Splitting header blocks into fields, and HEADER.FIELDS. See header.h.
 *
 * Which bytes are a field's name and value follows Dovecot: a line without a colon is a field
 * without a name, a first line that starts with white space is a field too, and a name longer than
 * anyone would write is no name. */
#include "daemon/proto/mime/header.h"

#include <string.h>

/* RFC 5322, 2.1.1 allows 998 characters a line. */
#define NAME_MAX_LENGTH 1000

static gboolean is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* Where the line at from ends, its line end included. */
static const char *line_end(const char *from, const char *end)
{
    const char *newline = memchr(from, '\n', (gsize)(end - from));

    return newline != NULL ? newline + 1 : end;
}

/* Sets name and value; first_end is where the text of the field's first line ends, text_end that of
 * its last. */
static void split_field(MimeField *field, const char *first_end, const char *text_end)
{
    const char *colon = memchr(field->line, ':', (gsize)(first_end - field->line));
    const char *name_end = colon;

    while (name_end != NULL && name_end > field->line && is_wsp(name_end[-1]))
        name_end--;

    const char *value = field->line;

    field->name = field->line;
    field->name_length = 0;
    if (colon != NULL && name_end - field->line <= NAME_MAX_LENGTH) {
        field->name_length = (gsize)(name_end - field->line);
        value = colon + 1;
        while (value < first_end && is_wsp(*value))
            value++;
        /* Nothing but white space: it is the value, but for one character. */
        if (value == first_end && value > colon + 1)
            value = colon + 2;
    }
    field->value = value;
    field->value_length = (gsize)(text_end - value);
}

static guint newline_length(const char *line, const char *end)
{
    if (end == line || end[-1] != '\n')
        return 0;
    return end - line >= 2 && end[-2] == '\r' ? 2 : 1;
}

MimeFieldKind mime_field_next(const char **position, const char *end, MimeField *field)
{
    const char *line = *position;

    if (line >= end)
        return MIME_FIELD_END;

    const char *next = line_end(line, end);

    field->line = line;
    field->newline = newline_length(line, next);
    field->lines = field->newline > 0;
    if (next - line == (gssize)field->newline) {
        field->line_length = field->newline;
        *position = next;
        return MIME_FIELD_BLANK;
    }

    const char *first_end = next - field->newline;
    const char *last = line;

    while (field->newline > 0 && next < end && is_wsp(*next)) {
        last = next;
        next = line_end(last, end);
        field->newline = newline_length(last, next);
        field->lines += field->newline > 0;
    }
    field->line_length = (gsize)(next - line);
    split_field(field, first_end, next - field->newline);
    *position = next;
    return MIME_FIELD_MORE;
}

gboolean mime_field_is(const MimeField *field, const char *name)
{
    return strlen(name) == field->name_length &&
           g_ascii_strncasecmp(field->name, name, field->name_length) == 0;
}

gsize mime_header_length(const char *message, gsize length)
{
    const char *end = message + length;

    for (const char *line = message; line < end;) {
        const char *next = line_end(line, end);

        if (next - line == (gssize)newline_length(line, next))
            return (gsize)(next - message);
        line = next;
    }
    return length;
}

gboolean mime_header_find(const char *header, gsize length, const char *name, MimeField *field)
{
    const char *position = header;

    while (mime_field_next(&position, header + length, field) == MIME_FIELD_MORE)
        if (mime_field_is(field, name))
            return TRUE;
    return FALSE;
}

/* Names are found by their length and first letter, which rules out nearly every field at once. */
#define LENGTHS 64

typedef struct {
    char *text;
    gsize length;
} Name;

struct MimeFieldSet {
    guint32 letters[LENGTHS]; /* by length, the last for longer ones too: bits of first letters */
    GArray *names;            /* Name */
};

static guint32 letter_bit(const char *name)
{
    return 1u << (*name & 31); /* the same in both cases */
}

static guint length_index(gsize length)
{
    return MIN(length, LENGTHS - 1);
}

static void name_clear(gpointer name)
{
    g_free(((Name *)name)->text);
}

MimeFieldSet *mime_field_set_new(const char *const *names)
{
    MimeFieldSet *set = g_new0(MimeFieldSet, 1);

    set->names = g_array_new(FALSE, FALSE, sizeof(Name));
    g_array_set_clear_func(set->names, name_clear);
    for (; *names != NULL; names++) {
        Name name = {g_strdup(*names), strlen(*names)};

        g_array_append_val(set->names, name);
        set->letters[length_index(name.length)] |= letter_bit(name.text);
    }
    return set;
}

void mime_field_set_free(MimeFieldSet *set)
{
    if (set == NULL)
        return;
    g_array_unref(set->names);
    g_free(set);
}

static gboolean set_has(const MimeFieldSet *set, const MimeField *field)
{
    const char *first = field->name_length > 0 ? field->name : "";

    if ((set->letters[length_index(field->name_length)] & letter_bit(first)) == 0)
        return FALSE;
    for (guint i = 0; i < set->names->len; i++) {
        const Name *name = &g_array_index(set->names, Name, i);

        if (name->length == field->name_length &&
            g_ascii_strncasecmp(field->name, name->text, name->length) == 0)
            return TRUE;
    }
    return FALSE;
}

void mime_header_filter(const char *header, gsize length, const MimeFieldSet *set, gboolean keep,
                        GString *out)
{
    const char *position = header;
    gboolean complete = TRUE; /* what was appended ends with a line end */
    MimeFieldKind kind;
    MimeField field;

    while ((kind = mime_field_next(&position, header + length, &field)) == MIME_FIELD_MORE) {
        if (set_has(set, &field) != keep)
            continue;
        g_string_append_len(out, field.line, (gssize)field.line_length);
        complete = field.newline > 0;
    }
    if (kind == MIME_FIELD_BLANK)
        g_string_append_len(out, field.line, (gssize)field.line_length);
    else if (keep)
        g_string_append(out, complete ? "\r\n" : "\r\n\r\n");
}
