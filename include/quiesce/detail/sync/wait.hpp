#pragma once
// Awaiting one operation of a primitive: what `mutex.lock(cx)` or `rx.recv(cx)` gives.
//
// An operation is a small movable object that says how one thing is waited for. All its functions are called by the task that waits;
// they take the primitive's lock (Primitive::Hold) themselves, and throw nothing:
//   using value_type = T;  using error_type = E;
//   bool try_now()               it takes effect, if it can at once. True: `take` comes next
//   void enlist(WaitNode&)       the wait is armed: into the list, and then, in the same critical section, whoever can be is granted
//   bool delist(WaitNode&)       after a wait: out of the list, if it is there. True: it had been granted; `take` or `give_back` is next
//   Outcome<T, E> take()         what it has given, once; Err where the primitive refuses (closed, misuse)
//   void give_back()             instead of `take`: as if it had not been granted
//   WaitSubject subject() const  who is waited for; called while the task waits, by any thread
//   static constexpr const char* what    a literal for reports: "a permit of a semaphore"
// Once the wait is armed an operation takes effect by a claim of it only, never by itself: so of those that one `select` waits for at
// most one does.
//
// Two more things that an operation may be; all of them are called by the task that waits, under no lock.
//  One that *looks again*: being woken says only that what it waits for may have come (Value::wait_until).
//   bool again()                 once it was granted, or `try_now` gave true: false: not yet, and the wait is armed once more. What
//                                was granted until then had no effect that others see; `give_back` undoes it where the wait is not
//                                armed again. May run code of the user, and throw: then the task's coroutine ends Panicked, as by
//                                a child that did
//  One that *closes*: before its task goes on something must be had that no request cuts short (CondVar: the lock).
//   void armed()                 after `enlist` of all that a select waits for, if nothing has come meanwhile
//   bool close(bool won)         after the wait, however it ended: true: nothing is to be waited for
//   void close_enlist(WaitNode&) a stubborn wait is armed: registers it with what ends it, which claims it, at once perhaps
//   void closed()                after that wait
//  The order is: delist, close, again, take. An escalated task (C10) is not kept by `close`.
// Arming once more: in a select the others keep their places meanwhile. They cannot be granted, for the wait is claimed; whoever
// tried takes the node out of the list and marks it (`missed`), and it comes back to the front of its line.
//   bool keep_place(WaitNode&, Waiter)   where the place is worth keeping: Primitive::keep_place under the lock. Else, and where that
//                                gives false, the operation is enlisted anew. Those that look again are always enlisted anew
//
// Laws that every operation obeys (docs/laws.md): it is a cancel point, also when it could go on at once; it refuses before it has
// any effect; a request that wins leaves nothing behind; `.outcome()` shows Cancelled or Err instead of ending the coroutine.
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/sync/primitive.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

namespace detail {

template <class Op>
concept WaitOperation = std::move_constructible<Op> && requires(Op op, const Op& look, WaitNode& node) {
  typename Op::value_type;
  typename Op::error_type;
  { op.try_now() }
  noexcept->std::same_as<bool>;
  { op.enlist(node) }
  noexcept;
  { op.delist(node) }
  noexcept->std::same_as<bool>;
  { op.take() }
  noexcept->std::same_as<Outcome<typename Op::value_type, typename Op::error_type>>;
  { op.give_back() }
  noexcept;
  { look.subject() }
  noexcept->std::same_as<WaitSubject>;
  { Op::what } -> std::convertible_to<const char*>;
};

enum class Look : std::uint8_t { Yes, NotYet, Threw };

/// What only some operations do; what is null they do not.
struct OperationMore {
  Look (*again)(void*, std::exception_ptr& thrown) noexcept;
  void (*armed)(void*) noexcept;
  bool (*close)(void*, bool won) noexcept;
  void (*close_enlist)(void*, WaitNode&) noexcept;
  void (*closed)(void*) noexcept;
};
/// An operation without its type.
struct OperationOps {
  bool (*try_now)(void*) noexcept;
  void (*enlist)(void*, WaitNode&) noexcept;
  bool (*delist)(void*, WaitNode&) noexcept;
  void (*give_back)(void*) noexcept;
  WaitSubject (*subject)(const void*) noexcept;
  void (*renew)(void*, WaitNode&, Waiter) noexcept;
  const OperationMore* more;
};

template <class Op>
concept LooksAgain = requires(Op op) {
  { op.again() } -> std::same_as<bool>;
};
template <class Op>
concept Closes = requires(Op op) {
  { op.close(true) } -> std::same_as<bool>;
};

template <class Op>
Look look_again(void* op, std::exception_ptr& thrown) noexcept {
  try {
    return static_cast<Op*>(op)->again() ? Look::Yes : Look::NotYet;
  } catch (...) {
    thrown = std::current_exception();
    return Look::Threw;
  }
}
template <class Op>
constexpr OperationMore operation_more() {
  OperationMore more{};
  if constexpr (LooksAgain<Op>) more.again = look_again<Op>;
  if constexpr (Closes<Op>) {
    more.armed = [](void* op) noexcept { static_cast<Op*>(op)->armed(); };
    more.close = [](void* op, bool won) noexcept { return static_cast<Op*>(op)->close(won); };
    more.close_enlist = [](void* op, WaitNode& node) noexcept { static_cast<Op*>(op)->close_enlist(node); };
    more.closed = [](void* op) noexcept { static_cast<Op*>(op)->closed(); };
  }
  return more;
}
template <class Op>
inline constexpr OperationMore more_of_operation = operation_more<Op>();

template <class Op>
void renew_operation(void* erased, WaitNode& node, Waiter waiter) noexcept {
  Op& op = *static_cast<Op*>(erased);
  if constexpr (requires { op.keep_place(node, waiter); }) {
    if (op.keep_place(node, waiter)) return;
    node.waiter = waiter;
    node.operation = erased;
  } else {
    op.delist(node);
    node = WaitNode{.waiter = waiter, .operation = erased};
  }
  op.enlist(node);
}
template <class Op>
inline constexpr OperationOps operation_ops{
    [](void* op) noexcept { return static_cast<Op*>(op)->try_now(); },
    [](void* op, WaitNode& node) noexcept { static_cast<Op*>(op)->enlist(node); },
    [](void* op, WaitNode& node) noexcept { return static_cast<Op*>(op)->delist(node); },
    [](void* op) noexcept { static_cast<Op*>(op)->give_back(); },
    [](const void* op) noexcept { return static_cast<const Op*>(op)->subject(); },
    renew_operation<Op>,
    LooksAgain<Op> || Closes<Op> ? &more_of_operation<Op> : nullptr};

/// A wait for one operation, whatever it is.
struct WaitBase {
  const LeafOps* leaf;
  const OperationOps* ops;
  void* op = nullptr;
  WaitNode node;  // in the primitive's list, under its lock
  bool observed;
  bool won = false;  // while it closes: else a request has won
  /// Collects what the operation gave, or `refused`. True: the awaiting coroutine has ended with it.
  bool (*settle)(WaitBase&, TaskRecord&, Outcome<>* refused) noexcept = nullptr;

  WaitBase(const LeafOps* as_leaf, const OperationOps* of, bool observes)
      : leaf(as_leaf), ops(of), observed(observes) {}
  /// True: the coroutine stays suspended, or has ended.
  bool start(PromiseBase& self, CxCore cx) noexcept;
  static LeafNext finish(TaskRecord& task, void* data, TaskWord before) noexcept;
  static WaitSubject subject(void* data) noexcept {
    const auto& wait = *static_cast<const WaitBase*>(data);
    return wait.ops->subject(wait.op);
  }

 private:
  bool answer(TaskRecord& task, Outcome<>* refused) noexcept;
  bool refuse_request(TaskRecord& task) noexcept;
  bool arm(TaskRecord& task) noexcept;
  // Of an operation that looks again or closes.
  bool start_with_more(TaskRecord& task) noexcept;
  LeafNext end_wait(TaskRecord& task) noexcept;
  LeafNext look(TaskRecord& task) noexcept;
  LeafNext settle_with(TaskRecord& task, Outcome<>* refused) noexcept;
  LeafNext settle_request(TaskRecord& task) noexcept;
  static LeafNext finish_closing(TaskRecord& task, void* data, TaskWord before) noexcept;
  static const LeafOps closing;
};
template <class Op>
inline constexpr LeafOps leaf_of_operation{WaitBase::finish, Op::what, true,
                                           nullptr,          nullptr,  WaitBase::subject};

/// What the user's code threw, as the outcome of the operation that ran it.
Outcome<> panic_as_outcome(TaskRecord& task, std::exception_ptr thrown) noexcept;
/// The running task's request, as the outcome of an operation that it refuses; it is acknowledged.
Outcome<> request_as_outcome(TaskRecord& task) noexcept;

/// Puts a failure into the promise of the running task's leaf, whose type is Promise<U, F>, and ends it there.
template <class U, class F, class T, class E>
void end_leaf_with(TaskRecord& task, Outcome<T, E>&& failure) {
  auto& promise = static_cast<Promise<U, F>&>(*static_cast<PromiseBase*>(task.leaf));
  put_failure(promise, std::move(failure));
  promise.ended = true;
}

template <class Op, bool Observed>
class WaitAwaiter;

template <class Op>
struct NeedsContext {
  // Here and not in a function, so that it is the first thing the compiler says.
  static_assert(!std::same_as<Op, Op>,
                "quiesce: an operation without a context is for select only: co_await rx.recv(cx)");
  template <class Operation>
  explicit NeedsContext(Operation&&) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

}  // namespace detail

/// An operation that nobody waits for yet: an argument of `select` and `timeout`.
template <class Op>
class [[nodiscard]] Operation {
 public:
  using quiesce_awaiter = detail::NeedsContext<Op>;
  using quiesce_operation = Op;
  using value_type = typename Op::value_type;
  using error_type = typename Op::error_type;

  /// Gives Outcome<value_type> to whoever selects it, instead of ending that coroutine when it fails.
  class [[nodiscard]] Observed {
   public:
    using quiesce_operation = Op;
    explicit Observed(Op op) : op_(std::move(op)) {}
    Op detail_operation() && { return std::move(op_); }

   private:
    Op op_;
  };

  explicit Operation(Op op) : op_(std::move(op)) {}
  Observed outcome() && { return Observed(std::move(op_)); }
  Op detail_operation() && { return std::move(op_); }

 private:
  Op op_;
};

/// An operation with the context that waits: `co_await` it once, or `.outcome()` of it.
template <class Op>
class [[nodiscard]] Wait {
 public:
  using quiesce_awaiter = detail::WaitAwaiter<Op, false>;
  using quiesce_operation = Op;
  using value_type = typename Op::value_type;

  class [[nodiscard]] Observed {
   public:
    using quiesce_awaiter = detail::WaitAwaiter<Op, true>;
    using quiesce_operation = Op;
    Observed(const detail::CxCore& cx, Op op) : cx_(cx), op_(std::move(op)) {}
    Op detail_operation() && { return std::move(op_); }

   private:
    friend quiesce_awaiter;
    detail::CxCore cx_;
    Op op_;
  };

  Wait(const detail::CxCore& cx, Op op) : cx_(cx), op_(std::move(op)) {}
  Observed outcome() && { return Observed(cx_, std::move(op_)); }
  Op detail_operation() && { return std::move(op_); }

 private:
  friend quiesce_awaiter;
  detail::CxCore cx_;
  Op op_;
};

namespace detail {

/// Points at the awaitable, which lives in the awaiting frame until the expression has ended.
template <class Op, bool Observed>
class WaitAwaiter : WaitBase {
  static_assert(WaitOperation<Op>);
  using T = typename Op::value_type;
  using E = typename Op::error_type;
  using Awaitable = std::conditional_t<Observed, typename Wait<Op>::Observed, Wait<Op>>;

 public:
  template <class A>
  explicit WaitAwaiter(A&& what)
      : WaitBase(&leaf_of_operation<Op>, &operation_ops<Op>, Observed), what_(&what) {
    op = &what_->op_;
  }
  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    settle = [](WaitBase& base, TaskRecord& task, Outcome<>* refused) noexcept {
      auto& wait = static_cast<WaitAwaiter&>(base);
      if (refused != nullptr) {
        wait.outcome_.emplace(std::move(*refused).template failure_as<T, E>());
      } else {
        wait.outcome_.emplace(wait.what_->op_.take());
      }
      if constexpr (!Observed) {
        if (!wait.outcome_->is_ok()) {
          end_leaf_with<U, F>(task, std::move(*wait.outcome_));
          return true;
        }
      }
      return false;
    };
    return start(self.promise(), what_->cx_);
  }

  auto await_resume() {
    if constexpr (Observed) {
      return std::move(*outcome_);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*outcome_).value();
    }
  }

 private:
  Awaitable* what_;
  std::optional<Outcome<T, E>> outcome_;
};

/// The subject of a wait for a primitive that knows no holders.
inline WaitSubject subject_of(const Primitive& primitive) noexcept {
  return {primitive.kind(), primitive.name(), {}, 0};
}

/// A timer that grants a node; a node and a timer of one wait. It stays where it is while it is armed.
class WaitAlarm : TimerEntry {
 public:
  void arm(WaitNode& node, Time until) noexcept;
  /// It is not firing either from then on. True: it had granted its node.
  bool disarm() noexcept;

 private:
  static void fired(TimerEntry& entry) noexcept;
  WaitNode* node_ = nullptr;
};

/// Where an operation waits: in which list of what.
struct WaitPlace {
  Primitive* primitive;
  WaitList* list;
};

/// What most operations have in common: a place in one list. Op has
///   WaitPlace place() const      always the same
///   void pump(WakeList&)         under the lock: grants whoever can be, as the primitive does whenever that may have changed
/// and, where all that wait are told together and nothing is kept for later, told_together = true: one that was told while its task
/// looked at something else has been told.
template <class Op>
class ListedOperation {
 public:
  using error_type = Error;

  void enlist(WaitNode& node) noexcept {
    WakeList woken;
    const WaitPlace place = self().place();
    const Primitive::Hold hold(*place.primitive);
    const bool missed = node.missed;
    place.primitive->enlist(*place.list, node);
    self().pump(woken);
    if constexpr (requires { Op::told_together; }) {
      if (missed && node.linked) place.primitive->grant(*place.list, node, woken);
    }
  }
  bool delist(WaitNode& node) noexcept {
    const WaitPlace place = self().place();
    const Primitive::Hold hold(*place.primitive);
    return place.primitive->delist(*place.list, node);
  }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    const Primitive::Hold hold(*self().place().primitive);
    return Primitive::keep_place(node, waiter);
  }
  void give_back() noexcept {}
  WaitSubject subject() const noexcept { return subject_of(*static_cast<const Op*>(this)->place().primitive); }

 private:
  Op& self() noexcept { return static_cast<Op&>(*this); }
};

}  // namespace detail
}  // namespace quiesce
