/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server calls its messages, threads and mailboxes for good (RFC 8474, 4). Inside of proto/imap. */
#pragma once

#include "daemon/proto/imap/response.h"

/* Octets that an id may have. One is kept of each message and mailbox, so what is longer is none. */
#define IMAP_OBJECT_ID_MAX 255

/* Whether it is an id, or what servers take for one: visible characters. NULL isn't. */
static inline gboolean imap_node_is_object_id(const ImapNode *node)
{
    if (node == NULL || !imap_node_is_text(node) || node->kind == IMAP_NODE_NIL ||
        node->length == 0 || node->length > IMAP_OBJECT_ID_MAX)
        return FALSE;
    for (gsize i = 0; i < node->length; i++)
        if (!g_ascii_isgraph(node->text[i]))
            return FALSE;
    return TRUE;
}
