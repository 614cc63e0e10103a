/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the cache keeps rendered of a message. */
#include "daemon/index/render.h"

#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/date.h"
#include "daemon/proto/mime/envelope.h"
#include "daemon/proto/mime/header.h"

#include <string.h>

#define MESSAGE_ID_MAX 1000

char *render_message_id(const char *header, gsize length)
{
    MimeField field;
    if (!mime_header_find(header, length, "Message-ID", &field))
        return NULL;
    g_autofree char *id = g_strndup(field.value, MIN(field.value_length, MESSAGE_ID_MAX));
    g_strstrip(id);
    return *id ? g_utf8_make_valid(id, -1) : NULL;
}

static void render_date(const char *header, gsize length, CacheRendered *rendered)
{
    MimeField field;
    ImapDateTime date;
    rendered->sent = G_MININT64;
    if (!mime_header_find(header, length, "Date", &field) ||
        !mime_date_parse(field.value, field.value_length, &date))
        return;
    rendered->sent = date.time;
    rendered->sent_zone = (gint16)date.zone;
}

void render_message(const char *message, gsize length, gboolean whole, CacheRendered *rendered)
{
    memset(rendered, 0, sizeof *rendered);
    gsize header = mime_header_length(message, length);
    g_autoptr(GString) envelope = g_string_new(NULL);
    mime_envelope_render(message, header, envelope);
    rendered->envelope = g_string_free_to_bytes(g_steal_pointer(&envelope));
    rendered->message_id = render_message_id(message, header);
    render_date(message, header, rendered);
    if (!whole)
        return;
    g_autoptr(MimeStructure) structure =
        mime_structure_parse(message, length, &mime_default_limits);
    g_autoptr(GString) bodystructure = g_string_new(NULL);
    mime_bodystructure_render(structure, message, bodystructure);
    rendered->bodystructure = g_string_free_to_bytes(g_steal_pointer(&bodystructure));
    rendered->structure = mime_structure_serialize(structure);
}
