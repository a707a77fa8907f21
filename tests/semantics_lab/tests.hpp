#pragma once
// TEST and TEST_F of a translation unit whose tests the lab explores.
#include "semantics_lab/registry.hpp"

#define QUIESCE_LAB_TEST_(suite, name, parent)                                                      \
  class GTEST_TEST_CLASS_NAME_(suite, name) : public parent {                                       \
   public:                                                                                          \
    static void run_once() {                                                                        \
      GTEST_TEST_CLASS_NAME_(suite, name) test;                                                     \
      test.SetUp();                                                                                 \
      test.TestBody();                                                                              \
      test.TearDown();                                                                              \
    }                                                                                               \
                                                                                                    \
   private:                                                                                         \
    void TestBody() override;                                                                       \
  };                                                                                                \
  [[maybe_unused]] static const bool suite##_##name##_is_added = ::quiesce::semantics::in_lab::add( \
      #suite, #name, __FILE__, __LINE__, &GTEST_TEST_CLASS_NAME_(suite, name)::run_once);           \
  void GTEST_TEST_CLASS_NAME_(suite, name)::TestBody()

#undef TEST
#define TEST(suite, name) QUIESCE_LAB_TEST_(suite, name, ::testing::Test)
#undef TEST_F
#define TEST_F(fixture, name) QUIESCE_LAB_TEST_(fixture, name, fixture)
