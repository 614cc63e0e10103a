/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passwords from a command: the first line counts, and failing means "locked", never "wrong".
 */
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "daemon/config/config.h"
#include "daemon/config/secret.h"
#include <glib/gstdio.h>
}

namespace
{

std::string locked_because(const char *command, guint seconds = 10)
{
    g_autoptr(GError) error = nullptr;
    char *password = secrets_run_command(command, seconds, &error);
    EXPECT_EQ(password, nullptr);
    EXPECT_TRUE(g_error_matches(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED));
    return error ? error->message : "";
}

} // namespace

TEST(PasswordCommand, ItsFirstLineIsThePassword)
{
    char *password = secrets_run_command("printf 's3cret word\\r\\nuser: ada\\n'", 10, nullptr);
    EXPECT_STREQ(password, "s3cret word");
    account_password_free(password);
}

TEST(PasswordCommand, GetsNoInput)
{
    char *password = secrets_run_command("cat; echo done", 10, nullptr);
    EXPECT_STREQ(password, "done");
    account_password_free(password);
}

TEST(PasswordCommand, FailingMeansLockedWithItsOwnWords)
{
    EXPECT_EQ(locked_because("echo wrong; echo 'no\tkey' >&2; exit 3"),
              "the password command failed: no key");
    EXPECT_EQ(locked_because("exit 1"), "the password command failed: it gave no reason");
}

TEST(PasswordCommand, NoOutputMeansLocked)
{
    EXPECT_NE(locked_because("true").find("no password"), std::string::npos);
    EXPECT_NE(locked_because("echo").find("no password"), std::string::npos);
}

TEST(PasswordCommand, IsGivenUpAfterAWhile)
{
    EXPECT_NE(locked_because("sleep 20", 1).find("not answered for 1 s"), std::string::npos);
}

/* A main context must outlive what GLib's own thread still does with the sources in it: with the
 * last reference gone too early, one in some hundred calls waited for a freed lock for ever. */
TEST(PasswordCommand, ManyAtOnceAllComeBack)
{
    const int threads_count = 8, runs = 150;
    std::atomic<int> done{0};
    std::vector<std::thread> threads;

    for (int i = 0; i < threads_count; i++)
        threads.emplace_back([&done] {
            for (int n = 0; n < runs; n++) {
                account_password_free(secrets_run_command("echo s3cret", 60, nullptr));
                done++;
            }
        });
    for (int last = -1, still = 0; done < threads_count * runs;
         still = done == last ? still + 1 : 0) {
        last = done;
        /* Threads that hang can't be joined: the program ends here, and says why. */
        if (still == 100)
            g_error("after %d commands none has come back for 10 s", last);
        g_usleep(G_USEC_PER_SEC / 10);
    }
    for (auto &thread : threads)
        thread.join();
}

TEST(Secrets, ThreadsThatAskAtOnceShareOneRun)
{
    g_autofree char *dir = g_dir_make_tmp("postern-secret-XXXXXX", nullptr);
    std::string log = std::string(dir) + "/log";
    std::string text = "[account work]\naddress=ada@example.org\nincoming=imaps://h\n"
                       "password-command=echo run >> " +
                       log + "; sleep 0.5; echo s3cret\n";
    g_autoptr(Config) config = config_parse("postern.conf", text.c_str(), nullptr);
    const AccountSettings *settings = config_find(config, "work")->settings;
    g_autoptr(Secrets) secrets = secrets_new();

    std::vector<std::thread> threads;
    for (int i = 0; i < 5; i++) {
        threads.emplace_back([&] {
            char *password = secrets_password(settings, FALSE, secrets, nullptr);
            EXPECT_STREQ(password, "s3cret");
            account_password_free(password);
        });
    }
    for (auto &thread : threads)
        thread.join();
    g_autofree char *runs = nullptr;
    ASSERT_TRUE(g_file_get_contents(log.c_str(), &runs, nullptr, nullptr));
    EXPECT_STREQ(runs, "run\n");
    g_remove(log.c_str());
    g_rmdir(dir);
}
