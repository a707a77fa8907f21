#pragma once
// Explores the schedules of a body of plain threads; no coroutine is needed.
//
//   lab::Report r = lab::explore_threads({.strategy = lab::exhaustive()}, [] {
//     lab::mutex m;  lab::atomic<int> x{0};  lab::shared<int> y{0};
//     lab::thread a([&] { std::scoped_lock l(m); y.write(y.read() + 1); });
//     lab::thread b([&] { x.fetch_add(1); });
//     a.join(); b.join();
//     lab::check(x.load() == 1, "x counted");
//   });
//   if (r.failed()) std::cerr << r.text();     what broke, the schedule, a token
//   lab::replay_threads(r.failure()->token, body);
//
// The body is called once for each run, some runs are made twice, and a failing one is made again: it must
// begin alike each time, so whatever the lab schedules is made inside of it, and it must not depend on time,
// addresses or randomness from elsewhere. It runs as the thread "main", on a stack of 64 KiB as every
// lab::thread does. The body may not block the OS thread on what another of its threads must do (a std::mutex
// held at a visible point).
#include <functional>
#include <string_view>

#include "quiesce/lab/atomic.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/mutex.hpp"
#include "quiesce/lab/report.hpp"
#include "quiesce/lab/shared.hpp"
#include "quiesce/lab/thread.hpp"

namespace quiesce::lab {

Report explore_threads(const Options& options, const std::function<void()>& body);

/// Makes the run of a failure's token again. Of the options the limit of steps counts.
Report replay_threads(std::string_view token, const std::function<void()>& body, const Options& options = {});

}  // namespace quiesce::lab
