#pragma once
// The platform (detail/kernel/platform.hpp) on which the lab explores the library's lock-free parts.
//
//  1. Its atomics are lab::atomic: every operation is a step, and under lab::weak the orders that the part names count.
//  2. `wait` is lab::atomic's: its check of the word reads the newest value, as a futex does, and it orders nothing. One with a deadline
//     may end by it at any time. A wake that nobody sends is a deadlock.
//  3. `back_off` waits until the atomic that the caller looked at last has another value: so a loop that spins on it is a wait, and not
//     a run without end. `pause` does nothing; loops that only pause have a bound of their own.
//  4. Where a part performs an operation is a *site*: file, function, kind of operation. A mutation changes what one site does: its order,
//     or that it is atomic at all.
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

#include "quiesce/detail/kernel/presence.hpp"
#include "quiesce/lab/atomic.hpp"

namespace quiesce::lab::parts {

enum class Operation : std::uint8_t { Load, Store, Exchange, CompareExchange, FetchAdd, FetchSub, Wake };

struct Site {
  std::string file;  // without its folders
  std::string function;
  std::uint32_t line;
  Operation operation;
  std::memory_order order;
  auto operator<=>(const Site&) const = default;
};

struct Mutation {
  enum class Kind : std::uint8_t {
    Order,  // another memory order
    Torn,   // a read-modify-write in two steps, a load and a store
    Lost    // a wake is not sent
  };
  Site site;
  Kind kind;
  std::memory_order order;  // instead
};

/// What is being explored on this thread: which sites have been passed, if that is asked for, and what is changed.
struct Exploration {
  std::map<Site, std::uint64_t>* passed = nullptr;
  const Mutation* mutation = nullptr;
};
Exploration& exploration() noexcept;

/// The order that the operation has in this exploration.
std::memory_order order_at(std::memory_order order, Operation operation, std::source_location at);
/// Whether it is mutated in this way.
bool is_mutated(Mutation::Kind kind, Operation operation, std::source_location at);

struct LabPlatform {
  /// What an agent looked at last.
  struct Look {
    const void* atomic;
    std::uint64_t value;
    void (*spin)(const void* atomic, std::uint64_t value);
  };
  static Look& last_look();

  template <class T>
  class atomic {
    using Order = std::memory_order;
    using Where = std::source_location;
    static constexpr Order seq_cst = std::memory_order_seq_cst;
    static_assert(sizeof(T) <= sizeof(std::uint64_t));

   public:
    atomic() : atomic(T{}) {}
    atomic(T value) : value_(value) {}  // NOLINT(google-explicit-constructor): as std::atomic's

    T load(Order order = seq_cst, Where at = Where::current()) const {
      const T value = value_.load(order_at(order, Operation::Load, at), at);
      Look& look = last_look();
      look = {this, 0, [](const void* self, std::uint64_t bits) {
                T old{};
                std::memcpy(&old, &bits, sizeof(T));
                static_cast<const atomic*>(self)->value_.spin(old);
              }};
      std::memcpy(&look.value, &value, sizeof(T));
      return value;
    }
    void store(T value, Order order = seq_cst, Where at = Where::current()) {
      value_.store(value, order_at(order, Operation::Store, at), at);
    }
    T exchange(T value, Order order = seq_cst, Where at = Where::current()) {
      return modify(
          Operation::Exchange, order, at, [&](T) { return value; },
          [&](Order as) { return value_.exchange(value, as, at); });
    }
    T fetch_add(T value, Order order = seq_cst, Where at = Where::current()) {
      return modify(
          Operation::FetchAdd, order, at, [&](T old) { return static_cast<T>(old + value); },
          [&](Order as) { return value_.fetch_add(value, as, at); });
    }
    T fetch_sub(T value, Order order = seq_cst, Where at = Where::current()) {
      return modify(
          Operation::FetchSub, order, at, [&](T old) { return static_cast<T>(old - value); },
          [&](Order as) { return value_.fetch_sub(value, as, at); });
    }
    bool compare_exchange_strong(T& expected, T desired, Order success, Order failure,
                                 Where at = Where::current()) {
      const Order as = order_at(success, Operation::CompareExchange, at);
      if (is_mutated(Mutation::Kind::Torn, Operation::CompareExchange, at)) {
        const T seen = value_.load(failure, at);
        if (seen != expected) return expected = seen, false;
        return value_.store(desired, std::memory_order_seq_cst, at), true;
      }
      return value_.compare_exchange_strong(expected, desired, as, failure, at);
    }
    bool compare_exchange_strong(T& expected, T desired, Order order = seq_cst, Where at = Where::current()) {
      return compare_exchange_strong(expected, desired, order, on_failure(order), at);
    }
    bool compare_exchange_weak(T& expected, T desired, Order success, Order failure,
                               Where at = Where::current()) {
      return compare_exchange_strong(expected, desired, success, failure, at);
    }
    bool compare_exchange_weak(T& expected, T desired, Order order = seq_cst, Where at = Where::current()) {
      return compare_exchange_strong(expected, desired, order, on_failure(order), at);
    }
    operator T() const { return load(); }  // NOLINT(google-explicit-constructor): as std::atomic's

    lab::atomic<T>& in_lab() { return value_; }

   private:
    // With the order of a mutation the failure's goes too.
    static Order on_failure(Order success) {
      if (success == std::memory_order_acq_rel) return std::memory_order_acquire;
      return success == std::memory_order_release ? std::memory_order_relaxed : success;
    }
    template <class Next, class Whole>
    T modify(Operation operation, Order order, Where at, Next next, Whole whole) {
      const Order as = order_at(order, operation, at);
      if (!is_mutated(Mutation::Kind::Torn, operation, at)) return whole(as);
      const T seen = value_.load(std::memory_order_seq_cst, at);
      value_.store(next(seen), std::memory_order_seq_cst, at);
      return seen;
    }

    lab::atomic<T> value_;
  };

  static bool wait(atomic<std::uint32_t>& word, std::uint32_t expected,
                   std::optional<std::int64_t> deadline_ns = std::nullopt);
  static void wake_one(atomic<std::uint32_t>& word, std::source_location at = std::source_location::current());
  static void wake_all(atomic<std::uint32_t>& word, std::source_location at = std::source_location::current());
  static void pause() {}
  // The order that the pair of them gives, by a store that has it without.
  template <class T>
  static void announce(atomic<T>& word, std::type_identity_t<T> value,
                       std::source_location at = std::source_location::current()) {
    word.store(value, std::memory_order_seq_cst, at);
  }
  static void fence_all() {}
  static bool can_fence_all() { return true; }
  static constexpr std::uint32_t owned_after = 1, owned_doublings_max = 0;
  static quiesce::detail::Presence<LabPlatform>& presence(std::uint32_t number);
  static constexpr std::uint32_t presence_marks = 1;
  static std::int64_t clock_ns() { return 0; }
  static void note_contended(std::int64_t) {}
  static void back_off(std::uint32_t attempt);
};

/// Of a run's threads, while it lives: what LabPlatform::presence finds.
class Presences {
 public:
  Presences() { current() = this; }
  ~Presences() { current() = nullptr; }
  Presences(const Presences&) = delete;
  Presences& operator=(const Presences&) = delete;

 private:
  friend LabPlatform;
  static Presences*& current();

  std::array<quiesce::detail::Presence<LabPlatform>, 4> of_numbers_;
};
inline quiesce::detail::Presence<LabPlatform>& LabPlatform::presence(std::uint32_t number) {
  return Presences::current()->of_numbers_.at(number);
}

}  // namespace quiesce::lab::parts
