#include "quiesce/metrics_prometheus.hpp"

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace quiesce {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr std::size_t http_threads = 2;
constexpr std::size_t outcome_kinds = static_cast<std::size_t>(OutcomeKind::Panicked) + 1;
constexpr std::size_t cancel_kinds = static_cast<std::size_t>(CancelKind::Shutdown) + 1;
constexpr std::array<std::string_view, 5> panic_tags = {
    "task_execution", "finalizer_execution", "region_cleanup", "obligation_handling", "scheduler_internal"};
// Workers from here on share one series, so that their number is bounded.
constexpr std::uint32_t labelled_workers = 256;

// From a microsecond to a minute, in steps of ten and about three.
const Histogram::BucketBoundaries& duration_buckets() {
  static const Histogram::BucketBoundaries buckets = {1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2,
                                                      1e-1, 3e-1, 1.0,  3.0,  10.0, 30.0, 60.0};
  return buckets;
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct PrometheusMetrics::State {
  // One family per name: the members below only point into the registry.
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();

  Counter& tasks_spawned = counter("quiesce_tasks_spawned_total", "Tasks admitted to a region");
  std::array<Counter*, outcome_kinds> tasks_completed = labelled<OutcomeKind, outcome_kinds>(
      "quiesce_tasks_completed_total", "Tasks that ended, by outcome", "outcome");
  Gauge& tasks_live = gauge("quiesce_tasks_live", "Tasks spawned and not yet ended");
  Histogram& task_duration = histogram("quiesce_task_duration_seconds", "From spawn to end of a task");
  Counter& regions_created = counter("quiesce_regions_created_total", "Regions created");
  Counter& regions_closed = counter("quiesce_regions_closed_total", "Regions closed");
  Gauge& regions_live = gauge("quiesce_regions_live", "Regions created and not yet closed");
  Histogram& region_duration =
      histogram("quiesce_region_duration_seconds", "From creation to close of a region");
  std::array<Counter*, cancel_kinds> cancellations = labelled<CancelKind, cancel_kinds>(
      "quiesce_cancellations_requested_total", "Cancel requests that reached a region, by kind", "kind");
  Histogram& drain_duration = histogram("quiesce_drain_duration_seconds", "From a cancel request to the close");
  Counter& deadlines_set = counter("quiesce_deadlines_set_total", "Deadlines set on regions");
  Counter& deadlines_exceeded = counter("quiesce_deadlines_exceeded_total", "Deadlines that passed");
  Histogram& deadline_warning =
      histogram("quiesce_deadline_warning_seconds", "Time left when a warning was given");
  Histogram& deadline_violation =
      histogram("quiesce_deadline_violation_seconds", "Time by which a close was late");
  Histogram& deadline_remaining =
      histogram("quiesce_deadline_remaining_seconds", "Time left when a region closed");
  Histogram& checkpoint_interval =
      histogram("quiesce_checkpoint_interval_seconds", "Between two checkpoints of one task");
  Counter& tasks_stuck = counter("quiesce_tasks_stuck_total", "Tasks found without a checkpoint for too long");
  Counter& obligations_created = counter("quiesce_obligations_created_total", "Obligations reserved");
  Counter& obligations_discharged = counter("quiesce_obligations_discharged_total", "Obligations resolved");
  Counter& obligations_leaked = counter("quiesce_obligations_leaked_total", "Obligations leaked");
  Gauge& obligations_live = gauge("quiesce_obligations_live", "Obligations reserved and not yet final");
  prometheus::Family<Counter>& ticks = family("quiesce_scheduler_ticks_total", "Scheduler ticks, by worker");
  prometheus::Family<Counter>& dispatches =
      family("quiesce_scheduler_dispatches_total", "Steps run, by worker");
  prometheus::Family<Counter>& panics = family("quiesce_panics_total", "Isolated panics, by location");
  std::array<Counter*, panic_tags.size()> panics_by_tag = known_panics();
  Counter& tasks_escalated = counter("quiesce_tasks_escalated_total", "Tasks ended by bounded escalation");

  // Filled when a worker first ticks. Family::Add gives every caller the same counter for the same labels, so
  // two that race store equal pointers; acquire and release carry the counter's construction to a worker that
  // finds it here.
  struct Worker {
    std::atomic<Counter*> ticks{nullptr};
    std::atomic<Counter*> dispatches{nullptr};
  };
  std::array<Worker, labelled_workers + 1> workers;

  // Last, so that it stops serving before the rest goes.
  std::unique_ptr<prometheus::Exposer> exposer;

  prometheus::Family<Counter>& family(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
  }
  Counter& counter(const char* name, const char* help) { return family(name, help).Add({}); }
  Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(*registry).Add({});
  }
  Histogram& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry).Add({}, duration_buckets());
  }

  // A counter for each enumerator, so that a series is there, at 0, before its first event.
  template <class Kind, std::size_t Count>
  std::array<Counter*, Count> labelled(const char* name, const char* help, const char* label) {
    auto& counters = family(name, help);
    std::array<Counter*, Count> result{};
    for (std::size_t i = 0; i < Count; ++i) {
      result[i] = &counters.Add({{label, std::string(to_string(static_cast<Kind>(i)))}});
    }
    return result;
  }

  std::array<Counter*, panic_tags.size()> known_panics() {
    std::array<Counter*, panic_tags.size()> result{};
    for (std::size_t i = 0; i < panic_tags.size(); ++i) {
      result[i] = &panics.Add({{"location", std::string(panic_tags[i])}});
    }
    return result;
  }

  static Counter& of_worker(std::atomic<Counter*>& slot, prometheus::Family<Counter>& counters,
                            std::uint32_t worker) {
    Counter* found = slot.load(std::memory_order_acquire);
    if (found == nullptr) {
      const std::string label = worker < labelled_workers ? std::to_string(worker) : "other";
      found = &counters.Add({{"worker", label}});
      slot.store(found, std::memory_order_release);
    }
    return *found;
  }
};

PrometheusMetrics::PrometheusMetrics(const std::string& address) : state_(std::make_unique<State>()) {
  try {
    state_->exposer = std::make_unique<prometheus::Exposer>(address, http_threads);
  } catch (const std::exception& error) {
    throw std::runtime_error("cannot serve metrics at " + address + ": " + error.what());
  }
  state_->exposer->RegisterCollectable(state_->registry);
}

PrometheusMetrics::~PrometheusMetrics() = default;

std::uint16_t PrometheusMetrics::port() const noexcept {
  const std::vector<int> ports = state_->exposer->GetListeningPorts();
  return ports.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(ports.front());
}

std::string PrometheusMetrics::scrape() const {
  return prometheus::TextSerializer().Serialize(state_->registry->Collect());
}

void PrometheusMetrics::task_spawned(RegionId, TaskId) {
  state_->tasks_spawned.Increment();
  state_->tasks_live.Increment();
}

void PrometheusMetrics::task_completed(TaskId, OutcomeKind outcome, Duration lifetime) {
  state_->tasks_completed.at(static_cast<std::size_t>(outcome))->Increment();
  state_->tasks_live.Decrement();
  state_->task_duration.Observe(seconds(lifetime));
}

void PrometheusMetrics::region_created(RegionId, std::optional<RegionId>) {
  state_->regions_created.Increment();
  state_->regions_live.Increment();
}

void PrometheusMetrics::region_closed(RegionId, Duration lifetime) {
  state_->regions_closed.Increment();
  state_->regions_live.Decrement();
  state_->region_duration.Observe(seconds(lifetime));
}

void PrometheusMetrics::cancellation_requested(RegionId, CancelKind kind) {
  state_->cancellations.at(static_cast<std::size_t>(kind))->Increment();
}

void PrometheusMetrics::drain_completed(RegionId, Duration taken) {
  state_->drain_duration.Observe(seconds(taken));
}
void PrometheusMetrics::deadline_set(RegionId, Time) { state_->deadlines_set.Increment(); }
void PrometheusMetrics::deadline_exceeded(RegionId) { state_->deadlines_exceeded.Increment(); }

void PrometheusMetrics::deadline_warning(RegionId, Duration remaining) {
  state_->deadline_warning.Observe(seconds(remaining));
}

void PrometheusMetrics::deadline_violation(RegionId, Duration over) {
  state_->deadline_violation.Observe(seconds(over));
}

void PrometheusMetrics::deadline_remaining(RegionId, Duration remaining) {
  state_->deadline_remaining.Observe(seconds(remaining));
}

void PrometheusMetrics::checkpoint_interval(TaskId, Duration interval) {
  state_->checkpoint_interval.Observe(seconds(interval));
}

void PrometheusMetrics::task_stuck_detected(TaskId, Duration) { state_->tasks_stuck.Increment(); }

void PrometheusMetrics::obligation_created(RegionId) {
  state_->obligations_created.Increment();
  state_->obligations_live.Increment();
}

void PrometheusMetrics::obligation_discharged(RegionId) {
  state_->obligations_discharged.Increment();
  state_->obligations_live.Decrement();
}

void PrometheusMetrics::obligation_leaked(RegionId) {
  state_->obligations_leaked.Increment();
  state_->obligations_live.Decrement();
}

void PrometheusMetrics::scheduler_tick(std::uint32_t worker, std::uint64_t dispatched) {
  State::Worker& slot = state_->workers[std::min(worker, labelled_workers)];
  State::of_worker(slot.ticks, state_->ticks, worker).Increment();
  State::of_worker(slot.dispatches, state_->dispatches, worker).Increment(static_cast<double>(dispatched));
}

void PrometheusMetrics::panic(std::string_view location_tag) {
  for (std::size_t i = 0; i < panic_tags.size(); ++i) {
    if (panic_tags[i] == location_tag) return state_->panics_by_tag[i]->Increment();
  }
  state_->panics.Add({{"location", std::string(location_tag)}}).Increment();
}

void PrometheusMetrics::escalated(TaskId) { state_->tasks_escalated.Increment(); }

}  // namespace quiesce
