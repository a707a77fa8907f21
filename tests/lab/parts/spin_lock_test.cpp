// The spin lock: mutual exclusion, and what one holder did is seen by the next.
#include "quiesce/detail/kernel/spin_lock.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "exploring.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

struct Counted {
  quiesce::detail::SpinLock<LabPlatform> lock;
  lab::shared<int> count{0};

  void add() {
    const std::scoped_lock hold(lock);
    count.update([](int& value) { ++value; });
  }
  int try_add() {
    if (!lock.try_lock()) return 0;
    count.update([](int& value) { ++value; });
    lock.unlock();
    return 1;
  }
};

std::function<void()> with(int adding, int trying) {
  return [=] {
    Counted counted;
    int added = adding;
    std::vector<std::function<void()>> bodies(static_cast<std::size_t>(adding), [&] { counted.add(); });
    for (int i = 0; i < trying; ++i) bodies.push_back([&] { added += counted.try_add(); });
    run_threads(bodies);
    const std::scoped_lock hold(counted.lock);
    lab::check(counted.count.read() == added, "every holder has counted");
  };
}

Part spin_lock() {
  return {.name = "spin lock",
          .files = {"spin_lock.hpp"},
          .scenarios = {{"two threads lock", with(2, 0)},
                        {.name = "three threads lock",
                         .body = with(3, 0),
                         .weak_exhausts = false,
                         .weak_runs = 2'000,
                         .judges_mutants = false},
                        {"one locks, one tries", with(1, 1)},
                        {"two try", with(0, 2)}}};
}

TEST(SpinLockInLab, IsHeldByOneAtATime) { expect_holds(spin_lock()); }
TEST(SpinLockInLab, EveryOrderIsNeeded) { expect_mutants_caught(spin_lock()); }

}  // namespace
}  // namespace quiesce::lab::parts
