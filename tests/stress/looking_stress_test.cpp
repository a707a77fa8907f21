// Selects of operations that look again, of conditions and of times, on four workers; some are cancelled.
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "quiesce/combinators/join_set.hpp"
#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/cond_var.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/sync/value.hpp"
#include "quiesce/timeout.hpp"

namespace q = quiesce;

namespace {

using namespace std::chrono_literals;

struct Shop {
  q::Value<int> value{0, "value"};
  q::Semaphore permits{2, "permits"};
  q::Mutex<int> items{0, "items"};
  q::CondVar filled{"filled"};
  q::Event closing{"closing"};
  std::atomic<int> put{0}, taken{0}, inside{0}, late{0};
};

q::Task<> changes(q::Cx cx, Shop* shop) {
  for (int i = 0; i < 200; ++i) {
    shop->value.update([](int& now) { ++now; });
    if (i % 4 == 0) co_await cx.yield();
  }
}
/// Goes before the permit does, also when the task is cancelled.
struct Inside {
  std::atomic<int>& count;
  explicit Inside(std::atomic<int>& of) : count(of) { EXPECT_LE(++count, 2); }
  ~Inside() { --count; }
};
q::Task<> looks(q::Cx cx, Shop* shop, int wanted) {
  for (bool seen = false; !seen;) {
    auto first = co_await q::select(cx, shop->value.wait_until([wanted](int now) { return now >= wanted; }),
                                    q::timeout(50us, shop->permits.acquire()).outcome());
    seen = first.index() == 0;
    if (seen) {
      EXPECT_GE(*std::get<0>(first), wanted);
    } else if (std::get<1>(first).is_ok()) {
      const Inside counted(shop->inside);
      co_await cx.yield();
    } else {
      ++shop->late;
    }
  }
}
q::Task<> puts(q::Cx cx, Shop* shop) {
  for (int i = 0; i < 100; ++i) {
    auto guard = co_await shop->items.lock(cx);
    ++*guard;
    ++shop->put;
    shop->filled.notify_one();
  }
}
q::Task<> takes(q::Cx cx, Shop* shop) {
  for (;;) {
    auto guard = co_await shop->items.lock(cx);
    auto first = co_await q::select(cx, shop->filled.wait(guard, [&guard] { return *guard > 0; }),
                                    shop->closing.wait(), cx.sleep(200us));
    EXPECT_TRUE(bool(guard));
    if (first.index() == 1) co_return;
    if (first.index() == 2) continue;
    EXPECT_GE(--*guard, 0);
    ++shop->taken;
  }
}

TEST(LookingStress, NothingIsLostAndNobodyIsLeft) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 6; ++round) {
    Shop shop;
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<void>> cancelled;
      q::JoinSet<void> set(scope);
      for (int i = 1; i <= 12; ++i) (void)set.spawn(cx, looks, q::unsafe_send(&shop), i * 50);
      for (int i = 0; i < 4; ++i) {
        co_await scope.launch(cx, takes, q::unsafe_send(&shop));
        cancelled.push_back(co_await scope.spawn(cx, takes, q::unsafe_send(&shop)));
        cancelled.push_back(co_await scope.spawn(cx, looks, q::unsafe_send(&shop), 1'000'000));
      }
      for (int i = 0; i < 4; ++i) (void)set.spawn(cx, changes, q::unsafe_send(&shop));
      for (int i = 0; i < 4; ++i) (void)set.spawn(cx, puts, q::unsafe_send(&shop));
      int joined = 0;
      for (bool more = true; more;) {
        auto next = co_await q::select(cx, set.join_next(), cx.sleep(100us));
        if (next.index() == 1) continue;
        more = std::get<0>(next).has_value();
        if (!more) break;
        EXPECT_TRUE(std::get<0>(next)->is_ok());
        if (++joined == 10) {
          for (auto& handle : cancelled) handle.abort();
        }
      }
      EXPECT_EQ(joined, 20);
      for (auto& handle : cancelled) (void)co_await handle.join(cx).outcome();
      shop.closing.set();
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    EXPECT_EQ(*shop.value.read(), 800);
    EXPECT_EQ(shop.permits.available_permits(), 2u);
    EXPECT_EQ(**shop.items.try_lock(), shop.put - shop.taken);
    EXPECT_EQ(shop.value.statistics().waiters + shop.permits.statistics().waiters, 0u);
    EXPECT_EQ(shop.filled.statistics().waiters + shop.closing.statistics().waiters, 0u);
  }
}

}  // namespace
