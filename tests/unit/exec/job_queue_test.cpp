#include "quiesce/detail/exec/job_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace quiesce::detail {
namespace {

TEST(JobQueue, AJobThatIsNotQueuedCannotBeRemoved) {
  JobQueue queue;
  BlockingJob job;
  EXPECT_FALSE(queue.remove(&job));
  ASSERT_TRUE(queue.push(&job));
  EXPECT_EQ(queue.pop(), &job);
  EXPECT_FALSE(queue.remove(&job));
  EXPECT_EQ(queue.pop(), nullptr);
}

TEST(JobQueue, WithdrawingForEverBehindAJobThatWaitsTakesBoundedMemory) {
  JobQueue queue;
  BlockingJob waits, withdrawn;
  ASSERT_TRUE(queue.push(&waits));
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(queue.push(&withdrawn));
    ASSERT_TRUE(queue.remove(&withdrawn));
    ASSERT_LE(queue.slots(), 2 * queue.size() + JobQueue::gaps_allowed);
  }
  EXPECT_EQ(queue.pop(), &waits);
  EXPECT_EQ(queue.slots(), 0u);
}

TEST(JobQueue, JobsThatMovedUpIntoGapsCanBeRemovedAndComeInOrder) {
  JobQueue queue;
  std::vector<BlockingJob> jobs(400);
  for (BlockingJob& job : jobs) ASSERT_TRUE(queue.push(&job));
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (i % 10 == 0) continue;
    ASSERT_TRUE(queue.remove(&jobs[i]));
  }
  ASSERT_LT(queue.slots(), jobs.size()) << "the gaps have been closed";
  EXPECT_TRUE(queue.remove(&jobs[10]));
  EXPECT_TRUE(queue.remove(&jobs[390]));
  EXPECT_EQ(queue.pop(), &jobs[0]);
  for (std::size_t i = 20; i < 390; i += 10) EXPECT_EQ(queue.pop(), &jobs[i]);
  EXPECT_EQ(queue.pop(), nullptr);
}

RC_GTEST_PROP(JobQueue, AgreesWithAList, ()) {
  const auto operations = *rc::gen::resize(
      600, rc::gen::container<std::vector<std::uint32_t>>(rc::gen::arbitrary<std::uint32_t>()));
  std::deque<BlockingJob> jobs;
  std::vector<BlockingJob*> model;
  JobQueue queue;
  for (std::uint32_t operation : operations) {
    const std::uint32_t choice = operation % 8, argument = operation / 8;
    if (choice < 4) {
      model.push_back(&jobs.emplace_back());
      RC_ASSERT(queue.push(model.back()));
    } else if (choice == 4) {
      BlockingJob* expected = model.empty() ? nullptr : model.front();
      RC_ASSERT(queue.pop() == expected);
      if (expected != nullptr) model.erase(model.begin());
    } else if (!jobs.empty()) {
      BlockingJob* job = &jobs[argument % jobs.size()];
      const auto at = std::find(model.begin(), model.end(), job);
      RC_ASSERT(queue.remove(job) == (at != model.end()));
      if (at != model.end()) model.erase(at);
    }
    RC_ASSERT(queue.size() == model.size());
  }
  for (BlockingJob* job : model) RC_ASSERT(queue.pop() == job);
  RC_ASSERT(queue.pop() == nullptr);
}

}  // namespace
}  // namespace quiesce::detail
