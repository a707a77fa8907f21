#pragma once
// The generators behind the combinators of stream.hpp. Each owns the stream that it pulls.
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/stream.hpp"

namespace quiesce::detail {

template <class R>
struct awaited {
  using type = R;
};
template <class T, class E>
struct awaited<Task<T, E>> {
  using type = T;
};
/// What a function gives, directly or by a Task.
template <class F, class... Args>
using AwaitedResult = typename awaited<std::invoke_result_t<F, Args...>>::type;

template <class T, class E, class F>
Stream<std::decay_t<AwaitedResult<F&, T>>, E> map_stream(Stream<T, E> source, F f) {
  while (auto value = co_await source.detail_next()) {
    if constexpr (is_task<std::invoke_result_t<F&, T>>) {
      auto task = f(std::move(*value));
      auto mapped = co_await std::move(task);
      co_yield std::move(mapped);
    } else {
      co_yield f(std::move(*value));
    }
  }
}

template <class T, class E, class F>
Stream<T, E> filter_stream(Stream<T, E> source, F keeps) {
  while (auto value = co_await source.detail_next()) {
    bool kept = false;
    if constexpr (is_task<std::invoke_result_t<F&, const T&>>) {
      auto task = keeps(std::as_const(*value));
      kept = co_await std::move(task);
    } else {
      kept = static_cast<bool>(keeps(std::as_const(*value)));
    }
    if (kept) co_yield std::move(*value);
  }
}

template <class T, class E>
Stream<T, E> take_stream(Stream<T, E> source, std::size_t n) {
  for (; n > 0; --n) {
    auto value = co_await source.detail_next();
    if (!value) co_return;
    co_yield std::move(*value);
  }
}

template <class T, class E>
Stream<T, E> skip_stream(Stream<T, E> source, std::size_t n) {
  while (auto value = co_await source.detail_next()) {
    if (n > 0) {
      --n;
    } else {
      co_yield std::move(*value);
    }
  }
}

template <class T, class E>
Stream<std::vector<T>, E> chunk_stream(Stream<T, E> source, std::size_t n) {
  if (n == 0) co_await fail(ErrorCode::InvalidArgument, "Stream::chunks(0): a chunk has one element at least");
  std::vector<T> chunk;
  while (auto value = co_await source.detail_next()) {
    chunk.push_back(std::move(*value));
    if (chunk.size() == n) co_yield std::exchange(chunk, {});
  }
  if (!chunk.empty()) co_yield std::move(chunk);
}

template <class T, class E, class A, class F>
Task<A, E> fold_stream(Stream<T, E> source, Cx cx, A folded, F f) {
  while (auto value = co_await source.next(cx)) {
    if constexpr (is_task<std::invoke_result_t<F&, A, T>>) {
      auto task = f(std::move(folded), std::move(*value));
      folded = co_await std::move(task);
    } else {
      folded = f(std::move(folded), std::move(*value));
    }
  }
  co_return std::move(folded);
}

template <class T, class E, class F>
Task<void, E> for_each_in_stream(Stream<T, E> source, Cx cx, F f) {
  while (auto value = co_await source.next(cx)) {
    if constexpr (is_task<std::invoke_result_t<F&, T>>) {
      auto task = f(std::move(*value));
      co_await std::move(task);
    } else {
      f(std::move(*value));
    }
  }
}

template <class T, class U, class E>
Stream<std::pair<T, U>, E> zip_streams(Stream<T, E> first, Stream<U, E> second) {
  while (auto left = co_await first.detail_next()) {
    auto right = co_await second.detail_next();
    if (!right) co_return;
    co_yield std::pair<T, U>(std::move(*left), std::move(*right));
  }
}

template <class T, class Range>
Stream<T> stream_of_range(Range range) {
  for (auto&& element : range) co_yield std::move(element);
}

template <class T, class Receiver>
Stream<T> stream_of_receiver(Receiver receiver) {
  for (;;) {
    const Cx cx = co_await OwnContext();  // each time: another task may pull
    auto received = co_await receiver.recv(cx);
    if (!received) co_return;
    co_yield std::move(*received);
  }
}

/// Not a template: src/channel/stream.cpp.
Stream<Time> stream_of_ticks(Cx cx, Duration period);

}  // namespace quiesce::detail
