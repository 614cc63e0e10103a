/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The URLs to ask, made of an address.
 */
#include "daemon/discover/sources.h"

#include <gio/gio.h>
#include <libsoup/soup.h>
#include <string.h>

static char *with_address(const char *base, const DiscoverAddress *address)
{
    g_autofree char *escaped = g_uri_escape_string(address->address, NULL, FALSE);
    return g_strdup_printf("%s?emailaddress=%s", base, escaped);
}

char *sources_hoster_url(const DiscoverAddress *address, const char *domain)
{
    g_autofree char *base = g_strdup_printf("https://autoconfig.%s/mail/config-v1.1.xml", domain);
    return with_address(base, address);
}

char *sources_provider_url(const DiscoverAddress *address)
{
    return sources_hoster_url(address, address->domain);
}

char *sources_well_known_url(const DiscoverAddress *address)
{
    g_autofree char *base =
        g_strdup_printf("https://%s/.well-known/autoconfig/mail/config-v1.1.xml", address->domain);
    return with_address(base, address);
}

char *sources_plain_url(const DiscoverAddress *address)
{
    return g_strdup_printf("http://autoconfig.%s/mail/config-v1.1.xml", address->domain);
}

char *sources_ispdb_url(const char *domain)
{
    return g_strdup_printf("https://autoconfig.thunderbird.net/v1.1/%s", domain);
}

char *sources_pacc_url(const DiscoverAddress *address)
{
    return g_strdup_printf("https://ua-auto-config.%s/.well-known/user-agent-configuration.json",
                           address->domain);
}

/* Domains that the list doesn't know (a company's own, say) are registered below their last label. */
static const char *last_two_labels(const char *host)
{
    const char *dot = strrchr(host, '.');

    while (dot && dot > host && dot[-1] != '.')
        dot--;
    return dot ? dot : host;
}

/* The part of a host that somebody registered ("example.co.uk"), or the host itself where that
 * can't be told (an address, a bare name); the caller frees. */
static char *registrable(const char *host)
{
    if (g_hostname_is_ip_address(host))
        return g_strdup(host);
    const char *base = soup_tld_get_base_domain(host, NULL);
    return g_strdup(base ? base : last_two_labels(host));
}

char **sources_mx_domains(const char *mx, const char *domain)
{
    g_autoptr(GStrvBuilder) domains = g_strv_builder_new();
    g_autofree char *base = registrable(mx);
    const char *dot = strchr(mx, '.');
    const char *full = dot ? dot + 1 : NULL;

    if (strcmp(base, domain) != 0 && !g_hostname_is_ip_address(mx)) {
        if (full && strlen(full) > strlen(base))
            g_strv_builder_add(domains, full);
        g_strv_builder_add(domains, base);
    }
    return g_strv_builder_end(domains);
}
