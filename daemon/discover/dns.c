/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MX, SRV and TXT records, as GLib's resolver gives them.
 */
#include "daemon/discover/dns.h"

#include <string.h>

/* More records than that aren't looked at. */
#define MAX_RECORDS 64

static GList *look_up(GResolver *resolver, const char *name, GResolverRecordType type,
                      GCancellable *cancellable)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GResolver) system = resolver ? NULL : g_resolver_get_default();
    GList *records =
        g_resolver_lookup_records(resolver ? resolver : system, name, type, cancellable, &error);

    if (!records)
        g_debug("No such records of %s: %s", name, error->message);
    return records;
}

static void free_records(GList *records)
{
    g_list_free_full(records, (GDestroyNotify)g_variant_unref);
}

/* A record's host in lower case and without the root's dot, or NULL; the caller frees. */
static char *host_of(const char *text)
{
    gsize length = strlen(text);
    char *host = g_ascii_strdown(text, length && text[length - 1] == '.' ? (gssize)length - 1
                                                                         : (gssize)length);

    if (!discover_is_host(host))
        g_clear_pointer(&host, g_free);
    return host;
}

char *dns_mx(GResolver *resolver, const char *domain, GCancellable *cancellable)
{
    GList *records = look_up(resolver, domain, G_RESOLVER_RECORD_MX, cancellable);
    guint16 best = 0;
    guint seen = 0;
    char *mx = NULL;

    for (GList *item = records; item && seen < MAX_RECORDS; item = item->next, seen++) {
        guint16 preference;
        const char *text;
        g_variant_get(item->data, "(q&s)", &preference, &text);
        char *host = host_of(text);
        if (host && (!mx || preference < best)) {
            g_free(mx);
            mx = host;
            best = preference;
        } else {
            g_free(host);
        }
    }
    free_records(records);
    return mx;
}

char **dns_txt(GResolver *resolver, const char *domain, GCancellable *cancellable)
{
    GList *records = look_up(resolver, domain, G_RESOLVER_RECORD_TXT, cancellable);
    g_autoptr(GStrvBuilder) texts = g_strv_builder_new();
    guint seen = 0;

    for (GList *item = records; item && seen < MAX_RECORDS; item = item->next, seen++) {
        g_autofree const char **parts = NULL;
        g_variant_get(item->data, "(^a&s)", &parts);
        g_autofree char *text = g_strjoinv("", (char **)parts);
        g_strv_builder_add(texts, text);
    }
    free_records(records);
    return g_strv_builder_end(texts);
}

/* ---- SRV ----------------------------------------------------------------------------------- */

static const struct {
    const char *service, *protocol;
    NetSecurity security;
    gboolean outgoing;
} services[] = {
    {"_imaps._tcp", "imap", NET_SECURITY_TLS, FALSE},
    {"_imap._tcp", "imap", NET_SECURITY_STARTTLS, FALSE},
    {"_pop3s._tcp", "pop3", NET_SECURITY_TLS, FALSE},
    {"_pop3._tcp", "pop3", NET_SECURITY_STARTTLS, FALSE},
    {"_submissions._tcp", "submission", NET_SECURITY_TLS, TRUE},
    {"_submission._tcp", "submission", NET_SECURITY_STARTTLS, TRUE},
};

/* Takes `host`. */
static NetEndpoint *endpoint_new(const char *protocol, NetSecurity security, char *host,
                                 guint16 port)
{
    NetEndpoint *endpoint = g_new0(NetEndpoint, 1);

    endpoint->protocol = g_strdup(protocol);
    endpoint->security = security;
    endpoint->host = host;
    endpoint->port = port;
    return endpoint;
}

/* The most preferred target of a service; "." says that there is none (RFC 2782). */
static DiscoverServer *ask_service(GResolver *resolver, guint index, const DiscoverAddress *address,
                                   GCancellable *cancellable)
{
    g_autofree char *name = g_strdup_printf("%s.%s", services[index].service, address->domain);
    GList *records = look_up(resolver, name, G_RESOLVER_RECORD_SRV, cancellable);
    g_autofree char *best = NULL;
    guint16 best_priority = 0, best_weight = 0, best_port = 0;
    guint seen = 0;

    for (GList *item = records; item && seen < MAX_RECORDS; item = item->next, seen++) {
        guint16 priority, weight, port;
        const char *text;
        g_variant_get(item->data, "(qqq&s)", &priority, &weight, &port, &text);
        char *host = port ? host_of(text) : NULL;
        if (host && (!best || priority < best_priority ||
                     (priority == best_priority && weight > best_weight))) {
            g_free(best);
            best = g_steal_pointer(&host);
            best_priority = priority;
            best_weight = weight;
            best_port = port;
        }
        g_free(host);
    }
    free_records(records);
    if (!best)
        return NULL;
    NetEndpoint *endpoint = endpoint_new(services[index].protocol, services[index].security,
                                         g_steal_pointer(&best), best_port);
    return discover_server_at(endpoint, address);
}

DiscoverOffer *dns_srv(GResolver *resolver, const DiscoverAddress *address,
                       GCancellable *cancellable)
{
    g_autoptr(DiscoverOffer) offer =
        discover_offer_new(DISCOVER_SRV, "the domain's SRV records", FALSE);

    for (guint i = 0; i < G_N_ELEMENTS(services); i++) {
        DiscoverServer *server = ask_service(resolver, i, address, cancellable);
        if (server)
            g_ptr_array_add(services[i].outgoing ? offer->outgoing : offer->incoming, server);
    }
    if (offer->incoming->len == 0)
        return NULL;
    discover_offer_sort(offer);
    return g_steal_pointer(&offer);
}
