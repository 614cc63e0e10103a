/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The section of BODY[...].
 */
#include "daemon/proto/imap/section.h"

#include <string.h>

#include "daemon/proto/imap/quote.h"

static const struct {
    const char *name;
    ImapSectionKind kind;
    gboolean fields;
} texts[] = {
    {"HEADER", IMAP_SECTION_HEADER, FALSE},
    {"HEADER.FIELDS", IMAP_SECTION_HEADER_FIELDS, TRUE},
    {"HEADER.FIELDS.NOT", IMAP_SECTION_HEADER_FIELDS_NOT, TRUE},
    {"TEXT", IMAP_SECTION_TEXT, FALSE},
    {"MIME", IMAP_SECTION_MIME, FALSE},
};

void imap_section_clear(ImapSection *section)
{
    g_clear_pointer(&section->parts, g_free);
    g_clear_pointer(&section->fields, g_strfreev);
}

/* "1.2" or "1.2."; *more says whether a text must follow. */
static gboolean read_parts(ImapLexer *lexer, ImapSection *out, gboolean *more, GError **error)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint32 number;

    *more = FALSE;
    while (g_ascii_isdigit(imap_lexer_peek(lexer))) {
        if (parts->len == lexer->limits->part_numbers) {
            g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT,
                        "the section has more than %u part numbers", parts->len);
            return FALSE;
        }
        if (!imap_lexer_nz_number(lexer, &number, error))
            return FALSE;
        g_array_append_val(parts, number);
        *more = imap_lexer_take(lexer, '.');
        if (!*more)
            break;
    }
    out->n_parts = parts->len;
    out->parts = g_memdup2(parts->data, parts->len * sizeof number);
    return TRUE;
}

static gboolean read_field(ImapLexer *lexer, gpointer data, GError **error)
{
    char *field = imap_lexer_astring(lexer, "a header field name", error);

    if (field == NULL)
        return FALSE;
    g_ptr_array_add(data, field);
    return TRUE;
}

static gboolean read_fields(ImapLexer *lexer, ImapSection *out, GError **error)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new_with_free_func(g_free);

    if (!imap_lexer_space(lexer, error) ||
        !imap_lexer_list(lexer, "header field names", FALSE, read_field, fields, error))
        return FALSE;
    g_ptr_array_add(fields, NULL);
    g_ptr_array_set_free_func(fields, NULL);
    out->fields = (char **)g_ptr_array_free(g_steal_pointer(&fields), FALSE);
    return TRUE;
}

static gboolean read_section_text(ImapLexer *lexer, ImapSection *out, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!imap_lexer_take_word(lexer, texts[i].name))
            continue;
        out->kind = texts[i].kind;
        if (out->kind == IMAP_SECTION_MIME && out->n_parts == 0)
            break;
        return !texts[i].fields || read_fields(lexer, out, error);
    }
    return imap_lexer_fail(lexer,
                           out->n_parts > 0 ? "HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or "
                                              "MIME behind the part number"
                                            : "HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or "
                                              "a part number",
                           error);
}

static gboolean read_section(ImapLexer *lexer, gboolean binary, ImapSection *out, GError **error)
{
    gboolean more;

    if (!imap_lexer_expect(lexer, '[', error) || !read_parts(lexer, out, &more, error))
        return FALSE;
    if (more && binary)
        return imap_lexer_fail(lexer, "only part numbers", error);
    if (more || (out->n_parts == 0 && !binary && imap_lexer_peek(lexer) != ']'))
        if (!read_section_text(lexer, out, error))
            return FALSE;
    return imap_lexer_expect(lexer, ']', error);
}

gboolean imap_section_read(ImapLexer *lexer, gboolean binary, ImapSection *out, GError **error)
{
    *out = (ImapSection){IMAP_SECTION_ALL};
    if (read_section(lexer, binary, out, error))
        return TRUE;
    imap_section_clear(out);
    return FALSE;
}

static void format_fields(const ImapSection *section, GString *out)
{
    for (char **field = section->fields; *field != NULL; field++) {
        g_string_append(out, field == section->fields ? " (" : " ");
        imap_quote_append_astring(out, *field, strlen(*field), FALSE);
    }
    g_string_append_c(out, ')');
}

void imap_section_format(const ImapSection *section, GString *out)
{
    g_string_append_c(out, '[');
    for (guint i = 0; i < section->n_parts; i++)
        g_string_append_printf(out, i > 0 ? ".%u" : "%u", section->parts[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (texts[i].kind != section->kind)
            continue;
        if (section->n_parts > 0)
            g_string_append_c(out, '.');
        g_string_append(out, texts[i].name);
        if (texts[i].fields)
            format_fields(section, out);
    }
    g_string_append_c(out, ']');
}
