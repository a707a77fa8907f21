#include "quiesce/panic.hpp"

#include <ostream>
#include <string_view>
#include <utility>

namespace quiesce {

namespace detail {

struct PanicNode {
  RefCount references;
  std::string message;
  std::exception_ptr exception;
  std::string stack_trace;
  std::string id;

  PanicNode(std::string text, std::exception_ptr thrown, std::string trace, std::string panic_id)
      : message(std::move(text)),
        exception(std::move(thrown)),
        stack_trace(std::move(trace)),
        id(std::move(panic_id)) {}
};

void intrusive_retain(const PanicNode* node) noexcept { node->references.retain(); }
void intrusive_release(const PanicNode* node) noexcept {
  if (node->references.release()) delete node;
}

}  // namespace detail

namespace {

// The payload without any knowledge. Made on first use: it may be read while other globals are still being made.
const detail::PanicNode& unknown() {
  static const detail::PanicNode node("unknown panic", {}, {}, {});
  return node;
}

std::string text_or_unknown(const char* text) {
  return text != nullptr ? std::string(text) : unknown().message;
}

std::string describe(const std::exception_ptr& exception) {
  if (exception == nullptr) return unknown().message;
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return text_or_unknown(error.what());
  } catch (const std::string& text) { return text; } catch (std::string_view text) {
    return std::string(text);
  } catch (const char* text) { return text_or_unknown(text); } catch (...) {
    return unknown().message;
  }
}

}  // namespace

PanicPayload::PanicPayload(std::string message, std::exception_ptr exception, std::string stack_trace,
                           std::string panic_id)
    : node_(new detail::PanicNode(std::move(message), std::move(exception), std::move(stack_trace),
                                  std::move(panic_id))) {}

PanicPayload PanicPayload::from_exception(std::exception_ptr exception) {
  std::string message = describe(exception);
  return PanicPayload(std::move(message), std::move(exception));
}

PanicPayload PanicPayload::from_current_exception() { return from_exception(std::current_exception()); }

const std::string& PanicPayload::message() const noexcept { return node_ ? node_->message : unknown().message; }
const std::exception_ptr& PanicPayload::exception() const noexcept {
  return node_ ? node_->exception : unknown().exception;
}
const std::string& PanicPayload::stack_trace() const noexcept {
  return node_ ? node_->stack_trace : unknown().stack_trace;
}
const std::string& PanicPayload::id() const noexcept { return node_ ? node_->id : unknown().id; }

PanicPayload PanicPayload::with_id(std::string panic_id) const {
  return PanicPayload(message(), exception(), stack_trace(), std::move(panic_id));
}
PanicPayload PanicPayload::with_stack_trace(std::string stack_trace) const {
  return PanicPayload(message(), exception(), std::move(stack_trace), id());
}
PanicPayload PanicPayload::with_message(std::string message) const {
  return PanicPayload(std::move(message), exception(), stack_trace(), id());
}

bool operator==(const PanicPayload& a, const PanicPayload& b) noexcept {
  return a.message() == b.message() && a.id() == b.id();
}

std::string to_string(const PanicPayload& panic) {
  return panic.id().empty() ? panic.message() : panic.message() + " [" + panic.id() + "]";
}

std::ostream& operator<<(std::ostream& os, const PanicPayload& panic) { return os << to_string(panic); }

}  // namespace quiesce
