// Optimal DPOR against brute force: the same classes and the same final states, each class once, and no run given up.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <random>
#include <string>

#include "tiny_programs.hpp"

namespace quiesce::lab::detail {
namespace {

using namespace tiny;

Exploration explore_classes(const Program& program) { return explore(*make_dpor(), program); }
Exploration explore_all(const Program& program) { return explore(*make_exhaustive(), program); }

void expect_optimal(const Exploration& found) {
  EXPECT_TRUE(found.is_at_end);
  EXPECT_TRUE(found.counts.exhausted);
  EXPECT_EQ(found.counts.blocked_runs, 0u);
  EXPECT_EQ(found.counts.runs, found.complete_runs);
  EXPECT_EQ(found.complete_runs, found.classes.size()) << "a class was run twice";
  EXPECT_EQ(found.counts.classes, found.classes.size());
}

void expect_as_brute_force(const Program& program) {
  const Exploration found = explore_classes(program);
  const Exploration all = explore_all(program);
  ASSERT_TRUE(all.is_at_end);
  expect_optimal(found);
  EXPECT_EQ(found.classes.size(), all.classes.size());
  EXPECT_EQ(found.states, all.states);
  EXPECT_EQ(found.deadlocks > 0, all.deadlocks > 0);
}

// ---- figures from the literature ----

std::uint64_t classes_of(const Program& program) {
  const Exploration found = explore_classes(program);
  expect_optimal(found);
  return found.complete_runs;
}

TEST(LabDpor, WritersOfOneVariableHaveAsManyClassesAsOrders) {
  std::uint64_t factorial = 1;
  for (unsigned n = 1; n <= 7; ++n) {
    factorial *= n;
    Program writers;
    for (unsigned i = 0; i < n; ++i) writers.threads.push_back({write(0, static_cast<int>(i))});
    EXPECT_EQ(classes_of(writers), factorial);
  }
}

TEST(LabDpor, ReadersOfOneWriterDoubleTheClassesEach) {
  for (int n = 1; n <= 8; ++n) {
    Program readers{.threads = {{write(0, 1)}}};
    for (int i = 1; i <= n; ++i) readers.threads.push_back({write(i, 1), read(0, 0)});
    EXPECT_EQ(classes_of(readers), std::uint64_t{1} << n);
  }
}

// The paper's example of what sleep sets alone cannot do: thread 0 looks for the last zero of an array that the others fill.
Program last_zero(int n) {
  Program p{
      .threads = {{set(0, n), read(reg(0), 1), jump_if_not(reg(1), 5), set(0, reg(0, -1)), jump_if(1, 1)}}};
  for (int i = 1; i <= n; ++i) p.threads.push_back({read(i - 1, 0), write(i, reg(0, 1))});
  return p;
}

TEST(LabDpor, LastZeroHasItsKnownNumberOfClasses) {
  for (int n = 2; n <= 9; ++n)
    EXPECT_EQ(classes_of(last_zero(n)), static_cast<std::uint64_t>(n + 3) << (n - 2)) << n;
}

TEST(LabDpor, WhatIsIndependentIsOneClass) {
  Program p;
  for (int t = 0; t < 5; ++t) p.threads.push_back({write(t, 1), read(t, 0), write(t, 2), count(10, 1)});
  EXPECT_EQ(classes_of(p), 1u);
}

TEST(LabDpor, WhoLeavesLastIsAllThatMattersOfLeaving) {
  for (int n = 1; n <= 6; ++n) {
    Program p;
    for (int t = 0; t < n; ++t) p.threads.push_back({leave(0, n)});
    EXPECT_EQ(classes_of(p), static_cast<std::uint64_t>(n));
    p.threads.push_back({read(0, 0)});
    expect_as_brute_force(p);
  }
}

TEST(LabDpor, CriticalSectionsHaveAsManyClassesAsOrders) {
  Program p;
  for (int t = 0; t < 3; ++t) {
    std::vector<Op> ops;
    for (int i = 0; i < 3; ++i) ops.insert(ops.end(), {lock(0), read(0, 0), write(0, reg(0, 1)), unlock(0)});
    p.threads.push_back(ops);
  }
  EXPECT_EQ(classes_of(p), 1'680u);  // 9! / 3!^3
}

// ---- programs of every kind ----

struct Named {
  std::string name;
  Program program;
  friend std::ostream& operator<<(std::ostream& out, const Named& named) { return out << named.program; }
};

Op increment(int variable, int into) { return add(variable, 1, into); }

std::vector<Named> programs() {
  const std::vector<Op> locked{lock(0), read(0, 0), write(0, reg(0, 1)), unlock(0)};
  const std::vector<Op> tries{try_lock(0, 0), jump_if_not(reg(0), 5), read(0, 1), write(0, reg(1, 1)),
                              unlock(0)};
  const auto fork = [](int left, int right) {
    return std::vector{lock(left), lock(right), unlock(right), unlock(left)};
  };
  const std::vector<Op> claims{compare_exchange(0, 0, 1, 0), jump_if_not(reg(0), 3), increment(1, 1)};
  const std::vector<Op> counts{read(0, 0), compare_exchange(0, reg(0), reg(0, 1), 1), jump_if_not(reg(1), 0)};
  return {
      {"Empty", {.threads = {{}, {}}}},
      {"LostUpdate", {.threads = {{read(0, 0), write(0, reg(0, 1))}, {read(0, 0), write(0, reg(0, 1))}}}},
      {"StoreBuffering",
       {.threads = {{write(0, 1), read(1, 0)}, {write(1, 1), read(0, 0)}, {read(0, 0), read(1, 1)}}}},
      {"MessagePassing",
       {.threads = {{write(0, 7), write(1, 1)}, {read(1, 0), jump_if_not(reg(0), 3), read(0, 1)}}}},
      {"IndependentReadsOfIndependentWrites",
       {.threads = {{write(0, 1)}, {write(1, 1)}, {read(0, 0), read(1, 1)}, {read(1, 0), read(0, 1)}}}},
      {"FetchAdd", {.threads = {{increment(0, 0), increment(0, 1)}, {increment(0, 0)}, {read(0, 0)}}}},
      {"CommutingCounts", {.threads = {{count(0, 1), count(0, 1)}, {count(0, 1), read(0, 0)}, {count(0, 1)}}}},
      {"CountsAgainstWrites",
       {.threads = {{count(0, 1), write(0, 5)}, {count(0, 2)}, {count(0, 3), read(0, 0)}}}},
      {"CompareExchangeClaims", {.threads = {claims, claims, claims}}},
      {"CompareExchangeThatFailsAfterAWrite",
       {.threads = {{compare_exchange(0, 0, 2, 0), read(1, 1)},
                    {write(0, 1)},
                    {read(0, 0), write(1, 1)},
                    {read(0, 0)}}}},
      {"CompareExchangeChain",
       {.threads = {{compare_exchange(0, 0, 1, 0), compare_exchange(0, 2, 3, 1)},
                    {compare_exchange(0, 1, 2, 0)},
                    {read(0, 0)}}}},
      {"CompareExchangeLoops", {.threads = {counts, counts, {read(0, 0)}}}},
      {"Locks", {.threads = {locked, locked, {read(0, 0)}}}},
      {"LocksTwice",
       {.threads = {{lock(0), unlock(0), lock(0), unlock(0)}, {lock(0), unlock(0), lock(0), unlock(0)}}}},
      {"LocksOfTwoMutexes",
       {.threads = {{lock(0), write(0, 1), unlock(0), lock(1), read(1, 0), unlock(1)},
                    {lock(1), write(1, 1), unlock(1)},
                    {lock(0), read(0, 0)}}}},
      {"LockNeverGivenBack", {.threads = {{lock(0), write(0, 1)}, {lock(0), write(0, 2)}, {read(0, 0)}}}},
      {"LockAfterOtherWork",
       {.threads = {{write(0, 1), lock(0), unlock(0)},
                    {lock(0), read(0, 0), unlock(0)},
                    {write(1, 1), lock(0), read(0, 0)}}}},
      {"TryLocks", {.threads = {tries, tries}}},
      {"TryLockAgainstLock", {.threads = {locked, tries}}},
      {"TryLocksThatFail",
       {.threads = {{lock(0), unlock(0)}, {try_lock(0, 0), try_lock(0, 1)}, {try_lock(0, 0)}}}},
      {"TwoPhilosophers", {.threads = {fork(0, 1), fork(1, 0)}}},
      {"ThreePhilosophers", {.threads = {{lock(0), lock(1)}, {lock(1), lock(2)}, {lock(2), lock(0)}}}},
      {"LockOfItsOwn", {.threads = {{lock(0), lock(0)}, {lock(0), unlock(0)}}}},
      {"ForkAndJoin",
       {.threads = {{write(0, 1), spawn(1), spawn(2), join(1), join(2), read(0, 0)},
                    {increment(0, 0)},
                    {increment(0, 0)}},
        .started = 1}},
      {"ForkedFork",
       {.threads = {{spawn(1), read(0, 0), join(1)}, {write(0, 1), spawn(2), read(0, 0)}, {write(0, 2)}},
        .started = 1}},
      {"JoinAfterOtherWork",
       {.threads = {{write(0, 1)}, {read(1, 0), join(0), read(0, 0)}, {write(1, 1), join(0)}}}},
      {"JoinOfAnEndedThreadThatIsWoken", {.threads = {{wake(1)}, {read(0, 0)}, {lock(0), join(1)}}}},
      {"JoinsInACircle", {.threads = {{read(0, 0), join(1)}, {write(0, 1), join(0)}, {read(0, 0)}}}},
      {"LockedJoin", {.threads = {{lock(0), join(1), unlock(0)}, {lock(0), unlock(0)}}}},
      {"Condition",
       {.threads = {{lock(0), read(0, 0), jump_if(reg(0), 5), wait(0, 0), read(0, 1), unlock(0)},
                    {lock(0), write(0, 1), notify(0), unlock(0)}}}},
      {"ConditionNotifiedOutsideTheLock",
       {.threads = {{lock(0), wait(0, 0), unlock(0)},
                    {lock(0), write(0, 1), unlock(0), notify(0)},
                    {lock(0), unlock(0)}}}},
      {"NotificationInTheStepOfALock",
       {.threads = {{lock(0), wait(0, 0)}, {lock(0), fused(notify(0))}, {unlock(0)}}}},
      {"TwoWaitForACondition",
       {.threads = {{lock(0), wait(0, 0), unlock(0)},
                    {lock(0), wait(0, 0), unlock(0)},
                    {notify(0), notify(0)}}}},
      {"ConditionThatIsNeverNotified", {.threads = {{wake(2)}, {lock(0)}, {lock(0), wait(0, 0)}}}},
      {"ConditionOfAWokenWaiter",
       {.threads = {{lock(0), wait(0, 0), sleep(), unlock(0)},
                    {},
                    {spawn(1), fused(wake(0)), lock(0), notify(0)}},
        .started = 3}},
      {"TwoNotifiedAtOnce",
       {.threads = {{lock(0), wait(0, 0), unlock(0)},
                    {lock(0), wait(0, 0), unlock(0)},
                    {lock(0), notify_all(0)}}}},
      {"WaitForAChange",
       {.threads = {{wait_for_change(0, 0, 0), read(1, 1)}, {write(1, 1), write(0, 1), notify_change(0)}}}},
      {"WaitForAChangeThatIsTakenBack",
       {.threads = {{wait_for_change(0, 0, 0)},
                    {write(0, 1), notify_change(0), write(0, 0), notify_change(0)}}}},
      {"TwoWaitForAChange",
       {.threads = {{wait_for_change(0, 0, 0)},
                    {wait_for_change(0, 0, 0), notify_change(0)},
                    {write(0, 1), notify_change(0)}}}},
      {"ForgottenNotification",
       {.threads = {{wait_for_change(0, 0, 0)}, {write(0, 1)}, {wake(0), write(0, 2)}}}},
      {"WokenSleeper", {.threads = {{read(0, 0), sleep(), read(0, 1)}, {write(0, 1), wake(0), write(0, 2)}}}},
      {"SleeperWokenTwice",
       {.threads = {{read(0, 0), sleep(), read(0, 1), sleep(), read(1, 2)},
                    {wake(0), write(0, 1)},
                    {wake(0), write(1, 1)}}}},
      {"PassingTime",
       {.threads = {{write(0, 1), pause(2), read(0, 0)},
                    {pause(1), write(0, 2), pause(1), write(0, 3)},
                    {read(0, 0)}}}},
      {"TimeWithALock",
       {.threads = {{lock(0), pause(1), unlock(0)},
                    {lock(0), write(0, 1), unlock(0)},
                    {try_lock(0, 0), read(0, 1)}}}},
      {"LeavingAndLookingOn",
       {.threads = {{leave(2, 3), write(1, 1)}, {read(1, 0), leave(2, 3)}, {leave(2, 3), read(2, 0)}}}},
      {"LeavingTwice", {.threads = {{leave(2, 4), leave(2, 4)}, {leave(2, 4), add(2, 0, 0)}, {leave(2, 4)}}}},
      {"LeavingInSeveralStepsBesideAWrite",
       {.threads = {{leave(2, 4), add(2, 0, 0)},
                    {compare_exchange(1, 1, 0, 1), leave(2, 4), leave(2, 4)},
                    {leave(2, 4), count(1, 1)}}}},
      {"LeavingInSeveralStepsBesideReads",
       {.threads = {{leave(2, 4), read(2, 0)},
                    {leave(2, 4), fused(write(0, 0)), leave(2, 4)},
                    {read(2, 0), leave(2, 4), read(0, 0)}}}},
      {"LeavingBehindALock",
       {.threads = {{leave(2, 2)}, {lock(0), fused(leave(2, 2))}, {lock(0), read(2, 1)}}}},
      {"LeavingAfterAWait",
       {.threads = {{wait_for_change(0, 0, 1), fused(leave(2, 2))}, {leave(2, 2)}, {add(0, 1, 1)}}}},
      {"LeavingWhereADrawSaysSo",
       {.threads = {{draw(2, 0), jump_if(reg(0), 3), leave(2, 2), read(2, 1)}, {leave(2, 2)}, {leave(2, 2)}}}},
      {"Draws",
       {.threads = {{read(0, 0), draw(3, 1), write(reg(1), 1)},
                    {write(1, 2)},
                    {read(0, 0), draw(2, 1), read(reg(1), 2)}}}},
      {"DrawThatDecidesWhatIsTouched",
       {.threads = {{write(1, 5)}, {read(3, 0), draw(2, 1), fused(write(reg(1, 1), 1))}, {write(2, 7)}}}},
      {"DrawsThatDependOnWhatWasRead",
       {.threads = {{write(0, 2)},
                    {read(0, 0), draw(reg(0, 1), 1), fused(write(1, reg(1)))},
                    {read(1, 0), write(0, 1)}}}},
      {"StepsOfSeveralTouches",
       {.threads =
            {{read(1, 0)}, {read(0, 0), fused(write(1, 1))}, {write(0, 1)}, {write(1, 2), fused(read(0, 0))}}}},
      {"StepsThatTouchByWhatTheySaw",
       {.threads = {{write(0, 1)},
                    {read(0, 0), fused(read(reg(0, 1), 1)), fused(write(2, reg(1)))},
                    {write(1, 3), write(2, 4)}}}},
      {"StepThatLocksAndMore",
       {.threads = {{count(1, 1)}, {increment(1, 1), lock(0), read(1, 0)}, {lock(0), fused(read(1, 1))}}}},
  };
}

class LabDporProgram : public testing::TestWithParam<Named> {};

bool names_threads(const Op& op) {
  return op.kind == Kind::Spawn || op.kind == Kind::Join || op.kind == Kind::Wake;
}

// Who comes first in the run that comes first depends on the threads' numbers.
TEST_P(LabDporProgram, IsExploredAsByBruteForceInWhateverOrderOfItsThreads) {
  const Program& program = GetParam().program;
  const bool has_one_order = std::ranges::any_of(
      program.threads, [](const auto& ops) { return std::ranges::any_of(ops, names_threads); });
  std::vector<std::size_t> order(program.threads.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  do {
    Program permuted = program;
    for (std::size_t i = 0; i < order.size(); ++i) permuted.threads[i] = program.threads[order[i]];
    expect_as_brute_force(permuted);
  } while (!has_one_order && std::next_permutation(order.begin(), order.end()));
}

INSTANTIATE_TEST_SUITE_P(Programs, LabDporProgram, testing::ValuesIn(programs()),
                         [](const auto& instance) { return instance.param.name; });

// ---- random programs ----

/// Where it is set numbers are its, and the same in every run of the test; else rapidcheck's, which shrinks what fails.
std::mt19937_64* seeded = nullptr;

int pick(int end) {
  if (seeded != nullptr) return static_cast<int>((*seeded)() % static_cast<std::uint64_t>(end));
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, end));
}

Op any_access() {
  const Value variable = pick(2);
  const int into = pick(2);
  switch (pick(6)) {
    case 0: return read(variable, into);
    case 1: return write(variable, pick(3));
    case 2: return write(variable, reg(into, 1));
    case 3: return increment(variable.constant, into);
    case 4: return count(variable, 1);
    default: return compare_exchange(variable, pick(2), pick(3), into);
  }
}

// Of variable 2, by so many as leave it; others look at it, and write what is there.
Op any_leaving() {
  switch (pick(3)) {
    case 0: return read(2, pick(2));
    case 1: return add(2, 0, pick(2));
    default: return leave(2, 0);
  }
}

void count_leaving(Program& program) {
  int leaving = 0;
  for (const std::vector<Op>& thread : program.threads)
    leaving += static_cast<int>(std::ranges::count(thread, Kind::Leave, &Op::kind));
  for (std::vector<Op>& thread : program.threads) {
    for (Op& op : thread) {
      if (op.kind == Kind::Leave) op.a = leaving;
    }
  }
}

Op any_lock() {
  switch (pick(4)) {
    case 0: return lock(0);
    case 1: return try_lock(0, 0);
    default: return unlock(0);
  }
}

Op any_wait(int threads) {
  switch (pick(4)) {
    case 0: return join(pick(threads));
    case 1: return notify(0);
    case 2: return notify_all(0);
    default: return wait(0, 0);
  }
}

Op any_change_or_wait() {
  switch (pick(4)) {
    case 0: return write(pick(2), pick(3));
    case 1: return increment(pick(2), 0);
    case 2: return notify_change(pick(2));
    default: return wait_for_change(pick(2), pick(2), 0);
  }
}

Op any_sleep_or_wake(int threads) { return pick(3) == 0 ? sleep() : wake(pick(threads)); }

Op any_draw_or_pause() { return pick(2) == 0 ? draw(1 + pick(3), 0) : pause(1 + pick(2)); }

// Shrunk by whole operations.
rc::Gen<Program> any_program(Op (*any_op)(int threads)) {
  return rc::gen::exec([any_op] {
    Program p;
    const int threads = 2 + pick(2);
    const auto op = rc::gen::exec([any_op, threads] { return any_op(threads); });
    for (int t = 0; t < threads; ++t) {
      const int ops = threads == 2 ? 2 + pick(3) : 2 + pick(2);
      p.threads.push_back(*rc::gen::container<std::vector<Op>>(static_cast<std::size_t>(ops), op));
    }
    return p;
  });
}

void check_as_brute_force(const Program& program) {
  RC_LOG() << program;
  const Exploration found = explore_classes(program);
  const Exploration all = explore_all(program);
  RC_ASSERT(all.is_at_end);
  RC_ASSERT(found.is_at_end);
  RC_ASSERT(found.counts.blocked_runs == 0u);
  RC_ASSERT(found.complete_runs == found.classes.size());
  RC_ASSERT(found.counts.runs == found.complete_runs);
  RC_ASSERT(found.classes.size() == all.classes.size());
  RC_ASSERT(found.states == all.states);
}

RC_GTEST_PROP(LabDporRandom, AccessesAndLocks, ()) {
  check_as_brute_force(*any_program([](int) { return pick(3) < 2 ? any_access() : any_lock(); }));
}

RC_GTEST_PROP(LabDporRandom, StepsOfSeveralAccesses, ()) {
  check_as_brute_force(*any_program([](int) {
    const int kind = pick(5);
    return kind == 0 ? any_lock() : kind <= 2 ? any_access() : fused(any_access());
  }));
}

RC_GTEST_PROP(LabDporRandom, WaitsForLocksEndsAndNotifications, ()) {
  check_as_brute_force(*any_program([](int threads) {
    const int kind = pick(4);
    return kind == 0 ? any_access() : kind == 1 ? any_wait(threads) : any_lock();
  }));
}

RC_GTEST_PROP(LabDporRandom, SleepersAndLocks, ()) {
  check_as_brute_force(*any_program([](int threads) {
    const int kind = pick(5);
    return kind == 0 ? any_lock() : kind <= 2 ? any_access() : any_sleep_or_wake(threads);
  }));
}

RC_GTEST_PROP(LabDporRandom, LeavingAndAccesses, ()) {
  Program program = *any_program([](int) {
    const Op op = pick(2) == 0 ? any_leaving() : any_access();
    return pick(5) == 0 ? fused(op) : op;
  });
  count_leaving(program);
  check_as_brute_force(program);
}

RC_GTEST_PROP(LabDporRandom, DrawsAndTime, ()) {
  check_as_brute_force(*any_program([](int) {
    const int kind = pick(4);
    return kind == 0 ? any_draw_or_pause() : kind == 1 ? fused(any_access()) : any_access();
  }));
}

RC_GTEST_PROP(LabDporRandom, WaitsForChanges, ()) {
  check_as_brute_force(*any_program([](int threads) {
    const int kind = pick(6);
    return kind <= 2 ? any_change_or_wait() : kind == 3 ? wake(pick(threads)) : any_access();
  }));
}

// All kinds of steps in one program; some of those that would leave may not come to it.
Op any_op(int threads) {
  switch (pick(9)) {
    case 0: return any_lock();
    case 1: return any_wait(threads);
    case 2: return any_change_or_wait();
    case 3: return any_sleep_or_wake(threads);
    case 4: return any_draw_or_pause();
    case 5: return any_leaving();
    case 6: return spawn(1 + pick(threads - 1));
    case 7: {
      const Op op = pick(3) == 0 ? any_leaving() : any_access();
      return fused(op);
    }
    default: return any_access();
  }
}

void start_some(Program& program) {
  program.started = 1 + pick(static_cast<int>(program.threads.size()));
  count_leaving(program);
}

RC_GTEST_PROP(LabDporRandom, EverythingTogether, ()) {
  Program program = *any_program(any_op);
  start_some(program);
  check_as_brute_force(program);
}

TEST(LabDporSeeded, EverythingTogether) {
  std::mt19937_64 numbers(20220217);
  seeded = &numbers;
  for (int i = 0; i < 400 && !HasFailure(); ++i) {
    Program program;
    program.threads.resize(static_cast<std::size_t>(2 + pick(3)));
    const int threads = static_cast<int>(program.threads.size());
    for (int op = 0; op < 8; ++op)
      program.threads[static_cast<std::size_t>(pick(threads))].push_back(any_op(threads));
    start_some(program);
    SCOPED_TRACE(program);
    expect_as_brute_force(program);
  }
  seeded = nullptr;
}

// ---- failures, and runs that do not come to their end ----

TEST(LabDpor, FindsTheDeadlockOfThePhilosophersOnce) {
  const Exploration found = explore_classes({.threads = {{lock(0), lock(1), unlock(1), unlock(0)},
                                                         {lock(1), lock(2), unlock(2), unlock(1)},
                                                         {lock(2), lock(0), unlock(0), unlock(2)}}});
  expect_optimal(found);
  EXPECT_EQ(found.deadlocks, 1u);
}

TEST(LabDpor, FindsAFailureThatCutsTheRunOff) {
  const Program program{.threads = {{read(0, 0), write(0, reg(0, 1)), spawn(2)},
                                    {read(0, 0), write(0, reg(0, 1)), spawn(3)},
                                    {join(1), read(0, 0), check(reg(0), 2)},
                                    {join(0)}},
                        .started = 2,
                        .fails_at_once = true};
  const Exploration found = explore_classes(program);
  const Exploration all = explore_all(program);
  EXPECT_TRUE(found.is_at_end);
  EXPECT_EQ(found.counts.blocked_runs, 0u);
  EXPECT_GT(found.failed_runs, 0u);
  EXPECT_LT(found.failed_runs, all.failed_runs);
  EXPECT_EQ(found.complete_runs, found.classes.size());
}

TEST(LabDpor, ALoopThatWaitsForAnotherIsLeftInTheEnd) {
  const Program program{.threads = {{read(0, 0), jump_if_not(reg(0), 0)}, {write(0, 1)}}};
  const Exploration found = explore(*make_dpor(), program, 200, 100'000);
  EXPECT_EQ(found.complete_runs, 200u);
  EXPECT_EQ(found.classes.size(), 200u);
  EXPECT_EQ(found.counts.blocked_runs, 0u);
}

TEST(LabDpor, AProgramThatDoesNotRepeatItselfIsNotFollowed) {
  const auto write_by = [](LogicalId agent, std::uint64_t object) {
    return Step{agent, {{LogicalId{object}, Access::Write}}};
  };
  auto strategy = make_dpor();
  const std::vector<LogicalId> three{LogicalId{1}, LogicalId{2}, LogicalId{3}};
  ASSERT_TRUE(strategy->begin_run());
  for (std::size_t i = 0; i < 3; ++i) {
    const LogicalId chosen = strategy->choose(std::span(three).subspan(i));
    ASSERT_EQ(chosen, three[i]);
    strategy->executed(write_by(chosen, 9));
  }
  strategy->end_run(true);
  ASSERT_TRUE(strategy->begin_run());
  EXPECT_EQ(strategy->choose(three), three[0]);
  strategy->executed(write_by(three[0], 8));
  const LogicalId chosen = strategy->choose(std::span(three).subspan(1));
  EXPECT_EQ(std::ranges::find(three, chosen), three.end()) << "as if nothing had changed";
  EXPECT_NE(chosen, LogicalId{}) << "that would give the run up in silence";
}

TEST(LabDpor, StaysAtItsEnd) {
  auto strategy = make_dpor();
  explore(*strategy, {.threads = {{write(0, 1)}, {write(0, 2)}}});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(strategy->begin_run());
  EXPECT_EQ(strategy->counts().runs, 2u);
  EXPECT_TRUE(strategy->counts().exhausted);
}

}  // namespace
}  // namespace quiesce::lab::detail
