/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One connection to each server; where it ends is told by what went wrong.
 */
#include "daemon/account/trial.h"

#include "daemon/upstream/connect.h"

#include <string.h>

#define TIMEOUT 60 /* seconds */

/* In the order of a connection with TLS from its first byte. */
typedef enum {
    STEP_PASSWORD,
    STEP_NAME,
    STEP_CONNECTION,
    STEP_TLS,
    STEP_GREETING,
    STEP_LOGIN,
    STEP_FOLDERS,
    STEPS,
} Step;

static const char *const step_names[STEPS] = {"password", "name",  "connection", "tls",
                                              "greeting", "login", "folders"};

static void free_step(gpointer data)
{
    TrialStep *step = data;

    g_free(step->server);
    g_free(step->text);
    g_free(step);
}

/* At which step a connection ended that failed like that. What a server answers that can't serve now, or
 * isn't one of this protocol, is its greeting. */
static Step step_of(const GError *error)
{
    if (error->domain == ACCOUNT_ERROR_DOMAIN)
        return STEP_PASSWORD;
    if (g_error_matches(error, NET_ERROR, NET_ERROR_RESOLVE))
        return STEP_NAME;
    if (g_error_matches(error, NET_ERROR, NET_ERROR_CONNECT))
        return STEP_CONNECTION;
    if (g_error_matches(error, NET_ERROR, NET_ERROR_TLS) ||
        g_error_matches(error, NET_ERROR, NET_ERROR_CERTIFICATE) || upstream_is_insecure(error))
        return STEP_TLS;
    return upstream_is_refusal(error) ? STEP_LOGIN : STEP_GREETING;
}

/* In which order the steps come. */
static const Step *order_of(const NetEndpoint *endpoint)
{
    static const Step tls_first[STEPS] = {STEP_PASSWORD, STEP_NAME,  STEP_CONNECTION, STEP_TLS,
                                          STEP_GREETING, STEP_LOGIN, STEP_FOLDERS};
    static const Step starttls[STEPS] = {STEP_PASSWORD, STEP_NAME,  STEP_CONNECTION, STEP_GREETING,
                                         STEP_TLS,      STEP_LOGIN, STEP_FOLDERS};

    return endpoint->security == NET_SECURITY_TLS ? tls_first : starttls;
}

static gboolean has_step(const NetEndpoint *endpoint, Step step)
{
    return step == STEP_TLS       ? endpoint->security != NET_SECURITY_NONE
           : step == STEP_FOLDERS ? strcmp(endpoint->protocol, "imap") == 0
                                  : TRUE;
}

/* A server's steps: all passed up to the one that `failed` (STEPS: none). */
static void add_steps(GPtrArray *steps, const NetEndpoint *endpoint, Step failed,
                      const GError *error)
{
    const Step *order = order_of(endpoint);
    TrialState state = TRIAL_PASSED;

    for (guint i = 0; i < STEPS; i++) {
        const gboolean fails = order[i] == failed;
        if (!has_step(endpoint, order[i]))
            continue;
        TrialStep *tried = g_new0(TrialStep, 1);
        tried->server = net_endpoint_to_string(endpoint);
        tried->step = step_names[order[i]];
        tried->state = fails ? TRIAL_FAILED : state;
        tried->text = fails ? g_strdup(error->message) : NULL;
        state = fails ? TRIAL_NOT_TRIED : state;
        g_ptr_array_add(steps, tried);
    }
}

static Step try_imap(AccountWork *work, GError **error)
{
    g_autoptr(ImapClient) client = upstream_connect_imap(&work->access, work->stopping, error);

    if (!client)
        return step_of(*error);
    return imap_client_run(client, NULL, error, "LIST \"\" \"%%\"") ? STEPS : STEP_FOLDERS;
}

static Step try_pop3(AccountWork *work, GError **error)
{
    g_autoptr(Pop3Client) client = upstream_connect_pop3(&work->access, work->stopping, error);

    if (!client)
        return step_of(*error);
    pop3_client_quit(client, NULL);
    return STEPS;
}

static Step try_smtp(AccountWork *work, GError **error)
{
    char *secret =
        work->access.password(work->access.settings, TRUE, work->access.password_data, error);
    SmtpClientOptions options = upstream_smtp_options(&work->access, secret, work->stopping);

    options.timeouts = (SmtpTimeouts){.connect = TIMEOUT, .command = TIMEOUT};
    SmtpClient *client = secret ? smtp_client_connect(&options, error) : NULL;

    account_password_free(secret);
    if (!client)
        return step_of(*error);
    smtp_client_close(client);
    return STEPS;
}

GPtrArray *account_trial(AccountWork *work)
{
    GPtrArray *steps = g_ptr_array_new_with_free_func(free_step);
    const AccountSettings *settings = work->settings;
    g_autoptr(GError) error = NULL, outgoing = NULL;

    if (settings->kind != ACCOUNT_LOCAL) {
        gboolean pop3 = strcmp(settings->incoming->protocol, "pop3") == 0;
        Step failed = pop3 ? try_pop3(work, &error) : try_imap(work, &error);
        add_steps(steps, settings->incoming, failed, error);
    }
    if (settings->outgoing) {
        Step failed = try_smtp(work, &outgoing);
        add_steps(steps, settings->outgoing, failed, outgoing);
    }
    return steps;
}
