#pragma once
// Limits of a region (rule R8).
#include <cstddef>
#include <cstdint>
#include <optional>

namespace quiesce {

/// Upper bounds on what one region holds at a time; what is not set is not bounded. The body does not count
/// against `max_tasks`. Reaching one refuses with `RegionAtCapacity { region, limit, live }` and changes
/// nothing.
struct RegionLimits {
  std::optional<std::uint32_t> max_tasks = {};
  std::optional<std::uint32_t> max_children = {};
  std::optional<std::uint32_t> max_obligations = {};
  std::optional<std::size_t> max_heap_bytes = {};

  friend bool operator==(const RegionLimits&, const RegionLimits&) = default;
};

}  // namespace quiesce
