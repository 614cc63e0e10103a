/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One life of the daemon after the other. See follower.h. */
#include "ui/window/follower.h"

#include "dbus/error.h"

/* A daemon that is there but doesn't answer is asked again after so many seconds. */
#define AGAIN_SECONDS 2

struct Follower {
    GDBusConnection *connection;
    FollowerEvents events;
    guint watch, again;
    char *owner;        /* its name on the bus for this life; NULL: it isn't there */
    GCancellable *life; /* ends with it */
    PosternManager *manager;
    GDBusObjectManager *objects;
};

/* What is asked in one life is answered to nobody in the next. */
typedef struct {
    Follower *follower;
    GCancellable *life;
} Question;

static Question *question_new(Follower *follower)
{
    Question *question = g_new(Question, 1);

    *question = (Question){follower, g_object_ref(follower->life)};
    return question;
}

/* Whose it is; NULL: nobody's any more. */
static Follower *question_end(Question *question)
{
    Follower *follower = g_cancellable_is_cancelled(question->life) ? NULL : question->follower;

    g_object_unref(question->life);
    g_free(question);
    return follower;
}

static void ask_objects(Follower *follower);

static gboolean on_again(gpointer data)
{
    Follower *follower = data;

    follower->again = 0;
    ask_objects(follower);
    return G_SOURCE_REMOVE;
}

static void ask_again_later(Follower *follower)
{
    g_clear_object(&follower->objects);
    follower->again = g_timeout_add_seconds(AGAIN_SECONDS, on_again, follower);
}

static void on_manager(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(PosternManager) manager = postern_manager_proxy_new_finish(result, NULL);
    Follower *follower = question_end(data);

    if (!follower)
        return;
    if (!manager) {
        ask_again_later(follower);
        return;
    }
    follower->manager = g_steal_pointer(&manager);
    follower->events.came(follower->manager, follower->objects, follower->events.data);
}

static void on_objects(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GDBusObjectManager) objects = postern_object_manager_client_new_finish(result, NULL);
    Follower *follower = question_end(data);

    if (!follower)
        return;
    if (!objects) {
        ask_again_later(follower);
        return;
    }
    follower->objects = g_steal_pointer(&objects);
    postern_manager_proxy_new(follower->connection, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START,
                              follower->owner, POSTERN_PATH, follower->life, on_manager,
                              question_new(follower));
}

static void ask_objects(Follower *follower)
{
    postern_object_manager_client_new(
        follower->connection, G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START, follower->owner,
        POSTERN_PATH, follower->life, on_objects, question_new(follower));
}

/* What is of this life ends with it. */
static void end_life(Follower *follower)
{
    g_clear_handle_id(&follower->again, g_source_remove);
    if (follower->life)
        g_cancellable_cancel(follower->life);
    g_clear_object(&follower->life);
    g_clear_object(&follower->manager);
    g_clear_object(&follower->objects);
    g_clear_pointer(&follower->owner, g_free);
}

static void on_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    Follower *follower = data;

    follower->events.went(follower->events.data);
    end_life(follower);
}

static void on_appeared(GDBusConnection *connection, const char *name, const char *owner,
                        gpointer data)
{
    Follower *follower = data;

    if (follower->owner) /* nobody said that it went */
        on_vanished(connection, name, follower);
    follower->owner = g_strdup(owner);
    follower->life = g_cancellable_new();
    ask_objects(follower);
}

Follower *follower_new(GDBusConnection *connection, const FollowerEvents *events)
{
    Follower *follower = g_new0(Follower, 1);

    follower->connection = g_object_ref(connection);
    follower->events = *events;
    follower->watch = g_bus_watch_name_on_connection(connection, POSTERN_BUS_NAME,
                                                     G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
                                                     on_appeared, on_vanished, follower, NULL);
    return follower;
}

void follower_free(Follower *follower)
{
    if (!follower)
        return;
    g_bus_unwatch_name(follower->watch);
    end_life(follower);
    g_object_unref(follower->connection);
    g_free(follower);
}
