#pragma once
// The task word: all that several threads may change about one task, in one atomic 64-bit word.
//
// Fields, low to high (who may change them):
//   run       3  Free, Idle, Active, Done                   the stepper; Idle -> Active by whoever claims the wait
//   phase     3  rule C3                                     the stepper; a request moves Created to CancelRequested
//   requested 1  a cancel request has reached the task       any thread, set only
//   masked    1  the outermost mask guard is in force        the stepper; an expired budget clears it
//   armed     1  a wait of this epoch is or was registered   the stepper
//   claimed   1  somebody won the right to resume it         the one claimant; cleared by the next wait
//   by_request 1 that claimant was a request or an expiry    with `claimed`
//   stubborn  1  this wait is not woken by requests          the stepper (region awaits, drains)
//   taken     1  the result has been taken (R7)              one CAS: the joiner, the sweep, or the dropped handle
//   joiner    1  `joiner` of the record holds a waiter       the joining task
//   dropped   1  no handle exists any more                   the handle's destructor
//   escalated 1  the frame goes at its next suspension (C10) any thread, set only
//   looked_at 1  somebody reads what the task waits for      a looker, on and off (6)
//   mask_epoch 7 counts outermost masks                      the stepper
//   epoch    40  counts waits, over all lives of the record  the stepper
//
// Active is a task that is queued or being stepped: which of the two, only the scheduler needs to know, so that neither the
// beginning of a step nor a yield is a transition. `pending` below is armed and not claimed: a wait that is still on.
//
// Protocol (models/claim.pml checks it):
//  1. A task that wants to wait *prepares*: next epoch, armed. It is refused at once when a request is there that the task
//     must see (requested, neither masked nor stubborn), or when it has been escalated.
//  2. It registers with whatever will complete the wait, then *commits*: Active -> Idle, unless it has been claimed
//     meanwhile, in which case it goes on without having slept. (Active and claimed is what other designs call `notified`.)
//     *park* is both in one, for a wait whose end can be seen by a look (a join): the waiter is registered with the next
//     epoch first, then the task parks, then it looks. Who ended it before the park has failed to claim, since the epoch
//     was not there yet; so a look that sees the end claims for itself. A park that is refused spends the epoch that it
//     has given away, or a late claim would end the task's next wait.
//     A wait for what nothing but grants of a primitive give is *announced*: registered with the next epoch, under the primitive's
//     lock, and parked afterwards. A grant that comes before the park claims what was announced: it begins that epoch itself, claimed
//     already. The park looks for that, and so does the spending of a refused one: each knows the epoch, and leaves one that has begun
//     as it is. No other epoch is given away between announcement and park or spending, so such a claim finds no other wait.
//  3. To resume it anyone must *claim*: one CAS that needs armed, this epoch, and not yet claimed. A claim by a request needs
//     in addition that the task is not masked and the wait not stubborn. The winner enqueues the task if it was Idle.
//  4. The resumed task detaches whatever did not win. Its word still says what the claim said, until the next wait. A wait
//     that turns out to be over before it began, unclaimed, is disarmed.
//  5. Done is final for a life; the record is free for another when it is Done, out of its region, and its handle is gone.
//  6. Whoever wants to read what a waiting task waits for – its frames, its awaiter, the primitive – *looks*: one CAS that needs Idle, a
//     pending wait of the epoch that the looker has seen, and no other looker. From there until it looks away, which is one transition,
//     nothing of that wait goes: the wait may be claimed and the task queued, but its next step begins with that wait's end, and that
//     waits until nobody looks. It has to ask the word only as the claim left it: none looks at a wait that is claimed. All other
//     transitions keep the bit. A looker holds one task at a time and waits for nothing but locks that no step waits under.
// Every transition is a pure function word -> optional<word>; TaskWordCell applies it with a compare-exchange loop.
#include <atomic>
#include <cstdint>
#include <optional>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce {

/// Where a task stands on its way to the end (rule C3). Phases may be skipped, never re-entered.
enum class TaskPhase : std::uint8_t { Created, Running, CancelRequested, Cancelling, Finalizing, Completed };

namespace detail {

enum class RunState : std::uint8_t { Free, Idle, Active, Done };

struct TaskWord {
  std::uint64_t bits = 0;

  static constexpr std::uint64_t requested_bit = 1u << 6, masked_bit = 1u << 7, armed_bit = 1u << 8,
                                 claimed_bit = 1u << 9, by_request_bit = 1u << 10, stubborn_bit = 1u << 11,
                                 taken_bit = 1u << 12, joiner_bit = 1u << 13, dropped_bit = 1u << 14,
                                 escalated_bit = 1u << 15, looked_at_bit = 1u << 16;
  static constexpr int mask_epoch_shift = 17, epoch_shift = 24;
  static constexpr std::uint8_t mask_epoch_max = (1u << (epoch_shift - mask_epoch_shift)) - 1;
  static constexpr std::uint64_t wait_bits = armed_bit | claimed_bit | by_request_bit | stubborn_bit;

  constexpr RunState run() const { return static_cast<RunState>(bits & 7); }
  constexpr TaskPhase phase() const { return static_cast<TaskPhase>((bits >> 3) & 7); }
  constexpr bool has(std::uint64_t flag) const { return (bits & flag) != 0; }
  constexpr bool requested() const { return has(requested_bit); }
  constexpr bool masked() const { return has(masked_bit); }
  constexpr bool claimed() const { return has(claimed_bit); }
  constexpr bool escalated() const { return has(escalated_bit); }
  constexpr bool looked_at() const { return has(looked_at_bit); }
  /// A wait is on that nobody has ended.
  constexpr bool pending() const { return (bits & (armed_bit | claimed_bit)) == armed_bit; }
  constexpr std::uint8_t mask_epoch() const {
    return static_cast<std::uint8_t>((bits >> mask_epoch_shift) & mask_epoch_max);
  }
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
    constexpr std::uint64_t field = std::uint64_t{mask_epoch_max} << mask_epoch_shift;
    return {(bits & ~field) | ((bits + (std::uint64_t{1} << mask_epoch_shift)) & field)};
  }
  friend constexpr bool operator==(TaskWord, TaskWord) = default;
};

namespace task_word {
using Next = std::optional<TaskWord>;

/// Free -> Active/Created: a new life. The epochs go on counting, so that a claim meant for an earlier life fails.
constexpr Next birth(TaskWord w, bool has_handle) {
  if (w.run() != RunState::Free) return {};
  constexpr std::uint64_t epochs = ~std::uint64_t{0} << TaskWord::mask_epoch_shift;
  return TaskWord{w.bits & epochs}.with_run(RunState::Active).with(has_handle ? 0 : TaskWord::dropped_bit);
}
/// Arms a new wait. Refused when a request must be observed first; a stubborn wait is refused never.
constexpr Next prepare(TaskWord w, bool stubborn) {
  if (w.run() != RunState::Active || w.pending()) return {};
  if (!stubborn && w.must_observe()) return {};
  return w.without(TaskWord::wait_bits)
      .with(TaskWord::armed_bit | (stubborn ? TaskWord::stubborn_bit : 0))
      .next_epoch();
}
/// Active -> Idle, unless already claimed.
constexpr Next commit(TaskWord w) {
  if (w.run() != RunState::Active || !w.pending()) return {};
  return w.with_run(RunState::Idle);
}
/// Prepare and commit: the waiter was registered before, with the epoch that this begins. Not made of those two: where one optional is
/// made of another, g++ 12 writes it in parts and reads it as a whole, which waits until the parts are in the cache.
constexpr Next park(TaskWord w) {
  if (w.run() != RunState::Active || w.pending() || w.must_observe()) return {};
  return w.without(TaskWord::wait_bits).with(TaskWord::armed_bit).with_run(RunState::Idle).next_epoch();
}
/// A park that was refused after its waiter had been registered: nobody may find that epoch in force later.
constexpr Next spend_epoch(TaskWord w) {
  if (w.run() != RunState::Active || w.pending()) return {};
  return w.without(TaskWord::wait_bits).next_epoch();
}
/// Wins the right to resume the wait of `epoch`.
constexpr Next claim(TaskWord w, std::uint64_t epoch, bool by_request) {
  if (!w.pending() || w.epoch() != epoch) return {};
  if (by_request && !w.escalated() && w.masked()) return {};
  if (by_request && w.has(TaskWord::stubborn_bit)) return {};
  w = w.with(TaskWord::claimed_bit | (by_request ? TaskWord::by_request_bit : 0));
  return w.run() == RunState::Idle ? w.with_run(RunState::Active) : w;
}
/// A park of a wait that was announced with that epoch. Refused also when it has been claimed by now.
constexpr Next park_announced(TaskWord w, std::uint64_t epoch) {
  if (w.epoch() == epoch) return {};
  return park(w);
}
constexpr Next spend_announced(TaskWord w, std::uint64_t epoch) {
  if (w.epoch() == epoch) return {};
  return spend_epoch(w);
}
/// By a grant: of a wait that is on, or of one that has only been announced, which begins so.
constexpr Next claim_announced(TaskWord w, std::uint64_t epoch) {
  const bool is_ahead = w.run() == RunState::Active && !w.pending() && w.next_epoch().epoch() == epoch;
  if (!is_ahead) return claim(w, epoch, false);
  return w.without(TaskWord::wait_bits).with(TaskWord::armed_bit | TaskWord::claimed_bit).next_epoch();
}
/// Begins a look at the wait of `epoch`: the task sleeps, and nobody else looks.
constexpr Next look(TaskWord w, std::uint64_t epoch) {
  if (w.run() != RunState::Idle || !w.pending() || w.epoch() != epoch || w.looked_at()) return {};
  return w.with(TaskWord::looked_at_bit);
}
constexpr Next look_away(TaskWord w) {
  if (!w.looked_at()) return {};
  return w.without(TaskWord::looked_at_bit);
}
/// Ends a wait that did not sleep; what the claim said is read from the word before.
constexpr Next disarm(TaskWord w) {
  if (w.run() != RunState::Active) return {};
  return w.without(TaskWord::wait_bits);
}
/// A cancel request arrives (idempotent on the bit).
constexpr Next request(TaskWord w) {
  if (w.run() == RunState::Free || w.done()) return {};
  if (w.phase() == TaskPhase::Created) w = w.with_phase(TaskPhase::CancelRequested);
  return w.with(TaskWord::requested_bit);
}
/// A checkpoint with mask 0 acknowledges the request.
constexpr Next acknowledge(TaskWord w) {
  if (w.run() != RunState::Active || w.phase() != TaskPhase::CancelRequested || !w.must_observe()) return {};
  return w.with_phase(TaskPhase::Cancelling);
}
/// By the task itself; or before its first step, for a finalizer that is born masked.
constexpr Next mask(TaskWord w) {
  if (w.run() != RunState::Active || w.masked()) return {};
  return w.with(TaskWord::masked_bit).next_mask_epoch();
}
constexpr Next unmask(TaskWord w) {
  if (w.run() != RunState::Active || !w.masked()) return {};
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
/// The body has ended: the frame and its arguments are destroyed in this phase. Skipped where nobody can tell (C3).
constexpr Next finalize(TaskWord w) {
  if (w.run() != RunState::Active || w.phase() >= TaskPhase::Finalizing) return {};
  return w.with_phase(TaskPhase::Finalizing).without(TaskWord::wait_bits | TaskWord::masked_bit);
}
/// The result is in the record. The word before tells whether a joiner waits and whether the handle is gone.
constexpr Next complete(TaskWord w) {
  if (w.run() != RunState::Active || w.pending()) return {};
  return w.with_phase(TaskPhase::Completed)
      .with_run(RunState::Done)
      .without(TaskWord::wait_bits | TaskWord::masked_bit);
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

/// What a task's phase is for those who look: the word does not tell a task that waits for its first step from one that
/// has had it.
constexpr TaskPhase phase_of(TaskWord word, std::uint32_t steps) {
  return word.phase() == TaskPhase::Created && steps > 0 ? TaskPhase::Running : word.phase();
}

/// The atomic word. Every transition is a compare-exchange: what the last writer did before its transition is visible to whoever
/// makes the next one (a claim carries the results of an operation to the resumed task; complete -> take carries the result
/// to the joiner). All accesses are seq_cst, for two Dekker pairs: a join's park and look with the completion's end and claim,
/// and a request's bit with the links that its walk follows (rule C4).
template <class Platform = RealPlatform>
class TaskWordCell {
 public:
  TaskWord load() const { return {bits_.load(std::memory_order_seq_cst)}; }

  /// A transition by the only one who may write the word then: of a Free record, or of one that nobody refers to any more.
  template <class Transition>
  TaskStep apply_alone(Transition transition) {
    TaskWord old{bits_.load(std::memory_order_relaxed)};
    task_word::Next next = transition(old);
    if (next) bits_.store(next->bits, std::memory_order_release);
    return {old, next.has_value()};
  }

  /// One that is refused is a load: a join that comes after the end is refused its announcement and reads the result.
  template <class Transition>
  TaskStep apply(Transition transition) {
    std::uint64_t old = bits_.load(std::memory_order_seq_cst);
    for (;;) {
      task_word::Next next = transition(TaskWord{old});
      if (!next) return {TaskWord{old}, false};
      if (bits_.compare_exchange_weak(old, next->bits, std::memory_order_seq_cst)) return {TaskWord{old}, true};
    }
  }

  /// By the stepper, before it touches a wait that the word says is looked at. A look is a few dozen instructions.
  void wait_until_unseen() const {
    for (std::uint32_t attempt = 0; load().looked_at(); ++attempt) Platform::back_off(attempt);
  }

 private:
  typename Platform::template atomic<std::uint64_t> bits_{0};
};

}  // namespace detail
}  // namespace quiesce
