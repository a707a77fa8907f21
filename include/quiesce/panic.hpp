// PanicPayload: what a `Panicked` outcome carries. The message, the exception that escaped (if one did), an
// optional stack trace, and the id that the panic got in its run.
//
// One pointer to an immutable shared node: copies are noexcept and may be read from any thread (the exception
// object is shared, as std::exception_ptr shares it). The `with_…` functions give a new payload. A default-made
// or moved-from payload is the one without any knowledge: "unknown panic". Equality looks at message and id.
//   try { step(); } catch (...) { return Outcome<>::panicked(PanicPayload::from_current_exception()); }
#pragma once

#include <exception>
#include <iosfwd>
#include <string>

#include "quiesce/detail/intrusive_ptr.hpp"

namespace quiesce {

namespace detail {
struct PanicNode;
void intrusive_retain(const PanicNode* node) noexcept;
void intrusive_release(const PanicNode* node) noexcept;
}  // namespace detail

class PanicPayload {
 public:
  PanicPayload() noexcept = default;
  explicit PanicPayload(std::string message, std::exception_ptr exception = {}, std::string stack_trace = {},
                        std::string panic_id = {});

  // The message is what() of a std::exception, or the string that was thrown; anything else is "unknown panic"
  // (P5).
  [[nodiscard]] static PanicPayload from_exception(std::exception_ptr exception);
  // Only inside a handler; elsewhere there is no exception and the panic is unknown.
  [[nodiscard]] static PanicPayload from_current_exception();

  [[nodiscard]] const std::string& message() const noexcept;
  [[nodiscard]] const std::exception_ptr& exception() const noexcept;  // null when nothing was thrown
  [[nodiscard]] const std::string& stack_trace() const noexcept;       // empty when none was taken
  [[nodiscard]] const std::string& id() const noexcept;                // empty when none was given

  [[nodiscard]] PanicPayload with_id(std::string panic_id) const;
  [[nodiscard]] PanicPayload with_stack_trace(std::string stack_trace) const;
  [[nodiscard]] PanicPayload with_message(std::string message) const;

  friend bool operator==(const PanicPayload& a, const PanicPayload& b) noexcept;

 private:
  detail::IntrusivePtr<detail::PanicNode> node_;
};

// "message [id]"; the stack trace is not printed.
[[nodiscard]] std::string to_string(const PanicPayload& panic);
std::ostream& operator<<(std::ostream& os, const PanicPayload& panic);

}  // namespace quiesce
