// SPDX-License-Identifier: GPL-3.0-or-later
// Accounts of GNOME Online Accounts: what is read of them, and whom their secrets are given to. The service is
// this process, on a bus of its own, with the interfaces as GNOME's introspection has them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bus-peer.h"

extern "C" {
#include "daemon/config/config.h"
#include "daemon/config/goa.h"
#include "daemon/config/secret.h"
}

namespace
{

const char *const XML = R"(<node>
<interface name="org.freedesktop.DBus.ObjectManager"><method name="GetManagedObjects">
  <arg type="a{oa{sa{sv}}}" direction="out"/></method></interface>
<interface name="org.gnome.OnlineAccounts.Account"><method name="EnsureCredentials">
  <arg name="expires_in" type="i" direction="out"/></method></interface>
<interface name="org.gnome.OnlineAccounts.OAuth2Based"><method name="GetAccessToken">
  <arg name="access_token" type="s" direction="out"/><arg name="expires_in" type="i" direction="out"/></method></interface>
<interface name="org.gnome.OnlineAccounts.PasswordBased"><method name="GetPassword">
  <arg name="id" type="s" direction="in"/><arg name="password" type="s" direction="out"/></method></interface>
</node>)";

// What the service says and does.
struct Gnome {
    std::string objects, secret = "ya29.tok";
    int refusals = 0; // of EnsureCredentials, as not authorized
    std::vector<std::string> calls;
    BusPeer peer; // the last, so that it goes first

    static void called(GDBusConnection *, const char *, const char *, const char *,
                       const char *method, GVariant *arguments, GDBusMethodInvocation *invocation,
                       gpointer data)
    {
        auto self = static_cast<Gnome *>(data);
        std::string name = method;
        if (name == "GetManagedObjects") {
            g_autoptr(GVariant) objects = g_variant_parse(
                G_VARIANT_TYPE("a{oa{sa{sv}}}"), self->objects.c_str(), nullptr, nullptr, nullptr);
            g_assert_nonnull(objects);
            g_dbus_method_invocation_return_value(invocation,
                                                  g_variant_new("(@a{oa{sa{sv}}})", objects));
            return;
        }
        const char *which = "";
        if (name == "GetPassword")
            g_variant_get(arguments, "(&s)", &which);
        self->calls.push_back(name + (*which ? std::string(":") + which : ""));
        if (name == "EnsureCredentials" && self->refusals-- > 0)
            g_dbus_method_invocation_return_dbus_error(
                invocation, "org.gnome.OnlineAccounts.Error.NotAuthorized", "no");
        else if (name == "EnsureCredentials")
            g_dbus_method_invocation_return_value(invocation, g_variant_new("(i)", 3600));
        else if (name == "GetAccessToken")
            g_dbus_method_invocation_return_value(
                invocation, g_variant_new("(si)", self->secret.c_str(), 3600));
        else
            g_dbus_method_invocation_return_value(invocation,
                                                  g_variant_new("(s)", self->secret.c_str()));
    }

    void serve(const char *path, GDBusNodeInfo *info)
    {
        static const GDBusInterfaceVTable table = {called, nullptr, nullptr, {}};
        for (GDBusInterfaceInfo **interface = info->interfaces; *interface; interface++)
            peer.serve(path, *interface, &table, this);
    }

    explicit Gnome(const char *address) : peer(address)
    {
        GDBusNodeInfo *info = g_dbus_node_info_new_for_xml(XML, nullptr);
        serve("/org/gnome/OnlineAccounts", info);
        serve("/org/gnome/OnlineAccounts/Accounts/account_1", info);
        g_dbus_node_info_unref(info);
        peer.start("org.gnome.OnlineAccounts");
    }
};

std::string object(const std::string &mail, const std::string &more,
                   const std::string &account = "")
{
    return "{'/org/gnome/OnlineAccounts/Accounts/account_1': {'org.gnome.OnlineAccounts.Account': "
           "{'Id': "
           "<'account_1'>, 'ProviderName': <'Google'>" +
           account + "}, 'org.gnome.OnlineAccounts.Mail': {'EmailAddress': <'ada@example.org'>, " +
           mail + "}" + more + "}}";
}

const std::string MAIL =
    "'ImapSupported': <true>, 'ImapHost': <'imap.example.org'>, 'ImapUseSsl': <true>, "
    "'ImapUserName': <'ada'>, 'SmtpSupported': <true>, 'SmtpHost': <'smtp.example.org'>, "
    "'SmtpUseSsl': <true>, 'SmtpUseTls': <true>";
const std::string TOKENS = ", 'org.gnome.OnlineAccounts.OAuth2Based': {'ClientId': <'x'>}";
const std::string PASSWORDS = ", 'org.gnome.OnlineAccounts.PasswordBased': {}";

class Goa : public ::testing::Test
{
  protected:
    static void SetUpTestSuite()
    {
        bus = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(bus);
    }
    static void TearDownTestSuite()
    {
        g_test_dbus_stop(bus);
        g_object_unref(bus);
    }

    // The secret of an account in the configuration, or why there is none.
    std::string secret(const std::string &lines, bool outgoing = false, int *code = nullptr)
    {
        g_autoptr(Config) config = config_parse(
            "postern.conf",
            ("[account work]\naddress=ada@example.org\nincoming=imaps://imap.example.org\n"
             "outgoing=submissions://smtp.example.org\ngoa=account_1\n" +
             lines)
                .c_str(),
            nullptr);
        const ConfigAccount *account = config_find(config, "work");
        if (!account->settings)
            return account->error;
        g_autoptr(Secrets) secrets = secrets_new(0);
        g_autoptr(GError) error = nullptr;
        char *found = secrets_password(account->settings, outgoing, secrets, &error);
        std::string result = found ? found : error->message;
        EXPECT_TRUE(found || error->domain == ACCOUNT_ERROR_DOMAIN);
        if (code)
            *code = error ? error->code : -1;
        account_password_free(found);
        return result;
    }

    static GTestDBus *bus;
};
GTestDBus *Goa::bus;

TEST_F(Goa, WhatItSaysOfAnAccountBecomesServers)
{
    const struct {
        std::string mail, more, account;
        const char *incoming, *outgoing; // NULL: no account
    } cases[] = {
        {MAIL, TOKENS, "", "imaps://imap.example.org", "submissions://smtp.example.org"},
        {"'ImapSupported': <true>, 'ImapHost': <'h.example.org:1993'>, 'ImapUseTls': <true>",
         PASSWORDS, "", "imap://h.example.org:1993", nullptr},
        {"'ImapSupported': <true>, 'ImapHost': <'h.example.org'>", PASSWORDS, "", nullptr,
         nullptr},                                                  // no TLS
        {"'ImapSupported': <false>", TOKENS, "", nullptr, nullptr}, // Microsoft's Graph
        {MAIL, TOKENS, ", 'MailDisabled': <true>", nullptr, nullptr},
        {"'ImapSupported': <true>, 'ImapHost': <'a b\\nc'>, 'ImapUseSsl': <true>", TOKENS, "",
         nullptr, nullptr},
    };
    for (const auto &one : cases) {
        Gnome gnome(g_test_dbus_get_bus_address(bus));
        gnome.objects = object(one.mail, one.more, one.account);
        for (const char *wanted : {"account_1", "Ada@example.org"}) {
            g_autoptr(GoaAccount) account = goa_find(wanted);
            ASSERT_EQ(!!account, one.incoming != nullptr) << one.mail;
            if (!account)
                continue;
            EXPECT_STREQ(account->incoming, one.incoming);
            EXPECT_STREQ(account->outgoing, one.outgoing);
            EXPECT_EQ(account->oauth2, one.more == TOKENS);
        }
        EXPECT_EQ(goa_find("bob@example.org"), nullptr);
    }
    EXPECT_EQ(goa_find("ada@example.org"), nullptr); // nobody is there
}

TEST_F(Goa, TokensAndPasswordsAreAskedForWhenTheyAreNeeded)
{
    Gnome gnome(g_test_dbus_get_bus_address(bus));
    gnome.objects = object(MAIL, TOKENS);
    EXPECT_EQ(secret("auth=oauth2\n"), "ya29.tok");
    gnome.secret = "another";
    EXPECT_EQ(secret("auth=oauth2\n", true), "another");
    gnome.objects = object(MAIL, PASSWORDS);
    EXPECT_EQ(secret(""), "another");
    EXPECT_EQ(secret("", true), "another");
    EXPECT_EQ(gnome.calls, (std::vector<std::string>{
                               "EnsureCredentials", "GetAccessToken", "EnsureCredentials",
                               "GetAccessToken", "EnsureCredentials", "GetPassword:imap-password",
                               "EnsureCredentials", "GetPassword:smtp-password"}));
}

TEST_F(Goa, OnceItIsAskedAgainAndThenTheUserIsToSignIn)
{
    Gnome gnome(g_test_dbus_get_bus_address(bus));
    int code;
    gnome.objects = object(MAIL, TOKENS);
    gnome.refusals = 1;
    EXPECT_EQ(secret("auth=oauth2\n"), "ya29.tok");
    gnome.refusals = 2;
    EXPECT_NE(secret("auth=oauth2\n", false, &code).find("sign in again in GNOME's settings"),
              std::string::npos);
    EXPECT_EQ(code, ACCOUNT_SECRET_MISSING);
}

TEST_F(Goa, WhatItKeepsGoesToNoOtherServer)
{
    const std::string mails[] = {
        "'ImapSupported': <true>, 'ImapHost': <'imap.elsewhere.example'>, 'ImapUseSsl': <true>",
        "'ImapSupported': <true>, 'ImapHost': <'imap.example.org:994'>, 'ImapUseSsl': <true>",
    };
    for (const std::string &mail : mails) {
        Gnome gnome(g_test_dbus_get_bus_address(bus));
        int code;
        gnome.objects = object(mail, TOKENS);
        EXPECT_NE(secret("auth=oauth2\n", false, &code).find("goes to no other server"),
                  std::string::npos);
        EXPECT_EQ(code, ACCOUNT_SECRET_MISSING);
        EXPECT_NE(secret("auth=oauth2\n", true, &code).find("goes to no other server"),
                  std::string::npos);
        EXPECT_TRUE(gnome.calls.empty());
    }
}

TEST_F(Goa, WithoutItTheAccountIsLockedAndWithoutTheAccountItSaysSo)
{
    int code;
    EXPECT_NE(secret("", false, &code).find("can't be asked now"), std::string::npos);
    EXPECT_EQ(code, ACCOUNT_SECRET_LOCKED);
    Gnome gnome(g_test_dbus_get_bus_address(bus));
    gnome.objects = "@a{oa{sa{sv}}} {}";
    EXPECT_NE(secret("", false, &code).find("has no account account_1"), std::string::npos);
    EXPECT_EQ(code, ACCOUNT_SECRET_MISSING);
    gnome.objects = object(MAIL, TOKENS);
    gnome.secret = "";
    EXPECT_NE(secret("auth=oauth2\n", false, &code).find("empty"), std::string::npos);
    EXPECT_EQ(code, ACCOUNT_SECRET_LOCKED);
}

TEST_F(Goa, TheKeyGoesAlone)
{
    EXPECT_NE(secret("password-command=x\n").find("take the other lines"), std::string::npos);
    EXPECT_NE(secret("auth=oauth2\ntoken-command=x\n").find("take the other lines"),
              std::string::npos);
    EXPECT_NE(secret("goa=../x\n").find("isn't an account's ID"), std::string::npos);
}

} // namespace
