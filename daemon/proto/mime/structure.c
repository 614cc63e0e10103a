/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parsing a message into parts. See structure.h.
 *
 * One pass from the first byte to the last, without recursion. At any moment there is one open part
 * and the chain of its parents; the multiparts among those that have begun are on a stack of
 * boundaries. A header is read field by field, a body line by line while there is a boundary to
 * look for. A boundary line ends all parts inside the multipart it belongs to, wherever it turns
 * up, even in a header.
 *
 * Sizes are summed as parts end: a parent's body is what was read for itself plus its children. */
#include "daemon/proto/mime/structure.h"

#include "daemon/proto/mime/content.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/structure-private.h"

#include <string.h>

/* RFC 2046, 5.1.1 allows 70 bytes; of longer ones only the start counts. */
#define BOUNDARY_MAX_LENGTH 80

const MimeLimits mime_default_limits = {
    .max_depth = 100,
    .max_parts = 10000,
    .max_header = 1024 * 1024,
    .max_memory = 32 * 1024 * 1024,
};

typedef struct {
    MimePart *part;
    const char *text; /* without the two dashes */
    gsize length;
} Boundary;

typedef struct {
    const char *message;
    const char *pos;
    const char *end;
    const MimeLimits *limits;
    MimeStructure *structure;
    MimePart *part;     /* being read */
    guint depth;        /* of part */
    GArray *boundaries; /* of Boundary, the innermost multipart last */
    GString *scratch;
} Parser;

static gboolean looks_like_boundary(const Parser *parser, const char *line)
{
    return parser->boundaries->len > 0 && parser->end - line >= 2 && line[0] == '-' &&
           line[1] == '-' && parser->structure->count < parser->limits->max_parts;
}

/* The open multipart whose boundary the line at line is, or NULL. As MIME wants just the start of
 * the line to match, several can: the longest is meant, among equals the innermost, unless one is
 * the whole line. */
static Boundary *find_boundary(const Parser *parser, const char *line)
{
    if (!looks_like_boundary(parser, line))
        return NULL;

    const char *text = line + 2;
    gsize left = (gsize)(parser->end - text);
    const char *newline = memchr(text, '\n', left);
    gsize length = newline != NULL ? (gsize)(newline - text) : MIN(left, BOUNDARY_MAX_LENGTH + 4);
    Boundary *best = NULL;

    if (newline != NULL && length > 0 && text[length - 1] == '\r')
        length--;

    gboolean dashes = newline != NULL && length > 2 && memcmp(text + length - 2, "--", 2) == 0;

    for (guint i = parser->boundaries->len; i-- > 0;) {
        Boundary *candidate = &g_array_index(parser->boundaries, Boundary, i);

        if (candidate->length > length || (best != NULL && best->length >= candidate->length) ||
            memcmp(candidate->text, text, candidate->length) != 0)
            continue;
        best = candidate;
        if (best->length == length || (dashes && best->length == length - 2))
            break;
    }
    return best;
}

static gboolean too_deep(const Parser *parser)
{
    return parser->depth + 1 >= parser->limits->max_depth;
}

/* Opens a new child of the part being read, at pos. */
static void begin_part(Parser *parser)
{
    MimePart *parent = parser->part;
    MimePart *part = mime_arena_alloc0(&parser->structure->arena, sizeof(MimePart));

    part->parent = parent;
    part->header_start = parent->header_start + parent->header_length + parent->body_length;
    if (parent->last_child != NULL)
        parent->last_child->next = part;
    else
        parent->children = part;
    parent->last_child = part;
    parser->part = part;
    parser->depth++;
    parser->structure->count++;
}

static void end_part(Parser *parser)
{
    MimePart *part = parser->part;
    MimePart *parent = part->parent;

    parent->body_length += part->header_length + part->body_length;
    parent->body_lines += part->header_lines + part->body_lines;
    parser->part = parent;
    parser->depth--;
}

/* Makes the bytes up to until part of the open part's own body. */
static void extend_body(Parser *parser, const char *until, guint lines)
{
    parser->part->body_length += (gsize)(until - parser->pos);
    parser->part->body_lines += lines;
    parser->pos = until;
}

/* The part's header has ended and says that it is a multipart. */
static void begin_multipart(Parser *parser, const char *text)
{
    Boundary boundary = {parser->part, text, MIN(strlen(text), BOUNDARY_MAX_LENGTH)};

    g_array_append_val(parser->boundaries, boundary);
}

/* A boundary line stopped the header. The line end before it belongs to the boundary. */
static void give_back_newline(Parser *parser, guint newline)
{
    MimePart *part = parser->part;

    if (newline == 0)
        return;
    part->header_length -= newline;
    part->header_lines--;
    part->parent->body_length += newline;
    part->parent->body_lines++;
}

static void use_field(Parser *parser, const MimeField *field)
{
    MimePart *part = parser->part;

    if (field->name_length < 4 || parser->structure->arena.taken > parser->limits->max_memory ||
        (gsize)(field->line + field->line_length - parser->message) - part->header_start >
            parser->limits->max_header)
        return;
    if (mime_field_is(field, "Mime-Version"))
        part->is_mime = TRUE;
    else
        mime_content_field(part, field, &parser->structure->arena, parser->scratch);
}

/* Reads the fields, and the blank line when there is one. Whether a multipart with a boundary
 * begins. */
static gboolean read_header(Parser *parser)
{
    MimePart *part = parser->part;
    gboolean multipart = FALSE, ended = FALSE;
    guint newline = 0;

    while (parser->pos < parser->end) {
        const char *start = parser->pos;
        MimeField field;
        Boundary *boundary = NULL;

        if (*start == '-')
            boundary = find_boundary(parser, start);
        if (boundary != NULL && boundary->part != part) {
            give_back_newline(parser, newline);
            break;
        }
        if (ended)
            break;

        ended = mime_field_next(&parser->pos, parser->end, &field) == MIME_FIELD_BLANK ||
                mime_stop_after(parser->limits->stop, field.line_length);
        newline = field.newline;
        part->header_length += field.line_length;
        part->header_lines += field.lines;
        if (!ended) {
            use_field(parser, &field);
            continue;
        }
        /* The boundary counts from here on, so that one that starts like a parent's is told from
         * it. */
        const char *text = part->kind == MIME_PART_MULTIPART && part->is_mime
                               ? mime_params_get(&part->type_params, "boundary")
                               : NULL;

        if (text != NULL && too_deep(parser)) {
            part->kind = MIME_PART_OTHER;
        } else if (text != NULL) {
            begin_multipart(parser, text);
            multipart = TRUE;
        }
    }
    return multipart;
}

/* Decides what the part is, now that its header is known. */
static void decide_kind(MimePart *part)
{
    if (!part->is_mime)
        mime_content_forget(part);
    if (part->type == NULL)
        part->kind =
            part->parent != NULL && part->parent->is_digest ? MIME_PART_MESSAGE : MIME_PART_TEXT;
}

/* A boundary line at line: ends the parts inside its multipart, and takes the line into the
 * multipart's body. Whether another part follows. */
static gboolean read_boundary_line(Parser *parser, const char *line, Boundary *boundary)
{
    MimePart *multipart = boundary->part;
    const char *behind = line + 2 + boundary->length;
    gboolean last = parser->end - behind >= 2 && memcmp(behind, "--", 2) == 0;
    guint keep = (guint)(boundary - (Boundary *)parser->boundaries->data) + (last ? 0 : 1);
    const char *newline = memchr(line, '\n', (gsize)(parser->end - line));
    guint lines = (parser->pos < line) + (newline != NULL);

    while (parser->part != multipart)
        end_part(parser);
    g_array_set_size(parser->boundaries, keep);
    extend_body(parser, newline != NULL ? newline + 1 : parser->end, lines);
    return !last && newline != NULL;
}

/* Reads a body up to a boundary line, and that. Whether another part follows; the body can also
 * just go on behind a multipart's end, or be over with the message. */
static gboolean read_body(Parser *parser)
{
    const char *line = parser->pos;
    guint lines = 0;

    for (;;) {
        Boundary *boundary =
            line < parser->end && *line == '-' ? find_boundary(parser, line) : NULL;
        const char *newline;

        if (boundary != NULL) {
            /* The line end before the boundary belongs to it. */
            const char *until = line;

            if (until > parser->pos) {
                until--;
                lines--;
            }
            if (until > parser->pos && until[-1] == '\r')
                until--;
            extend_body(parser, until, lines);
            return read_boundary_line(parser, line, boundary);
        }
        newline = memchr(line, '\n', (gsize)(parser->end - line));
        if (newline == NULL || mime_stop_after(parser->limits->stop, (gsize)(newline + 1 - line)))
            break;
        line = newline + 1;
        lines++;
    }
    extend_body(parser, parser->end, lines);
    return FALSE;
}

/* Reads the header of the open part, and goes into the message that it holds, if it does. */
static void read_part_start(Parser *parser)
{
    for (;;) {
        gboolean multipart = read_header(parser);
        MimePart *part = parser->part;

        decide_kind(part);
        if (multipart || part->kind != MIME_PART_MESSAGE)
            return;
        if (too_deep(parser) || parser->structure->count >= parser->limits->max_parts) {
            part->kind = MIME_PART_OTHER;
            return;
        }
        begin_part(parser);
    }
}

MimeStructure *mime_structure_parse(const char *message, gsize length, const MimeLimits *limits)
{
    return mime_structure_parse_part(message, length, FALSE, limits);
}

MimeStructure *mime_structure_parse_part(const char *message, gsize length, gboolean in_multipart,
                                         const MimeLimits *limits)
{
    if (message == NULL)
        message = "";

    MimeStructure *structure = g_new0(MimeStructure, 1);
    g_autoptr(GArray) boundaries = g_array_new(FALSE, FALSE, sizeof(Boundary));
    g_autoptr(GString) scratch = g_string_sized_new(128);
    Parser parser = {
        .message = message,
        .pos = message,
        .end = message + length,
        .limits = limits,
        .structure = structure,
        .part = &structure->root,
        .boundaries = boundaries,
        .scratch = scratch,
    };

    structure->count = 1;
    structure->root.is_mime = in_multipart;
    read_part_start(&parser);
    do {
        if (read_body(&parser)) {
            begin_part(&parser);
            parser.part->is_mime = TRUE;
            read_part_start(&parser);
        }
    } while (parser.pos < parser.end);
    while (parser.part != &structure->root)
        end_part(&parser);
    return structure;
}

void mime_structure_free(MimeStructure *structure)
{
    if (structure == NULL)
        return;
    mime_arena_clear(&structure->arena);
    g_free(structure);
}

const MimePart *mime_structure_root(const MimeStructure *structure)
{
    return &structure->root;
}

const MimePart *mime_part_following(const MimePart *part)
{
    if (part->children != NULL)
        return part->children;
    while (part != NULL && part->next == NULL)
        part = part->parent;
    return part != NULL ? part->next : NULL;
}

gsize mime_part_body_start(const MimePart *part)
{
    return part->header_start + part->header_length;
}
