/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What MAIL FROM: and RCPT TO: are given (RFC 5321, 4.1.2; RFC 6531, 3.3). */
#pragma once

#include <glib.h>

#define SMTP_ADDRESS_MAX 1000 /* bytes; RFC 5321 asks for 256 octets, UTF-8 may take more */

typedef struct {
    char *name;  /* upper case */
    char *value; /* or NULL */
} SmtpParameter;

typedef struct {
    char *address;      /* without brackets and source route; "" for <> */
    gboolean utf8;      /* it isn't all ASCII */
    GArray *parameters; /* SmtpParameter */
} SmtpPath;

void smtp_path_clear(SmtpPath *path);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SmtpPath, smtp_path_clear)

/*
 * Reads "FROM:<ada@example.org> SIZE=100" where `keyword` is "FROM:". White space behind the colon
 * is passed over, as everyone does. FALSE with `problem` set to what is wrong (static text).
 */
gboolean smtp_path_parse(const char *text, const char *keyword, SmtpPath *path,
                         const char **problem);

/* xtext (RFC 3461, 4) of at most `limit` bytes. */
gboolean smtp_is_xtext(const char *text, gsize limit);

/* NOTIFY= (RFC 3461, 4.1): NEVER, or any of SUCCESS, FAILURE, DELAY. */
gboolean smtp_is_notify(const char *value);

/* ORCPT= (RFC 3461, 4.2): addr-type ";" xtext. Takes RFC 6533's utf-8-addr-xtext too. */
gboolean smtp_is_orcpt(const char *value);
