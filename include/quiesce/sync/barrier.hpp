#pragma once
// Barrier: a point that so many tasks must have reached before any of them goes on; and then again, round by round.
//
//   q::Barrier phase(workers);
//   const bool leader = co_await phase.arrive_and_wait(cx);   // true for exactly one of them
//
// The last to arrive lets all go on, and is the leader; the next round begins at once. An arrival whose task is cancelled while it waits
// is withdrawn: the round wants one more. If the request comes when the last has arrived already, the arrival counts, and its task
// ends Cancelled all the same; the others go on. (The leader is then the first of those that go on.)
// In a select an arrival that another branch was faster than is withdrawn likewise.
// Cancel-safety: see above; before it waits, a cancelled task does not arrive. Refuses: InvalidArgument where the barrier is for none.
// Thread-safety: any thread. Cost: one lock; a waiter allocates nothing. It must outlive those who wait.
#include <cstdint>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

class Barrier;

namespace detail {

class ArriveOperation : public ListedOperation<ArriveOperation> {
 public:
  using value_type = bool;
  static constexpr const char* what = "a barrier";
  static constexpr bool told_together = true;

  explicit ArriveOperation(Barrier& barrier) noexcept : barrier_(&barrier) {}
  ArriveOperation& found() noexcept { return *this; }
  bool try_now() noexcept;
  Outcome<bool> take() noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  friend Barrier;
  Barrier* barrier_;
  bool leads_ = false;
};

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct BarrierStatistics {
  std::uint32_t arrived = 0;  // in this round
  std::uint32_t wanted = 0;
  std::uint64_t rounds = 0;  // that are over
};

class Barrier {
 public:
  explicit Barrier(std::uint32_t tasks, Name name = {}) noexcept : primitive_("barrier", name), tasks_(tasks) {}

  template <class Caps>
  auto arrive_and_wait(const BasicCx<Caps>& cx) {
    return Wait<detail::ArriveOperation>(cx.core(), detail::ArriveOperation(*this));
  }
  auto arrive_and_wait() { return Operation<detail::ArriveOperation>(detail::ArriveOperation(*this)); }
  BarrierStatistics statistics() const noexcept;

 private:
  friend detail::ArriveOperation;
  /// Everybody goes on. True: the first to do so leads.
  void open(bool has_leader, detail::WakeList& woken) noexcept;

  detail::Primitive primitive_;
  const std::uint32_t tasks_;
  // Under the lock.
  detail::WaitList waiters_;
  std::uint64_t rounds_ = 0;
};

template <>
inline constexpr bool enable_sync<Barrier> = true;

}  // namespace quiesce
