// Narrowing, by name and on the way into a task, and what a narrow context may still do.
#include "library.hpp"

using Narrow = q::BasicCx<q::cap::Union<q::cap::Spawn, q::cap::Time>>;

q::Task<> work(Narrow cx) { co_await cx.sleep(q::Duration{}); }
q::Task<> nothing(q::BasicCx<q::cap::None> cx) {
  co_await cx.yield();
  co_await cx.checkpoint();
}

q::Task<> test(q::Cx cx, q::Scope<>& scope) {
  Narrow narrow = cx.restrict<Narrow::capabilities>();
  (void)scope.spawn(narrow, work);
  (void)scope.spawn(narrow, nothing);
  (void)scope.spawn(cx, work);
  (void)narrow.restrict<q::cap::Time>().now();
  co_await scope.region(narrow, q::FailFast{},
                        [](Narrow inner, q::Scope<>&) -> q::Task<> { co_await work(inner); });
  co_await nothing(narrow);
}
