/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The thread that takes what 'posternctl sendmail' left. */
#include "daemon/serve/pickup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/net/thread.h"
#include "daemon/serve/submission/session.h"

#define ENDING        ".mail"
#define AGAIN_SECONDS 60   /* until what couldn't be taken is tried again, */
#define SOON_SECONDS  1    /* and what waits for an account that is being opened */
#define LINE_MAX_     2000 /* of the envelope: an address has 320 at most */
#define PIECE         65536

struct Pickup {
    ServeDaemon daemon;
    char *folder;
    void (*changed)(gpointer data);
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    gboolean wanted, ending; /* under the lock, */
    GHashTable *reasons;     /* as is this: file name → why it can't be taken */
};

/* ---- one file ------------------------------------------------------------------------------ */

static gboolean refuse(GError **error, const char *reason)
{
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_INVALID, reason);
    return FALSE;
}

/* One line of the envelope. FALSE: it is none. */
static gboolean take_line(QueueEntry *entry, const char *line)
{
    if (g_str_has_prefix(line, "account ") && !entry->account)
        entry->account = g_strdup(line + strlen("account "));
    else if (g_str_has_prefix(line, "from ") && !entry->sender)
        entry->sender = g_strdup(line + strlen("from "));
    else if (g_str_has_prefix(line, "to ") && entry->recipients->len < SUBMISSION_RECIPIENTS_MAX)
        g_ptr_array_add(entry->recipients, queue_recipient_new(line + strlen("to ")));
    else
        return FALSE;
    entry->smtputf8 |= !g_str_is_ascii(line);
    return g_utf8_validate(line, -1, NULL);
}

static gboolean read_envelope(FILE *file, QueueEntry *entry, GError **error)
{
    char line[LINE_MAX_];

    while (fgets(line, sizeof line, file)) {
        char *end = strchr(line, '\n');
        if (end == line && entry->account && entry->sender && entry->recipients->len)
            return TRUE;
        if (!end)
            break;
        *end = '\0';
        if (!take_line(entry, line))
            break;
    }
    return refuse(error, "it isn't what posternctl sendmail writes");
}

static gboolean read_message(FILE *file, Spool *spool, SmtpDataReader *reader, GError **error)
{
    g_autofree char *piece = g_malloc(PIECE);
    gsize length;

    while ((length = fread(piece, 1, PIECE, file)) > 0) {
        smtp_data_inspect(reader, piece, length, FALSE);
        spool_add(spool, (const guint8 *)piece, length);
    }
    smtp_data_inspect(reader, NULL, 0, TRUE);
    if (ferror(file))
        return refuse(error, "its file can't be read");
    if (spool_too_large(spool))
        return refuse(error, "it is too large");
    const char *flaw = submission_flaw(reader);
    return !flaw || refuse(error, flaw);
}

/* What a session would answer to MAIL with. */
static gboolean check_sender(const AccountSettings *settings, const QueueEntry *entry,
                             GError **error)
{
    g_autofree char *reason = NULL;

    if (!settings->outgoing)
        reason =
            g_strdup_printf("account %s can't send: set outgoing= in postern.conf", settings->id);
    else if (*entry->sender && !account_may_send_as(settings, entry->sender))
        reason = g_strdup_printf("%s is not an address of account %s; add it to aliases= in "
                                 "postern.conf to send from it",
                                 entry->sender, settings->id);
    return !reason || refuse(error, reason);
}

static gboolean queue_file(Pickup *pickup, FILE *file, const char *name, GError **error)
{
    Queue *queue = pickup->daemon.queue;
    g_autoptr(QueueEntry) entry = queue_entry_new();
    SmtpDataReader reader = {0};

    if (!read_envelope(file, entry, error))
        return FALSE;
    g_autoptr(ServeAccount) account =
        pickup->daemon.find_account(entry->account, pickup->daemon.data, error);
    if (!account || !check_sender(account->settings, entry, error))
        return FALSE;
    g_autoptr(Spool) spool = submission_spool(queue, account->settings, entry);
    if (!read_message(file, spool, &reader, error))
        return FALSE;
    entry->eightbit = reader.eightbit;
    entry->ticket = g_strdup(name);
    return submission_queue(queue, account->settings, entry, spool, error);
}

static gboolean open_and_queue(Pickup *pickup, const char *path, const char *name, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

    if (!file)
        return refuse(error, g_strerror(errno));
    gboolean queued = queue_file(pickup, file, name, error);
    fclose(file);
    return queued;
}

/* So that the file doesn't come back after a power failure, when its ticket is forgotten. */
static gboolean remove_for_good(const Pickup *pickup, const char *path)
{
    int folder = open(pickup->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean gone = folder >= 0 && (unlink(path) == 0 || errno == ENOENT) && fsync(folder) == 0;

    if (folder >= 0)
        close(folder);
    return gone;
}

/* Takes a file into the queue, and away. What a crash interrupts goes on where it was. */
static gboolean take_file(Pickup *pickup, const char *name, GError **error)
{
    Queue *queue = pickup->daemon.queue;
    g_autofree char *path = g_build_filename(pickup->folder, name, NULL);
    gboolean has = FALSE;

    if (!queue_ready(queue, error) || !queue_has_ticket(queue, name, &has, error) ||
        (!has && !open_and_queue(pickup, path, name, error)))
        return FALSE;
    if (!remove_for_good(pickup, path))
        return refuse(error, "it has been taken, but its file can't be removed");
    return queue_forget_ticket(queue, name, error);
}

/* ---- the folder ---------------------------------------------------------------------------- */

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names that begin with the time: the oldest first. */
static GPtrArray *list_files(const Pickup *pickup)
{
    g_autoptr(GDir) folder = g_dir_open(pickup->folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        /* One with a dot before it is still being written. */
        if (g_str_has_suffix(name, ENDING) && *name != '.')
            g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    return names;
}

/* Takes all it can; the reasons for the others replace those of before. After how many seconds one
 * has to look again; 0: there is nothing left. */
static int look(Pickup *pickup)
{
    int seconds = 0;

    g_autoptr(GPtrArray) names = list_files(pickup);
    g_autoptr(GHashTable) reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autoptr(GError) error = NULL;
        if (take_file(pickup, name, &error))
            continue;
        gboolean opening = g_error_matches(error, SERVE_ERROR, SERVE_ERROR_OPENING);
        seconds = opening || seconds == SOON_SECONDS ? SOON_SECONDS : AGAIN_SECONDS;
        if (opening)
            continue;
        if (!g_hash_table_contains(pickup->reasons, name))
            g_message("mail in %s/%s waits: %s", pickup->folder, name, error->message);
        g_hash_table_insert(reasons, g_strdup(name), g_strdup(error->message));
    }
    pthread_mutex_lock(&pickup->lock);
    gboolean other = g_hash_table_size(reasons) > 0 || g_hash_table_size(pickup->reasons) > 0;
    GHashTable *before = pickup->reasons;
    pickup->reasons = g_steal_pointer(&reasons);
    pthread_mutex_unlock(&pickup->lock);
    g_hash_table_unref(before);
    if (other && pickup->changed)
        pickup->changed(pickup->daemon.data);
    return seconds;
}

/* Until pickup_check(), or until `seconds` have passed (0: however long); locked. */
static void wait_for_more(Pickup *pickup, int seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    while (!pickup->wanted && !pickup->ending) {
        if (!seconds)
            pthread_cond_wait(&pickup->wake, &pickup->lock);
        else if (pthread_cond_timedwait(&pickup->wake, &pickup->lock, &until) == ETIMEDOUT)
            return;
    }
}

static void *pickup_thread(void *data)
{
    Pickup *pickup = data;
    int seconds = 0;

    net_thread_name("pickup", NULL);
    pthread_mutex_lock(&pickup->lock);
    for (;;) {
        wait_for_more(pickup, seconds);
        if (pickup->ending)
            break;
        pickup->wanted = FALSE;
        pthread_mutex_unlock(&pickup->lock);
        seconds = look(pickup);
        pthread_mutex_lock(&pickup->lock);
    }
    pthread_mutex_unlock(&pickup->lock);
    return NULL;
}

Pickup *pickup_new(const ServeDaemon *daemon, const char *folder, void (*changed)(gpointer data))
{
    Pickup *pickup = g_new0(Pickup, 1);

    pickup->daemon = *daemon;
    pickup->folder = g_strdup(folder);
    pickup->changed = changed;
    pickup->wanted = TRUE;
    pickup->reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pthread_mutex_init(&pickup->lock, NULL);
    pthread_cond_init(&pickup->wake, NULL);
    pthread_create(&pickup->thread, NULL, pickup_thread, pickup);
    return pickup;
}

void pickup_check(Pickup *pickup)
{
    pthread_mutex_lock(&pickup->lock);
    pickup->wanted = TRUE;
    pthread_cond_signal(&pickup->wake);
    pthread_mutex_unlock(&pickup->lock);
}

void pickup_free(Pickup *pickup)
{
    pthread_mutex_lock(&pickup->lock);
    pickup->ending = TRUE;
    pthread_cond_signal(&pickup->wake);
    pthread_mutex_unlock(&pickup->lock);
    pthread_join(pickup->thread, NULL);
    pthread_cond_destroy(&pickup->wake);
    pthread_mutex_destroy(&pickup->lock);
    g_hash_table_unref(pickup->reasons);
    g_free(pickup->folder);
    g_free(pickup);
}

void pickup_problems(Pickup *pickup, GPtrArray *problems)
{
    GHashTableIter iter;
    gpointer name, reason;

    pthread_mutex_lock(&pickup->lock);
    g_hash_table_iter_init(&iter, pickup->reasons);
    while (g_hash_table_iter_next(&iter, &name, &reason))
        g_ptr_array_add(problems,
                        g_strdup_printf("the mail in %s/%s waits to be sent: %s", pickup->folder,
                                        (const char *)name, (const char *)reason));
    pthread_mutex_unlock(&pickup->lock);
}
