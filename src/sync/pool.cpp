#include "quiesce/sync/pool.hpp"

#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

Error PoolCore::refusal(Error error) const {
  std::string name = "pool";
  if (primitive_.name() != nullptr) name += std::string(" \"") + primitive_.name() + '"';
  if (error.code() == ErrorCode::Disconnected)
    return Error(ErrorCode::Disconnected, name + " is closed: it lends nothing any more");
  if (error.code() == ErrorCode::InvalidArgument)
    return Error(ErrorCode::InvalidArgument, name + " may hold nothing: give it a max_size of one at least");
  return error;
}

// Under the lock.
void PoolCore::unlink(PooledNode& thing) noexcept {
  (thing.newer == nullptr ? newest_ : thing.newer->older) = thing.older;
  (thing.older == nullptr ? oldest_ : thing.older->newer) = thing.newer;
  thing.older = thing.newer = nullptr;
  --idle_;
}

PooledNode* PoolCore::take_idle(Time now) noexcept {
  const Primitive::Hold hold(primitive_);
  PooledNode* const thing = newest_;
  if (thing == nullptr) return nullptr;
  unlink(*thing);
  thing->since = now;
  ++reused_;
  return thing;
}

PooledNode* PoolCore::take_aged(Time now) noexcept {
  if (!options_.max_idle_age) return nullptr;
  PooledNode* aged = nullptr;
  const Primitive::Hold hold(primitive_);
  while (oldest_ != nullptr && now - oldest_->since > *options_.max_idle_age) {
    PooledNode& thing = *oldest_;
    unlink(thing);
    thing.older = std::exchange(aged, &thing);
  }
  return aged;
}

// Code outside of any task has no clock: the thing counts as idle since it was lent.
bool PoolCore::put_idle(PooledNode& thing) noexcept {
  if (const TaskRecord* task = current_task()) thing.since = task->kernel().executor().now();
  const Primitive::Hold hold(primitive_);
  if (closed_ || idle_ >= options_.max_idle) return false;
  thing.older = newest_;
  thing.newer = nullptr;
  (newest_ == nullptr ? oldest_ : newest_->newer) = &thing;
  newest_ = &thing;
  ++idle_;
  return true;
}

PooledNode* PoolCore::close() noexcept {
  places_.close();
  const Primitive::Hold hold(primitive_);
  closed_ = true;
  oldest_ = nullptr;
  idle_ = 0;
  return std::exchange(newest_, nullptr);
}

PoolStatistics PoolCore::statistics() const noexcept {
  const SemaphoreStatistics places = places_.statistics();
  const Primitive::Hold hold(primitive_, Use::Read);
  return {.lent = places.held,
          .idle = idle_,
          .max_size = options_.max_size,
          .waiters = places.waiters,
          .waited = places.waited,
          .made = made_.load(std::memory_order_relaxed),
          .dropped = dropped_.load(std::memory_order_relaxed),
          .reused = reused_,
          .is_closed = closed_};
}

}  // namespace quiesce::detail
