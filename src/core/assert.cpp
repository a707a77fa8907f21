#include "quiesce/detail/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace quiesce::detail {

constinit thread_local AssertionWatcher assertion_watcher = nullptr;

void assertion_failed(const char* file, int line, const char* condition, std::string_view message) noexcept {
  if (assertion_watcher != nullptr) assertion_watcher(file, line, condition, message);
  std::fprintf(stderr, "%s:%d: quiesce: assertion `%s` failed: %.*s\n", file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace quiesce::detail
