/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading postern.conf. A bad value in one account spoils that account only; the others go on.
 */
#include "daemon/config/config.h"

#include "daemon/config/choice.h"
#include "daemon/config/edit.h"
#include "daemon/config/file.h"
#include "daemon/config/goa.h"
#include "daemon/config/providers.h"
#include "daemon/config/quirks.h"
#include "daemon/net/listen.h"
#include "daemon/net/route.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const ConfigListenKey config_listen_keys[CONFIG_LISTEN_KEYS] = {
    {"imap", "imap", FALSE, 12143},
    {"imaps", "imap", TRUE, 12993},
    {"pop3", "pop3", FALSE, 12110},
    {"pop3s", "pop3", TRUE, 12995},
    {"submission", "submission", FALSE, 12587},
    {"submissions", "submission", TRUE, 12465},
};

/* ---- life -------------------------------------------------------------------------------- */

static void address_free(gpointer data)
{
    ConfigAddress *address = data;
    g_free(address->host);
    g_free(address);
}

ConfigAccount *config_account_new(const char *id)
{
    ConfigAccount *account = g_new0(ConfigAccount, 1);

    account->refs = 1;
    account->id = g_strdup(id);
    account->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return account;
}

ConfigAccount *config_account_ref(ConfigAccount *account)
{
    g_atomic_int_inc(&account->refs);
    return account;
}

void config_account_unref(ConfigAccount *account)
{
    if (!g_atomic_int_dec_and_test(&account->refs))
        return;
    g_free(account->id);
    g_clear_pointer(&account->settings, account_settings_unref);
    g_free(account->error);
    g_hash_table_unref(account->values);
    g_free(account);
}

void config_free(Config *config)
{
    if (!config)
        return;
    g_free(config->path);
    for (guint i = 0; i < CONFIG_LISTEN_KEYS; i++)
        g_clear_pointer(&config->listen[i], g_ptr_array_unref);
    g_hash_table_unref(config->oauth2);
    g_clear_pointer(&config->providers, g_key_file_unref);
    g_hash_table_unref(config->by_id);
    g_ptr_array_unref(config->accounts);
    g_ptr_array_unref(config->warnings);
    g_free(config);
}

ConfigAccount *config_find(const Config *config, const char *id)
{
    return g_hash_table_lookup(config->by_id, id);
}

gboolean config_account_equal(const ConfigAccount *a, const ConfigAccount *b)
{
    GHashTableIter iter;
    gpointer key, value;

    if (g_strcmp0(a->error, b->error) != 0 ||
        g_hash_table_size(a->values) != g_hash_table_size(b->values))
        return FALSE;
    g_hash_table_iter_init(&iter, a->values);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (g_strcmp0(value, g_hash_table_lookup(b->values, key)) != 0)
            return FALSE;
    }
    return TRUE;
}

gboolean config_valid_id(const char *id)
{
    static const char *const reserved[] = {"all", "local", "new", NULL};

    if (g_strv_contains(reserved, id))
        return FALSE;
    gsize length = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return length > 0 && length <= 64 && id[length] == '\0';
}

char *config_suggest_id(const Config *config, const char *address)
{
    g_autofree char *base = g_ascii_strdown(address, -1);
    char *at = strrchr(base, '@');

    if (at)
        *at = '\0';
    for (char *c = base; *c; c++) {
        if (!g_ascii_islower(*c) && !g_ascii_isdigit(*c))
            *c = '-';
    }
    if (strlen(base) > 48)
        base[48] = '\0';
    if (!*base)
        return config_suggest_id(config, "mail@");
    char *id = g_strdup(base);
    for (guint n = 2; !config_valid_id(id) || config_find(config, id); n++) {
        g_free(id);
        id = g_strdup_printf("%s-%u", base, n);
    }
    return id;
}

/* ---- an account's keys ------------------------------------------------------------------- */

typedef gboolean (*KeyParser)(AccountSettings *settings, const char *value, GError **error);

static gboolean bad(GError **error, const char *message)
{
    g_set_error_literal(error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, message);
    return FALSE;
}

static gboolean looks_like_address(const char *text)
{
    const char *at = strrchr(text, '@');

    if (!at || at == text || !at[1] || strlen(text) > 254 || !g_utf8_validate(text, -1, NULL))
        return FALSE;
    for (const char *c = text; *c; c++) {
        if (g_ascii_iscntrl(*c) || strchr(" <>,;\"()", *c))
            return FALSE;
    }
    return TRUE;
}

static gboolean set_text(char **field, const char *value)
{
    g_free(*field);
    *field = *value ? g_strdup(value) : NULL;
    return TRUE;
}

static gboolean parse_address(AccountSettings *settings, const char *value, GError **error)
{
    if (!looks_like_address(value))
        return bad(error, "is not a mail address; write it as ada@example.org");
    return set_text(&settings->address, value);
}

static gboolean parse_aliases(AccountSettings *settings, const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit_set(value, ";,", -1);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (char **part = parts; *part; part++) {
        const char *alias = g_strstrip(*part);
        if (!*alias)
            continue;
        if (strcmp(alias, "*") != 0 && !looks_like_address(alias))
            return bad(error, "lists addresses, *@domain or *, separated by semicolons");
        g_strv_builder_add(builder, alias);
    }
    g_strfreev(settings->aliases);
    settings->aliases = g_strv_builder_end(builder);
    return TRUE;
}

static gboolean parse_name(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->name, value);
}

static gboolean parse_endpoint(NetEndpoint **field, const char *value, GError **error)
{
    g_clear_pointer(field, net_endpoint_free);
    return !*value || (*field = net_endpoint_parse(value, error));
}

static gboolean parse_incoming(AccountSettings *settings, const char *value, GError **error)
{
    if (strcmp(value, CONFIG_LOCAL_URL) == 0) {
        g_clear_pointer(&settings->incoming, net_endpoint_free);
        settings->kind = ACCOUNT_LOCAL;
        return TRUE;
    }
    if (!parse_endpoint(&settings->incoming, value, error))
        return FALSE;
    const char *protocol = settings->incoming ? settings->incoming->protocol : "imap";
    settings->kind = strcmp(protocol, "pop3") == 0 ? ACCOUNT_POP3 : ACCOUNT_IMAP;
    return settings->kind == ACCOUNT_POP3 || strcmp(protocol, "imap") == 0 ||
           bad(error, "has to be an IMAP or POP3 server; write imaps://HOST, imap://HOST or "
                      "pop3s://HOST (or " CONFIG_LOCAL_URL " for mail that lives here only)");
}

static gboolean parse_outgoing(AccountSettings *settings, const char *value, GError **error)
{
    if (!parse_endpoint(&settings->outgoing, value, error))
        return FALSE;
    if (settings->outgoing && strcmp(settings->outgoing->protocol, "submission") != 0)
        return bad(error, "has to be a submission server; write submissions://HOST or "
                          "submission://HOST");
    return TRUE;
}

static gboolean parse_user(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->user, value);
}

static gboolean parse_outgoing_user(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->outgoing_user, value);
}

static gboolean parse_command(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->password_command, value);
}

static gboolean parse_outgoing_command(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->outgoing_password_command, value);
}

/* Some go without password and token: by the certificate, by a Kerberos ticket. */
static gboolean parse_auth(AccountSettings *settings, const char *value, GError **error)
{
    static const struct {
        const char *word;
        guint mechanism;
    } words[] = {{"", 0},
                 {"password", 0},
                 {"oauth2", 0},
                 {"external", SASL_EXTERNAL},
                 {"gssapi", SASL_GSSAPI}};

    settings->oauth2 = strcmp(value, "oauth2") == 0;
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(value, words[i].word) == 0) {
            settings->by_key = words[i].mechanism;
            return TRUE;
        }
    }
    return bad(error, "is not known; write password, oauth2, external or gssapi");
}

static gboolean parse_token_command(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->token_command, value);
}

static gboolean parse_mechanisms(guint *mechanisms, const char *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(value, ",; ", -1);

    *mechanisms = 0;
    for (char **word = words; *word; word++) {
        guint mechanism = sasl_mechanism_of(*word);
        if (**word && !mechanism)
            return bad(error,
                       "is not known; leave it out for the best one, or write one or more of "
                       "SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-256, SCRAM-SHA-1, "
                       "PLAIN, LOGIN, CRAM-MD5, OAUTHBEARER, XOAUTH2");
        *mechanisms |= mechanism;
    }
    if (*mechanisms & SASL_BY_KEY)
        return bad(error, "can't be EXTERNAL or GSSAPI; write auth=external or auth=gssapi");
    return TRUE;
}

static gboolean parse_mechanism(AccountSettings *settings, const char *value, GError **error)
{
    return parse_mechanisms(&settings->mechanisms, value, error);
}

static gboolean parse_outgoing_mechanism(AccountSettings *settings, const char *value,
                                         GError **error)
{
    return parse_mechanisms(&settings->outgoing_mechanisms, value, error);
}

static gboolean parse_client_cert(AccountSettings *settings, const char *value, GError **error)
{
    if (*value && !g_path_is_absolute(value))
        return bad(error, "has to be an absolute path");
    return set_text(&settings->tls_client_cert, value);
}

static gboolean parse_oauth2_server(AccountSettings *settings, const char *value, GError **error)
{
    if (strstr(value, "://") && !g_str_has_prefix(value, "https://") &&
        !g_str_has_prefix(value, "http://127.0.0.1:"))
        return bad(error,
                   "is the name of a group [oauth2 NAME], or the https address of an issuer");
    return set_text(&settings->oauth2_server, value);
}

static gboolean parse_ca_file(AccountSettings *settings, const char *value, GError **error)
{
    if (*value && !g_path_is_absolute(value))
        return bad(error, "has to be an absolute path");
    return set_text(&settings->tls_ca_file, value);
}

static gboolean parse_prefetch(AccountSettings *settings, const char *value, GError **error)
{
    char *end;
    guint64 days = g_ascii_strtoull(value, &end, 10);

    if (!*value || strcmp(value, "all") == 0)
        settings->prefetch_days = ACCOUNT_PREFETCH_ALL;
    else if (strcmp(value, "headers") == 0)
        settings->prefetch_days = ACCOUNT_PREFETCH_HEADERS;
    else if (g_ascii_isdigit(*value) && strcmp(end, "d") == 0 && days > 0 && days <= 36500)
        settings->prefetch_days = (int)days;
    else
        return bad(error, "is not known; write all, headers, or a number of days such as 90d");
    return TRUE;
}

static gboolean parse_save_sent(AccountSettings *settings, const char *value, GError **error)
{
    static const char *const words[] = {"auto", "always", "never"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            settings->save_sent = (AccountSaveSent)i;
            return TRUE;
        }
    }
    return !*value || bad(error, "is not known; write auto, always or never");
}

static gboolean parse_pop3_folder(AccountSettings *settings, const char *value, GError **error)
{
    return set_text(&settings->pop3_folder, value);
}

static gboolean parse_pop3_delete(AccountSettings *settings, const char *value, GError **error)
{
    static const char *const words[] = {"expunge", "trash", "ignore"};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(value, words[i]) == 0) {
            settings->pop3_delete = (AccountPop3Delete)i;
            return TRUE;
        }
    }
    return !*value || bad(error, "is not known; write expunge, trash or ignore");
}

static gboolean parse_pop3_window(AccountSettings *settings, const char *value, GError **error)
{
    char *end;
    guint64 days = g_ascii_strtoull(value, &end, 10);

    if (!*value)
        return TRUE;
    if (!g_ascii_isdigit(*value) || strcmp(end, "d") != 0 || days == 0 || days > 36500)
        return bad(error, "is not known; write a number of days such as 90d");
    settings->pop3_days = (guint)days;
    return TRUE;
}

static gboolean parse_leave(AccountSettings *settings, const char *value, GError **error)
{
    char *end;
    guint64 days = g_ascii_strtoull(value, &end, 10);

    if (!*value || strcmp(value, "always") == 0)
        settings->leave_days = ACCOUNT_LEAVE_ALWAYS;
    else if (strcmp(value, "never") == 0)
        settings->leave_days = 0;
    else if (g_ascii_isdigit(*value) && strcmp(end, "d") == 0 && days > 0 && days <= 36500)
        settings->leave_days = (int)days;
    else
        return bad(error, "is not known; write always, never, or a number of days such as 30d");
    return TRUE;
}

static gboolean parse_quirks(AccountSettings *settings, const char *value, GError **error)
{
    Quirks quirks = {0};

    return set_text(&settings->quirks, value) && quirks_add(&quirks, value, error);
}

static gboolean set_patterns(char ***field, const char *value)
{
    g_strfreev(*field);
    *field = account_patterns_parse(value);
    return TRUE;
}

static gboolean parse_folders(AccountSettings *settings, const char *value, GError **error)
{
    return set_patterns(&settings->folders, value);
}

static gboolean parse_headers_only(AccountSettings *settings, const char *value, GError **error)
{
    return set_patterns(&settings->headers_only, value);
}

static gboolean parse_proxy(AccountSettings *settings, const char *value, GError **error)
{
    g_autoptr(NetProxy) proxy = NULL;

    if (*value && strcmp(value, NET_PROXY_DIRECT) != 0 && !(proxy = net_proxy_parse(value, error)))
        return FALSE;
    return set_text(&settings->proxy, value);
}

/* One folder isn't for two things, and INBOX for none of these. */
static gboolean parse_role_folder(AccountSettings *settings, AccountRole role, const char *value,
                                  GError **error)
{
    if (g_ascii_strcasecmp(value, "INBOX") == 0)
        return bad(error, "can't be INBOX; name another folder");
    for (guint i = 0; i < ACCOUNT_ROLES; i++)
        if (i != role && *value && g_strcmp0(settings->role_folders[i], value) == 0)
            return bad(error, "names a folder that is for something else already");
    return set_text(&settings->role_folders[role], value);
}

static gboolean parse_sent_folder(AccountSettings *settings, const char *value, GError **error)
{
    return parse_role_folder(settings, ACCOUNT_ROLE_SENT, value, error);
}

static gboolean parse_drafts_folder(AccountSettings *settings, const char *value, GError **error)
{
    return parse_role_folder(settings, ACCOUNT_ROLE_DRAFTS, value, error);
}

static gboolean parse_trash_folder(AccountSettings *settings, const char *value, GError **error)
{
    return parse_role_folder(settings, ACCOUNT_ROLE_TRASH, value, error);
}

static gboolean parse_junk_folder(AccountSettings *settings, const char *value, GError **error)
{
    return parse_role_folder(settings, ACCOUNT_ROLE_JUNK, value, error);
}

static gboolean parse_archive_folder(AccountSettings *settings, const char *value, GError **error)
{
    return parse_role_folder(settings, ACCOUNT_ROLE_ARCHIVE, value, error);
}

static gboolean parse_undo_delay(AccountSettings *settings, const char *value, GError **error)
{
    char *end;
    guint64 count = g_ascii_strtoull(value, &end, 10);
    guint unit = strcmp(end, "s") == 0 ? 1 : strcmp(end, "m") == 0 ? 60 : 0;

    if (!*value)
        return TRUE;
    if (!g_ascii_isdigit(*value) || unit == 0 || count > 86400 || count * unit > 86400)
        return bad(error,
                   "is not known; write seconds or minutes such as 10s or 2m, a day at most");
    settings->undo_delay = (guint)(count * unit);
    return TRUE;
}

static gboolean parse_flag(const char *value, gboolean *flag)
{
    if (strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *flag = TRUE;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *flag = FALSE;
    else
        return !*value;
    return TRUE;
}

static gboolean parse_enabled(AccountSettings *settings, const char *value, GError **error)
{
    return parse_flag(value, &settings->enabled) || bad(error, "is not known; write true or false");
}

static gboolean refuse_password(AccountSettings *settings, const char *value, GError **error)
{
    return bad(error, "a password doesn't belong in this file; take the line out, and give the "
                      "password with 'posternctl account set ID --password-stdin' or set "
                      "password-command");
}

static gboolean parse_goa(AccountSettings *settings, const char *value, GError **error)
{
    if (*value && !goa_valid_id(value))
        return bad(error, "isn't an account's ID in GNOME Online Accounts; that is of letters, "
                          "digits and _, such as account_1700000000_0");
    return set_text(&settings->goa, value);
}

static const struct {
    const char *key;
    KeyParser parse;
} account_keys[] = {
    {"address", parse_address},
    {"aliases", parse_aliases},
    {"name", parse_name},
    {"incoming", parse_incoming},
    {"outgoing", parse_outgoing},
    {"user", parse_user},
    {"auth", parse_auth},
    {"password-command", parse_command},
    {"outgoing-user", parse_outgoing_user},
    {"outgoing-password-command", parse_outgoing_command},
    {"tls-ca-file", parse_ca_file},
    {"prefetch", parse_prefetch},
    {"save-sent", parse_save_sent},
    {"leave-on-server", parse_leave},
    {"undo-delay", parse_undo_delay},
    {"quirks", parse_quirks},
    {"proxy", parse_proxy},
    {"folders", parse_folders},
    {"headers-only", parse_headers_only},
    {"sent-folder", parse_sent_folder},
    {"drafts-folder", parse_drafts_folder},
    {"trash-folder", parse_trash_folder},
    {"junk-folder", parse_junk_folder},
    {"archive-folder", parse_archive_folder},
    {"pop3-folder", parse_pop3_folder},
    {"pop3-delete", parse_pop3_delete},
    {"pop3-window", parse_pop3_window},
    {"enabled", parse_enabled},
    {"password", refuse_password},
    {"outgoing-password", refuse_password},
    {"passwd", refuse_password},
    {"secret", refuse_password},
    {"token-command", parse_token_command},
    {"oauth2", parse_oauth2_server},
    {"mechanism", parse_mechanism},
    {"outgoing-mechanism", parse_outgoing_mechanism},
    {"tls-client-cert", parse_client_cert},
    {"goa", parse_goa},
};

gboolean config_is_account_key(const char *key)
{
    for (guint i = 0; i < G_N_ELEMENTS(account_keys); i++) {
        if (strcmp(account_keys[i].key, key) == 0)
            return TRUE;
    }
    return FALSE;
}

/* ---- an account's group ------------------------------------------------------------------ */

/* Those of `mechanisms` that take what the account has. */
static gboolean fit_mechanisms(const AccountSettings *settings, guint *mechanisms, GError **error)
{
    guint fitting = settings->oauth2 ? SASL_TOKEN : ~SASL_TOKEN;

    if (*mechanisms && !(*mechanisms & fitting))
        return bad(error, settings->oauth2 ? "takes a password, and auth=oauth2 gives a token"
                                           : "takes a token; add auth=oauth2");
    *mechanisms = settings->by_key ? settings->by_key : *mechanisms & fitting;
    return TRUE;
}

static gboolean check_required(AccountSettings *settings, const char **key, GError **error)
{
    *key = "address";
    if (!settings->address && settings->kind != ACCOUNT_LOCAL)
        return bad(error, "is missing; add a line such as address=ada@example.org");
    *key = "incoming";
    if (!settings->incoming && settings->kind != ACCOUNT_LOCAL)
        return bad(error, "is missing; add a line such as incoming=imaps://imap.example.org");
    *key = "goa";
    if (settings->goa && (settings->password_command || settings->outgoing_password_command ||
                          settings->token_command || settings->oauth2_server || settings->by_key))
        return bad(error, "gives the password or token; take the other lines about it out");
    *key = "oauth2";
    if (settings->oauth2 && !settings->token_command && !settings->oauth2_server && !settings->goa)
        return bad(error,
                   "is missing: with auth=oauth2 it says where one signs in, such as google; "
                   "or give a token-command that prints an access token");
    if (settings->oauth2_server && (!settings->oauth2 || settings->password_command))
        return bad(error, "goes with auth=oauth2, and without password-command");
    if (settings->oauth2_server && settings->token_command)
        return bad(error, "and token-command exclude each other; take one of them out");
    *key = "auth";
    if (settings->by_key &&
        (settings->password_command || settings->mechanisms || settings->outgoing_mechanisms))
        return bad(error, "=external and =gssapi go without password-command, mechanism and "
                          "outgoing-mechanism; take them out");
    if (settings->by_key == SASL_EXTERNAL && !settings->tls_client_cert)
        return bad(error, "=external needs the certificate to show: add tls-client-cert=");
    *key = "mechanism";
    if (!fit_mechanisms(settings, &settings->mechanisms, error))
        return FALSE;
    *key = "outgoing-mechanism";
    if (!fit_mechanisms(settings, &settings->outgoing_mechanisms, error))
        return FALSE;
    *key = "token-command";
    if (settings->token_command && !settings->oauth2)
        return bad(error, "goes with auth=oauth2; add that line");
    if (settings->token_command &&
        (settings->password_command || settings->outgoing_password_command))
        return bad(error, "and password-command exclude each other; take one of them out");
    return TRUE;
}

static void give_proxy(NetEndpoint *endpoint, const char *proxy)
{
    if (endpoint)
        endpoint->proxy = g_strdup(proxy);
}

static void fill_defaults(AccountSettings *settings)
{
    give_proxy(settings->incoming, settings->proxy);
    give_proxy(settings->outgoing, settings->proxy);
    if (!settings->address)
        settings->address = g_strdup_printf("%s@localhost", settings->id);
    if (!settings->user)
        settings->user = g_strdup(settings->address);
    if (!settings->outgoing_user)
        settings->outgoing_user = g_strdup(settings->user);
    if (settings->token_command)
        settings->password_command = g_strdup(settings->token_command);
    if (!settings->outgoing_password_command)
        settings->outgoing_password_command = g_strdup(settings->password_command);
    if (!settings->aliases)
        settings->aliases = g_new0(char *, 1);
}

static gboolean parse_key(AccountSettings *settings, const char *key, const char *value,
                          gboolean *known, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(account_keys); i++) {
        if (strcmp(account_keys[i].key, key) == 0) {
            *known = TRUE;
            return account_keys[i].parse(settings, value, error);
        }
    }
    *known = FALSE;
    return TRUE;
}

/* What providers.ini says of the account's provider, where the account doesn't. */
static void fill_from_table(ConfigAccount *account, AccountSettings *settings)
{
    static const char *const keys[] = {"folders", "sent-folder"};
    g_autofree char *group =
        settings->providers
            ? providers_find(settings->providers, settings->incoming, settings->address)
            : NULL;

    for (guint i = 0; group && i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *value = g_key_file_get_string(settings->providers, group, keys[i], NULL);
        gboolean known;
        if (value && !g_hash_table_contains(account->values, keys[i]))
            parse_key(settings, keys[i], value, &known, NULL);
    }
}

static void warn(Config *config, const char *group, const char *key, const char *what)
{
    g_ptr_array_add(config->warnings,
                    key ? g_strdup_printf("%s: [%s] %s: %s", config->path, group, key, what)
                        : g_strdup_printf("%s: [%s]: %s", config->path, group, what));
}

/* The first mistake counts. */
static void note_mistake(const char *key, GError **mistake, char **at, GError **error)
{
    if (*mistake && !*at) {
        *at = g_strdup(key);
        g_propagate_error(error, g_steal_pointer(mistake));
    }
    g_clear_error(mistake);
}

/* Reads the group's keys into `settings` and, whatever they hold, into account->values; on failure
 * *at is the first key that is bad. */
static gboolean parse_keys(Config *config, GKeyFile *file, const char *group,
                           ConfigAccount *account, AccountSettings *settings, char **at,
                           GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);

    for (char **key = keys; *key; key++) {
        g_autoptr(GError) failure = NULL, mistake = NULL;
        g_autofree char *value = g_key_file_get_string(file, group, *key, &failure);
        gboolean known = FALSE;

        /* GLib gives some value even where an escape is wrong. */
        if (failure) {
            bad(&mistake, "can't be read as text in UTF-8; a backslash is written \\\\");
            g_free(value);
            value = g_key_file_get_value(file, group, *key, NULL);
        } else {
            g_strchomp(value);
            parse_key(settings, *key, value, &known, &mistake);
            if (!known)
                warn(config, group, *key, "this key is not known and has no effect");
        }
        g_hash_table_replace(account->values, g_strdup(*key), g_steal_pointer(&value));
        note_mistake(*key, &mistake, at, error);
    }
    const char *required;
    g_autoptr(GError) mistake = NULL;
    if (!*at && !check_required(settings, &required, &mistake))
        note_mistake(required, &mistake, at, error);
    return !*at;
}

/* What the provider is known to want, as its key says it; the caller frees. */
static char *known_mechanism(const Config *config, const ConfigLogin *login)
{
    GKeyFile *table = config->providers;
    g_autofree char *provider =
        table ? providers_find(table, login->incoming, login->address) : NULL;
    g_autofree char *name =
        provider ? g_key_file_get_string(table, provider, "oauth2", NULL) : NULL;

    if (!login->oauth2)
        return provider ? g_key_file_get_string(table, provider, "mechanism", NULL) : NULL;
    const char *server = login->oauth2_server ? login->oauth2_server : name;
    g_autofree char *group = server ? g_strdup_printf("oauth2 %s", server) : NULL;
    const char *own = server ? config_oauth2(config, server, "mechanism") : NULL;
    return own || !group || !table ? g_strdup(own)
                                   : g_key_file_get_string(table, group, "mechanism", NULL);
}

guint config_known_mechanisms(const Config *config, const ConfigLogin *login)
{
    g_autofree char *known = known_mechanism(config, login);
    g_autoptr(GError) error = NULL;
    guint mechanisms = 0;

    if (known && !parse_mechanisms(&mechanisms, known, &error))
        g_warning("What is known of %s: mechanism %s", login->incoming->host, error->message);
    return mechanisms & (login->oauth2 ? SASL_TOKEN : ~(SASL_TOKEN | SASL_BY_KEY));
}

/* Where the account doesn't say: the outgoing server goes by what is said of the incoming one. */
static void fill_mechanisms(const Config *config, AccountSettings *settings)
{
    const ConfigLogin login = {settings->incoming, settings->address, settings->oauth2_server,
                               settings->oauth2};

    if (!settings->mechanisms && settings->incoming)
        settings->mechanisms = config_known_mechanisms(config, &login);
    if (!settings->outgoing_mechanisms)
        settings->outgoing_mechanisms = settings->mechanisms;
}

static void parse_account(Config *config, GKeyFile *file, const char *group, const char *id)
{
    ConfigAccount *account = config_account_new(id);
    g_autoptr(AccountSettings) settings = g_new0(AccountSettings, 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *at = NULL;

    settings->refs = 1;
    settings->id = g_strdup(id);
    settings->prefetch_days = ACCOUNT_PREFETCH_ALL;
    settings->leave_days = ACCOUNT_LEAVE_ALWAYS;
    settings->enabled = TRUE;
    settings->providers = config->providers ? g_key_file_ref(config->providers) : NULL;
    g_ptr_array_add(config->accounts, account);
    g_hash_table_insert(config->by_id, account->id, account);

    if (parse_keys(config, file, group, account, settings, &at, &error)) {
        fill_from_table(account, settings);
        fill_defaults(settings);
        fill_mechanisms(config, settings);
        if (settings->kind != ACCOUNT_POP3 && settings->leave_days != ACCOUNT_LEAVE_ALWAYS)
            warn(config, group, "leave-on-server", "has no effect without a POP3 server");
        account->settings = g_steal_pointer(&settings);
        return;
    }
    account->error = g_strdup_printf("%s: [%s] %s: %s", config->path, group, at, error->message);
}

/* ---- [listen] ------------------------------------------------------------------------------ */

/* Addresses of one key: those of a loopback interface are few. */
#define ADDRESSES_MAX 16

static void parse_listen_key(Config *config, guint i, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ";", ADDRESSES_MAX + 1);

    if (g_strv_length(parts) > ADDRESSES_MAX) {
        warn(config, "listen", config_listen_keys[i].key,
             "only the first " G_STRINGIFY(ADDRESSES_MAX) " addresses are listened on");
        g_clear_pointer(&parts[ADDRESSES_MAX], g_free);
    }
    config->listen[i] = g_ptr_array_new_with_free_func(address_free);
    for (char **part = parts; *part; part++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *host = NULL;
        guint16 port = 0;

        if (!*g_strstrip(*part))
            continue;
        if (!net_parse_listen_address(*part, &host, &port, &error) || port == 0) {
            warn(config, "listen", config_listen_keys[i].key,
                 error ? error->message : "port 0 is none; choose one above 1023");
            continue;
        }
        ConfigAddress *address = g_new0(ConfigAddress, 1);
        address->host = g_steal_pointer(&host);
        address->port = port;
        g_ptr_array_add(config->listen[i], address);
    }
}

static gboolean parse_port_key(Config *config, const char *key, const char *value)
{
    for (guint i = 0; i < CONFIG_LISTEN_KEYS; i++) {
        if (strcmp(config_listen_keys[i].key, key) == 0) {
            parse_listen_key(config, i, value);
            return TRUE;
        }
    }
    return FALSE;
}

static void parse_listen(Config *config, GKeyFile *file)
{
    g_auto(GStrv) keys = g_key_file_get_keys(file, "listen", NULL, NULL);

    for (char **key = keys; *key; key++) {
        g_autofree char *value = g_key_file_get_value(file, "listen", *key, NULL);
        g_strstrip(value);
        if (strcmp(*key, "sockets") == 0) {
            if (!parse_flag(value, &config->sockets))
                warn(config, "listen", *key, "is not known; write true or false");
        } else if (!parse_port_key(config, *key, value)) {
            warn(config, "listen", *key, "this key is not known and has no effect");
        }
    }
}

/* ---- the file ------------------------------------------------------------------------------ */

static void parse_oauth2(Config *config, GKeyFile *file, const char *group, const char *name)
{
    static const char *const known[] = {"client-id", "client-secret",   "issuer", "authorize-url",
                                        "token-url", "device-url",      "scope",  "revoke-url",
                                        "redirect",  "authorize-extra", "tenant", "register-url",
                                        "hint",      "mechanism",       NULL};
    g_auto(GStrv) keys = g_key_file_get_keys(file, group, NULL, NULL);

    for (char **key = keys; *key; key++) {
        g_autofree char *value = g_key_file_get_string(file, group, *key, NULL);
        if (!value || !g_strv_contains(known, *key))
            warn(config, group, *key, "this key is not known and has no effect");
        else
            g_hash_table_replace(config->oauth2, g_strdup_printf("%s\n%s", name, *key),
                                 g_strdup(g_strstrip(value)));
    }
}

const char *config_oauth2(const Config *config, const char *name, const char *key)
{
    g_autofree char *both = g_strdup_printf("%s\n%s", name, key);
    return g_hash_table_lookup(config->oauth2, both);
}

#define OAUTH2 "oauth2 "

/* Before the accounts, which look at them. */
static void parse_oauth2_groups(Config *config, GKeyFile *file, char *const *groups)
{
    for (char *const *group = groups; *group; group++)
        if (g_str_has_prefix(*group, OAUTH2))
            parse_oauth2(config, file, *group, *group + strlen(OAUTH2));
}

static void parse_group(Config *config, GKeyFile *file, const char *group)
{
    if (g_str_has_prefix(group, OAUTH2))
        return;
    if (strcmp(group, "listen") == 0) {
        parse_listen(config, file);
        return;
    }
    if (!g_str_has_prefix(group, "account ")) {
        warn(config, group, NULL, "this group is not known and has no effect");
        return;
    }
    g_autofree char *id = g_strstrip(g_strdup(group + strlen("account ")));
    if (config_valid_id(id) && !config_find(config, id))
        parse_account(config, file, group, id);
    else
        warn(config, group, NULL,
             "an account's ID has to be its own, of a-z, 0-9 and -, and not all, local or new; "
             "this account is left out");
}

static void warn_about_shared_addresses(Config *config)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < config->accounts->len; i++) {
        ConfigAccount *account = g_ptr_array_index(config->accounts, i);
        if (!account->settings || g_hash_table_add(seen, account->settings->address))
            continue;
        g_autofree char *group = g_strdup_printf("account %s", account->id);
        warn(config, group, "address",
             "an account above has this address too; clients reach this one by its ID only");
    }
}

/* `providers` may be NULL. */
static Config *parse_file(const char *path, const char *text, GKeyFile *providers, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!g_key_file_load_from_data(file, text, (gsize)-1, G_KEY_FILE_NONE, error)) {
        g_prefix_error(error, "%s is not a key file; mend it or move it away: ", path);
        return NULL;
    }
    Config *config = g_new0(Config, 1);
    config->path = g_strdup(path);
    config->sockets = TRUE;
    config->providers = providers ? g_key_file_ref(providers) : NULL;
    config->oauth2 = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    config->accounts = g_ptr_array_new_with_free_func((GDestroyNotify)config_account_unref);
    config->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    config->warnings = g_ptr_array_new_with_free_func(g_free);

    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
    parse_oauth2_groups(config, file, groups);
    for (char **group = groups; *group; group++)
        parse_group(config, file, *group);
    warn_about_shared_addresses(config);
    return config;
}

Config *config_parse(const char *path, const char *text, GError **error)
{
    return parse_file(path, text, NULL, error);
}

/* With what is known of providers: without it the accounts work all the same. */
static Config *load_beside(const char *path, const char *text, GError **error)
{
    g_autofree char *table = providers_path();
    g_autofree char *own = providers_own_path(path);
    g_autoptr(GError) failure = NULL;
    g_autoptr(GKeyFile) providers = providers_load(table, own, &failure);
    Config *config = parse_file(path, text, providers, error);

    if (config && failure)
        g_ptr_array_add(config->warnings, g_strdup(failure->message));
    return config;
}

Config *config_load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;

    if (!config_file_check_writers(path, error))
        return NULL;
    if (!config_file_read(path, &text, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return load_beside(path, "", error);
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
    }
    return load_beside(path, text, error);
}

/* ---- the first start ------------------------------------------------------------------------ */

/* The default port, or a free one where another program has it. */
static guint16 choose_port(guint16 wanted)
{
    int fd = net_listen_tcp("127.0.0.1", wanted, NULL);

    if (fd < 0)
        fd = net_listen_tcp("127.0.0.1", 0, NULL);
    if (fd < 0)
        return wanted;
    guint16 port = net_local_port(fd);
    close(fd);
    return port;
}

/* What a person who opens the file for the first time should know. */
static const char *const listen_comments[] = {
    "Every key may be empty (off) or a list: 127.0.0.1:12143;[::1]:12143. Loopback only.",
    "imap, pop3 and submission offer STARTTLS (STLS); the others are TLS from the first byte.",
    "postern.conf(5) explains this file.",
};

static gboolean write_listen(const Config *config, const gboolean missing[CONFIG_LISTEN_KEYS],
                             gboolean first, GError **error)
{
    g_autoptr(ConfigEdit) edit = config_edit_open(config->path, error);

    if (!edit)
        return FALSE;
    for (guint i = 0; first && i < G_N_ELEMENTS(listen_comments); i++)
        config_edit_comment(edit, "listen", listen_comments[i]);
    for (guint i = 0; i < CONFIG_LISTEN_KEYS; i++) {
        if (!missing[i])
            continue;
        const ConfigAddress *address = g_ptr_array_index(config->listen[i], 0);
        g_autofree char *value = g_strdup_printf("%s:%u", address->host, address->port);
        config_edit_set(edit, "listen", config_listen_keys[i].key, value);
    }
    return config_edit_save(edit, error);
}

gboolean config_complete_listen(Config *config, const guint16 held[CONFIG_LISTEN_KEYS],
                                GError **error)
{
    gboolean missing[CONFIG_LISTEN_KEYS];
    guint count = 0;

    for (guint i = 0; i < CONFIG_LISTEN_KEYS; i++) {
        missing[i] = !config->listen[i];
        if (!missing[i])
            continue;
        guint16 port = held && held[i] ? held[i] : choose_port(config_listen_keys[i].port);
        g_autofree char *value = g_strdup_printf("127.0.0.1:%u", port);
        parse_listen_key(config, i, value);
        count++;
    }
    return count == 0 || write_listen(config, missing, count == CONFIG_LISTEN_KEYS, error);
}
