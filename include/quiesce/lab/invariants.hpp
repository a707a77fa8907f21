#pragma once
// What a program says of itself over a whole run, or over all of them.
//
//   lab::Always balanced("the books balance", [&] { return open_orders.load() <= limit; });   // looked at after every step
//   lab::sometimes(queue.size() == limit, "the queue was full");                               // true in some run, or the report fails
//
// Outside of a run both do nothing. An invariant reads the lab's objects without being a step: it costs no schedule, and it is in no
// race. dpor() makes one order of steps that do not depend on each other; an invariant over several objects may hold in that one and not
// in another, so explore those with another strategy.
#include <cstdint>
#include <functional>
#include <source_location>
#include <string_view>

namespace quiesce::lab {

/// While it lives, `holds` is asked after every step of the run it was made in; false is the run's failure (assertion). What it
/// refers to must outlive it. It may read lab::atomic and lab::shared, and must change nothing.
class [[nodiscard]] Always {
 public:
  Always(std::string_view name, std::function<bool()> holds,
         std::source_location where = std::source_location::current());
  ~Always();
  Always(const Always&) = delete;
  Always& operator=(const Always&) = delete;

 private:
  std::uint64_t id_ = 0, run_ = 0;
};

/// An exploration in which no run failed, and in which a `sometimes` of that name was passed but `condition` never was true, fails
/// (assertion): then its schedules did not reach what they were to reach.
void sometimes(bool condition, std::string_view name);

}  // namespace quiesce::lab
