/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One SASL exchange (RFC 4422), whatever the protocol around it: which mechanism is taken, and what is said
 * in it. GNU SASL does what it has; XOAUTH2 and OAUTHBEARER (RFC 7628) are our own. How it goes over a
 * connection, and what comes after a failure, is sign-in.h.
 */
#pragma once

#include "daemon/net/stream.h"
#include "daemon/upstream/login.h"

/* All is borrowed, and lasts as long as the client. */
typedef struct {
    const UpstreamLogin *login;
    NetStream *stream;   /* whose TLS a -PLUS mechanism binds to; NULL: none */
    const char *service; /* as Kerberos calls it: "imap", "smtp", "pop" */
} SaslContext;

#define SASL_CLIENT_ERROR (sasl_client_error_quark())
GQuark sasl_client_error_quark(void);
typedef enum {
    SASL_CLIENT_ERROR_NONE, /* no mechanism that the server offers can be used */
    SASL_CLIENT_ERROR_UNFIT, /* this one can't be used here (a certificate is missing, the password can't be
                              * prepared); nothing was said about the password */
    SASL_CLIENT_ERROR_TICKET,  /* there is no Kerberos ticket */
    SASL_CLIENT_ERROR_REFUSED, /* the server doesn't prove what it should, or talks nonsense */
} SaslClientError;

typedef struct SaslClient SaslClient;

/*
 * Takes the best mechanism of `offered` (SaslMechanism bits) that the login allows. A password goes by SCRAM,
 * bound to the TLS channel where that can be, else by PLAIN or LOGIN; a token by OAUTHBEARER or XOAUTH2.
 * EXTERNAL, GSSAPI and CRAM-MD5 are taken only where the login names them.
 */
SaslClient *sasl_client_new(const SaslContext *context, guint offered, GError **error);
void sasl_client_free(SaslClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SaslClient, sasl_client_free)

/* The mechanism that was taken, as a bit. */
guint sasl_client_mechanism(const SaslClient *client);

/* Whether nothing was said yet that a server could tell a right password by: a refusal now isn't one of the
 * password. SCRAM says no more than the name at first. */
gboolean sasl_client_proved_nothing(const SaslClient *client);

/* What may be sent along with the mechanism's name, in Base64 ("" as such where it is empty); the caller wipes
 * and frees. NULL without an error: the server speaks first. */
char *sasl_client_initial(SaslClient *client, GError **error);

/* The answer to a challenge (both in Base64); the caller wipes and frees. NULL and `error`: the exchange
 * has to be ended with "*". */
char *sasl_client_step(SaslClient *client, const char *challenge, GError **error);

/* After the server has said yes: whether it has proved all that the mechanism asks of it. */
gboolean sasl_client_finish(SaslClient *client, GError **error);
