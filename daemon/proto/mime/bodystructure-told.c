/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A provider's BODYSTRUCTURE made ours. See bodystructure-told.h. Each function reads one rule of
 * RFC 3501's grammar from the values that follow each other in a list, and writes what it has read;
 * whatever doesn't fit makes all of it worthless. */
#include "daemon/proto/mime/bodystructure-told.h"

#include "daemon/proto/mime/quote.h"
#include "daemon/proto/mime/structure.h"

#include <string.h>

#define ADDRESS_LISTS 6 /* from, sender, reply-to, to, cc, bcc */

typedef struct {
    GString *out;
    guint parts; /* that may still come */
} Told;

static gboolean is_nil(const ImapNode *node)
{
    return node->kind == IMAP_NODE_NIL || (node->kind == IMAP_NODE_LIST && node->n_children == 0);
}

static gboolean is_string(const ImapNode *node)
{
    return imap_node_is_text(node) && node->kind != IMAP_NODE_NIL;
}

static gboolean is_word(const ImapNode *node, const char *word)
{
    return node && is_string(node) && node->length == strlen(word) &&
           g_ascii_strncasecmp(node->text, word, node->length) == 0;
}

/* The next value of the list; *next is behind it. NULL at the end. */
static const ImapNode *take_value(const ImapNode **next)
{
    const ImapNode *value = *next;

    if (value)
        *next = imap_node_next(value);
    return value;
}

static gboolean write_string(Told *told, const ImapNode *value)
{
    if (!value || !is_string(value))
        return FALSE;
    mime_quote_unfolded(told->out, value->text, value->length);
    return told->out->len <= MIME_TOLD_STRUCTURE_MAX;
}

static gboolean write_nil(Told *told)
{
    g_string_append(told->out, "NIL");
    return TRUE;
}

static gboolean write_nstring(Told *told, const ImapNode *value)
{
    return value && is_nil(value) ? write_nil(told) : write_string(told, value);
}

static gboolean write_space(Told *told)
{
    g_string_append_c(told->out, ' ');
    return TRUE;
}

/* number: 32 bits (RFC 3501, 9) */
static gboolean write_number(Told *told, const ImapNode *value)
{
    if (!value || value->kind != IMAP_NODE_NUMBER || value->number > G_MAXUINT32)
        return FALSE;
    g_string_append_printf(told->out, " %" G_GUINT64_FORMAT, value->number);
    return TRUE;
}

/* body-fld-param: names and values */
static gboolean write_params(Told *told, const ImapNode *list)
{
    const ImapNode *node;

    if (!list || is_nil(list))
        return list && write_nil(told);
    node = imap_node_first(list);
    if (!node || list->n_children % 2 != 0)
        return FALSE;
    g_string_append_c(told->out, '(');
    for (guint i = 0; node; node = imap_node_next(node), i++) {
        if (i > 0)
            write_space(told);
        if (i % 2 == 1 && is_nil(node))
            g_string_append(told->out, "\"\"");
        else if (!write_string(told, node))
            return FALSE;
    }
    g_string_append_c(told->out, ')');
    return TRUE;
}

/* body-fld-dsp, also as a name without parameters' list, as some servers write it */
static gboolean write_disposition(Told *told, const ImapNode *value)
{
    const ImapNode *next = value;

    if (!value || is_nil(value))
        return write_nil(told);
    if (value->kind == IMAP_NODE_LIST)
        next = imap_node_first(value);
    g_string_append_c(told->out, '(');
    if (!write_string(told, next) || !write_space(told))
        return FALSE;
    next = value->kind == IMAP_NODE_LIST ? imap_node_next(next) : NULL;
    if (!(next ? write_params(told, next) && !imap_node_next(next) : write_nil(told)))
        return FALSE;
    g_string_append_c(told->out, ')');
    return TRUE;
}

/* body-fld-lang */
static gboolean write_languages(Told *told, const ImapNode *value)
{
    if (!value || value->kind != IMAP_NODE_LIST || is_nil(value))
        return value ? write_nstring(told, value) : write_nil(told);
    g_string_append_c(told->out, '(');
    for (const ImapNode *node = imap_node_first(value); node; node = imap_node_next(node)) {
        if (!write_string(told, node))
            return FALSE;
        if (imap_node_next(node))
            write_space(told);
    }
    g_string_append_c(told->out, ')');
    return TRUE;
}

/* What follows body-ext-1part's MD5 and body-ext-mpart's parameters. What a server left out is NIL;
 * what follows in its turn (body-extension) means nothing to anyone. */
static gboolean write_extension(Told *told, const ImapNode *next)
{
    const ImapNode *location;

    if (!write_space(told) || !write_disposition(told, take_value(&next)) || !write_space(told) ||
        !write_languages(told, take_value(&next)) || !write_space(told))
        return FALSE;
    location = take_value(&next);
    return location ? write_nstring(told, location) : write_nil(told);
}

/* address: name, route, mailbox, host */
static gboolean write_address(Told *told, const ImapNode *list)
{
    const ImapNode *node = imap_node_first(list);

    if (list->n_children != 4)
        return FALSE;
    g_string_append_c(told->out, '(');
    for (guint i = 0; i < 4; i++, node = imap_node_next(node))
        if ((i > 0 && !write_space(told)) || !write_nstring(told, node))
            return FALSE;
    g_string_append_c(told->out, ')');
    return TRUE;
}

static gboolean write_addresses(Told *told, const ImapNode *list)
{
    if (!list || is_nil(list))
        return list && write_nil(told);
    if (list->kind != IMAP_NODE_LIST)
        return FALSE;
    g_string_append_c(told->out, '(');
    for (const ImapNode *node = imap_node_first(list); node; node = imap_node_next(node))
        if (!write_address(told, node))
            return FALSE;
    g_string_append_c(told->out, ')');
    return TRUE;
}

/* envelope: date, subject, six lists of addresses, in-reply-to, message-id */
static gboolean write_envelope(Told *told, const ImapNode *list)
{
    const ImapNode *next = list ? imap_node_first(list) : NULL;

    g_string_append(told->out, " (");
    if (!next || list->n_children != ADDRESS_LISTS + 4 || !write_nstring(told, take_value(&next)) ||
        !write_space(told) || !write_nstring(told, take_value(&next)))
        return FALSE;
    for (guint i = 0; i < ADDRESS_LISTS; i++)
        if (!write_space(told) || !write_addresses(told, take_value(&next)))
            return FALSE;
    if (!write_space(told) || !write_nstring(told, take_value(&next)) || !write_space(told) ||
        !write_nstring(told, take_value(&next)))
        return FALSE;
    g_string_append_c(told->out, ')');
    return TRUE;
}

static gboolean write_body(Told *told, const ImapNode *list, guint depth);

/* body-fields: parameters, id, description, encoding, octets */
static gboolean write_fields(Told *told, const ImapNode **next)
{
    const ImapNode *encoding;

    if (!write_space(told) || !write_params(told, take_value(next)) || !write_space(told) ||
        !write_nstring(told, take_value(next)) || !write_space(told) ||
        !write_nstring(told, take_value(next)) || !write_space(told))
        return FALSE;
    encoding = take_value(next);
    if (encoding && is_nil(encoding))
        g_string_append(told->out, "\"7bit\"");
    else if (!write_string(told, encoding))
        return FALSE;
    return write_number(told, take_value(next));
}

/* body-type-1part */
static gboolean write_single_part(Told *told, const ImapNode *list, guint depth)
{
    const ImapNode *next = imap_node_first(list), *md5;
    const ImapNode *type = take_value(&next), *subtype = take_value(&next);
    gboolean text = is_word(type, "text");
    gboolean message = is_word(type, "message") && is_word(subtype, "rfc822");

    if (!write_string(told, type) || !write_space(told) || !write_string(told, subtype) ||
        !write_fields(told, &next))
        return FALSE;
    if (message && (!write_envelope(told, take_value(&next)) || !write_space(told) ||
                    !write_body(told, take_value(&next), depth)))
        return FALSE;
    if ((text || message) && !write_number(told, take_value(&next)))
        return FALSE;
    md5 = take_value(&next);
    return write_space(told) && (md5 ? write_nstring(told, md5) : write_nil(told)) &&
           write_extension(told, next);
}

/* body-type-mpart */
static gboolean write_multipart(Told *told, const ImapNode *list, guint depth)
{
    const ImapNode *next = imap_node_first(list), *params;

    while (next && next->kind == IMAP_NODE_LIST)
        if (!write_body(told, take_value(&next), depth))
            return FALSE;
    if (!write_space(told) || !write_string(told, take_value(&next)) || !write_space(told))
        return FALSE;
    params = take_value(&next);
    return (params ? write_params(told, params) : write_nil(told)) && write_extension(told, next);
}

/* body; depth: levels that may still come */
static gboolean write_body(Told *told, const ImapNode *list, guint depth)
{
    const ImapNode *first = list ? imap_node_first(list) : NULL;

    if (!first || depth == 0 || told->parts == 0)
        return FALSE;
    told->parts--;
    g_string_append_c(told->out, '(');
    if (!(first->kind == IMAP_NODE_LIST ? write_multipart(told, list, depth - 1)
                                        : write_single_part(told, list, depth - 1)))
        return FALSE;
    g_string_append_c(told->out, ')');
    return told->out->len <= MIME_TOLD_STRUCTURE_MAX;
}

GBytes *mime_bodystructure_told(const ImapNode *value)
{
    Told told = {g_string_new(NULL), mime_default_limits.max_parts};

    if (write_body(&told, value, mime_default_limits.max_depth))
        return g_string_free_to_bytes(told.out);
    g_string_free(told.out, TRUE);
    return NULL;
}
