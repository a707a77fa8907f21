#pragma once
// Five programs of the shapes that real ones have, for the tests of the lab's determinism.
#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "quiesce/lab.hpp"

namespace quiesce::lab::tests {

struct Program {
  std::string_view name;
  Report (*explore)(const Options& options);
  friend std::ostream& operator<<(std::ostream& out, const Program& program) { return out << program.name; }
};
std::span<const Program> programs();

/// The hash of one random schedule of each of these seeds (Report::hash), mixed in their order.
std::uint64_t hash_of_seeds(const Program& program, std::uint64_t seeds);

/// The trace file of that seed's random schedule. What is left out is what compilers see differently: the places in the source.
enum class Lines : bool { left_out, kept };
std::string trace_of_seed(const Program& program, std::uint64_t seed, Lines lines);

/// How many seeds a test makes: QUIESCE_DETERMINISM_SEEDS, or 10,000 where the tests are optimised and 500 where they are not.
std::uint64_t seeds_wanted();

}  // namespace quiesce::lab::tests
