// Mutual exclusion by reads and writes. Who finds the section taken gives up instead of looking again, which only takes schedules
// away: what can meet inside can do so here.
#include <algorithm>
#include <array>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

/// Fails when two are inside.
class Section {
 public:
  void pass() {
    lab::check(inside_.fetch_add(1) == 0, "two are in the critical section");
    inside_.fetch_sub(1);
  }

 private:
  lab::atomic<int> inside_{0, "inside"};
};

template <class Lock>
void compete() {
  Lock lock;
  Section section;
  const auto enter = [&](std::size_t me) {
    if (lock.try_enter(me)) section.pass();
    lock.leave(me);
  };
  lab::thread a = start_thread("a", [&] { enter(0); });
  lab::thread b = start_thread("b", [&] { enter(1); });
  a.join();
  b.join();
}

/// Peterson, Myths about the mutual exclusion problem, IPL 1981. The two writes in the other order make it wrong.
template <bool Fixed>
struct Peterson {
  lab::atomic<bool> wants_a{false, "a wants"};
  lab::atomic<bool> wants_b{false, "b wants"};
  lab::atomic<std::size_t> turn{0, "turn"};

  lab::atomic<bool>& wants(std::size_t who) { return who == 0 ? wants_a : wants_b; }
  bool try_enter(std::size_t me) {
    const std::size_t other = 1 - me;
    if constexpr (Fixed) wants(me).store(true);
    turn.store(other);
    if constexpr (!Fixed) wants(me).store(true);
    return !wants(other).load() || turn.load() != other;
  }
  void leave(std::size_t me) { wants(me).store(false); }
};

/// Lamport, A new solution of Dijkstra's concurrent programming problem, CACM 1974. Without the flags of those who are choosing a
/// number, one may look at another between its choice and its writing down.
template <bool Fixed>
struct Bakery {
  std::array<lab::atomic<bool>, 2> choosing;
  std::array<lab::atomic<int>, 2> number;

  Bakery() {
    lab::name(number[0], "number of a");
    lab::name(number[1], "number of b");
    lab::name(choosing[0], "a chooses");
    lab::name(choosing[1], "b chooses");
  }
  bool try_enter(std::size_t me) {
    const std::size_t other = 1 - me;
    if constexpr (Fixed) choosing[me].store(true);
    number[me].store(1 + number[other].load());
    if constexpr (Fixed) choosing[me].store(false);
    if (Fixed && choosing[other].load()) return false;
    const int theirs = number[other].load();
    return theirs == 0 || std::pair(number[me].load(), me) < std::pair(theirs, other);
  }
  void leave(std::size_t me) { number[me].store(0); }
};

/// A lock taken by a look and a store.
template <bool Fixed>
struct FlagLock {
  lab::atomic<bool> is_taken{false, "taken"};
  std::array<bool, 2> is_mine{};

  bool try_enter(std::size_t me) {
    if constexpr (Fixed) {
      is_mine[me] = !is_taken.exchange(true);
    } else if (!is_taken.load()) {
      is_taken.store(true);
      is_mine[me] = true;
    }
    return is_mine[me];
  }
  void leave(std::size_t me) {
    if (is_mine[me]) is_taken.store(false);
  }
};

}  // namespace

Bug peterson() {
  return {.name = "Peterson's lock",
          .wrong = "the turn is given away before the own wish is announced",
          .message = {"two are in the critical section"},
          .buggy = compete<Peterson<false>>,
          .fixed = compete<Peterson<true>>,
          .within = {.pct = 5'000},
          .depth = 3};
}

Bug bakery() {
  return {.name = "bakery",
          .wrong = "nobody says that he is choosing a number, so two have the same and do not see it",
          .message = {"two are in the critical section"},
          .buggy = compete<Bakery<false>>,
          .fixed = compete<Bakery<true>>,
          .within = {.pct = 5'000},
          .depth = 3};
}

Bug flag_lock() {
  return {.name = "test, then set",
          .wrong = "a lock is found free, and then taken",
          .message = {"two are in the critical section"},
          .buggy = compete<FlagLock<false>>,
          .fixed = compete<FlagLock<true>>,
          .within = {.pct = 5'000},
          .depth = 3};
}

}  // namespace quiesce::lab::corpus
