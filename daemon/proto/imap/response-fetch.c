/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * "* n FETCH (...)" as a structure. An item is a row of the table below.
 */
#include "daemon/proto/imap/response-fetch.h"

#include <string.h>

#include "daemon/proto/imap/flags.h"

static gboolean read_uid(const ImapNode *value, ImapFetchData *out)
{
    out->uid = value->number;
    return value->kind == IMAP_NODE_NUMBER && value->number > 0 && value->number <= G_MAXUINT32;
}

static gboolean read_flags(const ImapNode *value, ImapFetchData *out)
{
    out->flags = value;
    out->system = 0;
    out->recent = FALSE;
    out->n_keywords = 0;
    for (const ImapNode *flag = imap_node_first(value); flag != NULL; flag = imap_node_next(flag)) {
        if (!imap_node_is_text(flag))
            return FALSE;
        if (flag->length == 0 || flag->text[0] != '\\')
            out->n_keywords++;
        else if (imap_node_is(flag, "\\Recent"))
            out->recent = TRUE;
        else
            out->system |= imap_flag_from_name(flag->text, flag->length);
    }
    return value->kind == IMAP_NODE_LIST;
}

static gboolean read_size(const ImapNode *value, ImapFetchData *out)
{
    out->size = value->number;
    return value->kind == IMAP_NODE_NUMBER;
}

/* "(12)" */
static gboolean read_modseq(const ImapNode *value, ImapFetchData *out)
{
    const ImapNode *number = imap_node_first(value);

    if (number == NULL || number->kind != IMAP_NODE_NUMBER)
        return FALSE;
    out->modseq = number->number;
    return TRUE;
}

static gboolean read_emailid(const ImapNode *value, ImapFetchData *out)
{
    out->emailid = imap_node_first(value);
    return out->emailid != NULL && imap_node_is_text(out->emailid);
}

/* "(T64b478a75b7ea9)" or NIL (RFC 8474, 5.2) */
static gboolean read_threadid(const ImapNode *value, ImapFetchData *out)
{
    out->threadid = imap_node_first(value);
    if (value->kind == IMAP_NODE_NIL)
        return TRUE;
    return out->threadid != NULL && imap_node_is_text(out->threadid);
}

static gboolean read_gm_msgid(const ImapNode *value, ImapFetchData *out)
{
    out->gm_msgid = value->number;
    return value->kind == IMAP_NODE_NUMBER;
}

static gboolean read_gm_thrid(const ImapNode *value, ImapFetchData *out)
{
    out->gm_thrid = value->number;
    return value->kind == IMAP_NODE_NUMBER;
}

static gboolean read_gm_labels(const ImapNode *value, ImapFetchData *out)
{
    out->gm_labels = value;
    return value->kind == IMAP_NODE_LIST;
}

static const struct {
    const char *name;
    ImapFetchGot bit;
    gboolean (*read)(const ImapNode *value, ImapFetchData *out);
} items[] = {
    {"UID", IMAP_GOT_UID, read_uid},
    {"FLAGS", IMAP_GOT_FLAGS, read_flags},
    {"MODSEQ", IMAP_GOT_MODSEQ, read_modseq},
    {"RFC822.SIZE", IMAP_GOT_SIZE, read_size},
    {"EMAILID", IMAP_GOT_EMAILID, read_emailid},
    {"THREADID", IMAP_GOT_THREADID, read_threadid},
    {"X-GM-MSGID", IMAP_GOT_GM_MSGID, read_gm_msgid},
    {"X-GM-THRID", IMAP_GOT_GM_THRID, read_gm_thrid},
    {"X-GM-LABELS", IMAP_GOT_GM_LABELS, read_gm_labels},
};

/* The "[" of BODY[...] and BINARY[...]; NULL for other names. */
static const char *find_section(const ImapNode *name)
{
    if (name->length > 5 && g_ascii_strncasecmp(name->text, "BODY[", 5) == 0)
        return name->text + 4;
    if (name->length > 7 && g_ascii_strncasecmp(name->text, "BINARY[", 7) == 0)
        return name->text + 6;
    return NULL;
}

static void read_date(const ImapNode *value, ImapFetchData *out)
{
    if (value->kind == IMAP_NODE_STRING &&
        imap_date_time_parse(value->text, value->length, &out->date))
        out->got |= IMAP_GOT_INTERNALDATE;
}

static gboolean read_item(const ImapNode *name, const ImapNode *value, ImapFetchData *out)
{
    for (gsize i = 0; i < G_N_ELEMENTS(items); i++) {
        if (!imap_node_is(name, items[i].name))
            continue;
        out->got |= items[i].bit;
        return items[i].read(value, out);
    }
    if (imap_node_is(name, "INTERNALDATE"))
        read_date(value, out);
    else if (find_section(name) != NULL)
        out->got |= IMAP_GOT_BODY;
    return TRUE;
}

gboolean imap_fetch_data_parse(const ImapResponse *response, ImapFetchData *out, GError **error)
{
    gboolean ok = response->name != NULL && g_str_equal(response->name, "FETCH") &&
                  response->has_number && response->number > 0 && response->args != NULL &&
                  response->args->kind == IMAP_NODE_LIST;
    const ImapNode *name, *value;

    *out = (ImapFetchData){.sequence = response->number};
    out->items = name = ok ? imap_node_first(response->args) : NULL;
    for (; ok && name != NULL; name = imap_node_next(value)) {
        value = imap_node_next(name);
        ok = value != NULL && name->kind == IMAP_NODE_ATOM && read_item(name, value, out);
        if (!ok)
            break;
    }
    if (!ok)
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                            "the server's FETCH answer can't be read");
    return ok;
}

const ImapNode *imap_fetch_data_keyword(const ImapNode *node)
{
    while (node != NULL && node->length > 0 && node->text[0] == '\\')
        node = imap_node_next(node);
    return node;
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
    const ImapNode *name = data->items, *value;

    *octets = NULL;
    for (; name != NULL; name = imap_node_next(value)) {
        const char *bracket = find_section(name);

        value = imap_node_next(name);
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
