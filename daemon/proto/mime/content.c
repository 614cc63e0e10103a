/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading Content-... fields into a part. See content.h. */
#include "daemon/proto/mime/content.h"

#include <string.h>

typedef struct {
    MimePart *part;
    const MimeField *field;
    MimeArena *arena;
    GString *scratch; /* empty */
    MimeTokens tokens;
} Content;

static const char *keep_token(Content *content)
{
    return mime_arena_strndup(content->arena, content->scratch->str, content->scratch->len);
}

/* "type/subtype" into scratch. FALSE when it is broken; scratch may hold a type without a subtype
 * then. */
static gboolean read_type_tokens(Content *content)
{
    MimeTokens *tokens = &content->tokens;
    GString *text = content->scratch;

    if (mime_token_mime(tokens, text) != MIME_TOKEN_MORE || text->len == 0)
        return FALSE;
    if (*tokens->pos == '/') {
        tokens->pos++;
        g_string_append_c(text, '/');

        gsize subtype = text->len;

        if (mime_token_skip_space(tokens) == MIME_TOKEN_MORE &&
            mime_token_mime(tokens, text) != MIME_TOKEN_BAD && text->len > subtype &&
            (tokens->pos == tokens->end || *tokens->pos == ';'))
            return TRUE;
    }
    g_string_truncate(text, 0);
    return FALSE;
}

static MimePartKind kind_of(const MimePart *part)
{
    if (g_ascii_strcasecmp(part->type, "text") == 0)
        return MIME_PART_TEXT;
    if (part->subtype[0] == '\0')
        return MIME_PART_OTHER;
    if (g_ascii_strcasecmp(part->type, "multipart") == 0)
        return MIME_PART_MULTIPART;
    if (g_ascii_strcasecmp(part->type, "message") == 0 &&
        g_ascii_strcasecmp(part->subtype, "rfc822") == 0)
        return MIME_PART_MESSAGE;
    return MIME_PART_OTHER;
}

static void read_type(Content *content)
{
    MimePart *part = content->part;

    part->is_mime = TRUE;
    if (part->type != NULL)
        return;

    gboolean good = read_type_tokens(content);
    char *type = mime_arena_strndup(content->arena, content->scratch->str, content->scratch->len);
    char *slash = strchr(type, '/');

    part->type = type;
    part->subtype = "";
    if (slash != NULL) {
        *slash = '\0';
        part->subtype = slash + 1;
    }
    part->kind = kind_of(part);
    part->is_digest =
        part->kind == MIME_PART_MULTIPART && g_ascii_strcasecmp(part->subtype, "digest") == 0;
    if (good)
        part->type_params = mime_token_params(&content->tokens, content->arena, content->scratch);
}

static void read_transfer_encoding(Content *content)
{
    MimePart *part = content->part;

    if (part->transfer_encoding != NULL)
        return;
    if (mime_token_mime(&content->tokens, content->scratch) != MIME_TOKEN_LAST ||
        content->scratch->len == 0) {
        part->encoding = MIME_ENCODING_UNKNOWN;
        return;
    }
    part->transfer_encoding = keep_token(content);
    part->encoding = mime_encoding_from_name(part->transfer_encoding);
}

static void read_disposition(Content *content)
{
    MimePart *part = content->part;

    if (part->disposition_params.length > 0 ||
        mime_token_mime(&content->tokens, content->scratch) == MIME_TOKEN_BAD)
        return;
    part->disposition = keep_token(content);
    part->disposition_params =
        mime_token_params(&content->tokens, content->arena, content->scratch);
}

static void read_languages(Content *content)
{
    MimeTokens *tokens = &content->tokens;

    if (content->part->languages != NULL)
        return;

    g_autoptr(GPtrArray) found = g_ptr_array_new();

    while (mime_token_atom(tokens, content->scratch) != MIME_TOKEN_BAD) {
        g_ptr_array_add(found, (gpointer)keep_token(content));
        g_string_truncate(content->scratch, 0);
        if (tokens->pos >= tokens->end || *tokens->pos != ',')
            break;
        tokens->pos++;
        mime_token_skip_space(tokens);
    }
    if (found->len == 0)
        return;
    g_ptr_array_add(found, NULL);

    const char **languages = mime_arena_alloc(content->arena, found->len * sizeof(const char *));

    memcpy(languages, found->pdata, found->len * sizeof(const char *));
    content->part->languages = languages;
}

/* A field that is kept as it is. */
static void keep_value(Content *content, const char **where)
{
    if (*where == NULL)
        *where =
            mime_arena_strndup(content->arena, content->field->value, content->field->value_length);
}

static void read_id(Content *content)
{
    keep_value(content, &content->part->id);
}

static void read_description(Content *content)
{
    keep_value(content, &content->part->description);
}

static void read_md5(Content *content)
{
    keep_value(content, &content->part->md5);
}

static void read_location(Content *content)
{
    keep_value(content, &content->part->location);
}

static const struct {
    const char *name;
    void (*read)(Content *content);
} content_fields[] = {
    {"Content-Type", read_type},
    {"Content-Transfer-Encoding", read_transfer_encoding},
    {"Content-Disposition", read_disposition},
    {"Content-Language", read_languages},
    {"Content-ID", read_id},
    {"Content-Description", read_description},
    {"Content-MD5", read_md5},
    {"Content-Location", read_location},
};

void mime_content_field(MimePart *part, const MimeField *field, MimeArena *arena, GString *scratch)
{
    if (field->name_length <= strlen("Content-") ||
        g_ascii_strncasecmp(field->name, "Content-", strlen("Content-")) != 0)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(content_fields); i++) {
        if (!mime_field_is(field, content_fields[i].name))
            continue;

        Content content = {
            .part = part,
            .field = field,
            .arena = arena,
            .scratch = g_string_truncate(scratch, 0),
            .tokens = {.pos = field->value, .end = field->value + field->value_length},
        };

        mime_token_skip_space(&content.tokens);
        content_fields[i].read(&content);
        return;
    }
}

void mime_content_forget(MimePart *part)
{
    MimePart kept = *part;

    memset(part, 0, sizeof(*part));
    part->parent = kept.parent;
    part->children = kept.children;
    part->last_child = kept.last_child;
    part->next = kept.next;
    part->header_start = kept.header_start;
    part->header_length = kept.header_length;
    part->body_length = kept.body_length;
    part->header_lines = kept.header_lines;
    part->body_lines = kept.body_lines;
}
