/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Contexts (RFC 5267, 4.3) against a client that believes what it is told: it keeps each result by
 * ADDTO, REMOVEFROM and EXPUNGE alone, while messages come, change and go in two sessions, and now
 * and then compares it with what the same search finds.
 */
#include "imap-transcript.h"

#include <algorithm>
#include <random>

namespace
{

typedef std::vector<unsigned> Numbers;

Numbers expand(const std::string &set)
{
    Numbers numbers;
    std::istringstream parts(set);
    for (std::string part; std::getline(parts, part, ',');) {
        size_t colon = part.find(':');
        unsigned first = std::stoul(part);
        unsigned last = colon == std::string::npos ? first : std::stoul(part.substr(colon + 1));
        for (unsigned number = first; number <= last; number++)
            numbers.push_back(number);
    }
    return numbers;
}

/* What stands behind " ALL "; nothing, if it isn't there. */
Numbers all_of(const std::string &line)
{
    size_t at = line.find(" ALL ");
    return at == std::string::npos ? Numbers() : expand(line.substr(at + 5));
}

struct Result {
    std::string tag, before, after; /* the command, before and after its RETURN */
    bool uid, sorted;
    Numbers numbers;

    void add(unsigned place, const Numbers &added)
    {
        ASSERT_EQ(place != 0, sorted);
        ASSERT_LE(place, numbers.size() + 1);
        auto at = place ? numbers.begin() + place - 1 : numbers.end();
        numbers.insert(at, added.begin(), added.end());
    }
    void remove(unsigned place, const Numbers &removed)
    {
        for (unsigned number : removed) {
            auto at = std::find(numbers.begin(), numbers.end(), number);
            ASSERT_NE(at, numbers.end());
            ASSERT_TRUE(!place || numbers.begin() + place - 1 == at) << place;
            numbers.erase(at);
        }
    }
    void expunge(unsigned expunged)
    {
        for (unsigned &number : numbers) {
            if (uid)
                continue;
            ASSERT_NE(number, expunged) << "it should have been removed before";
            number -= number > expunged;
        }
    }
};

class ContextTest : public ImapTest
{
  protected:
    std::vector<Result> results = {
        {"k1", "SEARCH", "UNSEEN", false, false, {}},
        {"k2", "UID SORT", "(SUBJECT) UTF-8 UNDELETED", true, true, {}},
        {"k3", "SORT", "(REVERSE ARRIVAL SUBJECT) UTF-8 UNSEEN", false, true, {}},
        {"k4", "UID SEARCH", "UID 5:* UNFLAGGED", true, false, {}},
        {"k5", "SEARCH", "OR (NOT UID *) SEEN", false, false, {}},
        {"k6", "UID SORT", "(REVERSE SUBJECT) UTF-8 OR UNSEEN UID 4:*", true, true, {}},
        {"k7", "SEARCH", "ALL", false, false, {}},
    };
    std::unique_ptr<Client> client, other;
    std::mt19937 random;
    std::string log;

    void TearDown() override
    {
        client.reset();
        other.reset();
        ImapTest::TearDown();
    }

    unsigned below(unsigned limit)
    {
        return random() % limit;
    }
    void arrive()
    {
        std::string subject(1, (char)('a' + below(6)));
        deliver(inbox, "Subject: " + subject + "\r\n\r\nhello\r\n", {below(2) * CACHE_SEEN, 0},
                824083200 + below(5) * 60);
    }

    /* "(1 5 3 7:8)" */
    void update(Result &result, std::istringstream pairs, bool adds)
    {
        unsigned place;
        for (std::string set; pairs >> place >> set;) {
            set.erase(set.find_last_not_of(')') + 1);
            if (adds)
                result.add(place, expand(set));
            else
                result.remove(place, expand(set));
        }
    }
    void believe(const std::string &line)
    {
        size_t adds = line.find(" ADDTO ("), removes = line.find(" REMOVEFROM (");
        log += line + "\n";
        for (Result &result : results) {
            if (line.find(" EXPUNGE") != std::string::npos)
                result.expunge(std::stoul(line.substr(2)));
            else if (line.find("(TAG \"" + result.tag + "\")") == std::string::npos)
                continue;
            else if (adds != std::string::npos)
                update(result, std::istringstream(line.substr(adds + 8)), true);
            else if (removes != std::string::npos)
                update(result, std::istringstream(line.substr(removes + 13)), false);
        }
    }
    /* The numbers that it found, if it was a search with RETURN (ALL). */
    Numbers run(const std::string &command)
    {
        log += "C: " + command + "\n";
        Numbers found;
        std::istringstream lines(client->command(command));
        for (std::string line; std::getline(lines, line);) {
            line.erase(line.find_last_not_of('\r') + 1);
            if (line.find("* ") == 0 && line[2] != 'O')
                believe(line);
            if (line.find(" ALL ") != std::string::npos)
                found = all_of(line);
        }
        return found;
    }
    Numbers search(const Result &result, const std::string &tag, const std::string &options)
    {
        return run(tag + " " + result.before + " RETURN (" + options + ") " + result.after);
    }

    void something_happens()
    {
        static const char *const flags[] = {"\\Seen", "\\Flagged", "\\Deleted", "word"};
        std::string set = std::to_string(1 + below(60)) + ":*";
        std::string store = "UID STORE " + set + (below(2) ? " +" : " -") + "FLAGS.SILENT (" +
                            flags[below(4)] + ")";
        switch (below(7)) {
        case 0:
        case 1:
            arrive();
            break;
        case 2:
            other->command("a " + store);
            break;
        case 3:
            other->command("a EXPUNGE");
            break;
        case 4:
            run("z " + store);
            break;
        case 5:
            run(below(2) ? "z SEARCH UNSEEN" : "z EXPUNGE");
            break;
        case 6:
            run(below(2) ? "z UID COPY * INBOX" : "z UID MOVE * INBOX");
            break;
        }
    }
    void compare()
    {
        run("z NOOP");
        for (const Result &result : results) {
            Numbers now = search(result, "z", "ALL"), kept = result.numbers;
            if (!result.sorted)
                std::sort(kept.begin(), kept.end());
            ASSERT_EQ(kept, now) << result.tag;
        }
    }
    void live(unsigned seed)
    {
        random.seed(seed);
        for (int i = 0; i < 6; i++)
            arrive();
        client = select();
        other = select();
        for (Result &result : results)
            result.numbers = search(result, result.tag, "UPDATE ALL");
        for (int step = 0; step < 60 && !HasFailure(); step++) {
            for (unsigned i = below(4); i > 0; i--)
                something_happens();
            compare();
        }
        EXPECT_FALSE(HasFailure()) << "seed " << seed << ", and the session:\n" << log;
    }
};

TEST_F(ContextTest, ResultsAreKeptByUpdatesAlone)
{
    live(20260101);
}

TEST_F(ContextTest, ResultsAreKeptByUpdatesAloneOnceMore)
{
    live((unsigned)time(nullptr));
}

} // namespace
