#include "quiesce/metrics.hpp"

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <ostream>

#include "quiesce/metrics_memory.hpp"

namespace quiesce {

void MetricsProvider::task_spawned(RegionId, TaskId) {}
void MetricsProvider::task_completed(TaskId, OutcomeKind, Duration) {}
void MetricsProvider::region_created(RegionId, std::optional<RegionId>) {}
void MetricsProvider::region_closed(RegionId, Duration) {}
void MetricsProvider::cancellation_requested(RegionId, CancelKind) {}
void MetricsProvider::drain_completed(RegionId, Duration) {}
void MetricsProvider::deadline_set(RegionId, Time) {}
void MetricsProvider::deadline_exceeded(RegionId) {}
void MetricsProvider::deadline_warning(RegionId, Duration) {}
void MetricsProvider::deadline_violation(RegionId, Duration) {}
void MetricsProvider::deadline_remaining(RegionId, Duration) {}
void MetricsProvider::checkpoint_interval(TaskId, Duration) {}
void MetricsProvider::task_stuck_detected(TaskId, Duration) {}
void MetricsProvider::obligation_created(RegionId) {}
void MetricsProvider::obligation_discharged(RegionId) {}
void MetricsProvider::obligation_leaked(RegionId) {}
void MetricsProvider::scheduler_tick(std::uint32_t, std::uint64_t) {}
void MetricsProvider::panic(std::string_view) {}
void MetricsProvider::escalated(TaskId) {}

std::string_view to_string(MetricKind kind) noexcept {
  static constexpr std::array<std::string_view, metric_kind_count> names = {"task_spawned",
                                                                            "task_completed",
                                                                            "region_created",
                                                                            "region_closed",
                                                                            "cancellation_requested",
                                                                            "drain_completed",
                                                                            "deadline_set",
                                                                            "deadline_exceeded",
                                                                            "deadline_warning",
                                                                            "deadline_violation",
                                                                            "deadline_remaining",
                                                                            "checkpoint_interval",
                                                                            "task_stuck_detected",
                                                                            "obligation_created",
                                                                            "obligation_discharged",
                                                                            "obligation_leaked",
                                                                            "scheduler_tick",
                                                                            "panic",
                                                                            "escalated"};
  const auto index = static_cast<std::size_t>(kind);
  return index < names.size() ? names[index] : std::string_view("unknown");
}

std::ostream& operator<<(std::ostream& out, MetricKind kind) { return out << to_string(kind); }

std::ostream& operator<<(std::ostream& out, const MetricEvent& event) {
  const char* separator = "";
  auto field = [&](std::string_view name, const auto& value) {
    if (!value) return;
    out << separator << name << '=' << *value;
    separator = ", ";
  };
  auto nanos = [](const std::optional<Duration>& duration) {
    return duration ? std::optional(Time::from_nanos(duration->count())) : std::nullopt;
  };
  out << event.kind << '(';
  field("region", event.region);
  field("parent", event.parent);
  field("task", event.task);
  field("outcome", event.outcome);
  field("kind", event.cancel_kind);
  field("duration", nanos(event.duration));
  field("deadline", event.deadline);
  field("worker", event.worker);
  field("dispatched", event.dispatched);
  field("tag", event.tag.empty() ? std::nullopt : std::optional(event.tag));
  return out << ')';
}

struct InMemoryMetrics::State {
  static constexpr std::size_t outcome_kinds = static_cast<std::size_t>(OutcomeKind::Panicked) + 1;
  static constexpr std::size_t cancel_kinds = static_cast<std::size_t>(CancelKind::Shutdown) + 1;

  struct Totals {
    std::array<std::uint64_t, metric_kind_count> by_kind{};
    std::array<std::uint64_t, outcome_kinds> completed{};
    std::array<std::uint64_t, cancel_kinds> cancellations{};
    std::map<std::string, std::uint64_t, std::less<>> panics;
    std::uint64_t dispatched = 0;
    std::uint64_t dropped = 0;
    std::deque<MetricEvent> events;
  };

  explicit State(std::size_t capacity_) : capacity(capacity_) {}

  void add(MetricEvent&& event) {
    ++totals.by_kind[static_cast<std::size_t>(event.kind)];
    if (event.outcome) ++totals.completed[static_cast<std::size_t>(*event.outcome)];
    if (event.cancel_kind) ++totals.cancellations[static_cast<std::size_t>(*event.cancel_kind)];
    if (event.dispatched) totals.dispatched += *event.dispatched;
    if (event.kind == MetricKind::Panic) ++totals.panics[event.tag];
    if (totals.events.size() < capacity) {
      totals.events.push_back(std::move(event));
    } else {
      ++totals.dropped;
    }
  }

  [[nodiscard]] std::int64_t difference(MetricKind more, MetricKind less) const {
    return static_cast<std::int64_t>(totals.by_kind[static_cast<std::size_t>(more)]) -
           static_cast<std::int64_t>(totals.by_kind[static_cast<std::size_t>(less)]);
  }

  const std::size_t capacity;
  mutable std::mutex mutex;
  Totals totals;
};

InMemoryMetrics::InMemoryMetrics(std::size_t capacity) : state_(std::make_unique<State>(capacity)) {}
InMemoryMetrics::~InMemoryMetrics() = default;

void InMemoryMetrics::record(MetricEvent event) {
  const std::lock_guard lock(state_->mutex);
  state_->add(std::move(event));
}

std::uint64_t InMemoryMetrics::count(MetricKind kind) const {
  const std::lock_guard lock(state_->mutex);
  return state_->totals.by_kind.at(static_cast<std::size_t>(kind));
}

std::uint64_t InMemoryMetrics::completed(OutcomeKind outcome) const {
  const std::lock_guard lock(state_->mutex);
  return state_->totals.completed.at(static_cast<std::size_t>(outcome));
}

std::uint64_t InMemoryMetrics::cancellations(CancelKind kind) const {
  const std::lock_guard lock(state_->mutex);
  return state_->totals.cancellations.at(static_cast<std::size_t>(kind));
}

std::uint64_t InMemoryMetrics::panics(std::string_view location_tag) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->totals.panics.find(location_tag);
  return found == state_->totals.panics.end() ? 0 : found->second;
}

std::uint64_t InMemoryMetrics::dispatched() const {
  const std::lock_guard lock(state_->mutex);
  return state_->totals.dispatched;
}

std::int64_t InMemoryMetrics::live_tasks() const {
  const std::lock_guard lock(state_->mutex);
  return state_->difference(MetricKind::TaskSpawned, MetricKind::TaskCompleted);
}

std::int64_t InMemoryMetrics::live_regions() const {
  const std::lock_guard lock(state_->mutex);
  return state_->difference(MetricKind::RegionCreated, MetricKind::RegionClosed);
}

std::int64_t InMemoryMetrics::live_obligations() const {
  const std::lock_guard lock(state_->mutex);
  return state_->difference(MetricKind::ObligationCreated, MetricKind::ObligationDischarged) -
         static_cast<std::int64_t>(
             state_->totals.by_kind[static_cast<std::size_t>(MetricKind::ObligationLeaked)]);
}

std::vector<MetricEvent> InMemoryMetrics::events() const {
  const std::lock_guard lock(state_->mutex);
  return {state_->totals.events.begin(), state_->totals.events.end()};
}

std::vector<MetricEvent> InMemoryMetrics::events(MetricKind kind) const {
  std::vector<MetricEvent> all = events();
  std::erase_if(all, [kind](const MetricEvent& event) { return event.kind != kind; });
  return all;
}

std::uint64_t InMemoryMetrics::dropped_events() const {
  const std::lock_guard lock(state_->mutex);
  return state_->totals.dropped;
}

void InMemoryMetrics::clear() {
  const std::lock_guard lock(state_->mutex);
  state_->totals = State::Totals{};
}

namespace {

MetricEvent about(MetricKind kind) {
  MetricEvent event;
  event.kind = kind;
  return event;
}

MetricEvent about(MetricKind kind, RegionId region, std::optional<Duration> duration = std::nullopt) {
  MetricEvent event = about(kind);
  event.region = region;
  event.duration = duration;
  return event;
}

MetricEvent about(MetricKind kind, TaskId task, std::optional<Duration> duration = std::nullopt) {
  MetricEvent event = about(kind);
  event.task = task;
  event.duration = duration;
  return event;
}

}  // namespace

void InMemoryMetrics::task_spawned(RegionId region, TaskId task) {
  MetricEvent event = about(MetricKind::TaskSpawned, task);
  event.region = region;
  record(std::move(event));
}

void InMemoryMetrics::task_completed(TaskId task, OutcomeKind outcome, Duration lifetime) {
  MetricEvent event = about(MetricKind::TaskCompleted, task, lifetime);
  event.outcome = outcome;
  record(std::move(event));
}

void InMemoryMetrics::region_created(RegionId region, std::optional<RegionId> parent) {
  MetricEvent event = about(MetricKind::RegionCreated, region);
  event.parent = parent;
  record(std::move(event));
}

void InMemoryMetrics::region_closed(RegionId region, Duration lifetime) {
  record(about(MetricKind::RegionClosed, region, lifetime));
}

void InMemoryMetrics::cancellation_requested(RegionId region, CancelKind kind) {
  MetricEvent event = about(MetricKind::CancellationRequested, region);
  event.cancel_kind = kind;
  record(std::move(event));
}

void InMemoryMetrics::drain_completed(RegionId region, Duration taken) {
  record(about(MetricKind::DrainCompleted, region, taken));
}

void InMemoryMetrics::deadline_set(RegionId region, Time deadline) {
  MetricEvent event = about(MetricKind::DeadlineSet, region);
  event.deadline = deadline;
  record(std::move(event));
}

void InMemoryMetrics::deadline_exceeded(RegionId region) {
  record(about(MetricKind::DeadlineExceeded, region));
}

void InMemoryMetrics::deadline_warning(RegionId region, Duration remaining) {
  record(about(MetricKind::DeadlineWarning, region, remaining));
}

void InMemoryMetrics::deadline_violation(RegionId region, Duration over) {
  record(about(MetricKind::DeadlineViolation, region, over));
}

void InMemoryMetrics::deadline_remaining(RegionId region, Duration remaining) {
  record(about(MetricKind::DeadlineRemaining, region, remaining));
}

void InMemoryMetrics::checkpoint_interval(TaskId task, Duration interval) {
  record(about(MetricKind::CheckpointInterval, task, interval));
}

void InMemoryMetrics::task_stuck_detected(TaskId task, Duration since) {
  record(about(MetricKind::TaskStuckDetected, task, since));
}

void InMemoryMetrics::obligation_created(RegionId region) {
  record(about(MetricKind::ObligationCreated, region));
}

void InMemoryMetrics::obligation_discharged(RegionId region) {
  record(about(MetricKind::ObligationDischarged, region));
}

void InMemoryMetrics::obligation_leaked(RegionId region) {
  record(about(MetricKind::ObligationLeaked, region));
}

void InMemoryMetrics::scheduler_tick(std::uint32_t worker, std::uint64_t dispatched) {
  MetricEvent event = about(MetricKind::SchedulerTick);
  event.worker = worker;
  event.dispatched = dispatched;
  record(std::move(event));
}

void InMemoryMetrics::panic(std::string_view location_tag) {
  MetricEvent event = about(MetricKind::Panic);
  event.tag = std::string(location_tag);
  record(std::move(event));
}

void InMemoryMetrics::escalated(TaskId task) { record(about(MetricKind::Escalated, task)); }

}  // namespace quiesce
