/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Undoing transfer encodings. See decode.h. GMime decodes base64; its quoted-printable keeps the
 * white space that mail relays leave at the ends of lines, and its uuencode wants lines that have
 * lost none, and knows nothing of what is around them. */
#include "daemon/proto/mime/decode.h"

#include <gmime/gmime.h>
#include <string.h>

/* Encoded bytes decoded at a time, so that no buffer is made for more than limit needs. */
#define SLICE 65536

/* Without the static of G_DEFINE_QUARK, which threads would share unguarded. */
GQuark mime_decode_error_quark(void)
{
    return g_quark_from_static_string("mime-decode-error");
}

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

/* A line of uuencoded text, as far as it has come. */
typedef struct {
    enum { UU_BEFORE, UU_DATA, UU_BEHIND } place;
    guint at;         /* before the data: how much of "begin " the line has begun with, */
    gboolean other;   /* or that it is another line */
    gboolean started; /* its first character is over */
    guint left;       /* octets that it still holds */
    guint32 group;    /* four characters are three of them */
    guint characters; /* in the group so far */
} UuLine;

struct MimeDecoder {
    MimeEncoding encoding;
    GMimeEncoding state; /* base64 */
    gsize digits;        /* base64: so far, padding included */
    UuLine uu;           /* uuencode */
    GString *held;       /* quoted-printable: what was given and can't be decoded yet */
};

MimeDecoder *mime_decoder_new(MimeEncoding encoding, GError **error)
{
    if (encoding == MIME_ENCODING_UNKNOWN) {
        g_set_error_literal(error, MIME_DECODE_ERROR, MIME_DECODE_ERROR_UNKNOWN_ENCODING,
                            "The part has a transfer encoding that isn't known here; fetch it "
                            "undecoded with BODY[]");
        return NULL;
    }

    MimeDecoder *decoder = g_new0(MimeDecoder, 1);

    decoder->encoding = encoding;
    if (encoding == MIME_ENCODING_BASE64)
        g_mime_encoding_init_decode(&decoder->state, GMIME_CONTENT_ENCODING_BASE64);
    else if (encoding == MIME_ENCODING_QUOTED_PRINTABLE)
        decoder->held = g_string_new(NULL);
    return decoder;
}

void mime_decoder_free(MimeDecoder *decoder)
{
    if (decoder != NULL && decoder->held != NULL)
        g_string_free(decoder->held, TRUE);
    g_free(decoder);
}

/* --- base64 --- */

static void gmime_step(MimeDecoder *decoder, const char *bytes, gsize length, GString *out)
{
    gsize before = out->len;

    g_string_set_size(out, before + g_mime_encoding_outlen(&decoder->state, length));
    g_string_truncate(
        out, before + g_mime_encoding_step(&decoder->state, bytes, length, out->str + before));
}

static gsize count_digits(const char *text, gsize length)
{
    gsize digits = 0;

    for (gsize i = 0; i < length; i++)
        digits += g_ascii_isalnum(text[i]) || text[i] == '+' || text[i] == '/' || text[i] == '=';
    return digits;
}

/* The padding that a base64 text lacks, or "". */
static const char *missing_padding(gsize digits)
{
    static const char *const padding[] = {"", "", "==", "="};

    return padding[digits % 4];
}

/* --- uuencode --- */

/* The line that begins with "begin " is the last one before the data. */
static void before_uu_data(UuLine *line, char c)
{
    static const char word[] = "begin ";

    if (c == '\n') {
        line->place = word[line->at] == '\0' ? UU_DATA : UU_BEFORE;
        line->at = 0;
        line->other = FALSE;
    } else if (word[line->at] != '\0') {
        line->other |= c != word[line->at];
        line->at += !line->other;
    }
}

static void add_uu_digit(UuLine *line, guint32 digit, GString *out)
{
    line->group = line->group << 6 | digit;
    if (++line->characters < 4)
        return;
    for (guint shift = 24; shift > 0 && line->left > 0; line->left--)
        g_string_append_c(out, (char)(line->group >> (shift -= 8)));
    line->characters = 0;
}

/* Spaces at the end may have got lost on the way; they are zeros. */
static void end_uu_line(UuLine *line, GString *out)
{
    while (line->left > 0)
        add_uu_digit(line, 0, out);
    line->started = FALSE;
}

static void read_uu_data(UuLine *line, char c, GString *out)
{
    guint32 digit = (guint32)(c - ' ') & 63;

    if (c == '\n') {
        end_uu_line(line, out);
    } else if (c < ' ' || c > '`') {
        return;
    } else if (!line->started) {
        line->started = TRUE;
        line->left = digit;
        line->characters = 0;
        line->place = digit > 0 ? UU_DATA : UU_BEHIND;
    } else if (line->left > 0) {
        add_uu_digit(line, digit, out);
    }
}

static void uuencode_step(UuLine *line, const char *bytes, gsize length, GString *out)
{
    const char *end = bytes + length;

    while (bytes < end && line->place == UU_BEFORE)
        before_uu_data(line, *bytes++);
    while (bytes < end && line->place == UU_DATA)
        read_uu_data(line, *bytes++, out);
}

/* --- quoted-printable --- */

/* Text of a line, or a piece of it. A stray "=" stands for itself. */
static void decode_quoted_text(const char *line, const char *end, GString *out)
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

/* The end of a line, whose line end is from `newline` to `next`: the white space before that was
 * never part of the text (RFC 2045, 6.7). */
static void decode_quoted_line(const char *line, const char *newline, const char *next,
                               GString *out)
{
    const char *end = newline;

    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;

    gboolean soft = end > line && end[-1] == '=';

    decode_quoted_text(line, soft ? end - 1 : end, out);
    if (!soft)
        g_string_append_len(out, newline, next - newline);
}

/* Decodes the lines that end in the text; gives what is left of it. */
static const char *decode_quoted_lines(const char *text, const char *end, GString *out)
{
    const char *newline;

    while (text < end && (newline = memchr(text, '\n', (gsize)(end - text))) != NULL) {
        gboolean cr = newline > text && newline[-1] == '\r';

        decode_quoted_line(text, newline - cr, newline + 1, out);
        text = newline + 1;
    }
    return text;
}

static gboolean is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* How much at the end of a line that may go on depends on what follows: white space, and before it
 * "=", or "=" and one digit. */
static gsize undecided(const char *text, const char *end)
{
    const char *from = end;

    while (from > text && is_blank(from[-1]))
        from--;
    if (from > text && from[-1] == '=')
        from--;
    else if (from == end && end - text >= 2 && end[-2] == '=')
        from -= 2;
    return (gsize)(end - from);
}

static gboolean is_all_blank(const char *bytes, gsize length)
{
    while (length > 0 && is_blank(bytes[length - 1]))
        length--;
    return length == 0;
}

static void quoted_step(MimeDecoder *decoder, const char *bytes, gsize length, GString *out)
{
    GString *held = decoder->held;

    /* Megabytes of blanks are looked at once, not with each piece again. */
    if (held->len > 0 || is_all_blank(bytes, length))
        g_string_append_len(held, bytes, (gssize)length);
    if (is_all_blank(bytes, length))
        return;

    const char *text = held->len > 0 ? held->str : bytes;
    const char *end = held->len > 0 ? held->str + held->len : bytes + length;
    const char *rest = decode_quoted_lines(text, end, out);
    gsize keep = undecided(rest, end);

    decode_quoted_text(rest, end - keep, out);
    if (held->len > 0)
        g_string_erase(held, 0, (gssize)(held->len - keep));
    else
        g_string_append_len(held, end - keep, (gssize)keep);
}

/* --- in pieces, and at once --- */

void mime_decoder_step(MimeDecoder *decoder, const char *bytes, gsize length, GString *out)
{
    if (length == 0)
        return;
    switch (decoder->encoding) {
    case MIME_ENCODING_BASE64:
        decoder->digits += count_digits(bytes, length);
        gmime_step(decoder, bytes, length, out);
        break;
    case MIME_ENCODING_UUENCODE:
        uuencode_step(&decoder->uu, bytes, length, out);
        break;
    case MIME_ENCODING_QUOTED_PRINTABLE:
        quoted_step(decoder, bytes, length, out);
        break;
    case MIME_ENCODING_IDENTITY:
    case MIME_ENCODING_UNKNOWN: /* of which there is no decoder */
        g_string_append_len(out, bytes, (gssize)length);
        break;
    }
}

void mime_decoder_end(MimeDecoder *decoder, GString *out)
{
    if (decoder->encoding == MIME_ENCODING_BASE64) {
        const char *padding = missing_padding(decoder->digits);

        gmime_step(decoder, padding, strlen(padding), out);
    } else if (decoder->encoding == MIME_ENCODING_UUENCODE) {
        end_uu_line(&decoder->uu, out);
    } else if (decoder->held != NULL) {
        const char *end = decoder->held->str + decoder->held->len;

        decode_quoted_line(decoder->held->str, end, end, out);
        g_string_truncate(decoder->held, 0);
    }
}

gboolean mime_decode(const char *body, gsize length, MimeEncoding encoding, gsize limit,
                     GString *out, GError **error)
{
    g_autoptr(MimeDecoder) decoder = mime_decoder_new(encoding, error);

    if (decoder == NULL)
        return FALSE;
    if (encoding == MIME_ENCODING_IDENTITY)
        length = MIN(length, limit > out->len ? limit - out->len : 0);
    for (gsize done = 0; done < length && out->len < limit; done += SLICE)
        mime_decoder_step(decoder, body + done, MIN(SLICE, length - done), out);
    if (out->len < limit)
        mime_decoder_end(decoder, out);
    if (out->len > limit)
        g_string_truncate(out, limit);
    return TRUE;
}
