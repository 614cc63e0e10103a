/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The SASL mechanisms that are used towards providers, as bits: what a server offers is a set of them, and so
 * is what an account may use.
 */
#pragma once

#include <glib.h>

/* In the order in which they are chosen. */
typedef enum {
    SASL_SCRAM_SHA_256_PLUS = 1 << 0,
    SASL_SCRAM_SHA_1_PLUS = 1 << 1,
    SASL_SCRAM_SHA_256 = 1 << 2,
    SASL_SCRAM_SHA_1 = 1 << 3,
    SASL_PLAIN = 1 << 4,
    SASL_LOGIN = 1 << 5,
    SASL_OAUTHBEARER = 1 << 6,
    SASL_XOAUTH2 = 1 << 7,
    SASL_EXTERNAL = 1 << 8,
    SASL_GSSAPI = 1 << 9,
    SASL_CRAM_MD5 = 1 << 10,
} SaslMechanism;
#define SASL_MECHANISMS 11

/* Those bound to the TLS channel, all of SCRAM (RFC 5802, 7677), those that take a token (RFC 7628), and
 * those that take neither password nor token. */
#define SASL_BOUND  (guint)(SASL_SCRAM_SHA_256_PLUS | SASL_SCRAM_SHA_1_PLUS)
#define SASL_SCRAM  (SASL_BOUND | (guint)(SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_1))
#define SASL_TOKEN  (guint)(SASL_OAUTHBEARER | SASL_XOAUTH2)
#define SASL_BY_KEY (guint)(SASL_EXTERNAL | SASL_GSSAPI)

/* The mechanism of that name, in any case; 0: it isn't one of ours. */
guint sasl_mechanism_of(const char *name);
/* Its name, as servers say it. */
const char *sasl_mechanism_name(guint mechanism);
