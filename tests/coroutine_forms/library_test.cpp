// The library's own types, braced and not, in awaited expressions; spawned tasks and their handles; regions.
#include <expected>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <quiesce/capabilities.hpp>
#include <quiesce/panic_isolation.hpp>

#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

// ---- no type that is written inside an await is an aggregate with members that g++ 12 would copy bit by bit ----
// (RuntimeStats, PanicContext, Snapshot and the like are read, not written; Capabilities goes to the builder of a runtime.)

template <class T>
concept SurvivesBraces = !std::is_aggregate_v<T> || std::is_trivially_copyable_v<T>;

static_assert(SurvivesBraces<q::Error> && SurvivesBraces<q::Outcome<>> &&
              SurvivesBraces<q::Outcome<std::string>>);
static_assert(SurvivesBraces<q::CancelReason> && SurvivesBraces<q::RegionOrigin> &&
              SurvivesBraces<q::TaskOrigin>);
static_assert(SurvivesBraces<q::CleanupBudget> && SurvivesBraces<q::CauseLimits> && SurvivesBraces<q::Budget>);
static_assert(SurvivesBraces<q::PanicPayload> && SurvivesBraces<q::AttachedFailure> &&
              SurvivesBraces<q::BadOutcomeAccess>);
static_assert(SurvivesBraces<q::RegionLimits> && SurvivesBraces<q::RegionOptions> &&
              SurvivesBraces<q::UsageError>);
static_assert(SurvivesBraces<q::SpawnError> && SurvivesBraces<q::RegionError> &&
              SurvivesBraces<q::ChildFailure>);
static_assert(SurvivesBraces<q::Fail<q::Error>> && SurvivesBraces<q::Cancelled> &&
              SurvivesBraces<q::Started<std::string>>);
static_assert(SurvivesBraces<q::TaskHandle<std::string>> && SurvivesBraces<q::Join<std::string, q::Error>> &&
              SurvivesBraces<q::Task<>>);
static_assert(SurvivesBraces<q::Cx> && SurvivesBraces<q::Scope<>> && SurvivesBraces<q::Sleep> &&
              SurvivesBraces<q::Yield>);
static_assert(SurvivesBraces<q::FailFast> && SurvivesBraces<q::CollectAll> &&
              SurvivesBraces<q::RRef<std::string>>);
static_assert(SurvivesBraces<q::UnsafeSend<std::string>> && SurvivesBraces<q::Time> &&
              SurvivesBraces<q::LogicalId>);
static_assert(SurvivesBraces<q::LogicalPath> && SurvivesBraces<q::PanicIsolationConfig> &&
              SurvivesBraces<q::NodeId>);
static_assert(SurvivesBraces<q::PanicLocation> && SurvivesBraces<q::SkipReason>);

// ---- failures ----

FORM(fail_with_a_braced_error) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) co_await q::fail(q::Error{q::ErrorCode::User, "the form failed"});
  co_return value;
}
FORM(fail_with_code_and_text) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) co_await q::fail(q::ErrorCode::User, "the form failed");
  co_return value;
}
FORM(fail_braced) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) co_await q::Fail<q::Error>{q::Error{"the form failed"}};
  co_return value;
}
FORM(fail_with_a_context) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) {
    co_await q::fail(
        q::Error{q::ErrorCode::User, "the form failed"}.with_context("key", std::string(100, 'x')));
  }
  co_return value;
}
FORM(cancelled_braced) {
  struct Inner {
    static q::Task<int> end(At here) {
      int value = co_await leaf(here.end.how == How::Unasked ? here.fine() : here);
      if (here.end.how == How::Unasked) co_await q::Cancelled{q::CancelReason::user("the form was cancelled")};
      co_return value;
    }
  };
  co_return co_await Inner::end(at);
}
FORM(cancelled_with_a_reason_of_many_parts) {
  struct Inner {
    static q::Task<int> end(At here) {
      int value = co_await leaf(here.end.how == How::Unasked ? here.fine() : here);
      if (here.end.how == How::Unasked) {
        co_await q::cancelled(q::CancelReason::user("the form was cancelled")
                                  .with_cause(q::CancelReason::shutdown("the cause"), q::CauseLimits{4, 1000}));
      }
      co_return value;
    }
  };
  co_return co_await Inner::end(at);
}

// ---- outcomes and expected ----

FORM(outcome_prvalue) { co_return co_await outcome_of(at); }
FORM(outcome_braced) { co_return co_await leaf(at) + co_await q::Outcome<int>{0}; }
FORM(outcome_of_an_object_braced) { co_return (co_await q::Outcome<Probe>{Probe{co_await leaf(at)}}).value(); }
FORM(outcome_named_and_moved) {
  auto outcome = outcome_of(at);
  co_return co_await std::move(outcome);
}
FORM(outcome_named_and_copied) {
  auto outcome = outcome_of(at);
  int value = co_await outcome;
  co_return value + static_cast<int>(outcome.is_err());
}
FORM(outcome_mapped) {
  auto task = leaf(at);
  auto outcome = co_await std::move(task).outcome();
  auto to_probe = [](int value) { return Probe(value); };
  co_return (co_await std::move(outcome).map(to_probe)).value();
}
FORM(outcome_panicked_braced) {
  int value = co_await leaf(at.end.how == How::Exception ? at.fine() : at);
  if (at.end.how == How::Exception) co_await q::Outcome<int>::panicked(q::PanicPayload{"the form threw"});
  co_return value;
}
FORM(outcome_err_braced) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) co_await q::Outcome<Probe>::err(q::Error{q::ErrorCode::User, "the form failed"});
  co_return value;
}
FORM(outcome_of_a_task) {
  q::Outcome<int> outcome = co_await leaf(at).outcome();
  co_return co_await std::move(outcome);
}
FORM(outcome_of_a_task_at_once) { co_return co_await co_await leaf(at).outcome(); }
FORM(outcome_of_a_task_with_objects) {
  q::Outcome<Lone> outcome = co_await lone_leaf(at).outcome();
  Lone lone = co_await std::move(outcome);
  co_return lone.value();
}
FORM(outcome_of_a_named_task) {
  auto task = take_both(at, Probe(40), Lone(2));
  co_return co_await co_await std::move(task).outcome();
}
FORM(outcome_awaiter_in_a_variable) {
  auto observed = take_both(at, Probe(40), Lone(2)).outcome();
  q::Outcome<int> outcome = co_await std::move(observed);
  co_return co_await std::move(outcome);
}
FORM(outcome_awaiter_never_awaited) {
  auto observed = take_both(at, Probe(40), Lone(2)).outcome();
  co_return co_await leaf(at);
}
FORM(outcome_in_a_condition) {
  Probe bystander(42);
  if (auto outcome = co_await leaf(at).outcome(); outcome.is_ok()) {
    co_return bystander.value();
  } else {
    co_return co_await std::move(outcome);
  }
}
FORM(expected_of_a_value) {
  std::expected<Probe, q::Error> expected(Probe(co_await leaf(at)));
  co_return (co_await std::move(expected)).value();
}
FORM(expected_temporary) {
  co_return (co_await std::expected<Probe, q::Error>(Probe(co_await leaf(at)))).value();
}
FORM(expected_error) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) co_await std::expected<int, q::Error>(std::unexpected(the_error()));
  co_return value;
}
FORM(expected_error_in_place) {
  int value = co_await leaf(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err)
    co_await std::expected<void, q::Error>{std::unexpect, q::ErrorCode::User, "the form failed"};
  co_return value;
}
FORM(expected_void) {
  co_await std::expected<void, q::Error>();
  co_return co_await leaf(at);
}

// ---- an error type of one's own ----

class Own {
 public:
  explicit Own(int number) : number_(number) {}
  explicit Own(const q::Error& error) : number_(0), error_(error) {}
  operator q::Error() const { return number_.value() == 7 ? the_error() : error_; }

 private:
  Probe number_;
  q::Error error_;
};
q::Task<Probe, Own> own_leaf(At at) {
  co_await ending(at.end.how == How::Err ? at.fine() : at);
  if (at.end.how == How::Err) co_await q::fail(Own(7));
  co_return Probe(42);
}
q::Task<int, Own> own_outer(At at) { co_return (co_await own_leaf(at)).value(); }
FORM(own_error_is_converted) { co_return co_await own_outer(at); }
FORM(own_error_is_observed) {
  q::Outcome<Probe, Own> outcome = co_await own_leaf(at).outcome();
  co_return (co_await q::Outcome<Probe>(std::move(outcome))).value();
}
FORM(own_error_of_an_expected) {
  struct Inner {
    static q::Task<int, Own> end(At here) {
      co_await ending(here.end.how == How::Err ? here.fine() : here);
      if (here.end.how == How::Err) co_await std::expected<int, Own>(std::unexpect, 7);
      co_return 42;
    }
  };
  co_return co_await Inner::end(at);
}

// ---- the context ----

FORM(sleep_of_nothing) {
  co_await at.cx.sleep(q::Duration{});
  co_return co_await leaf(at);
}
FORM(sleep_until_now) {
  co_await at.cx.sleep_until(at.cx.now());
  co_return co_await leaf(at);
}
FORM(sleep_that_is_observed) {
  q::Outcome<> slept = co_await at.cx.sleep(std::chrono::nanoseconds{1}).outcome();
  co_return slept.is_ok() ? co_await leaf(at) : 0;
}
FORM(yield_named) {
  auto yield = at.cx.yield();
  co_await yield;
  co_return co_await leaf(at);
}
FORM(checkpoint) {
  co_await at.cx.checkpoint();
  co_return co_await leaf(at);
}
FORM(narrowed_context) {
  struct Inner {
    static q::Task<int> work(q::BasicCx<q::cap::Time> narrow, At here) {
      co_await narrow.sleep(q::Duration{});
      co_return co_await leaf(here);
    }
  };
  co_return co_await Inner::work(at.cx.restrict<q::cap::Time>(), at);
}
FORM(narrowed_context_braced) {
  struct Inner {
    static q::Task<int> work(q::BasicCx<q::cap::None> narrow, At here) {
      co_await narrow.yield();
      co_return co_await leaf(here);
    }
  };
  co_return co_await Inner::work(q::BasicCx<q::cap::None>{at.cx}, at);
}
FORM(under_a_mask) {
  auto mask = std::make_optional<std::pair<int, int>>(40, 2);
  {
    auto guard = at.cx.mask();
    co_await at.cx.yield();
  }
  int value = co_await leaf(at);
  co_return value == mask->first + mask->second ? value : 0;
}

// ---- spawned tasks and handles ----

q::Task<int> spawned(q::Cx cx, At at) { co_return co_await leaf(at.with(cx)); }
q::Task<int> spawned_with(q::Cx cx, At at, Probe probe, Lone lone) {
  co_await ending(at.with(cx));
  co_return probe.value() + lone.value();
}

FORM(spawn_and_join) {
  auto handle = co_await at.scope.spawn(at.cx, spawned, at);
  co_return co_await handle.join(at.cx);
}
FORM(spawn_and_join_in_one) { co_return co_await (co_await at.scope.spawn(at.cx, spawned, at)).join(at.cx); }
FORM(spawn_with_objects) {
  auto handle = co_await at.scope.spawn(at.cx, spawned_with, at, Probe(40), Lone(2));
  co_return co_await handle.join(at.cx);
}
FORM(spawn_with_braced_objects) {
  auto handle = co_await at.scope.spawn(at.cx, spawned_with, at, Probe{30, 10}, Lone{2});
  co_return co_await handle.join(at.cx);
}
FORM(spawn_a_lambda) {
  auto handle = co_await at.scope.spawn(
      at.cx,
      [](q::Cx cx, At here, Probe probe) -> q::Task<int> {
        co_await ending(here.with(cx));
        co_return probe.value();
      },
      at, Probe(42));
  co_return co_await handle.join(at.cx);
}
FORM(spawn_an_unsafe_closure_named) {
  Probe probe(42);
  auto work = [probe, at](q::Cx cx) -> q::Task<int> {
    co_await ending(at.with(cx));
    co_return probe.value();
  };
  auto handle = co_await at.scope.spawn(at.cx, q::unsafe_send(work));
  co_return co_await handle.join(at.cx);
}
FORM(spawn_an_unsafe_closure_move_only) {
  auto work = [lone = Lone(42), at](q::Cx cx) -> q::Task<int> {
    co_await ending(at.with(cx));
    co_return lone.value();
  };
  auto handle = co_await at.scope.spawn(at.cx, q::UnsafeSend(std::move(work)));
  co_return co_await handle.join(at.cx);
}
FORM(spawn_local_named_closure) {
  auto work = [lone = Lone(42), at](q::Cx cx) -> q::Task<int> {
    co_await ending(at.with(cx));
    co_return lone.value();
  };
  auto handle = co_await at.scope.spawn_local(at.cx, q::UnsafeSend(std::move(work)));
  co_return co_await handle.join(at.cx);
}
FORM(spawn_local_temporary_that_borrows) {
  struct Inner {
    static q::Task<int> outer(At here) {
      auto held = std::make_shared<const Probe>(
          42);  // outlives the region: the closure below is only asked before its end
      auto handle = co_await here.scope.spawn_local(
          here.cx, [here](q::Cx cx) -> q::Task<int> { return leaf(here.with(cx)); });
      int value = co_await handle.join(here.cx);
      co_return value - 42 + held->value();
    }
  };
  co_return co_await Inner::outer(at);
}
FORM(spawn_blocking) {
  auto work = [](q::Cx, Probe probe, How how) {
    if (how == How::Exception) throw Boom();
    return probe.value();
  };
  auto handle = co_await at.scope.spawn_blocking(at.cx, work, Probe(42), at.end.how);
  int value = co_await handle.join(at.cx);
  co_await ending(at);
  co_return value;
}
FORM(join_observed) {
  auto handle = co_await at.scope.spawn(at.cx, spawned, at);
  q::Outcome<int> outcome = co_await handle.join(at.cx).outcome();
  co_return co_await std::move(outcome);
}
FORM(join_named) {
  auto handle = co_await at.scope.spawn(at.cx, spawned, at);
  auto join = handle.join(at.cx);
  co_return co_await join;
}
FORM(join_in_an_argument) {
  auto handle = co_await at.scope.spawn(at.cx, spawned, at);
  co_return co_await take_number(at.fine(), co_await handle.join(at.cx));
}
FORM(join_of_an_empty_handle_braced) {
  q::Outcome<int> refused = co_await q::TaskHandle<int>{}.join(at.cx).outcome();
  co_return refused.is_err() ? co_await leaf(at) : 0;
}
FORM(handles_in_a_vector) {
  std::vector<q::TaskHandle<int>> handles;
  for (int i = 0; i < 3; ++i)
    handles.push_back(co_await at.scope.spawn(at.cx, spawned, i == 2 ? at : at.fine()));
  int sum = 0;
  for (auto& handle : handles) sum += co_await handle.join(at.cx);
  co_return sum / 3;
}
FORM(handle_not_unwrapped_by_await) {
  auto handle = at.scope.spawn(at.cx, spawned, at);
  co_return handle ? co_await handle->join(at.cx) : 0;
}
FORM(handle_aborted_with_a_braced_reason) {
  auto handle = co_await at.scope.spawn(at.cx, spawned, at.fine());
  handle.abort_with_reason(q::CancelReason{q::CancelReason::user("enough")});
  (void)co_await handle.join(at.cx).outcome();
  co_return co_await leaf(at);
}
FORM(started_braced) {
  struct Inner {
    static q::Task<int> serve(At here, q::Started<Probe> started) {
      started(Probe{42});
      co_return co_await leaf(here);
    }
  };
  co_return co_await Inner::serve(at, q::Started<Probe>{});
}
FORM(start_and_join) {
  auto serve = [](q::Cx cx, q::Started<int> started, At here) -> q::Task<int> {
    started(42);
    co_return co_await leaf(here.with(cx));
  };
  auto [handle, value] = co_await at.scope.start<int>(at.cx, serve, at);
  co_return co_await handle.join(at.cx) - 42 + value;
}
FORM(try_join_of_temporaries) {
  auto [a, b] = co_await at.scope.try_join(at.cx, co_await at.scope.spawn(at.cx, spawned, at.fine()),
                                           co_await at.scope.spawn(at.cx, spawned, at));
  co_return a + b - 42;
}
FORM(join_all_of_a_vector) {
  std::vector<q::TaskHandle<int>> handles;
  handles.push_back(co_await at.scope.spawn(at.cx, spawned, at.fine()));
  handles.push_back(co_await at.scope.spawn(at.cx, spawned, at));
  auto outcomes = co_await at.scope.join_all(at.cx, std::move(handles));
  co_return co_await std::move(outcomes[0]) + co_await std::move(outcomes[1]) - 42;
}
FORM(race_of_one) { co_return co_await at.scope.race(at.cx, co_await at.scope.spawn(at.cx, spawned, at)); }
FORM(timeout_of_a_temporary) {
  co_return co_await at.scope.timeout(at.cx, std::chrono::hours{1},
                                      co_await at.scope.spawn(at.cx, spawned, at));
}

// ---- regions: what is opened is given in the awaited expression ----

FORM(region_by_reference) {
  Probe probe(0);
  co_return co_await at.scope.region(at.cx, q::FailFast{}, [&](q::Cx cx, q::Scope<>&) -> q::Task<int> {
    co_return co_await leaf(at.with(cx)) + probe.value();
  });
}
FORM(region_with_a_named_body) {
  auto body = [lone = Lone(0), at](q::Cx cx, q::Scope<>&) -> q::Task<int> {
    co_return co_await leaf(at.with(cx)) + lone.value();
  };
  co_return co_await at.scope.region(at.cx, q::FailFast{}, body);
}
FORM(region_with_a_function) {
  struct Inner {
    static q::Task<int> body(q::Cx, q::Scope<q::CollectAll>&) { co_return 0; }
  };
  co_return co_await at.scope.region(at.cx, q::CollectAll{}, Inner::body) + co_await leaf(at);
}
FORM(region_with_limits_braced) {
  co_return co_await at.scope.region_with(
      at.cx, q::RegionOptions{}.with_limits({.max_tasks = 1}), q::FailFast{},
      [&](q::Cx cx, q::Scope<>&) -> q::Task<int> { return leaf(at.with(cx)); });
}
FORM(region_with_every_option_braced) {
  co_return co_await at.scope.region_with(
      at.cx,
      q::RegionOptions{}
          .with_limits(
              q::RegionLimits{.max_tasks = 1, .max_children = 2, .max_obligations = {}, .max_heap_bytes = 1000})
          .with_budget(q::Budget{.deadline = {}, .poll_quota = 1'000'000, .cost_quota = {}, .priority = 3})
          .with_cleanup(q::CleanupBudget{.steps = 10'000, .time = std::chrono::minutes{1}})
          .bounded(),
      q::FailFast{}, [&](q::Cx cx, q::Scope<>&) -> q::Task<int> { return leaf(at.with(cx)); });
}
FORM(region_with_a_braced_budget) {
  co_return co_await at.scope.region_with_budget(
      at.cx, q::Budget{.deadline = {}, .poll_quota = 1'000'000, .cost_quota = {}}, q::FailFast{},
      [&](q::Cx cx, q::Scope<>&) -> q::Task<int> { return leaf(at.with(cx)); });
}
FORM(region_without_a_scope) {
  co_return co_await q::region(at.cx, q::FailFast{},
                               [&](q::Cx cx, q::Scope<>&) -> q::Task<int> { return leaf(at.with(cx)); });
}
FORM(region_in_a_region) {
  co_return co_await at.scope.region(at.cx, q::FailFast{}, [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    co_return co_await scope.region(
        cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>&) -> q::Task<int> { return leaf(at.with(inner)); });
  });
}
FORM(region_gives_an_object) {
  Lone got = co_await at.scope.region(
      at.cx, q::FailFast{}, [&](q::Cx cx, q::Scope<>&) -> q::Task<Lone> { return lone_leaf(at.with(cx)); });
  co_return got.value();
}
FORM(region_outcome) {
  auto task = at.scope.region(at.cx, q::FailFast{},
                              [&](q::Cx cx, q::Scope<>&) -> q::Task<int> { return leaf(at.with(cx)); });
  co_return co_await co_await std::move(task).outcome();
}
FORM(region_in_an_argument) {
  co_return co_await take_number(
      at.fine(), co_await at.scope.region(at.cx, q::FailFast{}, [&](q::Cx cx, q::Scope<>&) -> q::Task<int> {
        return leaf(at.with(cx));
      }));
}
FORM(finalizer_and_heap) {
  auto finalizer = [probe = Probe(1)] { probe.value(); };
  co_await at.scope.defer_sync(finalizer);
  auto async = [probe = Probe(1)](q::Cx cx) -> q::Task<> {
    co_await cx.yield();
    probe.value();
  };
  co_await at.scope.defer_async(async);
  q::RRef<Probe> kept = co_await at.scope.heap_alloc<Probe>(42);
  co_await ending(at);
  co_return (co_await kept.get(at.cx)).get().value();
}

}  // namespace
}  // namespace forms
