#pragma once
// What an exact kernel tells its executor while it works: for the lab's oracles and traces. Each event is told when what it says has
// just become true (Closed: is about to), within the step that did it.
#include <cstdint>

#include "quiesce/cancel.hpp"

namespace quiesce::detail {

struct TaskRecord;
struct RegionRecord;

enum class KernelEventKind : std::uint8_t {
  RegionOpened,     // linked in the tree, with whatever request it was born with
  RegionRequested,  // `reason` is in force there from now on
  ShieldLifted,     // C11
  RequestDelivered,  // a canceller has done all it does: everything below `region`, or below what `task` has opened, has the request
  RegionFinalizing,
  RegionClosed,   // the record is still what it was
  TaskPublished,  // counted, linked, and requested if its region was
  TaskRequested,  // the task's own bit
  TaskClaimed,    // its wait has been ended; `value`: it sleeps, and must be scheduled
  StepBegun,
  StepEnded,       // and the task has not ended
  TaskEnded,       // `value`: OutcomeKind; its phase is what it went through last
  BranchesLeft,    // a combinator stops looking after `task`, one of its branches
  FinalizerAdded,  // `value` names it, as in the next
  FinalizerBegun,
  ObligationReserved,  // `task`: the holder or none; `value` names it
  ObligationSettled,   // committed, aborted, moved away: `text`
  ObligationLeaked
};

struct KernelEvent {
  KernelEventKind kind;
  const TaskRecord* task = nullptr;
  const RegionRecord* region = nullptr;
  const CancelReason* reason = nullptr;
  std::uint64_t value = 0;
  const char* text = "";
};

/// What a test may break in an exact kernel, to see that the lab's oracles notice. Never in production.
enum class Defect : std::uint8_t {
  None,
  TaskNotCounted,         // a child task does not hold its region open
  ChildRegionNotCounted,  // nor a child region
  ObligationNotOwed,      // nor an obligation
  FinalizerTwice,
  FinalizerOldestFirst,
  FinalizerSkipped,
  LoserAbandoned,       // a combinator returns while a branch still runs
  PhaseSkipped,         // a task completes that was never Finalizing (C3)
  ReasonWeakened,       // the latest request wins, not the gravest
  GrandchildForgotten,  // a request goes to the children of a region and no deeper
  TaskForgotten,        // a request does not reach the first task of each region
  DeadlineNotArmed,
  WakeLost,         // a claimed task is not scheduled
  JoinerForgotten,  // the end of a task does not wake its joiner
  StreakUnbounded   // a worker's cancel lane goes first whatever waits (H2)
};

}  // namespace quiesce::detail
