#include "crash_pack.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>  // renameat2
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "fnv.hpp"

namespace quiesce::lab::detail {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

void write_file(const fs::path& file, std::string_view text) {
  errno = 0;
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw fs::filesystem_error("cannot write", file, std::error_code(errno, std::generic_category()));
}

std::string options_json(const Search& search, const Program& program) {
  const Options& options = search.options;
  const Json object = {{"strategy", search.strategy},
                       {"seed", options.seed},
                       {"max_runs", options.max_runs},
                       {"step_limit", options.step_limit},
                       {"workers", search.mode.workers},
                       {"draws_cancels", search.mode.draws_cancels},
                       {"program", program.path},
                       {"arguments", program.arguments},
                       {"gtest_filter", program.gtest_filter},
                       {"build_id", program.build_id},
                       {"compiler", compiler()},
                       {"library", QUIESCE_VERSION}};
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string name_of(const FoundFailure& failure) {
  std::string name = to_string(failure.kind);
  std::ranges::replace(name, ' ', '-');
  return fmt::format("{}-{:08x}", name, fnv1a_32(failure.token));
}

// Where there is one of that name it is the same failure's: the two change places, so that one of them is always there.
void put_in_place(const fs::path& made, const fs::path& wanted) {
  if (::rename(made.c_str(), wanted.c_str()) == 0) return;
  const int error = errno;
  if ((error == ENOTEMPTY || error == EEXIST) &&
      ::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, wanted.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(made);
    return;
  }
  throw fs::filesystem_error("cannot rename", made, wanted, std::error_code(error, std::generic_category()));
}

fs::path write(const fs::path& directory, const Report& report, const Search& search) {
  const FoundFailure& failure = *report.first_failure;
  const Program program = this_program();
  const fs::path wanted = directory / name_of(failure);
  fs::create_directories(directory);
  const fs::path made = directory / fmt::format(".{}.{}", wanted.filename().string(), ::getpid());
  struct Removal {
    const fs::path& path;
    ~Removal() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } removal{made};
  fs::remove_all(made);
  fs::create_directory(made);
  write_file(made / "token.txt", failure.token + '\n');
  write_file(made / "report.txt", report.text());
  write_file(made / "options.json", options_json(search, program));
  const RunTrace nothing;
  const auto written = write_trace(made / "trace.qtrace", failure.trace ? *failure.trace : nothing,
                                   trace_header(failure, search, program));
  if (!written) throw std::runtime_error(written.error().message);
  put_in_place(made, wanted);
  return wanted;
}

}  // namespace

std::string_view compiler() noexcept {
#if defined(__clang__)
  return "clang++ " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string text_of(const Search& search) {
  std::string text = fmt::format("strategy {}, seed {}", search.strategy, search.options.seed);
  if (search.mode.workers != 1) text += fmt::format(", {} workers", search.mode.workers);
  if (search.mode.draws_cancels) text += ", with requests injected";
  return text;
}

TraceHeader trace_header(const FoundFailure& failure, const Search& search, const Program& program) {
  return {.token = failure.token,
          .failure_kind = to_string(failure.kind),
          .failure_message = failure.message,
          .failure_step = failure.step,
          .options = text_of(search),
          .program = program.path,
          .build_id = program.build_id,
          .compiler = std::string(compiler())};
}

std::expected<fs::path, std::string> write_crash_pack(const fs::path& directory, const Report& report,
                                                      const Search& search) noexcept {
  try {
    return write(directory, report, search);
  } catch (const fs::filesystem_error& error) {
    const fs::path& path = error.path1().empty() ? directory : error.path1();
    return std::unexpected(fmt::format("{}: {}", path.string(), error.code().message()));
  } catch (const std::exception& error) { return std::unexpected(std::string(error.what())); }
}

}  // namespace quiesce::lab::detail
