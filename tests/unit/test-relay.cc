/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queued mail reaches the provider once, whatever the provider and the network do. */
#include <gtest/gtest.h>

#include <glib.h>

#include <arpa/inet.h>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <netinet/tcp.h>
#include <poll.h>
#include <set>
#include <signal.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
#include "cache/change.h"
#include "cache/folder.h"
#include "daemon/proto/smtp/data.h"
#include "daemon/relay/copy.h"
#include "daemon/relay/outcome.h"
#include "daemon/relay/relay.h"
}

namespace
{

/* ---- a provider that does as it is told ------------------------------------------------------ */

struct Delivery {
    std::string from, data;
    std::vector<std::string> to;
    std::string said; /* when it was taken */
};

/*
 * An SMTP server. Stages are CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, TEXT (within the
 * message), DOT (the message is here, but not stored), STORED (it is, but not answered).
 */
class Provider
{
  public:
    Provider()
    {
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
        socklen_t length = sizeof address;
        getsockname(listener, (struct sockaddr *)&address, &length);
        port = ntohs(address.sin_port);
        EXPECT_EQ(listen(listener, 10), 0);
        cancel = net_cancel_new();
        acceptor = std::thread([this] { accept_all(); });
    }

    ~Provider()
    {
        net_cancel_trigger(cancel);
        acceptor.join();
        for (auto &thread : sessions)
            thread.join();
        close(listener);
        net_cancel_unref(cancel);
        if (tls)
            net_tls_server_unref(tls);
    }

    /* What it answers at a stage in place of what is usual; "": closes, "...": says nothing. */
    void at(const std::string &stage, const std::string &answer)
    {
        std::lock_guard<std::mutex> guard(lock);
        answers[stage] = answer;
    }

    void well()
    {
        std::lock_guard<std::mutex> guard(lock);
        answers.clear();
    }

    std::vector<Delivery> delivered()
    {
        std::lock_guard<std::mutex> guard(lock);
        return deliveries;
    }

    std::vector<std::string> heard()
    {
        std::lock_guard<std::mutex> guard(lock);
        return lines;
    }

    int count(const std::string &prefix)
    {
        int n = 0;
        for (auto &line : heard())
            n += line.compare(0, prefix.size(), prefix) == 0;
        return n;
    }

    /* Asked at each stage, under the lock: gives the answer in place of the one it is given.
     * "<drip>" in front of it is said every half second for ever, "<wait>" in front of it takes two seconds, "<half>" lacks its end and is the last that is
     * heard, "<close>" is the last of the connection. */
    using Script = std::function<std::string(const std::string &stage, const std::string &usual)>;
    /* Told, under the lock, when a message was taken: its text and for whom; or when nothing came
     * any more on a connection after what was answered then. */
    using Tell = std::function<void(const Delivery &mail)>;

    void play(Script new_script, Tell new_taken = nullptr, Tell new_unheard = nullptr)
    {
        std::lock_guard<std::mutex> guard(lock);
        script = new_script;
        taken = new_taken;
        unheard = new_unheard;
    }

    /* Waits until everybody who was served has gone. */
    void come_to_rest()
    {
        while (served < connections)
            g_usleep(1000);
    }

    std::vector<std::string> extensions = {"PIPELINING",    "8BITMIME", "SMTPUTF8",
                                           "SIZE 30000000", "DSN",      "AUTH PLAIN LOGIN"};
    NetTlsServer *tls = nullptr;
    guint16 port;
    std::atomic<int> connections{0};
    std::string password = "secret";

  private:
    void accept_all()
    {
        struct pollfd fds[2] = {{listener, POLLIN, 0}, {net_cancel_fd(cancel), POLLIN, 0}};
        while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
            int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections++;
            sessions.emplace_back([this, fd] {
                g_autoptr(NetStream) stream = net_stream_new(fd, "relay", cancel);
                serve(stream);
                served++;
            });
        }
    }

    /* Until the other side has gone. */
    static void listen_in_silence(NetStream *stream)
    {
        gsize length;
        net_stream_set_timeout(stream, 1000);
        while (net_stream_peek(stream, &length, nullptr))
            net_stream_consume(stream, length);
    }

    static bool take_prefix(std::string &text, const std::string &prefix)
    {
        bool has = text.compare(0, prefix.size(), prefix) == 0;
        if (has)
            text = text.substr(prefix.size());
        return has;
    }

    std::string choose(const std::string &stage, const std::string &usual)
    {
        std::lock_guard<std::mutex> guard(lock);
        std::string answer = answers.count(stage) ? answers[stage] : usual;
        return script ? script(stage, answer) : answer;
    }

    /* FALSE: that was the last of the connection. */
    bool utter(NetStream *stream, std::string answer)
    {
        if (take_prefix(answer, "<wait>"))
            net_cancel_sleep(cancel, 2);
        if (take_prefix(answer, "<drip>"))
            while (net_stream_puts(stream, (answer + "x\r\n").c_str(), nullptr) &&
                   net_stream_flush(stream, nullptr) && net_cancel_sleep(cancel, 0.5))
                ;
        bool half = take_prefix(answer, "<half>"), last = take_prefix(answer, "<close>");
        if (answer.empty())
            return false;
        if (answer != "...")
            net_stream_puts(stream, (answer + (half ? "" : "\r\n")).c_str(), nullptr);
        if (!net_stream_flush(stream, nullptr))
            return false;
        if (answer == "..." || half)
            listen_in_silence(stream);
        return !half && !last && answer != "..." && answer.compare(0, 3, "421") != 0;
    }

    /* FALSE: the stage ends the connection. */
    bool say(NetStream *stream, const std::string &stage, const std::string &usual)
    {
        return utter(stream, choose(stage, usual));
    }

    std::string ehlo()
    {
        std::string text = "250-provider.example";
        for (auto &extension : extensions)
            text += "\r\n250-" + extension;
        return text + "\r\n250 HELP";
    }

    bool auth(NetStream *stream, const std::string &arguments)
    {
        std::vector<std::string> got;
        std::string zero(1, '\0');
        auto decode = [](const char *text) {
            gsize size;
            g_autofree guchar *bytes = g_base64_decode(text, &size);
            return std::string((char *)bytes, size);
        };
        bool ok;
        if (arguments.compare(0, 6, "PLAIN ") == 0) {
            ok = decode(arguments.c_str() + 6) == zero + "ada" + zero + password;
        } else {
            for (int i = 0; i < 2; i++) {
                net_stream_puts(stream, "334 VXNlcm5hbWU6\r\n", nullptr);
                net_stream_flush(stream, nullptr);
                const char *line = net_stream_read_line(stream, 1000, nullptr, nullptr);
                got.push_back(line ? decode(line) : "");
            }
            ok = got[0] == "ada" && got[1] == password;
        }
        return say(stream, "AUTH", ok ? "235 2.7.0 yes" : "535 5.7.8 no");
    }

    bool text(NetStream *stream, Delivery *mail, Delivery &last)
    {
        SmtpDataReader reader = {};
        g_autoptr(GByteArray) out = g_byte_array_new();
        while (!reader.done) {
            gsize length;
            const char *piece = net_stream_peek(stream, &length, nullptr);
            if (!piece)
                return false;
            net_stream_consume(stream, smtp_data_read(&reader, piece, length, out));
            std::string interruption = choose("TEXT", "none");
            if (interruption != "none")
                return utter(stream, interruption) && false;
        }
        mail->data = std::string((char *)out->data, out->len);
        std::string refusal = choose("DOT", "none");
        if (refusal != "none")
            return utter(stream, refusal);
        {
            std::lock_guard<std::mutex> guard(lock);
            deliveries.push_back(*mail);
            if (taken)
                taken(*mail);
        }
        last = *mail;
        *mail = {};
        last.said = choose("STORED", "250 2.0.0 taken");
        return utter(stream, last.said);
    }

    bool says(const std::string &stage)
    {
        std::lock_guard<std::mutex> guard(lock);
        return answers.count(stage) > 0;
    }

    void serve(NetStream *stream)
    {
        Delivery last;
        converse(stream, last);
        std::lock_guard<std::mutex> guard(lock);
        if (unheard && !last.data.empty())
            unheard(last);
    }

    /* `last`: what was taken, until a command shows that the answer was heard. */
    void converse(NetStream *stream, Delivery &last)
    {
        Delivery mail;
        if (!say(stream, "CONNECT", "220 provider.example ESMTP"))
            return;
        for (;;) {
            const char *read = net_stream_read_line(stream, 10000, nullptr, nullptr);
            if (!read)
                return;
            std::string line = read, verb = line.substr(0, line.find(' '));
            last = {};
            {
                std::lock_guard<std::mutex> guard(lock);
                lines.push_back(line);
            }
            bool ok;
            if (verb == "EHLO") {
                ok = say(stream, "EHLO", ehlo());
            } else if (verb == "STARTTLS") {
                ok = say(stream, verb, "220 go") && tls &&
                     net_stream_accept_tls(stream, tls, nullptr, nullptr);
            } else if (verb == "AUTH") {
                ok = auth(stream, line.substr(5));
            } else if (verb == "MAIL") {
                mail = {};
                mail.from = line.substr(10);
                ok = say(stream, "MAIL", "250 2.1.0 ok");
            } else if (verb == "RCPT") {
                std::string to = line.substr(8);
                std::string answer =
                    choose(says("RCPT " + to) ? "RCPT " + to : "RCPT", "250 2.1.5 ok");
                if (answer.find("250") == 0 || answer.find("<wait>250") == 0)
                    mail.to.push_back(to);
                ok = utter(stream, answer);
            } else if (verb == "DATA") {
                std::string answer = choose("DATA", "354 go");
                ok = utter(stream, answer) &&
                     (answer.find("354") == std::string::npos || text(stream, &mail, last));
            } else if (verb == "QUIT") {
                say(stream, "QUIT", "221 bye");
                return;
            } else {
                ok = say(stream, verb, verb == "RSET" ? "250 ok" : "500 what?");
            }
            if (!ok)
                return;
        }
    }

    int listener;
    NetCancel *cancel;
    std::thread acceptor;
    std::vector<std::thread> sessions;
    std::mutex lock;
    std::map<std::string, std::string> answers;
    std::vector<Delivery> deliveries;
    std::vector<std::string> lines;
    Script script;
    Tell taken, unheard;
    std::atomic<int> served{0};
};

/* ---- the relay ------------------------------------------------------------------------------- */

class RelayTest : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        signal(SIGPIPE, SIG_IGN); /* as posternd does */
        directory = g_dir_make_tmp("postern-relay-XXXXXX", nullptr);
        path = std::string(directory) + "/queue.db";
        queue = queue_open(path.c_str(), nullptr);
        ASSERT_NE(queue, nullptr);
        settings = g_new0(AccountSettings, 1);
        settings->refs = 1;
        settings->id = g_strdup("work");
        settings->outgoing_user = g_strdup("ada");
        use("submission+insecure://127.0.0.1:");
    }

    void TearDown() override
    {
        relay_free(relay);
        queue_close(queue);
        account_settings_unref(settings);
        net_clock_unref(clock);
        g_autofree char *command = g_strdup_printf("rm -rf '%s'", directory);
        EXPECT_EQ(system(command), 0);
        g_free(directory);
    }

    void use(const std::string &scheme)
    {
        g_clear_pointer(&settings->outgoing, net_endpoint_free);
        settings->outgoing =
            net_endpoint_parse((scheme + std::to_string(provider.port)).c_str(), nullptr);
        ASSERT_NE(settings->outgoing, nullptr);
    }

    void create(NetTlsClient *tls = nullptr)
    {
        RelayOptions options = {};
        options.access.settings = settings;
        options.access.password = get_password;
        options.access.password_data = this;
        options.access.tls = tls;
        options.access.clock = clock;
        options.timeouts = timeouts;
        options.queue = queue;
        options.report = report;
        options.report_data = this;
        options.filing = filing;
        options.failed = failed;
        options.failed_data = failed_data;
        relay = relay_new(&options);
    }

    void start(NetTlsClient *tls = nullptr)
    {
        create(tls);
        relay_set_online(relay, TRUE);
    }

    /* With an INBOX. */
    Cache *open_cache()
    {
        Cache *cache = cache_open((std::string(directory) + "/mail").c_str(), nullptr, nullptr);
        EXPECT_NE(cache, nullptr);
        CacheTxn *txn = cache_begin(cache, CACHE_WRITE_FULL, nullptr);
        cache_folder_create(txn, "INBOX", CACHE_ROLE_INBOX, nullptr);
        EXPECT_TRUE(cache_commit(txn, nullptr));
        return cache;
    }

    void stop()
    {
        g_clear_pointer(&relay, relay_free);
    }

    static char *get_password(const AccountSettings *, gboolean outgoing, gpointer data,
                              GError **error)
    {
        auto test = (RelayTest *)data;
        EXPECT_TRUE(outgoing);
        std::lock_guard<std::mutex> guard(test->lock);
        test->asked++;
        if (!test->password.empty())
            return g_strdup(test->password.c_str());
        g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED, "locked");
        return nullptr;
    }

    static void report(AccountState state, double, const char *message, gpointer data)
    {
        auto test = (RelayTest *)data;
        std::lock_guard<std::mutex> guard(test->lock);
        test->state = state;
        test->message = message ? message : "";
    }

    AccountState reported(std::string *text = nullptr)
    {
        std::lock_guard<std::mutex> guard(lock);
        if (text)
            *text = message;
        return state;
    }

    gint64 add(const std::string &body = "Subject: x\r\n\r\n.hello\r\n",
               std::vector<std::string> to = {"bob@example.com"},
               std::function<void(QueueEntry *)> change = nullptr)
    {
        g_autoptr(QueueEntry) entry = queue_entry_new();
        entry->account = g_strdup("work");
        entry->sender = g_strdup("ada@example.org");
        for (auto &address : to)
            g_ptr_array_add(entry->recipients, queue_recipient_new(address.c_str()));
        entry->size = body.size();
        entry->submitted = 1000;
        if (change)
            change(entry);
        g_autoptr(GBytes) bytes = g_bytes_new(body.data(), body.size());
        EXPECT_TRUE(queue_add(queue, entry, bytes, -1, nullptr));
        return entry->id;
    }

    bool wait(std::function<bool()> condition, double seconds = 300)
    {
        gint64 end = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);
        while (!condition()) {
            if (g_get_monotonic_time() > end)
                return false;
            g_usleep(2000);
        }
        return true;
    }

    QueueState state_of(gint64 id)
    {
        g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
        return entry ? entry->state : QUEUE_SENT;
    }

    bool becomes(gint64 id, QueueState wanted)
    {
        return wait([&] { return state_of(id) == wanted; });
    }

    /* Waits until an attempt is over, and gives the entry. */
    QueueEntry *attempted(gint64 id)
    {
        QueueEntry *entry = nullptr;
        EXPECT_TRUE(wait([&] {
            g_clear_pointer(&entry, queue_entry_free);
            entry = queue_get(queue, id, nullptr);
            return entry && entry->attempts > 0 && entry->state != QUEUE_SENDING;
        }));
        return entry;
    }

    static QueueRecipient *recipient(QueueEntry *entry, guint i)
    {
        return (QueueRecipient *)g_ptr_array_index(entry->recipients, i);
    }

  public:
    char *directory = nullptr;
    std::string path;
    Provider provider;
    Queue *queue = nullptr;
    AccountSettings *settings = nullptr;
    Relay *relay = nullptr;
    RelayFiling *filing = nullptr;
    RelayTold failed = nullptr;
    gpointer failed_data = nullptr;
    NetClock *clock = nullptr; /* the machine's */
    SmtpTimeouts timeouts = {};
    std::mutex lock;
    AccountState state = ACCOUNT_DISABLED;
    std::string message, password = "secret";
    int asked = 0;
};

TEST_F(RelayTest, MailArrivesByteForByteOverOneConnection)
{
    std::string large;
    while (large.size() < 2000000)
        large += ".\r\n..\r\n." + std::to_string(large.size()) + "\r\n";
    gint64 first = add(), second = add(large), third = add("no end of line");
    start();
    EXPECT_TRUE(becomes(third, QUEUE_SENT));
    EXPECT_EQ(state_of(first), QUEUE_SENT);
    EXPECT_EQ(state_of(second), QUEUE_SENT);
    auto mails = provider.delivered();
    ASSERT_EQ(mails.size(), 3u);
    EXPECT_EQ(mails[0].data, "Subject: x\r\n\r\n.hello\r\n");
    EXPECT_EQ(mails[0].from, "<ada@example.org> SIZE=" + std::to_string(mails[0].data.size()));
    EXPECT_EQ(mails[0].to, std::vector<std::string>{"<bob@example.com>"});
    EXPECT_TRUE(mails[1].data == large);
    EXPECT_EQ(mails[2].data, "no end of line\r\n");
    EXPECT_EQ(provider.connections, 1);
    EXPECT_EQ(provider.heard()[0], "EHLO [127.0.0.1]");
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_IDLE; }));
    g_autoptr(QueueEntry) entry = queue_get(queue, first, nullptr);
    EXPECT_EQ(recipient(entry, 0)->state, QUEUE_RECIPIENT_SENT);
    EXPECT_STREQ(recipient(entry, 0)->reply, "250 2.0.0 taken");
    EXPECT_EQ(entry->last_error, nullptr);
}

TEST_F(RelayTest, EachRecipientHasItsOwnFate)
{
    provider.at("RCPT <later@b>", "450 4.2.1 busy");
    provider.at("RCPT <never@b>", "550 5.1.1 who?");
    gint64 id = add("x\r\n", {"now@b", "later@b", "never@b"});
    start();
    g_autoptr(QueueEntry) entry = attempted(id);
    EXPECT_EQ(entry->state, QUEUE_WAITING);
    EXPECT_EQ(recipient(entry, 0)->state, QUEUE_RECIPIENT_SENT);
    EXPECT_EQ(recipient(entry, 1)->state, QUEUE_RECIPIENT_PENDING);
    EXPECT_STREQ(recipient(entry, 1)->reply, "450 4.2.1 busy");
    EXPECT_EQ(recipient(entry, 2)->state, QUEUE_RECIPIENT_FAILED);
    EXPECT_STREQ(recipient(entry, 2)->reply, "550 5.1.1 who?");
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    EXPECT_NEAR((double)entry->next_attempt, (double)now + 60, 15);

    provider.well();
    g_autoptr(QueueEntry) due = queue_get(queue, id, nullptr);
    due->next_attempt = 0;
    ASSERT_TRUE(queue_update(queue, due, nullptr));
    relay_wake(relay);
    EXPECT_TRUE(becomes(id, QUEUE_FAILED));
    auto mails = provider.delivered();
    ASSERT_EQ(mails.size(), 2u);
    EXPECT_EQ(mails[0].to, std::vector<std::string>{"<now@b>"});
    EXPECT_EQ(mails[1].to, std::vector<std::string>{"<later@b>"});
    g_autoptr(QueueEntry) failed = queue_get(queue, id, nullptr);
    EXPECT_STREQ(failed->last_error, "never@b: 550 5.1.1 who?");

    ASSERT_TRUE(queue_retry(queue, id, nullptr));
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_EQ(provider.delivered()[2].to, std::vector<std::string>{"<never@b>"});
}

TEST_F(RelayTest, AnyAnswerAtAnyStageIsTakenAtItsWord)
{
    start();
    for (const char *stage : {"MAIL", "RCPT", "DATA", "DOT"})
        for (const char *answer : {"451 4.3.0 not now", "554 5.6.0 never", "299 4.0.0 odd"}) {
            if (std::string(answer).substr(0, 1) == "2" && std::string(stage) != "DATA")
                continue;
            provider.well();
            provider.at(stage, answer);
            gint64 id = add("x\r\n", {"a@b", "c@d"});
            g_autoptr(QueueEntry) entry = attempted(id);
            bool for_good = answer[0] == '5';
            EXPECT_EQ(entry->state, for_good ? QUEUE_FAILED : QUEUE_WAITING) << stage << answer;
            for (guint i = 0; i < 2; i++) {
                EXPECT_EQ(recipient(entry, i)->state,
                          for_good ? QUEUE_RECIPIENT_FAILED : QUEUE_RECIPIENT_PENDING);
                EXPECT_STREQ(answer[0] == '2' ? answer : recipient(entry, i)->reply, answer);
            }
            ASSERT_NE(entry->last_error, nullptr);
            EXPECT_NE(strstr(entry->last_error, answer), nullptr);
        }
    EXPECT_TRUE(provider.delivered().empty());
}

TEST_F(RelayTest, ALostConnectionBeforeTheEndMeansWaitingAndOneDelivery)
{
    for (const char *stage : {"CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "TEXT"}) {
        size_t before = provider.delivered().size();
        provider.at(stage, "");
        gint64 id = add(std::string(stage) == "TEXT" ? std::string(8000000, 'x') : "x\r\n");
        start();
        EXPECT_TRUE(wait([&] { return provider.connections > 0; })) << stage;
        g_usleep(100000);
        EXPECT_TRUE(becomes(id, QUEUE_WAITING)) << stage;
        stop();
        provider.well();
        ASSERT_TRUE(queue_retry(queue, id, nullptr));
        start();
        EXPECT_TRUE(becomes(id, QUEUE_SENT)) << stage;
        EXPECT_EQ(provider.delivered().size(), before + 1) << stage;
        stop();
        provider.connections = 0;
    }
}

TEST_F(RelayTest, ALostAnswerMeansInDoubtAgainAndSaysSo)
{
    for (const char *stage : {"DOT", "STORED"}) {
        size_t before = provider.delivered().size();
        provider.at(stage, "");
        gint64 id = add("x\r\n", {"a@b", "c@d"});
        start();
        g_autoptr(QueueEntry) entry = attempted(id);
        EXPECT_EQ(entry->state, QUEUE_WAITING);
        gint64 now = g_get_real_time() / G_USEC_PER_SEC;
        EXPECT_NEAR((double)entry->next_attempt, (double)now + 60, 15);
        EXPECT_EQ(recipient(entry, 0)->state, QUEUE_RECIPIENT_UNKNOWN);
        EXPECT_NE(strstr(entry->last_error, "127.0.0.1 was taking this message"), nullptr);
        provider.well();
        relay_wake(relay);
        g_usleep(200000);
        EXPECT_EQ(state_of(id), QUEUE_WAITING);
        entry->next_attempt = 0;
        ASSERT_TRUE(queue_update(queue, entry, nullptr));
        relay_wake(relay);
        EXPECT_TRUE(becomes(id, QUEUE_SENT));
        EXPECT_EQ(provider.delivered().size(), before + (stage[0] == 'S' ? 2 : 1));
        stop();
    }
}

TEST_F(RelayTest, AServerThatSpeaksDuringTheMessageIsHeard)
{
    provider.at("TEXT", "552 5.3.4 too much");
    std::string large(8000000, 'x');
    gint64 id = add(large);
    start();
    g_autoptr(QueueEntry) entry = attempted(id);
    /* Its words may be lost when it closes with our bytes unread. */
    if (entry->state == QUEUE_FAILED)
        EXPECT_STREQ(recipient(entry, 0)->reply, "552 5.3.4 too much");
    else
        EXPECT_EQ(entry->state, QUEUE_WAITING);
}

TEST_F(RelayTest, ARefusedPasswordIsReportedAndNotTriedAgainUntilItIsAnother)
{
    password = "wrong";
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_AUTH_REQUIRED; }));
    std::string text;
    reported(&text);
    EXPECT_EQ(text, "127.0.0.1 refuses the user name or password: 535 5.7.8 no");
    for (int i = 0; i < 3; i++) {
        relay_wake(relay);
        g_usleep(800000);
    }
    EXPECT_EQ(provider.count("AUTH"), 1);
    EXPECT_EQ(state_of(id), QUEUE_WAITING);
    {
        std::lock_guard<std::mutex> guard(lock);
        password = "secret";
    }
    relay_wake(relay);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
}

TEST_F(RelayTest, ALockedPasswordMeansLater)
{
    password = "";
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_LOCKED; }));
    EXPECT_EQ(provider.connections, 0);
    {
        std::lock_guard<std::mutex> guard(lock);
        password = "secret";
    }
    relay_wake(relay);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
}

TEST_F(RelayTest, OldAndSimpleServersWillDo)
{
    provider.extensions = {"AUTH LOGIN"};
    std::vector<std::string> many;
    for (int i = 0; i < 20; i++)
        many.push_back("a" + std::to_string(i) + "@b");
    gint64 id = add("caf\xe9\r\n", many, [](QueueEntry *entry) {
        entry->eightbit = TRUE;
        entry->ret = g_strdup("FULL");
    });
    start();
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    auto mails = provider.delivered();
    ASSERT_EQ(mails.size(), 1u);
    EXPECT_EQ(mails[0].from, "<ada@example.org>");
    EXPECT_EQ(mails[0].to.size(), 20u);
    EXPECT_EQ(mails[0].data, "caf\xe9\r\n");
}

TEST_F(RelayTest, AThousandPipelinedRecipientsBlockNobody)
{
    std::vector<std::string> many;
    for (int i = 0; i < 1000; i++)
        many.push_back(std::string(200, 'x') + std::to_string(i) + "@b");
    gint64 id = add("x\r\n", many);
    start();
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_EQ(provider.delivered()[0].to.size(), 1000u);
}

TEST_F(RelayTest, ExtensionsAreUsedWhereTheyAreOffered)
{
    gint64 id = add("caf\xc3\xa9\r\n", {"jürgen@b"}, [](QueueEntry *entry) {
        entry->eightbit = entry->smtputf8 = TRUE;
        entry->ret = g_strdup("HDRS");
        entry->envid = g_strdup("QQ1");
        auto first = (QueueRecipient *)g_ptr_array_index(entry->recipients, 0);
        first->notify = g_strdup("SUCCESS");
        first->orcpt = g_strdup("rfc822;x");
    });
    start();
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    auto mail = provider.delivered()[0];
    EXPECT_EQ(mail.from, "<ada@example.org> SIZE=7 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ1");
    EXPECT_EQ(mail.to[0], "<jürgen@b> NOTIFY=SUCCESS ORCPT=rfc822;x");
}

TEST_F(RelayTest, WhatTheServerCantTakeFailsWithASentence)
{
    provider.extensions = {"AUTH PLAIN", "SIZE 1000000"};
    auto utf8 = [](QueueEntry *entry) { entry->smtputf8 = TRUE; };
    gint64 plain = add("x\r\n", {"a@b"}, utf8), named = add("x\r\n", {"ä@b"}, utf8);
    gint64 large = add(std::string(1500000, 'x'));
    start();
    EXPECT_TRUE(becomes(large, QUEUE_FAILED));
    EXPECT_EQ(state_of(plain), QUEUE_SENT);
    EXPECT_EQ(state_of(named), QUEUE_FAILED);
    g_autoptr(QueueEntry) one = queue_get(queue, named, nullptr);
    EXPECT_NE(strstr(one->last_error, "SMTPUTF8"), nullptr);
    g_autoptr(QueueEntry) two = queue_get(queue, large, nullptr);
    EXPECT_NE(strstr(two->last_error, "takes at most 1.0 MB, and this message has 1.5 MB"),
              nullptr);
}

TEST_F(RelayTest, StartTlsOrNothing)
{
    use("submission://127.0.0.1:");
    gint64 id = add();
    g_autoptr(NetTlsServer) tls = net_tls_local(directory, nullptr);
    g_autofree char *authority = g_build_filename(directory, "authority.pem", nullptr);
    g_autoptr(NetTlsClient) trust = net_tls_client_new(authority, nullptr);
    ASSERT_TRUE(tls && trust);
    start(trust);
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_ERROR; }));
    std::string text;
    reported(&text);
    EXPECT_NE(text.find("offers no STARTTLS"), std::string::npos);
    EXPECT_EQ(provider.count("AUTH"), 0);
    stop();

    provider.tls = net_tls_server_ref(tls);
    provider.extensions.push_back("STARTTLS");
    start(trust);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_EQ(provider.count("EHLO"), 3);
}

TEST_F(RelayTest, InjectedAnswersBeforeTlsAreNotBelieved)
{
    use("submission://127.0.0.1:");
    g_autoptr(NetTlsServer) tls = net_tls_local(directory, nullptr);
    g_autofree char *authority = g_build_filename(directory, "authority.pem", nullptr);
    g_autoptr(NetTlsClient) trust = net_tls_client_new(authority, nullptr);
    provider.tls = net_tls_server_ref(tls);
    provider.extensions.push_back("STARTTLS");
    provider.at("STARTTLS", "220 go\r\n250 injected");
    gint64 id = add();
    start(trust);
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_ERROR; }));
    EXPECT_EQ(state_of(id), QUEUE_WAITING);
    EXPECT_EQ(provider.count("AUTH"), 0);
}

TEST_F(RelayTest, GarbageIsNoMailServer)
{
    provider.at("CONNECT", "HTTP/1.1 400 Bad Request");
    add();
    start();
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_ERROR; }));
}

TEST_F(RelayTest, OfflineNothingIsSentAndGoingOfflineEndsWhatHangs)
{
    create();
    gint64 id = add();
    g_usleep(200000);
    EXPECT_EQ(provider.connections, 0);
    EXPECT_EQ(reported(), ACCOUNT_OFFLINE);

    for (const char *stage : {"CONNECT", "MAIL", "DATA"}) {
        provider.at(stage, "...");
        int before = provider.connections;
        relay_set_online(relay, TRUE);
        EXPECT_TRUE(wait([&] { return provider.connections > before; }));
        g_usleep(100000);
        relay_set_online(relay, FALSE);
        EXPECT_TRUE(becomes(id, QUEUE_WAITING)) << stage;
        provider.well();
    }
    g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
    EXPECT_EQ(entry->attempts, 0u);
    relay_set_online(relay, TRUE);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_EQ(provider.delivered().size(), 1u);
}

TEST_F(RelayTest, StoppingWaitsForTheLastAnswerButNotForEver)
{
    provider.at("STORED", "...");
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return provider.delivered().size() == 1; }));
    gint64 begin = g_get_monotonic_time();
    stop();
    EXPECT_LT(g_get_monotonic_time() - begin, 8 * G_USEC_PER_SEC);
    g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
    EXPECT_EQ(entry->state, QUEUE_WAITING);
    EXPECT_EQ(recipient(entry, 0)->state, QUEUE_RECIPIENT_UNKNOWN);
}

/* As a reload does it: the account's relay is finished, freed, and another begins. */
TEST_F(RelayTest, AReloadWaitsForWhatBecomesOfTheRunningMessage)
{
    for (const char *stage : {"MAIL", "RCPT", "DATA", "STORED"}) {
        size_t before = provider.delivered().size();
        provider.at(stage, std::string("<wait>") + (stage[0] == 'D' ? "354 go" : "250 2.0.0 ok"));
        gint64 first = add(), second = add();
        start();
        EXPECT_TRUE(wait([&] { return state_of(first) == QUEUE_SENDING; }));
        g_usleep(100000);
        relay_finish(relay, 60);
        EXPECT_EQ(state_of(first), QUEUE_SENT) << stage;
        EXPECT_EQ(state_of(second), QUEUE_WAITING) << stage;
        stop();
        provider.well();
        start();
        EXPECT_TRUE(becomes(second, QUEUE_SENT));
        EXPECT_EQ(provider.delivered().size(), before + 2) << stage;
        stop();
    }
}

TEST_F(RelayTest, AReloadDoesntWaitForEver)
{
    provider.at("RCPT", "...");
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return state_of(id) == QUEUE_SENDING; }));
    gint64 begin = g_get_monotonic_time();
    relay_finish(relay, 1);
    stop();
    EXPECT_LT(g_get_monotonic_time() - begin, 4 * G_USEC_PER_SEC);
    EXPECT_EQ(state_of(id), QUEUE_WAITING);
    begin = g_get_monotonic_time();
    provider.at("CONNECT", "...");
    start();
    g_usleep(100000);
    relay_finish(relay, 60); /* connecting is nothing to wait for */
    stop();
    EXPECT_LT(g_get_monotonic_time() - begin, 4 * G_USEC_PER_SEC);
}

TEST_F(RelayTest, GoingOfflineDoesntMissTheLastAnswer)
{
    provider.at("STORED", "<wait>250 2.0.0 taken");
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return provider.delivered().size() == 1; }));
    relay_set_online(relay, FALSE);
    g_usleep(200000);
    relay_set_online(relay, TRUE);
    relay_set_online(relay, FALSE);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_OFFLINE; }));
    relay_set_online(relay, TRUE);
    EXPECT_TRUE(becomes(add(), QUEUE_SENT));
    EXPECT_EQ(provider.delivered().size(), 2u);
}

TEST_F(RelayTest, NothingStaysSendingWithoutASender)
{
    gint64 id = add(), doubtful = add();
    for (int i = 0; i < 2; i++) {
        g_autoptr(QueueEntry) entry =
            queue_take(queue, "work", g_get_real_time() / G_USEC_PER_SEC, nullptr);
        ASSERT_NE(entry, nullptr);
        if (entry->id == doubtful)
            recipient(entry, 0)->state = QUEUE_RECIPIENT_UNKNOWN;
        ASSERT_TRUE(queue_update(queue, entry, nullptr));
    }
    create();
    EXPECT_TRUE(becomes(id, QUEUE_WAITING));
    g_autoptr(QueueEntry) entry = queue_get(queue, doubtful, nullptr);
    EXPECT_EQ(entry->state, QUEUE_WAITING);
    EXPECT_NE(strstr(entry->last_error, "It may have been sent"), nullptr);
    relay_set_online(relay, TRUE);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_TRUE(becomes(doubtful, QUEUE_SENT));
}

TEST_F(RelayTest, TimesFromAClockThatWasWrongAreDue)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC, year = 366 * 86400;
    auto later = [=](QueueEntry *entry) { entry->next_attempt = now + 10 * year; };
    gint64 scheduled = add("x\r\n", {"a@b"}, [=](QueueEntry *entry) {
        entry->send_at = now + 5 * 86400;
        entry->next_attempt = now + 10 * year;
    });
    gint64 soon =
        add("x\r\n", {"a@b"}, [=](QueueEntry *entry) { entry->next_attempt = now + 600; });
    gint64 wrong = add("x\r\n", {"a@b"}, later), also = add("x\r\n", {"a@b"}, later);
    clock = net_clock_new();
    start();
    EXPECT_TRUE(becomes(wrong, QUEUE_SENT));
    EXPECT_TRUE(becomes(also, QUEUE_SENT));
    EXPECT_EQ(state_of(soon), QUEUE_WAITING);
    EXPECT_EQ(state_of(scheduled), QUEUE_WAITING);
    net_clock_advance(clock, 700);
    EXPECT_TRUE(becomes(soon, QUEUE_SENT));
    net_clock_advance(clock, 5 * 86400);
    EXPECT_TRUE(wait([&] {
        net_clock_advance(clock, 60);
        return state_of(scheduled) == QUEUE_SENT;
    }));
}

TEST_F(RelayTest, AServerIsGreetedByAnotherNameIfItWants)
{
    settings->address = g_strdup("ada@example.org");
    const std::vector<std::string> names = {"[127.0.0.1]", "[IPv6:::1]", "localhost.localdomain",
                                            "localhost", "example.org"};
    for (const char *refusal :
         {"501 5.5.4 Invalid domain name", "<close>550 not you", "450 4.7.1 who?"})
        for (size_t good = 1; good <= names.size(); good++) {
            size_t asked = 0;
            provider.play([&](const std::string &stage, const std::string &usual) {
                return stage == "EHLO" && asked++ < good ? std::string(refusal) : usual;
            });
            clock = net_clock_new();
            gint64 id = add();
            start();
            EXPECT_TRUE(wait([&] {
                net_clock_advance(clock, 60);
                return state_of(id) == QUEUE_SENT ||
                       (good == names.size() && state_of(id) == QUEUE_FAILED);
            })) << refusal
                << good;
            if (good < names.size()) {
                auto heard = provider.heard();
                std::string last;
                for (auto &line : heard)
                    if (line.compare(0, 5, "EHLO ") == 0)
                        last = line.substr(5);
                EXPECT_EQ(last, names[good]);
            }
            /* And it is remembered. */
            EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_IDLE; }));
            stop();
            provider.come_to_rest();
            provider.play(nullptr);
            g_clear_pointer(&clock, net_clock_unref);
        }
}

TEST_F(RelayTest, OnlyAddressesAndHeadersNeedSmtputf8)
{
    provider.extensions = {"AUTH PLAIN", "8BITMIME", "PIPELINING"};
    auto utf8 = [](QueueEntry *entry) { entry->smtputf8 = entry->eightbit = TRUE; };
    std::string large(300000, 'x'); /* more than one piece of the queue */
    for (std::string header :
         {std::string("Subject: x\r\n"), std::string(), "X-Long: " + large + "\r\n"}) {
        gint64 body = add(header + "\r\ncaf\xc3\xa9\r\n", {"a@b"}, utf8);
        start();
        EXPECT_TRUE(becomes(body, QUEUE_SENT));
        std::string from = provider.delivered().back().from;
        EXPECT_EQ(from.find("SMTPUTF8"), std::string::npos);
        EXPECT_NE(from.find("BODY=8BITMIME"), std::string::npos);
        gint64 subject = add(header + "Subject: caf\xc3\xa9\r\n\r\nx\r\n", {"a@b"}, utf8);
        EXPECT_TRUE(becomes(subject, QUEUE_FAILED));
        stop();
    }
}

/* ---- every fault at every step ------------------------------------------------------------------ */

/* What an answer comes to. */
enum Sense { LATER, NEVER, BREAKS };

struct Fault {
    const char *name;
    Sense sense;
    bool closes, silent;
    std::string answer;
};

static std::string repeated(const std::string &line, int times, const std::string &last)
{
    std::string text;
    for (int i = 0; i < times; i++)
        text += line + "\r\n";
    return text + last;
}

static std::vector<Fault> every_fault()
{
    const std::string long_line(5000, 'x');
    return {
        {"4xx", LATER, false, false, "450 4.7.1 too many"},
        {"4xx in lines", LATER, false, false, "451-4.3.0 not\r\n451-4.3.0 now\r\n451 4.3.0 please"},
        {"4xx without words", LATER, false, false, "452"},
        {"4xx and closes", LATER, true, false, "<close>451 4.3.0 later"},
        {"421", LATER, true, false, "421 4.3.2 going down"},
        {"5xx", NEVER, false, false, "550 5.7.1 no"},
        {"5xx in lines", NEVER, false, false, "552-5.2.2 over\r\n552 5.2.2 quota"},
        {"5xx without words", NEVER, false, false, "554"},
        {"5xx and closes", NEVER, true, false, "<close>554 5.0.0 never"},
        {"5xx in controls", NEVER, false, false, "550 \x1b[2Jno\x07"},
        {"closes", BREAKS, true, false, ""},
        {"says nothing", BREAKS, true, true, "..."},
        {"half a line", BREAKS, true, true, "<half>250 2.0.0 o"},
        {"half a code", BREAKS, true, true, "<half>4"},
        {"half of its lines", BREAKS, true, true, "<half>250-2.0.0 first\r\n"},
        {"octets", BREAKS, false, false, "\xff\xfe\x01 \xc3"},
        {"HTTP", BREAKS, false, false, "HTTP/1.1 400 Bad Request"},
        {"no code", BREAKS, false, false, "ok"},
        {"two figures", BREAKS, false, false, "25 ok"},
        {"a code that is none", BREAKS, false, false, "999 ok"},
        {"a code and no space", BREAKS, false, false, "250ok"},
        {"codes that differ", BREAKS, false, false, "250-one\r\n251 two"},
        {"an empty line", BREAKS, false, false, "250-one\r\n\r\n250 two"},
        {"a long line", BREAKS, false, false, "250 " + long_line},
        {"a huge yes", BREAKS, false, false, repeated("250-2.0.0 ok", 100000, "250 2.0.0 ok")},
        {"a huge no", BREAKS, false, false, repeated("550-5.7.1 no", 100000, "550 5.7.1 no")},
        {"a huge later", BREAKS, false, false, repeated("450-4.7.1 no", 100000, "450 4.7.1 no")},
    };
}

/* Where a fault is made: a stage of Provider, and for text at which piece of it. */
struct Step {
    const char *stage;
    int piece;
    bool of_connection; /* before there is a message */
};

static const Step STEPS[] = {
    {"CONNECT", 1, true},      {"EHLO", 1, true},         {"AUTH", 1, true},
    {"MAIL", 1, false},        {"RCPT <r0@b>", 1, false}, {"RCPT <r1@b>", 1, false},
    {"RCPT <r2@b>", 1, false}, {"DATA", 1, false},        {"TEXT", 1, false},
    {"TEXT", 2, false},        {"TEXT", 5, false},        {"DOT", 1, false},
    {"STORED", 1, false},
};

/* The way into TLS, where that isn't spoken from the first byte. */
static const Step TLS_STEPS[] = {
    {"CONNECT", 1, true}, {"EHLO", 1, true}, {"STARTTLS", 1, true}, {"AUTH", 1, true}};

class EveryStep : public RelayTest
{
  protected:
    NetTlsClient *trust = nullptr; /* TLS has to be spoken; borrowed */

    /* What is expected of the mail that meets the fault, when that was tried once. */
    struct Expected {
        std::set<QueueState> states;
        std::vector<std::set<QueueRecipientState>> recipients;
        int copies = 1;        /* that each recipient gets in the end, where it isn't refused */
        bool in_doubt = false; /* and it says so */
        bool may_be_in_doubt = false;
        bool words = false; /* the server's are shown */
    };

    static std::vector<std::set<QueueRecipientState>> all(QueueRecipientState state)
    {
        return std::vector<std::set<QueueRecipientState>>(3, std::set<QueueRecipientState>{state});
    }

    static Expected expect(const Step &step, const Fault &fault)
    {
        const auto PENDING = QUEUE_RECIPIENT_PENDING, SENT = QUEUE_RECIPIENT_SENT,
                   FAILED = QUEUE_RECIPIENT_FAILED, UNKNOWN = QUEUE_RECIPIENT_UNKNOWN;
        std::string stage = step.stage;
        Expected wait = {{QUEUE_WAITING}, all(PENDING)};
        Expected failed = {{QUEUE_FAILED}, all(FAILED)};
        Expected sent = {{QUEUE_SENT}, all(SENT)};

        wait.words = failed.words = fault.sense != BREAKS;
        if (stage == "EHLO" && fault.sense != BREAKS && !fault.closes)
            return sent; /* it is greeted by another name */
        if (step.of_connection)
            return wait;
        if (stage.compare(0, 4, "RCPT") == 0) {
            int which = stage[strlen("RCPT <r")] - '0';
            Expected one = fault.sense == BREAKS || fault.closes ? wait : sent;
            if (fault.sense == LATER && !fault.closes)
                one.states = {QUEUE_WAITING};
            if (fault.sense == NEVER && !fault.closes)
                one.states = {QUEUE_FAILED};
            if (fault.sense != BREAKS)
                one.recipients[which] = all(fault.sense == LATER ? PENDING : FAILED)[0];
            one.words = fault.sense != BREAKS && !fault.closes;
            return one;
        }
        if (stage == "DOT" && fault.sense == BREAKS) {
            wait.recipients = all(UNKNOWN);
            wait.in_doubt = true;
            return wait;
        }
        if (stage == "STORED") {
            wait.recipients = all(UNKNOWN);
            wait.in_doubt = true;
            wait.copies = 2;
            return wait;
        }
        if (stage == "TEXT") { /* the network may lose what is said, or the end have gone out */
            for (auto &recipient : wait.recipients)
                recipient.insert({FAILED, UNKNOWN});
            wait.states.insert(QUEUE_FAILED);
            wait.words = false;
            wait.may_be_in_doubt = true;
            return wait;
        }
        return fault.sense == NEVER ? failed : wait;
    }

    void check_first(const QueueEntry *entry, const Expected &expected, const Fault &fault)
    {
        EXPECT_TRUE(expected.states.count(entry->state)) << entry->state;
        for (guint i = 0; i < entry->recipients->len; i++) {
            auto one = (const QueueRecipient *)g_ptr_array_index(entry->recipients, i);
            EXPECT_TRUE(expected.recipients[i].count(one->state)) << i << " " << one->state;
            if (one->state == QUEUE_RECIPIENT_FAILED) {
                ASSERT_NE(one->reply, nullptr);
                EXPECT_EQ(one->reply[0], '5') << one->reply;
            }
        }
        if (entry->state == QUEUE_SENT)
            return;
        ASSERT_NE(entry->last_error, nullptr);
        EXPECT_NE(*entry->last_error, '\0');
        if (!expected.may_be_in_doubt) {
            EXPECT_EQ(strstr(entry->last_error, "may have been sent") != nullptr, expected.in_doubt)
                << entry->last_error;
        }
        if (expected.words) {
            std::string code =
                fault.answer.substr(fault.answer[0] == '<' ? strlen("<close>") : 0, 3);
            EXPECT_NE(strstr(entry->last_error, code.c_str()), nullptr) << entry->last_error;
        }
        for (const char *c = entry->last_error; *c; c++)
            EXPECT_FALSE(g_ascii_iscntrl(*c)) << entry->last_error;
        EXPECT_LT(strlen(entry->last_error), 1500u);
    }

    void check_last(gint64 id, const std::string &name, const Expected &expected, size_t before)
    {
        g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
        std::map<std::string, int> copies;
        auto all = provider.delivered();
        for (size_t i = before; i < all.size(); i++)
            for (auto &to : all[i].to)
                copies[all[i].data.substr(0, all[i].data.find("\r\n")) + to]++;
        for (guint i = 0; i < entry->recipients->len; i++) {
            auto one = recipient(entry, i);
            bool refused = one->state == QUEUE_RECIPIENT_FAILED;
            EXPECT_TRUE(refused || one->state == QUEUE_RECIPIENT_SENT) << one->state;
            EXPECT_EQ(copies[name + "<" + one->address + ">"], refused ? 0 : expected.copies)
                << one->address;
        }
    }

    void check_case(const Step &step, const Fault &fault, int number)
    {
        SCOPED_TRACE(std::string(step.stage) + " " + std::to_string(step.piece) + ": " +
                     fault.name);
        std::string name = "mail " + std::to_string(number);
        Expected expected = expect(step, fault);
        size_t before = provider.delivered().size();
        std::atomic<int> left{step.piece};

        for (auto to : {"<r0@b>", "<r1@b>", "<r2@b>"})
            provider.at(std::string("RCPT ") + to, "250 2.1.5 ok");
        provider.play([&](const std::string &stage, const std::string &usual) -> std::string {
            return stage == step.stage && --left == 0 ? fault.answer : usual;
        });
        clock = net_clock_new();
        gint64 id = add(name + "\r\n\r\n" + std::string(step.piece > 1 ? 600000 : 10, 'y') + "\r\n",
                        {"r0@b", "r1@b", "r2@b"});
        gint64 other = add("other " + std::to_string(number) + "\r\n", {"carol@b"});
        start(trust);
        g_autoptr(QueueEntry) entry = attempted(id);
        check_first(entry, expected, fault);
        /* Another mail isn't held up by what became of the first. */
        if (!step.of_connection) {
            EXPECT_TRUE(becomes(other, QUEUE_SENT));
        }
        EXPECT_TRUE(wait([&] {
            guint64 counts[5];
            net_clock_advance(clock, 1800);
            g_usleep(2000);
            queue_counts(queue, "work", counts, nullptr);
            return counts[QUEUE_WAITING] + counts[QUEUE_SENDING] == 0;
        }));
        stop();
        provider.come_to_rest();
        provider.play(nullptr);
        provider.well();
        g_clear_pointer(&clock, net_clock_unref);
        check_last(id, name, expected, before);
        check_last(other, "other " + std::to_string(number), {}, before);
    }
};

TEST_F(EveryStep, HasTheSameOutcomeForTheSameFault)
{
    int cases = 0;
    timeouts = {1, 1, 1, 1, 1};
    for (auto &step : STEPS)
        for (auto &fault : every_fault()) {
            bool stored = g_str_equal(step.stage, "STORED");
            if (stored && fault.sense != BREAKS)
                continue; /* who has taken a message doesn't refuse it */
            if (fault.silent && !g_str_equal(fault.name, "says nothing") &&
                !g_getenv("POSTERN_LONG"))
                continue; /* takes a second */
            check_case(step, fault, ++cases);
            ASSERT_FALSE(HasFailure());
        }
    printf("%d cases\n", cases);
}

/* No password is said in the clear for that, and no mail. */
TEST_F(EveryStep, OfTheWayIntoTlsIsWaitedOut)
{
    int cases = 0;
    timeouts = {1, 1, 1, 1, 1};
    use("submission://127.0.0.1:");
    g_autoptr(NetTlsServer) tls = net_tls_local(directory, nullptr);
    g_autofree char *authority = g_build_filename(directory, "authority.pem", nullptr);
    g_autoptr(NetTlsClient) trusted = net_tls_client_new(authority, nullptr);
    ASSERT_TRUE(tls && trusted);
    provider.tls = net_tls_server_ref(tls);
    provider.extensions.push_back("STARTTLS");
    trust = trusted;
    for (auto &step : TLS_STEPS)
        for (auto &fault : every_fault()) {
            if (fault.silent && !g_str_equal(fault.name, "says nothing") &&
                !g_getenv("POSTERN_LONG"))
                continue; /* takes a second */
            check_case(step, fault, ++cases);
            ASSERT_FALSE(HasFailure());
        }
    printf("%d cases\n", cases);
}

/* After a mail that is refused the next begins with RSET. */
TEST_F(EveryStep, TheNextMailGoesWhateverIsSaidToRset)
{
    int cases = 0;
    timeouts = {1, 1, 1, 1, 1};
    for (auto &fault : every_fault()) {
        if (fault.silent && !g_getenv("POSTERN_LONG"))
            continue;
        SCOPED_TRACE(fault.name);
        std::string name = "next " + std::to_string(++cases);
        size_t before = provider.delivered().size();
        std::atomic<bool> refused{false}, said{false};
        provider.play([&](const std::string &stage, const std::string &usual) -> std::string {
            if (stage == "MAIL" && !refused.exchange(true))
                return "550 5.7.1 no";
            return stage == "RSET" && !said.exchange(true) ? fault.answer : usual;
        });
        clock = net_clock_new();
        gint64 first = add("first\r\n"), next = add(name + "\r\n\r\n", {"carol@b"});
        start();
        EXPECT_TRUE(becomes(first, QUEUE_FAILED));
        EXPECT_TRUE(wait([&] {
            net_clock_advance(clock, 60);
            g_usleep(2000);
            return state_of(next) == QUEUE_SENT;
        }));
        stop();
        provider.come_to_rest();
        provider.play(nullptr);
        g_clear_pointer(&clock, net_clock_unref);
        EXPECT_TRUE(said);
        EXPECT_EQ(provider.delivered().size(), before + 1);
        ASSERT_FALSE(HasFailure());
    }
    printf("%d cases\n", cases);
}

TEST_F(EveryStep, WhatIsSaidToQuitChangesNothing)
{
    int cases = 0;
    for (auto &fault : every_fault()) {
        SCOPED_TRACE(fault.name);
        cases++;
        provider.at("QUIT", fault.answer);
        gint64 id = add();
        start();
        EXPECT_TRUE(becomes(id, QUEUE_SENT));
        gint64 begin = g_get_monotonic_time();
        stop();
        EXPECT_LT(g_get_monotonic_time() - begin, 20 * G_USEC_PER_SEC);
    }
    EXPECT_EQ(provider.delivered().size(), (size_t)cases);
    printf("%d cases\n", cases);
}

/* A byte every half second, in lines that never end: that isn't silence, and no answer either. */
TEST_F(EveryStep, AnAnswerThatNeverEndsIsNone)
{
    timeouts = {2, 2, 2, 2, 2};
    provider.at("MAIL", "<drip>250-");
    gint64 id = add();
    start();
    g_autoptr(QueueEntry) entry = attempted(id);
    EXPECT_EQ(entry->state, QUEUE_WAITING);
    EXPECT_NE(entry->last_error, nullptr);
}

/* ---- everything that can go wrong, at random ------------------------------------------------- */

/* What a server may do in place of its answer, at any stage. */
static const char *const FAULTS[] = {
    "421 4.3.2 going down",
    "<close>421 4.3.2 going down",
    "450 4.7.1 too many",
    "451-4.3.0 later\r\n451 4.3.0 please",
    "452 4.3.1 full",
    "454 4.7.0 not now",
    "<close>451 4.3.0 later",
    "500 5.5.1 what?",
    "550-5.7.1 no\r\n550-5.7.1 really\r\n550 5.7.1 no",
    "<close>554 5.0.0 never",
    "552 5.2.2 over quota",
    "",
    "...",
    "<half>250 2.0.0 o",
    "<half>250-2.0.0 first\r\n",
    "<half>4",
    "\xff\xfe garbage",
    "HTTP/1.1 400 Bad Request",
    "250-one\r\n251 two",
    "250-one\r\n\r\n250 two",
    "250ok",
    "25 ok",
    "999 ok",
    "354 what?",
    "220 what?",
    "250 ok\r\n250 once more",
    "250 ok\r\n550 or not",
    "<wait>250 2.0.0 slowly",
};

struct Chaos {
    guint32 x = 1;
    guint faults = 0;           /* to be made yet */
    guint made = 0, unsure = 0; /* made; messages taken without saying so */
    std::map<std::string, int> stored, unclear;
    bool refused = false;

    guint random(guint n)
    {
        x = x * 1664525 + 1013904223;
        return (x >> 8) % n;
    }

    std::string answer(const std::string &stage, const std::string &usual)
    {
        if (faults == 0 || random(6) != 0)
            return usual;
        std::string fault = FAULTS[random(G_N_ELEMENTS(FAULTS))];
        if ((fault == "..." || fault[0] == '<') && random(4) != 0)
            return usual; /* they take a second */
        bool final = stage == "STORED";
        if ((stage == "DOT" || stage == "TEXT") &&
            (fault.find("250 ok") == 0 || fault.find("220") == 0 || fault.find("<wait>") == 0))
            return usual; /* who says so has taken it */
        if (final && (fault.find("4") == 0 || fault.find("5") == 0 || fault.find("<close>") == 0))
            return usual; /* who has taken a message doesn't refuse it */
        faults--;
        made++;
        if (final && !is_sure(fault)) {
            unsure++;
            unclear[last]++;
        }
        return fault;
    }

    /* Whether an answer says that a message was taken. */
    static bool is_sure(const std::string &said)
    {
        return said.find("250 2") == 0 || said.find("250 ok") == 0 || said.find("220") == 0 ||
               said.find("<wait>") == 0;
    }

    /* Nobody listened any more, since the machine has much to do, or the answer took too long. */
    void unheard(const Delivery &mail)
    {
        if (!is_sure(mail.said))
            return; /* answer() has counted it */
        unsure++;
        unclear[mail.data.substr(0, mail.data.find("\r\n"))]++;
    }

    std::string last; /* the mail that was taken last */
};

TEST_F(RelayTest, WhateverProvidersDoNothingIsLostAndDoublesAreKnown)
{
    const int rounds = g_getenv("POSTERN_LONG") ? 300 : 12;
    guint doubles = 0, unsure = 0, made = 0, failures = 0;
    timeouts = {1, 1, 1, 1, 1};
    for (int round = 0; round < rounds; round++) {
        Chaos chaos;
        chaos.x = 77 + round;
        chaos.faults = 12;
        std::vector<gint64> ids;
        std::vector<size_t> recipients;
        size_t before = provider.delivered().size();
        for (int i = 0; i < 6; i++) {
            std::vector<std::string> to;
            for (guint n = 1 + chaos.random(3); n > 0; n--)
                to.push_back("r" + std::to_string(n) + "@b");
            recipients.push_back(to.size());
            ids.push_back(add("number " + std::to_string(round * 100 + i) + "\r\n" +
                                  (i == 5 ? std::string(400000, 'y') + "\r\n" : ""),
                              to));
        }
        provider.play(
            [&](const std::string &stage, const std::string &usual) {
                return chaos.answer(stage, usual);
            },
            [&](const Delivery &mail) { chaos.last = mail.data.substr(0, mail.data.find("\r\n")); },
            [&](const Delivery &mail) { chaos.unheard(mail); });
        clock = net_clock_new();
        start();
        EXPECT_TRUE(wait([&] {
            guint64 counts[5];
            net_clock_advance(clock, 1800);
            g_usleep(3000);
            queue_counts(queue, "work", counts, nullptr);
            return counts[QUEUE_WAITING] + counts[QUEUE_SENDING] == 0;
        })) << round;
        stop();
        provider.come_to_rest();
        provider.play(nullptr);
        g_clear_pointer(&clock, net_clock_unref);

        std::map<std::string, std::map<std::string, int>> got;
        auto all = provider.delivered();
        for (size_t i = before; i < all.size(); i++)
            for (auto &to : all[i].to)
                got[all[i].data.substr(0, all[i].data.find("\r\n"))][to]++;
        for (int i = 0; i < 6; i++) {
            std::string name = "number " + std::to_string(round * 100 + i);
            g_autoptr(QueueEntry) entry = queue_get(queue, ids[i], nullptr);
            ASSERT_TRUE(entry->state == QUEUE_SENT || entry->state == QUEUE_FAILED);
            EXPECT_EQ(entry->last_error != nullptr, entry->state == QUEUE_FAILED);
            failures += entry->state == QUEUE_FAILED;
            for (guint n = 0; n < entry->recipients->len; n++) {
                auto one = recipient(entry, n);
                int times = got[name]["<" + std::string(one->address) + ">"];
                EXPECT_LE(times, 1 + chaos.unclear[name]) << round << " " << name;
                doubles += times > 1;
                if (one->state == QUEUE_RECIPIENT_SENT) {
                    EXPECT_GE(times, 1)
                        << round << " " << name << " " << one->address << " " << one->reply;
                } else {
                    EXPECT_EQ(one->state, QUEUE_RECIPIENT_FAILED);
                    ASSERT_NE(one->reply, nullptr);
                    EXPECT_EQ(one->reply[0], '5') << one->reply;
                    EXPECT_LE(times, chaos.unclear[name]) << round << " " << name;
                }
            }
        }
        unsure += chaos.unsure;
        made += chaos.made;
        ASSERT_FALSE(HasFailure());
    }
    printf("%d rounds: %u faults, %u messages refused for good, %u taken without an answer, "
           "%u recipients got one twice\n",
           rounds, made, failures, unsure, doubles);
}

TEST_F(RelayTest, AProviderThatComesBackIsFoundWithoutBeingAsked)
{
    provider.at("CONNECT", "");
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_OFFLINE; }));
    g_autoptr(QueueEntry) entry = attempted(id);
    EXPECT_NE(strstr(entry->last_error, "closed the connection"), nullptr);
    EXPECT_EQ(entry->refusals, 0u);
    provider.well();
    EXPECT_TRUE(becomes(id, QUEUE_SENT)); /* after 5 s, a fifth more or less */
    EXPECT_LE(provider.connections, 3);
}

TEST_F(RelayTest, BeingToldOfTheNetworkEndsABackOff)
{
    provider.at("CONNECT", "");
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_OFFLINE; }));
    provider.well();
    gint64 begin = g_get_monotonic_time();
    relay_set_online(relay, TRUE);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_LT(g_get_monotonic_time() - begin, 2 * G_USEC_PER_SEC);
}

TEST_F(RelayTest, OnAnotherNetworkWhatHangsBeforeTheEndIsSentAgainAtOnce)
{
    for (const char *stage : {"EHLO", "DATA"}) {
        provider.at(stage, "...");
        size_t before = provider.delivered().size();
        int connections = provider.connections;
        start();
        gint64 id = add();
        EXPECT_TRUE(wait([&] { return provider.connections > connections; })) << stage;
        g_usleep(100000);
        provider.well();
        gint64 begin = g_get_monotonic_time();
        relay_check(relay);
        EXPECT_TRUE(becomes(id, QUEUE_SENT)) << stage;
        EXPECT_LT(g_get_monotonic_time() - begin, 25 * G_USEC_PER_SEC) << stage;
        EXPECT_EQ(provider.delivered().size(), before + 1) << stage;
        g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
        EXPECT_EQ(entry->attempts, 1u) << stage;
        stop();
    }
}

TEST_F(RelayTest, OnAnotherNetworkTheLastAnswerIsWaitedForSoNothingGoesTwice)
{
    provider.play([](const std::string &stage, const std::string &usual) -> std::string {
        if (stage == "STORED")
            g_usleep(7 * G_USEC_PER_SEC);
        return usual;
    });
    gint64 id = add();
    start();
    EXPECT_TRUE(wait([&] { return provider.delivered().size() == 1; }));
    relay_check(relay);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_EQ(provider.delivered().size(), 1u);
    EXPECT_EQ(provider.connections, 1);
}

TEST_F(RelayTest, ScheduledMailGoesWhenItsTimeHasCome)
{
    gint64 when = g_get_real_time() / G_USEC_PER_SEC + 2;
    gint64 id = add("x\r\n", {"a@b"}, [=](QueueEntry *entry) { entry->send_at = when; });
    start();
    g_usleep(500000);
    EXPECT_EQ(provider.connections, 0);
    EXPECT_TRUE(becomes(id, QUEUE_SENT));
    EXPECT_GE(g_get_real_time() / G_USEC_PER_SEC, when);
}

TEST_F(RelayTest, WhatPeopleDoToAnEntryIsSeenWithoutBeingTold)
{
    gint64 later = g_get_real_time() / G_USEC_PER_SEC + 3600;
    start();
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_IDLE; }));
    gint64 scheduled = add("x\r\n", {"a@b"}, [=](QueueEntry *entry) { entry->send_at = later; });
    gint64 held = add("x\r\n", {"a@b"}, [](QueueEntry *entry) { entry->state = QUEUE_HELD; });
    gint64 failed = add("x\r\n", {"a@b"}, [](QueueEntry *entry) { entry->state = QUEUE_FAILED; });
    gint64 cancelled = add("x\r\n", {"a@b"}, [=](QueueEntry *entry) { entry->send_at = later; });
    ASSERT_TRUE(queue_cancel(queue, cancelled, nullptr));
    g_usleep(200000);
    EXPECT_EQ(provider.connections, 0);
    ASSERT_TRUE(queue_send_at(queue, scheduled, 0, nullptr));
    EXPECT_TRUE(becomes(scheduled, QUEUE_SENT));
    ASSERT_TRUE(queue_release(queue, held, nullptr));
    EXPECT_TRUE(becomes(held, QUEUE_SENT));
    ASSERT_TRUE(queue_retry(queue, failed, nullptr));
    EXPECT_TRUE(becomes(failed, QUEUE_SENT));
    EXPECT_EQ(provider.delivered().size(), 3u);
}

TEST_F(RelayTest, WhatFailsForGoodIsToldInInboxOnce)
{
    g_autoptr(Cache) cache = open_cache();
    RelayCopy copy = {queue, cache, "smtp.example.org"};
    provider.extensions = {"PIPELINING", "AUTH PLAIN"};
    provider.at("RCPT <eve@b>", "550 5.1.1 who is Eve?");
    provider.at("RCPT <quiet@b>", "550 5.1.1 who?");
    failed = relay_copy_bounce;
    failed_data = &copy;
    create();
    relay_set_online(relay, TRUE);
    gint64 id = add("Message-ID: <one@example.org>\r\nSubject: Grüße\r\n\r\nhello\r\n",
                    {"bob@b", "eve@b", "quiet@b"}, [](QueueEntry *entry) {
                        entry->subject = g_strdup("Grüße");
                        entry->envid = g_strdup("QQ1");
                        recipient(entry, 1)->orcpt = g_strdup("rfc822;eve@elsewhere");
                        recipient(entry, 2)->notify = g_strdup("NEVER");
                    });
    EXPECT_TRUE(becomes(id, QUEUE_FAILED));
    /* Nobody wants to hear of these: no sender, NOTIFY. */
    gint64 nobody = add("x\r\n", {"eve@b"}, [](QueueEntry *entry) {
        g_free(entry->sender);
        entry->sender = g_strdup("");
    });
    gint64 never = add("x\r\n", {"quiet@b"}, [](QueueEntry *entry) {
        recipient(entry, 0)->notify = g_strdup("SUCCESS,DELAY");
    });
    EXPECT_TRUE(becomes(nobody, QUEUE_FAILED));
    EXPECT_TRUE(becomes(never, QUEUE_FAILED));
    {
        g_autoptr(QueueEntry) entry = queue_get(queue, id, nullptr);
        EXPECT_TRUE(relay_copy_bounce(entry, &copy, nullptr)); /* again, as after a crash */
    }
    g_autoptr(CacheTxn) reading = cache_begin(cache, CACHE_READ, nullptr);
    g_autoptr(CacheFolder) inbox = cache_folder_find(reading, "INBOX", nullptr);
    EXPECT_EQ(inbox->exists, 1u);
    CachePlacement placement;
    ASSERT_TRUE(cache_placement_get(reading, inbox->id, 1, &placement, nullptr));
    EXPECT_EQ(placement.flags.system, 0u);
    g_autoptr(GBytes) bytes = cache_content_read(reading, placement.message, 0, 100000, nullptr);
    gsize size;
    auto data = (const char *)g_bytes_get_data(bytes, &size);
    std::string text(data, size);
    for (const char *line :
         {"To: <ada@example.org>\r\n", "Subject: =?utf-8?B?Tm90IHNlbnQ6IEdyw7zDn2U=?=\r\n",
          "report-type=delivery-status", "Original-Envelope-Id: QQ1\r\n",
          "Original-Recipient: rfc822;eve@elsewhere\r\nFinal-Recipient: rfc822; eve@b\r\n"
          "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; smtp.example.org\r\n"
          "Diagnostic-Code: smtp; 550 5.1.1 who is Eve?\r\n",
          "text/rfc822-headers",
          "\r\n\r\nMessage-ID: <one@example.org>\r\nSubject: Grüße\r\n\r\n--"})
        EXPECT_NE(text.find(line), std::string::npos) << line << "\nis not in\n" << text;
    EXPECT_EQ(text.find("quiet@b"), std::string::npos);
    EXPECT_EQ(text.find("bob@b"), std::string::npos);
    EXPECT_EQ(text.find("hello"), std::string::npos);
    stop();
}

/* A relay in a process of its own, killed at any moment: nothing is lost, and only what was known
 * to be in doubt may be doubled. */
TEST_F(RelayTest, KillsLoseNothingAndDoubleOnlyWhatWasInDoubt)
{
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer starts no threads after fork()";
#endif
    std::vector<gint64> ids;
    std::set<size_t> doubtful;
    for (int i = 0; i < 200; i++)
        ids.push_back(add("number " + std::to_string(i) + "\r\n"));
    for (int round = 0; round < 10; round++) {
        queue_close(queue);
        pid_t pid = fork();
        if (pid == 0) {
            queue = queue_open(path.c_str(), nullptr);
            start();
            sleep(30);
            _exit(0);
        }
        size_t before = provider.delivered().size();
        EXPECT_TRUE(wait([&] { return provider.delivered().size() > before + 2; }));
        g_usleep(round * 173);
        kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        g_usleep(50000); /* what is still on its way to the provider */
        queue = queue_open(path.c_str(), nullptr);
        ASSERT_NE(queue, nullptr);
        for (size_t i = 0; i < ids.size(); i++) {
            g_autoptr(QueueEntry) entry = queue_get(queue, ids[i], nullptr);
            EXPECT_TRUE(entry->state == QUEUE_SENT || entry->state == QUEUE_WAITING);
            if (recipient(entry, 0)->state == QUEUE_RECIPIENT_UNKNOWN)
                doubtful.insert(i);
        }
    }
    EXPECT_LE(doubtful.size(), 10u);
    start();
    EXPECT_TRUE(becomes(ids.back(), QUEUE_SENT));
    EXPECT_TRUE(wait([&] { return reported() == ACCOUNT_IDLE; }));
    std::map<std::string, int> times;
    for (auto &mail : provider.delivered())
        times[mail.data]++;
    for (size_t i = 0; i < ids.size(); i++) {
        int n = times["number " + std::to_string(i) + "\r\n"];
        EXPECT_GE(n, 1);
        EXPECT_LE(n, doubtful.count(i) ? 2 : 1) << i;
    }
}

/* ---- decisions ------------------------------------------------------------------------------- */

TEST(RelayBackoff, DoublesToItsLimitAndSpreads)
{
    EXPECT_DOUBLE_EQ(relay_message_backoff(1, 0.5), 60);
    EXPECT_DOUBLE_EQ(relay_message_backoff(2, 0.5), 120);
    EXPECT_DOUBLE_EQ(relay_message_backoff(8, 0.5), 7680);
    EXPECT_DOUBLE_EQ(relay_message_backoff(9, 0.5), 4 * 3600);
    EXPECT_DOUBLE_EQ(relay_message_backoff(1000000, 0.5), 4 * 3600);
    EXPECT_DOUBLE_EQ(relay_message_backoff(1, 0), 48);
    EXPECT_LT(relay_message_backoff(1, 0.999), 72);
    EXPECT_DOUBLE_EQ(relay_connection_backoff(1, 0.5), 5);
    EXPECT_DOUBLE_EQ(relay_connection_backoff(100, 0.5), 600);
    double all = 0;
    for (guint i = 1; i < RELAY_REFUSALS_MAX; i++)
        all += relay_message_backoff(i, 0.5);
    EXPECT_NEAR(all / 86400, 5, 0.3);
}

struct Fate {
    QueueState state;
    QueueRecipientState first, second;
};

Fate settle(SmtpSendResult result, guint answer, guint first, guint second, guint refusals = 0)
{
    g_autoptr(QueueEntry) entry = queue_entry_new();
    entry->refusals = refusals;
    entry->state = QUEUE_SENDING;
    for (const char *address : {"a@b", "c@d"})
        g_ptr_array_add(entry->recipients, queue_recipient_new(address));
    char words[] = "words", said[] = "answer", broken[] = "broken";
    SmtpClientRecipient recipients[] = {{"a@b", nullptr, nullptr, first, words},
                                        {"c@d", nullptr, nullptr, second, words}};
    guint positions[] = {0, 1};
    RelayOutcome outcome = {result, {answer, said}, recipients, positions, 2, "host", broken};
    relay_note_committing(entry, &outcome);
    relay_settle(entry, &outcome, 1000, 0.5);
    EXPECT_EQ(entry->attempts, 1u);
    EXPECT_EQ(entry->refusals, refusals + (result != SMTP_SEND_BROKEN));
    EXPECT_EQ(entry->next_attempt > 1000, entry->state == QUEUE_WAITING);
    EXPECT_EQ(entry->last_error == nullptr, entry->state == QUEUE_SENT);
    auto one = (QueueRecipient *)g_ptr_array_index(entry->recipients, 0);
    auto two = (QueueRecipient *)g_ptr_array_index(entry->recipients, 1);
    return {entry->state, one->state, two->state};
}

TEST(RelayOutcome, FollowsTheTable)
{
    const auto P = QUEUE_RECIPIENT_PENDING, S = QUEUE_RECIPIENT_SENT, F = QUEUE_RECIPIENT_FAILED,
               U = QUEUE_RECIPIENT_UNKNOWN;
    struct {
        SmtpSendResult result;
        guint answer, first, second, refusals;
        Fate fate;
    } table[] = {
        {SMTP_SEND_ACCEPTED, 250, 250, 250, 0, {QUEUE_SENT, S, S}},
        {SMTP_SEND_ACCEPTED, 250, 250, 550, 0, {QUEUE_FAILED, S, F}},
        {SMTP_SEND_ACCEPTED, 250, 250, 450, 0, {QUEUE_WAITING, S, P}},
        {SMTP_SEND_ACCEPTED, 250, 250, 450, 36, {QUEUE_FAILED, S, F}},
        {SMTP_SEND_REFUSED, 451, 250, 550, 0, {QUEUE_WAITING, P, F}},
        {SMTP_SEND_REFUSED, 451, 250, 250, 35, {QUEUE_WAITING, P, P}},
        {SMTP_SEND_REFUSED, 451, 250, 250, 36, {QUEUE_FAILED, F, F}},
        {SMTP_SEND_REFUSED, 554, 250, 450, 0, {QUEUE_WAITING, F, P}},
        {SMTP_SEND_REFUSED, 554, 0, 0, 0, {QUEUE_FAILED, F, F}},
        {SMTP_SEND_REFUSED, 0, 0, 0, 0, {QUEUE_FAILED, F, F}},
        {SMTP_SEND_NOBODY, 0, 550, 450, 0, {QUEUE_WAITING, F, P}},
        {SMTP_SEND_NOBODY, 0, 550, 551, 0, {QUEUE_FAILED, F, F}},
        {SMTP_SEND_BROKEN, 0, 250, 550, 0, {QUEUE_WAITING, P, F}},
        {SMTP_SEND_BROKEN, 0, 0, 0, 100, {QUEUE_WAITING, P, P}},
        {SMTP_SEND_UNKNOWN, 0, 250, 550, 0, {QUEUE_WAITING, U, F}},
        {SMTP_SEND_UNKNOWN, 0, 250, 450, 0, {QUEUE_WAITING, U, P}},
        {SMTP_SEND_UNKNOWN, 0, 250, 450, 36, {QUEUE_FAILED, F, F}},
    };
    for (auto &row : table) {
        Fate fate = settle(row.result, row.answer, row.first, row.second, row.refusals);
        EXPECT_EQ(fate.state, row.fate.state) << row.result << " " << row.first << row.second;
        EXPECT_EQ(fate.first, row.fate.first) << row.result << " " << row.first << row.second;
        EXPECT_EQ(fate.second, row.fate.second) << row.result << " " << row.first << row.second;
    }
}

} // namespace
