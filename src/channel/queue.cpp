#include "quiesce/detail/channel/queue.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <new>

#include "quiesce/detail/assert.hpp"

namespace quiesce::detail {

namespace {

constexpr std::size_t block_bytes = 1024;
constexpr std::size_t block_messages_min = 4;
/// One side of a ring that has caught up with the other, which moves on another processor, lets it get ahead by some, instead of looking
/// at it, and waiting, for each message: a look costs both sides a cache line. That the other moves is seen by its count; if it does not,
/// nothing is to be gained.
constexpr std::uint32_t pauses_until_moved = 2;
constexpr std::uint32_t pauses_to_get_ahead = 64;
/// Fewer free places than so many, or than a part of the ring, are too few to go on with.
constexpr std::uint32_t room_wanted = 64, room_wanted_part = 4;
/// Of a sender that finds the lock taken.
constexpr std::uint32_t pauses_for_senders = 64;

void pause(std::uint32_t times) noexcept {
  for (std::uint32_t i = 0; i < times; ++i) RealPlatform::pause();
}

/// `look` says how many messages, or places, there are; it has just said `seen`.
template <class Look>
std::uint32_t let_get_ahead(std::uint32_t seen, Look look) noexcept {
  pause(pauses_until_moved);
  if (look() == seen) return seen;
  pause(pauses_to_get_ahead);
  return look();
}

constexpr std::size_t round_up(std::size_t bytes, std::size_t align) {
  return (bytes + align - 1) / align * align;
}

std::uint32_t block_messages(const ChannelOps& ops) {
  return static_cast<std::uint32_t>(std::max(block_messages_min, block_bytes / ops.size));
}

}  // namespace

// ---- blocks of an unbounded queue ----

struct QueueCore::Block {
  Block* next = nullptr;

  static std::size_t offset(const ChannelOps& ops) { return round_up(sizeof(Block), ops.align); }
  static std::align_val_t alignment(const ChannelOps& ops) {
    return std::align_val_t(std::max(ops.align, alignof(Block)));
  }
  static Block* make(const ChannelOps& ops) {
    void* memory = ::operator new(offset(ops) + block_messages(ops) * ops.size, alignment(ops));
    return new (memory) Block;
  }
  static void free(Block* block, const ChannelOps& ops) noexcept {
    if (block != nullptr) ::operator delete(block, alignment(ops));
  }
  void* slot(std::uint32_t index, const ChannelOps& ops) noexcept {
    return reinterpret_cast<std::byte*>(this) + offset(ops) + index * ops.size;
  }
};

/// Messages lie from the first place (RingTail::first) in the head block to before the last (RingTail::last) in the tail block.
/// Behind the tail may hang one empty block, but not when there are none.
struct QueueCore::BlockList {
  Block* head = nullptr;
  Block* tail = nullptr;

  bool has_room(RingTail<>& at, const ChannelOps& ops) const noexcept {
    return tail != nullptr && (at.last() < block_messages(ops) || tail->next != nullptr);
  }
  void add(Block* block) noexcept {
    if (tail == nullptr) {
      head = tail = block;
    } else {
      tail->next = block;
    }
  }
  void* push(RingTail<>& at, const ChannelOps& ops) noexcept {
    if (at.last() == block_messages(ops)) {
      tail = tail->next;
      at.last() = 0;
    }
    return tail->slot(at.last()++, ops);
  }
  void* front(RingTail<>& at, const ChannelOps& ops) noexcept { return head->slot(at.first(), ops); }
  /// After the front was taken: a block that is to be freed, or nullptr.
  Block* pop(RingTail<>& at, const ChannelOps& ops) noexcept {
    ++at.first();
    if (head == tail) {
      if (at.first() < at.last()) return nullptr;
      at.first() = at.last() = 0;
      return std::exchange(tail->next, nullptr);
    }
    if (at.first() < block_messages(ops)) return nullptr;
    Block* empty = std::exchange(head, head->next);
    at.first() = 0;
    if (tail->next != nullptr) return empty;
    empty->next = nullptr;
    tail->next = empty;
    return nullptr;
  }
};

// ---- memory ----

std::size_t QueueCore::alignment(const ChannelOps& ops) noexcept {
  return std::max(ops.align, alignof(QueueCore));
}

QueueCore* QueueCore::make(const ChannelOps& ops, PrimitiveKind kind, Name name, std::uint32_t capacity) {
  if (capacity == 0) {
    throw UsageError(Error(ErrorCode::InvalidArgument,
                           std::string(kind.text()) +
                               ": a capacity of 0 would let nobody send: give it 1 at least, or use "
                               "rendezvous::channel, where a message goes from hand to hand"));
  }
  const std::size_t offset = ops.offset;
  if (capacity > (std::numeric_limits<std::size_t>::max() - offset) / ops.size)
    throw std::bad_array_new_length();
  void* memory = ::operator new(offset + capacity * ops.size, std::align_val_t(alignment(ops)));
  auto* core = new (memory) QueueCore(ops, kind, name, capacity);
  new (&core->head()) RingHead<>;
  return core;
}

QueueCore* QueueCore::make_unbounded(const ChannelOps& ops, PrimitiveKind kind, Name name) {
  static_assert(alignof(BlockList) <= alignof(QueueCore) && sizeof(QueueCore) % alignof(BlockList) == 0);
  void* memory = ::operator new(sizeof(QueueCore) + sizeof(BlockList), std::align_val_t(alignment(ops)));
  auto* core = new (memory) QueueCore(ops, kind, name, 0);
  new (&core->blocks()) BlockList;
  return core;
}

void QueueCore::free_of(ChannelCore& core) noexcept {
  auto& queue = static_cast<QueueCore&>(core);
  const ChannelOps& ops = *queue.ops_;
  if (queue.capacity_ == 0) {
    for (Block* block = queue.blocks().head; block != nullptr;)
      Block::free(std::exchange(block, block->next), ops);
  }
  queue.~QueueCore();
  ::operator delete(&queue, std::align_val_t(alignment(ops)));
}

QueueCore::BlockList& QueueCore::blocks() noexcept {
  return *std::launder(reinterpret_cast<BlockList*>(reinterpret_cast<std::byte*>(this) + sizeof(QueueCore)));
}

// ---- under the lock of the side ----

void QueueCore::put(void* message) noexcept {
  if (capacity_ == 0) {
    ops_->relocate(blocks().push(tail_, *ops_), message);
    return tail_.set_put(tail_.put() + 1);
  }
  tail_.go_round(capacity_);
  ops_->relocate(ring_slot(tail_.place()), message);
  tail_.did_put();
}

QueueCore::Block* QueueCore::get(void* into) noexcept {
  Block* empty = nullptr;
  if (capacity_ == 0) {
    ops_->relocate(into, blocks().front(tail_, *ops_));
    empty = blocks().pop(tail_, *ops_);
    count_.stop_at(count_.taken() + 1, has_ended());
  } else {
    head().go_round(capacity_);
    ops_->relocate(into, ring_slot(head().place()));
    head().did_take_and_stop(count_, has_ended());
  }
  return empty;
}

/// Done: there is room for one, and for as many as the limit says.
Tried QueueCore::look_for_room() noexcept {
  if (is_shut()) return Tried::Refused;
  if (!sending_.empty()) return Tried::MustWait;
  std::uint32_t room = tail_.look(count_, capacity_ - reserved_);
  if (is_split() && room < std::min(room_wanted, capacity_ / room_wanted_part))
    room = let_get_ahead(room, [&] { return tail_.look(count_, capacity_ - reserved_); });
  if (room == 0) return Tried::MustWait;
  tail_.go_round(capacity_);
  if (is_split() && receiving_.empty()) tail_.go_on(room, capacity_);
  return Tried::Done;
}

void QueueCore::serve_from_senders(WakeList& woken) noexcept {
  if (!is_split()) return serve(woken);
  const KeptLock<>::Hold besides(head().lock, this_locker());
  serve(woken);
  stop_both();
}

// ---- under the whole lock ----

// First come, first served, on either side.
void QueueCore::serve(WakeList& woken) noexcept {
  if (is_shut()) {
    refuse_all(sending_, woken);
    primitive_.grant_all(watching_, woken);
  }
  while (!sending_.empty() && has_room()) {
    ++reserved_;
    if (!primitive_.grant_front(sending_, woken)) --reserved_;
  }
  while (!receiving_.empty() && lying() > promised_) {
    ++promised_;
    if (!primitive_.grant_front(receiving_, woken)) --promised_;
  }
  if (is_drained()) refuse_all(receiving_, woken);
}

// ---- senders ----

bool QueueCore::enter_behind_others(KeptLock<>& lock, std::uint8_t self) noexcept {
  if (exact_runs.load(std::memory_order_relaxed)) return false;
  if (lock.is_taken()) {
    const std::int64_t since = RealPlatform::clock_ns();
    pause(pauses_for_senders);
    RealPlatform::note_contended(RealPlatform::clock_ns() - since);
  }
  lock.enter_by_word(self);
  return true;
}

Tried QueueCore::push_in_turn(void* message) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  return push_held(message, woken);
}

Tried QueueCore::push_at_limit(void* message, KeptLock<>::Mark* mark) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_, mark);
  return push_held(message, woken);
}

Tried QueueCore::push_held(void* message, WakeList& woken) noexcept {
  const bool at_limit = tail_.is_at_limit();
  if (at_limit) {
    const Tried looked = look_for_room();
    if (looked != Tried::Done) return looked;
  }
  put(message);
  if (at_limit) did_put_at_limit(woken);
  return Tried::Done;
}

Tried QueueCore::try_reserve() noexcept {
  const Primitive::Hold hold(primitive_);
  if (tail_.is_at_limit()) {
    const Tried looked = look_for_room();
    if (looked != Tried::Done) return looked;
  }
  ++reserved_;
  tail_.stop();
  return Tried::Done;
}

bool QueueCore::push(void* message) {
  if (capacity_ == 0) return push_unbounded(message);
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (look_for_room() != Tried::Done) return false;
  put(message);
  did_put_at_limit(woken);
  return true;
}

bool QueueCore::push_unbounded(void* message) {
  struct Spare {
    const ChannelOps& ops;
    Block* block = nullptr;
    ~Spare() { Block::free(block, ops); }
  } spare{*ops_};
  for (;;) {  // at most twice: the second time there is a block in hand
    {
      WakeList woken;
      const Primitive::Hold hold(primitive_);
      if (is_shut()) return false;
      if (!blocks().has_room(tail_, *ops_) && spare.block != nullptr)
        blocks().add(std::exchange(spare.block, nullptr));
      if (blocks().has_room(tail_, *ops_)) {
        put(message);
        pump(woken);
        return true;
      }
    }
    spare.block = Block::make(*ops_);
  }
}

bool QueueCore::commit(void* message) noexcept {
  bool sent = false, last = false;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    --reserved_;
    QUIESCE_ASSERT(tail_.look(count_, capacity_) > 0, "a message is put where there is a place");
    sent = !abandoned_;
    if (sent) put(message);
    tail_.stop();
    if (!receiving_.empty()) serve_from_senders(woken);
    last = is_unused();
  }
  if (last) free_of(*this);
  return sent;
}

// ---- receivers ----

Tried QueueCore::look_for_messages() noexcept {
  if (has_waiters()) return Tried::Refused;
  std::uint32_t messages = count_.look(tail_, promised_);
  if (messages == 0) {
    if (has_ended()) return Tried::Refused;
    messages = let_get_ahead(0, [&] { return count_.look(tail_, promised_); });
    if (messages == 0) return Tried::MustWait;
  }
  head().go_on(count_, messages, capacity_);
  return Tried::Done;
}

Tried QueueCore::pop_otherwise(void* into) noexcept {
  if (is_split()) {
    primitive_.note_use(Use::Write);
    const KeptLock<>::Hold hold(head().lock, this_locker());
    const Tried looked = count_.is_at_limit() ? look_for_messages() : Tried::Done;
    if (looked == Tried::Done) {
      ops_->relocate(into, ring_slot(head().place()));
      head().did_take(count_);
    }
    if (looked != Tried::Refused) return looked;
  }
  return pop_whole(into);
}

Tried QueueCore::pop_whole(void* into) noexcept {
  if (!is_split() && count_.is_empty_and_open(tail_)) {
    primitive_.note_use(Use::Read);
    return Tried::MustWait;
  }
  Block* empty = nullptr;
  {
    WakeList woken;
    const Hold hold(*this);
    if (lying() == promised_) return is_drained() ? Tried::Refused : Tried::MustWait;
    empty = get(into);
    pump(woken);
  }
  Block::free(empty, *ops_);
  return Tried::Done;
}

void QueueCore::pop_promised(void* into) noexcept {
  if (is_split()) return pop_promised_from_ring(into);
  Block* empty = nullptr;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    QUIESCE_ASSERT(lying() > 0, "only a message that lies there is taken");
    --promised_;
    empty = get(into);
    if (has_waiters()) serve(woken);
  }
  Block::free(empty, *ops_);
}

void QueueCore::pop_promised_from_ring(void* into) noexcept {
  bool waited_for = false;
  {
    primitive_.note_use(Use::Write);
    const KeptLock<>::Hold hold(head().lock, this_locker());
    QUIESCE_ASSERT(count_.look(tail_, 0) > 0, "only a message that lies there is taken");
    --promised_;
    get(into);
    waited_for = has_waiters();
  }
  if (waited_for) serve_all();
}

void QueueCore::serve_all() noexcept {
  WakeList woken;
  const Hold hold(*this);
  serve(woken);
}

void QueueCore::unpromise() noexcept {
  WakeList woken;
  const Hold hold(*this);
  --promised_;
  pump(woken);
}

// The counts stand still meanwhile, and are not touched here: who holds the lock may set the limits.
void QueueCore::drain() noexcept {
  QUIESCE_ASSERT(promised_ == 0, "an end of a channel outlives the waits that were made from it");
  const std::uint32_t left = lying();
  for (std::uint32_t i = 0; i < left; ++i) {
    if (capacity_ > 0) {
      ops_->destroy(ring_slot(head().next_place(capacity_)));
    } else {
      ops_->destroy(blocks().front(tail_, *ops_));
      Block::free(blocks().pop(tail_, *ops_), *ops_);
    }
  }
}

}  // namespace quiesce::detail
