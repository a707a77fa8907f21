#include "listing.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "descriptor.hpp"

namespace treehash {
namespace {

namespace q = quiesce;

/// A job takes files until it has this many, or this many bytes: small files are worth no job of their own.
constexpr std::size_t batch_files_max = 64;
constexpr std::uint64_t batch_bytes = 1 << 20;
/// A request to stop is looked for once in so many entries.
constexpr std::size_t entries_between_checks = 256;

class Reader {
 public:
  Reader(q::Cx cx, RunState& run, const Directory& directory) : cx_(cx), run_(run) {
    listing_.directory = directory.path;
    listing_.follow_directory = directory.named;
    listing_.prefix = directory.path;
    if (!directory.path.ends_with('/')) listing_.prefix += '/';
  }

  q::Outcome<Listing> read(DIR* stream) {
    for (std::size_t count = 0;; ++count) {
      if (count % entries_between_checks == 0 && cx_.is_cancel_requested()) {
        return q::Outcome<Listing>::cancelled(*cx_.cancel_reason());
      }
      errno = 0;
      const dirent* entry = ::readdir(stream);
      if (entry == nullptr) {
        if (errno != 0) note(listing_.directory, errno);
        break;
      }
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") sort_in(::dirfd(stream), entry->d_type, entry->d_name);
      if (failed_) return q::Outcome<Listing>::err(std::move(*failed_));
    }
    if (failed_) return q::Outcome<Listing>::err(std::move(*failed_));
    return std::move(listing_);
  }

  /// A named path that is no directory.
  q::Outcome<Listing> read_single(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      note(path, errno);
    } else if (S_ISREG(status.st_mode)) {
      listing_.directory.assign(1, '.');  // plainly assigned, g++ 12 warns of an overlap that cannot be
      listing_.prefix.clear();
      listing_.follow_files = true;
      listing_.files.push_back({path, static_cast<std::uint64_t>(status.st_size)});
    } else {
      note(path, ENOTDIR);
    }
    if (failed_) return q::Outcome<Listing>::err(std::move(*failed_));
    return std::move(listing_);
  }

  q::Outcome<Listing> unread(int error) {
    note(listing_.directory, error);
    if (failed_) return q::Outcome<Listing>::err(std::move(*failed_));
    return std::move(listing_);
  }

 private:
  void sort_in(int directory, unsigned char type, const char* name) {
    if (type == DT_DIR) return listing_.subdirectories.emplace_back(name), void();
    if (type == DT_LNK) return run_.progress.links_skipped.fetch_add(1), void();
    if (type != DT_REG && type != DT_UNKNOWN) return run_.progress.specials_skipped.fetch_add(1), void();
    struct stat status {};
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      return note(listing_.prefix + name, errno);
    if (S_ISREG(status.st_mode)) {
      listing_.files.push_back({name, static_cast<std::uint64_t>(status.st_size)});
    } else if (type == DT_UNKNOWN) {
      sort_in(directory, static_cast<unsigned char>(IFTODT(status.st_mode)), name);
    } else {
      run_.progress.specials_skipped.fetch_add(1);  // it was replaced since the directory was read
    }
  }

  void note(const std::string& path, int error) {
    q::Error told = run_.trouble(path, reason_of(error));
    if (run_.options.fail_fast) failed_ = std::move(told);
  }

  q::Cx cx_;
  RunState& run_;
  Listing listing_;
  std::optional<q::Error> failed_;
};

q::Outcome<Listing> list(q::Cx cx, RunState& run, const Directory& directory) {
  Reader reader(cx, run, directory);
  const int follow = directory.named ? 0 : O_NOFOLLOW;
  Descriptor fd(::open(directory.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | follow));
  if (!fd)
    return errno == ENOTDIR && directory.named ? reader.read_single(directory.path) : reader.unread(errno);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), &::closedir);
  if (stream == nullptr) return reader.unread(errno);
  fd.release();
  return reader.read(stream.get());
}

}  // namespace

q::Outcome<Listing> read_directory(q::Cx cx, std::shared_ptr<RunState> run, Directory directory) {
  q::Outcome<Listing> listed = list(cx, *run, directory);
  if (listed.is_ok()) run->progress.files_found.fetch_add(listed.value().files.size());
  return listed;
}

BatchedListing::BatchedListing(Listing listing) : listing_(std::move(listing)) {
  Batch batch;
  std::uint64_t bytes = 0;
  for (const Listing::File& file : listing_.files) {
    ++batch.last;
    bytes += file.size;
    if (batch.last - batch.first < batch_files_max && bytes < batch_bytes) continue;
    batches_.push_back(batch);
    batch.first = batch.last;
    bytes = 0;
  }
  if (batch.first < batch.last) batches_.push_back(batch);
}

}  // namespace treehash
