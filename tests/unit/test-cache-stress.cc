/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache under what a day can bring: kills at any moment, many threads, full disks, damage. */
#include "cache-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <thread>

extern "C" {
#include "cache/problem.h"
#include "cache/repair.h"
#include "cache/subscription.h"
}

namespace
{

using CacheStress = CacheTest;

std::string text_of(guint number)
{
    return "X-Number: " + std::to_string(number) + "\r\n\r\n" + std::string(number % 3000, 'b');
}

/* ---- kills -------------------------------------------------------------------------------- */

struct Promise {
    guint32 uid, number, uidvalidity;
    guint64 modseq;
};

class CacheKill : public CacheTest
{
  protected:
    /* What a daemon does all day; each promise is made after its commit has returned. */
    void work(int promises, guint number)
    {
        Cache *mine = cache_open(dir.c_str(), nullptr, nullptr);
        std::thread bodies([&] { add_bodies(mine); });
        for (;; number++) {
            std::string text = text_of(number);
            CacheContentWriter *writer = cache_content_writer_new(mine);
            cache_content_writer_add(writer, text.data(), text.size(), nullptr);
            cache_content_writer_end(writer);
            CacheRendered how = rendered();
            CacheTxn *txn = cache_begin(mine, CACHE_WRITE_FULL, nullptr);
            Promise promise = {};
            promise.number = number;
            promise.uid = cache_append(txn, 1, writer, &how, {{}, 5, 0}, nullptr);
            FolderPtr row(cache_folder_get(txn, 1, nullptr), cache_folder_free);
            promise.modseq = row->highestmodseq;
            if (number % 10 == 0) {
                std::string name = "f" + std::to_string(number);
                gint64 made = cache_folder_create(txn, name.c_str(), CACHE_ROLE_NONE, nullptr);
                FolderPtr folder(cache_folder_get(txn, made, nullptr), cache_folder_free);
                promise.uidvalidity = folder->uidvalidity;
            }
            if (cache_commit(txn, nullptr) &&
                write(promises, &promise, sizeof promise) != sizeof promise)
                break;
            cache_rendered_clear(&how);
            cache_content_writer_free(writer);
        }
        _exit(0);
    }
    void add_bodies(Cache *mine)
    {
        std::string large = std::string(2000000, 'x');
        for (gsize i = 0; i < large.size(); i++)
            large[i] = (char)(i * 7919 >> 3);
        for (guint i = 0;; i++) {
            CacheContentWriter *writer = cache_content_writer_new(mine);
            for (guint n = 0; n < 1 + i % 3; n++)
                cache_content_writer_add(writer, large.data(), large.size(), nullptr);
            cache_content_writer_free(writer);
        }
    }
    std::vector<Promise> run_and_kill(guint number, guint after)
    {
        int pipe_fds[2];
        std::vector<Promise> promises;
        EXPECT_EQ(pipe(pipe_fds), 0);
        pid_t child = fork();
        if (child == 0) {
            ::close(pipe_fds[0]);
            work(pipe_fds[1], number);
        }
        ::close(pipe_fds[1]);
        usleep(after);
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        Promise promise;
        while (::read(pipe_fds[0], &promise, sizeof promise) == sizeof promise)
            promises.push_back(promise);
        ::close(pipe_fds[0]);
        return promises;
    }
};

TEST_F(CacheKill, WhatWasCommittedIsThereAndNoUidIsReused)
{
    gint64 inbox = make_folder("INBOX");
    std::map<guint32, guint> promised; /* UID to text */
    guint64 modseq = 0;
    guint32 uidvalidity = 0;
    ASSERT_EQ(inbox, 1);
    for (guint round = 0; round < 15 || (promised.empty() && round < 300); round++) {
        close();
        auto promises = run_and_kill(round * 100000, 3000 + round * 9000);
        open();
        Txn txn(cache, CACHE_READ);
        for (Promise &promise : promises) {
            ASSERT_EQ(promised.count(promise.uid), 0u) << "a UID was given twice";
            promised[promise.uid] = promise.number;
            ASSERT_GT(promise.modseq, modseq) << "a mod-sequence was given twice";
            modseq = promise.modseq;
            if (promise.uidvalidity) {
                ASSERT_GT(promise.uidvalidity, uidvalidity);
                uidvalidity = promise.uidvalidity;
            }
        }
        for (auto &[uid, number] : promised)
            ASSERT_TRUE(read(txn, placement(txn, inbox, uid).message) == text_of(number));
        FolderPtr row(folder(txn, inbox), cache_folder_free);
        ASSERT_EQ(row->exists, uids(txn, inbox).size());
        ASSERT_GE(row->highestmodseq, modseq);
    }
    EXPECT_GT(promised.size(), 0u);
    make_folder("any write clears up");
    reopen();
    make_folder("once more");
    EXPECT_EQ(query_number("SELECT count(*) FROM content WHERE refs = 0"), 0);
    EXPECT_EQ(query_number("SELECT count(*) FROM pragma_integrity_check WHERE"
                           " integrity_check <> 'ok'"),
              0);
}

/* ---- threads ------------------------------------------------------------------------------ */

class CacheThreads : public CacheTest
{
  protected:
    static constexpr guint COUNT = 300;
    std::atomic<bool> stop{false};
    std::atomic<guint> reads{0};

    void read_on(gint64 id)
    {
        while (!stop) {
            Txn txn(cache, CACHE_READ);
            FolderPtr row(cache_folder_get(txn, id, nullptr), cache_folder_free);
            GArray *uids = cache_uids(txn, id, nullptr);
            guint seen = 0;
            auto look = [](const CacheFetchRow *row, gpointer data) -> gboolean {
                ++*(guint *)data;
                return row->header_length > 0 || row->state == CACHE_CONTENT_NONE;
            };
            cache_fetch(txn, {id, (guint32 *)uids->data, uids->len},
                        CACHE_FETCH_ENVELOPE | CACHE_FETCH_HEADER, look, &seen, nullptr);
            /* One snapshot: what is counted, listed and read agrees. */
            EXPECT_EQ(row->exists, uids->len);
            EXPECT_EQ(row->exists, seen);
            g_array_unref(uids);
            reads++;
        }
    }
    void store_on(gint64 id)
    {
        const char *names[] = {"Busy", nullptr};
        for (guint i = 0; !stop; i++) {
            const guint32 uid = 1 + i % COUNT;
            GArray *done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
            GArray *modified = g_array_new(FALSE, FALSE, sizeof(guint32));
            Txn txn(cache, CACHE_WRITE_FULL);
            guint32 busy = cache_keywords_intern(txn, names, nullptr);
            EXPECT_TRUE(cache_store(txn, {id, &uid, 1},
                                    {i / COUNT % 2 ? CACHE_FLAGS_REMOVE : CACHE_FLAGS_ADD,
                                     {CACHE_FLAGGED, busy},
                                     G_MAXUINT64},
                                    done, modified, nullptr));
            if (i % 7 == 0) {
                EXPECT_TRUE(cache_expunge(txn, id, &uid, 1, TRUE, nullptr, nullptr));
            }
            EXPECT_TRUE(cache_commit(std::exchange(txn.txn, nullptr), nullptr));
            g_array_unref(done);
            g_array_unref(modified);
        }
    }
    void add_bodies(const std::vector<CachePlacement> &rows)
    {
        for (auto &row : rows) {
            if (stop)
                break;
            std::string text = text_of(row.uid * 100);
            CacheContentWriter *writer = cache_content_writer_new(cache);
            EXPECT_TRUE(cache_content_writer_add(writer, text.data(), text.size(), nullptr));
            cache_content_writer_end(writer);
            CacheRendered how = rendered();
            Txn txn(cache, CACHE_WRITE);
            EXPECT_TRUE(cache_content_writer_finish(writer, txn, row.message, &how, nullptr));
            EXPECT_TRUE(cache_commit(std::exchange(txn.txn, nullptr), nullptr));
            cache_rendered_clear(&how);
            cache_content_writer_free(writer);
        }
    }
    void watch_on(gint64 id)
    {
        int fd = eventfd(0, EFD_NONBLOCK);
        while (!stop) {
            CacheWatch *watch = cache_watch_view(cache, id, fd);
            pollfd poll_fd = {fd, POLLIN, 0};
            guint64 count;
            if (poll(&poll_fd, 1, 50) > 0) {
                EXPECT_EQ(::read(fd, &count, sizeof count), (ssize_t)sizeof count);
            }
            cache_unwatch(watch);
        }
        ::close(fd);
    }
};

TEST_F(CacheThreads, ReadersSeeOneSnapshotWhileWritersWrite)
{
    gint64 inbox = make_folder("INBOX");
    auto rows = arrive_many(inbox, COUNT);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&] { read_on(inbox); });
    threads.emplace_back([&] { store_on(inbox); });
    threads.emplace_back([&] { watch_on(inbox); });
    std::thread bodies([&] { add_bodies(rows); });
    bodies.join();
    while (reads < 100)
        usleep(1000);
    stop = true;
    for (auto &thread : threads)
        thread.join();
}

TEST_F(CacheThreads, MoreReadersThanConnectionsWaitForEachOther)
{
    gint64 inbox = make_folder("INBOX");
    arrive_many(inbox, 10);
    std::vector<std::thread> threads;
    std::atomic<guint> done{0};
    for (int i = 0; i < 60; i++)
        threads.emplace_back([&] {
            Txn txn(cache, CACHE_READ);
            GArray *uids = cache_uids(txn, inbox, nullptr);
            EXPECT_EQ(uids->len, 10u);
            g_array_unref(uids);
            usleep(3000);
            done++;
        });
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(done, 60u);
}

/* ---- full disks --------------------------------------------------------------------------- */

/* The disk as this process sees it ends at some size of a file. */
struct FullDisk {
    rlimit before;
    explicit FullDisk(guint64 limit)
    {
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        rlimit less = before;
        less.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &less);
    }
    ~FullDisk()
    {
        setrlimit(RLIMIT_FSIZE, &before);
    }
};

TEST_F(CacheStress, AFullDiskRefusesWritesKeepsWhatThereIsAndGoesOnAfterwards)
{
    gint64 inbox = make_folder("INBOX");
    guint32 uid = append(inbox, text_of(1));
    std::string noise = "\r\n";
    for (guint seed = 1; noise.size() < 900000; seed = seed * 1103515245 + 12345)
        noise += (char)(seed >> 16);
    {
        FullDisk full(cache_disk_size(cache) + 100000);
        CacheContentWriter *writer = writer_with(noise);
        CacheRendered how = rendered();
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, error);
        ASSERT_NE(txn, nullptr) << error.text();
        bool appended = cache_append(txn, inbox, writer, &how, {{}, 0, 0}, error) != 0;
        EXPECT_FALSE(cache_commit(txn, appended ? (GError **)error : nullptr));
        EXPECT_EQ(error.code(), CACHE_ERROR_FULL) << error.text();
        EXPECT_NE(error.text().find(dir), std::string::npos) << error.text();
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
        Txn reader(cache, CACHE_READ);
        EXPECT_EQ(read(reader, placement(reader, inbox, uid).message), text_of(1));
    }
    EXPECT_EQ(append(inbox, noise), uid + 1);
    Txn txn(cache, CACHE_READ);
    EXPECT_EQ(uids(txn, inbox).size(), 2u);
    EXPECT_EQ(FolderPtr(folder(txn, inbox), cache_folder_free)->exists, 2u);
}

TEST_F(CacheStress, LargeContentsOnAFullDiskFailWhileTheyAreTakenIn)
{
    std::string noise = "\r\n";
    for (guint seed = 1; noise.size() < 5000000; seed = seed * 1103515245 + 12345)
        noise += (char)(seed >> 16);
    make_folder("INBOX");
    FullDisk full(cache_disk_size(cache) + 100000);
    CacheContentWriter *writer = cache_content_writer_new(cache);
    EXPECT_FALSE(cache_content_writer_add(writer, noise.data(), noise.size(), error));
    EXPECT_EQ(error.code(), CACHE_ERROR_FULL) << error.text();
    cache_content_writer_free(writer);
}

TEST_F(CacheStress, UidvaliditiesAreNotGivenWhileTheirFloorCannotBeWritten)
{
    gint64 id = 0;
    {
        FullDisk full(0);
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        id = cache_folder_create(txn, "INBOX", CACHE_ROLE_NONE, error);
        EXPECT_EQ(error.code(), CACHE_ERROR_FULL) << error.text();
        cache_end(txn);
    }
    EXPECT_EQ(id, 0);
    EXPECT_NE(make_folder("INBOX"), 0);
}

/* ---- damage ------------------------------------------------------------------------------- */

class CacheDamage : public CacheTest
{
  protected:
    static constexpr guint UPSTREAM = 400, LOCAL = 40;
    std::map<guint32, std::string> local; /* by UID */

    /* Messages that upstream has, and some that exist only here. */
    gint64 fill_cache()
    {
        const char *names[] = {"Work", nullptr};
        gint64 inbox = make_folder("INBOX");
        auto rows = arrive_many(inbox, UPSTREAM);
        for (guint i = 0; i < 100; i++)
            fill(rows[i].message, text_of(i * 31));
        for (guint i = 0; i < LOCAL; i++) {
            std::string text = text_of(i * 77);
            local[append(inbox, text, {CACHE_FLAGGED, 0})] = text;
        }
        Txn txn(cache, CACHE_WRITE_FULL);
        CachePlacement row = placement(txn, inbox, 7);
        row.flags.keywords = cache_keywords_intern(txn, names, error);
        EXPECT_TRUE(cache_placement_put(txn, &row, error));
        EXPECT_TRUE(cache_subscribe(txn, "INBOX", TRUE, error));
        const guint32 gone[] = {9, 10};
        EXPECT_TRUE(cache_expunge(txn, inbox, gone, 2, TRUE, nullptr, error));
        CacheProblem problem = {};
        problem.operation = (char *)"append";
        problem.folder = inbox;
        problem.uid = UPSTREAM + 1;
        problem.text = (char *)"[LIMIT] no";
        EXPECT_NE(cache_problem_set(txn, &problem, error), 0);
        CacheAttempt attempt = {};
        attempt.kind = CACHE_ATTEMPT_APPEND;
        attempt.target = inbox;
        attempt.uidnext = 900;
        attempt.items = g_array_new(FALSE, TRUE, sizeof(CacheAttemptItem));
        CacheAttemptItem item = {inbox, UPSTREAM + 2};
        g_array_append_val(attempt.items, item);
        EXPECT_TRUE(cache_attempt_open(txn, &attempt, error));
        txn.commit();
        g_array_unref(attempt.items);
        return inbox;
    }
    /* Moves the closed database away; what it is called now. */
    std::string set_aside()
    {
        std::filesystem::rename(dir + "/mail.db", dir + "/old.db");
        return dir + "/old.db";
    }
};

TEST_F(CacheDamage, ASoundCacheChecksAndAnOpenOneIsNotRebuilt)
{
    CacheSalvage result;
    fill_cache();
    EXPECT_TRUE(cache_check(cache, nullptr, error)) << error.text();
    EXPECT_FALSE(cache_rebuild(dir.c_str(), nullptr, &result, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_LOCKED);
}

/* What this process has read from files so far, in octets. */
static long octets_read()
{
    std::ifstream file("/proc/self/io");
    std::string word;
    long octets = 0;
    file >> word >> octets;
    return octets;
}

TEST_F(CacheDamage, ACheckOfALargeCacheEndsAfterAFewPagesWhenItIsCancelled)
{
    constexpr long LARGE = 32L << 20;
    fill_cache();
    close();
    sqlite3 *db = nullptr;
    ASSERT_EQ(sqlite3_open((dir + "/mail.db").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(
                  db,
                  "CREATE TABLE large (octets); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT"
                  " i + 1 FROM n WHERE i < 4096) INSERT INTO large SELECT randomblob(8192) FROM n;"
                  "PRAGMA wal_checkpoint (TRUNCATE)",
                  nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
    open();
    int asked = 0;
    CacheProgress progress = {
        nullptr, [](gpointer data) -> gboolean { return ++*(int *)data > 100; }, &asked};
    long before = octets_read();
    EXPECT_FALSE(cache_check(cache, &progress, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_CANCELLED) << error.text();
    EXPECT_LT(octets_read() - before, LARGE / 4);
    /* Nothing is thought to be damaged, and the next one is whole. */
    before = octets_read();
    EXPECT_TRUE(cache_check(cache, nullptr, error)) << error.text();
    EXPECT_GE(octets_read() - before, LARGE);
    EXPECT_FALSE(cache_is_damaged(cache));
}

TEST_F(CacheDamage, WhatExistsOnlyHereIsCarriedOverUnderTheSameUids)
{
    gint64 inbox = fill_cache();
    guint32 uidvalidity, uidnext;
    guint64 modseq;
    std::vector<guint32> live, differing;
    {
        Txn txn(cache, CACHE_READ);
        FolderPtr row(folder(txn, inbox), cache_folder_free);
        uidvalidity = row->uidvalidity;
        uidnext = row->uidnext;
        modseq = row->highestmodseq;
        live = uids(txn, inbox);
        differing = pending(txn, inbox);
    }
    close();
    std::string path = set_aside();
    open();
    CacheSalvage result;
    ASSERT_TRUE(cache_salvage(cache, path.c_str(), nullptr, &result, error)) << error.text();
    EXPECT_TRUE(result.whole);
    EXPECT_EQ(result.folders, 1u);
    EXPECT_EQ(result.placements, UPSTREAM + LOCAL);
    EXPECT_EQ(result.contents, LOCAL);
    EXPECT_EQ(result.lost, 0u);

    Txn txn(cache, CACHE_WRITE_FULL);
    FolderPtr row(cache_folder_find(txn, "INBOX", error), cache_folder_free);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->uidvalidity, uidvalidity);
    EXPECT_EQ(row->uidnext, uidnext);
    EXPECT_GT(row->highestmodseq, modseq);
    EXPECT_EQ(row->synced, 0);
    EXPECT_EQ(uids(txn, row->id), live);
    EXPECT_EQ(pending(txn, row->id), differing);
    for (auto &[uid, text] : local)
        EXPECT_TRUE(read(txn, placement(txn, row->id, uid).message) == text);
    EXPECT_EQ(placement(txn, row->id, 5).base_uid, 104u);
    EXPECT_TRUE(cache_keywords_contains(cache, placement(txn, row->id, 7).flags.keywords, "work"));
    GPtrArray *attempts = cache_attempt_list(txn, error);
    ASSERT_EQ(attempts->len, 1u);
    EXPECT_EQ(((CacheAttempt *)attempts->pdata[0])->items->len, 1u);
    GPtrArray *problems = cache_problem_list(txn, error);
    EXPECT_EQ(problems->len, 1u);
    GPtrArray *subscriptions = cache_subscriptions(txn, error);
    EXPECT_EQ(subscriptions->len, 1u);
    for (GPtrArray *list : {attempts, problems, subscriptions})
        g_ptr_array_unref(list);

    /* What was expunged before is known to be gone. */
    GArray *changed, *expunged;
    ASSERT_TRUE(cache_changes(txn, row->id, modseq, &changed, &expunged, error));
    EXPECT_EQ(vector_of<guint32>(expunged), (std::vector<guint32>{9, 10}));
    g_array_unref(changed);
    EXPECT_FALSE(cache_salvage(cache, path.c_str(), nullptr, &result, error))
        << "it is not new any more";
}

TEST_F(CacheDamage, WhateverIsDamagedNothingWrongIsCarriedOver)
{
    const char *seed_text = g_getenv("POSTERN_SEED");
    guint seed = seed_text ? atoi(seed_text) : std::random_device()();
    SCOPED_TRACE("POSTERN_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    fill_cache();
    close();
    const std::string sound = [&] {
        std::ifstream file(dir + "/mail.db");
        return std::string(std::istreambuf_iterator<char>(file), {});
    }();
    guint carried = 0;
    for (guint round = 0; round < 40; round++) {
        std::string bytes = sound;
        for (guint i = 0; i <= round % 4; i++) { /* pages of nonsense, or single bytes */
            gsize at = 4096 + random() % (bytes.size() - 8192);
            gsize length = round % 2 ? 1 + random() % 4 : 4096;
            for (gsize j = 0; j < length; j++)
                bytes[at + j] = (char)random();
        }
        for (auto &entry : std::filesystem::directory_iterator(dir))
            std::filesystem::remove_all(entry);
        std::string path = dir + "/old.db";
        std::ofstream(path) << bytes;
        open();
        CacheSalvage result;
        if (cache_salvage(cache, path.c_str(), nullptr, &result, error)) {
            Txn txn(cache, CACHE_READ);
            FolderPtr row(cache_folder_find(txn, "INBOX", nullptr), cache_folder_free);
            carried += result.contents;
            for (auto &[uid, text] : local) {
                CachePlacement found;
                if (row && cache_placement_get(txn, row->id, uid, &found, nullptr) &&
                    cache_content_state(txn, found.message) == CACHE_CONTENT_FULL) {
                    EXPECT_EQ(read(txn, found.message).size(), found.size);
                    EXPECT_EQ(read(txn, found.message).compare(0, 10, "X-Number: "), 0);
                }
            }
            EXPECT_TRUE(cache_check(cache, nullptr, error)) << error.text();
        } else {
            EXPECT_EQ(error.code(), CACHE_ERROR_CORRUPT) << error.text();
        }
        close();
    }
    EXPECT_GT(carried, 20 * LOCAL) << "most damage costs little";
    open();
}

TEST_F(CacheDamage, DamageThatShowsWhileReadingIsReportedAndEndsNothing)
{
    gint64 inbox = fill_cache();
    close();
    {
        std::fstream file(dir + "/mail.db", std::ios::in | std::ios::out | std::ios::binary);
        std::string nonsense(4096, '\xa5');
        file.seekg(0, std::ios::end);
        gint64 size = file.tellg();
        for (gint64 at = 4096 * 40; at + 4096 <= size; at += 4096) {
            file.seekp(at);
            file.write(nonsense.data(), nonsense.size());
        }
    }
    cache = cache_open(dir.c_str(), nullptr, error);
    if (!cache) {
        EXPECT_EQ(error.code(), CACHE_ERROR_CORRUPT) << error.text();
        std::filesystem::remove(dir + "/mail.db");
        open();
        return;
    }
    EXPECT_FALSE(cache_check(cache, nullptr, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_CORRUPT) << error.text();
    guint damaged = 0;
    Txn txn(cache, CACHE_READ);
    for (guint32 uid = 1; uid <= UPSTREAM + LOCAL; uid++) {
        CachePlacement row;
        g_autoptr(GError) failure = NULL;
        g_autoptr(GBytes) bytes = NULL;
        if (cache_placement_get(txn, inbox, uid, &row, &failure))
            bytes = cache_content_read(txn, row.message, 0, 100, &failure);
        damaged += failure && failure->code == CACHE_ERROR_CORRUPT;
    }
    EXPECT_GT(damaged, 0u);
}

} // namespace
