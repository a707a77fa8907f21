// Permits, events and selects on four workers.
#include "quiesce/sync/semaphore.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"

namespace q = quiesce;

namespace {

constexpr std::uint32_t permits = 3;

struct Shop {
  q::Semaphore here{permits, "here"}, there{permits, "there"};
  std::atomic<int> inside{0}, visits{0};
  std::atomic<bool> crowded{false};
};

/// Leaves also when its task is cancelled inside.
class Inside {
 public:
  Inside(Shop* shop, int count) : shop_(shop), count_(count) {
    if (shop_->inside.fetch_add(count_) + count_ > static_cast<int>(permits)) shop_->crowded = true;
  }
  ~Inside() { shop_->inside.fetch_sub(count_); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Shop* shop_;
  int count_;
};

q::Task<> visit(q::Cx cx, Shop* shop, int times) {
  for (int i = 0; i < times; ++i) {
    if (i % 3 == 0) {
      auto first = co_await q::select(cx, shop->here.acquire(), shop->there.acquire_many(2));
      co_await cx.yield();
    } else {
      auto permit = co_await shop->here.acquire_many(cx, 1 + static_cast<std::uint32_t>(i) % permits);
      const Inside inside(shop, static_cast<int>(permit.count()));
      if (i % 7 == 0) co_await cx.yield();
    }
    shop->visits.fetch_add(1);
  }
}

TEST(SemaphoreStress, NoPermitIsLostThoughVisitorsAreCancelled) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 5; ++round) {
    Shop shop;
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<>> visitors;
      for (int i = 0; i < 16; ++i)
        visitors.push_back(co_await scope.spawn(cx, visit, q::unsafe_send(&shop), 1'000));
      for (int i = 0; i < 8; ++i) {
        co_await cx.sleep(std::chrono::microseconds(100));
        visitors[static_cast<std::size_t>(i)].abort();
      }
    };
    (void)rt.block_on<q::CollectAll>(body);
    EXPECT_FALSE(shop.crowded);
    EXPECT_EQ(shop.here.available_permits(), permits);
    EXPECT_EQ(shop.there.available_permits(), permits);
    EXPECT_EQ(shop.here.statistics().waiters + shop.there.statistics().waiters, 0u);
    EXPECT_GE(shop.visits.load(), 8 * 1'000);
  }
}

}  // namespace
