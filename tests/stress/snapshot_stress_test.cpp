// Snapshots of tasks that are woken, cancelled and gone meanwhile: nothing of a wait may go while it is looked at.
#include <gtest/gtest.h>
#include <quiesce/quiesce.hpp>
#include <quiesce/select.hpp>
#include <quiesce/sync/semaphore.hpp>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

struct Shared {
  q::Semaphore permits{2, "permits"};
  q::Semaphore gate{0, "gate"};
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> rounds{0};
};
using SharedPtr = std::shared_ptr<Shared>;

}  // namespace
template <>
inline constexpr bool quiesce::enable_sync<Shared> = true;

namespace {

q::Task<> take_permit(q::Cx cx, SharedPtr shared) {
  q::SemaphorePermit permit = co_await shared->permits.acquire(cx);
  co_await cx.yield();
}

q::Task<> nap(q::Cx cx) { co_await cx.sleep(20us); }

/// Waits in every way, and leaves some waits by a request.
q::Task<> churn(q::Cx cx, SharedPtr shared) {
  while (!shared->over.load()) {
    co_await take_permit(cx, shared);
    auto body = [&](q::Cx inner, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      auto napping = co_await scope.spawn(inner, nap);
      auto waiting = co_await scope.spawn(inner, take_permit, shared);
      auto chosen = q::select(inner, shared->permits.acquire(), napping.join(inner));
      (void)co_await std::move(chosen).outcome();
      waiting.abort();
      (void)co_await waiting.join(inner).outcome();
    };
    (void)co_await q::region(cx, q::CollectAll{}, body).outcome();
    shared->rounds.fetch_add(1);
  }
}

q::Task<> wait_for_gate(q::Cx cx, SharedPtr shared) {
  q::SemaphorePermit permit = co_await shared->gate.acquire(cx);
}
q::Task<> wait_long(q::Cx cx, SharedPtr shared) { co_await wait_for_gate(cx, shared); }

/// Whoever waits from before the first snapshot to after the last is in each of them, with both its awaits.
void expect_long_wait(const q::Snapshot& snapshot) {
  int found = 0;
  for (const q::RegionSnapshot& region : snapshot.regions) {
    for (const q::TaskSnapshot& task : region.tasks) {
      if (task.waiting_on.name != "gate") continue;
      ++found;
      EXPECT_EQ(task.stack.size(), 2u);
    }
  }
  EXPECT_EQ(found, 1);
}

bool waits_for_gate(const q::Runtime& rt) { return rt.snapshot().text().find("\"gate\"") != std::string::npos; }

TEST(SnapshotStress, looks_at_waits_that_end_meanwhile) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto shared = std::make_shared<Shared>();
  std::thread running([&] {
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      for (int i = 0; i < 8; ++i) (void)(co_await scope.spawn(cx, churn, shared));
      (void)(co_await scope.spawn(cx, wait_long, shared));
    };
    const q::Outcome<> outcome = rt.block_on(body);
    EXPECT_TRUE(outcome.is_ok()) << outcome;
  });
  while (!waits_for_gate(rt)) std::this_thread::yield();
  std::vector<std::thread> lookers;
  for (int i = 0; i < 2; ++i) {
    lookers.emplace_back([&] {
      for (int n = 0; n < 300; ++n) expect_long_wait(rt.snapshot());
    });
  }
  for (std::thread& looker : lookers) looker.join();
  EXPECT_GT(shared->rounds.load(), 0u);
  shared->over.store(true);
  shared->gate.add_permits(1);
  running.join();
  EXPECT_TRUE(rt.snapshot().regions.empty());
  EXPECT_EQ(shared->permits.available_permits(), 2u) << "a permit was lost";
}

// ---- one large region, walked in slices, whose list changes between them ----

constexpr int long_waiters = 500;

q::Task<> spawn_and_end(q::Cx cx, q::Scope<q::CollectAll> scope, SharedPtr shared) {
  while (!shared->over.load()) {
    std::vector<q::TaskHandle<>> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(co_await scope.spawn(cx, nap));
    for (auto& handle : handles) co_await handle.join(cx);
    shared->rounds.fetch_add(1);
  }
}

/// No task twice, and each of those that wait all the time.
void expect_all_once(const q::Snapshot& snapshot) {
  std::set<q::TaskId> seen;
  int waiters = 0;
  for (const q::RegionSnapshot& region : snapshot.regions) {
    for (const q::TaskSnapshot& task : region.tasks) {
      EXPECT_TRUE(seen.insert(task.id).second) << task.path << " is there twice";
      if (task.waiting_on.name == "gate") ++waiters;
    }
  }
  EXPECT_EQ(waiters, long_waiters);
}

bool all_wait(const q::Runtime& rt) {
  int waiters = 0;
  for (const q::RegionSnapshot& region : rt.snapshot().regions) {
    for (const q::TaskSnapshot& task : region.tasks) waiters += task.waiting_on.name == "gate" ? 1 : 0;
  }
  return waiters == long_waiters;
}

TEST(SnapshotStress, walks_a_region_whose_tasks_come_and_go_and_that_is_cancelled_meanwhile) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto shared = std::make_shared<Shared>();
  std::thread running([&] {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (int i = 0; i < long_waiters; ++i) {
        (void)(co_await scope.spawn(cx, wait_long, shared));
        if (i % (long_waiters / 8) == 0) (void)(co_await scope.spawn(cx, spawn_and_end, scope, shared));
      }
    };
    const q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    EXPECT_TRUE(outcome.is_cancelled()) << outcome;
  });
  while (!all_wait(rt)) std::this_thread::yield();
  std::atomic<int> looking{2};
  std::vector<std::thread> lookers;
  for (int i = 0; i < 2; ++i) {
    lookers.emplace_back([&] {
      for (int n = 0; n < 25; ++n) expect_all_once(rt.snapshot());
      --looking;
      while (!rt.snapshot().regions.empty()) std::this_thread::yield();  // through the cancel and the close
    });
  }
  while (looking.load() > 0 || shared->rounds.load() < 10) std::this_thread::yield();
  rt.cancel_all(q::CancelReason::user("over"));
  for (std::thread& looker : lookers) looker.join();
  running.join();
  EXPECT_TRUE(rt.snapshot().regions.empty());
}

q::Task<> sleep_long(q::Cx cx) { co_await cx.sleep(1h); }

/// More than a slice, so that a bookmark stands in the list while the last of them end, with their counts beside it.
q::Task<> open_and_cancel(q::Cx cx, int rounds) {
  auto body = [](q::Cx inner, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    for (int i = 0; i < 150; ++i) (void)(co_await scope.launch(inner, sleep_long));
    co_await inner.yield();
    scope.cancel(q::CancelReason::user("over"));
  };
  for (int round = 0; round < rounds; ++round) {
    const q::Outcome<> closed = co_await q::region(cx, q::CollectAll{}, body).outcome();
    EXPECT_TRUE(closed.is_cancelled()) << closed;
  }
}

TEST(SnapshotStress, a_region_closes_whose_last_tasks_end_while_it_is_looked_at) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  std::atomic<bool> over{false};
  std::vector<std::thread> lookers;
  for (int i = 0; i < 2; ++i) {
    lookers.emplace_back([&] {
      while (!over.load()) (void)rt.snapshot();
    });
  }
  const q::Outcome<> outcome =
      rt.block_on([](q::Cx cx, q::Scope<>&) -> q::Task<> { return open_and_cancel(cx, 200); });
  over.store(true);
  for (std::thread& looker : lookers) looker.join();
  EXPECT_TRUE(outcome.is_ok()) << outcome;
}

}  // namespace
