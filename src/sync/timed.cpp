#include "quiesce/detail/sync/timed.hpp"

#include <algorithm>
#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

bool TimedBase::begin() noexcept {
  TaskRecord& task = *current_task();
  has_timer_ = cx_has_timer(CxCore{&task, task.id().generation});
  if (!limit_.until) limit_.until = task.kernel().executor().now() + *limit_.given;
  return has_timer_;
}

bool TimedBase::time_has_come() noexcept {
  return late_ = *limit_.until <= current_task()->kernel().executor().now();
}

void TimedBase::arm(Waiter waiter) noexcept {
  alarm_node_ = WaitNode(waiter);
  alarm_.arm(alarm_node_, *limit_.until);
}

Error TimedBase::failure(const char* what, const WaitSubject& subject) const {
  return has_timer_ ? words_->late(limit_, what, subject) : words_->no_timer(limit_);
}

Error no_timer_for(const char* function) {
  return Error(ErrorCode::MissingCapability, std::string(function) +
                                                 ": this context was given no timer (Capabilities::timer), "
                                                 "without which nothing can be waited for with a time");
}

namespace {

Error deadline_error(const TimedLimit&, const char* what, const WaitSubject& subject) {
  std::string text = std::string("the wait for ") + what;
  if (subject.name != nullptr) text += std::string(" \"") + subject.name + '"';
  text += " came to its deadline and took no effect: wait longer, or go on without";
  Error error(ErrorCode::TimedOut, std::move(text));
  for (std::size_t i = 0; i < std::min<std::size_t>(subject.holder_count, subject.holders.size()); ++i)
    error = std::move(error).with_context("held by", to_string(subject.holders[i]));
  return error;
}

Error no_timer_error(const TimedLimit& limit) { return no_timer_for(limit.function); }

}  // namespace

const TimedWords deadline_words{deadline_error, no_timer_error};

}  // namespace quiesce::detail
