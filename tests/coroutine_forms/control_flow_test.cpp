// Conditions, loops, branches, exceptions around an await.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

q::Task<std::vector<Probe>> three(At at) {
  co_await ending(at);
  std::vector<Probe> values;
  for (int n : {10, 12, 20}) values.push_back(Probe(n));
  co_return values;
}

// ---- conditions ----

FORM(condition_of_if) {
  Probe bystander(0);
  if (co_await truth(at)) co_return 42;
  co_return 0;
}
FORM(condition_of_if_negated) {
  Probe bystander(0);
  if (!co_await truth(at)) co_return 0;
  co_return 42;
}
FORM(condition_declares) {
  if (int value = co_await leaf(at)) co_return value;
  co_return 0;
}
FORM(condition_with_initialiser) {
  if (Probe value = co_await probe_leaf(at); value.value() == 42) co_return value.value();
  co_return 0;
}
FORM(initialiser_and_condition_awaited) {
  if (Probe value = co_await probe_leaf(at.fine()); co_await truth(at)) co_return value.value();
  co_return 0;
}
FORM(condition_with_temporaries) {
  Probe bystander(0);
  if (Probe(0).value() + co_await take_probe(at, Probe(42)) == Probe(42).value()) co_return 42;
  co_return 0;
}
FORM(condition_of_else_if) {
  Probe bystander(0);
  if (co_await truth(at.fine(), false)) {
    co_return 0;
  } else if (co_await truth(at)) {
    co_return 42;
  }
  co_return 0;
}
FORM(logical_and) { co_return co_await truth(at.fine()) && co_await truth(at) ? 42 : 0; }
FORM(logical_or) { co_return co_await truth(at.fine(), false) || co_await truth(at) ? 42 : 0; }
FORM(logical_and_that_stops_early) {
  bool both = co_await truth(at, false) && co_await truth(at.fine());
  co_return both ? 0 : 42;
}
FORM(logical_or_with_temporaries) {
  co_return Probe(0).value() == 1 || co_await take_probe(at, Probe(42)) == Probe(42).value() ? 42 : 0;
}
FORM(choice_of_scalars) { co_return co_await truth(at) ? 42 : 0; }
FORM(choice_of_awaited_scalars) { co_return at.end.waits ? co_await leaf(at) : co_await direct_leaf(at); }
FORM(choice_of_an_awaited_scalar_and_a_constant) {
  co_return at.scope.region_id().is_valid() ? co_await leaf(at) : 0;
}
FORM(choice_of_pointers) {
  Probe yes(42), no(0);
  const Probe* chosen = co_await truth(at) ? &yes : &no;
  co_return chosen->value();
}
FORM(choice_of_references) {
  Probe yes(42), no(0);
  const Probe& chosen = co_await truth(at) ? yes : no;
  co_return chosen.value();
}

// The cures for ?: with operands of class type.
FORM(choice_of_tasks_by_if) {
  std::optional<q::Task<int>> task;
  if (at.end.waits) {
    task.emplace(leaf(at));
  } else {
    task.emplace(direct_leaf(at));
  }
  co_return co_await std::move(*task);
}
FORM(choice_in_two_statements) {
  auto task = at.end.waits ? leaf(at) : direct_leaf(at);
  co_return co_await std::move(task);
}
FORM(choice_of_values_by_if) {
  std::string value;
  if (at.scope.region_id().is_valid()) value = co_await text(at);
  co_return std::stoi(value);
}

// ---- switch ----

FORM(switch_on_awaited) {
  Probe bystander(0);
  switch (co_await leaf(at)) {
    case 42: co_return 42;
    default: co_return 0;
  }
}
FORM(switch_with_initialiser) {
  switch (Probe value = co_await probe_leaf(at); value.value()) {
    case 42: co_return value.value();
    default: co_return 0;
  }
}
FORM(await_in_a_case) {
  int result = 0;
  switch (at.end.waits ? 1 : 0) {
    case 1: {
      Probe bystander(0);
      result = co_await leaf(at) + bystander.value();
      break;
    }
    default: result = co_await direct_leaf(at); break;
  }
  co_return result;
}

// ---- loops ----

FORM(loop_counts) {
  int sum = 0;
  for (int i = 0; i < 3; ++i) sum += co_await leaf(i == 2 ? at : at.fine());
  co_return sum / 3;
}
FORM(loop_condition_awaited) {
  int rounds = 0;
  while (co_await truth(rounds == 2 ? at : at.fine(), rounds < 2)) ++rounds;
  co_return rounds + 40;
}
FORM(loop_condition_at_its_end) {
  Probe bystander(0);
  int rounds = 0;
  do { ++rounds; } while (co_await truth(rounds == 3 ? at : at.fine(), rounds < 3));
  co_return rounds + 39;
}
FORM(loop_step_awaited) {
  Probe bystander(0);
  int sum = 0;
  for (int i = 0; i < 42; i += co_await leaf(at)) sum += 42;
  co_return sum;
}
FORM(loop_initialised_by_await) {
  int last = 0;
  for (Probe i = co_await probe_leaf(at); i.value() < 43; i = i.plus(1)) last = i.value();
  co_return last;
}
FORM(range_for_over_awaited) {
  int sum = 0;
  for (const Probe& value : co_await three(at)) sum += value.value();
  co_return sum;
}
FORM(range_for_over_awaited_with_awaits_inside) {
  int sum = 0;
  for (Probe value : co_await three(at.fine())) {
    co_await ending(at);
    sum += value.value();
  }
  co_return sum;
}
FORM(range_for_with_initialiser) {
  int sum = 0;
  for (auto values = co_await three(at.fine()); const Probe& value : values)
    sum += co_await take_probe(at, value);
  co_return sum;
}
FORM(range_for_with_bindings) {
  std::map<int, Probe> values;
  values.emplace(1, Probe(40));
  values.emplace(2, Probe(2));
  int sum = 0;
  for (const auto& [key, value] : values) sum += co_await take_probe(key == 2 ? at : at.fine(), value);
  co_return sum;
}
FORM(loop_left_early) {
  for (int i = 0;; ++i) {
    Probe bystander(i);
    if (i == 1) continue;
    int value = co_await leaf(i == 2 ? at : at.fine());
    if (i == 2) co_return value + bystander.value() - 2;
  }
}
FORM(goto_back) {
  int rounds = 0;
again:
  Probe bystander(co_await leaf(rounds == 1 ? at : at.fine()));
  if (++rounds < 2) goto again;
  co_return bystander.value();
}
FORM(recursion) {
  struct Inner {
    static q::Task<int> down(At here, int depth, Probe probe) {
      if (depth == 0) co_return co_await take_probe(here, probe);
      co_return co_await down(here, depth - 1, Probe(probe.value() + 1));
    }
  };
  co_return co_await Inner::down(at, 10, Probe(32));
}

// ---- exceptions ----

FORM(inside_try) {
  try {
    co_return co_await leaf(at);
  } catch (...) {  // neither a failure nor a child's panic is an exception here
    co_return 0;
  }
}
FORM(inside_nested_try) {
  try {
    Probe outer(0);
    try {
      Probe inner(0);
      co_return co_await leaf(at) + outer.value() + inner.value();
    } catch (const Boom&) { co_return 0; }
  } catch (...) { co_return 1; }
}
FORM(after_a_caught_exception) {
  bool caught = false;
  try {
    Probe bystander(1);
    throw Boom();
  } catch (const Boom&) { caught = true; }
  co_return co_await leaf(at) - !caught;
}
FORM(own_exception_after_an_await) {
  try {
    co_await ending(at);
    throw Probe(42);
  } catch (const Probe& thrown) { co_return thrown.value(); }
}
FORM(throw_operand_scalar_in_two_statements) {
  try {
    int value = co_await leaf(at);
    throw value;
  } catch (int thrown) { co_return thrown; }
}
FORM(throw_operand_in_two_statements) {
  try {
    Probe value = co_await probe_leaf(at);
    throw value;
  } catch (const Probe& thrown) { co_return thrown.value(); }
}
FORM(throw_operand_from_a_scalar_in_two_statements) {
  try {
    int value = co_await leaf(at);
    throw Probe(value);
  } catch (const Probe& thrown) { co_return thrown.value(); }
}
FORM(thrown_and_not_caught_after_an_await) {
  co_await ending(at.end.how == How::Exception ? at.fine() : at);
  if (at.end.how == How::Exception) throw Boom();
  co_return 42;
}
FORM(thrown_through_a_catch_that_rethrows) {
  int value = co_await leaf(at.end.how == How::Exception ? at.fine() : at);
  try {
    Probe bystander(1);
    if (at.end.how == How::Exception) throw Boom();
  } catch (...) {
    Probe bystander(2);
    throw;
  }
  co_return value;
}
FORM(exception_kept_over_an_await) {
  std::exception_ptr kept;
  try {
    throw Probe(42);
  } catch (...) { kept = std::current_exception(); }
  co_await ending(at);
  try {
    std::rethrow_exception(kept);
  } catch (const Probe& thrown) { co_return thrown.value(); }
}

// ---- scopes and lifetimes ----

FORM(locals_of_every_kind) {
  Probe before(1);
  const Lone constant(2);
  auto held = std::make_unique<Probe>(3);
  Probe array[2] = {Probe(4), Probe(5)};
  {
    Probe inner(6);
    co_await ending(at);
    inner.value();
  }
  co_return before.value() + constant.value() + held->value() + array[0].value() + array[1].value() + 27;
}
FORM(extended_temporary_over_an_await) {
  const Probe& extended = Probe(40).plus(2);
  co_await ending(at);
  co_return extended.value();
}
FORM(static_local) {
  static const int kept = 42;
  co_await ending(at);
  co_return kept;
}
FORM(volatile_local) {
  volatile int kept = 42;
  co_await ending(at);
  co_return kept;
}
FORM(aligned_local) {
  alignas(16) Probe kept(42);
  co_await ending(at);
  co_return reinterpret_cast<std::uintptr_t>(&kept) % 16 == 0 ? kept.value() : 0;
}
FORM(move_between_awaits) {
  Lone first(42);
  co_await ending(at.fine());
  Lone second(std::move(first));
  co_await ending(at);
  co_return second.value();
}
FORM(many_awaits_in_a_row) {
  co_await ending(at.fine());
  Probe a(10);
  co_await ending(at.fine());
  Probe b(12);
  co_await ending(at.fine());
  Probe c(20);
  co_await ending(at);
  co_return a.value() + b.value() + c.value();
}

}  // namespace
}  // namespace forms
