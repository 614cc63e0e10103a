/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the local servers share: the accounts that clients may log in to, and a session's life. The
 * daemon accepts a connection, checks who is at the other end, and starts one thread that runs one
 * of the session functions below.
 */
#pragma once

#include "cache/queue/queue.h"
#include "daemon/config/settings.h"
#include "daemon/fetch/fetch.h"
#include "daemon/serve/login.h"

#include <pthread.h>

/*
 * What a session needs of an account; made by the daemon, which closes the cache and all else only
 * when the last session's reference is gone. So a session may keep one for long only where it is
 * logged in (and is ended); whatever it looks up besides it gives back before it waits for its
 * client.
 */
typedef struct {
    AccountSettings *settings;
    Cache *cache;
    FetchBodies *bodies;
    ServeVerifiers *verifiers; /* its local passwords */
    gboolean ended;            /* nobody logs in to it any more; under the sessions' lock */
    pthread_mutex_t lock;
    pthread_cond_t released;
    guint refs; /* under the lock */
} ServeAccount;

/* References `settings` and `verifiers`; cache and bodies stay the caller's. */
ServeAccount *serve_account_new(AccountSettings *settings, Cache *cache, FetchBodies *bodies,
                                ServeVerifiers *verifiers);
ServeAccount *serve_account_ref(ServeAccount *account);
void serve_account_unref(ServeAccount *account);
/* Gives back the caller's reference once it is the last one. */
void serve_account_unref_last(ServeAccount *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServeAccount, serve_account_unref)

/* Why an account can't be had by a login name. */
typedef enum {
    SERVE_ERROR_UNKNOWN,     /* there is none of that name */
    SERVE_ERROR_OPENING,     /* it will run soon: worth waiting for */
    SERVE_ERROR_UNAVAILABLE, /* it doesn't run; the message says why */
} ServeError;

#define SERVE_ERROR (serve_error_quark())
GQuark serve_error_quark(void);

/* How the daemon is seen by sessions. The functions may be called from any thread. */
typedef struct {
    /* The account whose ID or address is `login`: a reference, or NULL and SERVE_ERROR. What a
     * session calls waits while the account is being opened. Nobody is logged in by it. */
    ServeAccount *(*find_account)(const char *login, gpointer data, GError **error);
    /* The session is logged in to `account` from here on, and ends with it; NULL: to none. FALSE:
     * the account has just ended, and nobody can. Without the function nobody needs to know. */
    gboolean (*set_login)(ServeAccount *account, gpointer data);
    Queue *queue;            /* NULL: it can't be used, and nothing can be sent */
    const char *queue_error; /* then: why, as status says it */
    NetTlsServer *tls;       /* for STARTTLS; NULL: not offered */
    ServeThrottle *throttle; /* slows the next answer after failed logins; one per listener */
    gint64 progress_us;      /* how often IMAP clients hear of a long command's progress; 0: 15 s */
    guint login_seconds;     /* how long clients may take to log in, TLS included; 0: 3 minutes */
    guint idle_seconds;      /* how long they may say nothing after that; 0: 30 minutes */
    guint opening_seconds;   /* how long a login waits for an account that is being opened; 0: 30 */
    gpointer data;
} ServeDaemon;

typedef enum { SERVE_IMAP, SERVE_POP3, SERVE_SUBMISSION } ServeProtocol;

/*
 * Runs a session on `stream` (not TLS yet, or TLS already on a TLS port) until it ends; blocking;
 * the caller frees the stream. `preauth` is the account of the Unix socket the client came by (the
 * peer's uid was checked), or NULL: it has to log in. Cancelling the stream ends the session
 * politely where there is time (IMAP: * BYE).
 */
void serve_imap(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth);
void serve_pop3(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth);
void serve_submission(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth);
