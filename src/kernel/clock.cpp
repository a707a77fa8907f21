#include "quiesce/detail/kernel/clock.hpp"

#include <cstdint>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {

#if defined(__x86_64__)
namespace {
/// When a worker has looked at the clock last, in cycles and in time.
struct LastLook {
  std::uint64_t cycles = 0;
  Time at;
};
constinit thread_local LastLook last_look;
constexpr std::uint64_t look_again_cycles = 16'384;
constexpr std::int64_t ns_a_cycle_max = 2;  // no processor of this kind counts slower than 500 MHz
}  // namespace
#endif

Time now_at_the_latest(const Kernel& kernel) noexcept {
  Executor& executor = kernel.executor();
#if defined(__x86_64__)
  if (!kernel.config().exact && thread_context.executor == &executor) {
    const std::uint64_t cycles = __builtin_ia32_rdtsc();  // first, so that what the look takes counts as passed
    const std::uint64_t passed = cycles - last_look.cycles;
    if (passed < look_again_cycles)
      return last_look.at + Duration(static_cast<std::int64_t>(passed) * ns_a_cycle_max);
    last_look = {cycles, executor.now()};
    return last_look.at;
  }
#endif
  return executor.now();
}

}  // namespace quiesce::detail
