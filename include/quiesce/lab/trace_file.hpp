#pragma once
// The trace of a run as a file, which `quiesce view` shows.
//
//   lab::write_trace("bank.qtrace", *report.failure()->trace, lab::TraceHeader{.token = report.failure()->token});
//   auto file = lab::read_trace("bank.qtrace");
//   if (!file) std::cerr << file.error().message << '\n';
//
// JSON, one object a line: the header with the version of the format, the actors, the events in order, and a last line that counts
// them, so that a file which was cut off is known. Ids are hexadecimal text; members that are empty or 0 are left out.
// Text that is not UTF-8 is written with U+FFFD in place of what is not. Cost: linear in the events.
#include <cstdint>
#include <expected>
#include <filesystem>
#include <iosfwd>
#include <string>

#include "quiesce/lab/trace.hpp"

namespace quiesce::lab {

/// Which run it was. All may be empty.
struct TraceHeader {
  std::string token = {};
  std::string failure_kind = {};  // "deadlock"; empty: the run ended well
  std::string failure_message = {};
  std::uint64_t failure_step = 0;
  std::string options = {};   // "strategy=pct3, seed=7"
  std::string program = {};   // its path
  std::string build_id = {};  // of the program
  std::string compiler = {};

  friend bool operator==(const TraceHeader&, const TraceHeader&) = default;
};

struct TraceFile {
  TraceHeader header;
  RunTrace trace;
};

struct TraceFileError {
  enum class Kind : std::uint8_t {
    unwritable,
    unreadable,     // not there, a directory, not permitted
    not_a_trace,    // the first line is no header
    wrong_version,  // of the format
    corrupted,      // a line that means nothing
    truncated       // the last line is missing, or counts more than there is
  } kind = Kind::unreadable;
  std::uint64_t line = 0;  // from 1; 0: of the file as a whole
  std::string message;     // a sentence, with the file and the line
};
const char* to_string(TraceFileError::Kind kind) noexcept;

std::expected<void, TraceFileError> write_trace(const std::filesystem::path& file, const RunTrace& trace,
                                                const TraceHeader& header);
/// The caller looks at the stream's state.
void write_trace(std::ostream& out, const RunTrace& trace, const TraceHeader& header);

std::expected<TraceFile, TraceFileError> read_trace(const std::filesystem::path& file);
/// `name` is what messages call it.
std::expected<TraceFile, TraceFileError> read_trace(std::istream& in, const std::string& name);

}  // namespace quiesce::lab
