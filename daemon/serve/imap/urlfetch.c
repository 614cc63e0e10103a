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

/* What octets would be called that have no transfer encoding (RFC 2045, 2.7 to 2.9). */
static const char *encoding_of(const char *octets, gsize length)
{
    const char *name = "7bit";
    gsize line = 0;
    for (gsize i = 0; i < length; i++, line++) {
        gboolean crlf = octets[i] == '\r' && i + 1 < length && octets[i + 1] == '\n';
        if (octets[i] == '\n' && i > 0 && octets[i - 1] == '\r')
            line = 0;
        else if (octets[i] == 0 || (octets[i] == '\r' && !crlf) || octets[i] == '\n' || line > 998)
            return "binary";
        if (octets[i] & 0x80)
            name = "8bit";
    }
    return name;
}

static guint count_lines(const char *octets, gsize length)
{
    guint lines = 0;
    for (gsize i = 0; i < length; i++)
        lines += octets[i] == '\n';
    return lines;
}

/* RFC 5524, 3: the structure is that of what is given, so of a decoded part it has the decoded size.
 * `decoded` NULL: it is as it is in the message. */
static void append_structure(GString *out, const MimePart *part, const char *message,
                             GBytes *decoded)
{
    MimePart given = *part;
    g_string_append(out, " (BODYPARTSTRUCTURE ");
    if (decoded && !part->children) {
        gsize size;
        const char *octets = g_bytes_get_data(decoded, &size);
        given.transfer_encoding = encoding_of(octets, size);
        given.body_length = size;
        given.body_lines = count_lines(octets, size);
        mime_bodystructure_render_part(&given, message, out);
    } else {
        mime_bodystructure_render_part(part, message, out);
    }
    g_string_append_c(out, ')');
}

/* NULL: its encoding isn't known. */
static GBytes *decode_part(const MimeStructure *structure, GBytes *message, const ImapUrl *url)
{
    GString *text = g_string_new(NULL);
    if (mime_section_decode(structure, g_bytes_get_data(message, NULL), &url->section, G_MAXSIZE,
                            text, NULL))
        return g_string_free_to_bytes(text);
    g_string_free(text, TRUE);
    return NULL;
}

static void append_binary(GString *out, GBytes *decoded, const ImapUrl *url)
{
    g_autoptr(GBytes) octets = decoded ? imap_url_cut_partial(decoded, url) : NULL;
    g_string_append(out, " (BINARY ");
    if (octets)
        append_octets(out, octets);
    else
        g_string_append(out, "NIL");
    g_string_append_c(out, ')');
}

static gboolean append_body(GString *out, GBytes *message, const ImapUrl *url)
{
    g_autoptr(GBytes) octets = imap_url_cut(message, url, NULL);
    if (!octets)
        return FALSE;
    g_string_append(out, " (BODY ");
    append_octets(out, octets);
    g_string_append_c(out, ')');
    return TRUE;
}

static gboolean append_extended(GString *out, const ImapUrlfetch *request, GBytes *message,
                                const ImapUrl *url)
{
    gsize size;
    const char *data = g_bytes_get_data(message, &size);
    guint wanted = request->parameters;
    g_autoptr(MimeStructure) structure = mime_structure_parse(data, size, &mime_default_limits);
    const MimePart *part = named_part(structure, url);
    if (!part && (wanted & (IMAP_URLFETCH_BINARY | IMAP_URLFETCH_STRUCTURE)))
        return FALSE;
    g_autoptr(GBytes) decoded =
        wanted & IMAP_URLFETCH_BINARY ? decode_part(structure, message, url) : NULL;
    if (wanted & IMAP_URLFETCH_STRUCTURE)
        append_structure(out, part, data, decoded);
    if (wanted & IMAP_URLFETCH_BINARY)
        append_binary(out, decoded, url);
    return !(wanted & IMAP_URLFETCH_BODY) || append_body(out, message, url);
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
