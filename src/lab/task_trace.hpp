#pragma once
// What a kernel tells of a run, as actors and events of its trace. Kept only where somebody will look at it.
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/lab/trace.hpp"

namespace quiesce::lab::detail {

class TaskTrace {
 public:
  /// The step in which things happen from now on, and who makes it.
  struct Now {
    std::uint64_t step;
    std::int64_t time_ns;
    LogicalId who;
    std::uint32_t worker;
  };

  void see(const quiesce::detail::KernelEvent& event, const Now& now);
  RunTrace take() { return std::move(trace_); }

 private:
  void see_step(const quiesce::detail::TaskRecord& task, const Now& now);
  TraceEvent& add(TraceEvent::Kind kind, const Now& now, LogicalId other);

  RunTrace trace_;
  /// An actor, when it is seen for the first time.
  void meet(const quiesce::detail::TaskRecord& task, LogicalId region);

  boost::unordered_flat_set<std::uint64_t> regions_;
  /// What a task's waits are numbered from: its record counts those of its earlier lives too, in whatever runs.
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> first_waits_;
};

}  // namespace quiesce::lab::detail
