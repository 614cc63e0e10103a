/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parsing address lists. See address.h.
 *
 * The grammar is tried from the most to the least specific: a group, a name with an address in
 * angles, a bare address; each attempt starts over where the entry starts. What becomes of input
 * that is none of them follows Dovecot, since clients get to see it in ENVELOPE. */
#include "daemon/proto/mime/address.h"

#include "daemon/proto/mime/text.h"
#include "daemon/proto/mime/token.h"

#include <string.h>

typedef struct {
    MimeTokens tokens;
    MimeArena *arena;
    GString *scratch;
    MimeAddress current; /* the entry being read */
    MimeAddress *first;
    MimeAddress **tail;
    guint left; /* entries that may still be added */
} Reader;

static gboolean is_at(const Reader *reader, char c)
{
    return reader->tokens.pos < reader->tokens.end && *reader->tokens.pos == c;
}

static const char *keep_text(Reader *reader, const GString *text)
{
    return mime_arena_strndup(reader->arena, text->str, text->len);
}

static void add_entry(Reader *reader)
{
    MimeAddress *entry = mime_arena_alloc(reader->arena, sizeof(MimeAddress));

    reader->left -= reader->left > 0;
    *entry = reader->current;
    entry->next = NULL;
    *reader->tail = entry;
    reader->tail = &entry->next;
    memset(&reader->current, 0, sizeof(reader->current));
}

static void add_mailbox(Reader *reader)
{
    MimeAddress *entry = &reader->current;

    if (entry->mailbox == NULL) {
        entry->mailbox = "MISSING_MAILBOX";
        entry->broken = TRUE;
    }
    if (entry->domain == NULL || entry->domain[0] == '\0') {
        entry->domain = "MISSING_DOMAIN";
        entry->broken = TRUE;
    }
    add_entry(reader);
}

/* Atoms with dots anywhere between, before and after them: wrong, but in use. */
static MimeTokenResult loose_dot_atom(MimeTokens *tokens, GString *out)
{
    MimeTokenResult result = MIME_TOKEN_BAD;

    do {
        while (*tokens->pos == '.') {
            g_string_append_c(out, '.');
            if (++tokens->pos == tokens->end)
                return MIME_TOKEN_LAST;
            result = MIME_TOKEN_MORE;
        }
        if (*tokens->pos == '@')
            break;
        result = mime_token_atom(tokens, out);
    } while (result == MIME_TOKEN_MORE && *tokens->pos == '.');
    return result;
}

static MimeTokenResult read_local_part(Reader *reader)
{
    g_string_truncate(reader->scratch, 0);

    MimeTokenResult result = is_at(reader, '"')
                                 ? mime_token_quoted(&reader->tokens, reader->scratch)
                                 : loose_dot_atom(&reader->tokens, reader->scratch);

    if (result != MIME_TOKEN_BAD)
        reader->current.mailbox = keep_text(reader, reader->scratch);
    return result;
}

static MimeTokenResult read_domain(Reader *reader)
{
    g_string_truncate(reader->scratch, 0);

    MimeTokenResult result = mime_token_domain(&reader->tokens, reader->scratch);

    if (result != MIME_TOKEN_BAD)
        reader->current.domain = keep_text(reader, reader->scratch);
    return result;
}

/* "@one,@two:" behind the opening angle. Whether it was a route; where not, what is left is tried
 * as an address. */
static gboolean read_route(Reader *reader)
{
    g_string_truncate(reader->scratch, 0);
    while (is_at(reader, '@')) {
        g_string_append(reader->scratch, reader->scratch->len > 0 ? ",@" : "@");
        if (mime_token_domain(&reader->tokens, reader->scratch) != MIME_TOKEN_MORE)
            return FALSE;
        while (mime_token_skip_space(&reader->tokens) == MIME_TOKEN_MORE && is_at(reader, ','))
            reader->tokens.pos++;
    }
    if (reader->tokens.pos >= reader->tokens.end)
        return FALSE;
    reader->current.route = keep_text(reader, reader->scratch);
    if (!is_at(reader, ':'))
        return FALSE;
    reader->tokens.pos++;
    return TRUE;
}

/* "<local@domain>" with an optional route; pos is at the angle. */
static MimeTokenResult read_angle_address(Reader *reader)
{
    reader->tokens.pos++;
    if (mime_token_skip_space(&reader->tokens) != MIME_TOKEN_MORE)
        return MIME_TOKEN_BAD;
    if (is_at(reader, '@')) {
        if (!read_route(reader))
            reader->current.route = "INVALID_ROUTE";
        if (mime_token_skip_space(&reader->tokens) != MIME_TOKEN_MORE)
            return MIME_TOKEN_BAD;
    }
    if (!is_at(reader, '>')) {
        if (read_local_part(reader) != MIME_TOKEN_MORE)
            return MIME_TOKEN_BAD;
        if (is_at(reader, '@') && read_domain(reader) != MIME_TOKEN_MORE)
            return MIME_TOKEN_BAD;
    }
    if (!is_at(reader, '>'))
        return MIME_TOKEN_BAD;
    reader->tokens.pos++;
    return mime_token_skip_space(&reader->tokens);
}

/* BAD means that it isn't a name with an address in angles at all. */
static MimeTokenResult read_name_address(Reader *reader)
{
    g_string_truncate(reader->scratch, 0);
    if (mime_token_phrase(&reader->tokens, reader->scratch) != MIME_TOKEN_MORE ||
        !is_at(reader, '<'))
        return MIME_TOKEN_BAD;
    if (reader->scratch->len > 0)
        reader->current.name = keep_text(reader, reader->scratch);
    if (read_angle_address(reader) == MIME_TOKEN_BAD) {
        reader->current.domain = "SYNTAX_ERROR";
        reader->current.broken = TRUE;
    }
    return reader->tokens.pos < reader->tokens.end ? MIME_TOKEN_MORE : MIME_TOKEN_LAST;
}

/* Text with neither domain nor comment: a lone word could be a mailbox, several are a name. */
static void read_as_name(Reader *reader, gboolean quoted)
{
    g_string_append_c(reader->scratch, ' ');

    gsize before = reader->scratch->len;

    mime_token_phrase(&reader->tokens, reader->scratch);
    if (reader->scratch->len != before) {
        reader->current.mailbox = NULL;
        reader->current.name = keep_text(reader, reader->scratch);
    } else if (!quoted) {
        reader->current.domain = "";
    }
    reader->current.broken = TRUE;
}

/* "local@domain (Name)" */
static MimeTokenResult read_bare_address(Reader *reader)
{
    gboolean quoted = is_at(reader, '"'), tried_domain = FALSE;

    g_string_truncate(reader->tokens.comment, 0);

    MimeTokenResult result = read_local_part(reader);

    if (result != MIME_TOKEN_MORE)
        reader->current.broken = TRUE;
    if (result != MIME_TOKEN_LAST && is_at(reader, '@')) {
        MimeTokenResult domain_result = read_domain(reader);

        tried_domain = TRUE;
        if (domain_result != MIME_TOKEN_MORE)
            result = domain_result;
    }
    if (reader->tokens.comment->len > 0) {
        reader->current.name = keep_text(reader, reader->tokens.comment);
        return result;
    }
    if (tried_domain)
        return result;
    read_as_name(reader, quoted);
    return MIME_TOKEN_BAD;
}

static MimeTokenResult read_mailbox(Reader *reader)
{
    const char *start = reader->tokens.pos;
    MimeTokenResult result = read_name_address(reader);

    if (result == MIME_TOKEN_BAD) {
        MimeAddress *entry = &reader->current;

        reader->tokens.pos = start;
        result = read_bare_address(reader);
        if (entry->broken && entry->name == NULL && entry->mailbox != NULL &&
            entry->domain == NULL) {
            entry->name = entry->mailbox;
            entry->mailbox = NULL;
        }
    }
    if (result == MIME_TOKEN_BAD)
        reader->current.broken = TRUE;
    add_mailbox(reader);
    return result;
}

/* The members, behind the colon. BAD where the list just stops. */
static MimeTokenResult read_group_members(Reader *reader)
{
    for (;;) {
        read_mailbox(reader);
        if (!is_at(reader, ',') || reader->left == 0)
            return MIME_TOKEN_MORE;
        reader->tokens.pos++;
        if (mime_token_skip_space(&reader->tokens) != MIME_TOKEN_MORE)
            return MIME_TOKEN_BAD;
    }
}

/* "Name: members;" BAD means that it isn't a group at all. */
static MimeTokenResult read_group(Reader *reader)
{
    g_string_truncate(reader->scratch, 0);
    if (mime_token_phrase(&reader->tokens, reader->scratch) != MIME_TOKEN_MORE ||
        !is_at(reader, ':'))
        return MIME_TOKEN_BAD;
    reader->tokens.pos++;

    MimeTokenResult result = mime_token_skip_space(&reader->tokens);

    reader->current.broken = result != MIME_TOKEN_MORE;
    reader->current.mailbox = keep_text(reader, reader->scratch);
    add_entry(reader);
    if (result == MIME_TOKEN_MORE && !is_at(reader, ';'))
        result = read_group_members(reader);
    if (result != MIME_TOKEN_BAD) {
        result = MIME_TOKEN_BAD;
        if (is_at(reader, ';')) {
            reader->tokens.pos++;
            result = mime_token_skip_space(&reader->tokens);
        }
    }
    reader->current.broken = result == MIME_TOKEN_BAD;
    add_entry(reader);
    return result == MIME_TOKEN_LAST ? MIME_TOKEN_LAST : MIME_TOKEN_MORE;
}

static void read_list(Reader *reader)
{
    for (;;) {
        const char *start = reader->tokens.pos;
        MimeTokenResult result = read_group(reader);

        if (result == MIME_TOKEN_BAD) {
            reader->tokens.pos = start;
            result = read_mailbox(reader);
        }
        if (result == MIME_TOKEN_LAST || !is_at(reader, ',') || reader->left == 0)
            return;
        reader->tokens.pos++;
        result = mime_token_skip_space(&reader->tokens);
        if (result == MIME_TOKEN_BAD)
            add_mailbox(reader);
        if (result != MIME_TOKEN_MORE)
            return;
    }
}

MimeAddress *mime_address_parse(MimeArena *arena, const char *value, gsize length, guint max)
{
    g_autoptr(GString) scratch = g_string_sized_new(128);
    g_autoptr(GString) comment = g_string_sized_new(64);
    Reader reader = {
        .tokens = {.pos = value, .end = value + length, .comment = comment},
        .arena = arena,
        .scratch = scratch,
        .left = max,
    };

    reader.tail = &reader.first;
    if (mime_token_skip_space(&reader.tokens) == MIME_TOKEN_MORE)
        read_list(&reader);
    return reader.first;
}

char *mime_address_display(const MimeAddress *address)
{
    if (address->name != NULL && address->name[0] != '\0')
        return mime_text_decode_header(address->name, strlen(address->name));
    if (address->mailbox == NULL)
        return g_strdup("");
    if (address->domain == NULL)
        return mime_text_decode_header(address->mailbox, strlen(address->mailbox));

    g_autofree char *plain = g_strdup_printf("%s@%s", address->mailbox, address->domain);

    return g_utf8_make_valid(plain, -1);
}

const char *mime_address_sort_key(const MimeAddress *first)
{
    return first != NULL && first->mailbox != NULL ? first->mailbox : "";
}
