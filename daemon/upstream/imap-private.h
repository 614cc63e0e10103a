/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the upstream IMAP client share. */
#pragma once

#include "daemon/upstream/imap.h"

/* A command under way, or answered and not yet finished. */
typedef struct {
    guint number;
    gboolean answered;
    ImapReply reply;
    ImapHandler handler;
    gpointer data;
    gboolean patient; /* an APPEND: the server may be long about it without a word */
} ImapPending;

/* What a server may still say before it has to answer a command: it is asked again at each command,
 * and at each answer, so that nothing without end fills memory or disk. */
typedef struct {
    guint64 lines, octets;
} ImapAllowance;

struct ImapClient {
    NetStream *stream;
    NetEndpoint *endpoint;
    ImapResponseParser *parser;
    guint64 line_limit;
    guint64 later_limit; /* the same, once logged in */

    guint capabilities;          /* ImapCapability bits; QRESYNC and CONDSTORE only once enabled */
    guint mechanisms;            /* SaslMechanism bits: AUTH= */
    guint signing_in;            /* the number of AUTHENTICATE, while it runs */
    gboolean capabilities_fresh; /* said since this was last cleared */
    guint lacking;               /* of these: announced, and not to be used */
    char **words;                /* the capabilities as they were said */
    char *greeting;              /* the words of the greeting, until the habits are known */
    Quirks quirks;
    guint64 append_limit; /* APPENDLIMIT (RFC 7889): bytes of a message; 0: not said */
    gboolean greeted;     /* what comes now are answers */
    gboolean greeted_preauth;
    gboolean broken;
    char *bye;   /* the words of a BYE */
    char *alert; /* the words of the last [ALERT] */

    guint next_number;
    GArray *pending;    /* ImapPending, oldest first */
    gboolean continued; /* a continuation came that nobody took yet */
    char *continuation; /* its text */

    ImapCond cond; /* of the last untagged response; NONE: it was data */

    ImapSelected *selecting; /* while SELECT runs: what it says goes here */
    guint32 exists;

    ImapAllowance allowance;
    guint64 unread; /* responses passed over */
    guint timeout;  /* of the stream, seconds */
};

/* Lets the server say as much again as the folder that is selected may need. */
void imap_client_allow_more(ImapClient *client);

/* What the quirks say of capabilities holds from now on. */
void imap_client_use_quirks(ImapClient *client, const Quirks *quirks);

/* All that was said before now counts for nothing: STARTTLS. */
void imap_client_forget(ImapClient *client);

/* Reads one whole response and files it: tagged to its command, the rest to the handler. */
gboolean imap_client_read(ImapClient *client, GError **error);

/* Reads until a continuation comes (TRUE) or command `number` is answered first (*answered). */
gboolean imap_client_await_continuation(ImapClient *client, guint number, gboolean *answered,
                                        GError **error);

/* Notes what the codes and data of a SELECT say. */
void imap_client_note_selected(ImapClient *client, const ImapResponse *response);
