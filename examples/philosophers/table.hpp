#pragma once
// Dijkstra's philosophers: each needs the two forks beside the plate, and a fork is a q::Mutex.
#include <quiesce/scope.hpp>
#include <quiesce/sync/mutex.hpp>

#include <cstdint>
#include <deque>
#include <memory>

namespace philosophers {

enum class Manners : std::uint8_t {
  left_first,   // everybody takes the left fork first: a circle of neighbours may wait for each other
  lower_first,  // the fork with the lower number first: no circle (Dijkstra 1965)
};

struct Fork {
  std::uint64_t meals = 0;  // that it was used for
};

class Table {
 public:
  explicit Table(std::uint32_t seats);
  std::uint32_t seats() const { return static_cast<std::uint32_t>(forks_.size()); }
  quiesce::Mutex<Fork>& fork(std::uint32_t number) { return forks_[number % forks_.size()]; }

 private:
  std::deque<quiesce::Mutex<Fork>> forks_;
};

/// Everybody eats `meals` times; how often the forks were used.
quiesce::Task<std::uint64_t> dinner(quiesce::Cx cx, std::uint32_t seats, std::uint32_t meals, Manners manners);

}  // namespace philosophers

template <>
inline constexpr bool quiesce::enable_sync<philosophers::Table> = true;  // its forks guard themselves
