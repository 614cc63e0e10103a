/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The structure of a message as bytes, to be kept with it. See structure.h.
 *
 * A version byte, and the parts in the order of the message: a byte of kind and encoding, then
 * numbers: how far the header starts into the parent's body, lengths and lines of header and body,
 * and the count of children. Numbers are seven bits a byte, the lowest first, the high bit set on
 * all but the last byte. */
#include "daemon/proto/mime/structure-private.h"

#include <gio/gio.h>

#define FORMAT_VERSION 1

static void put_number(GByteArray *out, guint64 number)
{
    guint8 bytes[10];
    guint length = 0;

    do {
        bytes[length++] = (guint8)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (number > 0);
    g_byte_array_append(out, bytes, length);
}

static guint count_children(const MimePart *part)
{
    guint count = 0;

    for (const MimePart *child = part->children; child != NULL; child = child->next)
        count++;
    return count;
}

GBytes *mime_structure_serialize(const MimeStructure *structure)
{
    GByteArray *out = g_byte_array_sized_new(1 + structure->count * 12);
    guint8 version = FORMAT_VERSION;

    g_byte_array_append(out, &version, 1);
    for (const MimePart *part = &structure->root; part != NULL; part = mime_part_following(part)) {
        gsize parent_start = part->parent != NULL ? mime_part_body_start(part->parent) : 0;
        guint8 what = (guint8)(part->kind | (part->encoding << 2));

        g_byte_array_append(out, &what, 1);
        put_number(out, part->header_start - parent_start);
        put_number(out, part->header_length);
        put_number(out, part->header_lines);
        put_number(out, part->body_length);
        put_number(out, part->body_lines);
        put_number(out, count_children(part));
    }
    return g_byte_array_free_to_bytes(out);
}

typedef struct {
    const guint8 *pos;
    const guint8 *end;
} Input;

/* FALSE when there is no number, or one larger than limit. */
static gboolean get_number(Input *input, gsize limit, gsize *number)
{
    guint64 value = 0;

    for (guint shift = 0; shift < 63 && input->pos < input->end; shift += 7) {
        guint8 byte = *input->pos++;

        value |= (guint64)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *number = (gsize)value;
            return value <= limit;
        }
    }
    return FALSE;
}

/* Reads a part that has to lie within the available bytes from start on. */
static gboolean get_part(Input *input, MimePart *part, gsize start, gsize available,
                         gsize *child_count)
{
    gsize offset, header_lines, body_lines;

    if (input->pos >= input->end)
        return FALSE;

    guint8 what = *input->pos++;

    part->kind = what & 3;
    part->encoding = what >> 2;
    if (part->encoding > MIME_ENCODING_UNKNOWN || !get_number(input, available, &offset) ||
        !get_number(input, available - offset, &part->header_length) ||
        !get_number(input, part->header_length, &header_lines) ||
        !get_number(input, available - offset - part->header_length, &part->body_length) ||
        !get_number(input, part->body_length, &body_lines) ||
        !get_number(input, (gsize)(input->end - input->pos), child_count))
        return FALSE;
    part->header_start = start + offset;
    part->header_lines = (guint)header_lines;
    part->body_lines = (guint)body_lines;
    return part->kind == MIME_PART_MULTIPART ||
           *child_count == (part->kind == MIME_PART_MESSAGE ? 1 : 0);
}

/* Behind part, whose children are read: the nearest one that still has children to come. */
static MimePart *next_parent(MimePart *part, GArray *to_come)
{
    while (to_come->len > 0 && g_array_index(to_come, gsize, to_come->len - 1) == 0) {
        g_array_set_size(to_come, to_come->len - 1);
        part = part->parent;
    }
    return part;
}

static gboolean get_parts(Input *input, MimeStructure *structure, gsize message_length)
{
    g_autoptr(GArray) to_come = g_array_new(FALSE, FALSE, sizeof(gsize)); /* by level */
    MimePart *part = &structure->root;
    gsize children;

    if (!get_part(input, part, 0, message_length, &children))
        return FALSE;
    structure->count = 1;
    g_array_append_val(to_come, children);
    while ((part = next_parent(part, to_come)) != NULL) {
        MimePart *child = mime_arena_alloc0(&structure->arena, sizeof(MimePart));

        child->parent = part;
        if (!get_part(input, child, mime_part_body_start(part), part->body_length, &children))
            return FALSE;
        if (part->last_child != NULL)
            part->last_child->next = child;
        else
            part->children = child;
        part->last_child = child;
        g_array_index(to_come, gsize, to_come->len - 1)--;
        g_array_append_val(to_come, children);
        structure->count++;
        part = child;
    }
    return input->pos == input->end;
}

MimeStructure *mime_structure_deserialize(GBytes *bytes, gsize message_length, GError **error)
{
    g_autoptr(MimeStructure) structure = g_new0(MimeStructure, 1);
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    Input input = {data + 1, data + size};

    if (size > 0 && data[0] == FORMAT_VERSION && get_parts(&input, structure, message_length))
        return g_steal_pointer(&structure);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                        "the stored structure of a message is damaged; it has to be made again");
    return NULL;
}
