// Coroutine bodies in the lab: that they run unchanged, what is found in them, and that it is found again.
#include <gtest/gtest.h>

#include <cctype>
#include <memory>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "quiesce/detail/lab/token.hpp"
#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;
using namespace std::chrono_literals;

namespace {

q::Task<int> add(q::Cx cx, int a, int b) {
  co_await cx.yield();
  co_return a + b;
}

/// Two tasks, each reading a counter and writing it back one higher.
struct Bank {
  lab::atomic<int> balance{0};
};

auto racing_deposits(bool whole) {
  return [whole](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    Bank bank;
    auto pay_in = [&bank, whole](q::Cx) -> q::Task<> {
      if (whole) {
        bank.balance.fetch_add(1);
      } else {
        const int seen = bank.balance.load();
        bank.balance.store(seen + 1);
      }
      co_return;
    };
    auto a = scope.spawn(cx, q::unsafe_send(pay_in)).value();
    auto b = scope.spawn(cx, q::unsafe_send(pay_in)).value();
    co_await a.join(cx);
    co_await b.join(cx);
    lab::check(bank.balance.load() == 2, "a deposit was lost");
  };
}

TEST(LabExplore, ABodyRunsUnchangedInProductionAndInTheLab) {
  int ran = 0;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    ++ran;
    auto h = co_await scope.spawn(cx, add, 20, 22);
    co_return co_await h.join(cx);
  };
  q::Runtime rt = q::Runtime::builder().workers(1).build();
  EXPECT_EQ(rt.block_on(body).value(), 42);
  lab::Report report = lab::explore({.max_runs = 100}, body);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(report.runs, 100u);
  EXPECT_GE(ran, 101);
}

TEST(LabExplore, ALostUpdateIsFoundByEveryStrategyAndReplayed) {
  for (lab::StrategySpec strategy : {lab::random(), lab::pct(2), lab::exhaustive(), lab::dpor()}) {
    auto body = racing_deposits(false);
    lab::Report report = lab::explore({.strategy = strategy, .max_runs = 1000}, body);
    ASSERT_TRUE(report.failed());
    EXPECT_EQ(report.failure()->kind, lab::FailureKind::assertion);
    EXPECT_NE(report.failure()->message.find("a deposit was lost"), std::string::npos);
    lab::Report again = lab::replay(report.failure()->token, body);
    ASSERT_TRUE(again.failed());
    EXPECT_EQ(again.failure()->message, report.failure()->message);
    EXPECT_EQ(again.failure()->step, report.failure()->step);
  }
}

TEST(LabExplore, TheScheduleThatIsShownHasNoMoreSwitchesThanItNeeds) {
  // Among noise, one switch between a read and the write that follows it is what breaks the count.
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    lab::atomic<int> count{0}, noise{0};
    auto noisy = [&](q::Cx mine) -> q::Task<> {
      for (int i = 0; i < 10; ++i) {
        noise.fetch_add(1);
        co_await mine.yield();
      }
    };
    auto counts = [&](q::Cx) -> q::Task<> {
      const int seen = count.load();
      count.store(seen + 1);
      co_return;
    };
    std::vector<q::TaskHandle<>> others;  // joined: they borrow from this frame
    for (int i = 0; i < 3; ++i) others.push_back(scope.spawn(cx, q::unsafe_send(noisy)).value());
    auto a = scope.spawn(cx, q::unsafe_send(counts)).value();
    auto b = scope.spawn(cx, q::unsafe_send(counts)).value();
    co_await a.join(cx);
    co_await b.join(cx);
    for (auto& other : others) co_await other.join(cx);
    lab::check(count.load() == 2, "an increment was lost");
  };
  lab::Report report = lab::explore({.max_runs = 10'000}, body);
  ASSERT_TRUE(report.failed());
  const std::string schedule = report.failure()->schedule;
  int switches = 0;
  std::string last;
  std::istringstream lines(schedule);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string step, who;
    if (!(words >> step >> who) || !std::isdigit(static_cast<unsigned char>(step[0]))) continue;
    if (who != last) ++switches;
    last = who;
  }
  EXPECT_LE(switches, 20) << schedule;
  EXPECT_LE(report.failure()->token.size(), 60u) << report.failure()->token;
  EXPECT_TRUE(lab::replay(report.failure()->token, body).failed());
}

TEST(LabExplore, TheFixedBodyHoldsInEverySchedule) {
  auto body = racing_deposits(true);
  lab::Report all = lab::explore({.strategy = lab::exhaustive(), .max_runs = 1'000'000}, body);
  EXPECT_FALSE(all.failed()) << all.text();
  EXPECT_TRUE(all.exhausted);
  lab::Report classes = lab::explore({.strategy = lab::dpor(), .max_runs = 1'000'000}, body);
  EXPECT_FALSE(classes.failed()) << classes.text();
  EXPECT_TRUE(classes.exhausted);
  EXPECT_EQ(classes.blocked_runs, 0u);
  EXPECT_EQ(classes.classes, classes.runs) << "a class was run twice";
  EXPECT_EQ(classes.classes, all.classes) << "DPOR and brute force differ";
  EXPECT_LT(classes.runs, all.runs);
}

TEST(LabExplore, TimeIsVirtualAndMovesWhenNothingElseCan) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const q::Time begun = cx.now();
    auto late = [](q::Cx mine) -> q::Task<int> {
      co_await mine.sleep(10h);
      co_return 1;
    };
    auto h = co_await scope.spawn(cx, late);
    auto timed = co_await scope.timeout(cx, 1h, std::move(h)).outcome();
    lab::check(timed.is_err() && timed.error().code() == q::ErrorCode::TimedOut, "it timed out");
    lab::check(cx.now() - begun == 1h, "exactly then");
  };
  lab::Report report = lab::explore({.max_runs = 50}, body);
  EXPECT_FALSE(report.failed()) << report.text();
}

std::uint32_t line_of_join;

TEST(LabExplore, ADeadlockIsNamed) {
  std::optional<q::TaskHandle<>> first, second;  // they outlive the body
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    first.reset();
    second.reset();
    auto waits = [](q::Cx mine, std::optional<q::TaskHandle<>>* other) -> q::Task<> {
      while (!*other) co_await mine.yield();
      line_of_join = std::source_location::current().line() + 1;
      co_await (**other).join(mine);
    };
    first = co_await scope.spawn(cx, waits, q::unsafe_send(&second));
    second = co_await scope.spawn(cx, waits, q::unsafe_send(&first));
  };
  lab::Report report = lab::explore({.max_runs = 20}, body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock) << report.text();
  EXPECT_NE(
      report.failure()->message.find("nothing can move: in a cycle task 0.0.0 waits for the end of task 0.0.1, "
                                     "task 0.0.1 waits for the end of task 0.0.0"),
      std::string::npos)
      << report.failure()->message;
  const std::string place = " awaits at explore_test.cpp:" + std::to_string(line_of_join);
  EXPECT_NE(report.failure()->message.find("; task 0.0.0" + place + "; task 0.0.1" + place), std::string::npos)
      << report.failure()->message;
}

TEST(LabExplore, WhatTheBodyEndsWithIsTold) {
  auto err = [](q::Cx, q::Scope<>&) -> q::Task<> { co_await q::fail(q::ErrorCode::User, "no money"); };
  lab::Report failed = lab::run({}, err);
  ASSERT_TRUE(failed.failed());
  EXPECT_EQ(failed.failure()->kind, lab::FailureKind::assertion);
  EXPECT_NE(failed.failure()->message.find("no money"), std::string::npos);

  auto panics = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto child = [](q::Cx) -> q::Task<> {
      throw std::runtime_error("boom");
      co_return;
    };
    auto h = co_await scope.spawn(cx, child);
    co_await h.join(cx);
  };
  lab::Report panicked = lab::run({}, panics);
  ASSERT_TRUE(panicked.failed());
  EXPECT_EQ(panicked.failure()->kind, lab::FailureKind::exception);
  EXPECT_NE(panicked.failure()->message.find("boom"), std::string::npos);

  auto throws = [](q::Cx, q::Scope<>&) -> q::Task<> { throw std::logic_error("not even a coroutine"); };
  lab::Report thrown = lab::run({}, throws);
  ASSERT_TRUE(thrown.failed());
  EXPECT_EQ(thrown.failure()->kind, lab::FailureKind::exception);
  EXPECT_NE(thrown.failure()->message.find("not even a coroutine"), std::string::npos)
      << thrown.failure()->message;
}

TEST(LabExplore, ABodyThatNeverEndsIsALivelockAndIsCleanedUp) {
  auto tally = std::make_shared<int>(0);
  auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    std::shared_ptr<int> held = tally;
    for (;;) co_await cx.yield();
  };
  lab::Report report = lab::run({.step_limit = 500}, body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::livelock);
  EXPECT_TRUE(report.failure()->message.starts_with("no end after 500 steps; able to move: "))
      << report.failure()->message;
  EXPECT_EQ(tally.use_count(), 1) << "its frame went";
}

TEST(LabExplore, BlockingJobsAreSteps) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto job = [](q::Cx) { return 7; };
    auto a = co_await scope.spawn_blocking(cx, job);
    auto b = co_await scope.spawn_blocking(cx, job);
    lab::check(co_await a.join(cx) + co_await b.join(cx) == 14, "both have run");
  };
  lab::Report report = lab::explore({.strategy = lab::exhaustive(), .max_runs = 100'000}, body);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_GT(report.runs, 1u);
}

TEST(LabExplore, CancelAndCompletionRaceBothWays) {
  int cancelled = 0, completed = 0;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto child = [](q::Cx mine) -> q::Task<> {
      co_await mine.yield();
      co_await mine.yield();
    };
    auto h = co_await scope.spawn(cx, child);
    co_await cx.yield();
    h.abort();
    auto outcome = co_await h.join(cx).outcome();
    ++(outcome.is_cancelled() ? cancelled : completed);
  };
  lab::Report report = lab::explore({.strategy = lab::dpor(), .max_runs = 10'000}, body);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_GT(cancelled, 0);
  EXPECT_GT(completed, 0);
}

TEST(LabExplore, CancelEverywhereVisitsEveryCancelPoint) {
  int cancelled = 0, whole = 0;
  auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    int passed = 0;
    struct Count {
      int &at, &cancelled, &whole;
      ~Count() { at == 3 ? ++whole : ++cancelled; }
    } count{passed, cancelled, whole};
    for (; passed < 3; ++passed) co_await cx.yield();
  };
  lab::Report report = lab::cancel_everywhere(body);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_GE(report.runs, 4u);
  EXPECT_EQ(whole, static_cast<int>(report.runs) - cancelled);
  EXPECT_GE(cancelled, 3) << "a yield was not cancelled";
}

TEST(LabExplore, CancelEverywhereLetsOthersMoveWhileATaskYieldsForThem) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    struct AtEnd {
      bool* done;
      ~AtEnd() { *done = true; }
    };
    bool is_done = false;
    auto other = [](q::Cx own, bool* done) -> q::Task<> {
      AtEnd at_end{done};
      co_await own.yield();
    };
    auto inner = [&](q::Cx mine, q::Scope<>& below) -> q::Task<> {
      auto mask = mine.mask();
      (void)below.launch(mine, other, q::unsafe_send(&is_done));
      while (!is_done && !mine.is_cancel_requested()) co_await mine.yield();
    };
    auto opened = scope.region(cx, q::FailFast{}, inner);
    (void)co_await std::move(opened).outcome();
  };
  lab::Report report = lab::cancel_everywhere(body);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
}

TEST(LabExplore, ARequestToABodyIsItsRegions) {
  // The child waits for a request that comes to it with the body's alone.
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto child = [](q::Cx mine) -> q::Task<> {
      auto mask = mine.mask();
      while (!mine.is_cancel_requested()) co_await mine.yield();
    };
    (void)scope.launch(cx, child);
    co_await cx.yield();
    scope.cancel(q::CancelReason::user("enough"));
  };
  lab::Report report = lab::cancel_everywhere(body);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(report.runs, 2u) << "the yield is the one cancel point";
}

TEST(LabExplore, CancelEverywhereFindsWhatACancelBreaksAndReplaysIt) {
  // Takes from one account, waits, and pays into the other: a request in between loses the money.
  auto body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    int from = 100, to = 0;
    auto move_it = [&](q::Cx mine) -> q::Task<> {
      from -= 10;
      co_await mine.yield();
      to += 10;
    };
    auto moving = move_it(cx);
    (void)co_await std::move(moving).outcome();
    lab::check(from + to == 100, "money was lost");
  };
  lab::Report report = lab::cancel_everywhere(body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::assertion);
  EXPECT_NE(report.failure()->message.find("money was lost"), std::string::npos);
  lab::Report again = lab::replay(report.failure()->token, body);
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->message, report.failure()->message);
}

TEST(LabExplore, ATokenKeepsTheSeedAndTheWorkers) {
  auto body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    lab::check(cx.random_u64() == 0, "never");
    co_return;
  };
  lab::Report report = lab::explore({.seed = 7, .max_runs = 1, .workers = 2}, body);
  ASSERT_TRUE(report.failed());
  EXPECT_TRUE(report.failure()->token.find(".s7.w2.") != std::string::npos) << report.failure()->token;
  lab::Report again = lab::replay(report.failure()->token, body);
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->kind, lab::FailureKind::assertion) << again.text();
  EXPECT_EQ(lab::replay("s7.nonsense", body).failure()->kind, lab::FailureKind::divergence);
  EXPECT_EQ(lab::replay("q7." + report.failure()->token, body).failure()->kind, lab::FailureKind::divergence);
}

// The body is stepped once more to be cancelled when the choice that cannot be has ended the run, and what it was given must be there.
TEST(LabExplore, AReplayThatCannotGoOnSaysAtWhichStepAndIsCleanedUp) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto inner = [](q::Cx own, q::Scope<>&) -> q::Task<> { co_await own.yield(); };
    co_await scope.region(cx, q::FailFast{}, inner);
  };
  const auto replay_choices = [&](std::vector<std::uint32_t> choices) {
    return lab::replay(lab::detail::make_token(choices), body);
  };
  const lab::Report first = replay_choices({7});
  ASSERT_TRUE(first.failed());
  EXPECT_EQ(first.failure()->kind, lab::FailureKind::divergence);
  EXPECT_EQ(first.failure()->step, 1u);
  EXPECT_TRUE(
      first.failure()->message.starts_with("at step 1 the choice is of nobody who can move; able to move: "))
      << first.failure()->message;
  EXPECT_TRUE(first.failure()->message.ends_with(
      ": 0 of the token's 1 choices were followed; the body is not the one it was made by"))
      << first.failure()->message;

  const lab::Report early = replay_choices(std::vector<std::uint32_t>(100, 0));
  ASSERT_TRUE(early.failed());
  EXPECT_EQ(early.failure()->kind, lab::FailureKind::divergence);
  EXPECT_EQ(early.failure()->step, early.steps);
  const std::string step = "at step " + std::to_string(early.steps) + " the run ended well: ";
  EXPECT_TRUE(early.failure()->message.starts_with(step)) << early.failure()->message;
}

TEST(LabExplore, TheSameSeedGivesTheSameRunsWhateverRanBefore) {
  auto steps_of = [] {
    std::string seen;
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto child = [&](q::Cx mine) -> q::Task<> {
        for (int i = 0; i < 3; ++i) {
          seen += mine.path() + ";" + std::to_string(mine.random_index(100)) + " ";
          co_await mine.yield();
        }
      };
      for (int i = 0; i < 3; ++i) (void)scope.spawn(cx, q::unsafe_send(child)).value();
      co_return;
    };
    lab::Report report = lab::explore({.seed = 11, .max_runs = 20}, body);
    EXPECT_FALSE(report.failed()) << report.text();
    return seen;
  };
  const std::string first = steps_of();
  q::Runtime rt = q::Runtime::builder().workers(1).build();  // uses up records and ids
  EXPECT_TRUE(rt.block_on([](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
                  for (int i = 0; i < 100; ++i) {
                    auto h = co_await scope.spawn(cx, add, i, i);
                    co_await h.join(cx);
                  }
                }).is_ok());
  EXPECT_EQ(steps_of(), first);
}

TEST(LabExplore, ADataRaceBetweenTasksIsFound) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    lab::shared<int> plain{0};
    auto writes = [&](q::Cx) -> q::Task<> {
      plain.write(1);
      co_return;
    };
    auto a = scope.spawn(cx, q::unsafe_send(writes)).value();
    auto b = scope.spawn(cx, q::unsafe_send(writes)).value();
    co_await a.join(cx);
    co_await b.join(cx);
  };
  lab::Report report = lab::explore({.max_runs = 10}, body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::data_race) << report.text();
}

TEST(LabExplore, JoiningOrdersPlainData) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    lab::shared<int> plain{0};
    auto writes = [&](q::Cx) -> q::Task<> {
      plain.write(plain.read() + 1);
      co_return;
    };
    auto a = scope.spawn(cx, q::unsafe_send(writes)).value();
    co_await a.join(cx);
    auto b = scope.spawn(cx, q::unsafe_send(writes)).value();
    co_await b.join(cx);
    lab::check(plain.read() == 2, "both have written");
  };
  EXPECT_LAB_OK(lab::explore({.strategy = lab::exhaustive(), .max_runs = 100'000}, body));
}

TEST(LabExplore, SeveralWorkersPinLocalTasks) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    int steps = 0;
    auto local = [&](q::Cx mine) -> q::Task<> {
      for (; steps < 3; ++steps) co_await mine.yield();
    };
    auto h = co_await scope.spawn_local(cx, local);
    co_await h.join(cx);
    lab::check(steps == 3, "it ran");
  };
  lab::Report report = lab::explore({.max_runs = 100, .workers = 3}, body);
  EXPECT_FALSE(report.failed()) << report.text();
}

}  // namespace
