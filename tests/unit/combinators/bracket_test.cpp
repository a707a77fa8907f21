#include "quiesce/combinators/bracket.hpp"

#include <gtest/gtest.h>

#include "unit/combinators/branches.hpp"

namespace quiesce::combinator_tests {
namespace {

struct Resource {
  int number;
  explicit Resource(int n) : number(n) {}
  Resource(Resource&&) = default;
  Resource& operator=(Resource&&) = default;
};

/// A bracket whose parts end as they are told, and who came when.
struct Bracketing : Branches {
  std::vector<std::string> lines;
  End acquired = End::Ok, used = End::Ok, released = End::Ok;
  Duration releasing = Duration::zero();

  Task<int> start(Cx own) {
    auto acquire = [this](Cx mine) -> Task<Resource> {
      lines.push_back("acquire");
      co_await mine.sleep(1ms);
      (void)co_await branch(mine, Duration::zero(), acquired, 1);
      co_return Resource(5);
    };
    auto use = [this](Cx mine, Resource& resource) -> Task<int> {
      lines.push_back("use");
      co_await mine.sleep(1ms);
      (void)co_await branch(mine, Duration::zero(), used, 2);
      co_return resource.number;
    };
    auto release = [this](Cx mine, Resource& resource) -> Task<> {
      lines.push_back("release " + std::to_string(resource.number));
      co_await mine.sleep(releasing);
      (void)co_await branch(mine, Duration::zero(), released, 3);
      lines.push_back("released");
    };
    co_return co_await bracket(own, acquire, use, release);
  }
  Outcome<int> go() { return run(start(cx)); }
};
using Lines = std::vector<std::string>;
const Lines all{"acquire", "use", "release 5", "released"};

TEST(Bracket, ReleasesAfterUseHoweverThatEnded) {
  const std::pair<End, std::string> ends[] = {
      {End::Ok, "ok"}, {End::Err, "err 2"}, {End::Cancel, "cancel 2"}, {End::Panic, "panic 2"}};
  for (const auto& [end, text] : ends) {
    Bracketing b;
    b.used = end;
    EXPECT_NE(describe(b.go()).find(text), std::string::npos);
    EXPECT_EQ(b.lines, all);
  }
  Bracketing b;
  EXPECT_EQ(b.go().value(), 5);
}

TEST(Bracket, WithoutAResourceThereIsNothingToRelease) {
  Bracketing b;
  b.acquired = End::Err;
  EXPECT_EQ(describe(b.go()), "err 1");
  EXPECT_EQ(b.lines, (Lines{"acquire"}));
}

TEST(Bracket, CancelledInAcquireNothingIsReleased) {
  Bracketing b;
  auto body = [&b](Cx cx) { return b.start(cx); };
  auto running = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  running.abort();
  EXPECT_TRUE(b.stepper.run(running.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.lines, (Lines{"acquire"}));
  auto early = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  early.abort();
  EXPECT_TRUE(b.stepper.run(early.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.lines, (Lines{"acquire"}));
}

TEST(Bracket, CancelledInUseItReleasesMaskedBeforeItEnds) {
  Bracketing b;
  b.releasing = 7ms;
  auto body = [&b](Cx cx) { return b.start(cx); };
  auto running = b.scope.spawn(b.cx, UnsafeSend(body)).value();
  b.stepper.run_until_idle();
  b.stepper.advance(1ms);
  b.stepper.run_until_idle();
  running.abort();
  EXPECT_TRUE(b.stepper.run(running.join(b.cx)).is_cancelled());
  EXPECT_EQ(b.lines, all);
  EXPECT_EQ(b.since_start(), 8ms);
}

TEST(Bracket, AFailureOfReleaseIsAddedTheWorseStands) {
  Bracketing b;
  b.released = End::Err;
  EXPECT_EQ(describe(b.go()), "err 3");
  Bracketing both;
  both.used = End::Panic;
  both.released = End::Err;
  const Outcome<int> o = both.go();
  EXPECT_EQ(describe(o), "panic 2");
  EXPECT_EQ(o.attached().size(), 1u);
}

TEST(Bracket, WhatUseHasSpawnedHasEndedBeforeTheRelease) {
  Branches b;
  Lines lines;
  auto late = [&lines](Cx cx) -> Task<> {
    (void)co_await cx.sleep(20ms).outcome();
    lines.push_back("child");
  };
  auto acquire = [](Cx) -> Task<Resource> { co_return Resource(1); };
  auto use = [&](Cx cx, Scope<>& scope, Resource&) -> Task<> {
    co_await scope.launch(cx, UnsafeSend(late));
    lines.push_back("used");
  };
  auto release = [&](Cx, Resource&) -> Task<> {
    lines.push_back("release");
    co_return;
  };
  EXPECT_TRUE(b.run(bracket(b.cx, acquire, use, release)).is_ok());
  EXPECT_EQ(lines, (Lines{"used", "child", "release"}));
}

TEST(Bracket, AReleaseWhoseFunctionThrowsIsAPanic) {
  Branches b;
  auto acquire = [](Cx) -> Task<Resource> { co_return Resource(1); };
  auto use = [](Cx, Resource&) -> Task<int> { co_return 4; };
  auto release = [](Cx, Resource&) -> Task<> { throw std::runtime_error("panic no coroutine"); };
  EXPECT_TRUE(b.run(bracket(b.cx, acquire, use, release)).is_panicked());
}

}  // namespace
}  // namespace quiesce::combinator_tests
