#include "quiesce/detail/coro/frame_pool.hpp"

#include <cstdint>
#include <new>

#include "quiesce/detail/coro/batch_depot.hpp"

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

// A class is of 16 n + 8 bytes: with its own 8 bytes a block of the heap is then a multiple of 16, and nothing is lost.
constexpr std::size_t class_step = 16, class_count = 129;

constexpr std::size_t class_of(std::size_t bytes) { return (bytes + class_step - 9) / class_step; }
constexpr std::size_t bytes_of(std::size_t size_class) { return size_class * class_step + 8; }
constexpr std::uint32_t batch_blocks = 32, cache_blocks_max = 3 * batch_blocks;

struct Block {
  Block* next;
  Block* next_batch;  // in the depot: the batch below this one
};

struct FreeList {
  Block* head = nullptr;
  std::uint32_t size = 0;
};

/// Full batches of one size class, shared by all threads.
constinit BatchDepot<Block> depot[class_count];

struct ThreadCache {
  FreeList lists[class_count];
  bool is_reaped = false;  // at the thread's end
};
constinit thread_local ThreadCache cache{};

void put_batch(std::size_t size_class, FreeList& list, std::uint32_t count) {
  Block* first = list.head;
  Block* last = first;
  for (std::uint32_t i = 1; i < count; ++i) last = last->next;
  list.head = last->next;
  list.size -= count;
  last->next = nullptr;
  depot[size_class].put(first);
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
  cache.is_reaped = true;
}

bool take_batch(std::size_t size_class, FreeList& list) {
  touch_reaper();
  Block* batch = depot[size_class].take();
  if (batch == nullptr) return false;
  list.head = batch;
  list.size = 0;
  for (Block* block = batch; block != nullptr; block = block->next) ++list.size;
  return true;
}

}  // namespace
#endif

#ifdef QUIESCE_PLAIN_FRAMES
void* frame_allocate(std::size_t bytes) { return ::operator new(bytes); }
void frame_free(void* block, std::size_t) noexcept { ::operator delete(block); }
void frame_trim() noexcept {}
#else
void* frame_allocate(std::size_t bytes) {
  const std::size_t size_class = class_of(bytes);
  if (size_class >= class_count) return ::operator new(bytes);
  FreeList& list = cache.lists[size_class];
  if (list.head == nullptr && !take_batch(size_class, list)) return ::operator new(bytes_of(size_class));
  Block* block = list.head;
  list.head = block->next;
  --list.size;
  return block;
}

void frame_free(void* memory, std::size_t bytes) noexcept {
  const std::size_t size_class = class_of(bytes);
  if (size_class >= class_count) return ::operator delete(memory);
  FreeList& list = cache.lists[size_class];
  if (!cache.is_reaped) [[unlikely]]
    touch_reaper();
  auto* block = static_cast<Block*>(memory);
  block->next = list.head;
  list.head = block;
  if (++list.size >= cache_blocks_max) put_batch(size_class, list, batch_blocks);
}

void frame_trim() noexcept {
  for (std::size_t c = 0; c < class_count; ++c) {
    if (cache.lists[c].size > 0) put_batch(c, cache.lists[c], cache.lists[c].size);
    Block* batch = depot[c].take_all();
    while (batch != nullptr) {
      Block* next_batch = batch->next_batch;
      while (batch != nullptr) {
        Block* next = batch->next;
        ::operator delete(batch);
        batch = next;
      }
      batch = next_batch;
    }
  }
}
#endif

}  // namespace quiesce::detail
