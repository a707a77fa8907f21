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
//  7. A promise has three words of its own state, which are one thing at a time:
//       while it runs               the place of its last await, and its task, which the step loop writes before it resumes the coroutine
//       while it awaits a child     the place, and how the child's end is delivered to it
//       while it waits for an operation of its own (sync/wait.hpp)   the node of that wait. The place is in the record then
//                                   (TaskRecord::Wait::place), in half a word
//       once it has ended           its outcome, which goes on behind the three words where it is bigger
//     The task's stepper writes all of it but a node's links, which are the primitive's (wait_node.hpp). Others look only at the places of
//     a task that sleeps, and never at a node: whether there is one is told by the wait (LeafOps::keeps_place).
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
/// bytes into its block. Aborts with the cure (docs/compilers.md).
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

  /// While it awaits a child. The step loop's, or a fork_join's.
  struct Awaited {
    Deliver
        deliver;  // null: it observes; of branches: destroys the one that has ended, and begins what comes next (fork_join.hpp)
    PromiseBase** owner;  // the awaiter's place for the ended frame whose outcome it is to take
  };

  bool ended : 1 = false;   // the outcome is in the promise, and the coroutine goes no further
  bool filled : 1 = false;  // there is an outcome in the promise's storage
  bool destroying : 1 = false;
  bool branch : 1 = false;  // of a fork_join that the parent awaits

 private:
  // Who awaits it: its address by 8, of which frames are multiples. Not in one word with the flags: a load of all of it would wait until the
  // flag that was set last is in the cache.
  std::uint16_t parent_high_ = 0;
  std::uint32_t parent_low_ = 0;

 public:
  // The three words (7). They must be last: the node of a wait, and the outcome, begin here.
  // The std::source_location, which is one word, of the last await that may wait. Set there: for who looks while the coroutine waits.
  const void* awaits_at;
  union {
    TaskRecord* task;  // while it runs
    Awaited awaited;
  };

  explicit PromiseBase(const PromiseOps* operations) : Steppable{operations} {
#if defined(__GNUC__) && !defined(__clang__)
    if (!begins_before(this)) [[unlikely]]
      frame_miscompiled();
#endif
  }
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  const PromiseOps* ops() const { return static_cast<const PromiseOps*>(step_ops); }
  /// Who awaits it; nullptr: it is the task's own.
  PromiseBase* parent() const noexcept {
    return reinterpret_cast<PromiseBase*>((std::uintptr_t{parent_high_} << 32 | parent_low_) << 3);
  }
  void set_parent(PromiseBase* awaiting) noexcept {
    const std::uintptr_t place = reinterpret_cast<std::uintptr_t>(awaiting) >> 3;
    parent_high_ = static_cast<std::uint16_t>(place >> 32);
    parent_low_ = static_cast<std::uint32_t>(place);
  }
  /// The node of the one operation that it waits for (sync/wait.hpp), after `keep_place`.
  WaitNode& make_node(Waiter waiter) noexcept { return *new (state_place()) WaitNode(waiter); }
  WaitNode& node() noexcept { return *std::launder(static_cast<WaitNode*>(state_place())); }
  /// The place of its await goes to the record before a node comes in its way. Afterwards it is not here any more, but there: g++ 12, which
  /// begins both awaits of `co_await a + co_await b` before it suspends in the first, does not tell the place of the second again.
  void keep_place(TaskRecord& own) const noexcept {
    if (has_place()) own.wait.place = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(awaits_at));
  }
  /// Else a node was here, whose first word is its notes when it has left its list.
  bool has_place() const noexcept { return reinterpret_cast<std::uintptr_t>(awaits_at) > WaitNode::notes; }
  void find_place(const TaskRecord& own) noexcept {
    if (!has_place()) [[unlikely]]
      awaits_at = kept_place(own);
  }
  const void* kept_place(const TaskRecord& own) const noexcept {
    const auto low = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(code()));
    return code() + static_cast<std::int32_t>(own.wait.place - low);
  }
  /// Valid since every promise starts with its PromiseBase and is aligned to 16 at most.
  std::coroutine_handle<PromiseBase> handle() {
    return std::coroutine_handle<PromiseBase>::from_promise(*this);
  }

  static void* operator new(std::size_t bytes) { return frame_allocate(frame_block_bytes(bytes)); }
  static void operator delete(void* block, std::size_t bytes) noexcept {
    frame_free(block, frame_block_bytes(bytes));
  }

  /// An exception escaped the body, or a destructor while the frame is destroyed.
  void caught() noexcept;

 protected:
  /// Where the three words begin.
  inline void* state_place() noexcept;
  static constexpr std::size_t state_size = 3 * sizeof(void*);

 private:
  // The places of a coroutine's awaits are constants beside its code, to which its frame points: both are in one module of the program,
  // and so less than 2 GiB apart (of the small and medium code models): the lower half of the one's address and the other tell it.
  const std::byte* code() const noexcept {
    return *reinterpret_cast<const std::byte* const*>(reinterpret_cast<const std::byte*>(this) - frame_head);
  }
  static constexpr std::size_t frame_head = 16;  // what resumes it, and what destroys it
};

/// The place of an await, as a default argument gives it. A word, not a std::source_location: g++ 12 keeps one of those in the
/// frame for each await.
using AwaitPlace = decltype(__builtin_source_location());

static_assert(sizeof(PromiseBase) == 40 && sizeof(WaitNode) <= 24);
// Not `&awaits_at`: it goes beyond that.
inline void* PromiseBase::state_place() noexcept {
  return reinterpret_cast<std::byte*>(this) + sizeof(PromiseBase) - state_size;
}

/// What a suspension asks of the loop.
enum class Signal : std::uint8_t { None, AwaitChild, Handed, Ended, Wait, Announced, Park, Refused, Yield };

inline void signal(TaskRecord& task, Signal what) noexcept {
  task.signal = static_cast<std::uint8_t>(what) & 63u;
}
/// The leaf awaits a child that is to be resumed next. It is taken from `owner`, and put back there for the awaiter when it has
/// ended and the parent is to go on.
void await_child(PromiseBase& parent, PromiseBase*& owner, PromiseBase::Deliver deliver) noexcept;
/// The leaf, a child, has handed something to its parent, which is to be resumed next; it goes back to its `owner` as it is.
void hand_to_parent(PromiseBase& child) noexcept;
/// The leaf has ended where it stands, with what was put into its promise. It suspends without a signal: that is one.
inline void end_here(PromiseBase& leaf) noexcept { leaf.ended = true; }
void end_with_error(PromiseBase& leaf, Error error) noexcept;

/// Arms the leaf wait. False: a request must be observed first; the caller then either refuses (`refuse`, which ends the
/// coroutine Cancelled) or, if it observes, goes on.
bool begin_wait(TaskRecord& task, const LeafOps& ops, void* data, bool stubborn = false) noexcept;
/// The same where the cancel point has been told before. The wait, for whoever is to claim it; nobody: not armed.
Waiter arm_wait(TaskRecord& task, const LeafOps& ops, void* data, bool stubborn = false) noexcept;
/// The same in one transition, for a wait that only grants of a primitive end (task_word.hpp, 2). The node is the leaf's; the step loop
/// parks the task.
Waiter announce_wait(TaskRecord& task, const LeafOps& ops, void* data) noexcept;
/// The same in one transition, for a wait that a look at one task can end (`ops.looks_at`). The waiter has been registered with
/// `next_waiter_of`; the step loop parks the task.
void begin_park(TaskRecord& task, const LeafOps& ops, void* data) noexcept;
/// The wait turned out to be over already: nothing sleeps.
void abandon_wait(TaskRecord& task) noexcept;
/// H4: an operation that is ready at once asks before it goes on. True: the step has had its awaits; the coroutine stays
/// suspended, gives way, and is resumed where it stands.
bool give_way(TaskRecord& task) noexcept;
/// For an operation whose effect others may have to wait for, as a lock: before it has any. True: the step has had its awaits; the
/// coroutine gives way, and its next step begins with `late.finish`.
bool gives_way_first(TaskRecord& task, const LeafOps& late, void* data) noexcept;
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

/// For who looks at a waiting task: where this coroutine awaits, and who awaits it. `leaf_of`: the task, if the coroutine is its leaf.
Steppable::Seen look_at_coroutine(const Steppable& frame, const TaskRecord* leaf_of) noexcept;
/// Steps a coroutine task.
StepEnd coroutine_step(TaskRecord& task, TaskWord before) noexcept;
/// Within a task's first step: there is no coroutine to resume. It ends with `failure`.
StepEnd end_without_body(TaskRecord& task, Outcome<> failure) noexcept;
/// A task whose function gave an empty Task: it ends with Err(EmptyTask).
extern Steppable empty_body;

/// Destroys one frame; what a destructor threw, if one did.
void destroy_frame(PromiseBase& frame) noexcept;
void destroy_ended(PromiseBase& frame, bool failed) noexcept;  // the same, for who knows whether it failed (O4)

/// O5: has a request reached the task or its region?
bool bears_request(const TaskRecord& task) noexcept;
bool bears_request() noexcept;  // the running task
/// O5: what a Cancelled outcome becomes for an awaiter that bears no request.
Error as_child_error(const CancelReason& reason);

}  // namespace quiesce::detail
