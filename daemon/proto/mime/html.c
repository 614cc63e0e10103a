/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTML to text. See html.h. It is for searching and previews, so it knows just enough of HTML to
 * not miss and not invent words. */
#include "daemon/proto/mime/html.h"

#include <string.h>

typedef struct {
    const char *pos;
    const char *end;
    GString *out;
} Html;

/* Names of U+00A0 to U+00FF, in order. */
static const char *const latin1_names[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

static const struct {
    const char *name;
    gunichar code;
} other_names[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
    {"apos", '\''},     {"euro", 0x20AC},   {"ndash", 0x2013},  {"mdash", 0x2014},
    {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"sbquo", 0x201A},  {"ldquo", 0x201C},
    {"rdquo", 0x201D},  {"bdquo", 0x201E},  {"hellip", 0x2026}, {"bull", 0x2022},
    {"trade", 0x2122},  {"oelig", 0x0153},  {"OElig", 0x0152},  {"scaron", 0x0161},
    {"Scaron", 0x0160}, {"lsaquo", 0x2039}, {"rsaquo", 0x203A}, {"zwnj", 0x200C},
    {"zwj", 0x200D},
};

/* Tags behind which a new line starts. All others are within a line. */
static const char *const block_tags[] = {
    "address", "article", "blockquote", "br", "dd", "div",    "dl", "dt", "footer", "form",   "h1",
    "h2",      "h3",      "h4",         "h5", "h6", "header", "hr", "li", "ol",     "option", "p",
    "pre",     "section", "table",      "td", "th", "title",  "tr", "ul",
};

static gboolean is_name(const char *name, gsize length, const char *wanted)
{
    return strlen(wanted) == length && g_ascii_strncasecmp(name, wanted, length) == 0;
}

static gunichar named_character(const char *name, gsize length)
{
    for (guint i = 0; i < G_N_ELEMENTS(other_names); i++)
        if (strlen(other_names[i].name) == length && memcmp(name, other_names[i].name, length) == 0)
            return other_names[i].code;
    for (guint i = 0; i < G_N_ELEMENTS(latin1_names); i++)
        if (strlen(latin1_names[i]) == length && memcmp(name, latin1_names[i], length) == 0)
            return 0xA0 + i;
    return 0;
}

/* "#233" or "#xe9", without the ampersand. */
static gunichar numbered_character(const char *text, gsize length)
{
    gboolean hex = length > 1 && (text[1] == 'x' || text[1] == 'X');
    gunichar code = 0;

    for (gsize i = hex ? 2 : 1; i < length; i++) {
        gint digit = hex ? g_ascii_xdigit_value(text[i]) : g_ascii_digit_value(text[i]);

        if (digit < 0 || code > 0x10FFFF)
            return 0;
        code = code * (hex ? 16 : 10) + (gunichar)digit;
    }
    return g_unichar_validate(code) ? code : 0;
}

/* At an ampersand. */
static void read_reference(Html *html)
{
    const char *name = html->pos + 1, *end = name;

    while (end < html->end && end - name < 10 && (g_ascii_isalnum(*end) || *end == '#'))
        end++;

    gsize length = (gsize)(end - name);
    gunichar code = 0;

    if (length > 1)
        code = *name == '#' ? numbered_character(name, length) : named_character(name, length);
    if (code == 0) {
        g_string_append_c(html->out, '&');
        html->pos++;
        return;
    }
    g_string_append_unichar(html->out, code == 0xA0 ? ' ' : code);
    html->pos = end < html->end && *end == ';' ? end + 1 : end;
}

static void end_line(GString *out)
{
    if (out->len > 0 && out->str[out->len - 1] != '\n')
        g_string_append_c(out, '\n');
}

/* Goes to behind the element's closing tag, or to the end when there is none. */
static void skip_element(Html *html, const char *name)
{
    gsize length = strlen(name);

    while ((html->pos = memchr(html->pos, '<', (gsize)(html->end - html->pos))) != NULL) {
        const char *tag = html->pos++;

        if ((gsize)(html->end - tag) > length + 2 && tag[1] == '/' &&
            g_ascii_strncasecmp(tag + 2, name, length) == 0)
            break;
    }
    if (html->pos != NULL)
        html->pos = memchr(html->pos, '>', (gsize)(html->end - html->pos));
    html->pos = html->pos != NULL ? html->pos + 1 : html->end;
}

/* A comment that is never closed ends with its tag: all the rest would be hidden otherwise, and
 * mail that begins with one is real. */
static void skip_comment(Html *html)
{
    gsize left = (gsize)(html->end - html->pos);
    const char *close = memmem(html->pos, left, "-->", 3);

    if (close != NULL) {
        html->pos = close + 3;
        return;
    }
    close = memchr(html->pos, '>', left);
    html->pos = close != NULL ? close + 1 : html->end;
}

/* Behind a tag's name: to behind its end. A quoted value may hold anything. */
static void skip_attributes(Html *html)
{
    char quote = '\0';

    for (; html->pos < html->end; html->pos++) {
        char c = *html->pos;

        if (quote != '\0') {
            if (c == quote)
                quote = '\0';
        } else if ((c == '"' || c == '\'') && html->pos[-1] == '=') {
            quote = c;
        } else if (c == '>') {
            html->pos++;
            return;
        }
    }
}

/* --- what stands for an image --- */

typedef struct {
    const char *name, *value;
    gsize name_length, value_length;
} Attribute;

static gboolean is_space_or_slash(char c)
{
    return g_ascii_isspace(c) || c == '/';
}

/* Goes to the next attribute's end. FALSE: there are no more. */
static gboolean next_attribute(const char **pos, const char *end, Attribute *attribute)
{
    const char *p = *pos;

    while (p < end && is_space_or_slash(*p))
        p++;
    *attribute = (Attribute){.name = p};
    while (p < end && *p != '=' && !is_space_or_slash(*p))
        p++;
    attribute->name_length = (gsize)(p - attribute->name);
    while (p < end && g_ascii_isspace(*p))
        p++;
    if (p < end && *p == '=') {
        for (p++; p < end && g_ascii_isspace(*p);)
            p++;

        char quote = p < end && (*p == '"' || *p == '\'') ? *p++ : '\0';

        attribute->value = p;
        while (p < end && (quote != '\0' ? *p != quote : !g_ascii_isspace(*p)))
            p++;
        attribute->value_length = (gsize)(p - attribute->value);
        p += quote != '\0' && p < end;
    }
    *pos = p;
    return attribute->name_length > 0 || attribute->value != NULL;
}

/* The text that is shown in the place of an image, apart from the words around it. */
static void read_alternative(GString *out, const char *attributes, const char *end)
{
    Attribute attribute;

    while (next_attribute(&attributes, end, &attribute)) {
        if (!is_name(attribute.name, attribute.name_length, "alt") || attribute.value_length == 0)
            continue;

        Html text = {attribute.value, attribute.value + attribute.value_length, out};

        if (out->len > 0 && !g_ascii_isspace(out->str[out->len - 1]))
            g_string_append_c(out, ' ');
        while (text.pos < text.end)
            if (*text.pos == '&')
                read_reference(&text);
            else
                g_string_append_c(out, *text.pos++);
        g_string_append_c(out, ' ');
        return;
    }
}

/* At a less-than sign. */
static void read_tag(Html *html)
{
    const char *name = html->pos + 1;

    if (html->end - name >= 3 && memcmp(name, "!--", 3) == 0) {
        skip_comment(html);
        return;
    }
    if (name >= html->end || (!g_ascii_isalpha(*name) && memchr("/!?", *name, 3) == NULL)) {
        g_string_append_c(html->out, '<');
        html->pos++;
        return;
    }

    gboolean opening = *name != '/';

    name += !opening;

    gsize length = 0;

    while (name + length < html->end && g_ascii_isalnum(name[length]))
        length++;
    html->pos = name + length;
    skip_attributes(html);
    if (opening && is_name(name, length, "img"))
        read_alternative(html->out, name + length, html->pos - (html->pos[-1] == '>'));
    if (opening && is_name(name, length, "script"))
        skip_element(html, "script");
    else if (opening && is_name(name, length, "style"))
        skip_element(html, "style");
    for (guint i = 0; i < G_N_ELEMENTS(block_tags); i++)
        if (is_name(name, length, block_tags[i])) {
            end_line(html->out);
            break;
        }
}

void mime_html_to_text(const char *html, gsize length, GString *out)
{
    Html state = {html, html + length, out};

    while (state.pos < state.end) {
        const char *start = state.pos;

        while (state.pos < state.end && *state.pos != '<' && *state.pos != '&')
            state.pos++;
        g_string_append_len(out, start, state.pos - start);
        if (state.pos >= state.end)
            break;
        if (*state.pos == '<')
            read_tag(&state);
        else
            read_reference(&state);
    }
}
