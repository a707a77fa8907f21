#include "run_state.hpp"

#include <fmt/format.h>

#include <iterator>

namespace treehash {
namespace {

/// Enough that the pool does not run dry while some of them wait for their directory to be listed.
constexpr std::uint32_t walks_per_job = 4;

}  // namespace

RunState::RunState(Options asked) : options(std::move(asked)), walks(walks_per_job * options.jobs, "walks") {}

void RunState::add(std::vector<HashedFile> files) {
  std::scoped_lock hold(mutex_);
  hashed_.fetch_add(files.size());
  files_.insert(files_.end(), std::move_iterator(files.begin()), std::move_iterator(files.end()));
}

quiesce::Error RunState::trouble(std::string_view path, std::string_view reason) {
  troubles_.fetch_add(1);
  std::string text = fmt::format("{}: {}", printable(path), reason);
  console.say("treehash: " + text);
  return quiesce::Error(quiesce::ErrorCode::Io, std::move(text));
}

std::vector<HashedFile> RunState::take_files() {
  std::scoped_lock hold(mutex_);
  return std::move(files_);
}

}  // namespace treehash
