/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making answers: tagged and untagged, and which response code an error has. */
#include "daemon/serve/imap/reply.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/proto/mime/decode.h"
#include "daemon/serve/imap/rights.h"

static const char *const status_names[] = {"OK", "NO", "BAD"};

void imap_reply(ImapSession *session, ImapStatus status, const char *code, const char *text)
{
    session->status = status;
    g_string_assign(session->code, code ? code : "");
    g_string_assign(session->text, text);
}

void imap_reply_printf(ImapSession *session, ImapStatus status, const char *code,
                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    imap_reply(session, status, code, text);
}

typedef struct {
    int code;
    ImapStatus status;
    const char *response; /* RFC 5530 */
    const char *text;     /* instead of the error's own; NULL: that */
} ErrorCode;

static const ErrorCode cache_codes[] = {
    {CACHE_ERROR_FAILED, IMAP_NO, "SERVERBUG", NULL},
    {CACHE_ERROR_FULL, IMAP_NO, "OVERQUOTA",
     "The disk that Postern keeps its mail on is full: make room there and try again"},
    {CACHE_ERROR_CORRUPT, IMAP_NO, "CORRUPTION", NULL},
    {CACHE_ERROR_NEWER, IMAP_NO, "UNAVAILABLE", NULL},
    {CACHE_ERROR_LOCKED, IMAP_NO, "INUSE", NULL},
    {CACHE_ERROR_NOT_FOUND, IMAP_NO, "NONEXISTENT", NULL},
    {CACHE_ERROR_EXISTS, IMAP_NO, "ALREADYEXISTS", NULL},
    {CACHE_ERROR_INVALID, IMAP_NO, "CANNOT", NULL},
    {CACHE_ERROR_CHILDREN, IMAP_NO, "HASCHILDREN", NULL},
    {CACHE_ERROR_TOO_BIG, IMAP_NO, "LIMIT", NULL},
};

static const ErrorCode grammar_codes[] = {
    {IMAP_ERROR_SYNTAX, IMAP_BAD, NULL, NULL},
    {IMAP_ERROR_LIMIT, IMAP_BAD, "LIMIT", NULL},
    {IMAP_ERROR_CHARSET, IMAP_NO, "BADCHARSET (UTF-8 US-ASCII)", NULL},
    {IMAP_ERROR_FLAG, IMAP_BAD, NULL, NULL},
};

static const ErrorCode decode_codes[] = {
    {MIME_DECODE_ERROR_UNKNOWN_ENCODING, IMAP_NO, "UNKNOWN-CTE", NULL},
};

static const ErrorCode rights_codes[] = {
    {IMAP_RIGHTS_ERROR_REFUSED, IMAP_NO, "NOPERM", NULL},
};

static const ErrorCode *find_code(const ErrorCode *codes, gsize count, int code)
{
    for (gsize i = 0; i < count; i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

void imap_reply_error(ImapSession *session, const GError *error)
{
    /* What is neither the cache's nor the grammar's comes from the network or from upstream. */
    static const ErrorCode other = {0, IMAP_NO, "UNAVAILABLE", NULL};
    const ErrorCode *found = NULL;
    if (error->domain == CACHE_ERROR)
        found = find_code(cache_codes, G_N_ELEMENTS(cache_codes), error->code);
    else if (error->domain == IMAP_ERROR)
        found = find_code(grammar_codes, G_N_ELEMENTS(grammar_codes), error->code);
    else if (error->domain == MIME_DECODE_ERROR)
        found = find_code(decode_codes, G_N_ELEMENTS(decode_codes), error->code);
    else if (error->domain == IMAP_RIGHTS_ERROR)
        found = find_code(rights_codes, G_N_ELEMENTS(rights_codes), error->code);
    if (!found)
        found = &other;
    imap_reply(session, found->status, found->response, found->text ? found->text : error->message);
}

gboolean imap_reply_end(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    if (imap_lexer_end(lexer, &error))
        return TRUE;
    imap_reply_error(session, error);
    return FALSE;
}

static void append_status(ImapSession *session, const char *status, const char *code,
                          const char *text)
{
    GString *out = session->out;
    g_string_append(out, status);
    if (code && *code)
        g_string_append_printf(out, " [%s]", code);
    g_string_append_c(out, ' ');
    imap_quote_append_text(out, text, imap_session_utf8(session));
    g_string_append(out, "\r\n");
}

void imap_untagged(ImapSession *session, const char *status, const char *code, const char *text)
{
    g_string_append(session->out, "* ");
    append_status(session, status, code, text);
}

/* RFC 9585, 4: not before 10 seconds, and not more often than that. */
#define PROGRESS_US (15 * G_TIME_SPAN_SECOND)

void imap_progress_begin(ImapSession *session)
{
    gint64 interval = session->daemon->progress_us ? session->daemon->progress_us : PROGRESS_US;
    session->progress_due = g_get_monotonic_time() + interval;
}

void imap_progress(ImapSession *session, guint done, guint total)
{
    if (!session->command || done >= total || g_get_monotonic_time() < session->progress_due)
        return;
    g_autoptr(GString) code = g_string_new("INPROGRESS (");
    g_autofree char *text = g_strdup_printf("%u of %u are done", done, total);
    imap_quote_append_quoted(code, session->command->tag, strlen(session->command->tag));
    g_string_append_printf(code, " %u %u)", done, total);
    imap_untagged(session, "OK", code->str, text);
    imap_progress_begin(session);
    imap_session_flush(session);
}

void imap_reply_send(ImapSession *session)
{
    if (!session->text->len)
        g_string_printf(session->text, "%s%s done.", session->by_uid ? "UID " : "",
                        session->command->name);
    g_string_append(session->out, session->command->tag);
    g_string_append_c(session->out, ' ');
    append_status(session, status_names[session->status], session->code->str, session->text->str);
}

void imap_out_number(GString *out, guint64 number)
{
    char digits[20];
    gsize at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    imap_out_bytes(out, digits + at, sizeof digits - at);
}

void imap_out_octets(GString *out, const void *octets, gsize length)
{
    g_string_append_c(out, '{');
    imap_out_number(out, length);
    imap_out_literal(out, "}\r\n");
    imap_out_bytes(out, octets, length);
}
