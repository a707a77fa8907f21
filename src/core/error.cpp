#include "quiesce/error.hpp"

#include <optional>
#include <ostream>

#include "quiesce/cancel.hpp"

namespace quiesce {

namespace detail {

struct ErrorNode {
  RefCount references;
  ErrorCode code = ErrorCode::User;
  std::string message;
  std::vector<Error::ContextEntry> context;
  std::optional<CancelReason> reason;

  ErrorNode() = default;
  ErrorNode(ErrorCode error_code, std::string text) : code(error_code), message(std::move(text)) {}
  ErrorNode(const ErrorNode& other)
      : code(other.code), message(other.message), context(other.context), reason(other.reason) {}
};

void intrusive_retain(const ErrorNode* node) noexcept { node->references.retain(); }
void intrusive_release(const ErrorNode* node) noexcept {
  if (node->references.release()) delete node;
}

}  // namespace detail

namespace {

// Made on first use: an Error may be read while other globals are still being made.
const std::string& no_text() noexcept {
  static const std::string none;
  return none;
}

const std::vector<Error::ContextEntry>& no_context() noexcept {
  static const std::vector<Error::ContextEntry> none;
  return none;
}

}  // namespace

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::User: return "User";
    case ErrorCode::ChildCancelled: return "ChildCancelled";
    case ErrorCode::TimedOut: return "TimedOut";
    case ErrorCode::PolledAfterCompletion: return "PolledAfterCompletion";
    case ErrorCode::AlreadyJoining: return "AlreadyJoining";
    case ErrorCode::WrongRegion: return "WrongRegion";
    case ErrorCode::WrongRuntime: return "WrongRuntime";
    case ErrorCode::BlockingInTask: return "BlockingInTask";
    case ErrorCode::RuntimeShutdown: return "RuntimeShutdown";
    case ErrorCode::RegionNotFound: return "RegionNotFound";
    case ErrorCode::RegionClosed: return "RegionClosed";
    case ErrorCode::RegionAtCapacity: return "RegionAtCapacity";
    case ErrorCode::LocalSchedulerUnavailable: return "LocalSchedulerUnavailable";
    case ErrorCode::ForeignContext: return "ForeignContext";
    case ErrorCode::StaleContext: return "StaleContext";
    case ErrorCode::MissingCapability: return "MissingCapability";
    case ErrorCode::MaskTooDeep: return "MaskTooDeep";
    case ErrorCode::StaleReference: return "StaleReference";
    case ErrorCode::ObligationMoved: return "ObligationMoved";
    case ErrorCode::ObligationLeaked: return "ObligationLeaked";
    case ErrorCode::EmptyTask: return "EmptyTask";
    case ErrorCode::NameTaken: return "NameTaken";
    case ErrorCode::Disconnected: return "Disconnected";
    case ErrorCode::Overloaded: return "Overloaded";
    case ErrorCode::CircuitOpen: return "CircuitOpen";
    case ErrorCode::Io: return "Io";
    case ErrorCode::InvalidArgument: return "InvalidArgument";
  }
  return "ErrorCode(?)";
}

std::ostream& operator<<(std::ostream& os, ErrorCode code) { return os << to_string(code); }

Error::Error(ErrorCode code, std::string message) : node_(new detail::ErrorNode(code, std::move(message))) {}
Error::Error(std::string message) : Error(ErrorCode::User, std::move(message)) {}

ErrorCode Error::code() const noexcept { return node_ ? node_->code : ErrorCode::User; }
const std::string& Error::message() const noexcept { return node_ ? node_->message : no_text(); }
const std::vector<Error::ContextEntry>& Error::context() const noexcept {
  return node_ ? node_->context : no_context();
}
const CancelReason* Error::cancel_reason() const noexcept {
  return node_ && node_->reason ? &*node_->reason : nullptr;
}

// A node that only this Error sees: shared nodes are immutable.
detail::ErrorNode& Error::own() {
  if (!node_) {
    node_ = detail::IntrusivePtr(new detail::ErrorNode());
  } else if (!node_->references.is_unique()) {
    node_ = detail::IntrusivePtr(new detail::ErrorNode(*node_));
  }
  return *node_;
}

Error Error::with_context(std::string key, std::string value) && {
  own().context.emplace_back(std::move(key), std::move(value));
  return std::move(*this);
}
Error Error::with_context(std::string key, std::string value) const& {
  return Error(*this).with_context(std::move(key), std::move(value));
}
Error Error::with_cancel_reason(CancelReason reason) && {
  own().reason = std::move(reason);
  return std::move(*this);
}
Error Error::with_cancel_reason(CancelReason reason) const& {
  return Error(*this).with_cancel_reason(std::move(reason));
}

bool operator==(const Error& a, const Error& b) noexcept {
  return a.code() == b.code() && a.message() == b.message();
}

std::string to_string(const Error& error) {
  std::string text(to_string(error.code()));
  if (!error.message().empty()) text.append(": ").append(error.message());
  const char* separator = " (";
  for (const auto& [key, value] : error.context()) {
    text.append(separator).append(key).append("=").append(value);
    separator = ", ";
  }
  if (!error.context().empty()) text += ')';
  if (error.cancel_reason() != nullptr) text.append(" [").append(to_string(*error.cancel_reason())).append("]");
  return text;
}

std::ostream& operator<<(std::ostream& os, const Error& error) { return os << to_string(error); }

}  // namespace quiesce
