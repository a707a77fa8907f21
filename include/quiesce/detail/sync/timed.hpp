#pragma once
// An operation with a time: it takes effect, or the time comes first and it gives Err(TimedOut). What `timeout` of an operation and
// `lock_for` give; an operation itself, so that it may be a branch of a select and have a time in its turn.
//
// The operation has the node of the wait, the alarm one of its own, both of one wait: one claim is won, so it has taken effect or is
// timed out. One that can take effect at once does, whatever the time is.
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/detail/sync/select.hpp"

namespace quiesce::detail {

/// Until when, and the duration that it was given as, if it was: without a context that counts from the first try.
struct TimedLimit {
  std::optional<Time> until;
  std::optional<Duration> given = {};
  const char* function;
};
/// What a wait that came to its time says.
struct TimedWords {
  Error (*late)(const TimedLimit& limit, const char* what, const WaitSubject& subject);
  Error (*no_timer)(const TimedLimit& limit);
};
Error no_timer_for(const char* function);
/// "the wait for a mutex "balance" came to its deadline …"
extern const TimedWords deadline_words;

/// All but the operation.
class TimedBase {
 public:
  TimedBase(const TimedLimit& limit, const TimedWords& words) noexcept : limit_(limit), words_(&words) {}

 protected:
  /// False: there is no timer, and `failure` says so.
  bool begin() noexcept;
  bool time_has_come() noexcept;
  void arm(Waiter waiter) noexcept;
  /// Why the operation gives nothing.
  Error failure(const char* what, const WaitSubject& subject) const;

  TimedLimit limit_;
  const TimedWords* words_;
  WaitAlarm alarm_;
  WaitNode alarm_node_ = {};
  bool came_ = false;  // the operation has taken effect, or may have
  bool late_ = false;
  bool has_timer_ = true;
};

template <class B>
using TimedValue = std::conditional_t<B::observed, typename B::Outcome, typename B::Op::value_type>;

template <class B>
class TimedOperation : TimedBase {
  using Op = typename B::Op;
  using Inner = Outcome<typename Op::value_type, typename Op::error_type>;

 public:
  using value_type = TimedValue<B>;
  using error_type = Error;
  static constexpr const char* what = Op::what;
  static constexpr bool is_granted = branch_is_granted<B>();

  TimedOperation(Op op, const TimedLimit& limit, const TimedWords& words)
      : TimedBase(limit, words), op_(std::move(op)) {}

  bool try_now() noexcept {
    if (!begin()) return true;
    came_ = op_.try_now();
    return came_ || time_has_come();
  }
  void enlist(WaitNode& node) noexcept {
    op_.enlist(node);
    arm(node.waiter);
  }
  auto& found() noexcept requires IsFound<Op> { return op_.found(); }
  bool delist(WaitNode& node) noexcept {
    late_ = alarm_.disarm();
    came_ = op_.delist(node);
    return came_ || late_;
  }
  /// Always there, since who was granted is known only once both have been taken out.
  bool again() {
    if (!has_timer_) return true;
    if constexpr (LooksAgain<Op>) {
      if (came_ && !op_.again()) {
        came_ = false;
        if (!late_ && !time_has_come()) return false;
        op_.give_back();
        return true;
      }
    }
    return came_ || late_ || time_has_come();
  }
  Outcome<value_type> take() noexcept {
    if (!came_) return Outcome<value_type>::err(failure(Op::what, op_.subject()));
    Inner outcome = op_.take();
    if constexpr (B::observed) {
      return Outcome<value_type>::ok(std::move(outcome));
    } else {
      static_assert(
          ErrorConvertible<typename Op::error_type, Error>,
          "quiesce: a wait with a time ends with quiesce::Error, to which the error of what it waits for "
          "must convert: wait for its outcome()");
      if (!outcome.is_ok()) return std::move(outcome).template failure_as<value_type, Error>();
      if constexpr (std::is_void_v<value_type>) {
        return Outcome<>::ok();
      } else {
        return Outcome<value_type>::ok(std::move(outcome).value());
      }
    }
  }
  void give_back() noexcept {
    if (came_ || LooksAgain<Op>) op_.give_back();
  }
  WaitSubject subject() const noexcept { return op_.subject(); }

  void armed() noexcept requires Closes<Op> { op_.armed(); }
  bool close(bool won) noexcept requires Closes<Op> { return op_.close(won && came_); }
  void close_enlist(WaitNode& node) noexcept requires Closes<Op> { op_.close_enlist(node); }
  void closed() noexcept requires Closes<Op> { op_.closed(); }

 private:
  Op op_;
};

template <class Op, class Caps>
auto wait_until(const BasicCx<Caps>& cx, Op op, Time until, const char* function) {
  static_assert(
      Holds<Caps::bits, cap::Time::bits>,
      "quiesce: this context lacks the capability Time (cap::Time), which a wait with a deadline needs");
  using Timed = TimedOperation<BranchOf<Op, false>>;
  return Wait<Timed>(cx.core(), Timed(std::move(op), TimedLimit{until, {}, function}, deadline_words));
}
template <class Op>
auto wait_until(Op op, const TimedLimit& limit) {
  using Timed = TimedOperation<BranchOf<Op, false>>;
  return Operation<Timed>(Timed(std::move(op), limit, deadline_words));
}

}  // namespace quiesce::detail
