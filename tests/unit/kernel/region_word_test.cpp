// The region word, exhaustively: every gate with and without the cancelled bit, a few counts and generations,
// every transition against a rule said over plain fields; then every order of a few actors over the whole
// protocol.
#include "quiesce/detail/kernel/region_word.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace quiesce::detail {
namespace {

struct Fields {
  std::uint64_t live = 0;
  unsigned gate = 0;
  bool cancelled = false, spare = false;
  std::uint64_t generation = 0;
  friend bool operator==(const Fields&, const Fields&) = default;
};
enum : unsigned { Open, Closing, Finalizing, Closed };
constexpr std::uint64_t last_generation = (std::uint64_t{1} << 28) - 1;
constexpr std::uint64_t live_max = 0xffffffff;

Fields unpack(RegionWord w) {
  return {w.bits & live_max, static_cast<unsigned>((w.bits >> 32) & 3), ((w.bits >> 34) & 1) != 0,
          ((w.bits >> 35) & 1) != 0, w.bits >> 36};
}
RegionWord pack(std::uint64_t live, unsigned gate, bool cancelled, std::uint64_t generation) {
  return {live | (std::uint64_t{gate} << 32) | (std::uint64_t{cancelled} << 34) | (generation << 36)};
}
std::string show(RegionWord w) {
  Fields f = unpack(w);
  return "live " + std::to_string(f.live) + " gate " + std::to_string(f.gate) +
         (f.cancelled ? " cancelled" : "") + " generation " + std::to_string(f.generation);
}

const std::vector<std::uint64_t> lives{0, 1, 2, live_max - 1, live_max};
const std::vector<std::uint64_t> generations{0, 1, 2, last_generation - 1, last_generation};

template <class Visit>
void for_every_word(Visit visit) {
  for (std::uint64_t live : lives) {
    for (unsigned gate = Open; gate <= Closed; ++gate) {
      for (bool cancelled : {false, true}) {
        for (std::uint64_t generation : generations) visit(pack(live, gate, cancelled, generation));
      }
    }
  }
}

TEST(RegionWord, FieldsAreWhereTheDescriptionPutsThem) {
  for_every_word([](RegionWord w) {
    Fields f = unpack(w);
    ASSERT_EQ(w.live(), f.live) << show(w);
    ASSERT_EQ(static_cast<unsigned>(w.gate()), f.gate) << show(w);
    ASSERT_EQ(w.cancelled(), f.cancelled) << show(w);
    ASSERT_EQ(w.generation(), f.generation) << show(w);
  });
}

struct Rule {
  std::string name;
  std::function<region_word::Next(RegionWord)> transition;
  std::function<bool(const Fields&)> allowed;
  std::function<void(Fields&)> effect;
};

std::vector<Rule> rules() {
  std::vector<Rule> all;
  for (std::uint64_t generation : generations) {
    auto g = static_cast<std::uint32_t>(generation);
    auto named = [&](const char* name) {
      return std::string(name) + " of generation " + std::to_string(generation);
    };
    all.push_back(
        {named("finalize"), [=](RegionWord w) { return region_word::finalize(w, g); },
         [=](const Fields& f) { return f.gate <= Closing && f.generation == generation && f.live == 0; },
         [](Fields& f) { f.gate = Finalizing; }});
    all.push_back({named("begin_close"), [=](RegionWord w) { return region_word::begin_close(w, g); },
                   [=](const Fields& f) { return f.gate == Open && f.generation == generation; },
                   [](Fields& f) { f.gate = Closing; }});
    all.push_back({named("cancel"), [=](RegionWord w) { return region_word::cancel(w, g); },
                   [=](const Fields& f) { return f.gate != Closed && f.generation == generation; },
                   [](Fields& f) {
                     f.cancelled = true;
                     if (f.gate == Open) f.gate = Closing;
                   }});
  }
  all.push_back({"close", region_word::close, [](const Fields& f) { return f.gate == Finalizing; },
                 [](Fields& f) { f.gate = Closed; }});
  all.push_back({"birth", region_word::birth, [](const Fields& f) { return f.gate == Closed; },
                 [](Fields& f) {
                   f.gate = Open;
                   f.cancelled = false;
                   f.generation = f.generation == last_generation ? 1 : f.generation + 1;
                   f.live += 1;
                 }});
  return all;
}

TEST(RegionWord, EveryTransitionOfEveryWordFollowsItsRule) {
  for (const Rule& rule : rules()) {
    int made = 0, refused = 0;
    for_every_word([&](RegionWord w) {
      Fields expected = unpack(w);
      if (rule.name == "birth" && expected.live == live_max)
        return;  // four thousand million late spawners at once
      region_word::Next next = rule.transition(w);
      ASSERT_EQ(next.has_value(), rule.allowed(expected)) << rule.name << " of " << show(w);
      ++(next ? made : refused);
      if (!next) return;
      rule.effect(expected);
      ASSERT_EQ(unpack(*next), expected) << rule.name << " of " << show(w) << " gave " << show(*next);
    });
    EXPECT_GT(made, 0) << rule.name;
    EXPECT_GT(refused, 0) << rule.name;
  }
}

TEST(RegionWord, AdmissionLooksAtGateAndGeneration) {
  for_every_word([](RegionWord w) {
    Fields f = unpack(w);
    for (std::uint64_t generation : generations) {
      auto g = static_cast<std::uint32_t>(generation);
      ASSERT_EQ(region_word::admits(w, g), f.gate == Open && f.generation == generation) << show(w);
      ASSERT_EQ(region_word::admits_holder(w, g), f.gate != Closed && f.generation == generation) << show(w);
    }
    ASSERT_EQ(region_word::reached_zero(w), f.live == 1 && f.gate <= Closing) << show(w);
  });
}

TEST(RegionWord, GatesOnlyGoForwardAndNobodyIsAdmittedPastOpen) {
  for (const Rule& rule : rules()) {
    for_every_word([&](RegionWord w) {
      region_word::Next next = rule.transition(w);
      if (!next || rule.name == "birth") return;
      ASSERT_GE(unpack(*next).gate, unpack(w).gate) << rule.name << " of " << show(w);
      ASSERT_EQ(next->live(), w.live()) << rule.name << " of " << show(w);
      ASSERT_EQ(next->generation(), w.generation()) << rule.name << " of " << show(w);
      ASSERT_TRUE(!w.cancelled() || next->cancelled()) << rule.name << " of " << show(w);
    });
  }
}

TEST(RegionWord, ANewCellIsClosedAndItsFirstLifeIsGenerationOne) {
  RegionWordCell<> cell;
  EXPECT_EQ(cell.load().gate(), Gate::Closed);
  EXPECT_EQ(cell.load().generation(), 0u);
  RegionStep born = cell.apply([](RegionWord w) { return region_word::birth(w); });
  EXPECT_TRUE(born.made);
  EXPECT_EQ(cell.load().gate(), Gate::Open);
  EXPECT_EQ(cell.load().generation(), 1u);
  EXPECT_EQ(cell.load().live(), 1u);
  EXPECT_FALSE(cell.apply([](RegionWord w) { return region_word::birth(w); }).made);
  EXPECT_EQ(cell.add_one().live(), 1u);
  EXPECT_EQ(cell.sub_one().live(), 2u);
}

/// Four actors in every order: two spawners and a canceller that name generation 1, and the body of whichever
/// life it is. A spawner adds, looks, and subtracts when it is refused or its task has ended. Whoever subtracts
/// to zero has, as a step of its own, the duty to try to finalize; whoever finalizes closes; the record is born
/// again once.
enum class Actor : std::uint8_t { Start, Holds, Duty, Gone };

struct World {
  RegionWord word;
  std::array<Actor, 3> actors{Actor::Start, Actor::Start, Actor::Holds};  // the third is the body
  std::array<std::uint32_t, 3> duty_generation{};
  std::array<bool, 3> admitted{false, false, true};
  bool canceller_done = false, closer_due = false, reborn = false;
  int finalized = 0;

  auto key() const {
    return std::tuple(word.bits, actors, duty_generation, admitted, canceller_done, closer_due, reborn,
                      finalized);
  }
};
constexpr std::size_t body = 2;

struct Explorer {
  std::set<decltype(World().key())> seen;
  std::size_t ends = 0;
  bool late_spawner = false, transient_over_zero = false;

  void visit(const World& w) {
    if (::testing::Test::HasFatalFailure() || !seen.insert(w.key()).second) return;
    bool moved = false;
    auto go = [&](const World& next) {
      moved = true;
      visit(next);
    };
    for (std::size_t i = 0; i < w.actors.size(); ++i) {
      if (w.actors[i] == Actor::Gone) continue;
      World next = w;
      act(next, i);
      go(next);
    }
    if (!w.canceller_done) {
      World next = w;
      next.canceller_done = true;
      region_word::Next cancelled = region_word::cancel(w.word, 1);
      ASSERT_TRUE(!w.reborn || !cancelled) << "a cancel of a dead life reached the next";
      if (cancelled) next.word = *cancelled;
      go(next);
    }
    if (w.closer_due) {
      World next = w;
      next.closer_due = false;
      next.word = *region_word::close(w.word);
      go(next);
    }
    if (!w.reborn && w.word.gate() == Gate::Closed && w.actors[body] == Actor::Gone) {
      World next = w;
      next.reborn = true;
      next.word = *region_word::birth(w.word);
      next.actors[body] = Actor::Holds;
      go(next);
    }
    if (moved) return;
    ++ends;
    ASSERT_EQ(w.finalized, 2) << "each of two lives is finalized exactly once";
    ASSERT_EQ(w.word, pack(0, Closed, w.word.cancelled(), 2)) << show(w.word);
  }

  void act(World& w, std::size_t i) {
    if (w.actors[i] == Actor::Start) {
      w.admitted[i] = region_word::admits(w.word, 1);
      ASSERT_TRUE(!w.admitted[i] || !w.reborn) << "a spawner of a dead life was admitted into the next";
      late_spawner = late_spawner || w.reborn;
      transient_over_zero = transient_over_zero || (w.word.live() == 0 && w.word.gate() <= Gate::Closing);
      ++w.word.bits;
      w.actors[i] = Actor::Holds;
    } else if (w.actors[i] == Actor::Holds) {
      ASSERT_TRUE(!w.admitted[i] || w.word.gate() <= Gate::Closing)
          << "the region went on past a live task: " << show(w.word);
      ASSERT_GT(w.word.live(), 0u);
      RegionWord before = w.word;
      --w.word.bits;
      w.actors[i] = region_word::reached_zero(before) ? Actor::Duty : Actor::Gone;
      w.duty_generation[i] = before.generation();
    } else {
      region_word::Next next = region_word::finalize(w.word, w.duty_generation[i]);
      if (next) {
        w.word = *next;
        ++w.finalized;
        ASSERT_FALSE(w.closer_due) << "two closers of one region";
        w.closer_due = true;
      }
      w.actors[i] = Actor::Gone;
    }
  }
};

TEST(RegionWord, InEveryOrderEachLifeIsFinalizedOnceAndStrangersLeaveNoTrace) {
  World start;
  start.word = *region_word::birth(pack(0, Closed, false, 0));
  Explorer explorer;
  explorer.visit(start);
  EXPECT_GT(explorer.seen.size(), 100u);
  EXPECT_GT(explorer.ends, 0u);
  EXPECT_TRUE(explorer.late_spawner);
  EXPECT_TRUE(explorer.transient_over_zero) << "a spawner came between the last subtraction and its duty";
}

}  // namespace
}  // namespace quiesce::detail
