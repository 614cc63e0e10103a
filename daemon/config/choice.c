/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lists of patterns for folders' names. */
#include "daemon/config/choice.h"

#include <string.h>

char **account_patterns_parse(const char *text)
{
    g_auto(GStrv) parts = g_strsplit_set(text, ",;", -1);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    gboolean any = FALSE;

    for (char **part = parts; *part; part++) {
        const char *pattern = g_strstrip(*part);
        if (!*pattern || strcmp(pattern, "!") == 0)
            continue;
        g_strv_builder_add(builder, pattern);
        any = TRUE;
    }
    return any ? g_strv_builder_end(builder) : NULL;
}

/* What the first pattern that fits says; `otherwise` where none does. */
static gboolean says(char **patterns, const char *name, gboolean otherwise)
{
    for (; *patterns; patterns++) {
        gboolean no = **patterns == '!';
        if (g_pattern_match_simple(*patterns + (no ? 1 : 0), name))
            return !no;
    }
    return otherwise;
}

static gboolean only_says_no(char **patterns)
{
    for (; *patterns; patterns++)
        if (**patterns != '!')
            return FALSE;
    return TRUE;
}

gboolean account_leaves_out(const AccountSettings *settings, const char *folder)
{
    if (!settings->folders || g_ascii_strcasecmp(folder, "INBOX") == 0)
        return FALSE;
    return !says(settings->folders, folder, only_says_no(settings->folders));
}

gboolean account_keeps_headers(const AccountSettings *settings, const char *folder)
{
    return settings->headers_only && says(settings->headers_only, folder, FALSE);
}
