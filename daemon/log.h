/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log: stderr, structured where stderr is the journal. Never subjects, bodies, search words or
 * credentials; that is up to those who write to it.
 */
#pragma once

#include <glib.h>

/* Sends GLib's log there; debug messages only where `verbose`. Call once, before threads start. */
void log_start(gboolean verbose);
