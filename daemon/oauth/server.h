/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where one signs in: an OAuth 2 server's addresses, and as which client we come. From providers.ini, the
 * user's [oauth2 NAME], the server's own metadata (RFC 8414) and registration (RFC 7591).
 */
#pragma once

#include "daemon/web/web.h"

#define OAUTH_ERROR (oauth_error_quark())
GQuark oauth_error_quark(void);
typedef enum {
    OAUTH_ERROR_GRANT,     /* one has to sign in anew, or said no */
    OAUTH_ERROR_CLIENT,    /* the client or what it asks for isn't known there: the configuration */
    OAUTH_ERROR_LATER,     /* the server can't now, or can't be reached, or talks nonsense */
    OAUTH_ERROR_PENDING,   /* device flow: nobody has agreed yet */
    OAUTH_ERROR_SLOW_DOWN, /* device flow: asked too often */
} OauthError;

/* All may be NULL but `name`. */
typedef struct {
    char *name;   /* of a group [oauth2 NAME], or the issuer's host */
    char *issuer; /* https URL, RFC 8414 */
    char *authorize_url, *token_url, *device_url, *revoke_url, *register_url;
    char *client_id, *client_secret;
    char *scope;
    char *extra;    /* more of the authorization's query, as name=value&name=value */
    char *redirect; /* http://localhost, or a registered address whose end result has to be pasted;
                     * NULL: http://127.0.0.1:PORT/ */
    char *hint;     /* how to get a client id */
} OauthServer;

/* A key of the server's group, or NULL; the caller frees. */
typedef char *(*OauthKey)(const char *name, const char *key, gpointer data);

/* What `key` says of server `name`; %TENANT% becomes the key "tenant", which defaults to common. NULL and
 * `error` (OAUTH_ERROR_CLIENT): there is no such server, or an address of it isn't https. */
OauthServer *oauth_server_load(const char *name, OauthKey key, gpointer data, GError **error);

/* A server of which only the issuer is known. */
OauthServer *oauth_server_of_issuer(const char *issuer, GError **error);

void oauth_server_free(OauthServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OauthServer, oauth_server_free)

/* https, or http to this machine. */
gboolean oauth_is_safe_url(const char *url);

/* Fills in what isn't known and the issuer's metadata tell (RFC 8414, else OpenID's). Blocking. */
gboolean oauth_server_complete(OauthServer *server, const WebNetwork *network,
                               GCancellable *cancellable, GError **error);

/* Makes us known there under `redirect` (NULL: device flow), where there is no client id yet (RFC 7591).
 * Blocking. OAUTH_ERROR_CLIENT: it doesn't do that; the message says how to get an id. */
gboolean oauth_server_register(OauthServer *server, const char *redirect, const WebNetwork *network,
                               GCancellable *cancellable, GError **error);
