/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Login names under a lock. */
#include "daemon/account/logins.h"

#include <pthread.h>
#include <string.h>

struct Logins {
    pthread_mutex_t lock;
    GPtrArray *all; /* Login */
};

Login *login_new(const char *id, const char *address, ServeAccount *serve)
{
    Login *login = g_new0(Login, 1);

    login->id = g_strdup(id);
    login->address = g_strdup(address);
    login->serve = serve ? serve_account_ref(serve) : NULL;
    return login;
}

void login_free(gpointer data)
{
    Login *login = data;

    g_free(login->id);
    g_free(login->address);
    serve_account_unref(login->serve);
    g_clear_error(&login->why);
    g_free(login);
}

Logins *logins_new(void)
{
    Logins *logins = g_new0(Logins, 1);

    pthread_mutex_init(&logins->lock, NULL);
    logins->all = g_ptr_array_new_with_free_func(login_free);
    return logins;
}

void logins_free(Logins *logins)
{
    g_ptr_array_unref(logins->all);
    pthread_mutex_destroy(&logins->lock);
    g_free(logins);
}

void logins_set(Logins *logins, GPtrArray *all)
{
    pthread_mutex_lock(&logins->lock);
    GPtrArray *before = logins->all;
    logins->all = all;
    pthread_mutex_unlock(&logins->lock);
    g_ptr_array_unref(before);
}

static const Login *find(const GPtrArray *all, const char *name)
{
    const Login *by_address = NULL;

    for (guint i = 0; i < all->len; i++) {
        const Login *login = g_ptr_array_index(all, i);
        if (strcmp(login->id, name) == 0)
            return login;
        if (!by_address && login->address && g_ascii_strcasecmp(login->address, name) == 0)
            by_address = login;
    }
    return by_address;
}

ServeAccount *logins_find(Logins *logins, const char *name, GError **error)
{
    ServeAccount *found = NULL;

    pthread_mutex_lock(&logins->lock);
    const Login *login = find(logins->all, name);
    if (!login)
        g_set_error_literal(error, SERVE_ERROR, SERVE_ERROR_UNKNOWN, "there is no such account");
    else if (login->serve)
        found = serve_account_ref(login->serve);
    else
        g_propagate_error(error, g_error_copy(login->why));
    pthread_mutex_unlock(&logins->lock);
    return found;
}
