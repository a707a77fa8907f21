#pragma once
// Value<T>: a value that changes, and that tasks wait for to become what they want.
//
//   q::Value<Stage> stage(Stage::Starting, "stage");
//   stage.set(Stage::Ready);                                                          // from anywhere
//   stage.update([](Stage& s) { s = next(s); });                                      // from what it is to what it becomes
//   auto seen = co_await stage.wait_until(cx, [](Stage s) { return s >= Stage::Ready; });   // *seen is the Stage that was right
//   auto newer = co_await stage.wait_changed(cx, seen);                               // the first that is newer than `seen`
//
// What a task sees is a snapshot: it stays as it is while the value goes on, costs no copy of T, and is shared. Predicates and
// updates run outside of every lock, on a snapshot or a copy.
// No wake-up is lost: a wait is for "newer than what I have looked at". But a value that was replaced before a task came to look is not
// seen by it: wait for what lasts, or count. `update` starts again when somebody was faster, so its function may run
// more than once; each time another's change has been made, so all of them together never stand still.
// Every change wakes all that wait, in their order; those for whom it is not the right one wait again.
// Cancel-safety: a wait that is cancelled leaves nothing. Both take part in select; a predicate that throws ends its coroutine Panicked.
// Thread-safety: any thread. Cost: a change allocates its snapshot; one short lock each; waiting allocates nothing. It must outlive those who wait; snapshots may outlive it.
#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

template <class T>
class Value;

/// A look at it; the next moment it may be otherwise.
struct ValueStatistics {
  std::uint64_t changes = 0;  // since it was made
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // waits that had to sleep, since it was made
};

namespace detail {

/// A snapshot without its type. Version 0 is what the value began with.
struct RawSnapshot {
  std::shared_ptr<const void> value;
  std::uint64_t version = 0;
};

class RawValue {
 public:
  RawValue(std::shared_ptr<const void> first, Name name) noexcept
      : primitive_("value", name), now_{std::move(first)} {}
  RawSnapshot look() const noexcept;
  RawSnapshot publish(std::shared_ptr<const void> next) noexcept;
  /// False: it is not that version any more; `next` stays the caller's.
  bool publish_after(std::uint64_t version, std::shared_ptr<const void>& next) noexcept;
  ValueStatistics statistics() const noexcept;

 private:
  friend class ChangedOperationBase;
  std::shared_ptr<const void> replace(std::shared_ptr<const void> next, WakeList& woken) noexcept;

  Primitive primitive_;
  // Under the lock.
  WaitList waiters_;  // each for newer than what it is now
  RawSnapshot now_;
};

class ChangedOperationBase : public ListedOperation<ChangedOperationBase> {
 public:
  static constexpr const char* what = "a value to change";

  ChangedOperationBase(RawValue& value, std::uint64_t seen) noexcept : value_(&value), seen_(seen) {}
  bool try_now() noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 protected:
  RawValue* value_;
  std::uint64_t seen_;
};

template <class T>
class ChangedOperation;
template <class T, class Pred>
class UntilOperation;

}  // namespace detail

/// What a Value<T> was at some time. Copyable and shared; sendable if T is.
template <class T>
class ValueSnapshot {
 public:
  const T& operator*() const noexcept { return *static_cast<const T*>(raw_.value.get()); }
  const T* operator->() const noexcept { return static_cast<const T*>(raw_.value.get()); }
  /// How many changes came before it.
  std::uint64_t version() const noexcept { return raw_.version; }

 private:
  friend Value<T>;
  friend detail::ChangedOperation<T>;
  template <class, class>
  friend class detail::UntilOperation;
  explicit ValueSnapshot(detail::RawSnapshot raw) noexcept : raw_(std::move(raw)) {}
  detail::RawSnapshot raw_;
};

namespace detail {

template <class T>
class ChangedOperation : public ChangedOperationBase {
 public:
  using value_type = ValueSnapshot<T>;
  using ChangedOperationBase::ChangedOperationBase;
  Outcome<value_type> take() noexcept { return Outcome<value_type>::ok(value_type(value_->look())); }
};

/// Looks again at each change.
template <class T, class Pred>
class UntilOperation : public ChangedOperationBase {
 public:
  using value_type = ValueSnapshot<T>;
  static constexpr const char* what = "a value to become what is waited for";

  UntilOperation(RawValue& value, Pred right)
      : ChangedOperationBase(value, ~std::uint64_t{0}), right_(std::move(right)) {}
  bool again() {
    RawSnapshot now = value_->look();
    seen_ = now.version;
    if (!right_(*static_cast<const T*>(now.value.get()))) return false;
    found_ = std::move(now);
    return true;
  }
  Outcome<value_type> take() noexcept { return Outcome<value_type>::ok(value_type(std::move(found_))); }

 private:
  Pred right_;
  RawSnapshot found_;
};

}  // namespace detail

template <class T>
class Value {
  static_assert(std::is_object_v<T>, "quiesce: Value<T>: T must be an object type, for snapshots hold it");
  using Changed = detail::ChangedOperation<T>;

 public:
  using Snapshot = ValueSnapshot<T>;

  Value() requires std::default_initializable<T> : Value(T()) {}
  explicit Value(T first, Name name = {}) : raw_(std::make_shared<const T>(std::move(first)), name) {}

  Snapshot read() const noexcept { return Snapshot(raw_.look()); }
  Snapshot set(T next) { return Snapshot(raw_.publish(std::make_shared<const T>(std::move(next)))); }
  /// `change(T&)` of a copy; perhaps more than once.
  template <class F>
  void update(F&& change) {
    static_assert(std::copy_constructible<T>,
                  "quiesce: Value<T>::update changes a copy: T must be copyable; use set");
    static_assert(std::invocable<F&, T&>,
                  "quiesce: Value<T>::update(change): change(T&) is called with a copy");
    for (bool made = false; !made;) {
      const Snapshot seen = read();
      auto copy = std::make_shared<T>(*seen);
      change(*copy);
      std::shared_ptr<const void> next = std::move(copy);
      made = raw_.publish_after(seen.version(), next);
    }
  }

  /// Newer than it is now, at the call; or than `seen`.
  template <class Caps>
  auto wait_changed(const BasicCx<Caps>& cx) {
    return Wait<Changed>(cx.core(), Changed(raw_, raw_.look().version));
  }
  template <class Caps>
  auto wait_changed(const BasicCx<Caps>& cx, const Snapshot& seen) {
    return Wait<Changed>(cx.core(), Changed(raw_, seen.version()));
  }
  /// For select.
  auto wait_changed() { return Operation<Changed>(Changed(raw_, raw_.look().version)); }
  auto wait_changed(const Snapshot& seen) { return Operation<Changed>(Changed(raw_, seen.version())); }
  /// Until `right(const T&)` of what it is. A cancel point in any case.
  template <class Caps, class Pred>
  auto wait_until(const BasicCx<Caps>& cx, Pred&& right) {
    return Wait<Until<Pred>>(cx.core(), Until<Pred>(raw_, std::forward<Pred>(right)));
  }
  /// For select.
  template <class Pred>
  auto wait_until(Pred&& right) {
    return Operation<Until<Pred>>(Until<Pred>(raw_, std::forward<Pred>(right)));
  }
  ValueStatistics statistics() const noexcept { return raw_.statistics(); }

 private:
  template <class Pred>
  struct UntilOf {
    static_assert(detail::SurvivesAwait<Pred>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    static_assert(std::is_invocable_r_v<bool, Pred&, const T&>,
                  "quiesce: Value<T>::wait_until(cx, right): right(const T&) tells whether the wait is over");
    using type = detail::UntilOperation<T, std::decay_t<Pred>>;
  };
  template <class Pred>
  using Until = typename UntilOf<Pred>::type;

  detail::RawValue raw_;
};

template <class T>
inline constexpr bool enable_sync<Value<T>> = Sendable<T>;
template <class T>
inline constexpr bool enable_sendable<ValueSnapshot<T>> = Sendable<T>;

}  // namespace quiesce
