/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A blocking, buffered byte stream over a connected socket, with TLS where asked for. One thread
 * owns it. Each call that blocks sits in one poll() over the socket and the stream's NetCancel, and
 * gives up after the stream's timeout. Everything that is read is bounded by the caller.
 */
#pragma once

#include "daemon/net/cancel.h"
#include "daemon/net/tls.h"

#define NET_ERROR (net_error_quark())
GQuark net_error_quark(void);

typedef enum {
    NET_ERROR_CLOSED,      /* the other side closed the connection */
    NET_ERROR_IO,          /* the connection broke */
    NET_ERROR_TIMEOUT,     /* nothing happened for the stream's timeout */
    NET_ERROR_CANCELLED,   /* the NetCancel was triggered */
    NET_ERROR_TOO_LONG,    /* a line exceeded its limit */
    NET_ERROR_RESOLVE,     /* the host name has no address (or there is no network) */
    NET_ERROR_CONNECT,     /* no address of the host accepts connections */
    NET_ERROR_TLS,         /* the handshake failed */
    NET_ERROR_CERTIFICATE, /* the server's certificate is not acceptable; the message says why and
                              what to do */
    NET_ERROR_BUSY,        /* the port to listen on is taken */
    NET_ERROR_STALE,       /* nothing was heard since the connection was doubted (cancel.h): this
                              says nothing about what was asked */
} NetError;

typedef struct NetStream NetStream;

/* Takes over the connected socket `fd`. `name` ("imap.example.org:993") is for messages. `cancel`
 * is referenced. The timeout is 60 s until net_stream_set_timeout(). */
NetStream *net_stream_new(int fd, const char *name, NetCancel *cancel);

/* Doubts of the NetCancel concern this stream from here on; `fd` is an eventfd that watches it, and
 * is taken over. */
void net_stream_take_doubts(NetStream *stream, int fd);

/* However much is doubted, the other side has so many seconds at least to be heard of (0: no more than
 * the doubt gives it): for an answer that may take long, and that one can't ask for again. */
void net_stream_set_patience(NetStream *stream, guint seconds);

/* Closes without ceremony (buffered output is dropped). */
void net_stream_free(NetStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetStream, net_stream_free)

/* Sends TLS's close_notify and shuts the socket down, after flushing; errors are of no interest any
 * more. */
void net_stream_close(NetStream *stream);

/* Seconds that one blocking call may see no progress; 0: for ever. */
void net_stream_set_timeout(NetStream *stream, guint seconds);

/* When all that blocks gives up (NET_ERROR_TIMEOUT), whatever progress it sees: monotonic
 * microseconds; 0: never. */
void net_stream_set_deadline(NetStream *stream, gint64 deadline);
gint64 net_stream_deadline(NetStream *stream);

/* ---- reading ------------------------------------------------------------------------------- */

/* Exactly `length` bytes. */
gboolean net_stream_read_exact(NetStream *stream, void *buffer, gsize length, GError **error);

/*
 * A line without its end (CRLF, or LF alone), at most `limit` bytes, else NET_ERROR_TOO_LONG: the
 * line is lost, and what has not come of it yet is no line of its own: the next call skips it.
 * Borrowed until the next call on the stream; NUL-terminated, *length (may be NULL) is without the
 * NUL.
 */
const char *net_stream_read_line(NetStream *stream, gsize limit, gsize *length, GError **error);

/*
 * The same, but a line that is longer is read to its end and comes as more than `limit` octets, at
 * most NET_CUT_LINE(limit): its beginning and its end, without what is between. For protocols in
 * which a line that is too long has a name to be answered by, and an end that matters (IMAP).
 */
const char *net_stream_read_line_cut(NetStream *stream, gsize limit, gsize *length, GError **error);
#define NET_LINE_TAIL       64
#define NET_CUT_LINE(limit) ((limit) + NET_LINE_TAIL)

/* After TOO_LONG: reads to the end of that line, without keeping it, for who wants to answer after
 * it. Does nothing where it has come already. */
gboolean net_stream_skip_line(NetStream *stream, GError **error);

/*
 * The bytes that are in the input buffer, after waiting for at least one: for parsers that work in
 * place. Borrowed until the next call; net_stream_consume() says how many were used.
 */
const char *net_stream_peek(NetStream *stream, gsize *length, GError **error);
void net_stream_consume(NetStream *stream, gsize length);

/* Whether input is buffered already, so that reading does not block. */
gboolean net_stream_pending(NetStream *stream);

typedef enum { NET_READABLE = 1, NET_WOKEN = 2, NET_TIMED_OUT = 4 } NetWait;

/*
 * Waits for input, for `wake_fd` (an eventfd, read to clear it; -1: none) or for `timeout_ms` (-1:
 * for ever); flushes first. A set of NetWait, or -1 and `error` (CANCELLED, IO). A closed
 * connection counts as readable. A doubt counts as being woken: nothing has to be said while
 * nothing was asked, so it is for the caller to ask.
 */
int net_stream_wait(NetStream *stream, int wake_fd, int timeout_ms, GError **error);

/* Whether nobody is at the other end any more, so that nothing can be sent. A peer that only sends
 * nothing more doesn't count. Doesn't block; looks at the socket alone. */
gboolean net_stream_is_gone(NetStream *stream);

/* ---- writing ------------------------------------------------------------------------------- */

/* Buffered (64 KiB); sends when the buffer is full. While output is blocked, input is not read. */
gboolean net_stream_write(NetStream *stream, const void *data, gsize length, GError **error);
gboolean net_stream_puts(NetStream *stream, const char *text, GError **error);
gboolean net_stream_printf(NetStream *stream, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
gboolean net_stream_flush(NetStream *stream, GError **error);

/* ---- TLS, compression ---------------------------------------------------------------------- */

/*
 * The client's side of a TLS handshake for `host` (SNI and verification). Input that was buffered
 * before, in the clear, is an injection: NET_ERROR_TLS (RFC 3207's and RFC 9051's STARTTLS
 * warning).
 */
gboolean net_stream_start_tls(NetStream *stream, NetTlsClient *tls, const char *host,
                              GError **error);

/*
 * The server's side. Buffered clear-text input is refused likewise. A client that says what it
 * wants to speak (ALPN, RFC 7301) has to say `protocol`: a browser says something else, and can be
 * made to send what it likes. Static; NULL: nothing that could be said is right.
 */
gboolean net_stream_accept_tls(NetStream *stream, NetTlsServer *tls, const char *protocol,
                               GError **error);

gboolean net_stream_is_tls(NetStream *stream);

/* DEFLATE in both directions from here on (RFC 4978); raw deflate, inside TLS. */
gboolean net_stream_start_deflate(NetStream *stream, GError **error);

/* For SCRAM-PLUS (RFC 5802, 9266): "tls-exporter", "tls-unique" or "tls-server-end-point" data, or NULL where
 * there is none. */
GBytes *net_stream_channel_binding(NetStream *stream, const char *type);

/* For messages and logs: "imap.example.org:993"; borrowed. */
const char *net_stream_name(NetStream *stream);

/* What ends it, for waits of one's own; borrowed. */
NetCancel *net_stream_cancel(NetStream *stream);
