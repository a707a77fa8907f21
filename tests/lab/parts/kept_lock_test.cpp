// The lock of four bytes that has an owner: mutual exclusion, and what one holder did is seen by the next, with and without a revocation.
#include "quiesce/detail/kernel/kept_lock.hpp"

#include <gtest/gtest.h>

#include "owners.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

struct Counted {
  using Lock = quiesce::detail::KeptLock<LabPlatform>;
  Presences presences;
  Lock lock;
  lab::shared<int> count{0};

  /// After the first hold of one with a number it is the owner.
  void add_as(std::uint8_t self) {
    const Lock::Hold hold(lock, self);
    count.update([](int& value) { ++value; });
  }
  int total() {
    const Lock::Hold hold(lock, Lock::nobody);
    return count.read();
  }
};

Part kept_lock() {
  return {.name = "kept lock",
          .files = {"kept_lock.hpp", "presence.hpp"},
          .scenarios = {{"the owner once, one without a number", owned<Counted>(1, {{0, 1}})},
                        {"the owner twice, one without a number", owned<Counted>(2, {{0, 1}})},
                        {"the owner and one who becomes it", owned<Counted>(1, {{2, 1}})},
                        {"the owner twice, one who becomes it", owned<Counted>(2, {{2, 1}})},
                        // What the first says of itself may come when the second is inside.
                        {"the owner once, one who becomes it and comes again", owned<Counted>(1, {{2, 2}})},
                        {.name = "the owner twice, one who becomes it and comes again",
                         .body = owned<Counted>(2, {{2, 2}}),
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false},
                        {.name = "the owner and two others",
                         .body = owned<Counted>(1, {{2, 1}, {0, 1}}),
                         .weak_exhausts = false,
                         .weak_runs = 1'000,
                         .judges_mutants = false}}};
}

TEST(KeptLockInLab, IsHeldByOneAtATime) { expect_holds(kept_lock()); }
TEST(KeptLockInLab, EveryOrderIsNeeded) { expect_mutants_caught(kept_lock()); }

}  // namespace
}  // namespace quiesce::lab::parts
