// The lab against the corpus: every bug is found by every strategy that is asked, said in words that name it, and found again by
// its token; and in what was mended nothing is found.
#include "corpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>
#include <string>

#include "quiesce/lab/gtest.hpp"

namespace quiesce::lab::corpus {

// What a failing test prints.
void PrintTo(const Bug& bug, std::ostream* out) { *out << bug.name << ": " << bug.wrong; }

namespace {

using ::testing::HasSubstr;

bool is_cancelled(const Bug& bug) { return std::holds_alternative<Cancelled>(bug.buggy); }

/// How often another goes on in a schedule as it is shown.
std::size_t switches_of(const std::string& schedule) {
  std::size_t switches = 0;
  std::string last;
  std::istringstream lines(schedule);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string step, who;
    if (!(words >> step >> who) || std::isdigit(static_cast<unsigned char>(step[0])) == 0) continue;
    if (who != last && !last.empty()) ++switches;
    last = who;
  }
  return switches;
}

class LabCorpus : public ::testing::TestWithParam<Bug> {
 protected:
  const Bug& bug() const { return GetParam(); }

  void expect_found(const Options& options) {
    const Report report = explore(bug().buggy, options);
    ASSERT_TRUE(report.failed()) << report.text();
    const FoundFailure& failure = *report.failure();
    EXPECT_EQ(failure.kind, bug().kind) << report.text();
    for (const std::string_view part : bug().message)
      EXPECT_THAT(failure.message, HasSubstr(std::string(part)));
    EXPECT_LE(switches_of(failure.schedule), bug().switches_max) << failure.schedule;

    const Report again = replay(bug().buggy, failure.token);
    ASSERT_TRUE(again.failed()) << again.text();
    EXPECT_EQ(again.failure()->kind, failure.kind);
    EXPECT_EQ(again.failure()->message, failure.message);
    EXPECT_EQ(again.failure()->step, failure.step);
    EXPECT_EQ(again.failure()->schedule, failure.schedule);
  }
  /// With a few seeds, each within the bound.
  void expect_found_by(StrategySpec strategy, std::uint64_t runs) {
    if (runs == 0 || is_cancelled(bug())) return;
    for (const std::uint64_t seed : {1, 2}) {
      SCOPED_TRACE(seed);
      expect_found({.strategy = strategy, .seed = seed, .max_runs = runs});
    }
  }
  Report explore_fixed(StrategySpec strategy, std::uint64_t runs) {
    return explore(bug().fixed, {.strategy = strategy, .seed = 1, .max_runs = runs});
  }
};

TEST_P(LabCorpus, RandomFindsIt) { expect_found_by(lab::random(), bug().within.random); }
TEST_P(LabCorpus, PctFindsIt) { expect_found_by(lab::pct(bug().depth), bug().within.pct); }
TEST_P(LabCorpus, DporFindsIt) {
  if (bug().within.dpor == 0 || is_cancelled(bug())) return;
  expect_found({.strategy = lab::dpor(), .max_runs = bug().within.dpor});
}
TEST_P(LabCorpus, ExhaustiveFindsIt) {
  if (bug().within.exhaustive == 0 || is_cancelled(bug())) return;
  expect_found({.strategy = lab::exhaustive(), .max_runs = bug().within.exhaustive});
}
TEST_P(LabCorpus, ARequestAtEveryCancelPointFindsIt) {
  if (is_cancelled(bug())) expect_found({.max_runs = 100});
}

TEST_P(LabCorpus, InWhatWasMendedNothingIsFound) {
  if (is_cancelled(bug())) {
    const Report everywhere = explore(bug().fixed, {.max_runs = 1000});
    EXPECT_LAB_OK(everywhere);
    EXPECT_TRUE(everywhere.exhausted);
    EXPECT_GT(everywhere.runs, 1u);
    return;
  }
  const Report classes = explore_fixed(lab::dpor(), bug().fixed_classes_max);
  EXPECT_LAB_OK(classes);
  EXPECT_TRUE(classes.exhausted) << classes.text();
  EXPECT_EQ(classes.blocked_runs, 0u);
  EXPECT_EQ(classes.runs, classes.classes) << "a class was run twice";
  const Report all = explore_fixed(lab::exhaustive(), 3'000);
  EXPECT_LAB_OK(all);
  if (all.exhausted) { EXPECT_EQ(all.classes, classes.classes) << "DPOR and brute force differ"; }
  const Report random = explore_fixed(lab::random(), 200);
  EXPECT_LAB_OK(random);
  EXPECT_LE(random.classes, classes.classes) << "DPOR has missed a class";
  const Report pct = explore_fixed(lab::pct(bug().depth), 200);
  EXPECT_LAB_OK(pct);
  EXPECT_LE(pct.classes, classes.classes) << "DPOR has missed a class";
}

INSTANTIATE_TEST_SUITE_P(Bugs, LabCorpus, ::testing::ValuesIn(all_bugs().begin(), all_bugs().end()),
                         [](const auto& made_of) { return identifier(made_of.param); });

TEST(LabCorpusItself, HasNamesThatDiffer) {
  std::set<std::string_view> names;
  for (const Bug& bug : all_bugs()) EXPECT_TRUE(names.insert(bug.name).second) << bug.name;
  EXPECT_GE(names.size(), 28u);
}

}  // namespace
}  // namespace quiesce::lab::corpus
