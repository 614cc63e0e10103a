/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Typed views of a server's data and response codes.
 */
#include "daemon/proto/imap/response-data.h"

#include <string.h>

#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/object-id.h"

static gboolean code_fail(const char *what, GError **error)
{
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "the server's %s can't be read", what);
    return FALSE;
}

/* A number in range; FALSE for anything else and for NULL. */
static gboolean get_number(const ImapNode *node, guint64 max, guint64 *out)
{
    if (node == NULL || node->kind != IMAP_NODE_NUMBER || node->number > max)
        return FALSE;
    *out = node->number;
    return TRUE;
}

static gboolean get_number32(const ImapNode *node, guint32 *out)
{
    guint64 number;

    if (!get_number(node, G_MAXUINT32, &number))
        return FALSE;
    *out = number;
    return TRUE;
}

/* The response has a limit on its length, and so has the number of ranges. */
static ImapSet *get_set(const ImapNode *node)
{
    return node != NULL && imap_node_is_text(node)
               ? imap_set_parse(node->text, node->length, G_MAXUINT, NULL)
               : NULL;
}

/* The name that these octets mean. */
static char *decode_name(const char *wire, gboolean utf8)
{
    char *name = utf8 && g_utf8_validate(wire, -1, NULL) ? g_strdup(wire)
                                                         : imap_name_from_wire(wire, strlen(wire));

    imap_name_fold_inbox(name, '\0');
    return name;
}

static gboolean is_word(const ImapNode *node)
{
    return node->kind == IMAP_NODE_ATOM || node->kind == IMAP_NODE_NUMBER ||
           node->kind == IMAP_NODE_NIL;
}

/* The words from `first` on as they stand in the line, spaces and all: a name that a server forgot
 * to quote. *next: what follows it. */
static char *join_words(const ImapNode *first, const ImapNode **next)
{
    const ImapNode *last = first;

    for (*next = imap_node_next(first); *next != NULL && is_word(*next);
         *next = imap_node_next(last))
        last = *next;
    gsize length = (gsize)(last->text + last->length - first->text);
    g_autofree char *text = g_memdup2(first->text, length + 1);
    /* The parser has put a NUL behind each of them; any other is the server's. */
    for (const ImapNode *node = first; node != last; node = imap_node_next(node))
        text[node->text + node->length - first->text] = ' ';
    return memchr(text, '\0', length) == NULL ? g_steal_pointer(&text) : NULL;
}

/* A mailbox name, decoded and as it was sent; FALSE for a list and for a name with NUL. *next: what
 * stands behind it. */
static gboolean get_name(const ImapNode *node, gboolean utf8, char **name, char **wire,
                         const ImapNode **next)
{
    *next = node != NULL ? imap_node_next(node) : NULL;
    *wire = node == NULL    ? NULL
            : is_word(node) ? join_words(node, next)
                            : imap_node_dup(node, TRUE);
    if (*wire == NULL)
        return FALSE;
    *name = decode_name(*wire, utf8);
    return TRUE;
}

/* A delimiter: one character in quotes, or NIL, as which counts what is neither. */
static char get_delimiter(const ImapNode *node)
{
    return imap_node_is_text(node) && node->kind != IMAP_NODE_NIL && node->length == 1
               ? node->text[0]
               : '\0';
}

static gboolean has_name(const ImapResponse *response, const char *name)
{
    return response->name != NULL && g_str_equal(response->name, name);
}

/* ---- LIST -------------------------------------------------------------------------------------*/

/* The n-th name is bit n. */
static const char *const attributes[] = {
    "\\Noinferiors", "\\Noselect",  "\\Marked",      "\\Unmarked",      "\\NonExistent",
    "\\Subscribed",  "\\Remote",    "\\HasChildren", "\\HasNoChildren", "\\All",
    "\\Archive",     "\\Drafts",    "\\Flagged",     "\\Junk",          "\\Sent",
    "\\Trash",       "\\Important",
};

/* Names that Gmail's XLIST had before RFC 6154. */
static const struct {
    const char *name;
    guint bit;
} old_attributes[] = {
    {"\\AllMail", IMAP_ATTR_ALL},
    {"\\Spam", IMAP_ATTR_JUNK},
    {"\\Starred", IMAP_ATTR_FLAGGED},
};

const char *imap_list_attr_name(guint bit)
{
    for (guint i = 0; i < G_N_ELEMENTS(attributes); i++)
        if (bit == 1u << i)
            return attributes[i];
    return NULL;
}

static guint attribute_bit(const ImapNode *node)
{
    for (guint i = 0; i < G_N_ELEMENTS(attributes); i++)
        if (imap_node_is(node, attributes[i]))
            return 1u << i;
    for (guint i = 0; i < G_N_ELEMENTS(old_attributes); i++)
        if (imap_node_is(node, old_attributes[i].name))
            return old_attributes[i].bit;
    return 0;
}

void imap_list_data_free(ImapListData *data)
{
    if (data == NULL)
        return;
    g_free(data->name);
    g_free(data->wire);
    g_free(data->old_name);
    g_free(data);
}

/* ("CHILDINFO" ("SUBSCRIBED") "OLDNAME" ("x")): what it doesn't know it passes over. */
static void read_extended(const ImapNode *list, gboolean utf8, ImapListData *data)
{
    const ImapNode *name = imap_node_first(list), *value;

    for (; name != NULL; name = imap_node_next(value)) {
        const ImapNode *first;

        value = imap_node_next(name);
        if (value == NULL)
            return;
        first = imap_node_first(value);
        if (first == NULL || !imap_node_is_text(name) || !imap_node_is_text(first))
            continue;
        if (name->length == 9 && g_ascii_strncasecmp(name->text, "CHILDINFO", 9) == 0) {
            for (; first != NULL; first = imap_node_next(first))
                data->child_subscribed |=
                    first->length == 10 && g_ascii_strncasecmp(first->text, "SUBSCRIBED", 10) == 0;
        } else if (name->length == 7 && g_ascii_strncasecmp(name->text, "OLDNAME", 7) == 0 &&
                   data->old_name == NULL) {
            g_autofree char *wire = NULL;
            const ImapNode *next;

            get_name(first, utf8, &data->old_name, &wire, &next);
        }
    }
}

ImapListData *imap_list_data_parse(const ImapResponse *response, gboolean utf8, GError **error)
{
    g_autoptr(ImapListData) data = g_new0(ImapListData, 1);
    gboolean known =
        has_name(response, "LIST") || has_name(response, "LSUB") || has_name(response, "XLIST");
    const ImapNode *list = known ? response->args : NULL;
    const ImapNode *delimiter = list != NULL ? imap_node_next(list) : NULL;
    const ImapNode *name = delimiter != NULL ? imap_node_next(delimiter) : NULL;
    const ImapNode *extended;

    if (name == NULL || !get_name(name, utf8, &data->name, &data->wire, &extended)) {
        code_fail("list of mailboxes", error);
        return NULL;
    }
    data->delimiter = get_delimiter(delimiter);
    for (const ImapNode *node = imap_node_first(list); node != NULL; node = imap_node_next(node))
        data->attributes |= attribute_bit(node);
    if (extended != NULL)
        read_extended(extended, utf8, data);
    return g_steal_pointer(&data);
}

/* ---- STATUS -----------------------------------------------------------------------------------*/

void imap_status_data_free(ImapStatusData *data)
{
    if (data == NULL)
        return;
    g_free(data->name);
    g_free(data->wire);
    g_free(data->mailboxid);
    g_free(data);
}

static const struct {
    guint bit;
    gsize offset;
    gboolean wide; /* 64 bits */
} status_numbers[] = {
    {IMAP_STATUS_MESSAGES, G_STRUCT_OFFSET(ImapStatusData, messages), FALSE},
    {IMAP_STATUS_RECENT, G_STRUCT_OFFSET(ImapStatusData, recent), FALSE},
    {IMAP_STATUS_UIDNEXT, G_STRUCT_OFFSET(ImapStatusData, uidnext), FALSE},
    {IMAP_STATUS_UIDVALIDITY, G_STRUCT_OFFSET(ImapStatusData, uidvalidity), FALSE},
    {IMAP_STATUS_UNSEEN, G_STRUCT_OFFSET(ImapStatusData, unseen), FALSE},
    {IMAP_STATUS_DELETED, G_STRUCT_OFFSET(ImapStatusData, deleted), FALSE},
    {IMAP_STATUS_SIZE, G_STRUCT_OFFSET(ImapStatusData, size), TRUE},
    {IMAP_STATUS_HIGHESTMODSEQ, G_STRUCT_OFFSET(ImapStatusData, highestmodseq), TRUE},
    {IMAP_STATUS_DELETED_STORAGE, G_STRUCT_OFFSET(ImapStatusData, deleted_storage), TRUE},
    {IMAP_STATUS_APPENDLIMIT, G_STRUCT_OFFSET(ImapStatusData, appendlimit), TRUE},
};

static gboolean read_status_item(guint bit, const ImapNode *value, ImapStatusData *data)
{
    if (bit == IMAP_STATUS_MAILBOXID) {
        const ImapNode *id = imap_node_first(value);

        g_clear_pointer(&data->mailboxid, g_free);
        data->mailboxid = imap_node_is_object_id(id) ? imap_node_dup(id, TRUE) : NULL;
        return data->mailboxid != NULL;
    }
    if (bit == IMAP_STATUS_APPENDLIMIT && value->kind == IMAP_NODE_NIL) {
        data->appendlimit = G_MAXUINT64;
        return TRUE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(status_numbers); i++) {
        gpointer field = G_STRUCT_MEMBER_P(data, status_numbers[i].offset);

        if (status_numbers[i].bit == bit)
            return status_numbers[i].wide ? get_number(value, G_MAXUINT64, field)
                                          : get_number32(value, field);
    }
    return FALSE;
}

static guint status_item(const ImapNode *node)
{
    return node->kind == IMAP_NODE_ATOM ? imap_status_item_from_name(node->text, node->length) : 0;
}

/* A number that can't be one counts as not told. Names and values take turns; where one was left
 * out, the next name tells. */
static void read_status_items(const ImapNode *list, ImapStatusData *data)
{
    const ImapNode *name = imap_node_first(list), *value;

    while (name != NULL && (value = imap_node_next(name)) != NULL) {
        guint bit = status_item(name);

        if (status_item(value) != 0 || name->kind != IMAP_NODE_ATOM) {
            name = value;
            continue;
        }
        if (bit != 0 && read_status_item(bit, value, data))
            data->items |= bit;
        name = imap_node_next(value);
    }
}

ImapStatusData *imap_status_data_parse(const ImapResponse *response, gboolean utf8, GError **error)
{
    g_autoptr(ImapStatusData) data = g_new0(ImapStatusData, 1);
    const ImapNode *list = NULL;

    if (has_name(response, "STATUS") &&
        get_name(response->args, utf8, &data->name, &data->wire, &list) && list != NULL &&
        list->kind == IMAP_NODE_LIST) {
        read_status_items(list, data);
        return g_steal_pointer(&data);
    }
    code_fail("STATUS answer", error);
    return NULL;
}

char *imap_myrights_parse(const ImapResponse *response, gboolean utf8, char **letters,
                          GError **error)
{
    const ImapNode *node = has_name(response, "MYRIGHTS") ? response->args : NULL;
    const ImapNode *last = node != NULL ? imap_node_next(node) : NULL;
    g_autofree char *rights = last != NULL ? imap_node_dup(last, TRUE) : NULL;
    g_autofree char *wire = rights != NULL ? imap_node_dup(node, TRUE) : NULL;
    g_autofree char *name = wire != NULL ? decode_name(wire, utf8) : NULL;

    if (name != NULL) {
        *letters = g_steal_pointer(&rights);
        return g_steal_pointer(&name);
    }
    code_fail("MYRIGHTS answer", error);
    return NULL;
}

/* ---- SEARCH, ESEARCH, VANISHED ----------------------------------------------------------------*/

void imap_search_data_free(ImapSearchData *data)
{
    if (data == NULL)
        return;
    g_free(data->tag);
    imap_set_free(data->all);
    g_free(data);
}

/* "2 84 882 (MODSEQ 917162500)" */
static gboolean read_search(const ImapNode *node, ImapSearchData *data)
{
    guint32 number;

    for (; node != NULL; node = imap_node_next(node)) {
        const ImapNode *first = imap_node_first(node);

        if (first != NULL && imap_node_is(first, "MODSEQ")) {
            if (!get_number(imap_node_next(first), G_MAXUINT64, &data->modseq))
                return FALSE;
        } else {
            if (!get_number32(node, &number))
                return FALSE;
            imap_set_add(data->all, number);
        }
    }
    return TRUE;
}

/* "(TAG "A282")" */
static void read_correlator(const ImapNode *list, ImapSearchData *data)
{
    const ImapNode *name = imap_node_first(list), *value;

    for (; name != NULL; name = imap_node_next(value)) {
        value = imap_node_next(name);
        if (value == NULL)
            return;
        if (imap_node_is(name, "TAG") && data->tag == NULL)
            data->tag = imap_node_dup(value, TRUE);
    }
}

static gboolean add_members(const ImapNode *node, ImapSearchData *data)
{
    g_autoptr(ImapSet) set = get_set(node);

    if (set == NULL)
        return FALSE;
    imap_set_add_set(data->all, set);
    return TRUE;
}

/* "(1:100 2,10:11)" or "(1:100 NIL)" (RFC 9394, 3.1) */
static gboolean read_code_partial(const ImapNode *list, ImapSearchData *data)
{
    const ImapNode *range = imap_node_first(list);
    const ImapNode *members = range != NULL ? imap_node_next(range) : NULL;

    if (members == NULL)
        return FALSE;
    return members->kind == IMAP_NODE_NIL || add_members(members, data);
}

static gboolean read_esearch_item(const ImapNode *name, const ImapNode *value, ImapSearchData *data)
{
    if (imap_node_is(name, "ALL"))
        return add_members(value, data);
    if (imap_node_is(name, "PARTIAL"))
        return read_code_partial(value, data);
    if (imap_node_is(name, "MIN"))
        return get_number32(value, &data->min);
    if (imap_node_is(name, "MAX"))
        return get_number32(value, &data->max);
    if (imap_node_is(name, "MODSEQ"))
        return get_number(value, G_MAXUINT64, &data->modseq);
    if (!imap_node_is(name, "COUNT"))
        return TRUE;
    data->has_count = TRUE;
    return get_number32(value, &data->count);
}

static gboolean read_esearch(const ImapNode *node, ImapSearchData *data)
{
    if (node != NULL && node->kind == IMAP_NODE_LIST) {
        read_correlator(node, data);
        node = imap_node_next(node);
    }
    if (node != NULL && imap_node_is(node, "UID")) {
        data->uid = TRUE;
        node = imap_node_next(node);
    }
    for (; node != NULL; node = imap_node_next(node)) {
        const ImapNode *value = imap_node_next(node);

        if (value == NULL || !read_esearch_item(node, value, data))
            return FALSE;
        node = value;
    }
    return TRUE;
}

ImapSearchData *imap_search_data_parse(const ImapResponse *response, GError **error)
{
    g_autoptr(ImapSearchData) data = g_new0(ImapSearchData, 1);

    data->all = imap_set_new();
    if (has_name(response, "SEARCH")
            ? read_search(response->args, data)
            : has_name(response, "ESEARCH") && read_esearch(response->args, data))
        return g_steal_pointer(&data);
    code_fail("search result", error);
    return NULL;
}

ImapSet *imap_vanished_parse(const ImapResponse *response, gboolean *earlier, GError **error)
{
    const ImapNode *node = has_name(response, "VANISHED") ? response->args : NULL;
    const ImapNode *first = node != NULL ? imap_node_first(node) : NULL;
    ImapSet *set;

    *earlier = first != NULL && imap_node_is(first, "EARLIER");
    set = get_set(*earlier ? imap_node_next(node) : node);
    if (set == NULL)
        code_fail("VANISHED answer", error);
    return set;
}

/* ---- words, NAMESPACE, flags ------------------------------------------------------------------*/

char **imap_words_parse(const ImapNode *first)
{
    GPtrArray *words = g_ptr_array_new();

    for (const ImapNode *node = first; node != NULL; node = imap_node_next(node))
        if (imap_node_is_text(node))
            g_ptr_array_add(words, g_ascii_strup(node->text, node->length));
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

gboolean imap_words_have(const char *const *words, const char *word)
{
    for (; words != NULL && *words != NULL; words++)
        if (g_ascii_strcasecmp(*words, word) == 0)
            return TRUE;
    return FALSE;
}

static void free_namespace(gpointer data)
{
    ImapNamespace *space = data;

    g_free(space->prefix);
    g_free(space);
}

void imap_namespace_data_free(ImapNamespaceData *data)
{
    if (data == NULL)
        return;
    g_ptr_array_unref(data->personal);
    g_ptr_array_unref(data->others);
    g_ptr_array_unref(data->shared);
    g_free(data);
}

/* (("" "/")("#news." ".")) or NIL */
static void read_namespaces(const ImapNode *list, gboolean utf8, GPtrArray *out)
{
    for (const ImapNode *node = imap_node_first(list); node != NULL; node = imap_node_next(node)) {
        const ImapNode *prefix = imap_node_first(node);
        g_autofree char *wire = prefix != NULL ? imap_node_dup(prefix, FALSE) : NULL;
        const ImapNode *delimiter = prefix != NULL ? imap_node_next(prefix) : NULL;
        ImapNamespace *space;

        if (wire == NULL)
            continue;
        space = g_new0(ImapNamespace, 1);
        space->prefix = decode_name(wire, utf8);
        space->delimiter = delimiter != NULL ? get_delimiter(delimiter) : '\0';
        g_ptr_array_add(out, space);
    }
}

ImapNamespaceData *imap_namespace_data_parse(const ImapResponse *response, gboolean utf8,
                                             GError **error)
{
    g_autoptr(ImapNamespaceData) data = g_new0(ImapNamespaceData, 1);
    GPtrArray **kinds[] = {&data->personal, &data->others, &data->shared};
    const ImapNode *node = has_name(response, "NAMESPACE") ? response->args : NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        *kinds[i] = g_ptr_array_new_with_free_func(free_namespace);
    if (node == NULL) {
        code_fail("NAMESPACE answer", error);
        return NULL;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(kinds) && node != NULL; i++, node = imap_node_next(node))
        read_namespaces(node, utf8, *kinds[i]);
    return g_steal_pointer(&data);
}

ImapFlags *imap_flags_from_node(const ImapNode *list, GError **error)
{
    g_autoptr(ImapFlags) flags = imap_flags_new();

    if (list == NULL || list->kind != IMAP_NODE_LIST) {
        code_fail("list of flags", error);
        return NULL;
    }
    for (const ImapNode *node = imap_node_first(list); node != NULL; node = imap_node_next(node))
        if (imap_node_is_text(node))
            imap_flags_add(flags, node->text, node->length);
    return g_steal_pointer(&flags);
}

/* ---- response codes ---------------------------------------------------------------------------*/

gboolean imap_code_number(const ImapResponse *response, guint64 *out)
{
    return get_number(response->code_args, G_MAXUINT64, out);
}

char *imap_code_mailboxid(const ImapResponse *response)
{
    const ImapNode *args = response->code_args;

    if (response->code == NULL || !g_str_equal(response->code, "MAILBOXID") || args == NULL)
        return NULL;
    args = imap_node_first(args);
    return imap_node_is_object_id(args) ? imap_node_dup(args, TRUE) : NULL;
}

void imap_uid_plus_free(ImapUidPlus *uids)
{
    if (uids == NULL)
        return;
    imap_sequence_set_free(uids->source);
    imap_sequence_set_free(uids->target);
    g_free(uids);
}

/* The numbers of a set as written, repetitions counted; 0 for one with "*". */
static guint64 count_as_written(const ImapSequenceSet *set)
{
    guint64 count = 0;

    for (guint i = 0; i < set->n_ranges; i++) {
        guint32 first = set->ranges[i].first, last = set->ranges[i].last;

        if (first == 0 || last == 0)
            return 0;
        count += (guint64)MAX(first, last) - MIN(first, last) + 1;
    }
    return count;
}

static ImapSequenceSet *get_sequence(const ImapNode *node)
{
    if (node == NULL || !imap_node_is_text(node))
        return NULL;
    return imap_sequence_set_parse(node->text, node->length, G_MAXUINT, FALSE, NULL);
}

static gboolean read_uidplus(const ImapResponse *response, ImapUidPlus *uids)
{
    const ImapNode *node = response->code_args;
    gboolean copy = g_strcmp0(response->code, "COPYUID") == 0;

    if ((!copy && g_strcmp0(response->code, "APPENDUID") != 0) ||
        !get_number32(node, &uids->uidvalidity))
        return FALSE;
    node = imap_node_next(node);
    if (copy) {
        uids->source = get_sequence(node);
        node = node != NULL ? imap_node_next(node) : NULL;
    }
    uids->target = get_sequence(node);
    if (uids->target == NULL || count_as_written(uids->target) == 0 ||
        count_as_written(uids->target) > IMAP_UID_PLUS_MAX)
        return FALSE;
    return !copy || (uids->source != NULL &&
                     count_as_written(uids->source) == count_as_written(uids->target));
}

ImapUidPlus *imap_code_uidplus(const ImapResponse *response, GError **error)
{
    g_autoptr(ImapUidPlus) uids = g_new0(ImapUidPlus, 1);

    if (read_uidplus(response, uids))
        return g_steal_pointer(&uids);
    code_fail("answer with the new UIDs", error);
    return NULL;
}
