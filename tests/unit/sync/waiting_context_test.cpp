// Whose context a wait was made with, and where it is awaited: found wherever the two are brought together. And what is awaited in one
// expression, of which g++ begins all before it suspends in the first.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>

#include "quiesce/channel/mpsc.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/sync/latch.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using sync_tests::Desk;

struct Shared {
  Event event{"gate"};
  Latch latch{1};
  std::optional<Cx> other;
  std::optional<Wait<detail::EventWaitOperation>> made;
};

Task<> lends(Cx cx, Shared* shared) {
  shared->other = cx;
  shared->made.emplace(shared->event.wait(cx));
  co_await shared->latch.wait(cx);
}
Task<> borrows(Cx, Shared* shared) { co_await shared->event.wait(*shared->other); }
Task<bool> borrows_observed(Cx, Shared* shared) {
  const Outcome<> seen = co_await shared->event.wait(*shared->other).outcome();
  co_return seen.is_err() && seen.error().code() == ErrorCode::ForeignContext;
}
Task<> awaits_anothers(Cx, Shared* shared) { co_await *shared->made; }
Task<> awaits_its_own_later(Cx cx, Shared* shared) {
  auto wait = shared->event.wait(cx);
  co_await cx.yield();
  co_await std::move(wait);
}
Task<std::size_t> selects(Cx cx, Shared* shared) {
  auto first =
      co_await select_biased(cx, shared->event.wait(*shared->other), shared->latch.wait(*shared->other));
  co_return first.index();
}

struct WaitingContext : ::testing::Test, Desk {
  Shared shared;
  TaskHandle<> lender = spawn(lends, unsafe_send(&shared));
  void SetUp() override { stepper.run_until_idle(); }
  void TearDown() override {
    shared.latch.count_down();
    stepper.run_until_idle();
  }
};

TEST_F(WaitingContext, AnotherTasksIsRefusedWithItsName) {
  auto borrower = spawn(borrows, unsafe_send(&shared));
  stepper.run_until_idle();
  const Outcome<> ended = joined(borrower);
  ASSERT_TRUE(ended.is_err());
  EXPECT_EQ(ended.error().code(), ErrorCode::ForeignContext);
  EXPECT_NE(ended.error().message().find("used the context of task "), std::string::npos)
      << ended.error().message();
  EXPECT_EQ(shared.event.statistics().waited, 0u) << "it refuses before it has any effect";
}

TEST_F(WaitingContext, IsSeenByAnOutcome) {
  auto borrower = spawn(borrows_observed, unsafe_send(&shared));
  stepper.run_until_idle();
  EXPECT_TRUE(joined(borrower).value());
}

TEST_F(WaitingContext, AWaitThatAnotherTaskHasMadeIsRefused) {
  auto borrower = spawn(awaits_anothers, unsafe_send(&shared));
  stepper.run_until_idle();
  const Outcome<> ended = joined(borrower);
  ASSERT_TRUE(ended.is_err());
  EXPECT_EQ(ended.error().code(), ErrorCode::ForeignContext) << ended.error().message();
}

TEST_F(WaitingContext, OfATaskThatHasEndedIsStale) {
  shared.latch.count_down();
  stepper.run_until_idle();
  auto borrower = spawn(borrows, unsafe_send(&shared));
  stepper.run_until_idle();
  const Outcome<> ended = joined(borrower);
  ASSERT_TRUE(ended.is_err());
  EXPECT_EQ(ended.error().code(), ErrorCode::StaleContext) << ended.error().message();
}

TEST_F(WaitingContext, AWaitMayBeKeptByItsOwnTask) {
  auto keeper = spawn(awaits_its_own_later, unsafe_send(&shared));
  stepper.run_until_idle();
  EXPECT_EQ(shared.event.statistics().waiters, 1u);
  shared.event.set();
  stepper.run_until_idle();
  EXPECT_TRUE(joined(keeper).is_ok());
}

/// The select has its own.
TEST_F(WaitingContext, OfABranchDoesNotMatter) {
  auto selecting = spawn(selects, unsafe_send(&shared));
  stepper.run_until_idle();
  EXPECT_EQ(shared.event.statistics().waiters, 1u);
  shared.event.set();
  stepper.run_until_idle();
  EXPECT_EQ(joined(selecting).value(), 0u);
}

// ---- several awaits in one expression ----

struct Two {
  Event first{"first"}, second{"second"};
  mpsc::Receiver<int>* values = nullptr;
};

Task<int> deeper(Cx cx, Two* two) {
  co_await two->second.wait(cx);
  co_return 100;
}
constexpr std::uint32_t line_of_both = std::source_location::current().line() + 2;
Task<int> awaits_both(Cx cx, Two* two) {
  const int sum = (co_await two->first.wait(cx), 1) + (co_await two->second.wait(cx), 2);
  co_return sum;
}
constexpr std::uint32_t line_of_mixed = std::source_location::current().line() + 2;
Task<int> awaits_mixed(Cx cx, Two* two) {
  const int sum = (co_await two->first.wait(cx), 1) + co_await deeper(cx, two);
  co_return sum;
}

struct SeveralAwaits : ::testing::Test, Desk {
  Two two;

  std::uint32_t line_of(TaskId task, std::size_t outermost) {
    for (const RegionSnapshot& region : stepper.snapshot().regions) {
      for (const TaskSnapshot& seen : region.tasks) {
        if (seen.id == task && seen.stack.size() > outermost) return seen.stack[outermost].line;
      }
    }
    return 0;
  }
};

TEST_F(SeveralAwaits, WaitForWhatEachNamesAndTellWhereTheyAre) {
  auto task = spawn(awaits_both, unsafe_send(&two));
  stepper.run_until_idle();
  EXPECT_EQ(two.first.statistics().waiters, 1u);
  EXPECT_EQ(two.second.statistics().waiters, 0u);
  EXPECT_EQ(line_of(task.task_id(), 0), line_of_both);
  two.first.set();
  stepper.run_until_idle();
  EXPECT_EQ(two.second.statistics().waiters, 1u);
  EXPECT_EQ(line_of(task.task_id(), 0), line_of_both);
  two.second.set();
  stepper.run_until_idle();
  EXPECT_EQ(joined(task).value(), 3);
}

TEST_F(SeveralAwaits, OfWhichOneIsAChildTellWhereTheyAre) {
  auto task = spawn(awaits_mixed, unsafe_send(&two));
  stepper.run_until_idle();
  EXPECT_EQ(line_of(task.task_id(), 0), line_of_mixed);
  two.first.set();
  stepper.run_until_idle();
  EXPECT_EQ(two.second.statistics().waiters, 1u);
  EXPECT_EQ(line_of(task.task_id(), 1), line_of_mixed);
  two.second.set();
  stepper.run_until_idle();
  EXPECT_EQ(joined(task).value(), 101);
}

// ---- alignment ----

struct alignas(16) Aligned {
  std::byte bytes[16];
};
/// Frames of many sizes, with a local that must be aligned to 16 in each. The type must: of a variable g++ 12 forgets that in a coroutine.
template <std::size_t Words>
Task<bool> aligned(Cx cx, Two* two) {
  std::array<std::uint64_t, Words> words{};
  Aligned kept{};
  co_await two->first.wait(cx);
  words[0] = reinterpret_cast<std::uintptr_t>(&kept);
  co_return words[0] % 16 == 0;
}
template <std::size_t... Words>
void run_aligned(Desk& desk, Two& two, std::index_sequence<Words...>) {
  std::array tasks{desk.spawn(aligned<Words + 1>, unsafe_send(&two))...};
  desk.stepper.run_until_idle();
  two.first.set();
  desk.stepper.run_until_idle();
  for (auto& task : tasks) EXPECT_TRUE(desk.joined(task).value());
}
TEST_F(SeveralAwaits, KeepWhatIsAlignedInAFrameOfAnySizeWhereItMustBe) {
  run_aligned(*this, two, std::make_index_sequence<9>());
}

}  // namespace
}  // namespace quiesce
