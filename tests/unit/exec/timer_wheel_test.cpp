#include "quiesce/detail/exec/timer_wheel.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace quiesce::detail {
namespace {

using namespace std::chrono_literals;

constexpr Duration tick = Duration(std::int64_t{1} << TimerWheel::default_tick_shift);

TimerEntry due_at(Time deadline) {
  TimerEntry entry;
  entry.deadline = deadline;
  return entry;
}

std::vector<TimerEntry*> advance(TimerWheel& wheel, Time now) {
  std::vector<TimerEntry*> out;
  wheel.advance(now, [&](TimerEntry& entry) { out.push_back(&entry); });
  return out;
}

TEST(TimerWheel, AnEmptyWheelHasNoDeadline) {
  TimerWheel wheel;
  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.next_deadline(), std::nullopt);
  EXPECT_TRUE(advance(wheel, Time::max()).empty());
}

TEST(TimerWheel, AnEntryIsNeverEarlyAndAtMostATickLate) {
  TimerWheel wheel;
  TimerEntry entry = due_at(Time::zero() + 10ms);
  wheel.arm(entry);
  EXPECT_TRUE(advance(wheel, entry.deadline - 1ns).empty());
  EXPECT_TRUE(entry.linked);
  EXPECT_EQ(advance(wheel, entry.deadline + tick), std::vector{&entry});
  EXPECT_FALSE(entry.linked);
  EXPECT_TRUE(wheel.empty());
}

TEST(TimerWheel, DisarmTellsWhetherTheEntryWasArmed) {
  TimerWheel wheel;
  TimerEntry entry = due_at(Time::zero() + 10s);
  EXPECT_FALSE(wheel.disarm(entry));
  wheel.arm(entry);
  EXPECT_TRUE(wheel.disarm(entry));
  EXPECT_FALSE(wheel.disarm(entry));
  EXPECT_TRUE(advance(wheel, Time::zero() + 20s).empty());
}

TEST(TimerWheel, ADeadlineThatHasPassedComesWithTheNextAdvanceEvenWhenTimeStands) {
  TimerWheel wheel;
  advance(wheel, Time::zero() + 1s);
  TimerEntry entry = due_at(Time::zero());
  wheel.arm(entry);
  ASSERT_TRUE(wheel.next_deadline().has_value());
  EXPECT_LE(*wheel.next_deadline(), Time::zero() + 1s);
  EXPECT_EQ(advance(wheel, Time::zero() + 1s), std::vector{&entry});
}

TEST(TimerWheel, AnEntryThatArmsItselfAgainDoesNotHoldUpTheAdvance) {
  TimerWheel wheel;
  TimerEntry entry = due_at(Time::zero());
  wheel.arm(entry);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(wheel.advance(Time::zero() + 1s, [&](TimerEntry& expired) { wheel.arm(expired); }), 1u);
  }
}

TEST(TimerWheel, AnEntryOfTheSameBatchCanStillBeDisarmed) {
  TimerWheel wheel(0, true);
  TimerEntry first = due_at(Time::from_nanos(5)), second = due_at(Time::from_nanos(6));
  wheel.arm(first);
  wheel.arm(second);
  const std::size_t count = wheel.advance(Time::from_nanos(9), [&](TimerEntry& expired) {
    EXPECT_EQ(&expired, &first);
    EXPECT_TRUE(wheel.disarm(second));
  });
  EXPECT_EQ(count, 1u);
}

TEST(TimerWheel, WhatWasCollectedWaitsForItsTurn) {
  TimerWheel wheel(0, true);
  TimerEntry late = due_at(Time::from_nanos(6)), early = due_at(Time::from_nanos(5));
  wheel.arm(late);
  wheel.arm(early);
  wheel.collect_expired(Time::from_nanos(6));
  EXPECT_EQ(wheel.pop_expired(), &early);
  EXPECT_EQ(wheel.size(), 1u);
  EXPECT_TRUE(wheel.disarm(late));
  EXPECT_EQ(wheel.pop_expired(), nullptr);
}

TEST(TimerWheel, ExactKeepsDeadlinesAndTheOrderOfArmingApart) {
  TimerWheel wheel(TimerWheel::default_tick_shift, true);
  TimerEntry b = due_at(Time::from_nanos(7)), a = due_at(Time::from_nanos(3)), c = due_at(Time::from_nanos(7));
  for (TimerEntry* entry : {&b, &a, &c}) wheel.arm(*entry);
  EXPECT_EQ(advance(wheel, Time::zero() + 1s), (std::vector{&a, &b, &c}));
}

TEST(TimerWheel, CrossesAllLevelsAndBlocksInOneAdvance) {
  TimerWheel wheel(0, true);
  std::deque<TimerEntry> entries;
  std::vector<TimerEntry*> expected;
  for (std::uint32_t bit = 0; bit < 62; ++bit) {
    expected.push_back(&entries.emplace_back(due_at(Time::from_nanos(std::int64_t{1} << bit))));
  }
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) wheel.arm(*entry);
  EXPECT_EQ(advance(wheel, Time::max()), expected);
}

TEST(TimerWheel, AStaleBoundOfFarEntriesOnlyMovesThePresent) {
  TimerWheel wheel(0);
  const std::int64_t block = std::int64_t{1} << (TimerWheel::levels * TimerWheel::slot_bits);
  TimerEntry leaves = due_at(Time::from_nanos(block + 1)), stays = due_at(Time::from_nanos(9 * block + 1));
  wheel.arm(leaves);
  wheel.arm(stays);
  ASSERT_TRUE(wheel.disarm(leaves));
  int steps = 0;
  for (auto next = wheel.next_deadline(); next; next = wheel.next_deadline()) {
    ASSERT_LE(*next, stays.deadline);
    advance(wheel, *next);
    ASSERT_LT(++steps, 16) << "next_deadline() must get somewhere";
  }
  EXPECT_FALSE(stays.linked);
}

TEST(TimerWheel, TimeMaxIsADeadlineThatNeverComes) {
  TimerWheel wheel;
  TimerEntry never = due_at(Time::max());
  wheel.arm(never);
  EXPECT_TRUE(advance(wheel, Time::max() - 1s).empty());
  EXPECT_TRUE(wheel.disarm(never));
}

TEST(TimerWheelDeathTest, RefusesToArmTwice) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  TimerWheel wheel;
  TimerEntry entry = due_at(Time::zero() + 1s);
  wheel.arm(entry);
  EXPECT_DEATH(wheel.arm(entry), "armed twice");
}

// A wheel beside a sorted set, under any sequence of arm, disarm and advance, with distances of every magnitude.
class Model {
 public:
  Model(std::uint32_t tick_shift, bool exact)
      : wheel_(tick_shift, exact), tick_(std::int64_t{1} << tick_shift), exact_(exact) {}

  void run(const std::vector<std::pair<std::uint32_t, std::uint64_t>>& operations) {
    for (const auto& [choice, argument] : operations) {
      switch (choice % 8) {
        case 0:
        case 1:
        case 2:
        case 3: arm(distance(argument)); break;
        case 4: disarm(argument); break;
        case 5: advance_by(distance(argument)); break;
        default: advance_to_next(); break;
      }
      check_bounds();
    }
    for (std::size_t left = armed_.size() * 8 + 8; !armed_.empty() && left > 0; --left) advance_to_next();
    RC_ASSERT(armed_.empty());
    RC_ASSERT(wheel_.empty());
  }

 private:
  using Key = std::pair<Time, std::uint64_t>;  // deadline, order of arming

  /// 2^0 … 2^59 and everything between: the low six bits choose the magnitude.
  static Duration distance(std::uint64_t argument) {
    return Duration(static_cast<std::int64_t>((argument >> 6) % (std::uint64_t{1} << (argument % 60))));
  }

  void arm(Duration after) {
    TimerEntry& entry = entries_.emplace_back(due_at(now_ + after));
    wheel_.arm(entry);
    armed_.emplace(Key{entry.deadline, entries_.size()}, &entry);
    order_.emplace(&entry, entries_.size());
  }

  void disarm(std::uint64_t argument) {
    if (entries_.empty()) return;
    TimerEntry& entry = entries_[argument % entries_.size()];
    RC_ASSERT(wheel_.disarm(entry) == (armed_.erase(Key{entry.deadline, order_.at(&entry)}) == 1));
  }

  void advance_by(Duration span) { advance_to(now_ + span); }

  void advance_to_next() {
    const std::optional<Time> next = wheel_.next_deadline();
    RC_ASSERT(next.has_value() == !armed_.empty());
    if (next) advance_to(std::max(now_, *next));
  }

  void advance_to(Time now) {
    now_ = now;
    std::vector<Key> batch;
    wheel_.advance(now, [&](TimerEntry& entry) {
      RC_ASSERT(entry.deadline <= now_);
      const Key key{entry.deadline, order_.at(&entry)};
      RC_ASSERT(armed_.erase(key) == 1);
      batch.push_back(key);
    });
    if (exact_) RC_ASSERT(std::is_sorted(batch.begin(), batch.end()));
    RC_ASSERT(armed_.empty() || armed_.begin()->first.first + Duration(tick_) > now_);
  }

  void check_bounds() {
    RC_ASSERT(wheel_.size() == armed_.size());
    const std::optional<Time> next = wheel_.next_deadline();
    RC_ASSERT(next.has_value() == !armed_.empty());
    if (!next) return;
    const Time earliest = armed_.begin()->first.first;
    RC_ASSERT(*next <= std::max(earliest, now_) + Duration(tick_));
    if (exact_ && tick_ == 1) RC_ASSERT(std::max(*next, now_) == std::max(earliest, now_));
  }

  TimerWheel wheel_;
  const std::int64_t tick_;
  const bool exact_;
  Time now_ = Time::zero();
  std::deque<TimerEntry> entries_;
  std::map<Key, TimerEntry*> armed_;
  std::map<TimerEntry*, std::uint64_t> order_;
};

using Operations = std::vector<std::pair<std::uint32_t, std::uint64_t>>;

rc::Gen<Operations> operations() {
  // Not scaled by size: every magnitude of time counts from the first case on.
  const auto any = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<std::uint64_t>());
  const auto choice = rc::gen::inRange<std::uint32_t>(0, 8);
  return rc::gen::resize(200, rc::gen::container<Operations>(rc::gen::pair(choice, any)));
}

RC_GTEST_PROP(TimerWheel, AgreesWithASortedSet, ()) {
  Model(TimerWheel::default_tick_shift, false).run(*operations());
}

RC_GTEST_PROP(TimerWheel, AgreesWithASortedSetWhenExact, ()) { Model(0, true).run(*operations()); }

RC_GTEST_PROP(TimerWheel, AgreesWithASortedSetWhenExactWithCoarseTicks, ()) {
  Model(*rc::gen::inRange(1u, 31u), true).run(*operations());
}

}  // namespace
}  // namespace quiesce::detail
