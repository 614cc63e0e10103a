/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server's responses, for the upstream client: from lines and literals to a tree.
 *
 *     line = read a line, without CRLF
 *     feed = imap_response_line(parser, line, length, &error)
 *     while feed is IMAP_RESPONSE_LITERAL:
 *         read imap_response_literal_size(parser) octets into a GBytes
 *         imap_response_literal(parser, octets)
 *         line = read a line; feed = imap_response_line(...)
 *     IMAP_RESPONSE_COMPLETE: use imap_response_get(parser), valid until the next line is fed
 *     IMAP_RESPONSE_UNREADABLE: pass it over, and go on with the next line
 *     IMAP_RESPONSE_ERROR: larger than the limits; drop the connection
 *
 * Only lengths end a connection. Whatever else a server writes, the next response is found, and of
 * one that is odd all is read that can be: a value that can't is a BAD node, and what has neither a
 * form nor a name is passed over as a whole. Typed views of what is in a tree: response-data.h,
 * response-fetch.h.
 */
#pragma once

#include "daemon/proto/imap/error.h"

G_BEGIN_DECLS

/* What the server may send. */
typedef struct {
    gsize line;      /* octets of one line */
    guint64 literal; /* octets of one literal */
    gsize response;  /* octets of all lines of one response, without literals */
    guint64 total;   /* octets of all literals of one response */
    guint nodes;     /* in the tree of one response */
    guint depth;     /* of lists */
} ImapResponseLimits;

/* 16 MB lines (SEARCH of a large mailbox), 256 MB literals, a million values, ... */
extern const ImapResponseLimits imap_response_limits_default;

typedef enum {
    IMAP_NODE_ATOM,   /* with BODY[...]<0> and \Flags as one atom */
    IMAP_NODE_NUMBER, /* an atom of digits that fits; text is there as well */
    IMAP_NODE_STRING, /* quoted, unescaped */
    IMAP_NODE_LITERAL,
    IMAP_NODE_NIL,
    IMAP_NODE_LIST,
    IMAP_NODE_BAD, /* something that can't be read: a string without an end, a list without one */
} ImapNodeKind;

/* One value. Nodes of a response lie in one array: the first child of a list is the next node. */
typedef struct {
    ImapNodeKind kind;
    guint skip;       /* nodes to the next sibling; 0 for the last one */
    guint n_children; /* of a list */
    gsize length;     /* of text */
    const char *text; /* octets; NUL behind them except in a LITERAL. Not for LIST and BAD. NIL has
                         "NIL" */
    guint64 number;
    GBytes *literal; /* of LITERAL; borrowed, take a reference to keep it */
} ImapNode;

static inline const ImapNode *imap_node_next(const ImapNode *node)
{
    return node->skip > 0 ? node + node->skip : NULL;
}

/* The first member of a list; NULL for an empty one and for what isn't one. */
static inline const ImapNode *imap_node_first(const ImapNode *node)
{
    return node->kind == IMAP_NODE_LIST && node->n_children > 0 ? node + 1 : NULL;
}

/* Whether it is an atom with this name, case ignored. */
gboolean imap_node_is(const ImapNode *node, const char *name);
/* Whether it has text that may be a name: atom, number, string, literal or NIL (an astring). */
gboolean imap_node_is_text(const ImapNode *node);

/* Its text, NUL-terminated; NULL for a list and BAD, for NIL unless nil_ok (then it is the atom), and for
 * text with a NUL in it. */
char *imap_node_dup(const ImapNode *node, gboolean nil_ok);

typedef enum {
    IMAP_CONTINUATION, /* "+ ..." */
    IMAP_TAGGED,
    IMAP_UNTAGGED,
} ImapResponseKind;

typedef enum {
    IMAP_COND_NONE, /* data, or a continuation */
    IMAP_COND_OK,
    IMAP_COND_NO,
    IMAP_COND_BAD, /* also what isn't any of these, in a tagged answer */
    IMAP_COND_BYE,
    IMAP_COND_PREAUTH,
} ImapCond;

typedef struct {
    ImapResponseKind kind;
    const char *tag; /* of TAGGED */
    ImapCond cond;

    /* Status responses and continuations. */
    const char *code;          /* "UIDVALIDITY", upper case; NULL without a code */
    const ImapNode *code_args; /* first argument, or NULL */
    const char *text;          /* for people; "" when there is none. AUTHENTICATE: the challenge */

    /* Data: "* 12 FETCH (...)" */
    const char *name; /* "FETCH", upper case; NULL in the others */
    gboolean has_number;
    guint32 number;
    const ImapNode *args; /* first argument, or NULL */
} ImapResponse;

typedef struct ImapResponseParser ImapResponseParser;

/* Limits are copied. */
ImapResponseParser *imap_response_parser_new(const ImapResponseLimits *limits);
void imap_response_parser_free(ImapResponseParser *parser);

typedef enum {
    IMAP_RESPONSE_ERROR,
    IMAP_RESPONSE_LITERAL,
    IMAP_RESPONSE_COMPLETE,
    IMAP_RESPONSE_UNREADABLE,
} ImapResponseFeed;

/* ERROR and UNREADABLE set `error`: IMAP_ERROR_LIMIT or IMAP_ERROR_SYNTAX. */
ImapResponseFeed imap_response_line(ImapResponseParser *parser, const char *line, gsize length,
                                    GError **error);
/* The octets that follow the line, after LITERAL; at most limits.literal. */
guint64 imap_response_literal_size(const ImapResponseParser *parser);
/* Takes a reference; copies nothing. Its size must be the announced one. */
void imap_response_literal(ImapResponseParser *parser, GBytes *octets);
const ImapResponse *imap_response_get(const ImapResponseParser *parser);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapResponseParser, imap_response_parser_free)

G_END_DECLS
