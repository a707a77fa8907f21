// Messages: sent and received by one task, where nobody has to wait; and from one task to another through a channel of capacity 1, where
// both do each time.
// Run: build/optimized/bin/bench_channel
#include "run.hpp"

namespace q = quiesce;

namespace {

constexpr std::int64_t messages = 100'000;

struct Mpsc {
  static auto make(std::uint32_t capacity) { return q::mpsc::channel<std::int64_t>(capacity); }
};
struct Mpmc {
  static auto make(std::uint32_t capacity) { return q::mpmc::channel<std::int64_t>(capacity); }
};

template <class Kind>
void send_recv(benchmark::State& state) {
  q::bench::run(state, 1, messages, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    auto [tx, rx] = Kind::make(1024);
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < messages; ++i) {
      co_await tx.send(cx, i);
      auto message = co_await rx.recv(cx);
      sum += message.value_or(0);
    }
    benchmark::DoNotOptimize(sum);
  });
}
BENCHMARK(send_recv<Mpsc>)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(send_recv<Mpmc>)->Unit(benchmark::kMillisecond)->UseRealTime();

template <class Kind>
void try_send_recv(benchmark::State& state) {
  auto [tx, rx] = Kind::make(1024);
  for (auto _ : state) {
    if (!tx.try_send(1)) state.SkipWithError("a channel with room refused a message");
    if (!rx.try_recv()) state.SkipWithError("a message was lost");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(try_send_recv<Mpsc>);
BENCHMARK(try_send_recv<Mpmc>);

void oneshot(benchmark::State& state) {
  q::bench::run(state, 1, messages, [](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
    for (std::int64_t i = 0; i < messages; ++i) {
      auto [tx, rx] = q::oneshot::channel<std::int64_t>();
      if (!tx.send(i)) throw std::logic_error("a oneshot channel refused its message");
      benchmark::DoNotOptimize(co_await rx.recv(cx));
    }
  });
}
BENCHMARK(oneshot)->Unit(benchmark::kMillisecond)->UseRealTime();

template <class Sender>
q::Task<> sends(q::Cx cx, Sender tx) {
  for (std::int64_t i = 0; i < messages; ++i) co_await tx.send(cx, i);
}

template <class Kind>
void across(benchmark::State& state) {
  const auto workers = static_cast<std::uint32_t>(state.range(0));
  q::bench::run(state, workers, messages, [](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    auto [tx, rx] = Kind::make(1);
    using Sender = decltype(tx);
    auto other = co_await scope.spawn(cx, sends<Sender>, std::move(tx));
    std::int64_t received = 0;
    while (auto message = co_await rx.recv(cx)) ++received;
    if (received != messages) throw std::logic_error("messages were lost");
    co_await other.join(cx);
  });
}
BENCHMARK(across<Mpsc>)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(across<Mpmc>)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
