/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A grant (what one has signed in for, as it is stored) and the token endpoint's answers to it.
 */
#pragma once

#include "daemon/oauth/server.h"

/* What a sign-in gave, whole: a refresh needs nothing else, and the token goes to nobody else. */
typedef struct {
    char *token_url, *revoke_url;    /* revoke_url may be NULL */
    char *client_id, *client_secret; /* client_secret may be NULL */
    char *scope;                     /* asked for; may be NULL */
    char *refresh_token; /* NULL: there was none; when the access token ends, so does it */
    char *redirect;      /* the redirect of the sign-in; NULL: device flow */
    char *incoming,
        *outgoing; /* "URL user": whom its access tokens may be shown; outgoing may be NULL */
} OauthGrant;

OauthGrant *oauth_grant_copy(const OauthGrant *grant);
void oauth_grant_free(OauthGrant *grant);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OauthGrant, oauth_grant_free)

/* As text, for the secret service; the caller wipes and frees. */
char *oauth_grant_to_text(const OauthGrant *grant);
OauthGrant *oauth_grant_from_text(const char *text, GError **error);

typedef struct {
    char *access_token;
    char *refresh_token; /* a new one, or NULL: the old one goes on */
    gint64 expires_in;   /* seconds; where the server doesn't say: an hour */
    gint64 retry_after;  /* of a refusal: seconds to wait at least; 0: it doesn't say */
} OauthTokenAnswer;

void oauth_token_answer_clear(OauthTokenAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(OauthTokenAnswer, oauth_token_answer_clear)

/*
 * Posts `form` (name, value, name, value, …, NULL; a NULL value leaves the pair out) and the client to the
 * grant's token endpoint. Blocking, 20 s at most. FALSE and OAUTH_ERROR with the server's words.
 */
gboolean oauth_token_ask(const OauthGrant *grant, const char *const form[], gsize pairs,
                         const WebNetwork *network, OauthTokenAnswer *answer,
                         GCancellable *cancellable, GError **error);

/* A new access token for the refresh token (RFC 6749, 6). */
gboolean oauth_token_refresh(const OauthGrant *grant, const WebNetwork *network,
                             OauthTokenAnswer *answer, GCancellable *cancellable, GError **error);

/* Tells the server that the refresh token isn't needed any more (RFC 7009); best effort. */
void oauth_token_revoke(const OauthGrant *grant, const WebNetwork *network,
                        GCancellable *cancellable);
