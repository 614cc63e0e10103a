/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local IMAP server: the examples that the standards give, as near as one's own numbers allow,
 * and what their texts promise beside them.
 */
#include "imap-transcript.h"

namespace
{

const std::string LUNCH = "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
                          "From: Fred Foobar <foobar@example.com>\r\n"
                          "Subject: afternoon meeting\r\n"
                          "To: mooch@example.com\r\n"
                          "Message-Id: <B27397-0100000@example.com>\r\n"
                          "MIME-Version: 1.0\r\n"
                          "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
                          "\r\n"
                          "Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n";

class RfcTest : public ImapTest
{
  protected:
    std::string password;

    /* For those who log in: "work", and the password. */
    void with_password()
    {
        account.verifiers = serve_verifiers_load((dir + "/passwords").c_str(), nullptr);
        ASSERT_NE(account.verifiers, nullptr);
        g_autofree char *made = serve_verifiers_add(account.verifiers, "test", nullptr);
        password = made;
    }
    void TearDown() override
    {
        if (account.verifiers)
            serve_verifiers_unref(account.verifiers);
        account.verifiers = nullptr;
        ImapTest::TearDown();
    }
};

std::string base64(const std::string &text)
{
    g_autofree char *encoded = g_base64_encode((const guchar *)text.data(), text.size());
    return encoded;
}

/* RFC 3501, 6.2.3; RFC 5530, 3 */
TEST_F(RfcTest, LoginSaysWhatItGives)
{
    with_password();
    auto client = connect(false);
    client->play(R"(
        C: a000 LOGIN work wrong
        S: a000 NO [AUTHENTICATIONFAILED] …
        C: a001 LOGIN work
        S: a001 BAD …
    )");
    client->play("C: a002 LOGIN work " + password +
                 "\nS: a002 OK [CAPABILITY IMAP4rev1 …] …\n"
                 "C: a003 LOGIN work x\nS: a003 BAD …");
}

/* RFC 3501, 6.2.2; RFC 4959, 3 (SASL-IR): its second example is that of one round trip */
TEST_F(RfcTest, AuthenticateTakesAnInitialResponse)
{
    with_password();
    std::string response = base64(std::string("\0work\0", 6) + password);
    connect(false)->play("C: A01 AUTHENTICATE PLAIN\nS: + \nC: " + response +
                         "\nS: A01 OK [CAPABILITY …] …");
    connect(false)->play("C: A01 AUTHENTICATE PLAIN " + response + "\nS: A01 OK [CAPABILITY …] …");
    std::string other = base64(std::string("root\0work\0", 10) + password);
    connect(false)->play("C: A01 AUTHENTICATE PLAIN " + other +
                         "\nS: A01 NO [AUTHORIZATIONFAILED] …");
    connect(false)->play(R"(
        C: A01 AUTHENTICATE PLAIN
        S: + 
        C: *
        S: A01 BAD …
        C: A02 AUTHENTICATE PLAIN =
        S: A02 NO …
        C: A03 AUTHENTICATE XYZZY
        S: A03 NO …
        C: A04 AUTHENTICATE PLAIN
        S: + 
        C: not base64!
        S: A04 BAD …
        C: A05 NOOP
        S: A05 OK …
    )");
}

/* RFC 2342, 5.1: the example of a server with one personal name space */
TEST_F(RfcTest, NamespaceIsOnePersonalOne)
{
    connect()->play(R"(
        C: A001 NAMESPACE
        S: * NAMESPACE (("" "/")) NIL NIL
        S: A001 OK …
        C: A002 NAMESPACE x
        S: A002 BAD …
    )");
}

/* RFC 3348, 4 */
TEST_F(RfcTest, ChildrenAreTold)
{
    make_folder("ITEM_1");
    make_folder("ITEM_1/ITEM_1A");
    make_folder("ITEM_2");
    make_folder("ITEM_2/TOP");
    connect()->play(R"(
        C: A001 LIST "" * RETURN (CHILDREN)
        S: * LIST (\HasNoChildren) "/" INBOX
        S: * LIST (\HasChildren) "/" ITEM_1
        S: * LIST (\HasNoChildren) "/" ITEM_1/ITEM_1A
        S: * LIST (\HasChildren) "/" ITEM_2
        S: * LIST (\HasNoChildren) "/" ITEM_2/TOP
        S: A001 OK …
    )");
}

/* RFC 3691, 2 */
TEST_F(RfcTest, UnselectExpungesNothing)
{
    deliver(inbox, LUNCH, {CACHE_DELETED, 0});
    auto client = select();
    client->play(R"(
        C: A341 UNSELECT
        S: A341 OK …
        C: A342 UNSELECT
        S: A342 BAD …
        C: A343 STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 1)
        S: A343 OK …
        C: A344 SELECT INBOX
        S~ A344 OK …
        C: A345 CLOSE
        S: A345 OK …
        C: A346 STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 0)
        S: A346 OK …
    )");
}

/* RFC 3502, 6.3.11; RFC 4315, 3 */
TEST_F(RfcTest, SeveralMessagesAreAppendedAtOnceOrNone)
{
    make_folder("saved-messages");
    auto client = connect();
    std::string size = std::to_string(LUNCH.size());
    client->send("A003 APPEND saved-messages (\\Seen) {" + size + "}\r\n");
    client->play("S: + …");
    client->send(LUNCH + " (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {" + size + "}\r\n");
    client->play("S: + …");
    client->send(LUNCH + "\r\n");
    client->play(R"(
        S: A003 OK [APPENDUID … 1:2] …
        C: A004 STATUS saved-messages (MESSAGES UNSEEN)
        S: * STATUS saved-messages (MESSAGES 2 UNSEEN 0)
        S: A004 OK …
    )");
    client->send("A005 APPEND saved-messages {" + size + "+}\r\n" + LUNCH + " {0+}\r\n\r\n");
    client->play(R"(
        S: A005 NO …
        C: A006 STATUS saved-messages (MESSAGES)
        S: * STATUS saved-messages (MESSAGES 2)
        S: A006 OK …
    )");
}

/* RFC 4315, 2.1 and 3 */
TEST_F(RfcTest, UidplusTellsUids)
{
    make_folder("meeting");
    for (int i = 0; i < 5; i++)
        deliver(inbox, LUNCH, {(guint32)(i == 2 || i == 4 ? CACHE_DELETED : 0), 0});
    auto client = select();
    client->play(R"(
        C: A003 UID EXPUNGE 3000:3002
        S: A003 OK …
        C: A004 COPY 2:4 meeting
        S: A004 OK [COPYUID … 2:4 1:3] …
        C: A005 UID COPY 305:310 meeting
        S: A005 OK Copied.
        C: A006 UID EXPUNGE 1:3
        S: * 3 EXPUNGE
        S: A006 OK …
        C: A007 COPY 1 Nowhere
        S: A007 NO [TRYCREATE] …
    )");
}

/* RFC 6851, 3.3 */
TEST_F(RfcTest, MoveIsOneCommand)
{
    make_folder("foo");
    for (int i = 0; i < 3; i++)
        deliver(inbox, LUNCH);
    select()->play(R"(
        C: a UID MOVE 2:3 foo
        S: * OK [COPYUID … 2:3 1:2] …
        S: * 3 EXPUNGE
        S: * 2 EXPUNGE
        S: a OK …
        C: b UID MOVE 42:69 foo
        S: b OK …
        C: c MOVE 1 Nowhere
        S: c NO [TRYCREATE] …
        C: d MOVE 7 foo
        S: d BAD …
    )");
}

/* RFC 5161, 3.1: what isn't known is ignored; ENABLE is for authenticated clients */
TEST_F(RfcTest, EnableTellsWhatIsEnabled)
{
    connect()->play(R"(
        C: t2 ENABLE CONDSTORE X-GOOD-IDEA
        S: * ENABLED CONDSTORE
        S: t2 OK …
        C: t3 ENABLE X-GOOD-IDEA
        S: * ENABLED
        S: t3 OK …
        C: t4 ENABLE
        S: t4 BAD …
        C: t5 ENABLE SORT
        S: * ENABLED
        S: t5 OK …
    )");
    connect(false)->play("C: t1 ENABLE CONDSTORE\nS: t1 BAD …");
}

/* RFC 5032, 3 and 4 */
TEST_F(RfcTest, WithinCountsBackFromNow)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    deliver(inbox, LUNCH, {}, now - 259200 - 100);
    deliver(inbox, LUNCH, {}, now - 100);
    select()->play(R"(
        C: a1 SEARCH UNSEEN YOUNGER 259200
        S: * SEARCH 2
        S: a1 OK …
        C: a2 SEARCH OLDER 259200
        S: * SEARCH 1
        S: a2 OK …
        C: a3 SEARCH OLDER 0
        S: a3 BAD …
    )");
}

/* RFC 4731, 3.1 and 3.2 */
TEST_F(RfcTest, EsearchReturnsWhatIsAsked)
{
    deliver(inbox, LUNCH, {CACHE_FLAGGED, 0});
    deliver(inbox, LUNCH);
    deliver(inbox, LUNCH, {CACHE_FLAGGED, 0});
    select()->play(R"(
        C: A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"
        S: * ESEARCH (TAG "A282") MIN 1 COUNT 2
        S: A282 OK …
        C: A283 SEARCH RETURN () FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"
        S: * ESEARCH (TAG "A283") ALL 1,3
        S: A283 OK …
        C: A284 SEARCH RETURN (MIN) TEXT "absent"
        S: * ESEARCH (TAG "A284")
        S: A284 OK …
        C: A285 UID SEARCH RETURN (MIN MAX) SMALLER 5000
        S: * ESEARCH (TAG "A285") UID MIN 1 MAX 3
        S: A285 OK …
    )");
}

/* RFC 5182, 2.1 and 2.4 */
TEST_F(RfcTest, ResultsAreSavedAndUsed)
{
    make_folder("Other Messages");
    deliver(inbox, LUNCH, {CACHE_FLAGGED, 0});
    deliver(inbox, LUNCH);
    deliver(inbox, LUNCH, {CACHE_FLAGGED, 0});
    auto client = select();
    client->send("A282 SEARCH RETURN (SAVE) FLAGGED SINCE 1-Feb-1994\r\n"
                 "A283 FETCH $ (UID FLAGS)\r\n");
    client->play(R"(
        S: A282 OK …
        S: * 1 FETCH (UID 1 FLAGS (\Flagged \Recent))
        S: * 3 FETCH (UID 3 FLAGS (\Flagged \Recent))
        S: A283 OK …
        C: A301 UID SEARCH UID $ SMALLER 4096
        S: * SEARCH 1 3
        S: A301 OK …
        C: P283 SEARCH CHARSET UTF-8 (OR $ 2,3) TEXT joe
        S: * SEARCH 1 2 3
        S: P283 OK …
        C: C284 SEARCH RETURN (SAVE MIN) ALL
        S: * ESEARCH (TAG "C284") MIN 1
        S: C284 OK …
        C: C285 FETCH $ UID
        S: * 1 FETCH (UID 1)
        S: C285 OK …
        C: C286 SEARCH RETURN (SAVE MIN MAX) ALL
        S: * ESEARCH (TAG "C286") MIN 1 MAX 3
        S: C286 OK …
        C: C287 SEARCH $
        S: * SEARCH 1 3
        S: C287 OK …
        C: C288 SEARCH RETURN (SAVE COUNT) FLAGGED NONSENSE
        S: C288 BAD …
        C: C289 SEARCH $
        S: * SEARCH 1 3
        S: C289 OK …
        C: C290 SEARCH RETURN (SAVE) CHARSET KLINGON SUBJECT x
        S: C290 NO [BADCHARSET …] …
        C: E283 COPY $ "Other Messages"
        S: E283 OK Copied.
        C: F284 STORE $ +FLAGS.Silent (\Deleted)
        S: F284 OK …
        C: H1 SELECT INBOX
        S~ H1 OK …
        C: H2 SEARCH $
        S: * SEARCH
        S: H2 OK …
    )");
}

/* RFC 9394, 3.1 and 3.2 */
TEST_F(RfcTest, ResultsAndFetchesComeInParts)
{
    for (int i = 0; i < 5; i++)
        deliver(inbox, LUNCH);
    select()->play(R"(
        C: A01 UID SEARCH RETURN (PARTIAL -1:-2) UNDELETED
        S: * ESEARCH (TAG "A01") UID PARTIAL (-1:-2 4:5)
        S: A01 OK …
        C: A03 UID SEARCH RETURN (PARTIAL 1:3 COUNT) UNDELETED
        S: * ESEARCH (TAG "A03") UID COUNT 5 PARTIAL (1:3 1:3)
        S: A03 OK …
        C: A04 UID SEARCH RETURN (PARTIAL 24000:24500) UNDELETED
        S: * ESEARCH (TAG "A04") UID PARTIAL (24000:24500 NIL)
        S: A04 OK …
        C: A05 SEARCH RETURN (PARTIAL 1:3 ALL) UNDELETED
        S: A05 BAD …
        C: A06 SEARCH RETURN (PARTIAL 1:3 COUNT PARTIAL 4:5) UNDELETED
        S: A06 BAD …
        C: A07 SEARCH RETURN (ALL ALL) UNDELETED
        S: A07 BAD …
        C: A08 SEARCH RETURN (PARTIAL 5:2) UNDELETED
        S: * ESEARCH (TAG "A08") PARTIAL (5:2 2:5)
        S: A08 OK …
        C: A09 SEARCH RETURN (PARTIAL -3:-2) UNDELETED
        S: * ESEARCH (TAG "A09") PARTIAL (-3:-2 3:4)
        S: A09 OK …
        C: 10 UID FETCH 2:26600 (UID) (PARTIAL -1:-2)
        S: * 4 FETCH (UID 4)
        S: * 5 FETCH (UID 5)
        S: 10 OK …
        C: 11 UID FETCH 2:26600 (UID) (PARTIAL 1:2)
        S: * 2 FETCH (UID 2)
        S: * 3 FETCH (UID 3)
        S: 11 OK …
    )");
}

/* RFC 5258, 5: subscribed mailboxes that aren't, children that match, several patterns */
TEST_F(RfcTest, ListIsExtended)
{
    make_folder("Foo");
    make_folder("Foo/Bar");
    make_folder("Foo/Baz");
    make_folder("Moo");
    connect()->play(R"(
        C: S1 SUBSCRIBE Foo/Baz
        S: S1 OK …
        C: C02 LIST (SUBSCRIBED) "" "*"
        S: * LIST (\Subscribed…) "/" Foo/Baz
        S: C02 OK …
        C: C04 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"
        S: * LIST (…) "/" Foo ("CHILDINFO" ("SUBSCRIBED"))
        S: C04 OK …
        C: S2 SUBSCRIBE Foo
        S: S2 OK …
        C: C05 LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"
        S: * LIST (\Subscribed…) "/" Foo ("CHILDINFO" ("SUBSCRIBED"))
        S: C05 OK …
        C: BBB LIST "" ("INBOX" "Moo" "Foo/%")
        S: * LIST () "/" Foo/Bar
        S: * LIST () "/" Foo/Baz
        S: * LIST () "/" INBOX
        S: * LIST () "/" Moo
        S: BBB OK …
        C: A04 LIST (REMOTE) "" "Moo" RETURN (CHILDREN)
        S: * LIST (\HasNoChildren) "/" Moo
        S: A04 OK …
        C: D1 DELETE Foo/Baz
        S: D1 OK …
        C: D2 LIST (SUBSCRIBED) "" "Foo/*"
        S: * LIST (\NonExistent \Subscribed…) "/" Foo/Baz
        S: D2 OK …
        C: D3 LIST (RECURSIVEMATCH) "" "*"
        S: D3 BAD …
        C: D4 LIST (NONSENSE) "" "*"
        S: D4 BAD …
    )");
}

/* RFC 5819, 4; RFC 8438, 4; RFC 7889, 3.1 and 3.2 */
TEST_F(RfcTest, StatusComesWithTheList)
{
    deliver(make_folder("frop"), LUNCH);
    connect()->play(R"(
        C: A01 LIST "" % RETURN (STATUS (MESSAGES UNSEEN))
        S: * LIST () "/" INBOX
        S: * STATUS INBOX (MESSAGES 0 UNSEEN 0)
        S: * LIST () "/" frop
        S: * STATUS frop (MESSAGES 1 UNSEEN 1)
        S: A01 OK …
        C: A02 STATUS frop (MESSAGES SIZE UIDNEXT)
        S: * STATUS frop (MESSAGES 1 UIDNEXT 2 SIZE 297)
        S: A02 OK …
        C: A03 STATUS frop (APPENDLIMIT)
        S: * STATUS frop (APPENDLIMIT 268435456)
        S: A03 OK …
        C: A04 CAPABILITY
        S: * CAPABILITY … APPENDLIMIT=268435456 …
        S: A04 OK …
        C: A05 STATUS nowhere (MESSAGES)
        S: A05 NO [NONEXISTENT] …
    )");
}

/* RFC 8474, 4.1 to 5.3 */
TEST_F(RfcTest, ObjectsHaveIdsThatLast)
{
    auto client = connect();
    std::string created = client->command("3 create foo");
    EXPECT_TRUE(matches("3 OK [MAILBOXID (F…)] …\r\n", created)) << created;
    std::string id = created.substr(6, created.find(']') - 6);
    client->play("C: 4 create foo\nS: 4 NO [ALREADYEXISTS] …\n"
                 "C: 6 status foo (mailboxid)\nS: * STATUS foo (" +
                 id +
                 ")\nS: 6 OK …\n"
                 "C: 8 rename foo renamed\nS: 8 OK …\n"
                 "C: 9 status renamed (mailboxid)\nS: * STATUS renamed (" +
                 id +
                 ")\nS: 9 OK …\n"
                 "C: 27 select renamed\nS~ * OK [" +
                 id + "] …\nS~ 27 OK …");
    deliver(inbox, LUNCH);
    client->play("C: 28 select INBOX\nS~ 28 OK …");
    std::string fetched = client->command("29 fetch 1 (emailid threadid)");
    EXPECT_TRUE(matches("* 1 FETCH (EMAILID (M…) THREADID …)\r\n29 OK …\r\n", fetched)) << fetched;
    std::string email = fetched.substr(fetched.find("(M") + 1);
    email = email.substr(0, email.find(')'));
    client->play("C: 23 move 1 renamed\nS~ 23 OK …\n"
                 "C: 25 select renamed\nS~ 25 OK …\n"
                 "C: 26 fetch 1 (emailid)\nS: * 1 FETCH (EMAILID (" +
                 email +
                 "))\nS: 26 OK …\n"
                 "C: 27 search emailid " +
                 email +
                 "\nS: * SEARCH 1\nS: 27 OK …\n"
                 "C: 28 search emailid M0nothing\nS: * SEARCH\nS: 28 OK …");
}

/* RFC 8514, 4 */
TEST_F(RfcTest, SaveDatesAreKept)
{
    deliver(inbox, LUNCH);
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *today = g_date_time_format(now, "%d-%b-%Y");
    std::string day = today;
    select()->play("C: A101 FETCH 1 (SAVEDATE)\nS: * 1 FETCH (SAVEDATE \"…-…-… …:…:… …\")\n"
                   "S: A101 OK …\n"
                   "C: A102 SEARCH SAVEDSINCE " +
                   day +
                   "\nS: * SEARCH 1\nS: A102 OK …\n"
                   "C: A103 SEARCH SAVEDBEFORE " +
                   day +
                   "\nS: * SEARCH\nS: A103 OK …\n"
                   "C: A104 SEARCH SAVEDON 28-Dec-2014\nS: * SEARCH\nS: A104 OK …\n"
                   "C: A105 SEARCH SAVEDATESUPPORTED\nS: * SEARCH 1\nS: A105 OK …");
}

/* RFC 8970, 4 */
TEST_F(RfcTest, PreviewsAreShortAndMayBeLazy)
{
    deliver(inbox, LUNCH);
    announce(inbox, LUNCH);
    deliver(inbox, "Subject: nothing\r\n\r\n\r\n");
    select()->play(R"(
        C: A1 FETCH 1 (PREVIEW)
        S: * 1 FETCH (PREVIEW {53}
        S: Hello Joe, do you think we can meet at 3:30 tomorrow?)
        S: A1 OK …
        C: B1 FETCH 2 (UID PREVIEW (LAZY))
        S: * 2 FETCH (UID 2 PREVIEW NIL)
        S: B1 OK …
        C: B2 FETCH 2:3 (PREVIEW)
        S: * 3 FETCH (PREVIEW {0}
        S: )
        S: * 2 FETCH (PREVIEW {53}
        S: Hello Joe, do you think we can meet at 3:30 tomorrow?)
        S: B2 OK …
        C: B3 FETCH 2 (PREVIEW (LAZY))
        S: * 2 FETCH (PREVIEW {53}
        S: Hello Joe, do you think we can meet at 3:30 tomorrow?)
        S: B3 OK …
        C: B4 FETCH 1 (PREVIEW (QUICKLY))
        S: B4 BAD …
    )");
}

/* RFC 2177, 3 */
TEST_F(RfcTest, IdleEndsWithDone)
{
    for (int i = 0; i < 3; i++)
        deliver(inbox, LUNCH, {(guint32)(i == 1 ? CACHE_DELETED : 0), 0});
    auto client = select(), other = select();
    client->play("C: A002 IDLE\nS: + idling");
    deliver(inbox, LUNCH);
    client->play("S: * 4 EXISTS\nS: * 4 RECENT\nC: DONE\nS: A002 OK …\nC: A004 IDLE\nS: + idling");
    other->play("C: x EXPUNGE\nS~ x OK …");
    client->play(R"(
        S: * 2 EXPUNGE
        C: DONE
        S: A004 OK …
        C: A005 IDLE
        S: + idling
        C: NOOP
        S: A005 BAD …
        C: A006 NOOP
        S: A006 OK …
    )");
}

/* RFC 5957, 3: by the name shown, else the address; RFC 5255, 4.5 (I18NLEVEL=1): whatever the case
 */
TEST_F(RfcTest, SortsByDisplayedNames)
{
    auto from = [](const char *who) { return std::string("From: ") + who + "\r\n\r\nx\r\n"; };
    deliver(inbox, from("\"Zoe\" <a@example.org>"));
    deliver(inbox, from("b@example.org"));
    deliver(inbox, from("=?utf-8?q?=C3=84nne?= <z@example.org>"));
    deliver(inbox, from("\"abel\" <c@example.org>"));
    select()->play(R"(
        C: a SORT (DISPLAYFROM) UTF-8 ALL
        S: * SORT 4 3 2 1
        S: a OK …
        C: b SORT (FROM) UTF-8 ALL
        S: * SORT 1 2 4 3
        S: b OK …
        C: c SEARCH CHARSET UTF-8 FROM {5+}
        C: äNNE
        S: * SEARCH 3
        S: c OK …
    )");
}

/* RFC 5788 and RFC 5530: keywords with a meaning are keywords as any */
TEST_F(RfcTest, RegisteredKeywordsAreKept)
{
    deliver(inbox, LUNCH);
    select()->play(R"(
        C: a STORE 1 +FLAGS ($Forwarded $MDNSent $Junk $NotJunk $Phishing)
        S~ * 1 FETCH (FLAGS (\Recent $Forwarded $Junk $MDNSent $NotJunk $Phishing))
        S: a OK …
        C: b STORE 1 -FLAGS ($JUNK)
        S~ * 1 FETCH (FLAGS (\Recent $Forwarded $MDNSent $NotJunk $Phishing))
        S: b OK …
        C: c SEARCH KEYWORD $forwarded UNKEYWORD $Junk
        S: * SEARCH 1
        S: c OK …
    )");
}

/* RFC 7888, 3 and 5: literals of any size that aren't waited for, and so not LITERAL- */
TEST_F(RfcTest, LiteralsNeedNotWait)
{
    deliver(inbox, LUNCH);
    auto client = connect();
    client->send("A001 SELECT {5+}\r\nINBOX\r\nA002 SEARCH SUBJECT {9+}\r\nafternoon\r\n");
    client->play("S~ A001 OK …\nS: * SEARCH 1\nS: A002 OK …");
    std::string all = client->command("A003 CAPABILITY");
    EXPECT_NE(all.find(" LITERAL+ "), std::string::npos);
    EXPECT_EQ(all.find("LITERAL-"), std::string::npos);
    client->send("A004 SEARCH TEXT {5000+}\r\n" + std::string(5000, 'x') + "\r\n");
    client->play("S: * SEARCH\nS: A004 OK …");
}

} // namespace
