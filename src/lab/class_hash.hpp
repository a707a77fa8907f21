#pragma once
// Which Mazurkiewicz class a run is of, and how many of them there have been.
//
// The Foata normal form of a run: each step lies in the layer after the last one that holds a step it depends on. Two runs are
// equivalent iff they have the same steps in the same layers (Cartier and Foata, 1969; Diekert and Rozenberg, The Book of Traces,
// 1995). A layer holds at most one step of an agent, so the form is a set of (layer, agent, touches), and the hash of a run is the
// sum of the hashes of these: no step has to be kept or sorted.
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {

class ClassHash {
 public:
  void clear();
  /// `data`: what the step drew.
  void add(const Step& step, std::uint64_t data = 0);
  std::uint64_t value() const;

 private:
  // The last layer with a step that touches the object so; 0: none. `total` conflicts with everything.
  struct Layers {
    std::uint64_t total = 0, reads = 0, updates = 0;

    std::uint64_t before(Access access) const;
    void put(Access access, std::uint64_t layer);
  };

  boost::unordered_flat_map<std::uint64_t, std::uint64_t> agents_;
  boost::unordered_flat_map<std::uint64_t, Layers> objects_;
  std::uint64_t sum_ = 0;
  std::uint64_t steps_ = 0;
};

/// What every strategy reports of its runs.
class RunCounter {
 public:
  void begin();
  void drew(std::uint32_t value);
  void made(const Step& step);
  void end(bool complete);

  Strategy::Counts counts;

 private:
  ClassHash hash_;
  boost::unordered_flat_set<std::uint64_t> classes_;
  std::uint64_t steps_ = 0;
  std::uint64_t drawn_ = 0;  // in the step that is being made
};

}  // namespace quiesce::lab::detail
