/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the two halves of posternctl sendmail share: the message, and where it is put. */
#pragma once

#include <glib.h>

typedef struct {
    char *sender;        /* of the envelope; "" for <> */
    GPtrArray *to;       /* char *: recipients */
    GByteArray *message; /* with CRLF */
} Letter;

void letter_clear(Letter *letter);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Letter, letter_clear)

/* Reads the message from stdin, to its end or, where `dot`, to a line with a dot alone; line ends
 * become CRLF. */
gboolean letter_read(Letter *letter, gboolean dot, GError **error);

/* The addresses of the first From, or NULL; the caller frees. */
char *letter_from(const Letter *letter);

/* Adds the recipients that the header names: Resent-To, Resent-Cc and Resent-Bcc where there is one
 * of these, else To, Cc and Bcc (RFC 5322, 3.6.6 and 3.6.3). */
void letter_add_recipients(Letter *letter);

/* Takes Bcc and Resent-Bcc out, and puts "From: NAME <ADDRESS>" in front where there is none (`name`
 * may be NULL). */
void letter_complete(Letter *letter, const char *name, const char *address);

/* Writes it where the daemon takes it from; returns when it is on the disk. */
gboolean letter_hand_over(const Letter *letter, const char *account, GError **error);
