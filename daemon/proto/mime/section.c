/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finding sections. See section.h. */
#include "daemon/proto/mime/section.h"

/* Child number of a multipart, counted from 1. */
static const MimePart *nth_child(const MimePart *part, guint32 number)
{
    const MimePart *child = part->children;

    for (; number > 1 && child != NULL; number--)
        child = child->next;
    return number == 0 ? NULL : child;
}

const MimePart *mime_section_part(const MimeStructure *structure, const ImapSection *section)
{
    const MimePart *part = mime_structure_root(structure);

    for (guint i = 0; i < section->n_parts && part != NULL; i++) {
        /* What is in a message is numbered as if the message weren't there. */
        if (i > 0 && part->kind == MIME_PART_MESSAGE)
            part = part->children;
        else if (i > 0 && part->kind != MIME_PART_MULTIPART)
            return NULL;

        if (part->kind == MIME_PART_MULTIPART)
            part = nth_child(part, section->parts[i]);
        else if (section->parts[i] != 1)
            return NULL;
    }
    return part;
}

/* The message whose HEADER or TEXT is meant: the whole one, or the one in a message/rfc822 part. */
static const MimePart *section_message(const MimePart *part, const ImapSection *section)
{
    if (section->n_parts == 0)
        return part;
    return part->kind == MIME_PART_MESSAGE ? part->children : NULL;
}

gboolean mime_section_find(const MimeStructure *structure, const ImapSection *section,
                           gsize *offset, gsize *length)
{
    const MimePart *part = mime_section_part(structure, section);

    *offset = *length = 0;
    if (part != NULL && section->kind != IMAP_SECTION_ALL && section->kind != IMAP_SECTION_MIME)
        part = section_message(part, section);
    if (part == NULL)
        return FALSE;
    *offset = part->header_start;
    *length = part->header_length;
    if (section->kind == IMAP_SECTION_TEXT ||
        (section->kind == IMAP_SECTION_ALL && section->n_parts > 0)) {
        *offset += part->header_length;
        *length = part->body_length;
    } else if (section->kind == IMAP_SECTION_ALL) {
        *length += part->body_length;
    }
    return TRUE;
}

MimeEncoding mime_section_encoding(const MimeStructure *structure, const ImapSection *section)
{
    const MimePart *part = section->n_parts > 0 ? mime_section_part(structure, section) : NULL;

    return part != NULL ? part->encoding : MIME_ENCODING_IDENTITY;
}

gboolean mime_section_decode(const MimeStructure *structure, const char *message,
                             const ImapSection *section, gsize limit, GString *out, GError **error)
{
    gsize offset, length;

    if (!mime_section_find(structure, section, &offset, &length))
        return TRUE;
    return mime_decode(message + offset, length, mime_section_encoding(structure, section), limit,
                       out, error);
}
