/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a SASL exchange. */
#include "daemon/serve/exchange.h"

#include "daemon/proto/sasl/base64.h"
#include "daemon/serve/line.h"

#include <string.h>

#define LINE_MAX_SASL 12288 /* RFC 4954, 4 */
#define TIMEOUT       60    /* seconds that a client may think about its answer */

/*
 * Who is logging in. Only the verifiers are kept while the client thinks: the account can end
 * meanwhile, and is looked up again when it is known who it is.
 */
typedef struct {
    const ServeDaemon *daemon;
    ServeVerifiers *verifiers;
    char *login;
    GError *why_not; /* there is such an account, which can't be had now */
} Candidate;

static void candidate_clear(Candidate *candidate)
{
    g_clear_pointer(&candidate->verifiers, serve_verifiers_unref);
    g_clear_pointer(&candidate->login, g_free);
    g_clear_error(&candidate->why_not);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Candidate, candidate_clear)

static ServeVerifiers *find_verifiers(const char *login, gpointer data)
{
    Candidate *candidate = data;
    const ServeDaemon *daemon = candidate->daemon;

    if (g_strcmp0(login, candidate->login) == 0)
        return candidate->verifiers;
    candidate_clear(candidate);
    candidate->login = g_strdup(login);
    g_autoptr(ServeAccount) account =
        daemon->find_account(login, daemon->data, &candidate->why_not);
    if (account)
        candidate->verifiers = serve_verifiers_ref(account->verifiers);
    if (g_error_matches(candidate->why_not, SERVE_ERROR, SERVE_ERROR_UNKNOWN))
        g_clear_error(&candidate->why_not);
    return candidate->verifiers;
}

/* The account, unless it has ended while the client logged in. */
static ServeAccount *enter(Candidate *candidate, GError **error)
{
    const ServeDaemon *daemon = candidate->daemon;
    g_autoptr(ServeAccount) account = daemon->find_account(candidate->login, daemon->data, error);

    if (!account)
        return NULL;
    if (account->verifiers == candidate->verifiers &&
        (!daemon->set_login || daemon->set_login(account, daemon->data)))
        return g_steal_pointer(&account);
    g_set_error(error, SERVE_ERROR, SERVE_ERROR_UNAVAILABLE,
                "the account %s has just been started anew; try again", candidate->login);
    return NULL;
}

/* Who can't be let in yet hasn't failed: a mail program would ask for another password. */
static ServeLoginResult conclude(NetStream *stream, Candidate *candidate, gboolean ok,
                                 ServeAccount **account, GError **error)
{
    ServeThrottle *throttle = candidate->daemon->throttle;

    if (candidate->why_not) {
        g_propagate_error(error, g_steal_pointer(&candidate->why_not));
        return SERVE_LOGIN_UNAVAILABLE;
    }
    if (!ok) {
        serve_throttle_failed(throttle, stream);
        return SERVE_LOGIN_FAILED;
    }
    serve_throttle_succeeded(throttle);
    *account = enter(candidate, error);
    return *account ? SERVE_LOGIN_OK : SERVE_LOGIN_UNAVAILABLE;
}

void serve_auth_clear(ServeAuth *auth)
{
    for (char **word = auth->words; word && *word; word++)
        explicit_bzero(*word, strlen(*word));
    g_strfreev(auth->words);
}

/* What the client says: nothing yet, "=" for nothing, or base64 (RFC 9051, 6.2.2; RFC 4954, 4). */
static gboolean is_well_formed(const char *input)
{
    gsize length;
    if (!input || g_str_equal(input, "="))
        return TRUE;
    g_autofree guint8 *bytes = base64_decode_strict(input, &length);
    if (bytes)
        explicit_bzero(bytes, length);
    return bytes != NULL;
}

ServeLoginResult serve_login(NetStream *stream, const ServeDaemon *daemon, const char *mechanism,
                             const char *initial, const char *prompt, ServeAccount **account,
                             GError **error)
{
    g_auto(Candidate) candidate = {.daemon = daemon};
    g_autoptr(ServeSasl) sasl = serve_sasl_new(mechanism, stream, find_verifiers, &candidate);
    const char *input = initial;

    if (!sasl)
        return SERVE_LOGIN_NO_MECHANISM;
    for (;;) {
        g_autofree char *challenge = NULL;
        g_autoptr(GError) failure = NULL;
        if (!is_well_formed(input))
            return SERVE_LOGIN_GARBLED;
        ServeSaslResult result = serve_sasl_step(sasl, input, &challenge);
        if (result == SERVE_SASL_UNAUTHORIZED)
            return SERVE_LOGIN_UNAUTHORIZED;
        if (result != SERVE_SASL_CONTINUE || candidate.why_not)
            return conclude(stream, &candidate, result == SERVE_SASL_OK, account, error);
        if (!net_stream_printf(stream, error, "%s%s\r\n", prompt, challenge))
            return SERVE_LOGIN_BROKEN;
        input = serve_read_line(stream, LINE_MAX_SASL, TIMEOUT, NULL, &failure);
        if (g_error_matches(failure, NET_ERROR, NET_ERROR_TOO_LONG))
            return SERVE_LOGIN_GARBLED;
        if (!input) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return SERVE_LOGIN_BROKEN;
        }
        if (strcmp(input, "*") == 0)
            return SERVE_LOGIN_CANCELLED;
    }
}

ServeLoginResult serve_login_password(NetStream *stream, const ServeDaemon *daemon,
                                      const char *login, const char *password,
                                      ServeAccount **account, GError **error)
{
    g_auto(Candidate) candidate = {.daemon = daemon};
    ServeVerifiers *verifiers = find_verifiers(login, &candidate);

    return conclude(stream, &candidate, serve_verifiers_check(verifiers, password), account, error);
}
