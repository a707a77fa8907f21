#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <thread>

namespace treehash {
namespace {

constexpr std::uint32_t jobs_max = 1024;
constexpr double deadline_s_max = 1e9;  // some thirty years, well inside a count of nanoseconds

constexpr const char* footer =
    R"(Output (stdout): one line a file, sorted by the bytes of its path, in the form that `sha256sum -c` reads; then a comment
with the digest of all those lines. The digest is called incomplete when a file could not be read, or the run was stopped.
Progress and problems go to stderr: the progress only when that is a terminal.

Symbolic links are not followed, except for a DIR that is one. Sockets, pipes and devices are left alone.

Exit status:
  0    every file was hashed
  1    some could not be read
  2    the command line is wrong
  124  the deadline passed
  130  interrupted (Ctrl-C once: stop what runs, then tell how far it got; twice: leave at once)

Example:
  treehash --jobs 4 /usr/include >sums && sha256sum -c --quiet sums)";

}  // namespace

std::variant<Options, Status> parse_options(int argc, char** argv) {
  Options options;
  options.jobs = std::clamp(std::thread::hardware_concurrency(), 1u, jobs_max);
  double deadline_s = 0;

  CLI::App app("treehash: the SHA-256 of every regular file below the given directories", "treehash");
  app.footer(footer);
  app.get_formatter()->column_width(28);
  app.add_option("DIR", options.directories, "Directories to hash (a single file is hashed as it is)")
      ->required();
  app.add_option("-j,--jobs", options.jobs, "Read this many files at a time (default: one a processor)")
      ->check(CLI::Range(1u, jobs_max).description(""))
      ->type_name("N");
  auto* deadline = app.add_option("--deadline", deadline_s, "Stop after this many seconds; 0.5 is half of one")
                       ->check(CLI::Range(1e-3, deadline_s_max).description(""))
                       ->type_name("SEC");
  auto* fail_fast =
      app.add_flag("--fail-fast", options.fail_fast, "Stop at the first file that cannot be read");
  bool keep_going = false;
  app.add_flag("--keep-going", keep_going, "Tell what cannot be read and go on (the default)")
      ->excludes(fail_fast);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? Status::AllHashed : Status::Usage; }
  if (deadline->count() > 0) {
    options.deadline =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(deadline_s));
  }
  return options;
}

}  // namespace treehash
