/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in locally: an account's named local passwords as SCRAM-SHA-256 verifiers that share one
 * salt and iteration count, and the SASL mechanisms PLAIN, LOGIN, SCRAM-SHA-256 and, on TLS,
 * SCRAM-SHA-256-PLUS for all three protocols.
 */
#pragma once

#include "daemon/net/stream.h"

/* ---- verifiers ----------------------------------------------------------------------------- */

typedef struct ServeVerifiers ServeVerifiers;

/* Reads the verifiers file (key file, mode 0600, beside the account's cache); a missing file is an
 * empty set. Any thread may use the result. */
ServeVerifiers *serve_verifiers_load(const char *path, GError **error);
ServeVerifiers *serve_verifiers_ref(ServeVerifiers *verifiers);
void serve_verifiers_unref(ServeVerifiers *verifiers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServeVerifiers, serve_verifiers_unref)

/* Makes a new password (generated, 26 characters) named `name` and stores its verifier durably; the
 * caller frees the password and it can't be had again. EXISTS-like failure where the name is taken.
 */
char *serve_verifiers_add(ServeVerifiers *verifiers, const char *name, GError **error);
gboolean serve_verifiers_revoke(ServeVerifiers *verifiers, const char *name, GError **error);
/* Names, NULL-terminated, the caller frees. */
char **serve_verifiers_names(ServeVerifiers *verifiers);
/* Constant time over all of them. NULL: FALSE, after as long a time. */
gboolean serve_verifiers_check(ServeVerifiers *verifiers, const char *password);

/* Where the key is kept by which SCRAM's parameters are made for names that nobody has: so they are
 * the same after a restart, as real ones are, and nobody else can compute them. Without, or where
 * the file can't be read nor written, they last as long as the process. Before any client comes. */
void serve_decoys_keep(const char *path);

/* ---- throttling ---------------------------------------------------------------------------- */

typedef struct ServeThrottle ServeThrottle;
ServeThrottle *serve_throttle_new(void);
void serve_throttle_free(ServeThrottle *throttle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServeThrottle, serve_throttle_free)

/* ---- SASL ---------------------------------------------------------------------------------- */

typedef struct ServeSasl ServeSasl;

/* Mechanisms to offer on this stream, separated by spaces: "PLAIN LOGIN SCRAM-SHA-256
 * [SCRAM-SHA-256-PLUS]". Static. */
const char *serve_sasl_mechanisms(NetStream *stream);

/* Finds the verifiers of a login name; NULL: no such account. What it gives lives as long as the
 * exchange. */
typedef ServeVerifiers *(*ServeFindVerifiers)(const char *login, gpointer data);

/* Begins an exchange; NULL: no such mechanism. */
ServeSasl *serve_sasl_new(const char *mechanism, NetStream *stream, ServeFindVerifiers find,
                          gpointer data);
void serve_sasl_free(ServeSasl *sasl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ServeSasl, serve_sasl_free)

typedef enum {
    SERVE_SASL_CONTINUE,
    SERVE_SASL_OK,
    SERVE_SASL_FAILED,
    SERVE_SASL_UNAUTHORIZED, /* genuine, but it asked to act for somebody else */
} ServeSaslResult;

/*
 * One step: `input` is the client's base64 line (NULL: none yet; "=": an empty initial response;
 * "*": it gave up), `output` gets the base64 challenge to send (the caller frees). After a failure
 * the answer is delayed by the throttle.
 */
ServeSaslResult serve_sasl_step(ServeSasl *sasl, const char *input, char **output);

/* The login name after SERVE_SASL_OK; borrowed. */
const char *serve_sasl_login(ServeSasl *sasl);

/* Sleeps as long as earlier failures on this listener ask for (at most 5 s), then counts this one;
 * a success clears. */
void serve_throttle_failed(ServeThrottle *throttle, NetStream *stream);
void serve_throttle_succeeded(ServeThrottle *throttle);
