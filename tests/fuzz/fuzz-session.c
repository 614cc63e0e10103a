/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fuzzes whole connections, so that what is parsed is also used, in the states that a session can
 * get into: POP3, submission and IMAP clients before Postern's servers, their SASL exchanges
 * included, and IMAP, SMTP and POP3 servers before its clients. The first byte says which, the rest is
 * what the other side sends before it closes. Whatever that is, the session ends. Seeds:
 * tests/fuzz/seeds/session. */
#include "tests/fuzz/fuzz.h"

#include "cache/change.h"
#include "cache/content.h"
#include "cache/folder.h"
#include "daemon/index/render.h"
#include "daemon/serve/serve.h"
#include "daemon/upstream/imap-quota.h"
#include "daemon/upstream/pop3.h"
#include "daemon/upstream/smtp.h"
#include "tests/unit/fake-fetch.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What fits into a socket's buffer without anybody reading. */
#define INPUT_MAX 60000

/* Sessions change the mailbox; it begins anew after so many. */
#define LIFE 200

/* Without local passwords: trying one is slow on purpose, and no fuzzer guesses it. */

/* ---- the account ----------------------------------------------------------------------------- */

static const char MAIL[] =
    "From: Ada <ada@example.org>\r\nTo: Charles <charles@example.org>\r\n"
    "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nSubject: =?utf-8?q?Stra=C3=9Fe?=\r\n"
    "Message-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n.first\r\n--b\r\n"
    "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+U3RyYcOfZTwvYj4=\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntwo\r\n--b--\r\n";

static struct {
    char *dir;
    guint uses;
    AccountSettings settings;
    ServeAccount account;
    ServeDaemon daemon;
} home;

static ServeAccount *find_account(const char *login, gpointer data, GError **error)
{
    if (g_str_equal(login, "work"))
        return serve_account_ref(&home.account);
    g_set_error_literal(error, SERVE_ERROR, SERVE_ERROR_UNKNOWN, "there is no such account");
    return NULL;
}

static gint64 add_folder(const char *name, CacheRole role)
{
    CacheTxn *txn = cache_begin(home.account.cache, CACHE_WRITE_FULL, NULL);
    gint64 folder = cache_folder_create(txn, name, role, NULL);
    g_assert_true(folder && cache_commit(txn, NULL));
    return folder;
}

static void deliver(gint64 folder)
{
    CacheContentWriter *writer = cache_content_writer_new(home.account.cache);
    CacheRendered rendered;
    render_message(MAIL, strlen(MAIL), TRUE, &rendered);
    g_assert_true(cache_content_writer_add(writer, MAIL, strlen(MAIL), NULL));
    cache_content_writer_end(writer);
    CacheTxn *txn = cache_begin(home.account.cache, CACHE_WRITE_FULL, NULL);
    g_assert_cmpuint(cache_append(txn, folder, writer, &rendered,
                                  (CacheAppend){(CacheFlags){}, 824083200, -480}, NULL),
                     >, 0);
    g_assert_true(cache_commit(txn, NULL));
    cache_rendered_clear(&rendered);
    cache_content_writer_free(writer);
}

static void end_life(void)
{
    cache_close(home.account.cache);
    queue_close(home.daemon.queue);
    fuzz_remove_tree(home.dir);
    g_free(home.dir);
    home.dir = NULL;
}

static void begin_life(void)
{
    home.uses = 0;
    home.dir = g_dir_make_tmp("postern-fuzz-XXXXXX", NULL);
    g_assert_nonnull(home.dir);
    g_autofree char *queue = g_build_filename(home.dir, "queue.db", NULL);
    home.account.cache = cache_open(home.dir, NULL, NULL);
    home.daemon.queue = queue_open(queue, NULL);
    g_assert_true(home.account.cache && home.daemon.queue);
    gint64 inbox = add_folder("INBOX", CACHE_ROLE_INBOX);
    add_folder("Work/Old", CACHE_ROLE_NONE);
    deliver(inbox);
    deliver(inbox);
    deliver(inbox);
}

static void prepare(void)
{
    if (home.dir && home.uses++ < LIFE)
        return;
    if (home.dir)
        end_life();
    else
        atexit(end_life);
    home.settings =
        (AccountSettings){.refs = 1, .id = (char *)"work", .address = (char *)"ada@example.org"};
    home.account.settings = &home.settings;
    if (!home.account.bodies)
        home.account.bodies = fake_fetch_new_offline();
    home.account.refs = 1;
    home.daemon = (ServeDaemon){.find_account = find_account};
    begin_life();
}

/* ---- the other side -------------------------------------------------------------------------- */

/* Reads whatever the session says, and closes when that is over. */
static gpointer drain(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    char buffer[65536];
    while (read(fd, buffer, sizeof buffer) > 0)
        ;
    close(fd);
    return NULL;
}

static void serve(void (*run)(NetStream *stream, const ServeDaemon *daemon, ServeAccount *preauth),
                  NetStream *stream, gboolean preauth)
{
    run(stream, &home.daemon, preauth ? &home.account : NULL);
    net_stream_free(stream);
}

static void run_pop3(NetStream *stream, gboolean preauth)
{
    serve(serve_pop3, stream, preauth);
}

static void run_submission(NetStream *stream, gboolean preauth)
{
    serve(serve_submission, stream, preauth);
}

static void run_imap(NetStream *stream, gboolean preauth)
{
    serve(serve_imap, stream, preauth);
}

static gboolean ignore(const ImapResponse *response, gpointer data, GError **error)
{
    return TRUE;
}

static void run_imap_client(NetStream *stream, gboolean oauth2)
{
    g_autoptr(NetEndpoint) endpoint = net_endpoint_parse("imap+insecure://127.0.0.1:143", NULL);
    const UpstreamLogin options = {
        .endpoint = endpoint, .user = "ada", .secret = "s3cret", .oauth2 = oauth2, .timeout = 10};
    g_autoptr(ImapClient) client = imap_client_start(stream, &options, NULL, NULL);
    const ImapSelect inbox = {.name = "INBOX", .uidvalidity = 7, .modseq = 100, .handler = ignore};
    g_auto(ImapSelected) selected = {};
    if (!client)
        return;
    g_autofree char *quota = imap_client_quota(client, NULL);
    if (quota && imap_client_select(client, &inbox, &selected, NULL) &&
        imap_client_idle(client, -1, 1, ignore, NULL, NULL) &&
        imap_client_run_with(client, ignore, NULL, NULL, NULL, "UID FETCH 1:* (FLAGS BODY.PEEK[])"))
        imap_client_exists(client);
    g_free(imap_client_take_alert(client));
}

static GBytes *read_mail(guint64 offset, gpointer data, GError **error)
{
    return g_bytes_new_static(MAIL + MIN(offset, strlen(MAIL)),
                              strlen(MAIL) - MIN(offset, strlen(MAIL)));
}

static gboolean commit(gpointer data, GError **error)
{
    return TRUE;
}

static void run_smtp_client(NetStream *stream, gboolean oauth2)
{
    g_autoptr(NetEndpoint) endpoint =
        net_endpoint_parse("submission+insecure://127.0.0.1:587", NULL);
    const SmtpClientOptions options = {
        .login = {.endpoint = endpoint, .user = "ada", .secret = "s3cret", .oauth2 = oauth2},
        .timeouts = {10, 10, 10, 10, 10}};
    g_autoptr(SmtpClient) client = smtp_client_start(stream, &options, NULL);
    SmtpClientRecipient recipients[] = {{.address = "a@example.org", .notify = "NEVER"},
                                        {.address = "b@example.org"}};
    SmtpClientMessage message = {.sender = "ada@example.org",
                                 .recipients = recipients,
                                 .recipients_count = G_N_ELEMENTS(recipients),
                                 .size = strlen(MAIL),
                                 .eightbit = TRUE,
                                 .read = read_mail,
                                 .commit = commit};
    SmtpSendAnswer answer = {};
    if (client) {
        smtp_client_send(client, &message, &answer, NULL);
        smtp_client_is_good(client);
    }
    for (guint i = 0; i < G_N_ELEMENTS(recipients); i++)
        g_free(recipients[i].reply);
    g_free(answer.reply);
}

/* The first message of the listing: its header, all of it, and then it is deleted. */
static gboolean fetch_and_delete(Pop3Client *client, const Pop3Message *message)
{
    g_autoptr(GByteArray) header = NULL;
    g_autoptr(GByteArray) text = NULL;
    return pop3_client_ask_top(client, message->number, 0, NULL) &&
           (header = pop3_client_read_text(client, message->size, NULL)) &&
           pop3_client_ask_retr(client, message->number, NULL) &&
           (text = pop3_client_read_text(client, message->size, NULL)) &&
           pop3_client_ask_dele(client, message->number, NULL) &&
           pop3_client_read_status(client, NULL);
}

static void run_pop3_client(NetStream *stream, gboolean oauth2)
{
    g_autoptr(NetEndpoint) endpoint = net_endpoint_parse("pop3+insecure://127.0.0.1:110", NULL);
    const UpstreamLogin options = {
        .endpoint = endpoint, .user = "ada", .secret = "s3cret", .oauth2 = oauth2, .timeout = 10};
    g_autoptr(Pop3Client) client = pop3_client_start(stream, &options, NULL);
    g_autoptr(GArray) messages = client ? pop3_client_list(client, NULL) : NULL;
    if (messages &&
        (!messages->len || fetch_and_delete(client, &g_array_index(messages, Pop3Message, 0))))
        pop3_client_quit(client, NULL);
}

static void (*const sessions[])(NetStream *stream, gboolean flag) = {
    run_pop3, run_submission, run_imap, run_imap_client, run_smtp_client, run_pop3_client,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    g_autoptr(NetCancel) cancel = net_cancel_new();
    if (size < 1 || size > INPUT_MAX)
        return 0;
    signal(SIGPIPE, SIG_IGN);
    prepare();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_cmpint(write(fds[0], data + 1, size - 1), ==, size - 1);
    shutdown(fds[0], SHUT_WR);
    g_autoptr(GThread) reader = g_thread_new("reader", drain, GINT_TO_POINTER(fds[0]));
    NetStream *stream = net_stream_new(fds[1], "fuzz", cancel);
    sessions[(data[0] >> 1) % G_N_ELEMENTS(sessions)](stream, data[0] & 1);
    g_thread_join(g_steal_pointer(&reader));
    return 0;
}
