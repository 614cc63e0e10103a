/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small documents by HTTP, for discovery and OAuth 2: bounded in size and time, cancellable, and never
 * from https down to http.
 */
#pragma once

#include <gio/gio.h>

/* How the net is reached; all may be NULL: the system's. Tests fill it. */
typedef struct {
    GResolver *resolver;
    GProxyResolver *proxy;
    GTlsDatabase *roots;
    guint seconds; /* for a request that has no limit of its own; 0: ten */
} WebNetwork;

typedef struct {
    const char *url;
    const char *body; /* NULL: GET; else it is posted, and no redirect is followed */
    const char *type; /* of the body, such as "application/json"; NULL: a form (RFC 1866) */
    const char *user, *password; /* HTTP's basic authentication; NULL: none */
    gsize limit;                 /* octets of an answer; more is a failure */
    guint seconds;               /* for all of it, redirects included; 0: the network's */
} WebRequest;

typedef struct {
    guint status; /* 200 and so on */
    GBytes *body;
    gint64
        retry_after; /* seconds the server asks us to wait (RFC 9110, 10.2.3); 0: it doesn't say */
    gint64 date;     /* the server's clock, in Unix seconds; 0: it doesn't say */
} WebAnswer;

void web_answer_clear(WebAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WebAnswer, web_answer_clear)

/*
 * Asks, and gives the answer whatever its status is. Blocking, by a main context of its own. Redirects
 * are followed from https to https only, from http to either. FALSE and `error`: nobody answered, or
 * too late (G_IO_ERROR_TIMED_OUT), too much (G_IO_ERROR_MESSAGE_TOO_LARGE), or `cancellable` (may be
 * NULL) was triggered (G_IO_ERROR_CANCELLED).
 */
gboolean web_ask(const WebNetwork *network, const WebRequest *request, WebAnswer *answer,
                 GCancellable *cancellable, GError **error);

/* Gets at most `limit` octets from `url`, as web_ask(). NULL and `error`: also where the answer isn't
 * 200. */
GBytes *web_get(const WebNetwork *network, const char *url, gsize limit, GCancellable *cancellable,
                GError **error);
