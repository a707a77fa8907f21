#include "quiesce/detail/scope/combinators.hpp"

#include <algorithm>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {
namespace {

LeafNext finish_any(TaskRecord& task, void* data, TaskWord before) noexcept {
  auto& wait = *static_cast<WaitAnyAwaiter*>(data);
  if (wait.timed) task.kernel().executor().disarm(wait.timer);
  for (TaskRecord* branch : wait.what.tasks) {
    branch->word.apply([](TaskWord w) { return task_word::retract_joiner(w); });
  }
  if (before.has(TaskWord::by_request_bit)) {
    wait.end = WaitEnd::Cancelled;
  } else {
    wait.end = wait.any_done() ? WaitEnd::Completed : WaitEnd::TimeReached;
  }
  return LeafNext::Resume;
}

// Never escalated: it ends Cancelled instead, so that the branches are asked to stop and drained whatever happens (C9).
std::span<TaskRecord* const> branches_of(void* data) noexcept {
  return static_cast<WaitAnyAwaiter*>(data)->what.tasks;
}
constexpr LeafOps any_wait{finish_any, "other tasks", false, nullptr, branches_of};
constexpr LeafOps drain_wait{finish_any, "tasks that were asked to stop", false, nullptr, branches_of};

}  // namespace

bool is_done(const TaskRecord& task) noexcept { return has_ended(task); }

bool WaitAnyAwaiter::any_done() const noexcept {
  return std::any_of(what.tasks.begin(), what.tasks.end(), [](TaskRecord* task) { return is_done(*task); });
}

bool WaitAnyAwaiter::start(TaskRecord& task) noexcept {
  if (any_done()) return false;
  if (what.until && *what.until <= task.kernel().executor().now() && !task.word.load().must_observe()) {
    end = WaitEnd::TimeReached;
    return false;
  }
  if (!begin_wait(task, what.uncancellable ? drain_wait : any_wait, this, what.uncancellable)) {
    task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
    end = WaitEnd::Cancelled;
    return false;
  }
  const Waiter waiter = waiter_of(task);
  if (what.until) {
    timed = true;
    timer.arm(task, *what.until);
  }
  for (TaskRecord* branch : what.tasks) {
    branch->joiner.store(waiter.packed, std::memory_order_release);
    if (!branch->word.apply([](TaskWord w) { return task_word::announce_joiner(w); })) {
      Kernel::claim(waiter);  // it ended meanwhile: the wait is over before it began
      break;
    }
  }
  return true;
}

void request_all(TaskSpan tasks, const CancelReason& reason) noexcept {
  for (TaskRecord* task : tasks) request_task(*task, reason);
}

Task<> drain(TaskSpan tasks) {
  Kernel& kernel = current_task()->kernel();
  for (TaskRecord* const& task : tasks) {
    while (!is_done(*task) && !kernel.plants(Defect::LoserAbandoned)) co_await WaitAny{{&task, 1}, {}, true};
    kernel.tell({.kind = KernelEventKind::BranchesLeft, .task = task});
  }
}

Task<WaitEnd> wait_all(TaskSpan tasks) {
  for (TaskRecord* const& task : tasks) {
    while (!is_done(*task)) {
      WaitEnd end = co_await WaitAny{{&task, 1}};
      if (end != WaitEnd::Cancelled) continue;
      request_all(tasks, CancelReason::parent_cancelled("the join was cancelled").with_cause(calling_reason()));
      co_await drain(tasks);
      co_return WaitEnd::Cancelled;
    }
  }
  co_return WaitEnd::Completed;
}

Task<std::expected<void, std::size_t>> wait_all_ok(TaskSpan tasks) {
  std::vector<TaskRecord*> waiting(tasks.begin(), tasks.end());
  for (;;) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (!is_done(*tasks[i]) || tasks[i]->result_ops->kind(*tasks[i]) == OutcomeKind::Ok) continue;
      request_all(tasks, CancelReason::fail_fast("another branch of the try_join has failed"));
      co_await drain(tasks);
      co_return std::unexpected(i);
    }
    std::erase_if(waiting, [](TaskRecord* task) { return is_done(*task); });
    if (waiting.empty()) co_return std::expected<void, std::size_t>();
    WaitEnd end = co_await WaitAny{waiting};
    if (end == WaitEnd::Cancelled) {
      request_all(tasks,
                  CancelReason::parent_cancelled("the try_join was cancelled").with_cause(calling_reason()));
      co_await drain(tasks);
      co_await cancelled(calling_reason());
    }
  }
}

CancelReason calling_reason() {
  TaskRecord& task = *current_task();
  std::optional<CancelReason> reason = task.kernel().reason_of(task);
  return reason ? *reason : CancelReason::user("cancelled");
}

std::size_t draw_winner(TaskSpan tasks, CxCore cx) {
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (is_done(*tasks[i])) ready.push_back(i);
  }
  return ready.size() == 1 ? ready.front() : ready[cx_random_index(cx, ready.size())];
}

Task<std::size_t> race_to_the_end(ScopeCore scope, CxCore cx, TaskSpan tasks, const char* what) {
  if (auto misuse = combinator_misuse(scope, cx, tasks, what)) co_await fail(std::move(*misuse));
  WaitEnd end = co_await WaitAny{tasks};
  if (end == WaitEnd::Cancelled) {
    request_all(tasks, CancelReason::parent_cancelled("the race was cancelled").with_cause(calling_reason()));
    co_await drain(tasks);
    auto finish = end_cancelled(tasks).as<std::size_t>();
    co_await std::move(finish);
  }
  const std::size_t winner = draw_winner(tasks, cx);
  request_all(tasks, CancelReason::race_lost("another branch of the race has won"));
  co_await drain(tasks);
  co_return winner;
}

std::optional<PanicPayload> panic_of(TaskSpan tasks) {
  for (TaskRecord* task : tasks) {
    if (task->result_ops->kind(*task) == OutcomeKind::Panicked) return task->result_ops->failure(*task).panic();
  }
  return std::nullopt;
}

EndCancelled end_cancelled(TaskSpan tasks) {
  EndCancelled end{calling_reason(), panic_of(tasks)};
  for (TaskRecord* task : tasks) JoinWait(CxCore{}, task, true).take();
  return end;
}

std::optional<Error> combinator_misuse(ScopeCore scope, CxCore cx, TaskSpan tasks, const char* what) {
  for (TaskRecord* task : tasks) {
    if (task == nullptr)
      return Error(ErrorCode::PolledAfterCompletion, std::string(what) + ": a handle was moved from");
  }
  if (std::optional<Error> error = own_context_error(cx, what)) return error;
  return wrong_region(scope, cx, what);
}

}  // namespace quiesce::detail
