#include "quiesce/detail/coro/frame_chunks.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {
namespace {

constexpr std::size_t region_bytes = std::size_t{1} << 20, chunk_bytes = std::size_t{1} << 13;
constexpr std::size_t chunks_of_region = region_bytes / chunk_bytes;
/// Made present together.
constexpr std::size_t chunks_at_once = 8;
static_assert(chunks_of_region % chunks_at_once == 0);
constexpr std::size_t size_count = chunk_block_max / chunk_block_step + 1;

/// At the beginning of each chunk but a region's first.
struct alignas(16) Chunk {
  FreeBlock* free = nullptr;  // those that have come back
  Chunk* prev = nullptr;      // in the list of partial ones
  Chunk* next = nullptr;
  std::uint16_t block_bytes;
  std::uint16_t capacity;
  std::uint16_t carved = 0;  // those behind it have never been handed out
  std::uint16_t out = 0;     // handed out, and not come back

  explicit Chunk(std::size_t bytes) noexcept
      : block_bytes(static_cast<std::uint16_t>(bytes)),
        capacity(static_cast<std::uint16_t>((chunk_bytes - sizeof(Chunk)) / bytes)) {}
  bool full() const noexcept { return out == capacity; }
  FreeBlock* take() noexcept {
    ++out;
    if (free != nullptr) return std::exchange(free, free->next);
    std::byte* first = reinterpret_cast<std::byte*>(this) + sizeof(Chunk);
    return reinterpret_cast<FreeBlock*>(first + std::size_t{block_bytes} * carved++);
  }
  void put(FreeBlock& block) noexcept {
    --out;
    block.next = std::exchange(free, &block);
  }
};

/// In the first chunk of a region, of which nothing else is used.
struct Region {
  Region* next = nullptr;  // of those that have empty chunks
  std::uint16_t empty_count = 0;
  std::uint16_t present = 0;  // chunks from the first on whose memory has been made present, once
  std::uint16_t empty[chunks_of_region];

  std::byte* chunk(std::size_t index) noexcept {
    return reinterpret_cast<std::byte*>(this) + index * chunk_bytes;
  }
};
static_assert(sizeof(Region) <= chunk_bytes);

template <std::size_t Bytes, class T>
T* around(void* address) noexcept {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(address) & ~(std::uintptr_t{Bytes} - 1));
}

/// Under the mutex.
struct Store {
  std::mutex mutex;
  Chunk* partial[size_count] = {};
  Region* regions = nullptr;
  std::size_t in_use = 0;

  Chunk& some_chunk(std::size_t bytes);
  void give_back(Chunk& chunk) noexcept;
  void link(Chunk& chunk) noexcept;
  void unlink(Chunk& chunk) noexcept;
};
constinit Store store{};

/// Twice as much is asked for, and what is not in the aligned half given back.
Region* map_region() noexcept {
  void* mapped = ::mmap(nullptr, 2 * region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(mapped);
  auto* aligned = around<region_bytes, std::byte>(begin + region_bytes - 1);
  if (aligned != begin) ::munmap(begin, static_cast<std::size_t>(aligned - begin));
  std::byte* const end = aligned + region_bytes;
  ::munmap(end, static_cast<std::size_t>(begin + 2 * region_bytes - end));
  RealPlatform::make_present(aligned, chunks_at_once * chunk_bytes);
  auto* region = new (aligned) Region;
  region->present = chunks_at_once;
  for (std::size_t i = chunks_of_region - 1; i > 0; --i)
    region->empty[region->empty_count++] = static_cast<std::uint16_t>(i);
  return region;
}

void Store::link(Chunk& chunk) noexcept {
  Chunk*& head = partial[chunk.block_bytes / chunk_block_step];
  chunk.prev = nullptr;
  chunk.next = head;
  if (head != nullptr) head->prev = &chunk;
  head = &chunk;
}

void Store::unlink(Chunk& chunk) noexcept {
  (chunk.prev == nullptr ? partial[chunk.block_bytes / chunk_block_step] : chunk.prev->next) = chunk.next;
  if (chunk.next != nullptr) chunk.next->prev = chunk.prev;
}

Chunk& Store::some_chunk(std::size_t bytes) {
  if (Chunk* chunk = partial[bytes / chunk_block_step]) return *chunk;
  if (regions == nullptr) regions = map_region();
  if (regions == nullptr) throw std::bad_alloc();
  Region& region = *regions;
  const std::uint16_t at = region.empty[--region.empty_count];
  if (at >= region.present) {  // new ones are taken in order
    RealPlatform::make_present(region.chunk(at), chunks_at_once * chunk_bytes);
    region.present += chunks_at_once;
  }
  auto* chunk = new (region.chunk(at)) Chunk(bytes);
  if (region.empty_count == 0) regions = region.next;
  ++in_use;
  link(*chunk);
  return *chunk;
}

/// None of its blocks is anywhere else.
void Store::give_back(Chunk& chunk) noexcept {
  unlink(chunk);
  --in_use;
  auto& region = *around<region_bytes, Region>(&chunk);
  const auto at =
      static_cast<std::size_t>(reinterpret_cast<std::byte*>(&chunk) - region.chunk(0)) / chunk_bytes;
  (void)RealPlatform::give_back(&chunk, chunk_bytes);  // else it keeps them
  if (region.empty_count == 0) region.next = std::exchange(regions, &region);
  region.empty[region.empty_count++] = static_cast<std::uint16_t>(at);
}

}  // namespace

FreeBlock* chunk_blocks(std::size_t block_bytes, std::size_t count) {
  const std::scoped_lock hold(store.mutex);
  Chunk& chunk = store.some_chunk(block_bytes);
  // New ones in the order of their addresses, as those who go through many tasks meet them.
  FreeBlock* first = nullptr;
  FreeBlock** last = &first;
  for (; count > 0 && !chunk.full(); --count) {
    *last = chunk.take();
    last = &(*last)->next;
  }
  *last = nullptr;
  if (chunk.full()) store.unlink(chunk);
  return first;
}

void return_chunk_blocks(FreeBlock* blocks) noexcept {
  const std::scoped_lock hold(store.mutex);
  while (blocks != nullptr) {
    FreeBlock& block = *std::exchange(blocks, blocks->next);
    Chunk& chunk = *around<chunk_bytes, Chunk>(&block);
    if (chunk.full()) store.link(chunk);
    chunk.put(block);
    if (chunk.out == 0) store.give_back(chunk);
  }
}

std::size_t chunks_in_use() noexcept {
  const std::scoped_lock hold(store.mutex);
  return store.in_use;
}

}  // namespace quiesce::detail
