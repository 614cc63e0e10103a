/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What happens to the machine's connections from outside: the network comes, goes or becomes
 * another one, and the machine wakes from sleep. Main thread.
 */
#pragma once

#include <glib.h>

typedef struct Changes Changes;

typedef struct {
    void (*network)(gboolean available, gpointer data); /* also where one network follows another */
    void (*resumed)(gpointer data);                     /* the machine has slept */
    gpointer data;
} ChangesObserver;

Changes *changes_new(const ChangesObserver *observer);
void changes_free(Changes *changes);

/* What the system says of the network. */
gboolean changes_network_available(void);
