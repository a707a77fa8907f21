// W6: tasks that only give way.
#include <array>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

q::Task<std::uint64_t> give_way(q::Cx cx, std::uint64_t times) {
  std::uint64_t given = 0;
  for (; given < times; ++given) co_await cx.yield();
  co_return given;
}

void yields(const Options& options) {
  const std::uint64_t times = options.scaled(1'000'000), tasks = 2 * std::uint64_t{options.workers};
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    std::vector<q::TaskHandle<std::uint64_t>> children;
    for (std::uint64_t i = 0; i < tasks; ++i) children.push_back(co_await scope.spawn(cx, give_way, times));
    std::uint64_t sum = 0;
    for (auto& child : children) sum += co_await child.join(cx);
    report("W6", "time", clock.ns() / static_cast<double>(tasks * times), "ns");
    expect_sum("W6", sum, tasks * times);
  });
  expect_ok("W6", outcome);
}

constexpr std::array list{Workload{"W6", "two tasks a worker, 1,000,000 yields each", yields}};

}  // namespace

std::span<const Workload> yielding() { return list; }

}  // namespace workloads
