/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Header fields as they stand in a message: splitting a header block into fields, and picking
 * fields out of it. No decoding here. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One field with its continuation lines. All pointers are into the header block. */
typedef struct {
    const char *line; /* the whole field, from its name to its last line end */
    gsize line_length;
    const char *name; /* without white space before the colon; empty where there is no colon */
    gsize name_length;
    const char *value; /* after the colon and white space, folds kept, without the last line end */
    gsize value_length;
    guint newline; /* bytes of the last line end: 2, 1, or 0 at the end of the data */
    guint lines;   /* line ends within line, the last included */
} MimeField;

typedef enum {
    MIME_FIELD_END,   /* no more data, and no blank line was seen */
    MIME_FIELD_BLANK, /* the blank line that ends a header; only line, line_length, newline are set
                       */
    MIME_FIELD_MORE,  /* a field */
} MimeFieldKind;

/* Reads the field at *position and moves *position behind it. Never reads at or beyond end. */
MimeFieldKind mime_field_next(const char **position, const char *end, MimeField *field);

/* Whether the field is called name (ASCII case ignored). */
gboolean mime_field_is(const MimeField *field, const char *name);

/* The length of the header block at the start of a message, its blank line included; length where
 * there is no blank line. */
gsize mime_header_length(const char *message, gsize length);

/* Finds the first field called name. */
gboolean mime_header_find(const char *header, gsize length, const char *name, MimeField *field);

/* A set of field names, made once and used for many messages. */
typedef struct MimeFieldSet MimeFieldSet;

/* names is NULL-terminated and not kept. */
MimeFieldSet *mime_field_set_new(const char *const *names);
void mime_field_set_free(MimeFieldSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeFieldSet, mime_field_set_free)

/* Appends what HEADER.FIELDS (keep TRUE) or HEADER.FIELDS.NOT (keep FALSE) gives: the fields that
 * are in the set (not in it), in the message's order, folds kept, and a blank line (RFC
 * 3501, 6.4.5). header may be a header block alone or a whole message. Like Dovecot, FIELDS adds a
 * blank line where the header has none, FIELDS.NOT does not. */
void mime_header_filter(const char *header, gsize length, const MimeFieldSet *set, gboolean keep,
                        GString *out);

G_END_DECLS
