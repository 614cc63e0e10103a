/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puts a client's command together from lines and literals, so that a blocking session can read it:
 *
 *     line = read a line, without CRLF
 *     switch (imap_assembler_line(as, line, length)) {
 *     case IMAP_FEED_COMPLETE: run imap_assembler_command(as); imap_assembler_reset(as)
 *     case IMAP_FEED_LITERAL:  "+ OK" if literal->sync; read literal->size octets;
 *                              imap_assembler_literal_data(as, bytes); next line
 *     case IMAP_FEED_MESSAGE:  imap_assembler_append(as) says for which mailbox, with which flags;
 *                              either imap_assembler_refuse(as), or "+ OK" if literal->sync, copy
 *                              literal->size octets to a sink, imap_assembler_literal_streamed(as);
 *                              next line
 *     case IMAP_FEED_DISCARD:  read literal->size octets and drop them; next line
 *     case IMAP_FEED_BAD:      answer imap_assembler_error(); imap_assembler_reset(as)
 *     case IMAP_FEED_REFUSED:  answer what you refused with; imap_assembler_reset(as)
 *     }
 *
 * A message is streamed in APPEND (RFC 3501; MULTIAPPEND 3502; CATENATE TEXT 4469; literal8 3516;
 * UTF8 6855) and REPLACE (RFC 8508). All other literals, such as a mailbox name, are kept.
 * After AUTHENTICATE and IDLE the session reads the client's lines itself.
 */
#pragma once

#include "daemon/proto/imap/append-args.h"
#include "daemon/proto/imap/command.h"

G_BEGIN_DECLS

typedef struct ImapAssembler ImapAssembler;

typedef enum {
    IMAP_FEED_COMPLETE,
    IMAP_FEED_LITERAL,
    IMAP_FEED_MESSAGE,
    IMAP_FEED_DISCARD,
    IMAP_FEED_BAD,
    IMAP_FEED_REFUSED,
} ImapFeed;

typedef struct {
    guint64 size;
    gboolean sync;   /* the client waits for "+" (no LITERAL+, RFC 7888) */
    gboolean binary; /* "~{n}" */
} ImapLiteral;

/*
 * literal_plus: the largest non-synchronizing literal a client may send: G_MAXUINT64 for LITERAL+,
 * 4096 for LITERAL-. Larger ones are discarded and answered BAD.
 */
ImapAssembler *imap_assembler_new(const ImapLimits *limits, guint64 literal_plus);
void imap_assembler_free(ImapAssembler *assembler);
/* After login the limits grow; after ENABLE the mode (ImapMode bits) changes. Between commands. */
void imap_assembler_set_limits(ImapAssembler *assembler, const ImapLimits *limits);
void imap_assembler_set_mode(ImapAssembler *assembler, guint mode);

ImapFeed imap_assembler_line(ImapAssembler *assembler, const char *line, gsize length);

/* Whether a line of the command has been read. */
gboolean imap_assembler_has_begun(const ImapAssembler *assembler);

/* What was announced: after LITERAL, MESSAGE and DISCARD. */
const ImapLiteral *imap_assembler_literal(const ImapAssembler *assembler);
/* After LITERAL: the octets; takes a reference. A NUL in a literal that is not binary makes the
 * command bad at its end. */
void imap_assembler_literal_data(ImapAssembler *assembler, GBytes *octets);
/* After MESSAGE: the session has the octets. */
void imap_assembler_literal_streamed(ImapAssembler *assembler);
/*
 * After LITERAL or MESSAGE: the session won't take it (no such mailbox, too big, disk full).
 * REFUSED: the client waits, answer now. DISCARD: it is already sending; the rest of the command is
 * swallowed in the same way and ends in REFUSED.
 */
ImapFeed imap_assembler_refuse(ImapAssembler *assembler);

/* The command so far; whole after COMPLETE. Borrowed until the reset. */
const ImapCommand *imap_assembler_command(const ImapAssembler *assembler);
/*
 * APPEND and REPLACE so far, after MESSAGE and COMPLETE; NULL for other commands. After MESSAGE the
 * last message is the one whose octets follow (the last part, in CATENATE).
 */
const ImapAppendArgs *imap_assembler_append(const ImapAssembler *assembler);

typedef struct {
    const char *tag;    /* NULL: none could be read, answer "* BAD" */
    const char *code;   /* "TOOBIG", or NULL */
    const char *reason; /* a sentence */
    gboolean refused; /* nothing is wrong with it but the size of its message: answer NO (RFC 7889,
                           4; RFC 4469, 2), else BAD */
} ImapBad;

/* After BAD; borrowed until the reset. */
const ImapBad *imap_assembler_error(const ImapAssembler *assembler);

/* Overwrites what the command's octets were kept in; nothing else may refer to them. */
void imap_assembler_wipe(ImapAssembler *assembler);

/* Ready for the next command. */
void imap_assembler_reset(ImapAssembler *assembler);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapAssembler, imap_assembler_free)

G_END_DECLS
