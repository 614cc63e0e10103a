/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing a command to a server.
 */
#include "daemon/proto/imap/client-command.h"

#include <string.h>

#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/quote.h"

/* RFC 7888, 5 */
#define LITERAL_MINUS_MAX 4096
#define TEXT_SIZE         256

struct ImapClientCommand {
    ImapLiteralSupport literals;
    gboolean utf8;
    GArray *segments; /* ImapSegment: what is complete */
    GString *text;    /* the segment being written */
    gboolean wait;    /* before it */
};

static void clear_segment(gpointer data)
{
    ImapSegment *segment = data;

    if (segment->own &&
        g_bytes_get_size(segment->octets) > 0) /* a login's has the password in it */
        explicit_bzero((gpointer)g_bytes_get_data(segment->octets, NULL),
                       g_bytes_get_size(segment->octets));
    g_bytes_unref(segment->octets);
}

ImapClientCommand *imap_client_command_new(const char *tag, const char *name,
                                           ImapLiteralSupport literals, gboolean utf8)
{
    ImapClientCommand *command = g_new0(ImapClientCommand, 1);

    command->literals = literals;
    command->utf8 = utf8;
    command->segments = g_array_new(FALSE, FALSE, sizeof(ImapSegment));
    g_array_set_clear_func(command->segments, clear_segment);
    command->text = g_string_sized_new(TEXT_SIZE);
    g_string_append_printf(command->text, "%s %s", tag, name);
    return command;
}

void imap_client_command_free(ImapClientCommand *command)
{
    if (command == NULL)
        return;
    g_array_unref(command->segments);
    explicit_bzero(command->text->str, command->text->len);
    g_string_free(command->text, TRUE);
    g_free(command);
}

/* Takes octets over. */
static void add_segment(ImapClientCommand *command, GBytes *octets, gboolean own, gboolean wait)
{
    ImapSegment segment = {octets, wait, own};

    g_array_append_val(command->segments, segment);
}

/* Ends the segment being written. */
static void end_segment(ImapClientCommand *command)
{
    add_segment(command, g_string_free_to_bytes(command->text), TRUE, command->wait);
    command->text = g_string_sized_new(TEXT_SIZE);
    command->wait = FALSE;
}

/* Makes room without leaving a copy of a password behind. */
static void reserve(ImapClientCommand *command, gsize length)
{
    GString *before = command->text;

    if (before->allocated_len - before->len > length + 2)
        return;
    command->text = g_string_sized_new(2 * (before->len + length));
    g_string_append_len(command->text, before->str, (gssize)before->len);
    explicit_bzero(before->str, before->len);
    g_string_free(before, TRUE);
}

void imap_client_command_text(ImapClientCommand *command, const char *text)
{
    g_return_if_fail(strpbrk(text, "\r\n") == NULL);
    reserve(command, strlen(text));
    g_string_append(command->text, text);
}

void imap_client_command_printf(ImapClientCommand *command, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    imap_client_command_text(command, text);
    explicit_bzero(text, strlen(text));
}

/* "{12}" and the end of the line; whether the octets must wait for "+". */
static gboolean outgoing_announce(ImapClientCommand *command, gsize length, gboolean binary)
{
    gboolean wait = command->literals == IMAP_LITERAL_SYNC ||
                    (command->literals == IMAP_LITERAL_MINUS && length > LITERAL_MINUS_MAX);

    g_string_append_printf(command->text, "%s{%" G_GSIZE_FORMAT "%s}\r\n", binary ? "~" : "",
                           length, wait ? "" : "+");
    return wait;
}

void imap_client_command_literal(ImapClientCommand *command, GBytes *octets, gboolean binary)
{
    gboolean wait;

    g_string_append_c(command->text, ' ');
    wait = outgoing_announce(command, g_bytes_get_size(octets), binary);
    end_segment(command);
    add_segment(command, g_bytes_ref(octets), FALSE, wait);
}

/* A short literal goes into the text that follows it. */
static void append_literal(ImapClientCommand *command, const char *text, gsize length,
                           gboolean binary)
{
    if (outgoing_announce(command, length, binary)) {
        end_segment(command);
        command->wait = TRUE;
        reserve(command, length);
    }
    g_string_append_len(command->text, text, length);
}

static void append_outgoing_form(ImapClientCommand *command, ImapForm form, const char *text,
                                 gsize length)
{
    reserve(command, 2 * length + 64);
    g_string_append_c(command->text, ' ');
    if (form == IMAP_FORM_ATOM)
        g_string_append_len(command->text, text, length);
    else if (form == IMAP_FORM_QUOTED)
        imap_quote_append_quoted(command->text, text, length);
    else
        append_literal(command, text, length, form == IMAP_FORM_BINARY);
}

void imap_client_command_astring(ImapClientCommand *command, const char *text, gsize length)
{
    append_outgoing_form(command, imap_form(text, length, command->utf8), text, length);
}

void imap_client_command_string(ImapClientCommand *command, const char *text, gsize length)
{
    append_outgoing_form(command, MAX(imap_form(text, length, command->utf8), IMAP_FORM_QUOTED),
                         text, length);
}

void imap_client_command_mailbox(ImapClientCommand *command, const char *name)
{
    g_autofree char *wire = command->utf8 ? g_strdup(name) : imap_name_to_wire(name);

    imap_client_command_astring(command, wire, strlen(wire));
}

GArray *imap_client_command_finish(ImapClientCommand *command)
{
    GArray *segments;

    g_string_append(command->text, "\r\n");
    end_segment(command);
    segments = g_steal_pointer(&command->segments);
    g_string_free(command->text, TRUE);
    g_free(command);
    return segments;
}
