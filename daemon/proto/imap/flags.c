/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flags as they stand in commands and responses.
 */
#include "daemon/proto/imap/flags.h"

#include <string.h>

#include "daemon/proto/imap/chars.h"

static const struct {
    guint32 bit;
    const char *name;
} system_flags[] = {
    {IMAP_FLAG_ANSWERED, "\\Answered"}, {IMAP_FLAG_FLAGGED, "\\Flagged"},
    {IMAP_FLAG_DELETED, "\\Deleted"},   {IMAP_FLAG_SEEN, "\\Seen"},
    {IMAP_FLAG_DRAFT, "\\Draft"},
};

/* Without regard to ASCII case (RFC 3501, 2.3.2; RFC 5788). */
static gboolean is_same_keyword(gconstpointer a, gconstpointer b)
{
    return g_ascii_strcasecmp(a, b) == 0;
}

static guint hash_keyword(gconstpointer keyword)
{
    guint hash = 5381;

    for (const char *c = keyword; *c; c++)
        hash = hash * 33 + (guchar)g_ascii_tolower(*c);
    return hash;
}

ImapFlags *imap_flags_new(void)
{
    ImapFlags *flags = g_new0(ImapFlags, 1);

    flags->keywords = g_ptr_array_new_with_free_func(g_free);
    flags->names = g_hash_table_new(hash_keyword, is_same_keyword);
    return flags;
}

void imap_flags_free(ImapFlags *flags)
{
    if (flags == NULL)
        return;
    g_hash_table_unref(flags->names);
    g_ptr_array_unref(flags->keywords);
    g_free(flags);
}

static gboolean name_is(const char *name, gsize length, const char *expected)
{
    return length == strlen(expected) && g_ascii_strncasecmp(name, expected, length) == 0;
}

guint32 imap_flag_from_name(const char *name, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(system_flags); i++)
        if (name_is(name, length, system_flags[i].name))
            return system_flags[i].bit;
    return 0;
}

gboolean imap_keyword_is_valid(const char *name, gsize length)
{
    if (length == 0 || length > IMAP_KEYWORD_MAX)
        return FALSE;
    for (gsize i = 0; i < length; i++)
        if (!imap_is_atom_char(name[i]))
            return FALSE;
    return TRUE;
}

gboolean imap_flags_has_keyword(const ImapFlags *flags, const char *name)
{
    return g_hash_table_contains(flags->names, name);
}

static gboolean add_keyword(ImapFlags *flags, const char *name, gsize length)
{
    g_autofree char *keyword = NULL;

    if (!imap_keyword_is_valid(name, length))
        return FALSE;
    keyword = g_strndup(name, length);
    if (imap_flags_has_keyword(flags, keyword))
        return TRUE;
    g_hash_table_add(flags->names, keyword);
    g_ptr_array_add(flags->keywords, g_steal_pointer(&keyword));
    return TRUE;
}

gboolean imap_flags_add(ImapFlags *flags, const char *name, gsize length)
{
    guint32 bit;

    if (length == 0 || name[0] != '\\')
        return add_keyword(flags, name, length);
    if (name_is(name, length, "\\Recent"))
        return flags->recent = TRUE;
    if (name_is(name, length, "\\*"))
        return flags->any = TRUE;
    bit = imap_flag_from_name(name, length);
    flags->system |= bit;
    return bit != 0;
}

void imap_flags_format(guint32 system, gboolean recent, const char *const *keywords, GString *out)
{
    const char *separator = "";

    for (gsize i = 0; i < G_N_ELEMENTS(system_flags); i++) {
        if ((system & system_flags[i].bit) == 0)
            continue;
        g_string_append(out, separator);
        g_string_append(out, system_flags[i].name);
        separator = " ";
    }
    if (recent) {
        g_string_append(out, separator);
        g_string_append(out, "\\Recent");
        separator = " ";
    }
    for (; keywords != NULL && *keywords != NULL; keywords++) {
        g_string_append(out, separator);
        g_string_append(out, *keywords);
        separator = " ";
    }
}
