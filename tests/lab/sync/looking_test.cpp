// Operations that look again or close, alone and in selects, in the lab (detail/sync/operation.hpp).
#include "lab/sync/exploring.hpp"
#include "quiesce/combinators/join_set.hpp"
#include "quiesce/combinators/rate_limit.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

Task<> add(Cx, Value<int>* value) {
  value->update([](int& now) { ++now; });
  co_return;
}

// ---- Value::wait_until beside something that is granted ----

struct Counted {
  Value<int> value{0, "count"};
  Semaphore permits{1, "permits"};
  int inside = 0, seen = 0, had = 0;
};
Task<> until_or_permit(Cx cx, Counted* all, int wanted) {
  auto first = co_await select(cx, all->value.wait_until([wanted](int now) { return now >= wanted; }),
                               all->permits.acquire());
  if (first.index() == 0) {
    lab::check(*std::get<0>(first) >= wanted, "it is what was waited for");
    ++all->seen;
  } else {
    lab::check(++all->inside == 1, "one permit, one holder");
    ++all->had;
    --all->inside;
  }
}
template <int waiting, int adding>
Task<> counting(Cx cx, Scope<>&) {
  Counted all;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    SemaphorePermit taken = co_await all.permits.acquire(mine);
    for (int i = 0; i < waiting; ++i)
      co_await scope.launch(mine, until_or_permit, unsafe_send(&all), adding - i);
    for (int i = 0; i < adding; ++i) co_await scope.launch(mine, add, unsafe_send(&all.value));
    co_await mine.yield();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(all.permits.available_permits() == 1, "no permit is lost");
  lab::check(all.permits.statistics().waiters + all.value.statistics().waiters == 0,
             "nobody is left in a list");
  if (waiting > 1) lab::sometimes(all.seen > 0, "a value came first");
}
TEST(LabLooking, AValueAndAPermitAreNeverBothTaken) {
  expect_holds(counting<2, 2>);
  EXPECT_GT(expect_exhausted(counting<1, 1>), 2u);
  expect_every_class(counting<1, 1>);
}

// ---- condition variables: two with one guard ----

struct Store {
  Mutex<int> items{0, "items"};
  CondVar filled{"filled"}, closed{"closed"};
  bool is_closed = false;
  int put = 0, taken = 0, gone = 0;
  int inside = 0;  // takers with the lock
};
Task<> take_until_closed(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  auto first = co_await select(cx, store->filled.wait(guard, [&guard] { return *guard > 0; }),
                               store->closed.wait(guard, [store] { return store->is_closed; }));
  lab::check(bool(guard), "the lock is held again");
  ++store->inside;
  co_await cx.yield();
  --store->inside;
  if (first.index() == 0) {
    lab::check(--*guard >= 0, "what was waited for holds");
    ++store->taken;
  } else {
    lab::check(store->is_closed, "what was waited for holds");
    ++store->gone;
  }
}
Task<> put(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  ++*guard;
  ++store->put;
  store->filled.notify_one();
  co_await cx.yield();  // whoever was notified must wait for the lock
  lab::check(store->inside == 0, "nobody else has the lock");
}
Task<> close(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  store->is_closed = true;
  store->closed.notify_all();
}
template <int takers, int puts>
Task<> storing(Cx cx, Scope<>&) {
  Store store;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < takers; ++i) co_await scope.launch(mine, take_until_closed, unsafe_send(&store));
    for (int i = 0; i < puts; ++i) co_await scope.launch(mine, put, unsafe_send(&store));
    co_await scope.launch(mine, close, unsafe_send(&store));
  };
  auto ended = co_await region(cx, FailFast(), [&](Cx mine, Scope<FailFast>&) -> Task<> {
                 co_await region(mine, CollectAll(), inside);
               }).outcome();
  lab::check(!store.items.statistics().is_locked && store.items.statistics().waiters == 0, "the lock is free");
  lab::check(store.filled.statistics().waiters + store.closed.statistics().waiters == 0, "nobody is left");
  lab::check(**store.items.try_lock() == store.put - store.taken, "no item is lost");
  if (ended.is_ok()) lab::check(store.taken + store.gone <= takers, "each took one thing");
  lab::sometimes(store.taken == puts, "everything was taken");
  lab::sometimes(store.gone > 0, "one went away");
}
/// A taker whose closer is cancelled waits for ever: not under injected requests.
TEST(LabLooking, TwoConditionsOfOneLockLoseNoNotification) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 1000}, storing<2, 1>));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 1000}, storing<2, 2>));
  EXPECT_GT(expect_exhausted(storing<1, 1>), 3u);
  expect_every_class(storing<1, 0>);
}

Task<> wait_with_a_time(Cx cx, Store* store) {
  auto guard = co_await store->items.lock(cx);
  auto ended = co_await timeout(cx, 1ms, store->filled.wait(guard, [&guard] { return *guard > 0; })).outcome();
  lab::check(bool(guard), "the lock is held again, whatever the outcome");
  if (ended.is_ok()) {
    lab::check(--*guard >= 0, "what was waited for holds");
    ++store->taken;
  } else {
    ++store->gone;
  }
}
Task<> timing(Cx cx, Scope<>&) {
  Store store;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    co_await scope.launch(mine, wait_with_a_time, unsafe_send(&store));
    co_await scope.launch(mine, put, unsafe_send(&store));
    co_await scope.launch(mine, wait_with_a_time, unsafe_send(&store));
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(!store.items.statistics().is_locked && store.filled.statistics().waiters == 0, "all is free");
  lab::check(**store.items.try_lock() == store.put - store.taken, "no item is lost");
  lab::sometimes(store.taken == 1, "one had the item");
  lab::sometimes(store.gone == 1, "the other was too late");
}
TEST(LabLooking, AConditionWithATimeHasTheLockBack) { expect_holds(timing); }

// ---- JoinSet::join_next ----

Task<int> worker(Cx cx, int number) {
  if (number > 0) co_await cx.yield();
  co_return number;
}
Task<> joining(Cx cx, Scope<>&) {
  Event stop("stop");
  int joined = 0, stopped = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    JoinSet<int> set(scope);
    for (int i = 0; i < 3; ++i) (void)set.spawn(mine, worker, i);
    const std::size_t spawned = set.size();
    auto setter = [](Cx, Event* event) -> Task<> {
      event->set();
      co_return;
    };
    co_await scope.launch(mine, setter, unsafe_send(&stop));
    for (bool more = true; more;) {
      auto first = co_await select(mine, set.join_next(), stop.wait());
      if (first.index() == 1) {
        ++stopped;
        stop.reset();
        continue;
      }
      more = std::get<0>(first).has_value();
      if (more) ++joined;
      lab::check(set.size() + static_cast<std::size_t>(joined) == spawned, "each is joined once");
    }
    lab::check(set.empty(), "all were joined");
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(stop.statistics().waiters == 0, "nobody is left in the list");
  lab::sometimes(stopped == 1, "the event came first");
  lab::sometimes(joined == 3, "all ended");
}
TEST(LabLooking, ASelectOfJoinNextLosesNoOutcome) { expect_holds(joining); }

// ---- RateLimit::acquire ----

Task<> limited(Cx cx, RateLimit* limit, Event* other, int* had) {
  auto first = co_await select(cx, limit->acquire(), other->wait(), cx.sleep(3ms));
  if (first.index() == 0) ++*had;
}
Task<> rating(Cx cx, Scope<>&) {
  RateLimit limit(1, 1ms, 1, "rate");
  Event other("other");
  int had = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i)
      co_await scope.launch(mine, limited, unsafe_send(&limit), unsafe_send(&other), unsafe_send(&had));
    co_await mine.sleep(1ms);
    other.set();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(limit.statistics().waiters == 0, "nobody is left in the line");
  lab::check(limit.statistics().acquired == static_cast<std::uint64_t>(had), "a loser has taken no token");
  co_await cx.sleep(5ms);
  lab::check(limit.try_acquire(cx), "the turn was given back");
  lab::sometimes(had >= 2, "two had one");
}
TEST(LabLooking, ALoserOfARateLimitGivesItsTurnBack) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, rating));
  EXPECT_LAB_OK(lab::cancel_everywhere(rating));
}

// ---- OnceCell::turn, Pool::reserve ----

struct Making {
  OnceCell<int> cell{"cell"};
  Event other{"other"};
  int made = 0;
};
Task<> make_or_leave(Cx cx, Making* all) {
  auto first = co_await select(cx, all->cell.turn(), all->other.wait());
  auto* turn = std::get_if<0>(&first);
  if (turn == nullptr) co_return;
  if (*turn) {
    co_await cx.yield();  // a request here passes the turn on
    turn->make(++all->made);
  }
  lab::check(turn->value() != nullptr, "the value is there");
}
Task<> making(Cx cx, Scope<>&) {
  Making all;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < 2; ++i) co_await scope.launch(mine, make_or_leave, unsafe_send(&all));
    co_await mine.yield();
    all.other.set();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(all.made <= 1, "it is made once");
  lab::check(!all.cell.statistics().is_initialising && all.cell.statistics().waiters == 0, "no turn is lost");
}
TEST(LabLooking, ATurnThatIsNotUsedPassesOn) {
  expect_holds(making);
  EXPECT_GT(expect_exhausted(making), 3u);
}

Task<> borrow(Cx cx, Pool<int>* pool, Event* other) {
  auto first = co_await select(cx, pool->reserve(), other->wait());
  if (auto* place = std::get_if<0>(&first)) {
    auto opening = std::move(*place).open(cx);
    auto thing = co_await std::move(opening);
    co_await cx.yield();
    lab::check(*thing == 7, "a thing of the pool");
  }
}
Task<> borrowing(Cx cx, Scope<>&) {
  Pool<int> pool(
      PoolOptions(1), [] { return 7; }, "pool");
  Event other("other");
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < 2; ++i) co_await scope.launch(mine, borrow, unsafe_send(&pool), unsafe_send(&other));
    co_await mine.yield();
    other.set();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(pool.statistics().lent == 0 && pool.statistics().waiters == 0, "every place is free");
}
TEST(LabLooking, APlaceOfAPoolIsNotLost) { expect_holds(borrowing); }

// ---- a session in two halves ----

struct Talk {
  session::Client<int, int> client;
  session::Server<int, int> server;
  int replies = 0, left = 0;
};
Task<> ask(Cx cx, Talk* talk) {
  auto asked = co_await select(cx, talk->client.request(1), cx.sleep(1ms));
  auto* pending = std::get_if<0>(&asked);
  if (pending == nullptr) co_return;
  auto first = co_await select(cx, pending->reply().outcome(), cx.sleep(1ms));
  ++(first.index() == 0 ? talk->replies : talk->left);
}
Task<> serve(Cx cx, Talk* talk) {
  for (;;) {
    auto first = co_await select(cx, talk->server.recv(), cx.sleep(3ms));
    if (first.index() == 1) co_return;
    auto& request = *std::get<0>(first);
    co_await cx.yield();
    (void)request.reply(request.value() + 1);
  }
}
Task<> talking(Cx cx, Scope<>&) {
  auto [client, server] = session::channel<int, int>(1, "talk");
  Talk talk{std::move(client), std::move(server)};
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    co_await scope.launch(mine, serve, unsafe_send(&talk));
    for (int i = 0; i < 2; ++i) co_await scope.launch(mine, ask, unsafe_send(&talk));
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  const auto seen = talk.client.statistics();
  lab::check(seen.queued == 0 && seen.unanswered == 0, "no call is left");
  lab::check(seen.waiting_callers == 0 && seen.waiting_servers == 0, "nobody is left in a list");
  lab::sometimes(talk.replies == 2, "both had their replies");
}
TEST(LabLooking, ACallInTwoHalvesLeavesNothing) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, talking));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 500}, talking));
  EXPECT_LAB_OK(lab::cancel_everywhere(talking));
}

// ---- a place in a line is kept ----

struct Line {
  Value<int> value{0, "value"};
  Mutex<int> mutex{0, "mutex"};
  int next = 0;
  int order[2] = {-1, -1};
};
Task<> looks_and_waits(Cx cx, Line* line) {
  auto first =
      co_await select(cx, line->value.wait_until([](int now) { return now > 100; }), line->mutex.lock());
  lab::check(first.index() == 1, "the value never comes");
  line->order[line->next++] = 0;
}
Task<> comes_later(Cx cx, Line* line) {
  auto guard = co_await line->mutex.lock(cx);
  line->order[line->next++] = 1;
}
/// One waits in a select, another comes behind it, and the value changes when it likes: the first stays the first.
Task<> lining(Cx cx, Scope<>&) {
  Line line;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto guard = co_await line.mutex.lock(mine);
    auto first = co_await scope.spawn(mine, looks_and_waits, unsafe_send(&line));
    while (line.mutex.statistics().waiters < 1) co_await mine.yield();
    auto second = co_await scope.spawn(mine, comes_later, unsafe_send(&line));
    while (line.mutex.statistics().waiters < 2) co_await mine.yield();
    co_await scope.launch(mine, add, unsafe_send(&line.value));
    co_await mine.yield();
    guard.unlock();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(line.next == 2, "both had the lock");
  lab::sometimes(line.order[0] == 0, "the first stayed the first");
}
TEST(LabLooking, APlaceInALineIsKeptWhileAnotherBranchLooks) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, lining));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 500}, lining));
}

}  // namespace
}  // namespace quiesce::lab_tests
