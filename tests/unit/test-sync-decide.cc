/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The decisions of pull and push, driven by a model without sockets or a database: two clients'
 * worth of random operations on the view and on a simulated server, syncs that are cut before or
 * after the effect of any command, and in the end: view, base and server equal, nothing lost,
 * nothing doubled, every local UID still the same message.
 *
 * POSTERN_SEED=N starts from another seed, POSTERN_ROUNDS=N runs so many rounds.
 */
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <vector>

extern "C" {
#include "daemon/sync/decide.h"
}

namespace
{

/* Keyword sets are bit sets here. */
guint32 unite(guint32 a, guint32 b, gpointer, GError **)
{
    return a | b;
}

guint32 subtract(guint32 a, guint32 b, gpointer, GError **)
{
    return a & ~b;
}

const SyncKeywords keywords = {unite, subtract, nullptr};
const SyncMask everything = {31, TRUE};

CacheFlags flags(guint32 system, guint32 set = 0)
{
    return {system, set};
}

bool operator==(const CacheFlags &a, const CacheFlags &b)
{
    return cache_flags_equal(a, b);
}

/* ---- failures ------------------------------------------------------------------------------ */

/* Keyword operations of which the n-th fails, as on a full disk. */
guint32 fail_at(gpointer data, GError **error)
{
    if (--*(int *)data != 0)
        return 1;
    g_set_error_literal(error, g_quark_from_static_string("test"), 0, "the disk is full");
    return G_MAXUINT32;
}

guint32 may_fail(guint32, guint32, gpointer data, GError **error)
{
    return fail_at(data, error);
}

/* Each decision, with all that differs that can: so that it needs keyword operations. */
gboolean run_decision(int which, const SyncKeywords *failing, GError **error)
{
    CacheFlags merged, add, remove;
    CachePlacement row = {}, arrival = {};
    const SyncTold told = {flags(1, 1), flags(2, 2), flags(4, 4)};
    gboolean changed;

    row.alive = TRUE;
    row.base = CACHE_BASE_PRESENT;
    row.flags = flags(1, 6);
    row.base_flags = flags(2, 3);
    arrival.base_flags = flags(4, 8);
    switch (which) {
    case 0:
        return sync_merge(flags(1, 1), flags(2, 2), flags(4, 4), everything, failing, &merged,
                          error);
    case 1:
        return sync_difference(flags(1, 1), flags(2, 2), everything, failing, &add, &remove, error);
    case 2:
        return sync_stored_base(flags(8, 8), &told, failing, &merged, error);
    case 3:
        return sync_decide_flags(&row, flags(4, 4), everything, failing, &changed, error);
    case 4:
        return sync_decide_moved(&row, &arrival, everything, failing, error);
    default: {
        SyncSituation situation = {};
        situation.pushed = [](gint64, gpointer) -> gboolean { return TRUE; };
        situation.upstream = [](gint64, SyncMask *mask, gpointer) -> gboolean {
            *mask = everything;
            return TRUE;
        };
        situation.blocked = [](const CachePlacement *, SyncActionKind, gpointer) -> gboolean {
            return FALSE;
        };
        situation.keywords = failing;
        g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(SyncAction));
        return sync_decide_push(&row, 1, &situation, actions, error);
    }
    }
}

TEST(Decisions, ThatFailSayWhy)
{
    for (int which = 0; which < 6; which++) {
        int failures = 0;
        for (int n = 1; n < 8; n++) {
            int count = n;
            const SyncKeywords failing = {may_fail, may_fail, &count};
            g_autoptr(GError) error = nullptr;
            gboolean ok = run_decision(which, &failing, &error);
            EXPECT_EQ(ok, error == nullptr) << which << " at operation " << n;
            failures += !ok;
        }
        EXPECT_GT(failures, 0) << which;
    }
}

/* ---- merge --------------------------------------------------------------------------------- */

TEST(Merge, KeepsJustTheBitsThatWereChangedHere)
{
    for (guint32 view = 0; view < 8; view++)
        for (guint32 base = 0; base < 8; base++)
            for (guint32 server = 0; server < 8; server++) {
                CacheFlags merged;
                ASSERT_TRUE(sync_merge(flags(view, view), flags(base, base), flags(server, server),
                                       everything, &keywords, &merged, nullptr));
                for (guint32 bit = 1; bit < 8; bit <<= 1) {
                    guint32 wanted = (view & bit) != (base & bit) ? view & bit : server & bit;
                    EXPECT_EQ(merged.system & bit, wanted);
                    EXPECT_EQ(merged.keywords & bit, wanted);
                }
            }
}

TEST(Merge, LeavesAloneWhatTheServerDoesNotKeep)
{
    const SyncMask mask = {CACHE_SEEN, FALSE};
    CacheFlags merged, add, remove;

    ASSERT_TRUE(sync_merge(flags(CACHE_FLAGGED, 2), flags(0), flags(CACHE_SEEN | CACHE_DRAFT, 4),
                           mask, &keywords, &merged, nullptr));
    EXPECT_TRUE(merged == flags(CACHE_FLAGGED | CACHE_SEEN, 2));
    ASSERT_TRUE(
        sync_difference(merged, flags(CACHE_SEEN), mask, &keywords, &add, &remove, nullptr));
    EXPECT_TRUE(add == flags(0));
    EXPECT_TRUE(remove == flags(0));
    EXPECT_TRUE(sync_masked_base(merged, flags(CACHE_SEEN), mask) == merged);
}

TEST(Stored, WhatWasChangedBackMeanwhileIsStillADifference)
{
    /* \\Flagged was sent, and taken back before the answer came. */
    CacheFlags base = flags(0, 0), view = flags(CACHE_SEEN, 0), answer = flags(10, 1), merged;

    const SyncTold told = {answer, flags(10, 1), flags(0)};
    ASSERT_TRUE(sync_stored_base(base, &told, &keywords, &base, nullptr));
    ASSERT_TRUE(sync_merge(view, base, answer, everything, &keywords, &merged, nullptr));
    EXPECT_TRUE(merged == view);
}

TEST(Stored, OlderNewsTakesNothingAway)
{
    CacheFlags base = flags(0), view = flags(CACHE_SEEN), answer = flags(0), merged;

    const SyncTold told = {answer, flags(CACHE_SEEN), flags(0)};
    ASSERT_TRUE(sync_stored_base(base, &told, &keywords, &base, nullptr));
    ASSERT_TRUE(sync_merge(view, base, answer, everything, &keywords, &merged, nullptr));
    EXPECT_TRUE(merged == view);
}

TEST(Difference, IsWhatHasToBeAddedAndRemoved)
{
    CacheFlags add, remove;

    ASSERT_TRUE(sync_difference(flags(CACHE_SEEN, 1), flags(CACHE_FLAGGED, 6), everything,
                                &keywords, &add, &remove, nullptr));
    EXPECT_TRUE(add == flags(CACHE_SEEN, 1));
    EXPECT_TRUE(remove == flags(CACHE_FLAGGED, 6));
}

/* ---- matching ------------------------------------------------------------------------------ */

GArray *candidates(std::vector<SyncCandidate> list)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(SyncCandidate));
    for (auto &candidate : list)
        g_array_append_val(array, candidate);
    return array;
}

SyncCandidate candidate(guint32 uid, const char *id, guint64 size, gint64 date, bool known = true)
{
    SyncCandidate made = {};
    made.key.message_id = id;
    made.key.known = known;
    made.key.size = size;
    made.key.date = date;
    made.uid = uid;
    made.index = (gint)uid;
    return made;
}

std::map<int, int> match(std::vector<SyncCandidate> old_list, std::vector<SyncCandidate> new_list)
{
    g_autoptr(GArray) old_array = candidates(old_list);
    g_autoptr(GArray) new_array = candidates(new_list);
    std::map<int, int> found;

    sync_match(old_array, new_array);
    for (guint i = 0; i < old_array->len; i++) {
        const SyncCandidate &entry = g_array_index(old_array, SyncCandidate, i);
        if (entry.match >= 0)
            found[entry.index] = entry.match;
    }
    return found;
}

TEST(Match, DuplicatesPairUpInTheOrderOfTheirUids)
{
    auto found = match({candidate(9, "a", 10, 1), candidate(3, "a", 10, 1)},
                       {candidate(5, "a", 10, 1), candidate(7, "a", 10, 1)});
    EXPECT_EQ(found, (std::map<int, int>{{3, 5}, {9, 7}}));
}

TEST(Match, ADifferentMessageIdIsADifferentMessage)
{
    EXPECT_TRUE(match({candidate(1, "a", 10, 1)}, {candidate(2, "b", 10, 1)}).empty());
    EXPECT_TRUE(match({candidate(1, nullptr, 10, 1)}, {candidate(2, "b", 10, 1)}).empty());
}

TEST(Match, SizeAndDateDoWhereNoHeaderIsKnown)
{
    EXPECT_EQ(match({candidate(1, nullptr, 10, 1, false)}, {candidate(2, "b", 10, 1)}).size(), 1u);
    EXPECT_TRUE(match({candidate(1, nullptr, 11, 1, false)}, {candidate(2, "b", 10, 1)}).empty());
}

TEST(Match, TheSizeOfTheServerIsOnlyAHint)
{
    EXPECT_EQ(match({candidate(1, "a", 10, 1)}, {candidate(2, "a", 12, 1)}).size(), 1u);
    EXPECT_EQ(
        match({candidate(1, "a", 10, 1)}, {candidate(2, "a", 12, 1), candidate(3, "a", 10, 1)}),
        (std::map<int, int>{{1, 3}}));
}

TEST(Match, TheObjectIdDecidesFirst)
{
    SyncCandidate other = candidate(1, "a", 10, 1), was = candidate(2, "a", 10, 1),
                  now = candidate(5, "a", 10, 1);
    was.key.remote_id = now.key.remote_id = "M1";
    EXPECT_EQ(match({other, was}, {now}), (std::map<int, int>{{2, 5}}));
}

/* ---- push: one message --------------------------------------------------------------------- */

struct World {
    std::set<gint64> local_only, missing;
    std::set<std::pair<gint64, guint32>> blocked;
};

gboolean world_pushed(gint64 folder, gpointer data)
{
    return !((World *)data)->local_only.count(folder);
}

gboolean world_upstream(gint64 folder, SyncMask *mask, gpointer data)
{
    *mask = everything;
    return !((World *)data)->missing.count(folder);
}

gboolean world_held(const CachePlacement *row, SyncActionKind, gpointer data)
{
    return ((World *)data)->blocked.count({row->folder, row->uid}) != 0;
}

CachePlacement row(gint64 folder, guint32 uid, bool alive, guint32 base_uid)
{
    CachePlacement made = {};
    made.folder = folder;
    made.uid = uid;
    made.message = 1;
    made.alive = alive;
    made.base = base_uid ? CACHE_BASE_PRESENT : CACHE_BASE_NONE;
    made.base_uid = base_uid;
    return made;
}

std::vector<SyncAction> decide(std::vector<CachePlacement> rows, World world = {}, bool move = true,
                               bool bytes = true, bool set_like = false)
{
    SyncSituation situation = {};
    situation.set_like = set_like;
    situation.can_move = move;
    situation.has_bytes = bytes;
    situation.pushed = world_pushed;
    situation.upstream = world_upstream;
    situation.blocked = world_held;
    situation.data = &world;
    situation.keywords = &keywords;
    g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(SyncAction));
    EXPECT_TRUE(sync_decide_push(rows.data(), (guint)rows.size(), &situation, actions, nullptr));
    return {(SyncAction *)actions->data, (SyncAction *)actions->data + actions->len};
}

std::vector<SyncActionKind> kinds(const std::vector<SyncAction> &actions)
{
    std::vector<SyncActionKind> list;
    for (auto &action : actions)
        list.push_back(action.kind);
    return list;
}

using Kinds = std::vector<SyncActionKind>;

TEST(Push, NothingDiffersNothingIsSent)
{
    EXPECT_TRUE(decide({row(1, 1, true, 1)}).empty());
    EXPECT_TRUE(decide({row(1, 1, false, 0)}).empty());
}

TEST(Push, AMoveIsOneMove)
{
    EXPECT_EQ(kinds(decide({row(1, 1, false, 5), row(2, 1, true, 0)})), (Kinds{SYNC_MOVE}));
}

TEST(Push, AMoveWithoutMoveIsACopyAndTheSourceWaits)
{
    EXPECT_EQ(kinds(decide({row(1, 1, false, 5), row(2, 1, true, 0)}, {}, false)),
              (Kinds{SYNC_COPY}));
    EXPECT_EQ(kinds(decide({row(1, 1, false, 5), row(2, 1, true, 9)}, {}, false)),
              (Kinds{SYNC_EXPUNGE}));
}

TEST(Push, OfSeveralCopiesTheLastMovesTheSource)
{
    EXPECT_EQ(kinds(decide({row(1, 1, false, 5), row(2, 1, true, 0), row(3, 1, true, 0)})),
              (Kinds{SYNC_COPY, SYNC_COPY}));
}

TEST(Push, WhatIsUpstreamIsNeverAppended)
{
    EXPECT_EQ(kinds(decide({row(1, 1, true, 5), row(2, 1, true, 0)})), (Kinds{SYNC_COPY}));
    EXPECT_EQ(kinds(decide({row(2, 1, true, 0)})), (Kinds{SYNC_APPEND}));
}

TEST(Push, NothingIsExpungedWhileACopyIsMissing)
{
    World world;
    world.missing.insert(2);
    EXPECT_TRUE(decide({row(1, 1, false, 5), row(2, 1, true, 0)}, world).empty());
    world = {};
    world.blocked.insert({2, 1});
    EXPECT_TRUE(decide({row(1, 1, false, 5), row(2, 1, true, 0)}, world).empty());
}

TEST(Push, WhatIsHeldIsNotSentAgain)
{
    World world;
    world.blocked.insert({2, 1});
    EXPECT_TRUE(decide({row(2, 1, true, 0)}, world).empty());
    /* A blocked copy may turn out to be upstream: then the other is a copy of it. */
    EXPECT_TRUE(decide({row(2, 1, true, 0), row(3, 1, true, 0)}, world).empty());
}

TEST(Push, AnUnknownUidIsWaitedFor)
{
    CachePlacement unknown = row(2, 1, true, 0);
    unknown.base = CACHE_BASE_UNKNOWN;
    EXPECT_TRUE(decide({unknown, row(3, 1, true, 0)}).empty());
    EXPECT_TRUE(decide({row(1, 1, false, 4), unknown}).empty());
}

TEST(Push, WhereAMessageIsInAFolderOnceItStaysThereWhenItWasPutBack)
{
    auto actions = decide({row(1, 1, false, 5), row(1, 2, true, 0)}, {}, true, true, true);
    ASSERT_EQ(kinds(actions), (Kinds{SYNC_IDENTIFY}));
    EXPECT_EQ(actions[0].uid, 2u);
    EXPECT_EQ(actions[0].source_uid, 1u);
    EXPECT_EQ(actions[0].base_uid, 5u);
    EXPECT_EQ(kinds(decide({row(1, 1, false, 5), row(1, 2, true, 0), row(2, 1, true, 7)}, {}, true,
                           true, true)),
              (Kinds{SYNC_IDENTIFY}));
    EXPECT_EQ(kinds(decide({row(1, 1, false, 5), row(1, 2, true, 0)})), (Kinds{SYNC_COPY}));
}

TEST(Push, WhereAMessageIsInAFolderOnceWhatStandsForItThereIsWaitedFor)
{
    CachePlacement unknown = row(1, 1, false, 0);
    unknown.base = CACHE_BASE_UNKNOWN;
    EXPECT_TRUE(
        decide({unknown, row(1, 2, true, 0), row(2, 1, true, 7)}, {}, true, true, true).empty());
    World world;
    world.blocked.insert({1, 1});
    EXPECT_TRUE(decide({row(1, 1, false, 5), row(1, 2, true, 0)}, world, true, true, true).empty());
}

TEST(Push, WhatHasNoBytesCanOnlyBeCopied)
{
    EXPECT_EQ(kinds(decide({row(2, 1, true, 0)}, {}, true, false)), (Kinds{SYNC_LOST}));
    EXPECT_EQ(kinds(decide({row(1, 1, true, 3), row(2, 1, true, 0)}, {}, true, false)),
              (Kinds{SYNC_COPY}));
}

TEST(Push, WhatHasNoBytesIsNotLostWhileACopyMayTurnOutToBeUpstream)
{
    CachePlacement unknown = row(2, 1, true, 0);
    unknown.base = CACHE_BASE_UNKNOWN;
    EXPECT_TRUE(decide({unknown, row(3, 1, true, 0)}, {}, true, false).empty());
    World world;
    world.blocked.insert({2, 1});
    EXPECT_TRUE(decide({row(2, 1, true, 0), row(3, 1, true, 0)}, world, true, false).empty());
}

TEST(Push, AMoveToALocalFolderNeedsTheBytesBeforeTheSourceGoes)
{
    World world;
    world.local_only.insert(2);
    EXPECT_TRUE(decide({row(1, 1, false, 3), row(2, 1, true, 0)}, world, true, false).empty());
    EXPECT_EQ(kinds(decide({row(1, 1, false, 3), row(2, 1, true, 0)}, world)),
              (Kinds{SYNC_EXPUNGE}));
}

/* ---- the model ----------------------------------------------------------------------------- */

constexpr int FOLDERS = 3;

struct ServerMessage {
    int content;
    CacheFlags flags;
};

struct ServerFolder {
    std::map<guint32, ServerMessage> messages;
    guint32 uidnext = 1;
    guint32 uidvalidity = 1;
};

struct Attempt {
    SyncActionKind kind;
    gint64 source, target;
    guint32 uidvalidity, uidnext;
    std::vector<guint32> items;
};

/* Thrown where the line breaks. */
struct Cut {
};

using Places = std::map<int, std::multiset<std::tuple<int, guint32, guint32>>>;

class Model
{
  public:
    explicit Model(unsigned seed, bool uidplus, bool move)
        : random(seed), uidplus(uidplus), move(move)
    {
        for (int i = 0; i < 4; i++)
            server_append(pick(FOLDERS));
        sync();
    }

    void round()
    {
        touched_here.clear();
        touched_there.clear();
        Places before = there();
        for (unsigned n = pick(4); n > 0; n--)
            client_operation();
        local = here();
        for (unsigned n = pick(3); n > 0; n--)
            server_operation();
        Places remote = there();
        for (unsigned n = pick(3); n > 0; n--)
            disturbed_sync();
        /* With an answer lost, equal messages in one folder can't be told apart any more. */
        if (pick(40) == 0 && attempts.empty())
            reset(pick(FOLDERS));
        sync();
        check(before, remote);
    }

    std::string failure;

  private:
    Places local; /* what the client's view was when it had done its operations */
    std::mt19937 random;
    bool uidplus, move;
    int cut_in = -1; /* steps until the line breaks; -1: never */

    ServerFolder server[FOLDERS];
    int contents = 0;

    std::map<guint32, CachePlacement> rows[FOLDERS];
    guint32 uidnext[FOLDERS] = {1, 1, 1};
    guint32 base_uidnext[FOLDERS] = {1, 1, 1};
    guint32 base_uidvalidity[FOLDERS] = {1, 1, 1};
    std::vector<int> message_content = {0}; /* by message number */
    std::vector<Attempt> attempts;
    std::map<std::pair<int, guint32>, int> meaning; /* every local UID ever shown */

    std::map<int, std::set<std::string>> touched_here, touched_there;
    std::map<int, int> placed; /* how often either side put it somewhere */

    unsigned pick(unsigned below)
    {
        return random() % below;
    }

    CacheFlags some_flags()
    {
        return flags(pick(2) ? CACHE_SEEN : 0, pick(3) ? 0 : 1u << pick(2));
    }

    /* A moment at which the line may break or the program may die. */
    void step()
    {
        if (cut_in >= 0 && cut_in-- == 0)
            throw Cut();
    }

    /* ---- both sides' operations ---- */

    guint32 server_append(int folder)
    {
        server[folder].messages[server[folder].uidnext] = {++contents, some_flags()};
        return server[folder].uidnext++;
    }

    template <class Map> typename Map::iterator any(Map &map)
    {
        auto it = map.begin();
        std::advance(it, pick((unsigned)map.size()));
        return it;
    }

    void server_operation()
    {
        int folder = (int)pick(FOLDERS), target = (int)pick(FOLDERS);
        unsigned kind = pick(6);
        auto &from = server[folder];
        if (kind == 0 || from.messages.empty()) {
            server_append(folder);
            touched_there[contents].insert("append");
            return;
        }
        auto it = any(from.messages);
        ServerMessage message = it->second;
        if (kind == 1) {
            from.messages.erase(it);
            touched_there[message.content].insert("expunge");
        } else if (kind <= 3) {
            it->second.flags.system ^= CACHE_SEEN << pick(2);
            touched_there[message.content].insert("store");
        } else {
            server[target].messages[server[target].uidnext++] = message;
            placed[message.content]++;
            if (kind == 4)
                from.messages.erase(it);
            touched_there[message.content].insert(kind == 4 ? "move" : "copy");
        }
    }

    CachePlacement &add_row(int folder, gint64 message)
    {
        CachePlacement made = row(folder, uidnext[folder]++, true, 0);
        made.message = message;
        made.date = message_content[message];
        made.size = 1;
        return rows[folder][made.uid] = made;
    }

    std::vector<guint32> alive(int folder)
    {
        std::vector<guint32> uids;
        for (auto &[uid, placement] : rows[folder])
            if (placement.alive)
                uids.push_back(uid);
        return uids;
    }

    void client_operation()
    {
        int folder = (int)pick(FOLDERS), target = (int)pick(FOLDERS);
        unsigned kind = pick(6);
        auto uids = alive(folder);
        if (kind == 0 || uids.empty()) {
            message_content.push_back(++contents);
            add_row(folder, (gint64)message_content.size() - 1).flags = some_flags();
            touched_here[contents].insert("append");
            remember();
            return;
        }
        guint32 uid = uids[pick((unsigned)uids.size())];
        CachePlacement &placement = rows[folder][uid];
        int content = message_content[placement.message];
        if (kind == 1) {
            kill(placement);
            touched_here[content].insert("expunge");
        } else if (kind <= 3) {
            placement.flags.system ^= CACHE_SEEN << pick(2);
            touched_here[content].insert("store");
        } else {
            CacheFlags kept = placement.flags;
            CachePlacement &copy = add_row(target, placement.message);
            copy.flags = kept;
            placed[content]++;
            if (kind == 4) {
                copy.from_folder = folder;
                copy.from_uid = uid;
                kill(rows[folder][uid]);
            }
            touched_here[content].insert(kind == 4 ? "move" : "copy");
        }
        remember();
    }

    bool is_attempted(gint64 folder, guint32 uid)
    {
        for (auto &attempt : attempts)
            for (guint32 item : attempt.items)
                if (attempt.target == folder && item == uid)
                    return true;
        return false;
    }

    void kill(CachePlacement &placement)
    {
        placement.alive = FALSE;
        if (placement.base == CACHE_BASE_NONE && !is_attempted(placement.folder, placement.uid))
            rows[placement.folder].erase(placement.uid);
    }

    void remember()
    {
        for (int folder = 0; folder < FOLDERS; folder++)
            for (auto &[uid, placement] : rows[folder]) {
                int content = message_content[placement.message];
                auto [it, added] = meaning.insert({{folder, uid}, content});
                if (!added && it->second != content)
                    failure = "a local UID changed its meaning";
            }
    }

    /* ---- pull ---- */

    struct Gone {
        int folder;
        guint32 uid;
    };
    struct Came {
        int folder;
        guint32 uid;
    };
    std::vector<Gone> gone;
    std::vector<Came> came;
    std::map<int, guint32> complete; /* folder -> UIDNEXT, waiting for the round's end */
    std::vector<std::string> ids;

    SyncCandidate key_of(int content, guint32 uid, int index, bool dead = false)
    {
        static std::map<int, std::string> names;
        auto &name = names[content];
        if (name.empty())
            name = "m" + std::to_string(content);
        SyncCandidate made = candidate(uid, name.c_str(), 1, content);
        made.index = index;
        made.dead = dead;
        return made;
    }

    CachePlacement *by_base(int folder, guint32 uid)
    {
        for (auto &[local, placement] : rows[folder])
            if (placement.base == CACHE_BASE_PRESENT && placement.base_uid == uid)
                return &placement;
        return nullptr;
    }

    /* Those new messages that are the effect of an attempt. */
    void adopt(int folder, std::vector<guint32> &blocked)
    {
        std::vector<SyncCandidate> items, arrivals;
        std::vector<guint32> locals;
        for (auto &attempt : attempts)
            for (guint32 item : attempt.items)
                if (attempt.target == folder && rows[folder].count(item) &&
                    rows[folder][item].base != CACHE_BASE_PRESENT) {
                    items.push_back(key_of(message_content[rows[folder][item].message],
                                           (guint32)locals.size(), (int)locals.size()));
                    locals.push_back(item);
                }
        for (guint32 uid : blocked)
            arrivals.push_back(key_of(server[folder].messages[uid].content, uid, (int)uid));
        for (auto [item, uid] : match(items, arrivals)) {
            CachePlacement &placement = rows[folder][locals[(size_t)item]];
            placement.base = CACHE_BASE_PRESENT;
            placement.base_uid = (guint32)uid;
            placement.base_flags = server[folder].messages[(guint32)uid].flags;
            blocked.erase(std::find(blocked.begin(), blocked.end(), (guint32)uid));
        }
    }

    void pull(int folder)
    {
        if (base_uidvalidity[folder] != server[folder].uidvalidity)
            rematch(folder);
        guint32 hold_from = 0;
        for (auto &attempt : attempts)
            if (attempt.target == folder) {
                guint32 from =
                    attempt.uidvalidity == base_uidvalidity[folder] ? attempt.uidnext : 1;
                hold_from = hold_from ? std::min(hold_from, from) : from;
            }
        std::vector<guint32> blocked, fresh;
        for (auto &[uid, message] : server[folder].messages) {
            CachePlacement *known = by_base(folder, uid);
            gboolean changed;
            if (known)
                sync_decide_flags(known, message.flags, everything, &keywords, &changed, nullptr);
            else if (hold_from && uid >= hold_from)
                blocked.push_back(uid);
            else
                fresh.push_back(uid);
        }
        step();
        adopt(folder, blocked);
        fresh.insert(fresh.end(), blocked.begin(), blocked.end());
        for (guint32 uid : fresh) {
            message_content.push_back(server[folder].messages[uid].content);
            CachePlacement &placement = add_row(folder, (gint64)message_content.size() - 1);
            placement.base = CACHE_BASE_PRESENT;
            placement.base_uid = uid;
            placement.flags = placement.base_flags = server[folder].messages[uid].flags;
            came.push_back({folder, placement.uid});
        }
        step();
        bool lost = false;
        for (auto &[uid, placement] : rows[folder])
            if (placement.base == CACHE_BASE_PRESENT &&
                !server[folder].messages.count(placement.base_uid)) {
                gone.push_back({folder, uid});
                lost = true;
            }
        if (lost)
            complete[folder] = server[folder].uidnext;
        else
            base_uidnext[folder] = server[folder].uidnext;
        remember();
    }

    /* After a UIDVALIDITY reset. */
    void rematch(int folder)
    {
        std::vector<SyncCandidate> old_list, new_list;
        for (auto &[uid, placement] : rows[folder])
            if (placement.base == CACHE_BASE_PRESENT)
                old_list.push_back(key_of(message_content[placement.message], placement.base_uid,
                                          (int)uid, !placement.alive));
        for (auto &[uid, message] : server[folder].messages)
            new_list.push_back(key_of(message.content, uid, (int)uid));
        auto pairs = match(old_list, new_list);
        for (auto &entry : old_list) {
            CachePlacement &placement = rows[folder][(guint32)entry.index];
            if (pairs.count(entry.index))
                placement.base_uid = (guint32)pairs[entry.index];
            else
                sync_decide_vanished(&placement);
        }
        base_uidvalidity[folder] = server[folder].uidvalidity;
        base_uidnext[folder] = 1;
    }

    void settle()
    {
        std::vector<SyncCandidate> old_list, new_list;
        for (size_t i = 0; i < gone.size(); i++) {
            CachePlacement &placement = rows[gone[i].folder][gone[i].uid];
            old_list.push_back(key_of(message_content[placement.message], placement.base_uid,
                                      (int)i, !placement.alive));
        }
        for (size_t i = 0; i < came.size(); i++)
            new_list.push_back(key_of(message_content[rows[came[i].folder][came[i].uid].message],
                                      (guint32)i, (int)i));
        auto pairs = match(old_list, new_list);
        for (size_t i = 0; i < gone.size(); i++) {
            CachePlacement &placement = rows[gone[i].folder][gone[i].uid];
            auto found = pairs.find((int)i);
            if (found != pairs.end()) {
                Came &to = came[(size_t)found->second];
                sync_decide_moved(&placement, &rows[to.folder][to.uid], everything, &keywords,
                                  nullptr);
            } else {
                sync_decide_vanished(&placement);
            }
            rows[gone[i].folder].erase(gone[i].uid);
        }
        for (auto [folder, next] : complete)
            base_uidnext[folder] = next;
        for (auto &attempt : attempts)
            for (guint32 item : attempt.items) {
                auto it = rows[attempt.target].find(item);
                if (it == rows[attempt.target].end())
                    continue;
                if (it->second.base == CACHE_BASE_UNKNOWN)
                    sync_decide_vanished(&it->second);
                if (!it->second.alive && it->second.base == CACHE_BASE_NONE)
                    rows[attempt.target].erase(it);
            }
        attempts.clear();
        gone.clear();
        came.clear();
        complete.clear();
    }

    void pull_all()
    {
        gone.clear();
        came.clear();
        complete.clear();
        for (int folder = 0; folder < FOLDERS; folder++) {
            step();
            pull(folder);
        }
        step();
        settle();
    }

    /* ---- push ---- */

    static gboolean always(gint64, gpointer)
    {
        return TRUE;
    }

    static gboolean has_mask(gint64, SyncMask *mask, gpointer)
    {
        *mask = everything;
        return TRUE;
    }

    static gboolean blocked(const CachePlacement *placement, SyncActionKind, gpointer data)
    {
        return ((Model *)data)->is_attempted(placement->folder, placement->uid);
    }

    std::vector<SyncAction> decisions()
    {
        std::map<gint64, std::vector<CachePlacement>> messages;
        std::vector<SyncAction> all;
        SyncSituation situation = {};
        situation.can_move = move;
        situation.has_bytes = TRUE;
        situation.pushed = always;
        situation.upstream = has_mask;
        situation.blocked = blocked;
        situation.data = this;
        situation.keywords = &keywords;
        for (auto &folder : rows)
            for (auto &[uid, placement] : folder)
                messages[placement.message].push_back(placement);
        g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(SyncAction));
        for (auto &[message, list] : messages)
            sync_decide_push(list.data(), (guint)list.size(), &situation, actions, nullptr);
        for (SyncActionKind kind :
             {SYNC_COPY, SYNC_APPEND, SYNC_REBASE, SYNC_STORE, SYNC_MOVE, SYNC_EXPUNGE})
            for (guint i = 0; i < actions->len; i++)
                if (g_array_index(actions, SyncAction, i).kind == kind)
                    all.push_back(g_array_index(actions, SyncAction, i));
        return all;
    }

    void push_message(const SyncAction &action)
    {
        CachePlacement &target = rows[action.folder][action.uid];
        guint32 source_uid = 0;
        ServerMessage sent = {message_content[target.message], target.flags};
        ServerFolder &to = server[action.folder];
        if (base_uidvalidity[action.folder] != to.uidvalidity)
            throw Cut();
        if (action.kind != SYNC_APPEND) {
            if (base_uidvalidity[action.source_folder] != server[action.source_folder].uidvalidity)
                throw Cut();
            source_uid = rows[action.source_folder][action.source_uid].base_uid;
        }
        attempts.push_back({action.kind,
                            action.source_folder,
                            action.folder,
                            base_uidvalidity[action.folder],
                            base_uidnext[action.folder],
                            {action.uid}});
        step();
        if (source_uid) {
            auto &from = server[action.source_folder].messages;
            auto it = from.find(source_uid);
            if (it == from.end())
                throw Cut(); /* nothing happened, nothing is said: the next pull tells */
            sent = it->second;
            if (action.kind == SYNC_MOVE)
                from.erase(it);
        }
        guint32 uid = to.uidnext++;
        to.messages[uid] = sent;
        step();
        if (!uidplus) {
            if (action.kind == SYNC_APPEND)
                target.base = CACHE_BASE_UNKNOWN;
            return;
        }
        target.base = CACHE_BASE_PRESENT;
        target.base_uid = uid;
        target.base_flags = action.kind == SYNC_APPEND
                                ? sent.flags
                                : rows[action.source_folder][action.source_uid].base_flags;
        if (action.kind == SYNC_MOVE)
            rows[action.source_folder].erase(action.source_uid);
        attempts.pop_back();
    }

    /* A client changes its mind while a command is under way. */
    void change_meanwhile(CachePlacement &placement)
    {
        int content = message_content[placement.message];
        placement.flags.system ^= CACHE_SEEN << pick(2);
        touched_here[content].insert("store");
        local[content] = here()[content];
    }

    void push_one(const SyncAction &action)
    {
        auto &folder = server[action.folder];
        CachePlacement &placement = rows[action.folder][action.uid];
        if (base_uidvalidity[action.folder] != folder.uidvalidity)
            throw Cut();
        auto it = folder.messages.find(placement.base_uid);
        SyncTold told;
        gboolean changed;
        switch (action.kind) {
        case SYNC_REBASE:
            placement.base_flags = placement.flags;
            break;
        case SYNC_STORE:
            step();
            if (it == folder.messages.end())
                break;
            it->second.flags.system |= action.add.system;
            it->second.flags.system &= ~action.remove.system;
            it->second.flags.keywords |= action.add.keywords;
            it->second.flags.keywords &= ~action.remove.keywords;
            step();
            if (pick(8) == 0)
                change_meanwhile(placement);
            told = {it->second.flags, action.add, action.remove};
            EXPECT_TRUE(sync_stored_base(placement.base_flags, &told, &keywords,
                                         &placement.base_flags, nullptr));
            sync_decide_flags(&placement, it->second.flags, everything, &keywords, &changed,
                              nullptr);
            break;
        case SYNC_EXPUNGE:
            step();
            if (it != folder.messages.end())
                folder.messages.erase(it);
            step();
            rows[action.folder].erase(action.uid);
            break;
        default:
            push_message(action);
        }
    }

    /* ---- rounds ---- */

    void sync_once()
    {
        for (int pass = 0; pass < 8; pass++) {
            pull_all();
            auto actions = decisions();
            if (actions.empty())
                return;
            for (auto &action : actions)
                push_one(action);
        }
        failure = "push never ends";
    }

    void sync()
    {
        cut_in = -1;
        for (int tries = 0; tries < 8; tries++)
            try {
                sync_once();
                return;
            } catch (Cut &) {
            }
        failure = "sync never succeeds";
    }

    void disturbed_sync()
    {
        cut_in = (int)pick(30);
        try {
            sync_once();
        } catch (Cut &) {
        }
        cut_in = -1;
    }

    /* The server renumbers a folder. */
    void reset(unsigned folder)
    {
        std::map<guint32, ServerMessage> renumbered;
        guint32 uid = 1 + pick(5);
        for (auto &[old, message] : server[folder].messages)
            renumbered[uid++] = message;
        server[folder].messages = renumbered;
        server[folder].uidnext = uid;
        server[folder].uidvalidity++;
    }

    /* ---- the outcome ---- */

    Places there()
    {
        Places places;
        for (int folder = 0; folder < FOLDERS; folder++)
            for (auto &[uid, message] : server[folder].messages)
                places[message.content].insert(
                    {folder, message.flags.system, message.flags.keywords});
        return places;
    }

    Places here()
    {
        Places places;
        for (int folder = 0; folder < FOLDERS; folder++)
            for (auto &[uid, placement] : rows[folder])
                if (placement.alive)
                    places[message_content[placement.message]].insert(
                        {folder, placement.flags.system, placement.flags.keywords});
        return places;
    }

    void check(Places &before, Places &remote)
    {
        Places now = there();
        if (now != here())
            failure = "view and server differ";
        if (!attempts.empty())
            failure = "an attempt is left open";
        for (int content = 1; content <= contents && failure.empty(); content++) {
            bool mine = touched_here.count(content), theirs = touched_there.count(content);
            if (!mine && !theirs && now[content] != before[content])
                failure = "changed without anyone touching it";
            if (mine && !theirs && now[content] != local[content])
                failure = "not what the client wanted: " + describe(content, local, now);
            if (theirs && !mine && now[content] != remote[content])
                failure = "not what the server had: " + describe(content, remote, now);
            if (!mine || !theirs)
                continue;
            bool expunged =
                touched_here[content].count("expunge") || touched_there[content].count("expunge");
            if (!expunged && now[content].empty())
                failure = "lost";
            if (now[content].size() > before[content].size() + (size_t)placed[content] + 1)
                failure = "doubled";
        }
        placed.clear();
        if (!failure.empty())
            return;
        compact();
    }

    std::string describe(int content, Places &wanted, Places &now)
    {
        std::string text = "message " + std::to_string(content) + ":";
        for (auto &operation : touched_here[content])
            text += " here " + operation;
        for (auto &operation : touched_there[content])
            text += " there " + operation;
        for (auto [folder, system, set] : wanted[content])
            text += " wanted " + std::to_string(folder) + "/" + std::to_string(system) + "/" +
                    std::to_string(set);
        for (auto [folder, system, set] : now[content])
            text += " is " + std::to_string(folder) + "/" + std::to_string(system) + "/" +
                    std::to_string(set);
        return text;
    }

    /* Quiet: forgets what is over, so that a million rounds fit. */
    void compact()
    {
        for (auto it = meaning.begin(); it != meaning.end();)
            if (rows[it->first.first].count(it->first.second))
                ++it;
            else
                it = meaning.erase(it);
        int total = 0;
        for (auto &folder : server)
            total += (int)folder.messages.size();
        for (; total > 12; total--) {
            auto &folder = server[pick(FOLDERS)].messages;
            if (!folder.empty())
                folder.erase(any(folder));
        }
        sync();
    }
};

long setting(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

/* Models of a few hundred rounds each, so that content numbers stay small. */
void run(bool uidplus, bool move)
{
    long rounds = setting("POSTERN_ROUNDS", 20000);
    unsigned first = (unsigned)setting("POSTERN_SEED", 1);

    for (unsigned seed = first; rounds > 0; seed++) {
        Model model(seed, uidplus, move);
        for (int i = 0; i < 200 && rounds-- > 0; i++) {
            model.round();
            ASSERT_EQ(model.failure, "") << "POSTERN_SEED=" << seed << " round " << i;
        }
    }
}

TEST(Model, ExactlyOnceWithUidplusAndMove)
{
    run(true, true);
}

TEST(Model, ExactlyOnceWithoutMove)
{
    run(true, false);
}

TEST(Model, ExactlyOnceWithoutUidplus)
{
    run(false, true);
}

TEST(Model, ExactlyOnceWithNeither)
{
    run(false, false);
}

} // namespace
