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
// In a select, or with a time – timeout(cx, 1s, filled.wait(guard, holds)) – the lock is free while all of it waits and held again before
// the task goes on, whoever has won. Give a predicate there: what is notified while another branch looks at what has woken it, finds
// no wait; predicates are asked again. Refuses: InvalidArgument for a guard that holds no lock.
// Thread-safety: any thread may notify. Cost: notifying one lock; waiting allocates nothing.
// It must outlive those who wait. One CondVar goes with one mutex; several CondVars may go with the same.
#include <cstdint>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/sync/mutex.hpp"

namespace quiesce {

class CondVar;

namespace detail {

/// What is done with the guard of a wait, whatever its T.
struct CondGuard {
  bool (*holds)(void* guard) noexcept;
  void (*detach)(void* guard) noexcept;
  void (*attach)(void* guard, void* mutex) noexcept;
};

/// Waits for a notification with the lock released, and has it again before its task goes on: it closes (sync/operation.hpp). Enlisted first,
/// and only then unlocked, when all that a select waits for is enlisted.
class CondWaitOperation : public ListedOperation<CondWaitOperation> {
 public:
  using value_type = void;
  static constexpr const char* what = "a condition variable";

  /// `raw` is nullptr where the guard holds no lock.
  CondWaitOperation(CondVar& variable, RawMutex* raw, void* mutex, void* guard, const CondGuard& ops) noexcept
      : variable_(&variable), raw_(raw), mutex_(mutex), guard_(guard), ops_(&ops) {}
  bool try_now() noexcept { return raw_ == nullptr; }
  bool delist(WaitNode& node) noexcept { return notified_ = ListedOperation::delist(node); }
  void armed() noexcept;
  bool close(bool won) noexcept;
  void close_enlist(WaitNode& node) noexcept;
  void closed() noexcept;
  Outcome<> take() noexcept;
  void give_back() noexcept;
  WaitSubject subject() const noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList&) noexcept {}

 protected:
  bool is_refused() const noexcept { return raw_ == nullptr; }

 private:
  CondVar* variable_;
  RawMutex* raw_;
  void* mutex_;
  void* guard_;
  const CondGuard* ops_;
  bool relocks_ = false;
  bool notified_ = false;
};

/// Asks with the lock held: at the start, and after each notification.
template <class Pred>
class CondUntilOperation : public CondWaitOperation {
 public:
  CondUntilOperation(const CondWaitOperation& wait, Pred holds)
      : CondWaitOperation(wait), holds_(std::move(holds)) {}
  bool try_now() noexcept { return true; }
  bool again() { return is_refused() || holds_(); }

 private:
  Pred holds_;
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
  auto wait(const BasicCx<Caps>& cx, MutexGuard<T>& guard) {
    return Wait<detail::CondWaitOperation>(cx.core(), operation(guard));
  }
  /// Until `holds()` gives true; it is asked with the lock held, before each wait. A cancel point in any case.
  template <class Caps, class T, class Pred>
  auto wait(const BasicCx<Caps>& cx, MutexGuard<T>& guard, Pred&& holds) {
    return Wait<Until<Pred>>(cx.core(), Until<Pred>(operation(guard), std::forward<Pred>(holds)));
  }
  /// For select and timeout.
  template <class T>
  auto wait(MutexGuard<T>& guard) {
    return Operation<detail::CondWaitOperation>(operation(guard));
  }
  template <class T, class Pred>
  auto wait(MutexGuard<T>& guard, Pred&& holds) {
    return Operation<Until<Pred>>(Until<Pred>(operation(guard), std::forward<Pred>(holds)));
  }
  void notify_one() noexcept;
  /// How many went on.
  std::uint32_t notify_all() noexcept;
  CondVarStatistics statistics() const noexcept;

 private:
  friend detail::CondWaitOperation;
  template <class Pred>
  struct UntilOf {
    static_assert(detail::SurvivesAwait<Pred>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    static_assert(std::is_invocable_r_v<bool, Pred&>,
                  "quiesce: CondVar::wait(cx, guard, holds): holds() tells whether the wait is over");
    using type = detail::CondUntilOperation<std::decay_t<Pred>>;
  };
  template <class Pred>
  using Until = typename UntilOf<Pred>::type;

  template <class T>
  static bool holds(void* guard) noexcept {
    return static_cast<MutexGuard<T>*>(guard)->mutex_ != nullptr;
  }
  template <class T>
  static void detach(void* guard) noexcept {
    static_cast<MutexGuard<T>*>(guard)->mutex_ = nullptr;
  }
  template <class T>
  static void attach(void* guard, void* mutex) noexcept {
    static_cast<MutexGuard<T>*>(guard)->mutex_ = static_cast<Mutex<T>*>(mutex);
  }
  template <class T>
  static constexpr detail::CondGuard guard_of{holds<T>, detach<T>, attach<T>};
  template <class T>
  detail::CondWaitOperation operation(MutexGuard<T>& guard) noexcept {
    Mutex<T>* const mutex = guard.mutex_;
    return detail::CondWaitOperation(*this, mutex == nullptr ? nullptr : &mutex->raw_, mutex, &guard,
                                     guard_of<T>);
  }

  detail::Primitive primitive_;
  detail::WaitList waiters_;  // under the lock
};

template <>
inline constexpr bool enable_sync<CondVar> = true;

}  // namespace quiesce
