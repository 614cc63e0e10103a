/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A list under a lock. A thread that ends moves its session to the list of finished ones, where the
 * main loop (or whoever waits for it) joins it: no thread is left behind.
 */
#include "daemon/serve/sessions.h"

#include "daemon/net/thread.h"
#include "daemon/serve/line.h"

#include <pthread.h>
#include <unistd.h>

/* Enough for OpenSSL, SQLite and the parsers, whose recursion is bounded; only what is touched
 * costs memory. */
#define STACK_SIZE (512 * 1024)

typedef struct {
    Sessions *sessions;
    pthread_t thread;
    NetCancel *cancel;
    int fd;
    ServeProtocol protocol;
    gboolean tls;
    const char *listener;
    char *preauth;         /* the ID of the Unix socket's account */
    ServeDaemon daemon;    /* its data is this session */
    ServeAccount *account; /* who is logged in: for comparing only; under the lock */
    char *account_id;      /* likewise, or the Unix socket's; under the lock */
    gint64 since;
    guint64 number;  /* in the order of their coming */
    gboolean leaves; /* it made room for another; under the lock */
} Session;

struct Sessions {
    ServeDaemon daemon;
    void (*changed)(gpointer data);
    gpointer changed_data;

    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_cond_t accounts_changed;
    gboolean stopping;
    GPtrArray *running, *finished; /* Session */
    guint64 started;
    guint notice; /* a source of the main loop is on its way */
    gboolean complained;
};

static const char *const protocol_names[] = {"imap", "pop3", "submission"};

/* As IANA has them; for submission it has none. */
static const char *const SERVE_ALPN[] = {"imap", "pop3", "smtp"};

Sessions *sessions_new(const ServeDaemon *daemon, void (*changed)(gpointer data), gpointer data)
{
    Sessions *sessions = g_new0(Sessions, 1);
    pthread_condattr_t attributes;

    sessions->daemon = *daemon;
    sessions->changed = changed;
    sessions->changed_data = data;
    pthread_mutex_init(&sessions->lock, NULL);
    pthread_cond_init(&sessions->ended, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sessions->accounts_changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sessions->running = g_ptr_array_new();
    sessions->finished = g_ptr_array_new();
    return sessions;
}

void sessions_set_tls(Sessions *sessions, NetTlsServer *tls)
{
    sessions->daemon.tls = tls;
}

static void session_free(Session *session)
{
    net_cancel_unref(session->cancel);
    g_free(session->preauth);
    g_free(session->account_id);
    g_free(session);
}

/* ---- the end of a session ------------------------------------------------------------------ */

/* Joins one finished thread; called and returns with the lock held. */
static gboolean reap_one(Sessions *sessions)
{
    if (sessions->finished->len == 0)
        return FALSE;
    Session *session = g_ptr_array_remove_index_fast(sessions->finished, 0);
    pthread_mutex_unlock(&sessions->lock);

    pthread_join(session->thread, NULL);
    session_free(session);

    pthread_mutex_lock(&sessions->lock);
    return TRUE;
}

static gboolean on_notice(gpointer data)
{
    Sessions *sessions = data;

    pthread_mutex_lock(&sessions->lock);
    sessions->notice = 0;
    while (reap_one(sessions))
        continue;
    pthread_mutex_unlock(&sessions->lock);
    sessions->changed(sessions->changed_data);
    return G_SOURCE_REMOVE;
}

/* With the lock held. */
static void give_notice(Sessions *sessions)
{
    if (!sessions->notice)
        sessions->notice = g_timeout_add(100, on_notice, sessions);
}

static void finish(Session *session)
{
    Sessions *sessions = session->sessions;

    pthread_mutex_lock(&sessions->lock);
    session->account = NULL;
    g_ptr_array_remove_fast(sessions->running, session);
    g_ptr_array_add(sessions->finished, session);
    give_notice(sessions);
    pthread_cond_broadcast(&sessions->ended);
    pthread_mutex_unlock(&sessions->lock);
}

/* ---- in the session's thread --------------------------------------------------------------- */

/* Under the lock: whether it is worth looking again. */
static gboolean wait_for_accounts(Session *session, gint64 until)
{
    Sessions *sessions = session->sessions;
    struct timespec time = {until / G_USEC_PER_SEC, until % G_USEC_PER_SEC * 1000};

    if (sessions->stopping || net_cancel_triggered(session->cancel))
        return FALSE;
    return pthread_cond_timedwait(&sessions->accounts_changed, &sessions->lock, &time) == 0;
}

/* Under the lock. */
static ServeAccount *look_up(Session *session, const char *login, GError **error)
{
    Sessions *sessions = session->sessions;

    if (!sessions->stopping)
        return sessions->daemon.find_account(login, sessions->daemon.data, error);
    g_set_error_literal(error, SERVE_ERROR, SERVE_ERROR_UNAVAILABLE, "Postern is stopping");
    return NULL;
}

static ServeAccount *find_account(const char *login, gpointer data, GError **error)
{
    Session *session = data;
    Sessions *sessions = session->sessions;
    guint seconds = session->daemon.opening_seconds ? session->daemon.opening_seconds : 30;
    gint64 until = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    g_autoptr(GError) failure = NULL;

    pthread_mutex_lock(&sessions->lock);
    ServeAccount *account = look_up(session, login, &failure);
    while (g_error_matches(failure, SERVE_ERROR, SERVE_ERROR_OPENING) &&
           wait_for_accounts(session, until)) {
        g_clear_error(&failure);
        account = look_up(session, login, &failure);
    }
    pthread_mutex_unlock(&sessions->lock);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return account;
}

/* Nobody is logged in, nor will be without saying so. */
static gboolean is_stranger(const Session *session)
{
    return !session->account && !session->preauth;
}

/* How many there are, the strangers or the others; the strangers' oldest. */
static guint count_running(Sessions *sessions, gboolean strangers, Session **oldest)
{
    guint count = 0;

    for (guint i = 0; i < sessions->running->len; i++) {
        Session *session = g_ptr_array_index(sessions->running, i);
        if (is_stranger(session) != strangers || session->leaves)
            continue;
        count++;
        if (oldest && (!*oldest || session->number < (*oldest)->number))
            *oldest = session;
    }
    return count;
}

/* An account that ends either finds the session here, or has ended before. */
static gboolean set_login(ServeAccount *account, gpointer data)
{
    Session *session = data;
    Sessions *sessions = session->sessions;
    const char *id = account ? account->settings->id : session->preauth;

    pthread_mutex_lock(&sessions->lock);
    gboolean full =
        account && is_stranger(session) && count_running(sessions, FALSE, NULL) >= SESSIONS_LIMIT;
    gboolean ok = !account || (!full && !sessions->stopping && !account->ended);
    if (ok) {
        session->account = account;
        g_free(session->account_id);
        session->account_id = g_strdup(id);
        give_notice(sessions);
    }
    pthread_mutex_unlock(&sessions->lock);
    net_thread_name(protocol_names[session->protocol], id);
    return ok;
}

/* The Unix socket's account: who comes by it is logged in. */
static ServeAccount *find_preauth(Session *session, GError **error)
{
    g_autoptr(ServeAccount) account = find_account(session->preauth, session, error);

    if (!account || set_login(account, session))
        return g_steal_pointer(&account);
    g_set_error(error, SERVE_ERROR, SERVE_ERROR_UNAVAILABLE,
                "the account %s has just been started anew; try again", session->preauth);
    return NULL;
}

/* The greeting of a Unix socket whose account can't be had now. */
static void turn_away(Session *session, NetStream *stream, const char *why)
{
    static const char *const greetings[] = {"* BYE [UNAVAILABLE] %s\r\n", "-ERR [SYS/TEMP] %s\r\n",
                                            "421 4.3.2 %s\r\n"};
    g_autofree char *line = g_strdup_printf(greetings[session->protocol], why);

    net_stream_puts(stream, line, NULL);
}

static void serve(Session *session, NetStream *stream)
{
    static void (*const serve_protocol[])(NetStream *, const ServeDaemon *, ServeAccount *) = {
        serve_imap, serve_pop3, serve_submission};
    g_autoptr(ServeAccount) preauth = NULL;
    g_autoptr(GError) error = NULL;

    serve_await_login(stream, &session->daemon);
    if (session->tls && !net_stream_accept_tls(stream, session->daemon.tls,
                                               SERVE_ALPN[session->protocol], &error)) {
        g_debug("%s: a client's TLS handshake failed: %s", session->listener, error->message);
        return;
    }
    if (session->preauth && !(preauth = find_preauth(session, &error)))
        turn_away(session, stream, error->message);
    else
        serve_protocol[session->protocol](stream, &session->daemon, preauth);
    net_stream_close(stream);
}

static void *run(void *data)
{
    Session *session = data;
    g_autofree char *name = g_strdup_printf("%s client", session->listener);
    NetStream *stream = net_stream_new(session->fd, name, session->cancel);

    net_thread_name(protocol_names[session->protocol], session->account_id);

    serve(session, stream);
    net_stream_free(stream);
    finish(session);
    return NULL;
}

/* ---- starting ------------------------------------------------------------------------------ */

static gboolean start_thread(Session *session)
{
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    int failure = pthread_create(&session->thread, &attr, run, session);
    pthread_attr_destroy(&attr);
    if (failure)
        g_warning("No thread for a client can be started: %s", g_strerror(failure));
    return failure == 0;
}

static gboolean refuse(Sessions *sessions, const char *why)
{
    if (!sessions->complained)
        g_warning("%s: new connections are closed until some leave", why);
    sessions->complained = TRUE;
    return FALSE;
}

/*
 * Who never logs in keeps nobody out: strangers have a share of their own, and the oldest of them
 * goes when another one comes. FALSE: there is no room.
 */
static gboolean make_room(Sessions *sessions, const SessionKind *kind)
{
    Session *oldest = NULL;

    if (sessions->running->len >= SESSIONS_LIMIT + 2 * SESSIONS_STRANGERS)
        return refuse(sessions, "Too many clients are just leaving");
    if (kind->account)
        return count_running(sessions, FALSE, NULL) < SESSIONS_LIMIT ||
               refuse(sessions, "More than " G_STRINGIFY(SESSIONS_LIMIT) " clients at once");
    if (count_running(sessions, TRUE, &oldest) >= SESSIONS_STRANGERS) {
        if (!sessions->complained)
            g_warning("More than %d clients that haven't logged in: the oldest has to leave",
                      SESSIONS_STRANGERS);
        oldest->leaves = sessions->complained = TRUE;
        net_cancel_trigger(oldest->cancel);
        return TRUE;
    }
    sessions->complained = FALSE;
    return TRUE;
}

void sessions_start(Sessions *sessions, int fd, const SessionKind *kind)
{
    pthread_mutex_lock(&sessions->lock);
    while (reap_one(sessions))
        continue;
    if (!make_room(sessions, kind)) {
        pthread_mutex_unlock(&sessions->lock);
        close(fd);
        return;
    }

    Session *session = g_new0(Session, 1);
    session->sessions = sessions;
    session->number = sessions->started++;
    session->cancel = net_cancel_new();
    session->fd = fd;
    session->protocol = kind->protocol;
    session->tls = kind->tls;
    session->listener = kind->listener;
    session->daemon = sessions->daemon;
    session->daemon.find_account = find_account;
    session->daemon.set_login = set_login;
    session->daemon.throttle = kind->throttle;
    session->daemon.data = session;
    session->since = g_get_real_time() / G_USEC_PER_SEC;
    session->preauth = g_strdup(kind->account);
    session->account_id = g_strdup(kind->account);
    if (start_thread(session)) {
        g_ptr_array_add(sessions->running, session);
        give_notice(sessions);
    } else {
        session_free(session);
        close(fd);
    }
    pthread_mutex_unlock(&sessions->lock);
}

/* ---- ending -------------------------------------------------------------------------------- */

/* Cancels the sessions of `account` (NULL: all); how many there are. With the lock held. */
static guint cancel(Sessions *sessions, const ServeAccount *account)
{
    guint count = 0;

    for (guint i = 0; i < sessions->running->len; i++) {
        Session *session = g_ptr_array_index(sessions->running, i);
        if (account && session->account != account)
            continue;
        net_cancel_trigger(session->cancel);
        count++;
    }
    pthread_cond_broadcast(&sessions->accounts_changed);
    return count;
}

void sessions_accounts_changed(Sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    pthread_cond_broadcast(&sessions->accounts_changed);
    pthread_mutex_unlock(&sessions->lock);
}

void sessions_stop(Sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    sessions->stopping = TRUE;
    pthread_cond_broadcast(&sessions->accounts_changed);
    pthread_mutex_unlock(&sessions->lock);
}

void sessions_end_account(Sessions *sessions, ServeAccount *account)
{
    pthread_mutex_lock(&sessions->lock);
    account->ended = TRUE;
    while (cancel(sessions, account))
        pthread_cond_wait(&sessions->ended, &sessions->lock);
    pthread_mutex_unlock(&sessions->lock);
}

void sessions_free(Sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    while (cancel(sessions, NULL))
        pthread_cond_wait(&sessions->ended, &sessions->lock);
    while (reap_one(sessions))
        continue;
    if (sessions->notice)
        g_source_remove(sessions->notice);
    pthread_mutex_unlock(&sessions->lock);

    g_ptr_array_unref(sessions->running);
    g_ptr_array_unref(sessions->finished);
    pthread_cond_destroy(&sessions->ended);
    pthread_cond_destroy(&sessions->accounts_changed);
    pthread_mutex_destroy(&sessions->lock);
    g_free(sessions);
}

/* ---- describing ---------------------------------------------------------------------------- */

static void session_describe(GVariantBuilder *builder, const Session *session)
{
    g_variant_builder_open(builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(builder, "{sv}", "Protocol",
                          g_variant_new_string(protocol_names[session->protocol]));
    g_variant_builder_add(builder, "{sv}", "Account",
                          g_variant_new_string(session->account_id ? session->account_id : ""));
    g_variant_builder_add(builder, "{sv}", "Listener", g_variant_new_string(session->listener));
    g_variant_builder_add(builder, "{sv}", "Since", g_variant_new_int64(session->since));
    g_variant_builder_close(builder);
}

GVariant *sessions_describe(Sessions *sessions)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    pthread_mutex_lock(&sessions->lock);
    for (guint i = 0; i < sessions->running->len; i++)
        session_describe(&builder, g_ptr_array_index(sessions->running, i));
    pthread_mutex_unlock(&sessions->lock);
    return g_variant_builder_end(&builder);
}
