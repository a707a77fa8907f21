// What a failure leaves in a directory, and what is said when it cannot.
#include "lab/crash_pack.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "quiesce/lab.hpp"

namespace quiesce::lab {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class LabCrashPack : public testing::Test {
 protected:
  LabCrashPack() {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~LabCrashPack() override { fs::remove_all(folder); }

  static std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }

  const fs::path folder =
      fs::path(testing::TempDir()) / ("quiesce_crash_pack_test_" + std::to_string(::getpid()));
};

const auto deadlock = [] {
  mutex left("left"), right("right");
  thread a([&] {
    std::scoped_lock first(left);
    std::scoped_lock second(right);
  });
  std::scoped_lock first(right);
  { std::scoped_lock second(left); }
  a.join();
};

TEST_F(LabCrashPack, HasAllThatIsNeededToLookIntoTheFailure) {
  const Report report = explore_threads(
      {.strategy = pct(2), .seed = 3, .max_runs = 10'000, .crash_packs = (folder / "packs").string()},
      deadlock);
  ASSERT_TRUE(report.failed());
  const FoundFailure& failure = *report.failure();
  EXPECT_EQ(failure.crash_pack_error, "");
  const fs::path pack = failure.crash_pack;
  EXPECT_THAT(pack.filename().string(), ContainsRegex("^deadlock-[0-9a-f]+$"));
  EXPECT_EQ(pack.parent_path(), folder / "packs");
  EXPECT_EQ(text_of(pack / "token.txt"), failure.token + '\n');
  EXPECT_THAT(text_of(pack / "report.txt"), HasSubstr(failure.schedule));
  EXPECT_THAT(report.text(), HasSubstr("its crash pack is " + pack.string()));
  const std::string options = text_of(pack / "options.json");
  EXPECT_THAT(options, HasSubstr(R"("strategy": "pct2")"));
  EXPECT_THAT(options, HasSubstr(R"("seed": 3)"));
  EXPECT_THAT(options, HasSubstr(fs::read_symlink("/proc/self/exe").string()));
  const auto file = read_trace(pack / "trace.qtrace");
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->header.token, failure.token);
  EXPECT_EQ(file->header.failure_kind, "deadlock");
  EXPECT_EQ(file->header.failure_message, failure.message);
  EXPECT_EQ(file->header.failure_step, failure.step);
  EXPECT_EQ(file->trace.events.size(), failure.trace->events.size());
  EXPECT_GT(file->trace.events.size(), 5u);
  // The token in the pack is the one that replays.
  EXPECT_EQ(replay(text_of(pack / "token.txt"), deadlock).failure()->message, failure.message);
}

TEST_F(LabCrashPack, TheSameFailureHasOnePack) {
  const Options options{.strategy = exhaustive(), .max_runs = 10'000, .crash_packs = folder.string()};
  const std::string first = explore_threads(options, deadlock).failure()->crash_pack;
  std::ofstream(fs::path(first) / "left over.txt") << "from the first";
  const std::string second = explore_threads(options, deadlock).failure()->crash_pack;
  EXPECT_EQ(first, second);
  EXPECT_EQ(entries(), 1u) << "nothing half made is left";
  EXPECT_FALSE(fs::exists(fs::path(second) / "left over.txt"));
  EXPECT_TRUE(fs::exists(fs::path(second) / "token.txt"));
}

TEST_F(LabCrashPack, TheEnvironmentMayAskForThem) {
  ::setenv("QUIESCE_CRASH_PACKS", folder.c_str(), 1);
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 10'000}, deadlock);
  ::unsetenv("QUIESCE_CRASH_PACKS");
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(fs::path(report.failure()->crash_pack).parent_path(), folder);
}

TEST_F(LabCrashPack, NobodyAskedNothingIsWritten) {
  const Report report = explore_threads({.strategy = exhaustive(), .max_runs = 10'000}, deadlock);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->crash_pack, "");
  EXPECT_THAT(report.text(), Not(HasSubstr("crash pack")));
}

TEST_F(LabCrashPack, WhatCannotBeWrittenIsToldAndTheFailureStays) {
  std::ofstream(folder / "file") << "in the way";
  const Report report = explore_threads(
      {.strategy = exhaustive(), .max_runs = 10'000, .crash_packs = (folder / "file" / "packs").string()},
      deadlock);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, FailureKind::deadlock);
  EXPECT_EQ(report.failure()->crash_pack, "");
  EXPECT_THAT(report.text(), ContainsRegex("no crash pack was written: .*file/packs: Not a directory\n"));
}

TEST_F(LabCrashPack, AProgramIsKnownByItsBuild) {
  const detail::Program program = detail::this_program();
  EXPECT_EQ(program.path, fs::read_symlink("/proc/self/exe").string());
  EXPECT_THAT(program.build_id, ContainsRegex("^(file-)?[0-9a-f]{16,}$"));
  EXPECT_EQ(program.build_id, detail::this_program().build_id);
  ASSERT_FALSE(program.arguments.empty());
}

}  // namespace
}  // namespace quiesce::lab
