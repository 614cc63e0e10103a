/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How states, times and sizes read. No widgets here; the caller frees what isn't static.
 */
#pragma once

#include "dbus/postern-dbus.h"

#include <glib.h>

/* What an account is doing, or what is wrong with it, in one line. */
char *text_account_state(PosternAccount *account);

/* An icon that goes with that; static. */
const char *text_account_icon(PosternAccount *account);

/* Whether that State needs somebody to do something. */
gboolean text_account_is_wrong(const char *state);

/* How many messages it has, how large they are, and how many aren't here yet. */
char *text_account_mail(PosternAccount *account);

/* Changes that the provider hasn't taken; NULL: none. */
char *text_account_changes(PosternAccount *account);

/* A folder of ListFolders: how many messages, how large, and what is missing. */
char *text_folder(GVariant *folder);

/* An entry of ListQueue: to whom, and what becomes of it. */
char *text_outgoing(GVariant *entry);

/* Its subject, or that it has none. */
const char *text_outgoing_subject(GVariant *entry);
