#include "quiesce/testing/stepper.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;

Task<int> add_one(Cx, int x) { co_return x + 1; }

TEST(Stepper, SpawnStepJoin) {
  Stepper s;
  RegionId root = s.create_root_region(Budget::infinite());
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
  auto h = scope.spawn(cx, add_one, 41).value();
  ASSERT_EQ(s.live_tasks(), std::vector{h.task_id()});
  EXPECT_EQ(s.task(h.task_id())->phase, TaskPhase::Created);
  EXPECT_EQ(s.step(h.task_id()), StepResult::done);
  EXPECT_EQ(s.task(h.task_id())->phase, TaskPhase::Completed);
  EXPECT_TRUE(s.live_tasks().empty());
  Outcome<int> o = s.run(h.join(cx));
  ASSERT_TRUE(o.is_ok());
  EXPECT_EQ(o.value(), 42);
  Outcome<int> again = s.run(h.join(cx));
  ASSERT_TRUE(again.is_err());
  EXPECT_EQ(again.error().code(), ErrorCode::PolledAfterCompletion);
}

}  // namespace
}  // namespace quiesce::testing
