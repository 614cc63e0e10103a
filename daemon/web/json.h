/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * JSON documents from servers that aren't trusted: bounded in depth, and read without surprises where
 * a member is missing or of another type.
 */
#pragma once

#include <json-glib/json-glib.h>

/* The document's outermost object; NULL and `error` (G_IO_ERROR_INVALID_DATA): it isn't JSON, not an
 * object, or nested too deep. The caller frees with json_object_unref(). */
JsonObject *web_json_read(GBytes *document, GError **error);

/* A member, borrowed; NULL (FALSE, `missing`): it isn't there, or is something else. `object` may be
 * NULL. */
JsonObject *web_json_object(JsonObject *object, const char *name);
JsonArray *web_json_array(JsonObject *object, const char *name);
const char *web_json_string(JsonObject *object, const char *name);
gboolean web_json_boolean(JsonObject *object, const char *name);
/* A number, also one that is written as a string. */
gint64 web_json_number(JsonObject *object, const char *name, gint64 missing);
