#pragma once
// Reading a directory: what is in it, and its regular files in batches.
#include <quiesce/cx.hpp>
#include <quiesce/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
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

/// A listing and its files in batches. Does not change: its jobs share it.
class BatchedListing {
 public:
  explicit BatchedListing(Listing listing);

  const Listing& listing() const noexcept { return listing_; }
  const std::vector<Batch>& batches() const noexcept { return batches_; }

 private:
  Listing listing_;
  std::vector<Batch> batches_;
};

}  // namespace treehash
