// Lambdas, member functions, function objects; tasks kept in variables and containers.
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

// ---- lambdas ----

FORM(lambda_without_captures) {
  co_return co_await [](At here) -> q::Task<int> { co_return co_await leaf(here); }(at);
}
FORM(lambda_without_captures_and_an_object) {
  co_return co_await [](At here, Probe probe) -> q::Task<int> {
    co_await ending(here);
    co_return probe.value();
  }(at, Probe(42));
}
FORM(lambda_by_reference) {
  Probe probe(42);
  co_return co_await [&]() -> q::Task<int> {
    co_await ending(at);
    co_return probe.value();
  }();
}
FORM(lambda_with_a_trivial_capture) {
  int number = 42;
  co_return co_await [number, at]() -> q::Task<int> {
    co_await ending(at);
    co_return number;
  }();
}
FORM(lambda_named_without_captures) {
  auto named = [](At here) -> q::Task<int> { co_return co_await leaf(here); };
  co_return co_await named(at);
}
FORM(coroutine_closure_named) {
  Probe probe(42);
  auto named = [probe, at]() -> q::Task<int> {
    co_await ending(at);
    co_return probe.value();
  };
  co_return co_await named();
}
FORM(coroutine_closure_named_move_only) {
  auto named = [lone = Lone(42), at]() -> q::Task<int> {
    co_await ending(at);
    co_return lone.value();
  };
  co_return co_await named();
}
FORM(coroutine_closure_mutable) {
  auto named = [probe = Probe(0), at]() mutable -> q::Task<int> {
    probe = co_await probe_leaf(at);
    co_return probe.value();
  };
  co_return co_await named();
}
FORM(lambda_generic) {
  auto named = [](At here, auto value) -> q::Task<int> {
    co_await ending(here);
    co_return value.value();
  };
  co_return co_await named(at, Lone(42));
}
FORM(lambda_gives_the_task) {
  auto make = [&] { return take_probe(at, Probe(42)); };
  co_return co_await make();
}
FORM(lambda_called_with_awaited) {
  Probe zero(0);
  auto add = [zero](int value) { return value + zero.value(); };
  co_return add(co_await leaf(at));
}
template <class F>
q::Task<int> use(At at, F function) {
  co_await ending(at);
  co_return function();
}
FORM(closure_named) {
  Probe probe(42);
  auto named = [probe] { return probe.value(); };
  co_return co_await use(at, named);
}
FORM(closure_named_and_moved) {
  auto named = [lone = Lone(42)] { return lone.value(); };
  co_return co_await use(at, std::move(named));
}
FORM(closure_trivial) {
  int number = 42;
  co_return co_await use(at, [number] { return number; });
}
FORM(closure_by_reference) {
  Probe probe(42);
  co_return co_await use(at, [&] { return probe.value(); });
}
FORM(closure_made_by_function) {
  auto make = [] { return [probe = Probe(42)] { return probe.value(); }; };
  co_return co_await use(at, make());
}
FORM(lambda_in_a_lambda) {
  Probe probe(42);
  auto outer = [&]() -> q::Task<int> {
    auto inner = [&]() -> q::Task<int> {
      co_await ending(at);
      co_return probe.value();
    };
    co_return co_await inner();
  };
  co_return co_await outer();
}
FORM(recursive_lambda) {
  auto down = [](auto& self, At here, int depth) -> q::Task<int> {
    if (depth == 0) co_return co_await leaf(here);
    co_return co_await self(self, here, depth - 1);
  };
  co_return co_await down(down, at, 5);
}

// ---- members and function objects ----

class Holder {
 public:
  explicit Holder(int value) : probe_(value) {}
  q::Task<int> get(At at) const {
    co_await ending(at);
    co_return probe_.value();
  }
  q::Task<int> add(At at, Probe more) {
    co_await ending(at);
    co_return probe_.value() + more.value();
  }
  q::Task<int> operator()(At at) const {
    co_await ending(at);
    co_return probe_.value();
  }
  q::Task<Probe*> itself(At at) {
    co_await ending(at);
    co_return &probe_;
  }
  static q::Task<int> fixed(At at) { co_return co_await leaf(at); }
  virtual q::Task<int> dynamic(At at) { co_return co_await get(at); }
  virtual ~Holder() = default;

 protected:
  Probe probe_;
};
class Derived : public Holder {
 public:
  using Holder::Holder;
  q::Task<int> dynamic(At at) override {
    int value = co_await Holder::dynamic(at);
    co_return value + 1;
  }
};

FORM(member_function) {
  Holder holder(42);
  co_return co_await holder.get(at);
}
FORM(member_function_of_a_temporary) { co_return co_await Holder(42).get(at); }
FORM(member_function_of_a_braced_temporary) { co_return co_await Holder{42}.get(at); }
FORM(member_function_with_an_object) {
  Holder holder(40);
  co_return co_await holder.add(at, Probe(2));
}
FORM(member_function_by_pointer) {
  Holder holder(42);
  co_return co_await (holder.*(&Holder::get))(at);
}
FORM(member_function_through_unique_ptr) { co_return co_await std::make_unique<Holder>(42)->get(at); }
FORM(static_member_function) { co_return co_await Holder::fixed(at); }
FORM(virtual_member_function) {
  std::unique_ptr<Holder> holder = std::make_unique<Derived>(41);
  co_return co_await holder->dynamic(at);
}
FORM(function_object) { co_return co_await Holder(42)(at); }
FORM(function_pointer) {
  q::Task<int> (*function)(At) = leaf;
  co_return co_await function(at);
}
FORM(dereferences_what_is_awaited) {
  Holder holder(42);
  co_return (*co_await holder.itself(at)).value();
}
FORM(arrow_on_what_is_awaited) {
  Holder holder(42);
  co_return (co_await holder.itself(at))->value();
}
template <class T>
q::Task<T> make(At at) {
  co_await ending(at);
  co_return T(42);
}
FORM(function_template) { co_return (co_await make<Lone>(at)).value(); }

// ---- tasks as values ----

FORM(task_in_a_variable) {
  q::Task<int> task = leaf(at);
  co_return co_await std::move(task);
}
FORM(task_moved_once_more) {
  q::Task<int> task = take_probe(at, Probe(42));
  q::Task<int> other = std::move(task);
  co_return co_await std::move(other);
}
FORM(task_assigned_over_another) {
  q::Task<int> task = take_probe(at, Probe(0));  // never run: destroyed with its argument
  task = take_probe(at, Probe(42));
  co_return co_await std::move(task);
}
FORM(task_never_awaited) {
  auto unused = take_both(at, Probe(1), Lone(2));
  co_return co_await leaf(at);
}
FORM(task_in_an_optional) {
  std::optional<q::Task<int>> task(take_probe(at, Probe(42)));
  co_return co_await *std::move(task);
}
FORM(task_in_a_unique_ptr) {
  auto task = std::make_unique<q::Task<int>>(take_probe(at, Probe(42)));
  co_return co_await std::move(*task);
}
FORM(task_in_a_vector) {
  std::vector<q::Task<int>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(take_probe(i == 1 ? at : at.fine(), Probe(14)));
  int sum = 0;
  for (auto& task : tasks) sum += co_await std::move(task);
  co_return sum;
}
FORM(task_from_the_back_of_a_deque) {
  std::deque<q::Task<int>> tasks;
  tasks.push_back(take_probe(at, Probe(42)));
  tasks.push_back(take_probe(at.fine(), Probe(1)));
  co_await std::move(tasks.back());
  co_return co_await std::move(tasks.front());
}
FORM(task_in_a_pair) {
  auto both = std::make_pair(leaf(at.fine()), leaf(at));
  co_return co_await std::move(both.first) + co_await std::move(both.second) - 42;
}
FORM(task_in_a_variant) {
  std::variant<int, q::Task<int>> either(std::in_place_index<1>, leaf(at));
  co_return co_await std::get<1>(std::move(either));
}
FORM(task_through_std_exchange) {
  q::Task<int> task = leaf(at);
  co_return co_await std::exchange(task, leaf(at.fine()));
}
FORM(task_as_a_parameter) {
  struct Inner {
    static q::Task<int> run(q::Task<int> task) { co_return co_await std::move(task); }
  };
  co_return co_await Inner::run(take_probe(at, Probe(42)));
}
FORM(task_as_a_member) {
  struct Inner {
    q::Task<int> task;
    explicit Inner(q::Task<int> t) : task(std::move(t)) {}
  };
  Inner holder(take_probe(at, Probe(42)));
  co_return co_await std::move(holder.task);
}
FORM(task_through_a_cast) { co_return co_await static_cast<q::Task<int>&&>(leaf(at)); }
FORM(task_in_parentheses) { co_return (co_await (leaf(at))); }
FORM(task_after_a_comma) { co_return co_await (Probe(1).value(), leaf(at)); }
FORM(task_awaited_twice_is_an_error) {
  auto task = leaf(at);
  int value = co_await std::move(task);
  auto again = co_await std::move(task).outcome();
  bool refused = again.is_err() && again.error().code() == q::ErrorCode::EmptyTask;
  co_return refused ? value : 0;
}

}  // namespace
}  // namespace forms
