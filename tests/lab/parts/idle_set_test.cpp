// Sleeping and waking: the idle set with the queues whose look before sleeping it relies on, and the parkers.
#include "quiesce/detail/exec/idle_set.hpp"

#include <gtest/gtest.h>

#include <array>
#include <mutex>

#include "exploring.hpp"
#include "quiesce/lab/mutex.hpp"
#include "workers.hpp"

namespace quiesce::lab::parts {
namespace {

/// So many workers wait for the injector's items, of which there are as many.
std::function<void()> workers_of_injector(std::uint32_t count, Flaw flaw = Flaw::None) {
  return [=] {
    Workers workers(count, flaw);
    Injector injector;
    const auto push = [&](Item* item) { injector.push(item); };
    std::vector<std::function<void()>> bodies{[&] {
      for (std::uint32_t i = 0; i < count; ++i) workers.give(push, i);
    }};
    for (std::uint32_t i = 0; i < count; ++i) {
      bodies.push_back([&, i] {
        workers.run(
            i, [&] { return injector.pop(); }, [&] { return injector.empty(); });
      });
    }
    run_threads(bodies);
  };
}

/// One worker searches, the other sleeps already. The searcher takes one of two items and keeps the notifier from waking the sleeper;
/// so it has to.
std::function<void()> searcher_and_sleeper(Flaw flaw = Flaw::None) {
  return [=] {
    Workers workers(2, flaw);
    Injector injector;
    const auto push = [&](Item* item) { injector.push(item); };
    const auto pop = [&] { return injector.pop(); };
    const auto empty = [&] { return injector.empty(); };
    lab::check(workers.idle.try_become_searcher(), "nobody searches yet");
    workers.idle.prepare_park(1);
    run_threads({[&] {
                   workers.give(push, 0);
                   workers.give(push, 1);
                 },
                 [&] { workers.run(0, pop, empty, true); },
                 [&] {
                   workers.parkers[1].park();
                   workers.run(1, pop, empty, workers.idle.finish_park(1) == Woken::AsSearcher);
                 }});
  };
}

/// One worker searches, and the other may not: it leaves what it sees to the first, which takes one of two items.
std::function<void()> searcher_and_another(Flaw flaw = Flaw::None) {
  return [=] {
    Workers workers(2, flaw, true);
    Injector injector;
    const auto push = [&](Item* item) { injector.push(item); };
    const auto pop = [&] { return injector.pop(); };
    const auto empty = [&] { return injector.empty(); };
    lab::check(workers.idle.try_become_searcher(), "nobody searches yet");
    run_threads({[&] {
                   workers.give(push, 0);
                   workers.give(push, 1);
                 },
                 [&] { workers.run(0, pop, empty, true); }, [&] { workers.run(1, pop, empty); }});
  };
}

/// Work for one worker only, in its inbox.
std::function<void()> worker_with_inbox(bool looks = true) {
  return [=] {
    quiesce::detail::IdleSet<LabPlatform> idle(1);
    quiesce::detail::Parker<LabPlatform> parker;
    Injector inbox;
    Item item;
    run_threads({[&] {
                   item.fill();
                   inbox.push(&item);
                   if (idle.claim(0)) parker.unpark();
                 },
                 [&] {
                   for (;;) {
                     if (Item* mine = inbox.pop()) return mine->take();
                     idle.prepare_park(0);
                     if (!looks || inbox.empty()) parker.park();
                     (void)idle.finish_park(0);
                   }
                 }});
  };
}

/// A stop finds every sleeper.
void stopping() {
  quiesce::detail::IdleSet<LabPlatform> idle(1);
  quiesce::detail::Parker<LabPlatform> parker;
  LabPlatform::atomic<bool> stops{false};
  run_threads({[&] {
                 stops.store(true);
                 while (const auto worker = idle.claim_any()) parker.unpark();
               },
               [&] {
                 while (!stops.load()) {
                   idle.prepare_park(0);
                   if (!stops.load()) parker.park();
                   (void)idle.finish_park(0);
                 }
               }});
}

/// Who comes and who goes is counted.
std::function<void()> counted(bool claims) {
  return [=] {
    quiesce::detail::IdleSet<LabPlatform> idle(3);
    idle.prepare_park(2);
    const auto search = [&] {
      if (idle.try_become_searcher()) (void)idle.stop_searching();
    };
    const auto sleep = [&] {
      idle.prepare_park(1);
      if (idle.finish_park(1) == Woken::AsSearcher) (void)idle.stop_searching();
    };
    if (claims) {
      run_threads({search, [&] { (void)idle.claim_one(); }});
    } else {
      run_threads({search, sleep});
    }
    if (idle.finish_park(2) == Woken::AsSearcher) (void)idle.stop_searching();
    lab::check(idle.parked() == 0 && idle.searching() == 0, "nobody sleeps or searches");
  };
}

const char* const by_what_follows =
    "a notifier that has read the count before this is before the worker's next seq_cst operation on it, too: "
    "the increment of "
    "prepare_park, or the load of claim_one. Kept: the proof in idle_set.hpp is shorter with it, and it costs "
    "nothing on x86";
const char* const by_the_lock =
    "who reads an older flag of a sleeper goes to the lock and looks again; who reads a newer one leaves the "
    "work to a look that comes "
    "after the flag's next seq_cst store";

Part sleeping() {
  return {.name = "idle set",
          .files = {"idle_set.hpp", "injector.hpp"},
          .scenarios = {{"one worker, one item", workers_of_injector(1)},
                        {"a thief that sleeps", thief_of_deque()},
                        {"an inbox", worker_with_inbox()},
                        {"stopping", stopping},
                        {"counted", counted(false)},
                        {"counted, with a claim", counted(true)},
                        {.name = "a searcher and a sleeper",
                         .body = searcher_and_sleeper(),
                         .sc_exhausts = false,
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false},
                        {.name = "a searcher and one who may not search",
                         .body = searcher_and_another(),
                         .sc_exhausts = false,
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false},
                        {.name = "two workers, two items",
                         .body = workers_of_injector(2),
                         .sc_exhausts = false,
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false}},
          .kept = {
              {"claim_one: fetch_add, seq_cst -> relaxed", by_what_follows},
              {"stop_searching: fetch_sub, seq_cst -> relaxed", by_what_follows},
              {"take_off: fetch_sub, seq_cst -> relaxed",
               "an older count of sleepers only sends a notifier to the lock, where it looks again"},
              {"try_become_searcher: compare_exchange, seq_cst -> relaxed", by_what_follows},
              {"try_become_searcher: load, seq_cst -> relaxed", "the compare-exchange looks again"},
              {"claim_one: load 2, seq_cst -> relaxed",
               "the sleepers change under the lock only; that somebody searches now is case b with the first "
               "load in its place"},
              {"claim_one: store, seq_cst -> relaxed", by_the_lock},
              {"take_off: store, seq_cst -> relaxed", by_the_lock},
              {"parked: load, seq_cst -> relaxed", "a moment's view, for statistics"},
              {"searching: load, seq_cst -> relaxed", "a moment's view, for statistics"},
          }};
}

TEST(IdleSetInLab, NoWakeUpIsLost) { expect_holds(sleeping()); }
TEST(IdleSetInLab, EveryOrderIsNeeded) { expect_mutants_caught(sleeping()); }

TEST(IdleSetInLab, TheLoopNeedsEachOfItsSteps) {
  expect_breaks("no second look", workers_of_injector(1, Flaw::NoSecondLook));
  expect_breaks("look before announcing", workers_of_injector(1, Flaw::LookBefore));
  expect_breaks("wake before giving", workers_of_injector(1, Flaw::WakeBeforeGiving));
  expect_breaks("no second look at the deque", thief_of_deque(Flaw::NoSecondLook));
  expect_breaks("no look at the inbox", worker_with_inbox(false));
  expect_breaks("no chain of wake-ups", searcher_and_sleeper(Flaw::NoChain));
  expect_breaks("no search after the last look", searcher_and_sleeper(Flaw::NoSearchAfterLook));
  expect_breaks("asks whether it may search before announcing", searcher_and_another(Flaw::AsksBefore));
}

// ---- the injector by itself ----

/// Some push, some pop; what is left is taken at the end.
std::function<void()> injector_with(std::size_t pushing, int popping, bool by_batches) {
  return [=] {
    Injector injector;
    std::array<Item, 3> items;
    const auto pop = [&] {
      if (!by_batches) {
        if (Item* item = injector.pop()) item->take();
        return;
      }
      Injector::Batch batch = injector.pop_batch(2);
      while (Item* item = batch.pop_front()) item->take();
    };
    std::vector<std::function<void()>> bodies;
    for (std::size_t i = 0; i < pushing; ++i) {
      bodies.push_back([&, i] {
        items[i].fill();
        if (!by_batches) return injector.push(&items[i]);
        Injector::Batch batch;
        batch.push_back(&items[i]);
        items[2].fill();
        batch.push_back(&items[2]);
        injector.push_batch(std::move(batch));
      });
    }
    bodies.insert(bodies.end(), static_cast<std::size_t>(popping), pop);
    run_threads(bodies);
    while (Item* item = injector.pop()) item->take();
    lab::check(injector.empty(), "nothing is left");
    for (std::size_t i = 0; i < pushing; ++i) lab::check(items[i].state.read() == 2, "no item is lost");
    lab::check(!by_batches || items[2].state.read() == 2, "no item of a batch is lost");
  };
}

TEST(InjectorInLab, NothingIsLostOrTakenTwice) {
  expect_holds({.name = "injector",
                .files = {},
                .scenarios = {{"one pushes, one pops", injector_with(1, 1, false)},
                              {"two push", injector_with(2, 0, false)},
                              {"a batch", injector_with(1, 1, true)},
                              {.name = "two push, one pops",
                               .body = injector_with(2, 1, false),
                               .weak_exhausts = false,
                               .weak_runs = 1'000}}});
}

// ---- a worker that sleeps until its next timer is due ----

/// Another thread arms a timer that is due before the one the worker sleeps for (runtime/worker.cpp: arm and park).
std::function<void()> arm_against_park(bool tells) {
  return [=] {
    constexpr int never = 1'000;
    lab::mutex timers;
    int next_deadline = never, sleeping_until = 0;  // under it; 0: awake
    quiesce::detail::Parker<LabPlatform> parker;
    run_threads({[&] {
                   bool wake = false;
                   {
                     const std::scoped_lock hold(timers);
                     next_deadline = 5;
                     wake = sleeping_until != 0 && next_deadline < sleeping_until;
                     if (wake) sleeping_until = next_deadline;
                   }
                   if (wake && tells) parker.unpark();
                 },
                 [&] {
                   for (;;) {
                     {
                       const std::scoped_lock hold(timers);
                       if (next_deadline == 5) return;
                       sleeping_until = next_deadline;
                     }
                     parker.park();  // nothing is due before that: as good as for ever
                     const std::scoped_lock hold(timers);
                     sleeping_until = 0;
                   }
                 }});
  };
}

TEST(TimersInLab, AnEarlierTimerWakesTheSleeper) {
  expect_holds({.name = "timers", .files = {}, .scenarios = {{"arm against park", arm_against_park(true)}}});
  expect_breaks("arms without telling", arm_against_park(false));
}

}  // namespace
}  // namespace quiesce::lab::parts
