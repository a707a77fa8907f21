#pragma once
// TaskHandle<T, E>: the right to a spawned task's result, and to ask it to stop.
//
// Move-only. Dropping it neither detaches nor cancels the task: it goes on in its region, and a failure that the handle would
// have shown goes to the region's policy (rules S5, R7). A handle may be joined from any region, also of another runtime.
//   auto h = co_await scope.spawn(cx, work, 41);
//   int x = co_await h.join(cx);                          // the value, or this coroutine ends with the task's failure
//   q::Outcome<int> o = co_await h.join(cx).outcome();    // whatever it is
// join consumes the result: a second one gives PolledAfterCompletion. A join that is cancelled while it waits consumes nothing
// and may be repeated. abort() is a cancel request of kind User; it returns at once and join shows what came of it.
// Thread-safety: abort, is_finished and task_id from any thread while the handle lives; one join at a time.
#include <coroutine>
#include <optional>
#include <source_location>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/scope/obligation_token.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

template <class T = void, class E = Error>
class TaskHandle;

namespace detail {

/// The part of a join that does not depend on the type of the result.
struct JoinWait {
  CxCore cx;
  TaskRecord* target;
  bool observed;
  std::optional<Outcome<>> refused = {};  // why nothing was consumed: misuse, or the wait was cancelled
  bool (*settle)(JoinWait&, TaskRecord& joiner) noexcept = nullptr;  // true: the joiner's coroutine has ended

  JoinWait(CxCore context, TaskRecord* joined, bool observe) : cx(context), target(joined), observed(observe) {}
  /// True when the coroutine stays suspended (or has ended).
  bool start(PromiseBase& self) noexcept;
  /// Takes the result, which is of that kind, out of the record exactly once; false when it was taken before.
  bool take(OutcomeKind kind) noexcept {
    // Only failures have another taker, the region's sweep; of a Done task nothing else writes the word.
    if (kind == OutcomeKind::Ok) [[likely]]
      return target->word.apply_alone([](TaskWord w) { return task_word::take(w); }).made;
    return take_failure(kind);
  }
  bool take() noexcept;
  /// Why it is refused; nothing when it need not be.
  std::optional<Error> misuse(const TaskRecord& task) const;

 private:
  bool take_failure(OutcomeKind kind) noexcept;
  bool answer(TaskRecord& task) noexcept;
  bool is_misused(TaskRecord& task) noexcept;
};

void release_handle(TaskRecord& task) noexcept;
bool has_ended(const TaskRecord& task) noexcept;
void request_task(TaskRecord& task, const CancelReason& reason) noexcept;
Error taken_before(TaskRecord& task);

/// The joiner leaves. Another may have come since, and is not forgotten with it.
void retract_joiner(TaskRecord& target, const TaskRecord& leaving) noexcept;
/// Does another task wait in a join of this one? Only one joiner can be told of its end.
bool has_other_joiner(const TaskRecord& target) noexcept;

template <class T, class E>
class JoinOperation;  // detail/sync/select.hpp

/// The result of a task that has ended; a token in it becomes the joiner's, or stays where it is, with the reason.
template <class T, class E>
void collect_result(JoinWait& wait, [[maybe_unused]] TaskRecord& joiner, std::optional<Outcome<T, E>>& into) {
  TaskRecord& target = *wait.target;
  Outcome<T, E>& result = RecordResult<T, E>::get(target);
  if constexpr (HoldsObligation<T>) {
    if (result.is_ok()) {
      if (auto refusal = receive_token(result.value(), joiner)) {
        into.emplace(Outcome<>::err(Error(*refusal)).template failure_as<T, E>());
        return;
      }
    }
  }
  if (wait.take(result.kind())) [[likely]]
    into.emplace(std::move(result));
  else
    into.emplace(Outcome<T, E>::err(E(taken_before(target))));
}

template <class T, class E, bool Observed>
struct JoinAwaiter : JoinWait {
  std::optional<Outcome<T, E>> outcome;

  template <class Join>
  explicit JoinAwaiter(Join&& join) : JoinWait(join.cx_, join.target_, Observed) {}
  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    if constexpr (!Observed) {
      static_assert(
          ErrorConvertible<E, F>,
          "quiesce: co_await of a join needs this coroutine's E to be constructible from the task's E");
    }
    settle = [](JoinWait& wait, TaskRecord& joiner) noexcept {
      auto& mine = static_cast<JoinAwaiter&>(wait);
      mine.collect(joiner);
      if constexpr (!Observed) {
        if (!mine.outcome->is_ok()) {
          auto& promise = static_cast<Promise<U, F>&>(*static_cast<PromiseBase*>(joiner.leaf));
          put_failure(promise, std::move(*mine.outcome));
          promise.ended = true;
          return true;
        }
      }
      return false;
    };
    return start(self.promise());
  }

  auto await_resume() {
    if constexpr (Observed) {
      return std::move(*outcome);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*outcome).value();
    }
  }

 private:
  void collect(TaskRecord& joiner) {
    if (refused) {
      outcome.emplace(std::move(*refused).template failure_as<T, E>());
    } else {
      collect_result<T, E>(*this, joiner, outcome);
    }
  }
};

}  // namespace detail

/// What `handle.join(cx)` gives: awaitable once or more, while the handle lives and stays where it is.
template <class T, class E>
class [[nodiscard]] Join {
 public:
  using quiesce_awaiter = detail::JoinAwaiter<T, E, false>;
  using quiesce_operation = detail::JoinOperation<T, E>;
  using value_type = T;
  using error_type = E;

  class [[nodiscard]] Observed {
   public:
    using quiesce_awaiter = detail::JoinAwaiter<T, E, true>;
    explicit Observed(const Join& join) : cx_(join.cx_), target_(join.target_) {}
    Join detail_join() const { return Join(cx_, target_); }

   private:
    friend quiesce_awaiter;
    detail::CxCore cx_;
    detail::TaskRecord* target_;
  };
  Observed outcome() const { return Observed(*this); }
  Join(detail::CxCore cx, detail::TaskRecord* target) : cx_(cx), target_(target) {}
  const detail::CxCore& detail_cx() const noexcept { return cx_; }
  detail::TaskRecord* detail_record() const noexcept { return target_; }

 private:
  friend quiesce_awaiter;
  detail::CxCore cx_;
  detail::TaskRecord* target_;
};

template <class T, class E>
class [[nodiscard]] TaskHandle {
 public:
  using value_type = T;
  using error_type = E;

  TaskHandle() = default;
  explicit TaskHandle(detail::TaskRecord* record) noexcept : record_(record), id_(record->id()) {}
  TaskHandle(TaskHandle&& other) noexcept : record_(std::exchange(other.record_, nullptr)), id_(other.id_) {}
  TaskHandle& operator=(TaskHandle&& other) noexcept {
    TaskHandle gone(std::move(*this));
    record_ = std::exchange(other.record_, nullptr);
    id_ = other.id_;
    return *this;
  }
  ~TaskHandle() {
    if (record_ != nullptr) detail::release_handle(*record_);
  }

  /// Waits for the end and takes the result. A cancel point while it waits; of an ended task none.
  template <class Caps>
  Join<T, E> join(const BasicCx<Caps>& cx) const {
    return Join<T, E>(cx.core(), record_);
  }
  /// A cancel request of kind User.
  void abort(std::source_location at = std::source_location::current()) const {
    abort_with_reason(CancelReason::user("aborted through its handle", at));
  }
  void abort_with_reason(const CancelReason& reason) const {
    if (record_ != nullptr) detail::request_task(*record_, reason);
  }
  bool is_finished() const noexcept { return record_ == nullptr || detail::has_ended(*record_); }
  TaskId task_id() const noexcept { return id_; }
  /// False after it was moved from.
  explicit operator bool() const noexcept { return record_ != nullptr; }
  detail::TaskRecord* detail_record() const noexcept { return record_; }

 private:
  detail::TaskRecord* record_ = nullptr;
  TaskId id_;
};

}  // namespace quiesce
