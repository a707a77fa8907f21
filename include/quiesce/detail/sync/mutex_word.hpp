#pragma once
// The word of a mutex (sync/raw_mutex.hpp has the protocol; the numbers are its).
//
// Fields, low to high:
//   held        1  somebody has it
//   waiters     1  somebody is in the list, or has been called
//   called      1  the first in line has been woken to try, and has not answered yet
//   index      24  of the holder's record, and
//   generation 32  its life: who `held` is true for; 0 where no task locked
//
// What holds of every word: `called` needs `waiters`, a holder needs `held`, and a lock that is free while somebody waits has been
// called for (`waiters` needs `held` or `called`). Every transition is a pure function word -> word, or none.
#include <cstdint>

namespace quiesce::detail {

struct MutexWord {
  std::uint64_t bits = 0;

  static constexpr std::uint64_t held_bit = 1, waiters_bit = 2, called_bit = 4;
  static constexpr int index_shift = 8, generation_shift = 32;
  static constexpr std::uint64_t holder_mask = ~std::uint64_t{(1u << index_shift) - 1};

  static constexpr std::uint64_t holder_bits(std::uint32_t index, std::uint32_t generation) {
    return (std::uint64_t{generation} << generation_shift) | (std::uint64_t{index} << index_shift);
  }
  constexpr bool held() const { return (bits & held_bit) != 0; }
  constexpr bool waiters() const { return (bits & waiters_bit) != 0; }
  constexpr bool called() const { return (bits & called_bit) != 0; }
  constexpr std::uint64_t holder() const { return bits & holder_mask; }
  constexpr std::uint32_t index() const { return static_cast<std::uint32_t>(bits >> index_shift) & 0xffffff; }
  constexpr std::uint32_t generation() const { return static_cast<std::uint32_t>(bits >> generation_shift); }
  constexpr bool is_valid() const {
    if (called() && !waiters()) return false;
    if (waiters() && !held() && !called()) return false;
    return held() || holder() == 0;
  }
  friend constexpr bool operator==(MutexWord, MutexWord) = default;
};

namespace mutex_word {

/// std::optional of a word in one register: what is no valid word says that there is none.
class Next {
 public:
  constexpr Next() = default;
  constexpr Next(MutexWord w) : word_(w) {}  // NOLINT: as std::optional's
  constexpr explicit operator bool() const { return word_ != none; }
  constexpr const MutexWord& operator*() const { return word_; }
  friend constexpr bool operator==(Next, Next) = default;

 private:
  static constexpr MutexWord none{MutexWord::called_bit};
  MutexWord word_ = none;
};

// ---- by anybody, with one compare-exchange (1) ----

/// Where somebody waits it is a lock in passing.
constexpr Next lock(MutexWord w, std::uint64_t me) {
  if (w.held()) return {};
  return MutexWord{w.bits | MutexWord::held_bit | me};
}
/// By the holder. Refused where the spin lock is needed: nobody has been called, or who was may not be passed any more.
constexpr Next unlock(MutexWord w, bool may_pass) {
  if (!w.held() || (w.waiters() && !(w.called() && may_pass))) return {};
  return MutexWord{w.bits & (MutexWord::waiters_bit | MutexWord::called_bit)};
}

// ---- under the spin lock ----

/// By the holder, who has woken the first in line: free, for that one or for who comes first (3).
constexpr Next call(MutexWord w) {
  if (!w.held() || w.called()) return {};
  return MutexWord{MutexWord::waiters_bit | MutexWord::called_bit};
}
/// By the holder: it is somebody else's; to one that was called, without another wake (4).
constexpr Next hand_over(MutexWord w, std::uint64_t to) {
  if (!w.held() || to == 0) return {};
  return MutexWord{MutexWord::held_bit | MutexWord::waiters_bit | (w.bits & MutexWord::called_bit) | to};
}
/// By the holder, and nobody waits.
constexpr Next release(MutexWord w) {
  if (!w.held() || w.called()) return {};
  return MutexWord{};
}
/// Another is in the list. A free lock is refused: it is to be taken, or to be left to who was called.
constexpr Next queue(MutexWord w) {
  if (!w.held()) return {};
  return MutexWord{w.bits | MutexWord::waiters_bit};
}
/// The list is shorter; `more`: somebody is in it.
constexpr Next leave(MutexWord w, bool more) {
  if (more || w.called()) return w;
  return MutexWord{w.bits & ~MutexWord::waiters_bit};
}
/// The called one has it, for it is free or was handed to it (5).
constexpr Next answer(MutexWord w, std::uint64_t me, bool more) {
  if (!w.called() || (w.held() && w.holder() != me)) return {};
  return MutexWord{MutexWord::held_bit | (more ? MutexWord::waiters_bit : 0) | me};
}
/// The called one answers no more, while another has it: it is in the list again, or gone.
constexpr Next decline(MutexWord w, std::uint64_t me, bool more) {
  if (!w.called() || !w.held() || w.holder() == me) return {};
  return leave(MutexWord{w.bits & ~MutexWord::called_bit}, more);
}
/// For who passes it on and is no task that could keep it: the called one that goes although it could have it (6), or who finds it free
/// when it has put itself into the list (2).
constexpr Next seize(MutexWord w, std::uint64_t me) {
  if (w.held() && (!w.called() || w.holder() != me)) return {};
  return MutexWord{MutexWord::held_bit | MutexWord::waiters_bit};
}
}  // namespace mutex_word

}  // namespace quiesce::detail
