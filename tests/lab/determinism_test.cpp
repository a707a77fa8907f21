// The same seed gives the same run: again, after whatever else the process has done, and in another process.
//
// How many seeds: 10,000 in optimised builds, 500 in others; QUIESCE_DETERMINISM_SEEDS says otherwise. That two compilers agree is
// checked by scripts/check_determinism.sh, which runs `lab_tests --gtest_filter=LabDeterminism.PrintsHashes` of both.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lab/determinism_support.hpp"
#include "lab/fnv.hpp"
#include "quiesce/lab/environment.hpp"

namespace quiesce::lab::tests {
namespace {

constexpr const char* print_variable = "QUIESCE_PRINT_HASHES";
constexpr std::uint64_t seeds_printed = 200, runs_printed = 50, traces_printed = 5;

/// Nothing in it may depend on the process or the compiler.
std::string print_hashes() {
  std::ostringstream text;
  text << std::hex;
  for (const Program& program : programs()) {
    text << "hash " << program.name << " seeds " << hash_of_seeds(program, seeds_printed) << '\n';
    for (const StrategySpec strategy : {random(), pct(3), dpor(), exhaustive(2)}) {
      const Report report = program.explore({.strategy = strategy, .seed = 7, .max_runs = runs_printed});
      text << "hash " << program.name << ' ' << to_string(strategy) << ' ' << report.hash << '\n';
    }
    std::string traces;
    for (std::uint64_t seed = 0; seed < traces_printed; ++seed)
      traces += trace_of_seed(program, seed, Lines::left_out);
    text << "hash " << program.name << " traces " << detail::fnv1a_64(traces) << '\n';
  }
  return text.str();
}

class LabDeterminismOf : public testing::TestWithParam<Program> {};

TEST_P(LabDeterminismOf, ASeedGivesTheSameRunTwice) {
  const Program& program = GetParam();
  std::map<std::uint64_t, std::uint64_t> seen;  // hashes, and how often
  const std::uint64_t seeds = seeds_wanted();
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const Options options{.seed = seed, .max_runs = 1};
    const Report once = program.explore(options);
    const Report again = program.explore(options);
    ASSERT_FALSE(once.failed()) << "seed " << seed << '\n' << once.text();
    ASSERT_EQ(once.hash, again.hash) << "seed " << seed;
    ASSERT_EQ(once.steps, again.steps) << "seed " << seed;
    ++seen[once.hash];
  }
  EXPECT_GT(seen.size(), seeds / 4) << "the schedules hardly differ";
}

TEST_P(LabDeterminismOf, ASeedGivesTheSameTraceByteForByte) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::string once = trace_of_seed(GetParam(), seed, Lines::kept);
    EXPECT_GT(once.size(), 1'000u);
    const std::string again = trace_of_seed(GetParam(), seed, Lines::kept);
    const auto [a, b] = std::ranges::mismatch(once, again);
    ASSERT_EQ(once.size(), again.size());
    ASSERT_TRUE(a == once.end()) << "seed " << seed << ", at\n"
                                 << std::string_view(a, once.end()).substr(0, 300);
  }
}

// The seed is one of the exploration: all of its runs come again.
TEST_P(LabDeterminismOf, AnExplorationGivesTheSameRunsTwice) {
  for (const StrategySpec strategy : {random(), pct(3), dpor(), exhaustive(2)}) {
    const Options options{.strategy = strategy, .seed = 7, .max_runs = 200};
    const Report once = GetParam().explore(options);
    const Report again = GetParam().explore(options);
    EXPECT_FALSE(once.failed()) << once.text();
    EXPECT_EQ(once.hash, again.hash);
    EXPECT_EQ(once.runs, again.runs);
    EXPECT_EQ(once.classes, again.classes);
    EXPECT_EQ(once.ambient_reads, 0u);
  }
}

TEST_P(LabDeterminismOf, AnotherSeedGivesOtherRuns) {
  EXPECT_NE(GetParam().explore({.seed = 1, .max_runs = 50}).hash,
            GetParam().explore({.seed = 2, .max_runs = 50}).hash);
}

INSTANTIATE_TEST_SUITE_P(Programs, LabDeterminismOf, testing::ValuesIn(programs().begin(), programs().end()),
                         [](const auto& instance) { return std::string(instance.param.name); });

// ---- whatever else the process does ----

TEST(LabDeterminism, WhatTheProcessHasDoneBeforeMakesNoDifference) {
  const std::string fresh = print_hashes();
  std::mt19937_64 numbers(1);
  std::vector<std::unique_ptr<std::vector<char>>> garbage;
  for (int i = 0; i < 2'000; ++i) {
    garbage.push_back(std::make_unique<std::vector<char>>(numbers() % 4'096));
    if (numbers() % 3 == 0) garbage[numbers() % garbage.size()].reset();
  }
  for (const Program& program : programs()) {
    (void)program.explore({.strategy = dpor(), .seed = numbers(), .max_runs = 50});
    (void)program.explore({.strategy = pct(4), .seed = numbers(), .max_runs = 50});
  }
  EXPECT_EQ(print_hashes(), fresh);
}

/// What a new process of this binary prints. It has made other memory its own before.
std::string hashes_of_another_process() {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t process = fork();
  if (process == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    setenv(print_variable, "1", 1);
    for (const char* variable : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_SHARD_STATUS_FILE"})
      unsetenv(variable);
    execl("/proc/self/exe", "lab_tests", "--gtest_filter=LabDeterminism.PrintsHashes", nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[4'096];
  for (ssize_t got = read(ends[0], buffer, sizeof buffer); got > 0; got = read(ends[0], buffer, sizeof buffer))
    text.append(buffer, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(process, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  return text;
}

TEST(LabDeterminism, AnotherProcessMakesTheSameRuns) {
  std::vector<std::unique_ptr<char[]>> garbage;  // so that this one is not as the other
  for (std::size_t i = 1; i < 500; ++i) garbage.push_back(std::make_unique<char[]>(i * 16));
  (void)programs()[1].explore({.seed = 99, .max_runs = 20});
  const std::string theirs = hashes_of_another_process();
  std::istringstream mine(print_hashes());
  for (std::string line; std::getline(mine, line);)
    EXPECT_NE(theirs.find(line + '\n'), std::string::npos) << line << "\nis not in\n" << theirs;
}

TEST(LabDeterminism, PrintsHashes) {
  if (std::getenv(print_variable) == nullptr)
    GTEST_SKIP() << "for other processes; they set " << print_variable;
  std::fputs(print_hashes().c_str(), stdout);
}

}  // namespace
}  // namespace quiesce::lab::tests
