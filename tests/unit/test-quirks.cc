/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Providers' habits: their names, and which account has which by providers.ini as it is installed.
 */
#include <gtest/gtest.h>

#include <string>

extern "C" {
#include "daemon/config/config.h"
#include "daemon/config/habits.h"
#include "daemon/config/providers.h"
}

namespace
{

std::string names_of(const Quirks &quirks)
{
    g_auto(GStrv) names = quirks_names(&quirks);
    g_autofree char *text = g_strjoinv(",", names);
    return text;
}

std::string added(const char *text, bool expected = true)
{
    Quirks quirks = {};
    g_autoptr(GError) error = nullptr;

    EXPECT_EQ((bool)quirks_add(&quirks, text, &error), expected) << text;
    EXPECT_EQ(error == nullptr, expected);
    return names_of(quirks);
}

/* An account at `incoming`, with what providers.ini knows. */
struct Record {
    GKeyFile *table;
    Config *config = nullptr;
    AccountHabits *habits = nullptr;

    Record(const char *incoming, const char *address = "ada@example.org", const char *more = "")
        : table(providers_load(POSTERN_PROVIDERS, nullptr, nullptr))
    {
        std::string text =
            std::string("[account a]\naddress=") + address + "\nincoming=" + incoming + "\n" + more;
        config = config_parse("c", text.c_str(), nullptr);
        const ConfigAccount *account = config_find(config, "a");
        EXPECT_EQ(account->error, nullptr) << account->error;
        account->settings->providers = g_key_file_ref(table);
        habits = account_habits_new(account->settings);
    }
    ~Record()
    {
        account_habits_unref(habits);
        config_free(config);
        g_key_file_unref(table);
    }
    std::string provider()
    {
        g_autofree char *group = account_habits_provider(habits);
        return group ? group : "";
    }
    std::string quirks()
    {
        Quirks found;
        account_habits_get(habits, &found);
        return names_of(found);
    }
    void tell(const char *greeting, std::vector<const char *> capabilities = {},
              const char *id = nullptr)
    {
        capabilities.push_back(nullptr);
        const ServerTells tells = {greeting, capabilities.data(), id};
        account_habits_tell(habits, &tells);
    }
};

} // namespace

TEST(Quirks, NamesAreReadAndWritten)
{
    EXPECT_EQ(added(""), "");
    EXPECT_EQ(added("no-move"), "no-move");
    EXPECT_EQ(added("pipeline=1, no-qresync;id-first connections=2"),
              "connections=2,id-first,no-qresync,pipeline=1");
    EXPECT_EQ(added("no-move;move"), "");
    EXPECT_EQ(added("id-first no-id-first"), "");
    EXPECT_EQ(added("pipeline=5,pipeline=0"), "");
}

TEST(Quirks, WhatIsNoneIsSaidAndTheRestHolds)
{
    for (const char *bad : {"no-such", "pipeline", "pipeline=", "pipeline=x", "pipeline=-1",
                            "pipeline=1001", "idle-minutes=30", "no-move=1", "NO-MOVE", "no-"})
        EXPECT_EQ(added((std::string("id-first,") + bad + ",no-idle").c_str(), false),
                  "id-first,no-idle")
            << bad;
}

TEST(Quirks, NoIdleLastsLongerThanTheServerLets)
{
    for (guint minutes = 0; minutes <= 29; minutes++)
        for (guint usual : {90u, 29 * 60u}) {
            g_autofree char *name = g_strdup_printf("idle-minutes=%u", minutes);
            Quirks quirks = {};
            ASSERT_TRUE(quirks_add(&quirks, name, nullptr));
            EXPECT_EQ(quirks_idle_seconds(&quirks, usual),
                      minutes == 0 ? usual : std::min(minutes * 60, usual))
                << name;
        }
}

TEST(Quirks, AllNamesOfTheTableAreKnown)
{
    g_autoptr(GKeyFile) table = providers_load(POSTERN_PROVIDERS, nullptr, nullptr);
    g_auto(GStrv) groups = g_key_file_get_groups(table, nullptr);
    guint count = 0;

    for (char **group = groups; *group; group++) {
        g_autofree char *names = g_key_file_get_string(table, *group, "quirks", nullptr);
        if (names) {
            EXPECT_NE(added(names), "") << *group;
        }
        count += names != nullptr;
    }
    EXPECT_GT(count, 10u);
}

TEST(Quirks, TheServersNameTellsWhoseItIs)
{
    EXPECT_EQ(Record("imaps://imap.mail.me.com").quirks(), "no-condstore,no-qresync");
    EXPECT_EQ(Record("imaps://IMAP.GMAIL.COM").quirks(), "all-mail-last,files-sent");
    EXPECT_EQ(Record("imaps://outlook.office365.com", "a@hotmail.com").provider(), "outlook");
    EXPECT_EQ(Record("imaps://outlook.office365.com", "a@x.onmicrosoft.com").provider(),
              "microsoft365");
    EXPECT_NE(Record("imaps://outlook.office365.com", "a@firm.example").provider(), "");
    EXPECT_EQ(Record("pop3s://pop.gmail.com").provider(), "gmail");
    EXPECT_EQ(Record("imaps://imap.example.org").provider(), "");
    EXPECT_EQ(Record("imap://127.0.0.1:1143").provider(), "proton");
    EXPECT_EQ(Record("imap://127.0.0.1:1144").provider(), "");
    EXPECT_EQ(Record("local:").provider(), "");
}

TEST(Quirks, ElseWhatItSaysDoes)
{
    const struct {
        const char *greeting;
        std::vector<const char *> capabilities;
        const char *provider;
    } cases[] = {
        {"Gimap ready for requests from 192.0.2.1 x", {}, "gmail"},
        {"hello", {"IMAP4REV1", "X-GM-EXT-1"}, "gmail"},
        {"The Microsoft Exchange IMAP4 service is ready. [AAA]", {}, "server exchange"},
        {"Microsoft Exchange Server 2003 IMAP4rev1 server", {}, "server exchange-2003"},
        {"Microsoft Exchange Server 2007 IMAP4 service is ready", {}, "server exchange"},
        {"hello", {"XYMHIGHESTMODSEQ"}, "yahoo"},
        {"hello", {"XAPPLEPUSHSERVICE"}, "icloud"},
        {"hello", {"XSTOP"}, "proton"},
        {"[CAPABILITY X] QQMail IMAP4Server ready", {}, "qq"},
        {"Yandex IMAP4rev1 at x", {}, "yandex"},
        {"x Yandex IMAP4rev1 at x", {}, "yandex"},
        {"Yandexes IMAP4rev1 at x", {}, ""},
        {"My Zoho Mail server", {}, "zoho"},
        {"Dovecot ready.", {"QRESYNC"}, ""},
    };
    for (const auto &item : cases) {
        Record record("imaps://imap.example.org");
        record.tell(item.greeting, item.capabilities);
        EXPECT_EQ(record.provider(), item.provider) << item.greeting;
    }
    /* Where the name has told it already, that stays: others announce the same. */
    Record fastmail("imaps://imap.fastmail.com");
    fastmail.tell("hello", {"XAPPLEPUSHSERVICE"});
    EXPECT_EQ(fastmail.provider(), "fastmail");
}

TEST(Quirks, TheUserHasTheLastWord)
{
    EXPECT_EQ(Record("imaps://imap.mail.me.com", "a@me.com", "quirks=qresync,pipeline=2").quirks(),
              "no-condstore,pipeline=2");
    Record exchange("imaps://imap.example.org", "a@b.org", "quirks=no-estimated-sizes,no-move");
    exchange.tell("The Microsoft Exchange IMAP4 service is ready.");
    EXPECT_EQ(exchange.quirks(), "no-move");

    g_autoptr(Config) config = config_parse(
        "c", "[account a]\naddress=a@b.org\nincoming=imaps://b.org\nquirks=no-such\n", nullptr);
    EXPECT_NE(std::string(config_find(config, "a")->error).find("quirks: no-such is no quirk"),
              std::string::npos);
}
