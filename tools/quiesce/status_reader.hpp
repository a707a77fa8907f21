#pragma once
// Reads what explorations tell (QUIESCE_STATUS) while it is written.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace quiesce_command {

struct FailureTold {
  std::string kind, message, token, crash_pack, text;
};

/// All that the explorations of some processes have told.
struct Tally {
  std::set<std::string> suspensions, cancel_points, landed;  // each with its body
  std::vector<FailureTold> failures;
};

/// Of one process.
class StatusReader {
 public:
  explicit StatusReader(std::filesystem::path file) : file_(std::move(file)) {}

  /// Takes the lines that have come since the last call.
  void read(Tally& tally);

  std::uint64_t runs() const;
  std::size_t explorations() const { return runs_.size(); }
  /// Bodies of explorations, begun and skipped.
  const std::set<std::string>& bodies() const { return bodies_; }
  /// Of the last exploration that has begun and not ended; empty: none.
  const std::string& under_way() const { return under_way_; }
  /// Since it was told anything, or since this was made.
  std::chrono::steady_clock::duration silence() const { return std::chrono::steady_clock::now() - heard_; }

 private:
  void take(const std::string& line, Tally& tally);

  std::filesystem::path file_;
  std::ifstream in_;
  std::string rest_;                 // of a line that is not whole yet
  std::vector<std::uint64_t> runs_;  // of each exploration
  std::vector<std::string> body_of_;
  std::set<std::string> bodies_;
  std::string under_way_;
  std::chrono::steady_clock::time_point heard_ = std::chrono::steady_clock::now();
};

}  // namespace quiesce_command
