#pragma once
// A directory with all that is needed to look into a failure later, or elsewhere:
//
//   <dir>/<kind>-<hash of the token>/token.txt      one line
//                                    trace.qtrace   for `quiesce view`
//                                    report.txt     the report's text
//                                    options.json   how it was found, and by which program
//
// It is made under another name and renamed when it is whole; one that is there already, of the same failure, is replaced.
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/lab/environment.hpp"
#include "quiesce/lab/report.hpp"
#include "quiesce/lab/trace_file.hpp"
#include "run_mode.hpp"

namespace quiesce::lab::detail {

/// Which program this process runs.
struct Program {
  std::string path;                    // of the executable
  std::vector<std::string> arguments;  // argv
  std::string gtest_filter;            // of the arguments or the environment; empty: none
  std::string build_id;  // the linker's (NT_GNU_BUILD_ID), else "file-" and a hash of the executable
};
Program this_program();
/// Of the library.
std::string_view compiler() noexcept;

/// How the failure was found.
struct Search {
  Options options;
  RunMode mode;
  std::string strategy = to_string(options.strategy);
};
std::string text_of(const Search& search);

TraceHeader trace_header(const FoundFailure& failure, const Search& search, const Program& program);

/// Where the pack is; else a sentence. Never throws.
std::expected<std::filesystem::path, std::string> write_crash_pack(const std::filesystem::path& directory,
                                                                   const Report& report,
                                                                   const Search& search) noexcept;

}  // namespace quiesce::lab::detail
