/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl: finds the sub-command and tells how it went.
 */
#include "ui/posternctl/ctl.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const CtlCommand commands[] = {
    {"status", "", "How everything is", cmd_status},
    {"account", "add|list|show|set|remove …", "The accounts", cmd_account},
    {"client", "ID [--new-password]", "The settings to type into a mail client", cmd_client},
    {"connect", "imap|pop3|submission ID", "Joins stdin and stdout to an account", cmd_connect},
    {"sync", "[ID] [--wait]", "Looks for new mail now", cmd_sync},
    {"offline", "", "Leaves the providers alone until 'online'", cmd_offline},
    {"online", "", "Ends 'offline', and tries again what failed", cmd_online},
    {"folders", "ID", "An account's folders", cmd_folders},
    {"pending", "[ID] [retry|give-up|export N…]", "What the provider hasn't taken, and why",
     cmd_pending},
    {"queue", "[list|show|retry|hold|release|cancel|send-at …]", "Outgoing mail", cmd_queue},
    {"watch", "", "What happens, as it happens", cmd_watch},
    {NULL},
};

static char *command_list(void)
{
    GString *text = g_string_new("Commands:\n");

    for (guint i = 0; commands[i].name; i++)
        g_string_append_printf(text, "  %-10s %s\n", commands[i].name, commands[i].summary);
    g_string_append(text, "\n'posternctl COMMAND --help' tells more. Exit status: 0 done, 1 it "
                          "failed, 2 bad usage, 3 no daemon.");
    return g_string_free(text, FALSE);
}

/* The options before the command. */
static gboolean parse_general(Ctl *ctl, int *argc, char ***argv, gboolean *done, GError **error)
{
    gboolean version = FALSE;
    const GOptionEntry own[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and end", NULL}, {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND …");
    g_autofree GOptionEntry *general = ctl_general_options(ctl);
    g_autofree char *list = command_list();
    g_autoptr(GError) failure = NULL;

    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_description(context, list);
    g_option_context_add_main_entries(context, general, NULL);
    g_option_context_add_main_entries(context, own, NULL);
    if (!g_option_context_parse(context, argc, argv, &failure))
        return ctl_usage(error, "%s", failure->message);
    if (version)
        printf("posternctl %s\n", POSTERN_VERSION);
    *done = version;
    return TRUE;
}

static int exit_status(const GError *error)
{
    if (!error)
        return 0;
    if (g_error_matches(error, CTL_ERROR, CTL_ERROR_USAGE))
        return 2;
    return g_error_matches(error, CTL_ERROR, CTL_ERROR_NO_DAEMON) ? 3 : 1;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    gboolean done = FALSE;
    Ctl ctl = {0};

    setlocale(LC_ALL, "");
    g_set_prgname("posternctl");
    /* So that the daemon's errors are known by their names. */
    (void)POSTERN_ERROR;
    if (parse_general(&ctl, &argc, &argv, &done, &error) && !done)
        ctl_dispatch(&ctl, commands, NULL, argc - 1, argv + 1, &error);
    g_clear_object(&ctl.connection);
    if (error) {
        g_dbus_error_strip_remote_error(error);
        g_autofree char *message = ctl_escape(error->message);
        fprintf(stderr, "posternctl: %s\n", message);
    }
    return error ? exit_status(error) : ctl.failed ? 1 : 0;
}
