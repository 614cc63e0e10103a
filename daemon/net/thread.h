/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What threads are called, so that top, gdb and perf say who is busy. */
#pragma once

/*
 * Names the calling thread "ROLE WHOSE" ("sync ada"), or "ROLE" where `whose` is NULL; Linux keeps
 * 15 octets of it. A thread of GLib's pool is to be given back with net_thread_unname().
 */
void net_thread_name(const char *role, const char *whose);

/* The calling thread has nothing to do any more: its name says just that. */
void net_thread_unname(void);
