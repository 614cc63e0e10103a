/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How states, times and sizes read.
 */
#pragma once

#include <glib.h>

/* What an account's State means; `progress` 0 to 1 and `last_sync` round it off. The caller frees.
 */
char *text_account_state(const char *state, double progress, gint64 last_sync);

/* What keeps an account busy that is opening, and how far that has come; NULL: nothing. The caller frees. */
char *text_account_activity(const char *activity, double progress);

/* An icon that goes with it; static. */
const char *text_account_icon(const char *state);

/* What a queue entry's State means; the caller frees. */
char *text_queue_state(const char *state, gint64 next_attempt, gint64 send_at);
