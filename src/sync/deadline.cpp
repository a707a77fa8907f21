#include "quiesce/detail/sync/deadline.hpp"

#include <algorithm>
#include <string>

#include "quiesce/detail/kernel/records.hpp"

namespace quiesce::detail {

Error deadline_error(const char* what, const WaitSubject& subject) {
  std::string text = std::string("the wait for ") + what;
  if (subject.name != nullptr) text += std::string(" \"") + subject.name + '"';
  text += " came to its deadline and took no effect: wait longer, or go on without";
  Error error(ErrorCode::TimedOut, std::move(text));
  for (std::size_t i = 0; i < std::min<std::size_t>(subject.holder_count, subject.holders.size()); ++i)
    error = std::move(error).with_context("held by", to_string(subject.holders[i]));
  return error;
}

}  // namespace quiesce::detail
