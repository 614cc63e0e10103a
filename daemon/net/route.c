/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Asking the desktop for its proxies. */
#include "daemon/net/route.h"

#include <gio/gio.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* One question, shared by who waits for its answer and the thread that asks; whoever is last frees. */
typedef struct {
    atomic_int refs;
    char *url;
    GCancellable *cancellable;
    int done_fd;
    char **found; /* URLs, or NULL */
} Question;

static void question_unref(Question *question)
{
    if (--question->refs > 0)
        return;
    g_free(question->url);
    g_object_unref(question->cancellable);
    close(question->done_fd);
    g_strfreev(question->found);
    g_free(question);
}

static void *question_thread(void *data)
{
    Question *question = data;
    guint64 one = 1;

    question->found = g_proxy_resolver_lookup(g_proxy_resolver_get_default(), question->url,
                                              question->cancellable, NULL);
    ssize_t ignored = write(question->done_fd, &one, sizeof one);
    (void)ignored;
    question_unref(question);
    return NULL;
}

static gboolean is_on_this_machine(const char *host)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);

    return address
               ? g_inet_address_get_is_loopback(address)
               : g_ascii_strcasecmp(host, "localhost") == 0 || g_str_has_suffix(host, ".localhost");
}

static void free_route(gpointer route)
{
    net_proxy_free(route);
}

static GPtrArray *no_routes(void)
{
    return g_ptr_array_new_with_free_func(free_route);
}

/* Of several that the desktop names, those that can be used; SOCKS 4 can't. */
static void add_found(GPtrArray *routes, char **found)
{
    for (char **url = found; url && *url; url++) {
        gboolean direct = g_str_has_prefix(*url, "direct:");
        NetProxy *proxy = direct ? NULL : net_proxy_parse(*url, NULL);
        if (direct || proxy)
            g_ptr_array_add(routes, proxy);
    }
}

/* FALSE: cancelled. */
static gboolean await_answer(Question *question, guint seconds, NetCancel *cancel,
                             gboolean *answered, GError **error)
{
    struct pollfd fds[2] = {{.fd = question->done_fd, .events = POLLIN},
                            {.fd = net_cancel_fd(cancel), .events = POLLIN}};
    guint64 done;

    if (poll(fds, G_N_ELEMENTS(fds), (int)seconds * 1000) > 0 && fds[1].revents != 0) {
        g_set_error(error, NET_ERROR, NET_ERROR_CANCELLED, "%s: cancelled", question->url);
        return FALSE;
    }
    /* It is the read, not poll(), that orders the thread's writes before what follows. */
    *answered = fds[0].revents != 0 && read(question->done_fd, &done, sizeof done) == sizeof done;
    if (!*answered)
        g_message("The desktop doesn't say in time by which proxy %s is reached: it is tried "
                  "without",
                  question->url);
    return TRUE;
}

static Question *ask_desktop(const NetEndpoint *endpoint)
{
    Question *question = g_new0(Question, 1);
    g_autofree char *address = net_address_text(endpoint->host, endpoint->port);
    pthread_attr_t attributes;
    pthread_t thread;

    question->refs = 2;
    question->url = g_strdup_printf("%s://%s", endpoint->protocol, address);
    question->cancellable = g_cancellable_new();
    question->done_fd = eventfd(0, EFD_CLOEXEC);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, question_thread, question) != 0)
        question_thread(question);
    pthread_attr_destroy(&attributes);
    return question;
}

static GPtrArray *routes_of_desktop(const NetEndpoint *endpoint, guint seconds, NetCancel *cancel,
                                    GError **error)
{
    g_autoptr(GPtrArray) routes = no_routes();
    Question *question = ask_desktop(endpoint);
    gboolean answered = FALSE;
    gboolean ok = await_answer(question, seconds, cancel, &answered, error);

    if (ok && answered)
        add_found(routes, question->found);
    g_cancellable_cancel(question->cancellable);
    question_unref(question);
    if (!ok)
        return NULL;
    if (routes->len == 0)
        g_ptr_array_add(routes, NULL);
    return g_steal_pointer(&routes);
}

GPtrArray *net_routes(const NetEndpoint *endpoint, guint seconds, NetCancel *cancel, GError **error)
{
    g_autoptr(GPtrArray) routes = NULL;

    if (!endpoint->proxy && !is_on_this_machine(endpoint->host))
        return routes_of_desktop(endpoint, seconds, cancel, error);
    routes = no_routes();
    NetProxy *proxy = NULL;
    if (endpoint->proxy && strcmp(endpoint->proxy, NET_PROXY_DIRECT) != 0) {
        proxy = net_proxy_parse(endpoint->proxy, error);
        if (!proxy)
            return NULL;
    }
    g_ptr_array_add(routes, proxy);
    return g_steal_pointer(&routes);
}
