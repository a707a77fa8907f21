#pragma once
// Coroutines on a thread pool, and what Asio leaves to its user: to wait for many of them, and to lock.
#include <boost/asio.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>

#include <exception>
#include <memory>
#include <utility>

#include "../common.hpp"

namespace asio = boost::asio;

// The pool's own executor instead of any_io_executor: no type erasure on the path of a resumption.
using Executor = asio::thread_pool::executor_type;
template <class T = void>
using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> use_awaitable{};

/// Safe between threads; the other channels and timers of Asio are not.
template <class... Ts>
using Channel = asio::experimental::concurrent_channel<Executor, void(boost::system::error_code, Ts...)>;
/// Errors as values, for what ends by one.
inline constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> as_values{use_awaitable};
inline constexpr boost::system::error_code no_error{};

inline void rethrow(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

/// Counts down; the last sends, and whoever waits goes on.
class Children {
 public:
  Children(Executor executor, std::size_t count)
      : left_(count), all_(std::make_shared<Channel<>>(executor, 1)) {}

  void ended() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    auto all = all_;  // the waiter may go on, and this object go with it, before try_send has returned
    all->try_send(no_error);
  }
  Task<> wait() { co_await all_->async_receive(use_awaitable); }

 private:
  std::atomic<std::size_t> left_;
  std::shared_ptr<Channel<>> all_;
};

/// Runs a workload as a coroutine of the pool.
template <class F>
void on_workers(const peer::Options& options, F body) {
  asio::thread_pool pool(options.workers);
  asio::co_spawn(pool.get_executor(), body(pool.get_executor()), rethrow);
  pool.join();
}

/// Who is there: each task marks its own byte, so that none waits for another's cache line for long.
class RollCall {
 public:
  explicit RollCall(std::size_t count) : marks_(new std::atomic<bool>[count]()), count_(count) {}
  void here(std::size_t task) { marks_[task].store(true, std::memory_order_release); }
  Task<> all() {
    for (std::size_t next = 0; next < count_;) {
      if (marks_[next].load(std::memory_order_acquire)) {
        ++next;
      } else {
        co_await asio::post(use_awaitable);
      }
    }
  }

 private:
  std::unique_ptr<std::atomic<bool>[]> marks_;
  std::size_t count_;
};

void spawn_join(const peer::Options& options);
void fan_out(const peer::Options& options);
void suspended(const peer::Options& options);
void fib_of_27(const peer::Options& options);
void skynet_of_100k(const peer::Options& options);
void ping_pong(const peer::Options& options);
void four_to_one(const peer::Options& options);
void yields(const peer::Options& options);
void create_and_cancel(const peer::Options& options);
void bulk(const peer::Options& options);
void sleepers(const peer::Options& options);
void mutex(const peer::Options& options);
void storm(const peer::Options& options);
void echo(const peer::Options& options);
