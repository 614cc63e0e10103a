/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small documents by HTTP, for discovery: bounded in size, and never from https down to http.
 */
#pragma once

#include <gio/gio.h>

/* How the net is reached; all may be NULL: the system's. Tests fill it. */
typedef struct {
    GResolver *resolver;
    GProxyResolver *proxy;
    GTlsDatabase *roots;
} WebNetwork;

/* Gets at most `limit` octets from `url`. Redirects are followed from https to https only, from http to
 * either. Blocking; a server that says nothing for five seconds is given up. It can't be cancelled:
 * libsoup loses count of its objects when a handshake is. NULL and `error`: no answer, not 200, or too
 * large. */
GBytes *web_get(const WebNetwork *network, const char *url, gsize limit, GError **error);
