/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client that believes everything it is told, and loses its connection at any moment, while four
 * others append, flag, move and expunge. It knows the mailbox by QRESYNC, by QRESYNC with UIDONLY,
 * or by CONDSTORE, and keeps no more than RFC 7162, 6 lets it keep: what it knows after it has come
 * back has to be what is there.
 */
#include "imap-transcript.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <set>
#include <shared_mutex>

namespace
{

using Flags = std::set<std::string>;
using Picture = std::map<guint32, Flags>;

int rounds(int few, int many)
{
    return getenv("POSTERN_LONG") ? many : few;
}

/* "1:3,7" */
std::vector<guint32> numbers_in(const std::string &set)
{
    std::vector<guint32> numbers;
    std::istringstream ranges(set);
    std::string range;
    while (std::getline(ranges, range, ',')) {
        size_t colon = range.find(':');
        guint32 first = (guint32)std::stoul(range);
        guint32 last =
            colon == std::string::npos ? first : (guint32)std::stoul(range.substr(colon + 1));
        for (guint32 number = first; number <= last; number++)
            numbers.push_back(number);
    }
    return numbers;
}

/* What stands between `before` and `end` in a line; "": it has no such thing. */
std::string between(const std::string &line, const std::string &before, char end)
{
    size_t at = line.find(before);
    if (at == std::string::npos)
        return "";
    at += before.size();
    return line.substr(at, line.find(end, at) - at);
}

Flags flags_in(const std::string &words)
{
    Flags flags;
    std::istringstream stream(words);
    std::string flag;
    while (stream >> flag)
        if (flag != "\\Recent")
            flags.insert(flag);
    return flags;
}

enum class Mode { QRESYNC, UIDONLY, CONDSTORE };

class Believer
{
  public:
    Believer(Mode mode, unsigned seed) : mode(mode), random(seed)
    {
    }

    /* Connects, and hears what happened since it was here. */
    void come_back(const ServeDaemon *daemon, ServeAccount *account)
    {
        client = std::make_unique<Client>(daemon, account);
        client->line();
        list.clear();
        if (mode != Mode::CONDSTORE)
            run("ENABLE QRESYNC");
        if (mode == Mode::UIDONLY)
            run("ENABLE UIDONLY");
        selecting = true;
        std::string known = std::to_string(modseq);
        if (mode == Mode::CONDSTORE)
            run("SELECT INBOX (CONDSTORE)");
        else if (uidvalidity)
            run("SELECT INBOX (QRESYNC (" + std::to_string(uidvalidity) + " " + known + "))");
        else
            run("SELECT INBOX");
        selecting = false;
        if (mode == Mode::CONDSTORE)
            resynchronize(known);
        else
            EXPECT_LE(picture.size(), list.size()) << "what has gone isn't told of\n" << transcript;
        fetch_new();
        if (first_time)
            run("UID FETCH 1:* (FLAGS)");
        first_time = false;
    }

    void fetch_new()
    {
        run("UID FETCH " + std::to_string(uidnext) + ":* (FLAGS)");
        if (!picture.empty())
            uidnext = std::max(uidnext, picture.rbegin()->first + 1);
    }

    void leave()
    {
        client.reset();
        idling = false;
        highest_fetch = 0;
        told = 0;
    }

    /* One of the things that clients do; the connection may break in the middle of its answer. */
    void act()
    {
        guint32 uid = some_uid(), number = 1 + random() % std::max<size_t>(1, list.size());
        std::string u = std::to_string(uid), n = std::to_string(number);
        std::string since =
            std::to_string(modseq ? modseq - random() % std::min<guint64>(modseq, 20) : 1);
        bool numbers = mode != Mode::UIDONLY;
        static const char *const notify[] = {
            "NOTIFY SET (SELECTED (MessageNew (UID FLAGS MODSEQ) MessageExpunge FlagChange))",
            "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))",
            "NOTIFY SET (SELECTED (MessageNew MessageExpunge))",
            "NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))",
            "NOTIFY NONE",
        };
        switch (random() % 14) {
        case 0:
            return run("NOOP");
        case 1:
            return run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE " + since +
                       (mode == Mode::CONDSTORE ? ")" : " VANISHED)"));
        case 2:
            return run(numbers ? "FETCH 1:" + n + " (UID FLAGS MODSEQ)" : "UID FETCH 1:* (MODSEQ)");
        case 3:
            answered = uid;
            run("UID STORE " + u + " +FLAGS.SILENT (\\Answered)");
            answered = 0;
            return;
        case 4:
            return run(numbers ? "STORE " + n + " -FLAGS (\\Answered)"
                               : "UID STORE " + u + " -FLAGS (\\Answered)");
        case 5:
            return run(numbers ? "STORE " + n + " (UNCHANGEDSINCE " + since + ") +FLAGS (Mine)"
                               : "UID STORE " + u + " (UNCHANGEDSINCE " + since + ") FLAGS (Mine)");
        case 6:
            return run(numbers ? "SEARCH MODSEQ 1 FLAGGED" : "UID SEARCH MODSEQ 1 FLAGGED");
        case 7:
            return run("UID SORT RETURN (ALL) (ARRIVAL) UTF-8 MODSEQ 1");
        case 8:
            return run("UID STORE " + u + " +FLAGS (\\Deleted)");
        case 9:
            return run(random() % 2 ? "EXPUNGE" : "UID EXPUNGE " + u);
        case 10:
            return run("UID MOVE " + u + " Archive");
        case 11:
            return run(notify[random() % G_N_ELEMENTS(notify)]);
        case 12:
            return run(random() % 2 ? "UID FETCH " + u + " (BODY[TEXT])"
                                    : "STATUS Archive (HIGHESTMODSEQ)");
        default:
            return idle();
        }
    }

    /* Says something and is gone before all of the answer has come. */
    void break_off()
    {
        broken_after = (int)(random() % 6);
        act();
        broken_after = -1;
        leave();
    }

    void run(const std::string &command)
    {
        std::string tag = "t" + std::to_string(++tags);
        note("C: " + tag + " " + command);
        client->send(tag + " " + command + "\r\n");
        read_until(tag + " ");
    }

    Picture picture;
    std::vector<guint32> list; /* UIDs by number; 0: not known */
    std::string transcript;    /* of this connection and the ones before */
    bool first_time = true;

  private:
    guint32 some_uid()
    {
        return picture.empty()
                   ? 1
                   : std::next(picture.begin(), (long)(random() % picture.size()))->first;
    }

    void note(const std::string &line)
    {
        transcript += line + "\n";
        if (transcript.size() > 40000)
            transcript.erase(0, 20000);
    }

    void idle()
    {
        std::string tag = "t" + std::to_string(++tags);
        note("C: " + tag + " IDLE");
        client->send(tag + " IDLE\r\n");
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 10));
        client->send("DONE\r\n");
        read_until(tag + " ");
    }

    void read_until(const std::string &tag)
    {
        int lines = 0;
        while (broken_after < 0 || lines++ < broken_after) {
            std::string line = client->line();
            note("S: " + line);
            ASSERT_NE(line, "(nothing came)") << transcript;
            ASSERT_FALSE(client->ended) << transcript;
            skip_literal(line);
            hear(line);
            if (line.compare(0, tag.size(), tag) == 0) {
                ASSERT_EQ(line.find(" BAD "), std::string::npos) << transcript;
                return conclude();
            }
        }
    }

    void skip_literal(std::string &line)
    {
        while (line.size() && line.back() == '}') {
            client->bytes(std::stoul(line.substr(line.rfind('{') + 1)));
            line += client->line();
        }
    }

    /* RFC 7162, 6 */
    void conclude()
    {
        if (told)
            modseq = told;
        else
            modseq = std::max(modseq, highest_fetch);
        told = highest_fetch = 0;
    }

    void hear(const std::string &line)
    {
        std::string code = between(line, "[HIGHESTMODSEQ ", ']');
        if (code.size())
            told = std::stoull(code);
        code = between(line, "[UIDVALIDITY ", ']');
        if (code.size())
            uidvalidity = (guint32)std::stoul(code);
        std::istringstream words(line);
        std::string star, first, second;
        words >> star >> first >> second;
        if (star != "*")
            return;
        if (second == "EXISTS")
            list.resize(std::stoul(first));
        else if (second == "EXPUNGE")
            hear_expunge(std::stoul(first));
        else if (first == "VANISHED")
            hear_vanished(line);
        else if (second == "FETCH" || second == "UIDFETCH")
            hear_fetch(line, (guint32)std::stoul(first), second == "UIDFETCH");
        else if (first == "SEARCH" && listing)
            hear_all(line);
    }

    void hear_expunge(size_t number)
    {
        ASSERT_LE(number, list.size()) << transcript;
        gone.insert(list[number - 1]);
        picture.erase(list[number - 1]);
        list.erase(list.begin() + (long)number - 1);
    }

    void hear_vanished(const std::string &line)
    {
        bool earlier = line.find("(EARLIER)") != std::string::npos;
        for (guint32 uid : numbers_in(line.substr(line.rfind(' ') + 1))) {
            bool known = picture.erase(uid) > 0;
            auto numbered = std::find(list.begin(), list.end(), uid);
            gone.insert(uid);
            if (earlier && !selecting) {
                /* it has no number any more: nothing moves */
                ASSERT_TRUE(numbered == list.end()) << uid << " has a number\n" << transcript;
            } else if (!earlier) {
                ASSERT_TRUE(known || uid >= uidnext || numbered != list.end())
                    << uid << " went twice\n"
                    << transcript;
                if (numbered == list.end())
                    numbered = unknown_place(uid);
                ASSERT_TRUE(numbered != list.end()) << uid << " has no number\n" << transcript;
                list.erase(numbered);
            }
        }
    }

    /* Where in the list a message is whose number wasn't told: UIDs ascend with numbers, so between its
     * neighbours. With UIDONLY nothing has a number, and the list only counts. end(): nowhere. */
    std::vector<guint32>::iterator unknown_place(guint32 uid)
    {
        if (mode == Mode::UIDONLY)
            return std::find(list.begin(), list.end(), 0u);
        auto after = std::find_if(list.begin(), list.end(), [uid](guint32 is) { return is > uid; });
        return after != list.begin() && after[-1] == 0 ? after - 1 : list.end();
    }

    void learn_number(guint32 number, guint32 uid)
    {
        guint32 &place = list[number - 1];
        ASSERT_TRUE(place == 0 || place == uid) << uid << " has the number of " << place << "\n"
                                                << transcript;
        place = uid;
        guint32 last = 0;
        for (guint32 known : list) {
            ASSERT_TRUE(known == 0 || known > last) << known << " is behind " << last << "\n"
                                                    << transcript;
            last = known ? known : last;
        }
    }

    void hear_fetch(const std::string &line, guint32 number, bool is_uid)
    {
        std::string uid_text = between(
            line, "UID ",
            line.find("UID ") != std::string::npos && line[line.find("UID ") + 4] ? ' ' : ')');
        guint32 uid = is_uid ? number : uid_text.size() ? (guint32)std::stoul(uid_text) : 0;
        if (!is_uid) {
            ASSERT_LE(number, list.size()) << transcript;
            if (!uid)
                uid = list[number - 1];
            else
                learn_number(number, uid);
        } else if (std::find(list.begin(), list.end(), uid) == list.end()) {
            auto unknown = unknown_place(uid);
            ASSERT_TRUE(unknown != list.end()) << transcript;
            *unknown = uid;
        }
        std::string mod = between(line, "MODSEQ (", ')');
        if (mod.size())
            highest_fetch = std::max<guint64>(highest_fetch, std::stoull(mod));
        size_t at = line.find("FLAGS (");
        if (at == std::string::npos && mod.size() && uid == answered && picture.count(uid))
            picture[uid].insert("\\Answered"); /* a silent STORE has succeeded */
        if (!uid || at == std::string::npos)
            return;
        ASSERT_FALSE(gone.count(uid)) << uid << " came back\n" << transcript;
        picture[uid] = flags_in(between(line, "FLAGS (", ')'));
    }

    /* Without QRESYNC: what isn't found any more has gone (RFC 4549, 4.2.1). */
    void resynchronize(const std::string &known)
    {
        listing = true;
        run("UID SEARCH ALL");
        listing = false;
        run("UID FETCH 1:* (FLAGS) (CHANGEDSINCE " + (known == "0" ? "1" : known) + ")");
    }

    void hear_all(const std::string &line)
    {
        std::istringstream words(line.substr(strlen("* SEARCH")));
        std::vector<guint32> all{std::istream_iterator<guint32>(words), {}};
        ASSERT_LE(all.size(), list.size()) << transcript;
        std::copy(all.begin(), all.end(), list.begin());
        std::set<guint32> there(all.begin(), all.end());
        for (auto at = picture.begin(); at != picture.end();)
            at = there.count(at->first) ? std::next(at) : picture.erase(at);
    }

    Mode mode;
    std::mt19937 random;
    std::unique_ptr<Client> client;
    int tags = 0;
    bool selecting = false, listing = false, idling = false;
    int broken_after = -1;
    guint32 uidvalidity = 0, uidnext = 1;
    guint32 answered = 0; /* by a silent STORE that runs */
    guint64 modseq = 0;
    guint64 told = 0, highest_fetch = 0; /* since the last tagged answer */
    std::set<guint32> gone;
};

class Believing : public ImapTest, public testing::WithParamInterface<Mode>
{
  protected:
    std::shared_mutex still; /* held by who wants the others to do nothing */
    std::atomic<bool> done{false};
    std::vector<std::thread> others;

    void SetUp() override
    {
        ImapTest::SetUp();
        make_folder("Archive");
        for (int i = 0; i < 40; i++)
            deliver(inbox, MAIL);
    }

    void TearDown() override
    {
        stop_others();
        ImapTest::TearDown();
    }

    void start_others(unsigned seed)
    {
        for (unsigned i = 0; i < 4; i++)
            others.emplace_back([this, seed, i] { live(seed * 10 + i); });
    }

    void stop_others()
    {
        done = true;
        for (auto &other : others)
            other.join();
        others.clear();
    }

    /* Another client. */
    void live(unsigned seed)
    {
        std::mt19937 random(seed);
        Client client(&daemon, &account);
        client.line();
        std::string folder = "INBOX";
        client.command("s SELECT INBOX");
        while (!done) {
            std::shared_lock lock(still);
            client.command("x " + something(random, folder));
            lock.unlock();
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        }
    }

    std::string something(std::mt19937 &random, std::string &folder)
    {
        /* UIDs grow, and most of the old ones are gone. */
        guint32 top = highest.load(), uid = top - std::min<guint32>(top - 1, random() % 60);
        std::string u = std::to_string(uid);
        static const char *const flags[] = {"\\Flagged", "\\Seen", "Work", "Later"};
        std::string flag = flags[random() % G_N_ELEMENTS(flags)];
        switch (random() % 10) {
        case 0:
        case 1:
        case 2:
            highest++;
            return "APPEND INBOX (" + flag + ") {" + std::to_string(MAIL.size()) + "+}\r\n" + MAIL;
        case 3:
            return "UID STORE " + u + " +FLAGS (" + flag + ")";
        case 4:
            return "UID STORE " + u + " -FLAGS.SILENT (" + flag + ")";
        case 5:
            return "UID STORE " + u + " +FLAGS (\\Deleted)";
        case 6:
            return random() % 2 ? "EXPUNGE" : "UID EXPUNGE " + u;
        case 7:
            return "UID MOVE " + u + (folder == "INBOX" ? " Archive" : " INBOX");
        case 8:
            folder = folder == "INBOX" && random() % 3 == 0 ? "Archive" : "INBOX";
            return "SELECT " + folder;
        default:
            return "NOOP";
        }
    }

    /* What somebody sees who knows nothing. */
    Picture truth()
    {
        Believer stranger(Mode::CONDSTORE, 1);
        stranger.come_back(&daemon, &account);
        return stranger.picture;
    }

    std::atomic<guint32> highest{40};
    static const std::string MAIL;
};

const std::string Believing::MAIL = "From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n";

std::string text_of(const Picture &picture)
{
    std::string text;
    for (const auto &[uid, flags] : picture) {
        text += std::to_string(uid) + " (";
        for (const auto &flag : flags)
            text += flag + " ";
        text += ")\n";
    }
    return text;
}

TEST_P(Believing, KnowsTheTruthWheneverItComesBack)
{
    unsigned seed = (unsigned)g_get_monotonic_time();
    if (const char *given = getenv("POSTERN_SEED"))
        seed = (unsigned)atoi(given);
    RecordProperty("seed", (int)seed);
    std::mt19937 random(seed);
    Believer believer(GetParam(), seed);
    start_others(seed);
    for (int round = 0; round < rounds(30, 600) && !HasFailure(); round++) {
        believer.come_back(&daemon, &account);
        {
            std::unique_lock lock(still);
            believer.run("NOOP");
            believer.fetch_new();
            EXPECT_EQ(text_of(believer.picture), text_of(truth()))
                << "seed " << seed << ", round " << round << "\n"
                << believer.transcript;
            EXPECT_EQ(believer.list.size(), believer.picture.size());
        }
        for (unsigned i = random() % 6; i > 0 && !HasFailure(); i--)
            believer.act();
        believer.break_off();
    }
    stop_others();
}

INSTANTIATE_TEST_SUITE_P(All, Believing,
                         testing::Values(Mode::QRESYNC, Mode::UIDONLY, Mode::CONDSTORE));

} // namespace
