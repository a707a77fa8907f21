// Many tasks on four workers ask for one value; initialisers fail and are cancelled.
#include "quiesce/sync/once_cell.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "quiesce/runtime.hpp"

namespace q = quiesce;

namespace {

struct Place {
  q::OnceCell<int> cell{"cell"};
  std::atomic<int> running{0}, overlaps{0}, made{0};
};

q::Task<int> make(q::Cx cx, Place* place, bool fails) {
  struct Running {
    Place* at;
    explicit Running(Place* p) : at(p) {
      if (at->running.fetch_add(1) != 0) at->overlaps.fetch_add(1);
    }
    ~Running() { at->running.fetch_sub(1); }
  } running(place);
  co_await cx.yield();
  if (fails) co_await q::fail(q::ErrorCode::Io, "not this time");
  co_return place->made.fetch_add(1) + 1;
}
q::Task<int> get(q::Cx cx, Place* place, bool fails) {
  auto making = [place, fails](q::Cx mine) { return make(mine, place, fails); };
  const int* value = co_await place->cell.get_or_init(cx, making);
  co_return *value;
}

TEST(OnceCellStress, IsMadeOnceThoughMostWhoTryFail) {
  q::Runtime rt = q::Runtime::builder().workers(4).build();
  for (int round = 0; round < 200; ++round) {
    Place place;
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      std::vector<q::TaskHandle<int>> tasks;
      for (int i = 0; i < 24; ++i)
        tasks.push_back(co_await scope.spawn(cx, get, q::unsafe_send(&place), i % 3 == 0));
      for (std::size_t i = 1; i < tasks.size(); i += 3) tasks[i].abort();
      for (std::size_t i = 0; i < tasks.size(); ++i) {
        q::Outcome<int> ended = co_await tasks[i].join(cx).outcome();
        EXPECT_TRUE(ended.is_ok() || i % 3 != 2) << ended;
        EXPECT_TRUE(!ended.is_ok() || ended.value() == 1) << ended;
      }
    };
    q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    ASSERT_FALSE(outcome.is_panicked() || outcome.is_err()) << outcome;
    EXPECT_EQ(place.overlaps.load(), 0);
    EXPECT_EQ(place.made.load(), 1);
    EXPECT_EQ(place.cell.statistics().waiters, 0u);
  }
}

}  // namespace
