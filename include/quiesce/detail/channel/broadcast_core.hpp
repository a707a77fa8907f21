#pragma once
// The shared part of a broadcast channel, without the type of its values: one allocation, of this and the ring.
//
//  1. Values are numbered; number i lies in slot i % capacity. `next` of a receiver is the first that it has not seen. It is the
//     receiver's, and touched under the lock. What is in which slot, and who has seen it, follows from these numbers alone.
//  2. A value that may be copied by copying its bytes, and is small, lies in its slot, and is copied under the lock. Of any other the
//     slot has a pointer: it was made by the sender before the lock is taken, and is copied and destroyed after it, so nothing
//     of the user's runs under the lock. Such a value counts who has yet to see it, and leaves the ring with the last of them.
//  3. A receiver that waits has nothing to see. So a send has something for every one that waits, and grants them all; each takes what
//     there then is by its own number.
//  4. The channel lives while it has an end: senders_ + receivers_ > 0. Whoever gives up the last frees it, after unlocking. A wait does not
//     keep it alive: the end that it was made from does.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

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

/// The exception that is being handled, as the end of the running task: a copy of a value threw.
PanicPayload panic_by_exception() noexcept;

/// A value with a place of its own (2).
class SharedMessage {
 public:
  using Destroy = void (*)(SharedMessage*) noexcept;
  explicit SharedMessage(Destroy destroy) noexcept : destroy_(destroy) {}

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy_(this);
  }

 private:
  friend class BroadcastCore;
  Destroy destroy_;
  std::uint32_t unseen_ = 0;  // receivers that have yet to see it; under the lock
  std::atomic<std::uint32_t> references_{1};
};
static_assert(sizeof(SharedMessage) == 16);
template <class T>
struct SharedMessageOf final : SharedMessage {
  T value;
  explicit SharedMessageOf(T&& message)
      : SharedMessage([](SharedMessage* self) noexcept { delete static_cast<SharedMessageOf*>(self); }),
        value(std::move(message)) {}
};

/// What the ring must know of the values.
struct BroadcastOps {
  std::size_t slot_size, slot_align;
  bool shared;  // the slots are pointers to SharedMessage
};
template <class T>
inline constexpr bool lies_in_slot = std::is_trivially_copyable_v<T> && sizeof(T) <= 128;
template <class T>
inline constexpr BroadcastOps broadcast_ops =
    lies_in_slot<T> ? BroadcastOps{sizeof(T), alignof(T), false}
                    : BroadcastOps{sizeof(SharedMessage*), alignof(SharedMessage*), true};

class BroadcastCore {
 public:
  /// With one sender, and no receiver yet.
  static BroadcastCore* make(const BroadcastOps& ops, std::uint32_t capacity, Name name);
  BroadcastCore(const BroadcastCore&) = delete;
  BroadcastCore& operator=(const BroadcastCore&) = delete;

  /// Of the bytes of a slot, which are copied. 0: nobody is there to see it, and it was not kept.
  std::uint32_t send(const void* slot) noexcept;
  void add_sender() noexcept;
  void drop_sender() noexcept;
  /// The number of the next value.
  std::uint64_t add_receiver() noexcept;
  /// The same for one that is to see what another has yet to see.
  std::uint64_t copy_receiver(std::uint64_t next) noexcept;
  void drop_receiver(std::uint64_t next) noexcept;
  /// A slot to `into`, with a reference where it is a pointer; or why there is none. Moves `next` on.
  struct Received {
    bool got;
    broadcast::RecvError error;
  };
  Received receive(std::uint64_t& next, void* into) noexcept;
  broadcast::Statistics statistics() const noexcept;

 private:
  friend class BroadcastReceive;
  BroadcastCore(const BroadcastOps& ops, std::uint32_t capacity, Name name) noexcept
      : primitive_("broadcast", name), ops_(&ops), capacity_(capacity) {}
  ~BroadcastCore() = default;
  static std::size_t ring_offset(const BroadcastOps& ops) noexcept;
  static std::align_val_t alignment(const BroadcastOps& ops) noexcept;
  void free() noexcept;
  // Under the lock.
  bool has_for(std::uint64_t next) const noexcept { return next < sent_ || senders_ == 0; }
  std::uint64_t oldest() const noexcept { return sent_ > capacity_ ? sent_ - capacity_ : 0; }
  void* slot(std::uint64_t number) noexcept;
  SharedMessage*& shared_at(std::uint64_t number) noexcept;
  /// One receiver fewer has yet to see it: it itself when there is none left, with the ring's reference; else nullptr.
  SharedMessage* see(std::uint64_t number) noexcept;

  Primitive primitive_;
  WaitList waiters_;
  const BroadcastOps* ops_;
  std::uint64_t sent_ = 0;
  std::uint64_t missed_ = 0;
  std::uint32_t senders_ = 1, receivers_ = 0;
  std::uint32_t capacity_;
};
static_assert(sizeof(BroadcastCore) <= 104, "an idle channel of n places costs 128 bytes and the places");

/// A place for what is received, and then a copy of it.
template <class T>
class BroadcastReceived {
 public:
  BroadcastReceived(BroadcastCore& core, std::uint64_t& next) noexcept
      : received_(core.receive(next, &slot_)) {}
  BroadcastReceived(const BroadcastReceived&) = delete;
  BroadcastReceived& operator=(const BroadcastReceived&) = delete;
  ~BroadcastReceived() {
    if constexpr (!lies_in_slot<T>) {
      if (received_.got) slot_.shared->release();
    }
  }
  bool got() const noexcept { return received_.got; }
  const broadcast::RecvError& error() const noexcept { return received_.error; }
  const T& value() const noexcept {
    if constexpr (lies_in_slot<T>)
      return slot_.value;
    else
      return static_cast<const SharedMessageOf<T>*>(slot_.shared)->value;
  }

 private:
  struct InPlace {
    union {
      T value;
    };
    InPlace() noexcept {}
    ~InPlace() {}
  };
  struct Pointer {
    SharedMessage* shared = nullptr;
  };
  std::conditional_t<lies_in_slot<T>, InPlace, Pointer> slot_;
  BroadcastCore::Received received_;
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
  BroadcastCore* core_;
  std::uint64_t* next_;
};

}  // namespace detail
}  // namespace quiesce
