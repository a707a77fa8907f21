// philosophers: five of them at a table, on all cores or in the lab, where those without manners starve and the lab says who waits for
// whom. See --help.
#include <fmt/core.h>
#include <quiesce/lab.hpp>
#include <quiesce/lab/trace_file.hpp>
#include <quiesce/runtime.hpp>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "table.hpp"

namespace philosophers {
namespace {

namespace q = quiesce;
namespace lab = quiesce::lab;

constexpr std::uint32_t seats = 5, seats_in_lab = 3;

q::Task<> one_meal(q::Cx cx, Manners manners) {
  const std::uint64_t used = co_await dinner(cx, seats_in_lab, 1, manners);
  lab::check(used == 2 * seats_in_lab, "everybody has eaten with two forks");
}
q::Task<> without_manners(q::Cx cx, q::Scope<>&) { return one_meal(cx, Manners::left_first); }
q::Task<> with_manners(q::Cx cx, q::Scope<>&) { return one_meal(cx, Manners::lower_first); }

bool write_trace(const lab::FoundFailure& failure, const std::string& file) {
  const lab::TraceHeader header{.token = failure.token,
                                .failure_kind = lab::to_string(failure.kind),
                                .failure_message = failure.message,
                                .failure_step = failure.step,
                                .program = "philosophers"};
  const auto written = lab::write_trace(std::filesystem::path(file), *failure.trace, header);
  if (!written) fmt::print(stderr, "philosophers: {}\n", written.error().message);
  return written.has_value();
}

/// Those who starve are found, and those with manners never starve.
bool explore(const std::string& trace_file) {
  const lab::Report starving = lab::explore({.strategy = lab::dpor()}, without_manners);
  fmt::print("left fork first: {}\n", starving.text());
  if (!starving.failed() || starving.failure()->kind != lab::FailureKind::deadlock) return false;
  if (!trace_file.empty() && !write_trace(*starving.failure(), trace_file)) return false;
  const lab::Report well = lab::explore({.strategy = lab::dpor(), .max_runs = 1'000'000}, with_manners);
  fmt::print("lower fork first: {}\n", well.text());
  return !well.failed() && well.exhausted;
}

bool dine(std::uint32_t meals) {
  q::Runtime runtime = q::Runtime::builder().name("philosophers").build();
  auto body = [meals](q::Cx cx, q::Scope<>&) -> q::Task<std::uint64_t> {
    return dinner(cx, seats, meals, Manners::lower_first);
  };
  const auto used = runtime.block_on(body);
  if (!used.is_ok()) return false;
  fmt::print("{} philosophers have eaten {} times each\n", seats, used.value() / 2 / seats);
  return used.value() == std::uint64_t{2} * seats * meals;
}

int run_program(int argc, char** argv) {
  CLI::App app("philosophers: five of them at a table, on all cores or in the lab", "philosophers");
  bool explores = false;
  std::uint32_t meals = 10'000;
  std::string trace_file;
  auto* exploring = app.add_flag("--lab", explores, "Three of them in every order in which things can happen");
  app.add_option("--trace", trace_file, "Write the trace of how they starve, for quiesce view")
      ->type_name("FILE")
      ->needs(exploring);
  app.add_option("--meals", meals, "Of each, without --lab (10000)");
  CLI11_PARSE(app, argc, argv);
  return (explores ? explore(trace_file) : dine(meals)) ? 0 : 1;
}

}  // namespace
}  // namespace philosophers

int main(int argc, char** argv) {
  try {
    return philosophers::run_program(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "philosophers: %s\n", error.what());
    return 1;
  }
}
