// W7: timers without tasks, waits with a time, and tasks that sleep.
#include <array>
#include <deque>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

using namespace std::chrono_literals;

/// 1 to 1000 ms, in no order.
std::chrono::milliseconds spread(std::uint64_t i) { return std::chrono::milliseconds(i * 7919 % 1000 + 1); }

void create_and_cancel(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    std::uint64_t stopped = 0;
    const Clock clock;
    for (std::uint64_t i = 0; i < count; ++i) {
      q::Timer timer(cx, spread(i));
      stopped += timer.stop();
    }
    report("W7-cancel", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_most("W7-cancel", stopped, count);
    co_return;
  });
  expect_ok("W7-cancel", outcome);
}

/// In a deque, since a timer stays where it is.
void bulk(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    std::uint64_t stopped = 0;
    const Clock clock;
    std::deque<q::Timer> timers;
    for (std::uint64_t i = 0; i < count; ++i) timers.emplace_back(cx, 10s + spread(i));
    for (q::Timer& timer : timers) stopped += timer.stop();
    report("W7-bulk", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W7-bulk", stopped, count);
    co_return;
  });
  expect_ok("W7-bulk", outcome);
}

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
void waits_in_time(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    q::Notify told("told");
    const Clock clock;
    auto waiting = co_await scope.spawn_local(cx, wait_in_time, &told, count);
    auto telling = co_await scope.spawn_local(cx, tell, &told, count);
    const std::uint64_t in_time = co_await waiting.join(cx);
    report("W7-timeout", "time", clock.ns() / static_cast<double>(count), "ns");
    co_await telling.join(cx);
    expect_most("W7-timeout", in_time, count);
    expect_most("W7-timeout", told.statistics().waited, count);
  });
  expect_ok("W7-timeout", outcome);
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
    Workload{"W7-timeout", "1,000,000 waits with a time of 1 to 1000 ms that another task ends", waits_in_time},
    Workload{"W7-sleep", "100,000 tasks that sleep for 10 ms", sleepers},
};

}  // namespace

std::span<const Workload> timers() { return list; }

}  // namespace workloads
