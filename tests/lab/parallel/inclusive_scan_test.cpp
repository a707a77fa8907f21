// parallel::inclusive_scan in the lab: whoever takes a branch, and wherever a request comes. Its chain is explored with its memory in
// lab/parts/scan_chain_test.cpp; here its atomics are real ones, which the lab does not see.
#include "quiesce/parallel/inclusive_scan.hpp"

#include <array>

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

using parallel::Grain;

/// Element i is 1 << i; parts of two.
template <std::size_t count>
Task<> scan_in_place(Cx cx, std::array<int, count>* numbers) {
  for (std::size_t i = 0; i < count; ++i) (*numbers)[i] = 1 << i;
  co_await parallel::inclusive_scan(cx, numbers->begin(), numbers->end(), numbers->begin(), std::plus<>(),
                                    Grain(2));
}

/// How many parts are as they were.
template <std::size_t count>
std::size_t untouched_parts(const std::array<int, count>& numbers) {
  std::size_t untouched = 0;
  for (std::size_t i = 0; i < count; i += 2) {
    const bool is_scanned = numbers[i] == (2 << i) - 1 && numbers[i + 1] == (4 << i) - 1;
    const bool is_as_before = numbers[i] == 1 << i && numbers[i + 1] == 2 << i;
    lab::check(is_scanned || is_as_before, "of a part all is written, or nothing");
    untouched += is_scanned ? 0 : 1;
  }
  return untouched;
}

template <std::size_t parts>
Task<> scans(Cx cx, Scope<>&) {
  std::array<int, 2 * parts> numbers{};
  auto body = [&numbers](Cx mine, Scope<>&) -> Task<> { return scan_in_place(mine, &numbers); };
  const Outcome<void> ended = co_await region(cx, FailFast(), body).outcome();
  if (numbers[1] == 0) co_return;  // the request came before the body
  const std::size_t untouched = untouched_parts(numbers);
  if (ended.is_ok()) lab::check(untouched == 0, "all of it is done");
  lab::sometimes(ended.is_ok(), "nobody asks it to stop");
}
/// A request while it scans.
Task<> is_asked_to_stop(Cx cx, Scope<>&) {
  std::array<int, 8> numbers{};
  auto body = [&numbers](Cx mine, Scope<>& scope) -> Task<> {
    auto add = [&scope](int a, int b) {
      if (b == 1 << 3) scope.cancel(CancelReason::user("enough"));  // in the second part
      return a + b;
    };
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 1 << i;
    co_await parallel::inclusive_scan(mine, numbers.begin(), numbers.end(), numbers.begin(), add, Grain(2));
  };
  const Outcome<void> ended = co_await region(cx, FailFast(), body).outcome();
  const std::size_t untouched = untouched_parts(numbers);
  lab::check(ended.is_cancelled() || untouched == 0, "it has stopped, or it has done all");
  lab::sometimes(untouched > 0 && untouched < 4, "it stops in between");
}

TEST(LabInclusiveScan, WritesPartsWholeWhoeverTakesThem) { expect_holds(scans<4>, 300); }
TEST(LabInclusiveScan, InEverySchedule) {
  const lab::Report report = lab::explore({.strategy = lab::exhaustive(), .max_runs = 200'000}, scans<3>);
  EXPECT_LAB_OK(report);
  EXPECT_TRUE(report.exhausted) << report.text();
  EXPECT_GT(report.runs, 10u);
  RecordProperty("runs", std::to_string(report.runs));
}
TEST(LabInclusiveScan, OnSimulatedWorkers) {
  for (const std::uint32_t workers : {2u, 3u}) {
    EXPECT_LAB_OK(
        lab::explore({.strategy = lab::random(), .seed = 7, .max_runs = 300, .workers = workers}, scans<4>));
    EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 8, .max_runs = 300, .workers = workers},
                               is_asked_to_stop));
  }
}

}  // namespace
}  // namespace quiesce::lab_tests
