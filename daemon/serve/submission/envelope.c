/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MAIL and RCPT with their parameters (RFC 5321, 1870, 3461, 4865, 4954, 6152, 6531). */
#include <stdlib.h>
#include <string.h>

#include "daemon/proto/smtp/path.h"
#include "daemon/serve/submission/session.h"

/* ---- parameters ------------------------------------------------------------------------------ */

/* What is given to MAIL belongs to the entry, what is given to RCPT to the recipient. FALSE: not a
 * value it can have. */
typedef gboolean (*TakeParameter)(QueueEntry *entry, QueueRecipient *recipient, const char *value);

static gboolean take_size(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    char *end;
    entry->size = g_ascii_strtoull(value, &end, 10);
    return g_ascii_isdigit(*value) && !*end;
}

static gboolean take_body(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    entry->eightbit = g_ascii_strcasecmp(value, "8BITMIME") == 0;
    return entry->eightbit || g_ascii_strcasecmp(value, "7BIT") == 0;
}

static gboolean take_smtputf8(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    entry->smtputf8 = TRUE;
    return !value;
}

/* Who the client says the author is: the provider is told who logs in there, and that is all. */
static gboolean take_auth(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    return smtp_is_xtext(value, 500);
}

static gboolean take_ret(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    entry->ret = g_ascii_strup(value, -1);
    return g_str_equal(entry->ret, "FULL") || g_str_equal(entry->ret, "HDRS");
}

static gboolean take_envid(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    entry->envid = g_strdup(value);
    return smtp_is_xtext(value, 100);
}

/* RFC 4865, 5: one of the two, once. */
static gboolean take_send_at(QueueEntry *entry, gint64 when)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    gboolean first = entry->send_at == 0;

    entry->send_at = MAX(when, 1);
    return first && when <= now + SUBMISSION_HOLD_MAX;
}

static gboolean take_holdfor(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    char *end;
    guint64 seconds = g_ascii_strtoull(value, &end, 10);

    return g_ascii_isdigit(*value) && !*end && seconds > 0 && seconds <= SUBMISSION_HOLD_MAX &&
           take_send_at(entry, g_get_real_time() / G_USEC_PER_SEC + (gint64)seconds);
}

static gboolean take_holduntil(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    g_autoptr(GDateTime) when = g_date_time_new_from_iso8601(value, NULL);

    return when && take_send_at(entry, g_date_time_to_unix(when));
}

static gboolean take_notify(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    recipient->notify = g_ascii_strup(value, -1);
    return smtp_is_notify(value);
}

static gboolean take_orcpt(QueueEntry *entry, QueueRecipient *recipient, const char *value)
{
    recipient->orcpt = g_strdup(value);
    return smtp_is_orcpt(value);
}

typedef struct {
    const char *name;
    gboolean valued;
    TakeParameter take;
} Parameter;

static const Parameter MAIL_PARAMETERS[] = {
    {"SIZE", TRUE, take_size},
    {"BODY", TRUE, take_body},
    {"SMTPUTF8", FALSE, take_smtputf8},
    {"AUTH", TRUE, take_auth},
    {"RET", TRUE, take_ret},
    {"ENVID", TRUE, take_envid},
    {"HOLDFOR", TRUE, take_holdfor},
    {"HOLDUNTIL", TRUE, take_holduntil},
    {NULL},
};

static const Parameter RCPT_PARAMETERS[] = {
    {"NOTIFY", TRUE, take_notify},
    {"ORCPT", TRUE, take_orcpt},
    {NULL},
};

static const Parameter *find_parameter(const Parameter *table, const char *name)
{
    for (; table->name; table++)
        if (g_str_equal(table->name, name))
            return table;
    return NULL;
}

/* Takes all of them, each at most once; else gives the reply's code and names the one at fault. */
static guint take_parameters(const Parameter *table, GArray *given, QueueEntry *entry,
                             QueueRecipient *recipient, const char **at_fault)
{
    guint seen = 0;

    for (guint i = 0; i < given->len; i++) {
        const SmtpParameter *one = &g_array_index(given, SmtpParameter, i);
        const Parameter *parameter = find_parameter(table, one->name);
        *at_fault = one->name;
        if (!parameter)
            return 555;
        guint bit = 1u << (parameter - table);
        if ((seen & bit) || (parameter->valued && !one->value) ||
            !parameter->take(entry, recipient, one->value))
            return 501;
        seen |= bit;
    }
    return 0;
}

/* ---- MAIL ------------------------------------------------------------------------------------ */

static QueueEntry *entry_for(Submission *session, const SmtpPath *path)
{
    QueueEntry *entry = queue_entry_new();
    entry->account = g_strdup(session->account->settings->id);
    entry->sender = g_strdup(path->address);
    return entry;
}

/* Replies where MAIL can't be taken. <> is the sender of notifications (RFC 8098, 3), which anyone
 * may send. */
static gboolean refuse_mail(Submission *session, const SmtpPath *path, const QueueEntry *entry,
                            gboolean *refused, GError **error)
{
    const AccountSettings *settings = session->account->settings;

    *refused = TRUE;
    if (!session->daemon->queue)
        return submission_reply(session, error, 451, "4.3.0", "%s", session->daemon->queue_error);
    g_autoptr(GError) failure = NULL;
    if (!queue_ready(session->daemon->queue, &failure))
        return submission_reply(session, error, 451, "4.3.0", "%s", failure->message);
    if (!settings->outgoing)
        return submission_reply(session, error, 550, "5.3.5",
                                "Account %s can't send: set outgoing= in postern.conf",
                                settings->id);
    if (path->utf8 && !entry->smtputf8)
        return submission_reply(session, error, 553, "5.6.7",
                                "An address beyond ASCII needs SMTPUTF8");
    if (*path->address && !account_may_send_as(settings, path->address))
        return submission_reply(session, error, 550, "5.7.1",
                                "%s is not an address of account %s; add it to aliases= in "
                                "postern.conf to send from it",
                                path->address, settings->id);
    if (entry->size > SUBMISSION_SIZE_MAX)
        return submission_reply(session, error, 552, "5.3.4", "At most %u bytes are taken",
                                SUBMISSION_SIZE_MAX);
    *refused = FALSE;
    return TRUE;
}

gboolean submission_mail(Submission *session, const char *arguments, GError **error)
{
    g_auto(SmtpPath) path = {0};
    const char *problem;
    gboolean refused;

    if (session->entry)
        return submission_reply(session, error, 503, "5.5.1",
                                "There is a MAIL already; RSET ends "
                                "it");
    if (!smtp_path_parse(arguments, "FROM:", &path, &problem))
        return submission_reply(session, error, 501, "5.1.7", "%s", problem);
    g_autoptr(QueueEntry) entry = entry_for(session, &path);
    guint code = take_parameters(MAIL_PARAMETERS, path.parameters, entry, NULL, &problem);
    if (code)
        return submission_reply(session, error, code, "5.5.4", "%s is not understood", problem);
    if (!refuse_mail(session, &path, entry, &refused, error) || refused)
        return refused;
    entry->size = 0; /* what was declared is not what comes */
    session->entry = g_steal_pointer(&entry);
    return submission_reply(session, error, 250, "2.1.0", "From %s", path.address);
}

/* ---- RCPT ------------------------------------------------------------------------------------ */

gboolean submission_rcpt(Submission *session, const char *arguments, GError **error)
{
    g_auto(SmtpPath) path = {0};
    const char *problem;

    if (!session->entry || session->spool)
        return submission_reply(session, error, 503, "5.5.1", "MAIL comes before RCPT");
    if (session->entry->recipients->len >= SUBMISSION_RECIPIENTS_MAX)
        return submission_reply(session, error, 452, "4.5.3", "At most %d recipients at a time",
                                SUBMISSION_RECIPIENTS_MAX);
    if (!smtp_path_parse(arguments, "TO:", &path, &problem) || !*path.address)
        return submission_reply(session, error, 501, "5.1.3", "%s",
                                path.address && !*path.address ? "<> can't receive mail" : problem);
    if (path.utf8 && !session->entry->smtputf8)
        return submission_reply(session, error, 553, "5.6.7",
                                "An address beyond ASCII needs SMTPUTF8");
    QueueRecipient *recipient = queue_recipient_new(path.address);
    guint code =
        take_parameters(RCPT_PARAMETERS, path.parameters, session->entry, recipient, &problem);
    if (code) {
        queue_recipient_free(recipient);
        return submission_reply(session, error, code, "5.5.4", "%s is not understood", problem);
    }
    g_ptr_array_add(session->entry->recipients, recipient);
    return submission_reply(session, error, 250, "2.1.5", "To %s", path.address);
}
