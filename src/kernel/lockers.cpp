// The numbers with which threads hold locks that are of no runtime.
#include <array>
#include <atomic>
#include <bit>

#include "quiesce/detail/kernel/kept_lock.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::detail {
namespace {

constexpr std::uint32_t word_bits = 64;
static_assert(KeptLock<>::number_max == 2 * word_bits - 1 && RealPlatform::presences_max == 2 * word_bits);
/// A bit is set while its number is taken; 0 is nobody's.
constinit std::array<std::atomic<std::uint64_t>, 2> taken{1, 0};

}  // namespace

constinit std::array<Presence<RealPlatform>, RealPlatform::presences_max> presences{};

std::uint8_t this_locker() noexcept { return thread_context.locker; }

std::uint8_t take_locker() noexcept {
  for (std::uint32_t i = 0; i < taken.size(); ++i) {
    std::uint64_t word = taken[i].load(std::memory_order_relaxed);
    while (~word != 0) {
      const int bit = std::countr_one(word);
      if (taken[i].compare_exchange_weak(word, word | std::uint64_t{1} << bit, std::memory_order_acquire,
                                         std::memory_order_relaxed))
        return static_cast<std::uint8_t>(i * word_bits + static_cast<std::uint32_t>(bit));
    }
  }
  return KeptLock<>::nobody;
}

void RealPlatform::note_contended(std::int64_t ns) noexcept { thread_context.contended_ns += ns; }

void give_back_locker(std::uint8_t locker) noexcept {
  if (locker == KeptLock<>::nobody) return;
  taken[locker / word_bits].fetch_and(~(std::uint64_t{1} << locker % word_bits), std::memory_order_release);
}

}  // namespace quiesce::detail
