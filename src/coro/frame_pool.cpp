#include "quiesce/detail/coro/frame_pool.hpp"

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "quiesce/detail/coro/batch_depot.hpp"
#include "quiesce/detail/coro/frame_chunks.hpp"
#include "quiesce/detail/kernel/ageing.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define QUIESCE_PLAIN_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUIESCE_PLAIN_FRAMES 1
#endif
#endif

namespace quiesce::detail {
#ifndef QUIESCE_PLAIN_FRAMES
namespace {

// Small blocks come from chunks, larger ones from the heap.
constexpr std::size_t class_step = chunk_block_step, class_count = 257;

constexpr std::size_t class_of(std::size_t bytes) { return (bytes + class_step - 1) / class_step; }
constexpr std::size_t bytes_of(std::size_t size_class) { return size_class * class_step; }
constexpr bool is_small(std::size_t size_class) { return bytes_of(size_class) <= chunk_block_max; }
constexpr std::uint32_t batch_blocks = 32, cache_blocks_max = 3 * batch_blocks;

struct Block : FreeBlock {
  Block* next_batch;  // in the depot: the batch below this one

  Block* following() const noexcept { return static_cast<Block*>(next); }
};
constexpr std::size_t block_bytes_min = 16;
static_assert(sizeof(Block) <= block_bytes_min);

struct FreeList {
  Block* head = nullptr;
  std::uint32_t size = 0;
};

/// Full batches of one size class, shared by all threads.
constinit BatchDepot<Block> depot[class_count];
struct Pool;
constinit Ageing<Pool> ageing{};

struct ThreadCache {
  FreeList lists[class_count];
  std::uint32_t blocks_max = 0;  // of a list; 0: nobody gives them back at the thread's end yet
};
constinit thread_local ThreadCache cache{};
// The last one that was allocated, where it is known.
constinit thread_local const void* last_allocated = nullptr;

void put_batch(std::size_t size_class, FreeList& list, std::uint32_t count) {
  Block* first = list.head;
  Block* last = first;
  for (std::uint32_t i = 1; i < count; ++i) last = last->following();
  list.head = last->following();
  list.size -= count;
  last->next = nullptr;
  depot[size_class].put(first);
  ageing.note_use();
}

/// At thread exit the blocks go to the depot, in batches of whatever size is left.
struct Reaper {
  ~Reaper() {
    for (std::size_t c = 0; c < class_count; ++c) {
      FreeList& list = cache.lists[c];
      if (list.size > 0) put_batch(c, list, list.size);
    }
  }
};
void touch_reaper() {
  static thread_local Reaper reaper;
  (void)reaper;
  cache.blocks_max = cache_blocks_max;
}

/// What the depot has, or some new blocks.
bool take_batch(std::size_t size_class, FreeList& list) {
  touch_reaper();
  Block* batch = depot[size_class].take();
  if (batch == nullptr && is_small(size_class))
    batch = static_cast<Block*>(chunk_blocks(bytes_of(size_class), batch_blocks));
  if (batch == nullptr) return false;
  list.head = batch;
  list.size = 0;
  for (Block* block = batch; block != nullptr; block = block->following()) ++list.size;
  return true;
}

void release_batches(std::size_t size_class, Block* batch) noexcept {
  while (batch != nullptr) {
    Block* next_batch = batch->next_batch;
    if (is_small(size_class)) {
      return_chunk_blocks(batch);
    } else {
      while (batch != nullptr) ::operator delete(std::exchange(batch, batch->following()));
    }
    batch = next_batch;
  }
}

std::size_t batches_in_depot() noexcept {
  std::size_t count = 0;
  for (const BatchDepot<Block>& of_class : depot) count += of_class.size();
  return count;
}

struct Pool {
  static constexpr std::uint32_t batches_max = 32;  // released in one call: some 20 us

  static bool release_some() noexcept {
    std::uint32_t left = batches_max;
    for (std::size_t c = 0; c < class_count; ++c) {
      for (Block* batch = depot[c].take_unused(left).batches; batch != nullptr && left > 0; --left) {
        Block* next = batch->next_batch;
        batch->next_batch = nullptr;
        release_batches(c, batch);
        batch = next;
      }
    }
    return left == 0;
  }
  static void all_released() noexcept {
#ifdef __GLIBC__
    malloc_trim(0);  // small blocks stay with the heap otherwise
#endif
  }
  static void begin_period() noexcept {
    for (BatchDepot<Block>& of_class : depot) of_class.begin_period();
  }
  static bool has_any() noexcept { return batches_in_depot() > 0; }
};

}  // namespace
#endif

#ifdef QUIESCE_PLAIN_FRAMES
bool begins_before(const void* promise) noexcept { return reinterpret_cast<std::uintptr_t>(promise) % 16 == 0; }
void* frame_allocate(std::size_t bytes) { return ::operator new(bytes); }
void frame_free(void* block, std::size_t) noexcept { ::operator delete(block); }
void frame_trim() noexcept {}
std::optional<std::int64_t> frame_age(std::int64_t) noexcept { return std::nullopt; }
std::size_t frame_batches() noexcept { return 0; }
#else
namespace {
/// The thread has no block of that class.
[[gnu::noinline]] void* allocate_first(std::size_t size_class) {
  FreeList& list = cache.lists[size_class];
  last_allocated = nullptr;
  if (!take_batch(size_class, list)) return ::operator new(bytes_of(size_class));
  Block* block = list.head;
  list.head = block->following();
  --list.size;
  last_allocated = block;
  return block;
}
/// The thread has so many that a batch goes; or it frees for the first time, and is to give them back at its end.
[[gnu::noinline]] void free_many(std::size_t size_class) noexcept {
  touch_reaper();
  FreeList& list = cache.lists[size_class];
  if (list.size >= cache_blocks_max) put_batch(size_class, list, batch_blocks);
}
}  // namespace

void* frame_allocate(std::size_t bytes) {
  const std::size_t size_class = class_of(bytes);
  ThreadCache& mine = cache;
  if (size_class >= class_count) [[unlikely]] {
    last_allocated = nullptr;
    return ::operator new(bytes);
  }
  FreeList& list = mine.lists[size_class];
  Block* block = list.head;
  if (block == nullptr) [[unlikely]]
    return allocate_first(size_class);
  list.head = block->following();
  --list.size;
  last_allocated = block;
  return block;
}

void frame_free(void* memory, std::size_t bytes) noexcept {
  const std::size_t size_class = class_of(bytes);
  if (size_class >= class_count) [[unlikely]]
    return ::operator delete(memory);
  ThreadCache& mine = cache;
  FreeList& list = mine.lists[size_class];
  auto* block = static_cast<Block*>(memory);
  block->next = list.head;
  list.head = block;
  const std::uint32_t size = list.size + 1;
  list.size = size;
  if (size >= mine.blocks_max) [[unlikely]]
    free_many(class_of(bytes));
}

// Arguments are copied between the allocation and the promise, and that may have allocated other frames: then the last one is not it. The
// promise lies in the first 64 bytes of its block in any case, and no frame is smaller.
bool begins_before(const void* promise) noexcept {
  constexpr std::size_t head = 16, frame_min = 64;
  const std::size_t offset =
      reinterpret_cast<std::uintptr_t>(promise) - reinterpret_cast<std::uintptr_t>(last_allocated);
  return offset == head || offset >= frame_min;
}

void frame_trim() noexcept {
  for (std::size_t c = 0; c < class_count; ++c) {
    if (cache.lists[c].size > 0) put_batch(c, cache.lists[c], cache.lists[c].size);
    release_batches(c, depot[c].take_all());
  }
}

std::optional<std::int64_t> frame_age(std::int64_t now_ns) noexcept { return ageing.age(now_ns); }

std::size_t frame_batches() noexcept { return batches_in_depot(); }
#endif

}  // namespace quiesce::detail
