/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What daemon/fetch would answer. */
#include "fake-fetch.h"

extern "C" {
#include "daemon/index/render.h"
#include "daemon/net/stream.h"
}

static bool reach(const FetchBodies *bodies, GError **error)
{
    if (!bodies->online)
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CONNECT, "the provider can't be reached");
    return bodies->online;
}

static size_t header_length(const std::string &octets)
{
    size_t end = octets.find("\r\n\r\n");
    return end == std::string::npos ? octets.size() : end + 4;
}

void FetchBodies::bring(gint64 message, CacheContentState state)
{
    const std::string &octets = upstream.at(message);
    bool whole = state == CACHE_CONTENT_FULL || !headers_alone;
    size_t length = whole ? octets.size() : header_length(octets);
    CacheRendered how = {};
    render_message(octets.data(), length, whole, &how);
    CacheContentWriter *writer = cache_content_writer_new(cache);
    cache_content_writer_add(writer, octets.data(), octets.size(), nullptr);
    cache_content_writer_end(writer);
    CacheTxn *txn = cache_begin(cache, CACHE_WRITE, nullptr);
    g_autoptr(GBytes) header = g_bytes_new(octets.data(), length);
    bool ok = whole ? cache_content_writer_finish(writer, txn, message, &how, nullptr)
                    : cache_content_set_header(txn, message, header, &how, nullptr);
    g_assert_true(ok && cache_commit(txn, nullptr));
    cache_content_writer_free(writer);
    cache_rendered_clear(&how);
}

extern "C" gboolean fetch_content(FetchBodies *bodies, const gint64 *messages, gsize count,
                                  CacheContentState state, NetCancel *, GError **error)
{
    bodies->asked++;
    if (bodies->when_asked)
        bodies->when_asked();
    if (!reach(bodies, error))
        return FALSE;
    for (gsize i = 0; i < count; i++) {
        bodies->states[messages[i]] = state;
        bodies->bring(messages[i], state);
    }
    return TRUE;
}

extern "C" GBytes *fetch_extract(FetchBodies *bodies, gint64 message, const FetchExtract *extract,
                                 NetCancel *, GError **error)
{
    bodies->extracts.push_back("[" + std::string(extract->section) + "]<" +
                               std::to_string(extract->offset) + "." +
                               std::to_string(extract->length) + ">");
    if (!reach(bodies, error))
        return nullptr;
    const std::string &octets = bodies->upstream.at(message);
    size_t from = std::min<size_t>(extract->offset, octets.size());
    std::string part = octets.substr(from, extract->length);
    return g_bytes_new(part.data(), part.size());
}

extern "C" GArray *fetch_search(FetchBodies *bodies, gint64, const char *query, NetCancel *,
                                GError **error)
{
    if (!reach(bodies, error))
        return nullptr;
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint32 uid : bodies->found[query])
        g_array_append_val(uids, uid);
    return uids;
}

extern "C" FetchBodies *fake_fetch_new_offline(void)
{
    auto *bodies = new FetchBodies;
    bodies->online = false;
    return bodies;
}
