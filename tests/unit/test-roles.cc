/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What folders are for, by their names: generated over all languages of the table, with the variants that
 * servers make of names, and settled where several names would do.
 */
#include <gtest/gtest.h>

#include <string>
#include <vector>

extern "C" {
#include "daemon/sync/role-names.h"
#include "daemon/sync/role-table.h"
#include "daemon/sync/roles.h"
}

namespace
{

const CacheRole roles[] = {CACHE_ROLE_SENT, CACHE_ROLE_DRAFTS, CACHE_ROLE_TRASH, CACHE_ROLE_JUNK,
                           CACHE_ROLE_ARCHIVE};

struct Names {
    char **list = nullptr;

    Names(guint language, CacheRole role)
    {
        for (guint i = 0; i < G_N_ELEMENTS(roles); i++)
            if (roles[i] == role)
                list = g_strsplit(sync_role_table[language].names[i], "|", -1);
    }
    ~Names()
    {
        g_strfreev(list);
    }
};

struct Folders {
    SyncListing *listing;
    AccountSettings settings = {};
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)cache_folder_free);

    Folders()
    {
        listing = g_new0(SyncListing, 1);
        listing->folders = g_ptr_array_new();
        listing->by_name = g_hash_table_new(g_str_hash, g_str_equal);
        add("INBOX");
    }
    ~Folders()
    {
        for (guint i = 0; i < listing->folders->len; i++) {
            g_free(((SyncListed *)listing->folders->pdata[i])->name);
            g_free(listing->folders->pdata[i]);
        }
        sync_listing_free(listing);
        g_ptr_array_unref(rows);
        for (char *name : settings.role_folders)
            g_free(name);
    }
    void add(const std::string &name, guint attributes = 0, char delimiter = '/')
    {
        SyncListed *listed = g_new0(SyncListed, 1);
        listed->name = g_strdup(name.c_str());
        listed->delimiter = delimiter;
        listed->attributes = attributes;
        g_ptr_array_add(listing->folders, listed);
        g_hash_table_insert(listing->by_name, listed->name, listed);
    }
    void had(const char *name, CacheRole role)
    {
        CacheFolder *row = g_new0(CacheFolder, 1);
        row->base_name = g_strdup(name);
        row->role = role;
        g_ptr_array_add(rows, row);
    }
    void give()
    {
        sync_give_roles(listing, &settings, rows);
    }
    /* The names of all folders with that role. */
    std::string with(CacheRole role)
    {
        std::string found;
        for (guint i = 0; i < listing->folders->len; i++) {
            const SyncListed *listed = (const SyncListed *)listing->folders->pdata[i];
            if (listed->role == role)
                found += (found.empty() ? "" : ",") + std::string(listed->name);
        }
        return found;
    }
};

std::string changed(const char *name, char *(*how)(const char *, gssize))
{
    g_autofree char *text = how(name, -1);
    return text;
}

std::string decomposed(const char *name)
{
    g_autofree char *text = g_utf8_normalize(name, -1, G_NORMALIZE_NFD);
    return text;
}

std::string with_hyphens(std::string name)
{
    for (char &c : name)
        if (c == ' ')
            c = '-';
    return name;
}

/* What servers and people make of a name. */
std::vector<std::string> variants(const char *name)
{
    return {name,
            changed(name, g_utf8_strup),
            changed(name, g_utf8_strdown),
            decomposed(name),
            with_hyphens(name),
            std::string(" ") + name + " "};
}

} // namespace

TEST(Roles, EveryNameInEveryLanguageAndSpelling)
{
    guint count = 0;

    for (guint language = 0; language < SYNC_ROLE_LANGUAGES; language++)
        for (CacheRole role : roles) {
            Names names(language, role);
            for (char **name = names.list; *name; name++)
                for (const std::string &variant : variants(*name))
                    for (const char *above : {"", "INBOX/", "Inbox/", "[Gmail]/"}) {
                        /* With the others of its language, for names that mean two things in two. */
                        Folders folders;
                        for (CacheRole other : roles)
                            if (other != role)
                                folders.add(Names(language, other).list[0]);
                        folders.add(above + variant);
                        folders.give();
                        EXPECT_EQ(folders.with(role), above + variant)
                            << sync_role_table[language].language;
                        count++;
                    }
        }
    EXPECT_GT(count, 10000u);
}

TEST(Roles, AreAtLeastTwentyLanguagesAndNoNameMeansTwoThingsInOne)
{
    EXPECT_GE(SYNC_ROLE_LANGUAGES, 20);
    for (guint language = 0; language < SYNC_ROLE_LANGUAGES; language++)
        for (CacheRole role : roles) {
            Names names(language, role);
            for (char **name = names.list; *name; name++) {
                ASSERT_TRUE(g_utf8_validate(*name, -1, nullptr));
                const GArray *fits = sync_role_fits(*name);
                ASSERT_NE(fits, nullptr) << *name;
                for (guint i = 0; i < fits->len; i++) {
                    const SyncRoleFit *fit = &g_array_index(fits, SyncRoleFit, i);
                    EXPECT_TRUE(fit->language != language || fit->role == role) << *name;
                }
            }
        }
}

TEST(Roles, HaveOneOwner)
{
    for (guint language = 0; language < SYNC_ROLE_LANGUAGES; language++) {
        Folders folders;
        for (CacheRole role : roles)
            for (guint other = 0; other < SYNC_ROLE_LANGUAGES; other++)
                if (other == language || other % 7 == 0) {
                    Names names(other, role);
                    for (char **name = names.list; *name; name++)
                        if (!sync_listing_find(folders.listing, *name))
                            folders.add(*name);
                }
        folders.give();
        for (CacheRole role : roles)
            EXPECT_TRUE(!folders.with(role).empty() &&
                        folders.with(role).find(',') == std::string::npos)
                << folders.with(role);
    }
}

TEST(Roles, TheAccountsLanguageDecides)
{
    Folders german;
    for (const char *name : {"Sent", "Gesendet", "Entwürfe", "Papierkorb", "Archive"})
        german.add(name);
    german.give();
    EXPECT_EQ(german.with(CACHE_ROLE_SENT), "Gesendet");
    EXPECT_EQ(german.with(CACHE_ROLE_ARCHIVE), "Archive");

    Folders english;
    for (const char *name : {"Sent Items", "Sent", "Drafts", "Trash", "Gesendet"})
        english.add(name);
    english.give();
    EXPECT_EQ(english.with(CACHE_ROLE_SENT), "Sent");
}

TEST(Roles, StayWhereTheyAre)
{
    Folders folders;
    for (const char *name : {"Sent", "Sent Items", "Drafts"})
        folders.add(name);
    folders.had("Sent Items", CACHE_ROLE_SENT);
    folders.give();
    EXPECT_EQ(folders.with(CACHE_ROLE_SENT), "Sent Items");
}

TEST(Roles, WhatMerelySoundsLikeItIsNone)
{
    Folders folders;
    for (const char *name : {"Work/Sent", "INBOX/Work/Trash", "Sentinel", "My Drafts", "Sent 2020",
                             "Archiver", "Spam?no", "", "---"})
        folders.add(name);
    folders.add("Junk", IMAP_ATTR_NOSELECT);
    folders.give();
    for (CacheRole role : roles)
        EXPECT_EQ(folders.with(role), "");
}

TEST(Roles, TheProvidersWordCountsMoreThanNames)
{
    Folders folders;
    folders.add("Sent");
    folders.add("Drafts");
    folders.add("Ausgang", IMAP_ATTR_SENT);
    folders.give();
    EXPECT_EQ(folders.with(CACHE_ROLE_SENT), "Ausgang");
    EXPECT_EQ(folders.with(CACHE_ROLE_DRAFTS), "");
}

TEST(Roles, TheUsersWordIsTheLast)
{
    for (guint by : {0u, (guint)IMAP_ATTR_SENT}) {
        Folders folders;
        folders.add("Sent", by);
        folders.add("Weg/Hier");
        folders.add("Trash");
        folders.settings.role_folders[ACCOUNT_ROLE_SENT] = g_strdup("Weg/Hier");
        folders.settings.role_folders[ACCOUNT_ROLE_JUNK] = g_strdup("Trash");
        folders.settings.role_folders[ACCOUNT_ROLE_DRAFTS] = g_strdup("Nowhere");
        folders.give();
        EXPECT_EQ(folders.with(CACHE_ROLE_SENT), "Weg/Hier");
        EXPECT_EQ(folders.with(CACHE_ROLE_JUNK), "Trash");
        EXPECT_EQ(folders.with(CACHE_ROLE_TRASH), "");
        EXPECT_EQ(folders.with(CACHE_ROLE_INBOX), "INBOX");
    }
}

TEST(Roles, AHundredThousandFoldersTakeNoTime)
{
    Folders folders;
    for (guint i = 0; i < 100000; i++)
        folders.add((i % 2 ? "Sent " : "Folder ") + std::to_string(i));
    folders.add("Sent");
    gint64 start = g_get_monotonic_time();
    folders.give();
    EXPECT_LT(g_get_monotonic_time() - start, 20 * G_USEC_PER_SEC);
    EXPECT_EQ(folders.with(CACHE_ROLE_SENT), "Sent");
}
