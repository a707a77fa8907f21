#pragma once
#include <array>
#include <cstdint>

#include "quiesce/detail/assert.hpp"
#include "quiesce/ids.hpp"

namespace quiesce::detail {

/// A waiting task and which of its waits: a value, safe to keep for any time, for a claim with an old epoch fails harmlessly.
struct Waiter {
  std::uint64_t packed = 0;  // index 24, epoch 40; 0 = nobody (no wait has the epoch 0)

  static Waiter of(std::uint32_t index, std::uint64_t epoch) { return {(epoch << 24) | index}; }
  std::uint32_t index() const { return static_cast<std::uint32_t>(packed & 0xffffff); }
  std::uint64_t epoch() const { return packed >> 24; }
  explicit operator bool() const { return packed != 0; }
};

/// A task's place in the list of a primitive (sync/primitive.hpp). All under the primitive's lock, from when it is enlisted until
/// its wait was claimed or it has been taken out. A million waiting tasks have one each, so its notes lie in the low bits of its
/// links, which nodes leave free; the operation that waits is found by the task's record (sync/wait.hpp, 4), but of a LongNode.
class WaitNode {
 public:
  WaitNode() = default;
  explicit WaitNode(Waiter who) noexcept : waiter(who) {}

  static constexpr std::uintptr_t notes = 7;  // no pointer to a node has them

  /// Before the first is the last: WaitList::after.
  WaitNode* ring_prev() const noexcept { return pointer(prev_); }
  WaitNode* ring_next() const noexcept { return pointer(next_); }
  void set_ring_prev(WaitNode* node) noexcept { prev_ = address(node) | (prev_ & notes); }
  void set_ring_next(WaitNode* node) noexcept { next_ = address(node) | (next_ & notes); }
  /// It is in no list, and neither granted nor missed.
  void link(WaitNode& prev, WaitNode& next) noexcept {
    QUIESCE_ASSERT(prev_ == 0, "a node is in one list at a time");
    prev_ = address(&prev);
    set_ring_next(&next);
  }
  bool linked() const noexcept { return (prev_ & ~notes) != 0; }
  void set_unlinked() noexcept { prev_ &= notes; }

  bool granted() const noexcept { return (prev_ & granted_note) != 0; }
  void set_granted() noexcept { prev_ |= granted_note; }
  void clear_granted() noexcept { prev_ &= ~granted_note; }
  /// Was it granted? It is told once.
  bool take_granted() noexcept {
    const bool was = granted();
    clear_granted();
    return was;
  }
  /// Its turn came while its task looked at something else: it comes back to the front.
  bool missed() const noexcept { return (prev_ & missed_note) != 0; }
  void set_missed() noexcept { prev_ |= missed_note; }
  bool take_missed() noexcept {
    const bool was = missed();
    prev_ &= ~missed_note;
    return was;
  }
  /// The primitive's own: one of two sorts of waiters.
  bool is_special() const noexcept { return (next_ & special_note) != 0; }
  void set_special(bool special) noexcept { next_ = special ? next_ | special_note : next_ & ~special_note; }

  bool is_long() const noexcept { return (next_ & long_note) != 0; }
  /// As one that was just made. It is in no list.
  void renew(Waiter who) noexcept {
    waiter = who;
    prev_ = 0;
    next_ &= long_note;
  }

 protected:
  static constexpr std::uintptr_t long_note = 2;
  std::uintptr_t prev_ = 0;  // first: nothing but notes when it is in no list (coro/promise.hpp, 7)
  std::uintptr_t next_ = 0;

 public:
  Waiter waiter;

 private:
  static constexpr std::uintptr_t granted_note = 1, missed_note = 2;  // of prev_
  static constexpr std::uintptr_t special_note = 1;                   // of next_
  static WaitNode* pointer(std::uintptr_t word) noexcept { return reinterpret_cast<WaitNode*>(word & ~notes); }
  static std::uintptr_t address(WaitNode* node) noexcept { return reinterpret_cast<std::uintptr_t>(node); }
};
static_assert(sizeof(WaitNode) == 24 && alignof(WaitNode) == 8);

/// One of several nodes of a wait, that of a select: it says itself what waits.
class LongNode : public WaitNode {
 public:
  LongNode() = default;
  LongNode(Waiter who, void* waits) noexcept : WaitNode(who), operation(waits) { next_ = long_note; }
  void* operation = nullptr;
};

/// What a waiting task waits for, as a look at it tells.
struct WaitSubject {
  const char* kind = nullptr;  // "mutex"; a literal, as the name
  const char* name = nullptr;
  std::array<TaskId, 4> holders{};  // tasks that keep it waiting, where the primitive knows
  std::uint32_t holder_count = 0;   // may be more than are named
};

}  // namespace quiesce::detail
