#include "quiesce/stream.hpp"

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/sync/wait.hpp"

namespace quiesce::detail {

namespace {

std::optional<Error> pull_misuse(CxCore cx, const TaskRecord& task, const StreamHome& home) {
  if (!cx.is_of(task)) {
    if (std::optional<Error> misuse = own_context_error(cx, "Stream::next")) return misuse;
  }
  if (home.place == StreamPlace::Empty)
    return Error(ErrorCode::EmptyTask,
                 "next of a stream that was moved from: pull the one that it was moved to");
  if (home.place == StreamPlace::Pulled && home.generator == nullptr)
    return Error(
        ErrorCode::InvalidArgument,
        "next of a stream that is being pulled already, by its own generator or by another task: a stream "
        "gives one value at a time");
  return std::nullopt;
}

}  // namespace

PullStart begin_pull(PromiseBase& self, CxCore cx, const StreamHome& home, bool observed,
                     std::optional<Outcome<>>& refused) noexcept {
  TaskRecord& task = *self.task;
  if (std::optional<Error> misuse = pull_misuse(cx, task, home)) {
    refused.emplace(Outcome<>::err(std::move(*misuse)));
    return PullStart::Failed;
  }
  task.kernel().note_checkpoint(task);
  if (task.word.load().must_observe()) {
    if (!observed || task.word.load().escalated()) return PullStart::Refused;
    refused.emplace(request_as_outcome(task));
    return PullStart::Failed;
  }
  if (home.place == StreamPlace::Ended || home.generator->ended) return PullStart::Over;
  return PullStart::Go;
}

Stream<Time> stream_of_ticks(Cx cx, Duration period) {
  if (period <= Duration::zero())
    co_await fail(ErrorCode::InvalidArgument, "ticks: the period must be longer than nothing");
  Time due = cx.now() + period;
  for (;;) {
    co_await cx.sleep_until(due);
    due = due + period * ((cx.now() - due) / period);  // the latest that has come
    co_yield due;
    due = due + period;
  }
}

}  // namespace quiesce::detail
