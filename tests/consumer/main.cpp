// Uses the installed library the way a program would: a runtime, tasks with values, an error that ends the
// region, and the testing kit's hand-driven clock.
#include <quiesce/quiesce.hpp>
#include <quiesce/testing/stepper.hpp>

#include <cstdio>
#include <utility>

namespace q = quiesce;

q::Task<int> twice(q::Cx, int x) { co_return 2 * x; }

q::Task<int> sum(q::Cx cx, q::Scope<>& scope) {
  auto three = co_await scope.spawn(cx, twice, 3);
  auto four = co_await scope.spawn(cx, twice, 4);
  auto [a, b] = co_await scope.join(cx, std::move(three), std::move(four));
  co_return co_await std::move(a) + co_await std::move(b);
}

int stepped() {
  q::testing::Stepper stepper;
  q::RegionId root = stepper.create_root_region(q::Budget::infinite());
  q::Scope<> scope = stepper.scope(root);
  q::Cx cx = stepper.cx(root);
  auto handle = scope.spawn(cx, twice, 5).value();
  stepper.run_until_idle();
  return stepper.run(handle.join(cx)).value();
}

int main() {
  q::Runtime rt = q::Runtime::builder().workers(2).build();
  q::Outcome<int> total = rt.block_on(sum);
  if (!total.is_ok()) return 1;
  std::printf("%d %d\n", total.value(), stepped());
}
