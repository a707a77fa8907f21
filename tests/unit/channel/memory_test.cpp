// What channels cost: allocations, not time.
#include <array>
#include <string>

#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/channel/oneshot.hpp"
#include "quiesce/channel/rendezvous.hpp"
#include "quiesce/select.hpp"
#include "unit/allocations.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using testing_support::Allocations;
using testing_support::allocations;

struct ChannelMemory : ChannelTest {
  void SetUp() override {
    if (!testing_support::counts_allocations()) GTEST_SKIP() << "a sanitizer has its own `new`";
  }
};

/// What `make` allocates while what it gives lives.
template <class Make>
Allocations cost_of(Make make) {
  const Allocations before = allocations();
  auto ends = make();
  return allocations() - before;
}

TEST_F(ChannelMemory, AnIdleChannelCosts128BytesAndItsPlaces) {
  const Allocations bytes = cost_of([] { return mpsc::channel<char>(1000); });
  EXPECT_EQ(bytes.count, 1u);
  EXPECT_LE(bytes.bytes, 128 + 1000u);
  using Message = std::array<std::uint64_t, 5>;
  const Allocations large = cost_of([] { return mpmc::channel<Message>(64, "large"); });
  EXPECT_EQ(large.count, 1u);
  EXPECT_LE(large.bytes, 128 + 64 * sizeof(Message));
  const Allocations once = cost_of([] { return oneshot::channel<std::string>(); });
  EXPECT_EQ(once.count, 1u);
  EXPECT_LE(once.bytes, 128 + sizeof(std::string));
  const Allocations meeting = cost_of([] { return rendezvous::channel<Message>(); });
  EXPECT_EQ(meeting.count, 1u);
  EXPECT_LT(meeting.bytes, 192 + sizeof(Message));
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
