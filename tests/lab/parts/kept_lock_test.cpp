// The lock of four bytes that has an owner: mutual exclusion, and what one holder did is seen by the next, with and without a revocation.
#include "quiesce/detail/kernel/kept_lock.hpp"

#include <gtest/gtest.h>

#include "owners.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

struct Counted {
  using Number = std::uint8_t;
  using Lock = quiesce::detail::KeptLock<LabPlatform>;
  Lock lock;
  lab::shared<int> count{0};

  /// After the first hold of one with a number it is the owner.
  void add_as(std::uint8_t self) {
    const Lock::Hold hold(lock, self);
    count.update([](int& value) { ++value; });
  }
  void add() {
    const Lock::Hold hold(lock, Lock::nobody);
    count.update([](int& value) { ++value; });
  }
  int total() {
    const Lock::Hold hold(lock, Lock::nobody);
    return count.read();
  }
};

Part kept_lock() { return part_with_owner<Counted>("kept lock", "kept_lock.hpp"); }

TEST(KeptLockInLab, IsHeldByOneAtATime) { expect_holds(kept_lock()); }
TEST(KeptLockInLab, EveryOrderIsNeeded) { expect_mutants_caught(kept_lock()); }

}  // namespace
}  // namespace quiesce::lab::parts
