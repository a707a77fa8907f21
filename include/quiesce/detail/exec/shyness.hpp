#pragma once
// Whether a worker that has run out of tasks had better leave those of others alone (src/exec/worker.hpp, 8).
//
//  1. It looks, now and then while it works and at each search after work, at the clock and at how long it has waited for short locks.
//     Such a lock is held for some nanoseconds: who spends a good part of its time waiting for them shares what it works on with
//     another worker, and both would get on faster on one.
//  2. If that was so between the last two looks, or is since, it is shy for `first_ns`, each time twice as long up to `last_ns`. Each
//     search after work without such waits halves it again: so what has changed is found out, and what has not costs little.
//  3. What it waited before it slept is forgotten.
#include <algorithm>
#include <cstdint>
#include <utility>

namespace quiesce::detail {

class Shyness {
 public:
  static constexpr std::int64_t first_ns = 50'000, last_ns = 3'200'000;
  /// Which part of the time is too much.
  static constexpr std::int64_t too_much = 16;

  struct Look {
    std::int64_t at_ns = 0;
    std::int64_t waited_ns = 0;  // of all the time
  };

  void look(Look now) noexcept { earlier_ = std::exchange(later_, now); }
  void wake_up(Look now) noexcept { earlier_ = later_ = now; }
  /// Before a search. `steps`: how many it has made of all the time.
  bool is_shy(Look now, std::uint64_t steps) noexcept {
    if (std::exchange(steps_, steps) != steps) {
      const bool has_fought = is_too_much(earlier_, later_) || is_too_much(later_, now);
      for_ns_ = has_fought ? std::clamp(2 * for_ns_, first_ns, last_ns) : for_ns_ / 2;
      until_ns_ = now.at_ns + for_ns_;
      look(now);
    }
    return now.at_ns < until_ns_;
  }

 private:
  static bool is_too_much(const Look& from, const Look& to) noexcept {
    return (to.waited_ns - from.waited_ns) * too_much > to.at_ns - from.at_ns;
  }

  Look earlier_, later_;
  std::uint64_t steps_ = 0;
  std::int64_t for_ns_ = 0, until_ns_ = 0;
};

}  // namespace quiesce::detail
