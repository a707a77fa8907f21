#pragma once
// EXPECT_LAB_OK(lab::explore(...)): fails with the report's text. Include it after <gtest/gtest.h>.
#include <gtest/gtest.h>

#include "quiesce/lab/report.hpp"

namespace quiesce::lab::detail {

inline ::testing::AssertionResult report_is_ok(const char*, const Report& report) {
  if (!report.failed()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << report.text();
}

}  // namespace quiesce::lab::detail

#define EXPECT_LAB_OK(report) EXPECT_PRED_FORMAT1(::quiesce::lab::detail::report_is_ok, report)
#define ASSERT_LAB_OK(report) ASSERT_PRED_FORMAT1(::quiesce::lab::detail::report_is_ok, report)
