/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Called from worker threads: each call runs a main context of its own, so that it can give up
 * after a minute. Passwords are wiped as soon as they have been handed over.
 */
#include "daemon/config/secret.h"

#include "daemon/config/goa.h"
#include "daemon/config/sealed.h"
#include "daemon/words/words.h"

#include <gio/gio.h>
#include <libsecret/secret.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define SERVICE "org.freedesktop.secrets"

#define SECRET_SECONDS 60
/* For whom was cancelled to say so. */
#define DEAF_SECONDS   3
#define PASSWORD_LIMIT 4096

static const SecretSchema schema = {
    "org.postern.Postern",
    SECRET_SCHEMA_NONE,
    {
        {"account", SECRET_SCHEMA_ATTRIBUTE_STRING},
        {"protocol", SECRET_SCHEMA_ATTRIBUTE_STRING},
        {"host", SECRET_SCHEMA_ATTRIBUTE_STRING},
        {"port", SECRET_SCHEMA_ATTRIBUTE_INTEGER},
        {"user", SECRET_SCHEMA_ATTRIBUTE_STRING},
        {NULL, 0},
    },
};

/* ---- waiting with a limit ------------------------------------------------------------------ */

typedef struct {
    GMainContext *context;
    GCancellable *cancellable;
    GAsyncResult *result;
    GCancellable *stop; /* whoever asks is to stop; NULL: nobody is */
    gulong stop_handler;
    gboolean deaf; /* it was cancelled, and that isn't answered either */
} Wait;

static gboolean wait_in_vain(gpointer data)
{
    ((Wait *)data)->deaf = TRUE;
    return G_SOURCE_REMOVE;
}

static void wait_set_timer(Wait *wait, guint seconds, GSourceFunc func)
{
    g_autoptr(GSource) timer = g_timeout_source_new_seconds(seconds);

    g_source_set_callback(timer, func, wait, NULL);
    g_source_attach(timer, wait->context);
}

static gboolean wait_over(gpointer data)
{
    g_cancellable_cancel(((Wait *)data)->cancellable);
    return G_SOURCE_REMOVE;
}

/* In the thread of whoever stops the other. */
static void wait_stopped(GCancellable *stop, gpointer data)
{
    Wait *wait = data;

    g_cancellable_cancel(wait->cancellable);
    g_main_context_wakeup(wait->context);
}

static void wait_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Wait *wait = data;
    wait->result = g_object_ref(result);
}

static void wait_begin(Wait *wait, guint seconds)
{
    wait->context = g_main_context_new();
    wait->cancellable = g_cancellable_new();
    wait->result = NULL;
    wait->deaf = FALSE;
    wait->stop = g_cancellable_get_current();
    wait->stop_handler =
        wait->stop ? g_cancellable_connect(wait->stop, G_CALLBACK(wait_stopped), wait, NULL) : 0;
    g_main_context_push_thread_default(wait->context);
    wait_set_timer(wait, seconds, wait_over);
}

/* When it is cancelled, libsecret takes its question to the user back, and then waits for the service to say that
 * it did. FALSE: it doesn't, and what was begun is left behind. */
static gboolean wait_run(Wait *wait, GError **error)
{
    gboolean ending = FALSE;

    while (!wait->result && !wait->deaf) {
        if (!ending && g_cancellable_is_cancelled(wait->cancellable)) {
            ending = TRUE;
            wait_set_timer(wait, DEAF_SECONDS, wait_in_vain);
        }
        g_main_context_iteration(wait->context, TRUE);
    }
    if (!wait->result)
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "nobody answers");
    return wait->result != NULL;
}

/* The result goes before the context: sources that go with it lock the context, whose last
 * reference GLib's own thread may hold by then, and give up at any moment. What GLib has still to
 * free it frees in the context, which it keeps alive for that. */
static void wait_end(Wait *wait)
{
    if (wait->stop)
        g_cancellable_disconnect(wait->stop, wait->stop_handler);
    g_clear_object(&wait->result);
    while (g_main_context_iteration(wait->context, FALSE))
        ;
    g_object_unref(wait->cancellable);
    g_main_context_pop_thread_default(wait->context);
    g_main_context_unref(wait->context);
}

/* ---- the command --------------------------------------------------------------------------- */

static gboolean locked(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean locked(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_LOCKED, message);
    return FALSE;
}

/* The last words of a program, fit for one line of a message. */
static char *last_words(GBytes *stderr_bytes)
{
    gsize length = 0;
    const char *data = stderr_bytes ? g_bytes_get_data(stderr_bytes, &length) : NULL;
    g_autofree char *text = words_line(data ? data : "", (gssize)MIN(length, 400));

    return *text ? g_strdup(text) : g_strdup("it gave no reason");
}

/* Takes the first line out of `output`, and wipes the rest. */
static char *first_line(GBytes *output)
{
    gsize length = 0;
    char *data = (char *)g_bytes_get_data(output, &length);
    char *end = length ? memchr(data, '\n', length) : NULL;
    gsize line = end ? (gsize)(end - data) : length;
    char *password = NULL;

    if (line && data[line - 1] == '\r')
        line--;
    if (line && line <= PASSWORD_LIMIT && !memchr(data, '\0', line))
        password = g_strndup(data, line);
    if (length)
        explicit_bzero(data, length);
    return password;
}

/* Whether this is a service of systemd's, whose restrictions are made for Postern and not for what
 * people run to get at a password. */
static gboolean is_service(void)
{
    const char *pid = g_getenv("SYSTEMD_EXEC_PID");
    return pid && g_ascii_strtoll(pid, NULL, 10) == getpid();
}

/* systemd takes $ in arguments for a variable, $$ for $. */
static char *escape_argument(const char *command)
{
    g_auto(GStrv) parts = g_strsplit(command, "$", -1);
    return g_strjoinv("$$", parts);
}

typedef struct {
    GBytes *output, *words;
    gboolean successful;
} Ran;

static void ran_clear(Ran *ran)
{
    g_clear_pointer(&ran->output, g_bytes_unref);
    g_clear_pointer(&ran->words, g_bytes_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ran, ran_clear)

/* A shell's own children would go on without it. */
static void lead_group(gpointer data)
{
    setpgid(0, 0);
}

static void kill_group(GSubprocess *process)
{
    const char *pid = g_subprocess_get_identifier(process);

    if (pid)
        kill(-(pid_t)g_ascii_strtoll(pid, NULL, 10), SIGKILL);
    g_subprocess_force_exit(process);
}

static gboolean run_program(const char *const *arguments, guint seconds, Ran *ran, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GError) failure = NULL;
    Wait wait;

    g_subprocess_launcher_set_child_setup(launcher, lead_group, NULL, NULL);
    wait_begin(&wait, seconds);
    g_autoptr(GSubprocess) process = g_subprocess_launcher_spawnv(launcher, arguments, &failure);
    if (process) {
        g_subprocess_communicate_async(process, NULL, wait.cancellable, wait_done, &wait);
        if (wait_run(&wait, &failure))
            g_subprocess_communicate_finish(process, wait.result, &ran->output, &ran->words,
                                            &failure);
    }
    if (process && failure)
        kill_group(process);
    wait_end(&wait);
    ran->successful = process && !failure && g_subprocess_get_successful(process);
    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ran->output != NULL;
}

/* FALSE and no error: systemd-run couldn't start it. */
static gboolean run_in_unit(const char *command, guint seconds, Ran *ran, GError **error)
{
    g_autofree char *escaped = escape_argument(command);
    g_autofree char *limit = g_strdup_printf("--property=RuntimeMaxSec=%u", seconds);
    g_autofree char *program = g_find_program_in_path("systemd-run");
    const char *const arguments[] = {program, "--user", "--quiet", "--collect", "--pipe", "--wait",
                                     limit,   "--",     "/bin/sh", "-c",        escaped,  NULL};
    gsize length = 0;

    if (!program || !run_program(arguments, seconds, ran, error))
        return FALSE;
    const char *words = ran->words ? g_bytes_get_data(ran->words, &length) : NULL;
    if (ran->successful || !words || g_bytes_get_size(ran->output) > 0 ||
        !g_strstr_len(words, (gssize)MIN(length, 10), "Failed to "))
        return TRUE;
    ran_clear(ran);
    return FALSE;
}

static gboolean run_command(const char *command, guint seconds, Ran *ran, GError **error)
{
    const char *const arguments[] = {"/bin/sh", "-c", command, NULL};
    g_autoptr(GError) failure = NULL;

    if (is_service()) {
        if (run_in_unit(command, seconds, ran, &failure))
            return TRUE;
        if (failure) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return run_program(arguments, seconds, ran, error);
}

char *secrets_run_command(const char *command, guint seconds, GError **error)
{
    g_auto(Ran) ran = {0};
    g_autoptr(GError) failure = NULL;

    run_command(command, seconds, &ran, &failure);
    if (failure) {
        if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            locked(error, "the password command has not answered for %u s; try it in a terminal",
                   seconds);
        else
            locked(error, "the password command can't be run: %s", failure->message);
        return NULL;
    }
    char *password = first_line(ran.output);
    if (!ran.successful || !password) {
        g_autofree char *reason = last_words(ran.words);
        account_password_free(password);
        if (ran.successful)
            locked(error, "the password command printed no password; try it in a terminal");
        else
            locked(error, "the password command failed: %s", reason);
        return NULL;
    }
    return password;
}

/* ---- the secret service -------------------------------------------------------------------- */

static const NetEndpoint *endpoint_of(const AccountSettings *settings, gboolean outgoing)
{
    return outgoing ? settings->outgoing : settings->incoming;
}

static const char *user_of(const AccountSettings *settings, gboolean outgoing)
{
    return outgoing ? settings->outgoing_user : settings->user;
}

static GHashTable *attributes_of(const AccountSettings *settings, gboolean outgoing)
{
    const NetEndpoint *endpoint = endpoint_of(settings, outgoing);
    return secret_attributes_build(&schema, "account", settings->id, "protocol", endpoint->protocol,
                                   "host", endpoint->host, "port", (int)endpoint->port, "user",
                                   user_of(settings, outgoing), NULL);
}

/* A question to the bus about the service. */
static GVariant *ask_bus(const char *method, GVariant *arguments, GError **error)
{
    g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, error);
    g_autoptr(GVariant) question = g_variant_ref_sink(arguments);
    GVariant *answer = bus ? g_dbus_connection_call_sync(
                                 bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", method, question, NULL,
                                 G_DBUS_CALL_FLAGS_NONE, SECRET_SECONDS * 1000, NULL, error)
                           : NULL;

    if (bus && !answer && error)
        g_dbus_error_strip_remote_error(*error);
    return answer;
}

/* Whether there is a service, started where that is possible: asking libsecret in vain leaks in GLib. */
static gboolean service_is_there(GError **error)
{
    g_autoptr(GVariant) owned = ask_bus("NameHasOwner", g_variant_new("(s)", SERVICE), error);
    gboolean there = FALSE;

    if (!owned)
        return FALSE;
    g_variant_get(owned, "(b)", &there);
    if (there)
        return TRUE;
    g_autoptr(GVariant) started =
        ask_bus("StartServiceByName", g_variant_new("(su)", SERVICE, 0), error);
    return started != NULL;
}

/* Opened for one question: one that is kept (libsecret's own) goes on asking a service that has gone,
 * though another one has come since. */
static SecretService *open_service(Wait *wait, GError **error)
{
    secret_service_open(SECRET_TYPE_SERVICE, NULL, SECRET_SERVICE_OPEN_SESSION, wait->cancellable,
                        wait_done, wait);
    SecretService *service =
        wait_run(wait, error) ? secret_service_open_finish(wait->result, error) : NULL;
    g_clear_object(&wait->result);
    return service;
}

static char *look_in_service(GHashTable *attributes, guint seconds, GError **error)
{
    SecretValue *value = NULL;
    Wait wait;

    wait_begin(&wait, seconds);
    SecretService *service = open_service(&wait, error);
    if (service) {
        secret_service_lookup(service, &schema, attributes, wait.cancellable, wait_done, &wait);
        if (wait_run(&wait, error))
            value = secret_service_lookup_finish(service, wait.result, error);
        g_object_unref(service);
    }
    wait_end(&wait);

    char *secret = value ? g_strdup(secret_value_get_text(value)) : NULL;
    g_clear_pointer(&value, secret_value_unref);
    return secret;
}

/* Whether there is something all the same: a keyring whose prompt was dismissed gives nothing, and no
 * reason. */
static gboolean is_locked_away(GHashTable *attributes)
{
    GList *found = NULL;
    Wait wait;

    wait_begin(&wait, SECRET_SECONDS);
    SecretService *service = open_service(&wait, NULL);
    if (service) {
        secret_service_search(service, &schema, attributes, SECRET_SEARCH_NONE, wait.cancellable,
                              wait_done, &wait);
        if (wait_run(&wait, NULL))
            found = secret_service_search_finish(service, wait.result, NULL);
        g_object_unref(service);
    }
    gboolean any = found != NULL;
    g_list_free_full(found, g_object_unref);
    wait_end(&wait);
    return any;
}

/* What is filed under the attributes, NULL: nothing; or it can't be told, with `error`. A question of the
 * service's to its user that nobody answers is taken back after `seconds`. */
static char *read_secret(GHashTable *attributes, guint seconds, GError **error)
{
    g_autoptr(GError) failure = NULL;
    char *secret =
        service_is_there(&failure) ? look_in_service(attributes, seconds, &failure) : NULL;

    if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_clear_error(&failure);
        g_set_error(&failure, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "it has not answered for %u s",
                    seconds);
    }

    if (!failure && !secret && is_locked_away(attributes))
        g_set_error_literal(&failure, G_IO_ERROR, G_IO_ERROR_FAILED, "the keyring is locked");
    if (failure)
        locked(error,
               "the secret service can't be asked (%s); unlock it, or give the account a "
               "password-command",
               failure->message);
    return secret;
}

static gboolean put_in_service(GHashTable *attributes, const char *label, const char *secret,
                               GError **error)
{
    SecretValue *value = secret_value_new(secret, -1, "text/plain");
    gboolean stored = FALSE;
    Wait wait;

    wait_begin(&wait, SECRET_SECONDS);
    SecretService *service = open_service(&wait, error);
    if (service) {
        secret_service_store(service, &schema, attributes, SECRET_COLLECTION_DEFAULT, label, value,
                             wait.cancellable, wait_done, &wait);
        stored = wait_run(&wait, error) && secret_service_store_finish(service, wait.result, error);
        g_object_unref(service);
    }
    wait_end(&wait);
    secret_value_unref(value);
    return stored;
}

static gboolean write_secret(GHashTable *attributes, const char *label, const char *secret,
                             GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (service_is_there(&failure) && put_in_service(attributes, label, secret, &failure))
        return TRUE;
    return locked(error,
                  "the secret service can't keep the password (%s); start or unlock one "
                  "such as GNOME Keyring, or use --password-command",
                  failure->message);
}

static char *look_up(const AccountSettings *settings, gboolean outgoing, guint seconds,
                     GError **error)
{
    g_autoptr(GHashTable) attributes = attributes_of(settings, outgoing);
    g_autoptr(GError) failure = NULL;
    char *password = read_secret(attributes, seconds, &failure);

    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else if (!password)
        g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING,
                    "no password is stored for %s at %s; give it with 'posternctl account set %s "
                    "--password-stdin'",
                    user_of(settings, outgoing), endpoint_of(settings, outgoing)->host,
                    settings->id);
    return password;
}

gboolean secrets_store(const AccountSettings *settings, gboolean outgoing, const char *password,
                       GError **error)
{
    const NetEndpoint *endpoint = endpoint_of(settings, outgoing);
    g_autoptr(GHashTable) attributes = attributes_of(settings, outgoing);
    g_autofree char *label =
        g_strdup_printf("Postern: %s, %s at %s", settings->id, endpoint->protocol, endpoint->host);

    return write_secret(attributes, label, password, error);
}

static GHashTable *grant_attributes(const char *id)
{
    return secret_attributes_build(&schema, "account", id, "protocol", "oauth2", NULL);
}

char *secrets_grant(const char *id, GError **error)
{
    g_autoptr(GHashTable) attributes = grant_attributes(id);
    g_autoptr(GError) failure = NULL;
    char *text = read_secret(attributes, SECRET_SECONDS, &failure);

    if (failure)
        g_propagate_error(error, g_steal_pointer(&failure));
    else if (!text)
        g_set_error(error, ACCOUNT_ERROR_DOMAIN, ACCOUNT_SECRET_MISSING,
                    "nobody has signed in yet; do so with 'posternctl account authorize %s'", id);
    return text;
}

gboolean secrets_keep_grant(const char *id, const char *text, GError **error)
{
    g_autoptr(GHashTable) attributes = grant_attributes(id);
    g_autofree char *label = g_strdup_printf("Postern: %s, sign-in", id);

    return write_secret(attributes, label, text, error);
}

void secrets_forget(const char *id)
{
    g_autoptr(GHashTable) attributes = secret_attributes_build(&schema, "account", id, NULL);
    Wait wait;

    if (!service_is_there(NULL))
        return;
    wait_begin(&wait, SECRET_SECONDS);
    SecretService *service = open_service(&wait, NULL);
    if (service) {
        secret_service_clear(service, &schema, attributes, wait.cancellable, wait_done, &wait);
        if (wait_run(&wait, NULL))
            secret_service_clear_finish(service, wait.result, NULL);
        g_object_unref(service);
    }
    wait_end(&wait);
}

/* ---- one asks for all ---------------------------------------------------------------------- */

/* A question that is being asked; those who come meanwhile wait for its answer. */
typedef struct {
    char *key, *id;     /* id: the account's */
    GCancellable *stop; /* the account stops */
    guint users;
    gboolean done;
    char *password;
    GError *error;
} Flight;

struct Secrets {
    guint seconds;
    pthread_mutex_t lock;
    pthread_cond_t landed;
    GPtrArray *flights;
    GHashTable *closed; /* IDs of accounts that stop, or have stopped */
};

Secrets *secrets_new(guint seconds)
{
    Secrets *secrets = g_new0(Secrets, 1);

    secrets->seconds = seconds ? seconds : SECRET_SECONDS;
    pthread_mutex_init(&secrets->lock, NULL);
    pthread_cond_init(&secrets->landed, NULL);
    secrets->flights = g_ptr_array_new();
    secrets->closed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return secrets;
}

void secrets_free(Secrets *secrets)
{
    if (!secrets)
        return;
    g_assert(secrets->flights->len == 0);
    g_ptr_array_unref(secrets->flights);
    g_hash_table_unref(secrets->closed);
    pthread_cond_destroy(&secrets->landed);
    pthread_mutex_destroy(&secrets->lock);
    g_free(secrets);
}

void secrets_open(Secrets *secrets, const char *id)
{
    pthread_mutex_lock(&secrets->lock);
    g_hash_table_remove(secrets->closed, id);
    pthread_mutex_unlock(&secrets->lock);
}

void secrets_close(Secrets *secrets, const char *id)
{
    pthread_mutex_lock(&secrets->lock);
    g_hash_table_add(secrets->closed, g_strdup(id));
    for (guint i = 0; i < secrets->flights->len; i++) {
        Flight *flight = g_ptr_array_index(secrets->flights, i);
        if (strcmp(flight->id, id) == 0)
            g_cancellable_cancel(flight->stop);
    }
    pthread_mutex_unlock(&secrets->lock);
}

static Flight *find_flight(Secrets *secrets, const char *key)
{
    for (guint i = 0; i < secrets->flights->len; i++) {
        Flight *flight = g_ptr_array_index(secrets->flights, i);
        if (!flight->done && strcmp(flight->key, key) == 0)
            return flight;
    }
    return NULL;
}

static void leave_flight(Secrets *secrets, Flight *flight)
{
    if (--flight->users)
        return;
    g_ptr_array_remove_fast(secrets->flights, flight);
    account_password_free(flight->password);
    g_clear_error(&flight->error);
    g_free(flight->key);
    g_free(flight->id);
    g_object_unref(flight->stop);
    g_free(flight);
}

static void fly(Secrets *secrets, Flight *flight, const AccountSettings *settings,
                gboolean outgoing)
{
    const char *command =
        outgoing ? settings->outgoing_password_command : settings->password_command;
    GError *error = NULL;

    pthread_mutex_unlock(&secrets->lock);
    g_cancellable_push_current(flight->stop);
    char *password = settings->goa ? goa_secret(settings, outgoing, &error)
                     : command     ? secrets_run_command(command, secrets->seconds, &error)
                                   : look_up(settings, outgoing, secrets->seconds, &error);
    g_cancellable_pop_current(flight->stop);
    pthread_mutex_lock(&secrets->lock);
    flight->password = password;
    flight->error = error;
    flight->done = TRUE;
    pthread_cond_broadcast(&secrets->landed);
}

void secrets_refused(const AccountSettings *settings, const char *secret, gpointer data)
{
    /* Nothing is kept that could be forgotten: GNOME sees to its secret each time it is asked. */
}

const char *secrets_place(const AccountSettings *settings)
{
    if (settings->kind == ACCOUNT_LOCAL || settings->by_key)
        return "none is needed";
    if (settings->goa)
        return "GNOME Online Accounts";
    if (settings->token_command)
        return "token-command";
    if (!settings->password_command)
        return "the secret service";
    return sealed_is_command(settings->password_command) ? "an encrypted file (systemd-creds)"
                                                         : "password-command";
}

char *secrets_password(const AccountSettings *settings, gboolean outgoing, gpointer data,
                       GError **error)
{
    Secrets *secrets = data;
    const char *command =
        outgoing ? settings->outgoing_password_command : settings->password_command;
    g_autofree char *url = net_endpoint_to_string(endpoint_of(settings, outgoing));
    g_autofree char *key = g_strjoin("\n", settings->id, url, user_of(settings, outgoing),
                                     command ? command : "", NULL);

    if (settings->by_key)
        return g_strdup("");
    pthread_mutex_lock(&secrets->lock);
    Flight *flight = find_flight(secrets, key);
    gboolean mine = !flight;
    if (mine) {
        flight = g_new0(Flight, 1);
        flight->key = g_steal_pointer(&key);
        flight->id = g_strdup(settings->id);
        flight->stop = g_cancellable_new();
        if (g_hash_table_contains(secrets->closed, settings->id))
            g_cancellable_cancel(flight->stop);
        g_ptr_array_add(secrets->flights, flight);
    }
    flight->users++;
    if (mine)
        fly(secrets, flight, settings, outgoing);
    while (!flight->done)
        pthread_cond_wait(&secrets->landed, &secrets->lock);

    char *password = g_strdup(flight->password);
    if (!password)
        g_propagate_error(error, g_error_copy(flight->error));
    leave_flight(secrets, flight);
    pthread_mutex_unlock(&secrets->lock);
    return password;
}
