/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The flows. The thread that waits has the turn; a pasted address is left for it, and wakes it.
 */
#include "daemon/oauth/signin.h"

#include "daemon/net/listen.h"
#include "daemon/oauth/redirect.h"
#include "daemon/web/json.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_SECONDS     600
#define INTERVAL_DEFAULT 5
#define INTERVAL_MAX     60
#define SLOW_DOWN        5 /* RFC 8628, 3.5 */
#define DEVICE_MAX       ((gsize)64 * 1024)
#define DEVICE_GRANT     "urn:ietf:params:oauth:grant-type:device_code"

struct OauthSignIn {
    gint refs; /* atomic */
    OauthServer *server;
    WebNetwork network;
    char *url, *user_code;
    char *redirect, *state, *verifier; /* NULL: device flow */
    char *device_code;
    gint64 interval, expires; /* seconds; monotonic time in µs */
    int listeners[2];         /* 127.0.0.1 and ::1; -1: none */
    int wake;                 /* eventfd: something was pasted */

    pthread_mutex_t turn; /* of the thread that waits */
    gboolean finished;
    GError *failure;
    OauthGrant *grant;
    OauthTokenAnswer tokens;

    pthread_mutex_t lock; /* over what follows */
    char *pasted;
};

/* ---- life ---------------------------------------------------------------------------------- */

OauthSignIn *oauth_sign_in_ref(OauthSignIn *sign_in)
{
    g_atomic_int_inc(&sign_in->refs);
    return sign_in;
}

static void close_listeners(OauthSignIn *sign_in)
{
    for (guint i = 0; i < G_N_ELEMENTS(sign_in->listeners); i++) {
        if (sign_in->listeners[i] >= 0)
            close(sign_in->listeners[i]);
        sign_in->listeners[i] = -1;
    }
}

void oauth_sign_in_unref(OauthSignIn *sign_in)
{
    if (!sign_in || !g_atomic_int_dec_and_test(&sign_in->refs))
        return;
    close_listeners(sign_in);
    close(sign_in->wake);
    g_clear_object(&sign_in->network.proxy);
    oauth_server_free(sign_in->server);
    g_free(sign_in->url);
    g_free(sign_in->user_code);
    g_free(sign_in->redirect);
    g_free(sign_in->state);
    g_free(sign_in->verifier);
    g_free(sign_in->device_code);
    g_free(sign_in->pasted);
    g_clear_error(&sign_in->failure);
    oauth_grant_free(sign_in->grant);
    oauth_token_answer_clear(&sign_in->tokens);
    pthread_mutex_destroy(&sign_in->turn);
    pthread_mutex_destroy(&sign_in->lock);
    g_free(sign_in);
}

const char *oauth_sign_in_url(const OauthSignIn *sign_in)
{
    return sign_in->url;
}

const char *oauth_sign_in_code(const OauthSignIn *sign_in)
{
    return sign_in->user_code;
}

gboolean oauth_sign_in_returns(const OauthSignIn *sign_in)
{
    return sign_in->device_code || sign_in->listeners[0] >= 0;
}

const OauthGrant *oauth_sign_in_grant(const OauthSignIn *sign_in)
{
    return g_atomic_pointer_get(&((OauthSignIn *)sign_in)->grant);
}

const OauthTokenAnswer *oauth_sign_in_tokens(const OauthSignIn *sign_in)
{
    return &sign_in->tokens;
}

/* ---- beginning ----------------------------------------------------------------------------- */

static char *random_text(void)
{
    guchar bytes[32];

    if (getentropy(bytes, sizeof bytes) < 0)
        g_error("getentropy: %s", g_strerror(errno));
    return oauth_base64url(bytes, sizeof bytes);
}

/* Listens for what the browser is sent back to, and completes the redirect with our port. One that isn't
 * on this machine is left as it is: then the person has to paste. */
static gboolean listen_for(OauthSignIn *sign_in, GError **error)
{
    const char *wanted = sign_in->server->redirect;
    guint16 port = oauth_redirect_port(wanted);

    if (wanted && !oauth_redirect_is_here(wanted)) {
        sign_in->redirect = g_strdup(wanted);
        return TRUE;
    }
    sign_in->listeners[0] = net_listen_tcp("127.0.0.1", port, error);
    if (sign_in->listeners[0] < 0)
        return FALSE;
    port = net_local_port(sign_in->listeners[0]);
    sign_in->listeners[1] = net_listen_tcp("::1", port, NULL);
    sign_in->redirect = oauth_redirect_with_port(wanted, port);
    return TRUE;
}

static gboolean begin_browser(OauthSignIn *sign_in, const char *address, GCancellable *cancellable,
                              GError **error)
{
    OauthServer *server = sign_in->server;

    if (!server->authorize_url) {
        g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_CLIENT,
                    "%s has no page to sign in at; try --device", server->name);
        return FALSE;
    }
    if (!listen_for(sign_in, error) ||
        !oauth_server_register(server, sign_in->redirect, &sign_in->network, cancellable, error))
        return FALSE;
    sign_in->state = random_text();
    sign_in->verifier = random_text();
    OauthAuthorization question = {.redirect = sign_in->redirect,
                                   .state = sign_in->state,
                                   .verifier = sign_in->verifier,
                                   .address = address};
    sign_in->url = oauth_authorization_url(server, &question);
    sign_in->expires = g_get_monotonic_time() + WAIT_SECONDS * (gint64)G_USEC_PER_SEC;
    return TRUE;
}

static gboolean take_device(OauthSignIn *sign_in, GBytes *document, GError **error)
{
    g_autoptr(JsonObject) object = web_json_read(document, NULL);
    const char *device = web_json_string(object, "device_code");
    const char *user = web_json_string(object, "user_code");
    const char *url = web_json_string(object, "verification_uri");
    const char *words = web_json_string(object, "error_description");

    if (!url) /* as Google calls it */
        url = web_json_string(object, "verification_url");
    if (!device || !user || !url || !oauth_is_safe_url(url)) {
        g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_CLIENT,
                    "%s gives no code to sign in with elsewhere: %s", sign_in->server->name,
                    words ? words : "no reason given");
        return FALSE;
    }
    sign_in->device_code = g_strdup(device);
    sign_in->user_code = g_strdup(user);
    sign_in->url = g_strdup(url);
    sign_in->interval =
        CLAMP(web_json_number(object, "interval", INTERVAL_DEFAULT), 1, INTERVAL_MAX);
    gint64 life = CLAMP(web_json_number(object, "expires_in", WAIT_SECONDS), 1, 3600);
    sign_in->expires = g_get_monotonic_time() + life * G_USEC_PER_SEC;
    return TRUE;
}

static gboolean begin_device(OauthSignIn *sign_in, GCancellable *cancellable, GError **error)
{
    OauthServer *server = sign_in->server;

    if (!server->device_url) {
        g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_CLIENT,
                    "%s can't be signed in to from another device; leave out --device",
                    server->name);
        return FALSE;
    }
    if (!oauth_server_register(server, NULL, &sign_in->network, cancellable, error))
        return FALSE;
    g_autofree char *form = oauth_device_form(server);
    WebRequest request = {.url = server->device_url, .body = form, .limit = DEVICE_MAX};
    g_auto(WebAnswer) answer = {0};
    return web_ask(&sign_in->network, &request, &answer, cancellable, error) &&
           take_device(sign_in, answer.body, error);
}

static gboolean begin(OauthSignIn *sign_in, const char *address, gboolean device,
                      GCancellable *cancellable, GError **error)
{
    if (!oauth_server_complete(sign_in->server, &sign_in->network, cancellable, error))
        return FALSE;
    return device ? begin_device(sign_in, cancellable, error)
                  : begin_browser(sign_in, address, cancellable, error);
}

OauthSignIn *oauth_sign_in_begin(OauthServer *server, const char *address, gboolean device,
                                 const WebNetwork *network, GCancellable *cancellable,
                                 GError **error)
{
    g_autoptr(OauthSignIn) sign_in = g_new0(OauthSignIn, 1);

    sign_in->refs = 1;
    sign_in->server = server;
    sign_in->network = *network;
    if (network->proxy)
        g_object_ref(network->proxy);
    sign_in->listeners[0] = sign_in->listeners[1] = -1;
    sign_in->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&sign_in->turn, NULL);
    pthread_mutex_init(&sign_in->lock, NULL);
    return begin(sign_in, address, device, cancellable, error) ? g_steal_pointer(&sign_in) : NULL;
}

/* ---- the tokens ---------------------------------------------------------------------------- */

/* With the turn. The sign-in is over, one way or the other. */
static void finish(OauthSignIn *sign_in, GError *failure)
{
    sign_in->finished = TRUE;
    sign_in->failure = failure;
    close_listeners(sign_in);
}

static OauthGrant *grant_of(const OauthSignIn *sign_in)
{
    const OauthServer *server = sign_in->server;
    OauthGrant *grant = g_new0(OauthGrant, 1);

    grant->token_url = g_strdup(server->token_url);
    grant->revoke_url = g_strdup(server->revoke_url);
    grant->client_id = g_strdup(server->client_id);
    grant->client_secret = g_strdup(server->client_secret);
    grant->scope = g_strdup(server->scope);
    grant->redirect = g_strdup(sign_in->redirect);
    return grant;
}

static gboolean get_tokens(OauthSignIn *sign_in, const char *const form[], gsize pairs,
                           GCancellable *cancellable, GError **error)
{
    g_autoptr(OauthGrant) grant = grant_of(sign_in);

    if (!oauth_token_ask(grant, form, pairs, &sign_in->network, &sign_in->tokens, cancellable,
                         error))
        return FALSE;
    grant->refresh_token = g_strdup(sign_in->tokens.refresh_token);
    if (!grant->refresh_token) {
        g_set_error(error, OAUTH_ERROR, OAUTH_ERROR_CLIENT,
                    "%s lets Postern in for a moment only (it gives no refresh token); its scope= "
                    "in [oauth2 %s] may lack offline_access",
                    sign_in->server->name, sign_in->server->name);
        return FALSE;
    }
    g_atomic_pointer_set(&sign_in->grant, g_steal_pointer(&grant));
    return TRUE;
}

static gboolean exchange_code(OauthSignIn *sign_in, const char *code, GCancellable *cancellable,
                              GError **error)
{
    const char *const form[] = {
        "grant_type",   "authorization_code", "code",          code,
        "redirect_uri", sign_in->redirect,    "code_verifier", sign_in->verifier};

    return get_tokens(sign_in, form, G_N_ELEMENTS(form) / 2, cancellable, error);
}

/* ---- what the browser says ----------------------------------------------------------------- */

/* Whether `query` ends the sign-in; what doesn't is somebody else's, or no answer. */
static gboolean take_answer(OauthSignIn *sign_in, const char *query, GCancellable *cancellable)
{
    g_autofree char *code = NULL;
    GError *error = NULL;

    if (!oauth_redirect_read(query, sign_in->state, sign_in->server->issuer, &code, &error)) {
        if (g_error_matches(error, OAUTH_ERROR, OAUTH_ERROR_GRANT)) {
            finish(sign_in, error);
            return TRUE;
        }
        g_clear_error(&error);
        return FALSE;
    }
    exchange_code(sign_in, code, cancellable, &error);
    finish(sign_in, error);
    return TRUE;
}

static void serve_browser(OauthSignIn *sign_in, int listener, GCancellable *cancellable)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    uid_t peer;

    if (fd < 0)
        return;
    if (net_peer_uid(fd, &peer, NULL) && peer != getuid() && peer != 0) {
        close(fd);
        return;
    }
    g_autofree char *query = oauth_redirect_receive(fd, sign_in->redirect);
    gboolean over = query && take_answer(sign_in, query, cancellable);
    oauth_redirect_reply(fd, over, over && sign_in->failure ? sign_in->failure->message : NULL);
    close(fd);
}

/* What was pasted, as a query; NULL and `error`: it can't be it. */
static gboolean take_pasted(OauthSignIn *sign_in, GCancellable *cancellable, GError **error)
{
    eventfd_t count;

    eventfd_read(sign_in->wake, &count);
    pthread_mutex_lock(&sign_in->lock);
    g_autofree char *pasted = g_steal_pointer(&sign_in->pasted);
    pthread_mutex_unlock(&sign_in->lock);
    if (!pasted)
        return TRUE;
    const char *query = strchr(pasted, '?');
    if (take_answer(sign_in, query ? query + 1 : pasted, cancellable))
        return TRUE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "that isn't the address that the browser ended at; it begins with %s and has code= "
                "and state= in it",
                sign_in->redirect);
    return FALSE;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Sleeps until something happens, or `usec` are over. The index of what is ready, or -1. */
static int wait_for(OauthSignIn *sign_in, GCancellable *cancellable, gint64 usec)
{
    GPollFD cancel = {.fd = -1};
    gboolean cancelled = cancellable && g_cancellable_make_pollfd(cancellable, &cancel);
    struct pollfd fds[] = {{.fd = sign_in->wake, .events = POLLIN},
                           {.fd = sign_in->listeners[0], .events = POLLIN},
                           {.fd = sign_in->listeners[1], .events = POLLIN},
                           {.fd = cancel.fd, .events = POLLIN}};
    int ready = -1;

    if (usec > 0 && poll(fds, G_N_ELEMENTS(fds), (int)(usec / 1000 + 1)) > 0) {
        for (ready = 0; ready < (int)G_N_ELEMENTS(fds) - 1 && !fds[ready].revents;)
            ready++;
    }
    if (cancelled)
        g_cancellable_release_fd(cancellable);
    return ready;
}

static GError *too_late(const OauthSignIn *sign_in)
{
    return g_error_new(OAUTH_ERROR, OAUTH_ERROR_GRANT, "nobody has signed in at %s in time",
                       sign_in->server->name);
}

static gboolean step_browser(OauthSignIn *sign_in, GCancellable *cancellable, GError **error)
{
    gint64 left = sign_in->expires - g_get_monotonic_time();
    int ready = wait_for(sign_in, cancellable, left);

    if (ready == 0)
        return take_pasted(sign_in, cancellable, error);
    if (ready == 1 || ready == 2)
        serve_browser(sign_in, sign_in->listeners[ready - 1], cancellable);
    else if (left <= 0)
        finish(sign_in, too_late(sign_in));
    return TRUE;
}

static void step_device(OauthSignIn *sign_in, GCancellable *cancellable)
{
    const char *const form[] = {"grant_type", DEVICE_GRANT, "device_code", sign_in->device_code};
    gint64 left = sign_in->expires - g_get_monotonic_time();
    GError *error = NULL;
    eventfd_t count;

    if (left <= 0) {
        finish(sign_in, too_late(sign_in));
        return;
    }
    wait_for(sign_in, cancellable, MIN(left, sign_in->interval * G_USEC_PER_SEC));
    eventfd_read(sign_in->wake, &count); /* there is nothing to be pasted here */
    if (g_cancellable_is_cancelled(cancellable))
        return;
    if (get_tokens(sign_in, form, G_N_ELEMENTS(form) / 2, cancellable, &error)) {
        finish(sign_in, NULL);
        return;
    }
    if (g_error_matches(error, OAUTH_ERROR, OAUTH_ERROR_SLOW_DOWN) ||
        g_error_matches(error, OAUTH_ERROR, OAUTH_ERROR_LATER))
        sign_in->interval = MIN(sign_in->interval + SLOW_DOWN, INTERVAL_MAX);
    if (g_error_matches(error, OAUTH_ERROR, OAUTH_ERROR_GRANT) ||
        g_error_matches(error, OAUTH_ERROR, OAUTH_ERROR_CLIENT))
        finish(sign_in, g_steal_pointer(&error));
    g_clear_error(&error);
}

/* With the turn. */
static gboolean wait_until_over(OauthSignIn *sign_in, GCancellable *cancellable, GError **error)
{
    while (!sign_in->finished) {
        if (g_cancellable_set_error_if_cancelled(cancellable, error))
            return FALSE;
        if (sign_in->device_code)
            step_device(sign_in, cancellable);
        else if (!step_browser(sign_in, cancellable, error))
            return FALSE;
    }
    if (!sign_in->failure)
        return TRUE;
    g_propagate_error(error, g_error_copy(sign_in->failure));
    return FALSE;
}

gboolean oauth_sign_in_wait(OauthSignIn *sign_in, const char *pasted, GCancellable *cancellable,
                            GError **error)
{
    if (pasted) {
        pthread_mutex_lock(&sign_in->lock);
        g_free(sign_in->pasted);
        sign_in->pasted = g_strstrip(g_strdup(pasted));
        pthread_mutex_unlock(&sign_in->lock);
        eventfd_write(sign_in->wake, 1);
    }
    pthread_mutex_lock(&sign_in->turn);
    gboolean done = wait_until_over(sign_in, cancellable, error);
    pthread_mutex_unlock(&sign_in->turn);
    return done;
}
