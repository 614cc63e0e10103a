/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The words of a command, one after the other: atoms, strings, numbers, sets, flags, dates.
 *
 * Every function reads from where the last one stopped. Those with a GError fail with a sentence
 * that says what was expected (IMAP_ERROR_SYNTAX, or IMAP_ERROR_LIMIT), and then the lexer is of no
 * more use. Text that comes back is NUL-terminated, holds no NUL, and is the caller's. 8-bit octets
 * are let through in literals, and in quoted strings as UTF-8 in that mode only.
 */
#pragma once

#include "daemon/proto/imap/command.h"
#include "daemon/proto/imap/date.h"
#include "daemon/proto/imap/error.h"
#include "daemon/proto/imap/flags.h"
#include "daemon/proto/imap/set.h"

G_BEGIN_DECLS

typedef enum {
    IMAP_MODE_UTF8 =
        1, /* UTF8=ACCEPT or IMAP4rev2 is enabled: quoted strings and names are UTF-8 */
    IMAP_MODE_GMAIL = 2, /* X-GM-EXT-1 is offered */
} ImapMode;

/* Plain data: copying it saves the place. */
typedef struct {
    const ImapCommand *command;
    const ImapLimits *limits;
    guint mode; /* ImapMode bits */
    guint piece;
    gsize offset;
} ImapLexer;

/* Reads from just behind the command's name; the first argument is preceded by its space. */
void imap_lexer_init(ImapLexer *lexer, const ImapCommand *command, const ImapLimits *limits,
                     guint mode);

/* Whether nothing is left (but spaces). */
gboolean imap_lexer_at_end(const ImapLexer *lexer);
/* Fails unless nothing is left. */
gboolean imap_lexer_end(ImapLexer *lexer, GError **error);
/* Skips the space between two arguments; several are taken as one. */
gboolean imap_lexer_space(ImapLexer *lexer, GError **error);
/* Whether a space and then something follows; skips the space. For optional arguments. */
gboolean imap_lexer_more(ImapLexer *lexer);
/* The next octet of text; 0 at the end and where a literal is next. */
char imap_lexer_peek(const ImapLexer *lexer);
/* Takes c if it is next. */
gboolean imap_lexer_take(ImapLexer *lexer, char c);
/* Fails unless c is next. */
gboolean imap_lexer_expect(ImapLexer *lexer, char c, GError **error);
/* Takes this atom if it is next, whole, in any case. */
gboolean imap_lexer_take_word(ImapLexer *lexer, const char *word);
/* Whether a literal is next, received or announced. */
const ImapPiece *imap_lexer_peek_literal(const ImapLexer *lexer);
/* Moves past the literal. */
void imap_lexer_skip_literal(ImapLexer *lexer);

/* An atom; "what" names it in the error ("a mailbox name"). */
char *imap_lexer_atom(ImapLexer *lexer, const char *what, GError **error);
/* An atom in upper case, also with the characters []\ and the like that keywords of the grammar
 * have
 * ("+FLAGS.SILENT", "BODY.PEEK"): up to a space, parenthesis, "[", "<" or the end. */
char *imap_lexer_word(ImapLexer *lexer, const char *what, GError **error);
/* A quoted string or a literal. */
char *imap_lexer_string(ImapLexer *lexer, const char *what, GError **error);
char *imap_lexer_astring(ImapLexer *lexer, const char *what, GError **error);
/* A string or NIL: then *out is NULL. */
gboolean imap_lexer_nstring(ImapLexer *lexer, char **out, const char *what, GError **error);
/* A string, literal or literal8, that may hold NUL; NIL gives *out NULL (RFC 5464 value). */
gboolean imap_lexer_nbytes(ImapLexer *lexer, GBytes **out, const char *what, GError **error);

/* A mailbox name, decoded and with INBOX folded (mailbox-name.h). */
char *imap_lexer_mailbox(ImapLexer *lexer, GError **error);
/* A label of X-GM-EXT-1: "\Inbox", as it stands or quoted, or what is a mailbox name otherwise. */
char *imap_lexer_label(ImapLexer *lexer, GError **error);
/* A pattern of LIST: as a mailbox name, with % and *. */
char *imap_lexer_list_mailbox(ImapLexer *lexer, GError **error);

gboolean imap_lexer_number(ImapLexer *lexer, guint32 *out, GError **error);
/* Not 0. */
gboolean imap_lexer_nz_number(ImapLexer *lexer, guint32 *out, GError **error);
/* Up to 2^63 - 1 (RFC 9051 number64, RFC 7162 mod-sequence-valzer). */
gboolean imap_lexer_number64(ImapLexer *lexer, guint64 *out, GError **error);

/* A sequence-set with "*"; "$" where allow_saved (RFC 5182). */
ImapSequenceSet *imap_lexer_sequence_set(ImapLexer *lexer, gboolean allow_saved, GError **error);
/* A set without "*" and "$" (uid-set, RFC 7162 known-uids). */
ImapSequenceSet *imap_lexer_uid_set(ImapLexer *lexer, GError **error);

/* "(\Seen Junk)"; with bare, also "\Seen Junk" up to the end (STORE). \Recent and unknown system
 * flags are IMAP_ERROR_FLAG. */
ImapFlags *imap_lexer_flags(ImapLexer *lexer, gboolean bare, GError **error);

/* date-time in its quotes. */
gboolean imap_lexer_date_time(ImapLexer *lexer, ImapDateTime *out, GError **error);
/* date, with or without quotes: days since 1970-01-01. */
gboolean imap_lexer_date(ImapLexer *lexer, gint32 *days, GError **error);

/* Of a search or fetch result (RFC 9394, RFC 5267): the n-th to the m-th, from 1. */
typedef struct {
    gboolean given;
    gboolean from_end; /* "-1:-100": counted from the last one */
    gboolean reversed; /* it was written with `last` in front */
    guint32 first, last;
} ImapPartial;

/* "1:100" or "-1:-100"; first <= last afterwards. */
gboolean imap_lexer_partial(ImapLexer *lexer, ImapPartial *out, GError **error);

/*
 * Reads "(" elements separated by spaces ")", calling element for each; NULL data is fine. At most
 * limits->list_items. FALSE when an element is, or when the list isn't one; "()" only where
 * empty_ok.
 */
typedef gboolean (*ImapListElement)(ImapLexer *lexer, gpointer data, GError **error);
gboolean imap_lexer_list(ImapLexer *lexer, const char *what, gboolean empty_ok,
                         ImapListElement element, gpointer data, GError **error);

/* Sets an IMAP_ERROR_SYNTAX "expected WHAT, found ..." for the place where the lexer is; FALSE. */
gboolean imap_lexer_fail(const ImapLexer *lexer, const char *what, GError **error);

G_END_DECLS
