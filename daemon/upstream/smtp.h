/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An SMTP submission connection to a provider (RFC 6409), blocking: connecting and logging in, then
 * one message after the other. It says as little as it can: EHLO with an address literal that is
 * the same everywhere, and where that is refused, with names that are.
 *
 * One thread owns a client. The server is not trusted: what it sends is bounded, and garbage ends
 * the connection. Errors are NET_ERROR (daemon/net/stream.h) or SMTP_CLIENT_ERROR.
 */
#pragma once

#include "daemon/proto/smtp/reply.h"
#include "daemon/upstream/login.h"

#define SMTP_CLIENT_ERROR (smtp_client_error_quark())
GQuark smtp_client_error_quark(void);

typedef enum {
    SMTP_CLIENT_ERROR_AUTH,        /* the server refuses user or password */
    SMTP_CLIENT_ERROR_UNAVAILABLE, /* it can't now (4xx): try later */
    SMTP_CLIENT_ERROR_REFUSED,     /* it doesn't want us (5xx), whoever we are */
    SMTP_CLIENT_ERROR_SECURITY,    /* no STARTTLS, or no way to log in: nothing was sent */
    SMTP_CLIENT_ERROR_PROTOCOL,    /* it sends what is not SMTP */
} SmtpClientError;

typedef struct SmtpClient SmtpClient;

/* Seconds of silence after which the server is given up; a server that goes on sending has all the
 * time it wants. 0: as RFC 5321 (4.5.3.2) has them. */
typedef struct {
    guint connect; /* TCP and TLS: 60 */
    guint command; /* greeting, MAIL, RCPT and all others: 300 */
    guint data;    /* the answer to DATA: 120 */
    guint block;   /* while the message goes out: 180 */
    guint end;     /* the answer to the final dot: 600 */
} SmtpTimeouts;

typedef struct {
    UpstreamLogin login; /* without its timeout */
    const char *domain;  /* of the account's address: the last that EHLO is tried with; or NULL */
    guint *hello; /* which name this server takes in EHLO, kept by the caller from one connection
                           to the next; 0 in the beginning; or NULL */
    SmtpTimeouts timeouts;
} SmtpClientOptions;

/* Dials, secures, logs in. NULL and `error` on failure. */
SmtpClient *smtp_client_connect(const SmtpClientOptions *options, GError **error);

/* The same over a connected stream, which it takes over (also on failure). */
SmtpClient *smtp_client_start(NetStream *stream, const SmtpClientOptions *options, GError **error);

/* Drops the connection; says QUIT before where the client is in order (smtp_client_close). */
void smtp_client_free(SmtpClient *client);
void smtp_client_close(SmtpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmtpClient, smtp_client_free)

/* Whether another message can be sent: nothing failed, and the server has neither closed the
 * connection nor said anything since. Doesn't block. */
gboolean smtp_client_is_good(SmtpClient *client);

/* The server's name, for messages; borrowed. */
const char *smtp_client_host(SmtpClient *client);

/* ---- messages -------------------------------------------------------------------------------- */

typedef struct {
    const char *address, *notify, *orcpt; /* notify and orcpt may be NULL (RFC 3461) */
    guint code;                           /* out: the answer to RCPT; 0: it wasn't asked */
    char *reply;                          /* out: its text; the caller frees */
} SmtpClientRecipient;

typedef struct {
    const char *sender; /* "" for <> */
    SmtpClientRecipient *recipients;
    guint recipients_count;
    guint64 size;            /* bytes */
    gboolean eightbit;       /* there is a byte above 127 anywhere */
    gboolean smtputf8;       /* addresses or header fields need SMTPUTF8: the server must have it */
    const char *ret, *envid; /* RFC 3461; may be NULL */

    /* The next piece of the message, from `offset`; empty at its end. */
    GBytes *(*read)(guint64 offset, gpointer data, GError **error);
    /* Called when everything but the final dot was sent; FALSE: don't send it. Who cuts the
     * connection after that leaves the outcome unknown. */
    gboolean (*commit)(gpointer data, GError **error);
    gpointer data;
} SmtpClientMessage;

typedef enum {
    SMTP_SEND_ACCEPTED, /* for the recipients whose code is 2xx */
    SMTP_SEND_REFUSED,  /* the message is, for the recipients whose code is 2xx or 0 */
    SMTP_SEND_NOBODY,   /* no recipient was accepted; see theirs */
    SMTP_SEND_BROKEN,   /* the connection failed, or `read` or `commit` did; nothing was sent */
    SMTP_SEND_UNKNOWN,  /* the connection failed between the final dot and the answer */
} SmtpSendResult;

typedef struct {
    guint code;  /* REFUSED, ACCEPTED; 0: the server lacks what the message needs */
    char *reply; /* the caller frees */
} SmtpSendAnswer;

/*
 * Sends a message; `error` is set for BROKEN and UNKNOWN. What needs SMTPUTF8, or is larger than
 * the server says it takes, is REFUSED without asking. 8-bit text goes as it is also to servers
 * without 8BITMIME (there are none that mind), since it is not for a relay to rewrite a message.
 */
SmtpSendResult smtp_client_send(SmtpClient *client, SmtpClientMessage *message,
                                SmtpSendAnswer *answer, GError **error);
