#include "quiesce/thread_port.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "quiesce/runtime.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::Stepper;

Task<int> twice(Cx cx, int value) {
  co_await cx.yield();
  co_return 2 * value;
}
Task<int> fails(Cx cx, std::string text) {
  co_await cx.yield();
  co_await fail(Error(text));
  co_return 0;
}
Task<int> panics(Cx) {
  throw std::runtime_error("a bug");
  co_return 0;
}

/// A runtime with a region that stays open until the test lets it go, and a port into it.
template <class P>
struct Served {
  Runtime runtime = Runtime::builder().workers(2).build();
  Event leave;
  std::optional<ThreadPort> port;
  std::atomic<bool> is_open = false;
  Outcome<> ended = Outcome<>::ok();
  std::thread server{[this] {
    auto body = [this](Cx cx, Scope<P>& scope) -> Task<> {
      port.emplace(co_await thread_port(cx, scope));
      is_open = true;
      is_open.notify_all();
      co_await leave.wait(cx);
    };
    ended = runtime.block_on<P>(body);
  }};

  Served() { is_open.wait(false); }
  ~Served() { close(); }
  void close() {
    leave.set();
    if (server.joinable()) server.join();
  }
};

TEST(ThreadPort, AThreadSpawnsAndWaitsForTheResult) {
  Served<FailFast> served;
  auto handle = served.port->spawn(twice, 21);
  ASSERT_TRUE(handle);
  EXPECT_EQ(handle->wait().value(), 42);
  const Outcome<int> again = handle->wait();
  EXPECT_EQ(again.error().code(), ErrorCode::PolledAfterCompletion);
  served.close();
  EXPECT_TRUE(served.ended.is_ok());
}

TEST(ThreadPort, ARegionThatHasClosedRefusesForEver) {
  std::optional<ThreadPort> port;
  {
    Served<FailFast> served;
    port = served.port;
    served.close();
    EXPECT_EQ(port->spawn(twice, 1).error().kind(), SpawnErrorKind::RegionClosed);
  }
  auto refused = port->spawn(twice, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionClosed);
  EXPECT_FALSE(port->launch(twice, 1));
}

TEST(ThreadPort, AFailureIsItsWhoHoldsTheHandle) {
  Served<FailFast> served;
  auto handle = served.port->spawn(fails, std::string("mine"));
  EXPECT_EQ(handle->wait().error().message(), "mine");
  served.close();
  EXPECT_TRUE(served.ended.is_ok()) << served.ended;
}

TEST(ThreadPort, AFailureThatNobodyHoldsGoesToThePolicy) {
  {
    Served<CollectAll> served;
    ASSERT_TRUE(served.port->launch(fails, std::string("launched")));
    served.close();
    EXPECT_EQ(served.ended.error().message(), "launched");
  }
  Served<CollectAll> served;
  { auto dropped = served.port->spawn(fails, std::string("dropped")); }
  served.close();
  EXPECT_EQ(served.ended.error().message(), "dropped");
}

TEST(ThreadPort, AFailureWhoseRegionHasTakenItCannotBeTakenAgain) {
  Served<CollectAll> served;
  auto handle = served.port->spawn(fails, std::string("swept"));
  served.close();
  EXPECT_EQ(served.ended.error().message(), "swept");
  EXPECT_EQ(handle->wait().error().code(), ErrorCode::PolledAfterCompletion);
}

TEST(ThreadPort, APanicIsShownAndGoesToThePolicyToo) {
  Served<CollectAll> served;
  auto handle = served.port->spawn(panics);
  EXPECT_TRUE(handle->wait().is_panicked());
  served.close();
  EXPECT_TRUE(served.ended.is_panicked());
}

TEST(ThreadPort, AbortCancels) {
  Served<CollectAll> served;
  auto sleeps = [](Cx cx) -> Task<> { co_await cx.sleep(1h); };
  auto handle = served.port->spawn(sleeps);
  handle->abort();
  EXPECT_TRUE(handle->wait().is_cancelled());
}

TEST(ThreadPort, WaitingOnAWorkerIsRefusedAndConsumesNothing) {
  Served<CollectAll> served;
  auto handle = served.port->spawn(twice, 4);
  auto* raw = &*handle;
  auto waits = [](Cx, ThreadHandle<int>* of) -> Task<std::string> { co_return of->wait().error().message(); };
  auto asked = served.port->spawn(waits, unsafe_send(raw));
  EXPECT_EQ(
      asked->wait().value(),
      "ThreadHandle::wait on a worker would stop the tasks it waits for: co_await the join of a TaskHandle "
      "instead");
  EXPECT_EQ(handle->wait().value(), 8);
}

TEST(ThreadPort, LimitsOfTheRegionHold) {
  Stepper stepper;
  const RegionId root = stepper.create_root_region(Budget::infinite(), {.max_tasks = 1});
  const Cx cx = stepper.cx(root);
  ThreadPort port = thread_port(cx, stepper.scope(root)).value();
  auto first = port.spawn(twice, 1);
  ASSERT_TRUE(first);
  auto second = port.spawn(twice, 1);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind(), SpawnErrorKind::RegionAtCapacity);
  stepper.run_until_idle();
  EXPECT_TRUE(first->is_finished());
  EXPECT_EQ(first->wait().error().code(), ErrorCode::BlockingInTask) << "the Stepper runs on this thread";
}

TEST(ThreadPort, FromClosingOnItIsRefused) {
  Stepper stepper;
  const RegionId root = stepper.create_root_region();
  const Cx cx = stepper.cx(root);
  Scope<> scope = stepper.scope(root);
  ThreadPort port = thread_port(cx, scope).value();
  auto running = port.spawn(twice, 1);
  scope.close();
  EXPECT_EQ(port.spawn(twice, 1).error().kind(), SpawnErrorKind::RegionClosed);
  EXPECT_FALSE(thread_port(cx, scope));
  stepper.run_until_idle();
  EXPECT_TRUE(running->is_finished());
}

TEST(ThreadPort, AFunctionThatThrowsLeavesNoTrace) {
  Stepper stepper;
  const RegionId root = stepper.create_root_region();
  ThreadPort port = thread_port(stepper.cx(root), stepper.scope(root)).value();
  struct Throws {
    Throws() = default;
    Throws(const Throws&) { throw std::runtime_error("copy"); }
  };
  auto work = [](Cx, Throws) -> Task<> { co_return; };
  const Throws argument;
  EXPECT_THROW((void)port.spawn(work, argument), std::runtime_error);
  EXPECT_TRUE(stepper.live_tasks().empty());
}

}  // namespace
}  // namespace quiesce
