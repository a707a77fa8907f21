// Small random programs of every primitive, run by all schedules and by one of each class: both must end in the
// same ways.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab {
namespace {

enum class Kind : std::uint8_t {
  Load,
  Store,
  FetchAdd,
  CompareExchange,
  AtomicWait,
  AtomicNotifyOne,
  AtomicNotifyAll,
  Lock,
  Unlock,
  TryLock,
  ConditionWait,
  NotifyOne,
  NotifyAll,
  kinds
};

struct Operation {
  Kind kind;
  std::size_t object;
  int value;
};
using Program = std::vector<std::vector<Operation>>;  // the operations of each thread

Program make_program(std::uint32_t seed) {
  std::minstd_rand random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() >> 8) % n; };
  Program program(2 + below(2));
  for (auto& thread : program) {
    for (std::size_t n = 1 + below(3); n > 0; --n) {
      const Operation next{static_cast<Kind>(below(static_cast<std::size_t>(Kind::kinds))), below(2),
                           static_cast<int>(below(3))};
      if (next.kind == Kind::ConditionWait || next.kind == Kind::Unlock)
        thread.push_back({Kind::Lock, next.object, 0});
      thread.push_back(next);
    }
  }
  return program;
}

/// What the threads of one run share, and what each has seen.
struct Run {
  std::array<atomic<int>, 2> x;
  std::array<mutex, 2> m;
  condition c;
  std::vector<std::string> seen;

  void operator()(const Program& program, std::size_t thread) {
    std::array<bool, 2> holds{};
    for (const Operation& operation : program[thread])
      seen[thread] += apply(operation, holds[operation.object]);
    for (std::size_t i = 0; i < holds.size(); ++i) {
      if (holds[i]) m[i].unlock();
    }
    seen[thread] += '.';
  }

 private:
  std::string apply(const Operation& operation, bool& holds) {
    const auto [kind, object, value] = operation;
    int expected = value - 1;
    switch (kind) {
      case Kind::Load: return std::to_string(x[object].load());
      case Kind::Store: return x[object].store(value), "";
      case Kind::FetchAdd: return std::to_string(x[object].fetch_add(value));
      case Kind::CompareExchange: return x[object].compare_exchange_strong(expected, value) ? "y" : "n";
      case Kind::AtomicWait: return x[object].wait(value), "w";
      case Kind::AtomicNotifyOne: return x[object].notify_one(), "";
      case Kind::AtomicNotifyAll: return x[object].notify_all(), "";
      case Kind::Lock:
        if (!holds) m[object].lock();
        holds = true;
        return "";
      case Kind::Unlock:
        if (holds) m[object].unlock();
        holds = false;
        return "";
      case Kind::TryLock:
        if (!holds) holds = m[object].try_lock();
        return holds ? "T" : "F";
      case Kind::ConditionWait:
        if (holds) c.wait(m[object]);
        return "c";
      case Kind::NotifyOne: return c.notify_one(), "";
      default: return c.notify_all(), "";
    }
  }
};

/// Noted also when the run is given up by a deadlock.
struct Notes {
  std::set<std::string>& results;
  const Run& run;
  ~Notes() {
    std::string result;
    for (const std::string& seen : run.seen) result += seen + '|';
    results.insert(result);
  }
};

Report explore(const Program& program, StrategySpec strategy, std::set<std::string>& results) {
  return explore_threads(
      {.strategy = strategy, .max_runs = 3'000, .step_limit = 1'000, .stop_at_first_failure = false}, [&] {
        Run run;
        run.seen.resize(program.size());
        const Notes notes{results, run};
        std::vector<std::unique_ptr<thread>> threads;
        for (std::size_t i = 1; i < program.size(); ++i)
          threads.push_back(std::make_unique<thread>([&, i] { run(program, i); }));
        run(program, 0);
        for (const auto& other : threads) other->join();
        run.seen[0] += std::to_string(run.x[0].load()) + std::to_string(run.x[1].load());
      });
}

TEST(LabPrimitives, OneScheduleOfEachClassShowsAll) {
  int compared = 0;
  int deadlocks = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    const Program program = make_program(seed);
    std::set<std::string> of_all;
    std::set<std::string> of_classes;
    const Report all = explore(program, exhaustive(), of_all);
    if (!all.exhausted) continue;  // too large for every schedule
    const Report classes = explore(program, dpor(), of_classes);
    ++compared;
    deadlocks += all.failed() ? 1 : 0;
    EXPECT_TRUE(classes.exhausted);
    EXPECT_EQ(of_all, of_classes) << "seed " << seed;
    EXPECT_EQ(all.failed(), classes.failed()) << "seed " << seed;
    EXPECT_EQ(all.classes, classes.classes) << "seed " << seed;
    EXPECT_EQ(classes.runs, classes.classes) << "seed " << seed;
    if (all.failed()) { EXPECT_EQ(all.failure()->kind, FailureKind::deadlock) << all.text(); }
  }
  EXPECT_GT(compared, 40);
  EXPECT_GT(deadlocks, 5);
}

}  // namespace
}  // namespace quiesce::lab
