#pragma once
#include <array>
#include <cstdint>

#include "quiesce/ids.hpp"

namespace quiesce::detail {

/// A waiting task and which of its waits: a value, safe to keep for any time, for a claim with an old epoch fails harmlessly.
struct Waiter {
  std::uint64_t packed = 0;  // index 24, epoch 40; 0 = nobody (the first epoch of a record is 1)

  static Waiter of(std::uint32_t index, std::uint64_t epoch) { return {(epoch << 24) | index}; }
  std::uint32_t index() const { return static_cast<std::uint32_t>(packed & 0xffffff); }
  std::uint64_t epoch() const { return packed >> 24; }
  explicit operator bool() const { return packed != 0; }
};

/// A task's place in the list of a primitive (sync/primitive.hpp). All under the primitive's lock, from when it is enlisted until
/// its wait was claimed or it has been taken out.
struct WaitNode {
  WaitNode* ring_prev = nullptr;  // before the first is the last: WaitList::after
  WaitNode* ring_next = nullptr;
  Waiter waiter;
  bool linked = false;
  bool granted = false;
  bool missed = false;      // its turn came while its task looked at something else: it comes back to the front
  std::uint8_t kind = 0;    // the primitive's own: a reader or a writer
  std::uint32_t count = 0;  // the same: how many permits
  void* operation = nullptr;  // of whoever waits: what is written there before a claim that is won, it finds
};
static_assert(sizeof(WaitNode) == 40);

/// What a waiting task waits for, as a look at it tells.
struct WaitSubject {
  const char* kind = nullptr;  // "mutex"; a literal, as the name
  const char* name = nullptr;
  std::array<TaskId, 4> holders{};  // tasks that keep it waiting, where the primitive knows
  std::uint32_t holder_count = 0;   // may be more than are named
};

}  // namespace quiesce::detail
