// The task word, exhaustively: every combination of run state, phase and flags with a few epochs, every
// transition. What each transition may do is said here a second time, as a table of rules over plain fields,
// and the two are compared.
#include "quiesce/detail/kernel/task_word.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace quiesce::detail {
namespace {

/// The word as its description reads: one field each.
struct Fields {
  unsigned run = 0, phase = 0;
  bool requested = false, masked = false, armed = false, claimed = false, by_request = false, stubborn = false,
       taken = false, joiner = false, dropped = false, escalated = false, looked_at = false;
  std::uint64_t mask_epoch = 0, epoch = 0;

  friend bool operator==(const Fields&, const Fields&) = default;
};
enum : unsigned { Free, Idle, Active, Done };
enum : unsigned { PCreated, PRunning, PCancelRequested, PCancelling, PFinalizing, PCompleted };

constexpr std::uint64_t epoch_end = std::uint64_t{1} << 40, mask_epoch_end = 128;

Fields unpack(TaskWord word) {
  std::uint64_t bits = word.bits;
  auto take = [&bits](int width) {
    std::uint64_t field = bits & ((std::uint64_t{1} << width) - 1);
    bits >>= width;
    return field;
  };
  Fields f;
  f.run = static_cast<unsigned>(take(3));
  f.phase = static_cast<unsigned>(take(3));
  for (bool Fields::*flag : {&Fields::requested, &Fields::masked, &Fields::armed, &Fields::claimed,
                             &Fields::by_request, &Fields::stubborn, &Fields::taken, &Fields::joiner,
                             &Fields::dropped, &Fields::escalated, &Fields::looked_at}) {
    f.*flag = take(1) != 0;
  }
  f.mask_epoch = take(7);
  f.epoch = take(40);
  return f;
}

TaskWord pack(unsigned run, unsigned phase, unsigned flags, std::uint64_t mask_epoch, std::uint64_t epoch) {
  return {run | (phase << 3) | (std::uint64_t{flags} << 6) | (mask_epoch << 17) | (epoch << 24)};
}

std::string show(TaskWord word) {
  Fields f = unpack(word);
  auto flag = [](bool set, const char* name) { return set ? std::string(" ") + name : std::string(); };
  return "run " + std::to_string(f.run) + " phase " + std::to_string(f.phase) + flag(f.requested, "requested") +
         flag(f.masked, "masked") + flag(f.armed, "armed") + flag(f.claimed, "claimed") +
         flag(f.by_request, "by_request") + flag(f.stubborn, "stubborn") + flag(f.taken, "taken") +
         flag(f.joiner, "joiner") + flag(f.dropped, "dropped") + flag(f.escalated, "escalated") +
         flag(f.looked_at, "looked_at") + " mask_epoch " + std::to_string(f.mask_epoch) + " epoch " +
         std::to_string(f.epoch);
}

/// Whose transition it is: the stepper's own, which it makes only when nobody looks at the task (protocol, 6), or anybody's.
enum class By : std::uint8_t { Stepper, Anybody };

/// One transition with its arguments bound, beside the rule that it must follow: when it is made, and what it
/// then changes.
struct Rule {
  std::string name;
  std::function<task_word::Next(TaskWord)> transition;
  std::function<bool(const Fields&)> allowed;
  std::function<void(Fields&)> effect;
  By by = By::Stepper;
};

void end_wait(Fields& f) { f.armed = f.claimed = f.by_request = f.stubborn = false; }
bool observes(const Fields& f) { return f.escalated || (f.requested && !f.masked); }
Fields clean(const Fields& f, unsigned run) {
  Fields fresh;
  fresh.run = run;
  fresh.mask_epoch = f.mask_epoch;
  fresh.epoch = f.epoch;
  return fresh;
}
bool alive(const Fields& f) { return f.run == Idle || f.run == Active; }
bool pending(const Fields& f) { return f.armed && !f.claimed; }

std::vector<Rule> rules(const std::vector<std::uint64_t>& epochs,
                        const std::vector<std::uint64_t>& mask_epochs) {
  std::vector<Rule> all;
  for (bool has_handle : {false, true}) {
    all.push_back({has_handle ? "birth with a handle" : "birth",
                   [=](TaskWord w) { return task_word::birth(w, has_handle); },
                   [](const Fields& f) { return f.run == Free; },
                   [=](Fields& f) {
                     f = clean(f, Active);
                     f.dropped = !has_handle;
                   }});
  }
  for (bool stubborn : {false, true}) {
    all.push_back(
        {stubborn ? "prepare stubbornly" : "prepare",
         [=](TaskWord w) { return task_word::prepare(w, stubborn); },
         [=](const Fields& f) { return f.run == Active && !pending(f) && (stubborn || !observes(f)); },
         [=](Fields& f) {
           end_wait(f);
           f.armed = true;
           f.stubborn = stubborn;
           f.epoch = (f.epoch + 1) % epoch_end;
         }});
  }
  all.push_back({"commit", task_word::commit, [](const Fields& f) { return f.run == Active && pending(f); },
                 [](Fields& f) { f.run = Idle; }});
  all.push_back({"park", task_word::park,
                 [](const Fields& f) { return f.run == Active && !pending(f) && !observes(f); },
                 [](Fields& f) {
                   end_wait(f);
                   f.armed = true;
                   f.epoch = (f.epoch + 1) % epoch_end;
                   f.run = Idle;
                 }});
  all.push_back({"spend_epoch", task_word::spend_epoch,
                 [](const Fields& f) { return f.run == Active && !pending(f); },
                 [](Fields& f) {
                   end_wait(f);
                   f.epoch = (f.epoch + 1) % epoch_end;
                 }});
  for (std::uint64_t epoch : epochs) {
    all.push_back({"look at " + std::to_string(epoch), [=](TaskWord w) { return task_word::look(w, epoch); },
                   [=](const Fields& f) {
                     return f.run == Idle && f.armed && !f.claimed && f.epoch == epoch && !f.looked_at;
                   },
                   [](Fields& f) { f.looked_at = true; }, By::Anybody});
    for (bool by_request : {false, true}) {
      all.push_back({"claim of " + std::to_string(epoch) + (by_request ? " by a request" : ""),
                     [=](TaskWord w) { return task_word::claim(w, epoch, by_request); },
                     [=](const Fields& f) {
                       if (!f.armed || f.claimed || f.epoch != epoch) return false;
                       return !by_request || (!f.stubborn && (!f.masked || f.escalated));
                     },
                     [=](Fields& f) {
                       f.claimed = true;
                       f.by_request = f.by_request || by_request;
                       if (f.run == Idle) f.run = Active;
                     },
                     By::Anybody});
    }
    const auto is_ahead = [=](const Fields& f) {  // announced with that epoch, and not parked
      return f.run == Active && !pending(f) && (f.epoch + 1) % epoch_end == epoch;
    };
    all.push_back({"grant of " + std::to_string(epoch),
                   [=](TaskWord w) { return task_word::claim_announced(w, epoch); },
                   [=](const Fields& f) { return is_ahead(f) || (pending(f) && f.epoch == epoch); },
                   [=](Fields& f) {
                     if (is_ahead(f)) {
                       end_wait(f);
                       f.armed = true;
                       f.epoch = epoch;
                     }
                     f.claimed = true;
                     if (f.run == Idle) f.run = Active;
                   },
                   By::Anybody});
    all.push_back(
        {"park_announced of " + std::to_string(epoch),
         [=](TaskWord w) { return task_word::park_announced(w, epoch); },
         [=](const Fields& f) { return f.run == Active && !pending(f) && !observes(f) && f.epoch != epoch; },
         [](Fields& f) {
           end_wait(f);
           f.armed = true;
           f.epoch = (f.epoch + 1) % epoch_end;
           f.run = Idle;
         }});
    all.push_back({"spend_announced of " + std::to_string(epoch),
                   [=](TaskWord w) { return task_word::spend_announced(w, epoch); },
                   [=](const Fields& f) { return f.run == Active && !pending(f) && f.epoch != epoch; },
                   [](Fields& f) {
                     end_wait(f);
                     f.epoch = (f.epoch + 1) % epoch_end;
                   }});
  }
  all.push_back({"look_away", task_word::look_away, [](const Fields& f) { return f.looked_at; },
                 [](Fields& f) { f.looked_at = false; }, By::Anybody});
  all.push_back({"disarm", task_word::disarm, [](const Fields& f) { return f.run == Active; }, end_wait});
  all.push_back({"request", task_word::request, alive,
                 [](Fields& f) {
                   f.requested = true;
                   if (f.phase == PCreated) f.phase = PCancelRequested;
                 },
                 By::Anybody});
  all.push_back({"acknowledge", task_word::acknowledge,
                 [](const Fields& f) { return f.run == Active && f.phase == PCancelRequested && observes(f); },
                 [](Fields& f) { f.phase = PCancelling; }});
  all.push_back({"mask", task_word::mask, [](const Fields& f) { return !f.masked && f.run == Active; },
                 [](Fields& f) {
                   f.masked = true;
                   f.mask_epoch = (f.mask_epoch + 1) % mask_epoch_end;
                 }});
  all.push_back({"unmask", task_word::unmask, [](const Fields& f) { return f.run == Active && f.masked; },
                 [](Fields& f) { f.masked = false; }});
  for (std::uint64_t mask_epoch : mask_epochs) {
    all.push_back({"expire_mask of " + std::to_string(mask_epoch),
                   [=](TaskWord w) { return task_word::expire_mask(w, static_cast<std::uint8_t>(mask_epoch)); },
                   [=](const Fields& f) { return alive(f) && f.masked && f.mask_epoch == mask_epoch; },
                   [](Fields& f) { f.masked = false; }, By::Anybody});
  }
  all.push_back({"escalate", task_word::escalate, [](const Fields& f) { return alive(f) && !f.escalated; },
                 [](Fields& f) { f.escalated = true; }, By::Anybody});
  all.push_back({"finalize", task_word::finalize,
                 [](const Fields& f) { return f.run == Active && f.phase < PFinalizing; },
                 [](Fields& f) {
                   f.phase = PFinalizing;
                   f.masked = false;
                   end_wait(f);
                 }});
  all.push_back({"complete", task_word::complete,
                 [](const Fields& f) { return f.run == Active && !pending(f); },
                 [](Fields& f) {
                   f.phase = PCompleted;
                   f.run = Done;
                   f.masked = false;
                   end_wait(f);
                 }});
  all.push_back(
      {"announce_joiner", task_word::announce_joiner, alive, [](Fields& f) { f.joiner = true; }, By::Anybody});
  all.push_back({"retract_joiner", task_word::retract_joiner, [](const Fields&) { return true; },
                 [](Fields& f) { f.joiner = false; }, By::Anybody});
  all.push_back({"take", task_word::take, [](const Fields& f) { return f.run == Done && !f.taken; },
                 [](Fields& f) { f.taken = true; }, By::Anybody});
  all.push_back({"drop_handle", task_word::drop_handle,
                 [](const Fields& f) { return f.run != Free && !f.dropped; },
                 [](Fields& f) { f.dropped = true; }, By::Anybody});
  all.push_back({"release", task_word::release, [](const Fields& f) { return f.run == Done; },
                 [](Fields& f) { f = clean(f, Free); }});
  return all;
}

const std::vector<std::uint64_t> some_epochs{0, 1, epoch_end - 1};
const std::vector<std::uint64_t> some_mask_epochs{0, mask_epoch_end - 1};

template <class Visit>
void for_every_word(Visit visit) {
  for (unsigned run = Free; run <= Done; ++run) {
    for (unsigned phase = PCreated; phase <= PCompleted; ++phase) {
      for (unsigned flags = 0; flags < 2048; ++flags) {
        for (std::uint64_t mask_epoch : some_mask_epochs) {
          for (std::uint64_t epoch : some_epochs) visit(pack(run, phase, flags, mask_epoch, epoch));
        }
      }
    }
  }
}

TEST(TaskWord, FieldsAreWhereTheDescriptionPutsThem) {
  for_every_word([](TaskWord w) {
    Fields f = unpack(w);
    bool same =
        static_cast<unsigned>(w.run()) == f.run && static_cast<unsigned>(w.phase()) == f.phase &&
        w.requested() == f.requested && w.masked() == f.masked && w.has(TaskWord::armed_bit) == f.armed &&
        w.claimed() == f.claimed && w.has(TaskWord::by_request_bit) == f.by_request &&
        w.has(TaskWord::stubborn_bit) == f.stubborn && w.has(TaskWord::taken_bit) == f.taken &&
        w.has(TaskWord::joiner_bit) == f.joiner && w.has(TaskWord::dropped_bit) == f.dropped &&
        w.escalated() == f.escalated && w.looked_at() == f.looked_at && w.mask_epoch() == f.mask_epoch &&
        w.epoch() == f.epoch && w.done() == (f.run == Done) && w.must_observe() == observes(f);
    ASSERT_TRUE(same) << show(w);
  });
}

TEST(TaskWord, EveryTransitionOfEveryWordFollowsItsRule) {
  for (const Rule& rule : rules(some_epochs, some_mask_epochs)) {
    std::uint64_t made = 0, refused = 0;
    for_every_word([&](TaskWord w) {
      Fields expected = unpack(w);
      task_word::Next next = rule.transition(w);
      ASSERT_EQ(next.has_value(), rule.allowed(expected)) << rule.name << " of " << show(w);
      ++(next ? made : refused);
      if (!next) return;
      rule.effect(expected);
      ASSERT_EQ(unpack(*next), expected) << rule.name << " of " << show(w) << " gave " << show(*next);
    });
    EXPECT_GT(made, 0u) << rule.name;
    EXPECT_TRUE(refused > 0 || rule.name == "retract_joiner") << rule.name;
  }
}

/// What must hold between any word and its successor, whatever the transition: said without a look at the
/// rules.
void check_edge(TaskWord before, TaskWord after, const std::string& name) {
  Fields a = unpack(before), b = unpack(after);
  auto context = [&] { return name + " of " + show(before) + " gave " + show(after); };
  const bool new_life = name.starts_with("birth"), end_of_life = name == "release";
  if (!new_life && !end_of_life) {
    ASSERT_GE(b.phase, a.phase) << "a phase went back: " << context();
    ASSERT_TRUE(!a.requested || b.requested) << "a request was forgotten: " << context();
    ASSERT_TRUE(!a.escalated || b.escalated) << context();
    ASSERT_TRUE(!a.dropped || b.dropped) << context();
    ASSERT_TRUE(!a.taken || b.taken) << "a result could be taken twice: " << context();
  }
  if (a.run == Done && !end_of_life) {
    ASSERT_EQ(b.run, unsigned{Done}) << "left Done: " << context();
    ASSERT_EQ(b.phase, a.phase) << context();
  }
  if (a.run == Free && !new_life) { ASSERT_EQ(b.run, unsigned{Free}) << context(); }
  if (a.run == Idle && b.run != Idle) {
    ASSERT_TRUE(b.run == Active && b.claimed && !a.claimed) << "woken without a claim: " << context();
  }
  if (b.run == Idle && a.run != Idle) {
    ASSERT_TRUE(b.armed && !b.claimed) << "asleep with nobody to claim it: " << context();
  }
  // Armed only with a new epoch, claimed only while armed and once: together at most one claim an epoch.
  if (!pending(a) && pending(b)) {
    ASSERT_EQ(b.epoch, (a.epoch + 1) % epoch_end) << context();
  } else if (b.epoch != a.epoch) {
    const bool is_granted_ahead = a.run == Active && b.run == Active && b.claimed;
    ASSERT_TRUE(name.starts_with("spend") || (name.starts_with("grant") && is_granted_ahead)) << context();
    ASSERT_EQ(b.epoch, (a.epoch + 1) % epoch_end) << context();
    ASSERT_FALSE(pending(a)) << "a wait that is on was passed over: " << context();
  }
  if (!a.claimed && b.claimed && b.epoch == a.epoch) { ASSERT_TRUE(pending(a) && b.armed) << context(); }
  if (a.claimed && !b.claimed) {
    ASSERT_TRUE(!pending(b) || b.epoch != a.epoch) << "the same epoch could be claimed again: " << context();
  }
  if (a.looked_at && !b.looked_at) {
    ASSERT_TRUE(name == "look_away" || new_life || end_of_life) << "a look was forgotten: " << context();
  }
  if (!a.looked_at && b.looked_at) {
    ASSERT_TRUE(a.run == Idle && pending(a)) << "a look at one that may be stepped: " << context();
  }
  if (b.mask_epoch != a.mask_epoch) {
    ASSERT_TRUE(!a.masked && b.masked && b.mask_epoch == (a.mask_epoch + 1) % mask_epoch_end) << context();
  }
}

TEST(TaskWord, NoTransitionBreaksTheProtocol) {
  for (const Rule& rule : rules(some_epochs, some_mask_epochs)) {
    for_every_word([&](TaskWord w) {
      if (task_word::Next next = rule.transition(w)) check_edge(w, *next, rule.name);
    });
    if (HasFatalFailure()) return;
  }
}

/// All words that two lives can reach, by any order of transitions, with waits and masks bounded.
std::unordered_set<std::uint64_t> reachable(std::uint64_t epochs_max, std::uint64_t mask_epochs_max) {
  std::vector<std::uint64_t> epochs, masks;
  for (std::uint64_t i = 0; i <= epochs_max; ++i) epochs.push_back(i);
  for (std::uint64_t i = 0; i <= mask_epochs_max; ++i) masks.push_back(i);
  const std::vector<Rule> all = rules(epochs, masks);
  std::unordered_set<std::uint64_t> seen{0};
  std::deque<TaskWord> todo{TaskWord{}};
  while (!todo.empty()) {
    TaskWord w = todo.front();
    todo.pop_front();
    for (const Rule& rule : all) {
      if (rule.by == By::Stepper && w.looked_at()) continue;  // it waits
      task_word::Next next = rule.transition(w);
      if (!next || next->epoch() > epochs_max || next->mask_epoch() > mask_epochs_max) continue;
      if (seen.insert(next->bits).second) todo.push_back(*next);
    }
  }
  return seen;
}

TEST(TaskWord, WhatCanBeReachedIsConsistent) {
  const auto words = reachable(2, 2);
  EXPECT_GT(words.size(), 1000u);
  for (std::uint64_t bits : words) {
    TaskWord w{bits};
    Fields f = unpack(w);
    ASSERT_LE(f.run, unsigned{Done}) << show(w);
    ASSERT_LE(f.phase, unsigned{PCompleted}) << show(w);
    ASSERT_TRUE(!f.claimed || f.armed) << show(w);
    ASSERT_TRUE(!f.by_request || f.claimed) << show(w);
    ASSERT_TRUE(!f.stubborn || f.armed) << show(w);
    ASSERT_TRUE(!f.by_request || !f.stubborn) << "a request ended a stubborn wait: " << show(w);
    ASSERT_EQ(f.run == Done, f.phase == PCompleted) << show(w);
    ASSERT_TRUE(!f.taken || f.run == Done) << show(w);
    ASSERT_TRUE(f.run != Idle || (f.armed && !f.claimed)) << "sleeps and nobody can wake it: " << show(w);
    ASSERT_TRUE(!f.looked_at || f.run == Idle || (f.run == Active && f.claimed))
        << "looked at, and its wait has gone: " << show(w);
    ASSERT_TRUE(f.phase != PRunning) << "which of the two is told by the steps: " << show(w);
    ASSERT_TRUE(f.run != Done || !pending(f)) << show(w);
    ASSERT_TRUE(!f.requested || f.phase >= PCancelRequested) << show(w);
    ASSERT_TRUE(f.phase != PCancelRequested && f.phase != PCancelling ? true : f.requested) << show(w);
    if (f.run == Free) { ASSERT_EQ(f, clean(f, Free)) << "a free record remembers its last life: " << show(w); }
  }
}

TEST(TaskWord, AStaleClaimNeverSucceedsInALaterWaitOrLife) {
  TaskWord w{};
  w = *task_word::birth(w, true);
  w = *task_word::prepare(w, false);
  const std::uint64_t first = w.epoch();
  w = *task_word::disarm(w);
  EXPECT_FALSE(task_word::claim(w, first, false));
  w = *task_word::prepare(w, false);
  EXPECT_FALSE(task_word::claim(w, first, false));
  EXPECT_FALSE(task_word::claim(w, first, true));
  const std::uint64_t second = w.epoch();
  w = *task_word::finalize(w);
  EXPECT_FALSE(task_word::claim(w, second, false)) << "the wait ended with the body";
  w = *task_word::release(*task_word::complete(w));
  w = *task_word::prepare(*task_word::birth(w, false), true);
  EXPECT_FALSE(task_word::claim(w, first, false));
  EXPECT_FALSE(task_word::claim(w, second, false));
  EXPECT_TRUE(task_word::claim(w, w.epoch(), false));
}

TEST(TaskWord, AParkedWaitIsClaimedByWhoeverRegisteredItsEpochBefore) {
  TaskWord w = *task_word::birth(TaskWord{}, true);
  const std::uint64_t next = w.next_epoch().epoch();
  EXPECT_FALSE(task_word::claim(w, next, false)) << "the task has not parked";
  w = *task_word::park(w);
  EXPECT_EQ(w.run(), RunState::Idle);
  EXPECT_EQ(w.epoch(), next);
  w = *task_word::claim(w, next, false);
  EXPECT_EQ(w.run(), RunState::Active);
  EXPECT_FALSE(task_word::claim(w, next, false));
  EXPECT_EQ(task_word::park(w)->epoch(), next + 1) << "no step begins with a transition";
  const std::uint64_t given_away = w.next_epoch().epoch();
  w = *task_word::request(w);
  EXPECT_FALSE(task_word::park(w)) << "a request is to be seen first";
  w = *task_word::prepare(*task_word::mask(*task_word::spend_epoch(w)), false);
  EXPECT_FALSE(task_word::claim(w, given_away, false)) << "a late claim of the refused park ended another wait";
}

TEST(TaskWord, AnAnnouncedWaitIsGrantedBeforeItsParkOrAfterItAndOnce) {
  TaskWord w = *task_word::birth(TaskWord{}, true);
  const std::uint64_t epoch = w.next_epoch().epoch();
  EXPECT_FALSE(task_word::claim(w, epoch, false)) << "only a grant is told of announcements";
  const TaskWord early = *task_word::claim_announced(w, epoch);
  EXPECT_EQ(early.run(), RunState::Active);
  EXPECT_TRUE(early.claimed() && early.epoch() == epoch);
  EXPECT_FALSE(task_word::claim_announced(early, epoch)) << "it is granted once";
  EXPECT_FALSE(task_word::park_announced(early, epoch)) << "the step goes on";
  EXPECT_FALSE(task_word::spend_announced(early, epoch)) << "the grant stands, a request is seen later";
  const TaskWord parked = *task_word::park_announced(w, epoch);
  EXPECT_EQ(parked, *task_word::park(w));
  EXPECT_EQ(task_word::claim_announced(parked, epoch)->run(), RunState::Active);
  const TaskWord asked = *task_word::request(w);
  EXPECT_FALSE(task_word::park_announced(asked, epoch)) << "a request is to be seen first";
  const TaskWord spent = *task_word::spend_announced(asked, epoch);
  EXPECT_FALSE(task_word::claim_announced(spent, epoch)) << "a late grant finds nobody";
  EXPECT_FALSE(task_word::claim_announced(*task_word::prepare(*task_word::mask(spent), false), epoch));
}

TEST(TaskWord, ALookIsOfOneWaitByOneLookerAndOutlivesItsClaim) {
  TaskWord w = *task_word::prepare(*task_word::birth(TaskWord{}, true), false);
  const std::uint64_t epoch = w.epoch();
  EXPECT_FALSE(task_word::look(w, epoch)) << "the task still runs";
  w = *task_word::commit(w);
  EXPECT_FALSE(task_word::look(w, epoch - 1)) << "that wait has gone";
  w = *task_word::look(w, epoch);
  EXPECT_FALSE(task_word::look(w, epoch)) << "one looks at a time";
  w = *task_word::claim(w, epoch, false);
  EXPECT_TRUE(w.looked_at()) << "who steps it next has to see that somebody looks";
  w = *task_word::look_away(w);
  EXPECT_FALSE(task_word::look(w, epoch)) << "it may be stepped at any time";
  EXPECT_FALSE(task_word::look_away(w));
}

TEST(TaskWord, ThePhaseOfOneThatHasHadItsFirstStepIsRunning) {
  TaskWord w = *task_word::birth(TaskWord{}, true);
  EXPECT_EQ(phase_of(w, 0), TaskPhase::Created);
  EXPECT_EQ(phase_of(w, 1), TaskPhase::Running);
  EXPECT_EQ(phase_of(*task_word::request(w), 1), TaskPhase::CancelRequested);
}

TEST(TaskWord, TheCellMakesEachClaimOnceAmongThreads) {
  constexpr int rounds = 2000, threads = 3;
  TaskWordCell<> cell;
  cell.apply([](TaskWord w) { return task_word::birth(w, true); });
  std::atomic<int> turn{0}, arrived{0}, wins{0};
  std::vector<std::thread> claimants;
  for (int t = 0; t < threads; ++t) {
    claimants.emplace_back([&, t] {
      for (int round = 1; round <= rounds; ++round) {
        while (turn.load() < round) std::this_thread::yield();
        const bool by_request = t == 0;
        std::uint64_t epoch = cell.load().epoch();
        if (cell.apply([&](TaskWord w) { return task_word::claim(w, epoch, by_request); })) wins.fetch_add(1);
        arrived.fetch_add(1);
      }
    });
  }
  for (int round = 1; round <= rounds; ++round) {
    ASSERT_TRUE(cell.apply([](TaskWord w) { return task_word::prepare(w, false); }).made);
    turn.store(round);
    cell.apply([](TaskWord w) { return task_word::commit(w); });
    while (arrived.load() < round * threads) std::this_thread::yield();
    ASSERT_EQ(wins.load(), round);
  }
  for (std::thread& thread : claimants) thread.join();
}

}  // namespace
}  // namespace quiesce::detail
