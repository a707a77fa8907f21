// RegionId, TaskId, ObligationId: typed handles into the runtime's slabs, `index` plus `generation`.
//
// An id validates access and nothing else: a record's slot is reused under the next generation, so an id of an
// earlier life is recognised as stale. Generation 0 is never given out; a default-made id is invalid. Which
// slot a task gets depends on what ran before it: ordering, entropy and traces use the LogicalId (logical.hpp)
// instead. Printed "R3.1", "T3.1", "O3.1" (index.generation). Trivially copyable aggregates, hashable:
// `RegionId{3, 1}`.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace quiesce {

template <class Tag>
struct Id {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;

  [[nodiscard]] constexpr bool is_valid() const noexcept { return generation != 0; }
  friend constexpr auto operator<=>(const Id&, const Id&) noexcept = default;
};

namespace detail {
struct RegionTag {
  static constexpr char prefix = 'R';
};
struct TaskTag {
  static constexpr char prefix = 'T';
};
struct ObligationTag {
  static constexpr char prefix = 'O';
};

std::string id_text(char prefix, std::uint32_t index, std::uint32_t generation);
std::ostream& write_id(std::ostream& os, char prefix, std::uint32_t index, std::uint32_t generation);
}  // namespace detail

using RegionId = Id<detail::RegionTag>;
using TaskId = Id<detail::TaskTag>;
using ObligationId = Id<detail::ObligationTag>;

template <class Tag>
[[nodiscard]] std::string to_string(Id<Tag> id) {
  return detail::id_text(Tag::prefix, id.index, id.generation);
}

template <class Tag>
std::ostream& operator<<(std::ostream& os, Id<Tag> id) {
  return detail::write_id(os, Tag::prefix, id.index, id.generation);
}

}  // namespace quiesce

template <class Tag>
struct std::hash<quiesce::Id<Tag>> {
  // One multiplication spreads the index over the high bits, which is what power-of-two tables lack with small
  // ids.
  std::size_t operator()(quiesce::Id<Tag> id) const noexcept {
    const std::uint64_t word = (std::uint64_t{id.generation} << 32) | id.index;
    return static_cast<std::size_t>((word ^ (word >> 32)) * 0x9E3779B97F4A7C15U);
  }
};
