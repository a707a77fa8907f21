#include "library.hpp"

#include <quiesce/callback.hpp>
#include <quiesce/combinators/bracket.hpp>
#include <quiesce/combinators/concurrent.hpp>
#include <quiesce/combinators/pipeline.hpp>
#include <quiesce/timeout.hpp>

#include <vector>

q::Task<int> work(q::Cx, int);

// What captures by reference may stand where nothing outlives the call.
q::Task<> test(q::Cx cx, std::vector<int>& items) {
  int sum = 0;
  co_await q::timeout(cx, q::Duration{1}, [&](q::Cx) -> q::Task<> {
    ++sum;
    co_return;
  });
  co_await q::pipeline(cx, items, q::stage(2, work), [&](q::Cx, int item) -> q::Task<> {
    sum += item;
    co_return;
  });
  sum += co_await q::map_reduce(
      cx, items, work, [&](int a, int b) { return a + b + sum; }, 0, 4);
  sum += co_await q::from_callback<int>(cx, [&](q::Completion<int> done) { done(sum); });
}
