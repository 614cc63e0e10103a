/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One state after the other, a page at a time. See outgoing.h. */
#include "ui/window/outgoing.h"

#define PAGE 1000 /* the most that ListQueue gives */

static const char *const states[] = {"failed", "sending", "waiting", "held"};

typedef struct {
    PosternManager *manager;
    GCancellable *cancellable;
    GPtrArray *entries;
    guint limit, state, offset;
    OutgoingListed listed;
    gpointer data;
} Listing;

guint64 outgoing_count(PosternManager *manager)
{
    GVariant *counts = postern_manager_get_queue_counts(manager);
    guint64 all = 0, count = 0;

    for (guint i = 0; counts && i < G_N_ELEMENTS(states); i++)
        all += g_variant_lookup(counts, states[i], "t", &count) ? count : 0;
    return all;
}

static void end_listing(Listing *listing, GPtrArray *entries)
{
    listing->listed(entries, listing->data);
    g_object_unref(listing->manager);
    g_clear_object(&listing->cancellable);
    g_ptr_array_unref(listing->entries);
    g_free(listing);
}

static void ask(Listing *listing);

static void on_page(GObject *source, GAsyncResult *result, gpointer data)
{
    Listing *listing = data;
    g_autoptr(GVariant) page = NULL;

    if (!postern_manager_call_list_queue_finish(listing->manager, &page, result, NULL)) {
        end_listing(listing, NULL);
        return;
    }
    guint count = (guint)g_variant_n_children(page);
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(listing->entries, g_variant_get_child_value(page, i));
    listing->offset += count;
    if (count == 0 || count % PAGE != 0) {
        listing->state++;
        listing->offset = 0;
    }
    ask(listing);
}

static void ask(Listing *listing)
{
    guint wanted = MIN(PAGE, listing->limit - listing->entries->len);
    GVariantDict filter;

    if (listing->state == G_N_ELEMENTS(states) || wanted == 0) {
        end_listing(listing, listing->entries);
        return;
    }
    g_variant_dict_init(&filter, NULL);
    g_variant_dict_insert(&filter, "State", "s", states[listing->state]);
    postern_manager_call_list_queue(listing->manager, g_variant_dict_end(&filter), listing->offset,
                                    wanted, listing->cancellable, on_page, listing);
}

void outgoing_list(PosternManager *manager, guint limit, GCancellable *cancellable,
                   OutgoingListed listed, gpointer data)
{
    Listing *listing = g_new0(Listing, 1);

    *listing = (Listing){.manager = g_object_ref(manager),
                         .cancellable = cancellable ? g_object_ref(cancellable) : NULL,
                         .entries = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref),
                         .limit = limit,
                         .listed = listed,
                         .data = data};
    ask(listing);
}
