/* SPDX-License-Identifier: GPL-3.0-or-later */
/* STAT, LIST, UIDL, DELE, RSET. */
#include "daemon/serve/pop3/session.h"

MaildropMessage *pop3_find(Pop3 *session, const char *arguments, const char **rest, guint *number,
                           gboolean *replied, GError **error)
{
    char *end;
    guint64 n = g_ascii_strtoull(arguments, &end, 10);
    gboolean good = g_ascii_isdigit(*arguments) && (*end == 0 || (rest && *end == ' '));
    MaildropMessage *message =
        good ? maildrop_get(session->maildrop, (guint)MIN(n, G_MAXUINT32)) : NULL;

    *replied = TRUE;
    *number = (guint)n;
    if (rest)
        *rest = *end ? end + 1 : end;
    if (!message)
        *replied = pop3_err(session, error, NULL, "there is no such message");
    return message;
}

gboolean pop3_stat(Pop3 *session, const char *arguments, GError **error)
{
    guint count;
    guint64 size;

    maildrop_count(session->maildrop, &count, &size);
    return pop3_ok(session, error, "%u %" G_GUINT64_FORMAT, count, size);
}

/* What LIST and UIDL say of a message. */
typedef void (*Describe)(const Maildrop *maildrop, const MaildropMessage *message, GString *text);

static void describe_size(const Maildrop *maildrop, const MaildropMessage *message, GString *text)
{
    g_string_append_printf(text, "%" G_GUINT64_FORMAT, message->size);
}

/* A local UID never means another message within one UIDVALIDITY, whatever the provider does. */
static void describe_uid(const Maildrop *maildrop, const MaildropMessage *message, GString *text)
{
    g_string_append_printf(text, "%u.%u", maildrop->uidvalidity, message->uid);
}

static gboolean list_one(Pop3 *session, const char *arguments, Describe describe, GError **error)
{
    guint number;
    gboolean replied;
    const MaildropMessage *message = pop3_find(session, arguments, NULL, &number, &replied, error);

    if (!message)
        return replied;
    g_autoptr(GString) text = g_string_new(NULL);
    describe(session->maildrop, message, text);
    return pop3_ok(session, error, "%u %s", number, text->str);
}

static gboolean list_all(Pop3 *session, Describe describe, GError **error)
{
    g_autoptr(GString) text = g_string_new("+OK\r\n");
    Maildrop *maildrop = session->maildrop;

    for (guint number = 1; number <= maildrop->messages->len; number++) {
        const MaildropMessage *message = maildrop_get(maildrop, number);
        if (!message)
            continue;
        g_string_append_printf(text, "%u ", number);
        describe(maildrop, message, text);
        g_string_append(text, "\r\n");
        if (text->len < 32 * 1024)
            continue;
        if (!net_stream_write(session->stream, text->str, text->len, error))
            return FALSE;
        g_string_truncate(text, 0);
    }
    g_string_append(text, ".\r\n");
    return net_stream_write(session->stream, text->str, text->len, error);
}

gboolean pop3_list(Pop3 *session, const char *arguments, GError **error)
{
    return *arguments ? list_one(session, arguments, describe_size, error)
                      : list_all(session, describe_size, error);
}

gboolean pop3_uidl(Pop3 *session, const char *arguments, GError **error)
{
    return *arguments ? list_one(session, arguments, describe_uid, error)
                      : list_all(session, describe_uid, error);
}

gboolean pop3_dele(Pop3 *session, const char *arguments, GError **error)
{
    guint number;
    gboolean replied;
    MaildropMessage *message = pop3_find(session, arguments, NULL, &number, &replied, error);

    if (!message)
        return replied;
    if (!maildrop_may_delete(session->maildrop))
        return pop3_err(session, error, "[SYS/PERM]",
                        "the provider doesn't let you delete messages");
    message->deleted = TRUE;
    gboolean stays = session->maildrop->account->settings->pop3_delete == ACCOUNT_POP3_IGNORE;
    return pop3_ok(session, error, "message %u %s", number,
                   stays ? "stays all the same (pop3-delete=ignore)" : "goes with QUIT");
}

gboolean pop3_rset(Pop3 *session, const char *arguments, GError **error)
{
    GArray *messages = session->maildrop->messages;

    for (guint i = 0; i < messages->len; i++)
        g_array_index(messages, MaildropMessage, i).deleted = FALSE;
    return pop3_ok(session, error, "nothing is deleted");
}
