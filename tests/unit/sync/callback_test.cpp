#include "quiesce/callback.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/runtime.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/testing/stepper.hpp"
#include "quiesce/timeout.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::Stepper;

/// A library that calls back when the test says so.
struct Library {
  std::vector<Completion<std::string>> asked;
  int cancelled = 0;

  auto ask() {
    return [this](Completion<std::string> done) {
      asked.push_back(std::move(done));
      return [this]() noexcept { ++cancelled; };
    };
  }
};

struct Callbacks : ::testing::Test {
  Stepper stepper;
  RegionId root = stepper.create_root_region();
  Scope<CollectAll> scope = stepper.scope<CollectAll>(root);
  Cx cx = stepper.cx(root);
  Library library;

  TaskHandle<std::string> start() {
    auto body = [this](Cx mine) -> Task<std::string> {
      co_return co_await from_callback<std::string>(mine, library.ask());
    };
    auto handle = scope.spawn(cx, UnsafeSend(body)).value();
    stepper.run_until_idle();
    return handle;
  }
  template <class T, class E>
  Outcome<T, E> run(Task<T, E> task) {
    return stepper.run(cx, std::move(task));
  }
};

TEST_F(Callbacks, TheFirstCallEndsTheWaitLaterOnesAreIgnored) {
  auto waiting = start();
  EXPECT_FALSE(waiting.is_finished());
  Completion<std::string> copy = library.asked[0];
  EXPECT_TRUE(copy("first"));
  EXPECT_FALSE(library.asked[0]("second"));
  EXPECT_FALSE(copy.fail(Error("third")));
  EXPECT_EQ(stepper.run(waiting.join(cx)).value(), "first");
  EXPECT_FALSE(copy("fourth"));
  EXPECT_EQ(library.cancelled, 0);
}

TEST_F(Callbacks, ItMayFail) {
  auto waiting = start();
  EXPECT_TRUE(library.asked[0].fail(Error(ErrorCode::Io, "no such host")));
  EXPECT_EQ(stepper.run(waiting.join(cx)).error().message(), "no such host");
}

TEST_F(Callbacks, WhenNobodyCanCallAnyMoreTheWaitEnds) {
  auto waiting = start();
  library.asked.clear();
  const auto o = stepper.run(waiting.join(cx));
  ASSERT_TRUE(o.is_err());
  EXPECT_EQ(o.error().code(), ErrorCode::Disconnected);
  EXPECT_EQ(o.error().message(),
            "from_callback: every copy of the completion was destroyed, and none was called");
  EXPECT_EQ(library.cancelled, 0);
}

TEST_F(Callbacks, ItMayBeCalledByStartItself) {
  auto body = [](Cx mine) -> Task<int> {
    co_return co_await from_callback<int>(mine, [](Completion<int> done) { done(7); });
  };
  EXPECT_EQ(run(body(cx)).value(), 7);
  auto unit = [](Cx mine) -> Task<> {
    co_await from_callback<void>(mine, [](Completion<void> done) { done(); });
  };
  EXPECT_TRUE(run(unit(cx)).is_ok());
}

TEST_F(Callbacks, ARequestGivesUpAndCallsTheCancelFunctionOnce) {
  auto waiting = start();
  waiting.abort();
  EXPECT_TRUE(stepper.run(waiting.join(cx)).is_cancelled());
  EXPECT_EQ(library.cancelled, 1);
  EXPECT_FALSE(library.asked[0]("late")) << "nobody waits";
  EXPECT_EQ(library.cancelled, 1);
}

TEST_F(Callbacks, ATaskThatWasCancelledBeforeDoesNotStart) {
  auto body = [this](Cx mine) -> Task<> { (void)co_await from_callback<std::string>(mine, library.ask()); };
  auto handle = scope.spawn(cx, UnsafeSend(body)).value();
  handle.abort();
  EXPECT_TRUE(stepper.run(handle.join(cx)).is_cancelled());
  EXPECT_TRUE(library.asked.empty());
}

TEST_F(Callbacks, ACallThatCameBeforeTheRequestStands) {
  auto waiting = start();
  EXPECT_TRUE(library.asked[0]("in time"));
  waiting.abort();
  EXPECT_EQ(stepper.run(waiting.join(cx)).value(), "in time");
  EXPECT_EQ(library.cancelled, 0);
}

TEST_F(Callbacks, ACallAfterTheRequestAndBeforeTheTasksStepComesTooLate) {
  auto waiting = start();
  waiting.abort();
  EXPECT_FALSE(library.asked[0]("late"));
  EXPECT_TRUE(stepper.run(waiting.join(cx)).is_cancelled());
  EXPECT_EQ(library.cancelled, 0) << "it had called back";
}

TEST_F(Callbacks, ABranchThatLosesASelectIsGivenUp) {
  Event other;
  other.set();
  auto body = [&](Cx mine) -> Task<std::size_t> {
    auto first = co_await select_biased(mine, from_callback<std::string>(library.ask()), other.wait());
    co_return first.index();
  };
  EXPECT_EQ(run(body(cx)).value(), 1u);
  EXPECT_EQ(library.cancelled, 1);
  EXPECT_FALSE(library.asked[0]("late"));

  auto timed = [&](Cx mine) -> Task<> {
    (void)co_await timeout(mine, 5ms, from_callback<std::string>(library.ask()));
  };
  EXPECT_EQ(run(timed(cx)).error().message(), "timeout: 5.000ms have passed, and a callback has not come");
  EXPECT_EQ(library.cancelled, 2);
}

TEST_F(Callbacks, ABranchThatWinsASelectGivesItsValue) {
  auto body = [&](Cx mine) -> Task<std::string> {
    auto first = co_await select(mine, from_callback<std::string>(library.ask()), mine.sleep(1h));
    co_return std::get<0>(first);
  };
  auto handle = scope.spawn(cx, UnsafeSend(body)).value();
  stepper.run_until_idle();
  EXPECT_TRUE(library.asked[0]("won"));
  EXPECT_EQ(stepper.run(handle.join(cx)).value(), "won");
  EXPECT_EQ(library.cancelled, 0);
}

TEST_F(Callbacks, AnOperationThatIsNeverAwaitedNeverStarts) {
  { auto never = from_callback<std::string>(library.ask()); }
  EXPECT_TRUE(library.asked.empty());
  EXPECT_EQ(library.cancelled, 0);
}

TEST_F(Callbacks, AnExceptionOfStartPanicsTheTask) {
  auto body = [&](Cx mine) -> Task<> {
    auto start = [&](Completion<std::string> done) {
      library.asked.push_back(done);
      throw std::runtime_error("no sockets");
    };
    (void)co_await from_callback<std::string>(mine, start);
  };
  const Outcome<> o = run(body(cx));
  ASSERT_TRUE(o.is_panicked());
  EXPECT_NE(o.panic().message().find("no sockets"), std::string::npos);
  EXPECT_FALSE(library.asked[0]("late"));
}

TEST_F(Callbacks, AValueWhoseMoveThrowsPanicsTheTaskAndTellsTheCaller) {
  struct Heavy {
    explicit Heavy(int) { throw std::runtime_error("too heavy"); }
  };
  std::vector<Completion<Heavy>> kept;
  auto body = [&](Cx mine) -> Task<> {
    auto start = [&](Completion<Heavy> done) { kept.push_back(done); };
    (void)co_await from_callback<Heavy>(mine, start);
  };
  auto handle = scope.spawn(cx, UnsafeSend(body)).value();
  stepper.run_until_idle();
  EXPECT_THROW(kept[0](1), std::runtime_error);
  EXPECT_TRUE(stepper.run(handle.join(cx)).is_panicked());
}

TEST_F(Callbacks, ACompletionOutlivesTaskAndKernel) {
  std::vector<Completion<std::string>> kept;
  {
    Stepper short_lived;
    const RegionId region = short_lived.create_root_region();
    auto body = [&](Cx mine) -> Task<> {
      auto start = [&](Completion<std::string> done) { kept.push_back(done); };
      (void)co_await from_callback<std::string>(mine, start);
    };
    auto handle = short_lived.scope(region).spawn(short_lived.cx(region), UnsafeSend(body)).value();
    short_lived.run_until_idle();
  }
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_FALSE(kept[0]("late"));
}

TEST(RuntimeCallbacks, AnyThreadMayCall) {
  Runtime runtime = Runtime::builder().workers(2).build();
  std::vector<std::thread> threads;
  auto body = [&](Cx cx, Scope<>&) -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 50; ++i) {
      auto start = [&](Completion<int> done) { threads.emplace_back([done, i] { done(i); }); };
      sum += co_await from_callback<int>(cx, start);
    }
    co_return sum;
  };
  EXPECT_EQ(runtime.block_on(body).value(), 49 * 50 / 2);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace quiesce
