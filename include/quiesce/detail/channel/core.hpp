#pragma once
// A channel without the type of its messages: who holds its ends, who waits, what is promised to whom.
//
// Protocol, besides that of every primitive (sync/primitive.hpp):
//  1. Everything is under the channel's lock, but what a ring of many places has a lock of its own for on each side (ring.hpp): the
//     primitive's is the senders' then, and Hold takes both. Messages are moved under it too, for their order is what the lock
//     guards: a message's move constructor and the destructor of what was moved from cannot throw, and must not use the channel.
//     Nothing else of a message's type runs there: messages that nobody receives are destroyed outside of it.
//  2. A channel lives while it has an end or a permit: senders_ + receivers_ + reserved_ > 0. Whoever ends the last frees it, after
//     unlocking. Nobody else can then come to the lock, for the lock is reached through ends and permits only.
//  3. The last receiver says first that it goes (abandoned_): from then on nothing is put in. It then destroys what lies there,
//     without the lock, and only after that gives up its part of 2.
//  4. An operation that waits does not keep the channel alive: the end it was made from does.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "quiesce/channel/errors.hpp"
#include "quiesce/detail/channel/ring.hpp"
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

/// Of the first place for a message, behind the object in its allocation.
template <class T, class Core>
inline constexpr std::size_t places_offset = (Core::bytes + alignof(T) - 1) / alignof(T) * alignof(T);

template <class T, class Core>
inline constexpr ChannelOps channel_ops{
    sizeof(T),
    alignof(T),
    places_offset<T, Core>,
    [](void* to, void* from) noexcept {
      T& message = *static_cast<T*>(from);
      std::construct_at(static_cast<T*>(to), std::move(message));
      std::destroy_at(&message);
    },
    [](void* message) noexcept { std::destroy_at(static_cast<T*>(message)); },
    Core::pump_of,
    Core::drain_of,
    Core::free_of};

/// What an operation and the channel tell each other while it waits: what is found by its node.
struct ChannelWait {
  void* place = nullptr;  // where its message lies, or is to lie; none for a reservation
  bool full = false;      // a message lies there
  bool refused = false;   // instead of what it waits for: there is none any more

  ChannelWait& found() noexcept { return *this; }
};

enum class Tried : std::uint8_t { Done, MustWait, Refused };

class ChannelCore {
 public:
  /// A ring of so many places has a lock for each side; a smaller one is full or empty at nearly every move, so its sides would
  /// need both locks all the same.
  static constexpr std::uint32_t split_places_min = 16;

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
  void enlist_sender(WaitNode& node) noexcept { enlist(sending_, node); }
  void enlist_receiver(WaitNode& node) noexcept { enlist(receiving_, node); }
  void enlist_watcher(WaitNode& node) noexcept { enlist(watching_, node); }
  bool delist_sender(WaitNode& node) noexcept { return delist(sending_, node); }
  bool delist_receiver(WaitNode& node) noexcept { return delist(receiving_, node); }
  bool delist_watcher(WaitNode& node) noexcept { return delist(watching_, node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept;
  /// A reserved place is not used: it goes to the next.
  void release() noexcept;

  ChannelStatistics statistics() const noexcept;
  std::uint32_t length() const noexcept;
  /// A message was put in, at any time; of a queue for one message.
  bool has_sent() const noexcept;
  WaitSubject subject() const noexcept { return subject_of(primitive_); }
  /// Err(Disconnected) for senders.
  Error no_receivers() const;
  /// "oneshot channel "answer": " and what happened.
  Error error(ErrorCode code, const char* sentence) const;

 protected:
  ~ChannelCore() = default;
  /// The whole channel: what both sides must know may change (ring.hpp, 4).
  class Hold {
   public:
    explicit Hold(const ChannelCore& core, Use how = Use::Write) noexcept
        : core_(core), side_(core.primitive_, how), is_split_(core.is_split()), changes_(how != Use::Read) {
      if (is_split_) mark_ = core.head().lock.enter(this_locker());
    }
    ~Hold() {
      if (!is_split_) return;
      if (changes_) core_.stop_both();
      core_.head().lock.leave(mark_);
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    const ChannelCore& core_;
    Primitive::Hold side_;
    const bool is_split_, changes_;
    KeptLock<>::Mark* mark_ = nullptr;  // of the receivers' lock
  };

  bool is_split() const noexcept { return capacity_ >= split_places_min; }
  /// Behind the object, where there is a ring.
  RingHead<>& head() const noexcept;
  void stop_both() const noexcept {
    tail_.stop();
    count_.stop();
  }

  // Under the lock.
  bool is_shut() const noexcept { return closed_ || abandoned_; }
  bool is_unused() const noexcept { return senders_ == 0 && receivers_ == 0 && reserved_ == 0; }
  /// Messages that lie there.
  std::uint32_t lying() const noexcept { return tail_.put() - count_.taken(); }
  /// Nobody can reserve any more.
  bool has_ended() const noexcept { return closed_ || senders_ == 0; }
  void note_end() const noexcept { count_.stop_at(count_.taken(), has_ended()); }
  /// No message lies there, and none can come.
  bool is_drained() const noexcept { return has_ended() && reserved_ == 0 && lying() == 0; }
  void refuse_all(WaitList& list, WakeList& woken) noexcept;
  static ChannelWait& wait_of(const WaitNode& node) noexcept {
    return *static_cast<ChannelWait*>(waiting_operation(node));
  }

  bool abandon() noexcept;
  void enlist(WaitList& list, WaitNode& node) noexcept;
  bool delist(WaitList& list, WaitNode& node) noexcept;

  // What senders write lies 64 bytes before what receivers do (head): they never share a cache line, wherever the object lies.
  // What lies between is written by who holds both locks.
  Primitive primitive_;
  mutable RingTail<> tail_;
  std::uint32_t reserved_ =
      0;  // places that are promised: to permits, and to senders that have yet to wake; the senders' side's
  const ChannelOps* ops_;
  WaitList receiving_, sending_, watching_;
  std::uint32_t capacity_ = 0;
  std::uint32_t promised_ = 0;  // messages that are: to receivers that have yet to wake; the receivers' side's
  std::uint32_t senders_ = 1;
  std::uint32_t receivers_ : 30 = 1;
  std::uint32_t closed_ : 1 = false;
  std::uint32_t abandoned_ : 1 = false;
  mutable TakenCount<> count_;
};
inline constexpr std::size_t ring_head_offset = 104;
static_assert(sizeof(ChannelCore) == ring_head_offset, "a ring's head lies right behind what it belongs to");

inline RingHead<>& ChannelCore::head() const noexcept {
  auto* object = reinterpret_cast<std::byte*>(const_cast<ChannelCore*>(this));
  return *std::launder(reinterpret_cast<RingHead<>*>(object + ring_head_offset));
}

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
  T* memory() noexcept { return &message_; }
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
