// Explorations of plain threads: what is found, what a report says, and that a token finds it again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "explore_support.hpp"
#include "leaks.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/lab/drive.hpp"

namespace quiesce::lab {
namespace {

using detail::make_token;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using tests::explore_all;
using tests::failure_of;

TEST(LabExploreThreads, TheExampleOfTheManual) {
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 100'000}, [] {
    mutex m;
    lab::atomic<int> x{0};
    shared<int> y{0};
    lab::thread a([&] {
      const std::scoped_lock l(m);
      y.write(y.read() + 1);
    });
    lab::thread b([&] { x.fetch_add(1); });
    a.join();
    b.join();
    check(x.load() == 1, "x counted");
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_EQ(report.failures, 0u);
  EXPECT_GT(report.runs, 20u);
  EXPECT_EQ(report.failure(), nullptr);
}

void lose_an_update() {
  lab::atomic<int> x(0, "x");
  const auto add = [&] { x.store(x.load() + 1); };
  lab::thread a(add);
  lab::thread b(add);
  name(a, "a");
  name(b, "b");
  a.join();
  b.join();
  check(x.load() == 2, "an update was lost");
}

TEST(LabExploreThreads, AFailureComesWithItsScheduleAndAToken) {
  for (const StrategySpec strategy : {random(), pct(3), exhaustive()}) {
    const Report report =
        explore_threads({.strategy = strategy, .seed = 3, .max_runs = 10'000}, lose_an_update);
    const FoundFailure failure = failure_of(report);
    EXPECT_EQ(failure.kind, FailureKind::assertion);
    EXPECT_EQ(failure.message, "an update was lost");
    EXPECT_EQ(failure.run + 1, report.runs);
    EXPECT_EQ(report.failures, 1u);
    EXPECT_FALSE(report.exhausted);
    EXPECT_THAT(failure.schedule, ContainsRegex("step +who +does +at"));
    EXPECT_THAT(failure.schedule, ContainsRegex("[0-9]+ +a +load atomic x +explore_threads_test.cpp:[0-9]+\n"));
    EXPECT_THAT(failure.schedule, ContainsRegex("[0-9]+ +main +join b +explore_threads_test.cpp:[0-9]+\n"));
    EXPECT_THAT(failure.schedule, ContainsRegex("then: assertion at explore_threads_test.cpp:[0-9]+\n$"));
    EXPECT_THAT(report.text(), HasSubstr(failure.schedule));
    EXPECT_THAT(report.text(), HasSubstr("token " + failure.token));

    const Report replayed = replay_threads(failure.token, lose_an_update);
    EXPECT_EQ(replayed.runs, 1u);
    EXPECT_EQ(failure_of(replayed).message, failure.message);
    EXPECT_EQ(failure_of(replayed).schedule, failure.schedule);
    EXPECT_EQ(failure_of(replayed).step, failure.step);
    EXPECT_EQ(failure_of(replayed).token, failure.token);
  }
}

TEST(LabExploreThreads, ATokenThatDoesNotFitIsADivergence) {
  const std::string token =
      failure_of(explore_threads({.strategy = exhaustive(), .max_runs = 10'000}, lose_an_update)).token;
  FoundFailure failure = failure_of(replay_threads(token, [] {}));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  EXPECT_THAT(failure.message, ContainsRegex("the token is of another body: its maker has the fingerprint "
                                             "b[0-9a-f]{8}, this one has b[0-9a-f]{8}"));
  // Of a body that nobody can tell apart the choices have to tell.
  failure = failure_of(replay_threads(token, std::function<void()>([] {})));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  EXPECT_THAT(failure.message, HasSubstr("the body is not the one it was made by"));
  failure = failure_of(replay_threads(make_token(std::vector<std::uint32_t>{7}), lose_an_update));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  failure = failure_of(replay_threads("what?", lose_an_update));
  EXPECT_EQ(failure.kind, FailureKind::divergence);
  EXPECT_EQ(failure.message, "the token is cut off, or not a token");
  std::string mistyped = make_token(std::vector<std::uint32_t>{7}), other_version = mistyped;
  mistyped[3] = mistyped[3] == 'A' ? 'B' : 'A';
  other_version[0] = 'B';
  EXPECT_EQ(failure_of(replay_threads(mistyped, lose_an_update)).message,
            "the token's checksum is wrong, so a part of it is mistyped or missing");
  EXPECT_EQ(failure_of(replay_threads(other_version, lose_an_update)).message,
            "the token is of another version of the library");
  // One that a repaired body can follow to its end says that all is well.
  EXPECT_FALSE(replay_threads(make_token({}), lose_an_update).failed());
}

/// Bodies that note how each of their runs ended.
std::map<std::string, std::function<void(std::set<std::string>&)>> bodies_with_results() {
  std::map<std::string, std::function<void(std::set<std::string>&)>> bodies;
  bodies["store buffer"] = [](auto& results) {
    lab::atomic<int> x(0);
    lab::atomic<int> y(0);
    int seen[2] = {};
    lab::thread a([&] {
      x.store(1);
      seen[0] = y.load();
    });
    lab::thread b([&] {
      y.store(1);
      seen[1] = x.load();
    });
    a.join();
    b.join();
    results.insert(std::to_string(seen[0]) + std::to_string(seen[1]));
  };
  bodies["locks and try_locks"] = [](auto& results) {
    mutex m;
    std::string order;
    const auto enter = [&](char name, bool tries) {
      if (tries && !m.try_lock()) return;
      if (!tries) m.lock();
      order += name;
      m.unlock();
    };
    lab::thread a(enter, 'a', false);
    lab::thread b(enter, 'b', true);
    lab::thread c(enter, 'c', false);
    a.join();
    b.join();
    c.join();
    results.insert(order);
  };
  bodies["compare and exchange"] = [](auto& results) {
    lab::atomic<int> x(0);
    std::string winners;
    const auto race = [&](char name, int from, int to) {
      if (x.compare_exchange_strong(from, to)) winners += name;
    };
    lab::thread a(race, 'a', 0, 1);
    lab::thread b(race, 'b', 1, 2);
    lab::thread c(race, 'c', 0, 2);
    a.join();
    b.join();
    c.join();
    results.insert(winners + std::to_string(x.load()));
  };
  bodies["condition"] = [](auto& results) {
    mutex m;
    condition c;
    bool full = false;
    std::string order;
    lab::thread consumer([&] {
      std::unique_lock lock(m);
      while (!full) {
        order += 'w';
        c.wait(lock);
      }
      order += 'c';
    });
    lab::thread producer([&] {
      {
        const std::scoped_lock lock(m);
        full = true;
        order += 'p';
      }
      c.notify_one();
    });
    consumer.join();
    producer.join();
    results.insert(order);
  };
  bodies["atomic wait"] = [](auto& results) {
    lab::atomic<int> x(0);
    std::string order;
    lab::thread waiter([&] {
      x.wait(0);
      order += std::to_string(x.load());
    });
    x.store(1);
    x.notify_one();
    x.store(2);
    waiter.join();
    results.insert(order);
  };
  return bodies;
}

TEST(LabExploreThreads, DporSeesWhatEveryScheduleShows) {
  for (const auto& [name, body] : bodies_with_results()) {
    std::set<std::string> of_all;
    std::set<std::string> of_classes;
    const Report all =
        explore_threads({.strategy = exhaustive(), .max_runs = 1'000'000}, [&] { body(of_all); });
    const Report classes =
        explore_threads({.strategy = dpor(), .max_runs = 1'000'000}, [&] { body(of_classes); });
    EXPECT_FALSE(all.failed()) << name << all.text();
    EXPECT_FALSE(classes.failed()) << name << classes.text();
    EXPECT_TRUE(all.exhausted && classes.exhausted) << name;
    EXPECT_EQ(of_all, of_classes) << name;
    EXPECT_EQ(all.classes, classes.classes) << name;
    EXPECT_EQ(classes.runs, classes.classes) << name;
    EXPECT_LT(classes.runs, all.runs) << name;
  }
}

TEST(LabExploreThreads, DporFindsDeadlocksRacesAndLostWakeUps) {
  const auto kind_of = [](const std::function<void()>& body) {
    return failure_of(explore_threads({.strategy = dpor(), .max_runs = 100'000}, body)).kind;
  };
  EXPECT_EQ(kind_of(lose_an_update), FailureKind::assertion);
  EXPECT_EQ(kind_of([] {
              mutex m;
              mutex n;
              lab::thread a([&] {
                const std::scoped_lock first(m);
                const std::scoped_lock second(n);
              });
              lab::thread b([&] {
                const std::scoped_lock first(n);
                const std::scoped_lock second(m);
              });
              a.join();
              b.join();
            }),
            FailureKind::deadlock);
  EXPECT_EQ(kind_of([] {
              mutex m;
              condition c;
              lab::thread notifier([&] { c.notify_one(); });
              m.lock();
              c.wait(m);
              m.unlock();
              notifier.join();
            }),
            FailureKind::deadlock);
  EXPECT_EQ(kind_of([] {
              shared<int> y(0);
              lab::atomic<bool> ready(false);
              lab::thread a([&] {
                ready.store(true);
                y.write(1);
              });
              if (ready.load()) y.read();
              a.join();
            }),
            FailureKind::data_race);
}

TEST(LabExploreThreads, AllFailuresAreCountedOnRequest) {
  const Report all = explore_threads(
      {.strategy = exhaustive(), .max_runs = 100'000, .stop_at_first_failure = false}, lose_an_update);
  EXPECT_TRUE(all.exhausted);
  EXPECT_GT(all.failures, 10u);
  EXPECT_LT(all.failures, all.runs);
  EXPECT_EQ(failure_of(all).message, "an update was lost");
}

TEST(LabExploreThreads, TheSameSeedGivesTheSameExploration) {
  std::set<std::string> tokens;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Options options{.strategy = random(), .seed = seed, .max_runs = 1'000};
    const Report first = explore_threads(options, lose_an_update);
    const Report second = explore_threads(options, lose_an_update);
    EXPECT_EQ(first.runs, second.runs);
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_EQ(failure_of(first).token, failure_of(second).token);
    tokens.insert(failure_of(first).token);
  }
  EXPECT_GT(tokens.size(), 3u);
}

TEST(LabExploreThreads, RunsWithoutEndAreLivelocks) {
  const Report report = explore_threads({.max_runs = 10, .step_limit = 1'000}, [] {
    lab::atomic<bool> go(false, "go");
    lab::thread a([&] {
      while (!go.load()) {}
    });
    name(a, "spinner");
    a.join();
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::livelock);
  EXPECT_EQ(failure.message, "no end after 1000 steps; able to move: spinner (load atomic go)");
  EXPECT_THAT(failure.schedule, HasSubstr("750 steps\n"));
  EXPECT_EQ(report.max_depth, 1'000u);
}

TEST(LabExploreThreads, ABodyThatIsNotDeterministicIsFound) {
  int calls = 0;
  const Report report = explore_threads({.max_runs = 1'000}, [&] {
    lab::atomic<int> x(0);
    for (int i = 0; i < calls; ++i) x.load();
    ++calls;
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::nondeterminism);
  EXPECT_LE(report.runs, 64u);
  // And so is a failure that comes only once.
  calls = 0;
  const Report once = explore_threads({.max_runs = 1'000}, [&] { check(++calls != 3, "the third"); });
  EXPECT_EQ(failure_of(once).kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure_of(once).message,
              HasSubstr("one failed at step 0 (assertion: the third), the other ended well after 1 steps"));
}

/// Takes the first that can move, and gives every run up at its third step.
class GivesUp : public detail::Strategy {
 public:
  bool begin_run() override {
    steps_ = 0;
    return true;
  }
  LogicalId choose(std::span<const LogicalId> enabled) override {
    return steps_ == 2 ? LogicalId{} : enabled.front();
  }
  std::uint32_t draw(std::uint32_t) override { return 0; }
  void executed(const detail::Step&) override { ++steps_; }
  void end_run(bool) override {}
  Counts counts() const override { return {}; }

 private:
  int steps_ = 0;
};

// Its choices say nothing of the steps that it has not made.
TEST(LabExploreThreads, ARunThatItsStrategyGivesUpIsNotComparedWithAWholeOne) {
  const auto run = [](detail::Engine& engine, detail::Strategy& strategy) {
    return engine.run(strategy, "main", [] {
      lab::atomic<int> x(0);
      for (int i = 0; i < 4; ++i) x.store(i);
    });
  };
  const Report report = detail::drive({.max_runs = 100}, std::make_unique<GivesUp>(), run);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(report.steps, 200u);
}

TEST(LabExploreThreads, ObjectsFromOutsideOfTheRunAreMisuse) {
  lab::atomic<int> x(0);
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { x.load(); })).kind, FailureKind::misuse);
  mutex m;
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { m.lock(); })).kind, FailureKind::misuse);
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { m.unlock(); })).kind, FailureKind::misuse);
  condition c;
  EXPECT_EQ(failure_of(explore_threads({.max_runs = 1}, [&] { c.notify_one(); })).kind, FailureKind::misuse);
  shared<int> y(0);
  const FoundFailure failure = failure_of(explore_threads({.max_runs = 1}, [&] { y.read(); }));
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_EQ(failure.message,
            "a lab::shared that was not made in this run is used in it; make it in the body, so that every run "
            "begins alike");
  // Made in an earlier run.
  std::unique_ptr<lab::atomic<int>> kept;
  const Report report = explore_threads({.max_runs = 2}, [&] {
    if (!kept) kept = std::make_unique<lab::atomic<int>>(0);
    kept->load();
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::misuse);
  EXPECT_EQ(report.runs, 2u);
}

TEST(LabExploreThreads, TheFailureIsFoundInAnotherThreadsWaits) {
  // Aborted at every kind of point: the process survives, and the next exploration is none the worse.
  for (int i = 0; i < 3; ++i) {
    const Report report = explore_threads({.max_runs = 300, .stop_at_first_failure = false}, [] {
      mutex m;
      condition c;
      lab::atomic<int> x(0);
      shared<int> y(0);
      lab::thread a([&] {
        std::unique_lock lock(m);
        while (x.load() == 0) c.wait(lock);
        y.write(1);
      });
      lab::thread b([&] { x.wait(0); });
      lab::thread failing([&] {
        x.store(1);
        x.notify_all();
        check(false, "stop");
      });
      a.join();
      b.join();
      failing.join();
    });
    EXPECT_EQ(report.failures, 300u);
    EXPECT_EQ(failure_of(report).message, "stop");
  }
}

TEST(LabExploreThreads, ProgressIsTold) {
  std::uint64_t runs_told = 0;
  bool told = false;
  const Report report = explore_threads({.strategy = random(),
                                         .max_runs = 1'000'000'000,
                                         .on_progress =
                                             [&](const Report& so_far) {
                                               told = true;
                                               runs_told = so_far.runs;
                                             }},
                                        [&] { check(!told, "enough"); });
  EXPECT_EQ(failure_of(report).message, "enough");
  EXPECT_GT(runs_told, 0u);
  EXPECT_EQ(report.runs, runs_told + 1);
  EXPECT_GT(report.runs_per_second(), 0);
}

TEST(LabExploreThreads, TheTextOfAReportWithoutFailure) {
  Report report = explore_threads({.max_runs = 5}, [] {});
  EXPECT_EQ(report.runs, 5u);
  EXPECT_EQ(report.steps, 5u);
  EXPECT_THAT(report.text(), HasSubstr("5 runs, 5 steps"));
  EXPECT_THAT(report.text(), HasSubstr("no failure\n"));
  EXPECT_THAT(report.text(), Not(HasSubstr("every schedule")));
  report = explore_all([] {});
  EXPECT_THAT(report.text(), HasSubstr("every schedule seen, no failure\n"));
}

TEST(LabExploreThreads, LocksByStandardGuardsShowTheirCaller) {
  const FoundFailure failure = failure_of(explore_all([] {
    mutex m("m");
    const std::scoped_lock lock(m);
    check(false, "stop");
  }));
#ifdef NDEBUG  // without debug information the place is not known
  EXPECT_THAT(failure.schedule, ContainsRegex("main +lock mutex m"));
#else
  EXPECT_THAT(failure.schedule, ContainsRegex("main +lock mutex m +explore_threads_test.cpp:[0-9]+\n"));
#endif
}

TEST(LabExploreThreads, LabAndProductionRunSideBySide) {
  // A run belongs to its OS thread; other threads of the process are in production meanwhile.
  lab::atomic<int> outside(0);
  std::vector<std::thread> explorers;
  for (int i = 0; i < 3; ++i) {
    explorers.emplace_back([&, i] {
      const Report report =
          explore_threads({.seed = static_cast<std::uint64_t>(i), .max_runs = 100}, lose_an_update);
      EXPECT_TRUE(report.failed());
      outside.fetch_add(1);
    });
  }
  for (std::thread& explorer : explorers) explorer.join();
  EXPECT_EQ(outside.load(), 3);
}

TEST(ExploreThreads, AnAssertionOfTheLibraryThatFailsIsWhatTheRunHasFound) {
  const quiesce::tests::LeaksAllowed of_the_run_that_ends_there;
  const auto body = [] {
    lab::atomic<int> count(0);
    lab::thread other([&] { count.store(1); });
    QUIESCE_ASSERT(count.load() == 0, "nobody has counted");
    other.join();
  };
  const Report report = explore_threads({.strategy = exhaustive()}, body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::oracle);
  EXPECT_TRUE(report.failure()->message.starts_with(
      "assertion `count.load() == 0` failed at explore_threads_test.cpp:"))
      << report.failure()->message;
  EXPECT_TRUE(report.failure()->message.ends_with(": nobody has counted")) << report.failure()->message;
  EXPECT_TRUE(replay_threads(report.failure()->token, body).failed());
}

}  // namespace
}  // namespace quiesce::lab
