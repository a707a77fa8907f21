// Combinators above the scope's, in the lab: nothing is lost, doubled or left running on any schedule, wherever a request lands.
#include <optional>
#include <ranges>

#include "lab/sync/exploring.hpp"
#include "quiesce/combinators/bracket.hpp"
#include "quiesce/combinators/bulkhead.hpp"
#include "quiesce/combinators/circuit_breaker.hpp"
#include "quiesce/combinators/concurrent.hpp"
#include "quiesce/combinators/join_set.hpp"
#include "quiesce/combinators/pipeline.hpp"
#include "quiesce/combinators/quorum.hpp"
#include "quiesce/combinators/race_with_losers.hpp"
#include "quiesce/combinators/rate_limit.hpp"
#include "quiesce/combinators/retry.hpp"
#include "quiesce/interval.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/timeout.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

/// Who is inside, also when a task is cancelled there. It lives in the body around the tasks' region.
struct Crowd {
  int inside = 0, entered = 0, left = 0, done = 0;

  /// Nobody was cancelled on the way.
  bool all_done(int tasks) const { return done == tasks; }
};
struct Inside {
  Crowd* crowd;
  Inside(Crowd* where, int at_most) : crowd(where) {
    ++crowd->entered;
    lab::check(++crowd->inside <= at_most, "no more are inside than may be");
  }
  ~Inside() {
    --crowd->inside;
    ++crowd->left;
  }
};

// ---- timeout, interval ----

Task<> sets(Cx cx, Event* event) {
  co_await cx.sleep(1ms);
  event->set();
}

/// Nothing but chaos keeps a task that can go on from going on before time passes.
template <bool rough>
Task<> timed(Cx cx, Scope<>&) {
  Event event;
  bool came = false, late = false;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, sets, unsafe_send(&event));
    auto waiting = timeout(mine, 2ms, event.wait());
    auto ended = co_await std::move(waiting).outcome();
    came = ended.is_ok();
    late = ended.is_err() && ended.error().code() == ErrorCode::TimedOut;
    lab::check(came || late || ended.is_cancelled(), "it came, or it is late, or it was cancelled");
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(event.statistics().waiters == 0, "nobody is left in the list");
  if (!rough) co_return;
  lab::sometimes(came, "in time");
  lab::sometimes(late, "too late");
}

TEST(LabTimeout, AnOperationAndTheClockEndAWaitOnce) {
  expect_holds(timed<false>);
  expect_exhausted(timed<false>);
  EXPECT_LAB_OK(lab::explore(
      {.strategy = lab::random(), .max_runs = 1000, .chaos = {.delay = {.one_in = 3}, .delay_max = 5ms}},
      timed<true>));
}

Task<> counts_inside(Cx cx, Crowd* crowd) {
  const Inside here(crowd, 9);
  co_await cx.sleep(2ms);
}

TEST(LabTimeout, AFunctionHasDrainedWithItsTasksBeforeItIsTimedOut) {
  auto body = [](Cx cx, Scope<>&) -> Task<> {
    Crowd crowd;
    auto work = [&crowd](Cx mine, Scope<>& scope) -> Task<> {
      co_await scope.launch(mine, counts_inside, unsafe_send(&crowd));
      co_await scope.launch(mine, counts_inside, unsafe_send(&crowd));
    };
    auto timed_work = timeout(cx, 1ms, work);
    auto ended = co_await std::move(timed_work).outcome();
    lab::check(!ended.is_ok() || crowd.entered == 2, "both were there");
    lab::check(crowd.inside == 0 && crowd.entered == crowd.left, "and nobody is left");
  };
  expect_holds(body);
  expect_exhausted(body);
}

// ---- quorum, race_with_losers ----

Task<int> answers(Cx cx, Crowd* crowd, int value) {
  const Inside here(crowd, 9);
  co_await cx.yield();
  ++crowd->done;
  if (value < 0) co_await fail(ErrorCode::User, "no");
  co_return value;
}

template <int... values>
Task<> voting(Cx cx, Scope<>&) {
  Crowd crowd;
  auto inside = [&crowd](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    std::vector<TaskHandle<int>> handles;
    for (int value : {values...})
      handles.push_back(co_await scope.spawn(mine, answers, unsafe_send(&crowd), value));
    auto vote = quorum(mine, scope, 2, std::move(handles));
    auto won = co_await std::move(vote).outcome();
    lab::check(crowd.inside == 0, "no branch is abandoned");
    if (won.is_ok()) {
      lab::check(won.value().size() == 2 && won.value()[0].index != won.value()[1].index, "two of them");
      for (auto& one : won.value()) lab::check(one.value > 0, "that have succeeded");
    }
    constexpr int good = ((values > 0 ? 1 : 0) + ...);
    lab::check(!won.is_ok() || good >= 2, "what cannot be reached is not");
    if (good >= 2 && crowd.all_done(sizeof...(values)))
      lab::check(won.is_ok() || won.is_cancelled(), "what can be is");
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
}

TEST(LabQuorum, DrainsItsBranches) {
  expect_holds(voting<1, 2, 3>);
  expect_holds(voting<1, -1, -1, 2>);
  expect_holds(voting<-1, 1, -1>);
  EXPECT_GT(expect_exhausted(voting<1, -1>), 1u);
}

Task<> racing(Cx cx, Scope<>&) {
  Crowd crowd;
  auto inside = [&crowd](Cx mine, Scope<>& scope) -> Task<> {
    std::vector<TaskHandle<int>> handles;
    for (int value : {1, 2}) handles.push_back(co_await scope.spawn(mine, answers, unsafe_send(&crowd), value));
    auto race = race_with_losers(mine, scope, std::move(handles));
    auto ended = co_await std::move(race).outcome();
    lab::check(crowd.inside == 0, "no branch is abandoned");
    if (ended.is_ok()) lab::check(ended.value().outcomes.size() == 2, "all are handed back");
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
}

TEST(LabRaceWithLosers, DrainsItsBranches) {
  expect_holds(racing);
  EXPECT_GT(expect_exhausted(racing), 1u);
}

// ---- a task for each item ----

Task<int> visits(Cx cx, int item, Crowd* crowd) {
  const Inside here(crowd, 2);
  co_await cx.yield();
  ++crowd->done;
  if (item < 0) co_await fail(ErrorCode::User, "negative");
  co_return item;
}

template <int... items>
Task<> for_each_of(Cx cx, Scope<>&) {
  Crowd crowd;
  const std::vector<int> all{items...};
  auto each = for_each_concurrent(cx, all, 2, visits, unsafe_send(&crowd));
  auto ended = co_await std::move(each).outcome();
  lab::check(crowd.inside == 0 && crowd.entered == crowd.left, "nobody is left");
  lab::check(!ended.is_ok() || crowd.all_done(sizeof...(items)), "all items were done");
  constexpr bool fails = ((items < 0) || ...);
  lab::check(!fails || !ended.is_ok(), "a failure is the result");
}

TEST(LabForEachConcurrent, EveryItemOnceAndAtMostSoManyAtATime) {
  expect_holds(for_each_of<1, 2, 3, 4>);
  expect_holds(for_each_of<1, -1, 3>);
  EXPECT_GE(expect_exhausted(for_each_of<1, 2, 3>), 4u);
}

TEST(LabMapReduce, ReducesInOrderOnEverySchedule) {
  auto body = [](Cx cx, Scope<>&) -> Task<> {
    auto letter = [](Cx mine, int item) -> Task<std::string> {
      co_await mine.yield();
      co_return std::string(1, static_cast<char>('a' + item));
    };
    auto all = map_reduce(cx, std::views::iota(0, 3), letter, std::plus<>(), std::string(), 2);
    auto text = co_await std::move(all).outcome();
    lab::check(!text.is_ok() || text.value() == "abc", "the order is that of the items");
  };
  expect_holds(body);
  expect_exhausted(body);
}

// ---- pipeline ----

/// Counts the copies of itself that are alive.
struct Parcel {
  int* alive;
  int number;
  Parcel(int* counter, int n) : alive(counter), number(n) { ++*alive; }
  Parcel(Parcel&& other) noexcept : alive(other.alive), number(other.number) { ++*alive; }
  Parcel& operator=(Parcel&&) = delete;
  ~Parcel() { --*alive; }
};

template <int bad>
Task<> piped(Cx cx, Scope<>&) {
  int alive = 0;
  std::vector<int> seen;
  {
    std::vector<Parcel> parcels;
    for (int i = 1; i <= 3; ++i) parcels.emplace_back(&alive, i);
    auto pass = [](Cx mine, Parcel parcel) -> Task<Parcel> {
      co_await mine.yield();
      if (parcel.number == bad) co_await fail(ErrorCode::User, "broken");
      co_return parcel;
    };
    auto sink = [&seen](Cx, Parcel parcel) -> Task<> {
      seen.push_back(parcel.number);
      co_return;
    };
    auto all = pipeline(cx, std::move(parcels), stage(2, unsafe_send(pass)), sink);
    auto ended = co_await std::move(all).outcome();
    lab::check(bad == 0 || !ended.is_ok(), "a failure is the result");
    lab::check(seen.size() <= 3, "nothing arrives twice");
  }
  lab::check(alive == 0, "nothing is left on its way");
}

TEST(LabPipeline, NothingIsDoubledOrLeftOnItsWay) {
  expect_holds(piped<0>, 300);
  expect_holds(piped<2>, 300);
  const auto whole = [](Cx cx, Scope<>&) -> Task<> {
    int sum = 0;
    auto twice = [](Cx, int item) -> Task<int> { co_return 2 * item; };
    auto sink = [&sum](Cx, int item) -> Task<> {
      sum += item;
      co_return;
    };
    co_await pipeline(cx, std::views::iota(1, 3), stage(1, twice), sink);
    lab::check(sum == 6, "every item arrives");
  };
  EXPECT_GE(expect_exhausted(whole), 4u);
}

// ---- JoinSet ----

Task<> joining(Cx cx, Scope<>&) {
  Crowd crowd;
  int seen = 0;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    JoinSet<int> set(scope, 2);
    for (int i = 1; i <= 3; ++i) {
      auto spawning = set.spawn_next(mine, visits, i, unsafe_send(&crowd));
      co_await std::move(spawning);
    }
    while (auto ended = co_await set.join_next(mine)) seen += ended->is_ok() ? ended->value() : 0;
    lab::check(set.empty() && (seen == 6 || !crowd.all_done(3)), "each is joined once");
  };
  auto ended = co_await region(cx, FailFast(), inside).outcome();
  lab::check(crowd.inside == 0 && crowd.entered == crowd.left, "nobody is left");
  lab::check(!ended.is_ok() || !crowd.all_done(3) || seen == 6, "each is joined once");
}

TEST(LabJoinSet, EachTaskIsJoinedOnceAndNoneOutlivesItsRegion) {
  expect_holds(joining);
  EXPECT_GT(expect_exhausted([](Cx cx, Scope<>&) -> Task<> {
              Crowd crowd;
              auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
                JoinSet<int> set(scope);
                co_await set.spawn(mine, visits, 1, unsafe_send(&crowd));
                co_await set.spawn(mine, visits, 2, unsafe_send(&crowd));
                auto early = co_await select(mine, set.next(), mine.sleep(1ms));
                lab::check(early.index() == 0, "time passes when nothing else can");
                auto rest = co_await set.join_all(mine);
                lab::check(rest.size() == 1, "the other one");
              };
              co_await region(cx, FailFast(), inside);
            }),
            1u);
}

// ---- bracket ----

Task<> bracketed(Cx cx, Scope<>&) {
  int acquired = 0, released = 0;
  auto acquire = [&](Cx mine) -> Task<int> {
    co_await mine.yield();
    co_return ++acquired;
  };
  auto use = [&](Cx mine, int&) -> Task<> {
    co_await mine.yield();
    lab::check(released == 0, "it is used before it is released");
    co_await mine.yield();
  };
  auto release = [&](Cx mine, int&) -> Task<> {
    co_await mine.yield();
    ++released;
  };
  auto all = bracket(cx, acquire, use, release);
  (void)co_await std::move(all).outcome();
  lab::check(acquired == released, "what was acquired is released once, and nothing else");
}

TEST(LabBracket, WhatIsAcquiredIsReleasedWhereverARequestLands) {
  expect_holds(bracketed, 200);
  expect_exhausted(bracketed);
}

// ---- guards ----

Task<> calls(Cx cx, Bulkhead* bulkhead, Crowd* crowd, int* refused) {
  auto work = [crowd](Cx mine) -> Task<> {
    const Inside here(crowd, 1);
    co_await mine.yield();
  };
  auto calling = bulkhead->call(cx, work);
  auto ended = co_await std::move(calling).outcome();
  if (ended.is_err() && ended.error().code() == ErrorCode::Overloaded) ++*refused;
  if (!ended.is_cancelled()) ++crowd->done;
}

Task<> crowded(Cx cx, Scope<>&) {
  Bulkhead bulkhead(1, 1, "backend");
  Crowd crowd;
  int refused = 0;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i)
      co_await scope.launch(mine, calls, unsafe_send(&bulkhead), unsafe_send(&crowd), unsafe_send(&refused));
  };
  auto ended = co_await region(cx, FailFast(), inside).outcome();
  lab::check(bulkhead.statistics().inside == 0 && bulkhead.statistics().waiters == 0,
             "every place is free again");
  lab::check(!ended.is_ok() || !crowd.all_done(3) || crowd.entered + refused == 3,
             "each was let in or refused");
  lab::check(refused <= 1, "one may run and one may wait");
}

TEST(LabBulkhead, PlacesComeBackAndTheQueueIsBounded) {
  expect_holds(crowded);
  EXPECT_GT(expect_exhausted(crowded), 4u);
}

Task<> limited(Cx cx, Scope<>&) {
  RateLimit limit(1000, 1s, 2);  // one a millisecond, two at once
  int served = 0;
  auto take = [](Cx mine, RateLimit* of, int* served_here, std::uint32_t tokens) -> Task<> {
    co_await of->acquire(mine, tokens);
    ++*served_here;
  };
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    for (std::uint32_t tokens : {2u, 1u, 2u})
      co_await scope.launch(mine, take, unsafe_send(&limit), unsafe_send(&served), std::uint32_t(tokens));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  const auto passed = static_cast<std::uint64_t>((cx.now() - Time::zero()) / 1ms);
  lab::check(limit.statistics().acquired <= 2 + passed, "no more than the rate and a burst");
  lab::check(served < 3 || limit.statistics().acquired == 5, "everybody got theirs");
  lab::check(limit.statistics().waiters == 0, "nobody is left in the queue");
}

TEST(LabRateLimit, HoldsItsRateAndLosesNothing) {
  expect_holds(limited);
  EXPECT_GT(expect_exhausted(limited), 4u);
}

Task<> guarded(Cx cx, Scope<>&) {
  CircuitBreaker breaker({.failures = 1, .open_for = 1ms, .probes = 1});
  Crowd probing;
  auto call = [](Cx mine, CircuitBreaker* of, Crowd* crowd, bool good) -> Task<> {
    auto work = [&](Cx own) -> Task<> {
      std::optional<Inside> probe;
      if (of->statistics().state == CircuitState::half_open) probe.emplace(crowd, 1);
      co_await own.yield();
      if (!good) co_await fail(ErrorCode::Io, "down");
    };
    auto calling = of->call(mine, work);
    (void)co_await std::move(calling).outcome();
  };
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, call, unsafe_send(&breaker), unsafe_send(&probing), false);
    co_await mine.sleep(2ms);
    for (bool good : {true, true})
      co_await scope.launch(mine, call, unsafe_send(&breaker), unsafe_send(&probing), bool(good));
  };
  auto ended = co_await region(cx, FailFast(), inside).outcome();
  lab::check(!ended.is_ok() || breaker.statistics().opened <= 1, "it opens once");
  lab::check(probing.inside == 0, "nobody is left");
}

TEST(LabCircuitBreaker, OneProbeAtATime) {
  expect_holds(guarded);
  expect_exhausted(guarded);
}

}  // namespace
}  // namespace quiesce::lab_tests
