// W10: 64 connections, 64-byte messages, a closed loop; client and server in one process.
#include <array>

#include "tasks.hpp"

using peer::Clock;
using peer::expect_sum;
using peer::Options;
using peer::report;
using namespace std::chrono_literals;

namespace {

using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Message = std::array<unsigned char, 64>;
constexpr std::uint64_t connections = 64;

Task<> serve(Socket peer, std::atomic<std::uint64_t>& served) {
  Message message;
  std::uint64_t count = 0;
  for (;; ++count) {
    auto [ended, bytes] = co_await asio::async_read(peer, asio::buffer(message), as_values);
    if (ended) break;
    co_await asio::async_write(peer, asio::buffer(message), use_awaitable);
  }
  served.fetch_add(count);
}

Task<> ask(Tcp::endpoint address, std::uint64_t connection, std::chrono::steady_clock::time_point until,
           std::atomic<std::uint64_t>& asked) {
  Socket server(co_await asio::this_coro::executor);
  co_await server.async_connect(address, use_awaitable);
  server.set_option(Tcp::no_delay(true));
  Message message, answer;
  message.fill(static_cast<unsigned char>(connection));
  std::uint64_t count = 0;
  for (; std::chrono::steady_clock::now() < until; ++count) {
    std::memcpy(message.data(), &count, sizeof count);
    co_await asio::async_write(server, asio::buffer(message), use_awaitable);
    co_await asio::async_read(server, asio::buffer(answer), use_awaitable);
    if (answer != message) {
      std::fprintf(stderr, "W10: the answer is not what was sent\n");
      std::exit(1);
    }
  }
  asked.fetch_add(count);
}

Task<> accept_all(Acceptor& acceptor, Children& servers, std::atomic<std::uint64_t>& served) {
  for (std::uint64_t i = 0; i < connections; ++i) {
    Socket peer = co_await acceptor.async_accept(use_awaitable);
    peer.set_option(Tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), serve(std::move(peer), served), [&](std::exception_ptr failure) {
      rethrow(failure);
      servers.ended();
    });
  }
}

}  // namespace

void echo(const Options& options) {
  on_workers(options, [&options](Executor executor) -> Task<> {
    Acceptor acceptor(executor, Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    std::atomic<std::uint64_t> asked{0}, served{0};
    Children servers(executor, connections), clients(executor, connections);
    asio::co_spawn(executor, accept_all(acceptor, servers, served), rethrow);
    const auto until = std::chrono::steady_clock::now() + (options.is_small ? 200ms : 5000ms);
    const Clock clock;
    for (std::uint64_t i = 0; i < connections; ++i) {
      asio::co_spawn(executor, ask(acceptor.local_endpoint(), i, until, asked),
                     [&](std::exception_ptr failure) {
                       rethrow(failure);
                       clients.ended();
                     });
    }
    co_await clients.wait();
    const double seconds = clock.ns() * 1e-9;
    report("W10", "rate", static_cast<double>(asked.load()) / seconds * 1e-3, "kreq/s");
    co_await servers.wait();
    expect_sum("W10", served.load(), asked.load());
  });
}
