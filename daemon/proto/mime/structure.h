/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The MIME structure of a message: a tree of parts with their exact places in the message's bytes.
 *
 * Boundaries, preambles, epilogues, nested messages and broken mail are treated as Dovecot 2.3
 * treats them, so that what clients see doesn't change when they come here instead. Sizes are of
 * the bytes given. */
#pragma once

#include "daemon/proto/mime/decode.h"
#include "daemon/proto/mime/stop.h"
#include "daemon/proto/mime/token.h"

G_BEGIN_DECLS

/* What a message may ask of the parser. What is beyond goes into the part it is in, as plain bytes.
 */
typedef struct {
    guint max_depth;  /* levels of parts within parts; at least 1 */
    guint max_parts;  /* parts in all; at least 1 */
    gsize max_header; /* fields that end beyond this many bytes of their header aren't looked at */
    gsize max_memory; /* once fields have taken so many bytes, others aren't looked at */
    MimeStop *stop;   /* looked at while parsing; may be NULL. What is left then is a body */
} MimeLimits;

/* As Dovecot's: 100 levels, 10,000 parts; and 1 MiB of header fields, 32 MiB of what they say. */
extern const MimeLimits mime_default_limits;

typedef enum {
    MIME_PART_TEXT,      /* text/..., or no type at all */
    MIME_PART_MULTIPART, /* has any number of children */
    MIME_PART_MESSAGE,   /* message/rfc822: has one child, the message in it */
    MIME_PART_OTHER,
} MimePartKind;

typedef struct MimePart MimePart;
struct MimePart {
    MimePart *parent; /* NULL for the message itself */
    MimePart *children;
    MimePart *last_child;
    MimePart *next; /* sibling */

    gsize header_start; /* offset in the message; the body follows right behind the header */
    gsize header_length;
    gsize body_length; /* all children included */
    guint header_lines;
    guint body_lines;

    MimePartKind kind;
    gboolean is_mime;   /* its Content-... fields count; the fields below are empty otherwise */
    gboolean is_digest; /* multipart/digest: children are messages unless they say otherwise */
    MimeEncoding encoding;

    /* From the Content-... fields, NULL where there is none. A broken Content-Type has empty
     * strings. Not there after mime_structure_deserialize. */
    const char *type;
    const char *subtype;
    MimeParams type_params;
    const char *disposition;
    MimeParams disposition_params;
    const char *transfer_encoding;
    const char *const *languages; /* NULL-terminated */
    const char *id;               /* these four as they stand in the field, perhaps folded */
    const char *description;
    const char *md5;
    const char *location;
};

typedef struct MimeStructure MimeStructure;

/* Parses a message; any bytes do. Takes time in proportion to length. The structure doesn't refer
 * to the message afterwards. */
MimeStructure *mime_structure_parse(const char *message, gsize length, const MimeLimits *limits);
/* The same for a part from within a message, header and body; or the start of one. In a multipart,
 * the Content-... fields of parts always count. */
MimeStructure *mime_structure_parse_part(const char *part, gsize length, gboolean in_multipart,
                                         const MimeLimits *limits);
void mime_structure_free(MimeStructure *structure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeStructure, mime_structure_free)

/* The message itself; never NULL. Lives as long as the structure. */
const MimePart *mime_structure_root(const MimeStructure *structure);

/* The part behind part in the order of the message (children first), or NULL. */
const MimePart *mime_part_following(const MimePart *part);

/* The offset of the body in the message. */
gsize mime_part_body_start(const MimePart *part);

/* The places, kinds and encodings in a few bytes a part, to be kept with the message so that
 * sections can be fetched without parsing again. */
GBytes *mime_structure_serialize(const MimeStructure *structure);

/* Reads that back. message_length is the message's: every place is checked to lie within it and
 * within its parent. NULL with G_IO_ERROR_INVALID_DATA when the bytes aren't what serialize wrote.
 */
MimeStructure *mime_structure_deserialize(GBytes *bytes, gsize message_length, GError **error);

G_END_DECLS
