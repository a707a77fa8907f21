#pragma once
// for_each_concurrent, map_concurrent, map_reduce: a task for each item, at most so many at a time.
//
//   co_await q::for_each_concurrent(cx, files, 8, check, settings);     // Task<> check(q::Cx, File, Settings)
//   std::vector<int> sizes = co_await q::map_concurrent(cx, files, 8, size_of);          // in the order of the items
//   long total = co_await q::map_reduce(cx, files, size_of, std::plus<>(), 0L, 8);
//
// The tasks run in a region of their own, which has closed when the await returns: nothing outlives it. `f(cx, item, shared...)` becomes
// tasks, so f is a plain function or a captureless lambda (or in q::unsafe_send), the items, `shared...` (each task gets a copy) and
// the results are Sendable. The range is walked by one task, lazily: an item is taken when there is a place for it; it may be an lvalue,
// which then outlives the call, or is moved in. The first failure cancels the rest, which drains, and is the result (FailFast); what ended
// Ok before is destroyed. The reduction goes through the values in the order of the items, in one task, so it may capture and the result
// is the same in every run; values that came early wait for it.
// A cancel point. Cancelled while it waits, its tasks are cancelled and drained. Refuses: InvalidArgument for 0 at a time; as a spawn.
// Cost: a region, a task for each item.
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/detail/combinators/turnstile.hpp"
#include "quiesce/scope.hpp"

namespace quiesce {

namespace detail {

/// The value of one item, written by its task and read by the body once it is there.
template <class U>
struct MapSlot {
  std::optional<U> value;
  std::atomic<bool> is_there{false};  // release by the task, acquire by the body: they carry the value
};

template <class F, class CxType, class Item, class... Shared>
Task<> run_item(CxType cx, TurnstilePass, F* f, std::atomic<std::size_t>* done, Item item, Shared... shared) {
  auto task = (*f)(cx, std::move(item), std::move(shared)...);
  (void)co_await std::move(task);
  done->fetch_add(1, std::memory_order_relaxed);  // read once the region has closed
}
template <class U, class F, class CxType, class Item, class... Shared>
Task<> run_mapped(CxType cx, TurnstilePass, F* f, MapSlot<U>* slot, Item item, Shared... shared) {
  auto task = (*f)(cx, std::move(item), std::move(shared)...);
  U value = co_await std::move(task);
  slot->value.emplace(std::move(value));
  slot->is_there.store(true, std::memory_order_release);
}

/// An item of a range that was moved in, and owns what it holds, is moved on.
template <class Range>
inline constexpr bool gives_items =
    !std::is_reference_v<Range> && !std::ranges::view<std::remove_cvref_t<Range>>;
template <class Range>
using ItemOf = std::ranges::range_value_t<std::remove_reference_t<Range>>;
template <class Range, class Reference>
ItemOf<Range> take_item(Reference&& reference) {
  if constexpr (gives_items<Range>) {
    return ItemOf<Range>(std::move(reference));
  } else {
    return ItemOf<Range>(std::forward<Reference>(reference));
  }
}

/// The region has ended Ok, and yet a task has not: a request has reached that one alone.
inline Error item_cancelled(const char* what) {
  return Error(ErrorCode::ChildCancelled, std::string(what) + ": the task of an item was cancelled");
}
inline Error no_concurrency(const char* what) {
  return Error(ErrorCode::InvalidArgument, std::string(what) + ": at least one task at a time is needed");
}

template <class CxType, class Range, class F, class... Shared>
Task<> for_each_in(CxType cx, std::uint32_t at_most, Range range, F f, Shared... shared) {
  if (at_most == 0) co_await fail(no_concurrency("for_each_concurrent"));
  Turnstile turnstile("concurrency limit", at_most);
  std::size_t launched = 0;
  std::atomic<std::size_t> done = 0;
  auto body = [&](CxType own, Scope<>& scope) -> Task<> {
    for (auto&& item : range) {
      TurnstilePass pass = co_await turnstile.enter(own.core());
      ++launched;
      co_await scope.launch(own, run_item<F, CxType, ItemOf<Range>, Shared...>, std::move(pass), UnsafeSend(&f),
                            UnsafeSend(&done), UnsafeSend(take_item<Range>(item)), UnsafeSend(shared)...);
    }
  };
  auto region = run_region<void, Error, FailFast, CxType, decltype(body)&>(std::nullopt, cx, RegionOptions(),
                                                                           FailFast(), body);
  co_await std::move(region);
  if (done.load(std::memory_order_relaxed) != launched) co_await fail(item_cancelled("for_each_concurrent"));
}

template <class U, class CxType, class Range, class F, class... Shared>
Task<std::vector<U>> map_in(CxType cx, std::uint32_t at_most, Range range, F f, Shared... shared) {
  if (at_most == 0) co_await fail(no_concurrency("map_concurrent"));
  Turnstile turnstile("concurrency limit", at_most);
  std::deque<MapSlot<U>> slots;  // its elements stay where they are
  auto body = [&](CxType own, Scope<>& scope) -> Task<> {
    for (auto&& item : range) {
      TurnstilePass pass = co_await turnstile.enter(own.core());
      MapSlot<U>* slot = &slots.emplace_back();
      co_await scope.launch(own, run_mapped<U, F, CxType, ItemOf<Range>, Shared...>, std::move(pass),
                            UnsafeSend(&f), UnsafeSend(slot), UnsafeSend(take_item<Range>(item)),
                            UnsafeSend(shared)...);
    }
  };
  auto region = run_region<void, Error, FailFast, CxType, decltype(body)&>(std::nullopt, cx, RegionOptions(),
                                                                           FailFast(), body);
  co_await std::move(region);
  std::vector<U> values;
  values.reserve(slots.size());
  for (MapSlot<U>& slot : slots) {
    if (!slot.value) co_await fail(item_cancelled("map_concurrent"));
    values.push_back(std::move(*slot.value));
  }
  co_return values;
}

template <class U, class Result, class Reduce>
void reduce_ready(std::deque<MapSlot<U>>& slots, Result& so_far, Reduce& reduce) {
  while (!slots.empty() && slots.front().is_there.load(std::memory_order_acquire)) {
    so_far = reduce(std::move(so_far), std::move(*slots.front().value));
    slots.pop_front();
  }
}

template <class U, class CxType, class Range, class F, class Reduce, class Result>
Task<Result> map_reduce_in(CxType cx, std::uint32_t at_most, Range range, F f, Reduce reduce, Result so_far) {
  if (at_most == 0) co_await fail(no_concurrency("map_reduce"));
  Turnstile turnstile("concurrency limit", at_most);
  std::deque<MapSlot<U>> slots;
  auto body = [&](CxType own, Scope<>& scope) -> Task<> {
    for (auto&& item : range) {
      TurnstilePass pass = co_await turnstile.enter(own.core());
      reduce_ready(slots, so_far, reduce);
      MapSlot<U>* slot = &slots.emplace_back();
      co_await scope.launch(own, run_mapped<U, F, CxType, ItemOf<Range>>, std::move(pass), UnsafeSend(&f),
                            UnsafeSend(slot), UnsafeSend(take_item<Range>(item)));
    }
  };
  auto region = run_region<void, Error, FailFast, CxType, decltype(body)&>(std::nullopt, cx, RegionOptions(),
                                                                           FailFast(), body);
  co_await std::move(region);
  reduce_ready(slots, so_far, reduce);
  if (!slots.empty()) co_await fail(item_cancelled("map_reduce"));
  co_return so_far;
}

/// f becomes tasks: the rules of spawn.
template <class Caps, class Range, class F, class... Shared>
struct ConcurrentCall {
  static_assert(
      Holds<Caps::bits, cap::Spawn::bits>,
      "quiesce: this context lacks the capability Spawn (cap::Spawn), which a task for each item needs");
  static_assert(std::ranges::range<std::remove_reference_t<Range>>,
                "quiesce: this is no range: pass a container, or a view");
  using Check = spawn_check<F, BasicCx<Caps>, ItemOf<Range>, Shared...>;
  static_assert(Check::done);
  using value_type = typename Check::value_type;
};

template <class Value>
concept GivesValue = !std::is_void_v<Value>;

}  // namespace detail

template <class Caps, class Range, class F, class... Shared>
Task<> for_each_concurrent(const BasicCx<Caps>& cx, Range&& range, std::uint32_t at_most, F&& f,
                           Shared&&... shared) {
  static_assert(sizeof(detail::ConcurrentCall<Caps, Range, F, Shared...>) > 0);
  return detail::for_each_in<BasicCx<Caps>, Range, std::decay_t<F>, detail::received_t<Shared>...>(
      cx, at_most, std::forward<Range>(range), std::forward<F>(f),
      detail::receive_argument(std::forward<Shared>(shared))...);
}

/// The values, in the order of the items.
template <class Caps, class Range, class F, class... Shared>
auto map_concurrent(const BasicCx<Caps>& cx, Range&& range, std::uint32_t at_most, F&& f, Shared&&... shared) {
  using U = typename detail::ConcurrentCall<Caps, Range, F, Shared...>::value_type;
  static_assert(detail::GivesValue<U>,
                "quiesce: map_concurrent needs a function that gives a value; use for_each_concurrent");
  return detail::map_in<U, BasicCx<Caps>, Range, std::decay_t<F>, detail::received_t<Shared>...>(
      cx, at_most, std::forward<Range>(range), std::forward<F>(f),
      detail::receive_argument(std::forward<Shared>(shared))...);
}

/// reduce(reduce(init, first), second)…, of the values of `map` in the order of the items.
template <class Caps, class Range, class F, class Reduce, class Result>
auto map_reduce(const BasicCx<Caps>& cx, Range&& range, F&& map, Reduce reduce, Result init,
                std::uint32_t at_most) {
  using U = typename detail::ConcurrentCall<Caps, Range, F>::value_type;
  static_assert(detail::GivesValue<U>, "quiesce: map_reduce needs a function that gives a value");
  return detail::map_reduce_in<U, BasicCx<Caps>, Range, std::decay_t<F>, Reduce, Result>(
      cx, at_most, std::forward<Range>(range), std::forward<F>(map), std::move(reduce), std::move(init));
}

}  // namespace quiesce
