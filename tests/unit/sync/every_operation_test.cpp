// Every wait of the library is an operation, and takes part in a select: it wins there when it comes, and leaves no trace when another
// comes first, or a request. The table of docs/laws.md, row by row.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "quiesce/callback.hpp"
#include "quiesce/channel/broadcast.hpp"
#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/channel/oneshot.hpp"
#include "quiesce/channel/rendezvous.hpp"
#include "quiesce/channel/session.hpp"
#include "quiesce/channel/watch.hpp"
#include "quiesce/combinators/join_set.hpp"
#include "quiesce/combinators/rate_limit.hpp"
#include "quiesce/interval.hpp"
#include "quiesce/select.hpp"
#include "quiesce/stream.hpp"
#include "quiesce/sync/barrier.hpp"
#include "quiesce/sync/cond_var.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/sync/latch.hpp"
#include "quiesce/sync/mutex.hpp"
#include "quiesce/sync/notify.hpp"
#include "quiesce/sync/once_cell.hpp"
#include "quiesce/sync/pool.hpp"
#include "quiesce/sync/rw_lock.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/sync/value.hpp"
#include "quiesce/timeout.hpp"
#include "quiesce/timer.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;

/// What wins is held until `other` is set once more.
template <class Make>
Task<std::size_t> choose(Cx cx, Make* make, Event* other, Event* let_go) {
  auto first = co_await select_biased(cx, (*make)(cx), other->wait());
  const std::size_t won = first.index();
  if (won == 0) co_await let_go->wait(cx);
  co_return won;
}

struct EveryOperation : ::testing::Test, sync_tests::Desk {
  Event other{"other"};

  /// `make(cx)` gives the operation, which waits until `ready()`; `traces()` counts what it leaves while it waits.
  template <class Make, class Ready, class Traces>
  void takes_part(Make make, Ready ready, Traces traces) {
    Event let_go{"let go"};
    auto start = [&] {
      return spawn(choose<Make>, unsafe_send(&make), unsafe_send(&other), unsafe_send(&let_go));
    };
    {
      SCOPED_TRACE("another comes first");
      auto task = start();
      stepper.run_until_idle();
      ASSERT_FALSE(task.is_finished()) << "it is not ready yet";
      other.set();
      stepper.run_until_idle();
      EXPECT_EQ(joined(task).value(), 1u);
      other.reset();
      EXPECT_EQ(traces(), 0u);
    }
    {
      SCOPED_TRACE("cancelled while it waits");
      auto task = start();
      stepper.run_until_idle();
      task.abort();
      stepper.run_until_idle();
      EXPECT_TRUE(joined(task).is_cancelled());
      EXPECT_EQ(traces(), 0u);
    }
    {
      SCOPED_TRACE("cancelled before it starts");
      auto task = start();
      task.abort();
      stepper.run_until_idle();
      EXPECT_TRUE(joined(task).is_cancelled());
      EXPECT_EQ(traces(), 0u);
    }
    {
      SCOPED_TRACE("it comes, and the other at the same time");
      auto task = start();
      stepper.run_until_idle();
      ready();
      let_go.set();
      stepper.run_until_idle();
      other.set();
      EXPECT_EQ(joined(task).value(), 0u);
      EXPECT_EQ(traces(), 0u);
      EXPECT_EQ(other.statistics().waiters, 0u);
    }
  }
  static std::uint32_t none() { return 0; }
};

TEST_F(EveryOperation, MutexLock) {
  Mutex<int> mutex(0);
  auto guard = mutex.try_lock();
  takes_part([&](Cx) { return mutex.lock(); }, [&] { guard.reset(); },
             [&] { return mutex.statistics().waiters; });
}
TEST_F(EveryOperation, MutexLockFor) {
  Mutex<int> mutex(0);
  auto guard = mutex.try_lock();
  takes_part([&](Cx) { return mutex.lock_for(1s); }, [&] { guard.reset(); },
             [&] { return mutex.statistics().waiters; });
}
TEST_F(EveryOperation, RwLockReadAndWrite) {
  RwLock<int> lock(0);
  auto writer = lock.try_write();
  takes_part([&](Cx) { return lock.read(); }, [&] { writer.reset(); },
             [&] { return lock.statistics().waiting_readers + lock.statistics().waiting_writers; });
  auto reader = lock.try_read();
  other.reset();
  takes_part([&](Cx) { return lock.write_for(1s); }, [&] { reader.reset(); },
             [&] { return lock.statistics().waiting_readers + lock.statistics().waiting_writers; });
}
TEST_F(EveryOperation, SemaphoreAcquire) {
  Semaphore permits(1);
  takes_part([&](Cx) { return permits.acquire_many(2); }, [&] { permits.add_permits(1); },
             [&] { return permits.statistics().waiters; });
  EXPECT_EQ(permits.available_permits(), 2u);
}
TEST_F(EveryOperation, NotifyEventLatch) {
  Notify notify;
  takes_part([&](Cx) { return notify.notified(); }, [&] { notify.notify_one(); },
             [&] { return notify.statistics().waiters; });
  other.reset();
  Event event;
  takes_part([&](Cx) { return event.wait(); }, [&] { event.set(); },
             [&] { return event.statistics().waiters; });
  other.reset();
  Latch latch(1);
  takes_part([&](Cx) { return latch.wait(); }, [&] { latch.count_down(); },
             [&] { return latch.statistics().waiters; });
}
Task<> arrive(Cx cx, Barrier* barrier) { (void)co_await barrier->arrive_and_wait(cx); }
TEST_F(EveryOperation, BarrierArriveAndWait) {
  Barrier barrier(2);
  takes_part([&](Cx) { return barrier.arrive_and_wait(); },
             [&] { EXPECT_TRUE(run(arrive(cx, &barrier)).is_ok()); },
             [&] { return barrier.statistics().arrived; });
}
TEST_F(EveryOperation, OnceCellReadyAndTurn) {
  OnceCell<int> cell;
  takes_part([&](Cx) { return cell.ready(); }, [&] { cell.set(7); }, [&] { return cell.statistics().waiters; });
  other.reset();
  OnceCell<int> made;
  std::optional<OnceCellTurn<int>> turn;
  auto take = [&](Cx mine) -> Task<> { turn.emplace(co_await made.turn(mine)); };
  ASSERT_TRUE(run(take(cx)).is_ok());
  ASSERT_TRUE(bool(*turn));
  takes_part([&](Cx) { return made.turn(); }, [&] { turn->make(3); },
             [&] { return made.statistics().waiters; });
  EXPECT_EQ(*made.get(), 3);
}
TEST_F(EveryOperation, LazyReady) {
  Lazy lazy([] { return 5; });
  takes_part([&](Cx) { return lazy.ready(); }, [&] { EXPECT_TRUE(run(lazy.get(cx)).is_ok()); },
             [&] { return lazy.statistics().waiters; });
}
TEST_F(EveryOperation, ValueChangedAndUntil) {
  Value<int> value(0);
  takes_part([&](Cx) { return value.wait_changed(); }, [&] { value.set(1); },
             [&] { return value.statistics().waiters; });
  other.reset();
  takes_part([&](Cx) { return value.wait_until([](int now) { return now == 9; }); },
             [&] { value.set(8), stepper.run_until_idle(), value.set(9); },
             [&] { return value.statistics().waiters; });
}
TEST_F(EveryOperation, PoolReserve) {
  Pool<int> pool(PoolOptions(1), [] { return 1; });
  std::optional<PooledGuard<int>> lent;
  auto borrow = [&](Cx mine) -> Task<> { lent.emplace(co_await pool.acquire(mine)); };
  ASSERT_TRUE(run(borrow(cx)).is_ok());
  takes_part([&](Cx) { return pool.reserve(); }, [&] { lent.reset(); },
             [&] { return pool.statistics().waiters; });
  EXPECT_EQ(pool.statistics().lent, 0u);
}
TEST_F(EveryOperation, SenderSendReserveClosed) {
  auto [tx, rx] = mpsc::channel<int>(1);
  ASSERT_TRUE(tx.try_send(1));
  takes_part([&](Cx) { return tx.send(2); }, [&] { EXPECT_EQ(*rx.try_recv(), 1); }, none);
  other.reset();
  EXPECT_EQ(rx.statistics().length, 1u);
  takes_part([&](Cx) { return tx.reserve(); }, [&] { EXPECT_EQ(*rx.try_recv(), 2); }, none);
  other.reset();
  takes_part([&](Cx) { return tx.closed(); }, [&] { rx.close(); }, none);
}
TEST_F(EveryOperation, ReceiverRecv) {
  auto [tx, rx] = mpsc::channel<int>(1);
  takes_part([&](Cx) { return rx.recv(); }, [&] { ASSERT_TRUE(tx.try_send(1)); }, none);
  other.reset();
  auto [many, ends] = mpmc::channel<int>(1);
  takes_part([&](Cx) { return ends.recv(); }, [&] { ASSERT_TRUE(many.try_send(1)); }, none);
}
TEST_F(EveryOperation, OneshotRecvAndClosed) {
  auto [tx, rx] = oneshot::channel<int>();
  takes_part([&](Cx) { return rx.recv(); }, [&] { (void)tx.send(1); }, none);
  other.reset();
  auto [sender, receiver] = oneshot::channel<int>();
  takes_part([&](Cx) { return sender.closed(); }, [&] { auto gone = std::move(receiver); }, none);
}
Task<int> receive(Cx cx, rendezvous::Receiver<int>* rx) {
  auto got = co_await rx->recv(cx);
  co_return *got;
}
Task<> send(Cx cx, rendezvous::Sender<int>* tx) { co_await tx->send(cx, 4); }
TEST_F(EveryOperation, RendezvousSendAndRecv) {
  auto [tx, rx] = rendezvous::channel<int>();
  takes_part([&](Cx) { return tx.send(3); }, [&] { EXPECT_EQ(run(receive(cx, &rx)).value(), 3); }, none);
  other.reset();
  takes_part([&](Cx) { return rx.recv(); }, [&] { EXPECT_TRUE(run(send(cx, &tx)).is_ok()); }, none);
}
TEST_F(EveryOperation, BroadcastRecv) {
  auto [tx, rx] = broadcast::channel<int>(2);
  takes_part([&](Cx) { return rx.recv(); }, [&] { (void)tx.send(1); }, [&] { return tx.statistics().waiters; });
}
TEST_F(EveryOperation, WatchChangedAndWaitFor) {
  auto [tx, rx] = watch::channel<int>(0);
  takes_part([&](Cx) { return rx.changed(); }, [&] { tx.send(1); }, [&] { return tx.statistics().waiters; });
  other.reset();
  takes_part([&](Cx) { return rx.wait_for([](int now) { return now == 5; }); },
             [&] { tx.send(4), stepper.run_until_idle(), tx.send(5); },
             [&] { return tx.statistics().waiters; });
}
TEST_F(EveryOperation, SessionRecvRequestReply) {
  auto [client, server] = session::channel<int, int>(1);
  using Pending = session::PendingReply<int, int>;
  std::optional<Pending> pending;
  auto ask = [&](Cx mine) -> Task<> { pending.emplace(co_await client.request(mine, 1)); };
  takes_part([&](Cx) { return server.recv(); }, [&] { ASSERT_TRUE(run(ask(cx)).is_ok()); },
             [&] { return client.statistics().waiting_servers; });
  other.reset();
  ASSERT_TRUE(pending->is_ready()) << "the request was dropped without a reply";
  ASSERT_TRUE(run(ask(cx)).is_ok());  // the queue is full
  std::optional<session::Request<int, int>> request;
  auto serve = [&](Cx mine) -> Task<> {
    auto got = co_await server.recv(mine);
    request.emplace(std::move(*got));
  };
  takes_part([&](Cx) { return client.request(2); }, [&] { ASSERT_TRUE(run(serve(cx)).is_ok()); },
             [&] { return client.statistics().waiting_callers; });
  other.reset();
  EXPECT_EQ(client.statistics().queued, 0u) << "who won let the call go, and it left the queue";
  takes_part([&](Cx) { return pending->reply(); }, [&] { EXPECT_TRUE(request->reply(9)); }, none);
}
TEST_F(EveryOperation, SleepAndTick) {
  takes_part([&](Cx mine) { return mine.sleep(1s); }, [&] { stepper.advance(1s); }, none);
  other.reset();
  Interval beat = interval(cx, 1s);
  takes_part([&](Cx) { return beat.tick(); }, [&] { stepper.advance(1s); }, none);
}
TEST_F(EveryOperation, TimerWait) {
  Timer timer(cx, 1s);
  takes_part([&](Cx) { return timer.wait(); }, [&] { stepper.advance(1s); },
             [&] { return timer.statistics().waiters; });
}
Task<int> after(Cx cx, Event* event) {
  co_await event->wait(cx);
  co_return 7;
}
TEST_F(EveryOperation, Join) {
  Event end;
  auto task = spawn(after, unsafe_send(&end));
  takes_part([&](Cx mine) { return task.join(mine); }, [&] { end.set(); }, none);
}
TEST_F(EveryOperation, JoinSetNextJoinNextAndPlace) {
  Event end;
  JoinSet<int> set(scope, 1);
  ASSERT_TRUE(set.spawn(cx, after, unsafe_send(&end)));
  takes_part([&](Cx) { return set.join_next(); }, [&] { end.set(); }, none);
  EXPECT_TRUE(set.empty());
  other.reset();
  end.reset();
  ASSERT_TRUE(set.spawn(cx, after, unsafe_send(&end)));
  takes_part([&](Cx) { return set.next(); }, [&] { end.set(); }, none);
  other.reset();
  end.reset();
  ASSERT_TRUE(set.spawn(cx, after, unsafe_send(&end)));
  takes_part([&](Cx) { return set.place(); }, [&] { end.set(); }, none);
  EXPECT_EQ(set.running(), 0u) << "the place was given back";
}
TEST_F(EveryOperation, RateLimitAcquire) {
  RateLimit limit(1, 1s, 1);
  ASSERT_TRUE(limit.try_acquire(cx));
  takes_part([&](Cx) { return limit.acquire(); }, [&] { stepper.advance(1s); },
             [&] { return limit.statistics().waiters; });
  EXPECT_EQ(limit.statistics().acquired, 2u);
}
TEST_F(EveryOperation, Timeout) {
  Semaphore permits(0);
  takes_part([&](Cx) { return timeout(1s, permits.acquire()); }, [&] { permits.add_permits(1); },
             [&] { return permits.statistics().waiters; });
  other.reset();
  Event never;
  takes_part([&](Cx) { return timeout_at(Time::zero() + 1h, timeout(1s, never.wait())).outcome(); },
             [&] { stepper.advance(1s); }, [&] { return never.statistics().waiters; });
}
TEST_F(EveryOperation, Callback) {
  std::optional<Completion<int>> completion;
  takes_part(
      [&](Cx) {
        return from_callback<int>([&](Completion<int> done) { completion.emplace(std::move(done)); });
      },
      [&] { EXPECT_TRUE((*completion)(1)); }, none);
}

Stream<int> numbers(Cx cx, Event* go) {
  co_await go->wait(cx);
  co_yield 1;
}
Task<> pull_into(Cx cx, Event* go, mpsc::Sender<int> tx) {
  auto stream = numbers(cx, go);
  while (auto number = co_await stream.next(cx)) co_await tx.send(cx, *number);
}
TEST_F(EveryOperation, AStreamThroughAChannel) {
  Event go;
  auto [tx, rx] = mpsc::channel<int>(1);
  auto pulls = spawn(pull_into, unsafe_send(&go), std::move(tx));
  takes_part([&](Cx) { return rx.recv(); }, [&] { go.set(); }, none);
  stepper.run_until_idle();
  EXPECT_TRUE(joined(pulls).is_ok());
}

Task<std::size_t> wait_and_keep_the_lock(Cx cx, Mutex<int>* mutex, CondVar* filled, Event* other) {
  auto guard = co_await mutex->lock(cx);
  auto first = co_await select(cx, filled->wait(guard, [&guard] { return *guard > 0; }), other->wait());
  EXPECT_TRUE(bool(guard)) << "whoever has won";
  co_return first.index();
}
TEST_F(EveryOperation, CondVarWait) {
  Mutex<int> mutex(0);
  CondVar filled;
  auto start = [&] {
    auto task = spawn(wait_and_keep_the_lock, unsafe_send(&mutex), unsafe_send(&filled), unsafe_send(&other));
    stepper.run_until_idle();
    EXPECT_FALSE(mutex.statistics().is_locked) << "unlocked while it waits";
    return task;
  };
  auto loses = start();
  other.set();
  EXPECT_EQ(joined(loses).value(), 1u);
  other.reset();
  auto leaves = start();
  leaves.abort();
  EXPECT_TRUE(joined(leaves).is_cancelled());
  EXPECT_EQ(filled.statistics().waiters, 0u);
  auto wins = start();
  filled.notify_one();  // not yet
  stepper.run_until_idle();
  EXPECT_EQ(filled.statistics().waiters, 1u);
  **mutex.try_lock() = 1;
  filled.notify_one();
  EXPECT_EQ(joined(wins).value(), 0u);
  EXPECT_FALSE(mutex.statistics().is_locked);
}

}  // namespace
}  // namespace quiesce
