/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * postern.conf: what it says, checked. Changing it is config-edit.h.
 */
#pragma once

#include "daemon/config/settings.h"

/* The keys of [listen] that name ports, in the order of interface.md. */
typedef struct {
    const char *key;      /* "imaps" */
    const char *protocol; /* "imap", "pop3", "submission" */
    gboolean tls;         /* TLS from the first byte */
    guint16 port;         /* the default, on 127.0.0.1 */
} ConfigListenKey;

#define CONFIG_LISTEN_KEYS 6
extern const ConfigListenKey config_listen_keys[CONFIG_LISTEN_KEYS];

/* In the place of a server: the account's mail lives here only. */
#define CONFIG_LOCAL_URL "local:"

typedef struct {
    char *host;
    guint16 port;
} ConfigAddress;

typedef struct {
    char *id;
    AccountSettings *settings; /* NULL: can't be used, `error` says why */
    char *error;               /* names file, group, key and remedy; NULL: all is well */
    GHashTable *values;        /* key → value, as the file has them */
    gint refs;                 /* atomic */
} ConfigAccount;

/* One that no file says anything of. */
ConfigAccount *config_account_new(const char *id);
ConfigAccount *config_account_ref(ConfigAccount *account);
void config_account_unref(ConfigAccount *account);

/* Whether both say the same. */
gboolean config_account_equal(const ConfigAccount *a, const ConfigAccount *b);

typedef struct {
    char *path;
    GPtrArray *listen[CONFIG_LISTEN_KEYS]; /* ConfigAddress; NULL: the key isn't there */
    gboolean sockets;
    GKeyFile *providers; /* providers.ini; NULL: it isn't looked at */
    GHashTable *oauth2;  /* "NAME\nKEY" → value: what the groups [oauth2 NAME] say */
    GPtrArray *accounts; /* ConfigAccount, in the file's order */
    GHashTable *by_id;   /* the same: ID → ConfigAccount, see config_find() */
    GPtrArray *warnings; /* char *: unknown keys, bad values of [listen], …; sentences */
} Config;

/* Reads the file (one that isn't there is empty). NULL: it can't be read, isn't a key file, or others
 * can write it or its directory. */
Config *config_load(const char *path, GError **error);

/* The same from `text`; `path` is for messages. */
Config *config_parse(const char *path, const char *text, GError **error);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* The account with that ID, or NULL; borrowed. */
ConfigAccount *config_find(const Config *config, const char *id);

/* A key of the group [oauth2 NAME], or NULL; borrowed. */
const char *config_oauth2(const Config *config, const char *name, const char *key);

/* How an account signs in, or would. */
typedef struct {
    const NetEndpoint *incoming;
    const char *address;
    const char *oauth2_server; /* as AccountSettings has it; or NULL */
    gboolean oauth2;
} ConfigLogin;

/* The mechanisms (SaslMechanism bits) that the provider is known to want: by [oauth2 NAME] in postern.conf, that in
 * providers.ini, or the provider's group there. 0: nothing is known, the best that is offered. */
guint config_known_mechanisms(const Config *config, const ConfigLogin *login);

/* Whether `id` may be an account's ID: [a-z0-9-]+, but not all, local or new. */
gboolean config_valid_id(const char *id);

/* Whether an account's group may have that key. */
gboolean config_is_account_key(const char *key);

/* A free ID for an address: made of its local part and, where that is taken, its domain and a
 * number. */
char *config_suggest_id(const Config *config, const char *address);

/*
 * Gives each port key that the file doesn't have the port that is `held` for it (by systemd; by key,
 * 0: none; or NULL), else its default, or a free port where that is busy, and writes that into the
 * file. FALSE where it couldn't be written (`config` is complete all the same).
 */
gboolean config_complete_listen(Config *config, const guint16 held[CONFIG_LISTEN_KEYS],
                                GError **error);
