// Waiting allocates nothing, whatever is waited for. Counted are the step in which a task comes to wait, what ends its wait, and the
// step in which it goes on.
#include <chrono>
#include <optional>
#include <string>

#include "quiesce/channel/broadcast.hpp"
#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/channel/oneshot.hpp"
#include "quiesce/channel/rendezvous.hpp"
#include "quiesce/channel/session.hpp"
#include "quiesce/channel/watch.hpp"
#include "quiesce/select.hpp"
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
#include "unit/allocations.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using namespace std::chrono_literals;
using testing_support::Allocations;
using testing_support::allocations;

struct WaitingCost : ChannelTest {
  void SetUp() override {
    if (!testing_support::counts_allocations()) GTEST_SKIP() << "a sanitizer has its own allocator";
  }

  /// Allocations of one wait that `wake` ends.
  template <class Wait, class Wake>
  std::uint64_t of(Wait wait, Wake wake) {
    bool done = false;
    auto body = [&](Cx mine) -> Task<> {
      co_await mine.yield();
      (void)co_await wait(mine);
      done = true;
      co_await mine.yield();
    };
    auto handle = scope.spawn(cx, unsafe_send(body)).value();
    s.step(handle.task_id());
    const Allocations before = allocations();
    s.step(handle.task_id());
    EXPECT_FALSE(done) << "it had nothing to wait for";
    wake();
    s.step(handle.task_id());
    const Allocations cost = allocations() - before;
    EXPECT_TRUE(done);
    s.run_until_idle();
    return cost.count;
  }
};

/// The same on a runtime of one worker, for waits with a time: the Stepper's clock allocates for each of its timers. Nothing waits for
/// the time to come.
template <class Wait, class Wake>
std::uint64_t cost_on_a_runtime(Wait wait, Wake wake) {
  Runtime runtime = Runtime::builder().workers(1).build();
  std::uint64_t cost = 0;
  int begun = 0, done = 0;
  auto waits = [&](Cx cx) -> Task<> {
    const Allocations before = allocations();
    ++begun;
    (void)co_await wait(cx);
    cost = (allocations() - before).count;
    ++done;
  };
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int round = 1; round <= 2; ++round) {  // the first warms up what is pooled
      auto waiter = co_await scope.spawn(cx, unsafe_send(waits));
      while (begun < round) co_await cx.yield();
      EXPECT_EQ(done, round - 1) << "it had nothing to wait for";
      wake();
      co_await waiter.join(cx);
    }
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(done, 2);
  return cost;
}

// Each once to warm up what is pooled – frames, records of obligations – and then counted.
#define EXPECT_NOTHING_ALLOCATED(wait, wake) \
  do {                                       \
    (void)of(wait, wake);                    \
    EXPECT_EQ(of(wait, wake), 0u);           \
  } while (false)

TEST_F(WaitingCost, AMutex) {
  Mutex<int> mutex(0, "mutex");
  auto held = mutex.try_lock();
  auto wait = [&](Cx mine) { return mutex.lock(mine); };
  auto wake = [&] { held.reset(); };
  (void)of(wait, wake);
  held = mutex.try_lock();
  EXPECT_EQ(of(wait, wake), 0u);
}

TEST_F(WaitingCost, AReaderWriterLock) {
  RwLock<int> lock(0, "lock");
  auto writing = lock.try_write();
  EXPECT_EQ(of([&](Cx mine) { return lock.read(mine); }, [&] { writing.reset(); }), 0u);
  auto reading = lock.try_read();
  EXPECT_EQ(of([&](Cx mine) { return lock.write(mine); }, [&] { reading.reset(); }), 0u);
}

TEST_F(WaitingCost, ASemaphore) {
  Semaphore warm(0), semaphore(0, "semaphore");
  (void)of([&](Cx mine) { return warm.acquire(mine); }, [&] { warm.add_permits(1); });
  EXPECT_EQ(of([&](Cx mine) { return semaphore.acquire(mine); }, [&] { semaphore.add_permits(1); }), 0u);
}

TEST_F(WaitingCost, ANotifyAnEventALatchAndABarrier) {
  Notify notify;
  EXPECT_EQ(of([&](Cx mine) { return notify.notified(mine); }, [&] { notify.notify_one(); }), 0u);
  Event event;
  EXPECT_EQ(of([&](Cx mine) { return event.wait(mine); }, [&] { event.set(); }), 0u);
  Latch latch(1);
  EXPECT_EQ(of([&](Cx mine) { return latch.wait(mine); }, [&] { latch.count_down(); }), 0u);
  Barrier barrier(2);
  auto arrives = [&](Cx mine) -> Task<> { (void)co_await barrier.arrive_and_wait(mine); };
  for (int round = 0; round < 2; ++round) {  // the first warms up the frames
    auto second = scope.spawn(cx, unsafe_send(arrives)).value();
    const std::uint64_t cost =
        of([&](Cx mine) { return barrier.arrive_and_wait(mine); }, [&] { s.step(second.task_id()); });
    if (round > 0) { EXPECT_EQ(cost, 0u); }
  }
}

TEST_F(WaitingCost, AConditionVariable) {
  Mutex<int> mutex(0);
  CondVar changed;
  auto wait = [&](Cx mine) -> Task<> {
    auto guard = co_await mutex.lock(mine);
    co_await changed.wait(mine, guard);
  };
  EXPECT_NOTHING_ALLOCATED(wait, [&] { changed.notify_one(); });
}

TEST_F(WaitingCost, AOnceCell) {
  for (int round = 0; round < 2; ++round) {
    OnceCell<int> cell;
    const std::uint64_t cost = of([&](Cx mine) { return cell.ready(mine); }, [&] { EXPECT_TRUE(cell.set(3)); });
    if (round > 0) { EXPECT_EQ(cost, 0u); }
  }
}

TEST_F(WaitingCost, AValue) {
  Value<int> value(0, "value");
  int target = 0;
  // A change allocates its snapshot: that is the only one.
  auto wait = [&](Cx mine) { return value.wait_until(mine, [&target](int seen) { return seen == target; }); };
  auto wake = [&] { value.set(target); };
  target = 1;
  (void)of(wait, wake);
  target = 2;
  EXPECT_EQ(of(wait, wake), 1u) << "of the snapshot";
}

TEST_F(WaitingCost, APool) {
  auto make = [](Cx) -> int { return 1; };
  Pool<int> pool(PoolOptions(1), make, "pool");
  std::optional<PooledGuard<int>> lent;
  auto borrow = [&](Cx mine) -> Task<> { lent.emplace(co_await pool.acquire(mine)); };
  auto wait = [&](Cx mine) -> Task<> { auto mine_now = co_await pool.acquire(mine); };
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(s.run(borrow(cx)).is_ok());
    const std::uint64_t cost = of(wait, [&] { lent.reset(); });
    if (round > 0) { EXPECT_EQ(cost, 0u); }
  }
}

TEST_F(WaitingCost, Queues) {
  auto mpsc_ends = mpsc::channel<int>(1);
  auto mpmc_ends = mpmc::channel<int>(1);
  auto check = [&](auto& tx, auto& rx) {
    auto put = [&] { EXPECT_TRUE(tx.try_send(1)); };
    auto take = [&] { EXPECT_TRUE(rx.try_recv()); };
    EXPECT_EQ(of([&](Cx mine) { return rx.recv(mine); }, put), 0u);
    put();
    EXPECT_EQ(of([&](Cx mine) { return tx.send(mine, 2); }, take), 0u);
    (void)of([&](Cx mine) { return tx.reserve(mine); }, take);  // the permit goes, and its place is free
    put();
    EXPECT_EQ(of([&](Cx mine) { return tx.reserve(mine); }, take), 0u);
  };
  check(mpsc_ends.first, mpsc_ends.second);
  check(mpmc_ends.first, mpmc_ends.second);
  EXPECT_EQ(of([&](Cx mine) { return mpsc_ends.first.closed(mine); }, [&] { mpsc_ends.second.close(); }), 0u);
}

TEST_F(WaitingCost, AOneshotAndAnUnboundedQueue) {
  auto one = oneshot::channel<int>();
  EXPECT_EQ(of([&](Cx mine) { return one.second.recv(mine); }, [&] { EXPECT_TRUE(one.first.send(1)); }), 0u);
  auto lines = mpsc::unbounded_channel<int>();
  EXPECT_TRUE(lines.first.send(0) && lines.second.try_recv()) << "it has its first block";
  EXPECT_EQ(of([&](Cx mine) { return lines.second.recv(mine); }, [&] { EXPECT_TRUE(lines.first.send(1)); }),
            0u);
}

TEST_F(WaitingCost, ARendezvous) {
  auto [tx, rx] = rendezvous::channel<int>();
  auto& to = tx;
  auto& from = rx;
  EXPECT_EQ(of([&](Cx mine) { return from.recv(mine); }, [&] { EXPECT_TRUE(to.try_send(1)); }), 0u);
  EXPECT_EQ(of([&](Cx mine) { return to.send(mine, 1); }, [&] { EXPECT_TRUE(from.try_recv()); }), 0u);
}

TEST_F(WaitingCost, ABroadcast) {
  auto [tx, rx] = broadcast::channel<int>(4);
  auto& from = rx;
  auto& to = tx;
  EXPECT_EQ(of([&](Cx mine) { return from.recv(mine); }, [&] { EXPECT_TRUE(to.send(1)); }), 0u);
  auto texts = broadcast::channel<std::string>(4);
  EXPECT_EQ(of([&](Cx mine) { return texts.second.recv(mine); }, [&] { EXPECT_TRUE(texts.first.send("a")); }),
            1u)
      << "of the value";
}

TEST_F(WaitingCost, AWatch) {
  auto [tx, rx] = watch::channel<int>(0);
  auto& from = rx;
  auto& to = tx;
  EXPECT_EQ(of([&](Cx mine) { return from.changed(mine); }, [&] { to.send(1); }), 1u) << "of the value";
}

TEST_F(WaitingCost, ASession) {
  auto [client, server] = session::channel<int, int>(2);
  auto& asks = client;
  auto& answers = server;
  auto serve = [&](Cx mine) -> Task<> {
    auto request = co_await answers.recv(mine);
    request->reply(request->value() + 1);
  };
  auto ask = [&](Cx mine) -> Task<> { (void)co_await asks.call(mine, 1); };
  for (int round = 0; round < 2; ++round) {
    auto asking = scope.spawn(cx, unsafe_send(ask)).value();
    const std::uint64_t of_serving = of(serve, [&] { s.step(asking.task_id()); });
    auto serving = scope.spawn(cx, unsafe_send(serve)).value();
    const std::uint64_t of_asking = of(ask, [&] { s.step(serving.task_id()); });
    if (round == 0) continue;  // it warms up what is pooled
    EXPECT_EQ(of_serving, 1u) << "of the call";
    EXPECT_EQ(of_asking, 1u) << "of the call";
  }
}

TEST_F(WaitingCost, ASelect) {
  Event event;
  Mutex<int> mutex(0);
  auto held = mutex.try_lock();
  auto [tx, rx] = mpsc::channel<int>(1);
  auto& from = rx;
  auto& to = tx;
  auto put = [&] { EXPECT_TRUE(to.try_send(1)); };
  auto wait = [&](Cx mine) { return select(mine, event.wait(), mutex.lock(), from.recv()); };
  EXPECT_NOTHING_ALLOCATED(wait, put);
  auto timed = [&](Cx mine) { return select(mine, event.wait(), from.recv(), mine.sleep(1h)); };
  EXPECT_EQ(cost_on_a_runtime(timed, put), 0u);
}

/// Neither does making, arming and stopping one.
TEST_F(WaitingCost, ATimer) {
  auto lives = [&](Cx mine) -> Task<> {
    Timer timer(mine, 1h);
    timer.reset(2h);
    timer.stop();
    timer.reset(0ms);
    co_await timer.wait(mine);
  };
  EXPECT_EQ(cost_on_a_runtime(lives, [] {}), 0u);
}

TEST_F(WaitingCost, ATimeoutAndALockWithADeadline) {
  Notify notify;
  auto wait = [&](Cx mine) { return timeout(mine, 1h, notify.notified()); };
  EXPECT_EQ(cost_on_a_runtime(wait, [&] { notify.notify_one(); }), 0u);
  Mutex<int> first(0), second(0);
  auto held = first.try_lock();
  auto next = second.try_lock();
  auto locks = [&](Cx mine) { return (held ? first : second).lock_for(mine, 1h); };
  EXPECT_EQ(cost_on_a_runtime(locks, [&] { (held ? held : next).reset(); }), 0u);
}

}  // namespace
}  // namespace quiesce::channel_tests
