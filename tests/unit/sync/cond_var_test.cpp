#include "quiesce/sync/cond_var.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

struct Line {
  Mutex<std::deque<int>> queue{std::deque<int>(), "queue"};
  CondVar filled{"filled"};
  std::vector<int> served;
  bool held_in_clean_up = false;
};

/// Looks whether the lock is held by its task while the frame is left.
struct LooksWhenItGoes {
  Line* line;
  MutexGuard<std::deque<int>>* guard;
  TaskId self;
  LooksWhenItGoes(Line* of, MutexGuard<std::deque<int>>* with, TaskId me) : line(of), guard(with), self(me) {}
  ~LooksWhenItGoes() {
    line->held_in_clean_up = static_cast<bool>(*guard) && line->queue.statistics().holder == self;
    if (*guard) (*guard)->push_back(-1);
  }
};

Task<> serve(Cx cx, Line* line, int who) {
  auto guard = co_await line->queue.lock(cx);
  const LooksWhenItGoes looks(line, &guard, cx.task_id());
  auto waiting = line->filled.wait(cx, guard, [&guard] { return !guard->empty(); });
  co_await std::move(waiting);
  guard->pop_front();
  line->served.push_back(who);
}
Task<> fill(Cx cx, Line* line, int items) {
  auto guard = co_await line->queue.lock(cx);
  for (int i = 0; i < items; ++i) {
    guard->push_back(i);
    line->filled.notify_one();
  }
  co_await cx.yield();
}

TEST(CondVar, UnlocksWhileItWaitsAndHasTheLockWhenItGoesOn) {
  Desk desk;
  Line line;
  auto one = desk.spawn(serve, unsafe_send(&line), 1);
  desk.stepper.run_until_idle();
  EXPECT_EQ(line.filled.statistics().waiters, 1u);
  EXPECT_FALSE(line.queue.statistics().is_locked);
  auto filler = desk.spawn(fill, unsafe_send(&line), 1);
  desk.stepper.step(filler.task_id());
  desk.stepper.step(one.task_id());  // notified, and now it waits for the lock
  EXPECT_EQ(line.filled.statistics().waiters, 0u);
  EXPECT_EQ(line.queue.statistics().waiters, 1u);
  EXPECT_TRUE(line.served.empty());
  desk.stepper.run_until_idle();
  EXPECT_EQ(line.served, (std::vector{1}));
  EXPECT_TRUE(line.held_in_clean_up);
  EXPECT_FALSE(line.queue.statistics().is_locked);
}

TEST(CondVar, NotifiesInTheOrderOfTheWaitsOrAll) {
  Desk desk;
  Line line;
  std::vector<TaskHandle<>> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(desk.spawn(serve, unsafe_send(&line), i));
  desk.stepper.run_until_idle();
  line.filled.notify_one();  // nothing is there: it waits again, behind the others
  desk.stepper.run_until_idle();
  EXPECT_EQ(line.filled.statistics().waiters, 4u);
  for (int i = 0; i < 4; ++i) (*line.queue.try_lock())->push_back(i);
  line.filled.notify_one();
  desk.stepper.run_until_idle();
  EXPECT_EQ(line.served, (std::vector{1}));
  EXPECT_EQ(line.filled.notify_all(), 3u);
  desk.stepper.run_until_idle();
  EXPECT_EQ(line.served, (std::vector{1, 2, 3, 0}));
}

TEST(CondVar, ATaskThatIsCancelledWhileItWaitsHasTheLockInItsCleanUp) {
  Desk desk;
  Line line;
  auto waits = desk.spawn(serve, unsafe_send(&line), 1);
  desk.stepper.run_until_idle();
  auto holder = desk.spawn(fill, unsafe_send(&line), 0);
  desk.stepper.step(holder.task_id());
  waits.abort();
  desk.stepper.step(waits.task_id());
  EXPECT_EQ(line.filled.statistics().waiters, 0u);
  EXPECT_EQ(line.queue.statistics().waiters, 1u) << "it wants the lock back";
  EXPECT_TRUE(desk.stepper.task(waits.task_id()).has_value());
  waits.abort();  // a further request does not end that wait
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(waits).is_cancelled());
  EXPECT_TRUE(line.held_in_clean_up);
  EXPECT_FALSE(line.queue.statistics().is_locked);
  EXPECT_EQ((*line.queue.try_lock())->front(), -1);
}

TEST(CondVar, ATaskCancelledBeforeItWaitsKeepsTheLockAndNeverUnlocks) {
  Desk desk;
  Line line;
  auto task = desk.spawn(serve, unsafe_send(&line), 1);
  auto held = line.queue.try_lock();
  desk.stepper.run_until_idle();
  held.reset();  // the lock is the task's now,
  task.abort();  // and it is cancelled before it waits
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(task).is_cancelled());
  EXPECT_TRUE(line.held_in_clean_up);
  EXPECT_EQ(line.filled.statistics().waited, 0u);
  EXPECT_FALSE(line.queue.statistics().is_locked);
}

TEST(CondVar, OneThatWasNotifiedBeforeItsRequestGoesOn) {
  Desk desk;
  Line line;
  auto one = desk.spawn(serve, unsafe_send(&line), 1);
  desk.stepper.run_until_idle();
  (*line.queue.try_lock())->push_back(1);
  line.filled.notify_one();
  one.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(one).is_ok());
  EXPECT_EQ(line.served, (std::vector{1}));
}

Task<> wait_with_nothing(Cx cx, Mutex<int>* mutex, CondVar* variable) {
  auto guard = co_await mutex->lock(cx);
  guard.unlock();
  auto waiting = variable->wait(cx, guard);
  co_await std::move(waiting);
}

TEST(CondVar, AGuardThatHoldsNoLockIsRefused) {
  Desk desk;
  Mutex<int> mutex;
  CondVar variable;
  auto ended = desk.run(wait_with_nothing(desk.cx, &mutex, &variable));
  ASSERT_TRUE(ended.is_err()) << ended;
  EXPECT_EQ(ended.error().code(), ErrorCode::InvalidArgument);
  EXPECT_NE(ended.error().message().find("CondVar::wait: the guard holds no lock"), std::string::npos);
}

}  // namespace
}  // namespace quiesce
