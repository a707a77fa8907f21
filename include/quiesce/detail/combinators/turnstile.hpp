#pragma once
// Turnstile: at most so many inside. What the limits on concurrency are made of.
//
// First come, first served. Who has entered holds a pass and leaves with its destructor, wherever that runs: a pass may move into a
// task, whose frame gives it back. It is no obligation: whoever holds it holds its region open in other ways.
// `queue_max` bounds who may wait: one more is refused with Overloaded, and nobody is refused who finds a free place.
// The turnstile outlives its passes.
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {
namespace detail {

class Turnstile;

class [[nodiscard]] TurnstilePass {
 public:
  TurnstilePass() = default;
  explicit TurnstilePass(Turnstile& turnstile) noexcept : turnstile_(&turnstile) {}
  TurnstilePass(TurnstilePass&& other) noexcept : turnstile_(std::exchange(other.turnstile_, nullptr)) {}
  TurnstilePass& operator=(TurnstilePass&& other) noexcept {
    TurnstilePass gone(std::move(*this));
    turnstile_ = std::exchange(other.turnstile_, nullptr);
    return *this;
  }
  ~TurnstilePass() { leave(); }
  void leave() noexcept;
  explicit operator bool() const noexcept { return turnstile_ != nullptr; }

 private:
  Turnstile* turnstile_ = nullptr;
};

class EnterOperation : public ListedOperation<EnterOperation> {
 public:
  using value_type = TurnstilePass;
  static constexpr const char* what = "a place";

  explicit EnterOperation(Turnstile& turnstile) noexcept : turnstile_(&turnstile) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  Outcome<TurnstilePass> take() noexcept;
  void give_back() noexcept;
  WaitPlace place() const noexcept;

 private:
  Turnstile* turnstile_;
  bool refused_ = false;  // instead of a place it was told this
};

/// Until nobody is inside.
class IdleOperation : public ListedOperation<IdleOperation> {
 public:
  using value_type = void;
  static constexpr const char* what = "everybody to leave";

  explicit IdleOperation(Turnstile& turnstile) noexcept : turnstile_(&turnstile) {}
  bool try_now() noexcept;
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  Turnstile* turnstile_;
};

struct TurnstileStatistics {
  std::uint32_t inside = 0;
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;
  std::uint64_t refused = 0;
};

class Turnstile {
 public:
  static constexpr std::uint32_t unbounded = std::numeric_limits<std::uint32_t>::max();

  Turnstile(PrimitiveKind kind, std::uint32_t places, Name name = {},
            std::uint32_t queue_max = unbounded) noexcept
      : primitive_(kind, name), places_(places), queue_max_(queue_max) {}

  Wait<EnterOperation> enter(CxCore cx) { return Wait<EnterOperation>(cx, EnterOperation(*this)); }
  Wait<IdleOperation> idle(CxCore cx) { return Wait<IdleOperation>(cx, IdleOperation(*this)); }
  /// An empty pass: no place is free, or others wait for one.
  TurnstilePass try_enter() noexcept;
  TurnstileStatistics statistics() const noexcept;
  std::uint32_t places() const noexcept { return places_; }

 private:
  friend TurnstilePass;
  friend EnterOperation;
  friend IdleOperation;
  void leave() noexcept;
  void pump(WakeList& woken) noexcept;
  bool take_place() noexcept;

  Primitive primitive_;
  const std::uint32_t places_;
  const std::uint32_t queue_max_;
  // Under the lock.
  WaitList waiters_;
  WaitList idle_;
  std::uint32_t inside_ = 0;
  std::uint32_t queued_ = 0;  // in waiters_
  std::uint64_t refused_ = 0;
};

inline void TurnstilePass::leave() noexcept {
  if (Turnstile* turnstile = std::exchange(turnstile_, nullptr)) turnstile->leave();
}

}  // namespace detail

template <>
inline constexpr bool enable_sendable<detail::TurnstilePass> = true;

}  // namespace quiesce
