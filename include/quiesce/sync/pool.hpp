#pragma once
// Pool<T>: a few things that are dear to make, lent to one task each.
//
//   q::Pool<Connection> pool(q::PoolOptions(8).with_max_idle(4).with_max_idle_age(60s), connect, "db");
//   pool.check_with([](Connection& c) { return c.is_alive(); });          // before each loan
//   auto connection = co_await pool.acquire(cx);                          // an idle one, or a new one, or waits its turn
//   connection->query("…");                                               // given back when `connection` goes
//   connection.discard();                                                 // or thrown away, for it is broken
//
// There are never more than `max_size` things, lent, idle and being made together. The one given back last is lent first; those that
// have been idle for longer than `max_idle_age` (by the context's clock) are dropped when the next is acquired, and of those given back
// only `max_idle` are kept. One that fails its check is dropped, and the next is tried, or a new one made.
// A loan is an obligation of kind Lease in the ledger of the borrowing task's region, as a semaphore's permit is: the region cannot close
// before it is given back. Waiting is first come, first served: bounded by those that waited before.
// `connect` is Task<T>(Cx) or T(Cx) or T(); the check is bool(T&) or Task<bool>(Cx, T&). Both run in the task that acquires, outside of
// every lock, several at a time; what they fail with ends that `acquire`, and its place is free again.
// `close()` refuses every task that waits, and every later one, with Disconnected; idle things are dropped, and lent ones when they
// come back.
// Cancel-safety: an `acquire` that is cancelled has no thing and no place; one that it was just checking or making is dropped.
// `acquire` is a Task (a wait, a check, perhaps the making); in a select wait for the place, which cannot be half had, and open it then:
//   auto first = co_await q::select(cx, pool.reserve(), stop.wait());
//   if (auto* place = std::get_if<0>(&first)) auto connection = co_await std::move(*place).open(cx);
// Refuses: Disconnected, InvalidArgument for
// a pool of none, and as a reservation does (RegionAtCapacity). Thread-safety: any thread; acquiring is for tasks.
// Cost: an idle one two short locks and the ledger's, and the frame, from the pool of frames. It must outlive its loans.
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/pool_core.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

template <class T>
class Pool;
template <class T>
class PoolPlace;
namespace detail {
template <class T>
class PoolReserve;
}

/// One thing of a Pool<T>, lent. Move-only; its destructor gives it back.
template <class T>
class [[nodiscard]] PooledGuard {
 public:
  PooledGuard(PooledGuard&&) noexcept = default;
  PooledGuard& operator=(PooledGuard&& other) noexcept {
    PooledGuard gone(std::move(*this));
    core_ = other.core_;
    thing_ = std::move(other.thing_);
    permit_ = std::move(other.permit_);
    return *this;
  }
  ~PooledGuard() { give_back(); }

  T& operator*() const noexcept { return thing_->value; }
  T* operator->() const noexcept { return &thing_->value; }
  /// Now, instead of at the end of its life.
  void give_back() noexcept {
    if (thing_ == nullptr) return;
    if (core_->put_idle(*thing_)) (void)thing_.release();
    discard();
  }
  /// It is dropped instead of given back; its place is free.
  void discard() noexcept {
    thing_.reset();
    permit_.release();
  }
  /// False after it was given back, discarded or moved from.
  explicit operator bool() const noexcept { return thing_ != nullptr; }

 private:
  friend Pool<T>;
  using Thing = detail::PooledThing<T>;
  PooledGuard(detail::PoolCore& core, std::unique_ptr<Thing> thing, SemaphorePermit permit) noexcept
      : core_(&core), thing_(std::move(thing)), permit_(std::move(permit)) {}

  detail::PoolCore* core_;
  std::unique_ptr<Thing> thing_;
  SemaphorePermit permit_;
};

/// A place in a Pool<T>: nobody can be faster any more. Move-only; an obligation like a loan, given back by its destructor.
template <class T>
class [[nodiscard]] PoolPlace {
 public:
  PoolPlace(PoolPlace&&) noexcept = default;
  PoolPlace& operator=(PoolPlace&&) noexcept = default;

  /// An idle thing that passes the check, or a new one. Once.
  Task<PooledGuard<T>> open(Cx cx) && { return pool_->lend(cx, std::move(permit_)); }

 private:
  friend detail::PoolReserve<T>;
  PoolPlace(Pool<T>& pool, SemaphorePermit permit) noexcept : pool_(&pool), permit_(std::move(permit)) {}
  Pool<T>* pool_;
  SemaphorePermit permit_;
};

namespace detail {

template <class T>
class PoolReserve : public PlaceOperation {
 public:
  using value_type = PoolPlace<T>;
  PoolReserve(Pool<T>& pool, PlaceOperation place) noexcept : PlaceOperation(std::move(place)), pool_(&pool) {}
  Outcome<PoolPlace<T>> take() noexcept {
    Outcome<SemaphorePermit> place = PlaceOperation::take();
    if (!place.is_ok()) return Outcome<PoolPlace<T>>::err(pool_->core_.refusal(std::move(place).error()));
    return Outcome<PoolPlace<T>>::ok(PoolPlace<T>(*pool_, std::move(place).value()));
  }

 private:
  Pool<T>* pool_;
};

}  // namespace detail

template <class T>
class Pool {
  static_assert(std::move_constructible<T>,
                "quiesce: Pool<T>: T must be movable: it is moved from what made it to its place");
  using Thing = detail::PooledThing<T>;

 public:
  template <class Make>
  Pool(PoolOptions options, Make make, Name name = {})
      : core_(options, name), make_(as_task(std::move(make))) {}
  ~Pool() { drop(core_.close()); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Before the first `acquire`.
  template <class Check>
  void check_with(Check check) {
    if constexpr (std::is_invocable_r_v<bool, Check&, T&>) {
      check_ = std::move(check);
    } else {
      static_assert(std::is_invocable_r_v<Task<bool>, Check&, Cx, T&>,
                    "quiesce: Pool::check_with(check): check is bool(T&) or Task<bool>(Cx, T&)");
      checking_ = std::move(check);
    }
  }

  Task<PooledGuard<T>> acquire(Cx cx, std::source_location where = std::source_location::current()) {
    PoolPlace<T> place = co_await reserve(cx, where);
    auto opening = std::move(place).open(cx);
    co_return co_await std::move(opening);
  }
  /// The first half of `acquire`, for select: a place, at which `open` gives a thing.
  auto reserve(const Cx& cx, std::source_location where = std::source_location::current()) {
    return Wait<detail::PoolReserve<T>>(cx.core(), detail::PoolReserve<T>(*this, core_.place(where)));
  }
  auto reserve(std::source_location where = std::source_location::current()) {
    return Operation<detail::PoolReserve<T>>(detail::PoolReserve<T>(*this, core_.place(where)));
  }

  void close() noexcept { drop(core_.close()); }
  PoolStatistics statistics() const noexcept { return core_.statistics(); }

 private:
  friend PoolPlace<T>;
  friend detail::PoolReserve<T>;
  Task<PooledGuard<T>> lend(Cx cx, SemaphorePermit permit) {
    drop(core_.take_aged(cx.now()));
    while (std::unique_ptr<Thing> idle{static_cast<Thing*>(core_.take_idle(cx.now()))}) {
      bool good = check_ == nullptr || check_(idle->value);
      if (good && checking_ != nullptr) {
        auto checking = checking_(cx, idle->value);
        good = co_await std::move(checking);
      }
      if (good) co_return PooledGuard<T>(core_, std::move(idle), std::move(permit));
    }
    auto making = make_(cx);
    T value = co_await std::move(making);
    auto made = std::make_unique<Thing>(core_, cx.now(), std::move(value));
    co_return PooledGuard<T>(core_, std::move(made), std::move(permit));
  }
  template <class Make>
  static std::function<Task<T>(Cx)> as_task(Make make) {
    if constexpr (std::is_invocable_r_v<Task<T>, Make&, Cx>) {
      return make;
    } else if constexpr (std::is_invocable_r_v<T, Make&, Cx>) {
      return [make = std::move(make)](Cx cx) mutable -> Task<T> { co_return make(cx); };
    } else {
      static_assert(std::is_invocable_r_v<T, Make&>,
                    "quiesce: Pool<T>(options, make): make is Task<T>(Cx), T(Cx) or T()");
      return [make = std::move(make)](Cx) mutable -> Task<T> { co_return make(); };
    }
  }
  /// A list of things that nobody has any more.
  static void drop(detail::PooledNode* things) noexcept {
    while (things != nullptr) delete static_cast<Thing*>(std::exchange(things, things->older));
  }

  detail::PoolCore core_;
  std::function<Task<T>(Cx)> make_;
  std::function<bool(T&)> check_;
  std::function<Task<bool>(Cx, T&)> checking_;
};

template <class T>
inline constexpr bool enable_sync<Pool<T>> = Sendable<T>;
template <class T>
inline constexpr bool enable_sendable<PooledGuard<T>> = false;
template <class T>
inline constexpr bool enable_sendable<PoolPlace<T>> = false;

}  // namespace quiesce
