/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing delivery status notifications. */
#include "daemon/relay/bounce.h"

#include <string.h>

#define HEADER_MAX (64 * 1024)

/* Bytes of text in one encoded word: four thirds of it and what is around stay below 76. */
#define WORD_BYTES 42

static gboolean is_reported(const QueueRecipient *recipient)
{
    return recipient->state == QUEUE_RECIPIENT_FAILED &&
           (!recipient->notify || strstr(recipient->notify, "FAILURE"));
}

gboolean relay_bounce_is_wanted(const QueueEntry *entry)
{
    gboolean any = FALSE;

    for (guint i = 0; i < entry->recipients->len; i++)
        any |= is_reported(g_ptr_array_index(entry->recipients, i));
    return any && *entry->sender;
}

/* ---- values ---------------------------------------------------------------------------------- */

static void append_date(GString *out, const char *name, gint64 when)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(when);
    g_autofree char *clock = time ? g_date_time_format(time, "%H:%M:%S %z") : NULL;

    if (time)
        g_string_append_printf(
            out, "%s: %s, %d %s %d %s\r\n", name, days[g_date_time_get_day_of_week(time) - 1],
            g_date_time_get_day_of_month(time), months[g_date_time_get_month(time) - 1],
            g_date_time_get_year(time), clock);
}

/* Text in a header field (RFC 2047), cut between characters. */
static void append_text(GString *out, const char *text)
{
    if (g_str_is_ascii(text) && strlen(text) < 900) {
        g_string_append(out, text);
        return;
    }
    for (const char *end; *text; text = end) {
        end = text;
        while (*end && g_utf8_next_char(end) - text <= WORD_BYTES)
            end = g_utf8_next_char(end);
        g_autofree char *encoded = g_base64_encode((const guchar *)text, (gsize)(end - text));
        g_string_append_printf(out, "=?utf-8?B?%s?=%s", encoded, *end ? "\r\n " : "");
    }
}

/* "5.1.1" from "550 5.1.1 No such user", else 5.0.0: what it was isn't known. */
static char *status_of(const QueueRecipient *recipient)
{
    const char *text = recipient->reply && strlen(recipient->reply) > 4 ? recipient->reply + 4 : "";
    gsize length = strspn(text, "0123456789.");

    if (length >= 5 && text[1] == '.' && (text[0] == '5' || text[0] == '4'))
        return g_strndup(text, length);
    return g_strdup("5.0.0");
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void append_words(GString *out, const QueueEntry *entry)
{
    g_string_append(out, "This message could not be sent");
    if (entry->subject)
        g_string_append_printf(out, ": \xe2\x80\x9c%s\xe2\x80\x9d", entry->subject);
    g_string_append(out, ".\r\n\r\nThe provider refused it for:\r\n\r\n");
    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (is_reported(recipient))
            g_string_append_printf(out, "  %s\r\n      %s\r\n", recipient->address,
                                   recipient->reply ? recipient->reply : "no reason was given");
    }
    g_string_append_printf(
        out,
        "\r\nIt is kept in the outbox as number %" G_GINT64_FORMAT
        " until it is sent again\r\nor dismissed (posternctl queue retry %" G_GINT64_FORMAT
        ", or cancel).\r\n",
        entry->id, entry->id);
}

static void append_recipient(GString *out, const QueueRecipient *recipient, const char *host,
                             gint64 now)
{
    g_autofree char *status = status_of(recipient);

    g_string_append(out, "\r\n");
    if (recipient->orcpt)
        g_string_append_printf(out, "Original-Recipient: %s\r\n", recipient->orcpt);
    g_string_append_printf(out, "Final-Recipient: %s; %s\r\nAction: failed\r\nStatus: %s\r\n",
                           g_str_is_ascii(recipient->address) ? "rfc822" : "utf-8",
                           recipient->address, status);
    g_string_append_printf(out, "Remote-MTA: dns; %s\r\n", host);
    if (recipient->reply)
        g_string_append_printf(out, "Diagnostic-Code: smtp; %s\r\n", recipient->reply);
    append_date(out, "Last-Attempt-Date", now);
}

/* Whether RFC 6533's types are needed. */
static gboolean is_global(const QueueEntry *entry)
{
    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (is_reported(recipient) && !g_str_is_ascii(recipient->address))
            return TRUE;
    }
    return FALSE;
}

static void append_status(GString *out, const QueueEntry *entry, const char *host, gint64 now)
{
    g_string_append(out, "Reporting-MTA: dns; localhost\r\n");
    if (entry->envid)
        g_string_append_printf(out, "Original-Envelope-Id: %s\r\n", entry->envid);
    append_date(out, "Arrival-Date", entry->submitted);
    for (guint i = 0; i < entry->recipients->len; i++) {
        const QueueRecipient *recipient = g_ptr_array_index(entry->recipients, i);
        if (is_reported(recipient))
            append_recipient(out, recipient, host, now);
    }
}

/* Whole lines of the original's header, without the empty one. */
static void append_original(GString *out, const char *header, gsize length)
{
    gsize keep = MIN(length, HEADER_MAX);

    while (keep > 0 && header[keep - 1] != '\n')
        keep--;
    while (keep >= 4 && memcmp(header + keep - 4, "\r\n\r\n", 4) == 0)
        keep -= 2;
    g_string_append_len(out, header, (gssize)keep);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void append_header(GString *out, const QueueEntry *entry, const char *boundary, gint64 now)
{
    g_autofree char *subject =
        g_strdup_printf("Not sent: %s", entry->subject ? entry->subject : "(no subject)");

    g_string_append_printf(
        out, "From: Postern <MAILER-DAEMON@localhost>\r\nTo: <%s>\r\nSubject: ", entry->sender);
    append_text(out, subject);
    g_string_append(out, "\r\n");
    append_date(out, "Date", now);
    g_string_append_printf(out,
                           "Message-ID: <%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT
                           ".%u.failed@postern.localhost>\r\n",
                           entry->submitted, entry->id, entry->attempts);
    g_string_append_printf(out,
                           "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
                           "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                           "\tboundary=\"%s\"\r\n\r\n",
                           boundary);
}

GString *relay_bounce_write(const QueueEntry *entry, const char *header, gsize length,
                            const char *host, gint64 now)
{
    GString *out = g_string_new(NULL);
    g_autofree char *random = g_uuid_string_random();
    g_autofree char *boundary = g_strdup_printf("postern-%s", random);
    gboolean global = is_global(entry);

    append_header(out, entry, boundary, now);
    g_string_append_printf(out,
                           "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                           "Content-Transfer-Encoding: 8bit\r\n\r\n",
                           boundary);
    append_words(out, entry);
    g_string_append_printf(out, "\r\n--%s\r\nContent-Type: message/%s\r\n%s\r\n", boundary,
                           global ? "global-delivery-status" : "delivery-status",
                           global ? "Content-Transfer-Encoding: 8bit\r\n" : "");
    append_status(out, entry, host, now);
    g_string_append_printf(out,
                           "\r\n--%s\r\nContent-Type: text/rfc822-headers\r\n"
                           "Content-Transfer-Encoding: 8bit\r\n\r\n",
                           boundary);
    append_original(out, header, length);
    g_string_append_printf(out, "\r\n--%s--\r\n", boundary);
    return out;
}
