#pragma once
// Obligation: something that a task has taken on and must settle before its region can close (rules L1 to L4).
//
//   auto permit = co_await q::Obligation::reserve(cx, scope, q::ObligationKind::SendPermit);   // may be refused: nothing happened
//   ... anything that may be cancelled ...
//   co_await permit.commit();                                                                  // immediate, no cancel point
//
// A token is move-only. It stands for one entry in the ledger of one region, held by one task; the region closes when its ledger
// is empty. Whoever lets a token go out of scope aborts it. Cancellation resolves nothing (C8).
// Only the holder resolves, or a finalizer of the region; when the holder has ended, whoever has the token. Everybody else gets
// ForeignContext. A token that is passed to `spawn` as an argument of its own, or joined as a task's result, moves holder and entry
// to the receiving task and its region; when that region does not take it the spawn is refused, the join gives that error, and
// the token stays where it was. `move_to` does the same for messages.
// What is still reserved when its holder has ended, the region's finalizers have run and its heap is dead, has leaked: it is
// logged and counted, and every later use of the token gives ObligationLeaked.
// Refuses: as a spawn does (RegionClosed, RegionNotFound, RegionAtCapacity for max_obligations); a task of the region that still
// runs may reserve in it to its end (R3). Cost: one lock of the region each. Thread-safety: of different tokens, any; of one, none.
#include <cstdint>
#include <expected>
#include <iosfwd>
#include <optional>
#include <source_location>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/scope/obligation_token.hpp"
#include "quiesce/detail/scope/scope_core.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

template <class P>
class Scope;

class [[nodiscard]] Obligation : public detail::ObligationToken {
 public:
  /// In the ledger of the scope's region, held by the task of `cx`, which must be the calling one.
  template <class Caps, class P>
  static std::expected<Obligation, RegionError> reserve(
      const BasicCx<Caps>& cx, const Scope<P>& scope, ObligationKind kind,
      std::source_location where = std::source_location::current()) {
    return reserve_in(scope.core(), cx.core(), kind, where);
  }
  /// In the ledger of the task's own region.
  template <class Caps>
  static std::expected<Obligation, RegionError> reserve(
      const BasicCx<Caps>& cx, ObligationKind kind,
      std::source_location where = std::source_location::current()) {
    return reserve_in(std::nullopt, cx.core(), kind, where);
  }

  Obligation(Obligation&& other) noexcept
      : detail::ObligationToken(std::exchange(static_cast<detail::ObligationToken&>(other), {})) {}
  Obligation& operator=(Obligation&& other) noexcept {
    Obligation gone(std::move(*this));
    static_cast<detail::ObligationToken&>(*this) =
        std::exchange(static_cast<detail::ObligationToken&>(other), {});
    return *this;
  }
  ~Obligation() {
    if (token_id.is_valid()) drop();
  }

  /// Resolves it. By its holder it cannot fail; neither waits nor can be cancelled.
  std::expected<void, RegionError> commit() noexcept { return resolve(ObligationState::Committed); }
  std::expected<void, RegionError> abort() noexcept { return resolve(ObligationState::Aborted); }
  /// The task of `cx` becomes the holder, the scope's region the one that owes. A refusal leaves everything as it was.
  template <class P, class Caps>
  std::expected<void, RegionError> move_to(const Scope<P>& scope, const BasicCx<Caps>& cx) {
    return move(scope.core(), cx.core());
  }

  /// For the library's own permits: in the ledger of the region of `cx`'s task, which is the running one.
  static std::expected<Obligation, RegionError> detail_reserve(detail::CxCore cx, ObligationKind kind,
                                                               std::source_location where);
  ObligationId id() const noexcept { return token_id; }
  ObligationKind kind() const noexcept { return token_kind; }
  /// Not yet resolved or moved from; it may have leaked.
  explicit operator bool() const noexcept { return token_id.is_valid(); }

 private:
  explicit Obligation(const detail::ObligationToken& token) : detail::ObligationToken(token) {}

  static std::expected<Obligation, RegionError> reserve_in(const std::optional<detail::ScopeCore>& scope,
                                                           detail::CxCore cx, ObligationKind kind,
                                                           std::source_location where);
  std::expected<void, RegionError> resolve(ObligationState how) noexcept;
  std::expected<void, RegionError> move(detail::ScopeCore scope, detail::CxCore cx);
  void drop() noexcept;
};

template <>
inline constexpr bool enable_sendable<Obligation> = true;

}  // namespace quiesce
