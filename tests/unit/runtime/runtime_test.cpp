// The production assembly: what its builder refuses, block_on from everywhere, shutdown by stages, snapshots, contexts that
// outlive it.
#include <gtest/gtest.h>
#include <quiesce/capabilities.hpp>
#include <quiesce/log.hpp>
#include <quiesce/quiesce.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

namespace {

q::Runtime two_workers() { return q::Runtime::builder().workers(2).build(); }

std::string refusal_of(auto configure) {
  try {
    configure(q::Runtime::builder());
  } catch (const std::invalid_argument& error) { return error.what(); }
  return "accepted";
}

TEST(RuntimeBuilder, refuses_what_cannot_be_used_and_says_why) {
  EXPECT_EQ(refusal_of([](q::RuntimeBuilder&& b) { (void)std::move(b).workers(0); }),
            "Runtime::builder().workers(n): n must be from 1 to 1024");
  EXPECT_EQ(refusal_of([](q::RuntimeBuilder&& b) { (void)std::move(b).blocking_threads(3, 2); }),
            "Runtime::builder().blocking_threads(min, max): max must be at least 1 and at least min");
  EXPECT_EQ(refusal_of([](q::RuntimeBuilder&& b) { (void)std::move(b).cancel_streak_limit(0); }),
            "Runtime::builder().cancel_streak_limit(n): n must be at least 1");
  EXPECT_EQ(refusal_of([](q::RuntimeBuilder&& b) { (void)std::move(b).poll_budget(0); }),
            "Runtime::builder().poll_budget(n): n must be at least 1");
}

TEST(Runtime, block_on_gives_each_kind_of_outcome) {
  q::Runtime rt = two_workers();
  auto ok = [](q::Cx, q::Scope<>&) -> q::Task<int> { co_return 7; };
  EXPECT_EQ(rt.block_on(ok).value(), 7);
  auto err = [](q::Cx, q::Scope<>&) -> q::Task<int> {
    co_await q::fail(q::ErrorCode::User, "no");
    co_return 0;
  };
  EXPECT_EQ(rt.block_on(err).error().message(), "no");
  auto cancelled = [](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    scope.cancel(q::CancelReason::user("stop"));
    co_await cx.checkpoint();
    co_return 0;
  };
  q::Outcome<int> stopped = rt.block_on(cancelled);
  ASSERT_TRUE(stopped.is_cancelled()) << stopped;
  EXPECT_EQ(stopped.cancel_reason().message(), "stop");
  auto panicked = [](q::Cx, q::Scope<>&) -> q::Task<int> {
    throw std::runtime_error("broken");
    co_return 0;
  };
  q::Outcome<int> broken = rt.block_on(panicked);
  ASSERT_TRUE(broken.is_panicked()) << broken;
  EXPECT_NE(broken.panic().message().find("broken"), std::string::npos) << broken;
}

TEST(Runtime, several_threads_may_block_at_once) {
  q::Runtime rt = two_workers();
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        auto body = [t](q::Cx cx, q::Scope<>&) -> q::Task<int> {
          co_await cx.yield();
          co_return t;
        };
        sum.fetch_add(rt.block_on(body).value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum.load(), 50 * (0 + 1 + 2 + 3));
}

TEST(Runtime, block_on_and_shutdown_on_a_worker_are_refused) {
  q::Runtime rt = two_workers();
  auto body = [&rt](q::Cx, q::Scope<>&) -> q::Task<> {
    auto inner = [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; };
    q::Outcome<> nested = rt.block_on(inner);
    EXPECT_TRUE(nested.is_err());
    EXPECT_EQ(nested.error().code(), q::ErrorCode::BlockingInTask);
    EXPECT_EQ(nested.error().message(),
              "block_on on a worker would stop the tasks it waits for: co_await quiesce::region(cx, policy, "
              "body) instead");
    std::string said;
    try {
      (void)rt.shutdown(0s);
    } catch (const q::UsageError& error) { said = error.what(); }
    EXPECT_EQ(said, "shutdown on a worker would wait for its own task: call it from another thread");
    co_return;
  };
  q::Outcome<> outcome = rt.block_on(body);
  EXPECT_TRUE(outcome.is_ok()) << outcome;
}

TEST(Runtime, a_throwing_factory_goes_on_to_the_caller_and_leaves_nothing) {
  q::Runtime rt = two_workers();
  auto body = [](q::Cx, q::Scope<>&) -> q::Task<int> { throw std::runtime_error("no frame"); };
  EXPECT_THROW((void)rt.block_on(body), std::runtime_error);
  EXPECT_TRUE(rt.snapshot().regions.empty());
  EXPECT_EQ(rt.stats().regions_opened, rt.stats().regions_closed);
}

TEST(Runtime, shutdown_when_idle_drains_at_once_and_refuses_afterwards) {
  q::Runtime rt = two_workers();
  q::ShutdownReport report = rt.shutdown(1h);
  EXPECT_TRUE(report.drained);
  EXPECT_TRUE(report.after_soft.empty());
  auto body = [](q::Cx, q::Scope<>&) -> q::Task<> { co_return; };
  q::Outcome<> refused = rt.block_on(body);
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), q::ErrorCode::RuntimeShutdown);
}

q::Task<> until_shutdown(q::Cx cx, std::shared_ptr<std::latch> running) {
  running->count_down();
  while (!cx.is_shutting_down()) co_await cx.sleep(100us);
}
q::Task<> until_cancelled(q::Cx cx, std::shared_ptr<std::latch> running) {
  running->count_down();
  co_await cx.sleep(1h);
}

}  // namespace
template <>
inline constexpr bool quiesce::enable_sync<std::latch> = true;
namespace {

TEST(Runtime, shutdown_ends_what_looks_softly_and_what_does_not_by_cancel) {
  q::Runtime rt = two_workers();
  auto running = std::make_shared<std::latch>(2);
  q::Outcome<> outcome;
  std::thread blocked([&] {
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto soft = co_await scope.spawn(cx, until_shutdown, running);
      auto hard = co_await scope.spawn(cx, until_cancelled, running);
      q::Outcome<> ended = co_await soft.join(cx).outcome();
      EXPECT_TRUE(ended.is_ok()) << ended;
      co_await hard.join(cx);
    };
    outcome = rt.block_on(body);
  });
  running->wait();
  q::ShutdownReport report = rt.shutdown(20ms);
  blocked.join();
  EXPECT_TRUE(report.drained) << report;
  EXPECT_FALSE(report.after_soft.empty());
  EXPECT_TRUE(report.after_cancel.empty()) << report;
  ASSERT_TRUE(outcome.is_cancelled()) << outcome;
  EXPECT_EQ(outcome.cancel_reason().kind(), q::CancelKind::Shutdown);
  EXPECT_NE(report.text().find("waits for sleep"), std::string::npos) << report;
}

TEST(Runtime, snapshot_shows_the_live_tree_as_text_and_json) {
  q::Runtime rt = two_workers();
  auto body = [&rt](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto sleeper = [](q::Cx inner) -> q::Task<> { co_await inner.sleep(1h); };
    auto handle = co_await scope.spawn(cx, sleeper);
    while (rt.snapshot().text().find("waits for sleep") == std::string::npos) co_await cx.yield();
    q::Snapshot snapshot = rt.snapshot();
    EXPECT_EQ(snapshot.regions.size(), 1u);
    EXPECT_EQ(snapshot.task_count(), 2u);
    EXPECT_NE(snapshot.text().find("region 0 ("), std::string::npos) << snapshot;
    EXPECT_NE(snapshot.text().find("Running, waits for sleep since "), std::string::npos) << snapshot;
    EXPECT_EQ(snapshot.json().substr(0, 13), "{\"regions\":[{") << snapshot.json();
    EXPECT_NE(snapshot.json().find("\"waiting_for\":\"sleep\""), std::string::npos) << snapshot.json();
    handle.abort();
  };
  q::Outcome<> outcome = rt.block_on(body);
  EXPECT_TRUE(outcome.is_ok()) << outcome;
}

TEST(Runtime, a_context_that_outlives_everything_says_so) {
  q::Cx kept;
  std::optional<q::Scope<>> scope;
  {
    q::Runtime rt = two_workers();
    auto body = [&](q::Cx cx, q::Scope<>& inner) -> q::Task<> {
      kept = cx;
      scope = inner;
      co_return;
    };
    (void)rt.block_on(body);
    EXPECT_FALSE(kept.is_valid());
  }
  EXPECT_FALSE(kept.is_valid());
  std::string said;
  try {
    (void)kept.now();
  } catch (const q::UsageError& error) {
    said = error.what();
    EXPECT_EQ(error.error().code(), q::ErrorCode::StaleContext);
  }
  EXPECT_NE(said.find("of this context has ended; use the context that was passed to the running task"),
            std::string::npos)
      << said;
  q::Outcome<> checked = kept.checkpoint();
  ASSERT_TRUE(checked.is_err());
  EXPECT_EQ(checked.error().code(), q::ErrorCode::StaleContext);
  EXPECT_TRUE(scope->budget() == q::Budget::infinite());
  scope->cancel(q::CancelReason::user("too late"));  // harmless
}

int thread_is_not_a_worker(q::Cx, std::thread::id worker) {
  return std::this_thread::get_id() != worker ? 1 : 0;
}

TEST(Runtime, blocking_jobs_run_beside_the_workers_and_the_pool_shrinks_to_its_bounds) {
  q::Runtime rt = q::Runtime::builder().workers(1).blocking_threads(1, 2).build();
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    std::vector<q::TaskHandle<int>> handles;
    for (int i = 0; i < 20; ++i) {
      handles.push_back(co_await scope.spawn_blocking(cx, thread_is_not_a_worker, std::this_thread::get_id()));
    }
    int sum = 0;
    for (auto& handle : handles) sum += co_await handle.join(cx);
    co_return sum;
  };
  EXPECT_EQ(rt.block_on(body).value(), 20);
  EXPECT_GE(rt.stats().blocking_threads, 1u);
  EXPECT_LE(rt.stats().blocking_threads, 2u);
}

q::Outcome<int> tells_an_outcome(q::Cx, bool good) {
  return good ? q::Outcome<int>::ok(7) : q::Outcome<int>::err(q::Error(q::ErrorCode::User, "told"));
}
std::expected<void, q::Error> tells_an_expected(q::Cx, bool good) {
  if (good) return {};
  return std::unexpected(q::Error(q::ErrorCode::User, "told"));
}
std::expected<int, std::string> tells_a_value(q::Cx) { return std::unexpected("no error of a task"); }

TEST(Runtime, a_blocking_function_that_returns_an_outcome_ends_its_task_so) {
  q::Runtime rt = q::Runtime::builder().workers(1).build();
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    q::TaskHandle<int> good = co_await scope.spawn_blocking(cx, tells_an_outcome, true);
    EXPECT_EQ(co_await good.join(cx), 7);
    q::TaskHandle<int> bad = co_await scope.spawn_blocking(cx, tells_an_outcome, false);
    EXPECT_EQ((co_await bad.join(cx).outcome()).error().message(), "told");
    q::TaskHandle<> fine = co_await scope.spawn_blocking(cx, tells_an_expected, true);
    co_await fine.join(cx);
    q::TaskHandle<> refused = co_await scope.spawn_blocking(cx, tells_an_expected, false);
    EXPECT_EQ((co_await refused.join(cx).outcome()).error().message(), "told");
    auto value = co_await scope.spawn_blocking(cx, tells_a_value);
    auto told = co_await value.join(cx);
    EXPECT_EQ(told.error(), "no error of a task");
  };
  EXPECT_TRUE(rt.block_on(body).is_ok());
}

TEST(Runtime, a_context_is_stale_when_its_task_has_ended_though_its_handle_is_held) {
  std::optional<q::Cx> kept;
  std::optional<q::TaskHandle<>> handle;
  {
    q::Runtime rt = q::Runtime::builder().workers(1).build();
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto leaves_its_context = [](q::Cx mine, std::optional<q::Cx>* out) -> q::Task<> {
        *out = mine;
        co_return;
      };
      handle = co_await scope.spawn(cx, leaves_its_context, q::unsafe_send(&kept));
    };
    EXPECT_TRUE(rt.block_on(body).is_ok());
    EXPECT_FALSE(kept->is_valid());
    EXPECT_THROW((void)kept->now(), q::UsageError);
  }
  EXPECT_THROW((void)kept->now(), q::UsageError) << "the runtime is gone too";
  EXPECT_EQ(kept->checkpoint().error().code(), q::ErrorCode::StaleContext);
}

TEST(Runtime, local_tasks_stay_on_their_worker) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto pinned = [&](q::Cx inner) -> q::Task<> {
      const std::thread::id home = std::this_thread::get_id();
      for (int i = 0; i < 200; ++i) {
        if (i % 20 == 0) co_await inner.sleep(10us);
        co_await inner.yield();
        EXPECT_EQ(std::this_thread::get_id(), home);
      }
    };
    std::vector<q::TaskHandle<>> handles;
    for (int i = 0; i < 8; ++i) handles.push_back(co_await scope.spawn_local(cx, pinned));
    for (auto& handle : handles) co_await handle.join(cx);
  };
  q::Outcome<> outcome = rt.block_on(body);
  EXPECT_TRUE(outcome.is_ok()) << outcome;
}

TEST(Runtime, a_slow_close_says_what_it_waits_for) {
  auto log = std::make_shared<q::MemoryLogSink>();
  q::Runtime rt = q::Runtime::builder().workers(2).log(log).close_warning(1ms).build();
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto stubborn = [&](q::Cx inner) -> q::Task<> {
      q::MaskGuard mask = inner.mask();
      while (log->records().empty()) co_await inner.sleep(200us);
    };
    auto handle = co_await scope.spawn_local(cx, stubborn);
    scope.cancel(q::CancelReason::user("close"));
  };
  (void)rt.block_on(body);
  ASSERT_FALSE(log->records().empty());
  const std::string line = log->records().front().line();
  EXPECT_NE(line.find("the close of a region takes long"), std::string::npos) << line;
  for (const char* part : {"region=", "task=", "waits_for=", "age="})
    EXPECT_NE(line.find(part), std::string::npos) << line;
}

void destroy_while_another_thread_blocks() {
  auto running = std::make_shared<std::latch>(1);
  auto rt = std::make_unique<q::Runtime>(q::Runtime::builder().workers(1).abort_after(1ms).build());
  std::thread blocked([&] {
    auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<> {
      running->count_down();
      co_await cx.sleep(1h);
    };
    (void)rt->block_on(body);
  });
  running->wait();
  rt.reset();
  blocked.join();
}

TEST(RuntimeDeathTest, C10_the_destructor_aborts_with_the_tree_when_so_configured) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(destroy_while_another_thread_blocks(),
               "have not closed within its limit:\nregion 0 .*\n.*body 0");
}

TEST(Runtime, more_workers_than_cores_and_one_worker_run_the_same_program) {
  for (std::uint32_t workers : {1u, 3u, 32u}) {
    q::Runtime rt = q::Runtime::builder().workers(workers).build();
    auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
      auto one = [](q::Cx inner) -> q::Task<int> {
        co_await inner.yield();
        co_return 1;
      };
      std::vector<q::TaskHandle<int>> handles;
      for (int i = 0; i < 1000; ++i) handles.push_back(co_await scope.spawn(cx, one));
      int sum = 0;
      for (auto& handle : handles) sum += co_await handle.join(cx);
      co_return sum;
    };
    EXPECT_EQ(rt.block_on(body).value(), 1000);
  }
}

}  // namespace
