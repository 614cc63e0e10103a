/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STATUS (RFC 3501, 6.3.10), from the folder's one row: counts are maintained by the cache. */
#include "daemon/serve/imap/status.h"

#include "cache/placement.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/enable.h"
#include "daemon/serve/imap/objectid.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"

typedef struct {
    ImapSession *session;
    CacheTxn *txn;
    const CacheFolder *folder;
} StatusRun;

static gboolean count_live(const CachePlacement *placement, gpointer data)
{
    *(guint32 *)data += placement->alive;
    return TRUE;
}

static guint64 recent(const StatusRun *run)
{
    guint32 count = 0;
    if (run->folder->recent_uid < run->folder->uidnext)
        cache_placement_each(run->txn, run->folder->id, run->folder->recent_uid, G_MAXUINT32,
                             count_live, &count, NULL);
    return count;
}

static gboolean add_deleted(const CachePlacement *placement, gpointer data)
{
    if (placement->alive && (placement->flags.system & CACHE_DELETED))
        *(guint64 *)data += placement->size;
    return TRUE;
}

/* RFC 9208, 4.1.4: the sum of their sizes. */
static guint64 deleted_storage(const StatusRun *run)
{
    guint64 size = 0;
    if (run->folder->deleted)
        cache_placement_each(run->txn, run->folder->id, 1, G_MAXUINT32, add_deleted, &size, NULL);
    return size;
}

#define FIELD(name, value)                                                                         \
    static guint64 name(const StatusRun *run)                                                      \
    {                                                                                              \
        return value;                                                                              \
    }
FIELD(messages, run->folder->exists)
FIELD(uidnext, run->folder->uidnext)
FIELD(uidvalidity, run->folder->uidvalidity)
FIELD(unseen, run->folder->unseen)
FIELD(deleted, run->folder->deleted)
FIELD(size, run->folder->size)
FIELD(highestmodseq, MAX(run->folder->highestmodseq, 1))
FIELD(appendlimit, run->session->limits->message)

static const struct {
    guint item;
    guint64 (*value)(const StatusRun *run); /* NULL: MAILBOXID, which is no number */
} items_offered[] = {
    {IMAP_STATUS_MESSAGES, messages},
    {IMAP_STATUS_RECENT, recent},
    {IMAP_STATUS_UIDNEXT, uidnext},
    {IMAP_STATUS_UIDVALIDITY, uidvalidity},
    {IMAP_STATUS_UNSEEN, unseen},
    {IMAP_STATUS_DELETED, deleted},
    {IMAP_STATUS_DELETED_STORAGE, deleted_storage},
    {IMAP_STATUS_SIZE, size},
    {IMAP_STATUS_HIGHESTMODSEQ, highestmodseq},
    {IMAP_STATUS_APPENDLIMIT, appendlimit},
    {IMAP_STATUS_MAILBOXID, NULL},
};

gboolean imap_status_offered(ImapSession *session, guint items)
{
    for (gsize i = 0; i < G_N_ELEMENTS(items_offered); i++)
        items &= ~items_offered[i].item;
    if (items)
        imap_reply(session, IMAP_BAD, NULL, "One of these items isn't offered here");
    return items == 0;
}

void imap_status_format(ImapSession *session, CacheTxn *txn, const CacheFolder *folder, guint items)
{
    const StatusRun run = {session, txn, folder};
    GString *out = session->out;
    g_string_append(out, "* STATUS ");
    imap_quote_append_mailbox(out, folder->name, imap_session_utf8(session));
    const char *separator = " (";
    for (gsize i = 0; i < G_N_ELEMENTS(items_offered); i++) {
        if (!(items & items_offered[i].item))
            continue;
        g_string_append_printf(out, "%s%s ", separator,
                               imap_status_item_name(items_offered[i].item));
        separator = " ";
        if (items_offered[i].value) {
            imap_out_number(out, items_offered[i].value(&run));
        } else {
            g_string_append_c(out, '(');
            imap_mailbox_id_format(folder, out);
            g_string_append_c(out, ')');
        }
    }
    g_string_append(out, ")\r\n");
}

void imap_cmd_status(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapStatusArgs) args = imap_status_args_parse(lexer, &error);
    if (!args) {
        imap_reply_error(session, error);
        return;
    }
    if (!imap_status_offered(session, args->items))
        return;
    if (args->items & IMAP_STATUS_HIGHESTMODSEQ)
        imap_enable(session, IMAP_ENABLED_CONDSTORE); /* RFC 7162, 3.1 */
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, &error);
    g_autoptr(CacheFolder) folder =
        txn ? imap_rights_find(session, txn, args->mailbox, &error) : NULL;
    if (!folder)
        imap_reply_error(session, error);
    else if (!folder->selectable)
        imap_reply(session, IMAP_NO, "CANNOT", "It holds mailboxes, but no mail");
    else
        imap_status_format(session, txn, folder, args->items);
}
