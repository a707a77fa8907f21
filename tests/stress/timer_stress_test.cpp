// Timers on four workers: armed, put off, stopped and waited for by many at a time, in whichever wheel they are.
#include "quiesce/timer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"

namespace q = quiesce;

namespace {

using namespace std::chrono_literals;

struct Shared {
  q::Timer timer;
  std::atomic<int> armed{0}, ended{0}, heard{0};  // armings, and those that were put off or stopped
  explicit Shared(q::Cx cx) : timer(cx, "shared") {}
};

q::Task<> handle(q::Cx cx, Shared* shared, int seed) {
  for (int i = 0; i < 3000; ++i) {
    if ((i * 7 + seed) % 3 == 0) {
      if (shared->timer.stop()) shared->ended.fetch_add(1);
    } else {
      shared->armed.fetch_add(1);
      if (shared->timer.reset(std::chrono::microseconds((i * 31 + seed) % 4000))) shared->ended.fetch_add(1);
    }
    if (i % 16 == seed % 16) co_await cx.yield();
  }
}
q::Task<> listen(q::Cx cx, Shared* shared) {
  for (;;) {
    co_await shared->timer.wait(cx);
    shared->heard.fetch_add(1);
    co_await cx.yield();
  }
}

TEST(TimerStress, EachArmingIsPutOffStoppedOrFires) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 5; ++round) {
    auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<> {
      Shared shared(cx);
      auto inside = [&](q::Cx mine, q::Scope<q::CollectAll>& scope) -> q::Task<> {
        std::vector<q::TaskHandle<>> listeners, handlers;
        for (int i = 0; i < 6; ++i)
          listeners.push_back(co_await scope.spawn(mine, listen, q::unsafe_send(&shared)));
        for (int i = 0; i < 4; ++i)
          handlers.push_back(co_await scope.spawn(mine, handle, q::unsafe_send(&shared), i));
        for (std::size_t i = 0; i < 3; ++i) {
          co_await mine.sleep(50us);
          listeners[i].abort();
        }
        for (auto& handler : handlers) co_await handler.join(mine);
        const bool was_armed = shared.timer.reset(1ms);
        EXPECT_LE(shared.ended.load() + (was_armed ? 1 : 0), shared.armed.load());
        co_await shared.timer.wait(mine);
        EXPECT_TRUE(shared.timer.has_fired());
        EXPECT_FALSE(shared.timer.stop());
        for (std::size_t i = 3; i < listeners.size(); ++i) listeners[i].abort();
      };
      (void)co_await q::region(cx, q::CollectAll(), inside).outcome();
      EXPECT_EQ(shared.timer.statistics().waiters, 0u);
    };
    const q::Outcome<> outcome = rt.block_on(body);
    ASSERT_TRUE(outcome.is_ok()) << outcome;
  }
}

/// It dies on whichever worker its task has come to, right after it was told, while whoever told it may still be at it.
q::Task<> lives_shortly(q::Cx cx, std::atomic<int>* done) {
  for (int i = 0; i < 20; ++i) {
    auto timer = std::make_unique<q::Timer>(cx, std::chrono::microseconds(i * 20));
    if (i % 4 == 0) {
      while (!timer->has_fired()) co_await cx.yield();
    } else if (i % 4 == 1) {
      auto first = co_await q::select(cx, timer->wait(), cx.sleep(200us));
      done->fetch_add(first.index() > 1 ? 1 : 0);
    } else if (i % 4 == 2) {
      co_await timer->wait(cx);
    } else {
      co_await cx.yield();
    }
  }
  done->fetch_add(1);
}

TEST(TimerStress, OneMayDieAsSoonAsItHasFired) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  std::atomic<int> done{0};
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    for (int i = 0; i < 200; ++i) co_await scope.launch(cx, lives_shortly, q::unsafe_send(&done));
  };
  const q::Outcome<> outcome = rt.block_on(body);
  ASSERT_TRUE(outcome.is_ok()) << outcome;
  EXPECT_EQ(done.load(), 200);
}

}  // namespace
