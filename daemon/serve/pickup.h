/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Mail that 'posternctl sendmail' left in a folder while nobody listened: each is taken into the
 * queue exactly once, and then its file goes.
 *
 * A file NAME.mail is whole as soon as it has that name. It begins with lines that end in LF,
 * "account ID", "from ADDRESS" (may be empty) and "to ADDRESS", one for each recipient, and an empty
 * line; the rest is the message, with CRLF.
 */
#pragma once

#include "daemon/serve/serve.h"

typedef struct Pickup Pickup;

/* Looks at `folder` now and whenever pickup_check() says so, in a thread of its own, which calls
 * `changed` (with daemon->data) when what pickup_problems() tells is another. `daemon` is copied. */
Pickup *pickup_new(const ServeDaemon *daemon, const char *folder, void (*changed)(gpointer data));
void pickup_free(Pickup *pickup);

/* There may be something new. Any thread. */
void pickup_check(Pickup *pickup);

/* Appends a sentence (char *) for each mail that waits there, with the reason. Any thread. */
void pickup_problems(Pickup *pickup, GPtrArray *problems);
