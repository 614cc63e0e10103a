/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One command of a client: its tag, its name and the octets of its arguments.
 *
 * It is made by the assembler (assembler.h), read by the lexer (lexer.h) and the parsers on top of
 * it (fetch-args.h and the like).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a client may send. All are inclusive. */
typedef struct {
    gsize line;         /* octets of one line */
    gsize literal;      /* octets of one literal that is kept in memory */
    guint64 message;    /* octets of one literal that is streamed: a message, or a part of one */
    gsize command;      /* octets kept of one command, lines and literals */
    guint literals;     /* literals in one command, streamed ones not counted */
    guint set_ranges;   /* ranges in one sequence set */
    guint list_items;   /* members of any parenthesized list, and messages of one APPEND */
    guint depth;        /* nesting of parentheses, NOT, OR and FUZZY in SEARCH */
    guint search_keys;  /* keys of one SEARCH */
    guint part_numbers; /* numbers in a section: "1.2.3" has 3 */
} ImapLimits;

/* 144 KB lines (clients send sets of 128 KB), 1 MB literals, 4 MB commands, 1000 levels of parts,
 * ...; message is 256 MB. */
extern const ImapLimits imap_limits_default;
/* Before login: an ID of 30 pairs (RFC 2971, 3.3) fits, no messages. */
extern const ImapLimits imap_limits_login;

/* A stretch of text, or a literal. */
typedef struct {
    gboolean literal;
    gboolean binary;   /* literal8, "~{n}" (RFC 3516) */
    gboolean pending;  /* announced, not received yet: the last piece of an unfinished command */
    gboolean streamed; /* the session took the octets: data is NULL */
    guint64 size;      /* octets of a literal, streamed or not */
    GBytes *data;      /* text without CRLF and without the announcement of a literal */
} ImapPiece;

typedef struct {
    char *tag;
    char *name;     /* upper case, "FETCH" for UID FETCH */
    gboolean uid;   /* it stood after UID */
    GArray *pieces; /* ImapPiece; the first begins behind the name */
    gsize octets;   /* kept */
    guint literals; /* kept */
} ImapCommand;

void imap_command_free(ImapCommand *command);

/*
 * Reads the tag and the name that a command's first line begins with; *rest is the offset of what
 * follows the name. IMAP_ERROR_SYNTAX; a tag that could be read is there even then.
 */
gboolean imap_command_read_start(ImapCommand *command, const char *line, gsize length, gsize *rest,
                                 GError **error);
/* A command without tag, name and pieces, to be filled. */
ImapCommand *imap_command_new(void);
/* Appends text; copies it. */
void imap_command_add_text(ImapCommand *command, const char *text, gsize length);
/* Appends a literal that is still to come. */
void imap_command_add_literal(ImapCommand *command, guint64 size, gboolean binary);

/* A whole command from one line and no literals. For tests and for stored commands. */
ImapCommand *imap_command_from_line(const char *line, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapCommand, imap_command_free)

G_END_DECLS
