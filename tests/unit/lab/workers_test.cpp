// Tasks on simulated workers: production's lanes and stealing under the lab's schedules.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "lab/planted.hpp"
#include "leaks.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/lab.hpp"
#include "quiesce/lab/gtest.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;
using namespace std::chrono_literals;

namespace {

lab::Options on_workers(std::uint32_t workers, lab::StrategySpec strategy, std::uint64_t runs = 300) {
  return {.strategy = strategy, .max_runs = runs, .workers = workers, .scheduling = lab::Scheduling::workers};
}

q::Task<int> counts(q::Cx cx, int n) {
  for (int i = 0; i < n; ++i) co_await cx.yield();
  co_return n;
}

q::Task<> sleeps(q::Cx cx) { co_await cx.sleep(1h); }

struct LabWorkers : testing::TestWithParam<std::uint32_t> {};

TEST_P(LabWorkers, RunWhatTasksDo) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    std::vector<q::TaskHandle<int>> handles;
    for (int i = 0; i < 5; ++i) handles.push_back(scope.spawn(cx, counts, i).value());
    int sum = 0;
    for (auto& handle : handles) sum += co_await handle.join(cx);
    lab::check(sum == 10, "all were counted");
    auto timed = scope.spawn(cx, sleeps).value();
    auto quick = scope.spawn(cx, counts, 3).value();
    auto won = co_await scope.timeout(cx, 10ms, std::move(timed)).outcome();
    lab::check(won.is_err(), "an hour is longer than ten milliseconds");
    // Timers are as exact as the wheel's ticks.
    lab::check(cx.now().nanos() >= 10'000'000 && cx.now().nanos() < 12'000'000, "time went on to the timeout");
    (void)co_await quick.join(cx);
  };
  EXPECT_LAB_OK(lab::explore(on_workers(GetParam(), lab::random()), body));
  EXPECT_LAB_OK(lab::explore(on_workers(GetParam(), lab::pct(3)), body));
}

TEST_P(LabWorkers, KeepLocalTasksAtHomeAndRunBlockingJobs) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto spawner = [&scope](q::Cx own) -> q::Task<> {
      auto local = scope
                       .spawn_local(own,
                                    [](q::Cx mine) -> q::Task<> {
                                      for (int i = 0; i < 4; ++i) co_await mine.yield();
                                    })
                       .value();
      co_await local.join(own);
    };
    auto a = scope.spawn(cx, q::unsafe_send(spawner)).value();
    auto b = scope.spawn(cx, q::unsafe_send(spawner)).value();
    auto job = scope.spawn_blocking(cx, [](q::Cx) { return 7; }).value();
    co_await a.join(cx);
    co_await b.join(cx);
    lab::check(co_await job.join(cx) == 7, "the job's result");
  };
  EXPECT_LAB_OK(lab::explore(on_workers(GetParam(), lab::random()), body));
}

TEST_P(LabWorkers, CancelAndDrain) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto inner = [](q::Cx own, q::Scope<>& below) -> q::Task<> {
      for (int i = 0; i < 6; ++i) (void)below.launch(own, sleeps);
      co_await own.sleep(1s);
      below.cancel(q::CancelReason::user("enough"));
    };
    (void)co_await scope.region(cx, q::FailFast{}, inner).outcome();
  };
  EXPECT_LAB_OK(lab::explore(on_workers(GetParam(), lab::random()), body));
}

INSTANTIATE_TEST_SUITE_P(Counts, LabWorkers, testing::Values(1, 2, 3));

auto racing_deposits() {
  return [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    lab::atomic<int> balance{0};
    auto pay_in = [&balance](q::Cx) -> q::Task<> {
      const int seen = balance.load();
      balance.store(seen + 1);
      co_return;
    };
    auto a = scope.spawn(cx, q::unsafe_send(pay_in)).value();
    auto b = scope.spawn(cx, q::unsafe_send(pay_in)).value();
    co_await a.join(cx);
    co_await b.join(cx);
    lab::check(balance.load() == 2, "a deposit was lost");
  };
}

TEST(LabWorkersFind, ARaceOnlyWhereTwoWorkersCanMeet) {
  EXPECT_LAB_OK(lab::explore(on_workers(1, lab::random()), racing_deposits()));
  const lab::Report report = lab::explore(on_workers(2, lab::random(), 3'000), racing_deposits());
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->message, "a deposit was lost");
  const lab::Report again = lab::replay(report.failure()->token, racing_deposits());
  ASSERT_TRUE(again.failed());
  EXPECT_EQ(again.failure()->message, "a deposit was lost");
}

// A worker that is blocked in a step has a task in its slot that would unblock it: only another worker can take it there.
TEST(LabWorkersFind, ATaskInTheSlotOfABlockedWorker) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    lab::mutex lock;
    lab::condition changed;
    bool open = false;
    std::optional<q::Scope<>> tasks;
    auto opens = [&](q::Cx) -> q::Task<> {
      const std::scoped_lock hold(lock);
      open = true;
      changed.notify_all();
      co_return;
    };
    auto blocks = [&](q::Cx own) -> q::Task<> {
      (void)tasks->launch(own, q::unsafe_send(opens));  // into this worker's slot
      std::unique_lock hold(lock);
      while (!open) changed.wait(hold);
      co_return;
    };
    auto both = [&](q::Cx own, q::Scope<>& inner) -> q::Task<> {
      tasks = inner;
      (void)inner.launch(own, q::unsafe_send(blocks));
      co_return;
    };
    co_await scope.region(cx, q::FailFast{}, both);
  };
  EXPECT_LAB_OK(lab::explore(on_workers(2, lab::random(), 500), body));
  const lab::Report report = lab::explore(on_workers(1, lab::random(), 10), body);
  ASSERT_TRUE(report.failed()) << "with one worker nobody is left to take it";
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
}

// H2: cancelled tasks that keep coming, and another that waits for its turn.
TEST(LabWorkersFind, ACancelLaneWithoutABound) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    std::vector<q::TaskHandle<>> handles;
    for (int i = 0; i < 40; ++i) handles.push_back(scope.spawn(cx, sleeps).value());
    co_await cx.sleep(1s);
    auto other = scope.spawn(cx, counts, 2).value();
    for (auto& handle : handles) handle.abort();
    for (auto& handle : handles) (void)co_await handle.join(cx).outcome();
    (void)co_await other.join(cx);
  };
  EXPECT_LAB_OK(lab::explore(on_workers(1, lab::random(), 20), body));
  const lab::detail::Planted planted(q::detail::Defect::StreakUnbounded);
  const lab::Report report = lab::explore(on_workers(1, lab::random(), 20), body);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::oracle);
  EXPECT_NE(report.failure()->message.find(
                "worker 0 took 17 cancelled tasks in a row while 2 others waited; the limit is 16 (H2)"),
            std::string::npos)
      << report.failure()->message;
}

// What follows no kernel can be made to do by leaving something out: the bodies themselves reach below the library.

q::detail::TaskRecord& record_of(const q::Cx& cx) { return *cx.core().task; }

void expect_broken(const lab::Report& report, const std::string& sentence) {
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::oracle);
  EXPECT_NE(report.failure()->message.find(sentence), std::string::npos) << report.failure()->message;
}

// H3
TEST(LabWorkersFind, ATaskThatIsQueuedTwice) {
  auto body = [](q::Cx cx, q::Scope<>&) -> q::Task<> {
    q::detail::TaskRecord& self = record_of(cx);
    for (int i = 0; i < 2; ++i)
      self.kernel().executor().schedule(self, q::detail::Lane::Ready, q::detail::Origin::Wake);
    co_await cx.yield();
  };
  const quiesce::tests::LeaksAllowed of_the_run_that_ends_there;
  for (const lab::Options& options : {lab::Options{.max_runs = 1}, on_workers(2, lab::random(), 1)})
    expect_broken(lab::explore(options, body), "was queued a second time before its next step (H3)");
}

// S4
TEST(LabWorkersFind, ALocalTaskOnAnotherWorker) {
  auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    q::detail::TaskRecord* waiting = nullptr;
    auto waits = [&](q::Cx own) -> q::Task<> {
      waiting = &record_of(own);
      for (;;) co_await own.yield();
    };
    auto moves_it = [&](q::Cx own) -> q::Task<> {
      while (waiting == nullptr) co_await own.yield();
      waiting->home_worker = static_cast<std::uint16_t>(1 - waiting->home_worker);  // it lies in its queue
    };
    auto both = [&](q::Cx own, q::Scope<>& inner) -> q::Task<> {
      auto first = inner.spawn_local(own, waits).value();
      auto second = inner.spawn_local(own, moves_it).value();
      co_await second.join(own);
      co_await first.join(own);
    };
    co_await scope.region(cx, q::FailFast{}, both);
  };
  const quiesce::tests::LeaksAllowed of_the_run_that_ends_there;
  expect_broken(lab::explore(on_workers(2, lab::random(), 1), body), "is local to worker ");
}

}  // namespace
