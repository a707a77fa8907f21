// The parallel algorithms against those of the standard library.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "quiesce/parallel/for_each.hpp"
#include "quiesce/parallel/inclusive_scan.hpp"
#include "quiesce/parallel/sort.hpp"
#include "quiesce/parallel/transform_reduce.hpp"
#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace parallel = quiesce::parallel;
using parallel::Grain;

namespace {

q::Runtime& runtime(std::uint32_t workers = 3) {
  static std::array<std::unique_ptr<q::Runtime>, 8> all;
  if (!all[workers])
    all[workers] = std::make_unique<q::Runtime>(q::Runtime::builder().workers(workers).build());
  return *all[workers];
}
template <class F>
auto run(F f, std::uint32_t workers = 3) {
  auto body = [&](q::Cx cx, q::Scope<>&) { return f(cx); };
  return runtime(workers).block_on(body);
}
Grain any_grain() { return Grain(*rc::gen::inRange<std::size_t>(0, 40)); }

TEST(Parallel, grain_depends_on_the_number_of_elements_alone) {
  EXPECT_EQ(Grain().of(0), 1u);
  EXPECT_EQ(Grain().of(512), 1u);
  EXPECT_EQ(Grain().of(513), 2u);
  EXPECT_EQ(Grain().of(1'000'000, 4096), 4096u);
  EXPECT_EQ(Grain(7).of(1'000'000, 4096), 7u);
  EXPECT_EQ(Grain(0).of(1024), 2u);
}

RC_GTEST_PROP(Parallel, for_each_visits_every_element_once, (const std::vector<int>& numbers)) {
  std::vector<int> visited = numbers;
  auto increment = [](int& x) { ++x; };
  const Grain grain = any_grain();
  RC_ASSERT(run([&](q::Cx cx) { return parallel::for_each(cx, visited, increment, grain); }).is_ok());
  std::vector<int> expected = numbers;
  std::for_each(expected.begin(), expected.end(), increment);
  RC_ASSERT(visited == expected);
}

RC_GTEST_PROP(Parallel, transform_reduce_keeps_the_order, (const std::vector<std::string>& words)) {
  auto same = [](const std::string& word) { return word; };
  const Grain grain = any_grain();
  const auto joined = run([&](q::Cx cx) {
    return parallel::transform_reduce(cx, words.begin(), words.end(), std::string("begin"), std::plus<>(), same,
                                      grain);
  });
  RC_ASSERT(joined.is_ok());
  RC_ASSERT(joined.value() == std::accumulate(words.begin(), words.end(), std::string("begin")));
}

RC_GTEST_PROP(Parallel, transform_reduce_of_floats_gives_the_same_bits_on_any_number_of_workers,
              (const std::vector<double>& numbers)) {
  const Grain grain = any_grain();
  auto sum = [&](q::Cx cx) {
    return parallel::transform_reduce(
        cx, numbers, 0.1, std::plus<>(), [](double x) { return x / 3; }, grain);
  };
  const double one = run(sum, 1).value();
  for (std::uint32_t workers : {2u, 4u}) {
    const double other = run(sum, workers).value();
    RC_ASSERT(std::memcmp(&one, &other, sizeof one) == 0);
  }
}

RC_GTEST_PROP(Parallel, inclusive_scan_gives_every_prefix, (const std::vector<std::string>& words)) {
  std::vector<std::string> expected(words.size()), got(words.size()), in_place = words;
  std::inclusive_scan(words.begin(), words.end(), expected.begin());
  const Grain grain = any_grain();
  RC_ASSERT(run([&](q::Cx cx) {
              return parallel::inclusive_scan(cx, words, got.begin(), std::plus<>(), grain);
            }).is_ok());
  RC_ASSERT(got == expected);
  RC_ASSERT(run([&](q::Cx cx) {
              return parallel::inclusive_scan(cx, in_place.begin(), in_place.end(), in_place.begin(),
                                              std::plus<>(), grain);
            }).is_ok());
  RC_ASSERT(in_place == expected);
}

RC_GTEST_PROP(Parallel, sort_gives_what_the_standard_gives, (std::vector<int> numbers)) {
  std::vector<int> expected = numbers;
  std::sort(expected.begin(), expected.end());
  RC_ASSERT(run([&](q::Cx cx) { return parallel::sort(cx, numbers, std::less<>(), Grain(4)); }).is_ok());
  RC_ASSERT(numbers == expected);
}

TEST(Parallel, sort_stands_what_is_hard_for_quicksort) {
  constexpr int count = 50'000;
  std::vector<int> rising(count), equal(count, 7), organ(count), saw(count);
  std::iota(rising.begin(), rising.end(), 0);
  std::vector<int> falling(rising.rbegin(), rising.rend());
  for (int i = 0; i < count; ++i) organ[i] = std::min(i, count - i), saw[i] = i % 5;
  for (auto* each : {&rising, &equal, &falling, &organ, &saw}) {
    for (const std::size_t grain : {0u, 16u}) {
      std::vector<int> numbers = *each, expected = *each;
      std::sort(expected.begin(), expected.end());
      ASSERT_TRUE(
          run([&](q::Cx cx) { return parallel::sort(cx, numbers, std::less<>(), Grain(grain)); }).is_ok());
      EXPECT_EQ(numbers, expected);
    }
  }
}

TEST(Parallel, sort_moves_what_cannot_be_copied) {
  std::vector<std::unique_ptr<int>> boxes;
  for (int i = 0; i < 5'000; ++i) boxes.push_back(std::make_unique<int>(i * 7919 % 5'000));
  auto by_content = [](const auto& a, const auto& b) { return *a < *b; };
  ASSERT_TRUE(run([&](q::Cx cx) { return parallel::sort(cx, boxes, by_content, Grain(64)); }).is_ok());
  for (int i = 0; i < 5'000; ++i) ASSERT_EQ(*boxes[i], i);
}

TEST(Parallel, arrays_and_empty_ranges_are_ranges) {
  int array[] = {3, 1, 2};
  std::vector<int> none;
  auto body = [&](q::Cx cx) -> q::Task<int> {
    co_await parallel::sort(cx, array);
    co_await parallel::sort(cx, none);
    co_await parallel::inclusive_scan(cx, none, none.begin());
    co_await parallel::for_each(cx, none, [](int) {});
    co_return co_await parallel::transform_reduce(cx, none, 5, std::plus<>(), [](int x) { return x; });
  };
  EXPECT_EQ(run(body).value(), 5);
  EXPECT_TRUE(std::is_sorted(std::begin(array), std::end(array)));
}

TEST(Parallel, a_function_that_throws_panics_the_algorithm) {
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  auto throws = [](int x) {
    if (x == 777) throw std::runtime_error("not this one");
  };
  const auto ended = run([&](q::Cx cx) { return parallel::for_each(cx, numbers, throws, Grain(10)); });
  ASSERT_TRUE(ended.is_panicked()) << ended;
  EXPECT_NE(ended.panic().message().find("not this one"), std::string::npos) << ended;
}

TEST(Parallel, a_request_stops_between_two_parts) {
  std::vector<int> numbers(10'240);  // in 1024 parts of 10
  std::atomic<int> done{0};
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto work = [&](int&) {
      if (done.fetch_add(1) == 500) scope.cancel(q::CancelReason::user("enough"));
    };
    co_await parallel::for_each(cx, numbers, work, Grain(10));
  };
  const auto ended = runtime(2).block_on(body);
  EXPECT_TRUE(ended.is_cancelled()) << ended;
  EXPECT_EQ(done.load() % 10, 0);
  EXPECT_GT(done.load(), 500);
  EXPECT_LT(done.load(), 10'240);
}

TEST(Parallel, a_sort_that_is_cancelled_loses_no_element) {
  std::vector<int> numbers(20'000), expected(20'000);
  for (int i = 0; i < 20'000; ++i) numbers[i] = expected[i] = i * 7919 % 20'000;
  std::atomic<int> compared{0};
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto less = [&](int a, int b) {
      if (compared.fetch_add(1) == 60'000) scope.cancel(q::CancelReason::user("enough"));
      return a < b;
    };
    co_await parallel::sort(cx, numbers, less, Grain(16));
  };
  EXPECT_TRUE(runtime(2).block_on(body).is_cancelled());
  EXPECT_FALSE(std::is_sorted(numbers.begin(), numbers.end()));
  std::sort(numbers.begin(), numbers.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(numbers, expected);
}

}  // namespace
