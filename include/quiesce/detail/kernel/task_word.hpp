#pragma once
// The task word: all that several threads may change about one task, in one atomic 64-bit word.
//
// Fields, low to high (who may change them):
//   run       3  Free, Idle, Queued, Running, Done          the stepper; Idle -> Queued by whoever claims the wait
//   phase     3  rule C3                                     the stepper; a request moves Created/Running to CancelRequested
//   requested 1  a cancel request has reached the task       any thread, set only
//   masked    1  the outermost mask guard is in force        the stepper; an expired budget clears it
//   armed     1  a wait of this epoch is registered          the stepper
//   claimed   1  somebody won the right to resume it         the one claimant; cleared by the stepper
//   by_request 1 that claimant was a request or an expiry    with `claimed`
//   stubborn  1  this wait is not woken by requests          the stepper (region awaits, drains)
//   taken     1  the result has been taken (R7)              one CAS: the joiner, the sweep, or the dropped handle
//   joiner    1  `joiner` of the record holds a waiter       the joining task
//   dropped   1  no handle exists any more                   the handle's destructor
//   escalated 1  the frame goes at its next suspension (C10) any thread, set only
//   mask_epoch 8 counts outermost masks                      the stepper
//   epoch    40  counts waits, over all lives of the record  the stepper
//
// Protocol (models/claim.pml checks it):
//  1. A task that wants to wait *prepares*: next epoch, armed. It is refused at once when a request is there that the task
//     must see (requested, neither masked nor stubborn), or when it has been escalated.
//  2. It registers with whatever will complete the wait, then *commits*: Running -> Idle, unless it has been claimed
//     meanwhile, in which case it goes on without having slept. (Running and claimed is what other designs call `notified`.)
//  3. To resume it anyone must *claim*: one CAS that needs armed, this epoch, and not yet claimed. A claim by a request needs
//     in addition that the task is not masked and the wait not stubborn. The winner enqueues the task if it was Idle.
//  4. The resumed task is disarmed by its start_step (by disarm, when it had not slept) and detaches whatever did not win.
//  5. Done is final for a life; the record is free for another when it is Done, out of its region, and its handle is gone.
// Every transition is a pure function word -> optional<word>; TaskWordCell applies it with a compare-exchange loop.
#include <atomic>
#include <cstdint>
#include <optional>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce {

/// Where a task stands on its way to the end (rule C3). Phases may be skipped, never re-entered.
enum class TaskPhase : std::uint8_t { Created, Running, CancelRequested, Cancelling, Finalizing, Completed };

namespace detail {

enum class RunState : std::uint8_t { Free, Idle, Queued, Running, Done };

struct TaskWord {
  std::uint64_t bits = 0;

  static constexpr std::uint64_t requested_bit = 1u << 6, masked_bit = 1u << 7, armed_bit = 1u << 8,
                                 claimed_bit = 1u << 9, by_request_bit = 1u << 10, stubborn_bit = 1u << 11,
                                 taken_bit = 1u << 12, joiner_bit = 1u << 13, dropped_bit = 1u << 14,
                                 escalated_bit = 1u << 15;
  static constexpr int mask_epoch_shift = 16, epoch_shift = 24;
  static constexpr std::uint64_t wait_bits = armed_bit | claimed_bit | by_request_bit | stubborn_bit;

  constexpr RunState run() const { return static_cast<RunState>(bits & 7); }
  constexpr TaskPhase phase() const { return static_cast<TaskPhase>((bits >> 3) & 7); }
  constexpr bool has(std::uint64_t flag) const { return (bits & flag) != 0; }
  constexpr bool requested() const { return has(requested_bit); }
  constexpr bool masked() const { return has(masked_bit); }
  constexpr bool claimed() const { return has(claimed_bit); }
  constexpr bool escalated() const { return has(escalated_bit); }
  constexpr std::uint8_t mask_epoch() const { return static_cast<std::uint8_t>(bits >> mask_epoch_shift); }
  constexpr std::uint64_t epoch() const { return bits >> epoch_shift; }
  constexpr bool done() const { return run() == RunState::Done; }
  /// A request is there and the task has to see it now.
  constexpr bool must_observe() const { return escalated() || (requested() && !masked()); }

  constexpr TaskWord with_run(RunState r) const {
    return {(bits & ~std::uint64_t{7}) | static_cast<std::uint64_t>(r)};
  }
  constexpr TaskWord with_phase(TaskPhase p) const {
    return {(bits & ~(std::uint64_t{7} << 3)) | (static_cast<std::uint64_t>(p) << 3)};
  }
  constexpr TaskWord with(std::uint64_t flags) const { return {bits | flags}; }
  constexpr TaskWord without(std::uint64_t flags) const { return {bits & ~flags}; }
  constexpr TaskWord next_epoch() const { return {bits + (std::uint64_t{1} << epoch_shift)}; }
  constexpr TaskWord next_mask_epoch() const {
    constexpr std::uint64_t field = std::uint64_t{0xff} << mask_epoch_shift;
    return {(bits & ~field) | ((bits + (std::uint64_t{1} << mask_epoch_shift)) & field)};
  }
  friend constexpr bool operator==(TaskWord, TaskWord) = default;
};

namespace task_word {
using Next = std::optional<TaskWord>;

/// Free -> Queued/Created: a new life. The epochs go on counting, so that a claim meant for an earlier life fails.
constexpr Next birth(TaskWord w, bool has_handle) {
  if (w.run() != RunState::Free) return {};
  constexpr std::uint64_t epochs = ~std::uint64_t{0} << TaskWord::mask_epoch_shift;
  return TaskWord{w.bits & epochs}.with_run(RunState::Queued).with(has_handle ? 0 : TaskWord::dropped_bit);
}
/// Queued -> Running; the first step also moves Created to Running. The wait that the task was queued from is over: what its
/// claim said is read from the word before.
constexpr Next start_step(TaskWord w) {
  if (w.run() != RunState::Queued) return {};
  if (w.phase() == TaskPhase::Created) w = w.with_phase(TaskPhase::Running);
  return w.without(TaskWord::wait_bits).with_run(RunState::Running);
}
/// Running -> Queued: the task gives way.
constexpr Next yield(TaskWord w) {
  if (w.run() != RunState::Running || w.has(TaskWord::armed_bit)) return {};
  return w.with_run(RunState::Queued);
}
/// Arms a new wait. Refused when a request must be observed first; a stubborn wait is refused never.
constexpr Next prepare(TaskWord w, bool stubborn) {
  if (w.run() != RunState::Running || w.has(TaskWord::armed_bit)) return {};
  if (!stubborn && w.must_observe()) return {};
  return w.without(TaskWord::wait_bits)
      .with(TaskWord::armed_bit | (stubborn ? TaskWord::stubborn_bit : 0))
      .next_epoch();
}
/// Running -> Idle, unless already claimed.
constexpr Next commit(TaskWord w) {
  if (w.run() != RunState::Running || !w.has(TaskWord::armed_bit) || w.claimed()) return {};
  return w.with_run(RunState::Idle);
}
/// Wins the right to resume the wait of `epoch`.
constexpr Next claim(TaskWord w, std::uint64_t epoch, bool by_request) {
  if (!w.has(TaskWord::armed_bit) || w.claimed() || w.epoch() != epoch) return {};
  if (by_request && !w.escalated() && w.masked()) return {};
  if (by_request && w.has(TaskWord::stubborn_bit)) return {};
  w = w.with(TaskWord::claimed_bit | (by_request ? TaskWord::by_request_bit : 0));
  return w.run() == RunState::Idle ? w.with_run(RunState::Queued) : w;
}
/// Ends a wait that did not sleep; what the claim said is read from the word before.
constexpr Next disarm(TaskWord w) {
  if (w.run() != RunState::Running) return {};
  return w.without(TaskWord::wait_bits);
}
/// A cancel request arrives (idempotent on the bit).
constexpr Next request(TaskWord w) {
  if (w.run() == RunState::Free || w.done()) return {};
  if (w.phase() == TaskPhase::Created || w.phase() == TaskPhase::Running)
    w = w.with_phase(TaskPhase::CancelRequested);
  return w.with(TaskWord::requested_bit);
}
/// A checkpoint with mask 0 acknowledges the request.
constexpr Next acknowledge(TaskWord w) {
  if (w.run() != RunState::Running || w.phase() != TaskPhase::CancelRequested || !w.must_observe()) return {};
  return w.with_phase(TaskPhase::Cancelling);
}
/// By the task itself; or before its first step, for a finalizer that is born masked.
constexpr Next mask(TaskWord w) {
  const bool unborn = w.run() == RunState::Queued && w.phase() == TaskPhase::Created;
  if ((w.run() != RunState::Running && !unborn) || w.masked()) return {};
  return w.with(TaskWord::masked_bit).next_mask_epoch();
}
constexpr Next unmask(TaskWord w) {
  if (w.run() != RunState::Running || !w.masked()) return {};
  return w.without(TaskWord::masked_bit);
}
/// The budget of the mask with this epoch is spent: it counts as 0 from now on.
constexpr Next expire_mask(TaskWord w, std::uint8_t mask_epoch) {
  if (!w.masked() || w.mask_epoch() != mask_epoch || w.done() || w.run() == RunState::Free) return {};
  return w.without(TaskWord::masked_bit);
}
constexpr Next escalate(TaskWord w) {
  if (w.run() == RunState::Free || w.done() || w.escalated()) return {};
  return w.with(TaskWord::escalated_bit);
}
/// The body has ended: the frame and its arguments are destroyed in this phase.
constexpr Next finalize(TaskWord w) {
  if (w.run() != RunState::Running || w.phase() >= TaskPhase::Finalizing) return {};
  return w.with_phase(TaskPhase::Finalizing).without(TaskWord::wait_bits | TaskWord::masked_bit);
}
/// The result is in the record. The word before tells whether a joiner waits and whether the handle is gone.
constexpr Next complete(TaskWord w) {
  if (w.run() != RunState::Running || w.phase() != TaskPhase::Finalizing) return {};
  return w.with_phase(TaskPhase::Completed).with_run(RunState::Done);
}
/// The joiner's value is in the record; fails once the task is done. Repeating it is a release of the newer value.
constexpr Next announce_joiner(TaskWord w) {
  if (w.done() || w.run() == RunState::Free) return {};
  return w.with(TaskWord::joiner_bit);
}
constexpr Next retract_joiner(TaskWord w) { return w.without(TaskWord::joiner_bit); }
/// Exactly one taker of the result.
constexpr Next take(TaskWord w) {
  if (!w.done() || w.has(TaskWord::taken_bit)) return {};
  return w.with(TaskWord::taken_bit);
}
constexpr Next drop_handle(TaskWord w) {
  if (w.has(TaskWord::dropped_bit) || w.run() == RunState::Free) return {};
  return w.with(TaskWord::dropped_bit);
}
/// Done -> Free.
constexpr Next release(TaskWord w) {
  if (!w.done()) return {};
  constexpr std::uint64_t epochs = ~std::uint64_t{0} << TaskWord::mask_epoch_shift;
  return TaskWord{w.bits & epochs};
}
}  // namespace task_word

/// What a transition did: the word before, and whether it was made.
struct TaskStep {
  TaskWord before;
  bool made;
  explicit constexpr operator bool() const { return made; }
};

/// The atomic word. Every transition is a compare-exchange with acquire-release order: what the last writer did before its
/// transition is visible to whoever makes the next one (the chain claim -> start_step carries the results of an operation
/// to the resumed task; complete -> take carries the result to the joiner).
template <class Platform = RealPlatform>
class TaskWordCell {
 public:
  TaskWord load() const { return {bits_.load(std::memory_order_acquire)}; }
  /// Ordered with the accesses to a region's word (rule C4: link, then read again).
  TaskWord load_seq_cst() const { return {bits_.load(std::memory_order_seq_cst)}; }

  /// A transition by the only one who may write the word then: of a Free record, or of one that nobody refers to any more.
  template <class Transition>
  TaskStep apply_alone(Transition transition) {
    TaskWord old{bits_.load(std::memory_order_relaxed)};
    task_word::Next next = transition(old);
    if (next) bits_.store(next->bits, std::memory_order_release);
    return {old, next.has_value()};
  }

  /// One that is refused is an acquiring load: a join that comes after the end is refused its announcement and reads the result.
  template <class Transition>
  TaskStep apply(Transition transition) {
    std::uint64_t old = bits_.load(std::memory_order_acquire);
    for (;;) {
      task_word::Next next = transition(TaskWord{old});
      if (!next) return {TaskWord{old}, false};
      if (bits_.compare_exchange_weak(old, next->bits, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return {TaskWord{old}, true};
      }
    }
  }

 private:
  typename Platform::template atomic<std::uint64_t> bits_{0};
};

}  // namespace detail
}  // namespace quiesce
