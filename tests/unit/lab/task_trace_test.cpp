// The trace of a run of tasks: regions, tasks, requests and the states after each step, as a trace file takes them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "quiesce/lab.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace lab = quiesce::lab;
using lab::TraceActor;
using lab::TraceEvent;
using namespace std::chrono_literals;

namespace {

q::Task<> sleeps(q::Cx cx) { co_await cx.sleep(1h); }

q::Task<> cancels_a_region(q::Cx cx, q::Scope<>& scope) {
  auto inner = [](q::Cx own, q::Scope<>& below) -> q::Task<> {
    (void)below.launch(own, sleeps);
    (void)below.defer_sync([] {});
    co_await own.sleep(1s);
    below.cancel(q::CancelReason::user("enough"));
  };
  auto opened = scope.region(cx, q::FailFast{}, inner);
  (void)co_await std::move(opened).outcome();
}

std::size_t count(const lab::RunTrace& trace, TraceEvent::Kind kind, std::string_view text = {}) {
  return static_cast<std::size_t>(std::ranges::count_if(trace.events, [&](const TraceEvent& event) {
    return event.kind == kind && event.text.find(text) != std::string::npos;
  }));
}

void expect_whole(const lab::RunTrace& trace) {
  const auto is_region = [](const TraceActor& actor) { return actor.kind == TraceActor::Kind::region; };
  EXPECT_EQ(std::ranges::count_if(trace.actors, is_region), 2);
  EXPECT_EQ(count(trace, TraceEvent::Kind::open), 2u);
  EXPECT_EQ(count(trace, TraceEvent::Kind::close), 2u);
  EXPECT_GE(count(trace, TraceEvent::Kind::cancel, "enough"), 2u) << "the region and a task";
  EXPECT_EQ(count(trace, TraceEvent::Kind::finalizer, "begun"), 1u);
  EXPECT_GE(count(trace, TraceEvent::Kind::end), 3u);
  EXPECT_EQ(count(trace, TraceEvent::Kind::end, "Cancelled"), 1u) << "the sleeper";
  const auto has_states = [](const TraceEvent& event) {
    return event.kind == TraceEvent::Kind::step && event.task_state.find("wait") != std::string::npos &&
           event.region_state.find("live") != std::string::npos;
  };
  EXPECT_GT(std::ranges::count_if(trace.events, has_states), 2);
  EXPECT_TRUE(std::ranges::is_sorted(trace.events, {}, &TraceEvent::step));
}

TEST(LabTaskTrace, TellsWhatBecameOfRegionsAndTasks) {
  const lab::Report report = lab::run({.keep_trace = true}, cancels_a_region);
  ASSERT_FALSE(report.failed());
  ASSERT_TRUE(report.trace);
  expect_whole(*report.trace);
  EXPECT_FALSE(lab::run({}, cancels_a_region).trace);
}

TEST(LabTaskTrace, TellsItOfSimulatedWorkersToo) {
  const lab::Report report =
      lab::run({.workers = 2, .scheduling = lab::Scheduling::workers, .keep_trace = true}, cancels_a_region);
  ASSERT_TRUE(report.trace);
  expect_whole(*report.trace);
}

}  // namespace
