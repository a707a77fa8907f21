#include "quiesce/detail/kernel/platform.hpp"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

#include "quiesce/detail/assert.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define QUIESCE_LEAK_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUIESCE_LEAK_SANITIZER 1
#endif
#endif
#ifdef QUIESCE_LEAK_SANITIZER
#include <sanitizer/lsan_interface.h>
#endif

namespace quiesce::detail {
namespace {

constexpr std::int64_t nanos_per_second = 1'000'000'000;
/// After this many yields a waiting thread naps instead: under a real-time policy a yield never lets a lower
/// priority run.
constexpr std::uint32_t yields_max = 256;
constexpr std::int64_t nap_ns = 50'000;

timespec to_timespec(std::int64_t nanos) noexcept {
  timespec out{};
  out.tv_sec = static_cast<time_t>(nanos / nanos_per_second);
  out.tv_nsec = static_cast<long>(nanos % nanos_per_second);
  return out;
}

void wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "the kernel waits on a plain 32-bit word");

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

bool RealPlatform::wait(atomic<std::uint32_t>& word, std::uint32_t expected,
                        std::optional<std::int64_t> deadline_ns) noexcept {
  const int saved_errno = errno;  // a worker may park between two calls of the user's that look at errno
  timespec until{};
  if (deadline_ns) until = to_timespec(*deadline_ns < 0 ? 0 : *deadline_ns);
  // The bitset form takes an absolute time of the monotonic clock, which is what std::chrono::steady_clock
  // reads.
  const long result = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                              deadline_ns ? &until : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
  const bool timed_out = result == -1 && errno == ETIMEDOUT;
  errno = saved_errno;
  return !timed_out;
}

void RealPlatform::wake_one(atomic<std::uint32_t>& word) noexcept { wake(word, 1); }

void RealPlatform::wake_all(atomic<std::uint32_t>& word) noexcept { wake(word, INT_MAX); }

bool RealPlatform::can_fence_all() noexcept {
#if defined(__SANITIZE_THREAD__)
  return false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return false;
#endif
#endif
  static const bool can = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return can;
}

void RealPlatform::fence_all() noexcept {
  const long result = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  QUIESCE_ASSERT(result == 0, "can_fence_all has registered the process");
}

// Before Linux 5.14 there is no such advice, and the faults come one by one.
void RealPlatform::make_present(void* begin, std::size_t bytes) noexcept {
  const int saved_errno = errno;
  const std::uintptr_t page = page_bytes();
  const std::uintptr_t from = (reinterpret_cast<std::uintptr_t>(begin) + page - 1) / page * page;
  const std::uintptr_t to = (reinterpret_cast<std::uintptr_t>(begin) + bytes) / page * page;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_POPULATE_WRITE);
  errno = saved_errno;
}

void* RealPlatform::map_zeros(std::size_t bytes) noexcept {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
#ifdef QUIESCE_LEAK_SANITIZER
  __lsan_register_root_region(memory, bytes);
#endif
  return memory;
}

bool RealPlatform::give_back(void* begin, std::size_t bytes) noexcept {
  if (reinterpret_cast<std::uintptr_t>(begin) % page_bytes() != 0 || bytes % page_bytes() != 0) return false;
  const int saved_errno = errno;
  const bool is_done = madvise(begin, bytes, MADV_DONTNEED) == 0;
  errno = saved_errno;
  return is_done;
}

std::int64_t RealPlatform::clock_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * nanos_per_second + now.tv_nsec;
}

void RealPlatform::give_way(std::uint32_t attempt) noexcept {
  if (attempt < yields_max) {
    sched_yield();
    return;
  }
  const timespec nap = to_timespec(nap_ns);
  clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
}

}  // namespace quiesce::detail
