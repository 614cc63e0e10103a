/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tokens of structured header fields. See token.h.
 *
 * Results have to agree with Dovecot's byte for byte, broken input included, so where this is
 * lenient, it is lenient in the same places. */
#include "daemon/proto/mime/token.h"

#include <string.h>

enum {
    ATEXT = 1, /* RFC 5322, 3.2.3, and 8-bit */
    TOKEN = 2, /* RFC 2045, 5.1 */
};

static const guint8 char_classes[256] = {
    ['!'] = ATEXT | TOKEN,
    ['#' ... '\''] = ATEXT | TOKEN,
    ['*'] = ATEXT | TOKEN,
    ['+'] = ATEXT | TOKEN,
    ['-'] = ATEXT | TOKEN,
    ['.'] = TOKEN,
    ['/'] = ATEXT,
    ['0' ... '9'] = ATEXT | TOKEN,
    ['='] = ATEXT,
    ['?'] = ATEXT,
    ['A' ... 'Z'] = ATEXT | TOKEN,
    ['^' ... '~'] = ATEXT | TOKEN,
    [0x80 ... 0xff] = ATEXT | TOKEN,
};

static gboolean has_class(char c, guint8 class)
{
    return (char_classes[(guint8)c] & class) != 0;
}

/* Whether c can be in an atom: RFC 5322's atext and everything that is 8-bit. */
static gboolean is_atext(char c)
{
    return has_class(c, ATEXT);
}

static MimeTokenResult more(const MimeTokens *tokens)
{
    return tokens->pos < tokens->end ? MIME_TOKEN_MORE : MIME_TOKEN_LAST;
}

/* Appends the text from start to until, if anyone wants it. */
static void append(GString *out, const char *start, const char *until)
{
    if (out != NULL && until > start)
        g_string_append_len(out, start, until - start);
}

/* Text between delimiters, where a backslash quotes, line ends are folds and go, and NULs are
 * replaced. Call with pos at an interesting character; *start is what hasn't been appended yet.
 * FALSE when the text ends within a quoted pair. */
static gboolean quoted_special(MimeTokens *tokens, const char **start, GString *out)
{
    const char *at = tokens->pos;

    switch (*at) {
    case '\0':
        append(out, *start, at);
        if (out != NULL)
            g_string_append(out, MIME_REPLACEMENT);
        *start = at + 1;
        break;
    case '\n':
        append(out, *start, at > *start && at[-1] == '\r' ? at - 1 : at);
        *start = at + 1;
        break;
    case '\\':
        if (at + 1 >= tokens->end) {
            tokens->pos = tokens->end;
            return FALSE;
        }
        /* A line end or NUL can't be quoted: the backslash stands for itself (obs-qp). */
        if (at[1] == '\r' || at[1] == '\n' || at[1] == '\0')
            break;
        append(out, *start, at);
        *start = at + 1;
        tokens->pos++;
        break;
    default:
        break;
    }
    return TRUE;
}

static MimeTokenResult skip_comment(MimeTokens *tokens)
{
    guint level = 1;

    if (tokens->comment != NULL)
        g_string_truncate(tokens->comment, 0);

    const char *start = ++tokens->pos;

    for (; tokens->pos < tokens->end; tokens->pos++) {
        if (*tokens->pos == '(') {
            level++;
        } else if (*tokens->pos == ')') {
            if (--level > 0)
                continue;
            append(tokens->comment, start, tokens->pos);
            tokens->pos++;
            return more(tokens);
        } else if (!quoted_special(tokens, &start, tokens->comment)) {
            return MIME_TOKEN_BAD;
        }
    }
    return MIME_TOKEN_BAD;
}

MimeTokenResult mime_token_skip_space(MimeTokens *tokens)
{
    while (tokens->pos < tokens->end) {
        char c = *tokens->pos;

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            tokens->pos++;
        else if (c != '(')
            break;
        else if (skip_comment(tokens) == MIME_TOKEN_BAD)
            return MIME_TOKEN_BAD;
    }
    return more(tokens);
}

/* As many characters of a class as there are, perhaps none. */
static void read_class(MimeTokens *tokens, guint8 class, GString *out)
{
    const char *start = tokens->pos;

    while (tokens->pos < tokens->end && has_class(*tokens->pos, class))
        tokens->pos++;
    append(out, start, tokens->pos);
}

MimeTokenResult mime_token_atom(MimeTokens *tokens, GString *out)
{
    if (tokens->pos >= tokens->end || !is_atext(*tokens->pos))
        return MIME_TOKEN_BAD;
    read_class(tokens, ATEXT, out);
    return mime_token_skip_space(tokens);
}

MimeTokenResult mime_token_mime(MimeTokens *tokens, GString *out)
{
    read_class(tokens, TOKEN, out);
    return mime_token_skip_space(tokens);
}

/* White space around the dots goes. */
static MimeTokenResult read_dot_atom(MimeTokens *tokens, GString *out)
{
    for (;;) {
        MimeTokenResult result = mime_token_atom(tokens, out);

        if (result != MIME_TOKEN_MORE || *tokens->pos != '.')
            return result;
        tokens->pos++;
        g_string_append_c(out, '.');
        if (mime_token_skip_space(tokens) != MIME_TOKEN_MORE)
            return MIME_TOKEN_BAD;
    }
}

MimeTokenResult mime_token_quoted(MimeTokens *tokens, GString *out)
{
    const char *start = ++tokens->pos;

    for (; tokens->pos < tokens->end; tokens->pos++) {
        if (*tokens->pos == '"') {
            append(out, start, tokens->pos);
            tokens->pos++;
            return mime_token_skip_space(tokens);
        }
        if (!quoted_special(tokens, &start, out))
            return MIME_TOKEN_BAD;
    }
    return MIME_TOKEN_BAD;
}

MimeTokenResult mime_token_phrase(MimeTokens *tokens, GString *out)
{
    if (tokens->pos >= tokens->end)
        return MIME_TOKEN_LAST;
    if (*tokens->pos == '.')
        return MIME_TOKEN_BAD;
    for (;;) {
        MimeTokenResult result;

        if (*tokens->pos == '"') {
            result = mime_token_quoted(tokens, out);
        } else {
            const char *start = tokens->pos;

            while (tokens->pos < tokens->end && (is_atext(*tokens->pos) || *tokens->pos == '.'))
                tokens->pos++;
            append(out, start, tokens->pos);
            result = mime_token_skip_space(tokens);
        }
        if (result != MIME_TOKEN_MORE)
            return result;
        if (!is_atext(*tokens->pos) && *tokens->pos != '"' && *tokens->pos != '.')
            return MIME_TOKEN_MORE;
        g_string_append_c(out, ' ');
    }
}

/* RFC 5322, 3.4.1. The brackets and backslashes are part of what it says. */
static MimeTokenResult domain_literal(MimeTokens *tokens, GString *out)
{
    const char *start = tokens->pos++;

    for (; tokens->pos < tokens->end; tokens->pos++) {
        const char *at = tokens->pos;

        if (*at == '[')
            return MIME_TOKEN_BAD;
        if (*at == ']') {
            append(out, start, at + 1);
            tokens->pos++;
            return mime_token_skip_space(tokens);
        }
        if (*at != '\\') {
            quoted_special(tokens, &start, out);
            continue;
        }
        if (at + 1 >= tokens->end) {
            tokens->pos = tokens->end;
            return MIME_TOKEN_BAD;
        }
        if (at[1] != '\r' && at[1] != '\n' && at[1] != '\0')
            tokens->pos++;
    }
    return MIME_TOKEN_BAD;
}

MimeTokenResult mime_token_domain(MimeTokens *tokens, GString *out)
{
    tokens->pos++;
    if (mime_token_skip_space(tokens) != MIME_TOKEN_MORE)
        return MIME_TOKEN_BAD;
    return *tokens->pos == '[' ? domain_literal(tokens, out) : read_dot_atom(tokens, out);
}

/* "; name=value" at pos. The name goes to name, the value to value. LAST means there is nothing
 * left. */
static MimeTokenResult next_param(MimeTokens *tokens, GString *name, GString *value)
{
    MimeTokenResult result = MIME_TOKEN_MORE;

    g_string_truncate(name, 0);
    g_string_truncate(value, 0);
    if (tokens->pos >= tokens->end)
        return MIME_TOKEN_LAST;
    if (*tokens->pos != ';')
        return MIME_TOKEN_BAD;
    tokens->pos++;
    if (mime_token_skip_space(tokens) != MIME_TOKEN_MORE ||
        mime_token_mime(tokens, name) != MIME_TOKEN_MORE || *tokens->pos != '=')
        return MIME_TOKEN_BAD;
    tokens->pos++;
    result = mime_token_skip_space(tokens);
    if (result != MIME_TOKEN_MORE)
        return result == MIME_TOKEN_BAD ? MIME_TOKEN_BAD : MIME_TOKEN_MORE;
    if (*tokens->pos == '"') {
        result = mime_token_quoted(tokens, value);
    } else if (*tokens->pos == '=') {
        /* name==?utf-8?b?...?= without quotes is common enough. */
        const char *start = tokens->pos;

        while (tokens->pos < tokens->end && memchr("; \t\r\n", *tokens->pos, 5) == NULL)
            tokens->pos++;
        g_string_append_len(value, start, tokens->pos - start);
    } else {
        result = mime_token_mime(tokens, value);
    }
    return result == MIME_TOKEN_BAD ? MIME_TOKEN_BAD : MIME_TOKEN_MORE;
}

/* One piece of a parameter split by RFC 2231: name*index*=value. */
typedef struct {
    const char *name;
    const char *value;
    guint index;
    gboolean encoded;
} ParamPiece;

/* Whether name has the form of a piece's; what is before its first star is copied then. */
static gboolean parse_piece_name(const char *name, MimeArena *arena, ParamPiece *piece)
{
    const char *star = strchr(name, '*');

    if (star == NULL)
        return FALSE;

    const char *rest = star;

    piece->index = 0;
    if (star[1] != '\0')
        for (rest = star + 1; g_ascii_isdigit(*rest); rest++)
            piece->index = piece->index * 10 + (guint)(*rest - '0');
    piece->encoded = *rest == '*';
    if (piece->encoded)
        rest++;
    if (*rest != '\0')
        return FALSE;
    piece->name = mime_arena_strndup(arena, name, (gsize)(star - name));
    return TRUE;
}

static gint compare_pieces(gconstpointer a, gconstpointer b)
{
    const ParamPiece *left = a, *right = b;
    int by_name = strcmp(left->name, right->name);

    if (by_name != 0)
        return by_name;
    return left->index < right->index ? -1 : left->index > right->index;
}

static void add_param(GArray *params, const char *name, const char *value)
{
    MimeParam param = {name, value};

    g_array_append_val(params, param);
}

static char *piece_full_name(const ParamPiece *piece, MimeArena *arena, GString *scratch)
{
    g_string_printf(scratch, "%s*%u%s", piece->name, piece->index, piece->encoded ? "*" : "");
    return mime_arena_strndup(arena, scratch->str, scratch->len);
}

static void append_escaping_percent(GString *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '%')
            g_string_append(out, "%25");
        else
            g_string_append_c(out, *text);
}

/* Joins pieces of one name. Where just some of them are encoded, the others are made to look
 * encoded too: '' for an unknown charset and language, and their percent signs escaped. */
static void join_pieces(const ParamPiece *pieces, guint count, MimeArena *arena, GString *scratch,
                        GArray *params)
{
    gboolean any_encoded = FALSE, in_order = TRUE;

    for (guint i = 0; i < count; i++) {
        any_encoded |= pieces[i].encoded;
        in_order &= pieces[i].index == i;
    }
    if (!in_order) {
        for (guint i = 0; i < count; i++)
            add_param(params, piece_full_name(&pieces[i], arena, scratch), pieces[i].value);
        return;
    }
    g_string_assign(scratch, any_encoded && !pieces[0].encoded ? "''" : "");
    for (guint i = 0; i < count; i++)
        if (any_encoded && !pieces[i].encoded)
            append_escaping_percent(scratch, pieces[i].value);
        else
            g_string_append(scratch, pieces[i].value);

    char *value = mime_arena_strndup(arena, scratch->str, scratch->len);
    const char *name = pieces[0].name;

    if (any_encoded) {
        g_string_printf(scratch, "%s*", name);
        name = mime_arena_strndup(arena, scratch->str, scratch->len);
    }
    add_param(params, name, value);
}

static void join_all_pieces(GArray *pieces, MimeArena *arena, GString *scratch, GArray *params)
{
    guint from = 0;

    g_array_sort(pieces, compare_pieces);
    while (from < pieces->len) {
        const ParamPiece *first = &g_array_index(pieces, ParamPiece, from);
        guint count = 1;

        while (from + count < pieces->len &&
               g_ascii_strcasecmp(first->name, first[count].name) == 0)
            count++;
        join_pieces(first, count, arena, scratch, params);
        from += count;
    }
}

MimeParams mime_token_params(MimeTokens *tokens, MimeArena *arena, GString *scratch)
{
    MimeTokenResult result;
    MimeParams params = {NULL, 0};

    if (tokens->pos >= tokens->end)
        return params;

    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(MimeParam));
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(ParamPiece));
    g_autoptr(GString) name = g_string_sized_new(64);

    while ((result = next_param(tokens, name, scratch)) != MIME_TOKEN_LAST) {
        ParamPiece piece;

        if (result == MIME_TOKEN_BAD) {
            /* Go on behind the broken character. */
            if (tokens->pos >= tokens->end)
                break;
            tokens->pos++;
            continue;
        }
        if (parse_piece_name(name->str, arena, &piece)) {
            piece.value = mime_arena_strndup(arena, scratch->str, scratch->len);
            g_array_append_val(pieces, piece);
        } else {
            add_param(found, mime_arena_strndup(arena, name->str, name->len),
                      mime_arena_strndup(arena, scratch->str, scratch->len));
        }
    }
    join_all_pieces(pieces, arena, scratch, found);
    params.length = found->len;
    if (found->len > 0) {
        MimeParam *items = mime_arena_alloc(arena, found->len * sizeof(MimeParam));

        memcpy(items, found->data, found->len * sizeof(MimeParam));
        params.items = items;
    }
    return params;
}

const char *mime_params_get(const MimeParams *params, const char *name)
{
    for (guint i = 0; i < params->length; i++)
        if (g_ascii_strcasecmp(params->items[i].name, name) == 0)
            return params->items[i].value;
    return NULL;
}
