/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a source says of a mail address: the servers, how to sign in there, and what a person has to
 * know. Plain data. How sources are asked is discover.h.
 */
#pragma once

#include "daemon/net/dial.h"

/* Where an offer came from, best first: of two answers the one with the lower number counts. */
typedef enum {
    DISCOVER_TABLE,      /* providers.ini */
    DISCOVER_PROVIDER,   /* https://autoconfig.DOMAIN */
    DISCOVER_WELL_KNOWN, /* https://DOMAIN/.well-known */
    DISCOVER_PACC,       /* draft-ietf-mailmaint-pacc */
    DISCOVER_PLAIN_HTTP, /* http://autoconfig.DOMAIN */
    DISCOVER_ISPDB,
    DISCOVER_MX,    /* whom the domain's mail is delivered to */
    DISCOVER_SRV,   /* RFC 6186, RFC 8314 */
    DISCOVER_GUESS, /* imap.DOMAIN and kin, which answered */
    DISCOVER_SOURCES
} DiscoverSource;

/* How one may sign in. */
typedef enum {
    DISCOVER_AUTH_PASSWORD,  /* PLAIN, LOGIN, the protocol's own */
    DISCOVER_AUTH_ENCRYPTED, /* SCRAM, CRAM-MD5 */
    DISCOVER_AUTH_OAUTH2,
    DISCOVER_AUTH_GSSAPI,
    DISCOVER_AUTH_CERTIFICATE, /* SASL EXTERNAL */
    DISCOVER_AUTH_NONE,
    DISCOVER_AUTHS
} DiscoverAuth;

typedef struct {
    NetEndpoint *endpoint;
    char **users;                      /* login names to try, in this order; may be empty */
    DiscoverAuth auth[DISCOVER_AUTHS]; /* the provider's choice first */
    guint n_auth;                      /* 0: ask the server */
} DiscoverServer;

DiscoverServer *discover_server_new(void);
void discover_server_free(DiscoverServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiscoverServer, discover_server_free)

/* Adds a way to sign in behind those that are there, once. */
void discover_server_add_auth(DiscoverServer *server, DiscoverAuth auth);

/* An OAuth 2 server (RFC 6749). All may be NULL but for one of `issuer` and `token_url`. */
typedef struct {
    char *name; /* of a group [oauth2 NAME] of providers.ini or postern.conf */
    char *issuer;
    char *authorize_url, *token_url;
    char *scope;
} DiscoverOauth;

void discover_oauth_free(DiscoverOauth *oauth);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiscoverOauth, discover_oauth_free)

typedef struct {
    DiscoverSource source;
    char *origin; /* what to show: a URL, or a sentence's end such as "the table of providers" */
    gboolean trusted;    /* FALSE: every host is shown, and no secret leaves before a yes */
    char *provider;      /* group of providers.ini, or NULL */
    char *name;          /* the provider's display name, or NULL: shown, never believed */
    GPtrArray *incoming; /* DiscoverServer, the best first: IMAP before POP3, TLS before STARTTLS */
    GPtrArray *outgoing; /* DiscoverServer; may be empty */
    DiscoverOauth *oauth; /* or NULL */
    char *hint;           /* a sentence for the person who sets this up, or NULL */
    char *link;           /* https URL of the provider's help, or NULL */
} DiscoverOffer;

DiscoverOffer *discover_offer_new(DiscoverSource source, const char *origin, gboolean trusted);
void discover_offer_free(DiscoverOffer *offer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiscoverOffer, discover_offer_free)

/* Orders the servers as `incoming` and `outgoing` say, keeping the provider's order among equals. */
void discover_offer_sort(DiscoverOffer *offer);

/* A mail address taken apart. */
typedef struct {
    char *address; /* as given, the domain in lower case and as A-labels (RFC 5890) */
    char *local, *domain;
} DiscoverAddress;

/* A server of which nothing but where it is is known. The names to try are the whole address, then its
 * local part (RFC 6186, 4). Takes `endpoint`. */
DiscoverServer *discover_server_at(NetEndpoint *endpoint, const DiscoverAddress *address);

/* NULL and `error` (G_IO_ERROR_INVALID_ARGUMENT): it isn't an address that mail can be fetched for. */
DiscoverAddress *discover_address_parse(const char *text, GError **error);
void discover_address_free(DiscoverAddress *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiscoverAddress, discover_address_free)

/* `text` with %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN% replaced; the caller frees. */
char *discover_address_expand(const DiscoverAddress *address, const char *text);

/* Whether `host` is a host name and nothing else: labels of letters, digits and hyphens. */
gboolean discover_is_host(const char *host);
