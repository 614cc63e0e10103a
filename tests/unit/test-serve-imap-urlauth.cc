/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The local IMAP server: URLs that give others access (URLAUTH, RFC 4467, and URLAUTH=BINARY,
 * RFC 5524), as transcripts. */
#include "imap-transcript.h"

namespace
{

const std::string MESSAGE = "From: joe@example.com\r\n"
                            "MIME-Version: 1.0\r\n"
                            "Content-Type: multipart/mixed; boundary=b\r\n"
                            "\r\n"
                            "--b\r\n"
                            "Content-Type: text/plain\r\n"
                            "\r\n"
                            "Si vis pacem, para bellum.\r\n"
                            "--b\r\n"
                            "Content-Type: image/png\r\n"
                            "Content-Transfer-Encoding: base64\r\n"
                            "\r\n"
                            "AAECAw==\r\n"
                            "--b--\r\n";

class UrlauthTest : public ImapTest
{
  protected:
    ServeAccount fred = {};

    void SetUp() override
    {
        ImapTest::SetUp();
        fred = account;
        fred.cache = (Cache *)&fred; /* another one: nothing of it is looked at */
        daemon.find_account = [](const char *login, gpointer data,
                                 GError **error) -> ServeAccount * {
            auto *self = (UrlauthTest *)data;
            if (strcmp(login, "joe@example.com") == 0 || strcmp(login, "work") == 0)
                return serve_account_ref(&self->account);
            if (strcmp(login, "fred") == 0)
                return serve_account_ref(&self->fred);
            g_set_error_literal(error, SERVE_ERROR, SERVE_ERROR_UNKNOWN, "no such account");
            return nullptr;
        };
        daemon.data = this;
        deliver(inbox, MESSAGE);
    }
    /* The authorized URL; "" where that is refused. */
    std::string authorize(const std::string &url)
    {
        auto client = connect();
        client->send("g GENURLAUTH \"" + url + "\" INTERNAL\r\n");
        std::string line = client->line();
        if (line.compare(0, 14, "* GENURLAUTH \"") != 0)
            return "";
        client->play("S: g OK …");
        return line.substr(14, line.size() - 15);
    }
    /* What is told of a URL after its name. */
    std::string fetch(const std::string &url, const std::string &how = "")
    {
        auto client = connect();
        std::string quoted = "\"" + url + "\"";
        client->send("f URLFETCH " + (how.empty() ? quoted : "(" + quoted + " " + how + ")") +
                     "\r\n");
        std::string all = client->until("f ");
        std::string start = "* URLFETCH " + quoted + " ";
        EXPECT_EQ(all.compare(0, start.size(), start), 0) << all;
        size_t end = all.rfind("\r\nf OK ");
        EXPECT_NE(end, std::string::npos) << all;
        return all.size() < start.size() ? all : all.substr(start.size(), end - start.size());
    }
};

/* RFC 4467, 7: the example of GENURLAUTH and URLFETCH */
TEST_F(UrlauthTest, UrlsAreAuthorizedAndFetched)
{
    std::string url = "imap://joe%40example.com@localhost/INBOX/;uid=1/;section=1;urlauth=";
    std::string authorized = authorize(url + "anonymous");
    EXPECT_TRUE(matches(url + "anonymous:internal:…", authorized)) << authorized;
    EXPECT_GE(authorized.size(), url.size() + strlen("anonymous:internal:") + 32);
    EXPECT_EQ(fetch(authorized), "{26}\r\nSi vis pacem, para bellum.");
    EXPECT_EQ(authorize(url + "anonymous"), authorized);
}

TEST_F(UrlauthTest, SeveralUrlsMakeOneAnswer)
{
    auto client = connect();
    client->play(R"(
        C: a GENURLAUTH "imap://work@127.0.0.1/INBOX/;UID=1;URLAUTH=authuser" INTERNAL "imap://work@[::1]:143/INBOX/;UID=2;URLAUTH=user+fred" internal
        S: * GENURLAUTH "imap://work@127.0.0.1/INBOX/;UID=1;URLAUTH=authuser:internal:…" "imap://work@[::1]:143/INBOX/;UID=2;URLAUTH=user+fred:internal:…"
        S: a OK …
        C: b GENURLAUTH "imap://work@localhost/INBOX/;UID=1;URLAUTH=submit+fred" INTERNAL
        S: * GENURLAUTH "imap://work@localhost/INBOX/;UID=1;URLAUTH=submit+fred:internal:…"
        S: b OK …
    )");
}

TEST_F(UrlauthTest, WhatCannotBeAuthorizedIsRefused)
{
    auto client = connect();
    client->play(R"(
        C: a GENURLAUTH "imap://work@localhost/INBOX/;UID=1;URLAUTH=anonymous" XSAMPLE
        S: a NO [CANNOT] …
        C: b GENURLAUTH "imap://work@localhost/INBOX/;UID=1" INTERNAL
        S: b BAD …
        C: c GENURLAUTH "imap://work@localhost/INBOX/;UID=1;URLAUTH=anonymous:internal:00" INTERNAL
        S: c BAD …
        C: d GENURLAUTH "imap://fred@localhost/INBOX/;UID=1;URLAUTH=anonymous" INTERNAL
        S: d NO [CANNOT] …
        C: e GENURLAUTH "imap://work@mail.example.com/INBOX/;UID=1;URLAUTH=anonymous" INTERNAL
        S: e NO [CANNOT] …
        C: f GENURLAUTH "imap://work@localhost/Nowhere/;UID=1;URLAUTH=anonymous" INTERNAL
        S: f NO [NONEXISTENT] …
        C: g GENURLAUTH "imap://work@localhost/INBOX/;UID=1;URLAUTH=friends" INTERNAL
        S: g NO [CANNOT] …
        C: h GENURLAUTH "/INBOX/;UID=1;URLAUTH=anonymous" INTERNAL
        S: h BAD …
        C: i GENURLAUTH "imap://work@localhost/INBOX/;URLAUTH=anonymous;UID=1" INTERNAL
        S: i BAD …
        C: j GENURLAUTH "imap://work@localhost/INBOX/;UID=1;EXPIRE=soon;URLAUTH=anonymous" INTERNAL
        S: j BAD …
        C: k GENURLAUTH "imap://work@localhost/INBOX/;UID=1;URLAUTH=anonymous"
        S: k BAD …
        C: l GENURLAUTH
        S: l BAD …
        C: m NOOP
        S: m OK …
    )");
}

/* Access identifiers: this session is joe's. */
TEST_F(UrlauthTest, OnlyThoseWhoMayFetch)
{
    std::string url = "imap://work@localhost/INBOX/;UID=1/;SECTION=1;URLAUTH=";
    EXPECT_EQ(fetch(authorize(url + "authuser")), "{26}\r\nSi vis pacem, para bellum.");
    EXPECT_EQ(fetch(authorize(url + "user+joe%40example.com")),
              "{26}\r\nSi vis pacem, para bellum.");
    EXPECT_EQ(fetch(authorize(url + "user+fred")), "NIL");
    EXPECT_EQ(fetch(authorize(url + "submit+work")), "NIL");
}

TEST_F(UrlauthTest, WhatIsNotGenuineIsNil)
{
    std::string url = "imap://work@localhost/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser";
    std::string good = authorize(url), bad = good;
    bad.back() = bad.back() == '0' ? '1' : '0';
    EXPECT_EQ(fetch(bad), "NIL");
    EXPECT_EQ(fetch(good.substr(0, good.size() - 1)), "NIL");
    EXPECT_EQ(fetch(url), "NIL");
    std::string other = good;
    other.replace(other.find("UID=1"), 5, "UID=2");
    EXPECT_EQ(fetch(other), "NIL");
    EXPECT_EQ(fetch("imap://work@localhost/INBOX/;UID=1"), "NIL");
    EXPECT_EQ(fetch("nonsense"), "NIL");
    EXPECT_EQ(fetch(authorize("imap://work@localhost/INBOX/;UID=9;URLAUTH=authuser")), "NIL");
    EXPECT_EQ(fetch(authorize("imap://work@localhost/INBOX;UIDVALIDITY=7/;UID=1;URLAUTH=authuser")),
              "NIL");
}

TEST_F(UrlauthTest, UrlsExpire)
{
    std::string url = "imap://work@localhost/INBOX/;UID=1/;SECTION=1;EXPIRE=";
    EXPECT_EQ(fetch(authorize(url + "2005-12-01T12:00:00Z;URLAUTH=authuser")), "NIL");
    EXPECT_EQ(fetch(authorize(url + "2999-12-01T12:00:00+01:00;URLAUTH=authuser")),
              "{26}\r\nSi vis pacem, para bellum.");
}

/* RFC 4467, RESETKEY: "Any current IMAP session logged in as the user that has the mailbox selected
 * will receive an untagged OK response with the URLMECH status response code." */
TEST_F(UrlauthTest, SessionsAreToldThatAKeyWasReset)
{
    make_folder("Work");
    auto idling = select(), busy = select(), silent = select(), elsewhere = connect();
    elsewhere->play("C: s SELECT Work\nS~ s OK …");
    silent->play("C: n NOTIFY NONE\nS: n OK …");
    idling->play("C: i IDLE\nS: + …");
    authorize("imap://work@localhost/INBOX/;UID=1;URLAUTH=authuser"); /* makes a key: no news */
    auto client = select();
    client->play("C: a RESETKEY INBOX\nS: a OK [URLMECH INTERNAL] …\nC: b NOOP\nS: b OK …");
    idling->play("S: * OK [URLMECH INTERNAL] …\nC: DONE\nS: i OK …");
    busy->play("C: a NOOP\nS: * OK [URLMECH INTERNAL] …\nS: a OK …\nC: b NOOP\nS: b OK …");
    silent->play("C: a NOOP\nS: * OK [URLMECH INTERNAL] …\nS: a OK …");
    elsewhere->play("C: a NOOP\nS: a OK …");
    busy->play("C: c RESETKEY INBOX\nS: c OK [URLMECH INTERNAL] …");
    client->play("C: c NOOP\nS: * OK [URLMECH INTERNAL] …\nS: c OK …");
    client->play("C: d RESETKEY\nS: d OK …");
    busy->play("C: d NOOP\nS: d OK …");
}

/* RFC 4467, 8: the examples of RESETKEY */
TEST_F(UrlauthTest, KeysAreReset)
{
    make_folder("Work");
    std::string url = "imap://work@localhost/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser";
    std::string first = authorize(url);
    auto client = connect();
    client->play("C: a31 RESETKEY Work\nS: a31 OK [URLMECH INTERNAL] …");
    EXPECT_EQ(fetch(first), "{26}\r\nSi vis pacem, para bellum.");
    client->play("C: a32 RESETKEY INBOX\nS: a32 OK [URLMECH INTERNAL] …");
    EXPECT_EQ(fetch(first), "NIL");
    std::string second = authorize(url);
    EXPECT_NE(first, second);
    client->play(R"(
        C: a33 RESETKEY INBOX XSAMPLE
        S: a33 OK [URLMECH INTERNAL] …
        C: a34 RESETKEY
        S: a34 OK All keys removed.
        C: a35 RESETKEY Nowhere
        S: a35 NO [NONEXISTENT] …
        C: a36 RESETKEY INBOX (
        S: a36 BAD …
    )");
    EXPECT_EQ(fetch(second), "NIL");
    EXPECT_EQ(fetch(first), "NIL");
}

/* The keys lie where annotations do, and nobody sees them. */
TEST_F(UrlauthTest, KeysAreNoAnnotations)
{
    authorize("imap://work@localhost/INBOX/;UID=1;URLAUTH=authuser");
    auto client = connect();
    client->play(R"(
        C: a GETMETADATA INBOX urlauth-key
        S: a BAD …
        C: b GETMETADATA (DEPTH infinity) INBOX (/private /shared)
        S: b OK …
        C: c RENAME INBOX Was
        S: c OK …
        C: d GETMETADATA (DEPTH infinity) Was (/private /shared)
        S: d OK …
    )");
}

/* RFC 5524, 3: with BINARY the structure is that of the decoded part; what can't be decoded is NIL. */
TEST_F(UrlauthTest, StructuresAreOfWhatIsGiven)
{
    deliver(
        inbox,
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        "quoted-printable\r\n\r\n"
        "Gr=C3=BC=C3=9Fe=\r\n an alle\r\n\r\n"
        "--b\r\nContent-Type: application/x-odd\r\nContent-Transfer-Encoding: "
        "x-rot13\r\n\r\nuryyb\r\n"
        "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n"
        "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\nb25lDQp0d28NCg==\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nit\r\n--b--\r\n");
    auto part = [&](const char *section, const char *how) {
        return fetch(authorize(std::string("imap://work@localhost/INBOX/;UID=2/;SECTION=") +
                               section + ";URLAUTH=authuser"),
                     how);
    };
    EXPECT_EQ(part("1", "BODYPARTSTRUCTURE BINARY"),
              "(BODYPARTSTRUCTURE (\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"8bit\" 17 "
              "1 NIL NIL NIL NIL)) "
              "(BINARY {17}\r\nGr\xc3\xbc\xc3\x9f"
              "e an alle\r\n)");
    EXPECT_EQ(part("1", "BODYPARTSTRUCTURE"),
              "(BODYPARTSTRUCTURE (\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL "
              "\"quoted-printable\" 28 2 NIL NIL NIL NIL))");
    EXPECT_EQ(part("2", "BINARY"), "(BINARY NIL)");
    EXPECT_EQ(part("2", "BINARY BODYPARTSTRUCTURE"),
              "(BODYPARTSTRUCTURE (\"application\" \"x-odd\" NIL NIL NIL \"x-rot13\" 5 NIL NIL NIL "
              "NIL)) (BINARY NIL)");
    EXPECT_EQ(part("2", "BODY"), "(BODY {5}\r\nuryyb)");
    EXPECT_EQ(part("3", "BINARY BODYPARTSTRUCTURE"),
              "(BODYPARTSTRUCTURE (\"image\" \"png\" NIL NIL NIL \"binary\" 4 NIL NIL NIL NIL)) "
              "(BINARY ~{4}\r\n" +
                  std::string("\0\1\2\3", 4) + ")");
    EXPECT_TRUE(matches(
        "(BODYPARTSTRUCTURE (\"text\" \"plain\" … \"7bit\" 10 2 NIL NIL NIL NIL)) (BINARY {10}…",
        part("4", "BINARY BODYPARTSTRUCTURE")));
    EXPECT_TRUE(matches("(BODYPARTSTRUCTURE (\"message\" \"rfc822\" … \"7bit\" 17 (NIL \"in\" …",
                        part("5", "BINARY BODYPARTSTRUCTURE")));
}

/* RFC 5524 */
TEST_F(UrlauthTest, PartsComeDecodedAndDescribed)
{
    std::string text = authorize("imap://work@localhost/INBOX/;UID=1/;SECTION=1;URLAUTH=authuser");
    std::string image = authorize("imap://work@localhost/INBOX/;UID=1/;SECTION=2;URLAUTH=authuser");
    std::string mime =
        authorize("imap://work@localhost/INBOX/;UID=1/;SECTION=2.MIME;URLAUTH=authuser");
    EXPECT_EQ(fetch(image, "BINARY"), "(BINARY ~{4}\r\n" + std::string("\0\1\2\3", 4) + ")");
    EXPECT_EQ(fetch(image, "BODY"), "(BODY {8}\r\nAAECAw==)");
    EXPECT_EQ(fetch(image, "BODYPARTSTRUCTURE"),
              "(BODYPARTSTRUCTURE (\"image\" \"png\" NIL NIL NIL \"base64\" 8 NIL NIL NIL NIL))");
    EXPECT_EQ(
        fetch(text, "BODYPARTSTRUCTURE BINARY"),
        "(BODYPARTSTRUCTURE (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 26 "
        "0 NIL NIL NIL NIL)) (BINARY {26}\r\nSi vis pacem, para bellum.)");
    EXPECT_EQ(fetch(mime, "BINARY"), "NIL");
    EXPECT_EQ(fetch(mime, "BODYPARTSTRUCTURE"), "NIL");
    EXPECT_TRUE(matches("(BODY {…}\r\nContent-Type: image/png\r\n…)", fetch(mime, "BODY")));
    auto client = connect();
    client->play("C: a URLFETCH (\"" + image +
                 "\" BODY BINARY)\nS: a BAD …\n"
                 "C: b URLFETCH (\"" +
                 image +
                 "\" COLOUR)\nS: b BAD …\n"
                 "C: c URLFETCH\nS: c BAD …\n"
                 "C: d URLFETCH \"x\" (\"y\" BINARY)\n"
                 "S: * URLFETCH \"x\" NIL\nS: * URLFETCH \"y\" NIL\nS: d OK …");
}

/* An authorized URL can be catenated (RFC 4469, 3), and PARTIAL is kept to (URL-PARTIAL). */
TEST_F(UrlauthTest, AuthorizedUrlsAreCatenated)
{
    std::string part =
        authorize("imap://work@localhost/INBOX/;UID=1/;SECTION=1/;PARTIAL=3.3;URLAUTH=authuser");
    EXPECT_EQ(fetch(part), "{3}\r\nvis");
    auto client = select();
    client->send("a APPEND INBOX CATENATE (TEXT {6+}\r\nA: 1\r\n URL \"" + part + "\")\r\n");
    client->play("S~ a OK [APPENDUID … 2] …");
    client->play("C: b FETCH 2 RFC822.SIZE\nS: * 2 FETCH (RFC822.SIZE 9)\nS: b OK …");
}

/* What isn't here is fetched; what can't be is NIL. */
TEST_F(UrlauthTest, FetchesWhatIsNotHere)
{
    announce(inbox, "Subject: far away\r\n\r\nhere now\r\n");
    std::string url =
        authorize("imap://work@localhost/INBOX/;UID=2/;SECTION=TEXT;URLAUTH=authuser");
    bodies.online = false;
    EXPECT_EQ(fetch(url), "NIL");
    bodies.online = true;
    EXPECT_EQ(fetch(url), "{10}\r\nhere now\r\n");
}

} // namespace
