#include "ambient.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <utility>

#include "engine_state.hpp"
#include "where.hpp"

namespace quiesce::lab::detail {

namespace {

std::string at(const Calls& calls) {
  const std::string caller = calls.count == 0 ? std::string() : find_caller(calls);
  return caller.empty() ? caller : " at " + caller;
}

}  // namespace

// Not looked up yet: that takes a lock, and may be what is about to be noted.
void Engine::State::note(Calls& calls) const noexcept {
  if (limits.keep_trace) note_calls(calls);
}

std::string Engine::State::here() const {
  Calls calls;
  note(calls);
  return at(calls);
}

// ---- reads ----

void Engine::read_ambient(const char* function) noexcept {
  State& s = *state_;
  if (s.running == nullptr || s.is_aborting) return;
  ++s.end.ambient_reads;
  if (s.ambient.size() == s.ambient.capacity()) return;
  s.ambient.push_back({function, s.end.steps, s.running->id});
  s.note(s.ambient.back().calls);
}

void Engine::read_thread_id() noexcept {
  State& s = *state_;
  if (s.running != nullptr && !s.is_aborting) ++s.end.thread_id_reads;
}

std::string Engine::describe_ambient() const {
  const State& s = *state_;
  std::string text;
  for (const AmbientRead& read : s.ambient) {
    text += fmt::format("{}{} called {} in step {}{}", text.empty() ? "" : ", ", s.name_of(read.agent),
                        read.function, read.step, at(read.calls));
  }
  if (s.end.ambient_reads > s.ambient.size())
    text += fmt::format(", and there were {} more such calls", s.end.ambient_reads - s.ambient.size());
  return text;
}

// ---- sleeping ----

bool Engine::sleep_for_real(const char* function) {
  State& s = *state_;
  if (s.running == nullptr) return false;
  if (s.is_aborting) return true;  // it need not wait any more
  fail_with_note(
      FailureKind::misuse,
      fmt::format("{} sleeps for real ({}) in step {}, and everybody with it: in the lab time is virtual; use "
                  "cx.sleep, or a wait that another agent ends",
                  s.name_of(s.running->id), function, s.end.steps),
      s.here(), {});
  return true;
}

// ---- mutexes ----

void Engine::locked_for_real(const void* mutex) noexcept {
  State& s = *state_;
  if (s.running == nullptr) return;
  RealLocks& locks = s.running->real_locks;
  if (locks.size() == locks.capacity()) return;
  s.note(locks.emplace_back(mutex).calls);
}

// By who locked it, unless somebody else does what nobody should.
void Engine::unlocked_for_real(const void* mutex) noexcept {
  State& s = *state_;
  const auto give_back = [mutex](Agent& agent) {
    const auto lock =
        std::ranges::find(agent.real_locks.rbegin(), agent.real_locks.rend(), mutex, &RealLock::object);
    if (lock == agent.real_locks.rend()) return false;
    agent.real_locks.erase(std::next(lock).base());
    return true;
  };
  if (s.running != nullptr && give_back(*s.running)) return;
  std::any_of(s.agents.begin(), s.agents.begin() + s.agent_count,
              [&](const auto& agent) { return give_back(*agent); });
}

Agent* Engine::State::holder_of_real_lock(const void* mutex) const {
  for (std::uint32_t i = 0; i < agent_count; ++i) {
    const auto& locks = agents[i]->real_locks;
    if (std::ranges::find(locks, mutex, &RealLock::object) != locks.end()) return agents[i].get();
  }
  return nullptr;
}

void Engine::await_real_lock(const void* mutex) noexcept {
  State& s = *state_;
  if (s.running == nullptr) return;
  const auto is_free = [&] { return s.holder_of_real_lock(mutex) == nullptr; };
  if (s.is_aborting && s.holder_of_real_lock(mutex) != s.running) s.hold_up(*s.running, is_free);
  if (is_free()) return;
  if (!s.is_aborting) {
    s.set_failure(
        FailureKind::misuse,
        fmt::format("{} locks a real mutex in step {} that {} holds already, and would wait for ever",
                    s.name_of(s.running->id), s.end.steps, s.name_of(s.holder_of_real_lock(mutex)->id)),
        {}, s.here());
  }
  s.abandon(*s.running);
}

namespace {

/// What runs on this thread that are over have left locked, the last of it. Nothing but the address is ever looked at: the mutex
/// itself may have gone.
struct LeftLocked {
  std::array<const void*, 64> mutexes;
  std::size_t next;
};
constinit thread_local LeftLocked left_locked{};

}  // namespace

void Engine::State::leave_real_locks() {
  for (std::uint32_t i = 0; i < agent_count; ++i) {
    for (const RealLock& lock : agents[i]->real_locks)
      left_locked.mutexes[left_locked.next++ % left_locked.mutexes.size()] = lock.object;
    agents[i]->real_locks.clear();
  }
}

bool Engine::adopt_real_lock(const void* mutex) noexcept {
  if (state_->running == nullptr || left_locked.next == 0) return false;
  const auto left = std::ranges::find(left_locked.mutexes, mutex);
  if (left == left_locked.mutexes.end()) return false;
  *left = nullptr;
  return true;
}

void Engine::State::check_real_locks(const Agent& agent, std::string_view does) {
  if (agent.real_locks.empty() || is_over()) return;
  const std::string where = at(agent.real_locks.back().calls);
  set_failure(
      FailureKind::misuse,
      fmt::format("{} {} in step {} while it holds a real mutex: another agent that locks it would wait for "
                  "ever, and the whole thread with it; use lab::mutex, or unlock it before",
                  name_of(agent.id), does, end.steps),
      {}, where.empty() ? where : " (locked" + where + ")");
}

}  // namespace quiesce::lab::detail

// ---- the functions themselves ----
//
// They lie here, and not in a file of their own, because a linker takes this one from the library for the engine's sake. What it
// defines comes before the C library's, for the program and for the shared libraries that it loads. All are weak: a program that has
// one of its own, to stand in for the clock in a test say, is linked with that.

#if QUIESCE_LAB_WATCHES

namespace quiesce::lab::detail {

namespace {

/// The definition that ours stands before.
template <class Function>
class Next {
 public:
  constexpr explicit Next(const char* name) : name_(name) {}

  template <class... Args>
  auto operator()(Args... args) {
    Function* function = function_.load(std::memory_order_relaxed);  // whoever looks finds the same
    return (function != nullptr ? function : find())(args...);
  }

 private:
  Function* find() {
    auto* function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name_));
    if (function == nullptr) {
      std::fprintf(stderr, "quiesce: there is no %s behind the lab's: link the C library as a shared one\n",
                   name_);
      std::abort();
    }
    function_.store(function, std::memory_order_relaxed);
    return function;
  }

  const char* name_;
  std::atomic<Function*> function_{nullptr};
};

void read_by_agent(const char* function) {
  if (Engine* engine = current_engine) [[unlikely]]
    engine->read_ambient(function);
}

bool sleep_by_agent(const char* function) {
  Engine* engine = current_engine;
  return engine != nullptr && engine->sleep_for_real(function);
}

/// `result` of a function that locks, as it comes.
int note_lock(int result, const void* mutex) {
  Engine* engine = current_engine;
  if (engine != nullptr && (result == 0 || result == EOWNERDEAD)) [[unlikely]]
    engine->locked_for_real(mutex);
  return result;
}

int try_by_agent(const void* mutex, auto&& try_lock) {
  int result = try_lock();
  Engine* engine = current_engine;
  if (engine == nullptr) [[likely]]
    return result;
  if (engine->adopt_real_lock(mutex) && result == EBUSY) result = 0;  // it is this thread's
  return note_lock(result, mutex);
}

/// As `lock` would, which may wait, but in an agent's step not for an agent.
int lock_by_agent(const void* mutex, auto&& try_lock, auto&& lock) {
  Engine* engine = current_engine;
  if (engine == nullptr) [[likely]]
    return lock();
  if (const int result = try_by_agent(mutex, try_lock); result != EBUSY) return result;
  engine->await_real_lock(mutex);
  return note_lock(lock(), mutex);
}

int note_unlock(int result, const void* mutex) {
  Engine* engine = current_engine;
  if (engine != nullptr && result == 0) [[unlikely]]
    engine->unlocked_for_real(mutex);
  return result;
}

unsigned next_random_device_value(std::random_device* device) {
  static constinit Next<unsigned(std::random_device*)> next{"_ZNSt13random_device9_M_getvalEv"};
  return next(device);
}

}  // namespace

[[gnu::weak]] unsigned random_device_value(std::random_device* device) asm("_ZNSt13random_device9_M_getvalEv");
unsigned random_device_value(std::random_device* device) {
  read_by_agent("std::random_device");
  return next_random_device_value(device);
}

}  // namespace quiesce::lab::detail

using namespace quiesce::lab::detail;

namespace {

constinit Next<int(pthread_mutex_t*)> next_mutex_trylock{"pthread_mutex_trylock"};
constinit Next<int(pthread_rwlock_t*)> next_rwlock_tryrdlock{"pthread_rwlock_tryrdlock"};
constinit Next<int(pthread_rwlock_t*)> next_rwlock_trywrlock{"pthread_rwlock_trywrlock"};

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): as the C library declares them
extern "C" {

[[gnu::weak]] int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static constinit Next<int(clockid_t, timespec*)> next{"clock_gettime"};
  read_by_agent("clock_gettime");
  return next(clock, now);
}

[[gnu::weak]] int gettimeofday(timeval* now, void* zone) noexcept {
  static constinit Next<int(timeval*, void*)> next{"gettimeofday"};
  read_by_agent("gettimeofday");
  return next(now, zone);
}

[[gnu::weak]] time_t time(time_t* now) noexcept {
  static constinit Next<time_t(time_t*)> next{"time"};
  read_by_agent("time");
  return next(now);
}

[[gnu::weak]] int timespec_get(timespec* now, int base) noexcept {
  static constinit Next<int(timespec*, int)> next{"timespec_get"};
  read_by_agent("timespec_get");
  return next(now, base);
}

[[gnu::weak]] clock_t clock() noexcept {
  static constinit Next<clock_t()> next{"clock"};
  read_by_agent("clock");
  return next();
}

[[gnu::weak]] pthread_t pthread_self() noexcept {
  static constinit Next<pthread_t()> next{"pthread_self"};
  if (Engine* engine = current_engine) [[unlikely]]
    engine->read_thread_id();
  return next();
}

[[gnu::weak]] ssize_t getrandom(void* buffer, size_t size, unsigned flags) {
  static constinit Next<ssize_t(void*, size_t, unsigned)> next{"getrandom"};
  read_by_agent("getrandom");
  return next(buffer, size, flags);
}

[[gnu::weak]] int getentropy(void* buffer, size_t size) {
  static constinit Next<int(void*, size_t)> next{"getentropy"};
  read_by_agent("getentropy");
  return next(buffer, size);
}

[[gnu::weak]] int rand() noexcept {
  static constinit Next<int()> next{"rand"};
  read_by_agent("rand");
  return next();
}

[[gnu::weak]] long random() noexcept {
  static constinit Next<long()> next{"random"};
  read_by_agent("random");
  return next();
}

[[gnu::weak]] std::uint32_t arc4random() noexcept {
  static constinit Next<std::uint32_t()> next{"arc4random"};
  read_by_agent("arc4random");
  return next();
}

[[gnu::weak]] std::uint32_t arc4random_uniform(std::uint32_t bound) noexcept {
  static constinit Next<std::uint32_t(std::uint32_t)> next{"arc4random_uniform"};
  read_by_agent("arc4random_uniform");
  return next(bound);
}

[[gnu::weak]] void arc4random_buf(void* buffer, size_t size) noexcept {
  static constinit Next<void(void*, size_t)> next{"arc4random_buf"};
  read_by_agent("arc4random_buf");
  next(buffer, size);
}

[[gnu::weak]] int nanosleep(const timespec* how_long, timespec* left) {
  static constinit Next<int(const timespec*, timespec*)> next{"nanosleep"};
  return sleep_by_agent("nanosleep") ? 0 : next(how_long, left);
}

[[gnu::weak]] int clock_nanosleep(clockid_t clock, int flags, const timespec* how_long, timespec* left) {
  static constinit Next<int(clockid_t, int, const timespec*, timespec*)> next{"clock_nanosleep"};
  return sleep_by_agent("clock_nanosleep") ? 0 : next(clock, flags, how_long, left);
}

[[gnu::weak]] int usleep(useconds_t microseconds) {
  static constinit Next<int(useconds_t)> next{"usleep"};
  return sleep_by_agent("usleep") ? 0 : next(microseconds);
}

[[gnu::weak]] unsigned sleep(unsigned seconds) {
  static constinit Next<unsigned(unsigned)> next{"sleep"};
  return sleep_by_agent("sleep") ? 0 : next(seconds);
}

[[gnu::weak]] int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static constinit Next<int(pthread_mutex_t*)> next{"pthread_mutex_lock"};
  return lock_by_agent(
      mutex, [&] { return next_mutex_trylock(mutex); }, [&] { return next(mutex); });
}

[[gnu::weak]] int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  return try_by_agent(mutex, [&] { return next_mutex_trylock(mutex); });
}

[[gnu::weak]] int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) noexcept {
  static constinit Next<int(pthread_mutex_t*, const timespec*)> next{"pthread_mutex_timedlock"};
  return lock_by_agent(
      mutex, [&] { return next_mutex_trylock(mutex); }, [&] { return next(mutex, until); });
}

[[gnu::weak]] int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                          const timespec* until) noexcept {
  static constinit Next<int(pthread_mutex_t*, clockid_t, const timespec*)> next{"pthread_mutex_clocklock"};
  return lock_by_agent(
      mutex, [&] { return next_mutex_trylock(mutex); }, [&] { return next(mutex, clock, until); });
}

[[gnu::weak]] int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  static constinit Next<int(pthread_mutex_t*)> next{"pthread_mutex_unlock"};
  return note_unlock(next(mutex), mutex);
}

[[gnu::weak]] int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  static constinit Next<int(pthread_rwlock_t*)> next{"pthread_rwlock_rdlock"};
  return lock_by_agent(
      lock, [&] { return next_rwlock_tryrdlock(lock); }, [&] { return next(lock); });
}

[[gnu::weak]] int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) noexcept {
  return try_by_agent(lock, [&] { return next_rwlock_tryrdlock(lock); });
}

[[gnu::weak]] int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  static constinit Next<int(pthread_rwlock_t*)> next{"pthread_rwlock_wrlock"};
  return lock_by_agent(
      lock, [&] { return next_rwlock_trywrlock(lock); }, [&] { return next(lock); });
}

[[gnu::weak]] int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) noexcept {
  return try_by_agent(lock, [&] { return next_rwlock_trywrlock(lock); });
}

[[gnu::weak]] int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock,
                                             const timespec* until) noexcept {
  static constinit Next<int(pthread_rwlock_t*, clockid_t, const timespec*)> next{"pthread_rwlock_clockrdlock"};
  return lock_by_agent(
      lock, [&] { return next_rwlock_tryrdlock(lock); }, [&] { return next(lock, clock, until); });
}

[[gnu::weak]] int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock,
                                             const timespec* until) noexcept {
  static constinit Next<int(pthread_rwlock_t*, clockid_t, const timespec*)> next{"pthread_rwlock_clockwrlock"};
  return lock_by_agent(
      lock, [&] { return next_rwlock_trywrlock(lock); }, [&] { return next(lock, clock, until); });
}

[[gnu::weak]] int pthread_rwlock_unlock(pthread_rwlock_t* lock) noexcept {
  static constinit Next<int(pthread_rwlock_t*)> next{"pthread_rwlock_unlock"};
  return note_unlock(next(lock), lock);
}

}  // extern "C"
// NOLINTEND

#endif
