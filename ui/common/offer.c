/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading an offer. See offer.h. */
#include "ui/common/offer.h"

#include <string.h>

const char *offer_string(GVariant *dictionary, const char *key)
{
    const char *value = "";

    g_variant_lookup(dictionary, key, "&s", &value);
    return value;
}

static gboolean is_usable(GVariant *server, gboolean oauth2)
{
    g_auto(GStrv) auths = NULL;

    if (!g_variant_lookup(server, "Auth", "^as", &auths) || !*auths)
        return TRUE;
    if (oauth2)
        return g_strv_contains((const char *const *)auths, "oauth2");
    return g_strv_contains((const char *const *)auths, "password") ||
           g_strv_contains((const char *const *)auths, "encrypted");
}

GVariant *offer_server(GVariant *offer, const char *key, gboolean oauth2)
{
    g_autoptr(GVariant) servers = g_variant_lookup_value(offer, key, G_VARIANT_TYPE("aa{sv}"));

    for (gsize i = 0; servers && i < g_variant_n_children(servers); i++) {
        g_autoptr(GVariant) server = g_variant_get_child_value(servers, i);
        if (is_usable(server, oauth2))
            return g_steal_pointer(&server);
    }
    return NULL;
}

/* What the best incoming server takes; NULL: it doesn't say. */
static char **first_auths(GVariant *offer)
{
    g_autoptr(GVariant) servers =
        g_variant_lookup_value(offer, "Incoming", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GVariant) first =
        servers && g_variant_n_children(servers) ? g_variant_get_child_value(servers, 0) : NULL;
    g_auto(GStrv) auths = NULL;

    if (!first || !g_variant_lookup(first, "Auth", "^as", &auths) || !*auths)
        return NULL;
    return g_steal_pointer(&auths);
}

void offer_choose_auth(GVariant *offer, OfferAuth *auth)
{
    g_autoptr(GVariant) oauth = g_variant_lookup_value(offer, "OAuth", G_VARIANT_TYPE_VARDICT);
    const char *name = oauth ? offer_string(oauth, "Name") : "";
    const char *issuer = oauth ? offer_string(oauth, "Issuer") : "";
    g_auto(GStrv) auths = first_auths(offer);
    gboolean ready = FALSE;

    if (!auth->server && (*name || *issuer))
        auth->server = g_strdup(*name ? name : issuer);
    if (auth->oauth2 || auth->password || !auth->server || !auths)
        return;
    if (oauth)
        g_variant_lookup(oauth, "Ready", "b", &ready);
    auth->oauth2 = strcmp(auths[0], "oauth2") == 0 && (!auths[1] || ready);
}
