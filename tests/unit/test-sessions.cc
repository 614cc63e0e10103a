// SPDX-License-Identifier: GPL-3.0-or-later
// Sessions that come before their account does.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {
#include "daemon/serve/sessions.h"
}

namespace
{

class Waiting : public testing::Test
{
  protected:
    std::atomic<ServeError> why{SERVE_ERROR_OPENING};
    Sessions *sessions = nullptr;

    static ServeAccount *find(const char *, gpointer data, GError **error)
    {
        g_set_error_literal(error, SERVE_ERROR, ((Waiting *)data)->why, "the disk is full");
        return nullptr;
    }
    static void changed(gpointer)
    {
    }
    void SetUp() override
    {
        ServeDaemon daemon = {};
        daemon.find_account = find;
        daemon.data = this;
        daemon.opening_seconds = 1;
        sessions = sessions_new(&daemon, changed, this);
    }
    void TearDown() override
    {
        sessions_free(sessions);
    }
    /* The client's end of a session on the account's socket. */
    int start(ServeProtocol protocol)
    {
        int pair[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        SessionKind kind = {};
        kind.protocol = protocol;
        kind.listener = "socket";
        kind.account = "work";
        sessions_start(sessions, pair[0], &kind);
        return pair[1];
    }
    static std::string all(int fd)
    {
        std::string text;
        char buffer[512];
        for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
            text.append(buffer, (size_t)n);
        close(fd);
        return text;
    }
};

const struct {
    ServeProtocol protocol;
    const char *greeting;
} GREETINGS[] = {{SERVE_IMAP, "* BYE [UNAVAILABLE] the disk is full\r\n"},
                 {SERVE_POP3, "-ERR [SYS/TEMP] the disk is full\r\n"},
                 {SERVE_SUBMISSION, "421 4.3.2 the disk is full\r\n"}};

TEST_F(Waiting, WhoWaitsForAnAccountThatCanNotBeOpenedHearsWhyAtOnce)
{
    for (const auto &one : GREETINGS) {
        why = SERVE_ERROR_OPENING;
        int fd = start(one.protocol);
        g_usleep(100000);
        gint64 begin = g_get_monotonic_time();
        why = SERVE_ERROR_UNAVAILABLE;
        sessions_accounts_changed(sessions);
        EXPECT_EQ(all(fd), one.greeting);
        EXPECT_LT(g_get_monotonic_time() - begin, 700000);
    }
}

TEST_F(Waiting, NobodyWaitsLongerThanTheLimit)
{
    for (const auto &one : GREETINGS)
        EXPECT_EQ(all(start(one.protocol)), one.greeting);
}

TEST_F(Waiting, EndingTheSessionsEndsTheWaiting)
{
    int fd = start(SERVE_IMAP);
    g_usleep(50000);
    gint64 begin = g_get_monotonic_time();
    sessions_stop(sessions);
    EXPECT_EQ(all(fd), "* BYE [UNAVAILABLE] Postern is stopping\r\n");
    EXPECT_LT(g_get_monotonic_time() - begin, 700000);
}

} // namespace
