#include "quiesce/detail/time/limit.hpp"

namespace quiesce::detail {

Error timed_out(const TimeLimit& limit, const char* function, const char* what) {
  std::string text = std::string(function) + ": ";
  if (limit.given) {
    text += to_string(Time::from_nanos(limit.given->count())) + " have passed";
  } else {
    text += "the time " + to_string(limit.until) + " has come";
  }
  return Error(ErrorCode::TimedOut, text + ", and " + what);
}

std::optional<Error> timer_misuse(CxCore cx, const char* what) {
  if (std::optional<Error> misuse = own_context_error(cx, what)) return misuse;
  if (cx_has_timer(cx)) return std::nullopt;
  return Error(ErrorCode::MissingCapability,
               std::string(what) +
                   ": this context was given no timer (Capabilities::timer), without which nothing "
                   "can be waited for with a time");
}

bool is_deadline_of(const CancelReason& reason, RegionId region) noexcept {
  return reason.kind() == CancelKind::Deadline && reason.region() == region;
}

}  // namespace quiesce::detail
