// The age of pooled frame memory: what nobody needed for a period goes, a slice at a time; what was needed stays.
#include "quiesce/detail/coro/frame_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "quiesce/detail/coro/batch_depot.hpp"
#include "quiesce/detail/coro/frame_chunks.hpp"
#include "quiesce/detail/kernel/ageing.hpp"

namespace quiesce::detail {
namespace {

struct Batch {
  Batch* next_batch = nullptr;
};
using Depot = BatchDepot<Batch>;

std::size_t length(const Batch* batch) {
  std::size_t count = 0;
  for (; batch != nullptr; batch = batch->next_batch) ++count;
  return count;
}

TEST(BatchDepotAge, what_came_in_a_period_is_not_old_yet) {
  Depot depot;
  Batch batches[3];
  depot.begin_period();
  for (Batch& batch : batches) depot.put(&batch);
  EXPECT_EQ(depot.take_unused(10).batches, nullptr);
  depot.begin_period();
  const Depot::Unused unused = depot.take_unused(10);
  EXPECT_EQ(length(unused.batches), 3u);
  EXPECT_EQ(unused.left, 0u);
  EXPECT_EQ(depot.size(), 0u);
  EXPECT_EQ(depot.take(), nullptr);
}

TEST(BatchDepotAge, what_was_needed_in_between_is_not_old_though_it_is_back) {
  Depot depot;
  Batch batches[5];
  for (Batch& batch : batches) depot.put(&batch);
  depot.begin_period();
  Batch* first = depot.take();
  Batch* second = depot.take();
  depot.put(first);
  depot.put(second);
  EXPECT_EQ(depot.size(), 5u);
  EXPECT_EQ(length(depot.take_unused(2).batches), 2u) << "no more than was asked for";
  EXPECT_EQ(length(depot.take_unused(10).batches), 1u);
  EXPECT_EQ(depot.take_unused(10).batches, nullptr);
  EXPECT_EQ(depot.size(), 2u);
}

constexpr std::size_t block_bytes = 1'500;

void take_and_free(std::size_t count) {
  std::vector<void*> blocks(count);
  for (void*& block : blocks) block = frame_allocate(block_bytes);
  for (void* block : blocks) frame_free(block, block_bytes);
}

/// Calls it until it wants no more at that time; how often it had to. No call gives back more than 32 batches.
int age_at(std::int64_t now) {
  int calls = 1;
  for (std::size_t before = frame_batches();; ++calls) {
    const std::optional<std::int64_t> next = frame_age(now);
    EXPECT_LE(before - frame_batches(), 32u);
    before = frame_batches();
    if (!next || *next > now) return calls;
  }
}

TEST(FrameAge, a_burst_goes_when_nobody_needed_it_for_a_period) {
  // Later than any worker of another test has looked at the clock.
  std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                         (std::chrono::steady_clock::now() + std::chrono::hours(1)).time_since_epoch())
                         .count();
  take_and_free(6'400);
  if (frame_batches() == 0) GTEST_SKIP() << "under AddressSanitizer nothing is pooled";
  age_at(now);
  now += ageing_period_ns;
  age_at(now);  // what other tests have left goes, too
  take_and_free(6'400);
  const std::size_t full = frame_batches();
  EXPECT_GE(full, 190u) << "batches of 32, but for what the thread keeps";
  age_at(now + ageing_period_ns);
  EXPECT_EQ(frame_batches(), full) << "it came in this period";

  now += ageing_period_ns;
  EXPECT_EQ(frame_age(now + 1), now + ageing_period_ns) << "the time of the next look";
  take_and_free(3'200);
  EXPECT_EQ(frame_batches(), full);
  EXPECT_GT(age_at(now + ageing_period_ns), 2) << "a slice at a time";
  const std::size_t kept = frame_batches();
  EXPECT_GE(kept, 95u) << "the 3,200 were needed";
  EXPECT_LE(kept, 105u);

  age_at(now + 2 * ageing_period_ns);
  EXPECT_EQ(frame_batches(), 0u);
  EXPECT_EQ(frame_age(now + 3 * ageing_period_ns), std::nullopt) << "nothing can grow old";
}

// ---- chunks ----

std::vector<FreeBlock*> take_from_chunks(std::size_t bytes, std::size_t count) {
  std::vector<FreeBlock*> blocks;
  while (blocks.size() < count) {
    for (FreeBlock* block = chunk_blocks(bytes, std::min<std::size_t>(32, count - blocks.size()));
         block != nullptr; block = block->next)
      blocks.push_back(block);
  }
  return blocks;
}
void give_to_chunks(const std::vector<FreeBlock*>& blocks) {
  for (FreeBlock* block : blocks) {
    block->next = nullptr;
    return_chunk_blocks(block);
  }
}

TEST(FrameChunks, blocks_of_every_size_are_aligned_and_lie_apart) {
  for (std::size_t bytes = 16; bytes <= chunk_block_max; bytes += chunk_block_step) {
    std::vector<FreeBlock*> blocks = take_from_chunks(bytes, 1'000);
    std::sort(blocks.begin(), blocks.end());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i]) % (bytes % 16 == 0 ? 16 : 8), 0u);
      if (i > 0) {
        ASSERT_GE(reinterpret_cast<std::byte*>(blocks[i]) - reinterpret_cast<std::byte*>(blocks[i - 1]),
                  static_cast<std::ptrdiff_t>(bytes));
      }
      std::memset(blocks[i], 0xa5, bytes);  // no chunk's own words are there
    }
    give_to_chunks(blocks);
  }
}

TEST(FrameChunks, a_chunk_goes_back_when_its_last_block_does_and_serves_another_size) {
  const std::size_t before = chunks_in_use();
  std::vector<FreeBlock*> blocks = take_from_chunks(144, 10'000);
  const std::size_t full = chunks_in_use() - before;
  EXPECT_LE(full, 10'000u * 144 / 8'192 + 4) << "next to nothing is lost";
  EXPECT_GE(full, 10'000u * 144 / 8'192 - 1);
  std::vector<FreeBlock*> kept;
  for (std::size_t i = 0; i < blocks.size(); i += 1'000) kept.push_back(std::exchange(blocks[i], nullptr));
  std::erase(blocks, nullptr);
  give_to_chunks(blocks);
  EXPECT_LE(chunks_in_use() - before, kept.size() + 1) << "only those that a block is used of";
  give_to_chunks(kept);
  EXPECT_LE(chunks_in_use(), before + 1);
  blocks = take_from_chunks(512, 1'000);
  give_to_chunks(blocks);
  EXPECT_LE(chunks_in_use(), before + 1);
}

TEST(FrameChunks, what_has_come_back_is_handed_out_before_anything_new_is_touched) {
  std::vector<FreeBlock*> first = take_from_chunks(336, 5);
  give_to_chunks({first.begin() + 1, first.end()});
  std::vector<FreeBlock*> again = take_from_chunks(336, 4);
  for (FreeBlock* block : again)
    EXPECT_NE(std::find(first.begin() + 1, first.end(), block), first.end()) << "one of the four";
  give_to_chunks(again);
  give_to_chunks({first.front()});
}

TEST(FrameChunks, threads_that_take_and_give_back_at_once_share_no_block) {
  constexpr std::size_t sizes[] = {16, 144, 512};
  std::vector<std::jthread> threads;
  std::atomic<int> clashes{0};
  for (std::uintptr_t mine = 1; mine <= 4; ++mine) {
    threads.emplace_back([&, mine] {
      for (int round = 0; round < 200; ++round) {
        const std::vector<FreeBlock*> blocks = take_from_chunks(sizes[round % 3], 100);
        for (FreeBlock* block : blocks) block->next = reinterpret_cast<FreeBlock*>(mine);
        for (FreeBlock* block : blocks) clashes += block->next != reinterpret_cast<FreeBlock*>(mine);
        give_to_chunks(blocks);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(clashes.load(), 0);
}

}  // namespace
}  // namespace quiesce::detail
