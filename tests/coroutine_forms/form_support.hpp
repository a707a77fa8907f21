// A form is one way to write a co_await, as a coroutine Task<int>(At). It awaits `ending(at)`, or one of the leaves that do, and
// gives 42 when that ends Ok. FORM(name) { … } registers one; form_test.cpp runs each with every ending.
#pragma once

#include <quiesce/quiesce.hpp>

#include <iosfwd>
#include <stdexcept>
#include <string>
#include <vector>

#include "coroutine_forms/probe_support.hpp"

namespace q = quiesce;

namespace forms {

/// How what a form awaits ends. Unasked: Cancelled, with no request on the task that awaits it (rule O5 makes it an Err).
enum class How { Ok, Err, Cancelled, Unasked, Exception };
struct Ending {
  How how = How::Ok;
  bool waits = false;  // after it was suspended
};
std::string to_string(Ending ending);
std::ostream& operator<<(std::ostream& out, Ending ending);
std::vector<Ending> all_endings();

/// What every form is given. Trivially copyable, so that it disturbs nothing.
struct At {
  q::Cx cx;
  q::Scope<> scope;
  Ending end;

  At with(q::Cx other) const { return {other, scope, end}; }
  /// The same, ending Ok at once: for awaits before the one that matters.
  At fine() const { return {cx, scope, Ending{}}; }
};

/// What is thrown; it carries an object of its own.
class Boom : public std::runtime_error {
 public:
  Boom() : std::runtime_error("the form threw"), probe_(1) {}

 private:
  Probe probe_;
};

q::Error the_error();
q::CancelReason the_reason();

/// Ends as asked.
q::Task<> ending(At at);
/// The same for what is no task: Ok(42) or the failure; throws for Exception.
q::Outcome<int> outcome_of(At at);

// Leaves: they end as asked, else give 42 as what their name says, or the value of their argument.
q::Task<int> leaf(At at);
q::Task<int> direct_leaf(At at);  // ends in its own body, not in a task that it awaits
q::Task<Probe> probe_leaf(At at);
q::Task<Lone> lone_leaf(At at);
q::Task<bool> truth(At at, bool value = true);
q::Task<std::string> text(At at);  // "42"
q::Task<int> take_probe(At at, Probe probe);
q::Task<int> take_lone(At at, Lone lone);
q::Task<int> take_both(At at, Probe probe, Lone lone);
q::Task<int> take_reference(At at, const Probe& probe);
q::Task<int> take_rvalue(At at, Probe&& probe);
q::Task<int> take_string(At at, std::string text);
q::Task<int> take_number(At at, int number);
q::Task<int> take_default(At at, Probe probe = Probe(42));
q::Task<int> take_default_string(
    At at, std::string text = std::string("42, as a string that is too long to be kept inside"));

using Form = q::Task<int> (*)(At);
struct Registered {
  std::string name;
  Form form;
};
std::vector<Registered>& registry();
struct Registration {
  Registration(const char* name, Form form) { registry().push_back({name, form}); }
};

/// Runs the form to its end on a runtime of one worker.
q::Outcome<int> run_form(Form form, Ending end);

}  // namespace forms

#define FORM(name)                                                 \
  static q::Task<int> form_##name(At at);                          \
  static const Registration registered_##name(#name, form_##name); \
  static q::Task<int> form_##name([[maybe_unused]] At at)
