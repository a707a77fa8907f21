#include "quiesce/detail/exec/blocking_pool.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "quiesce/detail/assert.hpp"

namespace quiesce::detail {
namespace {

/// What the system takes as a thread's name, without the closing zero.
constexpr std::size_t thread_name_max = 15;

void name_this_thread(const std::string& pool, std::size_t place) {
  const std::string ending = "-blk-" + std::to_string(place);
  const std::size_t room = thread_name_max - std::min(ending.size(), thread_name_max);
  pthread_setname_np(pthread_self(), (pool.substr(0, room) + ending).c_str());
}

/// Timeouts that would overflow the clock are no timeouts.
constexpr std::chrono::nanoseconds timeout_max = std::chrono::hours(24 * 365);

}  // namespace

BlockingPool::BlockingPool(std::uint32_t min, std::uint32_t max, std::chrono::nanoseconds idle_timeout,
                           std::string name)
    : min_(min),
      max_(max),
      idle_timeout_(std::clamp(idle_timeout, std::chrono::nanoseconds(0), timeout_max)),
      name_(std::move(name)),
      places_(max) {
  QUIESCE_ASSERT(max >= 1 && min <= max, "a blocking pool needs min <= max and at least one thread");
  bool complete = true;
  {
    Lock lock(mutex_);
    while (complete && threads_ < min_) complete = grow(lock);
  }
  if (complete) return;
  stop();
  throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again), "blocking pool");
}

BlockingPool::~BlockingPool() { stop(); }

bool BlockingPool::submit(BlockingJob* job) noexcept {
  Lock lock(mutex_);
  if (stopping_ || !jobs_.push(job)) return false;
  if (jobs_.size() <= idle_) {
    changed_.notify_one();
    return true;
  }
  // Every idle thread has a job of its own to come for.
  if (threads_ == max_ || grow(lock) || threads_ > 0) return true;
  return !jobs_.remove(job);
}

bool BlockingPool::try_remove(BlockingJob* job) noexcept {
  Lock lock(mutex_);
  return jobs_.remove(job);
}

void BlockingPool::stop() noexcept {
  {
    Lock lock(mutex_);
    stopping_ = true;
    for (const Place& place : places_) {
      QUIESCE_ASSERT(place.thread.get_id() != std::this_thread::get_id(),
                     "a blocking pool is stopped by one of its own jobs");
    }
    changed_.notify_all();
  }
  std::call_once(joined_, [this] { join_all(); });
}

std::size_t BlockingPool::threads() const {
  Lock lock(mutex_);
  return threads_;
}

std::size_t BlockingPool::idle() const {
  Lock lock(mutex_);
  return idle_;
}

std::size_t BlockingPool::queued() const {
  Lock lock(mutex_);
  return jobs_.size();
}

/// One more thread, which counts as idle until it takes a job. False when the system has none to give.
bool BlockingPool::grow(const Lock&) {
  const auto live = [](const Place& place) { return place.state == PlaceState::Live; };
  const auto vacant = std::ranges::find_if_not(places_, live);
  QUIESCE_ASSERT(vacant != places_.end(), "the blocking pool has no place for a thread");
  // Under the lock: a thread that has left waits at most for another that left before it, and neither wants the
  // lock again.
  if (vacant->state == PlaceState::Left) std::exchange(vacant->thread, {}).join();
  vacant->state = PlaceState::Free;
  try {
    vacant->thread =
        std::thread(&BlockingPool::run_thread, this, static_cast<std::size_t>(vacant - places_.begin()));
  } catch (const std::exception&) { return false; }
  vacant->state = PlaceState::Live;
  ++threads_;
  ++idle_;
  return true;
}

void BlockingPool::run_thread(std::size_t place) {
  name_this_thread(name_, place);
  Lock lock(mutex_);
  while (BlockingJob* job = next_job(lock)) {
    --idle_;
    lock.unlock();
    job->run(job);
    lock.lock();
    ++idle_;
  }
  leave(lock, place);
}

/// Waits for a job; nullptr when this thread is to leave.
BlockingJob* BlockingPool::next_job(Lock& lock) {
  for (;;) {
    if (BlockingJob* job = jobs_.pop()) return job;
    if (stopping_) return nullptr;
    const bool timed_out = wait_for_change(lock);
    if (timed_out && jobs_.size() == 0 && threads_ > min_) return nullptr;
  }
}

/// True when the idle timeout passed. A thread that is one of the last `min` waits without one; the others,
/// which each began to wait when there were more, leave one by one until they are the last `min`.
bool BlockingPool::wait_for_change(Lock& lock) {
  if (threads_ <= min_) {
    changed_.wait(lock);
    return false;
  }
  return changed_.wait_until(lock, std::chrono::steady_clock::now() + idle_timeout_) == std::cv_status::timeout;
}

/// Takes the place's Left mark over from whoever left before and joins that thread, so that at most one that
/// has ended is kept. Once stop has begun it joins everyone itself.
void BlockingPool::leave(Lock& lock, std::size_t place) {
  std::thread before;
  if (!stopping_) {
    const auto left = std::ranges::find(places_, PlaceState::Left, &Place::state);
    if (left != places_.end()) {
      before = std::exchange(left->thread, {});
      left->state = PlaceState::Free;
    }
  }
  places_[place].state = PlaceState::Left;
  --threads_;
  --idle_;
  lock.unlock();
  if (before.joinable()) before.join();
}

void BlockingPool::join_all() noexcept {
  for (Place& place : places_) {
    if (place.thread.joinable()) place.thread.join();
  }
}

}  // namespace quiesce::detail
