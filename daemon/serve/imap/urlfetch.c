/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * URLFETCH (RFC 4467), and its extended form (URLAUTH=BINARY, RFC 5524): what authorized URLs name.
 * Of a URL that can't be read nothing is said but NIL, whatever the reason.
 */
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/urlauth-args.h"
#include "daemon/proto/mime/bodystructure.h"
#include "daemon/proto/mime/section.h"
#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/url-content.h"
#include "daemon/serve/imap/urlauth.h"

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

static gboolean append_extended(GString *out, const ImapUrlfetch *request, GBytes *message,
                                const ImapUrl *url)
{
    gsize size;
    const char *data = g_bytes_get_data(message, &size);
    g_autoptr(MimeStructure) structure = mime_structure_parse(data, size, &mime_default_limits);
    const MimePart *part = named_part(structure, url);
    if (!part && (request->parameters & (IMAP_URLFETCH_BINARY | IMAP_URLFETCH_STRUCTURE)))
        return FALSE;
    if (request->parameters & IMAP_URLFETCH_STRUCTURE) {
        g_string_append(out, " (BODYPARTSTRUCTURE ");
        mime_bodystructure_render_part(part, data, out);
        g_string_append_c(out, ')');
    }
    if (request->parameters & IMAP_URLFETCH_BINARY)
        return append_binary(out, structure, message, url);
    g_autoptr(GBytes) octets =
        request->parameters & IMAP_URLFETCH_BODY ? imap_url_cut(message, url, NULL) : NULL;
    if (octets) {
        g_string_append(out, " (BODY ");
        append_octets(out, octets);
        g_string_append_c(out, ')');
    }
    return octets || !(request->parameters & IMAP_URLFETCH_BODY);
}

static gboolean append_content(GString *out, const ImapUrlfetch *request, GBytes *message,
                               const ImapUrl *url)
{
    if (request->parameters)
        return append_extended(out, request, message, url);
    g_autoptr(GBytes) octets = imap_url_cut(message, url, NULL);
    if (!octets)
        return FALSE;
    g_string_append_c(out, ' ');
    append_octets(out, octets);
    return TRUE;
}

static void answer_url(ImapSession *session, const ImapUrlfetch *request)
{
    g_autoptr(ImapUrl) url = imap_url_parse(request->url, NULL);
    g_autoptr(ServeAccount) account =
        url ? imap_urlauth_verify(session, url, request->url, NULL) : NULL;
    g_autoptr(GBytes) message = account ? imap_url_message(session, account, url, NULL) : NULL;
    GString *out = session->out;
    g_string_append(out, "* URLFETCH ");
    imap_quote_append_string(out, request->url, strlen(request->url), FALSE);
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
    g_autoptr(GArray) requests = imap_urlfetch_args_parse(lexer, &error);
    if (!requests) {
        imap_reply_error(session, error);
        return;
    }
    for (guint i = 0; i < requests->len && imap_session_flush(session); i++)
        answer_url(session, &g_array_index(requests, ImapUrlfetch, i));
}
