/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One client's IMAP session: who it is, what it has selected, what it has enabled, and the answer
 * that is being made. Everything here belongs to the session's thread.
 */
#pragma once

#include "daemon/proto/imap/assembler.h"
#include "daemon/serve/serve.h"

typedef struct ImapView ImapView;
typedef struct ImapAppend ImapAppend;
typedef struct ImapCommandRule ImapCommandRule;
typedef struct ImapNotify ImapNotify;

/* The states of RFC 3501, 3; in the table of commands, the set of those a command is allowed in. */
typedef enum {
    IMAP_STATE_LOGIN = 1,
    IMAP_STATE_AUTHENTICATED = 2,
    IMAP_STATE_SELECTED = 4,
} ImapState;

/* What ENABLE (RFC 5161) or a command that implies it has switched on. */
typedef enum {
    IMAP_ENABLED_CONDSTORE = 1,
    IMAP_ENABLED_QRESYNC = 2,
    IMAP_ENABLED_UTF8 = 4,
    IMAP_ENABLED_REV2 = 8,
    IMAP_ENABLED_UIDONLY = 16, /* RFC 9586: no sequence numbers in either direction */
} ImapEnabled;

typedef enum { IMAP_OK, IMAP_NO, IMAP_BAD } ImapStatus;

typedef struct {
    NetStream *stream;
    const ServeDaemon *daemon;
    ServeAccount *account; /* NULL before login */
    const ImapLimits *limits;
    ImapAssembler *assembler;
    guint enabled;       /* ImapEnabled bits */
    guint mode;          /* ImapMode bits, for the lexer */
    gboolean compressed; /* COMPRESS (RFC 4978) */
    ImapView *view;
    ImapNotify *notify; /* NOTIFY (RFC 5465), or NULL: as if it had never been said */
    int wake_fd;        /* an eventfd: the selected folder's view has changed */
    ImapAppend *append; /* messages of the command that is just arriving */
    guint mistakes;     /* before login */

    /* the command that runs */
    const ImapCommand *command;
    const ImapCommandRule *rule; /* of the table of commands */
    gboolean by_uid;             /* it stood after UID */
    gboolean numbered;           /* it searches by sequence numbers */
    guint64 expunged_modseq; /* it took messages away: its OK tells HIGHESTMODSEQ from here on */
    gint64 progress_due; /* when the client is next told how far it is; monotonic, microseconds */

    GString *out; /* responses that have not been handed to the stream yet */

    /* the tagged answer; sent when the command has returned */
    ImapStatus status;
    GString *code;     /* without brackets; empty: none */
    GString *text;     /* empty: "NAME done." */
    gboolean answered; /* the command has sent it itself */
    gboolean ended;    /* LOGOUT, or the connection is gone */
    gboolean broken;   /* nothing can be sent any more */
} ImapSession;

static inline gboolean imap_session_utf8(const ImapSession *session)
{
    return (session->mode & IMAP_MODE_UTF8) != 0;
}

static inline gboolean imap_session_rev2(const ImapSession *session)
{
    return (session->enabled & IMAP_ENABLED_REV2) != 0;
}

static inline gboolean imap_session_uidonly(const ImapSession *session)
{
    return (session->enabled & IMAP_ENABLED_UIDONLY) != 0;
}

static inline gboolean imap_session_can_start_tls(const ImapSession *session)
{
    return session->daemon->tls && !net_stream_is_tls(session->stream);
}

ImapState imap_session_state(const ImapSession *session);

/* Writes what has been made so far to the client; blocks for as long as it doesn't read. No cache
 * transaction may be open. FALSE: the connection is gone. */
gboolean imap_session_send(ImapSession *session);
/* The same, and out of the buffers. */
gboolean imap_session_flush(ImapSession *session);

/* Nobody waits for an answer: Postern is stopping, or the client has left. Long work looks at it. */
gboolean imap_session_is_pointless(const ImapSession *session);

/* The connection failed, or the daemon stops: says BYE where that is possible, and ends. */
void imap_session_fail(ImapSession *session, const GError *error);

/* Nobody is logged in: the client has the limits and the time of before login, from now on. */
void imap_session_await_login(ImapSession *session);
/* Nobody is any more. */
void imap_session_logout(ImapSession *session);
/* Somebody is. Takes over the reference. */
void imap_session_login(ImapSession *session, ServeAccount *account);

/* When a client that says nothing from now on is logged out (RFC 3501, 5.4); monotonic, in
 * microseconds. */
gint64 imap_session_idle_deadline(const ImapSession *session);
/* Waits until the client says something or the selected folder's view changes, as
 * net_stream_wait() does; at the deadline -1 and NET_ERROR_TIMEOUT. */
int imap_session_wait(ImapSession *session, gint64 deadline, GError **error);

/* The client's next line, without its CRLF; borrowed until the next read. What has been made so far
 * isn't sent first. It has more than `limit` octets where it is longer, but not all that it has
 * (net_stream_read_line_cut()). NULL: the session has ended. */
const char *imap_session_read_line(ImapSession *session, gsize limit, gsize *length);

/* The lexer at the start of the running command's arguments. */
void imap_session_lexer(ImapSession *session, ImapLexer *lexer);
