// What the lab does not control and may decide in a run all the same: that it is noticed, and said.
#include "lab/ambient.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "explore_support.hpp"
#include "quiesce/lab.hpp"
#include "quiesce/quiesce.hpp"

namespace quiesce::lab {
namespace {

using tests::failure_of;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

#ifdef NDEBUG
constexpr bool has_lines = false;  // no debug information: reports have no lines
#else
constexpr bool has_lines = true;
#endif

class LabAmbient : public testing::Test {
 protected:
  void SetUp() override {
    if (!detail::watches_ambient) GTEST_SKIP() << "a sanitizer stands where the lab would";
  }
};

constexpr std::uint64_t runs = 10 * 64;  // one in 64 is made twice

/// The run depends on the value: which of many atomics is written.
Report decide_by(const std::function<std::uint64_t()>& value) {
  return explore_threads({.max_runs = runs}, [&] {
    std::array<atomic<int>, 64> all;
    const std::uint64_t which = value() % all.size();
    all[which].store(1);
  });
}

// ---- clocks and randomness ----

struct Source {
  std::string name;
  std::uint64_t (*read)();
  friend std::ostream& operator<<(std::ostream& out, const Source& source) { return out << source.name; }
};

std::uint64_t microseconds_of_day() {
  timeval now{};
  gettimeofday(&now, nullptr);
  return static_cast<std::uint64_t>(now.tv_usec);
}

std::uint64_t nanoseconds_of_day() {
  timespec now{};
  timespec_get(&now, TIME_UTC);
  return static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t random_bytes() {
  std::uint64_t value = 0;
  EXPECT_EQ(getrandom(&value, sizeof value, 0), static_cast<ssize_t>(sizeof value));
  return value;
}

std::uint64_t filled_bytes() {
  std::uint64_t value = 0;
  ::arc4random_buf(&value, sizeof value);
  return value;
}

std::uint64_t entropy() {
  std::uint64_t value = 0;
  EXPECT_EQ(getentropy(&value, sizeof value), 0);
  return value;
}

const Source sources[] = {
    {"clock_gettime",
     [] { return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }},
    {"clock_gettime",  // of another clock, by another way
     [] { return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()); }},
    {"gettimeofday", microseconds_of_day},
    {"timespec_get", nanoseconds_of_day},
    {"getrandom", random_bytes},
    {"getentropy", entropy},
    {"std::random_device", [] { return std::uint64_t{std::random_device()()}; }},
    {"rand", [] { return static_cast<std::uint64_t>(std::rand()); }},
    {"random", [] { return static_cast<std::uint64_t>(::random()); }},
    {"arc4random", [] { return std::uint64_t{::arc4random()}; }},
    {"arc4random_uniform", [] { return std::uint64_t{::arc4random_uniform(1U << 30)}; }},
    {"arc4random_buf", filled_bytes},
};

class LabAmbientSource : public LabAmbient, public testing::WithParamInterface<Source> {};

TEST_P(LabAmbientSource, IsNamedWhereItDecides) {
  const Report report = decide_by(GetParam().read);
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure.message,
              HasSubstr("time or randomness from outside of the lab decides in it: main called " +
                        GetParam().name + " in step 0"));
  EXPECT_THAT(failure.message, HasSubstr("use cx.now() and cx.random_u64()"));
  if (has_lines) { EXPECT_THAT(failure.message, HasSubstr("ambient_test.cpp:")); }
}

TEST_P(LabAmbientSource, IsCountedWhereItDecidesNothing) {
  const Report report = decide_by([] {
    (void)GetParam().read();
    return std::uint64_t{7};
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_GE(report.ambient_reads, runs);
  EXPECT_THAT(report.text(), HasSubstr("calls of clocks or randomness from outside"));
}

INSTANTIATE_TEST_SUITE_P(Sources, LabAmbientSource, testing::ValuesIn(sources), [](const auto& instance) {
  std::string name = instance.param.name + std::to_string(instance.index);
  std::erase(name, ':');
  return name;
});

TEST_F(LabAmbient, CoarseClocksAreCounted) {
  const Report report = explore_threads({.max_runs = 1}, [] {
    (void)std::time(nullptr);
    (void)std::clock();
  });
  EXPECT_EQ(report.ambient_reads, 2u);
}

TEST_F(LabAmbient, OfManyReadsTheFirstAreNamed) {
  const Report report = decide_by([] {
    std::uint64_t all = 0;
    for (int i = 0; i < 10; ++i) all += random_bytes();
    return all;
  });
  EXPECT_THAT(failure_of(report).message, HasSubstr(", and there were 7 more such calls"));
}

TEST_F(LabAmbient, WhatTheLibraryDoesByItselfIsNotCounted) {
  const Report report = explore({.max_runs = 100}, [](Cx cx, Scope<>& scope) -> Task<> {
    auto work = [](Cx mine) -> Task<std::uint64_t> {
      co_await mine.sleep(1s);
      co_return mine.random_u64() + static_cast<std::uint64_t>(mine.now().nanos());
    };
    auto handle = co_await scope.spawn(cx, work);
    co_await handle.join(cx);
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_EQ(report.ambient_reads, 0u);
}

TEST_F(LabAmbient, OutsideOfARunNothingIsCountedAndAllWorks) {
  std::uint64_t seen = 0;
  for (const Source& source : sources) seen |= source.read();
  EXPECT_NE(seen, 0u);
  EXPECT_GT(std::time(nullptr), 0);
  EXPECT_EQ(explore_threads({.max_runs = 1}, [] {}).ambient_reads, 0u);
}

// ---- what no function tells of: found by making the run twice ----

constexpr const char* no_reads = "it read no clock and took no randomness";

TEST_F(LabAmbient, AnAddressThatDecidesIsFound) {
  // Memory that is given back comes again in the opposite order, as from most allocators.
  static std::vector<std::unique_ptr<int>> free_list;
  for (int i = 0; i < 2; ++i) free_list.push_back(std::make_unique<int>());
  const Report report = explore_threads({.max_runs = runs}, [] {
    std::array<atomic<int>, 2> owned;
    std::array<std::unique_ptr<int>, 2> made;
    std::set<int*> in_order_of_addresses;
    for (auto& one : made) {
      one = std::move(free_list.back());
      free_list.pop_back();
      in_order_of_addresses.insert(one.get());
    }
    for (int* one : in_order_of_addresses) owned[one == made[0].get() ? 0 : 1].store(1);
    for (auto& one : made) free_list.push_back(std::move(one));
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure.message, HasSubstr(no_reads));
  EXPECT_THAT(failure.message, HasSubstr("the order of a set of pointers or the hash of one"));
  free_list.clear();
}

TEST_F(LabAmbient, TheOrderInAnUnorderedSetOfPointersIsFound) {
  std::vector<std::unique_ptr<char[]>> kept;  // so that every run has others, in other distances
  const Report report = explore_threads({.max_runs = runs}, [&] {
    std::array<atomic<int>, 8> owned;
    std::unordered_set<const void*> all;
    std::vector<const void*> made;
    for (std::size_t i = 0; i < owned.size(); ++i) {
      kept.push_back(std::make_unique<char[]>(16 * (1 + kept.size() % 7)));
      made.push_back(kept.back().get());
      all.insert(made.back());
    }
    for (const void* one : all)
      owned[static_cast<std::size_t>(std::ranges::find(made, one) - made.begin())].store(1);
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure.message, HasSubstr(no_reads));
}

TEST_F(LabAmbient, TheHashOfAPointerThatDecidesIsFound) {
  std::vector<std::unique_ptr<std::array<char, 64>>> kept;  // so that every run has another
  const Report report = decide_by([&] {
    kept.push_back(std::make_unique<std::array<char, 64>>());
    return std::hash<const void*>()(kept.back().get()) / 64;
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure.message, HasSubstr(no_reads));
}

TEST_F(LabAmbient, WhatAnEarlierRunHasLeftIsFound) {
  static std::uint64_t calls = 0;
  const Report report = decide_by([] { return ++calls; });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::nondeterminism);
  EXPECT_THAT(failure.message, HasSubstr("what an earlier run has left, such as a static"));
}

// Of the process, not of the run: running twice in one process cannot find it.
TEST_F(LabAmbient, WhoAsksForTheThreadsIdIsTold) {
  const Report report = decide_by([] { return std::hash<std::thread::id>()(std::this_thread::get_id()); });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_GE(report.thread_id_reads, runs);
  EXPECT_EQ(report.ambient_reads, 0u);
  EXPECT_THAT(report.text(), HasSubstr("looks at the thread's id, which another process has another of"));
}

// ---- sleeping ----

void expect_refused_sleep(const Report& report, const std::string& function, std::uint64_t step) {
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::misuse);
  EXPECT_THAT(failure.message, HasSubstr("sleeps for real (" + function + ") in step " + std::to_string(step)));
  EXPECT_THAT(failure.message, HasSubstr("use cx.sleep"));
  if (has_lines) { EXPECT_THAT(failure.message, HasSubstr(" at ambient_test.cpp:")); }
}

TEST_F(LabAmbient, SleepingForRealIsRefused) {
  bool went_on = false;
  const auto after = [&](auto sleeps) {
    return explore_threads({.max_runs = 10}, [&went_on, sleeps] {
      sleeps();
      went_on = true;
    });
  };
  expect_refused_sleep(after([] { std::this_thread::sleep_for(1h); }), "nanosleep", 0);
  expect_refused_sleep(after([] { ::usleep(1'000'000); }), "usleep", 0);
  expect_refused_sleep(after([] { ::sleep(1'000); }), "sleep", 0);
  expect_refused_sleep(after([] {
                         const timespec long_time{1'000, 0};
                         clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, nullptr);
                       }),
                       "clock_nanosleep", 0);
  EXPECT_FALSE(went_on);
}

TEST_F(LabAmbient, SoItIsInATask) {
  const Report report = explore({.max_runs = 10}, [](Cx cx, Scope<>&) -> Task<> {
    co_await cx.yield();
    std::this_thread::sleep_for(1h);
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::misuse);
  EXPECT_THAT(failure_of(report).message, HasSubstr("sleeps for real (nanosleep)"));
}

TEST_F(LabAmbient, ADestructorOfARunThatIsGivenUpNeedNotSleep) {
  struct SleepsAtItsEnd {
    ~SleepsAtItsEnd() { ::usleep(999'999); }
  };
  const Report report = explore_threads({.max_runs = 1}, [] {
    const SleepsAtItsEnd late;
    check(false, "broken");
  });
  EXPECT_THAT(failure_of(report).message, HasSubstr("broken"));
}

TEST_F(LabAmbient, OutsideOfARunTheSystemSleeps) {
  const timespec none{0, 0}, nonsense{0, -1};
  EXPECT_EQ(nanosleep(&none, nullptr), 0);
  EXPECT_EQ(nanosleep(&nonsense, nullptr), -1);
  EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &nonsense, nullptr), EINVAL);
  EXPECT_EQ(::usleep(0), 0);
  EXPECT_EQ(::sleep(0), 0u);
}

// ---- real mutexes ----

TEST_F(LabAmbient, ARealMutexMayNotBeHeldAcrossAVisiblePoint) {
  const Report report = explore_threads({.max_runs = 10}, [] {
    std::mutex real;
    atomic<int> x{0, "x"};
    thread other([&] {
      const std::scoped_lock hold(real);
      x.store(1);
    });
    name(other, "holder");
    other.join();
  });
  const FoundFailure failure = failure_of(report);
  EXPECT_EQ(failure.kind, FailureKind::misuse) << failure.message;
  EXPECT_THAT(failure.message, HasSubstr("holder gives way in step"));
  EXPECT_THAT(failure.message, HasSubstr("while it holds a real mutex"));
  EXPECT_THAT(failure.message, HasSubstr("use lab::mutex, or unlock it before"));
  if (has_lines) { EXPECT_THAT(failure.message, HasSubstr("(locked at ambient_test.cpp:")); }
}

TEST_F(LabAmbient, NorAcrossAnAwait) {
  std::mutex real;
  const Report report = explore({.max_runs = 10}, [&](Cx cx, Scope<>&) -> Task<> {
    const std::scoped_lock hold(real);
    co_await cx.yield();
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::misuse) << failure_of(report).message;
  EXPECT_THAT(failure_of(report).message, HasSubstr("while it holds a real mutex"));
  EXPECT_TRUE(real.try_lock()) << "the run that was given up left it locked";
  real.unlock();
}

TEST_F(LabAmbient, TheOtherKindsOfMutexesAreSeenToo) {
  const auto gives_way_with = [](auto make_lock) {
    const Report report = explore_threads({.max_runs = 1}, [&] {
      const auto lock = make_lock();
      atomic<int> x{0};
      x.store(1);
    });
    EXPECT_THAT(failure_of(report).message, HasSubstr("holds a real mutex"));
  };
  std::shared_mutex shared;
  std::recursive_mutex recursive;
  std::timed_mutex timed;
  std::mutex plain;
  gives_way_with([&] { return std::shared_lock(shared); });
  gives_way_with([&] { return std::unique_lock(shared); });
  gives_way_with([&] { return std::unique_lock(shared, std::try_to_lock); });
  gives_way_with([&] { return std::unique_lock(recursive); });
  gives_way_with([&] { return std::unique_lock(timed, 1h); });
  gives_way_with([&] { return std::unique_lock(plain, std::try_to_lock); });
}

TEST_F(LabAmbient, ARealMutexWithinAStepIsFine) {
  std::mutex real;
  std::recursive_mutex recursive;
  std::shared_mutex shared;
  int counted = 0;
  const Report report = explore_threads({.strategy = dpor(), .max_runs = 10'000}, [&] {
    atomic<int> x{0};
    const auto work = [&] {
      for (int i = 0; i < 2; ++i) {
        {
          const std::scoped_lock hold(real, recursive, shared);
          const std::scoped_lock again(recursive);
          ++counted;
        }
        x.store(i);
      }
    };
    thread a(work), b(work);
    a.join();
    b.join();
  });
  EXPECT_FALSE(report.failed()) << report.text();
  EXPECT_TRUE(report.exhausted);
  EXPECT_GT(counted, 4);
}

TEST_F(LabAmbient, AnAgentMayNotEndWithARealMutex) {
  static std::mutex real;  // stays locked after the first run
  for (int i = 0; i < 2; ++i) {
    const Report report = explore_threads({.max_runs = 1}, [] { thread([] { real.lock(); }).join(); });
    EXPECT_EQ(failure_of(report).kind, FailureKind::misuse);
    EXPECT_THAT(failure_of(report).message, HasSubstr("ends in step"));
    EXPECT_THAT(failure_of(report).message, HasSubstr("while it holds a real mutex"));
  }
}

TEST_F(LabAmbient, LockingARealMutexTwiceIsNotWaitedFor) {
  std::mutex real;
  const Report report = explore_threads({.max_runs = 1}, [&] {
    real.lock();
    real.lock();
  });
  EXPECT_EQ(failure_of(report).kind, FailureKind::misuse);
  EXPECT_THAT(failure_of(report).message,
              HasSubstr("main locks a real mutex in step 0 that main holds already, and would wait for ever"));
}

// The run is given up while one of them holds it; the other is unwound first, as the last that was made.
TEST_F(LabAmbient, ADestructorOfARunThatIsGivenUpWaitsForARealMutex) {
  std::mutex real;
  int locked = 0;
  struct LocksAtItsEnd {
    std::mutex& lock;
    int& count;
    ~LocksAtItsEnd() {
      const std::scoped_lock hold(lock);
      ++count;
    }
  };
  const Report report = explore_threads({.max_runs = 1}, [&] {
    atomic<int> x{0};
    thread holder([&] {
      x.spin(0);  // until the other has begun
      const std::scoped_lock hold(real);
      x.store(1);
    });
    thread last([&] {
      const LocksAtItsEnd late{real, locked};
      for (;;) x.store(2);
    });
    holder.join();
    last.join();
  });
  EXPECT_THAT(failure_of(report).message, HasSubstr("while it holds a real mutex"));
  EXPECT_THAT(failure_of(report).message, Not(HasSubstr("besides")));
  EXPECT_GT(locked, 0);
  EXPECT_TRUE(real.try_lock()) << "all gave it back";
  real.unlock();
}

// It is not the lab's to say how long.
TEST_F(LabAmbient, AMutexThatAnotherRealThreadHoldsIsWaitedFor) {
  std::mutex real;
  std::atomic<bool> is_locked{false}, is_awaited{false};
  std::thread holder([&] {
    const std::scoped_lock hold(real);
    is_locked = true;
    is_locked.notify_one();
    is_awaited.wait(false);
  });
  is_locked.wait(false);
  const Report report = explore_threads({.max_runs = 1}, [&] {
    is_awaited = true;
    is_awaited.notify_one();
    const std::scoped_lock hold(real);
  });
  EXPECT_FALSE(report.failed()) << report.text();
  holder.join();
}

}  // namespace
}  // namespace quiesce::lab
