/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Before an account is added: from the address to its servers, and whether they let one in. The daemon
 * finds and tries; here it is said and agreed to.
 */
#include "ui/common/offer.h"
#include "ui/posternctl/ctl.h"

#include <stdio.h>

void ctl_servers_clear(CtlServers *servers)
{
    g_free(servers->incoming);
    g_free(servers->outgoing);
    g_free(servers->user);
    g_free(servers->outgoing_user);
    g_strfreev(servers->users);
    g_strfreev(servers->outgoing_users);
    g_free(servers->oauth2_server);
    g_free(servers->sign_in);
    g_free(servers->proxy);
    g_free(servers->mechanism);
    g_free(servers->outgoing_mechanism);
}

/* ---- what was found ------------------------------------------------------------------------ */

static void use(GVariant *server, char **url, char ***users)
{
    *url = g_strdup(ctl_string(server, "Url"));
    g_variant_lookup(server, "Users", "^as", users);
}

static void say_server(const char *what, const CtlServers *servers, gboolean outgoing)
{
    const char *url = outgoing ? servers->outgoing : servers->incoming;
    char **users = outgoing ? servers->outgoing_users : servers->users;
    g_autofree char *safe_url = ctl_escape(url);
    g_autofree char *safe_user = ctl_escape(users && *users ? *users : "");

    fprintf(stderr, "  %s  %s  as %s\n", what, safe_url, safe_user);
}

static void say_offer(GVariant *offer, const CtlServers *servers)
{
    g_autofree char *name = ctl_escape(ctl_string(offer, "Name"));
    g_autofree char *origin = ctl_escape(ctl_string(offer, "Origin"));
    g_autofree char *hint = ctl_escape(ctl_string(offer, "Hint"));
    g_autofree char *link = ctl_escape(ctl_string(offer, "Link"));

    fprintf(stderr, "Found%s%s, by %s:\n", *name ? " " : "", name, origin);
    say_server("incoming", servers, FALSE);
    if (servers->outgoing)
        say_server("outgoing", servers, TRUE);
    if (*hint)
        fprintf(stderr, "%s.\n", hint);
    if (*link)
        fprintf(stderr, "See %s\n", link);
}

/* Why an offer can't be used, in the provider's own terms where it has any. */
static gboolean fail_unusable(GVariant *offer, GError **error)
{
    g_autofree char *hint = ctl_escape(ctl_string(offer, "Hint"));
    g_autofree char *name = ctl_escape(ctl_string(offer, "Name"));

    return ctl_fail(error, "%s can't be used yet: %s", *name ? name : "this provider",
                    *hint
                        ? hint
                        : "it has no IMAP server that one can sign in to like this; name one with "
                          "--incoming and --outgoing if you know better");
}

static GVariant *proxy_option(const CtlServers *servers)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    if (servers->proxy)
        g_variant_dict_insert(&dict, "proxy", "s", servers->proxy);
    return g_variant_dict_end(&dict);
}

gboolean ctl_servers_find(Ctl *ctl, const char *address, gboolean yes, CtlServers *servers,
                          GError **error)
{
    g_autoptr(GVariant) answer = ctl_manager(
        ctl, "Discover", g_variant_new("(s@a{sv})", address, proxy_option(servers)), error);
    g_autoptr(GVariant) offer = answer ? g_variant_get_child_value(answer, 0) : NULL;

    if (!offer)
        return FALSE;
    OfferAuth auth = {servers->oauth2, servers->password, servers->oauth2_server};
    offer_choose_auth(offer, &auth);
    servers->oauth2 = auth.oauth2;
    servers->oauth2_server = auth.server;
    g_autoptr(GVariant) incoming = offer_server(offer, "Incoming", servers->oauth2);
    g_autoptr(GVariant) outgoing = offer_server(offer, "Outgoing", servers->oauth2);
    if (!incoming)
        return fail_unusable(offer, error);
    use(incoming, &servers->incoming, &servers->users);
    if (outgoing)
        use(outgoing, &servers->outgoing, &servers->outgoing_users);
    say_offer(offer, servers);
    if (yes || ctl_bool(offer, "Trusted"))
        return TRUE;
    fprintf(stderr, "Nobody vouches for this answer: your password would go to these servers.\n");
    return ctl_agree("Are they your provider's?") ||
           ctl_fail(error,
                    "nothing was added; --yes takes these servers, --incoming and --outgoing "
                    "name others");
}

/* ---- whether they let one in --------------------------------------------------------------- */

/* What Probe is told. */
static GVariant *describe_servers(const char *address, const CtlServers *servers)
{
    const char *const nobody[] = {NULL};
    const struct {
        const char *key, *value;
    } texts[] = {
        {"address", address},
        {"incoming", servers->incoming},
        {"outgoing", servers->outgoing},
        {"auth", servers->oauth2 ? "oauth2" : NULL},
        {"oauth2", servers->oauth2 ? servers->oauth2_server : NULL},
        {"sign-in", servers->sign_in},
        {"proxy", servers->proxy},
    };
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        if (texts[i].value)
            g_variant_dict_insert(&dict, texts[i].key, "s", texts[i].value);
    g_variant_dict_insert(&dict, "users", "^as", servers->users ? servers->users : (char **)nobody);
    if (servers->outgoing_users)
        g_variant_dict_insert(&dict, "outgoing-users", "^as", servers->outgoing_users);
    return g_variant_dict_end(&dict);
}

gboolean ctl_servers_probe(Ctl *ctl, const char *address, CtlServers *servers, const char *password,
                           GError **error)
{
    g_autoptr(GVariant) answer = ctl_manager(
        ctl, "Probe", g_variant_new("(@a{sv}s)", describe_servers(address, servers), password),
        error);
    g_autoptr(GVariant) result = answer ? g_variant_get_child_value(answer, 0) : NULL;

    if (!result)
        return FALSE;
    const char *failure = ctl_string(result, "IncomingError");
    const char *outgoing_failure = servers->outgoing ? ctl_string(result, "OutgoingError") : "";
    if (*failure)
        return ctl_fail(error, "nothing was added: %s (--no-test adds it untried)", failure);
    if (*outgoing_failure) {
        g_autofree char *safe = ctl_escape(outgoing_failure);
        fprintf(stderr,
                "The mailbox works, but nothing can be sent yet: %s\nYour provider may have to "
                "allow it to mail programs.\n",
                safe);
    }
    servers->user = g_strdup(ctl_string(result, "User"));
    servers->outgoing_user = g_strdup(ctl_string(result, "OutgoingUser"));
    servers->mechanism = g_strdup(ctl_string(result, "Mechanism"));
    servers->outgoing_mechanism = g_strdup(ctl_string(result, "OutgoingMechanism"));
    return TRUE;
}
