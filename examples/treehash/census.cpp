#include "census.hpp"

#include <filesystem>
#include <string>
#include <system_error>

namespace treehash {
namespace {

namespace fs = std::filesystem;

void count(const fs::directory_entry& entry, Progress& progress) {
  std::error_code error;
  if (!fs::is_regular_file(entry.symlink_status(error))) return;
  const std::uintmax_t bytes = entry.file_size(error);
  if (error) return;
  progress.files_total.fetch_add(1);
  progress.bytes_total.fetch_add(bytes);
}

}  // namespace

quiesce::Outcome<> take_census(quiesce::Cx cx, std::shared_ptr<RunState> run) {
  for (const std::string& path : run->options.directories) {
    std::error_code error;
    if (fs::is_regular_file(path, error))
      count(fs::directory_entry(fs::canonical(path, error), error), run->progress);
    fs::recursive_directory_iterator below(path, fs::directory_options::skip_permission_denied, error);
    for (; !error && below != fs::recursive_directory_iterator(); below.increment(error)) {
      if (cx.is_cancel_requested()) return quiesce::Outcome<>::cancelled(*cx.cancel_reason());
      count(*below, run->progress);
    }
  }
  run->progress.is_counted.store(true);
  return quiesce::Outcome<>::ok();
}

}  // namespace treehash
