// The mixed workload. QUIESCE_MIXED_RUNS=1000000 makes so many runs instead of a few thousand.
#include <cstdlib>
#include <string>

#include "lab/channel/mixed_workload.hpp"
#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

std::uint64_t wanted_runs() {
  const char* wanted = std::getenv("QUIESCE_MIXED_RUNS");
  return wanted == nullptr ? 4'000 : std::stoull(wanted);
}

/// A third each with random schedules, PCT, and random ones of four workers; a new workload every hundred runs.
void explore_mixed(lab::Chaos chaos) {
  constexpr std::uint64_t runs_of_a_seed = 100;
  const std::uint64_t seeds = (wanted_runs() / 2 + runs_of_a_seed - 1) / runs_of_a_seed;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    lab::Options options{.seed = seed, .max_runs = runs_of_a_seed, .chaos = chaos};
    if (seed % 3 == 1) options.strategy = lab::pct(3);
    if (seed % 3 == 2) options.workers = 4;
    const lab::Report report = lab::explore(options, mixed_workload);
    EXPECT_LAB_OK(report);
    if (report.failed()) return;
  }
}

TEST(LabMixedChannels, EveryParcelIsAccountedFor) { explore_mixed({}); }

TEST(LabMixedChannels, EveryParcelIsAccountedForUnderCancels) { explore_mixed({.cancel = {.one_in = 30}}); }

TEST(LabMixedChannels, EveryParcelIsAccountedForWhenEachCancelPointIsHit) {
  EXPECT_LAB_OK(lab::cancel_everywhere(mixed_workload, {.seed = 7}));
  EXPECT_LAB_OK(lab::cancel_everywhere(mixed_workload, {.seed = 8, .max_runs = 1'000}, true));
}

}  // namespace
}  // namespace quiesce::lab_tests
