/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every command does with its arguments: finds the sub-command, parses options, and says what
 * is wrong. The tables of commands are in main.c, account.c and queue.c. */
#include "ui/posternctl/ctl.h"

#include <string.h>

GQuark ctl_error_quark(void)
{
    return g_quark_from_static_string("posternctl-error");
}

static gboolean fail(GError **error, CtlError code, const char *format, va_list args)
{
    g_autofree char *message = g_strdup_vprintf(format, args);
    g_set_error_literal(error, CTL_ERROR, (int)code, message);
    return FALSE;
}

gboolean ctl_usage(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(error, CTL_ERROR_USAGE, format, args);
    va_end(args);
    return FALSE;
}

gboolean ctl_fail(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(error, CTL_ERROR_FAILED, format, args);
    va_end(args);
    return FALSE;
}

gboolean ctl_dispatch(Ctl *ctl, const CtlCommand *table, const char *fallback, int argc,
                      char **argv, GError **error)
{
    const char *name = argc > 0 ? argv[0] : fallback;
    char *only[] = {(char *)fallback, NULL};

    if (!name)
        return ctl_usage(error, "say what to do; 'posternctl --help' lists the commands");
    for (guint i = 0; table[i].name; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        /* So that the command's help says "posternctl account add". */
        g_autofree char *full = g_strjoin(" ", g_get_prgname(), name, NULL);
        g_set_prgname(full);
        return argc > 0 ? table[i].run(ctl, argc, argv, error) : table[i].run(ctl, 1, only, error);
    }
    return ctl_usage(error, "“%s” is no command; 'posternctl --help' lists them", name);
}

GOptionEntry *ctl_general_options(Ctl *ctl)
{
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print JSON", NULL},
        {"no-start", 0, 0, G_OPTION_ARG_NONE, &ctl->no_start,
         "Don't start a daemon where none runs", NULL},
        {NULL}};
    return g_memdup2(entries, sizeof entries);
}

gboolean ctl_parse(Ctl *ctl, const CtlUsage *usage, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(usage->words);
    g_autofree GOptionEntry *general = ctl_general_options(ctl);
    g_autoptr(GError) failure = NULL;

    if (usage->entries)
        g_option_context_add_main_entries(context, usage->entries, NULL);
    g_option_context_add_main_entries(context, general, NULL);
    if (!g_option_context_parse(context, argc, argv, &failure))
        return ctl_usage(error, "%s", failure->message);
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        (*argv)[1] = (*argv)[0];
        (*argv)++;
        (*argc)--;
    }
    int words = *argc - 1;
    if (words < usage->min || (usage->max >= 0 && words > usage->max))
        return ctl_usage(error, "usage: %s %s", g_get_prgname(), usage->words);
    return TRUE;
}
