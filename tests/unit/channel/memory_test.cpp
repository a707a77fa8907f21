// What channels cost: allocations, not time.
#include <array>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/channel/broadcast.hpp"
#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/channel/oneshot.hpp"
#include "quiesce/channel/rendezvous.hpp"
#include "quiesce/channel/session.hpp"
#include "quiesce/channel/watch.hpp"
#include "quiesce/select.hpp"
#include "unit/allocations.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using testing_support::Allocations;
using testing_support::allocations;

struct ChannelMemory : ChannelTest {
  void SetUp() override {
    if (!testing_support::counts_allocations()) GTEST_SKIP() << "a sanitizer has its own allocator";
  }
};

/// What an idle channel takes, as the allocator rounds it: fresh, and after `use`, which fills and drains it.
struct Idle {
  Allocations fresh, drained;
};
template <class Make, class Use>
Idle cost_once(Make& make, Use& use, auto& kept) {
  Idle idle;
  const Allocations before = allocations();
  kept.push_back(make());
  auto& ends = kept.back();
  idle.fresh = allocations() - before;
  for (int round = 0; round < 3; ++round) use(ends.first, ends.second);
  idle.drained = allocations() - before;
  return idle;
}
/// The least of several that live at the same time: a chunk that was freed before, and is 16 bytes larger than what is asked for, is
/// given away whole, which is the heap's past and not the channel's cost.
template <class Make, class Use>
Idle cost_of(Make make, Use use) {
  constexpr std::size_t attempts = 8;
  std::vector<decltype(make())> kept;
  kept.reserve(attempts);
  Idle least = cost_once(make, use, kept);
  while (kept.size() < attempts) {
    const Idle next = cost_once(make, use, kept);
    if (next.drained.live_bytes < least.drained.live_bytes) least = next;
  }
  return least;
}

constexpr std::int64_t base = 128;  // docs/laws.md
std::int64_t bound(std::uint32_t places, std::size_t size) {
  return base + static_cast<std::int64_t>(places * size);
}
/// One allocation, within the bound, before and after its use.
void expect_within(const Idle& idle, std::uint32_t places, std::size_t size) {
  for (const Allocations& look : {idle.fresh, idle.drained}) {
    EXPECT_EQ(look.live_count, 1);
    EXPECT_LE(look.live_bytes, bound(places, size)) << places << " places of " << size;
  }
}

template <class T>
void fill_and_drain(const auto& tx, const auto& rx) {
  while (tx.try_send(T{})) continue;
  while (rx.try_recv()) continue;
}

template <class T>
struct ChannelCost : ChannelMemory {};
struct Line {
  std::array<std::uint64_t, 8> words{};
};
using Messages = ::testing::Types<char, int, Line, std::string>;
TYPED_TEST_SUITE(ChannelCost, Messages);

TYPED_TEST(ChannelCost, QueuesCost128BytesAndTheirPlaces) {
  using T = TypeParam;
  const auto use = [](auto& tx, auto& rx) { fill_and_drain<T>(tx, rx); };
  for (const std::uint32_t places : {1u, 16u, 1000u}) {
    expect_within(cost_of([&] { return mpsc::channel<T>(places); }, use), places, sizeof(T));
    expect_within(cost_of([&] { return mpmc::channel<T>(places, "named"); }, use), places, sizeof(T));
  }
  const auto meet = [](auto& tx, auto& rx) { EXPECT_FALSE(tx.try_send(T{}) || rx.try_recv()); };
  expect_within(cost_of([] { return rendezvous::channel<T>(); }, meet), 1, sizeof(T));
  const auto once = [](auto& tx, auto& rx) {
    (void)tx.send(T{});
    (void)rx.try_recv();
  };
  expect_within(cost_of([] { return oneshot::channel<T>(); }, once), 1, sizeof(T));
}

TYPED_TEST(ChannelCost, AnUnboundedQueueKeepsOneBlockWhenItIsDrained) {
  using T = TypeParam;
  const Idle idle = cost_of([] { return mpsc::unbounded_channel<T>(); },
                            [](auto& tx, auto& rx) {
                              for (int i = 0; i < 5000; ++i) EXPECT_TRUE(tx.send(T{}));
                              while (rx.try_recv()) continue;
                            });
  EXPECT_EQ(idle.fresh.live_count, 1);
  EXPECT_LE(idle.fresh.live_bytes, base);
  const auto block = static_cast<std::uint32_t>(1024 / sizeof(T));
  EXPECT_EQ(idle.drained.live_count, 2);
  EXPECT_LE(idle.drained.live_bytes, bound(block, sizeof(T)));
}

TYPED_TEST(ChannelCost, ABroadcastCosts128BytesAndItsPlaces) {
  using T = TypeParam;
  for (const std::uint32_t places : {1u, 16u, 1000u}) {
    const auto use = [&](auto& tx, auto& rx) {
      auto second = rx;
      auto lags = rx;
      for (std::uint32_t i = 0; i < places + 3; ++i) EXPECT_TRUE(tx.send(T{}));
      for (auto* end : {&rx, &second}) {
        EXPECT_TRUE(end->try_recv().error().is_lagged());
        while (end->try_recv()) continue;
      }
    };
    const Idle idle = cost_of([&] { return broadcast::channel<T>(places); }, use);
    expect_within(idle, places, sizeof(T));
    if (std::is_trivially_copyable_v<T>) { EXPECT_EQ(idle.drained.count, 1u) << "values lie in the ring"; }
  }
}

TYPED_TEST(ChannelCost, AWatchCosts128BytesAndItsValue) {
  using T = TypeParam;
  const Idle idle = cost_of([] { return watch::channel<T>(T{}); },
                            [](auto& tx, auto& rx) {
                              tx.send(T{});
                              (void)rx.read();
                            });
  for (const Allocations& look : {idle.fresh, idle.drained}) {
    EXPECT_EQ(look.live_count, 2);
    EXPECT_LE(look.live_bytes, bound(1, sizeof(T)));
  }
}

TYPED_TEST(ChannelCost, ASessionCosts128BytesWhateverItsRoom) {
  using T = TypeParam;
  for (const std::uint32_t places : {1u, 1000u}) {
    const Idle idle = cost_of([&] { return session::channel<T, T>(places); }, [](auto&, auto&) {});
    expect_within(idle, 0, sizeof(T));
  }
}

/// What is small and still not copied by its bytes has a place of its own, and takes a pointer in the ring.
struct SmallAndOwn {
  char value = 0;
  SmallAndOwn() = default;
  SmallAndOwn(const SmallAndOwn& other) : value(other.value) {}
};
TEST_F(ChannelMemory, ABroadcastOfSmallObjectsWithCopiesOfTheirOwnCostsAPointerEach) {
  const auto use = [](auto& tx, auto& rx) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(tx.send(SmallAndOwn()));
    while (rx.try_recv()) continue;
  };
  expect_within(cost_of([] { return broadcast::channel<SmallAndOwn>(100); }, use), 100, sizeof(void*));
}

TEST(ChannelPlaces, MessagesOfAnyAlignmentLieRight) {
  struct alignas(32) Wide {
    int value;
    explicit Wide(int v) : value(v) {}
  };
  auto [tx, rx] = mpsc::channel<Wide>(3);
  auto [utx, urx] = mpsc::unbounded_channel<Wide>();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(tx.try_send(Wide(i)) && utx.send(Wide(i)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(rx.try_recv()->value, i);
    EXPECT_EQ(urx.try_recv()->value, i);
  }
}

TEST_F(ChannelMemory, AnUnboundedChannelAllocatesBlocksAndNotMessages) {
  auto [tx, rx] = mpsc::unbounded_channel<std::uint64_t>();
  const Allocations before = allocations();
  for (std::uint64_t i = 0; i < 10'000; ++i) EXPECT_TRUE(tx.send(i));
  const Allocations filling = allocations() - before;
  EXPECT_LE(filling.count, 10'000 / 128 + 1u);
  EXPECT_LE(filling.bytes, 90'000u);
  for (std::uint64_t i = 0; i < 10'000; ++i) EXPECT_EQ(rx.try_recv().value(), i);
  const Allocations emptied = allocations();
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    if (!tx.send(i) || !rx.try_recv()) FAIL();
  }
  EXPECT_EQ((allocations() - emptied).count, 0u) << "the last block is used again";
}

/// Yields, and then waits in `wait(cx)`: what the step allocates in which it comes to wait, and the one in which it goes on.
template <class Wait, class Wake>
Allocations cost_of_waiting(ChannelTest& test, Wait wait, Wake wake) {
  bool done = false;
  auto body = [&](Cx cx) -> Task<> {
    co_await cx.yield();
    co_await wait(cx);
    done = true;
    co_await cx.yield();
  };
  auto handle = test.scope.spawn(test.cx, unsafe_send(body)).value();
  test.s.step(handle.task_id());
  const Allocations before = allocations();
  test.s.step(handle.task_id());
  EXPECT_FALSE(done);
  wake();
  test.s.step(handle.task_id());
  const Allocations cost = allocations() - before;
  EXPECT_TRUE(done);
  test.s.run_until_idle();
  return cost;
}

TEST_F(ChannelMemory, WaitingAllocatesNothing) {
  auto [tx, rx] = mpsc::channel<int>(1);
  auto& to = tx;
  auto& from = rx;
  auto take = [&] { EXPECT_TRUE(from.try_recv()); };
  auto put = [&] { EXPECT_TRUE(to.try_send(1)); };
  EXPECT_EQ(cost_of_waiting(
                *this, [&](Cx mine) { return from.recv(mine); }, put)
                .count,
            0u);
  put();
  EXPECT_EQ(cost_of_waiting(
                *this, [&](Cx mine) { return to.send(mine, 2); }, take)
                .count,
            0u);
  auto [tx2, rx2] = mpsc::channel<int>(1);
  auto& other = rx2;
  auto both = [&](Cx mine) { return select(mine, to.send(3), other.recv()); };
  EXPECT_EQ(cost_of_waiting(*this, both, take).count, 0u);
  EXPECT_EQ(cost_of_waiting(
                *this, [&](Cx mine) { return to.closed(mine); }, [&] { from.close(); })
                .count,
            0u);
}

}  // namespace
}  // namespace quiesce::channel_tests
