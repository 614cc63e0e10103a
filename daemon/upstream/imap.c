/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The upstream IMAP client: commands out, responses in. Connecting is in imap-login.c, SELECT and
 * IDLE are in imap-select.c.
 */
#include "daemon/upstream/imap-private.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/words/words.h"
#include <string.h>

/* More commands than this under way is a mistake of ours. */
#define MAX_PENDING 4096

/* Commands that aren't answered yet: some servers close the connection at more. */
#define MAX_UNDER_WAY 25

/* A server may be silent so long about a message that it stores: to break off is to have it twice. */
#define APPEND_SECONDS 300

GQuark imap_client_error_quark(void)
{
    return g_quark_from_static_string("imap-client-error");
}

static const struct {
    const char *word;
    guint bit;
} capability_words[] = {
    {"IMAP4REV1", IMAP_CAP_IMAP4REV1},
    {"SASL-IR", IMAP_CAP_SASL_IR},
    {"LOGINDISABLED", IMAP_CAP_LOGINDISABLED},
    {"STARTTLS", IMAP_CAP_STARTTLS},
    {"ID", IMAP_CAP_ID},
    {"ENABLE", IMAP_CAP_ENABLE},
    {"IDLE", IMAP_CAP_IDLE},
    {"UIDPLUS", IMAP_CAP_UIDPLUS},
    {"MOVE", IMAP_CAP_MOVE},
    {"CONDSTORE", IMAP_CAP_CONDSTORE},
    {"QRESYNC", IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE | IMAP_CAP_ENABLE},
    {"LIST-EXTENDED", IMAP_CAP_LIST_EXTENDED},
    {"LIST-STATUS", IMAP_CAP_LIST_STATUS},
    {"SPECIAL-USE", IMAP_CAP_SPECIAL_USE},
    {"COMPRESS=DEFLATE", IMAP_CAP_COMPRESS},
    {"OBJECTID", IMAP_CAP_OBJECTID},
    {"X-GM-EXT-1", IMAP_CAP_GMAIL},
    {"LITERAL+", IMAP_CAP_LITERAL_PLUS},
    {"LITERAL-", IMAP_CAP_LITERAL_MINUS},
    {"ESEARCH", IMAP_CAP_ESEARCH},
    {"UNSELECT", IMAP_CAP_UNSELECT},
    {"QUOTA", IMAP_CAP_QUOTA},
    {"NAMESPACE", IMAP_CAP_NAMESPACE},
    {"ACL", IMAP_CAP_ACL},
    {"LIST-MYRIGHTS", IMAP_CAP_LIST_MYRIGHTS},
};

static guint64 append_limit_of(const char *const *words)
{
    guint64 limit = 0;

    for (guint i = 0; words && words[i]; i++)
        if (g_ascii_strncasecmp(words[i], "APPENDLIMIT=", strlen("APPENDLIMIT=")) == 0)
            g_ascii_string_to_unsigned(words[i] + strlen("APPENDLIMIT="), 10, 1, G_MAXUINT64,
                                       &limit, NULL);
    return limit;
}

/* Takes the capabilities from a CAPABILITY answer or code. */
static void set_capabilities(ImapClient *client, const ImapNode *first)
{
    g_auto(GStrv) words = imap_words_parse(first);

    client->capabilities = 0;
    client->capabilities_fresh = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(capability_words); i++)
        if (words && imap_words_have((const char *const *)words, capability_words[i].word))
            client->capabilities |= capability_words[i].bit;
    client->mechanisms = 0;
    for (guint i = 0; words && words[i]; i++) {
        if (g_str_has_prefix(words[i], "RIGHTS="))
            client->capabilities |= IMAP_CAP_RIGHTS;
        if (g_ascii_strncasecmp(words[i], "AUTH=", 5) == 0)
            client->mechanisms |= sasl_mechanism_of(words[i] + 5);
    }
    client->append_limit = append_limit_of((const char *const *)words);
    client->capabilities &= ~client->lacking;
    g_strfreev(client->words);
    client->words = g_steal_pointer(&words);
}

gboolean imap_client_has(const ImapClient *client, guint capabilities)
{
    return (client->capabilities & capabilities) == capabilities;
}

void imap_client_lacks(ImapClient *client, guint capabilities)
{
    client->lacking |= capabilities;
    client->capabilities &= ~capabilities;
}

/* ---- quirks ---------------------------------------------------------------------------------- */

/* What is announced and isn't to be used. */
static const struct {
    Quirk quirk;
    guint capabilities;
} lacks[] = {
    {QUIRK_NO_ACL, IMAP_CAP_ACL | IMAP_CAP_LIST_MYRIGHTS},
    {QUIRK_NO_COMPRESS, IMAP_CAP_COMPRESS},
    {QUIRK_NO_CONDSTORE, IMAP_CAP_CONDSTORE | IMAP_CAP_QRESYNC},
    {QUIRK_NO_ESEARCH, IMAP_CAP_ESEARCH},
    {QUIRK_NO_IDLE, IMAP_CAP_IDLE},
    {QUIRK_NO_LIST_EXTENDED,
     IMAP_CAP_LIST_EXTENDED | IMAP_CAP_LIST_STATUS | IMAP_CAP_LIST_MYRIGHTS | IMAP_CAP_SPECIAL_USE},
    {QUIRK_NO_LIST_STATUS, IMAP_CAP_LIST_STATUS},
    {QUIRK_NO_LITERALS, IMAP_CAP_LITERAL_PLUS | IMAP_CAP_LITERAL_MINUS},
    {QUIRK_NO_MOVE, IMAP_CAP_MOVE},
    {QUIRK_NO_NAMESPACE, IMAP_CAP_NAMESPACE},
    {QUIRK_NO_OBJECTID, IMAP_CAP_OBJECTID},
    {QUIRK_NO_QRESYNC, IMAP_CAP_QRESYNC},
    {QUIRK_NO_QUOTA, IMAP_CAP_QUOTA},
    {QUIRK_NO_SPECIAL_USE, IMAP_CAP_SPECIAL_USE},
    {QUIRK_NO_UIDPLUS, IMAP_CAP_UIDPLUS},
    {QUIRK_NO_UNSELECT, IMAP_CAP_UNSELECT},
};

const Quirks *imap_client_quirks(const ImapClient *client)
{
    return &client->quirks;
}

void imap_client_use_quirks(ImapClient *client, const Quirks *quirks)
{
    client->quirks = *quirks;
    for (guint i = 0; i < G_N_ELEMENTS(lacks); i++)
        if (quirks_have(quirks, lacks[i].quirk))
            imap_client_lacks(client, lacks[i].capabilities);
}

static guint most_under_way(const ImapClient *client)
{
    guint most = client->quirks.numbers[QUIRK_PIPELINE];
    return most ? most : MAX_UNDER_WAY;
}

void imap_client_forget(ImapClient *client)
{
    client->capabilities = 0;
    client->mechanisms = 0;
    client->capabilities_fresh = FALSE;
    client->append_limit = 0;
    client->greeted_preauth = FALSE;
    client->continued = FALSE;
    client->cond = IMAP_COND_NONE;
    client->exists = 0;
    g_clear_pointer(&client->greeting, g_free);
    g_clear_pointer(&client->alert, g_free);
    g_clear_pointer(&client->bye, g_free);
    g_clear_pointer(&client->continuation, g_free);
}

char *imap_client_take_alert(ImapClient *client)
{
    return g_steal_pointer(&client->alert);
}

/* ---- responses ------------------------------------------------------------------------------- */

void imap_reply_clear(ImapReply *reply)
{
    g_clear_pointer(&reply->code, g_free);
    g_clear_pointer(&reply->text, g_free);
    g_clear_pointer(&reply->uids, imap_uid_plus_free);
    reply->cond = IMAP_COND_NONE;
}

/* ---- servers that ask to wait ---------------------------------------------------------------- */

#define LONGEST_WAIT 3600

/* Exchange says so in a BAD, which isn't about the command (quirk: "Request is throttled"). */
static guint seconds_asked(const char *text)
{
    static const char key[] = "backoff time:";
    g_autofree char *lower = g_ascii_strdown(text ? text : "", -1);
    const char *found = strstr(lower, key);

    if (!found)
        return strstr(lower, "request is throttled") ? 60 : 0;
    guint64 milliseconds = g_ascii_strtoull(found + strlen(key), NULL, 10);
    return (guint)CLAMP(milliseconds / 1000 + 1, 1, LONGEST_WAIT);
}

static gboolean asks_to_wait(const ImapReply *reply)
{
    return reply->cond != IMAP_COND_OK && seconds_asked(reply->text) > 0;
}

gboolean imap_client_was_ended(const GError *error)
{
    return (error->domain == NET_ERROR &&
            (error->code == NET_ERROR_CLOSED || error->code == NET_ERROR_IO ||
             error->code == NET_ERROR_TIMEOUT || error->code == NET_ERROR_TOO_LONG)) ||
           g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_CLOSED);
}

gboolean imap_client_broke(const GError *error)
{
    return imap_client_was_ended(error) ||
           g_error_matches(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_PROTOCOL);
}

void imap_reply_to_error(const ImapReply *reply, GError **error)
{
    if (asks_to_wait(reply)) {
        g_set_error_literal(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_UNAVAILABLE, reply->text);
        return;
    }
    g_set_error(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_REFUSED, "%s",
                *reply->text ? reply->text : "the server refused without saying why");
}

/* The server's words, fit to be shown. */
static char *words_of(const ImapResponse *response)
{
    return words_line(response->text ? response->text : "", -1);
}

static ImapPending *find_pending(ImapClient *client, guint number)
{
    for (guint i = 0; i < client->pending->len; i++) {
        ImapPending *pending = &g_array_index(client->pending, ImapPending, i);
        if (pending->number == number)
            return pending;
    }
    return NULL;
}

static gboolean protocol_error(GError **error, const char *what)
{
    g_set_error(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_PROTOCOL,
                "the server does not keep to IMAP: %s", what);
    return FALSE;
}

static gboolean is_uid_code(const ImapResponse *response)
{
    return response->code &&
           (g_str_equal(response->code, "APPENDUID") || g_str_equal(response->code, "COPYUID"));
}

/* ---- what is passed over --------------------------------------------------------------------- */

/* A response that can't be read or used is passed over, counted, and said once. */
static void pass_over(ImapClient *client, const char *reason)
{
    if (client->unread++ == 0)
        g_message("%s sends what can't be read, which is passed over: %s", client->endpoint->host,
                  reason);
}

guint64 imap_client_unread(const ImapClient *client)
{
    return client->unread;
}

/* Lines in no form at all with which some servers say goodbye (quirk: Exchange). */
static gboolean is_farewell(const ImapResponse *response)
{
    return g_str_equal(response->tag, "Server") || g_str_equal(response->tag, "Command");
}

/* A tagged answer that no command waits for. Instead of a greeting it isn't IMAP at all. */
static gboolean take_stray(ImapClient *client, const ImapResponse *response, GError **error)
{
    if (!client->greeted)
        return protocol_error(error, "this is no greeting");
    if (is_farewell(response)) {
        g_free(client->bye);
        client->bye = g_strdup_printf("%s %s", response->tag, response->text);
        g_set_error(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_CLOSED,
                    "%s ended the connection: %s", client->endpoint->host, client->bye);
        return FALSE;
    }
    pass_over(client, "an answer to nothing that was asked");
    return TRUE;
}

/* ---- what is said without end ---------------------------------------------------------------- */

/* For a LIST of 100,000 folders, and FETCHes of the flags of all messages there are. */
#define ALLOWED_LINES     500000
#define ALLOWED_OCTETS    (64 * 1024 * 1024)
#define LINES_A_MESSAGE   4
#define OCTETS_A_MESSAGE  1024
#define BELIEVED_MESSAGES 4000000

void imap_client_allow_more(ImapClient *client)
{
    guint64 messages = MIN(client->exists, BELIEVED_MESSAGES);

    client->allowance = (ImapAllowance){ALLOWED_LINES + messages * LINES_A_MESSAGE,
                                        ALLOWED_OCTETS + messages * OCTETS_A_MESSAGE};
}

static gboolean spend(ImapClient *client, gsize octets, GError **error)
{
    ImapAllowance *left = &client->allowance;

    if (left->lines == 0 || left->octets < octets)
        return protocol_error(error, "it answers without end");
    left->lines--;
    left->octets -= octets;
    return TRUE;
}

/* ---- taking responses ------------------------------------------------------------------------ */

/* The command a tag belongs to; NULL: none that waits for its answer. */
static ImapPending *pending_of(ImapClient *client, const char *tag)
{
    guint64 number = 0;

    if ((tag[0] != 'A' && tag[0] != 'a') ||
        !g_ascii_string_to_unsigned(tag + 1, 10, 1, G_MAXUINT32, &number, NULL))
        return NULL;
    ImapPending *pending = find_pending(client, (guint)number);
    return pending && !pending->answered ? pending : NULL;
}

static gboolean take_tagged(ImapClient *client, const ImapResponse *response, GError **error)
{
    ImapPending *pending = pending_of(client, response->tag);

    if (!pending)
        return take_stray(client, response, error);
    imap_client_allow_more(client);
    /* A handler may have found that what came before is no answer (see hand_over). */
    if (pending->reply.cond != IMAP_COND_NONE) {
        pending->answered = TRUE;
        return TRUE;
    }
    pending->answered = TRUE;
    pending->reply.cond = response->cond;
    pending->reply.code = g_strdup(response->code);
    pending->reply.text = words_of(response);
    if (is_uid_code(response)) {
        g_clear_pointer(&pending->reply.uids, imap_uid_plus_free);
        pending->reply.uids = imap_code_uidplus(response, NULL);
    }
    return TRUE;
}

/* MOVE says COPYUID in an untagged OK (RFC 6851, 4.3): it belongs to the oldest command open. */
static void take_untagged_uids(ImapClient *client, const ImapResponse *response)
{
    for (guint i = 0; i < client->pending->len; i++) {
        ImapPending *pending = &g_array_index(client->pending, ImapPending, i);
        if (!pending->answered) {
            if (!pending->reply.uids)
                pending->reply.uids = imap_code_uidplus(response, NULL);
            return;
        }
    }
}

static gboolean take_bye(ImapClient *client, const ImapResponse *response)
{
    if (response->cond != IMAP_COND_BYE)
        return FALSE;
    g_free(client->bye);
    client->bye = words_of(response);
    return TRUE;
}

/* With QRESYNC enabled, VANISHED takes the place of EXPUNGE (RFC 7162, 3.2.10.2). */
static void note_vanished(ImapClient *client, const ImapResponse *response)
{
    gboolean earlier;
    g_autoptr(ImapSet) gone = imap_vanished_parse(response, &earlier, NULL);

    if (gone && !earlier)
        client->exists -= MIN(client->exists, imap_set_count(gone));
}

/* From what a search finds, conclusions are drawn: one that can't be read has failed. */
static void fail_search(ImapPending *pending, const ImapResponse *response, const GError *reason)
{
    static const char *const names[] = {"SEARCH", "ESEARCH", NULL};

    if (!response->name || !g_strv_contains(names, response->name) ||
        pending->reply.cond != IMAP_COND_NONE)
        return;
    pending->reply.cond = IMAP_COND_BAD;
    pending->reply.text = g_strdup(reason->message);
}

/* To the command under way that listens. What it can't use is as good as not said. */
static gboolean hand_over(ImapClient *client, const ImapResponse *response, GError **error)
{
    for (guint i = 0; i < client->pending->len; i++) {
        ImapPending *pending = &g_array_index(client->pending, ImapPending, i);
        g_autoptr(GError) reason = NULL;

        if (pending->answered || !pending->handler)
            continue;
        if (pending->handler(response, pending->data, &reason))
            return TRUE;
        if (reason->domain != IMAP_ERROR) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
        pass_over(client, reason->message);
        fail_search(pending, response, reason);
        return TRUE;
    }
    return TRUE;
}

static gboolean take_untagged(ImapClient *client, const ImapResponse *response, GError **error)
{
    if (take_bye(client, response))
        return TRUE;
    client->cond = response->cond;
    if (!client->greeted && !client->greeting && response->cond != IMAP_COND_NONE)
        client->greeting = words_of(response);
    if (response->code && g_str_equal(response->code, "ALERT")) {
        g_free(client->alert);
        client->alert = words_of(response);
    }
    if (response->code && g_str_equal(response->code, "CAPABILITY"))
        set_capabilities(client, response->code_args);
    if (is_uid_code(response))
        take_untagged_uids(client, response);
    if (response->name && g_str_equal(response->name, "CAPABILITY"))
        set_capabilities(client, response->args);
    if (response->name && g_str_equal(response->name, "EXISTS") && response->has_number)
        client->exists = response->number;
    if (response->name && g_str_equal(response->name, "EXPUNGE") && client->exists > 0)
        client->exists--;
    if (response->name && g_str_equal(response->name, "VANISHED"))
        note_vanished(client, response);
    if (client->selecting)
        imap_client_note_selected(client, response);
    return hand_over(client, response, error);
}

static gboolean take(ImapClient *client, const ImapResponse *response, GError **error)
{
    switch (response->kind) {
    case IMAP_TAGGED:
        /* LOGIN's OK may carry the new capabilities. */
        if (response->code && g_str_equal(response->code, "CAPABILITY"))
            set_capabilities(client, response->code_args);
        if (response->code && g_str_equal(response->code, "ALERT")) {
            g_free(client->alert);
            client->alert = words_of(response);
        }
        if (client->selecting)
            imap_client_note_selected(client, response);
        return take_tagged(client, response, error);
    case IMAP_CONTINUATION:
        client->continued = TRUE;
        g_free(client->continuation);
        client->continuation = g_strdup(response->text);
        return TRUE;
    default:
        return take_untagged(client, response, error);
    }
}

/* A closed connection after BYE is the server's word, not an accident. */
static void explain_close(ImapClient *client, GError **error)
{
    if (!client->bye || !error || !*error || (*error)->domain != NET_ERROR ||
        ((*error)->code != NET_ERROR_CLOSED && (*error)->code != NET_ERROR_IO))
        return;
    g_clear_error(error);
    g_set_error(error, IMAP_CLIENT_ERROR, IMAP_CLIENT_ERROR_CLOSED, "%s ended the connection: %s",
                client->endpoint->host, *client->bye ? client->bye : "without saying why");
}

static gboolean feed_literal(ImapClient *client, GError **error)
{
    guint64 size = imap_response_literal_size(client->parser);
    g_autofree char *octets = g_try_malloc(MAX(size, 1));

    if (!octets)
        return protocol_error(error, "a literal larger than the memory");
    if (!net_stream_read_exact(client->stream, octets, size, error))
        return FALSE;
    g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&octets), size);
    imap_response_literal(client->parser, bytes);
    return TRUE;
}

static gboolean read_response(ImapClient *client, GError **error)
{
    for (;;) {
        gsize length;
        const char *line = net_stream_read_line(client->stream, client->line_limit, &length, error);
        if (!line || !spend(client, length, error))
            return FALSE;
        g_autoptr(GError) reason = NULL;
        switch (imap_response_line(client->parser, line, length, &reason)) {
        case IMAP_RESPONSE_COMPLETE:
            return take(client, imap_response_get(client->parser), error);
        case IMAP_RESPONSE_LITERAL:
            if (!feed_literal(client, error))
                return FALSE;
            break;
        case IMAP_RESPONSE_UNREADABLE:
            if (!client->greeted && length > 0)
                return protocol_error(error, "this is no greeting");
            pass_over(client, reason->message);
            return TRUE;
        default:
            return protocol_error(error, reason ? reason->message : "an unreadable line");
        }
    }
}

gboolean imap_client_read(ImapClient *client, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (client->broken)
        return protocol_error(error, "the connection failed before");
    if (read_response(client, &reason))
        return TRUE;
    client->broken = TRUE;
    explain_close(client, &reason);
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* ---- commands -------------------------------------------------------------------------------- */

static ImapLiteralSupport literal_support(const ImapClient *client)
{
    if (imap_client_has(client, IMAP_CAP_LITERAL_PLUS))
        return IMAP_LITERAL_PLUS;
    return imap_client_has(client, IMAP_CAP_LITERAL_MINUS) ? IMAP_LITERAL_MINUS : IMAP_LITERAL_SYNC;
}

ImapClientCommand *imap_client_command(ImapClient *client, const char *name)
{
    char tag[16];

    g_snprintf(tag, sizeof tag, "A%u", ++client->next_number);
    return imap_client_command_new(tag, name, literal_support(client), FALSE);
}

gboolean imap_client_await_continuation(ImapClient *client, guint number, gboolean *answered,
                                        GError **error)
{
    *answered = FALSE;
    if (!net_stream_flush(client->stream, error))
        return FALSE;
    while (!client->continued) {
        if (find_pending(client, number)->answered) {
            *answered = TRUE;
            return TRUE;
        }
        if (!imap_client_read(client, error))
            return FALSE;
    }
    client->continued = FALSE;
    return TRUE;
}

static guint count_under_way(const ImapClient *client)
{
    guint count = 0;

    for (guint i = 0; i < client->pending->len; i++)
        count += !g_array_index(client->pending, ImapPending, i).answered;
    return count;
}

/* Reads answers until another command may be sent. */
static gboolean await_room(ImapClient *client, GError **error)
{
    guint most = most_under_way(client);

    if (count_under_way(client) < most)
        return TRUE;
    if (!net_stream_flush(client->stream, error)) {
        client->broken = TRUE;
        return FALSE;
    }
    while (count_under_way(client) >= most)
        if (!imap_client_read(client, error))
            return FALSE;
    return TRUE;
}

static guint open_pending(ImapClient *client, ImapHandler handler, gpointer data, GError **error)
{
    ImapPending pending = {.number = client->next_number, .handler = handler, .data = data};

    if (!await_room(client, error))
        return 0;

    /* A go-ahead that nobody waited for is none for this command. */
    if (client->pending->len == 0)
        client->continued = FALSE;
    imap_client_allow_more(client);
    if (client->pending->len >= MAX_PENDING) {
        protocol_error(error, "too many commands under way");
        return 0;
    }
    g_array_append_val(client->pending, pending);
    return pending.number;
}

/* Sends the segments, waiting where one must; *stopped: the command was answered before its end. */
static gboolean send_segments(ImapClient *client, guint number, GArray *segments, gboolean *stopped,
                              GError **error)
{
    *stopped = FALSE;
    for (guint i = 0; i < segments->len && !*stopped; i++) {
        const ImapSegment *segment = &g_array_index(segments, ImapSegment, i);
        gsize length;
        const char *data = g_bytes_get_data(segment->octets, &length);

        if (segment->wait && !imap_client_await_continuation(client, number, stopped, error))
            return FALSE;
        if (!*stopped && !net_stream_write(client->stream, data, length, error))
            return FALSE;
    }
    return TRUE;
}

guint imap_client_send_with(ImapClient *client, ImapClientCommand *command, ImapHandler handler,
                            gpointer data, GError **error)
{
    g_autoptr(GArray) segments = imap_client_command_finish(command);
    guint number = open_pending(client, handler, data, error);
    gboolean stopped;

    if (number == 0)
        return 0;
    if (!send_segments(client, number, segments, &stopped, error)) {
        client->broken = TRUE;
        return 0;
    }
    return number;
}

guint imap_client_send(ImapClient *client, ImapClientCommand *command, GError **error)
{
    return imap_client_send_with(client, command, NULL, NULL, error);
}

static gboolean send_pieces(ImapClient *client, guint64 size, ImapSource source, gpointer data,
                            GError **error)
{
    for (guint64 offset = 0; offset < size;) {
        g_autoptr(GBytes) piece = source(offset, MIN(size - offset, 256 * 1024), data, error);
        gsize length = piece ? g_bytes_get_size(piece) : 0;

        if (!piece)
            return FALSE;
        if (length == 0 || length > size - offset)
            return protocol_error(error, "a message that is shorter than its size");
        if (!net_stream_write(client->stream, g_bytes_get_data(piece, NULL), length, error))
            return FALSE;
        offset += length;
    }
    return net_stream_puts(client->stream, "\r\n", error);
}

guint imap_client_send_literal(ImapClient *client, ImapClientCommand *command, guint64 size,
                               ImapSource source, gpointer data, GError **error)
{
    /* A literal that the server must refuse is one it should be able to refuse ahead: some close
     * the connection rather than read it (RFC 7888, 4). */
    gboolean too_large = client->append_limit && size > client->append_limit;
    gboolean wait =
        too_large || (!imap_client_has(client, IMAP_CAP_LITERAL_PLUS) &&
                      !(imap_client_has(client, IMAP_CAP_LITERAL_MINUS) && size <= 4096));
    gboolean stopped;

    imap_client_command_printf(command, " {%" G_GUINT64_FORMAT "%s}", size, wait ? "" : "+");
    guint number = imap_client_send(client, command, error);
    if (number == 0)
        return 0;
    if (wait) {
        if (!imap_client_await_continuation(client, number, &stopped, error))
            return 0;
        if (stopped)
            return number;
    }
    if (!send_pieces(client, size, source, data, error)) {
        client->broken = TRUE;
        return 0;
    }
    find_pending(client, number)->patient = TRUE;
    return number;
}

gboolean imap_client_finish(ImapClient *client, guint number, ImapReply *reply, GError **error)
{
    ImapPending *pending = find_pending(client, number);

    if (!pending->answered && !net_stream_flush(client->stream, error)) {
        client->broken = TRUE;
        return FALSE;
    }
    /* Reading never adds to the array, so the pointer stays good. */
    net_stream_set_timeout(client->stream,
                           MAX(client->timeout, pending->patient ? APPEND_SECONDS : 0));
    while (!pending->answered)
        if (!imap_client_read(client, error))
            return FALSE;
    net_stream_set_timeout(client->stream, client->timeout);

    g_auto(ImapReply) answer = pending->reply;
    g_array_remove_index(client->pending, (guint)(pending - (ImapPending *)client->pending->data));
    if (reply && !asks_to_wait(&answer)) {
        *reply = answer;
        memset(&answer, 0, sizeof answer);
        return TRUE;
    }
    if (answer.cond == IMAP_COND_OK)
        return TRUE;
    imap_reply_to_error(&answer, error);
    return FALSE;
}

gboolean imap_client_run_command(ImapClient *client, ImapClientCommand *command,
                                 ImapHandler handler, gpointer data, ImapReply *reply,
                                 GError **error)
{
    guint number = imap_client_send_with(client, command, handler, data, error);

    return number != 0 && imap_client_finish(client, number, reply, error);
}

gboolean imap_client_run(ImapClient *client, ImapReply *reply, GError **error, const char *format,
                         ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return imap_client_run_command(client, imap_client_command(client, text), NULL, NULL, reply,
                                   error);
}

gboolean imap_client_run_with(ImapClient *client, ImapHandler handler, gpointer data,
                              ImapReply *reply, GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return imap_client_run_command(client, imap_client_command(client, text), handler, data, reply,
                                   error);
}

void imap_client_free(ImapClient *client)
{
    if (!client)
        return;
    for (guint i = 0; i < client->pending->len; i++)
        imap_reply_clear(&g_array_index(client->pending, ImapPending, i).reply);
    g_array_free(client->pending, TRUE);
    imap_response_parser_free(client->parser);
    net_stream_free(client->stream);
    net_endpoint_free(client->endpoint);
    g_strfreev(client->words);
    g_free(client->greeting);
    g_free(client->bye);
    g_free(client->alert);
    g_free(client->continuation);
    g_free(client);
}

void imap_client_close(ImapClient *client)
{
    if (!client)
        return;
    if (!client->broken && client->pending->len == 0) {
        net_stream_set_timeout(client->stream, 2);
        if (net_stream_printf(client->stream, NULL, "A%u LOGOUT\r\n", ++client->next_number))
            net_stream_close(client->stream);
    }
    imap_client_free(client);
}

/* ---- liveness ------------------------------------------------------------------------------ */

void imap_client_set_timeout(ImapClient *client, guint seconds)
{
    client->timeout = seconds;
    net_stream_set_timeout(client->stream, seconds);
}

gboolean imap_client_probe(ImapClient *client, guint seconds, GError **error)
{
    guint usual = client->timeout;

    imap_client_set_timeout(client, seconds);
    gboolean alive = imap_client_run(client, NULL, error, "NOOP");
    imap_client_set_timeout(client, usual);
    return alive;
}
