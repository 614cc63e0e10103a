/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What posternctl doctor looks at. doctor.c says what was found and mends it; doctor-files.c looks at what is
 * on this machine, doctor-daemon.c at what the daemon tells.
 */
#pragma once

#include "ui/posternctl/ctl.h"

typedef enum {
    DOCTOR_WELL,
    DOCTOR_WARNING, /* works, but not as it should */
    DOCTOR_BAD,
} DoctorState;

/* Mends what was found. */
typedef gboolean (*DoctorFix)(Ctl *ctl, const char *argument, GError **error);

typedef struct {
    char *about; /* "configuration", "account ada" */
    DoctorState state;
    char *text;
    char *remedy;  /* what to do, or NULL */
    DoctorFix fix; /* where it is safe; NULL: it is for a person to do */
    char *argument;
} DoctorFinding;

/* What is found: DoctorFinding, to be freed with g_ptr_array_unref. */
GPtrArray *doctor_findings_new(void);

/* One more; `remedy` may be NULL. */
void doctor_find(GPtrArray *findings, DoctorState state, const char *about, const char *remedy,
                 const char *format, ...) G_GNUC_PRINTF(5, 6);

/* The last of them can be mended safely. `argument` may be NULL. */
void doctor_can_fix(GPtrArray *findings, DoctorFix fix, const char *argument);

/* Which program, configuration and data directory: `manager` are the daemon's properties, or NULL where it
 * can't be reached. */
void doctor_look_at_files(GPtrArray *findings, GVariant *manager);

/* The daemon, its listeners, the queue, and the desktop around it. */
void doctor_look_at_daemon(GPtrArray *findings, Ctl *ctl, GVariant *manager);

/* An account, by its properties. */
void doctor_look_at_account(GPtrArray *findings, Ctl *ctl, GVariant *account);
