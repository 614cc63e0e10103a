/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A SASL exchange over a session's stream, as POP3's and SMTP's AUTH commands run it. */
#pragma once

#include "daemon/serve/serve.h"

typedef enum {
    SERVE_LOGIN_OK,
    SERVE_LOGIN_FAILED,       /* the answer was delayed already, where that was due */
    SERVE_LOGIN_CANCELLED,    /* by the client */
    SERVE_LOGIN_UNAUTHORIZED, /* it is who it says, and may not act for whom it asked */
    SERVE_LOGIN_GARBLED,      /* the client's answer is no base64, or too long */
    SERVE_LOGIN_NO_MECHANISM, /* nothing was said yet */
    SERVE_LOGIN_UNAVAILABLE,  /* the account can't be had now: `error` says why */
    SERVE_LOGIN_BROKEN,       /* the connection failed: `error` is set */
} ServeLoginResult;

/* An AUTH command's arguments: its mechanism and, or NULL, its initial response, which is wiped when they
 * are freed (g_auto). */
typedef struct {
    char **words;
} ServeAuth;
void serve_auth_clear(ServeAuth *auth);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ServeAuth, serve_auth_clear)

/*
 * Runs the exchange: challenges are lines that begin with `prompt`. `initial` is the initial
 * response, or NULL. *account gets a reference on SERVE_LOGIN_OK.
 */
ServeLoginResult serve_login(NetStream *stream, const ServeDaemon *daemon, const char *mechanism,
                             const char *initial, const char *prompt, ServeAccount **account,
                             GError **error);

/* The same for a name and a password as they are (POP3's USER and PASS). */
ServeLoginResult serve_login_password(NetStream *stream, const ServeDaemon *daemon,
                                      const char *login, const char *password,
                                      ServeAccount **account, GError **error);
