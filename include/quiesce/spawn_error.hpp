#pragma once
// Why something could not be started or registered in a region.
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "quiesce/cancel.hpp"
#include "quiesce/error.hpp"
#include "quiesce/ids.hpp"

namespace quiesce {

/// The ways in which a spawn is refused (rule S2).
enum class SpawnErrorKind : std::uint8_t {
  RegionNotFound,             // the region has closed; its id is stale
  RegionClosed,               // it is closing, or has been cancelled
  RegionAtCapacity,           // a limit of RegionLimits is reached
  LocalSchedulerUnavailable,  // a local spawn where no worker runs
  RuntimeShutdown,            // the runtime takes no new work
  WrongRuntime                // scope and context belong to different runtimes
};
const char* to_string(SpawnErrorKind kind) noexcept;
std::ostream& operator<<(std::ostream& out, SpawnErrorKind kind);

/// A refused request to a region: which, why, and what to do. Nothing was started and no count changed. Cheap
/// to copy. `co_await` of one ends the awaiting coroutine: Cancelled with the region's reason when the region
/// refused because it was cancelled and the awaiting task has been reached by that request (rule R3), otherwise
/// Err.
class RegionRefusal {
 public:
  RegionId region() const noexcept { return region_; }
  /// The limit that was reached and what was live then; 0 for other kinds.
  std::uint64_t limit() const noexcept { return limit_; }
  std::uint64_t live() const noexcept { return live_; }
  /// Why the region was cancelled, when that is the cause of the refusal.
  const std::optional<CancelReason>& cancel_reason() const noexcept { return reason_; }
  /// One sentence: what happened, to which region (its path), and what to do.
  std::string message() const;

 protected:
  RegionRefusal(ErrorCode code, RegionId region, std::string path)
      : code_(code), region_(region), path_(std::move(path)) {}
  Error to_error() const;

  ErrorCode code_;
  RegionId region_;
  std::string path_;
  std::string what_;  // the limit's name
  std::uint64_t limit_ = 0, live_ = 0;
  std::optional<CancelReason> reason_;
};

class SpawnError : public RegionRefusal {
 public:
  SpawnError(SpawnErrorKind kind, RegionId region, std::string path = {});
  /// The region refused what was to be passed to the task: an obligation.
  explicit SpawnError(const RegionRefusal& refusal);
  static SpawnError at_capacity(RegionId region, std::string path, std::string what, std::uint64_t limit,
                                std::uint64_t live);
  SpawnError with_reason(CancelReason reason) && {
    reason_ = std::move(reason);
    return std::move(*this);
  }
  SpawnErrorKind kind() const noexcept { return kind_; }
  operator Error() const { return to_error(); }

 private:
  SpawnErrorKind kind_;
};
std::ostream& operator<<(std::ostream& out, const SpawnError& error);

/// Why a finalizer, a heap value or an obligation was refused, or a region's value could not be read.
class RegionError : public RegionRefusal {
 public:
  RegionError(ErrorCode code, RegionId region, std::string path = {})
      : RegionRefusal(code, region, std::move(path)) {}
  RegionError(const SpawnError& spawn) : RegionRefusal(spawn) {}
  ErrorCode code() const noexcept { return code_; }
  operator Error() const { return to_error(); }
};
std::ostream& operator<<(std::ostream& out, const RegionError& error);

}  // namespace quiesce
