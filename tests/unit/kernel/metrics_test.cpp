#include "quiesce/metrics.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <latch>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "quiesce/metrics_memory.hpp"
#include "quiesce/metrics_prometheus.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr RegionId region{1, 1};
constexpr RegionId child{2, 1};
constexpr TaskId task{3, 1};

// Each function once.
void report_everything(MetricsProvider& metrics) {
  metrics.task_spawned(region, task);
  metrics.task_completed(task, OutcomeKind::Err, 5ms);
  metrics.region_created(child, region);
  metrics.region_closed(child, 20ms);
  metrics.cancellation_requested(region, CancelKind::Deadline);
  metrics.drain_completed(region, 7ms);
  metrics.deadline_set(region, Time::from_nanos(9));
  metrics.deadline_exceeded(region);
  metrics.deadline_warning(region, 100ms);
  metrics.deadline_violation(region, 2s);
  metrics.deadline_remaining(region, 50ms);
  metrics.checkpoint_interval(task, 10us);
  metrics.task_stuck_detected(task, 3s);
  metrics.obligation_created(region);
  metrics.obligation_discharged(region);
  metrics.obligation_leaked(region);
  metrics.scheduler_tick(1, 61);
  metrics.panic("task_execution");
  metrics.escalated(task);
}

TEST(MetricsProvider, does_nothing_unless_overridden) {
  NoopMetrics metrics;
  report_everything(metrics);
  struct OnePart final : MetricsProvider {
    int spawned = 0;
    void task_spawned(RegionId, TaskId) override { ++spawned; }
  } part;
  report_everything(part);
  EXPECT_EQ(part.spawned, 1);
}

TEST(ReportMetric, calls_only_a_provider_that_is_there) {
  int calls = 0;
  detail::report_metric(nullptr, [&](MetricsProvider&) { ++calls; });
  EXPECT_EQ(calls, 0);
  NoopMetrics metrics;
  detail::report_metric(&metrics, [&](MetricsProvider& given) { calls += &given == &metrics; });
  EXPECT_EQ(calls, 1);
}

TEST(ReportMetric, swallows_what_a_provider_throws) {
  NoopMetrics metrics;
  bool thrown = false;
  detail::report_metric(&metrics, [&](MetricsProvider&) {
    thrown = true;
    throw std::runtime_error("broken");
  });
  EXPECT_TRUE(thrown);
}

// ---- In memory ----

TEST(InMemoryMetrics, keeps_each_event_with_its_arguments) {
  InMemoryMetrics metrics;
  report_everything(metrics);
  std::vector<std::string> printed;
  for (const MetricEvent& event : metrics.events()) {
    std::ostringstream out;
    out << event;
    printed.push_back(out.str());
  }
  EXPECT_THAT(
      printed,
      ElementsAre(
          "task_spawned(region=R1.1, task=T3.1)", "task_completed(task=T3.1, outcome=Err, duration=5.000ms)",
          "region_created(region=R2.1, parent=R1.1)", "region_closed(region=R2.1, duration=20.000ms)",
          "cancellation_requested(region=R1.1, kind=Deadline)",
          "drain_completed(region=R1.1, duration=7.000ms)", "deadline_set(region=R1.1, deadline=9ns)",
          "deadline_exceeded(region=R1.1)", "deadline_warning(region=R1.1, duration=100.000ms)",
          "deadline_violation(region=R1.1, duration=2.000s)",
          "deadline_remaining(region=R1.1, duration=50.000ms)",
          "checkpoint_interval(task=T3.1, duration=10.000us)",
          "task_stuck_detected(task=T3.1, duration=3.000s)", "obligation_created(region=R1.1)",
          "obligation_discharged(region=R1.1)", "obligation_leaked(region=R1.1)",
          "scheduler_tick(worker=1, dispatched=61)", "panic(tag=task_execution)", "escalated(task=T3.1)"));
}

TEST(InMemoryMetrics, counts_each_kind) {
  InMemoryMetrics metrics;
  report_everything(metrics);
  for (std::size_t i = 0; i < metric_kind_count; ++i) {
    const auto kind = static_cast<MetricKind>(i);
    EXPECT_EQ(metrics.count(kind), 1U) << kind;
    EXPECT_EQ(metrics.events(kind).size(), 1U) << kind;
  }
  EXPECT_EQ(metrics.completed(OutcomeKind::Err), 1U);
  EXPECT_EQ(metrics.completed(OutcomeKind::Ok), 0U);
  EXPECT_EQ(metrics.cancellations(CancelKind::Deadline), 1U);
  EXPECT_EQ(metrics.cancellations(CancelKind::User), 0U);
  EXPECT_EQ(metrics.panics("task_execution"), 1U);
  EXPECT_EQ(metrics.panics("region_cleanup"), 0U);
  EXPECT_EQ(metrics.dispatched(), 61U);
}

TEST(InMemoryMetrics, knows_what_is_live) {
  InMemoryMetrics metrics;
  metrics.region_created(region, std::nullopt);
  metrics.task_spawned(region, task);
  metrics.task_spawned(region, TaskId{4, 1});
  metrics.obligation_created(region);
  metrics.obligation_created(region);
  metrics.obligation_created(region);
  metrics.obligation_leaked(region);
  metrics.task_completed(task, OutcomeKind::Ok, 1ms);
  metrics.obligation_discharged(region);
  EXPECT_EQ(metrics.live_regions(), 1);
  EXPECT_EQ(metrics.live_tasks(), 1);
  EXPECT_EQ(metrics.live_obligations(), 1);
}

TEST(InMemoryMetrics, counts_for_ever_and_keeps_events_up_to_its_capacity) {
  InMemoryMetrics metrics(2);
  for (int i = 0; i < 5; ++i) metrics.escalated(TaskId{static_cast<std::uint32_t>(i), 1});
  EXPECT_EQ(metrics.count(MetricKind::Escalated), 5U);
  ASSERT_EQ(metrics.events().size(), 2U);
  EXPECT_EQ(metrics.events().back().task, (TaskId{1, 1}));
  EXPECT_EQ(metrics.dropped_events(), 3U);
  metrics.clear();
  EXPECT_EQ(metrics.count(MetricKind::Escalated), 0U);
  EXPECT_EQ(metrics.dropped_events(), 0U);
  EXPECT_TRUE(metrics.events().empty());
}

TEST(InMemoryMetrics, loses_nothing_when_many_threads_report) {
  constexpr int threads_count = 4;
  constexpr int rounds = 200;
  InMemoryMetrics metrics;
  std::latch start(threads_count);
  std::vector<std::jthread> threads;
  for (int t = 0; t < threads_count; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < rounds; ++i) report_everything(metrics);
    });
  }
  threads.clear();
  for (std::size_t i = 0; i < metric_kind_count; ++i) {
    EXPECT_EQ(metrics.count(static_cast<MetricKind>(i)), static_cast<std::uint64_t>(threads_count * rounds));
  }
  EXPECT_EQ(metrics.events().size(), metric_kind_count * threads_count * rounds);
}

// ---- Prometheus ----

#if defined(QUIESCE_TEST_PROMETHEUS)

class Socket {
 public:
  Socket() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// The whole response to one GET over a plain loopback connection; empty when nobody answers.
std::string http_get(std::uint16_t port, const std::string& path) {
  const Socket socket;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return {};
  std::string response;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(socket.fd(), buffer, sizeof(buffer), 0)) > 0;) {
    response.append(buffer, static_cast<std::size_t>(got));
  }
  return response;
}

TEST(PrometheusMetrics, serves_what_was_reported_over_http) {
  PrometheusMetrics metrics("127.0.0.1:0");
  ASSERT_NE(metrics.port(), 0);
  report_everything(metrics);
  metrics.task_spawned(region, task);
  metrics.region_created(region, std::nullopt);
  metrics.obligation_created(region);
  metrics.obligation_created(region);
  const std::string response = http_get(metrics.port(), "/metrics");
  ASSERT_THAT(response, testing::StartsWith("HTTP/1.1 200 OK"));
  const char* const lines[] = {
      "quiesce_tasks_spawned_total 2",
      "quiesce_tasks_completed_total{outcome=\"Err\"} 1",
      "quiesce_tasks_completed_total{outcome=\"Ok\"} 0",
      "quiesce_tasks_live 1",
      "quiesce_task_duration_seconds_count 1",
      "quiesce_task_duration_seconds_sum 0.005",
      "quiesce_task_duration_seconds_bucket{le=\"0.003\"} 0",
      "quiesce_task_duration_seconds_bucket{le=\"0.01\"} 1",
      "quiesce_regions_created_total 2",
      "quiesce_regions_closed_total 1",
      "quiesce_regions_live 1",
      "quiesce_region_duration_seconds_sum 0.02",
      "quiesce_cancellations_requested_total{kind=\"Deadline\"} 1",
      "quiesce_cancellations_requested_total{kind=\"User\"} 0",
      "quiesce_drain_duration_seconds_sum 0.007",
      "quiesce_deadlines_set_total 1",
      "quiesce_deadlines_exceeded_total 1",
      "quiesce_deadline_warning_seconds_sum 0.1",
      "quiesce_deadline_violation_seconds_sum 2",
      "quiesce_deadline_remaining_seconds_sum 0.05",
      "quiesce_checkpoint_interval_seconds_count 1",
      "quiesce_tasks_stuck_total 1",
      "quiesce_obligations_created_total 3",
      "quiesce_obligations_discharged_total 1",
      "quiesce_obligations_leaked_total 1",
      "quiesce_obligations_live 1",
      "quiesce_scheduler_ticks_total{worker=\"1\"} 1",
      "quiesce_scheduler_dispatches_total{worker=\"1\"} 61",
      "quiesce_panics_total{location=\"task_execution\"} 1",
      "quiesce_panics_total{location=\"scheduler_internal\"} 0",
      "quiesce_tasks_escalated_total 1",
  };
  for (const char* line : lines) EXPECT_THAT(response, HasSubstr(std::string("\n") + line + "\n"));
}

// Stopping a server takes a while, so these share one, and each looks at series of its own.
class PrometheusSeries : public testing::Test {
 protected:
  static void SetUpTestSuite() { metrics_ = std::make_unique<PrometheusMetrics>("127.0.0.1:0"); }
  static void TearDownTestSuite() { metrics_.reset(); }
  static inline std::unique_ptr<PrometheusMetrics> metrics_;
};

TEST_F(PrometheusSeries, are_never_labelled_by_id) {
  const std::string before = metrics_->scrape();
  for (std::uint32_t i = 0; i < 50; ++i) metrics_->task_spawned(RegionId{i, 1}, TaskId{i, 1});
  const std::string after = metrics_->scrape();
  EXPECT_NE(before, after);
  EXPECT_EQ(std::count(before.begin(), before.end(), '\n'), std::count(after.begin(), after.end(), '\n'));
}

TEST_F(PrometheusSeries, of_workers_are_bounded) {
  for (std::uint32_t worker = 0; worker < 1000; ++worker) metrics_->scheduler_tick(worker, 2);
  const std::string text = metrics_->scrape();
  EXPECT_THAT(text, HasSubstr("quiesce_scheduler_dispatches_total{worker=\"255\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("quiesce_scheduler_dispatches_total{worker=\"other\"} 1488\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("worker=\"256\"")));
}

TEST_F(PrometheusSeries, count_a_location_they_do_not_know) {
  metrics_->panic("elsewhere");
  EXPECT_THAT(metrics_->scrape(), HasSubstr("quiesce_panics_total{location=\"elsewhere\"} 1\n"));
}

TEST_F(PrometheusSeries, lose_nothing_when_many_threads_report) {
  constexpr int threads_count = 4;
  constexpr int rounds = 500;
  std::latch start(threads_count);
  std::vector<std::jthread> threads;
  for (int t = 0; t < threads_count; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < rounds; ++i) {
        metrics_->region_created(region, std::nullopt);
        metrics_->region_closed(region, 1ms);
        metrics_->scheduler_tick(7, 0);
      }
    });
  }
  threads.clear();
  const std::string text = metrics_->scrape();
  EXPECT_THAT(text, HasSubstr("quiesce_regions_created_total 2000\n"));
  EXPECT_THAT(text, HasSubstr("quiesce_regions_live 0\n"));
  EXPECT_THAT(text, HasSubstr("quiesce_region_duration_seconds_count 2000\n"));
}

TEST(PrometheusMetrics, says_which_address_it_cannot_have) {
  const PrometheusMetrics first("127.0.0.1:0");
  const std::string taken = "127.0.0.1:" + std::to_string(first.port());
  try {
    const PrometheusMetrics second(taken);
    FAIL() << "the port is in use";
  } catch (const std::runtime_error& error) { EXPECT_THAT(error.what(), HasSubstr(taken)); }
}

TEST(PrometheusMetrics, stops_serving_when_destroyed) {
  std::uint16_t port = 0;
  {
    const PrometheusMetrics metrics("127.0.0.1:0");
    port = metrics.port();
    ASSERT_FALSE(http_get(port, "/metrics").empty());
  }
  EXPECT_EQ(http_get(port, "/metrics"), "");
}

#else

TEST(PrometheusMetrics, was_left_out) { GTEST_SKIP() << "built without prometheus-cpp"; }

#endif

}  // namespace
}  // namespace quiesce
