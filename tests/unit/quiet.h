// SPDX-License-Identifier: GPL-3.0-or-later
// To be included by tests whose code runs in GLib's pool of threads: those end by themselves at some moment,
// and LeakSanitizer, which looks at all threads at the end, fails on one that is just doing so.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include <glib.h>

class Quiet : public ::testing::Environment
{
  public:
    void TearDown() override
    {
        g_thread_pool_set_max_unused_threads(0);
        for (int i = 0; i < 3000 && pool_threads() > 0; i++)
            g_usleep(10000);
    }

  private:
    static int pool_threads()
    {
        g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, nullptr);
        int count = 0;
        for (const char *task; tasks && (task = g_dir_read_name(tasks));) {
            g_autofree char *path = g_strdup_printf("/proc/self/task/%s/comm", task);
            g_autofree char *name = nullptr;
            // A pool's thread has its own name, and GLib's spawner, which stays, another.
            if (g_file_get_contents(path, &name, nullptr, nullptr) &&
                g_str_has_prefix(name, "pool") && !g_str_has_prefix(name, "pool-spawner"))
                count++;
        }
        return count;
    }
};

static ::testing::Environment *const quiet = ::testing::AddGlobalTestEnvironment(new Quiet);
