// Condition variables in the lab.
#include "quiesce/sync/cond_var.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

/// A store for one item, with two conditions on one mutex.
struct Store {
  Mutex<int> items{0, "items"};
  CondVar filled{"filled"}, emptied{"emptied"};
  int put = 0, taken = 0, inside = 0;
};

/// The lock is held here, also when the task is being unwound.
struct Inside {
  Store* store;
  MutexGuard<int>* guard;
  Inside(Store* of, MutexGuard<int>* with) : store(of), guard(with) {}
  ~Inside() {
    lab::check(static_cast<bool>(*guard) && store->items.statistics().is_locked, "the lock is held");
  }
};

Task<> put(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  const Inside inside(store, &guard);
  auto waiting = store->emptied.wait(cx, guard, [&guard] { return *guard == 0; });
  co_await std::move(waiting);
  lab::check(++store->inside == 1, "one at a time");
  ++*guard;
  ++store->put;
  --store->inside;
  store->filled.notify_one();
}
Task<> take(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  const Inside inside(store, &guard);
  while (*guard == 0) {
    auto waiting = store->filled.wait(cx, guard);
    co_await std::move(waiting);
  }
  lab::check(++store->inside == 1, "one at a time");
  --*guard;
  ++store->taken;
  --store->inside;
  store->emptied.notify_one();
}

template <int pairs>
Task<> storing(Cx cx, Scope<>&) {
  Store store;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < pairs; ++i) {
      co_await scope.launch(mine, take, unsafe_send(&store));
      co_await scope.launch(mine, put, unsafe_send(&store));
    }
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(!store.items.statistics().is_locked && store.items.statistics().waiters == 0, "the lock is free");
  lab::check(store.filled.statistics().waiters + store.emptied.statistics().waiters == 0,
             "nobody is left in a list");
  lab::check(**store.items.try_lock() == store.put - store.taken, "no item is lost");
  lab::sometimes(store.taken == pairs, "everything was taken");
}

// A request to one of them cancels the region where it was not the body's: nobody is left waiting for what the other would have done.
TEST(LabCondVar, NoNotificationAndNoItemIsLost) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 1000}, storing<2>));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 1000}, storing<2>));
  EXPECT_GT(expect_exhausted(storing<1>), 1u);
  EXPECT_GT(expect_exhausted(storing<2>, 200'000), 50u);
  expect_every_class(storing<1>);
}

Task<> wait_and_keep(Cx cx, Store* store, int* ended) {
  struct Count {
    int* ended;
    explicit Count(int* of) : ended(of) {}
    ~Count() { ++*ended; }
  } count(ended);
  auto guard = co_await store->items.lock(cx);
  const Inside inside(store, &guard);
  auto waiting = store->filled.wait(cx, guard);
  co_await std::move(waiting);
}
Task<> hold(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  co_await cx.yield();
  store->filled.notify_all();
}

/// Notifications, requests and the lock's holder meet in every order; the requests are the body's own here.
Task<> cancelled_while_waiting(Cx cx, Scope<>&) {
  Store store;
  int ended = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto waits = co_await scope.spawn(mine, wait_and_keep, unsafe_send(&store), unsafe_send(&ended));
    auto holds = co_await scope.spawn(mine, hold, unsafe_send(&store));
    co_await mine.yield();
    waits.abort();
    (void)co_await waits.join(mine).outcome();
    co_await holds.join(mine);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(ended == 1 && !store.items.statistics().is_locked, "it ended, and unlocked");
  lab::check(store.filled.statistics().waiters == 0, "nobody is left in the list");
}

TEST(LabCondVar, TheLockIsHeldInTheCleanUpOfACancelledWait) {
  expect_holds(cancelled_while_waiting);
  EXPECT_GT(expect_exhausted(cancelled_while_waiting), 6u);
}

}  // namespace
}  // namespace quiesce::lab_tests
