/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl account add: finds the servers, tries them, and adds the account. With a password, the
 * daemon adds the account and has the password kept by the secret service; with a command, this edits
 * the file.
 */
#include "daemon/config/config.h"
#include "daemon/config/goa.h"
#include "daemon/config/secret.h"
#include "ui/posternctl/ctl.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_SECONDS 60

typedef struct {
    char *id, *user, *auth, *command, *token_command, *goa;
    CtlServers servers;
    CtlSignIn how;
    gboolean from_stdin, encrypted, yes, no_test, local;
} Options;

static void options_clear(Options *options)
{
    g_free(options->id);
    g_free(options->user);
    g_free(options->auth);
    g_free(options->command);
    g_free(options->token_command);
    g_free(options->goa);
    ctl_servers_clear(&options->servers);
}

/* ---- adding it ----------------------------------------------------------------------------- */

/* The login name for a server, or NULL where it is the default. */
static const char *user_of(const char *address, const Options *options)
{
    const char *user = options->user ? options->user : options->servers.user;
    return g_strcmp0(user, address) == 0 ? NULL : user;
}

static const char *outgoing_user_of(const char *address, const Options *options)
{
    const char *user = options->user ? NULL : options->servers.outgoing_user;
    const char *incoming = options->servers.user ? options->servers.user : address;
    return g_strcmp0(user, incoming) == 0 ? NULL : user;
}

static const char *or_nothing(const char *text)
{
    return text && *text ? text : NULL;
}

static gboolean with_command(Ctl *ctl, const char *address, const Options *options, GError **error)
{
    const CtlSetting settings[] = {
        {"address", address},
        {"incoming", options->servers.incoming},
        {"outgoing", options->servers.outgoing},
        {"user", user_of(address, options)},
        {"outgoing-user", outgoing_user_of(address, options)},
        {"auth", options->auth},
        {"password-command", options->command},
        {"token-command", options->token_command},
        {"goa", options->goa},
        {"proxy", options->servers.proxy},
        {"mechanism", or_nothing(options->servers.mechanism)},
        {"outgoing-mechanism", or_nothing(options->servers.outgoing_mechanism)},
    };
    return ctl_edit_account(ctl, options->id, TRUE, settings, G_N_ELEMENTS(settings), error);
}

static void put(GVariantDict *dict, const char *key, const char *value)
{
    if (value && *value)
        g_variant_dict_insert(dict, key, "s", value);
}

static gboolean with_password(Ctl *ctl, const char *address, const Options *options,
                              const char *password, GError **error)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    put(&dict, "id", options->id);
    put(&dict, "address", address);
    put(&dict, "incoming", options->servers.incoming);
    put(&dict, "outgoing", options->servers.outgoing);
    put(&dict, "user", user_of(address, options));
    put(&dict, "outgoing-user", outgoing_user_of(address, options));
    put(&dict, "auth", options->servers.oauth2 ? "oauth2" : options->auth);
    if (options->servers.oauth2)
        put(&dict, "oauth2", options->servers.oauth2_server);
    put(&dict, "sign-in", options->servers.sign_in);
    put(&dict, "proxy", options->servers.proxy);
    put(&dict, "mechanism", options->servers.mechanism);
    put(&dict, "outgoing-mechanism", options->servers.outgoing_mechanism);
    g_autoptr(GVariant) answer = ctl_manager(
        ctl, "AddAccount", g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict), password), error);
    return answer != NULL;
}

/* Whether the address has an account already: a second one has to be meant. */
static gboolean is_new(Ctl *ctl, const char *address, const Options *options, GError **error)
{
    g_autoptr(GPtrArray) accounts = ctl_accounts(ctl, error);

    if (!accounts)
        return FALSE;
    for (guint i = 0; i < accounts->len && !options->id; i++) {
        GVariant *account = g_ptr_array_index(accounts, i);
        if (g_ascii_strcasecmp(ctl_string(account, "Address"), address) == 0)
            return ctl_fail(error,
                            "%s is the account %s already; to have it twice, choose another --id",
                            address, ctl_string(account, "Id"));
    }
    return TRUE;
}

/* ---- trying it before ---------------------------------------------------------------------- */

/* In a browser; then the handle is what is used, and there is no password. */
static char *sign_in(Ctl *ctl, const char *address, Options *options, GError **error)
{
    CtlServers *servers = &options->servers;

    if (!servers->oauth2_server) {
        ctl_usage(error,
                  "nobody says where one signs in for %s: name it with --oauth2, an [oauth2 "
                  "NAME] of postern.conf or an issuer's https address; or give a "
                  "--token-command",
                  address);
        return NULL;
    }
    options->how.address = address;
    options->how.server = servers->oauth2_server;
    options->how.proxy = servers->proxy;
    servers->sign_in = ctl_sign_in(ctl, &options->how, error);
    return servers->sign_in ? g_strdup("") : NULL;
}

static char *read_secret(Ctl *ctl, const char *address, Options *options, GError **error)
{
    if (options->goa)
        return goa_account_secret(options->goa, options->servers.oauth2, error);
    if (options->servers.oauth2 && !options->token_command)
        return sign_in(ctl, address, options, error);
    const char *command = options->token_command ? options->token_command : options->command;

    return command ? secrets_run_command(command, COMMAND_SECONDS, error)
                   : ctl_read_password(options->from_stdin, "The provider's password", error);
}

/* ---- what GNOME has ------------------------------------------------------------------------ */

/* Whether all is left to us: then an account that GNOME has may be offered. */
static gboolean is_open(const Options *options)
{
    return !options->servers.incoming && !options->user && !options->auth && !options->command &&
           !options->token_command && !options->from_stdin && !options->servers.oauth2;
}

static void take_goa(GoaAccount *known, Options *options)
{
    CtlServers *servers = &options->servers;

    g_free(options->goa);
    options->goa = g_steal_pointer(&known->id);
    servers->incoming = g_steal_pointer(&known->incoming);
    servers->outgoing = g_steal_pointer(&known->outgoing);
    servers->users = g_new0(char *, 2);
    servers->users[0] = g_strdup(known->user ? known->user : known->address);
    if (known->outgoing_user) {
        servers->outgoing_users = g_new0(char *, 2);
        servers->outgoing_users[0] = g_strdup(known->outgoing_user);
    }
    servers->oauth2 = known->oauth2;
    if (known->oauth2)
        options->auth = g_strdup("oauth2");
}

/* Takes the account of GNOME Online Accounts that is asked for (--goa), or offers the one of this address. */
static gboolean find_in_goa(const char *address, Options *options, GError **error)
{
    if (options->goa && !is_open(options))
        return ctl_usage(error, "--goa says all that there is to say: leave out the servers, the "
                                "user and how to sign in");
    g_autoptr(GoaAccount) known = options->goa       ? goa_find(options->goa)
                                  : is_open(options) ? goa_find(address)
                                                     : NULL;
    if (!known)
        return !options->goa || ctl_fail(error,
                                         "GNOME Online Accounts has no account %s with IMAP, or "
                                         "isn't running; add it in GNOME's settings",
                                         options->goa);
    g_autofree char *name = ctl_escape(known->name ? known->name : "");
    fprintf(stderr, "GNOME Online Accounts has this account%s%s%s (%s).\n", *name ? " (" : "", name,
            *name ? ")" : "", known->id);
    if (!options->goa && !ctl_agree("Use its sign-in?")) {
        fprintf(stderr, "--goa %s would use its sign-in.\n", known->id);
        return TRUE;
    }
    take_goa(known, options);
    return TRUE;
}

/* With no network there is nothing to be tried. */
static gboolean can_test(Ctl *ctl, const Options *options)
{
    g_autoptr(GVariant) manager = ctl_manager_properties(ctl, NULL);

    if (options->no_test)
        return FALSE;
    if (manager && ctl_bool(manager, "Online"))
        return TRUE;
    fprintf(stderr, "Postern is offline: the account is added without having been tried.\n");
    return FALSE;
}

static gboolean find_and_test(Ctl *ctl, const char *address, Options *options, char **secret,
                              GError **error)
{
    CtlServers *servers = &options->servers;
    const char *const users[] = {options->user ? options->user : address, NULL};

    if (!servers->incoming && !ctl_servers_find(ctl, address, options->yes, servers, error))
        return FALSE;
    if (options->user || !servers->users) {
        g_strfreev(servers->users);
        servers->users = g_strdupv((char **)users);
        g_clear_pointer(&servers->outgoing_users, g_strfreev);
    }
    *secret = read_secret(ctl, address, options, error);
    return *secret &&
           (!can_test(ctl, options) || ctl_servers_probe(ctl, address, servers, *secret, error));
}

/* From now on the daemon starts at login. Where there is no systemd, that is the user's to do. */
static void enable_at_login(Ctl *ctl)
{
    if (!ctl_enable_at_login(ctl, NULL) && !ctl->json)
        printf("There is no systemd here to start posternd at login: see to that yourself.\n");
}

static gboolean say_added(Ctl *ctl, const Options *options, GError **error)
{
    if (ctl->json) {
        g_autoptr(GVariant) account = ctl_account(ctl, options->id, error);
        if (!account)
            return FALSE;
        ctl_print_json(account, FALSE);
        return TRUE;
    }
    printf("Added %s.%s\nFor a mail client's settings: posternctl client %s --new-password\n",
           options->id,
           options->servers.outgoing || options->local ? ""
                                                       : " Without --outgoing nothing can be sent.",
           options->id);
    return TRUE;
}

static gboolean has_command(const Options *options)
{
    return options->command || options->token_command || options->goa;
}

/* With a password that nobody is there to keep, a file may do. */
static gboolean keep_and_add(Ctl *ctl, const char *address, Options *options, const char *secret,
                             GError **error)
{
    if (!has_command(options) && !options->servers.oauth2 &&
        !ctl_seal(ctl, options->id, options->encrypted, secret, &options->command, error))
        return FALSE;
    return has_command(options) ? with_command(ctl, address, options, error)
                                : with_password(ctl, address, options, secret, error);
}

static gboolean add(Ctl *ctl, const char *address, Options *options, GError **error)
{
    char *secret = NULL;

    if (!!options->command + !!options->token_command + !!options->from_stdin > 1)
        return ctl_usage(error, "--password-stdin, --password-command and --token-command exclude "
                                "each other");
    if (options->encrypted && has_command(options))
        return ctl_usage(error, "--encrypted-file is for a password that is asked for; a command "
                                "or GNOME Online Accounts needs no file");
    if (options->token_command && !options->auth)
        options->auth = g_strdup("oauth2");
    options->servers.oauth2 = g_strcmp0(options->auth, "oauth2") == 0 ||
                              options->servers.oauth2_server || options->how.device ||
                              options->how.paste;
    options->servers.password =
        options->command || options->from_stdin || g_strcmp0(options->auth, "password") == 0;
    if (options->servers.oauth2 && options->servers.password)
        return ctl_usage(error, "a password isn't what one signs in with by OAuth 2; leave one of "
                                "them out");
    if (options->servers.outgoing && !options->servers.incoming)
        return ctl_usage(error,
                         "--outgoing alone says too little: give --incoming too, or neither");
    if (!is_new(ctl, address, options, error) || !find_in_goa(address, options, error) ||
        (!options->id && !(options->id = ctl_suggest_id(ctl, address, error))))
        return FALSE;
    gboolean added = find_and_test(ctl, address, options, &secret, error) &&
                     keep_and_add(ctl, address, options, secret, error);
    ctl_wipe(secret);
    if (!added)
        return FALSE;
    enable_at_login(ctl);
    return say_added(ctl, options, error);
}

/* `id` instead of an address: there is nothing to find or to try. */
static gboolean add_local(Ctl *ctl, const char *id, Options *options, GError **error)
{
    GVariantDict dict;

    if (options->servers.incoming || options->servers.outgoing || options->user || options->auth ||
        options->command || options->token_command || options->from_stdin || options->id)
        return ctl_usage(error, "--local takes nothing but a name: the account has no server");
    options->id = g_strdup(id);
    g_variant_dict_init(&dict, NULL);
    put(&dict, "id", id);
    put(&dict, "incoming", CONFIG_LOCAL_URL);
    g_autoptr(GVariant) answer = ctl_manager(
        ctl, "AddAccount", g_variant_new("(@a{sv}s)", g_variant_dict_end(&dict), ""), error);
    if (!answer)
        return FALSE;
    enable_at_login(ctl);
    return say_added(ctl, options, error);
}

gboolean cmd_account_add(Ctl *ctl, int argc, char **argv, GError **error)
{
    Options options = {0};
    const GOptionEntry entries[] = {
        {"id", 0, 0, G_OPTION_ARG_STRING, &options.id, "Its ID (default: made of the address)",
         "ID"},
        {"incoming", 0, 0, G_OPTION_ARG_STRING, &options.servers.incoming,
         "imaps://HOST, or imap://HOST for STARTTLS; pop3s:// or pop3:// (default: found by the "
         "address)",
         "URL"},
        {"outgoing", 0, 0, G_OPTION_ARG_STRING, &options.servers.outgoing,
         "submissions://HOST, or submission://HOST for STARTTLS", "URL"},
        {"user", 0, 0, G_OPTION_ARG_STRING, &options.user, "Login name (default: the address)",
         "NAME"},
        {"auth", 0, 0, G_OPTION_ARG_STRING, &options.auth, "password or oauth2", "KIND"},
        {"oauth2", 0, 0, G_OPTION_ARG_STRING, &options.servers.oauth2_server,
         "Where to sign in: an [oauth2 NAME], or an issuer's https address (default: the "
         "provider's)",
         "NAME"},
        {"device", 0, 0, G_OPTION_ARG_NONE, &options.how.device,
         "Sign in on another device, with a code that is typed in there", NULL},
        {"paste", 0, 0, G_OPTION_ARG_NONE, &options.how.paste,
         "Open no browser; read the address that one ended at from stdin", NULL},
        {"password-stdin", 0, 0, G_OPTION_ARG_NONE, &options.from_stdin,
         "Read the provider's password from stdin", NULL},
        {"encrypted-file", 0, 0, G_OPTION_ARG_NONE, &options.encrypted,
         "Keep the password in a file that only you on this machine can decrypt (systemd-creds)",
         NULL},
        {"password-command", 0, 0, G_OPTION_ARG_STRING, &options.command,
         "A command that prints the password", "CMD"},
        {"token-command", 0, 0, G_OPTION_ARG_STRING, &options.token_command,
         "A command that prints an OAuth 2 access token", "CMD"},
        {"goa", 0, 0, G_OPTION_ARG_STRING, &options.goa,
         "Use the sign-in of GNOME Online Accounts: the account with this ID or address", "ID"},
        {"proxy", 0, 0, G_OPTION_ARG_STRING, &options.servers.proxy,
         "Go through a proxy: socks5://HOST:PORT or http://HOST:PORT; direct: through none "
         "(default: "
         "the desktop's)",
         "URL"},
        {"yes", 'y', 0, G_OPTION_ARG_NONE, &options.yes,
         "Take the servers that were found, whoever says so", NULL},
        {"local", 0, 0, G_OPTION_ARG_NONE, &options.local,
         "An account for mail that lives here only; a name (its ID) takes the place of the address",
         NULL},
        {"no-test", 0, 0, G_OPTION_ARG_NONE, &options.no_test,
         "Add it without logging in to the servers before", NULL},
        {NULL}};
    gboolean done = ctl_parse(ctl, &(CtlUsage){entries, 1, 1}, &argc, &argv, error) &&
                    (options.local ? add_local : add)(ctl, argv[1], &options, error);

    options_clear(&options);
    return done;
}
