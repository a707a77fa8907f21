#pragma once
// Latch: a number that is counted down; tasks wait until it is 0, and from then on nobody waits any more.
//
//   q::Latch loaded(3);
//   loaded.count_down();             // in each of three tasks; or count_down(3)
//   co_await loaded.wait(cx);
//
// Cancel-safety: a wait that is cancelled leaves nothing behind; counting is no cancel point. All that wait are woken at once, in the order
// in which they came. Thread-safety: any thread, also one that runs no task. Cost: one lock; a waiter allocates nothing.
// It must outlive those who wait for it.
#include <cstdint>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

class Latch;

namespace detail {

class LatchWaitOperation : public ListedOperation<LatchWaitOperation> {
 public:
  using value_type = void;
  static constexpr const char* what = "a latch";
  static constexpr bool is_word = true;

  explicit LatchWaitOperation(Latch& latch) noexcept : latch_(&latch) {}
  bool try_now() noexcept;
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  Latch* latch_;
};

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct LatchStatistics {
  std::uint32_t left = 0;
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // waits that had to sleep, since it was made
};

class Latch {
 public:
  explicit Latch(std::uint32_t count, Name name = {}) noexcept : primitive_("latch", name), left_(count) {}

  /// Not below 0. True: it was opened by this call.
  bool count_down(std::uint32_t by = 1) noexcept;
  /// Is it 0?
  bool try_wait() const noexcept;
  template <class Caps>
  auto wait(const BasicCx<Caps>& cx) {
    return Wait<detail::LatchWaitOperation>(cx.core(), detail::LatchWaitOperation(*this));
  }
  auto wait() { return Operation<detail::LatchWaitOperation>(detail::LatchWaitOperation(*this)); }
  LatchStatistics statistics() const noexcept;

 private:
  friend detail::LatchWaitOperation;
  detail::Primitive primitive_;
  // Under the lock.
  detail::WaitList waiters_;
  std::uint32_t left_;
};

template <>
inline constexpr bool enable_sync<Latch> = true;

}  // namespace quiesce
