// A million nested awaits and ten million in a row, in constant stack.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

constexpr int chain_depth = 1'000'000;
constexpr int loop_awaits = 10'000'000;
constexpr std::uintptr_t stack_bytes_max =
    64 * 1024;  // a byte for every fifteenth frame: whatever recurses is over it

/// The part of the stack that was seen in use. Only one worker runs, and only while block_on waits.
class StackWatch {
 public:
  static void reset() { low_ = UINTPTR_MAX, high_ = 0; }
  [[gnu::noinline]] static void note() {
    auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    low_ = std::min(low_, here);
    high_ = std::max(high_, here);
  }
  static std::uintptr_t used() { return high_ - low_; }

 private:
  static inline std::uintptr_t low_ = UINTPTR_MAX, high_ = 0;
};

/// In every frame: counts, and looks at the stack when it is made and when it is destroyed.
class Link {
 public:
  static inline int alive = 0;
  Link() {
    ++alive;
    StackWatch::note();
  }
  ~Link() {
    --alive;
    StackWatch::note();
  }
};

q::Task<int> chain(const At* at, int depth) {
  Link link;
  if (depth == 0) {
    co_await ending(*at);
    co_return 0;
  }
  int below = co_await chain(at, depth - 1);
  co_return below + 1;
}

template <class Body>
auto run(Body& body) {
  StackWatch::reset();
  Link::alive = 0;
  q::Runtime runtime = q::Runtime::builder().workers(1).build();
  return runtime.block_on(body);
}

class Depth : public testing::TestWithParam<Ending> {};

TEST_P(Depth, O4_a_million_nested_awaits_take_constant_stack) {
  int alive_at_handler = -1;
  q::OutcomeKind kind = q::OutcomeKind::Ok;
  int value = -1;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    At at{cx, scope, GetParam()};
    auto task = chain(&at, chain_depth);
    auto outcome = co_await std::move(task).outcome();
    alive_at_handler = Link::alive;
    kind = outcome.kind();
    if (outcome.is_ok()) value = outcome.value();
  };
  (void)run(body);
  EXPECT_EQ(alive_at_handler, 0);
  EXPECT_LT(StackWatch::used(), stack_bytes_max);
  switch (GetParam().how) {
    case How::Ok:
      EXPECT_EQ(kind, q::OutcomeKind::Ok);
      EXPECT_EQ(value, chain_depth);
      break;
    case How::Cancelled: EXPECT_EQ(kind, q::OutcomeKind::Cancelled); break;
    case How::Exception: EXPECT_EQ(kind, q::OutcomeKind::Panicked); break;
    case How::Err:
    case How::Unasked: EXPECT_EQ(kind, q::OutcomeKind::Err); break;
  }
}
INSTANTIATE_TEST_SUITE_P(Endings, Depth,
                         testing::Values(Ending{How::Ok, false}, Ending{How::Ok, true}, Ending{How::Err, false},
                                         Ending{How::Err, true}, Ending{How::Cancelled, false},
                                         Ending{How::Cancelled, true}, Ending{How::Unasked, false},
                                         Ending{How::Exception, false}),
                         [](const auto& each) { return to_string(each.param); });

TEST(DepthOfADestroyedChain, a_chain_that_waits_is_unwound_from_its_leaf) {
  bool unwound = false;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    At at{cx, scope, Ending{}};
    auto sleeper = [&at](q::Cx mine) -> q::Task<int> {
      struct Inner {
        static q::Task<int> down(q::Cx c, const At* a, int depth) {
          Link link;
          if (depth == 0) co_await c.sleep(std::chrono::hours(1));
          if (depth > 0) co_await down(c, a, depth - 1);
          co_return 0;
        }
      };
      return Inner::down(mine, &at, chain_depth);
    };
    auto handle = co_await scope.spawn_local(cx, sleeper);
    while (Link::alive <= chain_depth) co_await cx.yield();
    handle.abort();
    auto outcome = co_await handle.join(cx).outcome();
    unwound = outcome.is_cancelled() && Link::alive == 0;
  };
  EXPECT_TRUE(run(body).is_ok());
  EXPECT_TRUE(unwound);
  EXPECT_LT(StackWatch::used(), stack_bytes_max);
}

q::Task<int> at_once(int value) {
  StackWatch::note();
  co_return value;
}
q::Task<int> fails_at_once(int value) {
  StackWatch::note();
  if (value > 0) co_await q::fail(the_error());
  co_return value;
}

TEST(Loops, ten_million_awaits_of_children_that_end_at_once_take_constant_stack) {
  auto body = [&](q::Cx, q::Scope<>&) -> q::Task<long> {
    long sum = 0;
    for (int i = 0; i < loop_awaits; ++i) sum += co_await at_once(i & 1);
    co_return sum;
  };
  EXPECT_EQ(run(body).value(), loop_awaits / 2);
  EXPECT_LT(StackWatch::used(), stack_bytes_max);
}

TEST(Loops, a_million_observed_failures_take_constant_stack) {
  auto body = [&](q::Cx, q::Scope<>&) -> q::Task<long> {
    long failures = 0;
    for (int i = 0; i < 1'000'000; ++i) failures += (co_await fails_at_once(i & 1).outcome()).is_err();
    co_return failures;
  };
  EXPECT_EQ(run(body).value(), 500'000);
  EXPECT_LT(StackWatch::used(), stack_bytes_max);
}

TEST(Loops, a_hundred_thousand_foreign_awaits_that_resume_inline_take_constant_stack) {
  struct Inline {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
    void await_resume() const noexcept { StackWatch::note(); }
  };
  auto body = [&](q::Cx, q::Scope<>&) -> q::Task<long> {
    long count = 0;
    for (int i = 0; i < 100'000; ++i, ++count) co_await Inline();
    co_return count;
  };
  EXPECT_EQ(run(body).value(), 100'000);
  EXPECT_LT(StackWatch::used(), stack_bytes_max);
}

}  // namespace
}  // namespace forms
