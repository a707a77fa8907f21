#pragma once
// What a lock with an owner is explored with. Counted has a Number, `add_as(number)` and `add()`, which hold the lock and count, and `total()`.
#include <functional>
#include <vector>

#include "exploring.hpp"
#include "quiesce/lab/check.hpp"

namespace quiesce::lab::parts {

/// Number 1 owns the lock and adds so often; others add as numbers 2, 3, …, or without a number.
template <class Counted>
std::function<void()> owned(int own, int numbered, int unnumbered) {
  return [=] {
    Counted counted;
    counted.add_as(1);
    std::vector<std::function<void()>> bodies{[&] {
      for (int i = 0; i < own; ++i) counted.add_as(1);
    }};
    for (int i = 0; i < numbered; ++i)
      bodies.push_back([&, i] { counted.add_as(static_cast<typename Counted::Number>(i + 2)); });
    for (int i = 0; i < unnumbered; ++i) bodies.push_back([&] { counted.add(); });
    run_threads(bodies);
    lab::check(counted.total() == 1 + own + numbered + unnumbered, "every holder has counted");
  };
}

template <class Counted>
Part part_with_owner(const char* name, const char* file) {
  return {.name = name,
          .files = {file},
          .scenarios = {{"the owner once, one without a number", owned<Counted>(1, 0, 1)},
                        {"the owner twice, one without a number", owned<Counted>(2, 0, 1)},
                        {"the owner and one who becomes it", owned<Counted>(1, 1, 0)},
                        {"the owner twice, one who becomes it", owned<Counted>(2, 1, 0)},
                        {.name = "the owner and two others",
                         .body = owned<Counted>(1, 1, 1),
                         .weak_exhausts = false,
                         .weak_runs = 5'000,
                         .judges_mutants = false}}};
}

}  // namespace quiesce::lab::parts
