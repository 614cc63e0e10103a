/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501, 6.3.3 to 6.3.7). */
#include "cache/change.h"
#include "cache/folder.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/objectid.h"
#include "daemon/serve/imap/reply.h"

#define MOVE_SLICE 500

/* One mailbox name and nothing else. NULL: the answer is set. */
static char *parse_name(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    if (imap_lexer_space(lexer, &error) && (name = imap_lexer_mailbox(lexer, &error)) &&
        imap_lexer_end(lexer, &error))
        return g_steal_pointer(&name);
    imap_reply_error(session, error);
    return NULL;
}

static CacheTxn *begin(ImapSession *session, GError **error)
{
    return cache_begin(session->account->cache, CACHE_WRITE_FULL, error);
}

/* Names that clients choose have to be good ones: a NO, since the grammar was right. */
static gboolean check_new(ImapSession *session, const char *name)
{
    g_autoptr(GError) error = NULL;
    if (imap_name_check_new(name, &error))
        return TRUE;
    imap_reply(session, IMAP_NO, "CANNOT", error->message);
    return FALSE;
}

/* "name/" says that there will be mailboxes below (RFC 3501, 6.3.3): here any name may have them.
 */
static void strip_delimiter(CacheTxn *txn, char *name)
{
    g_autoptr(CacheFolder) inbox = cache_folder_find(txn, "INBOX", NULL);
    char delimiter = inbox ? inbox->delimiter : '/';
    gsize length = strlen(name);
    if (delimiter && length > 1 && name[length - 1] == delimiter)
        name[length - 1] = 0;
}

void imap_cmd_create(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = parse_name(session, lexer);
    if (!name || !check_new(session, name))
        return;
    gint64 id = 0;
    g_autoptr(CacheTxn) txn = begin(session, &error);
    if (txn) {
        strip_delimiter(txn, name);
        id = cache_folder_create(txn, name, CACHE_ROLE_NONE, &error);
    }
    if (!id || !cache_commit(g_steal_pointer(&txn), &error)) {
        imap_reply_error(session, error);
        return;
    }
    g_autoptr(GString) code = g_string_new("MAILBOXID ("); /* RFC 8474, 4.1 */
    imap_mailbox_id_format(id, code);
    g_string_append_c(code, ')');
    imap_reply(session, IMAP_OK, code->str, "Created.");
}

void imap_cmd_delete(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = parse_name(session, lexer);
    if (!name)
        return;
    g_autoptr(CacheTxn) txn = begin(session, &error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_find(txn, name, &error) : NULL;
    if (!folder || !cache_folder_delete(txn, folder->id, &error) ||
        !cache_commit(g_steal_pointer(&txn), &error))
        imap_reply_error(session, error);
}

/* ---- RENAME ---------------------------------------------------------------------------------- */

static gboolean move_slice(ImapSession *session, gint64 from, gint64 to, const GArray *uids,
                           guint at, GError **error)
{
    g_autoptr(GArray) moved = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) arrived = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(CacheTxn) txn = begin(session, error);
    return txn &&
           cache_copy(txn, from, &g_array_index(uids, guint32, at), MIN(uids->len - at, MOVE_SLICE),
                      to, TRUE, moved, arrived, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

/* RFC 3501, 6.3.5: renaming INBOX moves its messages to a new mailbox; INBOX and what is below it
 * stay. */
static gboolean rename_inbox(ImapSession *session, gint64 inbox, const char *name, GError **error)
{
    g_autoptr(CacheTxn) txn = begin(session, error);
    gint64 target = txn ? cache_folder_create(txn, name, CACHE_ROLE_NONE, error) : 0;
    g_autoptr(GArray) uids = target ? cache_uids(txn, inbox, error) : NULL;
    if (!uids || !cache_commit(g_steal_pointer(&txn), error))
        return FALSE;
    for (guint at = 0; at < uids->len; at += MOVE_SLICE)
        if (!move_slice(session, inbox, target, uids, at, error))
            return FALSE;
    return TRUE;
}

static gboolean rename_folder(ImapSession *session, const char *from, char *to, GError **error)
{
    g_autoptr(CacheTxn) txn = begin(session, error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_find(txn, from, error) : NULL;
    if (!folder)
        return FALSE;
    strip_delimiter(txn, to);
    if (imap_name_is_inbox(folder->name)) {
        g_clear_pointer(&txn, cache_end);
        return rename_inbox(session, folder->id, to, error);
    }
    return cache_folder_rename(txn, folder->id, to, error) &&
           cache_commit(g_steal_pointer(&txn), error);
}

void imap_cmd_rename(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;
    if (!imap_lexer_space(lexer, &error) || !(from = imap_lexer_mailbox(lexer, &error)) ||
        !imap_lexer_space(lexer, &error) || !(to = imap_lexer_mailbox(lexer, &error)) ||
        !imap_lexer_end(lexer, &error)) {
        imap_reply_error(session, error);
        return;
    }
    if (check_new(session, to) && !rename_folder(session, from, to, &error))
        imap_reply_error(session, error);
}

/* ---- subscriptions --------------------------------------------------------------------------- */

static void set_subscribed(ImapSession *session, ImapLexer *lexer, gboolean subscribed)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = parse_name(session, lexer);
    if (!name)
        return;
    g_autoptr(CacheTxn) txn = begin(session, &error);
    g_autoptr(CacheFolder) folder = txn && subscribed ? cache_folder_find(txn, name, &error) : NULL;
    if (!txn || (subscribed && !folder) || !cache_subscribe(txn, name, subscribed, &error) ||
        !cache_commit(g_steal_pointer(&txn), &error))
        imap_reply_error(session, error);
}

void imap_cmd_subscribe(ImapSession *session, ImapLexer *lexer)
{
    set_subscribed(session, lexer, TRUE);
}

void imap_cmd_unsubscribe(ImapSession *session, ImapLexer *lexer)
{
    set_subscribed(session, lexer, FALSE);
}
