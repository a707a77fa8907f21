#include "run_state.hpp"

#include <fmt/format.h>

#include <iterator>

namespace treehash {
namespace {

/// Enough that the pool does not run dry while some of them wait for their directory to be listed.
constexpr std::int64_t walks_per_job = 4;

}  // namespace

RunState::RunState(Options asked) : options(std::move(asked)), walk_permits_(walks_per_job * options.jobs) {}

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

WalkPermit WalkPermit::try_take(const std::shared_ptr<RunState>& run) {
  if (run->walk_permits_.fetch_sub(1) > 0) return WalkPermit(run);
  run->walk_permits_.fetch_add(1);
  return WalkPermit();
}

WalkPermit::~WalkPermit() {
  if (from_ != nullptr) from_->walk_permits_.fetch_add(1);
}

}  // namespace treehash
