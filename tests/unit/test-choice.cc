/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * folders= and headers-only=: which folders are here.
 */
#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "daemon/config/choice.h"
}

namespace
{

bool is_here(const char *list, const char *folder)
{
    AccountSettings settings = {};
    g_auto(GStrv) patterns = account_patterns_parse(list);
    settings.folders = patterns;
    return !account_leaves_out(&settings, folder);
}

bool has_headers(const char *list, const char *folder)
{
    AccountSettings settings = {};
    g_auto(GStrv) patterns = account_patterns_parse(list);
    settings.headers_only = patterns;
    return account_keeps_headers(&settings, folder);
}

} // namespace

TEST(Choice, TheFirstPatternThatFitsDecides)
{
    const struct {
        const char *list, *folder;
        bool here;
    } cases[] = {
        {"", "Work", true},
        {" , ;!", "Work", true},
        {"!Archive/*,*", "Archive/2020", false},
        {"!Archive/*,*", "Archive/2020/May", false},
        {"!Archive/*,*", "Archive", true},
        {"!Archive/*,*", "Work", true},
        {"!Archive/*", "Work", true},
        {"Work", "Work", true},
        {"Work", "Play", false},
        {"Work*", "Workshop", true},
        {"Archive/2026;!Archive/*;*", "Archive/2026", true},
        {"Archive/2026;!Archive/*;*", "Archive/2025", false},
        {"!*", "Work", false},
        {"!*", "INBOX", true},
        {"!*", "inbox", true},
        {"!INBOX/*", "INBOX/Work", false},
        {"!?rchive", "Archive", false},
        {"!Entwürfe", "Entwürfe", false},
    };
    for (const auto &item : cases)
        EXPECT_EQ(is_here(item.list, item.folder), item.here) << item.list << " " << item.folder;
}

TEST(Choice, HeadersAreKeptOfWhatIsNamed)
{
    EXPECT_FALSE(has_headers("", "Work"));
    EXPECT_TRUE(has_headers("Archive/*", "Archive/2020"));
    EXPECT_FALSE(has_headers("Archive/*", "Work"));
    EXPECT_FALSE(has_headers("!Archive/2026,Archive/*", "Archive/2026"));
    EXPECT_TRUE(has_headers("*", "INBOX"));
}
