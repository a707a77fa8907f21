#pragma once
// lab::mutex and lab::condition: a std::mutex and a condition variable whose every operation the lab schedules.
//
//   lab::mutex m("m");  lab::condition changed("changed");
//   { std::scoped_lock lock(m); ready = true; }  changed.notify_one();
//   std::unique_lock lock(m);  changed.wait(lock, [&] { return ready; });      or  m.lock(); changed.wait(m);
//
// In a run: one lock is taken by whoever is chosen among those who wait for it. Unlocking a mutex that is not
// held, or held by another thread, is a misuse and ends the run, and so is waiting with such a mutex. A thread
// that ends while it holds a mutex leaves those who wait for it in a deadlock. `notify_one` wakes the one that
// waits longest; nobody is woken without a notification, and what came before the notification happens before
// what its waiter does next. In a run that is given up `lock` and `wait` throw detail::RunAborted; `unlock` and
// the notifications do nothing. Outside of a run they are a std::mutex and a std::condition_variable.
#include <condition_variable>
#include <mutex>
#include <source_location>
#include <string_view>
#include <vector>

#include "quiesce/detail/lab/object.hpp"

namespace quiesce::lab {

namespace detail {

struct MutexPart : ObjectPart {
  static constexpr std::string_view kind = "mutex";
  explicit MutexPart(Engine& engine) : ObjectPart(engine, kind) {}

  LogicalId owner;  // 0: free

  void take(Engine& engine);
  void give_back(Engine& engine);
};

struct ConditionPart : ObjectPart {
  static constexpr std::string_view kind = "condition";
  explicit ConditionPart(Engine& engine) : ObjectPart(engine, kind) {}

  struct Waiter {
    LogicalId agent;
    Doing lock;  // what it does when it is woken
    bool is_woken = false;
    Clock waker{};
  };
  std::vector<Waiter> waiters;  // in the order of waiting; each removes itself when it goes on

  bool is_woken(LogicalId agent) const;
};

}  // namespace detail

class mutex {
 public:
  mutex() = default;
  explicit mutex(std::string_view name) : lab_(name) {}
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  void set_name(std::string_view name) { lab_.set_name(name); }

  void lock(std::source_location at = std::source_location::current()) {
    if (detail::Engine* engine = detail::Engine::current()) return lock_in(*engine, at);
    real_.lock();
  }
  bool try_lock(std::source_location at = std::source_location::current()) {
    if (detail::Engine* engine = detail::Engine::current()) return try_lock_in(*engine, at);
    return real_.try_lock();
  }
  void unlock(std::source_location at = std::source_location::current()) noexcept {
    if (detail::Engine* engine = detail::Engine::current()) return unlock_in(*engine, at);
    real_.unlock();
  }

 private:
  friend class condition;

  void lock_in(detail::Engine& engine, std::source_location at);
  bool try_lock_in(detail::Engine& engine, std::source_location at);
  void unlock_in(detail::Engine& engine, std::source_location at) noexcept;

  std::mutex real_;
  detail::InLab<detail::MutexPart> lab_;
};

class condition {
 public:
  condition() = default;
  explicit condition(std::string_view name) : lab_(name) {}
  condition(const condition&) = delete;
  condition& operator=(const condition&) = delete;

  void set_name(std::string_view name) { lab_.set_name(name); }

  /// Gives the mutex back, waits to be notified, and takes it again. The caller holds it.
  void wait(mutex& m, std::source_location at = std::source_location::current());
  void wait(std::unique_lock<mutex>& lock, std::source_location at = std::source_location::current()) {
    wait(*lock.mutex(), at);
  }
  /// Waits again while `predicate()` is false.
  template <class Lock, class Predicate>
  requires requires(Predicate predicate) { static_cast<bool>(predicate()); }
  void wait(Lock& lock, Predicate predicate, std::source_location at = std::source_location::current()) {
    while (!predicate()) wait(lock, at);
  }

  void notify_one(std::source_location at = std::source_location::current()) noexcept { notify(false, at); }
  void notify_all(std::source_location at = std::source_location::current()) noexcept { notify(true, at); }

 private:
  void wait_in(detail::Engine& engine, mutex& m, std::source_location at);
  void notify(bool all, std::source_location at) noexcept;

  std::condition_variable real_;
  detail::InLab<detail::ConditionPart> lab_;
};

}  // namespace quiesce::lab
