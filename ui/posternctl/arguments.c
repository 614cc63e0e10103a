/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What every command does with its arguments: finds the sub-command, parses options, and says what
 * is wrong. The table of commands is in main.c. */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
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

#define NAMES 38 /* how wide the commands are in a help */

static void list_commands(GString *text, const char *before, const CtlCommand *table)
{
    for (guint i = 0; table[i].name; i++) {
        g_autofree char *name = g_strconcat(before, table[i].name, NULL);
        g_autofree char *deeper = g_strconcat(name, " ", NULL);
        g_autofree char *full = g_strjoin(" ", name, table[i].arguments, NULL);
        if (table[i].sub)
            list_commands(text, deeper, table[i].sub);
        else
            g_string_append_printf(text, "  %s%*s %s\n", full,
                                   MAX(0, NAMES - (int)g_utf8_strlen(full, -1)), "",
                                   table[i].summary);
    }
}

char *ctl_list_commands(const CtlCommand *table)
{
    GString *text = g_string_new("Commands:\n");

    list_commands(text, "", table);
    return g_string_free(text, FALSE);
}

static const CtlCommand *find_command(const CtlCommand *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static void print_group_help(const CtlCommand *group)
{
    g_autofree char *list = ctl_list_commands(group->sub);

    printf(
        "Usage:\n  %s COMMAND …\n\n%s\n\n%s\nWithout a command, '%s' is meant. '%s COMMAND --help' "
        "tells more.\n",
        g_get_prgname(), group->summary, list, group->sub->name, g_get_prgname());
}

static gboolean run_command(Ctl *ctl, const CtlCommand *command, int argc, char **argv,
                            GError **error);

/* A command that has commands of its own. The general options may stand before those. */
static gboolean run_group(Ctl *ctl, const CtlCommand *group, int argc, char **argv, GError **error)
{
    int at = 1;

    while (at < argc && (strcmp(argv[at], "--json") == 0 || strcmp(argv[at], "--no-start") == 0))
        at++;
    if (at < argc && (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)) {
        print_group_help(group);
        return TRUE;
    }
    if (at == argc || argv[at][0] == '-')
        return run_command(ctl, group->sub, argc, argv, error);
    /* The word first, what stood before it after it. */
    char *word = argv[at];
    memmove(argv + 2, argv + 1, sizeof *argv * (gsize)(at - 1));
    argv[1] = word;
    return ctl_dispatch(ctl, group->sub, argc - 1, argv + 1, error);
}

static gboolean run_command(Ctl *ctl, const CtlCommand *command, int argc, char **argv,
                            GError **error)
{
    /* So that the command's help says "posternctl account add". */
    g_autofree char *full = g_strjoin(" ", g_get_prgname(), command->name, NULL);

    g_set_prgname(full);
    ctl->command = command;
    return command->sub ? run_group(ctl, command, argc, argv, error)
                        : command->run(ctl, argc, argv, error);
}

gboolean ctl_dispatch(Ctl *ctl, const CtlCommand *table, int argc, char **argv, GError **error)
{
    const CtlCommand *command = find_command(table, argv[0]);

    if (!command)
        return ctl_usage(error, "“%s” is no command; '%s --help' lists them", argv[0],
                         g_get_prgname());
    return run_command(ctl, command, argc, argv, error);
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

/* GLib leaves the "--" where words that look like options follow it. */
static void drop_separator(int *argc, char **argv)
{
    int at = 1;

    while (at < *argc && strcmp(argv[at], "--") != 0)
        at++;
    if (at == *argc)
        return;
    memmove(argv + at, argv + at + 1, sizeof *argv * (gsize)(*argc - at));
    (*argc)--;
}

gboolean ctl_parse(Ctl *ctl, const CtlUsage *usage, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(ctl->command->arguments);
    g_autofree char *example = g_strconcat("Example:\n  ", ctl->command->example, NULL);
    g_autofree GOptionEntry *general = ctl_general_options(ctl);
    g_autoptr(GError) failure = NULL;

    g_option_context_set_summary(context, ctl->command->summary);
    g_option_context_set_description(context, example);
    if (usage->entries)
        g_option_context_add_main_entries(context, usage->entries, NULL);
    g_option_context_add_main_entries(context, general, NULL);
    if (!g_option_context_parse(context, argc, argv, &failure))
        return ctl_usage(error, "%s", failure->message);
    drop_separator(argc, *argv);
    int words = *argc - 1;
    if (words < usage->min || (usage->max >= 0 && words > usage->max))
        return ctl_usage(error, "usage: %s %s", g_get_prgname(), ctl->command->arguments);
    return TRUE;
}
