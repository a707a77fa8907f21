#pragma once
// Which workers are idle, how many search for work, and whom to wake when there is more of it. It parks nobody
// itself: it names the worker to wake, and the executor wakes that worker where it sleeps (a Parker, or the I/O
// driver).
//
//   after making work visible to all (a seq_cst store or read-modify-write):
//     if (auto worker = idle.claim_one()) wake(*worker);
//   after giving work to one worker only (a local task):
//     if (idle.claim(worker)) wake(worker);
//   a worker that found nothing in its own queues:
//     if (!searching) searching = idle.try_become_searcher();
//     if (searching) look at the injector and steal;
//     found:    if (searching && idle.stop_searching()) claim_one and wake as above; run it
//     nothing:  if (searching) idle.stop_searching();
//               idle.prepare_park(self);
//               look at everything once more, by seq_cst loads;  if nothing, or what only searchers take and
//               !idle.may_search(): sleep
//               searching = idle.finish_park(self) == Woken::AsSearcher;
//               if (the look found something && !searching) searching = idle.try_become_searcher();
//
// Protocol:
//  1. The state word holds two counts: workers parked, and workers searching (at most half of all, rounded up; where
//     there are fewer processors than workers, half of those: more cannot search at a time).
//  2. claim_one wakes nobody while anyone searches: that one will find the work. Else it takes the worker that
//     parked last (its cache is the warmest) off the idle stack, counts it as searching at once, and names it.
//     So until the woken thread has run, looked and stopped searching, further claims cost one load.
//  3. Whoever stops searching as the last one owes a look: if it found work, it must claim_one again, for there
//     may be more than it took; if it found none, it parks, which looks at everything once more. If that look
//     finds work it searches again, for of several publications that relied on it it may take only one.
//  4. A claim of a certain worker (claim) takes that one off the stack, wherever it is in there, and does not
//     count it as searching.
//  5. prepare_park puts the worker on the stack; finish_park, after the sleep or instead of it, takes it off
//     again unless a claim did, and says which. The stack and the transitions parked -> claimed are under a
//     spin lock: parking costs microseconds anyway. The two looks that must be cheap, those of claim_one and
//     claim, are one load.
//
// No wake-up is lost. Write P for the publication, L for the notifier's load, and call *look* the reading of
// queues that P went to.
//  a. L sees searching == 0 and parked > 0: a worker is woken as a searcher, or the count under the lock shows
//     that another notifier has just made a searcher, which is case b with that later read in place of L.
//  b. L sees searching > 0: some searcher W stops as the last one by a decrement D that comes after L in the
//     order of the state word. If W found nothing, then P < L < D < W's look before parking (all seq_cst), and
//     it sees P. Then it is a searcher again, which is this case with W's next D; or it may not be, since others
//     search that began after D, and so after P: this case with the last of them. If W found something, it
//     claims again, with D in place of P; that ends, for each time a worker took work.
//  c. L sees searching == 0 and parked == 0: nobody to wake. A worker that parks later increments after L, so P
//     < L < increment < its look: it sees P.
//
// Who has announced itself, has seen work that only searchers take, and then sees that as many search as may, sleeps all the same. Of
// each of them the decrement comes after its own increment in prepare_park. It comes after the publication, too, which is case b; or
// before it, and then L has seen it, which is case a.
//
// claim(worker) is the same pair on that worker's flag: published then flag loaded, against flag stored then
// looked.
//
// Orders: all accesses to the state word and the flags that the proof speaks of are seq_cst; those under the
// lock are ordered by it.
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/platform.hpp"
#include "quiesce/detail/kernel/spin_lock.hpp"

namespace quiesce::detail {

/// How a worker came to leave the idle set.
enum class Woken : std::uint8_t {
  Unclaimed,   // by itself: a deadline, or the last look found something
  AsSearcher,  // claim_one: it counts as searching and must stop_searching
  Directly     // claim: something was given to it
};

template <class Platform = RealPlatform>
class IdleSet {
 public:
  static constexpr std::uint32_t workers_max = 0xffff;

  /// `processors` that they run on; 0: not known.
  explicit IdleSet(std::uint32_t workers, std::uint32_t processors = 0)
      : workers_(workers),
        searchers_max_(((processors == 0 ? workers : std::min(workers, processors)) + 1) / 2),
        flags_(std::make_unique<atomic[]>(workers)),
        stack_(std::make_unique<std::uint32_t[]>(workers)) {
    QUIESCE_ASSERT(workers > 0 && workers <= workers_max, "an idle set has 1 to 65535 workers");
  }
  IdleSet(const IdleSet&) = delete;
  IdleSet& operator=(const IdleSet&) = delete;

  /// Any thread. The worker to wake for work that all can see, if one should be woken.
  [[nodiscard]] std::optional<std::uint32_t> claim_one() noexcept {
    if (!wants_wake(state_.load(std::memory_order_seq_cst))) return std::nullopt;
    std::scoped_lock guard(lock_);
    if (!wants_wake(state_.load(std::memory_order_seq_cst))) return std::nullopt;
    const std::uint32_t worker = stack_[--idle_];
    flags_[worker].store(as_searcher, std::memory_order_seq_cst);
    state_.fetch_add(one_searching - one_parked, std::memory_order_seq_cst);
    return worker;
  }

  /// Any thread. True when that worker is to be woken for work that only it can see; false when it is awake or
  /// being woken.
  [[nodiscard]] bool claim(std::uint32_t worker) noexcept {
    if (flags_[worker].load(std::memory_order_seq_cst) != parked_flag) return false;
    std::scoped_lock guard(lock_);
    if (flags_[worker].load(std::memory_order_relaxed) != parked_flag) return false;
    take_off(worker, directly);
    return true;
  }

  /// Any thread. Any parked worker, searchers or not: for shutting down, call until it names none.
  [[nodiscard]] std::optional<std::uint32_t> claim_any() noexcept {
    std::scoped_lock guard(lock_);
    if (idle_ == 0) return std::nullopt;
    const std::uint32_t worker = stack_[idle_ - 1];
    take_off(worker, directly);
    return worker;
  }

  /// A worker that is not searching. False when as many search already as may.
  [[nodiscard]] bool try_become_searcher() noexcept {
    std::uint32_t seen = state_.load(std::memory_order_seq_cst);
    while (searching_of(seen) < searchers_max_) {
      if (state_.compare_exchange_weak(seen, seen + one_searching, std::memory_order_seq_cst)) return true;
    }
    return false;
  }

  /// A worker that has prepared to park. False: as many search as may, and one of them will find what it has seen.
  [[nodiscard]] bool may_search() const noexcept {
    return searching_of(state_.load(std::memory_order_relaxed)) < searchers_max_;
  }

  /// A worker that is searching. True when it was the last one (protocol, 3).
  [[nodiscard]] bool stop_searching() noexcept {
    const std::uint32_t before = state_.fetch_sub(one_searching, std::memory_order_seq_cst);
    QUIESCE_ASSERT(searching_of(before) > 0, "stop_searching by a worker that was not searching");
    return searching_of(before) == 1;
  }

  /// A worker that is not searching, of itself. It must look at everything again before it sleeps.
  void prepare_park(std::uint32_t worker) noexcept {
    std::scoped_lock guard(lock_);
    QUIESCE_ASSERT(flags_[worker].load(std::memory_order_relaxed) == awake, "a worker parks twice");
    stack_[idle_++] = worker;
    flags_[worker].store(parked_flag, std::memory_order_seq_cst);
    state_.fetch_add(one_parked, std::memory_order_seq_cst);
  }

  /// The same worker, once it has slept or decided not to. Whatever woke it directly may still unpark it later
  /// than this: its next sleep may then end at once.
  Woken finish_park(std::uint32_t worker) noexcept {
    std::scoped_lock guard(lock_);
    const std::uint32_t flag = flags_[worker].load(std::memory_order_relaxed);
    QUIESCE_ASSERT(flag != awake, "a worker that was not parked finishes parking");
    if (flag == parked_flag) take_off(worker, awake);
    flags_[worker].store(awake, std::memory_order_relaxed);
    return flag == as_searcher ? Woken::AsSearcher : flag == directly ? Woken::Directly : Woken::Unclaimed;
  }

  /// Moments' views, for statistics.
  [[nodiscard]] std::uint32_t parked() const noexcept {
    return parked_of(state_.load(std::memory_order_seq_cst));
  }
  [[nodiscard]] std::uint32_t searching() const noexcept {
    return searching_of(state_.load(std::memory_order_seq_cst));
  }
  [[nodiscard]] std::uint32_t workers() const noexcept { return workers_; }

 private:
  using atomic = typename Platform::template atomic<std::uint32_t>;
  static constexpr std::uint32_t one_parked = 1, one_searching = 1u << 16;
  static constexpr std::uint32_t awake = 0, parked_flag = 1, as_searcher = 2, directly = 3;

  static std::uint32_t parked_of(std::uint32_t state) noexcept { return state & 0xffff; }
  static std::uint32_t searching_of(std::uint32_t state) noexcept { return state >> 16; }
  static bool wants_wake(std::uint32_t state) noexcept {
    return searching_of(state) == 0 && parked_of(state) != 0;
  }

  /// Under the lock; `worker` is on the stack.
  void take_off(std::uint32_t worker, std::uint32_t flag) noexcept {
    std::uint32_t at = idle_;
    while (stack_[at - 1] != worker) --at;
    for (; at < idle_; ++at) stack_[at - 1] = stack_[at];
    --idle_;
    flags_[worker].store(flag, std::memory_order_seq_cst);
    state_.fetch_sub(one_parked, std::memory_order_seq_cst);
  }

  alignas(64) atomic state_{0};
  const std::uint32_t workers_;
  const std::uint32_t searchers_max_;
  alignas(64) SpinLock<Platform> lock_;
  std::uint32_t idle_ = 0;                  // under lock: height of the stack
  std::unique_ptr<atomic[]> flags_;         // one a worker; changed under lock
  std::unique_ptr<std::uint32_t[]> stack_;  // under lock
};

}  // namespace quiesce::detail
