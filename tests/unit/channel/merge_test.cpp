// merge and buffered: several tasks behind one stream. Driven by the Stepper.
#include "quiesce/merge.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "quiesce/buffered.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using Ints = std::vector<int>;

struct MergeTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);

  /// As a task of its own.
  template <class Body>
  auto run(Body& body) {
    auto handle = scope.spawn(cx, unsafe_send(body)).value();
    return s.run(handle.join(cx));
  }
};

Stream<int> paced(Cx cx, int from, int to, Duration pause) {
  for (int i = from; i < to; ++i) {
    co_await cx.sleep(pause);
    co_yield i;
  }
}

auto paced_source(int from, int to, Duration pause) {
  return [=](Cx cx) { return paced(cx, from, to, pause); };
}

/// Braces in an awaited expression are beyond g++ 12.
template <class... Is>
Stream<int> given(Is... values) {
  return from_range(Ints{values...});
}

auto collecting = [](Cx cx, Stream<int>& values) -> Task<Ints> {
  Ints all;
  while (auto value = co_await values.next(cx)) all.push_back(*value);
  co_return all;
};

TEST_F(MergeTest, GivesTheValuesOfAllAsTheyCome) {
  auto body = [](Cx mine) -> Task<Ints> {
    auto from = sources(paced_source(0, 3, 10ns), paced_source(10, 12, 16ns));
    co_return co_await merge(mine, std::move(from), collecting);
  };
  EXPECT_EQ(run(body).value(), (Ints{0, 10, 1, 2, 11}));
}

TEST_F(MergeTest, TakesStreamsThatUseNoContext) {
  auto body = [](Cx mine) -> Task<Ints> {
    std::vector<Stream<int>> streams;
    streams.push_back(given(1, 2));
    streams.push_back(given(3));
    Ints all = co_await merge(mine, std::move(streams), collecting);
    std::sort(all.begin(), all.end());
    co_return all;
  };
  EXPECT_EQ(run(body).value(), (Ints{1, 2, 3}));
}

TEST_F(MergeTest, OfNothingEndsAtOnce) {
  auto body = [](Cx mine) -> Task<Ints> {
    co_return co_await merge(mine, std::vector<Stream<int>>(), collecting);
  };
  EXPECT_EQ(run(body).value(), Ints{});
}

TEST_F(MergeTest, AFullBufferMakesTheSourcesWait) {
  int made = 0;
  auto body = [&](Cx mine) -> Task<int> {
    auto counts = [&](Cx) -> Stream<int> {
      while (made < 100) co_yield ++made;
    };
    auto slow = [&](Cx inner, Stream<int>& values) -> Task<int> {
      EXPECT_EQ(co_await values.next(inner), 1);
      co_await inner.sleep(1s);
      co_return made;
    };
    co_return co_await merge(mine, sources(counts), slow, 2);
  };
  EXPECT_LE(run(body).value(), 5);
  EXPECT_LE(made, 5);
}

TEST_F(MergeTest, WhenTheConsumerHasEndedTheSourcesAreDrained) {
  int gone = 0;
  struct Gone {
    int* count;
    explicit Gone(int* c) : count(c) {}
    ~Gone() { ++*count; }
  };
  auto body = [&](Cx mine) -> Task<int> {
    auto endless = [&](Cx inner) -> Stream<int> {
      const Gone local(&gone);
      for (int i = 0;; ++i) {
        co_await inner.sleep(1ns);
        co_yield i;
      }
    };
    auto first = [](Cx inner, Stream<int>& values) -> Task<int> { co_return *co_await values.next(inner) + 1; };
    const int result = co_await merge(mine, sources(endless, endless, endless), first);
    EXPECT_EQ(gone, 3);
    co_return result;
  };
  EXPECT_EQ(run(body).value(), 1);
}

TEST_F(MergeTest, AFailureComesBehindTheValuesOfItsSource) {
  auto fails = [](Cx inner) -> Stream<int> {
    co_yield 1;
    co_yield 2;
    co_await inner.yield();
    co_await fail(ErrorCode::User, "no third");
  };
  auto body = [&](Cx mine) -> Task<Ints> {
    auto observe = [](Cx inner, Stream<int>& values) -> Task<Ints> {
      Ints seen;
      for (;;) {
        auto next = co_await values.next(inner).outcome();
        if (next.is_err()) {
          EXPECT_EQ(next.error().message(), "no third");
          seen.push_back(-1);
          co_return seen;
        }
        if (!next.value()) co_return seen;
        seen.push_back(*next.value());
      }
    };
    co_return co_await merge(mine, sources(fails), observe);
  };
  EXPECT_EQ(run(body).value(), (Ints{1, 2, -1}));
  auto unobserved = [&](Cx mine) -> Task<Ints> { co_return co_await merge(mine, sources(fails), collecting); };
  EXPECT_EQ(run(unobserved).error().message(), "no third");
}

TEST_F(MergeTest, AFailureThatNobodyHasPulledIsNobodys) {
  auto body = [](Cx mine) -> Task<int> {
    auto fails = [](Cx) -> Stream<int> {
      co_yield 1;
      co_await fail(ErrorCode::User, "unseen");
    };
    auto first = [](Cx inner, Stream<int>& values) -> Task<int> {
      auto value = co_await values.next(inner);
      co_await inner.sleep(1ms);
      co_return *value;
    };
    co_return co_await merge(mine, sources(fails), first);
  };
  EXPECT_EQ(run(body).value(), 1);
}

TEST_F(MergeTest, APanicOfASourceIsTheOutcome) {
  auto body = [](Cx mine) -> Task<int> {
    auto throws = [](Cx) -> Stream<int> {
      co_yield 1;
      throw std::runtime_error("boom");
    };
    auto waits = [](Cx inner, Stream<int>& values) -> Task<int> {
      auto value = co_await values.next(inner);
      co_await inner.sleep(1h);
      co_return *value;
    };
    co_return co_await merge(mine, sources(throws), waits);
  };
  EXPECT_TRUE(run(body).is_panicked());
}

TEST_F(MergeTest, TheConsumersFailureIsTheOutcome) {
  auto body = [](Cx mine) -> Task<> {
    auto refuses = [](Cx inner, Stream<int>& values) -> Task<> {
      (void)co_await values.next(inner);
      co_await fail(ErrorCode::User, "not this one");
    };
    co_await merge(mine, sources(paced_source(0, 1000, 1ns)), refuses);
  };
  EXPECT_EQ(run(body).error().message(), "not this one");
}

TEST_F(MergeTest, ARequestEndsAllOfIt) {
  auto body = [](Cx mine) -> Task<> {
    auto sink = [](Cx inner, Stream<int>& values) -> Task<> {
      while (auto value = co_await values.next(inner)) EXPECT_GE(*value, 0);
    };
    co_await merge(mine, sources(paced_source(0, 1000, 1h), paced_source(0, 1000, 1h)), sink);
  };
  auto handle = scope.spawn(cx, unsafe_send(body)).value();
  s.run_until_idle();
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
}

// ---- buffered ----

struct Load {
  std::atomic<int> running = 0, most = 0, started = 0, ended = 0;
};
struct Running {
  Load* load;
  explicit Running(Load* l) : load(l) {
    ++load->started;
    load->most = std::max(load->most.load(), ++load->running);
  }
  ~Running() {
    --load->running;
    ++load->ended;
  }
};

struct BufferedTest : MergeTest {
  Load load;
  auto slower_first() {
    return unsafe_send([load = &load](Cx mine, int x) -> Task<int> {
      const Running running(load);
      co_await mine.sleep(Duration(100 - x));  // the first takes longest
      co_return x* x;
    });
  }
};

TEST_F(BufferedTest, RunsSoManyAtATimeAndGivesTheResultsInOrder) {
  for (std::uint32_t n : {1u, 2u, 3u, 20u}) {
    load.most = 0;
    auto body = [&](Cx mine) -> Task<Ints> {
      auto squares = slower_first();
      co_return co_await buffered(mine, given(0, 1, 2, 3, 4, 5, 6), n, squares, collecting);
    };
    EXPECT_EQ(run(body).value(), (Ints{0, 1, 4, 9, 16, 25, 36}));
    EXPECT_EQ(load.most, static_cast<int>(std::min(n, 7u)));
  }
  auto none = [&](Cx mine) -> Task<Ints> {
    auto squares = slower_first();
    co_return co_await buffered(mine, given(0), 0, squares, collecting);
  };
  EXPECT_EQ(run(none).error().message(), "buffered: at least one task must be allowed to run at a time");
}

TEST_F(BufferedTest, GivesAResultWhileItsSourceIsSlow) {
  auto body = [&](Cx mine) -> Task<std::int64_t> {
    auto squares = slower_first();
    auto first = [start = mine.now()](Cx inner, Stream<int>& values) -> Task<std::int64_t> {
      (void)co_await values.next(inner);
      co_return (inner.now() - start).count();
    };
    co_return co_await buffered(mine, paced_source(0, 5, 1000ns), 3, squares, first);
  };
  EXPECT_EQ(run(body).value(), 1100);
}

TEST_F(BufferedTest, AFailureComesInItsPlace) {
  auto body = [](Cx mine) -> Task<Ints> {
    auto odd_ones = [](Cx inner, int x) -> Task<int> {
      co_await inner.yield();
      if (x % 2 == 0) co_await fail(ErrorCode::User, "even: " + std::to_string(x));
      co_return x;
    };
    auto observe = [](Cx inner, Stream<int>& values) -> Task<Ints> {
      Ints seen;
      for (;;) {
        auto next = co_await values.next(inner).outcome();
        if (next.is_err()) {
          EXPECT_EQ(next.error().message(), "even: 4");
          co_return seen;
        }
        seen.push_back(next.value().value());
      }
    };
    co_return co_await buffered(mine, given(1, 3, 5, 4, 7, 6), 4, odd_ones, observe);
  };
  EXPECT_EQ(run(body).value(), (Ints{1, 3, 5}));
}

TEST_F(BufferedTest, WhenTheConsumerHasEndedTheTasksAreDrained) {
  auto body = [&](Cx mine) -> Task<int> {
    auto squares = slower_first();
    auto first = [](Cx inner, Stream<int>& values) -> Task<int> { co_return *co_await values.next(inner); };
    const int value = co_await buffered(mine, given(9, 8, 7, 6, 5, 4, 3, 2), 4, squares, first);
    EXPECT_EQ(load.started, load.ended);
    co_return value;
  };
  EXPECT_EQ(run(body).value(), 81);
}

TEST_F(BufferedTest, ARequestEndsAllOfIt) {
  auto body = [&](Cx mine) -> Task<Ints> {
    auto long_ones = unsafe_send([this](Cx inner, int x) -> Task<int> {
      const Running running(&load);
      co_await inner.sleep(1h);
      co_return x;
    });
    co_return co_await buffered(mine, given(1, 2, 3, 4), 2, long_ones, collecting);
  };
  auto handle = scope.spawn(cx, unsafe_send(body)).value();
  s.run_until_idle();
  EXPECT_EQ(load.running, 2);
  handle.abort();
  EXPECT_TRUE(s.run(handle.join(cx)).is_cancelled());
  EXPECT_EQ(load.running, 0);
  EXPECT_EQ(load.started, 2);
}

TEST_F(BufferedTest, APanicOfATaskIsTheOutcome) {
  auto body = [](Cx mine) -> Task<Ints> {
    auto throws = [](Cx, int x) -> Task<int> {
      if (x == 2) throw std::runtime_error("boom");
      co_return x;
    };
    co_return co_await buffered(mine, given(1, 2, 3), 2, throws, collecting);
  };
  EXPECT_TRUE(run(body).is_panicked());
}

}  // namespace
}  // namespace quiesce::testing
