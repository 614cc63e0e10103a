/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * APPEND (RFC 3501, 6.3.11; MULTIAPPEND, RFC 3502; CATENATE, RFC 4469) and REPLACE (RFC 8508), with
 * APPENDUID (RFC 4315). A message is in memory once, while it arrives; then it is compressed and
 * out of the way. The pieces that a message is to be put together of wait for the end of the
 * command.
 */
#include "daemon/serve/imap/append.h"

#include "cache/change.h"
#include "cache/folder.h"
#include "daemon/index/render.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/intern.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/uidplus.h"
#include "daemon/serve/imap/url-content.h"
#include "daemon/serve/imap/view.h"

#include <time.h>

typedef struct {
    CacheContentWriter *writer;
    CacheRendered rendered;
} Message;

struct ImapAppend {
    gint64 folder;
    guint32 uidvalidity;
    gboolean readable;
    GPtrArray *messages;  /* Message; as many as the command has got to, and in its order */
    GPtrArray *pieces;    /* GBytes: literals of CATENATE, in the order they came */
    guint64 piece_octets; /* in all of them */
    guint used;           /* how many are in messages */
    GError *error;        /* why the command fails, known before it was complete */
    gboolean nul;         /* a literal8 held one */
    gboolean too_big;     /* the pieces of CATENATE are */
};

static void message_free(Message *message)
{
    g_clear_pointer(&message->writer, cache_content_writer_free);
    cache_rendered_clear(&message->rendered);
    g_free(message);
}

void imap_append_clear(ImapSession *session)
{
    ImapAppend *append = g_steal_pointer(&session->append);
    if (!append)
        return;
    g_ptr_array_unref(append->messages);
    g_ptr_array_unref(append->pieces);
    g_clear_error(&append->error);
    g_free(append);
}

/* ---- while it arrives ------------------------------------------------------------------------ */

static void reply_no_target(ImapSession *session, const GError *error)
{
    imap_reply_error(session, error);
    if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND))
        g_string_assign(session->code, "TRYCREATE");
}

static gboolean open_target(ImapSession *session, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &error);
    g_autoptr(CacheFolder) folder = txn ? imap_rights_find(session, txn, name, &error) : NULL;
    if (!folder) {
        reply_no_target(session, error);
        return FALSE;
    }
    if (!folder->selectable) {
        imap_reply(session, IMAP_NO, "TRYCREATE", "It holds mailboxes, but no mail");
        return FALSE;
    }
    session->append = g_new0(ImapAppend, 1);
    session->append->folder = folder->id;
    session->append->uidvalidity = folder->uidvalidity;
    session->append->readable = (cache_folder_rights(folder) & CACHE_RIGHT_READ) != 0;
    session->append->messages = g_ptr_array_new_with_free_func((GDestroyNotify)message_free);
    session->append->pieces = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return TRUE;
}

static gboolean is_utf8_enabled(ImapSession *session, const ImapAppendArgs *args)
{
    const ImapAppendMessage *message = args->messages->pdata[args->messages->len - 1];
    if (!message->utf8 || (session->enabled & IMAP_ENABLED_UTF8))
        return TRUE;
    imap_reply(session, IMAP_BAD, NULL, "ENABLE UTF8=ACCEPT first"); /* RFC 6855, 4 */
    return FALSE;
}

/* Keeps the octets of message number `index` of the command, compressed. */
static void write_message(ImapSession *session, guint index, const char *octets, gsize size)
{
    ImapAppend *append = session->append;
    while (append->messages->len <= index)
        g_ptr_array_add(append->messages, g_new0(Message, 1));
    Message *message = append->messages->pdata[index];
    message->writer = cache_content_writer_new(session->account->cache);
    if (size == 0)
        g_set_error(&append->error, CACHE_ERROR, CACHE_ERROR_INVALID, "A message can't be empty");
    else if (memchr(octets, 0, size)) {
        /* RFC 3516, 4.4: a server need not keep what only binary transport could bring upstream. */
        append->nul = TRUE;
        g_set_error(&append->error, CACHE_ERROR, CACHE_ERROR_INVALID,
                    "There is a NUL in the message: encode that part as base64");
    } else if (cache_content_writer_add(message->writer, octets, size, &append->error)) {
        cache_content_writer_end(message->writer);
        render_message(octets, size, TRUE, &message->rendered);
    }
}

static void refuse_too_big(ImapSession *session)
{
    imap_reply_printf(session, IMAP_NO, "TOOBIG",
                      "A message may have %" G_GUINT64_FORMAT " octets here",
                      session->limits->message);
}

/* All pieces of the command together are no more than one message may be. */
static gboolean add_piece(ImapSession *session, char *octets, gsize size)
{
    ImapAppend *append = session->append;
    g_ptr_array_add(append->pieces, g_bytes_new_take(octets, size));
    append->piece_octets += size;
    return append->piece_octets <= session->limits->message;
}

/* Octets that have been read, of a message that may have been refused by now. */
static void receive_octets(ImapSession *session, const ImapAppendArgs *args, char **octets,
                           gsize size)
{
    ImapAppend *append = session->append;
    const ImapAppendMessage *message = args->messages->pdata[args->messages->len - 1];
    if (append->error || append->too_big)
        return;
    if (!message->catenate)
        write_message(session, args->messages->len - 1, *octets, size);
    else if (!add_piece(session, g_steal_pointer(octets), size))
        append->too_big = TRUE;
}

ImapFeed imap_append_receive(ImapSession *session)
{
    g_autoptr(GError) error = NULL;
    const ImapAppendArgs *args = imap_assembler_append(session->assembler);
    const ImapLiteral *literal = imap_assembler_literal(session->assembler);
    gsize size = (gsize)literal->size;
    if ((!session->append && !open_target(session, args->mailbox)) ||
        !is_utf8_enabled(session, args))
        return imap_assembler_refuse(session->assembler);
    g_autofree char *octets = g_try_malloc(size + 1);
    if (!octets) {
        imap_reply(session, IMAP_NO, "LIMIT", "There is not enough memory for that message now");
        return imap_assembler_refuse(session->assembler);
    }
    if (literal->sync) {
        g_string_append(session->out, "+ OK\r\n");
        if (!imap_session_flush(session))
            return IMAP_FEED_MESSAGE;
    }
    if (size && !net_stream_read_exact(session->stream, octets, size, &error)) {
        imap_session_fail(session, error);
        return IMAP_FEED_MESSAGE;
    }
    receive_octets(session, args, &octets, size);
    imap_assembler_literal_streamed(session->assembler);
    return IMAP_FEED_MESSAGE;
}

/* ---- when it is complete --------------------------------------------------------------------- */

static ImapDateTime now(void)
{
    ImapDateTime date = {g_get_real_time() / G_USEC_PER_SEC, 0};
    time_t seconds = (time_t)date.time;
    struct tm local;
    if (localtime_r(&seconds, &local))
        date.zone = (gint32)(local.tm_gmtoff / 60);
    return date;
}

static gboolean append_one(CacheTxn *txn, const ImapAppend *append, const ImapAppendMessage *args,
                           Message *message, GArray *uids, GError **error)
{
    CacheFlags flags;
    ImapDateTime date = args->has_date ? args->date : now();
    if (!imap_intern_flags(txn, args->flags, &flags, error))
        return FALSE;
    guint32 uid = cache_append(txn, append->folder, message->writer, &message->rendered,
                               (CacheAppend){flags, date.time, (gint16)date.zone}, error);
    g_array_append_val(uids, uid);
    return uid != 0;
}

/* All or none (RFC 3502), in one transaction; so is the expunge of what REPLACE replaces. */
static gboolean append_all(ImapSession *session, const ImapAppendArgs *args, guint32 replaced,
                           GArray *uids, GError **error)
{
    const ImapAppend *append = session->append;
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_WRITE_FULL, error);
    if (!txn)
        return FALSE;
    for (guint i = 0; i < append->messages->len; i++)
        if (!append_one(txn, append, args->messages->pdata[i], append->messages->pdata[i], uids,
                        error))
            return FALSE;
    if (replaced && !cache_expunge(txn, session->view->folder, &replaced, 1, TRUE, NULL, error))
        return FALSE;
    return cache_commit(g_steal_pointer(&txn), error);
}

/* ---- CATENATE (RFC 4469) --------------------------------------------------------------------- */

/* The part's octets; NULL: the answer is set. */
static GBytes *part_octets(ImapSession *session, const ImapAppendPart *part)
{
    g_autoptr(GError) error = NULL;
    ImapAppend *append = session->append;
    if (!part->url)
        return g_bytes_ref(append->pieces->pdata[append->used++]);
    GBytes *octets = imap_url_content(session, part->url, &error);
    if (!octets) {
        g_autofree char *code = imap_url_bad_code(part->url);
        imap_reply(session, IMAP_NO, code, error->message);
    }
    return octets;
}

static gboolean catenate(ImapSession *session, const ImapAppendMessage *message, guint index)
{
    g_autoptr(GString) octets = g_string_new(NULL);
    for (guint i = 0; i < message->parts->len; i++) {
        g_autoptr(GBytes) part =
            part_octets(session, &g_array_index(message->parts, ImapAppendPart, i));
        if (!part)
            return FALSE;
        gsize size = g_bytes_get_size(part);
        if (octets->len + size > session->limits->message) {
            refuse_too_big(session);
            return FALSE;
        }
        g_string_append_len(octets, g_bytes_get_data(part, NULL), (gssize)size);
    }
    write_message(session, index, octets->str, octets->len);
    return TRUE;
}

static gboolean catenate_all(ImapSession *session, const ImapAppendArgs *args)
{
    for (guint i = 0; i < args->messages->len && !session->append->error; i++) {
        const ImapAppendMessage *message = args->messages->pdata[i];
        if (message->catenate && !catenate(session, message, i))
            return FALSE;
    }
    return TRUE;
}

/* Where all of a message is named by URLs, nothing of the command has been looked at before. */
static gboolean arrived(ImapSession *session)
{
    const ImapAppendArgs *args = imap_assembler_append(session->assembler);
    if (!session->append && !open_target(session, args->mailbox))
        return FALSE;
    if (session->append->too_big) {
        refuse_too_big(session);
        return FALSE;
    }
    if (!session->append->error && !catenate_all(session, args))
        return FALSE;
    if (!session->append->error)
        return TRUE;
    imap_reply_error(session, session->append->error);
    if (session->append->nul)
        g_string_assign(session->code, "UNKNOWN-CTE");
    return FALSE;
}

static void run_append(ImapSession *session, guint32 replaced)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    if (!append_all(session, imap_assembler_append(session->assembler), replaced, uids, &error)) {
        reply_no_target(session, error);
        return;
    }
    imap_view_made(session, session->append->folder, uids);
    if (!session->append->readable) { /* RFC 4315, 5: then nothing is said of it */
        imap_reply(session, IMAP_OK, NULL, replaced ? "Replaced." : "Appended.");
        return;
    }
    g_autoptr(GString) code = g_string_new(NULL);
    g_string_printf(code, "APPENDUID %u ", session->append->uidvalidity);
    imap_uidplus_format(uids, code);
    if (replaced) /* RFC 8508, 4.3: before the expunge */
        imap_untagged(session, "OK", code->str, "Replaced");
    else
        imap_reply(session, IMAP_OK, code->str, "Appended.");
}

void imap_cmd_append(ImapSession *session, ImapLexer *lexer)
{
    if (arrived(session))
        run_append(session, 0);
}

/* RFC 8508 */
void imap_cmd_replace(ImapSession *session, ImapLexer *lexer)
{
    const ImapView *view = session->view;
    guint32 number = imap_assembler_append(session->assembler)->replaces;
    guint32 uid = 0;
    if (!arrived(session))
        return;
    if (number == 0 && view->uids->len)
        uid = imap_view_uid(view, view->uids->len - 1);
    else if (session->by_uid && imap_view_number(view, number))
        uid = number;
    else if (!session->by_uid && number && number <= view->uids->len)
        uid = imap_view_uid(view, number - 1);
    if (uid)
        run_append(session, uid);
    else
        imap_reply(session, session->by_uid ? IMAP_NO : IMAP_BAD, NULL, "There is no such message");
}
