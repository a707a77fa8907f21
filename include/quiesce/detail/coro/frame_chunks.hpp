#pragma once
// Where the frame pool has its small blocks from: without a header each, and back to the system chunk by chunk.
//
//  1. Memory comes from the system in *regions* of 1 MiB, cut into *chunks* of 8 KiB, so that a block's chunk and region are in its address.
//     A chunk has blocks of one size. A region's memory is asked for eight chunks at a time, as they are first used.
//  2. A chunk is full, partial or empty: in no list, in the list of its size, or given back: its pages are the system's again and it waits
//     in its region for whoever needs one, of any size. Regions stay mapped.
//  3. All of it is under one mutex. Blocks come and go 32 at a time, by way of the lists of threads and the depot (frame_pool.cpp).
#include <cstddef>

namespace quiesce::detail {

/// A free block. What is behind the link is its owner's.
struct FreeBlock {
  FreeBlock* next;
};

inline constexpr std::size_t chunk_block_step = 8, chunk_block_max = 512;

/// At most `count` blocks of that size, of 16 bytes at least. Blocks of a size that is a multiple of 16 are aligned to 16, others to 8. A multiple of `chunk_block_step` up to `chunk_block_max`; linked, at least one. Throws
/// std::bad_alloc.
FreeBlock* chunk_blocks(std::size_t block_bytes, std::size_t count);
/// Linked by `next`; of any sizes.
void return_chunk_blocks(FreeBlock* blocks) noexcept;

/// Chunks that have blocks in use or free ones, for tests.
std::size_t chunks_in_use() noexcept;

}  // namespace quiesce::detail
