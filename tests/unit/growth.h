/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether work grows with its input and no faster, where it is a library's and its steps can't be counted
 * (steps.h): by what this thread computes, the least of some turns. Four times the input takes four times as
 * long, or sixteen times where it is a square; the bound is between them. */
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <string>

inline double computed(const std::function<void()> &run)
{
    auto now = [] {
        struct timespec time;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    };
    double least = 1e9;

    for (int i = 0; i < 3; i++) {
        double begin = now();
        run();
        least = std::min(least, now() - begin);
    }
    return least;
}

/* start, unit again and again up to `size`, end; "%d" in the unit is counted up. */
inline std::string repeated(const std::string &start, const std::string &unit,
                            const std::string &end, size_t size)
{
    std::string text = start;
    size_t number = unit.find("%d");

    for (unsigned i = 1; text.size() < size; i++)
        text += number == std::string::npos
                    ? unit
                    : unit.substr(0, number) + std::to_string(i) + unit.substr(number + 2);
    return text + end;
}

inline void expect_growth(const std::string &start, const std::string &unit, const std::string &end,
                          const std::function<void(const std::string &)> &read,
                          size_t small = 32768)
{
    std::string few = repeated(start, unit, end, small),
                many = repeated(start, unit, end, 4 * small);
    double little = computed([&] { read(few); }), much = computed([&] { read(many); });

    EXPECT_LT(much, 9 * little + 0.01) << start << unit << end;
}
