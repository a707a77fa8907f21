// Mutexes in the lab.
#include "quiesce/sync/mutex.hpp"

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
