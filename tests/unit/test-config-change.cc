// SPDX-License-Identifier: GPL-3.0-or-later
// What may be changed over the bus: every change against every state of the file.

#include <gtest/gtest.h>

#include "growth.h"
#include <fcntl.h>
#include <functional>
#include <map>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "daemon/config/change.h"
#include "daemon/config/file.h"
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

/* ---- what may be in the file's place ------------------------------------------------------------- */

/* A state of the path, how it is made, and what a refusal has to name. */
struct Place {
    const char *name;
    std::function<void(const File &file)> make;
    const char *remedy; /* NULL: it is as good as any file */
};

static const Place PLACES[] = {
    {"nothing", [](const File &) {}, nullptr},
    {"an empty file", [](const File &file) { file.write(""); }, nullptr},
    {"a file", [](const File &file) { file.write(ADA + BOB); }, nullptr},
    {"a link to a file",
     [](const File &file) {
         file.write(ADA + BOB);
         g_rename(file.path.c_str(), (file.path + ".real").c_str());
         ASSERT_EQ(symlink((file.path + ".real").c_str(), file.path.c_str()), 0);
     },
     nullptr},
    {"a link to what isn't there yet",
     [](const File &file) { ASSERT_EQ(symlink("postern.conf.real", file.path.c_str()), 0); },
     nullptr},
    {"a circle of links",
     [](const File &file) { ASSERT_EQ(symlink("postern.conf", file.path.c_str()), 0); },
     "mend the symbolic links"},
    {"a folder", [](const File &file) { ASSERT_EQ(g_mkdir(file.path.c_str(), 0700), 0); },
     "move it away"},
    {"a pipe", [](const File &file) { ASSERT_EQ(mkfifo(file.path.c_str(), 0600), 0); },
     "move it away"},
    {"a device without an end",
     [](const File &file) { ASSERT_EQ(symlink("/dev/zero", file.path.c_str()), 0); }, ""},
    {"a device that is empty",
     [](const File &file) { ASSERT_EQ(symlink("/dev/null", file.path.c_str()), 0); }, ""},
    {"octets that are no text",
     [](const File &file) { file.write(ADA + std::string("\0\1\2", 3) + BOB); },
     "put a copy of it there"},
    {"a NUL at its end", [](const File &file) { file.write(ADA + BOB + std::string(1, '\0')); },
     "put a copy of it there"},
    {"more than anyone writes",
     [](const File &file) {
         file.write(ADA + "#" + std::string(CONFIG_FILE_MAX, 'x') + "\n" + BOB);
     },
     "put a copy of it there"},
    {"a file that others can write",
     [](const File &file) {
         file.write(ADA + BOB);
         ASSERT_EQ(g_chmod(file.path.c_str(), 0666), 0);
     },
     "chmod go-w"},
    {"a folder that others can write",
     [](const File &file) {
         file.write(ADA + BOB);
         ASSERT_EQ(g_chmod(file.dir.c_str(), 0777), 0);
     },
     "chmod go-w"},
    {"half a line", [](const File &file) { file.write(ADA + "[account bo"); }, "line"},
    {"a line that is none", [](const File &file) { file.write(ADA + "nonsense\n" + BOB); }, "line"},
};

static void clear_place(const File &file)
{
    g_chmod(file.dir.c_str(), 0700);
    g_remove(file.path.c_str());
    g_rmdir(file.path.c_str());
    g_remove((file.path + ".real").c_str());
}

/* What is there: its kind, mode, and octets. */
static std::string seen(const File &file)
{
    struct stat status;
    if (lstat(file.path.c_str(), &status) < 0)
        return "nothing";
    g_autofree char *kind = g_strdup_printf("%o ", (unsigned)status.st_mode);
    if (stat(file.path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        g_autofree char *text = nullptr;
        gsize length = 0;
        g_file_get_contents(file.path.c_str(), &text, &length, nullptr);
        return kind + std::string(text, length);
    }
    return kind;
}

/* One change of each kind. */
static gboolean change_in(const File &file, int kind, GError **error)
{
    g_autoptr(ConfigEdit) edit = config_edit_open(file.path.c_str(), error);
    g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(Config) after = nullptr;

    if (!edit)
        return FALSE;
    if (kind == 0)
        after = config_change_remove(edit, file.path.c_str(), "ada", error);
    else {
        g_hash_table_insert(table, (gpointer) "name", (gpointer) "Ada");
        g_hash_table_insert(table, (gpointer) "address", (gpointer) "ada@example.org");
        g_hash_table_insert(table, (gpointer) "incoming", (gpointer) "imaps://imap.example.org");
        const ConfigChange change = {file.path.c_str(), kind == 1 ? "ada" : "new", kind == 2, table,
                                     TRUE};
        after = config_change_account(edit, &change, error);
    }
    return after && config_edit_save(edit, error);
}

TEST(ConfigPlace, IsAFileOrSaidToBeNoneAndStaysWhole)
{
    for (const Place &place : PLACES)
        for (int kind = 0; kind < 3; kind++) {
            SCOPED_TRACE(std::string(place.name) + ", " + std::to_string(kind));
            File file;
            clear_place(file);
            place.make(file);
            const std::string before = seen(file);
            g_autoptr(GError) failure = nullptr;
            g_autoptr(Config) loaded = config_load(file.path.c_str(), &failure);
            EXPECT_EQ(loaded == nullptr, place.remedy != nullptr)
                << (failure ? failure->message : "");
            g_autoptr(GError) error = nullptr;
            const gboolean made = change_in(file, kind, &error);
            EXPECT_EQ(made, error == nullptr);
            if (place.remedy) {
                EXPECT_FALSE(made);
                EXPECT_NE(strstr(failure->message, place.remedy), nullptr) << failure->message;
                EXPECT_NE(strstr(failure->message, "postern.conf"), nullptr) << failure->message;
                if (error) {
                    EXPECT_NE(strstr(error->message, place.remedy), nullptr) << error->message;
                }
            }
            if (!made) {
                EXPECT_EQ(seen(file), before);
            } else if (before.find("bob") != std::string::npos) {
                EXPECT_NE(seen(file).find(BOB), std::string::npos);
            }
            clear_place(file);
        }
}

/* ---- growth -------------------------------------------------------------------------------------- */

TEST(ConfigGrowth, AFileIsChangedInTheTimeThatItsLengthTakes)
{
    File file;
    auto change = [&](const std::string &text) {
        file.write(text);
        for (const char *group : {"account ada", "account bob"}) {
            g_autoptr(ConfigEdit) edit = config_edit_open(file.path.c_str(), nullptr);
            config_edit_set(edit, "account ada", "name", nullptr);
            config_edit_set(edit, "account ada", "prefetch", "all");
            config_edit_remove_group(edit, group);
            g_autofree char *whole = config_edit_text(edit);
        }
    };
    static const struct {
        const char *start, *unit;
    } kinds[] = {
        {"[account ada]\n", "name=x\n"},
        {"[account ada]\n", "k%d=x\n"},
        {"", "[account ada]\n"},
        {"", "[account ada]\nname=x\n"},
        {"", "[account bob]\n# x\n"},
        {"", "[account a%d]\n"},
        {"[account ada]\n", "\n"},
        {"[account ada]\n", "# x\n"},
        {"# x\n", "# x\n[account ada]\n\n"},
        {"", "["},
        {"", "="},
        {"", "\n"},
        {"[account ada]\n", "name\n"},
        {"[account ada]\n", "name="},
    };
    for (const auto &kind : kinds)
        expect_growth(kind.start, kind.unit, "\n", change, 6000);
}
