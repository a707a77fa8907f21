// The dining philosophers (Dijkstra, Hierarchical ordering of sequential processes, 1971): a cycle of three.
#include <array>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

template <bool Fixed>
void dinner() {
  constexpr std::size_t seats = 3;
  std::array<lab::mutex, seats> forks;
  lab::name(forks[0], "fork 0");
  lab::name(forks[1], "fork 1");
  lab::name(forks[2], "fork 2");
  const auto eat = [&](std::size_t first, std::size_t second) {
    std::lock_guard left(forks[first]);
    std::lock_guard right(forks[second]);
  };
  lab::thread kant = start_thread("Kant", [&] { eat(0, 1); });
  lab::thread hume = start_thread("Hume", [&] { eat(1, 2); });
  lab::thread mill = start_thread("Mill", [&] { Fixed ? eat(0, 2) : eat(2, 0); });
  kant.join();
  hume.join();
  mill.join();
}

}  // namespace

Bug philosophers() {
  return {.name = "dining philosophers",
          .wrong = "each of three takes its left fork, then waits for its right one",
          .kind = FailureKind::deadlock,
          .message = {"in a cycle", "Kant holds mutex fork 0 and waits to lock mutex fork 1",
                      "Hume holds mutex fork 1 and waits to lock mutex fork 2",
                      "Mill holds mutex fork 2 and waits to lock mutex fork 0"},
          .buggy = dinner<false>,
          .fixed = dinner<true>,
          .depth = 3};
}

}  // namespace quiesce::lab::corpus
