/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For tests of the local servers: one account behind a ServeDaemon, and a client that follows a
 * transcript. "C: text" is sent as a line, "S: text" expects an answer that begins with it.
 */
#pragma once

#include <gtest/gtest.h>

#include <glib.h>

#include <poll.h>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "daemon/serve/serve.h"
}

class SessionTest : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        signal(SIGPIPE, SIG_IGN); /* as posternd does: TLS writes may raise it */
        directory = g_dir_make_tmp("postern-session-XXXXXX", nullptr);
        queue = queue_open((std::string(directory) + "/queue.db").c_str(), nullptr);
        verifiers = serve_verifiers_load((std::string(directory) + "/passwords").c_str(), nullptr);
        ASSERT_TRUE(queue && verifiers);
        g_autofree char *made = serve_verifiers_add(verifiers, "test", nullptr);
        password = made;
        settings = g_new0(AccountSettings, 1);
        settings->refs = 1;
        settings->id = g_strdup("work");
        settings->address = g_strdup("ada@example.org");
        settings->outgoing = net_endpoint_parse("submissions://smtp.example.org", nullptr);
        account = serve_account_new(settings, nullptr, nullptr, verifiers);
        daemon.find_account = find;
        daemon.queue = queue;
        daemon.data = this;
    }

    void TearDown() override
    {
        serve_account_unref(account);
        account_settings_unref(settings);
        serve_verifiers_unref(verifiers);
        queue_close(queue);
        if (daemon.tls)
            net_tls_server_unref(daemon.tls);
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);
        EXPECT_EQ(system(command), 0);
        g_free(directory);
    }

    static ServeAccount *find(const char *login, gpointer data, GError **error)
    {
        auto test = (SessionTest *)data;
        bool known = g_str_equal(login, "work") || g_str_equal(login, "ada@example.org");
        if (known && test->unavailable.empty())
            return serve_account_ref(test->account);
        g_set_error_literal(error, SERVE_ERROR,
                            known ? SERVE_ERROR_UNAVAILABLE : SERVE_ERROR_UNKNOWN,
                            known ? test->unavailable.c_str() : "no such account");
        return nullptr;
    }

    char *directory = nullptr;
    Queue *queue = nullptr;
    ServeVerifiers *verifiers = nullptr;
    AccountSettings *settings = nullptr;
    ServeAccount *account = nullptr;
    ServeDaemon daemon = {};
    std::string password;
    std::string unavailable; /* why the account can't be had */
};

typedef void (*ServeFunction)(NetStream *, const ServeDaemon *, ServeAccount *);

/* A session in a thread, and the client's end of it. */
class Session
{
  public:
    Session(ServeFunction serve, const ServeDaemon *daemon, ServeAccount *preauth)
    {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        fd = fds[0];
        cancel = net_cancel_new();
        server = std::thread([=] {
            g_autoptr(NetStream) stream = net_stream_new(fds[1], "client", cancel);
            serve(stream, daemon, preauth);
        });
    }

    ~Session()
    {
        end();
        net_cancel_unref(cancel);
    }

    /* Waits until the server has ended the session. */
    void end()
    {
        if (fd >= 0)
            shutdown(fd, SHUT_WR);
        if (server.joinable())
            server.join();
        if (fd >= 0)
            close(fd);
        fd = -1;
    }

    void send(const std::string &bytes)
    {
        size_t at = 0;
        while (at < bytes.size()) {
            ssize_t n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
            if (n <= 0)
                return;
            at += (size_t)n;
        }
    }

    /* A line with its end; "" when the server has closed, or is silent for 20 s. */
    std::string line()
    {
        size_t end;
        while ((end = input.find('\n')) == std::string::npos) {
            struct pollfd poller = {fd, POLLIN, 0};
            char buffer[65536];
            if (poll(&poller, 1, 20000) <= 0)
                return "";
            ssize_t n = read(fd, buffer, sizeof buffer);
            if (n <= 0)
                return "";
            input.append(buffer, (size_t)n);
        }
        std::string text = input.substr(0, end + 1);
        input.erase(0, end + 1);
        return text;
    }

    /* An SMTP answer of one or more lines. */
    std::string answer()
    {
        std::string text, last;
        do {
            last = line();
            text += last;
        } while (last.size() > 3 && isdigit((unsigned char)last[0]) && last[3] == '-');
        return text;
    }

    void follow(const std::string &transcript)
    {
        std::istringstream lines(transcript);
        for (std::string text; std::getline(lines, text);) {
            size_t start = text.find_first_not_of(' ');
            if (start == std::string::npos)
                continue;
            text = text.substr(start);
            std::string rest = text.size() > 3 ? text.substr(3) : "";
            if (text.compare(0, 2, "C:") == 0) {
                send(rest + "\r\n");
            } else {
                std::string got = answer();
                EXPECT_EQ(got.compare(0, rest.size(), rest), 0)
                    << "expected: " << rest << "\ngot: " << got;
            }
        }
    }

    NetCancel *cancel;
    int fd;
    std::string input;
    std::thread server;
};
