/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes what is read of a provider's own description: XML (autoconfiguration) and JSON (PACC). The
 * first byte says which. Seeds: tests/fuzz/seeds/discover. */
#include "tests/fuzz/fuzz.h"

#include "daemon/discover/autoconfig.h"
#include "daemon/discover/pacc.h"

static void check_servers(const GPtrArray *servers)
{
    for (guint i = 0; servers && i < servers->len; i++) {
        const DiscoverServer *server = g_ptr_array_index(servers, i);
        g_assert_nonnull(server->endpoint);
        g_assert_cmpuint(server->n_auth, <=, DISCOVER_AUTHS);
        g_autofree char *url = net_endpoint_to_string(server->endpoint);
        g_autoptr(NetEndpoint) again = net_endpoint_parse(url, NULL);
        g_assert_nonnull(again);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(DiscoverAddress) address = discover_address_parse("ada@example.org", NULL);
    g_autoptr(GError) error = NULL;

    if (size == 0 || size > 65536)
        return 0;
    g_autoptr(GBytes) document = g_bytes_new(data + 1, size - 1);
    g_autoptr(DiscoverOffer) offer =
        data[0] & 1
            ? autoconfig_read(document, address, DISCOVER_PROVIDER, "fuzz", data[0] & 2, &error)
            : pacc_read(document, address, "fuzz", &error);
    g_assert_true(!offer == !!error);
    if (offer) {
        check_servers(offer->incoming);
        check_servers(offer->outgoing);
    }
    return 0;
}
