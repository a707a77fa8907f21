// Mutexes in the lab.
#include "quiesce/sync/mutex.hpp"

#include <algorithm>

#include "lab/sync/exploring.hpp"
#include "quiesce/select.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

/// Its two numbers are equal whenever nobody is inside.
struct Books {
  int left = 0, right = 0;
};
struct Office {
  Mutex<Books> books{Books(), "books"};
  int inside = 0, done = 0;
};

/// Leaves also when the task is cancelled inside.
struct Visit {
  Office* office;
  explicit Visit(Office* where) : office(where) { lab::check(++office->inside == 1, "one at a time"); }
  ~Visit() { --office->inside; }
};

Task<> keep_books(Cx cx, Office* office) {
  auto guard = co_await office->books.lock(cx);
  const Visit visit(office);
  lab::check(guard->left == guard->right, "nobody has left the books uneven");
  ++guard->left;
  {
    const MaskGuard uncancelled = cx.mask();
    co_await cx.yield();
  }
  ++guard->right;
  ++office->done;
}

template <int tasks>
Task<> bookkeeping(Cx cx, Scope<>&) {
  Office office;
  auto inside = [&office](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < tasks; ++i) co_await scope.launch(mine, keep_books, unsafe_send(&office));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  const MutexStatistics after = office.books.statistics();
  lab::check(!after.is_locked && after.waiters == 0, "the lock is free and nobody waits for it");
  lab::check((*office.books.try_lock())->right == office.done, "every visit is in the books");
  lab::sometimes(office.done == tasks, "everybody was served");
}

TEST(LabMutex, OneTaskAtATimeIsInside) {
  expect_holds(bookkeeping<4>);
  EXPECT_GE(expect_exhausted(bookkeeping<3>), 6u);
}

TEST(LabMutex, DporSeesEveryClass) { expect_every_class(bookkeeping<2>); }

// ---- who is called, and who passes ----

/// The book of a lock: how often it was taken, and by how many a task was overtaken that wanted it.
struct Passing {
  Mutex<int> mutex{0, "busy"};
  int locked = 0, served = 0, inside = 0;
  int overtaken_max = 0;
};
struct Inside {
  Passing* all;
  explicit Inside(Passing* where) : all(where) {
    lab::check(++all->inside == 1, "one at a time");
    ++all->locked;
  }
  ~Inside() { --all->inside; }
};
Task<> passes(Cx cx, Passing* all, int times) {
  for (int i = 0; i < times; ++i) {
    auto guard = co_await all->mutex.lock(cx);
    const Inside inside(all);
    if (i == 0) co_await cx.yield();
  }
}
Task<> is_passed(Cx cx, Passing* all) {
  const int before = all->locked;
  auto guard = co_await all->mutex.lock(cx);
  all->overtaken_max = std::max(all->overtaken_max, all->locked - before);
  const Inside inside(all);
  ++all->served;
}

/// Before a task that waits come those that waited before it, and for each of these and itself the locks in passing.
template <int waiting>
Task<> overtaking(Cx cx, Scope<>&) {
  constexpr int limit = static_cast<int>(mutex_passes_max);
  Passing all;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, passes, unsafe_send(&all), 3 * limit);
    for (int i = 0; i < waiting; ++i) co_await scope.launch(mine, is_passed, unsafe_send(&all));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  // Each of the others once, the one that passes too; and for each that is served those in passing.
  lab::check(all.overtaken_max <= waiting * (limit + 1), "nobody is overtaken without bound");
  lab::check(!all.mutex.statistics().is_locked && all.mutex.statistics().waiters == 0, "it is free at the end");
  lab::sometimes(all.served == waiting, "everybody was served");
  lab::sometimes(all.overtaken_max >= limit, "somebody was passed as often as may be");
}

TEST(LabMutex, NobodyIsOvertakenWithoutBound) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 300}, overtaking<2>));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 300}, overtaking<3>));
  EXPECT_GT(expect_exhausted(overtaking<1>), 2u);
}

/// Holds the lock over a yield, so that whoever is called meanwhile finds it taken.
Task<> comes_and_goes(Cx cx, Passing* all, int times) {
  for (int i = 0; i < times; ++i) {
    auto guard = co_await all->mutex.lock(cx);
    const Inside inside(all);
    co_await cx.yield();
  }
  ++all->served;
}
Task<> stops(Cx, std::optional<TaskHandle<>>* handle) {
  (*handle)->abort();
  co_return;
}

/// Whoever is not served waits for ever, which the lab reports. The request may come before the wait, in it, between the call and the
/// answer, and before the wait after an answer in vain.
template <int times, bool injected = false>
Task<> stopping(Cx cx, Scope<>&) {
  Passing all;
  bool was_cancelled = false;
  std::optional<TaskHandle<>> handle;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    co_await scope.launch(mine, comes_and_goes, unsafe_send(&all), times);
    handle = co_await scope.spawn(mine, comes_and_goes, unsafe_send(&all), 1);
    co_await scope.launch(mine, comes_and_goes, unsafe_send(&all), 1);
    co_await scope.launch(mine, stops, unsafe_send(&handle));
    auto ended = co_await handle->join(mine).outcome();
    was_cancelled = ended.is_cancelled();
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(!all.mutex.statistics().is_locked && all.mutex.statistics().waiters == 0, "it is free at the end");
  if constexpr (!injected) {
    lab::sometimes(was_cancelled && all.served == 2, "the request was in time, and the others were served");
    lab::sometimes(all.served == 3, "the request was too late");
  }
}

TEST(LabMutex, ARequestToACalledTaskLosesNoCall) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 1000}, stopping<3>));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 1000}, stopping<3>));
  EXPECT_LAB_OK(lab::cancel_everywhere(stopping<3, true>, {}, true));
  EXPECT_GT(expect_exhausted(stopping<2>), 10u);
}

/// A waiter of each kind in one line: called, handed it in a select, and with a deadline that it may miss.
Task<> in_a_select(Cx cx, Passing* all, Event* event) {
  auto first = co_await select(cx, all->mutex.lock(), event->wait());
  if (first.index() == 0) {
    const Inside inside(all);
    co_await cx.yield();
  }
  ++all->served;
}
Task<> with_a_deadline(Cx cx, Passing* all) {
  auto guard = co_await all->mutex.lock_for(cx, 1ms).outcome();
  if (guard.is_ok()) {
    const Inside inside(all);
    co_await cx.sleep(1ms);
  }
  ++all->served;
}
Task<> sets(Cx, Event* event) {
  event->set();
  co_return;
}
Task<> mixing(Cx cx, Scope<>&) {
  Passing all;
  Event event("event");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, comes_and_goes, unsafe_send(&all), 2);
    co_await scope.launch(mine, in_a_select, unsafe_send(&all), unsafe_send(&event));
    co_await scope.launch(mine, with_a_deadline, unsafe_send(&all));
    co_await scope.launch(mine, comes_and_goes, unsafe_send(&all), 2);
    co_await scope.launch(mine, sets, unsafe_send(&event));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(!all.mutex.statistics().is_locked && all.mutex.statistics().waiters == 0, "it is free at the end");
  lab::check(event.statistics().waiters == 0, "nobody is left in the event's list");
  lab::sometimes(all.served == 4, "all have gone on");
}

// Production's own lanes: who is called goes into the slot of the worker that unlocks, which tells nobody.
TEST(LabMutex, WhoIsCalledIsServedOnSimulatedWorkersToo) {
  for (std::uint32_t workers : {1, 2, 3}) {
    EXPECT_LAB_OK(lab::explore(
        {.strategy = lab::random(), .seed = workers, .max_runs = 300, .workers = workers}, bookkeeping<4>));
    EXPECT_LAB_OK(lab::explore(
        {.strategy = lab::random(), .seed = workers, .max_runs = 100, .workers = workers}, overtaking<3>));
    EXPECT_LAB_OK(lab::explore(
        {.strategy = lab::random(), .seed = workers, .max_runs = 300, .workers = workers}, stopping<3, true>));
  }
}

/// Unlocks, which calls the other into the slot of this worker, and does not end its step before the other has had the lock.
Task<> waits_in_its_step(Cx cx, Mutex<int>* mutex, lab::mutex* lock, lab::condition* changed, bool* served) {
  {
    auto guard = co_await mutex->lock(cx);
    co_await cx.yield();
  }
  std::unique_lock hold(*lock);
  while (!*served) changed->wait(hold);
}
Task<> tells(Cx cx, Mutex<int>* mutex, lab::mutex* lock, lab::condition* changed, bool* served) {
  auto guard = co_await mutex->lock(cx);
  const std::scoped_lock hold(*lock);
  *served = true;
  changed->notify_all();
}
Task<> staying(Cx cx, Scope<>&) {
  Mutex<int> mutex(0, "m");
  lab::mutex lock;
  lab::condition changed;
  bool served = false;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, waits_in_its_step, unsafe_send(&mutex), unsafe_send(&lock),
                          unsafe_send(&changed), unsafe_send(&served));
    co_await scope.launch(mine, tells, unsafe_send(&mutex), unsafe_send(&lock), unsafe_send(&changed),
                          unsafe_send(&served));
  };
  co_await region(cx, FailFast(), inside);
}

TEST(LabMutex, AWorkerThatStaysInItsStepDoesNotKeepWhoItHasCalled) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 5, .max_runs = 500, .workers = 2}, staying));
}

TEST(LabMutex, ThoseThatAreCalledAndThoseThatAreHandedItWaitInOneLine) { expect_holds(mixing); }

Task<> in_a_hurry(Cx cx, Office* office) {
  auto guard = co_await office->books.lock_for(cx, 2ms).outcome();
  if (!guard.is_ok()) {
    lab::check(!guard.is_err() || guard.error().code() == ErrorCode::TimedOut, "it is late, if anything");
    co_return;
  }
  const Visit visit(office);
  co_await cx.sleep(1ms);
  ++office->done;
}

Task<> hurrying(Cx cx, Scope<>&) {
  Office office;
  auto inside = [&office](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i) co_await scope.launch(mine, in_a_hurry, unsafe_send(&office));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  const MutexStatistics after = office.books.statistics();
  lab::check(!after.is_locked && after.waiters == 0, "the lock is free and nobody waits for it");
  lab::sometimes(office.done == 2, "the third came too late");
}

TEST(LabMutex, ADeadlineAndAHandOverMeetAndExactlyOneWins) {
  expect_holds(hurrying);
  EXPECT_GT(expect_exhausted(hurrying), 6u);
  // A holder that is kept back meets the deadlines of those behind it.
  lab::Options rough{.strategy = lab::random(), .seed = 3, .max_runs = 1000};
  rough.chaos = {.delay = {.one_in = 4}, .delay_max = 2ms};
  EXPECT_LAB_OK(lab::explore(rough, hurrying));
}

Task<> either(Cx cx, Mutex<int>* a, Mutex<int>* b, int* total) {
  auto first = co_await select(cx, a->lock(), b->lock());
  ++*total;
  co_await cx.yield();
}

Task<> selecting(Cx cx, Scope<>&) {
  Mutex<int> a(0, "a"), b(0, "b");
  int total = 0;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i)
      co_await scope.launch(mine, either, unsafe_send(&a), unsafe_send(&b), unsafe_send(&total));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(!a.statistics().is_locked && !b.statistics().is_locked, "both are free");
  lab::check(a.statistics().waiters + b.statistics().waiters == 0, "nobody is left in a list");
  lab::sometimes(total == 3, "everybody was served");
}

TEST(LabMutex, ASelectTakesOneOfTwoLocks) {
  expect_holds(selecting);
  EXPECT_GT(expect_exhausted(selecting), 6u);
}

Task<> locks_both(Cx cx, Mutex<int>* first, Mutex<int>* second) {
  auto one = co_await first->lock(cx);
  co_await cx.yield();
  auto two = co_await second->lock(cx);
}

Task<> crossed(Cx cx, Scope<>&) {
  Mutex<int> a(0, "credit"), b(0, "debit");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, locks_both, unsafe_send(&a), unsafe_send(&b));
    co_await scope.launch(mine, locks_both, unsafe_send(&b), unsafe_send(&a));
  };
  co_await region(cx, FailFast(), inside);
}

TEST(LabMutex, ADeadlockOfTwoNamesTheCycle) {
  const lab::Report report = lab::explore({.strategy = lab::dpor()}, crossed);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
  const std::string& text = report.failure()->message;
  EXPECT_NE(text.find("in a cycle"), std::string::npos) << text;
  EXPECT_NE(text.find("waits for a mutex \"credit\", held by task"), std::string::npos) << text;
  EXPECT_NE(text.find("waits for a mutex \"debit\", held by task"), std::string::npos) << text;
}

Task<> leaves_its_guard(Cx cx, Mutex<int>* mutex, std::optional<MutexGuard<int>>* outside) {
  auto guard = co_await mutex->lock(cx);
  co_await cx.yield();
  outside->emplace(std::move(guard));
}

Task<> escaping(Cx cx, Scope<>&) {
  Mutex<int> mutex(0, "vault");
  std::optional<MutexGuard<int>> outside;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, leaves_its_guard, unsafe_send(&mutex), unsafe_send(&outside));
  };
  auto ended = co_await region(cx, FailFast(), inside).outcome();
  lab::check(!outside || ended.is_panicked(), "a guard outside was not let pass");
  outside.reset();
  lab::check(!mutex.statistics().is_locked, "it unlocks without its task");
}

TEST(LabMutex, AGuardThatEscapesIsFoundInEverySchedule) { expect_exhausted(escaping); }

}  // namespace
}  // namespace quiesce::lab_tests
