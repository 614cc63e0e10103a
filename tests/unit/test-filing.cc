// SPDX-License-Identifier: GPL-3.0-or-later
/* One copy of each sent message in Sent, whoever puts it there, in whatever order; and what the folder
 * says of a message in doubt. The provider is a list of messages, time is a number. */
#include <gtest/gtest.h>

#include <glib.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include "cache/change.h"
#include "cache/content.h"
#include "cache/folder.h"
#include "cache/message.h"
#include "daemon/index/render.h"
#include "daemon/relay/filing.h"
#include "daemon/relay/identity.h"
}

namespace
{

const gint64 START = 1800000000;

std::string mail(const std::string &id, const std::string &text = "hello\r\n")
{
    return "From: ada@example.org\r\nMessage-ID: <" + id + ">\r\n\r\n" + text;
}

/* An account with a Sent folder, its provider, and the queue. */
struct World {
    World()
    {
        /* In memory where there is some: nothing here is about the disk. */
        const char *place =
            g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
        directory = g_mkdtemp(g_build_filename(place, "postern-filing-XXXXXX", nullptr));
        open();
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        CacheFolder row = {};
        row.name = row.base_name = row.wire_name = (char *)"Sent";
        row.delimiter = '/';
        row.role = CACHE_ROLE_SENT;
        row.selectable = row.base_selectable = row.pushed = row.keyword_mask = TRUE;
        row.base_uidvalidity = 1;
        row.base_uidnext = 1;
        row.flag_mask = G_MAXUINT32;
        sent = cache_folder_add(txn, &row, nullptr);
        EXPECT_NE(sent, 0);
        EXPECT_TRUE(cache_commit(txn, nullptr));
        settings = g_new0(AccountSettings, 1);
        settings->refs = 1;
        settings->id = g_strdup("work");
        settings->kind = ACCOUNT_IMAP;
    }
    ~World()
    {
        close();
        if (habits)
            account_habits_unref(habits);
        account_settings_unref(settings);
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);
        EXPECT_EQ(system(command), 0);
        g_free(directory);
    }
    void open()
    {
        cache = cache_open((std::string(directory) + "/mail").c_str(), nullptr, nullptr);
        queue = queue_open((std::string(directory) + "/queue.db").c_str(), nullptr);
    }
    void close()
    {
        g_clear_pointer(&filing, relay_filing_free);
        g_clear_pointer(&queue, queue_close);
        g_clear_pointer(&cache, cache_close);
    }
    /* The provider's habits, as postern.conf or providers.ini has them. */
    void begin(const char *quirks, const char *sent_by = nullptr)
    {
        settings->quirks = g_strdup(quirks);
        if (sent_by) {
            settings->providers = g_key_file_new();
            g_key_file_set_string(settings->providers, "it", "greeting", "*");
            g_key_file_set_string(settings->providers, "it", "sent", sent_by);
        }
        habits = account_habits_new(settings);
        const ServerTells tells = {"hello", nullptr, nullptr};
        account_habits_tell(habits, &tells);
        start_filing();
    }
    void start_filing()
    {
        RelayFilingOptions options = {};
        options.queue = queue;
        options.cache = cache;
        options.settings = settings;
        options.habits = habits;
        options.look = [](gpointer data) { ((World *)data)->asked = true; };
        options.looked = [](gpointer data) { return ((World *)data)->seen; };
        options.data = this;
        filing = relay_filing_new(&options);
    }
    void crash()
    {
        close();
        open();
        start_filing();
    }

    /* ---- the provider ---------------------------------------------------------------------- */

    std::map<guint32, std::string> there;
    guint32 next = 1;

    void arrive(const std::string &bytes)
    {
        there[next++] = bytes;
    }

    void fill(gint64 message, const std::string &bytes)
    {
        CacheRendered rendered = {};
        g_autoptr(CacheContentWriter) writer = cache_content_writer_new(cache);
        EXPECT_TRUE(cache_content_writer_add(writer, bytes.data(), bytes.size(), nullptr));
        cache_content_writer_end(writer);
        render_message(bytes.data(), bytes.size(), TRUE, &rendered);
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        EXPECT_TRUE(cache_content_writer_finish(writer, txn, message, &rendered, nullptr));
        EXPECT_TRUE(cache_commit(txn, nullptr));
        cache_rendered_clear(&rendered);
    }

    std::vector<CachePlacement> rows()
    {
        std::vector<CachePlacement> all;
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, nullptr);
        cache_placement_each(
            txn, sent, 1, G_MAXUINT32,
            [](const CachePlacement *row, gpointer data) -> gboolean {
                ((std::vector<CachePlacement> *)data)->push_back(*row);
                return TRUE;
            },
            &all, nullptr);
        return all;
    }

    std::string bytes_of(const CachePlacement &row)
    {
        g_autoptr(CacheTxn) txn = cache_begin(cache, CACHE_READ, nullptr);
        g_autoptr(GBytes) bytes = cache_content_read(txn, row.message, 0, 1 << 20, nullptr);
        gsize size = 0;
        auto data = bytes ? (const char *)g_bytes_get_data(bytes, &size) : nullptr;
        return std::string(data ? data : "", size);
    }

    /* A round of sync. */
    void sync(gint64 now)
    {
        for (auto &[uid, bytes] : there) {
            CachePlacement row = {};
            CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
            gint64 message = 0;
            if (!cache_placement_by_base(txn, sent, uid, &row, nullptr)) {
                message = cache_message_new(txn, nullptr, nullptr);
                row = {};
                row.folder = sent;
                row.message = message;
                row.alive = TRUE;
                row.base = CACHE_BASE_PRESENT;
                row.base_uid = uid;
                row.date = now;
                EXPECT_TRUE(cache_placement_put(txn, &row, nullptr));
            }
            EXPECT_TRUE(cache_commit(txn, nullptr));
            if (message)
                fill(message, bytes);
        }
        push();
        seen = now;
        asked = false;
    }

    void push()
    {
        for (auto row : rows()) {
            CacheTxn *txn = nullptr;
            if (row.alive && row.base == CACHE_BASE_NONE) {
                arrive(bytes_of(row));
                row.base = CACHE_BASE_PRESENT;
                row.base_uid = next - 1;
            } else if (!row.alive && row.base == CACHE_BASE_PRESENT) {
                there.erase(row.base_uid);
                row.base = CACHE_BASE_NONE;
                row.base_uid = 0;
            } else {
                continue;
            }
            txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
            EXPECT_TRUE(cache_placement_put(txn, &row, nullptr));
            EXPECT_TRUE(cache_commit(txn, nullptr));
        }
    }

    /* ---- the others ------------------------------------------------------------------------ */

    guint32 client_appends(const std::string &bytes, guint32 flags = CACHE_SEEN)
    {
        CacheRendered rendered = {};
        g_autoptr(CacheContentWriter) writer = cache_content_writer_new(cache);
        cache_content_writer_add(writer, bytes.data(), bytes.size(), nullptr);
        cache_content_writer_end(writer);
        render_message(bytes.data(), bytes.size(), TRUE, &rendered);
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        guint32 uid = cache_append(txn, sent, writer, &rendered, {{flags, 0}, START, 0}, nullptr);
        EXPECT_TRUE(cache_commit(txn, nullptr));
        cache_rendered_clear(&rendered);
        return uid;
    }

    gint64 submit(const std::string &bytes)
    {
        g_autoptr(QueueEntry) entry = queue_entry_new();
        entry->account = g_strdup("work");
        entry->sender = g_strdup("ada@example.org");
        g_ptr_array_add(entry->recipients, queue_recipient_new("bob@example.net"));
        entry->size = bytes.size();
        entry->submitted = START;
        g_autoptr(GBytes) body = g_bytes_new(bytes.data(), bytes.size());
        EXPECT_TRUE(queue_add(queue, entry, body, -1, nullptr));
        return entry->id;
    }

    /* The relay has got its 250. */
    void taken(gint64 id, gint64 now)
    {
        g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
        entry->state = QUEUE_SENT;
        entry->accepted = now;
        relay_filing_begin(filing, entry, now);
        EXPECT_TRUE(queue_update(queue, entry, nullptr));
    }

    std::vector<std::string> alive()
    {
        std::vector<std::string> all;
        for (auto &row : rows())
            if (row.alive)
                all.push_back(bytes_of(row));
        return all;
    }

    char *directory = nullptr;
    Cache *cache = nullptr;
    Queue *queue = nullptr;
    AccountSettings *settings = nullptr;
    AccountHabits *habits = nullptr;
    RelayFiling *filing = nullptr;
    gint64 sent = 0, seen = 0;
    bool asked = false;
};

/* ---- the table ------------------------------------------------------------------------------- */

struct Provider {
    const char *name, *quirks, *sent_by;
    int files_after; /* seconds; -1: it doesn't file */
};

const Provider PROVIDERS[] = {
    {"known to file", "files-sent", nullptr, 1},
    {"known to file, late", "files-sent", nullptr, 200},
    {"files", nullptr, nullptr, 1},
    {"files late", nullptr, nullptr, 100},
    {"known not to", nullptr, "client", -1},
    {"doesn't", nullptr, nullptr, -1},
};

struct Client {
    const char *name;
    int after; /* seconds after the mail was taken; before: negative */
    bool appends, synced_before;
};

const Client CLIENTS[] = {
    {"before", -5, true, true},  {"just before", -1, true, false}, {"at once", 0, true, false},
    {"during", 10, true, false}, {"after", 25, true, false},       {"long after", 250, true, false},
    {"never", 0, false, false},
};

enum Crash { NONE, EACH_STEP, UNNOTED };

void run(const Provider &provider, const Client &client, bool offline, Crash crash)
{
    World world;
    std::string text = mail("one@x"), filed = "Received: from somewhere\r\n" + text;
    /* Clients keep what recipients don't see, and end lines as they like. */
    std::string own = "Bcc: eve@example.net\r\n" + text + "\r\n";
    gint64 id = world.submit(text);
    bool file_due = provider.files_after >= 0, unnoted = crash == UNNOTED;

    world.begin(provider.quirks, provider.sent_by);
    if (!offline)
        world.sync(START - 10);
    for (int at : {-5,  -1,  0,   1,   2,   5,   10,  15,  19,  20,  21,  22,  23,  24,
                   25,  26,  28,  32,  40,  60,  100, 103, 106, 120, 125, 130, 200, 203,
                   220, 240, 250, 253, 260, 300, 302, 304, 310, 320, 340, 400}) {
        gint64 now = START + at;
        if (client.appends && at == client.after)
            world.client_appends(own, CACHE_SEEN | CACHE_ANSWERED);
        if (at == -5 && client.synced_before && !offline)
            world.sync(now);
        if (at == 0)
            world.taken(id, now);
        if (file_due && at >= provider.files_after) {
            world.arrive(filed);
            file_due = false;
        }
        bool up = !offline || at >= 300;
        if (up && (world.asked || at % 20 == 0 || at > 300))
            world.sync(now);
        relay_filing_work(world.filing, now);
        if (crash == EACH_STEP && at % 4 == 0)
            world.crash();
        /* The copy was put there, and the queue doesn't know. */
        g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
        if (unnoted && entry->filed_uid) {
            unnoted = false;
            entry->filing = QUEUE_FILING_DUE;
            entry->filed_uid = 0;
            ASSERT_TRUE(queue_update_filing(world.queue, entry, nullptr));
            world.crash();
        }
    }
    world.sync(START + 500);
    relay_filing_work(world.filing, START + 500);
    world.sync(START + 510);
    EXPECT_EQ(world.there.size(), 1u);
    EXPECT_EQ(world.alive().size(), 1u);
    if (provider.files_after >= 0 && world.there.size() == 1) {
        EXPECT_EQ(world.there.begin()->second, filed) << "the provider's own remains";
    }
    for (auto &row : world.rows()) {
        bool flagged = !row.alive || !client.appends || (row.flags.system & CACHE_ANSWERED);
        EXPECT_TRUE(flagged) << "the client's flag is lost";
    }
    g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
    EXPECT_EQ(entry->filing, QUEUE_FILING_DONE);
    EXPECT_STREQ(entry->last_error, nullptr);
    g_autoptr(GBytes) bytes = queue_read(world.queue, id, 0, 10, nullptr);
    EXPECT_EQ(bytes, nullptr) << "its bytes are kept for nothing";
}

TEST(Filing, EndsWithOneCopyInEachCombination)
{
    for (auto &provider : PROVIDERS)
        for (auto &client : CLIENTS)
            for (bool offline : {false, true})
                for (Crash crash : {NONE, EACH_STEP, UNNOTED}) {
                    SCOPED_TRACE(std::string(provider.name) + ", client " + client.name +
                                 (offline ? ", offline" : "") + ", crash " + std::to_string(crash));
                    run(provider, client, offline, crash);
                }
}

TEST(Filing, WhatOnlyLooksLikeItIsAMessageOfItsOwn)
{
    const std::string a = mail("one@x"), b = mail("one@x", "another\r\n"), c = mail("two@x");
    World world;
    world.begin(nullptr);
    for (auto &text : {a, b, c}) {
        gint64 id = world.submit(text);
        world.taken(id, START);
        world.client_appends(text);
    }
    world.arrive("Received: x\r\n" + a);
    world.arrive("Received: x\r\n" + b);
    for (int at = 0; at < 100; at++) {
        if (world.asked || at == 50)
            world.sync(START + at);
        relay_filing_work(world.filing, START + at);
    }
    world.sync(START + 100);
    std::vector<std::string> wanted = {"Received: x\r\n" + a, "Received: x\r\n" + b, c};
    std::vector<std::string> found = world.alive();
    std::sort(found.begin(), found.end());
    std::sort(wanted.begin(), wanted.end());
    EXPECT_EQ(found, wanted);
}

/* Copies that a person makes of other mail, and of what was sent elsewhere, are nobody's business. */
TEST(Filing, OnlyWhatWasSentFromHereIsJoined)
{
    World world;
    world.begin(nullptr);
    world.client_appends(mail("other@x"));
    world.client_appends(mail("other@x"));
    world.sync(START);
    world.taken(world.submit(mail("one@x")), START);
    for (int at = 0; at < 60; at++) {
        if (world.asked)
            world.sync(START + at);
        relay_filing_work(world.filing, START + at);
    }
    EXPECT_EQ(world.alive().size(), 3u);
}

/* What the provider did is remembered: the second mail's copy needs no look where it files nothing. */
TEST(Filing, TheProvidersHabitIsRemembered)
{
    World world;
    world.begin(nullptr);
    world.taken(world.submit(mail("one@x")), START);
    relay_filing_work(world.filing, START + 19);
    EXPECT_FALSE(world.asked) << "it has 20 seconds";
    relay_filing_work(world.filing, START + 20);
    EXPECT_TRUE(world.asked);
    EXPECT_EQ(world.alive().size(), 0u);
    world.sync(START + 21);
    relay_filing_work(world.filing, START + 30);
    EXPECT_EQ(world.alive().size(), 1u);
    world.crash();
    world.taken(world.submit(mail("two@x")), START + 100);
    relay_filing_work(world.filing, START + 120);
    EXPECT_FALSE(world.asked);
    EXPECT_EQ(world.alive().size(), 2u);
}

TEST(Filing, WithoutASentFolderTheBytesAreKept)
{
    World world;
    CacheTxn *txn = cache_begin(world.cache, CACHE_WRITE_FULL, nullptr);
    g_autoptr(CacheFolder) row = cache_folder_get(txn, world.sent, nullptr);
    row->role = CACHE_ROLE_NONE;
    ASSERT_TRUE(cache_folder_update(txn, row, nullptr));
    ASSERT_TRUE(cache_commit(txn, nullptr));
    world.settings->save_sent = ACCOUNT_SAVE_SENT_ALWAYS;
    world.begin(nullptr);
    gint64 id = world.submit(mail("one@x"));
    world.taken(id, START);
    relay_filing_work(world.filing, START);
    ASSERT_TRUE(queue_purge_sent(world.queue, G_MAXINT64, nullptr));
    {
        g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
        ASSERT_NE(entry, nullptr);
        EXPECT_NE(strstr(entry->last_error, "no Sent folder"), nullptr);
        g_autoptr(GBytes) bytes = queue_read(world.queue, id, 0, 10, nullptr);
        EXPECT_NE(bytes, nullptr);
    }
    txn = cache_begin(world.cache, CACHE_WRITE_FULL, nullptr);
    row->role = CACHE_ROLE_SENT;
    ASSERT_TRUE(cache_folder_update(txn, row, nullptr));
    ASSERT_TRUE(cache_commit(txn, nullptr));
    relay_filing_work(world.filing, START + 1000);
    EXPECT_EQ(world.alive().size(), 1u);
}

TEST(Filing, OfWhatFailedForSomeACopyIsMadeEvenIfItIsDismissed)
{
    World world;
    world.begin(nullptr, "client");
    gint64 id = world.submit(mail("one@x"));
    {
        g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
        entry->state = QUEUE_FAILED;
        entry->accepted = START;
        relay_filing_begin(world.filing, entry, START);
        ASSERT_TRUE(queue_update(world.queue, entry, nullptr));
    }
    ASSERT_TRUE(queue_cancel(world.queue, id, nullptr));
    relay_filing_work(world.filing, START + 20);
    EXPECT_EQ(world.alive().size(), 1u);
}

TEST(Filing, WhatIsSaidOfHowItWasSentStays)
{
    World world;
    world.begin(nullptr, "client");
    gint64 id = world.submit(mail("one@x"));
    {
        g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
        entry->state = QUEUE_SENT;
        entry->last_error = g_strdup("found");
        relay_filing_begin(world.filing, entry, START);
        ASSERT_TRUE(queue_update(world.queue, entry, nullptr));
    }
    relay_filing_work(world.filing, START + 20);
    EXPECT_EQ(world.alive().size(), 1u);
    g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
    EXPECT_STREQ(entry->last_error, "found");
}

TEST(Filing, NeverMeansNever)
{
    World world;
    world.settings->save_sent = ACCOUNT_SAVE_SENT_NEVER;
    world.begin(nullptr);
    gint64 id = world.submit(mail("one@x"));
    world.taken(id, START);
    EXPECT_EQ(relay_filing_work(world.filing, START + 100), G_MAXINT64);
    EXPECT_EQ(world.alive().size(), 0u);
}

/* ---- doubt ----------------------------------------------------------------------------------- */

struct DoubtCase {
    const char *name, *quirks, *sent_by;
    std::function<void(World &)> before;
    int at; /* seconds after the end went out */
    bool synced;
    RelayDoubt expected;
};

TEST(FilingDoubt, FollowsTheTable)
{
    const std::string text = mail("one@x");
    auto nothing = [](World &) {};
    auto filed = [&](World &world) { world.arrive(text); };
    auto client = [&](World &world) { world.client_appends(text); };
    auto other = [&](World &world) { world.arrive(mail("one@x", "another\r\n")); };
    auto renamed = [&](World &world) {
        world.arrive(
            "Message-ID: <new@y>\r\nX-Microsoft-Original-Message-ID: <one@x>\r\n\r\nHELLO\r\n");
    };
    const DoubtCase cases[] = {
        {"too early", nullptr, nullptr, nothing, 10, true, RELAY_DOUBT_LATER},
        {"filed", nullptr, nullptr, filed, 10, true, RELAY_DOUBT_SENT},
        {"filed under another name", nullptr, nullptr, renamed, 10, true, RELAY_DOUBT_SENT},
        {"not seen yet", nullptr, nullptr, filed, 30, false, RELAY_DOUBT_LATER},
        {"not there", nullptr, nullptr, nothing, 70, true, RELAY_DOUBT_AGAIN},
        {"a client's own", nullptr, nullptr, client, 70, true, RELAY_DOUBT_AGAIN},
        {"a client's own, of a provider that files", "files-sent", nullptr, client, 70, true,
         RELAY_DOUBT_AGAIN},
        {"another", nullptr, nullptr, other, 70, true, RELAY_DOUBT_AGAIN},
        {"no provider that files", nullptr, "client", filed, 1, true, RELAY_DOUBT_AGAIN},
        {"can't be looked at", nullptr, nullptr, nothing, 600, false, RELAY_DOUBT_LATER},
        {"can't be looked at at all", nullptr, nullptr, nothing, 4000, false, RELAY_DOUBT_AGAIN},
    };
    for (auto &c : cases) {
        SCOPED_TRACE(c.name);
        World world;
        gint64 when, id = world.submit(text);
        world.begin(c.quirks, c.sent_by);
        c.before(world);
        if (c.synced)
            world.sync(START + c.at);
        g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
        entry->doubt = START;
        EXPECT_EQ(relay_filing_doubt(world.filing, entry, START + c.at, &when), c.expected);
        EXPECT_GT(when, START + c.at);
    }
}

/* ---- identity -------------------------------------------------------------------------------- */

std::string digest(World &world, const std::string &text)
{
    RelayIdentity identity = {};
    gint64 id = world.submit(text);
    g_autoptr(QueueEntry) entry = queue_get(world.queue, id, nullptr);
    EXPECT_TRUE(relay_identity_read(world.queue, entry, &identity, nullptr));
    std::string result = identity.digest;
    relay_identity_clear(&identity);
    return result;
}

TEST(FilingIdentity, IsTheBodyWhateverIsAroundIt)
{
    World world;
    /* Of several pieces, too, which end anywhere. */
    for (gsize more : {0, 1, 262144 - 9, 262144 - 8, 262144 - 7, 262144 - 6, 600000}) {
        const std::string x(more, 'x'),
            plain = digest(world, "A: b\r\n\r\none" + x + "\r\n\r\ntwo\r\n");
        for (std::string same :
             {"C: d\r\nE: f\r\n g\r\n\r\none" + x + "\r\n\r\ntwo\r\n",
              "A: b\n\none" + x + "\n\ntwo\n", "A: b\r\n\r\none" + x + "\r\n\r\ntwo",
              "A: b\r\n\r\none" + x + "\r\n\r\ntwo\r\n\r\n\r\n", "\r\none" + x + "\r\n\r\ntwo\r\n"})
            EXPECT_EQ(digest(world, same), plain) << same.substr(0, 100);
        for (std::string other :
             {"A: b\r\n\r\none" + x + "\r\ntwo\r\n", "A: b\r\n\r\n\r\none" + x + "\r\n\r\ntwo\r\n",
              std::string("A: b\r\n\r\n"), "A: b\r\n\r\none" + x + " \r\n\r\ntwo\r\n",
              "A: one" + x + "\r\n\r\ntwo\r\n"})
            EXPECT_NE(digest(world, other), plain) << other.substr(0, 100);
    }
}

} // namespace
