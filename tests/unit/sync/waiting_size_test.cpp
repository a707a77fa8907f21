// What a waiting task takes: its record is two cache lines, and its frame what is asserted here. One byte more is a million more for who has
// a million of them. A frame is measured by the chunks that many of it fill.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "quiesce/channel/mpsc.hpp"
#include "quiesce/detail/coro/frame_chunks.hpp"
#include "quiesce/detail/coro/frame_pool.hpp"
#include "quiesce/sync/event.hpp"
#include "quiesce/sync/latch.hpp"
#include "quiesce/task.hpp"

namespace quiesce {
namespace {

struct Gate {
  Event open;
  Latch latch{1};
};

Task<std::uint64_t> waits(Cx cx, Gate* gate) {
  co_await gate->open.wait(cx);
  co_return 1;
}
Task<std::uint64_t> waits_thrice(Cx cx, Gate* gate) {
  co_await gate->open.wait(cx);
  co_await gate->latch.wait(cx);
  co_await gate->open.wait(cx);
  co_return 1;
}
Task<std::uint64_t> waits_for_nothing(Cx, Gate*) { co_return 1; }
Task<std::uint64_t> receives(Cx cx, mpsc::Receiver<int>* from) {
  std::optional<int> got = co_await from->recv(cx);
  co_return got ? 1 : 0;
}

/// Bytes of memory that each of these frames takes, with what is lost at the ends of chunks: less than 2 % for the small ones.
template <class F, class Argument>
double bytes_of(F function, Argument* argument) {
  constexpr std::size_t count = 50'000, chunk_bytes = 8'192;
  detail::frame_trim();
  const std::size_t before = detail::chunks_in_use();
  std::vector<Task<std::uint64_t>> frames;
  frames.reserve(count);
  for (std::size_t i = 0; i < count; ++i) frames.push_back(function(Cx(detail::CxCore{}), argument));
  return static_cast<double>((detail::chunks_in_use() - before) * chunk_bytes) / count;
}

#if defined(__clang__)
constexpr bool is_clang = true;
#else
constexpr bool is_clang = false;
#endif

TEST(WaitingSize, OfARecordAPromiseANodeAndWhatIsAwaited) {
  EXPECT_EQ(sizeof(detail::TaskRecord), 128u);
  EXPECT_EQ(sizeof(detail::Promise<std::uint64_t, Error>), 40u) << "two words, and three that share a place";
  EXPECT_EQ(sizeof(detail::WaitNode), 24u);
  if (!is_clang) { EXPECT_EQ(sizeof(std::declval<Event&>().wait(std::declval<Cx&>())), 8u); }
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool is_pooled = false;
#elif defined(__has_feature)
constexpr bool is_pooled = !__has_feature(address_sanitizer);
#else
constexpr bool is_pooled = true;
#endif

struct WaitingFrame : ::testing::Test {
  Gate gate;
  void SetUp() override {
    if (!is_pooled) GTEST_SKIP() << "under AddressSanitizer nothing is pooled";
    ASSERT_GE(bytes_of(waits_for_nothing, &gate), 16)
        << "frames come from chunks: else nothing is measured here";
#if defined(__clang__) && !defined(__OPTIMIZE__)
    GTEST_SKIP() << "clang keeps in a frame whatever it has not optimised away";
#endif
  }
};

TEST_F(WaitingFrame, OfAnEventTakesTwoWordsMoreThanNoneWithGccAndNoneWithClang) {
  const double one = bytes_of(waits, &gate), three = bytes_of(waits_thrice, &gate);
  EXPECT_LE(one, is_clang ? 82 : 106);  // blocks of 80, and of 104 or less
  EXPECT_LE(three, is_clang ? 82 : 138);
}

TEST_F(WaitingFrame, OfAMessageTakesWhatTheMessageDoesAndItsPlace) {
  EXPECT_LE(bytes_of(receives, static_cast<mpsc::Receiver<int>*>(nullptr)), is_clang ? 138 : 156);
}

}  // namespace
}  // namespace quiesce
