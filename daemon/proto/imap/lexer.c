/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The words of a command.
 *
 * A command's pieces alternate: text, literal, text, ... The lexer always stands in a text piece,
 * or behind the last piece where the text has not come yet.
 */
#include "daemon/proto/imap/lexer.h"

#include <string.h>

#include "daemon/proto/imap/chars.h"
#include "daemon/proto/imap/mailbox-name.h"

/* RFC 9051 number64, RFC 7162 mod-sequence-value. */
#define NUMBER64_MAX ((guint64)G_MAXINT64)

void imap_lexer_init(ImapLexer *lexer, const ImapCommand *command, const ImapLimits *limits,
                     guint mode)
{
    *lexer = (ImapLexer){.command = command, .limits = limits, .mode = mode};
}

/* What is left of the text piece. */
static const char *rest(const ImapLexer *lexer, gsize *length)
{
    const GArray *pieces = lexer->command->pieces;
    const char *text;

    *length = 0;
    if (lexer->piece >= pieces->len)
        return "";
    text = g_bytes_get_data(g_array_index(pieces, ImapPiece, lexer->piece).data, length);
    if (*length == 0)
        return "";
    *length -= lexer->offset;
    return text + lexer->offset;
}

char imap_lexer_peek(const ImapLexer *lexer)
{
    gsize length;
    const char *text = rest(lexer, &length);

    return length > 0 ? *text : '\0';
}

const ImapPiece *imap_lexer_peek_literal(const ImapLexer *lexer)
{
    const GArray *pieces = lexer->command->pieces;
    gsize length;

    rest(lexer, &length);
    if (length > 0 || lexer->piece + 1 >= pieces->len)
        return NULL;
    return &g_array_index(pieces, ImapPiece, lexer->piece + 1);
}

void imap_lexer_skip_literal(ImapLexer *lexer)
{
    lexer->piece += 2;
    lexer->offset = 0;
}

gboolean imap_lexer_fail(const ImapLexer *lexer, const char *what, GError **error)
{
    char next = imap_lexer_peek(lexer);

    if (imap_lexer_peek_literal(lexer) != NULL)
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "expected %s, found a literal", what);
    else if (next == '\0')
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "expected %s, but the command ends",
                    what);
    else if (next > 0x20 && next < 0x7f)
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "expected %s, found '%c'", what, next);
    else
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "expected %s, found %s", what,
                    next == ' ' ? "a space" : "a character that is not allowed there");
    return FALSE;
}

/* The number of octets of a class that come next. */
static gsize span(const ImapLexer *lexer, guint8 class)
{
    gsize length, n = 0;
    const char *text = rest(lexer, &length);

    while (n < length && imap_is_char(text[n], class))
        n++;
    return n;
}

/* Takes n octets, which are there. */
static char *take(ImapLexer *lexer, gsize n)
{
    gsize length;
    char *text = g_strndup(rest(lexer, &length), n);

    lexer->offset += n;
    return text;
}

gboolean imap_lexer_take(ImapLexer *lexer, char c)
{
    if (c == '\0' || imap_lexer_peek(lexer) != c)
        return FALSE;
    lexer->offset++;
    return TRUE;
}

gboolean imap_lexer_expect(ImapLexer *lexer, char c, GError **error)
{
    char what[] = {'\'', c, '\'', '\0'};

    return imap_lexer_take(lexer, c) || imap_lexer_fail(lexer, what, error);
}

gboolean imap_lexer_space(ImapLexer *lexer, GError **error)
{
    if (!imap_lexer_take(lexer, ' '))
        return imap_lexer_fail(lexer, "a space", error);
    while (imap_lexer_take(lexer, ' '))
        ;
    return TRUE;
}

gboolean imap_lexer_at_end(const ImapLexer *lexer)
{
    gsize length;
    const char *text = rest(lexer, &length);

    while (length > 0 && *text == ' ')
        text++, length--;
    return length == 0 && lexer->piece + 1 >= lexer->command->pieces->len;
}

gboolean imap_lexer_end(ImapLexer *lexer, GError **error)
{
    if (imap_lexer_at_end(lexer))
        return TRUE;
    while (imap_lexer_take(lexer, ' '))
        ;
    return imap_lexer_fail(lexer, "the end of the command", error);
}

gboolean imap_lexer_more(ImapLexer *lexer)
{
    return !imap_lexer_at_end(lexer) && imap_lexer_space(lexer, NULL);
}

gboolean imap_lexer_take_word(ImapLexer *lexer, const char *word)
{
    gsize length, n = span(lexer, IMAP_CHAR_ATOM);

    if (n != strlen(word) || g_ascii_strncasecmp(rest(lexer, &length), word, n) != 0)
        return FALSE;
    lexer->offset += n;
    return TRUE;
}

char *imap_lexer_atom(ImapLexer *lexer, const char *what, GError **error)
{
    gsize n = span(lexer, IMAP_CHAR_ATOM);

    if (n > 0)
        return take(lexer, n);
    imap_lexer_fail(lexer, what, error);
    return NULL;
}

char *imap_lexer_word(ImapLexer *lexer, const char *what, GError **error)
{
    gsize length, n = 0;
    const char *text = rest(lexer, &length);
    char *word;

    while (n < length && imap_is_atom_char(text[n]) && text[n] != '[' && text[n] != '<')
        n++;
    if (n == 0) {
        imap_lexer_fail(lexer, what, error);
        return NULL;
    }
    word = g_ascii_strup(text, n);
    lexer->offset += n;
    return word;
}

/* ---- strings ----------------------------------------------------------------------------------*/

/* A quoted string; the lexer stands at its first quote. */
static char *read_lexer_quoted(ImapLexer *lexer, const char *what, GError **error)
{
    gsize length, n;
    const char *text = rest(lexer, &length);
    /* Passwords come so: they fit without growing, which would leave copies. */
    g_autoptr(GString) out = g_string_sized_new(MIN(length, 1024));

    for (n = 1; n < length && text[n] != '"'; n++) {
        if (text[n] == '\\' && n + 1 < length && (text[n + 1] == '"' || text[n + 1] == '\\'))
            n++;
        else if (text[n] == '\\')
            n = length;
        if (n < length)
            g_string_append_c(out, text[n]);
    }
    if (n >= length) {
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                    "the quoted string for %s has no end, or a \\ before something else than \" "
                    "and \\",
                    what);
        return NULL;
    }
    if (!imap_is_ascii(out->str, out->len) &&
        ((lexer->mode & IMAP_MODE_UTF8) == 0 || !g_utf8_validate(out->str, out->len, NULL))) {
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                    "8-bit characters in %s must be sent as a literal", what);
        return NULL;
    }
    lexer->offset += n + 1;
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* The octets of the literal that is next. */
static GBytes *read_literal(ImapLexer *lexer, gboolean binary_ok, const char *what, GError **error)
{
    const ImapPiece *piece = imap_lexer_peek_literal(lexer);

    if (piece == NULL || piece->data == NULL) {
        imap_lexer_fail(lexer, what, error);
        return NULL;
    }
    if (piece->binary && !binary_ok) {
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "%s can't be a binary literal", what);
        return NULL;
    }
    imap_lexer_skip_literal(lexer);
    return g_bytes_ref(piece->data);
}

char *imap_lexer_string(ImapLexer *lexer, const char *what, GError **error)
{
    g_autoptr(GBytes) octets = NULL;
    gsize length;
    const char *text;

    if (imap_lexer_peek(lexer) == '"')
        return read_lexer_quoted(lexer, what, error);
    octets = read_literal(lexer, FALSE, what, error);
    if (octets == NULL)
        return NULL;
    text = g_bytes_get_data(octets, &length);
    return g_strndup(text != NULL ? text : "", length);
}

/* A run of characters of a class, or a string. */
static char *read_chars_or_string(ImapLexer *lexer, guint8 class, const char *what, GError **error)
{
    gsize n = span(lexer, class);

    return n > 0 ? take(lexer, n) : imap_lexer_string(lexer, what, error);
}

char *imap_lexer_astring(ImapLexer *lexer, const char *what, GError **error)
{
    return read_chars_or_string(lexer, IMAP_CHAR_ASTRING, what, error);
}

gboolean imap_lexer_nstring(ImapLexer *lexer, char **out, const char *what, GError **error)
{
    *out = NULL;
    if (imap_lexer_take_word(lexer, "NIL"))
        return TRUE;
    *out = imap_lexer_string(lexer, what, error);
    return *out != NULL;
}

gboolean imap_lexer_nbytes(ImapLexer *lexer, GBytes **out, const char *what, GError **error)
{
    char *text;

    *out = NULL;
    if (imap_lexer_peek_literal(lexer) != NULL) {
        *out = read_literal(lexer, TRUE, what, error);
        return *out != NULL;
    }
    if (!imap_lexer_nstring(lexer, &text, what, error))
        return FALSE;
    if (text != NULL)
        *out = g_bytes_new_take(text, strlen(text));
    return TRUE;
}

/* The name that was written on the wire of this mode; takes it over. */
static char *decode_mailbox(const ImapLexer *lexer, char *wire, GError **error)
{
    g_autofree char *text = wire;
    char *name;

    if (wire == NULL)
        return NULL;
    if ((lexer->mode & IMAP_MODE_UTF8) == 0) {
        name = imap_name_from_wire(text, strlen(text));
    } else if (g_utf8_validate(text, -1, NULL)) {
        name = g_steal_pointer(&text);
    } else {
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                            "the mailbox name is not valid UTF-8");
        return NULL;
    }
    imap_name_fold_inbox(name, '\0');
    return name;
}

char *imap_lexer_mailbox(ImapLexer *lexer, GError **error)
{
    return decode_mailbox(lexer, imap_lexer_astring(lexer, "a mailbox name", error), error);
}

char *imap_lexer_label(ImapLexer *lexer, GError **error)
{
    g_autofree char *label = NULL;

    if (!imap_lexer_take(lexer, '\\'))
        return imap_lexer_mailbox(lexer, error);
    label = imap_lexer_atom(lexer, "a label", error);
    return label != NULL ? g_strconcat("\\", label, NULL) : NULL;
}

char *imap_lexer_list_mailbox(ImapLexer *lexer, GError **error)
{
    return decode_mailbox(
        lexer, read_chars_or_string(lexer, IMAP_CHAR_LIST, "a mailbox pattern", error), error);
}

/* ---- numbers and sets -------------------------------------------------------------------------*/

static gboolean read_lexer_number(ImapLexer *lexer, guint64 max, const char *what, guint64 *out,
                                  GError **error)
{
    gsize length, n;
    const char *text = rest(lexer, &length);
    guint64 value = 0;

    for (n = 0; n < length && g_ascii_isdigit(text[n]); n++) {
        guint digit = text[n] - '0';

        if (value > (max - digit) / 10) {
            g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "%s must be at most %" G_GUINT64_FORMAT, what, max);
            return FALSE;
        }
        value = value * 10 + digit;
    }
    if (n == 0)
        return imap_lexer_fail(lexer, what, error);
    lexer->offset += n;
    *out = value;
    return TRUE;
}

gboolean imap_lexer_number(ImapLexer *lexer, guint32 *out, GError **error)
{
    guint64 value;

    if (!read_lexer_number(lexer, G_MAXUINT32, "a number", &value, error))
        return FALSE;
    *out = value;
    return TRUE;
}

gboolean imap_lexer_nz_number(ImapLexer *lexer, guint32 *out, GError **error)
{
    if (!imap_lexer_number(lexer, out, error))
        return FALSE;
    if (*out > 0)
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "expected a number from 1 to 4294967295, found 0");
    return FALSE;
}

gboolean imap_lexer_number64(ImapLexer *lexer, guint64 *out, GError **error)
{
    return read_lexer_number(lexer, NUMBER64_MAX, "a number", out, error);
}

static ImapSequenceSet *read_set(ImapLexer *lexer, const char *characters, GError **error)
{
    gsize length, n = 0;
    const char *text = rest(lexer, &length);
    ImapSequenceSet *set;

    while (n < length && strchr(characters, text[n]) != NULL)
        n++;
    if (n == 0) {
        imap_lexer_fail(lexer, "a message set", error);
        return NULL;
    }
    set = imap_sequence_set_parse(text, n, lexer->limits->set_ranges,
                                  strchr(characters, '$') != NULL, error);
    lexer->offset += n;
    return set;
}

ImapSequenceSet *imap_lexer_sequence_set(ImapLexer *lexer, gboolean allow_saved, GError **error)
{
    return read_set(lexer, allow_saved ? "0123456789:,*$" : "0123456789:,*", error);
}

ImapSequenceSet *imap_lexer_uid_set(ImapLexer *lexer, GError **error)
{
    return read_set(lexer, "0123456789:,", error);
}

gboolean imap_lexer_partial(ImapLexer *lexer, ImapPartial *out, GError **error)
{
    gboolean from_end = imap_lexer_take(lexer, '-');
    guint32 first, last;

    if (!imap_lexer_nz_number(lexer, &first, error) || !imap_lexer_expect(lexer, ':', error) ||
        (from_end && !imap_lexer_expect(lexer, '-', error)) ||
        !imap_lexer_nz_number(lexer, &last, error))
        return FALSE;
    *out = (ImapPartial){TRUE, from_end, first > last, MIN(first, last), MAX(first, last)};
    return TRUE;
}

/* ---- lists, flags, dates ----------------------------------------------------------------------*/

gboolean imap_lexer_list(ImapLexer *lexer, const char *what, gboolean empty_ok,
                         ImapListElement element, gpointer data, GError **error)
{
    if (!imap_lexer_take(lexer, '('))
        return imap_lexer_fail(lexer, what, error);
    if (empty_ok && imap_lexer_take(lexer, ')'))
        return TRUE;
    for (guint n = 0; n < lexer->limits->list_items; n++) {
        if (!element(lexer, data, error))
            return FALSE;
        if (imap_lexer_take(lexer, ')'))
            return TRUE;
        if (!imap_lexer_take(lexer, ' '))
            return imap_lexer_fail(lexer, "a space or ')'", error);
        while (imap_lexer_take(lexer, ' '))
            ;
        if (imap_lexer_take(lexer, ')'))
            return TRUE;
    }
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the list of %s has more than %u members",
                what, lexer->limits->list_items);
    return FALSE;
}

static gboolean read_flag(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapFlags *flags = data;
    gsize length, n;
    const char *text = rest(lexer, &length);
    gboolean system = imap_lexer_take(lexer, '\\');

    n = span(lexer, IMAP_CHAR_ATOM);
    if (n == 0)
        return imap_lexer_fail(lexer, "a flag", error);
    lexer->offset += n;
    n += system ? 1 : 0;
    if (imap_flags_add(flags, text, n) && !flags->recent)
        return TRUE;
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_FLAG, "the flag %.*s can't be set",
                (int)MIN(n, IMAP_KEYWORD_MAX), text);
    return FALSE;
}

ImapFlags *imap_lexer_flags(ImapLexer *lexer, gboolean bare, GError **error)
{
    g_autoptr(ImapFlags) flags = imap_flags_new();

    if (imap_lexer_peek(lexer) == '(' || !bare) {
        if (!imap_lexer_list(lexer, "a list of flags in parentheses", TRUE, read_flag, flags,
                             error))
            return NULL;
        return g_steal_pointer(&flags);
    }
    do {
        if (!read_flag(lexer, flags, error))
            return NULL;
    } while (imap_lexer_more(lexer));
    return g_steal_pointer(&flags);
}

gboolean imap_lexer_date_time(ImapLexer *lexer, ImapDateTime *out, GError **error)
{
    g_autofree char *text = NULL;

    if (imap_lexer_peek(lexer) != '"')
        return imap_lexer_fail(lexer, "a date and time in quotes", error);
    text = read_lexer_quoted(lexer, "the date", error);
    if (text == NULL)
        return FALSE;
    if (imap_date_time_parse(text, strlen(text), out))
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "a date and time must look like \"17-Jul-1996 02:44:25 -0700\"");
    return FALSE;
}

gboolean imap_lexer_date(ImapLexer *lexer, gint32 *days, GError **error)
{
    gboolean quoted = imap_lexer_peek(lexer) == '"';
    g_autofree char *text = quoted ? read_lexer_quoted(lexer, "the date", error)
                                   : imap_lexer_atom(lexer, "a date", error);

    if (text == NULL)
        return FALSE;
    if (imap_date_parse(text, strlen(text), days))
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "a date must look like 1-Feb-1994");
    return FALSE;
}
