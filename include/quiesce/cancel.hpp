// CancelKind, CleanupBudget, CancelReason: why something is cancelled, and how long it may take to stop.
//
// A CancelReason is one pointer to an immutable shared node: copies are noexcept and may be read from any
// thread. It carries the kind, an optional message, the region and task that asked, the source line of the
// request, the time, and a bounded chain of causes. The `with_…` functions give a new reason and leave the old
// one as it was; on an rvalue that nobody shares they reuse its node. Making one allocates; copying, comparing
// and reading do not.
//
// Order (C2). Reasons are totally ordered by rank, rank of the root cause, time (the earlier is the greater:
// who asked first stands), origin task, origin region (both by logical id), kind, message, location, then the
// chain, cause by cause; two that differ in nothing else are ordered by their clean-up budget. Slab ids and
// printed paths take no part. `strengthen(a, b)` keeps the greater reason whole and meets the clean-up budgets:
// it is associative, commutative and idempotent, and never below either of its arguments, so requests never
// weaken.
//
// Bounds. `with_cause` keeps at most CauseLimits of causes. What does not fit is cut from the far end:
// `truncated()` then says so, and `root_kind()` (and so the rank of the root cause) is still that of the true
// root. The nearest cause always stays, its texts shortened where they alone are too long, unless max_depth is
// 0.
//
// A moved-from reason may only be destroyed or assigned to.
//   scope.cancel(CancelReason::user("the user pressed Ctrl-C"));
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include "quiesce/detail/intrusive_ptr.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/logical.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

enum class CancelKind : std::uint8_t {
  User,
  Timeout,
  Deadline,
  PollQuota,
  CostBudget,
  FailFast,
  RaceLost,
  LinkedExit,
  ParentCancelled,
  ResourceUnavailable,
  Shutdown,
};

inline constexpr std::uint8_t max_cancel_rank = 5;

// Severity of a kind (C1), 0 … max_cancel_rank.
[[nodiscard]] constexpr std::uint8_t rank(CancelKind kind) noexcept {
  switch (kind) {
    case CancelKind::User: return 0;
    case CancelKind::Timeout:
    case CancelKind::Deadline: return 1;
    case CancelKind::PollQuota:
    case CancelKind::CostBudget: return 2;
    case CancelKind::FailFast:
    case CancelKind::RaceLost:
    case CancelKind::LinkedExit: return 3;
    case CancelKind::ParentCancelled:
    case CancelKind::ResourceUnavailable: return 4;
    case CancelKind::Shutdown: break;
  }
  return max_cancel_rank;
}

[[nodiscard]] std::string_view to_string(CancelKind kind) noexcept;
std::ostream& operator<<(std::ostream& os, CancelKind kind);

// What a mask or a clean-up may use before it counts as unmasked (C7): steps and time, whichever ends first.
struct CleanupBudget {
  std::uint32_t steps = 0;
  Duration time{};
  friend constexpr bool operator==(const CleanupBudget&, const CleanupBudget&) noexcept = default;
};

[[nodiscard]] constexpr CleanupBudget meet(CleanupBudget a, CleanupBudget b) noexcept {
  return {b.steps < a.steps ? b.steps : a.steps, b.time < a.time ? b.time : a.time};
}

// The library's defaults, by the rank of the root cause: the graver the reason, the less time to tidy up.
[[nodiscard]] constexpr CleanupBudget default_cleanup_budget(std::uint8_t root_rank) noexcept {
  constexpr CleanupBudget by_rank[max_cancel_rank + 1] = {
      {4096, std::chrono::seconds(30)}, {2048, std::chrono::seconds(15)}, {1024, std::chrono::seconds(10)},
      {512, std::chrono::seconds(5)},   {256, std::chrono::seconds(3)},   {128, std::chrono::seconds(2)},
  };
  return by_rank[root_rank < max_cancel_rank ? root_rank : max_cancel_rank];
}

// Who asked. `logical` decides the order, `path` is what messages show, `id` gives access to the record.
template <class IdType>
struct Origin {
  IdType id;
  LogicalId logical;
  std::string path;

  Origin() = default;
  explicit Origin(IdType origin_id, LogicalId logical_id = {}, std::string printed_path = {})
      : id(origin_id), logical(logical_id), path(std::move(printed_path)) {}
};
using RegionOrigin = Origin<RegionId>;
using TaskOrigin = Origin<TaskId>;

// Bounds of a chain of causes: how many causes, and how many bytes of text (messages and paths) in all of them.
struct CauseLimits {
  std::uint32_t max_depth = 16;
  std::size_t max_bytes = 4096;
};

namespace detail {
struct CancelNode;
void intrusive_retain(const CancelNode* node) noexcept;
void intrusive_release(const CancelNode* node) noexcept;
}  // namespace detail

class CancelReason {
 public:
  using Location = std::source_location;

  [[nodiscard]] static CancelReason make(CancelKind kind, std::string message = {},
                                         Location at = Location::current());
  [[nodiscard]] static CancelReason user(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason timeout(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason deadline(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason poll_quota(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason cost_budget(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason fail_fast(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason race_lost(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason linked_exit(std::string message = {}, Location at = Location::current());
  [[nodiscard]] static CancelReason parent_cancelled(std::string message = {},
                                                     Location at = Location::current());
  [[nodiscard]] static CancelReason resource_unavailable(std::string message = {},
                                                         Location at = Location::current());
  [[nodiscard]] static CancelReason shutdown(std::string message = {}, Location at = Location::current());

  [[nodiscard]] CancelKind kind() const noexcept;
  [[nodiscard]] std::uint8_t rank() const noexcept { return quiesce::rank(kind()); }
  [[nodiscard]] const std::string& message() const noexcept;  // empty: none was given
  [[nodiscard]] RegionId region() const noexcept { return region_origin().id; }
  [[nodiscard]] TaskId task() const noexcept { return task_origin().id; }
  [[nodiscard]] const RegionOrigin& region_origin() const noexcept;  // an invalid id: none
  [[nodiscard]] const TaskOrigin& task_origin() const noexcept;      // an invalid id: none
  [[nodiscard]] const Location& location() const noexcept;
  [[nodiscard]] Time time() const noexcept;  // Time::zero() until with_time

  [[nodiscard]] const CancelReason* cause() const noexcept;  // nullptr: none
  [[nodiscard]] const CancelReason& root_cause()
      const noexcept;                                   // the farthest that was kept; without causes *this
  [[nodiscard]] CancelKind root_kind() const noexcept;  // of the true root, also where the chain was cut
  [[nodiscard]] bool truncated() const noexcept;
  [[nodiscard]] const std::optional<CleanupBudget>& cleanup() const noexcept;  // none: the defaults apply

  [[nodiscard]] CancelReason with_message(std::string message) const&;
  [[nodiscard]] CancelReason with_message(std::string message) &&;
  [[nodiscard]] CancelReason with_region(RegionOrigin origin) const&;
  [[nodiscard]] CancelReason with_region(RegionOrigin origin) &&;
  [[nodiscard]] CancelReason with_task(TaskOrigin origin) const&;
  [[nodiscard]] CancelReason with_task(TaskOrigin origin) &&;
  [[nodiscard]] CancelReason with_time(Time time) const&;
  [[nodiscard]] CancelReason with_time(Time time) &&;
  // Replaces the whole chain by `cause` and its causes, within `limits`.
  [[nodiscard]] CancelReason with_cause(const CancelReason& cause, CauseLimits limits = {}) const&;
  [[nodiscard]] CancelReason with_cause(const CancelReason& cause, CauseLimits limits = {}) &&;
  [[nodiscard]] CancelReason with_cleanup(CleanupBudget budget) const&;
  [[nodiscard]] CancelReason with_cleanup(CleanupBudget budget) &&;

  /// Of one and the same reason: then they are equal, and nothing needs to be compared.
  [[nodiscard]] bool is_copy_of(const CancelReason& other) const noexcept {
    return node_.get() == other.node_.get();
  }
  friend std::strong_ordering operator<=>(const CancelReason& a, const CancelReason& b) noexcept;
  friend bool operator==(const CancelReason& a, const CancelReason& b) noexcept { return (a <=> b) == 0; }

 private:
  friend struct detail::CancelNode;
  CancelReason() noexcept = default;  // only for a node without a cause
  explicit CancelReason(detail::CancelNode* adopted) noexcept : node_(adopted) {}

  const detail::CancelNode& node() const noexcept;
  detail::CancelNode& own();

  detail::IntrusivePtr<detail::CancelNode> node_;
};

// The total order, by name.
[[nodiscard]] std::strong_ordering compare(const CancelReason& a, const CancelReason& b) noexcept;

// The greater of the two, whole, with the meet of both clean-up budgets. Allocates only where that changes the
// budget.
[[nodiscard]] CancelReason strengthen(const CancelReason& a, const CancelReason& b);

// "User: message (task 0.3.1, region 0.3, at file.cpp:12) caused by …"
[[nodiscard]] std::string to_string(const CancelReason& reason);
std::ostream& operator<<(std::ostream& os, const CancelReason& reason);

inline CancelReason CancelReason::user(std::string message, Location at) {
  return make(CancelKind::User, std::move(message), at);
}
inline CancelReason CancelReason::timeout(std::string message, Location at) {
  return make(CancelKind::Timeout, std::move(message), at);
}
inline CancelReason CancelReason::deadline(std::string message, Location at) {
  return make(CancelKind::Deadline, std::move(message), at);
}
inline CancelReason CancelReason::poll_quota(std::string message, Location at) {
  return make(CancelKind::PollQuota, std::move(message), at);
}
inline CancelReason CancelReason::cost_budget(std::string message, Location at) {
  return make(CancelKind::CostBudget, std::move(message), at);
}
inline CancelReason CancelReason::fail_fast(std::string message, Location at) {
  return make(CancelKind::FailFast, std::move(message), at);
}
inline CancelReason CancelReason::race_lost(std::string message, Location at) {
  return make(CancelKind::RaceLost, std::move(message), at);
}
inline CancelReason CancelReason::linked_exit(std::string message, Location at) {
  return make(CancelKind::LinkedExit, std::move(message), at);
}
inline CancelReason CancelReason::parent_cancelled(std::string message, Location at) {
  return make(CancelKind::ParentCancelled, std::move(message), at);
}
inline CancelReason CancelReason::resource_unavailable(std::string message, Location at) {
  return make(CancelKind::ResourceUnavailable, std::move(message), at);
}
inline CancelReason CancelReason::shutdown(std::string message, Location at) {
  return make(CancelKind::Shutdown, std::move(message), at);
}

}  // namespace quiesce
