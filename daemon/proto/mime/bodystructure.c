/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rendering BODYSTRUCTURE, and BODY from it. See bodystructure.h. */
#include "daemon/proto/mime/bodystructure.h"

#include "daemon/proto/mime/content.h"
#include "daemon/proto/mime/envelope.h"
#include "daemon/proto/mime/quote.h"

#include <string.h>

/* A multipart without parts isn't allowed in BODYSTRUCTURE: an empty text stands in. */
#define EMPTY_TEXT                                                                                 \
    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)"

static void render_number(GString *out, gsize number)
{
    char text[32];

    g_string_append_len(out, text, g_snprintf(text, sizeof(text), " %" G_GSIZE_FORMAT, number));
}

/* with_charset: a text has a charset, us-ascii if it doesn't say (RFC 2046, 4.1.2). */
static void render_params(GString *out, const MimeParams *params, gboolean with_charset)
{
    with_charset = with_charset && mime_params_get(params, "charset") == NULL;
    if (!with_charset && params->length == 0) {
        g_string_append(out, " NIL");
        return;
    }
    g_string_append(out, " (");
    for (guint i = 0; i < params->length; i++) {
        if (i > 0)
            g_string_append_c(out, ' ');
        mime_quote_nstring(out, params->items[i].name);
        g_string_append_c(out, ' ');
        mime_quote_nstring(out, params->items[i].value);
    }
    if (with_charset)
        g_string_append(out, params->length > 0 ? " \"charset\" \"us-ascii\""
                                                : "\"charset\" \"us-ascii\"");
    g_string_append_c(out, ')');
}

static void render_value(GString *out, const char *value)
{
    g_string_append_c(out, ' ');
    mime_quote_unfolded(out, value, value != NULL ? strlen(value) : 0);
}

static void render_extension(GString *out, const MimePart *part)
{
    if (part->disposition == NULL) {
        g_string_append(out, " NIL");
    } else {
        g_string_append(out, " (");
        mime_quote_nstring(out, part->disposition);
        render_params(out, &part->disposition_params, FALSE);
        g_string_append_c(out, ')');
    }
    if (part->languages == NULL) {
        g_string_append(out, " NIL");
    } else {
        for (guint i = 0; part->languages[i] != NULL; i++) {
            g_string_append(out, i == 0 ? " (" : " ");
            mime_quote_nstring(out, part->languages[i]);
        }
        g_string_append_c(out, ')');
    }
    render_value(out, part->location);
}

/* Whether the part would have children, had the parser's limits let it. */
static gboolean is_cut_off(const MimePart *part)
{
    if (part->kind != MIME_PART_OTHER)
        return FALSE;
    return part->type == NULL || g_ascii_strcasecmp(part->type, "multipart") == 0 ||
           (g_ascii_strcasecmp(part->type, "message") == 0 &&
            g_ascii_strcasecmp(part->subtype, "rfc822") == 0);
}

static void render_type(GString *out, const MimePart *part)
{
    if (part->kind == MIME_PART_MESSAGE) {
        g_string_append(out, "\"message\" \"rfc822\"");
    } else if (is_cut_off(part)) {
        g_string_append(out, "\"application\" \"octet-stream\"");
    } else if (part->type == NULL) {
        g_string_append(out, "\"text\" \"plain\"");
    } else {
        mime_quote_nstring(out, part->type);
        g_string_append_c(out, ' ');
        mime_quote_nstring(out, part->subtype);
    }
}

/* Whether the part says no more than what goes without saying: plain ASCII text. */
static gboolean is_plain_ascii(const MimePart *part)
{
    const MimeParams *params = &part->type_params;

    if (part->kind != MIME_PART_TEXT ||
        (part->subtype != NULL && g_ascii_strcasecmp(part->subtype, "plain") != 0) ||
        (part->transfer_encoding != NULL &&
         g_ascii_strcasecmp(part->transfer_encoding, "7bit") != 0))
        return FALSE;
    if (params->length > 0 &&
        (params->length > 1 || g_ascii_strcasecmp(params->items[0].name, "charset") != 0 ||
         g_ascii_strcasecmp(params->items[0].value, "us-ascii") != 0))
        return FALSE;
    return part->id == NULL && part->description == NULL && part->md5 == NULL &&
           part->disposition == NULL && part->languages == NULL && part->location == NULL;
}

/* What comes before the children. header: how much of that of a message within is looked at. */
static void render_start(GString *out, const MimePart *part, const char *message, gsize header)
{
    g_string_append_c(out, '(');
    if (part->kind == MIME_PART_MULTIPART)
        return;
    render_type(out, part);
    render_params(out, &part->type_params, part->kind == MIME_PART_TEXT);
    render_value(out, part->id);
    render_value(out, part->description);
    g_string_append_c(out, ' ');
    mime_quote_nstring(out, part->transfer_encoding != NULL ? part->transfer_encoding : "7bit");
    render_number(out, part->body_length);
    if (part->kind == MIME_PART_MESSAGE) {
        g_string_append_c(out, ' ');
        mime_envelope_render(message + part->children->header_start, header, out);
        g_string_append_c(out, ' ');
    }
}

/* What comes behind them. */
static void render_end(GString *out, const MimePart *part)
{
    if (part->kind == MIME_PART_MULTIPART) {
        if (part->children == NULL)
            g_string_append(out, EMPTY_TEXT);
        g_string_append_c(out, ' ');
        mime_quote_nstring(out, part->subtype);
        render_params(out, &part->type_params, FALSE);
    } else {
        if (part->kind != MIME_PART_OTHER)
            render_number(out, part->body_lines);
        render_value(out, part->md5);
    }
    render_extension(out, part);
    g_string_append_c(out, ')');
}

/* The part with nothing that it says of itself but its kind; its places and children stay. */
static MimePart bare(const MimePart *part)
{
    static const struct {
        const char *type, *subtype;
    } types[] = {
        [MIME_PART_TEXT] = {"text", "plain"},
        [MIME_PART_MULTIPART] = {"multipart", "mixed"},
        [MIME_PART_MESSAGE] = {"message", "rfc822"},
        [MIME_PART_OTHER] = {"application", "octet-stream"},
    };
    MimePart copy = *part;

    mime_content_forget(&copy);
    copy.kind = part->kind;
    copy.type = types[part->kind].type;
    copy.subtype = types[part->kind].subtype;
    return copy;
}

typedef struct {
    GString *out;
    gsize before; /* what out held */
    const char *message;
} Renderer;

static gboolean is_long(const Renderer *renderer)
{
    return renderer->out->len - renderer->before >= MIME_BODYSTRUCTURE_MAX;
}

static void begin(Renderer *renderer, const MimePart *part)
{
    MimePart copy = is_long(renderer) ? bare(part) : *part;
    gsize header = part->children == NULL || is_long(renderer) ? 0 : part->children->header_length;

    render_start(renderer->out, &copy, renderer->message, header);
}

static void end(Renderer *renderer, const MimePart *part)
{
    MimePart copy = is_long(renderer) ? bare(part) : *part;

    render_end(renderer->out, &copy);
}

void mime_bodystructure_render_part(const MimePart *root, const char *message, GString *out)
{
    Renderer renderer = {out, out->len, message};
    const MimePart *part = root;

    /* Dovecot writes this one in lower case, whatever the message says. */
    if (part->parent == NULL && is_plain_ascii(part)) {
        g_string_append(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\"");
        render_number(out, part->body_length);
        render_number(out, part->body_lines);
        g_string_append(out, " NIL NIL NIL NIL)");
        return;
    }
    for (;;) {
        begin(&renderer, part);
        if (part->children != NULL) {
            part = part->children;
            continue;
        }
        end(&renderer, part);
        while (part != root && part->next == NULL) {
            part = part->parent;
            end(&renderer, part);
        }
        if (part == root)
            return;
        part = part->next;
    }
}

void mime_bodystructure_render(const MimeStructure *structure, const char *message, GString *out)
{
    mime_bodystructure_render_part(mime_structure_root(structure), message, out);
}

/* --- BODY from BODYSTRUCTURE --- */

/* The text is walked through value by value: a list, a string, a literal, an atom. */
typedef struct {
    const char *pos;
    const char *end;
    guint depth; /* parentheses that may still be opened */
} Walk;

static gboolean walk_at(const Walk *walk, char c)
{
    return walk->pos < walk->end && *walk->pos == c;
}

static gboolean expect(Walk *walk, char c)
{
    if (!walk_at(walk, c))
        return FALSE;
    walk->pos++;
    return TRUE;
}

static gboolean skip_quoted(Walk *walk)
{
    for (walk->pos++; walk->pos < walk->end; walk->pos++) {
        if (*walk->pos == '"') {
            walk->pos++;
            return TRUE;
        }
        if (*walk->pos == '\\' && walk->pos + 1 < walk->end)
            walk->pos++;
    }
    return FALSE;
}

static gboolean skip_literal(Walk *walk)
{
    gsize length = 0;

    for (walk->pos++; walk->pos < walk->end && g_ascii_isdigit(*walk->pos); walk->pos++) {
        length = length * 10 + (gsize)(*walk->pos - '0');
        if (length > (gsize)(walk->end - walk->pos))
            return FALSE;
    }
    if (walk->end - walk->pos < 3 || memcmp(walk->pos, "}\r\n", 3) != 0)
        return FALSE;
    walk->pos += 3;
    if (length > (gsize)(walk->end - walk->pos))
        return FALSE;
    walk->pos += length;
    return TRUE;
}

/* A string, literal, number or NIL. */
static gboolean skip_word(Walk *walk)
{
    if (walk_at(walk, '"'))
        return skip_quoted(walk);
    if (walk_at(walk, '{'))
        return skip_literal(walk);

    const char *start = walk->pos;

    while (walk->pos < walk->end && memchr("() \"{", *walk->pos, 5) == NULL)
        walk->pos++;
    return walk->pos > start;
}

/* Goes to behind the parenthesis that closes the list that pos is in. */
static gboolean leave_list(Walk *walk)
{
    guint open = 1;

    while (walk->pos < walk->end && open > 0) {
        if (*walk->pos == '(' || *walk->pos == ')' || *walk->pos == ' ') {
            open += *walk->pos == '(';
            open -= *walk->pos == ')';
            walk->pos++;
        } else if (!skip_word(walk)) {
            return FALSE;
        }
    }
    return open == 0;
}

static gboolean skip_value(Walk *walk)
{
    if (!expect(walk, '('))
        return skip_word(walk);
    return leave_list(walk);
}

/* One value and the space before it, copied. */
static gboolean copy_value(Walk *walk, GString *out)
{
    const char *start = walk->pos;

    if (!expect(walk, ' ') || !skip_value(walk))
        return FALSE;
    g_string_append_len(out, start, walk->pos - start);
    return TRUE;
}

static gboolean copy_body(Walk *walk, GString *out);

static gboolean copy_multipart(Walk *walk, GString *out)
{
    while (walk_at(walk, '('))
        if (!copy_body(walk, out))
            return FALSE;
    return copy_value(walk, out);
}

static gboolean copy_single_part(Walk *walk, GString *out)
{
    const char *start = walk->pos;

    if (!skip_word(walk))
        return FALSE;

    gboolean text = walk->pos - start == 6 && g_ascii_strncasecmp(start, "\"text\"", 6) == 0;
    gboolean message = walk->pos - start == 9 && g_ascii_strncasecmp(start, "\"message\"", 9) == 0;

    g_string_append_len(out, start, walk->pos - start);
    start = walk->pos;
    if (!copy_value(walk, out))
        return FALSE;
    message =
        message && walk->pos - start == 9 && g_ascii_strncasecmp(start, " \"rfc822\"", 9) == 0;
    for (guint i = 0; i < 5; i++) /* parameters, id, description, encoding, size */
        if (!copy_value(walk, out))
            return FALSE;
    if (message) {
        if (!copy_value(walk, out) || !expect(walk, ' '))
            return FALSE;
        g_string_append_c(out, ' ');
        if (!copy_body(walk, out))
            return FALSE;
    }
    return (!text && !message) || copy_value(walk, out);
}

static gboolean copy_body(Walk *walk, GString *out)
{
    if (walk->depth == 0 || !expect(walk, '('))
        return FALSE;
    walk->depth--;
    g_string_append_c(out, '(');
    if (!(walk_at(walk, '(') ? copy_multipart(walk, out) : copy_single_part(walk, out)))
        return FALSE;
    g_string_append_c(out, ')');
    walk->depth++;
    return leave_list(walk);
}

gboolean mime_body_from_bodystructure(const char *bodystructure, gsize length, guint max_depth,
                                      GString *out)
{
    Walk walk = {bodystructure, bodystructure + length, max_depth};
    gsize before = out->len;

    if (copy_body(&walk, out) && walk.pos == walk.end)
        return TRUE;
    g_string_truncate(out, before);
    return FALSE;
}
