#include "semantics_lab/registry.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string_view>

#include "leaks.hpp"
#include "quiesce/lab/report.hpp"
#include "semantics_lab/run.hpp"

namespace quiesce::semantics::in_lab {

namespace {

constexpr std::uint64_t runs_by_default = 100;
constexpr std::uint64_t injections_max = 300;
/// Tests with long runs make fewer: so many steps in all for each strategy, but some runs in any case.
constexpr std::uint64_t steps_for_each_run = 150, runs_min = 8;
constexpr std::size_t stack_bytes = 512 * 1024;  // of a test, GoogleTest's printing included

struct Registered {
  Counts counts;
  std::set<std::string, std::less<>> names;
};
Registered& registered() {
  static Registered all;
  return all;
}

std::uint64_t wanted_runs() {
  const char* text = std::getenv("QUIESCE_LAB_RUNS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : runs_by_default;
}

/// Of at most `runs`.
std::uint64_t affordable(std::uint64_t runs, std::uint64_t steps_of_one) {
  const std::uint64_t steps = wanted_runs() * steps_for_each_run;
  return std::min(runs, std::max(runs_min, steps / std::max<std::uint64_t>(steps_of_one, 1)));
}

/// Stands before a token of `mode`.
char letter_of(const RunMode& mode) {
  return mode.cancels ? 'c' : mode.order == Order::any ? 'a' : mode.order == Order::lanes ? 'l' : 'f';
}

class LabTest : public ::testing::Test {
 public:
  LabTest(void (*run_once)(), Order order, bool cancels)
      : run_once_(run_once), order_(order), cancels_(cancels) {}

  void TestBody() override {
    if (const char* token = std::getenv("QUIESCE_REPLAY")) return replay(token);
    if (!explore({.order = order_}, lab::random(), 1)) return;
    if (chose_) {
      const std::uint64_t runs = affordable(wanted_runs(), longest_);
      if (!explore({.order = order_}, lab::random(), runs)) return;
      if (!explore({.order = order_}, lab::pct(3), runs)) return;
    }
    if (cancels_) inject();
  }

 private:
  /// Injection follows the order that the test was written for, to come as far as it does.
  static RunMode injecting() { return {.order = Order::fifo, .cancels = true}; }
  static lab::Options options(lab::StrategySpec strategy, std::uint64_t runs) {
    return {.strategy = strategy, .seed = 1, .max_runs = runs, .stack_bytes = stack_bytes};
  }

  bool explore(const RunMode& mode, lab::StrategySpec strategy, std::uint64_t runs) {
    return take(lab::detail::drive(options(strategy, runs), one_run_of(run_once_, mode, chose_)), mode);
  }
  /// A run that comes to no end because of a request is dropped, with what lies on its stack.
  void inject() {
    const quiesce::tests::LeaksAllowed leaks;
    const RunMode mode = injecting();
    const lab::Options bounds = options(lab::random(), affordable(injections_max, longest_));
    take(lab::detail::drive(bounds, lab::detail::make_injection(1), one_run_of(run_once_, mode, chose_)), mode);
  }
  void replay(std::string_view token) {
    RunMode mode{.order = order_};
    for (const RunMode& other : {injecting(), RunMode{.order = Order::any}, RunMode{.order = Order::lanes}}) {
      if (letter_of(other) == token.front()) mode = other;
    }
    token.remove_prefix(std::min(token.find('.') + 1, token.size()));
    take(lab::detail::drive_replay(token, options(lab::random(), 1), one_run_of(run_once_, mode, chose_)),
         mode);
  }

  bool take(const lab::Report& report, const RunMode& mode) {
    registered().counts.runs += report.runs;
    longest_ = std::max(longest_, report.max_depth);
    if (!report.failed()) return true;
    ADD_FAILURE() << report.text() << "as in: QUIESCE_REPLAY='" << letter_of(mode) << '.'
                  << report.failure()->token << "' semantics_lab_tests --gtest_filter="
                  << ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() << '.'
                  << ::testing::UnitTest::GetInstance()->current_test_info()->name();
    return false;
  }

  void (*run_once_)();
  Order order_;
  bool cancels_;
  bool chose_ = false;
  std::uint64_t longest_ = 0;  // run, in steps
};

class Summary : public ::testing::Environment {
  void TearDown() override {
    std::cout << counts().tests << " tests in the lab, " << counts().out << " left out, " << counts().runs
              << " runs made\n";
  }
};
[[maybe_unused]] ::testing::Environment* const summary = ::testing::AddGlobalTestEnvironment(new Summary);

}  // namespace

const Counts& counts() { return registered().counts; }
bool is_known(const std::string& name) { return registered().names.contains(name); }

bool add(const char* suite, const char* name, const char* file, int line, void (*run_once)()) {
  const std::string full = std::string(suite) + "." + name;
  registered().names.insert(full);
  const auto special = special_tests();
  const auto mine =
      std::ranges::find(special, full, [](const SpecialTest& test) { return std::string(test.name); });
  const Order order = mine != special.end() ? mine->order : Order::any;
  const bool cancels = mine == special.end() || mine->cancels;
  if (order == Order::out) {
    ++registered().counts.out;
    return false;
  }
  ++registered().counts.tests;
  ::testing::RegisterTest(suite, name, nullptr, nullptr, file, line,
                          [=]() -> LabTest* { return new LabTest(run_once, order, cancels); });
  return true;
}

}  // namespace quiesce::semantics::in_lab
