/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passwords in memory: after a login all that the process can write to is looked through, freed memory
 * included (AddressSanitizer keeps it a while). The other side is another process; what is looked for
 * stands here only with each octet turned.
 */
#include "session.h"

#include <fcntl.h>
#include <functional>
#include <sys/mman.h>
#include <sys/wait.h>
#include <vector>

extern "C" {
#include "daemon/upstream/imap.h"
#include "daemon/upstream/pop3.h"
#include "daemon/upstream/smtp.h"
}

namespace
{

const guint8 TURN = 0x5a;

/* Text that isn't to be found, but can be had for a moment. */
class Secret
{
  public:
    explicit Secret(char *text) /* wipes it */
    {
        for (size = strlen(text); turned.size() < size;)
            turned.push_back((char)(text[turned.size()] ^ TURN));
        explicit_bzero(text, size);
    }
    /* To be given to forget(). */
    char *tell() const
    {
        auto text = (char *)malloc(size + 1);
        for (size_t i = 0; i < size; i++)
            text[i] = (char)(turned[i] ^ TURN);
        text[size] = 0;
        return text;
    }
    static void forget(char *text)
    {
        explicit_bzero(text, strlen(text));
        free(text);
    }
    char first() const
    {
        return (char)(turned[0] ^ TURN);
    }
    bool is_at(const char *at) const
    {
        for (size_t i = 0; i < size; i++)
            if ((at[i] ^ TURN) != turned[i])
                return false;
        return true;
    }
    size_t size = 0;

  private:
    std::string turned;
};

/* Where in this process's memory it stands. */
std::vector<std::string> places(const Secret &secret)
{
    const size_t piece = 1 << 20;
    auto buffer =
        (char *)mmap(nullptr, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    std::vector<std::string> found;
    char line[512];
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char rights[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) != 3 || rights[1] != 'w' ||
            (start <= (unsigned long)buffer && (unsigned long)buffer < end) ||
            end - start > (1ul << 32))
            continue;
        for (unsigned long at = start; at < end; at += piece - secret.size) {
            ssize_t n = pread(memory, buffer, piece, (off_t)at);
            const char *last = buffer + n - secret.size;
            for (const char *at = buffer; at <= last; at++) {
                at = (const char *)memchr(at, secret.first(), (size_t)(last - at) + 1);
                if (!at)
                    break;
                if (secret.is_at(at))
                    found.push_back(line);
            }
            if (n < (ssize_t)piece)
                break;
        }
    }
    fclose(maps);
    close(memory);
    munmap(buffer, piece);
    return found;
}

Secret random_secret(const char *before)
{
    char text[64];
    snprintf(text, sizeof text, "%s%08x%08x%08x", before, g_random_int(), g_random_int(),
             g_random_int());
    return Secret(text);
}

/* What stands in PLAIN's message for "ada": its base64 from the password on, but for the ends. */
Secret encoded(const Secret &secret, const std::string &before)
{
    char *text = secret.tell();
    size_t length = before.size() + secret.size;
    auto plain = (char *)malloc(length);
    memcpy(plain, before.data(), before.size());
    memcpy(plain + before.size(), text, secret.size);
    char *all = g_base64_encode((const guchar *)plain, length);
    size_t from = (before.size() + 2) / 3 * 4, to = length / 3 * 4;
    char *middle = g_strndup(all + from, to - from);
    Secret result(middle);
    explicit_bzero(plain, length);
    explicit_bzero(all, strlen(all));
    Secret::forget(text);
    free(plain);
    g_free(all);
    g_free(middle);
    return result;
}

/* Runs the other side in a process of its own; gives our end. */
int other_side(const std::function<void(int)> &run, pid_t *child)
{
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *child = fork();
    if (*child == 0) {
        close(fds[0]);
        run(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    return fds[0];
}

/* Says each line when one has come from the other side. */
std::function<void(int)> script(std::vector<std::string> lines)
{
    return [lines](int fd) {
        FILE *stream = fdopen(fd, "r+");
        char got[8192];
        for (size_t i = 0; i < lines.size(); i++) {
            if (write(fd, lines[i].data(), lines[i].size()) < 0 || !fgets(got, sizeof got, stream))
                return;
        }
    };
}

class Leaks : public SessionTest
{
  protected:
    void expect_none(const Secret &secret, const char *what)
    {
        for (const std::string &where : places(secret))
            ADD_FAILURE() << what << " is in " << where;
    }
};

} // namespace

TEST_F(Leaks, TheSearchFindsWhatIsThere)
{
    Secret secret = random_secret("x");
    char *text = secret.tell();
    EXPECT_EQ(places(secret).size(), 1u);
    Secret::forget(text);
    EXPECT_EQ(places(secret).size(), 0u);
}

TEST_F(Leaks, AProvidersPasswordIsNowhereAfterTheLogin)
{
    const struct {
        const char *name;
        std::vector<std::string> says;
        bool oauth2;
    } cases[] = {
        {"PLAIN at once",
         {"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n",
          "A1 OK [CAPABILITY IMAP4rev1] in\r\n"}},
        {"PLAIN asked",
         {"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", "+ \r\n",
          "A1 OK [CAPABILITY IMAP4rev1] in\r\n"}},
        {"LOGIN", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "A1 OK [CAPABILITY IMAP4rev1] in\r\n"}},
        {"XOAUTH2",
         {"* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hi\r\n",
          "A1 OK [CAPABILITY IMAP4rev1] in\r\n"},
         true},
    };
    for (const auto &one : cases) {
        Secret secret = random_secret("provider-");
        Secret base64 = encoded(secret, one.oauth2 ? std::string("user=ada\1auth=Bearer ")
                                                   : std::string("\0ada\0", 5));
        pid_t child;
        int fd = other_side(script(one.says), &child);
        g_autoptr(NetEndpoint) endpoint =
            net_endpoint_parse("imap+insecure://127.0.0.1:143", nullptr);
        char *password = secret.tell();
        UpstreamLogin options = {};
        options.endpoint = endpoint;
        options.user = "ada";
        options.secret = password;
        options.oauth2 = one.oauth2;
        options.timeout = 10;
        g_autoptr(NetCancel) cancel = net_cancel_new();
        g_autoptr(GError) error = nullptr;
        ImapClient *client =
            imap_client_start(net_stream_new(fd, "imap", cancel), &options, nullptr, &error);
        EXPECT_NE(client, nullptr) << one.name << ": " << error->message;
        Secret::forget(password);
        expect_none(secret, one.name);
        expect_none(base64, one.name);
        imap_client_free(client);
        expect_none(secret, one.name);
        waitpid(child, nullptr, 0);
    }
}

TEST_F(Leaks, AProvidersPasswordIsNowhereWhateverTheProtocolAndMechanism)
{
    const struct {
        const char *name;
        const char *url;
        std::vector<std::string> says;
    } cases[] = {
        {"IMAP LOGIN mechanism",
         "imap",
         {"* OK [CAPABILITY IMAP4rev1 AUTH=LOGIN SASL-IR] hi\r\n", "+ VXNlcm5hbWU6\r\n",
          "+ UGFzc3dvcmQ6\r\n", "A1 OK [CAPABILITY IMAP4rev1] in\r\n"}},
        {"SMTP PLAIN", "submission", {"220 hi\r\n", "250-hi\r\n250 AUTH PLAIN\r\n", "235 in\r\n"}},
        {"SMTP LOGIN",
         "submission",
         {"220 hi\r\n", "250-hi\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n",
          "334 UGFzc3dvcmQ6\r\n", "235 in\r\n"}},
        {"POP3 PLAIN",
         "pop3",
         {"+OK hi\r\n", "+OK\r\nSASL PLAIN\r\n.\r\n", "+ \r\n", "+OK in\r\n"}},
        {"POP3 PASS", "pop3", {"+OK hi\r\n", "+OK\r\nUSER\r\n.\r\n", "+OK\r\n", "+OK in\r\n"}},
        // A challenge that isn't for us: the password was prepared and hashed, or wasn't needed.
        {"IMAP SCRAM",
         "imap",
         {"* OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 SASL-IR] hi\r\n",
          "+ cj14LHM9QUFBQSxpPTQwOTY=\r\n", "A1 BAD ended\r\n"}},
    };
    for (const auto &one : cases) {
        Secret secret = random_secret("provider-");
        Secret base64 = encoded(secret, std::string("\0ada\0", 5));
        Secret alone = encoded(secret, "");
        pid_t child;
        int fd = other_side(script(one.says), &child);
        g_autofree char *url = g_strdup_printf("%s+insecure://127.0.0.1:143", one.url);
        g_autoptr(NetEndpoint) endpoint = net_endpoint_parse(url, nullptr);
        char *password = secret.tell();
        SmtpClientOptions options = {};
        options.login.endpoint = endpoint;
        options.login.user = "ada";
        options.login.secret = password;
        options.login.timeout = 10;
        g_autoptr(NetCancel) cancel = net_cancel_new();
        NetStream *stream = net_stream_new(fd, one.url, cancel);
        if (g_str_equal(one.url, "imap"))
            imap_client_free(imap_client_start(stream, &options.login, nullptr, nullptr));
        else if (g_str_equal(one.url, "pop3"))
            pop3_client_free(pop3_client_start(stream, &options.login, nullptr));
        else
            smtp_client_free(smtp_client_start(stream, &options, nullptr));
        Secret::forget(password);
        expect_none(secret, one.name);
        expect_none(base64, one.name);
        expect_none(alone, one.name);
        waitpid(child, nullptr, 0);
    }
}

TEST_F(Leaks, ALocalPasswordIsNowhereAfterTheLogin)
{
    const struct {
        const char *name;
        ServeFunction serve;
        const char *before, *after; /* around the password, or its PLAIN message */
        bool plain;
    } cases[] = {
        {"IMAP LOGIN", serve_imap, "a LOGIN work ", "", false},
        {"IMAP LOGIN quoted", serve_imap, "a LOGIN work \"", "\"", false},
        {"IMAP LOGIN literal", serve_imap, "a LOGIN work {35+}\r\n", "", false},
        {"IMAP PLAIN", serve_imap, "a AUTHENTICATE PLAIN ", "", true},
        {"IMAP PLAIN asked", serve_imap, "a AUTHENTICATE PLAIN\r\n", "", true},
        {"POP3 PASS", serve_pop3, "USER work\r\nPASS ", "", false},
        {"POP3 PLAIN", serve_pop3, "AUTH PLAIN ", "", true},
        {"SMTP PLAIN", serve_submission, "EHLO x\r\nAUTH PLAIN ", "", true},
        {"SMTP PLAIN asked", serve_submission, "EHLO x\r\nAUTH PLAIN\r\n", "", true},
    };
    for (const auto &one : cases) {
        Secret secret = random_secret("local-pass-");
        Secret base64 = encoded(secret, std::string("\0work\0", 6));
        pid_t child;
        int fd = other_side(
            [&](int end) {
                char *text = secret.tell();
                std::string said = text;
                if (one.plain) {
                    std::string plain = std::string("\0work\0", 6) + text;
                    said = g_base64_encode((const guchar *)plain.data(), plain.size());
                }
                said = one.before + said + one.after + "\r\n";
                char buffer[4096];
                (void)!write(end, said.data(), said.size());
                shutdown(end, SHUT_WR);
                while (read(end, buffer, sizeof buffer) > 0)
                    continue;
            },
            &child);
        g_autoptr(NetCancel) cancel = net_cancel_new();
        g_autoptr(NetStream) stream = net_stream_new(fd, "client", cancel);
        one.serve(stream, &daemon, nullptr);
        expect_none(secret, one.name);
        expect_none(base64, one.name);
        waitpid(child, nullptr, 0);
    }
}
