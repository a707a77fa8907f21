#pragma once
// How much the calling thread has allocated, with `new` or malloc, in this binary.
#include <cstddef>
#include <cstdint>

namespace quiesce::testing_support {

struct Allocations {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  // Less what it has freed, as the allocator rounds it.
  std::int64_t live_count = 0;
  std::int64_t live_bytes = 0;
  friend Allocations operator-(const Allocations& a, const Allocations& b) {
    return {a.count - b.count, a.bytes - b.bytes, a.live_count - b.live_count, a.live_bytes - b.live_bytes};
  }
};

/// Since the thread began. Under sanitizers, whose own allocator is kept, nothing is counted.
Allocations allocations() noexcept;
bool counts_allocations() noexcept;

}  // namespace quiesce::testing_support
