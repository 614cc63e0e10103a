/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A semaphore that can be waited for beside a NetCancel, and the digest of what was refused. */
#include "daemon/config/gate.h"

#include "daemon/net/clock.h"
#include "daemon/net/stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REFUSED_USEC ((gint64)3600 * G_USEC_PER_SEC)

struct AccountGate {
    gint refs;     /* atomic */
    int turn;      /* eventfd as a semaphore */
    guint lacking; /* theirs whose turn it is */

    pthread_mutex_t lock; /* over what follows */
    char *refused;        /* the password's SHA-256, or NULL */
    gint64 refused_at;    /* net_clock_usec() */
    GError *why;
};

AccountGate *account_gate_new(void)
{
    AccountGate *gate = g_new0(AccountGate, 1);

    gate->refs = 1;
    gate->turn = eventfd(1, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    if (gate->turn < 0)
        g_error("eventfd: %s (raise the limit on open files)", g_strerror(errno));
    pthread_mutex_init(&gate->lock, NULL);
    return gate;
}

AccountGate *account_gate_ref(AccountGate *gate)
{
    g_atomic_int_inc(&gate->refs);
    return gate;
}

void account_gate_unref(AccountGate *gate)
{
    if (!gate || !g_atomic_int_dec_and_test(&gate->refs))
        return;
    close(gate->turn);
    g_free(gate->refused);
    g_clear_error(&gate->why);
    pthread_mutex_destroy(&gate->lock);
    g_free(gate);
}

gboolean account_gate_enter(AccountGate *gate, NetCancel *cancel, GError **error)
{
    eventfd_t one;
    struct pollfd fds[] = {{.fd = net_cancel_fd(cancel), .events = POLLIN},
                           {.fd = gate->turn, .events = POLLIN}};

    for (;;) {
        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
            continue;
        if (fds[0].revents) {
            g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED, "Cancelled.");
            return FALSE;
        }
        if (eventfd_read(gate->turn, &one) == 0)
            return TRUE;
    }
}

void account_gate_leave(AccountGate *gate)
{
    eventfd_write(gate->turn, 1);
}

guint *account_gate_lacking(AccountGate *gate)
{
    return &gate->lacking;
}

static char *digest(const char *password)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, password, -1);
}

gboolean account_gate_check(AccountGate *gate, const char *password, GError **error)
{
    g_autofree char *given = digest(password);

    pthread_mutex_lock(&gate->lock);
    gboolean refused = g_strcmp0(gate->refused, given) == 0 &&
                       net_clock_usec(NULL) - gate->refused_at < REFUSED_USEC;
    if (refused)
        g_propagate_error(error, g_error_copy(gate->why));
    pthread_mutex_unlock(&gate->lock);
    return !refused;
}

/* Under the lock. */
static void forget(AccountGate *gate)
{
    g_clear_pointer(&gate->refused, g_free);
    g_clear_error(&gate->why);
}

void account_gate_note_refusal(AccountGate *gate, const char *password, const GError *why)
{
    pthread_mutex_lock(&gate->lock);
    forget(gate);
    gate->refused = digest(password);
    gate->refused_at = net_clock_usec(NULL);
    gate->why = g_error_copy(why);
    pthread_mutex_unlock(&gate->lock);
}

void account_gate_forget(AccountGate *gate)
{
    pthread_mutex_lock(&gate->lock);
    forget(gate);
    pthread_mutex_unlock(&gate->lock);
}
