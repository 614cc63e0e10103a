/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The arguments of APPEND and REPLACE, parsed while they arrive.
 *
 *     append  = "APPEND" SP mailbox 1*message
 *     replace = "REPLACE" SP (number / "*") SP mailbox message
 *     message = [SP flag-list] [SP date-time] SP data
 *     data    = literal / literal8 / "UTF8" SP "(" literal8 ")" /
 *               "CATENATE" SP "(" part *(SP part) ")"
 *     part    = "URL" SP astring / "TEXT" SP literal / "UTF8" SP "(" literal8 ")"
 *
 * The parser is a little machine that stops where a literal has been announced but not received.
 * Each state is a function that reads on from where such a stop can be.
 */
#include "daemon/proto/imap/append-args.h"

typedef enum {
    STATE_TARGET,     /* what to replace */
    STATE_MAILBOX,    /* the mailbox name */
    STATE_MESSAGE,    /* options and the beginning of the data, or the end */
    STATE_DATA_TAKEN, /* the literal of a plain message has been streamed */
    STATE_UTF8_TAKEN, /* the literal8 in UTF8 ( has been */
    STATE_PART,       /* a part of CATENATE */
    STATE_URL,        /* the astring after URL */
    STATE_PART_TAKEN, /* the literal after TEXT has been streamed */
    STATE_PART_UTF8_TAKEN,
} State;

/* Besides the ImapAppendStep values: go on in the parser's state. */
#define GO_ON ((ImapAppendStep)-1)

struct ImapAppendParser {
    ImapLexer lexer;
    State state;
    ImapAppendArgs *args;
};

static void clear_part(gpointer data)
{
    ImapAppendPart *part = data;

    g_free(part->url);
}

static void free_message(gpointer data)
{
    ImapAppendMessage *message = data;

    imap_flags_free(message->flags);
    g_array_unref(message->parts);
    g_free(message);
}

void imap_append_args_free(ImapAppendArgs *args)
{
    if (args == NULL)
        return;
    g_free(args->mailbox);
    g_ptr_array_unref(args->messages);
    g_free(args);
}

ImapAppendParser *imap_append_parser_new(const ImapCommand *command, const ImapLimits *limits,
                                         guint mode)
{
    ImapAppendParser *parser = g_new0(ImapAppendParser, 1);

    imap_lexer_init(&parser->lexer, command, limits, mode);
    parser->args = g_new0(ImapAppendArgs, 1);
    parser->args->messages = g_ptr_array_new_with_free_func(free_message);
    parser->args->is_replace = g_str_equal(command->name, "REPLACE");
    parser->state = parser->args->is_replace ? STATE_TARGET : STATE_MAILBOX;
    return parser;
}

void imap_append_parser_free(ImapAppendParser *parser)
{
    if (parser == NULL)
        return;
    imap_append_args_free(parser->args);
    g_free(parser);
}

const ImapAppendArgs *imap_append_parser_args(const ImapAppendParser *parser)
{
    return parser->args;
}

/* Whether the literal that is next has not come yet. */
static gboolean is_pending(const ImapLexer *lexer)
{
    const ImapPiece *piece = imap_lexer_peek_literal(lexer);

    return piece != NULL && piece->pending;
}

static ImapAppendMessage *current(const ImapAppendParser *parser)
{
    GPtrArray *messages = parser->args->messages;

    return messages->pdata[messages->len - 1];
}

static ImapAppendStep read_target(ImapAppendParser *parser, GError **error)
{
    ImapLexer *lexer = &parser->lexer;

    if (!imap_lexer_space(lexer, error))
        return IMAP_APPEND_BAD;
    if (!imap_lexer_take(lexer, '*') &&
        !imap_lexer_nz_number(lexer, &parser->args->replaces, error))
        return IMAP_APPEND_BAD;
    parser->state = STATE_MAILBOX;
    return GO_ON;
}

static ImapAppendStep read_append_mailbox(ImapAppendParser *parser, GError **error)
{
    ImapLexer ahead = parser->lexer;

    if (!imap_lexer_space(&ahead, error))
        return IMAP_APPEND_BAD;
    if (is_pending(&ahead))
        return IMAP_APPEND_KEEP;
    parser->args->mailbox = imap_lexer_mailbox(&ahead, error);
    if (parser->args->mailbox == NULL)
        return IMAP_APPEND_BAD;
    parser->lexer = ahead;
    parser->state = STATE_MESSAGE;
    return GO_ON;
}

/* A part whose octets are in the literal that is next, which goes to the session. */
static ImapAppendStep begin_octets(ImapAppendParser *parser, State next, GError **error)
{
    const ImapPiece *piece = imap_lexer_peek_literal(&parser->lexer);
    gboolean needs_binary = next == STATE_UTF8_TAKEN || next == STATE_PART_UTF8_TAKEN;
    ImapAppendPart part = {NULL};

    if (!is_pending(&parser->lexer)) {
        imap_lexer_fail(&parser->lexer, "a literal with the message", error);
        return IMAP_APPEND_BAD;
    }
    if (needs_binary && !piece->binary) {
        g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_SYNTAX,
                            "UTF8 must be followed by a literal8, ~{...} (RFC 6855)");
        return IMAP_APPEND_BAD;
    }
    part.size = piece->size;
    current(parser)->binary |= piece->binary;
    current(parser)->utf8 |= needs_binary;
    g_array_append_val(current(parser)->parts, part);
    parser->state = next;
    return IMAP_APPEND_STREAM;
}

/* "UTF8 (": the word has been taken. */
static ImapAppendStep begin_utf8(ImapAppendParser *parser, State next, GError **error)
{
    if (!imap_lexer_space(&parser->lexer, error) || !imap_lexer_expect(&parser->lexer, '(', error))
        return IMAP_APPEND_BAD;
    return begin_octets(parser, next, error);
}

static gboolean read_append_options(ImapAppendParser *parser, GError **error)
{
    ImapLexer *lexer = &parser->lexer;
    ImapAppendMessage *message = current(parser);

    if (imap_lexer_peek(lexer) == '(') {
        message->flags = imap_lexer_flags(lexer, FALSE, error);
        if (message->flags == NULL || !imap_lexer_space(lexer, error))
            return FALSE;
    }
    if (imap_lexer_peek(lexer) != '"')
        return TRUE;
    message->has_date = TRUE;
    return imap_lexer_date_time(lexer, &message->date, error) && imap_lexer_space(lexer, error);
}

static void add_message(ImapAppendParser *parser)
{
    ImapAppendMessage *message = g_new0(ImapAppendMessage, 1);

    message->parts = g_array_new(FALSE, FALSE, sizeof(ImapAppendPart));
    g_array_set_clear_func(message->parts, clear_part);
    g_ptr_array_add(parser->args->messages, message);
}

/* Whether one more message is allowed. */
static gboolean check_count(const ImapAppendParser *parser, GError **error)
{
    guint max = parser->args->is_replace ? 1 : parser->lexer.limits->list_items;

    if (parser->args->messages->len < max)
        return TRUE;
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the command has more than %u message%s", max,
                max == 1 ? "" : "s");
    return FALSE;
}

static ImapAppendStep read_message(ImapAppendParser *parser, GError **error)
{
    ImapLexer *lexer = &parser->lexer;

    if (parser->args->messages->len > 0 && imap_lexer_at_end(lexer))
        return IMAP_APPEND_DONE;
    if (!check_count(parser, error) || !imap_lexer_space(lexer, error))
        return IMAP_APPEND_BAD;
    add_message(parser);
    if (!read_append_options(parser, error))
        return IMAP_APPEND_BAD;
    if (imap_lexer_take_word(lexer, "UTF8"))
        return begin_utf8(parser, STATE_UTF8_TAKEN, error);
    if (!imap_lexer_take_word(lexer, "CATENATE"))
        return begin_octets(parser, STATE_DATA_TAKEN, error);
    current(parser)->catenate = TRUE;
    if (!imap_lexer_space(lexer, error) || !imap_lexer_expect(lexer, '(', error))
        return IMAP_APPEND_BAD;
    parser->state = STATE_PART;
    return GO_ON;
}

static ImapAppendStep take_data(ImapAppendParser *parser, GError **error)
{
    imap_lexer_skip_literal(&parser->lexer);
    parser->state = STATE_MESSAGE;
    return GO_ON;
}

static ImapAppendStep take_utf8(ImapAppendParser *parser, GError **error)
{
    imap_lexer_skip_literal(&parser->lexer);
    parser->state = STATE_MESSAGE;
    return imap_lexer_expect(&parser->lexer, ')', error) ? GO_ON : IMAP_APPEND_BAD;
}

static ImapAppendStep read_part(ImapAppendParser *parser, GError **error)
{
    ImapLexer *lexer = &parser->lexer;

    if (current(parser)->parts->len >= lexer->limits->list_items) {
        g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "CATENATE has more than %u parts",
                    lexer->limits->list_items);
        return IMAP_APPEND_BAD;
    }
    if (imap_lexer_take_word(lexer, "URL")) {
        parser->state = STATE_URL;
        return GO_ON;
    }
    if (imap_lexer_take_word(lexer, "UTF8"))
        return begin_utf8(parser, STATE_PART_UTF8_TAKEN, error);
    if (imap_lexer_take_word(lexer, "TEXT")) {
        if (!imap_lexer_space(lexer, error))
            return IMAP_APPEND_BAD;
        return begin_octets(parser, STATE_PART_TAKEN, error);
    }
    imap_lexer_fail(lexer, "URL, TEXT or UTF8", error);
    return IMAP_APPEND_BAD;
}

/* Behind a part: the next one, or the end of CATENATE. */
static ImapAppendStep end_part(ImapAppendParser *parser, GError **error)
{
    if (imap_lexer_take(&parser->lexer, ')')) {
        parser->state = STATE_MESSAGE;
        return GO_ON;
    }
    parser->state = STATE_PART;
    return imap_lexer_space(&parser->lexer, error) ? GO_ON : IMAP_APPEND_BAD;
}

static ImapAppendStep read_url(ImapAppendParser *parser, GError **error)
{
    ImapLexer ahead = parser->lexer;
    ImapAppendPart part = {NULL};

    if (!imap_lexer_space(&ahead, error))
        return IMAP_APPEND_BAD;
    if (is_pending(&ahead))
        return IMAP_APPEND_KEEP;
    part.url = imap_lexer_astring(&ahead, "a URL", error);
    if (part.url == NULL)
        return IMAP_APPEND_BAD;
    g_array_append_val(current(parser)->parts, part);
    parser->lexer = ahead;
    return end_part(parser, error);
}

static ImapAppendStep take_part(ImapAppendParser *parser, GError **error)
{
    imap_lexer_skip_literal(&parser->lexer);
    return end_part(parser, error);
}

static ImapAppendStep take_part_utf8(ImapAppendParser *parser, GError **error)
{
    imap_lexer_skip_literal(&parser->lexer);
    if (!imap_lexer_expect(&parser->lexer, ')', error))
        return IMAP_APPEND_BAD;
    return end_part(parser, error);
}

ImapAppendStep imap_append_parser_run(ImapAppendParser *parser, GError **error)
{
    static ImapAppendStep (*const states[])(ImapAppendParser *, GError **) = {
        [STATE_TARGET] = read_target,
        [STATE_MAILBOX] = read_append_mailbox,
        [STATE_MESSAGE] = read_message,
        [STATE_DATA_TAKEN] = take_data,
        [STATE_UTF8_TAKEN] = take_utf8,
        [STATE_PART] = read_part,
        [STATE_URL] = read_url,
        [STATE_PART_TAKEN] = take_part,
        [STATE_PART_UTF8_TAKEN] = take_part_utf8,
    };
    ImapAppendStep step;

    do {
        step = states[parser->state](parser, error);
    } while (step == GO_ON);
    return step;
}
