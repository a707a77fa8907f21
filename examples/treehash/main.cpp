// treehash: the SHA-256 of every regular file below the given directories, and one digest of the whole. See --help.
//
// A program as a user of quiesce would write it. Where to look: walk.cpp has the regions, tasks and jobs, and says how they are
// bounded; interrupt.cpp turns Ctrl-C into a cancel request; listing.cpp and hash.cpp are the jobs that may block.
#include <quiesce/runtime.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "interrupt.hpp"
#include "options.hpp"
#include "report.hpp"
#include "run_state.hpp"
#include "walk.hpp"

namespace treehash {
namespace {

/// What the tasks wait for happens on the blocking pool; two workers are plenty to hand it over.
constexpr std::uint32_t workers = 2;

Status run_program(Options options) {
  const auto started = std::chrono::steady_clock::now();
  auto run = std::make_shared<RunState>(std::move(options));
  std::optional<InterruptMask> mask(std::in_place);
  quiesce::Runtime runtime = quiesce::Runtime::builder()
                                 .workers(workers)
                                 .blocking_threads(0, run->options.jobs)
                                 .name("treehash")
                                 .build();
  quiesce::Outcome<> ended;
  {
    InterruptWatch watch(runtime, run);
    ended = hash_trees(runtime, run);
  }
  mask.reset();  // nothing is left to be cancelled: from here on a signal just ends the program
  const auto taken = std::chrono::steady_clock::now() - started;

  // Whatever stopped it, the sums that are there are right.
  const Status status = status_of(*run, ended);
  const bool printed = print_sums(run->take_files(), status == Status::AllHashed, run->console);
  const bool all_ended = print_summary(*run, ended, runtime, taken);
  return (printed && all_ended) || status != Status::AllHashed ? status : Status::SomeUnread;
}

}  // namespace
}  // namespace treehash

int main(int argc, char** argv) {
  try {
    auto parsed = treehash::parse_options(argc, argv);
    if (const auto* status = std::get_if<treehash::Status>(&parsed)) return static_cast<int>(*status);
    return static_cast<int>(treehash::run_program(std::get<treehash::Options>(std::move(parsed))));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "treehash: %s\n", error.what());
    return static_cast<int>(treehash::Status::SomeUnread);
  }
}
