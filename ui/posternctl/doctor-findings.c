/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * posternctl doctor: what was found.
 */
#include "ui/posternctl/doctor.h"

static void finding_free(gpointer data)
{
    DoctorFinding *found = data;

    g_free(found->about);
    g_free(found->text);
    g_free(found->remedy);
    g_free(found->argument);
    g_free(found);
}

GPtrArray *doctor_findings_new(void)
{
    return g_ptr_array_new_with_free_func(finding_free);
}

void doctor_find(GPtrArray *findings, DoctorState state, const char *about, const char *remedy,
                 const char *format, ...)
{
    DoctorFinding *found = g_new0(DoctorFinding, 1);
    va_list args;

    va_start(args, format);
    found->text = g_strdup_vprintf(format, args);
    va_end(args);
    found->about = g_strdup(about);
    found->remedy = g_strdup(remedy);
    found->state = state;
    g_ptr_array_add(findings, found);
}

void doctor_can_fix(GPtrArray *findings, DoctorFix fix, const char *argument)
{
    DoctorFinding *found = findings->pdata[findings->len - 1];

    found->fix = fix;
    found->argument = g_strdup(argument);
}
