#pragma once
// Mutex<T>: a value that one task at a time may use. The value is inside: without the lock nobody reaches it.
//
//   q::Mutex<Account> account(Account(100), "account");
//   {
//     auto guard = co_await account.lock(cx);          // waits its turn
//     guard->balance -= 10;                            // *guard is the Account
//   }                                                  // unlocked when the guard goes, however the task ends
//   if (auto guard = account.try_lock()) …             // or not at all
//   auto guard = co_await account.lock_for(cx, 50ms);  // ends with TimedOut if it is not its turn by then
//
// Fairness: those that wait are served in the order in which they came. A guard that goes wakes the first of them and frees the lock, and
// until that task runs others may lock in passing (`try_lock` too), at most `mutex_passes_max` (64) between two that are served; then the lock is
// handed to it. A task that was woken and found the lock taken is handed it by the next guard that goes. In a select, with a deadline and
// after CondVar::wait the lock is always handed over. So who waits behind n others waits for those n and at most 64 (n + 1) in passing.
// A guard may be held over a suspension, and moved within its task; it is not sendable, for its task is who must let it go. A task that
// ends while it still holds one (it was moved into its result, or to somewhere outside) ends Panicked with a sentence that
// names the lock; the guard that escaped still unlocks when it goes.
// No poisoning: a task that ends by a panic unlocks like one that ends by a request or an Err, and all three may leave the value
// half changed; the panic itself is isolated and goes to the region's policy, which ends those who shared the value with it
// (FailFast). What must hold after an early end belongs into T's own operations.
// Cancel-safety: a wait that is cancelled holds no lock and no place; holding a guard masks nothing. Refuses: InvalidArgument to a task
// that holds the lock itself; TimedOut where a deadline was given. Thread-safety: any thread; waiting is for tasks.
// Cost: lock and unlock one compare-exchange each where it is free, also in passing; to wait, and to wake or hand over, a short critical
// section. No allocation.
// It must outlive its guards and every call into it.
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/raw_mutex.hpp"
#include "quiesce/detail/sync/timed.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

template <class T>
class Mutex;
class CondVar;

namespace detail {
template <class T>
class LockOperation;
}

/// The lock of one Mutex<T>. Move-only; its destructor unlocks.
template <class T>
class [[nodiscard]] MutexGuard {
 public:
  MutexGuard(MutexGuard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
  MutexGuard& operator=(MutexGuard&& other) noexcept {
    MutexGuard gone(std::move(*this));
    mutex_ = std::exchange(other.mutex_, nullptr);
    return *this;
  }
  ~MutexGuard() { unlock(); }

  T& operator*() const noexcept { return mutex_->value_; }
  T* operator->() const noexcept { return &mutex_->value_; }
  /// Now, instead of at the end of its life; the value is out of reach from then on.
  void unlock() noexcept {
    if (Mutex<T>* mutex = std::exchange(mutex_, nullptr)) mutex->raw_.unlock_guarded();
  }
  /// False after it was unlocked or moved from.
  explicit operator bool() const noexcept { return mutex_ != nullptr; }

 private:
  friend Mutex<T>;
  friend detail::LockOperation<T>;
  friend CondVar;
  explicit MutexGuard(Mutex<T>& mutex) noexcept : mutex_(&mutex) {}

  Mutex<T>* mutex_;
};

namespace detail {

template <class T>
class LockOperation : public RawLockOperation {
 public:
  using value_type = MutexGuard<T>;

  explicit LockOperation(Mutex<T>& mutex) noexcept : RawLockOperation(mutex.raw_), of_(&mutex) {}
  Outcome<MutexGuard<T>> take() noexcept {
    using Result = Outcome<MutexGuard<T>>;
    if (is_refused()) [[unlikely]]
      return Result::err(why_refused());
    return Result::ok(MutexGuard<T>(*of_));
  }
  MutexGuard<T> taken_at_once() noexcept { return MutexGuard<T>(*of_); }

 private:
  Mutex<T>* of_;
};

}  // namespace detail

template <class T>
class Mutex {
  static_assert(std::is_object_v<T>, "quiesce: Mutex<T>: T must be an object type, for the value lies inside");

 public:
  Mutex() requires std::default_initializable<T> : Mutex(std::in_place, Name()) {}
  explicit Mutex(T value, Name name = {}) : raw_("mutex", name), value_(std::move(value)) {}
  /// The value is made where it lies: for one that cannot be moved.
  template <class... Args>
  explicit Mutex(std::in_place_t, Name name, Args&&... args)
      : raw_("mutex", name), value_(std::forward<Args>(args)...) {}

  template <class Caps>
  auto lock(const BasicCx<Caps>& cx) {
    return Wait<detail::LockOperation<T>>(cx.core(), std::in_place, *this);
  }
  /// For select.
  auto lock() { return Operation<detail::LockOperation<T>>(detail::LockOperation<T>(*this)); }
  /// Err(TimedOut) if it is not its turn by then.
  template <class Caps>
  auto lock_until(const BasicCx<Caps>& cx, Time until) {
    return detail::wait_until(cx, detail::LockOperation<T>(*this), until, "Mutex::lock_until");
  }
  template <class Caps>
  auto lock_for(const BasicCx<Caps>& cx, Duration duration) {
    return lock_until(cx, cx.now() + duration);
  }
  /// For select: `duration` counts from there.
  auto lock_until(Time until) {
    return detail::wait_until(detail::LockOperation<T>(*this), {until, {}, "Mutex::lock_until"});
  }
  auto lock_for(Duration duration) {
    return detail::wait_until(detail::LockOperation<T>(*this), {{}, duration, "Mutex::lock_for"});
  }
  /// nullopt: somebody has it. No cancel point. Also for code outside of tasks.
  std::optional<MutexGuard<T>> try_lock() noexcept {
    if (raw_.try_lock() != detail::RawMutex::Tried::Locked) return std::nullopt;
    raw_.count_guard();
    return MutexGuard<T>(*this);
  }
  MutexStatistics statistics() const noexcept { return raw_.statistics(); }

 private:
  friend MutexGuard<T>;
  friend detail::LockOperation<T>;
  friend CondVar;
  detail::RawMutex raw_;
  T value_;
};

template <class T>
inline constexpr bool enable_sync<Mutex<T>> = Sendable<T>;
template <class T>
inline constexpr bool enable_sendable<MutexGuard<T>> = false;

}  // namespace quiesce
