/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a MimeStructure is made of: for parsing (structure.c) and storing (structure-stored.c) only.
 */
#pragma once

#include "daemon/proto/mime/structure.h"

G_BEGIN_DECLS

struct MimeStructure {
    MimeArena arena; /* all parts but the root, and all strings */
    MimePart root;
    guint count;
};

G_END_DECLS
