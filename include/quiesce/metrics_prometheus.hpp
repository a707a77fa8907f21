// A MetricsProvider served to Prometheus over HTTP, on prometheus-cpp's exposer.
//
// The constructor binds and starts to serve `http://<address>/metrics`; the destructor stops the server's
// threads, which may take up to two seconds, the server's own polling interval. Names start with `quiesce_`.
// Counters end in `_total`; durations are histograms in seconds; `quiesce_tasks_live`, `quiesce_regions_live`
// and `quiesce_obligations_live` are gauges. Labels: outcome, cancel kind, panic location, worker. Region and
// task ids are never labels: a time series per task would grow without bound.
//
// Throws std::runtime_error when the address cannot be bound. Thread-safe. Cost per event: one atomic add per
// counter, and a short lock per histogram.
//
//   auto metrics = std::make_shared<quiesce::PrometheusMetrics>("127.0.0.1:9464");
//   auto rt = quiesce::Runtime::builder().metrics(metrics).build();
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "quiesce/metrics.hpp"

namespace quiesce {

class PrometheusMetrics final : public MetricsProvider {
 public:
  // `host:port`; port 0 takes a free one, which port() tells.
  explicit PrometheusMetrics(const std::string& address);
  ~PrometheusMetrics() override;

  [[nodiscard]] std::uint16_t port() const noexcept;
  // What a scrape would get now, in Prometheus' text format.
  [[nodiscard]] std::string scrape() const;

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
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quiesce
