/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking into a large message that isn't here. */
#include "daemon/serve/imap/extract.h"

#include "daemon/serve/imap/reply.h"

/* A message of at least this size, of which a client wants no more at once than the second. */
#define LARGE_BYTES   (1024 * 1024)
#define EXTRACT_BYTES (512 * 1024)

static gboolean is_extract(const ImapFetchItem *item)
{
    return item->kind == IMAP_FETCH_BODY_SECTION && item->partial && !item->section.fields &&
           item->offset <= G_MAXUINT32 && item->length <= EXTRACT_BYTES;
}

static CacheContentState state_for(const ImapFetchPlan *plan)
{
    return plan->item->lazy ? CACHE_CONTENT_NONE : plan->handler->needs;
}

gboolean imap_extract_is_wanted(const ImapFetchRun *run, guint64 size)
{
    guint extracts = 0;
    if (size < LARGE_BYTES || run->what & CACHE_FETCH_BODYSTRUCTURE)
        return FALSE;
    for (guint i = 0; i < run->plans->len; i++) {
        const ImapFetchPlan *plan = &g_array_index(run->plans, ImapFetchPlan, i);
        if (state_for(plan) == CACHE_CONTENT_FULL && !is_extract(plan->item))
            return FALSE;
        extracts += state_for(plan) == CACHE_CONTENT_FULL;
    }
    return extracts > 0;
}

CacheContentState imap_extract_needs_beside(const ImapFetchRun *run)
{
    CacheContentState needs = CACHE_CONTENT_NONE;
    for (guint i = 0; i < run->plans->len; i++) {
        CacheContentState state = state_for(&g_array_index(run->plans, ImapFetchPlan, i));
        if (state != CACHE_CONTENT_FULL)
            needs = MAX(needs, state);
    }
    return needs;
}

/* "[1.2.TEXT]" without its brackets. */
static char *section_text(const ImapSection *section)
{
    g_autoptr(GString) text = g_string_new(NULL);
    imap_section_format(section, text);
    return g_strndup(text->str + 1, text->len - 2);
}

gboolean imap_extract_get(ImapFetchRun *run, ImapDemand *demand, gint64 message)
{
    for (guint i = 0; i < run->plans->len; i++) {
        ImapFetchPlan *plan = &g_array_index(run->plans, ImapFetchPlan, i);
        if (state_for(plan) != CACHE_CONTENT_FULL)
            continue;
        g_autofree char *section = section_text(&plan->item->section);
        FetchExtract extract = {section, (guint32)plan->item->offset, (guint32)plan->item->length};
        plan->extract = imap_demand_extract(run->session, demand, message, &extract);
        if (!plan->extract) {
            imap_extract_clear(run);
            return FALSE;
        }
    }
    return TRUE;
}

void imap_extract_clear(ImapFetchRun *run)
{
    for (guint i = 0; i < run->plans->len; i++)
        g_clear_pointer(&g_array_index(run->plans, ImapFetchPlan, i).extract, g_bytes_unref);
}

void imap_extract_emit(ImapFetchRun *run, const ImapFetchPlan *plan)
{
    gsize length;
    const char *octets = g_bytes_get_data(plan->extract, &length);
    imap_out_octets(run->session->out, octets ? octets : "", length);
}
