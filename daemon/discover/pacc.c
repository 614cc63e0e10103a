/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The JSON of a provider's own configuration, and the digest that vouches for it.
 */
#include "daemon/discover/pacc.h"

#include "daemon/discover/dns.h"
#include "daemon/discover/sources.h"
#include "daemon/web/json.h"

#include <string.h>

#define PACC_MAX (256 * 1024)

static char *digest_of(GBytes *json)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize length = sizeof digest, size;
    const guint8 *data = g_bytes_get_data(json, &size);

    g_checksum_update(checksum, data, (gssize)size);
    g_checksum_get_digest(checksum, digest, &length);
    return g_base64_encode(digest, length);
}

gboolean pacc_vouched(GBytes *json, char *const *records)
{
    g_autofree char *digest = digest_of(json);

    for (; *records; records++) {
        g_auto(GStrv) fields = g_strsplit(*records, ";", 8);
        gboolean version = FALSE, algorithm = FALSE, same = FALSE;
        for (char **field = fields; *field; field++) {
            const char *text = g_strstrip(*field);
            version |= strcmp(text, "v=UAAC1") == 0;
            algorithm |= strcmp(text, "a=sha256") == 0;
            same |= g_str_has_prefix(text, "d=") && strcmp(text + 2, digest) == 0;
        }
        if (version && algorithm && same)
            return TRUE;
    }
    return FALSE;
}

/* Ports aren't told: TLS on the registered one. */
static void add_server(GPtrArray *servers, JsonObject *protocols, const char *name,
                       const char *scheme, const DiscoverAddress *address, gboolean oauth,
                       gboolean password)
{
    const char *host = web_json_string(web_json_object(protocols, name), "host");
    const char *const users[] = {address->address, NULL};

    if (!host || !discover_is_host(host))
        return;
    g_autofree char *url = g_strdup_printf("%s://%s", scheme, host);
    DiscoverServer *server = discover_server_new();
    server->endpoint = net_endpoint_parse(url, NULL);
    g_strfreev(server->users);
    server->users = g_strdupv((char **)users);
    if (oauth)
        discover_server_add_auth(server, DISCOVER_AUTH_OAUTH2);
    if (password)
        discover_server_add_auth(server, DISCOVER_AUTH_PASSWORD);
    g_ptr_array_add(servers, server);
}

DiscoverOffer *pacc_read(GBytes *json, const DiscoverAddress *address, const char *origin,
                         GError **error)
{
    g_autoptr(DiscoverOffer) offer = discover_offer_new(DISCOVER_PACC, origin, TRUE);
    g_autoptr(JsonObject) object = web_json_read(json, error);

    if (!object)
        return NULL;
    JsonObject *protocols = web_json_object(object, "protocols");
    JsonObject *authentication = web_json_object(object, "authentication");
    JsonObject *provider = web_json_object(web_json_object(object, "info"), "provider");
    const char *issuer = web_json_string(web_json_object(authentication, "oauth-public"), "issuer");
    gboolean password = web_json_boolean(authentication, "password");

    add_server(offer->incoming, protocols, "imap", "imaps", address, issuer != NULL, password);
    add_server(offer->incoming, protocols, "pop3", "pop3s", address, issuer != NULL, password);
    add_server(offer->outgoing, protocols, "smtp", "submissions", address, issuer != NULL,
               password);
    if (issuer) {
        offer->oauth = g_new0(DiscoverOauth, 1);
        offer->oauth->issuer = g_strdup(issuer);
    }
    offer->name = g_strdup(web_json_string(provider, "name"));
    if (offer->incoming->len > 0)
        return g_steal_pointer(&offer);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it names no server for mail");
    return NULL;
}

DiscoverOffer *pacc_ask(const DiscoverAddress *address, const WebNetwork *network,
                        GCancellable *cancellable)
{
    g_autofree char *url = sources_pacc_url(address);
    g_autofree char *name = g_strdup_printf("_ua-auto-config.%s", address->domain);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) json = web_get(network, url, PACC_MAX, cancellable, &error);
    g_auto(GStrv) records = json ? dns_txt(network->resolver, name, cancellable) : NULL;
    DiscoverOffer *offer = NULL;

    if (json && pacc_vouched(json, records))
        offer = pacc_read(json, address, url, &error);
    if (!offer)
        g_debug("No configuration at %s: %s", url, error ? error->message : "DNS doesn't vouch");
    return offer;
}
