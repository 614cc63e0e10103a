/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache's contract, function by function. */
#include "cache-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

extern "C" {
#include "cache/private.h"
#include "cache/problem.h"
#include "cache/schema.h"
#include "cache/set-like.h"
#include "cache/subscription.h"
}

namespace
{

const CacheFlags SEEN = {CACHE_SEEN, 0};

std::string slurp(const std::string &path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/* ---- opening ------------------------------------------------------------------------------ */

TEST_F(CacheTest, DirectoryIsPrivateAndIdentityIsKept)
{
    struct stat status;
    close();
    std::filesystem::remove_all(dir);
    open();
    ASSERT_EQ(stat(dir.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(CacheTest, SecondOpeningIsRefusedAndNamesThePid)
{
    EXPECT_EQ(cache_open(dir.c_str(), nullptr, error), nullptr);
    EXPECT_EQ(error.code(), CACHE_ERROR_LOCKED);
    EXPECT_NE(error.text().find(std::to_string(getpid())), std::string::npos) << error.text();
}

TEST_F(CacheTest, NewerSchemaIsRefusedAndLeftAlone)
{
    close();
    run_sql("PRAGMA user_version = 99");
    EXPECT_EQ(cache_open(dir.c_str(), nullptr, error), nullptr);
    EXPECT_EQ(error.code(), CACHE_ERROR_NEWER) << error.text();
    run_sql(BEFORE_VERSION_11 "ALTER TABLE folder DROP COLUMN rights; PRAGMA user_version = 2");
    open();
}

TEST_F(CacheTest, GarbageIsReportedAsDamaged)
{
    close();
    std::ofstream(dir + "/mail.db") << std::string(8192, 'x');
    EXPECT_EQ(cache_open(dir.c_str(), nullptr, error), nullptr);
    EXPECT_EQ(error.code(), CACHE_ERROR_CORRUPT) << error.text();
    EXPECT_NE(error.text().find(dir + "/mail.db"), std::string::npos);
}

/* An older state put back over the same file, as `cp backup mail.db` does. */
class Restored : public CacheTest
{
  protected:
    gint64 id = 0;
    guint32 shown = 0;

    void SetUp() override
    {
        CacheTest::SetUp();
        id = make_folder("INBOX");
        arrive_many(id, 1);
        shown = uidvalidity();
    }
    guint32 uidvalidity()
    {
        Txn txn(cache, CACHE_READ);
        return FolderPtr(folder(txn, id), cache_folder_free)->uidvalidity;
    }
    std::string bytes_of(const std::string &name)
    {
        std::ifstream file(dir + "/" + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void overwrite(const std::string &name, const std::string &bytes)
    {
        std::ofstream(dir + "/" + name, std::ios::binary | std::ios::trunc) << bytes;
    }
    void expect_noticed()
    {
        EXPECT_TRUE(cache_was_copied(cache));
        EXPECT_GT(uidvalidity(), shown);
        guint32 renewed = uidvalidity();
        reopen();
        EXPECT_FALSE(cache_was_copied(cache));
        EXPECT_EQ(uidvalidity(), renewed);
    }
};

TEST_F(Restored, AnOlderStateOverTheSameFileGetsANewUidvalidity)
{
    close();
    std::string older = bytes_of("mail.db");
    open();
    EXPECT_FALSE(cache_was_copied(cache)) << "a restart is no copy";
    arrive_many(make_folder("Other"), 1);
    close();
    overwrite("mail.db", older);
    open();
    expect_noticed();
}

TEST_F(Restored, ABackupFromWhileItRanGetsANewUidvalidity)
{
    std::string copy = dir + "/backup";
    run_sql(("VACUUM INTO '" + copy + "'").c_str());
    arrive_many(make_folder("Other"), 1);
    std::string older = bytes_of("backup");
    close();
    overwrite("mail.db", older);
    open();
    expect_noticed();
}

TEST_F(Restored, WithoutTheFileBesideItItIsACopy)
{
    close();
    std::filesystem::remove(dir + "/mail.db.generation");
    open();
    expect_noticed();
}

TEST_F(Restored, ACrashWhileItIsOpenedOrClosedIsNoCopy)
{
    /* Before the database was written, and after. */
    std::string now = bytes_of("mail.db.generation");
    close();
    std::string then = bytes_of("mail.db.generation");
    ASSERT_NE(now, then);
    then.pop_back();
    overwrite("mail.db.generation", then + " 00000000-0000-4000-8000-000000000000\n");
    open();
    EXPECT_FALSE(cache_was_copied(cache));
    close();
    then = bytes_of("mail.db.generation");
    overwrite("mail.db.generation", "00000000-0000-4000-8000-000000000000 " + then);
    open();
    EXPECT_FALSE(cache_was_copied(cache));
    EXPECT_EQ(uidvalidity(), shown);
}

TEST_F(Restored, ThatAnOlderStateWouldNotBeNoticedIsSaid)
{
    EXPECT_EQ(cache_unmoved(cache), nullptr);
    close();
    std::filesystem::create_directory(dir + "/mail.db.generation.new");
    open();
    ASSERT_NE(cache_unmoved(cache), nullptr);
    EXPECT_NE(std::string(cache_unmoved(cache)).find("mail.db.generation"), std::string::npos)
        << cache_unmoved(cache);
    EXPECT_FALSE(cache_was_copied(cache));
    close();
    std::filesystem::remove(dir + "/mail.db.generation.new");
    open();
    EXPECT_EQ(cache_unmoved(cache), nullptr);
    EXPECT_FALSE(cache_was_copied(cache));
}

TEST_F(Restored, ACacheFromBeforeThereWereGenerationsIsNoCopy)
{
    close();
    std::filesystem::remove(dir + "/mail.db.generation");
    run_sql("UPDATE meta SET value = substr(value, 1, length(value) - 37) WHERE key = 'origin'");
    open();
    EXPECT_FALSE(cache_was_copied(cache));
    EXPECT_EQ(uidvalidity(), shown);
}

TEST_F(CacheTest, MigrationsRunOnceInOrderAndAFailingOneChangesNothing)
{
    std::string path = dir + "/steps.db";
    const CacheMigration good[] = {{1, "CREATE TABLE a (x)"}, {2, "ALTER TABLE a ADD y"}, {0}};
    const CacheMigration bad[] = {
        {1, ""}, {2, ""}, {3, "CREATE TABLE b (x); SELECT nonsense"}, {0}};
    const CacheMigration older[] = {{1, ""}, {0}};

    Db *db = db_open(path.c_str(), DB_OPEN_WRITER, error);
    ASSERT_NE(db, nullptr);
    EXPECT_TRUE(schema_migrate(db, good, nullptr, error)) << error.text();
    EXPECT_TRUE(schema_migrate(db, good, nullptr, error)) << error.text();
    EXPECT_TRUE(db_exec(db, "INSERT INTO a (x, y) VALUES (1, 2)", error));
    EXPECT_FALSE(schema_migrate(db, bad, nullptr, error));
    EXPECT_TRUE(db_exec(db, "CREATE TABLE b (x)", error)) << "the failed step left its table";
    EXPECT_TRUE(schema_migrate(db, good, nullptr, error)) << error.text();
    EXPECT_FALSE(schema_migrate(db, older, nullptr, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_NEWER);
    db_close(db);
}

TEST_F(CacheTest, MetaSurvivesReopening)
{
    {
        Txn txn(cache, CACHE_WRITE);
        EXPECT_TRUE(cache_meta_set(txn, "delta", "42", error));
        EXPECT_TRUE(cache_meta_set(txn, "gone", "x", error));
        EXPECT_TRUE(cache_meta_set(txn, "gone", nullptr, error));
        txn.commit();
    }
    reopen();
    Txn txn(cache, CACHE_READ);
    g_autofree char *value = cache_meta_get(txn, "delta");
    EXPECT_STREQ(value, "42");
    EXPECT_EQ(cache_meta_get(txn, "gone"), nullptr);
}

TEST_F(CacheTest, WhatIsNotCommittedIsNotThere)
{
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        EXPECT_NE(cache_folder_create(txn, "Gone", CACHE_ROLE_NONE, error), 0);
    }
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(cache_folder_find(txn, "Gone", error), nullptr);
    EXPECT_EQ(error.code(), CACHE_ERROR_NOT_FOUND);
}

TEST_F(CacheTest, ReadersKeepTheirSnapshotAndDontWaitForTheWriter)
{
    gint64 inbox = make_folder("INBOX");
    Txn reader(cache, CACHE_READ);
    EXPECT_EQ(uids(reader, inbox).size(), 0u);
    arrive_many(inbox, 3);
    EXPECT_EQ(uids(reader, inbox).size(), 0u);
    Txn writer(cache, CACHE_WRITE_FULL);
    Txn other(cache, CACHE_READ);
    EXPECT_EQ(uids(other, inbox).size(), 3u);
}

TEST_F(CacheTest, ViewChangesNeedAFullTransaction)
{
    gint64 inbox = make_folder("INBOX");
    Txn txn(cache, CACHE_WRITE);
    CachePlacement row = {};
    row.folder = inbox;
    row.message = cache_message_new(txn, nullptr, error);
    row.alive = TRUE;
    EXPECT_FALSE(cache_placement_put(txn, &row, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
}

TEST_F(CacheTest, FullTransactionsAreSyncedAndOthersAreNot)
{
    for (CacheMode mode : {CACHE_WRITE, CACHE_WRITE_FULL, CACHE_WRITE}) {
        Txn txn(cache, mode);
        g_auto(DbQuery) query = db_query(txn.txn->db, "PRAGMA synchronous");
        ASSERT_TRUE(db_next(&query));
        EXPECT_EQ(db_int(&query, 0), mode == CACHE_WRITE_FULL ? 2 : 1);
    }
}

/* ---- folders ------------------------------------------------------------------------------ */

TEST_F(CacheTest, InboxIsFoundInAnyCaseAndCannotBeDeletedOrRenamed)
{
    gint64 inbox = make_folder("inbox");
    Txn txn(cache, CACHE_WRITE_FULL);
    FolderPtr row(cache_folder_find(txn, "iNbOx", error), cache_folder_free);
    ASSERT_NE(row, nullptr);
    EXPECT_STREQ(row->name, "INBOX");
    EXPECT_EQ(row->role, CACHE_ROLE_INBOX);
    EXPECT_FALSE(cache_folder_delete(txn, inbox, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
    EXPECT_FALSE(cache_folder_rename(txn, inbox, "Elsewhere", error));
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
}

TEST_F(CacheTest, CreatingMakesTheLevelsAbove)
{
    make_folder("a/b/c");
    Txn txn(cache, CACHE_READ);
    FolderPtr above(cache_folder_find(txn, "a/b", error), cache_folder_free);
    ASSERT_NE(above, nullptr);
    EXPECT_FALSE(above->selectable);
    FolderPtr itself(cache_folder_find(txn, "a/b/c", error), cache_folder_free);
    EXPECT_TRUE(itself->selectable);
    EXPECT_EQ(itself->uidnext, 1u);
}

TEST_F(CacheTest, BadNamesAreRefused)
{
    make_folder("there");
    Txn txn(cache, CACHE_WRITE_FULL);
    for (std::string name : {"", "a//b", "/a", "a/", "a\nb", "\xff"}) {
        EXPECT_EQ(cache_folder_create(txn, name.c_str(), CACHE_ROLE_NONE, error), 0);
        EXPECT_EQ(error.code(), CACHE_ERROR_INVALID) << name;
    }
    std::string huge(5000, 'n');
    EXPECT_EQ(cache_folder_create(txn, huge.c_str(), CACHE_ROLE_NONE, error), 0);
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
    EXPECT_EQ(cache_folder_create(txn, "there", CACHE_ROLE_NONE, error), 0);
    EXPECT_EQ(error.code(), CACHE_ERROR_EXISTS);
}

TEST_F(CacheTest, RecreatedFolderGetsAHigherUidvalidity)
{
    gint64 first = make_folder("x");
    guint32 before;
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        before = FolderPtr(folder(txn, first), cache_folder_free)->uidvalidity;
        ASSERT_TRUE(cache_folder_delete(txn, first, error)) << error.text();
        txn.commit();
    }
    gint64 second = make_folder("x");
    Txn txn(cache, CACHE_READ);
    EXPECT_GT(FolderPtr(folder(txn, second), cache_folder_free)->uidvalidity, before);
    EXPECT_NE(first, second);
}

TEST_F(CacheTest, RebuiltDatabaseStartsAboveEveryUidvalidityShown)
{
    gint64 id = make_folder("x");
    guint32 before;
    {
        Txn txn(cache, CACHE_READ);
        before = FolderPtr(folder(txn, id), cache_folder_free)->uidvalidity;
    }
    EXPECT_GE(std::stoul(slurp(dir + "/uidvalidity")), before);
    close();
    for (const char *name : {"mail.db", "mail.db-wal", "mail.db-shm"})
        std::filesystem::remove(dir + "/" + name);
    std::ofstream(dir + "/uidvalidity") << before + 100000;
    open();
    id = make_folder("x");
    Txn txn(cache, CACHE_READ);
    EXPECT_GT(FolderPtr(folder(txn, id), cache_folder_free)->uidvalidity, before + 100000);
}

TEST_F(CacheTest, AFolderRenamedToAUsedNameGetsANewUidvalidity)
{
    gint64 a = make_folder("a"), b = make_folder("b");
    Txn txn(cache, CACHE_WRITE_FULL);
    guint32 of_a = FolderPtr(folder(txn, a), cache_folder_free)->uidvalidity;
    guint32 of_b = FolderPtr(folder(txn, b), cache_folder_free)->uidvalidity;
    ASSERT_TRUE(cache_folder_rename(txn, b, "c", error)) << error.text();
    EXPECT_EQ(FolderPtr(folder(txn, b), cache_folder_free)->uidvalidity, of_b);
    ASSERT_TRUE(cache_folder_rename(txn, a, "b", error)) << error.text();
    EXPECT_GT(FolderPtr(folder(txn, a), cache_folder_free)->uidvalidity, of_b);
    EXPECT_GT(of_b, of_a);
}

TEST_F(CacheTest, RenamingTakesChildrenAlongAndRefusesWhatCannotBe)
{
    gint64 top = make_folder("a"), child = make_folder("a/b");
    make_folder("ab");
    make_folder("taken/b");
    Txn txn(cache, CACHE_WRITE_FULL);
    EXPECT_FALSE(cache_folder_rename(txn, top, "a/b/c", error));
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
    EXPECT_FALSE(cache_folder_rename(txn, top, "ab", error));
    EXPECT_EQ(error.code(), CACHE_ERROR_EXISTS);
    EXPECT_FALSE(cache_folder_rename(txn, top, "taken", error));
    EXPECT_EQ(error.code(), CACHE_ERROR_EXISTS);
    ASSERT_TRUE(cache_folder_rename(txn, top, "deep/z", error)) << error.text();
    EXPECT_STREQ(FolderPtr(folder(txn, child), cache_folder_free)->name, "deep/z/b");
    FolderPtr deep(cache_folder_find(txn, "deep", error), cache_folder_free);
    EXPECT_NE(deep, nullptr);
    FolderPtr untouched(cache_folder_find(txn, "ab", error), cache_folder_free);
    EXPECT_NE(untouched, nullptr);
}

TEST_F(CacheTest, DeletingAFolderWithChildrenLeavesItsName)
{
    gint64 top = make_folder("a");
    make_folder("a/b");
    arrive_many(top, 3);
    guint32 before;
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        before = FolderPtr(folder(txn, top), cache_folder_free)->uidvalidity;
        ASSERT_TRUE(cache_folder_delete(txn, top, error)) << error.text();
        FolderPtr row(folder(txn, top), cache_folder_free);
        EXPECT_STREQ(row->name, "a");
        EXPECT_FALSE(row->selectable);
        EXPECT_EQ(row->exists, 0u);
        EXPECT_FALSE(cache_folder_delete(txn, top, error));
        EXPECT_EQ(error.code(), CACHE_ERROR_CHILDREN);
        txn.commit();
    }
    EXPECT_EQ(make_folder("a"), top);
    Txn txn(cache, CACHE_READ);
    EXPECT_GT(FolderPtr(folder(txn, top), cache_folder_free)->uidvalidity, before);
}

TEST_F(CacheTest, ADeletedFolderStaysWhileUpstreamHasItAndGoesWhenItHasNot)
{
    CacheFolder upstream = {};
    upstream.name = upstream.base_name = (char *)"Work";
    upstream.delimiter = '/';
    upstream.selectable = upstream.base_selectable = upstream.pushed = TRUE;
    Txn txn(cache, CACHE_WRITE_FULL);
    gint64 id = cache_folder_add(txn, &upstream, error);
    ASSERT_NE(id, 0) << error.text();
    CachePlacement row = arrive(txn, id, 5);
    ASSERT_TRUE(cache_folder_delete(txn, id, error)) << error.text();
    FolderPtr nameless(folder(txn, id), cache_folder_free);
    EXPECT_EQ(nameless->name, nullptr);
    EXPECT_STREQ(nameless->base_name, "Work");
    EXPECT_EQ(pending(txn, id), std::vector<guint32>{row.uid});
    g_clear_pointer(&nameless->base_name, g_free);
    ASSERT_TRUE(cache_folder_update(txn, nameless.get(), error)) << error.text();
    EXPECT_EQ(cache_folder_get(txn, id, error), nullptr);
    EXPECT_FALSE(cache_placement_get(txn, id, row.uid, &row, error));
}

TEST_F(CacheTest, AFolderWhoseNameIsTakenIsAddedToTheBaseOnly)
{
    make_folder("Same");
    CacheFolder upstream = {};
    upstream.name = upstream.base_name = (char *)"Same";
    upstream.delimiter = '/';
    Txn txn(cache, CACHE_WRITE_FULL);
    gint64 id = cache_folder_add(txn, &upstream, error);
    FolderPtr row(cache_folder_find_base(txn, "Same", error), cache_folder_free);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->id, id);
    EXPECT_EQ(row->name, nullptr);
    EXPECT_EQ(cache_folder_add(txn, &upstream, error), 0);
    EXPECT_EQ(error.code(), CACHE_ERROR_EXISTS);
}

TEST_F(CacheTest, EveryBaseFieldIsKept)
{
    gint64 id = make_folder("x");
    {
        Txn txn(cache, CACHE_WRITE);
        FolderPtr row(folder(txn, id), cache_folder_free);
        row->base_name = g_strdup("x");
        row->wire_name = g_strdup("&AOk-");
        row->remote_id = g_strdup("M123");
        row->base_selectable = TRUE;
        row->base_uidvalidity = 4000000000u;
        row->base_uidnext = 4000000001u;
        row->base_highestmodseq = G_MAXINT64;
        row->flag_mask = 7;
        row->keyword_mask = FALSE;
        row->synced = 123;
        ASSERT_TRUE(cache_folder_update(txn, row.get(), error)) << error.text();
        txn.commit();
    }
    reopen();
    Txn txn(cache, CACHE_READ);
    FolderPtr row(folder(txn, id), cache_folder_free);
    EXPECT_STREQ(row->wire_name, "&AOk-");
    EXPECT_STREQ(row->remote_id, "M123");
    EXPECT_TRUE(row->base_selectable);
    EXPECT_EQ(row->base_uidvalidity, 4000000000u);
    EXPECT_EQ(row->base_uidnext, 4000000001u);
    EXPECT_EQ(row->base_highestmodseq, (guint64)G_MAXINT64);
    EXPECT_EQ(row->flag_mask, 7u);
    EXPECT_FALSE(row->keyword_mask);
    EXPECT_EQ(row->synced, 123);
}

TEST_F(CacheTest, RecentIsTakenOnce)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 3);
    guint32 recent;
    Txn txn(cache, CACHE_WRITE);
    ASSERT_TRUE(cache_folder_take_recent(txn, inbox, &recent, error));
    EXPECT_EQ(recent, 1u);
    ASSERT_TRUE(cache_folder_take_recent(txn, inbox, &recent, error));
    EXPECT_EQ(recent, 4u);
}

TEST_F(CacheTest, SubscriptionsAreByNameInViewAndBase)
{
    Txn txn(cache, CACHE_WRITE_FULL);
    EXPECT_TRUE(cache_subscribe(txn, "no such folder", TRUE, error));
    EXPECT_TRUE(cache_subscribe_base(txn, "inbox", TRUE, error));
    EXPECT_TRUE(cache_subscribe(txn, "brief", TRUE, error));
    EXPECT_TRUE(cache_subscribe(txn, "brief", FALSE, error));
    GPtrArray *list = cache_subscriptions(txn, error);
    ASSERT_EQ(list->len, 2u);
    auto *first = (CacheSubscription *)list->pdata[0],
         *second = (CacheSubscription *)list->pdata[1];
    EXPECT_STREQ(first->name, "INBOX");
    EXPECT_TRUE(!first->view && first->base);
    EXPECT_STREQ(second->name, "no such folder");
    EXPECT_TRUE(second->view && !second->base);
    g_ptr_array_unref(list);
}

/* ---- keywords ----------------------------------------------------------------------------- */

TEST_F(CacheTest, KeywordSetsAreEqualExactlyWhenTheirNumbersAre)
{
    const char *one[] = {"$Forwarded", "Work", nullptr};
    const char *same[] = {"WORK", "$forwarded", "work", nullptr};
    const char *other[] = {"Work", nullptr};
    const char *bad[] = {"two words", nullptr};
    Txn txn(cache, CACHE_WRITE);
    guint32 set = cache_keywords_intern(txn, one, error);
    EXPECT_NE(set, 0u);
    EXPECT_EQ(cache_keywords_intern(txn, same, error), set);
    EXPECT_EQ(cache_keywords_intern(txn, nullptr, error), 0u);
    guint32 work = cache_keywords_intern(txn, other, error);
    EXPECT_NE(work, set);
    EXPECT_EQ(cache_keywords_intern(txn, bad, error), G_MAXUINT32);
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);

    const char *const *names = cache_keywords_names(cache, set);
    EXPECT_STREQ(names[0], "$Forwarded");
    EXPECT_STREQ(names[1], "Work");
    EXPECT_TRUE(cache_keywords_contains(cache, set, "wORK"));
    EXPECT_FALSE(cache_keywords_contains(cache, set, "wor"));
    guint32 rest = cache_keywords_subtract(txn, set, work, error);
    EXPECT_STREQ(cache_keywords_names(cache, rest)[0], "$Forwarded");
    EXPECT_EQ(cache_keywords_union(txn, rest, work, error), set);
    EXPECT_EQ(cache_keywords_subtract(txn, work, set, error), 0u);
}

std::string joined(const char *const *names)
{
    g_autofree char *text = g_strjoinv(" ", (char **)names);

    return text;
}

TEST_F(CacheTest, AProviderThatMakesUpKeywordsTakesNoRoomFromClients)
{
    Txn txn(cache, CACHE_WRITE);
    gboolean all;
    auto told = [&](std::vector<const char *> names) {
        names.push_back(nullptr);
        return cache_keywords_told(txn, names.data(), &all, error);
    };
    guint32 work = told({"Work"}), last = 0;
    EXPECT_TRUE(all);
    for (int i = 0; i < 100000 && all; i++)
        last = told({("Made" + std::to_string(i)).c_str()});
    EXPECT_FALSE(all);
    EXPECT_EQ(last, 0u) << "nothing of it was known";
    guint32 known = told({"Newest", "work"});
    EXPECT_FALSE(all);
    EXPECT_EQ(known, work) << "a part of it was";
    EXPECT_EQ(told({"WORK"}), work);
    EXPECT_TRUE(all);
    known = told({"Made1", "Made2", "Work"});
    EXPECT_FALSE(all);
    EXPECT_EQ(joined(cache_keywords_names(cache, known)), "Made1");

    const char *mine[] = {"Mine", nullptr};
    guint32 own = cache_keywords_intern(txn, mine, error);
    ASSERT_NE(own, G_MAXUINT32);
    guint32 both = cache_keywords_union(txn, own, work, error);
    ASSERT_NE(both, G_MAXUINT32);
    EXPECT_EQ(joined(cache_keywords_names(cache, both)), "Mine Work");
    EXPECT_EQ(cache_keywords_subtract(txn, both, own, error), work);
}

TEST_F(CacheTest, KeywordsAreBoundedInOctetsToo)
{
    Txn txn(cache, CACHE_WRITE);
    guint64 octets = 0;
    gboolean all = TRUE;

    for (int i = 0; i < 2000 && all; i++) {
        std::vector<std::string> names;
        std::vector<const char *> pointers;
        for (int k = 0; k < 500; k++)
            names.push_back(std::to_string(i * 500 + k) + std::string(240, 'x'));
        for (const auto &name : names)
            pointers.push_back(name.c_str());
        pointers.push_back(nullptr);
        cache_keywords_told(txn, pointers.data(), &all, error);
        octets += 500 * 240;
    }
    EXPECT_FALSE(all);
    EXPECT_LT(octets, 40u * 1024 * 1024);
}

TEST_F(CacheTest, SetsAreJoinedAndCutAsSetsAre)
{
    std::mt19937 random(1);
    Txn txn(cache, CACHE_WRITE);

    for (int round = 0; round < 500; round++) {
        std::set<std::string> sets[2], expected;
        guint32 numbers[2];
        for (int i = 0; i < 2; i++) {
            std::vector<const char *> names;
            for (unsigned n = random() % 9; n > 0; n--)
                sets[i].insert(std::string(1, (char)('a' + random() % 8)));
            for (const auto &name : sets[i])
                names.push_back(name.c_str());
            names.push_back(nullptr);
            numbers[i] = cache_keywords_intern(txn, names.data(), error);
        }
        auto members = [&](guint32 set) {
            std::set<std::string> found;
            for (const char *const *n = cache_keywords_names(cache, set); *n; n++)
                found.insert(*n);
            return found;
        };
        std::set_union(sets[0].begin(), sets[0].end(), sets[1].begin(), sets[1].end(),
                       std::inserter(expected, expected.end()));
        EXPECT_EQ(members(cache_keywords_union(txn, numbers[0], numbers[1], error)), expected);
        expected.clear();
        std::set_difference(sets[0].begin(), sets[0].end(), sets[1].begin(), sets[1].end(),
                            std::inserter(expected, expected.end()));
        EXPECT_EQ(members(cache_keywords_subtract(txn, numbers[0], numbers[1], error)), expected);
    }
}

TEST_F(CacheTest, ASetFromARolledBackTransactionCanStillBeUsed)
{
    gint64 inbox = make_folder("INBOX");
    const char *names[] = {"Later", nullptr};
    guint32 set;
    {
        Txn txn(cache, CACHE_WRITE);
        set = cache_keywords_intern(txn, names, error);
    }
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        arrive(txn, inbox, 1, {0, set});
        txn.commit();
    }
    reopen();
    Txn txn(cache, CACHE_READ);
    EXPECT_STREQ(cache_keywords_names(cache, placement(txn, inbox, 1).flags.keywords)[0], "Later");
    g_auto(GStrv) all = cache_folder_keywords(txn, inbox, error);
    EXPECT_STREQ(all[0], "Later");
    EXPECT_EQ(all[1], nullptr);
}

/* ---- placements --------------------------------------------------------------------------- */

TEST_F(CacheTest, UidsAscendAndAreNeverReused)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 3);
    const guint32 last = 3;
    Txn txn(cache, CACHE_WRITE_FULL);
    ASSERT_TRUE(cache_expunge(txn, inbox, &last, 1, TRUE, nullptr, error));
    CachePlacement dead = placement(txn, inbox, 3);
    dead.base = CACHE_BASE_NONE;
    ASSERT_TRUE(cache_placement_put(txn, &dead, error));
    ASSERT_TRUE(cache_placement_remove(txn, inbox, 3, error)) << error.text();
    EXPECT_EQ(arrive(txn, inbox, 500).uid, 4u);
    dead.alive = TRUE;
    dead.message = cache_message_new(txn, nullptr, error);
    EXPECT_FALSE(cache_placement_put(txn, &dead, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
    EXPECT_EQ(uids(txn, inbox), (std::vector<guint32>{1, 2, 4}));
}

TEST_F(CacheTest, BaseUidsAreUniqueWithinAFolder)
{
    gint64 inbox = make_folder("INBOX");
    Txn txn(cache, CACHE_WRITE_FULL);
    arrive(txn, inbox, 9);
    CachePlacement second = {};
    second.folder = inbox;
    second.message = cache_message_new(txn, nullptr, error);
    second.alive = TRUE;
    second.base = CACHE_BASE_PRESENT;
    second.base_uid = 9;
    EXPECT_FALSE(cache_placement_put(txn, &second, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_EXISTS);
    CachePlacement row;
    ASSERT_TRUE(cache_placement_by_base(txn, inbox, 9, &row, error));
    EXPECT_EQ(row.uid, 1u);
    EXPECT_FALSE(cache_placement_by_base(txn, inbox, 10, &row, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_NOT_FOUND);
}

TEST_F(CacheTest, PendingIsExactlyWhatDiffers)
{
    gint64 inbox = make_folder("INBOX");
    auto rows = arrive_many(inbox, 6);
    Txn txn(cache, CACHE_WRITE_FULL);
    EXPECT_TRUE(pending(txn, inbox).empty());
    rows[0].flags = SEEN;              /* other flags */
    rows[1].alive = FALSE;             /* dead, has a base */
    rows[2].base = CACHE_BASE_NONE;    /* alive, no base */
    rows[3].base = CACHE_BASE_UNKNOWN; /* alive, has a base */
    rows[4].alive = FALSE;
    rows[4].base = CACHE_BASE_NONE; /* dead, no base */
    rows[4].flags = SEEN;
    for (CachePlacement &row : rows)
        ASSERT_TRUE(cache_placement_put(txn, &row, error)) << error.text();
    EXPECT_EQ(pending(txn, inbox), (std::vector<guint32>{1, 2, 3}));
    EXPECT_EQ(pending(txn, 0), (std::vector<guint32>{1, 2, 3}));
    rows[0].base_flags = SEEN;
    ASSERT_TRUE(cache_placement_put(txn, &rows[0], error));
    EXPECT_EQ(pending(txn, inbox), (std::vector<guint32>{2, 3}));
}

TEST_F(CacheTest, LocalFoldersAreNeverPending)
{
    {
        Txn txn(cache, CACHE_WRITE);
        EXPECT_TRUE(cache_meta_set(txn, "new-folders", "local", error));
        txn.commit();
    }
    gint64 local = make_folder("Local");
    append(local, "\r\nx");
    Txn txn(cache, CACHE_READ);
    EXPECT_FALSE(FolderPtr(folder(txn, local), cache_folder_free)->pushed);
    EXPECT_TRUE(pending(txn, 0).empty());
}

TEST_F(CacheTest, IterationsMayWriteAndMayStop)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 1000);
    struct Context {
        CacheTxn *txn;
        guint count;
    };
    auto mark = [](const CachePlacement *row, gpointer data) -> gboolean {
        auto *context = (Context *)data;
        CachePlacement copy = *row;
        copy.flags.system |= CACHE_FLAGGED;
        context->count++;
        return cache_placement_put(context->txn, &copy, nullptr);
    };
    auto stop = [](const CachePlacement *row, gpointer data) -> gboolean {
        return ++((Context *)data)->count < 300;
    };
    Txn txn(cache, CACHE_WRITE_FULL);
    Context context = {txn, 0};
    ASSERT_TRUE(cache_placement_each(txn, inbox, 1, G_MAXUINT32, mark, &context, error));
    EXPECT_EQ(context.count, 1000u);
    EXPECT_EQ(pending(txn, inbox).size(), 1000u);
    context.count = 0;
    ASSERT_TRUE(cache_placement_each_pending(txn, 0, stop, &context, error));
    EXPECT_EQ(context.count, 300u);
    context.count = 0;
    ASSERT_TRUE(cache_placement_each_base(txn, inbox, 150, 160, mark, &context, error));
    EXPECT_EQ(context.count, 11u);
}

TEST_F(CacheTest, EveryPlaceOfAMessageIsFound)
{
    gint64 a = make_folder("a"), b = make_folder("b");
    Txn txn(cache, CACHE_WRITE_FULL);
    CachePlacement row = arrive(txn, b, 1);
    CachePlacement second = {};
    second.folder = a;
    second.message = row.message;
    second.alive = TRUE;
    ASSERT_TRUE(cache_placement_put(txn, &second, error));
    std::vector<gint64> folders;
    auto add = [](const CachePlacement *row, gpointer data) -> gboolean {
        ((std::vector<gint64> *)data)->push_back(row->folder);
        return TRUE;
    };
    ASSERT_TRUE(cache_placement_each_of(txn, row.message, add, &folders, error));
    EXPECT_EQ(folders, (std::vector<gint64>{a, b}));
}

TEST_F(CacheTest, ChangesSinceAModseqAreExact)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 20);
    guint64 since;
    {
        Txn txn(cache, CACHE_READ);
        since = FolderPtr(folder(txn, inbox), cache_folder_free)->highestmodseq;
    }
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
        const guint32 some[] = {12, 5}, other[] = {7, 3};
        ASSERT_TRUE(cache_store(txn, {inbox, some, 2}, {CACHE_FLAGS_ADD, SEEN, G_MAXUINT64}, done,
                                modified, error));
        ASSERT_TRUE(cache_expunge(txn, inbox, other, 2, TRUE, nullptr, error));
        arrive(txn, inbox, 900);
        txn.commit();
    }
    Txn txn(cache, CACHE_READ);
    GArray *changed, *expunged;
    ASSERT_TRUE(cache_changes(txn, inbox, since, &changed, &expunged, error)) << error.text();
    auto changes = vector_of<CacheChange>(changed);
    ASSERT_EQ(changes.size(), 3u);
    EXPECT_EQ(changes[0].uid, 5u);
    EXPECT_EQ(changes[0].flags.system, (guint32)CACHE_SEEN);
    EXPECT_GT(changes[0].modseq, since);
    EXPECT_EQ(changes[1].uid, 12u);
    EXPECT_EQ(changes[2].uid, 21u);
    EXPECT_EQ(vector_of<guint32>(expunged), (std::vector<guint32>{3, 7}));
    ASSERT_TRUE(cache_changes(txn, inbox, G_MAXUINT64, &changed, &expunged, error));
    EXPECT_TRUE(vector_of<CacheChange>(changed).empty());
    EXPECT_TRUE(vector_of<guint32>(expunged).empty());
}

TEST_F(CacheTest, AMessageThatCameBackIsNoLongerExpunged)
{
    gint64 inbox = make_folder("INBOX");
    auto rows = arrive_many(inbox, 2);
    for (bool alive : {false, true}) {
        Txn txn(cache, CACHE_WRITE_FULL);
        rows[0].alive = alive;
        ASSERT_TRUE(cache_placement_put(txn, &rows[0], error));
        txn.commit();
    }
    Txn txn(cache, CACHE_READ);
    GArray *changed, *expunged;
    ASSERT_TRUE(cache_changes(txn, inbox, 0, &changed, &expunged, error));
    EXPECT_EQ(vector_of<CacheChange>(changed).size(), 2u);
    EXPECT_TRUE(vector_of<guint32>(expunged).empty());
    EXPECT_EQ(uids(txn, inbox).size(), 2u);
}

/* As in a database that an older version left. */
TEST_F(CacheTest, BitsOfUidsAreMadeAnewWhereTheyAreMissing)
{
    gint64 inbox = make_folder("INBOX");
    guint32 first = 0;
    std::vector<guint32> live;
    arrive_many(inbox, 5000);
    {
        std::vector<guint32> gone;
        for (guint32 uid = 1; uid <= 5000; uid++)
            (uid % 3 ? live : gone).push_back(uid);
        g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_expunge(txn, inbox, gone.data(), gone.size(), TRUE, nullptr, error));
        ASSERT_TRUE(cache_store(txn, {inbox, live.data(), 3000},
                                {CACHE_FLAGS_ADD, {CACHE_SEEN, 0}, G_MAXUINT64}, done, nullptr,
                                error));
        EXPECT_EQ(uids(txn, inbox), live);
        txn.commit();
    }
    close();
    run_sql("DELETE FROM uid_bits WHERE id = (SELECT min(id) FROM uid_bits)");
    open();
    EXPECT_EQ(query_number("SELECT count(*) FROM uid_bits"), 2);
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(uids(txn, inbox), live);
    EXPECT_TRUE(cache_first_unseen(txn, inbox, &first, error));
    EXPECT_EQ(first, live[3000]);
}

TEST_F(CacheTest, UidsAreRightWhileTheirBitsAreNot)
{
    gint64 inbox = make_folder("INBOX");
    guint32 first = 99;
    arrive_many(inbox, 3);
    run_sql("UPDATE uid_bits SET alive = x'00'");
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(uids(txn, inbox), (std::vector<guint32>{1, 2, 3}));
    run_sql("UPDATE uid_bits SET unseen = x'00'");
    Txn later(cache, CACHE_READ);
    EXPECT_TRUE(cache_first_unseen(later, inbox, &first, error));
    EXPECT_EQ(first, 0u);
}

TEST_F(CacheTest, BelowTheFloorEveryUidThatIsNotThereIsExpunged)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 10);
    const guint32 gone[] = {2, 7};
    Txn txn(cache, CACHE_WRITE_FULL);
    ASSERT_TRUE(cache_expunge(txn, inbox, gone, 2, TRUE, nullptr, error));
    guint64 now = FolderPtr(folder(txn, inbox), cache_folder_free)->highestmodseq;
    txn.commit();
    close();
    run_sql(
        ("DELETE FROM tombstone; UPDATE folder SET modseq_floor = " + std::to_string(now)).c_str());
    open();
    Txn after(cache, CACHE_READ);
    GArray *changed, *expunged;
    ASSERT_TRUE(cache_changes(after, inbox, now - 1, &changed, &expunged, error));
    EXPECT_EQ(vector_of<guint32>(expunged), (std::vector<guint32>{2, 7}));
    g_array_unref(changed);
    EXPECT_EQ(uids(after, inbox).size(), 8u);
}

TEST_F(CacheTest, VeryManyExpungedUidsAreForgottenUpToAFloor)
{
    gint64 inbox = make_folder("INBOX");
    close();
    run_sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200001)"
            " INSERT INTO tombstone (folder, modseq, uid) SELECT 1, i, i FROM n;"
            "UPDATE folder SET uidnext = 200002, highestmodseq = 200001");
    open();
    EXPECT_EQ(query_number("SELECT count(*) FROM tombstone"), 100000);
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(FolderPtr(folder(txn, inbox), cache_folder_free)->modseq_floor, 100001u);
    GArray *expunged;
    ASSERT_TRUE(cache_changes(txn, inbox, 5, nullptr, &expunged, error));
    EXPECT_EQ(vector_of<guint32>(expunged).size(), 200001u);
}

TEST_F(CacheTest, MessagesAreFoundByRemoteIdAndMessageId)
{
    gint64 inbox = make_folder("INBOX");
    gint64 message, other;
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        message = arrive(txn, inbox, 1).message;
        other = arrive(txn, inbox, 2).message;
        EXPECT_TRUE(cache_message_set_remote_id(txn, message, "E1", error));
        txn.commit();
    }
    fill(message, "A: b\r\n\r\n1", "id@example");
    fill(other, "A: b\r\n\r\n2", "id@example");
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(cache_message_by_remote_id(txn, "E1", error), message);
    EXPECT_EQ(cache_message_by_remote_id(txn, "E2", error), 0);
    g_autofree char *id = cache_message_remote_id(txn, message);
    EXPECT_STREQ(id, "E1");
    EXPECT_EQ(vector_of<gint64>(cache_message_by_message_id(txn, "id@example", error)),
              (std::vector<gint64>{message, other}));
    EXPECT_TRUE(vector_of<gint64>(cache_message_by_message_id(txn, "id", error)).empty());
}

/* ---- content ------------------------------------------------------------------------------ */

std::string mail(gsize body, char fill = 'x')
{
    std::string text = "From: a@example\r\nSubject: s\r\n\r\n";
    for (gsize i = 0; i < body; i++)
        text += i % 70 == 69 ? '\n' : (char)(fill + (i * 7919) % 13);
    return text;
}

TEST_F(CacheTest, ContentComesBackByteForByte)
{
    gint64 inbox = make_folder("INBOX");
    const std::string cases[] = {"",
                                 "\r\n",
                                 "\n",
                                 "A: b",
                                 "A: b\r\n",
                                 "A: b\r\n\r\n",
                                 "A: b\n\nbody",
                                 "A: b\r\n\r\nbody\r\n",
                                 "\r\nbody",
                                 "\r\r\n\r\nx",
                                 std::string(300000, 'h'),
                                 std::string(262144, 'h') + "\r\n\r\nbody",
                                 std::string(262140, 'h') + "\r\n\r\n",
                                 std::string(262140, 'h') + "\r\n\r\nbody",
                                 mail(262144),
                                 mail(262145),
                                 mail(3000000)};
    for (const std::string &text : cases) {
        Txn reader(cache, CACHE_READ);
        guint32 uid = append(inbox, text);
        Txn txn(cache, CACHE_READ);
        CachePlacement row = placement(txn, inbox, uid);
        EXPECT_EQ(row.size, text.size());
        EXPECT_EQ(cache_content_state(txn, row.message), CACHE_CONTENT_FULL);
        EXPECT_EQ(cache_content_size(txn, row.message, error), text.size());
        EXPECT_TRUE(read(txn, row.message) == text) << text.substr(0, 20);
        gsize end = text.find("\r\n\r\n"), bare = text.find("\n\n");
        std::string header = end != std::string::npos    ? text.substr(0, end + 4)
                             : bare != std::string::npos ? text.substr(0, bare + 2)
                                                         : text;
        if (text == "\r\nbody")
            header = "\r\n";
        EXPECT_TRUE(string_of(cache_content_header(txn, row.message, error)) == header)
            << text.substr(0, 20);
    }
}

TEST_F(CacheTest, HeaderEndsAreFoundWhateverThePieces)
{
    gint64 inbox = make_folder("INBOX");
    const std::string text = "A: b\r\nC:\r\n\t\r\n d\r\n\r\nbody\r\n\r\nmore";
    for (gsize piece = 1; piece < text.size(); piece++) {
        CacheContentWriter *writer = writer_with(text, piece);
        CacheRendered how = rendered();
        Txn txn(cache, CACHE_WRITE_FULL);
        guint32 uid = cache_append(txn, inbox, writer, &how, {{}, 0, 0}, error);
        gint64 message = placement(txn, inbox, uid).message;
        EXPECT_EQ(string_of(cache_content_header(txn, message, error)),
                  "A: b\r\nC:\r\n\t\r\n d\r\n\r\n");
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
    }
}

TEST_F(CacheTest, AnyRangeOfAContentCanBeRead)
{
    gint64 inbox = make_folder("INBOX");
    const std::string text = mail(1000000);
    guint32 uid = append(inbox, text);
    Txn txn(cache, CACHE_READ);
    gint64 message = placement(txn, inbox, uid).message;
    for (gsize offset : {gsize(0), gsize(5), gsize(31), gsize(262143), gsize(262175), gsize(524000),
                         text.size() - 1, text.size(), text.size() + 10})
        for (gsize length :
             {gsize(0), gsize(1), gsize(40), gsize(262144), gsize(600000), (gsize)G_MAXSIZE}) {
            std::string expected = offset < text.size() ? text.substr(offset, length) : "";
            EXPECT_TRUE(read(txn, message, offset, length) == expected) << offset << " " << length;
        }
}

TEST_F(CacheTest, WhatIsNotHereIsNotFound)
{
    gint64 inbox = make_folder("INBOX");
    gint64 message = arrive_many(inbox, 1)[0].message;
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(cache_content_state(txn, message), CACHE_CONTENT_NONE);
    EXPECT_EQ(cache_content_read(txn, message, 0, 10, error), nullptr);
    EXPECT_EQ(error.code(), CACHE_ERROR_NOT_FOUND);
    EXPECT_EQ(cache_content_header(txn, message, error), nullptr);
    EXPECT_EQ(error.code(), CACHE_ERROR_NOT_FOUND);
    EXPECT_EQ(cache_content_size(txn, message, error), 0u);
    EXPECT_EQ(error.code(), CACHE_ERROR_NOT_FOUND);
}

TEST_F(CacheTest, HeaderFirstThenTheRest)
{
    gint64 inbox = make_folder("INBOX");
    gint64 message = arrive_many(inbox, 1)[0].message;
    const std::string text = "A: b\r\n\r\nbody";
    {
        g_autoptr(GBytes) header = g_bytes_new("A: b\r\n\r\n", 8);
        CacheRendered how = rendered();
        g_clear_pointer(&how.bodystructure, g_bytes_unref);
        Txn txn(cache, CACHE_WRITE);
        EXPECT_TRUE(cache_content_set_header(txn, message, header, &how, error)) << error.text();
        EXPECT_TRUE(cache_content_set_header(txn, message, header, &how, error));
        EXPECT_EQ(cache_content_state(txn, message), CACHE_CONTENT_HEADER);
        EXPECT_EQ(string_of(cache_content_header(txn, message, error)), "A: b\r\n\r\n");
        EXPECT_EQ(cache_content_read(txn, message, 0, 1, error), nullptr);
        EXPECT_EQ(placement(txn, inbox, 1).size, 100u) << "still upstream's hint";
        txn.commit();
        cache_rendered_clear(&how);
    }
    fill(message, text);
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(read(txn, message), text);
    EXPECT_EQ(placement(txn, inbox, 1).size, text.size());
}

TEST_F(CacheTest, WhatUpstreamCannotGiveIsCountedUntilItIsHereOrGone)
{
    gint64 inbox = make_folder("INBOX");
    auto rows = arrive_many(inbox, 3);
    auto counts = [&] {
        Txn txn(cache, CACHE_READ);
        FolderPtr row(folder(txn, inbox), cache_folder_free);
        return std::array<guint, 4>{row->failing, row->unread, row->unreadable, row->headless};
    };
    auto set = [&](const char *operation, guint32 uid) {
        CacheProblem problem = {};
        problem.operation = (char *)operation;
        problem.folder = inbox;
        problem.uid = uid;
        problem.text = (char *)"[SERVERBUG] no";
        Txn txn(cache, CACHE_WRITE);
        gint64 id = cache_problem_set(txn, &problem, error);
        EXPECT_NE(id, 0) << error.text();
        txn.commit();
        return id;
    };
    for (guint32 uid : {1, 2, 3, 3})
        set("fetch", uid);
    set("flags", 1);
    gint64 read = set("read", 4711), folder_read = set("read", 0);
    EXPECT_EQ(counts(), (std::array<guint, 4>{3, 1, 1, 3}));
    fill(rows[0].message, mail(1000));
    EXPECT_EQ(counts(), (std::array<guint, 4>{2, 1, 1, 2}));
    {
        const guint32 uid = 2;
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_expunge(txn, inbox, &uid, 1, TRUE, nullptr, error));
        ASSERT_TRUE(cache_problem_clear(txn, read, error));
        ASSERT_TRUE(cache_problem_clear(txn, folder_read, error));
        txn.commit();
    }
    EXPECT_EQ(counts(), (std::array<guint, 4>{1, 0, 0, 1}));
    Txn txn(cache, CACHE_READ);
    guint count;
    ASSERT_TRUE(cache_content_wanted_count(txn, inbox, CACHE_CONTENT_FULL, 0, &count, error));
    EXPECT_EQ(count, 1u);
    ASSERT_TRUE(cache_content_wanted_count(txn, inbox, CACHE_CONTENT_FULL, 5000, &count, error));
    EXPECT_EQ(count, 0u);
}

TEST_F(CacheTest, ArrivingContentCorrectsTheSizeWithoutAModseq)
{
    gint64 inbox = make_folder("INBOX");
    auto rows = arrive_many(inbox, 2);
    guint64 before, full, all;
    {
        Txn txn(cache, CACHE_READ);
        FolderPtr row(folder(txn, inbox), cache_folder_free);
        before = row->highestmodseq;
        EXPECT_EQ(row->size, 200u);
        EXPECT_EQ(row->missing, 2u);
    }
    fill(rows[0].message, mail(1000));
    fill(rows[0].message, mail(5)); /* it has its content already */
    Txn txn(cache, CACHE_READ);
    FolderPtr row(folder(txn, inbox), cache_folder_free);
    EXPECT_EQ(row->highestmodseq, before);
    EXPECT_EQ(row->size, 100 + mail(1000).size());
    EXPECT_EQ(row->missing, 1u);
    EXPECT_EQ(placement(txn, inbox, 1).modseq, rows[0].modseq);
    ASSERT_TRUE(cache_content_counts(txn, &full, &all, error));
    EXPECT_EQ(full, 1u);
    EXPECT_EQ(all, 2u);
}

std::string noise(gsize size)
{
    std::string bytes = "\r\n";
    for (guint seed = 1; bytes.size() < size; seed = seed * 1103515245 + 12345)
        bytes += (char)(seed >> 16);
    return bytes;
}

TEST_F(CacheTest, SameBytesAreStoredOnceAndGoWithTheirLastMessage)
{
    gint64 inbox = make_folder("INBOX");
    const char *contents = "SELECT count(*) FROM content WHERE refs > 0";
    for (gsize size : {100, 3000000}) { /* the larger ones are staged */
        const std::string text = noise(size);
        guint32 first = append(inbox, text), second = append(inbox, text);
        EXPECT_EQ(query_number(contents), 1);
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_expunge(txn, inbox, &first, 1, TRUE, nullptr, error));
        EXPECT_TRUE(read(txn, placement(txn, inbox, second).message) == text);
        ASSERT_TRUE(cache_expunge(txn, inbox, &second, 1, TRUE, nullptr, error));
        txn.commit();
        arrive_many(make_folder(std::to_string(size).c_str()), 1); /* any write clears up */
        EXPECT_EQ(query_number("SELECT count(*) FROM content_part"), 0);
    }
}

TEST_F(CacheTest, AnUnfinishedContentIsDropped)
{
    make_folder("INBOX");
    cache_content_writer_free(writer_with(noise(4000000)));
    EXPECT_GT(query_number("SELECT count(*) FROM content_part"), 0);
    make_folder("any write clears up");
    EXPECT_EQ(query_number("SELECT count(*) FROM content_part"), 0);
    EXPECT_EQ(query_number("SELECT count(*) FROM content"), 0);

    CacheContentWriter *writer = writer_with(noise(4000000));
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        CacheRendered how = rendered();
        EXPECT_NE(cache_append(txn, 1, writer, &how, {{}, 0, 0}, error), 0u);
        cache_rendered_clear(&how);
    } /* rolled back */
    cache_content_writer_free(writer);
    reopen();
    make_folder("another write");
    EXPECT_EQ(query_number("SELECT count(*) FROM content_part"), 0);
}

TEST_F(CacheTest, FetchGivesWhatIsAskedForLiveMessagesOnly)
{
    gint64 inbox = make_folder("INBOX");
    auto rows = arrive_many(inbox, 100);
    fill(rows[4].message, "A: b\r\n\r\nbody");
    {
        const guint32 gone[] = {3, 50};
        Txn txn(cache, CACHE_WRITE_FULL);
        EXPECT_TRUE(cache_message_set_remote_id(txn, rows[4].message, "E5", error));
        ASSERT_TRUE(cache_expunge(txn, inbox, gone, 2, TRUE, nullptr, error));
        txn.commit();
    }
    std::vector<guint32> seen;
    auto look = [](const CacheFetchRow *row, gpointer data) -> gboolean {
        guint32 uid = row->placement->uid;
        ((std::vector<guint32> *)data)->push_back(uid);
        EXPECT_EQ(row->state, uid == 5 ? CACHE_CONTENT_FULL : CACHE_CONTENT_NONE);
        EXPECT_EQ(row->envelope == nullptr, uid != 5);
        if (uid == 5) {
            EXPECT_EQ(std::string(row->envelope, row->envelope_length), "(ENVELOPE)");
            EXPECT_EQ(std::string(row->bodystructure, row->bodystructure_length), "(BODY)");
            EXPECT_EQ(row->structure_length, 2u);
            EXPECT_EQ(std::string(row->header, row->header_length), "A: b\r\n\r\n");
            EXPECT_STREQ(row->remote_id, "E5");
            EXPECT_EQ(row->sent, 77);
            EXPECT_EQ(row->sent_zone, -60);
        }
        return uid != 99;
    };
    Txn txn(cache, CACHE_READ);
    const guint32 wanted[] = {2, 3, 4, 5, 40, 50, 51, 90, 99, 100, 200};
    ASSERT_TRUE(cache_fetch(txn, {inbox, wanted, G_N_ELEMENTS(wanted)}, 63, look, &seen, error));
    EXPECT_EQ(seen, (std::vector<guint32>{2, 4, 5, 40, 51, 90, 99}));
}

TEST_F(CacheTest, WantedIsNewestFirstOfOneFolder)
{
    gint64 a = make_folder("a"), b = make_folder("b");
    auto in_a = arrive_many(a, 10), in_b = arrive_many(b, 20);
    fill(in_b[19].message, mail(10));
    {
        g_autoptr(GBytes) header = g_bytes_new("\r\n", 2);
        CacheRendered how = rendered();
        Txn txn(cache, CACHE_WRITE);
        ASSERT_TRUE(cache_content_set_header(txn, in_b[18].message, header, &how, error));
        txn.commit();
        cache_rendered_clear(&how);
    }
    append(b, mail(20)); /* is all here, and not upstream */
    Txn txn(cache, CACHE_READ);
    auto bodies =
        vector_of<CacheWanted>(cache_content_wanted(txn, 0, CACHE_CONTENT_FULL, 0, 3, error));
    ASSERT_EQ(bodies.size(), 3u);
    EXPECT_EQ(bodies[0].message, in_b[18].message);
    EXPECT_EQ(bodies[0].state, CACHE_CONTENT_HEADER);
    EXPECT_EQ(bodies[1].message, in_b[17].message);
    EXPECT_EQ(bodies[1].base_uid, in_b[17].base_uid);
    auto headers = vector_of<CacheWanted>(
        cache_content_wanted(txn, b, CACHE_CONTENT_HEADER, 1016, 100, error));
    ASSERT_EQ(headers.size(), 2u);
    EXPECT_EQ(headers[0].message, in_b[17].message);
    EXPECT_EQ(headers[1].message, in_b[16].message);
    EXPECT_EQ(
        vector_of<CacheWanted>(cache_content_wanted(txn, a, CACHE_CONTENT_FULL, 0, 100, error))
            .size(),
        10u);
}

/* ---- what clients do ---------------------------------------------------------------------- */

struct Stored {
    std::vector<CacheChange> done;
    std::vector<guint32> modified;
};

TEST_F(CacheTest, StoreSetsAddsAndRemoves)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 3);
    const guint32 all[] = {1, 2, 3, 77};
    auto store = [&](CacheFlagsMode mode, CacheFlags flags, guint64 since) {
        Txn txn(cache, CACHE_WRITE_FULL);
        GArray *done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        GArray *modified = g_array_new(FALSE, FALSE, sizeof(guint32));
        EXPECT_TRUE(cache_store(txn, {inbox, all, 4}, {mode, flags, since}, done, modified, error));
        txn.commit();
        return Stored{vector_of<CacheChange>(done), vector_of<guint32>(modified)};
    };
    guint32 work;
    {
        const char *names[] = {"Work", nullptr};
        Txn txn(cache, CACHE_WRITE);
        work = cache_keywords_intern(txn, names, error);
        txn.commit();
    }
    auto added = store(CACHE_FLAGS_ADD, {CACHE_SEEN, work}, G_MAXUINT64);
    ASSERT_EQ(added.done.size(), 3u);
    EXPECT_EQ(added.done[0].flags.keywords, work);
    auto again = store(CACHE_FLAGS_ADD, {CACHE_SEEN, work}, G_MAXUINT64);
    ASSERT_EQ(again.done.size(), 3u);
    EXPECT_EQ(again.done[0].modseq, added.done[0].modseq) << "nothing changed";
    auto removed = store(CACHE_FLAGS_REMOVE, {0, work}, G_MAXUINT64);
    EXPECT_EQ(removed.done[0].flags.keywords, 0u);
    EXPECT_EQ(removed.done[0].flags.system, (guint32)CACHE_SEEN);
    auto refused = store(CACHE_FLAGS_SET, {CACHE_DRAFT, 0}, added.done[0].modseq);
    EXPECT_TRUE(refused.done.empty());
    EXPECT_EQ(refused.modified, (std::vector<guint32>{1, 2, 3}));
    auto set = store(CACHE_FLAGS_SET, {CACHE_DELETED, 0}, removed.done[0].modseq);
    EXPECT_EQ(set.done[2].flags.system, (guint32)CACHE_DELETED);
    Txn txn(cache, CACHE_READ);
    FolderPtr row(folder(txn, inbox), cache_folder_free);
    EXPECT_EQ(row->unseen, 3u);
    EXPECT_EQ(row->deleted, 3u);
}

TEST_F(CacheTest, UndoingAChangeLeavesNothingPending)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 1);
    const guint32 uid = 1;
    for (CacheFlagsMode mode : {CACHE_FLAGS_ADD, CACHE_FLAGS_REMOVE}) {
        g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        g_autoptr(GArray) modified = g_array_new(FALSE, FALSE, sizeof(guint32));
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(
            cache_store(txn, {inbox, &uid, 1}, {mode, SEEN, G_MAXUINT64}, done, modified, error));
        EXPECT_EQ(pending(txn, 0).size(), mode == CACHE_FLAGS_ADD ? 1u : 0u);
        txn.commit();
    }
}

TEST_F(CacheTest, ExpungeTakesTheDeletedOnesUnlessForced)
{
    gint64 inbox = make_folder("INBOX");
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        arrive(txn, inbox, 1, {CACHE_DELETED, 0});
        arrive(txn, inbox, 2);
        txn.commit();
    }
    const guint32 both[] = {1, 2};
    g_autoptr(GArray) gone = g_array_new(FALSE, FALSE, sizeof(guint32));
    Txn txn(cache, CACHE_WRITE_FULL);
    ASSERT_TRUE(cache_expunge(txn, inbox, both, 2, FALSE, gone, error));
    ASSERT_EQ(gone->len, 1u);
    EXPECT_EQ(uids(txn, inbox), std::vector<guint32>{2});
    EXPECT_EQ(pending(txn, inbox), std::vector<guint32>{1});
    ASSERT_TRUE(cache_expunge(txn, inbox, both, 2, TRUE, gone, error));
    EXPECT_TRUE(uids(txn, inbox).empty());
}

struct Copied {
    std::vector<guint32> from, to;
};

TEST_F(CacheTest, CopiesAndMovesKeepContentFlagsAndDate)
{
    gint64 a = make_folder("a"), b = make_folder("b"), c = make_folder("c");
    auto rows = arrive_many(a, 3);
    auto copy = [&](gint64 source, std::vector<guint32> which, gint64 target, gboolean move) {
        Txn txn(cache, CACHE_WRITE_FULL);
        GArray *from = g_array_new(FALSE, FALSE, sizeof(guint32));
        GArray *to = g_array_new(FALSE, FALSE, sizeof(guint32));
        EXPECT_TRUE(
            cache_copy(txn, {source, which.data(), which.size()}, target, move, from, to, error))
            << error.text();
        txn.commit();
        return Copied{vector_of<guint32>(from), vector_of<guint32>(to)};
    };
    auto copied = copy(a, {2, 3, 9}, b, FALSE);
    EXPECT_EQ(copied.from, (std::vector<guint32>{2, 3}));
    EXPECT_EQ(copied.to, (std::vector<guint32>{1, 2}));
    auto moved = copy(a, {1}, b, TRUE);
    EXPECT_EQ(moved.to, std::vector<guint32>{3});
    copy(b, {3}, c, TRUE);
    {
        Txn txn(cache, CACHE_READ);
        CachePlacement row = placement(txn, b, 2);
        EXPECT_EQ(row.message, rows[2].message);
        EXPECT_EQ(row.date, rows[2].date);
        EXPECT_EQ(row.from_folder, 0);
        row = placement(txn, c, 1);
        EXPECT_EQ(row.message, rows[0].message);
        EXPECT_EQ(row.from_folder, a) << "a to b to c is one move";
        EXPECT_EQ(row.from_uid, 1u);
        EXPECT_FALSE(cache_placement_get(txn, b, 3, &row, error)) << "a stop nobody needs";
        EXPECT_FALSE(placement(txn, a, 1).alive);
    }
    auto within = copy(a, {2}, a, TRUE);
    EXPECT_EQ(within.to, std::vector<guint32>{4});
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(uids(txn, a), (std::vector<guint32>{3, 4}));
}

TEST_F(CacheTest, InSetLikeStoresAMessageIsInAFolderOnce)
{
    gint64 a = make_folder("a"), b = make_folder("b");
    arrive_many(a, 1);
    const guint32 uid = 1;
    Txn txn(cache, CACHE_WRITE_FULL);
    ASSERT_TRUE(cache_meta_set(txn, "set-like", "1", error));
    for (int i = 0; i < 2; i++) {
        g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(guint32));
        ASSERT_TRUE(cache_copy(txn, {a, &uid, 1}, b, FALSE, from, to, error));
        ASSERT_EQ(to->len, 1u);
        EXPECT_EQ(g_array_index(to, guint32, 0), 1u);
    }
}

TEST_F(CacheTest, InSetLikeStoresFlagsAreTheMessagesButForDeleted)
{
    gint64 a = make_folder("a"), b = make_folder("b");
    guint32 plain;
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_set_set_like(txn, TRUE, error));
        CachePlacement row = arrive(txn, a, 5, {CACHE_DRAFT, 0});
        CachePlacement other = row;
        const char *names[] = {"Other", nullptr}, *more[] = {"Mine", nullptr};
        other.folder = b;
        other.uid = 0;
        other.flags.system |= CACHE_DELETED | CACHE_ANSWERED;
        other.flags.keywords = plain = cache_keywords_intern(txn, names, error);
        ASSERT_TRUE(cache_placement_put(txn, &other, error));
        guint32 mine = cache_keywords_intern(txn, more, error), uid = 1;
        g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        ASSERT_TRUE(cache_store(txn, {a, &uid, 1},
                                {CACHE_FLAGS_SET, {CACHE_SEEN, mine}, G_MAXUINT64}, done, nullptr,
                                error));
        txn.commit();
    }
    Txn txn(cache, CACHE_READ);
    CachePlacement row = placement(txn, b, 1);
    EXPECT_EQ(row.flags.system, (guint32)(CACHE_SEEN | CACHE_DELETED | CACHE_ANSWERED))
        << "what wasn't changed stays";
    EXPECT_EQ(row.modseq, placement(txn, a, 1).modseq);
    EXPECT_TRUE(cache_keywords_contains(cache, row.flags.keywords, "Mine"));
    EXPECT_TRUE(cache_keywords_contains(cache, row.flags.keywords, "Other"));
    EXPECT_NE(row.flags.keywords, plain);
    EXPECT_EQ(pending(txn, b), std::vector<guint32>{1});
}

TEST_F(CacheTest, InSetLikeStoresALabelIsNewsInTheMessagesOtherFolders)
{
    gint64 a = make_folder("a"), b = make_folder("b"), all = make_folder("all", CACHE_ROLE_ALL);
    CachePlacement row;
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_set_set_like(txn, TRUE, error));
        row = arrive(txn, a, 5);
        txn.commit();
    }
    auto modseq_in = [&](gint64 folder) {
        Txn txn(cache, CACHE_READ);
        return placement(txn, folder, 1).modseq;
    };
    auto put_into = [&](gint64 folder) {
        Txn txn(cache, CACHE_WRITE_FULL);
        CachePlacement copy = row;
        copy.folder = folder;
        copy.uid = 0;
        EXPECT_TRUE(cache_placement_put(txn, &copy, error)) << error.text();
        txn.commit();
    };
    guint64 before = modseq_in(a);
    put_into(all);
    EXPECT_EQ(modseq_in(a), before) << "all mail is no label";
    put_into(b);
    guint64 labelled = modseq_in(a);
    EXPECT_GT(labelled, before);
    EXPECT_EQ(modseq_in(all), labelled);
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        EXPECT_EQ(FolderPtr(folder(txn, a), cache_folder_free)->highestmodseq, labelled);
        ASSERT_TRUE(cache_folder_delete(txn, b, error)) << error.text();
        txn.commit();
    }
    EXPECT_GT(modseq_in(a), labelled);
    EXPECT_GT(modseq_in(all), labelled);
}

TEST_F(CacheTest, MessagesThatTurnOutToBeOneAreTheOlder)
{
    gint64 a = make_folder("a"), all = make_folder("all", CACHE_ROLE_ALL);
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_set_set_like(txn, TRUE, error));
        txn.commit();
    }
    append(a, mail(1));
    gint64 appended;
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        EXPECT_EQ(vector_of<CacheNameless>(cache_messages_nameless(txn, 10, error)).size(), 0u)
            << "it isn't upstream";
        CachePlacement row = placement(txn, a, 1);
        appended = row.message;
        row.base = CACHE_BASE_PRESENT;
        row.base_uid = 9;
        ASSERT_TRUE(cache_placement_put(txn, &row, error));
        auto nameless = vector_of<CacheNameless>(cache_messages_nameless(txn, 10, error));
        ASSERT_EQ(nameless.size(), 1u);
        EXPECT_EQ(nameless[0].message, appended);
        EXPECT_EQ(nameless[0].folder, a);
        EXPECT_EQ(nameless[0].base_uid, 9u);
        CachePlacement other = arrive(txn, all, 3);
        ASSERT_NE(other.message, appended);
        ASSERT_TRUE(cache_message_name(txn, other.message, "gm:7", 70, error));
        ASSERT_TRUE(cache_message_name(txn, appended, "gm:7", 70, error)) << error.text();
        txn.commit();
    }
    reopen();
    EXPECT_EQ(query_number("SELECT count(*) FROM message"), 1);
    EXPECT_EQ(query_number("SELECT count(*) FROM message_thread"), 1);
    EXPECT_EQ(query_number("SELECT count(*) FROM message_nameless"), 0);
    Txn txn(cache, CACHE_WRITE_FULL);
    EXPECT_EQ(placement(txn, all, 1).message, appended);
    EXPECT_EQ(read(txn, placement(txn, all, 1).message), mail(1));
    EXPECT_EQ(cache_message_by_remote_id(txn, "gm:7", error), appended);
    EXPECT_EQ(cache_message_thread(txn, appended), 70u);
    EXPECT_EQ(vector_of<gint64>(cache_thread_messages(txn, 70, error)),
              std::vector<gint64>{appended});
    EXPECT_EQ(vector_of<gint64>(cache_message_folders(txn, appended, error)),
              (std::vector<gint64>{a, all}));
    ASSERT_TRUE(cache_message_unname(txn, appended, error));
    EXPECT_EQ(vector_of<CacheNameless>(cache_messages_nameless(txn, 10, error)).size(), 1u);
    ASSERT_TRUE(cache_set_set_like(txn, FALSE, error));
    EXPECT_EQ(vector_of<CacheNameless>(cache_messages_nameless(txn, 10, error)).size(), 0u);
}

/* ---- attempts and problems ---------------------------------------------------------------- */

TEST_F(CacheTest, APlacementUnderAnAttemptIsNotForgotten)
{
    gint64 inbox = make_folder("INBOX");
    append(inbox, mail(10));
    CacheAttempt attempt = {};
    attempt.kind = CACHE_ATTEMPT_APPEND;
    attempt.target = inbox;
    attempt.uidnext = 7;
    attempt.items = g_array_new(FALSE, TRUE, sizeof(CacheAttemptItem));
    CacheAttemptItem item = {inbox, 1};
    g_array_append_val(attempt.items, item);
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_attempt_open(txn, &attempt, error)) << error.text();
        txn.commit();
    }
    reopen();
    const guint32 uid = 1;
    Txn txn(cache, CACHE_WRITE_FULL);
    ASSERT_TRUE(cache_expunge(txn, inbox, &uid, 1, TRUE, nullptr, error));
    EXPECT_FALSE(placement(txn, inbox, 1).alive);
    EXPECT_FALSE(cache_placement_remove(txn, inbox, 1, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_INVALID);
    GPtrArray *open = cache_attempt_list(txn, error);
    ASSERT_EQ(open->len, 1u);
    auto *found = (CacheAttempt *)open->pdata[0];
    EXPECT_EQ(found->uidnext, 7u);
    ASSERT_EQ(found->items->len, 1u);
    EXPECT_EQ(g_array_index(found->items, CacheAttemptItem, 0).uid, 1u);
    ASSERT_TRUE(cache_attempt_close(txn, found->id, error));
    g_ptr_array_unref(open);
    EXPECT_TRUE(cache_placement_remove(txn, inbox, 1, error)) << error.text();
    EXPECT_FALSE(cache_attempt_open(txn, &attempt, error)) << "what is gone must not go out";
    g_array_unref(attempt.items);
}

TEST_F(CacheTest, ProblemsAreReplacedByWhatTheyAreAbout)
{
    CacheProblem problem = {};
    problem.operation = (char *)"append";
    problem.folder = 1;
    problem.uid = 2;
    problem.text = (char *)"[OVERQUOTA] no room";
    problem.since = 5;
    Txn txn(cache, CACHE_WRITE);
    gint64 id = cache_problem_set(txn, &problem, error);
    ASSERT_NE(id, 0) << error.text();
    problem.text = (char *)"still no room";
    EXPECT_EQ(cache_problem_set(txn, &problem, error), id);
    GPtrArray *list = cache_problem_list(txn, error);
    ASSERT_EQ(list->len, 1u);
    EXPECT_STREQ(((CacheProblem *)list->pdata[0])->text, "still no room");
    g_ptr_array_unref(list);
    EXPECT_TRUE(cache_problem_clear(txn, id, error));
    problem.uid = 3;
    EXPECT_GT(cache_problem_set(txn, &problem, error), id) << "numbers are never reused";
}

/* ---- notices ------------------------------------------------------------------------------ */

bool told(int fd)
{
    guint64 count;
    return ::read(fd, &count, sizeof count) == sizeof count;
}

TEST_F(CacheTest, WatchersHearOfCommitsThatChangeWhatTheyWatch)
{
    gint64 a = make_folder("a"), b = make_folder("b");
    int fd_a = eventfd(0, EFD_NONBLOCK), fd_any = eventfd(0, EFD_NONBLOCK),
        fd_pending = eventfd(0, EFD_NONBLOCK);
    CacheWatch *watch_a = cache_watch_view(cache, a, fd_a);
    CacheWatch *watch_any = cache_watch_view(cache, 0, fd_any);
    CacheWatch *watch_pending = cache_watch_pending(cache, fd_pending);

    auto rows = arrive_many(b, 1);
    EXPECT_TRUE(!told(fd_a) && told(fd_any) && !told(fd_pending));
    arrive_many(a, 1);
    EXPECT_TRUE(told(fd_a) && told(fd_any) && !told(fd_pending));
    append(a, mail(10));
    EXPECT_TRUE(told(fd_a) && told(fd_any) && told(fd_pending));
    fill(rows[0].message, mail(10));
    EXPECT_TRUE(!told(fd_a) && !told(fd_any) && !told(fd_pending));
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        arrive(txn, a, 900);
    }
    EXPECT_TRUE(!told(fd_a) && !told(fd_any)) << "it was rolled back";
    make_folder("c");
    EXPECT_TRUE(!told(fd_a) && told(fd_any) && told(fd_pending));
    cache_unwatch(watch_a);
    append(a, mail(20));
    EXPECT_TRUE(!told(fd_a) && told(fd_any));

    cache_unwatch(watch_any);
    cache_unwatch(watch_pending);
    for (int fd : {fd_a, fd_any, fd_pending})
        ::close(fd);
}

} // namespace
