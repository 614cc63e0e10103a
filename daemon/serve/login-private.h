/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What SCRAM needs of the verifiers. Private to serve/. */
#pragma once

#include "daemon/proto/sasl/scram.h"
#include "daemon/serve/login.h"

/* What all verifiers of the set share; the salt is a reference. */
void serve_verifiers_parameters(ServeVerifiers *verifiers, GBytes **salt, guint *iterations);

/* Those of `login`, a name that nobody has. */
void serve_decoy_parameters(const char *login, GBytes **salt, guint *iterations);

/* Tries `proof` against each; the one that fits, or FALSE. Takes the same time either
 * way, however many there are, and also where there is no set (NULL). */
gboolean serve_verifiers_match(ServeVerifiers *verifiers, const char *auth_message,
                               const guint8 proof[SCRAM_KEY_SIZE], ScramVerifier *match);
