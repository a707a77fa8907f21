#pragma once
// The shared part of a broadcast channel, without the type of its values.
//
//  1. A value is made once, by the sender, before the lock is taken; the ring holds shared pointers to it. Under the lock pointers are
//     copied and exchanged, nothing of the user's runs. What falls out of the ring is dropped, and values are copied, after it.
//  2. Values are numbered; `next` of a receiver is the first that it has not seen. It is the receiver's, and touched under the lock.
//  3. A receiver that waits has nothing to see. So a send has something for every one that waits, and grants them all; each takes what
//     there then is by its own number.
#include <cstdint>
#include <memory>
#include <vector>

#include "quiesce/detail/sync/wait.hpp"

namespace quiesce {

namespace broadcast {

/// Why a receive gave no value.
class RecvError {
 public:
  enum class Kind : std::uint8_t {
    Lagged,  // `missed` values fell out of the ring unseen; the next receive gives the oldest that is left
    Closed,  // every sender is gone, and all was received
    Empty    // of try_recv: there is nothing now
  };
  constexpr RecvError(Kind kind, std::uint64_t missed = 0) noexcept : missed_(missed), kind_(kind) {}

  constexpr Kind kind() const noexcept { return kind_; }
  constexpr bool is_lagged() const noexcept { return kind_ == Kind::Lagged; }
  constexpr bool is_closed() const noexcept { return kind_ == Kind::Closed; }
  constexpr bool is_empty() const noexcept { return kind_ == Kind::Empty; }
  /// How many values this receiver has missed; 0 unless it lagged.
  constexpr std::uint64_t missed() const noexcept { return missed_; }
  friend constexpr bool operator==(const RecvError&, const RecvError&) noexcept = default;

 private:
  std::uint64_t missed_;
  Kind kind_;
};

/// A look at it; the next moment it may be otherwise.
struct Statistics {
  std::uint32_t senders = 0;
  std::uint32_t receivers = 0;
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // receives that had to sleep, since it was made
  std::uint64_t sent = 0;
  std::uint64_t missed = 0;  // values that receivers were told they had missed, summed up
};

}  // namespace broadcast

namespace detail {

using SharedValue = std::shared_ptr<const void>;

/// The exception that is being handled, as the end of the running task: a copy of a value threw.
PanicPayload panic_by_exception() noexcept;

class BroadcastCore {
 public:
  BroadcastCore(std::uint32_t capacity, Name name)
      : primitive_("broadcast", name), ring_(capacity == 0 ? 1 : capacity) {}

  /// 0: nobody is there to see it, and it was not kept.
  std::uint32_t send(SharedValue value) noexcept;
  void add_sender() noexcept;
  void drop_sender() noexcept;
  /// The number of the next value.
  std::uint64_t add_receiver() noexcept;
  std::uint64_t copy_receiver(const std::uint64_t& next) noexcept;
  void drop_receiver() noexcept;
  /// A value, or why there is none; moves `next` on.
  struct Received {
    SharedValue value = {};
    broadcast::RecvError error = broadcast::RecvError::Kind::Empty;
  };
  Received receive(std::uint64_t& next) noexcept;
  broadcast::Statistics statistics() const noexcept;

 private:
  friend class BroadcastReceive;
  // Under the lock.
  bool has_for(std::uint64_t next) const noexcept { return next < sent_ || senders_ == 0; }

  Primitive primitive_;
  WaitList waiters_;
  std::vector<SharedValue> ring_;
  std::uint64_t sent_ = 0;
  std::uint64_t missed_ = 0;
  std::uint32_t senders_ = 1, receivers_ = 0;
};

class BroadcastReceive {
 public:
  BroadcastReceive(BroadcastCore& core, std::uint64_t& next) noexcept : core_(&core), next_(&next) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  void give_back() noexcept {}  // nothing is taken before `take`
  WaitSubject subject() const noexcept;

 protected:
  BroadcastCore::Received receive() noexcept { return core_->receive(*next_); }

 private:
  BroadcastCore* core_;
  std::uint64_t* next_;
};

}  // namespace detail
}  // namespace quiesce
