// SPDX-License-Identifier: GPL-3.0-or-later
// Discovery's pure parts: autoconfiguration files, the table of providers, URLs and records.
#include <gtest/gtest.h>

#include "growth.h"

#include <string>
#include <vector>

extern "C" {
#include "daemon/discover/autoconfig.h"
#include "daemon/discover/pacc.h"
#include "daemon/discover/sources.h"
#include "daemon/discover/table.h"
#include "daemon/web/json.h"
}

namespace
{

DiscoverAddress *ada(const char *text = "ada@example.org")
{
    g_autoptr(GError) error = nullptr;
    DiscoverAddress *address = discover_address_parse(text, &error);
    EXPECT_NE(address, nullptr) << text;
    return address;
}

// What came out, as a person would write it: "imaps://host:port user auth,auth; …".
std::string shown(const GPtrArray *servers)
{
    static const char *const names[] = {"password", "encrypted", "oauth2",
                                        "gssapi",   "cert",      "none"};
    std::string text;
    for (guint i = 0; i < servers->len; i++) {
        auto server = static_cast<const DiscoverServer *>(g_ptr_array_index(servers, i));
        g_autofree char *url = net_endpoint_to_string(server->endpoint);
        g_autofree char *users = g_strjoinv("|", server->users);
        text += (i ? "; " : "") + std::string(url) + " " + users;
        for (guint n = 0; n < server->n_auth; n++)
            text += (n ? "," : " ") + std::string(names[server->auth[n]]);
    }
    return text;
}

struct Read {
    std::string incoming, outgoing, error;
};

Read read_xml(const std::string &xml, const char *who = "ada@example.org")
{
    g_autoptr(DiscoverAddress) address = ada(who);
    g_autoptr(GBytes) bytes = g_bytes_new(xml.data(), xml.size());
    g_autoptr(GError) error = nullptr;
    g_autoptr(DiscoverOffer) offer =
        autoconfig_read(bytes, address, DISCOVER_PROVIDER, "test", TRUE, &error);
    EXPECT_EQ(offer == nullptr, error != nullptr);
    if (!offer)
        return {"", "", error->message};
    return {shown(offer->incoming), shown(offer->outgoing), ""};
}

std::string file(const std::string &servers)
{
    return "<clientConfig version=\"1.1\"><emailProvider id=\"example.org\">"
           "<domain>example.org</domain>" +
           servers + "</emailProvider></clientConfig>";
}

std::string incoming(const std::string &inner, const std::string &type = "imap")
{
    return "<incomingServer type=\"" + type + "\">" + inner + "</incomingServer>";
}

const char *const GOOD = "<hostname>imap.example.org</hostname><port>993</port>"
                         "<socketType>SSL</socketType>"
                         "<authentication>password-cleartext</authentication>"
                         "<username>%EMAILADDRESS%</username>";
const char *const GOOD_SHOWN = "imaps://imap.example.org ada@example.org password";

TEST(Autoconfig, PutsTlsFirstAndKeepsTheProvidersOrderOtherwise)
{
    Read read = read_xml(
        "<clientConfig version=\"1.1\"><emailProvider "
        "id=\"example.org\"><domain>example.org</domain>"
        "<blink>x</blink><incomingServer type=\"jmap\"><url>https://j.example.org</url>"
        "</incomingServer><incomingServer type=\"imap\"><hostname>in.example.org</hostname>"
        "<port>143</port><socketType>STARTTLS</socketType><authentication>OAuth2</authentication>"
        "<authentication>password-cleartext</authentication><username>%EMAILLOCALPART%</username>"
        "</incomingServer><incomingServer type=\"imap\"><hostname>in.example.org</hostname>"
        "<port>993</port><socketType>SSL</socketType>"
        "<authentication>password-encrypted</authentication>"
        "<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>"
        "</incomingServer><outgoingServer type=\"smtp\"><hostname>out.example.org</hostname>"
        "<port>465</port><socketType>SSL</socketType>"
        "<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>"
        "</outgoingServer></emailProvider></clientConfig>");
    EXPECT_EQ(read.incoming, "imaps://in.example.org ada@example.org encrypted,password; "
                             "imap://in.example.org ada oauth2,password");
    EXPECT_EQ(read.outgoing, "submissions://out.example.org ada@example.org password");
}

TEST(Autoconfig, ABadSectionDoesntSpoilTheRest)
{
    Read read = read_xml(
        "<?xml version=\"1.0\"?><clientConfig version=\"9.9\"><emailProvider id=\"hoster.example\">"
        "<domain purpose=\"mx\">hoster.example</domain><incomingServer type=\"imap\">"
        "<hostname>imap.hoster.example</hostname><port>70000</port><socketType>SSL</socketType>"
        "<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>"
        "</incomingServer><incomingServer type=\"pop3\"><hostname>pop.%EMAILDOMAIN%</hostname>"
        "<port>995</port><socketType>SSL</socketType><authentication>x-new</authentication>"
        "<authentication>plain</authentication><username>%EMAILDOMAIN%+%EMAILLOCALPART%</username>"
        "</incomingServer><outgoingServer type=\"smtp\"><hostname>smtp.hoster.example</hostname>"
        "<port>587</port><socketType>plain</socketType><socketType>STARTTLS</socketType>"
        "<authentication>client-IP-address</authentication></outgoingServer></emailProvider>"
        "</clientConfig>");
    EXPECT_EQ(read.incoming, "pop3s://pop.example.org example.org+ada password");
    EXPECT_EQ(read.outgoing, "submission://smtp.hoster.example  none");
}

TEST(Autoconfig, AFileOfRefusedPartsIsNoConfiguration)
{
    Read read = read_xml(
        "<clientConfig version=\"1.1\"><emailProvider id=\"evil example\"><domain>example.org"
        "</domain><incomingServer type=\"imap\"><hostname>imap.example.org:993/x</hostname>"
        "<port>993</port><socketType>SSL</socketType><authentication>OAuth2</authentication>"
        "<username>%EMAILADDRESS%</username></incomingServer></emailProvider><oAuth2>"
        "<issuer>id.example.org</issuer><scope>mail</scope><authURL>http://id.example.org/a"
        "</authURL><tokenURL>https://id.example.org/t</tokenURL></oAuth2></clientConfig>");
    EXPECT_NE(read.error, "");
}

// Every element of a good server, replaced by each of these, must cost that server alone.
TEST(Autoconfig, EachElementSpoiledCostsItsServerAlone)
{
    const std::vector<std::pair<std::string, std::vector<std::string>>> bad = {
        {"<hostname>imap.example.org</hostname>",
         {"", "<hostname/>", "<hostname>a b</hostname>", "<hostname>-a.org</hostname>",
          "<hostname>a..org</hostname>", "<hostname>a_b.org</hostname>",
          "<hostname>https://a.org</hostname>", "<hostname>a.org:993</hostname>",
          "<hostname>[::1]</hostname>", "<hostname>a.org/x</hostname>",
          "<hostname>%EMAILADDRESS%</hostname>",
          "<hostname>" + std::string(260, 'a') + ".org</hostname>"}},
        {"<port>993</port>",
         {"", "<port/>", "<port>0</port>", "<port>65536</port>", "<port>-1</port>",
          "<port>99999999999999999999</port>", "<port>0x3e1</port>", "<port>993 x</port>"}},
        {"<socketType>SSL</socketType>",
         {"", "<socketType/>", "<socketType>plain</socketType>", "<socketType>none</socketType>"}},
        {"<authentication>password-cleartext</authentication>",
         {"", "<authentication/>", "<authentication>NTLM</authentication>",
          "<authentication system=\"http\">Basic</authentication>"}},
        {"<username>%EMAILADDRESS%</username>", {"", "<username/>", "<username>  </username>"}},
    };
    for (const auto &[part, replacements] : bad) {
        for (const std::string &replacement : replacements) {
            std::string spoiled = GOOD;
            spoiled.replace(spoiled.find(part), part.size(), replacement);
            EXPECT_NE(read_xml(file(incoming(spoiled))).error, "") << spoiled;
            EXPECT_EQ(read_xml(file(incoming(spoiled) + incoming(GOOD))).incoming, GOOD_SHOWN)
                << spoiled;
            EXPECT_EQ(read_xml(file(incoming(GOOD) + incoming(spoiled))).incoming, GOOD_SHOWN)
                << spoiled;
        }
    }
}

// Where one signs in counts only if it is safe there; a file is none the worse without.
TEST(Autoconfig, OnlySafePlacesToSignInAreTaken)
{
    auto oauth = [](const std::string &authorize, const std::string &token) {
        return "<oAuth2><issuer>id.example.org</issuer><scope>mail</scope><authURL>" + authorize +
               "</authURL><tokenURL>" + token + "</tokenURL></oAuth2>";
    };
    const std::string safe = oauth("https://id.example.org/a", "https://id.example.org/t");
    const std::vector<std::pair<std::string, bool>> cases = {
        {"", false},
        {safe, true},
        {oauth("http://id.example.org/a", "https://id.example.org/t"), false},
        {oauth("https://id.example.org/a", "http://id.example.org/t"), false},
        {oauth("javascript:x", "https://id.example.org/t"), false},
        {oauth("", "https://id.example.org/t"), false},
        {"<oAuth2/>", false},
        {"<oAuth2/>" + safe, true},
        {oauth("http://id.example.org/a", "http://id.example.org/t") + safe, true},
    };
    for (const auto &[text, taken] : cases) {
        std::string xml = file(incoming(GOOD));
        xml.insert(xml.find("</clientConfig>"), text);
        g_autoptr(DiscoverAddress) address = ada();
        g_autoptr(GBytes) bytes = g_bytes_new(xml.data(), xml.size());
        g_autoptr(DiscoverOffer) offer =
            autoconfig_read(bytes, address, DISCOVER_PROVIDER, "test", TRUE, nullptr);
        ASSERT_NE(offer, nullptr) << text;
        EXPECT_EQ(shown(offer->incoming), GOOD_SHOWN);
        EXPECT_EQ(offer->oauth != nullptr, taken) << text;
    }
}

// Each value of <authentication>, old names and SASL's among them, alone and behind one that means nothing here.
TEST(Autoconfig, EachWayToSignInIsKnownByAllOfItsNames)
{
    const std::vector<std::pair<const char *, std::vector<const char *>>> values = {
        {"password", {"password-cleartext", "plain", " Password-Cleartext "}},
        {"encrypted", {"password-encrypted", "secure", "CRAM-MD5", "SCRAM-SHA-256-PLUS"}},
        {"oauth2", {"OAuth2", "OAuth", "XOAUTH2", "OAUTHBEARER"}},
        {"gssapi", {"GSSAPI"}},
        {"cert", {"TLS-client-cert", "EXTERNAL"}},
        {"none", {"none", "client-IP-address", "smtp-after-pop"}},
    };
    for (const auto &[name, texts] : values)
        for (const char *text : texts)
            for (const char *before : {"", "<authentication>NTLM</authentication>",
                                       "<authentication system=\"http\">Basic</authentication>"}) {
                std::string server = GOOD;
                const std::string good = "<authentication>password-cleartext</authentication>";
                server.replace(server.find(good), good.size(),
                               std::string(before) + "<authentication system=\"sasl\">" + text +
                                   "</authentication>");
                EXPECT_EQ(read_xml(file(incoming(server))).incoming,
                          "imaps://imap.example.org ada@example.org " + std::string(name))
                    << text;
            }
}

// The links that are shown lead to https only; what is to be switched on comes before general help.
TEST(Autoconfig, HelpIsShownAndLeadsToSafePlacesOnly)
{
    const struct {
        const char *inside, *beside, *hint, *link;
    } cases[] = {
        {"", "", nullptr, nullptr},
        {"<enable visiturl=\"https://x.org/on\"><instruction>Switch on</instruction></enable>", "",
         "Switch on", "https://x.org/on"},
        {"", "<enable visiturl=\"https://x.org/on\"><instruction>Switch on</instruction></enable>",
         "Switch on", "https://x.org/on"},
        {"<documentation url=\"https://x.org/help\"><descr "
         "lang=\"de\">Hilfe</descr></documentation>",
         "", nullptr, "https://x.org/help"},
        {"<documentation url=\"https://x.org/help\"/><enable visiturl=\"https://x.org/on\"/>", "",
         nullptr, "https://x.org/on"},
        {"<documentation url=\"http://x.org/help\"/><enable visiturl=\"javascript:x\"/>", "",
         nullptr, nullptr},
    };
    for (const auto &item : cases) {
        std::string xml = file(item.inside + incoming(GOOD));
        xml.insert(xml.find("</clientConfig>"), item.beside);
        g_autoptr(DiscoverAddress) address = ada();
        g_autoptr(GBytes) bytes = g_bytes_new(xml.data(), xml.size());
        g_autoptr(DiscoverOffer) offer =
            autoconfig_read(bytes, address, DISCOVER_PROVIDER, "test", TRUE, nullptr);
        ASSERT_NE(offer, nullptr) << xml;
        EXPECT_STREQ(offer->hint, item.hint) << xml;
        EXPECT_STREQ(offer->link, item.link) << xml;
    }
}

// What real files have besides must not matter.
TEST(Autoconfig, OddButHarmlessFilesAreRead)
{
    const std::vector<std::string> around = {
        "\xEF\xBB\xBF",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<!-- a comment -->",
        "<?xml-stylesheet href=\"x\"?>",
    };
    for (const std::string &before : around)
        EXPECT_EQ(read_xml(before + file(incoming(GOOD))).incoming, GOOD_SHOWN) << before;
    const std::vector<std::string> unknown = {
        "<unknown a=\"b\"><deep/></unknown>",
        "<!-- x -->",
        "<password>geheim</password>",
        "<pop3><leaveMessagesOnServer>true</leaveMessagesOnServer></pop3>",
        "text",
        "<incomingServer/>",
        "<incomingServer type=\"ews\"><hostname>x</hostname></incomingServer>",
        "<displayName lang=\"de\">Beispiel</displayName>",
        "<domain>other.example</domain>"};
    for (const std::string &extra : unknown) {
        EXPECT_EQ(read_xml(file(extra + incoming(GOOD))).incoming, GOOD_SHOWN) << extra;
        EXPECT_EQ(read_xml(file(incoming(extra + GOOD))).incoming, GOOD_SHOWN) << extra;
    }
    std::string spaced = GOOD;
    for (const char *from :
         {"imap.example.org", "993", "SSL", "password-cleartext", "%EMAILADDRESS%"})
        spaced.replace(spaced.find(from), strlen(from), "\n\t " + std::string(from) + " \n");
    EXPECT_EQ(read_xml(file(incoming(spaced))).incoming, GOOD_SHOWN);
}

TEST(Autoconfig, HostileFilesAreRefused)
{
    std::string bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">";
    for (char c = 'b'; c < 'p'; c++)
        bomb += std::string("<!ENTITY ") + c + " \"&" + char(c - 1) + ";&" + char(c - 1) + ";&" +
                char(c - 1) + ";&" + char(c - 1) + ";\">";
    const std::vector<std::string> hostile = {
        "",
        "x",
        "<",
        std::string("\0<a/>", 5),
        "<clientConfig>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" + file(incoming(GOOD)),
        "<!DOCTYPE clientConfig>" + file(incoming(GOOD)),
        bomb + "]>" + file("<displayName>&o;</displayName>" + incoming(GOOD)),
        file(incoming(GOOD) + std::string(AUTOCONFIG_MAX, ' ')),
        "<html><body>Not found</body></html>",
        std::string(100000, '<'),
    };
    for (const std::string &xml : hostile)
        EXPECT_NE(read_xml(xml).error, "") << xml.substr(0, 80);
    std::string deep = file(std::string(5000, ' '));
    for (int i = 0; i < 3000; i++)
        deep.insert(deep.find("<domain>"), "<a>");
    EXPECT_NE(read_xml(deep).error, "");
    std::string many;
    for (int i = 0; i < 500; i++)
        many += incoming(GOOD);
    EXPECT_LT(read_xml(file(many)).incoming.size(), 2000u);
}

TEST(Address, OnlyMailAddressesAreTaken)
{
    for (const char *bad :
         {"", "ada", "@example.org", "ada@", "ada@org", "a da@example.org", "ada@exa mple.org",
          "ada@example..org", "ada@-x.org", "ada\n@example.org", "\"ada\"@example.org",
          "ada@[127.0.0.1]", "<ada@example.org>"}) {
        g_autoptr(GError) error = nullptr;
        EXPECT_EQ(discover_address_parse(bad, &error), nullptr) << bad;
        ASSERT_NE(error, nullptr);
    }
    g_autoptr(DiscoverAddress) address = ada("Ada.L@B\xc3\xbc"
                                             "cher.Example");
    EXPECT_STREQ(address->domain, "xn--bcher-kva.example");
    EXPECT_STREQ(address->local, "Ada.L");
}

TEST(Address, PlaceholdersAreReplacedOnce)
{
    g_autoptr(DiscoverAddress) address = ada("%EMAILDOMAIN%@example.org");
    g_autofree char *text = discover_address_expand(address, "%EMAILLOCALPART%/%EMAILADDRESS");
    EXPECT_STREQ(text, "%EMAILDOMAIN%/%EMAILADDRESS");
}

TEST(Sources, UrlsAreTheStandards)
{
    g_autoptr(DiscoverAddress) address = ada("ada@sub.example.co.uk");
    g_autofree char *provider = sources_provider_url(address);
    g_autofree char *plain = sources_plain_url(address);
    EXPECT_STREQ(provider, "https://autoconfig.sub.example.co.uk/mail/config-v1.1.xml"
                           "?emailaddress=ada%40sub.example.co.uk");
    EXPECT_EQ(std::string(plain).find("ada"), std::string::npos);

    g_auto(GStrv) domains = sources_mx_domains("mx1.eu.mail.hoster.co.uk", address->domain);
    ASSERT_EQ(g_strv_length(domains), 2u);
    EXPECT_STREQ(domains[0], "eu.mail.hoster.co.uk");
    EXPECT_STREQ(domains[1], "hoster.co.uk");
    g_auto(GStrv) own = sources_mx_domains("mx.example.org", "example.org");
    EXPECT_EQ(g_strv_length(own), 0u);
    g_auto(GStrv) bare = sources_mx_domains("mx.hoster.example.net", "example.org");
    ASSERT_EQ(g_strv_length(bare), 2u);
    EXPECT_STREQ(bare[0], "hoster.example.net");
    EXPECT_STREQ(bare[1], "example.net");
}

TEST(Pacc, OnlyWhatDnsVouchesForIsRead)
{
    const char *json = "{\"protocols\":{\"imap\":{\"host\":\"in.example.org\"},\"smtp\":{\"host\":"
                       "\"out.example.org\"}},\"authentication\":{\"password\":true}}";
    g_autoptr(GBytes) bytes = g_bytes_new_static(json, strlen(json));
    g_autoptr(DiscoverAddress) address = ada();
    g_autofree char *hex = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
    guchar digest[32];
    for (int i = 0; i < 32; i++)
        digest[i] = (guchar)std::stoi(std::string(hex + 2 * i, 2), nullptr, 16);
    g_autofree char *base64 = g_base64_encode(digest, 32);
    g_autofree char *good = g_strdup_printf("v=UAAC1; a=sha256; d=%s", base64);
    char *records[] = {(char *)"v=spf1 -all", good, nullptr};
    char *wrong[] = {(char *)"v=UAAC1; a=sha256; d=AAAA", (char *)"v=UAAC1", nullptr};
    EXPECT_TRUE(pacc_vouched(bytes, records));
    EXPECT_FALSE(pacc_vouched(bytes, wrong));

    g_autoptr(DiscoverOffer) offer = pacc_read(bytes, address, "test", nullptr);
    ASSERT_NE(offer, nullptr);
    EXPECT_EQ(shown(offer->incoming), "imaps://in.example.org ada@example.org password");
    EXPECT_EQ(shown(offer->outgoing), "submissions://out.example.org ada@example.org password");
}

TEST(Json, HostileDocumentsAreRefused)
{
    for (const std::string &text :
         {std::string(""), std::string("[]"), std::string("1"), std::string("{"),
          std::string(200000, '['), std::string(200000, '{'), "{\"a\":" + std::string(5000, '['),
          std::string("{\"a\":1}x")}) {
        g_autoptr(GBytes) bytes = g_bytes_new(text.data(), text.size());
        g_autoptr(GError) error = nullptr;
        g_autoptr(JsonObject) object = web_json_read(bytes, &error);
        EXPECT_EQ(object, nullptr) << text.substr(0, 20);
        EXPECT_NE(error, nullptr);
    }
    const char *text =
        "{\"n\":12,\"s\":\"34\",\"d\":5.5,\"o\":{\"x\":\"[[\"},\"b\":true,\"z\":null}";
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
    g_autoptr(JsonObject) object = web_json_read(bytes, nullptr);
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(web_json_number(object, "n", -1), 12);
    EXPECT_EQ(web_json_number(object, "s", -1), 34);
    EXPECT_EQ(web_json_number(object, "d", -1), 5);
    EXPECT_EQ(web_json_number(object, "b", -1), -1);
    EXPECT_EQ(web_json_string(object, "n"), nullptr);
    EXPECT_EQ(web_json_string(object, "z"), nullptr);
    EXPECT_STREQ(web_json_string(web_json_object(object, "o"), "x"), "[[");
}

// ---- the table that is installed

struct Table {
    Table()
    {
        table = discover_table_load(POSTERN_PROVIDERS, nullptr, nullptr);
    }
    ~Table()
    {
        discover_table_free(table);
    }
    DiscoverTable *table;
};

TEST(Table, KnowsProvidersByDomainAndByMx)
{
    Table known;
    ASSERT_NE(known.table, nullptr);
    EXPECT_STREQ(discover_table_by_domain(known.table, "Gmail.com"), "gmail");
    EXPECT_STREQ(discover_table_by_domain(known.table, "acme.onmicrosoft.com"), "microsoft365");
    EXPECT_EQ(discover_table_by_domain(known.table, "outlook.evil.example"), nullptr);
    EXPECT_EQ(discover_table_by_domain(known.table, "google"), nullptr);
    EXPECT_EQ(discover_table_by_domain(known.table, "notgmail.com"), nullptr);
    EXPECT_STREQ(discover_table_by_mx(known.table, "aspmx.l.google.com"), "gmail");
    EXPECT_STREQ(discover_table_by_mx(known.table, "acme-com.mail.protection.outlook.com"),
                 "microsoft365");
    EXPECT_STREQ(discover_table_by_mx(known.table, "eur.olc.protection.outlook.com"), "outlook");

    g_autoptr(DiscoverAddress) address = ada("ada@icloud.com");
    g_autoptr(DiscoverOffer) offer =
        discover_table_offer(known.table, "icloud", address, DISCOVER_TABLE);
    EXPECT_EQ(shown(offer->incoming), "imaps://imap.mail.me.com ada|ada@icloud.com password");
    EXPECT_EQ(shown(offer->outgoing), "submission://smtp.mail.me.com ada@icloud.com password");
}

// What each provider's row comes to: where its mail is, and under which name one logs in first.
TEST(Table, EachProviderIsFoundWithItsServersAndNames)
{
    const struct {
        const char *address, *incoming, *outgoing;
        const char *mx; // the address is elsewhere, and this takes its mail
    } rows[] = {
        {"a@googlemail.com", "imaps://imap.gmail.com a@googlemail.com",
         "submissions://smtp.gmail.com a@googlemail.com"},
        {"a@x.de", "imaps://imap.gmail.com a@x.de", "submissions://smtp.gmail.com a@x.de",
         "alt1.aspmx.l.google.com"},
        {"a@hotmail.co.uk", "imaps://outlook.office365.com a@hotmail.co.uk",
         "submission://smtp-mail.outlook.com a@hotmail.co.uk"},
        {"a@x.de", "imaps://outlook.office365.com a@x.de",
         "submission://smtp-mail.outlook.com a@x.de", "eur.olc.protection.outlook.com"},
        {"a@x.de", "imaps://outlook.office365.com a@x.de", "submission://smtp.office365.com a@x.de",
         "x-de.mail.protection.outlook.com"},
        {"a@cox.net", "imaps://imap.mail.yahoo.com a@cox.net",
         "submissions://smtp.mail.yahoo.com a@cox.net"},
        {"a@x.de", "imaps://imap.mail.yahoo.com a@x.de", "submissions://smtp.mail.yahoo.com a@x.de",
         "mta5.am0.yahoodns.net"},
        {"a@yahoo.co.jp", "imaps://imap.mail.yahoo.co.jp a",
         "submissions://smtp.mail.yahoo.co.jp a"},
        {"a@verizon.net", "imaps://imap.aol.com a@verizon.net",
         "submissions://smtp.aol.com a@verizon.net"},
        {"a@sbcglobal.net", "imaps://imap.mail.att.net a@sbcglobal.net",
         "submissions://smtp.mail.att.net a@sbcglobal.net"},
        {"a@me.com", "imaps://imap.mail.me.com a", "submission://smtp.mail.me.com a@me.com"},
        {"a@fastmail.fm", "imaps://imap.fastmail.com a@fastmail.fm",
         "submissions://smtp.fastmail.com a@fastmail.fm"},
        {"a@x.de", "imaps://imap.fastmail.com a@x.de", "submissions://smtp.fastmail.com a@x.de",
         "in1-smtp.messagingengine.com"},
        {"a@pm.me", "imap://127.0.0.1:1143 a@pm.me", "submission://127.0.0.1:1025 a@pm.me"},
        {"a@gmx.net", "imaps://imap.gmx.net a@gmx.net", "submissions://mail.gmx.net a@gmx.net"},
        {"a@gmx.com", "imaps://imap.gmx.com a@gmx.com", "submissions://mail.gmx.com a@gmx.com"},
        {"a@web.de", "imaps://imap.web.de a", "submissions://smtp.web.de a"},
        {"a@mail.com", "imaps://imap.mail.com a@mail.com",
         "submissions://smtp.mail.com a@mail.com"},
        {"a@magenta.de", "imaps://secureimap.t-online.de a@magenta.de",
         "submissions://securesmtp.t-online.de a@magenta.de"},
        {"a@posteo.de", "imaps://posteo.de a@posteo.de", "submissions://posteo.de a@posteo.de"},
        {"a@mailbox.org", "imaps://imap.mailbox.org a@mailbox.org",
         "submissions://smtp.mailbox.org a@mailbox.org"},
        {"a@mail.de", "imaps://imap.mail.de a@mail.de", "submissions://smtp.mail.de a@mail.de"},
        {"a@x.de", "imaps://imap.ionos.de a@x.de", "submissions://smtp.ionos.de a@x.de",
         "mx00.kundenserver.de"},
        {"a@x.de", "imaps://imap.ionos.co.uk a@x.de", "submissions://smtp.ionos.co.uk a@x.de",
         "mx00.ionos.co.uk"},
        {"a@x.de", "imaps://imap.ionos.com a@x.de", "submissions://smtp.ionos.com a@x.de",
         "mx01.ionos.com"},
        {"a@x.de", "imaps://imap.ionos.fr a@x.de", "submissions://smtp.ionos.fr a@x.de",
         "mx01.ionos.fr"},
        {"a@x.de", "imaps://imap.strato.de a@x.de", "submissions://smtp.strato.de a@x.de",
         "smtpin.rzone.de"},
        {"a@x.de", "imaps://mail.your-server.de a@x.de", "submissions://mail.your-server.de a@x.de",
         "www123.your-server.de"},
        {"a@ovh.net", "imaps://ssl0.ovh.net a@ovh.net", "submissions://ssl0.ovh.net a@ovh.net"},
        {"a@x.de", "imaps://mail.gandi.net a@x.de", "submissions://mail.gandi.net a@x.de",
         "spool.mail.gandi.net"},
        {"a@ik.me", "imaps://mail.infomaniak.com a@ik.me",
         "submissions://mail.infomaniak.com a@ik.me"},
        {"a@x.de", "imaps://imap.hostinger.com a@x.de", "submissions://smtp.hostinger.com a@x.de",
         "mx1.hostinger.com"},
        {"a@x.de", "imaps://imap.migadu.com a@x.de", "submissions://smtp.migadu.com a@x.de",
         "aspmx1.migadu.com"},
        {"a@x.de", "imaps://imap.purelymail.com a@x.de", "submissions://smtp.purelymail.com a@x.de",
         "mailserver.purelymail.com"},
        {"a@runbox.com", "imaps://mail.runbox.com a@runbox.com",
         "submissions://mail.runbox.com a@runbox.com"},
        {"a@x.de", "imaps://secure.emailsrvr.com a@x.de",
         "submissions://secure.emailsrvr.com a@x.de", "mx1.emailsrvr.com"},
        {"a@zoho.com", "imaps://imap.zoho.com a@zoho.com",
         "submissions://smtp.zoho.com a@zoho.com"},
        {"a@zohomail.eu", "imaps://imap.zoho.eu a@zohomail.eu",
         "submissions://smtp.zoho.eu a@zohomail.eu"},
        {"a@zoho.in", "imaps://imap.zoho.in a@zoho.in", "submissions://smtp.zoho.in a@zoho.in"},
        {"a@zoho.com.au", "imaps://imap.zoho.com.au a@zoho.com.au",
         "submissions://smtp.zoho.com.au a@zoho.com.au"},
        {"a@zoho.jp", "imaps://imap.zoho.jp a@zoho.jp", "submissions://smtp.zoho.jp a@zoho.jp"},
        {"a@zohocloud.ca", "imaps://imap.zohocloud.ca a@zohocloud.ca",
         "submissions://smtp.zohocloud.ca a@zohocloud.ca"},
        {"a@x.de", "imaps://imappro.zoho.com a@x.de", "submissions://smtppro.zoho.com a@x.de",
         "mx2.zoho.com"},
        {"a@x.de", "imaps://imappro.zoho.eu a@x.de", "submissions://smtppro.zoho.eu a@x.de",
         "mx.zoho.eu"},
        {"a@x.de", "imaps://imappro.zoho.in a@x.de", "submissions://smtppro.zoho.in a@x.de",
         "mx.zoho.in"},
        {"a@x.de", "imaps://imappro.zoho.com.au a@x.de", "submissions://smtppro.zoho.com.au a@x.de",
         "mx3.zoho.com.au"},
        {"a@ya.ru", "imaps://imap.yandex.com a@ya.ru", "submissions://smtp.yandex.com a@ya.ru"},
        {"a@x.de", "imaps://imap.yandex.com a@x.de", "submissions://smtp.yandex.com a@x.de",
         "mx.yandex.net"},
        {"a@list.ru", "imaps://imap.mail.ru a@list.ru", "submissions://smtp.mail.ru a@list.ru"},
        {"a@foxmail.com", "imaps://imap.qq.com a@foxmail.com",
         "submissions://smtp.qq.com a@foxmail.com"},
        {"a@163.com", "imaps://imap.163.com a@163.com", "submissions://smtp.163.com a@163.com"},
        {"a@126.com", "imaps://imap.126.com a@126.com", "submissions://smtp.126.com a@126.com"},
        {"a@yeah.net", "imaps://imap.yeah.net a@yeah.net",
         "submissions://smtp.yeah.net a@yeah.net"},
        {"a@naver.com", "imaps://imap.naver.com a@naver.com",
         "submissions://smtp.naver.com a@naver.com"},
        {"a@daum.net", "imaps://imap.daum.net a@daum.net",
         "submissions://smtp.daum.net a@daum.net"},
        {"a@wanadoo.fr", "imaps://imap.orange.fr a@wanadoo.fr",
         "submissions://smtp.orange.fr a@wanadoo.fr"},
        {"a@free.fr", "imaps://imap.free.fr a", "submissions://smtp.free.fr a"},
        {"a@iol.it", "imaps://imapmail.libero.it a@iol.it",
         "submissions://smtp.libero.it a@iol.it"},
        {"a@comcast.net", "imaps://imap.comcast.net a@comcast.net",
         "submissions://smtp.comcast.net a@comcast.net"},
        {"a@laposte.net", "imaps://imap.laposte.net a", "submissions://smtp.laposte.net a"},
    };
    Table known;
    auto first = [](const GPtrArray *servers) {
        auto server = static_cast<const DiscoverServer *>(servers->pdata[0]);
        g_autofree char *url = net_endpoint_to_string(server->endpoint);
        return std::string(url) + " " + server->users[0];
    };
    for (const auto &row : rows) {
        g_autoptr(DiscoverAddress) address = ada(row.address);
        const char *group = row.mx ? discover_table_by_mx(known.table, row.mx)
                                   : discover_table_by_domain(known.table, address->domain);
        ASSERT_NE(group, nullptr) << row.address << (row.mx ? row.mx : "");
        g_autoptr(DiscoverOffer) offer = discover_table_offer(
            known.table, group, address, row.mx ? DISCOVER_MX : DISCOVER_TABLE);
        EXPECT_EQ(first(offer->incoming), row.incoming) << group;
        EXPECT_EQ(first(offer->outgoing), row.outgoing) << group;
        EXPECT_EQ(offer->trusted, row.mx == nullptr) << group;
    }
}

// What a person has to know before it works.
TEST(Table, WhereThereIsACatchItIsSaid)
{
    const std::vector<std::pair<const char *, std::vector<const char *>>> catches = {
        {"Sign in with Google", {"gmail.com"}},
        {"app password",
         {"gmail.com", "yahoo.com", "aol.com", "fastmail.com", "posteo.de", "yandex.ru", "zoho.com",
          "zoho.in", "mailbox.org", "gmx.net", "naver.com"}},
        {"app-specific password", {"icloud.com", "me.com"}},
        {"external application", {"mail.ru"}},
        {"e-mail password", {"t-online.de"}},
        {"browser only", {"outlook.com", "hotmail.com", "x.onmicrosoft.com"}},
        {"witch IMAP on",
         {"outlook.com", "gmx.net", "gmx.com", "web.de", "yandex.com", "naver.com", "zoho.com",
          "zoho.jp", "qq.com", "163.com", "126.com", "yeah.net"}},
        {"authorization code", {"qq.com", "163.com", "126.com", "yeah.net"}},
        {"authenticated SMTP", {"free.fr"}},
        {"no IMAP", {"tuta.com", "tutanota.de", "hey.com"}},
        {"Bridge", {"proton.me", "pm.me"}},
    };
    Table known;
    for (const auto &[words, domains] : catches)
        for (const char *domain : domains) {
            std::string text = "ada@" + std::string(domain);
            g_autoptr(DiscoverAddress) address = ada(text.c_str());
            const char *group = discover_table_by_domain(known.table, domain);
            ASSERT_NE(group, nullptr) << domain;
            g_autoptr(DiscoverOffer) offer =
                discover_table_offer(known.table, group, address, DISCOVER_TABLE);
            std::string hint = offer->hint ? offer->hint : "";
            EXPECT_NE(hint.find(words), std::string::npos) << domain << ": " << hint;
            bool none = std::string(words) == "no IMAP" && !g_str_has_prefix(domain, "zoho");
            EXPECT_EQ(offer->incoming->len == 0, none) << domain;
        }
}

// Each group as a whole: what it names must be there and be usable.
TEST(Table, EveryGroupIsWhole)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    ASSERT_TRUE(g_key_file_load_from_file(file, POSTERN_PROVIDERS, G_KEY_FILE_NONE, nullptr));
    g_auto(GStrv) groups = g_key_file_get_groups(file, nullptr);
    Table known;
    for (char **group = groups; *group; group++) {
        if (g_str_has_prefix(*group, "server "))
            continue;
        if (g_str_has_prefix(*group, "oauth2 ")) {
            for (const char *key : {"authorize-url", "token-url"}) {
                g_autofree char *url = g_key_file_get_string(file, *group, key, nullptr);
                EXPECT_TRUE(url && g_str_has_prefix(url, "https://")) << *group << key;
            }
            continue;
        }
        g_auto(GStrv) domains =
            g_key_file_get_string_list(file, *group, "domains", nullptr, nullptr);
        for (char **domain = domains; domain && *domain; domain++) {
            const char *rest = g_str_has_prefix(*domain, "*.") ? *domain + 2 : *domain;
            EXPECT_TRUE(discover_is_host(rest)) << *group << *domain;
        }
        g_autofree char *hint = g_key_file_get_string(file, *group, "hint", nullptr);
        g_auto(GStrv) urls = g_key_file_get_string_list(file, *group, "incoming", nullptr, nullptr);
        EXPECT_TRUE(urls || hint) << *group;
        for (const char *key : {"incoming", "outgoing"}) {
            g_auto(GStrv) list = g_key_file_get_string_list(file, *group, key, nullptr, nullptr);
            for (char **url = list; list && *url; url++) {
                g_autoptr(NetEndpoint) endpoint = net_endpoint_parse(*url, nullptr);
                EXPECT_NE(endpoint, nullptr) << *url;
            }
        }
        g_autofree char *oauth = g_key_file_get_string(file, *group, "oauth2", nullptr);
        g_autofree char *oauth_group = g_strdup_printf("oauth2 %s", oauth ? oauth : "");
        EXPECT_TRUE(!oauth || g_key_file_has_group(file, oauth_group)) << *group;
    }
}

TEST(Table, TheUsersGroupsTakeThePlaceOfOurs)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "postern-providers-XXXXXX", nullptr);
    int fd = g_mkstemp(path);
    ASSERT_GE(fd, 0);
    close(fd);
    ASSERT_TRUE(g_file_set_contents(
        path, "[gmail]\ndomains=gmail.com\nincoming=imaps://mine.example\n", -1, nullptr));
    g_autoptr(DiscoverTable) table = discover_table_load(POSTERN_PROVIDERS, path, nullptr);
    ASSERT_NE(table, nullptr);
    g_autoptr(DiscoverAddress) address = ada("ada@gmail.com");
    g_autoptr(DiscoverOffer) offer = discover_table_offer(table, "gmail", address, DISCOVER_TABLE);
    EXPECT_EQ(shown(offer->incoming), "imaps://mine.example ada@gmail.com");
    EXPECT_EQ(offer->oauth, nullptr);
    unlink(path);
}

/* libxml2 is slow with some mistakes; that is bounded by the size. */
TEST(Autoconfig, IsReadSoonWhateverItsMistakesAre)
{
    g_autoptr(DiscoverAddress) address = discover_address_parse("ada@example.org", nullptr);
    for (const char *start : {"", "<!--", "<a ", "<!DOCTYPE a ["})
        for (const char *unit : {"--", "&a;", "<a>", "</a>", "<a b=\"\" b=\"\"/>", "<!--x", "]]>",
                                 "\xff", "<!ENTITY a \"b\">"}) {
            std::string text = start;
            while (text.size() + strlen(unit) <= AUTOCONFIG_MAX)
                text += unit;
            g_autoptr(GBytes) document = g_bytes_new(text.data(), text.size());
            g_autoptr(DiscoverOffer) offer = nullptr;
            EXPECT_LT(computed([&] {
                          offer = autoconfig_read(document, address, DISCOVER_PROVIDER, "test",
                                                  TRUE, nullptr);
                      }),
                      10)
                << start << unit;
            EXPECT_EQ(offer, nullptr);
        }
}

} // namespace
