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
