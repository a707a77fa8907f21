// Semaphores and events in the lab.
#include "quiesce/sync/semaphore.hpp"

#include <memory>

#include "lab/sync/exploring.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/event.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

/// What the tasks of one run share; it outlives them all, for it belongs to the body around their region.
struct Shop {
  Semaphore seats{2, "seats"};
  std::uint32_t inside = 0, left = 0;
};

/// Leaves also when the task is cancelled inside.
struct Visit {
  Shop* shop;
  std::uint32_t seats;
  Visit(Shop* where, std::uint32_t count) : shop(where), seats(count) {
    shop->inside += seats;
    lab::check(shop->inside <= 2, "at most two seats are taken");
  }
  ~Visit() {
    shop->inside -= seats;
    ++shop->left;
  }
};

Task<> visit(Cx cx, Shop* shop, std::uint32_t seats) {
  auto permit = co_await shop->seats.acquire_many(cx, seats);
  const Visit visit(shop, seats);
  co_await cx.yield();
}

template <std::uint32_t... seats>
Task<> visits(Cx cx, Scope<>&) {
  Shop shop;
  auto inside = [&shop](Cx mine, Scope<>& scope) -> Task<> {
    (co_await scope.launch(mine, visit, unsafe_send(&shop), seats), ...);
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(shop.seats.available_permits() == 2, "every permit has come back");
  lab::check(shop.seats.statistics().waiters == 0, "nobody is left in the list");
  lab::sometimes(shop.left == sizeof...(seats), "everybody was served");
}

TEST(LabSemaphore, PermitsAreNeitherLostNorMade) {
  expect_holds(visits<1, 2, 1>);
  expect_holds(visits<2, 2, 1, 1>);
  EXPECT_GT(expect_exhausted(visits<1, 2, 1>), 6u);
}

TEST(LabSemaphore, DporSeesEveryClass) { expect_every_class(visits<1, 2>); }

Task<> choose(Cx cx, Semaphore* a, Semaphore* b, int* both) {
  auto first = co_await select(cx, a->acquire(), b->acquire(), cx.sleep(1ms));
  *both += first.index() == 2 ? 0 : 1;
  co_await cx.yield();
}

Task<> selecting(Cx cx, Scope<>&) {
  Semaphore a(1, "a"), b(1, "b");
  int taken = 0;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i)
      co_await scope.launch(mine, choose, unsafe_send(&a), unsafe_send(&b), unsafe_send(&taken));
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
  lab::check(a.available_permits() == 1 && b.available_permits() == 1, "every permit has come back");
  lab::check(taken <= 3, "one operation each");
  lab::sometimes(taken == 3, "nobody waits for a millisecond: the others give way long before");
}

TEST(LabSelect, AtMostOneOfTheOperationsTakesEffect) {
  expect_holds(selecting);
  EXPECT_GT(expect_exhausted(selecting), 6u);
}

Task<> waits(Cx cx, Event* event) { co_await event->wait(cx); }

Task<> setting(Cx cx, Scope<>&) {
  Event event("ready");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, waits, unsafe_send(&event));
    co_await scope.launch(mine, waits, unsafe_send(&event));
    co_await mine.yield();
    event.set();
  };
  (void)co_await region(cx, FailFast(), inside).outcome();
}

TEST(LabEvent, NobodyIsForgotten) {
  expect_holds(setting);
  expect_every_class(setting);
}

Task<> deadlocked(Cx cx, Scope<>&) {
  Event never("the end of the world");
  co_await never.wait(cx);
}

TEST(LabEvent, ADeadlockNamesWhatIsWaitedFor) {
  const lab::Report report = lab::run({}, deadlocked);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
  EXPECT_NE(report.failure()->message.find("waits for an event \"the end of the world\""), std::string::npos)
      << report.failure()->message;
}

}  // namespace
}  // namespace quiesce::lab_tests
