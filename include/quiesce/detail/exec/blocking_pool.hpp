#pragma once
// Threads for work that blocks: files, name lookup, foreign calls. Never a worker of the executor.
//
//   BlockingPool pool(1, 512, 10s, "app");
//   if (!pool.submit(job)) …               // stopped, or no thread could be made
//   if (pool.try_remove(job)) …            // it will never run
//   pool.stop();                           // or the destructor
//
// Promises: a job that submit took runs exactly once, on a thread of the pool, unless try_remove answered true
// for it. Jobs start in the order of submission. A job is not touched after `run` was called, so `run` may free
// it. There are never more than `max` threads; while no job waits and none runs, the pool shrinks to `min`
// after `idle_timeout`. Threads are named "<name>-blk-N", with N from 0 and reused, and the name cut so that
// the whole fits the system's 15 characters.
//
// Any thread may call anything; stop and the destructor not from a job of the same pool. Cost: one lock for
// submit and try_remove, O(1) both; a submit that grows the pool makes the thread.
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "quiesce/detail/exec/job_queue.hpp"
#include "quiesce/detail/kernel/blocking_job.hpp"

namespace quiesce::detail {

class BlockingPool {
 public:
  /// Starts `min` threads. Throws std::system_error when they cannot be made; max is at least 1 and at least
  /// min.
  BlockingPool(std::uint32_t min, std::uint32_t max, std::chrono::nanoseconds idle_timeout, std::string name);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  /// `job->run` is set. False, and nothing was taken: after stop has begun, or when memory or the only thread
  /// is not to be had.
  [[nodiscard]] bool submit(BlockingJob* job) noexcept;

  /// True: the job was waiting and will never run. False: it has started, or is not in the pool. `job` must
  /// still exist.
  [[nodiscard]] bool try_remove(BlockingJob* job) noexcept;

  /// Takes no more jobs, runs those that wait, and joins all threads. Idempotent; every caller returns when it
  /// is done.
  void stop() noexcept;

  /// Moments' views. A thread counts as idle until it has taken its next job.
  [[nodiscard]] std::size_t threads() const;
  [[nodiscard]] std::size_t idle() const;
  [[nodiscard]] std::size_t queued() const;

 private:
  // A place for a thread. Free -> Live by whoever grows the pool; Live -> Left by the thread itself, as its
  // last act under the lock; Left -> Free by the next thread that leaves or grows into the place, or by stop:
  // it joins.
  enum class PlaceState : std::uint8_t { Free, Live, Left };
  struct Place {
    std::thread thread;
    PlaceState state = PlaceState::Free;
  };
  using Lock = std::unique_lock<std::mutex>;

  bool grow(const Lock& lock);
  void run_thread(std::size_t place);
  BlockingJob* next_job(Lock& lock);
  bool wait_for_change(Lock& lock);
  void leave(Lock& lock, std::size_t place);
  void join_all() noexcept;

  const std::uint32_t min_, max_;
  const std::chrono::nanoseconds idle_timeout_;
  const std::string name_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a job came, or stop began
  // All under mutex_.
  JobQueue jobs_;
  std::vector<Place> places_;  // max of them
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::once_flag joined_;
};

}  // namespace quiesce::detail
