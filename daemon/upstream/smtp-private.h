/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the SMTP client share. */
#pragma once

#include "daemon/upstream/smtp.h"

struct SmtpClient {
    NetStream *stream;
    NetEndpoint *endpoint;
    SmtpTimeouts timeouts; /* none is 0 */
    SmtpEhlo ehlo;
    guint timeout;   /* of the stream, seconds */
    gboolean failed; /* good for freeing only */
    gboolean dirty;  /* a transaction came to nothing, and RSET was not said yet */
};

/* Seconds that the server may be silent; a whole reply may take twice that. */
void smtp_client_set_timeout(SmtpClient *client, guint seconds);

/* Reads a whole reply, after flushing. */
gboolean smtp_client_read(SmtpClient *client, SmtpReply *reply, GError **error);

/* FALSE with SMTP_CLIENT_ERROR_PROTOCOL where there is input though all answers were read. */
gboolean smtp_client_check_silent(SmtpClient *client, GError **error);

/* Sends a line (without its end) and reads the reply. */
gboolean smtp_client_ask(SmtpClient *client, const char *line, SmtpReply *reply, GError **error);

/* Greeting, EHLO, STARTTLS, AUTH. */
gboolean smtp_client_log_in(SmtpClient *client, const SmtpClientOptions *options, GError **error);
