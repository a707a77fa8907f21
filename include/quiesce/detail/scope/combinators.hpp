#pragma once
// Combinators over handles (rules J1 to J6). Each is a coroutine of the calling task: it owns the handles, and never returns before
// the branches that it has stopped awaiting have ended (C9).
#include <array>
#include <cstddef>
#include <expected>
#include <span>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "quiesce/detail/scope/region_run.hpp"
#include "quiesce/detail/scope/scope_core.hpp"
#include "quiesce/detail/scope/wait_any.hpp"
#include "quiesce/handle.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

/// Which branch of a race won, and its value.
template <class T>
struct RaceResult {
  T value;
  std::size_t index;
};
template <>
struct RaceResult<void> {
  std::size_t index;
};

namespace detail {

using TaskSpan = std::span<TaskRecord* const>;

bool is_done(const TaskRecord& task) noexcept;
/// Asks every task that still runs to stop.
void request_all(TaskSpan tasks, const CancelReason& reason) noexcept;
/// Waits, uncancellably, until all have ended.
Task<> drain(TaskSpan tasks);
/// Waits until all have ended. Cancelled: they have been asked to stop and drained (J6).
Task<WaitEnd> wait_all(TaskSpan tasks);
/// What the calling task's request is, as the reason of a combinator that ends by it.
CancelReason calling_reason();
/// The first to be drawn among those that have ended.
std::size_t draw_winner(TaskSpan tasks, CxCore cx);
std::optional<PanicPayload> panic_of(TaskSpan tasks);

/// The outcome of an ended task; its handle has been seen (R7).
template <class T, class E>
Outcome<T, E> take_outcome(TaskHandle<T, E>& handle) {
  JoinWait wait(CxCore{}, handle.detail_record(), true);
  if (!wait.take()) return Outcome<T, E>::err(E(taken_before(*handle.detail_record())));
  return std::move(RecordResult<T, E>::get(*handle.detail_record()));
}

template <class... Handles>
std::array<TaskRecord*, sizeof...(Handles)> records_of(Handles&... handles) {
  return {handles.detail_record()...};
}
template <class T, class E>
std::vector<TaskRecord*> records_of_all(std::vector<TaskHandle<T, E>>& handles) {
  std::vector<TaskRecord*> records;
  records.reserve(handles.size());
  for (auto& handle : handles) records.push_back(handle.detail_record());
  return records;
}

/// A handle that was moved from, or a scope of another region: nothing has been started or asked.
std::optional<Error> combinator_misuse(ScopeCore scope, CxCore cx, TaskSpan tasks, const char* what);

/// What a combinator that would have spawned gives instead, having started nothing (R11).
template <class T>
Task<T> refuse_combinator(Error misuse) {
  co_await fail(std::move(misuse));
  std::unreachable();
}

/// J6: how a combinator ends that was cancelled while waiting; its branches have been drained, and seen (R7).
struct EndCancelled {
  CancelReason reason;
  std::optional<PanicPayload> panic;
  template <class T>
  FinishWith<T, Error> as() const {
    return FinishWith<T, Error>(panic ? Outcome<T>::panicked(*panic) : Outcome<T>::cancelled(reason));
  }
};
EndCancelled end_cancelled(TaskSpan tasks);

template <class T>
using ValueOrUnit = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T, class E>
ValueOrUnit<T> value_or_unit(Outcome<T, E>&& outcome) {
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return std::move(outcome).value();
  }
}

// ---- join: all, whatever the outcomes ----

template <class... Ts, class... Es>
Task<std::tuple<Outcome<Ts, Es>...>> join_handles(ScopeCore scope, CxCore cx, TaskHandle<Ts, Es>... handles) {
  using Result = std::tuple<Outcome<Ts, Es>...>;
  auto records = records_of(handles...);
  if (auto misuse = combinator_misuse(scope, cx, records, "join")) co_await fail(std::move(*misuse));
  WaitEnd end = co_await wait_all(records);
  if (end == WaitEnd::Cancelled) {
    auto finish = end_cancelled(records).template as<Result>();
    co_await std::move(finish);
  }
  co_return Result(take_outcome(handles)...);
}

template <class T, class E>
Task<std::vector<Outcome<T, E>>> join_all_handles(ScopeCore scope, CxCore cx,
                                                  std::vector<TaskHandle<T, E>> handles) {
  std::vector<TaskRecord*> records = records_of_all(handles);
  if (auto misuse = combinator_misuse(scope, cx, records, "join_all")) co_await fail(std::move(*misuse));
  WaitEnd end = co_await wait_all(records);
  if (end == WaitEnd::Cancelled) {
    auto finish = end_cancelled(records).template as<std::vector<Outcome<T, E>>>();
    co_await std::move(finish);
  }
  std::vector<Outcome<T, E>> outcomes;
  outcomes.reserve(handles.size());
  for (auto& handle : handles) outcomes.push_back(take_outcome(handle));
  co_return outcomes;
}

// ---- try_join: all values, or the first failure after the rest has drained ----

/// Waits until all have ended Ok, or the first failure: that one's index, the rest asked to stop and drained.
Task<std::expected<void, std::size_t>> wait_all_ok(TaskSpan tasks);

template <class... Ts, class... Es>
Task<std::tuple<ValueOrUnit<Ts>...>> try_join_handles(ScopeCore scope, CxCore cx,
                                                      TaskHandle<Ts, Es>... handles) {
  using Result = std::tuple<ValueOrUnit<Ts>...>;
  auto records = records_of(handles...);
  if (auto misuse = combinator_misuse(scope, cx, records, "try_join")) co_await fail(std::move(*misuse));
  auto waited = co_await wait_all_ok(records).outcome();
  if (waited.is_cancelled()) {
    auto finish = end_cancelled(records).template as<Result>();
    co_await std::move(finish);
  }
  std::optional<PanicPayload> panic;
  if (!waited.value()) panic = panic_of(records);  // before the outcomes are moved out
  std::tuple<Outcome<Ts, Es>...> outcomes(take_outcome(handles)...);
  if (!waited.value()) {
    std::size_t failed = waited.value().error(), at = 0;
    std::optional<Outcome<Result>> failure;
    std::apply(
        [&](auto&... each) {
          ((at++ == failed ? void(failure.emplace(std::move(each).template failure_as<Result, Error>()))
                           : void()),
           ...);
        },
        outcomes);
    if (panic && !failure->is_panicked()) failure = std::move(*failure).join(Outcome<Result>::panicked(*panic));
    FinishWith<Result, Error> finish(std::move(*failure));
    co_await std::move(finish);
  }
  co_return std::apply([](auto&... each) { return Result(value_or_unit(std::move(each))...); }, outcomes);
}

template <class T, class E>
Task<std::vector<ValueOrUnit<T>>> try_join_all_handles(ScopeCore scope, CxCore cx,
                                                       std::vector<TaskHandle<T, E>> handles) {
  using Result = std::vector<ValueOrUnit<T>>;
  std::vector<TaskRecord*> records = records_of_all(handles);
  if (auto misuse = combinator_misuse(scope, cx, records, "try_join_all")) co_await fail(std::move(*misuse));
  auto waited = co_await wait_all_ok(records).outcome();
  if (waited.is_cancelled()) {
    auto finish = end_cancelled(records).template as<Result>();
    co_await std::move(finish);
  }
  if (!waited.value()) {
    const std::optional<PanicPayload> panic = panic_of(records);  // before the outcomes are moved out
    Outcome<Result> failure =
        take_outcome(handles[waited.value().error()]).template failure_as<Result, Error>();
    for (auto& handle : handles) {
      if (handle.detail_record() != records[waited.value().error()]) (void)take_outcome(handle);
    }
    if (panic && !failure.is_panicked()) failure = std::move(failure).join(Outcome<Result>::panicked(*panic));
    FinishWith<Result, Error> finish(std::move(failure));
    co_await std::move(finish);
  }
  Result values;
  values.reserve(handles.size());
  for (auto& handle : handles) values.push_back(value_or_unit(take_outcome(handle)));
  co_return values;
}

// ---- race: the first terminal outcome ----

/// The first to end, once all have: the others were asked to stop. Cancelled: all were, and have been drained (J6).
Task<std::size_t> race_to_the_end(ScopeCore scope, CxCore cx, TaskSpan tasks, const char* what);

template <class T, class E>
Task<RaceResult<T>> race_handles(ScopeCore scope, CxCore cx, std::vector<TaskHandle<T, E>> handles) {
  using Result = RaceResult<T>;
  std::vector<TaskRecord*> records = records_of_all(handles);
  auto racing = race_to_the_end(scope, cx, records, "race");
  const std::size_t winner = co_await std::move(racing);
  const std::optional<PanicPayload> panic = panic_of(records);  // before the outcomes are moved out
  Outcome<T, E> won = take_outcome(handles[winner]);
  for (std::size_t i = 0; i < handles.size(); ++i) {
    if (i != winner) (void)take_outcome(handles[i]);
  }
  if (panic && !won.is_panicked()) {
    FinishWith<Result, Error> lost(Outcome<Result>::panicked(*panic));
    co_await std::move(lost);
  }
  if (!won.is_ok()) {
    FinishWith<Result, Error> finish(std::move(won).template failure_as<Result, Error>());
    co_await std::move(finish);
  }
  if constexpr (std::is_void_v<T>) {
    co_return Result{winner};
  } else {
    co_return Result{std::move(won).value(), winner};
  }
}

template <class T, class E, class... More>
std::vector<TaskHandle<T, E>> handle_list(TaskHandle<T, E> first, More... more) {
  static_assert((std::same_as<TaskHandle<T, E>, More> && ...),
                "quiesce: the branches of a race have one result type; map them to a common one");
  std::vector<TaskHandle<T, E>> handles;
  handles.reserve(1 + sizeof...(More));
  handles.push_back(std::move(first));
  (handles.push_back(std::move(more)), ...);
  return handles;
}

/// The value alone.
template <class T, class E>
Task<T> race_value(ScopeCore scope, CxCore cx, std::vector<TaskHandle<T, E>> handles) {
  auto race = race_handles<T, E>(scope, cx, std::move(handles));
  auto outcome = co_await std::move(race).outcome();
  if (!outcome.is_ok()) {
    FinishWith<T, Error> finish(std::move(outcome).template failure_as<T, Error>());
    co_await std::move(finish);
  }
  if constexpr (!std::is_void_v<T>) co_return std::move(outcome).value().value;
}

// ---- timeout and hedge ----

/// Ends with the outcome of an ended task.
template <class T, class E>
FinishWith<T, Error> finish_with_task(TaskHandle<T, E>& handle) {
  Outcome<T, E> outcome = take_outcome(handle);
  if constexpr (std::same_as<E, Error>) {
    return FinishWith<T, Error>(std::move(outcome));
  } else {
    return FinishWith<T, Error>(Outcome<T, Error>(std::move(outcome)));
  }
}

template <class T, class E>
Task<T> timeout_handle(ScopeCore scope, CxCore cx, Duration duration, TaskHandle<T, E> handle) {
  std::array<TaskRecord*, 1> records = records_of(handle);
  if (auto misuse = combinator_misuse(scope, cx, records, "timeout")) co_await fail(std::move(*misuse));
  WaitEnd end = co_await WaitAny{records, cx_now(cx) + duration};
  if (end == WaitEnd::Cancelled) {
    request_all(records,
                CancelReason::parent_cancelled("the timeout was cancelled").with_cause(calling_reason()));
    co_await drain(records);
    auto finish = end_cancelled(records).template as<T>();
    co_await std::move(finish);
  }
  if (end == WaitEnd::TimeReached) {
    CancelReason reason = CancelReason::timeout("the timeout has passed");
    request_all(records, reason);
    co_await drain(records);
    Outcome<T, E> late = take_outcome(handle);
    if (!late.is_ok() && !late.is_panicked()) {
      co_await fail(Error(ErrorCode::TimedOut, "the timeout has passed").with_cancel_reason(reason));
    }
    FinishWith<T, Error> stands{Outcome<T, Error>(std::move(late))};
    co_await std::move(stands);
  }
  auto finish = finish_with_task(handle);
  co_await std::move(finish);
}

template <class T, class E, class SpawnBackup>
Task<T> hedge_tasks(ScopeCore scope, CxCore cx, Duration delay,
                    std::expected<TaskHandle<T, E>, SpawnError> spawned, SpawnBackup spawn_backup) {
  TaskHandle<T, E> primary = co_await std::move(spawned);
  std::array<TaskRecord*, 1> records = records_of(primary);
  if (auto misuse = combinator_misuse(scope, cx, records, "hedge")) co_await fail(std::move(*misuse));
  WaitEnd end = co_await WaitAny{records, cx_now(cx) + delay};
  if (end == WaitEnd::Cancelled) {
    request_all(records,
                CancelReason::parent_cancelled("the hedge was cancelled").with_cause(calling_reason()));
    co_await drain(records);
    auto finish = end_cancelled(records).template as<T>();
    co_await std::move(finish);
  }
  if (end == WaitEnd::Completed) {
    auto finish = finish_with_task(primary);
    co_await std::move(finish);
  }
  auto backup = spawn_backup();
  if (!backup) {
    request_all(records, CancelReason::resource_unavailable("the backup of a hedge could not be spawned"));
    co_await drain(records);
    Outcome<T, E> late = take_outcome(primary);
    if (!late.is_ok() && !late.is_panicked())
      (void)co_await std::move(backup);  // the refusal: Err, or Cancelled by R3
    FinishWith<T, Error> stands{Outcome<T, Error>(std::move(late))};
    co_await std::move(stands);
  }
  auto race = race_value<T, E>(scope, cx, handle_list(std::move(primary), std::move(*backup)));
  Outcome<T> outcome = co_await std::move(race).outcome();
  FinishWith<T, Error> finish(std::move(outcome));
  co_await std::move(finish);
}

}  // namespace detail
}  // namespace quiesce
