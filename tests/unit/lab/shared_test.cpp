// Data races: found in whatever order the accesses were made, and only where nothing orders them.
#include "quiesce/lab/shared.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "quiesce/detail/lab/clock.hpp"
#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

Report explore_all(const std::function<void()>& body) {
  return explore_threads({.strategy = exhaustive(), .max_runs = 200'000, .stop_at_first_failure = false}, body);
}

/// Every schedule is a race: what orders two accesses is not the order in which a run makes them.
void expect_race_in_all(const std::function<void()>& body) {
  const Report report = explore_all(body);
  EXPECT_TRUE(report.exhausted);
  EXPECT_EQ(report.failures, report.runs);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::data_race) << report.text();
}

void expect_no_race(const std::function<void()>& body) {
  const Report report = explore_all(body);
  EXPECT_TRUE(report.exhausted);
  EXPECT_GT(report.runs, 1u);
  EXPECT_FALSE(report.failed()) << report.text();
}

/// Some schedules are.
void expect_race_in_some(const std::function<void()>& body) {
  const Report report = explore_all(body);
  EXPECT_TRUE(report.exhausted);
  EXPECT_LT(report.failures, report.runs);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::data_race) << report.text();
}

TEST(LabShared, ALostUpdateIsARace) {
  expect_race_in_all([] {
    shared<int> y(0, "y");
    const auto add = [&] { y.write(y.read() + 1); };
    lab::thread a(add);
    lab::thread b(add);
    a.join();
    b.join();
  });
}

TEST(LabShared, UnderAMutexItIsNone) {
  expect_no_race([] {
    mutex m;
    shared<int> y(0);
    const auto add = [&] {
      const std::scoped_lock lock(m);
      y.write(y.read() + 1);
    };
    lab::thread a(add);
    lab::thread b(add);
    a.join();
    b.join();
    check(y.read() == 2, "none was lost");
  });
}

TEST(LabShared, UnderTwoMutexesItIsOne) {
  expect_race_in_all([] {
    mutex m;
    mutex n;
    shared<int> y(0);
    lab::thread a([&] {
      const std::scoped_lock lock(m);
      y.update([](int& v) { ++v; });
    });
    lab::thread b([&] {
      const std::scoped_lock lock(n);
      y.update([](int& v) { ++v; });
    });
    a.join();
    b.join();
  });
}

TEST(LabShared, TheReportNamesBothAccesses) {
  const Report report = explore_threads({.strategy = exhaustive()}, [] {
    shared<int> y(0, "y");
    lab::thread a([&] { y.write(1); });
    lab::thread b([&] { y.read(); });
    name(a, "a");
    name(b, "b");
    a.join();
    b.join();
  });
  ASSERT_TRUE(report.failed());
  EXPECT_THAT(report.failure()->message,
              ContainsRegex("^(a wrote shared y at shared_test.cpp:[0-9]+, b reads it at "
                            "shared_test.cpp:[0-9]+|b read shared y at shared_test.cpp:[0-9]+, a writes it at "
                            "shared_test.cpp:[0-9]+), and nothing orders the two$"));
  EXPECT_THAT(report.failure()->schedule, ContainsRegex("write shared y +shared_test.cpp:[0-9]+\n"));
}

TEST(LabShared, ReadersDoNotRace) {
  expect_no_race([] {
    shared<int> y(3);
    const auto look = [&] { check(y.read() == 3, "unchanged"); };
    lab::thread a(look);
    lab::thread b(look);
    look();
    a.join();
    b.join();
    y.write(4);
  });
}

TEST(LabShared, AWriteRacesWithEachReader) {
  expect_race_in_all([] {
    shared<int> y(3);
    lab::thread a([&] { y.read(); });
    lab::thread b([&] { y.read(); });
    a.join();
    y.write(4);  // after a's, not after b's
    b.join();
  });
}

TEST(LabShared, MakingAndJoiningOrder) {
  expect_no_race([] {
    shared<int> y(0);
    y.write(1);
    lab::thread a([&] {
      check(y.read() == 1, "made after the write");
      lab::thread b([&] { y.write(2); });
      b.join();
      check(y.read() == 2, "joined");
    });
    lab::thread other([] {});
    a.join();
    other.join();
    check(y.read() == 2, "joined");
  });
}

TEST(LabShared, WhatComesAfterTheMakingIsNotOrdered) {
  expect_race_in_all([] {
    shared<int> y(0);
    lab::thread a([&] { y.read(); });
    y.write(1);
    a.join();
  });
}

TEST(LabShared, AnAtomicFlagOrders) {
  expect_no_race([] {
    shared<int> y(0);
    lab::atomic<bool> ready(false);
    lab::thread a([&] {
      y.write(1);
      ready.store(true);
    });
    if (ready.load()) check(y.read() == 1, "published");
    a.join();
  });
}

TEST(LabShared, AFlagThatIsSetTooEarlyDoesNot) {
  expect_race_in_some([] {
    shared<int> y(0);
    lab::atomic<bool> ready(false);
    lab::thread a([&] {
      ready.store(true);
      y.write(1);
    });
    if (ready.load()) y.read();
    a.join();
  });
}

TEST(LabShared, AStoreHidesWhatAnEarlierOneReleased) {
  // Whoever reads 2 has synchronized with b alone.
  expect_race_in_some([] {
    shared<int> y(0);
    lab::atomic<int> x(0);
    lab::thread a([&] {
      y.write(1);
      x.store(1);
    });
    lab::thread b([&] { x.store(2); });
    if (x.load() == 2) y.read();
    a.join();
    b.join();
  });
  // Nor has b, who stores without reading.
  expect_race_in_all([] {
    shared<int> y(0);
    lab::atomic<int> x(0);
    lab::thread a([&] {
      y.write(1);
      x.store(1);
    });
    x.store(2);
    y.read();
    a.join();
  });
  // A read-modify-write goes on with the release sequence: whoever reads 2 after a's store has synchronized
  // with a.
  expect_no_race([] {
    shared<int> y(0);
    lab::atomic<int> x(0);
    lab::thread a([&] {
      y.write(1);
      x.store(1);
    });
    lab::thread b([&] {
      int one = 1;
      x.compare_exchange_strong(one, 2);
    });
    if (x.load() == 2) y.read();
    a.join();
    b.join();
  });
}

TEST(LabShared, ACompareExchangeThatFailsReleasesNothing) {
  expect_race_in_all([] {
    shared<int> y(0);
    lab::atomic<int> x(0);
    lab::thread a([&] {
      y.write(1);
      int wrong = 5;
      x.compare_exchange_strong(wrong, 6);
    });
    x.load();
    y.read();
    a.join();
  });
}

TEST(LabShared, AConditionOrders) {
  expect_no_race([] {
    mutex m;
    condition changed;
    shared<int> y(0);
    shared<bool> waits(false);
    lab::thread a([&] {
      y.write(1);
      const std::scoped_lock lock(m);
      if (waits.read()) changed.notify_one();
      waits.write(true);
    });
    m.lock();
    if (!waits.read()) {
      waits.write(true);
      changed.wait(m);
    }
    m.unlock();
    check(y.read() == 1, "ordered by the notification or the mutex");
    a.join();
  });
}

TEST(LabShared, ANotificationOrdersWithoutTheMutexToo) {
  const Report report = explore_threads({.strategy = random(), .max_runs = 300}, [] {
    mutex m;
    condition changed;
    shared<int> y(0);
    lab::atomic<int> never_written(0);
    bool waits = false;  // as the schedule has it, ordered by nothing
    lab::thread a([&] {
      y.write(1);
      while (!waits || !m.try_lock()) never_written.load();
      m.unlock();
      y.write(2);
      changed.notify_one();
    });
    m.lock();
    waits = true;
    changed.wait(m);
    m.unlock();
    check(y.read() == 2, "after the notification");
    a.join();
  });
  EXPECT_FALSE(report.failed()) << report.text();
}

TEST(LabShared, WakingAnAgentOrdersWhatFollowsItsSleep) {
  const auto wake_reader = [](bool reads_before) {
    return [reads_before] {
      detail::Engine& engine = *detail::Engine::current();
      shared<int> y(0);
      const LogicalId reader = engine.add_agent("reader", [&] {
        if (reads_before) y.read();
        engine.sleep({"sleep", {}, std::source_location::current()});
        y.read();
      });
      y.write(1);
      engine.wake(reader);  // asleep or not yet
      engine.blocked_until([&] { return engine.has_ended(reader); }, {reader, detail::Access::Read},
                           {"join", reader, std::source_location::current()});
    };
  };
  expect_no_race(wake_reader(false));
  expect_race_in_all(wake_reader(true));
}

TEST(LabShared, AnAtomicWaitOrders) {
  expect_no_race([] {
    shared<int> y(0);
    lab::atomic<int> x(0);
    lab::thread a([&] {
      y.write(1);
      x.store(1);
      x.notify_one();
    });
    x.wait(0);
    check(y.read() == 1, "published");
    a.join();
  });
}

TEST(LabShared, ATryLockOrdersOnlyWhenItSucceeds) {
  expect_no_race([] {
    mutex m;
    shared<int> y(0);
    lab::thread a([&] {
      if (!m.try_lock()) return;
      y.write(1);
      m.unlock();
    });
    if (m.try_lock()) {
      y.read();
      m.unlock();
    }
    a.join();
  });
  expect_race_in_some([] {
    mutex m;
    shared<int> y(0);
    lab::thread a([&] {
      const std::scoped_lock lock(m);
      y.write(1);
    });
    if (!m.try_lock()) {
      y.read();
    } else {
      m.unlock();
    }
    a.join();
  });
}

TEST(LabShared, UpdateIsOneAccessAndGivesWhatItsFunctionGives) {
  const auto use = [] {
    shared<std::string> text(std::string("a"), "text");
    check(text.update([](std::string& s) { return s += "b", s.size(); }) == 2, "size");
    text.update([](std::string& s) -> std::string& { return s; }) += "c";
    check(text.read() == "abc", "text");
    text.write("d");
    check(text.read() == "d", "written");
  };
  use();
  const Report report = explore_threads({.max_runs = 1}, use);
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(report.steps, 6u);
}

// ---- clocks ----

/// Agents and locks of a random program, with clocks; and what happens before what, as a plain reachability of
/// events.
class Program {
 public:
  explicit Program(std::uint32_t seed) : random_(seed) {
    for (std::uint32_t i = 0; i < agents; ++i) {
      clocks_[i].begin(i);
      event(i);
    }
  }

  void step() {
    const auto agent = pick(agents);
    const auto other = pick(agents);
    const auto lock = pick(locks);
    switch (pick(5)) {
      case 0:
        clocks_[agent].acquire(released_[lock]);
        if (release_event_[lock] >= 0) join(release_event_[lock], agent);
        return;
      case 1:
        release_event_[lock] = event(agent);
        clocks_[agent].release_to(released_[lock]);
        return;
      case 2:
        if (agent == other) return;
        join(event(agent), other);
        clocks_[agent].pass_to(clocks_[other]);
        return;
      default: accesses_.push_back({clocks_[agent].stamp(), event(agent)});
    }
  }

  /// For every access and agent: the clock knows the access just when there is a path from it to the agent's
  /// last event.
  void expect_agreement() const {
    for (const auto& [stamp, event_of_access] : accesses_) {
      for (std::uint32_t agent = 0; agent < agents; ++agent) {
        const auto& earlier = before_[static_cast<std::size_t>(last_event_[agent])];
        const auto access = static_cast<std::size_t>(event_of_access);
        EXPECT_EQ(clocks_[agent].knows(stamp), access < earlier.size() && earlier[access]);
      }
    }
  }

 private:
  static constexpr std::uint32_t agents = 4;
  static constexpr std::uint32_t locks = 3;

  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

  int event(std::uint32_t agent) {
    const auto number = before_.size();
    before_.emplace_back(number + 1);
    if (last_event_[agent] >= 0) edge(last_event_[agent], static_cast<int>(number));
    before_[number][number] = true;
    last_event_[agent] = static_cast<int>(number);
    return static_cast<int>(number);
  }

  void join(int from, std::uint32_t agent) { edge(from, event(agent)); }
  void edge(int from, int to) {
    const auto& earlier = before_[static_cast<std::size_t>(from)];
    auto& later = before_[static_cast<std::size_t>(to)];
    for (std::size_t i = 0; i < earlier.size(); ++i) later[i] = later[i] || earlier[i];
  }

  std::minstd_rand random_;
  std::array<detail::AgentClock, agents> clocks_;
  std::array<detail::Clock, locks> released_;
  std::array<int, locks> release_event_{-1, -1, -1};
  std::array<int, agents> last_event_{-1, -1, -1, -1};
  std::vector<std::vector<bool>> before_;  // before_[b][a]: a happens before b, or is b
  std::vector<std::pair<detail::Stamp, int>> accesses_;
};

TEST(LabClock, KnowsJustWhatHappensBefore) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    Program program(seed);
    for (int i = 0; i < 60; ++i) program.step();
    program.expect_agreement();
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(LabClock, AnEndIsKnownAsAWhole) {
  detail::AgentClock a;
  detail::AgentClock b;
  a.begin(0);
  b.begin(1);
  detail::Clock released;
  b.release_to(released);
  const detail::Stamp after_release = b.stamp();
  a.acquire(released);
  EXPECT_FALSE(a.knows(after_release));
  a.acquire_end_of(b);
  EXPECT_TRUE(a.knows(after_release));
}

}  // namespace
}  // namespace quiesce::lab
