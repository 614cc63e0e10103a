/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record for each account, and whoever finds its token ended asks for all who wait.
 */
#include "daemon/oauth/tokens.h"

#include "daemon/config/secret.h"
#include "daemon/net/proxy.h"
#include "daemon/net/stream.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define SKEW        180 /* seconds that a token has to live at least, to be given out */
#define YOUNG       10  /* seconds in which a refused token is no reason for another */
#define BACKOFF_MIN 5   /* seconds */
/* What is under way when the network changes has so many seconds to be answered. */
#define PROVE_SECONDS 5
/* What is under way when the daemon ends, too: the answer may be a refresh token in place of the one that is stored. */
#define FINISH_SECONDS 3
#define BACKOFF_MAX    600
#define BACKOFF_BITS   7

/* One account's; all under the lock, but what only whoever is `busy` changes. */
typedef struct {
    gboolean busy;     /* somebody asks */
    char *access;      /* or NULL */
    gint64 made, ends; /* net_clock_usec() */
    char *places[2];   /* whom it may be shown: incoming, outgoing */

    guint failures;
    gint64 not_before;  /* net_clock_usec() */
    gboolean sent_away; /* the server itself asked to wait so long */
    GError *failure;

    char *dead;          /* digest of a refresh token that the server doesn't take any more */
    GError *death;       /* in which words */
    OauthGrant *unsaved; /* replaced by the server, and not yet stored */
    OauthTokenAnswer unsaved_answer;
} Token;

struct OauthTokens {
    WebNetwork network;
    OauthStore store;
    NetClock *clock;
    GCancellable *stop;
    pthread_mutex_t lock;
    pthread_cond_t done;
    GHashTable *accounts; /* ID → Token */
    GPtrArray *asking;    /* GCancellable of each request that is under way */
    guint refreshing;     /* requests whose answers aren't stored yet */
    gboolean stopping;    /* no other request begins */
};

/* ---- the store ----------------------------------------------------------------------------- */

static char *load_secret(const char *id, gpointer data, GError **error)
{
    return secrets_grant(id, error);
}

static gboolean save_secret(const char *id, const char *text, gpointer data, GError **error)
{
    return secrets_keep_grant(id, text, error);
}

static gboolean save(OauthTokens *tokens, const char *id, const OauthGrant *grant, GError **error)
{
    char *text = oauth_grant_to_text(grant);
    gboolean ok = tokens->store.save(id, text, tokens->store.data, error);

    account_password_free(text);
    return ok;
}

static OauthGrant *load(OauthTokens *tokens, const char *id, GError **error)
{
    char *text = tokens->store.load(id, tokens->store.data, error);
    g_autoptr(GError) failure = NULL;

    if (!text)
        return NULL;
    OauthGrant *grant = oauth_grant_from_text(text, &failure);
    account_password_free(text);
    if (!grant)
        g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING,
                    "%s; sign in with 'posternctl account authorize %s'", failure->message, id);
    return grant;
}

/* ---- life ---------------------------------------------------------------------------------- */

/* Forgets everything but who is busy. */
static void token_reset(Token *token)
{
    account_password_free(token->access);
    g_free(token->places[0]);
    g_free(token->places[1]);
    g_free(token->dead);
    g_clear_error(&token->failure);
    g_clear_error(&token->death);
    oauth_grant_free(token->unsaved);
    oauth_token_answer_clear(&token->unsaved_answer);
    *token = (Token){.busy = token->busy};
}

static void token_free(gpointer data)
{
    token_reset(data);
    g_free(data);
}

OauthTokens *oauth_tokens_new(const WebNetwork *network, const OauthStore *store, NetClock *clock)
{
    OauthTokens *tokens = g_new0(OauthTokens, 1);

    tokens->network = *network;
    tokens->store = store ? *store : (OauthStore){.load = load_secret, .save = save_secret};
    tokens->clock = net_clock_ref(clock);
    tokens->stop = g_cancellable_new();
    tokens->asking = g_ptr_array_new_with_free_func(g_object_unref);
    tokens->accounts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, token_free);
    pthread_mutex_init(&tokens->lock, NULL);
    pthread_cond_init(&tokens->done, NULL);
    return tokens;
}

void oauth_tokens_free(OauthTokens *tokens)
{
    if (!tokens)
        return;
    g_hash_table_unref(tokens->accounts);
    g_ptr_array_unref(tokens->asking);
    g_object_unref(tokens->stop);
    net_clock_unref(tokens->clock);
    pthread_cond_destroy(&tokens->done);
    pthread_mutex_destroy(&tokens->lock);
    g_free(tokens);
}

void oauth_tokens_stop(OauthTokens *tokens)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += FINISH_SECONDS;
    pthread_mutex_lock(&tokens->lock);
    tokens->stopping = TRUE;
    while (tokens->refreshing &&
           pthread_cond_timedwait(&tokens->done, &tokens->lock, &end) != ETIMEDOUT)
        continue;
    g_cancellable_cancel(tokens->stop);
    for (guint i = 0; i < tokens->asking->len; i++)
        g_cancellable_cancel(tokens->asking->pdata[i]);
    pthread_mutex_unlock(&tokens->lock);
}

static gboolean on_unproven(gpointer data)
{
    g_cancellable_cancel(data);
    return G_SOURCE_REMOVE;
}

void oauth_tokens_check(OauthTokens *tokens)
{
    GHashTableIter iter;
    gpointer value;

    pthread_mutex_lock(&tokens->lock);
    for (guint i = 0; i < tokens->asking->len; i++)
        g_timeout_add_seconds_full(G_PRIORITY_DEFAULT, PROVE_SECONDS, on_unproven,
                                   g_object_ref(tokens->asking->pdata[i]), g_object_unref);
    g_hash_table_iter_init(&iter, tokens->accounts);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Token *token = value;
        if (!token->busy && !token->sent_away)
            token->not_before = 0;
    }
    pthread_mutex_unlock(&tokens->lock);
}

/* Under the lock. */
static Token *find(OauthTokens *tokens, const char *id)
{
    Token *token = g_hash_table_lookup(tokens->accounts, id);

    if (!token) {
        token = g_new0(Token, 1);
        g_hash_table_insert(tokens->accounts, g_strdup(id), token);
    }
    return token;
}

/* Under the lock: nobody else asks from here to leave(). */
static Token *enter(OauthTokens *tokens, const char *id)
{
    Token *token = find(tokens, id);

    while (token->busy)
        pthread_cond_wait(&tokens->done, &tokens->lock);
    return token;
}

static void leave(OauthTokens *tokens, Token *token)
{
    token->busy = FALSE;
    pthread_cond_broadcast(&tokens->done);
}

/* ---- whom it may be shown ------------------------------------------------------------------ */

static char *place_of(const AccountSettings *settings, gboolean outgoing)
{
    const NetEndpoint *endpoint = outgoing ? settings->outgoing : settings->incoming;
    const char *user = outgoing ? settings->outgoing_user : settings->user;
    g_autofree char *url = endpoint ? net_endpoint_to_string(endpoint) : NULL;

    return url ? g_strdup_printf("%s %s", url, user) : NULL;
}

static gboolean is_for(const OauthGrant *grant, const AccountSettings *settings, gboolean outgoing,
                       GError **error)
{
    g_autofree char *place = place_of(settings, outgoing);

    if (g_strcmp0(place, outgoing ? grant->outgoing : grant->incoming) == 0)
        return TRUE;
    g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING,
                "%s was signed in for another server or user; sign in again with 'posternctl "
                "account authorize %s'",
                settings->id, settings->id);
    return FALSE;
}

/* ---- asking -------------------------------------------------------------------------------- */

static gint64 now(const OauthTokens *tokens)
{
    return net_clock_usec(tokens->clock);
}

static char *digest_of(const OauthGrant *grant)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256,
                                         grant->refresh_token ? grant->refresh_token : "", -1);
}

/* Busy. The server can't now: nobody asks before some seconds have passed, more each time. */
static void note_trouble(OauthTokens *tokens, Token *token, gint64 retry_after, GError *why)
{
    gint64 seconds = BACKOFF_MIN << MIN(token->failures, BACKOFF_BITS);

    seconds = MAX(MIN(seconds, BACKOFF_MAX), retry_after);
    token->failures++;
    token->not_before = now(tokens) + seconds * G_USEC_PER_SEC;
    token->sent_away = retry_after > 0;
    g_clear_error(&token->failure);
    token->failure = why;
}

/* Busy. What the refusal of a refresh means for the account. */
static void explain(OauthTokens *tokens, Token *token, const char *id, const OauthGrant *grant,
                    gint64 retry_after, GError *why, GError **error)
{
    if (g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED, "Cancelled.");
        return;
    }
    if (g_error_matches(why, OAUTH_ERROR, OAUTH_ERROR_GRANT) ||
        g_error_matches(why, OAUTH_ERROR, OAUTH_ERROR_CLIENT)) {
        g_clear_error(&token->death);
        g_set_error(&token->death, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING,
                    "one has to sign in again: %s; do so with 'posternctl account authorize %s'",
                    why->message, id);
        g_free(token->dead);
        token->dead = digest_of(grant);
        g_propagate_error(error, g_error_copy(token->death));
        return;
    }
    note_trouble(tokens, token, retry_after,
                 g_error_new(NET_ERROR, NET_ERROR_CONNECT, "%s", why->message));
    g_propagate_error(error, g_error_copy(token->failure));
}

static void set_text(char **field, const char *text)
{
    g_free(*field);
    *field = g_strdup(text);
}

/* Busy. The answer's token is the account's from now on. A short life is used by half at least. */
static void take(Token *token, const OauthGrant *grant, OauthTokenAnswer *answer, gint64 asked)
{
    gint64 life = answer->expires_in - MIN(SKEW, answer->expires_in / 2);

    account_password_free(token->access);
    token->access = g_steal_pointer(&answer->access_token);
    token->made = asked;
    token->ends = asked + life * G_USEC_PER_SEC;
    set_text(&token->places[0], grant->incoming);
    set_text(&token->places[1], grant->outgoing);
    token->failures = 0;
    token->not_before = 0;
    g_clear_error(&token->failure);
}

/* Busy. A grant that the server has replaced is stored before anything else. */
static gboolean save_unsaved(OauthTokens *tokens, Token *token, const char *id, GError **error)
{
    if (!token->unsaved)
        return TRUE;
    if (!save(tokens, id, token->unsaved, error))
        return FALSE;
    take(token, token->unsaved, &token->unsaved_answer, token->made);
    g_clear_pointer(&token->unsaved, oauth_grant_free);
    oauth_token_answer_clear(&token->unsaved_answer);
    return TRUE;
}

/* Ends with what the caller frees by end_asking(), or by oauth_tokens_stop(). */
static GCancellable *begin_asking(OauthTokens *tokens)
{
    GCancellable *asking = g_cancellable_new();

    pthread_mutex_lock(&tokens->lock);
    g_ptr_array_add(tokens->asking, asking);
    if (tokens->stopping)
        g_cancellable_cancel(asking);
    pthread_mutex_unlock(&tokens->lock);
    return asking;
}

static gboolean is_stopping(OauthTokens *tokens)
{
    pthread_mutex_lock(&tokens->lock);
    gboolean stopping = tokens->stopping;
    pthread_mutex_unlock(&tokens->lock);
    return stopping;
}

static void end_asking(OauthTokens *tokens, GCancellable *asking)
{
    pthread_mutex_lock(&tokens->lock);
    g_ptr_array_remove_fast(tokens->asking, asking);
    pthread_mutex_unlock(&tokens->lock);
}

/* Asks; again where the network has changed meanwhile, and nobody answers any more. */
static gboolean ask_server(OauthTokens *tokens, const AccountSettings *settings,
                           const OauthGrant *grant, OauthTokenAnswer *answer, GError **error)
{
    g_autoptr(GProxyResolver) proxy = net_proxy_resolver(settings->proxy);
    WebNetwork network = tokens->network;

    if (proxy)
        network.proxy = proxy;
    for (;;) {
        g_autoptr(GError) why = NULL;
        GCancellable *asking = begin_asking(tokens);
        gboolean ok = oauth_token_refresh(grant, &network, answer, asking, &why);

        end_asking(tokens, asking);
        if (ok)
            return TRUE;
        if (!g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CANCELLED) || is_stopping(tokens)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
}

static gboolean refresh_and_store(OauthTokens *tokens, Token *token,
                                  const AccountSettings *settings, const OauthGrant *grant,
                                  GError **error)
{
    const char *id = settings->id;
    g_auto(OauthTokenAnswer) answer = {0};
    g_autoptr(GError) why = NULL;
    gint64 asked = now(tokens);

    if (!ask_server(tokens, settings, grant, &answer, &why)) {
        explain(tokens, token, id, grant, answer.retry_after, why, error);
        return FALSE;
    }
    if (!answer.refresh_token || strcmp(answer.refresh_token, grant->refresh_token) == 0) {
        take(token, grant, &answer, asked);
        return TRUE;
    }
    token->unsaved = oauth_grant_copy(grant);
    account_password_free(token->unsaved->refresh_token);
    token->unsaved->refresh_token = g_strdup(answer.refresh_token);
    token->unsaved_answer = answer;
    answer = (OauthTokenAnswer){0};
    token->made = asked;
    return save_unsaved(tokens, token, id, error);
}

static gboolean refresh(OauthTokens *tokens, Token *token, const AccountSettings *settings,
                        const OauthGrant *grant, GError **error)
{
    pthread_mutex_lock(&tokens->lock);
    tokens->refreshing++;
    pthread_mutex_unlock(&tokens->lock);
    gboolean ok = refresh_and_store(tokens, token, settings, grant, error);
    pthread_mutex_lock(&tokens->lock);
    tokens->refreshing--;
    pthread_cond_broadcast(&tokens->done);
    pthread_mutex_unlock(&tokens->lock);
    return ok;
}

/* Busy, without the lock. FALSE: there is none to be had. */
static gboolean renew(OauthTokens *tokens, Token *token, const AccountSettings *settings,
                      gboolean outgoing, GError **error)
{
    const char *id = settings->id;
    g_autofree char *place = place_of(settings, outgoing);

    if (!save_unsaved(tokens, token, id, error))
        return FALSE;
    if (token->access && now(tokens) < token->ends &&
        g_strcmp0(place, token->places[outgoing ? 1 : 0]) == 0)
        return TRUE;
    g_autoptr(OauthGrant) grant = load(tokens, id, error);
    if (!grant || !is_for(grant, settings, outgoing, error))
        return FALSE;
    g_autofree char *digest = digest_of(grant);
    if (g_strcmp0(digest, token->dead) == 0) {
        g_propagate_error(error, g_error_copy(token->death));
        return FALSE;
    }
    if (token->failure && now(tokens) < token->not_before) {
        g_propagate_error(error, g_error_copy(token->failure));
        return FALSE;
    }
    return refresh(tokens, token, settings, grant, error);
}

char *oauth_tokens_password(const AccountSettings *settings, gboolean outgoing, gpointer data,
                            GError **error)
{
    OauthTokens *tokens = data;

    pthread_mutex_lock(&tokens->lock);
    Token *token = enter(tokens, settings->id);
    token->busy = TRUE;
    pthread_mutex_unlock(&tokens->lock);
    gboolean ok = renew(tokens, token, settings, outgoing, error);
    pthread_mutex_lock(&tokens->lock);
    char *access = ok ? g_strdup(token->access) : NULL;
    leave(tokens, token);
    pthread_mutex_unlock(&tokens->lock);
    return access;
}

void oauth_tokens_refused(const AccountSettings *settings, const char *access, gpointer data)
{
    OauthTokens *tokens = data;

    pthread_mutex_lock(&tokens->lock);
    Token *token = enter(tokens, settings->id);
    if (g_strcmp0(token->access, access) == 0 && now(tokens) - token->made > YOUNG * G_USEC_PER_SEC)
        token->ends = 0;
    pthread_mutex_unlock(&tokens->lock);
}

/* ---- signing in and out -------------------------------------------------------------------- */

gboolean oauth_tokens_keep(OauthTokens *tokens, const AccountSettings *settings,
                           const OauthGrant *grant, GError **error)
{
    g_autoptr(OauthGrant) bound = oauth_grant_copy(grant);

    bound->incoming = place_of(settings, FALSE);
    bound->outgoing = place_of(settings, TRUE);
    pthread_mutex_lock(&tokens->lock);
    Token *token = enter(tokens, settings->id);
    token->busy = TRUE;
    pthread_mutex_unlock(&tokens->lock);
    gboolean ok = save(tokens, settings->id, bound, error);
    pthread_mutex_lock(&tokens->lock);
    if (ok)
        token_reset(token);
    leave(tokens, token);
    pthread_mutex_unlock(&tokens->lock);
    return ok;
}

void oauth_tokens_revoke(OauthTokens *tokens, const AccountSettings *settings)
{
    const char *id = settings->id;
    g_autoptr(GProxyResolver) proxy = net_proxy_resolver(settings->proxy);
    WebNetwork network = tokens->network;

    if (proxy)
        network.proxy = proxy;
    pthread_mutex_lock(&tokens->lock);
    Token *token = enter(tokens, id);
    token->busy = TRUE;
    pthread_mutex_unlock(&tokens->lock);
    g_autoptr(OauthGrant) grant = load(tokens, id, NULL);
    if (grant)
        oauth_token_revoke(grant, &network, tokens->stop);
    pthread_mutex_lock(&tokens->lock);
    token_reset(token);
    leave(tokens, token);
    pthread_mutex_unlock(&tokens->lock);
}
