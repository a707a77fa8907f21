// The lock that has an owner: mutual exclusion, and what one holder did is seen by the next, with and without a revocation.
#include "quiesce/detail/kernel/owned_lock.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "owners.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

struct Counted {
  using Number = std::uint32_t;
  using Lock = quiesce::detail::OwnedLock<LabPlatform>;
  Lock lock;
  lab::shared<int> count{0};

  /// After the first hold of one with a number it is the owner.
  void add_as(std::uint32_t self) {
    const Lock::Hold hold(lock, self);
    count.update([](int& value) { ++value; });
  }
  void add() {
    const std::scoped_lock hold(lock);
    count.update([](int& value) { ++value; });
  }
  int total() {
    const std::scoped_lock hold(lock);
    return count.read();
  }
};

Part owned_lock() { return part_with_owner<Counted>("owned lock", "owned_lock.hpp"); }

TEST(OwnedLockInLab, IsHeldByOneAtATime) { expect_holds(owned_lock()); }
TEST(OwnedLockInLab, EveryOrderIsNeeded) { expect_mutants_caught(owned_lock()); }

}  // namespace
}  // namespace quiesce::lab::parts
