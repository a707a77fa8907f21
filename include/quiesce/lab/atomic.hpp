#pragma once
// lab::atomic<T>: a std::atomic<T> whose every operation the lab schedules.
//
//   lab::atomic<int> x{0};           or  lab::atomic<int> x{0, "x"};   named for reports
//   x.fetch_add(1);                  the operations of std::atomic<T>, with its memory orders
//
// In a run each operation is one step and sequentially consistent, whatever its order says;
// compare_exchange_weak does not fail spuriously. What a reader reads happens before what it does next (and
// nothing else does: two stores order nothing but themselves). `wait` returns when it finds another value, at
// once or after a notification: a forgotten notify is a deadlock. In a run that is given up an operation throws
// detail::RunAborted, so none but the notifications are noexcept. Outside of a run it is a std::atomic<T>.
#include <atomic>
#include <cstddef>
#include <cstring>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <vector>

#include "quiesce/detail/lab/object.hpp"

namespace quiesce::lab {

namespace detail {

struct AtomicPart : ObjectPart {
  static constexpr std::string_view kind = "atomic";
  explicit AtomicPart(Engine& engine) : ObjectPart(engine, kind) {}

  std::vector<LogicalId> waiters;  // not notified, in the order of waiting

  /// In the step in which the caller has found the value it does not want. Goes on, when it was notified, with
  /// a step that reads.
  void wait_for_notification(Engine& engine, std::source_location at);
  void notify(Engine& engine, bool all, std::source_location at) noexcept;
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

  atomic() : value_() {}
  atomic(T value, std::string_view name = {}) : value_(value), lab_(name) {}  // NOLINT: as std::atomic's
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  void set_name(std::string_view name) { lab_.set_name(name); }
  bool is_lock_free() const noexcept { return value_.is_lock_free(); }

  T load(Order order = seq_cst, Where at = Where::current()) const {
    return access(Effect::Load, "load", at, [&] { return value_.load(order); });
  }
  void store(T value, Order order = seq_cst, Where at = Where::current()) {
    access(Effect::Store, "store", at, [&] { value_.store(value, order); });
  }
  T exchange(T value, Order order = seq_cst, Where at = Where::current()) {
    return access(Effect::Modify, "exchange", at, [&] { return value_.exchange(value, order); });
  }

  bool compare_exchange_strong(T& expected, T desired, Order success, Order failure,
                               Where at = Where::current()) {
    return try_modify(at, [&] { return value_.compare_exchange_strong(expected, desired, success, failure); });
  }
  bool compare_exchange_strong(T& expected, T desired, Order order = seq_cst, Where at = Where::current()) {
    return try_modify(at, [&] { return value_.compare_exchange_strong(expected, desired, order); });
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
    return access(Effect::Modify, "fetch_add", at, [&] { return value_.fetch_add(value, order); });
  }
  T fetch_sub(difference_type value, Order order = seq_cst, Where at = Where::current()) requires adds {
    return access(Effect::Modify, "fetch_sub", at, [&] { return value_.fetch_sub(value, order); });
  }
  T fetch_and(T value, Order order = seq_cst, Where at = Where::current()) requires has_bits {
    return access(Effect::Modify, "fetch_and", at, [&] { return value_.fetch_and(value, order); });
  }
  T fetch_or(T value, Order order = seq_cst, Where at = Where::current()) requires has_bits {
    return access(Effect::Modify, "fetch_or", at, [&] { return value_.fetch_or(value, order); });
  }
  T fetch_xor(T value, Order order = seq_cst, Where at = Where::current()) requires has_bits {
    return access(Effect::Modify, "fetch_xor", at, [&] { return value_.fetch_xor(value, order); });
  }

  void wait(T old, Order order = seq_cst, Where at = Where::current()) const {
    Engine* engine = Engine::current();
    if (engine == nullptr) return value_.wait(old, order);
    detail::AtomicPart* part = lab_.find(*engine);
    if (part == nullptr) return;
    for (T now = load(order, at); is_same(now, old) && !engine->is_aborting(); now = value_.load(order))
      part->wait_for_notification(*engine, at);
  }
  void notify_one(Where at = Where::current()) noexcept { notify(false, at); }
  void notify_all(Where at = Where::current()) noexcept { notify(true, at); }

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
  enum class Effect : std::uint8_t { Load, Store, Modify };

  static bool is_same(const T& a, const T& b) { return std::memcmp(&a, &b, sizeof(T)) == 0; }

  // A store forgets what an earlier one released; a read-modify-write carries it on (release sequences).
  static void order(Engine& engine, detail::AtomicPart& part, Effect effect) {
    if (effect != Effect::Store) part.acquire(engine);
    if (effect != Effect::Load) part.release(engine);
  }

  template <class Operation>
  auto access(Effect effect, std::string_view verb, Where at, Operation operation) const {
    Engine* engine = Engine::current();
    detail::AtomicPart* part = engine != nullptr ? lab_.find(*engine) : nullptr;
    if (part == nullptr) return operation();
    part->visible(*engine, {part->id, effect == Effect::Load ? Access::Read : Access::Write},
                  {verb, part->id, at});
    order(*engine, *part, effect);
    return operation();
  }

  // Whether this is a read or a write turns out when it is done.
  template <class Operation>
  bool try_modify(Where at, Operation operation) {
    Engine* engine = Engine::current();
    detail::AtomicPart* part = engine != nullptr ? lab_.find(*engine) : nullptr;
    if (part == nullptr) return operation();
    part->visible(*engine, {}, {"compare_exchange", part->id, at});
    const bool done = operation();
    engine->touch({part->id, done ? Access::Write : Access::Read});
    order(*engine, *part, done ? Effect::Modify : Effect::Load);
    return done;
  }

  void notify(bool all, Where at) noexcept {
    Engine* engine = Engine::current();
    if (engine == nullptr) return all ? value_.notify_all() : value_.notify_one();
    if (detail::AtomicPart* part = lab_.find_noexcept(*engine)) part->notify(*engine, all, at);
  }

  std::atomic<T> value_;
  detail::InLab<detail::AtomicPart> lab_;
};

}  // namespace quiesce::lab
