#pragma once
// merge: the values of several streams as one, in the order in which they come.
//
//   auto news = [](q::Cx cx) -> q::Stream<Item> { … };
//   auto mail = [](q::Cx cx) -> q::Stream<Item> { … };
//   auto show = [](q::Cx cx, q::Stream<Item>& items) -> q::Task<int> {
//     int shown = 0;
//     while (auto item = co_await items.next(cx)) shown += print(*item);
//     co_return shown;
//   };
//   int shown = co_await q::merge(cx, q::sources(news, mail), show);
//
// Each source runs in a task of an inner region, and fills a buffer of `capacity` values that they share (16; a full one makes them
// wait). The body is the consumer. That is why merge takes one instead of giving a Stream: the tasks behind a Stream would have to be
// waited for by its destructor, which cannot wait; so `merge` returns when the body *and* every source have ended.
// When the body has ended Ok, the sources are asked to stop (RaceLost) and drained; what they had made and nobody pulled is dropped.
// The result is the body's. The Err of a source comes behind its values, as a failure of the body's stream: it ends the body, which may
// look at it by `next(cx).outcome()`. A panic of a source cancels the body, and is the outcome.
// A source is a Stream that uses no context of another task (`from_range`, `from_receiver`), or a function Stream<T>(Cx), called in the
// task that pulls it. The tasks are local (`spawn_local`): all on the worker of the body, and what they borrow must outlive the await.
// Order: that of each source is kept; between sources first come, first served. Cancel-safety: a request reaches the body and the
// sources, all of which have ended when the await returns (R6). Refuses: as `region` and `spawn_local` do.
// Cost: a region, a task for each source, one allocation for each value.
#include <cstdint>

#include "quiesce/detail/channel/stream_tasks.hpp"

namespace quiesce {

template <class Caps, class T, class E, class Body>
auto merge(const BasicCx<Caps>& cx, std::vector<StreamSource<T, E>> from, Body&& body,
           std::uint32_t capacity = 16) {
  static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                "quiesce: this context lacks the capability Spawn (cap::Spawn), which merge needs");
  static_assert(detail::SurvivesAwait<Body>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  using Consumer = std::invoke_result_t<Body&, BasicCx<Caps>, Stream<T, E>&>;
  return detail::run_merge<typename Consumer::value_type, typename Consumer::error_type, T, E, BasicCx<Caps>,
                           Body>(cx, std::move(from), std::forward<Body>(body), capacity);
}
template <class Caps, class T, class E, class Body>
auto merge(const BasicCx<Caps>& cx, std::vector<Stream<T, E>> streams, Body&& body,
           std::uint32_t capacity = 16) {
  std::vector<StreamSource<T, E>> from;
  from.reserve(streams.size());
  for (Stream<T, E>& stream : streams) from.emplace_back(std::move(stream));
  return merge(cx, std::move(from), std::forward<Body>(body), capacity);
}

}  // namespace quiesce
