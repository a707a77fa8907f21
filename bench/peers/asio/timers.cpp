// W7, W9: timers, and sleeping coroutines that are cancelled.
#include <deque>
#include <vector>

#include "tasks.hpp"

using peer::Clock;
using peer::expect_most;
using peer::expect_sum;
using peer::Options;
using peer::report;
using namespace std::chrono_literals;

namespace {

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

/// 1 to 1000 ms, in no order.
std::chrono::milliseconds spread(std::uint64_t i) { return std::chrono::milliseconds(i * 7919 % 1000 + 1); }

Task<> nap() {
  Timer timer(co_await asio::this_coro::executor, 10ms);
  co_await timer.async_wait(use_awaitable);
}

/// A cancellation slot is not safe between threads: whoever sleeps and whoever cancels it are on one strand.
using Strand = asio::strand<Executor>;
struct Dormitory {
  explicit Dormitory(Executor executor) : strand(executor) {}
  Strand strand;
  std::deque<asio::cancellation_signal> sleepers;
};

/// True: it was cancelled. The error is asked for as a value, since an exception costs three times as much.
asio::awaitable<bool, Strand> long_sleep(RollCall& roll_call, std::uint64_t number) {
  Timer timer((co_await asio::this_coro::executor).get_inner_executor(), 1h);
  roll_call.here(number);
  auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable_t<Strand>()));
  co_return error == asio::error::operation_aborted;
}

}  // namespace

void create_and_cancel(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(1'000'000);
    Children children(executor, count);
    std::atomic<std::uint64_t> aborted{0};
    const Clock clock;
    for (std::uint64_t i = 0; i < count; ++i) {
      Timer timer(executor, spread(i));
      timer.async_wait([&](boost::system::error_code error) {
        if (error == asio::error::operation_aborted) aborted.fetch_add(1, std::memory_order_relaxed);
        children.ended();
      });
      timer.cancel();
    }
    co_await children.wait();
    report("W7-cancel", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_most("W7-cancel", aborted.load(), count);
  });
}

void bulk(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(1'000'000);
    Children children(executor, count);
    std::atomic<std::uint64_t> aborted{0};
    const Clock clock;
    std::vector<Timer> timers;
    timers.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      timers.emplace_back(executor, 10s + spread(i));
      timers.back().async_wait([&](boost::system::error_code error) {
        if (error == asio::error::operation_aborted) aborted.fetch_add(1, std::memory_order_relaxed);
        children.ended();
      });
    }
    for (Timer& timer : timers) timer.cancel();
    co_await children.wait();
    report("W7-bulk", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W7-bulk", aborted.load(), count);
  });
}

void sleepers(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(100'000);
    Children children(executor, count);
    std::atomic<std::uint64_t> slept{0};
    const Clock clock;
    for (std::uint64_t i = 0; i < count; ++i) {
      asio::co_spawn(executor, nap(), [&](std::exception_ptr failure) {
        rethrow(failure);
        slept.fetch_add(1, std::memory_order_relaxed);
        children.ended();
      });
    }
    co_await children.wait();
    report("W7-sleep", "time", clock.ms(), "ms");
    expect_sum("W7-sleep", slept.load(), count);
  });
}

void storm(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    const std::uint64_t count = options.scaled(100'000);
    Children children(executor, count);
    RollCall roll_call(count);
    std::atomic<std::uint64_t> cancelled{0};
    // One for each worker: a strand for each sleeper costs more than it gains.
    std::deque<Dormitory> dormitories;
    for (unsigned i = 0; i < options.workers; ++i) dormitories.emplace_back(executor);
    for (std::uint64_t i = 0; i < count; ++i) {
      Dormitory& dormitory = dormitories[i % dormitories.size()];
      auto& cancel = dormitory.sleepers.emplace_back();
      asio::co_spawn(dormitory.strand, long_sleep(roll_call, i),
                     asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr failure, bool aborted) {
                       rethrow(failure);
                       if (aborted) cancelled.fetch_add(1, std::memory_order_relaxed);
                       children.ended();
                     }));
    }
    co_await roll_call.all();
    const Clock clock;
    for (Dormitory& dormitory : dormitories) {
      asio::post(dormitory.strand, [&dormitory] {
        for (auto& sleeper : dormitory.sleepers) sleeper.emit(asio::cancellation_type::terminal);
      });
    }
    co_await children.wait();
    report("W9", "time", clock.ns() / static_cast<double>(count), "ns");
    expect_sum("W9", cancelled.load(), count);
  });
}
