/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kinds of text, and how each is made. */
#include "daemon/index/text.h"

#include "daemon/proto/mime/text.h"

/* Folded text of a header, in bytes. */
#define HEADER_MAX (4 * 1024 * 1024)

static const char *const FIELDS[CACHE_TEXT_KINDS] = {
    [CACHE_TEXT_SUBJECT] = "Subject", [CACHE_TEXT_FROM] = "From",
    [CACHE_TEXT_TO] = "To",           [CACHE_TEXT_CC] = "Cc",
    [CACHE_TEXT_BCC] = "Bcc",         [CACHE_TEXT_MESSAGE_ID] = "Message-ID",
};

const char *index_text_field(CacheText kind)
{
    return FIELDS[kind];
}

CacheText index_text_kind(const char *field)
{
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        if (FIELDS[kind] && g_ascii_strcasecmp(FIELDS[kind], field) == 0)
            return (CacheText)kind;
    return CACHE_TEXT_HEADER;
}

gboolean index_text_values(const char *header, gsize length, const char *field, MimeStop *stop,
                           GString *out)
{
    g_string_truncate(out, 0);
    return mime_text_field(header, length, field, HEADER_MAX, stop, out);
}

void index_text_header(const char *header, gsize length, MimeStop *stop, GString *out)
{
    g_string_truncate(out, 0);
    mime_text_header(header, length, HEADER_MAX, stop, out);
}

void index_text_body(const char *message, gsize length, MimeStop *stop, GString *out)
{
    MimeLimits limits = mime_default_limits;
    limits.stop = stop;
    g_autoptr(MimeStructure) structure = mime_structure_parse(message, length, &limits);

    g_string_truncate(out, 0);
    mime_text_body(structure, message, CACHE_TEXT_MAX, stop, out);
}
