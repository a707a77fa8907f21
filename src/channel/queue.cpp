#include "quiesce/detail/channel/queue.hpp"

#include <algorithm>
#include <limits>
#include <new>

#include "quiesce/detail/assert.hpp"

namespace quiesce::detail {

namespace {

constexpr std::size_t block_bytes = 1024;
constexpr std::size_t block_messages_min = 4;

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

/// Messages lie from `first` in the head block to before `last` in the tail block. Behind the tail may hang one empty block, but
/// not when there are none.
struct QueueCore::BlockList {
  Block* head = nullptr;
  Block* tail = nullptr;
  std::uint32_t first = 0, last = 0;

  bool has_room(const ChannelOps& ops) const noexcept {
    return tail != nullptr && (last < block_messages(ops) || tail->next != nullptr);
  }
  void add(Block* block) noexcept {
    if (tail == nullptr) {
      head = tail = block;
    } else {
      tail->next = block;
    }
  }
  void* push(const ChannelOps& ops) noexcept {
    if (last == block_messages(ops)) {
      tail = tail->next;
      last = 0;
    }
    return tail->slot(last++, ops);
  }
  void* front(const ChannelOps& ops) noexcept { return head->slot(first, ops); }
  /// After the front was taken: a block that is to be freed, or nullptr.
  Block* pop(const ChannelOps& ops) noexcept {
    ++first;
    if (head == tail) {
      if (first < last) return nullptr;
      first = last = 0;
      return std::exchange(tail->next, nullptr);
    }
    if (first < block_messages(ops)) return nullptr;
    Block* empty = std::exchange(head, head->next);
    first = 0;
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
  return new (memory) QueueCore(ops, kind, name, capacity);
}

QueueCore* QueueCore::make_unbounded(const ChannelOps& ops, PrimitiveKind kind, Name name) {
  const std::size_t offset = ops.offset;
  static_assert(alignof(BlockList) <= alignof(QueueCore));
  void* memory = ::operator new(offset + sizeof(BlockList), std::align_val_t(alignment(ops)));
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

void* QueueCore::ring_slot(std::uint32_t behind) noexcept {
  const std::uint32_t to_end = capacity_ - head_;
  const std::uint32_t index = behind < to_end ? head_ + behind : behind - to_end;
  return static_cast<std::byte*>(after_object()) + index * ops_->size;
}

QueueCore::BlockList& QueueCore::blocks() noexcept {
  return *std::launder(static_cast<BlockList*>(after_object()));
}

// ---- under the lock ----

void QueueCore::put(void* message) noexcept {
  QUIESCE_ASSERT(capacity_ == 0 || length_ < capacity_, "a message is put where there is a place");
  void* slot = capacity_ == 0 ? blocks().push(*ops_) : ring_slot(length_);
  ops_->relocate(slot, message);
  ++length_;
  has_sent_ = true;
}

QueueCore::Block* QueueCore::get(void* into) noexcept {
  QUIESCE_ASSERT(length_ > 0, "only a message that lies there is taken");
  --length_;
  if (capacity_ == 0) {
    ops_->relocate(into, blocks().front(*ops_));
    return blocks().pop(*ops_);
  }
  ops_->relocate(into, ring_slot(0));
  head_ = head_ + 1 == capacity_ ? 0 : head_ + 1;
  return nullptr;
}

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
  while (!receiving_.empty() && length_ > promised_) {
    ++promised_;
    if (!primitive_.grant_front(receiving_, woken)) --promised_;
  }
  if (is_drained()) refuse_all(receiving_, woken);
}

// ---- senders ----

Tried QueueCore::try_reserve() noexcept {
  const Primitive::Hold hold(primitive_);
  if (is_shut()) return Tried::Refused;
  if (!sending_.empty() || !has_room()) return Tried::MustWait;
  ++reserved_;
  return Tried::Done;
}

Tried QueueCore::try_push(void* message) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  if (is_shut()) return Tried::Refused;
  if (!sending_.empty() || !has_room()) return Tried::MustWait;
  put(message);
  pump(woken);
  return Tried::Done;
}

bool QueueCore::push(void* message) {
  return capacity_ == 0 ? push_unbounded(message) : try_push(message) == Tried::Done;
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
      if (!blocks().has_room(*ops_) && spare.block != nullptr)
        blocks().add(std::exchange(spare.block, nullptr));
      if (blocks().has_room(*ops_)) {
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
    sent = !abandoned_;
    if (sent) put(message);
    pump(woken);
    last = is_unused();
  }
  if (last) free_of(*this);
  return sent;
}

// ---- receivers ----

Tried QueueCore::try_pop(void* into) noexcept {
  Block* empty = nullptr;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    if (length_ == promised_) return is_drained() ? Tried::Refused : Tried::MustWait;
    empty = get(into);
    pump(woken);
  }
  Block::free(empty, *ops_);
  return Tried::Done;
}

void QueueCore::pop_promised(void* into) noexcept {
  Block* empty = nullptr;
  {
    WakeList woken;
    const Primitive::Hold hold(primitive_);
    --promised_;
    empty = get(into);
    pump(woken);
  }
  Block::free(empty, *ops_);
}

void QueueCore::unpromise() noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  --promised_;
  pump(woken);
}

void QueueCore::drain() noexcept {
  QUIESCE_ASSERT(promised_ == 0, "an end of a channel outlives the waits that were made from it");
  if (capacity_ > 0) {
    for (std::uint32_t i = 0; i < length_; ++i) ops_->destroy(ring_slot(i));
    return;
  }
  for (std::uint32_t i = 0; i < length_; ++i) {
    ops_->destroy(blocks().front(*ops_));
    Block::free(blocks().pop(*ops_), *ops_);
  }
}

}  // namespace quiesce::detail
