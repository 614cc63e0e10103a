/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * By which way a server is reached: directly or through a proxy, as the endpoint says, else as the desktop
 * does (GProxyResolver).
 */
#pragma once

#include "daemon/net/dial.h"
#include "daemon/net/proxy.h"

/* An endpoint's `proxy` that stands for none. */
#define NET_PROXY_DIRECT "direct"

/* The ways to try, in this order: each a NetProxy, or NULL for directly; never empty. Of a host on this
 * machine the desktop isn't asked. It may take as long as `seconds`; then it is directly. NULL: cancelled, or
 * what the endpoint says is no proxy. */
GPtrArray *net_routes(const NetEndpoint *endpoint, guint seconds, NetCancel *cancel,
                      GError **error);
