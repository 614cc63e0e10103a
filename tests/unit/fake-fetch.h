/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A provider in memory in place of daemon/fetch, for tests of what asks it (daemon/serve): what
 * messages consist of, what it finds, whether it can be reached. The tests link it instead.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS
#include "daemon/fetch/fetch.h"
G_END_DECLS

#ifdef __cplusplus

#include <functional>
#include <map>
#include <string>
#include <vector>

struct FetchBodies {
    Cache *cache = nullptr;
    bool online = true;
    bool headers_alone = false; /* a header is brought without its body, if no more is asked for */
    std::map<gint64, std::string> upstream;            /* octets, by message */
    std::map<std::string, std::vector<guint32>> found; /* base UIDs, by words searched for */

    /* what it was asked, and what happens then */
    int asked = 0;
    std::function<void()> when_asked;
    std::map<gint64, CacheContentState> states;
    std::vector<std::string> extracts;

    /* Puts what it has of a message into the cache. */
    void bring(gint64 message, CacheContentState state);
};

#endif

/* For C: one that can't be reached. */
G_BEGIN_DECLS
FetchBodies *fake_fetch_new_offline(void);
G_END_DECLS
