#include "class_hash.hpp"

#include <algorithm>

namespace quiesce::lab::detail {

namespace {

std::uint64_t scramble(std::uint64_t value) { return child(LogicalId{value}, 0).value; }

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return scramble(a + 3 * scramble(b)); }

}  // namespace

std::uint64_t ClassHash::Layers::before(Access access) const {
  switch (access) {
    case Access::Read: return std::max(total, updates);
    case Access::Update:
    case Access::Enter: return std::max(total, reads);
    default: return std::max({total, reads, updates});
  }
}

void ClassHash::Layers::put(Access access, std::uint64_t layer) {
  std::uint64_t& last = access == Access::Read ? reads : is_update(access) ? updates : total;
  last = std::max(last, layer);
}

void ClassHash::clear() {
  agents_.clear();
  objects_.clear();
  sum_ = steps_ = 0;
}

void ClassHash::add(const Step& step, std::uint64_t data) {
  std::uint64_t& mine = agents_[step.agent.value];
  std::uint64_t layer = mine;
  for (const Touch& touch : step.touches)
    layer = std::max(layer, objects_[touch.object.value].before(touch.access));
  mine = ++layer;
  // A set: who reaches the members of a region goes through them as they came, whatever the order of that was.
  std::uint64_t touched = 0;
  for (const Touch& touch : step.touches) {
    objects_[touch.object.value].put(touch.access, layer);
    touched += mix(touch.object.value, static_cast<std::uint64_t>(touch.access));
  }
  sum_ += mix(mix(mix(step.agent.value, layer), data), touched);
  ++steps_;
}

std::uint64_t ClassHash::value() const { return mix(sum_, steps_); }

std::uint64_t class_hash(std::span<const Step> run) {
  ClassHash hash;
  for (const Step& step : run) hash.add(step);
  return hash.value();
}

void RunCounter::begin() {
  hash_.clear();
  steps_ = drawn_ = 0;
}

void RunCounter::drew(std::uint32_t value) { drawn_ = mix(drawn_ + 1, value); }

void RunCounter::made(const Step& step) {
  hash_.add(step, drawn_);
  drawn_ = 0;
  ++steps_;
}

void RunCounter::end(bool complete) {
  ++counts.runs;
  counts.max_depth = std::max(counts.max_depth, steps_);
  if (complete && classes_.insert(hash_.value()).second) ++counts.classes;
}

}  // namespace quiesce::lab::detail
