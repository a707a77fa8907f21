// Streams in the lab: a request at every suspension within a generator, and the tasks behind merge and buffered.
#include "quiesce/stream.hpp"

#include <vector>

#include "lab/sync/exploring.hpp"
#include "quiesce/buffered.hpp"
#include "quiesce/merge.hpp"
#include "quiesce/sync/event.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

/// What lives in frames, and in which order it goes.
struct Lives {
  std::vector<int> alive;
  int made = 0;
};
struct Life {
  Lives* lives;
  int depth;
  Life(Lives* all, int at) : lives(all), depth(at) {
    lives->alive.push_back(depth);
    ++lives->made;
  }
  ~Life() {
    lab::check(!lives->alive.empty() && lives->alive.back() == depth, "the innermost goes first");
    lives->alive.pop_back();
  }
};

Stream<int> inner_stream(Cx cx, Lives* lives, Event* event) {
  const Life life(lives, 2);
  co_await cx.yield();
  co_yield 1;
  co_await event->wait(cx);
  co_yield 2;
  co_await cx.sleep(1ms);
  co_yield 3;
}
Stream<int> outer_stream(Cx cx, Lives* lives, Event* event) {
  const Life life(lives, 1);
  auto inner = inner_stream(cx, lives, event);
  while (auto value = co_await inner.next(cx)) {
    co_await cx.yield();
    co_yield *value * 10;
  }
}

struct Pulling {
  Lives lives;
  Event event{"second"};
  std::vector<int> got;
};
Task<> pulls(Cx cx, Pulling* p) {
  const Life life(&p->lives, 0);
  auto stream = outer_stream(cx, &p->lives, &p->event);
  while (auto value = co_await stream.next(cx)) p->got.push_back(*value);
}
/// Sets it also when it is asked to stop.
struct SetsAtLast {
  Event* event;
  explicit SetsAtLast(Event* e) : event(e) {}
  ~SetsAtLast() { event->set(); }
};
Task<> sets(Cx cx, Pulling* p) {
  const SetsAtLast setter(&p->event);
  co_await cx.yield();
}

Task<> pulling(Cx cx, Scope<>&) {
  Pulling p;
  auto inside = [&p](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, pulls, unsafe_send(&p));
    co_await scope.launch(mine, sets, unsafe_send(&p));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(p.lives.alive.empty(), "every frame is gone");
  lab::check(p.event.statistics().waiters == 0, "nobody is left in the list");
  for (std::size_t i = 0; i < p.got.size(); ++i)
    lab::check(p.got[i] == 10 * static_cast<int>(i + 1), "no value is lost or told twice");
  lab::sometimes(p.got.size() == 3, "all were pulled");
}

TEST(LabStream, ARequestAtAnySuspensionUnwindsTheGeneratorsFirst) {
  expect_holds(pulling);
  EXPECT_GT(expect_exhausted(pulling), 1u);
}

/// One stream that tasks pull in turns, each until it is asked to stop: what one leaves the next goes on with.
struct Relay {
  Stream<int> stream = from_range(std::vector<int>{1, 2, 3, 4});
  std::vector<int> got;
};
Task<> takes_over(Cx cx, Relay* relay) {
  while (auto value = co_await relay->stream.next(cx)) {
    relay->got.push_back(*value);
    co_await cx.yield();
  }
}
Task<> relay(Cx cx, Scope<>&) {
  Relay r;
  for (int turn = 0; turn < 2; ++turn) {
    auto inside = [&r](Cx mine, Scope<>& scope) -> Task<> {
      co_await scope.launch(mine, takes_over, unsafe_send(&r));
    };
    (void)co_await region(cx, FailFast(), inside).outcome();
  }
  for (std::size_t i = 0; i < r.got.size(); ++i)
    lab::check(r.got[i] == static_cast<int>(i + 1), "a refused next has taken nothing");
}

TEST(LabStream, ARefusedNextLeavesTheValueToWhoeverPullsNext) { expect_holds(relay); }

// ---- merge ----

struct Consumed {
  std::vector<int> got;
  int gone = 0;
};
struct CountsGone {
  Consumed* consumed;
  explicit CountsGone(Consumed* c) : consumed(c) {}
  ~CountsGone() { ++consumed->gone; }
};

template <std::size_t limit>
Task<> merging(Cx cx, Scope<>&) {
  Consumed c;
  auto source = [&c](int first) {
    return [&c, first](Cx mine) -> Stream<int> {
      const CountsGone local(&c);
      co_await mine.yield();
      co_yield first;
      co_yield first + 1;
    };
  };
  auto all = [&c](Cx mine, Stream<int>& values) -> Task<> {
    const CountsGone local(&c);
    while (c.got.size() < limit) {
      auto value = co_await values.next(mine);
      if (!value) break;
      c.got.push_back(*value);
    }
  };
  auto from = sources(source(1), source(11));
  auto merged = merge(cx, std::move(from), all, 1);
  auto outcome = co_await std::move(merged).outcome();
  int low = 1, high = 11;
  for (int value : c.got) lab::check(value == (value < 10 ? low++ : high++), "each source keeps its order");
  lab::check(!outcome.is_ok() || c.got.size() == std::min<std::size_t>(limit, 4), "nothing is lost");
  lab::check(c.gone <= 3, "each frame goes once");
  lab::check(!outcome.is_ok() || c.gone >= 1, "the consumer has ended");
  lab::sometimes(outcome.is_ok(), "it ends well");
}

TEST(LabMerge, LosesNothingAndLeavesNothing) {
  expect_holds(merging<9>, 300);
  expect_holds(merging<2>, 300);
}
TEST(LabMerge, HoldsInEverySchedule) {
  expect_every_class(merging<9>);
  expect_every_class(merging<2>);
}

// ---- buffered ----

Task<int> doubled(Cx cx, int value) {
  co_await cx.yield();
  co_return 2 * value;
}

template <std::size_t limit>
Task<> buffering(Cx cx, Scope<>&) {
  std::vector<int> got;
  auto all = [&got](Cx mine, Stream<int>& values) -> Task<> {
    while (got.size() < limit) {
      auto value = co_await values.next(mine);
      if (!value) break;
      got.push_back(*value);
    }
  };
  std::vector<int> numbers = {1, 2, 3};
  auto results = buffered(cx, from_range(std::move(numbers)), 2, doubled, all);
  auto outcome = co_await std::move(results).outcome();
  for (std::size_t i = 0; i < got.size(); ++i)
    lab::check(got[i] == 2 * static_cast<int>(i + 1), "results come in order");
  lab::check(!outcome.is_ok() || got.size() == std::min<std::size_t>(limit, 3), "none is lost");
  lab::sometimes(outcome.is_ok(), "it ends well");
}

TEST(LabBuffered, GivesEveryResultInOrder) {
  expect_holds(buffering<9>, 300);
  expect_holds(buffering<1>, 300);
}

}  // namespace
}  // namespace quiesce::lab_tests
