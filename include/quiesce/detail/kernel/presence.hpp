#pragma once
// Where a thread says which locks it holds as their owner (kept_lock.hpp): marks of its own, found by its number.
//
// A mark is not in the lock, for it may come late. A thread that was the owner when it looked may be stopped before it marks itself, and
// find itself revoked, and another the owner, when it goes on: what it then takes back must not be the other's mark.
#include <array>
#include <cstdint>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

/// Written by its thread alone.
template <class Platform>
class alignas(64) Presence {
 public:
  using Mark = typename Platform::template atomic<const void*>;

  /// One that is not in use, or nullptr: it holds as many locks as its owner as there are marks.
  Mark* free_mark() noexcept {
    for (Mark& mark : marks_) {
      if (mark.load(std::memory_order_relaxed) == nullptr) [[likely]]
        return &mark;
    }
    return nullptr;
  }
  /// Any thread, after the fence.
  bool is_in(const void* lock) const noexcept {
    for (const Mark& mark : marks_) {
      if (mark.load(std::memory_order_seq_cst) == lock) return true;
    }
    return false;
  }

 private:
  std::array<Mark, Platform::presence_marks> marks_{};
};

/// Of the threads with numbers (thread_context.hpp): see `take_locker`.
extern constinit std::array<Presence<RealPlatform>, RealPlatform::presences_max> presences;
inline Presence<RealPlatform>& RealPlatform::presence(std::uint32_t number) noexcept {
  return presences[number];
}

}  // namespace quiesce::detail
