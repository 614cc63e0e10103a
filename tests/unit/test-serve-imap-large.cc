/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server: a message of 50 MB costs no more memory and time than it must. */
#include "imap-transcript.h"

#include <algorithm>
#include <atomic>
#include <malloc.h>

/* AddressSanitizer's allocator, where it is there. */
extern "C" __attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes();

namespace
{

constexpr size_t SIZE = 50 * 1000 * 1000;

size_t allocated()
{
    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* How much more memory than now is in use at any time until peak(). */
class Meter
{
  public:
    Meter() : before(allocated())
    {
        watcher = std::thread([this] {
            while (!stop) {
                most = std::max(most, allocated());
                usleep(200);
            }
        });
    }
    size_t peak()
    {
        stop = true;
        watcher.join();
        return most > before ? most - before : 0;
    }

  private:
    size_t before, most = 0;
    std::atomic<bool> stop = false;
    std::thread watcher;
};

class LargeTest : public ImapTest
{
  protected:
    /* `index`-th piece of the message: lines of text that compress about as base64 does. */
    std::string piece(size_t index)
    {
        std::string text = index ? "" : "Subject: large\r\n\r\n";
        guint32 state = (guint32)index + 1;
        while (text.size() < PIECE) {
            for (int i = 0; i < 76; i++, state = state * 1664525 + 1013904223)
                text += (char)('A' + (state >> 26));
            text += "\r\n";
        }
        text.resize(PIECE);
        return text;
    }
    void append(Client &client)
    {
        client.send("a APPEND INBOX {" + std::to_string(SIZE) + "+}\r\n");
        for (size_t i = 0; i < SIZE / PIECE; i++)
            client.send(piece(i));
        client.play("C:\nS: a OK [APPENDUID … 1] …");
    }
    /* The FETCH response's line and `count` octets of its literal. */
    void expect_literal(Client &client, const std::string &line, size_t count)
    {
        std::string got = client.line();
        ASSERT_TRUE(matches(line, got)) << got;
        for (size_t i = 0; i < count / PIECE; i++)
            ASSERT_EQ(client.bytes(PIECE), piece(i)) << i;
    }

    static constexpr size_t PIECE = 50000;

    /* What the `index`-th line of the encoded attachment holds, and PIECE octets of all of them. */
    static std::string encoded_line(size_t index)
    {
        std::string line;
        for (size_t i = 0; i < 57; i++)
            line += (char)(index * 57 + i) ^ (char)(index >> 4);
        return line;
    }
    std::string decoded(size_t offset, size_t length)
    {
        std::string text;
        size_t line = offset / 57;
        for (; text.size() < length + offset % 57; line++)
            text += encoded_line(line);
        return text.substr(offset % 57, length);
    }
    /* A message of text and such an attachment, whose decoded octets are DECODED. */
    void append_encoded(Client &client)
    {
        std::string start = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                            "--b\r\n\r\nSee below\r\n--b\r\nContent-Type: image/x\r\n"
                            "Content-Transfer-Encoding: base64\r\n\r\n";
        std::string end = "--b--\r\n", lines;
        client.send("a APPEND INBOX {" +
                    std::to_string(start.size() + DECODED / 57 * 78 + end.size()) + "+}\r\n" +
                    start);
        for (size_t i = 0; i < DECODED / 57; i++) {
            std::string line = encoded_line(i);
            char *base64 = g_base64_encode((const guchar *)line.data(), line.size());
            lines += base64 + std::string("\r\n");
            g_free(base64);
            if (i % 1000 == 999 || i + 1 == DECODED / 57)
                client.send(std::exchange(lines, {}));
        }
        client.send(end);
        client.play("C:\nS: a OK [APPENDUID … 1] …\nC: s SELECT INBOX\nS~ s OK …");
    }

    static constexpr size_t DECODED = 57 * 350000;
};

TEST_F(LargeTest, AppendedItIsInMemoryOnce)
{
    auto client = connect();
    Meter meter;
    append(*client);
    EXPECT_LT(meter.peak(), SIZE * 5 / 4);
}

TEST_F(LargeTest, FetchedItIsInMemoryInPieces)
{
    auto client = connect();
    append(*client);
    client->play("C: s SELECT INBOX\nS~ s OK …\nC: a FETCH 1 BODY.PEEK[]");
    Meter meter;
    expect_literal(*client, "* 1 FETCH (BODY[] {50000000}", SIZE);
    EXPECT_LT(meter.peak(), SIZE / 5);
    client->play("S: )\nS: a OK …");
}

/* What isn't asked for isn't looked at: it may as well be damaged. */
TEST_F(LargeTest, APartOfItTouchesNoMore)
{
    auto client = connect();
    append(*client);
    run_sql("UPDATE content_part SET data = x'00' WHERE id & 0xfffff > 1");
    client->play("C: s SELECT INBOX\nS~ s OK …\nC: a FETCH 1 BODY.PEEK[]<0.50000>");
    expect_literal(*client, "* 1 FETCH (BODY[]<0> {50000}", 50000);
    client->play(R"(
        S: )
        S: a OK …
        C: b FETCH 1 (RFC822.SIZE ENVELOPE BODYSTRUCTURE)
        S: * 1 FETCH (RFC822.SIZE 50000000 ENVELOPE (NIL "large" …) BODYSTRUCTURE ("text" …))
        S: b OK …
        C: c FETCH 1 BODY.PEEK[]<25000000.1000>
        S~ c NO …
    )");
}

/* RFC 3516: decoding it takes no more memory than sending it as it is. */
TEST_F(LargeTest, DecodedItIsInMemoryInPieces)
{
    auto client = connect();
    append_encoded(*client);
    client->play("C: a FETCH 1 BINARY.SIZE[2]");
    Meter sizing;
    client->play("S: * 1 FETCH (BINARY.SIZE[2] " + std::to_string(DECODED) + ")\nS: a OK …");
    EXPECT_LT(sizing.peak(), DECODED / 5 * 2);
    client->play("C: a FETCH 1 BINARY.PEEK[2]");
    Meter meter;
    EXPECT_EQ(client->line(), "* 1 FETCH (BINARY[2] ~{" + std::to_string(DECODED) + "}");
    for (size_t at = 0; at < DECODED; at += PIECE)
        ASSERT_EQ(client->bytes(std::min(PIECE, DECODED - at)),
                  decoded(at, std::min(PIECE, DECODED - at)))
            << at;
    EXPECT_LT(meter.peak(), DECODED / 5 * 2);
    client->play("S: )\nS: a OK …");
}

/* A window that is larger than what is read at once, and one that reaches over the end. */
TEST_F(LargeTest, AWindowOfItIsDecoded)
{
    auto client = connect();
    append_encoded(*client);
    client->play("C: a FETCH 1 (BINARY.PEEK[2]<1234567.7654321> BINARY.PEEK[2]<19949990.50> UID)");
    EXPECT_EQ(client->line(), "* 1 FETCH (BINARY[2]<1234567> ~{7654321}");
    EXPECT_EQ(client->bytes(7654321), decoded(1234567, 7654321));
    EXPECT_EQ(client->line(), " BINARY[2]<19949990> {10}");
    EXPECT_EQ(client->bytes(10), decoded(19949990, 10));
    client->play("S:  UID 1)\nS: a OK …\n"
                 "C: b FETCH 1 (BINARY.PEEK[2]<19950000.50> BINARY.PEEK[3]<0.1> BINARY.SIZE[1])\n"
                 "S: * 1 FETCH (BINARY[2]<19950000> {0}\nS:  BINARY[3]<0> {0}\n"
                 "S:  BINARY.SIZE[1] 9)\nS: b OK …");
}

TEST_F(LargeTest, TheStartOfItIsDecodedAndShownAlone)
{
    auto client = connect();
    append_encoded(*client);
    run_sql("UPDATE content_part SET data = x'00' WHERE id & 0xfffff > 1");
    client->play("C: a FETCH 1 (BINARY.PEEK[2]<0.65536> PREVIEW)");
    EXPECT_EQ(client->line(), "* 1 FETCH (BINARY[2]<0> ~{65536}");
    EXPECT_EQ(client->bytes(65536), decoded(0, 65536));
    client->play(R"(
        S:  PREVIEW {9}
        S: See below)
        S: a OK …
        C: b FETCH 1 (UID BINARY.SIZE[2])
        S~ b NO …
        C: c FETCH 1 (UID BINARY.PEEK[2])
        S~ c NO …
        C: d FETCH 1 (UID BINARY.PEEK[1])
        S: * 1 FETCH (UID 1 BINARY[1] {9}
        S: See below)
        S: d OK …
    )");
}

} // namespace
