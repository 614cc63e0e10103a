/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing a command to a server: text and strings, and where the client must wait for "+".
 *
 *     c = imap_client_command_new("A7", "UID STORE", literals, utf8);
 *     imap_client_command_text(c, " 1:3 +FLAGS (\\Seen)");
 *     segments = imap_client_command_finish(c);
 *     for each segment:
 *         if it says wait: read until a continuation; a tagged NO or BAD ends the command
 *         send its octets
 *
 * The command name and free text are written as they are; everything from outside goes through
 * astring, string or mailbox.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    IMAP_LITERAL_SYNC,  /* the server knows only synchronizing literals */
    IMAP_LITERAL_MINUS, /* LITERAL-: up to 4096 octets need no waiting (RFC 7888) */
    IMAP_LITERAL_PLUS,  /* LITERAL+: none do */
} ImapLiteralSupport;

typedef struct ImapClientCommand ImapClientCommand;

ImapClientCommand *imap_client_command_new(const char *tag, const char *name,
                                           ImapLiteralSupport literals, gboolean utf8);
void imap_client_command_free(ImapClientCommand *command);

/* As it is; no CR, LF or NUL (programming error). Nothing puts spaces in between but you. */
void imap_client_command_text(ImapClientCommand *command, const char *text);
void imap_client_command_printf(ImapClientCommand *command, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* A space and then the value. */
void imap_client_command_astring(ImapClientCommand *command, const char *text, gsize length);
void imap_client_command_string(ImapClientCommand *command, const char *text, gsize length);
void imap_client_command_mailbox(ImapClientCommand *command, const char *name);
/* A space and a literal, never anything else: APPEND's message. Takes a reference, copies nothing.
 */
void imap_client_command_literal(ImapClientCommand *command, GBytes *octets, gboolean binary);

/* What to send, in order; the last one ends with CRLF. Frees the command. */
typedef struct {
    GBytes *octets;
    gboolean wait; /* before sending it, a continuation must have come */
    gboolean own;  /* the octets are the command's, and are wiped with it */
} ImapSegment;

/* GArray of ImapSegment, which the array frees. */
GArray *imap_client_command_finish(ImapClientCommand *command);

G_END_DECLS
