#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

namespace quiesce::detail {

/// Memory for coroutine frames and other short-lived blocks of 16 bytes at least: size classes 8 bytes apart up to 2 KiB in per-thread
/// free lists, exchanged in batches with a depot; up to 512 bytes they are cut from chunks (frame_chunks.hpp). Larger ones go to the heap.
/// A block whose size is a multiple of 16 is aligned to 16, any other to 8: enough for what it was measured for, since the size of a
/// type is a multiple of its alignment. A frame may be freed on another thread than it was made on. Under AddressSanitizer every block
/// comes from the heap, so that a use after free is seen.
void* frame_allocate(std::size_t bytes);
void frame_free(void* block, std::size_t bytes) noexcept;
/// The bytes of a block for a frame. LLVM says how big a frame is, but not that it has rounded that up to its alignment.
constexpr std::size_t frame_block_bytes(std::size_t frame_bytes) noexcept {
#if defined(__clang__)
  return (frame_bytes + 15) / 16 * 16;
#else
  return frame_bytes;
#endif
}
/// Does a frame that was just allocated on this thread begin 16 bytes before its promise? True also where that is not known.
bool begins_before(const void* promise) noexcept;

/// Gives blocks that nobody needed for a whole period back to the heap and the system, a few at a time: for workers that have nothing to
/// do. As `Ageing::age` (kernel/ageing.hpp).
std::optional<std::int64_t> frame_age(std::int64_t now_ns) noexcept;
/// How many batches of free blocks the depot holds, for tests.
std::size_t frame_batches() noexcept;

/// Gives the thread's free blocks back to the depot, and the depot's to the heap.
void frame_trim() noexcept;

}  // namespace quiesce::detail
