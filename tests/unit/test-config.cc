/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * postern.conf: what is understood, what is refused with which words, and that edits leave
 * everything else as it was.
 */
#include "growth.h"

#include <string>

extern "C" {
#include "daemon/config/choice.h"
#include "daemon/config/config.h"
#include "daemon/config/edit.h"
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>
}

namespace
{

struct ConfigTest : testing::Test {
    std::string dir, path;

    void SetUp() override
    {
        g_autofree char *made = g_dir_make_tmp("postern-config-XXXXXX", nullptr);
        dir = made;
        path = dir + "/postern.conf";
    }

    void TearDown() override
    {
        g_autoptr(GDir) listing = g_dir_open(dir.c_str(), 0, nullptr);
        while (const char *name = g_dir_read_name(listing))
            g_remove((dir + "/" + name).c_str());
        g_rmdir(dir.c_str());
    }

    void write(const std::string &text)
    {
        ASSERT_TRUE(g_file_set_contents(path.c_str(), text.data(), (gssize)text.size(), nullptr));
    }

    std::string read()
    {
        g_autofree char *text = nullptr;
        g_file_get_contents(path.c_str(), &text, nullptr, nullptr);
        return text ? text : "";
    }
};

const char *const work = "[account work]\n"
                         "address=ada@example.org\n"
                         "incoming=imaps://imap.example.org\n"
                         "outgoing=submissions://smtp.example.org\n";

std::string error_of(const std::string &extra)
{
    g_autoptr(Config) config = config_parse("postern.conf", (work + extra).c_str(), nullptr);
    const ConfigAccount *account = config_find(config, "work");
    EXPECT_TRUE(!account->error == !!account->settings);
    return account->error ? account->error : "";
}

} // namespace

TEST_F(ConfigTest, AnAccountNeedsOnlyAddressAndServer)
{
    g_autoptr(Config) config = config_parse("postern.conf", work, nullptr);
    const ConfigAccount *account = config_find(config, "work");
    ASSERT_TRUE(account && account->settings);
    const AccountSettings *settings = account->settings;
    EXPECT_STREQ(settings->user, "ada@example.org");
    EXPECT_STREQ(settings->outgoing_user, "ada@example.org");
    EXPECT_EQ(settings->incoming->port, 993);
    EXPECT_EQ(settings->outgoing->port, 465);
    EXPECT_EQ(settings->prefetch_days, ACCOUNT_PREFETCH_ALL);
    EXPECT_TRUE(settings->enabled);
    EXPECT_EQ(config->warnings->len, 0u);
}

TEST_F(ConfigTest, ALocalAccountHasNoServerAndNeedsNoAddress)
{
    g_autoptr(Config) config =
        config_parse("postern.conf",
                     "[account archive]\nincoming=local:\n"
                     "[account old]\nincoming=local:\naddress=ada@example.org\n"
                     "[account bad]\nincoming=local\n",
                     nullptr);
    const AccountSettings *archive = config_find(config, "archive")->settings;
    ASSERT_NE(archive, nullptr);
    EXPECT_EQ(archive->kind, ACCOUNT_LOCAL);
    EXPECT_EQ(archive->incoming, nullptr);
    EXPECT_STREQ(archive->address, "archive@localhost");
    EXPECT_STREQ(config_find(config, "old")->settings->address, "ada@example.org");
    EXPECT_EQ(config_find(config, "bad")->settings, nullptr);
}

TEST_F(ConfigTest, AMaildropIsLeftOrNot)
{
    const struct {
        const char *line;
        int days;
    } cases[] = {{"", ACCOUNT_LEAVE_ALWAYS},
                 {"leave-on-server=always\n", ACCOUNT_LEAVE_ALWAYS},
                 {"leave-on-server=never\n", 0},
                 {"leave-on-server=30d\n", 30}};
    for (const char *url : {"pop3s://pop.example.org", "pop3://pop.example.org:1110",
                            "pop3+insecure://127.0.0.1:1110"})
        for (const auto &one : cases) {
            const std::string text =
                std::string("[account work]\naddress=ada@example.org\nincoming=") + url + "\n" +
                one.line;
            g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
            const AccountSettings *settings = config_find(config, "work")->settings;
            ASSERT_NE(settings, nullptr);
            EXPECT_EQ(settings->kind, ACCOUNT_POP3);
            EXPECT_EQ(settings->leave_days, one.days);
            EXPECT_EQ(config->warnings->len, 0u);
        }
    for (const char *bad : {"0d", "-1d", "30", "d", "sometimes", "99999d"})
        EXPECT_NE(error_of(std::string("leave-on-server=") + bad + "\n").find("such as 30d"),
                  std::string::npos)
            << bad;
    g_autoptr(Config) imap = config_parse(
        "postern.conf", (std::string(work) + "leave-on-server=never\n").c_str(), nullptr);
    EXPECT_EQ(imap->warnings->len, 1u);
}

TEST_F(ConfigTest, BadValuesNameFileGroupKeyAndRemedy)
{
    EXPECT_EQ(
        error_of("prefetch=some\n"),
        "postern.conf: [account work] prefetch: is not known; write all, headers, or a number "
        "of days such as 90d");
    EXPECT_NE(error_of("enabled=maybe\n").find("[account work] enabled: "), std::string::npos);
    EXPECT_NE(error_of("aliases=nobody\n").find("[account work] aliases: "), std::string::npos);
    EXPECT_NE(error_of("tls-ca-file=ca.pem\n").find("absolute"), std::string::npos);
    EXPECT_NE(error_of("incoming=imap+insecure://imap.example.org\n").find("incoming: "),
              std::string::npos);
    EXPECT_NE(error_of("name=a\\qb\n").find("[account work] name: "), std::string::npos);
}

TEST_F(ConfigTest, AMechanismHasToFitWhatOneSignsInWith)
{
    const struct {
        const char *lines;
        guint mechanisms; // 0: an error
        const char *says;
    } cases[] = {
        {"mechanism=plain\n", SASL_PLAIN, ""},
        {"mechanism=PLAIN, login\n", SASL_PLAIN | SASL_LOGIN, ""},
        {"mechanism=CRAM-MD5;SCRAM-SHA-256\n", SASL_CRAM_MD5 | SASL_SCRAM_SHA_256, ""},
        {"mechanism=NTLM\n", 0, "mechanism: is not known"},
        {"mechanism=XOAUTH2\n", 0, "takes a token; add auth=oauth2"},
        {"mechanism=GSSAPI\n", 0, "write auth=external or auth=gssapi"},
        {"auth=oauth2\ntoken-command=x\nmechanism=XOAUTH2\n", SASL_XOAUTH2, ""},
        {"auth=oauth2\ntoken-command=x\nmechanism=PLAIN\n", 0, "takes a password"},
        {"auth=gssapi\n", SASL_GSSAPI, ""},
        {"auth=gssapi\npassword-command=x\n", 0, "go without password-command"},
        {"auth=gssapi\nmechanism=PLAIN\n", 0, "mechanism and outgoing-mechanism"},
        {"auth=gssapi\noutgoing-mechanism=PLAIN\n", 0, "mechanism and outgoing-mechanism"},
        {"outgoing-mechanism=NTLM\n", 0, "outgoing-mechanism: is not known"},
        {"outgoing-mechanism=XOAUTH2\n", 0, "outgoing-mechanism: takes a token"},
        {"auth=external\n", 0, "tls-client-cert"},
        {"auth=external\ntls-client-cert=ada.pem\n", 0, "absolute path"},
        {"auth=external\ntls-client-cert=/ada.pem\n", SASL_EXTERNAL, ""},
        {"auth=ntlm\n", 0, "password, oauth2, external or gssapi"},
        {"outgoing-mechanism=LOGIN\nmechanism=PLAIN\n", SASL_PLAIN, ""},
    };
    for (const auto &one : cases) {
        g_autoptr(Config) config =
            config_parse("postern.conf", (std::string(work) + one.lines).c_str(), nullptr);
        const ConfigAccount *account = config_find(config, "work");
        ASSERT_EQ(account->settings ? account->settings->mechanisms : 0, one.mechanisms)
            << one.lines;
        // The outgoing server goes by the same, where nothing else is said of it.
        if (account->settings) {
            EXPECT_EQ(account->settings->outgoing_mechanisms,
                      strstr(one.lines, "outgoing") ? (guint)SASL_LOGIN : one.mechanisms);
        }
        EXPECT_NE(std::string(account->error ? account->error : "").find(one.says),
                  std::string::npos)
            << account->error;
    }
}

// The account's own word counts, then postern.conf's [oauth2 NAME], then the table's, then the provider's.
TEST_F(ConfigTest, WhatAProviderIsKnownToWantIsTakenWhereTheAccountDoesntSay)
{
    const std::string table = dir + "/providers.ini";
    ASSERT_TRUE(g_file_set_contents(
        table.c_str(),
        "[example]\nincoming=imaps://imap.example.org\nmechanism=LOGIN\noauth2=ours\n"
        "[oauth2 ours]\nissuer=https://a.example\nmechanism=XOAUTH2\n"
        "[oauth2 other]\nissuer=https://b.example\nmechanism=OAUTHBEARER\n",
        -1, nullptr));
    const std::string token = "auth=oauth2\ntoken-command=x\n";
    const struct {
        std::string lines;
        guint mechanisms;
    } cases[] = {
        {"", SASL_LOGIN},
        {"mechanism=PLAIN\n", SASL_PLAIN},
        {token, SASL_XOAUTH2},
        {token + "mechanism=OAUTHBEARER\n", SASL_OAUTHBEARER},
        {token + "[oauth2 ours]\nmechanism=OAUTHBEARER\n", SASL_OAUTHBEARER},
        {"auth=oauth2\noauth2=other\n", SASL_OAUTHBEARER},
        {"auth=oauth2\noauth2=unheard-of\n", 0},
        {"auth=gssapi\n", SASL_GSSAPI},
    };
    for (const auto &one : cases) {
        write(work + one.lines);
        ASSERT_EQ(g_chmod(path.c_str(), 0600), 0);
        g_autoptr(GError) error = nullptr;
        g_autoptr(Config) config = config_load(path.c_str(), &error);
        ASSERT_NE(config, nullptr) << error->message;
        const ConfigAccount *account = config_find(config, "work");
        ASSERT_NE(account->settings, nullptr) << account->error;
        EXPECT_EQ(account->settings->mechanisms, one.mechanisms) << one.lines;
    }
}

TEST_F(ConfigTest, APasswordInTheFileIsRefused)
{
    EXPECT_NE(error_of("password=geheim\n").find("--password-stdin"), std::string::npos);
    EXPECT_EQ(error_of("password=geheim\n").find("geheim"), std::string::npos);
}

/* It holds commands. */
TEST_F(ConfigTest, AFileThatOthersCanWriteIsRefusedWithTheRemedy)
{
    write(work);
    std::string link = dir + "/link";
    ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
    for (guint mode : {0600u, 0644u, 0700u, 0400u, 0660u, 0602u, 0777u}) {
        bool safe = !(mode & 022);
        ASSERT_EQ(chmod(path.c_str(), mode), 0);
        for (const std::string &name : {path, link}) {
            g_autoptr(GError) error = nullptr;
            g_autoptr(Config) config = config_load(name.c_str(), &error);
            EXPECT_EQ(config != nullptr, safe) << mode;
            EXPECT_TRUE(safe || strstr(error->message, "chmod go-w"));
        }
    }
    chmod(path.c_str(), 0600);
    for (guint mode : {0700u, 0755u, 0770u, 0707u, 01777u}) {
        ASSERT_EQ(chmod(dir.c_str(), mode), 0);
        g_autoptr(GError) error = nullptr;
        g_autoptr(Config) config = config_load(path.c_str(), &error);
        EXPECT_EQ(config != nullptr, !(mode & 022) || (mode & 01000)) << mode;
    }
    chmod(dir.c_str(), 0700);
    g_remove(link.c_str());
}

TEST_F(ConfigTest, ABadAccountLeavesTheOthersUsable)
{
    std::string text = std::string(work) + "[account home]\naddress=nobody\n";
    g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
    EXPECT_TRUE(config_find(config, "work")->settings);
    EXPECT_FALSE(config_find(config, "home")->settings);
}

TEST_F(ConfigTest, UnknownKeysAndGroupsWarn)
{
    std::string text = std::string(work) + "colour=red\n[listen]\nimap=\n[mail]\n";
    g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
    ASSERT_EQ(config->warnings->len, 2u);
    EXPECT_STREQ((char *)config->warnings->pdata[0],
                 "postern.conf: [account work] colour: this key is not known and has no effect");
}

TEST_F(ConfigTest, OnlyLoopbackIsListenedOn)
{
    const char *text = "[listen]\nimap=0.0.0.0:143;127.0.0.1:12143\nimaps=\n";
    g_autoptr(Config) config = config_parse("postern.conf", text, nullptr);
    EXPECT_EQ(config->warnings->len, 1u);
    ASSERT_EQ(config->listen[0]->len, 1u);
    EXPECT_EQ(((ConfigAddress *)config->listen[0]->pdata[0])->port, 12143);
    EXPECT_EQ(config->listen[1]->len, 0u);
    EXPECT_EQ(config->listen[2], nullptr);
}

TEST_F(ConfigTest, IdsAreSmallLettersDigitsAndHyphens)
{
    EXPECT_TRUE(config_valid_id("work-2"));
    for (const char *id : {"", "all", "local", "new", "Work", "a b", "a_b", "\xc3\xa9"})
        EXPECT_FALSE(config_valid_id(id)) << id;
}

TEST_F(ConfigTest, SuggestedIdsAreFree)
{
    g_autoptr(Config) config = config_parse("postern.conf", work, nullptr);
    g_autofree char *first = config_suggest_id(config, "Work@example.org");
    g_autofree char *second = config_suggest_id(config, "ada.lovelace@example.org");
    g_autofree char *third = config_suggest_id(config, "all@example.org");
    EXPECT_STREQ(first, "work-2");
    EXPECT_STREQ(second, "ada-lovelace");
    EXPECT_STREQ(third, "all-2");
}

TEST_F(ConfigTest, TheFirstStartWritesThePorts)
{
    g_autoptr(Config) config = config_load(path.c_str(), nullptr);
    ASSERT_TRUE(config);
    ASSERT_TRUE(config_complete_listen(config, nullptr, nullptr));
    struct stat st;
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0600u);

    g_autoptr(Config) again = config_load(path.c_str(), nullptr);
    EXPECT_EQ(again->warnings->len, 0u);
    for (guint i = 0; i < CONFIG_LISTEN_KEYS; i++) {
        auto *a = (ConfigAddress *)config->listen[i]->pdata[0];
        auto *b = (ConfigAddress *)again->listen[i]->pdata[0];
        EXPECT_EQ(a->port, b->port);
    }
}

TEST_F(ConfigTest, EditsKeepCommentsAndOrder)
{
    write("# mine\n\n[listen]\n# ports\nimap = 127.0.0.1:1 \n\n# the job\n[account work]\n"
          "address=ada@example.org\n# where\nincoming=imaps://a\n\n# home\n[account home]\n"
          "address=b@c\n");
    g_autoptr(ConfigEdit) edit = config_edit_open(path.c_str(), nullptr);
    config_edit_set(edit, "account work", "incoming", "imaps://b");
    config_edit_set(edit, "account work", "name", "Ada\\Lovelace");
    config_edit_set(edit, "account home", "enabled", "false");
    config_edit_set(edit, "listen", "imap", nullptr);
    ASSERT_TRUE(config_edit_save(edit, nullptr));
    EXPECT_EQ(read(), "# mine\n\n[listen]\n# ports\n\n# the job\n[account work]\n"
                      "address=ada@example.org\n# where\nincoming=imaps://b\n"
                      "name=Ada\\\\Lovelace\n\n# home\n[account home]\naddress=b@c\n"
                      "enabled=false\n");
}

TEST_F(ConfigTest, RemovingAGroupTakesOnlyThatGroup)
{
    write("[listen]\nimap=\n\n# the job\n[account work]\naddress=a@b\n\n# home\n[account home]\n"
          "address=b@c\n");
    g_autoptr(ConfigEdit) edit = config_edit_open(path.c_str(), nullptr);
    config_edit_remove_group(edit, "account work");
    g_autofree char *text = config_edit_text(edit);
    EXPECT_STREQ(text, "[listen]\nimap=\n\n# home\n[account home]\naddress=b@c\n");
}

TEST_F(ConfigTest, EditsWriteThroughSymbolicLinks)
{
    std::string real = dir + "/real.conf";
    ASSERT_EQ(symlink("real.conf", path.c_str()), 0);
    g_autoptr(ConfigEdit) edit = config_edit_open(path.c_str(), nullptr);
    config_edit_set(edit, "listen", "imap", "");
    ASSERT_TRUE(config_edit_save(edit, nullptr));
    struct stat st;
    ASSERT_EQ(lstat(path.c_str(), &st), 0);
    EXPECT_TRUE(S_ISLNK(st.st_mode));
    EXPECT_TRUE(g_file_test(real.c_str(), G_FILE_TEST_IS_REGULAR));
}

TEST_F(ConfigTest, WhereTheFileCantBeWrittenTheErrorHasTheLinesToAdd)
{
    g_autoptr(GError) error = nullptr;
    g_autoptr(ConfigEdit) edit = config_edit_open("/proc/none/postern.conf", nullptr);
    config_edit_set(edit, "account work", "address", "ada@example.org");
    EXPECT_FALSE(config_edit_save(edit, &error));
    ASSERT_TRUE(error);
    EXPECT_NE(std::string(error->message).find("[account work]\naddress=ada@example.org\n"),
              std::string::npos);
}

TEST(AccountMaySendAs, OwnAddressTagsAndAliases)
{
    g_autoptr(Config) config =
        config_parse("c", (std::string(work) + "aliases=a@b.org;*@c.org\n").c_str(), nullptr);
    const AccountSettings *settings = config_find(config, "work")->settings;
    for (const char *good :
         {"ada@example.org", "Ada@EXAMPLE.org", "ada+list@example.org", "a@b.org", "anyone@c.org"})
        EXPECT_TRUE(account_may_send_as(settings, good)) << good;
    for (const char *refused : {"", "bob@example.org", "ada@example.com", "x@b.org", "@c.org",
                                "+ada@example.org", "ada@example.org.evil.net"})
        EXPECT_FALSE(account_may_send_as(settings, refused)) << refused;
}

// ---- logging in ----

namespace
{

struct Turn {
    AccountGate *gate;
    NetCancel *cancel;
    gint entered = 0;
};

void *enter_gate(void *data)
{
    auto turn = (Turn *)data;
    if (account_gate_enter(turn->gate, turn->cancel, nullptr))
        g_atomic_int_set(&turn->entered, 1);
    return nullptr;
}

TEST(Gate, OneLogsInAtATimeAndWhoWaitsCanBeCancelled)
{
    AccountGate *gate = account_gate_new();
    g_autoptr(NetCancel) cancel = net_cancel_new();
    ASSERT_TRUE(account_gate_enter(gate, cancel, nullptr));
    Turn turn{gate, cancel};
    pthread_t thread;
    pthread_create(&thread, nullptr, enter_gate, &turn);
    g_usleep(50000);
    EXPECT_FALSE(g_atomic_int_get(&turn.entered));
    account_gate_leave(gate);
    pthread_join(thread, nullptr);
    EXPECT_TRUE(turn.entered);

    turn.entered = 0;
    pthread_create(&thread, nullptr, enter_gate, &turn);
    net_cancel_trigger(cancel);
    pthread_join(thread, nullptr);
    EXPECT_FALSE(turn.entered);
    account_gate_unref(gate);
}

TEST(Gate, ARefusedPasswordIsNotShownAgainAnotherOneIs)
{
    AccountGate *gate = account_gate_new();
    g_autoptr(GError) why =
        g_error_new_literal(ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING, "refused");
    g_autoptr(GError) error = nullptr;
    EXPECT_TRUE(account_gate_check(gate, "old", nullptr));
    account_gate_note_refusal(gate, "old", why);
    EXPECT_FALSE(account_gate_check(gate, "old", &error));
    EXPECT_STREQ(error->message, "refused");
    EXPECT_TRUE(account_gate_check(gate, "new", nullptr));
    account_gate_forget(gate);
    EXPECT_TRUE(account_gate_check(gate, "old", nullptr));
    account_gate_unref(gate);
}

TEST(ConfigListen, SoManyAddressesAndNoMore)
{
    for (int count : {1, 15, 16, 17, 1000}) {
        std::string text = "[listen]\nimap=";
        for (int i = 0; i < count; i++)
            text += (i ? ";127.0.0.1:" : "127.0.0.1:") + std::to_string(2000 + i);
        g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
        EXPECT_EQ(config->listen[0]->len, (guint)std::min(count, 16));
        EXPECT_EQ(config->warnings->len, count > 16 ? 1u : 0u);
    }
}

/* ---- growth ---------------------------------------------------------------------------------- */

/* Sixteen times the input takes sixteen times as long, or 256 times where it is a square: far enough apart
 * for a busy machine. */
void expect_line(const std::string &start, const std::string &unit, const std::string &end,
                 const std::function<void(const std::string &)> &read)
{
    std::string few = repeated(start, unit, end, 4096), many = repeated(start, unit, end, 65536);
    double little = computed([&] { read(few); }), much = computed([&] { read(many); });

    EXPECT_LT(much, 64 * little + 0.02) << start << unit << end;
}

TEST(ConfigGrowth, AFileIsReadInTheTimeThatItsLengthTakes)
{
    auto read = [](const std::string &text) {
        g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
        for (guint i = 0; config && i < config->accounts->len; i++)
            config_find(config, ((ConfigAccount *)config->accounts->pdata[i])->id);
    };
    static const struct {
        const char *start, *unit;
    } kinds[] = {
        {"", "[account a%d]\naddress=ada@example.org\nincoming=imaps://imap.example.org\n"},
        {"", "[account a%d]\naddress=a@example.org\n"},
        {"", "[account a%d]\n"},
        {"", "[account %d x]\n"},
        {"", "[account same]\n"},
        {"", "[x%d]\n"},
        {"", "[oauth2 n%d]\nclient-id=x\n"},
        {"[oauth2 n]\n", "k%d=x\n"},
        {"[listen]\n", "k%d=x\n"},
        {"[listen]\nimap=", "127.0.0.1:%d;"},
        {"[listen]\nimap=", "x;"},
        {work, "k%d=x\n"},
        {work, "address=a%d@example.org\n"},
        {"[account work]\naddress=", "a"},
        {"[account work]\naddress=", "@"},
        {"[account work]\nincoming=imaps://", "a"},
        {"[account work]\nincoming=imaps://", "."},
        {"[account work]\naliases=", "a%d@example.org;"},
        {"[account work]\naliases=", ";"},
        {"[account work]\nfolders=", "a%d;"},
        {"[account work]\nfolders=", "!*a*,"},
        {"[account work]\nheaders-only=", "*"},
        {"[account work]\nquirks=", "no-idle,"},
        {"[account work]\nquirks=", "x%d "},
        {"[account work]\nquirks=", "connections=1 "},
        {"[account work]\npassword-command=", "a$"},
        {"[account work]\npassword-command=", "\\\\"},
        {"[account work]\npassword-command=", "\\x"},
        {"[account work]\nsent-folder=", "\xc3\xa9"},
        {"[account work]\nsent-folder=", "\xff"},
        {"", "# %d\n"},
        {"", "\n"},
        {"", "="},
        {"", "["},
        {"", " "},
    };
    for (const auto &kind : kinds)
        for (const char *end : {"", "\n"})
            expect_line(kind.start, kind.unit, end, read);
}

TEST(ConfigGrowth, FoldersAreChosenInTheTimeThatTheirNamesTake)
{
    for (const char *pattern : {"*a*a*a*a*a*a*a*a*b", "?*?*?*?*?*b", "!*a*a*a*a*b,*", "a*"}) {
        g_autoptr(Config) config = config_parse(
            "postern.conf", (std::string(work) + "folders=" + pattern + "\n").c_str(), nullptr);
        const AccountSettings *settings = config_find(config, "work")->settings;
        ASSERT_NE(settings, nullptr) << pattern;
        for (const char *unit : {"a", "ab", "/"})
            expect_line("", unit, "", [&](const std::string &name) {
                account_leaves_out(settings, name.c_str());
            });
    }
    for (const char *unit : {"a%d,", "!b%d;", "*%d*,", "?,"})
        expect_line(std::string(work) + "folders=", unit, "\n", [&](const std::string &text) {
            g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
            const AccountSettings *settings = config_find(config, "work")->settings;
            if (settings)
                account_leaves_out(settings, "Archive/2026");
        });
}

} // namespace
