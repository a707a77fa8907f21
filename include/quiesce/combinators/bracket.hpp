#pragma once
// bracket: acquire, use, and release in any case.
//
//   auto open = [&](q::Cx cx) -> q::Task<File> { … };
//   auto copy = [&](q::Cx cx, File& file) -> q::Task<int> { … };
//   auto close = [&](q::Cx cx, File& file) -> q::Task<> { … };
//   int bytes = co_await q::bracket(cx, open, copy, close);
//
// `release` runs exactly once if `acquire` has ended Ok, else not at all: after `use` has ended, whether Ok, Err, Cancelled, by an
// exception, or torn down because it ignored a request too long (C10). It runs masked, as an async finalizer, within the clean-up budget of
// the request, if there is one (C7, F2): when that is spent it is itself asked to stop. When the await returns it has ended.
// The result is that of `use`; a failure of `release` is added to it, the worse one standing, the other attached (O2).
// `acquire` is not masked: cancelled, it has nothing to release. There is no cancel point between its end and the beginning of `use`.
// The three may capture: they have ended when the await returns. They run in a region of their own, `use` as its body:
// use(cx, resource) or use(cx, scope, resource), and what it spawns there has ended before `release` begins.
// A cancel point where acquire and use are. Refuses: as `region`. Cost: a region and a task more.
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/scope.hpp"

namespace quiesce {

namespace detail {

template <class F, class CxType, class R>
auto call_use(F& use, const CxType& cx, [[maybe_unused]] Scope<>& scope, R& resource) {
  if constexpr (std::invocable<F&, CxType, Scope<>&, R&>) {
    return use(cx, scope, resource);
  } else {
    return use(cx, resource);
  }
}

template <class CxType, class Acquire, class Use, class Release>
struct BracketCall {
  static_assert(SurvivesAwait<Acquire> && SurvivesAwait<Use> && SurvivesAwait<Release>,
                QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  template <class F>
  using Bare = std::remove_reference_t<F>&;
  using Acquired = call_result_t<Bare<Acquire>, CxType>;
  static_assert(ReturnsTask<Acquired>, "quiesce: bracket: `acquire` must be callable as Task<R>(quiesce::Cx)");
  using Resource = typename task_parts<Acquired>::value_type;
  static_assert(!std::is_void_v<Resource>, "quiesce: bracket: `acquire` must give what is used and released");
  static constexpr bool usable =
      std::invocable<Bare<Use>, CxType, Scope<>&, Resource&> || std::invocable<Bare<Use>, CxType, Resource&>;
  static_assert(usable,
                "quiesce: bracket: `use` must be callable as Task<T>(quiesce::Cx, R&) or "
                "Task<T>(quiesce::Cx, quiesce::Scope<>&, R&)");
  static_assert(std::invocable<Bare<Release>, Cx, Resource&>,
                "quiesce: bracket: `release` must be callable as Task<>(quiesce::Cx, R&)");
  using Used = decltype(call_use(std::declval<Bare<Use>>(), std::declval<const CxType&>(),
                                 std::declval<Scope<>&>(), std::declval<Resource&>()));
  static_assert(ReturnsTask<Used>, "quiesce: bracket: `use` must return a quiesce::Task");
  using value_type = typename task_parts<Used>::value_type;
  using error_type = typename task_parts<Used>::error_type;
};

/// An exception of the function itself counts as one of its task.
template <class F>
Task<> release_once(Cx cx, F& call) {
  auto task = call(cx);
  (void)co_await std::move(task);
}

template <class T, class E, class R, class CxType, class Acquire, class Use, class Release>
Task<T, E> bracket_in(CxType cx, Acquire acquire, Use use, Release release) {
  std::optional<R> resource;  // outlives the region, whose finalizer releases it
  std::optional<Outcome<>> released;
  auto call_release = [&](Cx own) { return release(own, *resource); };
  auto finalize = [&](Cx own) -> Task<> {
    if (!resource) co_return;
    auto task = release_once(own, call_release);
    Outcome<> ended = co_await std::move(task).outcome();
    released.emplace(std::move(ended));
  };
  auto body = [&](CxType own, Scope<>& scope) -> Task<T, E> {
    co_await scope.defer_async(
        finalize);  // while there is nothing yet: a region that was cancelled takes no finalizer
    auto acquiring = acquire(own);
    R acquired = co_await std::move(acquiring);
    resource.emplace(std::move(acquired));
    auto using_it = call_use(use, own, scope, *resource);
    Outcome<T, E> used = co_await std::move(using_it).outcome();
    FinishWith<T, E> finish(std::move(used));
    co_await std::move(finish);
  };
  auto region =
      run_region<T, E, FailFast, CxType, decltype(body)&>(std::nullopt, cx, RegionOptions(), FailFast(), body);
  Outcome<T, E> ended = co_await std::move(region).outcome();
  if (released && !released->is_ok()) {
    auto failure = std::move(*released).template failure_as<T, E>();
    ended = ended.is_ok() ? std::move(failure) : std::move(ended).join(std::move(failure));
  }
  FinishWith<T, E> finish(std::move(ended));
  co_await std::move(finish);
}

}  // namespace detail

template <class Caps, class Acquire, class Use, class Release>
auto bracket(const BasicCx<Caps>& cx, Acquire&& acquire, Use&& use, Release&& release) {
  using Call = detail::BracketCall<BasicCx<Caps>, Acquire, Use, Release>;
  return detail::bracket_in<typename Call::value_type, typename Call::error_type, typename Call::Resource,
                            BasicCx<Caps>, Acquire, Use, Release>(
      cx, std::forward<Acquire>(acquire), std::forward<Use>(use), std::forward<Release>(release));
}

}  // namespace quiesce
