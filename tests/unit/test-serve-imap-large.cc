/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server: a message of 50 MB costs no more memory and time than it must. */
#include "imap-transcript.h"

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

} // namespace
