#pragma once
// The fork-join tier below its types: branches that are offered to other workers, and become tasks only when somebody takes them.
//
// A `fork_join` lies in the frame of the coroutine that awaits it (the *parent*), with an *entry* for each forked branch: what to call,
// and room for its value. The task that steps the parent pushes its entries on the *lane* of its worker, runs one branch within its own
// record, and then joins the entries, newest first. One that nobody took runs within the same record, too: no task, no queue.
//
// Protocol (models/fork_join.pml checks 4 to 8):
//  1. Every worker has a lane. All that is on it was pushed by the step that the worker makes now, by coroutines that wait for what was
//     forked after them: so entries are joined in the reverse order of their pushes, and a step that ends leaves the lane empty (5).
//  2. Entries stand in one row, oldest first: some on the *shelf*, where anyone may take them, then the *private* ones, which only the
//     worker touches. So a push and a join are plain writes. After each push the worker moves the oldest private entries to free places
//     of the shelf: as many as `limit` are on offer at any time, which are the biggest pieces of work, and the shelf's places, not
//     the pushes, pay for the atomics. A worker that stays in one branch for long offers what it had at its last push.
//  3. A place of the shelf holds an entry or nothing. Put by the worker (store); emptied by a compare-exchange, the worker's or a
//     thief's: whoever makes it has the entry. Nobody looks into an entry before it has it, so one that is put at the same address again
//     in the meantime does no harm: it is on offer just as well. Places are used as a ring [low, high): the worker moves `low` past those
//     that thieves have emptied, and takes back at `high`.
//  4. Who has taken an entry makes a task of it (Kernel::begin_fork): role Fork, in the parent's region, linked among the parent's handed
//     entries. It is never refused by a region that closes or is at its limit, since the parent holds that region open and waits; it
//     is not counted by `max_tasks`. When no memory can be had, the entry is given back without a record, and its parent runs it.
//  5. Before a step ends in any other way than with the task – a wait, a yield – what is on its lane becomes tasks, too, and is
//     scheduled (`promote_forks`): it may be what the task is going to wait for, and another worker may step the task next.
//  6. `pending` counts what was handed over: down by each end of a handed branch, as the last thing that its task does; up, once, by the
//     parent, by how many there were. Whoever brings it to zero comes last: the parent then does not wait, the branch claims the parent's
//     wait, which no request ends. So nothing in the parent's frame goes while a branch may touch it (R6), and no branch touches
//     it after its subtraction unless the parent still waits for it.
//  7. Requests: the region's reach a handed branch as any task of it. What comes to the parent alone – a request, the end of a mask
//     that the branches began under – is passed on by whoever brings it, through the list of handed entries in the parent's extra; who links
//     an entry there looks for the request in the same section. A branch that fails asks its handed siblings to stop in the same way.
//  8. Whoever sets `failed` has a failure that counts, whatever it says: the parent keeps the one of a branch that it ran, and a handed one is
//     marked (`failed_first`). Others that were asked by a fork_join to stop, and have, do not count (O2). So a join that has failed ends its
//     parent, and values are read only of one where every branch has ended Ok. The reason alone does not tell: a request that another
//     fork_join makes of the parent carries the same words to its branches, and may reach them before the parent's own word.
#include <array>
#include <atomic>
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"
#include "quiesce/detail/kernel/records.hpp"

namespace quiesce::detail {

struct ForkEntry;
class ForkLane;
struct PromiseBase;

/// Of the request that a failed branch makes of its siblings.
inline constexpr const char* fork_stop_message = "another branch of the fork_join has failed";

/// One awaited fork_join, in the parent's frame; the entries are behind it.
struct ForkJoinCore {
  PromiseBase*
      running;  // the owner of a branch that the parent's task runs (coro/fork_join.hpp); first, to find the join by it
  TaskRecord* task;                      // the one that steps the parent
  std::atomic<std::int32_t> pending{0};  // (6)
  std::atomic<bool> failed{false};       // a branch has ended in failure: the others are to stop
  bool masked = false;                   // the branches began under a mask of the parent's (C11)
  std::uint16_t handed = 0;              // the parent: how many of them others run, of those joined so far
  ForkLane* lane =
      nullptr;  // where its entries are; nullptr: they have left it, since the step has ended that pushed them (5)
  Waiter waiter;  // the parent's wait; before it adds to `pending`
};

/// A forked branch that has not begun. It is also what its task, if it gets one, steps first.
struct ForkEntry : Steppable {
  ForkJoinCore* join;
  ForkEntry* older;  // on the lane: the one pushed before; the worker's
  ForkEntry *next,
      *previous;  // private: the one pushed after; handed: the parent's list, under its extra's lock
  std::atomic<TaskRecord*> record;  // once handed; nullptr after its end: it was given back
  std::uint32_t ordinal = ~0u;      // of the task that it may become; set when others may take it
  bool failed_first = false;        // handed: it has set the join's `failed` (8)

  ForkEntry(const Ops* operations, ForkJoinCore* of) : Steppable{operations}, join(of) {}
};

/// Which child of its task it will be, if it becomes one. The stepper's own: no read-modify-write.
inline void number(ForkEntry& entry) noexcept {
  std::atomic<std::uint32_t>& ordinals = entry.join->task->ordinals;
  entry.ordinal = ordinals.load(std::memory_order_relaxed);
  ordinals.store(entry.ordinal + 1, std::memory_order_relaxed);
}

/// Where a worker offers entries to all (protocol, 3).
template <class Platform = RealPlatform, std::uint32_t Places = 8>
class ForkShelf {
 public:
  static constexpr std::uint32_t places = Places;

  /// The worker. The place is empty.
  void put(std::uint32_t place, ForkEntry& entry) noexcept {
    // seq_cst: pairs with the look of a worker that is about to park (any).
    at(place).store(&entry, std::memory_order_seq_cst);
  }
  /// The worker. False: somebody has taken it.
  bool take_back(std::uint32_t place, ForkEntry& entry) noexcept {
    ForkEntry* expected = &entry;
    return at(place).compare_exchange_strong(expected, nullptr, std::memory_order_relaxed,
                                             std::memory_order_relaxed);
  }
  /// The worker: a thief has emptied the place.
  bool is_empty(std::uint32_t place) const noexcept {
    return at(place).load(std::memory_order_relaxed) == nullptr;
  }
  /// Any thread. Some entry, about the oldest; nullptr when there is none.
  ForkEntry* steal() noexcept {
    const std::uint32_t first = oldest_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < places; ++i) {
      ForkEntry* entry = at(first + i).load(std::memory_order_relaxed);
      // acquire: pairs with put, so that the entry can be read.
      if (entry != nullptr && at(first + i).compare_exchange_strong(entry, nullptr, std::memory_order_acquire,
                                                                    std::memory_order_relaxed))
        return entry;
    }
    return nullptr;
  }
  ForkEntry* steal(const ForkJoinCore& join, std::uint32_t ordinal) noexcept {
    for (auto& place : places_) {
      ForkEntry* entry = place.load(std::memory_order_relaxed);
      if (entry == nullptr || entry->join != &join || entry->ordinal != ordinal) continue;
      place.store(nullptr, std::memory_order_relaxed);
      return entry;
    }
    return nullptr;
  }
  /// The worker: where thieves are to look first.
  void note_oldest(std::uint32_t place) noexcept { oldest_.store(place, std::memory_order_relaxed); }
  /// Any thread.
  bool any() const noexcept {
    for (const auto& place : places_) {
      if (place.load(std::memory_order_seq_cst) != nullptr) return true;
    }
    return false;
  }

 private:
  using Place = typename Platform::template atomic<ForkEntry*>;
  Place& at(std::uint32_t place) noexcept { return places_[place % places]; }
  const Place& at(std::uint32_t place) const noexcept { return places_[place % places]; }

  alignas(64) std::array<Place, places> places_{};
  typename Platform::template atomic<std::uint32_t> oldest_{0};
};

/// The entries of the step that a worker makes (protocol, 1 to 3). All but `steal` and `any`: the worker's.
template <class Platform = RealPlatform, std::uint32_t Places = 8>
class BasicForkLane {
 public:
  /// How many entries are on offer at a time: 0, where nobody could take them, to the shelf's places.
  void set_limit(std::uint32_t limit) noexcept { limit_ = limit; }

  void push(ForkEntry& entry) noexcept {
    entry.older = last_;
    if (oldest_private_ == nullptr) {
      oldest_private_ = &entry;
    } else {
      last_->next = &entry;
    }
    last_ = &entry;
  }
  /// Something private could be offered.
  bool wants_to_offer() const noexcept {
    return high_ - low_ < limit_ || (limit_ != 0 && shelf_.is_empty(low_));
  }
  /// After a push: the oldest private entries go on the shelf; `offered` is told of each, and does not look into it.
  template <class Offered>
  void offer(Offered offered) {
    while (oldest_private_ != nullptr && wants_to_offer()) {
      if (high_ - low_ == limit_) shelf_.note_oldest(++low_);
      ForkEntry& entry = *oldest_private_;
      oldest_private_ = &entry == last_ ? nullptr : entry.next;
      number(entry);
      shelf_.put(high_++, entry);
      offered(entry);
    }
  }
  /// The newest entry that is not joined yet is to be joined. False: somebody has taken it, or it became a task before a step's end.
  bool join(ForkEntry& entry) noexcept {
    if (last_ != &entry) return false;
    last_ = entry.older;
    if (oldest_private_ != nullptr) {
      if (oldest_private_ == &entry) oldest_private_ = nullptr;
      return true;
    }
    return take_back(entry);
  }
  /// Is there anything that the running step has pushed and not joined?
  bool is_used() const noexcept { return last_ != nullptr; }
  /// The newest entry that nobody has taken leaves the lane; nullptr when none is left. Not to be joined afterwards.
  ForkEntry* pop() noexcept {
    while (ForkEntry* entry = last_) {
      entry->join->lane = nullptr;
      if (join(*entry)) return entry;
    }
    return nullptr;
  }

  ForkEntry* steal() noexcept { return shelf_.steal(); }
  /// The one of that join and ordinal, while nobody else moves (the lab); nullptr: it is not on offer.
  ForkEntry* steal(const ForkJoinCore& join, std::uint32_t ordinal) noexcept {
    return shelf_.steal(join, ordinal);
  }
  bool any() const noexcept { return shelf_.any(); }

  /// Set by an executor that wants to know of joins before they are made (the lab).
  bool is_watched = false;
  /// How often the running task has gone on, its awaits spent, because it runs branches (H4).
  std::uint32_t extensions = 0;

 private:
  /// Entries whose places thieves have emptied and `low` has passed are older than all that is in [low, high).
  bool take_back(ForkEntry& entry) noexcept {
    if (high_ == low_) return false;
    return shelf_.take_back(--high_, entry);
  }

  ForkEntry* last_ = nullptr;            // the newest that is not joined
  ForkEntry* oldest_private_ = nullptr;  // nullptr: all are on the shelf, or taken
  std::uint32_t low_ = 0, high_ = 0, limit_ = 0;
  ForkShelf<Platform, Places> shelf_;
};

/// Named, so that ThreadContext can point to one.
class ForkLane : public BasicForkLane<> {};

}  // namespace quiesce::detail
