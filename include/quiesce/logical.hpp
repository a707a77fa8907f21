// Logical identity: who a task or region is within its run, whatever ran before it in the process.
//
// LogicalId is a 64-bit mix of the parent's id and the child's ordinal: what ties, entropy and ordering use.
// Two different paths share an id with probability 2^-64. `LogicalId{0}` is nobody's id: the start of every
// path.
//
// LogicalPath is the list of ordinals itself, printed "0.3.1": what messages and traces show. 24 bytes; `child`
// is O(1) in time and memory whatever the depth, since a long path shares its beginning with its parent; copies
// are noexcept and share it too, from any thread. A chain of any depth is destroyed in constant stack.
// `to_string` is linear in the depth; `id` is O(1). The law that ties them:
//   path.child(n).id() == child(path.id(), n)     and     LogicalPath::root(n).id() == child(LogicalId{}, n)
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>

#include "quiesce/detail/intrusive_ptr.hpp"

namespace quiesce {

struct LogicalId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const LogicalId&, const LogicalId&) noexcept = default;
};

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): a Weyl step
// of the golden gamma per ordinal, then its finalizer. Both are bijections, so siblings never collide.
[[nodiscard]] constexpr LogicalId child(LogicalId parent, std::uint32_t ordinal) noexcept {
  std::uint64_t z = parent.value + 0x9E3779B97F4A7C15U * (std::uint64_t{ordinal} + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return LogicalId{z ^ (z >> 31)};
}

[[nodiscard]] std::string to_string(LogicalId id);
std::ostream& operator<<(std::ostream& os, LogicalId id);

namespace detail {
struct PathNode;
void intrusive_retain(const PathNode* node) noexcept;
void intrusive_release(const PathNode* node) noexcept;
}  // namespace detail

class LogicalPath {
 public:
  // The empty path, of nobody: printed "".
  LogicalPath() noexcept = default;
  LogicalPath(const LogicalPath&) noexcept = default;
  LogicalPath& operator=(const LogicalPath&) noexcept = default;
  // A moved-from path is empty.
  LogicalPath(LogicalPath&& other) noexcept
      : prefix_(std::move(other.prefix_)), tail_(std::exchange(other.tail_, Tail{})) {}
  LogicalPath& operator=(LogicalPath&& other) noexcept {
    if (this == &other) return *this;
    prefix_ = std::move(other.prefix_);
    tail_ = std::exchange(other.tail_, Tail{});
    return *this;
  }
  ~LogicalPath() = default;

  [[nodiscard]] static LogicalPath root(std::uint32_t ordinal) { return LogicalPath().child(ordinal); }
  [[nodiscard]] LogicalPath child(std::uint32_t ordinal) const;
  // The same into an object that is there: a few instructions where both are short.
  void become_child(const LogicalPath& parent, std::uint32_t ordinal) {
    constexpr std::uint32_t bytes = 3;  // of a varint, at most, of an ordinal below 2^21
    if (prefix_ || parent.prefix_ || parent.tail_.size() + bytes > tail_bytes || ordinal >> (7 * bytes) != 0) {
      *this = parent.child(ordinal);
      return;
    }
    const std::size_t size = parent.tail_.size();
    tail_ = parent.tail_;
    std::uint8_t* end = tail_.bytes() + size;
    for (; ordinal >= 0x80; ordinal >>= 7) *end++ = static_cast<std::uint8_t>(ordinal | 0x80);
    *end++ = static_cast<std::uint8_t>(ordinal);
    tail_.set_size(static_cast<std::size_t>(end - tail_.bytes()));
  }

  [[nodiscard]] bool is_empty() const noexcept { return tail_.size() == 0; }
  [[nodiscard]] LogicalId id() const;
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const LogicalPath& a, const LogicalPath& b) noexcept;
  friend std::ostream& operator<<(std::ostream& os, const LogicalPath& path);

 private:
  friend struct detail::PathNode;
  static constexpr std::size_t tail_bytes = 15;

  // The last chunk: bytes, and in the last of them how many. Two words, so that a copy is two moves.
  struct Tail {
    std::uint64_t words[2] = {};

    std::uint8_t* bytes() noexcept { return reinterpret_cast<std::uint8_t*>(words); }
    const std::uint8_t* bytes() const noexcept { return reinterpret_cast<const std::uint8_t*>(words); }
    std::uint8_t size() const noexcept { return bytes()[tail_bytes]; }
    void set_size(std::size_t size) noexcept { bytes()[tail_bytes] = static_cast<std::uint8_t>(size); }
  };

  template <class Visitor>
  void for_each_ordinal(Visitor visitor) const;

  // Invariant: ordinals are LEB128 varints and never straddle two chunks; a chunk moves to a prefix node only
  // when the next ordinal does not fit, so equal paths are cut at equal places, and only the empty path has an
  // empty tail.
  detail::IntrusivePtr<detail::PathNode> prefix_;
  Tail tail_;
};

}  // namespace quiesce

template <>
struct std::hash<quiesce::LogicalId> {
  std::size_t operator()(quiesce::LogicalId id) const noexcept { return static_cast<std::size_t>(id.value); }
};
