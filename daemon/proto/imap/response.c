/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server's responses: from lines and literals to a tree.
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
    .nodes = 4 * 1000 * 1000,
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
    ImapResponse response;
};

/* What stands in an atom: not space, controls, parentheses and the quote. "[" is looked at closely.
 */
static const guint8 atom_chars[256] = {
    [0x21] = 1, [0x23 ... 0x27] = 1, [0x2a ... 0x5a] = 1, [0x5c ... 0x7e] = 1, [0x80 ... 0xff] = 1,
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

/* Forgets the last response. */
static void reset(ImapResponseParser *parser)
{
    const Frame bottom = {NONE, NONE};
    Chunk *chunk = parser->chunks;

    free_chunks(parser, chunk != NULL && chunk->size <= KEEP_OCTETS ? chunk : NULL);
    if (parser->nodes_size > KEEP_NODES) {
        g_clear_pointer(&parser->nodes, g_free);
        parser->nodes_size = 0;
    }
    parser->n_nodes = 0;
    g_array_set_size(parser->stack, 0);
    g_array_append_val(parser->stack, bottom);
    if (parser->literals->len > 0)
        g_ptr_array_set_size(parser->literals, 0);
    parser->octets = 0;
    parser->literal_octets = 0;
    parser->continues = FALSE;
    parser->response = (ImapResponse){.text = ""};
}

static gboolean fail(GError **error, ImapError code, const char *reason)
{
    g_set_error(error, IMAP_ERROR, code, "the server's answer can't be read: %s", reason);
    return FALSE;
}

/* ---- the tree ---------------------------------------------------------------------------------*/

static Frame *top(ImapResponseParser *parser)
{
    return &g_array_index(parser->stack, Frame, parser->stack->len - 1);
}

/* A new node at the end of the innermost list; NULL when there are too many. */
static ImapNode *add_node(ImapResponseParser *parser, ImapNodeKind kind, GError **error)
{
    Frame *frame = top(parser);
    guint index = parser->n_nodes;

    if (index >= parser->limits.nodes) {
        fail(error, IMAP_ERROR_LIMIT, "it has too many parts");
        return NULL;
    }
    if (index == parser->nodes_size) {
        parser->nodes_size = MAX(index * 2, 64);
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

static gboolean open_list(ImapResponseParser *parser, GError **error)
{
    Frame frame = {parser->n_nodes, NONE};

    if (parser->stack->len > parser->limits.depth)
        return fail(error, IMAP_ERROR_LIMIT, "its lists are nested too deeply");
    if (add_node(parser, IMAP_NODE_LIST, error) == NULL)
        return FALSE;
    g_array_append_val(parser->stack, frame);
    return TRUE;
}

static gboolean close_list(ImapResponseParser *parser, GError **error)
{
    if (parser->stack->len == 1)
        return fail(error, IMAP_ERROR_SYNTAX, "a ')' has no '('");
    g_array_set_size(parser->stack, parser->stack->len - 1);
    return TRUE;
}

/* Whether the atom before a "[" is one that has a section. */
static gboolean has_section(const char *start, gsize length)
{
    return (length == 4 && g_ascii_strncasecmp(start, "BODY", 4) == 0) ||
           (length == 6 && g_ascii_strncasecmp(start, "BINARY", 6) == 0) ||
           (length == 11 && g_ascii_strncasecmp(start, "BINARY.SIZE", 11) == 0);
}

/* The end of an atom, with its section as a whole. */
static char *find_atom_end(char *start)
{
    char *p = start, *bracket;

    for (;;) {
        while (atom_chars[(guchar)*p])
            p++;
        if (*p != '[')
            return p;
        bracket = has_section(start, p - start) ? strchr(p, ']') : NULL;
        p = bracket != NULL ? bracket + 1 : p + 1;
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

/* Adds the atom; returns what follows it, whose first octet the caller replaces by NUL. */
static char *read_atom(ImapResponseParser *parser, char *p, GError **error)
{
    ImapNode *node = add_node(parser, IMAP_NODE_ATOM, error);

    if (node == NULL)
        return NULL;
    node->text = p;
    p = find_atom_end(p);
    node->length = p - node->text;
    if (to_number(node->text, node->length, &node->number))
        node->kind = IMAP_NODE_NUMBER;
    else if (node->length == 3 && g_ascii_strncasecmp(node->text, "NIL", 3) == 0)
        node->kind = IMAP_NODE_NIL;
    return p;
}

/* Adds the quoted string that begins behind p; returns what follows its end. */
static char *read_quoted(ImapResponseParser *parser, char *p, const char *end, GError **error)
{
    ImapNode *node = add_node(parser, IMAP_NODE_STRING, error);
    char *to = ++p;

    if (node == NULL)
        return NULL;
    node->text = p;
    for (; p < end && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        if (*p == '\0') {
            fail(error, IMAP_ERROR_SYNTAX, "there is a NUL octet in it");
            return NULL;
        }
        *to++ = *p;
    }
    if (p >= end) {
        fail(error, IMAP_ERROR_SYNTAX, "a quoted string has no end");
        return NULL;
    }
    node->length = to - node->text;
    *to = '\0';
    return p + 1;
}

/* "{12}" at the end of the line. */
static gboolean read_announcement(ImapResponseParser *parser, const char *p, const char *end,
                                  GError **error)
{
    gsize length;

    p += *p == '~' ? 2 : 1;
    length = end - p;
    if (length > 0 && p[length - 1] == '}')
        length--;
    else
        return fail(error, IMAP_ERROR_SYNTAX, "a '{' doesn't begin a literal");
    if (length > 0 && p[length - 1] == '+')
        length--;
    if (length == 0 || !to_number(p, length, &parser->literal_size))
        return fail(error, IMAP_ERROR_SYNTAX, "a '{' doesn't begin a literal");
    if (parser->literal_size > parser->limits.literal ||
        parser->literal_size > parser->limits.total - parser->literal_octets)
        return fail(error, IMAP_ERROR_LIMIT, "a literal is too large");
    parser->continues = TRUE;
    return add_node(parser, IMAP_NODE_LITERAL, error) != NULL;
}

static gboolean begins_literal(const char *p)
{
    return *p == '{' || (*p == '~' && p[1] == '{');
}

/* Reads the values from p to end, where there is a NUL. */
static gboolean read_values(ImapResponseParser *parser, char *p, char *end, gboolean literals,
                            GError **error)
{
    char *unended = NULL; /* where the NUL of the last atom goes, once what is there was read */

    while (p != NULL && p < end) {
        char c = *p;

        if (literals && begins_literal(p))
            return read_announcement(parser, p, end, error);
        if (p == unended)
            *p = '\0';
        if (c == ' ') {
            p++;
        } else if (c == '(') {
            p = open_list(parser, error) ? p + 1 : NULL;
        } else if (c == ')') {
            p = close_list(parser, error) ? p + 1 : NULL;
        } else if (c == '"') {
            p = read_quoted(parser, p, end, error);
        } else if (atom_chars[(guchar)c] || c == '[') {
            p = unended = read_atom(parser, p, error);
        } else {
            return fail(error, IMAP_ERROR_SYNTAX, "there is a control character in it");
        }
    }
    return p != NULL;
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
static void read_text(ImapResponseParser *parser, char *p, char *end)
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
    if (!read_values(parser, args, close, FALSE, NULL) || parser->stack->len > 1)
        parser->n_nodes = 0;
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
static char *read_name(ImapResponseParser *parser, char *word, char *p, char *end)
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

/* The first line of a response. */
static gboolean read_first_line(ImapResponseParser *parser, char *p, char *end, GError **error)
{
    ImapResponse *response = &parser->response;
    char *tag = p, *word;

    /* No tag begins with "+" (RFC 3501, 9). Some servers leave the space out. */
    if (*p == '+') {
        response->kind = IMAP_CONTINUATION;
        read_text(parser, p[1] == ' ' ? p + 2 : p + 1, end);
        return TRUE;
    }
    word = end_word(p, end);
    p = end_word(word, end);
    response->kind = g_str_equal(tag, "*") ? IMAP_UNTAGGED : IMAP_TAGGED;
    if (response->kind == IMAP_TAGGED)
        response->tag = tag;
    if (read_condition(parser, word)) {
        read_text(parser, p, end);
        return TRUE;
    }
    p = response->kind == IMAP_UNTAGGED ? read_name(parser, word, p, end) : NULL;
    if (p == NULL)
        return fail(error, IMAP_ERROR_SYNTAX, "it is no IMAP response");
    return read_values(parser, p, end, TRUE, error);
}

ImapResponseFeed imap_response_line(ImapResponseParser *parser, const char *line, gsize length,
                                    GError **error)
{
    gboolean first = !parser->continues;
    gboolean ok;
    char *copy;

    if (first)
        reset(parser);
    parser->continues = FALSE;
    if (length > parser->limits.line || length > parser->limits.response - parser->octets) {
        fail(error, IMAP_ERROR_LIMIT, "it is too long");
        return IMAP_RESPONSE_ERROR;
    }
    parser->octets += length;
    copy = copy_line(parser, line, length);
    ok = first ? read_first_line(parser, copy, copy + length, error)
               : read_values(parser, copy, copy + length, TRUE, error);
    if (!ok)
        return IMAP_RESPONSE_ERROR;
    if (parser->continues)
        return IMAP_RESPONSE_LITERAL;
    if (parser->response.name != NULL && parser->stack->len > 1) {
        fail(error, IMAP_ERROR_SYNTAX, "a '(' has no ')'");
        return IMAP_RESPONSE_ERROR;
    }
    if (parser->response.name != NULL && parser->n_nodes > 0)
        parser->response.args = parser->nodes;
    return IMAP_RESPONSE_COMPLETE;
}

guint64 imap_response_literal_size(const ImapResponseParser *parser)
{
    return parser->literal_size;
}

void imap_response_literal(ImapResponseParser *parser, GBytes *octets)
{
    ImapNode *node = &parser->nodes[parser->n_nodes - 1];
    const char *data = g_bytes_get_data(octets, &node->length);

    g_return_if_fail(parser->continues && node->length == parser->literal_size);
    node->text = data != NULL ? data : "";
    node->literal = octets;
    parser->literal_octets += node->length;
    g_ptr_array_add(parser->literals, g_bytes_ref(octets));
}

const ImapResponse *imap_response_get(const ImapResponseParser *parser)
{
    return &parser->response;
}

/* ---- nodes ------------------------------------------------------------------------------------*/

gboolean imap_node_is(const ImapNode *node, const char *name)
{
    return node->kind == IMAP_NODE_ATOM &&
           g_ascii_strncasecmp(node->text, name, node->length) == 0 && name[node->length] == '\0';
}

gboolean imap_node_is_text(const ImapNode *node)
{
    return node->kind != IMAP_NODE_LIST;
}

char *imap_node_dup(const ImapNode *node, gboolean nil_ok)
{
    if (!imap_node_is_text(node) || (node->kind == IMAP_NODE_NIL && !nil_ok) ||
        (node->length > 0 && memchr(node->text, '\0', node->length) != NULL))
        return NULL;
    return g_strndup(node->text, node->length);
}
