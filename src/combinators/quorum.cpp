#include "quiesce/combinators/quorum.hpp"

#include <algorithm>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {
namespace {

/// Those that have ended leave `running`; the Ok ones that are needed, drawn where there are more.
void count_ended(TaskSpan tasks, CxCore cx, std::size_t needed, std::vector<std::size_t>& running,
                 QuorumCount& count) {
  std::vector<std::size_t> ready;
  std::erase_if(running, [&](std::size_t i) {
    if (!is_done(*tasks[i])) return false;
    (tasks[i]->result_ops->kind(*tasks[i]) == OutcomeKind::Ok ? ready : count.failed).push_back(i);
    return true;
  });
  while (!ready.empty() && count.won.size() < needed) {
    const bool surplus = ready.size() > needed - count.won.size();
    const auto drawn =
        ready.begin() + static_cast<std::ptrdiff_t>(surplus ? cx_random_index(cx, ready.size()) : 0);
    count.won.push_back(*drawn);
    ready.erase(drawn);
  }
}

}  // namespace

Task<QuorumCount> wait_quorum(TaskSpan tasks, CxCore cx, std::size_t needed) {
  QuorumCount count;
  std::vector<std::size_t> running(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) running[i] = i;
  for (;;) {
    count_ended(tasks, cx, needed, running, count);
    if (count.won.size() == needed) {
      request_all(tasks, CancelReason::race_lost("others have made the quorum"));
      break;
    }
    if (count.failed.size() > tasks.size() - needed) {
      count.end = QuorumEnd::Missed;
      request_all(tasks, CancelReason::fail_fast("the quorum cannot be reached any more"));
      break;
    }
    std::vector<TaskRecord*> waiting;
    for (std::size_t i : running) waiting.push_back(tasks[i]);
    WaitEnd end = co_await WaitAny{waiting};
    if (end == WaitEnd::Cancelled) {
      count.end = QuorumEnd::Cancelled;
      request_all(tasks,
                  CancelReason::parent_cancelled("the quorum was cancelled").with_cause(calling_reason()));
      break;
    }
  }
  co_await drain(tasks);
  co_return count;
}

std::optional<Error> quorum_misuse(ScopeCore scope, CxCore cx, TaskSpan tasks, std::size_t needed,
                                   const char* what) {
  if (auto misuse = combinator_misuse(scope, cx, tasks, what)) return misuse;
  if (needed <= tasks.size()) return std::nullopt;
  return Error(ErrorCode::InvalidArgument, std::string(what) + ": " + std::to_string(needed) + " of " +
                                               std::to_string(tasks.size()) + " tasks can never succeed");
}

}  // namespace quiesce::detail
