/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What others say, made fit to be shown: a provider's server, a certificate, a program that was run. It
 * goes into the log, over D-Bus, to a terminal, a window and mail clients, and must not look like ours
 * there. Names and addresses that things are found by (of folders, say) aren't changed by this: who shows
 * them escapes them.
 */
#pragma once

#include <glib.h>

/* What stays of one server's words, and of a whole message that may hold several; octets. */
#define WORDS_LINE_MAX 1000
#define WORDS_TEXT_MAX 8000

/* What could begin another line, steer a terminal, or turn the direction of what stands beside it:
 * control characters (C0, DEL, C1), the separators of lines and paragraphs, marks and overrides of
 * direction (Unicode's UAX 9, 2), and the invisible tags. */
gboolean words_is_harmful(gunichar c);

/* One line of UTF-8: what is harmful is a space, what isn't UTF-8 U+FFFD, white space at both ends goes, and what
 * is longer than WORDS_LINE_MAX ends with "…". `length`: octets, or -1: up to a NUL. The caller frees. */
char *words_line(const char *text, gssize length);

/* The same, uncut: what a machine may still have to read, from a line that has a bound. */
char *words_uncut(const char *text, gsize length);

/* As words_line(), of a whole message, which keeps its line ends, and may be WORDS_TEXT_MAX long. */
char *words_text(const char *text);
