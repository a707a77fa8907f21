#pragma once
// pipeline: items on their way through stages, with bounded buffers between them.
//
//   co_await q::pipeline(cx, urls,                               // a range, or a function Task<std::optional<Url>>(q::Cx)
//                        q::stage(16, fetch),                    // Task<Page> fetch(q::Cx, Url): 16 tasks
//                        q::stage(2, parse).buffer(64),          // Task<Index> parse(q::Cx, Page): 2 tasks, room for 64 before them
//                        store);                                 // Task<> store(q::Cx, Index): one at a time, in this task's region's body
//
// Before each stage and the sink is a channel with room for as many items as the stage has tasks, unless `buffer` says otherwise. A
// full one makes whoever fills it wait: a slow stage slows down those before it, to the source (back-pressure), so that at most the buffers
// and one item a task are on their way. Items keep their order through stages of one task; those of several give up theirs.
// All run in a region of their own, which has closed when the await returns. The first failure – of a stage, the source or the sink – cancels
// the rest, which drains, and is the result; items on their way are destroyed. It ends Ok when the source has ended and all has arrived.
// The source and the stages become tasks: plain functions or captureless lambdas, or in q::unsafe_send, and what they pass on is Sendable
// and nothrow move constructible. A range may be an lvalue, which then outlives the call, or is moved in; one task walks it. The sink may
// capture.
// A cancel point. Cancelled while it waits, it cancels and drains all. Refuses: InvalidArgument for a stage of no tasks or no room; as a
// spawn. Cost: a region, a task for the source and each task of a stage, a channel for each stage and the sink.
#include <atomic>
#include <cstdint>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "quiesce/channel/mpmc.hpp"
#include "quiesce/combinators/concurrent.hpp"
#include "quiesce/scope.hpp"

namespace quiesce {

/// What `stage` gives.
template <class F>
class PipelineStage {
 public:
  using Function = F;
  PipelineStage(std::uint32_t tasks, F f) : function_(std::move(f)), tasks_(tasks), buffer_(tasks) {}
  /// Room for so many items before it.
  PipelineStage buffer(std::uint32_t items) && {
    buffer_ = items;
    return std::move(*this);
  }

  F& function() noexcept { return function_; }
  std::uint32_t tasks() const noexcept { return tasks_; }
  std::uint32_t buffer() const noexcept { return buffer_; }

 private:
  F function_;
  std::uint32_t tasks_, buffer_;
};

/// So many tasks that each call f(cx, item), one item after the other.
template <class F>
PipelineStage<std::decay_t<F>> stage(std::uint32_t tasks, F&& f) {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return PipelineStage<std::decay_t<F>>(tasks, std::forward<F>(f));
}

namespace detail {

template <class T>
inline constexpr bool is_stage = false;
template <class F>
inline constexpr bool is_stage<PipelineStage<F>> = true;

/// Tasks that were launched, and those that have ended Ok: read once the region has closed.
struct PipelineTasks {
  std::size_t launched = 0;
  std::atomic<std::size_t> done = 0;
};

// ---- the source ----

template <class Source>
concept IsRange = std::ranges::range<std::remove_reference_t<Source>>;

template <class CxType, class Source>
struct SourceItem {
  using Check = spawn_check<std::decay_t<Source>, CxType>;
  static_assert(Check::done);
  using Given = typename Check::value_type;
  static_assert(
      requires { typename Given::value_type; },
      "quiesce: pipeline: the source must be a range, or a function Task<std::optional<T>>(quiesce::Cx)");
  using type = typename Given::value_type;
};
template <class CxType, IsRange Source>
struct SourceItem<CxType, Source> {
  using type = ItemOf<Source>;
};

template <class Source, class CxType, class T>
Task<> run_source(CxType cx, std::remove_reference_t<Source>* source, PipelineTasks* tasks,
                  mpmc::Sender<T> out) {
  if constexpr (IsRange<Source>) {
    for (auto&& item : *source) co_await out.send(cx, take_item<Source>(item));
  } else {
    for (;;) {
      auto task = (*source)(cx);
      std::optional<T> item = co_await std::move(task);
      if (!item) break;
      co_await out.send(cx, std::move(*item));
    }
  }
  tasks->done.fetch_add(1, std::memory_order_relaxed);
}

// ---- the stages ----

template <class F, class CxType, class T, class U>
Task<> run_stage(CxType cx, F* f, PipelineTasks* tasks, mpmc::Receiver<T> in, mpmc::Sender<U> out) {
  while (std::optional<T> item = co_await in.recv(cx)) {
    auto task = (*f)(cx, std::move(*item));
    U made = co_await std::move(task);
    co_await out.send(cx, std::move(made));
  }
  tasks->done.fetch_add(1, std::memory_order_relaxed);
}

/// The end of what has been built so far: what comes out of it.
template <class T>
using Built = std::expected<mpmc::Receiver<T>, SpawnError>;

template <class CxType, class T, class F>
using StageResult = typename spawn_check<F, CxType, T>::value_type;

/// Launches the tasks of a stage; they alone hold its output's sender, so that the next one ends when they have.
template <class T, class CxType, class F>
Built<StageResult<CxType, T, F>> build_stage(const CxType& cx, const Scope<>& scope, mpmc::Receiver<T> in,
                                             PipelineStage<F>& stage, std::uint32_t room,
                                             PipelineTasks& tasks) {
  static_assert(spawn_check<F, CxType, T>::done);
  using U = StageResult<CxType, T, F>;
  static_assert(GivesValue<U>,
                "quiesce: pipeline: a stage gives what the next one takes: only the sink gives nothing");
  auto [out, next] = mpmc::channel<U>(room, "pipeline");
  for (std::uint32_t i = 0; i < stage.tasks(); ++i) {
    ++tasks.launched;
    auto launched = scope.launch(cx, run_stage<F, CxType, T, U>, UnsafeSend(&stage.function()),
                                 UnsafeSend(&tasks), UnsafeSend(in), UnsafeSend(out));
    if (!launched) return std::unexpected(std::move(launched).error());
  }
  return Built<U>(std::move(next));
}

template <std::size_t I, class T, class CxType, class Stages>
auto build_stages(const CxType& cx, const Scope<>& scope, mpmc::Receiver<T> in, Stages& stages,
                  PipelineTasks& tasks) {
  if constexpr (I == std::tuple_size_v<Stages>) {
    return Built<T>(std::move(in));
  } else {
    std::uint32_t room = 1;
    if constexpr (I + 1 < std::tuple_size_v<Stages>) room = std::get<I + 1>(stages).buffer();
    auto built = build_stage<T>(cx, scope, std::move(in), std::get<I>(stages), room, tasks);
    using U = StageResult<CxType, T, typename std::tuple_element_t<I, Stages>::Function>;
    using End = decltype(build_stages<I + 1, U>(cx, scope, std::move(*built), stages, tasks));
    if (!built) return End(std::unexpected(std::move(built).error()));
    return build_stages<I + 1, U>(cx, scope, std::move(*built), stages, tasks);
  }
}

template <class... Fs>
std::optional<Error> pipeline_misuse(const std::tuple<PipelineStage<Fs>...>& stages) {
  std::optional<Error> misuse;
  std::size_t at = 0;
  auto look = [&](const auto& one) {
    ++at;
    if (!misuse && (one.tasks() == 0 || one.buffer() == 0))
      misuse = Error(ErrorCode::InvalidArgument, "pipeline: stage " + std::to_string(at) +
                                                     " needs one task and room for one item at least");
  };
  std::apply([&](const auto&... each) { (look(each), ...); }, stages);
  return misuse;
}

template <class CxType, class Source, class Sink, class... Fs>
Task<> pipeline_in(CxType cx, Source source, std::tuple<PipelineStage<Fs>...> stages, Sink sink) {
  using T = typename SourceItem<CxType, Source>::type;
  if (auto misuse = pipeline_misuse(stages)) co_await fail(std::move(*misuse));
  PipelineTasks tasks;
  auto body = [&](CxType own, Scope<>& scope) -> Task<> {
    ++tasks.launched;
    std::uint32_t room = 1;
    if constexpr (sizeof...(Fs) > 0) room = std::get<0>(stages).buffer();
    auto ends = mpmc::channel<T>(room, "pipeline");
    co_await scope.launch(own, run_source<Source, CxType, T>, UnsafeSend(std::addressof(source)),
                          UnsafeSend(&tasks), UnsafeSend(std::move(ends.first)));
    auto built = build_stages<0, T>(own, scope, std::move(ends.second), stages, tasks);
    auto out = co_await std::move(built);
    while (auto item = co_await out.recv(own)) {
      auto task = sink(own, std::move(*item));
      co_await std::move(task);
    }
  };
  auto region = run_region<void, Error, FailFast, CxType, decltype(body)&>(std::nullopt, cx, RegionOptions(),
                                                                           FailFast(), body);
  co_await std::move(region);
  if (tasks.done.load(std::memory_order_relaxed) != tasks.launched) {
    co_await fail(
        Error(ErrorCode::ChildCancelled, "pipeline: a task of a stage was cancelled, and its item is lost"));
  }
}

template <class Caps, class Source, class... Rest, std::size_t... I>
Task<> pipeline_of(const BasicCx<Caps>& cx, Source&& source, std::tuple<Rest...> rest,
                   std::index_sequence<I...>) {
  using Last = std::tuple_element_t<sizeof...(I), std::tuple<Rest...>>;
  static_assert(
      (is_stage<std::decay_t<std::tuple_element_t<I, std::tuple<Rest...>>>> && ...),
      "quiesce: pipeline(cx, source, stages..., sink): what lies between source and sink is stage(n, f)");
  static_assert(!is_stage<std::decay_t<Last>>,
                "quiesce: pipeline(cx, source, stages..., sink): the last argument is the sink, a function "
                "Task<>(quiesce::Cx, item)");
  return pipeline_in<BasicCx<Caps>, Source, Last>(cx, std::forward<Source>(source),
                                                  std::tuple(std::move(std::get<I>(rest))...),
                                                  std::forward<Last>(std::get<sizeof...(I)>(rest)));
}

}  // namespace detail

template <class Caps, class Source, class... Rest>
Task<> pipeline(const BasicCx<Caps>& cx, Source&& source, Rest&&... rest) {
  static_assert(sizeof...(Rest) > 0, "quiesce: pipeline(cx, source, stages..., sink) needs a sink");
  static_assert((detail::SurvivesAwait<Rest> && ...), QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                "quiesce: this context lacks the capability Spawn (cap::Spawn), which a pipeline needs");
  return detail::pipeline_of<Caps>(cx, std::forward<Source>(source),
                                   std::tuple<Rest...>(std::forward<Rest>(rest)...),
                                   std::make_index_sequence<sizeof...(Rest) - 1>());
}

}  // namespace quiesce
