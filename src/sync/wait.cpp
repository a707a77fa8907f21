#include "quiesce/detail/sync/wait.hpp"

#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

Outcome<> request_as_outcome(TaskRecord& task) noexcept {
  task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
  return Outcome<>::cancelled(task.kernel().reason_seen_by(task));
}

Outcome<> panic_as_outcome(TaskRecord& task, std::exception_ptr thrown) noexcept {
  return Outcome<>::panicked(task.kernel().note_panic(task, std::move(thrown)));
}

namespace {
std::optional<Error> misuse_of(const CxCore& cx, const char* what) {
  if (cx.task != nullptr) return own_context_error(cx, what);
  return Error(ErrorCode::ForeignContext, std::string("the wait for ") + what +
                                              " was made by another task, with its own context; make it in the "
                                              "task that waits, with the context that was passed to that");
}
}  // namespace

inline PromiseBase& WaitCall::leaf() const noexcept { return *static_cast<PromiseBase*>(task.leaf); }
WaitNode& WaitCall::node() const noexcept { return leaf().node(); }

bool WaitCall::answer(Outcome<>* refused) const noexcept {
  if (!settle(refused)) return give_way(task);
  signal(task, Signal::Ended);
  return true;
}

bool WaitCall::refuse_request() const noexcept {
  if (!kind.observed || task.word.load().escalated()) {
    refuse(task);
    return true;
  }
  Outcome<> cancelled = request_as_outcome(task);
  return answer(&cancelled);
}

inline bool WaitCall::arm_here() const noexcept {
  if (kind.ops->is_granted) [[likely]] {
    kind.ops->enlist(op, leaf().make_node(announce_wait(task, kind.waits, data)));
    return true;
  }
  const Waiter waiter = arm_wait(task, kind.waits, data);
  if (!waiter) return false;
  kind.ops->enlist(op, leaf().make_node(waiter));
  const OperationMore* const more = kind.ops->more;
  if (more != nullptr && more->armed != nullptr && task.word.load().pending()) more->armed(op);
  return true;
}

bool WaitCall::arm() const noexcept { return arm_here(); }

bool WaitCall::wait() const noexcept {
  leaf().keep_place(task);
  return arm_here() || refuse_request();
}

bool WaitCall::start() const noexcept {
  leaf().keep_place(task);
  if (!state.is_of(task)) [[unlikely]] {
    if (std::optional<Error> misuse = misuse_of(state.context(), kind.waits.what)) {
      Outcome<> refused = Outcome<>::err(std::move(*misuse));
      return answer(&refused);
    }
  }
  task.kernel().note_checkpoint(task);
  if (task.word.load().must_observe()) return refuse_request();
  if (gives_way_first(task, kind.begins_late, data)) return true;
  if (kind.ops->try_now(op)) return kind.ops->more == nullptr ? answer(nullptr) : start_with_more();
  return arm() || refuse_request();
}

// It has given way. What is ready now needs no place in a list.
LeafNext WaitCall::start_late() const noexcept {
  if (task.word.load().must_observe()) return settle_request();
  if (kind.ops->try_now(op)) {
    if (kind.ops->more == nullptr) return settle_with(nullptr);
    state.note_won(true);
    return end_wait();
  }
  return arm() ? LeafNext::Again : settle_request();
}

LeafNext WaitCall::finish(TaskWord before) const noexcept {
  // A grant is known by the claim. By a request the list must be left; a grant may have been faster all the same where the task is
  // to end for another reason (a destructor threw).
  const bool requested = before.has(TaskWord::by_request_bit);
  if (kind.ops->more != nullptr) {
    const bool granted = kind.ops->delist(op, node());
    if (requested && granted) kind.ops->give_back(op);
    state.note_won(!requested);
    return end_wait();
  }
  if (!requested) return settle_with(nullptr);
  if (kind.ops->delist(op, node())) kind.ops->give_back(op);
  if (!kind.observed) return LeafNext::EndCancelled;
  Outcome<> cancelled = Outcome<>::cancelled(task.kernel().reason_seen_by(task));
  return settle_with(&cancelled);
}

// ---- an operation and its context in one word ----

#if defined(__GNUC__) && !defined(__clang__)

namespace {
/// Of a wait that was made outside of any task, and is awaited by one that runs here next.
constinit thread_local TaskId noted_outside{};

/// Once: it is the last one that was noted.
CxCore noted_context(const TaskRecord* task) noexcept {
  TaskExtra* rare = task == nullptr ? nullptr : task->extra.load(std::memory_order_acquire);
  const bool is_noted = rare != nullptr && rare->noted_context.is_valid();
  const TaskId noted = is_noted ? std::exchange(rare->noted_context, TaskId{}) : noted_outside;
  return {TaskRef(noted.index), noted.generation};
}
}  // namespace

std::uintptr_t WordWithContext::made(const CxCore& cx, std::uintptr_t operation) noexcept {
  TaskRecord* task = current_task();
  if (task != nullptr && cx.is_of(*task)) [[likely]]
    return operation | tag_of(*task) * tag_one;
  (task == nullptr ? noted_outside : Kernel::extra(*task).noted_context) = cx.id();
  return operation | 1;
}

std::uintptr_t WordWithContext::with_care(const TaskRecord& task) const noexcept {
  const CxCore cx = context();
  return cx.is_of(task) ? operation() : foreign_word(cx);
}

// Of another task's nothing is known but that.
CxCore WordWithContext::context() const noexcept {
  const TaskRecord* task = current_task();
  if ((word_ & 1) != 0) return noted_context(task);
  const bool is_own = task != nullptr && word_ / tag_one == tag_of(*task);
  return is_own ? CxCore{task, task->generation.load(std::memory_order_relaxed)} : CxCore{};
}

#endif

// ---- timers ----

void WaitAlarm::fired(TimerEntry& entry) noexcept {
  WaitNode& node = *static_cast<WaitAlarm&>(entry).node_;
  node.set_granted();
  if (!Kernel::claim(node.waiter)) node.clear_granted();
}

void WaitAlarm::arm(WaitNode& node, Time until) noexcept {
  node_ = &node;
  deadline = until;
  fire = fired;
  current_task()->kernel().executor().arm(*this);
}

// It may be firing now, and reads the node until it is disarmed. Disarmed, it is not firing: the mark stands.
bool WaitAlarm::disarm() noexcept {
  if (node_ == nullptr) return false;
  current_task()->kernel().executor().disarm(*this);
  return std::exchange(node_, nullptr)->take_granted();
}

// ---- of an operation that looks again or closes ----

LeafNext WaitCall::settle_with(Outcome<>* refused) const noexcept {
  return settle(refused) ? LeafNext::Ended : LeafNext::Resume;
}

LeafNext WaitCall::settle_request() const noexcept {
  if (!kind.observed || task.word.load().escalated()) return LeafNext::EndCancelled;
  Outcome<> cancelled = request_as_outcome(task);
  return settle_with(&cancelled);
}

/// What is ready at once may have to look, to close, or to wait all the same.
bool WaitCall::start_with_more() const noexcept {
  state.note_won(true);
  switch (end_wait()) {
    case LeafNext::Resume: return give_way(task);
    case LeafNext::Ended: signal(task, Signal::Ended); return true;
    case LeafNext::EndCancelled: refuse(task); return true;
    case LeafNext::Again: break;
  }
  return true;
}

LeafNext WaitCall::end_wait() const noexcept {
  const bool forced = task.word.load().escalated() || task.torn;
  if (kind.ops->more->close != nullptr && !forced && !kind.ops->more->close(op, state.won())) {
    kind.ops->more->close_enlist(op, leaf().make_node(arm_wait(task, kind.closes, data, true)));
    return LeafNext::Again;
  }
  return look();
}

LeafNext WaitCall::finish_closing() const noexcept {
  kind.ops->more->closed(op);
  return look();
}

LeafNext WaitCall::look() const noexcept {
  if (state.won() && (task.word.load().escalated() || task.torn)) {
    kind.ops->give_back(op);
    state.note_won(false);
  }
  if (!state.won()) return settle_request();
  if (kind.ops->more->again == nullptr) return settle_with(nullptr);
  std::exception_ptr thrown;
  switch (kind.ops->more->again(op, thrown)) {
    case Look::Yes: return settle_with(nullptr);
    case Look::Threw: {
      Outcome<> panicked = panic_as_outcome(task, std::move(thrown));
      return settle_with(&panicked);
    }
    case Look::NotYet: break;
  }
  task.kernel().note_checkpoint(task);
  if (arm()) return LeafNext::Again;
  kind.ops->give_back(op);
  return settle_request();
}

}  // namespace quiesce::detail
