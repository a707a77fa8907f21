// The lock that has an owner: mutual exclusion, and what one holder did is seen by the next, with and without a revocation.
#include "quiesce/detail/kernel/owned_lock.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "owners.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

struct Counted {
  using Lock = quiesce::detail::OwnedLock<LabPlatform>;
  Lock lock;
  lab::shared<int> count{0};

  /// Number 1 is the owner; after its first hold it owns the lock.
  void add_as(std::uint8_t self) {
    const Lock::Hold hold(lock, self == 1);
    count.update([](int& value) { ++value; });
  }
  int total() {
    const std::scoped_lock hold(lock);
    return count.read();
  }
};

Part owned_lock() {
  return {.name = "owned lock",
          .files = {"owned_lock.hpp"},
          .scenarios = {{"the owner once, another once", owned<Counted>(1, {{0, 1}})},
                        {"the owner twice, another once", owned<Counted>(2, {{0, 1}})},
                        {"the owner once, another twice", owned<Counted>(1, {{0, 2}})},
                        {.name = "the owner twice, another twice",
                         .body = owned<Counted>(2, {{0, 2}}),
                         .weak_exhausts = false,
                         .weak_runs = 5'000,
                         .judges_mutants = false},
                        {.name = "the owner and two others",
                         .body = owned<Counted>(1, {{0, 1}, {0, 1}}),
                         .weak_exhausts = false,
                         .weak_runs = 5'000,
                         .judges_mutants = false}}};
}

TEST(OwnedLockInLab, IsHeldByOneAtATime) { expect_holds(owned_lock()); }
TEST(OwnedLockInLab, EveryOrderIsNeeded) { expect_mutants_caught(owned_lock()); }

}  // namespace
}  // namespace quiesce::lab::parts
