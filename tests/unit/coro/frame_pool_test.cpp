// The age of pooled frame memory: what nobody needed for a period goes, a slice at a time; what was needed stays.
#include "quiesce/detail/coro/frame_pool.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "quiesce/detail/coro/batch_depot.hpp"

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
  now += frame_period_ns;
  age_at(now);  // what other tests have left goes, too
  take_and_free(6'400);
  const std::size_t full = frame_batches();
  EXPECT_GE(full, 190u) << "batches of 32, but for what the thread keeps";
  age_at(now + frame_period_ns);
  EXPECT_EQ(frame_batches(), full) << "it came in this period";

  now += frame_period_ns;
  EXPECT_EQ(frame_age(now + 1), now + frame_period_ns) << "the time of the next look";
  take_and_free(3'200);
  EXPECT_EQ(frame_batches(), full);
  EXPECT_GT(age_at(now + frame_period_ns), 2) << "a slice at a time";
  const std::size_t kept = frame_batches();
  EXPECT_GE(kept, 95u) << "the 3,200 were needed";
  EXPECT_LE(kept, 105u);

  age_at(now + 2 * frame_period_ns);
  EXPECT_EQ(frame_batches(), 0u);
  EXPECT_EQ(frame_age(now + 3 * frame_period_ns), std::nullopt) << "nothing can grow old";
}

}  // namespace
}  // namespace quiesce::detail
