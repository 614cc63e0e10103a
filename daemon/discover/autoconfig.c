/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the XML of an autoconfiguration file to an offer: libxml2 parses, this reads.
 */
#include "daemon/discover/autoconfig.h"

#include <gio/gio.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

/* A file has two or three servers; what a hostile one adds is passed over. */
#define MAX_SERVERS 16

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* ---- the tree ------------------------------------------------------------------------------ */

static gboolean is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *next_element(const xmlNode *node, const char *name)
{
    while (node && !is_element(node, name))
        node = node->next;
    return node;
}

static const xmlNode *first_element(const xmlNode *parent, const char *name)
{
    return next_element(parent->children, name);
}

/* The element's own text without white space around it; the caller frees. */
static char *text_of(const xmlNode *element)
{
    GString *text = g_string_new(NULL);

    for (const xmlNode *child = element->children; child; child = child->next) {
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
            g_string_append(text, (const char *)child->content);
    }
    return g_strstrip(g_string_free(text, FALSE));
}

/* The text of the first such child, or NULL. */
static char *child_text(const xmlNode *parent, const char *name)
{
    const xmlNode *child = first_element(parent, name);
    return child ? text_of(child) : NULL;
}

/* The caller frees; NULL: it isn't there. */
static char *attribute_of(const xmlNode *element, const char *name)
{
    for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next) {
        if (strcmp((const char *)attribute->name, name) == 0)
            return attribute->children && attribute->children->type == XML_TEXT_NODE
                       ? g_strdup((const char *)attribute->children->content)
                       : NULL;
    }
    return NULL;
}

/* ---- a server ------------------------------------------------------------------------------ */

/* Values of <authentication>, older ones and SASL's names among them. */
static const struct {
    const char *value;
    DiscoverAuth auth;
} auths[] = {
    {"password-cleartext", DISCOVER_AUTH_PASSWORD},
    {"plain", DISCOVER_AUTH_PASSWORD},
    {"login", DISCOVER_AUTH_PASSWORD},
    {"password-encrypted", DISCOVER_AUTH_ENCRYPTED},
    {"secure", DISCOVER_AUTH_ENCRYPTED},
    {"cram-md5", DISCOVER_AUTH_ENCRYPTED},
    {"scram-sha-1", DISCOVER_AUTH_ENCRYPTED},
    {"scram-sha-1-plus", DISCOVER_AUTH_ENCRYPTED},
    {"scram-sha-256", DISCOVER_AUTH_ENCRYPTED},
    {"scram-sha-256-plus", DISCOVER_AUTH_ENCRYPTED},
    {"oauth2", DISCOVER_AUTH_OAUTH2},
    {"oauth", DISCOVER_AUTH_OAUTH2},
    {"xoauth2", DISCOVER_AUTH_OAUTH2},
    {"oauthbearer", DISCOVER_AUTH_OAUTH2},
    {"gssapi", DISCOVER_AUTH_GSSAPI},
    {"tls-client-cert", DISCOVER_AUTH_CERTIFICATE},
    {"external", DISCOVER_AUTH_CERTIFICATE},
    {"client-ip-address", DISCOVER_AUTH_NONE},
    {"none", DISCOVER_AUTH_NONE},
    {"smtp-after-pop", DISCOVER_AUTH_NONE},
};

static void read_auths(DiscoverServer *server, const xmlNode *section)
{
    for (const xmlNode *element = first_element(section, "authentication"); element;
         element = next_element(element->next, "authentication")) {
        g_autofree char *system = attribute_of(element, "system");
        g_autofree char *value = text_of(element);
        if (system && g_ascii_strcasecmp(system, "sasl") != 0)
            continue;
        for (guint i = 0; i < G_N_ELEMENTS(auths); i++) {
            if (g_ascii_strcasecmp(value, auths[i].value) == 0)
                discover_server_add_auth(server, auths[i].auth);
        }
    }
}

/* The first <socketType> that is known and protects what is sent. */
static gboolean read_security(const xmlNode *section, NetSecurity *security)
{
    for (const xmlNode *element = first_element(section, "socketType"); element;
         element = next_element(element->next, "socketType")) {
        g_autofree char *value = text_of(element);
        if (g_ascii_strcasecmp(value, "SSL") == 0 || g_ascii_strcasecmp(value, "TLS") == 0) {
            *security = NET_SECURITY_TLS;
            return TRUE;
        }
        if (g_ascii_strcasecmp(value, "STARTTLS") == 0) {
            *security = NET_SECURITY_STARTTLS;
            return TRUE;
        }
    }
    return FALSE;
}

static char *read_host(const xmlNode *section, const DiscoverAddress *address)
{
    g_autofree char *text = child_text(section, "hostname");
    g_autofree char *expanded = text ? discover_address_expand(address, text) : NULL;
    g_autofree char *ascii = expanded ? g_hostname_to_ascii(expanded) : NULL;
    char *host = ascii ? g_ascii_strdown(ascii, -1) : NULL;

    if (host && !discover_is_host(host))
        g_clear_pointer(&host, g_free);
    return host;
}

static gboolean read_user(DiscoverServer *server, const xmlNode *section,
                          const DiscoverAddress *address)
{
    g_autofree char *text = child_text(section, "username");
    g_autoptr(GStrvBuilder) users = g_strv_builder_new();

    if (text && *text && g_utf8_validate(text, -1, NULL)) {
        g_autofree char *user = discover_address_expand(address, text);
        g_strv_builder_add(users, user);
    } else if (server->auth[0] != DISCOVER_AUTH_NONE) {
        return FALSE;
    }
    g_strfreev(server->users);
    server->users = g_strv_builder_end(users);
    return TRUE;
}

/* NULL: the section can't be used. */
static DiscoverServer *read_server(const xmlNode *section, const char *protocol,
                                   const DiscoverAddress *address)
{
    g_autoptr(DiscoverServer) server = discover_server_new();
    g_autofree char *port_text = child_text(section, "port");
    g_autofree char *host = read_host(section, address);
    NetSecurity security;
    guint64 port;

    read_auths(server, section);
    if (!host || !port_text || server->n_auth == 0 || !read_security(section, &security) ||
        !g_ascii_string_to_unsigned(port_text, 10, 1, 65535, &port, NULL) ||
        !read_user(server, section, address))
        return NULL;
    server->endpoint = g_new0(NetEndpoint, 1);
    server->endpoint->protocol = g_strdup(protocol);
    server->endpoint->security = security;
    server->endpoint->host = g_steal_pointer(&host);
    server->endpoint->port = (guint16)port;
    return g_steal_pointer(&server);
}

static void read_servers(DiscoverOffer *offer, const xmlNode *provider,
                         const DiscoverAddress *address)
{
    static const struct {
        const char *element, *type, *protocol;
    } kinds[] = {
        {"incomingServer", "imap", "imap"},
        {"incomingServer", "pop3", "pop3"},
        {"outgoingServer", "smtp", "submission"},
    };

    for (const xmlNode *section = provider->children; section; section = section->next) {
        g_autofree char *type =
            section->type == XML_ELEMENT_NODE ? attribute_of(section, "type") : NULL;
        for (guint i = 0; type && i < G_N_ELEMENTS(kinds); i++) {
            GPtrArray *servers = i < 2 ? offer->incoming : offer->outgoing;
            if (!is_element(section, kinds[i].element) ||
                g_ascii_strcasecmp(type, kinds[i].type) != 0 || servers->len == MAX_SERVERS)
                continue;
            DiscoverServer *server = read_server(section, kinds[i].protocol, address);
            if (server)
                g_ptr_array_add(servers, server);
        }
    }
}

/* ---- the rest of the file ------------------------------------------------------------------ */

static char *https_only(char *url)
{
    if (url && g_ascii_strncasecmp(url, "https://", 8) != 0)
        g_clear_pointer(&url, g_free);
    return url;
}

static DiscoverOauth *read_oauth(const xmlNode *root)
{
    for (const xmlNode *element = first_element(root, "oAuth2"); element;
         element = next_element(element->next, "oAuth2")) {
        g_autoptr(DiscoverOauth) oauth = g_new0(DiscoverOauth, 1);
        oauth->issuer = child_text(element, "issuer");
        oauth->scope = child_text(element, "scope");
        oauth->authorize_url = https_only(child_text(element, "authURL"));
        oauth->token_url = https_only(child_text(element, "tokenURL"));
        if (oauth->authorize_url && oauth->token_url)
            return g_steal_pointer(&oauth);
    }
    return NULL;
}

/* <enable> says what to switch on before it works, <documentation> is general help. */
static void read_help(DiscoverOffer *offer, const xmlNode *root, const xmlNode *provider)
{
    const xmlNode *enable = first_element(provider, "enable");
    const xmlNode *documentation = first_element(provider, "documentation");

    if (!enable)
        enable = first_element(root, "enable");
    if (enable) {
        offer->link = https_only(attribute_of(enable, "visiturl"));
        offer->hint = child_text(enable, "instruction");
    }
    if (documentation && !offer->link)
        offer->link = https_only(attribute_of(documentation, "url"));
    if (offer->hint && !*offer->hint)
        g_clear_pointer(&offer->hint, g_free);
    offer->name = child_text(provider, "displayName");
    if (offer->name && g_utf8_strlen(offer->name, -1) > 60) {
        g_autofree char *whole = offer->name;
        offer->name = g_utf8_substring(whole, 0, 60);
    }
}

/* A file is for the domains that it names, and names itself by one. */
static gboolean names_a_domain(const xmlNode *provider)
{
    g_autofree char *id = attribute_of(provider, "id");

    if (!id || !discover_is_host(id))
        return FALSE;
    for (const xmlNode *element = first_element(provider, "domain"); element;
         element = next_element(element->next, "domain")) {
        g_autofree char *text = text_of(element);
        g_autofree char *ascii = g_hostname_to_ascii(text);
        if (ascii && discover_is_host(ascii))
            return TRUE;
    }
    return FALSE;
}

/* Without entities, a document type or the network: nothing in the file makes more of it. */
static xmlDoc *parse(GBytes *xml, GError **error)
{
    gsize length;
    const char *data = g_bytes_get_data(xml, &length);
    g_autoptr(xmlDoc) document = NULL;

    if (length > AUTOCONFIG_MAX) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the file is larger than %d KiB",
                    AUTOCONFIG_MAX / 1024);
        return NULL;
    }
    document = xmlReadMemory(data, (int)length, NULL, NULL,
                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!document) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the file isn't well-formed XML");
        return NULL;
    }
    if (document->intSubset || document->extSubset) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the file has a document type");
        return NULL;
    }
    return g_steal_pointer(&document);
}

DiscoverOffer *autoconfig_read(GBytes *xml, const DiscoverAddress *address, DiscoverSource source,
                               const char *origin, gboolean trusted, GError **error)
{
    g_autoptr(DiscoverOffer) offer = discover_offer_new(source, origin, trusted);
    g_autoptr(xmlDoc) document = parse(xml, error);

    if (!document)
        return NULL;
    const xmlNode *root = xmlDocGetRootElement(document);
    const xmlNode *provider =
        root && is_element(root, "clientConfig") ? first_element(root, "emailProvider") : NULL;
    if (provider && names_a_domain(provider)) {
        read_servers(offer, provider, address);
        read_help(offer, root, provider);
        offer->oauth = read_oauth(root);
    }
    if (offer->incoming->len == 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the file names no server that mail can be fetched from safely");
        return NULL;
    }
    discover_offer_sort(offer);
    return g_steal_pointer(&offer);
}
