/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Configurations of mail programs. */
#pragma once

#include "ui/posternctl/ctl.h"

typedef struct {
    const char *id, *address, *name;
    const char *password;  /* NULL: none was made just now */
    const char *authority; /* the file of Postern's own */
    GVariant *servers;     /* as 'client --json' has them */
} CtlClient;

/* What to put into `program`'s configuration; the caller frees. NULL: no such program is known (usage,
 * with the list of those that are), or a port that it needs isn't open. */
char *ctl_client_format(const char *program, const CtlClient *client, GError **error);
