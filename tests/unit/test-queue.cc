/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The queue of outgoing mail: what was accepted stays, whatever happens. */
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <glib/gstdio.h>
#include <map>
#include <poll.h>
#include <random>
#include <signal.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "cache/queue/queue.h"
}

namespace
{

class QueueTest : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        directory = g_dir_make_tmp("postern-queue-XXXXXX", nullptr);
        path = std::string(directory) + "/queue.db";
        open();
    }

    void TearDown() override
    {
        queue_close(queue);
        std::filesystem::remove_all(directory);
        g_free(directory);
    }

    void open()
    {
        GError *error = nullptr;
        queue = queue_open(path.c_str(), &error);
        ASSERT_NE(queue, nullptr) << error->message;
    }

    void reopen()
    {
        queue_close(queue);
        open();
    }

    char *directory = nullptr;
    std::string path;
    Queue *queue = nullptr;
};

QueueEntry *make_entry(guint64 size, const char *account = "work")
{
    QueueEntry *entry = queue_entry_new();
    entry->account = g_strdup(account);
    entry->sender = g_strdup("ada@example.org");
    g_ptr_array_add(entry->recipients, queue_recipient_new("bob@example.com"));
    g_ptr_array_add(entry->recipients, queue_recipient_new("eve@example.net"));
    entry->size = size;
    entry->submitted = 1000;
    return entry;
}

std::string pattern(gsize size)
{
    std::string text(size, ' ');
    guint32 x = 12345;
    for (gsize i = 0; i < size; i++) {
        if (i % 5000 < 2500)
            x = x * 1664525 + 1013904223;
        text[i] = (char)(x >> 24);
    }
    return text;
}

gint64 add(Queue *queue, const std::string &body, const char *account = "work")
{
    g_autoptr(QueueEntry) entry = make_entry(body.size(), account);
    g_autoptr(GBytes) bytes = g_bytes_new(body.data(), body.size());
    g_autoptr(GError) error = nullptr;
    EXPECT_TRUE(queue_add(queue, entry, bytes, -1, &error)) << error->message;
    return entry->id;
}

std::string read_all(Queue *queue, gint64 id, gsize slice)
{
    std::string text;
    for (;;) {
        g_autoptr(GError) error = nullptr;
        g_autoptr(GBytes) bytes = queue_read(queue, id, text.size(), slice, &error);
        EXPECT_NE(bytes, nullptr) << error->message;
        if (!bytes || g_bytes_get_size(bytes) == 0)
            return text;
        text.append((const char *)g_bytes_get_data(bytes, nullptr), g_bytes_get_size(bytes));
    }
}

QueueState state_of(Queue *queue, gint64 id)
{
    g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
    EXPECT_NE(entry, nullptr);
    return entry ? entry->state : QUEUE_SENT;
}

TEST_F(QueueTest, WhatWasAcceptedIsThereAfterReopening)
{
    g_autoptr(QueueEntry) entry = make_entry(5);
    entry->ret = g_strdup("HDRS");
    entry->envid = g_strdup("QQ314159");
    entry->eightbit = TRUE;
    entry->subject = g_strdup("Grüße");
    auto first = (QueueRecipient *)g_ptr_array_index(entry->recipients, 0);
    first->notify = g_strdup("NEVER");
    first->orcpt = g_strdup("rfc822;bob@example.com");
    g_autoptr(GBytes) body = g_bytes_new_static("abc\r\n", 5);
    ASSERT_TRUE(queue_add(queue, entry, body, -1, nullptr));

    reopen();
    g_autoptr(QueueEntry) again = queue_get(queue, entry->id, nullptr);
    ASSERT_NE(again, nullptr);
    EXPECT_STREQ(again->account, "work");
    EXPECT_STREQ(again->sender, "ada@example.org");
    EXPECT_STREQ(again->ret, "HDRS");
    EXPECT_STREQ(again->envid, "QQ314159");
    EXPECT_TRUE(again->eightbit);
    EXPECT_FALSE(again->smtputf8);
    EXPECT_STREQ(again->subject, "Grüße");
    EXPECT_EQ(again->submitted, 1000);
    EXPECT_EQ(again->size, 5u);
    EXPECT_EQ(again->state, QUEUE_WAITING);
    ASSERT_EQ(again->recipients->len, 2u);
    first = (QueueRecipient *)g_ptr_array_index(again->recipients, 0);
    EXPECT_STREQ(first->address, "bob@example.com");
    EXPECT_STREQ(first->notify, "NEVER");
    EXPECT_STREQ(first->orcpt, "rfc822;bob@example.com");
    EXPECT_EQ(read_all(queue, entry->id, 3), "abc\r\n");
}

TEST_F(QueueTest, BytesComeBackExactlyWhateverTheirSize)
{
    for (gsize size : {0, 1, 262143, 262144, 262145, 1048576, 1048577, 5000000}) {
        std::string body = pattern(size);
        gint64 id = add(queue, body);
        EXPECT_EQ(read_all(queue, id, 100000), body) << size;
        EXPECT_EQ(read_all(queue, id, 10000000), body) << size;
    }
}

TEST_F(QueueTest, LargeBodiesComeFromAFileWhateverItsOffset)
{
    std::string body = pattern(3000000);
    g_autofree char *name = nullptr;
    int fd = g_file_open_tmp("postern-XXXXXX", &name, nullptr);
    unlink(name);
    ASSERT_EQ(write(fd, body.data(), body.size()), (ssize_t)body.size());
    g_autoptr(QueueEntry) entry = make_entry(body.size());
    ASSERT_TRUE(queue_add(queue, entry, nullptr, fd, nullptr));
    EXPECT_EQ(read_all(queue, entry->id, 262144), body);

    g_autoptr(QueueEntry) longer = make_entry(body.size() + 1);
    g_autoptr(GError) error = nullptr;
    EXPECT_FALSE(queue_add(queue, longer, nullptr, fd, &error));
    EXPECT_EQ(longer->id, 0);
    guint64 counts[5];
    queue_counts(queue, nullptr, counts, nullptr);
    EXPECT_EQ(counts[QUEUE_WAITING], 1u);
    close(fd);
}

TEST_F(QueueTest, NumbersAreNeverUsedAgain)
{
    gint64 first = add(queue, "a"), second = add(queue, "b");
    EXPECT_LT(first, second);
    ASSERT_TRUE(queue_cancel(queue, second, nullptr));
    reopen();
    EXPECT_LT(second, add(queue, "c"));
}

TEST_F(QueueTest, TakesWhatIsDueInOrderAndOnlyOfThatAccount)
{
    gint64 other = add(queue, "x", "home"), first = add(queue, "a"), second = add(queue, "b");
    gint64 due;
    ASSERT_TRUE(queue_next_due(queue, "work", &due, nullptr));
    EXPECT_EQ(due, 0);

    g_autoptr(QueueEntry) a = queue_take(queue, "work", 2000, nullptr);
    g_autoptr(QueueEntry) b = queue_take(queue, "work", 2000, nullptr);
    g_autoptr(QueueEntry) none = queue_take(queue, "work", 2000, nullptr);
    ASSERT_TRUE(a && b);
    EXPECT_EQ(a->id, first);
    EXPECT_EQ(b->id, second);
    EXPECT_EQ(a->state, QUEUE_SENDING);
    EXPECT_EQ(none, nullptr);
    EXPECT_EQ(state_of(queue, other), QUEUE_WAITING);

    a->state = QUEUE_WAITING;
    a->attempts = 1;
    a->next_attempt = 2060;
    ASSERT_TRUE(queue_update(queue, a, nullptr));
    ASSERT_TRUE(queue_next_due(queue, "work", &due, nullptr));
    EXPECT_EQ(due, 2060);
    EXPECT_EQ(queue_take(queue, "work", 2059, nullptr), nullptr);
    g_autoptr(QueueEntry) later = queue_take(queue, "work", 2060, nullptr);
    ASSERT_NE(later, nullptr);
    EXPECT_EQ(later->attempts, 1u);
}

TEST_F(QueueTest, SendAtIsNotBefore)
{
    gint64 id = add(queue, "a");
    ASSERT_TRUE(queue_send_at(queue, id, 5000, nullptr));
    EXPECT_EQ(queue_take(queue, "work", 4999, nullptr), nullptr);
    g_autoptr(QueueEntry) entry = queue_take(queue, "work", 5000, nullptr);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->send_at, 5000);
}

TEST_F(QueueTest, ResultsOfEachRecipientAreKept)
{
    gint64 id = add(queue, "a");
    g_autoptr(QueueEntry) entry = queue_take(queue, "work", 1, nullptr);
    auto refused = (QueueRecipient *)g_ptr_array_index(entry->recipients, 1);
    refused->state = QUEUE_RECIPIENT_FAILED;
    refused->reply = g_strdup("550 5.1.1 no such user");
    entry->state = QUEUE_FAILED;
    entry->last_error = g_strdup("refused");
    ASSERT_TRUE(queue_update(queue, entry, nullptr));

    g_autoptr(QueueEntry) again = queue_get(queue, id, nullptr);
    EXPECT_EQ(again->state, QUEUE_FAILED);
    EXPECT_STREQ(again->last_error, "refused");
    refused = (QueueRecipient *)g_ptr_array_index(again->recipients, 1);
    EXPECT_EQ(refused->state, QUEUE_RECIPIENT_FAILED);
    EXPECT_STREQ(refused->reply, "550 5.1.1 no such user");

    ASSERT_TRUE(queue_retry(queue, id, nullptr));
    g_autoptr(QueueEntry) retried = queue_take(queue, "work", 1, nullptr);
    ASSERT_NE(retried, nullptr);
    refused = (QueueRecipient *)g_ptr_array_index(retried->recipients, 1);
    EXPECT_EQ(refused->state, QUEUE_RECIPIENT_PENDING);
}

TEST_F(QueueTest, ASentMessageLosesItsBytesAndIsPurgedLater)
{
    gint64 id = add(queue, pattern(2000000));
    g_autoptr(QueueEntry) entry = queue_take(queue, "work", 1, nullptr);
    entry->state = QUEUE_SENT;
    ASSERT_TRUE(queue_update(queue, entry, nullptr));
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(queue_read(queue, id, 0, 10, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND));

    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    ASSERT_TRUE(queue_purge_sent(queue, now - 10, nullptr));
    EXPECT_EQ(state_of(queue, id), QUEUE_SENT);
    ASSERT_TRUE(queue_purge_sent(queue, now + 10, nullptr));
    EXPECT_EQ(queue_get(queue, id, nullptr), nullptr);
}

TEST_F(QueueTest, CountsFollowEveryChange)
{
    gint64 a = add(queue, "a"), b = add(queue, "b");
    add(queue, "c", "home");
    guint64 counts[5];
    ASSERT_TRUE(queue_hold(queue, a, nullptr));
    ASSERT_TRUE(queue_counts(queue, nullptr, counts, nullptr));
    EXPECT_EQ(counts[QUEUE_WAITING], 2u);
    EXPECT_EQ(counts[QUEUE_HELD], 1u);
    ASSERT_TRUE(queue_cancel(queue, b, nullptr));
    ASSERT_TRUE(queue_counts(queue, "work", counts, nullptr));
    EXPECT_EQ(counts[QUEUE_WAITING], 0u);
    EXPECT_EQ(counts[QUEUE_HELD], 1u);
}

TEST_F(QueueTest, ListsPageByPageNewestFirst)
{
    for (int i = 0; i < 10; i++)
        add(queue, "x", i % 2 ? "work" : "home");
    g_autoptr(GPtrArray) all = queue_list(queue, nullptr, -1, 2, 3, nullptr);
    ASSERT_EQ(all->len, 3u);
    EXPECT_EQ(((QueueEntry *)g_ptr_array_index(all, 0))->id, 8);
    g_autoptr(GPtrArray) work = queue_list(queue, "work", QUEUE_WAITING, 1, 100, nullptr);
    ASSERT_EQ(work->len, 4u);
    EXPECT_EQ(((QueueEntry *)g_ptr_array_index(work, 0))->id, 8);
    g_autoptr(GPtrArray) held = queue_list(queue, nullptr, QUEUE_HELD, 0, 100, nullptr);
    EXPECT_EQ(held->len, 0u);
}

TEST_F(QueueTest, PeopleCanDoWhatTheStateAllows)
{
    struct {
        QueueState state;
        bool retry, hold, release, send_at, cancel;
    } table[] = {
        {QUEUE_WAITING, true, true, false, true, true},
        {QUEUE_SENDING, false, false, false, false, false},
        {QUEUE_HELD, true, true, true, true, true},
        {QUEUE_FAILED, true, false, false, false, true},
        {QUEUE_SENT, false, false, false, false, false},
    };
    auto fresh = [&](QueueState state) {
        gint64 id = add(queue, "a");
        g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
        entry->state = state;
        EXPECT_TRUE(queue_update(queue, entry, nullptr));
        return id;
    };
    auto expect = [&](bool allowed, auto action, QueueState state) {
        g_autoptr(GError) error = nullptr;
        gboolean done = action(queue, fresh(state), &error);
        EXPECT_EQ(allowed, (bool)done) << state << (error ? error->message : "");
        EXPECT_EQ(!done, g_error_matches(error, CACHE_ERROR, CACHE_ERROR_INVALID));
    };
    auto at_seven = [](Queue *queue, gint64 id, GError **error) {
        return queue_send_at(queue, id, 7, error);
    };
    for (auto &row : table) {
        expect(row.retry, queue_retry, row.state);
        expect(row.hold, queue_hold, row.state);
        expect(row.release, queue_release, row.state);
        expect(row.send_at, at_seven, row.state);
        expect(row.cancel, queue_cancel, row.state);
    }
    g_autoptr(GError) error = nullptr;
    EXPECT_FALSE(queue_hold(queue, 4711, &error));
    EXPECT_TRUE(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_NOT_FOUND));
}

TEST_F(QueueTest, AnotherProcessIsRefusedAndToldWhoHoldsIt)
{
    g_autoptr(GError) error = nullptr;
    EXPECT_EQ(queue_open(path.c_str(), &error), nullptr);
    ASSERT_TRUE(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOCKED));
    EXPECT_NE(strstr(error->message, std::to_string(getpid()).c_str()), nullptr);
}

TEST_F(QueueTest, ACopyHoldsEverythingThatWouldBeSent)
{
    gint64 id = add(queue, "a");
    queue_close(queue);
    std::string copy = path + ".copy";
    g_autofree char *bytes = nullptr;
    gsize length;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &bytes, &length, nullptr));
    ASSERT_TRUE(g_file_set_contents(copy.c_str(), bytes, (gssize)length, nullptr));
    ASSERT_EQ(rename(copy.c_str(), path.c_str()), 0);
    open();
    EXPECT_EQ(state_of(queue, id), QUEUE_HELD);
    ASSERT_TRUE(queue_release(queue, id, nullptr));
    reopen();
    EXPECT_EQ(state_of(queue, id), QUEUE_WAITING);
}

TEST_F(QueueTest, ThatAnOlderStateWouldNotBeNoticedIsSaid)
{
    std::string blocked = path + ".generation.new";
    queue_close(queue);
    ASSERT_EQ(g_mkdir(blocked.c_str(), 0700), 0);
    open();
    g_autofree char *notice = queue_notice(queue);
    ASSERT_NE(notice, nullptr);
    EXPECT_NE(strstr(notice, "will not be noticed"), nullptr) << notice;
    queue_close(queue);
    ASSERT_EQ(g_rmdir(blocked.c_str()), 0);
    open();
    EXPECT_EQ(queue_notice(queue), nullptr);
}

TEST_F(QueueTest, AnOlderStateOverTheSameFileHoldsEverythingThatWouldBeSent)
{
    gint64 id = add(queue, "a");
    queue_close(queue);
    g_autofree char *bytes = nullptr;
    gsize length;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &bytes, &length, nullptr));
    open();
    EXPECT_EQ(state_of(queue, id), QUEUE_WAITING);
    queue_close(queue);
    std::ofstream(path, std::ios::binary).write(bytes, (std::streamsize)length);
    open();
    EXPECT_EQ(state_of(queue, id), QUEUE_HELD);
    reopen();
    ASSERT_TRUE(queue_release(queue, id, nullptr));
    reopen();
    EXPECT_EQ(state_of(queue, id), QUEUE_WAITING);
}

/* What was set aside; "" where nothing was. */
static std::string Aside(const char *directory)
{
    for (auto &entry : std::filesystem::directory_iterator(directory)) {
        std::string name = entry.path().filename();
        if (name.rfind("queue.db.damaged-", 0) == 0 && name.find("-wal") == std::string::npos)
            return entry.path();
    }
    return "";
}

/* However long that takes: the daemon's start doesn't wait for it. */
TEST_F(QueueTest, ItIsOpenedByWhoeverNeedsItFirst)
{
    const char garbage[] = "this is not a database, not at all";

    queue_close(queue);
    ASSERT_TRUE(g_file_set_contents(path.c_str(), garbage, -1, nullptr));
    queue = queue_open_later(path.c_str(), nullptr);
    ASSERT_NE(queue, nullptr);
    g_autofree char *before = nullptr;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &before, nullptr, nullptr));
    EXPECT_STREQ(before, garbage) << "nothing has been done to it yet";
    EXPECT_EQ(queue_notice(queue), nullptr);
    EXPECT_EQ(queue_open_later(path.c_str(), nullptr), nullptr) << "it is locked all the same";
    std::vector<std::thread> users;
    gint good = 0;
    for (int i = 0; i < 4; i++)
        users.emplace_back([&] {
            guint64 counts[5];
            if (queue_counts(queue, nullptr, counts, nullptr))
                g_atomic_int_inc(&good);
        });
    for (auto &user : users)
        user.join();
    EXPECT_EQ(good, 4);
    g_autofree char *notice = queue_notice(queue);
    ASSERT_NE(notice, nullptr);
    EXPECT_NE(strstr(notice, "made anew"), nullptr) << notice;
}

TEST_F(QueueTest, GarbageIsSetAsideAndMailIsTakenAllTheSame)
{
    const char garbage[] = "this is not a database, not at all";
    gint64 before = add(queue, "lost");
    g_autofree char *none = queue_notice(queue);
    EXPECT_EQ(none, nullptr);
    queue_close(queue);
    ASSERT_TRUE(g_file_set_contents(path.c_str(), garbage, -1, nullptr));
    open();
    gint64 id = add(queue, "afterwards");
    EXPECT_GT(id, before) << "no number is given twice";
    g_autofree char *kept = nullptr;
    ASSERT_TRUE(g_file_get_contents(Aside(directory).c_str(), &kept, nullptr, nullptr));
    EXPECT_STREQ(kept, garbage);
    g_autofree char *notice = queue_notice(queue);
    ASSERT_NE(notice, nullptr);
    EXPECT_NE(std::string(notice).find(Aside(directory)), std::string::npos) << notice;
    reopen();
    EXPECT_EQ(read_all(queue, id, 100), "afterwards");
    g_autofree char *again = queue_notice(queue);
    EXPECT_NE(again, nullptr) << "as long as the old file is there";
    std::filesystem::remove(Aside(directory));
    reopen();
    g_autofree char *gone = queue_notice(queue);
    EXPECT_EQ(gone, nullptr);
}

/* Whatever is damaged: what is still to be sent has its own bytes, and what was lost is told. */
TEST_F(QueueTest, WhatCanBeReadOfADamagedQueueIsCarriedOver)
{
    const char *seed_text = g_getenv("POSTERN_SEED");
    guint seed = seed_text ? (guint)atoi(seed_text) : std::random_device()();
    SCOPED_TRACE("POSTERN_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    std::map<gint64, std::string> bodies;
    for (guint i = 0; i < 120; i++) {
        std::string body = pattern(1 + i * 613 % 9000) + std::to_string(i);
        bodies[add(queue, body)] = body;
    }
    queue_close(queue);
    queue = nullptr;
    g_autofree char *sound = nullptr;
    gsize size;
    ASSERT_TRUE(g_file_get_contents(path.c_str(), &sound, &size, nullptr));
    guint carried = 0, rounds = 12;
    for (guint round = 0; round < rounds; round++) {
        std::string bytes(sound, size);
        for (guint i = 0; i <= round % 3; i++) {
            gsize at = 8192 + random() % (bytes.size() - 3 * 8192);
            for (gsize j = 0; j < 8192; j++)
                bytes[at + j] = (char)random();
        }
        std::filesystem::remove_all(directory);
        std::filesystem::create_directory(directory);
        std::ofstream(path, std::ios::binary) << bytes;
        std::ofstream(path + ".damaged") << "";
        open();
        for (auto &[id, body] : bodies) {
            g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
            if (!entry || entry->state == QUEUE_FAILED) {
                EXPECT_TRUE(!entry || entry->last_error) << id;
                continue;
            }
            EXPECT_EQ(read_all(queue, id, 10000), body) << id;
            EXPECT_EQ(entry->recipients->len, 2u);
            carried++;
        }
        EXPECT_GT(add(queue, "new"), bodies.rbegin()->first);
        queue_close(queue);
        queue = nullptr;
    }
    EXPECT_GT(carried, rounds * bodies.size() / 2) << "most damage costs little";
    open();
}

/* A limit on the size of files stands for a full disk. */
class FullDisk
{
    struct rlimit before;

  public:
    FullDisk()
    {
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        struct rlimit none = {0, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &none);
    }
    ~FullDisk()
    {
        setrlimit(RLIMIT_FSIZE, &before);
    }
};

TEST_F(QueueTest, ADiskThatIsFullAtTheFirstStartIsTriedAgain)
{
    queue_close(queue);
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    {
        FullDisk full;
        open();
        g_autoptr(GError) error = nullptr;
        EXPECT_FALSE(queue_ready(queue, &error));
        EXPECT_TRUE(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_FULL)) << error->message;
        g_autoptr(GError) refused = nullptr;
        g_autoptr(QueueEntry) entry = make_entry(5);
        g_autoptr(GBytes) body = g_bytes_new_static("abc\r\n", 5);
        EXPECT_FALSE(queue_add(queue, entry, body, -1, &refused));
        EXPECT_TRUE(g_error_matches(refused, CACHE_ERROR, CACHE_ERROR_FULL)) << refused->message;
        gint64 due;
        guint64 counts[5];
        EXPECT_FALSE(queue_next_due(queue, "work", &due, nullptr));
        EXPECT_FALSE(queue_counts(queue, nullptr, counts, nullptr));
        EXPECT_EQ(queue_list(queue, nullptr, -1, 0, 10, nullptr), nullptr);
        EXPECT_EQ(queue_take(queue, "work", 1, nullptr), nullptr);
        g_autofree char *notice = queue_notice(queue);
        EXPECT_NE(notice, nullptr);
    }
    EXPECT_TRUE(queue_ready(queue, nullptr));
    EXPECT_EQ(read_all(queue, add(queue, "afterwards"), 100), "afterwards");
    g_autofree char *notice = queue_notice(queue);
    EXPECT_EQ(notice, nullptr);
}

/* Whether the eventfd was written to since the last call. */
static bool Woken(int fd)
{
    guint64 count = 0;
    return read(fd, &count, sizeof count) == (ssize_t)sizeof count;
}

TEST_F(QueueTest, EachCommitWakesTheWatchers)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    QueueWatch *watch = queue_watch_changes(queue, fd);
    add(queue, "a");
    EXPECT_TRUE(Woken(fd));
    queue_unwatch(watch);
    add(queue, "b");
    EXPECT_FALSE(Woken(fd));
    close(fd);
}

TEST_F(QueueTest, WhatAnAccountsRelayHasToDoWakesItAndNothingElse)
{
    int ada = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), eve = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_autoptr(QueueWatch) watch = queue_watch_due(queue, "ada", ada);
    g_autoptr(QueueWatch) other = queue_watch_due(queue, "eve", eve);
    gint64 id = add(queue, "one", "ada");
    EXPECT_TRUE(Woken(ada));

    g_autoptr(QueueEntry) entry = queue_take(queue, "ada", 1000000, nullptr);
    ASSERT_NE(entry, nullptr);
    entry->state = QUEUE_WAITING;
    entry->next_attempt = 2000000;
    EXPECT_TRUE(queue_update(queue, entry, nullptr));
    EXPECT_TRUE(queue_note_unreachable(queue, "ada", 3000000, "no network", nullptr));
    EXPECT_FALSE(Woken(ada)) << "its own writing";

    EXPECT_TRUE(queue_retry(queue, id, nullptr));
    EXPECT_TRUE(Woken(ada)) << "retry";
    EXPECT_TRUE(queue_hold(queue, id, nullptr));
    EXPECT_FALSE(Woken(ada)) << "hold";
    EXPECT_TRUE(queue_release(queue, id, nullptr));
    EXPECT_TRUE(Woken(ada)) << "release";
    EXPECT_TRUE(queue_send_at(queue, id, 5, nullptr));
    EXPECT_TRUE(Woken(ada)) << "send at";
    EXPECT_FALSE(queue_release(queue, id, nullptr));
    EXPECT_FALSE(Woken(ada)) << "what is refused";
    EXPECT_TRUE(queue_cancel(queue, id, nullptr));
    EXPECT_FALSE(Woken(ada)) << "cancel";
    EXPECT_FALSE(Woken(eve)) << "another's";
    g_clear_pointer(&watch, queue_unwatch);
    g_clear_pointer(&other, queue_unwatch);
    close(ada);
    close(eve);
}

TEST_F(QueueTest, ForgettingAnAccountLeavesNothingOfItHoweverMuchThereIs)
{
    std::vector<gint64> ids;
    for (int i = 0; i < 350; i++)
        ids.push_back(add(queue, "message " + std::to_string(i)));
    /* The newest are sent, so that a first page of the list has nothing to cancel. */
    for (int i = 100; i < 350; i++) {
        g_autoptr(QueueEntry) entry = queue_get(queue, ids[i], nullptr);
        entry->state = i % 2 ? QUEUE_SENT : QUEUE_SENDING;
        ASSERT_TRUE(queue_update(queue, entry, nullptr));
    }
    g_autoptr(QueueEntry) first = queue_get(queue, ids[0], nullptr);
    g_autoptr(QueueEntry) other = queue_entry_new();
    other->account = g_strdup("other");
    other->sender = g_strdup("");
    g_ptr_array_add(other->recipients, queue_recipient_new("a@b"));
    other->size = 1;
    g_autoptr(GBytes) body = g_bytes_new_static("x", 1);
    ASSERT_TRUE(queue_add(queue, other, body, -1, nullptr));
    ASSERT_TRUE(queue_forget(queue, first->account, nullptr));
    guint64 counts[5];
    ASSERT_TRUE(queue_counts(queue, first->account, counts, nullptr));
    for (guint64 count : counts)
        EXPECT_EQ(count, 0u);
    for (gint64 id : ids) {
        EXPECT_EQ(queue_get(queue, id, nullptr), nullptr);
        EXPECT_EQ(queue_read(queue, id, 0, 10, nullptr), nullptr);
    }
    EXPECT_EQ(state_of(queue, other->id), QUEUE_WAITING);
}

TEST_F(QueueTest, ManyClientsAtOnceEachGetTheirOwnMessage)
{
    std::vector<std::thread> threads;
    std::vector<std::vector<gint64>> ids(8);
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 25; i++)
                ids[t].push_back(add(queue, "message " + std::to_string(t * 100 + i)));
        });
    std::thread relay([&] {
        for (int taken = 0; taken < 50;) {
            g_autoptr(QueueEntry) entry = queue_take(queue, "work", 1, nullptr);
            if (!entry) {
                std::this_thread::yield();
                continue;
            }
            entry->state = QUEUE_HELD;
            EXPECT_TRUE(queue_update(queue, entry, nullptr));
            taken++;
        }
    });
    for (auto &thread : threads)
        thread.join();
    relay.join();
    for (int t = 0; t < 8; t++)
        for (int i = 0; i < 25; i++)
            EXPECT_EQ(read_all(queue, ids[t][i], 1000), "message " + std::to_string(t * 100 + i));
    guint64 counts[5];
    queue_counts(queue, "work", counts, nullptr);
    EXPECT_EQ(counts[QUEUE_WAITING], 150u);
    EXPECT_EQ(counts[QUEUE_HELD], 50u);
}

/* Runs `work` on the queue in a child that dies by SIGKILL when `work` returns. */
template <typename Work> void die_after(const std::string &path, Work work)
{
    pid_t pid = fork();
    if (pid == 0) {
        Queue *mine = queue_open(path.c_str(), nullptr);
        if (mine)
            work(mine);
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(pid, &status, 0);
}

TEST_F(QueueTest, ACrashWhileSendingMakesItWaitAgainAndSaysWhetherItMayHaveBeenSent)
{
    gint64 before = add(queue, "a"), after = add(queue, "b");
    queue_close(queue);
    die_after(path, [](Queue *mine) {
        QueueEntry *a = queue_take(mine, "work", 1, nullptr);
        QueueEntry *b = queue_take(mine, "work", 1, nullptr);
        (void)a;
        ((QueueRecipient *)g_ptr_array_index(b->recipients, 0))->state = QUEUE_RECIPIENT_UNKNOWN;
        queue_update(mine, b, nullptr);
    });
    open();
    g_autoptr(QueueEntry) untouched = queue_get(queue, before, nullptr);
    EXPECT_EQ(untouched->state, QUEUE_WAITING);
    EXPECT_EQ(untouched->last_error, nullptr);
    g_autoptr(QueueEntry) entry = queue_get(queue, after, nullptr);
    EXPECT_EQ(entry->state, QUEUE_WAITING);
    ASSERT_NE(entry->last_error, nullptr);
    auto recipient = (QueueRecipient *)g_ptr_array_index(entry->recipients, 0);
    EXPECT_EQ(recipient->state, QUEUE_RECIPIENT_UNKNOWN);

    ASSERT_TRUE(queue_retry(queue, after, nullptr));
    g_autoptr(QueueEntry) released = queue_get(queue, after, nullptr);
    recipient = (QueueRecipient *)g_ptr_array_index(released->recipients, 0);
    EXPECT_EQ(recipient->state, QUEUE_RECIPIENT_PENDING);
    EXPECT_EQ(released->state, QUEUE_WAITING);
}

TEST_F(QueueTest, KillsAtAnyMomentLoseNothingThatWasAccepted)
{
    queue_close(queue);
    std::string large = pattern(3000000);
    for (int round = 0; round < 12; round++) {
        int acknowledged[2];
        ASSERT_EQ(pipe(acknowledged), 0);
        pid_t pid = fork();
        if (pid == 0) {
            Queue *mine = queue_open(path.c_str(), nullptr);
            if (!mine)
                _exit(1);
            for (int i = 0;; i++) {
                gint64 id = add(mine, i % 5 == 4 ? large : "small " + std::to_string(i));
                if (write(acknowledged[1], &id, sizeof id) != sizeof id)
                    _exit(1);
            }
        }
        close(acknowledged[1]);
        struct pollfd fds = {acknowledged[0], POLLIN, 0};
        poll(&fds, 1, 10000);
        g_usleep(3000 + round * 4500);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);

        open();
        gint64 id;
        int known = 0;
        while (read(acknowledged[0], &id, sizeof id) == sizeof id) {
            g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
            ASSERT_NE(entry, nullptr);
            EXPECT_EQ(read_all(queue, id, 1 << 20).size(), entry->size);
            known++;
        }
        EXPECT_GT(known, 0);
        guint64 counts[5];
        queue_counts(queue, nullptr, counts, nullptr);
        g_autoptr(GPtrArray) all = queue_list(queue, nullptr, -1, 0, 10000, nullptr);
        EXPECT_EQ(counts[QUEUE_WAITING], all->len);
        EXPECT_EQ(read_all(queue, add(queue, large), 1 << 20), large);
        queue_close(queue);
        close(acknowledged[0]);
    }
    open();
}

/* A limit on file sizes is a full disk that needs no root. */
TEST_F(QueueTest, AFullDiskRefusesPolitelyKeepsWhatThereIsAndGoesOnWhenThereIsRoom)
{
    gint64 kept = add(queue, "kept");
    queue_close(queue);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        Queue *mine = queue_open(path.c_str(), nullptr);
        struct rlimit limit = {2000000, RLIM_INFINITY};
        setrlimit(RLIMIT_FSIZE, &limit);
        std::string large = pattern(6000000);
        g_autoptr(GBytes) body = g_bytes_new(large.data(), large.size());
        g_autoptr(QueueEntry) entry = make_entry(large.size());
        g_autoptr(GError) error = nullptr;
        if (queue_add(mine, entry, body, -1, &error))
            _exit(2);
        if (!g_error_matches(error, CACHE_ERROR, CACHE_ERROR_FULL))
            _exit(3);
        limit.rlim_cur = RLIM_INFINITY;
        setrlimit(RLIMIT_FSIZE, &limit);
        if (!queue_add(mine, entry, body, -1, nullptr))
            _exit(4);
        queue_close(mine);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    open();
    EXPECT_EQ(read_all(queue, kept, 100), "kept");
    guint64 counts[5];
    queue_counts(queue, nullptr, counts, nullptr);
    EXPECT_EQ(counts[QUEUE_WAITING], 2u);
}

} // namespace
