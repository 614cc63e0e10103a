/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changing a key file as a careful person would: line by line, so that comments, order and spelling
 * stay as they were, and in one step, so that nobody ever reads half a file.
 */
#pragma once

#include <glib.h>

typedef struct ConfigEdit ConfigEdit;

/* Reads the file at `path`; one that isn't there is empty. Until it is saved or freed, other edits
 * wait (of all programs that use these functions), five seconds at most: G_IO_ERROR_BUSY. So a
 * thread has one at a time. */
ConfigEdit *config_edit_open(const char *path, GError **error);
void config_edit_free(ConfigEdit *edit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigEdit, config_edit_free)

/* Sets a key (the group is added at the end where it is missing); `value` is unescaped text; NULL
 * removes the key. */
void config_edit_set(ConfigEdit *edit, const char *group, const char *key, const char *value);

/* Adds a comment line (without '#') at the end of the group, which is added where it is missing. */
void config_edit_comment(ConfigEdit *edit, const char *group, const char *comment);

/* Takes a group away with all that stands in it, and the comment directly above its header. */
void config_edit_remove_group(ConfigEdit *edit, const char *group);

/* The text as it would be saved; the caller frees. */
char *config_edit_text(ConfigEdit *edit);

/*
 * Writes the file (mode 0600, directories 0700) through symbolic links, durably, replacing it in
 * one step. Where it can't be written the error's message ends with the lines to add by hand. Once,
 * since the lock goes; G_IO_ERROR_BUSY where somebody else has changed the file meanwhile.
 */
gboolean config_edit_save(ConfigEdit *edit, GError **error);
