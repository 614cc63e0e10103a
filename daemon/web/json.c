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

static gboolean is_shallow_json(const char *text, gsize length)
{
    gboolean quoted = FALSE;
    int depth = 0;

    for (gsize i = 0; i < length; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && !belongs_outside(text[i]))
            return FALSE;
        else if (!quoted && (text[i] == '[' || text[i] == '{') && ++depth > MAX_DEPTH)
            return FALSE;
        else if (!quoted && (text[i] == ']' || text[i] == '}') && --depth < 0)
            return FALSE;
    }
    /* json-glib loses the memory of a string that nothing ends. */
    return !quoted;
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
