// The task word: waits, claims and requests; and the join with it, as kernel/task.cpp, coro/step.cpp and scope/handle.cpp do them.
#include "quiesce/detail/kernel/task_word.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "exploring.hpp"
#include "quiesce/detail/kernel/references.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/mutex.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

using quiesce::detail::TaskStep;
using quiesce::detail::TaskWord;
using Cell = quiesce::detail::TaskWordCell<LabPlatform>;
using quiesce::detail::RunState;
namespace task_word = quiesce::detail::task_word;
constexpr std::memory_order relaxed = std::memory_order_relaxed, acquire = std::memory_order_acquire,
                            release = std::memory_order_release;

/// Where a task that can run stands until its worker steps it.
struct Lane {
  lab::atomic<int> queued{0};

  void put() {
    lab::check(queued.fetch_add(1, release) == 0, "a task is queued once");
    queued.notify_one();
  }
  void take() {
    queued.wait(0, acquire);
    lab::check(queued.exchange(0, relaxed) == 1, "a task is queued once");
  }
};

struct Task {
  Cell word;
  Lane lane;

  Task() {
    word.apply_alone([](TaskWord w) { return task_word::birth(w, true); });
  }
  bool claim(std::uint64_t epoch, bool by_request = false) {
    const TaskStep step = word.apply([=](TaskWord w) { return task_word::claim(w, epoch, by_request); });
    if (step.made && step.before.run() == RunState::Idle) lane.put();
    return step.made;
  }
  std::uint64_t prepare(bool stubborn = false) {
    const TaskStep prepared = word.apply([=](TaskWord w) { return task_word::prepare(w, stubborn); });
    lab::check(prepared.made, "no wait is on, and no request to be seen");
    return prepared.before.next_epoch().epoch();
  }
  void request() {
    word.apply([](TaskWord w) { return task_word::request(w); });
    claim(word.load().epoch(), true);
  }
  /// Sleeps, unless the wait has been claimed by now.
  void commit() {
    if (word.apply([](TaskWord w) { return task_word::commit(w); })) lane.take();
  }
  void complete() {
    const TaskStep done = word.apply([](TaskWord w) { return task_word::complete(w); });
    lab::check(done.made, "a task completes once, and waits for nothing then");
  }
};

// ---- a wait: claimed by what it waits for, or by a request ----

enum class Mask : std::uint8_t { None, Masked, Stubborn };

/// A wait that has been prepared, the operation that ends it, and a request or not.
std::function<void()> wait_with(bool request, Mask mask = Mask::None, bool expires = false) {
  return [=] {
    Task task;
    lab::shared<int> result{0};
    const bool stubborn = mask == Mask::Stubborn;
    if (mask == Mask::Masked) task.word.apply([](TaskWord w) { return task_word::mask(w); });
    const std::uint8_t mask_epoch = task.word.load().mask_epoch();
    const std::uint64_t epoch = task.prepare(stubborn);
    const auto wait = [&] {
      task.commit();
      const TaskWord word = task.word.load();
      lab::check(word.claimed(), "a wait ends by a claim");
      const bool by_request = word.has(TaskWord::by_request_bit);
      lab::check(!by_request || mask == Mask::None || expires, "a request respects masks");
      if (!by_request) lab::check(result.read() == 42, "the claim carries the result");
      task.complete();
    };
    const auto end = [&] {
      result.write(42);
      const bool won = task.claim(epoch);
      lab::check(won || request, "nobody else has claimed");
    };
    const auto ask = [&] {
      task.request();
      if (!expires) return;
      const TaskStep step = task.word.apply([=](TaskWord w) { return task_word::expire_mask(w, mask_epoch); });
      if (step.made && step.before.requested()) task.claim(task.word.load().epoch(), true);
    };
    if (request) {
      run_threads({wait, end, ask});
    } else {
      run_threads({wait, end});
    }
    lab::check(task.word.load().done(), "the task has ended");
  };
}

/// The request comes before the wait, and refuses it, or while it is on.
void request_of_a_wait() {
  Task task;
  run_threads({[&] {
                 const TaskStep prepared =
                     task.word.apply([](TaskWord w) { return task_word::prepare(w, false); });
                 if (prepared.made) task.commit();
                 const TaskWord word = task.word.load();
                 lab::check(word.requested(), "it is seen");
                 lab::check(!prepared.made || word.has(TaskWord::by_request_bit), "it has ended the wait");
                 task.complete();
               },
               [&] { task.request(); }});
}

/// Two waits after one another, a late claim of the first: it does not end the second.
void late_claim() {
  Task task;
  lab::atomic<int> second{0};
  lab::shared<int> result{0};
  const std::uint64_t first_epoch = task.prepare();
  lab::check(task.claim(first_epoch), "the first wait has ended");
  run_threads({[&] {
                 const std::uint64_t epoch = task.prepare();
                 second.store(static_cast<int>(epoch), release);
                 task.commit();
                 lab::check(result.read() == 1, "it has ended by its own operation");
               },
               [&] { lab::check(!task.claim(first_epoch), "a claim of an earlier wait fails"); },
               [&] {
                 while (second.load(acquire) == 0) second.spin(0);
                 result.write(1);
                 lab::check(task.claim(static_cast<std::uint64_t>(second.load(relaxed))), "it is still on");
               }});
}

// ---- an announced wait: registered, then parked; granted under the primitive's lock, or left by a request ----

enum class AnnouncedFlaw : std::uint8_t {
  None,
  ParksOver,     // the park does not look whether it has been granted by now
  SpendsOver,    // nor does the spending of a refused one
  KeepsEpoch,    // a refused park leaves the epoch that it has given away
  GrantsByClaim  // a grant before the park is lost
};

/// A primitive with one place in its list, and a value for whoever is granted it (sync/primitive.hpp).
struct OneWaiter {
  lab::mutex lock;
  lab::shared<bool> is_listed{false};
  lab::shared<bool> is_granted{false};
  lab::shared<std::uint64_t> epoch{0};
  lab::shared<int> held{0}, given{0};

  void enlist(std::uint64_t announced) {
    std::scoped_lock hold(lock);
    epoch.write(announced);
    is_listed.write(true);
  }
  /// After the wait. True: it had been granted.
  bool delist() {
    std::scoped_lock hold(lock);
    is_listed.write(false);
    return is_granted.read();
  }
  void grant(Task& task, AnnouncedFlaw flaw) {
    std::scoped_lock hold(lock);
    if (is_listed.read()) {
      is_listed.write(false);
      is_granted.write(true);
      given.write(42);
      const std::uint64_t who = epoch.read();
      const TaskStep step = task.word.apply([=](TaskWord w) {
        return flaw == AnnouncedFlaw::GrantsByClaim ? task_word::claim(w, who, false)
                                                    : task_word::claim_announced(w, who);
      });
      if (step.made && step.before.run() == RunState::Idle) task.lane.put();
      if (step.made) return;
      is_granted.write(false);
    }
    held.write(held.read() + 1);
  }
};

/// A wait as WaitCall and the step loop make it: granted, or left by a request.
std::function<void()> announced_wait(AnnouncedFlaw flaw = AnnouncedFlaw::None) {
  return [=] {
    Task task;
    OneWaiter primitive;
    const auto wait = [&] {
      const std::uint64_t epoch = task.word.load().next_epoch().epoch();
      primitive.enlist(epoch);
      const TaskStep parked = task.word.apply([=](TaskWord w) {
        return flaw == AnnouncedFlaw::ParksOver ? task_word::park(w) : task_word::park_announced(w, epoch);
      });
      TaskWord ended = parked.before;
      if (parked.made) {
        task.lane.take();
        ended = task.word.load();
      } else if (flaw == AnnouncedFlaw::KeepsEpoch) {
        ended = parked.before.epoch() == epoch ? parked.before : ended.with(TaskWord::by_request_bit);
      } else {
        const TaskStep spent = task.word.apply([=](TaskWord w) {
          return flaw == AnnouncedFlaw::SpendsOver ? task_word::spend_epoch(w)
                                                   : task_word::spend_announced(w, epoch);
        });
        ended = spent.made ? spent.before.without(TaskWord::wait_bits).with(TaskWord::by_request_bit)
                           : spent.before;
      }
      const bool by_request = ended.has(TaskWord::by_request_bit);
      int got = 0;
      if (by_request) {
        lab::check(!primitive.delist(), "a request has won: nothing was granted");
      } else {
        got = 1;
        lab::check(primitive.given.read() == 42, "the grant carries the value");
      }
      task.complete();
      std::scoped_lock hold(primitive.lock);
      primitive.held.write(primitive.held.read() + got);
    };
    run_threads({wait, [&] { primitive.grant(task, flaw); }, [&] { task.request(); }});
    lab::check(task.word.load().done(), "the task has ended");
    std::scoped_lock hold(primitive.lock);
    lab::check(primitive.held.read() == 1, "the value is with the task or with the primitive");
  };
}

/// The same without a request, from where the task is in the list.
std::function<void()> granted_wait(AnnouncedFlaw flaw = AnnouncedFlaw::None) {
  return [=] {
    Task task;
    OneWaiter primitive;
    const std::uint64_t epoch = task.word.load().next_epoch().epoch();
    primitive.enlist(epoch);
    run_threads({[&] {
                   const TaskStep parked =
                       task.word.apply([=](TaskWord w) { return task_word::park_announced(w, epoch); });
                   if (parked.made) task.lane.take();
                   lab::check(task.word.load().claimed(), "a wait ends by a claim");
                   lab::check(primitive.given.read() == 42, "the grant carries the value");
                   task.complete();
                 },
                 [&] { primitive.grant(task, flaw); }});
  };
}

Part announcing() {
  return {.name = "task word: announced waits",
          .files = {"task_word.hpp"},
          .scenarios = {{"a grant", granted_wait()},
                        {.name = "a grant and a request", .body = announced_wait(), .judges_mutants = false}}};
}

TEST(TaskWordInLab, AnAnnouncedWaitEndsByItsGrantOrByARequest) { expect_holds(announcing()); }

TEST(TaskWordInLab, EveryStepOfAnAnnouncedWaitIsNeeded) {
  expect_breaks("parks over a grant", announced_wait(AnnouncedFlaw::ParksOver));
  expect_breaks("spends over a grant", announced_wait(AnnouncedFlaw::SpendsOver));
  expect_breaks("keeps the epoch", announced_wait(AnnouncedFlaw::KeepsEpoch));
  expect_breaks("a grant before the park is lost", granted_wait(AnnouncedFlaw::GrantsByClaim));
}

// ---- a look at what a task waits for ----

enum class LookFlaw : std::uint8_t {
  None,
  StepsAtOnce,    // the step does not wait until nobody looks
  LooksAtActive,  // the looker asks for nothing but the epoch
  NotExclusive    // two look at a time, and the first that looks away ends it for both
};

/// A wait, what ends it, and so many that look at it. `frame` is what they read and what the task writes when it goes on.
std::function<void()> look_at_wait(int lookers, bool parks, LookFlaw flaw = LookFlaw::None) {
  return [=] {
    Task task;
    lab::shared<int> frame{0};
    const std::uint64_t epoch = parks ? task.word.load().next_epoch().epoch() : task.prepare();
    const auto step_goes_on = [&](TaskWord claimed) {  // coro/step.cpp, finish_wait
      if (claimed.looked_at() && flaw != LookFlaw::StepsAtOnce) task.word.wait_until_unseen();
      frame.write(2);
    };
    const auto wait = [&] {
      frame.write(1);
      if (!parks) {
        task.commit();
        step_goes_on(task.word.load());
      } else {  // what it waits for turns out to be over: it claims for itself
        lab::check(task.word.apply([](TaskWord w) { return task_word::park(w); }).made,
                   "nobody asks it to end");
        const TaskStep claimed = task.word.apply([=](TaskWord w) { return task_word::claim(w, epoch, false); });
        if (!claimed.made) task.lane.take();
        step_goes_on(claimed.made ? claimed.before : task.word.load());
      }
      task.complete();
      lab::check(!task.word.load().looked_at(), "nobody looks at one that has ended");
    };
    const auto look = [&] {
      const TaskStep seen = task.word.apply([=](TaskWord w) -> task_word::Next {
        if (flaw == LookFlaw::LooksAtActive)
          return w.epoch() == epoch ? task_word::Next(w.with(TaskWord::looked_at_bit)) : std::nullopt;
        if (flaw == LookFlaw::NotExclusive && w.run() == RunState::Idle && w.pending())
          return w.with(TaskWord::looked_at_bit);
        return task_word::look(w, epoch);
      });
      if (!seen.made) return;
      lab::check(frame.read() == 1, "it reads the wait that it looks at");
      task.word.apply([](TaskWord w) { return task_word::look_away(w); });
    };
    std::vector<std::function<void()>> bodies{wait, [&] { task.claim(epoch); }};
    for (int i = 0; i < lookers; ++i) bodies.push_back(look);
    run_threads(bodies);
    lab::check(task.word.load().done(), "the task has ended");
  };
}

Part looking() {
  return {
      .name = "task word: looks",
      .files = {"task_word.hpp"},
      .scenarios = {{"a look at a wait and its end", look_at_wait(1, false)},
                    {.name = "a look at a parked wait", .body = look_at_wait(1, true), .judges_mutants = false},
                    {.name = "two lookers",
                     .body = look_at_wait(2, false),
                     .weak_exhausts = false,
                     .weak_runs = 2'000,
                     .judges_mutants = false}}};
}

TEST(TaskWordInLab, ALookerReadsAWaitThatCannotGoMeanwhile) { expect_holds(looking()); }

TEST(TaskWordInLab, EveryStepOfALookIsNeeded) {
  expect_breaks("the step does not wait", look_at_wait(1, false, LookFlaw::StepsAtOnce));
  expect_breaks("a look at one that runs", look_at_wait(1, false, LookFlaw::LooksAtActive));
  expect_breaks("two look at a time", look_at_wait(2, false, LookFlaw::NotExclusive));
}

Part waiting() {
  return {.name = "task word: waits",
          .files = {"task_word.hpp"},
          .scenarios = {{"a wait and its end", wait_with(false)},
                        {.name = "a wait and a request", .body = wait_with(true), .judges_mutants = false},
                        {.name = "a masked wait and a request",
                         .body = wait_with(true, Mask::Masked),
                         .judges_mutants = false},
                        {.name = "a stubborn wait and a request",
                         .body = wait_with(true, Mask::Stubborn),
                         .judges_mutants = false},
                        {.name = "a masked wait, a request, an expiry",
                         .body = wait_with(true, Mask::Masked, true),
                         .weak_exhausts = false,
                         .weak_runs = 2'000,
                         .judges_mutants = false},
                        {"a request of a wait", request_of_a_wait},
                        {"a late claim", late_claim}}};
}

TEST(TaskWordInLab, AWaitEndsOnceByWhomItWaitsForOrByARequest) { expect_holds(waiting()); }

// ---- the join ----

enum class Flaw : std::uint8_t {
  None,
  NoLook,        // parks without looking at the joined task afterwards
  LookBefore,    // looks, then parks
  NoGeneration,  // the completer does not ask whether the record is in its life
  NoClaim,       // goes on after the look without claiming its own wait
  KeepsEpoch     // a refused park leaves the epoch that it has given away
};

/// A task that is joined, its record's lives, and how it ends.
struct Joined {
  Cell word;
  LabPlatform::atomic<std::uint32_t> generation{1};
  LabPlatform::atomic<std::uint64_t> joiner{0};
  quiesce::detail::References<LabPlatform> references;
  lab::shared<int> result{0};
  lab::atomic<int> life{0};

  Joined() { be_born(); }

  void be_born() {
    references.begin();
    joiner.store(0, relaxed);
    word.apply_alone([](TaskWord w) { return task_word::birth(w, true); });
  }
  /// Who is to be woken, and then that there is somebody.
  bool announce(std::uint64_t epoch) {
    joiner.store(epoch, release);
    return word.apply([](TaskWord w) { return task_word::announce_joiner(w); }).made;
  }
  void drop_reference() {
    if (!references.is_last() && !references.drop()) return;
    result.write(0);
    generation.store(generation.load(relaxed) + 1, release);
    word.apply_alone([](TaskWord w) { return task_word::release(w); });
    life.store(2, release);  // free for another
  }
  /// Kernel::complete_ok, up to the word's end and from there on.
  TaskStep end(int value) {
    result.write(value);
    const TaskStep done = word.apply([](TaskWord w) { return task_word::complete(w); });
    lab::check(done.made, "a task completes once");
    return done;
  }
  void wake_joiner(Task& waiting, TaskStep done, std::uint32_t mine, Flaw flaw) {
    std::uint64_t epoch = 0;
    if (done.before.has(TaskWord::joiner_bit)) {
      epoch = joiner.load(acquire);
      if (flaw != Flaw::NoGeneration && generation.load(acquire) != mine) epoch = 0;
    }
    if (done.before.has(TaskWord::dropped_bit)) drop_reference();
    if (epoch != 0) waiting.claim(epoch);
  }
  void complete(Task& waiting, int value, Flaw flaw) {
    const std::uint32_t mine = generation.load(relaxed);
    wake_joiner(waiting, end(value), mine, flaw);
  }
};

/// A join by `self`: true, or false when it has ended by a request.
bool join(Task& self, Joined& target, Flaw flaw) {
  const std::uint64_t epoch = self.word.load().next_epoch().epoch();
  if (!target.announce(epoch)) return true;
  const auto looks_done = [&] { return target.word.load().done(); };
  if (flaw == Flaw::LookBefore && looks_done()) return true;
  const TaskStep parked = self.word.apply([](TaskWord w) { return task_word::park(w); });
  if (!parked.made) {
    if (flaw != Flaw::KeepsEpoch) self.word.apply([](TaskWord w) { return task_word::spend_epoch(w); });
    target.word.apply([](TaskWord w) { return task_word::retract_joiner(w); });
    return false;
  }
  const bool looks = flaw != Flaw::NoLook && flaw != Flaw::LookBefore;
  if (looks && looks_done()) {
    if (flaw == Flaw::NoClaim) return true;
    const TaskStep claimed = self.word.apply([=](TaskWord w) { return task_word::claim(w, epoch, false); });
    if (!claimed.made) self.lane.take();
  } else {
    self.lane.take();
  }
  if (!self.word.load().has(TaskWord::by_request_bit)) return true;
  target.word.apply([](TaskWord w) { return task_word::retract_joiner(w); });
  return false;
}

/// The result is taken, and the handle goes.
void take(Joined& target, int value) {
  const TaskStep taken = target.word.apply([](TaskWord w) { return task_word::take(w); });
  lab::check(taken.made, "the result is taken once, and when it is there");
  lab::check(target.result.read() == value, "it is the result of this life");
  target.word.apply_alone([](TaskWord w) { return task_word::drop_handle(w); });
  target.drop_reference();
}

void leave(Joined& target) {
  const TaskStep dropped = target.word.apply([](TaskWord w) { return task_word::drop_handle(w); });
  if (dropped.before.done()) target.drop_reference();
}

/// Another wait of the same task, afterwards: nobody may end it but its own operation.
void wait_again(Task& self, lab::atomic<bool>& may_end) {
  const std::uint64_t epoch = self.prepare(true);
  lab::thread operation([&self, &may_end, epoch] {
    may_end.store(true, relaxed);
    lab::check(self.claim(epoch), "nobody else has ended it");
  });
  self.commit();
  lab::check(may_end.load(relaxed), "a wait is ended by its own operation");
  operation.join();
}

std::function<void()> join_with(bool request, bool waits_again, Flaw flaw = Flaw::None) {
  return [=] {
    Task joiner;
    Joined target;
    lab::atomic<bool> may_end{false};
    std::vector<std::function<void()>> bodies{[&] { target.complete(joiner, 7, flaw); },
                                              [&] {
                                                if (join(joiner, target, flaw)) {
                                                  take(target, 7);
                                                } else {
                                                  leave(target);
                                                }
                                                if (waits_again) wait_again(joiner, may_end);
                                                joiner.complete();
                                              }};
    if (request) bodies.push_back([&] { joiner.request(); });
    run_threads(bodies);
    lab::check(target.word.load().run() == RunState::Free, "the record is free");
    lab::check(joiner.word.load().done(), "the joiner has ended");
  };
}

/// The record is born again for another task, which the same joiner joins: a late completer of the first life does not end that wait.
std::function<void()> second_life(Flaw flaw = Flaw::None) {
  return [=] {
    Task joiner;
    Joined target;
    run_threads({[&] { target.complete(joiner, 7, flaw); },
                 [&] {
                   lab::check(join(joiner, target, flaw), "there is no request");
                   take(target, 7);
                   target.life.store(0, relaxed);
                   target.generation.store(target.generation.load(relaxed) + 1, relaxed);
                   target.be_born();
                   lab::thread second([&] { target.complete(joiner, 8, flaw); });
                   lab::check(join(joiner, target, flaw), "there is no request");
                   take(target, 8);
                   second.join();
                 }});
  };
}

/// The end of that: a completer that has yet to look whom to wake, while the joiner has the result already and joins the next life.
void late_completer() {
  Task joiner;
  Joined target;
  const std::uint64_t first_epoch = joiner.word.load().next_epoch().epoch();
  target.announce(first_epoch);
  joiner.word.apply([](TaskWord w) { return task_word::park(w); });
  const TaskStep done = target.end(7);
  const std::uint32_t mine = target.generation.load(relaxed);
  lab::check(joiner.word.apply([=](TaskWord w) { return task_word::claim(w, first_epoch, false); }).made,
             "the joiner's look has ended its wait");
  run_threads({[&] { target.wake_joiner(joiner, done, mine, Flaw::None); },
               [&] {
                 take(target, 7);
                 target.generation.store(target.generation.load(relaxed) + 1, relaxed);
                 target.be_born();
                 const std::uint64_t epoch = joiner.word.load().next_epoch().epoch();
                 target.announce(epoch);
                 joiner.word.apply([](TaskWord w) { return task_word::park(w); });
                 lab::check(
                     joiner.word.apply([=](TaskWord w) { return task_word::claim(w, epoch, false); }).made,
                     "nobody has ended the second wait");
               }});
}

Part joining() {
  return {.name = "join",
          .files = {"task_word.hpp", "task_word_test.cpp"},
          .scenarios = {{"a join and the end", join_with(false, false)},
                        {"a late completer", late_completer},
                        {.name = "a join, the end, a request",
                         .body = join_with(true, false),
                         .weak_exhausts = false,
                         .weak_runs = 2'000,
                         .judges_mutants = false},
                        {.name = "and another wait",
                         .body = join_with(true, true),
                         .sc_exhausts = false,
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false},
                        {.name = "a second life",
                         .body = second_life(),
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false}}};
}

TEST(JoinInLab, AJoinerEndsOnceWithTheResultOfItsLife) { expect_holds(joining()); }

TEST(JoinInLab, EveryStepIsNeeded) {
  expect_breaks("no look after the park", join_with(false, false, Flaw::NoLook));
  expect_breaks("look before the park", join_with(false, false, Flaw::LookBefore));
  expect_breaks("no claim after the look", join_with(false, false, Flaw::NoClaim));
  expect_breaks("a refused park keeps its epoch", join_with(true, true, Flaw::KeepsEpoch));
  expect_breaks("the completer does not ask for the life", second_life(Flaw::NoGeneration));
}

/// All that stands on the word.
TEST(TaskWordInLab, EveryOrderIsNeeded) {
  Part part = waiting();
  Part joins = joining();
  part.files = joins.files;
  const char* const handed_on =
      "whoever gets the record next gets it by other means, which order: a lane, a handle, the free stock";
  part.kept = {
      {"apply_alone: store, release -> relaxed", handed_on},
      {"drop_reference: store, release -> relaxed",
       "who goes by the generation has read what was stored after it, with an acquire"},
      {"wake_joiner: load 2, acquire -> relaxed",
       "the load before it has acquired, so this one is new enough; nothing is read by it afterwards"},
  };
  part.scenarios.insert(part.scenarios.end(), joins.scenarios.begin(), joins.scenarios.end());
  expect_mutants_caught(part);
}

}  // namespace
}  // namespace quiesce::lab::parts
