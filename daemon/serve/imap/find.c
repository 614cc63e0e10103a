/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Searching for others than clients: in a session that nobody speaks to. */
#include "daemon/serve/imap/find.h"

#include "daemon/serve/imap/commands.h"
#include "daemon/serve/imap/search.h"
#include "daemon/serve/imap/view.h"

#include <gio/gio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The answer that a client would have got. */
static gboolean give_answer(const ImapSession *session, GError **error)
{
    if (imap_session_is_pointless(session))
        g_set_error_literal(error, NET_ERROR, NET_ERROR_CANCELLED, "nobody waits for it any more");
    else
        g_set_error_literal(error, G_IO_ERROR,
                            session->status == IMAP_BAD ? G_IO_ERROR_INVALID_ARGUMENT
                                                        : G_IO_ERROR_FAILED,
                            session->text->str);
    return FALSE;
}

static gboolean find_in_folder(ImapSession *session, const ImapFind *find,
                               const CacheFolder *folder, guint *unsearched, GError **error)
{
    g_auto(ImapViewStart) start = {0};
    g_auto(ImapFound) found = {0};
    g_autoptr(ImapView) view = imap_view_open(session, folder->name, TRUE, NULL, &start, NULL);

    if (!view) /* deleted a moment ago, or it may not be read */
        return TRUE;
    session->view = view;
    gboolean ok = imap_search_run(session, find->key, &found);
    session->view = NULL;
    if (!ok)
        return give_answer(session, error);
    *unsearched += found.unsearched;
    return find->found(start.folder, found.uids, find->data, error);
}

gboolean imap_find(ServeAccount *account, NetStream *stream, const ImapFind *find,
                   guint *unsearched, GError **error)
{
    const ServeDaemon nothing = {0};
    guint untold = 0;
    ImapSession session = {
        .stream = stream,
        .daemon = &nothing,
        .account = account,
        .limits = &imap_limits_default,
        .mode = IMAP_MODE_UTF8,
        .rule = imap_command_find("EXAMINE"),
        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .out = g_string_new(NULL),
        .code = g_string_new(NULL),
        .text = g_string_new(NULL),
    };
    gboolean ok = session.wake_fd >= 0;

    if (!ok)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES,
                            "posternd has too many files open; try again later");
    for (guint i = 0; ok && i < find->folders->len; i++)
        ok = find_in_folder(&session, find, find->folders->pdata[i],
                            unsearched ? unsearched : &untold, error);
    if (session.wake_fd >= 0)
        close(session.wake_fd);
    g_string_free(session.out, TRUE);
    g_string_free(session.code, TRUE);
    g_string_free(session.text, TRUE);
    return ok;
}
