/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person types, as a SEARCH program.
 */
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "daemon/proto/imap/search-args.h"
#include "daemon/proto/imap/search-words.h"

namespace
{

const gint32 TODAY = 20000; /* 2024-10-04 */

struct Result {
    bool ok;
    std::string program, folders;
};

Result parse(const std::vector<std::string> &words)
{
    std::vector<const char *> given;
    ImapSearchWords out = {};
    GError *error = nullptr;

    for (const std::string &word : words)
        given.push_back(word.c_str());
    given.push_back(nullptr);
    Result result = {imap_search_words_parse(given.data(), TODAY, &out, &error) != FALSE, "", ""};
    EXPECT_EQ(result.ok, error == nullptr);
    if (result.ok) {
        result.program = out.program;
        for (char **folder = out.folders; *folder != nullptr; folder++)
            result.folders += std::string(*folder) + ";";
    }
    g_clear_error(&error);
    imap_search_words_clear(&out);
    return result;
}

TEST(SearchWords, AreKeysOfAProgram)
{
    const struct {
        std::vector<std::string> words;
        const char *program;
    } cases[] = {
        {{}, "ALL"},
        {{""}, "ALL"},
        {{"invoice"}, "TEXT \"invoice\""},
        {{"two words"}, "TEXT \"two words\""},
        {{"a\"b\\c"}, "TEXT \"a\\\"b\\\\c\""},
        {{"http://example.org"}, "TEXT \"http://example.org\""},
        {{"FROM:ada", "to:bob"}, "FROM \"ada\" TO \"bob\""},
        {{"subject:"}, "SUBJECT \"\""},
        {{"header:List-Id:a:b"}, "HEADER \"List-Id\" \"a:b\""},
        {{"since:2024-03-01"}, "SINCE 1-Mar-2024"},
        {{"after:2024-03"}, "SINCE 1-Mar-2024"},
        {{"before:2024"}, "BEFORE 1-Jan-2024"},
        {{"on:2023-12"}, "(SINCE 1-Dec-2023 BEFORE 1-Jan-2024)"},
        {{"on:today"}, "(SINCE 4-Oct-2024 BEFORE 5-Oct-2024)"},
        {{"since:1-Feb-1994"}, "SINCE 1-Feb-1994"},
        {{"since:yesterday"}, "SINCE 3-Oct-2024"},
        {{"since:2W"}, "SINCE 20-Sep-2024"},
        {{"larger:10k", "smaller:2M"}, "LARGER 10240 SMALLER 2097152"},
        {{"larger:1GB"}, "LARGER 1073741824"},
        {{"is:unread", "is:FLAGGED"}, "UNSEEN FLAGGED"},
        {{"keyword:$Label1"}, "KEYWORD $Label1"},
        {{"NOT", "from:a"}, "NOT FROM \"a\""},
        {{"NOT", "NOT", "from:a"}, "FROM \"a\""},
        {{"-from:a"}, "NOT FROM \"a\""},
        {{"-"}, "TEXT \"-\""},
        {{"a", "OR", "b", "c"}, "OR TEXT \"a\" TEXT \"b\" TEXT \"c\""},
        {{"a", "OR", "b", "OR", "NOT", "c"}, "OR OR TEXT \"a\" TEXT \"b\" NOT TEXT \"c\""},
    };

    for (const auto &one : cases)
        EXPECT_EQ(parse(one.words).program, one.program);
    EXPECT_EQ(parse({"in:INBOX", "a", "in:Lists/*"}).folders, "INBOX;Lists/*;");
}

TEST(SearchWords, ThatMeanNothingAreRefused)
{
    for (const char *word : {"since:soon",
                             "since:2024-13",
                             "since:2024-02-30",
                             "on:",
                             "on:2024-1-1-1",
                             "since:99999999d",
                             "larger:",
                             "larger:x",
                             "larger:10x",
                             "larger:10kk",
                             "larger:-1",
                             "larger:99999999999999999999",
                             "is:",
                             "is:lost",
                             "keyword:",
                             "keyword:a b",
                             "keyword:(",
                             "in:",
                             "header:",
                             "header:X",
                             "header::x",
                             "NOT",
                             "OR",
                             "a\nb",
                             "a\rb",
                             "\xff"})
        EXPECT_FALSE(parse({word}).ok) << word;
    EXPECT_FALSE(parse({"a", "OR"}).ok);
    EXPECT_FALSE(parse({"OR", "a"}).ok);
    EXPECT_FALSE(parse({"a", "OR", "OR", "b"}).ok);
    EXPECT_FALSE(parse({"NOT", "in:INBOX"}).ok);
    EXPECT_FALSE(parse({"a", "OR", "in:INBOX"}).ok);
    EXPECT_FALSE(parse({std::string(IMAP_SEARCH_WORD_MAX + 1, 'a')}).ok);
    EXPECT_FALSE(parse(std::vector<std::string>(IMAP_SEARCH_WORDS_MAX + 1, "a")).ok);
}

/* Whatever is taken is a program that IMAP's parser reads. */
TEST(SearchWords, AnyThatAreTakenAreAProgram)
{
    const std::vector<std::string> parts = {
        "from:", "header:", "header:X:", "since:", "on:",      "is:",      "unread", "2024",
        "-03",   "larger:", "5",         "k",      "\"",       "\\",       "(",      ")",
        "{5}",   "*",       "%",         " ",      "\xc3\xa4", "keyword:", "Work",   "NOT",
        "OR",    "-",       ":",         "a",      "in:",      "\t"};
    std::mt19937 random(7);

    for (int round = 0; round < 20000; round++) {
        std::vector<std::string> words(random() % 5);
        for (std::string &word : words)
            for (unsigned left = 1 + random() % 3; left > 0; left--)
                word += parts[random() % parts.size()];
        Result result = parse(words);
        if (!result.ok)
            continue;
        GError *error = nullptr;
        ImapSearchKey *key = imap_search_program_parse(result.program.c_str(), &imap_limits_default,
                                                       IMAP_MODE_UTF8, &error);
        ASSERT_NE(key, nullptr) << result.program << ": " << error->message;
        imap_search_key_free(key);
    }
}

} // namespace
