/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ESEARCH response. */
#include "daemon/serve/imap/esearch.h"

#include "daemon/proto/imap/quote.h"
#include "daemon/serve/imap/uidplus.h"

#include <string.h>

typedef struct {
    guint first, end; /* indexes */
} Window;

static Window whole(const ImapEsearch *esearch)
{
    return (Window){0, esearch->numbers->len};
}

/* RFC 9394, 3.1: which part of `count` results it is. */
static Window part(const ImapPartial *partial, guint count)
{
    Window window = {MIN(partial->first - 1, count), MIN(partial->last, count)};
    if (partial->from_end)
        window = (Window){count - window.end, count - window.first};
    return window;
}

static void append_numbers(const ImapEsearch *esearch, Window window, GString *out)
{
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    if (window.first < window.end)
        g_array_append_vals(numbers, &g_array_index(esearch->numbers, guint32, window.first),
                            window.end - window.first);
    else
        g_string_append(out, "NIL");
    imap_uidplus_format(numbers, out);
}

static void append_partial(const ImapEsearch *esearch, GString *out)
{
    const ImapPartial *partial = &esearch->ret->partial;
    const char *sign = partial->from_end ? "-" : "";
    /* RFC 5267, 4.4: the original range */
    g_string_append_printf(out, " PARTIAL (%s%u:%s%u ", sign,
                           partial->reversed ? partial->last : partial->first, sign,
                           partial->reversed ? partial->first : partial->last);
    append_numbers(esearch, part(partial, esearch->numbers->len), out);
    g_string_append_c(out, ')');
}

/* RFC 6203, 4: one for each message that is told, in the same order. */
static void append_scores(const ImapEsearch *esearch, GString *out)
{
    gboolean partial = esearch->ret->options & IMAP_RETURN_PARTIAL;
    Window window = partial ? part(&esearch->ret->partial, esearch->numbers->len) : whole(esearch);
    g_string_append(out, " RELEVANCY (");
    for (guint i = window.first; i < window.end; i++)
        g_string_append_printf(out, "%s%u", i > window.first ? " " : "",
                               g_array_index(esearch->scores, guint8, i));
    g_string_append_c(out, ')');
}

GArray *imap_esearch_told(const ImapSearchReturn *ret, const GArray *uids)
{
    const guint some = IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_PARTIAL;
    if ((ret->options & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT)) || !(ret->options & some))
        return g_array_copy((GArray *)uids);
    GArray *told = g_array_new(FALSE, FALSE, sizeof(guint32));
    Window window = {0};
    if (ret->options & IMAP_RETURN_PARTIAL)
        window = part(&ret->partial, uids->len);
    if (window.first < window.end)
        g_array_append_vals(told, &g_array_index(uids, guint32, window.first),
                            window.end - window.first);
    if (uids->len && (ret->options & IMAP_RETURN_MIN))
        g_array_append_vals(told, &g_array_index(uids, guint32, 0), 1);
    if (uids->len && (ret->options & IMAP_RETURN_MAX))
        g_array_append_vals(told, &g_array_index(uids, guint32, uids->len - 1), 1);
    return told;
}

/* RFC 7377, 2.1: which mailbox it is about stands beside the tag. */
void imap_esearch_begin(ImapSession *session, const ImapEsearch *esearch)
{
    GString *out = session->out;
    g_string_append(out, "* ESEARCH (TAG ");
    imap_quote_append_quoted(out, esearch->tag, strlen(esearch->tag));
    if (esearch->mailbox) {
        g_string_append(out, " MAILBOX ");
        imap_quote_append_mailbox(out, esearch->mailbox, imap_session_utf8(session));
        g_string_append_printf(out, " UIDVALIDITY %u", esearch->uidvalidity);
    }
    g_string_append(out, esearch->uid ? ") UID" : ")");
}

/* RFC 4731, 3.1: MIN, MAX and ALL of nothing aren't told. RFC 5267, 3: sorted, MIN and MAX are the
 * first and the last. */
void imap_esearch_answer(ImapSession *session, const ImapEsearch *esearch)
{
    GString *out = session->out;
    guint options = esearch->ret->options, count = esearch->numbers->len;
    imap_esearch_begin(session, esearch);
    if (count && (options & IMAP_RETURN_MIN))
        g_string_append_printf(out, " MIN %u", g_array_index(esearch->numbers, guint32, 0));
    if (count && (options & IMAP_RETURN_MAX))
        g_string_append_printf(out, " MAX %u", g_array_index(esearch->numbers, guint32, count - 1));
    if (count && (options & IMAP_RETURN_ALL)) {
        g_string_append(out, " ALL ");
        append_numbers(esearch, whole(esearch), out);
    }
    if (options & IMAP_RETURN_COUNT)
        g_string_append_printf(out, " COUNT %u", count);
    if (options & IMAP_RETURN_PARTIAL)
        append_partial(esearch, out);
    if (esearch->modseq)
        g_string_append_printf(out, " MODSEQ %" G_GUINT64_FORMAT, esearch->modseq);
    if (options & IMAP_RETURN_RELEVANCY)
        append_scores(esearch, out);
    g_string_append(out, "\r\n");
}
