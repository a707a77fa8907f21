#pragma once
// The oracles: what must hold in every run of tasks, whatever the schedule, looked at from outside of the kernel.
//
// They keep a book of their own about regions and tasks, written from what the kernel tells (kernel/event.hpp), and never ask the
// kernel's counts and words, which may be what is wrong. Each event is checked against the book before it is written down there. The
// rules are those of docs/semantics.md:
//  1. A region that finalises or closes has no live task and no open child region (R4); a task does not step after its region has
//     closed (R1).
//  2. A region that closes owes nothing: every finalizer has begun, once, newest first, after the children (F1), and no
//     obligation is left (L3).
//  3. A combinator that stops looking after a branch does so when the branch has ended (C9).
//  4. The phases of a task go up only, and Completed comes after Finalizing (C3).
//  5. The reason that is in force in a region never gets weaker (C2).
//  6. When a canceller is done, every region and task below has the request, but for what a shield keeps (C4, C11).
//  7. A region past its deadline has been requested before time goes on (B4).
//  8. A wait that has been ended is scheduled: no wake-up is lost (C5).
//  9. A task that is queued is not queued again before its next step (H1, H3); a local task is stepped on its worker only (S4).
// 10. A task that waits while it holds an obligation goes on within so many steps of others: else whoever waits for what it
//     holds waits for long ("futurelock", Oxide RFD 609, with tasks for futures).
// What a broken rule leaves behind cannot be relied on: the run ends there, and is not unwound.
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/logical.hpp"

namespace quiesce::lab::detail {

class Oracles {
 public:
  explicit Oracles(std::uint64_t futurelock_steps) : futurelock_steps_(futurelock_steps) {}

  /// Each gives the sentence that says which rule is broken; empty: none.
  std::string see(const quiesce::detail::KernelEvent& event, std::uint64_t step);
  std::string see_scheduled(const quiesce::detail::TaskRecord& task);
  /// Nothing can move; every timer that is due has fired.
  std::string see_idle(Time now);
  /// 10, every now and then.
  std::string see_holders(std::uint64_t step) const;
  /// The program's own: an obligation that it left (L2); empty: none.
  const std::string& first_leak() const { return first_leak_; }

 private:
  struct Region {
    const quiesce::detail::RegionRecord* record;
    LogicalId parent{}, opener{};
    std::uint32_t tasks = 0, unrequested = 0, children = 0, obligations = 0;
    std::vector<std::uint64_t> finalizers;  // added and not begun, oldest first
    std::vector<std::uint64_t> begun;
    bool requested = false, shielded = false;
    std::uint32_t gravity = 0;
    Time deadline = Time::max();
  };
  struct Task {
    const quiesce::detail::TaskRecord* record;
    LogicalId region;
    TaskPhase phase = TaskPhase::Created;
    bool requested = false, owes_wake = false, queued = false;
    std::uint32_t obligations = 0;
    std::uint64_t stepped = 0;
  };
  template <class T>
  using ById = boost::unordered_flat_map<std::uint64_t, T>;

  std::string see_opened(const quiesce::detail::KernelEvent& event);
  std::string see_requested(const quiesce::detail::KernelEvent& event);
  std::string see_delivered(const quiesce::detail::KernelEvent& event) const;
  std::string see_quiescence(const quiesce::detail::RegionRecord& record, const char* what) const;
  std::string see_closed(const quiesce::detail::RegionRecord& record);
  std::string see_step(const quiesce::detail::TaskRecord& task, std::uint64_t step);
  std::string see_published(const quiesce::detail::KernelEvent& event, std::uint64_t step);
  std::string see_ended(const quiesce::detail::KernelEvent& event);
  std::string see_branch_left(const quiesce::detail::TaskRecord& task) const;
  std::string see_finalizer(const quiesce::detail::KernelEvent& event);
  std::string see_phase(const quiesce::detail::TaskRecord& task, Task& known);
  void see_obligation(const quiesce::detail::KernelEvent& event);
  Region* find(const quiesce::detail::RegionRecord& record);
  const Region* find(const quiesce::detail::RegionRecord& record) const;
  bool is_below(const Region& region, LogicalId top, LogicalId opener) const;

  const std::uint64_t futurelock_steps_;
  ById<Region> regions_;     // that have not closed
  ById<Task> tasks_;         // that have not ended
  ById<LogicalId> holders_;  // of obligations, by their names
  std::uint32_t wakes_owed_ = 0;
  std::string first_leak_;
};

}  // namespace quiesce::lab::detail
