/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Undoing transfer encodings. See decode.h. GMime decodes base64 and uuencode; its quoted-printable
 * keeps the white space that mail relays leave at the ends of lines. */
#include "daemon/proto/mime/decode.h"

#include <gmime/gmime.h>
#include <string.h>

/* Encoded bytes decoded at a time, so that no buffer is made for more than limit needs. */
#define SLICE 65536

G_DEFINE_QUARK(mime - decode - error - quark, mime_decode_error)

MimeEncoding mime_encoding_from_name(const char *name)
{
    static const struct {
        const char *name;
        MimeEncoding encoding;
    } names[] = {
        {"7bit", MIME_ENCODING_IDENTITY},
        {"8bit", MIME_ENCODING_IDENTITY},
        {"binary", MIME_ENCODING_IDENTITY},
        {"base64", MIME_ENCODING_BASE64},
        {"quoted-printable", MIME_ENCODING_QUOTED_PRINTABLE},
        {"x-uuencode", MIME_ENCODING_UUENCODE},
        {"x-uue", MIME_ENCODING_UUENCODE},
        {"uuencode", MIME_ENCODING_UUENCODE},
    };

    if (name == NULL)
        return MIME_ENCODING_IDENTITY;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (g_ascii_strcasecmp(names[i].name, name) == 0)
            return names[i].encoding;
    return MIME_ENCODING_UNKNOWN;
}

static void decode_step(GMimeEncoding *decoder, const char *bytes, gsize length, GString *out)
{
    gsize before = out->len;

    g_string_set_size(out, before + g_mime_encoding_outlen(decoder, length));
    g_string_truncate(out,
                      before + g_mime_encoding_step(decoder, bytes, length, out->str + before));
}

/* The padding that a base64 text lacks, or "". */
static const char *missing_padding(const char *text, gsize length)
{
    static const char *const padding[] = {"", "", "==", "="};
    gsize digits = 0;

    for (gsize i = 0; i < length; i++)
        digits += g_ascii_isalnum(text[i]) || text[i] == '+' || text[i] == '/' || text[i] == '=';
    return padding[digits % 4];
}

static void decode_slices(const char *body, gsize length, GMimeContentEncoding encoding,
                          gsize limit, GString *out)
{
    GMimeEncoding decoder;

    g_mime_encoding_init_decode(&decoder, encoding);
    for (gsize done = 0; done < length && out->len < limit; done += SLICE)
        decode_step(&decoder, body + done, MIN(SLICE, length - done), out);
    if (encoding == GMIME_CONTENT_ENCODING_BASE64 && out->len < limit) {
        const char *padding = missing_padding(body, length);

        decode_step(&decoder, padding, strlen(padding), out);
    }
}

/* A line of quoted-printable without its line end and the white space before that, which was never
 * part of the text. A stray "=" stands for itself. */
static void decode_quoted_line(const char *line, const char *end, GString *out)
{
    while (line < end) {
        const char *equals = memchr(line, '=', (gsize)(end - line));
        const char *until = equals != NULL ? equals : end;

        g_string_append_len(out, line, until - line);
        line = until;
        if (end - line >= 3 && g_ascii_isxdigit(line[1]) && g_ascii_isxdigit(line[2])) {
            g_string_append_c(
                out, (char)(g_ascii_xdigit_value(line[1]) * 16 + g_ascii_xdigit_value(line[2])));
            line += 3;
        } else if (line < end) {
            g_string_append_c(out, *line++);
        }
    }
}

/* RFC 2045, 6.7 */
static void decode_quoted_printable(const char *body, gsize length, gsize limit, GString *out)
{
    const char *end = body + length;

    while (body < end && out->len < limit) {
        const char *newline = memchr(body, '\n', (gsize)(end - body));
        const char *next = newline != NULL ? newline + 1 : end;
        const char *newline_start = newline != NULL ? newline : end;

        if (newline != NULL && newline > body && newline[-1] == '\r')
            newline_start--;

        const char *text_end = newline_start;

        while (text_end > body && (text_end[-1] == ' ' || text_end[-1] == '\t'))
            text_end--;

        gboolean soft = text_end > body && text_end[-1] == '=';

        decode_quoted_line(body, soft ? text_end - 1 : text_end, out);
        if (!soft)
            g_string_append_len(out, newline_start, next - newline_start);
        body = next;
    }
}

gboolean mime_decode(const char *body, gsize length, MimeEncoding encoding, gsize limit,
                     GString *out, GError **error)
{
    gsize room = limit > out->len ? limit - out->len : 0;

    switch (encoding) {
    case MIME_ENCODING_IDENTITY:
        g_string_append_len(out, body, (gssize)MIN(length, room));
        return TRUE;
    case MIME_ENCODING_BASE64:
        decode_slices(body, length, GMIME_CONTENT_ENCODING_BASE64, limit, out);
        break;
    case MIME_ENCODING_QUOTED_PRINTABLE:
        decode_quoted_printable(body, length, limit, out);
        break;
    case MIME_ENCODING_UUENCODE:
        decode_slices(body, length, GMIME_CONTENT_ENCODING_UUENCODE, limit, out);
        break;
    case MIME_ENCODING_UNKNOWN:
        g_set_error_literal(error, MIME_DECODE_ERROR, MIME_DECODE_ERROR_UNKNOWN_ENCODING,
                            "The part has a transfer encoding that isn't known here; fetch it "
                            "undecoded with BODY[]");
        return FALSE;
    }
    if (out->len > limit)
        g_string_truncate(out, limit);
    return TRUE;
}
