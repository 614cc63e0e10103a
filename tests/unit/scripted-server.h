/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server that follows a script, for clients under test. A script is a transcript: "C: " is what
 * the client must send next ("*" at its end: and whatever follows on that line), "S: " what the
 * server says then (<CRLF>: another line end, <LF>: one that is LF alone, at the end of the line in
 * place of CRLF), "CLOSE" that it hangs up.
 */
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

class Server
{
  public:
    explicit Server(std::string script)
    {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        client_fd = fds[0];
        fd = fds[1];
        thread = std::thread([this, script] { run(script); });
    }

    ~Server()
    {
        shutdown(fd, SHUT_RDWR);
        thread.join();
        close(fd);
        EXPECT_EQ(complaint, "");
    }

    int client_fd;

  private:
    int fd;
    std::thread thread;
    std::string complaint;

    std::string read_line()
    {
        std::string line;
        char c;
        while (read(fd, &c, 1) == 1 && c != '\n')
            if (c != '\r')
                line += c;
        return line;
    }

    void run(const std::string &script)
    {
        std::istringstream lines(script);
        std::string line;
        while (std::getline(lines, line)) {
            if (line.rfind("S: ", 0) == 0) {
                std::string text = line.substr(3) + "\r\n";
                size_t lf = text.find("<LF>\r\n");
                if (lf != std::string::npos)
                    text.replace(lf, 6, "\n");
                for (size_t at; (at = text.find("<CRLF>")) != std::string::npos;)
                    text.replace(at, 6, "\r\n");
                if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0)
                    return;
            } else if (line.rfind("C: ", 0) == 0) {
                std::string wanted = line.substr(3), got = read_line();
                if (!wanted.empty() && wanted.back() == '*') {
                    wanted.pop_back();
                    got = got.substr(0, wanted.size());
                }
                if (got != wanted) {
                    complaint = "expected \"" + wanted + "\", got \"" + got + "\"";
                    shutdown(fd, SHUT_RDWR);
                    return;
                }
            } else if (line == "CLOSE") {
                shutdown(fd, SHUT_RDWR);
                return;
            }
        }
    }
};
