#pragma once
// What the command line asks for.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace treehash {

/// The exit statuses.
enum class Status { AllHashed = 0, SomeUnread = 1, Usage = 2, DeadlinePassed = 124, Interrupted = 130 };

struct Options {
  std::vector<std::string> directories;
  std::uint32_t jobs = 1;
  std::optional<std::chrono::nanoseconds> deadline;
  bool fail_fast = false;
};

/// The options, or the status with which to end at once: the help or the complaint has been printed.
std::variant<Options, Status> parse_options(int argc, char** argv);

}  // namespace treehash
