/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "* n FETCH (...)" as a structure. An item is a row of the table below.
 */
#include "daemon/proto/imap/response-fetch.h"

#include <string.h>

#include "daemon/proto/imap/chars.h"
#include "daemon/proto/imap/flags.h"
#include "daemon/proto/imap/object-id.h"

/* A number, also one in quotes, and one that was printed as a fraction ("9.3736e+06"): some servers
 * do. */
static gboolean read_fetch_data_number(const ImapNode *node, guint64 *out)
{
    char text[32], *end;

    *out = node->number;
    if (node->kind == IMAP_NODE_NUMBER)
        return TRUE;
    if (!imap_node_is_text(node) || node->length == 0 || node->length >= sizeof text ||
        !g_ascii_isdigit(node->text[0]))
        return FALSE;
    memcpy(text, node->text, node->length);
    text[node->length] = '\0';
    gdouble value = g_ascii_strtod(text, &end);
    if (*end != '\0' || value >= (gdouble)G_MAXINT64)
        return FALSE;
    *out = (guint64)(value + 0.5);
    return TRUE;
}

/* What a list of one value holds, or the value where the list was left out. */
static const ImapNode *only_value(const ImapNode *node)
{
    return node->kind == IMAP_NODE_LIST ? imap_node_first(node) : node;
}

static gboolean read_fetch_data_uid(const ImapNode *value, ImapFetchData *out)
{
    guint64 number = 0;

    if (!read_fetch_data_number(value, &number) || number == 0 || number > G_MAXUINT32)
        return FALSE;
    out->uid = (guint32)number;
    return TRUE;
}

/* Whether what isn't ASCII in it is text, without controls of terminals and of directions. */
static gboolean is_plain_text(const char *text, gsize length)
{
    if (!g_utf8_validate(text, (gssize)length, NULL))
        return FALSE;
    for (const char *p = text; p < text + length; p = g_utf8_next_char(p)) {
        const GUnicodeType type = g_unichar_type(g_utf8_get_char(p));
        if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
            type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR)
            return FALSE;
    }
    return TRUE;
}

/* Whether it can be a keyword, here and wherever it is passed on (RFC 3501, 9: flag-keyword; Gmail
 * has "]" in some, and others have UTF-8). */
static gboolean is_keyword(const ImapNode *flag)
{
    gboolean ascii = TRUE;

    if (!imap_node_is_text(flag) || flag->kind == IMAP_NODE_NIL || flag->length == 0 ||
        flag->length > 255)
        return FALSE;
    for (gsize i = 0; i < flag->length; i++) {
        ascii = ascii && (guchar)flag->text[i] < 0x80;
        if (!imap_is_atom_char(flag->text[i]) && flag->text[i] != ']' &&
            (guchar)flag->text[i] < 0x80)
            return FALSE;
    }
    return ascii || is_plain_text(flag->text, flag->length);
}

static gboolean is_system_flag(const ImapNode *flag)
{
    return imap_node_is_text(flag) && flag->length > 0 && flag->text[0] == '\\';
}

/* What isn't a flag is left out; nothing but a list is told. */
static gboolean read_flags(const ImapNode *value, ImapFetchData *out)
{
    if (value->kind != IMAP_NODE_LIST)
        return FALSE;
    out->flags = value;
    out->system = 0;
    out->recent = FALSE;
    out->n_keywords = out->n_unkept = 0;
    for (const ImapNode *flag = imap_node_first(value); flag != NULL; flag = imap_node_next(flag)) {
        if (is_keyword(flag))
            out->n_keywords++;
        else if (!is_system_flag(flag))
            out->n_unkept += flag->kind != IMAP_NODE_NIL && flag->length > 0;
        else if (imap_node_is(flag, "\\Recent"))
            out->recent = TRUE;
        else
            out->system |= imap_flag_from_name(flag->text, flag->length);
    }
    return TRUE;
}

static gboolean read_size(const ImapNode *value, ImapFetchData *out)
{
    return read_fetch_data_number(value, &out->size);
}

/* "(12)" */
static gboolean read_modseq(const ImapNode *value, ImapFetchData *out)
{
    const ImapNode *number = only_value(value);

    return number != NULL && read_fetch_data_number(number, &out->modseq) && out->modseq > 0;
}

static gboolean read_emailid(const ImapNode *value, ImapFetchData *out)
{
    out->emailid = only_value(value);
    return imap_node_is_object_id(out->emailid);
}

/* "(T64b478a75b7ea9)" or NIL (RFC 8474, 5.2) */
static gboolean read_threadid(const ImapNode *value, ImapFetchData *out)
{
    out->threadid = value->kind == IMAP_NODE_NIL ? NULL : only_value(value);
    return value->kind == IMAP_NODE_NIL || imap_node_is_object_id(out->threadid);
}

static gboolean read_gm_msgid(const ImapNode *value, ImapFetchData *out)
{
    out->gm_msgid = value->number;
    return value->kind == IMAP_NODE_NUMBER && value->number > 0;
}

static gboolean read_gm_thrid(const ImapNode *value, ImapFetchData *out)
{
    out->gm_thrid = value->number;
    return value->kind == IMAP_NODE_NUMBER && value->number > 0;
}

static gboolean read_gm_labels(const ImapNode *value, ImapFetchData *out)
{
    out->gm_labels = value;
    return value->kind == IMAP_NODE_LIST;
}

static gboolean read_date(const ImapNode *value, ImapFetchData *out)
{
    return imap_node_is_text(value) && imap_date_time_parse(value->text, value->length, &out->date);
}

static const struct {
    const char *name;
    ImapFetchGot bit;
    gboolean (*read)(const ImapNode *value, ImapFetchData *out);
} items[] = {
    {"UID", IMAP_GOT_UID, read_fetch_data_uid},
    {"FLAGS", IMAP_GOT_FLAGS, read_flags},
    {"INTERNALDATE", IMAP_GOT_INTERNALDATE, read_date},
    {"MODSEQ", IMAP_GOT_MODSEQ, read_modseq},
    {"RFC822.SIZE", IMAP_GOT_SIZE, read_size},
    {"EMAILID", IMAP_GOT_EMAILID, read_emailid},
    {"THREADID", IMAP_GOT_THREADID, read_threadid},
    {"X-GM-MSGID", IMAP_GOT_GM_MSGID, read_gm_msgid},
    {"X-GM-THRID", IMAP_GOT_GM_THRID, read_gm_thrid},
    {"X-GM-LABELS", IMAP_GOT_GM_LABELS, read_gm_labels},
    /* Known as names, read elsewhere or by nobody. */
    {"BODYSTRUCTURE", 0, NULL},
    {"ENVELOPE", 0, NULL},
    {"BODY", 0, NULL},
    {"RFC822", 0, NULL},
    {"RFC822.HEADER", 0, NULL},
    {"RFC822.TEXT", 0, NULL},
    {"PREVIEW", 0, NULL},
    {"SAVEDATE", 0, NULL},
};

/* The "[" of BODY[...] and BINARY[...]; NULL for other names. */
static const char *find_section(const ImapNode *name)
{
    if (name->kind != IMAP_NODE_ATOM)
        return NULL;
    if (name->length > 5 && g_ascii_strncasecmp(name->text, "BODY[", 5) == 0)
        return name->text + 4;
    if (name->length > 7 && g_ascii_strncasecmp(name->text, "BINARY[", 7) == 0)
        return name->text + 6;
    return NULL;
}

/* The row of a name; -1 for what isn't one. */
static int find_item(const ImapNode *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(items); i++)
        if (imap_node_is(name, items[i].name))
            return (int)i;
    return -1;
}

static gboolean is_name(const ImapNode *node)
{
    return find_item(node) >= 0 || find_section(node) != NULL;
}

/*
 * The first name at or behind `node` that has a value, and that value. Names and values take turns;
 * where a server has left one out, or put something in between, the next name that is known tells
 * where it goes on.
 */
static const ImapNode *next_item(const ImapNode *node, const ImapNode **value)
{
    while (node != NULL) {
        *value = imap_node_next(node);
        if (*value == NULL)
            return NULL;
        if (is_name(*value) || node->kind != IMAP_NODE_ATOM)
            node = *value;
        else if (is_name(node))
            return node;
        else
            node = imap_node_next(*value);
    }
    return NULL;
}

/* What can't be read leaves nothing behind, also where it had been told before. */
static void read_fetch_data_item(const ImapNode *name, const ImapNode *value, ImapFetchData *out)
{
    int item = find_item(name);
    ImapFetchData read = *out;

    if (find_section(name) != NULL) {
        out->got |= IMAP_GOT_BODY;
    } else if (items[item].read != NULL && items[item].read(value, &read)) {
        *out = read;
        out->got |= items[item].bit;
    }
}

gboolean imap_fetch_data_parse(const ImapResponse *response, ImapFetchData *out, GError **error)
{
    gboolean ok = response->name != NULL && g_str_equal(response->name, "FETCH") &&
                  response->has_number && response->number > 0 && response->args != NULL &&
                  response->args->kind == IMAP_NODE_LIST;
    const ImapNode *name, *value;

    *out = (ImapFetchData){.sequence = response->number};
    if (!ok) {
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                            "the server's FETCH answer can't be read");
        return FALSE;
    }
    out->items = imap_node_first(response->args);
    for (name = next_item(out->items, &value); name != NULL;
         name = next_item(imap_node_next(value), &value))
        read_fetch_data_item(name, value, out);
    return TRUE;
}

const ImapNode *imap_fetch_data_keyword(const ImapNode *node)
{
    while (node != NULL && !is_keyword(node))
        node = imap_node_next(node);
    return node;
}

const ImapNode *imap_fetch_data_value(const ImapFetchData *data, const char *item)
{
    const ImapNode *name, *value;

    for (name = next_item(data->items, &value); name != NULL;
         name = next_item(imap_node_next(value), &value))
        if (imap_node_is(name, item))
            return value;
    return NULL;
}

/* Whether what stands from p to the next "]" is the section; quotes around field names don't count.
 */
static gboolean section_is(const char *p, const char *section)
{
    for (; *p != ']' && *p != '\0'; p++) {
        if (*p == '"')
            continue;
        if (g_ascii_toupper(*p) != g_ascii_toupper(*section))
            return FALSE;
        section++;
    }
    return *section == '\0';
}

static GBytes *node_octets(const ImapNode *node)
{
    if (node->literal != NULL)
        return g_bytes_ref(node->literal);
    return node->kind == IMAP_NODE_NIL ? NULL : g_bytes_new(node->text, node->length);
}

gboolean imap_fetch_data_section(const ImapFetchData *data, const char *section, GBytes **octets)
{
    const ImapNode *name, *value;

    *octets = NULL;
    for (name = next_item(data->items, &value); name != NULL;
         name = next_item(imap_node_next(value), &value)) {
        const char *bracket = find_section(name);

        if (bracket == NULL || !section_is(bracket + 1, section) || !imap_node_is_text(value))
            continue;
        *octets = node_octets(value);
        return TRUE;
    }
    return FALSE;
}

/* ---- names ----------------------------------------------------------------------------------- */

#define GM_MSGID_PREFIX "gm:"

char *imap_gm_msgid_format(guint64 id)
{
    return g_strdup_printf(GM_MSGID_PREFIX "%" G_GUINT64_FORMAT, id);
}

guint64 imap_gm_msgid_parse(const char *name)
{
    guint64 id;

    if (!name || !g_str_has_prefix(name, GM_MSGID_PREFIX) ||
        !g_ascii_string_to_unsigned(name + strlen(GM_MSGID_PREFIX), 10, 0, G_MAXUINT64, &id, NULL))
        return 0;
    return id;
}
