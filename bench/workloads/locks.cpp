// W8: one lock, and more tasks than workers that want it.
#include <array>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

using Counter = q::Mutex<std::uint64_t>;

q::Task<> count_up(q::Cx cx, std::shared_ptr<Counter> counter, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) {
    auto guard = co_await counter->lock(cx);
    ++*guard;
  }
}

void mutex(const Options& options) {
  constexpr std::uint64_t tasks = 8;
  const std::uint64_t times = options.scaled(500'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto counter = std::make_shared<Counter>(0);
    const Clock clock;
    std::vector<q::TaskHandle<>> children;
    for (std::uint64_t i = 0; i < tasks; ++i)
      children.push_back(co_await scope.spawn(cx, count_up, counter, times));
    for (auto& child : children) co_await child.join(cx);
    report("W8", "time", clock.ns() / static_cast<double>(tasks * times), "ns");
    auto guard = co_await counter->lock(cx);
    expect_sum("W8", *guard, tasks * times);
  });
  expect_ok("W8", outcome);
}

constexpr std::array list{Workload{"W8", "eight tasks, 500,000 locks each of one mutex", mutex}};

}  // namespace

std::span<const Workload> locking() { return list; }

}  // namespace workloads
