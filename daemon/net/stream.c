/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * NetStream: buffers over a transport (a socket, TLS over it), with DEFLATE between the two where
 * it was started. The socket never blocks; waiting happens in wait_for(), the one poll() of a
 * stream.
 */
#include "daemon/net/stream.h"

#include <errno.h>
#include <glib-unix.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "daemon/net/tls-private.h"

#define INPUT_SIZE (32 * 1024)

/* What compressed input may come to. */
#define INFLATE_FREE    (64 * 1024 * 1024)
#define INFLATE_RATIO   100
#define OUTPUT_SIZE     (64 * 1024)
#define DEFAULT_TIMEOUT 60 /* seconds */
#define CLOSE_TIMEOUT   1  /* seconds to say goodbye in */

/* Seconds to hear something in once there is a doubt, by NetDoubt. Servers that work on something say
 * so every 20 s or so. */
static const guint PROVE_SECONDS[] = {0, 25, 5};

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark net_error_quark(void)
{
    return g_quark_from_static_string("postern-net-error");
}

/* What the transport says to one attempt at reading or writing. */
typedef enum { IO_DONE, IO_WANT_READ, IO_WANT_WRITE, IO_END, IO_FAILED } IoResult;

typedef struct {
    z_stream in, out;
    guint8 *raw; /* compressed input that inflate() has not taken yet */
    gsize raw_start, raw_end;
} Deflate;

struct NetStream {
    int fd;
    SSL *ssl;         /* or NULL */
    Deflate *deflate; /* or NULL */
    NetCancel *cancel;
    char *name;
    guint timeout;    /* seconds; 0: for ever */
    gint64 deadline;  /* monotonic, microseconds; 0: none */
    int doubt_fd;     /* eventfd, or -1: nobody doubts this one */
    guint patience;   /* seconds that a doubt gives at least */
    gint64 prove_by;  /* monotonic: when something has to have come; 0: no doubt */
    gboolean closing; /* saying goodbye: no longer cancelled, but only a moment left */

    guint8 *in; /* NULL while nothing is buffered and the stream waits */
    gsize in_start, in_end, in_size;
    gsize in_used;      /* so much has something in it */
    gboolean ended;     /* the transport has nothing more to read */
    gboolean skip_line; /* what comes up to the next line end belongs to a line that was too long */

    guint8 *out;
    gsize out_length;
    gsize out_used;

    guint64 received, sent;
};

NetStream *net_stream_new(int fd, const char *name, NetCancel *cancel)
{
    NetStream *stream = g_new0(NetStream, 1);
    stream->fd = fd;
    stream->name = g_strdup(name);
    stream->cancel = net_cancel_ref(cancel);
    stream->timeout = DEFAULT_TIMEOUT;
    stream->doubt_fd = -1;
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    return stream;
}

void net_stream_take_doubts(NetStream *stream, int fd)
{
    stream->doubt_fd = fd;
}

void net_stream_set_patience(NetStream *stream, guint seconds)
{
    stream->patience = seconds;
}

/* Passwords pass through both buffers: what has been used is wiped before its memory is given back or
 * lies idle. */
static void wipe_input(NetStream *stream)
{
    if (stream->in != NULL)
        explicit_bzero(stream->in, stream->in_used);
    stream->in_used = 0;
}

static void wipe_output(NetStream *stream)
{
    if (stream->out != NULL)
        explicit_bzero(stream->out, stream->out_used);
    stream->out_used = 0;
}

void net_stream_free(NetStream *stream)
{
    if (stream == NULL)
        return;
    if (stream->deflate != NULL) {
        inflateEnd(&stream->deflate->in);
        deflateEnd(&stream->deflate->out);
        g_free(stream->deflate->raw);
        g_free(stream->deflate);
    }
    SSL_free(stream->ssl);
    wipe_input(stream);
    wipe_output(stream);
    close(stream->fd);
    if (stream->doubt_fd >= 0) {
        net_cancel_unwatch(stream->cancel, stream->doubt_fd);
        close(stream->doubt_fd);
    }
    net_cancel_unref(stream->cancel);
    g_free(stream->name);
    g_free(stream->in);
    g_free(stream->out);
    g_free(stream);
}

void net_stream_set_timeout(NetStream *stream, guint seconds)
{
    stream->timeout = seconds;
}

void net_stream_set_deadline(NetStream *stream, gint64 deadline)
{
    stream->deadline = deadline;
}

gint64 net_stream_deadline(NetStream *stream)
{
    return stream->deadline;
}

const char *net_stream_name(NetStream *stream)
{
    return stream->name;
}

NetCancel *net_stream_cancel(NetStream *stream)
{
    return stream->cancel;
}

/* ---- the transport ------------------------------------------------------------------------- */

static IoResult ssl_result(NetStream *stream, int result, GError **error)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return IO_END;
    case SSL_ERROR_SYSCALL:
        g_set_error(error, NET_ERROR, NET_ERROR_IO, "%s: the connection broke: %s", stream->name,
                    errno != 0 ? g_strerror(errno) : "it ended in the middle of TLS");
        return IO_FAILED;
    default: {
        /* A peer that closes without close_notify is common; whoever reads knows by the protocol
         * whether anything was cut off. */
        unsigned long code = ERR_peek_error();
        if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return IO_END;
        g_set_error(error, NET_ERROR, NET_ERROR_IO, "%s: TLS failed: %s", stream->name,
                    ERR_reason_error_string(code) ? ERR_reason_error_string(code)
                                                  : "unknown reason");
        return IO_FAILED;
    }
    }
}

static IoResult socket_result(NetStream *stream, IoResult would_block, GError **error)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return would_block;
    g_set_error(error, NET_ERROR, NET_ERROR_IO, "%s: the connection broke: %s", stream->name,
                g_strerror(errno));
    return IO_FAILED;
}

static IoResult transport_read(NetStream *stream, void *buffer, gsize length, gsize *got,
                               GError **error)
{
    if (stream->ssl != NULL) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_read(stream->ssl, buffer, (int)MIN(length, G_MAXINT));
        if (n <= 0)
            return ssl_result(stream, n, error);
        *got = (gsize)n;
    } else {
        ssize_t n = recv(stream->fd, buffer, length, 0);
        if (n == 0)
            return IO_END;
        if (n < 0)
            return socket_result(stream, IO_WANT_READ, error);
        *got = (gsize)n;
    }
    stream->received += *got;
    stream->prove_by = 0;
    return IO_DONE;
}

static IoResult transport_write(NetStream *stream, const void *data, gsize length, gsize *put,
                                GError **error)
{
    if (stream->ssl != NULL) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_write(stream->ssl, data, (int)MIN(length, G_MAXINT));
        if (n <= 0)
            return ssl_result(stream, n, error);
        *put = (gsize)n;
    } else {
        ssize_t n = send(stream->fd, data, length, MSG_NOSIGNAL);
        if (n < 0)
            return socket_result(stream, IO_WANT_WRITE, error);
        *put = (gsize)n;
    }
    stream->sent += *put;
    return IO_DONE;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Clears an eventfd that has been written to. */
static void clear_event(int fd)
{
    guint64 count;
    ssize_t ignored = read(fd, &count, sizeof count);
    (void)ignored;
}

/* There is a doubt: from now on something has to come. An earlier one isn't put off. */
static void begin_proof(NetStream *stream)
{
    /* First, so that a doubt that comes now is seen the next time. */
    clear_event(stream->doubt_fd);
    guint seconds = PROVE_SECONDS[net_cancel_doubted(stream->cancel)];
    gint64 until = g_get_monotonic_time() + MAX(seconds, stream->patience) * G_USEC_PER_SEC;

    if (!stream->prove_by || until < stream->prove_by)
        stream->prove_by = until;
}

/*
 * One poll() over socket, cancellation, doubts and (unless -1) wake_fd. A set of NetWait, where
 * NET_READABLE means that the socket is ready for `events`, and NET_WOKEN may be a doubt; -1 when
 * cancelled.
 */
static int wait_for(NetStream *stream, short events, int wake_fd, int timeout_ms, GError **error)
{
    struct pollfd fds[4] = {
        {.fd = stream->fd, .events = events},
        {.fd = stream->closing ? -1 : net_cancel_fd(stream->cancel), .events = POLLIN},
        {.fd = wake_fd, .events = POLLIN},
        {.fd = stream->closing ? -1 : stream->doubt_fd, .events = POLLIN},
    };
    int n;
    do
        n = poll(fds, 4, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (fds[1].revents != 0) {
        g_set_error(error, NET_ERROR, NET_ERROR_CANCELLED, "%s: cancelled", stream->name);
        return -1;
    }
    if (n == 0)
        return NET_TIMED_OUT;
    int result = fds[0].revents != 0 ? NET_READABLE : 0;
    if (fds[2].revents != 0) {
        clear_event(wake_fd);
        result |= NET_WOKEN;
    }
    if (fds[3].revents != 0) {
        begin_proof(stream);
        result |= NET_WOKEN;
    }
    return result;
}

/* `timeout_ms` (-1: for ever), or what the deadline leaves of it. */
static int within_deadline(NetStream *stream, int timeout_ms)
{
    if (!stream->deadline || stream->closing)
        return timeout_ms;
    gint64 left = (stream->deadline - g_get_monotonic_time() + 999) / 1000;
    left = CLAMP(left, 0, G_MAXINT);
    return timeout_ms < 0 ? (int)left : MIN(timeout_ms, (int)left);
}

/* Whoever never waits, because there is always something to read, has a deadline as well. */
static gboolean check_deadline(NetStream *stream, GError **error)
{
    if (!stream->deadline || stream->closing || g_get_monotonic_time() < stream->deadline)
        return TRUE;
    g_set_error(error, NET_ERROR, NET_ERROR_TIMEOUT, "%s took too long", stream->name);
    return FALSE;
}

/* `timeout_ms` (-1: for ever), or what is left to prove that somebody is there. */
static int within_proof(NetStream *stream, int timeout_ms)
{
    if (!stream->prove_by || stream->closing)
        return timeout_ms;
    gint64 left = (stream->prove_by - g_get_monotonic_time() + 999) / 1000;
    left = CLAMP(left, 0, G_MAXINT);
    return timeout_ms < 0 ? (int)left : MIN(timeout_ms, (int)left);
}

/* Nothing happened for as long as it may. */
static gboolean timed_out(NetStream *stream, guint seconds, GError **error)
{
    gint64 now = g_get_monotonic_time();

    if (!check_deadline(stream, error))
        return FALSE;
    if (stream->prove_by && !stream->closing && now >= stream->prove_by)
        g_set_error(error, NET_ERROR, NET_ERROR_STALE, "%s doesn't answer any more", stream->name);
    else
        g_set_error(error, NET_ERROR, NET_ERROR_TIMEOUT, "%s: no answer for %u seconds",
                    stream->name, seconds);
    return FALSE;
}

/* Waits until the transport can go on after `result`; FALSE when cancelled or after the timeout. */
static gboolean wait_transport(NetStream *stream, IoResult result, GError **error)
{
    short events = result == IO_WANT_READ ? POLLIN : POLLOUT;
    guint seconds = stream->closing ? CLOSE_TIMEOUT : stream->timeout;
    int timeout = within_deadline(stream, seconds > 0 ? (int)(seconds * 1000) : -1);
    int ready = wait_for(stream, events, -1, within_proof(stream, timeout), error);
    if (ready < 0)
        return FALSE;
    if (ready == NET_TIMED_OUT)
        return timed_out(stream, seconds, error);
    /* There is room for more, so the other side has taken what filled it. */
    if (events == POLLOUT && (ready & NET_READABLE))
        stream->prove_by = 0;
    return TRUE;
}

static gboolean closed_error(NetStream *stream, GError **error)
{
    g_set_error(error, NET_ERROR, NET_ERROR_CLOSED, "%s closed the connection", stream->name);
    return FALSE;
}

gboolean net_stream_is_gone(NetStream *stream)
{
    struct pollfd fd = {.fd = stream->fd};

    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR)) != 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Nobody's mail is compressed to less than a hundredth; the first octets are free. */
static gboolean grows_without_measure(const z_stream *in)
{
    return in->total_out > INFLATE_FREE && in->total_out / INFLATE_RATIO > in->total_in;
}

/* Inflates what was received before; IO_WANT_READ when more has to be received first. */
static IoResult inflate_pending(NetStream *stream, void *buffer, gsize length, gsize *got,
                                GError **error)
{
    Deflate *deflate = stream->deflate;
    deflate->in.next_in = deflate->raw + deflate->raw_start;
    deflate->in.avail_in = (uInt)(deflate->raw_end - deflate->raw_start);
    deflate->in.next_out = buffer;
    deflate->in.avail_out = (uInt)MIN(length, G_MAXUINT32 / 2);
    uInt before = deflate->in.avail_out;
    int result = inflate(&deflate->in, Z_SYNC_FLUSH);
    deflate->raw_start = deflate->raw_end - deflate->in.avail_in;
    *got = before - deflate->in.avail_out;
    if (grows_without_measure(&deflate->in)) {
        g_set_error(error, NET_ERROR, NET_ERROR_IO,
                    "%s sends compressed data that grows without measure", stream->name);
        return IO_FAILED;
    }
    if (*got > 0)
        return IO_DONE;
    if (result == Z_STREAM_END)
        return IO_END;
    if (result == Z_OK || result == Z_BUF_ERROR)
        return IO_WANT_READ;
    g_set_error(error, NET_ERROR, NET_ERROR_IO, "%s sends data that can't be decompressed",
                stream->name);
    return IO_FAILED;
}

/* One attempt at getting bytes for the protocol, through whatever layers there are. */
static IoResult layer_read(NetStream *stream, void *buffer, gsize length, gsize *got,
                           GError **error)
{
    Deflate *deflate = stream->deflate;
    if (deflate == NULL)
        return transport_read(stream, buffer, length, got, error);
    for (;;) {
        IoResult result = inflate_pending(stream, buffer, length, got, error);
        if (result != IO_WANT_READ)
            return result;
        result = transport_read(stream, deflate->raw, INPUT_SIZE, got, error);
        if (result != IO_DONE)
            return result;
        deflate->raw_start = 0;
        deflate->raw_end = *got;
    }
}

/* Reads until there is something, straight into `buffer`; 0 after CLOSED or another failure. */
static gsize read_some(NetStream *stream, void *buffer, gsize length, GError **error)
{
    gsize got = 0;
    if (!stream->closing && net_cancel_triggered(stream->cancel)) {
        g_set_error(error, NET_ERROR, NET_ERROR_CANCELLED, "%s: cancelled", stream->name);
        return 0;
    }
    while (!stream->ended) {
        if (!check_deadline(stream, error))
            return 0;
        IoResult result = layer_read(stream, buffer, length, &got, error);
        if (result == IO_DONE)
            return got;
        if (result == IO_FAILED)
            return 0;
        if (result == IO_END)
            stream->ended = TRUE;
        else if (!wait_transport(stream, result, error))
            return 0;
    }
    closed_error(stream, error);
    return 0;
}

/* Makes room for at least one more byte in the input buffer, at most `limit` bytes in all. */
static gboolean make_room(NetStream *stream, gsize limit)
{
    if (stream->in == NULL) {
        stream->in_size = INPUT_SIZE;
        stream->in = g_malloc(stream->in_size);
        stream->in_start = stream->in_end = 0;
    }
    if (stream->in_start == stream->in_end) {
        wipe_input(stream);
        stream->in_start = stream->in_end = 0;
    }
    if (stream->in_end < stream->in_size)
        return TRUE;
    if (stream->in_start > 0) {
        memmove(stream->in, stream->in + stream->in_start, stream->in_end - stream->in_start);
        stream->in_end -= stream->in_start;
        stream->in_start = 0;
        return TRUE;
    }
    if (stream->in_size >= limit)
        return FALSE;
    gsize size = MIN(stream->in_size * 2, MAX(limit, INPUT_SIZE));
    guint8 *larger = g_malloc(size);
    memcpy(larger, stream->in, stream->in_end);
    gsize used = stream->in_end;
    wipe_input(stream);
    g_free(stream->in);
    stream->in = larger;
    stream->in_size = size;
    stream->in_used = used;
    return TRUE;
}

/* Adds to the input buffer, waiting for it. */
static gboolean fill(NetStream *stream, gsize limit, GError **error)
{
    if (!make_room(stream, limit)) {
        g_set_error(error, NET_ERROR, NET_ERROR_TOO_LONG,
                    "%s: more than %" G_GSIZE_FORMAT " bytes without an end", stream->name, limit);
        return FALSE;
    }
    gsize got =
        read_some(stream, stream->in + stream->in_end, stream->in_size - stream->in_end, error);
    stream->in_end += got;
    stream->in_used = MAX(stream->in_used, stream->in_end);
    return got > 0;
}

/* Reads up to `length` bytes, at least one; 0 never: the end of the stream is NET_ERROR_CLOSED. -1
 * on failure. */
static gssize read_available(NetStream *stream, void *buffer, gsize length, GError **error)
{
    gsize buffered = stream->in_end - stream->in_start;
    if (buffered == 0) {
        gsize got = read_some(stream, buffer, length, error);
        return got > 0 ? (gssize)got : -1;
    }
    gsize n = MIN(buffered, length);
    memcpy(buffer, stream->in + stream->in_start, n);
    stream->in_start += n;
    return (gssize)n;
}

gboolean net_stream_read_exact(NetStream *stream, void *buffer, gsize length, GError **error)
{
    guint8 *at = buffer;
    while (length > 0) {
        gssize n = read_available(stream, at, length, error);
        if (n < 0)
            return FALSE;
        at += n;
        length -= (gsize)n;
    }
    return TRUE;
}

/* Throws away input up to and with the next line end, as far as it is buffered. */
static void skip_buffered(NetStream *stream)
{
    guint8 *start = stream->in + stream->in_start;
    gsize length = stream->in_end - stream->in_start;
    guint8 *end = length > 0 ? memchr(start, '\n', length) : NULL;
    stream->in_start = end != NULL ? (gsize)(end + 1 - stream->in) : stream->in_end;
    stream->skip_line = end == NULL;
}

gboolean net_stream_skip_line(NetStream *stream, GError **error)
{
    while (stream->skip_line) {
        if (!net_stream_pending(stream) && !fill(stream, INPUT_SIZE, error))
            return FALSE;
        skip_buffered(stream);
    }
    return TRUE;
}

static gboolean too_long(NetStream *stream, gsize limit, GError **error)
{
    skip_buffered(stream);
    g_set_error(error, NET_ERROR, NET_ERROR_TOO_LONG,
                "%s: a line of more than %" G_GSIZE_FORMAT " bytes", stream->name, limit);
    return FALSE;
}

/* Takes a whole line of `n` octets, its end not counted, that is followed by LF. */
static const char *take_line(NetStream *stream, gsize n, gsize *length)
{
    guint8 *start = stream->in + stream->in_start;
    stream->in_start += n + 1;
    if (n > 0 && start[n - 1] == '\r')
        n--;
    start[n] = '\0'; /* over its CR or LF */
    *length = n;
    return (const char *)start;
}

/* Buffers up to `limit` octets of a line and its end. TRUE: it is there, with *n octets before its
 * LF. FALSE and no error: it is longer. */
static gboolean find_line(NetStream *stream, gsize limit, gsize *n, GError **error)
{
    gsize searched = 0;
    for (;;) {
        gsize available = stream->in_end - stream->in_start;
        guint8 *start = available > 0 ? stream->in + stream->in_start : NULL;
        guint8 *end =
            available > searched ? memchr(start + searched, '\n', available - searched) : NULL;
        if (end != NULL) {
            *n = (gsize)(end - start);
            return *n - (*n > 0 && end[-1] == '\r') <= limit;
        }
        if (available > limit + 1)
            return FALSE;
        searched = available;
        if (!fill(stream, limit + 2, error))
            return FALSE;
    }
}

const char *net_stream_read_line(NetStream *stream, gsize limit, gsize *length, GError **error)
{
    GError *failure = NULL;
    gsize n, ignored;
    if (!net_stream_skip_line(stream, error))
        return NULL;
    if (find_line(stream, limit, &n, &failure))
        return take_line(stream, n, length != NULL ? length : &ignored);
    if (failure != NULL)
        g_propagate_error(error, failure);
    else
        too_long(stream, limit, error);
    return NULL;
}

/* Drops `count` octets that stand `at` octets behind the start of the input. */
static void drop_middle(NetStream *stream, gsize at, gsize count)
{
    guint8 *from = stream->in + stream->in_start + at;
    memmove(from, from + count, stream->in_end - stream->in_start - at - count);
    stream->in_end -= count;
}

/* More than `limit` octets of a line are buffered: goes on to its end, keeping the first `limit`
 * and the last of it. */
static const char *cut_line(NetStream *stream, gsize limit, gsize *length, GError **error)
{
    gsize searched = limit;
    for (;;) {
        gsize available = stream->in_end - stream->in_start;
        guint8 *start = stream->in + stream->in_start;
        guint8 *end = memchr(start + searched, '\n', available - searched);
        gsize line = end != NULL ? (gsize)(end - start) : available;
        gsize tail = NET_LINE_TAIL + (end != NULL && line > 0 && end[-1] == '\r');
        if (line > limit + tail)
            drop_middle(stream, limit, line - limit - tail);
        if (end != NULL)
            return take_line(stream, MIN(line, limit + tail), length);
        searched = stream->in_end - stream->in_start;
        if (!fill(stream, NET_CUT_LINE(limit) + INPUT_SIZE, error))
            return NULL;
    }
}

/* A line that is just a little longer, so that nothing had to be dropped, is as long as it is. */
const char *net_stream_read_line_cut(NetStream *stream, gsize limit, gsize *length, GError **error)
{
    GError *failure = NULL;
    gsize n;
    if (!net_stream_skip_line(stream, error))
        return NULL;
    if (find_line(stream, limit, &n, &failure))
        return take_line(stream, n, length);
    if (failure == NULL)
        return cut_line(stream, limit, length, error);
    g_propagate_error(error, failure);
    return NULL;
}

const char *net_stream_peek(NetStream *stream, gsize *length, GError **error)
{
    if (stream->in_start == stream->in_end && !fill(stream, INPUT_SIZE, error))
        return NULL;
    *length = stream->in_end - stream->in_start;
    return (const char *)stream->in + stream->in_start;
}

void net_stream_consume(NetStream *stream, gsize length)
{
    g_assert(length <= stream->in_end - stream->in_start);
    stream->in_start += length;
}

gboolean net_stream_pending(NetStream *stream)
{
    return stream->in_start < stream->in_end;
}

/* Buffers input if there is some, without waiting: TRUE when there is something to read, or the
 * end. */
static gboolean try_fill(NetStream *stream, GError **error)
{
    gsize got = 0;
    make_room(stream, INPUT_SIZE);
    IoResult result = layer_read(stream, stream->in + stream->in_end,
                                 stream->in_size - stream->in_end, &got, error);
    stream->in_end += got;
    stream->in_used = MAX(stream->in_used, stream->in_end);
    if (result == IO_END)
        stream->ended = TRUE;
    return result == IO_DONE || result == IO_END;
}

/* An idle stream holds no buffers: 250 sessions mostly wait. */
static void release_buffers(NetStream *stream)
{
    if (stream->in_start == stream->in_end) {
        wipe_input(stream);
        g_clear_pointer(&stream->in, g_free);
    }
    if (stream->out_length == 0) {
        wipe_output(stream);
        g_clear_pointer(&stream->out, g_free);
    }
    if (stream->in == NULL)
        stream->in_start = stream->in_end = stream->in_size = 0;
}

/* ms from now until `end`, in ms of the monotonic clock. MAX() around the clock would read it twice,
 * and what passed in between makes -1 of it: for ever. */
static int ms_until(gint64 end)
{
    gint64 left = end - g_get_monotonic_time() / 1000;

    return (int)MAX(left, 0);
}

int net_stream_wait(NetStream *stream, int wake_fd, int timeout_ms, GError **error)
{
    if (!net_stream_flush(stream, error))
        return -1;
    gint64 end = timeout_ms >= 0 ? g_get_monotonic_time() / 1000 + timeout_ms : 0;
    for (;;) {
        GError *failure = NULL;
        if (net_stream_pending(stream) || stream->ended || try_fill(stream, &failure))
            return NET_READABLE;
        if (failure != NULL) {
            g_propagate_error(error, failure);
            return -1;
        }
        release_buffers(stream);
        int left = timeout_ms < 0 ? -1 : ms_until(end);
        left = within_deadline(stream, left);
        int ready = wait_for(stream, POLLIN, wake_fd, left, error);
        if (ready < 0 || ready == NET_TIMED_OUT || (ready & NET_WOKEN) != 0)
            return ready < 0 ? ready : ready & ~NET_READABLE;
    }
}

/* ---- writing ------------------------------------------------------------------------------- */

static gboolean write_transport(NetStream *stream, const guint8 *data, gsize length, GError **error)
{
    while (length > 0) {
        gsize put = 0;
        IoResult result = transport_write(stream, data, length, &put, error);
        if (result == IO_FAILED)
            return FALSE;
        if (result == IO_END)
            return closed_error(stream, error);
        if (result != IO_DONE && !wait_transport(stream, result, error))
            return FALSE;
        data += put;
        length -= put;
    }
    return TRUE;
}

static gboolean write_deflated(NetStream *stream, const guint8 *data, gsize length, int flush,
                               GError **error)
{
    guint8 compressed[8192];
    z_stream *out = &stream->deflate->out;
    out->next_in = (guint8 *)data;
    out->avail_in = (uInt)length;
    do {
        out->next_out = compressed;
        out->avail_out = sizeof compressed;
        deflate(out, flush);
        if (!write_transport(stream, compressed, sizeof compressed - out->avail_out, error))
            return FALSE;
    } while (out->avail_out == 0);
    return TRUE;
}

/* Sends `data` past the buffer. */
static gboolean write_layer(NetStream *stream, const guint8 *data, gsize length, int flush,
                            GError **error)
{
    if (!stream->closing && net_cancel_triggered(stream->cancel)) {
        g_set_error(error, NET_ERROR, NET_ERROR_CANCELLED, "%s: cancelled", stream->name);
        return FALSE;
    }
    if (stream->deflate == NULL)
        return write_transport(stream, data, length, error);
    while (length > G_MAXINT32) {
        if (!write_deflated(stream, data, G_MAXINT32, Z_NO_FLUSH, error))
            return FALSE;
        data += G_MAXINT32;
        length -= G_MAXINT32;
    }
    return write_deflated(stream, data, length, flush, error);
}

static gboolean send_buffer(NetStream *stream, int flush, GError **error)
{
    if (stream->out_length == 0)
        return TRUE;
    gsize length = stream->out_length;
    stream->out_length = 0;
    gboolean ok = write_layer(stream, stream->out, length, flush, error);
    wipe_output(stream);
    return ok;
}

gboolean net_stream_flush(NetStream *stream, GError **error)
{
    return send_buffer(stream, Z_SYNC_FLUSH, error);
}

gboolean net_stream_write(NetStream *stream, const void *data, gsize length, GError **error)
{
    if (stream->out_length + length > OUTPUT_SIZE && !send_buffer(stream, Z_NO_FLUSH, error))
        return FALSE;
    if (length >= OUTPUT_SIZE)
        return write_layer(stream, data, length, Z_SYNC_FLUSH, error);
    if (stream->out == NULL)
        stream->out = g_malloc(OUTPUT_SIZE);
    memcpy(stream->out + stream->out_length, data, length);
    stream->out_length += length;
    stream->out_used = MAX(stream->out_used, stream->out_length);
    return TRUE;
}

gboolean net_stream_puts(NetStream *stream, const char *text, GError **error)
{
    return net_stream_write(stream, text, strlen(text), error);
}

gboolean net_stream_printf(NetStream *stream, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    gboolean ok = net_stream_puts(stream, text, error);
    explicit_bzero(text, strlen(text));
    return ok;
}

void net_stream_close(NetStream *stream)
{
    stream->closing = TRUE;
    if (net_stream_flush(stream, NULL) && stream->ssl != NULL &&
        SSL_is_init_finished(stream->ssl)) {
        ERR_clear_error();
        SSL_shutdown(stream->ssl);
    }
    shutdown(stream->fd, SHUT_RDWR);
    stream->ended = TRUE;
}

/* ---- TLS, compression ---------------------------------------------------------------------- */

static gboolean handshake(NetStream *stream, SSL_CTX *context, const char *host,
                          const char *protocol, GError **error)
{
    if (net_stream_pending(stream)) {
        g_set_error(
            error, NET_ERROR, NET_ERROR_TLS,
            "%s sent data in the clear where TLS was to begin: someone may be tampering with the "
            "connection",
            stream->name);
        return FALSE;
    }
    if (!net_stream_flush(stream, error))
        return FALSE;
    stream->ssl = SSL_new(context);
    SSL_set_fd(stream->ssl, stream->fd);
    if (host != NULL)
        net_tls_expect_host(stream->ssl, host);
    SSL_set_app_data(stream->ssl, (void *)protocol);
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int result = host != NULL ? SSL_connect(stream->ssl) : SSL_accept(stream->ssl);
        if (result == 1)
            return TRUE;
        int reason = SSL_get_error(stream->ssl, result);
        if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) {
            net_tls_handshake_error(stream->ssl, stream->name, host, error);
            return FALSE;
        }
        if (!wait_transport(stream, reason == SSL_ERROR_WANT_READ ? IO_WANT_READ : IO_WANT_WRITE,
                            error))
            return FALSE;
    }
}

gboolean net_stream_start_tls(NetStream *stream, NetTlsClient *tls, const char *host,
                              GError **error)
{
    return handshake(stream, net_tls_client_context(tls), host, NULL, error);
}

gboolean net_stream_accept_tls(NetStream *stream, NetTlsServer *tls, const char *protocol,
                               GError **error)
{
    return handshake(stream, net_tls_server_context(tls), NULL, protocol, error);
}

gboolean net_stream_is_tls(NetStream *stream)
{
    return stream->ssl != NULL;
}

gboolean net_stream_start_deflate(NetStream *stream, GError **error)
{
    if (!net_stream_flush(stream, error))
        return FALSE;
    Deflate *deflate = g_new0(Deflate, 1);
    deflate->raw = g_malloc(INPUT_SIZE);
    if (inflateInit2(&deflate->in, -MAX_WBITS) != Z_OK ||
        deflateInit2(&deflate->out, 3, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        g_error("zlib: out of memory");
    /* What was read ahead is compressed already: the other side began right after its answer. */
    gsize ahead = stream->in_end - stream->in_start;
    if (ahead > 0) {
        deflate->raw = g_realloc(deflate->raw, MAX(ahead, INPUT_SIZE));
        memcpy(deflate->raw, stream->in + stream->in_start, ahead);
        deflate->raw_end = ahead;
        stream->in_start = stream->in_end = 0;
    }
    stream->deflate = deflate;
    return TRUE;
}

GBytes *net_stream_channel_binding(NetStream *stream, const char *type)
{
    return stream->ssl != NULL ? net_tls_channel_binding(stream->ssl, type) : NULL;
}
