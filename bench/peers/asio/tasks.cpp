// W4, W5, W6, W8: messages, yields, a lock.
#include "tasks.hpp"

#include <vector>

using peer::Clock;
using peer::expect_sum;
using peer::Options;
using peer::report;

namespace {

using Messages = Channel<std::uint64_t>;

Task<> pong(Messages& questions, Messages& answers, std::uint64_t trips) {
  for (std::uint64_t i = 0; i < trips; ++i) {
    const std::uint64_t question = co_await questions.async_receive(use_awaitable);
    co_await answers.async_send(no_error, question + 1, use_awaitable);
  }
}

Task<std::uint64_t> ping(Messages& questions, Messages& answers, std::uint64_t trips) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < trips; ++i) {
    co_await questions.async_send(no_error, i, use_awaitable);
    sum += co_await answers.async_receive(use_awaitable);
  }
  co_return sum;
}

Task<> produce(Messages& messages, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t i = first; i < first + count; ++i)
    co_await messages.async_send(no_error, i, use_awaitable);
}

Task<std::uint64_t> consume(Messages& messages, std::uint64_t count) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += co_await messages.async_receive(use_awaitable);
  co_return sum;
}

Task<std::uint64_t> give_way(std::uint64_t times) {
  std::uint64_t given = 0;
  for (; given < times; ++given) co_await asio::post(use_awaitable);
  co_return given;
}

/// Asio has no lock for coroutines: a channel with room for one is what its users take.
Task<> count_up(Channel<>& lock, std::uint64_t& counter, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) {
    co_await lock.async_send(no_error, use_awaitable);
    ++counter;
    lock.try_receive([](boost::system::error_code) {});
  }
}

}  // namespace

void ping_pong(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t trips = options.scaled(1'000'000);
    Messages questions(executor, 1), answers(executor, 1);
    Children children(executor, 2);
    std::uint64_t sum = 0;
    const Clock clock;
    asio::co_spawn(executor, pong(questions, answers, trips), [&](std::exception_ptr failure) {
      rethrow(failure);
      children.ended();
    });
    asio::co_spawn(executor, ping(questions, answers, trips),
                   [&](std::exception_ptr failure, std::uint64_t result) {
                     rethrow(failure);
                     sum = result;
                     children.ended();
                   });
    co_await children.wait();
    report("W4", "time", clock.ns() / static_cast<double>(trips), "ns");
    expect_sum("W4", sum, trips * (trips + 1) / 2);
  });
}

void four_to_one(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    constexpr std::uint64_t producers = 4;
    const std::uint64_t each = options.scaled(1'000'000), total = producers * each;
    Messages messages(executor, 1024);
    Children children(executor, producers + 1);
    std::uint64_t sum = 0;
    const Clock clock;
    asio::co_spawn(executor, consume(messages, total), [&](std::exception_ptr failure, std::uint64_t result) {
      rethrow(failure);
      sum = result;
      children.ended();
    });
    for (std::uint64_t i = 0; i < producers; ++i) {
      asio::co_spawn(executor, produce(messages, i * each, each), [&](std::exception_ptr failure) {
        rethrow(failure);
        children.ended();
      });
    }
    co_await children.wait();
    report("W5", "time", clock.ns() / static_cast<double>(total), "ns");
    expect_sum("W5", sum, total * (total - 1) / 2);
  });
}

void yields(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t times = options.scaled(1'000'000), tasks = 2 * std::uint64_t{options.workers};
    std::vector<std::uint64_t> given(tasks);
    Children children(executor, tasks);
    const Clock clock;
    for (std::uint64_t i = 0; i < tasks; ++i) {
      asio::co_spawn(executor, give_way(times),
                     [&children, &mine = given[i]](std::exception_ptr failure, std::uint64_t result) {
                       rethrow(failure);
                       mine = result;
                       children.ended();
                     });
    }
    co_await children.wait();
    report("W6", "time", clock.ns() / static_cast<double>(tasks * times), "ns");
    std::uint64_t sum = 0;
    for (std::uint64_t mine : given) sum += mine;
    expect_sum("W6", sum, tasks * times);
  });
}

void mutex(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    constexpr std::uint64_t tasks = 8;
    const std::uint64_t times = options.scaled(500'000);
    Channel<> lock(executor, 1);
    std::uint64_t counter = 0;
    Children children(executor, tasks);
    const Clock clock;
    for (std::uint64_t i = 0; i < tasks; ++i) {
      asio::co_spawn(executor, count_up(lock, counter, times), [&](std::exception_ptr failure) {
        rethrow(failure);
        children.ended();
      });
    }
    co_await children.wait();
    report("W8", "time", clock.ns() / static_cast<double>(tasks * times), "ns");
    expect_sum("W8", counter, tasks * times);
  });
}
