/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A cache in a directory of its own, and short ways to fill it and to look into it. */
#pragma once

#include <glib.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "cache/attempt.h"
#include "cache/cache.h"
#include "cache/change.h"
#include "cache/content.h"
#include "cache/flags.h"
#include "cache/folder.h"
#include "cache/label.h"
#include "cache/message.h"
#include "cache/placement.h"
#include "cache/vanished.h"
}

/* An error that has to stay empty; says what it was otherwise. */
struct Error {
    GError *error = nullptr;
    ~Error()
    {
        g_clear_error(&error);
    }
    operator GError **()
    {
        g_clear_error(&error);
        return &error;
    }
    int code() const
    {
        return error ? error->code : -1;
    }
    std::string text() const
    {
        return error ? error->message : "";
    }
};

struct Txn {
    CacheTxn *txn;
    Error error;

    Txn(Cache *cache, CacheMode mode)
    {
        txn = cache_begin(cache, mode, error);
        EXPECT_NE(txn, nullptr) << error.text();
    }
    ~Txn()
    {
        cache_end(txn);
    }
    operator CacheTxn *()
    {
        return txn;
    }
    void commit()
    {
        ASSERT_TRUE(cache_commit(std::exchange(txn, nullptr), error)) << error.text();
    }
};

/* SQL that takes away what version 11 of the schema and later ones added: as an older version left
 * it. */
#define BEFORE_VERSION_11                                                                          \
    "DROP TABLE note; DROP TABLE maildrop; DROP TRIGGER vanished_gone; DROP TABLE vanished;"       \
    "DROP TRIGGER problem_added; DROP TRIGGER problem_gone;"                                       \
    "ALTER TABLE folder DROP COLUMN headless; ALTER TABLE folder DROP COLUMN failing;"             \
    "ALTER TABLE folder DROP COLUMN unread; ALTER TABLE folder DROP COLUMN unreadable;"

class CacheTest : public testing::Test
{
  protected:
    std::string dir;
    Cache *cache = nullptr;
    Error error;

    virtual const char *parent_dir()
    {
        return g_get_tmp_dir();
    }
    void SetUp() override
    {
        dir = std::string(parent_dir()) + "/postern-cache-XXXXXX";
        ASSERT_NE(mkdtemp(dir.data()), nullptr);
        open();
    }
    void TearDown() override
    {
        close();
        std::filesystem::remove_all(dir);
    }
    void open()
    {
        cache = cache_open(dir.c_str(), nullptr, error);
        ASSERT_NE(cache, nullptr) << error.text();
    }
    void close()
    {
        cache_close(std::exchange(cache, nullptr));
    }
    void reopen()
    {
        close();
        open();
    }

    /* What the database itself says, as another program sees it. */
    gint64 query_number(const char *sql)
    {
        sqlite3 *db;
        sqlite3_stmt *statement;
        EXPECT_EQ(sqlite3_open_v2((dir + "/mail.db").c_str(), &db, SQLITE_OPEN_READONLY, nullptr),
                  SQLITE_OK);
        EXPECT_EQ(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr), SQLITE_OK);
        EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
        gint64 number = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return number;
    }

    /* Past the cache, on a closed or open database. */
    void run_sql(const char *sql)
    {
        sqlite3 *db;
        ASSERT_EQ(sqlite3_open((dir + "/mail.db").c_str(), &db), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK)
            << sqlite3_errmsg(db);
        sqlite3_close(db);
    }

    gint64 make_folder(const char *name, CacheRole role = CACHE_ROLE_NONE)
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        gint64 id = cache_folder_create(txn, name, role, error);
        EXPECT_NE(id, 0) << error.text();
        txn.commit();
        return id;
    }

    /* A message as pull finds it: in the base and in the view. */
    CachePlacement arrive(CacheTxn *txn, gint64 folder, guint32 base_uid, CacheFlags flags = {},
                          gint64 date = 1000)
    {
        CachePlacement placement = {};
        placement.folder = folder;
        placement.message = cache_message_new(txn, nullptr, error);
        placement.alive = TRUE;
        placement.flags = placement.base_flags = flags;
        placement.date = date;
        placement.size = 100;
        placement.base = CACHE_BASE_PRESENT;
        placement.base_uid = base_uid;
        EXPECT_TRUE(cache_placement_put(txn, &placement, error)) << error.text();
        return placement;
    }
    /* As sync does it when upstream has it no longer. */
    void vanish(gint64 folder, guint32 uid)
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        CachePlacement row = placement(txn, folder, uid);
        const CacheVanished vanished = {folder, uid, 7, row.base_uid, row.alive, FALSE, 1000};
        row.alive = FALSE;
        row.base = CACHE_BASE_NONE;
        EXPECT_TRUE(cache_placement_put(txn, &row, error)) << error.text();
        EXPECT_TRUE(cache_vanished_add(txn, &vanished, error)) << error.text();
        txn.commit();
    }
    std::vector<CachePlacement> arrive_many(gint64 folder, guint count)
    {
        std::vector<CachePlacement> all;
        Txn txn(cache, CACHE_WRITE_FULL);
        for (guint i = 0; i < count; i++)
            all.push_back(arrive(txn, folder, 100 + i, {}, 1000 + i));
        txn.commit();
        return all;
    }

    CacheContentWriter *writer_with(const std::string &bytes, gsize piece = 4096)
    {
        CacheContentWriter *writer = cache_content_writer_new(cache);
        for (gsize i = 0; i < bytes.size(); i += piece)
            EXPECT_TRUE(cache_content_writer_add(writer, bytes.data() + i,
                                                 std::min(piece, bytes.size() - i), error))
                << error.text();
        cache_content_writer_end(writer);
        return writer;
    }
    CacheRendered rendered(const char *envelope = "(ENVELOPE)", const char *message_id = nullptr)
    {
        CacheRendered result = {};
        result.envelope = g_bytes_new(envelope, strlen(envelope));
        result.bodystructure = g_bytes_new("(BODY)", 6);
        result.structure = g_bytes_new("\0\1", 2);
        result.message_id = g_strdup(message_id);
        result.sent = 77;
        result.sent_zone = -60;
        return result;
    }
    void fill(gint64 message, const std::string &bytes, const char *message_id = nullptr)
    {
        CacheContentWriter *writer = writer_with(bytes);
        CacheRendered how = rendered("(ENVELOPE)", message_id);
        Txn txn(cache, CACHE_WRITE);
        EXPECT_TRUE(cache_content_writer_finish(writer, txn, message, &how, error)) << error.text();
        txn.commit();
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
    }
    guint32 append(gint64 folder, const std::string &bytes, CacheFlags flags = {})
    {
        CacheContentWriter *writer = writer_with(bytes);
        CacheRendered how = rendered();
        Txn txn(cache, CACHE_WRITE_FULL);
        guint32 uid = cache_append(txn, folder, writer, &how, {flags, 5000, 120}, error);
        EXPECT_NE(uid, 0u) << error.text();
        txn.commit();
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
        return uid;
    }

    CacheFolder *folder(CacheTxn *txn, gint64 id)
    {
        CacheFolder *row = cache_folder_get(txn, id, error);
        EXPECT_NE(row, nullptr) << error.text();
        return row;
    }
    std::vector<guint32> uids(CacheTxn *txn, gint64 id)
    {
        return vector_of<guint32>(cache_uids(txn, id, error));
    }
    CachePlacement placement(CacheTxn *txn, gint64 id, guint32 uid)
    {
        CachePlacement row = {};
        EXPECT_TRUE(cache_placement_get(txn, id, uid, &row, error)) << error.text();
        return row;
    }
    std::string read(CacheTxn *txn, gint64 message, guint64 offset = 0, gsize length = G_MAXSIZE)
    {
        return string_of(cache_content_read(txn, message, offset, length, error));
    }
    std::vector<guint32> pending(CacheTxn *txn, gint64 id)
    {
        std::vector<guint32> found;
        auto add = [](const CachePlacement *row, gpointer data) -> gboolean {
            ((std::vector<guint32> *)data)->push_back(row->uid);
            return TRUE;
        };
        EXPECT_TRUE(cache_placement_each_pending(txn, id, add, &found, error)) << error.text();
        return found;
    }

    template <typename T> static std::vector<T> vector_of(GArray *array)
    {
        EXPECT_NE(array, nullptr);
        if (!array)
            return {};
        std::vector<T> result((T *)array->data, (T *)array->data + array->len);
        g_array_unref(array);
        return result;
    }
    std::string string_of(GBytes *bytes)
    {
        EXPECT_NE(bytes, nullptr) << error.text();
        if (!bytes)
            return "";
        gsize length;
        const char *data = (const char *)g_bytes_get_data(bytes, &length);
        std::string result(data ? data : "", length);
        g_bytes_unref(bytes);
        return result;
    }
};

using FolderPtr = std::unique_ptr<CacheFolder, decltype(&cache_folder_free)>;
