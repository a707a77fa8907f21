#include "coroutine_forms/form_support.hpp"

#include <chrono>
#include <ostream>

namespace forms {
namespace {

constexpr const char* names[] = {"Ok", "Err", "Cancelled", "Unasked", "Exception"};

q::Task<> cancel_it(q::Cx, q::Scope<> scope) {
  scope.cancel(the_reason());
  co_return;
}

/// A request that comes while the task waits, or that it finds at a checkpoint.
q::Task<> end_cancelled(At at) {
  if (at.end.waits) {
    co_await at.scope.launch(at.cx, cancel_it, at.scope);
    co_await at.cx.sleep(std::chrono::hours(1));
  }
  at.scope.cancel(the_reason());
  co_await at.cx.checkpoint();
}

q::Task<> ending_frame(At at, Probe bystander) {
  if (at.end.how == How::Cancelled) {
    auto cancelled = end_cancelled(at);
    co_await std::move(cancelled);
  }
  if (at.end.waits) co_await at.cx.yield();
  switch (at.end.how) {
    case How::Ok: break;
    case How::Err: co_await q::fail(the_error()); break;
    case How::Unasked: co_await q::cancelled(the_reason()); break;
    case How::Exception: throw Boom();
    case How::Cancelled: throw std::logic_error("a cancelled task went on");
  }
  bystander.value();
}

q::Task<int> leaf_frame(At at, Probe bystander) {
  co_await ending(at);
  co_return 42 + bystander.value();
}

q::Task<int> direct_leaf_frame(At at, Probe bystander) {
  if (at.end.waits) co_await at.cx.yield();
  if (at.end.how == How::Exception) throw Boom();
  if (at.end.how == How::Err) co_await q::fail(the_error());
  if (at.end.how == How::Unasked) co_await q::cancelled(the_reason());
  if (at.end.how == How::Cancelled) {
    at.scope.cancel(the_reason());
    co_await at.cx.checkpoint();
  }
  co_return 42 + bystander.value();
}

template <class T>
q::Task<T> giving_frame(At at, T value, Probe bystander) {
  co_await ending(at);
  bystander.value();
  co_return value;
}

}  // namespace

std::string to_string(Ending end) {
  return std::string(names[static_cast<int>(end.how)]) + (end.waits ? "AfterWait" : "AtOnce");
}
std::ostream& operator<<(std::ostream& out, Ending end) { return out << to_string(end); }

std::vector<Ending> all_endings() {
  std::vector<Ending> all;
  for (How how : {How::Ok, How::Err, How::Cancelled, How::Unasked, How::Exception}) {
    for (bool waits : {false, true}) all.push_back({how, waits});
  }
  return all;
}

q::Error the_error() { return q::Error(q::ErrorCode::User, "the form failed"); }
q::CancelReason the_reason() { return q::CancelReason::user("the form was cancelled"); }

// Every frame holds a Probe from the start, so that a task which is never run, or never destroyed, is seen.
q::Task<> ending(At at) { return ending_frame(at, Probe(0)); }
q::Task<int> leaf(At at) { return leaf_frame(at, Probe(0)); }
q::Task<int> direct_leaf(At at) { return direct_leaf_frame(at, Probe(0)); }
q::Task<Probe> probe_leaf(At at) { return giving_frame(at, Probe(42), Probe(0)); }
q::Task<Lone> lone_leaf(At at) { return giving_frame(at, Lone(42), Probe(0)); }
q::Task<bool> truth(At at, bool value) { return giving_frame(at, value, Probe(0)); }
q::Task<std::string> text(At at) { return giving_frame(at, std::string("42"), Probe(0)); }

q::Outcome<int> outcome_of(At at) {
  switch (at.end.how) {
    case How::Ok: break;
    case How::Err: return q::Outcome<int>::err(the_error());
    case How::Cancelled: at.scope.cancel(the_reason()); [[fallthrough]];
    case How::Unasked: return q::Outcome<int>::cancelled(the_reason());
    case How::Exception: throw Boom();
  }
  return q::Outcome<int>::ok(42);
}

q::Task<int> take_probe(At at, Probe probe) {
  co_await ending(at);
  co_return probe.value();
}
q::Task<int> take_lone(At at, Lone lone) {
  co_await ending(at);
  co_return lone.value();
}
q::Task<int> take_both(At at, Probe probe, Lone lone) {
  co_await ending(at);
  co_return probe.value() + lone.value();
}
q::Task<int> take_reference(At at, const Probe& probe) {
  co_await ending(at);
  co_return probe.value();
}
q::Task<int> take_rvalue(At at, Probe&& probe) {
  co_await ending(at);
  co_return probe.value();
}
q::Task<int> take_string(At at, std::string string) {
  co_await ending(at);
  co_return std::stoi(string);
}
q::Task<int> take_number(At at, int number) {
  co_await ending(at);
  co_return number;
}
q::Task<int> take_default(At at, Probe probe) {
  co_await ending(at);
  co_return probe.value();
}
q::Task<int> take_default_string(At at, std::string string) {
  co_await ending(at);
  co_return std::stoi(string);
}

std::vector<Registered>& registry() {
  static std::vector<Registered> forms;
  return forms;
}

q::Outcome<int> run_form(Form form, Ending end) {
  static q::Runtime runtime = q::Runtime::builder().workers(1).build();
  auto body = [=](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    Probe bystander(42);
    auto task = form(At{cx, scope, end});
    int result = co_await std::move(task);
    co_return result == bystander.value() ? result : -1;
  };
  return runtime.block_on(body);
}

}  // namespace forms
