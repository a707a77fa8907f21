#pragma once
// Notify: wakes one task, or all, without a value.
//
//   q::Notify changed;
//   co_await changed.notified(cx);      // until somebody notifies
//   changed.notify_one();               // the task that has waited longest goes on; nobody waits: the next that comes does
//   changed.notify_waiters();           // every task that waits now, and none that comes later
//
// `notify_one` while nobody waits is stored, once: any number of them let one later task go on. So of a consumer that looks, finds nothing and
// then waits, and a producer that adds and then notifies, the consumer always sees one of the two. `notify_waiters` stores nothing:
// only tasks whose wait has begun go on (`notified()` without a context begins when its select does).
// Cancel-safety: a wait that is cancelled takes no notification; one that was notified is not cancelled any more at this point, so a
// notification is never lost: whoever is chosen goes on with it. First come, first served.
// Thread-safety: any thread, also one that runs no task. Cost: one lock; a waiter allocates nothing. It must outlive those who wait.
#include <cstdint>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

class Notify;

namespace detail {

class NotifiedOperation : public ListedOperation<NotifiedOperation> {
 public:
  using value_type = void;
  static constexpr const char* what = "a notification";

  explicit NotifiedOperation(Notify& notify) noexcept : notify_(&notify) {}
  NotifiedOperation& found() noexcept { return *this; }
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  void give_back() noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  friend Notify;
  Notify* notify_;
  bool one_ = true;  // false: it was told with everybody else, and has nothing to pass on
};

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct NotifyStatistics {
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // waits that had to sleep, since it was made
  bool is_stored = false;    // a notification that nobody has taken yet
};

class Notify {
 public:
  explicit Notify(Name name = {}) noexcept : primitive_("notify", name) {}

  void notify_one() noexcept;
  /// How many went on.
  std::uint32_t notify_waiters() noexcept;
  template <class Caps>
  auto notified(const BasicCx<Caps>& cx) {
    return Wait<detail::NotifiedOperation>(cx.core(), detail::NotifiedOperation(*this));
  }
  auto notified() { return Operation<detail::NotifiedOperation>(detail::NotifiedOperation(*this)); }
  NotifyStatistics statistics() const noexcept;

 private:
  friend detail::NotifiedOperation;
  void pump(detail::WakeList& woken) noexcept;

  detail::Primitive primitive_;
  // Under the lock.
  detail::WaitList waiters_;
  bool stored_ = false;
};

template <>
inline constexpr bool enable_sync<Notify> = true;

}  // namespace quiesce
