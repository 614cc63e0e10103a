/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677): its messages and its arithmetic.
 *
 * GNU SASL's server asks for one verifier before it answers; here a login has several (one for each
 * named password), which share salt and iteration count, so that the server's first message fits
 * them all and the client's proof can be tried against each.
 */
#pragma once

#include <glib.h>

#define SCRAM_KEY_SIZE 32 /* SHA-256 */

typedef struct {
    guint8 stored_key[SCRAM_KEY_SIZE];
    guint8 server_key[SCRAM_KEY_SIZE];
} ScramVerifier;

/* The verifier of a password (RFC 5802, 3). */
void scram_verifier_make(const char *password, GBytes *salt, guint iterations,
                         ScramVerifier *verifier);

/* In constant time. */
gboolean scram_verifier_equal(const ScramVerifier *a, const ScramVerifier *b);

typedef struct {
    char *gs2_header; /* to its last comma: "n,,", "y,,", "p=tls-exporter,," */
    char flag;        /* 'n': no channel binding, 'y': the client could, 'p': used */
    char *binding;    /* the channel binding's name where flag is 'p', else NULL */
    char *authzid;    /* or NULL */
    char *user;
    char *nonce;
    char *bare; /* all behind the GS2 header */
} ScramClientFirst;

void scram_client_first_clear(ScramClientFirst *first);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScramClientFirst, scram_client_first_clear)

/* FALSE for anything that isn't a client-first-message, or that has mandatory extensions. */
gboolean scram_parse_client_first(const char *text, ScramClientFirst *first);

/* `nonce` is the client's with the server's behind it. */
char *scram_server_first(const char *nonce, GBytes *salt, guint iterations);

typedef struct {
    guint8 *binding; /* what c= holds: the GS2 header and the channel binding's data */
    gsize binding_length;
    char *nonce;
    guint8 proof[SCRAM_KEY_SIZE];
    char *without_proof;
} ScramClientFinal;

void scram_client_final_clear(ScramClientFinal *final);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScramClientFinal, scram_client_final_clear)

gboolean scram_parse_client_final(const char *text, ScramClientFinal *final);

/* Whether `proof` was made from the password that `verifier` is of; in constant time.
 * `auth_message` is client-first-bare "," server-first "," client-final-without-proof. */
gboolean scram_check_proof(const ScramVerifier *verifier, const char *auth_message,
                           const guint8 proof[SCRAM_KEY_SIZE]);

char *scram_server_final(const ScramVerifier *verifier, const char *auth_message);
