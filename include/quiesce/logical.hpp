// Logical identity: who a task or region is within its run, whatever ran before it in the process.
//
// LogicalId is a 64-bit mix of the parent's id and the child's ordinal: what ties, entropy and ordering use.
// Two different paths share an id with probability 2^-64. `LogicalId{0}` is nobody's id: the start of every
// path.
//
// LogicalPath is the list of ordinals itself, printed "0.3.1": what messages and traces show. 16 bytes; `child`
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
  LogicalPath(const LogicalPath& other) noexcept : words_{other.words_[0], other.words_[1]} {
    if (is_long()) detail::intrusive_retain(prefix());
  }
  // A moved-from path is empty.
  LogicalPath(LogicalPath&& other) noexcept
      : words_{std::exchange(other.words_[0], 0), std::exchange(other.words_[1], 0)} {}
  LogicalPath& operator=(LogicalPath other) noexcept {
    std::swap(words_[0], other.words_[0]);
    std::swap(words_[1], other.words_[1]);
    return *this;
  }
  ~LogicalPath() {
    if (is_long()) detail::intrusive_release(prefix());
  }

  [[nodiscard]] static LogicalPath root(std::uint32_t ordinal) { return LogicalPath().child(ordinal); }
  [[nodiscard]] LogicalPath child(std::uint32_t ordinal) const;
  // As of nobody.
  void clear() noexcept {
    if (is_long()) [[unlikely]]
      *this = LogicalPath();
    words_[0] = words_[1] = 0;
  }
  // The same into an object that is there: a few instructions where both are short.
  void become_child(const LogicalPath& parent, std::uint32_t ordinal) {
    const std::uint32_t bytes = ordinal >> 21 == 0 ? 3 : 5;  // of its varint, at most
    if (is_long() || parent.is_long() || parent.tail_size() + bytes > short_bytes) {
      *this = parent.child(ordinal);
      return;
    }
    const std::size_t size = parent.tail_size();
    words_[0] = parent.words_[0];
    words_[1] = parent.words_[1];
    std::uint8_t* end = bytes_of(words_) + size;
    for (; ordinal >= 0x80; ordinal >>= 7) *end++ = static_cast<std::uint8_t>(ordinal | 0x80);
    *end++ = static_cast<std::uint8_t>(ordinal);
    set_state(static_cast<std::size_t>(end - bytes_of(words_)), false);
  }

  [[nodiscard]] bool is_empty() const noexcept { return state() == 0; }
  [[nodiscard]] LogicalId id() const;
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const LogicalPath& a, const LogicalPath& b) noexcept;
  friend std::ostream& operator<<(std::ostream& os, const LogicalPath& path);

 private:
  friend struct detail::PathNode;
  // What is left of two words beside their last byte; and beside a pointer in the first.
  static constexpr std::size_t short_bytes = 15, long_bytes = 7, state_at = 15;
  static constexpr std::uint8_t long_bit = 0x80;

  static std::uint8_t* bytes_of(std::uint64_t* words) noexcept {
    return reinterpret_cast<std::uint8_t*>(words);
  }
  static const std::uint8_t* bytes_of(const std::uint64_t* words) noexcept {
    return reinterpret_cast<const std::uint8_t*>(words);
  }
  std::uint8_t state() const noexcept { return bytes_of(words_)[state_at]; }
  void set_state(std::size_t size, bool is_long) noexcept {
    bytes_of(words_)[state_at] = static_cast<std::uint8_t>(size | (is_long ? long_bit : 0));
  }
  bool is_long() const noexcept { return (state() & long_bit) != 0; }
  const detail::PathNode* prefix() const noexcept {
    return is_long() ? reinterpret_cast<const detail::PathNode*>(words_[0]) : nullptr;
  }
  // The last chunk.
  const std::uint8_t* tail() const noexcept { return bytes_of(words_) + (is_long() ? sizeof(words_[0]) : 0); }
  std::size_t tail_size() const noexcept { return state() & (long_bit - 1); }

  template <class Visitor>
  void for_each_ordinal(Visitor visitor) const;

  // A short path is its ordinals. Of a long one the first word points to all but the last chunk, and owns a reference of it. The last
  // byte says which, and how many bytes the last chunk has.
  // Invariant: ordinals are LEB128 varints and never straddle two chunks; a chunk moves to a prefix node only when the next ordinal
  // does not fit, so equal paths are cut at equal places, and only the empty path has an empty last chunk.
  std::uint64_t words_[2] = {};
};
static_assert(sizeof(LogicalPath) == 16);

}  // namespace quiesce

template <>
struct std::hash<quiesce::LogicalId> {
  std::size_t operator()(quiesce::LogicalId id) const noexcept { return static_cast<std::size_t>(id.value); }
};
