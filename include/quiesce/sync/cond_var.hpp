#pragma once
// CondVar: lets a task that holds a Mutex wait until another has changed what the mutex guards.
//
//   auto guard = co_await queue.lock(cx);
//   co_await filled.wait(cx, guard, [&] { return !guard->empty(); });   // unlocked while it waits, locked again when it goes on
//   use(guard->front());
//
//   guard->push(item); filled.notify_one();                             // elsewhere; with the lock held or after
//
// `wait` puts the task into the list and then unlocks, so a notification by whoever locks next finds it. It goes on when it was notified and
// has the lock again. Nobody is woken without a notification; but others may have had the lock in between, so wait with a
// predicate, or in a loop. First come, first served; a notification with nobody waiting is none.
// Cancel-safety: a request ends the wait in the list, like any; then the task waits for the lock all the same, uncancellably, and ends
// Cancelled with it: so the guard is good in the clean-up of every frame that is left. That last wait takes as long as those who
// have the lock and those before it in its line; nobody who holds a lock should wait for long. A notification is never lost
// to a request: who was notified first goes on, and meets the request at its next cancel point. (Only a task whose frames are
// destroyed because it ignored a request for too long, C10, leaves without the lock: its guard is empty then.)
// `wait` is a Task (two waits) and takes no part in select. Refuses: InvalidArgument for a guard that holds no lock.
// Thread-safety: any thread may notify. Cost: notifying one lock; waiting allocates nothing but its frame, from the pool.
// It must outlive those who wait. One CondVar goes with one mutex; several CondVars may go with the same.
#include <cstdint>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/sync/mutex.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

class CondVar;

namespace detail {

/// Waits for a notification with the lock released, in one: enlisted first. Not for select: it could not take the lock again.
class CondWaitOperation {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "a condition variable";

  /// `detach` empties the guard: it is not to unlock what its task does not hold.
  CondWaitOperation(CondVar& variable, RawMutex& mutex, void* guard, void (*detach)(void*) noexcept) noexcept
      : variable_(&variable), mutex_(&mutex), guard_(guard), detach_(detach) {}
  bool try_now() noexcept { return false; }
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  void give_back() noexcept;
  WaitSubject subject() const noexcept;

 private:
  CondVar* variable_;
  RawMutex* mutex_;
  void* guard_;
  void (*detach_)(void*) noexcept;
};

Error wait_without_lock();

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct CondVarStatistics {
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // since it was made
};

class CondVar {
 public:
  explicit CondVar(Name name = {}) noexcept : primitive_("condition variable", name) {}

  /// Until it was notified. The guard is the same lock's afterwards, whatever the outcome.
  template <class Caps, class T>
  Task<> wait(BasicCx<Caps> cx, MutexGuard<T>& guard) {
    Mutex<T>* const mutex = guard.mutex_;
    if (mutex == nullptr) co_await fail(detail::wait_without_lock());
    detail::CondWaitOperation waiting(*this, mutex->raw_, &guard, [](void* empties) noexcept {
      static_cast<MutexGuard<T>*>(empties)->mutex_ = nullptr;
    });
    auto notified = co_await Wait<detail::CondWaitOperation>(cx.core(), waiting).outcome();
    if (!guard) {  // else it was refused before it had any effect
      co_await detail::Relock(mutex->raw_);
      guard.mutex_ = mutex;
      mutex->raw_.count_guard();
    }
    co_await std::move(notified);
  }
  /// Until `holds()` gives true; it is asked with the lock held, before each wait. A cancel point in any case.
  template <class Caps, class T, class Pred>
  Task<> wait(BasicCx<Caps> cx, MutexGuard<T>& guard, Pred&& holds) {
    static_assert(detail::SurvivesAwait<Pred>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    static_assert(std::is_invocable_r_v<bool, Pred&>,
                  "quiesce: CondVar::wait(cx, guard, holds): holds() tells whether the wait is over");
    return wait_until<Caps, T, std::decay_t<Pred>>(cx, guard, std::forward<Pred>(holds));
  }
  void notify_one() noexcept;
  /// How many went on.
  std::uint32_t notify_all() noexcept;
  CondVarStatistics statistics() const noexcept;

 private:
  friend detail::CondWaitOperation;
  template <class Caps, class T, class Pred>
  Task<> wait_until(BasicCx<Caps> cx, MutexGuard<T>& guard, Pred holds) {
    co_await cx.checkpoint();
    while (!holds()) {
      auto once = wait(cx, guard);
      co_await std::move(once);
    }
  }

  detail::Primitive primitive_;
  detail::WaitList waiters_;  // under the lock
};

template <>
inline constexpr bool enable_sync<CondVar> = true;

}  // namespace quiesce
