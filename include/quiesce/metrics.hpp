// Metrics: what a runtime reports about itself.
//
// A MetricsProvider is told of each event by a call to one of its functions; every function does nothing unless
// overridden. The runtime's default is no provider at all, a null pointer: each place that reports tests that
// pointer and goes on, so a runtime without metrics makes no virtual call. NoopMetrics is for callers who need
// an object.
//
// Thread-safety: functions are called from any worker, concurrently; an implementation synchronises itself.
// They run on the hot path, with no library lock held: they should be quick and must not block on a task of the
// same runtime. What one throws is swallowed. Durations come from the runtime's clock (virtual in the lab). Ids
// are those of the running process: a provider that builds time series should not use them as labels.
//
//   struct CountPanics : quiesce::MetricsProvider {
//     void panic(std::string_view) override { ++panics; }
//     std::atomic<int> panics{0};
//   };
//
// metrics_memory.hpp has one for tests, metrics_prometheus.hpp one that is served over HTTP.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "quiesce/cancel.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/outcome.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

class MetricsProvider {
 public:
  MetricsProvider() = default;
  virtual ~MetricsProvider() = default;
  MetricsProvider(const MetricsProvider&) = delete;
  MetricsProvider& operator=(const MetricsProvider&) = delete;

  // A task was admitted to a region; it ended, `lifetime` after that.
  virtual void task_spawned(RegionId region, TaskId task);
  virtual void task_completed(TaskId task, OutcomeKind outcome, Duration lifetime);

  // A root region has no parent. `lifetime` runs from creation to Closed.
  virtual void region_created(RegionId region, std::optional<RegionId> parent);
  virtual void region_closed(RegionId region, Duration lifetime);

  // A request reached this region; and, when it has closed after a request, the time from that request to
  // Closed.
  virtual void cancellation_requested(RegionId region, CancelKind kind);
  virtual void drain_completed(RegionId region, Duration taken);

  // A region's own deadline: set; passed (the region is cancelled); soon to pass; passed by `over` when the
  // region closed; left when it closed in time.
  virtual void deadline_set(RegionId region, Time deadline);
  virtual void deadline_exceeded(RegionId region);
  virtual void deadline_warning(RegionId region, Duration remaining);
  virtual void deadline_violation(RegionId region, Duration over);
  virtual void deadline_remaining(RegionId region, Duration remaining);

  // The time between two checkpoints of one task; a task that has not reached one for `since`.
  virtual void checkpoint_interval(TaskId task, Duration interval);
  virtual void task_stuck_detected(TaskId task, Duration since);

  // Discharged: committed or aborted.
  virtual void obligation_created(RegionId region);
  virtual void obligation_discharged(RegionId region);
  virtual void obligation_leaked(RegionId region);

  // `dispatched` steps were run by this worker since its last tick.
  virtual void scheduler_tick(std::uint32_t worker, std::uint64_t dispatched);

  // A panic was isolated: `task_execution`, `finalizer_execution`, `region_cleanup`, `obligation_handling` or
  // `scheduler_internal`.
  virtual void panic(std::string_view location_tag);

  // A task that ignored its request was ended by bounded escalation.
  virtual void escalated(TaskId task);
};

// Overrides nothing.
class NoopMetrics final : public MetricsProvider {};

namespace detail {

// How every part of the library calls a provider: nothing for a null one, and nothing it throws gets out.
template <class Call>
void report_metric(MetricsProvider* provider, Call&& call) noexcept {
  if (provider == nullptr) return;
  try {
    std::forward<Call>(call)(*provider);
  } catch (...) {}
}

}  // namespace detail
}  // namespace quiesce
