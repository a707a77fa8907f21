#pragma once
#include <atomic>

#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

/// Whether somebody has been asked to look, and has not begun to.
///
/// Protocol:
///  1. Whoever has something to be seen sets the mark. Only who finds it clear has to post.
///  2. The worker clears the mark, then looks. So who finds it set leaves what it has to a look that is still to come.
/// Orders: both are read-modify-writes, acq_rel. A setter that finds the mark set comes before the clearing that ends it, in the mark's
/// modification order and by an unbroken chain of read-modify-writes: the look sees what that setter did. A clearing by a mere store
/// would order nothing, and the look could miss it.
template <class Platform = RealPlatform>
class PostMark {
 public:
  /// True: the caller must post.
  bool try_set() noexcept { return !is_set_.exchange(true, std::memory_order_acq_rel); }
  /// By the worker, before it looks.
  void clear() noexcept { is_set_.exchange(false, std::memory_order_acq_rel); }

 private:
  typename Platform::template atomic<bool> is_set_{false};
};

/// Work that a timer leaves to a worker because it needs locks: it lives in a record that is never unmapped, says only "look
/// again", and is harmless when what it was posted for has gone.
struct WorkItem {
  WorkItem* next = nullptr;
  void (*run)(WorkItem&) noexcept = nullptr;
  PostMark<> posted;

  /// True: the caller must post it. The worker clears the mark before it runs the item.
  bool try_post() noexcept { return posted.try_set(); }
};

}  // namespace quiesce::detail
