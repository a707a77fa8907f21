// What an exploration notes of where it has been.
#include "lab/coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <source_location>
#include <string>

#include "quiesce/lab.hpp"

namespace q = quiesce;

namespace quiesce::lab::detail {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(LabCoverage, APlaceCountsOnceByWhatWhoseAndWhere) {
  Coverage coverage;
  for (int i = 0; i < 3; ++i) {
    coverage.suspended("sleep", "task");
    coverage.suspended("sleep", "finalizer");
    coverage.suspended("load", {}, std::source_location::current());
  }
  coverage.suspended(std::string("sleep"), "task");  // the same text from elsewhere
  EXPECT_EQ(coverage.counts().suspensions, 3u);
  const auto news = coverage.take_news();
  ASSERT_EQ(news.suspensions.size(), 3u);
  EXPECT_EQ(news.suspensions[0], "sleep of task");
  EXPECT_EQ(news.suspensions[1], "sleep of finalizer");
  EXPECT_THAT(news.suspensions[2], HasSubstr("load at coverage_test.cpp:"));
  EXPECT_THAT(coverage.take_news().suspensions, IsEmpty());
}

TEST(LabCoverage, ACancelPointIsOfATaskAndHasBeenHitOrNot) {
  Coverage coverage;
  coverage.cancel_point(LogicalId{1}, 0, false);
  coverage.cancel_point(LogicalId{1}, 1, true);
  coverage.cancel_point(LogicalId{2}, 0, false);
  coverage.cancel_point(LogicalId{1}, 1, true);
  EXPECT_EQ(coverage.counts().cancel_points, 3u);
  EXPECT_EQ(coverage.counts().landed, 1u);
  const auto news = coverage.take_news();
  EXPECT_EQ(news.cancel_points.size(), 3u);
  EXPECT_THAT(news.landed, ElementsAre(news.cancel_points[1]));
  coverage.cancel_point(LogicalId{1}, 0, true);
  EXPECT_THAT(coverage.take_news().landed, ElementsAre(news.cancel_points[0]));
}

TEST(LabCoverage, ExplorationsNoteOnlyWhileSomebodyAsks) {
  const auto body = [](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    atomic<int> x{0};
    auto child = [&](q::Cx mine) -> q::Task<> {
      co_await mine.sleep(std::chrono::milliseconds(1));
      x.store(1);
    };
    auto task = scope.spawn(cx, q::unsafe_send(child)).value();
    co_await task.join(cx);
  };
  EXPECT_EQ(Coverage::current(), nullptr);
  explore({.max_runs = 3}, body);
  Coverage coverage;
  {
    const Coverage::Use use(&coverage);
    EXPECT_EQ(Coverage::current(), &coverage);
    explore({.max_runs = 3}, body);
  }
  EXPECT_EQ(Coverage::current(), nullptr);
  const auto news = coverage.take_news();
  EXPECT_THAT(news.suspensions, Contains("sleep of task"));
  EXPECT_THAT(news.suspensions, Contains("join of body"));
  EXPECT_THAT(news.suspensions, Contains(HasSubstr("store at coverage_test.cpp:")));
  EXPECT_GE(news.cancel_points.size(), 2u);
  EXPECT_THAT(news.landed, IsEmpty());
}

}  // namespace
}  // namespace quiesce::lab::detail
