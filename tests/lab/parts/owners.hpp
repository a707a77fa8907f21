#pragma once
// What a lock with an owner is explored with. Counted has `add_as(number)`, which holds the lock as one with that number, or as nobody
// with 0, and counts, and `total()`.
#include <functional>
#include <vector>

#include "exploring.hpp"
#include "quiesce/lab/check.hpp"

namespace quiesce::lab::parts {

struct Adder {
  std::uint8_t number;
  int times;
};

/// Number 1 owns the lock and adds so often; the others meanwhile.
template <class Counted>
std::function<void()> owned(int own, std::vector<Adder> others) {
  return [=] {
    Counted counted;
    counted.add_as(1);
    std::vector<std::function<void()>> bodies;
    const auto adds = [&counted](Adder who) {
      return [&counted, who] {
        for (int i = 0; i < who.times; ++i) counted.add_as(who.number);
      };
    };
    bodies.push_back(adds({1, own}));
    int all = 1 + own;
    for (const Adder& other : others) {
      bodies.push_back(adds(other));
      all += other.times;
    }
    run_threads(bodies);
    lab::check(counted.total() == all, "every holder has counted");
  };
}

}  // namespace quiesce::lab::parts
