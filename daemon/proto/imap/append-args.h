/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of APPEND and REPLACE: RFC 3501 6.3.11, MULTIAPPEND (RFC 3502), CATENATE (RFC
 * 4469), literal8 (RFC 3516), UTF8 (RFC 6855), REPLACE (RFC 8508).
 *
 * They are parsed while they arrive, by the assembler, since messages are streamed: what is here
 * grows with each message, and is complete with the command.
 */
#pragma once

#include "daemon/proto/imap/lexer.h"

G_BEGIN_DECLS

typedef struct {
    char *url;    /* CATENATE URL; or NULL: octets that the session streamed */
    guint64 size; /* of the octets */
} ImapAppendPart;

typedef struct {
    ImapFlags *flags; /* NULL: none given */
    gboolean has_date;
    ImapDateTime date;
    gboolean binary; /* literal8 */
    gboolean utf8;   /* in UTF8 (...) */
    gboolean catenate;
    GArray *parts; /* ImapAppendPart; exactly one without CATENATE */
} ImapAppendMessage;

typedef struct {
    guint32 replaces; /* REPLACE: the number (or UID) of the message to replace; 0 means "*" */
    gboolean is_replace;
    char *mailbox;       /* NULL before it has been read */
    GPtrArray *messages; /* ImapAppendMessage */
} ImapAppendArgs;

void imap_append_args_free(ImapAppendArgs *args);

/* Used by the assembler. */
typedef struct ImapAppendParser ImapAppendParser;

ImapAppendParser *imap_append_parser_new(const ImapCommand *command, const ImapLimits *limits,
                                         guint mode);
void imap_append_parser_free(ImapAppendParser *parser);

typedef enum {
    IMAP_APPEND_BAD,
    IMAP_APPEND_KEEP,   /* the announced literal is an argument */
    IMAP_APPEND_STREAM, /* it is a message */
    IMAP_APPEND_DONE,   /* the command is complete */
} ImapAppendStep;

/* Reads on as far as the pieces go: up to an announced literal, or the end. */
ImapAppendStep imap_append_parser_run(ImapAppendParser *parser, GError **error);
const ImapAppendArgs *imap_append_parser_args(const ImapAppendParser *parser);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapAppendArgs, imap_append_args_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapAppendParser, imap_append_parser_free)

G_END_DECLS
