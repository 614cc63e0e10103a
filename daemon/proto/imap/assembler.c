/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Puts a client's command together from lines and literals.
 *
 * A command that turns out bad while the client is already sending a literal (it doesn't wait for
 * LITERAL+) has to be swallowed to its end before it is answered; otherwise its octets would be
 * taken for commands. That is the discarding state.
 */
#include "daemon/proto/imap/assembler.h"

#include <string.h>

struct ImapAssembler {
    ImapLimits limits;
    guint64 literal_plus;
    guint mode;

    ImapCommand *command;
    ImapAppendParser *append; /* of APPEND and REPLACE */
    ImapLiteral literal;      /* the last one announced */
    gboolean begun;           /* the first line has been read */
    gboolean discarding;
    gboolean refused; /* by the session */
    ImapBad bad;
    char *reason;
};

ImapAssembler *imap_assembler_new(const ImapLimits *limits, guint64 literal_plus)
{
    ImapAssembler *as = g_new0(ImapAssembler, 1);

    as->limits = *limits;
    as->literal_plus = literal_plus;
    as->command = imap_command_new();
    return as;
}

void imap_assembler_free(ImapAssembler *as)
{
    if (as == NULL)
        return;
    imap_append_parser_free(as->append);
    imap_command_free(as->command);
    g_free(as->reason);
    g_free(as);
}

void imap_assembler_set_limits(ImapAssembler *as, const ImapLimits *limits)
{
    as->limits = *limits;
}

void imap_assembler_set_mode(ImapAssembler *as, guint mode)
{
    as->mode = mode;
}

void imap_assembler_reset(ImapAssembler *as)
{
    g_clear_pointer(&as->append, imap_append_parser_free);
    g_clear_pointer(&as->command, imap_command_free);
    g_clear_pointer(&as->reason, g_free);
    as->command = imap_command_new();
    as->bad = (ImapBad){NULL};
    as->begun = as->discarding = as->refused = FALSE;
}

gboolean imap_assembler_has_begun(const ImapAssembler *as)
{
    return as->begun;
}

void imap_assembler_wipe(ImapAssembler *as)
{
    for (guint i = 0; i < as->command->pieces->len; i++) {
        const ImapPiece *piece = &g_array_index(as->command->pieces, ImapPiece, i);
        if (piece->data != NULL && g_bytes_get_size(piece->data) > 0) /* else it has no address */
            explicit_bzero((gpointer)g_bytes_get_data(piece->data, NULL),
                           g_bytes_get_size(piece->data));
    }
}

const ImapLiteral *imap_assembler_literal(const ImapAssembler *as)
{
    return &as->literal;
}

const ImapCommand *imap_assembler_command(const ImapAssembler *as)
{
    return as->command;
}

const ImapAppendArgs *imap_assembler_append(const ImapAssembler *as)
{
    return as->append != NULL ? imap_append_parser_args(as->append) : NULL;
}

const ImapBad *imap_assembler_error(const ImapAssembler *as)
{
    return &as->bad;
}

static void set_bad(ImapAssembler *as, const char *code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The first reason stands. */
static void set_bad(ImapAssembler *as, const char *code, const char *format, ...)
{
    va_list args;

    if (as->reason != NULL)
        return;
    va_start(args, format);
    as->reason = g_strdup_vprintf(format, args);
    va_end(args);
    as->bad = (ImapBad){.tag = as->command->tag, .code = code, .reason = as->reason};
    as->discarding = TRUE;
}

/* What comes next for a command that won't be run. */
static ImapFeed assembler_give_up(const ImapAssembler *as, gboolean announced)
{
    if (announced && !as->literal.sync)
        return IMAP_FEED_DISCARD;
    return as->refused ? IMAP_FEED_REFUSED : IMAP_FEED_BAD;
}

static ImapFeed assembler_fail(ImapAssembler *as, gboolean announced, const char *code,
                               const char *format, ...) G_GNUC_PRINTF(4, 5);

static ImapFeed assembler_fail(ImapAssembler *as, gboolean announced, const char *code,
                               const char *format, ...)
{
    g_autofree char *reason = NULL;
    va_list args;

    va_start(args, format);
    reason = g_strdup_vprintf(format, args);
    va_end(args);
    set_bad(as, code, "%s", reason);
    return assembler_give_up(as, announced);
}

/*
 * Whether the line ends in the announcement of a literal, "{12}", "{12+}", "~{12}"; then *length
 * becomes what stands before it. More digits than fit are as many octets as can be.
 */
static gboolean read_announcement(const char *line, gsize *length, ImapLiteral *literal)
{
    gsize at = *length, digits;
    guint64 size = 0;

    if (at == 0 || line[--at] != '}')
        return FALSE;
    literal->sync = !(at > 0 && line[at - 1] == '+');
    if (!literal->sync)
        at--;
    for (digits = at; digits > 0 && g_ascii_isdigit(line[digits - 1]); digits--)
        ;
    if (digits == at || digits == 0 || line[digits - 1] != '{')
        return FALSE;
    for (gsize i = digits; i < at; i++)
        size = size > G_MAXUINT64 / 10 - 1 ? G_MAXUINT64 : size * 10 + (guint64)(line[i] - '0');
    literal->size = size;
    literal->binary = digits > 1 && line[digits - 2] == '~';
    *length = digits - (literal->binary ? 2 : 1);
    return TRUE;
}

static gboolean is_append(const ImapCommand *command)
{
    if (g_str_equal(command->name, "APPEND"))
        return !command->uid;
    return g_str_equal(command->name, "REPLACE");
}

/* The tag and the name, on the first line. */
static gboolean begin(ImapAssembler *as, const char *line, gsize length, gsize *rest,
                      GError **error)
{
    as->begun = TRUE;
    if (!imap_command_read_start(as->command, line, length, rest, error))
        return FALSE;
    if (is_append(as->command))
        as->append = imap_append_parser_new(as->command, &as->limits, as->mode);
    return TRUE;
}

static const char *find_excess(const ImapAssembler *as, gsize length)
{
    if (length > as->limits.line)
        return "the line is too long";
    return as->command->octets + length > as->limits.command ? "the command is too long" : NULL;
}

/* Whether the octets of a line can belong to a command. */
static const char *find_fault(const char *line, gsize length)
{
    if (memchr(line, '\0', length) != NULL || memchr(line, '\r', length) != NULL ||
        memchr(line, '\n', length) != NULL)
        return "the line has a NUL, CR or LF in it";
    return NULL;
}

/* A literal that is an argument. */
static ImapFeed announce_argument(ImapAssembler *as)
{
    if (as->command->literals >= as->limits.literals)
        return assembler_fail(as, TRUE, NULL, "the command has more than %u literals",
                              as->limits.literals);
    if (as->literal.size > as->limits.literal)
        return assembler_fail(as, TRUE, "TOOBIG",
                              "the literal is larger than %" G_GSIZE_FORMAT " octets",
                              as->limits.literal);
    if (as->literal.size > as->limits.command - as->command->octets)
        return assembler_fail(as, TRUE, "TOOBIG", "the command is too long");
    as->command->literals++;
    return IMAP_FEED_LITERAL;
}

static ImapFeed announce_message(ImapAssembler *as)
{
    if (as->limits.message == 0)
        return assembler_fail(as, TRUE, NULL, "Log in first");
    if (as->literal.size > as->limits.message) {
        set_bad(as, "TOOBIG",
                "the message is larger than %" G_GUINT64_FORMAT
                " octets, the most that is accepted",
                as->limits.message);
        as->bad.refused = TRUE;
        return assembler_give_up(as, TRUE);
    }
    return IMAP_FEED_MESSAGE;
}

/* The line just added ends in a literal. */
static ImapFeed assembler_announce(ImapAssembler *as)
{
    g_autoptr(GError) error = NULL;

    imap_command_add_literal(as->command, as->literal.size, as->literal.binary);
    if (!as->literal.sync && as->literal.size > as->literal_plus)
        return assembler_fail(as, TRUE, NULL,
                              "a non-synchronizing literal may have at most %" G_GUINT64_FORMAT
                              " octets (RFC 7888)",
                              as->literal_plus);
    if (as->append == NULL)
        return announce_argument(as);
    switch (imap_append_parser_run(as->append, &error)) {
    case IMAP_APPEND_KEEP:
        return announce_argument(as);
    case IMAP_APPEND_STREAM:
        return announce_message(as);
    default:
        return assembler_fail(as, TRUE, NULL, "%s",
                              error != NULL ? error->message : "too many arguments");
    }
}

static ImapFeed complete(ImapAssembler *as)
{
    g_autoptr(GError) error = NULL;

    if (as->append != NULL && imap_append_parser_run(as->append, &error) == IMAP_APPEND_BAD)
        return assembler_fail(as, FALSE, NULL, "%s", error->message);
    return IMAP_FEED_COMPLETE;
}

ImapFeed imap_assembler_line(ImapAssembler *as, const char *line, gsize length)
{
    g_autoptr(GError) error = NULL;
    gsize rest = 0, end = length;
    gboolean announced = read_announcement(line, &end, &as->literal);
    const char *fault, *excess;

    if (as->discarding)
        return assembler_give_up(as, announced);
    fault = find_fault(line, length);
    excess = find_excess(as, length);
    if (!as->begun && !begin(as, line, end, &rest, &error))
        return assembler_fail(as, announced, NULL, "%s", error->message);
    if (excess != NULL)
        return assembler_fail(as, announced, "TOOBIG", "%s", excess);
    if (fault != NULL)
        return assembler_fail(as, announced, NULL, "%s", fault);
    imap_command_add_text(as->command, line + rest, end - rest);
    return announced ? assembler_announce(as) : complete(as);
}

static ImapPiece *pending_piece(ImapAssembler *as)
{
    GArray *pieces = as->command->pieces;

    return &g_array_index(pieces, ImapPiece, pieces->len - 1);
}

void imap_assembler_literal_data(ImapAssembler *as, GBytes *octets)
{
    ImapPiece *piece = pending_piece(as);
    gsize size;
    const char *data = g_bytes_get_data(octets, &size);

    piece->pending = FALSE;
    piece->data = g_bytes_ref(octets);
    as->command->octets += size;
    if (!piece->binary && size > 0 && memchr(data, '\0', size) != NULL)
        set_bad(as, NULL, "a NUL octet can only be sent in a literal8, ~{...} (RFC 3516)");
}

void imap_assembler_literal_streamed(ImapAssembler *as)
{
    ImapPiece *piece = pending_piece(as);

    piece->pending = FALSE;
    piece->streamed = TRUE;
}

ImapFeed imap_assembler_refuse(ImapAssembler *as)
{
    as->refused = as->discarding = TRUE;
    return assembler_give_up(as, TRUE);
}
