#include "quiesce/sync/rw_lock.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

static_assert(!Sendable<ReadGuard<int>> && !Sendable<WriteGuard<int>>);
static_assert(enable_sync<RwLock<int>>);
static_assert(std::is_same_v<decltype(*std::declval<ReadGuard<int>>()), const int&>);

/// What happened, in order: "r1" a reader went in, "w2" a writer did.
struct Hall {
  RwLock<int> lock{0, "hall"};
  std::vector<std::string> entered;
};

Task<> reader(Cx cx, Hall* hall, int who, int yields) {
  auto guard = co_await hall->lock.read(cx);
  hall->entered.push_back("r" + std::to_string(who));
  for (int i = 0; i < yields; ++i) co_await cx.yield();
}
Task<> writer(Cx cx, Hall* hall, int who, int yields) {
  auto guard = co_await hall->lock.write(cx);
  hall->entered.push_back("w" + std::to_string(who));
  ++*guard;
  for (int i = 0; i < yields; ++i) co_await cx.yield();
}

TEST(RwLock, ReadersAreInsideTogetherAndAWriterAlone) {
  Desk desk;
  Hall hall;
  auto one = desk.spawn(reader, unsafe_send(&hall), 1, 2);
  auto two = desk.spawn(reader, unsafe_send(&hall), 2, 2);
  auto three = desk.spawn(writer, unsafe_send(&hall), 3, 1);
  for (auto* handle : {&one, &two, &three}) desk.stepper.step(handle->task_id());
  EXPECT_EQ(hall.lock.statistics().readers, 2u);
  EXPECT_EQ(hall.lock.statistics().waiting_writers, 1u);
  EXPECT_FALSE(hall.lock.try_write());
  EXPECT_FALSE(hall.lock.try_read()) << "a writer waits";
  desk.stepper.run_until_idle();
  EXPECT_EQ(hall.entered, (std::vector<std::string>{"r1", "r2", "w3"}));
  EXPECT_EQ(hall.lock.statistics().readers, 0u);
  EXPECT_TRUE(hall.lock.try_write());
}

TEST(RwLock, WritersAndBatchesOfReadersTakeTurns) {
  Desk desk;
  Hall hall;
  std::vector<TaskHandle<>> handles;
  handles.push_back(desk.spawn(reader, unsafe_send(&hall), 0, 1));
  handles.push_back(desk.spawn(writer, unsafe_send(&hall), 1, 1));
  handles.push_back(desk.spawn(writer, unsafe_send(&hall), 2, 1));
  handles.push_back(desk.spawn(reader, unsafe_send(&hall), 3, 1));
  handles.push_back(desk.spawn(writer, unsafe_send(&hall), 4, 1));
  handles.push_back(desk.spawn(reader, unsafe_send(&hall), 5, 1));
  for (auto& handle : handles) desk.stepper.step(handle.task_id());
  EXPECT_EQ(hall.lock.statistics().waiting_readers, 2u);
  EXPECT_EQ(hall.lock.statistics().waiting_writers, 3u);
  desk.stepper.run_until_idle();
  EXPECT_EQ(hall.entered, (std::vector<std::string>{"r0", "w1", "r3", "r5", "w2", "w4"}));
  EXPECT_EQ(hall.lock.statistics().waited, 5u);
}

TEST(RwLock, AWriterThatLeavesTheListLetsTheReadersBehindItIn) {
  Desk desk;
  Hall hall;
  auto inside = desk.spawn(reader, unsafe_send(&hall), 1, 5);
  auto leaves = desk.spawn(writer, unsafe_send(&hall), 2, 0);
  auto behind = desk.spawn(reader, unsafe_send(&hall), 3, 0);
  for (auto* handle : {&inside, &leaves, &behind}) desk.stepper.step(handle->task_id());
  leaves.abort();
  desk.stepper.step(leaves.task_id());
  EXPECT_EQ(hall.lock.statistics().readers, 2u);
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(leaves).is_cancelled());
  EXPECT_EQ(hall.entered, (std::vector<std::string>{"r1", "r3"}));
}

TEST(RwLock, AReaderThatIsCancelledLeavesNoPlace) {
  Desk desk;
  Hall hall;
  auto inside = desk.spawn(writer, unsafe_send(&hall), 1, 2);
  auto leaves = desk.spawn(reader, unsafe_send(&hall), 2, 0);
  for (auto* handle : {&inside, &leaves}) desk.stepper.step(handle->task_id());
  EXPECT_EQ(hall.lock.statistics().writer, inside.task_id());
  leaves.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(leaves).is_cancelled());
  EXPECT_EQ(hall.lock.statistics().waiting_readers, 0u);
  EXPECT_TRUE(hall.lock.try_write());
}

TEST(RwLock, ATaskCancelledBeforeItsStartEntersNothing) {
  Desk desk;
  Hall hall;
  auto reads = desk.spawn(reader, unsafe_send(&hall), 1, 0);
  auto writes = desk.spawn(writer, unsafe_send(&hall), 2, 0);
  reads.abort();
  writes.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(reads).is_cancelled());
  EXPECT_TRUE(desk.joined(writes).is_cancelled());
  EXPECT_TRUE(hall.entered.empty());
  EXPECT_TRUE(hall.lock.try_write());
}

Task<> downgrades(Cx cx, Hall* hall) {
  auto mine = co_await hall->lock.write(cx);
  *mine = 5;
  co_await cx.yield();
  auto still = std::move(mine).downgrade();
  co_await cx.yield();
  hall->entered.push_back("still " + std::to_string(*still));
}

TEST(RwLock, AWriterThatDowngradesReadsOnWithTheReadersAndLetsNoWriterBetween) {
  Desk desk;
  Hall hall;
  auto downgrading = desk.spawn(downgrades, unsafe_send(&hall));
  auto writes = desk.spawn(writer, unsafe_send(&hall), 1, 0);
  auto reads = desk.spawn(reader, unsafe_send(&hall), 2, 3);
  for (auto* handle : {&downgrading, &writes, &reads, &downgrading}) desk.stepper.step(handle->task_id());
  EXPECT_EQ(hall.lock.statistics().readers, 2u);
  desk.stepper.run_until_idle();
  ASSERT_EQ(hall.entered.size(), 3u);
  EXPECT_EQ(hall.entered.back(), "w1");
  EXPECT_TRUE(hall.lock.try_write());
}

Task<ErrorCode> wants_more(Cx cx, Hall* hall) {
  auto reads = co_await hall->lock.read(cx);
  auto writes = co_await hall->lock.write(cx).outcome();
  if (!writes.is_err()) co_return ErrorCode::User;
  EXPECT_NE(writes.error().message().find(
                "is inside the reader-writer lock \"hall\" already, and would wait for itself "
                "for ever to write it"),
            std::string::npos)
      << writes;
  auto beside = co_await hall->lock.read(cx);  // nobody waits: two guards of one task
  co_return writes.error().code();
}

TEST(RwLock, AReaderThatWantsToWriteIsRefused) {
  Desk desk;
  Hall hall;
  EXPECT_EQ(desk.run(wants_more(desk.cx, &hall)).value(), ErrorCode::InvalidArgument);
  EXPECT_EQ(hall.lock.statistics().readers, 0u);
}

Task<> late(Cx cx, Hall* hall, bool write) {
  if (write) {
    auto guard = co_await hall->lock.write_for(cx, 1ms);
  } else {
    auto guard = co_await hall->lock.read_for(cx, 1ms);
  }
}

TEST(RwLock, ADeadlineGivesTimedOutToReadersAndWriters) {
  Desk desk;
  Hall hall;
  {
    auto held = hall.lock.try_write();
    EXPECT_EQ(desk.run(late(desk.cx, &hall, true)).error().code(), ErrorCode::TimedOut);
    EXPECT_EQ(desk.run(late(desk.cx, &hall, false)).error().code(), ErrorCode::TimedOut);
  }
  EXPECT_TRUE(desk.run(late(desk.cx, &hall, true)).is_ok());
  EXPECT_TRUE(desk.run(late(desk.cx, &hall, false)).is_ok());
}

Task<std::size_t> either(Cx cx, Hall* hall) {
  auto first = co_await select_biased(cx, hall->lock.write(), hall->lock.read());
  co_return first.index();
}

TEST(RwLock, ASelectReadsWhereItCannotWrite) {
  Desk desk;
  Hall hall;
  EXPECT_EQ(desk.run(either(desk.cx, &hall)).value(), 0u);
  auto held = hall.lock.try_read();
  EXPECT_EQ(desk.run(either(desk.cx, &hall)).value(), 1u);
  EXPECT_EQ(hall.lock.statistics().readers, 1u);
}

Task<> keeps(Cx cx, RwLock<std::unique_ptr<int>>* lock,
             std::optional<ReadGuard<std::unique_ptr<int>>>* outside) {
  auto guard = co_await lock->read(cx);
  outside->emplace(std::move(guard));
}

TEST(RwLock, AReadGuardThatEscapesEndsItsTaskPanicked) {
  Desk desk;
  RwLock<std::unique_ptr<int>> lock(std::make_unique<int>(3), "shelf");
  std::optional<ReadGuard<std::unique_ptr<int>>> outside;
  auto task = desk.spawn(keeps, unsafe_send(&lock), unsafe_send(&outside));
  desk.stepper.run_until_idle();
  auto ended = desk.joined(task);
  ASSERT_TRUE(ended.is_panicked()) << ended;
  EXPECT_NE(ended.panic().message().find("a guard of a reader-writer lock \"shelf\""), std::string::npos)
      << ended;
  outside.reset();
  EXPECT_TRUE(lock.try_write());
}

}  // namespace
}  // namespace quiesce
