/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The values of IMAP: sets, flags, dates, mailbox names, quoting.
 */
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "daemon/proto/imap/client-command.h"
#include "daemon/proto/imap/date.h"
#include "daemon/proto/imap/error.h"
#include "daemon/proto/imap/flags.h"
#include "daemon/proto/imap/mailbox-name.h"
#include "daemon/proto/imap/quote.h"
#include "daemon/proto/imap/rights.h"
#include "daemon/proto/imap/set.h"

namespace
{

std::string take(GString *string)
{
    std::string text(string->str, string->len);

    g_string_free(string, TRUE);
    return text;
}

std::string take(char *string)
{
    std::string text = string != nullptr ? string : "(null)";

    g_free(string);
    return text;
}

/* ---- sets -------------------------------------------------------------------------------------*/

std::string format(const ImapSet *set)
{
    GString *out = g_string_new(nullptr);

    imap_set_format(set, out);
    return take(out);
}

ImapSet *parse(const std::string &text)
{
    return imap_set_parse(text.data(), text.size(), 1000, nullptr);
}

std::vector<guint32> members(const ImapSet *set)
{
    std::vector<guint32> result;
    ImapSetIter iter;
    guint32 number;

    imap_set_iter_init(&iter, set);
    while (imap_set_iter_next(&iter, &number))
        result.push_back(number);
    return result;
}

TEST(Set, IsWrittenInItsCompactForm)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"1", "1"},
        {"1,2,3", "1:3"},
        {"3,2,1", "1:3"},
        {"5:1", "1:5"},
        {"1:3,2:4,9", "1:4,9"},
        {"4294967295", "4294967295"},
        {"1:4294967295", "1:4294967295"},
        {"4294967294:4294967295,1", "1,4294967294:4294967295"},
        {"10:20,1:5,7,6", "1:7,10:20"},
        {"304,319:320", "304,319:320"},
        {"1:1", "1"},
    };

    for (const auto &c : cases) {
        g_autoptr(ImapSet) set = parse(c.in);

        ASSERT_NE(set, nullptr) << c.in;
        EXPECT_EQ(format(set), c.out);
    }
}

TEST(Set, RefusesWhatIsNoSet)
{
    for (const char *text :
         {"", "0", "01", "1,", ",1", "1:", ":1", "1::2", "*", "1:*", "$", "a", "-1", "1 ", " 1",
          "4294967296", "99999999999999999999", "1:2:3", "1.2"}) {
        g_autoptr(GError) error = nullptr;

        EXPECT_EQ(imap_set_parse(text, strlen(text), 1000, &error), nullptr) << text;
        EXPECT_TRUE(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_SYNTAX)) << text;
    }
}

TEST(Set, HoldsInputToItsLimit)
{
    g_autoptr(GError) error = nullptr;
    g_autoptr(ImapSet) set = imap_set_parse("1,3,5", 5, 3, &error);

    EXPECT_NE(set, nullptr);
    EXPECT_EQ(imap_set_parse("1,3,5,7", 7, 3, &error), nullptr);
    EXPECT_TRUE(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT));
}

/* A set and the same thing the slow way, filled at random. */
void fill(std::mt19937 &random, ImapSet *set, std::set<guint32> &model)
{
    for (int i = 0; i < 40; i++) {
        guint32 first = 1 + random() % 90, last = first + random() % 5;

        if (random() % 4 == 0) {
            imap_set_remove(set, first);
            model.erase(first);
            continue;
        }
        imap_set_add_range(set, last, first);
        for (guint32 n = first; n <= last; n++)
            model.insert(n);
    }
}

TEST(Set, AgreesWithAModelUnderRandomChanges)
{
    std::mt19937 random(20261124);

    for (int round = 0; round < 500; round++) {
        g_autoptr(ImapSet) a = imap_set_new(), b = imap_set_new();
        std::set<guint32> x, y;

        fill(random, a, x);
        fill(random, b, y);
        g_autoptr(ImapSet) both = imap_set_intersect(a, b), rest = imap_set_subtract(a, b);
        g_autoptr(ImapSet) again = parse(format(a)), any = imap_set_copy(a);

        imap_set_add_set(any, b);
        EXPECT_EQ(members(a), std::vector<guint32>(x.begin(), x.end()));
        EXPECT_EQ(imap_set_count(a), x.size());
        EXPECT_EQ(imap_set_max(a), *x.rbegin());
        EXPECT_TRUE(imap_set_equal(a, again));
        for (guint32 n = 0; n < 100; n++) {
            EXPECT_EQ(imap_set_contains(a, n), x.count(n) > 0);
            EXPECT_EQ(imap_set_contains(both, n), x.count(n) && y.count(n));
            EXPECT_EQ(imap_set_contains(rest, n), x.count(n) && !y.count(n));
            EXPECT_EQ(imap_set_contains(any, n), x.count(n) || y.count(n));
        }
    }
}

TEST(Set, SubtractsUpToTheLastNumber)
{
    g_autoptr(ImapSet) all = parse("1:4294967295"), some = parse("1,7:9,4294967295");
    g_autoptr(ImapSet) rest = imap_set_subtract(all, some);

    EXPECT_EQ(format(rest), "2:6,10:4294967294");
    EXPECT_EQ(imap_set_count(all), G_MAXUINT32);
}

TEST(Set, IsEmptyWithoutMembers)
{
    g_autoptr(ImapSet) set = imap_set_new_range(0, 0);

    EXPECT_TRUE(imap_set_is_empty(set));
    EXPECT_EQ(imap_set_count(set), 0u);
    EXPECT_EQ(imap_set_max(set), 0u);
    EXPECT_EQ(format(set), "");
    EXPECT_TRUE(members(set).empty());
    imap_set_add(set, 0);
    EXPECT_TRUE(imap_set_is_empty(set));
}

TEST(Set, HoldsAMillionMembersAddedInAnyOrder)
{
    g_autoptr(ImapSet) set = imap_set_new();
    std::vector<guint32> numbers;
    std::mt19937 random(1);

    for (guint32 n = 1; n <= 1000000; n++)
        numbers.push_back(n * 2);
    std::shuffle(numbers.begin(), numbers.end(), random);
    for (guint32 n : numbers)
        imap_set_add(set, n);
    EXPECT_EQ(imap_set_count(set), 1000000u);
    EXPECT_TRUE(imap_set_contains(set, 1234568));
    EXPECT_FALSE(imap_set_contains(set, 1234567));
}

TEST(Set, IsSplitIntoLinesThatTogetherAreTheSet)
{
    g_autoptr(ImapSet) set = imap_set_new();
    std::string all;
    guint range = 0;
    int lines = 0;
    GString *line = g_string_new(nullptr);

    for (guint32 n = 1; n < 5000; n += 2)
        imap_set_add(set, 4294900000u + n);
    while (imap_set_format_some(set, &range, 1000, line)) {
        EXPECT_LE(line->len, 1000u);
        all += (all.empty() ? "" : ",") + std::string(line->str);
        g_string_truncate(line, 0);
        lines++;
    }
    g_string_free(line, TRUE);
    EXPECT_GT(lines, 20);
    EXPECT_EQ(all, format(set));
}

TEST(SequenceSet, ResolvesTheStar)
{
    const struct {
        const char *in;
        guint32 star;
        const char *out;
    } cases[] = {
        {"*", 9, "9"},       {"1:*", 9, "1:9"}, {"*:4", 9, "4:9"},
        {"12:*", 9, "9:12"}, {"*:*", 9, "9"},   {"2,4:7,9,12:*", 15, "2,4:7,9,12:15"},
        {"1:*", 0, ""},      {"3,5:*", 0, "3"}, {"*:4,5:7", 10, "4:10"},
    };

    for (const auto &c : cases) {
        g_autoptr(ImapSequenceSet) set =
            imap_sequence_set_parse(c.in, strlen(c.in), 100, FALSE, nullptr);
        g_autoptr(ImapSet) resolved = imap_sequence_set_resolve(set, c.star);
        GString *out = g_string_new(nullptr);

        EXPECT_EQ(format(resolved), c.out) << c.in << " with " << c.star;
        imap_sequence_set_format(set, out);
        EXPECT_EQ(take(out), std::string(c.in) == "*:*" ? "*" : c.in);
    }
}

TEST(SequenceSet, KnowsTheSavedResultOnlyWhereAllowed)
{
    g_autoptr(ImapSequenceSet) set = imap_sequence_set_parse("$", 1, 100, TRUE, nullptr);

    ASSERT_NE(set, nullptr);
    EXPECT_TRUE(set->saved);
    EXPECT_EQ(imap_sequence_set_parse("$", 1, 100, FALSE, nullptr), nullptr);
    EXPECT_EQ(imap_sequence_set_parse("$,1", 3, 100, TRUE, nullptr), nullptr);
}

TEST(SequenceSet, IsWalkedInTheOrderWritten)
{
    g_autoptr(ImapSequenceSet) set =
        imap_sequence_set_parse("9,4:2,4294967295", 16, 100, FALSE, nullptr);
    std::vector<guint32> numbers;
    ImapSequenceIter iter;
    guint32 number;

    imap_sequence_iter_init(&iter, set);
    while (imap_sequence_iter_next(&iter, &number))
        numbers.push_back(number);
    EXPECT_EQ(numbers, (std::vector<guint32>{9, 2, 3, 4, 4294967295u}));
}

/* ---- rights (RFC 4314, 2.1) -------------------------------------------------------------------*/

std::string rights(const char *letters, gboolean current = TRUE)
{
    GString *out = g_string_new(nullptr);

    imap_rights_format(imap_rights_parse(letters, current), out);
    return take(out);
}

TEST(Rights, AreWrittenInOneOrderWithTheVirtualOnes)
{
    const struct {
        const char *in, *out;
    } cases[] = {
        {"rwiptsldaex", "lrswipxteacd"},
        {"lrs", "lrs"},
        {"", "\"\""},
        {"Q0n9", "\"\""},
        {"k", "kc"},
        {"x", "xc"},
        {"t", "td"},
        {"lrse", "lrsed"},
        {"lrtcd", "lrtd"},
    };

    for (const auto &c : cases)
        EXPECT_EQ(rights(c.in), c.out) << c.in;
}

/* 2.1.1 */
TEST(Rights, OfOlderServersAreUnderstood)
{
    EXPECT_EQ(rights("lrswipcda", FALSE), "lrswipkxteacd");
    EXPECT_EQ(rights("lrd", FALSE), "lrxtecd");
    EXPECT_EQ(rights("lrc", FALSE), "lrkxc");
    EXPECT_EQ(rights("lr", FALSE), "lr");
    /* Courier: "c" makes folders, the others are as now. */
    EXPECT_EQ(rights("acdilrsw", FALSE), "lrswikxteacd");
    EXPECT_EQ(rights("aceilrstwx", FALSE), "lrswikxteacd");
    EXPECT_EQ(rights("ceilrst", FALSE), "lrsiktecd");
}

TEST(Rights, OfClientsAreChecked)
{
    char wrong = 0;

    EXPECT_TRUE(imap_rights_valid("lrswipkxteacd", &wrong));
    EXPECT_TRUE(imap_rights_valid("", &wrong));
    EXPECT_FALSE(imap_rights_valid("lrQswicda", &wrong));
    EXPECT_EQ(wrong, 'Q');
    EXPECT_FALSE(imap_rights_valid("lrqswicda", &wrong));
    EXPECT_EQ(wrong, 'q');
}

/* ---- flags ------------------------------------------------------------------------------------*/

TEST(Flags, AreKnownInAnyCase)
{
    g_autoptr(ImapFlags) flags = imap_flags_new();

    for (const char *name : {"\\seen", "\\DELETED", "$Forwarded", "$FORWARDED", "\\Recent", "Junk"})
        EXPECT_TRUE(imap_flags_add(flags, name, strlen(name))) << name;
    EXPECT_EQ(flags->system, IMAP_FLAG_SEEN | IMAP_FLAG_DELETED);
    EXPECT_TRUE(flags->recent);
    EXPECT_EQ(flags->keywords->len, 2u);
    EXPECT_STREQ((char *)flags->keywords->pdata[0], "$Forwarded");
    EXPECT_TRUE(imap_flags_has_keyword(flags, "jUNK"));
    EXPECT_FALSE(imap_flags_has_keyword(flags, "NonJunk"));
}

TEST(Flags, RefuseWhatIsNoFlag)
{
    g_autoptr(ImapFlags) flags = imap_flags_new();
    std::string longest(IMAP_KEYWORD_MAX, 'k'), longer = longest + "k";

    for (const char *name : {"", "\\", "\\Nope", "a b", "a)", "a]", "a%", "a*", "a\\b", "\"a\"",
                             "{", "\xc3\xa9", "a\x01", "\\Seen "})
        EXPECT_FALSE(imap_flags_add(flags, name, strlen(name))) << name;
    EXPECT_TRUE(imap_keyword_is_valid(longest.data(), longest.size()));
    EXPECT_FALSE(imap_keyword_is_valid(longer.data(), longer.size()));
    EXPECT_EQ(flags->keywords->len, 0u);
}

TEST(Flags, AreWrittenInOneOrder)
{
    const char *keywords[] = {"$Junk", "x", nullptr};
    GString *out = g_string_new(nullptr);

    imap_flags_format(IMAP_FLAG_DRAFT | IMAP_FLAG_ANSWERED, TRUE, keywords, out);
    EXPECT_EQ(take(out), "\\Answered \\Draft \\Recent $Junk x");
    out = g_string_new(nullptr);
    imap_flags_format(0, FALSE, nullptr, out);
    EXPECT_EQ(take(out), "");
}

/* ---- dates ------------------------------------------------------------------------------------*/

TEST(Date, InternalDatesComeBackAsTheyWere)
{
    const struct {
        const char *text;
        gint64 time;
        gint32 zone;
    } cases[] = {
        {"17-Jul-1996 02:44:25 -0700", 837596665, -420},
        {" 7-Feb-1994 21:52:25 -0800", 760686745, -480},
        {" 1-Jan-1970 00:00:00 +0000", 0, 0},
        {"31-Dec-1969 23:59:59 +0000", -1, 0},
        {"29-Feb-2024 12:00:00 +0530", 1709188200, 330},
        {"31-Dec-9999 23:59:59 +0000", 253402300799, 0},
        {" 1-Jan-0001 00:00:00 +0000", -62135596800, 0},
    };

    for (const auto &c : cases) {
        ImapDateTime date;
        GString *out = g_string_new(nullptr);

        ASSERT_TRUE(imap_date_time_parse(c.text, strlen(c.text), &date)) << c.text;
        EXPECT_EQ(date.time, c.time) << c.text;
        EXPECT_EQ(date.zone, c.zone) << c.text;
        imap_date_time_format(&date, out);
        EXPECT_EQ(take(out), "\"" + std::string(c.text) + "\"");
    }
}

TEST(Date, RefusesWhatIsNoDate)
{
    for (const char *text :
         {"", "17-Jul-1996", "17-Jul-1996 02:44:25", "31-Feb-1996 02:44:25 -0700",
          "17-Jux-1996 02:44:25 -0700", "17-Jul-96 02:44:25 -0700", "17-Jul-1996 24:44:25 -0700",
          "17-Jul-1996 02:60:25 -0700", "17-Jul-1996 02:44:61 -0700", "17-Jul-1996 02:44:25 0700",
          "17-Jul-1996 02:44:25 -07000", "17-Jul-1996 02:44:25 -0760", "0-Jul-1996 02:44:25 -0700",
          "17-Jul-0000 02:44:25 -0700", "17 Jul 1996 02:44:25 -0700"}) {
        ImapDateTime date;

        EXPECT_FALSE(imap_date_time_parse(text, strlen(text), &date)) << text;
    }
}

TEST(Date, OutOfRangeIsClamped)
{
    for (gint64 time : {G_MAXINT64, G_MININT64, (gint64)253402300800}) {
        ImapDateTime date = {time, 100000}, again;
        GString *out = g_string_new(nullptr);

        imap_date_time_format(&date, out);
        std::string text = take(out);
        EXPECT_EQ(text.size(), 28u);
        EXPECT_TRUE(imap_date_time_parse(text.data() + 1, 26, &again)) << text;
    }
}

TEST(Date, SearchDaysCountFrom1970)
{
    gint32 days;

    ASSERT_TRUE(imap_date_parse("1-Feb-1994", 10, &days));
    EXPECT_EQ(days, 8797);
    ASSERT_TRUE(imap_date_parse("01-feb-1994", 11, &days));
    EXPECT_EQ(days, 8797);
    GString *out = g_string_new(nullptr);
    imap_date_format(days, out);
    EXPECT_EQ(take(out), "1-Feb-1994");
    EXPECT_FALSE(imap_date_parse("1-Feb-1994 ", 11, &days));
    EXPECT_FALSE(imap_date_parse("30-Feb-1994", 11, &days));
}

TEST(Date, TheDayIsTheOneWhereItWasWritten)
{
    ImapDateTime late = {-1, 60}, early = {0, -60};

    EXPECT_EQ(imap_date_time_day(&late), 0);
    EXPECT_EQ(imap_date_time_day(&early), -1);
}

/* ---- mailbox names ----------------------------------------------------------------------------*/

TEST(MailboxName, DecodesModifiedUtf7)
{
    const struct {
        const char *wire, *name;
    } cases[] = {
        {"INBOX", "INBOX"},
        {"", ""},
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"}, /* RFC 3501, 5.1.3 */
        {"&-", "&"},
        {"Tom &- Jerry", "Tom & Jerry"},
        {"Entw&APw-rfe", "Entwürfe"},
        {"&AMk-l&AOk-ments envoy&AOk-s", "Éléments envoyés"},
        {"&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-", "Отправленные"},
        {"&2D3eAA-", "😀"},
        {"a&2D3eANg93gE-b", "a😀😁b"},
        {"&AOk-&-", "é&"},
        {"&-&AOk-", "&é"},
    };

    for (const auto &c : cases) {
        g_autoptr(GError) error = nullptr;

        EXPECT_EQ(take(imap_name_decode(c.wire, strlen(c.wire), &error)), c.name);
        EXPECT_EQ(take(imap_name_from_wire(c.wire, strlen(c.wire))), c.name);
        EXPECT_EQ(take(imap_name_to_wire(c.name)), c.wire);
        EXPECT_TRUE(*c.name == '\0' || imap_name_check_new(c.name, nullptr)) << c.name;
    }
}

TEST(MailboxName, RefusesOtherEncodingsWhenStrict)
{
    for (const char *wire : {
             "a&b",
             "&",
             "&AOk",
             "&AO!-",
             "&AGE-",      /* "a" needs no encoding */
             "&AOk-&AOk-", /* one run would do */
             "&AOkA-",     /* stray bits */
             "&AOl-",      /* bits that aren't 0 */
             "&2D0-",
             "&3gA-",
             "&2D0A6Q-", /* lone surrogates */
             "&AA0ACg-", /* a line end */
             "&9yY-",    /* what we escape with ourselves */
             "\xc3\xa9",
             "a\x01",
             "a\x7f",
             "&AOk=-",
             "&U//BTFw-",
         }) {
        g_autoptr(GError) error = nullptr;

        EXPECT_EQ(imap_name_decode(wire, strlen(wire), &error), nullptr) << wire;
        EXPECT_TRUE(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_SYNTAX));
        std::string name = take(imap_name_from_wire(wire, strlen(wire)));
        EXPECT_TRUE(g_utf8_validate(name.c_str(), -1, nullptr)) << wire;
        EXPECT_EQ(take(imap_name_to_wire(name.c_str())), wire);
        EXPECT_FALSE(imap_name_check_new(name.c_str(), nullptr)) << wire;
    }
}

TEST(MailboxName, AnyOctetsComeBackExactly)
{
    const char alphabet[] = "&&&&--AOkAOk2D3eAA9yY,+/.a\xc3\xa9\xff\x01 \"\\";
    std::mt19937 random(7);

    for (int round = 0; round < 100000; round++) {
        std::string wire;
        for (int n = random() % 14; n > 0; n--)
            wire += alphabet[random() % (sizeof alphabet - 1)];
        std::string name = take(imap_name_from_wire(wire.data(), wire.size()));

        ASSERT_TRUE(g_utf8_validate(name.c_str(), -1, nullptr));
        for (const char *p = name.c_str(); *p != '\0'; p = g_utf8_next_char(p))
            ASSERT_FALSE(g_unichar_iscntrl(g_utf8_get_char(p)));
        ASSERT_EQ(take(imap_name_to_wire(name.c_str())), wire);
    }
}

TEST(MailboxName, ANewNameIsCheckedWithASentence)
{
    std::string longest(1000, 'n'), longer(1001, 'n');

    EXPECT_TRUE(imap_name_check_new(longest.c_str(), nullptr));
    for (const char *name : {"", "a\nb", "\xff", "a\x7f", "\xc2\x85", longer.c_str()}) {
        g_autoptr(GError) error = nullptr;

        EXPECT_FALSE(imap_name_check_new(name, &error)) << name;
        EXPECT_NE(error, nullptr);
    }
}

TEST(MailboxName, InboxHasAnyCase)
{
    char level[] = "iNbOx/Sub", other[] = "inboxes", plain[] = "inbox";

    EXPECT_TRUE(imap_name_is_inbox("InBoX"));
    EXPECT_FALSE(imap_name_is_inbox("INBOX/x"));
    imap_name_fold_inbox(plain, '\0');
    EXPECT_STREQ(plain, "INBOX");
    imap_name_fold_inbox(level, '\0');
    EXPECT_STREQ(level, "iNbOx/Sub");
    imap_name_fold_inbox(level, '/');
    EXPECT_STREQ(level, "INBOX/Sub");
    imap_name_fold_inbox(other, '/');
    EXPECT_STREQ(other, "inboxes");
}

TEST(MailboxName, PatternsMatch)
{
    const struct {
        const char *pattern, *name;
        gboolean matches;
    } cases[] = {
        {"*", "a/b/c", TRUE},
        {"%", "a", TRUE},
        {"%", "a/b", FALSE},
        {"%/%", "a/b", TRUE},
        {"%/%", "a/b/c", FALSE},
        {"a*c", "a/b/c", TRUE},
        {"a%c", "abc", TRUE},
        {"a%c", "a/c", FALSE},
        {"", "", TRUE},
        {"", "a", FALSE},
        {"*", "", TRUE},
        {"inbox", "INBOX", TRUE},
        {"InBox", "INBOX", TRUE},
        {"in%x", "INBOX", TRUE},
        {"inbox/*", "INBOX/a", TRUE},
        {"inbox/A", "INBOX/a", FALSE},
        {"inboxes", "INBOXES", FALSE},
        {"a", "A", FALSE},
        {"*b", "ab", TRUE},
        {"%%%", "abc", TRUE},
        {"**/**", "a/b", TRUE},
        {"*a*a*", "banana", TRUE},
        {"Entw%fe", "Entwürfe", TRUE},
        {"~/Mail/%", "~/Mail/foo", TRUE},
        {"~/Mail/%", "~/Mail/foo/x", FALSE},
        {"foo.*", "foo/bar", FALSE},
    };

    for (const auto &c : cases)
        EXPECT_EQ(imap_name_matches(c.pattern, c.name, '/'), c.matches)
            << c.pattern << " and " << c.name;
    EXPECT_TRUE(imap_name_matches("%", "a/b", '\0'));
    EXPECT_FALSE(imap_name_matches("inbox/x", "INBOX/x", '\0'));
}

TEST(MailboxName, NoPatternIsSlow)
{
    std::string pattern, name(2000, 'a');

    for (int i = 0; i < 500; i++)
        pattern += "*a%a";
    EXPECT_FALSE(imap_name_matches((pattern + "b").c_str(), name.c_str(), '/'));
}

/* ---- quoting ----------------------------------------------------------------------------------*/

TEST(Quote, TakesTheShortestForm)
{
    const struct {
        std::string text;
        const char *astring, *astring_utf8;
    } cases[] = {
        {"abc", "abc", "abc"},
        {"", "\"\"", "\"\""},
        {"NIL", "\"NIL\"", "\"NIL\""},
        {"nil", "\"nil\"", "\"nil\""},
        {"nils", "nils", "nils"},
        {"a b", "\"a b\"", "\"a b\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\""},
        {"a%", "\"a%\"", "\"a%\""},
        {"a]", "\"a]\"", "\"a]\""},
        {"a(", "\"a(\"", "\"a(\""},
        {"a\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb"},
        {"\xc3\xa9", "{2}\r\n\xc3\xa9", "\"\xc3\xa9\""},
        {"\xff", "{1}\r\n\xff", "{1}\r\n\xff"},
        {std::string("a\0b", 3), nullptr, nullptr},
    };

    for (const auto &c : cases) {
        for (bool utf8 : {false, true}) {
            GString *out = g_string_new(nullptr);
            const char *expected = utf8 ? c.astring_utf8 : c.astring;

            imap_quote_append_astring(out, c.text.data(), c.text.size(), utf8);
            EXPECT_EQ(take(out), expected != nullptr ? expected : std::string("~{3}\r\na\0b", 9));
        }
    }
    EXPECT_EQ(imap_form(std::string(1001, 'a').data(), 1001, FALSE), IMAP_FORM_LITERAL);
}

TEST(Quote, StringsAreNeverAtoms)
{
    GString *out = g_string_new(nullptr);

    imap_quote_append_string(out, "abc", 3, FALSE);
    EXPECT_EQ(take(out), "\"abc\"");
}

TEST(Quote, MailboxesGoInTheSessionsEncoding)
{
    GString *out = g_string_new(nullptr);

    imap_quote_append_mailbox(out, "Entwürfe & mehr", FALSE);
    g_string_append_c(out, ' ');
    imap_quote_append_mailbox(out, "Entwürfe", TRUE);
    g_string_append_c(out, ' ');
    imap_quote_append_mailbox(out, "é", FALSE);
    EXPECT_EQ(take(out), "\"Entw&APw-rfe &- mehr\" \"Entwürfe\" &AOk-");
}

TEST(Quote, TextForPeopleCanNotEndTheLine)
{
    GString *out = g_string_new(nullptr);

    imap_quote_append_text(out, "a\r\nb\x1b[1mé\xff", FALSE);
    g_string_append_c(out, '|');
    imap_quote_append_text(out, "é\xc2\x85\xff", TRUE);
    EXPECT_EQ(take(out), "a  b [1m??|é?\xef\xbf\xbd");
}

/* ---- commands to a server ---------------------------------------------------------------------*/

/* The segments, "|" where the client waits. */
std::string sent(ImapClientCommand *command)
{
    g_autoptr(GArray) segments = imap_client_command_finish(command);
    std::string text;

    for (guint i = 0; i < segments->len; i++) {
        ImapSegment *segment = &g_array_index(segments, ImapSegment, i);
        gsize size;
        const char *data = (const char *)g_bytes_get_data(segment->octets, &size);

        text += segment->wait ? "|" : "";
        text += std::string(data != nullptr ? data : "", size);
    }
    return text;
}

TEST(ClientCommand, WaitsOnlyWhereTheServerWantsIt)
{
    const struct {
        ImapLiteralSupport literals;
        const char *sent;
    } cases[] = {
        {IMAP_LITERAL_SYNC, "a LOGIN {2}\r\n|\xc3\xa9 {3}\r\n|\r\nx\r\n"},
        {IMAP_LITERAL_MINUS, "a LOGIN {2+}\r\n\xc3\xa9 {3+}\r\n\r\nx\r\n"},
        {IMAP_LITERAL_PLUS, "a LOGIN {2+}\r\n\xc3\xa9 {3+}\r\n\r\nx\r\n"},
    };

    for (const auto &c : cases) {
        ImapClientCommand *command = imap_client_command_new("a", "LOGIN", c.literals, FALSE);

        imap_client_command_astring(command, "\xc3\xa9", 2);
        imap_client_command_string(command, "\r\nx", 3);
        EXPECT_EQ(sent(command), c.sent);
    }
}

TEST(ClientCommand, LargeLiteralsWaitWithLiteralMinus)
{
    std::string body(4097, 'x');
    g_autoptr(GBytes) octets = g_bytes_new(body.data(), body.size());

    for (auto literals : {IMAP_LITERAL_MINUS, IMAP_LITERAL_PLUS}) {
        ImapClientCommand *command = imap_client_command_new("a1", "APPEND", literals, FALSE);

        imap_client_command_mailbox(command, "Entwürfe");
        imap_client_command_printf(command, " (%s)", "\\Seen");
        imap_client_command_literal(command, octets, FALSE);
        EXPECT_EQ(sent(command),
                  literals == IMAP_LITERAL_PLUS
                      ? "a1 APPEND Entw&APw-rfe (\\Seen) {4097+}\r\n" + body + "\r\n"
                      : "a1 APPEND Entw&APw-rfe (\\Seen) {4097}\r\n|" + body + "\r\n");
    }
}

/* By the definition, in no good time. */
bool matches_slowly(const char *pattern, const char *name)
{
    if (!*pattern)
        return !*name;
    if (*pattern != '*' && *pattern != '%')
        return *name == *pattern && matches_slowly(pattern + 1, name + 1);
    for (;; name++) {
        if (matches_slowly(pattern + 1, name))
            return true;
        if (!*name || (*pattern == '%' && *name == '/'))
            return false;
    }
}

TEST(NamePattern, MeansTheSameWithoutWhatMeansNothing)
{
    guint32 state = 1;
    auto next = [&](guint count) { return ((state = state * 1664525 + 1013904223) >> 16) % count; };
    for (int i = 0; i < 20000; i++) {
        std::string pattern, name;
        for (guint n = next(8); n > 0; n--)
            pattern += "**%%ab/"[next(7)];
        for (guint n = next(7); n > 0; n--)
            name += "ab/"[next(3)];
        bool should = matches_slowly(pattern.c_str(), name.c_str());
        EXPECT_EQ(imap_name_matches(pattern.c_str(), name.c_str(), '/'), should)
            << pattern << " " << name;
        std::string simple = pattern;
        gsize literals = imap_name_pattern_simplify(simple.data());
        EXPECT_EQ(imap_name_matches(simple.c_str(), name.c_str(), '/'), should)
            << pattern << " " << name;
        EXPECT_LE(strlen(simple.c_str()), 2 * literals + 1);
        EXPECT_TRUE(!should || literals <= name.size()) << pattern << " " << name;
    }
}

} // namespace
