/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which messages of a maildrop are known: tables of listings, and a model in which a server does to
 * its names whatever it likes.
 */
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

extern "C" {
#include "daemon/config/settings.h"
#include "daemon/sync/maildrop-match.h"
#include <string.h>
}

namespace
{

void look(const std::string &header, guint8 looks[CACHE_DROP_DIGEST])
{
    const std::string text = header + "\r\n\r\nbody";
    maildrop_looks(text.data(), text.size(), looks);
}

struct Drops {
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)cache_drop_free);
    ~Drops()
    {
        g_ptr_array_unref(list);
    }

    CacheDrop *add(const char *uidl, const std::string &header, guint64 size = 100,
                   CacheDropState state = CACHE_DROP_HERE, bool listed = true)
    {
        CacheDrop *drop = g_new0(CacheDrop, 1);
        drop->id = list->len + 1;
        drop->uidl = g_strdup(uidl);
        drop->known_digest = state != CACHE_DROP_ASIDE;
        look(header, drop->digest);
        drop->size = size;
        drop->state = state;
        drop->listed = listed;
        g_ptr_array_add(list, drop);
        return drop;
    }
};

struct Listing {
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Pop3Message));
    std::vector<std::string> headers;
    Listing()
    {
        g_array_set_clear_func(list, clear);
    }
    ~Listing()
    {
        g_array_unref(list);
    }
    static void clear(gpointer message)
    {
        g_free(((Pop3Message *)message)->uidl);
    }

    Listing &add(const char *uidl, const std::string &header, guint64 size = 100)
    {
        Pop3Message message = {list->len + 1, size, g_strdup(uidl)};
        g_array_append_val(list, message);
        headers.push_back(header);
        return *this;
    }
};

/* As a round does: looks by TOP where wanted, all of the message where it is fetched. What each is:
 * the drop's id, 0: new. `trust` becomes FALSE where names have to be given up. */
std::vector<gint64> match(Drops &drops, Listing &listing, bool &trust, int *tops = nullptr,
                          bool top = true)
{
    for (;; trust = false) {
        g_autoptr(MaildropMatch) match = maildrop_match_new(drops.list, listing.list, trust);
        bool good = true;
        guint8 looks[CACHE_DROP_DIGEST];
        for (guint i = 0; i < listing.list->len && top; i++) {
            if (!maildrop_match_wants_looks(match, i))
                continue;
            if (tops)
                ++*tops;
            look(listing.headers[i], looks);
            good &= maildrop_match_settle(match, i, looks) != FALSE;
        }
        for (guint i = 0; good && i < listing.list->len; i++) {
            const MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);
            if (!maildrop_match_wants_fetch(match, i) && (top || entry->fate != MAILDROP_UNSURE))
                continue;
            look(listing.headers[i], looks);
            good &= maildrop_match_settle(match, i, looks) != FALSE;
        }
        if (!good)
            continue;
        std::vector<gint64> result;
        for (guint i = 0; i < listing.list->len; i++) {
            const MaildropEntry *entry = &g_array_index(match->entries, MaildropEntry, i);
            EXPECT_EQ(entry->fate == MAILDROP_NEW, entry->drop == nullptr);
            result.push_back(entry->drop ? entry->drop->id : 0);
        }
        return result;
    }
}

using Ids = std::vector<gint64>;

TEST(MaildropMatch, NamesAreBelievedAndTheLastIsLookedAt)
{
    Drops drops;
    drops.add("a", "A"), drops.add("b", "B");
    Listing listing;
    listing.add("a", "A").add("b", "B").add("c", "C");
    bool trust = true;
    int tops = 0;
    EXPECT_EQ(match(drops, listing, trust, &tops), (Ids{1, 2, 0}));
    EXPECT_EQ(tops, 1);
    Listing same;
    same.add("a", "A").add("b", "B");
    EXPECT_EQ(match(drops, same, trust, &tops), (Ids{1, 2}));
    EXPECT_EQ(tops, 2);
    EXPECT_TRUE(trust);
}

TEST(MaildropMatch, WhatSpeaksAgainstANameIsLookedAt)
{
    for (int kind = 0; kind < 4; kind++) {
        Drops drops;
        drops.add("a", "A", 100, CACHE_DROP_HERE, kind != 1), drops.add("b", "B");
        Listing listing;
        if (kind == 2) /* the order */
            listing.add("b", "B").add("a", "other").add("z", "Z");
        else if (kind == 3) /* it is the last */
            listing.add("a", "A").add("b", "other");
        else
            listing.add("a", "other", kind == 0 ? 101 : 100).add("b", "B");
        bool trust = true;
        Ids ids = match(drops, listing, trust);
        EXPECT_FALSE(trust) << kind;
        EXPECT_EQ(std::count(ids.begin(), ids.end(), 0), kind == 2 ? 2 : 1) << kind;
    }
}

TEST(MaildropMatch, AMessageThatLooksLikeOneWithANameMayBeThatOne)
{
    Drops drops;
    drops.add("a", "A"), drops.add("b", "B"), drops.add("c", "C");
    Listing listing; /* A has another name, and its old one is a new message's */
    listing.add("a", "new").add("z", "A").add("c", "C");
    bool trust = true;
    EXPECT_EQ(match(drops, listing, trust), (Ids{0, 1, 3}));
    EXPECT_FALSE(trust);
}

TEST(MaildropMatch, ADeletedMessageIsNotWhatLooksTheSameUnderAnotherName)
{
    Drops drops;
    drops.add("a", "A", 100, CACHE_DROP_DELETED, false);
    Listing another, same;
    another.add("b", "A");
    same.add("a", "A");
    bool trust = true;
    EXPECT_EQ(match(drops, another, trust), (Ids{0}));
    EXPECT_EQ(match(drops, same, trust), (Ids{1}));
}

TEST(MaildropMatch, SizesThatServersCountDifferentlyAreTheSameOthersNot)
{
    Drops drops;
    drops.add("a", "A", 10000);
    bool trust = true;
    Listing near, far;
    near.add("x", "A", 9800);
    far.add("x", "A", 5000);
    EXPECT_EQ(match(drops, near, trust), (Ids{1}));
    EXPECT_EQ(match(drops, far, trust), (Ids{0}));
}

TEST(MaildropMatch, WhatTheServerDoesntGiveKeepsItsRow)
{
    Drops drops;
    drops.add("a", "", 100, CACHE_DROP_ASIDE), drops.add(nullptr, "", 70, CACHE_DROP_ASIDE);
    Listing listing;
    listing.add("a", "A").add(nullptr, "B", 70);
    bool trust = true;
    EXPECT_EQ(match(drops, listing, trust), (Ids{1, 2}));
    trust = false;
    EXPECT_EQ(match(drops, listing, trust), (Ids{1, 2}));
}

TEST(MaildropMatch, LooksLeaveOutWhatServersAdd)
{
    guint8 plain[CACHE_DROP_DIGEST], with[CACHE_DROP_DIGEST], other[CACHE_DROP_DIGEST];
    look("Subject: a\r\n folded\r\nTo: b", plain);
    look("X-UIDL: 17\r\nSubject: a\r\n folded\r\nStatus: RO\r\nTo: b\r\nX-Status: F", with);
    look("Subject: a\r\nTo: b", other);
    EXPECT_EQ(memcmp(plain, with, sizeof plain), 0);
    EXPECT_NE(memcmp(plain, other, sizeof plain), 0);
    const char *bare = "Subject: a\r\n folded\r\nTo: b"; /* TOP without an empty line */
    maildrop_looks(bare, strlen(bare), other);
    EXPECT_EQ(memcmp(plain, other, sizeof plain), 0);
}

TEST(MaildropLeave, EachSettingAndClock)
{
    const gint64 day = 86400, now = 1000 * day;
    CacheDrop drop = {};
    drop.state = CACHE_DROP_HERE;
    drop.since = now - 30 * day;
    EXPECT_FALSE(maildrop_is_due(&drop, ACCOUNT_LEAVE_ALWAYS, now));
    EXPECT_TRUE(maildrop_is_due(&drop, 0, now));
    EXPECT_TRUE(maildrop_is_due(&drop, 30, now));
    EXPECT_FALSE(maildrop_is_due(&drop, 30, now - 1));
    EXPECT_FALSE(maildrop_is_due(&drop, 31, now));
    EXPECT_TRUE(maildrop_is_due(&drop, 36500, now + 36500 * day));
    drop.since = now + day; /* the clock was wrong */
    EXPECT_TRUE(maildrop_is_due(&drop, 0, now));
    EXPECT_FALSE(maildrop_is_due(&drop, 1, now));
    drop.state = CACHE_DROP_DELETED; /* and is there again: asked once a day */
    drop.changed = now;
    EXPECT_FALSE(maildrop_is_due(&drop, 0, now + day - 1));
    EXPECT_TRUE(maildrop_is_due(&drop, 0, now + day));
    drop.state = CACHE_DROP_ASIDE;
    EXPECT_FALSE(maildrop_is_due(&drop, 0, now + 100 * day));
}

/* A maildrop whose messages come and go, and whose names do anything: the same message is never
 * new twice, and no message is taken for another. */
TEST(MaildropMatch, WhateverAServerDoesToItsNamesNothingDoublesOrHides)
{
    for (unsigned seed = 0; seed < 400; seed++) {
        std::mt19937 random(seed);
        auto one_of = [&](int n) { return (int)(random() % (unsigned)n); };
        const int habit = one_of(6);
        const bool top = one_of(3) > 0;
        Drops drops;
        std::map<gint64, std::string> is; /* drop → message */
        std::vector<std::pair<int, std::string>> there;
        int next = 0;
        bool trust = true;

        for (int round = 0; round < 12; round++) {
            for (int i = one_of(5); i > 0; i--, next++)
                there.push_back({next, "Message-ID: <" + std::to_string(next) + ">"});
            for (int i = one_of(3); i > 0 && !there.empty(); i--)
                there.erase(there.begin() + one_of((int)there.size()));
            Listing listing;
            for (size_t i = 0; i < there.size(); i++) {
                const int key = there[i].first;
                std::string name = std::to_string(key) + "x";
                if (habit == 1)
                    name += std::to_string(round);
                else if (habit == 2)
                    name = std::to_string(i + 1);
                else if (habit == 3)
                    name = "pair" + std::to_string(key / 2);
                else if (habit == 4 && round > 5)
                    name = "new" + name;
                listing.add(habit == 5 ? nullptr : name.c_str(), there[i].second,
                            habit == 4 && round > 8 ? 103 : 100);
            }
            const std::vector<gint64> ids = match(drops, listing, trust, nullptr, top);
            std::set<gint64> seen;
            for (guint i = 0; i < ids.size(); i++) {
                const std::string &message = there[i].second;
                const Pop3Message *listed = &g_array_index(listing.list, Pop3Message, i);
                if (ids[i]) {
                    EXPECT_EQ(is[ids[i]], message) << seed << " " << round;
                    EXPECT_TRUE(seen.insert(ids[i]).second);
                    CacheDrop *drop = (CacheDrop *)drops.list->pdata[ids[i] - 1];
                    g_free(drop->uidl);
                    drop->uidl = g_strdup(listed->uidl);
                    drop->size = listed->size;
                } else {
                    for (auto &known : is)
                        EXPECT_NE(known.second, message) << seed << " " << round;
                    CacheDrop *drop = drops.add(listed->uidl, message, listed->size);
                    is[drop->id] = message;
                    seen.insert(drop->id);
                }
            }
            std::set<std::string> names;
            for (guint i = 0; i < ids.size(); i++)
                if (g_array_index(listing.list, Pop3Message, i).uidl)
                    names.insert(g_array_index(listing.list, Pop3Message, i).uidl);
            for (guint i = 0; i < drops.list->len; i++) {
                CacheDrop *drop = (CacheDrop *)drops.list->pdata[i];
                drop->listed = seen.count(drop->id) > 0;
                if (!drop->listed && drop->uidl && names.count(drop->uidl))
                    g_clear_pointer(&drop->uidl, g_free);
            }
        }
    }
}

} // namespace
