/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DATA, and BDAT (RFC 3030): a message is read to its end whatever is wrong with it, then stored or
 * refused. 250 is said once it is on the disk.
 *
 * A message with a CR or an LF alone, or a NUL, is refused: it couldn't be passed on unaltered (RFC
 * 5321, 2.3.8), and servers that disagree on what ends a line, or a text, can be made to see two
 * messages in one. So nothing that Postern passes on can do that to another server.
 */
#include <string.h>

#include "daemon/serve/submission/session.h"

static gboolean refuse_storing(Submission *session, const GError *failure, GError **error)
{
    if (g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_FULL))
        return submission_reply(session, error, 452, "4.3.1",
                                "The disk is full, nothing was kept: %s", failure->message);
    g_warning("submission: a message can't be stored: %s", failure->message);
    return submission_reply(session, error, 451, "4.3.0", "Nothing was kept: %s", failure->message);
}

gboolean submission_queue(Queue *queue, const AccountSettings *settings, QueueEntry *entry,
                          Spool *spool, GError **error)
{
    entry->subject = spool_subject(spool);
    entry->submitted = g_get_real_time() / G_USEC_PER_SEC;
    if (settings->undo_delay > 0)
        entry->send_at = MAX(entry->send_at, entry->submitted + settings->undo_delay);
    spool_complete(spool);
    entry->size = spool->size;
    if (spool->error) {
        g_propagate_error(error, g_error_copy(spool->error));
        return FALSE;
    }
    g_autoptr(GBytes) body =
        spool->fd < 0 ? g_byte_array_free_to_bytes(g_steal_pointer(&spool->memory)) : NULL;
    spool->memory = spool->memory ? spool->memory : g_byte_array_new();
    return queue_add(queue, entry, body, spool->fd, error);
}

static gboolean store(Submission *session, GError **error)
{
    QueueEntry *entry = session->entry;
    g_autoptr(GError) failure = NULL;

    entry->eightbit |= session->reader.eightbit;
    if (!submission_queue(session->daemon->queue, session->account->settings, entry, session->spool,
                          &failure))
        return refuse_storing(session, failure, error);
    return submission_reply(session, error, 250, "2.0.0", "Queued as %" G_GINT64_FORMAT, entry->id);
}

const char *submission_flaw(const SmtpDataReader *reader)
{
    if (reader->bare)
        return "The message has a CR or LF alone; lines must end in CRLF";
    return reader->nul ? "The message has a NUL; send it encoded (base64)" : NULL;
}

/* The message has ended. */
static gboolean finish(Submission *session, GError **error)
{
    const char *flaw = submission_flaw(&session->reader);
    gboolean ok;

    if (session->spool->error)
        ok = refuse_storing(session, session->spool->error, error);
    else if (spool_too_large(session->spool))
        ok = submission_reply(session, error, 552, "5.3.4", "At most %u bytes are taken",
                              SUBMISSION_SIZE_MAX);
    else if (flaw)
        ok = submission_reply(session, error, 550, "5.6.0", "%s", flaw);
    else
        ok = store(session, error);
    submission_reset(session);
    return ok;
}

Spool *submission_spool(Queue *queue, const AccountSettings *settings, const QueueEntry *entry)
{
    const char *address = *entry->sender ? entry->sender : settings->address;
    const char *domain = strrchr(address, '@');

    return spool_new(queue, SUBMISSION_SIZE_MAX, domain ? domain + 1 : "localhost");
}

/* ---- DATA ------------------------------------------------------------------------------------ */

gboolean submission_data(Submission *session, const char *arguments, GError **error)
{
    g_autoptr(GByteArray) text = g_byte_array_new();

    if (!session->entry || session->spool)
        return submission_reply(session, error, 503, "5.5.1", "MAIL and RCPT come before DATA");
    if (session->entry->recipients->len == 0)
        return submission_reply(session, error, 554, "5.5.1", "There is no valid recipient");
    if (!submission_reply(session, error, 354, NULL, "Go ahead, end with CRLF.CRLF") ||
        !net_stream_flush(session->stream, error))
        return FALSE;
    session->spool =
        submission_spool(session->daemon->queue, session->account->settings, session->entry);
    while (!session->reader.done) {
        gsize length;
        const char *piece = net_stream_peek(session->stream, &length, error);
        if (!piece)
            return FALSE;
        g_byte_array_set_size(text, 0);
        net_stream_consume(session->stream, smtp_data_read(&session->reader, piece, length, text));
        spool_add(session->spool, text->data, text->len);
    }
    return finish(session, error);
}

/* ---- BDAT ------------------------------------------------------------------------------------ */

/* The chunk follows at once, wanted or not. */
static gboolean read_chunk(Submission *session, guint64 size, gboolean keep, gboolean last,
                           GError **error)
{
    while (size > 0) {
        gsize length;
        const char *piece = net_stream_peek(session->stream, &length, error);
        if (!piece)
            return FALSE;
        length = MIN(length, size);
        size -= length;
        if (keep) {
            smtp_data_inspect(&session->reader, piece, length, last && size == 0);
            spool_add(session->spool, (const guint8 *)piece, length);
        }
        net_stream_consume(session->stream, length);
    }
    if (keep && last)
        smtp_data_inspect(&session->reader, NULL, 0, TRUE);
    return TRUE;
}

gboolean submission_bdat(Submission *session, const char *arguments, GError **error)
{
    char *end;
    guint64 size = g_ascii_strtoull(arguments, &end, 10);
    gboolean last = g_ascii_strcasecmp(end, " LAST") == 0;

    /* Where the next command begins can't be known then. */
    if (!g_ascii_isdigit(*arguments) || (*end && !last) || size > G_MAXINT32) {
        session->ended = TRUE;
        return submission_reply(session, error, 501, "5.5.4", "BDAT wants a length, perhaps LAST");
    }
    gboolean keep = session->entry && session->entry->recipients->len > 0;
    if (keep && !session->spool)
        session->spool =
            submission_spool(session->daemon->queue, session->account->settings, session->entry);
    if (!read_chunk(session, size, keep, last, error))
        return FALSE;
    gboolean refused;
    if (!submission_refuse_state(session, &refused, error) || refused)
        return refused;
    if (!keep)
        return submission_reply(session, error, 503, "5.5.1", "MAIL and RCPT come before BDAT");
    if (last)
        return finish(session, error);
    return submission_reply(session, error, 250, "2.0.0", "%" G_GUINT64_FORMAT " bytes so far",
                            session->spool->size);
}
