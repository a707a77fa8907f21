#pragma once
// What a coroutine frame of the library starts with, and how the step loop (src/coro/step.cpp) drives it.
//
//  1. A task has one *leaf*: the innermost suspended coroutine, the only one that can be resumed. Its parents are reached
//     through `parent`; nobody points downwards, so a chain of a million frames is walked and destroyed in a loop.
//  2. No coroutine resumes another. Whatever suspends leaves a signal in the record (AwaitChild, Handed, Ended, Wait, Refused, Yield)
//     and returns to the loop, which acts on it. The stack stays flat whatever the nesting, on every compiler.
//  3. An ended coroutine – at its final suspension, or where `co_await` of a failure ended it – has its outcome in its
//     promise. The loop delivers it: an observing awaiter (`.outcome()`) and an awaiter of an Ok value are resumed and take
//     it from the promise; otherwise `deliver` converts the failure into the parent's promise, the child's frame is
//     destroyed, and the parent has ended in its turn (rule O4).
//  4. A generator (stream.hpp) is the child of whoever pulls it, from the pull until it yields or ends. When it yields it goes back
//     to its owner, suspended, and its parent goes on: then it is no part of the task any more.
//  5. A frame is destroyed only as the leaf, and never while a region it has opened is alive: that wait is stubborn (R6).
//  6. Every `co_await` that may wait leaves its place in the source in the promise, one word. So the chain of parents is the task's
//     asynchronous stack, which others may read while the task waits (task_word.hpp, 6).
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <source_location>
#include <utility>

#include "quiesce/detail/coro/frame_pool.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "quiesce/outcome.hpp"

namespace quiesce::detail {

struct PromiseBase;

/// g++ 12 puts the awaited condition of an `if` or a loop in front of everything else in the frame when neither the body nor a
/// block around it declares a variable. Nothing can resume such a frame: its promise is not where a handle looks for it, 16
/// bytes into a block that is aligned to 16. Aborts with the cure (docs/compilers.md).
[[noreturn]] void frame_miscompiled() noexcept;

/// Type-erased doors into a promise.
struct PromiseOps : Steppable::Ops {
  void (*put_error)(PromiseBase&, Error&&);
  void (*put_cancelled)(PromiseBase&, CancelReason&&);
  void (*put_panic)(PromiseBase&, PanicPayload&&);
  OutcomeKind (*finish_root)(PromiseBase&, TaskRecord&);  // moves the outcome to the record
  OutcomeKind (*kind)(const PromiseBase&);
};

struct PromiseBase : Steppable {
  /// Converts a child's failure into the parent's promise; false when the child is Ok and the parent goes on.
  using Deliver = bool (*)(PromiseBase& child, PromiseBase& parent);

  TaskRecord* task = nullptr;
  PromiseBase* parent = nullptr;
  // These two: set with the parent.
  Deliver deliver;      // null: the parent observes
  PromiseBase** owner;  // the awaiter's place for the ended frame whose outcome it is to take
  // The std::source_location, which is one word, of the last await that may wait. Set there: for who looks while the coroutine waits.
  const void* awaits_at;
  bool ended = false;   // the outcome is in the promise, and the coroutine goes no further
  bool filled = false;  // there is an outcome in the promise's storage
  bool destroying = false;

  explicit PromiseBase(const PromiseOps* operations) : Steppable{operations} {
#if defined(__GNUC__) && !defined(__clang__)
    if (reinterpret_cast<std::uintptr_t>(this) % 16 != 0) [[unlikely]]
      frame_miscompiled();
#endif
  }
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  const PromiseOps* ops() const { return static_cast<const PromiseOps*>(step_ops); }
  /// Valid since every promise starts with its PromiseBase and is aligned to 16 at most.
  std::coroutine_handle<PromiseBase> handle() {
    return std::coroutine_handle<PromiseBase>::from_promise(*this);
  }

  static void* operator new(std::size_t bytes) { return frame_allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { frame_free(block, bytes); }

  /// An exception escaped the body, or a destructor while the frame is destroyed.
  void caught() noexcept;
};

/// The place of an await, as a default argument gives it. A word, not a std::source_location: g++ 12 keeps one of those in the
/// frame for each await.
using AwaitPlace = decltype(__builtin_source_location());

/// What a suspension asks of the loop.
enum class Signal : std::uint8_t { None, AwaitChild, Handed, Ended, Wait, Park, Refused, Yield };

inline void signal(TaskRecord& task, Signal what) noexcept {
  task.signal = static_cast<std::uint8_t>(what) & 0x7f;
}
/// The leaf awaits a child that is to be resumed next. It is taken from `owner`, and put back there for the awaiter when it has
/// ended and the parent is to go on.
void await_child(PromiseBase& parent, PromiseBase*& owner, PromiseBase::Deliver deliver) noexcept;
/// The leaf, a child, has handed something to its parent, which is to be resumed next; it goes back to its `owner` as it is.
void hand_to_parent(PromiseBase& child) noexcept;
/// The leaf has ended where it stands, with what was put into its promise.
inline void end_here(PromiseBase& leaf) noexcept {
  leaf.ended = true;
  signal(*leaf.task, Signal::Ended);
}
void end_with_error(PromiseBase& leaf, Error error) noexcept;

/// Arms the leaf wait. False: a request must be observed first; the caller then either refuses (`refuse`, which ends the
/// coroutine Cancelled) or, if it observes, goes on.
bool begin_wait(TaskRecord& task, const LeafOps& ops, void* data, bool stubborn = false) noexcept;
/// The same where the cancel point has been told before.
bool arm_wait(TaskRecord& task, const LeafOps& ops, void* data, bool stubborn = false) noexcept;
/// The same in one transition, for a wait that a look at one task can end (`ops.looks_at`). The waiter has been registered with
/// `next_waiter_of`; the step loop parks the task.
void begin_park(TaskRecord& task, const LeafOps& ops, void* data) noexcept;
/// The wait turned out to be over already: nothing sleeps.
void abandon_wait(TaskRecord& task) noexcept;
/// H4: an operation that is ready at once asks before it goes on. True: the step has had its awaits; the coroutine stays
/// suspended, gives way, and is resumed where it stands.
bool give_way(TaskRecord& task) noexcept;
/// The same for `await_ready`, where no promise is at hand: false when the step has had its awaits. The awaiter then suspends with
/// Signal::Yield.
bool may_go_on() noexcept;
inline void refuse(TaskRecord& task) noexcept { signal(task, Signal::Refused); }
/// The current wait, for whoever is to claim it.
inline Waiter waiter_of(TaskRecord& task) noexcept { return Waiter::of(task.index, task.word.load().epoch()); }

/// The wait that the task has not begun yet: only its stepper moves the epoch.
inline Waiter next_waiter_of(TaskRecord& task) noexcept {
  return Waiter::of(task.index, task.word.load().next_epoch().epoch());
}

/// For who looks at a waiting task: where this coroutine awaits, and who awaits it.
Steppable::Seen look_at_coroutine(const Steppable& frame) noexcept;
/// Steps a coroutine task.
StepEnd coroutine_step(TaskRecord& task, TaskWord before) noexcept;
/// A task whose function gave an empty Task: it ends with Err(EmptyTask).
extern Steppable empty_body;

/// Destroys one frame; what a destructor threw, if one did.
void destroy_frame(PromiseBase& frame) noexcept;
void destroy_ended(PromiseBase& frame, bool failed) noexcept;  // the same, for who knows whether it failed (O4)

/// O5: has a request reached the task or its region?
bool bears_request(const TaskRecord& task) noexcept;
/// O5: what a Cancelled outcome becomes for an awaiter that bears no request.
Error as_child_error(const CancelReason& reason);

}  // namespace quiesce::detail
