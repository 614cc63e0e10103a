/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * URLFETCH (RFC 4467), and its extended form (URLAUTH=BINARY, RFC 5524): what authorized URLs name.
 * Of a URL that can't be read nothing is said but NIL, whatever the reason.
 */
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/section.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/url-content.h"
#include "daemon/serve/imap/urlauth.h"

#define URLS_MAX 1000

typedef enum { WANTS_BODY = 1, WANTS_BINARY = 2, WANTS_STRUCTURE = 4 } Wants;

typedef struct {
    char *text;
    guint wants; /* 0: the simple form */
} Request;

static void clear_request(gpointer data)
{
    g_free(((Request *)data)->text);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    Wants wants;
} parameters[] = {
    {"BODY", WANTS_BODY},
    {"BINARY", WANTS_BINARY},
    {"BODYPARTSTRUCTURE", WANTS_STRUCTURE},
};

static gboolean read_parameter(ImapLexer *lexer, Request *request, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(parameters); i++)
        if (imap_lexer_take_word(lexer, parameters[i].name)) {
            request->wants |= parameters[i].wants;
            return TRUE;
        }
    return imap_lexer_fail(lexer, "BODY, BINARY or BODYPARTSTRUCTURE", error);
}

/* "URL" or "(URL BODYPARTSTRUCTURE BINARY)" */
static gboolean read_request(ImapLexer *lexer, Request *request, GError **error)
{
    gboolean extended = imap_lexer_take(lexer, '(');
    request->text = imap_lexer_astring(lexer, "a URL", error);
    if (!request->text || !extended)
        return request->text != NULL;
    while (imap_lexer_more(lexer))
        if (!read_parameter(lexer, request, error))
            return FALSE;
    if ((request->wants & WANTS_BODY) && (request->wants & WANTS_BINARY))
        return imap_lexer_fail(lexer, "one of BODY and BINARY", error);
    return imap_lexer_expect(lexer, ')', error);
}

static GArray *read_requests(ImapLexer *lexer, GError **error)
{
    g_autoptr(GArray) requests = g_array_new(FALSE, TRUE, sizeof(Request));
    g_array_set_clear_func(requests, clear_request);
    do {
        g_array_set_size(requests, requests->len + 1);
        if (!imap_lexer_space(lexer, error) ||
            !read_request(lexer, &g_array_index(requests, Request, requests->len - 1), error))
            return NULL;
    } while (requests->len < URLS_MAX && !imap_lexer_at_end(lexer));
    return imap_lexer_end(lexer, error) ? g_steal_pointer(&requests) : NULL;
}

/* ---- answering ------------------------------------------------------------------------------- */

static void append_octets(GString *out, GBytes *octets)
{
    gsize size;
    const char *data = g_bytes_get_data(octets, &size);
    if (size && memchr(data, 0, size))
        g_string_append_c(out, '~');
    imap_out_octets(out, data ? data : "", size);
}

/* Sections within a part (HEADER, TEXT, MIME) are neither decoded nor have they a structure. */
static const MimePart *named_part(const MimeStructure *structure, const ImapUrl *url)
{
    if (url->section.kind != IMAP_SECTION_ALL)
        return NULL;
    return mime_section_part(structure, &url->section);
}

static gboolean append_binary(GString *out, const MimeStructure *structure, GBytes *message,
                              const ImapUrl *url)
{
    GString *text = g_string_new(NULL);
    gboolean ok = mime_section_decode(structure, g_bytes_get_data(message, NULL), &url->section,
                                      G_MAXSIZE, text, NULL);
    g_autoptr(GBytes) decoded = g_string_free_to_bytes(text);
    g_autoptr(GBytes) octets = imap_url_cut_partial(decoded, url);
    g_string_append(out, " (BINARY ");
    append_octets(out, octets);
    g_string_append_c(out, ')');
    return ok;
}

static gboolean append_extended(GString *out, const Request *request, GBytes *message,
                                const ImapUrl *url)
{
    gsize size;
    const char *data = g_bytes_get_data(message, &size);
    g_autoptr(MimeStructure) structure = mime_structure_parse(data, size, &mime_default_limits);
    const MimePart *part = named_part(structure, url);
    if (!part && (request->wants & (WANTS_BINARY | WANTS_STRUCTURE)))
        return FALSE;
    if (request->wants & WANTS_STRUCTURE) {
        g_string_append(out, " (BODYPARTSTRUCTURE ");
        mime_bodystructure_render_part(part, data, out);
        g_string_append_c(out, ')');
    }
    if (request->wants & WANTS_BINARY)
        return append_binary(out, structure, message, url);
    g_autoptr(GBytes) octets =
        request->wants & WANTS_BODY ? imap_url_cut(message, url, NULL) : NULL;
    if (octets) {
        g_string_append(out, " (BODY ");
        append_octets(out, octets);
        g_string_append_c(out, ')');
    }
    return octets || !(request->wants & WANTS_BODY);
}

static gboolean append_content(GString *out, const Request *request, GBytes *message,
                               const ImapUrl *url)
{
    if (request->wants)
        return append_extended(out, request, message, url);
    g_autoptr(GBytes) octets = imap_url_cut(message, url, NULL);
    if (!octets)
        return FALSE;
    g_string_append_c(out, ' ');
    append_octets(out, octets);
    return TRUE;
}

static void answer(ImapSession *session, const Request *request)
{
    g_autoptr(ImapUrl) url = imap_url_parse(request->text, NULL);
    g_autoptr(ServeAccount) account =
        url ? imap_urlauth_verify(session, url, request->text, NULL) : NULL;
    g_autoptr(GBytes) message = account ? imap_url_message(session, account, url, NULL) : NULL;
    GString *out = session->out;
    g_string_append(out, "* URLFETCH ");
    imap_quote_append_string(out, request->text, strlen(request->text), FALSE);
    gsize before = out->len;
    if (!message || !append_content(out, request, message, url)) {
        g_string_truncate(out, before);
        g_string_append(out, " NIL");
    }
    g_string_append(out, "\r\n");
}

void imap_cmd_urlfetch(ImapSession *session, ImapLexer *lexer)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) requests = read_requests(lexer, &error);
    if (!requests) {
        imap_reply_error(session, error);
        return;
    }
    for (guint i = 0; i < requests->len && imap_session_send(session); i++)
        answer(session, &g_array_index(requests, Request, i));
}
