// W1, W2, W2b: what a task costs that does nothing.
#include <array>
#include <vector>

#include "workload.hpp"

namespace workloads {
namespace {

q::Task<std::uint64_t> one(q::Cx) { co_return 1; }

void spawn_join(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      auto child = co_await scope.spawn(cx, one);
      sum += co_await child.join(cx);
    }
    report("W1", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W1", sum, count);
  });
  expect_ok("W1", outcome);
}

void fan_out(const Options& options) {
  const std::uint64_t count = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    const Clock clock;
    std::vector<q::TaskHandle<std::uint64_t>> children;
    children.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) children.push_back(co_await scope.spawn(cx, one));
    std::uint64_t sum = 0;
    for (auto& child : children) sum += co_await child.join(cx);
    report("W2", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W2", sum, count);
  });
  expect_ok("W2", outcome);
}

/// What the waiting tasks share. It lives in the body's frame, and the region is closed before that goes.
struct Gate {
  q::Event open;
  RollCall roll_call;

  explicit Gate(std::size_t tasks) : roll_call(tasks) {}
};

q::Task<std::uint64_t> waiter(q::Cx cx, Gate* gate, std::uint32_t number) {
  gate->roll_call.here(number);
  co_await gate->open.wait(cx);
  co_return 1;
}

void suspended(const Options& options) {
  const auto count = static_cast<std::uint32_t>(options.scaled(1'000'000));
  q::Runtime rt = options.runtime();
  Gate gate(count);
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    std::vector<q::TaskHandle<std::uint64_t>> children(count);
    const std::int64_t before = resident_bytes();
    for (std::uint32_t i = 0; i < count; ++i)
      children[i] = co_await scope.spawn(cx, waiter, q::unsafe_send(&gate), i);
    co_await gate.roll_call.all(cx);
    const std::int64_t after = resident_bytes();
    report("W2b", "memory", static_cast<double>(after - before) / count, "bytes");

    const Clock clock;
    gate.open.set();
    std::uint64_t sum = 0;
    for (auto& child : children) sum += co_await child.join(cx);
    report("W2b", "release", clock.ns() / count, "ns");
    expect_sum("W2b", sum, count);
  });
  expect_ok("W2b", outcome);
}

constexpr std::array list{
    Workload{"W1", "spawn one empty child and join it, 1,000,000 times", spawn_join},
    Workload{"W2", "spawn 1,000,000 empty children keeping their handles, then join all", fan_out},
    Workload{"W2b", "1,000,000 children suspended on one event: bytes of each; release and join all",
             suspended},
};

}  // namespace

std::span<const Workload> spawning() { return list; }

}  // namespace workloads
