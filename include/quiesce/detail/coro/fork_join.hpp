#pragma once
// How a coroutine runs the branches of a fork_join (kernel/fork.hpp has the protocol below it).
//
//  1. The parent is suspended in its await until every branch has ended. Its step runs the called branch first, then joins the forked
//     ones, newest first: a branch that runs here is a child of the parent, as one that it awaits. When it has ended, `deliver` takes its
//     value, destroys its frame and begins the next, so that the parent is resumed once, at the end.
//  2. A branch that others run leaves its outcome in its record; the parent collects it when all have ended.
//  3. Of failures the worst is kept until all branches have ended; then the parent ends with it (O2). The first one asks the others to
//     stop. What has not begun then becomes a task, to be asked like one (C6).
//  4. No branch begins a second time, no frame goes before all have ended: neither a request nor an escalation passes a parent that waits.
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/kernel/fork.hpp"
#include "quiesce/task.hpp"

namespace quiesce::detail {

/// What the step loop knows of a fork_join.
struct ForkJoinFrame : ForkJoinCore {
  /// All handed branches have ended: takes their results, and goes on with the parent (false: it, or another branch, is the leaf) or has
  /// ended it (true).
  using Collect = bool (*)(ForkJoinFrame&, PromiseBase& parent);
  Collect collect;

  static ForkJoinFrame& of(PromiseBase& branch) noexcept {
    return static_cast<ForkJoinFrame&>(*reinterpret_cast<ForkJoinCore*>(branch.parent()->awaited.owner));
  }
};
static_assert(std::is_standard_layout_v<ForkJoinCore>);

/// How a handed branch is begun.
struct ForkOps : Steppable::Ops {
  PromiseBase* (*make)(
      ForkEntry&, TaskRecord&);  // nullptr: the function gave an empty Task. Throws what the function throws.
  const ResultOps* empty_result;
};
StepEnd fork_step(TaskRecord& task, TaskWord before) noexcept;

/// A destructor threw out of a frame that is gone now.
void note_torn_branch(TaskRecord& task) noexcept;
/// A destructor threw: its frame may be there still.
void destroy_survivor(std::coroutine_handle<PromiseBase> frame) noexcept;

/// The parent offers its branches, oldest first.
void push_forks(ForkJoinCore& join, ForkEntry* const* row, std::size_t count) noexcept;
bool join_with_care(ForkEntry& entry) noexcept;
/// The parent joins a branch. True: it is to be run here.
inline bool join_fork(ForkEntry& entry) noexcept {
  ForkJoinCore& join = *entry.join;
  if (join.lane == nullptr) [[unlikely]]
    return false;
  if (join.lane->is_watched || join.failed.load(std::memory_order_relaxed)) [[unlikely]]
    return join_with_care(entry);
  return join.lane->join(entry);
}
/// What `destroy_ended` does for one that has ended Ok, inline; with a task that is not torn.
inline void destroy_branch(PromiseBase& branch, TaskRecord& task) noexcept {
  if (task.torn) [[unlikely]]
    return destroy_ended(branch, false);
  branch.destroying = true;
  std::coroutine_handle<PromiseBase> handle = branch.handle();
  try {
    handle.destroy();
  } catch (...) { note_torn_branch(task); }
  if (task.torn) [[unlikely]]
    destroy_survivor(handle);
}
/// True: what was handed over has ended. False: the parent waits.
bool await_handed(ForkJoinFrame& join) noexcept;
/// A fork_join has asked for this: the one whose branch has it, or one around it. It does not count in one that has failed (kernel/fork.hpp, 8).
bool stopped_by_join(const CancelReason& reason) noexcept;
/// The record of a handed branch has been read.
void release_branch(TaskRecord& record) noexcept;
/// The function of a branch has thrown before there was a coroutine.
PanicPayload note_branch_panic(TaskRecord& task) noexcept;
/// Asks what is left to stop.
void fail_join(ForkJoinFrame& join) noexcept;

/// A value that is there from its branch's end on.
template <class T,
          bool Trivial = std::is_trivially_copyable_v<T>&& std::is_trivially_default_constructible_v<T>>
struct BranchValue {
  std::optional<T> value;
  void put(T&& from) { value.emplace(std::move(from)); }
  T take() { return std::move(*value); }
};
template <class T>
struct BranchValue<T, true> {
  T value;
  BranchValue() noexcept {}  // nothing is written before the value is
  void put(T&& from) noexcept { value = from; }
  T take() const noexcept { return value; }
};
template <>
struct BranchValue<void, false> {
  std::monostate take() const noexcept { return {}; }
};

}  // namespace quiesce::detail
