// Prints how many runs each strategy needs to find each bug of the corpus, as a table in Markdown.
//
//   corpus_table [SEEDS]     default 21; the strategies that draw are run with as many seeds, and their median is shown
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "corpus.hpp"

namespace quiesce::lab::corpus {
namespace {

constexpr std::uint64_t runs_max = 10'000;  // then a strategy has not found it
constexpr std::uint64_t seeds_default = 21;
constexpr std::uint64_t seeds_max = 10'001;

/// Until the bug is found; nothing: it was not, or something else was.
std::optional<std::uint64_t> runs_until_found(const Bug& bug, StrategySpec strategy, std::uint64_t seed) {
  const Report report = explore(bug.buggy, {.strategy = strategy, .seed = seed, .max_runs = runs_max});
  if (!report.failed() || report.failure()->kind != bug.kind) return std::nullopt;
  return report.runs;
}

std::string shown(std::uint64_t runs) {
  return runs > runs_max ? fmt::format(">{}", runs_max) : fmt::format("{}", runs);
}

std::string runs_once(const Bug& bug, StrategySpec strategy) {
  return shown(runs_until_found(bug, strategy, 0).value_or(runs_max + 1));
}

std::string median_runs(const Bug& bug, StrategySpec strategy, std::uint64_t seeds) {
  std::vector<std::uint64_t> runs;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    runs.push_back(runs_until_found(bug, strategy, seed).value_or(runs_max + 1));
  const auto middle = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
  std::ranges::nth_element(runs, middle);
  return shown(*middle);
}

std::string classes_of_fixed(const Bug& bug) {
  const Report report = explore(bug.fixed, {.strategy = lab::dpor(), .max_runs = bug.fixed_classes_max});
  if (report.failed()) return "a failure";
  return report.exhausted ? fmt::format("{}", report.classes) : fmt::format(">{}", report.classes);
}

bool is_cancelled(const Bug& bug) { return std::holds_alternative<Cancelled>(bug.buggy); }

std::string row(const Bug& bug, std::uint64_t seeds) {
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", bug.name, to_string(bug.kind),
                     median_runs(bug, lab::random(), seeds), median_runs(bug, lab::pct(2), seeds),
                     median_runs(bug, lab::pct(3), seeds), runs_once(bug, lab::exhaustive()),
                     runs_once(bug, lab::dpor()), classes_of_fixed(bug));
}

/// Of a bug that a cancel request brings out; no strategy has a part in it.
std::string row_of_cancelled(const Bug& bug) {
  return fmt::format("| {} | {} | {} | {} |\n", bug.name, to_string(bug.kind),
                     explore(bug.buggy, {.max_runs = runs_max}).runs,
                     explore(bug.fixed, {.max_runs = runs_max}).runs);
}

void print_table(std::uint64_t seeds) {
  fmt::print("| bug | found as | random | pct(2) | pct(3) | exhaustive | dpor | classes when mended |\n");
  fmt::print("|---|---|--:|--:|--:|--:|--:|--:|\n");
  for (const Bug& bug : all_bugs()) {
    if (is_cancelled(bug)) continue;
    fmt::print("{}", row(bug, seeds));
    std::fflush(stdout);
  }
  fmt::print("\n| bug | found as | requests everywhere: run | all runs when mended |\n|---|---|--:|--:|\n");
  for (const Bug& bug : all_bugs()) {
    if (is_cancelled(bug)) fmt::print("{}", row_of_cancelled(bug));
  }
}

std::optional<std::uint64_t> parse_seeds(std::string_view text) {
  std::uint64_t seeds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seeds);
  if (error != std::errc() || end != text.data() + text.size() || seeds == 0 || seeds > seeds_max)
    return std::nullopt;
  return seeds;
}

}  // namespace
}  // namespace quiesce::lab::corpus

int main(int argc, char** argv) {
  using namespace quiesce::lab::corpus;
  const auto seeds = argc > 1 ? parse_seeds(argv[1]) : seeds_default;
  if (argc > 2 || !seeds) {
    fmt::print(stderr, "usage: corpus_table [SEEDS]     SEEDS is a number from 1 to {}\n", seeds_max);
    return 2;
  }
  print_table(*seeds);
}
