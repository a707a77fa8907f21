#include "quiesce/spawn_error.hpp"

#include <ostream>
#include <sstream>

namespace quiesce {
namespace {

ErrorCode code_of(SpawnErrorKind kind) {
  switch (kind) {
    case SpawnErrorKind::RegionNotFound: return ErrorCode::RegionNotFound;
    case SpawnErrorKind::RegionClosed: return ErrorCode::RegionClosed;
    case SpawnErrorKind::RegionAtCapacity: return ErrorCode::RegionAtCapacity;
    case SpawnErrorKind::LocalSchedulerUnavailable: return ErrorCode::LocalSchedulerUnavailable;
    case SpawnErrorKind::RuntimeShutdown: return ErrorCode::RuntimeShutdown;
    case SpawnErrorKind::WrongRuntime: return ErrorCode::WrongRuntime;
  }
  return ErrorCode::User;
}

SpawnErrorKind kind_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::RegionNotFound: return SpawnErrorKind::RegionNotFound;
    case ErrorCode::RegionAtCapacity: return SpawnErrorKind::RegionAtCapacity;
    case ErrorCode::WrongRuntime: return SpawnErrorKind::WrongRuntime;
    case ErrorCode::RuntimeShutdown: return SpawnErrorKind::RuntimeShutdown;
    default: return SpawnErrorKind::RegionClosed;
  }
}

}  // namespace

const char* to_string(SpawnErrorKind kind) noexcept {
  switch (kind) {
    case SpawnErrorKind::RegionNotFound: return "RegionNotFound";
    case SpawnErrorKind::RegionClosed: return "RegionClosed";
    case SpawnErrorKind::RegionAtCapacity: return "RegionAtCapacity";
    case SpawnErrorKind::LocalSchedulerUnavailable: return "LocalSchedulerUnavailable";
    case SpawnErrorKind::RuntimeShutdown: return "RuntimeShutdown";
    case SpawnErrorKind::WrongRuntime: return "WrongRuntime";
  }
  return "unknown";
}
std::ostream& operator<<(std::ostream& out, SpawnErrorKind kind) { return out << to_string(kind); }

std::string RegionRefusal::message() const {
  std::ostringstream text;
  // By its path, which is the same in every run (S8); of one that is gone only the id is left, which to_error adds.
  text << (path_.empty() ? "the region" : "region " + path_);
  switch (code_) {
    case ErrorCode::RegionNotFound:
      text << " has closed; its scope and ids are stale: spawn into a region that is open";
      break;
    case ErrorCode::RegionClosed:
      text << (reason_ ? " has been cancelled" : " is closing")
           << " and takes nothing new: spawn before it ends, or into another region";
      if (reason_) text << " (" << *reason_ << ")";
      break;
    case ErrorCode::RegionAtCapacity:
      text << " is at capacity: " << what_ << " is " << limit_ << " and " << live_
           << " are live: wait for some to end, or raise the limit";
      break;
    case ErrorCode::LocalSchedulerUnavailable:
      text << ": spawn_local needs a worker of this runtime to pin the task to: call it from a task";
      break;
    case ErrorCode::RuntimeShutdown: text << ": the runtime is shutting down and takes no new work"; break;
    case ErrorCode::WrongRuntime:
      text << " belongs to another runtime than this context: pass the context of a task of that runtime";
      break;
    case ErrorCode::StaleReference:
      text << ": the value of this reference is gone, for its region has closed or it was never there";
      break;
    case ErrorCode::WrongRegion: text << ": only its tasks and those below it may read its heap"; break;
    case ErrorCode::StaleContext:
      text << ": the context's task has ended; use the context of the running task";
      break;
    case ErrorCode::ObligationLeaked:
      text << ": the obligation was still reserved when its region ended, and has leaked";
      break;
    case ErrorCode::ObligationMoved:
      text << ": the obligation has been resolved or moved on, and this token is stale";
      break;
    case ErrorCode::ForeignContext:
      text << ": a task reserves through its own context and resolves what it holds itself; an obligation is "
              "another's: move it with "
              "Obligation::move_to";
      break;
    default: text << ": " << to_string(code_); break;
  }
  return text.str();
}

Error RegionRefusal::to_error() const {
  Error error = Error(code_, message()).with_context("region", to_string(region_));
  if (code_ == ErrorCode::RegionAtCapacity) {
    error = std::move(error)
                .with_context("limit", std::to_string(limit_))
                .with_context("live", std::to_string(live_));
  }
  return reason_ ? std::move(error).with_cancel_reason(*reason_) : error;
}

SpawnError::SpawnError(SpawnErrorKind kind, RegionId region, std::string path)
    : RegionRefusal(code_of(kind), region, std::move(path)), kind_(kind) {}

SpawnError::SpawnError(const RegionRefusal& refusal) : RegionRefusal(refusal), kind_(kind_of(code_)) {}

SpawnError SpawnError::at_capacity(RegionId region, std::string path, std::string what, std::uint64_t limit,
                                   std::uint64_t live) {
  SpawnError error(SpawnErrorKind::RegionAtCapacity, region, std::move(path));
  error.what_ = std::move(what);
  error.limit_ = limit;
  error.live_ = live;
  return error;
}

std::ostream& operator<<(std::ostream& out, const SpawnError& error) {
  return out << error.kind() << ": " << error.message();
}
std::ostream& operator<<(std::ostream& out, const RegionError& error) {
  return out << to_string(error.code()) << ": " << error.message();
}

}  // namespace quiesce
