/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plain data of offers, and mail addresses taken apart.
 */
#include "daemon/discover/offer.h"

#include <gio/gio.h>
#include <string.h>

DiscoverServer *discover_server_new(void)
{
    DiscoverServer *server = g_new0(DiscoverServer, 1);
    server->users = g_new0(char *, 1);
    return server;
}

DiscoverServer *discover_server_at(NetEndpoint *endpoint, const DiscoverAddress *address)
{
    const char *const users[] = {address->address, address->local, NULL};
    DiscoverServer *server = g_new0(DiscoverServer, 1);

    server->endpoint = endpoint;
    server->users = g_strdupv((char **)users);
    return server;
}

void discover_server_free(DiscoverServer *server)
{
    if (!server)
        return;
    g_clear_pointer(&server->endpoint, net_endpoint_free);
    g_strfreev(server->users);
    g_free(server);
}

static gboolean has_auth(const DiscoverServer *server, DiscoverAuth auth)
{
    for (guint i = 0; i < server->n_auth; i++) {
        if (server->auth[i] == auth)
            return TRUE;
    }
    return FALSE;
}

void discover_server_add_auth(DiscoverServer *server, DiscoverAuth auth)
{
    if (!has_auth(server, auth))
        server->auth[server->n_auth++] = auth;
}

void discover_oauth_free(DiscoverOauth *oauth)
{
    if (!oauth)
        return;
    g_free(oauth->name);
    g_free(oauth->issuer);
    g_free(oauth->authorize_url);
    g_free(oauth->token_url);
    g_free(oauth->scope);
    g_free(oauth);
}

DiscoverOffer *discover_offer_new(DiscoverSource source, const char *origin, gboolean trusted)
{
    DiscoverOffer *offer = g_new0(DiscoverOffer, 1);

    offer->source = source;
    offer->origin = g_strdup(origin);
    offer->trusted = trusted;
    offer->incoming = g_ptr_array_new_with_free_func((GDestroyNotify)discover_server_free);
    offer->outgoing = g_ptr_array_new_with_free_func((GDestroyNotify)discover_server_free);
    return offer;
}

void discover_offer_free(DiscoverOffer *offer)
{
    if (!offer)
        return;
    g_free(offer->origin);
    g_free(offer->provider);
    g_free(offer->name);
    g_ptr_array_unref(offer->incoming);
    g_ptr_array_unref(offer->outgoing);
    discover_oauth_free(offer->oauth);
    g_free(offer->hint);
    g_free(offer->link);
    g_free(offer);
}

/* IMAP before POP3; within a protocol TLS from the first byte before STARTTLS (RFC 8314, 3). */
static int compare_servers(gconstpointer a, gconstpointer b)
{
    const NetEndpoint *left = (*(const DiscoverServer *const *)a)->endpoint;
    const NetEndpoint *right = (*(const DiscoverServer *const *)b)->endpoint;
    gboolean left_pop = strcmp(left->protocol, "pop3") == 0;
    gboolean right_pop = strcmp(right->protocol, "pop3") == 0;

    if (left_pop != right_pop)
        return left_pop ? 1 : -1;
    return (int)left->security - (int)right->security;
}

void discover_offer_sort(DiscoverOffer *offer)
{
    g_ptr_array_sort(offer->incoming, compare_servers);
    g_ptr_array_sort(offer->outgoing, compare_servers);
}

/* ---- addresses ----------------------------------------------------------------------------- */

static gboolean is_local_part(const char *local)
{
    if (!*local || strlen(local) > 64 || !g_utf8_validate(local, -1, NULL))
        return FALSE;
    for (const char *c = local; *c; c++) {
        if (g_ascii_iscntrl(*c) || *c == ' ' || strchr("<>\"\\", *c))
            return FALSE;
    }
    return TRUE;
}

DiscoverAddress *discover_address_parse(const char *text, GError **error)
{
    const char *at = strrchr(text, '@');
    g_autofree char *local = at ? g_strndup(text, (gsize)(at - text)) : NULL;
    g_autofree char *ascii = at ? g_hostname_to_ascii(at + 1) : NULL;
    g_autofree char *domain = ascii ? g_ascii_strdown(ascii, -1) : NULL;

    if (!domain || !is_local_part(local) || !discover_is_host(domain) || !strchr(domain, '.')) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "“%s” isn't a mail address; one looks like ada@example.org", text);
        return NULL;
    }
    DiscoverAddress *address = g_new0(DiscoverAddress, 1);
    address->address = g_strdup_printf("%s@%s", local, domain);
    address->local = g_steal_pointer(&local);
    address->domain = g_steal_pointer(&domain);
    return address;
}

void discover_address_free(DiscoverAddress *address)
{
    if (!address)
        return;
    g_free(address->address);
    g_free(address->local);
    g_free(address->domain);
    g_free(address);
}

char *discover_address_expand(const DiscoverAddress *address, const char *text)
{
    const struct {
        const char *name, *value;
    } variables[] = {
        {"%EMAILADDRESS%", address->address},
        {"%EMAILLOCALPART%", address->local},
        {"%EMAILDOMAIN%", address->domain},
    };
    GString *expanded = g_string_new(NULL);

    /* In one pass: a local part that looks like a variable is none. */
    while (*text) {
        guint i = 0;
        while (i < G_N_ELEMENTS(variables) && !g_str_has_prefix(text, variables[i].name))
            i++;
        if (i < G_N_ELEMENTS(variables)) {
            g_string_append(expanded, variables[i].value);
            text += strlen(variables[i].name);
        } else {
            g_string_append_c(expanded, *text++);
        }
    }
    return g_string_free(expanded, FALSE);
}

gboolean discover_is_host(const char *host)
{
    gsize length = strlen(host), label = 0;

    if (length == 0 || length > 253)
        return FALSE;
    for (gsize i = 0; i <= length; i++) {
        if (host[i] == '.' || host[i] == '\0') {
            if (label == 0 || label > 63 || host[i - 1] == '-' || host[i - label] == '-')
                return FALSE;
            label = 0;
        } else if (g_ascii_isalnum(host[i]) || host[i] == '-') {
            label++;
        } else {
            return FALSE;
        }
    }
    return TRUE;
}
