#pragma once
// A run that is ended for good leaves behind what lies on its stacks: leaks are not looked for where that is expected.

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define QUIESCE_LEAKS_ARE_LOOKED_FOR
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define QUIESCE_LEAKS_ARE_LOOKED_FOR
#endif
#ifdef QUIESCE_LEAKS_ARE_LOOKED_FOR
#include <sanitizer/lsan_interface.h>
#endif

namespace quiesce::tests {

class LeaksAllowed {
 public:
#ifdef QUIESCE_LEAKS_ARE_LOOKED_FOR
  LeaksAllowed() { __lsan_disable(); }
  ~LeaksAllowed() { __lsan_enable(); }
#else
  LeaksAllowed() {}   // as the other,
  ~LeaksAllowed() {}  // so that a variable of this type is used
#endif
  LeaksAllowed(const LeaksAllowed&) = delete;
  LeaksAllowed& operator=(const LeaksAllowed&) = delete;
};

}  // namespace quiesce::tests
