#pragma once
#include <atomic>

namespace quiesce::detail {

/// Work that a timer leaves to a worker because it needs locks: it lives in a record that is never unmapped, says only "look
/// again", and is harmless when what it was posted for has gone.
struct WorkItem {
  WorkItem* next = nullptr;
  void (*run)(WorkItem&) noexcept = nullptr;
  std::atomic<bool> posted{false};

  /// True: the caller must post it. The worker clears the mark before it runs the item.
  bool try_post() noexcept { return !posted.exchange(true, std::memory_order_acq_rel); }
};

}  // namespace quiesce::detail
