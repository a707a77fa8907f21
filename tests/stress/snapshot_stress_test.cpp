// Snapshots of tasks that are woken, cancelled and gone meanwhile: nothing of a wait may go while it is looked at.
#include <gtest/gtest.h>
#include <quiesce/quiesce.hpp>
#include <quiesce/select.hpp>
#include <quiesce/sync/semaphore.hpp>

#include <atomic>
#include <memory>
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

}  // namespace
