#include "quiesce/sync/mutex.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"
#include "quiesce/testing/stepper.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

static_assert(!std::is_copy_constructible_v<MutexGuard<int>>);
static_assert(!Sendable<MutexGuard<int>>);
static_assert(enable_sync<Mutex<int>>);
static_assert(!enable_sync<Mutex<int*>>);

/// Locks, notes that it did, holds the lock for so many yields, and unlocks.
Task<> visit(Cx cx, Mutex<std::vector<int>>* mutex, int who, int yields) {
  auto guard = co_await mutex->lock(cx);
  guard->push_back(who);
  for (int i = 0; i < yields; ++i) co_await cx.yield();
}

TEST(Mutex, IsHandedOnInTheOrderInWhichTasksCame) {
  Desk desk;
  Mutex<std::vector<int>> mutex({}, "log");
  std::vector<TaskHandle<>> handles;
  for (int i = 0; i < 5; ++i) handles.push_back(desk.spawn(visit, unsafe_send(&mutex), i, 3));
  desk.stepper.step(handles[0].task_id());
  for (int i : {3, 1, 4, 2}) desk.stepper.step(handles[static_cast<std::size_t>(i)].task_id());
  EXPECT_EQ(mutex.statistics().waiters, 4u);
  EXPECT_EQ(mutex.statistics().holder, handles[0].task_id());
  desk.stepper.run_until_idle();
  EXPECT_EQ(**mutex.try_lock(), (std::vector{0, 3, 1, 4, 2}));
  EXPECT_EQ(mutex.statistics().waited, 4u);
}

TEST(Mutex, ATryMayPassWhoWasCalledButNotWhoWasHandedIt) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto holder = desk.spawn(visit, unsafe_send(&mutex), 1, 1);
  auto next = desk.spawn(visit, unsafe_send(&mutex), 2, 1);
  auto behind = desk.spawn(visit, unsafe_send(&mutex), 3, 0);
  for (auto* handle : {&holder, &next, &behind}) desk.stepper.step(handle->task_id());
  EXPECT_FALSE(mutex.try_lock());
  desk.stepper.step(holder.task_id());  // it has ended; the next is called, and has not moved yet
  EXPECT_FALSE(mutex.statistics().is_locked);
  EXPECT_EQ(mutex.statistics().waiters, 2u);
  auto passes = mutex.try_lock();
  ASSERT_TRUE(passes);
  desk.stepper.step(next.task_id());  // in vain: it is the first in line again
  EXPECT_EQ(mutex.statistics().waiters, 2u);
  EXPECT_EQ(mutex.statistics().waited, 3u);
  passes.reset();  // it was called before: it is handed the lock
  EXPECT_EQ(mutex.statistics().holder, next.task_id());
  EXPECT_FALSE(mutex.try_lock());
  desk.stepper.run_until_idle();
  EXPECT_TRUE(mutex.try_lock());
  EXPECT_FALSE(mutex.statistics().is_locked);
}

TEST(Mutex, ThoseThatPassAreCountedAnewForEachThatIsServed) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  for (int round = 0; round < 3; ++round) {
    auto outside = mutex.try_lock();
    auto waits = desk.spawn(visit, unsafe_send(&mutex), round, 0);
    desk.stepper.run_until_idle();
    outside.reset();
    std::uint32_t passed = 0;
    const std::uint32_t passing = round % 2 == 0 ? mutex_passes_max / 2 : 2 * mutex_passes_max;
    while (passed < passing && mutex.try_lock()) ++passed;
    EXPECT_EQ(passed, std::min(passing, mutex_passes_max));
    EXPECT_EQ(mutex.statistics().is_locked, passing > mutex_passes_max) << "handed over, or free";
    desk.stepper.run_until_idle();
    EXPECT_TRUE(desk.joined(waits).is_ok());
  }
  EXPECT_EQ((*mutex.try_lock())->size(), 3u);
}

/// Locks once, with a yield inside, and then so many times without giving way.
Task<> greedy(Cx cx, Mutex<std::vector<int>>* mutex, int who, int times) {
  co_await visit(cx, mutex, who, 1);
  for (int i = 0; i < times; ++i) {
    auto guard = co_await mutex->lock(cx);
    guard->push_back(who);
  }
}

TEST(Mutex, AWaiterIsPassedSoManyTimesAndNotMore) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto passing = desk.spawn(greedy, unsafe_send(&mutex), 1, 2 * static_cast<int>(mutex_passes_max));
  auto waits = desk.spawn(visit, unsafe_send(&mutex), 2, 0);
  desk.stepper.step(passing.task_id());
  desk.stepper.step(waits.task_id());
  desk.stepper.step(passing.task_id());
  EXPECT_EQ(mutex.statistics().holder, waits.task_id()) << "handed over, though it has not moved since";
  EXPECT_EQ(mutex.statistics().waiters, 1u) << "the other waits for it now";
  desk.stepper.run_until_idle();
  auto log = mutex.try_lock();
  ASSERT_EQ((*log)->size(), 2 * mutex_passes_max + 2);
  EXPECT_EQ((**log)[mutex_passes_max + 1], 2) << "after the first lock and those in passing";
  EXPECT_TRUE(desk.joined(passing).is_ok());
}

TEST(Mutex, OfThoseThatWaitEachIsServedInTurnWhoeverPasses) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  const int times = 6 * static_cast<int>(mutex_passes_max);
  auto passing = desk.spawn(greedy, unsafe_send(&mutex), 0, times);
  desk.stepper.step(passing.task_id());
  std::vector<TaskHandle<>> waiting;
  for (int i = 1; i <= 3; ++i) {
    waiting.push_back(desk.spawn(visit, unsafe_send(&mutex), i, 0));
    desk.stepper.step(waiting.back().task_id());
  }
  desk.stepper.run_until_idle();
  auto log = mutex.try_lock();
  std::vector<int> served;
  std::uint32_t passed = 0;
  for (const int who : **log) {
    if (who == 0) {
      ++passed;
      continue;
    }
    EXPECT_LE(passed, mutex_passes_max + 1);  // and the first, which nobody waited for
    passed = 0;
    served.push_back(who);
  }
  EXPECT_EQ(served, (std::vector{1, 2, 3}));
}

TEST(Mutex, AnUnlockByWhoNeverLocksAgainIsEnough) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto outside = mutex.try_lock();
  auto first = desk.spawn(visit, unsafe_send(&mutex), 1, 0);
  auto second = desk.spawn(visit, unsafe_send(&mutex), 2, 0);
  desk.stepper.run_until_idle();
  EXPECT_EQ(mutex.statistics().waiters, 2u);
  outside.reset();
  desk.stepper.run_until_idle();
  EXPECT_EQ(**mutex.try_lock(), (std::vector{1, 2}));
  EXPECT_TRUE(desk.joined(first).is_ok() && desk.joined(second).is_ok());
}

TEST(Mutex, OneThatIsCancelledAfterItWasCalledInVainPassesTheCallOn) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto outside = mutex.try_lock();
  auto called = desk.spawn(visit, unsafe_send(&mutex), 1, 0);
  auto behind = desk.spawn(visit, unsafe_send(&mutex), 2, 0);
  for (auto* handle : {&called, &behind}) desk.stepper.step(handle->task_id());
  outside.reset();             // calls the first,
  called.abort();              // whose request is too late for this wait, and in time for the next,
  outside = mutex.try_lock();  // for another has the lock
  desk.stepper.step(called.task_id());
  EXPECT_TRUE(desk.joined(called).is_cancelled());
  EXPECT_EQ(mutex.statistics().waiters, 1u);
  outside.reset();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(behind).is_ok());
  EXPECT_EQ(**mutex.try_lock(), (std::vector{2}));
}

TEST(Mutex, OneThatIsCancelledWithTheCallUnansweredAndTheLockFreeTakesIt) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto outside = mutex.try_lock();
  auto called = desk.spawn(visit, unsafe_send(&mutex), 1, 1);
  auto behind = desk.spawn(visit, unsafe_send(&mutex), 2, 0);
  for (auto* handle : {&called, &behind}) desk.stepper.step(handle->task_id());
  outside.reset();
  called.abort();  // as a grant that came before the request: it stands
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(called).is_cancelled()) << "at its yield, with the lock held";
  EXPECT_EQ(**mutex.try_lock(), (std::vector{1, 2}));
}

Task<int> selects(Cx cx, Mutex<std::vector<int>>* mutex) {
  auto first = co_await select(cx, mutex->lock(), cx.sleep(1h));
  if (first.index() == 0) std::get<0>(first)->push_back(9);
  co_return static_cast<int>(first.index());
}

TEST(Mutex, InASelectItIsHandedOver) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto outside = mutex.try_lock();
  auto waits = desk.spawn(selects, unsafe_send(&mutex));
  desk.stepper.step(waits.task_id());
  outside.reset();
  EXPECT_EQ(mutex.statistics().holder, waits.task_id());
  EXPECT_FALSE(mutex.try_lock()) << "a select is won once, so its lock is not passed";
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(waits).value(), 0);
  EXPECT_FALSE(mutex.statistics().is_locked);
}

TEST(Mutex, AWaitThatIsCancelledLeavesNoPlaceAndTheNextIsServed) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto holder = desk.spawn(visit, unsafe_send(&mutex), 1, 2);
  auto leaves = desk.spawn(visit, unsafe_send(&mutex), 2, 0);
  auto stays = desk.spawn(visit, unsafe_send(&mutex), 3, 0);
  for (auto* handle : {&holder, &leaves, &stays}) desk.stepper.step(handle->task_id());
  leaves.abort();
  desk.stepper.step(leaves.task_id());
  EXPECT_EQ(mutex.statistics().waiters, 1u);
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(leaves).is_cancelled());
  EXPECT_TRUE(desk.joined(stays).is_ok());
  EXPECT_EQ(**mutex.try_lock(), (std::vector{1, 3}));
}

TEST(Mutex, AGrantAndARequestAtTheSameTimeLoseNothing) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto holder = desk.spawn(visit, unsafe_send(&mutex), 1, 1);
  auto both = desk.spawn(visit, unsafe_send(&mutex), 2, 1);
  auto behind = desk.spawn(visit, unsafe_send(&mutex), 3, 0);
  for (auto* handle : {&holder, &both, &behind}) desk.stepper.step(handle->task_id());
  desk.stepper.step(holder.task_id());  // grants it to `both`,
  both.abort();                         // whose request comes too late for this wait
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(both).is_cancelled());  // at its yield, with the lock held
  EXPECT_TRUE(desk.joined(behind).is_ok());
  EXPECT_EQ(**mutex.try_lock(), (std::vector{1, 2, 3}));
}

TEST(Mutex, ATaskThatIsCancelledBeforeItsStartTakesNoLock) {
  Desk desk;
  Mutex<std::vector<int>> mutex;
  auto task = desk.spawn(visit, unsafe_send(&mutex), 1, 0);
  task.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(task).is_cancelled());
  EXPECT_TRUE((*mutex.try_lock())->empty());
}

Task<std::string> locks_twice(Cx cx, Mutex<int>* mutex) {
  auto guard = co_await mutex->lock(cx);
  auto again = co_await mutex->lock(cx).outcome();
  co_return again.is_err() ? again.error().message() : "it was given twice";
}

TEST(Mutex, ATaskThatWouldWaitForItselfIsRefused) {
  Desk desk;
  Mutex<int> mutex(0, "books");
  const auto message = desk.run(locks_twice(desk.cx, &mutex));
  EXPECT_NE(message.value().find("has locked the mutex \"books\" already, and would wait for itself for ever"),
            std::string::npos)
      << message;
  EXPECT_FALSE(mutex.statistics().is_locked);
}

Task<int> lock_with_deadline(Cx cx, Mutex<int>* mutex, Duration duration) {
  auto guard = co_await mutex->lock_for(cx, duration);
  co_return *guard;
}
Task<> hold_for(Cx cx, Mutex<int>* mutex, Duration duration) {
  auto guard = co_await mutex->lock(cx);
  co_await cx.sleep(duration);
}

TEST(Mutex, ALockWithADeadlineTimesOutAndLeavesNoPlace) {
  Desk desk;
  Mutex<int> mutex(7, "slow");
  auto holder = desk.spawn(hold_for, unsafe_send(&mutex), Duration(10ms));
  auto hurried = desk.spawn(lock_with_deadline, unsafe_send(&mutex), Duration(3ms));
  auto patient = desk.spawn(lock_with_deadline, unsafe_send(&mutex), Duration(30ms));
  desk.stepper.run_until_idle();
  EXPECT_EQ(mutex.statistics().waiters, 2u);
  desk.stepper.advance(3ms);
  desk.stepper.run_until_idle();
  auto late = desk.joined(hurried);
  ASSERT_TRUE(late.is_err()) << late;
  EXPECT_EQ(late.error().code(), ErrorCode::TimedOut);
  EXPECT_NE(late.error().message().find("the wait for a mutex \"slow\" came to its deadline"),
            std::string::npos);
  EXPECT_EQ(mutex.statistics().waiters, 1u);
  desk.stepper.advance(7ms);
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(patient).value(), 7);
  EXPECT_FALSE(mutex.statistics().is_locked);
}

TEST(Mutex, ALockWithADeadlineCanBeCancelled) {
  Desk desk;
  Mutex<int> mutex;
  auto holder = desk.spawn(hold_for, unsafe_send(&mutex), Duration(10ms));
  auto waits = desk.spawn(lock_with_deadline, unsafe_send(&mutex), Duration(5ms));
  desk.stepper.run_until_idle();
  waits.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(waits).is_cancelled());
  EXPECT_EQ(mutex.statistics().waiters, 0u);
  desk.stepper.advance(10ms);
  EXPECT_TRUE(desk.joined(holder).is_ok());
}

TEST(Mutex, ADeadlineThatHasPassedTakesAFreeLockAllTheSame) {
  Desk desk;
  Mutex<int> mutex(3);
  EXPECT_EQ(desk.run(lock_with_deadline(desk.cx, &mutex, -1ms)).value(), 3);
}

Task<int> select_one(Cx cx, Mutex<int>* a, Mutex<int>* b) {
  auto first = co_await select_biased(cx, a->lock(), b->lock(), cx.sleep(1ms));
  if (first.index() == 2) co_return -1;
  auto& guard = first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
  co_return *guard;
}

TEST(Mutex, ASelectLocksOneOfTwo) {
  Desk desk;
  Mutex<int> a(1), b(2);
  EXPECT_EQ(desk.run(select_one(desk.cx, &a, &b)).value(), 1);
  {
    auto held = a.try_lock();
    EXPECT_EQ(desk.run(select_one(desk.cx, &a, &b)).value(), 2);
    auto both = b.try_lock();
    EXPECT_EQ(desk.run(select_one(desk.cx, &a, &b)).value(), -1);
    EXPECT_EQ(a.statistics().waiters + b.statistics().waiters, 0u);
  }
  EXPECT_FALSE(a.statistics().is_locked || b.statistics().is_locked);
}

Task<> panics_inside(Cx cx, Mutex<int>* mutex) {
  auto guard = co_await mutex->lock(cx);
  *guard = 1;
  throw std::runtime_error("halfway");
}

TEST(Mutex, ATaskThatPanicsUnlocksAndPoisonsNothing) {
  Desk desk;
  Mutex<int> mutex;
  EXPECT_TRUE(desk.run(panics_inside(desk.cx, &mutex)).is_panicked());
  auto guard = mutex.try_lock();
  ASSERT_TRUE(guard);
  EXPECT_EQ(**guard, 1);
}

struct Pinned {
  explicit Pinned(int v) : value(v) {}
  Pinned(Pinned&&) = delete;
  int value;
};

TEST(Mutex, HoldsWhatCanOnlyBeMovedOrNotEvenThat) {
  Mutex<std::unique_ptr<int>> owned(std::make_unique<int>(4));
  EXPECT_EQ(***owned.try_lock(), 4);
  Mutex<Pinned> pinned(std::in_place, "pinned", 5);
  EXPECT_EQ((*pinned.try_lock())->value, 5);
}

TEST(Mutex, AGuardThatIsMovedUnlocksOnce) {
  Mutex<int> mutex;
  auto first = mutex.try_lock();
  MutexGuard<int> second = std::move(*first);
  EXPECT_FALSE(*first);
  first.reset();
  EXPECT_TRUE(mutex.statistics().is_locked);
  second.unlock();
  second.unlock();
  EXPECT_FALSE(mutex.statistics().is_locked);
}

// ---- a guard must not outlive its task ----

Task<MutexGuard<int>> gives_the_guard_away(Cx cx, Mutex<int>* mutex) { co_return co_await mutex->lock(cx); }

Task<> leaves_the_guard_outside(Cx cx, Mutex<int>* mutex, std::optional<MutexGuard<int>>* outside) {
  auto guard = co_await mutex->lock(cx);
  co_await cx.yield();
  outside->emplace(std::move(guard));
}

TEST(EscapedGuard, ATaskThatLeavesOneOutsideEndsPanickedAndItUnlocksLater) {
  Desk desk;
  Mutex<int> mutex(0, "vault");
  std::optional<MutexGuard<int>> outside;
  auto task = desk.spawn(leaves_the_guard_outside, unsafe_send(&mutex), unsafe_send(&outside));
  desk.stepper.run_until_idle();
  auto ended = desk.joined(task);
  ASSERT_TRUE(ended.is_panicked()) << ended;
  EXPECT_NE(
      ended.panic().message().find("has ended and still holds a guard of a mutex \"vault\": a guard must not "
                                   "outlive the task that locked"),
      std::string::npos)
      << ended;
  EXPECT_TRUE(mutex.statistics().is_locked);
  {
    auto handle = std::move(task);  // the record goes
  }
  outside.reset();
  EXPECT_FALSE(mutex.statistics().is_locked);
  EXPECT_EQ(**mutex.try_lock(), 0);
}

Task<> spawns_one_that_returns_a_guard(Cx cx, Scope<CollectAll> scope, Mutex<int>* mutex, std::string* text) {
  auto handle = co_await scope.spawn_local(cx, gives_the_guard_away, mutex);
  auto outcome = co_await handle.join(cx).outcome();
  *text = outcome.is_panicked() ? outcome.panic().message() : "not panicked";
}

TEST(EscapedGuard, ATaskThatReturnsOneEndsPanickedAndTheLockIsFree) {
  Mutex<int> mutex(0, "till");
  std::string text;
  Runtime rt = Runtime::builder().workers(1).build();
  auto body = [&](Cx cx, Scope<CollectAll>& scope) -> Task<> {
    co_await spawns_one_that_returns_a_guard(cx, scope, &mutex, &text);
  };
  (void)rt.block_on<CollectAll>(body);
  EXPECT_NE(text.find("still holds a guard of a mutex \"till\""), std::string::npos) << text;
  EXPECT_FALSE(mutex.statistics().is_locked);
}

Task<> leaves_two(Cx cx, Mutex<int>* a, Mutex<int>* b, std::vector<MutexGuard<int>>* outside) {
  outside->push_back(co_await a->lock(cx));
  outside->push_back(co_await b->lock(cx));
}

TEST(EscapedGuard, SeveralAreCounted) {
  Desk desk;
  Mutex<int> a, b;
  std::vector<MutexGuard<int>> outside;
  auto task = desk.spawn(leaves_two, unsafe_send(&a), unsafe_send(&b), unsafe_send(&outside));
  desk.stepper.run_until_idle();
  auto ended = desk.joined(task);
  ASSERT_TRUE(ended.is_panicked()) << ended;
  EXPECT_NE(ended.panic().message().find("still holds 2 guards of locks"), std::string::npos) << ended;
}

Task<MutexGuard<int>> child_locks(Cx cx, Mutex<int>* mutex) { co_return co_await mutex->lock(cx); }
Task<int> takes_it_from_a_child(Cx cx, Mutex<int>* mutex) {
  auto child = child_locks(cx, mutex);
  auto guard = co_await std::move(child);
  auto moved = std::move(guard);
  co_await cx.yield();
  co_return *moved;
}

TEST(EscapedGuard, WithinOneTaskAGuardGoesWhereItLikes) {
  Desk desk;
  Mutex<int> mutex(9);
  auto task = desk.spawn(takes_it_from_a_child, unsafe_send(&mutex));
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(task).value(), 9);
  EXPECT_FALSE(mutex.statistics().is_locked);
}

Task<> cancelled_while_it_holds(Cx cx, Mutex<int>* mutex, MutexGuard<int>* keep) {
  auto guard = co_await mutex->lock(cx);
  (void)keep;
  co_await cx.sleep(1h);
}

TEST(EscapedGuard, OneThatGoesWithTheFrameOfACancelledTaskHasNotEscaped) {
  Desk desk;
  Mutex<int> mutex;
  auto task = desk.spawn(cancelled_while_it_holds, unsafe_send(&mutex),
                         unsafe_send(static_cast<MutexGuard<int>*>(nullptr)));
  desk.stepper.run_until_idle();
  task.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(task).is_cancelled());
  EXPECT_FALSE(mutex.statistics().is_locked);
}

int locks_on_the_pool(Cx, Mutex<int>* mutex) {
  auto guard = mutex->try_lock();
  return guard ? **guard : -1;
}

TEST(EscapedGuard, BlockingTasksMayLockToo) {
  Desk desk;
  Mutex<int> mutex(6);
  auto task = desk.scope.spawn_blocking(desk.cx, locks_on_the_pool, unsafe_send(&mutex)).value();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.joined(task).value(), 6);
}

}  // namespace
}  // namespace quiesce
