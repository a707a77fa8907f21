#pragma once
// Awaiting one operation (operation.hpp), which is what `mutex.lock(cx)` or `rx.recv(cx)` gives.
//
//  1. What can take effect at once, in a step that has awaits left, with no request there and nobody to be told, does so inline.
//  2. Else `WaitCall` sees to it, which knows no types: a context that is not the running task's, a request, giving way first, what looks
//     again or closes; and then the wait: its node, in the promise, goes into the list.
//  3. Of a wait that has ended by a grant the value is taken; by a request, the list is left. Either way the coroutine goes on or has ended
//     there: `settle`, which knows the types.
//  4. The record knows the wait by one word, its data, which is written before the node gets into the list and not again before it has
//     left it: who has the lock of the primitive and sees the node there may follow it. It is the awaiter, or what stands for it:
//       - An operation that is one word and never changes (IsWord) is that word itself, and nothing of it is in the frame but where
//         the compiler is g++, which keeps an awaiter whatever becomes of it.
//       - One that its primitive must find (IsFound) has an awaiter that begins with a pointer to it (FoundOperation).
#include <bit>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/sync/operation.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

namespace detail {

/// What a wait for one operation keeps while it is on, besides the operation: its context, and two notes in what the index leaves free. The
/// node is in the promise (PromiseBase::node).
class WaitState {
 public:
  WaitState() = default;
  explicit WaitState(const CxCore& cx) noexcept : index_(cx.task.index()), generation_(cx.generation) {}
  CxCore context() const noexcept { return {TaskRef(index_ & ~(won_note | filled_note)), generation_}; }
  /// Before anything is noted.
  bool is_of(const TaskRecord& task) const noexcept {
    return index_ == task.index && generation_ == task.generation.load(std::memory_order_relaxed);
  }
  /// While it closes: else a request has won.
  bool won() const noexcept { return (index_ & won_note) != 0; }
  void note_won(bool won) noexcept { index_ = won ? index_ | won_note : index_ & ~won_note; }
  /// What it gives is there: the awaiter has it until its end.
  bool filled() const noexcept { return (index_ & filled_note) != 0; }
  void note_filled() noexcept { index_ |= filled_note; }

 private:
  static constexpr std::uint32_t won_note = 1u << 30, filled_note = 1u << 31;
  std::uint32_t index_ = 0, generation_ = 0;
};

inline constexpr const char* closing_what = "what a wait must have before its task goes on";
inline constexpr const char* late_what = "its turn";
/// What is the same for all waits for one type of operation in one type of coroutine.
struct WaitKind {
  const OperationOps* ops;
  LeafOps waits, closes;
  LeafOps begins_late;  // it gives way first
  bool observed;
  /// Collects what the operation gave, or `refused`. True: the awaiting coroutine has ended with it.
  bool (*settle)(void* data, TaskRecord&, Outcome<>* refused) noexcept;
};

/// A wait for one operation, whatever it is, as long as a function of it runs.
struct WaitCall {
  const WaitKind& kind;
  TaskRecord& task;
  WaitState& state;
  void* op;
  void* data;  // the record's word for it (4)

  /// True: the coroutine stays suspended, or has ended.
  bool start() const noexcept;
  /// It could not take effect at once.
  bool wait() const noexcept;
  LeafNext finish(TaskWord before) const noexcept;
  LeafNext finish_closing() const noexcept;
  LeafNext start_late() const noexcept;

 private:
  bool settle(Outcome<>* refused) const noexcept { return kind.settle(data, task, refused); }
  bool answer(Outcome<>* refused) const noexcept;
  bool refuse_request() const noexcept;
  [[gnu::always_inline]] bool arm_here() const noexcept;
  [[gnu::noinline]] bool arm() const noexcept;
  PromiseBase& leaf() const noexcept;
  WaitNode& node() const noexcept;
  // Of an operation that looks again or closes.
  bool start_with_more() const noexcept;
  LeafNext end_wait() const noexcept;
  LeafNext look() const noexcept;
  LeafNext settle_with(Outcome<>* refused) const noexcept;
  LeafNext settle_request() const noexcept;
};

/// Nothing stands in the way of an operation that can take effect at once: it is a cancel point that nobody is told of, no request is
/// there, and the step has awaits left. Else `WaitCall::start` sees to it.
inline bool goes_straight_on(const TaskRecord& task, const WaitState& state) noexcept {
  return state.is_of(task) && !task.watched && task.cooperative_left > 1 && !task.word.load().must_observe();
}

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

/// An operation that does better where it is all that its task waits for, in `co_await x.op(cx)`:
///   using Alone = ...;  static const OperationOps Alone::alone_ops   the operation as seen there; Alone is the class or a base of it
///   bool at_once(TaskRecord&)    what `try_now` does, of a task of which nobody wants to be told; no more than a few instructions
///   T taken_at_once()            then, instead of `take`
template <class Op>
concept HasAlone = requires(Op op, TaskRecord& task) {
  typename Op::Alone;
  { op.at_once(task) } -> std::same_as<bool>;
};
template <class Op>
constexpr const OperationOps* ops_alone() noexcept {
  if constexpr (HasAlone<Op>) {
    return &Op::Alone::alone_ops;
  } else {
    return &operation_ops<Op>;
  }
}

/// An operation that is a word and stays what it is while it is waited for: a pointer to what has waiters, with nothing to give but that
/// the wait is over. It says so itself: `static constexpr bool is_word = true`.
template <class Op>
concept IsWord = requires {
  requires Op::is_word;
};
template <class Op>
struct WordCheck {
  static_assert(std::is_trivially_copyable_v<Op> && sizeof(Op) == sizeof(void*) &&
                alignof(Op) == alignof(void*));
  static_assert(std::is_void_v<typename Op::value_type>);
  static_assert(!LooksAgain<Op> && !Closes<Op> && !HasAlone<Op> && !IsFound<Op>);
};
/// One that may be copied and forgotten, and that nobody looks for: its await takes it by value, so that it is in the frame once.
template <class Op>
concept IsCopied = std::is_trivially_copyable_v<Op> && !IsFound<Op>;

/// An operation that never fails once it has taken effect, and that does better than `take` in a wait that gives no Outcome:
///   void give(value_type* place)           as `take`, into raw memory
///   static value_type given(value_type&)   out of that place, for the coroutine
template <class Op>
concept Gives = requires(Op op, typename Op::value_type* place) {
  op.give(place);
  { Op::given(*place) } -> std::same_as<typename Op::value_type>;
};

template <class Op, bool Observed>
class WaitAwaiter;
template <class Op>
class WordAwaiter;
template <class Op, bool Observed>
struct WaitAwaiterOf {
  using Type = WaitAwaiter<Op, Observed>;
};
template <IsWord Op>
struct WaitAwaiterOf<Op, false> {
  using Type = WordAwaiter<Op>;
};

template <class Op>
struct AwaitedByReference {};
template <IsCopied Op>
struct AwaitedByReference<Op> {
  using quiesce_awaited_in_place = void;
};

/// How a word says that its wait has a context that is not the running task's, and which.
inline std::uintptr_t foreign_word(const CxCore& cx) noexcept {
  return std::uintptr_t{cx.generation} << 32 | std::uintptr_t{cx.task.index()} << 1 | 1;
}
inline CxCore context_of_foreign(std::uintptr_t word) noexcept {
  return {TaskRef(static_cast<std::uint32_t>(word) >> 1), static_cast<std::uint32_t>(word >> 32)};
}

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

namespace detail {

/// An operation and what is to be kept while it is waited for. Not two members: who knows where the one is knows the other.
template <class Op>
struct Waiting : Op {
  WaitState state;

  Waiting(const CxCore& cx, Op&& operation) : Op(std::move(operation)), state(cx) {}
  template <class... Args>
  Waiting(const CxCore& cx, std::in_place_t, Args&&... args) : Op(std::forward<Args>(args)...), state(cx) {}
  Op& op() noexcept { return *this; }
};

}  // namespace detail

/// An operation with the context that waits: `co_await` it once, or `.outcome()` of it.
template <class Op>
class [[nodiscard]] Wait : public detail::AwaitedByReference<Op> {
 public:
  using quiesce_awaiter = typename detail::WaitAwaiterOf<Op, false>::Type;
  using quiesce_operation = Op;
  using value_type = typename Op::value_type;

  class [[nodiscard]] Observed : public detail::AwaitedByReference<Op> {
   public:
    using quiesce_awaiter = typename detail::WaitAwaiterOf<Op, true>::Type;
    using quiesce_operation = Op;
    explicit Observed(detail::Waiting<Op>&& waiting) : waiting_(std::move(waiting)) {}
    Op detail_operation() && { return std::move(waiting_.op()); }

   private:
    friend quiesce_awaiter;
    detail::Waiting<Op> waiting_;
  };

  Wait(const detail::CxCore& cx, Op op) : waiting_(cx, std::move(op)) {}
  /// The operation of these, without a copy.
  template <class... Args>
  Wait(const detail::CxCore& cx, std::in_place_t where, Args&&... args)
      : waiting_(cx, where, std::forward<Args>(args)...) {}
  Observed outcome() && { return Observed(std::move(waiting_)); }
  Op detail_operation() && { return std::move(waiting_.op()); }

 private:
  friend quiesce_awaiter;
  /// Of an operation that is a word, for its await in that task: it, or a foreign_word.
  std::uintptr_t in(const detail::TaskRecord& task) const noexcept {
    if (waiting_.state.is_of(task)) return std::bit_cast<std::uintptr_t>(static_cast<const Op&>(waiting_));
    return detail::foreign_word(waiting_.state.context());
  }
  detail::Waiting<Op> waiting_;
};

namespace detail {

/// Where the awaiter has the operation: it is a copy, or points at the awaitable, which is in the frame until its expression has ended.
template <class Op>
class WaitingPlace {
 public:
  explicit WaitingPlace(Waiting<Op>& waiting) noexcept : place_(&waiting) {}
  Waiting<Op>& get() noexcept { return *place_; }

 private:
  Waiting<Op>* place_;
};
template <IsCopied Op>
class WaitingPlace<Op> {
 public:
  explicit WaitingPlace(const Waiting<Op>& waiting) noexcept : place_(waiting) {}
  Waiting<Op>& get() noexcept { return place_; }

 private:
  Waiting<Op> place_;
};
/// The same word by word, where the wait is at once over most of the time: a load of two words that were stored one by one, as g++ copies
/// them, waits until they are in the cache.
template <IsCopied Op>
requires HasAlone<Op>
class WaitingPlace<Op> {
  using Held = Waiting<Op>;
  static_assert(std::is_trivially_copyable_v<Held> && sizeof(Held) % sizeof(std::uint64_t) == 0);

 public:
  explicit WaitingPlace(const Held& waiting) noexcept {
    for (std::size_t at = 0; at < sizeof(Held); at += sizeof(std::uint64_t)) {
      std::uint64_t word;
      std::memcpy(&word, reinterpret_cast<const std::byte*>(&waiting) + at, sizeof(word));
      __asm__("" : "+r"(word));  // in a register: no compiler makes one load of two
      std::memcpy(place_ + at, &word, sizeof(word));
    }
  }
  Held& get() noexcept { return *std::launder(reinterpret_cast<Held*>(place_)); }

 private:
  alignas(Held) std::byte place_[sizeof(Held)];
};
/// What is found is the operation or a base of it, so that the one pointer does, or else a part.
template <IsFound Op>
class WaitingPlace<Op> : FoundOperation {
  using Found = std::remove_reference_t<decltype(std::declval<Op&>().found())>;
  static constexpr bool is_whole = std::derived_from<Op, Found>;
  struct None {};

 public:
  explicit WaitingPlace(Waiting<Op>& waiting) noexcept : FoundOperation{&waiting.found()} {
    if constexpr (!is_whole) place_ = &waiting;
  }
  Waiting<Op>& get() noexcept {
    if constexpr (is_whole) {
      return static_cast<Waiting<Op>&>(static_cast<Op&>(*static_cast<Found*>(operation)));
    } else {
      return *place_;
    }
  }

 private:
  [[no_unique_address]] std::conditional_t<is_whole, None, Waiting<Op>*> place_;
};

#if defined(__GNUC__) && !defined(__clang__)
/// An operation that is a word, with its context, in one word. g++ 12 keeps in the frame not only the awaiter but what is awaited, too. So the
/// context is looked at where the wait is made: if it is the running task's own, as ever, 16 bits of it are kept above the address, which
/// tell a wait that another task has made. Else it is noted with the running task, until that awaits.
class WordWithContext {
 public:
  WordWithContext(const CxCore& cx, std::uintptr_t operation) noexcept : word_(made(cx, operation)) {}
  std::uintptr_t operation() const noexcept { return word_ & (tag_one - 2); }
  /// What an await of it is in that task, which runs: the operation, or a foreign_word.
  std::uintptr_t in(const TaskRecord& task) const noexcept {
    if ((word_ & 1) == 0 && word_ / tag_one == tag_of(task)) [[likely]]
      return operation();
    return with_care(task);
  }
  /// The context, for the running task.
  CxCore context() const noexcept;

 private:
  static constexpr std::uintptr_t tag_one = std::uintptr_t{1} << 48;  // addresses of user space are below 2^47
  static std::uintptr_t tag_of(const TaskRecord& task) noexcept {
    return static_cast<std::uint16_t>(task.index * 40503u + task.generation.load(std::memory_order_relaxed));
  }
  static std::uintptr_t made(const CxCore& cx, std::uintptr_t operation) noexcept;
  std::uintptr_t with_care(const TaskRecord& task) const noexcept;

  std::uintptr_t word_;
};
#endif

}  // namespace detail

#if defined(__GNUC__) && !defined(__clang__)
template <detail::IsWord Op>
class [[nodiscard]] Wait<Op> {
 public:
  using quiesce_awaiter = detail::WordAwaiter<Op>;
  using quiesce_awaited_in_place = void;
  using quiesce_operation = Op;
  using value_type = typename Op::value_type;

  class [[nodiscard]] Observed : public detail::AwaitedByReference<Op> {
   public:
    using quiesce_awaiter = detail::WaitAwaiter<Op, true>;
    using quiesce_operation = Op;
    explicit Observed(detail::Waiting<Op>&& waiting) : waiting_(std::move(waiting)) {}
    Op detail_operation() && { return std::move(waiting_.op()); }

   private:
    friend quiesce_awaiter;
    detail::Waiting<Op> waiting_;
  };

  Wait(const detail::CxCore& cx, const Op& op) noexcept : word_(cx, std::bit_cast<std::uintptr_t>(op)) {}
  Observed outcome() && {
    return Observed(detail::Waiting<Op>(word_.context(), std::move(*this).detail_operation()));
  }
  Op detail_operation() && { return std::bit_cast<Op>(word_.operation()); }

 private:
  friend quiesce_awaiter;
  std::uintptr_t in(const detail::TaskRecord& task) const noexcept { return word_.in(task); }
  detail::WordWithContext word_;
};
#endif

namespace detail {

/// What a wait has given, until the coroutine takes it. `WaitState::filled` says whether it is there.
template <class T>
class GivenPlace {
 public:
  void put(T&& value) noexcept { new (bytes_) T(std::move(value)); }
  T& get() noexcept { return *std::launder(reinterpret_cast<T*>(bytes_)); }

 private:
  alignas(T) std::byte bytes_[sizeof(T)];
};
template <>
class GivenPlace<void> {};

template <class Op, bool Observed>
class WaitAwaiter {
  static_assert(WaitOperation<Op>);
  using T = typename Op::value_type;
  using E = typename Op::error_type;
  using Result = Outcome<T, E>;
  using Given = std::conditional_t<Observed, Result, T>;
  static constexpr bool has_more = LooksAgain<Op> || Closes<Op> || HasAlone<Op>;
  static constexpr bool gives = Gives<Op> && !Observed;
  static constexpr bool has_end = !std::is_void_v<Given> && !std::is_trivially_destructible_v<Given>;

 public:
  template <class A>
  explicit WaitAwaiter(A&& what) noexcept : waiting_(what.waiting_) {}
  WaitAwaiter(const WaitAwaiter&) = delete;
  WaitAwaiter& operator=(const WaitAwaiter&) = delete;
  ~WaitAwaiter() {
    if constexpr (has_end) {
      if (state().filled()) given_.get().~Given();
    }
  }
  bool await_ready() const noexcept { return false; }

  /// True: the coroutine stays suspended, or has ended. What can take effect at once and is not asked to wait first does so here, inline.
  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    Promise<U, F>& promise = self.promise();
    TaskRecord& task = *promise.task;
    if constexpr (HasAlone<Op>) {
      if (goes_straight_on(task, state()) && op().at_once(task)) [[likely]] {
        --task.cooperative_left;
        if constexpr (Observed) {
          given_.put(Result::ok(op().taken_at_once()));
        } else {
          given_.put(op().taken_at_once());
        }
        if constexpr (has_end) state().note_filled();
        return false;
      }
    } else if constexpr (!has_more) {
      if (goes_straight_on(task, state())) [[likely]] {
        if (!op().try_now()) return call<U, F>(task, this).wait();
        --task.cooperative_left;
        if (!take_or_end<U, F>(promise)) [[likely]]
          return false;
        signal(task, Signal::Ended);
        return true;
      }
    }
    return call<U, F>(task, this).start();
  }

  Given await_resume() noexcept(std::is_void_v<Given>) {
    if constexpr (gives) {
      return Op::given(given_.get());
    } else if constexpr (!std::is_void_v<Given>) {
      return std::move(given_.get());
    }
  }

 private:
  WaitState& state() noexcept { return waiting_.get().state; }
  Op& op() noexcept { return waiting_.get(); }
  static WaitAwaiter& of(void* awaiter) noexcept { return *static_cast<WaitAwaiter*>(awaiter); }

  /// True: the coroutine has ended.
  template <class U, class F>
  bool take_or_end(Promise<U, F>& promise) noexcept {
    if constexpr (gives) {
      op().give(&given_.get());
      if constexpr (has_end) state().note_filled();
      return false;
    } else {
      return put_or_end(promise, op().take());
    }
  }
  /// True: the coroutine has ended.
  template <class U, class F>
  bool put_or_end(Promise<U, F>& promise, Result&& outcome) noexcept {
    if constexpr (Observed) {
      given_.put(std::move(outcome));
    } else {
      if (!outcome.is_ok()) [[unlikely]] {
        put_failure(promise, std::move(outcome));
        promise.ended = true;
        return true;
      }
      if constexpr (!std::is_void_v<T>) given_.put(std::move(outcome).value());
    }
    if constexpr (has_end) state().note_filled();
    return false;
  }
  template <class U, class F>
  static bool settle(void* awaiter, TaskRecord& task, Outcome<>* refused) noexcept {
    auto& promise = static_cast<Promise<U, F>&>(*static_cast<PromiseBase*>(task.leaf));
    if (refused == nullptr) return of(awaiter).template take_or_end<U, F>(promise);
    return of(awaiter).template put_or_end<U, F>(promise, std::move(*refused).template failure_as<T, E>());
  }

  template <class U, class F>
  static WaitCall call(TaskRecord& task, void* awaiter) noexcept {
    Op& op = of(awaiter).op();
    if constexpr (HasAlone<Op>) {
      return {kind<U, F>, task, of(awaiter).state(), static_cast<typename Op::Alone*>(&op), awaiter};
    } else {
      return {kind<U, F>, task, of(awaiter).state(), &op, awaiter};
    }
  }
  template <class U, class F>
  static LeafNext finish(TaskRecord& task, void* awaiter, TaskWord before) noexcept {
    if constexpr (!has_more) {  // a grant is known by the claim
      if (!before.has(TaskWord::by_request_bit)) [[likely]]
        return settle<U, F>(awaiter, task, nullptr) ? LeafNext::Ended : LeafNext::Resume;
    }
    return call<U, F>(task, awaiter).finish(before);
  }
  template <class U, class F>
  static LeafNext finish_closing(TaskRecord& task, void* awaiter, TaskWord) noexcept {
    return call<U, F>(task, awaiter).finish_closing();
  }
  template <class U, class F>
  static LeafNext start_late(TaskRecord& task, void* awaiter, TaskWord) noexcept {
    return call<U, F>(task, awaiter).start_late();
  }
  static WaitSubject subject(void* awaiter) noexcept { return of(awaiter).op().subject(); }

  template <class U, class F>
  static constexpr WaitKind kind{ops_alone<Op>(),
                                 {finish<U, F>, Op::what, true, nullptr, nullptr, subject, true},
                                 {finish_closing<U, F>, closing_what, false, nullptr, nullptr, subject, true},
                                 {start_late<U, F>, late_what, true, nullptr, nullptr, subject, true},
                                 Observed,
                                 settle<U, F>};

  WaitingPlace<Op> waiting_;  // first (FoundOperation)
  [[no_unique_address]] GivenPlace<Given> given_;
};

/// A word from when an await begins until its coroutine suspends. g++ 12 begins both awaits of `co_await a + co_await b` before it suspends in
/// the first; clang begins one at a time, so there the word may be in the record from the start.
class WaitWord {
 public:
#if defined(__GNUC__) && !defined(__clang__)
  WaitWord(TaskRecord&, std::uintptr_t word) noexcept : word_(word) {}
  std::uintptr_t get(const TaskRecord&) const noexcept { return word_; }

 private:
  std::uintptr_t word_;
#else
  WaitWord(TaskRecord& task, std::uintptr_t word) noexcept { task.wait.data = reinterpret_cast<void*>(word); }
  std::uintptr_t get(const TaskRecord& task) const noexcept {
    return reinterpret_cast<std::uintptr_t>(task.wait.data);
  }
#endif
};

/// `co_await event.wait(cx)`: of an operation that is a word. Where the context is not the running task's, the word is that instead.
template <class Op>
class WordAwaiter {
  static_assert(WaitOperation<Op> && sizeof(WordCheck<Op>) > 0);

 public:
  WordAwaiter(const Wait<Op>& what, TaskRecord& task) noexcept : word_(task, what.in(task)) {}
  WordAwaiter(const WordAwaiter&) = delete;
  WordAwaiter& operator=(const WordAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    Promise<U, F>& promise = self.promise();
    TaskRecord& task = *promise.task;
    const std::uintptr_t word = word_.get(task);
    const bool is_own = (word & 1) == 0;
    Call<U, F> made(task, reinterpret_cast<void*>(word));
    if (is_own && !task.watched && task.cooperative_left > 1 && !task.word.load().must_observe()) [[likely]] {
      if (!made.op.try_now()) return made.call().wait();
      --task.cooperative_left;
      if (!put_or_end(promise, made.op.take())) [[likely]]
        return false;
      signal(task, Signal::Ended);
      return true;
    }
    made.state = WaitState(is_own ? CxCore{&task, task.generation.load(std::memory_order_relaxed)}
                                  : context_of_foreign(word));
    return made.call().start();
  }
  void await_resume() const noexcept {}

 private:
  static Op op_of(void* data) noexcept { return std::bit_cast<Op>(data); }

  /// A call, and what it points at.
  template <class U, class F>
  struct Call {
    TaskRecord& task;
    void* data;
    Op op = op_of(data);
    WaitState state = {};

    Call(TaskRecord& of, void* word) noexcept : task(of), data(word) {}
    WaitCall call() noexcept { return {kind<U, F>, task, state, &op, data}; }
  };

  template <class U, class F>
  static bool put_or_end(Promise<U, F>& promise, Outcome<void, typename Op::error_type>&& outcome) noexcept {
    if (outcome.is_ok()) [[likely]]
      return false;
    put_failure(promise, std::move(outcome));
    return promise.ended = true;
  }
  template <class U, class F>
  static bool settle(void* data, TaskRecord& task, Outcome<>* refused) noexcept {
    auto& promise = static_cast<Promise<U, F>&>(*static_cast<PromiseBase*>(task.leaf));
    if (refused == nullptr) return put_or_end(promise, op_of(data).take());
    return put_or_end(promise, std::move(*refused).template failure_as<void, typename Op::error_type>());
  }
  template <class U, class F>
  static LeafNext finish(TaskRecord& task, void* data, TaskWord before) noexcept {
    if (!before.has(TaskWord::by_request_bit)) [[likely]]
      return settle<U, F>(data, task, nullptr) ? LeafNext::Ended : LeafNext::Resume;
    return Call<U, F>(task, data).call().finish(before);
  }
  template <class U, class F>
  static LeafNext start_late(TaskRecord& task, void* data, TaskWord) noexcept {
    return Call<U, F>(task, data).call().start_late();
  }
  static WaitSubject subject(void* data) noexcept { return op_of(data).subject(); }

  template <class U, class F>
  static constexpr WaitKind kind{ops_alone<Op>(),
                                 {finish<U, F>, Op::what, true, nullptr, nullptr, subject, true},
                                 {},
                                 {start_late<U, F>, late_what, true, nullptr, nullptr, subject, true},
                                 false,
                                 settle<U, F>};

  WaitWord word_;
};

}  // namespace detail
}  // namespace quiesce
