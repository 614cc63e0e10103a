/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of quirks. */
#include "daemon/config/quirks.h"

#include <string.h>

static const struct {
    const char *name;
    Quirk quirk;
} switches[] = {
    {"all-mail-last", QUIRK_ALL_MAIL_LAST},
    {"estimated-sizes", QUIRK_ESTIMATED_SIZES},
    {"files-sent", QUIRK_FILES_SENT},
    {"id-first", QUIRK_ID_FIRST},
    {"no-acl", QUIRK_NO_ACL},
    {"no-compress", QUIRK_NO_COMPRESS},
    {"no-condstore", QUIRK_NO_CONDSTORE},
    {"no-esearch", QUIRK_NO_ESEARCH},
    {"no-idle", QUIRK_NO_IDLE},
    {"no-list-extended", QUIRK_NO_LIST_EXTENDED},
    {"no-list-status", QUIRK_NO_LIST_STATUS},
    {"no-literals", QUIRK_NO_LITERALS},
    {"no-move", QUIRK_NO_MOVE},
    {"no-namespace", QUIRK_NO_NAMESPACE},
    {"no-objectid", QUIRK_NO_OBJECTID},
    {"no-qresync", QUIRK_NO_QRESYNC},
    {"no-quota", QUIRK_NO_QUOTA},
    {"no-special-use", QUIRK_NO_SPECIAL_USE},
    {"no-uidplus", QUIRK_NO_UIDPLUS},
    {"no-unselect", QUIRK_NO_UNSELECT},
};

static const struct {
    const char *name;
    QuirkNumber number;
    guint max;
} numbers[] = {
    {"connections", QUIRK_CONNECTIONS, 100},
    {"idle-minutes", QUIRK_IDLE_MINUTES, 29},
    {"pipeline", QUIRK_PIPELINE, 1000},
};

static gboolean quirk_is_bad(GError **error, const char *name, const char *what)
{
    g_set_error(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "%s %s", name, what);
    return FALSE;
}

/* Whether one is the other with "no-" before it. */
static gboolean is_opposite(const char *with, const char *without)
{
    return g_str_has_prefix(with, "no-") && strcmp(with + strlen("no-"), without) == 0;
}

static gboolean add_switch(Quirks *quirks, const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (strcmp(name, switches[i].name) == 0) {
            quirks->switches |= switches[i].quirk;
            return TRUE;
        }
        if (is_opposite(name, switches[i].name) || is_opposite(switches[i].name, name)) {
            quirks->switches &= ~(guint32)switches[i].quirk;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean add_number(Quirks *quirks, const char *name, const char *digits, GError **error)
{
    guint64 value;

    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        g_autofree char *what =
            g_strdup_printf("takes a number from 1 to %u, or 0 for none", numbers[i].max);
        if (!g_ascii_string_to_unsigned(digits, 10, 0, numbers[i].max, &value, NULL))
            return quirk_is_bad(error, name, what);
        quirks->numbers[numbers[i].number] = (guint)value;
        return TRUE;
    }
    return quirk_is_bad(error, name, "is no quirk with a number; see QUIRKS in postern.conf(5)");
}

static gboolean add_word(Quirks *quirks, char *word, GError **error)
{
    char *equals = strchr(word, '=');

    if (equals) {
        *equals = '\0';
        return add_number(quirks, word, equals + 1, error);
    }
    return add_switch(quirks, word) ||
           quirk_is_bad(error, word, "is no quirk; see QUIRKS in postern.conf(5)");
}

gboolean quirks_add(Quirks *quirks, const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(text, ",; \t", -1);
    gboolean ok = TRUE;

    for (char **word = words; *word; word++)
        if (**word && !add_word(quirks, *word, ok ? error : NULL))
            ok = FALSE;
    return ok;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **quirks_names(const Quirks *quirks)
{
    GPtrArray *names = g_ptr_array_new();

    for (guint i = 0; i < G_N_ELEMENTS(switches); i++)
        if (quirks_have(quirks, switches[i].quirk))
            g_ptr_array_add(names, g_strdup(switches[i].name));
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        if (quirks->numbers[numbers[i].number] > 0)
            g_ptr_array_add(names, g_strdup_printf("%s=%u", numbers[i].name,
                                                   quirks->numbers[numbers[i].number]));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

guint quirks_idle_seconds(const Quirks *quirks, guint usual)
{
    guint minutes = quirks->numbers[QUIRK_IDLE_MINUTES];

    return minutes ? MIN(minutes * 60, usual) : usual;
}
