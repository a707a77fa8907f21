#pragma once
// Grain: how many elements a parallel algorithm leaves together.
//
// Work is split in halves until a part has no more elements than the grain; a part is then done in one go. The split depends on the
// number of elements and the grain only, never on workers or luck: so the result of a reduction is the same in every run, also of
// floating-point numbers.
//   q::parallel::Grain()        automatic: some 512 parts, which keeps any sensible number of workers busy; right where an element takes
//                               anything from ten nanoseconds to a second
//   q::parallel::Grain(10'000)  at most so many elements; for cheap functions on few elements, or to be asked to stop more often
// Between two parts an algorithm looks for a request; a part costs a branch of a fork_join, some 30 ns.
#include <algorithm>
#include <cstddef>

namespace quiesce::parallel {

class Grain {
 public:
  constexpr Grain() = default;
  /// 0 is automatic, too.
  constexpr explicit Grain(std::size_t elements) : elements_(elements) {}

  /// For so many elements; never below `least` where it is automatic.
  constexpr std::size_t of(std::size_t count, std::size_t least = 1) const {
    if (elements_ > 0) return elements_;
    return std::max({(count + parts - 1) / parts, least, std::size_t{1}});
  }

 private:
  static constexpr std::size_t parts = 512;
  std::size_t elements_ = 0;
};

}  // namespace quiesce::parallel
