// quiesce replay: the program once more, with every exploration told whose run is wanted.
#include <fmt/format.h>

#include "child.hpp"
#include "commands.hpp"
#include "quiesce/lab/environment.hpp"
#include "scratch.hpp"
#include "status_reader.hpp"

namespace quiesce_command {

namespace lab = quiesce::lab;

namespace {

ExitStatus refuse(std::string_view sentence) {
  fmt::print(stderr, "quiesce replay: {}\n", sentence);
  return ExitStatus::impossible;
}

/// Nobody made the token's run: why not.
std::string nobody(const StatusReader& reader, const ReplayOptions& options, const Ended& ended) {
  const std::string& program = options.program[0];
  if (reader.bodies().empty()) {
    return fmt::format(
        "{} {} without an exploration; it must be linked with the lab, and its arguments must let the test "
        "with it run",
        program, ended.text());
  }
  return fmt::format(
      "none of the {} bodies that {} explored is the token's, which has the fingerprint b{:08x}: the test was "
      "not "
      "run, or its body is another one since",
      reader.bodies().size(), program, lab::read_token(options.token)->body);
}

}  // namespace

ExitStatus replay(const ReplayOptions& options) {
  if (const auto token = lab::read_token(options.token); !token) return refuse(token.error());
  const Scratch scratch;
  const auto status = scratch / "status";
  auto child = Child::start({.program = options.program,
                             .environment = {{lab::replay_variable, options.token},
                                             {lab::status_variable, status.string()},
                                             {lab::hunt_variable, std::nullopt}}});
  if (!child) return refuse(child.error());
  const Ended ended = child->wait();
  StatusReader reader(status);
  Tally tally;
  reader.read(tally);
  for (const FailureTold& failure : tally.failures) {
    if (failure.kind == "divergence") continue;
    fmt::print("reproduced: {}: {}\n", failure.kind, failure.message);
    return ExitStatus::failure;
  }
  if (!tally.failures.empty()) return refuse("the token cannot be followed: " + tally.failures.front().message);
  if (ended.signal != 0)
    return refuse(fmt::format("{} {} before the run was over", options.program[0], ended.text()));
  if (reader.explorations() == 0) return refuse(nobody(reader, options, ended));
  fmt::print("not reproduced: the run of the token ends well now\n");
  return ExitStatus::well;
}

}  // namespace quiesce_command
