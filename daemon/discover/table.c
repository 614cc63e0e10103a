/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading providers.ini, and looking providers up in it.
 */
#include "daemon/discover/table.h"

#include "daemon/config/providers.h"
#include <gio/gio.h>
#include <string.h>

struct DiscoverTable {
    GKeyFile *file;
    char **groups;
};

/* ---- loading ------------------------------------------------------------------------------- */

DiscoverTable *discover_table_load(const char *path, const char *own, GError **error)
{
    g_autoptr(DiscoverTable) table = g_new0(DiscoverTable, 1);

    table->file = providers_load(path, own, error);
    if (!table->file)
        return NULL;
    table->groups = g_key_file_get_groups(table->file, NULL);
    return g_steal_pointer(&table);
}

void discover_table_free(DiscoverTable *table)
{
    if (!table)
        return;
    g_clear_pointer(&table->file, g_key_file_unref);
    g_strfreev(table->groups);
    g_free(table);
}

/* ---- looking up ---------------------------------------------------------------------------- */

/* Whether one of the patterns in the list under `key` matches; `*` stands for anything. */
static gboolean matches(const DiscoverTable *table, const char *group, const char *key,
                        const char *host)
{
    g_auto(GStrv) patterns = g_key_file_get_string_list(table->file, group, key, NULL, NULL);

    for (char **pattern = patterns; pattern && *pattern; pattern++) {
        if (g_pattern_match_simple(*pattern, host))
            return TRUE;
    }
    return FALSE;
}

static const char *find_group(const DiscoverTable *table, const char *key, const char *host)
{
    g_autofree char *lower = g_ascii_strdown(host, -1);

    for (char **group = table->groups; *group; group++) {
        if (!strchr(*group, ' ') && matches(table, *group, key, lower))
            return *group;
    }
    return NULL;
}

const char *discover_table_by_domain(const DiscoverTable *table, const char *domain)
{
    return find_group(table, "domains", domain);
}

const char *discover_table_by_mx(const DiscoverTable *table, const char *mx)
{
    return find_group(table, "mx", mx);
}

/* A provider's key, or NULL; the caller frees. */
static char *value_of(const DiscoverTable *table, const char *provider, const char *key)
{
    return g_key_file_get_string(table->file, provider, key, NULL);
}

char *discover_table_oauth(const DiscoverTable *table, const char *name, const char *key)
{
    g_autofree char *group = g_strdup_printf("oauth2 %s", name);
    return g_key_file_get_string(table->file, group, key, NULL);
}

/* ---- an offer ------------------------------------------------------------------------------ */

static const struct {
    const char *word;
    DiscoverAuth auth;
} auth_words[] = {
    {"password", DISCOVER_AUTH_PASSWORD},       {"encrypted", DISCOVER_AUTH_ENCRYPTED},
    {"oauth2", DISCOVER_AUTH_OAUTH2},           {"gssapi", DISCOVER_AUTH_GSSAPI},
    {"certificate", DISCOVER_AUTH_CERTIFICATE}, {"none", DISCOVER_AUTH_NONE},
};

static void add_auths(const DiscoverTable *table, const char *group, DiscoverServer *server)
{
    g_auto(GStrv) words = g_key_file_get_string_list(table->file, group, "auth", NULL, NULL);

    for (char **word = words; word && *word; word++) {
        for (guint i = 0; i < G_N_ELEMENTS(auth_words); i++) {
            if (strcmp(*word, auth_words[i].word) == 0)
                discover_server_add_auth(server, auth_words[i].auth);
        }
    }
}

/* The user names under `key`, else under "user", else the address. */
static char **users_of(const DiscoverTable *table, const char *group, const char *key,
                       const DiscoverAddress *address)
{
    g_auto(GStrv) texts = g_key_file_get_string_list(table->file, group, key, NULL, NULL);
    g_autoptr(GStrvBuilder) users = g_strv_builder_new();

    if (!texts)
        texts = g_key_file_get_string_list(table->file, group, "user", NULL, NULL);
    for (char **text = texts; text && *text; text++) {
        g_autofree char *user = discover_address_expand(address, *text);
        g_strv_builder_add(users, user);
    }
    if (!texts)
        g_strv_builder_add(users, address->address);
    return g_strv_builder_end(users);
}

static void add_servers(const DiscoverTable *table, const char *group, const char *key,
                        const char *user_key, const DiscoverAddress *address, GPtrArray *servers)
{
    g_auto(GStrv) urls = g_key_file_get_string_list(table->file, group, key, NULL, NULL);

    for (char **url = urls; url && *url; url++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(NetEndpoint) endpoint = net_endpoint_parse(*url, &error);
        if (!endpoint) {
            g_warning("The table of providers: [%s] %s: %s", group, key, error->message);
            continue;
        }
        DiscoverServer *server = discover_server_new();
        server->endpoint = g_steal_pointer(&endpoint);
        g_strfreev(server->users);
        server->users = users_of(table, group, user_key, address);
        add_auths(table, group, server);
        g_ptr_array_add(servers, server);
    }
}

DiscoverOffer *discover_table_offer(const DiscoverTable *table, const char *provider,
                                    const DiscoverAddress *address, DiscoverSource source)
{
    DiscoverOffer *offer =
        discover_offer_new(source, "the table of providers", source == DISCOVER_TABLE);
    g_autofree char *oauth = value_of(table, provider, "oauth2");

    add_servers(table, provider, "incoming", "user", address, offer->incoming);
    add_servers(table, provider, "outgoing", "outgoing-user", address, offer->outgoing);
    offer->provider = g_strdup(provider);
    offer->name = value_of(table, provider, "name");
    offer->hint = value_of(table, provider, "hint");
    offer->link = value_of(table, provider, "link");
    if (oauth) {
        offer->oauth = g_new0(DiscoverOauth, 1);
        offer->oauth->issuer = discover_table_oauth(table, oauth, "issuer");
        offer->oauth->authorize_url = discover_table_oauth(table, oauth, "authorize-url");
        offer->oauth->token_url = discover_table_oauth(table, oauth, "token-url");
        offer->oauth->scope = discover_table_oauth(table, oauth, "scope");
        offer->oauth->name = g_steal_pointer(&oauth);
    }
    return offer;
}
