// W4, W5: messages between tasks.
#include <array>

#include "workload.hpp"

namespace workloads {
namespace {

using Sender = q::mpsc::Sender<std::uint64_t>;
using Receiver = q::mpsc::Receiver<std::uint64_t>;

q::Task<std::uint64_t> ping(q::Cx cx, Sender to, Receiver from, std::uint64_t trips) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < trips; ++i) {
    co_await to.send(cx, i);
    auto answer = co_await from.recv(cx);
    sum += *answer;
  }
  co_return sum;
}

q::Task<> pong(q::Cx cx, Receiver from, Sender to) {
  while (auto question = co_await from.recv(cx)) co_await to.send(cx, *question + 1);
}

void ping_pong(const Options& options) {
  const std::uint64_t trips = options.scaled(1'000'000);
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto [questions_in, questions] = q::mpsc::channel<std::uint64_t>(1, "questions");
    auto [answers_in, answers] = q::mpsc::channel<std::uint64_t>(1, "answers");
    const Clock clock;
    auto second = co_await scope.spawn(cx, pong, std::move(questions), std::move(answers_in));
    auto first = co_await scope.spawn(cx, ping, std::move(questions_in), std::move(answers), trips);
    const std::uint64_t sum = co_await first.join(cx);
    co_await second.join(cx);
    report("W4", "time", clock.ns() / static_cast<double>(trips), "ns");
    expect_sum("W4", sum, trips * (trips + 1) / 2);
  });
  expect_ok("W4", outcome);
}

q::Task<> produce(q::Cx cx, Sender to, std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t i = first; i < first + count; ++i) co_await to.send(cx, i);
}

q::Task<std::uint64_t> consume(q::Cx cx, Receiver from) {
  std::uint64_t sum = 0;
  while (auto message = co_await from.recv(cx)) sum += *message;
  co_return sum;
}

void four_to_one(const Options& options) {
  constexpr std::uint64_t producers = 4;
  const std::uint64_t each = options.scaled(1'000'000), total = producers * each;
  q::Runtime rt = options.runtime();
  auto outcome = rt.block_on([&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto [in, out] = q::mpsc::channel<std::uint64_t>(1024, "messages");
    const Clock clock;
    auto consumer = co_await scope.spawn(cx, consume, std::move(out));
    for (std::uint64_t i = 0; i < producers; ++i) co_await scope.launch(cx, produce, in, i * each, each);
    {
      Sender last = std::move(in);  // goes here: the channel ends with the producers'
    }
    const std::uint64_t sum = co_await consumer.join(cx);
    report("W5", "time", clock.ns() / static_cast<double>(total), "ns");
    expect_sum("W5", sum, total * (total - 1) / 2);
  });
  expect_ok("W5", outcome);
}

constexpr std::array list{
    Workload{"W4", "two tasks, two channels of capacity 1, 1,000,000 round trips", ping_pong},
    Workload{"W5", "four producers, one consumer, 4,000,000 messages through one channel of capacity 1024",
             four_to_one},
};

}  // namespace

std::span<const Workload> messages() { return list; }

}  // namespace workloads
