/* SPDX-License-Identifier: GPL-3.0-or-later */
/* THREAD (RFC 5256): what headers say of each message, for threads.h. */
#include "daemon/proto/imap/sort-args.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/subject.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/gather.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/threads.h"
#include "daemon/serve/imap/view.h"

#define REFERENCES_MAX 1000

typedef struct {
    ImapSession *session;
    GArray *messages; /* ImapThreadMessage */
    GStringChunk *texts;
    GString *scratch;
} ThreadRun;

/*
 * Reads the next "<id>" at or after *at; without quotes, so that the two ways of writing one
 * compare equal (RFC 5256, 3). NULL: there is none.
 */
static const char *next_id(ThreadRun *run, const char **at, const char *end)
{
    for (;;) {
        const char *open = memchr(*at, '<', (gsize)(end - *at));
        const char *close = open ? memchr(open, '>', (gsize)(end - open)) : NULL;
        if (!close)
            return NULL;
        *at = close + 1;
        g_string_truncate(run->scratch, 0);
        for (const char *c = open + 1; c < close; c++)
            if (*c == '<')
                g_string_truncate(run->scratch, 0);
            else if (*c != '"' && *c != '\\' && !g_ascii_isspace(*c) && *c)
                g_string_append_c(run->scratch, *c);
        if (strchr(run->scratch->str, '@'))
            return g_string_chunk_insert_const(run->texts, run->scratch->str);
    }
}

static const char *first_id(ThreadRun *run, const CacheFetchRow *row, const char *name)
{
    MimeField field;
    if (!mime_header_find(row->header, row->header_length, name, &field))
        return NULL;
    const char *at = field.value;
    return next_id(run, &at, field.value + field.value_length);
}

static GPtrArray *references(ThreadRun *run, const CacheFetchRow *row)
{
    MimeField field;
    const char *id;
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    if (mime_header_find(row->header, row->header_length, "References", &field)) {
        const char *at = field.value;
        while (ids->len < REFERENCES_MAX &&
               (id = next_id(run, &at, field.value + field.value_length)))
            g_ptr_array_add(ids, (char *)id);
    }
    if (!ids->len && (id = first_id(run, row, "In-Reply-To")))
        g_ptr_array_add(ids, (char *)id);
    return ids->len ? g_steal_pointer(&ids) : NULL;
}

static gboolean add_message(const CacheFetchRow *row, gpointer data)
{
    ThreadRun *run = data;
    guint32 uid = row->placement->uid;
    ImapThreadMessage message = {
        .number = run->session->uid ? uid : imap_view_number(run->session->view, uid),
        .sent = row->sent == G_MININT64 ? row->placement->date : row->sent,
        .subject = "",
    };
    MimeField field;
    if (row->header) {
        message.id = first_id(run, row, "Message-ID");
        message.ids = references(run, row);
    }
    if (row->header && mime_header_find(row->header, row->header_length, "Subject", &field)) {
        g_autofree char *subject =
            mime_subject_base(field.value, field.value_length, &message.reply);
        message.subject = g_string_chunk_insert_const(run->texts, subject);
    }
    g_array_append_val(run->messages, message);
    return TRUE;
}

static int compare_numbers(const void *a, const void *b)
{
    guint32 first = ((const ImapThreadMessage *)a)->number;
    guint32 second = ((const ImapThreadMessage *)b)->number;
    return (first > second) - (first < second);
}

static void message_clear(ImapThreadMessage *message)
{
    g_clear_pointer(&message->ids, g_ptr_array_unref);
}

typedef void (*ThreadFunc)(const GArray *messages, GString *out);

static void thread_messages(ImapSession *session, const ImapSearchKey *key, ThreadFunc func)
{
    g_auto(ImapFound) found = {0};
    if (!imap_search_run(session, key, &found))
        return;
    ThreadRun run = {
        .session = session,
        .messages = g_array_new(FALSE, FALSE, sizeof(ImapThreadMessage)),
        .texts = g_string_chunk_new(65536),
        .scratch = g_string_new(NULL),
    };
    g_array_set_clear_func(run.messages, (GDestroyNotify)message_clear);
    if (imap_gather(session, found.uids, CACHE_FETCH_HEADER | CACHE_FETCH_SENT, add_message,
                    &run)) {
        g_array_sort(run.messages, compare_numbers);
        imap_found_tell_unsearched(session, &found);
        g_string_append(session->out, "* THREAD");
        func(run.messages, session->out);
        g_string_append(session->out, "\r\n");
    }
    g_array_unref(run.messages);
    g_string_chunk_free(run.texts);
    g_string_free(run.scratch, TRUE);
}

void imap_cmd_thread(ImapSession *session, ImapLexer *lexer)
{
    static const ThreadFunc algorithms[] = {
        [IMAP_THREAD_ORDEREDSUBJECT] = imap_threads_ordered_subject,
        [IMAP_THREAD_REFERENCES] = imap_threads_references,
        [IMAP_THREAD_REFS] = imap_threads_refs,
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapThreadArgs) args = imap_thread_args_parse(lexer, &error);
    if (!args)
        imap_reply_error(session, error);
    else
        thread_messages(session, args->key, algorithms[args->algorithm]);
}
