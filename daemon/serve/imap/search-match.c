/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a message meets a SEARCH program (RFC 3501, 6.4.4). */
#include "daemon/serve/imap/search-match.h"

#include "cache/annotation.h"
#include "cache/message.h"
#include "cache/set-like.h"
#include "daemon/index/text.h"
#include "daemon/proto/imap/response-fetch.h"
#include "daemon/proto/mime/text.h"
#include "daemon/serve/imap/labels.h"
#include "daemon/serve/imap/metadata.h"
#include "daemon/serve/imap/objectid.h"
#include "daemon/serve/imap/reply.h"
#include "daemon/serve/imap/view.h"

/* Filters of a program, each as often as it is named: ten levels could name millions. */
#define FILTERS_MAX 200

/* So many words of a fuzzy text are looked for one by one; what is behind them, as it stands. */
#define FUZZY_WORDS_MAX 16

typedef struct Node Node;
typedef struct Kind Kind;

struct Node {
    const Kind *kind;
    const ImapSearchKey *key;
    guint bit;           /* in ImapMatchMessage.words; of a node without children */
    GPtrArray *children; /* Node, or NULL */
    ImapSet *uids;       /* of a set */
    char *needle;        /* folded */
    gsize needle_length;
    guint score;          /* in FUZZY: what meeting it says of the message, 1 to 100 */
    gint64 message;       /* EMAILID */
    GHashTable *messages; /* numbers of those that meet it, or NULL */
    guint32 last_set;     /* KEYWORD: the last keyword set looked at, */
    gboolean last_result; /* and whether the keyword is in it */
};

struct ImapMatch {
    ImapSession *session;
    gint64 now;
    guint needs;
    guint bits;
    guint fuzzy; /* while compiling: how many FUZZY it is in */
    Node *root;
    GArray *terms[CACHE_TEXT_KINDS]; /* ImapMatchTerm */
    GPtrArray *filters;              /* ImapSearchKey: programs of filters */
    guint filter_depth;
    GPtrArray *names; /* folded names of fields, for the terms */
    GString *scratch;
};

struct Kind {
    ImapMatchResult (*match)(ImapMatch *match, Node *node, const ImapMatchMessage *message);
    guint needs;
    const char *field; /* of a key that searches one header field */
};

#define RESULT(condition) ((condition) ? IMAP_MATCH_YES : IMAP_MATCH_NO)

static ImapMatchResult match_node(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    if (node->children)
        return node->kind->match(match, node, message);
    const ImapMatchWord *word = &message->words[node->bit / 64];
    guint64 bit = G_GUINT64_CONSTANT(1) << node->bit % 64;
    if (word->known & bit)
        return RESULT(word->met & bit);
    ImapMatchResult result = node->kind->match(match, node, message);
    if (result != IMAP_MATCH_UNKNOWN)
        imap_match_note(message->words, node->bit, result == IMAP_MATCH_YES);
    return result;
}

/* ---- logic ----------------------------------------------------------------------------------- */

static ImapMatchResult match_all(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return IMAP_MATCH_YES;
}

static ImapMatchResult match_none(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return IMAP_MATCH_NO;
}

/* The first child with `decisive` decides; one that is unknown leaves it open. */
static ImapMatchResult combine(ImapMatch *match, Node *node, const ImapMatchMessage *message,
                               ImapMatchResult decisive, ImapMatchResult otherwise)
{
    ImapMatchResult result = otherwise;
    for (guint i = 0; i < node->children->len; i++) {
        ImapMatchResult child = match_node(match, node->children->pdata[i], message);
        if (child == decisive)
            return decisive;
        if (child == IMAP_MATCH_UNKNOWN)
            result = IMAP_MATCH_UNKNOWN;
    }
    return result;
}

static ImapMatchResult match_and(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return combine(match, node, message, IMAP_MATCH_NO, IMAP_MATCH_YES);
}

static ImapMatchResult match_or(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return combine(match, node, message, IMAP_MATCH_YES, IMAP_MATCH_NO);
}

static ImapMatchResult match_not(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    ImapMatchResult child = match_node(match, node->children->pdata[0], message);
    return child == IMAP_MATCH_UNKNOWN ? child : RESULT(child == IMAP_MATCH_NO);
}

/* ---- the placement --------------------------------------------------------------------------- */

static ImapMatchResult match_set(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(imap_set_contains(node->uids, message->placement->uid));
}

static ImapMatchResult match_flag(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(message->placement->flags.system & node->key->number);
}

static ImapMatchResult match_recent(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(imap_set_contains(match->session->view->recent, message->placement->uid));
}

static ImapMatchResult match_keyword(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    guint32 set = message->placement->flags.keywords;
    if (set != node->last_set) {
        node->last_set = set;
        node->last_result =
            cache_keywords_contains(match->session->account->cache, set, node->key->text);
    }
    return RESULT(set && node->last_result);
}

static ImapMatchResult match_larger(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(message->placement->size > node->key->number);
}

static ImapMatchResult match_smaller(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(message->placement->size < node->key->number);
}

static ImapMatchResult match_modseq(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(message->placement->modseq >= node->key->number);
}

static ImapMatchResult match_emailid(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(message->placement->message == node->message);
}

/* X-GM-MSGID, X-GM-THRID, X-GM-LABELS */
static ImapMatchResult match_member(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(g_hash_table_contains(node->messages, &message->placement->message));
}

/* ---- dates ----------------------------------------------------------------------------------- */

static gint32 day_of(gint64 time, gint32 zone)
{
    ImapDateTime date = {time, zone};
    return imap_date_time_day(&date);
}

static gint32 day_arrived(const ImapMatchMessage *message)
{
    return day_of(message->placement->date, message->placement->zone);
}

static ImapMatchResult match_before(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(day_arrived(message) < node->key->day);
}

static ImapMatchResult match_on(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(day_arrived(message) == node->key->day);
}

static ImapMatchResult match_since(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(day_arrived(message) >= node->key->day);
}

/* RFC 5032 */
static ImapMatchResult match_older(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(match->now - message->placement->date >= (gint64)node->key->number);
}

static ImapMatchResult match_younger(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    return RESULT(match->now - message->placement->date <= (gint64)node->key->number);
}

/* RFC 8514; a message without a save date was never saved on any day. */
static ImapMatchResult match_saved_before(ImapMatch *match, Node *node,
                                          const ImapMatchMessage *message)
{
    gint64 saved = message->placement->saved;
    return RESULT(saved && day_of(saved, 0) < node->key->day);
}

static ImapMatchResult match_saved_on(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    gint64 saved = message->placement->saved;
    return RESULT(saved && day_of(saved, 0) == node->key->day);
}

static ImapMatchResult match_saved_since(ImapMatch *match, Node *node,
                                         const ImapMatchMessage *message)
{
    gint64 saved = message->placement->saved;
    return RESULT(saved && day_of(saved, 0) >= node->key->day);
}

/* Compares the Date field's day: -1, 0, 1; FALSE: it can't be told now. */
static gboolean compare_sent(Node *node, const ImapMatchMessage *message, gboolean *dated,
                             int *order)
{
    if (!message->rendered)
        return FALSE;
    *dated = message->sent != G_MININT64;
    gint32 day = *dated ? day_of(message->sent, message->sent_zone) : 0;
    *order = (day > node->key->day) - (day < node->key->day);
    return TRUE;
}

#define MATCH_SENT(name, condition)                                                                \
    static ImapMatchResult name(ImapMatch *match, Node *node, const ImapMatchMessage *message)     \
    {                                                                                              \
        gboolean dated;                                                                            \
        int order;                                                                                 \
        if (!compare_sent(node, message, &dated, &order))                                          \
            return IMAP_MATCH_UNKNOWN;                                                             \
        return RESULT(dated && (condition));                                                       \
    }
MATCH_SENT(match_sent_before, order < 0)
MATCH_SENT(match_sent_on, order == 0)
MATCH_SENT(match_sent_since, order >= 0)

/* ---- text ------------------------------------------------------------------------------------ */

static gboolean contains(const Node *node, const GString *text)
{
    return memmem(text->str, text->len, node->needle, node->needle_length) != NULL;
}

/* The field that a key searches; NULL: the whole header, or the body. */
static const char *field_of(const Node *node)
{
    return node->kind->field ? node->kind->field : node->key->field;
}

static ImapMatchResult match_field(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    if (!message->header)
        return IMAP_MATCH_UNKNOWN;
    return RESULT(index_text_values(message->header, message->header_length, field_of(node), NULL,
                                    match->scratch) &&
                  contains(node, match->scratch));
}

static ImapMatchResult match_header(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    if (!message->header)
        return IMAP_MATCH_UNKNOWN;
    index_text_header(message->header, message->header_length, NULL, match->scratch);
    return RESULT(contains(node, match->scratch));
}

static ImapMatchResult match_body(ImapMatch *match, Node *node, const ImapMatchMessage *message)
{
    if (node->needle_length == 0)
        return IMAP_MATCH_YES;
    return message->body ? RESULT(contains(node, message->body)) : IMAP_MATCH_UNKNOWN;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define P IMAP_MATCH_PLACEMENT
#define F IMAP_MATCH_FLAGS

static const Kind kinds[IMAP_SEARCH_KINDS] = {
    [IMAP_SEARCH_ALL] = {match_all},
    [IMAP_SEARCH_AND] = {match_and},
    [IMAP_SEARCH_OR] = {match_or},
    [IMAP_SEARCH_NOT] = {match_not},
    [IMAP_SEARCH_SEQUENCE] = {match_set},
    [IMAP_SEARCH_UID] = {match_set},
    [IMAP_SEARCH_FLAG] = {match_flag, F},
    [IMAP_SEARCH_RECENT] = {match_recent},
    [IMAP_SEARCH_KEYWORD] = {match_keyword, F},
    [IMAP_SEARCH_BCC] = {match_field, IMAP_MATCH_HEADER, "Bcc"},
    [IMAP_SEARCH_CC] = {match_field, IMAP_MATCH_HEADER, "Cc"},
    [IMAP_SEARCH_FROM] = {match_field, IMAP_MATCH_HEADER, "From"},
    [IMAP_SEARCH_TO] = {match_field, IMAP_MATCH_HEADER, "To"},
    [IMAP_SEARCH_SUBJECT] = {match_field, IMAP_MATCH_HEADER, "Subject"},
    [IMAP_SEARCH_HEADER] = {match_field, IMAP_MATCH_HEADER},
    [IMAP_SEARCH_BODY] = {match_body, IMAP_MATCH_BODY},
    [IMAP_SEARCH_TEXT] = {match_or}, /* of the two below */
    [IMAP_SEARCH_BEFORE] = {match_before, P},
    [IMAP_SEARCH_ON] = {match_on, P},
    [IMAP_SEARCH_SINCE] = {match_since, P},
    [IMAP_SEARCH_SENTBEFORE] = {match_sent_before, IMAP_MATCH_SENT},
    [IMAP_SEARCH_SENTON] = {match_sent_on, IMAP_MATCH_SENT},
    [IMAP_SEARCH_SENTSINCE] = {match_sent_since, IMAP_MATCH_SENT},
    [IMAP_SEARCH_SAVEDBEFORE] = {match_saved_before, P},
    [IMAP_SEARCH_SAVEDON] = {match_saved_on, P},
    [IMAP_SEARCH_SAVEDSINCE] = {match_saved_since, P},
    [IMAP_SEARCH_SAVEDATESUPPORTED] = {match_all},
    [IMAP_SEARCH_LARGER] = {match_larger, P},
    [IMAP_SEARCH_SMALLER] = {match_smaller, P},
    [IMAP_SEARCH_OLDER] = {match_older, P},
    [IMAP_SEARCH_YOUNGER] = {match_younger, P},
    [IMAP_SEARCH_MODSEQ] = {match_modseq, F | IMAP_MATCH_MODSEQ},
    [IMAP_SEARCH_EMAILID] = {match_emailid, F},
    [IMAP_SEARCH_THREADID] = {match_none},
    [IMAP_SEARCH_FUZZY] = {match_and, IMAP_MATCH_FUZZY},
    [IMAP_SEARCH_X_GM_RAW] = {match_set},
    [IMAP_SEARCH_X_GM_LABELS] = {match_member, F},
    [IMAP_SEARCH_X_GM_MSGID] = {match_member, F},
    [IMAP_SEARCH_X_GM_THRID] = {match_member, F},
};

/* TEXT is either of these. */
static const Kind text_kinds[] = {{match_header, IMAP_MATCH_HEADER}, {match_body, IMAP_MATCH_BODY}};

ImapMatchResult imap_match(ImapMatch *match, const ImapMatchMessage *message)
{
    return match_node(match, match->root, message);
}

/* ---- compiling ------------------------------------------------------------------------------- */

static void match_node_free(Node *node)
{
    g_clear_pointer(&node->children, g_ptr_array_unref);
    g_clear_pointer(&node->uids, imap_set_free);
    g_clear_pointer(&node->messages, g_hash_table_unref);
    g_free(node->needle);
    g_free(node);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, match_node_free)

static gboolean compile_set(ImapMatch *match, Node *node)
{
    gboolean uid = node->key->kind == IMAP_SEARCH_UID;
    if (!uid && !node->key->set->saved && imap_session_uidonly(match->session)) {
        imap_reply(match->session, IMAP_BAD, "UIDREQUIRED",
                   "With UIDONLY a search has no message numbers");
        return FALSE;
    }
    match->session->numbered |= !uid && !node->key->set->saved;
    g_autoptr(GArray) uids = imap_view_resolve(match->session, node->key->set, uid, FALSE);
    if (!uids)
        return FALSE;
    node->uids = imap_set_new();
    imap_set_add_all(node->uids, uids);
    return TRUE;
}

static GArray *one_message(gint64 message)
{
    GArray *messages = g_array_new(FALSE, FALSE, sizeof(gint64));
    if (message)
        g_array_append_val(messages, message);
    return messages;
}

/* Their numbers; NULL and `error`: failed. */
static GArray *find_messages(CacheTxn *txn, const ImapSearchKey *key, GError **error)
{
    if (key->kind == IMAP_SEARCH_X_GM_LABELS)
        return cache_folder_messages(txn, imap_label_find(txn, key->text), error);
    if (key->kind == IMAP_SEARCH_X_GM_THRID)
        return cache_thread_messages(txn, key->number, error);
    g_autofree char *id = imap_gm_msgid_format(key->number);
    gint64 message = cache_message_by_remote_id(txn, id, error);
    return error && *error ? NULL : one_message(message);
}

static gboolean compile_messages(ImapMatch *match, Node *node)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CacheTxn) txn = cache_begin(match->session->account->cache, CACHE_READ, &error);
    g_autoptr(GArray) messages = txn ? find_messages(txn, node->key, &error) : NULL;
    if (!messages) {
        imap_reply_error(match->session, error);
        return FALSE;
    }
    node->messages = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; i < messages->len; i++)
        g_hash_table_add(node->messages,
                         g_memdup2(&g_array_index(messages, gint64, i), sizeof(gint64)));
    return TRUE;
}

static CacheText text_searched_by(const Node *node)
{
    if (node->kind->needs & IMAP_MATCH_BODY)
        return CACHE_TEXT_BODY;
    return field_of(node) ? index_text_kind(field_of(node)) : CACHE_TEXT_HEADER;
}

/* A field that has no text of its own is first looked for in the whole header: the word, or just
 * the field's name. A word over line ends can't be found there. */
static void add_term(ImapMatch *match, Node *node)
{
    CacheText kind = text_searched_by(node);
    ImapMatchTerm term = {node->needle, node->needle_length, TRUE, node->bit};
    if (kind == CACHE_TEXT_HEADER && field_of(node)) {
        term.certain = FALSE;
        if (memchr(node->needle, '\n', node->needle_length))
            return;
        if (!node->needle_length) {
            g_ptr_array_add(match->names, mime_text_fold(field_of(node), strlen(field_of(node))));
            term.needle = match->names->pdata[match->names->len - 1];
            term.length = strlen(term.needle);
        }
    }
    g_array_append_val(match->terms[kind], term);
}

static Node *match_node_new(ImapMatch *match, const ImapSearchKey *key, const Kind *kind,
                            const char *text)
{
    Node *node = g_new0(Node, 1);
    node->key = key;
    node->kind = kind;
    node->bit = match->bits++;
    match->needs |= kind->needs;
    if (kind->needs & (IMAP_MATCH_HEADER | IMAP_MATCH_BODY)) {
        node->needle = mime_text_fold(text, strlen(text));
        node->needle_length = strlen(node->needle);
        add_term(match, node);
    }
    return node;
}

static Node *compile_key(ImapMatch *match, const ImapSearchKey *key);

static gboolean compile_children(ImapMatch *match, Node *node)
{
    const ImapSearchKey *key = node->key;
    if (!key->children && key->kind != IMAP_SEARCH_TEXT)
        return TRUE;
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify)match_node_free);
    if (key->kind == IMAP_SEARCH_TEXT)
        for (gsize i = 0; i < G_N_ELEMENTS(text_kinds); i++)
            g_ptr_array_add(node->children, match_node_new(match, key, &text_kinds[i], key->text));
    for (guint i = 0; key->children && i < key->children->len; i++) {
        Node *child = compile_key(match, key->children->pdata[i]);
        if (!child)
            return FALSE;
        g_ptr_array_add(node->children, child);
    }
    return TRUE;
}

/* ---- FUZZY ----------------------------------------------------------------------------------- */

/* All words of a text, wherever they stand. */
static Node *all_words(ImapMatch *match, const ImapSearchKey *key, const Kind *kind, char **words)
{
    Node *node = match_node_new(match, key, &kinds[IMAP_SEARCH_AND], NULL);
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify)match_node_free);
    for (char **word = words; *word; word++)
        if (**word)
            g_ptr_array_add(node->children, match_node_new(match, key, kind, *word));
    return node;
}

static void add_way(Node *node, Node *way, guint score)
{
    way->score = score;
    g_ptr_array_add(node->children, way);
}

/*
 * A text in FUZZY is met by all of its words as well (RFC 6203, 3: what that means is up to the
 * server). As it stands counts for more, and the header for more than the body.
 */
static Node *compile_fuzzy(ImapMatch *match, const ImapSearchKey *key)
{
    gboolean both = key->kind == IMAP_SEARCH_TEXT;
    const Kind *ways = both ? text_kinds : &kinds[key->kind];
    guint count = both ? G_N_ELEMENTS(text_kinds) : 1;
    g_auto(GStrv) words = g_strsplit_set(key->text, " \t\r\n", FUZZY_WORDS_MAX);
    Node *node = match_node_new(match, key, &kinds[IMAP_SEARCH_OR], NULL);
    node->children = g_ptr_array_new_with_free_func((GDestroyNotify)match_node_free);
    for (guint i = 0; i < count; i++) {
        guint score = 100 * (count - i) / count;
        add_way(node, match_node_new(match, key, &ways[i], key->text), score);
        if (words[0] && words[1])
            add_way(node, all_words(match, key, &ways[i], words), score * 3 / 5);
    }
    return node;
}

static gboolean is_met(const Node *node, const ImapMatchWord *words)
{
    if (!node->children)
        return (words[node->bit / 64].met >> node->bit % 64) & 1;
    for (guint i = 0; i < node->children->len; i++)
        if (!is_met(node->children->pdata[i], words))
            return FALSE;
    return TRUE;
}

/* The best of ways to meet it, or what all it has to meet give on average; 0: nothing is fuzzy. */
static guint node_score(const Node *node, const ImapMatchWord *words)
{
    guint best = 0, sum = 0, count = 0;
    if (node->score)
        return is_met(node, words) ? node->score : 0;
    for (guint i = 0; node->children && i < node->children->len; i++) {
        guint score = node_score(node->children->pdata[i], words);
        best = MAX(best, score);
        sum += score;
        count += score > 0;
    }
    return node->kind->match == match_or || count == 0 ? best : sum / count;
}

guint imap_match_score(const ImapMatch *match, const ImapMatchWord *words)
{
    guint score = node_score(match->root, words);
    return score ? score : 100;
}

/* ---- FILTER (RFC 5466, 3.1) ------------------------------------------------------------------ */

/* The private one before the shared one; NULL: there is none. */
static char *filter_text(ImapSession *session, const char *name)
{
    static const char *const roots[] = {"/private", "/shared"};
    g_autofree char *folded = g_ascii_strdown(name, -1);
    g_autoptr(CacheTxn) txn = cache_begin(session->account->cache, CACHE_READ, NULL);
    for (gsize i = 0; txn && i < G_N_ELEMENTS(roots); i++) {
        g_autofree char *entry = g_strconcat(roots[i], IMAP_METADATA_FILTERS, folded, NULL);
        g_autoptr(GBytes) value = cache_annotation_get(txn, CACHE_ANNOTATION_ACCOUNT, entry);
        if (value)
            return g_strndup(g_bytes_get_data(value, NULL), g_bytes_get_size(value));
    }
    return NULL;
}

ImapSearchKey *imap_match_filter(ImapSession *session, const char *name)
{
    g_autofree char *text = filter_text(session, name);
    return text ? imap_search_program_parse(text, session->limits, session->mode, NULL) : NULL;
}

/* NULL: the answer is set. */
static const ImapSearchKey *find_filter(ImapMatch *match, const char *name)
{
    if (match->filters->len == FILTERS_MAX) {
        imap_reply(match->session, IMAP_NO, "LIMIT", "There are too many filters in the filters");
        return NULL;
    }
    ImapSearchKey *key = match->filter_depth < IMAP_FILTERS_DEEP_MAX
                             ? imap_match_filter(match->session, name)
                             : NULL;
    if (!key) {
        g_autofree char *code = g_strdup_printf("UNDEFINED-FILTER %s", name);
        imap_reply(match->session, IMAP_NO, code, "There is no such filter");
        return NULL;
    }
    g_ptr_array_add(match->filters, key);
    return key;
}

/* The filter's program stands for it. */
static Node *compile_filter(ImapMatch *match, const ImapSearchKey *key)
{
    const ImapSearchKey *program = find_filter(match, key->text);
    if (!program)
        return NULL;
    match->filter_depth++;
    Node *node = compile_key(match, program);
    match->filter_depth--;
    return node;
}

static gboolean is_fuzzy_text(const ImapMatch *match, const ImapSearchKey *key)
{
    const guint needs = IMAP_MATCH_HEADER | IMAP_MATCH_BODY;
    return match->fuzzy && (key->kind == IMAP_SEARCH_TEXT || (kinds[key->kind].needs & needs));
}

/* What is excluded is excluded exactly. */
static gboolean compile_below(ImapMatch *match, Node *node)
{
    guint before = match->fuzzy;
    if (node->key->kind == IMAP_SEARCH_FUZZY)
        match->fuzzy++;
    else if (node->key->kind == IMAP_SEARCH_NOT)
        match->fuzzy = 0;
    gboolean ok = compile_children(match, node);
    match->fuzzy = before;
    return ok;
}

static Node *compile_key(ImapMatch *match, const ImapSearchKey *key)
{
    if (is_fuzzy_text(match, key))
        return compile_fuzzy(match, key);
    if (key->kind == IMAP_SEARCH_FILTER)
        return compile_filter(match, key);
    if (!kinds[key->kind].match) {
        imap_reply(match->session, IMAP_BAD, NULL, "One of these search keys isn't offered here");
        return NULL;
    }
    g_autoptr(Node) node = match_node_new(match, key, &kinds[key->kind], key->text);
    if (key->set && !compile_set(match, node))
        return NULL;
    if (node->kind->match == match_member && !compile_messages(match, node))
        return NULL;
    if (key->kind == IMAP_SEARCH_X_GM_RAW &&
        !(node->uids = imap_gmail_search(match->session, key->text)))
        return NULL;
    if (key->kind == IMAP_SEARCH_EMAILID)
        node->message = imap_email_id_parse(key->text);
    return compile_below(match, node) ? g_steal_pointer(&node) : NULL;
}

ImapMatch *imap_match_new(ImapSession *session, const ImapSearchKey *key, gint64 now)
{
    g_autoptr(ImapMatch) match = g_new0(ImapMatch, 1);
    match->session = session;
    match->now = now;
    match->scratch = g_string_new(NULL);
    match->names = g_ptr_array_new_with_free_func(g_free);
    match->filters = g_ptr_array_new_with_free_func((GDestroyNotify)imap_search_key_free);
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        match->terms[kind] = g_array_new(FALSE, FALSE, sizeof(ImapMatchTerm));
    match->root = compile_key(match, key);
    return match->root ? g_steal_pointer(&match) : NULL;
}

void imap_match_free(ImapMatch *match)
{
    g_clear_pointer(&match->root, match_node_free);
    g_string_free(match->scratch, TRUE);
    g_ptr_array_unref(match->names);
    g_ptr_array_unref(match->filters);
    for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++)
        g_array_unref(match->terms[kind]);
    g_free(match);
}

guint imap_match_needs(const ImapMatch *match)
{
    return match->needs;
}

guint imap_match_words(const ImapMatch *match)
{
    return match->bits / 64 + 1;
}

const GArray *imap_match_terms(const ImapMatch *match, CacheText kind)
{
    return match->terms[kind];
}

/* Sets that all the rest is ANDed with. */
static void narrow(const Node *node, ImapSet **set)
{
    if (node->uids) {
        ImapSet *both = *set ? imap_set_intersect(*set, node->uids) : imap_set_copy(node->uids);
        g_clear_pointer(set, imap_set_free);
        *set = both;
    }
    if (node->kind->match != match_and)
        return;
    for (guint i = 0; i < node->children->len; i++)
        narrow(node->children->pdata[i], set);
}

GArray *imap_match_candidates(const ImapMatch *match)
{
    g_autoptr(ImapSet) set = NULL;
    narrow(match->root, &set);
    if (!set)
        return g_array_copy(match->session->view->uids);
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    ImapSetIter iter;
    guint32 uid;
    imap_set_iter_init(&iter, set);
    while (imap_set_iter_next(&iter, &uid))
        g_array_append_val(uids, uid);
    return uids;
}
