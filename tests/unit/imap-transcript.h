/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IMAP sessions written as transcripts, against a cache of their own:
 *
 *     C: a1 SELECT INBOX        the client sends this line
 *     S: * 3 EXISTS             the server's next line; "…" in it stands for anything
 *     S~ a1 OK …                skips lines until this one comes
 */
#pragma once

#include "cache-fixture.h"
#include "fake-fetch.h"

#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <sstream>
#include <thread>

extern "C" {
#include "daemon/index/render.h"
#include "daemon/serve/serve.h"
}

inline bool matches(const std::string &pattern, const std::string &line)
{
    static const std::string any = "…";
    size_t at = 0, start = 0;
    bool first = true;
    for (;;) {
        size_t end = pattern.find(any, start);
        std::string piece = pattern.substr(start, end == std::string::npos ? end : end - start);
        bool last = end == std::string::npos;
        if (first && last)
            return line == piece;
        if (first) {
            if (line.compare(0, piece.size(), piece) != 0)
                return false;
            at = piece.size();
        } else if (last) {
            return line.size() >= at + piece.size() &&
                   line.compare(line.size() - piece.size(), piece.size(), piece) == 0;
        } else {
            at = line.find(piece, at);
            if (at == std::string::npos)
                return false;
            at += piece.size();
        }
        first = false;
        start = end + any.size();
    }
}

/* One client, and the thread that serves it. */
class Client
{
  public:
    Client(const ServeDaemon *daemon, ServeAccount *preauth)
    {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        fd = fds[0];
        cancel = net_cancel_new();
        server = std::thread([this, daemon, preauth, end = fds[1]] {
            NetStream *stream = net_stream_new(end, "client", cancel);
            serve_imap(stream, daemon, preauth);
            net_stream_free(stream);
        });
        struct timeval timeout = {20, 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    }
    ~Client()
    {
        shutdown(fd, SHUT_RDWR);
        server.join();
        close(fd);
        net_cancel_unref(cancel);
    }

    void stop()
    {
        net_cancel_trigger(cancel);
    }

    void leave()
    {
        shutdown(fd, SHUT_RDWR);
    }

    void send(const std::string &bytes)
    {
        size_t at = 0;
        while (at < bytes.size()) {
            ssize_t n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
            ASSERT_GT(n, 0);
            at += (size_t)n;
        }
    }

    /* Without CRLF; "" with `ended` at the end. */
    std::string line()
    {
        size_t end;
        while ((end = input.find("\r\n")) == std::string::npos)
            if (!fill())
                return ended ? std::exchange(input, "") : "(nothing came)";
        std::string text = input.substr(0, end);
        input.erase(0, end + 2);
        return text;
    }

    std::string bytes(size_t count)
    {
        while (input.size() < count && fill())
            ;
        std::string text = input.substr(0, count);
        input.erase(0, count);
        return text;
    }

    /* Everything up to the line that begins with `tag`, that included. */
    std::string until(const std::string &tag)
    {
        std::string all;
        while (!ended) {
            std::string next = line();
            all += next + "\r\n";
            if (next.compare(0, tag.size(), tag) == 0 || next == "(nothing came)")
                break;
        }
        return all;
    }

    std::string command(const std::string &text)
    {
        send(text + "\r\n");
        return until(text.substr(0, text.find(' ') + 1));
    }

    void play(const std::string &transcript)
    {
        std::istringstream lines(transcript);
        std::string text;
        int number = 0;
        while (std::getline(lines, text)) {
            number++;
            text.erase(0, text.find_first_not_of(' '));
            if (text.size() < 2 || (text[0] != 'C' && text[0] != 'S'))
                continue;
            std::string rest = text.size() > 3 ? text.substr(3) : "";
            if (text[0] == 'C') {
                send(rest + "\r\n");
            } else if (text[1] == '~') {
                std::string got, seen;
                do {
                    got = line();
                    seen += got + "\n";
                } while (!matches(rest, got) && got != "(nothing came)" && !ended);
                ASSERT_TRUE(matches(rest, got)) << number << ": " << text << "\ngot:\n" << seen;
            } else {
                std::string got = line();
                ASSERT_TRUE(matches(rest, got)) << number << ": " << text << "\ngot: " << got;
            }
        }
    }

    int fd;
    bool ended = false;

  private:
    bool fill()
    {
        char buffer[65536];
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n > 0)
            input.append(buffer, (size_t)n);
        else if (n == 0)
            ended = true;
        return n > 0;
    }

    NetCancel *cancel;
    std::thread server;
    std::string input;
};

class ImapTest : public CacheTest
{
  protected:
    FetchBodies bodies;
    ServeAccount account = {};
    ServeDaemon daemon = {};
    gint64 inbox = 0;
    ServeAccount *serves = &account;

    void SetUp() override
    {
        CacheTest::SetUp();
        bodies.cache = cache;
        account.cache = cache;
        account.bodies = &bodies;
        account.refs = 1;
        daemon.throttle = serve_throttle_new();
        daemon.data = this;
        daemon.find_account = [](const char *login, gpointer data,
                                 GError **error) -> ServeAccount * {
            auto *self = (ImapTest *)data;
            if (strcmp(login, "work") == 0)
                return serve_account_ref(&self->account);
            g_set_error_literal(error, SERVE_ERROR, SERVE_ERROR_UNKNOWN, "no such account");
            return nullptr;
        };
        inbox = make_folder("INBOX", CACHE_ROLE_INBOX);
    }
    void TearDown() override
    {
        serve_throttle_free(daemon.throttle);
        CacheTest::TearDown();
    }

    std::unique_ptr<Client> connect(bool logged_in = true)
    {
        auto client = std::make_unique<Client>(&daemon, logged_in ? &account : nullptr);
        client->play(logged_in ? "S: * PREAUTH [CAPABILITY …] …" : "S: * OK [CAPABILITY …] …");
        return client;
    }
    std::unique_ptr<Client> select(const char *mailbox = "INBOX")
    {
        auto client = connect();
        client->play(std::string("C: s SELECT ") + mailbox + "\nS~ s OK [READ-WRITE] …");
        return client;
    }

    /* A message as APPEND makes it. */
    guint32 deliver(gint64 folder, const std::string &bytes, CacheFlags flags = {},
                    gint64 date = 824083200, gint16 zone = -480)
    {
        CacheContentWriter *writer = writer_with(bytes);
        CacheRendered how;
        render_message(bytes.data(), bytes.size(), TRUE, &how);
        Txn txn(cache, CACHE_WRITE_FULL);
        guint32 uid = cache_append(txn, folder, writer, &how, {flags, date, zone}, error);
        EXPECT_NE(uid, 0u) << error.text();
        txn.commit();
        cache_rendered_clear(&how);
        cache_content_writer_free(writer);
        return uid;
    }

    /* One whose bytes are still upstream. */
    guint32 announce(gint64 folder, const std::string &bytes)
    {
        Txn txn(cache, CACHE_WRITE_FULL);
        CachePlacement placement = arrive(txn, folder, next_base++);
        placement.size = bytes.size();
        EXPECT_TRUE(cache_placement_put(txn, &placement, error));
        txn.commit();
        bodies.upstream[placement.message] = bytes;
        return placement.uid;
    }

    guint32 next_base = 100;
};
