#pragma once
// The three commands. Each prints what it has to say and gives the exit status.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "exit_status.hpp"

namespace quiesce_command {

struct ReplayOptions {
  std::string token;
  std::vector<std::string> program;  // and its arguments
};
ExitStatus replay(const ReplayOptions& options);

struct HuntOptions {
  double seconds = 60;
  double patience = 30;  // seconds that one run may take
  unsigned jobs = 1;
  std::uint64_t seed = 0;
  std::filesystem::path packs;
  bool keep_going = false;
  bool cancels = true;
  std::vector<std::string> strategies;  // empty: a mixture
  std::vector<std::string> program;
};
ExitStatus hunt(const HuntOptions& options);

struct ViewOptions {
  std::filesystem::path file;    // a trace, or a crash pack
  std::filesystem::path output;  // empty: beside the trace; "-": stdout
  bool perfetto = false;
};
ExitStatus view(const ViewOptions& options);

}  // namespace quiesce_command
