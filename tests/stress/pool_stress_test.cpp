// A pool of four for many tasks on four workers; some are cancelled while they wait, make or use.
#include "quiesce/sync/pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "quiesce/runtime.hpp"

namespace q = quiesce;

namespace {

struct Shop {
  std::atomic<int> live{0}, most{0}, used{0};
};
/// Counts how many of them live at a time.
class Tool {
 public:
  explicit Tool(Shop* shop) : shop_(shop) {
    const int now = shop_->live.fetch_add(1) + 1;
    int most = shop_->most.load();
    while (now > most && !shop_->most.compare_exchange_weak(most, now)) {}
  }
  Tool(Tool&& other) noexcept : shop_(std::exchange(other.shop_, nullptr)) {}
  Tool& operator=(Tool&& other) noexcept {
    std::swap(shop_, other.shop_);
    return *this;
  }
  ~Tool() {
    if (shop_ != nullptr) shop_->live.fetch_sub(1);
  }

 private:
  Shop* shop_;
};

q::Task<> work(q::Cx cx, q::Pool<Tool>* pool, Shop* shop, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    auto tool = co_await pool->acquire(cx);
    shop->used.fetch_add(1);
    if (i % 3 == 0) co_await cx.yield();
    if (i % 7 == 0) tool.discard();
  }
}

TEST(PoolStress, NeverLendsMoreThanItHasAndLosesNone) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  Shop shop;
  {
    auto forge = [&shop](q::Cx cx) -> q::Task<Tool> {
      co_await cx.yield();
      co_return Tool(&shop);
    };
    q::Pool<Tool> pool(q::PoolOptions(4).with_max_idle(3), forge, "tools");
    for (int round = 0; round < 10; ++round) {
      auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
        std::vector<q::TaskHandle<>> tasks;
        for (int i = 0; i < 24; ++i)
          tasks.push_back(co_await scope.spawn(cx, work, q::unsafe_send(&pool), q::unsafe_send(&shop), 50));
        co_await cx.sleep(std::chrono::microseconds(100 * round));
        for (std::size_t i = 0; i < tasks.size(); i += 3) tasks[i].abort();
        for (auto& task : tasks) (void)co_await task.join(cx).outcome();
      };
      q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
      ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
      const q::PoolStatistics after = pool.statistics();
      ASSERT_EQ(after.lent, 0u);
      ASSERT_EQ(after.waiters, 0u);
      ASSERT_LE(after.idle, 3u);
      ASSERT_EQ(static_cast<int>(after.idle), shop.live.load());
    }
    EXPECT_GT(shop.used.load(), 5000);
  }
  EXPECT_EQ(shop.live.load(), 0);
  EXPECT_LE(shop.most.load(), 4);
}

}  // namespace
