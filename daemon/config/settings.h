/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An account's settings as the configuration gives them: plain data, immutable once made, shared by
 * the threads that serve the account.
 */
#pragma once

#include "daemon/config/gate.h"
#include "daemon/net/clock.h"
#include "daemon/net/dial.h"
#include "daemon/proto/sasl/mechanism.h"

typedef enum {
    ACCOUNT_SAVE_SENT_AUTO,
    ACCOUNT_SAVE_SENT_ALWAYS,
    ACCOUNT_SAVE_SENT_NEVER
} AccountSaveSent;

/* What a POP3 client's DELE does to a message. */
typedef enum {
    ACCOUNT_POP3_EXPUNGE, /* it is gone */
    ACCOUNT_POP3_TRASH,   /* it is moved to the trash */
    ACCOUNT_POP3_IGNORE,  /* nothing */
} AccountPop3Delete;

/* Where an account's mail comes from. */
typedef enum {
    ACCOUNT_IMAP,
    ACCOUNT_POP3,  /* INBOX from a maildrop; all else is here only */
    ACCOUNT_LOCAL, /* nowhere: it lives here only */
} AccountKind;

/* What folders are for, where the user says it. */
typedef enum {
    ACCOUNT_ROLE_SENT,
    ACCOUNT_ROLE_DRAFTS,
    ACCOUNT_ROLE_TRASH,
    ACCOUNT_ROLE_JUNK,
    ACCOUNT_ROLE_ARCHIVE,
    ACCOUNT_ROLES
} AccountRole;

#define ACCOUNT_LEAVE_ALWAYS (-1)

#define ACCOUNT_PREFETCH_ALL     (-1)
#define ACCOUNT_PREFETCH_HEADERS 0

typedef struct {
    char *id;
    char *address;
    char **aliases; /* NULL-terminated */
    char *name;
    AccountKind kind;
    NetEndpoint *incoming; /* NULL: ACCOUNT_LOCAL */
    NetEndpoint *outgoing; /* may be NULL: nothing can be sent */
    char *user;
    char *outgoing_user;             /* never NULL: the incoming one where not given */
    char *password_command;          /* or NULL: the secret service */
    char *outgoing_password_command; /* or NULL */
    char *token_command;             /* prints an OAuth 2 access token; or NULL */
    gboolean oauth2;                 /* what the password is: an access token (RFC 6750) */
    char *oauth2_server; /* where one signs in: a group [oauth2 NAME], an issuer's URL; or NULL */
    char *goa;           /* the ID in GNOME Online Accounts that it stands for; or NULL */
    guint mechanisms;    /* SaslMechanism bits: one of these and no other; 0: the best */
    guint outgoing_mechanisms; /* the same for the outgoing server */
    guint by_key;              /* the mechanism, where one signs in without password and token */
    char *tls_client_cert;     /* PEM file with the certificate and key to show; or NULL */
    char *tls_ca_file;         /* or NULL */
    int prefetch_days;         /* ACCOUNT_PREFETCH_ALL, ACCOUNT_PREFETCH_HEADERS, or days */
    int leave_days; /* a maildrop keeps what was fetched for days, or ACCOUNT_LEAVE_ALWAYS */
    AccountSaveSent save_sent;
    char *pop3_folder; /* what POP3 clients see; NULL: INBOX */
    AccountPop3Delete pop3_delete;
    guint pop3_days;                   /* they see that many days' mail; 0: all */
    guint undo_delay;                  /* seconds between accepting a message and sending it */
    char *role_folders[ACCOUNT_ROLES]; /* names of folders, or NULL */
    char *proxy;                       /* as in NetEndpoint, of both servers; or NULL */
    char **folders;      /* patterns of those that are here, see choice.h; or NULL: all */
    char **headers_only; /* of those of which headers are enough; or NULL: none */
    char *quirks;        /* names of quirks, see quirks.h; or NULL */
    GKeyFile *providers; /* providers.ini; or NULL */
    gboolean enabled;
    gint refs; /* atomic */
} AccountSettings;

AccountSettings *account_settings_ref(AccountSettings *settings);
void account_settings_unref(AccountSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccountSettings, account_settings_unref)

/* Whether `address` may be a sender of this account: its address (with any +tag), or one of the
 * aliases. */
gboolean account_may_send_as(const AccountSettings *settings, const char *address);

/* ---- how the parts of an account say how they are ------------------------------------------ */

typedef enum {
    ACCOUNT_DISABLED,
    ACCOUNT_OFFLINE,
    ACCOUNT_CONNECTING,
    ACCOUNT_SYNCING,
    ACCOUNT_IDLE,
    ACCOUNT_LOCKED, /* the password can't be had now (secret service locked, command failed) */
    ACCOUNT_AUTH_REQUIRED, /* the provider refuses user or password */
    ACCOUNT_ERROR,
    ACCOUNT_OPENING,  /* its cache is being opened, or brought up to date, or mended */
    ACCOUNT_NO_SPACE, /* the disk that holds its cache is full */
} AccountState;

/* A part's report; any thread may call it; strings are borrowed. `progress` 0 to 1; `message` NULL:
 * no error. */
typedef void (*AccountReport)(AccountState state, double progress, const char *message,
                              gpointer data);

#define ACCOUNT_ERROR_DOMAIN (account_error_quark())
GQuark account_error_quark(void);
enum { ACCOUNT_SECRET_LOCKED, ACCOUNT_SECRET_MISSING };

/*
 * Gets the account's password (blocking, at most 60 s): from its command, the secret service, or
 * whatever the daemon was given. Any thread. ACCOUNT_SECRET_LOCKED: try again later;
 * ACCOUNT_SECRET_MISSING: the user has to give one. The caller frees with account_password_free(),
 * which wipes it.
 */
typedef char *(*AccountPassword)(const AccountSettings *settings, gboolean outgoing, gpointer data,
                                 GError **error);
void account_password_free(char *password);

/* The provider refuses the secret that AccountPassword gave: where it is a token, another one may be had.
 * Any thread. */
typedef void (*AccountRefused)(const AccountSettings *settings, const char *secret, gpointer data);

typedef struct AccountHabits AccountHabits; /* habits.h */

/* What it takes to log in at the provider: what all parts that connect there are given. */
typedef struct {
    AccountSettings *settings;
    AccountPassword password;
    gpointer password_data; /* of `refused` too */
    NetTlsClient *tls;      /* NULL: TLS isn't needed */
    NetClock *clock; /* what everything that waits for the provider goes by; NULL: the machine's */
    AccountGate *gate;      /* NULL: its connections needn't heed one another when they log in */
    AccountHabits *habits;  /* NULL: nothing is known of the provider */
    AccountRefused refused; /* NULL: what was refused stays refused */
} AccountAccess;

/* A copy with references of its own. */
AccountAccess account_access_copy(const AccountAccess *access);
void account_access_clear(AccountAccess *access);
