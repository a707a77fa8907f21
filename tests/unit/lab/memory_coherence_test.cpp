// The weak memory model: what threads may see of one atomic, each with exactly the outcomes that coherence allows.
#include <gtest/gtest.h>

#include <string>

#include "memory_support.hpp"

namespace quiesce::lab {
namespace {

using namespace memory_tests;  // NOLINT: tests

TEST(WeakMemory, ReadsOfOneAtomicAreCoherent) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0, b = 0;
              run_all({[&] { x.store(1, rlx); },
                       [&] {
                         a = x.load(rlx);
                         b = x.load(rlx);
                       }});
              return digits({a, b});
            }),
            all_but(all_of_two(), "10"));
}

TEST(WeakMemory, TwoReadersAgreeOnTheOrderOfStores) {
  const Outcomes found = outcomes_by(dpor(), [] {
    lab::atomic<int> x(0);
    int a = 0, b = 0, c = 0;
    run_all({[&] { x.store(1, rlx); }, [&] { x.store(2, rlx); },
             [&] {
               a = x.load(rlx);
               b = x.load(rlx);
               c = x.load(rlx);
             }});
    return digits({a, b, c, x.load()});
  });
  for (const std::string& one : found) {
    // What is read last but one of the stores, or last, fits the value that stays.
    EXPECT_FALSE(one.substr(0, 3).find("12") != std::string::npos && one[3] == '1') << one;
    EXPECT_FALSE(one.substr(0, 3).find("21") != std::string::npos && one[3] == '2') << one;
    EXPECT_EQ(one.find("10"), std::string::npos) << one;
    EXPECT_EQ(one.find("20"), std::string::npos) << one;
  }
  // Of 0* 1* 2* and 0* 2* 1*: the last two digits may differ, or be equal, or jump; nothing is read back.
  EXPECT_TRUE(found.contains("0121") == false && found.contains("0122") && found.contains("0211"));
  EXPECT_TRUE(found.contains("0001") && found.contains("0002") && found.contains("1112"));
}

TEST(WeakMemory, AThreadReadsItsOwnStoreOrALaterOne) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0;
              run_all({[&] {
                         x.store(1, rlx);
                         a = x.load(rlx);
                       },
                       [&] { x.store(2, rlx); }});
              return digits({a, x.load()});
            }),
            (Outcomes{"11", "12", "22"}));
}

TEST(WeakMemory, AStoreComesAfterWhatItsThreadHasRead) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0;
              run_all({[&] {
                         a = x.load(rlx);
                         x.store(1, rlx);
                       },
                       [&] { x.store(2, rlx); }});
              return digits({a, x.load()});
            }),
            (Outcomes{"01", "02", "21"}));
}

TEST(WeakMemory, TwoPlusTwoWrites) {
  const auto two_plus_two = [](memory_order order) {
    return [=] {
      lab::atomic<int> x(0), y(0);
      run_all({[&] {
                 x.store(1, order);
                 y.store(2, order);
               },
               [&] {
                 y.store(1, order);
                 x.store(2, order);
               }});
      return digits({x.load(), y.load()});
    };
  };
  EXPECT_EQ(outcomes(two_plus_two(rlx)), (Outcomes{"11", "12", "21", "22"}));
  EXPECT_EQ(outcomes(two_plus_two(rel)), (Outcomes{"11", "12", "21", "22"}));
  EXPECT_EQ(outcomes(two_plus_two(seq)), (Outcomes{"12", "21", "22"}));
}

TEST(WeakMemory, ReadModifyWritesLoseNothing) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0, b = 0;
              run_all({[&] { a = x.fetch_add(1, rlx); }, [&] { b = x.fetch_add(1, rlx); }});
              return digits({a, b, x.load(rlx)});
            }),
            (Outcomes{"012", "102"}));
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              const auto take = [&x] {
                int expected = 0;
                return x.compare_exchange_strong(expected, 1, rlx, rlx) ? 1 : 0;
              };
              int a = 0, b = 0;
              run_all({[&] { a = take(); }, [&] { b = take(); }});
              return digits({a, b});
            }),
            (Outcomes{"01", "10"}));
}

TEST(WeakMemory, AStoreDoesNotComeBetweenAReadModifyWriteAndWhatItReads) {
  EXPECT_EQ(outcomes([] {
              lab::atomic<int> x(0);
              int a = 0;
              run_all({[&] { a = x.fetch_add(1, rlx); }, [&] { x.store(5, rlx); }});
              return digits({a, x.load(rlx)});
            }),
            (Outcomes{"05", "56"}));
}

}  // namespace
}  // namespace quiesce::lab
