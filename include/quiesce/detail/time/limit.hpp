#pragma once
// What everything that waits with a time has in common.
#include <optional>

#include "quiesce/cx.hpp"

namespace quiesce::detail {

/// Until when, and the duration that it was given as, if it was.
struct TimeLimit {
  Time until;
  std::optional<Duration> given = {};

  static TimeLimit in(CxCore cx, Duration duration) { return {cx_now(cx) + duration, duration}; }
};

/// "5.000ms have passed, and a permit of a semaphore has not come": `what` is what has not happened.
Error timed_out(const TimeLimit& limit, const char* function, const char* what);
/// Why a wait with a time cannot be: it is not the calling task's own context, or it was given no timer.
std::optional<Error> timer_misuse(CxCore cx, const char* what);
/// Has that region been cancelled by its own deadline, and by nothing graver?
bool is_deadline_of(const CancelReason& reason, RegionId region) noexcept;

}  // namespace quiesce::detail
