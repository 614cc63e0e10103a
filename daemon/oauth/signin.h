/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signing in: an authorization code with PKCE by the user's browser, which comes back to a port of ours or
 * whose final address is pasted (RFC 8252, RFC 7636), or a code that is typed in elsewhere (RFC 8628).
 */
#pragma once

#include "daemon/oauth/token.h"

typedef struct OauthSignIn OauthSignIn;

/*
 * Begins: asks the server for what isn't known of it, makes us known, listens. Blocking. Takes `server`.
 * `address` is the mail address, which the server is told. NULL and OAUTH_ERROR, or a GIO error.
 */
OauthSignIn *oauth_sign_in_begin(OauthServer *server, const char *address, gboolean device,
                                 const WebNetwork *network, GCancellable *cancellable,
                                 GError **error);
OauthSignIn *oauth_sign_in_ref(OauthSignIn *sign_in);
void oauth_sign_in_unref(OauthSignIn *sign_in);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OauthSignIn, oauth_sign_in_unref)

/* What the browser has to open. */
const char *oauth_sign_in_url(const OauthSignIn *sign_in);
/* What has to be typed in there; NULL: nothing. */
const char *oauth_sign_in_code(const OauthSignIn *sign_in);
/* Whether the browser comes back to us by itself; else its final address has to be pasted. */
gboolean oauth_sign_in_returns(const OauthSignIn *sign_in);

/*
 * Waits until the person has agreed, for ten minutes at most (device: as long as the server says), and
 * gets the tokens. `pasted` is the final address of the browser, or NULL. Blocking; several threads may
 * wait, and all get the outcome. FALSE: OAUTH_ERROR, G_IO_ERROR_CANCELLED, or what was pasted isn't the
 * address (G_IO_ERROR_INVALID_ARGUMENT), which may be done again.
 */
gboolean oauth_sign_in_wait(OauthSignIn *sign_in, const char *pasted, GCancellable *cancellable,
                            GError **error);

/* After success: the grant, and the first access token with the seconds it lives; borrowed. */
const OauthGrant *oauth_sign_in_grant(const OauthSignIn *sign_in);
const OauthTokenAnswer *oauth_sign_in_tokens(const OauthSignIn *sign_in);
