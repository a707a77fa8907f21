#pragma once
// The lab: the same program on one thread, every choice taken from a strategy and written down, so that the schedule that breaks it
// is found, shown, and run again.
//
//   lab::Report r = lab::explore({.strategy = lab::pct(3), .max_runs = 10'000}, body);   // body: as for rt.block_on
//   if (r.failed()) std::cerr << r.text();
//
// `body` is called once a run, with a context and a scope of a root region, and runs unchanged. Time is virtual: it moves when nothing
// else can. A step goes from one suspension of a task to the next, and is cut at every use of lab::atomic, lab::mutex, lab::shared.
// What is shared in other ways is not seen: a race in it is not found, and dpor() may miss orders of it.
// A run fails when the body or a task panics, the body ends Err, nothing can move and something waits (deadlock), the limit of
// steps is reached (livelock), lab::check fails, plain data is accessed in a race, or a rule of the library is broken (oracles).
// Thread-safety: one exploration a thread; several threads may explore at the same time.
#include <functional>
#include <string_view>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness.hpp"
#include "quiesce/detail/lab/body.hpp"
#include "quiesce/lab/atomic.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/explore_threads.hpp"
#include "quiesce/lab/invariants.hpp"
#include "quiesce/lab/mutex.hpp"
#include "quiesce/lab/report.hpp"
#include "quiesce/lab/shared.hpp"
#include "quiesce/lab/thread.hpp"
#include "quiesce/scope.hpp"
#include "quiesce/task.hpp"

namespace quiesce::lab {

namespace detail {

/// Makes the body's coroutine in its record.
using InstallBody = std::function<void(quiesce::detail::TaskRecord& record, Cx cx, Scope<>& scope)>;

template <class Body>
InstallBody install_body(Body& body) {
  static_assert(quiesce::detail::body_check<Body, Cx, Scope<>>::done);
  return [&body](quiesce::detail::TaskRecord& record, Cx cx, Scope<>& scope) {
    detail_install(record, body(cx, scope));
  };
}

Report explore_tasks(const Options& options, BodyId body, const InstallBody& install);
Report cancel_tasks(const Options& options, std::uint32_t together, BodyId body, const InstallBody& install);
Report replay_tasks(std::string_view token, BodyId body, const InstallBody& install);

}  // namespace detail

/// Runs the body under many schedules, until one fails, all are explored, or `max_runs` are done.
template <class Body>
Report explore(const Options& options, Body&& body) {
  return detail::explore_tasks(options, detail::id_of_body(body), detail::install_body(body));
}

/// One run.
template <class Body>
Report run(Options options, Body&& body) {
  options.max_runs = 1;
  return detail::explore_tasks(options, detail::id_of_body(body), detail::install_body(body));
}

/// One run for every cancel point that the body's tasks pass in one schedule, with a request at that point; with `pairs` one for
/// every two points as well. `max_runs` of the options bounds them all; report.exhausted tells whether all were made.
template <class Body>
Report cancel_everywhere(Body&& body, Options options = {.max_runs = 100'000}, bool pairs = false) {
  return detail::cancel_tasks(options, pairs ? 2 : 1, detail::id_of_body(body), detail::install_body(body));
}

/// The run that a token of `explore` names. FailureKind::divergence says at which step it could not be followed, or that the token is of
/// another body.
template <class Body>
Report replay(std::string_view token, Body&& body) {
  return detail::replay_tasks(token, detail::id_of_body(body), detail::install_body(body));
}

}  // namespace quiesce::lab
