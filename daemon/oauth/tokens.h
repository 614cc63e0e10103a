/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The access tokens of all accounts: one for each, in memory alone, shared by all its connections, and made
 * anew before it ends, by one request at a time. A refresh token that the server replaces is stored before
 * the access token that came with it is used.
 */
#pragma once

#include "daemon/config/settings.h"
#include "daemon/oauth/token.h"

/* Where grants are kept: the secret service, or what a test has. Any thread; blocking. */
typedef struct {
    /* The account's grant as text, or NULL: ACCOUNT_SECRET_LOCKED, ACCOUNT_SECRET_MISSING. */
    char *(*load)(const char *id, gpointer data, GError **error);
    gboolean (*save)(const char *id, const char *text, gpointer data, GError **error);
    gpointer data;
} OauthStore;

typedef struct OauthTokens OauthTokens;

/* `store` NULL: the secret service; `clock` NULL: the machine's. */
OauthTokens *oauth_tokens_new(const WebNetwork *network, const OauthStore *store, NetClock *clock);
void oauth_tokens_free(OauthTokens *tokens);

/* Ends requests for good. What is under way gets a few seconds to be answered and stored, for the server may have
 * replaced the refresh token already. Blocking. */
void oauth_tokens_stop(OauthTokens *tokens);

/* The network isn't what it was, or the machine has slept: requests that aren't answered in a few seconds
 * begin anew, and so does what waits after a failure, but where the server itself asked for that. To be
 * called in the main loop. */
void oauth_tokens_check(OauthTokens *tokens);

/* An AccountPassword (settings.h); `data` is the OauthTokens. Besides: NET_ERROR_CONNECT, the token
 * endpoint can't be had now, and isn't asked again before a while has passed. */
char *oauth_tokens_password(const AccountSettings *settings, gboolean outgoing, gpointer data,
                            GError **error);

/* An AccountRefused (settings.h): the access token isn't given out again, unless it is brand-new: then its
 * refusal is about something else. */
void oauth_tokens_refused(const AccountSettings *settings, const char *token, gpointer data);

/* Stores what an account was signed in for, bound to its servers and users as they are in `settings`; its
 * access tokens so far are forgotten. Blocking. */
gboolean oauth_tokens_keep(OauthTokens *tokens, const AccountSettings *settings,
                           const OauthGrant *grant, GError **error);

/* Forgets the account's tokens, and tells the server that they aren't needed any more. Blocking; best
 * effort. To be called before the stored grant is deleted. */
void oauth_tokens_revoke(OauthTokens *tokens, const AccountSettings *settings);
