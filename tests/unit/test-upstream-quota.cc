/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the upstream client understands of QUOTA answers. */
#include <gtest/gtest.h>

#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

extern "C" {
#include "daemon/net/stream.h"
#include "daemon/upstream/imap-quota.h"
}

namespace
{

std::string read_line(int fd)
{
    std::string line;
    char c;
    while (read(fd, &c, 1) == 1 && c != '\n')
        line += c;
    return line;
}

/* What is understood of a server that answers GETQUOTAROOT with this. */
std::string quota_of(const std::string &answer)
{
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    std::thread server([fd = fds[1], &answer] {
        std::string greeting = "* PREAUTH [CAPABILITY IMAP4rev1 QUOTA] hi\r\n";
        EXPECT_GT(write(fd, greeting.data(), greeting.size()), 0);
        EXPECT_EQ(read_line(fd), "A1 GETQUOTAROOT INBOX\r");
        EXPECT_GT(write(fd, answer.data(), answer.size()), 0);
    });
    UpstreamLogin options = {};
    NetCancel *cancel = net_cancel_new();
    NetEndpoint *endpoint = net_endpoint_parse("imap+insecure://127.0.0.1:143", nullptr);
    GError *error = nullptr;
    options.endpoint = endpoint;
    options.user = options.secret = "ada";
    options.timeout = 10;
    ImapClient *client =
        imap_client_start(net_stream_new(fds[0], "test:143", cancel), &options, nullptr, &error);
    EXPECT_NE(client, nullptr) << error->message;
    EXPECT_TRUE(imap_client_has(client, IMAP_CAP_QUOTA));
    char *text = imap_client_quota(client, &error);
    std::string result = text ? text : "(none)";
    g_free(text);
    g_clear_error(&error);
    server.join();
    imap_client_free(client);
    net_endpoint_free(endpoint);
    net_cancel_unref(cancel);
    close(fds[1]);
    return result;
}

/* RFC 9208, 4.1.2 */
TEST(Quota, RootsAndResourcesAreRead)
{
    EXPECT_EQ(quota_of("* QUOTAROOT INBOX \"#user/alice\" \"!partition/sda4\"\r\n"
                       "* QUOTA \"#user/alice\" (message 42 1000)\r\n"
                       "* QUOTA \"!partition/sda4\" (STORAGE 104 10923847 X 1 2)\r\n"
                       "A1 OK done\r\n"),
              "#user/alice\tMESSAGE 42 1000\n!partition/sda4\tSTORAGE 104 10923847\tX 1 2\n");
    EXPECT_EQ(quota_of("* QUOTAROOT INBOX \"\"\r\n* QUOTA \"\" ()\r\nA1 OK done\r\n"), "\n");
}

TEST(Quota, WhatCantBeReadIsLeftOut)
{
    EXPECT_EQ(quota_of("A1 NO go away\r\n"), "");
    EXPECT_EQ(quota_of("* QUOTA a (STORAGE 1)\r\n* QUOTA b (STORAGE x 2)\r\n* QUOTA c\r\n"
                       "* QUOTA\r\n* QUOTA (a) (b)\r\n* QUOTA {3}\r\na\tb (STORAGE 1 2)\r\n"
                       "A1 OK done\r\n"),
              "");
}

} // namespace
