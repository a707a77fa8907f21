// The step loop: runs one task until it waits, gives way or ends. See coro/promise.hpp for the protocol.
#include <algorithm>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/coro/foreign.hpp"
#include "quiesce/detail/coro/fork_join.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

namespace detail {
namespace {

/// A destructor threw while a frame of the task was destroyed: the task ends Panicked, whatever else it would have ended with.
void note_torn(TaskRecord* task, std::exception_ptr exception) noexcept {
  if (task == nullptr) task = current_task();
  if (task == nullptr) return;  // a Task that was never part of a task: there is nobody to tell
  PanicPayload panic = task->kernel().note_panic(*task, std::move(exception));
  TaskExtra& rare = Kernel::extra(*task);
  if (!rare.torn) rare.torn = std::move(panic);
  task->torn = true;
}

PromiseBase& leaf_of(TaskRecord& task) { return *static_cast<PromiseBase*>(task.leaf); }

void end_cancelled(TaskRecord& task, PromiseBase& leaf) noexcept {
  task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
  std::optional<CancelReason> reason = task.kernel().reason_of(task);
  leaf.ops()->put_cancelled(leaf, reason ? std::move(*reason) : CancelReason::user("escalated"));
  leaf.ended = true;
}

std::string describe_held(const TaskRecord& task, HeldGuards held, const Outcome<>& ended) {
  std::ostringstream text;
  text << "task " << task.path << " (" << task.id() << ") has ended and still holds ";
  const PrimitiveName* only = held.only();
  if (only == nullptr) {
    text << held.count() << " guards of locks";
  } else {
    text << "a guard of a " << only->kind.text();
    if (only->name != nullptr) text << " \"" << only->name << '"';
  }
  text << ": a guard must not outlive the task that locked; unlock before the task returns, and return a copy "
          "of what is "
          "needed";
  if (!ended.is_ok()) text << " (the task would have ended " << ended << ')';
  return text.str();
}

/// The frame goes while the task still counts what it holds. A guard that is left then has escaped: into the result, which goes,
/// or to somewhere else. That is a bug, and so a panic. How the task has ended.
[[gnu::noinline]] OutcomeKind destroy_holding(TaskRecord& task, PromiseBase& root, OutcomeKind kind,
                                              HeldGuards held) noexcept {
  const ResultOps* ops = task.result_ops;
  task.held = held;
  destroy_ended(root, kind != OutcomeKind::Ok);
  held = std::exchange(task.held, HeldGuards{});
  task.result_ops = ops;
  if (held.count() == 0 || kind == OutcomeKind::Panicked) return kind;
  const Outcome<> would = kind == OutcomeKind::Ok ? Outcome<>::ok() : ops->failure(task);
  PanicPayload panic = task.kernel().note_panic(
      task, std::make_exception_ptr(std::logic_error(describe_held(task, held, would))));
  task.held = held;
  ops->destroy(task);
  ops->put_failure(task, Outcome<>::panicked(std::move(panic)));
  return OutcomeKind::Panicked;
}

/// A destructor of the frame threw.
[[gnu::noinline]] OutcomeKind put_torn(TaskRecord& task) noexcept {
  task.result_ops->destroy(task);
  task.result_ops->put_failure(task, Outcome<>::panicked(*task.extra.load()->torn));
  return OutcomeKind::Panicked;
}

/// The outcome goes to the record, the frame goes, and the kernel is told. The record may be gone afterwards.
void finish_root(TaskRecord& task, PromiseBase& root) noexcept {
  Kernel& kernel = task.kernel();
  // Whoever could tell: a stepper's view, or the frame's destructors, of a mask that ends here.
  if ((kernel.config().exact || task.word.load().masked()) && !kernel.plants(Defect::PhaseSkipped)) [[unlikely]]
    task.word.apply([](TaskWord w) { return task_word::finalize(w); });
  const HeldGuards held = task.held;
  OutcomeKind kind = root.ops()->finish_root(root, task);
  if (held.count() == 0) [[likely]]
    destroy_ended(root, kind != OutcomeKind::Ok);
  else
    kind = destroy_holding(task, root, kind, held);
  if (task.torn) [[unlikely]]
    kind = put_torn(task);
  kernel.complete(task, kind);
}

/// Delivers ended frames upwards until one goes on (true) or the task is over (false).
bool settle(TaskRecord& task) noexcept {
  for (;;) {
    PromiseBase& child = leaf_of(task);
    if (task.torn) {
      child.ops()->put_panic(child, PanicPayload(*task.extra.load()->torn));
      child.ended = true;
    }
    // Of an escalated task the frames above go too, whoever observes; a failure or panic of its own climbs as ever.
    const bool forced = task.word.load().escalated() && child.ops()->kind(child) == OutcomeKind::Cancelled;
    PromiseBase* parent = child.parent();
    if (parent == nullptr) {
      finish_root(task, child);
      return false;
    }
    task.leaf = parent;
    if (child.branch) {  // others may still borrow from the parent: not even a forced end passes it by
      if (!parent->awaited.deliver(child, *parent)) return true;
      parent->ended = true;
      continue;
    }
    if (task.torn) {
      destroy_frame(child);
      continue;
    }
    if (forced) {
      destroy_frame(child);
      end_cancelled(task, *parent);
      continue;
    }
    const auto [deliver, owner] = parent->awaited;
    if (deliver == nullptr || !deliver(child, *parent)) {
      *owner = &child;  // the awaiter takes its outcome and destroys it
      return true;
    }
    destroy_frame(child);
    parent->ended = true;
  }
}

/// The wait is over: detach what did not win. `before`: the word at the disarm. Never EndCancelled: the coroutine has Ended so.
LeafNext finish_wait(TaskRecord& task, TaskWord before) noexcept {
  if (before.looked_at()) [[unlikely]]
    task.word.wait_until_unseen();
  const LeafOps& ops = *std::exchange(task.wait.ops, nullptr);
  LeafNext next = ops.finish(task, task.wait.data, before);
  if (!before.has(TaskWord::stubborn_bit)) task.kernel().restart_checkpoint(task);
  if (next == LeafNext::Again) return next;
  if (before.has(TaskWord::by_request_bit)) {  // the refusal of a wait acknowledges, whoever observes it (C3)
    task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
  }
  if (before.escalated() && ops.escalates) next = LeafNext::EndCancelled;
  if (next != LeafNext::EndCancelled) return next;
  end_cancelled(task, leaf_of(task));
  return LeafNext::Ended;
}

TaskWord disarm(TaskRecord& task) noexcept {
  return task.word.apply([](TaskWord w) { return task_word::disarm(w); }).before;
}

/// A request is to be observed first. The word is as at the end of a wait by a request.
TaskWord refused_park(TaskRecord& task) noexcept {
  const TaskWord before = task.word.apply([](TaskWord w) { return task_word::spend_epoch(w); }).before;
  return before.without(TaskWord::wait_bits).with(TaskWord::by_request_bit);
}

/// True: the task sleeps, and perhaps runs elsewhere already. False: it goes on, with the word that its wait has ended with.
bool park(TaskRecord& task, TaskWord& ended) noexcept {
  const TaskRecord& ending = *task.wait.ops->looks_at(task.wait.data);
  const TaskStep parked = task.word.apply([](TaskWord w) { return task_word::park(w); });
  if (!parked.made) {
    ended = refused_park(task);
    return false;
  }
  // From here on only words of records are safe to look at. In whatever life they are: the claim is of this wait or fails.
  if (!ending.word.load().done()) return true;
  const std::uint64_t epoch = parked.before.next_epoch().epoch();
  const TaskStep claimed = task.word.apply([&](TaskWord w) { return task_word::claim(w, epoch, false); });
  ended = claimed.before;
  return !claimed.made;
}

std::uint64_t announced_epoch(TaskRecord& task) noexcept { return leaf_of(task).node().waiter.epoch(); }

/// The word of an announced wait that does not begin: a grant has claimed it, or it is as at the end of a wait by a request.
TaskWord refused_announcement(TaskRecord& task) noexcept {
  const std::uint64_t epoch = announced_epoch(task);
  const TaskStep spent = task.word.apply([=](TaskWord w) { return task_word::spend_announced(w, epoch); });
  if (!spent.made) return spent.before;
  return spent.before.without(TaskWord::wait_bits).with(TaskWord::by_request_bit);
}

/// As `park`, of the wait that the step has armed or announced.
bool begin_sleep(TaskRecord& task, bool is_announced, TaskWord& ended) noexcept {
  if (!is_announced) {
    if (task.word.apply([](TaskWord w) { return task_word::commit(w); })) return true;
    ended = task.word.load();
    return false;
  }
  const std::uint64_t epoch = announced_epoch(task);
  if (task.word.apply([=](TaskWord w) { return task_word::park_announced(w, epoch); })) return true;
  ended = refused_announcement(task);
  return false;
}
bool has_announced(const TaskRecord& task) noexcept {
  return static_cast<Signal>(task.signal) == Signal::Announced;
}

/// What has become of a task whose wait was ended.
enum class Waited : std::uint8_t { GoesOn, Ended, Sleeps, GivesWay };

/// Ends it, and each one that is armed in its place and over at once. Bounded by the awaits of a step (H4): a task that gives way has
/// its last wait to end yet.
Waited end_wait(TaskRecord& task, TaskWord before) noexcept {
  for (;;) {
    signal(task, Signal::None);  // what is armed from here on says so
    const LeafNext next = finish_wait(task, before);
    if (next != LeafNext::Again) return next == LeafNext::Resume ? Waited::GoesOn : Waited::Ended;
    const bool is_announced = has_announced(task);
    if (begin_sleep(task, is_announced, before)) return Waited::Sleeps;
    if (--task.cooperative_left > 0) continue;
    // The word does not tell the next step that an announced wait was refused.
    if (!is_announced || !before.has(TaskWord::by_request_bit)) return Waited::GivesWay;
    task.cooperative_left = 1;
  }
}

void note_wait(TaskRecord& task, const LeafOps& ops, void* data) noexcept {
  task.wait.ops = &ops;  // not its place, which is there before (PromiseBase::keep_place)
  task.wait.data = data;
  task.wait.since_ms = task.kernel().executor().coarse_ms();
}

/// A task that is to end Panicked is unwound out of every wait but one that others rely on: whoever will resume its handle, or
/// the region that may borrow from its frames (R6).
bool waits_for_others(const TaskRecord& task) noexcept {
  return static_cast<Signal>(task.signal) == Signal::Wait && !task.wait.ops->escalates;
}

/// P3: a task that has not begun in a region with too many panics does not begin.
[[gnu::noinline]] bool skip_first_step(TaskRecord& task) noexcept {
  if (task.role == TaskRole::Finalizer || task.role == TaskRole::Driver) return false;
  std::optional<SkipReason> skip = task.kernel().isolator().should_skip(task.region->id());
  if (!skip) return false;
  PromiseBase& root = leaf_of(task);
  root.ops()->put_panic(root, PanicPayload(skip->text()));
  root.ended = true;
  return true;
}

}  // namespace

const LeafOps foreign_wait{[](TaskRecord&, void*, TaskWord) noexcept { return LeafNext::Resume; },
                           "a foreign awaitable", false};

namespace {
/// Suspends the shim for good, then claims: nothing of the shim is touched after the claim.
struct ClaimAwaiter {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<Shim::promise_type> self) const noexcept {
    Waiter waiter = self.promise().waiter;
    Kernel::claim(waiter);
  }
  void await_resume() const noexcept {}
};
Shim make_shim() {
  for (;;) co_await ClaimAwaiter{};
}
}  // namespace

Shim Shim::for_wait(TaskRecord& task) {
  Shim shim = make_shim();
  shim.handle_.promise().task = &task;
  shim.handle_.promise().waiter = waiter_of(task);
  return shim;
}

void frame_miscompiled() noexcept {
  assertion_failed(__FILE__, __LINE__, "the promise lies where a handle looks for it",
                   "g++ 12 miscompiles the coroutine that was just called: its frame begins with the awaited "
                   "condition of an if or "
                   "of a loop. Declare a variable in its body: bool more = co_await f(); if (more) ...; see "
                   "docs/compilers.md");
}

void PromiseBase::caught() noexcept {
  if (destroying) {
    thread_context.frame_survived = true;
    return note_torn(nullptr, std::current_exception());
  }
  TaskRecord& own = *current_task();  // the promise may have an outcome already
  ops()->put_panic(*this, own.kernel().note_panic(own, std::current_exception()));
}

void destroy_frame(PromiseBase& frame) noexcept {
  destroy_ended(frame, frame.ended && frame.ops()->kind(frame) != OutcomeKind::Ok);
}

namespace {

/// A destructor that throws goes to unhandled_exception and leaves the frame alive at its final suspension: it is destroyed again
/// from there. One of an argument or of the promise leaves by the exception, with the frame gone.
void destroy_once(std::coroutine_handle<PromiseBase> handle) noexcept {
  try {
    handle.destroy();
  } catch (...) { note_torn(nullptr, std::current_exception()); }
}

[[gnu::noinline]] void destroy_survivors(std::coroutine_handle<PromiseBase> handle) noexcept {
  while (thread_context.frame_survived) {
    thread_context.frame_survived = false;
    destroy_once(handle);
  }
}

[[gnu::noinline]] void destroy_failed(std::coroutine_handle<PromiseBase> handle) noexcept {
  ++thread_context.unwinding_depth;
  destroy_once(handle);
  destroy_survivors(handle);
  --thread_context.unwinding_depth;
}

}  // namespace

// Not checked for null: ld makes of g++'s addition of a thread_local's offset an instruction that sets no flags, and the check of
// UBSan then looks at older ones (binutils 2.40).
__attribute__((no_sanitize("null"))) void destroy_ended(PromiseBase& frame, bool failed) noexcept {
  frame.destroying = true;
  std::coroutine_handle<PromiseBase> handle = frame.handle();
  if (failed) [[unlikely]]
    return destroy_failed(handle);
  destroy_once(handle);
  if (thread_context.frame_survived) [[unlikely]]
    destroy_survivors(handle);
}

void note_torn_branch(TaskRecord& task) noexcept { note_torn(&task, std::current_exception()); }

void destroy_survivor(std::coroutine_handle<PromiseBase> frame) noexcept { destroy_survivors(frame); }

void await_child(PromiseBase& parent, PromiseBase*& owner, PromiseBase::Deliver deliver) noexcept {
  PromiseBase& child = *std::exchange(owner, nullptr);
  TaskRecord& task = *parent.task;
  parent.find_place(task);
  child.set_parent(&parent);
  parent.awaited = {deliver, &owner};
  task.leaf = &child;
  signal(task, Signal::AwaitChild);
}

void hand_to_parent(PromiseBase& child) noexcept {
  TaskRecord& task = *child.task;
  PromiseBase& parent = *child.parent();
  child.set_parent(nullptr);
  task.leaf = &parent;
  *parent.awaited.owner = &child;
  signal(task, Signal::Handed);
}

void end_with_error(PromiseBase& leaf, Error error) noexcept {
  leaf.ops()->put_error(leaf, std::move(error));
  end_here(leaf);
}

Waiter arm_wait(TaskRecord& task, const LeafOps& ops, void* data, bool stubborn) noexcept {
  const TaskStep armed = task.word.apply([&](TaskWord w) { return task_word::prepare(w, stubborn); });
  if (!armed) return {};
  note_wait(task, ops, data);
  signal(task, Signal::Wait);
  return Waiter::of(task.index, armed.before.next_epoch().epoch());
}

Waiter announce_wait(TaskRecord& task, const LeafOps& ops, void* data) noexcept {
  note_wait(task, ops, data);
  signal(task, Signal::Announced);
  return next_waiter_of(task);
}

bool begin_wait(TaskRecord& task, const LeafOps& ops, void* data, bool stubborn) noexcept {
  task.kernel().use(task, Use::Read);
  if (!stubborn) task.kernel().note_checkpoint(task);
  return static_cast<bool>(arm_wait(task, ops, data, stubborn));
}

void begin_park(TaskRecord& task, const LeafOps& ops, void* data) noexcept {
  task.kernel().use(task, Use::Read);
  task.kernel().note_checkpoint(task);
  note_wait(task, ops, data);
  signal(task, Signal::Park);
}

bool give_way(TaskRecord& task) noexcept {
  if (task.cooperative_left > 1) {
    --task.cooperative_left;
    return false;
  }
  signal(task, Signal::Yield);
  return true;
}

bool gives_way_first(TaskRecord& task, const LeafOps& late, void* data) noexcept {
  if (task.cooperative_left > 1) return false;
  note_wait(task, late, data);
  signal(task, Signal::Yield);
  return true;
}

bool may_go_on() noexcept {
  TaskRecord* task = current_task();
  if (task == nullptr || task->cooperative_left <= 1) return task == nullptr;
  --task->cooperative_left;
  return true;
}

void abandon_wait(TaskRecord& task) noexcept {
  task.word.apply([](TaskWord w) { return task_word::disarm(w); });
  task.wait.ops = nullptr;
  signal(task, Signal::None);
}

bool bears_request() noexcept { return bears_request(*current_task()); }

bool bears_request(const TaskRecord& task) noexcept {
  task.kernel().use(task, Use::Read);
  if (task.word.load().requested()) return true;
  return task.role != TaskRole::Driver && task.region->word.load().cancelled();
}

Error as_child_error(const CancelReason& reason) {
  const bool timed = reason.kind() == CancelKind::Timeout || reason.kind() == CancelKind::Deadline;
  return Error(timed ? ErrorCode::TimedOut : ErrorCode::ChildCancelled,
               "what was awaited had been cancelled: " + to_string(reason))
      .with_cancel_reason(reason);
}

StepEnd end_without_body(TaskRecord& task, Outcome<> failure) noexcept {
  if (task.kernel().config().exact) task.word.apply([](TaskWord w) { return task_word::finalize(w); });
  task.result_ops->put_failure(task, std::move(failure));
  task.kernel().complete(task);
  return StepEnd::Done;
}

static StepEnd empty_step(TaskRecord& task, TaskWord) noexcept {
  return end_without_body(task, Outcome<>::err(empty_task()));
}

static constexpr Steppable::Ops empty_ops{empty_step};

Steppable::Seen look_at_coroutine(const Steppable& frame, const TaskRecord* leaf_of) noexcept {
  const auto& promise = static_cast<const PromiseBase&>(frame);
  if (leaf_of == nullptr) return {promise.awaits_at, promise.parent()};
  const bool is_kept = leaf_of->wait.ops->keeps_place || !promise.has_place();
  return {is_kept ? promise.kept_place(*leaf_of) : promise.awaits_at, promise.parent()};
}
constinit Steppable empty_body{&empty_ops};

/// The lab's chaos: as if what the innermost coroutine goes on with had thrown.
[[gnu::noinline]] static bool panics_by_chaos(TaskRecord& task) noexcept {
  Kernel& kernel = task.kernel();
  std::exception_ptr exception = kernel.executor().panics(task);
  if (!exception) return false;
  PromiseBase& leaf = leaf_of(task);
  leaf.ops()->put_panic(leaf, kernel.note_panic(task, std::move(exception)));
  leaf.ended = true;
  return true;
}

/// A wait that was armed while ended frames were delivered: a fork_join waits for branches that others run.
static bool waits_already(const TaskRecord& task) noexcept {
  return static_cast<Signal>(task.signal) == Signal::Wait;
}

/// The step ends and the task goes on in another one.
static StepEnd leave_step(TaskRecord& task, StepEnd end) noexcept {
  ForkLane* lane = thread_context.forks;
  if (lane != nullptr && lane->is_used()) task.kernel().promote_forks(*lane);
  return end;
}

/// H4 for a task that runs branches: its awaits are its own work, and giving way makes tasks of what it has forked. So it goes on for
/// `fork_extensions` times its awaits, and as long as nobody else would run here.
static bool goes_on_with_branches(TaskRecord& task) noexcept {
  constexpr std::uint32_t fork_extensions = 32;
  ForkLane* lane = thread_context.forks;
  if (lane == nullptr || !lane->is_used()) return false;
  Kernel& kernel = task.kernel();
  if (kernel.config().exact) return false;
  if (++lane->extensions >= fork_extensions) {
    lane->extensions = 0;
    if (kernel.executor().others_wait()) return false;
    if (task.region->quota != nullptr) kernel.count_polls(*task.region, 1);
  }
  task.cooperative_left =
      static_cast<std::uint16_t>(std::min<std::uint32_t>(kernel.config().poll_budget, 0xffff));
  return true;
}

static void resume(TaskRecord& task) noexcept {
  PromiseBase& leaf = leaf_of(task);
  leaf.task = &task;
  leaf.handle().resume();
}

/// What suspends without a signal has ended, at its end or where it stands.
static bool has_ended(const TaskRecord& task) noexcept {
  return static_cast<Signal>(task.signal) == Signal::Ended || static_cast<Signal>(task.signal) == Signal::None;
}

StepEnd coroutine_step(TaskRecord& task, TaskWord before) noexcept {
  signal(task, Signal::None);
  const Kernel& kernel = task.kernel();
  if (task.steps.load(std::memory_order_relaxed) == 1 && kernel.isolator().may_skip()) [[unlikely]] {
    if (skip_first_step(task) && !settle(task)) return StepEnd::Done;
  }
  if (task.wait.ops != nullptr) {
    const Waited waited = end_wait(task, before);
    if (waited == Waited::Sleeps) return StepEnd::Suspended;
    if (waited == Waited::GivesWay) return StepEnd::Yielded;
    if ((waited == Waited::Ended || task.torn) && !settle(task)) return StepEnd::Done;
  }
  if (kernel.config().exact && panics_by_chaos(task) && !settle(task)) return StepEnd::Done;
  for (;;) {
    if (!waits_already(task)) [[likely]] {
      signal(task, Signal::None);
      resume(task);
    }
    if (task.torn && !has_ended(task) && !waits_for_others(task)) {
      // It gets no result, as if it had been refused.
      const auto waits = static_cast<Signal>(task.signal);
      signal(task, Signal::None);
      if (waits == Signal::Wait) finish_wait(task, disarm(task).with(TaskWord::by_request_bit));
      if (waits == Signal::Park) finish_wait(task, refused_park(task));
      if (waits == Signal::Announced)
        finish_wait(task, refused_announcement(task).with(TaskWord::by_request_bit));
      if (!settle(task)) return StepEnd::Done;
      continue;
    }
    switch (static_cast<Signal>(task.signal)) {
      case Signal::AwaitChild:
      case Signal::Handed: break;
      case Signal::None:
      case Signal::Ended: {
        PromiseBase& ended = leaf_of(task);
        QUIESCE_ASSERT(ended.ended, "a coroutine of the library suspended without saying why");
        if (ended.parent() == nullptr && !task.torn) {  // as in settle, without its costs
          finish_root(task, ended);
          return StepEnd::Done;
        }
        if (ended.branch && !task.torn) {  // the same
          PromiseBase& parent = *ended.parent();
          task.leaf = &parent;
          if (!parent.awaited.deliver(ended, parent)) {
            if (waits_already(task)) continue;
            break;
          }
          parent.ended = true;
        }
        if (!settle(task)) return StepEnd::Done;
        if (waits_already(task)) continue;
        break;
      }
      case Signal::Refused:
        signal(task, Signal::None);
        end_cancelled(task, leaf_of(task));
        if (!settle(task)) return StepEnd::Done;
        if (waits_already(task)) continue;
        break;
      case Signal::Yield: return leave_step(task, StepEnd::Yielded);
      case Signal::Wait:
      case Signal::Announced: {
        (void)leave_step(task, StepEnd::Suspended);  // before the task may run elsewhere
        TaskWord ended;
        if (begin_sleep(task, has_announced(task), ended)) return StepEnd::Suspended;
        switch (end_wait(task, ended)) {
          case Waited::Sleeps: return StepEnd::Suspended;
          case Waited::GivesWay: return StepEnd::Yielded;
          case Waited::GoesOn:
            if (task.torn && !settle(task)) return StepEnd::Done;
            break;
          case Waited::Ended:
            if (!settle(task)) return StepEnd::Done;
            break;
        }
        if (waits_already(task)) continue;
        break;
      }
      case Signal::Park: {
        (void)leave_step(task, StepEnd::Suspended);
        TaskWord ended;
        if (park(task, ended)) return StepEnd::Suspended;
        signal(task, Signal::None);
        if ((finish_wait(task, ended) == LeafNext::Ended || task.torn) && !settle(task)) return StepEnd::Done;
        if (waits_already(task)) continue;
        break;
      }
    }
    // H4: a task that never waits gives way after its budget of awaits.
    if (--task.cooperative_left == 0 && !goes_on_with_branches(task)) return leave_step(task, StepEnd::Yielded);
  }
}

}  // namespace detail

bool unwinding() noexcept {
  return detail::thread_context.unwinding_depth > 0 || std::uncaught_exceptions() > 0;
}

}  // namespace quiesce
