/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What goes to the browser and what comes back: the authorization's address, and the redirect that it ends
 * in.
 */
#pragma once

#include "daemon/oauth/server.h"

/* Base64 with the letters of addresses, without padding (RFC 7636, appendix A); the caller frees. */
char *oauth_base64url(const guchar *bytes, gsize length);

/* The challenge for a verifier (RFC 7636, 4.2: S256). */
char *oauth_challenge(const char *verifier);

typedef struct {
    const char *redirect, *state, *verifier;
    const char *address; /* the mail address, or NULL */
} OauthAuthorization;

/* RFC 6749, 4.1.1; the caller frees. */
char *oauth_authorization_url(const OauthServer *server, const OauthAuthorization *question);

/* RFC 8628, 3.1, as a form; the caller frees. */
char *oauth_device_form(const OauthServer *server);

/* Whether a redirect leads to this machine, so that we can be there; and the port it names, or 0. NULL is
 * our default. */
gboolean oauth_redirect_is_here(const char *redirect);
guint16 oauth_redirect_port(const char *redirect);
/* The redirect with our port; the caller frees. */
char *oauth_redirect_with_port(const char *redirect, guint16 port);

/*
 * Reads what the browser brings: the code. FALSE: OAUTH_ERROR_GRANT, the person said no or the server
 * refuses, in its words; G_IO_ERROR_INVALID_DATA, it isn't the answer to our question (another state or
 * issuer, or no code), which must have no effect.
 */
gboolean oauth_redirect_read(const char *query, const char *state, const char *issuer, char **code,
                             GError **error);

/* Reads a request from the browser; its query, or NULL: it asks for something else. A few seconds at most. */
char *oauth_redirect_receive(int fd, const char *redirect);
/* Answers with a page: it is `over`, with `failure` (or NULL: all is well), or it isn't about us. */
void oauth_redirect_reply(int fd, gboolean over, const char *failure);
