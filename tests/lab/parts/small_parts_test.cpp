// The smaller parts: the LIFO slot, the mark of posted work, references, the depot of free blocks.
#include <gtest/gtest.h>

#include <array>
#include <mutex>

#include "exploring.hpp"
#include "quiesce/detail/coro/batch_depot.hpp"
#include "quiesce/detail/exec/lifo_slot.hpp"
#include "quiesce/detail/intrusive_ptr.hpp"
#include "quiesce/detail/kernel/references.hpp"
#include "quiesce/detail/kernel/work_item.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/mutex.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

constexpr std::memory_order relaxed = std::memory_order_relaxed;

// ---- the LIFO slot ----

struct Item {
  lab::shared<int> state{0};  // 1: put in, 2: taken

  void fill() { state.write(1); }
  void take() {
    state.update([](int& now) {
      lab::check(now == 1, "an item is taken once, with what it was put in with");
      now = 2;
    });
  }
};

/// The owner puts so many in and takes what it displaces; others take.
std::function<void()> slot_with(std::size_t puts, std::size_t thieves) {
  return [=] {
    quiesce::detail::LifoSlot<Item, LabPlatform> slot;
    std::array<Item, 3> items;
    const auto take = [](Item* item) {
      if (item != nullptr) item->take();
    };
    const auto steal_if_there = [&] {
      if (slot.peek() != nullptr) take(slot.steal());
    };
    std::vector<std::function<void()>> bodies{[&] {
      for (std::size_t i = 0; i < puts; ++i) {
        items[i].fill();
        take(slot.put(&items[i]));
      }
      if (slot.peek() != nullptr) take(slot.take());
    }};
    bodies.insert(bodies.end(), thieves, steal_if_there);
    run_threads(bodies);
    steal_if_there();
    for (std::size_t i = 0; i < puts; ++i) lab::check(items[i].state.read() == 2, "no item is lost");
  };
}

/// Its orders are those of the lock (owned_lock_test.cpp).
Part lifo_slot() {
  return {.name = "LIFO slot",
          .files = {"lifo_slot.hpp"},
          .scenarios = {{"one put, one thief", slot_with(1, 1)},
                        {"two puts, one thief", slot_with(2, 1)},
                        {.name = "three puts, one thief",
                         .body = slot_with(3, 1),
                         .weak_exhausts = false,
                         .weak_runs = 2'000},
                        {.name = "two puts, two thieves",
                         .body = slot_with(2, 2),
                         .sc_exhausts = false,
                         .weak_exhausts = false,
                         .weak_runs = 2'000}}};
}

TEST(LifoSlotInLab, NothingIsLostOrTakenTwice) { expect_holds(lifo_slot()); }

// ---- the mark of posted work ----

/// Each has something to be seen, and posts when it finds the mark clear; the worker looks once for each post.
std::function<void()> posts(int posters) {
  return [=] {
    quiesce::detail::PostMark<LabPlatform> mark;
    lab::atomic<int> there[2] = {0, 0};
    lab::atomic<int> posted{0};
    int seen = 0;
    std::vector<std::function<void()>> bodies{[&] {
      for (int run = 0; seen < posters; ++run) {
        posted.wait(run, std::memory_order_acquire);
        mark.clear();
        seen = 0;
        for (int i = 0; i < posters; ++i) seen += there[i].load(relaxed);
      }
    }};
    for (int i = 0; i < posters; ++i) {
      bodies.push_back([&, i] {
        there[i].store(1, relaxed);
        if (!mark.try_set()) return;
        posted.fetch_add(1, std::memory_order_release);
        posted.notify_one();
      });
    }
    run_threads(bodies);
  };
}

Part post_mark() {
  return {.name = "mark of posted work",
          .files = {"work_item.hpp"},
          .scenarios = {{"one poster", posts(1)}, {"two posters", posts(2)}},
          .kept = {{"try_set: exchange, acq_rel -> release",
                    "a poster needs nothing of the worker that has cleared the mark"},
                   {"clear: exchange, acq_rel -> acquire",
                    "the same: what the worker did before it cleared the mark no poster needs"}}};
}

TEST(PostMarkInLab, WhatIsThereIsSeen) { expect_holds(post_mark()); }
TEST(PostMarkInLab, EveryOrderIsNeeded) { expect_mutants_caught(post_mark()); }

TEST(PostMarkInLab, ClearingByAStoreMissesAPoster) {
  expect_breaks(
      "cleared by a store",
      [] {
        LabPlatform::atomic<bool> mark{false};
        lab::atomic<int> there{0};
        bool has_seen = false;
        bool is_posted = false;
        mark.store(true, relaxed);  // posted before; the look is to come
        run_threads({[&] {
                       mark.store(false, std::memory_order_seq_cst);
                       has_seen = there.load(relaxed) == 1;
                     },
                     [&] {
                       there.store(1, relaxed);
                       is_posted = !mark.exchange(true, std::memory_order_acq_rel);
                     }});
        lab::check(has_seen || is_posted, "it is seen, or posted");
      },
      Memory::weak);
}

// ---- references ----

/// So many owners use the node; the last destroys it.
std::function<void()> owners(int count) {
  return [=] {
    quiesce::detail::BasicRefCount<LabPlatform::atomic> references;
    lab::shared<int> node{0};
    lab::shared<int> destroyed{0};
    for (int i = 1; i < count; ++i) references.retain();
    const auto use = [&] {
      (void)node.read();
      if (!references.release()) return;
      node.write(-1);  // a race, if somebody may still read it
      destroyed.update([](int& times) { ++times; });
    };
    run_threads(std::vector<std::function<void()>>(static_cast<std::size_t>(count), use));
    lab::check(destroyed.read() == 1, "the last owner destroys it, and no other");
  };
}

/// Two owners, of which each makes a copy and lets both go.
void copied() {
  quiesce::detail::BasicRefCount<LabPlatform::atomic> references;
  lab::shared<int> node{0};
  lab::shared<int> destroyed{0};
  references.retain();
  const auto let_go = [&] {
    if (!references.release()) return;
    node.write(-1);
    destroyed.update([](int& times) { ++times; });
  };
  const auto copy = [&] {
    references.retain();
    (void)node.read();
    let_go();
    let_go();
  };
  run_threads({copy, copy});
  lab::check(destroyed.read() == 1, "the last owner destroys it, and no other");
}

Part ref_count() {
  return {.name = "reference count",
          .files = {"intrusive_ptr.hpp"},
          .scenarios = {{"two owners", owners(2)}, {"three owners", owners(3)}, {"copied", copied}}};
}

TEST(RefCountInLab, TheLastOwnerDestroys) { expect_holds(ref_count()); }
TEST(RefCountInLab, EveryOrderIsNeeded) { expect_mutants_caught(ref_count()); }

/// A record with a reference count, and the extra by which a timer finds it (kernel/mask.cpp, kernel/task.cpp).
struct Record {
  quiesce::detail::References<LabPlatform> references;
  lab::shared<int> life{1};
  lab::mutex extra_lock;
  Record* owner = this;  // in the extra, under its lock
  int freed = 0;

  void free() {
    life.write(0);
    {
      const std::scoped_lock hold(extra_lock);
      owner = nullptr;
    }
    ++freed;
  }
  /// Without an extra nobody can try.
  void drop(bool has_extra) {
    if ((!has_extra && references.is_last()) || references.drop()) free();
  }
  void look_by_timer() {
    {
      const std::scoped_lock hold(extra_lock);
      if (owner == nullptr || !owner->references.try_add()) return;
    }
    lab::check(life.read() == 1, "a record that is kept is in its life");
    drop(true);
  }
};

std::function<void()> record_with(int holders, bool timer) {
  return [=] {
    Record record;
    record.references.begin();
    for (int i = 1; i < holders; ++i) record.references.add();
    std::vector<std::function<void()>> bodies(static_cast<std::size_t>(holders), [&record, timer] {
      (void)record.life.read();
      record.drop(timer);
    });
    if (timer) bodies.push_back([&record] { record.look_by_timer(); });
    run_threads(bodies);
    lab::check(record.freed == 1, "a record is freed once");
  };
}

/// Two holders, of which each adds a reference and drops both.
void record_that_is_looked_at() {
  Record record;
  record.references.begin();
  record.references.add();
  const auto look = [&record] {
    record.references.add();
    (void)record.life.read();
    record.drop(false);
    record.drop(false);
  };
  run_threads({look, look});
  lab::check(record.freed == 1, "a record is freed once");
}

Part references() {
  return {.name = "references of a record",
          .files = {"references.hpp"},
          .scenarios = {{"two holders", record_with(2, false)},
                        {"three holders", record_with(3, false)},
                        {"one holder and a timer", record_with(1, true)},
                        {"two holders and a timer", record_with(2, true)},
                        {"looked at", record_that_is_looked_at}}};
}

TEST(ReferencesInLab, TheLastFreesTheRecord) { expect_holds(references()); }
TEST(ReferencesInLab, EveryOrderIsNeeded) { expect_mutants_caught(references()); }

TEST(ReferencesInLab, WhoCanBeTriedMustSubtract) {
  expect_breaks("dropped by a look", [] {
    Record record;
    record.references.begin();
    run_threads({[&] { record.drop(false); }, [&] { record.look_by_timer(); }});
    lab::check(record.freed == 1, "a record is freed once");
  });
}

// ---- the depot of free blocks ----

struct Block {
  Block* next = nullptr;
  Block* next_batch = nullptr;
  lab::shared<int> memory{0};
};

/// One batch is there; one thread puts another in, others take. Whoever has a block writes to it.
std::function<void()> depot_with(bool puts, int taking) {
  return [=] {
    quiesce::detail::BatchDepot<Block, LabPlatform> depot;
    std::array<Block, 2> blocks;
    depot.put(&blocks[0]);
    lab::atomic<int> taken(0);
    std::vector<std::function<void()>> bodies(static_cast<std::size_t>(taking), [&] {
      Block* batch = depot.take();
      if (batch == nullptr) return;
      batch->memory.write(2);
      taken.fetch_add(1, relaxed);
    });
    if (puts) {
      bodies.push_back([&] {
        blocks[1].memory.write(1);
        depot.put(&blocks[1]);
      });
    }
    run_threads(bodies);
    for (Block* batch = depot.take_all(); batch != nullptr; batch = batch->next_batch) {
      batch->memory.write(3);
      taken.fetch_add(1, relaxed);
    }
    lab::check(taken.load(relaxed) == (puts ? 2 : 1), "every batch is taken once");
  };
}

TEST(BatchDepotInLab, NoBlockIsLostOrHasTwoOwners) {
  expect_holds(
      {.name = "depot",
       .files = {},
       .scenarios = {{"one puts, one takes", depot_with(true, 1)}, {"two take", depot_with(false, 2)}}});
}

}  // namespace
}  // namespace quiesce::lab::parts
