/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl sendmail: for what expects sendmail(8): git, mutt, cron, mail(1), Emacs. It puts the
 * message where the daemon takes it from, so it works while there is none, and starts one.
 */
#include "ui/posternctl/sendmail.h"
#include "daemon/config/config.h"
#include "daemon/config/paths.h"
#include "daemon/proto/smtp/path.h"
#include "ui/posternctl/ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

typedef struct {
    const char *account, *sender, *name; /* as given; NULL: not */
    gboolean from_header;                /* -t */
    gboolean ignore_dots;                /* -i */
} Options;

static gboolean fail_with(Ctl *ctl, int status, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean fail_with(Ctl *ctl, int status, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    ctl->status = status;
    return ctl_fail(error, "%s", text);
}

/* ---- options ------------------------------------------------------------------------------- */

/* Those of sendmail that say something here, and those that may be said and mean nothing here. */
#define SHORT_OPTIONS "+:a:f:r:F:tio:b:mvGUnB:h:L:e:O:X:p:"

static const struct option long_options[] = {{"account", required_argument, NULL, 'a'},
                                             {"from", required_argument, NULL, 'f'},
                                             {"read-recipients", no_argument, NULL, 't'},
                                             {NULL, 0, NULL, 0}};

static gboolean take_option(Ctl *ctl, Options *options, int option, GError **error)
{
    switch (option) {
    case 'a':
        options->account = optarg;
        return TRUE;
    case 'f':
    case 'r':
        options->sender = optarg;
        return TRUE;
    case 'F':
        options->name = optarg;
        return TRUE;
    case 't':
        options->from_header = TRUE;
        return TRUE;
    case 'i':
        options->ignore_dots = TRUE;
        return TRUE;
    case 'o':
        options->ignore_dots |= strcmp(optarg, "i") == 0;
        return TRUE;
    case 'b':
        return strcmp(optarg, "m") == 0 ||
               fail_with(ctl, EX_USAGE, error,
                         "-b%s is none of its modes: it takes one message from stdin (-bm)",
                         optarg);
    case ':':
        return fail_with(ctl, EX_USAGE, error, "-%c wants a value", optopt);
    default:
        return TRUE;
    }
}

static gboolean parse_options(Ctl *ctl, int argc, char **argv, Options *options, GError **error)
{
    int option;

    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, SHORT_OPTIONS, long_options, NULL)) != -1) {
        if (option == '?')
            return fail_with(ctl, EX_USAGE, error, "“%s” is no option of it",
                             argv[MIN(optind, argc) - 1]);
        if (!take_option(ctl, options, option, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- whose it is --------------------------------------------------------------------------- */

static gboolean can_send(const ConfigAccount *account)
{
    return account->settings && account->settings->enabled && account->settings->outgoing;
}

/* The account of that address; one where it is only an alias, where it is nobody's own. */
static const ConfigAccount *account_of(const Config *config, const char *address)
{
    const ConfigAccount *found = NULL;

    for (guint i = 0; address && i < config->accounts->len; i++) {
        const ConfigAccount *account = config->accounts->pdata[i];
        if (!can_send(account) || !account_may_send_as(account->settings, address))
            continue;
        if (g_ascii_strcasecmp(account->settings->address, address) == 0)
            return account;
        found = found ? found : account;
    }
    return found;
}

static const ConfigAccount *only_account(const Config *config)
{
    const ConfigAccount *found = NULL;

    for (guint i = 0; i < config->accounts->len; i++) {
        const ConfigAccount *account = config->accounts->pdata[i];
        if (!can_send(account))
            continue;
        if (found)
            return NULL;
        found = account;
    }
    return found;
}

static const ConfigAccount *named_account(Ctl *ctl, const Config *config, const char *name,
                                          GError **error)
{
    const ConfigAccount *account = config_find(config, name);

    if (!account)
        account = strchr(name, '@') ? account_of(config, name) : NULL;
    if (account && can_send(account))
        return account;
    fail_with(ctl, EX_CONFIG, error,
              account ? "account %s can't send: 'posternctl account show %s' may say why"
                      : "there is no account %s; 'posternctl account list' shows them",
              name, name);
    return NULL;
}

static const ConfigAccount *choose_account(Ctl *ctl, const Config *config, const Options *options,
                                           const char *from, GError **error)
{
    if (options->account)
        return named_account(ctl, config, options->account, error);
    const ConfigAccount *account = account_of(config, options->sender);
    if (!account)
        account = account_of(config, from);
    if (!account)
        account = only_account(config);
    if (!account)
        fail_with(ctl, EX_CONFIG, error,
                  config->accounts->len
                      ? "neither the sender nor From is the address of one account: say which with "
                        "-a ID; 'posternctl account list' shows them"
                      : "there is no account; add one with 'posternctl account add ADDRESS'");
    return account;
}

/* ---- envelope ------------------------------------------------------------------------------ */

/* -f, as far as it has a domain ("<>" and "" are the empty sender); From, where that is the account's;
 * else the account's address. */
static gboolean choose_sender(Ctl *ctl, Letter *letter, const Options *options, const char *from,
                              const AccountSettings *settings, GError **error)
{
    const char *given = options->sender;

    if (given && (*given == '\0' || strcmp(given, "<>") == 0)) {
        letter->sender = g_strdup("");
        return TRUE;
    }
    if (given && strchr(given, '@')) {
        if (!account_may_send_as(settings, given))
            return fail_with(ctl, EX_NOPERM, error,
                             "%s is not an address of account %s; add it to aliases= in "
                             "postern.conf to send from it",
                             given, settings->id);
        letter->sender = g_strdup(given);
        return TRUE;
    }
    gboolean own = from && account_may_send_as(settings, from);
    letter->sender = g_strdup(own ? from : settings->address);
    return TRUE;
}

/* As a server would read it; a name without a domain is somebody on this machine, whose mail comes
 * to the account. NULL and `error`: it is no address. */
static char *recipient_text(Ctl *ctl, const char *text, const AccountSettings *settings,
                            GError **error)
{
    g_auto(SmtpPath) path = {0};
    const char *problem = NULL;

    if (!strchr(text, '@') && *text)
        return g_strdup(settings->address);
    g_autofree char *line = g_strdup_printf(*text == '<' ? "TO:%s" : "TO:<%s>", text);
    if (smtp_path_parse(line, "TO:", &path, &problem) && *path.address && !path.parameters->len)
        return g_strdup(path.address);
    fail_with(ctl, EX_NOUSER, error, "“%s” is no address that mail can be sent to", text);
    return NULL;
}

static gboolean collect_recipients(Ctl *ctl, Letter *letter, const AccountSettings *settings,
                                   GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) found = g_steal_pointer(&letter->to);

    letter->to = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < found->len; i++) {
        char *text = recipient_text(ctl, found->pdata[i], settings, error);
        if (!text)
            return FALSE;
        if (g_hash_table_add(seen, text))
            g_ptr_array_add(letter->to, text);
        else
            g_free(text);
    }
    return letter->to->len > 0 ||
           fail_with(ctl, EX_USAGE, error,
                     "nobody is named that it is to go to: give addresses, or -t for those in the "
                     "header");
}

/* ---- the command --------------------------------------------------------------------------- */

/* Has one started where there is none; what can't be is no failure: the mail is kept. */
static void wake_daemon(Ctl *ctl)
{
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, NULL);

    if (!bus)
        return;
    g_dbus_connection_set_exit_on_close(bus, FALSE);
    g_dbus_connection_call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "StartServiceByName",
                           g_variant_new("(su)", POSTERN_BUS_NAME, 0), NULL, G_DBUS_CALL_FLAGS_NONE,
                           -1, NULL, NULL, NULL);
    g_dbus_connection_flush_sync(bus, NULL, NULL);
}

static gboolean send_letter(Ctl *ctl, Letter *letter, const Options *options, GError **error)
{
    g_autofree char *path = paths_config();
    g_autoptr(GError) failure = NULL;
    g_autoptr(Config) config = config_load(path, &failure);

    if (!config)
        return fail_with(ctl, EX_CONFIG, error, "%s", failure->message);
    if (!letter_read(letter, !options->ignore_dots, &failure))
        return fail_with(ctl, EX_DATAERR, error, "%s", failure->message);
    g_autofree char *from = letter_from(letter);
    const ConfigAccount *account = choose_account(ctl, config, options, from, error);
    if (!account)
        return FALSE;
    if (options->from_header)
        letter_add_recipients(letter);
    if (!choose_sender(ctl, letter, options, from, account->settings, error) ||
        !collect_recipients(ctl, letter, account->settings, error))
        return FALSE;
    letter_complete(letter, options->name ? options->name : account->settings->name,
                    *letter->sender ? letter->sender : account->settings->address);
    if (!letter_hand_over(letter, account->id, &failure))
        return fail_with(ctl, EX_TEMPFAIL, error, "%s", failure->message);
    if (!ctl->no_start)
        wake_daemon(ctl);
    return TRUE;
}

gboolean cmd_sendmail(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(Letter) letter = {.to = g_ptr_array_new_with_free_func(g_free)};
    Options options = {0};

    if (argc == 2 && (strcmp(argv[1], "--help") == 0))
        return ctl_parse(ctl, &(CtlUsage){NULL, 0, -1}, &argc, &argv, error);
    if (!parse_options(ctl, argc, argv, &options, error))
        return FALSE;
    for (int i = optind; i < argc; i++)
        g_ptr_array_add(letter.to, g_strdup(argv[i]));
    return send_letter(ctl, &letter, &options, error);
}
