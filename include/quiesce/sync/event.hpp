#pragma once
// Event: something that has happened, or not yet. Tasks wait until it has.
//
//   q::Event ready;                     // not set
//   co_await ready.wait(cx);            // goes on at once when it is set
//   ready.set();                        // every task that waits goes on, and every later one
//   ready.reset();                      // from now on tasks wait again; those that were woken go on
//
// Cancel-safety: a wait that is cancelled leaves nothing behind. Fairness: all are woken by one `set`, in the order in which they came.
// Thread-safety: any thread, also one that runs no task. Cost: one lock; a waiter allocates nothing.
// It must outlive those who wait for it.
#include <cstdint>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

class Event;

namespace detail {

class EventWaitOperation : public ListedOperation<EventWaitOperation> {
 public:
  using value_type = void;
  static constexpr const char* what = "an event";
  static constexpr bool is_granted = true;
  static constexpr bool is_word = true;
  static constexpr bool told_together = true;

  explicit EventWaitOperation(Event& event) noexcept : event_(&event) {}
  bool try_now() noexcept;
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  Event* event_;
};

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct EventStatistics {
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // waits that had to sleep, since it was made
  bool is_set = false;
};

class Event {
 public:
  explicit Event(Name name = {}) noexcept : primitive_("event", name) {}

  void set() noexcept;
  void reset() noexcept;
  bool is_set() const noexcept;
  template <class Caps>
  auto wait(const BasicCx<Caps>& cx) {
    return Wait<detail::EventWaitOperation>(cx.core(), detail::EventWaitOperation(*this));
  }
  auto wait() { return Operation<detail::EventWaitOperation>(detail::EventWaitOperation(*this)); }
  EventStatistics statistics() const noexcept;

 private:
  friend detail::EventWaitOperation;
  detail::Primitive primitive_;
  // Under the lock.
  detail::WaitList waiters_;
  bool set_ = false;
};

template <>
inline constexpr bool enable_sync<Event> = true;

}  // namespace quiesce
