#pragma once
// buffered: a function of every value of a stream, some of them at a time, the results in order.
//
//   q::Task<Page> fetch(q::Cx cx, Url url);
//   auto keep = [&](q::Cx cx, q::Stream<Page>& pages) -> q::Task<> {
//     while (auto page = co_await pages.next(cx)) store(std::move(*page));
//   };
//   co_await q::buffered(cx, std::move(urls), 8, fetch, keep);
//
// At most n of the function's tasks have been started and not been pulled yet, so no value of the source is pulled before there is
// room for it. Each is a task of an inner region, on any worker (`spawn`: values and results are Sendable, the function captures
// nothing, or is wrapped by `unsafe_send`). The source is a Stream or a function Stream<T>(Cx), as for `merge`.
// The body is the consumer, and `buffered` returns when it and every task have ended; why, and what becomes of the rest, is as for
// `merge` (merge.hpp). A failure of a task, or of the source, comes in its place in the order. A panic is the outcome.
// Cancel-safety, refusals: as for `merge`; InvalidArgument for n = 0. Cost: a region, a task and an allocation for each value.
#include <cstdint>

#include "quiesce/detail/channel/buffered.hpp"

namespace quiesce {

template <class Caps, class Source, class F, class Body>
auto buffered(const BasicCx<Caps>& cx, Source&& source, std::uint32_t n, F&& f, Body&& body) {
  static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                "quiesce: this context lacks the capability Spawn (cap::Spawn), which buffered needs");
  static_assert(detail::SurvivesAwait<Source> && detail::SurvivesAwait<Body>,
                QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  using T = typename detail::StreamOf<Source>::value_type;
  using E = typename detail::StreamOf<Source>::error_type;
  using Function = std::decay_t<F>;
  using U = typename detail::spawn_check<Function, Cx, T>::value_type;
  using Consumer = std::invoke_result_t<Body&, BasicCx<Caps>, Stream<U, E>&>;
  return detail::run_buffered<typename Consumer::value_type, typename Consumer::error_type, U, T, E,
                              BasicCx<Caps>, Function, Body>(
      cx, StreamSource<T, E>(std::forward<Source>(source)), n, std::forward<F>(f), std::forward<Body>(body));
}

}  // namespace quiesce
