/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each source is a function that may block and gives an offer or nothing; all run in threads of their
 * own, and the caller's thread takes the best answer.
 */
#include "daemon/discover/discover.h"

#include "daemon/discover/autoconfig.h"
#include "daemon/discover/dns.h"
#include "daemon/discover/guess.h"
#include "daemon/discover/pacc.h"
#include "daemon/discover/sources.h"
#include "daemon/net/proxy.h"
#include "daemon/net/route.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
    const DiscoverAddress *address;
    const DiscoverOptions *options;
    WebNetwork network;        /* the options', with their proxy */
    gboolean has_dns;          /* names may be resolved here */
    GCancellable *cancellable; /* for GLib's calls */
    NetCancel *cancel;         /* for ours */
    GError *guess_failure;     /* why the first guess can't be reached; the guessing thread's */
} Search;

/* ---- the sources --------------------------------------------------------------------------- */

static DiscoverOffer *ask_url(const Search *search, DiscoverSource source, const char *url,
                              gboolean trusted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) xml =
        web_get(&search->network, url, AUTOCONFIG_MAX, search->cancellable, &error);
    DiscoverOffer *offer =
        xml ? autoconfig_read(xml, search->address, source, url, trusted, &error) : NULL;

    if (!offer)
        g_debug("No configuration at %s: %s", url, error->message);
    return offer;
}

static DiscoverOffer *ask_table(Search *search)
{
    const DiscoverTable *table = search->options->table;
    const char *provider = table ? discover_table_by_domain(table, search->address->domain) : NULL;

    return provider ? discover_table_offer(table, provider, search->address, DISCOVER_TABLE) : NULL;
}

static DiscoverOffer *ask_provider(Search *search)
{
    g_autofree char *url = sources_provider_url(search->address);
    return ask_url(search, DISCOVER_PROVIDER, url, TRUE);
}

static DiscoverOffer *ask_well_known(Search *search)
{
    g_autofree char *url = sources_well_known_url(search->address);
    return ask_url(search, DISCOVER_WELL_KNOWN, url, TRUE);
}

static DiscoverOffer *ask_plain_http(Search *search)
{
    g_autofree char *url = sources_plain_url(search->address);
    return ask_url(search, DISCOVER_PLAIN_HTTP, url, FALSE);
}

static DiscoverOffer *ask_ispdb(Search *search)
{
    g_autofree char *url = sources_ispdb_url(search->address->domain);
    return ask_url(search, DISCOVER_ISPDB, url, TRUE);
}

static DiscoverOffer *ask_pacc(Search *search)
{
    return search->options->pacc && search->has_dns
               ? pacc_ask(search->address, &search->network, search->cancellable)
               : NULL;
}

/* What is known of whoever takes the domain's mail. Only as good as DNS, so never trusted. */
static DiscoverOffer *ask_mx(Search *search)
{
    const DiscoverTable *table = search->options->table;
    g_autofree char *mx = search->has_dns ? dns_mx(search->network.resolver,
                                                   search->address->domain, search->cancellable)
                                          : NULL;
    const char *provider = mx && table ? discover_table_by_mx(table, mx) : NULL;

    if (provider)
        return discover_table_offer(table, provider, search->address, DISCOVER_MX);
    g_auto(GStrv) domains = mx ? sources_mx_domains(mx, search->address->domain) : NULL;
    for (char **domain = domains; domain && *domain; domain++) {
        g_autofree char *own = sources_hoster_url(search->address, *domain);
        g_autofree char *ispdb = sources_ispdb_url(*domain);
        DiscoverOffer *offer = ask_url(search, DISCOVER_MX, own, FALSE);
        if (!offer)
            offer = ask_url(search, DISCOVER_MX, ispdb, FALSE);
        if (offer)
            return offer;
    }
    return NULL;
}

static DiscoverOffer *ask_srv(Search *search)
{
    return search->has_dns ? dns_srv(search->network.resolver, search->address, search->cancellable)
                           : NULL;
}

static DiscoverOffer *ask_guess(Search *search)
{
    const GuessRoute route = {search->options->proxy, search->options->tls, search->cancel};

    return route.tls ? guess_servers(search->address, &route, &search->guess_failure) : NULL;
}

typedef DiscoverOffer *(*Ask)(Search *search);

static const Ask asks[DISCOVER_SOURCES] = {
    [DISCOVER_TABLE] = ask_table,
    [DISCOVER_PROVIDER] = ask_provider,
    [DISCOVER_WELL_KNOWN] = ask_well_known,
    [DISCOVER_PACC] = ask_pacc,
    [DISCOVER_PLAIN_HTTP] = ask_plain_http,
    [DISCOVER_ISPDB] = ask_ispdb,
    [DISCOVER_MX] = ask_mx,
    [DISCOVER_SRV] = ask_srv,
    [DISCOVER_GUESS] = ask_guess,
};

/* ---- all of them at the same time ---------------------------------------------------------- */

typedef struct {
    Search *search;
    int spoke_fd;         /* an eventfd: an answer has come */
    pthread_mutex_t lock; /* of all below */
    gboolean done[DISCOVER_SOURCES];
    DiscoverOffer *offers[DISCOVER_SOURCES];
} Answers;

typedef struct {
    Answers *answers;
    DiscoverSource source;
    pthread_t thread;
} Asking;

static void *ask_thread(void *data)
{
    Asking *asking = data;
    Answers *answers = asking->answers;
    DiscoverOffer *offer = asks[asking->source](answers->search);

    pthread_mutex_lock(&answers->lock);
    answers->offers[asking->source] = offer;
    answers->done[asking->source] = TRUE;
    pthread_mutex_unlock(&answers->lock);
    eventfd_write(answers->spoke_fd, 1);
    return NULL;
}

/* Whether nothing that may still come could change the answer. */
static gboolean is_decided(Answers *answers)
{
    gboolean decided = TRUE;

    pthread_mutex_lock(&answers->lock);
    for (int source = 0; source < DISCOVER_SOURCES && decided; source++) {
        if (answers->offers[source])
            break;
        decided = answers->done[source];
    }
    pthread_mutex_unlock(&answers->lock);
    return decided;
}

static void wait_for_answers(Answers *answers, guint seconds, NetCancel *cancel)
{
    gint64 end = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    GPollFD fds[] = {{.fd = answers->spoke_fd, .events = G_IO_IN},
                     {.fd = cancel ? net_cancel_fd(cancel) : -1, .events = G_IO_IN}};
    eventfd_t count;

    while (!is_decided(answers) && !(cancel && net_cancel_triggered(cancel))) {
        gint64 left = (end - g_get_monotonic_time()) / 1000;
        if (left <= 0)
            break;
        g_poll(fds, G_N_ELEMENTS(fds), (gint)left);
        eventfd_read(answers->spoke_fd, &count);
    }
}

/* Gives the best answer there is, or NULL; nobody is asked any more when it returns. */
static DiscoverOffer *ask_everybody(Search *search)
{
    Answers answers = {.search = search, .spoke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    Asking asking[DISCOVER_SOURCES];
    DiscoverOffer *best = NULL;
    guint seconds = search->options->seconds ? search->options->seconds : DISCOVER_SECONDS;

    pthread_mutex_init(&answers.lock, NULL);
    for (int source = 0; source < DISCOVER_SOURCES; source++) {
        asking[source] = (Asking){&answers, (DiscoverSource)source, 0};
        pthread_create(&asking[source].thread, NULL, ask_thread, &asking[source]);
    }
    wait_for_answers(&answers, seconds, search->options->cancel);
    g_cancellable_cancel(search->cancellable);
    net_cancel_trigger(search->cancel);
    for (int source = 0; source < DISCOVER_SOURCES; source++) {
        pthread_join(asking[source].thread, NULL);
        if (!best)
            best = g_steal_pointer(&answers.offers[source]);
        discover_offer_free(answers.offers[source]);
    }
    pthread_mutex_destroy(&answers.lock);
    close(answers.spoke_fd);
    return best;
}

/* Why there is no offer. A proxy that leads nowhere is named. */
static void explain(const Search *search, GError **error)
{
    NetCancel *cancel = search->options->cancel;
    gboolean proxied = search->options->proxy && search->guess_failure;
    g_autofree char *by_proxy =
        proxied ? g_strdup_printf(" (by its proxy: %s)", search->guess_failure->message)
                : g_strdup("");

    if (cancel && net_cancel_triggered(cancel))
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "stopped looking for the servers");
    else
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "nobody says which servers have the mail of %s%s; your provider's help pages "
                    "name them: give them with --incoming and --outgoing",
                    search->address->domain, by_proxy);
}

DiscoverOffer *discover(const char *text, const DiscoverOptions *options, GError **error)
{
    g_autoptr(DiscoverAddress) address = discover_address_parse(text, error);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(NetCancel) cancel = net_cancel_new();
    g_autoptr(GProxyResolver) proxy = net_proxy_resolver(options->proxy);
    Search search = {
        .address = address,
        .options = options,
        .network = options->network,
        .has_dns = !options->proxy || strcmp(options->proxy, NET_PROXY_DIRECT) == 0,
        .cancellable = cancellable,
        .cancel = cancel,
    };

    if (!address)
        return NULL;
    if (proxy)
        search.network.proxy = proxy;
    DiscoverOffer *offer = ask_everybody(&search);
    if (!offer)
        explain(&search, error);
    g_clear_error(&search.guess_failure);
    return offer;
}
