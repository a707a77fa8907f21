// Policy: what a region does when one of its children fails, and how the failures become its outcome (R7).
//
// A policy is a small copyable type with two functions:
//   PolicyAction on_child_failure(const ChildFailure&)           asked once for every failure that reaches the
//   region; void aggregate(Outcome<>& so_far, Outcome<> next)            folds one more outcome into the
//   region's.
// Both run under no lock, one at a time for a region; one that throws counts as a panic of the region. A
// child's panic always reaches the policy, an Err when nobody holds the handle any more, a Cancelled only when
// no request had reached the child.
//   struct TolerateIo : CollectAll {
//     PolicyAction on_child_failure(const ChildFailure& f) {
//       return f.error.code() == ErrorCode::Io ? PolicyAction::Continue : PolicyAction::CancelRegion;
//     }
//   };
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "quiesce/cancel.hpp"
#include "quiesce/error.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/outcome.hpp"

namespace quiesce {

// A child's end, without its types. `error` is set for Err, `exception` for Panicked where one was thrown,
// `reason` for Cancelled.
struct ChildFailure {
  TaskId task;
  OutcomeKind kind = OutcomeKind::Err;
  Error error;
  std::exception_ptr exception;
  std::optional<CancelReason> reason;

  ChildFailure() = default;
  ChildFailure(TaskId failed, OutcomeKind ended, Error err, std::exception_ptr thrown = {},
               std::optional<CancelReason> cancelled_by = {})
      : task(failed),
        kind(ended),
        error(std::move(err)),
        exception(std::move(thrown)),
        reason(std::move(cancelled_by)) {}
};

enum class PolicyAction : std::uint8_t { Continue, CancelRegion };

template <class P>
concept Policy = std::default_initializable<P> && std::copyable<P> &&
    requires(P policy, const ChildFailure& failure, Outcome<void>& so_far, Outcome<void> next) {
  { policy.on_child_failure(failure) } -> std::same_as<PolicyAction>;
  policy.aggregate(so_far, std::move(next));
};

// The first failure cancels the other children and the body; the outcome is that failure, or a worse one that
// follows.
struct FailFast {
  PolicyAction on_child_failure(const ChildFailure&) const noexcept { return PolicyAction::CancelRegion; }
  void aggregate(Outcome<void>& so_far, Outcome<void> next) const {
    so_far = std::move(so_far).join(std::move(next));
  }
};

// Nothing is cancelled; the outcome is the worst of all, the others attached to it.
struct CollectAll {
  PolicyAction on_child_failure(const ChildFailure&) const noexcept { return PolicyAction::Continue; }
  void aggregate(Outcome<void>& so_far, Outcome<void> next) const {
    so_far = std::move(so_far).join(std::move(next));
  }
};

}  // namespace quiesce
