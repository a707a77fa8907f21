// The region word: admission, closing, spares and lives; and how a request reaches every task, as kernel/task.cpp, kernel/region.cpp and
// kernel/cancel.cpp do them.
#include "quiesce/detail/kernel/region_word.hpp"

#include <gtest/gtest.h>

#include <array>
#include <mutex>
#include <utility>

#include "exploring.hpp"
#include "quiesce/detail/kernel/task_word.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/mutex.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

using quiesce::detail::Gate;
using quiesce::detail::RegionStep;
using quiesce::detail::RegionWord;
using quiesce::detail::TaskWord;
using Cell = quiesce::detail::RegionWordCell<LabPlatform>;
namespace region_word = quiesce::detail::region_word;
namespace task_word = quiesce::detail::task_word;
constexpr std::memory_order relaxed = std::memory_order_relaxed;

enum class Flaw : std::uint8_t {
  None,
  CountBeforeEnd,    // a task leaves the count before it has ended
  RefusedKeeps,      // a refused spawner does not subtract again
  RefusedIsIdle,     // it subtracts, and does not look whether it has reached zero
  LooksFirst,        // admitted by a look, counted afterwards
  LastLeavesSpares,  // who leaves a shard empty does not look whether the body is gone
  FlushBeforeLive    // the spares are collected before `body_live` goes
};

/// One record. A task's state: 0 none, 1 alive, 2 ended.
struct Region {
  Cell word;
  LabPlatform::atomic<bool> body_live{true};
  LabPlatform::atomic<std::uint32_t> owed{1};  // the finalizer phase's token
  struct Shard {
    lab::mutex lock;
    std::uint32_t spare = 0, members = 0;
  };
  std::array<Shard, 2> shards;
  std::array<lab::shared<int>, 3> states;
  lab::shared<int> finalized{0};
  lab::shared<int> obligation{0};  // 1: reserved, 2: resolved
  bool is_closed = false;
  std::uint32_t generation;

  Region() {
    word.apply([](RegionWord w) { return region_word::birth(w); });
    generation = word.load().generation();
  }

  void release_live(std::uint32_t count = 1) {
    const RegionWord before = word.sub(count);
    if (!region_word::reached_zero(before, count)) return;
    if (!word.apply([&](RegionWord w) { return region_word::finalize(w, before.generation()); })) return;
    for (auto& state : states) lab::check(state.read() != 1, "no task outlives its region");
    finalized.update([](int& times) { ++times; });
    release_owed();
  }
  void release_owed() {
    if (owed.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    lab::check(obligation.read() != 1, "a region closes when nothing is owed");
    lab::check(word.apply([](RegionWord w) { return region_word::close(w); }).made, "a region closes once");
    is_closed = true;
  }
  void expect_closed() {
    lab::check(is_closed && finalized.read() == 1, "the region has closed, after one finalizer phase");
    lab::check(word.load().live() == 0, "nobody is counted any more");
  }

  /// A task's whole life, by a spawner who names the generation; without spares.
  void spawn(std::size_t task, std::uint32_t names, Flaw flaw = Flaw::None) {
    RegionWord before = word.load();
    if (flaw != Flaw::LooksFirst) before = word.add_one();
    const bool admitted = region_word::admits(before, names);
    if (flaw == Flaw::LooksFirst && admitted) word.add_one();
    if (!admitted) {
      if (flaw == Flaw::RefusedIsIdle) word.sub_one();
      if (flaw == Flaw::None || flaw == Flaw::CountBeforeEnd) release_live();
      return;
    }
    states[task].write(1);
    if (flaw == Flaw::CountBeforeEnd) release_live();
    states[task].write(2);
    if (flaw != Flaw::CountBeforeEnd) release_live();
  }
  void close_by_body(bool begins_close) {
    if (begins_close) word.apply([&](RegionWord w) { return region_word::begin_close(w, generation); });
    release_live();
  }

  // ---- with spares ----

  static constexpr std::uint32_t lease = 2;

  void spawn_with_spares(std::size_t task, std::size_t in, Flaw flaw = Flaw::None) {
    Shard& shard = shards[in];
    bool admitted = false;
    std::uint32_t taken = 0;
    {
      const std::scoped_lock hold(shard.lock);
      if (shard.spare > 0) {
        admitted = region_word::admits(word.load(), generation);
        if (admitted) --shard.spare;
      } else {
        taken = lease;
        admitted = region_word::admits(word.add(taken), generation);
        if (admitted) shard.spare += taken - 1;
      }
      if (admitted) ++shard.members;
    }
    if (!admitted) {
      if (taken > 0) release_live(taken);
      return;
    }
    states[task].write(1);
    std::uint32_t leaving = 0;
    {
      const std::scoped_lock hold(shard.lock);
      states[task].write(2);
      --shard.members;
      ++shard.spare;
      const bool somebody_comes = shard.members > 0 || flaw == Flaw::LastLeavesSpares || body_live.load();
      if (!somebody_comes) leaving = std::exchange(shard.spare, 0);
    }
    if (leaving > 0) release_live(leaving);
  }
  void end_body_with_spares(std::size_t used, Flaw flaw = Flaw::None) {
    if (flaw != Flaw::FlushBeforeLive) body_live.store(false);
    std::uint32_t count = 1;
    for (std::size_t i = 0; i < used; ++i) {
      const std::scoped_lock hold(shards[i].lock);
      count += std::exchange(shards[i].spare, 0);
    }
    if (flaw == Flaw::FlushBeforeLive) body_live.store(false);
    release_live(count);
  }
};

std::function<void()> admission(std::size_t spawners, bool begins_close, Flaw flaw = Flaw::None) {
  return [=] {
    Region region;
    std::vector<std::function<void()>> bodies{[&] { region.close_by_body(begins_close); }};
    for (std::size_t i = 0; i < spawners; ++i)
      bodies.push_back([&, i] { region.spawn(i, region.generation, flaw); });
    run_threads(bodies);
    region.expect_closed();
  };
}

/// A spawner that names another life is refused and disturbs nobody.
void stale_spawner() {
  Region region;
  run_threads({[&] { region.close_by_body(false); },
               [&] {
                 region.spawn(0, region.generation - 1);
                 lab::check(region.states[0].read() == 0, "it is refused");
               }});
  region.expect_closed();
}

/// The record's next life begins while a late spawner of the last still counts.
void next_life() {
  Region region;
  const std::uint32_t first = region.generation;
  run_threads({[&] {
                 region.close_by_body(false);
                 // A spawner that has been admitted, or counts for a moment, may close it later; then there is no next life here.
                 const RegionStep born = region.word.apply([](RegionWord w) { return region_word::birth(w); });
                 if (!born.made) return;
                 lab::check(region.word.load().generation() == first + 1, "a new life has its own generation");
                 region.finalized.write(0);
                 region.is_closed = false;
                 region.owed.store(1, relaxed);
                 region.release_live();
               },
               [&] { region.spawn(0, first); }});
  region.expect_closed();
}

std::function<void()> spares(std::size_t spawners, std::size_t shards, Flaw flaw = Flaw::None) {
  return [=] {
    Region region;
    std::vector<std::function<void()>> bodies{[&] { region.end_body_with_spares(shards, flaw); }};
    for (std::size_t i = 0; i < spawners; ++i)
      bodies.push_back([&, i] { region.spawn_with_spares(i, i % shards, flaw); });
    run_threads(bodies);
    region.expect_closed();
  };
}

/// Something is owed beyond the end of all tasks: whoever settles last closes.
void owed() {
  Region region;
  region.owed.store(2, relaxed);
  region.obligation.write(1);
  run_threads({[&] { region.close_by_body(false); },
               [&] {
                 region.obligation.write(2);
                 region.release_owed();
               }});
  region.expect_closed();
}

// ---- a request reaches every task ----

enum class Reach : std::uint8_t {
  Right,
  WalksFirst,        // reaches the tasks, then marks the region
  AdmitsBeforeLock,  // a spawner is admitted, then takes the shard's lock and links
  BodyDoesNotLook    // a body that was linked does not look at the region again
};

/// A region with a list of tasks, a canceller that marks and walks, a spawner and a body that link.
struct Reached {
  Cell word;
  lab::mutex shard;
  std::vector<std::size_t> members;  // under it
  std::array<quiesce::detail::TaskWordCell<LabPlatform>, 2> tasks;
  std::uint32_t generation;

  Reached() {
    word.apply([](RegionWord w) { return region_word::birth(w); });
    generation = word.load().generation();
    for (auto& task : tasks) task.apply_alone([](TaskWord w) { return task_word::birth(w, true); });
  }
  void request(std::size_t task) {
    tasks[task].apply([](TaskWord w) { return task_word::request(w); });
  }
  void mark() {
    word.apply([&](RegionWord w) { return region_word::cancel(w, generation); });
  }
  void walk() {
    const std::scoped_lock hold(shard);
    for (const std::size_t task : members) request(task);
  }
  void link(std::size_t task) { members.push_back(task); }
  /// True if it was admitted.
  bool spawn(std::size_t task, bool before_lock) {
    if (before_lock) {
      if (!region_word::admits(word.add_one(), generation)) return false;
      const std::scoped_lock hold(shard);
      link(task);
      return true;
    }
    const std::scoped_lock hold(shard);
    if (!region_word::admits(word.add_one(), generation)) return false;
    link(task);
    return true;
  }
  void publish_body(std::size_t task, bool looks) {
    {
      const std::scoped_lock hold(shard);
      link(task);
    }
    if (looks && word.load().cancelled()) request(task);
  }
};

std::function<void()> reach(Reach how) {
  return [=] {
    Reached region;
    bool admitted = false;
    run_threads({[&] {
                   if (how == Reach::WalksFirst) region.walk();
                   region.mark();
                   if (how != Reach::WalksFirst) region.walk();
                 },
                 [&] { admitted = region.spawn(0, how == Reach::AdmitsBeforeLock); },
                 [&] { region.publish_body(1, how != Reach::BodyDoesNotLook); }});
    lab::check(!admitted || region.tasks[0].load().requested(), "whoever was admitted is reached");
    lab::check(region.tasks[1].load().requested(), "the body is reached");
  };
}

const char* const under_a_lock =
    "what has to be seen here was done before its maker took a lock that the looker has taken since, or the "
    "other way round";

Part region() {
  return {
      .name = "region word",
      .files = {"region_word.hpp", "region_word_test.cpp"},
      .scenarios = {{"admission against the end of the body", admission(1, false)},
                    {"admission against a close", admission(1, true)},
                    {.name = "two admissions against the end",
                     .body = admission(2, false),
                     .weak_exhausts = false,
                     .weak_runs = 2'000,
                     .judges_mutants = false},
                    {"a stale spawner", stale_spawner},
                    {"the next life", next_life},
                    {"spares, one spawner", spares(1, 1)},
                    {.name = "spares, two spawners, one shard", .body = spares(2, 1), .judges_mutants = false},
                    {.name = "spares, two shards", .body = spares(2, 2), .judges_mutants = false},
                    {"what is owed", owed},
                    {"a canceller, a spawner, a body", reach(Reach::Right)}},
      .kept = {
          {"add: fetch_add, seq_cst -> relaxed",
           "who is admitted goes on with what it has from its scope; the count only decides. Kept, as the "
           "other orders here: a "
           "read-modify-write costs the same on x86, and admission without a lock may come to need it"},
          {"sub: fetch_sub, seq_cst -> release",
           "who reaches zero acquires by the compare-exchange to Finalizing"},
          {"apply: compare_exchange, seq_cst -> acq_rel", under_a_lock},
          {"apply: load, seq_cst -> relaxed",
           "the compare-exchange looks again; what it refuses an older word did not allow either"},
          {"load: load, seq_cst -> relaxed", under_a_lock},
          {"end_body_with_spares: store, seq_cst -> relaxed", under_a_lock},
          {"spawn_with_spares: load, seq_cst -> relaxed", under_a_lock},
      }};
}

TEST(RegionWordInLab, NoTaskOutlivesItsRegionAndItCloses) { expect_holds(region()); }
TEST(RegionWordInLab, EveryOrderIsNeeded) { expect_mutants_caught(region()); }

TEST(RegionWordInLab, EveryStepIsNeeded) {
  expect_breaks("a task leaves before its end", admission(1, false, Flaw::CountBeforeEnd));
  expect_breaks("a refused spawner stays counted", admission(1, true, Flaw::RefusedKeeps));
  expect_breaks("a refused spawner does not look at zero", admission(1, true, Flaw::RefusedIsIdle));
  expect_breaks("a look admits", admission(1, false, Flaw::LooksFirst));
  expect_breaks("the last spares are left", spares(1, 1, Flaw::LastLeavesSpares));
  expect_breaks("spares are collected too early", spares(1, 1, Flaw::FlushBeforeLive));
}

TEST(RegionWordInLab, ARequestReachesEveryTask) {
  expect_breaks("walks before it marks", reach(Reach::WalksFirst));
  expect_breaks("admitted before the lock", reach(Reach::AdmitsBeforeLock));
  expect_breaks("a body does not look again", reach(Reach::BodyDoesNotLook));
}

}  // namespace
}  // namespace quiesce::lab::parts
