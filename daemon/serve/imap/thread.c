/* SPDX-License-Identifier: GPL-3.0-or-later */
/* THREAD (RFC 5256): what headers say of each message, for threads.h. */
#include "daemon/proto/imap/sort-args.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/keys.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/threads.h"
#include "daemon/serve/imap/view.h"

#include <string.h>

/* What is read of each message. */
enum { DATE, SUBJECT, IDS, KINDS };
static const CacheText kinds[KINDS] = {CACHE_TEXT_SORT_DATE, CACHE_TEXT_SORT_SUBJECT,
                                       CACHE_TEXT_THREAD};

static ImapThreadMessage make_message(ImapSession *session, const ImapKeys *keys, guint index,
                                      GPtrArray *ids)
{
    const ImapKeyRow *row = &g_array_index(keys->rows, ImapKeyRow, index);
    const char *date = imap_keys_text(keys, index, DATE);
    char *at = imap_keys_text(keys, index, IDS);
    ImapThreadMessage message = {
        .number = session->by_uid ? row->uid : imap_view_number(session->view, row->uid),
        .sent = *date ? g_ascii_strtoll(date, NULL, 10) : row->date,
        .subject = imap_keys_text(keys, index, SUBJECT),
        .first_id = ids->len,
    };
    const char *reply = strsep(&at, "\n"), *id = strsep(&at, "\n"), *reference;
    message.reply = *reply == 'R';
    message.id = id && *id ? id : NULL;
    while ((reference = strsep(&at, "\n")))
        g_ptr_array_add(ids, (char *)reference);
    message.n_ids = ids->len - message.first_id;
    return message;
}

typedef void (*ThreadFunc)(const GArray *messages, const GPtrArray *ids, GString *out);

static void thread_messages(ImapSession *session, const ImapSearchKey *key, ThreadFunc func)
{
    g_auto(ImapFound) found = {0};
    if (!imap_search_run(session, key, &found))
        return;
    g_auto(ImapKeys) keys = {0};
    if (!imap_keys_read(session, found.uids, kinds, KINDS, &keys))
        return;
    g_autoptr(GArray) messages = g_array_new(FALSE, FALSE, sizeof(ImapThreadMessage));
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    for (guint i = 0; i < keys.rows->len; i++) {
        ImapThreadMessage message = make_message(session, &keys, i, ids);
        g_array_append_val(messages, message);
    }
    imap_found_tell_unsearched(session, &found);
    g_string_append(session->out, "* THREAD");
    func(messages, ids, session->out);
    g_string_append(session->out, "\r\n");
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
