/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Digests of bodies, read in pieces. */
#include "daemon/relay/identity.h"

#include "cache/content.h"
#include "daemon/index/render.h"
#include "daemon/proto/mime/header.h"

#define PIECE (256 * 1024) /* of a message; its header is within the first */

typedef struct {
    GChecksum *sum;
    gboolean begun; /* the empty line that ends the header was read */
    gboolean blank; /* in the header: nothing in this line so far */
    guint64 held;   /* line ends that count if anything follows */
} Body;

static Body *body_new(void)
{
    Body *body = g_new0(Body, 1);

    body->sum = g_checksum_new(G_CHECKSUM_SHA256);
    body->blank = TRUE;
    return body;
}

static char *body_end(Body *body)
{
    char *digest = g_strdup(g_checksum_get_string(body->sum));

    g_checksum_free(body->sum);
    g_free(body);
    return digest;
}

static void add_run(Body *body, const char *text, gsize length)
{
    for (; body->held > 0; body->held--)
        g_checksum_update(body->sum, (const guchar *)"\n", 1);
    g_checksum_update(body->sum, (const guchar *)text, (gssize)length);
}

/* How much of `text` has no line end in it; at least 1 where there is text. */
static gsize run_length(const char *text, gsize length)
{
    gsize i = 0;

    while (i < length && text[i] != '\n' && text[i] != '\r')
        i++;
    return i;
}

static void body_add(Body *body, const char *text, gsize length)
{
    while (length > 0) {
        gsize run = run_length(text, length);
        if (run > 0) {
            if (body->begun)
                add_run(body, text, run);
            body->blank = FALSE;
        } else {
            run = 1;
            if (*text == '\n' && body->begun)
                body->held++;
            if (*text == '\n') {
                body->begun |= body->blank;
                body->blank = TRUE;
            }
        }
        text += run;
        length -= run;
    }
}

void relay_identity_clear(RelayIdentity *identity)
{
    g_clear_pointer(&identity->message_id, g_free);
    g_clear_pointer(&identity->digest, g_free);
}

gboolean relay_identity_read(Queue *queue, const QueueEntry *entry, RelayIdentity *identity,
                             GError **error)
{
    Body *body = body_new();
    gboolean ok = TRUE;

    for (guint64 offset = 0; offset < entry->size && ok;) {
        gsize length = 0;
        g_autoptr(GBytes) piece = queue_read(queue, entry->id, offset, PIECE, error);
        const char *text = piece ? g_bytes_get_data(piece, &length) : NULL;
        if (text && offset == 0)
            identity->message_id = render_message_id(text, mime_header_length(text, length));
        ok = length > 0;
        if (piece && !ok)
            g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_CORRUPT,
                                "The message is shorter than it was");
        body_add(body, text, length);
        offset += length;
    }
    identity->digest = body_end(body);
    return ok;
}

char *relay_identity_digest(CacheTxn *txn, gint64 message, GError **error)
{
    if (cache_content_state(txn, message) != CACHE_CONTENT_FULL)
        return NULL;
    Body *body = body_new();
    for (guint64 offset = 0;;) {
        gsize length = 0;
        g_autoptr(GBytes) piece = cache_content_read(txn, message, offset, PIECE, error);
        const char *text = piece ? g_bytes_get_data(piece, &length) : NULL;
        if (!piece) {
            g_free(body_end(body));
            return NULL;
        }
        body_add(body, text, length);
        if (length < PIECE)
            return body_end(body);
        offset += length;
    }
}
