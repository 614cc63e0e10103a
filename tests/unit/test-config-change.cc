// SPDX-License-Identifier: GPL-3.0-or-later
// What may be changed over the bus: every change against every state of the file.

#include <gtest/gtest.h>

#include <fcntl.h>
#include <map>
#include <string>
#include <sys/file.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "daemon/config/change.h"
#include <gio/gio.h>
#include <glib/gstdio.h>
}

namespace
{

const std::string ADA =
    "[account ada]\naddress=ada@example.org\nincoming=imaps://imap.example.org\n"
    "outgoing=submissions://smtp.example.org\n";
const std::string BOB =
    "[account bob]\naddress=bob@example.org\nincoming=imaps://imap.example.net\n"
    "password-command=pass show bob\n";
const std::string THIEF = "[account ada]\nincoming=imaps://thief.example\n";

const std::vector<std::string> STATES = {
    "",
    ADA,
    BOB + ADA,
    ADA + "\n# a comment\n" + BOB,
    ADA + "password-command=pass show ada\n",
    ADA + "password-command = pass show ada\nuser=ada\n",
    "# password-command=\n" + ADA + "outgoing-password-command=pass show ada\noutgoing-user=x\n" +
        BOB,
    ADA + "auth=oauth2\ntoken-command=pizauth show ada\n",
    ADA + "prefetch=bogus\npassword-command=pass show ada\n",
    "[account ada]\nprefetch=bogus\npassword-command=pass show ada\naddress=ada@example.org\n"
    "incoming=imaps://imap.example.org\n",
    ADA + THIEF,
    THIEF + ADA,
    ADA + BOB + "[account ada]\npassword-command=pass show ada\n",
    "[account ada]\npassword-command=pass show ada\n" + BOB + ADA,
    ADA + "incoming=imaps://imap.example.com\n",
    ADA + "password-command=pass one\npassword-command=pass two\n",
    ADA + "[account  ada]\npassword-command=pass show ada\n",
    "[account  ada]\npassword-command=pass show ada\naddress=ada@example.org\n"
    "incoming=imaps://imap.example.org\n",
    "[account ada ]\naddress=ada@example.org\nincoming=imaps://imap.example.org\n"
    "password-command=pass show ada\n",
    "[account ada]  \naddress=ada@example.org\nincoming=imaps://imap.example.org\n"
    "password-command=pass show ada\n",
    " [account ada]\naddress=ada@example.org\nincoming=imaps://imap.example.org\n",
    ADA + "password-command[de]=pass zeige ada\n",
    ADA + "pass\\sword-command=x\n",
    ADA + "name=[account bob]\n[listen]\nimap=127.0.0.1:1143\n",
    ADA + "name=\\q\npassword-command=pass show ada\n",
    ADA + "enabled=false\npassword-command=pass show ada\n",
    "[account ada]\r\naddress=ada@example.org\r\nincoming=imaps://imap.example.org\r\n"
    "password-command=pass show ada\r\n",
    "[account ada]\n",
    "[account ada]\npassword-command=pass show ada",
    "nonsense\n",
};

typedef std::map<std::string, std::string> Settings;

const std::vector<Settings> SETTINGS = {
    {},
    {{"name", "Ada"}},
    {{"prefetch", "all"}},
    {{"prefetch", "headers"}, {"enabled", "true"}},
    {{"incoming", "imaps://evil.example"}},
    {{"outgoing", "submissions://evil.example"}},
    {{"incoming", "imaps://imap.example.org"}},
    {{"incoming", ""}},
    {{"outgoing", ""}},
    {{"user", "mallory"}},
    {{"user", ""}},
    {{"outgoing-user", "mallory"}},
    {{"address", "mallory@example.org"}},
    {{"auth", "password"}},
    {{"auth", "oauth2"}},
    {{"address", "ada@example.org"}, {"incoming", "imaps://evil.example"}},
    {{"address", "a@evil.example"},
     {"incoming", "imaps://evil.example"},
     {"outgoing", "submissions://evil.example"}},
    {{"address", "ada@example.org"}, {"incoming", "imaps://imap.example.org"}},
    {{"password-command", "cat /etc/passwd"}},
    {{"token-command", "x"}},
    {{"tls-ca-file", "/tmp/ca.pem"}},
    {{"name", "x\n[account eve]\npassword-command=x"}},
    {{"name", "x\\npassword-command=y"}},
    {{"aliases", "*"}},
    {{"undo-delay", "1s"}},
};

struct File {
    std::string dir, path;
    File()
    {
        g_autofree char *made = g_dir_make_tmp("postern-change-XXXXXX", nullptr);
        dir = made;
        path = dir + "/postern.conf";
    }
    ~File()
    {
        g_remove(path.c_str());
        g_rmdir(dir.c_str());
    }
    void write(const std::string &text) const
    {
        ASSERT_TRUE(g_file_set_contents(path.c_str(), text.data(), (gssize)text.size(), nullptr));
    }
    std::string read() const
    {
        g_autofree char *text = nullptr;
        g_file_get_contents(path.c_str(), &text, nullptr, nullptr);
        return text ? text : "";
    }
};

std::string value(const ConfigAccount *account, const char *key)
{
    auto found = account ? (const char *)g_hash_table_lookup(account->values, key) : nullptr;
    return found ? found : "";
}

/* Where passwords go, and for whom. */
std::string destination(const ConfigAccount *account)
{
    if (!account || !account->settings)
        return "nowhere";
    const AccountSettings *s = account->settings;
    g_autofree char *in = s->incoming ? net_endpoint_to_string(s->incoming) : nullptr;
    g_autofree char *out = s->outgoing ? net_endpoint_to_string(s->outgoing) : nullptr;
    return std::string(s->user) + "@" + (in ? in : "-") + " " + s->outgoing_user + "@" +
           (out ? out : "-");
}

/* What must hold of a change that was made. */
void check(const std::string &state, const Config *before, const Config *after,
           const Settings &wanted, bool create, bool has_password)
{
    const ConfigAccount *was = config_find(before, "ada"), *is = config_find(after, "ada");
    ASSERT_TRUE(is && is->settings) << state;
    EXPECT_EQ(was == nullptr, create);
    for (const char *command : {"password-command", "outgoing-password-command", "token-command"}) {
        std::string now = value(is, command);
        EXPECT_TRUE(now.empty() || now == value(was, command)) << state << command;
    }
    EXPECT_EQ(value(is, "tls-ca-file"), value(was, "tls-ca-file"));
    if (destination(was) != destination(is)) {
        bool broken = was && !was->settings;
        EXPECT_TRUE(create || has_password || broken) << state;
        bool asked = false;
        for (const auto &[key, text] : wanted)
            asked |= key != "prefetch" && key != "name" && key != "enabled" &&
                     value(was, key.c_str()) != text;
        if (!broken || asked) {
            EXPECT_EQ(is->settings->password_command, nullptr) << state;
            EXPECT_EQ(is->settings->outgoing_password_command, nullptr) << state;
        }
    }
    for (const auto &[key, text] : wanted)
        EXPECT_EQ(value(is, key.c_str()), text) << state;
    EXPECT_EQ(after->accounts->len, before->accounts->len + create) << state;
    const ConfigAccount *bob = config_find(before, "bob");
    EXPECT_TRUE(!bob || config_account_equal(bob, config_find(after, "bob"))) << state;
}

} // namespace

TEST(ConfigChange, SendsNoPasswordElsewhereWhateverTheFileSays)
{
    File file;
    int made = 0, refused = 0;

    for (const std::string &state : STATES)
        for (const Settings &wanted : SETTINGS)
            for (bool create : {false, true})
                for (bool has_password : {false, true}) {
                    file.write(state);
                    g_autoptr(Config) before =
                        config_parse(file.path.c_str(), state.c_str(), nullptr);
                    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
                    for (const auto &[key, text] : wanted)
                        g_hash_table_insert(table, (gpointer)key.c_str(), (gpointer)text.c_str());
                    ConfigChange change = {file.path.c_str(), "ada", create, table, has_password};
                    g_autoptr(GError) error = nullptr;
                    g_autoptr(ConfigEdit) edit = config_edit_open(file.path.c_str(), &error);
                    ASSERT_NE(edit, nullptr) << error->message;
                    g_autoptr(Config) result = config_change_account(edit, &change, &error);
                    EXPECT_EQ(result == nullptr, error != nullptr);
                    if (!result) {
                        refused++;
                        continue;
                    }
                    made++;
                    ASSERT_TRUE(config_edit_save(edit, nullptr));
                    std::string saved = file.read();
                    g_autoptr(Config) after =
                        config_parse(file.path.c_str(), saved.c_str(), nullptr);
                    check(state, before, after, wanted, create, has_password);
                }
    EXPECT_GT(made, 150);
    EXPECT_GT(refused, 1000);
}

TEST(ConfigChange, TakesAnAccountOutOrSaysThatItCanNot)
{
    File file;

    for (const std::string &state : STATES) {
        file.write(state);
        g_autoptr(Config) before = config_parse(file.path.c_str(), state.c_str(), nullptr);
        g_autoptr(GError) error = nullptr;
        g_autoptr(ConfigEdit) edit = config_edit_open(file.path.c_str(), &error);
        g_autoptr(Config) after = config_change_remove(edit, file.path.c_str(), "ada", &error);
        EXPECT_EQ(after == nullptr, error != nullptr);
        if (!after)
            continue;
        EXPECT_EQ(config_find(after, "ada"), nullptr) << state;
        const ConfigAccount *bob = config_find(before, "bob");
        EXPECT_TRUE(!bob || config_account_equal(bob, config_find(after, "bob"))) << state;
    }
}

TEST(ConfigChange, IsMadeOnTheFileAsItIs)
{
    File file;
    g_autoptr(GError) error = nullptr;

    file.write(ADA);
    g_autoptr(ConfigEdit) edit = config_edit_open(file.path.c_str(), &error);
    config_edit_set(edit, "account ada", "name", "Ada");
    file.write(ADA + "password-command=x\n");
    EXPECT_FALSE(config_edit_save(edit, &error));
    EXPECT_TRUE(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY)) << error->message;
    EXPECT_EQ(file.read(), ADA + "password-command=x\n");
}

TEST(ConfigChange, OfOneProgramWaitsForThatOfAnother)
{
    File file;
    g_autoptr(GError) error = nullptr;

    file.write(ADA);
    ConfigEdit *first = config_edit_open(file.path.c_str(), &error);
    std::thread other([&] {
        g_autoptr(ConfigEdit) second = config_edit_open(file.path.c_str(), nullptr);
        config_edit_set(second, "account ada", "prefetch", "headers");
        EXPECT_TRUE(config_edit_save(second, nullptr));
    });
    g_usleep(100000);
    config_edit_set(first, "account ada", "name", "Ada");
    EXPECT_TRUE(config_edit_save(first, &error)) << error->message;
    other.join();
    config_edit_free(first);
    EXPECT_EQ(file.read(), ADA + "name=Ada\nprefetch=headers\n");
}
