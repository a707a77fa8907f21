// Generators: ways to write a `co_yield`, and to pull what it gives.
#include <quiesce/stream.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

// ---- what is yielded ----

q::Stream<Probe> yields_temporary(At at) {
  Probe bystander(0);
  co_await ending(at);
  co_yield Probe(42);
}
FORM(yield_of_a_temporary) {
  auto stream = yields_temporary(at);
  auto value = co_await stream.next(at.cx);
  co_return value->value();
}

q::Stream<Probe> yields_named(At at) {
  Probe named(40);
  co_yield named;
  co_yield std::move(named);
  const Probe constant(named.value() + 2);
  co_await ending(at);
  co_yield constant;
}
FORM(yield_of_named_objects) {
  auto stream = yields_named(at);
  int last = 0;
  while (auto value = co_await stream.next(at.cx)) last = value->value();
  co_return last;
}

q::Stream<Lone> yields_lone(At at) {
  Lone bystander(1);
  co_yield Lone(20);
  co_yield co_await lone_leaf(at);
  co_yield std::move(bystander);
}
FORM(yield_of_what_can_only_be_moved) {
  auto stream = yields_lone(at);
  std::optional<Lone> first = co_await stream.next(at.cx);
  std::optional<Lone> second = co_await stream.next(at.cx);
  co_return first->value() == 20 ? second->value() : 0;
}

q::Stream<std::unique_ptr<Probe>> yields_pointers(At at) {
  co_yield std::make_unique<Probe>(1);
  auto named = std::make_unique<Probe>(41);
  co_await ending(at);
  co_yield std::move(named);
}
FORM(yield_of_pointers) {
  auto stream = yields_pointers(at);
  int sum = 0;
  while (auto value = co_await stream.next(at.cx)) sum += (*value)->value();
  co_return sum;
}

q::Stream<std::string> yields_convertible(At at) {
  Probe bystander(0);
  co_yield "a literal that is too long to be kept inside of a string";
  co_yield co_await text(at);
  co_yield std::string(60, 'x');
}
FORM(yield_that_converts) {
  auto stream = yields_convertible(at);
  auto literal = co_await stream.next(at.cx);
  auto number = co_await stream.next(at.cx);
  auto last = co_await stream.next(at.cx);
  co_return last->size() == 60 && literal->size() == 56 ? std::stoi(*number) : 0;
}

q::Stream<Probe> yields_awaited_operands(At at) {
  co_yield Probe(co_await leaf(at.fine())).plus(-42) + co_await probe_leaf(at);
}
FORM(yield_of_an_expression_with_awaits) {
  auto stream = yields_awaited_operands(at);
  auto value = co_await stream.next(at.cx);
  co_return value->value();
}

q::Stream<Probe> yields_taken(At at) { co_yield Probe(co_await take_both(at, Probe(40), Lone(2))); }
FORM(yield_of_a_call_with_temporaries) {
  auto stream = yields_taken(at);
  auto value = co_await stream.next(at.cx);
  co_return value->value();
}

struct Pair {
  Probe first, second;
};
q::Stream<Pair> yields_aggregate(At at) {
  Pair named{Probe(40), Probe(2)};  // `co_yield Pair{…}` is what g++ 12 miscompiles
  co_await ending(at);
  co_yield std::move(named);
}
FORM(yield_of_an_aggregate_in_two_statements) {
  auto stream = yields_aggregate(at);
  auto value = co_await stream.next(at.cx);
  co_return value->first.value() + value->second.value();
}

// ---- where it is yielded ----

q::Stream<int> yields_in_a_range_for(At at) {
  std::vector<Probe> values;
  for (int n : {10, 12, 20}) values.push_back(Probe(n));
  for (const Probe& value : values) {
    if (value.value() == 20) co_await ending(at);
    co_yield value.value();
  }
}
FORM(yield_in_a_range_for) {
  auto stream = yields_in_a_range_for(at);
  int sum = 0;
  while (auto value = co_await stream.next(at.cx)) sum += *value;
  co_return sum;
}

q::Stream<int> yields_in_a_try(At at) {
  int caught = 0;
  try {
    const Probe local(1);
    co_yield local.value();
    throw 41;
  } catch (int thrown) { caught = thrown; }
  co_await ending(at);
  co_yield caught;
}
FORM(yield_in_a_try) {
  auto stream = yields_in_a_try(at);
  int sum = 0;
  while (auto value = co_await stream.next(at.cx)) sum += *value;
  co_return sum;
}

q::Stream<Probe> yields_in_branches(At at, int which) {
  switch (which) {
    case 0: co_yield Probe(1); break;
    case 1:
      if (Probe local = co_await probe_leaf(at); local.value() == 42) co_yield local;
      break;
    default: co_return;
  }
}
FORM(yield_in_branches) {
  int sum = 0;
  for (int which : {0, 1, 2}) {
    auto stream = yields_in_branches(at, which);
    if (auto value = co_await stream.next(at.cx)) sum += value->value();
  }
  co_return sum - 1;
}

q::Stream<int> yields_nothing(At at) {
  Probe bystander(0);
  co_await ending(at);
}
FORM(no_yield_at_all) {
  auto stream = yields_nothing(at);
  auto value = co_await stream.next(at.cx);
  co_return value ? 0 : 42;
}

q::Stream<Probe> by_value(At at, Probe parameter, Lone lone) {
  co_await ending(at);
  co_yield parameter.plus(lone.value());
}
FORM(parameters_of_a_generator) {
  auto stream = by_value(at, Probe(40), Lone(2));
  auto value = co_await stream.next(at.cx);
  co_return value->value();
}

FORM(generator_lambda_named) {
  Probe captured(40);
  auto make = [captured](At mine, int more) -> q::Stream<Probe> {
    co_await ending(mine);
    co_yield captured.plus(more);
  };
  auto stream = make(at, 2);
  auto value = co_await stream.next(at.cx);
  co_return value->value();
}

// ---- how it is pulled ----

FORM(pulled_in_a_condition) {
  auto stream = yields_temporary(at);
  if (auto value = co_await stream.next(at.cx)) co_return value->value();
  co_return 0;
}
FORM(pulled_as_an_argument) {
  auto stream = yields_temporary(at);
  co_return co_await take_probe(at.fine(), *co_await stream.next(at.cx));
}
FORM(pulled_twice_in_one_expression) {
  auto stream = yields_named(at);
  auto first = co_await stream.next(at.cx);
  co_return (co_await stream.next(at.cx))->value() - 40 + (co_await stream.next(at.cx))->value();
}
FORM(two_streams_in_one_expression) {
  auto left = yields_lone(at.fine());
  auto right = yields_temporary(at);
  co_return (co_await left.next(at.cx))->value() - 20 + (co_await right.next(at.cx))->value();
}
FORM(outcome_of_next) {
  auto stream = yields_temporary(at);
  q::Outcome<std::optional<Probe>> outcome = co_await stream.next(at.cx).outcome();
  auto value = co_await std::move(outcome);
  co_return value->value();
}
FORM(outcome_of_next_in_an_argument) {
  auto stream = yields_temporary(at);
  auto value = co_await co_await stream.next(at.cx).outcome();
  co_return value->value();
}

q::Stream<Probe> inner_values(At at) {
  const Probe bystander(0);
  co_yield Probe(20);
  co_await ending(at);
  co_yield Probe(22);
}
q::Stream<Probe> passes_on(At at) {
  auto inner = inner_values(at);
  while (auto value = co_await inner.next(at.cx)) co_yield std::move(*value);
}
FORM(nested_generators) {
  auto stream = passes_on(at);
  int sum = 0;
  while (auto value = co_await stream.next(at.cx)) sum += value->value();
  co_return sum;
}

FORM(dropped_between_two_pulls) {
  {
    auto stream = passes_on(at.fine());
    auto first = co_await stream.next(at.cx);
    if (first->value() != 20) co_return 0;
  }
  co_return co_await leaf(at);
}
FORM(ends_while_another_stream_is_suspended) {
  auto suspended = passes_on(at.fine());
  auto first = co_await suspended.next(at.cx);
  auto stream = yields_temporary(at);
  auto value = co_await stream.next(at.cx);
  co_return value->value() + first->value() - 20;
}

// ---- combinators ----

FORM(combinators_in_one_expression) {
  co_return co_await passes_on(at)
      .map([](Probe probe) { return probe.plus(1); })
      .filter([](const Probe& probe) { return probe.value() > 0; })
      .fold(at.cx, -2, [](int sum, Probe probe) { return sum + probe.value(); });
}
FORM(combinators_with_named_closures) {
  Probe more(0);
  auto add = [more](Probe probe) { return probe + more; };
  int sum = 0;
  co_await passes_on(at).map(add).for_each(at.cx, [&sum](Probe probe) { sum += probe.value(); });
  co_return sum;
}
FORM(chunks_and_take) {
  auto stream = passes_on(at).chunks(2).take(1);
  auto chunk = co_await stream.next(at.cx);
  co_return chunk->at(0).value() + chunk->at(1).value();
}
FORM(zipped) {
  auto stream = zip(yields_lone(at.fine()), yields_temporary(at));
  auto both = co_await stream.next(at.cx);
  co_return both->first.value() - 20 + both->second.value();
}

}  // namespace
}  // namespace forms
