// What tasks get wrong about each other and their region: joins in a cycle, spawns in a region that closes, what finalizers find.
#include <optional>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

/// Each lets the other go first, unless it has seen that the other is done.
template <bool Fixed>
q::Task<> after_you(q::Cx cx, q::Scope<>& scope) {
  std::optional<q::TaskHandle<>> first, second;
  lab::atomic<bool> first_done{false, "first done"};
  lab::atomic<bool> second_done{false, "second done"};
  auto go_second = [&](q::Cx mine) -> q::Task<> {
    if (!first_done.load()) co_await first->join(mine);
    second_done.store(true);
  };
  auto go_first = [&](q::Cx mine) -> q::Task<> {
    if (!Fixed && !second_done.load()) co_await second->join(mine);
    first_done.store(true);
  };
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>& both) -> q::Task<> {
    first = start_task(inner, both, go_first);
    second = start_task(inner, both, go_second);
    co_return;
  });
}

/// A child that joins the task which waits for it.
template <bool Fixed>
q::Task<> wait_for_parent(q::Cx cx, q::Scope<>& scope) {
  std::optional<q::TaskHandle<>> parent;
  lab::atomic<bool> is_parent_busy{true, "parent busy"};
  auto child = [&](q::Cx mine) -> q::Task<> {
    if (!Fixed && is_parent_busy.load()) co_await parent->join(mine);
  };
  auto family = [&](q::Cx mine) -> q::Task<> {
    co_await q::region(mine, q::FailFast{}, [&](q::Cx inner, q::Scope<>& children) -> q::Task<> {
      auto handle = start_task(inner, children, child);
      is_parent_busy.store(false);
      co_await handle.join(inner);
    });
  };
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>& outer) -> q::Task<> {
    parent = start_task(inner, outer, family);
    co_return;
  });
}

/// The acceptor counts on its region to be open when a customer comes.
template <bool Fixed>
q::Task<> accept_and_close(q::Cx cx, q::Scope<>& scope) {
  auto customer = [](q::Cx) -> q::Task<> { co_return; };
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>& shop) -> q::Task<> {
    auto accept = [&](q::Cx mine) -> q::Task<> {
      auto spawned = shop.spawn(mine, customer);
      if (Fixed && !spawned) co_return;  // turned away
      co_await spawned.value().join(mine);
    };
    auto close = [&](q::Cx) -> q::Task<> {
      shop.close();
      co_return;
    };
    auto acceptor = start_task(inner, shop, accept);
    auto closer = start_task(inner, shop, close);
    co_await acceptor.join(inner);
    co_await closer.join(inner);
  });
}

/// Finalizers run newest first: who opens the log must have done so before whoever still writes to it at its end.
template <bool Fixed>
q::Task<> clean_up(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<bool> is_log_open{true, "log open"};
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>& work) -> q::Task<> {
    auto open_log = [&](q::Cx) -> q::Task<> {
      co_await work.defer_sync([&is_log_open] { is_log_open.store(false); });
    };
    auto connect = [&](q::Cx) -> q::Task<> {
      co_await work.defer_sync([&is_log_open] { lab::check(is_log_open.load(), "the log was closed first"); });
    };
    auto opening = start_task(inner, work, open_log);
    if constexpr (Fixed) co_await opening.join(inner);
    auto connecting = start_task(inner, work, connect);
    if constexpr (!Fixed) co_await opening.join(inner);
    co_await connecting.join(inner);
  });
}

/// The failure of one task cancels its sibling between two writes that belong together.
template <bool Fixed>
q::Task<> fail_beside_an_update(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> name{1, "name"};
  lab::atomic<int> address{1, "address"};
  auto work = [&](q::Cx inner, q::Scope<>& both) -> q::Task<> {
    auto move_house = [&](q::Cx mine) -> q::Task<> {
      std::optional<q::MaskGuard> mask;
      if constexpr (Fixed) mask.emplace(mine.core());
      name.store(2);
      co_await mine.yield();
      address.store(2);
    };
    auto refuse = [](q::Cx) -> q::Task<> { co_await q::fail(q::ErrorCode::User, "refused"); };
    auto moving = start_task(inner, both, move_house);
    co_await both.launch(inner, refuse);  // nobody joins it: its failure is the region's at once
    co_await moving.join(inner);
  };
  (void)co_await scope.region(cx, q::FailFast{}, work).outcome();
  lab::check(name.load() == address.load(), "a sibling's failure cut an update in two");
}

/// A permit that is taken on one path and forgotten on another keeps nothing from closing, and its region reports the leak.
template <bool Fixed>
q::Task<> keep_permit(q::Cx cx, q::Scope<>& scope) {
  std::optional<q::Obligation> forgotten;
  lab::atomic<bool> is_stopping{false, "stopping"};
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>& work) -> q::Task<> {
    auto send = [&](q::Cx mine) -> q::Task<> {
      forgotten = co_await q::Obligation::reserve(mine, work, q::ObligationKind::SendPermit);
      if (is_stopping.load()) {
        if constexpr (Fixed) co_await forgotten->abort();
        co_return;
      }
      co_await forgotten->commit();
    };
    auto stop = [&](q::Cx) -> q::Task<> {
      is_stopping.store(true);
      co_return;
    };
    auto sending = start_task(inner, work, send);
    auto stopping = start_task(inner, work, stop);
    co_await sending.join(inner);
    co_await stopping.join(inner);
  });
}

}  // namespace

Bug join_cycle() {
  return {.name = "join cycle",
          .wrong = "two tasks wait for each other's end",
          .kind = FailureKind::deadlock,
          .message = {"in a cycle task"},
          .buggy = after_you<false>,
          .fixed = after_you<true>};
}

Bug join_of_ancestor() {
  return {.name = "join of an ancestor",
          .wrong = "a child waits for the task whose region waits for the child",
          .kind = FailureKind::deadlock,
          .message = {"in a cycle task"},
          .buggy = wait_for_parent<false>,
          .fixed = wait_for_parent<true>};
}

Bug spawn_after_close() {
  return {.name = "spawn after close",
          .wrong = "a task takes for granted that its region still takes in",
          .kind = FailureKind::exception,
          .message = {"the body ended with"},
          .buggy = accept_and_close<false>,
          .fixed = accept_and_close<true>};
}

Bug cleanup_order() {
  return {.name = "clean-up order",
          .wrong = "two tasks defer their clean-up, and nothing orders the one that the other needs",
          .message = {"the log was closed first"},
          .buggy = clean_up<false>,
          .fixed = clean_up<true>};
}

Bug sibling_failure() {
  return {.name = "a sibling's failure",
          .wrong = "FailFast cancels a task between two writes that belong together",
          .message = {"a sibling's failure cut an update in two"},
          .buggy = fail_beside_an_update<false>,
          .fixed = fail_beside_an_update<true>};
}

Bug forgotten_permit() {
  return {.name = "forgotten permit",
          .wrong = "on the path of a stop an obligation is neither committed nor aborted",
          .kind = FailureKind::oracle,
          .message = {"an obligation of kind SendPermit"},
          .buggy = keep_permit<false>,
          .fixed = keep_permit<true>};
}

}  // namespace quiesce::lab::corpus
