/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the sub-commands of posternctl share: the daemon, its objects, options, output.
 */
#pragma once

#include "dbus/error.h"

typedef struct CtlCommand CtlCommand;

typedef struct {
    const CtlCommand *command;   /* the one that runs, for its help */
    GDBusConnection *connection; /* NULL until ctl_daemon() */
    gboolean json;               /* one JSON document on stdout instead of text */
    gboolean no_start;           /* don't activate a daemon */
    gboolean failed;             /* a command has told on stderr itself what failed */
    int status;                  /* exit status of a failure that has its own; 0: the usual one */
} Ctl;

/* What is no error of the daemon's. */
#define CTL_ERROR (ctl_error_quark())
GQuark ctl_error_quark(void);
typedef enum {
    CTL_ERROR_USAGE,     /* exit status 2 */
    CTL_ERROR_NO_DAEMON, /* exit status 3 */
    CTL_ERROR_FAILED,    /* exit status 1, as every other error */
} CtlError;

/* A command: argv[0] is its name. FALSE and a sentence, or an error of the daemon's. */
typedef gboolean (*CtlRun)(Ctl *ctl, int argc, char **argv, GError **error);
struct CtlCommand {
    const char *name;
    const char *arguments; /* its words, for the help */
    const char *summary;
    const char *example;
    CtlRun run;            /* NULL: it has commands of its own */
    const CtlCommand *sub; /* ended by a NULL name; without a word the first of them is meant */
};

/* Runs the command of `table` (ended by a NULL name) that argv[0] names. */
gboolean ctl_dispatch(Ctl *ctl, const CtlCommand *table, int argc, char **argv, GError **error);

/* The lines of a help: each command of `table` and of the tables below it; the caller frees. */
char *ctl_list_commands(const CtlCommand *table);

/* How a command is called: its options (NULL: only the general ones), and how many words there are
 * at least and at most (-1: any number). */
typedef struct {
    const GOptionEntry *entries;
    int min, max;
} CtlUsage;

/* Parses a command's options (with the general ones, which may stand anywhere) and checks the number
 * of its words, which argv[1…] then are. */
gboolean ctl_parse(Ctl *ctl, const CtlUsage *usage, int *argc, char ***argv, GError **error);
/* The options that all commands have; free with g_free. */
GOptionEntry *ctl_general_options(Ctl *ctl);
gboolean ctl_usage(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
gboolean ctl_fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ---- the daemon (daemon.c) ---- */

/* Connects, starting the daemon where that is allowed; waits up to 10 s for it. */
gboolean ctl_daemon(Ctl *ctl, GError **error);

/* The daemon's unit, and making systemd start it at login. FALSE: there is no systemd, or it refuses. */
#define CTL_UNIT "postern.service"
gboolean ctl_enable_at_login(Ctl *ctl, GError **error);

/* Calls a method and waits as long as it takes; the answer, or NULL. `parameters` is consumed. */
GVariant *ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method,
                   GVariant *parameters, GError **error);
/* The same for a method that writes to a file: handle 0 in `parameters` is stdout. */
gboolean ctl_call_stdout(Ctl *ctl, const char *path, const char *interface, const char *method,
                         GVariant *parameters, GError **error);
/* The Manager's methods. */
GVariant *ctl_manager(Ctl *ctl, const char *method, GVariant *parameters, GError **error);
/* A method of account `id`; says so where there is none. */
GVariant *ctl_account_call(Ctl *ctl, const char *id, const char *method, GVariant *parameters,
                           GError **error);

/* Properties as a{sv}. */
GVariant *ctl_manager_properties(Ctl *ctl, GError **error);
GVariant *ctl_account(Ctl *ctl, const char *id, GError **error);
/* All accounts' properties, by ID: GPtrArray of GVariant. */
GPtrArray *ctl_accounts(Ctl *ctl, GError **error);

/* ---- properties ---- */

const char *ctl_string(GVariant *dict, const char *key);
/* Any integer type. */
gint64 ctl_number(GVariant *dict, const char *key);
gboolean ctl_bool(GVariant *dict, const char *key);
/* A child of any type, or NULL; the caller frees. */
GVariant *ctl_child(GVariant *dict, const char *key);

/* ---- output (output.c) ---- */

/* Prints the value as JSON, on one line where `compact`. */
void ctl_print_json(GVariant *value, gboolean compact);

/* The text with everything that could steer a terminal made visible; the caller frees. */
char *ctl_escape(const char *text);

/* printf for people: each %s is escaped by the caller. A "5 min ago" for Unix seconds; the caller
 * frees. */
char *ctl_ago(gint64 when);
char *ctl_size(guint64 bytes);

/* A property's name in words ("LastSync": "Last sync"), and its value as a person reads it: not
 * escaped. The caller frees both. */
char *ctl_key(const char *key);
char *ctl_value(const char *key, GVariant *value);

/* Where a list is empty: says so to people, on stderr, since there is no line of the list to print. */
void ctl_nothing(const Ctl *ctl, const char *sentence);

/* Columns of text, aligned: rows of `columns` cells, which are escaped. Where the line of the
 * terminal (or $COLUMNS) is too short, the widest of more than two columns are cut. */
typedef struct CtlTable CtlTable;
CtlTable *ctl_table_new(guint columns);
void ctl_table_free(CtlTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CtlTable, ctl_table_free)
void ctl_table_add(CtlTable *table, ...); /* `columns` strings */
void ctl_table_print(const CtlTable *table);

/* The columns of a line; 0: any number. */
int ctl_line_width(void);

/* A row of a list that is printed as it comes, before all of it is known: cells of these widths
 * (NULL: whole, with tabs between them), which are escaped. */
void ctl_print_row(const int *widths, guint columns, const char *const *cells);

/* A bar on stderr's last line, where that is a terminal; `fraction` below 0 takes it away. */
void ctl_progress(const char *what, double fraction);

/* ---- passwords (password.c) ---- */

/* The first line of stdin; or asked for on the terminal, unseen. NULL: there is none. */
char *ctl_read_password(gboolean from_stdin, const char *prompt, GError **error);
void ctl_wipe(char *password);
/* Asks on the terminal; no terminal is a no. */
gboolean ctl_agree(const char *question);

/*
 * Where no secret service is there to keep the password of account `id` (or it was `asked` for): after
 * a yes it is kept in an encrypted file, and *command is the password-command that prints it, to be
 * freed. TRUE without one: the secret service is to keep it. FALSE: it isn't kept.
 */
gboolean ctl_seal(Ctl *ctl, const char *id, gboolean asked, const char *password, char **command,
                  GError **error);

/* Whether the account's password is in such a file; and the file's end. */
gboolean ctl_is_sealed(Ctl *ctl, const char *id);
void ctl_unseal(Ctl *ctl, const char *id);

/* ---- editing the file (edit.c) ---- */

typedef struct {
    const char *key;
    const char *value; /* NULL or empty: takes the key away */
} CtlSetting;

/* Changes the account's group in the daemon's configuration file, after checking that it will be
 * understood, and makes the daemon read it. `create`: the account must not exist yet. */
gboolean ctl_edit_account(Ctl *ctl, const char *id, gboolean create, const CtlSetting *settings,
                          guint count, GError **error);
/* A free ID for an address. */
char *ctl_suggest_id(Ctl *ctl, const char *address, GError **error);

/* ---- signing in with OAuth 2 (signin.c) ---- */

typedef struct {
    const char *address, *server; /* as Manager.SignIn has them */
    const char *proxy;            /* as in postern.conf(5); NULL: the account's, or the desktop's */
    const char *account;          /* ID of the account it is for; NULL: there is none yet */
    gboolean device, paste;       /* with a code; by pasting the browser's final address */
} CtlSignIn;

/* Opens the browser, or says what to open, and waits. The handle for what takes one; the caller
 * frees. */
char *ctl_sign_in(Ctl *ctl, const CtlSignIn *how, GError **error);

/* ---- finding and trying servers (servers.c) ---- */

/* An account's servers, as they are going to be written. */
typedef struct {
    char *incoming, *outgoing;      /* URLs; outgoing may be NULL */
    char **users, **outgoing_users; /* login names to try, in this order */
    char *user, *outgoing_user;     /* those that were taken; NULL: not known */
    gboolean oauth2;                /* one signs in with an access token */
    gboolean password;   /* one signs in with a password, also where OAuth 2 is offered */
    char *oauth2_server; /* where one signs in: what `oauth2=` will say; or NULL */
    char *proxy;         /* as in postern.conf(5); or NULL: the desktop's */
    char *mechanism,
        *outgoing_mechanism; /* what they are to be signed in to by; NULL or "": the best */
    char *sign_in;           /* handle of a sign-in that is done, or NULL */
} CtlServers;

void ctl_servers_clear(CtlServers *servers);

/* Finds the servers of an address, says what was found and from where, and asks for a yes where the
 * answer isn't to be trusted as it is (`yes`: the user has agreed already). */
gboolean ctl_servers_find(Ctl *ctl, const char *address, gboolean yes, CtlServers *servers,
                          GError **error);

/* Logs in to the servers and notes the names that were taken. FALSE: mail can't be fetched. Where
 * only sending fails, that is said, and TRUE. */
gboolean ctl_servers_probe(Ctl *ctl, const char *address, CtlServers *servers, const char *password,
                           GError **error);

/* ---- the sub-commands, one file each ---- */

gboolean cmd_status(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_add(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_authorize(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_list(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_show(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_test(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_set(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_account_remove(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_client(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_connect(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_sync(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_offline(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_online(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_folders(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_search(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_export(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_import(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_pending(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_queue_list(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_queue_show(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_queue_change(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_queue_send_at(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_sendmail(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_doctor(Ctl *ctl, int argc, char **argv, GError **error);
gboolean cmd_watch(Ctl *ctl, int argc, char **argv, GError **error);
