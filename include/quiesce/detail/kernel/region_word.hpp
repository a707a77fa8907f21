#pragma once
// The region word: state, generation, cancelled bit and live count of one region, in one atomic 64-bit word.
//
//   live       32  tasks (the body among them) and child regions; a refused spawner's transient count too
//   state       2  Open, Closing, Finalizing, Closed (Draining is Closing after the body's end: derived, not stored)
//   cancelled   1  a cancel request has reached the region
//   (spare)     1
//   generation 28  the life of the record
//
// Protocol (models/region_word.pml checks it):
//  1. *Admit*: fetch_add one and look at the word it returned. Admitted only if that was Open and of the caller's generation;
//     otherwise subtract again and refuse. One who already holds this life (a running task or finalizer) opens a child region
//     in any state but Closed.
//  2. *Subtract*: whoever takes the live count to zero while the word is Open or Closing tries one CAS
//     (that generation, zero) -> Finalizing. A refused spawner has that duty too. The winner runs the finalizer phase.
//  3. A second count, *owed* (in the record), holds a token for the finalizer phase and one for each obligation; whoever takes
//     it to zero closes the region and reclaims the record.
//  4. *Spares*: a task that ends leaves its count with its shard as long as somebody comes for it: the body, while it is live, or
//     another member of the shard. The next to be spawned there takes one, under the shard's lock and with a look at the word for
//     (1); the shard may also take several counts at once. Spares are counts like any other, and that of whoever comes for them keeps
//     the word from zero. When the body ends, first `body_live` goes, then every shard's spares are
//     subtracted under its lock, then the body's count. Whoever takes the last member out of a shard's list, a bookmark too, looks
//     under the lock whether the body is gone, and if so subtracts the spares that are left there. Regions with a limit on tasks, and
//     all of an exact kernel, have none.
//  5. A new life takes the next generation in one CAS and keeps transient counts of late spawners, who subtract them again.
#include <atomic>
#include <cstdint>
#include <optional>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce {

/// The states of a region (rule R2); Draining is Closing once the body has ended.
enum class RegionState : std::uint8_t { Open, Closing, Draining, Finalizing, Closed };

namespace detail {

enum class Gate : std::uint8_t { Open, Closing, Finalizing, Closed };

struct RegionWord {
  std::uint64_t bits = 0;

  static constexpr int state_shift = 32, generation_shift = 36;
  static constexpr std::uint64_t state_field = std::uint64_t{3} << state_shift;
  static constexpr std::uint64_t cancelled_bit = std::uint64_t{1} << 34;
  static constexpr std::uint32_t generation_mask = (1u << 28) - 1;

  constexpr std::uint32_t live() const { return static_cast<std::uint32_t>(bits); }
  constexpr Gate gate() const { return static_cast<Gate>((bits & state_field) >> state_shift); }
  constexpr bool cancelled() const { return (bits & cancelled_bit) != 0; }
  constexpr std::uint32_t generation() const { return static_cast<std::uint32_t>(bits >> generation_shift); }
  constexpr RegionWord with_gate(Gate g) const {
    return {(bits & ~state_field) | (static_cast<std::uint64_t>(g) << state_shift)};
  }
  constexpr RegionWord with_cancelled() const { return {bits | cancelled_bit}; }
  friend constexpr bool operator==(RegionWord, RegionWord) = default;
};

namespace region_word {
using Next = std::optional<RegionWord>;

/// Was an admission that returned `before` good for a stranger who names this generation?
constexpr bool admits(RegionWord before, std::uint32_t generation) {
  return before.gate() == Gate::Open && before.generation() == generation;
}
/// ... and for one who holds this life.
constexpr bool admits_holder(RegionWord before, std::uint32_t generation) {
  return before.gate() != Gate::Closed && before.generation() == generation;
}
/// Does a subtraction of `count` that returned `before` oblige its maker to try to advance?
constexpr bool reached_zero(RegionWord before, std::uint32_t count = 1) {
  return before.live() == count && (before.gate() == Gate::Open || before.gate() == Gate::Closing);
}
constexpr Next finalize(RegionWord w, std::uint32_t generation) {
  if ((w.gate() != Gate::Open && w.gate() != Gate::Closing) || w.generation() != generation || w.live() != 0)
    return {};
  return w.with_gate(Gate::Finalizing);
}
constexpr Next begin_close(RegionWord w, std::uint32_t generation) {
  if (w.gate() != Gate::Open || w.generation() != generation) return {};
  return w.with_gate(Gate::Closing);
}
/// Sets the cancelled bit; an Open region begins to close. Idempotent.
constexpr Next cancel(RegionWord w, std::uint32_t generation) {
  if (w.gate() == Gate::Closed || w.generation() != generation) return {};
  return (w.gate() == Gate::Open ? w.with_gate(Gate::Closing) : w).with_cancelled();
}
constexpr Next close(RegionWord w) {
  if (w.gate() != Gate::Finalizing) return {};
  return w.with_gate(Gate::Closed);
}
/// Closed -> Open with the next generation (never 0) and one count more: the body's.
constexpr Next birth(RegionWord w) {
  if (w.gate() != Gate::Closed) return {};
  std::uint32_t generation = (w.generation() + 1) & RegionWord::generation_mask;
  if (generation == 0) generation = 1;
  return RegionWord{(std::uint64_t{generation} << RegionWord::generation_shift) | (w.live() + 1)};
}
}  // namespace region_word

struct RegionStep {
  RegionWord before;
  bool made;
  explicit constexpr operator bool() const { return made; }
};

/// The atomic word. All accesses are seq_cst: admission, linking and the second look of rule C4 form a Dekker pair with the
/// canceller's bit and walk (models/cancel_reach.pml), which weaker orders do not give.
template <class Platform = RealPlatform>
class RegionWordCell {
 public:
  RegionWordCell() : bits_(static_cast<std::uint64_t>(Gate::Closed) << RegionWord::state_shift) {}

  RegionWord load() const { return {bits_.load(std::memory_order_seq_cst)}; }
  RegionWord add(std::uint32_t count) { return {bits_.fetch_add(count, std::memory_order_seq_cst)}; }
  RegionWord sub(std::uint32_t count) { return {bits_.fetch_sub(count, std::memory_order_seq_cst)}; }
  RegionWord add_one() { return add(1); }
  RegionWord sub_one() { return sub(1); }

  template <class Transition>
  RegionStep apply(Transition transition) {
    std::uint64_t old = bits_.load(std::memory_order_seq_cst);
    for (;;) {
      region_word::Next next = transition(RegionWord{old});
      if (!next) return {RegionWord{old}, false};
      if (bits_.compare_exchange_weak(old, next->bits, std::memory_order_seq_cst))
        return {RegionWord{old}, true};
    }
  }

 private:
  typename Platform::template atomic<std::uint64_t> bits_;
};

}  // namespace detail
}  // namespace quiesce
