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
// Laws that every operation obeys (docs/laws.md): it is a cancel point, also when it could go on at once; it refuses before it has
// any effect; a request that wins leaves nothing behind; `.outcome()` shows Cancelled or Err instead of ending the coroutine.
#include <concepts>
#include <coroutine>
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

/// An operation without its type.
struct OperationOps {
  bool (*try_now)(void*) noexcept;
  void (*enlist)(void*, WaitNode&) noexcept;
  bool (*delist)(void*, WaitNode&) noexcept;
  void (*give_back)(void*) noexcept;
  WaitSubject (*subject)(const void*) noexcept;
};
template <class Op>
inline constexpr OperationOps operation_ops{
    [](void* op) noexcept { return static_cast<Op*>(op)->try_now(); },
    [](void* op, WaitNode& node) noexcept { static_cast<Op*>(op)->enlist(node); },
    [](void* op, WaitNode& node) noexcept { return static_cast<Op*>(op)->delist(node); },
    [](void* op) noexcept { static_cast<Op*>(op)->give_back(); },
    [](const void* op) noexcept { return static_cast<const Op*>(op)->subject(); }};

/// A wait for one operation, whatever it is.
struct WaitBase {
  const LeafOps* leaf;
  const OperationOps* ops;
  void* op = nullptr;
  WaitNode node;  // in the primitive's list, under its lock
  bool observed;
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
};
template <class Op>
inline constexpr LeafOps leaf_of_operation{WaitBase::finish, Op::what, true,
                                           nullptr,          nullptr,  WaitBase::subject};

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

}  // namespace detail
}  // namespace quiesce
