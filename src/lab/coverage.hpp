#pragma once
// What an exploration has come by: places at which something gave way, and cancel points of tasks with whether a request has
// landed there. Kept only while somebody asks (a hunt): else current() is null, and noting costs a look at it.
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/logical.hpp"

namespace quiesce::lab::detail {

class Coverage {
 public:
  /// Of the exploration on this thread; nullptr: nobody asks.
  static Coverage* current() noexcept { return current_; }

  /// The exploration on this thread notes here, as long as this lives.
  class Use {
   public:
    explicit Use(Coverage* coverage) : previous_(current_) { current_ = coverage; }
    ~Use() { current_ = previous_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Coverage* previous_;
  };

  /// Something gave way: `what` it is about to do or waits for (the leaf's name), `whose` kind it is ("task", "finalizer"), `where`
  /// in the source. Both texts are literals, or live as long. Distinct by all three.
  void suspended(std::string_view what, std::string_view whose, std::source_location where = unknown);
  /// The task came by its cancel point with that ordinal, counted in the task, and whether a request landed there.
  void cancel_point(LogicalId task, std::uint32_t ordinal, bool landed);

  struct Counts {
    std::size_t suspensions = 0, cancel_points = 0, landed = 0;
  };
  Counts counts() const;

  /// What was new since the last call: names by which it can be told from what another process has seen.
  struct News {
    std::vector<std::string> suspensions, cancel_points, landed;
  };
  News take_news();

 private:
  static constexpr std::source_location unknown{};
  static constinit thread_local Coverage* current_;

  struct Place {
    const char* what;
    const char* whose;
    const char* file;
    std::uint32_t line;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct HashOfPlace {
    std::size_t operator()(const Place& place) const noexcept;
  };

  boost::unordered_flat_set<Place, HashOfPlace> places_;          // by pointer, which is quick
  boost::unordered_flat_set<std::string> names_;                  // the same by text
  boost::unordered_flat_map<std::uint64_t, bool> cancel_points_;  // whether a request has landed
  std::size_t landed_ = 0;
  News news_;
};

}  // namespace quiesce::lab::detail
