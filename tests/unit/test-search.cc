/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Searching text: whatever is in segments of text and whatever isn't yet, SEARCH finds what a
 * reader of all messages would find.
 */
#include "imap-transcript.h"

#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <random>
#include <sstream>

extern "C" {
#include "cache/filter.h"
#include "cache/search.h"
#include "daemon/index/index.h"
#include "daemon/index/text.h"
#include "daemon/proto/mime/text.h"
}

namespace
{

/* A message of plain words: what is searched is known without any decoding. */
struct Mail {
    std::string from, subject, thing, body;
    bool flagged = false;

    std::string bytes() const
    {
        return "From: " + from + "\r\nSubject: " + subject + "\r\nX-Thing: " + thing +
               "\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\n" + body + "\r\n";
    }
    std::string header() const
    {
        return lower("From: " + from + "\nSubject: " + subject + "\nX-Thing: " + thing +
                     "\nDate: Mon, 7 Feb 1994 21:52:25 -0800\n");
    }
    static std::string lower(std::string text)
    {
        for (char &c : text)
            c = g_ascii_tolower(c);
        return text;
    }
};

bool contains(const std::string &text, const std::string &word)
{
    return Mail::lower(text).find(Mail::lower(word)) != std::string::npos;
}

/* A program, and what it means. */
struct Program {
    std::string text;
    std::function<bool(guint32, const Mail &)> meets;
};

class TextTest : public ImapTest
{
  protected:
    std::mt19937 random{20};
    std::map<guint32, Mail> mails;
    std::unique_ptr<Client> client;

    void TearDown() override
    {
        client.reset();
        ImapTest::TearDown();
    }

    guint pick(guint count)
    {
        return std::uniform_int_distribution<guint>(0, count - 1)(random);
    }

    /* Few letters, so that words are found in many ways, also over the ends of messages. */
    std::string word(guint longest)
    {
        std::string text;
        for (guint i = 0, length = 1 + pick(longest); i < length; i++)
            text += "aBxn"[pick(4)];
        return text;
    }
    std::string words(guint most)
    {
        std::string text = word(6);
        for (guint i = pick(most); i > 0; i--)
            text += (pick(8) ? " " : "\r\n") + word(6);
        return text;
    }

    Mail make()
    {
        Mail mail{word(5), word(8), word(5), words(20), pick(4) == 0};
        if (pick(60) == 0)
            mail.body = std::string(300000, 'q') + word(3);
        return mail;
    }
    void deliver_some(guint count)
    {
        for (guint i = 0; i < count; i++) {
            Mail mail = make();
            mails[deliver(inbox, mail.bytes(), {mail.flagged ? (guint)CACHE_FLAGGED : 0u, 0})] =
                mail;
        }
    }
    void expunge_some(guint count)
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        for (; count && !mails.empty(); count--) {
            auto victim = std::next(mails.begin(), pick((guint)mails.size()));
            EXPECT_TRUE(cache_expunge(txn, inbox, &victim->first, 1, TRUE, nullptr, error));
            mails.erase(victim);
        }
        txn.commit();
    }

    bool step()
    {
        NetCancel *cancel = net_cancel_new();
        gboolean worked;
        EXPECT_TRUE(index_step(cache, cancel, &worked, error)) << error.text();
        net_cancel_unref(cancel);
        return worked;
    }
    void index_all()
    {
        while (step())
            ;
    }

    Program leaf()
    {
        std::string w = word(pick(3) ? 3 : 7);
        switch (pick(9)) {
        case 0:
            return {"SUBJECT " + w, [=](guint32, const Mail &m) { return contains(m.subject, w); }};
        case 1:
            return {"FROM " + w, [=](guint32, const Mail &m) { return contains(m.from, w); }};
        case 2:
            return {"HEADER X-Thing " + w,
                    [=](guint32, const Mail &m) { return contains(m.thing, w); }};
        case 3:
            return {"HEADER Subject " + w,
                    [=](guint32, const Mail &m) { return contains(m.subject, w); }};
        case 4:
            return {"BODY " + w, [=](guint32, const Mail &m) { return contains(m.body, w); }};
        case 5:
            return {"FLAGGED", [](guint32, const Mail &m) { return m.flagged; }};
        case 6: {
            guint32 first = pick(900), last = first + pick(300);
            return {"UID " + std::to_string(first + 1) + ":" + std::to_string(last + 1),
                    [=](guint32 uid, const Mail &) { return uid > first && uid <= last + 1; }};
        }
        case 7: {
            bool there = pick(2);
            return {there ? "HEADER x-thing \"\"" : "HEADER X-Other \"\"",
                    [=](guint32, const Mail &) { return there; }};
        }
        default:
            return {"TEXT " + w, [=](guint32, const Mail &m) {
                        return contains(m.header(), w) || contains(m.body, w);
                    }};
        }
    }
    Program program(guint depth)
    {
        guint kind = depth ? pick(5) : 4;
        if (kind > 2)
            return leaf();
        Program a = program(depth - 1), b = program(depth - 1);
        if (kind == 0)
            return {"NOT (" + a.text + ")",
                    [=](guint32 uid, const Mail &m) { return !a.meets(uid, m); }};
        if (kind == 1)
            return {"OR (" + a.text + ") (" + b.text + ")",
                    [=](guint32 uid, const Mail &m) { return a.meets(uid, m) || b.meets(uid, m); }};
        return {"(" + a.text + " " + b.text + ")",
                [=](guint32 uid, const Mail &m) { return a.meets(uid, m) && b.meets(uid, m); }};
    }

    std::string search(const std::string &what)
    {
        if (!client)
            client = select();
        client->send("n NOOP\r\ns UID SEARCH " + what + "\r\n");
        std::string line;
        do
            line = client->line();
        while (line.compare(0, 8, "* SEARCH") != 0 && line != "(nothing came)" && !client->ended);
        EXPECT_TRUE(matches("s OK …", client->line())) << what;
        return line.size() > 9 ? line.substr(9) : "";
    }
    void check(const Program &program)
    {
        std::string expected;
        for (auto &[uid, mail] : mails)
            if (program.meets(uid, mail))
                expected += (expected.empty() ? "" : " ") + std::to_string(uid);
        ASSERT_EQ(search(program.text), expected) << program.text;
    }
    void check_many(guint count)
    {
        for (guint i = 0; i < count && !HasFatalFailure(); i++)
            check(program(3));
    }

    gint64 segments()
    {
        return query_number("SELECT count(*) FROM text_segment");
    }
    gint64 due()
    {
        return query_number("SELECT count(*) FROM text_due");
    }
    /* What the indexer does in its thread takes as long as it takes. */
    bool soon(std::function<bool()> happened)
    {
        for (int i = 0; i < 2000 && !happened(); i++)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return happened();
    }
};

TEST_F(TextTest, FindsWhatReadingEverythingFinds)
{
    for (int round = 0; round < 25 && !HasFatalFailure(); round++) {
        deliver_some(pick(70));
        for (guint i = pick(3); i > 0; i--)
            step();
        if (round % 3 == 2)
            expunge_some(pick(60));
        check_many(12);
    }
    index_all();
    EXPECT_GT(segments(), 5);
    check_many(60);
}

TEST_F(TextTest, FindsTheSameWhileItIsBeingIndexed)
{
    [[maybe_unused]] g_autoptr(Indexer) indexer = indexer_new(cache, "ada");
    for (int round = 0; round < 20 && !HasFatalFailure(); round++) {
        deliver_some(40 + pick(40));
        expunge_some(pick(40));
        check_many(4);
    }
    EXPECT_TRUE(soon([&] { return due() < 128 + 64; }));
    check_many(20);
}

TEST_F(TextTest, NeverRunsFromOneMessageIntoTheNext)
{
    for (int i = 0; i < 128; i++) {
        Mail mail{"a", i % 2 ? "ab" : "ba", "t", i % 2 ? "xxn" : "nax"};
        mails[deliver(inbox, mail.bytes())] = mail;
    }
    index_all();
    EXPECT_EQ(due(), 0);
    for (const char *word : {"nn", "xx", "axx", "naxa"}) {
        std::string w = word;
        check({"BODY \"" + w + "\"", [=](guint32, const Mail &m) { return contains(m.body, w); }});
    }
    check({"SUBJECT aa", [](guint32, const Mail &) { return false; }});
    check({"SUBJECT bb", [](guint32, const Mail &) { return false; }});
}

/* Words of which nearly all segments have no piece: their filters answer instead of their texts. */
TEST_F(TextTest, RareWordsAreFoundThroughFilters)
{
    const std::vector<std::string> rare{"sphinx", "quartz", "Verdikt"};
    for (int i = 0; i < 640; i++) {
        Mail mail = make();
        if (i % 100 == 7)
            mail.body += " over" + rare[i / 100 % 3];
        if (i % 100 == 9)
            mail.thing += rare[i / 100 % 3] + "ed";
        mails[deliver(inbox, mail.bytes())] = mail;
    }
    index_all();
    EXPECT_EQ(query_number("SELECT count(*) FROM text_filter"), 15);
    for (const std::string &w : {rare[0], rare[1], rare[2], std::string("hinx"),
                                 std::string("absent"), std::string("overquartzed")}) {
        auto in_body = [=](guint32, const Mail &m) { return contains(m.body, w); };
        auto anywhere = [=](guint32, const Mail &m) {
            return contains(m.header(), w) || contains(m.body, w);
        };
        check({"BODY " + w, in_body});
        check({"TEXT " + w, anywhere});
        check({"NOT TEXT " + w, [=](guint32 uid, const Mail &m) { return !anywhere(uid, m); }});
        check({"OR BODY " + w + " BODY quartz", [=](guint32 uid, const Mail &m) {
                   return in_body(uid, m) || contains(m.body, "quartz");
               }});
        check(
            {"HEADER X-Thing " + w, [=](guint32, const Mail &m) { return contains(m.thing, w); }});
    }
}

/* RFC 3501, 6.4.4: "in the envelope structure's FROM field", so as it is written, not as an address
 * could be written, too; and a string of two spaces is none of one. */
TEST_F(TextTest, FieldsAreSearchedAsTheyAreWritten)
{
    deliver(inbox,
            "From: Ada Lovelace <ada@example.org>\r\nSubject: Update on  PC Cases\r\n\r\n\r\n");
    deliver(inbox,
            "From: bob@example.net (Bob)\r\nSubject: Update\r\n\ton PC\r\n  Cases\r\n\r\n\r\n");
    client = select();
    const struct {
        const char *program, *found;
    } cases[] = {
        {"FROM \"<\"", " 1"},
        {"FROM \"Lovelace <ada@\"", " 1"},
        {"FROM \"\\\"Ada\"", ""},
        {"FROM \"bob@example.net (b\"", " 2"},
        {"SUBJECT \"  \"", " 1 2"},
        {"SUBJECT \"on  pc\"", " 1"},
        {"SUBJECT \"update on pc\"", " 2"}, /* it was folded there, with a tab */
        {"HEADER Subject \"pc  cases\"", " 2"},
        {"TEXT \"update on pc\"", " 2"},
    };
    for (auto &c : cases)
        EXPECT_EQ(client->command(std::string("a SEARCH ") + c.program),
                  std::string("* SEARCH") + c.found + "\r\na OK SEARCH done.\r\n")
            << c.program;
}

/* RFC 5255, 4.5 (I18NLEVEL=1): the comparator is i;unicode-casemap, which decomposes (RFC 5051). */
TEST_F(TextTest, ALetterIsFoundInTheSameWithAnAccent)
{
    deliver(inbox, "Subject: =?utf-8?q?Caf=C3=A9?=\r\n\r\nCAFE\xcc\x81\r\n");
    deliver(inbox, "Subject: cafe\r\n\r\ncafe\r\n");
    client = select();
    for (bool indexed : {false, true}) {
        if (indexed)
            index_all();
        for (const char *key : {"SUBJECT", "BODY", "TEXT"}) {
            std::string search = std::string("a SEARCH CHARSET UTF-8 ") + key;
            EXPECT_EQ(client->command(search + " Cafe"), "* SEARCH 1 2\r\na OK SEARCH done.\r\n");
            EXPECT_EQ(client->command(search + " \"CAF\u00c9\""),
                      "* SEARCH 1\r\na OK SEARCH done.\r\n");
        }
    }
}

/* What HTML says in the place of its images is text, what it says of itself isn't. */
TEST_F(TextTest, WhatStandsForImagesIsFound)
{
    deliver(inbox, "Content-Type: text/html; charset=utf-8\r\n\r\n<p>Look:<img class=\"wide\" "
                   "alt=\"our cat &amp; Grö&szlig;e\" src=\"cat.png\">nice</p>\r\n");
    client = select();
    client->play(R"(
        C: a SEARCH BODY "cat & gr"
        S: * SEARCH 1
        S: a OK …
        C: b SEARCH BODY "look: our"
        S: * SEARCH 1
        S: b OK …
        C: c SEARCH OR BODY wide BODY cat.png
        S: * SEARCH
        S: c OK …
    )");
}

/* All that HTML can write with a name is found, however it is written. */
TEST_F(TextTest, NamedCharactersAreFound)
{
    std::ifstream file(POSTERN_ENTITIES);
    std::vector<std::pair<std::string, std::string>> all;
    std::string mail = "Content-Type: text/html\r\n\r\n<p>Dvo&rcaron;&aacute;k "
                       "Wa&lstrok;&eogon;sa &Zcaron;i&#382;ek</p>\r\n";
    for (std::string line; std::getline(file, line);) {
        if (line[0] == '#')
            continue;
        std::istringstream words(line);
        std::string name, text;
        gunichar code;
        for (words >> name; words >> std::hex >> code;) {
            char bytes[6];
            text.append(bytes, (size_t)g_unichar_to_utf8(code, bytes));
        }
        all.push_back({name, "n" + std::to_string(all.size()) + ":" + text + "."});
        mail += "<p>n" + std::to_string(all.size() - 1) + ":&" + name + ".</p>\r\n";
    }
    ASSERT_EQ(all.size(), 2231u);
    deliver(inbox, mail);
    client = select();
    for (bool indexed : {false, true}) {
        if (indexed)
            index_all();
        auto found = [this](const std::string &text) {
            return client->command("a SEARCH CHARSET UTF-8 TEXT {" + std::to_string(text.size()) +
                                   "+}\r\n" + text) == "* SEARCH 1\r\na OK SEARCH done.\r\n";
        };
        for (const char *name : {"Dvořák", "wałęsa", "ŽIŽEK"})
            EXPECT_TRUE(found(name)) << name;
        for (size_t i = indexed ? 7 : 0; i < all.size(); i += 19)
            EXPECT_TRUE(found(all[i].second)) << all[i].first;
        EXPECT_FALSE(found("&rcaron;"));
    }
}

/* What is compared is taken from segments, and from headers where there is none yet. */
TEST_F(TextTest, SortsAndThreadsAlikeWhateverIsIndexed)
{
    const std::vector<std::string> commands{
        "SORT (SUBJECT) UTF-8 ALL",      "SORT (REVERSE DATE FROM) UTF-8 ALL",
        "SORT (FROM TO CC) UTF-8 ALL",   "SORT (DISPLAYFROM REVERSE DISPLAYTO) UTF-8 ALL",
        "SORT (REVERSE SIZE) UTF-8 ALL", "SORT (SUBJECT ARRIVAL) UTF-8 UID 20:400",
        "THREAD REFERENCES UTF-8 ALL",   "THREAD ORDEREDSUBJECT UTF-8 ALL",
        "THREAD REFS UTF-8 ALL"};
    const std::vector<std::string> names{"Zoë <a@x>", "=?UTF-8?Q?Zo=C3=AB?= <b@x>", "b@x",
                                         "A b <c@y>", "\"b, a\" <B@z>"};
    for (int i = 0; i < 500; i++) {
        std::string header =
            pick(9) ? "Subject: " + std::string(pick(2) ? "Re: " : "") + word(2) : "X: y";
        header += "\r\nFrom: " + names[pick(5)] + "\r\nTo: " + names[pick(5)] + "\r\n";
        if (pick(3))
            header += "Cc: " + names[pick(5)] + ", " + names[pick(5)] + "\r\n";
        if (pick(5))
            header += "Date: " + std::to_string(1 + pick(28)) + " Feb 2024 10:00:0" +
                      std::to_string(pick(10)) + " +0100\r\n";
        if (pick(8))
            header += "Message-ID: <" + std::to_string(pick(600)) + "@x>\r\n";
        if (pick(3))
            header += "References: <" + std::to_string(pick(600)) + "@x>\r\n <\"" +
                      std::to_string(pick(600)) + "\"@x>\r\n";
        else if (pick(2))
            header += "In-Reply-To: <" + std::to_string(pick(600)) + "@x>\r\n";
        deliver(inbox, header + "\r\nbody\r\n");
    }
    client = select();
    auto answers = [&] {
        std::vector<std::string> all;
        for (const std::string &command : commands) {
            client->send("s UID " + command + "\r\n");
            std::string line = client->line();
            all.push_back(line);
            EXPECT_GT(line.size(), 1000u) << line;
            EXPECT_TRUE(matches("s OK …", client->line())) << command;
        }
        return all;
    };
    std::vector<std::string> expected = answers();
    for (int i = 0; i < 2; i++) {
        EXPECT_TRUE(step());
        EXPECT_EQ(answers(), expected);
    }
    index_all();
    EXPECT_GT(query_number("SELECT count(*) FROM text_data WHERE id & 31 = 15"), 2);
    EXPECT_EQ(answers(), expected);
    {
        const guint32 gone = 77;
        Txn txn(cache, CACHE_WRITE_FULL);
        ASSERT_TRUE(cache_expunge(txn, inbox, &gone, 1, TRUE, nullptr, error));
        txn.commit();
    }
    std::string before = expected[0];
    client->send("n NOOP\r\n");
    EXPECT_TRUE(matches("* 77 EXPUNGE", client->line()));
    EXPECT_TRUE(matches("n OK …", client->line()));
    size_t at = before.find(" 77 ");
    EXPECT_EQ(answers()[0], before.substr(0, at) + before.substr(at + 3));
}

/* What clients list messages by is given from segments, and from headers where there is none. */
TEST_F(TextTest, ListsAlikeWhateverIsIndexed)
{
    const std::vector<std::string> lines{"Subject: one\r\n two\r\n",
                                         "subject : x\n",
                                         "From: a@x\r\n",
                                         "To: b@x,\r\n\tc@x\r\n",
                                         "Date: Thu, 1 Feb 2024 10:00:00 +0100\r\n",
                                         "no colon\r\n",
                                         "X-Mailer: y\r\n",
                                         "References: <1@x>\r\n <2@x>\r\n",
                                         "Message-Id: <3@x>\r\n",
                                         " a fold\r\n",
                                         "Cc: \r\n",
                                         "Subject: again\r\n",

                                         "Reply-To: r@x",
                                         std::string("To: \0nul\r\n", 11)};
    for (int i = 0; i < 500; i++) {
        std::string mail;
        for (guint n = pick(12); n > 0; n--)
            mail += lines[pick((guint)lines.size() - (i < 100 ? 0 : 1))];
        deliver(inbox, mail + (pick(9) ? pick(4) ? "\r\nbody\r\n" : "\nbody" : ""));
    }
    client = select();
    auto ask = [&](const std::string &items) {
        client->send("f UID FETCH 1:* (" + items + ")\r\n");
        std::string all, line;
        do
            all += (line = client->line()) + "\n";
        while (line.compare(0, 2, "f ") != 0 && line != "(nothing came)" && !client->ended);
        return all;
    };
    const std::vector<std::string> items{
        "BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]",
        "FLAGS BODY.PEEK[HEADER.FIELDS (To Date References Reply-To)] RFC822.SIZE",
        "BODY.PEEK[HEADER.FIELDS (cc message-id)]<3.20> BODY.PEEK[HEADER.FIELDS (Subject)]",
        "BODY.PEEK[HEADER.FIELDS (Subject X-Mailer)]", "BODY.PEEK[HEADER.FIELDS.NOT (Subject)]"};
    std::vector<std::string> expected;
    for (const std::string &item : items) {
        expected.push_back(ask(item));
        EXPECT_GT(expected.back().size(), 20000u) << item;
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < items.size(); i++)
            EXPECT_EQ(ask(items[i]) == expected[i], true) << items[i] << " " << round;
        round == 0 ? (void)step() : index_all();
    }
    /* It isn't the headers that are read. */
    client->send("a UID FETCH 201:500 (BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)])\r\n");
    std::string with_headers = client->until("a");
    sqlite3 *db;
    ASSERT_EQ(sqlite3_open((dir + "/mail.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, "DELETE FROM content_part WHERE id & 1048575 = 0", nullptr, nullptr,
                           nullptr),
              SQLITE_OK);
    sqlite3_close(db);
    client->send("a UID FETCH 201:500 (BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)])\r\n");
    EXPECT_EQ(client->until("a") == with_headers, true);
}

TEST_F(TextTest, IsIndexedWithoutBeingAsked)
{
    [[maybe_unused]] g_autoptr(Indexer) indexer = indexer_new(cache, "ada");
    deliver_some(128);
    EXPECT_TRUE(soon([&] { return segments() == 3 && due() == 0; }));
    check_many(10);
}

TEST_F(TextTest, AFewNewMessagesWaitForOthers)
{
    deliver_some(63);
    EXPECT_FALSE(step());
    EXPECT_EQ(segments(), 0);
    EXPECT_EQ(due(), 126);
    check_many(10);
}

TEST_F(TextTest, TextsOfDeletedMessagesGo)
{
    deliver_some(640);
    index_all();
    gint64 before = segments();
    expunge_some(500);
    index_all();
    EXPECT_LT(segments(), before / 2 + 1);
    EXPECT_EQ(query_number("SELECT gone FROM text_gone"), 0);
    EXPECT_EQ(query_number("SELECT count(*) FROM text_data WHERE (id >> 5) NOT IN"
                           " (SELECT id FROM text_segment)"),
              0);
    check_many(40);
}

TEST_F(TextTest, SubjectsOfMessagesThatAreStillUpstreamAreIndexed)
{
    std::vector<gint64> messages;
    for (int i = 0; i < 128; i++) {
        Mail mail = make();
        std::string bytes = mail.bytes();
        Txn txn(cache, CACHE_WRITE_FULL);
        CachePlacement placement = arrive(txn, inbox, next_base++);
        CacheRendered how;
        g_autoptr(GBytes) header = g_bytes_new(bytes.data(), bytes.find("\r\n\r\n") + 4);
        render_message(bytes.data(), bytes.size(), FALSE, &how);
        EXPECT_TRUE(cache_content_set_header(txn, placement.message, header, &how, error));
        txn.commit();
        cache_rendered_clear(&how);
        messages.push_back(placement.message);
        mail.flagged = false;
        mails[placement.uid] = mail;
    }
    index_all();
    EXPECT_EQ(due(), 0);
    for (const char *word : {"a", "ab", "bx", "nna"}) {
        std::string w = word;
        check({"SUBJECT " + w, [=](guint32, const Mail &m) { return contains(m.subject, w); }});
    }
    EXPECT_EQ(bodies.asked, 0);
    /* There are providers whose header isn't always the same. */
    size_t i = 0;
    for (auto &[uid, mail] : mails) {
        if (i % 40 == 7)
            mail.subject = "quite " + word(5);
        fill(messages[i++], mail.bytes());
    }
    auto quite = [](guint32, const Mail &m) { return contains(m.subject, "quite"); };
    check({"SUBJECT quite", quite});
    index_all();
    EXPECT_EQ(due(), 0);
    check({"SUBJECT quite", quite});
    check_many(40);
    EXPECT_EQ(bodies.asked, 0);
}

TEST_F(TextTest, MailFromBeforeSegmentsIsIndexed)
{
    deliver_some(130);
    close();
    sqlite3 *db;
    ASSERT_EQ(sqlite3_open((dir + "/mail.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(
                  db,
                  "DROP TABLE text_segment; DROP TABLE text_data; DROP TABLE text_due;"
                  "DROP TABLE text_gone; ALTER TABLE folder DROP COLUMN rights;" BEFORE_VERSION_11
                  "PRAGMA user_version = 1",
                  nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
    open();
    account.cache = bodies.cache = cache;
    EXPECT_EQ(due(), 260);
    index_all();
    EXPECT_EQ(segments(), 3);
    check_many(20);
}

TEST_F(TextTest, SegmentsFromBeforeFiltersAreWrittenAnew)
{
    deliver_some(192);
    index_all();
    close();
    sqlite3 *db;
    ASSERT_EQ(sqlite3_open((dir + "/mail.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(
                  db,
                  "DROP TABLE text_filter; ALTER TABLE folder DROP COLUMN rights;" BEFORE_VERSION_11
                  "PRAGMA user_version = 3",
                  nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
    open();
    account.cache = bodies.cache = cache;
    EXPECT_EQ(due(), 384);
    EXPECT_EQ(segments(), 0);
    index_all();
    EXPECT_EQ(query_number("SELECT count(*) FROM text_filter"), 4);
    check_many(20);
}

/* Before version 10 only some of HTML's named characters were known. */
TEST_F(TextTest, TextsFromBeforeAllNamedCharactersAreMadeAnew)
{
    deliver_some(192);
    index_all();
    close();
    sqlite3 *db;
    ASSERT_EQ(sqlite3_open((dir + "/mail.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(
        sqlite3_exec(db, BEFORE_VERSION_11 "PRAGMA user_version = 9", nullptr, nullptr, nullptr),
        SQLITE_OK);
    sqlite3_close(db);
    open();
    account.cache = bodies.cache = cache;
    EXPECT_EQ(due(), 384);
    EXPECT_EQ(segments(), 0);
    index_all();
    check_many(20);
}

/* Before version 14 the fields of addresses were only searched as they are written, and HTML without
 * its links. */
class EarlierTexts : public TextTest
{
  protected:
    static constexpr const char *MAIL =
        "From: Ada (the first) Byron <ada (who\r\n else)\r\n @ example (test) .org>\r\n"
        "To: bob (x) @ example.org\r\nCc: cc (x) @ example.org\r\nBcc: bcc (x) @ example.org\r\n"
        "Subject: link\r\nContent-Type: text/html\r\n\r\n"
        "<a href=\"https://target.test/page\" title=\"hovered\">click</a>"
        "<img src=x alt=\"pictured\">\r\n";

    /* A segment of all that is due, as that version made it. */
    void write_segment(CacheTextPart part)
    {
        g_autoptr(CacheTextWriter) writer = cache_text_writer_new(cache, part);
        GString *texts[CACHE_TEXT_KINDS];
        const std::string mail = MAIL;
        const gsize header = mail.find("\r\n\r\n") + 4;

        for (int kind = 0; kind < CACHE_TEXT_KINDS; kind++) {
            const char *field = index_text_field((CacheText)kind);
            texts[kind] = g_string_new(nullptr);
            if (field)
                mime_text_field(mail.data(), header, field, 1000, nullptr, texts[kind]);
        }
        index_text_header(mail.data(), header, nullptr, texts[CACHE_TEXT_HEADER]);
        g_string_assign(texts[CACHE_TEXT_BODY], "click");
        Txn txn(cache, CACHE_WRITE);
        g_autoptr(GArray) due = cache_text_due(txn, part, error);
        for (guint i = 0; i < due->len; i++)
            cache_text_writer_add(writer, g_array_index(due, gint64, i), texts);
        ASSERT_TRUE(cache_text_writer_store(writer, txn, error)) << error.text();
        txn.commit();
        for (GString *text : texts)
            g_string_free(text, TRUE);
    }
    void expect_each_found(size_t expected)
    {
        for (const char *what :
             {"FROM ada@example.org", "TO bob@example.org", "CC cc@example.org",
              "BCC bcc@example.org", "BODY target.test/page", "TEXT hovered", "BODY pictured"}) {
            std::string found = search(what);
            EXPECT_EQ((size_t)std::count(found.begin(), found.end(), ' ') + !found.empty(),
                      expected)
                << what;
        }
    }
};

TEST_F(EarlierTexts, AreMadeAnewAndWhatTheyMissIsFoundAtOnce)
{
    const size_t count = 128;
    for (size_t i = 0; i < count; i++)
        deliver(inbox, MAIL);
    write_segment(CACHE_TEXT_OF_HEADERS);
    write_segment(CACHE_TEXT_OF_BODIES);
    write_segment(CACHE_TEXT_OF_BODIES);
    ASSERT_EQ(due(), 0);
    expect_each_found(0); /* so they are as they were */
    client.reset();
    close();
    run_sql("DROP TABLE note; PRAGMA user_version = 13");
    open();
    account.cache = bodies.cache = cache;
    EXPECT_EQ(due(), (gint64)(2 * count));
    expect_each_found(count); /* none is indexed: all are read */
    step();
    expect_each_found(count);
    index_all();
    EXPECT_EQ(due(), 0);
    EXPECT_EQ(segments(), 3);
    expect_each_found(count);
    EXPECT_EQ(bodies.asked, 0);
}

/* ---- filters --------------------------------------------------------------------------------- */

TEST(FilterTest, NeverRulesOutWhatIsThere)
{
    std::mt19937 random{7};
    for (guint size : {0u, 1u, 2u, 3u, 70u, 5000u, 300000u}) {
        std::string text(size, ' ');
        for (char &c : text)
            c = (char)random();
        g_autoptr(GBytes) filter = filter_new(text.data(), text.size());
        gsize length;
        const void *bits = g_bytes_get_data(filter, &length);
        for (int i = 0; i < 2000; i++) {
            size_t start = random() % (size + 1), end = start + random() % (size - start + 1);
            EXPECT_TRUE(filter_may_contain(bits, length, text.data() + start, end - start));
        }
    }
}

TEST(FilterTest, RulesOutMostOfWhatIsNot)
{
    std::mt19937 random{8};
    std::string text(160000, ' ');
    for (char &c : text)
        c = (char)('a' + random() % 16);
    g_autoptr(GBytes) filter = filter_new(text.data(), text.size());
    gsize length;
    const void *bits = g_bytes_get_data(filter, &length);
    EXPECT_LE(length, 8192u);
    int taken = 0;
    for (int i = 0; i < 10000; i++) {
        std::string word;
        for (int k = 0; k < 10; k++)
            word += (char)('q' + random() % 10);
        taken += filter_may_contain(bits, length, word.data(), word.size());
    }
    EXPECT_LT(taken, 20);
}

TEST(FilterTest, WhatIsNoFilterRulesOutNothing)
{
    const char zeros[100] = "";
    for (gsize size : {0, 1, 63, 65, 100})
        EXPECT_TRUE(filter_may_contain(zeros, size, "abc", 3)) << size;
    EXPECT_FALSE(filter_may_contain(zeros, 64, "abc", 3));
    EXPECT_TRUE(filter_may_contain(zeros, 64, "ab", 2));
    EXPECT_TRUE(filter_may_contain(zeros, 64, "", 0));
}

/* ---- kills ----------------------------------------------------------------------------------- */

/* Delivers and indexes until it is killed. */
[[noreturn]] void index_until_killed(const std::string &dir, gint64 inbox, unsigned seed)
{
    GError *error = nullptr;
    Cache *cache = cache_open(dir.c_str(), nullptr, &error);
    NetCancel *cancel = net_cancel_new();
    std::mt19937 random{seed};
    for (guint i = 0; cache && i < 100000; i++) {
        std::string word(1 + random() % 5, "ab"[random() % 2]);
        std::string bytes = "Subject: " + word + "\r\n\r\n" + word + word + "\r\n";
        CacheContentWriter *writer = cache_content_writer_new(cache);
        CacheRendered how;
        gboolean worked;
        cache_content_writer_add(writer, bytes.data(), bytes.size(), nullptr);
        cache_content_writer_end(writer);
        render_message(bytes.data(), bytes.size(), TRUE, &how);
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        cache_append(txn, inbox, writer, &how, {{}, 5000, 0}, nullptr);
        cache_commit(txn, nullptr);
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
        index_step(cache, cancel, &worked, nullptr);
    }
    _exit(1);
}

TEST_F(TextTest, AKillLosesNoText)
{
    for (unsigned round = 0; round < 6; round++) {
        close();
        pid_t child = fork();
        if (child == 0)
            index_until_killed(dir, inbox, round);
        std::this_thread::sleep_for(std::chrono::milliseconds(60 + 37 * round));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        open();
        account.cache = bodies.cache = cache;
        EXPECT_EQ(query_number("SELECT count(*) FROM text_segment s WHERE part = 1 AND NOT EXISTS"
                               " (SELECT 1 FROM text_data d WHERE d.id = s.id << 5 | 7)"),
                  0);
        std::string expected;
        {
            Txn txn(cache, CACHE_READ);
            for (guint32 uid : uids(txn, inbox))
                if (contains(read(txn, placement(txn, inbox, uid).message), "abb") ||
                    contains(read(txn, placement(txn, inbox, uid).message), "aaa"))
                    expected += (expected.empty() ? "" : " ") + std::to_string(uid);
        }
        EXPECT_EQ(search("OR TEXT abb TEXT aaa"), expected);
        client.reset();
    }
    EXPECT_GT(query_number("SELECT count(*) FROM placement"), 0);
}

} // namespace
