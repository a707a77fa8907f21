#pragma once
// What the tasks of one run share.
#include <quiesce/error.hpp>
#include <quiesce/sendable.hpp>
#include <quiesce/sync/semaphore.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console.hpp"
#include "options.hpp"
#include "sha256.hpp"

namespace treehash {

struct HashedFile {
  std::string path;
  Digest digest{};
};

/// How far it got. `done` counts files that could not be read, too.
struct Progress {
  std::atomic<std::uint64_t> files_found = 0, files_done = 0, bytes_done = 0;
  std::atomic<std::uint64_t> links_skipped = 0, specials_skipped = 0;
  // By the census, where there is one; meaningful once is_counted is set.
  std::atomic<std::uint64_t> files_total = 0, bytes_total = 0;
  std::atomic<bool> is_counted = false;
};

/// Guards itself; shared by every task and job of the run.
class RunState {
 public:
  explicit RunState(Options asked);

  const Options options;
  Console console;
  Progress progress;
  std::atomic<bool> interrupted = false;
  /// The right to walk a directory beside its siblings. There is a fixed number of them, so that a tree of a million directories does not
  /// become a million tasks. Nobody waits for one: no deadlock.
  quiesce::Semaphore walks;

  void add(std::vector<HashedFile> files);
  /// Tells that `path` could not be read. Gives the error with which a run that fails fast ends.
  quiesce::Error trouble(std::string_view path, std::string_view reason);

  std::uint64_t hashed() const noexcept { return hashed_.load(); }
  std::uint64_t troubles() const noexcept { return troubles_.load(); }
  /// All files that were added.
  std::vector<HashedFile> take_files();

 private:
  std::mutex mutex_;
  std::vector<HashedFile> files_;
  std::atomic<std::uint64_t> hashed_ = 0, troubles_ = 0;
};

}  // namespace treehash

template <>
inline constexpr bool quiesce::enable_sync<treehash::RunState> = true;
