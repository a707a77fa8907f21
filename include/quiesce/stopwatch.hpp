#pragma once
// Stopwatch: how long something took, by the clock of a context: virtual in the Stepper and the lab, so that a test can say exactly.
//
//   q::Stopwatch watch(cx);
//   co_await work(cx);
//   cx.trace("work took", watch.elapsed().count());
//
// A small copyable value; not a cancel point. It reads the clock through the context: once that task has ended it throws
// UsageError(StaleContext). Thread-safety: reading, any thread.
#include <utility>

#include "quiesce/cx.hpp"

namespace quiesce {

/// The clock of the context; the same as cx.now().
template <class Caps>
Time now(const BasicCx<Caps>& cx) {
  return cx.now();
}

class Stopwatch {
 public:
  template <class Caps>
  explicit Stopwatch(const BasicCx<Caps>& cx) : cx_(cx.core()), started_(cx.now()) {}

  Time started() const noexcept { return started_; }
  Duration elapsed() const { return detail::cx_now(cx_) - started_; }
  /// Begins anew; how long it was till now.
  Duration restart() {
    const Time now = detail::cx_now(cx_);
    return now - std::exchange(started_, now);
  }

 private:
  detail::CxCore cx_;
  Time started_;
};

}  // namespace quiesce
