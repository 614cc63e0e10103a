/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threading messages (RFC 5256, 3). The steps' numbers are the standard's. */
#include "daemon/serve/imap/threads.h"

#include "daemon/serve/imap/reply.h"

#include <string.h>

/* A chain of ancestors longer than this counts as a loop: no conversation is. */
#define ANCESTORS_MAX 10000

typedef struct Node Node;
struct Node {
    const ImapThreadMessage *message; /* NULL: a dummy */
    Node *parent, *first, *last, *previous, *next;
    gint64 latest; /* REFS: when the last message of it and all below was sent */
};

/* Nodes stay where they are, so they are made in blocks. */
#define BLOCK_NODES 1024

typedef struct {
    GPtrArray *blocks; /* Node[BLOCK_NODES] */
    guint count;
    GHashTable *by_id;
    Node root;
} Tree;

/* ---- trees ----------------------------------------------------------------------------------- */

static Node *node_at(const Tree *tree, guint index)
{
    return (Node *)tree->blocks->pdata[index / BLOCK_NODES] + index % BLOCK_NODES;
}

static Node *thread_node_new(Tree *tree, const ImapThreadMessage *message)
{
    if (tree->count % BLOCK_NODES == 0)
        g_ptr_array_add(tree->blocks, g_new0(Node, BLOCK_NODES));
    Node *node = node_at(tree, tree->count++);
    node->message = message;
    return node;
}

static void unlink_node(Node *node)
{
    Node *parent = node->parent;
    if (!parent)
        return;
    if (node->previous)
        node->previous->next = node->next;
    else
        parent->first = node->next;
    if (node->next)
        node->next->previous = node->previous;
    else
        parent->last = node->previous;
    node->parent = node->previous = node->next = NULL;
}

static void append_child(Node *parent, Node *node)
{
    node->parent = parent;
    node->previous = parent->last;
    node->next = NULL;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
}

static void adopt_children(Node *to, Node *from)
{
    while (from->first) {
        Node *child = from->first;
        unlink_node(child);
        append_child(to, child);
    }
}

static gboolean is_above(const Node *above, const Node *node)
{
    for (guint steps = 0; node; node = node->parent)
        if (node == above || ++steps > ANCESTORS_MAX)
            return TRUE;
    return FALSE;
}

/* The message, or the first one of a dummy's: what the thread is dated and named by. */
static const ImapThreadMessage *head(const Node *node)
{
    return node->message ? node->message : node->first->message;
}

static int compare_dates(const void *a, const void *b)
{
    const ImapThreadMessage *first = head(*(Node *const *)a), *second = head(*(Node *const *)b);
    if (first->sent != second->sent)
        return first->sent < second->sent ? -1 : 1;
    return (first->number > second->number) - (first->number < second->number);
}

static void sort_children_by(Node *parent, GCompareFunc compare)
{
    if (parent->first == parent->last)
        return;
    g_autoptr(GPtrArray) children = g_ptr_array_new();
    for (Node *child = parent->first; child; child = child->next)
        g_ptr_array_add(children, child);
    g_ptr_array_sort(children, compare);
    parent->first = parent->last = NULL;
    for (guint i = 0; i < children->len; i++)
        append_child(parent, children->pdata[i]);
}

static void sort_children(Node *parent)
{
    sort_children_by(parent, compare_dates);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static Node open_mark, close_mark;

static void push_children(GPtrArray *stack, const Node *node)
{
    gboolean several = node->first != node->last;
    for (Node *child = node->last; child; child = child->previous) {
        if (several)
            g_ptr_array_add(stack, &close_mark);
        g_ptr_array_add(stack, child);
        if (several)
            g_ptr_array_add(stack, &open_mark);
    }
}

/* `stack` is empty before and after. */
static void append_thread(const Node *thread, GPtrArray *stack, GString *out)
{
    g_string_append_c(out, '(');
    g_ptr_array_add(stack, (Node *)thread);
    while (stack->len) {
        const Node *node = g_ptr_array_remove_index(stack, stack->len - 1);
        if (node == &open_mark || node == &close_mark) {
            g_string_append_c(out, node == &open_mark ? '(' : ')');
            continue;
        }
        if (node->message)
            imap_out_number(out, node->message->number);
        if (node->message && node->first)
            g_string_append_c(out, ' ');
        push_children(stack, node);
    }
    g_string_append_c(out, ')');
}

static void append_threads(const Tree *tree, GString *out)
{
    g_autoptr(GPtrArray) stack = g_ptr_array_new();
    if (tree->root.first)
        g_string_append_c(out, ' ');
    for (const Node *thread = tree->root.first; thread; thread = thread->next)
        append_thread(thread, stack, out);
}

static Tree *tree_new(void)
{
    Tree *tree = g_new0(Tree, 1);
    tree->blocks = g_ptr_array_new_with_free_func(g_free);
    tree->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    return tree;
}

static void tree_free(Tree *tree)
{
    g_ptr_array_unref(tree->blocks);
    g_hash_table_unref(tree->by_id);
    g_free(tree);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tree, tree_free)

/* ---- REFERENCES ------------------------------------------------------------------------------ */

static Node *node_of_id(Tree *tree, const char *id)
{
    Node *node = g_hash_table_lookup(tree->by_id, id);
    if (node)
        return node;
    node = thread_node_new(tree, NULL);
    g_hash_table_insert(tree->by_id, (char *)id, node);
    return node;
}

/* The first message with an id has it. */
static Node *place(Tree *tree, const ImapThreadMessage *message)
{
    Node *node = message->id ? node_of_id(tree, message->id) : NULL;
    if (!node || node->message)
        return thread_node_new(tree, message);
    node->message = message;
    return node;
}

/* (1)(A) and (B) */
static void link_message(Tree *tree, const ImapThreadMessage *message, const GPtrArray *ids,
                         Node *node)
{
    Node *above = NULL;
    for (guint i = 0; i < message->n_ids; i++) {
        Node *reference = node_of_id(tree, ids->pdata[message->first_id + i]);
        if (above && !reference->parent && !is_above(reference, above))
            append_child(above, reference);
        above = reference;
    }
    unlink_node(node);
    if (above && !is_above(node, above))
        append_child(above, node);
}

/* (2) */
static void gather_roots(Tree *tree)
{
    for (guint i = 0; i < tree->count; i++) {
        Node *node = node_at(tree, i);
        if (!node->parent)
            append_child(&tree->root, node);
    }
}

/* Every node before its parent. */
static GPtrArray *children_first(Tree *tree)
{
    GPtrArray *order = g_ptr_array_new();
    for (Node *child = tree->root.first; child; child = child->next)
        g_ptr_array_add(order, child);
    for (guint i = 0; i < order->len; i++)
        for (Node *child = ((Node *)order->pdata[i])->first; child; child = child->next)
            g_ptr_array_add(order, child);
    for (guint i = 0; i < order->len / 2; i++) {
        gpointer swap = order->pdata[i];
        order->pdata[i] = order->pdata[order->len - 1 - i];
        order->pdata[order->len - 1 - i] = swap;
    }
    return order;
}

/* (3) */
static void prune(Tree *tree)
{
    g_autoptr(GPtrArray) order = children_first(tree);
    for (guint i = 0; i < order->len; i++) {
        Node *node = order->pdata[i];
        gboolean one = node->first && node->first == node->last;
        if (node->message || (node->first && node->parent == &tree->root && !one))
            continue;
        Node *parent = node->parent;
        unlink_node(node);
        adopt_children(parent, node);
    }
}

/* (4) */
static void sort_roots(Tree *tree)
{
    for (Node *thread = tree->root.first; thread; thread = thread->next)
        if (!thread->message)
            sort_children(thread);
    sort_children(&tree->root);
}

static gboolean is_reply(const Node *node)
{
    return node->message && node->message->reply;
}

/* (5)(B) */
static GHashTable *subject_table(Tree *tree)
{
    GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);
    for (Node *thread = tree->root.first; thread; thread = thread->next) {
        const char *subject = head(thread)->subject;
        const Node *known = *subject ? g_hash_table_lookup(table, subject) : NULL;
        if (!*subject)
            continue;
        if (!known ||
            (known->message && (!thread->message || (is_reply(known) && !is_reply(thread)))))
            g_hash_table_insert(table, (char *)subject, thread);
    }
    return table;
}

/* (5)(C) */
static void merge(Tree *tree, GHashTable *table, const char *subject, Node *known, Node *thread)
{
    if (!known->message && !thread->message) {
        adopt_children(known, thread);
        unlink_node(thread);
        return;
    }
    if (!known->message || (is_reply(thread) && !is_reply(known))) {
        unlink_node(thread);
        append_child(known, thread);
        return;
    }
    Node *dummy = thread_node_new(tree, NULL);
    unlink_node(thread);
    unlink_node(known);
    append_child(dummy, known);
    append_child(dummy, thread);
    append_child(&tree->root, dummy);
    g_hash_table_insert(table, (char *)subject, dummy);
}

static void merge_subjects(Tree *tree)
{
    g_autoptr(GHashTable) table = subject_table(tree);
    g_autoptr(GPtrArray) threads = g_ptr_array_new();
    for (Node *thread = tree->root.first; thread; thread = thread->next)
        g_ptr_array_add(threads, thread);
    for (guint i = 0; i < threads->len; i++) {
        Node *thread = threads->pdata[i];
        const char *subject = thread->parent == &tree->root ? head(thread)->subject : "";
        Node *known = *subject ? g_hash_table_lookup(table, subject) : NULL;
        if (known && known != thread)
            merge(tree, table, subject, known, thread);
    }
}

/* (6) */
static void sort_all(Tree *tree)
{
    for (guint i = 0; i < tree->count; i++)
        sort_children(node_at(tree, i));
    sort_children(&tree->root);
}

/* (1) to (3) */
static Tree *tree_of_references(const GArray *messages, const GPtrArray *ids)
{
    Tree *tree = tree_new();
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();
    for (guint i = 0; i < messages->len; i++)
        g_ptr_array_add(nodes, place(tree, &g_array_index(messages, ImapThreadMessage, i)));
    for (guint i = 0; i < messages->len; i++)
        link_message(tree, &g_array_index(messages, ImapThreadMessage, i), ids, nodes->pdata[i]);
    gather_roots(tree);
    prune(tree);
    return tree;
}

void imap_threads_references(const GArray *messages, const GPtrArray *ids, GString *out)
{
    g_autoptr(Tree) tree = tree_of_references(messages, ids);
    sort_roots(tree);
    merge_subjects(tree);
    sort_all(tree);
    append_threads(tree, out);
}

/* ---- REFS ------------------------------------------------------------------------------------ */

static void find_latest(Tree *tree)
{
    g_autoptr(GPtrArray) order = children_first(tree);
    for (guint i = 0; i < order->len; i++) {
        Node *node = order->pdata[i];
        node->latest = node->message ? node->message->sent : G_MININT64;
        for (const Node *child = node->first; child; child = child->next)
            node->latest = MAX(node->latest, child->latest);
    }
}

static int compare_latest(const void *a, const void *b)
{
    const Node *first = *(Node *const *)a, *second = *(Node *const *)b;
    if (first->latest != second->latest)
        return first->latest < second->latest ? -1 : 1;
    return compare_dates(a, b);
}

void imap_threads_refs(const GArray *messages, const GPtrArray *ids, GString *out)
{
    g_autoptr(Tree) tree = tree_of_references(messages, ids);
    sort_all(tree);
    find_latest(tree);
    sort_children_by(&tree->root, compare_latest);
    append_threads(tree, out);
}

/* ---- ORDEREDSUBJECT -------------------------------------------------------------------------- */

static int compare_subject(const void *a, const void *b)
{
    const ImapThreadMessage *first = *(ImapThreadMessage *const *)a;
    const ImapThreadMessage *second = *(ImapThreadMessage *const *)b;
    int order = strcmp(first->subject, second->subject);
    if (order)
        return order;
    if (first->sent != second->sent)
        return first->sent < second->sent ? -1 : 1;
    return (first->number > second->number) - (first->number < second->number);
}

/* The first message of a subject is the parent of all others. */
void imap_threads_ordered_subject(const GArray *messages, const GPtrArray *ids, GString *out)
{
    g_autoptr(Tree) tree = tree_new();
    g_autoptr(GPtrArray) order = g_ptr_array_new();
    Node *thread = NULL;
    for (guint i = 0; i < messages->len; i++)
        g_ptr_array_add(order, &g_array_index(messages, ImapThreadMessage, i));
    g_ptr_array_sort(order, compare_subject);
    for (guint i = 0; i < order->len; i++) {
        const ImapThreadMessage *message = order->pdata[i];
        Node *node = thread_node_new(tree, message);
        if (thread && strcmp(thread->message->subject, message->subject) == 0) {
            append_child(thread, node);
        } else {
            append_child(&tree->root, node);
            thread = node;
        }
    }
    sort_children(&tree->root);
    append_threads(tree, out);
}
