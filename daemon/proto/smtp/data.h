/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message as DATA carries it (RFC 5321, 4.5.2): dots doubled at line starts, CRLF.CRLF at its
 * end. POP3 sends messages the same way (RFC 1939, 3).
 */
#pragma once

#include <glib.h>

/* Zeroed: before the first byte. */
typedef struct {
    int state;
    gboolean done; /* the end was read */
    gboolean bare; /* there was a CR without LF or an LF without CR (RFC 5321, 2.3.8) */
    gboolean nul;  /* there was a NUL (RFC 5322, 4: not in a message; some servers stop there) */
    gboolean eightbit; /* there was a byte above 127 */
} SmtpDataReader;

/*
 * Takes `in` up to the message's end and appends what it stands for to `out`. Gives how many bytes
 * were used: all of them unless the end was read. Only CRLF.CRLF is an end, whatever stray CRs and
 * LFs there are: they are passed on as they are, and noted, so that nobody can smuggle a message
 * into another.
 */
gsize smtp_data_read(SmtpDataReader *reader, const char *in, gsize length, GByteArray *out);

/* Looks in the same way at a piece of a message that needs no reading (BDAT, RFC 3030); `last`: its
 * last one. */
void smtp_data_inspect(SmtpDataReader *reader, const char *in, gsize length, gboolean last);

/* Zeroed: before the first byte. */
typedef struct {
    gboolean inside; /* not at the start of a line */
    gboolean cr;     /* the last byte was CR */
} SmtpDataWriter;

/* Appends `in` with dots doubled at line starts. A line also starts behind a lone LF: receivers
 * differ there, and one that ends at LF.LF would lose the rest. */
void smtp_data_write(SmtpDataWriter *writer, const char *in, gsize length, GByteArray *out);

/* Appends the line end that the message may lack. What remains to be sent is SMTP_DATA_END. */
void smtp_data_finish(SmtpDataWriter *writer, GByteArray *out);
#define SMTP_DATA_END ".\r\n"
