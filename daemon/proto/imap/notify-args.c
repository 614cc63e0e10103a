/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of NOTIFY.
 */
#include "daemon/proto/imap/notify-args.h"

static const struct {
    const char *name;
    guint bit;
} event_names[] = {
    {"MESSAGENEW", IMAP_EVENT_MESSAGE_NEW},
    {"MESSAGEEXPUNGE", IMAP_EVENT_MESSAGE_EXPUNGE},
    {"FLAGCHANGE", IMAP_EVENT_FLAG_CHANGE},
    {"MAILBOXNAME", IMAP_EVENT_MAILBOX_NAME},
    {"SUBSCRIPTIONCHANGE", IMAP_EVENT_SUBSCRIPTION},
    {"MAILBOXMETADATACHANGE", IMAP_EVENT_MAILBOX_METADATA},
    {"SERVERMETADATACHANGE", IMAP_EVENT_SERVER_METADATA},
};

static void group_free(gpointer data)
{
    ImapNotifyGroup *group = data;

    imap_scope_free(group->scope);
    imap_fetch_args_free(group->items);
    g_free(group);
}

void imap_notify_args_free(ImapNotifyArgs *args)
{
    if (args == NULL)
        return;
    g_ptr_array_unref(args->groups);
    g_free(args);
}

static gboolean is_selected(const ImapNotifyGroup *group)
{
    return group->scope->kind == IMAP_SCOPE_SELECTED ||
           group->scope->kind == IMAP_SCOPE_SELECTED_DELAYED;
}

const ImapNotifyGroup *imap_notify_args_selected(const ImapNotifyArgs *args)
{
    for (guint i = 0; i < args->groups->len; i++)
        if (is_selected(args->groups->pdata[i]))
            return args->groups->pdata[i];
    return NULL;
}

static gboolean notify_fail(const char *reason, GError **error)
{
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, reason);
    return FALSE;
}

/* " (uid body.peek[...])" behind MessageNew, if it is there. */
static gboolean read_notify_items(ImapLexer *lexer, ImapNotifyGroup *group, GError **error)
{
    ImapLexer ahead = *lexer;

    if (!imap_lexer_more(&ahead) || imap_lexer_peek(&ahead) != '(')
        return TRUE;
    *lexer = ahead;
    imap_fetch_args_free(group->items);
    group->items = imap_fetch_items_parse(lexer, error);
    return group->items != NULL;
}

static gboolean read_event(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapNotifyGroup *group = data;
    g_autofree char *name = imap_lexer_word(lexer, "an event", error);
    guint bit = IMAP_EVENT_UNKNOWN;

    if (name == NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(event_names); i++)
        if (g_str_equal(name, event_names[i].name))
            bit = event_names[i].bit;
    group->events |= bit;
    return bit != IMAP_EVENT_MESSAGE_NEW || read_notify_items(lexer, group, error);
}

/* RFC 5465, 5 and 6.1 */
static gboolean check_group(const ImapNotifyGroup *group, GError **error)
{
    const guint both = IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE;

    if ((group->events & IMAP_EVENTS_MESSAGE) != 0 && (group->events & both) != both)
        return notify_fail("MessageNew and MessageExpunge go together, and with FlagChange", error);
    if (is_selected(group) && (group->events & ~(IMAP_EVENTS_MESSAGE | IMAP_EVENT_UNKNOWN)) != 0)
        return notify_fail("only events of messages can be asked for of the selected mailbox",
                           error);
    if (!is_selected(group) && group->items != NULL)
        return notify_fail("only of the selected mailbox new messages can be fetched", error);
    return TRUE;
}

/* "(selected (MessageNew MessageExpunge))" */
static gboolean read_notify_group(ImapLexer *lexer, ImapNotifyArgs *args, GError **error)
{
    ImapNotifyGroup *group;

    if (!imap_lexer_space(lexer, error) || !imap_lexer_expect(lexer, '(', error))
        return FALSE;
    group = g_new0(ImapNotifyGroup, 1);
    g_ptr_array_add(args->groups, group);
    group->scope = imap_scope_read(lexer, error);
    if (group->scope == NULL || !imap_lexer_space(lexer, error))
        return FALSE;
    if (group->scope->kind == IMAP_SCOPE_SUBTREE_ONE)
        return notify_fail("NOTIFY has no SUBTREE-ONE", error);
    if (is_selected(group) && imap_notify_args_selected(args) != group)
        return notify_fail("SELECTED can be given once", error);
    if (!imap_lexer_take_word(lexer, "NONE") &&
        !imap_lexer_list(lexer, "events", FALSE, read_event, group, error))
        return FALSE;
    return check_group(group, error) && imap_lexer_expect(lexer, ')', error);
}

static gboolean read_groups(ImapLexer *lexer, ImapNotifyArgs *args, GError **error)
{
    ImapLexer ahead = *lexer;

    if (imap_lexer_more(&ahead) && imap_lexer_take_word(&ahead, "STATUS")) {
        *lexer = ahead;
        args->status = TRUE;
    }
    do {
        if (args->groups->len == lexer->limits->list_items)
            return notify_fail("NOTIFY has too many groups", error);
        if (!read_notify_group(lexer, args, error))
            return FALSE;
    } while (!imap_lexer_at_end(lexer));
    return TRUE;
}

ImapNotifyArgs *imap_notify_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapNotifyArgs) args = g_new0(ImapNotifyArgs, 1);

    args->groups = g_ptr_array_new_with_free_func(group_free);
    if (!imap_lexer_space(lexer, error))
        return NULL;
    args->none = imap_lexer_take_word(lexer, "NONE");
    if (!args->none && !imap_lexer_take_word(lexer, "SET")) {
        imap_lexer_fail(lexer, "SET or NONE", error);
        return NULL;
    }
    if ((!args->none && !read_groups(lexer, args, error)) || !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&args);
}
