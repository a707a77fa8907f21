#pragma once
// What the workloads have in common: sizes, time, the line that each prints, and sums that must be right.
#include <quiesce/quiesce.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace workloads {

namespace q = quiesce;

struct Options {
  std::uint32_t workers = 1;
  bool is_small = false;

  /// What is to be done a `full` number of times; a hundredth of it to try the program out.
  std::uint64_t scaled(std::uint64_t full) const { return is_small ? full / 100 : full; }
  q::Runtime runtime() const { return q::Runtime::builder().workers(workers).build(); }
};

struct Workload {
  const char* name;
  const char* what;
  void (*run)(const Options& options);
};

/// Each family's, one list a file.
std::span<const Workload> spawning();
std::span<const Workload> fork_join();
std::span<const Workload> messages();
std::span<const Workload> yielding();
std::span<const Workload> timers();
std::span<const Workload> locking();
std::span<const Workload> cancelling();
std::span<const Workload> algorithms();

/// Prints "workload metric value unit", which is what bench/compare reads.
void report(const char* workload, const char* metric, double value, const char* unit);
/// Ends the program with status 1 and a sentence when a sum is not what it must be.
void expect_sum(const char* workload, std::uint64_t sum, std::uint64_t expected);
/// All but a few: the first may come too late where the machine is slow for a moment.
void expect_most(const char* workload, std::uint64_t cancelled, std::uint64_t of);
/// Ends it likewise when the runtime's outcome is not Ok.
void expect_ok(const char* workload, const q::Outcome<>& outcome);
std::int64_t resident_bytes();

class Clock {
 public:
  double ns() const {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_).count();
  }
  double ms() const { return ns() * 1e-6; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Who is there: each task marks its own byte, so that none waits for another's cache line for long.
class RollCall {
 public:
  explicit RollCall(std::size_t count) : marks_(new std::atomic<bool>[count]()), count_(count) {}
  void here(std::size_t task) noexcept { marks_[task].store(true, std::memory_order_release); }
  /// Until all have come.
  q::Task<> all(q::Cx cx) {
    std::size_t next = 0;
    while (next < count_) {
      if (marks_[next].load(std::memory_order_acquire)) {
        ++next;
      } else {
        co_await cx.yield();
      }
    }
  }

 private:
  std::unique_ptr<std::atomic<bool>[]> marks_;
  std::size_t count_;
};

}  // namespace workloads
