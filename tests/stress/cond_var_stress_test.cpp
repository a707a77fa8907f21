// A bounded buffer of a mutex and two condition variables on four workers; consumers are cancelled.
#include "quiesce/sync/cond_var.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "quiesce/runtime.hpp"

namespace q = quiesce;

namespace {

struct Buffer {
  q::Mutex<std::deque<int>> items;
  q::CondVar filled, emptied;
};

q::Task<std::int64_t> consume(q::Cx cx, Buffer* buffer, std::int64_t* sum) {
  for (;;) {
    auto guard = co_await buffer->items.lock(cx);
    auto waiting = buffer->filled.wait(cx, guard, [&guard] { return !guard->empty(); });
    co_await std::move(waiting);
    *sum += guard->front();  // under the lock
    guard->pop_front();
    buffer->emptied.notify_one();
  }
}
q::Task<> produce(q::Cx cx, Buffer* buffer, int count) {
  for (int i = 1; i <= count; ++i) {
    auto guard = co_await buffer->items.lock(cx);
    auto waiting = buffer->emptied.wait(cx, guard, [&guard] { return guard->size() < 4; });
    co_await std::move(waiting);
    guard->push_back(i);
    buffer->filled.notify_one();
  }
}

TEST(CondVarStress, EverythingThatIsProducedIsConsumedThoughConsumersAreCancelled) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 5; ++round) {
    Buffer buffer;
    std::int64_t sum = 0;
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<std::int64_t>> consumers;
      std::vector<q::TaskHandle<>> producers;
      for (int i = 0; i < 6; ++i)
        consumers.push_back(co_await scope.spawn(cx, consume, q::unsafe_send(&buffer), q::unsafe_send(&sum)));
      for (int i = 0; i < 4; ++i)
        producers.push_back(co_await scope.spawn(cx, produce, q::unsafe_send(&buffer), 1000));
      for (std::size_t i = 0; i < 5; ++i) {
        co_await cx.sleep(std::chrono::microseconds(200));
        consumers[i].abort();
        (void)co_await consumers[i].join(cx).outcome();
        buffer.filled.notify_one();  // a notification that it was given and did not use would be another's
      }
      for (auto& producer : producers) co_await producer.join(cx);
      for (;;) {
        auto guard = co_await buffer.items.lock(cx);
        if (guard->empty()) break;
        guard.unlock();
        co_await cx.yield();
      }
      consumers[5].abort();
      (void)co_await consumers[5].join(cx).outcome();
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    EXPECT_EQ(sum, 4 * 500'500);
  }
}

}  // namespace
