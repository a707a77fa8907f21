#include "hash.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "descriptor.hpp"

namespace treehash {
namespace {

namespace q = quiesce;

constexpr std::size_t buffer_bytes = 1 << 20;

/// A thread of the pool keeps its buffer and its OpenSSL context from job to job.
struct Tools {
  Sha256 sha256;
  std::unique_ptr<std::byte[]> buffer = std::make_unique_for_overwrite<std::byte[]>(buffer_bytes);
};

Tools& tools() {
  thread_local Tools of_this_thread;
  return of_this_thread;
}

/// The digest, or the reason why the file cannot be read.
using FileResult = q::Outcome<Digest, std::string>;

FileResult hash_content(const q::Cx& cx, Progress& progress, int fd) {
  auto& [sha256, buffer] = tools();
  sha256.start();
  for (;;) {
    if (cx.is_cancel_requested()) return FileResult::cancelled(*cx.cancel_reason());
    const ssize_t got = ::read(fd, buffer.get(), buffer_bytes);
    if (got < 0) return FileResult::err(reason_of(errno));
    if (got == 0) return sha256.finish();
    sha256.update(std::span(buffer.get(), static_cast<std::size_t>(got)));
    progress.bytes_done.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
  }
}

/// What was a regular file when the directory was read may be something else by now: O_NONBLOCK keeps a pipe from holding us
/// up, and only the opened file says what it is.
FileResult hash_file(const q::Cx& cx, Progress& progress, int directory, const char* name, bool follow_links) {
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow_links ? 0 : O_NOFOLLOW);
  const Descriptor file(::openat(directory, name, flags));
  if (!file) return FileResult::err(errno == ELOOP ? "it has become a symbolic link" : reason_of(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return FileResult::err(reason_of(errno));
  if (!S_ISREG(status.st_mode)) return FileResult::err("it is no longer a regular file");
  return hash_content(cx, progress, file.get());
}

q::Outcome<> hash_each(const q::Cx& cx, RunState& run, const Listing& listing, Batch batch,
                       std::vector<HashedFile>& done) {
  const int follow = listing.follow_directory ? 0 : O_NOFOLLOW;
  const Descriptor directory(::open(listing.directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | follow));
  const int error = errno;
  for (const Listing::File& file : std::span(listing.files).subspan(batch.first, batch.last - batch.first)) {
    FileResult result =
        directory ? hash_file(cx, run.progress, directory.get(), file.name.c_str(), listing.follow_files)
                  : FileResult::err(reason_of(error));
    if (result.is_cancelled()) return q::Outcome<>::cancelled(result.cancel_reason());
    run.progress.files_done.fetch_add(1, std::memory_order_relaxed);
    if (result.is_ok()) {
      done.push_back({listing.prefix + file.name, result.value()});
      continue;
    }
    q::Error told = run.trouble(listing.prefix + file.name, result.error());
    if (run.options.fail_fast) return q::Outcome<>::err(std::move(told));
  }
  return q::Outcome<>::ok();
}

}  // namespace

q::Outcome<> hash_batch(q::Cx cx, std::shared_ptr<RunState> run, Batch batch,
                        std::shared_ptr<const BatchedListing> listing) {
  std::vector<HashedFile> done;
  done.reserve(batch.last - batch.first);
  q::Outcome<> ended = hash_each(cx, *run, listing->listing(), batch, done);
  run->add(std::move(done));
  return ended;
}

}  // namespace treehash
