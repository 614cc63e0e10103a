/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server answers (RFC 5321, 4.2), and what its EHLO promises. */
#pragma once

#include <glib.h>

#define SMTP_REPLY_LINES_MAX 128

typedef struct {
    guint code; /* 200 to 599 */
    GPtrArray
        *lines; /* char: what stands behind the code, valid UTF-8 without control characters */
} SmtpReply;

void smtp_reply_clear(SmtpReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SmtpReply, smtp_reply_clear)

typedef enum { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD } SmtpReplyStatus;

/* Adds a line (without its end) to a reply, zeroed before its first. BAD: no SMTP. */
SmtpReplyStatus smtp_reply_add(SmtpReply *reply, const char *line, gsize length);

/* "550 5.1.1 No such user", on one line, at most 1,000 bytes. The caller frees. */
char *smtp_reply_text(const SmtpReply *reply);

typedef enum {
    SMTP_PIPELINING = 1 << 0,
    SMTP_8BITMIME = 1 << 1,
    SMTP_SMTPUTF8 = 1 << 2,
    SMTP_DSN = 1 << 3,
    SMTP_STARTTLS = 1 << 4,
    SMTP_SIZE = 1 << 5,
} SmtpCapability;

typedef struct {
    guint capabilities; /* SmtpCapability */
    guint mechanisms;   /* SaslMechanism: AUTH */
    guint64 size;       /* the largest message it takes; 0: not said */
} SmtpEhlo;

SmtpEhlo smtp_ehlo_read(const SmtpReply *reply);
