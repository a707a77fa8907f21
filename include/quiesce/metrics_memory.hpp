// A MetricsProvider that remembers, for tests and for a program that wants its own totals.
//
// Counts every event for ever and keeps the first `capacity` of them in the order they were reported; events
// past that are counted in dropped_events() and their text is gone, never silently. Thread-safe; one lock per
// event.
//
//   auto metrics = std::make_shared<quiesce::InMemoryMetrics>();
//   …
//   EXPECT_EQ(metrics->count(quiesce::MetricKind::TaskSpawned),
//   metrics->count(quiesce::MetricKind::TaskCompleted));
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/metrics.hpp"

namespace quiesce {

// One per function of MetricsProvider.
enum class MetricKind : std::uint8_t {
  TaskSpawned,
  TaskCompleted,
  RegionCreated,
  RegionClosed,
  CancellationRequested,
  DrainCompleted,
  DeadlineSet,
  DeadlineExceeded,
  DeadlineWarning,
  DeadlineViolation,
  DeadlineRemaining,
  CheckpointInterval,
  TaskStuckDetected,
  ObligationCreated,
  ObligationDischarged,
  ObligationLeaked,
  SchedulerTick,
  Panic,
  Escalated,
};

inline constexpr std::size_t metric_kind_count = static_cast<std::size_t>(MetricKind::Escalated) + 1;

// The name of the function, e.g. "task_spawned".
std::string_view to_string(MetricKind kind) noexcept;
std::ostream& operator<<(std::ostream& out, MetricKind kind);

// What was passed; the members that this kind of event has no argument for stay empty.
struct MetricEvent {
  MetricKind kind = MetricKind::TaskSpawned;
  std::optional<RegionId> region;
  std::optional<RegionId> parent;
  std::optional<TaskId> task;
  std::optional<OutcomeKind> outcome;
  std::optional<CancelKind> cancel_kind;
  std::optional<Duration> duration;
  std::optional<Time> deadline;
  std::optional<std::uint32_t> worker;
  std::optional<std::uint64_t> dispatched;
  std::string tag;

  friend bool operator==(const MetricEvent&, const MetricEvent&) = default;
};

std::ostream& operator<<(std::ostream& out, const MetricEvent& event);

class InMemoryMetrics final : public MetricsProvider {
 public:
  static constexpr std::size_t default_capacity = 65'536;

  explicit InMemoryMetrics(std::size_t capacity = default_capacity);
  ~InMemoryMetrics() override;

  [[nodiscard]] std::uint64_t count(MetricKind kind) const;
  [[nodiscard]] std::uint64_t completed(OutcomeKind outcome) const;
  [[nodiscard]] std::uint64_t cancellations(CancelKind kind) const;
  [[nodiscard]] std::uint64_t panics(std::string_view location_tag) const;
  [[nodiscard]] std::uint64_t dispatched() const;  // summed over workers

  // Spawned less completed, and created less closed; zero when a runtime has quiesced. Obligations: created
  // less discharged and leaked.
  [[nodiscard]] std::int64_t live_tasks() const;
  [[nodiscard]] std::int64_t live_regions() const;
  [[nodiscard]] std::int64_t live_obligations() const;

  [[nodiscard]] std::vector<MetricEvent> events() const;
  [[nodiscard]] std::vector<MetricEvent> events(MetricKind kind) const;
  [[nodiscard]] std::uint64_t dropped_events() const;
  void clear();

  void task_spawned(RegionId region, TaskId task) override;
  void task_completed(TaskId task, OutcomeKind outcome, Duration lifetime) override;
  void region_created(RegionId region, std::optional<RegionId> parent) override;
  void region_closed(RegionId region, Duration lifetime) override;
  void cancellation_requested(RegionId region, CancelKind kind) override;
  void drain_completed(RegionId region, Duration taken) override;
  void deadline_set(RegionId region, Time deadline) override;
  void deadline_exceeded(RegionId region) override;
  void deadline_warning(RegionId region, Duration remaining) override;
  void deadline_violation(RegionId region, Duration over) override;
  void deadline_remaining(RegionId region, Duration remaining) override;
  void checkpoint_interval(TaskId task, Duration interval) override;
  void task_stuck_detected(TaskId task, Duration since) override;
  void obligation_created(RegionId region) override;
  void obligation_discharged(RegionId region) override;
  void obligation_leaked(RegionId region) override;
  void scheduler_tick(std::uint32_t worker, std::uint64_t dispatched) override;
  void panic(std::string_view location_tag) override;
  void escalated(TaskId task) override;

 private:
  void record(MetricEvent event);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quiesce
