/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server: messages put together of others (CATENATE), as transcripts. */
#include "imap-transcript.h"

namespace
{

class CatenateTest : public ImapTest
{
  protected:
    gint64 drafts = 0;

    void SetUp() override
    {
        ImapTest::SetUp();
        drafts = make_folder("Drafts", CACHE_ROLE_DRAFTS);
        deliver(drafts, "Subject: holiday\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: multipart/mixed; boundary=\"b\"\r\n"
                        "\r\n"
                        "--b\r\n"
                        "Content-Type: text/plain\r\n"
                        "\r\n"
                        "See you.\r\n"
                        "--b\r\n"
                        "Content-Type: application/x-zip-compressed\r\n"
                        "\r\n"
                        "ZIPZIP\r\n"
                        "--b--\r\n");
    }
    guint32 uidvalidity(gint64 id)
    {
        Txn txn(cache, CACHE_READ);
        CacheFolder *row = cache_folder_get(txn, id, nullptr);
        guint32 number = row->uidvalidity;
        cache_folder_free(row);
        return number;
    }
    std::string body(const std::string &mailbox, int uid)
    {
        auto client = select(mailbox.c_str());
        client->send("f UID FETCH " + std::to_string(uid) + " BODY.PEEK[]\r\n");
        std::string first = client->line();
        size_t brace = first.find('{');
        if (brace == std::string::npos)
            return first;
        return client->bytes((size_t)atoi(first.c_str() + brace + 1));
    }
};

/* RFC 4469, appendix A, example 1: an attachment is replaced. */
TEST_F(CatenateTest, PutsAMessageTogether)
{
    auto client = connect();
    std::string validity = std::to_string(uidvalidity(drafts));
    std::string url = "\"/Drafts;UIDVALIDITY=" + validity + "/;UID=1/;section=";
    client->send("A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL " + url +
                 "HEADER\" TEXT {5}\r\n");
    client->play("S: + …");
    client->send("--b\r\n URL " + url + "1.MIME\" URL " + url + "1\" TEXT {7}\r\n");
    client->play("S: + …");
    client->send("\r\n--b\r\n URL " + url + "TEXT/;PARTIAL=5.12\" TEXT {9+}\r\n\r\n--b--\r\n)\r\n");
    client->play("S: A003 OK [APPENDUID … 2] …");
    client.reset();
    EXPECT_EQ(body("Drafts", 2), "Subject: holiday\r\n"
                                 "MIME-Version: 1.0\r\n"
                                 "Content-Type: multipart/mixed; boundary=\"b\"\r\n"
                                 "\r\n"
                                 "--b\r\n"
                                 "Content-Type: text/plain\r\n"
                                 "\r\n"
                                 "See you."
                                 "\r\n--b\r\n"
                                 "Content-Type"
                                 "\r\n--b--\r\n");
}

/* Only URLs; relative to the selected mailbox; several messages, not all of them catenated. */
TEST_F(CatenateTest, TakesUrlsAloneAndManyMessages)
{
    auto client = select("Drafts");
    client->play("C: a APPEND INBOX CATENATE (URL \";UID=1\")\nS: a OK [APPENDUID … 1] …");
    client->send(
        "b APPEND INBOX CATENATE (TEXT {6+}\r\nA: 1\r\n TEXT {5+}\r\n\r\nx\r\n) (\\Seen) {8+}\r\n"
        "B: 2\r\n\r\n CATENATE (TEXT {8+}\r\nC: 3\r\n\r\n)\r\n");
    client->play("S: b OK [APPENDUID … 2:4] …");
    client->send("c APPEND INBOX CATENATE (URL \"/INBOX/;UID=2/;SECTION=HEADER.FIELDS%20(A)\" URL "
                 "\"/inbox/;uid=3/;section=TEXT\" TEXT {1+}\r\ny)\r\n");
    client->play("S: c OK [APPENDUID … 5] …");
    client.reset();
    EXPECT_TRUE(matches("Subject: holiday\r\n…ZIPZIP\r\n--b--\r\n", body("INBOX", 1)));
    EXPECT_EQ(body("INBOX", 2), "A: 1\r\n\r\nx\r\n");
    EXPECT_EQ(body("INBOX", 3), "B: 2\r\n\r\n");
    EXPECT_EQ(body("INBOX", 4), "C: 3\r\n\r\n");
    EXPECT_EQ(body("INBOX", 5), "A: 1\r\n\r\ny");
}

/* RFC 4469, 4.1 and example 4 */
TEST_F(CatenateTest, BadUrlsAreTold)
{
    auto client = connect();
    client->play(R"(
        C: a APPEND INBOX CATENATE (URL "/Drafts/;UID=9" URL "/Drafts/;UID=1")
        S: a NO [BADURL "/Drafts/;UID=9"] …
        C: b APPEND INBOX CATENATE (URL "/Drafts;UIDVALIDITY=7/;UID=1")
        S: b NO [BADURL "/Drafts;UIDVALIDITY=7/;UID=1"] …
        C: c APPEND INBOX CATENATE (URL "/Drafts/;UID=1/;section=1.5.9")
        S: c NO [BADURL "/Drafts/;UID=1/;section=1.5.9"] …
        C: d APPEND INBOX CATENATE (URL ";UID=1")
        S: d NO [BADURL ";UID=1"] …
        C: e APPEND INBOX CATENATE (URL "imap://other.example/Drafts/;UID=1")
        S: e NO [BADURL "imap://other.example/Drafts/;UID=1"] …
        C: f APPEND INBOX CATENATE (URL "nonsense]")
        S: f NO [BADURL "nonsense%5D"] …
        C: g APPEND INBOX CATENATE (URL "/Drafts/;COLOUR=red")
        S: g NO [BADURL "/Drafts/;COLOUR=red"] …
        C: h APPEND Nowhere CATENATE (URL "/Drafts/;UID=1")
        S: h NO [TRYCREATE] …
        C: i APPEND INBOX CATENATE (URL "/Drafts/;UID=1/;section=[")
        S: i NO [BADURL …
        C: j STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 0)
        S: j OK …
    )");
}

/* What isn't here is fetched; \Seen is set for nothing that was catenated (RFC 4469, 3). */
TEST_F(CatenateTest, FetchesWhatIsNotHere)
{
    announce(inbox, "Subject: far away\r\n\r\nhere now\r\n");
    auto client = connect();
    client->play(R"(
        C: a APPEND Drafts CATENATE (URL "/INBOX/;UID=1")
        S: a OK [APPENDUID … 2] …
        C: b STATUS INBOX (UNSEEN)
        S: * STATUS INBOX (UNSEEN 1)
        S: b OK …
    )");
    bodies.online = false;
    announce(inbox, "Subject: further away\r\n\r\nhere now\r\n");
    client->play(R"(
        C: c APPEND Drafts CATENATE (URL "/INBOX/;UID=2")
        S: c NO [BADURL "/INBOX/;UID=2"] …
    )");
    client.reset();
    EXPECT_EQ(body("Drafts", 2), "Subject: far away\r\n\r\nhere now\r\n");
}

} // namespace
