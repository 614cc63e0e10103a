/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The mechanisms' names, in the order of their bits. */
#include "daemon/proto/sasl/mechanism.h"

static const char *const names[SASL_MECHANISMS] = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN",   "LOGIN",
    "OAUTHBEARER",        "XOAUTH2",          "EXTERNAL",      "GSSAPI",      "CRAM-MD5"};

guint sasl_mechanism_of(const char *name)
{
    for (guint i = 0; i < SASL_MECHANISMS; i++) {
        if (g_ascii_strcasecmp(name, names[i]) == 0)
            return 1u << i;
    }
    return 0;
}

const char *sasl_mechanism_name(guint mechanism)
{
    return names[g_bit_nth_lsf(mechanism, -1)];
}
