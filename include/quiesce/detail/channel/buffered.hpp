#pragma once
// The tasks behind `buffered` (stream_tasks.hpp). One feeder pulls the source and starts the function's tasks; their handles go through
// the buffer in order, and whoever pulls joins them. They are tasks of the consumer's region, so no result is swept up before that.
#include <utility>

#include "quiesce/detail/channel/stream_tasks.hpp"
#include "quiesce/sync/semaphore.hpp"

namespace quiesce::detail {

template <class U, class E2, class T, class E, class F>
struct BufferedRun {
  using Handle = TaskHandle<U, E2>;

  StreamSource<T, E> source;
  F function;
  Semaphore room;
  Feed<Handle, E> feed;

  BufferedRun(StreamSource<T, E> from, F f, std::uint32_t n)
      : source(std::move(from)), function(std::move(f)), room(n), feed("buffered", n, 1) {}
};

template <class U, class E2, class T, class E, class F>
Task<void, E> start_functions(Cx cx, Scope<PanicsOnly> scope, BufferedRun<U, E2, T, E, F>* run) {
  using Handle = TaskHandle<U, E2>;
  auto stream = run->source.open(cx);
  for (;;) {
    auto place = co_await run->room.acquire(cx);
    auto value = co_await stream.next(cx);
    if (!value) co_return;
    Handle handle = co_await scope.spawn(cx, run->function, std::move(*value));
    co_await run->feed.push(cx, Outcome<Handle, E>::ok(std::move(handle)));
    place.forget();  // whoever joins it makes room again
  }
}
template <class U, class E2, class T, class E, class F>
Task<void, E> buffered_feeder(Cx cx, Scope<PanicsOnly> scope, BufferedRun<U, E2, T, E, F>* run) {
  auto fed = run_feeder(cx, &run->feed, start_functions(cx, scope, run));
  co_await std::move(fed);
}

template <class U, class E2, class T, class E, class F>
Stream<U, E> joined_values(Cx cx, BufferedRun<U, E2, T, E, F>* run) {
  for (;;) {
    auto node = co_await run->feed.pop(cx);
    if (node == nullptr) co_return;
    TaskHandle<U, E2> handle = co_await std::move(node->outcome);
    node.reset();
    U value = co_await handle.join(cx);
    run->room.add_permits(1);
    co_yield std::move(value);
  }
}

template <class R, class RE, class U, class T, class E, class CxType, class F, class Body>
Task<R, RE> run_buffered(CxType cx, StreamSource<T, E> source, std::uint32_t n, F function, Body body) {
  if (n == 0) co_await fail(no_buffering());
  using E2 = typename spawn_check<F, Cx, T>::error_type;
  using Run = BufferedRun<U, E2, T, E, F>;
  Run run(std::move(source), std::move(function), n);
  auto inside = [&](CxType inner, Scope<PanicsOnly>& scope) -> Task<R, RE> {
    (void)co_await scope.spawn_local(inner, buffered_feeder<U, E2, T, E, F>, scope, &run);
    auto consumed = consume<R, RE, U, E, CxType>(inner, scope.core(),
                                                 joined_values<U, E2, T, E, F>(Cx(inner.core()), &run), body);
    co_return co_await std::move(consumed);
  };
  auto all = region(cx, PanicsOnly(), inside);
  co_return co_await std::move(all);
}

}  // namespace quiesce::detail
