#pragma once
// What Obligation and the parts that move one on (spawn arguments, a joined result) have in common.
#include <array>
#include <concepts>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <type_traits>

#include "quiesce/detail/kernel/obligations.hpp"

namespace quiesce::detail {

/// The right to resolve one entry of a ledger; the id is not valid once it was resolved or moved from.
struct ObligationToken {
  ObligationId token_id;
  ObligationKind token_kind = ObligationKind::SendPermit;
};

template <class A>
concept HoldsObligation = std::derived_from<std::remove_cvref_t<A>, ObligationToken>;

/// Moves tokens to a task that has been admitted, all of them or none (L1). Unless `keep` is called they go back: the task was
/// not started.
class TokenMove {
 public:
  static constexpr std::size_t tokens_max = 8;

  explicit TokenMove(TaskRecord& receiver) : receiver_(receiver) {}
  TokenMove(const TokenMove&) = delete;
  TokenMove& operator=(const TokenMove&) = delete;
  ~TokenMove() {
    if (count_ > 0) give_back();
  }
  /// Why the receiver's region does not take it; the ones before go back with this object.
  std::optional<RegionError> add(ObligationToken& token);
  void keep() noexcept { count_ = 0; }

 private:
  struct Moved {
    ObligationToken* token;
    ObligationId now;
    RegionRecord* region;
    std::uint32_t generation;
    TaskId holder;
  };
  void give_back() noexcept;

  TaskRecord& receiver_;
  std::array<Moved, tokens_max> moved_;
  std::size_t count_ = 0;
};

/// Nothing to move: most spawns.
struct NoTokenMove {
  explicit NoTokenMove(TaskRecord&) {}
  void keep() noexcept {}
};
template <class... Args>
using TokenMoveOf = std::conditional_t<(HoldsObligation<Args> || ...), TokenMove, NoTokenMove>;

/// Moves whichever of the arguments are tokens.
template <class... Args>
std::optional<RegionError> move_tokens(NoTokenMove&, Args&...) {
  return std::nullopt;
}
template <class... Args>
std::optional<RegionError> move_tokens(TokenMove& move, Args&... args) {
  static_assert(
      (std::size_t{0} + ... + (HoldsObligation<Args> ? 1 : 0)) <= TokenMove::tokens_max,
      "quiesce: at most eight obligations can be passed to one task: move the others with Obligation::move_to");
  std::optional<RegionError> refused;
  auto one = [&](auto& argument) {
    if constexpr (HoldsObligation<decltype(argument)>) {
      if (!refused) refused = move.add(argument);
    }
  };
  (one(args), ...);
  return refused;
}

/// A token that was a task's result becomes the joiner's. Why the joiner's region does not take it.
std::optional<RegionError> receive_token(ObligationToken& token, TaskRecord& joiner);

}  // namespace quiesce::detail
