#pragma once
// OnceCell<T>: a value that is made once, by whoever needs it first. Lazy<T>: one that knows how.
//
//   q::OnceCell<Config> config;
//   const Config* c = co_await config.get_or_init(cx, load);   // load: Task<Config>(Cx), or Config(Cx); runs at most once at a time
//   if (const Config* now = config.get()) …                    // nullptr: not made yet
//
//   q::Lazy config(load);                                      // the same, with its function inside
//   const Config* c = co_await config.get(cx);
//
// One initialiser runs at a time, in the task that called; others wait for it. One that fails, is cancelled or panics ends its own caller
// so, and the task that has waited longest runs its own function instead: no failure is kept, and nobody is ended by
// another's. The value stays where it is until the cell goes; the pointer is good as long.
// Cancel-safety: a wait that is cancelled leaves no place; an initialiser that is cancelled leaves the cell empty.
// Refuses: InvalidArgument to an initialiser that asks for the value it is making. First come, first served.
// Thread-safety: any thread. Cost: once made, one load; before, one lock. `get_or_init` and `Lazy::get` are Tasks, for
// what they run cannot be given up half done; in a select take `ready()`, which waits without initialising, or `turn()`, which gives
// the value or the right to make it:
//   auto first = co_await q::select(cx, config.turn(), stop.wait());
//   if (auto* turn = std::get_if<0>(&first); turn && *turn) turn->make(co_await load(cx));
// The cell must outlive those who wait.
#include <atomic>
#include <concepts>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/obligation.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

/// A look at it; the next moment it may be otherwise.
struct OnceCellStatistics {
  bool is_ready = false;
  bool is_initialising = false;
  TaskId initialiser;  // not valid: nobody, or code outside of any task
  std::uint32_t waiters = 0;
  std::uint64_t attempts = 0;  // initialisers that were begun
};

namespace detail {

/// Whose turn it is to make the value. Protocol: empty -> busy by who gets the turn; busy -> ready when it has made the value, which
/// wakes all; busy -> busy of the next that waits, or empty, when it has failed. All under the lock; `ready` is also read without
/// it: its release store pairs with the acquire load of `is_ready`, so who sees it sees the value.
class OnceCore {
 public:
  explicit OnceCore(Name name) noexcept : primitive_("once cell", name) {}
  bool is_ready() const noexcept {
    const bool ready = state_.load(std::memory_order_acquire) == State::Ready;
    primitive_.note_use(Use::Read);
    return ready;
  }
  OnceCellStatistics statistics() const noexcept;
  enum class State : std::uint8_t { Empty, Busy, Ready };
  /// Ready: the value is there. Busy: somebody makes it. Empty: the caller has the turn now.
  State try_turn() noexcept;
  /// Of who has the turn.
  void finish(bool made) noexcept;

 private:
  friend class TurnOperation;
  void pump(WakeList& woken) noexcept;

  Primitive primitive_;
  std::atomic<State> state_{State::Empty};
  // Under the lock.
  WaitList waiters_;
  TaskId initialiser_;
  std::uint64_t attempts_ = 0;
};

/// The right to make the value; what is let go unused passes to the next.
class [[nodiscard]] OnceTurn {
 public:
  OnceTurn() noexcept = default;
  explicit OnceTurn(OnceCore& core) noexcept : core_(&core) {}
  OnceTurn(OnceTurn&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  OnceTurn& operator=(OnceTurn&&) = delete;
  ~OnceTurn() {
    if (core_ != nullptr) core_->finish(false);
  }
  void made() noexcept { std::exchange(core_, nullptr)->finish(true); }
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  OnceCore* core_ = nullptr;
};

/// Waits for the value, or for the turn to make it where `wants_turn`.
class TurnOperation : public ListedOperation<TurnOperation> {
 public:
  static constexpr const char* what = "a once cell";

  TurnOperation(OnceCore& core, bool wants_turn) noexcept : core_(&core), wants_turn_(wants_turn) {}
  TurnOperation& found() noexcept { return *this; }
  bool try_now() noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;
  void give_back() noexcept {
    if (has_turn_) core_->finish(false);
  }
  WaitSubject subject() const noexcept;

 protected:
  friend OnceCore;
  std::optional<Error> refused() const;
  OnceCore* core_;
  bool wants_turn_;
  bool has_turn_ = false;
  bool mine_ = false;
};

class GetTurn : public TurnOperation {
 public:
  using value_type = OnceTurn;  // empty: the value is there
  explicit GetTurn(OnceCore& core) noexcept : TurnOperation(core, true) {}
  Outcome<OnceTurn> take() noexcept;
};

template <class T>
class OnceReady : public TurnOperation {
 public:
  using value_type = const T*;
  OnceReady(OnceCore& core, const std::optional<T>& value) noexcept
      : TurnOperation(core, false), value_(&value) {}
  Outcome<const T*> take() noexcept { return Outcome<const T*>::ok(&**value_); }

 private:
  const std::optional<T>* value_;
};

/// The running task's obligation to make the value, or to let another.
std::expected<Obligation, Error> owe_turn(std::source_location where);

template <class T>
class ValueOrTurn;

template <class R>
struct made_by {
  using type = R;
  static constexpr bool is_task = false;
};
template <class T, class E>
struct made_by<Task<T, E>> {
  using type = T;
  static constexpr bool is_task = true;
};

}  // namespace detail

/// The value of a OnceCell<T>, or the right to make it. Move-only; a right that is let go unused passes to the next. It is an
/// obligation of kind Lease in the ledger of its task's region (L1 to L4).
template <class T>
class [[nodiscard]] OnceCellTurn {
 public:
  /// True: the value is this task's to make.
  explicit operator bool() const noexcept { return bool(turn_); }
  /// nullptr: not made yet.
  const T* value() const noexcept { return turn_ || value_ == nullptr || !*value_ ? nullptr : &**value_; }
  /// Once, by who has the right (asserted). T's constructor may throw: the right is kept then.
  template <class... Args>
  const T* make(Args&&... args) {
    QUIESCE_ASSERT(turn_, "only who has the right makes the value of a once cell");
    value_->emplace(std::forward<Args>(args)...);
    turn_.made();
    (void)owed_->commit();
    return &**value_;
  }

 private:
  friend detail::ValueOrTurn<T>;
  OnceCellTurn(std::optional<T>& value, detail::OnceTurn turn, std::optional<Obligation> owed) noexcept
      : value_(&value), turn_(std::move(turn)), owed_(std::move(owed)) {}
  std::optional<T>* value_;
  detail::OnceTurn turn_;
  std::optional<Obligation> owed_;  // of a right
};

namespace detail {

template <class T>
class ValueOrTurn : public TurnOperation {
 public:
  using value_type = OnceCellTurn<T>;
  ValueOrTurn(OnceCore& core, std::optional<T>& value, std::source_location where) noexcept
      : TurnOperation(core, true), value_(&value), where_(where) {}
  Outcome<value_type> take() noexcept {
    if (auto error = refused()) return Outcome<value_type>::err(std::move(*error));
    if (!has_turn_) return Outcome<value_type>::ok(value_type(*value_, OnceTurn(), std::nullopt));
    OnceTurn turn(*core_);
    auto owed = owe_turn(where_);
    if (!owed) return Outcome<value_type>::err(std::move(owed).error());
    return Outcome<value_type>::ok(value_type(*value_, std::move(turn), std::move(*owed)));
  }

 private:
  std::optional<T>* value_;
  std::source_location where_;
};

}  // namespace detail

template <class T>
class OnceCell {
  static_assert(std::is_object_v<T>,
                "quiesce: OnceCell<T>: T must be an object type, for the value lies inside");

 public:
  explicit OnceCell(Name name = {}) noexcept : core_(name) {}
  OnceCell(const OnceCell&) = delete;
  OnceCell& operator=(const OnceCell&) = delete;

  /// The value, made by `f` if it is not there: f(cx) gives a Task<T> or a T; or f() does. Never nullptr.
  template <class Caps, class F>
  Task<const T*> get_or_init(BasicCx<Caps> cx, F&& f) {
    static_assert(detail::SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    static_assert(std::invocable<F&, BasicCx<Caps>> || std::invocable<F&>,
                  "quiesce: OnceCell::get_or_init(cx, f): f is called with a context or with nothing");
    return init<Caps, std::decay_t<F>>(cx, std::forward<F>(f));
  }
  /// nullptr: not made yet.
  const T* get() const noexcept { return core_.is_ready() ? &*value_ : nullptr; }
  /// False: it has a value, or somebody makes one; `value` is dropped.
  bool set(T value) {
    if (core_.try_turn() != detail::OnceCore::State::Empty) return false;
    detail::OnceTurn turn(core_);
    value_.emplace(std::move(value));
    turn.made();
    return true;
  }
  /// Until it has a value, by whoever: `const T*`, never nullptr.
  template <class Caps>
  auto ready(const BasicCx<Caps>& cx) {
    return Wait<Ready>(cx.core(), Ready(core_, value_));
  }
  auto ready() { return Operation<Ready>(Ready(core_, value_)); }
  /// Until it has a value, or this task may make it: OnceCellTurn<T>. What `get_or_init` is made of.
  template <class Caps>
  auto turn(const BasicCx<Caps>& cx, std::source_location where = std::source_location::current()) {
    return Wait<TurnOf>(cx.core(), TurnOf(core_, value_, where));
  }
  auto turn(std::source_location where = std::source_location::current()) {
    return Operation<TurnOf>(TurnOf(core_, value_, where));
  }
  OnceCellStatistics statistics() const noexcept { return core_.statistics(); }

 private:
  using Ready = detail::OnceReady<T>;
  using TurnOf = detail::ValueOrTurn<T>;
  template <class Caps, class F>
  Task<const T*> init(BasicCx<Caps> cx, F f) {
    if (!core_.is_ready()) {
      auto turn = co_await Wait<detail::GetTurn>(cx.core(), detail::GetTurn(core_));
      if (turn) {
        if constexpr (std::invocable<F&, BasicCx<Caps>>) {
          using Made = detail::made_by<std::invoke_result_t<F&, BasicCx<Caps>>>;
          if constexpr (Made::is_task) {
            auto making = f(cx);
            value_.emplace(co_await std::move(making));
          } else {
            value_.emplace(f(cx));
          }
        } else {
          using Made = detail::made_by<std::invoke_result_t<F&>>;
          if constexpr (Made::is_task) {
            auto making = f();
            value_.emplace(co_await std::move(making));
          } else {
            value_.emplace(f());
          }
        }
        turn.made();
      }
    } else {
      co_await cx.checkpoint();  // a cancel point also when the value is there
    }
    co_return &*value_;
  }

  detail::OnceCore core_;
  std::optional<T> value_;
};

/// A OnceCell with the function that makes its value: it may be called again when it has failed.
template <class T, class F = std::function<Task<T>(Cx)>>
class Lazy {
 public:
  explicit Lazy(F f, Name name = {}) : make_(std::move(f)), cell_(name) {}

  /// Never nullptr.
  template <class Caps>
  Task<const T*> get(BasicCx<Caps> cx) {
    if constexpr (std::invocable<F&, BasicCx<Caps>>) {
      return cell_.get_or_init(cx, [this](BasicCx<Caps> mine) { return make_(mine); });
    } else {
      return cell_.get_or_init(cx, [this] { return make_(); });
    }
  }
  /// Until somebody has made it: `const T*`, never nullptr. Makes nothing itself. For select too.
  template <class Caps>
  auto ready(const BasicCx<Caps>& cx) {
    return cell_.ready(cx);
  }
  auto ready() { return cell_.ready(); }
  /// nullptr: not made yet.
  const T* get_if_made() const noexcept { return cell_.get(); }
  OnceCellStatistics statistics() const noexcept { return cell_.statistics(); }

 private:
  F make_;
  OnceCell<T> cell_;
};

namespace detail {
template <class F>
struct lazy_result {
  using type = typename made_by<std::invoke_result_t<F&>>::type;
};
template <class F>
requires std::invocable<F&, Cx>
struct lazy_result<F> {
  using type = typename made_by<std::invoke_result_t<F&, Cx>>::type;
};
}  // namespace detail
template <class F>
Lazy(F) -> Lazy<typename detail::lazy_result<F>::type, F>;
template <class F>
Lazy(F, Name) -> Lazy<typename detail::lazy_result<F>::type, F>;
template <class F, std::size_t n>
Lazy(F, const char (&)[n]) -> Lazy<typename detail::lazy_result<F>::type, F>;

template <class T>
inline constexpr bool enable_sync<OnceCell<T>> = Sendable<T>;
template <class T, class F>
inline constexpr bool enable_sync<Lazy<T, F>> = Sendable<T>;
template <>
inline constexpr bool enable_sendable<detail::OnceTurn> = false;
template <class T>
inline constexpr bool enable_sendable<OnceCellTurn<T>> = false;

}  // namespace quiesce
