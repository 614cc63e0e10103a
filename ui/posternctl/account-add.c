/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account add. With a password, the daemon adds the account and has the password kept by
 * the secret service; with a command, this edits the file.
 */
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    char *id, *incoming, *outgoing, *user, *auth, *command;
    gboolean from_stdin;
} Options;

static void options_clear(Options *options)
{
    g_free(options->id);
    g_free(options->incoming);
    g_free(options->outgoing);
    g_free(options->user);
    g_free(options->auth);
    g_free(options->command);
}

static gboolean with_command(Ctl *ctl, const char *address, const Options *options, GError **error)
{
    const CtlSetting settings[] = {
        {"address", address},
        {"incoming", options->incoming},
        {"outgoing", options->outgoing},
        {"user", options->user},
        {"auth", options->auth},
        {"password-command", options->command},
    };
    return ctl_edit_account(ctl, options->id, TRUE, settings, G_N_ELEMENTS(settings), error);
}

static void put(GVariantDict *dict, const char *key, const char *value)
{
    if (value && *value)
        g_variant_dict_insert(dict, key, "s", value);
}

static gboolean with_password(Ctl *ctl, const char *address, const Options *options, GError **error)
{
    char *password = ctl_read_password(options->from_stdin, "The provider's password", error);
    GVariantDict dict;

    if (!password)
        return FALSE;
    g_variant_dict_init(&dict, NULL);
    put(&dict, "id", options->id);
    put(&dict, "address", address);
    put(&dict, "incoming", options->incoming);
    put(&dict, "outgoing", options->outgoing);
    put(&dict, "user", options->user);
    put(&dict, "auth", options->auth);
    g_autoptr(GVariant) answer = ctl_manager(
        ctl, "AddAccount", g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict), password), error);
    ctl_wipe(password);
    return answer != NULL;
}

/* From now on the daemon starts at login. Where there is no systemd, that is the user's to do. */
static void enable_at_login(Ctl *ctl)
{
    const char *const units[] = {"postern.service", NULL};
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        ctl->connection, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager", "EnableUnitFiles",
        g_variant_new("(^asbb)", units, FALSE, FALSE), NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL,
        NULL);
    if (!answer && !ctl->json)
        printf("There is no systemd here to start posternd at login: see to that yourself.\n");
}

static gboolean add(Ctl *ctl, const char *address, Options *options, GError **error)
{
    if (!options->incoming)
        return ctl_usage(error, "say where the mail is, as your provider tells: "
                                "--incoming imaps://HOST --outgoing submissions://HOST");
    if (options->command && options->from_stdin)
        return ctl_usage(error, "--password-stdin and --password-command exclude each other");
    if (!options->id && !(options->id = ctl_suggest_id(ctl, address, error)))
        return FALSE;
    if (!(options->command ? with_command(ctl, address, options, error)
                           : with_password(ctl, address, options, error)))
        return FALSE;
    enable_at_login(ctl);
    if (ctl->json) {
        g_autoptr(GVariant) account = ctl_account(ctl, options->id, error);
        if (!account)
            return FALSE;
        ctl_print_json(account, FALSE);
        return TRUE;
    }
    printf("Added %s.%s\nFor a mail client's settings: posternctl client %s --new-password\n",
           options->id, options->outgoing ? "" : " Without --outgoing nothing can be sent.",
           options->id);
    return TRUE;
}

gboolean cmd_account_add(Ctl *ctl, int argc, char **argv, GError **error)
{
    Options options = {0};
    const GOptionEntry entries[] = {
        {"id", 0, 0, G_OPTION_ARG_STRING, &options.id, "Its ID (default: made of the address)",
         "ID"},
        {"incoming", 0, 0, G_OPTION_ARG_STRING, &options.incoming,
         "imaps://HOST, or imap://HOST for STARTTLS", "URL"},
        {"outgoing", 0, 0, G_OPTION_ARG_STRING, &options.outgoing,
         "submissions://HOST, or submission://HOST for STARTTLS", "URL"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &options.user, "Login name (default: the address)",
         "NAME"},
        {"auth", 0, 0, G_OPTION_ARG_STRING, &options.auth, "password", "KIND"},
        {"password-stdin", 0, 0, G_OPTION_ARG_NONE, &options.from_stdin,
         "Read the provider's password from stdin", NULL},
        {"password-command", 0, 0, G_OPTION_ARG_STRING, &options.command,
         "A command that prints the password", "CMD"},
        {NULL}};
    gboolean done = ctl_parse(ctl, entries, "ADDRESS", 1, 1, &argc, &argv, error) &&
                    add(ctl, argv[1], &options, error);

    options_clear(&options);
    return done;
}
