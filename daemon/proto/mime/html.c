/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTML to text. See html.h. It is for searching and previews, so it knows just enough of HTML to
 * not miss and not invent words. */
#include "daemon/proto/mime/html.h"

#include "daemon/proto/mime/entities.h"

#include <string.h>

typedef struct {
    const char *pos;
    const char *end;
    GString *out;
    GString *links; /* what is seen when one points at something, and where links lead; or NULL */
    gboolean unclosed; /* no comment ends any more */
} Html;

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

/* --- character references --- */

/* What numbers that are none of Unicode's say: bytes of Windows-1252, and nothing at all. */
static gunichar numbered_character(gunichar code)
{
    static const guint16 windows_1252[32] = {
        0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
        0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178,
    };

    if (code >= 0x80 && code < 0xA0)
        return windows_1252[code - 0x80];
    return code != 0 && g_unichar_validate(code) ? code : 0xFFFD;
}

/* "233;" or "xe9;" behind "&#". FALSE: there is no digit. */
static gboolean read_number(Html *html, const char *digits)
{
    gboolean hex = digits < html->end && (*digits == 'x' || *digits == 'X');
    const char *pos = digits + hex;
    gunichar code = 0;
    gint digit;

    for (; pos < html->end; pos++) {
        digit = hex ? g_ascii_xdigit_value(*pos) : g_ascii_digit_value(*pos);
        if (digit < 0)
            break;
        code = MIN(code * (hex ? 16 : 10) + (gunichar)digit, 0x110000);
    }
    if (pos == digits + hex)
        return FALSE;
    code = numbered_character(code);
    g_string_append_unichar(html->out, code == 0xA0 ? ' ' : code);
    html->pos = pos < html->end && *pos == ';' ? pos + 1 : pos;
    return TRUE;
}

/* The longest name that is a prefix of the text at name; *length is the name's. */
static const MimeEntity *find_name(const Html *html, const char *name, gsize *length)
{
    char key[MIME_ENTITY_MAX + 1];
    gsize most = 0;

    while (most < MIME_ENTITY_MAX && name + most < html->end && g_ascii_isalnum(name[most])) {
        key[most] = name[most];
        most++;
    }
    for (*length = most; *length > 1; --*length) {
        gboolean ended = name + *length < html->end && name[*length] == ';';

        if (!ended && *length > MIME_ENTITY_LEGACY_MAX) {
            *length = MIME_ENTITY_LEGACY_MAX + 1;
            continue;
        }
        key[*length] = '\0';

        const MimeEntity *entity = mime_entity_find(key);

        if (entity != NULL && (ended || entity->legacy))
            return entity;
    }
    return NULL;
}

/* "eacute;" behind "&". FALSE: that is no name. In an attribute, what looks like a parameter of a
 * URL isn't one. */
static gboolean read_name(Html *html, const char *name, gboolean in_attribute)
{
    gsize length;
    const MimeEntity *entity = find_name(html, name, &length);

    if (entity == NULL)
        return FALSE;

    const char *end = name + length;
    gboolean ended = end < html->end && *end == ';';

    if (in_attribute && !ended && end < html->end && (*end == '=' || g_ascii_isalnum(*end)))
        return FALSE;
    g_string_append(html->out, strcmp(entity->text, "\302\240") == 0 ? " " : entity->text);
    html->pos = end + ended;
    return TRUE;
}

/* At an ampersand (html.spec.whatwg.org, 13.2.5.72). */
static void read_reference(Html *html, gboolean in_attribute)
{
    const char *name = html->pos + 1;
    gboolean number = name < html->end && *name == '#';

    if (number ? read_number(html, name + 1) : read_name(html, name, in_attribute))
        return;
    g_string_append_c(html->out, '&');
    html->pos++;
}

/* --- tags --- */

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
static void skip_html_comment(Html *html)
{
    gsize left = (gsize)(html->end - html->pos);
    const char *close = html->unclosed ? NULL : memmem(html->pos, left, "-->", 3);

    if (close != NULL) {
        html->pos = close + 3;
        return;
    }
    html->unclosed = TRUE; /* so the rest needn't be looked through again at the next one */
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

static void append_attribute(GString *out, const Attribute *attribute, char around)
{
    Html text = {attribute->value, attribute->value + attribute->value_length, out};

    if (out->len > 0 && !g_ascii_isspace(out->str[out->len - 1]))
        g_string_append_c(out, around);
    while (text.pos < text.end)
        if (*text.pos == '&')
            read_reference(&text, TRUE);
        else
            g_string_append_c(out, *text.pos++);
    g_string_append_c(out, around);
}

/* What of the attributes is to be found, beside what stands for an image. */
static const char *const found_attributes[] = {"href", "title", "alt"};

/* What is shown in the place of an image stands apart from the words around it, the rest comes at the
 * end, so that it is between no words. Of several alike the first counts. */
static void read_attributes(Html *html, gboolean image, const char *attributes, const char *end)
{
    Attribute attribute;
    guint seen = 0;

    while (next_attribute(&attributes, end, &attribute)) {
        for (guint i = 0; i < G_N_ELEMENTS(found_attributes); i++) {
            if ((seen & (1u << i)) || attribute.value_length == 0 ||
                !is_name(attribute.name, attribute.name_length, found_attributes[i]))
                continue;
            seen |= 1u << i;
            if (image && i == 2)
                append_attribute(html->out, &attribute, ' ');
            else if (html->links)
                append_attribute(html->links, &attribute, '\n');
        }
    }
}

/* At a less-than sign. */
static void read_tag(Html *html)
{
    const char *name = html->pos + 1;

    if (html->end - name >= 3 && memcmp(name, "!--", 3) == 0) {
        skip_html_comment(html);
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
    gboolean image = is_name(name, length, "img");
    if (opening && (image || html->links))
        read_attributes(html, image, name + length, html->pos - (html->pos[-1] == '>'));
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

static void read_text(Html *html, MimeStop *stop)
{
    const char *start = html->pos;

    while (html->pos < html->end && !mime_stop_after(stop, (gsize)(html->pos - start))) {
        start = html->pos;
        while (html->pos < html->end && *html->pos != '<' && *html->pos != '&')
            html->pos++;
        g_string_append_len(html->out, start, html->pos - start);
        if (html->pos >= html->end)
            break;
        if (*html->pos == '<')
            read_tag(html);
        else
            read_reference(html, FALSE);
    }
}

void mime_html_to_text(const char *html, gsize length, gboolean with_links, MimeStop *stop,
                       GString *out)
{
    g_autoptr(GString) links = with_links ? g_string_new(NULL) : NULL;
    Html state = {.pos = html, .end = html + length, .out = out, .links = links};

    read_text(&state, stop);
    if (!links || links->len == 0)
        return;
    if (out->len > 0 && out->str[out->len - 1] != '\n')
        g_string_append_c(out, '\n');
    g_string_append_len(out, links->str, (gssize)links->len);
}
