// parallel::inclusive_scan: what it writes, who scans what, and what is left when it does not end well.
#include "quiesce/parallel/inclusive_scan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/quiesce.hpp"

namespace q = quiesce;
namespace parallel = quiesce::parallel;
using parallel::Grain;

namespace {

q::Runtime& runtime(std::uint32_t workers) {
  static std::map<std::uint32_t, std::unique_ptr<q::Runtime>> all;
  auto& found = all[workers];
  if (!found) found = std::make_unique<q::Runtime>(q::Runtime::builder().workers(workers).build());
  return *found;
}
template <class F>
auto run(std::uint32_t workers, F f) {
  auto body = [&](q::Cx cx, q::Scope<>&) { return f(cx); };
  return runtime(workers).block_on(body);
}
template <class T, class Op = std::plus<>>
q::Outcome<void> scan(std::uint32_t workers, const std::vector<T>& in, std::vector<T>& out, Op op = {},
                      Grain grain = {}) {
  return run(workers, [&](q::Cx cx) { return parallel::inclusive_scan(cx, in, out.begin(), op, grain); });
}
std::vector<std::uint64_t> counted(std::size_t count) {
  std::vector<std::uint64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::uint64_t{1});
  return numbers;
}

TEST(InclusiveScan, an_automatic_grain_is_bounded_by_memory_and_one_that_was_asked_for_is_not) {
  EXPECT_EQ(parallel::detail::scan_grain(Grain(), 1'000, 8), 4u);
  EXPECT_EQ(parallel::detail::scan_grain(Grain(), 100'000'000, 8), 32'768u);
  EXPECT_EQ(parallel::detail::scan_grain(Grain(), 100'000'000, 1'000'000), 1u);
  EXPECT_EQ(parallel::detail::scan_grain(Grain(1'000'000), 100'000'000, 8), 1'000'000u);
  EXPECT_EQ(parallel::detail::scan_grain(Grain(1), 100'000'000, 8), 1u);
}

TEST(InclusiveScan, every_size_around_the_bounds_of_parts) {
  for (const std::uint32_t workers : {1u, 2u, 8u}) {
    for (const std::size_t grain : {0u, 1u, 2u, 3u, 7u, 64u}) {
      for (std::size_t count = 0; count <= 4 * grain + 5; ++count) {
        const auto numbers = counted(count);
        std::vector<std::uint64_t> expected(count), got(count);
        std::inclusive_scan(numbers.begin(), numbers.end(), expected.begin());
        ASSERT_TRUE(scan(workers, numbers, got, std::plus<>(), Grain(grain)).is_ok());
        ASSERT_EQ(got, expected) << workers << " workers, grain " << grain;
      }
    }
  }
}

TEST(InclusiveScan, in_place_and_in_many_parts) {
  const auto numbers = counted(20'011);
  std::vector<std::uint64_t> expected(numbers.size());
  std::inclusive_scan(numbers.begin(), numbers.end(), expected.begin());
  for (const std::uint32_t workers : {1u, 2u, 8u}) {
    for (const std::size_t grain : {0u, 1u, 10u, 5'000u}) {
      auto in_place = numbers;
      ASSERT_TRUE(scan(workers, in_place, in_place, std::plus<>(), Grain(grain)).is_ok());
      ASSERT_EQ(in_place, expected) << workers << " workers, grain " << grain;
    }
  }
}

/// As the contract says: parts from left to right, and what they reduce to from left to right.
std::vector<float> scanned_by_the_contract(const std::vector<float>& numbers, std::size_t grain) {
  std::vector<float> out(numbers.size());
  float before = 0;
  for (std::size_t begin = 0; begin < numbers.size(); begin += grain) {
    const std::size_t end = std::min(numbers.size(), begin + grain);
    float sum = begin == 0 ? numbers[0] : before + numbers[begin], own = numbers[begin];
    out[begin] = sum;
    for (std::size_t i = begin + 1; i < end; ++i) {
      own += numbers[i];
      out[i] = sum += numbers[i];
    }
    before = begin == 0 ? own : before + own;
  }
  return out;
}

TEST(InclusiveScan, of_floats_gives_the_bits_that_the_contract_says_on_any_number_of_workers) {
  std::vector<float> numbers(5'003);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = 1.0f / static_cast<float>(1 + i * 7919 % 5'003);
  for (const std::size_t grain : {1u, 3u, 10u, 100u, 10'000u}) {
    const auto expected = scanned_by_the_contract(numbers, grain);
    for (const std::uint32_t workers : {1u, 2u, 8u}) {
      for (int repeat = 0; repeat < 10; ++repeat) {
        std::vector<float> got(numbers.size());
        ASSERT_TRUE(scan(workers, numbers, got, std::plus<>(), Grain(grain)).is_ok());
        ASSERT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
            << workers << " workers, grain " << grain;
      }
    }
  }
}

/// Can be copied and nothing else; says when it is used after it was moved from.
class Word {
 public:
  explicit Word(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}
  const std::string& text() const {
    if (!text_) throw std::logic_error("a word that was moved from");
    return *text_;
  }
  friend Word operator+(const Word& a, const Word& b) { return Word(a.text() + b.text()); }

 private:
  std::shared_ptr<const std::string> text_;
};

TEST(InclusiveScan, needs_neither_a_default_nor_a_commutative_op) {
  std::vector<Word> words;
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    words.emplace_back(std::to_string(i) + ",");
    expected.push_back((i > 0 ? expected.back() : "") + words.back().text());
  }
  for (const std::uint32_t workers : {1u, 2u, 8u}) {
    for (const std::size_t grain : {1u, 4u, 50u, 1'000u}) {
      std::vector<Word> got(words.size(), Word("nothing")), in_place = words;
      ASSERT_TRUE(scan(workers, words, got, std::plus<>(), Grain(grain)).is_ok());
      ASSERT_TRUE(scan(workers, in_place, in_place, std::plus<>(), Grain(grain)).is_ok());
      for (std::size_t i = 0; i < words.size(); ++i) {
        ASSERT_EQ(got[i].text(), expected[i]);
        ASSERT_EQ(in_place[i].text(), expected[i]);
      }
    }
  }
}

TEST(InclusiveScan, calls_op_twice_for_each_element_at_most) {
  for (const std::uint32_t workers : {1u, 2u, 8u}) {
    for (const std::size_t grain : {1u, 2u, 10u, 2'000u}) {
      const auto numbers = counted(1'000);
      std::vector<std::uint64_t> got(numbers.size());
      std::atomic<std::uint64_t> calls{0};
      auto add = [&calls](std::uint64_t a, std::uint64_t b) {
        calls.fetch_add(1, std::memory_order_relaxed);
        return a + b;
      };
      ASSERT_TRUE(scan(workers, numbers, got, add, Grain(grain)).is_ok());
      EXPECT_LE(calls.load(), 2 * numbers.size());
      EXPECT_GE(calls.load(), numbers.size() - 1);
    }
  }
}

/// One worker is held up in the first part until another has reduced some behind it, of which it is the owner then. If no other comes, it
/// goes on all the same, and the test says less.
struct HeldUp {
  static constexpr std::size_t parts = 100, grain = 2, enough = 20;
  std::vector<std::uint64_t> numbers = counted(parts * grain), got = std::vector<std::uint64_t>(parts * grain);
  std::atomic<std::size_t> reduced{0};

  /// `then` is called in the first part.
  template <class Then>
  auto op(Then then) {
    return [this, then](std::uint64_t a, std::uint64_t b) {
      if (a == 1 && b == 2) {
        for (int i = 0; i < 100'000 && reduced.load() < enough; ++i) std::this_thread::yield();
        then();
      } else {
        reduced.fetch_add(1);
      }
      return a + b;
    };
  }
  std::vector<std::uint64_t> expected() const {
    std::vector<std::uint64_t> all(numbers.size());
    std::inclusive_scan(numbers.begin(), numbers.end(), all.begin());
    return all;
  }
};

TEST(InclusiveScan, what_others_have_reduced_is_scanned_by_who_comes_last) {
  HeldUp held;
  ASSERT_TRUE(scan(2, held.numbers, held.got, held.op([] {}), Grain(HeldUp::grain)).is_ok());
  EXPECT_EQ(held.got, held.expected());
}

TEST(InclusiveScan, a_request_is_looked_for_between_parts_that_are_scanned_in_a_row) {
  HeldUp held;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto op = held.op([&scope] { scope.cancel(q::CancelReason::user("enough")); });
    co_await parallel::inclusive_scan(cx, held.numbers, held.got.begin(), op, Grain(HeldUp::grain));
  };
  const auto ended = runtime(2).block_on(body);
  EXPECT_TRUE(ended.is_cancelled()) << ended;
  // What was under way: the first part, and perhaps one of the other worker.
  EXPECT_EQ(held.got[0], 1u);
  EXPECT_EQ(held.got[1], 3u);
  EXPECT_GE(std::ranges::count(held.got, 0u), static_cast<std::ptrdiff_t>((HeldUp::parts - 2) * HeldUp::grain));
}

TEST(InclusiveScan, a_request_leaves_parts_that_are_written_and_parts_that_are_not) {
  const auto numbers = counted(10'000);
  std::vector<std::uint64_t> expected(numbers.size());
  std::inclusive_scan(numbers.begin(), numbers.end(), expected.begin());
  for (const std::uint32_t workers : {1u, 2u, 8u}) {
    std::vector<std::uint64_t> got(numbers.size(), 0);
    std::atomic<int> calls{0};
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
      auto add = [&](std::uint64_t a, std::uint64_t b) {
        if (calls.fetch_add(1) == 5'000) scope.cancel(q::CancelReason::user("enough"));
        return a + b;
      };
      co_await parallel::inclusive_scan(cx, numbers, got.begin(), add, Grain(10));
    };
    const auto ended = runtime(workers).block_on(body);
    EXPECT_TRUE(ended.is_cancelled()) << ended;
    EXPECT_LT(calls.load(), 20'000 - 1'000);
    for (std::size_t part = 0; part < got.size(); part += 10) {
      const std::span<const std::uint64_t> of_part(got.data() + part, 10);
      const bool untouched = std::ranges::count(of_part, 0u) == 10;
      ASSERT_TRUE(untouched || std::ranges::equal(of_part, std::span(expected.data() + part, 10))) << part;
    }
  }
}

TEST(InclusiveScan, an_op_that_throws_panics_it_wherever_it_does) {
  std::vector<std::string> words(60, "a");
  for (const std::uint32_t workers : {1u, 2u, 8u}) {
    for (int call = 0; call < 60; ++call) {
      std::vector<std::string> got(words.size());
      std::atomic<int> calls{0};
      auto append = [&](const std::string& a, const std::string& b) {
        if (calls.fetch_add(1) == call) throw std::runtime_error("not these two");
        return a + b;
      };
      const auto ended = scan(workers, words, got, append, Grain(4));
      ASSERT_TRUE(ended.is_panicked()) << ended;
      ASSERT_NE(ended.panic().message().find("not these two"), std::string::npos) << ended;
      for (std::size_t i = 0; i < got.size(); ++i)
        ASSERT_TRUE(got[i].empty() || got[i] == std::string(i + 1, 'a')) << i;
    }
  }
}

}  // namespace
