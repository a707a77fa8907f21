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
// Thread-safety: any thread. Cost: once made, one load; before, one lock. `get_or_init` and `Lazy::get` are Tasks and take no part in
// select; wait for `ready()` there, which waits without initialising. The cell must outlive those who wait.
#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/detail/sync/wait.hpp"
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
class TurnOperation {
 public:
  using error_type = Error;
  static constexpr const char* what = "a once cell";

  TurnOperation(OnceCore& core, bool wants_turn) noexcept : core_(&core), wants_turn_(wants_turn) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
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

class OnceReady : public TurnOperation {
 public:
  using value_type = void;
  explicit OnceReady(OnceCore& core) noexcept : TurnOperation(core, false) {}
  Outcome<> take() noexcept;
};

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
  /// Until it has a value, by whoever. For select too.
  template <class Caps>
  auto ready(const BasicCx<Caps>& cx) {
    return Wait<detail::OnceReady>(cx.core(), detail::OnceReady(core_));
  }
  auto ready() { return Operation<detail::OnceReady>(detail::OnceReady(core_)); }
  OnceCellStatistics statistics() const noexcept { return core_.statistics(); }

 private:
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

}  // namespace quiesce
