/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words of those who know no codes. */
#include "daemon/upstream/refusal.h"

#include <string.h>

static const char *const later_words[] = {
    "too many",    "try again",   "temporar",  "throttl",       "limit",          "exceed",
    "maximum",     "later",       "unavailab", "not avai",      "busy",           "overload",
    "maintenance", "timeout",     "timed out", "internal",      "server error",   "connections",
    "in use",      "lookup fail", "backend",   "shutting down", "already locked", "is locked by",
    "to lock",     "not lock",    "'t lock"};

gboolean upstream_words_say_later(const char *text)
{
    g_autofree char *small = g_utf8_strdown(text, -1);

    for (guint i = 0; i < G_N_ELEMENTS(later_words); i++)
        if (strstr(small, later_words[i]))
            return TRUE;
    return FALSE;
}
