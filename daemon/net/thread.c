/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Naming threads. */
#include "daemon/net/thread.h"

#include <glib.h>
#include <pthread.h>

#define NAME_SIZE 16 /* with its NUL; pthread_setname_np() refuses more */

void net_thread_name(const char *role, const char *whose)
{
    char name[NAME_SIZE];

    g_snprintf(name, sizeof name, whose ? "%s %s" : "%s", role, whose);
    pthread_setname_np(pthread_self(), name);
}

void net_thread_unname(void)
{
    net_thread_name("pool", NULL);
}
