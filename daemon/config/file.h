/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading files that people, or other programs, may have put there: what isn't a file of text of a likely
 * size is refused at once, be it a pipe that would be waited for, a device without an end, or a picture.
 */
#pragma once

#include <glib.h>

/* No configuration is longer; octets. */
#define CONFIG_FILE_MAX (1024 * 1024)

/* postern.conf holds commands: who can write it runs programs as the user. FALSE: others can write it, or the
 * folder that it is in; a file that isn't there is nobody's. */
gboolean config_file_check_writers(const char *path, GError **error);

/* The caller frees the text. G_FILE_ERROR_NOENT: there is none; with any other error the sentence names the file,
 * what is wrong with it, and what to do. */
gboolean config_file_read(const char *path, char **text, GError **error);
