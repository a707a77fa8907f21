#pragma once
// lab::atomic<T>: a std::atomic<T> whose every operation the lab schedules.
//
//   lab::atomic<int> x{0};           or  lab::atomic<int> x{0, "x"};   named for reports
//   x.fetch_add(1);                  the operations of std::atomic<T>, with its memory orders
//
// In a run each operation is one step and sequentially consistent, whatever its order says;
// compare_exchange_weak does not fail spuriously. What a reader reads happens before what it does next (and
// nothing else does: two stores order nothing but themselves). With Options::memory = lab::weak the orders count:
// an operation may read whatever they allow (detail/lab/memory.hpp), and only what they say happens before.
// `wait` returns when it finds another value, at once or after a notification: a forgotten notify is a deadlock.
// `spin` needs none. In a run that is given up an operation throws detail::RunAborted, so none but the
// notifications are noexcept. Outside of a run it is a std::atomic<T>.
//
//   lab::atomic_thread_fence(std::memory_order_release);    the fences of weak memory; else nothing in a run
#include <atomic>
#include <cstddef>
#include <cstring>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <vector>

#include "quiesce/detail/lab/memory.hpp"
#include "quiesce/detail/lab/object.hpp"

namespace quiesce::lab {

namespace detail {

struct AtomicPart : ObjectPart {
  static constexpr std::string_view kind = "atomic";
  explicit AtomicPart(Engine& engine) : ObjectPart(engine, kind) {}

  struct Spinner {
    LogicalId agent;
    const void* old;  // a value of its own, there while it waits
  };
  std::vector<LogicalId> waiters;    // not notified, in the order of waiting
  std::vector<Spinner> spinners;     // that have found no other value yet
  std::shared_ptr<History> history;  // nullptr: its value is all there is to know

  /// In the step in which the caller has found the value it does not want. Goes on, when it was notified, with
  /// a step that reads.
  void wait_for_notification(Engine& engine, std::source_location at);
  void notify(Engine& engine, bool all, std::source_location at) noexcept;
  /// The same until another value than `old` is written.
  void wait_for_change(Engine& engine, const void* old, std::source_location at);
  /// In the step that has written `value`.
  void call_spinners(Engine& engine, const void* value, std::size_t size) noexcept;
};

template <class T>
struct AtomicDifference {
  using Type = T;
};
template <class T>
struct AtomicDifference<T*> {
  using Type = std::ptrdiff_t;
};

}  // namespace detail

template <class T>
class atomic {
  using Engine = detail::Engine;
  using Access = detail::Access;
  using Effect = detail::Effect;
  using Where = std::source_location;
  using Order = std::memory_order;
  static constexpr Order seq_cst = std::memory_order_seq_cst;
  static constexpr bool adds = requires(std::atomic<T> & a, typename detail::AtomicDifference<T>::Type d) {
    a.fetch_add(d);
  };
  static constexpr bool has_bits = requires(std::atomic<T> & a, T v) { a.fetch_and(v); };

 public:
  using value_type = T;
  using difference_type = typename detail::AtomicDifference<T>::Type;
  static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;

  atomic() : value_() { begin_history(); }
  atomic(T value, std::string_view name = {}) : value_(value), lab_(name) {  // NOLINT: as std::atomic's
    begin_history();
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  void set_name(std::string_view name) { lab_.set_name(name); }
  bool is_lock_free() const noexcept { return value_.is_lock_free(); }

  T load(Order order = seq_cst, Where at = Where::current()) const {
    return access(Effect::Load, order, "load", at, [&] { return value_.load(order); });
  }
  void store(T value, Order order = seq_cst, Where at = Where::current()) {
    access(Effect::Store, order, "store", at, [&] { value_.store(value, order); });
  }
  T exchange(T value, Order order = seq_cst, Where at = Where::current()) {
    return access(Effect::Modify, order, "exchange", at, [&] { return value_.exchange(value, order); });
  }

  bool compare_exchange_strong(T& expected, T desired, Order success, Order failure,
                               Where at = Where::current()) {
    return try_modify(expected, desired, success, failure, at);
  }
  bool compare_exchange_strong(T& expected, T desired, Order order = seq_cst, Where at = Where::current()) {
    return try_modify(expected, desired, order, on_failure(order), at);
  }
  bool compare_exchange_weak(T& expected, T desired, Order success, Order failure,
                             Where at = Where::current()) {
    if (Engine::current() != nullptr) return compare_exchange_strong(expected, desired, success, failure, at);
    return value_.compare_exchange_weak(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, Order order = seq_cst, Where at = Where::current()) {
    if (Engine::current() != nullptr) return compare_exchange_strong(expected, desired, order, at);
    return value_.compare_exchange_weak(expected, desired, order);
  }

  T fetch_add(difference_type value, Order order = seq_cst, Where at = Where::current()) requires adds {
    return access(Effect::Modify, order, "fetch_add", at, [&] { return value_.fetch_add(value, order); });
  }
  T fetch_sub(difference_type value, Order order = seq_cst, Where at = Where::current()) requires adds {
    return access(Effect::Modify, order, "fetch_sub", at, [&] { return value_.fetch_sub(value, order); });
  }
  T fetch_and(T value, Order order = seq_cst, Where at = Where::current()) requires has_bits {
    return access(Effect::Modify, order, "fetch_and", at, [&] { return value_.fetch_and(value, order); });
  }
  T fetch_or(T value, Order order = seq_cst, Where at = Where::current()) requires has_bits {
    return access(Effect::Modify, order, "fetch_or", at, [&] { return value_.fetch_or(value, order); });
  }
  T fetch_xor(T value, Order order = seq_cst, Where at = Where::current()) requires has_bits {
    return access(Effect::Modify, order, "fetch_xor", at, [&] { return value_.fetch_xor(value, order); });
  }

  void wait(T old, Order order = seq_cst, Where at = Where::current()) const {
    Engine* engine = Engine::current();
    if (engine == nullptr) return value_.wait(old, order);
    detail::AtomicPart* part = lab_.find(*engine);
    if (part == nullptr) return;
    if (part->history) return wait_weakly(*engine, *part, old, order, at);
    for (T now = load(order, at); is_same(now, old) && !engine->is_aborting(); now = value_.load(order))
      part->wait_for_notification(*engine, at);
  }
  void notify_one(Where at = Where::current()) noexcept { notify(false, at); }
  void notify_all(Where at = Where::current()) noexcept { notify(true, at); }
  /// Between two looks of a loop that waits for another value than `old`: outside of a run nothing; in one the
  /// caller goes on when it can see another, and then has seen one, by a relaxed load.
  void spin(T old, Where at = Where::current()) const {
    Engine* engine = Engine::current();
    detail::AtomicPart* part = engine != nullptr ? lab_.find(*engine) : nullptr;
    if (part == nullptr) return;
    engine->touch({part->id, Access::Read});
    if (part->history) {
      while (part->history->begin_other(*engine, &old, std::memory_order_relaxed) == nullptr &&
             !engine->is_aborting())
        part->wait_for_change(*engine, &old, at);
      return;
    }
    while (is_same(value_.load(), old) && !engine->is_aborting()) part->wait_for_change(*engine, &old, at);
    if (!engine->is_aborting()) part->acquire(*engine);
  }

  // Operators have no place for a location: reports find it on the stack, or say nothing of it.
  operator T() const { return load(seq_cst, Where{}); }  // NOLINT: as std::atomic's
  T operator=(T value) {                                 // NOLINT: as std::atomic's
    store(value, seq_cst, Where{});
    return value;
  }
  T operator++() requires adds &&(!std::is_floating_point_v<T>) {
    return static_cast<T>(fetch_add(1, seq_cst, Where{}) + 1);
  }
  T operator++(int) requires adds &&(!std::is_floating_point_v<T>) { return fetch_add(1, seq_cst, Where{}); }
  T operator--() requires adds &&(!std::is_floating_point_v<T>) {
    return static_cast<T>(fetch_sub(1, seq_cst, Where{}) - 1);
  }
  T operator--(int) requires adds &&(!std::is_floating_point_v<T>) { return fetch_sub(1, seq_cst, Where{}); }
  T operator+=(difference_type value) requires adds {
    return static_cast<T>(fetch_add(value, seq_cst, Where{}) + value);
  }
  T operator-=(difference_type value) requires adds {
    return static_cast<T>(fetch_sub(value, seq_cst, Where{}) - value);
  }
  T operator&=(T value) requires has_bits { return static_cast<T>(fetch_and(value, seq_cst, Where{}) & value); }
  T operator|=(T value) requires has_bits { return static_cast<T>(fetch_or(value, seq_cst, Where{}) | value); }
  T operator^=(T value) requires has_bits { return static_cast<T>(fetch_xor(value, seq_cst, Where{}) ^ value); }

 private:
  static bool is_same(const T& a, const T& b) { return std::memcmp(&a, &b, sizeof(T)) == 0; }
  static constexpr Order on_failure(Order success) {
    if (success == std::memory_order_acq_rel) return std::memory_order_acquire;
    return success == std::memory_order_release ? std::memory_order_relaxed : success;
  }

  void begin_history() {
    detail::AtomicPart* part = lab_.part();
    if (part == nullptr) return;
    Engine& engine = *Engine::current();
    detail::WeakMemory* memory = engine.weak_memory();
    if (memory == nullptr) return;
    const T value = value_.load(std::memory_order_relaxed);
    part->history = memory->make_history(engine, part->id, &value, sizeof(T));
  }

  // A store forgets what an earlier one released; a read-modify-write carries it on (release sequences).
  static void order(Engine& engine, detail::AtomicPart& part, Effect effect) {
    if (effect != Effect::Store) part.acquire(engine);
    if (effect != Effect::Load) part.release(engine);
  }

  template <class Operation>
  auto access(Effect effect, Order memory_order, std::string_view verb, Where at, Operation operation) const {
    Engine* engine = Engine::current();
    detail::AtomicPart* part = engine != nullptr ? lab_.find(*engine) : nullptr;
    if (part == nullptr) return operation();
    part->visible(*engine, {part->id, effect == Effect::Load ? Access::Read : Access::Write},
                  {verb, part->id, at});
    if (part->history) {
      const Weakly weakly(*engine, *part, value_, effect, memory_order);
      return operation();
    }
    order(*engine, *part, effect);
    const Telling telling(*engine, *part, value_, effect);
    return operation();
  }

  // Whether this is a read or a write turns out when it is done.
  bool try_modify(T& expected, T desired, Order success, Order failure, Where at) {
    Engine* engine = Engine::current();
    detail::AtomicPart* part = engine != nullptr ? lab_.find(*engine) : nullptr;
    if (part == nullptr) return value_.compare_exchange_strong(expected, desired, success, failure);
    part->visible(*engine, {}, {"compare_exchange", part->id, at});
    if (part->history) return try_modify_weakly(*engine, *part, expected, desired, success, failure);
    const bool done = value_.compare_exchange_strong(expected, desired);
    engine->touch({part->id, done ? Access::Write : Access::Read});
    order(*engine, *part, done ? Effect::Modify : Effect::Load);
    if (done) part->call_spinners(*engine, &desired, sizeof(T));
    return done;
  }

  /// Around an operation: those who spin go on by what it has written.
  class Telling {
   public:
    Telling(Engine& engine, detail::AtomicPart& part, std::atomic<T>& value, Effect effect)
        : engine_(engine), part_(part), value_(value), effect_(effect) {}
    ~Telling() {
      if (effect_ == Effect::Load) return;
      const T now = value_.load();
      part_.call_spinners(engine_, &now, sizeof(T));
    }
    Telling(const Telling&) = delete;
    Telling& operator=(const Telling&) = delete;

   private:
    Engine& engine_;
    detail::AtomicPart& part_;
    std::atomic<T>& value_;
    Effect effect_;
  };

  // ---- with weak memory ----

  static T value_at(const void* value) {
    T result;
    std::memcpy(static_cast<void*>(&result), value, sizeof(T));
    return result;
  }

  /// Around an operation on `value`, which holds the newest but meanwhile what the history says.
  class Weakly {
   public:
    Weakly(Engine& engine, detail::AtomicPart& part, std::atomic<T>& value, Effect effect, Order order)
        : engine_(engine), part_(part), value_(value), effect_(effect) {
      if (const void* read = part.history->begin(engine, effect, order))
        value.store(value_at(read), std::memory_order_relaxed);
    }
    ~Weakly() {
      if (effect_ != Effect::Load) {
        const T made = value_.load(std::memory_order_relaxed);
        part_.history->finish(engine_, &made);
        part_.call_spinners(engine_, &made, sizeof(T));
      }
      value_.store(value_at(part_.history->newest()), std::memory_order_relaxed);
    }
    Weakly(const Weakly&) = delete;
    Weakly& operator=(const Weakly&) = delete;

   private:
    Engine& engine_;
    detail::AtomicPart& part_;
    std::atomic<T>& value_;
    Effect effect_;
  };

  bool try_modify_weakly(Engine& engine, detail::AtomicPart& part, T& expected, T desired, Order success,
                         Order failure) {
    engine.touch({part.id, Access::Read});
    detail::History& history = *part.history;
    const bool done = history.begin_compare(engine, &expected, success, failure);
    if (done) {
      engine.touch({part.id, Access::Write});
      history.finish(engine, &desired);
      part.call_spinners(engine, &desired, sizeof(T));
      value_.store(value_at(history.newest()), std::memory_order_relaxed);
    } else {
      expected = value_at(history.value_read());
    }
    return done;
  }

  void wait_weakly(Engine& engine, detail::AtomicPart& part, T old, Order order, Where at) const {
    part.visible(engine, {part.id, Access::Read}, {"load", part.id, at});
    while (part.history->begin_other(engine, &old, order) == nullptr && !engine.is_aborting())
      part.wait_for_notification(engine, at);
  }

  void notify(bool all, Where at) noexcept {
    Engine* engine = Engine::current();
    if (engine == nullptr) return all ? value_.notify_all() : value_.notify_one();
    if (detail::AtomicPart* part = lab_.find_noexcept(*engine)) part->notify(*engine, all, at);
  }

  mutable std::atomic<T> value_;
  detail::InLab<detail::AtomicPart> lab_;
};

/// In a run with weak memory as std::atomic_thread_fence: one of seq_cst is a step. In another run nothing, for there all
/// operations are sequentially consistent.
inline void atomic_thread_fence(std::memory_order order,
                                std::source_location at = std::source_location::current()) {
  if (detail::Engine* engine = detail::Engine::current()) return detail::fence_in(*engine, order, at);
  detail::fence_outside(order);
}

}  // namespace quiesce::lab
