#pragma once
// The shared part of a watch channel, without the type of its value.
//
//  1. The value is one shared pointer to something immutable, and a version that each change raises. Under the lock both are read and
//     replaced together; the old value is dropped after it.
//  2. `seen` is the version that a receiver has read; the receiver's, touched under the lock. A receiver that waits has seen the
//     latest. So a change is news for every one that waits, and one that comes between a read and the next wait ends that wait at once.
#include <cstdint>
#include <memory>

#include "quiesce/detail/sync/wait.hpp"

namespace quiesce {

namespace watch {

/// A look at it; the next moment it may be otherwise.
struct Statistics {
  std::uint64_t version = 0;  // changes since it was made
  std::uint32_t receivers = 0;
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // waits that had to sleep, since it was made
  bool is_closed = false;    // the sender is gone
};

}  // namespace watch

namespace detail {

class WatchCore {
 public:
  using Value = std::shared_ptr<const void>;

  WatchCore(Value initial, Name name) noexcept : primitive_("watch", name), value_(std::move(initial)) {}

  void send(Value value) noexcept;
  void close() noexcept;
  /// The version that a new receiver has seen.
  std::uint64_t add_receiver() noexcept;
  void drop_receiver() noexcept;
  /// The latest value; `seen`, where it is given, becomes its version.
  Value read(std::uint64_t* seen) const noexcept;
  /// The same if it is news; else null.
  Value read_news(std::uint64_t& seen) const noexcept;
  bool has_news(const std::uint64_t& seen) const noexcept;
  bool is_closed() const noexcept;
  watch::Statistics statistics() const noexcept;
  Error gone() const;

 private:
  friend class WatchChange;
  bool ends_wait(std::uint64_t seen) const noexcept { return version_ > seen || closed_; }

  Primitive primitive_;
  // Under the lock.
  WaitList waiters_;
  Value value_;
  std::uint64_t version_ = 0;
  std::uint32_t receivers_ = 0;
  bool closed_ = false;
};

class WatchChange {
 public:
  WatchChange(WatchCore& core, std::uint64_t& seen) noexcept : core_(&core), seen_(&seen) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  void give_back() noexcept {}  // nothing counts as seen before `take`
  WaitSubject subject() const noexcept;

 protected:
  WatchCore& core() const noexcept { return *core_; }
  std::uint64_t& seen() const noexcept { return *seen_; }

 private:
  WatchCore* core_;
  std::uint64_t* seen_;
};

}  // namespace detail
}  // namespace quiesce
