#pragma once
// A channel without the type of its messages: who holds its ends, who waits, what is promised to whom.
//
// Protocol, besides that of every primitive (sync/primitive.hpp):
//  1. Everything is under the channel's lock. Messages are moved under it too, for their order is what the lock guards: a message's
//     move constructor and the destructor of what was moved from cannot throw, and must not use the channel. Nothing else of a
//     message's type runs there: messages that nobody receives are destroyed outside of it.
//  2. A channel lives while it has an end or a permit: senders_ + receivers_ + reserved_ > 0. Whoever ends the last frees it, after
//     unlocking. Nobody else can then come to the lock, for the lock is reached through ends and permits only.
//  3. The last receiver says first that it goes (abandoned_): from then on nothing is put in. It then destroys what lies there,
//     without the lock, and only after that gives up its part of 2.
//  4. An operation that waits does not keep the channel alive: the end it was made from does.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "quiesce/channel/errors.hpp"
#include "quiesce/detail/sync/wait.hpp"

namespace quiesce::detail {

class ChannelCore;

/// What a channel must know of its messages' type and of its own.
struct ChannelOps {
  std::size_t size, align;
  /// Of the first place for a message, behind the object in its allocation.
  std::size_t offset;
  /// Moves a message to raw memory, and ends the one it was moved from.
  void (*relocate)(void* to, void* from) noexcept;
  void (*destroy)(void* message) noexcept;
  /// Grants whoever can be granted. Under the lock.
  void (*pump)(ChannelCore&, WakeList&) noexcept;
  /// Destroys the messages that lie there, without the lock (3).
  void (*drain)(ChannelCore&) noexcept;
  /// Gives the memory back.
  void (*free)(ChannelCore&) noexcept;
};

template <class T>
struct MessageCheck {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>,
                "quiesce: a channel carries objects: no references, no void, nothing const, no C arrays");
  static_assert(
      !std::is_object_v<T> || std::is_array_v<T> || std::is_nothrow_move_constructible_v<T>,
      "quiesce: a channel's messages must be nothrow move constructible, for one whose move fails half way "
      "would be lost: send a std::unique_ptr to it instead");
  static_assert(!std::is_object_v<T> || std::is_array_v<T> || std::is_nothrow_destructible_v<T>,
                "quiesce: a channel's messages must have a destructor that does not throw");
  static constexpr bool done = true;
};

template <class T, class Core>
inline constexpr ChannelOps channel_ops{
    sizeof(T),
    alignof(T),
    (sizeof(Core) + alignof(T) - 1) / alignof(T) * alignof(T),
    [](void* to, void* from) noexcept {
      T& message = *static_cast<T*>(from);
      std::construct_at(static_cast<T*>(to), std::move(message));
      std::destroy_at(&message);
    },
    [](void* message) noexcept { std::destroy_at(static_cast<T*>(message)); },
    Core::pump_of,
    Core::drain_of,
    Core::free_of};

/// What an operation and the channel tell each other while it waits: the `operation` of its node.
struct ChannelWait {
  void* place = nullptr;  // where its message lies, or is to lie; none for a reservation
  bool full = false;      // a message lies there
  bool refused = false;   // instead of what it waits for: there is none any more
};

enum class Tried : std::uint8_t { Done, MustWait, Refused };

class ChannelCore {
 public:
  ChannelCore(const ChannelOps& ops, PrimitiveKind kind, Name name) noexcept
      : primitive_(kind, name), ops_(&ops) {}
  ChannelCore(const ChannelCore&) = delete;
  ChannelCore& operator=(const ChannelCore&) = delete;

  // ---- ends ----
  void add_sender() noexcept;
  void add_receiver() noexcept;
  void drop_sender() noexcept;
  void drop_receiver() noexcept;
  void close() noexcept;
  bool is_closed() const noexcept;

  // ---- what every sort of it does alike ----
  void enlist_sender(WaitNode& node, ChannelWait& wait) noexcept { enlist(sending_, node, wait); }
  void enlist_receiver(WaitNode& node, ChannelWait& wait) noexcept { enlist(receiving_, node, wait); }
  void enlist_watcher(WaitNode& node, ChannelWait& wait) noexcept { enlist(watching_, node, wait); }
  bool delist_sender(WaitNode& node) noexcept { return delist(sending_, node); }
  bool delist_receiver(WaitNode& node) noexcept { return delist(receiving_, node); }
  bool delist_watcher(WaitNode& node) noexcept { return delist(watching_, node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept;
  /// A reserved place is not used: it goes to the next.
  void release() noexcept;

  ChannelStatistics statistics() const noexcept;
  std::uint32_t length() const noexcept;
  /// A message was put in, at any time.
  bool has_sent() const noexcept;
  WaitSubject subject() const noexcept { return subject_of(primitive_); }
  /// Err(Disconnected) for senders.
  Error no_receivers() const;
  /// "oneshot channel "answer": " and what happened.
  Error error(ErrorCode code, const char* sentence) const;

 protected:
  ~ChannelCore() = default;
  // Under the lock.
  bool is_shut() const noexcept { return closed_ || abandoned_; }
  bool is_unused() const noexcept { return senders_ == 0 && receivers_ == 0 && reserved_ == 0; }
  /// No message lies there, and none can come.
  bool is_drained() const noexcept { return (closed_ || senders_ == 0) && reserved_ == 0 && length_ == 0; }
  void refuse_all(WaitList& list, WakeList& woken) noexcept;
  static ChannelWait& wait_of(WaitNode& node) noexcept { return *static_cast<ChannelWait*>(node.operation); }

  void enlist(WaitList& list, WaitNode& node, ChannelWait& wait) noexcept;
  bool delist(WaitList& list, WaitNode& node) noexcept;

  Primitive primitive_;
  WaitList receiving_, sending_, watching_;
  const ChannelOps* ops_;
  std::uint32_t senders_ = 1;
  std::uint32_t receivers_ = 1;
  std::uint32_t length_ = 0;    // messages that lie there
  std::uint32_t reserved_ = 0;  // places that are promised: to permits, and to senders that have yet to wake
  std::uint32_t capacity_ = 0;
  bool closed_ = false;
  bool abandoned_ = false;
  bool has_sent_ = false;
};

/// A place for a message in an operation, or on the stack.
template <class T>
class MessageHolder : public ChannelWait {
 public:
  MessageHolder() noexcept {}
  explicit MessageHolder(T message) noexcept : message_(std::move(message)) { full = true; }
  MessageHolder(MessageHolder&& other) noexcept {
    if (other.full) put(std::move(other.message_));
  }
  MessageHolder& operator=(MessageHolder&& other) noexcept {
    clear();
    if (other.full) put(std::move(other.message_));
    return *this;
  }
  ~MessageHolder() { clear(); }

  /// Raw when it is not full.
  void* memory() noexcept { return &message_; }
  T& message() noexcept { return message_; }

 private:
  void put(T&& message) noexcept {
    std::construct_at(&message_, std::move(message));
    full = true;
  }
  void clear() noexcept {
    if (std::exchange(full, false)) std::destroy_at(&message_);
  }
  union {
    T message_;
  };
};

}  // namespace quiesce::detail
