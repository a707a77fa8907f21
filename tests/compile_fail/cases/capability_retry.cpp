// expect: quiesce: this context lacks the capability Time or Random (cap::Time, cap::Random), which retry needs
#include "library.hpp"

#include <quiesce/combinators/retry.hpp>

void test(q::BasicCx<q::cap::Time> cx) {
  auto f = [](q::BasicCx<q::cap::Time>) -> q::Task<> { co_return; };
  (void)q::retry(cx, q::RetryPolicy(), f);
}
