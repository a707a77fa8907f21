// W9: many sleeping tasks, one request.
#include <array>

#include "workload.hpp"

namespace workloads {
namespace {

using namespace std::chrono_literals;

struct Dormitory {
  RollCall roll_call;
  std::atomic<std::uint64_t> woken{0};  // that should not be

  explicit Dormitory(std::size_t tasks) : roll_call(tasks) {}
};

q::Task<> sleeper(q::Cx cx, Dormitory* dormitory, std::uint32_t number) {
  dormitory->roll_call.here(number);
  co_await cx.sleep(1h);
  dormitory->woken.fetch_add(1);
}

void storm(const Options& options) {
  const auto count = static_cast<std::uint32_t>(options.scaled(100'000));
  q::Runtime rt = options.runtime();
  Dormitory dormitory(count);
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>&) -> q::Task<> {
    std::optional<Clock> clock;
    auto sleepers = [&](q::Cx inner, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (std::uint32_t i = 0; i < count; ++i)
        co_await scope.launch(inner, sleeper, q::unsafe_send(&dormitory), i);
      co_await dormitory.roll_call.all(inner);
      clock.emplace();
      scope.cancel(q::CancelReason::user("storm"));
    };
    auto region = q::region(cx, q::CollectAll{}, sleepers);
    auto closed = co_await std::move(region).outcome();  // all that was in it has ended
    report("W9", "time", clock->ns() / count, "ns");
    expect_sum("W9", closed.is_panicked() || closed.is_err(), 0);
  });
  expect_ok("W9", outcome);
  expect_sum("W9", dormitory.woken.load(), 0);
  expect_sum("W9", rt.stats().tasks_completed, rt.stats().tasks_spawned);
}

constexpr std::array list{Workload{"W9", "100,000 tasks in a long sleep: cancel all, wait for all", storm}};

}  // namespace

std::span<const Workload> cancelling() { return list; }

}  // namespace workloads
