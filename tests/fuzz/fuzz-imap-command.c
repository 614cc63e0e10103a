/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what IMAP clients send: a connection's octets go through the assembler as a session would
 * feed it, and each whole command through the parser of its arguments. The first byte is the
 * session's mode. What is read has to come out of the formatters as it went in. Seeds:
 * tests/fuzz/seeds/imap-command. */
#include "tests/fuzz/fuzz.h"

#include "daemon/proto/imap/acl-args.h"
#include "daemon/proto/imap/assembler.h"
#include "daemon/proto/imap/fetch-args.h"
#include "daemon/proto/imap/list-args.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/metadata-args.h"
#include "daemon/proto/imap/notify-args.h"
#include "daemon/proto/imap/search-args.h"
#include "daemon/proto/imap/select-args.h"
#include "daemon/proto/imap/sort-args.h"
#include "daemon/proto/imap/status-args.h"
#include "daemon/proto/imap/store-args.h"
#include "daemon/proto/imap/url.h"
#include "daemon/proto/imap/urlauth-args.h"

#include <string.h>

static const ImapLimits limits = {
    .line = 4000,
    .literal = 500,
    .message = 2000,
    .command = 8000,
    .literals = 20,
    .set_ranges = 100,
    .list_items = 50,
    .depth = 20,
    .search_keys = 50,
    .part_numbers = 10,
};

/* A name that is valid UTF-8 and comes back from the wire as it went there. */
static void check_name(const char *name)
{
    g_autofree char *wire = imap_name_to_wire(name);
    g_autofree char *again = imap_name_from_wire(wire, strlen(wire));
    g_autofree char *wire_again = imap_name_to_wire(again);

    g_assert_true(g_utf8_validate(name, -1, NULL));
    g_assert_cmpstr(wire_again, ==, wire);
    if (imap_name_check_new(name, NULL))
        g_assert_cmpstr(again, ==, name);
}

static void check_set(const ImapSequenceSet *set)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(ImapSequenceSet) again = NULL;
    g_autoptr(ImapSet) small = imap_sequence_set_resolve(set, 10);
    g_autoptr(ImapSet) same = NULL;

    imap_sequence_set_format(set, text);
    again = imap_sequence_set_parse(text->str, text->len, limits.set_ranges, TRUE, NULL);
    g_assert_nonnull(again);
    same = imap_sequence_set_resolve(again, 10);
    g_assert_true(imap_set_equal(small, same));
}

static void run_fetch(ImapLexer *lexer)
{
    g_autoptr(ImapFetchArgs) args = imap_fetch_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    check_set(args->set);
    g_assert_cmpuint(args->items->len, >, 0);
    for (guint i = 0; i < args->items->len; i++) {
        g_autoptr(GString) name = g_string_new(NULL);

        imap_fetch_item_format(&g_array_index(args->items, ImapFetchItem, i), name);
        g_assert_cmpuint(name->len, >, 0);
    }
}

static void run_store(ImapLexer *lexer)
{
    g_autoptr(ImapStoreArgs) args = imap_store_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    check_set(args->set);
    g_assert_true((args->flags != NULL) != (args->labels != NULL));
    if (args->flags != NULL)
        g_assert_cmpuint(args->flags->system & ~IMAP_FLAGS_ALL, ==, 0);
}

static gboolean check_key(const ImapSearchKey *key, gpointer data)
{
    guint n = key->children != NULL ? key->children->len : 0;

    g_assert_cmpint(key->kind, <, IMAP_SEARCH_KINDS);
    g_assert_true(key->text == NULL || g_utf8_validate(key->text, -1, NULL));
    if (key->kind == IMAP_SEARCH_OR)
        g_assert_cmpuint(n, ==, 2);
    else if (key->kind == IMAP_SEARCH_NOT || key->kind == IMAP_SEARCH_FUZZY)
        g_assert_cmpuint(n, ==, 1);
    else if (key->kind == IMAP_SEARCH_AND)
        g_assert_cmpuint(n, >=, 1);
    else
        g_assert_cmpuint(n, ==, 0);
    if (key->set != NULL)
        check_set(key->set);
    return TRUE;
}

static void run_search(ImapLexer *lexer)
{
    g_autoptr(ImapSearchArgs) args = imap_search_args_parse(lexer, NULL);

    if (args != NULL)
        g_assert_true(imap_search_key_walk(args->key, check_key, NULL));
}

static void run_sort(ImapLexer *lexer)
{
    g_autoptr(ImapSortArgs) args = imap_sort_args_parse(lexer, NULL);

    if (args != NULL)
        g_assert_true(imap_search_key_walk(args->key, check_key, NULL));
}

static void run_thread(ImapLexer *lexer)
{
    g_autoptr(ImapThreadArgs) args = imap_thread_args_parse(lexer, NULL);

    if (args != NULL)
        g_assert_true(imap_search_key_walk(args->key, check_key, NULL));
}

static void run_list(ImapLexer *lexer)
{
    g_autoptr(ImapListArgs) args = imap_list_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    check_name(args->reference);
    g_assert_cmpuint(args->patterns->len, >, 0);
    for (guint i = 0; i < args->patterns->len; i++)
        imap_name_matches(args->patterns->pdata[i], args->reference, '/');
}

static void run_lsub(ImapLexer *lexer)
{
    g_autoptr(ImapListArgs) args = imap_lsub_args_parse(lexer, NULL);

    if (args != NULL)
        check_name(args->patterns->pdata[0]);
}

static void run_select(ImapLexer *lexer)
{
    g_autoptr(ImapSelectArgs) args = imap_select_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    check_name(args->mailbox);
    g_assert_true((args->match_seqs != NULL) == (args->match_uids != NULL));
    if (args->known_uids != NULL)
        check_set(args->known_uids);
}

static void run_status(ImapLexer *lexer)
{
    g_autoptr(ImapStatusArgs) args = imap_status_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    check_name(args->mailbox);
    g_assert_cmpuint(args->items, !=, 0);
}

static void check_url(const char *text)
{
    g_autoptr(ImapUrl) url = text != NULL ? imap_url_parse(text, NULL) : NULL;

    if (url == NULL)
        return;
    g_assert_cmpuint(url->uid, >, 0);
    g_assert_cmpuint(url->rump_length, <=, strlen(text));
    g_assert_true((url->mechanism == NULL) == (url->token == NULL));
    g_assert_true(url->access == NULL || (url->host && url->user && url->mailbox));
    g_assert_true(url->mailbox == NULL || g_utf8_validate(url->mailbox, -1, NULL));
}

static void run_genurlauth(ImapLexer *lexer)
{
    g_autoptr(GPtrArray) words = imap_genurlauth_args_parse(lexer, NULL);

    for (guint i = 0; words != NULL && i < words->len; i += 2)
        check_url(words->pdata[i]);
}

static void run_resetkey(ImapLexer *lexer)
{
    g_autofree char *mailbox = NULL;

    if (imap_resetkey_args_parse(lexer, &mailbox, NULL) && mailbox != NULL)
        check_name(mailbox);
}

static void run_urlfetch(ImapLexer *lexer)
{
    g_autoptr(GArray) fetches = imap_urlfetch_args_parse(lexer, NULL);

    for (guint i = 0; fetches != NULL && i < fetches->len; i++)
        check_url(g_array_index(fetches, ImapUrlfetch, i).url);
}

static void run_getmetadata(ImapLexer *lexer)
{
    g_autoptr(ImapGetMetadataArgs) args = imap_getmetadata_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    check_name(args->mailbox);
    for (guint i = 0; i < args->entries->len; i++)
        g_assert_true(imap_metadata_entry_check(args->entries->pdata[i], NULL));
}

static void run_setmetadata(ImapLexer *lexer)
{
    g_autoptr(ImapSetMetadataArgs) args = imap_setmetadata_args_parse(lexer, NULL);

    if (args != NULL)
        g_assert_cmpuint(args->entries->len, ==, args->values->len);
}

static void run_acl(ImapLexer *lexer, ImapAclShape shape)
{
    g_autofree char *mailbox = imap_acl_args_parse(lexer, shape, NULL);

    if (mailbox != NULL)
        check_name(mailbox);
}

static void run_myrights(ImapLexer *lexer)
{
    run_acl(lexer, IMAP_ACL_NOTHING);
}

static void run_listrights(ImapLexer *lexer)
{
    run_acl(lexer, IMAP_ACL_IDENTIFIER);
}

static void run_setacl(ImapLexer *lexer)
{
    run_acl(lexer, IMAP_ACL_IDENTIFIER_AND_RIGHTS);
}

static void run_notify(ImapLexer *lexer)
{
    g_autoptr(ImapNotifyArgs) args = imap_notify_args_parse(lexer, NULL);

    if (args == NULL)
        return;
    g_assert_true(args->none == (args->groups->len == 0));
    imap_notify_args_selected(args);
}

static const struct {
    const char *name;
    void (*run)(ImapLexer *lexer);
} commands[] = {
    {"FETCH", run_fetch},
    {"STORE", run_store},
    {"SEARCH", run_search},
    {"ESEARCH", run_search},
    {"SORT", run_sort},
    {"THREAD", run_thread},
    {"LIST", run_list},
    {"LSUB", run_lsub},
    {"SELECT", run_select},
    {"EXAMINE", run_select},
    {"STATUS", run_status},
    {"GENURLAUTH", run_genurlauth},
    {"RESETKEY", run_resetkey},
    {"URLFETCH", run_urlfetch},
    {"GETMETADATA", run_getmetadata},
    {"SETMETADATA", run_setmetadata},
    {"NOTIFY", run_notify},
    {"MYRIGHTS", run_myrights},
    {"LISTRIGHTS", run_listrights},
    {"SETACL", run_setacl},
};

/* NULL: the part is octets. */

static void run_append(const ImapAppendArgs *args)
{
    check_name(args->mailbox);
    g_assert_cmpuint(args->messages->len, >, 0);
    for (guint i = 0; i < args->messages->len; i++) {
        const ImapAppendMessage *message = args->messages->pdata[i];

        g_assert_cmpuint(message->parts->len, >, 0);
        g_assert_true(message->catenate || message->parts->len == 1);
        for (guint k = 0; k < message->parts->len; k++)
            check_url(g_array_index(message->parts, ImapAppendPart, k).url);
    }
}

/* Sets, numbers and the like, read one after the other without a command's grammar. */
static void run_words(ImapLexer *lexer)
{
    while (imap_lexer_more(lexer)) {
        ImapLexer before = *lexer;
        g_autoptr(ImapFlags) flags = imap_lexer_flags(&before, TRUE, NULL);
        g_autofree char *text = imap_lexer_astring(lexer, "a string", NULL);

        g_assert_true(flags == NULL || !flags->recent);
        if (text == NULL)
            return;
    }
}

static void run_command(ImapAssembler *as, guint mode)
{
    const ImapCommand *command = imap_assembler_command(as);
    ImapLexer lexer;

    imap_lexer_init(&lexer, command, &limits, mode);
    if (imap_assembler_append(as) != NULL) {
        run_append(imap_assembler_append(as));
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!g_str_equal(command->name, commands[i].name))
            continue;
        commands[i].run(&lexer);
        return;
    }
    run_words(&lexer);
}

/* The next n octets, or what is left. */
static GBytes *read_octets(const uint8_t **data, const uint8_t *end, guint64 n)
{
    gsize size = MIN(n, (guint64)(end - *data));
    GBytes *octets = g_bytes_new(*data, size);

    *data += size;
    return octets;
}

static ImapFeed read_line(ImapAssembler *as, const uint8_t **data, const uint8_t *end)
{
    const uint8_t *line = *data;
    const uint8_t *eol = memchr(line, '\n', end - line);
    gsize length = (eol != NULL ? eol : end) - line;

    *data = eol != NULL ? eol + 1 : end;
    if (length > 0 && line[length - 1] == '\r')
        length--;
    return imap_assembler_line(as, (const char *)line, length);
}

static void end_command(ImapAssembler *as, ImapFeed feed, guint mode)
{
    if (feed == IMAP_FEED_COMPLETE)
        run_command(as, mode);
    else if (feed == IMAP_FEED_BAD)
        g_assert_nonnull(imap_assembler_error(as)->reason);
    imap_assembler_reset(as);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    guint mode = size > 0 ? *data & 3 : 0;
    gboolean refuse = size > 0 && (*data++ & 4) != 0;
    g_autoptr(ImapAssembler) as = imap_assembler_new(&limits, refuse ? 100 : G_MAXUINT64);

    imap_assembler_set_mode(as, mode);
    while (data < end) {
        ImapFeed feed = read_line(as, &data, end);
        const ImapLiteral *literal = imap_assembler_literal(as);

        if (feed == IMAP_FEED_MESSAGE && refuse)
            feed = imap_assembler_refuse(as);
        if (feed == IMAP_FEED_LITERAL || feed == IMAP_FEED_MESSAGE || feed == IMAP_FEED_DISCARD) {
            g_autoptr(GBytes) octets = read_octets(&data, end, literal->size);

            if (feed == IMAP_FEED_LITERAL)
                imap_assembler_literal_data(as, octets);
            else if (feed == IMAP_FEED_MESSAGE)
                imap_assembler_literal_streamed(as);
        } else {
            end_command(as, feed, mode);
        }
    }
    return 0;
}
