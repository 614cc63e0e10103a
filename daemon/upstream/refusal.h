/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a provider's words mean, where there is no code that says it. */
#pragma once

#include <glib.h>

/* Whether the words of a refused login say "not now", so that nothing is known of the password. */
gboolean upstream_words_say_later(const char *text);
