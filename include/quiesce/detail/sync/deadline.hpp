#pragma once
// A wait for one operation with a deadline: a select of two, whose second branch is an Err(TimedOut). Waiting allocates nothing.
#include <array>
#include <coroutine>
#include <optional>
#include <utility>

#include "quiesce/detail/sync/select.hpp"

namespace quiesce {

namespace detail {

template <class Op, bool Observed>
class WaitUntilAwaiter;

/// "the wait for a mutex "balance" has come to its deadline …"
Error deadline_error(const char* what, const WaitSubject& subject);

}  // namespace detail

/// An operation with the context that waits, and until when: `co_await` it once, or `.outcome()` of it. Where the operation takes no
/// effect until then it takes none at all, and gives Err(TimedOut); one that can take effect at once does, whatever the time is.
template <class Op>
class [[nodiscard]] WaitUntil {
 public:
  using quiesce_awaiter = detail::WaitUntilAwaiter<Op, false>;
  using value_type = typename Op::value_type;

  class [[nodiscard]] Observed {
   public:
    using quiesce_awaiter = detail::WaitUntilAwaiter<Op, true>;
    explicit Observed(WaitUntil&& wait) : wait_(std::move(wait)) {}

   private:
    friend quiesce_awaiter;
    WaitUntil wait_;
  };

  WaitUntil(const detail::CxCore& cx, Op op, const Sleep& until) : cx_(cx), op_(std::move(op)), sleep_(until) {}
  Observed outcome() && { return Observed(std::move(*this)); }

 private:
  template <class, bool>
  friend class detail::WaitUntilAwaiter;
  detail::CxCore cx_;
  Op op_;
  detail::SleepOperation sleep_;
};

namespace detail {

template <class Op, bool Observed>
class WaitUntilAwaiter : SelectBase {
  static_assert(WaitOperation<Op>);
  using T = typename Op::value_type;
  using E = typename Op::error_type;

 public:
  template <class A>
  explicit WaitUntilAwaiter(A&& what)
      : SelectBase(true, Observed),
        wait_(&waited(what)),
        branches_{SelectBranch{&operation_ops<Op>, &wait_->op_, true},
                  SelectBranch{&operation_ops<SleepOperation>, &wait_->sleep_, true}} {
    branches = branches_;
  }
  WaitUntilAwaiter(const WaitUntilAwaiter&) = delete;
  WaitUntilAwaiter& operator=(const WaitUntilAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    settle = [](SelectBase& base, TaskRecord& task, std::size_t winner, Outcome<>* refused) noexcept {
      auto& mine = static_cast<WaitUntilAwaiter&>(base);
      mine.collect(winner, refused);
      if constexpr (!Observed) {
        if (!mine.outcome_->is_ok()) {
          end_leaf_with<U, F>(task, std::move(*mine.outcome_));
          return true;
        }
      }
      return false;
    };
    return start(self.promise(), wait_->cx_);
  }

  auto await_resume() {
    if constexpr (Observed) {
      return std::move(*outcome_);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*outcome_).value();
    }
  }

 private:
  template <class A>
  static WaitUntil<Op>& waited(A& what) {
    if constexpr (Observed) {
      return what.wait_;
    } else {
      return what;
    }
  }
  void collect(std::size_t winner, Outcome<>* refused) noexcept {
    if (refused != nullptr) {
      outcome_.emplace(std::move(*refused).template failure_as<T, E>());
    } else if (winner == 0) {
      outcome_.emplace(wait_->op_.take());
    } else {
      Outcome<> slept = wait_->sleep_.take();  // an Err where the context was given no timer
      Error error = slept.is_ok() ? deadline_error(Op::what, wait_->op_.subject()) : std::move(slept).error();
      outcome_.emplace(Outcome<T, E>::err(E(std::move(error))));
    }
  }

  WaitUntil<Op>* wait_;
  std::array<SelectBranch, 2> branches_;
  std::optional<Outcome<T, E>> outcome_;
};

template <class Op, class Caps>
WaitUntil<Op> wait_until(const BasicCx<Caps>& cx, Op op, Time until) {
  static_assert(
      Holds<Caps::bits, cap::Time::bits>,
      "quiesce: this context lacks the capability Time (cap::Time), which a wait with a deadline needs");
  return WaitUntil<Op>(cx.core(), std::move(op), Sleep(cx.core(), until));
}

}  // namespace detail
}  // namespace quiesce
