/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the Manager's Discover has found (an offer), read: which of its servers can be used, and how one
 * signs in there. Nothing is asked or shown here.
 */
#pragma once

#include <glib.h>

/* How one signs in. Fill in what the user has said before offer_choose_auth(), which decides the rest. */
typedef struct {
    gboolean oauth2;   /* in a browser, or with a token */
    gboolean password; /* with nothing but a password */
    char *
        server; /* where one signs in: the name of an [oauth2 NAME], or an issuer; owned; NULL: unknown */
} OfferAuth;

/* Decides how one signs in, where the user hasn't said: OAuth 2 where the provider has nothing else, or
 * puts it first and there is a client ID. `server` is filled in wherever the offer has one. */
void offer_choose_auth(GVariant *offer, OfferAuth *auth);

/* The first server of the list `key` (Incoming or Outgoing) that can be used: it says that one can sign in
 * so, or doesn't say. The caller frees; NULL: none. */
GVariant *offer_server(GVariant *offer, const char *key, gboolean oauth2);

/* A string of the offer, of one of its servers, or of any dictionary; "" where there is none. Owned by
 * `dictionary`. */
const char *offer_string(GVariant *dictionary, const char *key);
