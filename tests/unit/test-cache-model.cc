/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cache against a model of it that keeps everything in plain maps: after any sequence of
 * operations by clients and by sync, committed or rolled back, both say the same, and what
 * cache_changes() reports turns any earlier view into the present one.
 *
 * POSTERN_SEED replays a run, POSTERN_ROUNDS makes it longer.
 */
#include "cache-fixture.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

extern "C" {
#include "cache/private.h"
}

namespace
{

using FlagPair = std::pair<guint32, guint32>;

struct Row {
    gint64 message;
    bool alive;
    FlagPair flags;
    guint64 size;
    CacheBase base;
    guint32 base_uid;
    FlagPair base_flags;
    bool attempted;
};

struct Folder {
    std::string name; /* "": deleted */
    guint32 uidnext = 1;
    std::map<guint32, Row> rows;
};

struct Model {
    std::map<gint64, Folder> folders;
    std::map<gint64, std::string> contents; /* of messages that are all here */
    std::set<gint64> messages;
};

using View = std::map<guint32, FlagPair>;

struct Snapshot {
    gint64 folder;
    guint64 modseq;
    View view;
};

FlagPair pair_of(CacheFlags flags)
{
    return {flags.system, flags.keywords};
}

class CacheModel : public CacheTest
{
  protected:
    std::mt19937 random;
    Model model;
    std::vector<Snapshot> snapshots;
    std::vector<guint32> keyword_sets = {0};
    guint32 next_base = 1;
    guint names = 0;

    const char *parent_dir() override
    {
        return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* no waiting for a disk */
    }

    guint pick(guint below)
    {
        return std::uniform_int_distribution<guint>(0, below - 1)(random);
    }
    gint64 pick_folder()
    {
        std::vector<gint64> named;
        for (auto &[id, folder] : model.folders)
            if (!folder.name.empty())
                named.push_back(id);
        return named[pick(named.size())];
    }
    std::vector<guint32> pick_live(gint64 id, guint most)
    {
        std::set<guint32> chosen;
        std::vector<guint32> live;
        for (auto &[uid, row] : model.folders[id].rows)
            if (row.alive)
                live.push_back(uid);
        for (guint i = 0; !live.empty() && i < most; i++)
            chosen.insert(live[pick(live.size())]);
        return {chosen.begin(), chosen.end()};
    }
    CacheFlags pick_flags()
    {
        return {pick(32), keyword_sets[pick(keyword_sets.size())]};
    }

    /* ---- what the model does by itself */

    void collect(gint64 message)
    {
        for (auto &[id, folder] : model.folders)
            for (auto &[uid, row] : folder.rows)
                if (row.message == message)
                    return;
        model.messages.erase(message);
        model.contents.erase(message);
    }
    void forget(gint64 id, guint32 uid)
    {
        gint64 message = model.folders[id].rows[uid].message;
        model.folders[id].rows.erase(uid);
        collect(message);
    }
    void die(gint64 id, guint32 uid)
    {
        Row &row = model.folders[id].rows[uid];
        row.alive = false;
        if (row.base == CACHE_BASE_NONE && !row.attempted)
            forget(id, uid);
    }

    /* ---- operations: on the cache and on the model */

    void do_arrive(CacheTxn *txn)
    {
        gint64 id = pick_folder();
        CachePlacement row = {};
        row.folder = id;
        bool known = !model.messages.empty() && pick(4) == 0;
        row.message = known ? *std::next(model.messages.begin(), pick(model.messages.size()))
                            : cache_message_new(txn, nullptr, error);
        row.alive = pick(20) != 0;
        row.flags = pick_flags();
        row.base_flags = pick(3) ? row.flags : pick_flags();
        row.size = pick(1000);
        row.base = pick(4) ? CACHE_BASE_PRESENT : (CacheBase)pick(3);
        row.base_uid = row.base == CACHE_BASE_PRESENT ? next_base++ : 0;
        ASSERT_TRUE(cache_placement_put(txn, &row, error)) << error.text();
        ASSERT_EQ(row.uid, model.folders[id].uidnext++);
        model.messages.insert(row.message);
        if (model.contents.count(row.message))
            row.size = model.contents[row.message].size();
        model.folders[id].rows[row.uid] = {
            row.message, row.alive != 0, pair_of(row.flags),      row.size,
            row.base,    row.base_uid,   pair_of(row.base_flags), false};
    }
    void do_store(CacheTxn *txn)
    {
        gint64 id = pick_folder();
        auto uids = pick_live(id, 10);
        auto mode = (CacheFlagsMode)pick(3);
        guint32 system = pick(32);
        GArray *done = g_array_new(FALSE, FALSE, sizeof(CacheChange));
        GArray *modified = g_array_new(FALSE, FALSE, sizeof(guint32));
        ASSERT_TRUE(cache_store(txn, {id, uids.data(), uids.size()},
                                {mode, {system, 0}, G_MAXUINT64}, done, modified, error))
            << error.text();
        for (guint32 uid : uids) {
            FlagPair &flags = model.folders[id].rows[uid].flags;
            if (mode == CACHE_FLAGS_SET)
                flags = {system, 0};
            else
                flags.first =
                    mode == CACHE_FLAGS_ADD ? flags.first | system : flags.first & ~system;
        }
        auto results = vector_of<CacheChange>(done);
        ASSERT_EQ(results.size(), uids.size());
        for (auto &change : results)
            ASSERT_EQ(pair_of(change.flags), model.folders[id].rows[change.uid].flags);
        g_array_unref(modified);
    }
    void do_expunge(CacheTxn *txn)
    {
        gint64 id = pick_folder();
        auto uids = pick_live(id, 5);
        bool force = pick(2);
        ASSERT_TRUE(cache_expunge(txn, id, uids.data(), uids.size(), force, nullptr, error));
        for (guint32 uid : uids)
            if (force || model.folders[id].rows[uid].flags.first & CACHE_DELETED)
                die(id, uid);
    }
    void do_copy(CacheTxn *txn)
    {
        gint64 id = pick_folder(), target = pick_folder();
        auto uids = pick_live(id, 5);
        bool move = pick(2);
        GArray *from = g_array_new(FALSE, FALSE, sizeof(guint32));
        GArray *to = g_array_new(FALSE, FALSE, sizeof(guint32));
        ASSERT_TRUE(cache_copy(txn, {id, uids.data(), uids.size()}, target, move, from, to, error))
            << error.text();
        ASSERT_EQ(vector_of<guint32>(from), uids);
        auto new_uids = vector_of<guint32>(to);
        for (gsize i = 0; i < uids.size(); i++) {
            Row copy = model.folders[id].rows[uids[i]];
            copy.base = CACHE_BASE_NONE;
            copy.base_uid = 0;
            copy.base_flags = {0, 0};
            copy.attempted = false;
            ASSERT_EQ(new_uids[i], model.folders[target].uidnext++);
            model.folders[target].rows[new_uids[i]] = copy;
            if (move)
                die(id, uids[i]);
        }
    }
    void do_sync(CacheTxn *txn) /* a base is learnt, lost, or decides */
    {
        gint64 id = pick_folder();
        auto &rows = model.folders[id].rows;
        if (rows.empty())
            return;
        auto &[uid, row] = *std::next(rows.begin(), pick(rows.size()));
        CachePlacement changed = placement(txn, id, uid);
        switch (pick(5)) {
        case 0:
            changed.base = CACHE_BASE_NONE;
            break;
        case 1:
            changed.base = CACHE_BASE_PRESENT;
            changed.base_uid = row.base_uid = row.base_uid ? row.base_uid : next_base++;
            break;
        case 2:
            changed.base_flags = changed.flags;
            break;
        case 3:
            changed.flags = changed.base_flags = pick_flags();
            break;
        case 4:
            changed.alive = !changed.alive;
            break;
        }
        if (changed.base != CACHE_BASE_PRESENT)
            row.base_uid = 0;
        row.base = changed.base;
        row.alive = changed.alive;
        row.flags = pair_of(changed.flags);
        row.base_flags = pair_of(changed.base_flags);
        ASSERT_TRUE(cache_placement_put(txn, &changed, error)) << error.text();
        if (row.alive || row.base != CACHE_BASE_NONE || row.attempted || pick(2))
            return;
        ASSERT_TRUE(cache_placement_remove(txn, id, uid, error)) << error.text();
        forget(id, uid);
    }
    void do_fill(CacheTxn *txn)
    {
        if (model.messages.empty())
            return;
        gint64 message = *std::next(model.messages.begin(), pick(model.messages.size()));
        std::string text =
            "A: " + std::to_string(pick(50)) + "\r\n\r\n" + std::string(pick(5), 'x');
        CacheRendered how = rendered();
        if (pick(3) == 0) {
            g_autoptr(GBytes) header = g_bytes_new("A: b\r\n\r\n", 8);
            ASSERT_TRUE(cache_content_set_header(txn, message, header, &how, error));
        } else {
            CacheContentWriter *writer = writer_with(text);
            ASSERT_TRUE(cache_content_writer_finish(writer, txn, message, &how, error));
            cache_content_writer_free(writer);
            if (!model.contents.count(message)) {
                model.contents[message] = text;
                for (auto &[id, folder] : model.folders)
                    for (auto &[uid, row] : folder.rows)
                        if (row.message == message)
                            row.size = text.size();
            }
        }
        cache_rendered_clear(&how);
    }
    void do_append(CacheTxn *txn)
    {
        gint64 id = pick_folder();
        std::string text = "A: " + std::to_string(pick(50)) + "\r\n\r\n";
        CacheRendered how = rendered();
        CacheContentWriter *writer = writer_with(text);
        CacheFlags flags = pick_flags();
        guint32 uid = cache_append(txn, id, writer, &how, {flags, 5, 0}, error);
        ASSERT_EQ(uid, model.folders[id].uidnext++) << error.text();
        gint64 message = placement(txn, id, uid).message;
        model.messages.insert(message);
        model.contents[message] = text;
        model.folders[id].rows[uid] = {message,         true, pair_of(flags), text.size(),
                                       CACHE_BASE_NONE, 0,    {0, 0},         false};
        cache_content_writer_free(writer);
        cache_rendered_clear(&how);
    }
    void do_folder(CacheTxn *txn)
    {
        gint64 id = pick_folder();
        std::string name = "f" + std::to_string(names++);
        if (model.folders[id].name == "INBOX" || pick(3) == 0) {
            gint64 made = cache_folder_create(txn, name.c_str(), CACHE_ROLE_NONE, error);
            ASSERT_NE(made, 0) << error.text();
            model.folders[made].name = name;
        } else if (pick(2)) {
            ASSERT_TRUE(cache_folder_rename(txn, id, name.c_str(), error)) << error.text();
            model.folders[id].name = name;
        } else {
            ASSERT_TRUE(cache_folder_delete(txn, id, error)) << error.text();
            std::vector<guint32> all; /* it never had a base: it goes altogether */
            for (auto &[uid, row] : model.folders[id].rows)
                all.push_back(uid);
            for (guint32 uid : all)
                forget(id, uid);
            model.folders.erase(id);
            snapshots.erase(std::remove_if(snapshots.begin(), snapshots.end(),
                                           [&](Snapshot &s) { return s.folder == id; }),
                            snapshots.end());
        }
    }

    void do_one(CacheTxn *txn)
    {
        guint what = pick(100);
        if (what < 25)
            do_arrive(txn);
        else if (what < 45)
            do_store(txn);
        else if (what < 58)
            do_expunge(txn);
        else if (what < 70)
            do_copy(txn);
        else if (what < 84)
            do_sync(txn);
        else if (what < 92)
            do_fill(txn);
        else if (what < 98)
            do_append(txn);
        else
            do_folder(txn);
    }

    /* ---- comparing */

    View view_of(gint64 id)
    {
        View view;
        for (auto &[uid, row] : model.folders[id].rows)
            if (row.alive)
                view[uid] = row.flags;
        return view;
    }
    void check_rows(CacheTxn *txn, gint64 id)
    {
        std::map<guint32, CachePlacement> found;
        auto add = [](const CachePlacement *row, gpointer data) -> gboolean {
            (*(std::map<guint32, CachePlacement> *)data)[row->uid] = *row;
            return TRUE;
        };
        ASSERT_TRUE(cache_placement_each(txn, id, 1, G_MAXUINT32, add, &found, error));
        ASSERT_EQ(found.size(), model.folders[id].rows.size());
        std::vector<guint32> different;
        for (auto &[uid, row] : model.folders[id].rows) {
            CachePlacement &there = found[uid];
            ASSERT_EQ(there.message, row.message);
            ASSERT_EQ(there.alive != 0, row.alive);
            ASSERT_EQ(pair_of(there.flags), row.flags);
            ASSERT_EQ(there.size, row.size);
            ASSERT_EQ(there.base, row.base);
            ASSERT_EQ(there.base_uid, row.base_uid);
            ASSERT_EQ(pair_of(there.base_flags), row.base_flags);
            bool based = row.base != CACHE_BASE_NONE;
            if (row.alive != based || (row.alive && row.flags != row.base_flags))
                different.push_back(uid);
        }
        ASSERT_EQ(pending(txn, id), different);
    }
    void check_counts(CacheTxn *txn, gint64 id)
    {
        guint64 exists = 0, unseen = 0, deleted = 0, missing = 0, size = 0;
        for (auto &[uid, row] : model.folders[id].rows) {
            if (!row.alive)
                continue;
            exists++;
            unseen += !(row.flags.first & CACHE_SEEN);
            deleted += !!(row.flags.first & CACHE_DELETED);
            missing += !model.contents.count(row.message);
            size += row.size;
        }
        FolderPtr row(folder(txn, id), cache_folder_free);
        ASSERT_EQ(row->exists, exists);
        ASSERT_EQ(row->unseen, unseen);
        ASSERT_EQ(row->deleted, deleted);
        ASSERT_EQ(row->missing, missing);
        const DbValue values[] = {DB_INT(id)};
        g_auto(DbQuery) query = db_query_values(txn->db,
                                                "SELECT count(*) FROM placement WHERE folder = ?"
                                                " AND alive AND state = 0",
                                                values, 1);
        ASSERT_TRUE(db_next(&query));
        ASSERT_EQ(row->headless, db_int(&query, 0));
        ASSERT_EQ(row->size, size);
        ASSERT_EQ(row->uidnext, model.folders[id].uidnext);
        ASSERT_EQ(row->name, model.folders[id].name);
    }
    void check_first_unseen(CacheTxn *txn, gint64 id, const View &view)
    {
        guint32 first;
        auto unseen = std::find_if(view.begin(), view.end(),
                                   [](auto &entry) { return !(entry.second.first & CACHE_SEEN); });
        ASSERT_TRUE(cache_first_unseen(txn, id, &first, error));
        ASSERT_EQ(first, unseen == view.end() ? 0 : unseen->first);
    }
    void check_view(CacheTxn *txn, gint64 id)
    {
        View view = view_of(id);
        auto live = uids(txn, id);
        ASSERT_EQ(live.size(), view.size());
        ASSERT_TRUE(std::equal(live.begin(), live.end(), view.begin(),
                               [](guint32 uid, auto &entry) { return uid == entry.first; }));
        check_first_unseen(txn, id, view);
        std::set<guint32> sets;
        for (auto &[uid, flags] : view)
            if (flags.second)
                sets.insert(flags.second);
        std::set<std::string> words;
        for (guint32 set : sets)
            for (auto *name = cache_keywords_names(cache, set); *name; name++)
                words.insert(*name);
        g_auto(GStrv) all = cache_folder_keywords(txn, id, error);
        ASSERT_EQ(g_strv_length(all), words.size());
    }
    void check_changes(CacheTxn *txn)
    {
        for (Snapshot &old : snapshots) {
            View view = old.view;
            GArray *changed, *expunged;
            ASSERT_TRUE(cache_changes(txn, old.folder, old.modseq, &changed, &expunged, error));
            View now = view_of(old.folder);
            for (guint32 uid : vector_of<guint32>(expunged)) {
                ASSERT_EQ(now.count(uid), 0u) << uid << " is there";
                view.erase(uid);
            }
            for (CacheChange &change : vector_of<CacheChange>(changed))
                view[change.uid] = pair_of(change.flags);
            ASSERT_EQ(view, now);
        }
    }
    void check_contents(CacheTxn *txn)
    {
        for (auto &[message, text] : model.contents)
            ASSERT_EQ(read(txn, message), text);
    }
    /* What cache_uids() reads has followed every change: it says the same without the rows. */
    void check_bits()
    {
        run_sql("DELETE FROM placement");
        Txn txn(cache, CACHE_READ);
        for (auto &[id, folder] : model.folders) {
            std::vector<guint32> live;
            for (auto &[uid, flags] : view_of(id))
                live.push_back(uid);
            EXPECT_EQ(uids(txn, id), live);
        }
    }
    void check(bool contents)
    {
        Txn txn(cache, CACHE_READ);
        for (auto &[id, folder] : model.folders) {
            check_rows(txn, id);
            check_counts(txn, id);
            check_view(txn, id);
            if (HasFatalFailure())
                return;
        }
        check_changes(txn);
        if (contents)
            check_contents(txn);
    }
    void remember()
    {
        Txn txn(cache, CACHE_READ);
        gint64 id = pick_folder();
        if (snapshots.size() >= 10)
            snapshots.erase(snapshots.begin() + pick(snapshots.size()));
        snapshots.push_back(
            {id, FolderPtr(folder(txn, id), cache_folder_free)->highestmodseq, view_of(id)});
    }

    void transaction()
    {
        Model before = model;
        auto kept = snapshots;
        Txn txn(cache, CACHE_WRITE_FULL);
        for (guint i = 1 + pick(6); i > 0 && !HasFatalFailure(); i--)
            do_one(txn);
        if (pick(5) == 0) {
            model = before;
            snapshots = kept;
        } else {
            txn.commit();
        }
    }
};

TEST_F(CacheModel, SaysTheSameAsTheModelAfterAnything)
{
    const char *seed_text = g_getenv("POSTERN_SEED"), *rounds_text = g_getenv("POSTERN_ROUNDS");
    guint seed = seed_text ? atoi(seed_text) : std::random_device()();
    guint rounds = rounds_text ? atoi(rounds_text) : 6000; /* of 3.5 operations */
    SCOPED_TRACE("POSTERN_SEED=" + std::to_string(seed));
    random.seed(seed);
    model.folders[make_folder("INBOX")].name = "INBOX";
    model.folders[make_folder("Other")].name = "Other";
    {
        const char *sets[][3] = {{"$Forwarded"}, {"Work", "$Forwarded"}, {"Work"}};
        Txn txn(cache, CACHE_WRITE);
        for (auto &set : sets)
            keyword_sets.push_back(cache_keywords_intern(txn, set, error));
        txn.commit();
    }
    for (guint round = 0; round < rounds && !HasFatalFailure(); round++) {
        transaction();
        if (round % 10 == 0)
            check(round % 100 == 0);
        if (round % 25 == 0)
            remember();
        if (round % 1000 == 999)
            reopen();
    }
    /* Nothing stays of messages that are gone. */
    std::set<std::string> distinct;
    for (auto &[message, text] : model.contents)
        distinct.insert(text);
    make_folder("any write clears up");
    EXPECT_EQ(query_number("SELECT count(*) FROM message"), (gint64)model.messages.size());
    EXPECT_EQ(query_number("SELECT count(*) FROM content WHERE digest IS NOT NULL"),
              (gint64)distinct.size());
    EXPECT_EQ(query_number("SELECT count(*) FROM content WHERE refs <= 0"), 0);
    EXPECT_EQ(query_number("SELECT count(*) FROM content c WHERE NOT EXISTS"
                           " (SELECT 1 FROM message m WHERE m.content = c.id)"),
              0);
    EXPECT_EQ(query_number("SELECT count(*) FROM content_part p WHERE NOT EXISTS"
                           " (SELECT 1 FROM content c WHERE c.id = p.id >> 20)"),
              0);
    EXPECT_EQ(query_number("SELECT count(*) FROM rendered r WHERE NOT EXISTS"
                           " (SELECT 1 FROM message m WHERE m.id = r.message)"),
              0);
    check_bits();
}

} // namespace
