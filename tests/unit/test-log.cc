// SPDX-License-Identifier: GPL-3.0-or-later
// The log: whatever a message holds, it is one line, and nothing in it does something to a terminal.

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <unistd.h>

extern "C" {
#include "daemon/log.h"
}

namespace
{

/* What is written to stderr while a message is logged. */
std::string logged(const std::string &message)
{
    int pipes[2], before = dup(STDERR_FILENO);
    EXPECT_EQ(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    g_message("%s", message.c_str());
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    close(pipes[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(pipes[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, (size_t)n);
    close(pipes[0]);
    return text;
}

} // namespace

TEST(Log, EachMessageIsOneLine)
{
    log_start(FALSE);
    EXPECT_EQ(logged("an example"), "posternd: an example\n");
    for (gunichar c = 1; c < 0x2100; c++) {
        bool harmful = g_unichar_iscntrl(c) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
                       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
        if (!harmful)
            continue;
        char text[8] = {};
        g_unichar_to_utf8(c, text);
        EXPECT_EQ(logged("a" + std::string(text) + "b"), "posternd: a b\n") << c;
    }
    EXPECT_EQ(logged("ä\r\nposternd: Warning: x"), "posternd: ä  posternd: Warning: x\n");
    std::string garbage = logged("a\x9b\xc2\nb");
    EXPECT_EQ(garbage.find('\n'), garbage.size() - 1);
    EXPECT_EQ(garbage.find('\x9b'), std::string::npos);
}
