// W7: timers. One of quiesce's is always some task's wait.
#include <array>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

using namespace std::chrono_literals;

/// 1 to 1000 ms, in no order.
std::chrono::milliseconds spread(std::uint64_t i) { return std::chrono::milliseconds(i * 7919 % 1000 + 1); }

/// Waits with a time limit that the notification always beats.
q::Task<std::uint64_t> wait_in_time(q::Cx cx, q::Notify* told, std::uint64_t times) {
  std::uint64_t in_time = 0;
  for (std::uint64_t i = 0; i < times; ++i) {
    auto first = co_await q::select_biased(cx, told->notified(), cx.sleep(spread(i)));
    in_time += first.index() == 0;
  }
  co_return in_time;
}

q::Task<> tell(q::Cx cx, q::Notify* told, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) {
    told->notify_one();
    co_await cx.yield();
  }
}

/// Both tasks are pinned to one worker, so they take turns: each wait has armed its timer when it is told.
void create_and_cancel(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    q::Notify told("told");
    const Clock clock;
    auto waiting = co_await scope.spawn_local(cx, wait_in_time, &told, count);
    auto telling = co_await scope.spawn_local(cx, tell, &told, count);
    const std::uint64_t in_time = co_await waiting.join(cx);
    report("W7-cancel", "time", clock.ns() / static_cast<double>(count), "ns");
    co_await telling.join(cx);
    expect_most("W7-cancel", in_time, count);
    expect_most("W7-cancel", told.statistics().waited, count);
  });
  expect_ok("W7-cancel", outcome);
}

struct Dormitory {
  RollCall roll_call;
  std::atomic<std::uint64_t> woken{0};  // that should not be

  explicit Dormitory(std::size_t tasks) : roll_call(tasks) {}
};

q::Task<> long_sleep(q::Cx cx, Dormitory* dormitory, std::uint32_t number) {
  dormitory->roll_call.here(number);
  co_await cx.sleep(10s + spread(number));
  dormitory->woken.fetch_add(1);
}

void bulk(const Options& options) {
  const auto count = static_cast<std::uint32_t>(options.scaled(1'000'000));
  q::Runtime rt = options.runtime();
  Dormitory dormitory(count);
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    const Clock clock;
    auto sleepers = [&](q::Cx inner, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (std::uint32_t i = 0; i < count; ++i)
        co_await scope.launch(inner, long_sleep, q::unsafe_send(&dormitory), i);
      co_await dormitory.roll_call.all(inner);
      scope.cancel(q::CancelReason::user("measured"));
    };
    auto region = q::region(cx, q::CollectAll{}, sleepers);
    auto closed = co_await std::move(region).outcome();
    report("W7-bulk", "time", clock.ns() / count, "ns");
    expect_sum("W7-bulk", closed.is_panicked() || closed.is_err(), 0);
  });
  expect_ok("W7-bulk", outcome);
  expect_sum("W7-bulk", dormitory.woken.load(), 0);
  expect_sum("W7-bulk", rt.stats().tasks_completed, rt.stats().tasks_spawned);
}

q::Task<std::uint64_t> nap(q::Cx cx) {
  co_await cx.sleep(10ms);
  co_return 1;
}

void sleepers(const Options& options) {
  const std::uint64_t count = options.scaled(100'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    std::vector<q::TaskHandle<std::uint64_t>> children;
    children.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) children.push_back(co_await scope.spawn(cx, nap));
    std::uint64_t sum = 0;
    for (auto& child : children) sum += co_await child.join(cx);
    report("W7-sleep", "time", clock.ms(), "ms");
    expect_sum("W7-sleep", sum, count);
  });
  expect_ok("W7-sleep", outcome);
}

constexpr std::array list{
    Workload{"W7-cancel", "1,000,000 timers of 1 to 1000 ms, each cancelled at once", create_and_cancel},
    Workload{"W7-bulk", "1,000,000 timers of 10 s + 1 to 1000 ms live, then all cancelled", bulk},
    Workload{"W7-sleep", "100,000 tasks that sleep for 10 ms", sleepers},
};

}  // namespace

std::span<const Workload> timers() { return list; }

}  // namespace workloads
