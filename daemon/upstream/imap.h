/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An IMAP connection to a provider, blocking: connecting and logging in, commands (one after the
 * other or pipelined), SELECT, IDLE. What the server says meanwhile goes to the handler of the
 * command that it is said to.
 *
 * One thread owns a client. The server is not trusted: what it says is bounded by what it was asked.
 * It is read leniently as well: a response that can't be read is passed over (imap_client_unread()
 * counts them), and so is one that a handler can't use; what breaks the framing, or goes beyond all
 * bounds, ends the connection. Errors are NET_ERROR (the connection, see daemon/net/stream.h) or
 * IMAP_CLIENT_ERROR; after either from a function that talks, the client is good for freeing only,
 * except after REFUSED.
 */
#pragma once

#include "daemon/proto/imap/client-command.h"
#include "daemon/proto/imap/response-data.h"
#include "daemon/upstream/login.h"

#define IMAP_CLIENT_ERROR (imap_client_error_quark())
GQuark imap_client_error_quark(void);

typedef enum {
    IMAP_CLIENT_ERROR_AUTH,        /* the server refuses user or password */
    IMAP_CLIENT_ERROR_UNAVAILABLE, /* it can't now: overloaded, too many connections; try later */
    IMAP_CLIENT_ERROR_SECURITY,    /* no STARTTLS, or no login without TLS: nothing was sent */
    IMAP_CLIENT_ERROR_PROTOCOL,    /* it sends what is not IMAP */
    IMAP_CLIENT_ERROR_CLOSED,      /* it said BYE */
    IMAP_CLIENT_ERROR_REFUSED,     /* a command was answered NO or BAD; the connection is good */
} ImapClientError;

/* What a server may offer; bits. */
typedef enum {
    IMAP_CAP_SASL_IR = 1 << 1,
    IMAP_CAP_LOGINDISABLED = 1 << 2,
    IMAP_CAP_STARTTLS = 1 << 3,
    IMAP_CAP_ID = 1 << 4,
    IMAP_CAP_ENABLE = 1 << 5,
    IMAP_CAP_IDLE = 1 << 6,
    IMAP_CAP_UIDPLUS = 1 << 7,
    IMAP_CAP_MOVE = 1 << 8,
    IMAP_CAP_CONDSTORE = 1 << 9,
    IMAP_CAP_QRESYNC = 1 << 10,
    IMAP_CAP_LIST_EXTENDED = 1 << 11,
    IMAP_CAP_LIST_STATUS = 1 << 12,
    IMAP_CAP_SPECIAL_USE = 1 << 13,
    IMAP_CAP_COMPRESS = 1 << 14,
    IMAP_CAP_OBJECTID = 1 << 15,
    IMAP_CAP_GMAIL = 1 << 16, /* X-GM-EXT-1 */
    IMAP_CAP_LITERAL_PLUS = 1 << 17,
    IMAP_CAP_LITERAL_MINUS = 1 << 18,
    IMAP_CAP_ESEARCH = 1 << 21,
    IMAP_CAP_UNSELECT = 1 << 22,
    IMAP_CAP_IMAP4REV1 = 1 << 23,
    IMAP_CAP_QUOTA = 1 << 24,
    IMAP_CAP_ACL = 1 << 25,
    IMAP_CAP_LIST_MYRIGHTS = 1 << 26,
    IMAP_CAP_NAMESPACE = 1 << 28,
    IMAP_CAP_RIGHTS = 1 << 27, /* RIGHTS=, whatever stands behind it: RFC 4314, not RFC 2086 */
} ImapCapability;

/* The octets of a set of UIDs in a command, so that its line stays below 1,000: some servers take no
 * longer ones. Of a few flags beside it likewise. */
#define IMAP_CLIENT_SET   600
#define IMAP_CLIENT_FLAGS 250

typedef struct ImapClient ImapClient;

/* Dials, reads the greeting, secures, logs in, says who we are, enables QRESYNC or CONDSTORE, and
 * compresses where that helps. NULL and `error` on failure. */
ImapClient *imap_client_connect(const UpstreamLogin *options, GError **error);

/* The same over a connected stream, which it takes over (also on failure); `limits` NULL:
 * imap_response_limits_default. */
ImapClient *imap_client_start(NetStream *stream, const UpstreamLogin *options,
                              const ImapResponseLimits *limits, GError **error);

/* Drops the connection; with LOGOUT before, if the client is in order (imap_client_close). */
void imap_client_free(ImapClient *client);
void imap_client_close(ImapClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapClient, imap_client_free)

/* Whether all bits of `capabilities` are offered. QRESYNC and CONDSTORE: and enabled. */
gboolean imap_client_has(const ImapClient *client, guint capabilities);

/* Takes capabilities away that the server announces and doesn't have (a LIST with RETURN that is
 * answered by nothing). For this connection. */
void imap_client_lacks(ImapClient *client, guint capabilities);

/* What this server does differently; for this connection. */
const Quirks *imap_client_quirks(const ImapClient *client);

/* How many responses were passed over so far. Where the number has risen during a command, its
 * answer wasn't all that the server had to say. */
guint64 imap_client_unread(const ImapClient *client);

/* The text of the last [ALERT] since the last call, or NULL; the caller frees it. */
char *imap_client_take_alert(ImapClient *client);

/*
 * A command's handler: called for every untagged response from when the command was sent until it
 * is answered, valid during the call. IMAP doesn't say which of several commands under way a
 * response is for: it goes to the oldest that isn't answered and has a handler. FALSE with `error`
 * set ends the running function with that error, and the connection with it; but an IMAP_ERROR means
 * that this response can't be read, which costs no more than it (a search that finds something
 * unreadable counts as answered BAD). `data` has to last until the command is finished or the client
 * freed. NULL: nobody listens.
 */
typedef gboolean (*ImapHandler)(const ImapResponse *response, gpointer data, GError **error);

/* ---- commands ------------------------------------------------------------------------------ */

/* A tagged answer. */
typedef struct {
    ImapCond cond;     /* OK, NO, BAD */
    char *code;        /* upper case, or NULL */
    char *text;        /* the server's words, control characters removed, without the code */
    ImapUidPlus *uids; /* of APPENDUID or COPYUID, also from an untagged OK during the command */
} ImapReply;

void imap_reply_clear(ImapReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapReply, imap_reply_clear)

/* A command with the next tag, to be filled and sent. */
ImapClientCommand *imap_client_command(ImapClient *client, const char *name);

/*
 * Sends it (frees it); waits only where a literal needs the server's go-ahead. Gives the number for
 * imap_client_finish(), 0 on failure. Before the go-ahead a refusal may come: the answer is then
 * found by imap_client_finish() as usual. Input isn't read while output is blocked: don't have more
 * than a few dozen KiB of commands under way.
 */
guint imap_client_send(ImapClient *client, ImapClientCommand *command, GError **error);
guint imap_client_send_with(ImapClient *client, ImapClientCommand *command, ImapHandler handler,
                            gpointer data, GError **error);

/* The same for a literal too large for the memory: APPEND's message is read from `source` in
 * pieces. The command ends with it. */
typedef GBytes *(*ImapSource)(guint64 offset, gsize length, gpointer data, GError **error);
guint imap_client_send_literal(ImapClient *client, ImapClientCommand *command, guint64 size,
                               ImapSource source, gpointer data, GError **error);

/* Reads until command `number` is answered, which is then forgotten: once for each. FALSE: the connection
 * failed, or (UNAVAILABLE) the answer is that the command is to be given later. `reply` may be NULL: then
 * NO and BAD fail with REFUSED and the server's words. */
gboolean imap_client_finish(ImapClient *client, guint number, ImapReply *reply, GError **error);

/* Sends a command (frees it) and finishes it. */
gboolean imap_client_run_command(ImapClient *client, ImapClientCommand *command,
                                 ImapHandler handler, gpointer data, ImapReply *reply,
                                 GError **error);

/* The same for a command without strings in it. */
gboolean imap_client_run(ImapClient *client, ImapReply *reply, GError **error, const char *format,
                         ...) G_GNUC_PRINTF(4, 5);
gboolean imap_client_run_with(ImapClient *client, ImapHandler handler, gpointer data,
                              ImapReply *reply, GError **error, const char *format, ...)
    G_GNUC_PRINTF(6, 7);

/* Whether the server, or the way to it, ended the connection: it was closed, broke, was silent for too long, or said
 * a line without end. Not where it was given up here, since the account went offline or the network changed. */
gboolean imap_client_was_ended(const GError *error);

/* The same, or it is of no use any more, since what the server sends is no IMAP. */
gboolean imap_client_broke(const GError *error);

/* Sets REFUSED with the server's words, or UNAVAILABLE where they ask to wait. */
void imap_reply_to_error(const ImapReply *reply, GError **error);

/* ---- a selected folder --------------------------------------------------------------------- */

typedef struct {
    gboolean told_exists;  /* EXISTS was said; else imap_client_exists() is 0 */
    guint32 uidvalidity;   /* 0: the server doesn't say, so UIDs don't last */
    guint32 uidnext;       /* 0: not said */
    guint64 highestmodseq; /* 0: none (NOMODSEQ, or no CONDSTORE) */
    guint32 permanent;     /* system flags that are kept (PERMANENTFLAGS, else all, but none where
                              it is read-only) */
    gboolean keywords;     /* new keywords are kept */
    gboolean told_flags;   /* there was a PERMANENTFLAGS */
    gboolean read_only;
    char *mailboxid; /* or NULL */
} ImapSelected;

void imap_selected_clear(ImapSelected *selected);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapSelected, imap_selected_clear)

/* Which folder to select, and how. */
typedef struct {
    const char *name;    /* in UTF-8 */
    gboolean read_only;  /* EXAMINE */
    guint32 uidvalidity; /* both given, and QRESYNC enabled: what changed after `modseq` goes to */
    guint64 modseq;      /* the handler (VANISHED (EARLIER) and FETCH), none of it if UIDVALIDITY */
    ImapHandler handler; /* is another */
    gpointer data;
} ImapSelect;

/* SELECTs a folder. REFUSED: it can't be selected; none is selected then. */
gboolean imap_client_select(ImapClient *client, const ImapSelect *what, ImapSelected *selected,
                            GError **error);

/* Where SELECT doesn't say EXISTS: what is known of it otherwise. What is said later counts from there. */
void imap_client_set_exists(ImapClient *client, guint32 exists);

/* EXISTS as last said for the selected folder. */
guint32 imap_client_exists(const ImapClient *client);

/* The UIDs of the selected folder that match `keys`, as they stand in a command, and behind them `string`
 * (NULL: none), in the form that it needs. The caller frees. NULL with REFUSED: the server searches for no such thing. */
ImapSet *imap_client_search(ImapClient *client, const char *keys, const char *string,
                            GError **error);

/* Seconds that an answer may take (60 until then): for silence, not for length. */
void imap_client_set_timeout(ImapClient *client, guint seconds);

/* Whether the server still answers, within `seconds`. A connection that doesn't is of no use any
 * more: FALSE. */
gboolean imap_client_probe(ImapClient *client, guint seconds, GError **error);

/*
 * IDLE (RFC 2177): returns when `wake_fd` (an eventfd, or -1) is written to, after `seconds`, or
 * when the server has said something, which went to the handler; TRUE then. At most 29 minutes.
 * Without the capability the folder is asked with NOOP after `seconds`.
 */
gboolean imap_client_idle(ImapClient *client, int wake_fd, guint seconds, ImapHandler handler,
                          gpointer data, GError **error);
