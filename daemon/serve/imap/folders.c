/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CREATE (with USE, RFC 6154), DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501, 6.3.3 to 6.3.7).
 */
#include "cache/annotation.h"
#include "cache/change.h"
#include "cache/folder.h"
#include "cache/subscription.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/namespace.h"
#include "daemon/serve/imap/objectid.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"

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

static CacheTxn *begin_writing(ImapSession *session, GError **error)
{
    return cache_begin(session->account->cache, CACHE_WRITE_FULL, error);
}

/* Names that clients choose have to be good ones: a NO, since the grammar was right. */
static gboolean check_new(ImapSession *session, const char *name)
{
    g_autoptr(GError) error = NULL;
    if (!imap_name_check_new(name, &error)) {
        imap_reply(session, IMAP_NO, "CANNOT", error->message);
        return FALSE;
    }
    /* RFC 9051, 5.1, and RFC 6855, 3: in UTF-8 they are Net-Unicode. */
    g_autofree char *normal = g_utf8_normalize(name, -1, G_NORMALIZE_NFC);
    if (!imap_session_utf8(session) || g_strcmp0(name, normal) == 0)
        return TRUE;
    imap_reply(session, IMAP_NO, "CANNOT", "The mailbox name is not in normalization form C");
    return FALSE;
}

static char delimiter_of(CacheTxn *txn)
{
    g_autoptr(CacheFolder) inbox = cache_folder_find(txn, "INBOX", NULL);
    return inbox ? inbox->delimiter : '/';
}

/* RFC 4314, 4: the right to make a mailbox is that of the nearest one above it. */
static gboolean may_create(CacheTxn *txn, const char *name, GError **error)
{
    char delimiter = delimiter_of(txn);
    g_autofree char *above = g_strdup(name);
    if (!imap_namespace_check(txn, name, error))
        return FALSE;
    for (char *end; delimiter && (end = strrchr(above, delimiter));) {
        *end = 0;
        g_autoptr(CacheFolder) folder = cache_folder_find(txn, above, NULL);
        if (folder)
            return imap_rights_allow(folder, CACHE_RIGHT_CREATE, 0, error);
    }
    return TRUE;
}

/*
 * "name/" says that there will be mailboxes below (RFC 3501, 6.3.3): here any name may have them.
 * "inbox/name" is below INBOX, which is written in one way only (5.1).
 */
static void normalize_name(CacheTxn *txn, char *name)
{
    char delimiter = delimiter_of(txn);
    gsize length = strlen(name);
    imap_name_fold_inbox(name, delimiter);
    if (delimiter && length > 1 && name[length - 1] == delimiter)
        name[length - 1] = 0;
}

/* ---- CREATE ---------------------------------------------------------------------------------- */

/* What a mailbox can be made for here. */
static const struct {
    const char *name;
    CacheRole role;
} uses[] = {
    {"ARCHIVE", CACHE_ROLE_ARCHIVE}, {"DRAFTS", CACHE_ROLE_DRAFTS}, {"JUNK", CACHE_ROLE_JUNK},
    {"SENT", CACHE_ROLE_SENT},       {"TRASH", CACHE_ROLE_TRASH},
};

static gboolean read_use(ImapLexer *lexer, gpointer data, GError **error)
{
    if (!imap_lexer_expect(lexer, '\\', error))
        return FALSE;
    char *use = imap_lexer_word(lexer, "a special use", error);
    if (use)
        g_ptr_array_add(data, use);
    return use != NULL;
}

/* "(USE (\Drafts \Sent))" (RFC 6154, 3; RFC 4466, 2.2), if it is there. */
static gboolean read_uses(ImapLexer *lexer, GPtrArray *names, GError **error)
{
    if (!imap_lexer_more(lexer))
        return TRUE;
    if (!imap_lexer_expect(lexer, '(', error))
        return FALSE;
    if (!imap_lexer_take_word(lexer, "USE"))
        return imap_lexer_fail(lexer, "USE", error);
    return imap_lexer_space(lexer, error) &&
           imap_lexer_list(lexer, "special uses", TRUE, read_use, names, error) &&
           imap_lexer_expect(lexer, ')', error);
}

/* RFC 6154, 3: a mailbox has one use here, and a use one mailbox. */
static gboolean choose_role(ImapSession *session, CacheTxn *txn, const GPtrArray *names,
                            CacheRole *role)
{
    *role = CACHE_ROLE_NONE;
    for (gsize i = 0; names->len == 1 && i < G_N_ELEMENTS(uses); i++)
        if (g_str_equal(names->pdata[0], uses[i].name))
            *role = uses[i].role;
    if (names->len > 0 && *role == CACHE_ROLE_NONE) {
        imap_reply(session, IMAP_NO, "USEATTR",
                   "A mailbox can be made for one of \\Archive, \\Drafts, \\Junk, \\Sent, \\Trash");
        return FALSE;
    }
    g_autoptr(CacheFolder) taken = *role ? cache_folder_with_role(txn, *role) : NULL;
    if (taken)
        imap_reply(session, IMAP_NO, "USEATTR", "Another mailbox has that use");
    return taken == NULL;
}

/* NULL: the answer is set. */
static char *parse_create(ImapSession *session, ImapLexer *lexer, GPtrArray *names)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    if (imap_lexer_space(lexer, &error) && (name = imap_lexer_mailbox(lexer, &error)) &&
        read_uses(lexer, names, &error) && imap_lexer_end(lexer, &error))
        return check_new(session, name) ? g_steal_pointer(&name) : NULL;
    imap_reply_error(session, error);
    return NULL;
}

void imap_cmd_create(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *name = parse_create(session, lexer, names);
    CacheRole role;
    if (!name)
        return;
    g_autoptr(CacheFolder) made = NULL;
    g_autoptr(CacheTxn) txn = begin_writing(session, &error);
    if (txn) {
        normalize_name(txn, name);
        if (!choose_role(session, txn, names, &role))
            return;
        gint64 id =
            may_create(txn, name, &error) ? cache_folder_create(txn, name, role, &error) : 0;
        made = id ? cache_folder_get(txn, id, &error) : NULL;
    }
    if (!made || !cache_commit(g_steal_pointer(&txn), &error)) {
        imap_reply_error(session, error);
        return;
    }
    g_autoptr(GString) code = g_string_new("MAILBOXID ("); /* RFC 8474, 4.1 */
    imap_mailbox_id_format(made, code);
    g_string_append_c(code, ')');
    imap_reply(session, IMAP_OK, code->str, "Created.");
}

/* ---- DELETE ---------------------------------------------------------------------------------- */

void imap_cmd_delete(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = parse_name(session, lexer);
    if (!name)
        return;
    g_autoptr(CacheTxn) txn = begin_writing(session, &error);
    g_autoptr(CacheFolder) folder = txn ? imap_rights_find(session, txn, name, &error) : NULL;
    if (!folder || !cache_folder_delete(txn, folder->id, &error) ||
        !cache_commit(g_steal_pointer(&txn), &error))
        imap_reply_error(session, error);
}

/* ---- RENAME ---------------------------------------------------------------------------------- */

static gboolean move_all(CacheTxn *txn, gint64 from, gint64 to, GError **error)
{
    g_autoptr(GArray) moved = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) arrived = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GArray) uids = cache_uids(txn, from, error);
    return uids &&
           cache_copy(txn, (CacheSelection){from, (const guint32 *)(void *)uids->data, uids->len},
                      to, TRUE, moved, arrived, error);
}

/* RFC 5464, 4.1 */
static gboolean copy_annotations(CacheTxn *txn, gint64 from, gint64 to, GError **error)
{
    g_autoptr(GPtrArray) list = cache_annotations(txn, from, error);
    for (guint i = 0; list && i < list->len; i++) {
        const CacheAnnotation *annotation = list->pdata[i];
        if (!cache_annotation_set(txn, to, annotation->entry, annotation->value, error))
            return FALSE;
    }
    return list != NULL;
}

/* Of INBOX the messages are moved. */
static gboolean may_rename(ImapSession *session, CacheTxn *txn, const CacheFolder *folder,
                           const char *to, GError **error)
{
    guint32 needs = imap_name_is_inbox(folder->name) ? CACHE_RIGHT_DELETE | CACHE_RIGHT_EXPUNGE
                                                     : session->rule->named;
    return imap_rights_allow(folder, needs, 0, error) && may_create(txn, to, error);
}

/* RFC 3501, 6.3.5: renaming INBOX moves its messages to a new mailbox; INBOX and what is below it
 * stay. */
static gboolean rename_inbox(ImapSession *session, gint64 inbox, const char *name, GError **error)
{
    g_autoptr(CacheTxn) txn = begin_writing(session, error);
    g_autoptr(CacheFolder) taken = txn ? cache_folder_find(txn, name, NULL) : NULL;
    if (taken) { /* CREATE would make a mailbox of a name that is none yet */
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_EXISTS, "There is a folder %s already", name);
        return FALSE;
    }
    gint64 target = txn ? cache_folder_create(txn, name, CACHE_ROLE_NONE, error) : 0;
    return target && copy_annotations(txn, inbox, target, error) &&
           move_all(txn, inbox, target, error) && cache_commit(g_steal_pointer(&txn), error);
}

static gboolean rename_folder(ImapSession *session, const char *from, char *to, GError **error)
{
    g_autoptr(CacheTxn) txn = begin_writing(session, error);
    g_autoptr(CacheFolder) folder = txn ? cache_folder_find(txn, from, error) : NULL;
    if (!folder)
        return FALSE;
    normalize_name(txn, to);
    if (!may_rename(session, txn, folder, to, error))
        return FALSE;
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
    g_autoptr(CacheTxn) txn = begin_writing(session, &error);
    g_autoptr(CacheFolder) folder = NULL;
    if (txn)
        folder = subscribed ? imap_rights_find(session, txn, name, &error)
                            : cache_folder_find(txn, name, NULL);
    if (!txn || (subscribed && !folder) ||
        !cache_subscribe(txn, folder ? folder->name : name, subscribed, &error) ||
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
