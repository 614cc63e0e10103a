/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Base64 as protocols send it. GLib's decoder passes over whatever isn't base64; a server must not
 * (RFC 4648, 3.3).
 */
#pragma once

#include <glib.h>

/* The bytes, with a NUL behind them, or NULL for what isn't base64 with its padding. */
guint8 *base64_decode_strict(const char *text, gsize *length);
