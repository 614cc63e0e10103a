/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One mechanism after the other, and what a failure means for the next. */
#include "daemon/upstream/sign-in.h"

#include "daemon/config/settings.h"

#include <string.h>

/* Longer than any mechanism; a server that still asks is ended. */
#define ROUNDS_MAX 10

static void clear_reply(SignInReply *reply)
{
    g_clear_pointer(&reply->text, g_free);
    g_clear_error(&reply->refusal);
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

/* ---- one mechanism ------------------------------------------------------------------------- */

typedef struct {
    const SignInDoor *door;
    gpointer client;
    const SaslContext *context;
    SaslClient *sasl;
    gboolean said; /* something that isn't the mechanism's name */
    SignInReply reply;
    GError *why; /* why it was ended by us */
} Attempt;

static gboolean begin(Attempt *attempt, char **first, GError **error)
{
    const char *name = sasl_mechanism_name(sasl_client_mechanism(attempt->sasl));
    char *initial = sasl_client_initial(attempt->sasl, &attempt->why);
    gboolean along = initial && strlen(initial) < attempt->door->initial_max;

    if (attempt->why)
        return TRUE;
    attempt->said = along;
    gboolean ok =
        attempt->door->begin(attempt->client, name, along ? initial : NULL, &attempt->reply, error);
    if (along)
        wipe(g_steal_pointer(&initial));
    *first = initial;
    return ok;
}

/* What can't be answered is ended with "*" (RFC 9051, 6.2.2; RFC 4954, 4; RFC 5034, 4). */
static gboolean respond(Attempt *attempt, char *response, GError **error)
{
    g_autofree char *challenge = g_steal_pointer(&attempt->reply.text);

    if (!response && !attempt->why)
        response = sasl_client_step(attempt->sasl, challenge ? challenge : "", &attempt->why);
    attempt->said |= response != NULL;
    clear_reply(&attempt->reply);
    gboolean ok =
        attempt->door->respond(attempt->client, response ? response : "*", &attempt->reply, error);
    wipe(response);
    return ok;
}

static gboolean exchange(Attempt *attempt, GError **error)
{
    char *first = NULL;
    gboolean ok = begin(attempt, &first, error);
    guint round = 0;

    while (ok && !attempt->why && attempt->reply.answer == SIGN_IN_CHALLENGE &&
           round++ < ROUNDS_MAX)
        ok = respond(attempt, g_steal_pointer(&first), error);
    wipe(first);
    if (!ok || attempt->reply.answer != SIGN_IN_CHALLENGE || attempt->why)
        return ok;
    g_set_error(&attempt->why, SASL_CLIENT_ERROR, SASL_CLIENT_ERROR_REFUSED,
                "it never ends its questions at login");
    return respond(attempt, NULL, error);
}

/* ---- what a failure means ------------------------------------------------------------------ */

/* FALSE with the error that ends it all, or why the next mechanism is tried. */
static gboolean fail(Attempt *attempt, const char *format, GError **error)
{
    g_autofree char *text =
        g_strdup_printf(format, attempt->context->login->endpoint->host, attempt->why->message);

    if (g_error_matches(attempt->why, SASL_CLIENT_ERROR, SASL_CLIENT_ERROR_TICKET))
        g_set_error_literal(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED, text);
    else
        attempt->door->fail(text, error);
    return FALSE;
}

/* Of a mechanism that binds to the TLS channel the reason may be another than the password. */
static void explain_bound(const Attempt *attempt, GError **error)
{
    if (error && *error && (sasl_client_mechanism(attempt->sasl) & SASL_BOUND) &&
        attempt->reply.answer == SIGN_IN_NO && !sasl_client_proved_nothing(attempt->sasl)) {
        g_autofree char *text = g_strdup_printf(
            "%s (the login was bound to the TLS connection; where something in between decrypts "
            "that, mechanism=SCRAM-SHA-256 goes without)",
            (*error)->message);
        g_free((*error)->message);
        (*error)->message = g_steal_pointer(&text);
    }
}

/* Which mechanisms aren't to be tried any more; 0: none is. */
static guint passed_over(const Attempt *attempt)
{
    guint mechanism = sasl_client_mechanism(attempt->sasl);
    gboolean shown = (mechanism & (SASL_SCRAM | SASL_GSSAPI | SASL_CRAM_MD5)) == 0;

    switch (attempt->reply.answer) {
    case SIGN_IN_UNKNOWN:
        return mechanism;
    case SIGN_IN_GARBLED: /* where the secret went along, it may have been read all the same */
        return attempt->said && shown ? 0 : mechanism;
    case SIGN_IN_NO:
        if (!attempt->said)
            return mechanism;
        /* A server that knows the name and has no verifier of that password says so before it has seen
         * any of it; it has none for SCRAM's other kinds either. */
        return sasl_client_proved_nothing(attempt->sasl) ? SASL_SCRAM : 0;
    default:
        return 0;
    }
}

/* `*over`: mechanisms that are out of the question now, while others may be tried; else 0. */
static gboolean attempt_mechanism(Attempt *attempt, guint *over, GError **error)
{
    *over = 0;
    if (!exchange(attempt, error))
        return FALSE;
    if (attempt->why) {
        if (!g_error_matches(attempt->why, SASL_CLIENT_ERROR, SASL_CLIENT_ERROR_UNFIT))
            return fail(attempt,
                        g_error_matches(attempt->why, SASL_CLIENT_ERROR, SASL_CLIENT_ERROR_TICKET)
                            ? "%s can't be signed in to: %s"
                            : "%s can't be trusted: %s",
                        error);
        *over = sasl_client_mechanism(attempt->sasl);
        return fail(attempt, "%s can't be signed in to: %s", error);
    }
    if (attempt->reply.answer != SIGN_IN_YES) {
        *over = passed_over(attempt);
        g_propagate_error(error, g_steal_pointer(&attempt->reply.refusal));
        explain_bound(attempt, error);
        return FALSE;
    }
    return sasl_client_finish(attempt->sasl, &attempt->why) ||
           fail(attempt, "%s can't be trusted: %s", error);
}

static gboolean run_attempt(Attempt *attempt, guint *over, GError **error)
{
    gboolean ok = attempt_mechanism(attempt, over, error);

    g_clear_pointer(&attempt->sasl, sasl_client_free);
    clear_reply(&attempt->reply);
    g_clear_error(&attempt->why);
    return ok;
}

void sign_in_note(const UpstreamLogin *login, guint mechanism)
{
    if (!login->tried)
        return;
    if (!login->tried->first)
        login->tried->first = mechanism;
    login->tried->last = mechanism;
}

gboolean sign_in(const SignInDoor *door, gpointer client, const SaslContext *context, guint offered,
                 gboolean *none, GError **error)
{
    const UpstreamLogin *login = context->login;
    g_autoptr(GError) failure = NULL;
    guint over = login->lacking && !login->mechanisms ? *login->lacking : 0;

    for (guint left = offered & ~over;; left &= ~over) {
        g_autoptr(GError) why = NULL;
        Attempt attempt = {.door = door, .client = client, .context = context};
        attempt.sasl = sasl_client_new(context, left, &why);
        *none = !attempt.sasl;
        if (!attempt.sasl) {
            g_autofree char *text = g_strdup_printf("%s %s", login->endpoint->host, why->message);
            if (!failure)
                door->fail(text, &failure);
            break;
        }
        g_clear_error(&failure);
        sign_in_note(login, sasl_client_mechanism(attempt.sasl));
        if (run_attempt(&attempt, &over, &failure))
            return TRUE;
        if (!over)
            break;
        if (over == SASL_SCRAM && login->lacking)
            *login->lacking |= over;
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}
