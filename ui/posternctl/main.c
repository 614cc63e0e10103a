/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl: finds the sub-command and tells how it went.
 */
#include "ui/posternctl/ctl.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const CtlCommand account_commands[] = {
    {"list", "", "Lists the accounts", "posternctl account list", cmd_account_list},
    {"add", "ADDRESS", "Adds an account", "posternctl account add ada@example.org",
     cmd_account_add},
    {"show", "ID", "Everything about one", "posternctl account show ada", cmd_account_show},
    {"authorize", "ID", "Signs in anew", "posternctl account authorize ada", cmd_account_authorize},
    {"test", "ID", "Tries its servers step by step, and changes nothing",
     "posternctl account test ada", cmd_account_test},
    {"set", "ID KEY=VALUE…", "Changes its settings", "posternctl account set ada prefetch=90d",
     cmd_account_set},
    {"remove", "ID", "Removes it", "posternctl account remove ada", cmd_account_remove},
    {NULL},
};

static const CtlCommand queue_commands[] = {
    {"list", "", "Lists outgoing mail, newest first", "posternctl queue list --state failed",
     cmd_queue_list},
    {"show", "N", "Everything about one message", "posternctl queue show 12", cmd_queue_show},
    {"retry", "N…", "Tries them now", "posternctl queue retry 12 13", cmd_queue_change},
    {"hold", "N…", "Keeps them until 'release'", "posternctl queue hold 12", cmd_queue_change},
    {"release", "N…", "Lets held ones go", "posternctl queue release 12", cmd_queue_change},
    {"cancel", "N…", "Removes them", "posternctl queue cancel 12", cmd_queue_change},
    {"send-at", "N TIME", "Sends it not before that time",
     "posternctl queue send-at 12 tomorrow 8:00", cmd_queue_send_at},
    {NULL},
};

static gboolean cmd_help(Ctl *ctl, int argc, char **argv, GError **error);

static const CtlCommand commands[] = {
    {"status", "", "How everything is", "posternctl status --json", cmd_status},
    {"account", "", "The accounts", NULL, NULL, account_commands},
    {"client", "ID", "The settings to type into a mail client",
     "posternctl client ada --new-password --name mutt", cmd_client},
    {"connect", "imap|pop3|submission ID", "Joins stdin and stdout to an account",
     "posternctl connect imap ada", cmd_connect},
    {"sync", "[ID]", "Looks for new mail now", "posternctl sync ada --wait", cmd_sync},
    {"offline", "", "Leaves the providers alone until 'online'", "posternctl offline", cmd_offline},
    {"online", "", "Ends 'offline', and tries again what failed", "posternctl online", cmd_online},
    {"folders", "ID", "An account's folders", "posternctl folders ada", cmd_folders},
    {"search", "ID [WORD…]", "Looks for mail",
     "posternctl search ada from:bob since:2024 is:unread", cmd_search},
    {"export", "ID DIR", "Copies mail into files, byte for byte",
     "posternctl export ada ~/backup --format maildir --folder INBOX", cmd_export},
    {"import", "ID DIR|FILE", "Puts mail from files into an account, once",
     "posternctl import ada ~/old-mail --folder Archive/Old", cmd_import},
    {"pending", "[ID] [retry|give-up|export N…]", "What the provider hasn't taken, and why",
     "posternctl pending ada retry 3", cmd_pending},
    {"queue", "", "Outgoing mail", NULL, NULL, queue_commands},
    {"sendmail", "[RECIPIENT…]", "Sends a message from stdin, as sendmail(8) does",
     "posternctl sendmail -t < message", cmd_sendmail},
    {"doctor", "", "Finds what is wrong, and says how to mend it", "posternctl doctor --fix",
     cmd_doctor},
    {"watch", "", "What happens, as it happens", "posternctl watch", cmd_watch},
    {"help", "[COMMAND…]", "Tells more about a command", "posternctl help queue list", cmd_help},
    {NULL},
};

/* The options before the command. */
static gboolean parse_general(Ctl *ctl, int *argc, char ***argv, gboolean *done, GError **error)
{
    gboolean version = FALSE;
    const GOptionEntry own[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and end", NULL}, {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND …");
    g_autofree GOptionEntry *general = ctl_general_options(ctl);
    g_autofree char *list = ctl_list_commands(commands);
    g_autofree char *description = g_strconcat(
        list,
        "\n'posternctl COMMAND --help' tells more. Exit status: 0 done, 1 it failed, 2 bad "
        "usage, 3 no daemon.",
        NULL);
    g_autoptr(GError) failure = NULL;

    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_description(context, description);
    g_option_context_add_main_entries(context, general, NULL);
    g_option_context_add_main_entries(context, own, NULL);
    if (!g_option_context_parse(context, argc, argv, &failure))
        return ctl_usage(error, "%s", failure->message);
    if (version)
        printf("posternctl %s\n", POSTERN_VERSION);
    *done = version;
    return TRUE;
}

static gboolean cmd_help(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(GPtrArray) line = g_ptr_array_new();

    if (!ctl_parse(ctl, &(CtlUsage){NULL, 0, -1}, &argc, &argv, error))
        return FALSE;
    g_set_prgname("posternctl");
    for (int i = argc > 1 ? 1 : 0; i < argc; i++)
        g_ptr_array_add(line, argv[i]);
    g_ptr_array_add(line, (gpointer) "--help");
    int count = (int)line->len;
    char **words = (char **)line->pdata;
    return argc > 1 ? ctl_dispatch(ctl, commands, count, words, error)
                    : parse_general(ctl, &count, &words, &(gboolean){FALSE}, error);
}

/* What was printed is only printed when it has arrived: a full disk behind stdout is a failure. */
static void close_stdout(void)
{
    if (ferror(stdout) == 0 && fclose(stdout) == 0)
        return;
    fprintf(stderr, "posternctl: the output can't be written: %s\n", g_strerror(errno));
    _exit(1);
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
    atexit(close_stdout);
    if (parse_general(&ctl, &argc, &argv, &done, &error) && !done && argc == 1)
        ctl_usage(&error, "say what to do; 'posternctl --help' lists the commands");
    else if (!error && !done)
        ctl_dispatch(&ctl, commands, argc - 1, argv + 1, &error);
    g_clear_object(&ctl.connection);
    if (error) {
        g_dbus_error_strip_remote_error(error);
        g_autofree char *message = ctl_escape(error->message);
        fprintf(stderr, "posternctl: %s\n", message);
    }
    if (error && ctl.status)
        return ctl.status;
    return error ? exit_status(error) : ctl.failed ? 1 : 0;
}
