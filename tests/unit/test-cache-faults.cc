/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What changes a cache's files as a whole (a rebuild, a migration, a purge) is broken off at every step: the
 * process is killed, or the disk is full from there on. A step is a call to the system that changes
 * the disk; this program puts itself between SQLite, GLib and the system to count them.
 */
#include "cache-fixture.h"

extern "C" {
#include "cache/maildrop.h"
#include "cache/queue/queue.h"
#include "cache/repair.h"
#include "cache/schema.h"
#include "daemon/account/purge.h"
#include "daemon/account/rebuild.h"
}

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <random>

/* ---- steps -------------------------------------------------------------------------------- */

namespace
{
enum Fault { NONE, KILLED, FULL };
Fault fault = NONE;
long left; /* steps until it happens */
constexpr int KILLED_STATUS = 77;

/* Counts one; TRUE: the disk is full. */
bool step(bool grows)
{
    if (fault == NONE || left-- > 0)
        return false;
    if (fault == KILLED)
        _exit(KILLED_STATUS);
    return grows;
}

template <typename F> F next_of(const char *name)
{
    return (F)dlsym(RTLD_NEXT, name);
}

int no_room()
{
    errno = ENOSPC;
    return -1;
}
} // namespace

/* With 64 bits for offsets, as all are built that matter here: open() is the symbol open64. */
extern "C" {
ssize_t write(int fd, const void *data, size_t length)
{
    static auto real = next_of<ssize_t (*)(int, const void *, size_t)>("write");
    return fd > 2 && step(true) ? no_room() : real(fd, data, length);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at)
{
    static auto real = next_of<ssize_t (*)(int, const void *, size_t, off_t)>("pwrite64");
    return step(true) ? no_room() : real(fd, data, length, at);
}
int ftruncate(int fd, off_t size) noexcept
{
    static auto real = next_of<int (*)(int, off_t)>("ftruncate64");
    return step(size > 0) ? no_room() : real(fd, size);
}
int fsync(int fd)
{
    static auto real = next_of<int (*)(int)>("fsync");
    step(false);
    return real(fd);
}
int fdatasync(int fd)
{
    static auto real = next_of<int (*)(int)>("fdatasync");
    step(false);
    return real(fd);
}
int unlink(const char *path) noexcept
{
    static auto real = next_of<int (*)(const char *)>("unlink");
    step(false);
    return real(path);
}
int rmdir(const char *path) noexcept
{
    static auto real = next_of<int (*)(const char *)>("rmdir");
    step(false);
    return real(path);
}
int mkdir(const char *path, mode_t mode) noexcept
{
    static auto real = next_of<int (*)(const char *, mode_t)>("mkdir");
    if (access(path, F_OK) != 0 && step(true))
        return no_room();
    return real(path, mode);
}
int rename(const char *from, const char *to) noexcept
{
    static auto real = next_of<int (*)(const char *, const char *)>("rename");
    step(false);
    return real(from, to);
}
int renameat(int from_fd, const char *from, int to_fd, const char *to) noexcept
{
    static auto real = next_of<int (*)(int, const char *, int, const char *)>("renameat");
    step(false);
    return real(from_fd, from, to_fd, to);
}
int open(const char *path, int flags, ...)
{
    static auto real = next_of<int (*)(const char *, int, ...)>("open64");
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    bool makes = flags & O_CREAT ? access(path, F_OK) != 0 : (flags & O_TMPFILE) == O_TMPFILE;
    if (makes && step(true))
        return no_room();
    return real(path, flags, mode);
}
}

/* There is no secret service here. */
extern "C" void secrets_forget(const char *)
{
}

/* ---- the tests ---------------------------------------------------------------------------- */

class CacheFaults : public CacheTest
{
  protected:
    std::string sound; /* a copy of the directory as it is to begin with */
    std::map<guint32, std::string> drafts, moved;
    gint64 inbox = 0, archive = 0;
    std::vector<guint32> inbox_uids, archive_uids, inbox_pending, archive_pending;
    guint32 uidvalidity = 0, archive_uidvalidity = 0;
    bool vanished_too = true;

    const char *parent_dir() override
    {
        /* Thousands of fsync(), none of which matters here. */
        return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir();
    }
    void SetUp() override
    {
        CacheTest::SetUp();
        inbox = make_folder("INBOX");
        archive = make_folder("Archive");
        auto rows = arrive_many(inbox, 30);
        for (guint i = 0; i < 10; i++)
            fill(rows[i].message, text(i));
        for (guint i = 0; i < 6; i++) {
            std::string draft = text(100 + i) + std::string(i * 20000, 'x');
            drafts[append(inbox, draft, {CACHE_DRAFT, 0})] = draft;
        }
        move_some();
        vanish(inbox, 5);
        remember();
        close();
        sound = dir + ".sound";
        std::filesystem::copy(dir, sound, std::filesystem::copy_options::recursive);
    }
    void TearDown() override
    {
        CacheTest::TearDown();
        std::filesystem::remove_all(sound);
    }
    static std::string text(guint number)
    {
        return "Subject: " + std::to_string(number) + "\r\n\r\nbody " + std::to_string(number);
    }
    /* Two messages that upstream has are moved, which it doesn't know yet. */
    void move_some()
    {
        const guint32 which[] = {3, 4};
        g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(guint32));
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_copy(txn, {inbox, which, 2}, archive, TRUE, from, to, error));
        for (guint i = 0; i < to->len; i++)
            moved[g_array_index(to, guint32, i)] = text(which[i] - 1);
        txn.commit();
    }
    void remember()
    {
        Txn txn(cache, CACHE_READ);
        FolderPtr row(folder(txn, inbox), cache_folder_free);
        FolderPtr other(folder(txn, archive), cache_folder_free);
        uidvalidity = row->uidvalidity;
        archive_uidvalidity = other->uidvalidity;
        inbox_uids = uids(txn, inbox);
        archive_uids = uids(txn, archive);
        inbox_pending = pending(txn, inbox);
        archive_pending = pending(txn, archive);
    }
    void restore()
    {
        std::filesystem::remove_all(dir);
        std::filesystem::copy(sound, dir, std::filesystem::copy_options::recursive);
        /* The copy has another place on the disk; it isn't to be taken for a restored one. */
        std::filesystem::remove(dir + "/mail.db.generation");
        run_sql("DELETE FROM meta WHERE key = 'origin'");
    }
    /* As an account's start does it. */
    gboolean start()
    {
        g_autofree char *notice = nullptr;
        g_autoptr(Cache) opened = rebuild_open(dir.c_str(), nullptr, &notice, error);
        return opened != nullptr;
    }
    /* Starts in a process of its own, with the fault after `steps`; whether it happened. */
    bool start_with(Fault how, long steps)
    {
        pid_t child = fork();
        if (child == 0) {
            fault = how;
            left = steps;
            gboolean started = start();
            fault = NONE;
            if (!started && error.code() != CACHE_ERROR_FULL)
                fprintf(stderr, "step %ld: %s\n", steps, error.text().c_str());
            _exit(started && left >= 0 ? 0 : started || error.code() == CACHE_ERROR_FULL ? 1 : 2);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status)) << "step " << steps;
        int code = WEXITSTATUS(status);
        EXPECT_TRUE(code == 0 || code == 1 || code == KILLED_STATUS) << code << " at " << steps;
        return code != 0;
    }
    void expect_all(gint64 &seen_inbox)
    {
        Txn txn(cache, CACHE_READ);
        FolderPtr row(cache_folder_find(txn, "INBOX", error), cache_folder_free);
        FolderPtr other(cache_folder_find(txn, "Archive", error), cache_folder_free);
        ASSERT_NE(row, nullptr) << error.text();
        ASSERT_NE(other, nullptr) << error.text();
        seen_inbox = row->id;
        EXPECT_EQ(row->uidvalidity, uidvalidity);
        EXPECT_EQ(other->uidvalidity, archive_uidvalidity);
        EXPECT_EQ(uids(txn, row->id), inbox_uids);
        EXPECT_EQ(uids(txn, other->id), archive_uids);
        EXPECT_EQ(pending(txn, row->id), inbox_pending);
        EXPECT_EQ(pending(txn, other->id), archive_pending);
        for (auto &[uid, bytes] : drafts)
            EXPECT_TRUE(read(txn, placement(txn, row->id, uid).message) == bytes) << uid;
        for (auto &[uid, bytes] : moved)
            EXPECT_EQ(read(txn, placement(txn, other->id, uid).message), bytes) << uid;
        CacheVanished vanished;
        if (!vanished_too)
            return;
        EXPECT_TRUE(cache_vanished_get(txn, row->id, 5, &vanished));
        EXPECT_EQ(read(txn, placement(txn, row->id, 5).message), text(4));
        EXPECT_TRUE(vanished.alive);
    }
    /* After the fault the next start has everything; a new message gets a UID of its own. */
    void expect_sound()
    {
        g_autofree char *notice = nullptr;
        cache = rebuild_open(dir.c_str(), nullptr, &notice, error);
        ASSERT_NE(cache, nullptr) << error.text();
        EXPECT_FALSE(cache_was_copied(cache));
        gint64 again = 0;
        expect_all(again);
        EXPECT_GT(append(again, "\r\nnew"), inbox_uids.back());
        close();
        for (const char *name : {"/damaged", "/mail.db.rebuilding", "/mail.db.rebuilt"})
            EXPECT_FALSE(std::filesystem::exists(dir + name)) << name;
    }
    /* At each step (each fifth, but in long runs), until the start comes through without it. */
    void break_off(Fault how, const std::function<void()> &prepare, long least)
    {
        const long stride = g_getenv("POSTERN_LONG") ? 1 : 5;
        long steps = (long)(std::random_device()() % stride);
        for (bool happened = true; happened && !HasFailure(); steps += stride) {
            SCOPED_TRACE("step " + std::to_string(steps));
            restore();
            prepare();
            happened = start_with(how, steps);
            expect_sound();
        }
        EXPECT_GT(steps, least) << "so many steps it has at least";
    }
    void mark_damaged()
    {
        std::ofstream(dir + "/damaged").flush();
    }
    /* As an older version left it. */
    void make_old()
    {
        run_sql(BEFORE_VERSION_11 "ALTER TABLE folder DROP COLUMN rights; DELETE FROM uid_bits;"
                                  "PRAGMA user_version = 5");
    }
};

TEST_F(CacheFaults, ARebuildThatIsKilledAtAnyStepLosesNothing)
{
    break_off(
        KILLED, [this] { mark_damaged(); }, 50);
}

TEST_F(CacheFaults, ARebuildForWhichTheDiskIsTooSmallAtAnyStepLosesNothing)
{
    break_off(
        FULL, [this] { mark_damaged(); }, 50);
}

TEST_F(CacheFaults, WhatHasVanishedIsKnownAsItWasInACacheThatIsMadeAnew)
{
    restore();
    mark_damaged();
    CacheSalvage result;
    ASSERT_TRUE(cache_rebuild(dir.c_str(), nullptr, &result, error)) << error.text();
    open();
    Txn txn(cache, CACHE_READ);
    FolderPtr row(cache_folder_find(txn, "INBOX", error), cache_folder_free);
    CacheVanished vanished;
    ASSERT_TRUE(cache_vanished_get(txn, row->id, 5, &vanished));
    EXPECT_EQ(vanished.uidvalidity, 7u);
    EXPECT_EQ(vanished.base_uid, 104u);
    EXPECT_EQ(vanished.since, 1000);
    EXPECT_FALSE(vanished.told);
}

/* What came from a POP3 maildrop doesn't come again, unless it is lost here. */
TEST_F(CacheFaults, WhatIsKnownOfAMaildropIsCarriedOverButForWhatIsLost)
{
    const guint32 kept = drafts.begin()->first, lost = std::next(drafts.begin())->first;
    restore();
    open();
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        for (guint32 uid : {kept, lost, 4000u}) { /* the last one is in INBOX no more */
            CacheDrop drop = {};
            g_autofree char *uidl = g_strdup_printf("uidl %u", uid);
            drop.uidl = uidl;
            drop.known_digest = TRUE;
            memset(drop.digest, (int)uid, sizeof drop.digest);
            drop.size = uid;
            drop.state = CACHE_DROP_HERE;
            drop.listed = TRUE;
            drop.since = 1000;
            drop.uid = uid;
            ASSERT_TRUE(cache_drop_put(txn, &drop, error)) << error.text();
        }
        txn.commit();
    }
    close();
    const std::string sql = "DELETE FROM content_part WHERE id >> 20 = (SELECT content"
                            " FROM message m, placement p WHERE p.message = m.id AND p.folder = 1"
                            " AND p.uid = " +
                            std::to_string(lost) + ")";
    run_sql(sql.c_str());
    mark_damaged();
    CacheSalvage result;
    ASSERT_TRUE(cache_rebuild(dir.c_str(), nullptr, &result, error)) << error.text();
    open();
    Txn txn(cache, CACHE_READ);
    g_autoptr(GPtrArray) drops = cache_drop_list(txn, error);
    ASSERT_EQ(drops->len, 2u);
    for (guint i = 0; i < 2; i++) {
        const CacheDrop *drop = (const CacheDrop *)drops->pdata[i];
        EXPECT_EQ(drop->uid, i == 0 ? kept : 4000u);
        EXPECT_EQ(drop->id, i == 0 ? 1 : 3);
        EXPECT_EQ(drop->uidl, "uidl " + std::to_string(drop->uid));
        EXPECT_EQ(drop->digest[31], (guint8)drop->uid);
        EXPECT_EQ(drop->since, 1000);
        EXPECT_TRUE(drop->listed);
    }
}

TEST_F(CacheFaults, ADamagedCacheOfAnOlderVersionIsRebuilt)
{
    restore();
    vanished_too = false; /* it didn't say which these are */
    make_old();
    mark_damaged();
    expect_sound();
}

TEST_F(CacheFaults, WhatTakesLongTellsAndCanBeStopped)
{
    struct Told {
        int count = 0, stop_at = G_MAXINT;
        double last = -1;
    } told;
    CacheProgress progress = {};
    progress.told = [](const char *what, double share, gpointer data) {
        auto *seen = (Told *)data;
        EXPECT_STREQ(what, "making the mail cache anew");
        EXPECT_GE(share, seen->last);
        seen->last = share;
        seen->count++;
    };
    progress.cancelled = [](gpointer data) -> gboolean {
        return ((Told *)data)->count >= ((Told *)data)->stop_at;
    };
    progress.data = &told;
    restore();
    mark_damaged();
    CacheSalvage result;
    told.stop_at = 2;
    EXPECT_FALSE(cache_rebuild(dir.c_str(), &progress, &result, error));
    EXPECT_EQ(error.code(), CACHE_ERROR_CANCELLED) << error.text();
    told = {};
    EXPECT_TRUE(cache_rebuild(dir.c_str(), &progress, &result, error)) << error.text();
    EXPECT_GT(told.count, 2);
    EXPECT_EQ(result.contents, drafts.size() + moved.size() + 1); /* what has vanished, too */
    expect_sound();
}

/* ---- migrations ----------------------------------------------------------------------------- */

/* Every version that a cache can have been left at, made from today's by taking away what the later ones
 * added. */
class Migrations : public CacheFaults
{
  protected:
    struct Told {
        int count = 0, stop_at = G_MAXINT;
        double last = 0;
    } told;
    CacheProgress progress = {};

    void SetUp() override
    {
        CacheFaults::SetUp();
        progress.told = [](const char *what, double share, gpointer data) {
            auto *seen = (Told *)data;
            EXPECT_STREQ(what, "updating the mail cache");
            EXPECT_GE(share, seen->last);
            EXPECT_LE(share, 1);
            seen->last = share;
            seen->count++;
        };
        progress.cancelled = [](gpointer data) -> gboolean {
            return ((Told *)data)->count >= ((Told *)data)->stop_at;
        };
        progress.data = &told;
    }
    /* Texts as if they were indexed, and unimportant rows in numbers: what migrations take their time
     * for. */
    void enlarge(int rows)
    {
        const std::string sql =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(rows) +
            ") INSERT INTO message (id, state) SELECT 1000000 + i, 2 FROM n;"
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(rows) +
            ") INSERT INTO text_data SELECT 1000000 + i, zeroblob(100) FROM n;"
            "DELETE FROM text_due";
        run_sql(sql.c_str());
    }
    void make_version(int version)
    {
        static const std::pair<int, const char *> added[] = {
            {15, "DROP TABLE note"},
            {13, "DROP TABLE maildrop"},
            {12, "DROP TRIGGER vanished_gone; DROP TABLE vanished"},
            {11,
             "DROP TRIGGER problem_added; DROP TRIGGER problem_gone;"
             "ALTER TABLE folder DROP COLUMN headless; ALTER TABLE folder DROP COLUMN failing;"
             "ALTER TABLE folder DROP COLUMN unread; ALTER TABLE folder DROP COLUMN unreadable"},
            {8, "DROP TABLE message_thread; DROP TABLE message_nameless"},
            {6, "ALTER TABLE folder DROP COLUMN rights"},
            {5, "DROP TABLE uid_bits"},
            {4, "DROP TABLE text_filter"},
            {3, "DROP TRIGGER annotation_gone; DROP TABLE annotation"},
            {2, "DROP TABLE text_segment; DROP TABLE text_data; DROP TABLE text_due;"
                "DROP TABLE text_gone"},
        };
        for (auto &[since, sql] : added)
            if (version < since)
                run_sql(sql);
        run_sql(("PRAGMA user_version = " + std::to_string(version)).c_str());
        vanished_too = version >= 12;
    }
    void open_told()
    {
        cache = cache_open(dir.c_str(), &progress, error);
        ASSERT_NE(cache, nullptr) << error.text();
        close();
    }
    /* From this version on nothing is done but that tables are made. */
    static const int LAST_WITH_WORK = 14;
    static int newest()
    {
        int version = 0;
        for (const CacheMigration *step = cache_migrations; step->version; step++)
            version = step->version;
        return version;
    }
};

TEST_F(Migrations, FromEachVersionAllIsThereAfterwards)
{
    for (int version = 1; version < newest() && !HasFailure(); version++) {
        SCOPED_TRACE("version " + std::to_string(version));
        restore();
        make_version(version);
        expect_sound();
        EXPECT_EQ(query_number("PRAGMA user_version"), newest());
        EXPECT_GT(query_number("SELECT count(*) FROM text_due"), 0) << "is indexed anew";
        EXPECT_EQ(query_number("SELECT count(*) FROM text_segment"), 0);
    }
}

/* In short runs from the newest before this one, and from another. */
TEST_F(Migrations, FromEachVersionKilledOrOutOfSpaceAtAnyStepLosesNothing)
{
    const int other = 1 + (int)(std::random_device()() % (newest() - 2));
    for (int version = 1; version < newest() && !HasFailure(); version++) {
        if (!g_getenv("POSTERN_LONG") && version != other && version != newest() - 1)
            continue;
        SCOPED_TRACE("version " + std::to_string(version));
        break_off(
            KILLED, [this, version] { make_version(version); }, 20);
        break_off(
            FULL, [this, version] { make_version(version); }, 20);
    }
}

/* Wherever it is when it is told to stop, it stops there; the version is the one before, or it has got
 * past it; and the next start goes on. */
TEST_F(Migrations, FromEachVersionStoppedAnywhereGoOnAtTheNextStart)
{
    for (int version = 1; version < LAST_WITH_WORK && !HasFailure(); version++) {
        SCOPED_TRACE("version " + std::to_string(version));
        restore();
        enlarge(3000);
        make_version(version);
        told = {};
        int stopped = 0;
        for (int stop_at = 1; !cache && !HasFailure(); stop_at += 1 + stop_at / 4) {
            told = {0, stop_at, 0};
            gint64 before = query_number("PRAGMA user_version");
            cache = cache_open(dir.c_str(), &progress, error);
            if (cache)
                break;
            EXPECT_EQ(error.code(), CACHE_ERROR_CANCELLED) << error.text();
            EXPECT_EQ(told.count, stop_at) << "it doesn't go on";
            EXPECT_GE(query_number("PRAGMA user_version"), before);
            stopped++;
        }
        EXPECT_GT(stopped, 5) << "so many moments it has";
        close();
        expect_sound();
    }
}

/* No instruction of SQLite's takes as long as there is mail: what does more work tells more often. */
TEST_F(Migrations, OfALargerCacheAreAskedMoreOftenWhetherToGoOn)
{
    for (int version = 1; version < LAST_WITH_WORK && !HasFailure(); version++) {
        int counts[2];
        SCOPED_TRACE("version " + std::to_string(version));
        for (int i = 0; i < 2; i++) {
            restore();
            enlarge(i ? 20000 : 5000);
            make_version(version);
            told = {};
            open_told();
            counts[i] = told.count;
        }
        EXPECT_GT(counts[1], 2 * counts[0]);
    }
}

/* ---- what clients do ------------------------------------------------------------------------ */

/* COPY and MOVE of a folder's messages are whole or not done; a UID that was given is never given
 * again. */
class CopyFaults : public CacheFaults
{
  protected:
    bool copy_with(Fault how, long steps, gboolean move)
    {
        pid_t child = fork();
        if (child == 0) {
            cache = cache_open(dir.c_str(), nullptr, nullptr);
            fault = how;
            left = steps;
            {
                g_autoptr(GArray) from = g_array_new(FALSE, FALSE, sizeof(guint32));
                g_autoptr(GArray) to = g_array_new(FALSE, FALSE, sizeof(guint32));
                g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
                const CacheSelection all = {inbox, inbox_uids.data(), inbox_uids.size()};
                if (txn && cache_copy(txn, all, archive, move, from, to, nullptr))
                    cache_commit(g_steal_pointer(&txn), nullptr);
            }
            _exit(left >= 0 ? 0 : 1);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status)) << "step " << steps;
        return WEXITSTATUS(status) != 0;
    }
    void expect_whole_or_nothing(gboolean move)
    {
        open();
        {
            Txn txn(cache, CACHE_READ);
            gsize here = uids(txn, inbox).size(), there = uids(txn, archive).size();
            bool done = there != archive_uids.size();
            EXPECT_EQ(there, archive_uids.size() + (done ? inbox_uids.size() : 0));
            EXPECT_EQ(here, move && done ? 0 : inbox_uids.size());
            for (auto &[uid, bytes] : moved)
                EXPECT_EQ(read(txn, placement(txn, archive, uid).message), bytes) << uid;
        }
        EXPECT_GT(append(archive, "\r\nnew"), archive_uids.back());
        close();
    }
    void break_off(Fault how)
    {
        const long stride = g_getenv("POSTERN_LONG") ? 1 : 3;
        for (gboolean move : {0, 1}) {
            long steps = (long)(std::random_device()() % stride);
            for (bool happened = true; happened && !HasFailure(); steps += stride) {
                SCOPED_TRACE("step " + std::to_string(steps));
                restore();
                happened = copy_with(how, steps, move);
                expect_whole_or_nothing(move);
            }
            EXPECT_GT(steps, 5) << "so many steps it has at least";
        }
    }
};

TEST_F(CopyFaults, ACopyThatIsKilledAtAnyStepIsWholeOrNotDone)
{
    break_off(KILLED);
}

TEST_F(CopyFaults, ACopyForWhichTheDiskIsTooSmallAtAnyStepIsWholeOrNotDone)
{
    break_off(FULL);
}

/* All that a client changes: after the fault the folders are as before it or as after it, messages are
 * what they were, and no UID is given twice. */
class ChangeFaults : public CacheFaults
{
  protected:
    using Change = std::function<void()>;
    using Step = std::function<gboolean(CacheTxn *)>;

    /* What clients see. */
    std::string seen()
    {
        std::string text;
        Txn txn(cache, CACHE_READ);
        g_autoptr(GPtrArray) folders = cache_folder_list(txn, error);
        for (guint i = 0; i < folders->len; i++) {
            auto *row = (const CacheFolder *)folders->pdata[i];
            text += std::string(row->name ? row->name : "-") + " " + std::to_string(row->exists) +
                    "/" + std::to_string(row->unseen) + ":";
            for (guint32 uid : uids(txn, row->id)) {
                CachePlacement message = placement(txn, row->id, uid);
                std::string bytes = cache_content_state(txn, message.message) == CACHE_CONTENT_FULL
                                        ? read(txn, message.message)
                                        : "";
                text += " " + std::to_string(uid) + "," + std::to_string(message.flags.system) +
                        "," + std::to_string(message.flags.keywords) + "," +
                        std::to_string(std::hash<std::string>()(bytes));
            }
            text += "\n";
        }
        return text;
    }
    void committed(const Step &step)
    {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        if (txn && step(txn))
            cache_commit(g_steal_pointer(&txn), nullptr);
    }
    std::string after(const Change &change)
    {
        restore();
        open();
        change();
        std::string text = seen();
        close();
        return text;
    }
    bool make_with(Fault how, long steps, const Change &change)
    {
        pid_t child = fork();
        if (child == 0) {
            cache = cache_open(dir.c_str(), nullptr, nullptr);
            fault = how;
            left = steps;
            change();
            _exit(left >= 0 ? 0 : 1);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status)) << "step " << steps;
        return WEXITSTATUS(status) != 0;
    }
    void break_off(const Change &change)
    {
        const long stride = g_getenv("POSTERN_LONG") ? 1 : 3;
        const std::string before = after([] {}), done = after(change);
        EXPECT_NE(before, done);
        for (Fault how : {KILLED, FULL}) {
            long steps = (long)(std::random_device()() % stride);
            for (bool happened = true; happened && !HasFailure(); steps += stride) {
                SCOPED_TRACE("step " + std::to_string(steps));
                restore();
                happened = make_with(how, steps, change);
                open();
                std::string now = seen();
                EXPECT_TRUE(now == before || now == done) << now;
                EXPECT_TRUE(happened || now == done) << now;
                EXPECT_GT(append(inbox, "\r\nnew"), inbox_uids.back());
                close();
            }
            EXPECT_GT(steps, 3) << "so many steps it has at least";
        }
    }
    CacheSelection all()
    {
        return {inbox, inbox_uids.data(), inbox_uids.size()};
    }
};

TEST_F(ChangeFaults, AStoreIsWholeOrNotDone)
{
    break_off([this] {
        committed([this](CacheTxn *txn) {
            g_autoptr(GArray) done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
            const char *const words[] = {"Work", "Later", nullptr};
            const CacheFlags flags = {CACHE_SEEN, cache_keywords_intern(txn, words, nullptr)};
            return cache_store(txn, all(), {CACHE_FLAGS_ADD, flags, G_MAXUINT64}, done, nullptr,
                               nullptr);
        });
    });
}

/* With bytes that are written in pieces, before the transaction. */
TEST_F(ChangeFaults, AnAppendIsWholeOrNotDone)
{
    break_off([this] {
        std::mt19937 random{5};
        std::string bytes = text(77) + std::string(400000, 'z');
        for (char &c : bytes)
            c = c == 'z' ? (char)('0' + random() % 64) : c;
        CacheContentWriter *writer = cache_content_writer_new(cache);
        CacheRendered how = rendered();
        bool whole = cache_content_writer_add(writer, bytes.data(), bytes.size(), nullptr);
        cache_content_writer_end(writer);
        if (whole)
            committed([&](CacheTxn *txn) {
                return cache_append(txn, inbox, writer, &how, {{CACHE_FLAGGED, 0}, 5000, 120},
                                    nullptr) != 0;
            });
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
    });
}

TEST_F(ChangeFaults, AnExpungeIsWholeOrNotDone)
{
    break_off([this] {
        committed([this](CacheTxn *txn) {
            return cache_expunge(txn, inbox, inbox_uids.data(), inbox_uids.size(), TRUE, nullptr,
                                 nullptr);
        });
    });
}

TEST_F(ChangeFaults, WhatIsDoneToFoldersIsWholeOrNotDone)
{
    break_off([this] {
        committed([this](CacheTxn *txn) {
            return cache_folder_create(txn, "One/Two/Three", CACHE_ROLE_NONE, nullptr) != 0 &&
                   cache_folder_rename(txn, archive, "One/Old", nullptr);
        });
    });
    break_off([this] {
        committed([this](CacheTxn *txn) { return cache_folder_delete(txn, archive, nullptr); });
    });
}

/* ---- the queue ---------------------------------------------------------------------------- */

class QueueFaults : public CacheFaults
{
  protected:
    std::map<gint64, std::string> bodies;

    static gint64 add(Queue *queue, const std::string &body)
    {
        g_autoptr(QueueEntry) entry = queue_entry_new();
        entry->account = g_strdup("work");
        entry->sender = g_strdup("ada@example.org");
        g_ptr_array_add(entry->recipients, queue_recipient_new("bob@example.com"));
        entry->size = body.size();
        g_autoptr(GBytes) bytes = g_bytes_new(body.data(), body.size());
        g_autoptr(GError) failure = nullptr;
        EXPECT_TRUE(queue_add(queue, entry, bytes, -1, &failure)) << failure->message;
        return entry->id;
    }
    std::string path()
    {
        return dir + "/queue.db";
    }
    void fill_queue()
    {
        bodies.clear();
        g_autoptr(Queue) queue = queue_open(path().c_str(), error);
        ASSERT_NE(queue, nullptr) << error.text();
        for (guint i = 0; i < 5; i++) {
            std::string body = text(i) + std::string(i * 3000, 'y');
            bodies[add(queue, body)] = body;
        }
    }
    /* Opens it in a process of its own; whether the fault happened. */
    bool open_with(Fault how, long steps)
    {
        pid_t child = fork();
        if (child == 0) {
            fault = how;
            left = steps;
            Queue *queue = queue_open(path().c_str(), nullptr);
            queue_close(queue);
            _exit(left >= 0 ? 0 : 1);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status)) << "step " << steps;
        return WEXITSTATUS(status) != 0;
    }
    void expect_queue()
    {
        g_autoptr(Queue) queue = queue_open(path().c_str(), error);
        ASSERT_NE(queue, nullptr) << error.text();
        for (auto &[id, body] : bodies) {
            g_autoptr(QueueEntry) entry = queue_get(queue, id, error);
            ASSERT_NE(entry, nullptr) << error.text();
            EXPECT_EQ(entry->state, QUEUE_WAITING);
            g_autoptr(GBytes) bytes = queue_read(queue, id, 0, body.size() + 1, error);
            ASSERT_NE(bytes, nullptr) << error.text();
            g_autoptr(GBytes) expected = g_bytes_new(body.data(), body.size());
            EXPECT_TRUE(g_bytes_equal(bytes, expected)) << id;
        }
        EXPECT_GT(add(queue, "new"), bodies.rbegin()->first);
    }
    void break_queue_off(Fault how)
    {
        const long stride = g_getenv("POSTERN_LONG") ? 1 : 5;
        long steps = (long)(std::random_device()() % stride);
        for (bool happened = true; happened && !HasFailure(); steps += stride) {
            SCOPED_TRACE("step " + std::to_string(steps));
            restore();
            fill_queue();
            /* A page of an index of its own, which nothing is read through: damage all the same. */
            std::ofstream(path() + ".damaged").flush();
            corrupt_index();
            happened = open_with(how, steps);
            expect_queue();
        }
        EXPECT_GT(steps, 30) << "so many steps it has at least";
    }
    void corrupt_index()
    {
        sqlite3 *db;
        sqlite3_stmt *statement;
        ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
        ASSERT_EQ(sqlite3_prepare_v2(db,
                                     "SELECT rootpage * 8192 - 8192 FROM sqlite_master"
                                     " WHERE name = 'entry_finished'",
                                     -1, &statement, nullptr),
                  SQLITE_OK);
        ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
        gint64 at = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(at);
        file << std::string(8192, '\xa5');
    }
};

TEST_F(QueueFaults, ADamagedQueueThatIsKilledAtAnyStepLosesNothing)
{
    break_queue_off(KILLED);
}

TEST_F(QueueFaults, ADamagedQueueForWhichTheDiskIsTooSmallAtAnyStepLosesNothing)
{
    break_queue_off(FULL);
}

/* ---- removing all that is kept of an account ------------------------------------------------ */

class PurgeFaults : public QueueFaults
{
  protected:
    std::string account;
    gint64 other = 0;

    void SetUp() override
    {
        QueueFaults::SetUp();
        account = dir + "/accounts/work";
    }
    std::string config()
    {
        return dir + "/configured";
    }
    static gboolean is_configured(const char *id, gconstpointer data)
    {
        auto *self = (const PurgeFaults *)data;
        return std::filesystem::exists(((PurgeFaults *)self)->config());
    }
    /* An account whose cache is as `sound` has it, with mail to be sent; another has some, too. */
    void prepare()
    {
        std::filesystem::remove_all(dir);
        std::filesystem::create_directories(dir + "/accounts");
        std::filesystem::copy(sound, account, std::filesystem::copy_options::recursive);
        std::filesystem::create_directory(account + "/mail.db.damaged-20261128T000000");
        std::ofstream(account + "/mail.db.damaged-20261128T000000/x") << "left";
        std::ofstream(account + "/local-passwords") << "secret";
        /* Of two who had the name before; and of others, whose names begin alike. */
        for (const char *name : {".left-1795896000000000", ".left-1795896000000001/within"})
            std::filesystem::create_directories(account + name);
        std::ofstream(account + ".left-1795896000000001/mail.db") << "left";
        for (const char *name :
             {"2.left-1795896000000000", ".left-over", ".left-", ".left-5x", "2"})
            std::filesystem::create_directories(account + name);
        std::ofstream(config()) << "[account work]";
        fill_queue();
        g_autoptr(Queue) queue = queue_open(path().c_str(), error);
        g_autoptr(QueueEntry) entry = queue_entry_new();
        entry->account = g_strdup("home");
        entry->sender = g_strdup("ada@home.test");
        g_ptr_array_add(entry->recipients, queue_recipient_new("bob@example.com"));
        entry->size = 1;
        g_autoptr(GBytes) bytes = g_bytes_new_static("x", 1);
        EXPECT_TRUE(queue_add(queue, entry, bytes, -1, error)) << error.text();
        other = entry->id;
    }
    /* As the daemon does it when it is asked. */
    void remove_account()
    {
        g_autoptr(Queue) queue = queue_open(path().c_str(), nullptr);
        if (!queue || !account_purge_ask(dir.c_str(), "work", nullptr))
            return;
        if (unlink(config().c_str()) != 0)
            return;
        account_purge_decide(dir.c_str(), "work");
        account_purge_finish(dir.c_str(), "work", queue, nullptr);
    }
    bool remove_with(Fault how, long steps)
    {
        pid_t child = fork();
        if (child == 0) {
            fault = how;
            left = steps;
            remove_account();
            _exit(left >= 0 ? 0 : 1);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status)) << "step " << steps;
        return WEXITSTATUS(status) != 0;
    }
    guint64 queued(const char *id)
    {
        guint64 counts[5] = {};
        g_autoptr(Queue) queue = queue_open(path().c_str(), error);
        EXPECT_TRUE(queue_counts(queue, id, counts, error)) << error.text();
        return counts[QUEUE_WAITING];
    }
    /* The next start: either it is as if nothing had been asked, or nothing is left. */
    void expect_all_or_nothing()
    {
        bool configured = is_configured("work", this);
        g_auto(GStrv) ids = account_purges_left(dir.c_str(), is_configured, this);
        {
            g_autoptr(Queue) queue = queue_open(path().c_str(), error);
            ASSERT_NE(queue, nullptr) << error.text();
            for (char **id = ids; *id; id++)
                EXPECT_TRUE(account_purge_finish(dir.c_str(), *id, queue, error)) << error.text();
        }
        EXPECT_EQ(std::filesystem::exists(account), configured);
        EXPECT_EQ(std::filesystem::exists(account + "/mail.db"), configured);
        for (const char *name : {".left-1795896000000000", ".left-1795896000000001"})
            EXPECT_EQ(std::filesystem::exists(account + name), configured) << name;
        for (const char *name :
             {"2.left-1795896000000000", ".left-over", ".left-", ".left-5x", "2"})
            EXPECT_TRUE(std::filesystem::exists(account + name)) << name;
        EXPECT_EQ(std::filesystem::exists(dir + "/uidvalidity/work"), !configured);
        EXPECT_EQ(queued("work"), configured ? bodies.size() : 0);
        EXPECT_EQ(queued("home"), 1u);
        EXPECT_FALSE(account_purge_is_left(dir.c_str(), "work"));
        EXPECT_TRUE(!std::filesystem::exists(dir + "/purge") ||
                    std::filesystem::is_empty(dir + "/purge"));
    }
    void break_off(Fault how)
    {
        const long stride = g_getenv("POSTERN_LONG") ? 1 : 3;
        long steps = (long)(std::random_device()() % stride);
        for (bool happened = true; happened && !HasFailure(); steps += stride) {
            SCOPED_TRACE("step " + std::to_string(steps));
            prepare();
            happened = remove_with(how, steps);
            expect_all_or_nothing();
        }
        EXPECT_GT(steps, 20) << "so many steps it has at least";
    }
};

TEST_F(PurgeFaults, APurgeThatIsKilledAtAnyStepLeavesNothing)
{
    break_off(KILLED);
}

TEST_F(PurgeFaults, APurgeWhileTheDiskIsFullFromAnyStepOnLeavesNothing)
{
    break_off(FULL);
}

/* An ID that is used again while something is left of what it was before. */
TEST_F(PurgeFaults, WhatIsLeftIsFinishedThoughTheIdIsConfiguredAgain)
{
    prepare();
    ASSERT_TRUE(account_purge_ask(dir.c_str(), "work", error)) << error.text();
    account_purge_decide(dir.c_str(), "work");
    g_auto(GStrv) ids = account_purges_left(dir.c_str(), is_configured, this);
    EXPECT_STREQ(ids[0], "work");
    EXPECT_TRUE(account_purge_is_left(dir.c_str(), "work"));
    EXPECT_FALSE(account_purge_finish(dir.c_str(), "work", nullptr, error)) << "without its queue";
    EXPECT_TRUE(account_purge_is_left(dir.c_str(), "work"));
}
