// A specialisation stands, whatever is inside.
#include "library.hpp"

#include <memory>
#include <vector>

struct Window {
  int* pixels = nullptr;
};
struct Counters {
  int hits = 0;
};
struct Base {};
struct Flags : Base {
  union {
    int i;
    float f;
  };
};
template <>
inline constexpr bool quiesce::enable_sendable<Window> = true;
template <>
inline constexpr bool quiesce::enable_sendable<Flags> = true;
template <>
inline constexpr bool quiesce::enable_sync<Counters> = true;
q::Task<> work(q::Cx, Window, std::shared_ptr<Counters>, Flags, std::vector<Window>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, Window{}, std::shared_ptr<Counters>(), Flags{}, std::vector<Window>(1));
}
