// retry, CircuitBreaker, Bulkhead, RateLimit.
#include <gtest/gtest.h>

#include <memory>

#include "quiesce/combinators/bulkhead.hpp"
#include "quiesce/combinators/circuit_breaker.hpp"
#include "quiesce/combinators/rate_limit.hpp"
#include "quiesce/combinators/retry.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/timeout.hpp"
#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

const RetryPolicy exact = RetryPolicy().attempts(4).first_delay(10ms).max_delay(35ms).jitter(false);

TEST(Retry, BacksOffExponentiallyUpToABound) {
  Branches b;
  std::vector<Duration> tries;
  auto failing = [&](Cx cx, std::uint32_t attempt) -> Task<int> {
    tries.push_back(cx.now() - Time::zero());
    if (attempt < 5) co_await fail(Error("try " + std::to_string(attempt)));
    co_return 7;
  };
  EXPECT_EQ(b.run(retry(b.cx, exact.attempts(5), failing)).value(), 7);
  EXPECT_EQ(tries, (std::vector<Duration>{0ms, 10ms, 30ms, 65ms, 100ms}));
}

TEST(Retry, GivesTheLastErrWhenAllAttemptsFailed) {
  Branches b;
  int tries = 0;
  auto failing = [&](Cx) -> Task<> { co_await fail(Error("try " + std::to_string(++tries))); };
  const Outcome<> o = b.run(retry(b.cx, exact, failing));
  EXPECT_EQ(describe(o), "try 4");
  ASSERT_EQ(o.error().context().size(), 1u);
  EXPECT_EQ(o.error().context()[0], (Error::ContextEntry("attempts", "4")));
  EXPECT_EQ(tries, 4);
}

TEST(Retry, ThePredicateDecidesAndOnlyErrIsRetried) {
  Branches b;
  int tries = 0;
  auto ending = [&](Cx cx, End end) -> Task<int> {
    ++tries;
    return branch(cx, Duration::zero(), end, 1);
  };
  auto only_io = [](const Error& error) { return error.code() == ErrorCode::Io; };
  auto err = [&](Cx cx) { return ending(cx, End::Err); };
  EXPECT_EQ(describe(b.run(retry_if(b.cx, exact, only_io, err))), "err 1");
  EXPECT_EQ(tries, 1);
  auto cancel = [&](Cx cx) { return ending(cx, End::Cancel); };
  EXPECT_EQ(describe(b.run(retry(b.cx, exact, cancel))), "User cancel 1");
  EXPECT_EQ(tries, 2);
  auto panic = [&](Cx cx) { return ending(cx, End::Panic); };
  EXPECT_TRUE(b.run(retry(b.cx, exact, panic)).is_panicked());
  EXPECT_EQ(tries, 3);
}

TEST(Retry, DoesNotSleepPastTheDeadline) {
  Branches b;
  auto failing = [](Cx) -> Task<> { co_await fail(Error("no")); };
  auto inside = [&](Cx cx, Scope<>&) -> Task<> { co_await retry(cx, exact, failing); };
  auto body = [&](Cx cx) -> Task<> { co_await deadline(cx, Time::zero() + 25ms, inside); };
  const Outcome<> o = b.run(body(b.cx));
  EXPECT_EQ(describe(o), "no");
  EXPECT_EQ(b.since_start(), 10ms);
}

TEST(Retry, JitterIsDrawnFromTheContextBetweenZeroAndTheBackoff) {
  std::vector<Duration> first;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Branches b(testing::StepperOptions{.seed = seed});
    auto failing = [](Cx) -> Task<> { co_await fail(Error("no")); };
    auto attempts = retry(b.cx, exact.attempts(2).jitter(true), failing);
    EXPECT_TRUE(b.run(std::move(attempts)).is_err());
    EXPECT_LE(b.since_start(), 10ms);
    first.push_back(b.since_start());
  }
  std::sort(first.begin(), first.end());
  EXPECT_LT(first.front(), 3ms);
  EXPECT_GT(first.back(), 7ms);
}

TEST(Retry, ASleepBetweenAttemptsIsACancelPoint) {
  Branches b;
  int tries = 0;
  auto failing = [&](Cx) -> Task<> {
    ++tries;
    co_await fail(Error("no"));
  };
  auto body = [&](Cx cx) -> Task<> { co_await retry(cx, exact, failing); };
  auto running = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  running.abort();
  EXPECT_TRUE(b.stepper.run(running.join(b.cx)).is_cancelled());
  EXPECT_EQ(tries, 1);
}

// ---- CircuitBreaker ----

struct Breaking : Branches {
  CircuitBreaker breaker{{.failures = 2, .open_for = 100ms, .probes = 2}, "billing"};
  int called = 0;

  Outcome<int> call(End end) {
    auto work = [&](Cx own) -> Task<int> {
      ++called;
      return branch(own, Duration::zero(), end, 1);
    };
    return run(breaker.call(cx, work));
  }
  CircuitState state() const { return breaker.statistics().state; }
};

TEST(CircuitBreaker, OpensAfterSoManyFailuresInARowAndThenRefusesWithoutCalling) {
  Breaking b;
  EXPECT_TRUE(b.call(End::Err).is_err());
  EXPECT_EQ(b.call(End::Ok).value(), 1);
  EXPECT_TRUE(b.call(End::Err).is_err());
  EXPECT_EQ(b.state(), CircuitState::closed) << "not in a row";
  EXPECT_TRUE(b.call(End::Panic).is_panicked());
  EXPECT_EQ(b.state(), CircuitState::open);
  const int before = b.called;
  const Outcome<int> refused = b.call(End::Ok);
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::CircuitOpen);
  EXPECT_EQ(refused.error().message(),
            "circuit breaker billing: open until 100.000ms, for what it guards has failed");
  EXPECT_EQ(b.called, before);
  EXPECT_EQ(b.breaker.statistics().refused, 1u);
  EXPECT_EQ(b.breaker.statistics().opened, 1u);
}

TEST(CircuitBreaker, ACancelledCallCountsForNeither) {
  Breaking b;
  EXPECT_TRUE(b.call(End::Err).is_err());
  EXPECT_TRUE(b.call(End::Cancel).is_cancelled());
  EXPECT_EQ(b.breaker.statistics().failures_in_a_row, 1u);
  EXPECT_TRUE(b.call(End::Err).is_err());
  EXPECT_EQ(b.state(), CircuitState::open);
}

TEST(CircuitBreaker, HalfOpenItClosesWhenItsProbesSucceed) {
  Breaking b;
  (void)b.call(End::Err), (void)b.call(End::Err);
  b.stepper.advance(100ms);
  EXPECT_EQ(b.call(End::Ok).value(), 1);
  EXPECT_EQ(b.state(), CircuitState::half_open);
  EXPECT_TRUE(b.call(End::Cancel).is_cancelled());
  EXPECT_EQ(b.state(), CircuitState::half_open);
  EXPECT_EQ(b.call(End::Ok).value(), 1);
  EXPECT_EQ(b.state(), CircuitState::closed);
}

TEST(CircuitBreaker, HalfOpenAFailureOpensItAgain) {
  Breaking b;
  (void)b.call(End::Err), (void)b.call(End::Err);
  b.stepper.advance(100ms);
  EXPECT_TRUE(b.call(End::Err).is_err());
  EXPECT_EQ(b.state(), CircuitState::open);
  EXPECT_EQ(b.call(End::Ok).error().code(), ErrorCode::CircuitOpen);
  b.stepper.advance(100ms);
  EXPECT_TRUE(b.call(End::Ok).is_ok());
}

TEST(CircuitBreaker, HalfOpenOnlySoManyProbesRun) {
  Breaking b;
  (void)b.call(End::Err), (void)b.call(End::Err);
  b.stepper.advance(100ms);
  auto work = [](Cx cx) -> Task<int> { return branch(cx, 5ms, End::Ok, 1); };
  auto body = [&](Cx cx) -> Task<int> { co_return co_await b.breaker.call(cx, work); };
  std::vector<TaskHandle<int>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(b.scope.spawn(b.cx, UnsafeSend(body)).value());
  auto o = b.run(b.scope.join_all(b.cx, std::move(calls)));
  EXPECT_TRUE(o.value()[0].is_ok());
  EXPECT_TRUE(o.value()[1].is_ok());
  EXPECT_EQ(describe(o.value()[2]), "circuit breaker billing: half open, and its probes are under way");
}

TEST(CircuitBreaker, AProbeThatIsCancelledGivesItsPlaceBack) {
  Breaking b;
  (void)b.call(End::Err), (void)b.call(End::Err);
  b.stepper.advance(100ms);
  auto body = [&](Cx cx) -> Task<int> { co_return co_await b.breaker.call(cx, never_ends); };
  auto first = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  auto second = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  EXPECT_EQ(b.call(End::Ok).error().code(), ErrorCode::CircuitOpen);
  first.abort();
  EXPECT_TRUE(b.stepper.run(first.join(b.cx)).is_cancelled());
  EXPECT_TRUE(b.call(End::Ok).is_ok());
  second.abort();
  EXPECT_TRUE(b.stepper.run(second.join(b.cx)).is_cancelled());
  EXPECT_TRUE(b.call(End::Ok).is_ok());
  EXPECT_EQ(b.state(), CircuitState::closed);
}

// ---- Bulkhead ----

struct Crowded : Branches {
  Bulkhead bulkhead{2, 1, "backend"};
  int called = 0;
  std::function<Task<int>(Cx)> body = [this](Cx own) -> Task<int> {
    auto work = [this](Cx inner) -> Task<int> {
      ++called;
      return branch(inner, 5ms, End::Ok, called);
    };
    co_return co_await bulkhead.call(own, work);
  };
  TaskHandle<int> start() {
    return scope.spawn(cx, UnsafeSend([this](Cx own) { return body(own); })).value();
  }
};

TEST(Bulkhead, RunsSoManyLetsSoManyWaitAndRefusesTheRest) {
  Crowded b;
  std::vector<TaskHandle<int>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(b.start());
  b.stepper.run_until_idle();
  EXPECT_EQ(b.called, 2);
  EXPECT_EQ(b.bulkhead.statistics().inside, 2u);
  EXPECT_EQ(b.bulkhead.statistics().waiters, 1u);
  EXPECT_EQ(b.bulkhead.statistics().refused, 1u);
  auto o = b.run(b.scope.join_all(b.cx, std::move(calls)));
  EXPECT_TRUE(o.value()[2].is_ok());
  ASSERT_TRUE(o.value()[3].is_err());
  EXPECT_EQ(o.value()[3].error().code(), ErrorCode::Overloaded);
  EXPECT_EQ(o.value()[3].error().message(),
            "bulkhead backend: all 2 places are taken, and 1 callers wait already; try again later");
  EXPECT_EQ(b.since_start(), 10ms);
  EXPECT_EQ(b.bulkhead.statistics().inside, 0u);
}

TEST(Bulkhead, AWaitingCallThatIsCancelledLeavesTheQueue) {
  Crowded b;
  auto first = b.start(), second = b.start(), third = b.start();
  b.stepper.run_until_idle();
  third.abort();
  EXPECT_TRUE(b.stepper.run(third.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.bulkhead.statistics().waiters, 0u);
  EXPECT_EQ(b.called, 2);
  auto fourth = b.start();
  EXPECT_TRUE(b.stepper.run(fourth.join(b.cx)).is_ok());
  EXPECT_EQ(b.called, 3);
}

TEST(Bulkhead, ACallThatIsCancelledInsideGivesItsPlaceBack) {
  Crowded b;
  auto first = b.start(), second = b.start();
  b.stepper.run_until_idle();
  first.abort();
  EXPECT_TRUE(b.stepper.run(first.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.bulkhead.statistics().inside, 1u);
}

// ---- RateLimit ----

TEST(RateLimit, GivesABurstAndThenTheRate) {
  Branches b;
  RateLimit limit(100, 1s, 3, "api");
  std::vector<Duration> when;
  auto body = [&](Cx cx) -> Task<> {
    for (int i = 0; i < 6; ++i) {
      co_await limit.acquire(cx);
      when.push_back(cx.now() - Time::zero());
    }
    co_await cx.sleep(1s);
    for (int i = 0; i < 4; ++i) {
      co_await limit.acquire(cx);
      when.push_back(cx.now() - Time::zero());
    }
  };
  EXPECT_TRUE(b.run(body(b.cx)).is_ok());
  EXPECT_EQ(when, (std::vector<Duration>{0ms, 0ms, 0ms, 10ms, 20ms, 30ms, 1030ms, 1030ms, 1030ms, 1040ms}));
  EXPECT_EQ(limit.statistics().acquired, 10u);
}

TEST(RateLimit, FirstComeFirstServedWhoeverWantsLess) {
  Branches b;
  RateLimit limit(100, 1s, 4);
  std::vector<int> order;
  auto body = [&](Cx cx, std::uint32_t tokens, int who) -> Task<> {
    co_await limit.acquire(cx, tokens);
    order.push_back(who);
  };
  std::vector<TaskHandle<>> tasks;
  const std::uint32_t wanted[] = {4, 4, 1, 1};
  for (int i = 0; i < 4; ++i) tasks.push_back(b.scope.spawn(b.cx, UnsafeSend(body), wanted[i], i).value());
  b.stepper.run_until_idle();
  EXPECT_FALSE(limit.try_acquire(b.cx)) << "it would overtake";
  EXPECT_EQ(limit.statistics().waiters, 2u);
  auto o = b.run(b.scope.join_all(b.cx, std::move(tasks)));
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(b.since_start(), 60ms);
}

TEST(RateLimit, OneThatIsCancelledHasTakenNothing) {
  Branches b;
  RateLimit limit(100, 1s, 2);
  EXPECT_TRUE(limit.try_acquire(b.cx, 2));
  auto body = [&](Cx cx) -> Task<> { co_await limit.acquire(cx, 2); };
  auto first = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  auto second = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  first.abort();
  EXPECT_TRUE(b.stepper.run(first.join(b.cx)).is_cancelled());
  EXPECT_TRUE(b.stepper.run(second.join(b.cx)).is_ok());
  EXPECT_EQ(b.since_start(), 20ms);
  auto third = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  auto fourth = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  fourth.abort();  // it waits for its turn
  EXPECT_TRUE(b.stepper.run(fourth.join(b.cx)).is_cancelled());
  EXPECT_TRUE(b.stepper.run(third.join(b.cx)).is_ok());
  EXPECT_EQ(limit.statistics().acquired, 6u);
}

TEST(RateLimit, WhatCanNeverComeIsRefused) {
  Branches b;
  RateLimit limit(100, 1s, 2), none(0, 1s, 2);
  EXPECT_EQ(describe(b.run(limit.acquire(b.cx, 3))),
            "RateLimit::acquire: 3 tokens at once; from 1 to the burst, 2, can be had");
  EXPECT_EQ(b.run(limit.acquire(b.cx, 0)).error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(describe(b.run(none.acquire(b.cx))), "RateLimit: a rate of no tokens gives none, ever");
  EXPECT_FALSE(limit.try_acquire(b.cx, 3));
  EXPECT_FALSE(none.try_acquire(b.cx));
}

}  // namespace
}  // namespace quiesce::combinator_tests
