/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which folders an account has here, by its lists of patterns (folders=, headers-only=). In a list the first
 * pattern that fits a name decides; one with a ! before it says no. * stands for anything, ? for a character.
 */
#pragma once

#include "daemon/config/settings.h"

/* Splits a list at commas and semicolons; NULL: there is nothing in it. The caller frees. */
char **account_patterns_parse(const char *text);

/* Whether the folder isn't to be here: it is known by name, and nothing of it is fetched or sent. INBOX always
 * is here; what no pattern fits is, unless there is one that says yes. */
gboolean account_leaves_out(const AccountSettings *settings, const char *folder);

/* Whether just the headers of its messages are fetched ahead. */
gboolean account_keeps_headers(const AccountSettings *settings, const char *folder);
