#include "quiesce/lab/mutex.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dice.hpp"

namespace quiesce::lab {

namespace detail {

void MutexPart::take(Engine& engine) {
  owner = engine.self();
  acquire(engine);
}

void MutexPart::give_back(Engine& engine) {
  owner = LogicalId{};
  release(engine);
}

bool ConditionPart::is_woken(LogicalId agent) const {
  const auto waiter = std::ranges::find(waiters, agent, &Waiter::agent);
  return waiter != waiters.end() && waiter->is_woken;
}

namespace {

// Nobody else can take it from its owner, so this holds until the owner's next step.
bool is_held(const Engine& engine, const MutexPart& mutex) { return mutex.owner == engine.self(); }

std::string not_held_text(const Engine& engine, const MutexPart& mutex, std::string_view does) {
  return fmt::format("{} {} {}, which {}", engine.name_of(engine.self()), does, engine.name_of(mutex.id),
                     mutex.owner == LogicalId{} ? "nobody holds" : engine.name_of(mutex.owner) + " holds");
}

}  // namespace
}  // namespace detail

using detail::Access;
using detail::call_of;
using detail::ConditionPart;
using detail::Engine;
using detail::is_held;
using detail::MutexPart;
using detail::not_held_text;

void mutex::lock_in(Engine& engine, std::source_location at) {
  MutexPart* part = lab_.find(engine);
  if (part == nullptr) return;
  part->blocked_until(engine, [part] { return part->owner == LogicalId{}; }, {part->id, Access::Acquire},
                      {"lock", part->id, at});
  if (!engine.is_aborting()) part->take(engine);
}

bool mutex::try_lock_in(Engine& engine, std::source_location at) {
  MutexPart* part = lab_.find(engine);
  if (part == nullptr) return false;
  part->visible(engine, {}, {"try to lock", part->id, at});
  if (engine.is_aborting()) return false;
  const bool is_free = part->owner == LogicalId{};
  engine.touch({part->id, is_free ? Access::Acquire : Access::Read});
  if (is_free) part->take(engine);
  return is_free;
}

void mutex::unlock_in(Engine& engine, std::source_location at) noexcept {
  MutexPart* part = lab_.find_noexcept(engine);
  if (part == nullptr) return;
  if (engine.is_aborting()) {
    if (is_held(engine, *part)) part->owner = LogicalId{};
    return;
  }
  if (!is_held(engine, *part))
    return engine.fail_noexcept(FailureKind::misuse, not_held_text(engine, *part, "unlocks"), at);
  part->visible_noexcept(engine, {part->id, Access::Release}, {"unlock", part->id, at});
  part->give_back(engine);
}

void condition::wait(mutex& m, std::source_location at) {
  if (Engine* engine = Engine::current()) return wait_in(*engine, m, at);
  std::unique_lock<std::mutex> lock(m.real_, std::adopt_lock);
  real_.wait(lock);
  lock.release();  // the caller's again
}

void condition::wait_in(Engine& engine, mutex& m, std::source_location at) {
  ConditionPart* part = lab_.find(engine);
  MutexPart* held = m.lab_.find(engine);
  if (part == nullptr || held == nullptr) return;
  const LogicalId self = engine.self();
  if (!is_held(engine, *held) && !engine.is_aborting())
    return engine.fail(FailureKind::misuse, not_held_text(engine, *held, "waits with"), at);
  part->visible(engine, {part->id, Access::Write}, {"wait for", part->id, at});
  if (engine.is_aborting()) return;
  engine.touch({held->id, Access::Release});
  held->give_back(engine);
  part->waiters.push_back({self, {"lock", held->id, at}});
  const bool for_no_reason =
      engine.chaos != nullptr && detail::Dice(engine, *engine.chaos).strike(engine.chaos->spurious_wake);
  part->waiters.back().is_woken = for_no_reason;
  // Being woken and taking the mutex are one step: in between nothing happens that another could see.
  const MutexPart::InUse also_in_use(*held);
  part->blocked_until(
      engine, [=] { return held->owner == LogicalId{} && part->is_woken(self); },
      for_no_reason ? detail::Touch{held->id, Access::Acquire} : detail::Touch{call_of(self), Access::Read},
      {"be woken by", part->id, at});
  if (engine.is_aborting()) return;
  engine.touch({call_of(self), Access::Read});
  held->take(engine);
  const auto waiter = std::ranges::find(part->waiters, self, &ConditionPart::Waiter::agent);
  engine.clock()->acquire(waiter->waker);
  part->waiters.erase(waiter);
}

void condition::notify(bool all, std::source_location at) noexcept {
  Engine* engine = Engine::current();
  if (engine == nullptr) return all ? real_.notify_all() : real_.notify_one();
  ConditionPart* part = lab_.find_noexcept(*engine);
  if (part == nullptr) return;
  part->visible_noexcept(*engine, {part->id, Access::Write},
                         {all ? "notify all of" : "notify one of", part->id, at});
  for (ConditionPart::Waiter& waiter : part->waiters) {
    if (std::exchange(waiter.is_woken, true)) continue;
    engine->call(waiter.agent, {waiter.lock.object, Access::Acquire}, waiter.lock);
    if (detail::AgentClock* clock = engine->clock()) clock->add_to(waiter.waker);
    if (!all) return;
  }
}

}  // namespace quiesce::lab
