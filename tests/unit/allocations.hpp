#pragma once
// How much the calling thread has allocated with `new`, in this binary.
#include <cstddef>
#include <cstdint>

namespace quiesce::testing_support {

struct Allocations {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  friend Allocations operator-(const Allocations& a, const Allocations& b) {
    return {a.count - b.count, a.bytes - b.bytes};
  }
};

/// Since the thread began. Under sanitizers, whose own `new` is kept, nothing is counted.
Allocations allocations() noexcept;
bool counts_allocations() noexcept;

}  // namespace quiesce::testing_support
