// Arguments, temporaries, initialisers and results.
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

// ---- the plain ones ----

FORM(plain) { co_return co_await leaf(at); }
FORM(ends_in_its_own_body) { co_return co_await direct_leaf(at); }
FORM(initialises_a_variable) {
  int value = co_await leaf(at);
  co_return value;
}
FORM(initialises_by_parentheses) {
  Probe value(co_await leaf(at));
  co_return value.value();
}
FORM(initialises_by_braces) {
  Probe value{co_await leaf(at)};
  co_return value.value();
}
FORM(initialises_two_in_one_declaration) {
  int a = co_await leaf(at.fine()), b = co_await leaf(at);
  co_return a + b - 42;
}
FORM(binds_a_const_reference) {
  const Probe& value = co_await probe_leaf(at);
  co_return value.value();
}
FORM(binds_an_rvalue_reference) {
  Probe&& value = co_await probe_leaf(at);
  co_return value.value();
}
FORM(binds_a_forwarding_reference) {
  auto&& value = co_await lone_leaf(at);
  co_return value.value();
}
FORM(assigns) {
  Probe value(1);
  value = co_await probe_leaf(at);
  co_return value.value();
}
FORM(assigns_compound) {
  int value = 2;
  value += co_await leaf(at);
  co_return value - 2;
}
FORM(assigns_through_an_index) {
  std::vector<Probe> values(3, Probe(0));
  values[1] = co_await probe_leaf(at);
  co_return values[1].value();
}
FORM(assigns_into_a_map) {
  std::map<std::string, int> values;
  values["a key that is long enough not to be kept inside"] = co_await leaf(at);
  co_return values.begin()->second;
}
FORM(discards_the_value) {
  (void)co_await probe_leaf(at);
  co_return 42;
}
FORM(discards_by_comma) { co_return (co_await probe_leaf(at), 42); }
FORM(awaits_void) {
  co_await ending(at);
  co_return 42;
}
FORM(returns_what_void_gives) {
  struct Inner {
    static q::Task<> pass_on(At here) { co_return co_await ending(here); }
  };
  co_await Inner::pass_on(at);
  co_return 42;
}

// ---- temporaries with constructors of their own ----

FORM(argument_is_a_temporary) { co_return co_await take_probe(at, Probe(42)); }
FORM(argument_is_a_braced_temporary) { co_return co_await take_probe(at, Probe{42}); }
FORM(argument_is_a_braced_temporary_of_two) { co_return co_await take_probe(at, Probe{40, 2}); }
FORM(argument_is_only_braces) { co_return co_await take_probe(at, {40, 2}); }
FORM(argument_is_move_only) { co_return co_await take_lone(at, Lone(42)); }
FORM(argument_is_moved) {
  Lone lone(42);
  co_return co_await take_lone(at, std::move(lone));
}
FORM(argument_is_copied) {
  Probe probe(42);
  int got = co_await take_probe(at, probe);
  co_return got + probe.value() - 42;
}
FORM(two_arguments) { co_return co_await take_both(at, Probe(40), Lone(2)); }
FORM(reference_to_a_temporary) { co_return co_await take_reference(at, Probe(42)); }
FORM(rvalue_reference_to_a_temporary) { co_return co_await take_rvalue(at, Probe(42)); }
FORM(reference_to_a_local) {
  Probe probe(42);
  co_return co_await take_reference(at, probe);
}
FORM(default_argument) { co_return co_await take_default(at); }
FORM(default_argument_string) { co_return co_await take_default_string(at); }
FORM(string_from_a_literal) {
  co_return co_await take_string(at, "42 and so many characters that it goes to the heap");
}
FORM(string_temporary) { co_return co_await take_string(at, std::string("42") + std::string(100, ' ')); }
FORM(sum_of_temporaries) { co_return co_await take_probe(at, Probe(40) + Probe(2)); }
FORM(method_of_a_temporary) { co_return co_await take_probe(at, Probe(40).plus(2)); }
FORM(chain_of_methods_of_temporaries) { co_return co_await take_probe(at, Probe(39).plus(1).plus(2)); }
FORM(pair_made_by_function) {
  struct Inner {
    static q::Task<int> take(At here, std::pair<Probe, Lone> pair) {
      co_await ending(here);
      co_return pair.first.value() + pair.second.value();
    }
  };
  co_return co_await Inner::take(at, std::make_pair(Probe(40), Lone(2)));
}
FORM(pair_braced) {
  struct Inner {
    static q::Task<int> take(At here, std::pair<Probe, Lone> pair) {
      co_await ending(here);
      co_return pair.first.value() + pair.second.value();
    }
  };
  co_return co_await Inner::take(at, std::pair<Probe, Lone>{Probe{40}, Lone{2}});
}
FORM(tuple_temporary) {
  struct Inner {
    static q::Task<int> take(At here, std::tuple<Probe, Lone, std::string> all) {
      co_await ending(here);
      co_return std::get<0>(all).value() + std::get<1>(all).value();
    }
  };
  co_return co_await Inner::take(
      at, std::tuple<Probe, Lone, std::string>(Probe(40), Lone(2), std::string(50, 'x')));
}
FORM(optional_temporary) {
  struct Inner {
    static q::Task<int> take(At here, std::optional<Probe> probe) {
      co_await ending(here);
      co_return probe->value();
    }
  };
  co_return co_await Inner::take(at, std::optional<Probe>(std::in_place, 42));
}
FORM(optional_by_conversion) {
  struct Inner {
    static q::Task<int> take(At here, std::optional<Probe> probe) {
      co_await ending(here);
      co_return probe->value();
    }
  };
  co_return co_await Inner::take(at, Probe(42));
}
FORM(unique_ptr_temporary) {
  struct Inner {
    static q::Task<int> take(At here, std::unique_ptr<Probe> probe) {
      co_await ending(here);
      co_return probe->value();
    }
  };
  co_return co_await Inner::take(at, std::make_unique<Probe>(42));
}
FORM(shared_ptr_temporary) {
  struct Inner {
    static q::Task<int> take(At here, std::shared_ptr<const Probe> probe) {
      co_await ending(here);
      co_return probe->value();
    }
  };
  co_return co_await Inner::take(at, std::make_shared<const Probe>(42));
}
template <class... Values>
q::Task<int> sum_of_values(At at, Values... values) {
  co_await ending(at);
  co_return (values.value() + ...);
}
template <class... Values>
q::Task<int> sum_of_references(At at, Values&&... values) {
  co_await ending(at);
  co_return (values.value() + ...);
}
FORM(pack_of_arguments) { co_return co_await sum_of_values(at, Probe(30), Lone(10), Probe(1), Probe(1)); }
FORM(pack_of_references) {
  Probe named(30);
  co_return co_await sum_of_references(at, named, Lone(10), Probe(2));
}

// ---- awaits in arguments ----

FORM(await_in_an_argument) { co_return co_await take_number(at.fine(), co_await leaf(at)); }
FORM(await_in_an_argument_beside_a_temporary) {
  co_return co_await take_both(at.fine(), Probe(0), Lone(co_await leaf(at)));
}
FORM(awaits_in_two_arguments) {
  struct Inner {
    static q::Task<int> add(At here, int a, int b) {
      co_await ending(here);
      co_return a + b - 42;
    }
  };
  co_return co_await Inner::add(at, co_await leaf(at.fine()), co_await leaf(at.fine()));
}
FORM(awaits_nested_three_deep) {
  co_return co_await take_number(
      at.fine(), co_await take_number(at.fine(), co_await take_number(at, co_await leaf(at.fine()))));
}
FORM(awaited_object_as_argument) { co_return co_await take_probe(at.fine(), co_await probe_leaf(at)); }
FORM(awaited_move_only_as_argument) { co_return co_await take_lone(at.fine(), co_await lone_leaf(at)); }
FORM(awaited_object_by_reference) { co_return co_await take_reference(at, co_await probe_leaf(at.fine())); }
FORM(awaited_string_as_argument) { co_return co_await take_string(at.fine(), co_await text(at)); }
FORM(argument_of_a_plain_function) {
  auto twice = [](int a, const Probe& b) { return a + b.value(); };
  co_return twice(co_await leaf(at), Probe(0));
}
FORM(argument_of_a_constructor) { co_return Probe(co_await leaf(at), 0).value(); }
FORM(operands_of_plus) { co_return co_await leaf(at.fine()) + co_await leaf(at) - 42; }
FORM(operands_that_are_objects) {
  co_return (co_await probe_leaf(at.fine()) + co_await probe_leaf(at)).value() - 42;
}
FORM(operand_beside_a_temporary) { co_return (Probe(0) + co_await probe_leaf(at)).value(); }
FORM(operand_before_a_temporary) { co_return (co_await probe_leaf(at) + Probe(0)).value(); }
FORM(unary_operands) { co_return -(-co_await leaf(at)); }
FORM(comparison) { co_return co_await probe_leaf(at) == Probe(42) ? 42 : 0; }
FORM(method_of_what_is_awaited) { co_return (co_await probe_leaf(at)).value(); }
FORM(method_with_an_awaited_argument) { co_return Probe(0).plus(co_await leaf(at)).value(); }
FORM(index_is_awaited) {
  std::array<int, 43> values{};
  std::iota(values.begin(), values.end(), 0);
  co_return values[co_await leaf(at)];
}
FORM(cast) { co_return static_cast<int>(static_cast<long>(co_await leaf(at))); }
FORM(chained_await) {
  struct Inner {
    static q::Task<q::Task<int>> make(At here) { co_return leaf(here); }
  };
  co_return co_await co_await Inner::make(at);
}

// ---- structured bindings and aggregates that are safe ----

struct Plain {  // trivially copyable: an aggregate that g++ 12 does no harm to
  int a = 0;
  long b = 0;
};
struct Aggregate {
  Probe a;
  std::string name;
  int sum() const { return a.value() + static_cast<int>(name.size()); }
  q::Task<int> wait(At at) const {
    co_await ending(at);
    co_return sum();
  }
};
q::Task<int> take_plain(At at, Plain plain) {
  co_await ending(at);
  co_return plain.a + static_cast<int>(plain.b);
}
q::Task<int> take_aggregate(At at, Aggregate aggregate) {
  co_await ending(at);
  co_return aggregate.sum();
}
q::Task<int> take_aggregate_default(At at, Aggregate aggregate = Aggregate{Probe(40), "ab"}) {
  co_await ending(at);
  co_return aggregate.sum();
}
q::Task<int> take_list(At at, std::vector<int> values) {
  co_await ending(at);
  co_return std::accumulate(values.begin(), values.end(), 0);
}
q::Task<Aggregate> aggregate_leaf(At at) {
  co_await ending(at);
  co_return Aggregate{Probe(40), "ab"};
}
Aggregate make_aggregate() { return Aggregate{Probe(40), "ab"}; }

FORM(structured_binding_of_a_tuple) {
  struct Inner {
    static q::Task<std::tuple<int, Probe>> make(At here) {
      co_await ending(here);
      co_return std::tuple<int, Probe>(40, Probe(2));
    }
  };
  auto [a, b] = co_await Inner::make(at);
  co_return a + b.value();
}
FORM(structured_binding_by_reference) {
  auto&& [a, name] = co_await aggregate_leaf(at);
  co_return a.value() + static_cast<int>(name.size());
}
FORM(structured_binding_kept_over_an_await) {
  const auto [a, name] = co_await aggregate_leaf(at.fine());
  co_await ending(at);
  co_return a.value() + static_cast<int>(name.size());
}
FORM(trivial_aggregate_braced) { co_return co_await take_plain(at, Plain{40, 2}); }
FORM(trivial_aggregate_designated) { co_return co_await take_plain(at, {.a = 40, .b = 2}); }
FORM(trivial_aggregate_of_awaited) { co_return co_await take_plain(at.fine(), Plain{co_await leaf(at), 0}); }
FORM(aggregate_is_the_result) {
  Aggregate got = co_await aggregate_leaf(at);
  co_return got.sum();
}
FORM(aggregate_member_of_the_result) { co_return (co_await aggregate_leaf(at)).a.value() + 2; }

// The cures for aggregates and lists.
FORM(aggregate_in_two_statements) {
  auto task = take_aggregate(at, Aggregate{.a = Probe(40), .name = "ab"});
  co_return co_await std::move(task);
}
FORM(aggregate_named) {
  Aggregate options{.a = Probe(40), .name = "ab"};
  co_return co_await take_aggregate(at, options);
}
FORM(aggregate_named_and_moved) {
  Aggregate options{.a = Probe(40), .name = "ab"};
  co_return co_await take_aggregate(at, std::move(options));
}
FORM(aggregate_made_by_function) { co_return co_await take_aggregate(at, make_aggregate()); }
FORM(braced_list_in_two_statements) {
  auto task = take_aggregate(at, {Probe(40), "ab"});
  co_return co_await std::move(task);
}
FORM(await_then_aggregate) {
  int value = co_await leaf(at);
  Aggregate made{Probe(value - 2), "ab"};
  co_return made.sum();
}
FORM(aggregate_default_in_two_statements) {
  auto task = take_aggregate_default(at);
  co_return co_await std::move(task);
}
FORM(aggregate_method_in_two_statements) {
  Aggregate aggregate{Probe(40), "ab"};
  co_return co_await aggregate.wait(at);
}
FORM(list_in_two_statements) {
  auto task = take_list(at, std::vector<int>{1, 2, 39});
  co_return co_await std::move(task);
}
FORM(list_named) {
  std::vector<int> values{1, 2, 39};
  co_return co_await take_list(at, values);
}
FORM(vector_by_count) { co_return co_await take_list(at, std::vector<int>(42, 1)); }
FORM(make_unique_after_await) {
  int value = co_await leaf(at);
  auto made = std::make_unique<Probe>(value);
  co_return made->value();
}

// ---- results ----

FORM(co_return_braces) {
  struct Inner {
    static q::Task<Probe> make(At here) {
      co_await ending(here);
      co_return Probe{40, 2};
    }
  };
  co_return (co_await Inner::make(at)).value();
}
FORM(co_return_only_braces) {
  struct Inner {
    static q::Task<std::pair<int, int>> make(At here) {
      co_await ending(here);
      co_return {40, 2};
    }
  };
  auto [a, b] = co_await Inner::make(at);
  co_return a + b;
}
FORM(co_return_a_local) {
  struct Inner {
    static q::Task<Lone> make(At here) {
      Lone made(42);
      co_await ending(here);
      co_return made;
    }
  };
  co_return (co_await Inner::make(at)).value();
}
FORM(co_return_a_parameter) {
  struct Inner {
    static q::Task<Lone> pass(At here, Lone lone) {
      co_await ending(here);
      co_return lone;
    }
  };
  co_return (co_await Inner::pass(at, Lone(42))).value();
}
FORM(co_return_by_conversion) {
  struct Inner {
    static q::Task<std::string> make(At here) {
      co_await ending(here);
      co_return "42";
    }
  };
  co_return std::stoi(co_await Inner::make(at));
}
FORM(co_return_what_is_awaited) {
  struct Inner {
    static q::Task<Lone> pass(At here) { co_return co_await lone_leaf(here); }
  };
  co_return (co_await Inner::pass(at)).value();
}
FORM(co_return_a_unique_ptr) {
  struct Inner {
    static q::Task<std::unique_ptr<Probe>> make(At here) {
      co_await ending(here);
      co_return std::make_unique<Probe>(42);
    }
  };
  co_return (*co_await Inner::make(at)).value();
}
FORM(result_is_large) {
  struct Inner {
    static q::Task<std::array<int, 500>> make(At here) {
      co_await ending(here);
      std::array<int, 500> all{};
      all[499] = 42;
      co_return all;
    }
  };
  co_return (co_await Inner::make(at))[499];
}
FORM(frame_is_large) {
  std::array<std::byte, 5000> ballast{};
  co_await ending(at);
  co_return 42 + static_cast<int>(ballast[4999]);
}

}  // namespace
}  // namespace forms
