/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The section of BODY[...]: which octets of a message (RFC 3501, 6.4.5).
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_SECTION_ALL, /* nothing behind the part numbers */
    IMAP_SECTION_HEADER,
    IMAP_SECTION_HEADER_FIELDS,
    IMAP_SECTION_HEADER_FIELDS_NOT,
    IMAP_SECTION_TEXT,
    IMAP_SECTION_MIME, /* only with part numbers */
} ImapSectionKind;

typedef struct {
    ImapSectionKind kind;
    guint n_parts;
    guint32 *parts; /* "1.2" is {1, 2}; NULL: the message itself */
    char **fields;  /* HEADER.FIELDS: names as the client wrote them, NULL-terminated */
} ImapSection;

/* Reads "[...]". With binary, only part numbers may stand there (RFC 3516). */
gboolean imap_section_read(ImapLexer *lexer, gboolean binary, ImapSection *out, GError **error);
/* Frees what the section holds. */
void imap_section_clear(ImapSection *section);
/* Appends "[1.2.HEADER.FIELDS (A B)]", as a response names it. */
void imap_section_format(const ImapSection *section, GString *out);

G_END_DECLS
