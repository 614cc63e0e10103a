/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The queue of outgoing mail, queue.db: one for all accounts, always synchronous=FULL. Whoever
 * changes it waits for the disk, and all who wait share one transaction (group commit). Any thread
 * may call.
 */
#pragma once

#include "cache/cache.h"

typedef struct Queue Queue;

typedef enum {
    QUEUE_WAITING,
    QUEUE_SENDING,
    QUEUE_HELD,
    QUEUE_FAILED, /* every recipient that is left was refused for good */
    QUEUE_SENT,
} QueueState;

typedef enum {
    QUEUE_RECIPIENT_PENDING,
    QUEUE_RECIPIENT_SENT,
    QUEUE_RECIPIENT_FAILED,
    QUEUE_RECIPIENT_UNKNOWN, /* the message's end went out, and no answer came (yet) */
} QueueRecipientState;

typedef struct {
    char *address;
    char *notify; /* NOTIFY= as submitted (RFC 3461), or NULL */
    char *orcpt;  /* ORCPT= as submitted, or NULL */
    QueueRecipientState state;
    char *reply; /* the server's last words about it, or NULL */
} QueueRecipient;

/* What becomes of a sent message's copy in the Sent folder. */
typedef enum {
    QUEUE_FILING_NONE, /* nothing: it wasn't sent, or nobody wants one */
    QUEUE_FILING_DUE,  /* it is to be looked for, or made: the message's bytes are kept */
    QUEUE_FILING_DONE, /* it is there; should a second one come, one of them is to go */
} QueueFiling;

typedef struct {
    gint64 id; /* never reused */
    char *account;
    char *sender;          /* envelope sender; "" for <> */
    GPtrArray *recipients; /* QueueRecipient, in the order submitted */
    char *ret;             /* RET= (RFC 3461), or NULL */
    char *envid;           /* ENVID=, or NULL */
    gboolean eightbit, smtputf8;
    guint64 size;  /* bytes, with CRLF line ends, without dot-stuffing */
    char *subject; /* decoded, for people; may be NULL */
    gint64 submitted;
    QueueState state;
    guint attempts;      /* also those that found no provider to talk to */
    guint refusals;      /* times in a row that the provider said: later */
    gint64 next_attempt; /* Unix seconds; 0: at once */
    gint64 send_at;      /* Unix seconds: not before; 0: at once */
    char *last_error;
    char *ticket; /* for queue_add() alone: see queue_has_ticket(); or NULL */

    gint64 accepted; /* Unix seconds: when the provider took it (last); 0: never */
    gint64 doubt;    /* Unix seconds: when its end went out and no answer came (last); 0: never */
    QueueFiling filing;
    gint64 filing_due;         /* Unix seconds: when to look at it next; 0: at once */
    guint32 filed_uid;         /* of the copy that Postern has made, in the Sent folder; 0: none */
    char *message_id, *digest; /* which message the copy is of, once looked at; or NULL */
} QueueEntry;

QueueRecipient *queue_recipient_new(const char *address);
void queue_recipient_free(QueueRecipient *recipient);
QueueEntry *queue_entry_new(void);
void queue_entry_free(QueueEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QueueEntry, queue_entry_free)

/*
 * Opens or creates the database at `path`, locked against other processes (CACHE_ERROR_LOCKED names
 * the pid). Where the disk is full, whoever uses the queue tries again, and gets CACHE_ERROR_FULL
 * as long as it is. A damaged one is made anew with what can be read of it, and kept as
 * PATH.damaged-TIME; see queue_notice(). Entries that were SENDING when a process died become
 * WAITING again; those with recipients UNKNOWN say so in last_error. In a copy of a queue
 * (restored, or moved to another machine) everything that would be sent is HELD.
 */
Queue *queue_open(const char *path, GError **error);

/* The same, but the database is opened by whoever uses the queue first (queue_ready() does nothing
 * else), for whom all others wait: that may take long where it is large or damaged. Only LOCKED,
 * and a lock that can't be made, are found out at once. */
Queue *queue_open_later(const char *path, GError **error);
void queue_close(Queue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Queue, queue_close)

/* Whether it can be used now; opens it where that wasn't possible before. Any thread; may block. */
gboolean queue_ready(Queue *queue, GError **error);

/* What the user should know: that it can't be used (yet), and why; or that it was damaged, as long
 * as the old file is there. NULL: nothing, or nobody has opened it so far. The caller frees. Any
 * thread; blocks only where it couldn't be opened before. */
char *queue_notice(Queue *queue);

/* An unnamed, empty file beside the database, to collect a large message in; -1 and `error`. */
int queue_temporary_file(Queue *queue, GError **error);

/*
 * Stores the message for good and sets entry->id; returns when it is on the disk. `body` is held by
 * the caller, or is a file for large messages (read from its beginning): exactly one of them, of
 * entry->size bytes. CACHE_ERROR_FULL: the disk is full; nothing was kept.
 */
gboolean queue_add(Queue *queue, QueueEntry *entry, GBytes *body, int body_fd, GError **error);

/*
 * Whether a message with this ticket was stored. A ticket is the unique name under which a message
 * is offered again until whoever offers it knows that it is here; it is remembered, whatever becomes
 * of the message, until it is forgotten.
 */
gboolean queue_has_ticket(Queue *queue, const char *ticket, gboolean *has, GError **error);
gboolean queue_forget_ticket(Queue *queue, const char *ticket, GError **error);

/* NULL and CACHE_ERROR_NOT_FOUND where there is none. */
QueueEntry *queue_get(Queue *queue, gint64 id, GError **error);
/* Entries, newest first; state -1: all; account NULL: all. GPtrArray of QueueEntry. */
GPtrArray *queue_list(Queue *queue, const char *account, int state, guint64 offset, guint limit,
                      GError **error);
/* How many entries are in each state, indexed by QueueState; account NULL: all. */
gboolean queue_counts(Queue *queue, const char *account, guint64 counts[5], GError **error);

/* `length` bytes of the message from `offset` (fewer at its end). A sent message's bytes are gone:
 * NOT_FOUND. */
GBytes *queue_read(Queue *queue, gint64 id, guint64 offset, gsize length, GError **error);

/* When the next waiting entry of `account` is due: Unix seconds, 0: at once, G_MAXINT64: none. */
gboolean queue_next_due(Queue *queue, const char *account, gint64 *due, GError **error);

/* Counts an attempt that found no provider to talk to, with its reason, for the first 100 entries
 * of `account` that are due at `now`. */
gboolean queue_note_unreachable(Queue *queue, const char *account, gint64 now, const char *reason,
                                GError **error);

/* The next entry of `account` to send at `now`: waiting and due; made SENDING. NULL without error:
 * none. */
QueueEntry *queue_take(Queue *queue, const char *account, gint64 now, GError **error);

/*
 * For a relay that begins or ends, when nobody can be sending mail of `account`: entries that are
 * SENDING all the same (their relay couldn't write what became of them) wait again; those with
 * recipients UNKNOWN say so in last_error.
 */
gboolean queue_recover(Queue *queue, const char *account, GError **error);

/*
 * Waiting entries of `account` whose next attempt is later than `latest` (Unix seconds), which no
 * back-off can have asked for, are due: the clock was wrong when it was set. send_at is a person's
 * wish and holds. Cheap where there are none.
 */
gboolean queue_mend_times(Queue *queue, const char *account, gint64 latest, GError **error);

/*
 * Writes back state, attempts, refusals, next_attempt, last_error and each recipient's state and
 * reply. The relay makes recipients UNKNOWN in a SENDING entry before it sends the message's final
 * dot, so that a crash after it is noticed. A message that is SENT loses its bytes, unless its copy is
 * due; then `accepted`, `doubt` and what belongs to filing are written as well.
 */
gboolean queue_update(Queue *queue, const QueueEntry *entry, GError **error);

/* When the next copy of `account` is due, as queue_next_due(). */
gboolean queue_next_filing(Queue *queue, const char *account, gint64 *due, GError **error);

/* Up to `limit` entries of `account` in that state of filing, DUE at `now` (by time) or DONE (newest
 * first); without their recipients. GPtrArray of QueueEntry. */
GPtrArray *queue_list_filing(Queue *queue, const char *account, QueueFiling filing, gint64 now,
                             guint limit, GError **error);

/* Writes back what belongs to filing, and last_error where it is SENT. A SENT message whose copy
 * isn't due any more loses its bytes. */
gboolean queue_update_filing(Queue *queue, const QueueEntry *entry, GError **error);

/*
 * What a person asks for; CACHE_ERROR_INVALID with a reason where the entry's state doesn't allow
 * it (any more).
 *   retry    waiting: now; failed or held: again, for the recipients that don't have it
 *   hold     waiting: until released
 *   release  held: to be sent
 *   cancel   waiting, held or failed: forgets the message; one whose copy is due becomes sent
 *   send_at  waiting or held: not before `when` (Unix seconds, 0: at once)
 */
gboolean queue_retry(Queue *queue, gint64 id, GError **error);
gboolean queue_hold(Queue *queue, gint64 id, GError **error);
gboolean queue_release(Queue *queue, gint64 id, GError **error);
gboolean queue_cancel(Queue *queue, gint64 id, GError **error);
gboolean queue_send_at(Queue *queue, gint64 id, gint64 when, GError **error);

/* Removes all that there is of `account`, whatever its state, however much it is; nobody may be
 * sending for it. What was removed before a failure stays removed. */
gboolean queue_forget(Queue *queue, const char *account, GError **error);

/* Removes entries that were sent before `before` (Unix seconds). */
gboolean queue_purge_sent(Queue *queue, gint64 before, GError **error);

/* ---- change notices ------------------------------------------------------------------------ */

typedef struct QueueWatch QueueWatch;

/*
 * After each commit that gives the relay of `account` something to do (an entry was added, retried,
 * released, or is to go at another time), 1 is written to `event_fd`: an eventfd owned by the
 * caller, which outlives the watch, and best doesn't block. What the relay itself writes
 * (queue_take(), queue_update(), queue_note_unreachable()) wakes nobody. So a relay looks at
 * queue_next_due() when it starts, when it is woken, and when that time has come. Any thread.
 */
QueueWatch *queue_watch_due(Queue *queue, const char *account, int event_fd);

/* The same after every commit, whatever it changed. */
QueueWatch *queue_watch_changes(Queue *queue, int event_fd);

/* NULL is fine. The queue must still be open. */
void queue_unwatch(QueueWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QueueWatch, queue_unwatch)
