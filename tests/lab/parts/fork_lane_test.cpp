// The lane of forked branches: its worker pushes and joins, thieves take from the shelf.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "exploring.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "workers.hpp"

namespace quiesce::lab::parts {
namespace {

using quiesce::detail::ForkEntry;
using quiesce::detail::ForkJoinCore;

struct LabEntry : ForkEntry {
  Item item;
  explicit LabEntry(ForkJoinCore* of) : ForkEntry(nullptr, of) {}
};

/// A lane with a shelf of two places, and the entries of nested joins: each is joined after all that were pushed after it.
struct LaneCase {
  quiesce::detail::TaskRecord task;
  ForkJoinCore join{};
  quiesce::detail::BasicForkLane<LabPlatform, 2> lane;
  std::array<std::unique_ptr<LabEntry>, 4> entries;
  std::size_t pushed = 0;

  explicit LaneCase(std::uint32_t limit) {
    join.task = &task;
    lane.set_limit(limit);
  }
  void push() {
    entries[pushed] = std::make_unique<LabEntry>(&join);
    entries[pushed]->item.fill();
    lane.push(*entries[pushed++]);
    lane.offer([](ForkEntry&) {});
  }
  /// The newest one that is not joined.
  void join_newest(std::size_t at) {
    if (lane.join(*entries[at])) entries[at]->item.take();
  }
  void join_all() {
    for (std::size_t i = pushed; i-- > 0;) join_newest(i);
  }
  void steal() {
    if (ForkEntry* taken = lane.steal()) static_cast<LabEntry*>(taken)->item.take();
  }
  void promote_all() {
    while (ForkEntry* entry = lane.pop()) static_cast<LabEntry*>(entry)->item.take();
  }
  void expect_all_taken() {
    lab::check(!lane.any() && !lane.is_used(), "nothing is left behind");
    for (std::size_t i = 0; i < pushed; ++i)
      lab::check(entries[i]->item.state.read() == 2, "every entry is taken once");
  }
};

/// A thief sleeps; a worker offers a branch and is busy elsewhere.
std::function<void()> sleeping_thief(Flaw flaw = Flaw::None) {
  return [=] {
    Workers workers(1, flaw);
    LaneCase test(2);
    run_threads({[&] {
                   if (flaw == Flaw::WakeBeforeGiving) workers.wake_one();
                   test.push();
                   if (flaw != Flaw::WakeBeforeGiving) workers.wake_one();
                 },
                 [&] {
                   const auto steal = [&]() -> Item* {
                     ForkEntry* taken = test.lane.steal();
                     return taken == nullptr ? nullptr : &static_cast<LabEntry*>(taken)->item;
                   };
                   workers.run(0, steal, [&] { return !test.lane.any(); });
                 }});
    test.join_all();
    test.expect_all_taken();
  };
}

using Owner = void (*)(LaneCase&);

std::function<void()> against(std::uint32_t limit, Owner owner, std::vector<int> thieves) {
  return [=] {
    LaneCase test(limit);
    std::vector<std::function<void()>> bodies{[&] { owner(test); }};
    for (const int times : thieves) {
      bodies.push_back([&test, times] {
        for (int i = 0; i < times; ++i) test.steal();
      });
    }
    run_threads(bodies);
    test.expect_all_taken();
  };
}

void one(LaneCase& test) {
  test.push();
  test.join_all();
}
/// The second is private at first, where one place is on offer.
void two(LaneCase& test) {
  test.push();
  test.push();
  test.join_all();
}
void three_then_promoted(LaneCase& test) {
  test.push();
  test.push();
  test.push();
  test.promote_all();
}
/// A join in between frees a place of the shelf.
void up_and_down(LaneCase& test) {
  test.push();
  test.push();
  test.join_newest(1);
  test.push();
  test.join_newest(2);
  test.join_newest(0);
}

Part lane() {
  return {.name = "fork lane",
          .files = {"fork.hpp"},
          .scenarios = {{"one entry, a thief", against(2, one, {1})},
                        {"one entry, two thieves", against(2, one, {1, 1})},
                        {"two entries, a thief twice", against(2, two, {2})},
                        {"two entries, one on offer, a thief twice", against(1, two, {2})},
                        {"a place is used again", against(1, up_and_down, {1})},
                        {"a thief that sleeps", sleeping_thief()},
                        {"a step that ends", against(1, three_then_promoted, {2})}},
          .kept = {}};
}

TEST(ForkLaneLab, holds) { expect_holds(lane()); }
TEST(ForkLaneLab, mutants) { expect_mutants_caught(lane()); }
TEST(ForkLaneLab, wrong_ways_to_sleep_are_found) {
  expect_breaks("no second look at the shelf", sleeping_thief(Flaw::NoSecondLook));
  expect_breaks("the look before the announcement", sleeping_thief(Flaw::LookBefore));
  expect_breaks("the wake before the offer", sleeping_thief(Flaw::WakeBeforeGiving));
}

}  // namespace
}  // namespace quiesce::lab::parts
