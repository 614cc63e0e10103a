/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths and their parameters. */
#include "daemon/proto/smtp/path.h"

#include <string.h>

static void parameter_clear(gpointer data)
{
    SmtpParameter *parameter = data;
    g_free(parameter->name);
    g_free(parameter->value);
}

void smtp_path_clear(SmtpPath *path)
{
    g_free(path->address);
    g_clear_pointer(&path->parameters, g_array_unref);
    *path = (SmtpPath){0};
}

/* ---- addresses ------------------------------------------------------------------------------- */

static gboolean is_atext(char c)
{
    return g_ascii_isalnum(c) || (c & 0x80) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Atoms with single dots between them, up to `end`. */
static gboolean is_dot_string(const char *text, const char *end)
{
    gboolean atom = FALSE;

    for (const char *c = text; c < end; c++) {
        if (*c == '.' ? !atom : !is_atext(*c))
            return FALSE;
        atom = *c != '.';
    }
    return atom;
}

static gboolean is_quoted_string(const char *text, const char *end)
{
    if (end - text < 2 || *text != '"' || end[-1] != '"')
        return FALSE;
    for (const char *c = text + 1; c < end - 1; c++) {
        if (*c == '"' || (*c == '\\' && ++c == end - 1) || g_ascii_iscntrl(*c))
            return FALSE;
    }
    return TRUE;
}

static gboolean is_domain(const char *text)
{
    gsize length = strlen(text);

    if (text[0] == '[') {
        for (const char *c = text + 1; c < text + length - 1; c++)
            if (!g_ascii_isalnum(*c) && *c != '.' && *c != ':' && *c != '-')
                return FALSE;
        return length > 2 && text[length - 1] == ']';
    }
    gboolean label = FALSE;
    for (const char *c = text; *c; c++) {
        if (*c == '.' ? !label : !(g_ascii_isalnum(*c) || *c == '-' || *c == '_' || (*c & 0x80)))
            return FALSE;
        label = *c != '.';
    }
    return label;
}

/* Whether `address` is a mailbox: a local part (dot-string or quoted), @, and a domain or an
 * address literal. What passes has no control characters and no spaces outside of quotes. */
static gboolean address_is_valid(const char *address)
{
    const char *at = strrchr(address, '@');

    return at && strlen(address) <= SMTP_ADDRESS_MAX && g_utf8_validate(address, -1, NULL) &&
           (is_dot_string(address, at) || is_quoted_string(address, at)) && is_domain(at + 1);
}

/* ---- parameters ------------------------------------------------------------------------------ */

gboolean smtp_is_xtext(const char *text, gsize limit)
{
    if (!*text || strlen(text) > limit)
        return FALSE;
    for (const char *c = text; *c; c++) {
        if (*c == '+' ? !(g_ascii_isxdigit(c[1]) && g_ascii_isxdigit(c[2]))
                      : (*c < 33 || *c > 126 || *c == '='))
            return FALSE;
    }
    return TRUE;
}

gboolean smtp_is_notify(const char *value)
{
    if (g_ascii_strcasecmp(value, "NEVER") == 0)
        return TRUE;
    g_autofree char *upper = g_ascii_strup(value, -1);
    g_auto(GStrv) words = g_strsplit(upper, ",", -1);
    static const char *const known[] = {"SUCCESS", "FAILURE", "DELAY", NULL};

    for (char **word = words; *word; word++)
        if (!g_strv_contains(known, *word))
            return FALSE;
    return words[0] && g_strv_length(words) <= 3;
}

gboolean smtp_is_orcpt(const char *value)
{
    const char *semicolon = strchr(value, ';');

    if (!semicolon || semicolon == value || strlen(value) > 500 ||
        !g_utf8_validate(value, -1, NULL))
        return FALSE;
    for (const char *c = value; c < semicolon; c++)
        if (!g_ascii_isalnum(*c) && *c != '-')
            return FALSE;
    for (const char *c = semicolon + 1; *c; c++)
        if ((guchar)*c < 33 || *c == 127)
            return FALSE;
    return semicolon[1] != 0;
}

/* esmtp-keyword ["=" esmtp-value] (RFC 5321, 4.1.2), for one word. */
static gboolean parse_parameter(const char *word, GArray *parameters)
{
    const char *equals = strchr(word, '=');
    gsize name = equals ? (gsize)(equals - word) : strlen(word);

    if (name == 0 || !g_ascii_isalnum(word[0]) || (equals && !equals[1]))
        return FALSE;
    for (gsize i = 0; i < name; i++)
        if (!g_ascii_isalnum(word[i]) && word[i] != '-')
            return FALSE;
    for (const char *c = equals; c && *c; c++)
        if ((guchar)*c < 33 || *c == 127)
            return FALSE;
    SmtpParameter parameter = {g_ascii_strup(word, (gssize)name),
                               equals ? g_strdup(equals + 1) : NULL};
    g_array_append_val(parameters, parameter);
    return TRUE;
}

static gboolean parse_parameters(const char *text, GArray *parameters)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (char **word = words; *word; word++)
        if (**word && !parse_parameter(*word, parameters))
            return FALSE;
    return TRUE;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The ">" that ends the path, which a quoted local part may hold too. */
static const char *find_end(const char *text)
{
    gboolean quoted = FALSE;

    for (const char *c = text; *c; c++) {
        if (quoted && *c == '\\' && c[1])
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (*c == '>' && !quoted)
            return c;
    }
    return NULL;
}

/* Source routes are read and forgotten (RFC 5321, 4.1.1.3 and appendix C). In brackets, a ":" is an
 * address's (IPv6). */
static const char *skip_route(const char *text, const char *end)
{
    gboolean bracketed = FALSE;

    for (const char *c = text; *text == '@' && c < end; c++) {
        if (*c == ':' && !bracketed)
            return c + 1;
        bracketed = *c == '[' || (bracketed && *c != ']');
    }
    return text;
}

static gboolean parse_address(const char *text, const char *end, SmtpPath *path)
{
    text = skip_route(text, end);
    path->address = g_strndup(text, (gsize)(end - text));
    for (const char *c = path->address; *c; c++)
        path->utf8 |= (*c & 0x80) != 0;
    return !*path->address || address_is_valid(path->address);
}

gboolean smtp_path_parse(const char *text, const char *keyword, SmtpPath *path,
                         const char **problem)
{
    *path = (SmtpPath){0};
    if (g_ascii_strncasecmp(text, keyword, strlen(keyword)) != 0) {
        *problem = "FROM:<address> or TO:<address> is expected here";
        return FALSE;
    }
    text += strlen(keyword);
    while (*text == ' ')
        text++;
    const char *end = *text == '<' ? find_end(text) : NULL;
    if (!end || (end[1] && end[1] != ' ')) {
        *problem = "The address has to stand in angle brackets";
        return FALSE;
    }
    path->parameters = g_array_new(FALSE, FALSE, sizeof(SmtpParameter));
    g_array_set_clear_func(path->parameters, parameter_clear);
    if (!parse_address(text + 1, end, path)) {
        *problem = "This is not a mail address";
        return FALSE;
    }
    *problem = "The parameters can't be read";
    return parse_parameters(end + 1, path->parameters);
}
