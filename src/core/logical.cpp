#include "quiesce/logical.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "quiesce/detail/intrusive_ptr.hpp"

namespace quiesce {
namespace {

constexpr std::size_t max_varint_bytes = 5;

std::size_t encode(std::uint32_t ordinal, std::uint8_t* out) noexcept {
  std::size_t size = 0;
  for (; ordinal >= 0x80; ordinal >>= 7) out[size++] = static_cast<std::uint8_t>(ordinal | 0x80);
  out[size++] = static_cast<std::uint8_t>(ordinal);
  return size;
}

template <class Visitor>
void decode(const std::uint8_t* bytes, std::size_t size, Visitor visitor) {
  std::uint32_t ordinal = 0;
  for (std::size_t i = 0, shift = 0; i < size; ++i) {
    ordinal |= std::uint32_t{bytes[i] & 0x7FU} << shift;
    shift += 7;
    if ((bytes[i] & 0x80) != 0) continue;
    visitor(ordinal);
    ordinal = 0;
    shift = 0;
  }
}

}  // namespace

namespace detail {

// One full chunk of a path, and what comes before it.
struct PathNode {
  RefCount references;
  std::uint8_t size;
  std::uint8_t bytes[LogicalPath::short_bytes];
  LogicalId id;  // of the path that ends here
  IntrusivePtr<const PathNode> prefix;

  explicit PathNode(const LogicalPath& path) noexcept
      : size(static_cast<std::uint8_t>(path.tail_size())), id(path.id()), prefix(shared(path.prefix())) {
    std::copy_n(path.tail(), path.tail_size(), bytes);
  }

 private:
  static const PathNode* shared(const PathNode* node) noexcept {
    if (node != nullptr) intrusive_retain(node);
    return node;
  }
};

void intrusive_retain(const PathNode* node) noexcept { node->references.retain(); }

// A loop, since a path may be a hundred thousand nodes long.
void intrusive_release(const PathNode* node) noexcept {
  while (node != nullptr && node->references.release()) {
    const PathNode* prefix = const_cast<PathNode*>(node)->prefix.detach();
    delete node;
    node = prefix;
  }
}

}  // namespace detail

LogicalPath LogicalPath::child(std::uint32_t ordinal) const {
  std::uint8_t encoded[max_varint_bytes];
  const std::size_t size = encode(ordinal, encoded);
  LogicalPath result;
  if (tail_size() + size <= (is_long() ? long_bytes : short_bytes)) {
    result = *this;
  } else {
    result.words_[0] = reinterpret_cast<std::uintptr_t>(new detail::PathNode(*this));
    result.set_state(0, true);
  }
  std::copy_n(encoded, size, const_cast<std::uint8_t*>(result.tail()) + result.tail_size());
  result.set_state(result.tail_size() + size, result.is_long());
  return result;
}

template <class Visitor>
void LogicalPath::for_each_ordinal(Visitor visitor) const {
  std::vector<const detail::PathNode*> chunks;  // nearest first
  for (const auto* node = prefix(); node != nullptr; node = node->prefix.get()) chunks.push_back(node);
  for (auto chunk = chunks.rbegin(); chunk != chunks.rend(); ++chunk)
    decode((*chunk)->bytes, (*chunk)->size, visitor);
  decode(tail(), tail_size(), visitor);
}

LogicalId LogicalPath::id() const {
  LogicalId result = is_long() ? prefix()->id : LogicalId{};
  decode(tail(), tail_size(), [&](std::uint32_t ordinal) { result = quiesce::child(result, ordinal); });
  return result;
}

std::string LogicalPath::to_string() const {
  std::string text;
  for_each_ordinal([&](std::uint32_t ordinal) {
    if (!text.empty()) text += '.';
    text += fmt::format_int(ordinal).c_str();
  });
  return text;
}

bool operator==(const LogicalPath& a, const LogicalPath& b) noexcept {
  if (a.state() != b.state() || !std::equal(a.tail(), a.tail() + a.tail_size(), b.tail())) return false;
  const auto* x = a.prefix();
  const auto* y = b.prefix();
  // Ends at the first shared node: from there on the paths are one.
  for (; x != y; x = x->prefix.get(), y = y->prefix.get()) {
    if (x == nullptr || y == nullptr || x->size != y->size) return false;
    if (!std::equal(x->bytes, x->bytes + x->size, y->bytes)) return false;
  }
  return true;
}

std::ostream& operator<<(std::ostream& os, const LogicalPath& path) { return os << path.to_string(); }

std::string to_string(LogicalId id) { return fmt::format("{:016x}", id.value); }
std::ostream& operator<<(std::ostream& os, LogicalId id) { return os << to_string(id); }

}  // namespace quiesce
