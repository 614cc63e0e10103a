/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A submission session (RFC 6409) and what its commands share. Private to serve/submission/. */
#pragma once

#include "daemon/proto/smtp/data.h"
#include "daemon/serve/serve.h"
#include "daemon/serve/submission/spool.h"

/*
 * The largest message taken. Providers take 25 to 150 MB; what one refuses for its size ends as
 * `failed` with its words, so this only has to bound what a client can make Postern store.
 */
#define SUBMISSION_SIZE_MAX       (150u * 1024 * 1024)
#define SUBMISSION_RECIPIENTS_MAX 1000              /* RFC 5321, 4.5.3.1.8 asks for 100 */
#define SUBMISSION_HOLD_MAX       (366 * 24 * 3600) /* seconds that mail may wait for its time */
#define SUBMISSION_LINE_MAX       12288 /* RFC 4954, 4: the longest that AUTH may need */

typedef struct {
    NetStream *stream;
    const ServeDaemon *daemon;
    ServeAccount *account;  /* who is logged in, or NULL */
    gboolean authenticated; /* by AUTH */
    gboolean greeted;       /* EHLO or HELO was said */
    guint mistakes;         /* commands out of order or unknown */
    guint unknown;          /* those that are no commands at all */
    gboolean ended;

    QueueEntry *entry; /* from MAIL on, or NULL */
    Spool *spool;      /* from the first BDAT on, or NULL */
    SmtpDataReader reader;
} Submission;

/* Each runs one command; FALSE: the connection failed. `arguments` is what follows the verb. */
typedef gboolean (*SubmissionCommand)(Submission *session, const char *arguments, GError **error);

gboolean submission_auth(Submission *session, const char *arguments, GError **error);
gboolean submission_bdat(Submission *session, const char *arguments, GError **error);
gboolean submission_data(Submission *session, const char *arguments, GError **error);
gboolean submission_mail(Submission *session, const char *arguments, GError **error);
gboolean submission_rcpt(Submission *session, const char *arguments, GError **error);
gboolean submission_starttls(Submission *session, const char *arguments, GError **error);

/* "550 5.7.1 text"; `status` NULL: no enhanced code (RFC 2034 knows none for 220, 354, EHLO). */
gboolean submission_reply(Submission *session, GError **error, guint code, const char *status,
                          const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Answers 503 or 530 where EHLO or a login is missing; *refused says whether it did. */
gboolean submission_refuse_state(Submission *session, gboolean *refused, GError **error);

/* Ends a mail transaction (RSET). */
void submission_reset(Submission *session);

/* Where the entry's message is collected. Fields that it lacks get the domain of the sender, or where
 * that is <> the account's. */
Spool *submission_spool(Queue *queue, const AccountSettings *settings, const QueueEntry *entry);

/* Why a message that was read can't be passed on as it is; NULL: it can. */
const char *submission_flaw(const SmtpDataReader *reader);

/* Stores the message in `spool` with the entry's envelope; returns when it is on the disk. */
gboolean submission_queue(Queue *queue, const AccountSettings *settings, QueueEntry *entry,
                          Spool *spool, GError **error);
