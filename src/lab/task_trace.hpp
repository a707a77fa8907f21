#pragma once
// What a kernel tells of a run, as actors and events of its trace. Kept only where somebody will look at it.
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
  boost::unordered_flat_set<std::uint64_t> known_;
};

}  // namespace quiesce::lab::detail
