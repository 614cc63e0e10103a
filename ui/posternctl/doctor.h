/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What posternctl doctor looks at. doctor.c says what was found and mends it; doctor-files.c looks at what is on
 * this machine, doctor-daemon.c at what the daemon tells.
 */
#pragma once

#include "ui/posternctl/ctl.h"

typedef enum {
    DOCTOR_WELL,
    DOCTOR_WARNING, /* works, but not as it should */
    DOCTOR_BAD,
} DoctorState;

typedef struct {
    char *about; /* "configuration", "account ada" */
    DoctorState state;
    char *text;
    char *remedy; /* what to do, or NULL */
    /* Where it is safe: mends it by itself; `argument` is this finding's. NULL: it can't be. */
    gboolean (*fix)(Ctl *ctl, const char *argument, GError **error);
    char *argument;
} DoctorFinding;

/* DoctorFinding, to be freed with g_ptr_array_unref. */
GPtrArray *doctor_findings_new(void);

/* One more, which the caller may go on filling; borrowed. `remedy` may be NULL. */
DoctorFinding *doctor_find(GPtrArray *findings, DoctorState state, const char *about,
                           const char *remedy, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Which program, configuration and data directory: `manager` are the daemon's properties, or NULL where it
 * can't be reached. */
void doctor_look_at_files(GPtrArray *findings, GVariant *manager);

/* The daemon, its listeners, the queue, and the desktop around it. */
void doctor_look_at_daemon(GPtrArray *findings, Ctl *ctl, GVariant *manager);

/* An account, by its properties. */
void doctor_look_at_account(GPtrArray *findings, Ctl *ctl, GVariant *account);
