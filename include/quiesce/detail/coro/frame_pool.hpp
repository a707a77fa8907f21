#pragma once
#include <cstddef>

namespace quiesce::detail {

/// Memory for coroutine frames and other short-lived blocks: size classes 16 bytes apart up to 2 KiB in per-thread free lists,
/// exchanged in batches with a depot; larger ones go to the heap. A frame may be freed on another thread than it was made on.
/// Under AddressSanitizer every block comes from the heap, so that a use after free is seen.
void* frame_allocate(std::size_t bytes);
void frame_free(void* block, std::size_t bytes) noexcept;

/// Gives the thread's free blocks back to the depot, and the depot's to the heap.
void frame_trim() noexcept;

}  // namespace quiesce::detail
