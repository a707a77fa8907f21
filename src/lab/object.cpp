#include "quiesce/detail/lab/object.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "quiesce/detail/assert.hpp"
#include "quiesce/lab/atomic.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"
#include "where.hpp"

namespace quiesce::lab::detail {

// ---- every object ----

namespace {

std::string foreign_object_text(std::string_view kind) {
  return fmt::format(
      "a lab::{} that was not made in this run is used in it; make it in the body, so that every run begins "
      "alike",
      kind);
}

}  // namespace

void fail_foreign_object(Engine& engine, std::string_view kind) {
  engine.fail(FailureKind::misuse, foreign_object_text(kind));
}

void fail_foreign_object_noexcept(Engine& engine, std::string_view kind) noexcept {
  engine.fail_noexcept(FailureKind::misuse, foreign_object_text(kind));
}

void fail_destroyed_in_use(const ObjectPart& part) noexcept {
  Engine* engine = Engine::current();
  if (engine == nullptr || engine->run_number() != part.run) return;
  while (part.users > 0) {
    const LogicalId user = engine->find_user(part.id);
    if (user == LogicalId{}) return;  // abandoned
    engine->unwind(user, fmt::format("{} is destroyed while {} uses it or waits for it",
                                     engine->name_of(part.id), engine->name_of(user)));
  }
}

void check_failed(std::string_view message, std::source_location where) {
  if (Engine* engine = Engine::current())
    return engine->fail(FailureKind::assertion, std::string(message), where);
  quiesce::detail::assertion_failed(where.file_name(), static_cast<int>(where.line()), "lab::check", message);
}

// ---- atomic ----

void AtomicPart::wait_for_notification(Engine& engine, std::source_location at) {
  const LogicalId self = engine.self();
  // Whether a notification finds this waiter depends on the order of the two.
  engine.touch({id, Access::Write});
  waiters.push_back(self);
  blocked_until(engine, [this, self] { return std::ranges::find(waiters, self) == waiters.end(); },
                {call_of(self), Access::Read}, {"be notified by", id, at});
  engine.touch({id, Access::Read});
  if (!history) acquire(engine);
}

void AtomicPart::notify(Engine& engine, bool all, std::source_location at) noexcept {
  visible_noexcept(engine, {id, Access::Write}, {all ? "notify all of" : "notify one of", id, at});
  const auto end = all || waiters.empty() ? waiters.end() : waiters.begin() + 1;
  for (auto waiter = waiters.begin(); waiter != end; ++waiter) engine.call(*waiter);
  waiters.erase(waiters.begin(), end);
}

// Whether a write finds this spinner depends on the order of the two, and so it does by what each does besides.
void AtomicPart::wait_for_change(Engine& engine, const void* old, std::source_location at) {
  const LogicalId self = engine.self();
  spinners.push_back({self, old});
  blocked_until(engine,
                [this, self] { return std::ranges::find(spinners, self, &Spinner::agent) == spinners.end(); },
                {call_of(self), Access::Read}, {"spin on", id, at});
  engine.touch({id, Access::Read});
}

void AtomicPart::call_spinners(Engine& engine, const void* value, std::size_t size) noexcept {
  if (engine.is_aborting()) return;
  std::erase_if(spinners, [&](const Spinner& spinner) {
    if (std::memcmp(spinner.old, value, size) == 0) return false;
    engine.call(spinner.agent);
    return true;
  });
}

// ---- shared ----

void SharedPart::read(Engine& engine, std::source_location at) {
  visible(engine, {id, Access::Read}, {"read", id, at});
  const AgentClock* clock_now = engine.clock();
  if (clock_now == nullptr || engine.is_aborting()) return;
  if (last_write) check(engine, *last_write, "wrote", "reads", at);
  const Made made{engine.self(), clock_now->stamp(), at};
  const auto earlier = std::ranges::find(reads, made.agent, &Made::agent);
  if (earlier == reads.end()) {
    reads.push_back(made);
  } else {
    *earlier = made;
  }
}

void SharedPart::write(Engine& engine, std::string_view verb, std::source_location at) {
  visible(engine, {id, Access::Write}, {verb, id, at});
  const AgentClock* clock_now = engine.clock();
  if (clock_now == nullptr || engine.is_aborting()) return;
  if (last_write) check(engine, *last_write, "wrote", "writes", at);
  for (const Made& earlier : reads) check(engine, earlier, "read", "writes", at);
  reads.clear();
  last_write = Made{engine.self(), clock_now->stamp(), at};
}

void SharedPart::check(Engine& engine, const Made& earlier, std::string_view did, std::string_view does,
                       std::source_location at) const {
  if (engine.clock()->knows(earlier.stamp)) return;
  engine.fail(
      FailureKind::data_race,
      fmt::format("{} {} {}{}, {} {} it{}, and nothing orders the two", engine.name_of(earlier.agent), did,
                  engine.name_of(id), at_text(earlier.at), engine.name_of(engine.self()), does, at_text(at)),
      at);
}

}  // namespace quiesce::lab::detail
