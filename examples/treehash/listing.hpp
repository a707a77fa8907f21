#pragma once
// Reading a directory: what is in it, and its regular files in batches.
#include <quiesce/cx.hpp>
#include <quiesce/outcome.hpp>
#include <quiesce/sendable.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run_state.hpp"

namespace treehash {

/// A directory to walk. Paths are used as they are, so one longer than the system takes (PATH_MAX) is reported, and could not
/// be checked by sha256sum either.
struct Directory {
  std::string path;
  bool named =
      false;  // on the command line: then a symbolic link is followed, and a file is taken for a directory of one
};

struct Listing {
  struct File {
    std::string name;
    std::uint64_t size = 0;
  };
  std::string directory;                    // as it is opened
  std::string prefix;                       // before each name
  bool follow_directory = false;            // named on the command line, which may be a symbolic link
  bool follow_files = false;                // likewise
  std::vector<File> files;                  // regular ones
  std::vector<std::string> subdirectories;  // names
};

/// A job of the blocking pool. Err only when failing fast; Cancelled when asked to stop.
quiesce::Outcome<Listing> read_directory(quiesce::Cx cx, std::shared_ptr<RunState> run, Directory directory);

/// The files from `first` to before `last`: work for one job.
struct Batch {
  std::size_t first = 0, last = 0;
};

/// A listing's files, handed out batch by batch to whoever asks; guards itself.
class FileQueue {
 public:
  explicit FileQueue(Listing listing);

  const Listing& listing() const noexcept { return listing_; }
  std::size_t batch_count() const noexcept { return batches_.size(); }
  std::optional<Batch> take() noexcept;

 private:
  const Listing listing_;
  std::vector<Batch> batches_;
  std::atomic<std::size_t> next_ = 0;
};

}  // namespace treehash

template <>
inline constexpr bool quiesce::enable_sync<treehash::FileQueue> = true;
