#pragma once
// How many exact kernels there are (Stepper, lab). While there is none, nobody need be told who uses what, and a record that may have
// begun another life is not looked at for it.
#include <atomic>
#include <cstdint>

namespace quiesce::detail {

inline constinit std::atomic<std::uint32_t> exact_kernels{0};

/// Relaxed: a thread of an exact kernel has made it, or been told of it.
inline bool has_exact_kernels() noexcept { return exact_kernels.load(std::memory_order_relaxed) != 0; }

}  // namespace quiesce::detail
