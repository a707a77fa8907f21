#pragma once
// The list of a task's branches that are tasks of their own (fork.hpp, 7). All under the lock of the parent's extra.
#include <vector>

#include "quiesce/detail/kernel/fork.hpp"

namespace quiesce::detail {

inline void link_handed(TaskExtra& parent, ForkEntry& entry) noexcept {
  entry.previous = nullptr;
  entry.next = parent.forks;
  if (entry.next != nullptr) entry.next->previous = &entry;
  parent.forks = &entry;
}
inline void unlink_handed(TaskExtra& parent, ForkEntry& entry) noexcept {
  (entry.previous == nullptr ? parent.forks : entry.previous->next) = entry.next;
  if (entry.next != nullptr) entry.next->previous = entry.previous;
}

/// The records of those that `wanted` accepts, each with a reference for the caller to drop. One that is linked has not ended.
template <class Wanted>
void hold_forks(const TaskExtra& parent, Wanted wanted, std::vector<TaskRecord*>& held) {
  for (ForkEntry* entry = parent.forks; entry != nullptr; entry = entry->next) {
    if (!wanted(*entry)) continue;
    TaskRecord* fork = entry->record.load(std::memory_order_relaxed);
    fork->references.add();
    held.push_back(fork);
  }
}

}  // namespace quiesce::detail
