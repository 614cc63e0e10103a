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
#include <unistd.h>
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

/* As a service Postern may do little; a command is to do what it needs. */
TEST(PasswordCommand, RunsInAUnitOfItsOwnWherePosternIsAService)
{
    g_autofree char *dir = g_dir_make_tmp("postern-secret-XXXXXX", nullptr);
    std::string fake = std::string(dir) + "/systemd-run", log = std::string(dir) + "/log";
    std::string path = std::string(dir) + ":" + g_getenv("PATH");
    g_autofree char *pid = g_strdup_printf("%d", getpid());
    g_autofree char *before = g_strdup(g_getenv("PATH"));
    auto run = [&](const char *script, const char *command) {
        g_file_set_contents(fake.c_str(), script, -1, nullptr);
        g_chmod(fake.c_str(), 0700);
        g_autofree char *password = secrets_run_command(command, 10, nullptr);
        return std::string(password ? password : "(locked)");
    };
    g_setenv("PATH", path.c_str(), TRUE);
    g_setenv("SYSTEMD_EXEC_PID", pid, TRUE);
    g_setenv("POSTERN_TEST_LOG", log.c_str(), TRUE);
    const char *works =
        "#!/bin/sh\necho \"$*\" >> $POSTERN_TEST_LOG\nwhile [ \"$1\" != -- ]; do shift; "
        "done\nshift 3\nexec /bin/sh -c \"$(printf %s \"$1\" | sed 's/[$][$]/$/g')\"\n";
    EXPECT_EQ(run(works, "x=secret; echo $x"), "secret");
    EXPECT_EQ(run(works, "exit 3"), "(locked)");
    EXPECT_EQ(run("#!/bin/sh\necho 'Failed to connect to bus: no' >&2; exit 1\n", "echo here"),
              "here");
    g_unlink(fake.c_str());
    g_setenv("PATH", before, TRUE);
    g_setenv("SYSTEMD_EXEC_PID", "1", TRUE);
    char *direct = secrets_run_command("echo direct", 10, nullptr);
    EXPECT_STREQ(direct, "direct");
    account_password_free(direct);
    g_unsetenv("SYSTEMD_EXEC_PID");
    g_autofree char *said = nullptr;
    g_file_get_contents(log.c_str(), &said, nullptr, nullptr);
    EXPECT_EQ(std::string(said),
              "--user --quiet --collect --pipe --wait --property=RuntimeMaxSec=10 -- /bin/sh -c "
              "x=secret; echo $$x\n"
              "--user --quiet --collect --pipe --wait --property=RuntimeMaxSec=10 -- /bin/sh -c "
              "exit 3\n");
    g_unlink(log.c_str());
    g_rmdir(dir);
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
    g_autoptr(Secrets) secrets = secrets_new(0);

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
