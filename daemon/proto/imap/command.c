/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One command of a client, and the limits that it keeps within.
 */
#include "daemon/proto/imap/command.h"

#include "daemon/proto/imap/chars.h"
#include "daemon/proto/imap/error.h"

const ImapLimits imap_limits_default = {
    .line = 144 * 1024,
    .literal = 1024 * 1024,
    .message = 256 * 1024 * 1024,
    .command = 4 * 1024 * 1024,
    .literals = 1000,
    .set_ranges = 200000,
    .list_items = 10000,
    .depth = 100,
    .search_keys = 10000,
    .part_numbers = 1000,
};

const ImapLimits imap_limits_login = {
    .line = 36 * 1024,
    .literal = 4 * 1024,
    .message = 0,
    .command = 68 * 1024,
    .literals = 60,
    .set_ranges = 1,
    .list_items = 100,
    .depth = 10,
    .search_keys = 1,
    .part_numbers = 1,
};

static void clear_piece(gpointer data)
{
    ImapPiece *piece = data;

    g_clear_pointer(&piece->data, g_bytes_unref);
}

ImapCommand *imap_command_new(void)
{
    ImapCommand *command = g_new0(ImapCommand, 1);

    command->pieces = g_array_new(FALSE, TRUE, sizeof(ImapPiece));
    g_array_set_clear_func(command->pieces, clear_piece);
    return command;
}

void imap_command_free(ImapCommand *command)
{
    if (command == NULL)
        return;
    g_free(command->tag);
    g_free(command->name);
    g_array_unref(command->pieces);
    g_free(command);
}

void imap_command_add_text(ImapCommand *command, const char *text, gsize length)
{
    ImapPiece piece = {.data = g_bytes_new(text, length)};

    g_array_append_val(command->pieces, piece);
    command->octets += length;
}

void imap_command_add_literal(ImapCommand *command, guint64 size, gboolean binary)
{
    ImapPiece piece = {.literal = TRUE, .binary = binary, .pending = TRUE, .size = size};

    g_array_append_val(command->pieces, piece);
}

/* The characters of a class from *at on; NULL if there are none. */
static char *read_chars(const char *line, gsize length, gsize *at, guint8 class)
{
    gsize start = *at;

    while (*at < length && imap_is_char(line[*at], class))
        (*at)++;
    return *at > start ? g_strndup(line + start, *at - start) : NULL;
}

/* An atom in upper case. */
static char *read_command_name(const char *line, gsize length, gsize *at)
{
    g_autofree char *name = read_chars(line, length, at, IMAP_CHAR_ATOM);

    return name != NULL ? g_ascii_strup(name, -1) : NULL;
}

static gboolean command_fail(const char *reason, GError **error)
{
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, reason);
    return FALSE;
}

gboolean imap_command_read_start(ImapCommand *command, const char *line, gsize length, gsize *rest,
                                 GError **error)
{
    gsize at = 0;
    g_autofree char *tag = read_chars(line, length, &at, IMAP_CHAR_TAG);

    if (tag == NULL || at == length || line[at] != ' ')
        return command_fail("a command must begin with a tag and a space", error);
    command->tag = g_steal_pointer(&tag);
    at++;
    command->name = read_command_name(line, length, &at);
    if (command->name == NULL)
        return command_fail("there is no command after the tag", error);
    if (g_str_equal(command->name, "UID") && at + 1 < length && line[at] == ' ' &&
        imap_is_atom_char(line[at + 1])) {
        at++;
        g_free(command->name);
        command->name = read_command_name(line, length, &at);
        command->uid = TRUE;
    }
    *rest = at;
    if (at < length && line[at] != ' ')
        return command_fail("a space must follow the name of the command", error);
    return TRUE;
}

ImapCommand *imap_command_from_line(const char *line, GError **error)
{
    g_autoptr(ImapCommand) command = imap_command_new();
    gsize length = strlen(line), rest;

    if (!imap_command_read_start(command, line, length, &rest, error))
        return NULL;
    imap_command_add_text(command, line + rest, length - rest);
    return g_steal_pointer(&command);
}
