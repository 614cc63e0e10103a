/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A POP3 connection to a provider, blocking: connecting and logging in, the listing, fetching,
 * deleting. What a server leaves out or does differently (no CAPA, no TOP, no UIDL, LF for CRLF) is
 * borne with; what it sends is bounded.
 *
 * One thread owns a client. Errors are NET_ERROR (the connection) or POP3_CLIENT_ERROR; after either
 * the client is good for freeing only, except after REFUSED.
 */
#pragma once

#include "daemon/proto/pop3/answer.h"
#include "daemon/upstream/login.h"

#define POP3_CLIENT_ERROR (pop3_client_error_quark())
GQuark pop3_client_error_quark(void);

typedef enum {
    POP3_CLIENT_ERROR_AUTH,        /* the server refuses user or password */
    POP3_CLIENT_ERROR_UNAVAILABLE, /* it can't now: the maildrop is in use, or a fault; try later */
    POP3_CLIENT_ERROR_SECURITY,    /* no STLS, or no login that can be used: nothing was sent */
    POP3_CLIENT_ERROR_PROTOCOL,    /* it sends what is not POP3 */
    POP3_CLIENT_ERROR_REFUSED,     /* a command was answered -ERR; the connection is good */
} Pop3ClientError;

typedef struct Pop3Client Pop3Client;

/* Dials, reads the greeting, secures, logs in. NULL and `error` on failure. */
Pop3Client *pop3_client_connect(const UpstreamLogin *options, GError **error);

/* The same over a connected stream, which it takes over (also on failure). */
Pop3Client *pop3_client_start(NetStream *stream, const UpstreamLogin *options, GError **error);

/* Drops the connection without QUIT: the server deletes nothing (RFC 1939, 6). */
void pop3_client_free(Pop3Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pop3Client, pop3_client_free)

/* What it has said that it can. */
const Pop3Capabilities *pop3_client_capabilities(const Pop3Client *client);

/* QUIT. TRUE: the server has deleted what it was told to. The connection is over either way. */
gboolean pop3_client_quit(Pop3Client *client, GError **error);

/* ---- what is there ------------------------------------------------------------------------- */

typedef struct {
    guint32 number; /* in this session */
    guint64 size;   /* as the server counts it */
    char *uidl;     /* printable ASCII; NULL: the server gives none */
} Pop3Message;

/* All messages, in the server's order: Pop3Message; the caller frees the array. */
GArray *pop3_client_list(Pop3Client *client, GError **error);

/* ---- messages ------------------------------------------------------------------------------ */

/*
 * Asking and reading are apart, so that several commands may be under way: as many as
 * pop3_client_depth() says. Answers are read in the order of the questions.
 */
guint pop3_client_depth(const Pop3Client *client);
gboolean pop3_client_ask_retr(Pop3Client *client, guint32 number, GError **error);
gboolean pop3_client_ask_top(Pop3Client *client, guint32 number, guint lines, GError **error);
gboolean pop3_client_ask_dele(Pop3Client *client, guint32 number, GError **error);

/* The answer to RETR or TOP: the text with CRLF. `size` is what the listing says; PROTOCOL where far
 * more than that comes. NULL. */
GByteArray *pop3_client_read_text(Pop3Client *client, guint64 size, GError **error);
/* The answer to DELE. */
gboolean pop3_client_read_status(Pop3Client *client, GError **error);
