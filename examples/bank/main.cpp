// bank: a small bank, a bug in how it undoes transfers, and how the lab finds it. See --help, and "A worked hunt" in docs/lab.md.
//
// Where to look: teller.cpp has the transfer, wrong and right; day.cpp runs the right one on all cores; hunt.cpp has both in the lab.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include "day.hpp"
#include "hunt.hpp"
#include "quiesce/lab/trace_file.hpp"

namespace bank {
namespace {

namespace lab = quiesce::lab;
using namespace std::chrono_literals;

constexpr const char* footer =
    R"(Without an option the right transfers run for half a second on all cores, and the books are shown.

Exit status: 0 when what was expected came out (the hunt finds the bug, the mended bank has none), 1 when not, 2 when the
command line is wrong.)";

/// For `quiesce view`.
bool write_trace(const lab::FoundFailure& failure, const std::string& file) {
  const lab::TraceHeader header{.token = failure.token,
                                .failure_kind = lab::to_string(failure.kind),
                                .failure_message = failure.message,
                                .failure_step = failure.step,
                                .program = "bank"};
  const auto written = lab::write_trace(std::filesystem::path(file), *failure.trace, header);
  if (!written) std::cerr << "bank: " << written.error().message << '\n';
  return written.has_value();
}

/// The bug must be found, and its token must lead there again.
bool hunt(const std::string& trace_file) {
  const lab::Report report = explore_morning(Refunds::ByTeller, lab::dpor());
  std::cout << report.text();
  if (!report.failed()) return false;
  std::cout << "so: bank --replay " << report.failure()->token << '\n';
  if (!trace_file.empty() && !write_trace(*report.failure(), trace_file)) return false;
  const lab::Report again = replay_morning(report.failure()->token);
  return again.failed() && again.failure()->message == report.failure()->message;
}

/// The run must fail: the token is one of the hunt's.
bool replay(const std::string& token) {
  const lab::Report report = replay_morning(token);
  std::cout << report.text();
  return report.failed() && report.failure()->kind != lab::FailureKind::divergence;
}

/// Of the mended bank: every class of schedules, and a request at every cancel point of one.
bool check_mended() {
  const lab::Report all = explore_morning(Refunds::ByTransfer, lab::dpor());
  std::cout << "every order of events: " << all.text();
  const lab::Report cancelled = cancel_morning(Refunds::ByTransfer);
  std::cout << "a cancel request at every cancel point: " << cancelled.text();
  return !all.failed() && all.exhausted && !cancelled.failed() && cancelled.exhausted;
}

int run_program(int argc, char** argv) {
  CLI::App app("bank: a small bank, a bug in it, and how the lab finds it", "bank");
  app.footer(footer);
  bool hunts = false, checks = false;
  std::string token, trace_file;
  auto* hunting = app.add_flag("--hunt", hunts, "Find the bug of the wrong transfers");
  auto* replaying = app.add_option("--replay", token, "Run a schedule of the hunt again")->type_name("TOKEN");
  auto* checking = app.add_flag("--check", checks, "Explore the mended transfers");
  app.add_option("--trace", trace_file, "Write the trace of what the hunt finds, for quiesce view")
      ->type_name("FILE")
      ->needs(hunting);
  hunting->excludes(replaying)->excludes(checking);
  replaying->excludes(checking);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? 0 : 2; }
  const bool as_expected = hunts                    ? hunt(trace_file)
                           : replaying->count() > 0 ? replay(token)
                           : checks                 ? check_mended()
                                                    : run_day(500ms);
  return as_expected ? 0 : 1;
}

}  // namespace
}  // namespace bank

int main(int argc, char** argv) {
  try {
    return bank::run_program(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bank: %s\n", error.what());
    return 1;
  }
}
