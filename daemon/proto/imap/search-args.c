/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of SEARCH as a tree. A key is a row of the table below.
 */
#include "daemon/proto/imap/search-args.h"

#include <string.h>

/* What follows a key's name. */
typedef enum {
    NOTHING,
    TEXT,   /* astring in the program's charset */
    WORD,   /* atom */
    HEADER, /* field name and text */
    DATE,
    SET,
    NUMBER,  /* number64 */
    SECONDS, /* nz-number */
    MODSEQ,  /* [entry type] number64 */
    LABEL,
    ONE_KEY,
    TWO_KEYS,
} Argument;

typedef enum {
    NEGATED = 1, /* the key is NOT of its kind */
    GMAIL = 2,   /* only in that mode */
} Traits;

static const struct {
    const char *name;
    ImapSearchKind kind;
    Argument argument;
    guint traits;
    guint32 flag;
} key_names[] = {
    {"ALL", IMAP_SEARCH_ALL, NOTHING},
    {"ANSWERED", IMAP_SEARCH_FLAG, NOTHING, 0, IMAP_FLAG_ANSWERED},
    {"DELETED", IMAP_SEARCH_FLAG, NOTHING, 0, IMAP_FLAG_DELETED},
    {"DRAFT", IMAP_SEARCH_FLAG, NOTHING, 0, IMAP_FLAG_DRAFT},
    {"FLAGGED", IMAP_SEARCH_FLAG, NOTHING, 0, IMAP_FLAG_FLAGGED},
    {"SEEN", IMAP_SEARCH_FLAG, NOTHING, 0, IMAP_FLAG_SEEN},
    {"UNANSWERED", IMAP_SEARCH_FLAG, NOTHING, NEGATED, IMAP_FLAG_ANSWERED},
    {"UNDELETED", IMAP_SEARCH_FLAG, NOTHING, NEGATED, IMAP_FLAG_DELETED},
    {"UNDRAFT", IMAP_SEARCH_FLAG, NOTHING, NEGATED, IMAP_FLAG_DRAFT},
    {"UNFLAGGED", IMAP_SEARCH_FLAG, NOTHING, NEGATED, IMAP_FLAG_FLAGGED},
    {"UNSEEN", IMAP_SEARCH_FLAG, NOTHING, NEGATED, IMAP_FLAG_SEEN},
    {"RECENT", IMAP_SEARCH_RECENT, NOTHING},
    {"OLD", IMAP_SEARCH_RECENT, NOTHING, NEGATED},
    {"NEW", IMAP_SEARCH_AND, NOTHING},
    {"KEYWORD", IMAP_SEARCH_KEYWORD, WORD},
    {"UNKEYWORD", IMAP_SEARCH_KEYWORD, WORD, NEGATED},
    {"BCC", IMAP_SEARCH_BCC, TEXT},
    {"BODY", IMAP_SEARCH_BODY, TEXT},
    {"CC", IMAP_SEARCH_CC, TEXT},
    {"FROM", IMAP_SEARCH_FROM, TEXT},
    {"SUBJECT", IMAP_SEARCH_SUBJECT, TEXT},
    {"TEXT", IMAP_SEARCH_TEXT, TEXT},
    {"TO", IMAP_SEARCH_TO, TEXT},
    {"HEADER", IMAP_SEARCH_HEADER, HEADER},
    {"BEFORE", IMAP_SEARCH_BEFORE, DATE},
    {"ON", IMAP_SEARCH_ON, DATE},
    {"SINCE", IMAP_SEARCH_SINCE, DATE},
    {"SENTBEFORE", IMAP_SEARCH_SENTBEFORE, DATE},
    {"SENTON", IMAP_SEARCH_SENTON, DATE},
    {"SENTSINCE", IMAP_SEARCH_SENTSINCE, DATE},
    {"SAVEDBEFORE", IMAP_SEARCH_SAVEDBEFORE, DATE},
    {"SAVEDON", IMAP_SEARCH_SAVEDON, DATE},
    {"SAVEDSINCE", IMAP_SEARCH_SAVEDSINCE, DATE},
    {"SAVEDATESUPPORTED", IMAP_SEARCH_SAVEDATESUPPORTED, NOTHING},
    {"LARGER", IMAP_SEARCH_LARGER, NUMBER},
    {"SMALLER", IMAP_SEARCH_SMALLER, NUMBER},
    {"OLDER", IMAP_SEARCH_OLDER, SECONDS},
    {"YOUNGER", IMAP_SEARCH_YOUNGER, SECONDS},
    {"MODSEQ", IMAP_SEARCH_MODSEQ, MODSEQ},
    {"UID", IMAP_SEARCH_UID, SET},
    {"EMAILID", IMAP_SEARCH_EMAILID, WORD},
    {"THREADID", IMAP_SEARCH_THREADID, WORD},
    {"FILTER", IMAP_SEARCH_FILTER, WORD},
    {"NOT", IMAP_SEARCH_NOT, ONE_KEY},
    {"FUZZY", IMAP_SEARCH_FUZZY, ONE_KEY},
    {"OR", IMAP_SEARCH_OR, TWO_KEYS},
    {"X-GM-RAW", IMAP_SEARCH_X_GM_RAW, TEXT, GMAIL},
    {"X-GM-LABELS", IMAP_SEARCH_X_GM_LABELS, LABEL, GMAIL},
    {"X-GM-MSGID", IMAP_SEARCH_X_GM_MSGID, NUMBER, GMAIL},
    {"X-GM-THRID", IMAP_SEARCH_X_GM_THRID, NUMBER, GMAIL},
};

static const struct {
    const char *name;
    guint bit;
} return_names[] = {
    {"MIN", IMAP_RETURN_MIN},         {"MAX", IMAP_RETURN_MAX},
    {"ALL", IMAP_RETURN_ALL},         {"COUNT", IMAP_RETURN_COUNT},
    {"SAVE", IMAP_RETURN_SAVE},       {"RELEVANCY", IMAP_RETURN_RELEVANCY},
    {"PARTIAL", IMAP_RETURN_PARTIAL}, {"CONTEXT", IMAP_RETURN_CONTEXT},
    {"UPDATE", IMAP_RETURN_UPDATE},
};

/* One program being read. */
typedef struct {
    ImapLexer *lexer;
    const char *charset; /* NULL: UTF-8 */
    guint depth;
    guint keys;
} Reader;

static ImapSearchKey *read_search_key(Reader *reader, GError **error);

/* ---- keys -------------------------------------------------------------------------------------*/

static ImapSearchKey *key_new(ImapSearchKind kind)
{
    ImapSearchKey *key = g_new0(ImapSearchKey, 1);

    key->kind = kind;
    return key;
}

void imap_search_key_free(ImapSearchKey *key)
{
    if (key == NULL)
        return;
    g_clear_pointer(&key->children, g_ptr_array_unref);
    imap_sequence_set_free(key->set);
    g_free(key->text);
    g_free(key->field);
    g_free(key);
}

/* Takes the child over. */
static void add_child(ImapSearchKey *key, ImapSearchKey *child)
{
    if (key->children == NULL)
        key->children =
            g_ptr_array_new_with_free_func((GDestroyNotify)(gpointer)imap_search_key_free);
    g_ptr_array_add(key->children, child);
}

static ImapSearchKey *negate(ImapSearchKey *key)
{
    ImapSearchKey *not = key_new(IMAP_SEARCH_NOT);

    add_child(not, key);
    return not ;
}

gboolean imap_search_key_walk(const ImapSearchKey *key,
                              gboolean (*visit)(const ImapSearchKey *key, gpointer data),
                              gpointer data)
{
    if (!visit(key, data))
        return FALSE;
    for (guint i = 0; key->children != NULL && i < key->children->len; i++)
        if (!imap_search_key_walk(key->children->pdata[i], visit, data))
            return FALSE;
    return TRUE;
}

/* ---- charsets ---------------------------------------------------------------------------------*/

static gboolean is_utf8(const char *charset)
{
    return charset == NULL || g_ascii_strcasecmp(charset, "UTF-8") == 0;
}

static gboolean fail_charset(const char *charset, const char *problem, GError **error)
{
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_CHARSET, "%s %.40s", problem, charset);
    return FALSE;
}

/* Whether we can read text in it. Names go to iconv, so nothing but names is let through. */
static gboolean check_charset(const ImapLexer *lexer, const char *charset, GError **error)
{
    GIConv converter;

    if (is_utf8(charset))
        return TRUE;
    if ((lexer->mode & IMAP_MODE_UTF8) != 0 && g_ascii_strcasecmp(charset, "US-ASCII") != 0)
        return fail_charset(charset, "text is UTF-8 in this session, not", error);
    if (strlen(charset) > 40 ||
        charset[strspn(charset, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_.:+()")] != '\0')
        return fail_charset(charset, "there is no charset", error);
    converter = g_iconv_open("UTF-8", charset);
    if (converter == (GIConv)-1)
        return fail_charset(charset, "there is no charset", error);
    g_iconv_close(converter);
    return TRUE;
}

/* The text in UTF-8; takes raw over. NULL for a raw NULL, too. */
static char *to_utf8(const Reader *reader, char *raw, GError **error)
{
    g_autofree char *text = raw;
    g_autofree char *converted = NULL;
    gsize written = 0;

    if (raw == NULL)
        return NULL;
    if (is_utf8(reader->charset)) {
        if (g_utf8_validate(text, -1, NULL))
            return g_steal_pointer(&text);
    } else {
        converted = g_convert(text, -1, "UTF-8", reader->charset, NULL, &written, NULL);
        if (converted != NULL && strlen(converted) == written)
            return g_steal_pointer(&converted);
    }
    fail_charset(reader->charset != NULL ? reader->charset : "UTF-8", "the text is not in", error);
    return NULL;
}

/* A client that said CHARSET UTF-8 may well quote it. */
static char *read_in_charset(Reader *reader, gboolean label, GError **error)
{
    ImapLexer *lexer = reader->lexer;
    guint mode = lexer->mode;
    char *raw;

    if (reader->charset != NULL && is_utf8(reader->charset))
        lexer->mode |= IMAP_MODE_UTF8;
    raw = label ? imap_lexer_label(lexer, error)
                : imap_lexer_astring(lexer, "the text to search for", error);
    lexer->mode = mode;
    return raw;
}

/* An astring in the program's charset. */
static char *read_search_text(Reader *reader, GError **error)
{
    return to_utf8(reader, read_in_charset(reader, FALSE, error), error);
}

/* ---- arguments --------------------------------------------------------------------------------*/

static gboolean read_header(Reader *reader, ImapSearchKey *key, GError **error)
{
    key->field = imap_lexer_astring(reader->lexer, "a header field name", error);
    if (key->field == NULL || !imap_lexer_space(reader->lexer, error))
        return FALSE;
    key->text = read_search_text(reader, error);
    return key->text != NULL;
}

/* "\"/flags/\\\\draft\" all " before the number (RFC 7162, 3.1.5). */
static gboolean skip_entry(ImapLexer *lexer, GError **error)
{
    g_autofree char *entry = NULL;

    if (g_ascii_isdigit(imap_lexer_peek(lexer)))
        return TRUE;
    entry = imap_lexer_string(lexer, "a mod-sequence or an entry name", error);
    if (entry == NULL || !imap_lexer_space(lexer, error))
        return FALSE;
    if (!imap_lexer_take_word(lexer, "priv") && !imap_lexer_take_word(lexer, "shared") &&
        !imap_lexer_take_word(lexer, "all"))
        return imap_lexer_fail(lexer, "priv, shared or all", error);
    return imap_lexer_space(lexer, error);
}

static gboolean read_seconds(ImapLexer *lexer, ImapSearchKey *key, GError **error)
{
    guint32 seconds;

    if (!imap_lexer_nz_number(lexer, &seconds, error))
        return FALSE;
    key->number = seconds;
    return TRUE;
}

static gboolean read_children(Reader *reader, ImapSearchKey *key, guint n, GError **error)
{
    for (guint i = 0; i < n; i++) {
        ImapSearchKey *child;

        if (i > 0 && !imap_lexer_space(reader->lexer, error))
            return FALSE;
        child = read_search_key(reader, error);
        if (child == NULL)
            return FALSE;
        add_child(key, child);
    }
    return TRUE;
}

/* What follows the name and its space. */
static gboolean read_argument(Reader *reader, ImapSearchKey *key, Argument argument, GError **error)
{
    ImapLexer *lexer = reader->lexer;

    switch (argument) {
    case TEXT:
        return (key->text = read_search_text(reader, error)) != NULL;
    case LABEL:
        return (key->text = read_in_charset(reader, TRUE, error)) != NULL;
    case WORD:
        return (key->text = imap_lexer_atom(lexer, "a name", error)) != NULL;
    case HEADER:
        return read_header(reader, key, error);
    case DATE:
        return imap_lexer_date(lexer, &key->day, error);
    case SET:
        return (key->set = imap_lexer_sequence_set(lexer, TRUE, error)) != NULL;
    case NUMBER:
        return imap_lexer_number64(lexer, &key->number, error);
    case SECONDS:
        return read_seconds(lexer, key, error);
    case MODSEQ:
        return skip_entry(lexer, error) && imap_lexer_number64(lexer, &key->number, error);
    case ONE_KEY:
        return read_children(reader, key, 1, error);
    case TWO_KEYS:
        return read_children(reader, key, 2, error);
    default:
        return TRUE;
    }
}

/* ---- the program ------------------------------------------------------------------------------*/

/* "NEW": recent and not seen. */
static void fill_new(ImapSearchKey *key)
{
    ImapSearchKey *seen = key_new(IMAP_SEARCH_FLAG);

    seen->number = IMAP_FLAG_SEEN;
    add_child(key, key_new(IMAP_SEARCH_RECENT));
    add_child(key, negate(seen));
}

/* The row of a key's name; -1 if there is none. */
static int find_key(const ImapLexer *lexer, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(key_names); i++)
        if (g_str_equal(name, key_names[i].name))
            return (key_names[i].traits & GMAIL) == 0 || (lexer->mode & IMAP_MODE_GMAIL) != 0
                       ? (int)i
                       : -1;
    return -1;
}

static ImapSearchKey *read_named_key(Reader *reader, GError **error)
{
    g_autofree char *name = imap_lexer_word(reader->lexer, "a search key", error);
    g_autoptr(ImapSearchKey) key = NULL;
    int row;

    if (name == NULL)
        return NULL;
    row = find_key(reader->lexer, name);
    if (row < 0) {
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "SEARCH has no key %.40s", name);
        return NULL;
    }
    key = key_new(key_names[row].kind);
    key->number = key_names[row].flag;
    if (key->kind == IMAP_SEARCH_AND)
        fill_new(key);
    if (key_names[row].argument != NOTHING && !imap_lexer_space(reader->lexer, error))
        return NULL;
    if (!read_argument(reader, key, key_names[row].argument, error))
        return NULL;
    return (key_names[row].traits & NEGATED) != 0 ? negate(g_steal_pointer(&key))
                                                  : g_steal_pointer(&key);
}

static ImapSearchKey *read_sequence_key(Reader *reader, GError **error)
{
    ImapSearchKey *key;
    ImapSequenceSet *set = imap_lexer_sequence_set(reader->lexer, TRUE, error);

    if (set == NULL)
        return NULL;
    key = key_new(IMAP_SEARCH_SEQUENCE);
    key->set = set;
    return key;
}

/* Keys up to the end or to ")". One alone is itself, several are AND. */
static ImapSearchKey *read_keys(Reader *reader, GError **error)
{
    g_autoptr(ImapSearchKey) all = key_new(IMAP_SEARCH_AND);

    do {
        ImapSearchKey *key = read_search_key(reader, error);

        if (key == NULL)
            return NULL;
        add_child(all, key);
    } while (imap_lexer_more(reader->lexer) && imap_lexer_peek(reader->lexer) != ')');
    if (all->children->len == 1)
        return g_ptr_array_steal_index(all->children, 0);
    return g_steal_pointer(&all);
}

static ImapSearchKey *read_search_group(Reader *reader, GError **error)
{
    g_autoptr(ImapSearchKey) key = read_keys(reader, error);

    if (key == NULL || !imap_lexer_expect(reader->lexer, ')', error))
        return NULL;
    return g_steal_pointer(&key);
}

static gboolean check_limits(const Reader *reader, GError **error)
{
    const ImapLimits *limits = reader->lexer->limits;

    if (reader->depth <= limits->depth && reader->keys <= limits->search_keys)
        return TRUE;
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT,
                "the search is too complex; %u keys and %u levels are allowed", limits->search_keys,
                limits->depth);
    return FALSE;
}

static ImapSearchKey *read_search_key(Reader *reader, GError **error)
{
    char next = imap_lexer_peek(reader->lexer);
    ImapSearchKey *key;

    reader->depth++;
    reader->keys++;
    if (!check_limits(reader, error))
        return NULL;
    if (g_ascii_isdigit(next) || next == '*' || next == '$')
        key = read_sequence_key(reader, error);
    else if (imap_lexer_take(reader->lexer, '('))
        key = read_search_group(reader, error);
    else
        key = read_named_key(reader, error);
    reader->depth--;
    return key;
}

ImapSearchKey *imap_search_program_read(ImapLexer *lexer, const char *charset, GError **error)
{
    Reader reader = {.lexer = lexer, .charset = charset};
    g_autoptr(ImapSearchKey) key = NULL;

    if (!check_charset(lexer, charset, error))
        return NULL;
    key = read_keys(&reader, error);
    if (key == NULL || !imap_lexer_end(lexer, error))
        return NULL;
    return g_steal_pointer(&key);
}

ImapSearchKey *imap_search_program_parse(const char *text, const ImapLimits *limits, guint mode,
                                         GError **error)
{
    g_autoptr(ImapCommand) command = imap_command_new();
    ImapLexer lexer;

    imap_command_add_text(command, text, strlen(text));
    imap_lexer_init(&lexer, command, limits, mode | IMAP_MODE_UTF8);
    return imap_search_program_read(&lexer, NULL, error);
}

/* ---- the command ------------------------------------------------------------------------------*/

/* " (UID FLAGS)" behind UPDATE, if it is there (RFC 5465, 7). */
static gboolean read_search_items(ImapLexer *lexer, ImapSearchReturn *ret, GError **error)
{
    ImapLexer ahead = *lexer;

    if (!imap_lexer_more(&ahead) || imap_lexer_peek(&ahead) != '(')
        return TRUE;
    *lexer = ahead;
    imap_fetch_args_free(ret->items);
    ret->items = imap_fetch_items_parse(lexer, error);
    return ret->items != NULL;
}

/* RFC 9394, 3.1: "either one PARTIAL, one ALL, or neither". */
static gboolean may_return(const ImapSearchReturn *ret, guint option, GError **error)
{
    const guint either = IMAP_RETURN_ALL | IMAP_RETURN_PARTIAL;

    if (!(option & either) || !(ret->options & either))
        return TRUE;
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                        "ALL and PARTIAL exclude each other, and go once (RFC 9394)");
    return FALSE;
}

static gboolean read_search_return(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapSearchReturn *ret = data;

    for (gsize i = 0; i < G_N_ELEMENTS(return_names); i++) {
        if (!imap_lexer_take_word(lexer, return_names[i].name))
            continue;
        if (!may_return(ret, return_names[i].bit, error))
            return FALSE;
        ret->options |= return_names[i].bit;
        if (return_names[i].bit == IMAP_RETURN_UPDATE)
            return read_search_items(lexer, ret, error);
        if (return_names[i].bit != IMAP_RETURN_PARTIAL)
            return TRUE;
        return imap_lexer_space(lexer, error) && imap_lexer_partial(lexer, &ret->partial, error);
    }
    return imap_lexer_fail(
        lexer, "MIN, MAX, ALL, COUNT, SAVE, PARTIAL, RELEVANCY, CONTEXT or UPDATE", error);
}

gboolean imap_search_return_read(ImapLexer *lexer, ImapSearchReturn *out, GError **error)
{
    ImapLexer ahead = *lexer;

    *out = (ImapSearchReturn){FALSE};
    if (!imap_lexer_more(&ahead) || !imap_lexer_take_word(&ahead, "RETURN"))
        return TRUE;
    *lexer = ahead;
    out->given = TRUE;
    if (!imap_lexer_space(lexer, error) ||
        !imap_lexer_list(lexer, "search return options", TRUE, read_search_return, out, error))
        return FALSE;
    if (out->options == 0)
        out->options = IMAP_RETURN_ALL;
    return TRUE;
}

/* " IN (subtree INBOX mailboxes (A B))", if it is there (RFC 7377). */
static gboolean read_scope(ImapLexer *lexer, gpointer data, GError **error)
{
    ImapScope *scope = imap_scope_read(lexer, error);

    if (scope == NULL)
        return FALSE;
    g_ptr_array_add(data, scope);
    return TRUE;
}

static gboolean read_scopes(ImapLexer *lexer, ImapSearchArgs *args, GError **error)
{
    ImapLexer ahead = *lexer;

    if (!imap_lexer_more(&ahead) || !imap_lexer_take_word(&ahead, "IN"))
        return TRUE;
    *lexer = ahead;
    args->scopes = g_ptr_array_new_with_free_func((GDestroyNotify)(gpointer)imap_scope_free);
    return imap_lexer_space(lexer, error) &&
           imap_lexer_list(lexer, "mailboxes to search", FALSE, read_scope, args->scopes, error);
}

/* "CHARSET UTF-8 ", if it is there. */
static gboolean read_charset(ImapLexer *lexer, ImapSearchArgs *args, GError **error)
{
    if (!imap_lexer_take_word(lexer, "CHARSET"))
        return TRUE;
    if (!imap_lexer_space(lexer, error))
        return FALSE;
    args->charset = imap_lexer_astring(lexer, "a charset", error);
    return args->charset != NULL && imap_lexer_space(lexer, error);
}

void imap_search_args_free(ImapSearchArgs *args)
{
    if (args == NULL)
        return;
    g_clear_pointer(&args->scopes, g_ptr_array_unref);
    imap_fetch_args_free(args->ret.items);
    g_free(args->charset);
    imap_search_key_free(args->key);
    g_free(args);
}

/* " IN (...)" and " RETURN (...)" */
static gboolean read_search_options(ImapLexer *lexer, ImapSearchArgs *args, GError **error)
{
    if (g_str_equal(lexer->command->name, "ESEARCH") && !read_scopes(lexer, args, error))
        return FALSE;
    return imap_search_return_read(lexer, &args->ret, error);
}

gboolean imap_search_saves(ImapLexer *lexer)
{
    g_autoptr(ImapSearchArgs) args = g_new0(ImapSearchArgs, 1);

    return read_search_options(lexer, args, NULL) && (args->ret.options & IMAP_RETURN_SAVE) != 0;
}

ImapSearchArgs *imap_search_args_parse(ImapLexer *lexer, GError **error)
{
    g_autoptr(ImapSearchArgs) args = g_new0(ImapSearchArgs, 1);

    if (!read_search_options(lexer, args, error) || !imap_lexer_space(lexer, error) ||
        !read_charset(lexer, args, error))
        return NULL;
    args->key = imap_search_program_read(lexer, args->charset, error);
    return args->key != NULL ? g_steal_pointer(&args) : NULL;
}
