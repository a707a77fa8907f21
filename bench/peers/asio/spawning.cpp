// W1, W2, W2b, W3: what a coroutine costs.
#include <array>
#include <vector>

#include "tasks.hpp"

using peer::Clock;
using peer::expect_sum;
using peer::Options;
using peer::report;

namespace {

Task<std::uint64_t> one() { co_return 1; }

std::uint64_t total(const std::vector<std::uint32_t>& results) {
  std::uint64_t sum = 0;
  for (std::uint32_t result : results) sum += result;
  return sum;
}

struct Gate {
  Channel<> open;  // nothing is ever sent: closing it lets everybody go on
  RollCall roll_call;
};

Task<std::uint64_t> waiter(Gate& gate, std::uint32_t number) {
  gate.roll_call.here(number);
  co_await gate.open.async_receive(as_values);
  co_return 1;
}

Task<std::uint64_t> fib(unsigned n) {
  if (n < 2) co_return n;
  const Executor executor = co_await asio::this_coro::executor;
  // Shared: its receiver may go on before the sender has left it.
  auto forked = std::make_shared<Channel<std::uint64_t>>(executor, 1);
  asio::co_spawn(executor, fib(n - 1), [forked](std::exception_ptr failure, std::uint64_t sum) {
    rethrow(failure);
    forked->try_send(no_error, sum);
  });
  const std::uint64_t called = co_await fib(n - 2);
  co_return called + co_await forked->async_receive(use_awaitable);
}

Task<std::uint64_t> skynet(std::uint64_t first, std::uint64_t leaves) {
  if (leaves == 1) co_return first;
  const Executor executor = co_await asio::this_coro::executor;
  std::array<std::uint64_t, 10> sums;
  Children children(executor, sums.size());
  const std::uint64_t each = leaves / sums.size();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    asio::co_spawn(executor, skynet(first + i * each, each),
                   [&children, &sum = sums[i]](std::exception_ptr failure, std::uint64_t result) {
                     rethrow(failure);
                     sum = result;
                     children.ended();
                   });
  }
  co_await children.wait();
  std::uint64_t sum = 0;
  for (std::uint64_t child : sums) sum += child;
  co_return sum;
}

}  // namespace

void spawn_join(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(1'000'000);
    const Clock clock;
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += co_await asio::co_spawn(executor, one(), use_awaitable);
    report("W1", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W1", sum, count);
  });
}

void fan_out(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(1'000'000);
    const Clock clock;
    std::vector<std::uint32_t> results(count);
    Children children(executor, count);
    for (std::uint64_t i = 0; i < count; ++i) {
      asio::co_spawn(executor, one(),
                     [&children, &result = results[i]](std::exception_ptr failure, std::uint64_t value) {
                       rethrow(failure);
                       result = static_cast<std::uint32_t>(value);
                       children.ended();
                     });
    }
    co_await children.wait();
    report("W2", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W2", total(results), count);
  });
}

void suspended(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(1'000'000);
    std::vector<std::uint32_t> results(count);
    Gate gate{Channel<>(executor), RollCall(count)};
    Children children(executor, count);
    const std::int64_t before = peer::resident_bytes();
    for (std::uint64_t i = 0; i < count; ++i) {
      asio::co_spawn(executor, waiter(gate, static_cast<std::uint32_t>(i)),
                     [&children, &result = results[i]](std::exception_ptr failure, std::uint64_t value) {
                       rethrow(failure);
                       result = static_cast<std::uint32_t>(value);
                       children.ended();
                     });
    }
    co_await gate.roll_call.all();
    const std::int64_t after = peer::resident_bytes();
    report("W2b", "memory", static_cast<double>(after - before) / static_cast<double>(count), "bytes");

    const Clock clock;
    gate.open.close();
    co_await children.wait();
    report("W2b", "release", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W2b", total(results), count);
  });
}

void fib_of_27(const Options& options) {
  on_workers(options, [&options](Executor) -> Task<> {
    const unsigned n = options.is_small ? 18 : 27;
    const Clock clock;
    const std::uint64_t sum = co_await fib(n);
    report("W3-spawn-fib", "time", clock.ms(), "ms");
    expect_sum("W3-spawn-fib", sum, peer::fibonacci(n));
  });
}

void skynet_of_100k(const Options& options) {
  on_workers(options, [&options](Executor) -> Task<> {
    const std::uint64_t leaves = options.scaled(100'000);
    const Clock clock;
    const std::uint64_t sum = co_await skynet(0, leaves);
    report("W3-spawn-skynet", "time", clock.ms(), "ms");
    expect_sum("W3-spawn-skynet", sum, leaves * (leaves - 1) / 2);
  });
}
