#pragma once
// A file descriptor that closes itself.
#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

namespace treehash {

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  explicit operator bool() const noexcept { return fd_ >= 0; }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// What an errno means, in words.
inline std::string reason_of(int error) { return std::generic_category().message(error); }

}  // namespace treehash
