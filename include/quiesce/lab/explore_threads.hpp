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
#include <concepts>
#include <functional>
#include <string_view>

#include "quiesce/detail/lab/body.hpp"
#include "quiesce/lab/atomic.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/mutex.hpp"
#include "quiesce/lab/report.hpp"
#include "quiesce/lab/shared.hpp"
#include "quiesce/lab/thread.hpp"

namespace quiesce::lab {

namespace detail {
Report explore_plain(const Options& options, BodyId body, const std::function<void()>& run);
Report replay_plain(std::string_view token, const Options& options, BodyId body,
                    const std::function<void()>& run);
}  // namespace detail

template <std::invocable Body>
Report explore_threads(const Options& options, Body&& body) {
  return detail::explore_plain(options, detail::id_of_body(body), [&body] { static_cast<void>(body()); });
}

/// Makes the run of a failure's token again. Of the options the limit of steps counts.
template <std::invocable Body>
Report replay_threads(std::string_view token, Body&& body, const Options& options = {}) {
  return detail::replay_plain(token, options, detail::id_of_body(body), [&body] { static_cast<void>(body()); });
}

template <std::invocable Body>
Report replay(std::string_view token, Body&& body) {
  return replay_threads(token, body);
}

}  // namespace quiesce::lab
