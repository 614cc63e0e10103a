/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local IMAP server: what one command answers is of one moment, however many messages it is
 * about, and whatever others do to them meanwhile.
 */
#include "imap-transcript.h"

#include <atomic>
#include <random>

namespace
{

/* More than is looked at between two breaths. */
constexpr guint MANY = 12000;
constexpr guint FEW_ROUNDS = 60;

class SnapshotTest : public ImapTest
{
  protected:
    std::atomic<bool> done{false};
    std::thread other;

    void SetUp() override
    {
        ImapTest::SetUp();
        arrive_many(inbox, MANY);
    }

    void TearDown() override
    {
        done = true;
        if (other.joinable())
            other.join();
        ImapTest::TearDown();
    }

    /* Another client does `change` again and again. */
    void meanwhile(std::function<void(unsigned)> change)
    {
        other = std::thread([this, change] {
            for (unsigned i = 0; !done; i++) {
                change(i);
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
        });
    }

    void flag(CacheTxn *txn, guint32 uid, CacheFlagsMode mode)
    {
        const CacheStore store = {mode, {.system = CACHE_FLAGGED}, G_MAXUINT64};
        g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        EXPECT_TRUE(
            cache_store(txn, (CacheSelection){inbox, &uid, 1}, store, changes, nullptr, error))
            << error.text();
    }

    void resize(CacheTxn *txn, guint32 uid, guint64 size)
    {
        CachePlacement placement;
        EXPECT_TRUE(cache_placement_get(txn, inbox, uid, &placement, error)) << error.text();
        placement.size = size;
        EXPECT_TRUE(cache_placement_put(txn, &placement, error)) << error.text();
    }

    /* The untagged answer to `command`; news aside. */
    std::string answer(Client &client, const std::string &command, const std::string &kind)
    {
        std::istringstream lines(client.command("a " + command));
        std::string line, found;
        while (std::getline(lines, line)) {
            if (line.compare(0, kind.size() + 3, "* " + kind + " ") == 0)
                found = line;
            if (line.compare(0, 2, "a ") == 0) {
                EXPECT_EQ(line.compare(0, 5, "a OK "), 0) << line;
            }
        }
        return found;
    }
};

/* One message is flagged at any moment, now this one, now that one. */
TEST_F(SnapshotTest, ASearchFindsWhatThereWasAtOneMoment)
{
    auto client = select();
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        flag(txn, 1, CACHE_FLAGS_ADD);
        txn.commit();
    }
    meanwhile([this](unsigned i) {
        Txn txn(cache, CACHE_WRITE_FULL);
        flag(txn, i % 2 ? MANY : 1, CACHE_FLAGS_REMOVE);
        flag(txn, i % 2 ? 1 : MANY, CACHE_FLAGS_ADD);
        txn.commit();
    });
    for (guint i = 0; i < FEW_ROUNDS && !HasFailure(); i++) {
        EXPECT_TRUE(matches("* ESEARCH (TAG \"a\") COUNT 1\r",
                            answer(*client, "SEARCH RETURN (COUNT) FLAGGED", "ESEARCH")));
        std::string all = answer(*client, "SEARCH FLAGGED", "SEARCH");
        EXPECT_TRUE(all == "* SEARCH 1\r" || all == "* SEARCH " + std::to_string(MANY) + "\r")
            << all;
    }
}

/* One message is the smallest and another the largest, and they change places. */
TEST_F(SnapshotTest, ASortIsInTheOrderOfOneMoment)
{
    auto client = select();
    auto exchange = [this](unsigned i) {
        Txn txn(cache, CACHE_WRITE_FULL);
        resize(txn, 1, i % 2 ? 1 : 100000);
        resize(txn, MANY, i % 2 ? 100000 : 1);
        txn.commit();
    };
    exchange(0);
    meanwhile(exchange);
    for (guint i = 0; i < FEW_ROUNDS && !HasFailure(); i++) {
        std::string ends = answer(*client, "SORT RETURN (MIN MAX) (SIZE) UTF-8 ALL", "ESEARCH");
        EXPECT_TRUE(matches("* ESEARCH (TAG \"a\") MIN 1 MAX 12000\r", ends) ||
                    matches("* ESEARCH (TAG \"a\") MIN 12000 MAX 1\r", ends))
            << ends;
    }
}

/* A client that asks for what changed since it asked last, and believes the mod-sequence that it is
 * told (RFC 7162, 3.1.5), misses no change. */
class Asking : public SnapshotTest, public testing::WithParamInterface<const char *>
{
  protected:
    std::map<guint32, guint64> seen; /* each message's last change that an answer can be of */
    guint64 since = 1;

    void ask(Client &client)
    {
        std::string line =
            answer(client, std::string(GetParam()) + " MODSEQ " + std::to_string(since), "ESEARCH");
        size_t all = line.find(" ALL "), modseq = line.find(" MODSEQ ");
        if (all == std::string::npos)
            return;
        guint64 told = std::stoull(line.substr(modseq + 8));
        std::istringstream ranges(line.substr(all + 5, modseq - all - 5));
        std::string range;
        while (std::getline(ranges, range, ',')) {
            size_t colon = range.find(':');
            guint32 first = (guint32)std::stoul(range);
            guint32 last =
                colon == range.npos ? first : (guint32)std::stoul(range.substr(colon + 1));
            for (guint32 uid = first; uid <= last; uid++)
                seen[uid] = told;
        }
        since = told + 1;
    }
};

TEST_P(Asking, HearsOfEveryChange)
{
    bool selected = !strstr(GetParam(), "IN (");
    auto client = selected ? select() : connect();
    std::mt19937 random(7);
    guint32 last = MANY;
    ask(*client);
    meanwhile([&, this](unsigned i) {
        guint32 uid = i % 2 ? last - random() % 100 : 1 + random() % 100;
        if (i % 5 == 0) {
            Txn txn(cache, CACHE_WRITE_FULL);
            last = arrive(txn, inbox, 20000 + i).uid;
            txn.commit();
        }
        Txn txn(cache, CACHE_WRITE_FULL);
        flag(txn, uid, random() % 2 ? CACHE_FLAGS_ADD : CACHE_FLAGS_REMOVE);
        txn.commit();
    });
    for (guint i = 0; i < 4 * FEW_ROUNDS; i++)
        ask(*client);
    done = true;
    other.join();
    ask(*client);
    if (selected) /* what is new there is told by EXISTS */
        last = MANY;
    Txn txn(cache, CACHE_READ);
    for (guint32 uid = 1; uid <= last; uid++) {
        CachePlacement placement;
        ASSERT_TRUE(cache_placement_get(txn, inbox, uid, &placement, error)) << error.text();
        ASSERT_LE(placement.modseq, seen[uid]) << uid << " changed, and nobody said so";
    }
}

INSTANTIATE_TEST_SUITE_P(All, Asking,
                         testing::Values("UID SEARCH RETURN (ALL)",
                                         "UID SORT RETURN (ALL) (ARRIVAL) UTF-8",
                                         "ESEARCH IN (mailboxes INBOX) RETURN (ALL)"));

} // namespace
