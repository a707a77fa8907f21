#pragma once
// What sort of thing tasks wait for, in one byte: a primitive is small, and most programs have many.
#include <cstdint>
#include <iterator>
#include <string_view>

namespace quiesce::detail {

/// All there are, in lower case, as reports print them.
inline constexpr const char* primitive_kinds[] = {
    "mutex",
    "reader-writer lock",
    "semaphore",
    "notify",
    "event",
    "latch",
    "barrier",
    "condition variable",
    "once cell",
    "value",
    "pool",
    "timer",
    "callback",
    "thread port",
    "mpsc channel",
    "unbounded mpsc channel",
    "mpmc channel",
    "oneshot channel",
    "rendezvous channel",
    "broadcast",
    "watch",
    "session",
    "session reply",
    "merge",
    "buffered",
    "join set",
    "join set's limit",
    "bulkhead",
    "concurrency limit",
    "circuit breaker",
    "rate limit",
    "rate limit's bucket",
};

/// A literal that is in the list: `Primitive("mutex")`.
class PrimitiveKind {
 public:
  consteval PrimitiveKind(const char* literal)  // NOLINT: implicit, for it stands for the literal
      : index_(index_of(literal)) {}
  constexpr const char* text() const noexcept { return primitive_kinds[index_]; }
  friend constexpr bool operator==(PrimitiveKind, PrimitiveKind) noexcept = default;

 private:
  static consteval std::uint8_t index_of(std::string_view text) {
    std::uint8_t index = 0;
    for (const char* kind : primitive_kinds) {
      if (kind == text) return index;
      ++index;
    }
    throw "quiesce: a new kind of primitive: add it to primitive_kinds";
  }

  std::uint8_t index_;
};
static_assert(sizeof(PrimitiveKind) == 1 && std::size(primitive_kinds) < 256);

}  // namespace quiesce::detail
