#pragma once
// Stream<T, E>: values that come one after another, made by a coroutine that may wait in between.
//
//   q::Stream<std::string> lines(q::Cx cx, File file) {
//     while (auto line = co_await file.read_line(cx)) co_yield std::move(*line);
//   }
//   auto source = lines(cx, std::move(file));
//   while (auto line = co_await source.next(cx)) use(*line);
//
// The generator may await whatever a Task may. It runs only while it is pulled, as a part of the task that pulls it: no task of its
// own, no thread, no buffer. `co_yield v` makes a T of v (copied or moved as v is), gives it to whoever pulls, and suspends.
// `next` gives std::optional<T>: nullopt when the generator has ended, and from then on. A failure of the generator – Err, Cancelled,
// an exception – ends the awaiting coroutine as that of an awaited Task does (O4); `next(cx).outcome()` shows it. It is shown once;
// the stream has then ended.
// Cancel-safety: `next` is a cancel point. A request that it refuses by itself leaves the stream as it was. One that ends a wait
// within the generator unwinds the generator, its destructors first, then whoever pulls. A Stream that is destroyed between two pulls
// destroys its generator where it stands: destructors run, nothing is awaited, so a generator holds only what a destructor may give back.
// Lifetimes: a generator's parameters live in it: it takes by value, or references to what outlives the stream. The context that it
// is given must be that of the task that pulls it. A stream may be passed on to another task between two pulls, if its generator
// uses no context, such as `from_range` and `from_receiver`; it is not sendable, since its frame cannot be seen: `spawn_local`, or
// your word for it (`unsafe_send`). Thread-safety: none.
// Move-only; not moved or destroyed while it is pulled (asserted). Refuses: ForeignContext, StaleContext; EmptyTask when it was moved
// from; InvalidArgument when it is being pulled already.
// Cost: one frame from the pool; a `next` and its `co_yield` are two steps of the loop, with constant stack however deeply streams are
// nested (destroying them between two pulls takes stack for each, as for any nested objects). Each counts as an await: a consumer
// that is never short of values gives way (H4).
// g++ 12: `co_yield Aggregate{…}` is like `co_await f(Aggregate{…})` (docs/compilers.md): name the value, and yield std::move(name).
//
// Combinators consume the stream, and run in the task that pulls what they give:
//   std::move(s).map(f)  .filter(p)  .take(n)  .skip(n)  .chunks(n)      another Stream
//   co_await std::move(s).fold(cx, init, f)   co_await std::move(s).for_each(cx, f)
//   q::zip(a, b)
// A function may return a Task of what it would return, which is awaited. Nothing is pulled ahead: `take(n)` pulls n times.
// For several tasks – `merge`, `buffered` – see merge.hpp.
// Sources: any coroutine; q::from_range(container), q::from_receiver(rx), q::ticks(cx, period).
#include <concepts>
#include <cstddef>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/cx.hpp"
#include "quiesce/detail/channel/stream_promise.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

template <class T, class E>
class [[nodiscard]] Stream {
  static_assert(
      detail::MovableObject<T>,
      "quiesce: Stream<T>: T must be an object type that can be moved; for a reference use a pointer");

 public:
  using promise_type = detail::Promise<detail::StreamEnd<T>, E>;
  using value_type = T;
  using error_type = E;

  Stream(Stream&& other) noexcept : home_(other.leave()) {}
  Stream& operator=(Stream&& other) noexcept {
    Stream gone(std::move(*this));
    home_ = other.leave();
    return *this;
  }
  ~Stream() {
    const detail::StreamHome home = leave();
    if (home.generator != nullptr) detail::destroy_frame(*home.generator);
  }

  template <class Caps>
  Next<T, E> next(const BasicCx<Caps>& cx) & {
    return Next<T, E>(&home_, cx.core());
  }
  template <class Caps>
  Next<T, E> next(const BasicCx<Caps>&) && {
    static_assert(!std::same_as<Caps, Caps>,
                  "quiesce: next of a temporary stream gives one value and drops the rest: name the stream");
    return Next<T, E>(nullptr, {});
  }
  /// False once it has ended or was moved from.
  explicit operator bool() const noexcept {
    return home_.place == detail::StreamPlace::Home || home_.place == detail::StreamPlace::Pulled;
  }

  /// f(T) -> U.
  template <class F>
  auto map(F&& f) &&;
  /// Those for which p(const T&) holds.
  template <class F>
  Stream filter(F&& p) &&;
  /// The first n at most.
  Stream take(std::size_t n) &&;
  /// All but the first n.
  Stream skip(std::size_t n) &&;
  /// n at a time; the last may be fewer. What of a chunk had come when the stream fails is dropped.
  Stream<std::vector<T>, E> chunks(std::size_t n) &&;
  /// f(f(init, first), second)…
  template <class Caps, class A, class F>
  Task<A, E> fold(const BasicCx<Caps>& cx, A init, F&& f) &&;
  template <class Caps, class F>
  Task<void, E> for_each(const BasicCx<Caps>& cx, F&& f) &&;

  /// For the library's own generators: pulled by whatever task runs them.
  Next<T, E> detail_next() { return Next<T, E>(&home_, {}); }

 private:
  friend promise_type;
  explicit Stream(promise_type* generator) noexcept : home_{generator, detail::StreamPlace::Home} {}
  detail::StreamHome leave() noexcept {
    QUIESCE_ASSERT(home_.place != detail::StreamPlace::Pulled || home_.generator != nullptr,
                   "a stream stays where it is while it is pulled");
    if (home_.generator != nullptr) static_cast<promise_type*>(home_.generator)->home = nullptr;
    return std::exchange(home_, {});
  }

  detail::StreamHome home_;
};

template <class T, class E>
Stream<T, E> detail::Promise<detail::StreamEnd<T>, E>::get_return_object() noexcept {
  return Stream<T, E>(this);
}

template <class T, class E>
inline constexpr bool enable_sendable<Stream<T, E>> = false;

}  // namespace quiesce

#include "quiesce/detail/channel/stream_combinators.hpp"

namespace quiesce {

template <class T, class E>
template <class F>
auto Stream<T, E>::map(F&& f) && {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return detail::map_stream<T, E, std::decay_t<F>>(std::move(*this), std::forward<F>(f));
}
template <class T, class E>
template <class F>
Stream<T, E> Stream<T, E>::filter(F&& p) && {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return detail::filter_stream<T, E, std::decay_t<F>>(std::move(*this), std::forward<F>(p));
}
template <class T, class E>
Stream<T, E> Stream<T, E>::take(std::size_t n) && {
  return detail::take_stream(std::move(*this), n);
}
template <class T, class E>
Stream<T, E> Stream<T, E>::skip(std::size_t n) && {
  return detail::skip_stream(std::move(*this), n);
}
template <class T, class E>
Stream<std::vector<T>, E> Stream<T, E>::chunks(std::size_t n) && {
  return detail::chunk_stream(std::move(*this), n);
}
template <class T, class E>
template <class Caps, class A, class F>
Task<A, E> Stream<T, E>::fold(const BasicCx<Caps>& cx, A init, F&& f) && {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return detail::fold_stream<T, E, A, std::decay_t<F>>(std::move(*this), Cx(cx.core()), std::move(init),
                                                       std::forward<F>(f));
}
template <class T, class E>
template <class Caps, class F>
Task<void, E> Stream<T, E>::for_each(const BasicCx<Caps>& cx, F&& f) && {
  static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  return detail::for_each_in_stream<T, E, std::decay_t<F>>(std::move(*this), Cx(cx.core()), std::forward<F>(f));
}

/// Pairs, until one of the two has ended; what the other had given for that pair is dropped.
template <class T, class U, class E>
Stream<std::pair<T, U>, E> zip(Stream<T, E> first, Stream<U, E> second) {
  return detail::zip_streams(std::move(first), std::move(second));
}

/// The elements of a container that the stream owns.
template <std::ranges::input_range Range>
auto from_range(Range range) {
  return detail::stream_of_range<std::ranges::range_value_t<Range>, Range>(std::move(range));
}

/// What comes out of a receiver – anything with `recv(cx)` that gives an optional – until that is nullopt. It owns the receiver.
template <class Receiver>
auto from_receiver(Receiver receiver) {
  using Received = typename decltype(receiver.recv(std::declval<const Cx&>()))::value_type;
  return detail::stream_of_receiver<typename Received::value_type, Receiver>(std::move(receiver));
}

/// The times start + period, start + 2 periods, …, each not before it has come, where start is the time of the first pull. Those that
/// have passed while nobody pulled are left out, but for the latest. `period` must be positive (InvalidArgument).
template <class Caps>
Stream<Time> ticks(const BasicCx<Caps>& cx, Duration period) {
  static_assert(detail::Holds<Caps::bits, cap::Time::bits>,
                "quiesce: this context lacks the capability Time (cap::Time), which ticks needs");
  return detail::stream_of_ticks(Cx(cx.core()), period);
}

}  // namespace quiesce
