/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fields for lists of messages. */
#include "daemon/serve/imap/fetch-fields.h"

#include "daemon/index/keys.h"
#include "daemon/serve/imap/view.h"

/* Messages whose fields are in memory at once, from one to some megabytes: many of many messages,
 * as each time all segments are looked at. */
#define GROUP_MIN  (10 * IMAP_SLICE_MESSAGES)
#define GROUP_MAX  (50 * IMAP_SLICE_MESSAGES)
#define GROUPS_FEW 50

/* Finding segments costs as much as a few headers, expanding one as much as so many. */
#define MESSAGES_WORTH IMAP_SLICE_MESSAGES
#define SEGMENT_WORTH  16

static gboolean is_listing(const ImapFetchPlan *plan)
{
    const ImapSection *section = &plan->item->section;
    if (!(plan->handler->what & CACHE_FETCH_HEADER))
        return TRUE;
    return plan->item->kind == IMAP_FETCH_BODY_SECTION && section->n_parts == 0 &&
           section->kind == IMAP_SECTION_HEADER_FIELDS &&
           index_has_fields((const char *const *)section->fields);
}

void imap_fetch_fields_init(ImapFetchFields *fields, const ImapFetchRun *run, guint messages)
{
    *fields = (ImapFetchFields){0};
    fields->group = CLAMP(messages / GROUPS_FEW, GROUP_MIN, GROUP_MAX);
    fields->group -= fields->group % IMAP_SLICE_MESSAGES;
    fields->in_use = (run->what & CACHE_FETCH_HEADER) && messages >= MESSAGES_WORTH;
    for (guint i = 0; i < run->plans->len; i++)
        fields->in_use = fields->in_use && is_listing(&g_array_index(run->plans, ImapFetchPlan, i));
}

void imap_fetch_fields_clear(ImapFetchFields *fields)
{
    imap_keys_clear(&fields->keys);
}

gboolean imap_fetch_fields_read(ImapFetchFields *fields, ImapSession *session, const GArray *uids,
                                guint at)
{
    if (!fields->in_use || at % fields->group != 0)
        return TRUE;
    g_autoptr(GArray) group = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_array_append_vals(group, &g_array_index(uids, guint32, at),
                        MIN(fields->group, uids->len - at));
    imap_keys_clear(&fields->keys);
    fields->at = 0;
    return imap_keys_read_stored(session, group, CACHE_TEXT_FIELDS, SEGMENT_WORTH, &fields->keys);
}

/* The row of a UID, or of the one after it, at or after `at`. */
static guint row_of(const ImapFetchFields *fields, guint at, guint32 uid)
{
    const GArray *rows = fields->keys.rows;
    while (at < rows->len && g_array_index(rows, ImapKeyRow, at).uid < uid)
        at++;
    return at;
}

gboolean imap_fetch_fields_cover(const ImapFetchFields *fields, const guint32 *uids, guint count)
{
    const GArray *rows = fields->keys.rows;
    for (guint i = 0, row = fields->at; fields->in_use && i < count; i++) {
        row = row_of(fields, row, uids[i]);
        if (row == rows->len || g_array_index(rows, ImapKeyRow, row).uid != uids[i])
            return FALSE;
        const char *text = imap_keys_text(&fields->keys, row, 0);
        if (!text || !*text)
            return FALSE;
    }
    return fields->in_use;
}

const char *imap_fetch_fields_get(ImapFetchFields *fields, guint32 uid)
{
    fields->at = row_of(fields, fields->at, uid);
    return imap_keys_text(&fields->keys, fields->at, 0);
}
