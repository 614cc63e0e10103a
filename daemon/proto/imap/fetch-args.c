/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of FETCH. An item is a row of the table below.
 */
#include "daemon/proto/imap/fetch-args.h"

#include <string.h>

typedef enum {
    SECTION = 1, /* "[" section "]" follows */
    MAYBE = 2,   /* with SECTION: but needn't (BODY) */
    PARTIAL = 4, /* <0.100> may follow the section */
    BINARY = 8,  /* the section is only part numbers */
    SEEN = 16,   /* sets \Seen */
    LAZY = 32,   /* (LAZY) may follow */
    GMAIL = 64,  /* only in that mode */
} ItemTraits;

static const struct {
    const char *name;
    ImapFetchKind kind;
    guint traits;
} item_names[] = {
    {"UID", IMAP_FETCH_UID},
    {"FLAGS", IMAP_FETCH_FLAGS},
    {"INTERNALDATE", IMAP_FETCH_INTERNALDATE},
    {"RFC822.SIZE", IMAP_FETCH_RFC822_SIZE},
    {"ENVELOPE", IMAP_FETCH_ENVELOPE},
    {"BODY", IMAP_FETCH_BODY_SECTION, SECTION | MAYBE | PARTIAL | SEEN},
    {"BODY.PEEK", IMAP_FETCH_BODY_SECTION, SECTION | PARTIAL},
    {"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE},
    {"RFC822", IMAP_FETCH_RFC822, SEEN},
    {"RFC822.HEADER", IMAP_FETCH_RFC822_HEADER},
    {"RFC822.TEXT", IMAP_FETCH_RFC822_TEXT, SEEN},
    {"BINARY", IMAP_FETCH_BINARY, SECTION | PARTIAL | BINARY | SEEN},
    {"BINARY.PEEK", IMAP_FETCH_BINARY, SECTION | PARTIAL | BINARY},
    {"BINARY.SIZE", IMAP_FETCH_BINARY_SIZE, SECTION | BINARY},
    {"MODSEQ", IMAP_FETCH_MODSEQ},
    {"EMAILID", IMAP_FETCH_EMAILID},
    {"THREADID", IMAP_FETCH_THREADID},
    {"SAVEDATE", IMAP_FETCH_SAVEDATE},
    {"PREVIEW", IMAP_FETCH_PREVIEW, LAZY},
    {"X-GM-MSGID", IMAP_FETCH_X_GM_MSGID, GMAIL},
    {"X-GM-THRID", IMAP_FETCH_X_GM_THRID, GMAIL},
    {"X-GM-LABELS", IMAP_FETCH_X_GM_LABELS, GMAIL},
};

/* RFC 3501, 6.4.5: they stand alone, without parentheses. */
static const struct {
    const char *name;
    ImapFetchKind kinds[5];
    guint n_kinds;
} macros[] = {
    {"ALL",
     {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE},
     4},
    {"FAST", {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE}, 3},
    {"FULL",
     {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE,
      IMAP_FETCH_BODY},
     5},
};

static void clear_item(gpointer data)
{
    ImapFetchItem *item = data;

    imap_section_clear(&item->section);
}

void imap_fetch_args_free(ImapFetchArgs *args)
{
    if (args == NULL)
        return;
    imap_sequence_set_free(args->set);
    g_array_unref(args->items);
    g_free(args);
}

/* Whether an item is there already that this one would only repeat. Sections may be repeated. */
static gboolean is_repeated(const ImapFetchArgs *args, const ImapFetchItem *item)
{
    gboolean section = item->kind == IMAP_FETCH_BODY_SECTION || item->kind == IMAP_FETCH_BINARY ||
                       item->kind == IMAP_FETCH_BINARY_SIZE;

    return !section && (args->kinds & 1u << item->kind) != 0;
}

/* Takes over what the item holds. */
static void add_item(ImapFetchArgs *args, const ImapFetchItem *item)
{
    if (!is_repeated(args, item))
        g_array_append_vals(args->items, item, 1);
    args->kinds |= 1u << item->kind;
}

/* "<0.100>" */
static gboolean read_fetch_partial(ImapLexer *lexer, ImapFetchItem *item, GError **error)
{
    if (!imap_lexer_take(lexer, '<'))
        return TRUE;
    item->partial = TRUE;
    if (!imap_lexer_number64(lexer, &item->offset, error) ||
        !imap_lexer_expect(lexer, '.', error) ||
        !imap_lexer_number64(lexer, &item->length, error) || !imap_lexer_expect(lexer, '>', error))
        return FALSE;
    if (item->length > 0)
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "the length of a partial fetch must not be 0");
    return FALSE;
}

/* " (LAZY)" (RFC 8970). Whatever else follows PREVIEW isn't its own. */
static gboolean read_lazy(ImapLexer *lexer, ImapFetchItem *item, GError **error)
{
    ImapLexer ahead = *lexer;

    if (!imap_lexer_take(&ahead, ' ') || !imap_lexer_take(&ahead, '('))
        return TRUE;
    if (!imap_lexer_take_word(&ahead, "LAZY"))
        return TRUE;
    if (!imap_lexer_expect(&ahead, ')', error))
        return FALSE;
    item->lazy = TRUE;
    *lexer = ahead;
    return TRUE;
}

static gboolean read_fetch_section(ImapLexer *lexer, guint traits, ImapFetchItem *item,
                                   GError **error)
{
    if ((traits & MAYBE) != 0 && imap_lexer_peek(lexer) != '[') {
        item->kind = IMAP_FETCH_BODY;
        item->sets_seen = FALSE;
        return TRUE;
    }
    return imap_section_read(lexer, (traits & BINARY) != 0, &item->section, error) &&
           ((traits & PARTIAL) == 0 || read_fetch_partial(lexer, item, error));
}

/* What follows an item's name. */
static gboolean read_rest(ImapLexer *lexer, guint traits, ImapFetchItem *item, GError **error)
{
    if ((traits & SECTION) != 0)
        return read_fetch_section(lexer, traits, item, error);
    return (traits & LAZY) == 0 || read_lazy(lexer, item, error);
}

static gboolean read_fetch_item(ImapLexer *lexer, gpointer data, GError **error)
{
    g_autofree char *name = imap_lexer_word(lexer, "a FETCH item", error);

    if (name == NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(item_names); i++) {
        guint traits = item_names[i].traits;
        ImapFetchItem item = {item_names[i].kind, .sets_seen = (traits & SEEN) != 0};

        if (!g_str_equal(name, item_names[i].name))
            continue;
        if ((traits & GMAIL) != 0 && (lexer->mode & IMAP_MODE_GMAIL) == 0)
            break;
        if (!read_rest(lexer, traits, &item, error)) {
            clear_item(&item);
            return FALSE;
        }
        add_item(data, &item);
        return TRUE;
    }
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "FETCH has no item %.40s", name);
    return FALSE;
}

/* A macro, if one is next. */
static gboolean read_macro(ImapLexer *lexer, ImapFetchArgs *args)
{
    for (gsize i = 0; i < G_N_ELEMENTS(macros); i++) {
        if (!imap_lexer_take_word(lexer, macros[i].name))
            continue;
        for (guint k = 0; k < macros[i].n_kinds; k++)
            add_item(args, &(ImapFetchItem){macros[i].kinds[k]});
        return TRUE;
    }
    return FALSE;
}

static gboolean read_fetch_items(ImapLexer *lexer, ImapFetchArgs *args, GError **error)
{
    if (imap_lexer_peek(lexer) == '(')
        return imap_lexer_list(lexer, "FETCH items", FALSE, read_fetch_item, args, error);
    return read_macro(lexer, args) || read_fetch_item(lexer, args, error);
}

static gboolean read_modifier(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapFetchArgs *args = data;

    if (imap_lexer_take_word(lexer, "CHANGEDSINCE")) {
        args->changed_since = TRUE;
        return imap_lexer_space(lexer, error) && imap_lexer_number64(lexer, &args->modseq, error);
    }
    if (imap_lexer_take_word(lexer, "VANISHED"))
        return args->vanished = TRUE;
    if (imap_lexer_take_word(lexer, "PARTIAL"))
        return imap_lexer_space(lexer, error) && imap_lexer_partial(lexer, &args->partial, error);
    return imap_lexer_fail(lexer, "CHANGEDSINCE, VANISHED or PARTIAL", error);
}

/* " (CHANGEDSINCE 12345 VANISHED)", if it is there (RFC 4466, 2.1). */
static gboolean read_fetch_modifiers(ImapLexer *lexer, ImapFetchArgs *args, GError **error)
{
    if (imap_lexer_more(lexer) &&
        !imap_lexer_list(lexer, "FETCH modifiers", FALSE, read_modifier, args, error))
        return FALSE;
    if (args->vanished && (!lexer->command->uid || !args->changed_since)) {
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                            "VANISHED goes only with UID FETCH and CHANGEDSINCE (RFC 7162)");
        return FALSE;
    }
    /* RFC 7162, 3.1.4.1: CHANGEDSINCE asks for MODSEQ as well. */
    if (args->changed_since)
        add_item(args, &(ImapFetchItem){IMAP_FETCH_MODSEQ});
    return imap_lexer_end(lexer, error);
}

ImapFetchArgs *imap_fetch_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapFetchArgs) args = g_new0(ImapFetchArgs, 1);

    args->items = g_array_new(FALSE, FALSE, sizeof(ImapFetchItem));
    g_array_set_clear_func(args->items, clear_item);
    if (lexer->command->uid)
        add_item(args, &(ImapFetchItem){IMAP_FETCH_UID});
    if (!imap_lexer_space(lexer, error) ||
        (args->set = imap_lexer_sequence_set(lexer, TRUE, error)) == NULL ||
        !imap_lexer_space(lexer, error) || !read_fetch_items(lexer, args, error) ||
        !read_fetch_modifiers(lexer, args, error))
        return NULL;
    return g_steal_pointer(&args);
}

ImapFetchArgs *imap_fetch_items_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapFetchArgs) args = g_new0(ImapFetchArgs, 1);

    args->items = g_array_new(FALSE, FALSE, sizeof(ImapFetchItem));
    g_array_set_clear_func(args->items, clear_item);
    if (!imap_lexer_list(lexer, "FETCH items", FALSE, read_fetch_item, args, error))
        return NULL;
    return g_steal_pointer(&args);
}

/* The name without .PEEK. */
static const char *plain_name(ImapFetchKind kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(item_names); i++)
        if (item_names[i].kind == kind)
            return item_names[i].name;
    return "BODY";
}

void imap_fetch_item_format(const ImapFetchItem *item, GString *out)
{
    g_string_append(out, plain_name(item->kind));
    if (item->kind != IMAP_FETCH_BODY_SECTION && item->kind != IMAP_FETCH_BINARY &&
        item->kind != IMAP_FETCH_BINARY_SIZE)
        return;
    imap_section_format(&item->section, out);
    if (item->partial)
        g_string_append_printf(out, "<%" G_GUINT64_FORMAT ">", item->offset);
}
