#include "quiesce/fork_join.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "quiesce/metrics.hpp"
#include "quiesce/quiesce.hpp"
#include "quiesce/testing/stepper.hpp"

namespace q = quiesce;

namespace {

q::Task<long> fib(q::Cx cx, int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await q::fork_join(cx, q::fork(fib, n - 1), q::call(fib, n - 2));
  co_return a + b;
}

template <class F>
auto run(std::uint32_t workers, F f) {
  q::Runtime rt = q::Runtime::builder().workers(workers).build();
  auto body = [&](q::Cx cx, q::Scope<>&) { return f(cx); };
  auto outcome = rt.block_on(body);
  EXPECT_EQ(rt.stats().tasks_spawned, rt.stats().tasks_completed);
  return outcome;
}

TEST(ForkJoin, gives_the_same_on_any_number_of_workers) {
  for (std::uint32_t workers : {1u, 2u, 4u}) {
    EXPECT_EQ(run(workers, [](q::Cx cx) { return fib(cx, 18); }).value(), 2584) << workers;
  }
}

q::Task<std::unique_ptr<long>> boxed(q::Cx, std::unique_ptr<long> value) {
  ++*value;
  co_return value;
}
TEST(ForkJoin, moves_arguments_in_and_values_out) {
  auto body = [](q::Cx cx) -> q::Task<long> {
    auto mine = std::make_unique<long>(1);
    auto other = std::make_unique<long>(10);
    auto [a, b] = co_await q::fork_join(cx, q::fork(boxed, std::move(mine)), q::call(boxed, std::move(other)));
    co_return *a + *b;
  };
  EXPECT_EQ(run(2, body).value(), 13);
}

q::Task<long> sum_of(q::Cx cx, const std::vector<long>& all, std::size_t from, std::size_t to) {
  if (to - from <= 4) co_return std::accumulate(&all[from], &all[0] + to, 0L);
  const std::size_t middle = from + (to - from) / 2;
  auto [a, b] = co_await q::fork_join(cx, q::fork(sum_of, all, from, middle), q::call(sum_of, all, middle, to));
  co_return a + b;
}
TEST(ForkJoin, borrows_what_is_an_lvalue) {
  auto body = [](q::Cx cx) -> q::Task<long> {
    std::vector<long> all(1000);
    std::iota(all.begin(), all.end(), 0);
    co_return co_await sum_of(cx, all, 0, all.size());
  };
  for (std::uint32_t workers : {1u, 3u}) EXPECT_EQ(run(workers, body).value(), 499500);
}

TEST(ForkJoin, takes_lambdas_that_borrow) {
  auto body = [](q::Cx cx) -> q::Task<int> {
    int left = 0, right = 0;
    auto writes = [&](q::Cx, int* where, int value) -> q::Task<> {
      *where = value;
      co_return;
    };
    co_await q::fork_join(cx, q::fork(writes, &left, 3), q::fork(writes, &right, 4));
    co_return left* right;
  };
  EXPECT_EQ(run(2, body).value(), 12);
}

q::Task<long> chain(q::Cx cx, int depth, bool waits) {
  if (depth == 0) {
    if (waits) co_await cx.yield();
    co_return 0;
  }
  auto one = [](q::Cx) -> q::Task<long> { co_return 1; };
  auto [a, b] = co_await q::fork_join(cx, q::fork(one), q::call(chain, depth - 1, waits));
  co_return a + b;
}
TEST(ForkJoin, nests_without_growing_the_stack) {
  for (std::uint32_t workers : {1u, 2u}) {
    EXPECT_EQ(run(workers, [](q::Cx cx) { return chain(cx, 100'000, false); }).value(), 100'000);
    EXPECT_EQ(run(workers, [](q::Cx cx) { return chain(cx, 5'000, true); }).value(), 5'000);
  }
}

q::Task<int> on_thread(q::Cx cx, const std::thread::id& home, int depth) {
  if (depth % 3 == 0) co_await cx.yield();
  if (std::this_thread::get_id() != home) co_return 1;
  if (depth == 0) co_return 0;
  auto [a, b] =
      co_await q::fork_join(cx, q::fork(on_thread, home, depth - 1), q::call(on_thread, home, depth - 1));
  co_return a + b;
}
TEST(ForkJoin, the_branches_of_a_local_task_stay_on_its_worker) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    auto pinned = [](q::Cx mine) -> q::Task<int> {
      const std::thread::id home = std::this_thread::get_id();
      co_return co_await on_thread(mine, home, 10);
    };
    auto handle = co_await scope.spawn_local(cx, pinned);
    co_return co_await handle.join(cx);
  };
  EXPECT_EQ(rt.block_on(body).value(), 0);
}

/// Holds up whoever asks a task to stop: after what is below the task may be asked, and before the task itself is.
struct HoldsRequest : q::MetricsProvider {
  std::atomic<bool> asked{false}, go_on{false};
  std::atomic<int> cancelled{0};
  void cancellation_requested(q::RegionId, q::CancelKind) override {
    asked = true;
    while (!go_on) std::this_thread::yield();
  }
  void task_completed(q::TaskId, q::OutcomeKind outcome, q::Duration) override {
    if (outcome == q::OutcomeKind::Cancelled) ++cancelled;
  }
};
struct SetsAtEnd {
  std::atomic<bool>* flag;
  ~SetsAtEnd() { *flag = true; }
};

// The outer join asks the inner one's parent to stop; its branches have heard of it, and have stopped, before the parent has.
TEST(ForkJoin, a_request_that_reaches_the_branches_first_ends_the_join) {
  auto metrics = std::make_shared<HoldsRequest>();
  q::Runtime rt = q::Runtime::builder().workers(3).metrics(metrics).build();
  std::atomic<bool> parent_begun{false}, keeper_begun{false}, went_on{false};
  const auto until = [](const auto& holds) {
    while (!holds()) std::this_thread::yield();
  };

  auto never = [](q::Cx cx) -> q::Task<int> {
    co_await cx.checkpoint();
    co_return 1;
  };
  auto waits_for_its_sibling = [&](q::Cx) -> q::Task<int> {
    parent_begun = true;
    until([&] { return metrics->cancelled.load() == 1; });
    co_return 1;
  };
  auto inner = [&](q::Cx cx) -> q::Task<int> {
    until([&] { return keeper_begun.load(); });
    co_return co_await q::region(cx, q::FailFast{}, [&](q::Cx own, q::Scope<>&) -> q::Task<int> {
      const SetsAtEnd last(&metrics->go_on);
      auto [a, b] = co_await q::fork_join(own, q::fork(never), q::call(waits_for_its_sibling));
      went_on = true;
      co_return a + b;
    });
  };
  auto fails = [&](q::Cx) -> q::Task<int> {
    until([&] { return parent_begun.load(); });
    co_await q::fail(q::Error("first"));
    co_return 1;
  };
  auto keeps_a_worker = [&](q::Cx) -> q::Task<int> {
    keeper_begun = true;
    until([&] { return metrics->asked.load(); });
    co_return 1;
  };
  auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<int> {
    auto [a, b, c] = co_await q::fork_join(cx, q::fork(inner), q::fork(keeps_a_worker), q::call(fails));
    co_return a + b + c;
  };
  const q::Outcome<int> ended = rt.block_on(body);
  ASSERT_TRUE(ended.is_err()) << ended;
  EXPECT_EQ(ended.error().message(), "first");
  EXPECT_FALSE(went_on) << "a branch has been asked to stop and has; there is no value of it";
}

q::Task<> nap(q::Cx cx, int* running) {
  ++*running;
  (void)co_await cx.sleep(std::chrono::hours(1)).outcome();
  --*running;
  co_await cx.checkpoint();
}
TEST(ForkJoin, a_snapshot_names_what_the_parent_waits_for) {
  q::testing::Stepper stepper;
  const q::RegionId root = stepper.create_root_region();
  auto scope = stepper.scope<q::CollectAll>(root);
  q::Cx cx = stepper.cx(root);
  int running = 0;
  auto forks = q::UnsafeSend([&running](q::Cx mine) -> q::Task<> {
    auto yields = [](q::Cx own) -> q::Task<> { co_await own.yield(); };
    co_await q::fork_join(mine, q::fork(nap, &running), q::fork(nap, &running), q::call(yields));
  });
  auto handle = scope.spawn(cx, std::move(forks)).value();
  stepper.run_until_idle();
  EXPECT_EQ(running, 2);
  const std::string text = stepper.snapshot().dump();
  EXPECT_NE(text.find("waits for forked branches"), std::string::npos) << text;
  EXPECT_NE(text.find("0.0.0.1, 0.0.0.0"), std::string::npos) << text;
  handle.abort();
  stepper.run_until_idle();
  EXPECT_EQ(running, 0);
  EXPECT_TRUE(handle.is_finished());
}

}  // namespace
