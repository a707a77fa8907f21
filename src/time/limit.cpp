#include "quiesce/timeout.hpp"

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
  return no_timer_for(what);
}

namespace {

Error operation_late(const TimedLimit& limit, const char* what, const WaitSubject&) {
  const std::string not_come = std::string(what) + " has not come";
  return timed_out({*limit.until, limit.given}, limit.function, not_come.c_str());
}
Error operation_without_timer(const TimedLimit& limit) { return no_timer_for(limit.function); }

}  // namespace

const TimedWords timeout_words{operation_late, operation_without_timer};

bool is_deadline_of(const CancelReason& reason, RegionId region) noexcept {
  return reason.kind() == CancelKind::Deadline && reason.region() == region;
}

}  // namespace quiesce::detail
