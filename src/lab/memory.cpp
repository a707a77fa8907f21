#include "quiesce/detail/lab/memory.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "quiesce/detail/lab/engine.hpp"
#include "where.hpp"

namespace quiesce::lab::detail {

namespace {

/// Of what was made outside of every agent, before all that any does.
constexpr Stamp known_to_all{~0U, 0};

bool acquires(std::memory_order order) {
  return order != std::memory_order_relaxed && order != std::memory_order_release;
}
bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}
bool is_sc(std::memory_order order) { return order == std::memory_order_seq_cst; }

Stamp stamp_of(const AgentClock* agent) { return agent != nullptr ? agent->stamp() : known_to_all; }

}  // namespace

// ---- the order of seq_cst accesses ----

ScOrder::Set ScOrder::before(const AgentClock& agent) const {
  Set set;
  for (Index i = 0; i < accesses_.size(); ++i) {
    if (agent.knows(accesses_[i].known_by)) set |= Set(accesses_[i].before).set(i);
  }
  return set;
}

ScOrder::Set ScOrder::closure(const Set& set) const {
  Set closed = set;
  for (Index i = 0; i < accesses_.size(); ++i) {
    if (set[i]) closed |= accesses_[i].before;
  }
  return closed;
}

ScOrder::Index ScOrder::add(const AgentClock& agent, bool is_write, const Set& before, const Set& after) {
  const Index added = accesses_.size();
  // "Strongly happens before": by the release that a write is itself nobody knows of what comes after it.
  Stamp known_by = agent.stamp();
  if (is_write) ++known_by.time;
  accesses_.push_back({known_by, before});
  if (after.none()) return added;
  for (Index i = 0; i < added; ++i) {
    if (after[i] || (accesses_[i].before & after).any()) accesses_[i].before |= Set(before).set(added);
  }
  return added;
}

// ---- a history ----

History::History(Engine& engine, WeakMemory& memory, LogicalId object, const void* initial, std::size_t size)
    : memory_(memory), object_(object), size_(size) {
  messages_.push_back({.made = stamp_of(engine.clock()), .is_modified = false, .released = {}});
  const auto* bytes = static_cast<const std::byte*>(initial);
  values_.assign(bytes, bytes + size);
  order_.push_back(0);
}

History::Place History::place_of(Index message) const {
  return static_cast<Place>(std::ranges::find(order_, message) - order_.begin());
}

// The newest place that the agent knows of.
History::Place History::bound_of(const AgentClock& agent) const {
  const auto is_known = [&](Stamp stamp) { return agent.knows(stamp); };
  for (Place place = order_.size() - 1; place > 0; --place) {
    const Message& message = messages_[order_[place]];
    if (is_known(message.made) || std::ranges::any_of(message.readers, is_known)) return place;
  }
  return 0;
}

History::Limits History::limits_of(Engine& engine, const AgentClock& agent, std::memory_order order,
                                   Use use) const {
  Limits limits{.bound = bound_of(agent), .use = use};
  if (!is_sc(order)) return limits;
  limits.is_sc = true;
  limits.before = memory_.sc_order_.before(agent);
  limits.bound = std::max(limits.bound, place_of(fence_mark_));
  const Place mark = place_of(sc_mark_);
  for (Place place = limits.bound; place < mark && !limits.is_loose && !memory_.sc_order_.is_full(); ++place)
    limits.is_loose = loosely_heard(agent, limits, place).any();
  if (!limits.is_loose) limits.bound = std::max(limits.bound, mark);
  engine.touch({sc_object, limits.is_loose ? Access::Write : Access::Read});
  return limits;
}

ScOrder::Set History::before(const Limits& limits, Place place) const {
  const Message& found = messages_[order_[place]];
  ScOrder::Set set = limits.use.modifies ? found.sc_accesses : found.sc_made;
  while (place-- > 0) set |= messages_[order_[place]].sc_accesses;
  return memory_.sc_order_.closure(set) | limits.before;
}

ScOrder::Set History::after(Place place) const {
  ScOrder::Set set;
  while (++place < order_.size()) set |= messages_[order_[place]].sc_accesses;
  return set;
}

ScOrder::Set History::loosely_heard(const AgentClock& agent, const Limits& limits, Place place) const {
  ScOrder::Set heard = memory_.of(agent).heard;
  if (limits.use.reads) heard |= messages_[order_[place]].heard;
  return heard & ~before(limits, place);
}

bool History::is_allowed(const AgentClock& agent, const Limits& limits, Place place) const {
  if (place < limits.bound) return false;
  if (!limits.is_loose) return true;
  const ScOrder::Set later = after(place);
  if (later.none()) return true;
  const ScOrder::Set heard = memory_.sc_order_.closure(loosely_heard(agent, limits, place));
  return (later & ~heard).none() && (later & before(limits, place)).none();
}

// It takes its place in S.
void History::choose_sc(const AgentClock& agent, const Limits& limits) {
  sc_access_.reset();
  ScOrder& all = memory_.sc_order_;
  if (!limits.is_sc || all.is_full()) return;
  sc_access_.set(all.add(agent, limits.use.modifies, before(limits, place_), after(place_)));
  memory_.of(agent).heard |= sc_access_;
}

// An atomic is made by a plain write.
void History::check_made(Engine& engine) const {
  if (engine.is_aborting() || engine.clock()->knows(messages_.front().made)) return;
  engine.fail(FailureKind::data_race, fmt::format("{} uses {}, and nothing orders that behind its making",
                                                  engine.name_of(engine.self()), engine.name_of(object_)));
}

// One of the candidates, which stand from the newest to the oldest.
void History::draw(Engine& engine) {
  const auto count = static_cast<std::uint32_t>(candidates_.size());
  place_ = candidates_[count > 1 ? engine.draw(count) : 0];
}

const void* History::begin(Engine& engine, Effect effect, std::memory_order order) {
  const AgentClock* agent = engine.clock();
  const bool modifies = effect != Effect::Load;
  is_modify_ = effect == Effect::Modify;
  order_of_write_ = order;
  candidates_.clear();
  if (agent == nullptr) {  // nobody's, and alone
    place_ = order_.size() - 1;
  } else {
    check_made(engine);
    const Limits limits = limits_of(engine, *agent, order, {effect != Effect::Store, modifies});
    for (Place place = order_.size(); place-- > limits.bound;) {
      // To modify it, or to stand behind it, needs that no read-modify-write does.
      if (modifies && messages_[order_[place]].is_modified) continue;
      if (is_allowed(*agent, limits, place)) candidates_.push_back(place);
    }
    draw(engine);
    choose_sc(*agent, limits);
  }
  if (effect == Effect::Store) return nullptr;
  read(engine, order_[place_], order);
  return value_read();
}

bool History::begin_compare(Engine& engine, const void* expected, std::memory_order success,
                            std::memory_order failure) {
  const AgentClock* agent = engine.clock();
  is_modify_ = true;
  order_of_write_ = success;
  candidates_.clear();
  if (agent == nullptr) {
    place_ = order_.size() - 1;
  } else {
    check_made(engine);
    const Limits limits[] = {limits_of(engine, *agent, failure, {true, false}),
                             limits_of(engine, *agent, success, {true, true})};
    for (Place place = order_.size(); place-- > std::min(limits[0].bound, limits[1].bound);) {
      const bool matches = is_value(order_[place], expected);
      if (matches && messages_[order_[place]].is_modified) continue;
      if (is_allowed(*agent, limits[matches], place)) candidates_.push_back(place);
    }
    draw(engine);
    const bool matches = is_value(order_[place_], expected);
    choose_sc(*agent, limits[matches]);
  }
  const bool matches = is_value(order_[place_], expected);
  read(engine, order_[place_], matches ? success : failure);
  return matches;
}

const void* History::begin_other(Engine& engine, const void* old, std::memory_order order) {
  const AgentClock* agent = engine.clock();
  if (agent == nullptr) return is_value(order_.back(), old) ? nullptr : newest();
  check_made(engine);
  const Limits limits = limits_of(engine, *agent, order, {true, false});
  candidates_.clear();
  for (Place place = order_.size(); place-- > limits.bound;) {
    if (!is_value(order_[place], old) && is_allowed(*agent, limits, place)) candidates_.push_back(place);
  }
  if (candidates_.empty()) return nullptr;
  draw(engine);
  choose_sc(*agent, limits);
  read(engine, order_[place_], order);
  return value_read();
}

void History::read(Engine& engine, Index message, std::memory_order order) {
  read_ = message;
  AgentClock* agent = engine.clock();
  if (agent == nullptr) return;
  mark_read(message, agent->stamp());
  memory_.of(*agent).heard |= messages_[message].heard;
  if (is_sc(order)) messages_[message].sc_accesses |= sc_access_;
  if (acquires(order)) {
    agent->acquire(messages_[message].released);
  } else {
    memory_.of(*agent).acquired.merge(messages_[message].released);
  }
  move_mark(engine, message, order);
}

void History::mark_read(Index message, Stamp stamp) {
  std::vector<Stamp>& readers = messages_[message].readers;
  if (std::ranges::find(readers, stamp.slot, &Stamp::slot) == readers.end()) readers.push_back(stamp);
}

void History::move_mark(Engine& engine, Index message, std::memory_order order) {
  if (!is_sc(order) || sc_mark_ == message) return;
  if (place_of(sc_mark_) > place_of(message)) return;
  sc_mark_ = message;
  engine.touch({object_, Access::Write});
}

void History::finish(Engine& engine, const void* value) {
  AgentClock* agent = engine.clock();
  const auto message = static_cast<Index>(messages_.size());
  const auto* bytes = static_cast<const std::byte*>(value);
  Message made{.made = stamp_of(agent), .is_modified = false, .released = {}};
  if (is_modify_) {
    messages_[read_].is_modified = true;
    made.released = messages_[read_].released;
  }
  if (agent != nullptr && releases(order_of_write_)) {
    agent->add_to(made.released);
  } else if (agent != nullptr) {
    made.released.merge(memory_.of(*agent).released);
  }
  if (agent != nullptr) {
    if (is_sc(order_of_write_)) made.sc_made = made.sc_accesses = sc_access_;
    made.heard = memory_.of(*agent).heard | memory_.sc_order_.before(*agent);
  }
  messages_.push_back(std::move(made));
  values_.insert(values_.end(), bytes, bytes + size_);
  order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(place_) + 1, message);
  if (agent != nullptr) move_mark(engine, message, order_of_write_);
}

// ---- a run's memory ----

void WeakMemory::begin_run() {
  agents_.clear();
  histories_.clear();
  sc_order_.clear();
}

std::shared_ptr<History> WeakMemory::make_history(Engine& engine, LogicalId object, const void* initial,
                                                  std::size_t size) {
  auto made = std::make_shared<History>(engine, *this, object, initial, size);
  histories_.push_back(made);
  return made;
}

WeakMemory::Agent& WeakMemory::of(const AgentClock& agent) {
  const std::size_t slot = agent.stamp().slot;
  if (slot >= agents_.size()) agents_.resize(slot + 1);
  return agents_[slot];
}

void WeakMemory::fence(Engine& engine, std::memory_order order, std::source_location at) {
  if (is_sc(order)) engine.visible({sc_object, Access::Write}, {"fence", {}, at});
  AgentClock* agent = engine.clock();
  if (agent == nullptr || engine.is_aborting()) return;
  if (acquires(order)) agent->acquire(of(*agent).acquired);
  if (is_sc(order)) mark_all(*agent);
  if (releases(order)) agent->release_to(of(*agent).released);
}

void WeakMemory::mark_all(const AgentClock& agent) {
  std::erase_if(histories_, [](const auto& history) { return history.expired(); });
  for (const auto& weak : histories_) {
    const auto history = weak.lock();
    History::Index& mark = history->sc_mark_;
    const History::Place bound = history->bound_of(agent);
    if (history->place_of(mark) < bound) mark = history->order_[bound];
    history->fence_mark_ = mark;
    history->mark_read(mark, agent.stamp());
  }
}

void fence_in(Engine& engine, std::memory_order order, std::source_location at) {
  if (WeakMemory* memory = engine.weak_memory()) memory->fence(engine, order, at);
}

// ThreadSanitizer knows no fences, and g++ says so.
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
void fence_outside(std::memory_order order) noexcept { std::atomic_thread_fence(order); }

}  // namespace quiesce::lab::detail
