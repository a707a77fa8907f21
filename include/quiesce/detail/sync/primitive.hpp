#pragma once
// What every primitive that tasks wait for is made of: an identity, one lock, and lists of waiters.
//
// Protocol:
//  1. A task that must wait puts a WaitNode into a list of the primitive, under its lock, with the Waiter of a wait that it has
//     already armed, or announces so (task_word.hpp, 2). The node lies in the promise of the coroutine that waits, or in the frame of a
//     `select`: waiting allocates nothing.
//  2. Whoever makes progress possible (a release, a send, a close; also who has just put itself into the list) takes the lock and
//     *grants*: it takes the first node out of the
//     list, marks it granted, and claims the wait. A claim that fails – a request, or another operation of the same select, was
//     faster – unmarks the node, and the next in the list is asked. What was granted is counted for that waiter in the primitive,
//     so that nobody else can take it. Nothing of a node is touched after its claim was won.
//  3. A task that wakes by a grant owns what it was granted: it needs no look at the primitive to know that. One that wakes by a
//     request takes the lock and leaves the list. So of a grant and a request exactly one wins (C5), and nothing is lost.
//  4. Tasks that were claimed are scheduled after the lock was released (WakeList): no wake-up, and no user code, under a lock.
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <utility>

#include "quiesce/detail/kernel/exact_runs.hpp"
#include "quiesce/detail/kernel/kept_lock.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/kernel/wait.hpp"
#include "quiesce/detail/kernel/wait_node.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/logical.hpp"

namespace quiesce {

/// What a primitive is called in snapshots, deadlock reports and traces: a string literal.
class Name {
 public:
  constexpr Name() = default;
  consteval Name(const char* literal) : text_(literal) {}  // NOLINT: `Mutex<int> m(0, "balance")`
  constexpr const char* text() const noexcept { return text_; }

 private:
  const char* text_ = nullptr;
};

namespace detail {

/// The running task has one guard more, or less, of something (HeldGuards). A blocking task and the finalizer phase are no coroutines:
/// they have a result, or none, where others count guards.
inline bool counts_guards(const TaskRecord& task) noexcept {
  return task.tier != TaskTier::Blocking && task.role != TaskRole::Runner;
}
inline void hold_guard(TaskRecord& task, const PrimitiveName& of) noexcept {
  if (counts_guards(task)) task.held.add(of);
}
inline void release_guard(TaskRecord& task, const PrimitiveName& of) noexcept {
  if (counts_guards(task)) task.held.remove(of);
}

/// A list of waiters, first come first. Under the lock of its primitive. A ring, known by its last node: one word.
class WaitList {
 public:
  bool empty() const noexcept { return last_ == nullptr; }
  WaitNode* front() const noexcept { return last_ == nullptr ? nullptr : last_->ring_next(); }
  /// The one behind it; nullptr: it is the last.
  WaitNode* after(const WaitNode& node) const noexcept { return &node == last_ ? nullptr : node.ring_next(); }
  void push_back(WaitNode& node) noexcept;
  void push_front(WaitNode& node) noexcept;
  WaitNode* pop_front() noexcept;
  void remove(WaitNode& node) noexcept;

 private:
  void put_in_ring(WaitNode& node) noexcept;

  WaitNode* last_ = nullptr;
};
static_assert(sizeof(WaitList) == 8);

/// What a task's record has as the data of a wait whose operation is found by the primitive (operation.hpp): the awaiter begins so.
struct FoundOperation {
  void* operation;
};
/// What waits there: `found()` of the operation. Under the primitive's lock, of a node in a list: its task wrote the data of its wait
/// before it took that lock to get there, and writes it again only after it was taken out, under the lock, by itself or by a grant,
/// whose claim it then has seen. So nothing else orders the two.
inline void* waiting_operation(const WaitNode& node) noexcept {
  if (node.is_long()) return static_cast<const LongNode&>(node).operation;
  return static_cast<const FoundOperation*>(TaskSlab::at(node.waiter.index())->wait.data)->operation;
}

/// Tasks whose waits have been ended under a lock; made before the lock is taken, so that they are scheduled after it was released.
class WakeList {
 public:
  WakeList() = default;
  WakeList(const WakeList&) = delete;
  WakeList& operator=(const WakeList&) = delete;
  ~WakeList() {
    if (first_ != nullptr) wake();
  }
  /// True: the wait is over by this call.
  bool claim(Waiter waiter) noexcept;
  void wake() noexcept;

 private:
  TaskRecord* first_ = nullptr;  // linked by queue_next: they are in no lane yet
  TaskRecord* last_ = nullptr;
};

/// Who a primitive is, for those who look on; and its lock. Half a cache line.
class Primitive {
 public:
  explicit Primitive(PrimitiveKind kind, Name name = {}) noexcept : who_{kind, name.text()} {
    if (exact_runs.load(std::memory_order_relaxed)) [[unlikely]]
      tell_birth();
  }
  Primitive(const Primitive&) = delete;
  Primitive& operator=(const Primitive&) = delete;

  /// For the guards that a task holds.
  const PrimitiveName& who() const noexcept { return who_; }
  const char* kind() const noexcept { return who_.kind.text(); }
  /// nullptr: it was given none.
  const char* name() const noexcept { return who_.name; }
  /// The same in every run of an exact kernel; none where it was made outside of its tasks.
  LogicalId logical() const noexcept { return logical_; }

  /// The lock. In an exact kernel the calling step has used the primitive; `how` as the lab's strategies understand it.
  class Hold {
   public:
    explicit Hold(const Primitive& primitive, Use how = Use::Write) noexcept
        : primitive_(primitive), mark_(primitive.lock_.enter(this_locker())) {
      primitive.note_use(how);
    }
    /// Of one that has been taken by `take_at_once`.
    Hold(const Primitive& primitive, KeptLock<>::Mark* mark) noexcept : primitive_(primitive), mark_(mark) {}
    ~Hold() { primitive_.let_go(mark_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    const Primitive& primitive_;
    KeptLock<>::Mark* const mark_;
  };
  /// The lock without its Hold, for a way of a few instructions, taken with `enter`; and let go.
  KeptLock<>& lock() const noexcept { return lock_; }
  void let_go(KeptLock<>::Mark* mark) const noexcept { lock_.leave(mark); }
  /// For what is done without the lock.
  void note_use(Use how) const noexcept {
    if (exact_runs.load(std::memory_order_relaxed)) [[unlikely]]
      tell_use(how);
  }

  // Under the lock:
  void enlist(WaitList& list, WaitNode& node) noexcept {
    node.take_missed() ? list.push_front(node) : list.push_back(node);
    ++waiting_;
    if (++waited_ == 0) ++waited_high_;
  }
  /// The wait of a select is armed once more (sync/operation.hpp): the place in the list is of that wait now. False: it has none.
  static bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    if (node.linked()) node.waiter = waiter;
    return node.linked();
  }
  /// After the wait: out of the list if it is still there. True: it had been granted.
  bool delist(WaitList& list, WaitNode& node) noexcept {
    if (node.linked()) {
      list.remove(node);
      --waiting_;
    }
    return node.take_granted();
  }
  /// Takes the first out of the list, and ends its wait. False: something else has ended it, and the next may be asked. Either way the
  /// node is not to be touched any more.
  bool grant_front(WaitList& list, WakeList& woken) noexcept { return grant(list, *list.front(), woken); }
  /// The same of any node in the list, where whom to grant is not only a matter of order.
  bool grant(WaitList& list, WaitNode& node, WakeList& woken) noexcept;
  /// Ends the wait of the first that still waits. False: nobody does.
  bool grant_first(WaitList& list, WakeList& woken) noexcept {
    while (!list.empty()) {
      if (grant_front(list, woken)) return true;
    }
    return false;
  }
  /// Of every one that waits; how many.
  std::uint32_t grant_all(WaitList& list, WakeList& woken) noexcept;
  /// Tasks in its lists, and how often one had to wait so far.
  std::uint32_t waiting() const noexcept { return waiting_; }
  std::uint64_t waited() const noexcept { return (std::uint64_t{waited_high_} << 32) | waited_; }

 private:
  void tell_birth() noexcept;
  void tell_use(Use how) const noexcept;

  [[no_unique_address]] const PrimitiveName who_;
  std::uint16_t waited_high_ = 0;  // 48 bits together: a million waits a second for nine years
  mutable KeptLock<> lock_;
  LogicalId logical_;
  std::uint32_t waiting_ = 0;
  std::uint32_t waited_ = 0;
};
static_assert(sizeof(Primitive) == 32);

}  // namespace detail
}  // namespace quiesce
