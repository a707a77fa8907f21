// Error: what an `Err` outcome carries unless the program has a type of its own. A code, a text, and a context
// of (key, value) pairs that says to what it happened; for ChildCancelled and TimedOut the cancel reason is
// attached.
//
// One pointer to an immutable shared node: copies are noexcept and cheap, and may be read from any thread. The
// `with_…` functions give a new Error and leave the old one as it was; on an rvalue that nobody shares they
// reuse its node. A default-made or moved-from Error is (User, ""). Equality looks at code and message only:
// the context and the reason say more about the same error. Making one allocates; nothing else does.
//   return Outcome<int>::err(Error(ErrorCode::InvalidArgument, "no such port").with_context("port", "70000"));
// prints as  InvalidArgument: no such port (port=70000)
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quiesce/detail/intrusive_ptr.hpp"

namespace quiesce {

class CancelReason;

enum class ErrorCode : std::uint16_t {
  User,                       // the program's own
  ChildCancelled,             // an awaited task ended Cancelled, and the awaiter was not asked to (O5)
  TimedOut,                   // as above for Timeout and Deadline, and `timeout`'s own answer (J5)
  PolledAfterCompletion,      // the result was taken before
  AlreadyJoining,             // another task waits in this handle's join
  WrongRegion,                // a scope of another region than the calling task's (R11)
  WrongRuntime,               // scope and context belong to different runtimes
  BlockingInTask,             // block_on or shutdown on a worker (S7)
  RuntimeShutdown,            // the runtime has shut down
  RegionNotFound,             // the id names no region, or one that is gone
  RegionClosed,               // the region has begun to close, or is cancelled (R3)
  RegionAtCapacity,           // a limit of the region was reached (R8)
  LocalSchedulerUnavailable,  // a local spawn where no worker runs
  ForeignContext,             // suspending through another task's Cx
  StaleContext,               // a Cx whose task has ended
  MissingCapability,          // the context does not hold what the call needs
  MaskTooDeep,                // masks nested past their bound
  StaleReference,             // an RRef whose region has closed, or from elsewhere
  ObligationMoved,            // a token that was moved away from
  ObligationLeaked,           // a token whose obligation was recorded as leaked (L2)
  EmptyTask,                  // a moved-from or already awaited Task
  NameTaken,                  // the registry knows the name already
  Disconnected,               // the other side of a channel is gone, or a primitive was closed
  Overloaded,                 // as many as may wait do so already, or a rate is used up
  CircuitOpen,                // a circuit breaker refuses, for what it guards has failed
  Io,                         // the operating system refused
  InvalidArgument,            // the caller's value cannot be used
};

[[nodiscard]] std::string_view to_string(ErrorCode code) noexcept;
std::ostream& operator<<(std::ostream& os, ErrorCode code);

namespace detail {
struct ErrorNode;
void intrusive_retain(const ErrorNode* node) noexcept;
void intrusive_release(const ErrorNode* node) noexcept;
}  // namespace detail

class Error {
 public:
  using ContextEntry = std::pair<std::string, std::string>;

  Error() noexcept = default;
  Error(ErrorCode code, std::string message);
  explicit Error(std::string message);

  [[nodiscard]] ErrorCode code() const noexcept;
  [[nodiscard]] const std::string& message() const noexcept;
  [[nodiscard]] const std::vector<ContextEntry>& context() const noexcept;
  // The attached reason, or nullptr; it lives as long as any copy of this Error.
  [[nodiscard]] const CancelReason* cancel_reason() const noexcept;

  // Appends; a key may appear more than once.
  [[nodiscard]] Error with_context(std::string key, std::string value) const&;
  [[nodiscard]] Error with_context(std::string key, std::string value) &&;
  [[nodiscard]] Error with_cancel_reason(CancelReason reason) const&;
  [[nodiscard]] Error with_cancel_reason(CancelReason reason) &&;

  friend bool operator==(const Error& a, const Error& b) noexcept;

 private:
  detail::ErrorNode& own();

  detail::IntrusivePtr<detail::ErrorNode> node_;
};

[[nodiscard]] std::string to_string(const Error& error);
std::ostream& operator<<(std::ostream& os, const Error& error);

}  // namespace quiesce
