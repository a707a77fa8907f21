// Task<T, E> by itself: outcomes, awaiting, how frames die (O3 to O5), foreign awaitables. Driven by the
// Stepper.
#include "quiesce/task.hpp"

#include <gtest/gtest.h>

#include <array>
#include <coroutine>
#include <expected>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

struct TaskTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
  Strings log;
};

// ---- how a task ends ----

Task<int> returns(int x) { co_return x; }
Task<int> fails(std::string message) {
  co_await fail(ErrorCode::User, std::move(message));
  co_return 0;
}
Task<int> ends_cancelled(std::string message) {
  co_await cancelled(CancelReason::user(std::move(message)));
  co_return 0;
}
Task<int> throws(std::string message) {
  throw std::runtime_error(message);
  co_return 0;
}

TEST_F(TaskTest, EndsOk) { EXPECT_EQ(s.run(returns(7)).value(), 7); }

TEST_F(TaskTest, EndsErr) {
  Outcome<int> o = s.run(fails("no"));
  ASSERT_TRUE(o.is_err());
  EXPECT_EQ(o.error(), Error(ErrorCode::User, "no"));
}

TEST_F(TaskTest, EndsCancelled) {
  Outcome<int> o = s.run(ends_cancelled("enough"));
  ASSERT_TRUE(o.is_cancelled());
  EXPECT_EQ(o.cancel_reason().message(), "enough");
}

TEST_F(TaskTest, EndsPanicked) {
  Outcome<int> o = s.run(throws("boom"));
  ASSERT_TRUE(o.is_panicked());
  EXPECT_NE(o.panic().message().find("boom"), std::string::npos) << o;
  EXPECT_FALSE(o.panic().id().empty());
  EXPECT_THROW(std::rethrow_exception(o.panic().exception()), std::runtime_error);
}

TEST_F(TaskTest, AThrownValueWithoutAMessageIsUnknown) {
  auto odd = []() -> Task<> {
    throw 42;
    co_return;
  };
  Outcome<> o = s.run(odd());
  ASSERT_TRUE(o.is_panicked());
  EXPECT_NE(o.panic().message().find("unknown panic"), std::string::npos) << o;
}

TEST_F(TaskTest, NothingRunsUntilItIsAwaitedAndADroppedTaskNeverRuns) {
  bool ran = false;
  auto argument = std::make_shared<int>(0);
  auto work = [](bool& flag, std::shared_ptr<int>) -> Task<> {
    flag = true;
    co_return;
  };
  {
    Task<> task = work(ran, argument);
    EXPECT_EQ(argument.use_count(), 2);
    EXPECT_TRUE(static_cast<bool>(task));
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(argument.use_count(), 1) << "its arguments went with it";
}

TEST_F(TaskTest, AssignmentDropsWhatWasThere) {
  auto first = std::make_shared<int>(0);
  auto work = [](std::shared_ptr<int> value) -> Task<int> { co_return static_cast<int>(value.use_count()); };
  Task<int> task = work(first);
  task = work(std::make_shared<int>(0));
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_TRUE(s.run(std::move(task)).is_ok());
}

struct MoveOnly {
  std::unique_ptr<int> value;
};
TEST_F(TaskTest, ResultsMayBeMoveOnlyBigOrWithoutDefault) {
  auto move_only = []() -> Task<MoveOnly> { co_return MoveOnly{std::make_unique<int>(5)}; };
  auto outer = [&]() -> Task<int> {
    MoveOnly got = co_await move_only();
    co_return *got.value;
  };
  EXPECT_EQ(s.run(outer()).value(), 5);
  struct Big {
    std::array<int, 300> numbers;
    explicit Big(int x) { numbers.fill(x); }
  };
  auto big = []() -> Task<Big> { co_return Big(9); };
  EXPECT_EQ(s.run(big()).value().numbers[299], 9);
}

struct OwnError {
  std::string text;
  OwnError(Error error) : text("library: " + error.message()) {}  // NOLINT: as documented
  explicit OwnError(std::string t) : text(std::move(t)) {}
  explicit operator Error() const { return Error(ErrorCode::User, text); }
};
TEST_F(TaskTest, AnErrorTypeOfItsOwn) {
  auto own = []() -> Task<int, OwnError> {
    co_await fail(OwnError("mine"));
    co_return 0;
  };
  EXPECT_EQ(s.run(own()).error().text, "mine");
  auto converts = []() -> Task<int, OwnError> { co_return co_await fails("theirs"); };
  EXPECT_EQ(s.run(converts()).error().text, "library: theirs");
}

// ---- awaiting ----

TEST_F(TaskTest, AwaitGivesTheValueOrEndsTheAwaiter) {
  bool reached = false;
  auto outer = [&](Task<int> inner) -> Task<int> {
    int x = co_await std::move(inner);
    reached = true;
    co_return x + 1;
  };
  EXPECT_EQ(s.run(outer(returns(1))).value(), 2);
  EXPECT_TRUE(std::exchange(reached, false));
  EXPECT_EQ(s.run(outer(fails("no"))).error().message(), "no");
  EXPECT_TRUE(s.run(outer(throws("boom"))).is_panicked());
  EXPECT_FALSE(reached);
}

TEST_F(TaskTest, ATaskThatBearsNoRequestIsNotCancelledByReading) {  // O5
  auto outer = [](Task<int> inner) -> Task<int> { co_return co_await std::move(inner); };
  Outcome<int> o = s.run(outer(ends_cancelled("enough")));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::ChildCancelled);
  ASSERT_NE(o.error().cancel_reason(), nullptr);
  EXPECT_EQ(o.error().cancel_reason()->message(), "enough");
  auto timed = []() -> Task<int> {
    co_await cancelled(CancelReason::timeout("late"));
    co_return 0;
  };
  EXPECT_EQ(s.run(outer(timed())).error().code(), ErrorCode::TimedOut);
}

TEST_F(TaskTest, ATaskThatBearsARequestEndsCancelledByReading) {  // O5
  auto outer = [](Cx me) -> Task<int> {
    auto waited = co_await me.sleep(Duration(1h)).outcome();
    (void)waited;
    co_return co_await ends_cancelled("inner");
  };
  auto h = scope.spawn(cx, outer).value();
  s.run_until_idle();
  h.abort();
  Outcome<int> o = s.run(h.join(cx));
  ASSERT_TRUE(o.is_cancelled()) << o;
  EXPECT_EQ(o.cancel_reason().message(), "inner");
}

TEST_F(TaskTest, OutcomeObservesWhateverItIs) {
  auto observe = [](Task<int> inner) -> Task<OutcomeKind> {
    Outcome<int> o = co_await std::move(inner).outcome();
    co_return o.kind();
  };
  EXPECT_EQ(s.run(observe(returns(1))).value(), OutcomeKind::Ok);
  EXPECT_EQ(s.run(observe(fails("no"))).value(), OutcomeKind::Err);
  EXPECT_EQ(s.run(observe(ends_cancelled("enough"))).value(), OutcomeKind::Cancelled);
  EXPECT_EQ(s.run(observe(throws("boom"))).value(), OutcomeKind::Panicked);
}

TEST_F(TaskTest, AnObservedTaskThatIsNotAwaitedNeverRuns) {
  bool ran = false;
  auto work = [](bool& flag) -> Task<> {
    flag = true;
    co_return;
  };
  { auto observed = work(ran).outcome(); }
  EXPECT_FALSE(ran);
}

TEST_F(TaskTest, OutcomesAndExpectedsCanBeAwaited) {
  auto ok = []() -> Task<int> {
    int a = co_await Outcome<int>::ok(1);
    int b = co_await std::expected<int, Error>(2);
    co_await Outcome<>::ok();
    co_await std::expected<void, Error>();
    co_return a + b;
  };
  EXPECT_EQ(s.run(ok()).value(), 3);
  auto err = []() -> Task<int> { co_return co_await std::expected<int, Error>(std::unexpected(Error("no"))); };
  EXPECT_EQ(s.run(err()).error().message(), "no");
  auto panicked = []() -> Task<int> { co_return co_await Outcome<int>::panicked(PanicPayload("p")); };
  EXPECT_TRUE(s.run(panicked()).is_panicked());
}

TEST_F(TaskTest, AnEmptyTaskIsAClearError) {
  auto twice = [](Task<int> inner) -> Task<int> {
    Task<int> moved = std::move(inner);
    int x = co_await std::move(moved);
    x += co_await std::move(inner);  // NOLINT: that is the point
    co_return x;
  };
  Outcome<int> o = s.run(twice(returns(1)));
  ASSERT_TRUE(o.is_err()) << o;
  EXPECT_EQ(o.error().code(), ErrorCode::EmptyTask);
  auto observed = [](Task<int> inner) -> Task<ErrorCode> {
    Task<int> moved = std::move(inner);
    Outcome<int> seen = co_await std::move(inner).outcome();  // NOLINT
    co_return seen.error().code();
  };
  EXPECT_EQ(s.run(observed(returns(1))).value(), ErrorCode::EmptyTask);
  auto h = scope
               .spawn(
                   cx,
                   [](Cx, int x) -> Task<int> {
                     Task<int> task = returns(x);
                     Task<int> elsewhere = std::move(task);
                     return task;  // NOLINT
                   },
                   1)
               .value();
  Outcome<int> spawned = s.run(h.join(cx));
  ASSERT_TRUE(spawned.is_err()) << spawned;
  EXPECT_EQ(spawned.error().code(), ErrorCode::EmptyTask);
  Task<int> task = returns(1);
  Task<int> moved = std::move(task);
  Outcome<int> driven = s.run(std::move(task));  // NOLINT
  ASSERT_TRUE(driven.is_err());
  EXPECT_EQ(driven.error().code(), ErrorCode::EmptyTask);
}

TEST_F(TaskTest, ThrowingAndCatchingInsideAreTheCoroutinesOwn) {
  auto catches = []() -> Task<int> {
    int got = 0;
    try {
      throw std::runtime_error("inside");
    } catch (const std::runtime_error&) { got = 1; }
    got += co_await returns(1);
    co_return got;
  };
  EXPECT_EQ(s.run(catches()).value(), 2);
  auto does_not_see = []() -> Task<int> {
    try {
      co_return co_await throws("child");
    } catch (...) { co_return -1; }
  };
  EXPECT_TRUE(s.run(does_not_see()).is_panicked()) << "a child's panic is not an exception for its awaiter";
}

// ---- depth ----

Task<int> nested(int depth) {
  if (depth == 0) co_return 1;
  int below = co_await nested(depth - 1);
  co_return below + 1;
}
Task<int> nested_failure(int depth) {
  if (depth > 0) co_return co_await nested_failure(depth - 1);
  co_await fail(ErrorCode::User, "bottom");
  co_return 0;
}
TEST_F(TaskTest, NestedAwaitsTakeNoStack) {
  constexpr int depth = 10'000;
  EXPECT_EQ(s.run(nested(depth)).value(), depth + 1);
  EXPECT_EQ(s.run(nested_failure(depth)).error().message(), "bottom");
}
TEST_F(TaskTest, LoopsOfAwaitsTakeNoStackAndGiveWay) {
  auto loop = []() -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 10'000; ++i) sum += co_await returns(1);
    co_return sum;
  };
  auto h = scope
               .spawn(
                   cx,
                   [](Cx, int rounds) -> Task<int> {
                     int sum = 0;
                     for (int i = 0; i < rounds; ++i) sum += co_await returns(1);
                     co_return sum;
                   },
                   1000)
               .value();
  EXPECT_EQ(s.run(loop()).value(), 10'000);
  EXPECT_EQ(s.run(h.join(cx)).value(), 1000);
  EXPECT_GT(s.task(h.task_id())->steps, 5u) << "H4: it gave way";
}
Task<> nested_sleep(Cx cx, int depth) {
  if (depth > 0) {
    co_await nested_sleep(cx, depth - 1);
  } else {
    co_await cx.sleep(Duration(1h));
  }
}
TEST_F(TaskTest, ACancelUnwindsADeepChain) {
  auto h = scope.spawn(cx, nested_sleep, 10'000).value();
  s.run_until_idle();
  h.abort();
  EXPECT_TRUE(s.run(h.join(cx)).is_cancelled());
  EXPECT_EQ(s.now(), Time::zero());
}

// ---- O4: the order in which frames die ----

struct Tracked {
  Strings& log;
  std::string name;
  ~Tracked() { log.push_back(name + (unwinding() ? " unwinding" : "")); }
};
Task<int> leaf(Strings& log, OutcomeKind how) {
  Tracked local{log, "leaf"};
  if (how == OutcomeKind::Err) co_await fail(ErrorCode::User, "no");
  if (how == OutcomeKind::Cancelled) co_await cancelled(CancelReason::user("x"));
  if (how == OutcomeKind::Panicked) throw std::runtime_error("boom");
  co_return 1;
}
Task<int> middle(Strings& log, OutcomeKind how) {
  Tracked first{log, "middle 1"};
  Tracked second{log, "middle 2"};
  int x = co_await leaf(log, how);
  log.push_back("middle goes on");
  co_return x;
}
Task<OutcomeKind> handler(Strings& log, OutcomeKind how) {
  Tracked local{log, "handler"};
  Outcome<int> o = co_await middle(log, how).outcome();
  log.push_back("handled");
  co_return o.kind();
}
TEST_F(TaskTest, FramesDieInnerToOuterBeforeTheHandlerGoesOn) {
  for (OutcomeKind how : {OutcomeKind::Err, OutcomeKind::Cancelled, OutcomeKind::Panicked}) {
    log.clear();
    OutcomeKind seen = s.run(handler(log, how)).value();
    EXPECT_EQ(seen, how == OutcomeKind::Cancelled ? OutcomeKind::Err : how);
    EXPECT_EQ(log,
              (Strings{"leaf unwinding", "middle 2 unwinding", "middle 1 unwinding", "handled", "handler"}));
  }
}
TEST_F(TaskTest, UnwindingIsFalseOnSuccess) {
  EXPECT_EQ(s.run(handler(log, OutcomeKind::Ok)).value(), OutcomeKind::Ok);
  EXPECT_EQ(log, (Strings{"leaf", "middle goes on", "middle 2", "middle 1", "handled", "handler"}));
  EXPECT_FALSE(unwinding());
}
TEST_F(TaskTest, ArgumentsDieWithTheirFrameAfterItsLocals) {
  auto inner = [](std::unique_ptr<Tracked> argument, Strings& out) -> Task<> {
    Tracked local{out, "local"};
    co_await fail(ErrorCode::User, argument->name);
  };
  auto outer = [&]() -> Task<> {
    Tracked local{log, "outer"};
    co_await inner(std::make_unique<Tracked>(log, "argument"), log);
  };
  EXPECT_TRUE(s.run(outer()).is_err());
  EXPECT_EQ(log, (Strings{"local unwinding", "argument unwinding", "outer unwinding"}));
}
TEST_F(TaskTest, ACancelledTaskUnwindsBeforeItsJoinerGoesOn) {
  auto work = [](Cx me, Strings* out) -> Task<> {
    Tracked local{*out, "work"};
    co_await me.sleep(Duration(1h));
    out->push_back("not reached");
  };
  auto outer = [&](Cx me) -> Task<> {
    auto start = [&](Cx inner) { return work(inner, &log); };
    auto h = co_await scope.spawn_local(me, start);
    co_await me.yield();
    h.abort();
    Outcome<> o = co_await h.join(me).outcome();
    log.push_back(o.is_cancelled() ? "joined" : "wrong");
  };
  EXPECT_TRUE(s.run(outer(cx)).is_ok());
  EXPECT_EQ(log, (Strings{"work unwinding", "joined"}));
}

// ---- destructors that throw (O4) ----

struct Bomb {
  std::string message;
  bool armed = true;
  explicit Bomb(std::string text) : message(std::move(text)) {}
  Bomb(const Bomb&) = delete;
  ~Bomb() noexcept(false) {
    if (armed && std::uncaught_exceptions() == 0) throw std::runtime_error(message);
  }
};
TEST_F(TaskTest, ADestructorThatThrowsWhileUnwindingPanicsTheTask) {
  auto inner = [](Strings& out) -> Task<> {
    Tracked outermost{out, "first local"};
    Bomb bomb("destructor");
    Tracked innermost{out, "last local"};
    co_await fail(ErrorCode::User, "no");
  };
  auto outer = [&](Strings& out) -> Task<> {
    Tracked local{out, "outer"};
    co_await inner(out);
  };
  Outcome<> o = s.run(outer(log));
  ASSERT_TRUE(o.is_panicked()) << o;
  EXPECT_NE(o.panic().message().find("destructor"), std::string::npos) << o;
  EXPECT_EQ(log, (Strings{"last local unwinding", "first local unwinding", "outer unwinding"}))
      << "every local died once";
}
TEST_F(TaskTest, ADestructorThatThrowsAtTheEndOfTheBodyPanicsTheTask) {
  auto work = [](Strings& out) -> Task<int> {
    Tracked local{out, "local"};
    Bomb bomb("at the end");
    co_return 1;
  };
  Outcome<int> o = s.run(work(log));
  ASSERT_TRUE(o.is_panicked()) << o;
  EXPECT_EQ(log, (Strings{"local unwinding"}));
}
TEST_F(TaskTest, ASpawnedTaskWithAThrowingDestructorIsPanickedForItsJoiner) {
  auto work = [](Cx me) -> Task<int> {
    Bomb bomb("cancelled");
    co_await me.sleep(Duration(1h));
    co_return 1;
  };
  Scope<CollectAll> tolerant = s.scope<CollectAll>(root);
  auto h = tolerant.spawn(cx, work).value();
  s.run_until_idle();
  h.abort();
  Outcome<int> o = s.run(h.join(cx));
  ASSERT_TRUE(o.is_panicked()) << o;
}
TEST_F(TaskTest, AnObservedTaskDropsItsFrameWhenItsAwaiterTakesTheOutcome) {
  auto outer = [&](Strings& out) -> Task<> {
    Outcome<int> o = co_await leaf(out, OutcomeKind::Ok).outcome();
    out.push_back("taken");
    (void)o;
  };
  EXPECT_TRUE(s.run(outer(log)).is_ok());
  EXPECT_EQ(log, (Strings{"leaf", "taken"}));
}

// ---- foreign awaitables ----

struct Ready {
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept { std::abort(); }
  int await_resume() const noexcept { return 1; }
};
struct Never {
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
  int await_resume() const noexcept { return 2; }
};
struct InPlace {  // resumes before await_suspend has returned
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
  int await_resume() const noexcept { return 3; }
};
struct InPlaceTrue {
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) const {
    handle.resume();
    return true;
  }
  int await_resume() const noexcept { return 4; }
};
struct Transfers {  // symmetric transfer straight back
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const noexcept { return handle; }
  int await_resume() const noexcept { return 5; }
};
struct TransfersNowhere {
  std::coroutine_handle<>* place;
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const noexcept {
    *place = handle;
    return std::noop_coroutine();
  }
  int await_resume() const noexcept { return 6; }
};
struct ByHand {
  std::coroutine_handle<>* place;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { *place = handle; }
  int await_resume() const noexcept { return 7; }
};
struct HasMemberOperator {
  Ready operator co_await() const noexcept { return {}; }
};
struct HasFreeOperator {};
Ready operator co_await(HasFreeOperator) noexcept { return {}; }
struct ConvertibleReady {  // await_ready need not give a bool
  std::unique_ptr<int> await_ready() const { return std::make_unique<int>(0); }
  void await_suspend(std::coroutine_handle<>) const noexcept { std::abort(); }
  int await_resume() const noexcept { return 8; }
};
struct GivesReference {
  int& value;
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  int& await_resume() const noexcept { return value; }
};
struct NotMovable {
  NotMovable() = default;
  NotMovable(NotMovable&&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
  int await_resume() const noexcept { return 9; }
};
enum class Where { Ready, Suspend, Resume };
struct Throws {
  Where where;
  bool await_ready() const {
    if (where == Where::Ready) throw std::runtime_error("in ready");
    return where == Where::Resume;
  }
  void await_suspend(std::coroutine_handle<>) const { throw std::runtime_error("in suspend"); }
  int await_resume() const { throw std::runtime_error("in resume"); }
};

template <class A>
Task<int> await_foreign(A awaitable) {
  co_return co_await awaitable;
}
template <class A>
Task<int> await_temporary() {
  co_return co_await A{};
}

TEST_F(TaskTest, ForeignAwaitersThatDoNotWait) {
  EXPECT_EQ(s.run(await_temporary<Ready>()).value(), 1);
  EXPECT_EQ(s.run(await_temporary<Never>()).value(), 2);
  EXPECT_EQ(s.run(await_temporary<InPlace>()).value(), 3);
  EXPECT_EQ(s.run(await_temporary<InPlaceTrue>()).value(), 4);
  EXPECT_EQ(s.run(await_temporary<Transfers>()).value(), 5);
  EXPECT_EQ(s.run(await_temporary<HasMemberOperator>()).value(), 1);
  EXPECT_EQ(s.run(await_temporary<HasFreeOperator>()).value(), 1);
  EXPECT_EQ(s.run(await_temporary<ConvertibleReady>()).value(), 8);
  EXPECT_EQ(s.run(await_temporary<NotMovable>()).value(), 9);
  EXPECT_EQ(s.run(await_foreign(InPlace{})).value(), 3) << "a named one";
}

TEST_F(TaskTest, AForeignAwaiterMayGiveAReference) {
  int value = 1;
  auto work = [](int& place) -> Task<> {
    int& got = co_await GivesReference{place};
    got = 5;
  };
  EXPECT_TRUE(s.run(work(value)).is_ok());
  EXPECT_EQ(value, 5);
}

template <class A>
struct ForeignWait : ::testing::Test {};
using WaitingKinds = ::testing::Types<ByHand, TransfersNowhere>;
TYPED_TEST_SUITE(ForeignWait, WaitingKinds);

TYPED_TEST(ForeignWait, IsResumedWhenTheAwaiterSaysSo) {
  Stepper s;
  RegionId root = s.create_root_region();
  Cx cx = s.cx(root);
  std::coroutine_handle<> handle;
  auto work = [](Cx, std::coroutine_handle<>* place) -> Task<int> {
    int got = 0;
    for (int i = 0; i < 3; ++i) got += co_await TypeParam{place};
    co_return got;
  };
  auto outer = [&](Cx me) -> Task<TaskHandle<int>> {
    auto start = [&](Cx inner) { return work(inner, &handle); };
    auto spawned = s.scope(root).spawn_local(me, start);
    co_return co_await std::move(spawned);
  };
  TaskHandle<int> h = s.run(outer(cx)).value();
  for (int i = 0; i < 3; ++i) {
    s.run_until_idle();
    EXPECT_EQ(s.task(h.task_id())->waiting_for, "a foreign awaitable");
    handle.resume();
    EXPECT_EQ(s.runnable(), std::vector{h.task_id()})
        << "it is stepped by whoever steps, never inside resume()";
  }
  s.run_until_idle();
  EXPECT_TRUE(h.is_finished());
  EXPECT_TRUE(s.run(h.join(cx)).is_ok());
}

TYPED_TEST(ForeignWait, IsNotEndedByARequest) {
  Stepper s;
  RegionId root = s.create_root_region();
  Cx cx = s.cx(root);
  std::coroutine_handle<> handle;
  auto work = [](Cx me, std::coroutine_handle<>* place) -> Task<int> {
    int got = co_await TypeParam{place};
    co_await me.checkpoint();
    co_return got;
  };
  auto outer = [&](Cx me) -> Task<TaskHandle<int>> {
    auto start = [&](Cx inner) { return work(inner, &handle); };
    auto spawned = s.scope(root).spawn_local(me, start);
    co_return co_await std::move(spawned);
  };
  TaskHandle<int> h = s.run(outer(cx)).value();
  s.run_until_idle();
  h.abort();
  EXPECT_TRUE(s.runnable().empty());
  EXPECT_EQ(s.task(h.task_id())->phase, TaskPhase::CancelRequested);
  handle.resume();
  s.run_until_idle();
  EXPECT_TRUE(s.run(h.join(cx)).is_cancelled()) << "at the checkpoint after it";
}

TEST_F(TaskTest, AForeignAwaiterThatThrowsPanicsTheTaskUnlessItIsCaught) {
  for (Where where : {Where::Ready, Where::Suspend, Where::Resume}) {
    auto uncaught = [](Where at) -> Task<int> { co_return co_await Throws{at}; };
    EXPECT_TRUE(s.run(uncaught(where)).is_panicked());
    auto caught = [](Where at) -> Task<int> {
      int got = 0;
      try {
        got = co_await Throws{at};
      } catch (const std::runtime_error&) { got = 10; }
      co_await Ready{};
      co_return got;
    };
    EXPECT_EQ(s.run(caught(where)).value(), 10);
  }
}

TEST_F(TaskTest, AForeignAwaitInAnInnerFrame) {
  std::coroutine_handle<> handle;
  auto inner = [](std::coroutine_handle<>* place) -> Task<int> { co_return co_await ByHand{place}; };
  auto outer = [&](Cx me) -> Task<int> {
    auto resume = [&handle](Cx) -> Task<> {
      handle.resume();
      co_return;
    };
    auto h = co_await scope.spawn_local(me, resume);
    int got = co_await inner(&handle);
    co_await h.join(me);
    co_return got;
  };
  EXPECT_EQ(s.run(outer(cx)).value(), 7);
}

}  // namespace
}  // namespace quiesce::testing
