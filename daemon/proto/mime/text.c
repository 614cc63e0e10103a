/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decoded and folded text. See text.h. */
#include "daemon/proto/mime/text.h"

#include "daemon/proto/mime/charset.h"
#include "daemon/proto/mime/header.h"
#include "daemon/proto/mime/html.h"
#include "daemon/proto/mime/words.h"

#include <string.h>

#define PREVIEW_CHARACTERS 200
/* What of a message is decoded to make a preview. */
#define PREVIEW_BYTES 16384
/* Encoded bytes that are enough for it in any encoding. */
#define PREVIEW_SOURCE (4 * PREVIEW_BYTES)
/* So many text parts are looked at. */
#define PREVIEW_PARTS 32
/* With headers no longer than this. */
#define PREVIEW_HEADER (1024 * 1024)

/* Text is normalized in pieces of about so many bytes, */
#define PIECE_BYTES 16384
/* with so many marks in a row at most (UAX 15, 13). */
#define MARKS_MAX 30

/* What a text is made with. */
typedef struct {
    MimeCharsets charsets;
    MimeStop *stop;
    gsize limit; /* of out */
    GString *out;
} Writer;

static gboolean is_full(Writer *writer)
{
    return writer->out->len >= writer->limit || mime_stop_after(writer->stop, 0);
}

static gboolean is_ascii(const char *text, gsize length)
{
    guint8 all = 0;

    for (gsize i = 0; i < length; i++)
        all |= (guint8)text[i];
    return all < 0x80;
}

/* --- folding --- */

/* Without a call or a branch per byte, so that the compiler makes vectors of it. */
static void lower_ascii(char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        text[i] = (char)(text[i] | ((guint8)(text[i] - 'A') < 26) << 5);
}

/* Whether no decomposition of c has a mark in it. */
static gboolean is_without_marks(gunichar c)
{
    return c < 0xA0 || (c >= 0x3400 && c < 0xA000) || (c >= 0xAC00 && c < 0xD7A4);
}

/* Counts the marks at the end of what was read so far. Whether c begins a letter. */
static gboolean count_marks(gunichar c, guint *marks)
{
    gunichar decomposed[G_UNICHAR_MAX_DECOMPOSITION_LENGTH];

    if (is_without_marks(c)) {
        *marks = 0;
        return TRUE;
    }

    gsize length = g_unichar_fully_decompose(c, TRUE, decomposed, G_N_ELEMENTS(decomposed));

    for (gsize i = 0; i < length; i++)
        *marks = g_unichar_combining_class(decomposed[i]) == 0 ? 0 : *marks + 1;
    return g_unichar_combining_class(decomposed[0]) == 0;
}

/* How much of valid UTF-8 to normalize at once. Marks on one letter are put in order by bubbling,
 * so the time that takes grows with the square of their number. */
static gsize piece_length(const char *text, gsize length)
{
    const char *end = text + length;
    guint marks = 0;

    for (const char *p = text; p < end; p = g_utf8_next_char(p)) {
        gboolean begins = count_marks(g_utf8_get_char(p), &marks);

        if (p > text && (marks > MARKS_MAX || (begins && p - text >= PIECE_BYTES)))
            return (gsize)(p - text);
    }
    return length;
}

static void append_normalized(const char *text, gsize length, GString *out)
{
    g_autofree char *normalized = g_utf8_normalize(text, (gssize)length, G_NORMALIZE_ALL);

    g_string_append(out, normalized != NULL ? normalized : "");
}

static void append_folded_piece(const char *text, gsize length, GString *out)
{
    if (is_ascii(text, length)) {
        g_string_append_len(out, text, (gssize)length);
        lower_ascii(out->str + out->len - length, length);
        return;
    }

    g_autofree char *decomposed = g_utf8_normalize(text, (gssize)length, G_NORMALIZE_ALL);
    g_autofree char *folded = decomposed != NULL ? g_utf8_casefold(decomposed, -1) : NULL;

    if (folded != NULL)
        append_normalized(folded, strlen(folded), out);
}

/* A line, folded. */
static void append_folded_line(Writer *writer, const char *line, gsize length)
{
    gboolean ascii = is_ascii(line, length);

    while (length > 0 && !is_full(writer)) {
        gsize piece = ascii ? MIN(length, PIECE_BYTES) : piece_length(line, length);

        append_folded_piece(line, piece, writer->out);
        mime_stop_after(writer->stop, piece);
        line += piece;
        length -= piece;
    }
}

/* Cuts out to limit bytes, at a character. */
static void cut_to(GString *out, gsize limit)
{
    if (out->len <= limit)
        return;
    while (limit > 0 && ((guint8)out->str[limit] & 0xC0) == 0x80)
        limit--;
    g_string_truncate(out, limit);
}

/* Appends valid UTF-8 folded, with "\n" for line ends. */
static void append_folded(Writer *writer, const char *text, gsize length)
{
    const char *end = text + length;

    while (text < end && !is_full(writer)) {
        const char *newline = memchr(text, '\n', (gsize)(end - text));
        const char *line_end = newline != NULL ? newline : end;
        const char *next = newline != NULL ? newline + 1 : end;

        if (newline != NULL && line_end > text && line_end[-1] == '\r')
            line_end--;
        append_folded_line(writer, text, (gsize)(line_end - text));
        if (newline != NULL)
            g_string_append_c(writer->out, '\n');
        text = next;
    }
    cut_to(writer->out, writer->limit);
}

char *mime_text_fold(const char *text, gsize length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    Writer writer = {.limit = G_MAXSIZE, .out = g_string_sized_new(length)};

    append_folded(&writer, valid, strlen(valid));
    return g_string_free(writer.out, FALSE);
}

char *mime_text_collate(const char *text)
{
    if (is_ascii(text, strlen(text)))
        return g_ascii_strup(text, -1);

    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) titled = g_string_sized_new(strlen(valid));

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p))
        g_string_append_unichar(titled, g_unichar_totitle(g_utf8_get_char(p)));

    GString *out = g_string_sized_new(titled->len);

    for (gsize done = 0, piece; done < titled->len; done += piece) {
        piece = piece_length(titled->str + done, titled->len - done);
        append_normalized(titled->str + done, piece, out);
    }
    return g_string_free(out, FALSE);
}

/* --- headers --- */

/* A value without its line ends, and with spaces for NULs. A tab that a line was folded at is taken
 * for the space that it stands for (RFC 5256, 2.1): one searches for what one reads. */
static GString *unfold_value(const char *value, gsize length)
{
    GString *line = g_string_sized_new(length + 1);
    gsize end = 0;
    gboolean folded = FALSE;

    for (gsize i = 0; i < length; i++) {
        gboolean space = value[i] == '\0' || (folded && value[i] == '\t');

        line->str[end] = space ? ' ' : value[i];
        folded = value[i] == '\r' || value[i] == '\n';
        end += !folded;
    }
    g_string_set_size(line, end);
    return line;
}

static char *decode_value(MimeCharsets *charsets, const char *value, gsize length)
{
    g_autoptr(GString) line = unfold_value(value, length);
    g_autoptr(GString) valid = NULL;

    if (is_ascii(line->str, line->len) && strstr(line->str, "=?") == NULL)
        return g_string_free(g_steal_pointer(&line), FALSE);

    valid = g_string_sized_new(line->len);
    mime_charset_append_utf8(charsets, line->str, line->len, NULL, valid);
    g_string_truncate(line, 0);
    mime_words_decode(charsets, valid->str, valid->len, line);
    return g_string_free(g_steal_pointer(&line), FALSE);
}

char *mime_text_decode_header(const char *value, gsize length)
{
    g_auto(MimeCharsets) charsets = {0};

    return decode_value(&charsets, value, length);
}

static void append_value(Writer *writer, const MimeField *field)
{
    g_autofree char *value = decode_value(&writer->charsets, field->value, field->value_length);

    append_folded(writer, value, strlen(value));
    if (writer->out->len < writer->limit)
        g_string_append_c(writer->out, '\n');
}

static void append_header(Writer *writer, const char *header, gsize length)
{
    const char *position = header;
    MimeField field;

    while (!is_full(writer) &&
           mime_field_next(&position, header + length, &field) == MIME_FIELD_MORE) {
        g_autofree char *name = g_utf8_make_valid(field.name, (gssize)field.name_length);

        append_folded(writer, name, strlen(name));
        if (field.name_length > 0 && writer->out->len + 1 < writer->limit)
            g_string_append(writer->out, ": ");
        append_value(writer, &field);
        mime_stop_after(writer->stop, field.line_length);
    }
}

void mime_text_header(const char *header, gsize length, gsize limit, MimeStop *stop, GString *out)
{
    Writer writer = {.charsets = {stop}, .stop = stop, .limit = limit, .out = out};

    append_header(&writer, header, length);
    mime_charsets_clear(&writer.charsets);
}

gboolean mime_text_field(const char *header, gsize length, const char *name, gsize limit,
                         MimeStop *stop, GString *out)
{
    Writer writer = {.charsets = {stop}, .stop = stop, .limit = limit, .out = out};
    const char *position = header;
    gboolean found = FALSE;
    MimeField field;

    while (!mime_stop_after(stop, 0) &&
           mime_field_next(&position, header + length, &field) == MIME_FIELD_MORE) {
        if (mime_field_is(&field, name)) {
            append_value(&writer, &field);
            found = TRUE;
        }
        mime_stop_after(stop, field.line_length);
    }
    mime_charsets_clear(&writer.charsets);
    return found;
}

/* --- bodies --- */

static gboolean is_html(const MimePart *part)
{
    return part->subtype != NULL && (g_ascii_strcasecmp(part->subtype, "html") == 0 ||
                                     g_ascii_strcasecmp(part->subtype, "xhtml+xml") == 0);
}

/* Whether a part is text: of text/..., or of message/... without a message in it, such as what a
 * bounce says for machines (message/delivery-status, RFC 3464; text by RFC 2046, 5.2). */
static gboolean is_text(const MimePart *part)
{
    return part->kind == MIME_PART_TEXT || (part->kind == MIME_PART_OTHER && part->type != NULL &&
                                            g_ascii_strcasecmp(part->type, "message") == 0);
}

/* Undoes the part's transfer encoding, up to limit bytes. */
static GString *part_bytes(const MimePart *part, const char *message, gsize limit, MimeStop *stop)
{
    GString *decoded = g_string_new(NULL);
    MimeEncoding encoding =
        part->encoding == MIME_ENCODING_UNKNOWN ? MIME_ENCODING_IDENTITY : part->encoding;
    g_autoptr(MimeDecoder) decoder = mime_decoder_new(encoding, NULL);
    const char *body = message + mime_part_body_start(part);
    gsize done = 0;

    while (done < part->body_length && decoded->len < limit &&
           !mime_stop_after(stop, MIME_STOP_BYTES)) {
        gsize slice = MIN(MIME_STOP_BYTES, part->body_length - done);

        mime_decoder_step(decoder, body + done, slice, decoded);
        done += slice;
    }
    if (decoded->len < limit)
        mime_decoder_end(decoder, decoded);
    return g_string_truncate(decoded, MIN(decoded->len, limit));
}

/* The text of a text part in valid UTF-8; of its bytes, no more than limit. */
static GString *part_text(MimeCharsets *charsets, const MimePart *part, const char *message,
                          gsize limit, gboolean with_links)
{
    g_autoptr(GString) decoded = part_bytes(part, message, limit, charsets->stop);
    g_autoptr(GString) text = g_string_sized_new(decoded->len);

    mime_charset_append_utf8(charsets, decoded->str, decoded->len,
                             mime_params_get(&part->type_params, "charset"), text);
    if (is_html(part)) {
        g_string_truncate(decoded, 0);
        mime_html_to_text(text->str, text->len, with_links, charsets->stop, decoded);
        return g_steal_pointer(&decoded);
    }
    return g_steal_pointer(&text);
}

/* The name of an attachment: from its encoded form (RFC 2231), or plain, or with encoded words. */
static char *part_name(MimeCharsets *charsets, const MimePart *part)
{
    const char *plain = mime_params_get(&part->disposition_params, "filename");
    const char *encoded = mime_params_get(&part->disposition_params, "filename*");

    if (plain == NULL)
        plain = mime_params_get(&part->type_params, "name");
    if (encoded == NULL)
        encoded = mime_params_get(&part->type_params, "name*");
    if (encoded == NULL)
        return plain != NULL ? decode_value(charsets, plain, strlen(plain)) : NULL;

    const char *language = strchr(encoded, '\'');
    const char *text = language != NULL ? strchr(language + 1, '\'') : NULL;
    g_autofree char *charset =
        text != NULL ? g_strndup(encoded, (gsize)(language - encoded)) : NULL;
    g_autoptr(GString) bytes = g_string_new(NULL);
    GString *name = g_string_new(NULL);

    for (text = text != NULL ? text + 1 : encoded; *text != '\0'; text++) {
        if (*text == '%' && g_ascii_isxdigit(text[1]) && g_ascii_isxdigit(text[2])) {
            g_string_append_c(
                bytes, (char)(g_ascii_xdigit_value(text[1]) * 16 + g_ascii_xdigit_value(text[2])));
            text += 2;
        } else {
            g_string_append_c(bytes, *text);
        }
    }
    mime_charset_append_utf8(charsets, bytes->str, bytes->len, charset, name);
    return g_string_free(name, FALSE);
}

static void append_part(Writer *writer, const MimePart *part, const char *message)
{
    g_autofree char *name = part_name(&writer->charsets, part);

    if (part->parent != NULL && part->parent->kind == MIME_PART_MESSAGE)
        append_header(writer, message + part->header_start, part->header_length);
    if (name != NULL) {
        append_folded(writer, name, strlen(name));
        append_folded(writer, "\n", 1);
    }
    if (!is_text(part))
        return;

    g_autoptr(GString) text = part_text(&writer->charsets, part, message, writer->limit, TRUE);

    append_folded(writer, text->str, text->len);
    if (writer->out->len > 0 && writer->out->str[writer->out->len - 1] != '\n')
        append_folded(writer, "\n", 1);
}

void mime_text_body(const MimeStructure *structure, const char *message, gsize limit,
                    MimeStop *stop, GString *out)
{
    Writer writer = {.charsets = {stop}, .stop = stop, .limit = limit, .out = out};
    const MimePart *part = mime_structure_root(structure);

    for (; part != NULL && !is_full(&writer); part = mime_part_following(part))
        append_part(&writer, part, message);
    mime_charsets_clear(&writer.charsets);
}

/* --- previews --- */

typedef struct {
    MimeCharsets charsets;
    MimeReadFunc read;
    gpointer data;
    GString *html; /* of the first part that has some: second choice */
} Preview;

static gboolean may_be_shown(const MimePart *part)
{
    return part->kind == MIME_PART_TEXT && part->body_length > 0 &&
           part->header_length <= PREVIEW_HEADER;
}

/* The start of a text part that isn't an attachment, if it is plain; HTML goes to preview->html.
 * FALSE when it can't be read. The part's kept structure doesn't say what its header says. */
static gboolean read_start(Preview *preview, const MimePart *part, GString **plain)
{
    const MimeLimits limits = {
        .max_depth = 1, .max_parts = 1, .max_header = PREVIEW_HEADER, .max_memory = G_MAXSIZE};
    gsize size = part->header_length + MIN(part->body_length, PREVIEW_SOURCE);
    g_autoptr(GBytes) bytes = preview->read(part->header_start, size, preview->data);

    if (bytes == NULL)
        return FALSE;

    const char *start = g_bytes_get_data(bytes, &size);
    g_autoptr(MimeStructure) structure = mime_structure_parse_part(
        start, size, part->parent != NULL && part->parent->kind == MIME_PART_MULTIPART, &limits);
    const MimePart *root = mime_structure_root(structure);

    if (!may_be_shown(root) ||
        (root->disposition != NULL && g_ascii_strcasecmp(root->disposition, "attachment") == 0))
        return TRUE;
    if (root->subtype == NULL || g_ascii_strcasecmp(root->subtype, "plain") == 0)
        *plain = part_text(&preview->charsets, root, start, PREVIEW_BYTES, FALSE);
    else if (preview->html == NULL && is_html(root))
        preview->html = part_text(&preview->charsets, root, start, PREVIEW_BYTES, FALSE);
    return TRUE;
}

/* The text that stands for the message: of the first text part that isn't an attachment, plain
 * rather than HTML. FALSE when it can't be read; NULL when there is none. */
static gboolean preview_text(Preview *preview, const MimeStructure *structure, GString **text)
{
    const MimePart *part = mime_structure_root(structure);

    for (guint looked_at = 0; part != NULL && *text == NULL && looked_at < PREVIEW_PARTS;
         part = mime_part_following(part)) {
        if (!may_be_shown(part))
            continue;
        if (!read_start(preview, part, text))
            return FALSE;
        looked_at++;
    }
    if (*text == NULL)
        *text = g_steal_pointer(&preview->html);
    return TRUE;
}

/* Squeezes text, with or without its quoted lines, into at most PREVIEW_CHARACTERS. */
static char *squeeze_preview(const GString *text, gboolean with_quotes)
{
    GString *out = g_string_sized_new(PREVIEW_CHARACTERS * 2);
    gboolean line_starts = TRUE, quoted = FALSE, space = FALSE;
    guint count = 0;

    for (const char *p = text->str; *p != '\0' && count < PREVIEW_CHARACTERS;
         p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (line_starts)
            quoted = c == '>' && !with_quotes;
        line_starts = c == '\n';
        if (quoted || g_unichar_iszerowidth(c))
            continue;
        if (g_unichar_isspace(c) || g_unichar_iscntrl(c)) {
            space = out->len > 0;
            continue;
        }
        if (space && ++count < PREVIEW_CHARACTERS)
            g_string_append_c(out, ' ');
        space = FALSE;
        if (count++ < PREVIEW_CHARACTERS)
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

char *mime_text_preview(const MimeStructure *structure, MimeReadFunc read, gpointer data)
{
    Preview preview = {.read = read, .data = data};
    g_autoptr(GString) text = NULL;
    gboolean ok = preview_text(&preview, structure, &text);

    mime_charsets_clear(&preview.charsets);

    if (preview.html != NULL)
        g_string_free(preview.html, TRUE);
    if (!ok || text == NULL)
        return ok ? g_strdup("") : NULL;

    g_autofree char *unquoted = squeeze_preview(text, FALSE);

    return unquoted[0] != '\0' ? g_steal_pointer(&unquoted) : squeeze_preview(text, TRUE);
}
