// Updates and waits for a value on four workers; some waits are cancelled.
#include "quiesce/sync/value.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "quiesce/runtime.hpp"

namespace q = quiesce;

namespace {

q::Task<> add(q::Cx cx, q::Value<int>* value, int count) {
  for (int i = 0; i < count; ++i) {
    value->update([](int& now) { ++now; });
    if (i % 16 == 0) co_await cx.yield();
  }
}
q::Task<int> wait_for(q::Cx cx, q::Value<int>* value, int wanted) {
  auto waiting = value->wait_until(cx, [wanted](int now) { return now >= wanted; });
  auto seen = co_await std::move(waiting);
  co_return *seen;
}

TEST(ValueStress, NoUpdateAndNoWaiterIsLost) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 10; ++round) {
    q::Value<int> value(0, "count");
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<int>> waiting;
      for (int i = 1; i <= 16; ++i)
        waiting.push_back(co_await scope.spawn(cx, wait_for, q::unsafe_send(&value), i * 125));
      for (int i = 0; i < 4; ++i) co_await scope.launch(cx, add, q::unsafe_send(&value), 500);
      for (std::size_t i = 0; i < waiting.size(); i += 4) waiting[i].abort();
      for (std::size_t i = 0; i < waiting.size(); ++i) {
        q::Outcome<int> seen = co_await waiting[i].join(cx).outcome();
        EXPECT_TRUE(seen.is_ok() || i % 4 == 0) << seen;
        EXPECT_TRUE(!seen.is_ok() || seen.value() >= static_cast<int>(i + 1) * 125) << seen;
      }
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    EXPECT_EQ(*value.read(), 2000);
    EXPECT_EQ(value.statistics().waiters, 0u);
  }
}

}  // namespace
