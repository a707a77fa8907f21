// Operations that look again when they are woken, and those that have something back before their task goes on (detail/sync/operation.hpp).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "quiesce/channel/session.hpp"
#include "quiesce/combinators/join_set.hpp"
#include "quiesce/combinators/rate_limit.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/cond_var.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/sync/notify.hpp"
#include "quiesce/sync/once_cell.hpp"
#include "quiesce/sync/pool.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/sync/value.hpp"
#include "quiesce/timeout.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Looking : ::testing::Test, sync_tests::Desk {
  Value<int> value{0, "value"};
  Event event{"event"};
  Notify notify{"notify"};
  Semaphore permits{0, "permits"};
  std::size_t chosen = 99;

  /// A task of the scope that runs `body`, which stays where it is.
  template <class Body>
  auto start(Body& body) {
    auto task = spawn(run_body<Body>, unsafe_send(&body));
    stepper.run_until_idle();
    return task;
  }
  template <class Body>
  static Task<> run_body(Cx cx, Body* body) {
    auto task = (*body)(cx);
    co_await std::move(task);
  }
};

TEST_F(Looking, WaitsUntilThePredicateHoldsAndIsAskedOnceForEachChange) {
  std::vector<int> asked;
  auto body = [&](Cx mine) -> Task<> {
    auto first = co_await select(mine, value.wait_until([&](int now) { return asked.push_back(now), now > 2; }),
                                 event.wait());
    chosen = first.index();
    EXPECT_EQ(*std::get<0>(first), 3);
  };
  auto task = start(body);
  for (int i = 1; i <= 3; ++i) value.set(i), stepper.run_until_idle();
  EXPECT_TRUE(task.is_finished());
  EXPECT_EQ(chosen, 0u);
  EXPECT_THAT(asked, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(event.statistics().waiters + value.statistics().waiters, 0u);
}

TEST_F(Looking, OfTwoThatAreReadyTheBiasedSelectTakesTheFirst) {
  value.set(5);
  permits.add_permits(1);
  auto body = [&](Cx mine) -> Task<> {
    auto late =
        co_await select_biased(mine, value.wait_until([](int now) { return now == 5; }), permits.acquire());
    EXPECT_EQ(late.index(), 0u);
    auto never =
        co_await select_biased(mine, value.wait_until([](int now) { return now == 6; }), permits.acquire());
    EXPECT_EQ(never.index(), 1u);
  };
  EXPECT_TRUE(run(body(cx)).is_ok());
  EXPECT_EQ(permits.available_permits(), 1u);
}

TEST_F(Looking, APredicateThatThrowsEndsTheSelectPanickedAndLeavesNoTrace) {
  auto body = [&](Cx mine) -> Task<> {
    auto cannot_tell = [](int now) -> bool {
      return now > 0 ? throw std::runtime_error("cannot tell") : false;
    };
    auto seen = co_await select(mine, value.wait_until(cannot_tell), permits.acquire()).outcome();
    EXPECT_TRUE(seen.is_panicked());
    EXPECT_THAT(seen.panic().message(), HasSubstr("cannot tell"));
    auto alone = co_await value.wait_until(mine, cannot_tell).outcome();
    EXPECT_TRUE(alone.is_panicked());
    (void)co_await value.wait_until(mine, cannot_tell);
    ADD_FAILURE() << "it ends the coroutine";
  };
  auto task = start(body);
  value.set(1);
  stepper.run_until_idle();
  EXPECT_TRUE(joined(task).is_panicked());
  EXPECT_EQ(permits.statistics().waiters + value.statistics().waiters, 0u);
}

TEST_F(Looking, ARequestThatComesWhileItLooksIsMetBeforeItWaitsAgain) {
  std::optional<TaskHandle<>> task;
  auto body = [&](Cx mine) -> Task<> {
    (void)co_await select(mine, value.wait_until([&](int now) { return now > 0 && (task->abort(), false); }),
                          permits.acquire());
  };
  task.emplace(start(body));
  value.set(1);
  stepper.run_until_idle();
  EXPECT_TRUE(joined(*task).is_cancelled());
  EXPECT_EQ(permits.statistics().waiters + value.statistics().waiters, 0u);
  auto alone = [&](Cx mine) -> Task<> {
    (void)co_await value.wait_until(mine, [&](int now) { return now > 1 && (task->abort(), false); });
  };
  task.emplace(start(alone));
  value.set(2);
  stepper.run_until_idle();
  EXPECT_TRUE(joined(*task).is_cancelled());
}

TEST_F(Looking, WhatIsToldToAllWhileItLooksIsHeard) {
  for (const bool by_event : {true, false}) {
    auto body = [&](Cx mine) -> Task<> {
      auto tell = [&](int now) {
        if (now == 0) return false;
        if (by_event) event.set(), event.reset();
        if (!by_event) notify.notify_waiters();
        return false;
      };
      auto first = co_await select(mine, value.wait_until(tell), event.wait(), notify.notified());
      chosen = first.index();
    };
    value.set(0);
    auto task = start(body);
    value.set(1);
    stepper.run_until_idle();
    EXPECT_TRUE(task.is_finished());
    EXPECT_EQ(chosen, by_event ? 1u : 2u);
  }
  EXPECT_EQ(event.statistics().waiters + notify.statistics().waiters, 0u);
  EXPECT_FALSE(notify.statistics().is_stored);
}

TEST_F(Looking, APlaceIsKeptAndOneThatMissedItsTurnIsTheFirst) {
  std::vector<int> order;
  auto looks = [&](Cx mine) -> Task<> {
    auto look = [&](int now) {
      if (now == 2) permits.add_permits(1);  // its turn comes while it looks: the next has the permit
      return false;
    };
    auto first = co_await select(mine, value.wait_until(look), permits.acquire());
    EXPECT_EQ(first.index(), 1u);
    order.push_back(0);
  };
  auto second = [&](Cx mine) -> Task<> {
    auto permit = co_await permits.acquire(mine);
    order.push_back(1);
    permit.forget();
  };
  auto third = [&](Cx mine) -> Task<> {
    auto permit = co_await permits.acquire(mine);
    order.push_back(2);
  };
  auto a = start(looks), b = start(second), c = start(third);
  value.set(1);  // the place is kept
  stepper.run_until_idle();
  EXPECT_EQ(permits.statistics().waiters, 3u);
  value.set(2);
  stepper.run_until_idle();
  EXPECT_THAT(order, ElementsAre(1));
  permits.add_permits(1);
  stepper.run_until_idle();
  EXPECT_THAT(order, ElementsAre(1, 0, 2));
  EXPECT_EQ(permits.available_permits(), 1u);
}

TEST_F(Looking, OneThatNeverStopsLookingGivesWay) {
  bool stop = false;
  auto body = [&](Cx mine) -> Task<> {
    auto changes_it_itself = [&](int) {
      if (!stop) value.update([](int& now) { ++now; });
      return stop;
    };
    (void)co_await value.wait_until(mine, changes_it_itself);
  };
  auto stops = [&](Cx) -> Task<> {
    stop = true;
    value.update([](int& now) { ++now; });
    co_return;
  };
  auto task = spawn(run_body<decltype(body)>, unsafe_send(&body));
  auto other = spawn(run_body<decltype(stops)>, unsafe_send(&stops));
  stepper.run_until_idle();
  EXPECT_TRUE(task.is_finished() && other.is_finished());
}

TEST_F(Looking, AConditionWithATimeIsTimedOutWithTheLockHeld) {
  Mutex<int> mutex(0, "items");
  CondVar filled("filled");
  auto body = [&](Cx mine) -> Task<> {
    auto guard = co_await mutex.lock(mine);
    auto late = co_await timeout(mine, 5ms, filled.wait(guard, [&guard] { return *guard > 0; })).outcome();
    EXPECT_TRUE(late.is_err() && guard);
    EXPECT_EQ(late.error().message(), "timeout: 5.000ms have passed, and a condition variable has not come");
    *guard = 1;
    auto ready = co_await timeout(mine, 5ms, filled.wait(guard, [&guard] { return *guard > 0; })).outcome();
    EXPECT_TRUE(ready.is_ok() && guard);
    guard.unlock();
    auto refused = co_await select(mine, filled.wait(guard), event.wait()).outcome();
    EXPECT_TRUE(refused.is_err());
    EXPECT_THAT(refused.error().message(), HasSubstr("the guard holds no lock"));
  };
  auto task = start(body);
  EXPECT_FALSE(mutex.statistics().is_locked);
  stepper.advance(5ms);
  stepper.run_until_idle();
  EXPECT_TRUE(joined(task).is_ok());
  EXPECT_EQ(filled.statistics().waiters, 0u);
  EXPECT_FALSE(mutex.statistics().is_locked);
}

TEST_F(Looking, WhoeverWinsTheLockOfAConditionIsWaitedFor) {
  Mutex<int> mutex(0, "items");
  CondVar filled("filled"), emptied("emptied");
  auto body = [&](Cx mine) -> Task<> {
    auto guard = co_await mutex.lock(mine);
    auto first = co_await select(mine, filled.wait(guard), emptied.wait(guard), event.wait());
    EXPECT_TRUE(bool(guard));
    chosen = first.index();
  };
  auto task = start(body);
  EXPECT_EQ(filled.statistics().waiters + emptied.statistics().waiters, 2u);
  auto held = mutex.try_lock();
  ASSERT_TRUE(held);
  event.set();
  stepper.run_until_idle();
  EXPECT_FALSE(task.is_finished()) << "the lock is another's";
  EXPECT_EQ(mutex.statistics().waiters, 1u);
  task.abort();
  stepper.run_until_idle();
  EXPECT_FALSE(task.is_finished()) << "no request cuts that short";
  held.reset();
  stepper.run_until_idle();
  EXPECT_TRUE(joined(task).is_ok()) << "the event came before the request";
  EXPECT_EQ(chosen, 2u);
}

TEST_F(Looking, ANotificationThatAnotherBranchMadeUselessGoesToTheNext) {
  Mutex<int> mutex(0, "items");
  CondVar filled("filled");
  bool next_was_told = false;
  auto looks = [&](Cx mine) -> Task<> {
    auto guard = co_await mutex.lock(mine);
    bool first_look = true;
    auto ask = [&] {
      if (!std::exchange(first_look, false)) value.set(1);
      return false;
    };
    auto first =
        co_await select(mine, filled.wait(guard, ask), value.wait_until([](int now) { return now == 1; }));
    EXPECT_EQ(first.index(), 1u);
  };
  auto next = [&](Cx mine) -> Task<> {
    auto guard = co_await mutex.lock(mine);
    co_await filled.wait(mine, guard);
    next_was_told = true;
  };
  auto a = start(looks), b = start(next);
  EXPECT_EQ(filled.statistics().waiters, 2u);
  filled.notify_one();
  stepper.run_until_idle();
  EXPECT_TRUE(a.is_finished() && b.is_finished());
  EXPECT_TRUE(next_was_told);
}

TEST_F(Looking, OneThatLosesARateLimitLetsTheNextHaveItsTurn) {
  RateLimit limit(1, 10ms, 1);
  ASSERT_TRUE(limit.try_acquire(cx));
  int had = 0;
  auto loses = [&](Cx mine) -> Task<> {
    auto first = co_await select(mine, limit.acquire(), event.wait());
    EXPECT_EQ(first.index(), 1u);
  };
  auto timed = [&](Cx mine) -> Task<> {
    auto late = co_await timeout(mine, 5ms, limit.acquire()).outcome();
    EXPECT_TRUE(late.is_err());
  };
  auto next = [&](Cx mine) -> Task<> {
    co_await limit.acquire(mine);
    ++had;
  };
  auto a = start(loses), b = start(timed), c = start(next);
  EXPECT_EQ(limit.statistics().waiters, 2u);
  event.set();
  stepper.advance(5ms);
  stepper.run_until_idle();
  EXPECT_TRUE(a.is_finished() && b.is_finished());
  stepper.advance(5ms);
  stepper.run_until_idle();
  EXPECT_EQ(had, 1);
  EXPECT_EQ(limit.statistics().acquired, 2u);
}

TEST_F(Looking, ATurnOfAOnceCellIsUsedOrPassedOn) {
  OnceCell<std::string> cell("config");
  std::optional<OnceCellTurn<std::string>> turn;
  auto takes = [&](Cx mine) -> Task<> {
    turn.emplace(co_await cell.turn(mine));
    auto again = co_await cell.turn(mine).outcome();
    EXPECT_TRUE(again.is_err());
    EXPECT_THAT(again.error().message(), HasSubstr("asks for the value that it is making"));
  };
  EXPECT_TRUE(run(takes(cx)).is_ok());
  ASSERT_TRUE(bool(*turn));
  EXPECT_EQ(turn->value(), nullptr);
  std::string made;
  auto makes = [&](Cx mine) -> Task<> {
    auto mine_now = co_await cell.turn(mine);
    if (mine_now) made = *mine_now.make("made");
    auto there = co_await cell.turn(mine);
    EXPECT_FALSE(bool(there));
    EXPECT_EQ(*there.value(), "made");
  };
  auto task = start(makes);
  EXPECT_FALSE(task.is_finished());
  turn.reset();
  stepper.run_until_idle();
  EXPECT_TRUE(task.is_finished());
  EXPECT_EQ(made, "made");
}

TEST_F(Looking, APlaceOfAPoolIsOpenedAfterwards) {
  int made = 0;
  Pool<int> pool(
      PoolOptions(1), [&made] { return ++made; }, "pool");
  auto body = [&](Cx mine) -> Task<> {
    {
      auto place = co_await pool.reserve(mine);
      EXPECT_EQ(pool.statistics().lent, 1u);
      auto opening = std::move(place).open(mine);
      auto thing = co_await std::move(opening);
      EXPECT_EQ(*thing, 1);
    }
    { auto unused = co_await pool.reserve(mine); }
    EXPECT_EQ(pool.statistics().lent, 0u);
    pool.close();
    auto refused = co_await select(mine, pool.reserve(), event.wait()).outcome();
    EXPECT_THAT(refused.error().message(), HasSubstr("pool \"pool\" is closed: it lends nothing any more"));
  };
  EXPECT_TRUE(run(body(cx)).is_ok());
  EXPECT_EQ(made, 1);
}

TEST_F(Looking, ACallInTwoHalvesEndsAsACallDoes) {
  auto ends = session::channel<int, int>(2, "db");
  auto& client = ends.first;
  auto& server = ends.second;
  auto body = [&](Cx mine) -> Task<> {
    {
      auto unseen = co_await client.request(mine, 1);
      EXPECT_EQ(client.statistics().queued, 1u);
    }
    EXPECT_EQ(client.statistics().queued, 0u) << "it was taken back";
    auto pending = co_await client.request(mine, 2);
    auto request = co_await server.recv(mine);
    EXPECT_EQ(request->value(), 2);
    auto early = co_await select_biased(mine, pending.reply(), mine.sleep(1ms));
    EXPECT_EQ(early.index(), 1u);
    EXPECT_FALSE(request->is_abandoned());
    EXPECT_TRUE(request->reply(20));
    EXPECT_EQ(co_await pending.reply(mine), 20);
    auto twice = co_await pending.reply(mine).outcome();
    EXPECT_EQ(twice.error().message(),
              "session: the reply of this request was taken before: wait for it once, and keep it");
    {
      auto left = co_await client.request(mine, 3);
      auto seen = co_await server.recv(mine);
      request = std::move(seen);
    }
    EXPECT_TRUE(request->is_abandoned());
    request.reset();
    server.close();
    auto refused = co_await client.request(mine, 4).outcome();
    EXPECT_EQ(refused.error().code(), ErrorCode::Disconnected);
    EXPECT_THAT(refused.error().message(), HasSubstr("there is no server any more"));
  };
  auto task = start(body);
  stepper.advance(1ms);
  stepper.run_until_idle();
  const Outcome<> ended = joined(task);
  EXPECT_TRUE(ended.is_ok()) << ended;
}

Task<int> number(Cx, int n) { co_return n; }
TEST_F(Looking, APlaceOfAJoinSetIsWaitedForAndThenUsed) {
  JoinSet<int> set(scope, 1);
  auto body = [&](Cx mine) -> Task<> {
    auto place = co_await set.place(mine);
    EXPECT_FALSE(set.spawn(mine, number, 1)) << "the place is taken";
    EXPECT_TRUE(set.spawn(std::move(place), mine, number, 2));
    auto ended = co_await set.join_next(mine);
    EXPECT_EQ(ended->value(), 2);
    auto none = co_await set.join_next(mine);
    EXPECT_FALSE(none);
  };
  auto task = start(body);
  EXPECT_TRUE(joined(task).is_ok());
}

TEST_F(Looking, ATimeCountsFromTheSelectWhereNoContextIsGiven) {
  auto slow = timeout(5ms, permits.acquire());
  stepper.advance(10ms);
  auto body = [&](Cx mine) -> Task<> {
    const Time begun = mine.now();
    auto first = co_await select(mine, std::move(slow).outcome(), event.wait());
    EXPECT_EQ(mine.now() - begun, 5ms);
    auto& late = std::get<0>(first);
    EXPECT_EQ(late.error().message(), "timeout: 5.000ms have passed, and a permit of a semaphore has not come");
  };
  auto task = start(body);
  stepper.advance(5ms);
  stepper.run_until_idle();
  EXPECT_TRUE(joined(task).is_ok());
  EXPECT_EQ(permits.statistics().waiters, 0u);
}

}  // namespace
}  // namespace quiesce
