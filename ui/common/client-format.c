/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ready configurations for mail programs, the safest way each of them can: the account's socket
 * where a program runs a command, else TLS with Postern's authority.
 */
#include "ui/common/client-format.h"

#include "daemon/words/words.h"
#include "ui/common/offer.h"

#include <string.h>

/* @WORD@ is filled in. */
static const struct {
    const char *name;
    const char *text;
} formats[] = {
    {"aerc", "# accounts.conf; start it as: SSL_CERT_FILE=@CA@ aerc\n"
             "[@ID@]\n"
             "source = imaps://@ID@:@PASSWORD@@localhost:@IMAPS@\n"
             "outgoing = smtps://@ID@:@PASSWORD@@localhost:@SUBMISSIONS@\n"
             "from = \"@NAME@\" <@ADDRESS@>\n"
             "default = INBOX\n"
             "copy-to = Sent\n"},
    {"evolution",
     "# Edit > Accounts > Add; the certificate is asked about once: accept permanently\n"
     "Receiving: IMAP, server localhost, port @IMAPS@, user name @ID@,\n"
     "           TLS on a dedicated port, Password\n"
     "Sending:   SMTP, server localhost, port @SUBMISSIONS@, requires authentication,\n"
     "           TLS on a dedicated port, PLAIN, user name @ID@\n"
     "Address:   @ADDRESS@\n"
     "Password:  @PASSWORD@\n"},
    {"fetchmail", "# .fetchmailrc\n"
                  "poll localhost protocol imap port @IMAPS@\n"
                  "  user \"@ID@\" password \"@PASSWORD@\"\n"
                  "  ssl sslcertck sslcertfile \"@CA@\"\n"
                  "  keep\n"},
    {"getmail", "# getmailrc\n"
                "[retriever]\n"
                "type = SimpleIMAPSSLRetriever\n"
                "server = localhost\n"
                "port = @IMAPS@\n"
                "username = @ID@\n"
                "password = @PASSWORD@\n"
                "ca_certs = @CA@\n"
                "[destination]\n"
                "type = Maildir\n"
                "path = ~/Maildir/\n"},
    {"mbsync", "# .mbsyncrc; make its folder first: mkdir -p ~/Mail\n"
               "IMAPStore postern-@ID@\n"
               "Tunnel \"posternctl connect imap @ID@\"\n"
               "\n"
               "MaildirStore local-@ID@\n"
               "Path ~/Mail/\n"
               "Inbox ~/Mail/INBOX\n"
               "SubFolders Verbatim\n"
               "\n"
               "Channel @ID@\n"
               "Far :postern-@ID@:\n"
               "Near :local-@ID@:\n"
               "Patterns *\n"
               "Create Both\n"
               "Expunge Both\n"
               "SyncState *\n"},
    {"msmtp", "# .msmtprc\n"
              "account @ID@\n"
              "host localhost\n"
              "port @SUBMISSIONS@\n"
              "tls on\n"
              "tls_starttls off\n"
              "tls_trust_file @CA@\n"
              "auth on\n"
              "user @ID@\n"
              "password @PASSWORD@\n"
              "from @ADDRESS@\n"
              "account default : @ID@\n"},
    {"mutt", "# .muttrc; neither port nor password is needed\n"
             "set folder = \"imap://@ID@@localhost/\"\n"
             "set spoolfile = \"+INBOX\"\n"
             "set tunnel = \"posternctl connect imap @ID@\"\n"
             "set from = \"@ADDRESS@\"\n"
             "set realname = \"@NAME@\"\n"
             "set use_envelope_from = yes\n"
             "set sendmail = \"posternctl sendmail -a @ID@ -oi\"\n"
             "set record = \"+Sent\"\n"},
    {"offlineimap", "# .offlineimaprc\n"
                    "[general]\n"
                    "accounts = @ID@\n"
                    "[Account @ID@]\n"
                    "localrepository = @ID@-here\n"
                    "remoterepository = @ID@-postern\n"
                    "[Repository @ID@-here]\n"
                    "type = Maildir\n"
                    "localfolders = ~/OfflineIMAP\n"
                    "[Repository @ID@-postern]\n"
                    "type = IMAP\n"
                    "preauthtunnel = posternctl connect imap @ID@\n"},
    {"thunderbird", "// user.js of a new profile. Import @CA@\n"
                    "// as an authority (Settings > Privacy & Security > Certificates); the "
                    "password is asked for\n"
                    "// once, it is: @PASSWORD@\n"
                    "user_pref(\"mail.accountmanager.accounts\", \"account1\");\n"
                    "user_pref(\"mail.accountmanager.defaultaccount\", \"account1\");\n"
                    "user_pref(\"mail.account.account1.server\", \"server1\");\n"
                    "user_pref(\"mail.account.account1.identities\", \"id1\");\n"
                    "user_pref(\"mail.identity.id1.fullName\", \"@NAME@\");\n"
                    "user_pref(\"mail.identity.id1.useremail\", \"@ADDRESS@\");\n"
                    "user_pref(\"mail.identity.id1.smtpServer\", \"smtp1\");\n"
                    "user_pref(\"mail.identity.id1.valid\", true);\n"
                    "user_pref(\"mail.server.server1.type\", \"imap\");\n"
                    "user_pref(\"mail.server.server1.name\", \"@ADDRESS@\");\n"
                    "user_pref(\"mail.server.server1.hostname\", \"localhost\");\n"
                    "user_pref(\"mail.server.server1.port\", @IMAPS@);\n"
                    "user_pref(\"mail.server.server1.socketType\", 3);\n"
                    "user_pref(\"mail.server.server1.authMethod\", 3);\n"
                    "user_pref(\"mail.server.server1.userName\", \"@ID@\");\n"
                    "user_pref(\"mail.server.server1.login_at_startup\", true);\n"
                    "user_pref(\"mail.smtpservers\", \"smtp1\");\n"
                    "user_pref(\"mail.smtp.defaultserver\", \"smtp1\");\n"
                    "user_pref(\"mail.smtpserver.smtp1.hostname\", \"localhost\");\n"
                    "user_pref(\"mail.smtpserver.smtp1.port\", @SUBMISSIONS@);\n"
                    "user_pref(\"mail.smtpserver.smtp1.try_ssl\", 3);\n"
                    "user_pref(\"mail.smtpserver.smtp1.authMethod\", 3);\n"
                    "user_pref(\"mail.smtpserver.smtp1.username\", \"@ID@\");\n"},
};

/* What both of two programs read. */
static const char *const same[][2] = {{"neomutt", "mutt"}};

static const char *find_format(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(same); i++)
        name = strcmp(same[i][0], name) == 0 ? same[i][1] : name;
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].text;
    }
    return NULL;
}

static char *list_names(void)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
        g_string_append_printf(names, "%s, ", formats[i].name);
    for (guint i = 0; i < G_N_ELEMENTS(same); i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "", same[i][0]);
    return g_string_free(names, FALSE);
}

GVariant *client_listener(GVariant *listeners, const char *protocol, gboolean tls)
{
    for (gsize i = 0; listeners && i < g_variant_n_children(listeners); i++) {
        g_autoptr(GVariant) listener = g_variant_get_child_value(listeners, i);
        if (strcmp(offer_string(listener, "Protocol"), protocol) == 0 &&
            (strcmp(offer_string(listener, "Security"), "tls") == 0) == tls &&
            !*offer_string(listener, "Error"))
            return g_steal_pointer(&listener);
    }
    return NULL;
}

/* The port of the listener with TLS; NULL: there is none that works. */
static char *tls_port(GVariant *listeners, const char *protocol)
{
    g_autoptr(GVariant) listener = client_listener(listeners, protocol, TRUE);
    guint16 port = 0;

    return listener && g_variant_lookup(listener, "Port", "q", &port) ? g_strdup_printf("%u", port)
                                                                      : NULL;
}

/* Any of the programs may have its own idea of what these mean. */
static char *plain_text(const char *text)
{
    return g_strdelimit(words_line(text, -1), "\"\\`$'", ' ');
}

char *client_format(const char *program, const ClientFormat *client, GError **error)
{
    const char *format = find_format(program);
    g_autofree char *imaps = tls_port(client->servers, "imap");
    g_autofree char *submissions = tls_port(client->servers, "submission");
    g_autofree char *name = plain_text(client->name);
    const char *password =
        client->password ? client->password : "a local password; --new-password makes one";
    const char *const words[][2] = {
        {"@ID@", client->id},          {"@ADDRESS@", client->address}, {"@NAME@", name},
        {"@CA@", client->authority},   {"@PASSWORD@", password},       {"@IMAPS@", imaps},
        {"@SUBMISSIONS@", submissions}};

    if (!format) {
        g_autofree char *names = list_names();
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "“%s” is none of the programs that there is a configuration for: %s", program,
                    names);
        return NULL;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *at = format; *at;) {
        guint i = 0;
        while (i < G_N_ELEMENTS(words) && !g_str_has_prefix(at, words[i][0]))
            i++;
        if (i == G_N_ELEMENTS(words)) {
            g_string_append_c(text, *at++);
            continue;
        }
        if (!words[i][1]) {
            g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                                "no port with TLS is open; 'posternctl status' may say why");
            return NULL;
        }
        g_string_append(text, words[i][1]);
        at += strlen(words[i][0]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
