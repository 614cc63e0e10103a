/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what IMAP servers send: a connection's octets go through the response parser, and each
 * response through every typed view. The first byte chooses whether names are UTF-8; where it is
 * over 127 the rest is a single value (a mailbox name, a set, a date). Seeds:
 * tests/fuzz/seeds/imap-response. */
#include "tests/fuzz/fuzz.h"

#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/response-data.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/proto/imap/rights.h"
#include "daemon/proto/mime/bodystructure-told.h"

#include <string.h>

static const ImapResponseLimits limits = {
    .line = 4000, .literal = 1000, .response = 6000, .total = 2000, .nodes = 500, .depth = 20};

/* The nodes in this list and below; their links have to agree with their order. */
static guint count_nodes(const ImapNode *node)
{
    guint n = 0;

    for (; node != NULL; node = imap_node_next(node)) {
        guint below = count_nodes(imap_node_first(node)), children = 0;

        for (const ImapNode *c = imap_node_first(node); c != NULL; c = imap_node_next(c))
            children++;
        g_assert_cmpuint(node->n_children, ==, children);
        /* What stood in a list that can't be read is still behind it. */
        g_assert_true(node->skip == 0 || node->skip == below + 1 ||
                      (node->kind == IMAP_NODE_BAD && node->skip > below));
        if (node->kind == IMAP_NODE_LIST)
            g_assert_null(node->text);
        else if (node->kind == IMAP_NODE_BAD)
            g_assert_false(imap_node_is_text(node));
        else if (node->kind != IMAP_NODE_LITERAL)
            g_assert_cmpint(node->text[node->length], ==, '\0');
        n += below + 1;
    }
    return n;
}

static void use_fetch(const ImapResponse *response)
{
    ImapFetchData data;
    guint n = 0;

    if (!imap_fetch_data_parse(response, &data, NULL))
        return;
    for (guint bit = 1; bit < IMAP_GOT_BODY; bit <<= 1)
        g_assert_true((data.got & bit) || (bit == IMAP_GOT_UID ? data.uid == 0 : TRUE));
    g_assert_true(!(data.got & IMAP_GOT_EMAILID) || imap_node_is_text(data.emailid));
    const ImapNode *structure = imap_fetch_data_value(&data, "BODYSTRUCTURE");
    g_autoptr(GBytes) told = structure ? mime_bodystructure_told(structure) : NULL;
    for (const char *section = "\0TEXT\0HEADER.FIELDS (DATE)\0"; n < 3; n++) {
        g_autoptr(GBytes) octets = NULL;

        imap_fetch_data_section(&data, section, &octets);
        section += strlen(section) + 1;
    }
    if ((data.got & IMAP_GOT_FLAGS) == 0)
        return;
    n = 0;
    for (const ImapNode *node = imap_fetch_data_keyword(imap_node_first(data.flags)); node != NULL;
         node = imap_fetch_data_keyword(imap_node_next(node)))
        n++;
    g_assert_cmpuint(n, ==, data.n_keywords);
}

static void use_data(const ImapResponse *response, gboolean utf8)
{
    g_autoptr(ImapListData) list = imap_list_data_parse(response, utf8, NULL);
    g_autoptr(ImapStatusData) status = imap_status_data_parse(response, utf8, NULL);
    g_autoptr(ImapSearchData) search = imap_search_data_parse(response, NULL);
    g_autoptr(ImapNamespaceData) spaces = imap_namespace_data_parse(response, utf8, NULL);
    gboolean earlier;
    g_autofree char *letters = NULL;
    g_autofree char *mine = imap_myrights_parse(response, utf8, &letters, NULL);
    g_autoptr(ImapSet) vanished = imap_vanished_parse(response, &earlier, NULL);
    g_autoptr(ImapFlags) flags = imap_flags_from_node(response->args, NULL);
    g_auto(GStrv) words = imap_words_parse(response->args);

    g_assert_nonnull(words);
    g_assert_true(list == NULL || g_utf8_validate(list->name, -1, NULL));
    g_assert_true(status == NULL || g_utf8_validate(status->name, -1, NULL));
    g_assert_true(mine == NULL || g_utf8_validate(mine, -1, NULL));
    g_assert_true(mine == NULL || imap_rights_parse(letters, FALSE) < 1u << strlen(IMAP_RIGHTS));
    g_assert_true(search == NULL || search->all != NULL);
    g_assert_true(spaces == NULL || spaces->shared != NULL);
    g_assert_true(vanished == NULL || !imap_set_is_empty(vanished));
    g_assert_true(flags == NULL || (flags->system & ~IMAP_FLAGS_ALL) == 0);
    use_fetch(response);
}

static void use_code(const ImapResponse *response)
{
    g_autoptr(ImapUidPlus) uids = imap_code_uidplus(response, NULL);
    g_autofree char *mailboxid = imap_code_mailboxid(response);
    g_autoptr(ImapFlags) flags = imap_flags_from_node(response->code_args, NULL);
    g_auto(GStrv) words = imap_words_parse(response->code_args);
    guint64 number;

    imap_code_number(response, &number);
    g_assert_nonnull(words);
    g_assert_true(flags == NULL || flags->keywords != NULL);
    g_assert_true(mailboxid == NULL || response->code_args != NULL);
    g_assert_true(uids == NULL || uids->target != NULL);
}

static void use(const ImapResponse *response, gboolean utf8)
{
    g_assert_nonnull(response->text);
    count_nodes(response->args);
    count_nodes(response->code_args);
    if (response->name != NULL)
        use_data(response, utf8);
    else
        use_code(response);
}

static void fuzz_connection(const uint8_t *data, size_t size, gboolean utf8)
{
    g_autoptr(ImapResponseParser) parser = imap_response_parser_new(&limits);
    const uint8_t *end = data + size;

    while (data < end) {
        const uint8_t *eol = memchr(data, '\n', end - data);
        gsize length = (eol != NULL ? eol : end) - data;
        ImapResponseFeed feed = imap_response_line(parser, (const char *)data, length, NULL);

        data = eol != NULL ? eol + 1 : end;
        if (feed == IMAP_RESPONSE_COMPLETE)
            use(imap_response_get(parser), utf8);
        /* Only what is too large ends a connection. */
        if (feed == IMAP_RESPONSE_ERROR)
            return;
        if (feed != IMAP_RESPONSE_LITERAL)
            continue;
        if (imap_response_literal_size(parser) > (gsize)(end - data))
            return;
        g_autoptr(GBytes) octets = g_bytes_new(data, imap_response_literal_size(parser));

        imap_response_literal(parser, octets);
        data += g_bytes_get_size(octets);
    }
}

/* Any octets are a name, and come back. */
static void fuzz_name(const char *text, gsize length)
{
    g_autofree char *name = NULL, *wire = NULL;
    g_autofree char *strict = NULL;

    if (memchr(text, '\0', length) != NULL)
        return;
    name = imap_name_from_wire(text, length);
    wire = imap_name_to_wire(name);
    strict = imap_name_decode(text, length, NULL);
    g_assert_true(g_utf8_validate(name, -1, NULL));
    g_assert_cmpmem(wire, strlen(wire), text, length);
    if (strict != NULL)
        g_assert_cmpstr(strict, ==, name);
    imap_name_matches(name, name, '/');
}

static void fuzz_set(const char *text, gsize length)
{
    g_autoptr(ImapSet) set = imap_set_parse(text, length, 1000, NULL), again = NULL;
    g_autoptr(GString) out = g_string_new(NULL);

    if (set == NULL)
        return;
    imap_set_format(set, out);
    again = imap_set_parse(out->str, out->len, 1000, NULL);
    g_assert_true(imap_set_equal(set, again));
}

static void fuzz_date(const char *text, gsize length)
{
    ImapDateTime date, again;
    g_autoptr(GString) out = g_string_new(NULL);

    if (!imap_date_time_parse(text, length, &date))
        return;
    imap_date_time_format(&date, out);
    g_assert_true(imap_date_time_parse(out->str + 1, out->len - 2, &again));
    g_assert_cmpint(date.zone, ==, again.zone);
}

static void fuzz_quote(const char *text, gsize length)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *copy = g_strndup(text, length);

    imap_quote_append_astring(out, text, length, TRUE);
    g_string_truncate(out, 0);
    imap_quote_append_text(out, copy, TRUE);
    g_assert_true(g_utf8_validate(out->str, out->len, NULL));
    g_assert_null(strpbrk(out->str, "\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const values[])(const char *, gsize) = {fuzz_name, fuzz_set, fuzz_date,
                                                          fuzz_quote};

    if (size == 0)
        return 0;
    if (data[0] < 128)
        fuzz_connection(data + 1, size - 1, data[0] & 1);
    else
        values[data[0] % G_N_ELEMENTS(values)]((const char *)data + 1, size - 1);
    return 0;
}
