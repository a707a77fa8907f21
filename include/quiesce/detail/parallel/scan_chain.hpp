#pragma once
// Who scans which part of a scan, when parts are reduced and scanned by whoever comes: nobody waits, and each part is scanned once.
//
// A scan's parts are taken by tickets, in order. What each reduces to, and then the prefix up to its end, is kept in a slot of its own.
// A part has two bits, each of which is set once at most:
//   Ready    the slot before it holds the prefix of all that is before it. Part 0 has no slot before it and is Ready from the start.
//   Reduced  its own slot holds what it reduces to.
// Protocol:
//  1. Who takes a part and finds it Ready (`is_ready`) scans it at once, reduces it beside that, and owns it. Reduced is never set.
//  2. Who finds it not Ready reduces it into its slot and sets Reduced. If Ready was set meanwhile, it owns the part.
//  3. The owner of a part writes the prefix up to its end into its slot and makes the next one Ready. If that is Reduced, it owns that
//     one, too, and goes on there: so it ends with some parts in a row, of which those it has not scanned yet are left for it to
//     scan, after their prefixes, which others need, are there.
//  4. So a part has one owner: who took it, if it was Ready then, else whoever set its second bit. A part that nobody takes, and those
//     behind it, have none; as soon as all that were taken are reduced, all of them have one.
//  5. The slot of part i is written by who reduces i, then by the owner of i, then read by the owner of i + 1, and by nobody else.
//
// Orders: setting a bit is acq_rel. It releases what its setter has written to a slot (and that it has read the part, which the
// owner may write to, where a scan is in place), and acquires what the setter of the other bit has released. `is_ready` acquires
// the same. Tickets are relaxed: a number is all that they give.
// As each bit is set once, adding it is as good as `or`, and one instruction where `or` would be a loop.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform = RealPlatform>
class ScanChain {
 public:
  /// At least one part.
  explicit ScanChain(std::size_t parts) : bits_(parts) {
    bits_[0].store(ready, std::memory_order_relaxed);  // nobody else has the chain yet
  }

  /// The next part that nobody has taken. Called as often as there are parts, at most.
  std::size_t take() { return next_.fetch_add(1, std::memory_order_relaxed); }

  /// For who has taken it: whether it owns it already (1).
  bool is_ready(std::size_t part) const { return (bits_[part].load(std::memory_order_acquire) & ready) != 0; }
  /// Its slot holds what it reduces to. True: the caller owns it (2).
  bool did_reduce(std::size_t part) {
    return (bits_[part].fetch_add(reduced, std::memory_order_acq_rel) & ready) != 0;
  }
  /// The slot before it holds a prefix. True: the caller owns it (3). There may be no such part.
  bool make_ready(std::size_t part) {
    if (part == bits_.size()) return false;
    return (bits_[part].fetch_add(ready, std::memory_order_acq_rel) & reduced) != 0;
  }
  /// For the owner of a part that is reduced: `fold` writes the prefix of each part that it owns, in order. The first part that it does
  /// not own.
  template <class Fold>
  std::size_t go_on(std::size_t part, Fold fold) {
    do fold(part);
    while (make_ready(++part));
    return part;
  }

 private:
  static constexpr std::uint8_t ready = 1, reduced = 2;

  typename Platform::template atomic<std::size_t> next_{0};
  std::vector<typename Platform::template atomic<std::uint8_t>> bits_;
};

}  // namespace quiesce::detail
