#include "quiesce/sync/semaphore.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;
using ::testing::HasSubstr;

/// Acquires, tells that it did, and holds until it is cancelled or the gate opens.
struct Lot {
  Semaphore places;
  std::vector<int> parked;
  bool leave = false;
  explicit Lot(std::uint32_t permits) : places(permits, "lot") {}
};

Task<> park(Cx cx, Lot* lot, int who, std::uint32_t places) {
  auto permit = co_await lot->places.acquire_many(cx, places);
  lot->parked.push_back(who);
  while (!lot->leave) co_await cx.sleep(1ms);
}

struct Parking : Desk {
  Lot lot;
  explicit Parking(std::uint32_t permits) : lot(permits) {}
  TaskHandle<> arrive(int who, std::uint32_t places = 1) {
    auto handle = spawn(park, unsafe_send(&lot), who, places);
    stepper.run_until_idle();
    return handle;
  }
  void everybody_leaves() {
    lot.leave = true;
    stepper.advance(2ms);
    stepper.run_until_idle();
  }
};

TEST(Semaphore, GivesAsManyPermitsAsThereAreAndServesInTurn) {
  Parking desk(2);
  auto first = desk.arrive(1), second = desk.arrive(2), third = desk.arrive(3);
  EXPECT_EQ(desk.lot.parked, (std::vector{1, 2}));
  const SemaphoreStatistics full = desk.lot.places.statistics();
  EXPECT_EQ(full.free, 0u);
  EXPECT_EQ(full.held, 2u);
  EXPECT_EQ(full.waiters, 1u);
  EXPECT_EQ(full.waited, 1u);
  desk.everybody_leaves();
  EXPECT_EQ(desk.lot.parked, (std::vector{1, 2, 3}));
  EXPECT_EQ(desk.lot.places.available_permits(), 2u);
}

TEST(Semaphore, ARequestForManyIsNotOvertaken) {
  Parking desk(2);
  auto one = desk.arrive(1), both = desk.arrive(2, 2), late = desk.arrive(3);
  EXPECT_EQ(desk.lot.parked, (std::vector{1})) << "there is one free, and the first in line wants two";
  EXPECT_FALSE(desk.lot.places.try_acquire().has_value());
  desk.everybody_leaves();
  EXPECT_EQ(desk.lot.parked, (std::vector{1, 2, 3}));
}

TEST(Semaphore, AWaitThatIsCancelledLetsThoseBehindItGoOn) {
  Parking desk(2);
  auto one = desk.arrive(1), both = desk.arrive(2, 2), late = desk.arrive(3);
  both.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.lot.parked, (std::vector{1, 3}));
  EXPECT_EQ(desk.lot.places.statistics().waiters, 0u);
  EXPECT_TRUE(desk.stepper.run(both.join(desk.cx)).is_cancelled());
}

TEST(Semaphore, ATaskCancelledBeforeItStartsTakesNothing) {
  Parking desk(1);
  auto handle = desk.spawn(park, unsafe_send(&desk.lot), 1, 1u);
  handle.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.lot.parked.empty());
  EXPECT_EQ(desk.lot.places.available_permits(), 1u);
}

TEST(Semaphore, AGrantThatCameBeforeTheRequestStands) {
  Parking desk(1);
  auto first = desk.arrive(1), second = desk.arrive(2);
  desk.lot.places.add_permits(1);  // granted to the second, which has not been stepped yet
  second.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(desk.lot.parked, (std::vector{1, 2}));
  EXPECT_EQ(desk.lot.places.statistics().held, 1u) << "it was cancelled in its sleep, and gave its permit back";
}

TEST(Semaphore, AClosedOneRefusesAllWhoWaitAndKeepsWhatIsHeld) {
  Parking desk(1);
  auto first = desk.arrive(1), second = desk.arrive(2);
  desk.lot.places.close();
  const Outcome<> refused = desk.stepper.run(second.join(desk.cx));
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::Disconnected);
  EXPECT_THAT(refused.error().message(), HasSubstr("semaphore lot is closed: it gives no permits any more"));
  EXPECT_EQ(desk.lot.places.statistics().held, 1u);
  auto late = desk.arrive(3);
  EXPECT_TRUE(desk.stepper.run(late.join(desk.cx)).is_err());
  desk.everybody_leaves();
  EXPECT_EQ(desk.lot.places.available_permits(), 1u);
}

Task<> acquire_none(Cx cx, Semaphore* semaphore) { auto permit = co_await semaphore->acquire_many(cx, 0); }

TEST(Semaphore, NoneAtAllIsRefused) {
  Desk desk;
  Semaphore semaphore(1);
  auto handle = desk.spawn(acquire_none, unsafe_send(&semaphore));
  const Outcome<> refused = desk.stepper.run(handle.join(desk.cx));
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr("one permit at least"));
}

TEST(Semaphore, OutsideOfATaskNobodyCanOweAPermit) {
  Semaphore semaphore(1);
  auto got = semaphore.try_acquire();
  ASSERT_TRUE(got.has_value());
  ASSERT_TRUE(got->is_err());
  EXPECT_EQ(got->error().code(), ErrorCode::ForeignContext);
  EXPECT_EQ(semaphore.available_permits(), 1u);
}

TEST(Semaphore, WhoeverWaitsSaysWhoKeepsThePermits) {
  Parking desk(2);
  auto first = desk.arrive(1), second = desk.arrive(2), third = desk.arrive(3);
  const Snapshot seen = desk.stepper.snapshot();
  const auto& tasks = seen.regions.front().tasks;
  const auto waiting = std::ranges::find(tasks, third.task_id(), &TaskSnapshot::id);
  ASSERT_NE(waiting, tasks.end());
  EXPECT_EQ(waiting->waiting_on.name, "lot");
  ASSERT_EQ(waiting->holders.size(), 2u);
  EXPECT_EQ(waiting->holders[0].id, first.task_id());
  EXPECT_EQ(waiting->holders[1].id, second.task_id());
  desk.everybody_leaves();
}

/// Leaves its permit outside of its region.
Task<> abscond(Cx cx, Semaphore* semaphore, std::optional<SemaphorePermit>* hideout) {
  hideout->emplace(co_await semaphore->acquire(cx));
}

TEST(Semaphore, APermitThatOutlivesItsTaskIsALeakedObligation) {
  Desk desk;
  Semaphore semaphore(1);
  std::optional<SemaphorePermit> hideout;
  auto handle = desk.spawn(abscond, unsafe_send(&semaphore), unsafe_send(&hideout));
  desk.stepper.run_until_idle();
  desk.stepper.begin_close(desk.root);
  desk.stepper.run_until_idle();
  EXPECT_FALSE(desk.stepper.region(desk.root).has_value()) << "the region has closed: what was owed has leaked";
  EXPECT_EQ(semaphore.available_permits(), 0u);
  hideout.reset();
  EXPECT_EQ(semaphore.available_permits(), 1u) << "the permit itself is not lost";
}

Task<> reserve_over_the_limit(Cx cx, Semaphore* semaphore) {
  auto first = co_await semaphore->acquire(cx);
  auto second = co_await semaphore->acquire(cx);
}

TEST(Semaphore, AReservationThatTheRegionRefusesGivesThePermitBack) {
  Desk desk;
  desk.stepper.set_limits(desk.root, RegionLimits{.max_obligations = 1});
  Semaphore semaphore(5);
  auto handle = desk.spawn(reserve_over_the_limit, unsafe_send(&semaphore));
  const Outcome<> refused = desk.stepper.run(handle.join(desk.cx));
  ASSERT_TRUE(refused.is_err());
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
  EXPECT_EQ(semaphore.available_permits(), 5u);
}

Task<> forget_one(Cx cx, Semaphore* semaphore) {
  auto permit = co_await semaphore->acquire_many(cx, 2);
  permit.forget();
  auto other = co_await semaphore->acquire(cx);
  other.release();
  EXPECT_FALSE(other);
}

TEST(Semaphore, AForgottenPermitIsGoneForGood) {
  Desk desk;
  Semaphore semaphore(3);
  EXPECT_TRUE(desk.stepper.run(desk.spawn(forget_one, unsafe_send(&semaphore)).join(desk.cx)).is_ok());
  EXPECT_EQ(semaphore.statistics().free, 1u);
  EXPECT_EQ(semaphore.statistics().held, 0u);
}

Task<> own(Cx cx, std::shared_ptr<Semaphore> semaphore, std::weak_ptr<Semaphore> seen) {
  auto permit = co_await Semaphore::acquire_owned(cx, std::move(semaphore));
  EXPECT_FALSE(seen.expired()) << "the permit keeps it";
}

TEST(Semaphore, AnOwnedPermitKeepsItAlive) {
  Desk desk;
  auto semaphore = std::make_shared<Semaphore>(1);
  std::weak_ptr<Semaphore> seen = semaphore;
  auto handle = desk.spawn(own, std::move(semaphore), unsafe_send(seen));
  EXPECT_TRUE(desk.stepper.run(handle.join(desk.cx)).is_ok());
  EXPECT_TRUE(seen.expired());
}

}  // namespace
}  // namespace quiesce
