/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rendering ENVELOPE. See envelope.h. */
#include "daemon/proto/mime/envelope.h"

#include "daemon/proto/mime/address.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/quote.h"

#include <string.h>

/* In ENVELOPE's order. */
enum { DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID, FIELDS };

static const char *const field_names[FIELDS] = {
    "Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID",
};

/* Fields that end beyond this aren't looked at. */
#define HEADER_MAX (1024 * 1024)

typedef struct {
    const char *text; /* of a text field: its value as it stands */
    gsize length;
    MimeAddress *addresses; /* of an address field */
    MimeAddress **tail;
    guint count;
} Value;

/* The field's place in ENVELOPE, or FIELDS. */
static guint envelope_index(const MimeField *field)
{
    for (guint i = 0; i < FIELDS; i++)
        if (g_ascii_tolower(field->name[0]) == g_ascii_tolower(field_names[i][0]) &&
            mime_field_is(field, field_names[i]))
            return i;
    return FIELDS;
}

static void add_addresses(Value *value, MimeArena *arena, const MimeField *field)
{
    if (value->tail == NULL)
        value->tail = &value->addresses;
    if (value->count >= MIME_ADDRESSES_MAX)
        return;
    *value->tail = mime_address_parse(arena, field->value, field->value_length,
                                      MIME_ADDRESSES_MAX - value->count);
    for (; *value->tail != NULL; value->tail = &(*value->tail)->next)
        value->count++;
}

static void render_addresses(GString *out, const MimeAddress *address)
{
    if (address == NULL) {
        g_string_append(out, " NIL");
        return;
    }
    g_string_append(out, " (");
    for (; address != NULL; address = address->next) {
        g_string_append_c(out, '(');
        if (address->name == NULL)
            g_string_append(out, "NIL");
        else
            mime_quote_for_people(out, address->name, strlen(address->name));
        g_string_append_c(out, ' ');
        mime_quote_nstring(out, address->route);
        g_string_append_c(out, ' ');
        mime_quote_nstring(out, address->mailbox);
        g_string_append_c(out, ' ');
        mime_quote_nstring(out, address->domain);
        g_string_append_c(out, ')');
    }
    g_string_append_c(out, ')');
}

void mime_envelope_render(const char *header, gsize length, GString *out)
{
    g_auto(MimeArena) arena = {0};
    Value values[FIELDS] = {0};
    const char *position = header;
    MimeField field;

    while (mime_field_next(&position, header + length, &field) == MIME_FIELD_MORE &&
           position - header <= HEADER_MAX) {
        guint i = field.name_length > 0 ? envelope_index(&field) : FIELDS;

        if (i >= FROM && i <= BCC) {
            add_addresses(&values[i], &arena, &field);
        } else if (i < FIELDS) {
            values[i].text = field.value;
            values[i].length = field.value_length;
        }
    }
    g_string_append_c(out, '(');
    mime_quote_unfolded(out, values[DATE].text, values[DATE].length);
    g_string_append_c(out, ' ');
    if (values[SUBJECT].text == NULL)
        g_string_append(out, "NIL");
    else
        mime_quote_for_people(out, values[SUBJECT].text, values[SUBJECT].length);
    for (guint i = FROM; i <= BCC; i++) {
        gboolean from_stands_in = i == SENDER || i == REPLY_TO;

        render_addresses(out, values[i].addresses == NULL && from_stands_in ? values[FROM].addresses
                                                                            : values[i].addresses);
    }
    g_string_append_c(out, ' ');
    mime_quote_unfolded(out, values[IN_REPLY_TO].text, values[IN_REPLY_TO].length);
    g_string_append_c(out, ' ');
    mime_quote_unfolded(out, values[MESSAGE_ID].text, values[MESSAGE_ID].length);
    g_string_append_c(out, ')');
}
