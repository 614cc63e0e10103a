/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Making answers: the tagged one (status, response code, text), and the pieces of untagged ones.
 */
#pragma once

#include "daemon/serve/imap/session.h"

#include <string.h>

/* Sets the tagged answer. `code` (without brackets) may be NULL. */
void imap_reply(ImapSession *session, ImapStatus status, const char *code, const char *text);
void imap_reply_printf(ImapSession *session, ImapStatus status, const char *code,
                       const char *format, ...) G_GNUC_PRINTF(4, 5);

/*
 * The one place that knows which response code (RFC 5530) an error is answered with. A grammar
 * error is BAD, everything else NO.
 */
void imap_reply_error(ImapSession *session, const GError *error);

/* Arguments were expected to end here; FALSE with BAD set where they don't. */
gboolean imap_reply_end(ImapSession *session, ImapLexer *lexer);

/* Sends "* OK|NO|BAD|BYE|PREAUTH [code] text". `code` may be NULL. */
void imap_untagged(ImapSession *session, const char *status, const char *code, const char *text);

/* A long command has done `done` of `total`: the client is told now and then (RFC 9585). No cache
 * transaction may be open, and no response be half made. */
void imap_progress(ImapSession *session, guint done, guint total);
/* The running command begins: its progress is told of from the first interval on. */
void imap_progress_begin(ImapSession *session);

/* Sends the tagged answer of the command that ran. */
void imap_reply_send(ImapSession *session);

/* ---- pieces, fast ---------------------------------------------------------------------------- */

void imap_out_number(GString *out, guint64 number);

static inline void imap_out_bytes(GString *out, const char *bytes, gsize length)
{
    if (out->len + length >= out->allocated_len) {
        g_string_append_len(out, bytes, (gssize)length);
        return;
    }
    memcpy(out->str + out->len, bytes, length);
    out->len += length;
    out->str[out->len] = 0;
}

#define imap_out_literal(out, text) imap_out_bytes((out), "" text, sizeof(text) - 1)

/* "{n}\r\n" and the octets. */
void imap_out_octets(GString *out, const void *octets, gsize length);
