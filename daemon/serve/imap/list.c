/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LIST (RFC 3501, 6.3.8; LIST-EXTENDED, RFC 5258; LIST-STATUS, RFC 5819; SPECIAL-USE, RFC 6154;
 * LIST-MYRIGHTS, RFC 8440; LIST-METADATA, RFC 9590) and LSUB.
 */
#include "daemon/serve/imap/list.h"
#include "daemon/proto/imap/list-args.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/metadata-args.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/mailboxes.h"
#include "daemon/serve/imap/metadata.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/rights.h"
#include "daemon/serve/imap/status.h"
#include "daemon/serve/imap/view.h"

static const char *role_name(const ImapMailbox *mailbox)
{
    return mailbox->folder ? imap_role_name(mailbox->folder->role) : NULL;
}

/* ---- which ----------------------------------------------------------------------------------- */

/* The patterns (char *) behind the reference, without those that are too long for any name here. */
static GPtrArray *possible_patterns(const ImapListArgs *args, const ImapMailboxes *mailboxes)
{
    GPtrArray *patterns = g_ptr_array_new_with_free_func(g_free);
    gsize longest = 0;
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        longest = MAX(longest, strlen(mailbox->name));
    }
    for (guint i = 0; i < args->patterns->len; i++) {
        char *pattern = g_strconcat(args->reference, args->patterns->pdata[i], NULL);
        if (imap_name_pattern_simplify(pattern) <= longest)
            g_ptr_array_add(patterns, pattern);
        else
            g_free(pattern);
    }
    return patterns;
}

static gboolean matches(const GPtrArray *patterns, const ImapMailbox *mailbox)
{
    for (guint i = 0; i < patterns->len; i++)
        if (imap_name_matches(patterns->pdata[i], mailbox->name, mailbox->delimiter))
            return TRUE;
    return FALSE;
}

static gboolean meets(const ImapListArgs *args, const ImapMailbox *mailbox)
{
    if ((args->select & IMAP_LIST_SUBSCRIBED) && !mailbox->subscribed)
        return FALSE;
    if ((args->select & IMAP_LIST_SPECIAL_USE) && !role_name(mailbox))
        return FALSE;
    return (args->select & IMAP_LIST_SUBSCRIBED) || mailbox->folder || mailbox->implied;
}

static void mark_chosen_below(ImapMailbox *above, const ImapMailbox *mailbox)
{
    above->child_below = TRUE;
    above->child_hidden |= !mailbox->matched;
}

/* None where nobody waits for the answer any more. */
static void choose_mailboxes(ImapSession *session, const ImapListArgs *args,
                             ImapMailboxes *mailboxes)
{
    g_autoptr(GPtrArray) patterns = possible_patterns(args, mailboxes);
    guint count = mailboxes->sorted->len;
    for (guint i = 0; i < count && !imap_session_is_pointless(session); i++) {
        ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        mailbox->matched = matches(patterns, mailbox);
        mailbox->selected = meets(args, mailbox);
    }
    for (guint i = 0; i < count; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        if (mailbox->selected)
            imap_mailboxes_above(mailboxes, mailbox, mark_chosen_below);
    }
}

/* RFC 5258, 3.5: a name that only has what was asked for below it is listed unless that is, too. */
static gboolean listed(const ImapListArgs *args, const ImapMailbox *mailbox)
{
    if (!mailbox->matched)
        return FALSE;
    return mailbox->selected ||
           ((args->select & IMAP_LIST_RECURSIVEMATCH) && mailbox->child_hidden);
}

/* ---- how ------------------------------------------------------------------------------------- */

static void append_attribute(GString *out, const char *attribute)
{
    if (out->str[out->len - 1] != '(')
        g_string_append_c(out, ' ');
    g_string_append(out, attribute);
}

/* RFC 5819, 2: STATUS was asked for, and can't be told. */
static gboolean lacks_status(const ImapListArgs *args, const ImapMailbox *mailbox)
{
    return (args->returns & IMAP_LIST_RETURN_STATUS) &&
           !(cache_folder_rights(mailbox->folder) & CACHE_RIGHT_READ);
}

static void append_attributes(ImapSession *session, const ImapListArgs *args,
                              const ImapMailbox *mailbox)
{
    GString *out = session->out;
    gboolean plain = !args->extended, rev1 = plain && !imap_session_rev2(session);
    gboolean children = !mailbox->folder && mailbox->has_children; /* RFC 5258, 3.5 */
    if (!mailbox->folder)
        append_attribute(out, rev1 ? "\\Noselect" : "\\NonExistent");
    else if (!mailbox->folder->selectable || lacks_status(args, mailbox))
        append_attribute(out, "\\Noselect");
    if (plain || children || (args->returns & IMAP_LIST_RETURN_CHILDREN))
        append_attribute(out, mailbox->has_children ? "\\HasChildren" : "\\HasNoChildren");
    if (mailbox->subscribed && (args->returns & IMAP_LIST_RETURN_SUBSCRIBED))
        append_attribute(out, "\\Subscribed");
    if (role_name(mailbox) && (plain || (args->returns & IMAP_LIST_RETURN_SPECIAL_USE)))
        append_attribute(out, role_name(mailbox));
}

static void append_name(ImapSession *session, char delimiter, const char *name)
{
    GString *out = session->out;
    g_string_append(out, ") ");
    if (delimiter)
        imap_quote_append_quoted(out, &delimiter, 1);
    else
        g_string_append(out, "NIL");
    g_string_append_c(out, ' ');
    imap_quote_append_mailbox(out, name, imap_session_utf8(session));
}

static void append_line(ImapSession *session, const ImapListArgs *args, const ImapMailbox *mailbox)
{
    g_string_append(session->out, "* LIST (");
    append_attributes(session, args, mailbox);
    append_name(session, mailbox->delimiter, mailbox->name);
    if ((args->select & IMAP_LIST_RECURSIVEMATCH) && mailbox->child_below)
        g_string_append(session->out, (args->select & IMAP_LIST_SUBSCRIBED)
                                          ? " (\"CHILDINFO\" (\"SUBSCRIBED\"))"
                                          : " (\"CHILDINFO\" (\"SPECIAL-USE\"))");
    g_string_append(session->out, "\r\n");
}

void imap_list_tell(ImapSession *session, const ImapMailbox *mailbox, const char *old_name)
{
    const ImapListArgs args = {
        .extended = TRUE,
        .returns =
            IMAP_LIST_RETURN_SUBSCRIBED | IMAP_LIST_RETURN_CHILDREN | IMAP_LIST_RETURN_SPECIAL_USE,
    };
    g_string_append(session->out, "* LIST (");
    if (mailbox->folder && !(cache_folder_rights(mailbox->folder) & CACHE_RIGHT_READ))
        append_attribute(session->out, "\\NoAccess");
    append_attributes(session, &args, mailbox);
    append_name(session, mailbox->delimiter, mailbox->name);
    if (old_name) {
        g_string_append(session->out, " (\"OLDNAME\" (");
        imap_quote_append_mailbox(session->out, old_name, imap_session_utf8(session));
        g_string_append(session->out, "))");
    }
    g_string_append(session->out, "\r\n");
}

/* RFC 3501, 6.3.8: an empty pattern asks for the delimiter, and the root of the reference. */
static void append_root(ImapSession *session, const ImapMailboxes *mailboxes, const char *response)
{
    g_string_append_printf(session->out, "* %s (\\Noselect", response);
    append_name(session, mailboxes->delimiter, "");
    g_string_append(session->out, "\r\n");
}

static gboolean asks_for_root(const ImapListArgs *args)
{
    return args->patterns->len == 1 && *(const char *)args->patterns->pdata[0] == 0;
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* Only what the session can give is taken; a reserved option is a mistake of the client's. */
static gboolean are_returns_offered(ImapSession *session, const ImapListArgs *args)
{
    g_autoptr(GError) error = NULL;
    for (guint i = 0; args->metadata && i < args->metadata->len; i++)
        if (!imap_metadata_entry_check(args->metadata->pdata[i], &error)) {
            imap_reply_error(session, error);
            return FALSE;
        }
    return !(args->returns & IMAP_LIST_RETURN_STATUS) || imap_status_offered(session, args->status);
}

/* What the options ask for besides the line itself; of a mailbox that is listed for those below it
 * nothing (RFC 5819, 3; RFC 8440, 4). */
static gboolean append_more(ImapSession *session, CacheTxn *txn, const ImapListArgs *args,
                            const ImapMailbox *mailbox, GError **error)
{
    const CacheFolder *folder = mailbox->folder;
    if (!folder || !mailbox->selected)
        return TRUE;
    if (args->returns & IMAP_LIST_RETURN_MYRIGHTS)
        imap_rights_tell(session, folder);
    if ((args->returns & IMAP_LIST_RETURN_STATUS) && folder->selectable &&
        !lacks_status(args, mailbox))
        imap_status_format(session, txn, folder, args->status);
    return !(args->returns & IMAP_LIST_RETURN_METADATA) ||
           imap_metadata_format(session, txn, folder, args->metadata, error);
}

void imap_cmd_list(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapListArgs) args = imap_list_args_parse(lexer, &error);
    if (args && !are_returns_offered(session, args))
        return;
    g_autoptr(CacheTxn) txn =
        args ? cache_begin(session->account->cache, CACHE_READ, &error) : NULL;
    g_autoptr(ImapMailboxes) mailboxes = txn ? imap_mailboxes_read(txn, &error) : NULL;
    if (!mailboxes) {
        imap_reply_error(session, error);
        return;
    }
    if (!args->extended && asks_for_root(args)) {
        append_root(session, mailboxes, "LIST");
        return;
    }
    choose_mailboxes(session, args, mailboxes);
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        if (!listed(args, mailbox))
            continue;
        append_line(session, args, mailbox);
        if (!append_more(session, txn, args, mailbox, &error)) {
            imap_reply_error(session, error);
            return;
        }
    }
}

/* Special uses, as in LIST: clients that know LSUB only would miss them, and the others may ignore
 * what differs from LIST (RFC 3501, 6.3.9). */
static void append_lsub_line(ImapSession *session, const ImapMailbox *mailbox)
{
    g_string_append(session->out, "* LSUB (");
    if (!mailbox->subscribed)
        append_attribute(session->out, "\\Noselect");
    else if (role_name(mailbox))
        append_attribute(session->out, role_name(mailbox));
    append_name(session, mailbox->delimiter, mailbox->name);
    g_string_append(session->out, "\r\n");
}

/*
 * LSUB lists subscriptions, whether the mailbox exists or not; a name that only has subscribed ones
 * below it, when those aren't matched themselves ("%"), comes with \Noselect (RFC 3501, 6.3.9).
 */
void imap_cmd_lsub(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImapListArgs) args = imap_lsub_args_parse(lexer, &error);
    g_autoptr(CacheTxn) txn =
        args ? cache_begin(session->account->cache, CACHE_READ, &error) : NULL;
    g_autoptr(ImapMailboxes) mailboxes = txn ? imap_mailboxes_read(txn, &error) : NULL;
    if (!mailboxes) {
        imap_reply_error(session, error);
        return;
    }
    if (asks_for_root(args)) {
        append_root(session, mailboxes, "LSUB");
        return;
    }
    args->select = IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVEMATCH;
    choose_mailboxes(session, args, mailboxes);
    for (guint i = 0; i < mailboxes->sorted->len; i++) {
        const ImapMailbox *mailbox = mailboxes->sorted->pdata[i];
        if (listed(args, mailbox))
            append_lsub_line(session, mailbox);
    }
}
