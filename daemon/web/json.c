/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bounded reading of JSON, by json-glib.
 */
#include "daemon/web/json.h"

#include <gio/gio.h>
#include <string.h>

/* json-glib reads by recursion, and not every version has a bound of its own. */
#define MAX_DEPTH 32

/*
 * Whether only that stands outside of strings which JSON has there (RFC 8259, 2 to 6). json-glib takes
 * more, comments and single quotes among it, and a quote within these would hide from us where strings
 * begin: so nobody could tell how deep it is.
 */
static gboolean belongs_outside(char c)
{
    return g_ascii_isalnum(c) || (c != '\0' && strchr(" \t\r\n{}[]:,+-.\"", c));
}

/* The four hexadecimal digits of an escape, from the first; -1 where they aren't there. */
static int read_hex(const char *p, const char *end)
{
    int value = 0;

    for (int i = 0; i < 4; i++, p++) {
        if (p >= end || !g_ascii_isxdigit(*p))
            return -1;
        value = value * 16 + g_ascii_xdigit_value(*p);
    }
    return value;
}

/* Behind the escape whose backslash is at p; NULL: it isn't one of RFC 8259, 7, or half a pair of
 * surrogates. */
static const char *skip_escape(const char *p, const char *end)
{
    if (end - p < 2)
        return NULL;
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
    int unit = read_hex(p + 2, end);
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000))
        return NULL;
    if (unit < 0xd800 || unit >= 0xe000)
        return p + 6;
    int low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? read_hex(p + 8, end) : -1;
    return low >= 0xdc00 && low < 0xe000 ? p + 12 : NULL;
}

/* Behind the string whose quote is at p; NULL: it has no end, or something that isn't JSON. Of these
 * json-glib loses the memory. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p && p < end && *p != '"';)
        p = *p == '\\' ? skip_escape(p, end) : (guchar)*p >= 0x20 ? p + 1 : NULL;
    return p && p < end ? p + 1 : NULL;
}

static gboolean is_shallow_json(const char *text, gsize length)
{
    const char *end = text + length;
    int depth = 0;

    for (const char *p = text; p < end;) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (!p)
                return FALSE;
            continue;
        }
        if (!belongs_outside(*p) || ((*p == '[' || *p == '{') && ++depth > MAX_DEPTH) ||
            ((*p == ']' || *p == '}') && --depth < 0))
            return FALSE;
        p++;
    }
    return g_utf8_validate(text, (gssize)length, NULL);
}

JsonObject *web_json_read(GBytes *document, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) failure = NULL;
    gsize length;
    const char *text = g_bytes_get_data(document, &length);

    if (text && is_shallow_json(text, length) &&
        json_parser_load_from_data(parser, text, (gssize)length, &failure)) {
        JsonNode *root = json_parser_get_root(parser);
        if (root && JSON_NODE_HOLDS_OBJECT(root))
            return json_node_dup_object(root);
    }
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the answer isn't a JSON object%s%s",
                failure ? ": " : "", failure ? failure->message : "");
    return NULL;
}

static JsonNode *member(JsonObject *object, const char *name)
{
    return object ? json_object_get_member(object, name) : NULL;
}

JsonObject *web_json_object(JsonObject *object, const char *name)
{
    JsonNode *node = member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *web_json_array(JsonObject *object, const char *name)
{
    JsonNode *node = member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static gboolean holds(JsonNode *node, GType type)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

const char *web_json_string(JsonObject *object, const char *name)
{
    JsonNode *node = member(object, name);
    return holds(node, G_TYPE_STRING) ? json_node_get_string(node) : NULL;
}

gboolean web_json_boolean(JsonObject *object, const char *name)
{
    JsonNode *node = member(object, name);
    return holds(node, G_TYPE_BOOLEAN) && json_node_get_boolean(node);
}

gint64 web_json_number(JsonObject *object, const char *name, gint64 missing)
{
    JsonNode *node = member(object, name);
    gint64 number;

    if (holds(node, G_TYPE_INT64))
        return json_node_get_int(node);
    if (holds(node, G_TYPE_DOUBLE)) {
        double value = json_node_get_double(node);
        return value > -9e15 && value < 9e15 ? (gint64)value : missing;
    }
    if (holds(node, G_TYPE_STRING) &&
        g_ascii_string_to_signed(json_node_get_string(node), 10, G_MININT64, G_MAXINT64, &number,
                                 NULL))
        return number;
    return missing;
}
