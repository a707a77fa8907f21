// Stream<T, E>: pulling, ending, failing, dying. Driven by the Stepper.
#include "quiesce/stream.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/sync/event.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using Ints = std::vector<int>;

struct StreamTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
};

/// Notes when it dies, and whether that was a failure.
struct Probe {
  std::vector<std::string>* log;
  std::string name;
  Probe(std::vector<std::string>& where, std::string what) : log(&where), name(std::move(what)) {}
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() { log->push_back(name + (unwinding() ? " unwound" : " gone")); }
};

Stream<int> count(Cx cx, int from, int to) {
  for (int i = from; i < to; ++i) {
    co_await cx.yield();
    co_yield i;
  }
}

template <class T, class E>
Task<std::vector<T>> collect(Cx cx, Stream<T, E> stream) {
  std::vector<T> all;
  while (auto value = co_await stream.next(cx)) all.push_back(std::move(*value));
  co_return all;
}

// ---- pulling ----

TEST_F(StreamTest, GivesWhatItsGeneratorYieldsAndThenEnds) {
  EXPECT_EQ(s.run(collect(cx, count(cx, 0, 4))).value(), (Ints{0, 1, 2, 3}));
  EXPECT_EQ(s.run(collect(cx, count(cx, 0, 0))).value(), Ints{});
}

TEST_F(StreamTest, AnEndedStreamStaysEnded) {
  auto body = [this]() -> Task<int> {
    auto stream = count(cx, 0, 1);
    EXPECT_TRUE(static_cast<bool>(stream));
    EXPECT_EQ(co_await stream.next(cx), 0);
    EXPECT_EQ(co_await stream.next(cx), std::nullopt);
    EXPECT_FALSE(static_cast<bool>(stream));
    EXPECT_EQ(co_await stream.next(cx), std::nullopt);
    auto observed = co_await stream.next(cx).outcome();
    EXPECT_TRUE(observed.is_ok() && !observed.value());
    co_return 1;
  };
  EXPECT_EQ(s.run(body()).value(), 1);
}

TEST_F(StreamTest, NothingRunsUntilItIsPulledAndNoFurtherThanTheYield) {
  int reached = 0;
  auto steps = [&]() -> Stream<int> {
    reached = 1;
    co_yield 10;
    reached = 2;
    co_yield 20;
    reached = 3;
  };
  auto body = [&]() -> Task<> {
    auto stream = steps();
    EXPECT_EQ(reached, 0);
    EXPECT_EQ(co_await stream.next(cx), 10);
    EXPECT_EQ(reached, 1);
    EXPECT_EQ(co_await stream.next(cx), 20);
    EXPECT_EQ(reached, 2);
    EXPECT_EQ(co_await stream.next(cx), std::nullopt);
    EXPECT_EQ(reached, 3);
  };
  EXPECT_TRUE(s.run(body()).is_ok());
}

TEST_F(StreamTest, YieldsMoveOnlyValuesAndCopiesNamedOnes) {
  auto owners = []() -> Stream<std::unique_ptr<int>> {
    co_yield std::make_unique<int>(1);
    auto named = std::make_unique<int>(2);
    co_yield std::move(named);
    EXPECT_EQ(named, nullptr);
  };
  auto words = []() -> Stream<std::string> {
    const std::string kept = "kept, and long enough to need storage of its own";
    co_yield kept;
    EXPECT_EQ(kept, "kept, and long enough to need storage of its own");
    co_yield "a literal";
    co_yield std::string("a temporary that is long enough to need storage of its own");
  };
  auto body = [&]() -> Task<int> {
    auto stream = owners();
    int sum = 0;
    while (auto owned = co_await stream.next(cx)) sum += **owned;
    auto texts = words();
    while (auto text = co_await texts.next(cx)) sum += static_cast<int>(text->size() > 8 ? 10 : 0);
    co_return sum;
  };
  EXPECT_EQ(s.run(body()).value(), 33);
}

TEST_F(StreamTest, TwoNextsInOneExpressionEachGiveTheirOwn) {
  auto body = [this]() -> Task<int> {
    auto stream = count(cx, 1, 9);
    co_return (co_await stream.next(cx)).value_or(0) * 10 + (co_await stream.next(cx)).value_or(0);
  };
  const int both = s.run(body()).value();
  EXPECT_TRUE(both == 12 || both == 21) << both;
}

TEST_F(StreamTest, MovesBetweenPulls) {
  auto body = [this]() -> Task<int> {
    auto stream = count(cx, 1, 4);
    int sum = (co_await stream.next(cx)).value_or(0);
    auto moved = std::move(stream);
    sum += (co_await moved.next(cx)).value_or(0);
    stream = std::move(moved);
    sum += (co_await stream.next(cx)).value_or(0);
    co_return sum;
  };
  EXPECT_EQ(s.run(body()).value(), 6);
}

TEST_F(StreamTest, MayPassToAnotherTaskBetweenPulls) {
  auto stream = from_range(Ints{1, 2, 3});
  auto pull = [](Cx mine, Stream<int>* shared) -> Task<int> { co_return *co_await shared->next(mine); };
  for (int expected : {1, 2, 3}) {
    auto handle = scope.spawn(cx, pull, unsafe_send(&stream)).value();
    EXPECT_EQ(s.run(handle.join(cx)).value(), expected);
  }
}

TEST_F(StreamTest, AConsumerThatIsNeverShortOfValuesGivesWay) {
  auto endless = []() -> Stream<int> {
    for (int i = 0;; ++i) co_yield i;
  };
  auto consume = [endless](Cx mine) -> Task<> {
    auto stream = endless();
    while (auto value = co_await stream.next(mine)) EXPECT_GE(*value, 0);
  };
  auto handle = scope.spawn(cx, unsafe_send(consume)).value();
  EXPECT_EQ(s.step(handle.task_id()), StepResult::pending);
  EXPECT_EQ(s.step(handle.task_id()), StepResult::pending);
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
}

// ---- failing ----

Stream<int> one_then_fails() {
  co_yield 1;
  co_await fail(ErrorCode::User, "the second is missing");
  co_yield 2;
}

TEST_F(StreamTest, AnErrWithinEndsWhoeverPulls) {
  auto outcome = s.run(collect(cx, one_then_fails()));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().message(), "the second is missing");
}

TEST_F(StreamTest, OutcomeShowsTheFailureOnceAndTheStreamHasEnded) {
  auto body = [this]() -> Task<int> {
    auto stream = one_then_fails();
    auto first = co_await stream.next(cx).outcome();
    EXPECT_EQ(first.value(), 1);
    auto second = co_await stream.next(cx).outcome();
    EXPECT_TRUE(second.is_err());
    EXPECT_FALSE(static_cast<bool>(stream));
    auto third = co_await stream.next(cx);
    EXPECT_EQ(third, std::nullopt);
    co_return 1;
  };
  EXPECT_EQ(s.run(body()).value(), 1);
}

TEST_F(StreamTest, AFailureThatEndedAnAwaitedConsumerEndsTheStream) {
  auto body = [this]() -> Task<int> {
    auto stream = one_then_fails();
    auto drain = [this](Stream<int>& shared) -> Task<> {
      while (auto value = co_await shared.next(cx)) EXPECT_EQ(*value, 1);
    };
    auto task = drain(stream);
    auto drained = co_await std::move(task).outcome();
    EXPECT_TRUE(drained.is_err());
    EXPECT_FALSE(static_cast<bool>(stream));
    auto after = co_await stream.next(cx);
    EXPECT_EQ(after, std::nullopt);
    co_return 1;
  };
  EXPECT_EQ(s.run(body()).value(), 1);
}

TEST_F(StreamTest, AnExceptionWithinPanicsTheTask) {
  std::vector<std::string> log;
  auto throws = [&]() -> Stream<int> {
    const Probe local(log, "generator");
    co_yield 1;
    throw std::runtime_error("boom");
  };
  auto consume = [&]() -> Task<> {
    const Probe local(log, "consumer");
    auto stream = throws();
    while (auto value = co_await stream.next(cx)) EXPECT_EQ(*value, 1);
  };
  auto outcome = s.run(consume());
  ASSERT_TRUE(outcome.is_panicked());
  EXPECT_NE(outcome.panic().message().find("boom"), std::string::npos);
  EXPECT_EQ(log, (std::vector<std::string>{"generator unwound", "consumer unwound"}));
}

struct ThrowsWhenMoved {
  ThrowsWhenMoved() = default;
  ThrowsWhenMoved(ThrowsWhenMoved&&) { throw std::runtime_error("not to be moved"); }
};
TEST_F(StreamTest, AYieldedValueThatCannotBeMovedPanicsInItsGenerator) {
  bool caught = false;
  auto stubborn = [&]() -> Stream<ThrowsWhenMoved> {
    try {
      co_yield ThrowsWhenMoved();
    } catch (const std::runtime_error&) { caught = true; }
  };
  auto body = [&]() -> Task<bool> {
    auto stream = stubborn();
    auto value = co_await stream.next(cx).outcome();
    co_return value.is_ok() && !value.value().has_value();
  };
  EXPECT_TRUE(s.run(body()).value());
  EXPECT_TRUE(caught);
}

struct OwnError {
  std::string text;
  OwnError(Error error) : text("library: " + error.message()) {}  // NOLINT
  explicit OwnError(std::string t) : text(std::move(t)) {}
  explicit operator Error() const { return Error(ErrorCode::User, text); }
};
TEST_F(StreamTest, HasAnErrorTypeOfItsOwn) {
  auto own = []() -> Stream<int, OwnError> {
    co_yield 1;
    co_await fail(OwnError("mine"));
  };
  auto body = [&]() -> Task<int, OwnError> {
    auto stream = own();
    int sum = 0;
    while (auto value = co_await stream.next(cx)) sum += *value;
    co_return sum;
  };
  EXPECT_EQ(s.run(body()).error().text, "mine");
}

TEST_F(StreamTest, CancelledWithinWithoutARequestIsAnErrForWhoeverPulls) {
  auto stops = []() -> Stream<int> {
    co_await cancelled(CancelReason::user("enough"));
    co_yield 1;
  };
  auto outcome = s.run(collect(cx, stops()));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().code(), ErrorCode::ChildCancelled);
}

// ---- dying ----

TEST_F(StreamTest, AStreamDroppedBetweenPullsRunsItsDestructors) {
  std::vector<std::string> log;
  auto steps = [&](std::shared_ptr<int>) -> Stream<int> {
    const Probe outer(log, "outer");
    {
      const Probe inner(log, "inner");
      co_yield 1;
    }
    co_yield 2;
  };
  auto argument = std::make_shared<int>(0);
  auto body = [&]() -> Task<> {
    {
      auto stream = steps(argument);
      EXPECT_EQ(co_await stream.next(cx), 1);
      EXPECT_TRUE(log.empty());
    }
    EXPECT_EQ(log, (std::vector<std::string>{"inner gone", "outer gone"}));
    EXPECT_EQ(argument.use_count(), 1);
    { auto never_pulled = steps(argument); }
    EXPECT_EQ(argument.use_count(), 1);
  };
  EXPECT_TRUE(s.run(body()).is_ok());
}

TEST_F(StreamTest, ACancelledWaitWithinUnwindsTheGeneratorBeforeWhoeverPulls) {
  std::vector<std::string> log;
  Event never("never");
  auto waits = [&](Cx mine) -> Stream<int> {
    const Probe local(log, "generator");
    co_yield 1;
    co_await never.wait(mine);
    co_yield 2;
  };
  auto consume = [&](Cx mine) -> Task<> {
    const Probe local(log, "consumer");
    auto stream = waits(mine);
    while (auto value = co_await stream.next(mine)) EXPECT_EQ(*value, 1);
  };
  auto handle = scope.spawn(cx, unsafe_send(consume)).value();
  s.run_until_idle();
  EXPECT_EQ(never.statistics().waiters, 1u);
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
  EXPECT_EQ(log, (std::vector<std::string>{"generator unwound", "consumer unwound"}));
  EXPECT_EQ(never.statistics().waiters, 0u);
}

TEST_F(StreamTest, NextIsACancelPointThatLeavesTheStreamAsItWas) {
  auto consume = [](Cx mine) -> Task<int> {
    auto stream = from_range(Ints{7, 8});
    EXPECT_EQ(co_await stream.next(mine), 7);
    (void)co_await mine.sleep(1h).outcome();  // the request comes here
    auto refused = co_await stream.next(mine).outcome();
    EXPECT_TRUE(refused.is_cancelled());
    const MaskGuard masked = mine.mask();
    co_return *co_await stream.next(mine);
  };
  auto handle = scope.spawn(cx, consume).value();
  s.run_until_idle();
  handle.abort();
  EXPECT_EQ(s.run(handle.join(cx)).value(), 8);
}

TEST_F(StreamTest, CancelledBeforeItsFirstPullRunsNothing) {
  bool ran = false;
  auto consume = [&](Cx mine) -> Task<> {
    auto notes = [&]() -> Stream<int> {
      ran = true;
      co_yield 1;
    };
    auto stream = notes();
    while (auto value = co_await stream.next(mine)) EXPECT_EQ(*value, 1);
  };
  auto handle = scope.spawn(cx, unsafe_send(consume)).value();
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
  EXPECT_FALSE(ran);
}

struct Unruly {
  ~Unruly() noexcept(false) { throw std::runtime_error("from a destructor"); }
};
TEST_F(StreamTest, ADestructorThatThrowsWhileAStreamIsDroppedPanicsTheTask) {
  auto unruly = []() -> Stream<int> {
    const Unruly local;
    co_yield 1;
  };
  auto consume = [&](Cx mine) -> Task<int> {
    {
      auto stream = unruly();
      EXPECT_EQ(co_await stream.next(mine), 1);
    }
    co_await mine.yield();
    co_return 1;
  };
  auto handle = scope.spawn(cx, unsafe_send(consume)).value();
  auto outcome = s.run(handle.join(cx));
  EXPECT_TRUE(outcome.is_panicked());
}

// ---- regions within ----

TEST_F(StreamTest, AGeneratorMayOpenARegionThatClosesBeforeItIsUnwound) {
  std::vector<std::string> log;
  auto regions = [&](Cx mine) -> Stream<int> {
    const Probe local(log, "generator");
    co_yield 1;
    auto body = [&](Cx inner, Scope<>&) -> Task<> {
      const Probe inside(log, "region");
      co_await inner.sleep(1h);
    };
    auto inside = region(mine, FailFast(), body);
    co_await std::move(inside);
  };
  auto consume = [&](Cx mine) -> Task<> {
    auto stream = regions(mine);
    while (auto value = co_await stream.next(mine)) EXPECT_EQ(*value, 1);
  };
  auto handle = scope.spawn(cx, unsafe_send(consume)).value();
  s.run_until_idle();
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
  EXPECT_EQ(log, (std::vector<std::string>{"region unwound", "generator unwound"}));
}

// ---- misuse ----

TEST_F(StreamTest, AMovedFromStreamSaysSo) {
  auto body = [this]() -> Task<> {
    auto stream = count(cx, 0, 3);
    auto other = std::move(stream);
    auto refused = co_await stream.next(cx).outcome();
    EXPECT_EQ(refused.error().code(), ErrorCode::EmptyTask);
    EXPECT_EQ(refused.error().message(),
              "next of a stream that was moved from: pull the one that it was moved to");
    co_await stream.next(cx);
  };
  EXPECT_EQ(s.run(body()).error().code(), ErrorCode::EmptyTask);
}

TEST_F(StreamTest, AStreamThatPullsItselfIsRefused) {
  auto body = [this]() -> Task<> {
    std::optional<Stream<int>> stream;
    auto snake = [&]() -> Stream<int> {
      auto own = co_await stream->next(cx).outcome();
      EXPECT_EQ(own.error().code(), ErrorCode::InvalidArgument);
      EXPECT_NE(own.error().message().find("is being pulled already"), std::string::npos);
      co_yield 5;
    };
    stream.emplace(snake());
    EXPECT_EQ(co_await stream->next(cx), 5);
  };
  EXPECT_TRUE(s.run(body()).is_ok());
}

TEST_F(StreamTest, AnotherTasksContextIsRefused) {
  auto pull = [](Cx, Cx other) -> Task<> {
    auto stream = from_range(Ints{1});
    co_await stream.next(other);
  };
  auto handle = scope.spawn(cx, pull, cx).value();
  EXPECT_EQ(s.run(handle.join(cx)).error().code(), ErrorCode::ForeignContext);
}

// ---- nesting ----

Stream<int> nested(Cx cx, int depth, char** deepest) {
  char here = 0;
  if (depth == 0) {
    *deepest = &here;
    for (int i = 0; i < 3; ++i) {
      co_await cx.yield();
      co_yield i;
    }
    co_return;
  }
  auto inner = nested(cx, depth - 1, deepest);
  while (auto value = co_await inner.next(cx)) co_yield *value + 1;
}

[[gnu::noinline]] std::uintptr_t stack_here() {
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

TEST_F(StreamTest, AThousandNestedStreamsArePulledWithoutStack) {
  char* deepest = nullptr;
  EXPECT_EQ(s.run(collect(cx, nested(cx, 1000, &deepest))).value(), (Ints{1000, 1001, 1002}));
}

Stream<std::uintptr_t> nested_stacks(int depth) {
  if (depth == 0) {
    co_yield stack_here();
    co_return;
  }
  auto inner = nested_stacks(depth - 1);
  while (auto value = co_await inner.detail_next()) co_yield *value;
}
TEST_F(StreamTest, TheDepthOfAStreamIsNotOnTheStack) {
  auto at = [this](int depth) -> Task<std::uintptr_t> {
    auto stream = nested_stacks(depth);
    auto first = co_await stream.next(cx);
    co_return *first;
  };
  const std::uintptr_t shallow = s.run(at(1)).value(), deep = s.run(at(1000)).value();
  EXPECT_LT(std::max(shallow, deep) - std::min(shallow, deep), 4096u);
}

TEST_F(StreamTest, AThousandNestedStreamsUnwindFromTheInnermost) {
  std::vector<int> order;
  struct Note {
    std::vector<int>* order;
    int depth;
    Note(std::vector<int>* o, int d) : order(o), depth(d) {}
    ~Note() { order->push_back(depth); }
  };
  auto chain = [&](auto& self, Cx mine, int depth) -> Stream<int> {
    const Note note(&order, depth);
    if (depth == 0) {
      co_await mine.sleep(1h);
      co_return;
    }
    auto inner = self(self, mine, depth - 1);
    while (auto value = co_await inner.next(mine)) co_yield *value;
  };
  auto consume = [&](Cx mine) -> Task<> {
    auto stream = chain(chain, mine, 1000);
    while (auto value = co_await stream.next(mine)) EXPECT_EQ(*value, 0);
  };
  auto handle = scope.spawn(cx, unsafe_send(consume)).value();
  s.run_until_idle();
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
  ASSERT_EQ(order.size(), 1001u);
  for (int i = 0; i <= 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// ---- combinators and sources ----

TEST_F(StreamTest, MapFilterSkipTakeInOneLine) {
  auto numbers = count(cx, 0, 100)
                     .filter([](const int& x) { return x % 2 == 0; })
                     .skip(2)
                     .map([](int x) { return std::to_string(x); })
                     .take(3);
  EXPECT_EQ(s.run(collect(cx, std::move(numbers))).value(), (std::vector<std::string>{"4", "6", "8"}));
}

TEST_F(StreamTest, FunctionsMayBeTasks) {
  auto body = [this]() -> Task<int> {
    auto later = [this](int x) -> Task<int> {
      co_await cx.yield();
      co_return x * 10;
    };
    auto odd = [this](const int& x) -> Task<bool> {
      co_await cx.yield();
      co_return x % 2 != 0;
    };
    auto add = [this](int a, int b) -> Task<int> {
      co_await cx.yield();
      co_return a + b;
    };
    auto sum = count(cx, 0, 6).filter(odd).map(later).fold(cx, 0, add);
    co_return co_await std::move(sum);
  };
  EXPECT_EQ(s.run(body()).value(), 90);
}

TEST_F(StreamTest, TakePullsNoMoreThanItGives) {
  int pulled = 0;
  auto counts = [&]() -> Stream<int> {
    for (;;) co_yield ++pulled;
  };
  EXPECT_EQ(s.run(collect(cx, counts().take(3))).value(), (Ints{1, 2, 3}));
  EXPECT_EQ(pulled, 3);
  EXPECT_EQ(s.run(collect(cx, counts().take(0))).value(), Ints{});
  EXPECT_EQ(pulled, 3);
}

TEST_F(StreamTest, ChunksAreFullButForTheLast) {
  auto chunks = s.run(collect(cx, count(cx, 0, 5).chunks(2))).value();
  EXPECT_EQ(chunks, (std::vector<Ints>{{0, 1}, {2, 3}, {4}}));
  EXPECT_EQ(s.run(collect(cx, count(cx, 0, 4).chunks(2))).value().size(), 2u);
  auto none = s.run(collect(cx, count(cx, 0, 4).chunks(0)));
  ASSERT_TRUE(none.is_err());
  EXPECT_EQ(none.error().message(), "Stream::chunks(0): a chunk has one element at least");
}

TEST_F(StreamTest, ZipEndsWithTheShorter) {
  auto pairs = s.run(collect(cx, zip(count(cx, 0, 5), from_range(std::vector<std::string>{"a", "b"})))).value();
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[1], (std::pair<int, std::string>(1, "b")));
}

TEST_F(StreamTest, FoldAndForEach) {
  auto body = [this]() -> Task<int> {
    int seen = 0;
    co_await count(cx, 0, 4).for_each(cx, [&](int x) { seen = seen * 10 + x; });
    co_return co_await count(cx, 0, 4).fold(cx, seen, [](int a, int b) { return a + b; });
  };
  EXPECT_EQ(s.run(body()).value(), 123 + 6);
}

TEST_F(StreamTest, FromRangeOwnsMoveOnlyElements) {
  std::vector<std::unique_ptr<int>> owners;
  owners.push_back(std::make_unique<int>(3));
  owners.push_back(std::make_unique<int>(4));
  auto all = s.run(collect(cx, from_range(std::move(owners)))).value();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(*all[0] + *all[1], 7);
}

/// Gives 0, 1, 2 and then no more.
struct Countdown {
  int given = 0;
  Task<std::optional<int>> recv(Cx cx) {
    co_await cx.yield();
    co_return given < 3 ? std::optional(given++) : std::nullopt;
  }
};
TEST_F(StreamTest, FromReceiverGivesWhatIsReceived) {
  EXPECT_EQ(s.run(collect(cx, from_receiver(Countdown()))).value(), (Ints{0, 1, 2}));
}

TEST_F(StreamTest, TicksKeepTheirPhaseAndLeaveOutWhatWasMissed) {
  auto body = [this]() -> Task<std::vector<std::int64_t>> {
    auto stream = ticks(cx, 10ns);
    std::vector<std::int64_t> at;
    const Time start = cx.now();
    for (Duration busy : {0ns, 3ns, 25ns, 0ns}) {
      at.push_back((*co_await stream.next(cx) - start).count());
      co_await cx.sleep(busy);
    }
    at.push_back((*co_await stream.next(cx) - start).count());
    co_return at;
  };
  // After the third, at 30, it is busy until 55: of 40 and 50 the latest is given at once.
  EXPECT_EQ(s.run(body()).value(), (std::vector<std::int64_t>{10, 20, 30, 50, 60}));
  auto none = s.run(collect(cx, ticks(cx, 0ns)));
  ASSERT_TRUE(none.is_err());
  EXPECT_EQ(none.error().message(), "ticks: the period must be longer than nothing");
}

TEST_F(StreamTest, AFailureGoesThroughEveryCombinator) {
  auto through =
      one_then_fails().map([](int x) { return x; }).filter([](const int&) { return true; }).skip(0).take(9);
  auto outcome = s.run(collect(cx, std::move(through).chunks(1)));
  ASSERT_TRUE(outcome.is_err());
  EXPECT_EQ(outcome.error().message(), "the second is missing");
}

}  // namespace
}  // namespace quiesce::testing
