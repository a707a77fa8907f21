// Reader-writer locks in the lab.
#include "quiesce/sync/rw_lock.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

int read_together = 0;  // over all runs

struct Hall {
  RwLock<int> lock{0, "hall"};
  int readers = 0, writers = 0, left = 0;
};

/// Leaves also when the task is cancelled inside.
struct Visit {
  int* count;
  Hall* hall;
  Visit(Hall* where, bool writes) : count(writes ? &where->writers : &where->readers), hall(where) {
    ++*count;
    lab::check(hall->writers == 0 || (hall->writers == 1 && hall->readers == 0), "a writer is alone");
    if (hall->readers > 1) ++read_together;
  }
  ~Visit() {
    --*count;
    ++hall->left;
  }
};

Task<> reads(Cx cx, Hall* hall) {
  auto guard = co_await hall->lock.read(cx);
  const Visit visit(hall, false);
  co_await cx.yield();
}
Task<> writes(Cx cx, Hall* hall) {
  auto guard = co_await hall->lock.write(cx);
  const Visit visit(hall, true);
  co_await cx.yield();
}
Task<> downgrades(Cx cx, Hall* hall) {
  auto guard = co_await hall->lock.write(cx);
  {
    const Visit visit(hall, true);
    ++*guard;
  }
  auto still = std::move(guard).downgrade();
  const Visit visit(hall, false);
  const int seen = *still;
  co_await cx.yield();
  lab::check(*still == seen, "nobody has written since");
}

template <int readers, int writers, int downgrading>
Task<> visits(Cx cx, Scope<>&) {
  Hall hall;
  auto inside = [&hall](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < readers; ++i) co_await scope.launch(mine, reads, unsafe_send(&hall));
    for (int i = 0; i < writers; ++i) co_await scope.launch(mine, writes, unsafe_send(&hall));
    for (int i = 0; i < downgrading; ++i) co_await scope.launch(mine, downgrades, unsafe_send(&hall));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  const RwLockStatistics after = hall.lock.statistics();
  lab::check(after.readers == 0 && !after.is_writing, "everybody has left");
  lab::check(after.waiting_readers + after.waiting_writers == 0, "nobody is left in a list");
  lab::sometimes(hall.left == readers + writers + 2 * downgrading, "everybody was served");
}

TEST(LabRwLock, AWriterIsAloneAndNobodyIsForgotten) {
  expect_holds(visits<2, 2, 0>);
  EXPECT_GT(read_together, 0) << "readers were never inside together";
  expect_holds(visits<2, 1, 1>);
  EXPECT_GT(expect_exhausted(visits<2, 1, 0>), 6u);
  EXPECT_GT(expect_exhausted(visits<1, 2, 0>), 6u);
  EXPECT_GT(expect_exhausted(visits<1, 1, 1>), 6u);
}

TEST(LabRwLock, DporSeesEveryClass) { expect_every_class(visits<1, 1, 0>); }

Task<> reads_then(Cx cx, RwLock<int>* first, RwLock<int>* second) {
  auto one = co_await first->read(cx);
  co_await cx.yield();
  auto two = co_await second->write(cx);
}

Task<> crossed(Cx cx, Scope<>&) {
  RwLock<int> a(0, "names"), b(0, "numbers");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, reads_then, unsafe_send(&a), unsafe_send(&b));
    co_await scope.launch(mine, reads_then, unsafe_send(&b), unsafe_send(&a));
  };
  co_await region(cx, FailFast(), inside);
}

TEST(LabRwLock, ADeadlockOfReadersThatWriteElsewhereNamesTheCycle) {
  const lab::Report report = lab::explore({.strategy = lab::dpor()}, crossed);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
  const std::string& text = report.failure()->message;
  EXPECT_NE(text.find("in a cycle"), std::string::npos) << text;
  EXPECT_NE(text.find("waits for a reader-writer lock, to write, \"names\", held by task"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace quiesce::lab_tests
