/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server's responses: from lines and literals to a tree.
 *
 * Where a response ends, and which octets are a literal's, is decided by the ends of lines alone, so
 * whatever stands in them, the next response is found. What stands in them is read as far as that
 * goes; what isn't is a node of its own kind, or the whole response is passed over.
 *
 * A line is copied once, into the parser's arena; values point into that copy, where they are
 * unescaped and ended with a NUL in place. Nodes lie in one array, in the order in which they were
 * read; while it grows they know each other by index. Lists that are still open are on a stack, so
 * that a literal can stop the parser anywhere.
 */
#include "daemon/proto/imap/response.h"

#include <string.h>

const ImapResponseLimits imap_response_limits_default = {
    .line = 16 * 1024 * 1024,
    .literal = 256 * 1024 * 1024,
    .response = 32 * 1024 * 1024,
    .total = 1024 * 1024 * 1024,
    .nodes = 1200 * 1000,
    .depth = 1000,
};

/* More than this isn't kept for the next response. */
#define KEEP_OCTETS (64 * 1024)
#define KEEP_NODES  1024

#define NONE G_MAXUINT

typedef struct Chunk Chunk;
struct Chunk {
    Chunk *next;
    gsize size, used;
    char data[];
};

/* A list being read; the bottom one is the response itself. */
typedef struct {
    guint list; /* its node, or NONE */
    guint last; /* its last child so far, or NONE */
} Frame;

/* What a parenthesis is that stands in the middle of an atom, as in the keyword "a(b": no server may
 * send it, and some do. The first reading after which all others have their partners is taken, or
 * the last. */
typedef enum {
    JOIN_PAIRS, /* it belongs to the atom, and so does the one that closes it */
    JOIN_OPEN,  /* "(" belongs to the atom, ")" doesn't */
    JOIN_NONE,
    JOIN_RECOVER, /* as JOIN_OPEN, and the name of a FETCH item ends the lists that are open */
} Joins;

struct ImapResponseParser {
    ImapResponseLimits limits;
    Chunk *chunks; /* the one being filled first */
    ImapNode *nodes;
    guint n_nodes, nodes_size;
    GArray *stack;       /* Frame */
    GPtrArray *literals; /* GBytes */
    gsize octets;        /* lines of this response */
    guint64 literal_octets;
    gboolean continues; /* a literal came: the next line belongs to this response */
    guint64 literal_size;
    const char *unreadable; /* why this response is passed over, or NULL */
    Joins joins;            /* how parentheses in atoms are read */
    gboolean joined;        /* there was one */
    gboolean unbalanced;    /* a ')' had no '(' */
    ImapResponse response;
};

/* What ends an atom. Controls don't: some servers send names with a TAB in them as they are. "[",
 * the quote and parentheses are looked at closely. */
static const guint8 atom_chars[256] = {
    [0x00 ... 0x1f] = 1, [0x21] = 1, [0x23 ... 0x27] = 1, [0x2a ... 0x5a] = 1, [0x5c ... 0xff] = 1,
};

static const struct {
    const char *name;
    ImapCond cond;
    gboolean tagged;
} conditions[] = {
    {"OK", IMAP_COND_OK, TRUE},
    {"NO", IMAP_COND_NO, TRUE},
    {"BAD", IMAP_COND_BAD, TRUE},
    {"BYE", IMAP_COND_BYE, FALSE},
    {"PREAUTH", IMAP_COND_PREAUTH, FALSE},
};

/* ---- memory -----------------------------------------------------------------------------------*/

static void free_chunks(ImapResponseParser *parser, Chunk *keep)
{
    while (parser->chunks != NULL) {
        Chunk *chunk = parser->chunks;
        parser->chunks = chunk->next;
        if (chunk != keep)
            g_free(chunk);
    }
    parser->chunks = keep;
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
    }
}

/* A writable copy of the line with a NUL behind it. */
static char *copy_line(ImapResponseParser *parser, const char *line, gsize length)
{
    Chunk *chunk = parser->chunks;
    char *copy;

    if (chunk == NULL || chunk->size - chunk->used <= length) {
        gsize size = MAX(length + 1, KEEP_OCTETS / 4);

        chunk = g_malloc(sizeof *chunk + size);
        *chunk = (Chunk){.next = parser->chunks, .size = size};
        parser->chunks = chunk;
    }
    copy = chunk->data + chunk->used;
    if (length > 0)
        memcpy(copy, line, length);
    copy[length] = '\0';
    chunk->used += length + 1;
    return copy;
}

ImapResponseParser *imap_response_parser_new(const ImapResponseLimits *limits)
{
    ImapResponseParser *parser = g_new0(ImapResponseParser, 1);

    parser->limits = *limits;
    parser->stack = g_array_new(FALSE, FALSE, sizeof(Frame));
    parser->literals = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return parser;
}

void imap_response_parser_free(ImapResponseParser *parser)
{
    if (parser == NULL)
        return;
    free_chunks(parser, NULL);
    g_free(parser->nodes);
    g_array_unref(parser->stack);
    g_ptr_array_unref(parser->literals);
    g_free(parser);
}

/* Forgets the values read so far. */
static void forget_values(ImapResponseParser *parser)
{
    const Frame bottom = {NONE, NONE};

    parser->n_nodes = 0;
    parser->joined = parser->unbalanced = FALSE;
    g_array_set_size(parser->stack, 0);
    g_array_append_val(parser->stack, bottom);
}

/* Forgets the last response. */
static void reset(ImapResponseParser *parser)
{
    Chunk *chunk = parser->chunks;

    free_chunks(parser, chunk != NULL && chunk->size <= KEEP_OCTETS ? chunk : NULL);
    if (parser->nodes_size > KEEP_NODES) {
        g_clear_pointer(&parser->nodes, g_free);
        parser->nodes_size = 0;
    }
    if (parser->literals->len > 0)
        g_ptr_array_set_size(parser->literals, 0);
    parser->octets = 0;
    parser->literal_octets = 0;
    parser->continues = FALSE;
    parser->unreadable = NULL;
    parser->joins = JOIN_PAIRS;
    parser->response = (ImapResponse){.text = ""};
    forget_values(parser);
}

/* The response is passed over, for the first of the reasons. */
static gboolean response_give_up(ImapResponseParser *parser, const char *reason)
{
    if (parser->unreadable == NULL)
        parser->unreadable = reason;
    return FALSE;
}

/* ---- the tree ---------------------------------------------------------------------------------*/

static Frame *top(ImapResponseParser *parser)
{
    return &g_array_index(parser->stack, Frame, parser->stack->len - 1);
}

/* A new node at the end of the innermost list; NULL when there are too many. */
static ImapNode *add_node(ImapResponseParser *parser, ImapNodeKind kind)
{
    Frame *frame = top(parser);
    guint index = parser->n_nodes;

    if (index >= parser->limits.nodes) {
        response_give_up(parser, "it has too many parts");
        return NULL;
    }
    if (index == parser->nodes_size) {
        parser->nodes_size = MIN(MAX(index * 2, 64), parser->limits.nodes);
        parser->nodes = g_renew(ImapNode, parser->nodes, parser->nodes_size);
    }
    if (frame->last != NONE)
        parser->nodes[frame->last].skip = index - frame->last;
    frame->last = index;
    if (frame->list != NONE)
        parser->nodes[frame->list].n_children++;
    parser->n_nodes++;
    parser->nodes[index] = (ImapNode){.kind = kind};
    return &parser->nodes[index];
}

static gboolean open_list(ImapResponseParser *parser)
{
    Frame frame = {parser->n_nodes, NONE};

    if (parser->stack->len > parser->limits.depth)
        return response_give_up(parser, "its lists are nested too deeply");
    if (add_node(parser, IMAP_NODE_LIST) == NULL)
        return FALSE;
    g_array_append_val(parser->stack, frame);
    return TRUE;
}

/* One without its "(" is passed over; and so, when all else has failed, is one that would end the list
 * of FETCH's items before the line's end. */
static void close_list(ImapResponseParser *parser, gboolean last)
{
    gboolean early = parser->joins == JOIN_RECOVER && parser->stack->len == 2 && !last &&
                     g_strcmp0(parser->response.name, "FETCH") == 0;

    if (parser->stack->len == 1 || early)
        parser->unbalanced = TRUE;
    else
        g_array_set_size(parser->stack, parser->stack->len - 1);
}

static void make_bad(ImapNode *list)
{
    list->kind = IMAP_NODE_BAD;
    list->text = "";
    list->n_children = 0;
}

/* The list within the outermost one that isn't closed yet has lost its end. */
static void spoil_list(ImapResponseParser *parser)
{
    make_bad(&parser->nodes[g_array_index(parser->stack, Frame, 2).list]);
}

/* The lists that are open at the end of a response: of the outermost only its ")" is missing, what
 * the others should hold nobody knows. */
static void close_open_lists(ImapResponseParser *parser)
{
    if (parser->stack->len > 2)
        spoil_list(parser);
}

/* ---- atoms --------------------------------------------------------------------------------- */

/* Whether a TAB separates values; in names of mailboxes it doesn't. */
static gboolean tab_separates(const ImapResponseParser *parser)
{
    static const char *const names[] = {"LIST", "LSUB", "XLIST", "STATUS", NULL};

    return parser->response.name == NULL || !g_strv_contains(names, parser->response.name);
}

static gboolean is_one_of(const char *const *names, const char *start, gsize length)
{
    for (; *names != NULL; names++)
        if (strlen(*names) == length && g_ascii_strncasecmp(start, *names, length) == 0)
            return TRUE;
    return FALSE;
}

/* Whether the atom before a "[" is one that has a section. */
static gboolean has_section(const char *start, gsize length)
{
    static const char *const names[] = {"BODY", "BINARY", "BINARY.SIZE", NULL};

    return is_one_of(names, start, length);
}

/* The names of what FETCH answers, but for sections. */
static gboolean is_fetch_item(const char *start, gsize length)
{
    static const char *const names[] = {
        "UID",        "FLAGS",      "INTERNALDATE", "RFC822.SIZE", "MODSEQ",
        "EMAILID",    "THREADID",   "ENVELOPE",     "BODY",        "BODYSTRUCTURE",
        "X-GM-MSGID", "X-GM-THRID", "X-GM-LABELS",  NULL};

    return is_one_of(names, start, length);
}

static gboolean ends_in_section(const char *start, gsize length)
{
    return length > 0 && (start[length - 1] == ']' || start[length - 1] == '>');
}

/* Whether a list may follow the atom without a space. */
static gboolean may_touch(const char *start, gsize length)
{
    return length == 0 || ends_in_section(start, length) || is_fetch_item(start, length) ||
           (length == 9 && g_ascii_strncasecmp(start, "MAILBOXID", 9) == 0);
}

/* The end of an atom, with its section as a whole, and with what can't begin a value of its own in
 * the middle of a word. */
static char *find_atom_end(ImapResponseParser *parser, char *start, char *end)
{
    gboolean tabs = tab_separates(parser);
    guint open = 0;
    char *p = start;

    for (;;) {
        while (p < end && atom_chars[(guchar)*p] && (*p != '\t' || !tabs))
            p++;
        if (p == end || *p == ' ' || *p == '\t')
            return p;
        if (*p == '[') {
            char *bracket = has_section(start, p - start) ? memchr(p, ']', end - p) : NULL;
            p = bracket != NULL ? bracket + 1 : p + 1;
            continue;
        }
        gboolean joins =
            *p == ')' ? open > 0 && parser->joins == JOIN_PAIRS
                      : (*p == '"' || parser->joins != JOIN_NONE) && !may_touch(start, p - start);
        if (!joins)
            return p;
        parser->joined |= *p != '"';
        open += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        p++;
    }
}

/* Whether the text is a number that fits; up to 19 digits always do. */
static gboolean to_number(const char *text, gsize length, guint64 *out)
{
    guint64 value = 0;

    if (length > 19)
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isdigit(text[i]))
            return FALSE;
        value = value * 10 + (guint64)(text[i] - '0');
    }
    *out = value;
    return TRUE;
}

/* A name within a list of something else: that list has lost its end. */
static void recover(ImapResponseParser *parser, const char *start, gsize length)
{
    if (parser->stack->len <= 2 || g_strcmp0(parser->response.name, "FETCH") != 0 ||
        (!is_fetch_item(start, length) && !ends_in_section(start, length)))
        return;
    spoil_list(parser);
    g_array_set_size(parser->stack, 2);
}

/* "FLAGS ()x": an atom right behind an empty list, which isn't the next item's name. Whether there is
 * anything in that list nobody knows; it counts as not told. */
static void spoil_touched(ImapResponseParser *parser, const char *start, gsize length)
{
    ImapNode *list = &parser->nodes[top(parser)->last];

    if (parser->stack->len != 2 || list->kind != IMAP_NODE_LIST || list->n_children > 0 ||
        g_strcmp0(parser->response.name, "FETCH") != 0 || is_fetch_item(start, length) ||
        ends_in_section(start, length))
        return;
    make_bad(list);
}

/* Adds the atom, which may touch the end of a list; returns what follows it, whose first octet the
 * caller replaces by NUL. */
static char *read_atom(ImapResponseParser *parser, char *p, char *end, gboolean touches)
{
    char *after = find_atom_end(parser, p, end);

    if (touches)
        spoil_touched(parser, p, after - p);
    if (parser->joins == JOIN_RECOVER)
        recover(parser, p, after - p);
    ImapNode *node = add_node(parser, IMAP_NODE_ATOM);
    if (node == NULL)
        return NULL;
    node->text = p;
    node->length = after - p;
    if (to_number(node->text, node->length, &node->number))
        node->kind = IMAP_NODE_NUMBER;
    else if (node->length == 3 && g_ascii_strncasecmp(node->text, "NIL", 3) == 0)
        node->kind = IMAP_NODE_NIL;
    return after;
}

/* ---- strings ---------------------------------------------------------------------------------*/

/* The quote that ends the string whose octets begin at p; NULL where there is none. Quotes that
 * should have been escaped are told by what follows them, unless none would be left then. */
static char *find_string_end(char *p, char *end)
{
    char *first = NULL;

    for (; p < end; p++) {
        if (*p == '\\' && p + 1 < end) {
            p++;
        } else if (*p == '"') {
            if (p + 1 == end || strchr(" )(\"]\t", p[1]) != NULL)
                return p;
            if (first == NULL)
                first = p;
        }
    }
    return first;
}

/* Adds the quoted string that begins behind p; returns what follows its end. One without an end
 * takes the rest of the line with it. */
static char *read_response_quoted(ImapResponseParser *parser, char *p, char *end)
{
    char *close = find_string_end(p + 1, end);
    ImapNode *node = add_node(parser, close != NULL ? IMAP_NODE_STRING : IMAP_NODE_BAD);
    char *to = ++p;

    if (node == NULL)
        return NULL;
    node->text = close != NULL ? p : "";
    if (close == NULL)
        return end;
    for (; p < close; p++) {
        if (*p == '\\' && p + 1 < close)
            p++;
        *to++ = *p;
    }
    node->length = to - node->text;
    *to = '\0';
    return close + 1;
}

/* ---- literals --------------------------------------------------------------------------------*/

/* "{12}", "{12+}" or "~{12}" at the end of the line and at the beginning of a value: where it
 * begins; `end` where there is none. *fits: whether the size is a number. */
static char *find_literal(char *start, char *end, guint64 *size, gboolean *fits)
{
    char *last = end - 1, *first;

    *fits = TRUE;
    if (end - start < 3 || *last != '}')
        return end;
    if (last[-1] == '+')
        last--;
    for (first = last; first > start && g_ascii_isdigit(first[-1]); first--)
        ;
    if (first == last || first == start || first[-1] != '{')
        return end;
    *fits = to_number(first, last - first, size);
    first--;
    if (first > start && first[-1] == '~')
        first--;
    return first == start || strchr(" (])>\t", first[-1]) != NULL ? first : end;
}

/* ---- values ----------------------------------------------------------------------------------*/

/* Reads the values from p to end, where a NUL may be put. FALSE when they are more than may be. */
static gboolean read_values(ImapResponseParser *parser, char *p, char *end)
{
    char *unended = NULL; /* where the NUL of the last atom goes, once what is there was read */
    gboolean tabs = tab_separates(parser), closed = FALSE;

    while (p != NULL && p < end) {
        gboolean touches = closed && top(parser)->last != NONE;
        char c = *p;

        closed = c == ')';
        if (p == unended)
            *p = '\0';
        if (c == ' ' || (c == '\t' && tabs)) {
            p++;
        } else if (c == '(') {
            p = open_list(parser) ? p + 1 : NULL;
        } else if (c == ')') {
            close_list(parser, p + 1 == end);
            p++;
        } else if (c == '"') {
            p = read_response_quoted(parser, p, end);
        } else {
            p = unended = read_atom(parser, p, end, touches);
        }
    }
    if (p != NULL && p == unended)
        *p = '\0';
    return p != NULL;
}

/* The values of a response of one line, in `copy`, by the first reading of its parentheses that
 * comes out even. */
static void read_whole(ImapResponseParser *parser, char *copy, const char *line, gsize length)
{
    for (Joins reading = JOIN_PAIRS; reading <= JOIN_RECOVER; reading++) {
        char *p = reading == JOIN_PAIRS ? copy : copy_line(parser, line, length);

        forget_values(parser);
        parser->joins = reading;
        if (!read_values(parser, p, p + length) || (!parser->unbalanced && parser->stack->len == 1))
            return;
        if (!parser->joined)
            reading = MAX(reading, JOIN_NONE);
    }
}

/* ---- the parts of a response ------------------------------------------------------------------*/

static void upper(char *text)
{
    for (; *text != '\0'; text++)
        *text = g_ascii_toupper(*text);
}

/* Ends the word at p with a NUL; returns what follows it and its spaces. */
static char *end_word(char *p, const char *end)
{
    while (p < end && *p != ' ')
        p++;
    if (p < end)
        *p++ = '\0';
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* The "]" that ends a response code; quoted strings may hold one. */
static char *find_code_end(char *p, const char *end)
{
    gboolean quoted = FALSE;

    for (; p < end; p++) {
        if (quoted && *p == '\\' && p + 1 < end)
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (*p == ']' && !quoted)
            return p;
    }
    return NULL;
}

/* "[CODE arguments] text". Arguments that aren't values are left out: codes may hold anything. */
static void read_response_text(ImapResponseParser *parser, char *p, char *end)
{
    ImapResponse *response = &parser->response;
    char *close = *p == '[' ? find_code_end(p, end) : NULL;
    char *args;

    response->text = p;
    if (close == NULL)
        return;
    *close = '\0';
    args = end_word(p + 1, close);
    upper(p + 1);
    response->code = p + 1;
    if (!read_values(parser, args, close) || parser->stack->len > 1 || parser->unbalanced)
        forget_values(parser);
    parser->unreadable = NULL;
    response->code_args = parser->n_nodes > 0 ? parser->nodes : NULL;
    response->text = close + 1 < end && close[1] == ' ' ? close + 2 : close + 1;
}

static gboolean read_condition(ImapResponseParser *parser, const char *word)
{
    for (gsize i = 0; i < G_N_ELEMENTS(conditions); i++) {
        if (g_ascii_strcasecmp(word, conditions[i].name) != 0)
            continue;
        if (parser->response.kind == IMAP_TAGGED && !conditions[i].tagged)
            return FALSE;
        parser->response.cond = conditions[i].cond;
        return TRUE;
    }
    return FALSE;
}

/* "12 FETCH" or "SEARCH"; returns what follows. */
static char *read_response_name(ImapResponseParser *parser, char *word, char *p, char *end)
{
    ImapResponse *response = &parser->response;
    guint64 number;

    if (to_number(word, strlen(word), &number) && *word != '\0' && number <= G_MAXUINT32) {
        response->has_number = TRUE;
        response->number = number;
        word = p;
        p = end_word(p, end);
    }
    if (!g_ascii_isalpha(*word))
        return NULL;
    upper(word);
    response->name = word;
    return p;
}

/* "* OK ...", "A1 NO ...", and also "* [COPYUID ...]", as some servers have it. FALSE: it is
 * something else. */
static gboolean read_response_status(ImapResponseParser *parser, char *word, char *rest, char *end)
{
    ImapResponse *response = &parser->response;
    char *gap = word + strlen(word);

    if (read_condition(parser, word)) {
        read_response_text(parser, rest, end);
        return TRUE;
    }
    /* Whatever it is, the command is over. */
    gboolean over = response->kind == IMAP_TAGGED && *word != '\0';
    if (*word != '[' && !over)
        return FALSE;
    response->cond = *word == '[' ? IMAP_COND_OK : IMAP_COND_BAD;
    if (gap < end)
        *gap = ' ';
    read_response_text(parser, word, end);
    return TRUE;
}

/* The first line of a response, up to its values; NULL where it has none. */
static char *read_first_line(ImapResponseParser *parser, char *p, char *end)
{
    ImapResponse *response = &parser->response;
    char *tag, *word;

    /* Some servers send NULs ahead. */
    while (p < end && *p == '\0')
        p++;
    tag = p;
    /* No tag begins with "+" (RFC 3501, 9). Some servers leave the space out. */
    if (*p == '+') {
        response->kind = IMAP_CONTINUATION;
        read_response_text(parser, p[1] == ' ' ? p + 2 : p + 1, end);
        return NULL;
    }
    word = end_word(p, end);
    p = end_word(word, end);
    response->kind = g_str_equal(tag, "*") ? IMAP_UNTAGGED : IMAP_TAGGED;
    if (response->kind == IMAP_TAGGED)
        response->tag = tag;
    if (read_response_status(parser, word, p, end))
        return NULL;
    p = response->kind == IMAP_UNTAGGED ? read_response_name(parser, word, p, end) : NULL;
    if (p == NULL)
        response_give_up(parser, "it is no IMAP response");
    return p;
}

static ImapResponseFeed too_much(GError **error, const char *reason)
{
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server's answer can't be read: %s",
                reason);
    return IMAP_RESPONSE_ERROR;
}

/* A line of data up to the literal at its end: only that one is framing. */
static gboolean begin_literal(ImapResponseParser *parser, guint64 size, gboolean fits,
                              GError **error)
{
    if (!fits || size > parser->limits.literal ||
        size > parser->limits.total - parser->literal_octets) {
        too_much(error, "a literal is too large");
        return FALSE;
    }
    parser->literal_size = size;
    parser->continues = TRUE;
    if (parser->unreadable == NULL)
        add_node(parser, IMAP_NODE_LITERAL);
    return TRUE;
}

static ImapResponseFeed finish_response(ImapResponseParser *parser, GError **error)
{
    if (parser->unreadable != NULL) {
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_SYNTAX, "the server's answer can't be read: %s",
                    parser->unreadable);
        return IMAP_RESPONSE_UNREADABLE;
    }
    if (parser->response.name != NULL) {
        close_open_lists(parser);
        parser->response.args = parser->n_nodes > 0 ? parser->nodes : NULL;
    }
    return IMAP_RESPONSE_COMPLETE;
}

ImapResponseFeed imap_response_line(ImapResponseParser *parser, const char *line, gsize length,
                                    GError **error)
{
    gboolean first = !parser->continues, fits;
    guint64 size = 0;
    char *copy, *end, *values;

    if (first)
        reset(parser);
    parser->continues = FALSE;
    if (length > parser->limits.line || length > parser->limits.response - parser->octets)
        return too_much(error, "it is too long");
    parser->octets += length;
    copy = copy_line(parser, line, length);
    values = first ? read_first_line(parser, copy, copy + length) : copy;
    /* In words for people, and in what isn't IMAP, nothing is a literal. */
    if (values == NULL)
        return finish_response(parser, error);
    end = find_literal(values, copy + length, &size, &fits);
    if (first && end == copy + length)
        read_whole(parser, values, line + (values - copy), end - values);
    else if (parser->unreadable == NULL)
        read_values(parser, values, end);
    if (end == copy + length)
        return finish_response(parser, error);
    return begin_literal(parser, size, fits, error) ? IMAP_RESPONSE_LITERAL : IMAP_RESPONSE_ERROR;
}

guint64 imap_response_literal_size(const ImapResponseParser *parser)
{
    return parser->literal_size;
}

void imap_response_literal(ImapResponseParser *parser, GBytes *octets)
{
    gsize length;
    const char *data = g_bytes_get_data(octets, &length);

    g_return_if_fail(parser->continues && length == parser->literal_size);
    parser->literal_octets += length;
    if (parser->unreadable != NULL)
        return;
    ImapNode *node = &parser->nodes[parser->n_nodes - 1];
    node->length = length;
    node->text = data != NULL ? data : "";
    node->literal = octets;
    g_ptr_array_add(parser->literals, g_bytes_ref(octets));
}

const ImapResponse *imap_response_get(const ImapResponseParser *parser)
{
    return &parser->response;
}

/* ---- nodes ------------------------------------------------------------------------------------*/

gboolean imap_node_is(const ImapNode *node, const char *name)
{
    return node->kind == IMAP_NODE_ATOM && node->length == strlen(name) &&
           g_ascii_strncasecmp(node->text, name, node->length) == 0;
}

gboolean imap_node_is_text(const ImapNode *node)
{
    return node->kind != IMAP_NODE_LIST && node->kind != IMAP_NODE_BAD;
}

char *imap_node_dup(const ImapNode *node, gboolean nil_ok)
{
    if (!imap_node_is_text(node) || (node->kind == IMAP_NODE_NIL && !nil_ok) ||
        (node->length > 0 && memchr(node->text, '\0', node->length) != NULL))
        return NULL;
    return g_strndup(node->text, node->length);
}
